"""Popularity and age of items beside the scores of a network."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from tutorial_lib.config import TrainConfig
from tutorial_lib.data.events import make_dataset
from tutorial_lib.data.log import Log
from tutorial_lib.data.sequences import training_batches
from tutorial_lib.data.splits import temporal_split
from tutorial_lib.errors import TutorialError
from tutorial_lib.evaluate import evaluate, ndcg
from tutorial_lib.experiments.runs import Run, fresh_model
from tutorial_lib.models import build_model
from tutorial_lib.models.item_clock import BIN, HALF_LIVES, ItemClock
from tutorial_lib.train import train


def fashions(users: int = 150, items: int = 40, seed: int = 0):
    """Every day other items are popular, and taste is nothing."""
    rng, rows = np.random.default_rng(seed), []
    for user in range(users):
        days = np.sort(rng.choice(120, 12, replace=False))
        chosen = (days // 3 + rng.integers(0, 4, 12)) % items
        times = 1_600_000_000 + days * 86_400 + rng.integers(0, 80_000, 12)
        rows += [(user, *pair) for pair in zip(chosen, times, strict=True)]
    data = make_dataset("fashions", pd.DataFrame(rows, columns=["user", "item", "timestamp"]))
    return temporal_split(replace(data, repeats=True), targets="successive")


def model_of(split, live: bool = False, **options) -> ItemClock:
    sizes = {"num_items": split.dataset.num_items, "max_len": 10, "dim": 8}
    return ItemClock(build_model("sasrec", **sizes, **options), live)


def batch_of(split):
    return next(training_batches(split, max_len=10, batch_size=16, seed=0, epoch=1))


def test_before_training_it_scores_as_the_network_and_loses_the_same():
    split = fashions()
    model, batch = model_of(split), batch_of(split)
    model.fit_time(split)
    model.eval()
    torch.testing.assert_close(
        model.score(model.states(batch)), model.inner.score(model.inner.states(batch))
    )
    losses = [
        one.loss(batch, TrainConfig(), torch.Generator().manual_seed(0))
        for one in (model, model.inner)
    ]
    torch.testing.assert_close(*losses)


def test_features_by_hand():
    """At the beginning of the span in which a question falls."""
    split = fashions()
    model, batch = model_of(split), batch_of(split)
    model.fit_time(split)
    with torch.no_grad():
        model.weights.copy_(torch.tensor([1.0, 0.5, -2.0, 0.25]))
    model.eval()
    extra = model.score(model.states(batch)) - model.inner.score(model.inner.states(batch))
    log, asked = Log.of(split.train, model.num_items), batch.query_times[3, :4].numpy()
    moment = (asked - model.begin) // BIN * BIN + model.begin
    wanted = sum(
        w * np.log1p(log.counts(moment, days * 86_400))
        for w, days in zip((1, 0.5, -2), HALF_LIVES, strict=True)
    )
    age = log.age(moment) / 86_400
    wanted += 0.25 * np.log1p(np.where(np.isinf(age), 0, age))
    np.testing.assert_allclose(extra[3, :4, 1:].detach().numpy(), wanted[:, 1:], atol=1e-4)
    items = batch.targets[:, :, None].clamp(min=1)
    all_scores = model.score(model.states(batch))
    torch.testing.assert_close(
        model.score_items(model.states(batch), items), all_scores.gather(-1, items)
    )


@pytest.mark.parametrize("live", [False, True])
def test_nothing_after_the_question_changes_a_score(live):
    split = fashions()
    model = model_of(split, live)
    with torch.no_grad():
        model.weights.fill_(1.0)
    times = split.dataset.events["timestamp"].to_numpy()
    moment = int(np.quantile(times[split.test.row], 0.3))
    events = split.dataset.events.copy()
    later = (events["timestamp"] > moment).to_numpy()
    events.loc[later, "item"] = events.loc[later, "item"] % model.num_items + 1
    other = replace(split, dataset=replace(split.dataset, events=events))
    early = times[split.test.row] <= moment
    ranks = [evaluate(model, one, "test").rank for one in (split, other)]
    np.testing.assert_array_equal(ranks[0][early], ranks[1][early])
    assert early.sum() > 20 and not np.array_equal(*ranks)


def test_it_learns_fashions_and_live_is_ahead_of_frozen():
    """The network alone sees no calendar; frozen features are of the last day of training."""
    split, means = fashions(), {}
    config = TrainConfig(epochs=12, batch_size=16, learning_rate=0.02, windows="all")
    for name, model in (
        ("network", model_of(split).inner),
        ("frozen", model_of(split)),
        ("live", model_of(split, live=True)),
    ):
        train(model, split, config, device="cpu", progress=False)
        means[name] = ndcg(evaluate(model, split, "test")).mean()
    assert means["live"] > means["network"] + 0.1 and means["live"] > means["frozen"] + 0.1, means


def test_run_with_and_without():
    """Off by default: no name of a run changes, no model either."""
    plain, items = Run("sasrec"), Run("sasrec", item_clock="live")
    assert "item_clock" not in plain.configuration and plain.name != items.name
    assert Run.from_configuration(items.configuration).name == items.name
    split = fashions()
    assert type(fresh_model(replace(items, dim=8, max_len=9), split)) is ItemClock
    assert type(fresh_model(replace(plain, dim=8, max_len=9), split)).__name__ == "SASRec"
    for model in ("popularity", "mf", "bert4rec"):
        with pytest.raises(TutorialError, match="cannot take the clock of the items"):
            Run(model, item_clock="frozen")
    with pytest.raises(TutorialError, match="twin without a clock has no item_clock"):
        Run("tisasrec", clock="none", item_clock="frozen")
