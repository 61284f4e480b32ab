"""Checkers of lesson 01, from events to sequences."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import torch

from exercises.checking import (
    Wrong,
    compare_letters,
    exercise,
    same,
    want_array,
    want_equal,
    want_number,
)
from exercises.open_task import END, END_ZH, Report, open_task
from tutorial_lib.data.gaps import gaps, irregularity
from tutorial_lib.language import say


def _table(*histories: list[int]) -> pd.DataFrame:
    rows = [(user, time) for user, times in enumerate(histories) for time in times]
    return pd.DataFrame(rows, columns=["user", "timestamp"]).assign(item=range(1, len(rows) + 1))


def _random_table(users: int = 40, pause: int = 1000, seed: int = 5) -> pd.DataFrame:
    """Histories of 1 to 12 events; users begin where they like, gaps around the pause, some exactly
    as long, some 0.
    """
    rng = np.random.default_rng(seed)
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
        got = want_array(answer(users, times, pause), kind="int")
        if got.shape != users.shape:
            raise Wrong(
                "it has shape {shape}; one number for each event gives {wanted}",
                shape=got.shape,
                wanted=users.shape,
            )
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
            "with pause {pause}, user {users} at time {times} is in sitting {want}, yours"
            " says {got}",
            pause=pause,
            users=users[row],
            times=times[row],
            want=want[row],
            got=got[row],
        )


CLOSE = 1e-5  # some ways to a standard deviation are not exact


@exercise(points=4, minutes=20)
def check_pauses(answer) -> None:
    """1.2: CV of the pauses alone."""
    hand = _table([0, 100, 5100, 5200, 20200], [0, 10, 20], [0, 5000, 5001], [0, 1000, 3000, 3000])
    random = _random_table()
    random = random.assign(user=random["user"] + 4)
    both = pd.concat([hand, random], ignore_index=True)  # 44 users
    cases = (both, 1000), (both, 1), (_random_table(users=44, seed=6), 1000)
    for table, pause in cases:
        got = want_array(answer(table, pause), kind="float")
        want, longer = np.full((2, 44), np.nan)
        seconds, user = gaps(table)
        for values, least in ((want, pause), (longer, pause + 1)):
            for person in range(44):
                own = seconds[(user == person) & (seconds >= least)]
                if len(own) > 1:
                    values[person] = own.std() / own.mean()
        if got.shape != want.shape:
            raise Wrong(
                "it has shape {shape}; one number for each user gives {wanted}",
                shape=got.shape,
                wanted=want.shape,
            )
        if same(got, want, CLOSE):
            continue
        if same(got, irregularity(table), CLOSE):
            raise Wrong(
                "this is the CV of all gaps: leave out those shorter than `pause`, in the seconds"
                " and in the users alike"
            )
        if same(got, longer, CLOSE):
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
        if same(got[defined], want[defined] ** 2, CLOSE):
            raise Wrong(
                "this is the square of the CV: take the root of the variance before dividing"
            )
        many = np.array([((user == person) & (seconds >= pause)).sum() for person in range(44)])[
            defined
        ]
        if same(got[defined], want[defined] * np.sqrt(many / (many - 1)), CLOSE):
            raise Wrong("it divides by n - 1 (ddof=1); the lesson's CV divides by n")
        if (
            table is both
            and pause == 1000
            and np.isclose(got[0], np.std([0, 5000, 0, 15000]) / 5000)
        ):
            raise Wrong("short gaps were set to 0 but still counted: leave them out")
        if np.isclose(got[0] * want[0], 1):
            raise Wrong("this is mean over standard deviation; the CV is the other way round")
        want_equal(got, want, CLOSE, say("with pause {pause} the CV of user", pause=pause))


@exercise(points=3, minutes=15)
def check_zero_share(answer) -> None:
    """1.3: share of zero gaps on a coarse clock."""
    # grid 60: minutes 0 0 1 2 | 0 1 1 | 0 0
    hand, random = _table([0, 50, 70, 130], [59, 60, 61], [10, 10]), _random_table()
    cases = [(hand, 60), (hand, 1), (random, 700), (random, 4)]
    got = [want_number(answer(*case), "the share") for case in cases]
    same_user = [np.diff(table["user"]) == 0 for table, _ in cases]

    def shares(clock: Callable) -> list[float]:
        """Share of the gaps that are 0, by what the clock shows for a table and a grid."""
        return [
            (np.diff(clock(*case))[own] == 0).mean()
            for case, own in zip(cases, same_user, strict=True)
        ]

    def seconds(table: pd.DataFrame) -> np.ndarray:
        return table["timestamp"].to_numpy()

    def begin(table: pd.DataFrame) -> np.ndarray:
        return table.groupby("user")["timestamp"].transform("min").to_numpy()

    want = shares(lambda table, grid: seconds(table) // grid)
    many = [int(own.sum()) for own in same_user]
    steps = [np.diff(seconds(table)) for table, _ in cases]
    known = {
        "it rounds the gaps; round the timestamps first and subtract then: 59 s and 60 s lie in"
        " different minutes": [
            (step[own] < grid).mean()
            for step, own, (_, grid) in zip(steps, same_user, cases, strict=True)
        ],
        "the steps from one user to the next count as gaps": [
            (np.diff(seconds(table) // grid) == 0).mean() for table, grid in cases
        ],
        "the zero gaps are divided by the number of events, not of gaps": [
            share * gaps / len(table)
            for share, gaps, (table, _) in zip(want, many, cases, strict=True)
        ],
        "this is the share of gaps that are NOT 0": [1 - share for share in want],
        "it rounds to the nearest multiple; the clock shows the last full unit, so round down": (
            shares(lambda table, grid: np.round(seconds(table) / grid))
        ),
        "it rounds up; the clock shows the last full unit, so round down": (
            shares(lambda table, grid: -(-seconds(table) // grid))
        ),
        "the clock starts with each user's first event; round the timestamps themselves down": (
            shares(lambda table, grid: (seconds(table) - begin(table)) // grid)
        ),
        "the clock starts with the first event of the table; round the timestamps themselves"
        " down": shares(lambda table, grid: (seconds(table) - seconds(table)[0]) // grid),
        "the clock was not made coarser: the share is that of the exact gaps": (
            shares(lambda table, grid: seconds(table))
        ),
        "this is a number of gaps; divide by how many there are": [
            share * gaps for share, gaps in zip(want, many, strict=True)
        ],
    }
    for reason, value in known.items():
        if same(got, value) and not same(got, want):
            raise Wrong(reason)
    for (_, grid), mine, right in zip(cases, got, want, strict=True):
        want_equal(mine, right, name=say("on a test table with grid {grid} the share", grid=grid))


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


def _core(table: pd.DataFrame, user_least: int, item_least: int) -> pd.DataFrame:
    """One row after the other, on purpose."""
    rows = list(range(len(table)))
    for _ in range(len(table)):
        users = table["user"].iloc[rows].tolist()
        items = table["item"].iloc[rows].tolist()
        rows = [
            row
            for row, user, item in zip(rows, users, items, strict=True)
            if users.count(user) >= user_least and items.count(item) >= item_least
        ]
    return table.iloc[rows]


def _links(pairs: str) -> pd.DataFrame:
    """ "0A 0B 1B" -> a table of these users and items, one a second."""
    rows = [(int(pair[0]), ord(pair[1]) - ord("A") + 1) for pair in pairs.split()]
    table = pd.DataFrame(rows, columns=["user", "item"])
    return table.assign(timestamp=range(len(table)))


@exercise(points=3, minutes=15)
def check_core(answer) -> None:
    """1.5: the largest part in which each user and each item has enough events."""
    rng = np.random.default_rng(3)
    users, items = rng.integers(0, 40, 200), np.minimum(rng.geometric(0.08, 200), 30)
    random = pd.DataFrame({"user": users, "item": items}).sort_values("user", kind="stable")
    random = random.assign(timestamp=range(200)).reset_index(drop=True)
    chain = _links("0A 0B 1B 1C 2C 2D 3D 3E 4E 4F 5F 5G 6G 6H 7Y 7Z 8Y 8Z")
    for table, *least in (
        (random, 3, 5),
        (_links("0A 0B 1B 1C 2C 2D 3E 3F 4E 4F"), 2, 2),
        (chain, 2, 2),
        (_links("0A 0A 0A 1A 1B 2B 2B 2C"), 3, 1),
        (_links("0A 0A 0B 1A 1B 2B 2C"), 2, 3),
        (random, 2, 6),
    ):
        got = answer(table, *least)
        if not isinstance(got, pd.DataFrame) or not {"user", "item", "timestamp"} <= set(got):
            raise Wrong(
                "it returns {got}; the rows that stay are wanted, as a table with all its columns",
                got=type(got).__name__,
            )
        want = _core(table, *least)["timestamp"].tolist()
        kept = got["timestamp"].tolist()
        if kept == want:
            continue
        about = say(
            "with at least {users} events a user and {items} an item",
            users=least[0],
            items=least[1],
        )
        if least[0] != least[1] and kept == _core(table, *least[::-1])["timestamp"].tolist():
            raise Wrong(
                "{about}: the two limits are swapped; the first is for the users", about=about
            )
        for column, enough in zip(("user", "item"), least, strict=True):
            count = got[column].value_counts()
            if (count < enough).any():
                who = count.idxmin()
                who = (
                    say("user {name}", name=who)
                    if column == "user"
                    else say("item {name}", name=who)
                )
                raise Wrong(
                    "{about}: {who} is left with {count}; count again after each round, until"
                    " nothing changes",
                    about=about,
                    who=who,
                    count=count.min(),
                )
        if sorted(kept) == want:
            raise Wrong(
                "{about}: the right rows in another order; keep that of the table", about=about
            )
        stricter = ((1, 1), (1, 0), (0, 1))
        if kept and kept in [
            _core(table, least[0] + u, least[1] + i)["timestamp"].tolist() for u, i in stricter
        ]:
            raise Wrong("{about}: exactly so many are enough, so use >=, not >", about=about)
        lost = table[table["timestamp"].isin(set(want) - set(kept))].iloc[0]
        raise Wrong(
            "{about}: the row of user {user} and item {item} could stay",
            about=about,
            user=int(lost["user"]),
            item=int(lost["item"]),
        )


@open_task
def open_report(report: Report) -> None:
    """The open task: the clock of a table of one's own."""
    report.number("zero_gaps", 0, 1)
    report.number("median_gap", 0)
    report.text("valley")
    report.number("correlation", -1, 1)
    report.number("by_chance", -1, 1)
    report.text("not_supported")
    report.closing()


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


