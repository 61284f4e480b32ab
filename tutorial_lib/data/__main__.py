"""Command line of the data layer: list, download, describe or prepare data sets."""

import argparse
import sys
import warnings
from dataclasses import fields
from pathlib import Path

from tutorial_files.commands import Parser
from tutorial_files.options import Options
from tutorial_files.places import DOWNLOADS, fetch, find
from tutorial_files.sources import SOURCES
from tutorial_lib.data.datasets import load_dataset
from tutorial_lib.errors import TutorialError
from tutorial_lib.language import columns, say
from tutorial_lib.scale.prepare import prepare


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0, or 2 with one sentence on stderr."""
    try:
        return run(build_parser().parse_args(arguments))
    except TutorialError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(say("Stopped; the same command goes on where it was cut."), file=sys.stderr)
        return 130


def build_parser() -> Parser:
    about = say("Command line of the data layer: list, download, describe or prepare data sets.")
    parser = Parser(prog="python -m tutorial_lib.data", description=about)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help=say("all data sets, and which of them are here"))
    for command, text in (
        ("download", say("fetch a data set from its official address")),
        ("info", say("counts, span, clock, repeats and fingerprint of a data set")),
        (
            "prepare",
            say("put a table of any size into columns that are not read into memory"),
        ),
    ):
        subparser = commands.add_parser(command, help=text, description=text)
        subparser.add_argument(
            "name",
            help=say(
                "a name from `list`; info and prepare also take csv:PATH and txt:PATH, prepare a"
                " pattern such as 'logs/*.parquet', and both options behind an @, such as"
                " ml-1m@min_user_events=5"
            ),
        )
        if command == "prepare":
            subparser.add_argument(
                "--out",
                type=Path,
                required=True,
                metavar="FOLDER",
                help=say("where the columns go; then the data set is called prepared:FOLDER"),
            )
            subparser.add_argument(
                "--memory", default="4GB", help=say("what may be used of it (default: 4GB)")
            )
        subparser.add_argument(
            "--data-dir",
            type=Path,
            help=say("folder of the data sets (default: {downloads})", downloads=DOWNLOADS),
        )
        for field in fields(Options) if command != "download" else ():
            flag = "--" + field.name.replace("_", "-")
            subparser.add_argument(
                flag, metavar="VALUE", help=say("default: {default}", default=field.default)
            )
    return parser


def run(options: argparse.Namespace) -> int:
    if options.command == "list":
        for name, source in SOURCES.items():
            here = say("here") if find(name) else "-"
            print(f"{name:<20}{here}{' ' * (6 - columns(here))}{say(source.about)}")
    elif options.command == "download":
        print(fetch(options.name, options.data_dir))
    else:
        said = {field.name: getattr(options, field.name) for field in fields(Options)}
        said = {key: value for key, value in said.items() if value is not None}
        said |= {"data_dir": options.data_dir}
        if options.command == "prepare":
            dataset = prepare(options.name, out=options.out, memory=options.memory, **said)
            sizes = {"users": dataset.num_users, "items": dataset.num_items}
            text = "{name}: {events:,} events of {users:,} users and {items:,} items"
            print(say(text, name=dataset.name, events=len(dataset.events), **sizes))
            return 0
        with warnings.catch_warnings(action="ignore"):  # the table shows the notes
            print(load_dataset(options.name, **said).info)
    return 0


if __name__ == "__main__":
    sys.exit(main())
