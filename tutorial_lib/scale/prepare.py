"""From any table to columns that are memory-mapped, without ever holding the table.

    python -m tutorial_lib.data prepare SOURCE --out FOLDER

Four steps: every file is read and checked; the ids are numbered; the events are sorted by (user,
time, order of the file); users and items with too few events are left out and the columns written.
A step that is finished is kept, one that was cut is done again. The events, the dense ids and the
fingerprint are those of `load_dataset` on the same table.
"""

import glob
import hashlib
import json
import os
import shutil
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tutorial_files.options import Options, full_name, split_name
from tutorial_files.places import OWN
from tutorial_files.sources import SOURCES, Part, Source, parts_of
from tutorial_files.tables import cut_off
from tutorial_lib.data.datasets import locate
from tutorial_lib.data.events import Dataset
from tutorial_lib.data.prepared import FORMAT, MANIFEST, PREFIX, load_prepared, read_manifest
from tutorial_lib.errors import TutorialError
from tutorial_lib.files import disk, sweep, write_text
from tutorial_lib.language import say
from tutorial_lib.notebook import Bar
from tutorial_lib.scale.columns import number_ids, sort_events, write_columns
from tutorial_lib.scale.raw import CUT, EVENTS, Read, judge_times, read_part, stamp_of
from tutorial_lib.scale.tables import Engine, bytes_of, text


@dataclass(frozen=True)
class Plan:
    """What is prepared: the name by which `load_dataset` knows it, its files, how each is read, and
    what is done to it. `together`: the files are pieces of one table.
    """

    name: str
    parts: list[Part]
    source: Source
    options: Options
    together: bool

    @property
    def job(self) -> dict[str, Any]:
        """What must be the same for a preparation to go on."""
        files = [str(part.path) for part in self.parts]
        return {"format": FORMAT, "source": self.name, "files": files}


def prepare(
    source: str,
    out: Path | str,
    *,
    memory: str = "4GB",
    data_dir: Path | None = None,
    progress: bool = True,
    **options: Any,
) -> Dataset:
    """Puts a data set into the folder `out`, or goes on with it there; returns it, memory-mapped.

    `source`: a name that `load_dataset` knows, the path of a table, or a pattern such as
    "logs/*.parquet", whose files are pieces of one table in the order of their names. `memory`:
    what may be used of it, such as "4GB". `options`: as for `load_dataset`. Raises TutorialError
    for whatever that refuses, for a folder that holds something else, a table that changes while it
    is read, a full disk, and where duckdb is not installed.
    """
    out, plan = Path(out).expanduser(), plan_of(source, data_dir, options)
    size = bytes_of(memory)
    with disk(out):
        if (out / MANIFEST).exists():
            _refuse_other(out, plan)
            return load_prepared(f"{PREFIX}{out}")
        work = _begin(out, plan)
    with closing(Engine(work, size)) as engine, disk(out):
        with Bar(total=len(plan.parts) + 3, unit="step", disable=not progress) as bar:
            reads = _read(plan, work, engine, bar)
            texts = {name: any(read.texts[name] for read in reads) for name in ("user", "item")}
            _events(engine, work, texts)
            judge_times(plan.parts, reads, engine, plan.together)
            of, files = _digest(reads), [part.path for part in plan.parts]
            _bar(bar, say("numbering the ids"))
            number_ids(engine, work, of)
            _bar(bar, say("sorting the events"), 1)
            found = sort_events(engine, work, of, files, reads, plan.source.once)
            _bar(bar, say("writing the columns"), 1)
            found |= write_columns(engine, work, out, files[0], plan.options)
            bar.update()
        _finish(out, plan, reads, found)
    shutil.rmtree(work, ignore_errors=True)
    return load_prepared(f"{PREFIX}{out}")


def plan_of(source: str, data_dir: Path | None, options: dict[str, Any]) -> Plan:
    plain, _ = split_name(source)
    if plain not in SOURCES and not plain.startswith((*OWN, PREFIX)):
        path = Path(plain).expanduser()
        if path.is_file() or set("*?[/\\.") & set(plain):
            source, plain = f"csv:{source}", f"csv:{plain}"
    pattern = os.path.expanduser(plain[4:])
    if not plain.startswith(OWN) or os.path.isfile(pattern) or not glob.has_magic(pattern):
        found = locate(source, data_dir, False, options)
        parts = parts_of(found.layout.read, found.path)
        return Plan(found.name, parts, found.source, found.options, False)
    paths = sorted(path for path in glob.glob(pattern, recursive=True) if os.path.isfile(path))
    if not paths:
        raise TutorialError(
            "No file matches {pattern}: write the pattern of your own files after {kind!r}.",
            pattern=pattern, kind=plain[:4],
        )  # fmt: skip
    rest = source[len(plain) :]
    each = [locate(f"{plain[:4]}{path}{rest}", None, False, options) for path in paths]
    parts = [part for one in each for part in parts_of(one.layout.read, one.path)]
    name = full_name(plain, each[0].options)
    return Plan(name, parts, each[0].source, each[0].options, True)


