"""Ratings: the running biases by hand, nothing looks at its own star, a head that learns, and
intervals over users.
"""

import numpy as np
import pandas as pd
import pytest
import torch

from studies import rating_claim
from studies.rating_claim import (
    TABLE,
    RatingHead,
    Stars,
    main,
    of_rows,
    predict_rows,
    resampled,
    root,
    running_biases,
    train_head,
    train_pairs,
)
from tutorial_lib.data.events import make_dataset
from tutorial_lib.data.sequences import training_batches
from tutorial_lib.data.splits import make_split

DAY = 86_400


def log_of(users=40, each=30, seed=0, liked=0.0):
    """Stars around 3; after an item from the lower half of the catalogue the next one is `liked`
    higher, else lower.
    """
    rng = np.random.default_rng(seed)
    items = np.array([rng.permutation(60)[:each] + 1 for _ in range(users)])
    before = np.concatenate(
        [np.zeros((users, 1)), np.where(items[:, :-1] <= 30, liked, -liked)], axis=1
    )
    stars = 3 + before + 0.1 * rng.normal(size=items.shape)
    times = 1_600_000_000 + np.arange(each) * DAY + rng.integers(0, DAY // 2, (users, 1))
    table = {
        "user": np.repeat(np.arange(users), each),
        "item": items.ravel(),
        "timestamp": times.ravel(),
    }
    return make_dataset("hand", pd.DataFrame(table | {"rating": stars.ravel().astype(np.float32)}))


def split_of(dataset):
    return make_split(dataset, "temporal", targets="successive")


def data_of(split, base=None):
    stars = split.dataset.events["rating"].to_numpy(np.float32)
    return Stars(split, stars, np.full(len(stars), 3, np.float32) if base is None else base)


def test_running_biases_equal_a_loop():
    split = split_of(log_of(users=6, each=12))
    events, known = split.dataset.events, set(split.train.index)
    rows = list(events.itertuples())
    mean = np.mean([row.rating for row in rows if row.Index in known])
    bias = {}
    for item in set(events["item"]):
        given = [row.rating - mean for row in rows if row.Index in known and row.item == item]
        bias[item] = sum(given) / (len(given) + 2)
    want = []
    for row in rows:
        past = [
            one.rating - mean - bias[one.item]
            for one in rows
            if one.user == row.user and one.Index < row.Index
        ]
        want.append(mean + bias[row.item] + sum(past) / (len(past) + 2))
    np.testing.assert_allclose(running_biases(split, shrink=2.0), want, atol=1e-6)


def test_no_prediction_looks_at_its_own_star_or_later_ones():
    dataset = log_of(users=8)
    split = split_of(dataset)
    row = int(split.test.row[3])
    changed = dataset.events.copy()
    # all behind the cut: no bias is fitted on them
    own = (changed["user"] == changed["user"][row]) & (changed.index >= row)
    changed.loc[own, "rating"] = np.float32(1)
    moved = np.abs(running_biases(split_of(make_dataset("hand", changed))) - running_biases(split))
    assert moved[: row + 1].max() < 1e-6 and moved[row + 1] > 0.01


def test_batches_of_rows_know_the_event_and_its_star():
    split = split_of(log_of(users=8))
    rows, events = of_rows(split), split.dataset.events
    for kind, plain in zip(
        *(training_batches(s, max_len=10, batch_size=4, seed=0, epoch=1) for s in (rows, split)),
        strict=True,
    ):
        item_of = np.concatenate([[0], events["item"]])
        assert np.array_equal(item_of[kind.items], plain.items) and np.array_equal(
            item_of[kind.targets], plain.targets
        )
        # never a star from after the cut
        assert int(kind.targets.max()) - 1 in set(split.train.index)


def test_a_head_learns_what_the_last_item_says(monkeypatch):
    monkeypatch.setitem(rating_claim.EPOCHS, "ss4rec", 10)
    split = split_of(log_of(users=50, liked=0.8))
    best, predicted = train_head(data_of(split), 0.01, 0.0, seed=0)
    truth = split.dataset.events["rating"].to_numpy()[split.test.row]
    # noise alone is 0.1
    assert truth.std() > 0.75 and best < 0.5 and root(predicted() - truth) < 0.5
    biases = train_pairs("mf", data_of(split), 0.01, 0.1, 0, frozen=True)[1]()
    assert root(biases - truth) > 0.7  # no bias can know it


def test_frozen_tables_leave_only_the_biases():
    split = split_of(log_of(users=20))
    predicted = train_pairs("mf", data_of(split), 0.01, 0.1, 0, frozen=True)[1]()
    table = pd.DataFrame(
        {
            "user": split.test.user,
            "item": split.dataset.events["item"].to_numpy()[split.test.row],
            "p": predicted,
        }
    )
    means = table["p"] - table.groupby("user")["p"].transform("mean")
    free = train_pairs("mf", data_of(split), 0.01, 0.1, 0)[1]()
    assert not np.allclose(free, predicted)
    pairs = table.assign(r=means).merge(table.assign(r=means), on="item")
    same = pairs[pairs["user_x"] < pairs["user_y"]]
    both = same.merge(same, on=["user_x", "user_y"])  # p(u, i) - p(u, j) must not depend on u
    moved = (both["p_x_x"] - both["p_x_y"]) - (both["p_y_x"] - both["p_y_y"])
    assert len(moved) > 20 and np.abs(moved).max() < 1e-5


def test_the_base_is_what_is_predicted_when_the_rest_is_silent():
    split = split_of(log_of(users=8))
    base = np.linspace(1, 5, len(split.dataset.events)).astype(np.float32)
    model = RatingHead(data_of(split, base), dropout=0.0, seed=0)
    with torch.no_grad():
        model.scale.zero_()
    np.testing.assert_allclose(
        predict_rows(model, of_rows(split), "test"), base[split.test.row], atol=1e-6
    )


def test_resampling_draws_users_and_not_ratings():
    user = np.repeat(np.arange(30), 200)
    # all errors of a user are alike: 30 users, not 6,000 ratings
    own = np.random.default_rng(0).normal(1, 0.3, 30)[user]
    draws = resampled({"a": own[None], "b": 2 * own[None]}, user, draws=500)
    np.testing.assert_allclose(draws["b"], 2 * draws["a"])  # the same draws for both
    assert draws["a"].mean() == pytest.approx(root(own), rel=0.02)
    assert draws["a"].std() == pytest.approx(
        (own[::200] ** 2).std() / 30**0.5 / 2 / root(own), rel=0.2
    )


def test_the_command_on_a_small_log(tmp_path, monkeypatch, capsys):
    events = log_of(users=30, each=15).events
    events.to_csv(tmp_path / "log.csv", index=False)
    monkeypatch.setattr(
        rating_claim,
        "GRID",
        {"mf": ((0.01, 0.1),), "neumf": ((0.01, 0.1),), "ss4rec": ((0.003, 0.1),)},
    )
    monkeypatch.setattr(rating_claim, "EPOCHS", {"mf": 1, "neumf": 1, "ss4rec": 2})
    call = [
        "--dataset",
        f"csv:{tmp_path / 'log.csv'}",
        "--seeds",
        "2",
        "--table",
        str(tmp_path / "t.csv"),
    ]
    assert main(call) == 0
    table = pd.read_csv(tmp_path / "t.csv")
    means = table[table["seed"] == "mean"].set_index("model")
    assert list(means.index) == [
        "mean",
        "running biases",
        "biases",
        "mf",
        "neumf",
        "ss4rec",
        "ss4rec, running",
    ]
    assert (
        means.loc["neumf", "below_neumf"] == 0
        and ((means["low"] < means["rmse"]) & (means["rmse"] < means["high"])).all()
    )
    assert len(table) == 7 + 2 + 5 * 2
    assert "s of CPU a run" in capsys.readouterr().out
    assert main(["--dataset", "sample"]) == 2 and "has no ratings" in capsys.readouterr().err
    assert main([*call, "--seeds", "0"]) == 2


def test_the_committed_table_is_whole():
    table = pd.read_csv(TABLE)
    means, single = (
        table[table["seed"] == "mean"].set_index("model"),
        table[table["seed"] != "mean"],
    )
    assert set(single.groupby("model").size()[["mf", "neumf", "ss4rec", "ss4rec, running"]]) == {5}
    for model, rows in single.groupby("model"):  # the mean over seeds is one of squared errors
        assert means.loc[model, "rmse"] == pytest.approx(root(rows["rmse"].to_numpy()), abs=1e-5)
        assert means.loc[model, "below_neumf"] == pytest.approx(
            1 - means.loc[model, "rmse"] / means.loc["neumf", "rmse"], abs=1e-4
        )
    assert means.loc["mean", "rmse"] == pytest.approx(means["sd_of_ratings"].iloc[0], abs=0.05)
