"""The events, kept so that none that was acknowledged is ever lost.

SQLite with a write-ahead log and `synchronous=FULL`: a commit waits until the disk has it, so it
survives a power cut as well as `kill -9`. That wait is shared by all requests that come in
meanwhile, as the service commits them together. Taught in lesson 21.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from tutorial_lib.errors import TutorialError

AT_ONCE = 500  # ids in one question to the database


class Event(NamedTuple):
    """Ids are those of the data set, as text; `time` in unix seconds."""

    id: str
    user: str
    item: str
    time: int


class Store(Protocol):
    """One service at a time writes to a store."""

    def known(self, ids: Sequence[str]) -> dict[str, Event]:
        """Those of these events that the store has."""

    def append(self, events: Sequence[Event], arrival: float) -> None:
        """All of them or none; they are safe when it returns. Their ids are new."""

    def load(self) -> Iterator[Event]:
        """All events in the order in which they came."""

    def close(self) -> None: ...


class SQLiteStore:
    """In one file, or in memory (":memory:"), which is lost with the process."""

    def __init__(self, path: Path | str, patience: float = 5.0):
        """Waits `patience` seconds for another service to end."""
        self.path = str(path)
        try:
            if self.path != ":memory:":
                Path(path).parent.mkdir(parents=True, exist_ok=True)
            self.db = sqlite3.connect(
                self.path, timeout=patience, isolation_level=None, check_same_thread=False
            )
            self.db.execute("PRAGMA journal_mode=WAL")
            self.db.execute("PRAGMA synchronous=FULL")
            self.db.execute("PRAGMA locking_mode=EXCLUSIVE")
            self.db.execute("BEGIN IMMEDIATE")  # takes the lock, which is then kept
            self.db.execute(
                "CREATE TABLE IF NOT EXISTS events (seq INTEGER PRIMARY KEY, id TEXT UNIQUE NOT"
                " NULL, user TEXT NOT NULL, item TEXT NOT NULL, time INTEGER NOT NULL, arrival REAL"
                " NOT NULL)"
            )
            self.db.execute("COMMIT")
        except (OSError, sqlite3.Error) as error:
            why = "another service is using it" if "locked" in str(error) else error
            raise TutorialError(
                "cannot keep events in {path} ({why}): name another file with --store",
                path=path,
                why=why,
            ) from None

    def known(self, ids: Sequence[str]) -> dict[str, Event]:
        found = {}
        for first in range(0, len(ids), AT_ONCE):
            some = ids[first : first + AT_ONCE]
            marks = ",".join("?" * len(some))
            rows = self.db.execute(
                f"SELECT id, user, item, time FROM events WHERE id IN ({marks})", some
            )
            found |= {row[0]: Event(*row) for row in rows}
        return found

    def append(self, events: Sequence[Event], arrival: float) -> None:
        self.db.execute("BEGIN")
        try:
            self.db.executemany(
                "INSERT INTO events (id, user, item, time, arrival) VALUES (?, ?, ?, ?, ?)",
                [(*event, arrival) for event in events],
            )
            self.db.execute("COMMIT")
        except BaseException:
            self.db.execute("ROLLBACK")
            raise

    def load(self) -> Iterator[Event]:
        for row in self.db.execute("SELECT id, user, item, time FROM events ORDER BY seq"):
            yield Event(*row)

    def close(self) -> None:
        self.db.close()
