"""Rating prediction: a low-rank table is learned, the mean is beaten where there is something to
learn and only there.
"""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from tutorial_lib.data.events import make_dataset
from tutorial_lib.data.splits import leave_last_out
from tutorial_lib.errors import TutorialError
from tutorial_lib.models import build_model
from tutorial_lib.ratings import Ratings, predict, rmse, split_ratings, train_ratings
from tutorial_lib.train import TrainConfig, learning_rate_at, make_optimizer

USERS, ITEMS = 80, 60
CONFIG = TrainConfig(epochs=20, batch_size=128, learning_rate=0.02, weight_decay=0.3)


def world(taste=1.0, bias=0.5, noise=0.2, seed=0):
    """Training, validation and test ratings of a table of rank 2 plus biases plus noise, each pair
    once.
    """
    rng = np.random.default_rng(seed)
    table = 3 + bias * (rng.normal(size=(USERS, 1)) + rng.normal(size=ITEMS))
    table = table + taste * rng.normal(size=(USERS, 2)) @ rng.normal(size=(2, ITEMS))
    table += noise * rng.normal(size=table.shape)
    order = rng.permutation(USERS * ITEMS)
    users, items = order // ITEMS, order % ITEMS
    cuts = np.split(np.arange(len(order)), [3000, 3600])
    return [
        Ratings(users[c], items[c] + 1, table[users[c], items[c]].astype(np.float32)) for c in cuts
    ]


def trained(name, parts, config=CONFIG, dim=8):
    model = build_model(name, num_items=ITEMS, num_users=USERS, max_len=1, dim=dim, ratings=True)
    return model, train_ratings(model, parts[0], parts[1], config)


@pytest.mark.parametrize("name", ["mf", "neumf"])
def test_beats_mean_and_biases_on_a_low_rank_table(name):
    parts = world()
    test = parts[2]
    model, rows = trained(name, parts)
    spread, error = rmse(parts[0].values.mean(), test), rmse(predict(model, test), test)
    assert spread == pytest.approx(test.values.std(), rel=0.01) and spread > 1.2
    assert error < 0.5 * spread  # biases alone leave the tastes, about 1.4 of it
    assert rows[-1]["loss"] < rows[0]["loss"] and len(rows) == CONFIG.epochs


def test_nothing_to_learn_but_noise():
    """Where ratings are pure noise no honest model beats their spread, and selection on validation
    does not pretend so.
    """
    parts = world(taste=0, bias=0, noise=1.0)
    model, _ = trained("mf", parts)
    assert rmse(predict(model, parts[2]), parts[2]) > 0.98 * parts[2].values.std()


def test_the_best_epoch_on_validation_is_kept():
    parts = world(noise=1.5)
    model, rows = trained("mf", parts, TrainConfig(epochs=25, batch_size=64, learning_rate=0.05))
    errors = [row["rmse"] for row in rows]
    assert min(errors) < errors[-1]  # it overfits, so that the choice matters
    assert rmse(predict(model, parts[1]), parts[1]) == pytest.approx(min(errors), abs=1e-6)


def test_same_seed_same_bits():
    parts = world()
    few = TrainConfig(epochs=2, batch_size=256, learning_rate=0.02, seed=5)
    first, again, other = (
        predict(trained("mf", parts, c)[0], parts[2]) for c in (few, few, TrainConfig(epochs=2))
    )
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_the_common_loop_does_what_a_loop_of_its_own_would():
    """Order, steps, learning rates and choice of the weights, written out: the same bits."""
    parts, config = world(), replace(CONFIG, epochs=3, schedule="cosine", seed=4)
    model, rows = trained("neumf", parts, config)
    plain = build_model("neumf", num_items=ITEMS, num_users=USERS, max_len=1, dim=8, ratings=True)
    users, items, stars = map(torch.from_numpy, vars(parts[0]).values())
    with torch.no_grad():
        plain.rating_mean.fill_(stars.mean())
    optimizer, generator = make_optimizer(plain, config), torch.Generator().manual_seed(4)
    steps, errors, weights = -(-len(stars) // config.batch_size), [], []
    for epoch in range(3):
        order = torch.randperm(len(stars), generator=generator).split(config.batch_size)
        for step, index in enumerate(order, start=1):
            for group in optimizer.param_groups:
                group["lr"] = learning_rate_at(config, epoch + step / steps)
            error = plain.predict(users[index], items[index]) - stars[index]
            optimizer.zero_grad()
            error.square().mean().backward()
            optimizer.step()
        errors.append(rmse(predict(plain, parts[1]), parts[1]))
        weights.append({name: value.clone() for name, value in plain.state_dict().items()})
    assert [row["rmse"] for row in rows] == errors
    best = weights[int(np.argmin(errors))]
    assert all(torch.equal(value, best[name]) for name, value in model.state_dict().items())


def test_unknown_users_get_mean_and_item_bias():
    parts = world()
    keep = parts[0].users < 70
    train = Ratings(parts[0].users[keep], parts[0].items[keep], parts[0].values[keep])
    for name in ("mf", "neumf"):
        model, _ = trained(name, [train, *parts[1:]])
        items = torch.arange(1, ITEMS + 1)
        got = model.predict(torch.full((ITEMS,), 75), items)
        torch.testing.assert_close(got, model.rating_mean + model.item_bias[1:])
        assert model.rating_mean.item() == pytest.approx(train.values.mean())


def test_rmse_by_hand():
    ratings = Ratings(np.array([0, 1]), np.array([1, 2]), np.array([4.0, 1.0], dtype=np.float32))
    assert rmse(4.0, ratings) == pytest.approx(np.sqrt(4.5))
    assert rmse(np.array([1.0, 5.0]), ratings) == pytest.approx(np.sqrt((9 + 16) / 2))


def test_ratings_of_a_split():
    events = pd.DataFrame(
        {
            "user": [0] * 4 + [1] * 3,
            "item": [5, 6, 7, 8, 8, 6, 5],
            "timestamp": [1, 2, 3, 4, 1, 2, 3],
        }
    )
    split = leave_last_out(make_dataset("rated", events.assign(rating=[1.0, 2, 3, 4, 5, 2.5, 3.5])))
    assert split_ratings(split, "train").values.tolist() == [1, 2, 5]
    assert split_ratings(split, "valid").values.tolist() == [3, 2.5]
    assert (
        split_ratings(split, "test").items.tolist(),
        split_ratings(split, "test").users.tolist(),
    ) == ([4, 1], [0, 1])
    with pytest.raises(TutorialError, match="unrated has no ratings"):
        split_ratings(leave_last_out(make_dataset("unrated", events)), "train")


def test_user_errors():
    parts = world()
    with pytest.raises(TutorialError, match="ratings=True"):
        train_ratings(
            build_model("mf", num_items=ITEMS, num_users=USERS, max_len=1), *parts[:2], CONFIG
        )
    hole = Ratings(
        parts[0].users, parts[0].items, np.where(parts[0].users == 3, np.nan, parts[0].values)
    )
    with pytest.raises(TutorialError, match="ratings are missing"):
        trained("mf", [hole, *parts[1:]])
    with pytest.raises(TutorialError, match="lower the learning rate"):
        trained("mf", parts, TrainConfig(epochs=2, learning_rate=1e30))
