"""The committed notebooks as a whole: each lesson has two, which run the same program and compute
the same numbers, each in its language.
"""

import re
from pathlib import Path

import nbformat
import pytest

from course.buttons import SETUP
from course.check import twin_faults
from course.format import lesson_entries
from course.lessons import load_course

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = ROOT / "notebooks"
COURSE = load_course(ROOT)
LESSONS = sorted(path.stem for path in (NOTEBOOKS / "source").glob("*.py"))


def read(language: str, lesson: str) -> nbformat.NotebookNode:
    return nbformat.read(NOTEBOOKS / language / f"{lesson}.ipynb", as_version=4)


def test_every_lesson_has_two_notebooks_and_no_notebook_is_left_over() -> None:
    assert LESSONS
    for language in ("en", "zh"):
        assert sorted(path.stem for path in (NOTEBOOKS / language).glob("*.ipynb")) == LESSONS


@pytest.mark.parametrize("lesson", LESSONS)
def test_twins_differ_only_in_language(lesson: str) -> None:
    en, zh = read("en", lesson), read("zh", lesson)
    row = next(row for row in COURSE.rows if row.name == lesson)
    entries = lesson_entries(COURSE, row)
    assert [cell.id for cell in en.cells] == [cell.id for cell in zh.cells]
    assert len({cell.id for cell in en.cells}) == len(en.cells)
    for first, second in zip(en.cells, zh.cells, strict=True):
        assert first.cell_type == second.cell_type and first.metadata.get(
            "tags"
        ) == second.metadata.get("tags"), first.id
        if first.cell_type == "code":
            if first.id == SETUP:  # runs on hosted services only
                continue
            assert first.execution_count == second.execution_count is not None, (
                f"{first.id} was not executed"
            )
    assert list(twin_faults(en.cells, zh.cells, entries)) == []


@pytest.mark.parametrize("lesson", LESSONS)
def test_each_notebook_is_in_its_language(lesson: str) -> None:
    han = re.compile("[\u4e00-\u9fff]")
    for first, second in zip(
        read("en", lesson).cells[1:], read("zh", lesson).cells[1:], strict=True
    ):
        if first.cell_type == "markdown":
            assert han.search(second.source), f"{second.id} holds no Chinese"
            assert not re.search("[，。：；！？]", first.source), (
                f"{first.id} has Chinese punctuation in English"
            )


@pytest.mark.parametrize("lesson", LESSONS)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_notebook_opens_without_questions(lesson: str, language: str) -> None:
    notebook = read(language, lesson)
    nbformat.validate(notebook)
    assert notebook.metadata["kernelspec"]["name"] == "python3"
    assert not any("execution" in cell.metadata for cell in notebook.cells)
    assert (
        notebook.cells[0].id == "header"
        and f"](../{'zh' if language == 'en' else 'en'}/{lesson}.ipynb)" in notebook.cells[0].source
    )
    for cell in notebook.cells:
        if cell.cell_type == "code" and "solution" in cell.metadata.get("tags", []):
            assert cell.metadata["jupyter"]["source_hidden"], (
                f"the solution {cell.id} is not folded"
            )
