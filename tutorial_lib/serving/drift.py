"""Planted changes in the simulated world, and how soon the monitor finds them.

A stream comes from users whom no model has seen. It is steady by construction: each user's events
are turned by a random angle around a circle of time, so no stretch of it differs in law from
another. After the change the events are those of other users in a changed world. The model that is
watched has learned the world before the change perfectly, its leaps apart: it follows each user's
mood with the law that it knows, and ranks all items just before every event.

    python -m tutorial_lib.serving.drift                       20 seeds of every change, a table
    python -m tutorial_lib.serving.drift --out data/facts      and the counts behind it, drift.csv

Of 20 streams of 4,000 events before the change and 4,000 after it, it said: milliseconds found by
the rule at the first event and by the gaps within 436; new items within 128, other numbers within
96, no query time within 1,280, the fast mood within 3,712, each in all 20; the faster mood, 0.06
of the rank signal's scatter, in 1 of 20. Steady streams: 3 alarms in 160,000 events.
Taught in lesson 21.
"""

import argparse
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from tutorial_lib.data.simulate import WORLDS, Simulation, World, drift, simulate
from tutorial_lib.errors import TutorialError
from tutorial_lib.files import replacing
from tutorial_lib.language import say
from tutorial_lib.serving.watch import DELTA, Alarm, Monitor

CHANGES = {
    "steady": "nothing changes",
    "fast mood": "the mood's half-life falls from a day to six minutes",
    "faster mood": "the mood's half-life falls from a day to an hour",
    "new items": "three in ten items are replaced by items that the model does not know",
    "other numbers": "the catalogue is numbered anew, and the model is not told",
    "milliseconds": "event times come in milliseconds",
    "no query time": "the model answers as if no time had passed since the last event",
}
HALF_LIFE = {"fast mood": 0.1, "faster mood": 1.0}  # hours
REPLACED = 0.3  # share of the items


@dataclass(frozen=True)
class Crowd:
    """Events of one simulated world with what the watched model makes of them: user, item,
    timestamp, gap (NaN at first events), rank and `rank_at_event`, the rank without a query time.
    """

    events: pd.DataFrame
    num_items: int


def crowd(world: World, known: World | None = None) -> Crowd:
    """Simulate `world`, and rank every event by a model that believes in `known` (None: the same
    world).
    """
    known = known or world
    drawn = simulate(world)
    events = drawn.events.copy()
    gaps = events.groupby("user")["timestamp"].diff()
    events["gap"] = gaps
    events["rank"] = model_ranks(drawn, known)
    events["rank_at_event"] = model_ranks(drawn, known, query_time=False)
    return Crowd(events, world.items)


def model_ranks(drawn: Simulation, known: World, *, query_time: bool = True) -> np.ndarray:
    """Rank of each event's item among the unseen ones, int64 [N], for a model that follows the mood
    by the law of `known`, knows tastes and items, and never expects a leap.

    `query_time=False`: the mood is read at the last event instead of now; then it moves on all the
    same.
    """
    users, counts = np.unique(drawn.events["user"], return_counts=True)
    items = drawn.events["item"].to_numpy() - 1
    times = drawn.events["timestamp"].to_numpy()
    starts, ranks = np.cumsum(counts) - counts, np.zeros(len(items), np.int64)
    seen = np.zeros((len(users), len(drawn.embeddings)), bool)
    mood = drawn.tastes.copy()  # [U, k]
    for step in range(counts.max()):
        here = np.flatnonzero(counts > step)  # users that have this event
        row = starts[here] + step
        taste = drawn.tastes[here]
        gap = times[row] - times[row - 1] if step else np.zeros(len(here))
        now = drift(mood[here], taste, gap / 3600, known)
        scores = (now if query_time else mood[here]) @ drawn.embeddings.T  # [B, V]
        scores[seen[here]] = -np.inf
        ranks[row] = 1 + (scores > scores[np.arange(len(here)), items[row], None]).sum(1)
        mood[here] = now + known.kappa * (drawn.embeddings[items[row]] - now)
        seen[here, items[row]] = True
    return ranks


def worlds(
    users: int, changes: Iterable[str] = tuple(HALF_LIFE), seed: int = 2024
) -> dict[str, Crowd]:
    """One crowd for each law that the changes need, over the same items: "steady" and those of
    HALF_LIFE that are among `changes`.
    """
    home = replace(WORLDS["sample"], users=users, seed=seed)
    found = {"steady": crowd(home)}
    for name in (one for one in changes if one in HALF_LIFE):
        found[name] = crowd(replace(home, half_life=HALF_LIFE[name]), home)
    return found


def stream(
    crowds: dict[str, Crowd], change: str, seed: int, *, users: int = 110, events: int = 4000
) -> pd.DataFrame:
    """`events` before the change and as many after it: user, item, timestamp, arrival, known, gap,
    rank, in the order of arrival. `seed` picks the users; streams of different seeds below
    the number of users / (2 * `users`) share none.
    """
    if change not in CHANGES:
        raise TutorialError(
            "unknown change {change!r}; known are {known}", change=change, known=", ".join(CHANGES)
        )
    rng = np.random.default_rng(seed)
    before = _turned(crowds["steady"], 2 * seed, users, rng)
    after = _turned(crowds.get(change, crowds["steady"]), 2 * seed + 1, users, rng)
    for part in (before, after):
        if len(part) < events:
            raise TutorialError(
                "{users} users have {events} events; ask for more users or fewer events",
                users=users,
                events=len(part),
            )
    before, after = before.iloc[:events], after.iloc[:events].copy()
    start = before["arrival"].iloc[-1] + 1 - after["arrival"].iloc[0]
    after["timestamp"] += start
    after["arrival"] += start
    if change == "new items":
        fresh = rng.random(crowds["steady"].num_items + 1) < REPLACED
        after["known"] = ~fresh[after["item"]]
    if change == "other numbers":  # the model looks up some other item for every id
        numbers = crowds["steady"].num_items
        after["rank"] = rng.integers(1, numbers + 1, len(after))
    if change == "milliseconds":
        after[["timestamp", "gap"]] *= 1000
    if change == "no query time":
        after["rank"] = after["rank_at_event"]
    return pd.concat([before, after], ignore_index=True)


