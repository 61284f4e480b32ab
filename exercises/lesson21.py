"""Checkers of lesson 21, efficiency and serving."""

import heapq
import math
from collections.abc import Callable
from functools import partial

import numpy as np

from exercises.checking import (
    Wrong,
    compare_letters,
    exercise,
    want_array,
    want_equal,
    want_whole,
)
from exercises.open_task import END, END_ZH, Report, open_task, runs_of
from tutorial_lib.language import say

MONTH = 30 * 86400


# 21.1

QUEUES = (  # when requests are due, how long each takes, in seconds; how many workers
    ([0.0, 0.1, 0.2, 0.3], [0.05, 0.35, 0.05, 0.05], 1),  # one slow answer delays those behind it
    ([0.0, 0.1, 0.2, 0.3, 0.4], [0.05, 0.95, 0.15, 0.15, 0.05], 2),  # the other worker goes on
    ([0.0, 1.0, 1.1, 5.0, 5.1], [0.5, 0.3, 0.3, 0.05, 0.2], 1),  # idle time in between
    ([2.0, 2.0, 2.0, 2.5, 2.5], [0.6, 0.1, 0.3, 0.4, 0.5], 3),  # the clock does not start at 0
    ([0.0, 0.0, 0.0, 0.0, 0.1], [0.4, 0.3, 0.2, 0.1, 0.7], 2),
    ([3.0], [0.25], 4),
)


def _queue(due: np.ndarray, took: np.ndarray, workers: int) -> np.ndarray:
    """Latencies from the moment at which each request was due."""
    free, found = [-math.inf] * workers, []
    for start, time in zip(due, took, strict=True):
        first = min(range(workers), key=free.__getitem__)
        free[first] = max(start, free[first]) + time
        found.append(free[first] - start)
    return np.array(found)


def _in_turn(due: np.ndarray, took: np.ndarray, workers: int) -> np.ndarray:
    """Request i goes to worker i modulo their number, busy or not."""
    found = np.zeros(len(due))
    for one in range(workers):
        found[one::workers] = _queue(due[one::workers], took[one::workers], 1)
    return found


def _never_idle(due: np.ndarray, took: np.ndarray, workers: int) -> np.ndarray:
    free, found = [due[0]] * workers, []
    for start, time in zip(due, took, strict=True):
        first = min(range(workers), key=free.__getitem__)
        free[first] += time
        found.append(free[first] - start)
    return np.array(found)


@exercise(points=3, minutes=15)
def check_latencies(answer) -> None:
    """21.1: latencies with several workers, counted from when each request was due."""
    for due, took, workers in QUEUES:
        due, took = np.array(due), np.array(took)
        want = _queue(due, took, workers)
        got = want_array(answer(due, took, workers), "the answer", shape=due.shape, kind="float")
        known = {
            "this counts from the moment at which a worker begins; the time in the queue is missing": took,
            "this is the waiting alone; the time of the answer itself belongs to it": want - took,
            "this is one worker; a request goes to the first worker that is free": (
                _queue(due, took, 1)
            ),
            "two workers do not make one answer faster: each request takes its whole time": (
                _queue(due, took / workers, 1)
            ),
            "you deal the requests out in turn; a request goes to the worker that is free first": (
                _in_turn(due, took, workers)
            ),
            "a worker is idle while no request is due: it begins when the request is due or when it is"
            " free, whichever is later": _never_idle(due, took, workers),
            "this is when each answer was finished; subtract when it was due": want + due,
            "give seconds, not milliseconds": 1000 * want,
        }
        want_equal(
            got,
            want,
            name="the latency",
            known=known,
            otherwise=say(
                "due at {due}, taking {took}, {workers} workers",
                due=due.tolist(),
                took=took.tolist(),
                workers=workers,
            ),
        )


# 21.2

BATCHES = (  # ms a batch, ms each, requests a second, limit in ms
    (4.0, 0.1, 1000.0, 20.0),
    (4.0, 0.1, 2000.0, 12.0),
    (10.0, 0.5, 100.0, 30.0),  # two: ten milliseconds until the second is there
    (10.0, 0.5, 50.0, 30.0),  # one by one
    (4.0, 1.5, 1000.0, 1e6),  # cannot keep up, whatever the batch
    (30.0, 0.1, 100.0, 20.0),  # each batch alone is too slow
    (8.0, 0.2, 500.0, 15.0),  # what the limit allows does not keep up
    (1.0, 0.0, 100.0, 11.0),  # equal to the limit is within it
    (4.0, 0.01, 1000.0, 500.8),  # some hundred: small errors in the gap count
    (99.95, 0.5, 1000.0, 399.5),  # 200, which just keeps up
    (100.1, 0.5, 1000.0, 399.5),  # 200 would be within the limit, and just does not
)


