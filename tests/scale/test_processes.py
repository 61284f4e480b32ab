"""Two processes against one: the same model, the same ranks, and a clear end where one is lost."""

import json
import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.multiprocessing as mp

from tutorial_lib import distributed
from tutorial_lib.checkpoint import load_checkpoint
from tutorial_lib.config import TrainConfig
from tutorial_lib.data.datasets import load_dataset
from tutorial_lib.data.sequences import Batch, training_batches
from tutorial_lib.data.splits import Split, temporal_split
from tutorial_lib.distributed import Group, joined, part_of
from tutorial_lib.errors import Diverged, TutorialError
from tutorial_lib.evaluate import evaluate
from tutorial_lib.experiments.__main__ import main
from tutorial_lib.models import build_model
from tutorial_lib.train import History, train

pytestmark = pytest.mark.thorough

ROOT, FOLDER = Path(__file__).parents[2], Path(__file__).parent
EPOCHS = 3
USUAL = TrainConfig(epochs=EPOCHS, batch_size=7, learning_rate=0.01)
CASES = {  # name -> model, configuration
    "ce": ("sasrec", USUAL),
    "a clock": ("tisasrec", USUAL),
    "negatives of each position": ("sasrec", replace(USUAL, loss="bce", negatives=3)),
    "shared, single rows": (
        "sasrec",
        replace(USUAL, loss="logq_ce", proposal="mixed", negatives=9, sparse_table=True),
    ),
    "a process without a row": ("sasrec", replace(USUAL, epochs=1, batch_size=1)),
    "the average is evaluated": ("gru4rec", replace(USUAL, averaging=0.9, schedule="cosine")),
}


def small_split() -> Split:
    return temporal_split(load_dataset("sample", users=41))


def trained(name: str, split: Split, group: Group = distributed.ALONE, **how) -> tuple:
    """Float64, so that rounding does not hide what is asked."""
    model, config = CASES[name]
    built = build_model(model, num_items=split.dataset.num_items, max_len=9, dim=8, dropout=0.0)
    built = built.double()
    config = replace(config, epochs=how.pop("epochs", config.epochs))
    return train(built, split, config, device="cpu", progress=False, group=group, **how), built


def in_a_group(rank: int, port: int, folder: Path) -> None:
    """All that two processes do here, each written to a file of its own."""
    torch.set_num_threads(1)
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2"}
    split, found = small_split(), {}

    def sentence(work) -> str:
        try:
            work()
        except TutorialError as error:
            return f"{type(error).__name__}: {error}"
        except SystemExit as end:
            return f"exit {end.code}"
        return "nothing"

    def fail_in(process: int) -> None:
        if rank == process:
            raise TutorialError("no such file {name}", name="a.csv")

    with joined("cpu") as (group, _):
        for name in CASES:
            history, model = trained(name, split, group)
            found[name] = history.rows, model.state_dict()
        original = distributed.part_of
        distributed.part_of = lambda *given: (original(*given)[0], 1.0)
        history, model = trained("ce", split, group)
        found["mean of means"] = history.rows, model.state_dict()
        distributed.part_of = original
        ranks = group.evaluate(model, split, "test", sampled=20)
        alone = evaluate(model, split, "test", sampled=20)
        for name in ("user", "greater", "equal", "candidates"):
            found["whole", name] = getattr(alone, name), getattr(alone.sampled, name)
            found["shared", name] = getattr(ranks, name), getattr(ranks.sampled, name)
        one = np.unique(split.test.user)[:1]
        few = replace(split, test=type(split.test)(*(v[np.isin(split.test.user, one)] for v in vars(split.test).values())))  # fmt: skip
        found["one user"] = group.evaluate(model, few, "test").greater
        trained("ce", split, group, epochs=2, checkpoint=folder / "two.pt")
        history, model = trained("ce", split, group, checkpoint=folder / "one.pt")
        found["continued"] = history.rows, model.state_dict()
        sharded = replace(group, sharded=True, module=None)
        for name in ("ce", "a clock", "the average is evaluated"):
            history, model = trained(name, split, sharded)
            found["sharded", name] = history.rows, model.state_dict()
        found["part"] = [tuple(p.to_local().shape) for p in sharded.module.parameters()][0]
        trained("ce", split, sharded, epochs=2, checkpoint=folder / "sharded.pt")
        history, model = trained("ce", split, sharded, checkpoint=folder / "sharded.pt")
        found["sharded, continued"] = history.rows, model.state_dict()
        found["lost data"] = sentence(lambda: group.together(lambda: fail_in(1)))
        found["other data"] = sentence(lambda: group.agree("data", rank))
        own = lambda: trained_by(group, split, "bert4rec")  # noqa: E731
        found["own loss"] = sentence(own)
        wild = lambda: trained_by(group, split, "sasrec", batch_size=7, learning_rate=1e30)  # noqa: E731
        found["diverged"] = sentence(wild)
    torch.save(found, folder / f"found{rank}.pt")


