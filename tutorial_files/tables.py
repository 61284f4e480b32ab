"""The one reader of event tables: which column means what, ids as text, times as unix seconds.

What is read is exactly what stands in the file, or nothing: a TutorialError names file, line, what
was found and what to do. Taught in lesson 01.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from tutorial_files import delimited, headers, packed, timestamps
from tutorial_files.delimited import Piece
from tutorial_files.errors import TutorialError
from tutorial_files.language import say

KEYS = ["user", "item", "timestamp"]
LONGEST_ID = 255  # characters
RATING = re.compile(r" *[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,2})? *", re.ASCII)


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

    Plain, gzip and zip files, and Parquet where pyarrow is installed. `columns` says which column
    is "user", "item", "timestamp" or "rating": by its name in the header, or by its number from 1
    in a file without header; else the usual names are understood. Without "timestamp" among
    numbered columns, the place in a user's lines is the time. Ids are text, exactly as they stand
    there; a column in which every id is a whole number in its one decimal form (below 2^63) is held
    and sorted as int64, which says the same. Only an empty field is missing. `separator` and the
    number of `fields` describe a known layout, in which quotes mean nothing; else they are found in
    the first line. `encoding`, `time_unit`: see `packed.encodings`, `timestamps.to_seconds`.
    """
    columns = dict(columns or {})
    if packed.is_parquet(path):
        return _Table(path, columns, extra, time_unit).parquet()
    head = packed.first_bytes(path)
    choices = packed.encodings(path, head, encoding)
    for choice in choices:
        try:
            table = _Table(path, columns, extra, time_unit)
            frame = table.text(choice, separator, fields)
        except delimited.WrongEncoding as error:
            more = choice != choices[-1]
            if more and packed.looks_chinese(error.data):
                continue
            raise TutorialError(
                "{path}, line {line}: the text is not {choices}; say in which encoding it"
                " was saved, for example csv:{path}@encoding=latin-1 (western Europe),"
                " gb18030 (China) or utf-16-le.",
                path=path, line=error.line, choices=" or ".join(choices),
            ) from error  # fmt: skip
        if choice == "gb18030" != encoding:
            table.notes.append(
                say("read as gb18030, for it is not UTF-8; if names look wrong, say encoding=...")
            )
        return frame
    raise AssertionError("one of the encodings was tried last")