def _largest(
    fixed: float,
    each: float,
    rate: float,
    limit: float,
    *,
    waits: Callable[[int], int] = lambda n: n - 1,
    keeps_up: bool = True,
    share: float = 1.0,
    first: bool = False,
) -> int:
    fits = [
        n
        for n in range(1, 20_000)
        if share * waits(n) * 1000 / rate + fixed + each * n <= limit + 1e-9
        and (not keeps_up or fixed + each * n <= n * 1000 / rate + 1e-9)
    ]
    return (min if first else max)(fits, default=0)


@exercise(points=3, minutes=15)
def check_largest_batch(answer) -> None:
    """21.2: the largest batch that keeps its promise and keeps up."""
    variants = {
        "the first request waits until the last one of the batch has come": {"waits": lambda n: 0},
        "the first request waits for n - 1 others, not for n": {"waits": lambda n: n},
        "the first request waits longest; its latency counts, not the mean": {"share": 0.5},
        "a batch of n must be finished before the next n requests are there, or the queue grows for ever": {
            "keeps_up": False
        },
        "this is the smallest that is allowed; the largest is wanted": {"first": True},
    }
    for case in BATCHES:
        want = _largest(*case)
        got = want_whole(answer(*case), "the size of the batch")
        if got == want:
            continue
        for reason, options in variants.items():
            if got == _largest(*case, **options):
                raise Wrong(reason)
        fixed, each, rate, limit = case
        raise Wrong(
            "with {fixed:g} ms a batch, {each:g} ms each, {rate:g} requests a second and a limit of"
            " {limit:g} ms it is {want}, yours is {got}",
            fixed=fixed,
            each=each,
            rate=rate,
            limit=limit,
            want=want,
            got=got,
        )


# 21.3

NAMES = ("items", "times", "query_time")


def _answer(
    items,
    times,
    query_time,
    *,
    deaf: tuple[str, ...] = (),
    coarse: int = 1,
    early: int = 0,
    tied: bool = False,
) -> np.ndarray:
    """A service that scores 50 items: a mood made of items and gaps, faded until the query.

    deaf: inputs that it ignores; coarse: seconds to which it rounds the query time; early: it looks
    at nothing but the first so many events; tied: most scores are equal whatever comes.
    """
    items, times = np.asarray(items), np.asarray(times, dtype=float)
    if items.shape != times.shape or items.ndim != 1 or not 1 <= len(items) <= 200:
        raise Wrong("the service wants items and times of one history, as many of each")
    if (items < 1).any() or (items > 50).any():
        raise Wrong("the service knows the items 1 to 50")
    if (np.diff(times) < 0).any() or query_time < times[-1]:
        raise Wrong("times must not run backwards, and the query comes after the last event")
    items = np.full(len(items), 7) if "items" in deaf else items
    gaps = np.zeros(len(items)) if "times" in deaf else np.append(0, np.diff(times))
    wait = 0 if "query_time" in deaf else (query_time - times[-1]) // coarse * coarse
    seen = slice(0, early or None)
    mood = np.zeros(50)
    for item, gap in zip(items[seen] - 1, gaps[seen], strict=True):
        mood = mood * 2 ** (-gap / 86400)
        mood[item] += 1
    mood = mood * 2 ** (-wait / 86400) + np.linspace(0.3, 0, 50)
    return np.round(mood, 1) if tied else mood


SERVICES = {  # name: (options, what it ignores, a hint)
    "an honest service": ({}, set(), "all three reach it"),
    "a service without a query time": ({"deaf": ("query_time",)}, {"query_time"}, ""),
    "a service without times": ({"deaf": ("times",)}, {"times"}, ""),
    "a service that knows no clock at all": (
        {"deaf": ("times", "query_time")},
        {"times", "query_time"},
        "",
    ),
    "a service that answers all people alike": ({"deaf": NAMES}, set(NAMES), ""),
    "a service without items": ({"deaf": ("items",)}, {"items"}, "change what was seen, not when"),
    "a service that counts the wait in whole days": (
        {"coarse": 86400},
        set(),
        "a change of a second or an hour may be too small to show: try a month",
    ),
    "a service that reads only the first five events": (
        {"early": 5},
        set(),
        "it reads few events: change all items, and all gaps",
    ),
    "a service that rounds its scores": (
        {"tied": True},
        set(),
        "its scores are round: change a lot at once, and compare all scores",
    ),
}


