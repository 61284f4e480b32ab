"""What everybody did before a moment, against a loop over events; and nothing that came after."""

import numpy as np
import pandas as pd
import pytest

from tutorial_lib.data import log as module
from tutorial_lib.data.log import Log
from tutorial_lib.errors import TutorialError


def random_log(events: int = 300, items: int = 12, span: int = 10**6) -> Log:
    rng = np.random.default_rng(0)
    times = 1_600_000_000 + rng.integers(0, span, events)
    times[::7] = times[1::7][: len(times[::7])]  # ties
    return Log(times, rng.integers(1, items + 1, events), items)


def slow_counts(log: Log, asked: np.ndarray, half_life: float | None) -> np.ndarray:
    result = np.zeros((len(asked), log.num_items + 1))
    for row, moment in enumerate(asked):
        for time, item in zip(log.times, log.items, strict=True):
            if time < moment:
                result[row, item] += (
                    1 if half_life is None else 0.5 ** ((moment - time) / half_life)
                )
    return result


@pytest.mark.parametrize("half_life", [None, 3600.0, 86_400.0, 10.0])
@pytest.mark.parametrize("rows", [1, 5, 256])
def test_counts_equal_a_loop(half_life, rows, monkeypatch):
    """At event times themselves too, in any order, before all events and long after them."""
    monkeypatch.setattr(module, "ROWS", rows)
    log, rng = random_log(), np.random.default_rng(1)
    asked = np.concatenate(
        [rng.permutation(log.times)[:20], [log.times[0] - 5, log.times[-1] + 10**6]]
    )
    got = log.counts(asked, half_life)
    np.testing.assert_allclose(got, slow_counts(log, asked, half_life), rtol=1e-9, atol=1e-12)


def test_a_short_half_life_over_years_stays_finite():
    """2**(hours of three years) is no float."""
    times = np.array([0, 3600, 3 * 365 * 86_400])
    counts = Log(times, np.array([1, 2, 1]), 2).counts(times + 1, 3600.0)
    assert np.isfinite(counts).all() and counts[2, 1] == pytest.approx(1, rel=1e-3)
    assert counts[1, 1:] == pytest.approx([0.5, 1], rel=1e-3)


def test_what_comes_later_changes_nothing():
    log = random_log()
    moment = np.sort(log.times)[150]
    before = log.times < moment
    changed = np.where(before, log.items, log.items % log.num_items + 1)
    other = Log(np.where(before, log.times, log.times + 777), changed, log.num_items)
    asked = np.array([moment - 50, moment])
    for half_life in (None, 5000.0):
        assert np.array_equal(log.counts(asked, half_life), other.counts(asked, half_life))
    assert np.array_equal(log.age(asked), other.age(asked))
    # and the test can fail: a second later the change is seen
    later = np.array([moment + 1])
    assert not np.array_equal(log.counts(later), other.counts(later))


def test_age_by_hand():
    events = pd.DataFrame({"item": [2, 1, 2], "timestamp": [100, 150, 200]})
    age = Log.of(events, 3).age(np.array([100, 101, 300]))
    assert age[:, 1:].tolist() == [[np.inf] * 3, [np.inf, 1, np.inf], [150, 200, np.inf]]


def test_no_half_life_of_zero():
    with pytest.raises(TutorialError, match="half_life must be above 0 seconds, got 0"):
        random_log().counts(np.array([1]), 0.0)
