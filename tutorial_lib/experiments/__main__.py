"""Command line of the experiments: `python -m tutorial_lib.experiments --help`."""

import argparse
import sys
from dataclasses import fields
from pathlib import Path

from tutorial_lib.data.corrupt import CLOCKS
from tutorial_lib.data.datasets import load_dataset
from tutorial_lib.errors import TutorialError
from tutorial_lib.evaluate import Ranks
from tutorial_lib.experiments.results import add_ranks, publish, rank_file, suite_name
from tutorial_lib.experiments.runs import Run, add_to_table, execute
from tutorial_lib.experiments.stages.fresh import STAGES
from tutorial_lib.experiments.stages.lineup import ENTRIES, select
from tutorial_lib.experiments.suite import SCALES, Suite, run_suite
from tutorial_lib.losses import LOSSES
from tutorial_lib.models import MODELS, model_options
from tutorial_lib.train import TrainConfig

HELP = {  # of the fields of TrainConfig
    "loss": f"one of {', '.join(LOSSES)}",
    "negatives": (
        "sampled negatives for each position, or for the batch with --shared-negatives; ce needs"
        " none"
    ),
    "shared_negatives": "one set of negatives for the whole batch",
    "epochs": "passes over the training part, at most",
    "batch_size": "windows in a step",
    "learning_rate": "of AdamW, at its highest",
    "weight_decay": "on matrices, never on biases and norms; on tables only for mf and neumf",
    "schedule": "of the learning rate: constant or cosine",
    "warmup_epochs": "epochs in which the learning rate rises linearly from 0; may be a fraction",
    "averaging": (
        "decay of the moving average of the weights that is evaluated, such as 0.998; 0: none"
    ),
    "windows": (
        "last: the last MAX_LEN targets of each user; all: the whole history, in pieces; prefixes:"
        " one a target"
    ),
    "evaluate_every": "epochs between two looks at the validation part",
    "patience": "stop after so many looks without a better NDCG@10; 0: never",
    "seed": "of weights, order, dropout and training negatives",
    "filter_seen": "leave out what the user chose before; default: unless the data set has repeats",
}
SUITE_SETTINGS = (
    *("dataset", "split", "users", "seeds", "tune_seeds", "rates", "epochs", "batch_size"),
    *("max_len", "dim", "dropout", "windows", "device", "jobs"),
)


