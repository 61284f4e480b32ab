"""Checkers of lesson 01, from events to sequences."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from exercises.checking import Wrong, compare_letters, exercise
from tutorial_lib.data.gaps import gaps, irregularity


def _table(*histories: list[int]) -> pd.DataFrame:
    rows = [(user, time) for user, times in enumerate(histories) for time in times]
    return pd.DataFrame(rows, columns=["user", "timestamp"]).assign(item=range(1, len(rows) + 1))


def _random_table(users: int = 40, pause: int = 1000) -> pd.DataFrame:
    """Histories of 1 to 12 events; users begin where they like, gaps around the pause, some exactly
    as long, some 0.
    """
    rng = np.random.default_rng(5)
    histories = []
    for _ in range(users):
        steps = rng.choice([0, 3, pause - 1, pause, pause + 1, 5 * pause], rng.integers(1, 13))
        histories.append((rng.integers(0, 10**6) + np.cumsum(steps)).tolist())
    return _table(*histories)


def _sittings(users: np.ndarray, times: np.ndarray, pause: int, begins: Callable) -> list[int]:
    """One event after the other, on purpose."""
    numbers = []
    for row in range(len(users)):
        if row == 0 or users[row] != users[row - 1]:
            numbers.append(0)
        else:
            numbers.append(numbers[-1] + bool(begins(times[row] - times[row - 1], pause)))
    return numbers


@exercise(points=3, minutes=15)
def check_sittings(answer) -> None:
    """1.1: number of each event's sitting, from 0 within each user."""
    for table, pause in (
        (_table([0, 50, 5000, 5100], [4000, 9000], [100, 3700]), 3600),
        (_random_table(), 1000),
    ):
        users, times = table["user"].to_numpy(), table["timestamp"].to_numpy()
        got = np.asarray(answer(users, times, pause))
        if got.shape != users.shape:
            raise Wrong(f"it has shape {got.shape}; one number for each event gives {users.shape}")
        if got.dtype.kind not in "iu":
            raise Wrong(f"it has dtype {got.dtype}; whole numbers are wanted")
        want = _sittings(users, times, pause, lambda gap, pause: gap >= pause)
        if got.tolist() == want:
            continue
        first = np.diff(users, prepend=-1) != 0
        if got.tolist() == (np.array(want) + 1).tolist():
            raise Wrong("the numbers are too large by 1: the first sitting has the number 0")
        if (got[first] != 0).any():
            raise Wrong(
                "the count must start again at 0 with every user: subtract what was counted before"
                " that user's first event"
            )
        if got.tolist() == _sittings(users, times, pause, lambda gap, pause: gap > pause):
            raise Wrong("a gap of exactly `pause` seconds begins a new sitting too: use >=")
        if not (np.diff(got)[~first[1:]] >= 0).all():
            raise Wrong("within a user the number must never fall")
        row = int(np.argmax(got != np.array(want)))
        raise Wrong(
            f"with pause {pause}, user {users[row]} at time {times[row]} is in sitting {want[row]},"
            f" yours says {got[row]}"
        )