def one_by_one(users, times, pause):
    numbers = [0]
    for row in range(1, len(users)):
        new_user = users[row] != users[row - 1]
        begins = times[row] - times[row - 1] >= pause
        numbers.append(0 if new_user else numbers[-1] + int(begins))
    return numbers


def by_frame(users, times, pause):
    frame = pd.DataFrame({"user": users, "begins": np.diff(times, prepend=times[0]) >= pause})
    frame.loc[~frame["user"].duplicated(), "begins"] = False
    return frame.groupby("user")["begins"].cumsum()


def pauses_by_frame(events, pause):
    steps = events.groupby("user")["timestamp"].diff()
    steps = steps.where(steps >= pause).groupby(events["user"])
    return np.sqrt(steps.var(ddof=0).where(steps.count() > 1)) / steps.mean()


def pauses_by_squares(events, pause):
    """The variance as mean square minus squared mean, in torch, which is less exact."""
    seconds, user = map(torch.tensor, gaps(events))
    seconds, user = seconds[seconds >= pause].double(), user[seconds >= pause]
    size = int(events["user"].max()) + 1
    count, total, square = (
        torch.bincount(user, seconds**power, minlength=size) for power in (0, 1, 2)
    )
    spread = (square / count - (total / count) ** 2).clamp(min=0).sqrt()
    return torch.where(count > 1, spread / (total / count), torch.nan)


