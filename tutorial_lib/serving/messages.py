"""What the service, its watcher and the web say to each other. Taught in lesson 21."""

from collections.abc import Sequence
from typing import NamedTuple

from tutorial_lib.errors import TutorialError
from tutorial_lib.language import spoken
from tutorial_lib.serving.versions import Version


class Refused(TutorialError):
    """What a client asked cannot be done: `status` is that of HTTP. `told` says it in the language
    of whoever asked, which another thread does not know.
    """

    def __init__(self, status: int, message: str, /, **values: object):
        super().__init__(message, **values)
        self.status, self.message, self.values = status, message, values

    def told(self, code: str) -> str:
        """The sentence in a language."""
        return spoken(code, self.message, **self.values)


class Watcher:
    """What watches the service; this one sees nothing. `serving.watch.Monitor` does.

    `ranks`: is the place of each item in the model's ranking of all items worth a pass before the
    event? `rank` is that place, from 1; None where there was none.
    """

    ranks = False

    def event(
        self,
        user: str,
        item: str,
        event_time: int,
        arrival_time: float,
        known: bool,
        gap: float | None,
        rank: int | None,
    ) -> None: ...

    def recommended(
        self, user: str, items: Sequence[str], scores: Sequence[float], at: int
    ) -> None: ...

    def metrics(self) -> dict[str, object]:
        return {}

    def prometheus(self) -> str:
        return ""


class Added(NamedTuple):
    """What became of a batch: new events, known ones, and how many of the new were late."""

    accepted: int
    duplicates: int
    late: int


class Answer(NamedTuple):
    """items: original ids, best first."""

    user: str
    at: int
    last_event: int
    version: Version
    items: list[str]
    scores: list[float]