@exercise(points=4, minutes=20)
def check_pauses(answer) -> None:
    """1.2: CV of the pauses alone."""
    table = pd.concat(
        [
            _table(
                [0, 100, 5100, 5200, 20200], [0, 10, 20], [0, 5000, 5001], [0, 1000, 3000, 3000]
            ),
            _random_table(),
        ]
    )
    table["user"] = np.repeat(
        np.arange(44), np.r_[5, 3, 3, 4, np.bincount(_random_table()["user"])]
    )
    for pause in (1000, 1):
        got = np.asarray(answer(table, pause), dtype=float)
        want, longer = np.full((2, 44), np.nan)
        seconds, user = gaps(table)
        for values, least in ((want, pause), (longer, pause + 1)):
            for person in range(44):
                own = seconds[(user == person) & (seconds >= least)]
                if len(own) > 1:
                    values[person] = own.std() / own.mean()
        if got.shape != want.shape:
            raise Wrong(f"it has shape {got.shape}; one number for each user gives {want.shape}")
        if np.allclose(got, want, rtol=1e-9, equal_nan=True):
            continue
        if np.allclose(got, irregularity(table), equal_nan=True):
            raise Wrong(
                "this is the CV of all gaps: leave out those shorter than `pause`, in the seconds"
                " and in the users alike"
            )
        if np.allclose(got, longer, equal_nan=True):
            raise Wrong("a gap of exactly `pause` seconds is a pause too: use >=")
        defined = np.isfinite(want)
        if np.isnan(got[defined]).any():
            raise Wrong(
                "a user with two pauses or more has no value: leave short gaps out rather than"
                " marking them as missing"
            )
        if np.isfinite(got[~defined]).any():
            raise Wrong(
                "a user with fewer than two pauses has a value: one pause alone cannot vary, so NaN"
                " is wanted"
            )
        if np.allclose(got[defined], want[defined] ** 2):
            raise Wrong(
                "this is the square of the CV: take the root of the variance before dividing"
            )
        many = np.array([((user == person) & (seconds >= pause)).sum() for person in range(44)])[
            defined
        ]
        if np.allclose(got[defined], want[defined] * np.sqrt(many / (many - 1))):
            raise Wrong("it divides by n - 1 (ddof=1); the lesson's CV divides by n")
        if pause == 1000 and np.isclose(got[0], np.std([0, 5000, 0, 15000]) / 5000):
            raise Wrong("short gaps were set to 0 but still counted: leave them out")
        if np.isclose(got[0] * want[0], 1):
            raise Wrong("this is mean over standard deviation; the CV is the other way round")
        raise Wrong(f"pauses of 5000 and 15000 s have the CV 0.5, yours is {got[0]:.3g}")


@exercise(points=3, minutes=15)
def check_zero_share(answer) -> None:
    """1.3: share of zero gaps on a coarse clock."""
    # grid 60: minutes 0 0 1 2 | 0 1 1 | 0 0
    hand = _table([0, 50, 70, 130], [59, 60, 61], [10, 10])
    random = _random_table()
    for table, grid in ((hand, 60), (hand, 1), (random, 700), (random, 4)):
        before = table["timestamp"].copy()
        got = float(answer(table, grid))
        if not table["timestamp"].equals(before):
            raise Wrong(
                "it changes the table that it was given: work on a copy, for example with assign()"
            )
        clock = table["timestamp"].to_numpy() // grid
        users, exact = table["user"].to_numpy(), np.diff(table["timestamp"].to_numpy())
        same = np.diff(users) == 0
        want = (np.diff(clock)[same] == 0).mean()
        if np.isclose(got, want):
            continue
        known = {
            "it rounds the gaps; round the timestamps first and subtract then: 59 s and 60 s lie in different minutes": (
                (exact[same] < grid).mean()
            ),
            "the steps from one user to the next count as gaps": (np.diff(clock) == 0).mean(),
            "the zero gaps are divided by the number of events, not of gaps": (
                (np.diff(clock)[same] == 0).sum() / len(table)
            ),
            "this is the share of gaps that are NOT 0": 1 - want,
            "it rounds to the nearest multiple; the clock shows the last full unit, so round down": (
                (np.diff(np.round(table["timestamp"].to_numpy() / grid))[same] == 0).mean()
            ),
            "the clock was not made coarser: the share is that of the exact gaps": (
                (exact[same] == 0).mean()
            ),
            "this is a number of gaps; divide by how many there are": (
                (np.diff(clock)[same] == 0).sum()
            ),
        }
        for reason, value in known.items():
            if np.isclose(got, value):
                raise Wrong(reason)
        raise Wrong(f"on a test table with grid {grid} the share is {want:.3f}, yours is {got:.3f}")


@exercise(points=2, minutes=8)
def check_future(answer) -> None:
    """1.4: which steps use the future."""
    hints = {
        "A": "which events does the count of five look at?",
        "B": "whose events, and of which dates, does the training part of leave-last-out hold?",
        "C": "can an event after the first cut be in that training part?",
        "D": "are these events earlier or later than the test event, and whose are they?",
        "E": (
            "which gaps are in the whole history, the one that ends with the test event among them?"
        ),
        "F": "does the validation part lie before or after 1 March?",
    }
    compare_letters(answer, {"A", "B", "E"}, hints)


# Answers on which the tests try the checkers: right ones, and wrong ones with words of the reason given.


def sittings(users, times, pause, at_least=True, restart=True):
    first = np.diff(users, prepend=-1) != 0
    steps = np.diff(times, prepend=times[0])
    count = np.cumsum(first | (steps >= pause if at_least else steps > pause))
    return count - (count[first][np.cumsum(first) - 1] if restart else 1)


