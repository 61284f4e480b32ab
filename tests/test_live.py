"""Live evaluation: what happened before the question is known, and nothing else."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tutorial_lib.data.events import make_dataset
from tutorial_lib.data.log import Log
from tutorial_lib.data.splits import temporal_split
from tutorial_lib.evaluate import evaluate
from tutorial_lib.models import build_model
from tutorial_lib.train import train


def split_of(seed: int = 0, users: int = 40, items: int = 25, repeats: bool = False):
    """Items come up one after the other, so that many targets are younger than the training."""
    rng, rows = np.random.default_rng(seed), []
    for user in range(users):
        days = np.sort(rng.integers(0, 60, 9))
        known = np.maximum(3, days * items // 60)
        chosen = (known - rng.integers(0, 12, 9)).clip(0)
        if not repeats:
            _, first = np.unique(chosen, return_index=True)
            days, chosen = days[np.sort(first)], chosen[np.sort(first)]
        rows += [(user, *pair) for pair in zip(chosen, days * 86_400 + user, strict=True)]
    events = pd.DataFrame(rows, columns=["user", "item", "timestamp"]).drop_duplicates()
    data = make_dataset("young", events, drop_short_users=True)
    return temporal_split(replace(data, repeats=repeats), valid=0.2, test=0.3, targets="successive")


def live_model(split, half_life: float = 3.0):
    options = {"half_life": half_life, "live": True}
    model = build_model("popularity", num_items=split.dataset.num_items, max_len=9, **options)
    train(model, split, progress=False)
    return model


@pytest.mark.parametrize("repeats", [False, True])
def test_equals_a_loop_over_targets(repeats):
    split = split_of(repeats=repeats)
    events = split.dataset.events
    items, times = events["item"].to_numpy(), events["timestamp"].to_numpy()
    ranks, rank = evaluate(live_model(split), split, "test"), []
    for start, row in zip(split.test.start, split.test.row, strict=True):
        known = times < times[row]
        score = np.zeros(split.dataset.num_items + 1)
        np.add.at(score, items[known], 0.5 ** ((times[row] - times[known]) / (3 * 86_400)))
        candidates = set(items[known].tolist())
        young = items[row] not in candidates
        if not repeats:
            candidates -= set(items[start:row].tolist())
        others = score[sorted(candidates - {items[row]})]
        own = -1 if young else score[items[row]]
        rank.append(1 + (others > own + 1e-12).sum() + (np.abs(others - own) <= 1e-12).sum() / 2)
    np.testing.assert_array_equal(ranks.rank, rank)
    assert len(set(rank)) > 5
    # targets that training has never seen are found, which a frozen model cannot
    unseen = ~split.train_items[items[split.test.row]]
    assert unseen.any() and (ranks.rank[unseen] <= 3).any()


def changed_from(split, moment: int):
    """Every event at or after a moment with another item, save the targets of that very moment."""
    events = split.dataset.events.copy()
    asked = np.isin(np.arange(len(events)), split.test.row)
    later = (events["timestamp"] > moment) | ((events["timestamp"] == moment) & ~asked)
    events.loc[later, "item"] = events.loc[later, "item"] % split.dataset.num_items + 1
    return replace(split, dataset=replace(split.dataset, events=events))


def ranks_before(split, moment: int, model) -> np.ndarray:
    times = split.dataset.events["timestamp"].to_numpy()[split.test.row]
    return evaluate(model, split, "test", filter_seen=False).rank[times <= moment]


def test_what_comes_at_or_after_the_question_changes_nothing(monkeypatch):
    """And a planted leak, counts of the 20 days after the question, does show."""
    split = split_of()
    times = split.dataset.events["timestamp"].to_numpy()
    moment = int(np.median(times[split.test.row]))
    model, other = live_model(split), changed_from(split, moment)
    before = ranks_before(split, moment, model)
    assert len(before) > 10
    np.testing.assert_array_equal(ranks_before(other, moment, model), before)
    honest = Log.counts
    ahead = 20 * 86_400
    monkeypatch.setattr(Log, "counts", lambda log, at, half: honest(log, at + ahead, half))
    leaked = ranks_before(split, moment, model)
    assert not np.array_equal(ranks_before(other, moment, model), leaked)


def test_the_model_is_frozen_again_afterwards():
    """A live model that was evaluated keeps nothing of what it followed."""
    split = split_of()
    model = live_model(split)
    held = len(model.log.times)
    evaluate(model, split, "test")
    assert len(model.log.times) == held == len(split.train)


def test_frozen_popularity_with_a_clock_has_the_candidates_of_all_others():
    split = split_of()
    sizes = {"num_items": split.dataset.num_items, "max_len": 9}
    frozen = build_model("popularity", **sizes, half_life=3.0)
    plain = build_model("popularity", **sizes)
    for model in (frozen, plain):
        train(model, split, progress=False)
    one, other = (evaluate(model, split, "test") for model in (frozen, plain))
    np.testing.assert_array_equal(one.candidates, other.candidates)
    assert not np.array_equal(one.rank, other.rank)