def trained_by(group: Group, split: Split, name: str, **settings) -> History:
    model = build_model(name, num_items=split.dataset.num_items, max_len=9, dim=8)
    config = TrainConfig(epochs=2, **settings)
    return train(model, split, config, device="cpu", progress=False, group=group)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Holds a checkpoint of one process after an epoch, and whatever two processes make of it."""
    folder = tmp_path_factory.mktemp("group")
    trained("ce", small_split(), epochs=1, checkpoint=folder / "one.pt")
    mp.spawn(in_a_group, (free_port(), folder), nprocs=2)
    return folder


@pytest.fixture(scope="module")
def found(folder: Path) -> list[dict]:
    return [torch.load(folder / f"found{rank}.pt", weights_only=False) for rank in range(2)]


def difference(rows: list[dict], weights: dict, other_rows: list[dict], other: dict) -> float:
    """The largest one, of losses, NDCG@10 and weights; of a tensor the sum."""
    assert [row["epoch"] for row in rows] == [row["epoch"] for row in other_rows]
    numbers = [
        abs(row[name] - theirs[name])
        for row, theirs in zip(rows, other_rows, strict=True)
        for name in ("loss", "ndcg")
    ]
    return max(*numbers, *(float((weights[name] - other[name]).abs().sum()) for name in weights))


@pytest.mark.parametrize("name", CASES)
def test_two_processes_train_the_model_of_one(name, found):
    history, model = trained(name, small_split())
    for rows, weights in (one[name] for one in found):
        assert difference(rows, weights, history.rows, model.state_dict()) < 1e-6


@pytest.mark.parametrize("name", ["ce", "a clock", "the average is evaluated"])
def test_sharded_tables_train_the_same_model(name, found):
    history, model = trained(name, small_split())
    for rows, weights in (one["sharded", name] for one in found):
        assert difference(rows, weights, history.rows, model.state_dict()) < 1e-6


def test_each_process_has_half_of_the_table(found):
    rows = small_split().dataset.num_items + 1
    assert [one["part"] for one in found] == [(-(-rows // 2), 8), (rows // 2, 8)]


def test_a_sharded_checkpoint_is_as_any_other(folder, found):
    whole, model = trained("ce", small_split())
    rows, weights = found[0]["sharded, continued"]
    assert difference(rows, weights, whole.rows, model.state_dict()) < 1e-6
    saved = load_checkpoint(folder / "sharded.pt")
    alone = load_checkpoint(folder / "two.pt")
    assert saved["epoch"] == EPOCHS and saved["identity"] == alone["identity"] | {
        "configuration": saved["identity"]["configuration"]
    }
    one, model = trained("ce", small_split(), checkpoint=folder / "sharded.pt")
    assert difference(one.rows, model.state_dict(), *found[0]["ce"]) < 1e-6


def test_a_mean_of_means_trains_another_model(found):
    """So the test above would see it."""
    history, model = trained("ce", small_split())
    rows, weights = found[0]["mean of means"]
    assert difference(rows, weights, history.rows, model.state_dict()) > 1e-3


def test_shares_of_the_ranks_are_those_of_one_process(found):
    for one in found:
        for name in ("user", "greater", "equal", "candidates"):
            for ours, theirs in zip(one["shared", name], one["whole", name], strict=True):
                assert ours.dtype == theirs.dtype and np.array_equal(ours, theirs)
        assert len(one["one user"]) >= 1  # one of the two has nothing to evaluate
    assert np.array_equal(found[0]["one user"], found[1]["one user"])


def test_a_checkpoint_goes_on_in_a_group_of_another_size(folder, found):
    whole, model = trained("ce", small_split())
    rows, weights = found[0]["continued"]  # one process began, two went on
    assert difference(rows, weights, whole.rows, model.state_dict()) < 1e-6
    assert load_checkpoint(folder / "two.pt")["epoch"] == 2  # two began, one goes on
    history, model = trained("ce", small_split(), checkpoint=folder / "two.pt")
    assert difference(history.rows, model.state_dict(), *found[0]["ce"]) < 1e-6


def test_what_one_process_lacks_ends_all(found):
    assert found[0]["lost data"] == "TutorialError: process 1: no such file a.csv"
    assert found[0]["other data"].startswith(
        "TutorialError: process 1 has data 1 and process 0 has"
    )
    assert [found[1][name] for name in ("lost data", "other data")] == ["exit 2"] * 2
    for one in found:
        assert "BERT4Rec has a loss of its own, which processes cannot share" in one["own loss"]
        assert one["diverged"].startswith(f"{Diverged.__name__}: the loss became")


@pytest.mark.parametrize("size", [1, 2, 3, 50])
def test_the_parts_of_a_batch_are_the_batch(size):
    batch = next(training_batches(small_split(), max_len=9, batch_size=8, seed=0, epoch=1))
    parts = [part_of(batch, rank, size) for rank in range(size)]
    total = sum(weight for _, weight in parts)
    assert total == pytest.approx(size)
    n = int((batch.targets > 0).sum())
    places = torch.cat([part.mine for part, weight in parts if weight])
    assert sorted(places.tolist()) == list(range(n))
    for part, weight in parts:
        assert isinstance(part, Batch) and torch.equal(part.whole, batch.targets[batch.targets > 0])
        assert torch.equal(part.whole[part.mine], part.targets[part.targets > 0])
        assert part.items.shape[1] == part.lengths.max() and len(part.items) == len(part.users)
        if weight:
            assert weight == pytest.approx(size * len(part.mine) / n)


TRAIN = ["--model", "sasrec", "--users", "60", "--max-len", "9", "--dim", "8", "--epochs", "4"]
TRAIN += ["--option", "dropout=0", "--batch-size", "16", "--learning-rate", "0.01", "--quiet"]


def torchrun(script: Path, out: Path, *options: str) -> subprocess.CompletedProcess:
    """`train --distributed` in two processes."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node", "2", *options, str(script), "train", "--distributed", *TRAIN]
    return subprocess.run(
        [*command, "--device", "cpu", "--out", str(out)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
    )


def test_a_killed_process_ends_all_and_a_restart_goes_on(tmp_path, capsys):
    ended = torchrun(FOLDER / "killed.py", tmp_path / "ended")
    (run,) = (tmp_path / "ended").iterdir()
    assert ended.returncode != 0 and "SIGKILL" in ended.stderr and "rank      : 1" in ended.stderr
    assert load_checkpoint(run / "checkpoint.pt")["epoch"] == 2
    assert not (run / "result.json").exists()
    went_on = torchrun(FOLDER / "killed.py", tmp_path / "restarted", "--max-restarts", "1")
    assert went_on.returncode == 0, went_on.stderr
    (again,) = (tmp_path / "restarted").iterdir()
    assert went_on.stdout.count("written to") == 1  # one writer speaks
    assert main(["train", *TRAIN, "--device", "cpu", "--out", str(tmp_path / "one")]) == 0
    rows = [
        json.loads((one / "result.json").read_text())
        for one in (again, tmp_path / "one" / run.name)
    ]
    for name in ("ndcg@10", "valid_ndcg@10", "sampled_ndcg@10"):
        assert rows[0][name] == pytest.approx(rows[1][name], abs=2e-3)  # float32, Adam
    assert rows[0]["processes"] == 2 and "processes" not in rows[1]
    assert main(["test", str(again)]) == 0  # one process reads what two have written
    capsys.readouterr()


def test_one_process_alone_is_told_how_to_start(capsys, monkeypatch):
    for name in ("TORCHELASTIC_RUN_ID", "MASTER_ADDR"):
        monkeypatch.delenv(name, raising=False)
    assert main(["train", "--distributed", *TRAIN]) == 2
    assert "start them by torchrun --standalone --nproc-per-node 2" in capsys.readouterr().err
    assert main(["train", "--sharded", *TRAIN]) == 2
    assert "add --distributed" in capsys.readouterr().err