class _Table:
    """One pass over one file; collects columns piece by piece."""

    def __init__(
        self, path: Path, columns: dict[str, str], extra: Sequence[str], time_unit: str | None
    ) -> None:
        self.path, self.columns, self.extra, self.time_unit = path, columns, extra, time_unit
        self.time_name = "timestamp"
        self.notes: list[str] = []
        self.ids: dict[str, list] = {"user": [], "item": []}
        self.times: list[timestamps.Times] = []
        self.ratings: list[np.ndarray] = []
        self.texts: dict[str, list[str]] = {name: [] for name in extra}
        self.lines: list[np.ndarray] = []

    def text(self, encoding: str, separator: str | None, fields: int | None) -> pd.DataFrame:
        line, first = self._first_line(encoding)
        quotes, top = separator is None, re.match(r"[^\r\n]*", first)[0]
        separator = separator or headers.separator_of(top)
        if separator in (" ", "::") or not quotes:
            quotes, row = False, top.split(None if separator == " " else separator)
        else:
            row = delimited.first_row(self.path, line, first, separator)
        fields = fields or len(row)
        given = self.columns
        if given and all(re.fullmatch("[0-9]{1,4}", column) for column in given.values()):
            where = headers.numbered(self.path, line, row, given, fields)
            # a header all the same, such as "UserID ItemID"
            first_row = all(headers.meaning_of(row[place]) == name for name, place in where.items())
            names = list(map(str, range(1, fields + 1)))
        else:
            where, first_row, names = headers.named(self.path, line, row, given), 1, row
            self.time_name = row[where["timestamp"]]
        where |= self._extra(names, line)
        self.notes += headers.ignored(names, where)
        for piece in delimited.pieces(self.path, encoding, separator, fields, quotes):
            self._add(piece.rows(int(first_row)), where)
            first_row = 0
        return self._frame(where)

    def _extra(self, names: Sequence[str], line: int) -> dict[str, int]:
        for name in self.extra:
            if name not in names:
                raise TutorialError(
                    "{path}, line {line}: the columns [{headers}] lack {name!r}; compare"
                    " the file with the format.",
                    path=self.path, line=line, headers=headers.name_list(names), name=name,
                )  # fmt: skip
        return {name: names.index(name) for name in self.extra}

    def _first_line(self, encoding: str) -> tuple[int, str]:
        """The first line that is not empty; all of its block if quotes may hide line ends."""
        for line, block in delimited.blocks(self.path, encoding):
            skipped = re.match(rb"[\r\n]*", block).end()
            first = re.match(rb"[^\r\n]*", block[skipped:])[0]
            if first:
                text = block[skipped:].decode() if b'"' in first else first.decode()
                return line + block[:skipped].count(b"\n"), text
        raise TutorialError("Cannot read {path}: the file is empty.", path=self.path)

    def _add(self, piece: Piece, where: dict[str, int]) -> None:
        if not len(piece.lines):
            return
        size = piece.end - piece.start
        for meaning in KEYS:
            if meaning in where and not (full := size[:, where[meaning]] > 0).all():
                line = piece.lines[int(np.argmin(full))]
                raise TutorialError(
                    "{path}, line {line}: the {meaning} is missing (an empty field); fill"
                    " it in or leave such lines out.",
                    path=self.path, line=line, meaning=meaning,
                )  # fmt: skip
        for meaning, parts in self.ids.items():
            numbers = piece.integers(where[meaning])
            if numbers is None:
                self._check_length(piece, size[:, where[meaning]], where[meaning], meaning)
                parts.append(piece.factorize(where[meaning]))
            else:
                parts.append((numbers, None))
        if "timestamp" in where:
            self._add_times(piece, where["timestamp"])
        if "rating" in where:
            self._add_ratings(piece, where["rating"])
        for name, texts in self.texts.items():
            texts += piece.text(where[name])
        self.lines.append(piece.lines)

    def _check_length(self, piece: Piece, size: np.ndarray, column: int, what: str) -> None:
        if size.max() <= LONGEST_ID:
            return
        for line, name in zip(piece.lines, piece.text(column), strict=True):
            if len(name) > LONGEST_ID:
                raise TutorialError(
                    "{path}, line {line}: the {what} has {count:,} characters; an id has"
                    " at most {longest_id}.",
                    path=self.path, line=line, what=what, count=len(name), longest_id=LONGEST_ID,
                )  # fmt: skip

    def _add_times(self, piece: Piece, column: int) -> None:
        numbers = piece.integers(column)
        if numbers is not None:
            times = timestamps.Times(numbers, np.zeros(len(numbers)), "a number")
        else:
            try:
                times = timestamps.parse(piece.text(column), self.time_name)
            except timestamps.BadTime as error:
                raise self._bad_time(int(piece.lines[error.row]), error) from error
        if self.times and self.times[0].kind != times.kind:
            raise TutorialError(
                "{path}, line {lines}: from here on the time is {kind}, before it was {kind2};"
                " write all times in one way.",
                path=self.path, lines=piece.lines[0], kind=times.kind, kind2=self.times[0].kind,
            )  # fmt: skip
        self.times.append(times)

    def _bad_time(self, line: int, error: timestamps.BadTime) -> TutorialError:
        at = {"path": self.path, "line": line}
        return TutorialError("{path}, line {line}: {error}.", error=error, **at)

    def _add_ratings(self, piece: Piece, column: int) -> None:
        codes, names = piece.factorize(column)
        for code, name in enumerate(names):
            if name and not (RATING.fullmatch(name) and abs(float(name)) < 1e38):  # of float32
                line = piece.lines[int(np.argmax(codes == code))]
                raise TutorialError(
                    "{path}, line {line}: the rating {name!r} is no number; correct it, or"
                    " give the column a name of another meaning to leave it out.",
                    path=self.path, line=line, name=name[:40],
                )  # fmt: skip
        values = np.array([float(name or "nan") for name in names], dtype=np.float32)
        self.ratings.append(values[codes])

    def _frame(self, where: dict[str, int]) -> pd.DataFrame:
        if not self.lines:
            raise TutorialError(
                "Cannot read {path}: a header but no events; the table is empty.", path=self.path
            )
        lines = np.concatenate(self.lines)
        ids = {meaning: delimited.joined(parts) for meaning, parts in self.ids.items()}
        for meaning, column in ids.items():
            names = column.categories if isinstance(column, pd.Categorical) else ()
            if any(name != name.strip() for name in names):
                note = say("some ids of {meaning}s begin or end with blanks, which count",
                           meaning=meaning)  # fmt: skip
                self.notes.append(note)
        frame = pd.DataFrame(ids, index=pd.Index(lines, name="line"))
        part = np.zeros(len(lines))
        if "timestamp" in where:
            whole, part = (
                np.concatenate([getattr(times, name) for times in self.times])
                for name in ("whole", "part")
            )
            times = timestamps.Times(whole, part, self.times[0].kind)
            try:
                frame["timestamp"], part = timestamps.to_seconds(
                    times, self.time_name, self.time_unit
                )
            except timestamps.BadTime as error:
                raise self._bad_time(int(lines[error.row]), error) from error
            if times.kind == "a date":
                self.notes.append(say("times without a zone were taken as UTC"))
        else:
            frame["timestamp"] = frame.groupby("user", observed=True).cumcount()
        if "rating" in where:
            frame["rating"] = np.concatenate(self.ratings)
            if missing := int(frame["rating"].isna().sum()):
                self.notes.append(say("{missing:,} events have no rating", missing=missing))
        for name in self.extra:
            frame[name] = self.texts[name]
        frame = self._in_exact_order(frame, part)
        frame.attrs |= {"notes": self.notes, "has_times": "timestamp" in where}
        return frame

    def _in_exact_order(self, frame: pd.DataFrame, part: np.ndarray) -> pd.DataFrame:
        """Sorted by the exact times if parts of a second were cut off; of events that thereby
        became the same, the first stays.
        """
        if not part.any():
            return frame
        frame = frame.assign(_part=part)
        frame = frame.iloc[np.lexsort((part, frame["timestamp"].to_numpy()))]
        keys = KEYS
        same = frame.duplicated(keys) & ~frame.duplicated([*keys, "_part"])
        note = say("parts of a second were cut off, after sorting by them")
        if same.any():
            note += say("; {count:,} events of one user, item and second count once",
                        count=same.sum())  # fmt: skip
        self.notes.append(note)
        return frame[~same].drop(columns="_part")

    def parquet(self) -> pd.DataFrame:
        try:
            from pyarrow import ArrowException, parquet
        except ImportError as error:
            raise TutorialError(
                "Cannot read {path}: Parquet files need the package pyarrow; install it, or"
                " save the table as CSV.", path=self.path,
            ) from error  # fmt: skip
        try:
            table = parquet.read_table(self.path)
        except (OSError, ArrowException) as error:
            raise TutorialError(
                "Cannot read {path}: the Parquet file is damaged ({error}); get it again.",
                path=self.path, error=str(error).splitlines()[0],
            ) from error  # fmt: skip
        where = headers.named(self.path, 1, table.column_names, self.columns)
        where |= self._extra(table.column_names, 1)
        self.notes += headers.ignored(table.column_names, where)
        self.time_name = table.column_names[where["timestamp"]]
        cells = [
            ["" if value is None else str(value) for value in table.column(number).to_pylist()]
            for number in where.values()
        ]
        where = {meaning: place for place, meaning in enumerate(where)}
        rows = list(zip(*cells, strict=True))
        self._add(delimited.piece_of(rows, list(range(1, len(rows) + 1))), where)
        return self._frame(where)