def zero_share_by_frame(events, grid):
    clock = events["timestamp"] - events["timestamp"] % grid
    steps = clock.groupby(events["user"]).diff().dropna()
    return torch.tensor((steps == 0).to_numpy()).float().mean()


def from_first_event(events, grid):
    start = events.groupby("user")["timestamp"].transform("min")
    return zero_share(events.assign(timestamp=events["timestamp"] - start), grid)


def core(events, user_least, item_least):
    while True:
        enough = events.groupby("user")["user"].transform("size") >= user_least
        enough &= events.groupby("item")["item"].transform("size") >= item_least
        if enough.all():
            return events
        events = events[enough]


def core_by_counts(events, user_least, item_least):
    """One side after the other, with value_counts; the rows numbered anew."""
    before = None
    while before != len(events):
        before = len(events)
        for column, least in (("user", user_least), ("item", item_least)):
            count = events[column].value_counts()
            events = events[events[column].map(count) >= least]
    return events.set_axis(range(len(events)))


def core_by_one(events, user_least, item_least):
    """The same from the inside: take out the worst, and call yourself again."""
    users = events.groupby("user").size()
    items = events.groupby("item").size()
    few = events["user"].isin(users[users < user_least].index)
    few |= events["item"].isin(items[items < item_least].index)
    return core_by_one(events[~few], user_least, item_least) if few.any() else events


