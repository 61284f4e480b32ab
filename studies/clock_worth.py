"""What is the clock of each data set worth to models that count? Taught in lessons 03 and 23.

    python -m studies.clock_worth sample control ml-100k --table data/facts/clock_worth.csv

adds ten rows a data set (five uses of the clock, frozen and live; `experiments.clock.worth`) and
takes those of the others over as they are.
"""

import argparse
import sys
from pathlib import Path

import pandas as pd

from tutorial_lib.data.datasets import load_dataset
from tutorial_lib.errors import TutorialError
from tutorial_lib.experiments.clock import worth
from tutorial_lib.experiments.results import FACTS
from tutorial_lib.experiments.runs import code_version
from tutorial_lib.files import write_text

TABLE = FACTS / "clock_worth.csv"


def add(name: str, table: Path, seed: int = 0) -> pd.DataFrame:
    """The rows of one data set, with their provenance, added to the table."""
    dataset = load_dataset(name)
    about = {"fingerprint": dataset.fingerprint, "seed": seed, "code_version": code_version()}
    rows = worth(dataset, seed).assign(dataset=name, **about)
    text = pd.DataFrame(
        {column: [as_text(value) for value in rows[column]] for column in rows}, dtype=str
    )
    if table.exists():
        old = pd.read_csv(table, dtype=str, keep_default_na=False)
        text = pd.concat([old[old["dataset"] != name], text])
    text = text.sort_values("dataset", kind="stable")
    write_text(table, text.to_csv(index=False, lineterminator="\n"))
    return rows


def as_text(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m studies.clock_worth", description=__doc__.split("\n")[0]
    )
    parser.add_argument("datasets", nargs="+", metavar="NAME", help="sample, ml-100k, csv:PATH ...")
    parser.add_argument(
        "--table", type=Path, default=TABLE, help="where the rows go (default: %(default)s)"
    )
    args = parser.parse_args(arguments)
    try:
        for name in args.datasets:
            rows = add(name, args.table)
            shown = ["dataset", "evaluation", "clock", "ndcg@10", "gain", "gain_low", "gain_high"]
            print(rows[[*shown, "helps"]].round(4).to_string(index=False), flush=True)
    except TutorialError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
