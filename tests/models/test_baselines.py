import numpy as np
import pandas as pd
import pytest
import torch

from tutorial_lib.data.events import make_dataset
from tutorial_lib.data.log import Log
from tutorial_lib.data.splits import leave_last_out
from tutorial_lib.errors import TutorialError
from tutorial_lib.models import blind_twin, build_model
from tutorial_lib.train import train

USERS = np.array([0, 0, 0, 1, 1, 1])
ITEMS = np.array([1, 2, 3, 1, 2, 1])  # transitions 1>2 twice, 2>3, 2>1; none across users


def test_popularity_counts():
    model = build_model("popularity", num_items=4, max_len=3)
    model.fit(USERS, ITEMS)
    scores = model.score(model(torch.tensor([[1, 2]])))
    assert scores[0, 1, 1:].tolist() == [3, 2, 1, 0] and scores[0, 0, 0] == -torch.inf


def test_markov_by_hand():
    model = build_model("markov", num_items=4, max_len=3, smoothing=2.0)
    model.fit(USERS, ITEMS)
    popularity = torch.tensor([3, 2, 1, 0]) / 6
    scores = model.score(model(torch.tensor([[2, 1, 3]])))
    after_two = (torch.tensor([1.0, 0, 1, 0]) + 2 * popularity) / 4
    after_one = (torch.tensor([0.0, 2, 0, 0]) + 2 * popularity) / 4
    torch.testing.assert_close(scores[0, 0, 1:], after_two)
    torch.testing.assert_close(scores[0, 1, 1:], after_one)
    # item 3 ends a history: popularity is all there is
    torch.testing.assert_close(scores[0, 2, 1:], popularity)


def test_markov_equals_a_dense_count_matrix():
    rng = np.random.default_rng(0)
    users, items = np.repeat(np.arange(50), 20), rng.integers(1, 31, 1000)
    model = build_model("markov", num_items=30, max_len=3, smoothing=3.0)
    model.fit(users, items)
    counts = np.zeros((31, 31))
    for i in range(999):
        if users[i] == users[i + 1]:
            counts[items[i], items[i + 1]] += 1
    popularity = np.bincount(items, minlength=31) / 1000
    expected = (counts + 3 * popularity) / (counts.sum(1, keepdims=True) + 3)
    scores = model.score(model(torch.arange(1, 31)[None]))[0]
    np.testing.assert_allclose(scores[:, 1:].numpy(), expected[1:, 1:], atol=1e-6)


def timed_split():
    """Two users, four items; times in days. Training ends with day 7."""
    days = [0, 2, 6, 8, 1, 7, 9, 10]
    items = [1, 2, 3, 4, 1, 2, 4, 3]
    events = pd.DataFrame(
        {"user": [0] * 4 + [1] * 4, "item": items, "timestamp": np.array(days) * 86_400}
    )
    return leave_last_out(make_dataset("toy", events))


def test_popularity_with_a_half_life_by_hand():
    """Frozen a second after the last training event, on day 7."""
    split = timed_split()
    model = build_model("popularity", num_items=4, max_len=3, half_life=2.0)
    train(model, split, progress=False)
    scores = model.score(model(torch.tensor([[1, 2]]), torch.tensor([[0, 86_400]])))
    wanted = [0.5**3.5 + 0.5**3, 0.5**2.5 + 1, 0, 0]  # items 1 (days 0, 1), 2 (2, 7)
    assert scores[0, 1, 1:].tolist() == pytest.approx(wanted, rel=1e-4)
    assert model.uses_time and not model.live


def test_live_popularity_by_hand():
    """Of the whole log, the events strictly before the question; what nobody chose is unknown."""
    split = timed_split()
    model = build_model("popularity", num_items=4, max_len=3, live=True)
    train(model, split, progress=False)
    model.follow(Log.of(split.dataset.events, 4))
    asked = torch.tensor([[0, 6, 7, 8]]) * 86_400
    scores = model.score(model(torch.ones(1, 4, dtype=torch.long), asked, asked))[0, :, 1:]
    inf = np.inf
    assert scores.tolist() == [[-inf] * 4, [2, 1, -inf, -inf], [2, 1, 1, -inf], [2, 2, 1, -inf]]
    twin = build_model("popularity", num_items=4, max_len=3)
    assert blind_twin("popularity", {"live": True, "half_life": 3.0}) == ("popularity", {})
    assert not twin.uses_time


def test_half_life_below_zero_is_refused():
    with pytest.raises(TutorialError, match="half_life must be at least 0 days, got -1"):
        build_model("popularity", num_items=4, max_len=3, half_life=-1.0)
