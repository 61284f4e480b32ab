"""Checkers of lesson 03, the leak lab."""

import itertools
import math
from collections.abc import Callable
from statistics import NormalDist

import numpy as np
import pandas as pd
import torch

from exercises.checking import (
    Wrong,
    compare_letters,
    exercise,
    want_array,
    want_equal,
    want_number,
)
from exercises.open_task import END, END_ZH, Report, open_task
from tutorial_lib.data.events import make_dataset
from tutorial_lib.data.sequences import fit_gap_statistics
from tutorial_lib.data.splits import Split, temporal_split
from tutorial_lib.language import say


def _table(rows: list[tuple[int, int, int]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["user", "item", "timestamp"])


@exercise(points=3, minutes=15)
def check_ascending_ties(answer) -> None:
    """3.1: the share of ties in which the item number goes up."""
    # ties: 7 -> 2, 2 -> 5 (user 0, second 10), 4 -> 5 (user 1), 3 -> 8 and 8 -> 6 (user 2); 5 -> 4
    # crosses the users
    rows = [
        (0, 1, 5),
        (0, 7, 10),
        (0, 2, 10),
        (0, 5, 10),
        (1, 4, 10),
        (1, 5, 10),
        (1, 10, 12),
        (2, 3, 7),
        (2, 8, 7),
        (2, 6, 7),
    ]
    crossing = [(0, 1, 1), (0, 3, 1), (1, 9, 1), (1, 2, 1)]
    rng = np.random.default_rng(3)
    users, seconds = np.sort(rng.integers(0, 4, 60)), rng.integers(0, 6, 60)
    many = pd.DataFrame({"user": users, "item": rng.integers(1, 20, 60), "timestamp": seconds})
    many = many.sort_values(["user", "timestamp"], ignore_index=True)
    tables = [_table(rows), many, _table(crossing)]
    got = [want_number(answer(table), "the share") for table in tables]

    def shares(count: Callable) -> list[float]:
        """`count` of what happens between neighbouring rows: item goes up, same user, same time."""
        columns = ("item", "user", "timestamp")
        steps = [[np.diff(table[name]) for name in columns] for table in tables]
        return [float(count(item > 0, user == 0, time == 0)) for item, user, time in steps]

    known = {
        "a step from one user to the next is counted as a tie: ask for the same user as well": (
            shares(lambda up, user, time: up[time].mean())
        ),
        "all neighbouring rows are counted; only those with the same timestamp are ties": (
            shares(lambda up, user, time: up[user].mean())
        ),
        "all steps are counted, from user to user and from one second to the next": (
            shares(lambda up, user, time: up.mean())
        ),
        "the rising ties are divided by all steps; divide by the number of ties": (
            shares(lambda up, user, time: (up & user & time).mean())
        ),
        "the rising ties are divided by the number of rows; divide by the number of ties": (
            shares(lambda up, user, time: (up & user & time).sum() / (len(up) + 1))
        ),
        "this is a number of ties; divide it by the number of all ties": (
            shares(lambda up, user, time: (up & user & time).sum())
        ),
        "this is the share that does not go up": shares(
            lambda up, user, time: 1 - up[user & time].mean()
        ),
    }
    want = shares(lambda up, user, time: up[user & time].mean())
    want_equal(got, want, name="the share for test table", known=known)


def _split(seed: int = 0, rows: int = 900) -> Split:
    """A temporal split in which whole file and training part count differently, and some items are
    new in the test part.
    """
    rng = np.random.default_rng(seed)
    time = np.sort(rng.integers(0, 100_000, rows))
    # item numbers grow with time
    item = (rng.random(rows) ** 2 * 20).astype(np.int64) + time // 2500
    table = pd.DataFrame({"user": rng.integers(0, 30, rows), "item": item, "timestamp": time})
    return temporal_split(make_dataset("exercise", table.drop_duplicates()))


@exercise(points=3, minutes=12)
def check_frequent_items(answer) -> None:
    """3.2: an item filter that reads the training part alone."""
    first, second = _split(), _split(seed=1, rows=700)
    for split, least in ((first, 5), (first, 12), (first, 1), (second, 5)):
        size = split.dataset.num_items + 1
        train, everything = (
            np.bincount(rows["item"], minlength=size)
            for rows in (split.train, split.dataset.events)
        )
        got = want_array(answer(split, least), "the filter", kind="bool")
        if got.shape != (size,):
            raise Wrong(
                "the filter has shape {shape}, wanted ({size},), one place for each item and for 0",
                shape=got.shape,
                size=size,
            )
        if np.array_equal(got, train >= least):
            continue
        if np.array_equal(got, everything >= least):
            raise Wrong(
                "the events of the whole file are counted: take split.train instead of"
                " split.dataset.events"
            )
        if np.array_equal(got, train > least):
            raise Wrong("an item with exactly `least` events must be kept")
        if np.array_equal(got[:-1], (train >= least)[1:]):
            raise Wrong("all places are shifted by one: item i belongs at place i")
        if np.array_equal(got, split.train_items):
            raise Wrong("this keeps every item that occurs in training, however rare")
        if np.array_equal(got, train < least):
            raise Wrong("this is the complement: True means that the item is kept")
        if got[0]:
            raise Wrong("place 0 is the padding, which is no item: it must be False")
        raise Wrong(
            "with least = {least}, {value} items are wrongly in or out",
            least=least,
            value=int((got != (train >= least)).sum()),
        )
    if answer(split, 0)[0]:
        raise Wrong("with least = 0 the padding at place 0 is kept, and it is no item")


def _shortest_gap(split: Split) -> np.ndarray:
    """Shortest positive gap of each user, the personal unit of time of TiSASRec."""
    events = split.dataset.events
    gaps = events.groupby("user")["timestamp"].diff()
    return gaps.where(gaps > 0).groupby(events["user"]).min().to_numpy()


def _gap_statistics(split: Split) -> np.ndarray:
    statistics = fit_gap_statistics(split)
    return np.array([statistics.mean, statistics.std])


def _first_seen(split: Split) -> np.ndarray:
    events = split.dataset.events
    return (
        events.groupby("item")["timestamp"]
        .min()
        .reindex(range(1, split.dataset.num_items + 1), fill_value=-1)
        .to_numpy()
    )


sealed = {  # for exercise 3.3: measure them, do not read them
    "A": lambda split: np.bincount(split.train["item"], minlength=split.dataset.num_items + 1),
    "B": (
        lambda split: (
            np.bincount(split.dataset.events["item"], minlength=split.dataset.num_items + 1) >= 5
        )
    ),
    "C": _gap_statistics,
    "D": lambda split: split.train.groupby("user")["item"].last().to_numpy(),
    "E": lambda split: np.nan_to_num(_shortest_gap(split), nan=-1),
    "F": _first_seen,
}


@exercise(points=4, minutes=20)
def check_reads_the_test(answer) -> None:
    """3.3: which sealed statistics read the test part."""
    hints = {
        "A": "compare its result before and after changing the future: does any place differ?",
        "B": "compare whole arrays: a filter changes only for items near its limit",
        "C": "compare its two numbers before and after changing the future: do they differ?",
        "D": "compare its result before and after changing the future: does any place differ?",
        "E": "compare whole arrays: only some users have their shortest gap in the test part",
        "F": "compare whole arrays: what happens to items that first appear after the cut?",
    }
    compare_letters(answer, {"B", "E", "F"}, hints)


def _expected_maximum(m: int) -> float:
    z = torch.linspace(-12, 12, 40001, dtype=torch.double)
    density = torch.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    return torch.trapezoid(z * m * density * torch.special.ndtr(z) ** (m - 1), z).item()


@exercise(points=3, minutes=15)
def check_users_needed(answer) -> None:
    """3.4: test users that keep the winner's curse below a limit."""
    for settings, sigma, limit in ((50, 0.3, 0.005), (24, 0.11, 0.001), (2, 0.2, 0.01)):
        got = want_number(answer(settings, sigma, limit), "the number of users")
        maximum = _expected_maximum(settings)
        want = (maximum * sigma / limit) ** 2
        if got == math.ceil(want):
            continue
        if got == math.floor(want):
            raise Wrong("round up, not down: with one user less the gain is above the limit")
        if math.isclose(got, want, rel_tol=1e-3):
            raise Wrong(
                "{got:.2f} users is close; round up to a whole number, and do not round before",
                got=got,
            )
        if math.isclose(got, math.sqrt(want), rel_tol=0.05):
            raise Wrong(
                "the error falls with the square ROOT of the number of users: square your result"
            )
        if math.isclose(got, want / maximum**2, rel_tol=0.01):
            raise Wrong(
                "the number of settings does not enter: multiply sigma by"
                " expected_maximum(settings)"
            )
        if math.isclose(got, want / maximum, rel_tol=0.01):
            raise Wrong("expected_maximum must be squared too: it multiplies the standard error")
        if math.isclose(got, 2 * math.log(settings) * (sigma / limit) ** 2, rel_tol=0.01):
            raise Wrong(
                "sqrt(2 ln m) is only a rough bound of the expected maximum: use"
                " expected_maximum(settings)"
            )
        about = say(
            "for {settings} settings, sigma {sigma} and limit {limit} the number of users",
            settings=settings,
            sigma=sigma,
            limit=limit,
        )
        want_equal(got, math.ceil(want), name=about)


@exercise(points=2, minutes=8)
def check_lets_the_test_in(answer) -> None:
    """3.5: which habits let the test part into the report."""
    hints = {
        "A": "which part decides when to stop?",
        "B": "when the test event happens, has the validation event of that user happened already?",
        "C": "does any test score decide anything before the end?",
        "D": "who is tested at all, and what does that depend on?",
        "E": "does any test score decide which seeds are reported?",
        "F": "does any test score decide which seeds are reported?",
    }
    compare_letters(answer, {"A", "D", "F"}, hints)


@open_task
def open_report(report: Report) -> None:
    """The open task: a sixth leak."""
    reported, mended, truth = (
        report.interval(name) for name in ("reported_value", "mended_value", "true_value")
    )
    if reported and mended and truth:
        report.want(
            not truth.low <= reported.mean <= truth.high,
            "the reported value lies in the interval of the truth: this world does not show the leak",
        )
        report.want(
            abs(mended.mean - truth.mean) < abs(reported.mean - truth.mean),
            "the mended value is no nearer to the truth than the reported one",
        )
    leaking, mended = (report.truth(name) for name in ("finds_leak", "finds_mended"))
    report.want(leaking is not False, "the check does not find the leak")
    report.want(mended is not True, "the check finds a leak in the mended version: a false alarm")
    report.text("misses")
    report.closing()


# Answers on which the tests try the checkers: right ones, and wrong ones with words of the reason given.


def ascending(events, ties=("user", "timestamp")):
    steps = events.diff()[1:]
    step = steps["item"][(steps[list(ties)] == 0).all(axis=1)]
    return (step > 0).mean()


def rising(events):
    return (
        (np.diff(events["item"]) > 0)
        & (np.diff(events["user"]) == 0)
        & (np.diff(events["timestamp"]) == 0)
    ).sum()


def counts(split, rows):
    return np.bincount(rows["item"], minlength=split.dataset.num_items + 1)


def frequent(split, least):
    return counts(split, split.train) >= max(least, 1)


def padded(split, least):
    keep = frequent(split, least)
    keep[0] = True
    return keep


def maximum(m):
    """By simulation: neither the integral of the lesson nor the quantiles of the checker."""
    return np.random.default_rng(0).standard_normal((400_000, m)).max(1).mean()


def exact(m):
    from scipy.integrate import quad  # which learners need not have

    normal = NormalDist()
    return quad(lambda z: z * m * normal.pdf(z) * normal.cdf(z) ** (m - 1), -np.inf, np.inf)[0]


def needed(m, sigma, limit):
    return math.ceil((exact(m) * sigma / limit) ** 2)


def ascending_by_group(events):
    steps = events.groupby(["user", "timestamp"])["item"].diff().dropna()
    return torch.tensor((steps > 0).to_numpy(dtype=np.float32)).mean()


def ascending_by_loop(events):
    rows = list(events.itertuples())
    pairs = itertools.pairwise(rows)
    ties = [(a, b) for a, b in pairs if (a.user, a.timestamp) == (b.user, b.timestamp)]
    return np.float32(sum(a.item < b.item for a, b in ties)) / len(ties)


def frequent_by_table(split, least):
    often = split.train["item"].value_counts()
    return [item > 0 and often.get(item, 0) >= least for item in range(split.dataset.num_items + 1)]


def frequent_in_torch(split, least):
    items = torch.tensor(split.train["item"].to_numpy())
    keep = torch.bincount(items, minlength=split.dataset.num_items + 1) >= least
    keep[0] = False
    return keep


def ignores_the_future(split, least):
    """Counts what lies before the last training event, so that one more is always missing."""
    events = split.dataset.events
    return counts(split, events[events["timestamp"] < split.train["timestamp"].max()]) >= max(
        least, 1
    )


RIGHT = [
    (check_ascending_ties, ascending),
    (check_ascending_ties, ascending_by_group),
    (check_ascending_ties, ascending_by_loop),
    (check_frequent_items, frequent),
    (check_frequent_items, frequent_by_table),
    (check_frequent_items, frequent_in_torch),
    (check_reads_the_test, {"B", "E", "F"}),
    (check_reads_the_test, "B, E and F"),
    (check_reads_the_test, np.array(["B", "E", "F"])),
    (check_users_needed, needed),
    (check_users_needed, lambda m, s, x: torch.tensor(float(needed(m, s, x)))),
    (check_users_needed, lambda m, s, x: -np.floor(-((exact(m) * s / x) ** 2))),
    (check_lets_the_test_in, ["A", "D", "F"]),
    (check_lets_the_test_in, "ADF"),
    (check_lets_the_test_in, {"a", "d", "f"}),
]
WRONG = [
    (
        check_ascending_ties,
        lambda e: ascending(e, ["timestamp"]),
        "from one user to the next",
    ),
    (check_ascending_ties, lambda e: ascending(e, ["user"]), "same timestamp are ties"),
    (
        check_ascending_ties,
        lambda e: ascending(e, []),
        "all steps are counted",
    ),
    (check_ascending_ties, lambda e: rising(e) / (len(e) - 1), "by the number of ties"),
    (check_ascending_ties, rising, "number of ties; divide"),
    (check_ascending_ties, lambda e: 1 - ascending(e), "does not go up"),
    (check_ascending_ties, lambda e: ascending(-e), "test table[0]"),
    (check_ascending_ties, lambda e: 0.1, "test table[0] is 0.1, wanted 0.6"),
    (check_ascending_ties, lambda e: 0.6, "test table[1] is 0.6, wanted"),
    (check_ascending_ties, lambda e: rising(e) / len(e), "by the number of rows"),
    (check_ascending_ties, lambda e: ascending(e) if len(e) > 9 else 0.6, "test table[2] is 0.6"),
    (check_ascending_ties, lambda e: round(ascending(e), 2), "test table[1]"),
    (check_frequent_items, lambda s, n: counts(s, s.dataset.events) >= n, "whole file"),
    (check_frequent_items, lambda s, n: counts(s, s.train) > n, "exactly `least`"),
    (check_frequent_items, lambda s, n: s.train_items, "however rare"),
    (check_frequent_items, lambda s, n: frequent(s, n)[1:], "one place for each item and for 0"),
    (check_frequent_items, lambda s, n: counts(s, s.train), "wanted truth values"),
    (check_frequent_items, padded, "padding"),
    (check_frequent_items, lambda s, n: counts(s, s.train) >= n, "least = 0"),
    (check_frequent_items, lambda s, n: frequent(s, 5), "wrongly in or out"),
    (check_frequent_items, ignores_the_future, "wrongly in or out"),
    (
        check_frequent_items,
        lambda s, n: counts(s, s.dataset.events[: len(s.train)]) >= max(n, 1),
        "wrongly in or out",
    ),
    (check_frequent_items, lambda s, n: frequent(s, n).astype(int), "wanted truth values"),
    (
        check_frequent_items,
        lambda s, n: np.append(frequent(s, n)[1:], False),
        "shifted by one",
    ),
    (
        check_frequent_items,
        lambda s, n: np.append(False, ~frequent(s, n)[1:]),
        "wrongly in or out",
    ),
    (check_frequent_items, lambda s, n: ~frequent(s, n), "complement"),
    (check_reads_the_test, {"B", "E"}, "look at F"),
    (check_reads_the_test, {"B", "F"}, "look at E"),
    (check_reads_the_test, {"B", "C", "E", "F"}, "look at C"),
    (check_reads_the_test, {"G"}, "set of letters"),
    (check_reads_the_test, {"E", "F"}, "look at B"),
    (check_reads_the_test, "ABEF", "look at A"),
    (check_reads_the_test, {"B", "D", "E", "F"}, "look at D"),
    (check_users_needed, lambda m, s, x: math.sqrt(needed(m, s, x)), "square your result"),
    (check_users_needed, lambda m, s, x: math.ceil((s / x) ** 2), "number of settings"),
    (
        check_users_needed,
        lambda m, s, x: math.ceil(exact(m) * (s / x) ** 2),
        "squared too",
    ),
    (check_users_needed, lambda m, s, x: (exact(m) * s / x) ** 2, "round up"),
    (check_users_needed, lambda m, s, x: math.floor((exact(m) * s / x) ** 2), "not down"),
    (
        check_users_needed,
        lambda m, s, x: math.ceil(2 * math.log(m) * (s / x) ** 2),
        "rough bound",
    ),
    (check_users_needed, lambda m, s, x: 7, "number of users is 7, wanted"),
    (check_users_needed, lambda m, s, x: needed(50, s, x), "number of users is"),
    (check_users_needed, lambda m, s, x: round((exact(m) * s / x) ** 2 + 0.6), "users is close"),
    (check_users_needed, lambda m, s, x: needed(m, s * s, x), "number of users is"),
    (check_lets_the_test_in, {"A", "F"}, "look at D"),
    (check_lets_the_test_in, {"A", "C", "D", "F"}, "look at C"),
    (check_lets_the_test_in, {"A", "D", "E", "F"}, "look at E"),
    (check_lets_the_test_in, {"A", "B", "D", "F"}, "look at B"),
    (check_lets_the_test_in, {"D", "F"}, "look at A"),
    (check_lets_the_test_in, "AD", "look at F"),
]
ARGUED = [
    (check_ascending_ties, "1 -> 0", "the first row has nothing before it and is no tie"),
    (
        check_frequent_items,
        "0 -> -1",
        "an item without events stays below every limit of at least 1",
    ),
]

OPEN = {
    "reported_value": (0.31, 0.29, 0.33),
    "mended_value": (0.205, 0.18, 0.23),
    "true_value": (0.20, 0.19, 0.21),
    "finds_leak": True,
    "finds_mended": False,
    "misses": "It counts exact copies, so a review with one letter changed gets through.",
    **END,
}
OPEN_RIGHT = [OPEN, {**OPEN, **END_ZH}]
OPEN_WRONG = [
    ({**OPEN, "reported_value": (0.2, 0.1, 0.3)}, "does not show the leak"),
    ({**OPEN, "mended_value": (0.35, 0.3, 0.4)}, "no nearer to the truth"),
    ({**OPEN, "finds_leak": False}, "does not find the leak"),
    ({**OPEN, "finds_mended": True}, "a false alarm"),
]
