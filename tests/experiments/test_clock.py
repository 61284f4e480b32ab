"""Does the clock of a log help? Parts against loops, weights that are known, a yes and a no."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tutorial_lib.data.datasets import load_dataset
from tutorial_lib.data.events import make_dataset
from tutorial_lib.data.splits import leave_last_out, temporal_split
from tutorial_lib.errors import TutorialError
from tutorial_lib.experiments import clock, mixture
from tutorial_lib.experiments.__main__ import main
from tutorial_lib.experiments.clock import advice, questions, worth
from tutorial_lib.experiments.counting import KINDS, Clock, Counting, Following
from tutorial_lib.experiments.mixture import expectation_maximisation, pick, steps


def toy(users: int = 60, items: int = 15, seed: int = 0, follow: bool = False):
    """Random choices; with `follow` the next item is the last one + 1 after a short gap, + 5 after
    a long one.
    """
    rng, rows = np.random.default_rng(seed), []
    for user in range(users):
        gaps = np.where(rng.random(40) < 0.5, 300, 200_000) + rng.integers(0, 100, 40)
        jumps = np.where(gaps < 1000, 1, 5) if follow else rng.integers(0, items, 40)
        times = 1_600_000_000 + rng.integers(0, 10**6) + np.cumsum(gaps)
        rows += [
            (user, item, time) for item, time in zip(np.cumsum(jumps) % items, times, strict=True)
        ]
    events = pd.DataFrame(rows, columns=["user", "item", "timestamp"])
    return replace(make_dataset("toy", events), repeats=True)


def split_of(**options):
    return temporal_split(toy(**options), valid=0.2, test=0.2, targets="successive")


def test_following_equals_a_dense_table():
    rng = np.random.default_rng(0)
    contexts, items = rng.integers(0, 6, 200), rng.integers(1, 10, 200)
    contexts[contexts == 3] = 2  # nothing has followed 3
    dense = np.zeros((6, 10))
    np.add.at(dense, (contexts, items), 1)
    otherwise = np.full(10, 0.5, dtype=np.float32)
    rows = Following(contexts, items, 6, 9).rows(np.array([5, 3, 0, 5]), otherwise)
    for row, context in zip(rows, (5, 3, 0, 5), strict=True):
        total = dense[context].sum()
        np.testing.assert_allclose(row, dense[context] / total if total else otherwise, rtol=1e-6)


def test_weights_of_a_known_mixture_are_found():
    """2,000 draws from 70 % of one distribution and 30 % of another."""
    rng = np.random.default_rng(0)
    parts = rng.dirichlet(np.ones(50) * 0.1, size=3)
    mixed = 0.7 * parts[0] + 0.3 * parts[1]
    drawn = rng.choice(50, 2000, p=mixed)
    weights = expectation_maximisation(parts[:, drawn].T)
    assert weights == pytest.approx([0.7, 0.3, 0], abs=0.04)
    # of few questions the weights stay near those of all
    few = expectation_maximisation(parts[:, drawn[:2]].T, weights)
    assert np.abs(few - weights).max() < 0.1


@pytest.mark.parametrize("live", [False, True])
@pytest.mark.parametrize("kind", ["blind", *KINDS])
@pytest.mark.parametrize("shuffled", [False, True])
def test_no_part_knows_what_comes_after_the_question(kind, live, shuffled, monkeypatch):
    """Events from the first question on, of other users, may be anything; the last step's parts do
    see them, so the test can fail.
    """
    monkeypatch.setattr(mixture, "STEP", 10)
    split = split_of()
    times = split.dataset.events["timestamp"].to_numpy()
    early, late = (steps(split.test, times)[place] for place in (0, -1))
    first = times[split.test.row[early]].min()
    events = split.dataset.events.copy()
    later = (events["timestamp"] >= first).to_numpy()
    later = later & ~events["user"].isin(split.test.user[early]).to_numpy()  # their histories stay
    events.loc[later, "item"] = events.loc[later, "item"] % split.dataset.num_items + 1
    other = replace(split, dataset=replace(split.dataset, events=events))
    models = [Counting(one, live=live, shuffled=shuffled) for one in (split, other)]
    parts = [model.parts(kind, pick(split.test, early)) for model in models]
    np.testing.assert_array_equal(*parts)
    assert parts[0].shape[1:] == (len(early), split.dataset.num_items + 1)
    np.testing.assert_allclose(parts[0].sum(2), 1, rtol=1e-4)
    if live:
        parts = [model.parts(kind, pick(split.test, late)) for model in models]
        assert not np.array_equal(*parts)


def test_shuffled_clock_keeps_the_values_of_each_user():
    split = split_of()
    real = Clock.of(split)
    shuffled = real.shuffled(split, 0)
    users = split.dataset.events["user"].to_numpy()
    for name in ("gap", "hour", "weekday"):
        one, other = getattr(real, name), getattr(shuffled, name)
        assert not np.array_equal(one, other)
        for user in range(5):
            assert np.array_equal(np.sort(one[users == user]), np.sort(other[users == user]))


def test_a_log_whose_gap_decides_says_so_and_one_by_chance_does_not():
    table = worth(toy(follow=True)).set_index(["evaluation", "clock"])
    assert table.loc[("live", "query"), "helps"] and table.loc[("frozen", "query"), "helps"]
    assert table.loc[("live", "query"), "ndcg@10"] > 0.9  # the gap says all
    assert not table.loc[("live", "recency"), "helps"]
    chance = worth(toy())
    assert not chance["helps"].any()
    assert advice(chance)[0] == "The clock of this log helps no counting model, frozen or live."


@pytest.mark.parametrize(
    ("world", "helps"),
    [("sample", True), pytest.param("control", False, marks=pytest.mark.thorough)],
)
def test_simulated_worlds(world, helps):
    """In `sample` the gap to the question says where the mood has drifted; in `control` nothing."""
    table = worth(load_dataset(world))
    used = table[table["clock"].isin(clock.MECHANISMS)]
    assert used["helps"].any() == helps
    if helps:
        assert set(used.loc[used["helps"], "clock"]) == {"query"}


def test_command_writes_table_picture_and_three_sentences(tmp_path, capsys):
    path = tmp_path / "log.csv"
    toy(follow=True).events.to_csv(path, index=False)
    out = tmp_path / "out"
    assert main(["clock", "--dataset", f"csv:{path}@repeats=true", "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    lines = (out / "advice.txt").read_text().splitlines()
    assert len(lines) == 3 and all(line in printed for line in lines)
    assert "the gap from the last event to the question" in lines[0]
    assert "query_time=True" in lines[1]
    table = pd.read_csv(out / "clock.csv")
    assert len(table) == 2 * len(KINDS) and (out / "clock.png").stat().st_size > 2000
    assert (table["gain_low"] <= table["gain"]).all()


def test_order_alone_and_other_splits_are_refused():
    data = toy()
    with pytest.raises(TutorialError, match="no clock to ask about"):
        worth(replace(data, has_times=False))
    with pytest.raises(
        TutorialError, match="temporal split of data with times, got leave_last_out"
    ):
        Counting(leave_last_out(data), live=True)
    split = questions(data)
    assert split.kind == "temporal" and len(split.test) <= clock.QUESTIONS