@exercise(points=4, minutes=20)
def check_ignored(answer) -> None:
    """21.3: which inputs a service ignores, found from outside."""
    rng = np.random.default_rng(3)
    for name, (options, want, hint) in SERVICES.items():
        items = rng.integers(1, 51, 12)
        times = 1_700_000_000 + np.cumsum(rng.integers(60, 40_000, 12))
        query_time = int(times[-1]) + 3600
        got = answer(partial(_answer, **options), items, times, query_time)
        if isinstance(got, str) or not isinstance(got, set | frozenset | list | tuple):
            raise Wrong(
                "the answer is a set of names out of {names}, not {got}",
                names=", ".join(NAMES),
                got=repr(got)[:80],
            )
        if not set(got) <= set(NAMES):
            raise Wrong(
                "the answer is a set of names out of {names}; yours is {got}",
                names=", ".join(NAMES),
                got=repr(got)[:80],
            )
        if set(got) != want:
            yours, right = (", ".join(sorted(one)) or say("nothing") for one in (set(got), want))
            raise Wrong(
                "{name} ignores {right}, you say {yours}; {hint}",
                name=name,
                right=right,
                yours=yours,
                hint=hint or "a change of an input that is ignored changes no score",
            )


# 21.4


@exercise(points=2, minutes=10)
def check_supported(answer) -> None:
    """21.4: what the numbers of five services support."""
    hints = {
        "A": "the same requests, answered offline by the same model, are as good as ever: is it the world?",
        "B": "the model is the same, the requests are the same, and the answers are not",
        "C": "with unknown items counted as 0, what would 0.30 become if three in ten were unknown?",
        "D": "which number of R is wrong from the first event on?",
        "E": "a page waits for its slowest call: how probable is it that none of 20 is among the slowest 1%?",
        "F": "which other things changed between the two weeks? What should have run beside the new model?",
    }
    compare_letters(answer, {"B", "C", "E"}, hints)


@open_task
def open_report(report: Report) -> None:
    """The open task: ten times the people on the same cores."""
    for name in ("before_change", "after_change"):
        times = report.table(name, runs_of(5, 0), keys=("p50", "p99"))
        if times:
            report.want(
                all(p50 <= p99 for p50, p99 in zip(times["p50"], times["p99"], strict=False)),
                "in a run of `{name}` p50 is above p99: they are exchanged",
                name=name,
            )
    report.text("change")
    report.text("watch")
    report.number("go_back_at")
    report.closing()


# Answers on which the tests try the checkers: right ones, and wrong ones with words of the reason given.


def with_a_heap(due, took, workers):
    free = [-math.inf] * workers
    latencies = []
    for start, time in zip(due, took, strict=True):
        end = max(start, heapq.heappop(free)) + time
        heapq.heappush(free, end)
        latencies.append(end - start)
    return np.array(latencies)


def with_an_array(due, took, workers):
    free, latencies = np.full(workers, due[0]), np.empty(len(due))
    for place in range(len(due)):
        one = free.argmin()
        free[one] = max(free[one], due[place]) + took[place]
        latencies[place] = free[one] - due[place]
    return latencies


def by_sorting(due, took, workers):
    """The queue's turn comes when all but `workers` - 1 of those before are finished."""
    ends = []
    for start, time in zip(due.tolist(), took.tolist(), strict=True):
        free = sorted(ends)[len(ends) - workers] if len(ends) >= workers else start
        ends.append(max(start, free) + time)
    return [end - start for end, start in zip(ends, due.tolist(), strict=True)]


def by_search(fixed, each, rate, limit):
    best = 0
    for n in range(1, 5_000):
        work = fixed + each * n
        if (n - 1) * 1000 / rate + work <= limit + 1e-9 and work <= n * 1000 / rate + 1e-9:
            best = n
    return best


def by_formula(fixed, each, rate, limit):
    gap = 1000 / rate
    largest = math.floor((limit - fixed + gap) / (gap + each) + 1e-9)
    return largest if largest >= 1 and fixed + each * largest <= largest * gap + 1e-9 else 0


def by_array(fixed, each, rate, limit):
    n = np.arange(1, 50_001)
    work, gap = fixed + each * n, 1000 / rate
    good = ((n - 1) * gap + work <= limit + 1e-9) & (work <= n * gap + 1e-9)
    return (n * good).max()