def _turned(crowd: Crowd, block: int, users: int, rng: np.random.Generator) -> pd.DataFrame:
    """The events of one block of users, each user's turned around a circle of time by a random
    angle; marks such as gap and rank are those of the unturned history.
    """
    first = block * users
    events = crowd.events[crowd.events["user"].between(first, first + users - 1)].copy()
    if events["user"].nunique() < users:
        raise TutorialError(
            "the crowd has {users} users and needs {needed}: simulate more users, or take fewer a"
            " stream or a smaller seed",
            users=crowd.events["user"].nunique(),
            needed=first + users,
        )
    origin = events["timestamp"].min()
    circle = events["timestamp"].max() - origin + 1
    turn = rng.integers(circle, size=users)[events["user"] - first]
    events["timestamp"] = origin + (events["timestamp"] - origin + turn) % circle
    events["arrival"] = events["timestamp"] + rng.exponential(5, len(events))
    events["known"] = True
    return events.sort_values("arrival", kind="stable")


def watched(stream: pd.DataFrame, monitor: Monitor | None = None) -> Iterator[tuple[int, Alarm]]:
    """Feeds a stream to a monitor; yields (row, alarm)."""
    monitor = monitor or Monitor()
    columns = ("user", "item", "timestamp", "arrival", "known", "gap", "rank")
    rows = zip(*(stream[name].tolist() for name in columns), strict=True)
    for place, (user, item, time, arrival, known, gap, rank) in enumerate(rows):
        gap = None if gap != gap else gap
        for alarm in monitor.event(user, item, time, arrival, known, gap, rank):
            yield place, alarm


@dataclass(frozen=True)
class Found:
    """One stream: false alarms before the change, and events from the change to the first alarm of
    each signal (None: not found). A rule on the clock finds without a test, at `by_rule`.
    """

    false_alarms: int
    delay: dict[str, int | None]
    by_rule: int | None


def find(stream: pd.DataFrame, change_at: int, *, delta: float = DELTA) -> Found:
    """Watch one stream whose first `change_at` events are steady (all of them: count every
    alarm).
    """
    monitor = Monitor(delta=delta)
    alarms = list(watched(stream, monitor))
    delay: dict[str, int | None] = dict.fromkeys(monitor.detectors)
    for place, alarm in alarms:
        if place >= change_at and delay[alarm.signal] is None:
            delay[alarm.signal] = place - change_at + 1
    wrong = np.flatnonzero(stream["timestamp"].to_numpy() > stream["arrival"].to_numpy() + 86400)
    by_rule = int(wrong[0]) - change_at + 1 if monitor.clock_errors else None
    return Found(sum(place < change_at for place, _ in alarms), delay, by_rule)


def main(argv: list[str] | None = None) -> None:
    """Command line: python -m tutorial_lib.serving.drift."""
    parser = argparse.ArgumentParser(
        prog="python -m tutorial_lib.serving.drift",
        description=say(
            "Plant changes in the simulated world and count when the monitor finds them."
        ),
    )
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--events", type=int, default=4000, help=say("before and after the change"))
    parser.add_argument("--users", type=int, default=110, help=say("in each half of a stream"))
    parser.add_argument("--delta", type=float, default=DELTA, help=say("of ADWIN"))
    parser.add_argument("--out", type=Path, help=say("folder: write drift.csv, a row a stream"))
    options = parser.parse_args(argv)
    try:
        crowds = worlds(2 * options.seeds * options.users)
        print(
            say(
                "{seeds} streams of {events} + {events} events",
                seeds=options.seeds,
                events=options.events,
            )
        )
        print(
            say(
                "{value:15s} false alarms   found   events until found (median, most)",
                value="change",
            )
        )
        rows = []
        for change in tqdm(CHANGES, unit="change"):
            results = []
            for seed in range(options.seeds):
                one = stream(crowds, change, seed, users=options.users, events=options.events)
                at = len(one) if change == "steady" else options.events
                results.append(find(one, at, delta=options.delta))
            tqdm.write(_line(change, results))
            rows += [
                {"change": change, "seed": seed, "false_alarms": one.false_alarms, **one.delay}
                | {"clock_rule": one.by_rule}
                for seed, one in enumerate(results)
            ]
        if options.out:
            with replacing(options.out / "drift.csv") as part:
                pd.DataFrame(rows).convert_dtypes().to_csv(part, index=False, lineterminator="\n")
    except TutorialError as error:
        parser.exit(2, f"{error}\n")


def _line(change: str, results: list[Found]) -> str:
    parts = []
    ways = {name: [one.delay[name] for one in results] for name in results[0].delay}
    for name, delays in (ways | {"clock rule": [one.by_rule for one in results]}).items():
        if found := [one for one in delays if one is not None]:
            parts.append(
                f"{name} {len(found)} of {len(results)}: {np.median(found):.0f}, {max(found)}"
            )
    return f"{change:15s} {sum(one.false_alarms for one in results):6d}         {'; '.join(parts)}"


if __name__ == "__main__":
    main()
