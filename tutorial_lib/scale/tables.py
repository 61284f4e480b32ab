"""duckdb at work: it sorts and joins tables that are larger than the memory, through files."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from tutorial_files.parquet import import_duckdb
from tutorial_lib.errors import TutorialError

SHARE = 0.7  # of the memory that duckdb may take; the rest is for Python and its arrays
LEAST = 256 << 20  # bytes with which duckdb still works
UNITS = {"M": 2**20, "G": 2**30, "T": 2**40}


def bytes_of(memory: str) -> int:
    """ "4GB" -> bytes; powers of 1,024."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([MGT])i?B?\s*", str(memory), re.I)
    size = float(match[1]) * UNITS[match[2].upper()] if match else 0
    if size * SHARE < LEAST:
        raise TutorialError(
            "Got memory={memory!r}: give a size of at least 400MB, such as 4GB.", memory=memory
        )
    return int(size)


class Engine:
    """A connection of its own, which keeps within `memory` bytes and puts aside in `folder` what
    does not fit.
    """

    def __init__(self, folder: Path, memory: int) -> None:
        self.duckdb, self.folder, self.memory = import_duckdb("prepare"), folder, memory
        if glob_signs := set("*?[") & set(str(folder)):
            raise TutorialError(
                "Cannot prepare into {folder}: choose a folder without {signs} in its path.",
                folder=folder, signs=" ".join(sorted(glob_signs)),
            )  # fmt: skip
        # a thread takes a share of the memory, so few threads where there is little
        threads = max(1, min(os.cpu_count() or 1, memory // (512 << 20)))
        with self.errors():
            self.connection = self.duckdb.connect(
                config={
                    "memory_limit": f"{int(memory * SHARE) >> 20}MiB",
                    "temp_directory": str(folder / "spill"),
                    "threads": threads,
                }
            )

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Turns duckdb's errors into one sentence."""
        try:
            yield
        except self.duckdb.OutOfMemoryException as error:
            if "temp" in str(error).lower() and "disk" in str(error).lower():
                raise self._no_room(error) from error
            raise TutorialError(
                "{memory:,} MB are too little for this table: give more with --memory, then the"
                " same command goes on.",
                memory=self.memory >> 20,
            ) from error
        except self.duckdb.IOException as error:
            raise self._no_room(error) from error

    def _no_room(self, error: Exception) -> TutorialError:
        return TutorialError(
            "Cannot write {path} ({strerror}): free some space or choose a folder that you"
            " may write to.",
            path=self.folder, strerror=str(error).splitlines()[0],
        )  # fmt: skip

    def run(self, query: str, *values: object) -> Any:
        with self.errors():
            return self.connection.execute(query, list(values))

    def value(self, query: str, *values: object) -> Any:
        """The one value that is the answer."""
        with self.errors():
            return self.run(query, *values).fetchall()[0][0]

    def frames(self, query: str, rows: int) -> Iterator[pd.DataFrame]:
        """The answer, about so many rows at a time."""
        result, vectors = self.run(query), max(1, rows // 2048)
        while True:
            with self.errors():
                frame = result.fetch_df_chunk(vectors)
            if not len(frame):
                return
            yield frame

    def write(self, frame: pd.DataFrame, select: str, target: Path) -> None:
        self.connection.register("chunk", frame)
        self.copy(f"SELECT {select} FROM chunk", target)
        self.connection.unregister("chunk")

    def copy(self, query: str, target: Path) -> None:
        self.run(f"COPY ({query}) TO {text(target)} (FORMAT parquet)")

    def close(self) -> None:
        self.connection.close()


def text(value: object) -> str:
    """As a literal of SQL."""
    return "'" + str(value).replace("'", "''") + "'"
