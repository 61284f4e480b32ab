"""Objectives against torch's own, closed forms and finite differences."""

import math

import pytest
import torch
import torch.nn.functional as F

import tutorial_lib.losses as losses
from tutorial_lib.kernels.softmax import ChunkedCrossEntropy
from tutorial_lib.models import build_model


def states_weight_targets(rows=50, items=20, dim=6, dtype=torch.double):
    generator = torch.Generator().manual_seed(0)
    states = torch.randn(rows, dim, generator=generator, dtype=dtype, requires_grad=True)
    weight = torch.randn(items + 1, dim, generator=generator, dtype=dtype, requires_grad=True)
    return states, weight, torch.randint(1, items + 1, (rows,), generator=generator)


@pytest.mark.parametrize("rows_at_once", [1, 7, 50, 64])
def test_chunked_cross_entropy_equals_the_whole_matrix(rows_at_once):
    states, weight, targets = states_weight_targets()
    ours = ChunkedCrossEntropy.apply(states, weight, targets, rows_at_once)
    theirs = losses.full_softmax.__wrapped__(states, weight, targets)
    torch.testing.assert_close(ours, theirs, atol=1e-12, rtol=1e-12)
    for mine, other in zip(
        torch.autograd.grad(3 * ours, [states, weight]),
        torch.autograd.grad(3 * theirs, [states, weight]),
        strict=True,
    ):
        torch.testing.assert_close(mine, other, atol=1e-12, rtol=1e-12)


def test_full_softmax_survives_large_scores():
    states = torch.full((2, 1), 1000.0, requires_grad=True)
    weight = torch.tensor([[0.0], [1.0], [-1.0]], requires_grad=True)
    loss = losses.full_softmax(states, weight, torch.tensor([1, 2]))
    loss.backward()
    assert loss.item() == pytest.approx(1000.0) and weight.grad.isfinite().all()


def test_large_catalogue_needs_little_memory(monkeypatch):
    """No block of logits holds more than 32 rows here: all 2,000 positions times 100,000 items
    would be 800 MB.
    """
    largest = 0
    original = torch.Tensor.amax

    def watch(self, *args, **kwargs):
        nonlocal largest
        largest = max(largest, self.numel())
        return original(self, *args, **kwargs)

    monkeypatch.setattr(torch.Tensor, "amax", watch)
    losses.full_softmax(
        torch.zeros(2_000, 2), torch.zeros(100_001, 2), torch.ones(2_000, dtype=torch.long)
    )
    assert largest == 32 * 100_001


def test_negatives_are_uniform_and_never_the_target():
    targets = torch.tensor([1, 3, 5]).repeat(20_000)
    drawn = losses.draw_negatives(targets, 5, 2, torch.Generator().manual_seed(0))
    assert drawn.shape == (60_000, 2) and (drawn != targets[:, None]).all()
    assert drawn.min() == 1 and drawn.max() == 5
    counts = torch.bincount(drawn[targets == 3].reshape(-1), minlength=6)[[1, 2, 4, 5]]
    assert (counts / counts.sum() - 0.25).abs().max() < 5 * math.sqrt(0.25 * 0.75 / 40_000)


def test_binary_losses_equal_torch():
    generator = torch.Generator().manual_seed(0)
    positive, negative = (
        torch.randn(40, generator=generator),
        torch.randn(40, 1, generator=generator),
    )
    bce = F.binary_cross_entropy_with_logits
    expected = bce(positive, torch.ones(40)) + bce(negative[:, 0], torch.zeros(40))
    torch.testing.assert_close(losses.binary_cross_entropy(positive, negative), expected)
    torch.testing.assert_close(
        losses.bpr(positive, negative), -F.logsigmoid(positive - negative[:, 0]).mean()
    )


def test_gbce_runs_from_bce_to_calibrated():
    positive, negative = torch.tensor([0.3, -1.0]), torch.tensor([[0.1, 0.2], [1.0, -0.5]])
    plain = losses.gbce(positive, negative, num_items=11, calibration=0.0)
    torch.testing.assert_close(plain, losses.binary_cross_entropy(positive, negative) / 3)
    full = losses.gbce(positive, negative, num_items=11, calibration=1.0)
    beta = 2 / 10  # t = 1 leaves beta = alpha = k / (num_items - 1)
    torch.testing.assert_close(
        full, ((beta * F.softplus(-positive) + F.softplus(negative).sum(1)) / 3).mean()
    )


def test_gbce_with_all_negatives_is_bce():
    positive, negative = torch.tensor([0.3]), torch.tensor([[0.1, 0.2, -2.0]])
    for calibration in (0.0, 0.5, 1.0):
        value = losses.gbce(positive, negative, num_items=4, calibration=calibration)
        torch.testing.assert_close(value, losses.binary_cross_entropy(positive, negative) / 4)


def test_sampled_softmax_with_every_item_is_full_softmax():
    states, weight, targets = states_weight_targets(items=5)
    scores = states @ weight.T
    others = torch.stack(
        [torch.tensor([j for j in range(1, 6) if j != t]) for t in targets.tolist()]
    )
    value = losses.sampled_softmax(
        scores.gather(1, targets[:, None])[:, 0], scores.gather(1, others)
    )
    torch.testing.assert_close(value, losses.full_softmax(states, weight, targets))


@pytest.mark.parametrize("name", losses.LOSSES)
@pytest.mark.parametrize("shared", [False, True])
def test_every_loss_by_name_falls_when_the_target_gains(name, shared):
    model = build_model("sasrec", num_items=12, max_len=4, dim=8)
    targets = torch.tensor([2, 5, 7])
    states = torch.zeros(3, 8, requires_grad=True)

    def value():
        generator = torch.Generator().manual_seed(1)
        return losses.training_loss(
            name, model, states, targets, negatives=6, shared=shared, generator=generator
        )

    before = value()
    before.backward()
    with torch.no_grad():
        states -= 0.5 * states.grad
    assert value() < before and states.grad.abs().sum() > 0


def test_shared_negative_that_is_the_target_adds_nothing():
    """With 2 items and a shared draw, a collision leaves the loss of that position at its positive
    term.
    """
    model = build_model("sasrec", num_items=2, max_len=4, dim=4)
    states, targets = torch.ones(1, 4), torch.tensor([1])
    positive = model.score_items(states, targets[:, None])[:, 0]
    seen = set()
    for seed in range(10):
        value = losses.training_loss(
            "bce",
            model,
            states,
            targets,
            negatives=1,
            shared=True,
            generator=torch.Generator().manual_seed(seed),
        )
        seen.add(round((value - F.softplus(-positive).mean()).item(), 6))
    assert 0.0 in seen and len(seen) == 2
