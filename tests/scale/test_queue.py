"""A queue of runs: each made once, those of a killed worker taken over, nothing twice."""

import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tutorial_lib.config import TrainConfig
from tutorial_lib.errors import TutorialError
from tutorial_lib.experiments import queue as queues
from tutorial_lib.experiments.__main__ import main
from tutorial_lib.experiments.queue import Lost, Queue, perform, read, share, work
from tutorial_lib.experiments.runs import Run
from tutorial_lib.experiments.training import execute, finished

ROOT = Path(__file__).parents[2]


def small(seed: int = 0, **changes) -> Run:
    config = TrainConfig(epochs=3, batch_size=32, learning_rate=0.01, seed=seed)
    run = Run("gru4rec", users=60, max_len=8, dim=8, options={"dropout": 0.0}, config=config)
    return replace(run, **changes)


def filled(tmp_path: Path, count: int, **how) -> Queue:
    queue = Queue(tmp_path / "queue", **how)
    for seed in range(count):
        assert queue.add(small(seed), tmp_path / "runs")
    return queue


def names(queue: Queue, place: str) -> list[str]:
    return sorted(file.name for file in queue.place(place).iterdir())


def touch_only(run: Run, runs: Path, device: str, on_look) -> None:
    """In place of a training."""
    on_look({"epoch": 1})


@pytest.mark.thorough
def test_two_workers_make_every_run_once_and_take_over_from_the_killed(tmp_path):
    """One worker is killed in the second epoch of its first run; the other finishes all. What it
    took over has the bits of a run that nobody disturbed.
    """
    queue, lines = filled(tmp_path, 4), tmp_path / "lines"
    script = [sys.executable, str(Path(__file__).parent / "worker.py"), str(queue.folder)]
    env = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    killed, other = (
        subprocess.Popen([*script, str(lines), "3", how], env=env, cwd=ROOT)
        for how in ("kill", "stay")
    )
    assert killed.wait(120) == -9 and other.wait(120) == 0
    assert names(queue, "waiting") == names(queue, "claimed") == names(queue, "failed") == []
    assert names(queue, "done") == sorted(f"{small(seed).name}.toml" for seed in range(4))
    begun = [line.split() for line in lines.read_text().splitlines()]
    (lost,) = (name for name, process in begun if process == str(killed.pid))
    assert Counter(name for name, _ in begun) == {
        small(seed).name: 1 + (small(seed).name == lost) for seed in range(4)
    }
    (seed,) = (seed for seed in range(4) if small(seed).name == lost)
    execute(small(seed), tmp_path / "alone", device="cpu", progress=False, sampled=0)
    weights = [
        torch.load(tmp_path / folder / lost / "checkpoint.pt", weights_only=True)["best"]
        for folder in ("runs", "alone")
    ]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[1])


