"""How popular, and how old, is each item at a given moment? What everybody did before it, and never
what comes after. Taught in lesson 07.
"""

from functools import cached_property

import numpy as np
import pandas as pd

from tutorial_lib.errors import TutorialError

ROWS, HALVINGS = 256, 400  # moments counted together, and half-lives that they may span: 2**400


class Log:
    """Events of all users in the order of time. times int64 [E], unix seconds; items int64 [E].

    Every answer about a moment is made of the events strictly before it.
    """

    def __init__(self, times: np.ndarray, items: np.ndarray, num_items: int):
        order = np.argsort(times, kind="stable")
        self.times, self.items, self.num_items = times[order], items[order], num_items

    @classmethod
    def of(cls, events: pd.DataFrame, num_items: int) -> "Log":
        """Of an event table."""
        return cls(events["timestamp"].to_numpy(), events["item"].to_numpy(), num_items)

    def counts(self, asked: np.ndarray, half_life: float | None = None) -> np.ndarray:
        """Events of each item before each moment, float64 [N, num_items + 1]; one that is
        `half_life` seconds old counts half, one of twice that age a quarter. asked int64 [N].
        """
        if half_life is not None and not half_life > 0:
            raise TutorialError(
                "half_life must be above 0 seconds, got {half_life}", half_life=half_life
            )
        result = np.zeros((len(asked), self.num_items + 1))
        order = np.argsort(asked, kind="stable")
        moments, done = asked[order], 0
        while done < len(order):
            end = min(done + ROWS, len(order))
            if half_life is not None:
                furthest = moments[done] + int(HALVINGS * half_life)
                end = min(end, int(np.searchsorted(moments, furthest, side="right")))
            result[order[done:end]] = self._together(moments[done:end], half_life)
            done = end
        return result

    def _together(self, moments: np.ndarray, half_life: float | None) -> np.ndarray:
        """The same for moments in ascending order, none too far from the first."""
        base, size = moments[0], self.num_items + 1

        def weight(seconds: np.ndarray) -> np.ndarray:
            return np.ones(len(seconds)) if half_life is None else np.exp2(seconds / half_life)

        first, last = np.searchsorted(self.times, (base, moments[-1]), side="left")
        since = self.times[:last] - base
        start = np.bincount(self.items[:first], weight(since[:first]), size)
        # an event between the moments counts from the first moment after it on
        row = np.searchsorted(moments, self.times[first:last], side="right")
        steps = (
            np.bincount(
                row * size + self.items[first:last], weight(since[first:]), len(moments) * size
            ).reshape(len(moments), size)
            + 0.0
        )  # whole numbers where nothing lies between
        steps[0] += start
        return np.cumsum(steps, axis=0) * weight(base - moments)[:, None]

    def age(self, asked: np.ndarray) -> np.ndarray:
        """Seconds since the first event of each item, float64 [N, num_items + 1]; infinite where
        there was none before the moment. asked int64 [N].
        """
        age = asked[:, None] - self.first
        return np.where(age > 0, age, np.inf)

    @cached_property
    def first(self) -> np.ndarray:
        """Time of the first event of each item, float64 [num_items + 1]; infinite where there is
        none.
        """
        first = np.full(self.num_items + 1, np.inf)
        np.minimum.at(first, self.items, self.times)
        return first
