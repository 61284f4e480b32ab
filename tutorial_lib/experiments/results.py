"""Reading committed result tables and the ranks behind them, and adding those of a whole suite.
Taught in lessons 07 and 18.
"""

import zipfile
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

import tutorial_lib
from tutorial_lib.errors import TutorialError
from tutorial_lib.evaluate import Ranks, ndcg, per_user
from tutorial_lib.files import replacing

RESULTS = Path(tutorial_lib.__file__).parent.parent / "data" / "results"
# a folder for each run of the whole suite: a folder a stage, report/report.md, ranks
SUITES = RESULTS / "suite"
FACTS = RESULTS.parent / "facts"  # small tables about data sets and trained models, such as probe's


def read_results(table: str, folder: Path = RESULTS) -> pd.DataFrame:
    """The table `folder`/`table`.csv: one row a run, with its metrics, settings and provenance."""
    path = folder / f"{table}.csv"
    if not path.exists():
        known = ", ".join(sorted(file.stem for file in folder.glob("*.csv"))) or "none"
        raise TutorialError(
            f"there is no result table {table!r} in {folder.name}/; known are {known}"
        )
    return pd.read_csv(path)


def read_ranks(run: str, folder: Path = RESULTS) -> Ranks:
    """The ranks of one run (the column `run` of its table), one per test target, from which any
    metric and pairing follows.
    """
    return Ranks.read_csv(folder / "ranks" / f"{run}.csv.gz")


def read_quality(
    table: str, folder: Path = RESULTS, *, loss: str | None = None
) -> dict[tuple[str, str, str], np.ndarray]:
    """NDCG@10 of every test user, float64 [seeds, users], for each (model, options, clock) of a
    table; baselines have one row.

    `options` are those that differ from the model's defaults, "name=value name=value", without
    dropout, which the models of a table share. `loss`: only the runs with this one; a table that
    compares losses must be read one by one. Rows of the same user stand in the same place, so that
    any two entries can be compared in pairs.
    """
    runs = read_results(table, folder)
    losses = sorted(set(runs["loss"]) - {"counts"})
    if loss is None and len(losses) > 1 or loss not in (None, "counts", *losses):
        raise TutorialError(
            f"{table} holds the losses {', '.join(losses)}, got loss={loss!r}: name one of them"
        )
    runs = runs[runs["loss"].isin(["counts", *losses] if loss is None else [loss])]
    old = {
        name: value for name, value in {"options": "", "clock": "real"}.items() if name not in runs
    }
    runs = runs.assign(**old).fillna({"options": ""})
    runs["options"] = runs["options"].str.replace(r"\bdropout=\S+ ?", "", regex=True).str.strip()

    def of_user(run: str) -> np.ndarray:
        ranks = read_ranks(run, folder)
        return per_user(ranks, ndcg(ranks))

    groups = runs.sort_values("seed").groupby(["model", "options", "clock"])
    return {key: np.stack([of_user(run) for run in group["run"]]) for key, group in groups}


def suite_names(folder: Path = SUITES) -> list[str]:
    """The data on which the whole suite has run: "sample", "ml-100k_temporal", ..."""
    return sorted(path.parent.parent.name for path in folder.glob("*/report/report.md"))


def read_suite(name: str, stage: str, table: str, folder: Path = SUITES) -> pd.DataFrame:
    """One table of one stage of a committed suite, such as ("sample", "significance", "gains")."""
    path = folder / name / stage / f"{table}.csv"
    if not path.exists():
        place = next(
            part
            for part in (folder / name / stage, folder / name, folder)
            if part.exists() or part == folder
        )
        known = (
            ", ".join(sorted(file.stem for file in place.glob("*") if file.suffix in ("", ".csv")))
            or "none"
        )
        raise TutorialError(
            f"there is no {name}/{stage}/{table}.csv among the suites; in {place.name}/ are {known}"
        )
    return pd.read_csv(path)


def suite_values(name: str, folder: Path = SUITES) -> dict[str, np.ndarray]:
    """NDCG@10 of every test user, float64 [seeds, users], for each entry of a committed suite; one
    row for models that count.

    The same user stands in the same place everywhere, so that any two entries can be compared in
    pairs.
    """
    runs = read_suite(name, "stability", "runs", folder).sort_values("seed")

    def of_user(run: str) -> np.ndarray:
        ranks = read_ranks(run, folder / name)
        return per_user(ranks, ndcg(ranks))

    return {
        label: np.stack([of_user(run) for run in group["run"]])
        for label, group in runs.groupby("label", sort=False)
    }


def publish(out: Path, folder: Path) -> None:
    """Copies the tables, pictures, report and ranks of a finished suite from its archive to
    `folder`, without trained models.
    """
    archive = out / "report" / "archive.zip"
    if not archive.exists():
        raise TutorialError(
            f"{archive} is missing: run all stages, the report last, before you publish"
        )
    with zipfile.ZipFile(archive) as files:
        for name in files.namelist():
            parts = PurePosixPath(name).parts  # STAGE/FILE or runs/DATA/RUN/ranks.csv.gz
            target = folder.joinpath(
                *(("ranks", f"{parts[2]}.csv.gz") if parts[0] == "runs" else parts)
            )
            with replacing(target) as partial:
                partial.write_bytes(files.read(name))
