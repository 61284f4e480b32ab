"""What the exercises of lesson 03 say of the library, and what their sealed boxes hold, is so."""

import math
from dataclasses import replace

import numpy as np
import pytest

from exercises import lesson03
from exercises.lesson03 import maximum


def test_sealed_statistics_read_what_the_exercise_says():
    """The same people with another test part: fitted on training, nothing may move."""
    split = lesson03._split()
    events = split.dataset.events.copy()
    later = events["timestamp"].to_numpy() >= split.cut_test
    events.loc[later, "item"] = np.random.default_rng(1).integers(
        1, split.dataset.num_items + 1, later.sum()
    )
    events.loc[later, "timestamp"] = split.cut_test + 2 * (
        events.loc[later, "timestamp"] - split.cut_test
    )
    changed = replace(split, dataset=replace(split.dataset, events=events))
    moved = {
        name
        for name, statistic in lesson03.sealed.items()
        if not np.array_equal(statistic(split), statistic(changed))
    }
    assert moved == {"B", "E", "F"}


def test_expected_maximum_of_the_checker():
    assert lesson03._expected_maximum(2) == pytest.approx(math.pi**-0.5, rel=1e-4)
    for m in (2, 24, 50):
        assert lesson03._expected_maximum(m) == pytest.approx(maximum(m), abs=0.006)
