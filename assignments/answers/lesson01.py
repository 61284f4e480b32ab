"""Answers to the exercises of lesson 01: right ones, and wrong ones with words of the reason that
the student must be given.
"""

import numpy as np

from tutorial_lib.data.gaps import gaps, irregularity
from tutorial_lib.exercises import lesson01


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
    (lesson01.check_sittings, sittings),
    (lesson01.check_pauses, pauses),
    (lesson01.check_zero_share, zero_share),
    (lesson01.check_future, {"A", "B", "E"}),
]
WRONG = [
    (lesson01.check_sittings, lambda u, t, p: sittings(u, t, p, restart=False), "start again at 0"),
    (
        lesson01.check_sittings,
        lambda u, t, p: np.cumsum(np.diff(t, prepend=t[0]) >= p),
        "start again at 0",
    ),
    (lesson01.check_sittings, lambda u, t, p: sittings(u, t, p, at_least=False), "use >="),
    (lesson01.check_sittings, lambda u, t, p: sittings(u, t, p) + 1, "too large by 1"),
    (
        lesson01.check_sittings,
        lambda u, t, p: (np.diff(t, prepend=t[0]) >= p) & (np.diff(u, prepend=0) == 0),
        "dtype bool",
    ),
    (lesson01.check_sittings, lambda u, t, p: sittings(u, t, p)[1:], "shape"),
    (lesson01.check_sittings, lambda u, t, p: sittings(u, t, p) * 1.0, "dtype float64"),
    (
        lesson01.check_sittings,
        lambda u, t, p: np.zeros(len(u), int),
        "is in sitting 1, yours says 0",
    ),
    (lesson01.check_pauses, lambda e, p: irregularity(e), "all gaps"),
    (lesson01.check_pauses, lambda e, p: pauses(e, p, ddof=1), "n - 1"),
    (lesson01.check_pauses, lambda e, p: pauses(e, p, least=1), "fewer than two pauses"),
    (lesson01.check_pauses, lambda e, p: np.nan_to_num(pauses(e, p)), "fewer than two pauses"),
    (lesson01.check_pauses, lambda e, p: pauses(e, p) ** 2, "square"),
    (lesson01.check_pauses, lambda e, p: 1 / np.maximum(pauses(e, p), 1e-9), "the other way round"),
    (lesson01.check_pauses, counted_as_zero, "still counted"),
    (lesson01.check_pauses, lambda e, p: pauses(e, p + 1), "exactly `pause`"),
    (lesson01.check_pauses, lambda e, p: np.full(44, np.nan), "leave short gaps out"),
    (lesson01.check_pauses, lambda e, p: pauses(e, p)[:-1], "shape"),
    (
        lesson01.check_zero_share,
        lambda e, g: (gaps(e)[0] // g == 0).mean(),
        "round the timestamps first",
    ),
    (
        lesson01.check_zero_share,
        lambda e, g: (np.diff(e["timestamp"] // g) == 0).mean(),
        "one user to the next",
    ),
    (lesson01.check_zero_share, lambda e, g: 1 - zero_share(e, g), "NOT 0"),
    (lesson01.check_zero_share, lambda e, g: zero_share(e, g, np.round), "round down"),
    (lesson01.check_zero_share, lambda e, g: zero_share(e, 1), "not made coarser"),
    (
        lesson01.check_zero_share,
        lambda e, g: zero_share(e, g) * len(gaps(e)[0]),
        "divide by how many",
    ),
    (
        lesson01.check_zero_share,
        lambda e, g: zero_share(e, g) * len(gaps(e)[0]) / len(e),
        "not of gaps",
    ),
    (lesson01.check_zero_share, in_place, "changes the table"),
    (lesson01.check_future, {"A", "B"}, "look at E"),
    (lesson01.check_future, {"B", "E"}, "look at A"),
    (lesson01.check_future, {"A", "B", "C", "E"}, "look at C"),
    (lesson01.check_future, {"A", "B", "D", "E", "F"}, "look at D"),
    (lesson01.check_future, {"A", "B", "E", "F"}, "look at F"),
    (lesson01.check_future, {"A", "E"}, "look at B"),
]