def test_a_claim_is_one_workers_alone(tmp_path):
    """Twenty threads, each a worker of its own, at ten runs."""
    queue, claims, start = filled(tmp_path, 10), [], threading.Barrier(20)

    def take(me: str) -> None:
        mine = Queue(queue.folder, me=me)
        start.wait()
        while (ours := mine.claim()) is not None:
            claims.append(ours.name)

    threads = [threading.Thread(target=take, args=(f"w{n}",)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    runs = [name.partition("@")[0] for name in claims]
    assert len(runs) == 10 and set(runs) == {f"{small(seed).name}.toml" for seed in range(10)}


def test_a_silent_claim_is_released_and_a_beating_one_is_not(tmp_path):
    queue = filled(tmp_path, 1, stale=0.5)
    ours = queue.claim()
    with queue.beating(ours) as still_ours:
        time.sleep(1.2)
        still_ours()
        assert Queue(queue.folder, stale=0.5).release_stale() == 0
    time.sleep(0.7)
    assert Queue(queue.folder, stale=0.5).release_stale() == 1
    assert names(queue, "waiting") == [f"{small().name}.toml"] and names(queue, "claimed") == []


def test_a_run_that_waited_long_is_not_stale_once_claimed(tmp_path):
    queue = filled(tmp_path, 1, stale=60)
    os.utime(queue.place("waiting") / f"{small().name}.toml", (0, 0))
    assert queue.claim() is not None and queue.release_stale() == 0


def test_the_clock_is_that_of_the_disk(tmp_path, monkeypatch):
    """A machine whose clock is a day ahead takes nothing over."""
    queue = filled(tmp_path, 1, stale=60)
    queue.claim()
    day = time.time() + 86_400
    monkeypatch.setattr(time, "time", lambda: day)
    assert queue.release_stale() == 0


def test_a_worker_that_slept_ends_without_a_result(tmp_path):
    """Its claim is taken over during the run; the run is done once, by the other."""
    queue, other = filled(tmp_path, 1), None
    ours = queue.claim()

    def slept(run: Run, runs: Path, device: str, on_look) -> None:
        nonlocal other
        ours.rename(queue.place("waiting") / f"{run.name}.toml")
        other = Queue(queue.folder, me="other").claim()
        on_look({"epoch": 1})
        pytest.fail("it should have ended")

    assert perform(queue, ours, "cpu", slept) == 0
    assert names(queue, "done") == [] and other.exists()
    assert perform(queue, other, "cpu", touch_only) == 1
    assert names(queue, "done") == [f"{small().name}.toml"]
    with pytest.raises(Lost, match="was taken over by another worker"):
        queue.finish(ours)


def test_the_file_of_a_run_is_the_run(tmp_path):
    run = small(2, clock="none", model="tisasrec", options={"query_time": True})
    queue = Queue(tmp_path / "queue")
    queue.add(run, tmp_path / "runs")
    back, runs = read(queue.claim())
    assert back.name == run.name and runs == tmp_path / "runs"


def test_a_failed_run_stops_no_other_and_can_be_tried_again(tmp_path, capsys):
    queue = filled(tmp_path, 2)
    bad = small(dataset=f"csv:{tmp_path}/missing.csv", users=None)
    queue.add(bad, tmp_path / "runs")
    assert main(["worker", str(queue.folder), "--device", "cpu"]) == 1
    said = capsys.readouterr().out
    assert "2 runs finished here" in said and f"failed: {bad.name}" in said
    assert "missing.csv" in (queue.place("failed") / f"{bad.name}.txt").read_text()
    assert not queue.add(bad, tmp_path / "runs")
    with pytest.raises(TutorialError, match=f"remove the file {bad.name}.toml there"):
        share(queue.folder, [bad], tmp_path / "runs", "cpu")
    (queue.place("failed") / f"{bad.name}.toml").unlink()  # what the sentence says
    assert queue.add(bad, tmp_path / "runs") and len(names(queue, "waiting")) == 1


def test_results_that_were_lost_are_made_again(tmp_path):
    queue = filled(tmp_path, 1)
    assert work(queue, device="cpu") == 1 and finished(tmp_path / "runs" / small().name)
    assert not queue.add(small(), tmp_path / "runs")
    (tmp_path / "runs" / small().name / "digests.json").unlink()
    assert queue.add(small(), tmp_path / "runs") and names(queue, "done") == []


def test_the_command_puts_a_run_in_and_a_worker_trains_it(tmp_path, capsys):
    words = ["train", "--model", "popularity", "--users", "60", "--out", str(tmp_path / "runs")]
    words += ["--queue", str(tmp_path / "queue")]
    assert main(words) == main(words) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.endswith("waits in the queue") and second.endswith("is in the queue already")
    assert main(["worker", str(tmp_path / "queue"), "--most", "1"]) == 0
    (run,) = (tmp_path / "runs").iterdir()
    assert json.loads((run / "result.json").read_text())["model"] == "popularity"


def test_a_folder_that_is_no_queue_is_named_with_what_makes_one(tmp_path, capsys):
    assert main(["worker", str(tmp_path)]) == 2
    assert "is no queue: make one by train --queue" in capsys.readouterr().err


def test_a_suite_trains_through_a_queue(tmp_path, monkeypatch):
    from tutorial_lib.experiments.comparison import Suite
    from tutorial_lib.experiments.stages.lineup import Entry

    entries = (Entry("popularity", "popularity"), Entry("gru4rec", "gru4rec"))
    sizes = {"users": 60, "epochs": 1, "max_len": 8, "dim": 8, "entries": entries}
    suite = Suite(tmp_path / "out", queue=tmp_path / "queue", progress=False, **sizes)
    monkeypatch.setattr(queues, "work", wraps := Watched(queues.work))
    runs = [suite.run(entry, 0, 0.01, 1) for entry in entries]
    suite.train(runs)
    assert wraps.calls == 1 and all(finished(suite.runs / run.name) for run in runs)
    suite.train(runs)  # nothing left: the queue is not asked
    assert wraps.calls == 1


class Watched:
    def __init__(self, work):
        self.work, self.calls = work, 0

    def __call__(self, *given, **options):
        self.calls += 1
        return self.work(*given, **options)
