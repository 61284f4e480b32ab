"""Committed results: tables of runs, the ranks behind them, and whole suites.
Taught in lessons 07 and 18.

`RESULTS` holds a CSV table for each comparison, one row a run. `ranks/` holds one file for all runs
that were tested on the same targets, so that a run which stands in several tables is stored once.
`suite/NAME.zip` holds the tables and the provenance of every stage of a suite; `suite/NAME.md` is
its report.
"""

import gzip
import json
import re
import zipfile
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from tutorial_files.shared import DATA
from tutorial_lib.data.simulate import WORLDS
from tutorial_lib.errors import TutorialError
from tutorial_lib.evaluate import Ranks, ndcg, per_user
from tutorial_lib.experiments.protocol import BROKEN
from tutorial_lib.files import replacing
from tutorial_lib.language import say, speaking

RESULTS = DATA / "results"
FACTS = DATA / "facts"  # small tables about data sets and trained models: what studies/ make


def read_results(table: str, folder: Path = RESULTS) -> pd.DataFrame:
    """The table `folder`/`table`.csv: one row a run, with its metrics, settings and provenance."""
    path = folder / f"{table}.csv"
    if not path.exists():
        known = ", ".join(sorted(file.stem for file in folder.glob("*.csv"))) or "none"
        raise TutorialError(
            "there is no result table {table!r} in {folder}/; known are {known}",
            table=table,
            folder=folder.name,
            known=known,
        )
    return pd.read_csv(path)


def read_ranks(run: str, folder: Path = RESULTS) -> Ranks:
    """The ranks of one run (the column `run` of its table), one per test target, from which any
    metric and pairing follows.
    """
    for file in sorted((folder / "ranks").glob("*.npz")):
        state = file.stat()
        if run in _runs_of(file, state.st_mtime_ns, state.st_size):
            with np.load(file) as held:
                user, candidates, rows = held["user"], held["candidates"], held[run]
            greater, equal, *beside = rows.astype(np.int64)
            sampled = Ranks(user, *beside) if beside else None
            return Ranks(user, greater, equal, candidates, sampled)
    raise TutorialError(
        "no file in {folder}/ranks/ holds a run {run!r}", folder=folder.name, run=run
    )


@lru_cache(maxsize=64)
def _runs_of(file: Path, changed: int, size: int) -> frozenset[str]:
    """The runs in a file of ranks; `changed` and `size` say when to read its list again."""
    with np.load(file) as held:
        return frozenset(held.files) - {"user", "candidates"}


def rank_file(row: dict[str, object], folder: Path = RESULTS) -> Path:
    """Where the ranks of a run belong: ranks/DATASET_SPLIT.npz, with the number of users if it is a
    subset, or if no more were ranked.

    `row`: of a result table, with model, loss, run and configuration.
    """
    data = str(row["run"]).rsplit(f"_{row['model']}_{row['loss']}_seed", 1)[0]
    settings = json.loads(str(row["configuration"]))
    users, ranked = settings["users"], settings["config"].get("evaluate_users")
    data += f"_{users}-users" * bool(users) + f"_{ranked}-ranked" * bool(ranked)
    return folder / "ranks" / f"{data}.npz"


def add_ranks(ranks: dict[str, Ranks], file: Path) -> None:
    """Adds runs to a file of ranks, or replaces them.

    A NumPy archive: `user` and `candidates` int64 [N], and for each run an array [2, N] of greater
    and equal, or [5, N] with those among the sampled negatives and the number of these. Raises
    TutorialError if a run was tested on other targets than the others of the file.
    """
    held = {}
    if file.exists():
        with np.load(file) as old:
            held = dict(old)
    for run, one in ranks.items():
        for name in ("user", "candidates"):
            values = getattr(one, name)
            if not np.array_equal(held.setdefault(name, values), values):
                raise TutorialError(
                    "{run} was tested on other targets than the runs in {file}: their"
                    " ranks cannot be compared, so put its table into another folder",
                    run=run,
                    file=file,
                )
        beside = one.sampled
        more = [beside.greater, beside.equal, beside.candidates] if beside is not None else []
        rows = np.stack([one.greater, one.equal, *more])
        held[run] = rows.astype(np.min_scalar_type(rows.max(initial=0)))
    write_ranks(held, file)


def write_ranks(held: dict[str, np.ndarray], file: Path) -> None:
    """A file of ranks whose bytes follow from its contents alone."""
    with replacing(file) as partial, partial.open("wb") as target:
        np.savez_compressed(target, **{name: held[name] for name in sorted(held)})


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
            "{table} holds the losses {losses}, got loss={loss!r}: name one of them",
            table=table,
            losses=", ".join(losses),
            loss=loss,
        )
    runs = runs[runs["loss"].isin(["counts", *losses] if loss is None else [loss])]
    old = {
        name: value for name, value in {"options": "", "clock": "real"}.items() if name not in runs
    }
    runs = runs.assign(**old).fillna({"options": ""})
    runs["options"] = runs["options"].str.replace(r"\bdropout=\S+ ?", "", regex=True).str.strip()
    groups = runs.sort_values("seed").groupby(["model", "options", "clock"])
    return {key: _quality(group["run"], folder) for key, group in groups}


def _quality(runs: pd.Series, folder: Path) -> np.ndarray:
    """NDCG@10 of every test user, float64 [runs, users]."""
    each = (read_ranks(run, folder) for run in runs)
    return np.stack([per_user(ranks, ndcg(ranks)) for ranks in each])


