"""The histories of all users in memory, in the order of time: what every state is made from.

Taught in lesson 21.
"""

from array import array
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from tutorial_lib.serving.store import Event
from tutorial_lib.serving.versions import Version


@dataclass
class History:
    """Of one user, in the order of time; `items` by the numbers of `Memory`."""

    items: array = field(default_factory=lambda: array("q"))
    times: array = field(default_factory=lambda: array("q"))


class Memory:
    """Users and items by their original ids, numbered in the order in which they came."""

    def __init__(self, events: Iterable[Event] = ()):
        self.items: list[str] = []
        self.number: dict[str, int] = {}
        self.users: dict[str, int] = {}
        self.histories: list[History] = []
        for event in events:
            self.insert(event)

    def learn(self, items: Iterable[str]) -> None:
        """Items that may occur from now on."""
        for item in items:
            if item not in self.number:
                self.items.append(item)
                self.number[item] = len(self.items) - 1

    def insert(self, event: Event) -> tuple[int, bool]:
        """Puts an event at its place, behind those of the same second: (row of the user, is it the
        last one?).
        """
        if event.item not in self.number:
            self.learn([event.item])
        if (row := self.users.get(event.user)) is None:
            self.histories.append(History())
            row = len(self.histories) - 1
        mine = self.histories[row]
        place = bisect_right(mine.times, event.time)
        mine.items.insert(place, self.number[event.item])
        mine.times.insert(place, event.time)
        self.users[event.user] = row  # known to others when there is a history
        return row, place == len(mine.times) - 1

    def gap(self, event: Event) -> float | None:
        """Seconds since the user's last event; None: it is the first."""
        row = self.users.get(event.user)
        return None if row is None else float(event.time - self.histories[row].times[-1])

    def read(
        self, version: Version, rows: Iterable[int]
    ) -> dict[int, tuple[np.ndarray, np.ndarray]]:
        """Row -> items, as the version numbers them, and times: int64, copies. Items that it does
        not know are left out.
        """
        dense, found = version.numbers(self.items), {}
        for row in rows:
            mine = self.histories[row]
            items = dense[np.frombuffer(mine.items, np.int64)]
            found[row] = items[items > 0], np.frombuffer(mine.times, np.int64)[items > 0]
        return found

    def seen(self, version: Version, rows: Iterable[int]) -> list[np.ndarray]:
        """The items of each history, as the version numbers them; 0: unknown to it."""
        dense = version.numbers(self.items)
        return [dense[np.frombuffer(self.histories[row].items, np.int64)] for row in rows]
