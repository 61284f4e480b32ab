"""Probing a finished run: whole histories give the run's own result, spoiled ones are spoiled as
they say.
"""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from studies.probe import ShuffledPast, main, probe
from tutorial_lib.experiments.runs import Run
from tutorial_lib.experiments.training import execute
from tutorial_lib.train import TrainConfig


class Echo(nn.Module):
    """Its states are the items that it was given."""

    max_len, num_items, score = 9, 9, None

    def forward(self, items):
        return items


def test_shuffling_keeps_the_last_event_the_pads_and_the_set():
    items = torch.tensor(
        [[1, 2, 3, 4, 5, 6, 7, 8, 0], [4, 9, 0, 0, 0, 0, 0, 0, 0], [1, 2, 3, 4, 5, 6, 7, 8, 9]]
    )
    shuffled = ShuffledPast(Echo())(items)
    assert torch.equal(shuffled.sort(dim=1).values, items.sort(dim=1).values)
    for row, length in enumerate((8, 2, 9)):
        assert torch.equal(shuffled[row, length - 1 :], items[row, length - 1 :])
    assert not torch.equal(shuffled, items)


@pytest.fixture
def finished(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    start = rng.integers(0, 20, 60)
    # the next item is the last one plus 1: only the last event counts
    items = (start[:, None] + np.arange(8)) % 20
    events = pd.DataFrame({"user": np.repeat(np.arange(60), 8), "item": items.ravel()})
    events["timestamp"] = 1_700_000_000 + np.arange(len(events))
    events.to_csv(tmp_path / "chain.csv", index=False)
    config = TrainConfig(epochs=25, batch_size=8, learning_rate=0.01, evaluate_every=25)
    run = Run(
        "sasrec",
        f"csv:{tmp_path / 'chain.csv'}",
        "leave_last_out",
        None,
        10,
        16,
        {"blocks": 1, "dropout": 0.0},
        config,
    )
    row = execute(run, tmp_path / "runs", progress=False, sampled=0)
    return row, tmp_path / "runs" / run.name


def test_probe_of_a_world_in_which_only_the_last_event_counts(finished, tmp_path, capsys):
    row, folder = finished
    table = probe(folder, lengths=(2, 5)).set_index("history")
    assert list(table.index) == ["whole", "last 2", "last 5", "past shuffled"]
    assert table.loc["whole", "ndcg@10"] == pytest.approx(row["ndcg@10"])
    assert set(table["run"]) == {row["run"]}
    np.testing.assert_allclose(
        table["difference"], table["ndcg@10"] - table.loc["whole", "ndcg@10"], atol=1e-9
    )
    assert table.loc["whole", "ndcg@10"] > 0.8 and table.loc["past shuffled", "difference"] > -0.1
    assert main([str(folder), "--table", str(tmp_path / "facts.csv")]) == 0
    assert pd.read_csv(tmp_path / "facts.csv")["history"].tolist()[0] == "whole"
    assert "past shuffled" in capsys.readouterr().out


def test_a_folder_without_a_run_is_one_sentence(tmp_path, capsys):
    assert main([str(tmp_path)]) == 2
    assert "holds no finished run" in capsys.readouterr().err
