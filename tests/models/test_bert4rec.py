"""BERT4Rec: both sides are read, what is asked is hidden, and [mask] is no item."""

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from tutorial_lib.config import TrainConfig
from tutorial_lib.data.events import make_dataset
from tutorial_lib.data.sequences import Batch, training_batches
from tutorial_lib.data.splits import leave_last_out
from tutorial_lib.errors import TutorialError
from tutorial_lib.evaluate import evaluate
from tutorial_lib.models import build_model
from tutorial_lib.train import train

ITEMS, LENGTH, DIM = 30, 9, 16


def make(**options):
    model = build_model("bert4rec", num_items=ITEMS, max_len=LENGTH, dim=DIM, seed=1, **options)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(5)  # larger weights than at the start, so that all paths show
        model.item_bias.normal_(generator=torch.Generator().manual_seed(3))
    return model.eval()


def draw(batch=4, seed=0):
    return torch.randint(
        1, ITEMS + 1, (batch, LENGTH), generator=torch.Generator().manual_seed(seed)
    )


def batch_of(items, targets):
    times = torch.zeros_like(items)
    users, lengths = torch.arange(len(items)), (items > 0).sum(1)
    return Batch(items, times, times, targets, users, lengths)


def toy_split():
    rng, rows = np.random.default_rng(0), []
    for user in range(40):
        start = rng.integers(ITEMS)
        rows += [(user, (start + step) % ITEMS, 1_600_000_000 + step) for step in range(10)]
    return leave_last_out(
        make_dataset("toy", pd.DataFrame(rows, columns=["user", "item", "timestamp"]))
    )


def test_later_events_change_earlier_states():
    model, items = make(), draw()
    changed = items.clone()
    changed[:, 6] = changed[:, 6] % ITEMS + 1
    before, after = model(items), model(changed)
    assert before.shape == (4, LENGTH, DIM)
    assert ((before - after).abs().amax(dim=(0, 2)) > 1e-3).all()


def test_the_last_state_is_that_of_the_mask():
    """Whatever stood behind the history is hidden: only that it is asked there counts."""
    model, items = make(), draw()
    hidden = torch.zeros(4, LENGTH + 1, dtype=torch.bool)
    hidden[:, -1] = True
    for behind in (0, 7):
        whole = F.pad(items, (0, 1), value=behind)
        torch.testing.assert_close(model.encode(whole, hidden)[:, -1], model(items)[:, -1])


def test_equals_torchs_encoder_layer():
    ours = make(heads=4)
    items, length = draw(), torch.tensor([9, 1, 4, 7])
    items[torch.arange(LENGTH) >= length[:, None]] = 0
    # [mask] as one more row of the table, where the paper has it
    table = torch.cat([ours.item_embedding.weight, ours.mask[None]])
    whole = F.pad(items, (0, 1))
    whole[torch.arange(4), length] = ITEMS + 1
    x = table[whole] + ours.position_embedding.weight
    for block in ours.blocks:
        theirs = nn.TransformerEncoderLayer(
            DIM, 4, 4 * DIM, 0.0, F.gelu, norm_first=False, batch_first=True
        )
        named = {
            "self_attn.in_proj_": block.attention.qkv,
            "self_attn.out_proj.": block.attention.out,
        }
        named |= {
            "linear1.": block.feed_forward.layers[0],
            "linear2.": block.feed_forward.layers[3],
        }
        named |= {"norm1.": block.norm1, "norm2.": block.norm2}
        theirs.load_state_dict(
            {
                name + kind: getattr(part, kind)
                for name, part in named.items()
                for kind in ("weight", "bias")
            }
        )
        x = theirs.eval()(x, src_key_padding_mask=whole == 0)
    wanted = F.gelu(ours.out(x))[torch.arange(4), length]
    got = ours(items)[torch.arange(4), length - 1]
    torch.testing.assert_close(got, wanted, atol=1e-5, rtol=1e-5)
    scores = wanted @ table[: ITEMS + 1].T + ours.item_bias
    torch.testing.assert_close(ours.score(got)[:, 1:], scores[:, 1:], atol=1e-4, rtol=1e-4)