def rounds(events, user_least, item_least, count=1, renew=True):
    users, items = events.groupby("user").size(), events.groupby("item").size()
    for _ in range(count):
        events = events[events["user"].isin(users[users >= user_least].index)]
        if renew:
            items = events.groupby("item").size()
        events = events[events["item"].isin(items[items >= item_least].index)]
        if renew:
            users = events.groupby("user").size()
    return events


def distinct(events, user_least, item_least):
    """Counts different items, not events."""
    once = core(events.drop_duplicates(["user", "item"]), user_least, item_least)
    return events[events["user"].isin(once["user"]) & events["item"].isin(once["item"])]


RIGHT = [
    (check_core, core),
    (check_core, core_by_counts),
    (check_core, core_by_one),
    (check_sittings, sittings),
    (check_sittings, one_by_one),
    (check_sittings, by_frame),
    (check_sittings, lambda u, t, p: sittings(u, t, p).astype(float)),
    (check_pauses, pauses),
    (check_pauses, pauses_by_frame),
    (check_pauses, pauses_by_squares),
    (check_pauses, lambda e, p: pauses(e, p).astype(np.float32)),
    (check_zero_share, zero_share),
    (check_zero_share, zero_share_by_frame),
    (
        check_zero_share,
        lambda e, g: 1 - np.mean(gaps(e.assign(timestamp=e["timestamp"] // g))[0] > 0),
    ),
    (check_future, {"A", "B", "E"}),
    (check_future, "abe"),
    (check_future, ("A", "B", "E")),
]
WRONG = [
    (check_core, rounds, "count again after each round"),
    (check_core, lambda e, u, i: rounds(e, u, i, count=3), "count again after each round"),
    (check_core, lambda e, u, i: rounds(e, u, i, 3, renew=False), "is left with"),
    (check_core, lambda e, u, i: core(e, u + 1, i + 1), "use >=, not >"),
    (check_core, lambda e, u, i: core(e, u + 1, i), "use >=, not >"),
    (check_core, lambda e, u, i: core(e, i, u), "swapped"),
    (check_core, lambda e, u, i: core(e, u, u), "3 events a user and 5 an item: item"),
    (check_core, distinct, "could stay"),
    (check_core, lambda e, u, i: core(e, u, i)[::-1], "in another order"),
    (check_core, lambda e, u, i: len(core(e, u, i)), "it returns int"),
    (check_core, lambda e, u, i: core(e, u, i)[["user", "item"]], "with all its columns"),
    (check_core, lambda e, u, i: e, "is left with"),
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
        "truth values",
    ),
    (check_sittings, lambda u, t, p: sittings(u, t, p)[1:], "shape"),
    (check_sittings, lambda u, t, p: sittings(u, t, 3600), "is in sitting"),
    (check_sittings, lambda u, t, p: sittings(u, t, p) / 2, "whole numbers"),
    (check_sittings, lambda u, t, p: sittings(u, np.minimum(t, 4000), p), "is in sitting"),
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
    (check_pauses, lambda e, p: pauses(e, 1000), "leave short gaps out"),
    (check_pauses, lambda e, p: np.where(np.arange(44) == 0, 0.5, pauses(e, p)), "CV of user[0]"),
    (check_pauses, lambda e, p: pauses(e, p)[::-1], "no value"),
    (check_pauses, lambda e, p: pauses(e, p) * 1.001, "CV of user[0] is 0.5005, wanted 0.5"),
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
    (check_zero_share, in_place, "changes its argument `events` in place"),
    (check_zero_share, from_first_event, "starts with each user's first event"),
    (
        check_zero_share,
        lambda e, g: zero_share(e.assign(timestamp=e["timestamp"] - e["timestamp"][0]), g),
        "first event of the table",
    ),
    (
        check_zero_share,
        lambda e, g: zero_share(e, 60),
        "with grid 1 the share is 0.5, wanted 0.1667",
    ),
    (check_zero_share, lambda e, g: zero_share(e, g, np.ceil), "it rounds up"),
    (check_zero_share, lambda e, g: 4 / 6, "with grid 60 the share is 0.6667, wanted 0.5"),
    (check_future, {"A", "B"}, "look at E"),
    (check_future, {"B", "E"}, "look at A"),
    (check_future, {"A", "B", "C", "E"}, "look at C"),
    (check_future, {"A", "B", "D", "E", "F"}, "look at D"),
    (check_future, {"A", "B", "E", "F"}, "look at F"),
    (check_future, {"A", "E"}, "look at B"),
    (check_future, "all", "set of letters"),
    (check_future, set("ABCDEF"), "look at C"),
    (check_future, [], "look at A"),
]
ARGUED = [
    (check_sittings, "-1 -> 1", "only the first user matters, and no user has this number"),
    (check_sittings, "1 -> 2", "only the first user matters, and no user has this number"),
    (check_sittings, "0 -> -1", "what is put before the first time: its event begins anyway"),
    (
        check_sittings,
        "first | (steps >= pause if at_least else steps > pause)"
        " -> steps >= pause if at_least else steps > pause",
        "what a user's first event adds to the count is taken off again in the last line",
    ),
    (check_pauses, "0 -> -1", "a variance below 0 comes from rounding alone, and is near 0"),
    (check_sittings, "0 -> 1", "what is put before the first time: its event begins anyway"),
]

OPEN = {
    "zero_gaps": 0.03,
    "median_gap": 214,
    "valley": "Two hours: between songs of one evening and the next evening.",
    "correlation": 0.31,
    "by_chance": 0.12,
    "not_supported": "That I hear less on weekends, as the phone was offline on many of them.",
    **END,
}
OPEN_RIGHT = [OPEN, {**OPEN, **END_ZH}]
OPEN_WRONG = [
    ({**OPEN, "zero_gaps": 3}, "lies from 0 to 1"),
    ({**OPEN, "valley": "none"}, "says too little"),
    ({**OPEN, "by_chance": ...}, "`by_chance` is missing"),
    ({**OPEN, "picture": 7}, "is a figure"),
]
