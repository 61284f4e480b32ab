"""The one reader of event tables: which column means what, ids as text, times as unix seconds.
Taught in lesson 01.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from tutorial_files.delimited import joined
from tutorial_files.language import say
from tutorial_files.scan import KEYS, Chunk, Scan, bad_time, scan_table
from tutorial_files.seconds import to_seconds
from tutorial_files.timestamps import BadTime, Times


def read_table(
    path: Path,
    columns: Mapping[str, str] | None = None,
    *,
    encoding: str | None = None,
    time_unit: str | None = None,
    separator: str | None = None,
    fields: int | None = None,
    extra: Sequence[str] = (),
) -> pd.DataFrame:
    """The columns user, item, timestamp (int64 unix seconds), rating (float32, if there is one) and
    those of `extra` (text); the index is the line in the file, `attrs["notes"]` what to know.

    Plain, gzip and zip files, and Parquet where duckdb is installed. `columns` says which column
    is "user", "item", "timestamp" or "rating": by its name in the header, or by its number from 1
    in a file without header; else the usual names are understood. Without "timestamp" among
    numbered columns, the place in a user's lines is the time. Ids are text, exactly as they stand
    there; a column in which every id is a whole number in its one decimal form (below 2^63) is held
    and sorted as int64, which says the same. Only an empty field is missing. `separator` and the
    number of `fields` describe a known layout, in which quotes mean nothing; else they are found in
    the first line. `encoding`, `time_unit`: see `packed.encodings`, `seconds.to_seconds`.
    """
    chunks: list[Chunk] = []

    def begin():
        chunks.clear()
        return chunks.append

    layout = {"encoding": encoding, "separator": separator, "fields": fields, "extra": extra}
    scan = scan_table(path, begin, columns, **layout)
    return _frame(scan, chunks, time_unit)


def _frame(scan: Scan, chunks: list[Chunk], time_unit: str | None) -> pd.DataFrame:
    lines = np.concatenate([chunk.lines for chunk in chunks])
    ids = {
        meaning: joined([chunk.ids[meaning] for chunk in chunks]) for meaning in ("user", "item")
    }
    frame = pd.DataFrame(ids, index=pd.Index(lines, name="line"))
    part = np.zeros(len(lines))
    if scan.has_times:
        whole, part = (
            np.concatenate([getattr(chunk.times, name) for chunk in chunks])
            for name in ("whole", "part")
        )
        try:
            frame["timestamp"], part = to_seconds(
                Times(whole, part, scan.kind), scan.time_name, time_unit
            )
        except BadTime as error:
            raise bad_time(scan.path, int(lines[error.row]), error) from error
    else:
        frame["timestamp"] = frame.groupby("user", observed=True).cumcount()
    if "rating" in scan.where:
        frame["rating"] = np.concatenate([chunk.ratings for chunk in chunks])
    for name in scan.extra:
        frame[name] = [text for chunk in chunks for text in chunk.texts[name]]
    frame, cut = _in_exact_order(frame, part)
    frame.attrs |= {"notes": scan.notes(cut), "has_times": scan.has_times}
    return frame


def _in_exact_order(frame: pd.DataFrame, part: np.ndarray) -> tuple[pd.DataFrame, list[str]]:
    """Sorted by the exact times if parts of a second were cut off; of events that thereby became
    the same, the first stays. And what to say about it.
    """
    if not part.any():
        return frame, []
    frame = frame.assign(_part=part)
    frame = frame.iloc[np.lexsort((part, frame["timestamp"].to_numpy()))]
    same = became_same(frame, KEYS)
    return frame[~same].drop(columns="_part"), [cut_off(int(same.sum()))]


def became_same(frame: pd.DataFrame, keys: Sequence[str]) -> pd.Series:
    """Bool [rows]: like an earlier row in `keys`, but for the column _part, which was cut off."""
    return frame.duplicated(keys) & ~frame.duplicated([*keys, "_part"])


def cut_off(same: int) -> str:
    """What to say where parts of a second were cut off."""
    note = say("parts of a second were cut off, after sorting by them")
    if same:
        note += say("; {count:,} events of one user, item and second count once", count=same)
    return note
