"""What is kept of every user: one row in a few tensors, behind one interface for all models.

A stream (see `streams.py`) keeps a few hundred numbers and pays for one event; what looks back at
its events keeps the last of them, and reads the window for each answer. Both give what the model
itself gives for the last event of a history. Taught in lesson 21.
"""

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from tutorial_lib.models import SequenceModel
from tutorial_lib.models.caser import Caser
from tutorial_lib.models.markov import Markov
from tutorial_lib.models.popularity import Popularity
from tutorial_lib.serving.streams import Kept, Stream, stream_of

# (items, times, query_times), int64 [B, L] -> states [B, L, d]
Pass = Callable[[Tensor, Tensor, Tensor], Tensor]


class States(Protocol):
    """Of users by row number. `rows` int64 [B] never hold a row twice; all times are seconds."""

    rows: "Rows"
    asks: bool  # do answers change with the query time alone?

    def add(self, rows: Tensor, items: Tensor, times: Tensor) -> None:
        """One more event of each, not before the user's last one. All int64 [B]."""

    def read(self, rows: Tensor, query_times: Tensor) -> Tensor:
        """What is scored, [B, d], of users with events."""


class Rows:
    """Tensors [capacity, ...] that double when they are full; `count` of events in each row."""

    def __init__(self, empty: Callable[[int], Kept]):
        self.empty, self.capacity = empty, 16
        self.parts = [torch.zeros(16, dtype=torch.int64), *empty(16)]

    @property
    def count(self) -> Tensor:
        return self.parts[0]

    def met(self, row: int) -> bool:
        """Does this row hold an event?"""
        # by way of numpy, as a tensor takes ten times as long to look at one number
        return row < self.capacity and bool(self.count.numpy()[row])

    @property
    def bytes_per_user(self) -> int:
        return sum(part[:1].numel() * part.element_size() for part in self.parts)

    def grow(self, rows: int) -> None:
        """Makes room for so many users."""
        if rows <= self.capacity:
            return
        more = max(rows, 2 * self.capacity) - self.capacity
        new = [torch.zeros(more, dtype=torch.int64), *self.empty(more)]
        self.parts = [torch.cat(pair) for pair in zip(self.parts, new, strict=True)]
        self.capacity += more

    def take(self, rows: Tensor) -> Kept:
        return tuple(part[rows] for part in self.parts[1:])

    def put(self, rows: Tensor, kept: Kept) -> None:
        for part, new in zip(self.parts[1:], kept, strict=True):
            part[rows] = new

    def forget(self, rows: Tensor) -> None:
        """As before the first event."""
        self.count[rows] = 0
        self.put(rows, self.empty(len(rows)))


class StreamStates:
    """Of a model that reads one event after another."""

    def __init__(self, stream: Stream):
        self.stream, self.rows = stream, Rows(stream.empty)
        self.asks = stream.asks

    @torch.inference_mode()
    def add(self, rows: Tensor, items: Tensor, times: Tensor) -> None:
        first = self.rows.count[rows] == 0
        self.rows.put(rows, self.stream.step(self.rows.take(rows), first, items, times))
        self.rows.count[rows] += 1

    @torch.inference_mode()
    def read(self, rows: Tensor, query_times: Tensor) -> Tensor:
        return self.stream.read(self.rows.take(rows), query_times)


class WindowStates:
    """The last `length` events of each user, oldest first, and a full pass over them."""

    def __init__(self, full_pass: Pass, length: int, asks: bool, fixed: int | None = None):
        """`fixed`: the pass takes windows of so many places alone, filled up with pads."""
        self.full_pass, self.length, self.asks, self.fixed = full_pass, length, asks, fixed
        self.rows = Rows(lambda size: tuple(torch.zeros(2, size, length, dtype=torch.int64)))

    def add(self, rows: Tensor, items: Tensor, times: Tensor) -> None:
        count = self.rows.count[rows]
        full = rows[count == self.length]
        if len(full):
            self.rows.put(full, tuple(part.roll(-1, dims=1) for part in self.rows.take(full)))
        place = count.clamp(max=self.length - 1)
        for part, new in zip(self.rows.parts[1:], (items, times), strict=True):
            part[rows, place] = new
        self.rows.count[rows] = place + 1

    @torch.inference_mode()
    def read(self, rows: Tensor, query_times: Tensor) -> Tensor:
        count = self.rows.count[rows]
        items, times, asked = window(*self.rows.take(rows), count, query_times, self.fixed)
        states = self.full_pass(items, times, asked)
        return states[torch.arange(len(rows)), count - 1]


def window(
    items: Tensor, times: Tensor, count: Tensor, query_times: Tensor, fixed: int | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """items, times [B, W] with `count` [B] real events each -> items, times and query times as in
    `data.sequences.Batch`, cut to the longest history, or to `fixed` places.
    """
    width = fixed or int(count.max())
    items, times = items[:, :width], times[:, :width]
    place, last = torch.arange(width), count[:, None] - 1
    real = place <= last
    items = items.where(real, 0)
    times = times.where(real, times.gather(1, last))
    asked = torch.cat([times[:, 1:], times[:, -1:]], dim=1)
    return items, times, query_times[:, None].where(place == last, asked)


def window_length(model: SequenceModel) -> int:
    """How many of the last events decide a state."""
    if isinstance(model, Markov | Popularity):
        return 1
    return min(model.window, model.max_len) if isinstance(model, Caser) else model.max_len


def asks(model: SequenceModel) -> bool:
    """Does an answer change when only the query time does?"""
    return bool(model.uses_time and getattr(model, "query_time", False))


def states_of(model: SequenceModel, full_pass: Pass | None = None) -> States:
    """The cheapest states that a model allows. `full_pass`: what takes the place of the model for
    windows of `max_len` places, such as its exported program.
    """
    if stream := stream_of(model):
        return StreamStates(stream)
    length = window_length(model)
    fixed = model.max_len if full_pass else None
    return WindowStates(full_pass or model, length, asks(model), fixed)
