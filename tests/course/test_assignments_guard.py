"""The guard alone, on notebooks of two cells: who takes too much is stopped with the right reason,
who does not is left alone.
"""

from pathlib import Path
from types import SimpleNamespace

import pytest
from nbformat.v4 import new_code_cell, new_notebook

pytest.importorskip("nbgrader", reason="nbgrader is not installed: make assignments installs it")

ROOT = Path(__file__).resolve().parents[2]

from course.assignments import guard as nbgrader_guard  # noqa: E402
from course.assignments.guard import Guard  # noqa: E402

GRADE = {
    "grade": True,
    "grade_id": "check",
    "locked": True,
    "points": 1,
    "schema_version": 3,
    "solution": False,
    "task": False,
}


def run(code: str, folder: Path, **limits) -> tuple[str | None, list]:
    """The note, if any, and the outputs of a grade cell that follows this code."""
    cells = [
        new_code_cell(code),
        new_code_cell("import sys; print('noise', file=sys.stderr)", metadata={"nbgrader": GRADE}),
    ]
    resources = {"nbgrader": {}, "metadata": {"path": str(folder)}}
    notebook, resources = Guard(**({"seconds": 3.0} | limits)).preprocess(
        new_notebook(cells=cells), resources
    )
    return resources["nbgrader"].get("note"), notebook.cells[-1].outputs


@pytest.mark.parametrize(
    ("code", "limits", "reason"),
    [
        (
            "while True:\n    try:\n        pass\n    except BaseException:\n        pass",
            {},
            "longer than 3 seconds",
        ),
        ("import time\ntime.sleep(10**6)", {}, "longer than 3 seconds"),
        (
            "import subprocess, sys\nsubprocess.run([sys.executable, '-c', 'while True: pass'])",
            {},
            "longer than 3 seconds",
        ),
        (
            "hog = []\nwhile True:\n    hog.append(b'x' * 10**7)",
            {"memory_limit": 0.4, "seconds": 60.0},
            "0.4 GB of memory",
        ),
        ("import os\nos._exit(0)", {}, "its own Python process"),
        ("exit()", {}, "its own Python process"),
    ],
    ids=["loops", "sleeps", "hides a loop", "eats memory", "kills its kernel", "leaves"],
)
def test_who_takes_too_much_is_stopped(code, limits, reason, tmp_path):
    note, outputs = run(code, tmp_path, **limits)
    assert note and reason in note and outputs[0].output_type == "error"


def test_an_honest_notebook_is_left_alone_and_warnings_are_no_failure(tmp_path):
    # a file beside the notebook hides no module
    (tmp_path / "statistics.py").write_text("raise SystemExit")
    note, outputs = run("import statistics, time\ntime.sleep(1)", tmp_path)
    assert note is None and [output.name for output in outputs] == ["stdout"]


def test_the_note_can_be_chinese(tmp_path):
    note, _ = run("import os\nos._exit(0)", tmp_path, language="zh")
    assert note == "这份作业在单元格 1 处被停下：它结束或弄崩了自己的 Python 进程。检查程序给零分。"


def test_waiting_for_a_busy_machine_is_not_counted(tmp_path, monkeypatch):
    """A watch that looks late, because this process had to wait, does not charge the submission for
    it.
    """
    late = iter(range(0, 10**6, 100))
    monkeypatch.setattr(
        nbgrader_guard, "time", SimpleNamespace(monotonic=lambda: float(next(late)))
    )
    note, _ = run("x = 1", tmp_path)
    assert note is None
