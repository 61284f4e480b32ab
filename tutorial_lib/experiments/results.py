"""Reading the committed result tables and the ranks behind them. Taught in lesson 07."""

from pathlib import Path

import numpy as np
import pandas as pd

import tutorial_lib
from tutorial_lib.errors import TutorialError
from tutorial_lib.evaluate import Ranks, ndcg, per_user

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


def read_quality(table: str, folder: Path = RESULTS) -> dict[tuple[str, str, str], np.ndarray]:
    """NDCG@10 of every test user, float64 [seeds, users], for each (model, options, clock) of a table; baselines have one row.

    `options` are those that differ from the model's defaults, "name=value name=value", without dropout, which the models of a
    table share. Rows of the same user stand in the same place, so that any two entries can be compared in pairs.
    """
    runs = read_results(table, folder).fillna({"options": ""})
    runs["options"] = runs["options"].str.replace(r"\bdropout=\S+ ?", "", regex=True).str.strip()

    def of_user(run: str) -> np.ndarray:
        ranks = read_ranks(run, folder)
        return per_user(ranks, ndcg(ranks))

    groups = runs.sort_values("seed").groupby(["model", "options", "clock"])
    return {key: np.stack([of_user(run) for run in group["run"]]) for key, group in groups}
