"""`kill -9` under load; `python -m tests.serving.kills 30` does it more often."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.serving.kills import examine

KILLS = os.environ.get("TUTORIAL_KILLS", "3")


def test_no_acknowledged_event_is_lost():
    command = [sys.executable, "-m", "tests.serving.kills", KILLS]
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    assert f"{KILLS} kills" in done.stdout and "none lost" in done.stdout


def test_a_lost_and_a_strange_event_are_noticed(monkeypatch):
    from tests.serving import kills

    one = ("u0", "i3", kills.START)
    monkeypatch.setattr(kills, "ask", lambda *how: (404, {}))
    with pytest.raises(AssertionError, match="1 of 1 acknowledged events are lost"):
        examine(0, {"a": one}, {"a": one})