def suite_names(folder: Path = RESULTS) -> list[str]:
    """The data on which the whole suite has run: "sample", "ml-100k_temporal", ..."""
    return sorted(path.stem for path in (folder / "suite").glob("*.zip"))


def suite_tables(name: str, folder: Path = RESULTS) -> list[str]:
    """The tables of a committed suite, as "STAGE/TABLE"."""
    return [member[:-4] for member in _members(name, folder) if member.endswith(".csv")]


def read_suite(name: str, stage: str, table: str, folder: Path = RESULTS) -> pd.DataFrame:
    """One table of one stage of a committed suite, such as ("sample", "significance", "gains")."""
    known = suite_tables(name, folder)
    if f"{stage}/{table}" not in known:
        raise TutorialError(
            "there is no table {stage}/{table} in the suite {name}; known are {known}",
            stage=stage,
            table=table,
            name=name,
            known=", ".join(known),
        )
    with zipfile.ZipFile(folder / "suite" / f"{name}.zip") as archive:
        return pd.read_csv(archive.open(f"{stage}/{table}.csv"))


def _members(name: str, folder: Path) -> list[str]:
    path = folder / "suite" / f"{name}.zip"
    if not path.exists():
        known = ", ".join(suite_names(folder)) or "none"
        raise TutorialError(
            "there is no suite {name!r} in {folder}/; known are {known}",
            name=name,
            folder=folder.name,
            known=known,
        )
    with zipfile.ZipFile(path) as archive:
        return archive.namelist()


def suite_values(name: str, folder: Path = RESULTS) -> dict[str, np.ndarray]:
    """NDCG@10 of every test user, float64 [seeds, users], for each entry of a committed suite; one
    row for models that count.

    The same user stands in the same place everywhere, so that any two entries can be compared in
    pairs.
    """
    runs = read_suite(name, "stability", "runs", folder).sort_values("seed")
    groups = runs.groupby("label", sort=False)
    return {label: _quality(group["run"], folder) for label, group in groups}


def suite_name(dataset: str, split: str) -> str:
    """The name under which a suite is published: DATASET_SPLIT, a simulated world without the split
    that the course uses.
    """
    name = re.sub(r"[^\w.-]+", "-", Path(dataset).name)
    return name if dataset in WORLDS and split == "temporal" else f"{name}_{split}"


def publish(out: Path, name: str, folder: Path = RESULTS) -> None:
    """Adds a finished suite to `folder`: suite/NAME.zip with tables and provenance, suite/NAME.md
    with its report, and the ranks of its runs. Neither trained models nor pictures, which can be
    drawn again from the tables.
    """
    archive = out / "report" / "archive.zip"
    if not archive.exists():
        raise TutorialError(
            "{archive} is missing: run all stages, the report last, before you publish",
            archive=archive,
        )
    said = pd.read_csv(out / "report" / "verdicts.csv")["verdict"]
    page = (out / "report" / "report.md").read_text(encoding="utf-8")
    told = re.findall("^- (.*)$", page, re.M)  # the same sentences for the reader of the report
    if broken := [mine for line, mine in zip(said, told, strict=True) if line.startswith(BROKEN)]:
        raise TutorialError(
            "{out} declares the protocol and breaks it, so it cannot be published:"
            " {broken} ({count} in all, see {out2})",
            out=out,
            broken=broken[0],
            count=len(broken),
            out2=out / "report" / "report.md",
        )
    runs = pd.read_csv(out / "stability" / "runs.csv").drop_duplicates("run")
    files: dict[Path, dict[str, Ranks]] = {}
    with zipfile.ZipFile(archive) as whole:
        stored = {Path(member).parent.name: member for member in whole.namelist()}
        for row in runs.to_dict("records"):
            with gzip.open(whole.open(stored[row["run"]])) as ranks:
                files.setdefault(rank_file(row, folder), {})[row["run"]] = Ranks.read_csv(ranks)
        members = {
            member: whole.read(member)
            for member in sorted(whole.namelist())
            if member.endswith((".csv", ".json"))
        }
        report = whole.read("report/report.md").decode()
    for file, ranks in files.items():
        add_ranks(ranks, file)
    with replacing(folder / "suite" / f"{name}.md") as partial, speaking("en"):
        partial.write_text(short_report(report, name), encoding="utf-8")
    write_suite(members, folder / "suite" / f"{name}.zip")


def short_report(report: str, name: str) -> str:
    """The report without pictures and without the long tables, which are in the archive."""
    report = re.sub(r"\n!\[[^\]]*\]\([^)]*\)\n?", "\n", report)
    folded = r"<details><summary>(.*?)</summary>.*?</details>"

    def short(match: re.Match[str]) -> str:
        return say("{table}, in `{archive}`", table=match[1], archive=f"{name}.zip")

    report = re.sub(folded, short, report, flags=re.DOTALL)
    return re.sub(r"\n{3,}", "\n\n", report)


def write_suite(members: dict[str, bytes], path: Path) -> None:
    """An archive whose bytes follow from its contents alone, without the time of day."""
    with replacing(path) as partial, zipfile.ZipFile(partial, "w") as archive:
        for member, content in members.items():
            archive.writestr(zipfile.ZipInfo(member), content, zipfile.ZIP_DEFLATED)
