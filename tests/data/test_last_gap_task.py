"""The synthetic task whose answer only the last gap tells."""

import numpy as np
import pytest

from tutorial_lib.data.simulate import last_gap_task
from tutorial_lib.errors import TutorialError


@pytest.mark.parametrize("gap", ["query", "past"])
def test_last_gap_alone_tells_the_answer(gap):
    items, times, queries, answer = (
        column.numpy() for column in last_gap_task(2000, 12, seed=5, gap=gap)
    )
    assert all(column.dtype == np.int64 for column in (items, times, queries, answer))
    assert items.shape == times.shape == queries.shape == (2000, 12) and answer.shape == (2000,)
    assert (answer == 1).sum() == (answer == 2).sum() == 1000
    lengths, rows = (items > 0).sum(1), np.arange(2000)
    assert lengths.min() == 2 and lengths.max() == 12
    real = np.arange(12) < lengths[:, None]
    assert np.array_equal(items > 0, real) and items[real].min() == 3 and items.max() == 12
    steps = np.diff(times, axis=1)
    assert (
        (steps[real[:, 1:]] > 0).all()
        and (steps[~real[:, 1:]] == 0).all()
        and (queries[~real] == times[~real]).all()
    )
    np.testing.assert_array_equal(queries[:, :-1][real[:, 1:]], times[:, 1:][real[:, 1:]])
    gap_of = {
        "query": (queries - times)[rows, lengths - 1],
        "past": steps[rows, lengths - 2],
        "first": steps[rows, 0],
    }
    for where, seconds in gap_of.items():
        long = seconds >= 3600
        assert ((seconds >= 60) & (seconds < 600) | (seconds >= 86400) & (seconds < 864000)).all()
        comparable = lengths > 2  # in sequences of two events the first gap is the last past gap
        agreement = (long == (answer == 2))[comparable].mean()
        assert (
            agreement == 1
            if where == gap
            else abs(agreement - 0.5) < 4 * 0.5 / np.sqrt(comparable.sum())
        )
    # nor can a model without time guess from what else it sees
    for feature in (lengths, items[rows, lengths - 1]):
        for value in np.unique(feature):
            share, count = (answer[feature == value] == 2).mean(), (feature == value).sum()
            assert abs(share - 0.5) < 4.5 * 0.5 / np.sqrt(count)
    again = last_gap_task(2000, 12, seed=5, gap=gap)
    np.testing.assert_array_equal(again[1].numpy(), times)


@pytest.mark.parametrize("fault", [(0, 5, "query"), (5, 1, "query"), (5, 5, "next")])
def test_last_gap_task_refuses_nonsense(fault):
    with pytest.raises(TutorialError, match="use 'query' or 'past'"):
        last_gap_task(fault[0], fault[1], gap=fault[2])
