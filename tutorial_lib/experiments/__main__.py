"""Command line of the experiments: `python -m tutorial_lib.experiments --help`."""

from tutorial_lib.process import prepare

prepare()  # before torch is imported

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

from tutorial_files.commands import Parser
from tutorial_lib.data.datasets import load_dataset
from tutorial_lib.distributed import ALONE, Group, joined
from tutorial_lib.errors import TutorialError
from tutorial_lib.evaluate import Ranks
from tutorial_lib.experiments import clock, queue
from tutorial_lib.experiments.comparison import Suite
from tutorial_lib.experiments.convert import read_args
from tutorial_lib.experiments.results import add_ranks, publish, rank_file, suite_name
from tutorial_lib.experiments.runs import Run, add_to_table, log
from tutorial_lib.experiments.settings import add_arguments, as_toml, read_settings, shared
from tutorial_lib.experiments.stages.lineup import ENTRIES, select
from tutorial_lib.experiments.suite import SCALES, STAGES, run_suite
from tutorial_lib.experiments.training import examine, execute
from tutorial_lib.experiments.watching import keep_log, scalars, show
from tutorial_lib.files import write_text
from tutorial_lib.knobs import check, knob, knobs
from tutorial_lib.language import say
from tutorial_lib.train import TrainConfig


@dataclass(frozen=True)
class Train:
    """Where and how fast, and what is written."""

    device: str = shared(Suite, "device")
    sampled: int = knob(
        100, "also rank among so many sampled negatives, as many papers do; 0: do not", least=0
    )
    out: Path = knob(
        Path("runs"), "folder for checkpoint, ranks and result; a second call goes on there"
    )
    table: Path | None = knob(
        None, "also add the row to this CSV table, and the ranks to ranks/ beside it"
    )
    tensorboard: bool = knob(
        False, "also write scalars for TensorBoard (pip install tensorboard) to OUT/RUN/tensorboard"
    )
    log: Path | None = knob(None, "also write what happens to this file, each line with its time")
    quiet: bool = knob(False, "no progress bar")
    distributed: bool = knob(
        False, "several processes share each batch; start them by torchrun (see docs/large-data.md)"
    )
    sharded: bool = knob(
        False, "with --distributed: each process keeps a part of the table and of Adam's moments"
    )
    queue: Path | None = knob(
        None, "do not train now: put the run into this queue, for python -m ... worker QUEUE"
    )

    def __post_init__(self):
        check(self)
        if self.sharded and not self.distributed:
            raise TutorialError("--sharded needs several processes: add --distributed")


@dataclass(frozen=True)
class Compare:
    """What is run of it, and what is written."""

    out: Path | None = knob(None, "folder of all outputs; none: experiments/DATASET")
    scale: str | None = knob("quick", "a budget; none where --config is given", choices=SCALES)
    models: tuple[str, ...] | None = knob(
        None, "only these labels or models, and the twins they are held against; none: all"
    )
    stages: tuple[str, ...] = knob(
        tuple(STAGES), "only these, and tune, whose choice all others need", choices=STAGES
    )
    publish: Path | None = knob(
        None, "at the end add tables, report and ranks to the results in this folder, as suite/NAME"
    )
    log: Path | None = shared(Train, "log")
    quiet: bool = shared(Train, "quiet")

    def __post_init__(self):
        check(self)


def build_parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="python -m tutorial_lib.experiments",
        description=say(
            "One command a run, one row a result. Each command has a --help of its own, such as"
            " python -m tutorial_lib.experiments train --help"
        ),
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    usage = "python -m tutorial_lib.experiments {} [OPTIONS]"
    train = commands.add_parser(
        "train",
        usage=usage.format("train --model NAME"),
        help=say("train one model, evaluate it on the test part, write its result"),
    )
    add_arguments(train, Run, say("model and data"))
    add_arguments(train, TrainConfig, say("training"))
    add_arguments(train, Train, say("where, and what is written"))
    train.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help=say("a further option of the model; may be repeated"),
    )
    budgets = "; ".join(
        f"{name}: " + ", ".join(f"{knob} {value or 'all'}" for knob, value in scale.items())
        for name, scale in SCALES.items()
    )
    suite = commands.add_parser(
        "suite",
        usage=usage.format("suite"),
        help=say("all eight stages: many models and seeds, tables, pictures and a report"),
        description=say(
            "Stages: {stages}. What is up to date is skipped; cut at any moment, the same command"
            " goes on and finishes with the same numbers. Budgets: {budgets}. Models: {entries}.",
            stages=say("; ").join(
                say("{stage} ({title})", stage=one.name, title=one.title) for one in STAGES.values()
            ),
            budgets=budgets,
            entries=", ".join(entry.label for entry in ENTRIES),
        ),
    )
    add_arguments(suite, Suite, say("comparison"), jobs=2, **SCALES["quick"])
    add_arguments(suite, Compare, say("what is run of it, and what is written"))
    for command in (train, suite):
        command.add_argument(
            "--config",
            type=Path,
            metavar="FILE",
            help=say(
                "settings in TOML or YAML, such as the config.toml that every run writes;"
                " options given here go before it"
            ),
        )
    clock.add_parser(commands, usage)
    queue.add_parser(commands, usage)
    test = commands.add_parser(
        "test", help=say("load the checkpoint of a run, evaluate it on the test part, compare")
    )
    test.add_argument("run", type=Path, metavar="RUN", help=say("its folder, such as runs/NAME"))
    test.add_argument("--device", default="auto", help=say("auto, cpu, cuda or mps"))
    return parser


