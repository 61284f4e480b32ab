"""The check that the training lessons run on real data finds the right lessons, and finds what
fails in them.
"""

import importlib.util
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

spec = importlib.util.spec_from_file_location(
    "run_on_real_data", Path(__file__).parent / "run_on_real_data.py"
)
real = importlib.util.module_from_spec(spec)
spec.loader.exec_module(real)


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A course of two lessons; `course(code)` writes the notebook of the one that trains. The data
    folder holds an ml-100k.
    """
    source, built, data = (
        tmp_path / "notebooks" / "source",
        tmp_path / "notebooks" / "en",
        tmp_path / "data",
    )
    for folder in (source, built, data / "ml-100k"):
        folder.mkdir(parents=True)
    (data / "ml-100k" / "u.data").write_text("1\t1\t5\t881250949\n")
    (source / "04_reads.py").write_text(
        "# %% [markdown]\n# prose about settings(...)\n# %%\nx = 1\n"
    )
    (source / "07_trains.py").write_text('# %%\nchosen = settings("sample")\n')
    monkeypatch.setattr(real, "ROOT", tmp_path)
    for name in ("TUTORIAL_DATASET", "TUTORIAL_USERS"):
        monkeypatch.setenv(name, "restored after the test")
    monkeypatch.setenv("TUTORIAL_DATA_DIR", str(data))

    def write(code: str) -> None:
        nbformat.write(
            new_notebook(cells=[new_code_cell("x = 1"), new_code_cell(code, id="planted")]),
            built / "07_trains.ipynb",
        )

    return write


def test_only_lessons_that_train_are_run(course):
    assert [path.name for path in real.training_lessons(real.ROOT)] == ["07_trains.ipynb"]


def test_a_lesson_runs_with_the_real_data_in_its_environment(course, capsys):
    course(
        "import os; assert os.environ['TUTORIAL_DATASET'] == 'ml-100k' and"
        " os.environ['TUTORIAL_USERS'] == '300'"
    )
    assert real.main() == 0
    assert "07_trains: ran on ml-100k" in capsys.readouterr().out


def test_a_failing_cell_is_named_with_its_traceback(course, capsys):
    course("print('before')\n1 / 0")
    assert real.main() == 1
    printed = capsys.readouterr().out
    assert "07_trains: FAILED, cell planted" in printed and "ZeroDivisionError" in printed


def test_a_missing_notebook_is_a_failure(course, capsys):
    assert real.main() == 1
    assert "07_trains: FAILED, is not built" in capsys.readouterr().out


def test_without_the_data_the_run_is_skipped_in_one_sentence(course, capsys, monkeypatch, tmp_path):
    course("1 / 0")
    for value in ("", str(tmp_path)):
        monkeypatch.setenv("TUTORIAL_DATA_DIR", value)
        assert real.main() == 0
        assert capsys.readouterr().out.count("\n") == 1
