import numpy as np
import pandas as pd
import pytest

from tutorial_lib.data.corrupt import (
    corrupt,
    drop_events,
    jitter,
    quantise,
    shuffle_order,
    with_clock,
)
from tutorial_lib.data.datasets import load_dataset
from tutorial_lib.data.events import make_dataset
from tutorial_lib.data.sequences import fit_gap_statistics, training_batches
from tutorial_lib.data.splits import leave_last_out, temporal_split
from tutorial_lib.errors import TutorialError


@pytest.fixture(scope="module")
def split():
    return temporal_split(load_dataset("sample", users=200))


def gaps_of(split):
    events = split.dataset.events
    return [np.diff(group.to_numpy()) for _, group in events.groupby("user")["timestamp"]]


@pytest.mark.parametrize("clock", ["shuffled", "constant"])
def test_only_the_times_change(split, clock):
    other = with_clock(split, clock)
    assert other.dataset.events.drop(columns="timestamp").equals(
        split.dataset.events.drop(columns="timestamp")
    )
    assert (
        other.train_end is split.train_end
        and other.test is split.test
        and other.valid is split.valid
    )
    first = split.dataset.offsets[:-1]
    before, after = (part.dataset.events["timestamp"].to_numpy() for part in (split, other))
    assert np.array_equal(before[first], after[first]) and not np.array_equal(before, after)
    # no checkpoint of the one is taken for the other's
    assert other.dataset.fingerprint != split.dataset.fingerprint


def test_shuffled_gaps_are_the_same_gaps_in_another_order(split):
    before, after = gaps_of(split), gaps_of(with_clock(split, "shuffled"))
    assert all(np.array_equal(np.sort(a), np.sort(b)) for a, b in zip(before, after, strict=True))
    old, new = np.concatenate(before), np.concatenate(after)
    assert (old != new).mean() > 0.8
    centred = (
        [np.log1p(g) - np.log1p(g).mean() for g in before],
        [np.log1p(g) - np.log1p(g).mean() for g in after],
    )
    # their places tell nothing: 8,000 gaps
    assert abs(np.corrcoef(*map(np.concatenate, centred))[0, 1]) < 0.1
    again, other = (
        gaps_of(with_clock(split, "shuffled")),
        gaps_of(with_clock(split, "shuffled", seed=1)),
    )
    assert np.array_equal(np.concatenate(again), new) and not np.array_equal(
        np.concatenate(other), new
    )


def test_constant_gaps_are_an_hour_and_have_statistics(split):
    constant = with_clock(split, "constant")
    assert set(np.concatenate(gaps_of(constant))) == {3600}
    assert fit_gap_statistics(constant).std == 1  # nothing to standardise by
    batch = next(iter(training_batches(constant, max_len=10, batch_size=8, seed=0, epoch=1)))
    real = batch.items > 0
    assert ((batch.query_times - batch.times)[real] == 3600).all()


def test_real_is_the_split_itself_and_errors_name_the_choices(split):
    assert with_clock(split, "real") is split
    with pytest.raises(TutorialError, match="real, shuffled, constant"):
        with_clock(split, "stopped")


def test_order_only_data_have_no_clock():
    events = pd.DataFrame(
        {
            "user": np.repeat([0, 1], 4),
            "item": np.tile([1, 2, 3, 4], 2),
            "timestamp": np.tile(np.arange(4), 2),
        }
    )
    with pytest.raises(TutorialError, match="no clock to change"):
        with_clock(leave_last_out(make_dataset("order", events, has_times=False)), "shuffled")


def tiny(times, items=None):
    """A split of two users with these times (and items), leave-last-out: the test target is the
    last event of each.
    """
    items = items or [[1, 2, 3, 4], [4, 3, 2, 1]]
    rows = [
        (u, i, t)
        for u, (ts, its) in enumerate(zip(times, items, strict=True))
        for t, i in zip(ts, its, strict=True)
    ]
    return leave_last_out(
        make_dataset("tiny", pd.DataFrame(rows, columns=["user", "item", "timestamp"]))
    )


def column(split, name):
    return [group.tolist() for _, group in split.dataset.events.groupby("user")[name]]


class TestJitter:
    def test_clock_is_the_sum_of_the_changed_gaps(self, split):
        changed, strength = jitter(split, 0.5, seed=3), 0.5
        times = split.dataset.events["timestamp"].to_numpy()
        factors = np.exp(strength * np.random.default_rng(3).standard_normal(len(times)))
        for user in (0, 7):
            rows = slice(*split.dataset.offsets[[user, user + 1]])
            gaps = np.rint(np.diff(times[rows]) * factors[rows][1:])
            assert (
                column(changed, "timestamp")[user]
                == (times[rows][0] + np.append(0, np.cumsum(gaps))).tolist()
            )

    def test_size_of_the_change_order_and_targets(self, split):
        changed = jitter(split, 0.7)
        before, after = np.concatenate(gaps_of(split)), np.concatenate(gaps_of(changed))
        # simultaneous events stay simultaneous, in their order
        assert (after >= 0).all() and (after[before == 0] == 0).all()
        # 7,000 gaps: the standard error of both is below 0.01
        logs = np.log(after[before > 600] / before[before > 600])
        assert abs(logs.mean()) < 0.04 and abs(logs.std() - 0.7) < 0.04
        assert changed.test is split.test and column(changed, "item") == column(split, "item")
        assert np.array_equal(
            jitter(split, 0.0).dataset.events["timestamp"], split.dataset.events["timestamp"]
        )