def parse_option(model: str, text: str) -> tuple[str, object]:
    """'heads=2' -> ('heads', 2), typed like the model's default."""
    name, equals, value = text.partition("=")
    known = model_options(model)
    if not equals or name not in known:
        raise TutorialError(
            f"--option {text!r} is not NAME=VALUE with a NAME that {model} knows:"
            f" {', '.join(known) or 'it has none'}"
        )
    kind = type(known[name]) if known[name] is not None else int
    try:
        return name, value.lower() in ("1", "true", "yes") if kind is bool else kind(value)
    except ValueError:
        raise TutorialError(
            f"--option {text!r}: {value!r} is not of type {kind.__name__}"
        ) from None


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tutorial_lib.experiments",
        description=(
            "One command a run, one row a result. Further help: python -m tutorial_lib.experiments"
            " train --help"
        ),
    )
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser(
        "train",
        help="train one model, evaluate it on the test part, write its result",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = one.add_argument
    add("--model", required=True, help=f"one of {', '.join(MODELS)}")
    add(
        "--dataset",
        default="sample",
        help="sample, control, ml-100k, ml-1m, csv:PATH, ... (python -m tutorial_lib.data list)",
    )
    add("--split", default="temporal", help="temporal or leave_last_out")
    add(
        "--clock",
        default="real",
        help=f"one of {', '.join(CLOCKS)}: the others are controls that tell nothing",
    )
    add("--users", type=int, default=None, help="a random subset of so many users, always the same")
    add("--max-len", type=int, default=50, help="longest history that the model reads, in events")
    add("--dim", type=int, default=64, help="width")
    add(
        "--option",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a further option of the model; may be repeated",
    )
    for item in fields(TrainConfig):
        kind = (
            {"action": "store_true"}
            if item.type is bool
            else {"action": argparse.BooleanOptionalAction}
            if item.type == bool | None
            else {"type": item.type, "default": item.default}
        )
        add("--" + item.name.replace("_", "-"), help=HELP[item.name], **kind)
    add("--device", default="auto", help="auto, cpu, cuda or mps")
    add(
        "--sampled",
        type=int,
        default=100,
        help="also rank among so many sampled negatives, as many papers do; 0: do not",
    )
    add(
        "--out",
        type=Path,
        default=Path("runs"),
        help="folder for checkpoint, ranks and result; a second call goes on there",
    )
    add(
        "--table",
        type=Path,
        default=None,
        help="also add the row to this CSV table, and the ranks to ranks/ beside it",
    )
    add("--quiet", action="store_true", help="no progress bar")
    add_suite(commands)
    return parser


def add_suite(commands: argparse._SubParsersAction) -> None:
    """The command `suite`."""
    known = ", ".join(entry.label for entry in ENTRIES)
    budgets = "; ".join(
        f"{name}: " + ", ".join(f"{k} {v or 'all'}" for k, v in scale.items())
        for name, scale in SCALES.items()
    )
    add = commands.add_parser(
        "suite",
        help="all eight stages: many models and seeds, tables, pictures and a report",
        description=(
            f"Stages, in this order: {', '.join(STAGES)}. What is up to date is skipped; cut at any"
            " moment, the same command goes on and finishes with the same numbers."
        ),
    ).add_argument
    add("--dataset", default="sample", help="sample, control, ml-100k, ... (default: sample)")
    add("--split", default="temporal", help="temporal (default) or leave_last_out")
    add(
        "--out",
        type=Path,
        default=None,
        help="folder of all outputs (default: experiments/DATASET)",
    )
    add("--scale", default="quick", choices=SCALES, help=f"a budget ({budgets}; default: quick)")
    add(
        "--models",
        type=_words,
        help=f"only these, and the twins they are held against: labels or models, of {known}",
    )
    add(
        "--stages",
        type=_words,
        default=list(STAGES),
        help="only these (and tune, whose choice all others need)",
    )
    add("--users", type=int, help="a random subset of so many users, always the same")
    add("--seeds", type=int, help="so many trainings of each model, with seeds 0, 1, ...")
    add("--tune-seeds", type=int, help="so many of them decide on the learning rate, by their mean")
    add(
        "--rates",
        type=lambda text: tuple(map(float, _words(text))),
        help="grid of learning rates, tried by every model",
    )
    for name in ("epochs", "batch_size", "max_len", "dim", "dropout", "windows"):
        default = SCALES["quick"].get(name) or getattr(Suite, name)
        add(
            "--" + name.replace("_", "-"),
            type=type(default),
            help=f"the same for every model (quick: {default})",
        )
    add("--device", default="auto", help="auto, cpu, cuda or mps")
    add(
        "--jobs",
        type=int,
        default=2,
        help="processes that train side by side, one thread each (default: 2)",
    )
    add(
        "--publish",
        type=Path,
        metavar="FOLDER",
        help="at the end add tables, report and ranks to the results in FOLDER, as suite/NAME",
    )
    add("--quiet", action="store_true", help="no progress bar")


def _words(text: str) -> list[str]:
    return [word for word in text.replace(",", " ").split() if word]


def run_suite_command(args: argparse.Namespace) -> int:
    """`suite`: settings of the scale, then those given one by one."""
    try:
        given = {name: value for name, value in vars(args).items() if value is not None}
        settings = SCALES[args.scale] | {
            name: given[name] for name in SUITE_SETTINGS if name in given
        }
        if (
            args.users is None
            and settings["users"]
            and load_dataset(args.dataset).num_users <= settings["users"]
        ):
            settings["users"] = None  # a scale asks for that many at most
        out = args.out or Path("experiments") / Path(args.dataset).name
        suite = Suite(out, entries=select(args.models), progress=not args.quiet, **settings)
        run_suite(suite, args.stages)
        if args.publish:
            publish(out, suite_name(suite.dataset, suite.split), args.publish)
    except TutorialError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped; the same command goes on where it was cut", file=sys.stderr)
        return 130
    report = out / "report" / "report.md"
    print(f"read {report}" if report.exists() else f"written to {out}")
    return 0


def main(arguments: list[str] | None = None) -> int:
    args = build_parser().parse_args(arguments)
    if args.command == "suite":
        return run_suite_command(args)
    try:
        options = dict(parse_option(args.model, text) for text in args.option)
        config = TrainConfig(
            **{item.name: getattr(args, item.name) for item in fields(TrainConfig)}
        )
        run = Run(
            args.model,
            args.dataset,
            args.split,
            args.users,
            args.max_len,
            args.dim,
            options,
            config,
            args.clock,
        )
        row = execute(
            run, args.out, device=args.device, progress=not args.quiet, sampled=args.sampled
        )
        if args.table:
            ranks = Ranks.read_csv(args.out / run.name / "ranks.csv.gz")
            add_ranks({run.name: ranks}, rank_file(row, args.table.parent))
            add_to_table(row, args.table)
    except TutorialError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(
            f"stopped; the same command goes on after the last finished epoch (kept in {args.out})",
            file=sys.stderr,
        )
        return 130
    for name in ("ndcg@10", "hr@10"):
        print(f"{name:8s} {row[name]:.4f}  [{row[name + '_low']:.4f}, {row[name + '_high']:.4f}]")
    print(
        f"valid NDCG@10 {row['valid_ndcg@10']:.4f} at epoch {row['best_epoch']},"
        f" {row['train_seconds']} s of training"
    )
    print(f"written to {args.out / run.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
