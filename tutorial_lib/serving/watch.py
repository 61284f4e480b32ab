"""What a running service tells about itself: lags, gaps, scores, hits, and alarms when they change.

Every event gives two signals between 0 and 1. Each is watched by ADWIN, which keeps a window of
the last values and raises an alarm when two parts of it have means that differ by more than chance
allows (Bifet and Gavaldà, SDM 2007, section 3; the code is river's):

- `gap`: the log of the time since the user's last event. It is what a model reads from the clock,
  and it changes before any answer is judged: a wrong unit, a lost time zone, another rhythm.
- `rank`: the log of the place that the model gave to the item that came, among all items and just
  before the event; 1 for an unknown item. Whatever breaks ends here: other moods, another
  catalogue, a query time that is not passed. (Measured on the mood of `serving.drift` that falls to
  six minutes: this signal moves by 0.18 of its own scatter, NDCG@10 of single events by 0.15.)

The other numbers are counted and not tested: with every further test come further false alarms.
Taught in lesson 21.
"""

import math
from bisect import bisect_left
from collections import Counter, OrderedDict, deque
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from threading import Lock

from river.drift import ADWIN

from tutorial_lib.serving.messages import Watcher
from tutorial_lib.serving.metrics import family, line

K = 10  # of the online hit rate
DAY = 86400
LAG = (1, 10, 60, 600, 3600, 6 * 3600, DAY, 7 * DAY)  # s, upper ends of buckets
GAP = (60, 600, 3600, 6 * 3600, DAY, 3 * DAY, 7 * DAY, 30 * DAY)  # s
SCORE = (-20, -10, -5, -2, -1, 0, 1, 2, 5, 10, 20)
LONGEST = 10 * 365 * DAY  # s: the gap that gives the signal 1
LAST = 100_000  # the place that does
UNITS = {"milliseconds": 10**3, "microseconds": 10**6, "nanoseconds": 10**9}
SLACK = DAY  # s that a device's clock may run ahead
# Chance of a false alarm that ADWIN allows each of its tests. Events of one user come together, so
# its bound, which is made for independent values, needs room: the default of river is 0.002.
DELTA = 1e-4


@dataclass
class Histogram:
    """Counts of values in fixed buckets: `counts[i]` of those up to `edges[i]`, the last above
    all.
    """

    edges: Sequence[float]
    counts: list[int] = field(default_factory=list)
    total: float = 0.0

    def __post_init__(self) -> None:
        self.counts = [0] * (len(self.edges) + 1)

    def add(self, *values: float) -> None:
        for value in values:
            self.counts[bisect_left(self.edges, value)] += 1
        self.total += sum(values)

    def as_dict(self) -> dict[str, int]:
        """Bucket by its upper end, "+Inf" the last, each without those below."""
        return dict(zip([*map(str, self.edges), "+Inf"], self.counts, strict=True))


@dataclass(frozen=True)
class Alarm:
    """A signal has changed: found at the `event`-th event, from about `before` to about `after`."""

    signal: str
    event: int
    before: float
    after: float


def gap_signal(gap: float) -> float:
    """Seconds since the user's last event -> 0 (none) to 1 (ten years or more)."""
    return min(1.0, math.log1p(max(gap, 0.0)) / math.log1p(LONGEST))


def rank_signal(known: bool, rank: int | None) -> float | None:
    """Place in the ranking -> 0 (first) to 1 (100,000th or later, or unknown to the model); None
    where nobody has ranked it.
    """
    if not known:
        return 1.0
    return None if rank is None else min(1.0, math.log(rank) / math.log(LAST))


def clock_error(event_time: float, arrival_time: float) -> str | None:
    """What is wrong with an event's clock: a unit that is not seconds, "future", or None.

    Only an arrival tells: the service's own clock is the one witness of what time it is.
    """
    if event_time <= arrival_time + SLACK:
        # 1970 and some days: seconds that were divided once too often
        return "not seconds" if event_time < arrival_time / 100 else None
    for name, unit in UNITS.items():
        if abs(event_time / unit - arrival_time) < LONGEST:
            return name
    return "future"


