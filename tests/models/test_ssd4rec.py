"""SSD4Rec: one row of histories is each history alone, read by Mamba-2's block in two directions."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F

from tutorial_lib.config import TrainConfig
from tutorial_lib.data.events import make_dataset
from tutorial_lib.data.splits import leave_last_out
from tutorial_lib.errors import TutorialError
from tutorial_lib.models import build_model
from tutorial_lib.models.mamba import CausalConv, ssd_chunked, ssd_recurrence
from tutorial_lib.models.ssd4rec import SSD4Rec, places
from tutorial_lib.train import train

TIGHT = {"atol": 1e-11, "rtol": 1e-9}
NUM_ITEMS, LENGTHS = 30, (5, 1, 12, 2, 8, 8, 3)
ROW = sum(LENGTHS)


def histories(seed=0):
    generator = torch.Generator().manual_seed(seed)
    items = torch.randint(1, NUM_ITEMS + 1, (len(LENGTHS), 12), generator=generator)
    return items * (torch.arange(12) < torch.tensor(LENGTHS)[:, None])


def make(name="ssd4rec", **options):
    """In float64, and with larger weights than at the start, so that a leak would show."""
    sizes = {"num_items": NUM_ITEMS, "max_len": 12, "dim": 8, "state": 3, "heads": 2}
    model = build_model(name, **sizes, seed=1, **options).double().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(5)
    return model


def value_and_gradients(model, states):
    """States [N, d], and what a weighted sum of them says to each parameter."""
    generator = torch.Generator().manual_seed(3)
    weights = torch.randn(states.shape, generator=generator, dtype=torch.double)
    return [states, *torch.autograd.grad((states * weights).sum(), list(model.parameters()))]


def by_hand(model, items, aligned):
    """The states of one history [n] from plain blocks and `flip`: no registers, no index. [n, d]"""
    x = model.norm(model.item_embedding(items[None]))
    for layer in model.layers:
        block, beta = layer.mixer.ssd, layer.mixer.beta
        back = block(x.flip(1))
        back = back.flip(1) if aligned else back
        x = layer.norm1(block(x) + beta * back + x)
        x = layer.norm2(x + layer.feed_forward(x))
    return x[0]


@pytest.mark.parametrize("aligned", [False, True])
@pytest.mark.parametrize("chunk", [1, 4, 64])
def test_packed_is_padded_is_one_by_one(aligned, chunk):
    items, results = histories(), []
    for packed in (True, False):
        model = make(packed=packed, aligned=aligned, chunk=chunk, beta=0.7)
        states = model(items)
        assert states.shape == (len(LENGTHS), 12, 8) and not states[items == 0].any()
        results.append(value_and_gradients(model, states[items > 0]))
    alone = [by_hand(model, row[row > 0], aligned) for row in items]
    results.append(value_and_gradients(model, torch.cat(alone)))
    for one, other, wanted in zip(*results, strict=True):
        torch.testing.assert_close(one, wanted, **TIGHT)
        torch.testing.assert_close(other, wanted, **TIGHT)
    without = make(aligned=aligned, chunk=chunk, beta=0)(items)[items > 0]
    assert (without - results[0][0]).abs().amax(dim=1).min() > 1e-3  # the way back counts


def test_one_row_without_pads():
    model, seen = make(), []
    for layer in model.layers:
        layer.register_forward_hook(lambda _, given, __: seen.append(given))
    model(histories())
    for x, place, turned in seen:
        assert x.shape == (1, ROW, 8) and len(seen) == 2
        assert place[0].tolist() == [i for n in LENGTHS for i in range(n)]
        start = [sum(LENGTHS[:b]) for b in range(len(LENGTHS))]
        wanted = [s + n - 1 - i for s, n in zip(start, LENGTHS, strict=True) for i in range(n)]
        assert turned[0].tolist() == wanted


@pytest.mark.parametrize("aligned", [False, True])
@pytest.mark.parametrize("chunk", [3, 64])
def test_no_neighbour_passes_a_border(aligned, chunk):
    model, items = make(aligned=aligned, chunk=chunk, beta=0.7), histories()
    before = model(items)
    real = items > 0
    row, number = items[real][None], torch.arange(len(items))[:, None].expand_as(items)[real]
    for b in range(len(items)):
        changed = torch.where(real, items % NUM_ITEMS + 1, items)
        changed[b] = items[b]
        after = model(changed)
        assert torch.equal(after[b], before[b])  # both neighbours changed, and no bit moved
        others = torch.arange(len(items)) != b
        assert (after[others] - before[others])[real[others]].abs().amax(dim=1).min() > 1e-6
        # the test can fail: with one register for the whole row the neighbours do get through
        place, turned = places(torch.ones_like(row, dtype=torch.bool))
        leaking = [
            model.through_layers(given[real][None], place, turned) for given in (items, changed)
        ]
        assert (leaking[0] - leaking[1])[0, number == b].abs().min() > 0


@pytest.mark.parametrize("chunk", [1, 3, 8, 64])
def test_the_state_starts_anew_at_each_register(chunk):
    """`ssd_chunked` on one row against `ssd_recurrence` on each history alone."""
    torch.manual_seed(0)
    shapes = (2, ROW, 2, 4), (2, ROW, 2), (2,), (2, ROW, 3), (2, ROW, 3)
    x, delta, A, B, C = (torch.randn(shape, dtype=torch.double) for shape in shapes)
    delta, A = F.softplus(delta), -A.exp()
    operands = [tensor.requires_grad_() for tensor in (x, delta, A, B, C)]
    place = torch.cat([torch.arange(n) for n in LENGTHS]).repeat(2, 1)
    cut = [t.split(LENGTHS, dim=1) if t.dim() > 1 else [t] * len(LENGTHS) for t in operands]
    alone = torch.cat([ssd_recurrence(*part) for part in zip(*cut, strict=True)], dim=1)
    together = ssd_chunked(*operands, chunk=chunk, place=place)
    weights = torch.randn_like(alone)
    torch.testing.assert_close(together, alone, **TIGHT)
    for one, other in zip(
        torch.autograd.grad((together * weights).sum(), operands),
        torch.autograd.grad((alone * weights).sum(), operands),
        strict=True,
    ):
        torch.testing.assert_close(one, other, **TIGHT)
    assert not torch.allclose(ssd_chunked(*operands, chunk=chunk), alone, atol=0.01)


@pytest.mark.parametrize("width", [1, 2, 4])
def test_the_convolution_starts_anew_at_each_register(width):
    torch.manual_seed(0)
    conv, x = CausalConv(5, width), torch.randn(1, ROW, 5)
    place = torch.cat([torch.arange(n) for n in LENGTHS])[None]
    alone = torch.cat([conv(part) for part in x.split(LENGTHS, dim=1)], dim=1)
    torch.testing.assert_close(conv(x, place), alone)
    assert torch.allclose(conv(x), alone) == (width == 1)


@pytest.mark.parametrize("packed", [True, False])
def test_the_forward_half_is_mamba4rec(packed):
    items = histories()
    ours, theirs = make(beta=0, packed=packed), make("mamba4rec")
    assert [w.tolist() for w in ours.parameters()] == [w.tolist() for w in theirs.parameters()]
    torch.testing.assert_close(ours(items)[items > 0], theirs(items)[items > 0], **TIGHT)


@pytest.mark.parametrize("aligned", [False, True])
def test_what_the_way_back_has_met_at_the_last_event(aligned):
    """As published it has met the whole history; aligned, in one layer, the last event alone."""
    both, ahead = (make(beta=beta, blocks=1, aligned=aligned).layers[0].mixer for beta in (1, 0))
    x = torch.randn(1, 9, 8, dtype=torch.double, generator=torch.Generator().manual_seed(0))
    place, turned = places(torch.ones(1, 9, dtype=torch.bool))
    x.requires_grad_()
    back = (both(x, place, turned) - ahead(x, place, turned))[0, -1]
    (met,) = torch.autograd.grad(back.square().sum(), x)
    assert (met.abs().amax(dim=(0, 2)) > 1e-12).tolist() == [not aligned] * 8 + [True]


def test_the_mask_hides_events_while_training():
    model, items, seen = make(mask=0.3, dropout=0.0), histories().repeat(40, 1), []
    model.item_embedding.register_forward_hook(lambda _, given, __: seen.append(given[0]))
    torch.manual_seed(0)
    plain, hidden = model(items), model.train()(items)
    assert torch.equal(seen[0][0], items[items > 0])
    gone = seen[1][0] == 0
    share, error = gone.double().mean(), (0.3 * 0.7 / len(gone)) ** 0.5
    assert abs(share - 0.3) < 4 * error and torch.equal(seen[1][0][~gone], items[items > 0][~gone])
    assert hidden[items > 0].abs().amax(dim=1).min() > 0  # who is hidden keeps its place
    assert not torch.allclose(plain, hidden)
    assert torch.equal(make(dropout=0.0).train()(items), plain)  # off unless asked for


def test_a_loss_at_every_position_copies_the_target():
    """Random items that no one can foretell: log 8 is the least for an honest loss."""
    losses = {}
    for every in (True, False):
        torch.manual_seed(0)
        model = SSD4Rec(8, 6, 16, beta=1.0, aligned=True, blocks=1, state=4, dropout=0.0)
        optimizer = torch.optim.Adam(model.parameters(), lr=0.03)
        for _ in range(60):
            items = torch.randint(1, 9, (64, 7))
            states = model(items[:, :-1])
            kept = slice(None, -1) if every else slice(-1, None)
            scores = model.score(states)[:, kept, 1:]
            loss = F.cross_entropy(scores.flatten(0, 1), items[:, 1:][:, kept].flatten() - 1)
            optimizer.zero_grad(), loss.backward(), optimizer.step()
        losses[every] = loss.item()
    assert losses[True] < 0.5 * math.log(8) and losses[False] > 0.9 * math.log(8)


def test_overfits_eight_histories_by_prefixes_and_by_nothing_else():
    rng = np.random.default_rng(0)
    items = np.stack([np.r_[u, rng.integers(0, 20, 7)] for u in range(8)])  # no two start alike
    table = {"user": np.repeat(np.arange(8), 8), "item": items.ravel(), "timestamp": np.arange(64)}
    split = leave_last_out(make_dataset("toy", pd.DataFrame(table)))
    sizes = {"num_items": split.dataset.num_items, "max_len": 8, "dim": 32, "dropout": 0.0}
    model = build_model("ssd4rec", **sizes)
    with pytest.raises(TutorialError, match="learns from windows='prefixes' alone and got"):
        train(model, split, TrainConfig(windows="all"))
    many = {"epochs": 80, "evaluate_every": 80, "batch_size": 20, "learning_rate": 0.01}
    # they need not be asked for
    (row,) = train(model, split, TrainConfig(**many), device="cpu", progress=False).rows
    assert row["loss"] < 0.1


def test_number_of_parameters():
    """One block for both directions: as many as Mamba4Rec, whose test counts them by hand."""
    block = 64 * 324 + 5 * 192 + 12 + 128 + 128 * 64 + 4 * 64 + 64 * 256 + 256 + 256 * 64 + 64
    total = 101 * 64 + 128 + 2 * block
    assert sum(p.numel() for p in SSD4Rec(100, 50).parameters()) == total
    masked = SSD4Rec(100, 50, mask=0.5)
    assert sum(p.numel() for p in masked.parameters()) == total + 64
    masked(torch.arange(1, 51)[None])[:, -1].square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in masked.parameters())
    assert masked.item_embedding.weight.grad[0].abs().sum() == 0
    assert [layer.residual for layer in SSD4Rec(9, 6, 8, blocks=1).layers] == [True]


@pytest.mark.parametrize("options", [{"mask": 1.0}, {"mask": -0.1}, {"beta": -1.0}, {"heads": 5}])
def test_refuses(options):
    with pytest.raises(TutorialError):
        SSD4Rec(9, 6, 8, **options)
