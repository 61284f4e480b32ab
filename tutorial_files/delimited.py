"""Delimited text, byte for byte: from a file to the fields of its lines.

Nothing is guessed about the meaning of a field here, and every line must have as many as the first.
"""

import codecs
import csv
import io
import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from tutorial_files.errors import TutorialError
from tutorial_files.packed import LONGEST, open_binary

BLOCK = 1 << 23  # bytes that are looked at together
ROWS = 100_000  # rows of a piece where quotes must be heeded


@dataclass(frozen=True)
class Piece:
    """Some lines of a table: field j of row i is data[start[i, j] : end[i, j]] (UTF-8), and lines
    [rows] are their numbers in the file, from 1.
    """

    data: bytes
    start: np.ndarray
    end: np.ndarray
    lines: np.ndarray

    def rows(self, first: int) -> "Piece":
        """Without the rows before `first`."""
        return Piece(self.data, self.start[first:], self.end[first:], self.lines[first:])

    def sizes(self, column: int) -> np.ndarray:
        """Bytes of each field, int64 [rows]; 0 where there is nothing."""
        return self.end[:, column] - self.start[:, column]

    def text(self, column: int) -> list[str]:
        spans = zip(self.start[:, column].tolist(), self.end[:, column].tolist(), strict=True)
        if self.data.isascii():
            whole = self.data.decode("ascii")
            return [whole[start:end] for start, end in spans]
        return [self.data[start:end].decode() for start, end in spans]

    def integers(self, column: int) -> np.ndarray | None:
        """The column as int64 [rows] if every field is the one decimal form of a whole number from
        0 to 2^63 - 1 (no sign, blank or leading zero), else None.
        """
        start, end = self.start[:, column], self.end[:, column]
        size = end - start
        if not len(size) or size.min() < 1 or size.max() > 19:
            return None
        data, values = self._padded(), np.zeros(len(size), np.uint64)
        if ((data[start] == ord("0")) & (size > 1)).any():
            return None
        for place in range(size.max()):
            inside = place < size
            digits = data[start + place] - np.uint8(ord("0"))
            if (inside & (digits > 9)).any():
                return None
            values = np.where(inside, values * np.uint64(10) + digits, values)
        return None if values.max() >= 2**63 else values.astype(np.int64)

    def factorize(self, column: int) -> tuple[np.ndarray, np.ndarray]:
        """The column as text: codes int64 [rows] and the distinct fields that they point to."""
        start, size = self.start[:, column], self.end[:, column] - self.start[:, column]
        if size.max(initial=0) > 8:
            return pd.factorize(np.array(self.text(column), dtype=object))
        data, keys = self._padded(), np.zeros(len(size), np.uint64)  # a field in one number
        for place in range(size.max(initial=0)):
            keys |= np.where(place < size, data[start + place], 0).astype(np.uint64) << (8 * place)
        codes, keys = pd.factorize(keys)
        fields = (int(key).to_bytes(8, "little").rstrip(b"\0").decode() for key in keys)
        return codes, np.array(list(fields), dtype=object)

    def _padded(self) -> np.ndarray:
        return np.frombuffer(self.data + bytes(20), np.uint8)  # so that no place lies outside


class WrongEncoding(Exception):
    """The bytes of `line` are not valid in the encoding; `data` are those around it."""

    def __init__(self, line: int, data: bytes) -> None:
        self.line, self.data = line, data


def blocks(path: Path, encoding: str) -> Iterator[tuple[int, bytes]]:
    """The text as UTF-8 in blocks that end at the end of a line, each with the number of its first
    line.
    """
    decoder, rest, line = codecs.getincrementaldecoder(encoding)("strict"), b"", 1
    with open_binary(path) as stream:
        while True:
            chunk = stream.read(BLOCK)
            try:
                data = rest + decoder.decode(chunk, final=not chunk).encode()
            except UnicodeError as error:
                before = error.object[: error.start] if hasattr(error, "object") else b""
                raise WrongEncoding(
                    line + rest.count(b"\n") + before.count(b"\n"), chunk
                ) from error
            if (nul := data.find(b"\0")) >= 0:
                place = line + data[:nul].count(b"\n")
                raise TutorialError(
                    "{path}, line {place}: a NUL byte, so this is no text table, or it is"
                    " UTF-16 without its mark (then say encoding=utf-16-le).",
                    path=path,
                    place=place,
                )
            if not chunk:
                if data:
                    yield line, data
                return
            cut = max(data.rfind(b"\n"), data.rfind(b"\r", 0, -1)) + 1
            if len(data) - cut > LONGEST + BLOCK or (len(data) - cut > LONGEST and cut == 0):
                raise TutorialError(
                    "{path}, line {line}: longer than {longest:,} bytes, so this is no"
                    " table with a line for each event.",
                    path=path,
                    line=line,
                    longest=LONGEST,
                )
            rest = data[cut:]
            if cut:
                yield line, data[:cut]
                line += data[:cut].count(b"\n")


