"""What every sequence model must satisfy: causality, padding invariance, independence, no dead
parameters, overfitting.

Models that know users and read no history (mf, neumf) have no order and no padding to test: see
test_mf.py.
"""

import pytest
import torch

from tutorial_lib.errors import TutorialError
from tutorial_lib.losses import full_softmax
from tutorial_lib.models import MODELS, build_model, model_options

NUM_ITEMS, LENGTH = 30, 12
READ_HISTORIES = [name for name, cls in MODELS.items() if not cls.uses_users]
TRAINED = [name for name in READ_HISTORIES if MODELS[name].trains_by_gradient]


def make(name, **options):
    model = build_model(name, num_items=NUM_ITEMS, max_len=LENGTH + 7, dim=16, seed=1, **options)
    if not model.trains_by_gradient:
        generator = torch.Generator().manual_seed(0)
        items = torch.randint(1, NUM_ITEMS + 1, (400,), generator=generator).numpy()
        model.fit(torch.arange(40).repeat_interleave(10).numpy(), items)
    elif name in TRAINED:
        with torch.no_grad():  # larger weights than at the start, so that a leak would show
            for parameter in model.parameters():
                parameter.mul_(5)
                if not parameter.any():  # what starts at zero would hide the path behind it
                    parameter.normal_(0, 0.5, generator=torch.Generator().manual_seed(2))
    return model.eval()


def histories(batch=6, seed=0):
    generator = torch.Generator().manual_seed(seed)
    items = torch.randint(1, NUM_ITEMS + 1, (batch, LENGTH), generator=generator)
    gaps = torch.randint(0, 100_000, (batch, LENGTH + 1), generator=generator)
    times = 1_700_000_000 + gaps.cumsum(1)
    return items, times[:, :-1], times[:, 1:]


@pytest.mark.parametrize("name", READ_HISTORIES)
class TestEveryModel:
    def test_the_future_changes_nothing(self, name):
        model = make(name)
        items, times, query_times = histories()
        before = model(items, times, query_times)
        for cut in (1, 5, LENGTH - 1):
            changed = items.clone()
            changed[:, cut:] = changed[:, cut:] % NUM_ITEMS + 1
            later_times, later_queries = times.clone(), query_times.clone()
            later_times[:, cut:] += 12_345
            later_queries[:, cut:] += 12_345
            after = model(changed, later_times, later_queries)
            assert torch.equal(after[:, :cut], before[:, :cut])
            if name != "popularity":  # and the test can fail: the present does count
                assert not torch.equal(after[:, cut], before[:, cut])

    def test_padding_and_batch_mates_change_nothing(self, name):
        model = make(name)
        items, times, query_times = histories()
        alone = model(items[:1, :5], times[:1, :5], query_times[:1, :5])[:, 4]
        padded = torch.zeros(6, LENGTH + 7, dtype=torch.long)
        padded[:, :LENGTH] = items
        padded[0, 5:] = 0
        padded_times = times[:, -1:].repeat(1, LENGTH + 7)
        padded_times[:, :LENGTH] = times
        padded_times[0, 5:] = times[0, 4]
        padded_queries = padded_times.clone()
        padded_queries[:, :LENGTH] = query_times
        padded_queries[0, 5:] = times[0, 4]
        together = model(padded, padded_times, padded_queries)[:1, 4]
        torch.testing.assert_close(model.score(together), model.score(alone), atol=1e-5, rtol=1e-5)
        order = torch.tensor([3, 0, 5, 1, 2, 4])
        full = model(items, times, query_times)
        torch.testing.assert_close(
            model(items[order], times[order], query_times[order]), full[order], atol=1e-5, rtol=1e-5
        )

    def test_pad_never_scores_and_scores_are_deterministic(self, name):
        model = make(name)
        items, times, query_times = histories()
        scores = model.score(model(items, times, query_times))
        assert scores.shape == (6, LENGTH, NUM_ITEMS + 1)
        assert (scores[..., 0] == -torch.inf).all() and scores[..., 1:].isfinite().all()
        assert torch.equal(scores, model.score(model(items, times, query_times)))

    def test_seed_decides_the_weights(self, name):
        first, again = (build_model(name, num_items=9, max_len=5, dim=4, seed=3) for _ in range(2))
        assert all(
            torch.equal(a, b)
            for a, b in zip(first.state_dict().values(), again.state_dict().values(), strict=True)
        )
        if name in TRAINED:
            other = build_model(name, num_items=9, max_len=5, dim=4, seed=4)
            assert not torch.equal(first.item_embedding.weight, other.item_embedding.weight)

    def test_unknown_options_are_refused(self, name):
        with pytest.raises(TutorialError, match="no option 'heats'"):
            build_model(name, num_items=9, max_len=5, heats=2)


@pytest.mark.parametrize("name", TRAINED)
class TestTrainedModels:
    def test_every_parameter_is_live_and_pad_gets_no_gradient(self, name):
        model = make(name).train()
        items, times, query_times = histories()
        items[:, 8:] = 0
        targets = torch.randint(1, NUM_ITEMS + 1, (6 * 8,))
        states = model(items, times, query_times)[:, :8].reshape(48, -1)
        full_softmax(states, model.item_embedding.weight, targets).backward()
        for label, parameter in model.named_parameters():
            assert parameter.grad is not None and parameter.grad.isfinite().all(), label
            assert parameter.grad.abs().sum() > 0, label
        assert model.item_embedding.weight.grad[0].abs().sum() == 0
        assert model.item_embedding.weight[0].abs().sum() == 0

    def test_overfits_eight_sequences(self, name):
        model = build_model(
            name, num_items=NUM_ITEMS, max_len=LENGTH, dim=32, seed=0, dropout=0.0
        ).train()
        items, times, query_times = histories(batch=8, seed=5)
        targets = items.roll(-1, dims=1)[:, :-1]
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
        for _ in range(150):
            states = model(items[:, :-1], times[:, :-1], query_times[:, :-1])
            # The first position cannot tell the eight sequences apart when two start alike, so it
            # is left out.
            loss = full_softmax(
                states[:, 1:].reshape(-1, 32),
                model.item_embedding.weight,
                targets[:, 1:].reshape(-1),
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        assert loss.item() < 0.1

    def test_score_items_agrees_with_score(self, name):
        model = make(name)
        states = model(*histories())[:, -1]
        chosen = torch.tensor([[1, 7, NUM_ITEMS]]).repeat(6, 1)
        for some in (chosen, chosen[:, 1:2]):
            torch.testing.assert_close(
                model.score_items(states, some),
                model.score(states).gather(1, some),
                atol=1e-5,
                rtol=1e-5,
            )


def test_unknown_model_lists_the_known():
    with pytest.raises(TutorialError, match="known are popularity, markov"):
        build_model("sasrek", num_items=5, max_len=5)
    with pytest.raises(TutorialError, match="num_items"):
        build_model("sasrec", num_items=0, max_len=5)
    assert model_options("sasrec")["blocks"] == 2


def test_building_leaves_the_global_seed_alone():
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    build_model("sasrec", num_items=5, max_len=5)
    assert torch.equal(torch.rand(1), expected)
