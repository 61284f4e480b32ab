"""Matrix factorization and NeuMF: scores by hand, live parameters, training on pairs, users who
were never seen.
"""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F

from tutorial_lib.data.events import make_dataset
from tutorial_lib.data.sequences import Batch
from tutorial_lib.data.splits import leave_last_out, temporal_split
from tutorial_lib.errors import TutorialError
from tutorial_lib.evaluate import evaluate
from tutorial_lib.experiments.runs import Run
from tutorial_lib.experiments.training import execute
from tutorial_lib.models import MODELS, build_model, model_options
from tutorial_lib.train import TrainConfig, make_optimizer, train

USERS, ITEMS = 6, 9
BOTH = ["mf", "neumf"]


def make(name, dim=8, seed=1, **options):
    """A model with arbitrary weights: zero users would hide most of it."""
    model = build_model(
        name, num_items=ITEMS, num_users=USERS, max_len=5, dim=dim, seed=seed, **options
    )
    with torch.no_grad():
        for label, parameter in sorted(model.named_parameters()):
            parameter.normal_(generator=torch.Generator().manual_seed(seed + sum(map(ord, label))))
        model.item_embedding.weight[0] = 0
    return model.eval()


def states_of(model, users):
    return model(torch.ones(len(users), 3, dtype=torch.long), users=users)


def two_groups(users=24, size=6, taken=4, seed=0):
    """Each user takes some of the items of their half of the catalogue, in random order."""
    rng = np.random.default_rng(seed)
    rows = [
        (u, item + size * (u % 2), 1_700_000_000 + 10 * i)
        for u in range(users)
        for i, item in enumerate(rng.permutation(size)[:taken])
    ]
    return make_dataset("two groups", pd.DataFrame(rows, columns=["user", "item", "timestamp"]))


@pytest.mark.parametrize("at_once", [1, 7, 12])
def test_neumf_in_pieces_of_the_catalogue_is_neumf(at_once, monkeypatch):
    model, users = make("neumf"), torch.tensor([1, 0, 3])
    whole, items = model.score(states_of(model, users)), torch.tensor([[1, 2, 3, 4, 5]] * 3)
    some = model.score_items(states_of(model, users), items)
    monkeypatch.setattr("tutorial_lib.kernels.pairs.PAIRS_AT_ONCE", at_once)
    torch.testing.assert_close(model.score(states_of(model, users)), whole)
    torch.testing.assert_close(model.score_items(states_of(model, users), items), some)


def test_mf_by_hand():
    model = build_model("mf", num_items=2, num_users=2, max_len=3, dim=2, ratings=True)
    with torch.no_grad():
        model.user_embedding.weight.copy_(torch.tensor([[1.0, 2.0], [0.0, -1.0]]))
        model.item_embedding.weight.copy_(torch.tensor([[0.0, 0.0], [3.0, 1.0], [0.5, -2.0]]))
        model.item_bias.copy_(torch.tensor([9.0, 0.25, -1.0]))
        model.user_bias.copy_(torch.tensor([0.5, -0.5]))
        model.rating_mean.fill_(3.0)
    scores = model.score(states_of(model, torch.tensor([1, 0])))
    assert scores.tolist() == [[-torch.inf, -0.75, 1.0], [-torch.inf, 5.25, -4.5]]
    assert model.predict(torch.tensor([0, 1]), torch.tensor([1, 2])).tolist() == [
        3 + 0.5 + 5.25,
        3 - 0.5 + 1.0,
    ]


def test_neumf_by_hand():
    """Width 4: product of width 2, then ReLU layers 4 -> 2 -> 1, and the weights of the last sum."""
    model = build_model("neumf", num_items=1, num_users=1, max_len=3, dim=4, blocks=2)
    with torch.no_grad():
        model.user_embedding.weight.copy_(torch.tensor([[1.0, 2.0, 1.0, 0.0]]))  # p, then p'
        model.item_embedding.weight[1] = torch.tensor([3.0, -1.0, 2.0, 1.0])  # q, then q'
        model.layers[0].weight.copy_(torch.tensor([[1.0, 1.0, 1.0, 1.0], [0.0, 0.0, 0.0, -1.0]]))
        model.layers[0].bias.copy_(torch.tensor([0.5, 0.0]))
        model.layers[1].weight.copy_(torch.tensor([[2.0, 7.0]]))
        model.layers[1].bias.fill_(-1.0)
        model.out.weight.copy_(torch.tensor([[1.0, 0.5, 0.1]]))
        model.item_bias[1] = 0.25
    # products 3 and -2; first layer 1 + 0 + 2 + 1 + 0.5 = 4.5 and relu(-1) = 0; second 2 * 4.5 - 1
    # = 8
    score = model.score(states_of(model, torch.tensor([0])))
    torch.testing.assert_close(score[0, 1], torch.tensor(1.0 * 3 + 0.5 * -2 + 0.1 * 8 + 0.25))


