"""The rows of data/facts/entropy.csv: right where the answer is known, and what the data give."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from studies.entropy_facts import main, measure, read_entropy, verdict, write_row
from tutorial_files.places import find
from tutorial_lib.data.datasets import load_dataset
from tutorial_lib.data.events import make_dataset
from tutorial_lib.data.simulate import World, simulate
from tutorial_lib.errors import TutorialError

NAMES = ["sample", "control", "ml-100k", "amazon-grocery"]
# depend on how often was shuffled
DRAWN = {"rate_shuffled", "rate_shuffled_spread", "personal", "order_p", "word_growth_noise"}


def log_of(gaps):
    """A data set from gaps int [users, each]; all histories span the same time, so that the split
    cuts them alike.
    """
    users, each = gaps.shape
    times = 1_600_000_000 + np.hstack([np.zeros((users, 1), np.int64), gaps.cumsum(axis=1)])
    table = {
        "user": np.repeat(np.arange(users), each + 1),
        "item": np.arange(times.size) % 50,
        "timestamp": times.ravel(),
    }
    return make_dataset("hand", pd.DataFrame(table))


def test_a_log_with_order_and_the_same_log_without():
    """Short and long gaps in a Markov chain that stays with 0.8: order is worth ln 2 - H(0.8) =
    0.19 nats.
    """
    rng = np.random.default_rng(0)
    kind = (rng.integers(0, 2, (300, 1)) + np.cumsum(rng.random((300, 80)) > 0.8, axis=1)) % 2
    gaps = np.where(kind == 1, 86400, 60)
    worth = math.log(2) + 0.8 * math.log(0.8) + 0.2 * math.log(0.2)
    row = measure(log_of(gaps), order=1, length=6, shuffles=19)
    assert row["bins"] == 2 and row["entropy"] == pytest.approx(math.log(2), abs=0.01)
    assert row["order_gain"] == pytest.approx(worth, abs=0.02) and row["order_p"] == 0.05
    assert row["order_gain_low"] < worth < row["order_gain_high"] < row["order_gain_low"] + 0.04
    assert (
        row["memory_gain_low"] > 0.5
        and row["sample_entropy"] < row["sample_entropy_shuffled"] - 0.1
    )
    row = measure(log_of(rng.permuted(gaps, axis=1)), order=1, length=6, shuffles=19)
    assert abs(row["order_gain"]) < 0.005 and row["order_gain_low"] < 0 < row["order_gain_high"]
    assert row["order_p"] > 0.05 and row["memory_gain_low"] < 0 < row["memory_gain_high"]


def test_regular_and_bursty_worlds_are_told_apart():
    small = {"users": 150, "items": 60, "clusters": 1}
    rows = []
    for within, sigma in (((0.0, 0.0), (0.1, 0.1)), ((0.8, 0.8), (1.5, 1.5))):
        events = simulate(World(**small, within=within, pause_sigma=sigma)).events
        rows.append(measure(make_dataset("world", events), length=4, shuffles=19))
    regular, bursty = rows
    assert regular["burstiness_high"] < -0.6 and bursty["burstiness_low"] > 0.3
    for row in rows:  # both are renewal processes: within a user no order, and nothing is found
        assert abs(row["order_gain"]) < 0.01 and row["order_gain_low"] < 0 < row["order_gain_high"]


def test_the_ceiling_is_never_passed():
    row = measure(
        log_of(np.random.default_rng(1).integers(1, 10**6, (100, 40))), length=8, shuffles=10
    )
    # noise, far below its true growth rate
    assert row["word_growth"] <= row["word_ceiling"] < math.log(row["bins"]) - 0.5


# it has the gaps of sample, see below
@pytest.mark.parametrize("name", [name for name in NAMES if name != "control"])
def test_the_committed_row_is_what_the_data_give(name):
    if find(name) is None:
        pytest.skip(f"{name} is not on this machine")
    row, found = read_entropy().loc[name], measure(load_dataset(name), shuffles=10)
    assert found.pop("dataset") == name and row.pop("fingerprint") == found.pop("fingerprint")
    assert list(row.index) == list(found)
    for key in set(found) - DRAWN:
        slack = 2e-3 if key.startswith("order_gain") else 1e-5
        assert found[key] == pytest.approx(row[key], rel=1e-4, abs=slack), key
    assert found["rate_shuffled"] == pytest.approx(
        row["rate_shuffled"], abs=2 * row["rate_shuffled_spread"]
    )


def test_the_committed_table_holds_aggregates_only():
    table = read_entropy()
    assert list(table.index) == NAMES and len(table.columns) < 40
    assert table.loc["control", "fingerprint"] == load_dataset("control").fingerprint
    same = table.drop(columns="fingerprint").loc[["sample", "control"]]
    # the two worlds have the same timestamps
    assert (same.loc["sample"] == same.loc["control"]).all()


def test_a_row_replaces_its_own_and_no_other(tmp_path):
    path = tmp_path / "facts" / "entropy.csv"
    for name, value in (("a", 0.5), ("b", 1 / 3), ("a", 2.0)):
        write_row({"dataset": name, "rate": value}, path)
    assert path.read_text() == "dataset,rate\na,2\nb,0.333333\n" and list(
        path.parent.iterdir()
    ) == [path]
    with pytest.raises(TutorialError, match="write to another file"):
        write_row({"dataset": "a", "speed": 1.0}, path)


def test_the_verdict_quotes_the_table():
    table = read_entropy()
    sentences = verdict(table)
    assert sentences[0].startswith("Not testable") and len(sentences) == 2 + len(NAMES)
    for name, sentence in zip(NAMES, sentences[2:], strict=True):
        assert sentence.startswith(f"{name}: {table.loc[name, 'order_gain']:+.4f} nats")


def test_errors_are_one_sentence(tmp_path, capsys):
    with pytest.raises(TutorialError, match="entropy.csv is missing"):
        read_entropy(tmp_path / "entropy.csv")
    without_times = replace(load_dataset("sample", users=5), has_times=False)
    with pytest.raises(TutorialError, match="has no gaps to measure"):
        measure(without_times)
    assert main(["--dataset", f"csv:{tmp_path / 'absent.csv'}"]) == 2
    assert capsys.readouterr().err.startswith("error: ")
