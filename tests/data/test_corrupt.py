import numpy as np
import pandas as pd
import pytest

from tutorial_lib.data.corrupt import with_clock
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
    assert other.dataset.events.drop(columns="timestamp").equals(split.dataset.events.drop(columns="timestamp"))
    assert other.train_end is split.train_end and other.test is split.test and other.valid is split.valid
    first = split.dataset.offsets[:-1]
    before, after = (part.dataset.events["timestamp"].to_numpy() for part in (split, other))
    assert np.array_equal(before[first], after[first]) and not np.array_equal(before, after)
    assert other.dataset.fingerprint != split.dataset.fingerprint  # no checkpoint of the one is taken for the other's


def test_shuffled_gaps_are_the_same_gaps_in_another_order(split):
    before, after = gaps_of(split), gaps_of(with_clock(split, "shuffled"))
    assert all(np.array_equal(np.sort(a), np.sort(b)) for a, b in zip(before, after, strict=True))
    old, new = np.concatenate(before), np.concatenate(after)
    assert (old != new).mean() > 0.8
    centred = [np.log1p(g) - np.log1p(g).mean() for g in before], [np.log1p(g) - np.log1p(g).mean() for g in after]
    assert abs(np.corrcoef(*map(np.concatenate, centred))[0, 1]) < 0.1  # their places tell nothing: 8,000 gaps
    again, other = gaps_of(with_clock(split, "shuffled")), gaps_of(with_clock(split, "shuffled", seed=1))
    assert np.array_equal(np.concatenate(again), new) and not np.array_equal(np.concatenate(other), new)


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
    events = pd.DataFrame({"user": np.repeat([0, 1], 4), "item": np.tile([1, 2, 3, 4], 2), "timestamp": np.tile(np.arange(4), 2)})
    with pytest.raises(TutorialError, match="no clock to change"):
        with_clock(leave_last_out(make_dataset("order", events, has_times=False)), "shuffled")