class TestHide:
    def test_shares(self):
        model = build_model(
            "bert4rec", num_items=9, max_len=20, dim=8, mask_share=0.3, last_share=0.25
        )
        real = torch.arange(20).expand(20_000, 20) < torch.randint(
            2, 21, (20_000, 1), generator=torch.Generator().manual_seed(1)
        )
        hidden = model.hide(real, torch.Generator().manual_seed(0))
        last = real & ~F.pad(real[:, 1:], (0, 1))
        assert not (hidden & ~real).any() and hidden.any(dim=1).all()
        # an event that is not the last: hidden by rho, in the windows that do not hide the last alone
        share = hidden[real & ~last].double().mean().item()
        assert share == pytest.approx(0.75 * 0.3, abs=0.004)
        full = real.all(
            dim=1
        )  # 1,000 windows of 20 events hide nothing by rho with probability 0.0008
        share = (hidden == last)[full].all(dim=1).double().mean().item()
        assert share == pytest.approx(0.25 + 0.75 * 0.3 * 0.7**19, abs=0.06)
        again = model.hide(real, torch.Generator().manual_seed(0))
        assert torch.equal(hidden, again)
        assert not torch.equal(hidden, model.hide(real, torch.Generator().manual_seed(1)))

    def test_ends(self):
        real = torch.tensor([[True, True, True], [True, True, False], [True, False, False]])
        generator = torch.Generator().manual_seed(0)
        sizes = {"num_items": 9, "max_len": 3, "dim": 8, "last_share": 0.0}
        everything = build_model("bert4rec", **sizes, mask_share=1.0).hide(real, generator)
        nothing = build_model("bert4rec", **sizes, mask_share=0.0).hide(real, generator)
        assert torch.equal(everything, real)  # but what is asked must be hidden
        assert nothing.nonzero().tolist() == [[0, 2], [1, 1], [2, 0]]

    @pytest.mark.parametrize("wrong", [{"mask_share": 1.2}, {"last_share": -0.1}])
    def test_shares_are_shares(self, wrong):
        with pytest.raises(TutorialError, match="shares lie between 0 and 1"):
            build_model("bert4rec", num_items=9, max_len=3, dim=8, **wrong)


class TestLoss:
    def test_asks_in_training_what_it_is_asked_later(self):
        """With the last event hidden alone, the loss is that of the next item after the history."""
        model, items = make(last_share=1.0), draw()
        items[1, 5:], items[2, 1:] = 0, 0
        targets = draw(seed=5) * (items > 0)
        rows, last = torch.arange(4), (items > 0).sum(1) - 1
        answer = targets[rows, last]
        scores = model.score(model(items)[rows, last])
        wanted = F.cross_entropy(scores[:, 1:], answer - 1)
        only_last = torch.zeros_like(targets)
        only_last[rows, last] = answer
        for given in (targets, only_last):  # "last" or "all", "prefixes": no shifted targets
            got = model.loss(batch_of(items, given), TrainConfig(), torch.Generator())
            torch.testing.assert_close(got, wanted)

    def test_is_the_mean_over_hidden_events_of_a_window(self):
        model, split = make(mask_share=0.5, last_share=0.0), toy_split()
        batch = next(training_batches(split, max_len=6, batch_size=8, seed=0, epoch=1))
        whole = torch.cat([batch.items[:, :1], batch.targets], dim=1)  # full windows
        assert (whole > 0).all()
        hidden = model.hide(whole > 0, torch.Generator().manual_seed(4))
        total = 0.0
        for row, place in hidden.nonzero().tolist():
            state = model.encode(whole[row : row + 1], hidden[row : row + 1])[0, place]
            total -= model.score(state).log_softmax(0)[whole[row, place]]
        got = model.loss(batch, TrainConfig(), torch.Generator().manual_seed(4))
        torch.testing.assert_close(got, total / hidden.sum())

    def test_what_is_hidden_is_not_read(self):
        model, items = make(), draw()
        hidden = torch.zeros(4, LENGTH, dtype=torch.bool)
        hidden[:, [2, 5]] = True
        other = torch.where(hidden, items % ITEMS + 1, items)
        assert torch.equal(model.encode(items, hidden), model.encode(other, hidden))

    @pytest.mark.parametrize("loss", ["bce", "gbce", "bpr", "sampled_ce"])
    def test_sampled_losses_are_finite_and_reach_the_bias(self, loss):
        model, items = make().train(), draw()
        config = TrainConfig(loss=loss, negatives=3)
        model.loss(
            batch_of(items, draw(seed=5)), config, torch.Generator().manual_seed(0)
        ).backward()
        for label, parameter in model.named_parameters():
            assert parameter.grad.isfinite().all() and parameter.grad.any(), label

    def test_one_set_of_negatives_for_all_is_refused(self):
        config = TrainConfig(loss="bce", shared_negatives=True)
        model = build_model("bert4rec", num_items=ITEMS, max_len=6, dim=8)
        with pytest.raises(
            TutorialError, match="BERT4Rec draws its negatives for each pair; leave"
        ):
            train(model, toy_split(), config, progress=False)


