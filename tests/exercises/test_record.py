"""A learner's record: written in a notebook that a person has opened and nowhere else, a line a try,
and never lost.
"""

import json
import os
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
from nbclient import NotebookClient

from exercises import lesson04, record
from exercises.checking import number_of
from exercises.record import Try

OPENED = {"JPY_SESSION_NAME": "/course/notebooks/en/04_self_attention.ipynb"}
RIGHT, WRONG = {"A", "C", "D", "E"}, {"C"}


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A record that counts: this process passes for the kernel of an opened notebook."""
    found = tmp_path / "folder" / "progress.jsonl"
    learn(monkeypatch, "answer = 1")
    monkeypatch.setenv(record.VARIABLE, str(found))
    return found


def learn(monkeypatch: pytest.MonkeyPatch, code: str, **names: object) -> None:
    for name in record.AT_WORK:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("JPY_SESSION_NAME", OPENED["JPY_SESSION_NAME"])
    shell = SimpleNamespace(kernel=object(), user_ns={"In": ["", code]} | names)
    monkeypatch.setattr(record, "kernel_shell", lambda: shell)


def tries(file: Path) -> list[tuple[str, bool]]:
    return [(one.exercise, one.right) for one in record.read(file)[0]]


def test_right_and_wrong_tries_are_written_and_nothing_of_the_answer(file: Path) -> None:
    lesson04.check_unchanged(...)
    assert not file.exists(), "what was not attempted is no try"
    lesson04.check_unchanged(WRONG)
    lesson04.check_unchanged(RIGHT)
    assert tries(file) == [("04.4", False), ("04.4", True)]
    for line in file.read_text(encoding="utf-8").splitlines():
        assert json.loads(line).keys() == {"time", "exercise", "right"}
    assert [path.name for path in file.parent.iterdir()] == [file.name]


@pytest.mark.parametrize("first", record.SOLUTIONS)
def test_a_folded_solution_does_not_count(file: Path, monkeypatch, first: str) -> None:
    learn(monkeypatch, f"{first}\nunchanged = 1\nlesson04.check_unchanged(unchanged)")
    lesson04.check_unchanged(RIGHT)
    assert not file.exists()


@pytest.mark.parametrize("name", record.AT_WORK)
def test_pytest_and_ci_do_not_learn(file: Path, monkeypatch, name: str) -> None:
    monkeypatch.setenv(name, "9.0")
    lesson04.check_unchanged(RIGHT)
    assert not file.exists()


def test_a_kernel_that_no_notebook_was_opened_for_does_not_learn(file: Path, monkeypatch) -> None:
    monkeypatch.delenv("JPY_SESSION_NAME")
    lesson04.check_unchanged(RIGHT)
    assert not file.exists()
    learn(monkeypatch, "answer = 1", __vsc_ipynb_file__="/lesson.ipynb")
    monkeypatch.delenv("JPY_SESSION_NAME")
    lesson04.check_unchanged(RIGHT)
    assert tries(file) == [("04.4", True)], "VS Code names the notebook in the kernel"


def test_a_process_without_a_kernel_does_not_learn(file: Path, monkeypatch) -> None:
    monkeypatch.setattr(record, "kernel_shell", lambda: None)  # such as that of the grader
    lesson04.check_unchanged(RIGHT)
    assert not file.exists()


def test_it_can_be_switched_off(file: Path, monkeypatch) -> None:
    monkeypatch.setenv(record.VARIABLE, "off")
    lesson04.check_unchanged(RIGHT)
    assert record.path() is None and not file.parent.exists()


def test_a_damaged_file_loses_nothing(file: Path) -> None:
    file.parent.mkdir()
    damaged = b'{"time": 1, "exercise": "04.1", "right": true}\n[1]\n\xff\n{"time": 2, "exer'
    file.write_bytes(damaged)
    lesson04.check_unchanged(RIGHT)
    found, lines = record.read(file)
    assert found[0] == Try(1, "04.1", True) and found[1].exercise == "04.4" and len(found) == 2
    assert lines == [2, 3, 4]
    assert file.read_bytes().startswith(damaged + b"\n")


def test_a_file_that_cannot_be_written_does_not_hide_the_verdict(file: Path, capsys) -> None:
    file.parent.write_text("a file where the folder should be")
    assert lesson04.check_unchanged(RIGHT).status == "right"
    assert capsys.readouterr().out == "right\n"


def test_every_checker_has_a_number() -> None:
    """A checker without one would leave no trace."""
    assert number_of(lesson04.check_unchanged) == "04.4"
    assert number_of(lambda: None) == ""


def test_a_real_kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Opened by a person it writes; the same kernel under pytest's mark, or unopened, does not."""
    file = tmp_path / "progress.jsonl"
    cells = [
        "import os\nfrom exercises import lesson04",
        f"lesson04.check_unchanged({WRONG})",
        f"lesson04.check_unchanged({RIGHT})",
        f"# Solution\nlesson04.check_unchanged({RIGHT})",
        f"os.environ['PYTEST_VERSION'] = '9'\nlesson04.check_unchanged({RIGHT})",
        f"del os.environ['PYTEST_VERSION'], os.environ['JPY_SESSION_NAME']\nlesson04.check_unchanged({RIGHT})",
    ]
    v4 = nbformat.v4
    notebook = v4.new_notebook(cells=[v4.new_code_cell(cell) for cell in cells])
    plain = {key: value for key, value in os.environ.items() if key not in record.AT_WORK}
    environment = plain | OPENED | {record.VARIABLE: str(file)}
    NotebookClient(notebook, timeout=300, kernel_name="python3").execute(env=environment)
    said = [cell.outputs[0].text.split(",")[0].strip() for cell in notebook.cells[1:]]
    assert said == ["wrong", "right", "right", "right", "right"]
    assert tries(file) == [("04.4", False), ("04.4", True)]