def probing(
    answer, items, times, query_time, wait=MONTH, other=None, gaps=None, same=np.array_equal
):
    before = answer(items, times, query_time)
    late = times[-1] + (3600 * np.arange(1, len(times) + 1) if gaps is None else gaps)
    changed = {
        "items": answer(items % 50 + 1 if other is None else other(items), times, query_time),
        "times": answer(items, late - late[-1] + times[-1], query_time),
        "query_time": answer(items, times, query_time + wait),
    }
    return {name for name, after in changed.items() if same(before, after)}


def with_many_draws(answer, items, times, query_time):
    """A name is struck out as soon as one of twenty changes shows."""
    rng, left, before = np.random.default_rng(0), set(NAMES), answer(items, times, query_time)
    for _ in range(20):
        gaps = rng.integers(1, 10**6, len(times))
        tries = {
            "items": (rng.integers(1, 51, len(items)), times, query_time),
            "times": (items, times[-1] - np.cumsum(gaps)[::-1] + gaps[0], query_time),
            "query_time": (items, times, query_time + int(rng.integers(1, 10**7))),
        }
        left -= {name for name, given in tries.items() if (answer(*given) != before).any()}
    return left


def far_apart(answer, items, times, query_time):
    base = np.array(answer(items, times, query_time))
    last = int(times[-1])
    found = []
    if np.abs(answer(51 - items, times, query_time) - base).max() == 0:
        found.append("items")
    if np.abs(answer(items, np.full(len(items), last), query_time) - base).max() == 0:
        found.append("times")
    if np.abs(answer(items, times, last + 400 * 86400) - base).max() == 0:
        found.append("query_time")
    return found


def top_one(one, two):
    return np.argmax(one) == np.argmax(two)


def last_only(items):
    return np.append(items[:-1], items[-1] % 50 + 1)


RIGHT = [
    (check_latencies, with_a_heap),
    (check_latencies, with_an_array),
    (check_latencies, by_sorting),
    (check_largest_batch, by_search),
    (check_largest_batch, by_formula),
    (check_largest_batch, by_array),
    (check_ignored, probing),
    (check_ignored, with_many_draws),
    (check_ignored, far_apart),
    (check_supported, {"B", "C", "E"}),
    (check_supported, "B, C, E"),
    (check_supported, ["E", "C", "B"]),
]
WRONG = [
    (check_latencies, lambda due, took, c: took, "time in the queue"),
    (check_latencies, lambda due, took, c: with_a_heap(due, took, c) - took, "waiting alone"),
    (check_latencies, lambda due, took, c: with_a_heap(due, took, 1), "one worker"),
    (check_latencies, lambda due, took, c: with_a_heap(due, took / c, 1), "not make one answer"),
    (check_latencies, _in_turn, "deal the requests out"),
    (check_latencies, _never_idle, "idle"),
    (check_latencies, lambda due, took, c: with_a_heap(due, took, c) + due, "subtract when"),
    (check_latencies, lambda due, took, c: 1000 * with_a_heap(due, took, c), "not milliseconds"),
    (check_latencies, lambda due, took, c: with_a_heap(due, took, c)[-1], "shape"),
    (check_latencies, lambda due, took, c: with_a_heap(due, took, c) * 1.01, "the latency"),
    (check_largest_batch, partial(_largest, waits=lambda n: 0), "until the last one"),
    (check_largest_batch, partial(_largest, waits=lambda n: n), "n - 1 others"),
    (check_largest_batch, partial(_largest, share=0.5), "waits longest"),
    (check_largest_batch, partial(_largest, keeps_up=False), "before the next n"),
    (check_largest_batch, partial(_largest, first=True), "smallest"),
    (check_largest_batch, lambda *case: max(1, by_search(*case)), "yours is 1"),
    (check_largest_batch, lambda *case: by_search(*case) / 2, "whole number"),
    (check_ignored, lambda *given: set(), "ignores query_time"),
    (check_ignored, lambda *given: {"query_time"}, "ignores nothing"),
    (check_ignored, lambda *given: "query_time", "a set of names"),
    (check_ignored, lambda *given: {"clock"}, "out of items"),
    (check_ignored, partial(probing, wait=1), "try a month"),
    (check_ignored, partial(probing, other=last_only), "change all items"),
    (check_ignored, partial(probing, same=top_one), "you say"),
    (
        check_ignored,
        lambda answer, *given: set(NAMES) - probing(answer, *given),
        "ignores nothing",
    ),
    (check_supported, {"A", "B", "C", "E"}, "look at A"),
    (check_supported, {"C", "E"}, "look at B"),
    (check_supported, {"B", "E"}, "look at C"),
    (check_supported, {"B", "C", "D", "E"}, "look at D"),
    (check_supported, {"B", "C"}, "look at E"),
    (check_supported, "BCEF", "look at F"),
    (check_supported, {"Z"}, "set of letters"),
]

