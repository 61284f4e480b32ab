"""Training and evaluation from memory-mapped columns: the same bits as from memory."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tutorial_lib.data.datasets import load_dataset
from tutorial_lib.data.splits import ask_some, make_split
from tutorial_lib.errors import TutorialError
from tutorial_lib.evaluate import evaluate, ndcg, per_user
from tutorial_lib.experiments.__main__ import main
from tutorial_lib.experiments.clock import worth
from tutorial_lib.experiments.results import rank_file
from tutorial_lib.experiments.runs import Run
from tutorial_lib.experiments.training import examine, execute
from tutorial_lib.models import build_model
from tutorial_lib.scale.prepare import prepare
from tutorial_lib.statistics import bootstrap_interval
from tutorial_lib.train import TrainConfig, train

CONFIG = TrainConfig(epochs=2, batch_size=64, learning_rate=0.003, windows="all")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("prepared") / "sample"
    prepare("sample", out, progress=False)
    return out


def test_two_epochs_of_sasrec_are_the_same_bits(folder: Path, tmp_path: Path) -> None:
    """Weights, metrics and checkpoints, of which each goes on after the other."""
    rows, weights = [], []
    for name in ("sample", f"prepared:{folder}"):
        config = replace(CONFIG, evaluate_users=500)
        run = Run("sasrec", name, max_len=20, dim=16, config=config)
        row = execute(run, tmp_path, device="cpu", progress=False, sampled=20)
        rows.append({key: row[key] for key in row if "ndcg" in key or "hr@" in key or key == "data_fingerprint"})  # fmt: skip
        saved = torch.load(tmp_path / run.name / "checkpoint.pt", weights_only=True)
        weights.append(saved["model"] | saved["best"] | saved["optimizer"]["state"][0])
        assert not examine(tmp_path / run.name)[1]
    assert rows[0] == rows[1] and rows[0]["ndcg@10"] > 0.01
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])


def test_the_events_stay_on_the_disk(folder: Path) -> None:
    """Windows are gathered from views of the files, which nothing can change."""
    split = make_split(load_dataset(f"prepared:{folder}"))
    for name in ("user", "item", "timestamp"):
        column = split.dataset.events[name].to_numpy()
        assert isinstance(column.base.base, np.memmap) and not column.flags.writeable


def test_a_sample_of_users_is_ranked_with_its_interval() -> None:
    split = make_split(load_dataset("sample"))
    model = build_model("sasrec", num_items=1000, num_users=3000, max_len=10, dim=8)
    everybody = evaluate(model, split, "test")
    asked = ask_some(split, 400)
    assert len(np.unique(asked.test.user)) == len(np.unique(asked.valid.user)) == 400
    assert np.array_equal(asked.test.row, ask_some(split, 400).test.row)
    for count in (None, len(split.test)):
        assert np.array_equal(ask_some(split, count).test.row, split.test.row)
    some = evaluate(model, asked, "test")
    assert len(some) == 400
    assert np.array_equal(some.rank, everybody.rank[np.isin(everybody.user, asked.test.user)])
    values = per_user(everybody, 1 / everybody.rank)
    interval = bootstrap_interval(per_user(some, 1 / some.rank))
    assert interval.low < values.mean() < interval.high
    config = TrainConfig(epochs=1, evaluate_users=100)
    train(model, split, config, device="cpu", progress=False)
    with pytest.raises(TutorialError, match="evaluate_users must be a whole number of at least 1"):
        TrainConfig(evaluate_users=0)
    run = Run("sasrec", config=config)
    assert Run.from_configuration(run.configuration).config == run.config
    assert "evaluate_users" not in Run("sasrec").configuration  # earlier runs keep their names
    row = {"model": "sasrec", "loss": "ce", "run": run.name, "configuration": run.configuration}
    assert rank_file(row).name == "sample_temporal_100-ranked.npz"


def test_the_score_of_validation_is_that_of_the_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    split = make_split(load_dataset("sample", users=300))
    model = build_model("sasrec", num_items=split.dataset.num_items, num_users=300, max_len=10, dim=8)  # fmt: skip
    config = TrainConfig(epochs=1, evaluate_users=50)
    history = train(model, split, config, device="cpu", progress=False)
    ranks = evaluate(model, ask_some(split, 50), "valid")
    assert history.best_ndcg == pytest.approx(per_user(ranks, ndcg(ranks)).mean(), abs=1e-12)


def test_train_suite_and_clock_take_it(folder: Path, tmp_path: Path, capsys) -> None:
    name = f"prepared:{folder}"
    call = ["train", "--model", "popularity", "--dataset", name, "--out", str(tmp_path / "runs")]
    assert main([*call, "--evaluate-users", "200", "--quiet"]) == 0
    assert "ndcg@10" in capsys.readouterr().out
    suite = ["suite", "--dataset", name, "--out", str(tmp_path / "suite"), "--users", "200", "--quiet"]  # fmt: skip
    suite += ["--models", "popularity", "--stages", "significance", "--evaluate-users", "50"]
    assert main(suite) == 0
    small = load_dataset(name, users=150)
    assert worth(small).equals(worth(load_dataset("sample", users=150)).assign(dataset=name))
