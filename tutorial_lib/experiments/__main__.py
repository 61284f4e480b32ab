"""Command line of the experiments: `python -m tutorial_lib.experiments --help`."""

import argparse
import shutil
import sys
from dataclasses import fields
from pathlib import Path

from tutorial_lib.errors import TutorialError
from tutorial_lib.experiments.runs import Run, add_to_table, execute
from tutorial_lib.losses import LOSSES
from tutorial_lib.models import MODELS, model_options
from tutorial_lib.train import TrainConfig


def parse_option(model: str, text: str) -> tuple[str, object]:
    """'heads=2' -> ('heads', 2), typed like the model's default."""
    name, equals, value = text.partition("=")
    known = model_options(model)
    if not equals or name not in known:
        raise TutorialError(
            f"--option {text!r} is not NAME=VALUE with a NAME that {model} knows: {', '.join(known) or 'it has none'}"
        )
    kind = type(known[name]) if known[name] is not None else int
    try:
        return name, value.lower() in ("1", "true", "yes") if kind is bool else kind(value)
    except ValueError:
        raise TutorialError(f"--option {text!r}: {value!r} is not of type {kind.__name__}") from None


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tutorial_lib.experiments", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser(
        "train",
        help="train one model, evaluate it on the test part, write its result",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    one.add_argument("--model", required=True, help=f"one of {', '.join(MODELS)}")
    one.add_argument(
        "--dataset", default="sample", help="sample, control, ml-100k, ml-1m, csv:PATH, ... (python -m tutorial_lib.data list)"
    )
    one.add_argument("--split", default="temporal", help="temporal or leave_last_out")
    one.add_argument("--users", type=int, default=None, help="a random subset of so many users")
    one.add_argument("--max-len", type=int, default=50, help="longest history that the model reads, in events")
    one.add_argument("--dim", type=int, default=64, help="width")
    one.add_argument(
        "--option", action="append", default=[], metavar="NAME=VALUE", help="a further option of the model; may be repeated"
    )
    for item in fields(TrainConfig):
        flag = "--" + item.name.replace("_", "-")
        extra = {"help": f"one of {', '.join(LOSSES)}"} if item.name == "loss" else {"help": "training"}
        if item.type is bool:
            one.add_argument(flag, action="store_true", **extra)
        else:
            one.add_argument(flag, type=item.type, default=item.default, **extra)
    one.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    one.add_argument(
        "--out", type=Path, default=Path("runs"), help="folder for checkpoint, ranks and result; a second call goes on there"
    )
    one.add_argument(
        "--table", type=Path, default=None, help="also add the row to this CSV table, and the ranks to a folder beside it"
    )
    one.add_argument("--quiet", action="store_true", help="no progress bar")
    return parser


def main(arguments: list[str] | None = None) -> int:
    args = build_parser().parse_args(arguments)
    try:
        options = dict(parse_option(args.model, text) for text in args.option)
        config = TrainConfig(**{item.name: getattr(args, item.name) for item in fields(TrainConfig)})
        run = Run(args.model, args.dataset, args.split, args.users, args.max_len, args.dim, options, config)
        row = execute(run, args.out, device=args.device, progress=not args.quiet)
        if args.table:
            add_to_table(row, args.table)
            ranks = args.table.parent / "ranks" / f"{run.name}.csv.gz"
            ranks.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(args.out / run.name / "ranks.csv.gz", ranks)
    except TutorialError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"stopped; the same command goes on after the last finished epoch (kept in {args.out})", file=sys.stderr)
        return 130
    for name in ("ndcg@10", "hr@10"):
        print(f"{name:8s} {row[name]:.4f}  [{row[name + '_low']:.4f}, {row[name + '_high']:.4f}]")
    print(
        f"valid NDCG@10 {row['valid_ndcg@10']:.4f} at epoch {row['best_epoch']}, {row['train_seconds']} s of training; written to {args.out / run.name}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
