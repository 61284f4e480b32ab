"""`make bench` must run; what it measures is for people to read, and never decides over a test."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks import __main__ as command
from benchmarks.textbook import textbook_batches
from tutorial_lib.data.events import make_dataset
from tutorial_lib.data.sequences import training_batches
from tutorial_lib.data.splits import leave_last_out

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("part", "rows"),
    [
        ("spine", 4),
        ("ranking", 4),
        ("streams", 8),
        ("ssm", 3),
        ("mamba", 5),
        ("deepm3", 11),
        ("serving", 10),
    ],
)
@pytest.mark.thorough
def test_quick_run_writes_every_row(tmp_path, part, rows):
    command = [
        sys.executable,
        "-m",
        "benchmarks",
        "--quick",
        "--threads",
        "1",
        "--only",
        part,
        "--json",
        str(tmp_path / "bench.json"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "bench.json").read_text())
    assert len(report["rows"]) == rows and len(done.stdout.splitlines()) == rows + 2
    for row in report["rows"]:
        assert row["ours"] > 0 and row["name"] in done.stdout and row["goal"] in done.stdout
        if "textbook" in row:
            assert row["ratio"] == row["textbook"] / row["ours"]


def test_a_run_is_held_against_the_floor(tmp_path, monkeypatch):
    """A ratio of 3 where it was 2 is 1.5; rows without a ratio and unknown rows say nothing."""
    rows = [{"name": "step", "ratio": 2.0}, {"name": "rows"}]
    floor = tmp_path / "floor.json"
    monkeypatch.setattr(command, "FLOOR", floor)
    assert command.read_floor(False, 2) == {}
    floor.write_text(json.dumps({"quick": False, "threads": 2, "rows": rows}))
    assert command.read_floor(True, 2) == command.read_floor(False, 1) == {}
    found = command.read_floor(False, 2)
    now = {"name": "step", "ratio": 3.0}
    assert found == {"step": 2.0} and command.against(now, found) == "   1.50"
    assert now["now / then"] == 1.5 and command.against({"name": "rows"}, found) == ""
    assert command.against({"name": "new", "ratio": 1.0}, found) == ""


def test_peak_memory_grows_with_the_matrix():
    """20 MB for one matrix of logits: the textbook holds several, ours none."""
    monitor = [sys.executable, "-m", "benchmarks", "--rows", "2500", "--items", "2000", "--peak-of"]
    ours, theirs = (
        float(subprocess.check_output([*monitor, which], cwd=ROOT))
        for which in ("ours", "textbook")
    )
    assert theirs > 2 * 20e6 / 2**20 > ours > 0


def test_textbook_batches_hold_what_ours_hold():
    """The same windows: the comparison of their speed is between equals."""
    rng = np.random.default_rng(0)
    users = np.repeat(np.arange(25), rng.integers(3, 15, 25))
    items = rng.integers(1, 30, len(users))
    events = pd.DataFrame(
        {"user": users, "item": items, "timestamp": 1_600_000_000 + np.arange(len(users))}
    )
    split = leave_last_out(make_dataset("toy", events))
    histories = [group.tolist() for _, group in split.train.groupby("user")["item"]]
    theirs = sorted(
        (x[x > 0].tolist(), y[y > 0].tolist())
        for inputs, targets in textbook_batches(histories, 6, 8, seed=0)
        for x, y in zip(inputs, targets, strict=True)
        if x.any()
    )
    ours = sorted(
        (x[: int(n)].tolist(), y[: int(n)].tolist())
        for batch in training_batches(split, max_len=6, batch_size=8, seed=0, epoch=1)
        for x, y, n in zip(batch.items, batch.targets, batch.lengths, strict=True)
    )
    assert ours == theirs
