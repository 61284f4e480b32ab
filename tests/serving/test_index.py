"""The index finds what the exact search finds, nearly always, and says how nearly."""

import numpy as np
import pytest
import torch

from tests.serving.world import NOW, by_hand, running, version
from tutorial_lib.errors import TutorialError
from tutorial_lib.models import build_model
from tutorial_lib.serving.index import ItemIndex, recall


def large(items=3000):
    model = build_model("gru4rec", num_items=items, max_len=5, dim=16)
    with torch.no_grad():  # norms spread as those of trained items
        generator = torch.Generator().manual_seed(0)
        model.item_embedding.weight.mul_(torch.randn(items + 1, 1, generator=generator).exp())
    return model.eval()


def randn(size):
    return torch.randn(size, 16, generator=torch.Generator().manual_seed(1))


class TestIndex:
    def test_recall_against_the_exact_best(self):
        index, states = ItemIndex(large()), randn(100)
        assert recall(index, states) > 0.95
        index.index.remove(np.arange(1, 3001, 2))  # half of them can no longer be found
        assert 0.3 < recall(index, states) < 0.7

    def test_scores_are_those_of_the_model_and_seen_items_are_left_out(self):
        model = large()
        index, states = ItemIndex(model), randn(4)
        seen = [index.search(states, 7)[1][row].numpy() for row in range(4)]
        scores, items = index.answer(states, seen, 10)
        exact = model.score(states).detach()
        torch.testing.assert_close(scores, exact.gather(1, items))
        assert (scores.diff() <= 0).all()
        found = 0
        for row in range(4):
            assert not np.isin(items[row].numpy(), seen[row]).any()
            exact[row, torch.from_numpy(seen[row])] = -torch.inf
            found += len(set(items[row].tolist()) & set(exact[row].topk(10).indices.tolist()))
        assert found >= 35  # of 40

    def test_fewer_items_than_are_asked_for(self):
        index = ItemIndex(large(items=6))
        scores, items = index.answer(randn(1), [np.array([2, 3])], 10)
        found = items[0, scores[0] > -torch.inf].tolist()
        assert sorted(found) == [1, 4, 5, 6]

    def test_models_without_a_table_are_refused(self):
        with pytest.raises(TutorialError, match="BERT4Rec are no inner products.*search exactly"):
            ItemIndex(build_model("bert4rec", num_items=9, max_len=5, dim=8))


def test_a_service_that_searches_by_index():
    with running(one=version(search="index")) as service:
        got = service.recommend("ann", 10, NOW).result(10)
        items, scores = by_hand(service.current, service.history("ann").result(10), NOW)
        assert got.items == items and got.scores == pytest.approx(scores, abs=1e-4)
        assert service.current.facts()["search"] == "index"
        again = version("again", search="index")
        service.install(again).result(10)
        assert again.recall == 1.0  # 30 items: all are found
