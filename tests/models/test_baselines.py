import numpy as np
import torch

from tutorial_lib.models import build_model

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