def test_mask_is_never_recommended():
    """Every state points at [mask], and no list holds it: the table has no such row."""
    split = toy_split()
    model = build_model("bert4rec", num_items=ITEMS, max_len=LENGTH, dim=DIM)
    with torch.no_grad():
        model.out.weight.zero_()
        model.out.bias.copy_(model.mask.copy_(torch.full((DIM,), 50.0)))
    assert model.item_embedding.num_embeddings == ITEMS + 1
    ranks = evaluate(model, split, "test", lists=ITEMS)
    assert ranks.lists.items.max() == ITEMS and (ranks.candidates <= ITEMS).all()
    scores = model.score(model(draw()))
    assert scores.shape[-1] == ITEMS + 1 and (scores[..., 0] == -torch.inf).all()


def test_learns_eight_sequences_by_heart_and_answers_for_them():
    model = build_model(
        "bert4rec", num_items=ITEMS, max_len=LENGTH, dim=32, seed=0, dropout=0.0
    ).train()
    items = draw(batch=8, seed=5)
    batch = batch_of(items[:, :-1], items[:, 1:])
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    generator, losses = torch.Generator().manual_seed(0), []
    for _ in range(600):
        loss = model.loss(batch, TrainConfig(), generator)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert sum(losses[-50:]) / 50 < 0.5  # of log 30 = 3.4; what is hidden differs each time
    scores = model.eval().score(model(items[:, :-1])[:, -1])
    assert torch.equal(scores.argmax(dim=1), items[:, -1])
    assert F.cross_entropy(scores, items[:, -1]) < 0.1


def test_trains_like_every_model():
    """Each item is followed by the next one: far above the 0.2 of an untrained model."""
    model = build_model("bert4rec", num_items=ITEMS, max_len=6, dim=32, dropout=0.0)
    config = TrainConfig(epochs=40, batch_size=8, learning_rate=3e-3, windows="all")
    history = train(model, toy_split(), config, progress=False)
    assert history.best_ndcg > 0.5
    assert history.rows[-1]["loss"] < 0.6 * history.rows[0]["loss"]


def test_parameter_count():
    """V+1 items, L+1 positions and [mask] of width d; a block: 4d^2 + 4d attention, 2dh + d + h
    feed-forward, 4d norms; d^2 + d of the projection and V+1 biases.
    """
    items, length, dim = 3416, 200, 64
    model = build_model("bert4rec", num_items=items, max_len=length, dim=dim)
    hidden = 4 * dim
    block = 4 * dim * dim + 4 * dim + 2 * dim * hidden + dim + hidden + 4 * dim
    table = (items + 1 + length + 1 + 1) * dim
    expected = table + 2 * block + dim * dim + dim + items + 1
    assert sum(p.numel() for p in model.parameters()) == expected == 339_161