def _refuse_other(out: Path, plan: Plan) -> None:
    """Unless the folder already holds what is asked for, made of the files as they are."""
    held = read_manifest(out)
    stamps = [stamp_of(part.path) for part in plan.parts]
    if (held["source"], held["files"]) != (plan.name, plan.job["files"]):
        raise TutorialError(
            "{out} already holds {source}: choose another folder, or remove it first.",
            out=out, source=held["source"],
        )  # fmt: skip
    if held["stamps"] != stamps:
        raise TutorialError(
            "{out} was made of {source} as it was before: the files have changed since, so choose"
            " another folder, or remove it first.",
            out=out, source=held["source"],
        )  # fmt: skip


def _begin(out: Path, plan: Plan) -> Path:
    """The folder of the work, which belongs to this job alone."""
    work = out / "work"
    job = work / "job.json"
    if not job.exists():
        if out.is_dir() and any(path.name != "work" for path in out.iterdir()):
            raise TutorialError(
                "{out} is not empty and no prepared data set: choose another folder.", out=out
            )
        work.mkdir(parents=True, exist_ok=True)
        write_text(job, json.dumps(plan.job))
    sweep(out)
    begun = json.loads(job.read_text(encoding="utf-8"))
    if begun != plan.job:
        raise TutorialError(
            "{out} holds the unfinished preparation of {source}, with other options or files: go"
            " on with that, choose another folder, or remove this one.",
            out=out, source=begun["source"],
        )  # fmt: skip
    shutil.rmtree(work / "spill", ignore_errors=True)
    return work


def _read(plan: Plan, work: Path, engine: Engine, bar: Bar) -> list[Read]:
    reads: list[Read] = []
    rows = 0

    def tick(more: int) -> None:
        nonlocal rows
        rows += more
        bar.set_postfix_str(say("{rows:,} events", rows=rows))

    for number, part in enumerate(plan.parts):
        _bar(bar, say("reading {file}", file=part.path.name), int(number > 0))
        first = rows
        reads.append(read_part(part, plan.name, number, first, work, engine, tick))
        rows = first + reads[-1].rows
        tick(0)
    bar.update()
    for part, read in zip(plan.parts, reads, strict=True):
        read.refuse_change(part.path)
    return reads


def _bar(bar: Bar, text: str, steps: int = 0) -> None:
    bar.set_description_str(text)
    bar.update(steps)


def _events(engine: Engine, work: Path, texts: dict[str, bool]) -> None:
    """The table of all events, with ids as they sort: by number, or by character."""
    ids = [
        f"coalesce({name}_text, CAST({name}_number AS VARCHAR)) AS {name}"
        if texts[name]
        else f"{name}_number AS {name}"
        for name in ("user", "item")
    ]
    others = [column for column in EVENTS if not column.startswith(("user", "item", "wanted"))]
    others.append("coalesce(wanted, true) AS wanted")
    files = text(work / "raw" / "*" / "*.parquet")
    engine.run(f"CREATE VIEW events AS SELECT {', '.join(ids + others)} FROM read_parquet({files})")


def _digest(reads: list[Read]) -> str:
    """Of all that was read: later steps belong to it."""
    known = json.dumps([asdict(read) for read in reads], sort_keys=True)
    return hashlib.sha256(known.encode()).hexdigest()[:16]


def _finish(out: Path, plan: Plan, reads: list[Read], found: dict[str, Any]) -> None:
    notes = {}  # each once, in their order
    for read, same in zip(reads, found["same"], strict=True):
        notes |= {cut_off(same) if note == CUT else note: None for note in read.notes}
    held = {
        **plan.job,
        "stamps": [read.stamp for read in reads],
        "has_times": reads[0].has_times,
        "repeats": plan.source.repeats,
        "duplicates": found["duplicates"],
        "rating": any(read.rating for read in reads),
        "notes": list(notes),
        "events": found["events"],
    }
    held["fingerprint"] = load_prepared(f"{PREFIX}{out}", held).fingerprint
    write_text(out / MANIFEST, json.dumps(held, indent=1))