class TestQuantise:
    def test_by_hand(self):
        split = tiny([[3599, 3600, 7300, 86_401], [0, 10, 10, 200_000]])
        assert column(quantise(split, 3600), "timestamp") == [
            [0, 3600, 7200, 86_400],
            [0, 0, 0, 198_000],
        ]
        assert column(quantise(split, 86_400), "timestamp") == [
            [0, 0, 0, 86_400],
            [0, 0, 0, 172_800],
        ]

    def test_ties_that_come_keep_the_order_of_events(self, split):
        days = quantise(split, 86_400)
        assert column(days, "item") == column(split, "item") and days.test is split.test
        gaps = np.concatenate(gaps_of(days))
        # most gaps of a sitting are minutes
        assert set(gaps % 86_400) == {0} and (gaps == 0).mean() > 0.4


class TestOrder:
    def test_items_move_times_and_targets_stay(self, split):
        changed = shuffle_order(split, seed=1)
        assert (
            column(changed, "timestamp") == column(split, "timestamp")
            and changed.test is split.test
        )
        old, new = (part.dataset.events["item"].to_numpy() for part in (split, changed))
        moved, tested = old != new, np.isin(split.dataset.events["user"], split.test.user)
        assert not moved[split.test.row].any() and not moved[~tested].any()
        history = np.concatenate(
            [np.arange(a, b) for a, b in zip(split.test.start, split.test.row, strict=True)]
        )
        assert moved[history].mean() > 0.8
        assert [sorted(items) for items in column(changed, "item")] == [
            sorted(items) for items in column(split, "item")
        ]
        assert np.array_equal(changed.train_items, split.train_items)

    def test_by_hand(self):
        """Three events before the target: over many seeds each of the 6 orders comes up, the target
        never moves.
        """
        split = tiny([[0, 1, 2, 3], [0, 1, 2, 3]])
        seen = {tuple(column(shuffle_order(split, seed), "item")[0]) for seed in range(60)}
        assert len(seen) == 6 and {order[3] for order in seen} == {4}


class TestDropped:
    def test_by_hand(self):
        """Of a user's three events before the target, those with a key below the share go; the gap
        over them is the sum.
        """
        split = tiny([[0, 10, 30, 70], [5, 6, 7, 8]])
        keys = np.random.default_rng(4).random(8)
        changed = drop_events(split, 0.6, seed=4)
        for user in (0, 1):
            places = [4 * user + place for place in range(3)]
            kept = [
                row
                for row in places
                if keys[row] >= 0.6 or row == max(places, key=lambda row: keys[row])
            ]
            rows = [*kept, 4 * user + 3]
            assert (
                column(changed, "timestamp")[user]
                == split.dataset.events["timestamp"][rows].tolist()
            )
            assert column(changed, "item")[user] == split.dataset.events["item"][rows].tolist()
            assert len(rows) < 4  # seed 4 drops something of both

    @pytest.mark.parametrize("share", [0.0, 0.3, 0.95])
    def test_targets_catalogue_and_share(self, split, share):
        changed = drop_events(split, share)
        for name in ("item", "timestamp"):
            of_target = [
                part.dataset.events[name].to_numpy()[part.test.row] for part in (split, changed)
            ]
            assert np.array_equal(*of_target)
        assert np.array_equal(changed.test.user, split.test.user) and np.array_equal(
            changed.train_items, split.train_items
        )
        assert (changed.test.row > changed.test.start).all()  # nobody is left without a history
        assert np.array_equal(changed.test.start, changed.dataset.offsets[changed.test.user])
        before, after = ((part.test.row - part.test.start).sum() for part in (split, changed))
        assert after == before if share == 0 else abs(1 - after / before - share) < 0.05
        users = changed.dataset.events["user"].to_numpy()
        assert np.array_equal(users[changed.valid.row], changed.valid.user)
        assert (np.diff(changed.dataset.events["timestamp"])[np.diff(users) == 0] >= 0).all()


def test_by_name_seeded_and_refused(split):
    for name in (
        "gaps shuffled",
        "gaps constant",
        "order shuffled",
        "jitter 0.5",
        "dropped 0.3",
        "quantised 3600",
    ):
        events = [corrupt(split, name, seed).dataset.events for seed in (1, 1, 2)]
        assert events[0].equals(events[1]) and not events[0].equals(split.dataset.events)
        assert events[0].equals(events[2]) == (name in ("gaps constant", "quantised 3600"))
    assert corrupt(split, "gaps shuffled", 1).dataset.events.equals(
        with_clock(split, "shuffled", 1).dataset.events
    )
    for name in (
        "jitter",
        "jitter much",
        "dropped -1",
        "dropped 1",
        "quantised 0",
        "noise 1",
        "gaps lost",
    ):
        with pytest.raises(TutorialError, match="jitter STRENGTH|share of|units of|strength"):
            corrupt(split, name)
