"""The command: what it starts, and what it says when it cannot."""

import json
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tutorial_lib.experiments.runs import Run
from tutorial_lib.experiments.training import execute
from tutorial_lib.serving.__main__ import DEFAULT, main
from tutorial_lib.train import TrainConfig

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run of a window model on 40 users, and the table that it was trained on."""
    folder = tmp_path_factory.mktemp("toy")
    rng, rows = np.random.default_rng(0), []
    for user in range(40):
        times = 1_600_000_000 + np.cumsum(rng.integers(1, 10**5, 9))
        chosen = rng.permutation(25)[:9]
        rows += [(f"p{user}", f"film {i}", t) for i, t in zip(chosen, times, strict=True)]
    table = pd.DataFrame(rows, columns=["user", "item", "timestamp"])
    table.to_csv(folder / "toy.csv", index=False)
    config = TrainConfig(epochs=1, batch_size=16)
    one = Run("sasrec", f"csv:{folder / 'toy.csv'}", max_len=8, dim=8, config=config)
    execute(one, folder / "runs", device="cpu", progress=False, sampled=0)
    return folder / "runs" / one.name, table


def get(address):
    with urllib.request.urlopen(address, timeout=20) as answer:
        return json.loads(answer.read())


def test_serves_a_finished_run_and_ends_with_control_c(run):
    folder, table = run
    command = [sys.executable, "-m", "tutorial_lib.serving", "--run", str(folder), "--port", "0"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        line = process.stdout.readline()
        address = re.search(r"http://127\.0\.0\.1:\d+/", line).group()
        mine = table[table["user"] == "p3"].sort_values("timestamp", kind="stable")
        history = get(f"{address}users/p3")["history"]
        assert [one["item"] for one in history] == mine["item"].tolist()
        assert [one["time"] for one in history] == mine["timestamp"].tolist()
        items = {one["item"] for one in get(f"{address}recommend/p3?k=5")["items"]}
        assert len(items) == 5 and not items & set(mine["item"])
        assert get(f"{address}models")["models"][0]["model"] == "SASRec"
        assert get(f"{address}watch")["answers"] == 1  # the monitor watches
        body = json.dumps({"id": "x", "user": "p3", "item": "film 1", "time": 1_700_000_000})
        urllib.request.urlopen(f"{address}events", data=body.encode(), timeout=20).read()
        process.send_signal(signal.SIGINT)
        assert process.wait(20) in (0, 130)
    finally:
        process.kill()
        process.wait()
    assert (folder / "events.sqlite").exists()


def said(capsys, *arguments):
    assert main([*map(str, arguments)]) == 2
    return capsys.readouterr().err


def test_what_it_cannot_do_is_one_sentence(run, capsys, tmp_path):
    folder, _ = run
    assert "is no folder of a run" in said(capsys, "--run", tmp_path)
    assert "unknown search 'fast'; known are exact, index" in said(capsys, "--search", "fast")
    assert "port" in said(capsys, "--port", 70_000)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        error = said(capsys, "--run", folder, "--full-pass", "eager", "--port", port)
        assert (
            error.startswith(f"error: cannot listen at 127.0.0.1:{port} (") and "--port 0" in error
        )
    wrong = said(
        capsys,
        "--run",
        folder,
        "--full-pass",
        "eager",
        "--port",
        0,
        "--store",
        "redis://127.0.0.1:1/0",
    )
    assert "start redis-server, or name a file with --store" in wrong
    (folder / "history.csv").write_text("spoiled")
    assert "history.csv damaged or missing" in said(capsys, "--run", folder)


def test_the_packages_it_needs_are_named(run, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    assert "uvicorn is not installed: the service needs packages" in said(capsys)


def test_the_default_is_asked_for_the_query_time():
    assert DEFAULT.dataset == "sample" and DEFAULT.options["query_time"]
