"""Ids numbered, events sorted, users and items with too few of them left out, columns written: each
in pieces of a million events.
"""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pandas as pd

from tutorial_files.options import Options
from tutorial_files.tables import KEYS, became_same
from tutorial_lib.data.events import refuse_repeats
from tutorial_lib.data.filters import no_core, too_short
from tutorial_lib.errors import TutorialError
from tutorial_lib.files import replacing, write_text
from tutorial_lib.scale.raw import Read
from tutorial_lib.scale.tables import Engine, text

ROWS = 1 << 20  # events in memory at a time
DONE = "done.json"
TYPES = {"user": "<i8", "item": "<i8", "timestamp": "<i8", "rating": "<f4"}


def number_ids(engine: Engine, work: Path, of: str) -> None:
    """All ids in ascending order, in work/ids: the place of an id is its number. `of`: what was
    read, for ids of another reading are made again.
    """
    folder = work / "ids"
    if not _done(folder, of):
        partial = _fresh(folder)
        for name in ("user", "item"):
            target = partial / f"{name}.parquet"
            engine.copy(f"SELECT DISTINCT {name} AS id FROM events ORDER BY id", target)
        _settle(partial, folder, of, {})
    for name in ("user", "item"):
        file = text(folder / f"{name}.parquet")
        engine.run(
            f"CREATE VIEW {name}s AS SELECT id, file_row_number AS number"
            f" FROM read_parquet({file}, file_row_number = true)"
        )


def sort_events(
    engine: Engine, work: Path, of: str, files: list[Path], reads: list[Read], once: bool
) -> dict[str, Any]:
    """The events in the order (user, time, place in the files), in work/sorted, a file a column.

    Of events that became the same when parts of a second were cut off, the first stays; of exact
    repetitions too, with `once`, and else they are refused. Returns how many were dropped: "same",
    of each file, and "duplicates".
    """
    folder = work / "sorted"
    if found := _done(folder, of):
        return found["facts"]
    partial = _fresh(folder)
    timed, parts = reads[0].has_times, any(read.parts for read in reads)
    columns = [*KEYS, *["rating"] * any(read.rating for read in reads)]
    exact = ["file", "part"] * parts
    chosen = ["u.number AS user", "i.number AS item", *columns[2:], *exact, "pos", "wanted"]
    query = (
        f"SELECT {', '.join(chosen)} FROM events e"
        " JOIN users u ON e.user = u.id JOIN items i ON e.item = i.id"
        f" ORDER BY u.number, timestamp, {', '.join([*exact, 'pos'])}"
    )
    facts, first = {"same": [0] * len(files), "duplicates": 0}, None
    with _open_all(partial, columns) as targets:
        for frame in _whole_moments(engine.frames(query, ROWS), timed):
            if timed:
                frame, same, repeats = _once(frame, parts)
                for file in same:
                    facts["same"][file] += 1
                if len(repeats) and not once:
                    first = _earlier(first, repeats, reads)
                facts["duplicates"] += len(repeats)
            else:
                place = frame.groupby("user").cumcount()
                frame["timestamp"] = place.to_numpy()
            for column, target in targets.items():
                target.write(np.ascontiguousarray(frame[column].to_numpy(), TYPES[column]).data)
    if first is not None:
        raise _repeated(engine, first, files)
    _settle(partial, folder, of, facts)
    return facts


def write_columns(
    engine: Engine, work: Path, out: Path, file: Path, options: Options
) -> dict[str, int]:
    """Leaves out users and items with too few events and writes the columns of a `Dataset` to
    `out`. Returns the number of events.
    """
    least = {"user": options.min_user_events, "item": options.min_item_events}
    size = {name: engine.value(f"SELECT count(*) FROM {name}s") for name in least}
    keep = _kept(work / "sorted", size, least, file)
    present = {name: np.zeros(count, dtype=bool) for name, count in size.items()}
    for start, block in _blocks(work / "sorted", ("user", "item")):
        stays = keep[start : start + len(block["user"])]
        for name, codes in block.items():
            present[name][codes[stays]] = True
    events = int(np.count_nonzero(keep))
    dense = {name: np.cumsum(here) - 1 for name, here in present.items()}
    dense["item"] += 1  # 0 is for padding
    columns = [name for name in TYPES if (work / "sorted" / name).exists()]
    for name in columns:
        with replacing(out / f"{name}.npy") as path, path.open("wb") as target:
            _header(target, TYPES[name], events)
            for start, block in _blocks(work / "sorted", (name,)):
                values = block[name][keep[start : start + len(block[name])]]
                target.write((dense[name][values] if name in dense else values).data)
    for name, here in present.items():
        _write_ids(engine, name, here, out / f"{name}_ids.npy")
    return {"events": events}


def _kept(folder: Path, size: dict[str, int], least: dict[str, int], file: Path) -> np.ndarray:
    """Bool [rows]: what `filters.k_core` keeps; with no bound on the items, the events of the users
    that are long enough.
    """
    core, rows = least["item"] > 1, (folder / "user").stat().st_size // 8
    keep, left = np.ones(rows, dtype=bool), -1
    while left != (left := int(np.count_nonzero(keep))):
        for name in ("user", "item") if core else ("user",):
            counts = np.zeros(size[name], dtype=np.int64)
            for start, block in _blocks(folder, (name,)):
                codes = block[name][keep[start : start + len(block[name])]]
                if len(codes):
                    low = int(codes.min())
                    here = np.bincount(codes - low)
                    counts[low : low + len(here)] += here
            if not core and counts.max() < least["user"]:
                raise _at(file, too_short(least["user"], int(counts.max())))
            enough = counts >= least[name]
            for start, block in _blocks(folder, (name,)):
                keep[start : start + len(block[name])] &= enough[block[name]]
    if not left:
        raise _at(file, no_core(least["user"], least["item"]))
    return keep