def pieces(path: Path, encoding: str, separator: str, fields: int, quotes: bool) -> Iterator[Piece]:
    """All rows that are not empty, in order; TutorialError at the first with another number of
    fields. Separator: one character, "::", or " " for any blanks.
    """
    text = blocks(path, encoding)
    for line, block in text:
        block = block.replace(b"\r\n", b"\n")
        if (quotes and b'"' in block) or b"\r" in block:  # from here on by the rules of quotes
            for rows, lines in _read_csv(path, line, block, text, separator, quotes):
                for row, line in zip(rows, lines, strict=True):
                    if len(row) != fields:
                        shown = separator.join(row).encode()
                        _refuse_fields(path, line, len(row), fields, shown)
                yield piece_of(rows, lines)
            return
        mark = separator
        if separator == "::":
            mark, block = "\x1f", block.replace(b"::", b"\x1f")
        elif separator == " ":
            block = re.sub(rb"(?m)^ | $", b"", re.sub(rb"[ \t]+", b" ", block))
        yield _read_plain(path, line, block, mark, fields)


def _read_plain(path: Path, line: int, block: bytes, mark: str, fields: int) -> Piece:
    block = block if block.endswith(b"\n") else block + b"\n"
    data = np.frombuffer(block, np.uint8)
    end = np.flatnonzero(data == ord("\n"))
    start = np.append(0, end[:-1] + 1)
    marks = np.flatnonzero(data == ord(mark))
    count = np.diff(np.searchsorted(marks, end), prepend=0) + 1
    full, lines = end > start, line + np.arange(len(end))
    wrong = full & (count != fields)
    if wrong.any():
        row = int(np.argmax(wrong))
        _refuse_fields(path, int(lines[row]), int(count[row]), fields, block[start[row] : end[row]])
    marks = marks.reshape(-1, fields - 1)
    return Piece(
        block,
        np.column_stack([start[full], marks + 1]),
        np.column_stack([marks, end[full]]),
        lines[full],
    )


def _read_csv(
    path: Path,
    line: int,
    block: bytes,
    text: Iterator[tuple[int, bytes]],
    separator: str,
    quotes: bool,
) -> Iterator[tuple[list[list[str]], list[int]]]:
    """Rows as lists of fields by the rules of CSV: quotes hide separators and line ends."""
    if len(separator) > 1:
        raise TutorialError(
            "{path}, line {line}: a carriage return inside a line; save the file with"
            " usual line ends.",
            path=path,
            line=line,
        )
    later = itertools.chain([block], (more for _, more in text))
    text_lines = (part for data in later for part in io.StringIO(data.decode(), newline=""))
    quoting = csv.QUOTE_MINIMAL if quotes else csv.QUOTE_NONE
    reader = csv.reader(text_lines, delimiter=separator, strict=True, quoting=quoting)
    done = False
    while not done:
        rows, lines = [], []
        try:
            while len(rows) < ROWS:
                first = line + reader.line_num
                if row := next(reader):
                    rows.append(row)
                    lines.append(first)
        except StopIteration:
            done = True
        except csv.Error as error:
            raise _quotes(path, first, error) from error
        if rows:
            yield rows, lines


def first_row(path: Path, line: int, text: str, separator: str) -> list[str]:
    """The fields of the first row of `text`, by the rules of quotes."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        return next(reader)
    except csv.Error as error:
        raise _quotes(path, line, error) from error


def _quotes(path: Path, line: int, error: csv.Error) -> TutorialError:
    return TutorialError(
        "{path}, line {line}: the quotes do not match ({error}); a field with a separator"
        ' stands in "...", and a quote in it is doubled.',
        path=path,
        line=line,
        error=error,
    )


def piece_of(rows: Sequence[Sequence[str]], lines: list[int]) -> Piece:
    """Fields that were already separated."""
    cells = [cell.encode() for row in rows for cell in row]
    size = np.array([len(cell) for cell in cells], dtype=np.int64)
    end = np.cumsum(size).reshape(len(rows), -1)
    return Piece(b"".join(cells), end - size.reshape(end.shape), end, np.array(lines))


def _refuse_fields(path: Path, line: int, found: int, fields: int, row: bytes) -> None:
    shown = row.decode()
    shown = shown if len(shown) <= 60 else shown[:60] + "..."
    raise TutorialError(
        "{path}, line {line}: {found} field{plural} ({shown!r}), but the first line has"
        " {fields}; give every line the same fields, and put a field that holds the"
        ' separator into "...".',
        path=path,
        line=line,
        found=found,
        plural="s" * (found != 1),
        shown=shown,
        fields=fields,
    )


def joined(parts: list[tuple[np.ndarray, np.ndarray | None]]) -> np.ndarray | pd.Categorical:
    """Ids of all pieces: int64 if every one is a whole number in its decimal form, else text."""
    if all(names is None for _, names in parts):
        return np.concatenate([numbers for numbers, _ in parts])
    coded = []
    for codes, names in parts:
        if names is None:
            codes, numbers = pd.factorize(codes)
            names = np.array([str(number) for number in numbers], dtype=object)
        coded.append((codes, names))
    every = sorted(set().union(*(names for _, names in coded)))
    place = {name: number for number, name in enumerate(every)}
    dense = [np.array([place[name] for name in names])[codes] for codes, names in coded]
    return pd.Categorical.from_codes(np.concatenate(dense), pd.Index(every, dtype=object))
