"""Parquet files, read by duckdb, some rows at a time. A column of whole numbers or dates is taken
as it is, any other as text.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd

from tutorial_files.errors import TutorialError
from tutorial_files.language import say
from tutorial_files.timestamps import Times

VECTORS = 49  # of 2,048 rows each, that duckdb hands over together: 100,000 rows
WHOLE = ["TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER"]
ZONED = "TIMESTAMP WITH TIME ZONE"
DATES = ("DATE", "TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS", ZONED)


def import_duckdb(what: str) -> ModuleType:
    """The package, or a sentence that `what` needs it."""
    try:
        import duckdb
    except ImportError as error:
        raise TutorialError(
            "{what} needs the package duckdb: install it with pip install duckdb.",
            what=what,
        ) from error
    return duckdb


@dataclass(frozen=True)
class Cells:
    """Some rows, with what `delimited.Piece` also offers. Each column is int64 [N] (whole numbers
    from 0), `Times`, or a list of texts, in which a missing value is empty.
    """

    lines: np.ndarray
    columns: list[np.ndarray | Times | list[str]]

    def sizes(self, column: int) -> np.ndarray:
        """Bytes of each field, int64 [rows]; of numbers and times 1."""
        cells = self.columns[column]
        if isinstance(cells, list):
            return np.array([len(cell.encode()) for cell in cells], dtype=np.int64)
        return np.ones(len(self.lines), dtype=np.int64)

    def integers(self, column: int) -> np.ndarray | None:
        cells = self.columns[column]
        if not isinstance(cells, list):
            return cells if isinstance(cells, np.ndarray) else None
        if not all(cell.isascii() and cell.isdecimal() and len(cell) <= 19 for cell in cells):
            return None
        if any(cell[0] == "0" and cell != "0" for cell in cells):
            return None
        values = np.array(cells, dtype=np.uint64)
        return None if values.max() >= 2**63 else values.astype(np.int64)

    def dates(self, column: int) -> Times | None:
        cells = self.columns[column]
        return cells if isinstance(cells, Times) else None

    def text(self, column: int) -> list[str]:
        cells = self.columns[column]
        if isinstance(cells, Times):
            stamps = (cells.whole * 10**6 + np.rint(cells.part * 1e6)).astype("datetime64[us]")
            return [str(stamp).replace("T", " ") for stamp in stamps]
        return cells if isinstance(cells, list) else [str(cell) for cell in cells.tolist()]

    def factorize(self, column: int) -> tuple[np.ndarray, np.ndarray]:
        return pd.factorize(np.array(self.text(column), dtype=object))


@dataclass(frozen=True)
class Parquet:
    """A file that is open: its columns, with their types."""

    path: Path
    connection: Any
    names: list[str]
    types: list[str]
    rows: int
    source: str = field(default="FROM read_parquet(?)")

    def batches(self, places: Sequence[int]) -> Iterator[Cells]:
        """The columns at these places, all rows in their order."""
        chosen = [self._form(place) for place in places]
        query = f"SELECT {', '.join(sql for sql, _ in chosen)} {self.source}"
        result, line = self.connection.execute(query, [str(self.path)]), 1
        while len(frame := result.fetch_df_chunk(VECTORS)):
            cells = [_cells(frame.iloc[:, number], kind) for number, (_, kind) in enumerate(chosen)]
            yield Cells(np.arange(line, line + len(frame)), cells)
            line += len(frame)

    def _form(self, place: int) -> tuple[str, str]:
        """SQL of a column, and what comes of it: whole, a date, a date with zone or text."""
        name, kind = self._quoted(place), self.types[place]
        as_text = f"coalesce(CAST({name} AS VARCHAR), '')"
        if kind not in (*WHOLE, *DATES):
            return as_text, "text"
        number = name if kind in WHOLE else f"epoch_us({name})"
        found = f"SELECT count({number}), min({number}) {self.source}"
        full, least = self.connection.execute(found, [str(self.path)]).fetchall()[0]
        if full < self.rows or (kind in WHOLE and least < 0):
            return as_text, "text"
        if kind in WHOLE:
            return f"CAST({name} AS BIGINT)", "whole"
        return number, "a date with zone" if kind == ZONED else "a date"

    def _quoted(self, place: int) -> str:
        return '"' + self.names[place].replace('"', '""') + '"'


def _cells(column: pd.Series, kind: str) -> np.ndarray | Times | list[str]:
    if kind == "text":
        return column.tolist()
    numbers = column.to_numpy(dtype=np.int64)
    if kind == "whole":
        return numbers
    return Times(numbers // 10**6, numbers % 10**6 / 1e6, kind)


@contextmanager
def open_parquet(path: Path) -> Iterator[Parquet]:
    """Raises TutorialError for a file that is damaged, and where duckdb is not installed."""
    duckdb = import_duckdb(say("{path} is a Parquet file, which", path=path))
    with duckdb.connect() as connection:
        try:
            found = connection.execute("DESCRIBE SELECT * FROM read_parquet(?)", [str(path)])
            names, types = zip(*((row[0], row[1]) for row in found.fetchall()), strict=True)
            rows = connection.execute("SELECT count(*) FROM read_parquet(?)", [str(path)])
            yield Parquet(path, connection, list(names), list(types), rows.fetchall()[0][0])
        except duckdb.Error as error:
            raise TutorialError(
                "Cannot read {path}: the Parquet file is damaged ({error}); get it again.",
                path=path, error=str(error).splitlines()[0],
            ) from error  # fmt: skip
