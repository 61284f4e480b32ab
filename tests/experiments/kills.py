"""Kills training or a suite at random moments, goes on, and compares every bit with a run that was
left alone.

    python tests/experiments/kills.py train 25
    python tests/experiments/kills.py suite 25 --jobs 2

One process imports the library once and forks for each run, so a kill costs no start.
"""

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure

from tutorial_lib.experiments.digests import damaged
from tutorial_lib.experiments.runs import Run
from tutorial_lib.experiments.stages.lineup import Entry
from tutorial_lib.experiments.suite import Suite, run_suite
from tutorial_lib.experiments.training import execute, finished
from tutorial_lib.train import TrainConfig

STAGES = ["sensitivity", "significance", "stability"]
ENTRIES = (Entry("gru4rec", "gru4rec"), Entry("tisasrec", "tisasrec", twin="gru4rec"))
SECONDS = ("train_seconds", "wall_seconds")


def toy(folder: Path) -> str:
    """60 users, 25 items, 9 events each."""
    rng, rows = np.random.default_rng(0), []
    for user in range(60):
        times = 1_600_000_000 + np.cumsum(rng.integers(1, 10**5, 9))
        rows += [
            (user, item, time) for item, time in zip(rng.permutation(25)[:9], times, strict=True)
        ]
    table = pd.DataFrame(rows, columns=["user", "item", "timestamp"])
    table.to_csv(folder / "toy.csv", index=False)
    return f"csv:{folder / 'toy.csv'}"


def train(data: str, out: Path, jobs: int) -> None:
    config = TrainConfig(epochs=6, batch_size=8, averaging=0.9, evaluate_every=2, patience=3)
    run = Run("sasrec", data, "leave_last_out", max_len=8, dim=8, config=config)
    execute(run, out, device="cpu", progress=False, sampled=5)


def suite(data: str, out: Path, jobs: int) -> None:
    # what a picture shows is a matter of the tables, and drawing takes longer than training
    Figure.savefig = lambda figure, file, **options: Path(file).write_bytes(b"picture")
    sizes = {"seeds": 2, "rates": (0.01,), "epochs": 2, "max_len": 8, "dim": 8, "jobs": jobs}
    where = {"split": "leave_last_out", "device": "cpu", "progress": False}
    run_suite(Suite(out, data, entries=ENTRIES, **where, **sizes), STAGES)


def state(out: Path) -> dict[str, object]:
    """Everything that a run leaves, without seconds; tensors as bytes."""
    found: dict[str, object] = {}
    for file in sorted(path for path in out.rglob("*") if path.is_file()):
        name = file.relative_to(out).as_posix()
        if file.name == "checkpoint.pt":
            saved = torch.load(file, weights_only=True)
            parts = {part: saved[part] for part in ("model", "best", "average") if saved[part]}
            parts |= saved["optimizer"]["state"]
            found[name] = {
                f"{part} {key}": value.numpy().tobytes()
                for part, values in parts.items()
                for key, value in values.items()
            }
        elif file.name == "result.json":
            row = json.loads(file.read_text())
            found[name] = {key: value for key, value in row.items() if key not in SECONDS}
        elif file.name in ("history.csv", "runs.csv"):
            table = pd.read_csv(file)
            found[name] = table.drop(columns=["seconds", *SECONDS], errors="ignore").to_csv()
        elif file.name not in ("digests.json", "provenance.json"):  # they hold digests of seconds
            found[name] = file.read_bytes()
    return found


def start(work: Callable[[str, Path, int], None], data: str, out: Path, jobs: int) -> int:
    """In a process of its own, silently; its number."""
    if process := os.fork():
        return process
    status = 1
    try:
        silent = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silent, 1)
        work(data, out, jobs)
        status = 0
    except BaseException as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
    finally:
        os._exit(status)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("what", choices=("train", "suite"))
    parser.add_argument("kills", type=int)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.set_num_threads(1)
    work, rng = {"train": train, "suite": suite}[args.what], np.random.default_rng(args.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data, begin = toy(folder), time.perf_counter()
        _, status = os.waitpid(start(work, data, folder / "whole", args.jobs), 0)
        lasts, expected = time.perf_counter() - begin, state(folder / "whole")
        assert status == 0 and expected, "the run that was left alone failed"
        done = early = 0
        while done < args.kills:
            out = folder / "cut"
            for _ in range(int(rng.integers(1, 4))):  # killed once, twice or three times
                process = start(work, data, out, args.jobs)
                time.sleep(rng.uniform(0, lasts))
                os.kill(process, signal.SIGKILL)
                _, status = os.waitpid(process, 0)
                early += os.WIFSIGNALED(status)
                done += os.WIFSIGNALED(status)
            _, status = os.waitpid(start(work, data, out, args.jobs), 0)
            found = state(out)
            assert status == 0, "the run that goes on failed"
            assert found.keys() == expected.keys(), found.keys() ^ expected.keys()
            wrong = [name for name in expected if found[name] != expected[name]]
            assert not wrong, f"not the same: {wrong}"
            runs = [path.parent for path in out.rglob("checkpoint.pt")]
            assert all(finished(run) and not damaged(run) for run in runs)
            shutil.rmtree(out)
    print(f"{args.what}: {done} kills, a run of {lasts:.1f} s, always the same bits")
    return 0


if __name__ == "__main__":
    sys.exit(main())
