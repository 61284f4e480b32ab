"""Reading the committed result tables and the ranks behind them. Taught in lesson 07."""

from pathlib import Path

import pandas as pd

import tutorial_lib
from tutorial_lib.errors import TutorialError
from tutorial_lib.evaluate import Ranks

RESULTS = Path(tutorial_lib.__file__).parent.parent / "data" / "results"
FACTS = RESULTS.parent / "facts"  # small tables about data sets and trained models, such as probe's


def read_results(table: str, folder: Path = RESULTS) -> pd.DataFrame:
    """The table `folder`/`table`.csv: one row a run, with its metrics, settings and provenance."""
    path = folder / f"{table}.csv"
    if not path.exists():
        known = ", ".join(sorted(file.stem for file in folder.glob("*.csv"))) or "none"
        raise TutorialError(f"there is no result table {table!r} in {folder.name}/; known are {known}")
    return pd.read_csv(path)


def read_ranks(run: str, folder: Path = RESULTS) -> Ranks:
    """The ranks of one run (the column `run` of its table), one per test target, from which any metric and pairing follows."""
    return Ranks.read_csv(folder / "ranks" / f"{run}.csv.gz")
