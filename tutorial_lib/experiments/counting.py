"""What is the clock worth? Asked of models that only count, so that no training blurs the answer.

A question is an event to be predicted. Each part of a model is a distribution over the items,

    blind      popularity; what followed the last item, and the items before it; what the user
               chose, recent choices first
    gaps       + what followed the last item after such a gap between the two events before it
    query      + what followed the last item when the next event came that much later
    calendar   + popularity by hour and by weekday; what the user chose at this hour of the day
    recency    + popularity with a half-life of an hour to 30 days
    order      + the same, where the clock only counts the events of everybody

and a model is a mixture of its parts with weights fitted by expectation maximisation on questions
before those it is tested on (for `gaps` and `query` weights of their own for short and long gaps).
The control of each has the same parts from a shuffled clock. Full ranking. Counts are of events
before the question: `live` those of all users, in steps of a few questions; else those of the
training part. Taught in lesson 03.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tutorial_lib.data.log import Log
from tutorial_lib.data.splits import Split, Targets
from tutorial_lib.errors import TutorialError

KINDS = ("gaps", "query", "calendar", "recency", "order")
HOUR, DAY = 3600, 86_400
HALF_LIVES = (HOUR, 12 * HOUR, 5 * DAY, 30 * DAY)
BUCKETS = 4  # of gaps, equally many in each
FADING = 0.8  # weight of a choice of the user, from one event to the one before
READ = 20  # events of a history that are followed


class Following:
    """What followed a context, and how often. contexts, items int64 [E], contexts below `size`."""

    def __init__(self, contexts: np.ndarray, items: np.ndarray, size: int, num_items: int):
        self.width = num_items + 1
        pairs, counts = np.unique(contexts * self.width + items, return_counts=True)
        context, self.item = np.divmod(pairs, self.width)
        self.start = np.searchsorted(context, np.arange(size + 1))
        totals = np.bincount(context, counts, size)
        self.share = counts / totals[context]

    def rows(self, contexts: np.ndarray, otherwise: np.ndarray) -> np.ndarray:
        """Shares of all items [N, V + 1]; `otherwise` [V + 1] where the context is unknown."""
        row, place = self.places(contexts)
        shares = np.zeros((len(contexts), self.width), dtype=np.float32)
        shares[row, self.item[place]] = self.share[place]
        shares[self.start[contexts + 1] == self.start[contexts]] = otherwise
        return shares

    def places(self, contexts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Which of the contexts, and which of `item` and `share`, one entry for each that followed,
        int64 [M] both.
        """
        size = self.start[contexts + 1] - self.start[contexts]
        row = np.repeat(np.arange(len(contexts)), size)
        first = np.repeat(self.start[contexts] - (np.cumsum(size) - size), size)
        return row, first + np.arange(len(row))


