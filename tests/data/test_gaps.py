"""Gaps and their irregularity: right on hand-made tables."""

import math

import numpy as np
import pandas as pd
import pytest

from tutorial_lib.data.gaps import gaps, irregularity


def table(*histories):
    """Events of users 0, 1, ... at the given seconds; every item is new."""
    rows = [(user, time) for user, times in enumerate(histories) for time in times]
    return pd.DataFrame(rows, columns=["user", "timestamp"]).assign(item=range(1, len(rows) + 1))


def test_gaps_stay_within_a_user():
    seconds, user = gaps(table([100, 100, 160], [5, 7], [9]))
    assert seconds.tolist() == [0, 60, 2] and user.tolist() == [0, 0, 1]


def test_irregularity_by_hand():
    cv = irregularity(table([0, 10, 20, 30], [0, 0, 0, 90], [5, 5, 5], [1, 4], [0, 2, 8]))
    # a metronome; one gap of three holds everything: sqrt(n - 1)
    assert cv[:2].tolist() == pytest.approx([0, math.sqrt(2)])
    assert np.isnan(cv[2]) and np.isnan(cv[3])  # all gaps 0; a single gap
    assert cv[4] == pytest.approx(0.5)  # gaps 2 and 6: mean 4, standard deviation 2


def test_irregularity_ignores_the_unit_and_the_start():
    times = np.cumsum(np.random.default_rng(0).integers(0, 1000, 50))
    assert irregularity(table(times))[0] == pytest.approx(
        irregularity(table(7 * times + 10**9))[0], rel=1e-12
    )


def test_irregularity_of_fewest_gaps_and_users_without_events():
    """The suite asks for three gaps; users who are not in the training part have no CV."""
    cv = irregularity(table([0, 2, 8], [0, 2, 8, 14]), least=3, num_users=4)
    assert np.isnan(cv[[0, 2, 3]]).all()
    assert cv[1] == pytest.approx(np.std([2, 6, 6]) / np.mean([2, 6, 6]))
