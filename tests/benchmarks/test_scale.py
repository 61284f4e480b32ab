"""The benchmark of large data, on a small log: what it makes, and that both ways read the same."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.scale import long_tail

ROOT = Path(__file__).resolve().parents[2]


def run(*words: str) -> str:
    command = [sys.executable, "-m", "benchmarks.scale", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


@pytest.mark.thorough
def test_made_measured_and_trained(tmp_path: Path) -> None:
    size = ["--events", "6000", "--users", "100", "--items", "60"]
    run("make", *size, "--format", "csv", "--text-ids", "--out", str(tmp_path))
    assert "same data: True" in run("measure", str(tmp_path), "--memory", "500MB")
    told = run("train", str(tmp_path), "--users", "40", "--steps", "2", "--threads", "1")
    assert "100 users" in told and "40 users ranked" in told


def test_tails_are_long() -> None:
    counts = np.bincount(long_tail(np.random.default_rng(0), 10**6, 10_000, 0.9), minlength=10_000)
    assert counts[0] > 20 * counts[100] > 20 * 5 * counts[9_000] > 0