@dataclass(frozen=True)
class Clock:
    """What is known of the time of every event: seconds since the user's event before (int64 [E]),
    hour 0..23 and weekday 0..6, int64 [E].
    """

    gap: np.ndarray
    hour: np.ndarray
    weekday: np.ndarray

    @classmethod
    def of(cls, split: Split) -> "Clock":
        times = split.dataset.events["timestamp"].to_numpy()
        gap = np.diff(times, prepend=times[:1])
        gap[split.dataset.offsets[:-1]] = 0
        return cls(gap, times % DAY // HOUR, (times // DAY + 3) % 7)

    def shuffled(self, split: Split, seed: int) -> "Clock":
        """The same values in another order within each user: nothing left that they could tell."""
        keys, users = np.random.default_rng(seed), split.dataset.events["user"].to_numpy()
        gap_order, day_order = (np.lexsort((keys.random(len(users)), users)) for _ in range(2))
        return Clock(self.gap[gap_order], self.hour[day_order], self.weekday[day_order])


class Counting:
    """Counting models of one split, under its own clock or a shuffled one."""

    def __init__(self, split: Split, *, live: bool, shuffled: bool = False, seed: int = 0):
        if split.cut_valid is None or not split.dataset.has_times:
            raise TutorialError(
                "counting needs a temporal split of data with times, got {kind} of {dataset}",
                kind=split.kind,
                dataset=split.dataset.name,
            )
        self.split, self.live, self.is_shuffled, self.seed = split, live, shuffled, seed
        events = split.dataset.events
        self.user, self.item, self.time = (
            events[name].to_numpy() for name in ("user", "item", "timestamp")
        )
        self.width = split.dataset.num_items + 1
        self.kept: dict[str | None, tuple[int, Following]] = {}
        self.clock = Clock.of(split)
        if shuffled:
            self.clock = self.clock.shuffled(split, seed)
        self.follows = np.append(False, np.diff(self.user) == 0)  # has an event before it
        known = self.follows & (self.time < split.cut_valid)
        self.edges = np.quantile(self.clock.gap[known], np.arange(1, BUCKETS) / BUCKETS)

    @cached_property
    def first(self) -> np.ndarray:
        return Log.of(self.split.dataset.events, self.width - 1).first

    def bucket(self, rows: np.ndarray) -> np.ndarray:
        """Of the gap before these events."""
        return np.searchsorted(self.edges, self.clock.gap[rows], side="right")

    def group(self, kind: str, rows: np.ndarray) -> np.ndarray:
        """Which weights a question uses, int64 [N] below BUCKETS."""
        if kind not in ("gaps", "query"):
            return np.zeros(len(rows), dtype=np.int64)
        return self.bucket(rows - (kind == "gaps"))

    def parts(self, kind: str, targets: Targets) -> np.ndarray:
        """The parts of `kind` for questions of one step, float32 [K, N, V + 1]; "blind" has those
        of every model.
        """
        rows, asked = targets.row, self.time[targets.row]
        end = int(asked.min()) if self.live else self.split.cut_valid
        past = self.time < end
        popular = np.bincount(self.item[past], minlength=self.width).astype(np.float32)
        popular /= max(1.0, popular.sum())
        if kind == "blind":
            uniform = np.full(self.width, 1 / (self.width - 1), dtype=np.float32)
            uniform[0] = 0
            followed = self.following(past, None)
            after = followed.rows(self.item[rows - 1], popular)
            back = self.back(targets)
            own = self.own(targets, FADING**back, popular)
            near = self.near(targets, followed, back, popular)
            shape = len(rows), self.width
            every = uniform, popular, after, near, own
            return np.stack([np.broadcast_to(part, shape) for part in every])
        if kind in ("gaps", "query"):
            context = self.item[rows - 1] * BUCKETS + self.bucket(rows - (kind == "gaps"))
            return self.following(past, kind).rows(context, popular)[None]
        if kind == "calendar":
            found = [
                Following(of[past], self.item[past], size, self.width - 1).rows(of[rows], popular)
                for of, size in ((self.clock.hour, 24), (self.clock.weekday, 7))
            ]
            history = self._history(targets)
            hours = np.repeat(self.clock.hour[rows], rows - targets.start)
            away = np.abs(self.clock.hour[history] - hours)
            away = np.minimum(away, 24 - away)
            return np.stack([*found, self.own(targets, np.exp2(-away * 1.0), popular)])
        return self.recent(kind, past, np.minimum(asked, end if not self.live else asked))

    def following(self, past: np.ndarray, kind: str | None) -> Following:
        """What followed each item, before a moment; after each kind of gap. The last answer of each
        kind is kept, as all steps of a frozen evaluation ask the same.
        """
        key = int(past.sum())  # `past` is a moment's, so its size tells which
        if self.kept.get(kind, (None,))[0] == key:
            return self.kept[kind][1]
        rows = np.flatnonzero(past & self.follows)
        context, size = self.item[rows - 1], self.width
        if kind:
            context = context * BUCKETS + self.bucket(rows - (kind == "gaps"))
            size *= BUCKETS
        self.kept[kind] = key, Following(context, self.item[rows], size, self.width - 1)
        return self.kept[kind][1]

    def _history(self, targets: Targets) -> np.ndarray:
        """The rows of all events before each question, one question after the other."""
        counts = targets.row - targets.start
        first = np.repeat(targets.start - (np.cumsum(counts) - counts), counts)
        return first + np.arange(counts.sum())

    def back(self, targets: Targets) -> np.ndarray:
        """How many events before the last one each of the history is: 0 for the last."""
        counts = targets.row - targets.start
        return np.repeat(targets.row - 1, counts) - self._history(targets)

    def near(
        self, targets: Targets, followed: Following, back: np.ndarray, otherwise: np.ndarray
    ) -> np.ndarray:
        """What followed the last READ items of the history, all alike, [N, V + 1]."""
        question = np.repeat(np.arange(len(targets)), targets.row - targets.start)
        context = self.item[self._history(targets)][back < READ]
        question = question[back < READ]
        row, place = followed.places(context)
        places = question[row] * self.width + followed.item[place]
        return self.shares(places, followed.share[place], len(targets), otherwise)

    def own(self, targets: Targets, weights: np.ndarray, otherwise: np.ndarray) -> np.ndarray:
        """Weighted shares of the user's own choices, [N, V + 1]."""
        question = np.repeat(np.arange(len(targets)), targets.row - targets.start)
        place = question * self.width + self.item[self._history(targets)]
        return self.shares(place, weights, len(targets), otherwise)

    def shares(
        self, places: np.ndarray, weights: np.ndarray, size: int, otherwise: np.ndarray
    ) -> np.ndarray:
        """Weights at places of a table [size, V + 1], each row divided by its sum."""
        shares = np.bincount(places, weights, size * self.width).reshape(size, self.width)
        total = shares.sum(1, keepdims=True)
        shares = np.divide(shares, total, out=shares, where=total > 0)
        return np.where(total > 0, shares, otherwise).astype(np.float32)

    def recent(self, kind: str, past: np.ndarray, asked: np.ndarray) -> np.ndarray:
        """Popularity with each half-life at these moments, float32 [K, N, V + 1]. Shuffled: the
        events before all of them, in random order.
        """
        if self.is_shuffled:
            rows = np.flatnonzero(past)
            times = np.random.default_rng(self.seed).permutation(self.time[rows])
        else:
            rows = np.arange(len(self.time)) if self.live else np.flatnonzero(past)
            times = self.time[rows]
        lives = np.array(HALF_LIVES, dtype=np.float64)
        if kind == "order":  # as many events as usually happen in that time
            ordered = np.sort(times)
            lives *= len(ordered) / max(1, ordered[-1] - ordered[0])
            times, asked = (np.searchsorted(ordered, t, side="left") for t in (times, asked))
        log, found = Log(times, self.item[rows], self.width - 1), []
        for life in lives:
            counts = log.counts(asked, life)
            total = counts.sum(1, keepdims=True)
            found.append(np.divide(counts, total, out=counts, where=total > 0).astype(np.float32))
        return np.stack(found)

    def among(self, known: np.ndarray, parts: np.ndarray) -> np.ndarray:
        """The parts as distributions over the candidates, where the user's own items are none."""
        if self.split.dataset.repeats:
            return parts
        parts = parts * known
        total = parts.sum(2, keepdims=True)
        return np.divide(parts, total, out=parts, where=total > 0)

    def candidates(self, targets: Targets) -> np.ndarray:
        """Bool [N, V + 1]: known before the question, and new to the user unless people come back
        to items; the target itself always, if it is known.
        """
        rows = np.arange(len(targets))
        limit = self.time[targets.row] if self.live else np.full(len(rows), self.split.cut_valid)
        known = self.first[None] < limit[:, None]
        if not self.split.dataset.repeats:
            target = known[rows, self.item[targets.row]]
            question = np.repeat(rows, targets.row - targets.start)
            known[question, self.item[self._history(targets)]] = False
            known[rows, self.item[targets.row]] = target
        return known