def settings_of(args: argparse.Namespace, *owners: type) -> dict[str, object]:
    """From the file of --config, then from the command line."""
    known: dict[str, type] = {name: owner for owner in owners for name in knobs(owner)}
    if Run in owners:
        known["options"] = dict
    found = {}
    if args.config is not None and args.config.name == "args.txt" and Run in owners:
        found = read_args(args.config)
    elif args.config is not None:
        found = read_settings(args.config, known)
    return found | {name: value for name, value in vars(args).items() if name in known}


def pick(settings: dict[str, object], owner: type) -> dict[str, object]:
    return {name: settings[name] for name in knobs(owner) if name in settings}


def train_command(args: argparse.Namespace) -> int:
    """`train`: one run."""
    settings = settings_of(args, Run, TrainConfig, Train)
    where = Train(**pick(settings, Train))
    options = dict(settings.get("options", {}))
    for text in args.option:
        name, equals, value = text.partition("=")
        if not equals:
            raise TutorialError("--option {text!r} is not NAME=VALUE", text=text)
        options[name] = value
    run = Run.from_settings(settings | {"options": options})
    if where.queue:
        print(queue.enqueue(where.queue, run, where.out))
        return 0
    if not where.distributed:
        return train_one(run, where, where.device)
    with joined(where.device, where.sharded) as (group, device):
        return train_one(run, where, device, group)


def train_one(run: Run, where: Train, device: str, group: Group = ALONE) -> int:
    """One run by one process, or by one of several; the first of them speaks and writes."""
    keep_log(where.log if group.writer else None)
    watch = (
        scalars(where.out / run.name / "tensorboard")
        if where.tensorboard and group.writer
        else None
    )

    def on_look(row: dict[str, float]) -> None:
        log.info(say("epoch {epoch} loss {loss:.4f} valid NDCG@10 {ndcg:.4f}", **row))
        if watch:
            watch(row)

    how = {"device": device, "progress": not where.quiet, "sampled": where.sampled}
    row = execute(run, where.out, on_look=on_look, group=group, **how)
    if not group.writer:
        return 0
    if where.table:
        ranks = Ranks.read_csv(where.out / run.name / "ranks.csv.gz")
        add_ranks({run.name: ranks}, rank_file(row, where.table.parent))
        add_to_table(row, where.table)
    show(row)
    print(say("written to {out}", out=where.out / run.name))
    return 0


def suite_command(args: argparse.Namespace) -> int:
    """`suite`: settings of the scale, then of the file, then those given one by one."""
    given = settings_of(args, Suite, Compare)
    where = Compare(**({"scale": None} if args.config else {}) | pick(given, Compare))
    settings = {"jobs": 2} | SCALES.get(where.scale, {}) | pick(given, Suite)
    dataset = settings.get("dataset", "sample")
    most = None if "users" in given else settings.get("users")
    if most and load_dataset(dataset).num_users <= most:
        settings["users"] = None  # a scale asks for that many at most
    out = where.out or Path("experiments") / Path(dataset).name
    suite = Suite(out, entries=select(where.models), progress=not where.quiet, **settings)
    keep_log(where.log)
    plain = {name: getattr(suite, name) for name in knobs(Suite, settings=True)}
    labels = [entry.label for entry in suite.entries]
    write_text(out / "config.toml", as_toml(plain | {"models": labels}))
    run_suite(suite, where.stages)
    if where.publish:
        publish(out, suite_name(suite.dataset, suite.split), where.publish)
    report = out / "report" / "report.md"
    print(say("read {report}", report=report) if report.exists()
          else say("written to {out}", out=out))  # fmt: skip
    return 0


def test_command(args: argparse.Namespace) -> int:
    """`test`: 0 if the numbers are those that were recorded, else 1."""
    row, other = examine(args.run, args.device)
    show(row)
    if other:
        print(say("not what was recorded: {other}", other=", ".join(other)))
        return 1
    print(say("equal to what was recorded in {run}", run=args.run / "result.json"))
    return 0


COMMANDS = {"train": train_command, "suite": suite_command, "test": test_command}
COMMANDS |= {"clock": clock.clock_command, "worker": queue.worker_command}


def main(arguments: list[str] | None = None) -> int:
    handlers = list(log.handlers)
    try:
        args = build_parser().parse_args(arguments)
        return COMMANDS[args.command](args)
    except TutorialError as error:
        print(say("error: {error}", error=error), file=sys.stderr)
        log.info(say("error: {error}", error=error))
        return 2
    except KeyboardInterrupt:
        print(say("stopped; the same command goes on where it was cut"), file=sys.stderr)
        log.info(say("stopped"))
        return 130
    finally:
        for handler in log.handlers[:]:
            if handler not in handlers:
                log.removeHandler(handler)
                handler.close()


if __name__ == "__main__":
    sys.exit(main())