class Monitor(Watcher):
    """Numbers about a service, in fixed memory. May be called from many threads.

    `remember`: of how many users, those served last, the answered list is kept until their next
    event judges it.
    """

    ranks = True

    def __init__(self, *, delta: float = DELTA, remember: int = 10_000) -> None:
        self.events = self.unknown = self.judged = self.hits = self.answers = 0
        self.clock_errors: Counter[str] = Counter()
        self.lag, self.gap, self.score = Histogram(LAG), Histogram(GAP), Histogram(SCORE)
        self.detectors = {name: ADWIN(delta=delta) for name in ("gap", "rank")}
        self.alarm_counts = Counter(dict.fromkeys(self.detectors, 0))
        self.alarms: deque[Alarm] = deque(maxlen=100)
        self._answered: OrderedDict[object, tuple[tuple, float]] = OrderedDict()
        self._remember, self._lock = remember, Lock()

    def event(
        self,
        user: object,
        item: object,
        event_time: float,
        arrival_time: float,
        known: bool,
        gap: float | None,
        rank: int | None,
    ) -> list[Alarm]:
        """An event has arrived; returns the alarms that it raises.

        Times in unix seconds, `gap` in seconds since the user's last event (None: the first).
        `rank`: place of the item, from 1, in the model's ranking just before the event (None: there
        was none).
        """
        with self._lock:
            self.events += 1
            self.unknown += not known
            self.lag.add(arrival_time - event_time)
            if wrong := clock_error(event_time, arrival_time):
                self.clock_errors[wrong] += 1
            items, at = self._answered.get(user, ((), math.inf))
            if event_time >= at:  # one that comes late, from before the answer, cannot judge it
                del self._answered[user]
                self.judged += 1
                self.hits += item in items
            found = []
            if gap is not None:
                self.gap.add(gap)
                found += self._watch("gap", gap_signal(gap))
            if (value := rank_signal(known, rank)) is not None:
                found += self._watch("rank", value)
            return found

    def recommended(
        self, user: object, items: Sequence, scores: Iterable[float], at: float
    ) -> None:
        """The service has answered with `items`, best first, for the time `at` (unix seconds). Only
        the last answer before an event is judged, and only if it has ten items.
        """
        with self._lock:
            self.answers += 1
            self.score.add(*map(float, scores))
            self._answered.pop(user, None)
            if len(items) >= K:
                self._answered[user] = tuple(items[:K]), at
            while len(self._answered) > self._remember:
                self._answered.popitem(last=False)

    def _watch(self, name: str, value: float) -> list[Alarm]:
        detector = self.detectors[name]
        before = detector.estimation
        detector.update(value)
        if not detector.drift_detected:
            return []
        alarm = Alarm(name, self.events, before, detector.estimation)
        self.alarm_counts[name] += 1
        self.alarms.append(alarm)
        return [alarm]

    def metrics(self) -> dict[str, float | dict]:
        """All numbers, for a page or a test."""
        with self._lock:
            return {
                "events": self.events,
                "unknown_share": self.unknown / self.events if self.events else 0.0,
                "answers": self.answers,
                "judged": self.judged,
                f"online_hr@{K}": self.hits / self.judged if self.judged else 0.0,
                "clock_errors": dict(self.clock_errors),
                "lag_seconds": self.lag.as_dict(),
                "gap_seconds": self.gap.as_dict(),
                "scores": self.score.as_dict(),
                "signals": {name: one.estimation for name, one in self.detectors.items()},
                "alarms": {name: self.alarm_counts[name] for name in self.detectors},
                "last_alarm": asdict(self.alarms[-1]) if self.alarms else {},
            }

    def prometheus(self) -> str:
        """The same numbers in the text format of Prometheus. Shares are left to the one who asks:
        from two counters any stretch of time can be had.
        """
        with self._lock:
            totals = {
                "events": ("Events that have arrived, refused ones too.", self.events),
                "unknown_items": ("Events with an item that no model knows.", self.unknown),
                "answers": ("Lists that were answered.", self.answers),
                "judged": ("Answered lists that a later event has judged.", self.judged),
                "hits": (f"Judged lists with the event's item in their first {K}.", self.hits),
            }
            lines = []
            for name, (about, value) in totals.items():
                name = f"watch_{name}_total"
                lines += family(name, "counter", about, [line(name, value)])
            kinds = {
                "clock_errors": ("kind", "Events whose time cannot be.", self.clock_errors),
                "alarms": ("signal", "Changes that ADWIN has found.", self.alarm_counts),
            }
            for name, (label, about, counts) in kinds.items():
                name = f"watch_{name}_total"
                found = (line(name, count, **{label: key}) for key, count in counts.items())
                lines += family(name, "counter", about, found)
            name = "watch_signal"
            found = (line(name, d.estimation, signal=key) for key, d in self.detectors.items())
            lines += family(name, "gauge", "Mean of a signal over its window, 0 to 1.", found)
            lines += _histogram("watch_lag_seconds", "Arrival minus event time.", self.lag)
            lines += _histogram("watch_gap_seconds", "Since the user's last event.", self.gap)
            lines += _histogram("watch_score", "Scores of answered items.", self.score)
            return "\n".join(lines) + "\n"


def _histogram(name: str, about: str, histogram: Histogram) -> list[str]:
    lines, below = [], 0
    for end, count in histogram.as_dict().items():
        below += count
        lines.append(line(f"{name}_bucket", below, le=end))
    lines += [line(f"{name}_sum", histogram.total), line(f"{name}_count", below)]
    return family(name, "histogram", about, lines)
