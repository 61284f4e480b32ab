"""Command line of the data layer: list, download or describe data sets."""

import argparse
import sys
from pathlib import Path

import numpy as np

from tutorial_lib.data.datasets import SOURCES, fetch, find, load_dataset
from tutorial_lib.data.events import Dataset
from tutorial_lib.data.gaps import gaps
from tutorial_lib.errors import TutorialError


def describe(dataset: Dataset) -> str:
    """Size, gaps between a user's consecutive events and fingerprint, one line each."""
    lines = [
        f"name          {dataset.name}",
        f"users         {dataset.num_users:,}",
        f"items         {dataset.num_items:,}",
        f"events        {len(dataset.events):,}",
    ]
    if dataset.has_times:
        seconds, _ = gaps(dataset.events)
        lines += [
            f"zero gaps     {(seconds == 0).mean():.1%}",
            f"median gap    {np.median(seconds):,.0f} s",
        ]
    else:
        lines += ["zero gaps     unknown (order only)", "median gap    unknown (order only)"]
    return "\n".join([*lines, f"fingerprint   {dataset.fingerprint}"])


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0, or 2 with one sentence on stderr."""
    parser = argparse.ArgumentParser(prog="python -m tutorial_lib.data", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="all data sets, and which of them are here")
    for command, text in (
        ("download", "fetch a data set from its official address"),
        ("info", "users, items, events, gaps and fingerprint of a data set"),
    ):
        subparser = commands.add_parser(command, help=text, description=text)
        subparser.add_argument(
            "name", help="a name from `list`; info also takes csv:PATH and txt:PATH"
        )
        subparser.add_argument(
            "--data-dir", type=Path, help="folder of the data sets (default: data/downloads)"
        )
    options = parser.parse_args(arguments)
    try:
        if options.command == "list":
            for name, source in SOURCES.items():
                print(f"{name:<20}{'here' if find(name) else '-':<6}{source.about}")
        elif options.command == "download":
            print(fetch(options.name, options.data_dir))
        else:
            print(describe(load_dataset(options.name, data_dir=options.data_dir)))
    except TutorialError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Stopped; the same command resumes a download.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
