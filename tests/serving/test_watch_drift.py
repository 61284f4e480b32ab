"""Planted changes in a small simulated world: found in time, and silence where nothing changes.

The full count, 20 seeds of every change: python -m tutorial_lib.serving.drift
"""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tutorial_lib.data.simulate import WORLDS, simulate
from tutorial_lib.errors import TutorialError
from tutorial_lib.experiments.results import FACTS
from tutorial_lib.serving import drift
from tutorial_lib.serving.watch import Monitor

SEEDS, EVENTS, USERS = 1, 4000, 110


@pytest.fixture(scope="module")
def crowds():
    return drift.worlds(2 * SEEDS * USERS, ["fast mood"])


@pytest.fixture(scope="module")
def found(crowds):
    def look(change):
        for seed in range(SEEDS):
            one = drift.stream(crowds, change, seed, users=USERS, events=EVENTS)
            yield drift.find(one, len(one) if change == "steady" else EVENTS)

    return {change: list(look(change)) for change in drift.CHANGES if change != "faster mood"}


def test_a_steady_stream_raises_no_alarm(found):
    assert [one.false_alarms for one in found["steady"]] == [0] * SEEDS


@pytest.mark.parametrize(
    ("change", "signal", "within"),
    [
        ("milliseconds", "gap", 450),
        ("other numbers", "rank", 300),
        ("new items", "rank", 300),
        ("no query time", "rank", 1500),
        ("fast mood", "rank", 3900),
    ],
)
def test_a_planted_change_is_found_within_so_many_events(found, change, signal, within):
    for one in found[change]:
        assert one.delay[signal] is not None and one.delay[signal] <= within


def test_a_clock_in_milliseconds_is_told_by_the_first_event(found):
    assert [one.by_rule for one in found["milliseconds"]] == [1] * SEEDS
    assert all(one.by_rule is None for one in found["new items"])


def test_a_deaf_monitor_would_fail_these_tests(crowds):
    """The tests above can fail: with a detector that hardly ever rings, nothing is found."""
    one = drift.stream(crowds, "new items", 0, users=USERS, events=EVENTS)
    assert drift.find(one, EVENTS, delta=1e-300).delay["rank"] is None


def test_a_steady_stream_has_the_same_law_in_both_halves(crowds):
    one = drift.stream(crowds, "steady", 0, users=USERS, events=EVENTS)
    halves = one["gap"].iloc[:EVENTS].median(), one["gap"].iloc[EVENTS:].median()
    assert 0.5 < halves[0] / halves[1] < 2
    assert one["arrival"].is_monotonic_increasing and one["user"].nunique() > 1.9 * USERS


def test_the_model_that_is_watched_knows_the_world(crowds):
    """It ranks nearly as well as the clairvoyant, whom only leaps and popularity tell more."""
    world = replace(WORLDS["sample"], users=60)
    drawn = simulate(world)
    mine, without = (
        drift.model_ranks(drawn, world, query_time=query_time) for query_time in (True, False)
    )
    best = drawn.rank_with_clock
    later = ~np.isnan(best)
    hits = [np.mean(ranks[later] <= 10) for ranks in (best, mine, without)]
    assert hits[0] > hits[1] > hits[2] + 0.03
    assert hits[1] > 0.8 * hits[0]


def test_the_monitor_counts_what_the_stream_holds(crowds):
    monitor = Monitor()
    one = drift.stream(crowds, "milliseconds", 0, users=USERS, events=500)
    list(drift.watched(one, monitor))
    assert monitor.events == 1000 and monitor.clock_errors == {"milliseconds": 500}


def test_errors_say_what_to_do(crowds):
    with pytest.raises(TutorialError, match="known are steady"):
        drift.stream(crowds, "winter", 0)
    with pytest.raises(TutorialError, match="more users"):
        drift.stream(crowds, "steady", 0, users=USERS, events=100_000)
    with pytest.raises(TutorialError, match="simulate more users"):
        drift.stream(crowds, "steady", 99, users=USERS, events=100)


def test_the_count_of_twenty_seeds_is_what_the_text_says():
    counts = pd.read_csv(FACTS / "drift.csv")
    assert set(counts["change"]) == set(drift.CHANGES)
    assert (counts.groupby("change").size() == 20).all()
    by_change = counts.set_index("change")
    assert by_change.loc["steady", "false_alarms"].sum() == 3
    assert (by_change.loc["milliseconds", "clock_rule"] == 1).all()
    most = {"milliseconds": ("gap", 436), "new items": ("rank", 128), "other numbers": ("rank", 96)}
    most |= {"no query time": ("rank", 1280), "fast mood": ("rank", 3712)}
    for change, (signal, events) in most.items():
        delays = by_change.loc[change, signal]
        assert delays.notna().all() and delays.max() == events
    assert by_change.loc["faster mood", "rank"].count() == 1
    assert "3,712" in drift.__doc__ and "3 alarms in 160,000" in drift.__doc__
