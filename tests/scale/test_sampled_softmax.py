"""The sampled softmax with logQ correction against the full softmax, on a small catalogue."""

import math
from dataclasses import replace

import pytest
import torch

import tutorial_lib.losses as losses
from tutorial_lib.config import TrainConfig
from tutorial_lib.data.datasets import load_dataset
from tutorial_lib.data.splits import temporal_split
from tutorial_lib.errors import TutorialError
from tutorial_lib.losses import PROPOSALS, Proposal, training_loss
from tutorial_lib.models import build_model
from tutorial_lib.train import train

ITEMS, DRAWS = 12, 1500


def chosen() -> torch.Tensor:
    """Training events of a long tail: item j is chosen about 60 / j times."""
    return torch.repeat_interleave(torch.arange(1, ITEMS + 1), 60 // torch.arange(1, ITEMS + 1))


def small_model(kind: str = "uniform") -> torch.nn.Module:
    model = build_model("sasrec", num_items=ITEMS, max_len=4, dim=4, dropout=0.0).double()
    with torch.no_grad():
        model.item_embedding.weight.normal_(0, 0.7, generator=torch.Generator().manual_seed(3))
    model.proposal = Proposal.of(kind, ITEMS, chosen().numpy())
    return model


def draws_of_the_whole_sum(
    kind: str, count: int = 6, batch: int = 9, draws: int = DRAWS
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """exp(loss) of a state whose target is item 2, in many batches whose other targets are drawn by
    popularity; its exact value; and the same of the gradient by the state.
    """
    model, generator = small_model(kind), torch.Generator().manual_seed(7)
    state = torch.randn(1, 4, dtype=torch.double, generator=generator, requires_grad=True)
    target, others = torch.tensor([2]), chosen()
    full = losses.full_softmax.__wrapped__(state, model.item_vectors(), target).exp()
    (slope,) = torch.autograd.grad(full, state)
    values, slopes = [], []
    for _ in range(draws):
        drawn = others[torch.randint(len(others), (batch - 1,), generator=generator)]
        whole = torch.cat([target, drawn])
        part = whole, torch.tensor([0])
        value = training_loss(
            "logq_ce", model, state, target, negatives=count, generator=generator, part=part
        ).exp()
        values.append(value.detach())
        slopes.append(torch.autograd.grad(value, state)[0][0])
    return torch.stack(values), full.detach(), torch.stack(slopes), slope[0]


def standard_errors(sample: torch.Tensor, exact: torch.Tensor) -> float:
    """How far the mean is from the exact value, at most, in standard errors."""
    error = sample.std(dim=0) / math.sqrt(len(sample))
    return float(((sample.mean(dim=0) - exact).abs() / error).max())


@pytest.mark.parametrize("kind", PROPOSALS)
def test_the_sum_over_the_catalogue_and_its_gradient_are_unbiased(kind):
    values, full, slopes, slope = draws_of_the_whole_sum(kind)
    assert values.std() > 0.05 * full  # there is something to average
    assert standard_errors(values, full) < 3
    assert standard_errors(slopes, slope) < 3


@pytest.mark.parametrize("kind", PROPOSALS)
def test_without_the_correction_it_is_far_off(kind, monkeypatch):
    """The test above sees it: the same draws, all counted alike."""
    monkeypatch.setattr(
        losses,
        "logq_softmax",
        lambda positive, negative, _: losses.sampled_softmax(positive, negative),
    )
    values, full, slopes, slope = draws_of_the_whole_sum(kind, draws=1000)
    assert standard_errors(values, full) > 10 and standard_errors(slopes, slope) > 10


def test_the_usual_correction_of_the_target_is_off_as_well(monkeypatch):
    """Yi et al. also divide the target's own term, which stands there with certainty."""
    model = small_model("popularity")
    expected = (3 * model.proposal.shares[2]).log()
    monkeypatch.setattr(
        losses,
        "logq_softmax",
        lambda positive, negative, log: (
            torch.cat([positive[:, None] - expected, negative - log], dim=1).logsumexp(1) - positive
        ).mean(),
    )
    values, full, *_ = draws_of_the_whole_sum("popularity", 3, draws=1000)
    assert standard_errors(values, full) > 6


@pytest.mark.parametrize("kind", PROPOSALS)
def test_the_bias_of_the_loss_falls_as_the_sample_grows(kind):
    """The logarithm bends: E[log] < log E, by about variance / 2, which is of order 1 / C."""
    bias = []
    for count in (3, 11):
        values, full, *_ = draws_of_the_whole_sum(kind, count, batch=4 * count)
        bias.append(float(full.log() - values.log().mean()))
    assert 0 < bias[1] < bias[0] / 2


@pytest.mark.parametrize("count", [ITEMS, ITEMS + 5])
def test_all_items_as_negatives_are_the_full_softmax(count):
    model, generator = small_model(), torch.Generator().manual_seed(0)
    states = torch.randn(30, 4, dtype=torch.double, generator=generator, requires_grad=True)
    targets = torch.randint(1, ITEMS + 1, (30,), generator=generator)
    weight = model.item_embedding.weight
    both = [
        training_loss(name, model, states, targets, negatives=count, generator=generator)
        for name in ("logq_ce", "ce")
    ]
    torch.testing.assert_close(both[0], both[1], atol=1e-13, rtol=1e-13)
    ours, theirs = (torch.autograd.grad(loss, [states, weight]) for loss in both)
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, other, atol=1e-13, rtol=1e-13)


@pytest.mark.parametrize("kind", PROPOSALS)
def test_draws_come_as_often_as_expected(kind):
    """The mean count of every item but the target's own, over many draws, is the stated one."""
    proposal, generator, others = (
        Proposal.of(kind, ITEMS, chosen().numpy()),
        torch.Generator(),
        chosen(),
    )
    counts, stated = torch.zeros(DRAWS, ITEMS + 1), torch.zeros(ITEMS + 1, dtype=torch.double)
    for number in range(DRAWS):
        drawn = others[torch.randint(len(others), (8,), generator=generator)]
        items, log = proposal.draw(torch.cat([torch.tensor([2]), drawn]), 5, generator)
        counts[number] = torch.bincount(items, minlength=ITEMS + 1)
        stated[items] = log.exp()
    known = [item for item in range(1, ITEMS + 1) if item != 2]
    assert (stated[known] > 0).all() and counts[:, 0].sum() == 0
    assert standard_errors(counts[:, known].double(), stated[known]) < 4  # of 11 items


def test_the_targets_own_item_adds_nothing():
    """Every negative of the first position is its own target: its loss is 0."""
    model = small_model("batch")
    states, targets = torch.ones(5, 4, dtype=torch.double), torch.full((5,), 3)
    generator = torch.Generator().manual_seed(0)
    for count in (1, 5):
        value = training_loss(
            "logq_ce", model, states, targets, negatives=count, generator=generator
        )
        assert value == 0
    alone = training_loss(
        "logq_ce", model, states[:1], targets[:1], negatives=5, generator=generator
    )
    assert alone == 0


@pytest.mark.parametrize("kind", PROPOSALS)
def test_a_model_learns_with_it(kind):
    split = temporal_split(load_dataset("sample", users=120))
    config = TrainConfig(
        loss="logq_ce", proposal=kind, negatives=64, epochs=8, learning_rate=0.01, batch_size=32
    )
    scores = []
    for epochs in (1, 8):
        model = build_model(
            "sasrec", num_items=split.dataset.num_items, max_len=20, dim=16, dropout=0.0
        )
        history = train(model, split, replace(config, epochs=epochs), device="cpu", progress=False)
        scores.append(history.rows[-1]["loss"])
        assert model.proposal is None  # nothing of it stays
    assert scores[1] < 0.9 * scores[0]


@pytest.mark.parametrize(
    ("model", "settings", "sentence"),
    [
        ("bert4rec", {"loss": "logq_ce"}, "leave shared_negatives out, and take another loss"),
        ("sasrec", {"loss": "ce", "proposal": "batch"}, "belongs to loss='logq_ce', got loss='ce'"),
        ("sasrec", {"loss": "ce", "sparse_table": True}, "it needs a sampled loss such as logq_ce"),
        (
            "sasrec",
            {"loss": "logq_ce", "sparse_table": True, "averaging": 0.9},
            "averaging=0 and a model that scores by its table",
        ),
    ],
)
def test_what_does_not_fit_is_refused(model, settings, sentence):
    split = temporal_split(load_dataset("sample", users=120))
    built = build_model(model, num_items=split.dataset.num_items, max_len=8, dim=8)
    with pytest.raises(TutorialError, match=sentence):
        train(built, split, TrainConfig(epochs=1, **settings), device="cpu", progress=False)


def test_an_unknown_proposal_is_refused():
    known = "unknown proposal 'zipf'; known are uniform, popularity, batch, mixed"
    with pytest.raises(TutorialError, match=known):
        TrainConfig(loss="logq_ce", proposal="zipf")
