"""One pass over the file of a table: which column means what, and every field checked, piece by
piece.

What is read is exactly what stands in the file, or nothing: a TutorialError names file, line, what
was found and what to do. Nobody must hold the whole table for it. Taught in lesson 01.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tutorial_files import delimited, headers, packed, timestamps
from tutorial_files.delimited import Piece
from tutorial_files.errors import TutorialError
from tutorial_files.language import say
from tutorial_files.parquet import Cells, open_parquet

KEYS = ["user", "item", "timestamp"]
LONGEST_ID = 255  # characters
RATING = re.compile(r" *[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,2})? *", re.ASCII)

Ids = tuple[np.ndarray, np.ndarray | None]


@dataclass(frozen=True)
class Chunk:
    """Some rows of a table. lines int64 [N]: where they stand in the file. ids of "user" and
    "item": (int64 [N], None) where all are whole numbers in their one decimal form, else (codes
    int64 [N], the distinct texts). times: None where the table has none. ratings: float32 [N], or
    None. texts: further columns.
    """

    lines: np.ndarray
    ids: dict[str, Ids]
    times: timestamps.Times | None
    ratings: np.ndarray | None
    texts: dict[str, list[str]]


def scan_table(
    path: Path,
    begin: Callable[[], Callable[[Chunk], object]],
    columns: Mapping[str, str] | None = None,
    *,
    encoding: str | None = None,
    separator: str | None = None,
    fields: int | None = None,
    extra: Sequence[str] = (),
) -> "Scan":
    """Reads a table as `tables.read_table` says and hands over its rows, in order. What `begin()`
    gives is called with each chunk; `begin` is called again where the text turns out to be in
    another encoding, and what came before does not count.
    """
    columns = dict(columns or {})
    if packed.is_parquet(path):
        scan = Scan(path, columns, extra, begin())
        scan.parquet()
        return scan
    head = packed.first_bytes(path)
    choices = packed.encodings(path, head, encoding)
    for choice in choices:
        try:
            scan = Scan(path, columns, extra, begin())
            scan.text(choice, separator, fields)
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
        scan.guessed = choice == "gb18030" != encoding
        return scan
    raise AssertionError("one of the encodings was tried last")


class Scan:
    """One pass over one file; knows at its end what is to be said about the whole."""

    def __init__(
        self,
        path: Path,
        columns: dict[str, str],
        extra: Sequence[str],
        take: Callable[[Chunk], object],
    ) -> None:
        self.path, self.columns, self.extra, self.take = path, columns, extra, take
        self.time_name = "timestamp"
        self.where: dict[str, int] = {}
        self.rows = self.unrated = 0
        self.kind: str | None = None
        self.ignored: list[str] = []
        self.blank: set[str] = set()  # "user", "item": whose ids begin or end with blanks
        self.guessed = False

    @property
    def has_times(self) -> bool:
        return "timestamp" in self.where

    def notes(self, cut: Sequence[str] = ()) -> list[str]:
        """What to know about the table; `cut`: about parts of a second."""
        notes = list(self.ignored)
        for meaning in ("user", "item"):
            if meaning in self.blank:
                notes.append(
                    say(
                        "some ids of {meaning}s begin or end with blanks, which count",
                        meaning=meaning,
                    )
                )
        if self.kind == "a date":
            notes.append(say("times without a zone were taken as UTC"))
        if self.unrated:
            notes.append(say("{missing:,} events have no rating", missing=self.unrated))
        notes += cut
        if self.guessed:
            notes.append(
                say("read as gb18030, for it is not UTF-8; if names look wrong, say encoding=...")
            )
        return notes

    def text(self, encoding: str, separator: str | None, fields: int | None) -> None:
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
        self._found(names, where, line)
        for piece in delimited.pieces(self.path, encoding, separator, fields, quotes):
            self._add(piece.rows(int(first_row)), self.where)
            first_row = 0
        self._refuse_empty()

    def parquet(self) -> None:
        with open_parquet(self.path) as file:
            where = headers.named(self.path, 1, file.names, self.columns)
            self._found(file.names, where, 1)
            self.time_name = file.names[where["timestamp"]]
            places = {meaning: place for place, meaning in enumerate(self.where)}
            for cells in file.batches(list(self.where.values())):
                self._add(cells, places)
        self._refuse_empty()

    def _found(self, names: Sequence[str], where: dict[str, int], line: int) -> None:
        for name in self.extra:
            if name not in names:
                raise TutorialError(
                    "{path}, line {line}: the columns [{headers}] lack {name!r}; compare"
                    " the file with the format.",
                    path=self.path, line=line, headers=headers.name_list(names), name=name,
                )  # fmt: skip
        self.where = where | {name: names.index(name) for name in self.extra}
        self.ignored = headers.ignored(names, self.where)

    def _first_line(self, encoding: str) -> tuple[int, str]:
        """The first line that is not empty; all of its block if quotes may hide line ends."""
        for line, block in delimited.blocks(self.path, encoding):
            skipped = re.match(rb"[\r\n]*", block).end()
            first = re.match(rb"[^\r\n]*", block[skipped:])[0]
            if first:
                text = block[skipped:].decode() if b'"' in first else first.decode()
                return line + block[:skipped].count(b"\n"), text
        raise TutorialError("Cannot read {path}: the file is empty.", path=self.path)

    def _refuse_empty(self) -> None:
        if not self.rows:
            raise TutorialError(
                "Cannot read {path}: a header but no events; the table is empty.", path=self.path
            )

    def _add(self, piece: Piece | Cells, where: dict[str, int]) -> None:
        if not len(piece.lines):
            return
        for meaning in KEYS:
            if meaning in where and not (full := piece.sizes(where[meaning]) > 0).all():
                line = piece.lines[int(np.argmin(full))]
                raise TutorialError(
                    "{path}, line {line}: the {meaning} is missing (an empty field); fill"
                    " it in or leave such lines out.",
                    path=self.path, line=line, meaning=meaning,
                )  # fmt: skip
        ids = {meaning: self._ids(piece, where[meaning], meaning) for meaning in ("user", "item")}
        times = self._times(piece, where["timestamp"]) if "timestamp" in where else None
        ratings = self._ratings(piece, where["rating"]) if "rating" in where else None
        texts = {name: piece.text(where[name]) for name in self.extra}
        self.rows += len(piece.lines)
        self.take(Chunk(piece.lines, ids, times, ratings, texts))

    def _ids(self, piece: Piece | Cells, column: int, meaning: str) -> Ids:
        numbers = piece.integers(column)
        if numbers is not None:
            return numbers, None
        if piece.sizes(column).max() > LONGEST_ID:  # bytes, so there may be fewer characters
            for line, name in zip(piece.lines, piece.text(column), strict=True):
                if len(name) > LONGEST_ID:
                    raise TutorialError(
                        "{path}, line {line}: the {what} has {count:,} characters; an id has"
                        " at most {longest_id}.",
                        path=self.path, line=line, what=meaning, count=len(name),
                        longest_id=LONGEST_ID,
                    )  # fmt: skip
        codes, names = piece.factorize(column)
        if any(name != name.strip() for name in names):
            self.blank.add(meaning)
        return codes, names

    def _times(self, piece: Piece | Cells, column: int) -> timestamps.Times:
        numbers = piece.integers(column)
        if numbers is not None:
            times = timestamps.Times(numbers, np.zeros(len(numbers)), "a number")
        elif isinstance(piece, Cells) and (dates := piece.dates(column)) is not None:
            times = dates
        else:
            try:
                times = timestamps.parse(piece.text(column), self.time_name)
            except timestamps.BadTime as error:
                raise bad_time(self.path, int(piece.lines[error.row]), error) from error
        if self.kind not in (None, times.kind):
            raise other_kind(self.path, int(piece.lines[0]), times.kind, self.kind)
        self.kind = times.kind
        return times

    def _ratings(self, piece: Piece | Cells, column: int) -> np.ndarray:
        codes, names = piece.factorize(column)
        for code, name in enumerate(names):
            if name and not (RATING.fullmatch(name) and abs(float(name)) < 1e38):  # of float32
                line = piece.lines[int(np.argmax(codes == code))]
                raise TutorialError(
                    "{path}, line {line}: the rating {name!r} is no number; correct it, or"
                    " give the column a name of another meaning to leave it out.",
                    path=self.path, line=line, name=name[:40],
                )  # fmt: skip
        values = np.array([float(name or "nan") for name in names], dtype=np.float32)[codes]
        self.unrated += int(np.isnan(values).sum())
        return values


def bad_time(path: Path, line: int, error: timestamps.BadTime) -> TutorialError:
    return TutorialError("{path}, line {line}: {error}.", path=path, line=line, error=error)


def other_kind(path: Path, line: int, kind: str, before: str) -> TutorialError:
    return TutorialError(
        "{path}, line {lines}: from here on the time is {kind}, before it was {kind2};"
        " write all times in one way.",
        path=path, lines=line, kind=kind, kind2=before,
    )  # fmt: skip