def _whole_moments(frames: Iterator[pd.DataFrame], timed: bool) -> Iterator[pd.DataFrame]:
    """The same rows, cut so that events of one user and time (without times: of one user) are
    together.
    """
    keys, rest = ["user", "timestamp"][: 1 + timed], None
    for frame in frames:
        frame = frame if rest is None else pd.concat([rest, frame], ignore_index=True)
        last = np.ones(len(frame), dtype=bool)
        for key in keys:
            last &= frame[key].to_numpy() == frame[key].iloc[-1]
        cut = len(frame) - int(last.sum())
        rest = frame.iloc[cut:]
        if cut:
            yield frame.iloc[:cut].reset_index(drop=True)
    if rest is not None:
        yield rest.reset_index(drop=True)


def _once(frame: pd.DataFrame, parts: bool) -> tuple[pd.DataFrame, list[int], pd.DataFrame]:
    """Without repetitions: the rows that stay, the files of those that became the same by cutting,
    and the exact repetitions.
    """
    user, time = frame["user"].to_numpy(), frame["timestamp"].to_numpy()
    level = np.append((user[1:] == user[:-1]) & (time[1:] == time[:-1]), False)
    tied = np.flatnonzero(level | np.append(False, level[:-1]))
    some, gone, same = frame.iloc[tied], np.zeros(len(frame), dtype=bool), []
    if parts:
        cut = became_same(some.rename(columns={"part": "_part"}), ["file", *KEYS]).to_numpy()
        gone[tied[cut]], same = True, some["file"][cut].tolist()
    gone |= ~frame["wanted"].to_numpy()
    some = frame.iloc[tied][~gone[tied]]
    repeats = some[some.duplicated(KEYS).to_numpy()]
    gone[repeats.index] = True
    return frame[~gone], same, repeats


def _earlier(
    first: tuple[tuple, int] | None, repeats: pd.DataFrame, reads: list[Read]
) -> tuple[tuple, int]:
    """The repetition that comes first in the order in which a table in memory is examined: by file,
    in it by exact time if parts of a second were cut off, then by line.
    """
    starts = np.array([read.first for read in reads])
    for row in repeats.itertuples():
        file = int(np.searchsorted(starts, row.pos, side="right")) - 1
        exact = (row.timestamp, row.part) if reads[file].parts else (0, 0)
        here = (file, *exact, row.pos), row.pos
        first = here if first is None or here < first else first
    return first


def _repeated(engine: Engine, first: tuple[tuple, int], files: list[Path]) -> TutorialError:
    place, pos = first
    query = "SELECT line, user, item, timestamp FROM events WHERE pos = ?"
    line, *values = engine.run(query, pos).fetchall()[0]
    table = pd.DataFrame([values], columns=KEYS, index=pd.Index([line], name="line"))
    try:
        refuse_repeats(table, np.ones(1, dtype=bool))
    except TutorialError as error:
        return _at(files[place[0]], error)
    raise AssertionError("a marked row is refused")


def _at(file: Path, error: TutorialError) -> TutorialError:
    return TutorialError("{path}: {error}", path=file, error=error)


def _write_ids(engine: Engine, name: str, here: np.ndarray, target: Path) -> None:
    kind = engine.value(f"SELECT typeof(id) FROM {name}s LIMIT 1")
    widest = engine.value(f"SELECT max(length(id)) FROM {name}s") if kind == "VARCHAR" else 0
    dtype = f"<U{widest}" if widest else "<i8"
    with replacing(target) as path, path.open("wb") as file:
        _header(file, dtype, int(np.count_nonzero(here)))
        start = 0
        for frame in engine.frames(f"SELECT id FROM {name}s ORDER BY number", ROWS):
            ids = frame["id"].to_numpy()[here[start : start + len(frame)]]
            file.write(ids.astype(dtype).tobytes())
            start += len(frame)


def _header(file: BinaryIO, dtype: str, rows: int) -> None:
    np.lib.format.write_array_header_1_0(
        file, {"descr": dtype, "fortran_order": False, "shape": (rows,)}
    )


def _blocks(folder: Path, names: tuple[str, ...]) -> Iterator[tuple[int, dict[str, np.ndarray]]]:
    """Columns of work/sorted, a million rows at a time, with the number of the first."""
    start = 0
    while True:
        block = {
            name: np.fromfile(
                folder / name, TYPES[name], ROWS, offset=start * np.dtype(TYPES[name]).itemsize
            )
            for name in names
        }
        if not len(block[names[0]]):
            return
        yield start, block
        start += len(block[names[0]])


def _done(folder: Path, of: str) -> dict | None:
    """What is known of a finished step, if it belongs to this reading."""
    try:
        found = json.loads((folder / DONE).read_text(encoding="utf-8"))
        return found if found["of"] == of else None
    except OSError:
        return None


def _fresh(folder: Path) -> Path:
    partial = folder.with_suffix(".part")
    for old in (partial, folder):
        shutil.rmtree(old, ignore_errors=True)
    partial.mkdir(parents=True)
    return partial


def _settle(partial: Path, folder: Path, of: str, facts: dict[str, Any]) -> None:
    write_text(partial / DONE, json.dumps({"of": of, "facts": facts}))
    partial.rename(folder)


class _open_all:
    """Files of a folder, open for writing while the block lasts."""

    def __init__(self, folder: Path, names: list[str]) -> None:
        self.folder, self.names = folder, names

    def __enter__(self) -> dict[str, BinaryIO]:
        self.files = {name: (self.folder / name).open("wb") for name in self.names}
        return self.files

    def __exit__(self, *_: object) -> None:
        for file in self.files.values():
            file.close()