def test_neumf_equals_the_concatenation_of_the_paper():
    model, users, items = make("neumf", dim=16), torch.tensor([0, 4, 5]), torch.tensor([7, 1, 3])
    user, item = model.user_embedding(users), model.item_embedding(items)
    hidden = torch.cat([user[:, 8:], item[:, 8:]], dim=1)
    widths = []
    for layer in model.layers:
        hidden = F.relu(layer(hidden))
        widths.append(hidden.shape[1])
    wanted = (
        model.out(torch.cat([user[:, :8] * item[:, :8], hidden], dim=1))[:, 0]
        + model.item_bias[items]
    )
    assert widths == [8, 4, 2]
    torch.testing.assert_close(model.score(user).gather(1, items[:, None])[:, 0], wanted)


@pytest.mark.parametrize("name", BOTH)
class TestInterface:
    def test_shapes_and_agreement(self, name):
        model, users = make(name), torch.tensor([3, 0, 5, 3])
        states = states_of(model, users)
        scores = model.score(states)
        assert states.shape == (4, 8) and scores.shape == (4, ITEMS + 1)
        assert (
            (scores[:, 0] == -torch.inf).all()
            and scores[:, 1:].isfinite().all()
            and torch.equal(scores[0], scores[3])
        )
        chosen = torch.tensor([[1, 7, ITEMS]]).repeat(4, 1)
        for some in (chosen, chosen[:, 1:2]):
            torch.testing.assert_close(model.score_items(states, some), scores.gather(1, some))
        assert model.score(states[:, None]).shape == (4, 1, ITEMS + 1)
        assert MODELS[name].uses_users and not MODELS[name].uses_time

    def test_histories_do_not_matter_users_do(self, name):
        model, users = make(name), torch.tensor([1, 2])
        once, again = (
            model(torch.ones(2, 3, dtype=torch.long), users=users),
            model(torch.full((2, 5), 4), users=users),
        )
        assert torch.equal(once, again) and not torch.equal(once[0], once[1])

    @pytest.mark.parametrize("loss", ["ce", "bce", "bpr", "sampled_ce"])
    def test_every_parameter_is_live(self, name, loss):
        model = make(name).train()
        batch = batch_of_all()
        config = TrainConfig(loss=loss, negatives=3)
        model.loss(batch, config, torch.Generator().manual_seed(0)).backward()
        for label, parameter in model.named_parameters():
            assert (
                parameter.grad is not None
                and parameter.grad.isfinite().all()
                and parameter.grad.abs().sum() > 0
            ), label
        assert model.item_embedding.weight.grad[0].abs().sum() == 0 == model.item_bias.grad[0]

    def test_every_parameter_of_the_rating_head_is_live(self, name):
        model = make(name, ratings=True)
        grid = torch.cartesian_prod(torch.arange(USERS), torch.arange(1, ITEMS + 1))
        (model.predict(*grid.T) - 3).square().mean().backward()
        for label, parameter in model.named_parameters():
            assert parameter.grad is not None and parameter.grad.abs().sum() > 0, label

    def test_softmax_over_users_is_that_over_positions(self, name):
        """All targets of a user share one row of logits: the loss is that of one row for each pair."""
        model, batch = make(name), batch_of_all()
        user, place = (batch.targets > 0).nonzero().T
        logits = model.score(states_of(model, batch.users[user]))
        wanted = F.cross_entropy(logits[:, 1:], batch.targets[user, place] - 1)
        torch.testing.assert_close(model.loss(batch, TrainConfig(), torch.Generator()), wanted)

    def test_overfits_the_training_pairs(self, name):
        data = two_groups()
        split = leave_last_out(data)
        model = build_model(name, num_items=12, num_users=24, max_len=10, dim=32, seed=0)
        optimizer = make_optimizer(model, TrainConfig(learning_rate=0.05))
        users, items = (torch.tensor(split.train[column].to_numpy()) for column in ("user", "item"))
        for _ in range(80):
            loss = (
                -model.score(model.user_embedding(users))
                .log_softmax(1)
                .gather(1, items[:, None])
                .mean()
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        # two items a user, equally often: no model can do better than ln 2
        assert loss.item() < np.log(2) + 0.02

    @pytest.mark.parametrize("loss", ["ce", "bpr"])
    def test_train_learns_who_likes_what(self, name, loss):
        split = leave_last_out(two_groups(users=60, size=12, taken=9))
        model = build_model(name, num_items=24, num_users=60, max_len=10, dim=16, seed=0)
        train(
            model,
            split,
            TrainConfig(loss=loss, epochs=20, batch_size=16, learning_rate=0.02),
            progress=False,
        )
        # Of the 16 items that a user has not seen, 4 are of the own group; who does not know the
        # user hits with 4 of 16.
        assert (evaluate(model, split, "test").rank <= 4).mean() > 0.9

    @pytest.mark.parametrize(
        "settings", [{}, {"averaging": 0.5}, {"weight_decay": 0.5, "loss": "bpr"}]
    )
    def test_users_without_training_events_get_the_item_bias(self, name, settings):
        events = two_groups().events
        late = events["user"] >= 20  # their first event lies after the cut
        split = temporal_split(
            make_dataset("late", events.assign(timestamp=events["timestamp"] + 10_000 * late))
        )
        assert (split.train_end - split.dataset.offsets[:-1])[20:].sum() == 0
        model = build_model(name, num_items=12, num_users=24, max_len=10, dim=8, seed=0)
        train(
            model,
            split,
            TrainConfig(epochs=3, batch_size=8, learning_rate=0.05, **settings),
            progress=False,
        )
        scores = model.score(states_of(model, torch.arange(24)))
        assert torch.equal(scores[20:, 1:], model.item_bias[1:].expand(4, -1))
        assert not torch.equal(scores[0, 1:], model.item_bias[1:]) and model.item_bias[1:].std() > 0

    def test_seed_decides_the_weights(self, name):
        first, again, other = (
            build_model(name, num_items=9, num_users=3, max_len=5, dim=4, seed=s) for s in (3, 3, 4)
        )
        assert all(
            torch.equal(a, b)
            for a, b in zip(first.state_dict().values(), again.state_dict().values(), strict=True)
        )
        assert not torch.equal(first.item_embedding.weight, other.item_embedding.weight)

    def test_weight_decay_reaches_the_tables_and_spares_the_biases(self, name):
        model = make(name)
        before = {label: p.clone() for label, p in model.named_parameters()}
        for parameter in model.parameters():
            parameter.grad = torch.zeros_like(parameter)
        make_optimizer(model, TrainConfig(learning_rate=0.1, weight_decay=0.5)).step()
        for label, parameter in model.named_parameters():
            shrinks = label.endswith("weight")
            torch.testing.assert_close(
                parameter, before[label] * (0.95 if shrinks else 1.0), msg=label
            )

    def test_user_errors(self, name, tmp_path):
        with pytest.raises(
            TutorialError, match="num_users must be a whole number of at least 1, got None"
        ):
            build_model(name, num_items=9, max_len=5)
        with pytest.raises(TutorialError, match="no option 'heats'"):
            build_model(name, num_items=9, num_users=3, max_len=5, heats=2)
        with pytest.raises(TutorialError, match="ratings=True"):
            make(name).predict(torch.tensor([0]), torch.tensor([1]))
        split = leave_last_out(two_groups())
        wrong = build_model(name, num_items=12, num_users=23, max_len=5, dim=4)
        with pytest.raises(
            TutorialError,
            match="built for 23 users and two groups has 24; give num_users=dataset.num_users",
        ):
            train(wrong, split)
        right = build_model(name, num_items=12, num_users=24, max_len=5, dim=4)
        with pytest.raises(TutorialError, match="leave shared_negatives out"):
            train(right, split, TrainConfig(loss="bce", shared_negatives=True))

    def test_a_run_takes_the_number_of_users_from_the_data(self, name, tmp_path):
        two_groups().events.to_csv(tmp_path / "groups.csv", index=False)
        run = Run(
            name,
            f"csv:{tmp_path}/groups.csv",
            "leave_last_out",
            dim=8,
            max_len=5,
            config=TrainConfig(epochs=2),
        )
        row = execute(run, tmp_path / "out", progress=False, sampled=0)
        assert row["epochs"] == 2 and 0 < row["hr@10"] <= 1
        assert Run.from_configuration(row["configuration"]) == replace(
            run, options=model_options(name)
        )


def test_neumf_needs_an_even_width():
    with pytest.raises(TutorialError, match="dim=7"):
        build_model("neumf", num_items=9, num_users=3, max_len=5, dim=7)


def test_equal_widths_mean_equal_tables():
    """MF and NeuMF of the same width hold equally many numbers for users and items; NeuMF has its
    network on top.
    """
    mf, neumf = make("mf", dim=16), make("neumf", dim=16)
    network = (16 * 8 + 8) + (8 * 4 + 4) + (4 * 2 + 2) + (8 + 2)
    assert sum(p.numel() for p in mf.parameters()) == USERS * 16 + (ITEMS + 1) * 17
    assert sum(p.numel() for p in neumf.parameters()) == USERS * 16 + (ITEMS + 1) * 17 + network


def batch_of_all():
    """One training batch in which every user occurs and padding does too."""
    generator = torch.Generator().manual_seed(0)
    items = torch.randint(1, ITEMS + 1, (USERS, 5), generator=generator)
    targets = torch.randint(1, ITEMS + 1, (USERS, 5), generator=generator)
    targets[:2, 3:] = 0
    return Batch(items, items, items, targets, torch.arange(USERS), (targets > 0).sum(1))