# Mutants (tests/exercises/mutants.py) that are right, and why.
ARGUED = [
    *(
        (check_largest_batch, mutant, "slack of the size of rounding, or sizes that no case allows")
        for mutant in (
            "5000 -> 4999",
            "n * 1000 / rate + 1e-09 -> n * 1000 / rate - 1e-09",
            "n * 1000 / rate + 1e-09 -> n * 1000 / rate",
            "5000 -> 5001",
            "(n - 1) * 1000 / rate + work <= limit + 1e-09 -> (n - 1) * 1000 / rate + work < limit + 1e-09",
            "work <= n * 1000 / rate + 1e-09 -> work < n * 1000 / rate + 1e-09",
            "1 -> 0",
            "(limit - fixed + gap) / (gap + each) + 1e-09 -> (limit - fixed + gap) / (gap + each)",
            "1e-09 -> 1.1000000000000001e-09",
            "fixed + each * largest <= largest * gap + 1e-09 -> fixed + each * largest < largest * gap + 1e-09",
            "largest * gap + 1e-09 -> largest * gap - 1e-09",
            "largest * gap + 1e-09 -> largest * gap",
            "50001 -> 50000",
            "50001 -> 50002",
            "(n - 1) * gap + work <= limit + 1e-09 -> (n - 1) * gap + work < limit + 1e-09",
            "limit + 1e-09 -> limit",
            "work <= n * gap + 1e-09 -> work < n * gap + 1e-09",
            "n * gap + 1e-09 -> n * gap - 1e-09",
            "n * gap + 1e-09 -> n * gap",
        )
    ),
    *(
        (check_ignored, mutant, "another valid change of the same input shows as much")
        for mutant in (
            "argument 1 kept from the first call",
            "argument 1 reversed",
            "argument 2 kept from the first call",
            "times[-1] + (3600 * np.arange(1, len(times) + 1) if gaps is None else gaps) -> 3600 * np.arange(1, len(times) + 1) if gaps is None else gaps",
            "-1 -> 1",
            "1 -> 0",
            "1 -> 2",
            "3600 * np.arange(1, len(times) + 1) -> np.arange(1, len(times) + 1)",
            "3600 -> 3599",
            "3600 -> 3601",
            "items % 50 + 1 -> items % 50 - 1",
            "items % 50 -> items // 50",
            "50 -> 49",
            "50 -> 51",
            "same(before, after) -> same(after, before)",
            "0 -> 1",
            "20 -> 19",
            "20 -> 21",
            "10 ** 6 -> 10 * 6",
            "10 ** 6 -> 10",
            "10 -> 9",
            "10 -> 11",
            "6 -> 5",
            "6 -> 7",
            "51 -> 50",
            "7 -> 6",
            "7 -> 8",
            "first axis reversed",
            "last axis reversed",
            "np.abs -> np.square",
            "51 -> 52",
            "400 * 86400 -> 86400",
            "400 -> 399",
            "400 -> 401",
            "86400 -> 86399",
            "86400 -> 86401",
        )
    ),
]

OPEN = {
    "before_change": {"p50": [4.1, 4.0, 4.2, 4.1, 4.3], "p99": [19.0, 21.0, 18.0, 25.0, 20.0]},
    "after_change": {"p50": [3.1, 3.0, 3.2, 3.1, 3.3], "p99": [11.0, 12.0, 10.0, 14.0, 11.0]},
    "change": "One process more, with the model loaded before it is forked.",
    "watch": "The p99 of the last minute, since people leave when answers are late.",
    "go_back_at": 40,
    **END,
}
OPEN_RIGHT = [OPEN, {**OPEN, **END_ZH}]
OPEN_WRONG = [
    (
        {**OPEN, "after_change": {"p50": [11, 12, 10, 14, 11], "p99": [3.1, 3.0, 3.2, 3.1, 3.3]}},
        "exchanged",
    ),
    ({**OPEN, "before_change": {"p50": [4.1], "p99": [19.0]}}, "1 of at least 5"),
    ({**OPEN, "after_change": {"p50": [4.1, 4.0, 4.2, 4.1, 4.3]}}, "no entry for 'p99'"),
]
