"""The first step: every file read once, checked as `tutorial_files.tables` does, and its events
kept as Parquet, some hundred thousand in a file.
"""

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from tutorial_files.scan import Chunk, bad_time, other_kind, scan_table
from tutorial_files.seconds import Summary, convert, judge, summarise
from tutorial_files.sources import Part
from tutorial_files.timestamps import BadTime
from tutorial_lib.data.datasets import reading
from tutorial_lib.errors import TutorialError
from tutorial_lib.scale.tables import Engine

READ = "read.json"
CUT = "cut off"  # stands for what is said of it when all is sorted
EVENTS = {  # of the numbers and texts of an id one is missing
    "file": "INTEGER",
    "pos": "BIGINT",
    "line": "BIGINT",
    "user_number": "BIGINT",
    "user_text": "VARCHAR",
    "item_number": "BIGINT",
    "item_text": "VARCHAR",
    "timestamp": "BIGINT",
    "part": "DOUBLE",
    "rating": "FLOAT",
    "wanted": "BOOLEAN",
}


@dataclass
class Read:
    """What is known of a file that was read: how it looked then (size and time of change), its rows
    and their numbers from `first` on, and what must be said of the whole.
    """

    stamp: list[int]
    first: int
    rows: int = 0
    has_times: bool = True
    time_name: str = "timestamp"
    times: dict | None = None  # a `Summary`
    notes: list[str] = field(default_factory=list)
    texts: dict[str, bool] = field(default_factory=lambda: {"user": False, "item": False})
    parts: bool = False  # were parts of a second cut off?
    rating: bool = False

    def refuse_change(self, path: Path) -> None:
        """The file must still be what was read."""
        if stamp_of(path) != self.stamp:
            raise TutorialError(
                "{path} changed while it was read: wait until nothing writes to it, then give the"
                " same command again (what else was read is kept).",
                path=path,
            )


def stamp_of(path: Path) -> list[int]:
    state = path.stat()
    return [state.st_size, state.st_mtime_ns]


def read_part(
    part: Part, name: str, number: int, first: int, work: Path, engine: Engine,
    tick: Callable[[int], object],
) -> Read:  # fmt: skip
    """Part `number` of a data set, unless a finished reading of it is there. Its events go to
    work/raw/NUMBER; `first` is the number of the first one. `tick` gets the rows of each piece.
    """
    folder = work / "raw" / f"{number:05d}"
    if folder.is_dir():
        found = Read(**json.loads((folder / READ).read_text(encoding="utf-8")))
        if found.stamp == stamp_of(part.path) and found.first == first:
            return found
        shutil.rmtree(folder)
    with reading(part.path, name):
        stamp = stamp_of(part.path)
        writer = Writer(part, number, folder.with_suffix(".part"), first, engine, tick)
        found = writer.records() if part.records else writer.table()
        found.stamp = stamp
        found.refuse_change(part.path)
    (writer.folder / READ).write_text(json.dumps(asdict(found)), encoding="utf-8")
    writer.folder.rename(folder)
    return found


class Writer:
    """Takes the chunks of one part."""

    def __init__(
        self, part: Part, number: int, folder: Path, first: int, engine: Engine,
        tick: Callable[[int], object],
    ) -> None:  # fmt: skip
        self.part, self.number, self.folder = part, number, folder
        self.engine, self.tick = engine, tick
        self.told = {key: value for key, value in part.told.items() if key != "time_unit"}
        self.unit = part.told.get("time_unit")
        self.found, self.first, self.times = Read([], first), first, None

    def begin(self) -> Callable[[Chunk], None]:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self.found, self.times = Read([], self.first), None
        return self.take

    def table(self) -> Read:
        extra = (self.part.only[0],) if self.part.only else ()
        scan = scan_table(self.part.path, self.begin, **self.told, extra=extra)
        self.found.has_times, self.found.time_name = scan.has_times, scan.time_name
        self.found.times = asdict(self.times) if self.times else None
        self.found.notes = scan.notes([CUT] * self.found.parts)
        self.found.rating = "rating" in scan.where
        return self.found

    def records(self) -> Read:
        """Of a file that is no table."""
        self.begin()
        for frame in self.part.records(self.part.path):
            ids = {
                name: (frame[name].to_numpy(), None)
                if pd.api.types.is_integer_dtype(frame[name])
                else pd.factorize(frame[name].astype(str))
                for name in ("user", "item")
            }
            times = frame["timestamp"].to_numpy()
            rows = np.arange(self.found.rows, self.found.rows + len(frame))
            self.write(rows, ids, times, np.zeros(len(frame)), None, None)
        return self.found

    def take(self, chunk: Chunk) -> None:
        seconds, part = np.zeros((2, len(chunk.lines)))
        if chunk.times is not None:
            seconds, part = convert(chunk.times, self.unit)
            times = summarise(chunk.times, self.unit)
            self.times = times if self.times is None else self.times + times
        wanted = None
        if self.part.only:
            column, text = self.part.only
            wanted = np.array([cell == text for cell in chunk.texts[column]])
        self.write(chunk.lines, chunk.ids, seconds, part, chunk.ratings, wanted)

    def write(self, lines, ids, seconds, part, ratings, wanted) -> None:
        rows, found = len(lines), self.found
        first = self.first + found.rows
        columns = {"file": self.number, "pos": np.arange(first, first + rows), "line": lines}
        for name, (codes, names) in ids.items():
            if names is None:
                columns[f"{name}_number"] = codes
            else:
                found.texts[name] = True
                texts = pd.Index(names, dtype=object)
                columns[f"{name}_text"] = pd.Categorical.from_codes(codes, texts)
        columns |= {"timestamp": np.asarray(seconds, dtype=np.int64), "part": part}
        columns |= {} if ratings is None else {"rating": ratings}
        columns |= {} if wanted is None else {"wanted": wanted}
        found.parts |= bool(part.any())
        casts = [
            f"CAST({column if column in columns else 'NULL'} AS {kind}) AS {column}"
            for column, kind in EVENTS.items()
        ]
        target = self.folder / f"{found.rows:012d}.parquet"
        self.engine.write(pd.DataFrame(columns), ", ".join(casts), target)
        found.rows += rows
        self.tick(rows)


def judge_times(parts: list[Part], reads: list[Read], engine: Engine, together: bool) -> None:
    """Are the times of all files seconds? `together`: the files are pieces of one table."""
    whole: Summary | None = None
    for part, read in zip(parts, reads, strict=True):
        if read.times is None:
            continue
        times = Summary(**read.times)
        if together and whole is not None and times.kind != whole.kind:
            line = engine.value("SELECT line FROM events WHERE pos = ?", read.first)
            raise other_kind(part.path, line, times.kind, whole.kind)
        start = 0 if together else read.first
        whole = times if whole is None or not together else whole + times
        if not together or read is reads[-1]:
            unit = part.told.get("time_unit")
            try:
                judge(whole, read.time_name, unit)
            except BadTime as error:
                pos = start + error.row
                place = max(n for n, one in enumerate(reads) if one.first <= pos and one.rows)
                line = engine.value("SELECT line FROM events WHERE pos = ?", pos)
                raise bad_time(parts[place].path, line, error) from error