def pauses(events, pause, ddof=0, least=2):
    seconds, user = gaps(events)
    result = np.full(int(events["user"].max()) + 1, np.nan)
    for person in np.unique(user):
        own = seconds[(user == person) & (seconds >= pause)]
        if len(own) >= least:
            result[person] = own.std(ddof=ddof) / own.mean()
    return result


def counted_as_zero(events, pause):
    seconds, user = gaps(events)
    result = pauses(events, pause)
    for person in np.flatnonzero(np.isfinite(result)):
        own = np.where(seconds >= pause, seconds, 0)[user == person]
        result[person] = own.std() / own.mean()
    return result


def zero_share(events, grid, rounding=np.floor):
    seconds, _ = gaps(events.assign(timestamp=rounding(events["timestamp"] / grid).astype(int)))
    return (seconds == 0).mean()


def in_place(events, grid):
    events["timestamp"] = events["timestamp"] // grid * grid
    return zero_share(events, grid)


RIGHT = [
    (check_sittings, sittings),
    (check_pauses, pauses),
    (check_zero_share, zero_share),
    (check_future, {"A", "B", "E"}),
]
WRONG = [
    (check_sittings, lambda u, t, p: sittings(u, t, p, restart=False), "start again at 0"),
    (
        check_sittings,
        lambda u, t, p: np.cumsum(np.diff(t, prepend=t[0]) >= p),
        "start again at 0",
    ),
    (check_sittings, lambda u, t, p: sittings(u, t, p, at_least=False), "use >="),
    (check_sittings, lambda u, t, p: sittings(u, t, p) + 1, "too large by 1"),
    (
        check_sittings,
        lambda u, t, p: (np.diff(t, prepend=t[0]) >= p) & (np.diff(u, prepend=0) == 0),
        "dtype bool",
    ),
    (check_sittings, lambda u, t, p: sittings(u, t, p)[1:], "shape"),
    (check_sittings, lambda u, t, p: sittings(u, t, p) * 1.0, "dtype float64"),
    (
        check_sittings,
        lambda u, t, p: np.zeros(len(u), int),
        "is in sitting 1, yours says 0",
    ),
    (check_pauses, lambda e, p: irregularity(e), "all gaps"),
    (check_pauses, lambda e, p: pauses(e, p, ddof=1), "n - 1"),
    (check_pauses, lambda e, p: pauses(e, p, least=1), "fewer than two pauses"),
    (check_pauses, lambda e, p: np.nan_to_num(pauses(e, p)), "fewer than two pauses"),
    (check_pauses, lambda e, p: pauses(e, p) ** 2, "square"),
    (check_pauses, lambda e, p: 1 / np.maximum(pauses(e, p), 1e-9), "the other way round"),
    (check_pauses, counted_as_zero, "still counted"),
    (check_pauses, lambda e, p: pauses(e, p + 1), "exactly `pause`"),
    (check_pauses, lambda e, p: np.full(44, np.nan), "leave short gaps out"),
    (check_pauses, lambda e, p: pauses(e, p)[:-1], "shape"),
    (
        check_zero_share,
        lambda e, g: (gaps(e)[0] // g == 0).mean(),
        "round the timestamps first",
    ),
    (
        check_zero_share,
        lambda e, g: (np.diff(e["timestamp"] // g) == 0).mean(),
        "one user to the next",
    ),
    (check_zero_share, lambda e, g: 1 - zero_share(e, g), "NOT 0"),
    (check_zero_share, lambda e, g: zero_share(e, g, np.round), "round down"),
    (check_zero_share, lambda e, g: zero_share(e, 1), "not made coarser"),
    (
        check_zero_share,
        lambda e, g: zero_share(e, g) * len(gaps(e)[0]),
        "divide by how many",
    ),
    (
        check_zero_share,
        lambda e, g: zero_share(e, g) * len(gaps(e)[0]) / len(e),
        "not of gaps",
    ),
    (check_zero_share, in_place, "changes the table"),
    (check_future, {"A", "B"}, "look at E"),
    (check_future, {"B", "E"}, "look at A"),
    (check_future, {"A", "B", "C", "E"}, "look at C"),
    (check_future, {"A", "B", "D", "E", "F"}, "look at D"),
    (check_future, {"A", "B", "E", "F"}, "look at F"),
    (check_future, {"A", "E"}, "look at B"),
]
