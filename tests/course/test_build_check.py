"""`python -m course.build check`: every fault that is planted in a clean lesson is found, and what is right
passes.
"""

import shutil
import sys
from pathlib import Path

import nbformat
import pytest

sys.path.insert(0, str(Path(__file__).parent / "build_fixtures"))

from faults import IN_OUTPUTS, IN_SOURCE, NO_FAULT  # noqa: E402
from helpers import CATALOGUE, LIBRARY, SOURCE, TWINS, build, clean_course, edit, edit_cell, run  # noqa: E402

from course.check import PARTS  # noqa: E402


@pytest.fixture
def course(tmp_path: Path) -> Path:
    """A copy of the clean course, to break."""
    return Path(shutil.copytree(clean_course(), tmp_path / "course"))


# What check finds


def test_the_clean_lesson_passes(course: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(course, capsys, "check") == (0, ["1 lesson(s) checked, nothing wrong"], [])


def problems(root: Path, capsys: pytest.CaptureFixture[str]) -> list[str]:
    status, _, err = run(root, capsys, "check")
    assert status == (1 if err else 0)
    return err


@pytest.mark.parametrize(
    ("edits", "cell", "fault"), [pytest.param(*fault[1:], id=fault[0]) for fault in IN_SOURCE]
)
def test_check_finds_a_fault_in_the_source(
    course: Path,
    capsys: pytest.CaptureFixture[str],
    edits: list[tuple[str, str]],
    cell: str | None,
    fault: str,
) -> None:
    for old, new in edits:
        edit(course, SOURCE, old, new)
    where = f"{SOURCE}: " + (f"cell {cell}: " if cell else "")
    found = problems(course, capsys)
    assert any(line.startswith(where) and fault in line for line in found), "\n".join(found)


@pytest.mark.parametrize("edits", [pytest.param(edits, id=name) for name, edits in NO_FAULT])
def test_check_accepts(
    course: Path, capsys: pytest.CaptureFixture[str], edits: list[tuple[str, str]]
) -> None:
    for old, new in edits:
        edit(course, SOURCE, old, new)
    assert build.main(["stamp", "2", "--root", str(course)]) == 0
    assert [
        line
        for line in problems(course, capsys)
        if "is older than its source" not in line and "problem(s)" not in line
    ] == []


@pytest.mark.parametrize("tag", [part for part in PARTS if part != "library"])
def test_check_finds_a_missing_part(
    course: Path, capsys: pytest.CaptureFixture[str], tag: str
) -> None:
    text = (course / SOURCE).read_text(encoding="utf-8")
    assert f'"{tag}"' in text
    (course / SOURCE).write_text(text.replace(f'"{tag}"', '"hint"'), encoding="utf-8")
    assert any(f'lacks the part "{tag}"' in line for line in problems(course, capsys))


@pytest.mark.parametrize(
    ("cell", "output", "fault"), [pytest.param(*fault[1:], id=fault[0]) for fault in IN_OUTPUTS]
)
def test_check_finds_a_fault_in_an_output(
    course: Path, capsys: pytest.CaptureFixture[str], cell: str, output: dict, fault: str
) -> None:
    for file in TWINS:
        edit_cell(course, file, cell, outputs=[nbformat.from_dict(output)])
    found = problems(course, capsys)
    assert any(line.startswith(f"{TWINS[0]}: cell {cell}: ") and fault in line for line in found), (
        "\n".join(found)
    )


def drop(root: Path, file: str, cell_id: str) -> None:
    notebook = nbformat.read(root / file, as_version=4)
    notebook.cells = [cell for cell in notebook.cells if cell.id != cell_id]
    nbformat.write(notebook, root / file)


def swap(root: Path, file: str, first: int, second: int) -> None:
    notebook = nbformat.read(root / file, as_version=4)
    notebook.cells[first], notebook.cells[second] = notebook.cells[second], notebook.cells[first]
    nbformat.write(notebook, root / file)


STREAM = nbformat.v4.new_output("stream", text="other\n")
BIG = nbformat.v4.new_output("stream", text="x" * 600_000)
AROUND_THE_SOURCE = {
    "prose edited": (
        lambda root: edit_cell(root, TWINS[1], "puzzle", source="谜"),
        TWINS[1],
        "cell puzzle: was edited by hand",
    ),
    "code edited": (
        lambda root: edit_cell(root, TWINS[0], "library", source="1"),
        TWINS[0],
        "cell library: was edited by hand",
    ),
    "cell deleted": (
        lambda root: drop(root, TWINS[0], "place"),
        TWINS[0],
        "cell place: was edited by hand",
    ),
    "cells swapped": (
        lambda root: swap(root, TWINS[0], 3, 5),
        TWINS[0],
        "cell order of the cells: was edited by hand",
    ),
    "header edited": (
        lambda root: edit_cell(root, TWINS[0], "header", source="#"),
        TWINS[0],
        "cell header: was edited by hand",
    ),
    "other outputs": (
        lambda root: edit_cell(root, TWINS[1], "setup", outputs=[STREAM]),
        TWINS[1],
        "cell setup: prints other numbers than its English twin: only English 1",
    ),
    "outputs of another run": (
        lambda root: edit_cell(root, TWINS[1], "broken", outputs=[STREAM]),
        TWINS[1],
        "has other outputs than its build gave",
    ),
    "another program in Chinese": (
        lambda root: edit_cell(root, TWINS[1], "check-mean", source="mean = 0.75\nprint(mean)"),
        TWINS[1],
        "cell check-mean: is another program than its English twin",
    ),
    "another language": (
        lambda root: edit_cell(
            root,
            TWINS[1],
            "language",
            source='from tutorial_lib.language import use_language\n\nuse_language("en")',
        ),
        TWINS[1],
        "cell language: is another program",
    ),
    "not translated": (
        lambda root: edit(root, CATALOGUE, "x 的一半。", ""),
        CATALOGUE,
        "'Half of x.': has no Chinese; run `python -m course.catalogue todo 02`",
    ),
    "word to avoid in a catalogue": (
        lambda root: edit(root, CATALOGUE, "x 的一半。", "瞎猜 x 的一半。"),
        CATALOGUE,
        "'Half of x.': says 瞎猜; the glossary has 随机猜测",
    ),
    "form of a catalogue": (
        lambda root: edit(root, CATALOGUE, "x 的一半。", "x 的一半,约 50%。"),
        CATALOGUE,
        "'Half of x.': has half-width punctuation between Chinese",
    ),
    "word to avoid on a page": (
        lambda root: edit(root, "README.zh-CN.md", "# Course", "# Course\n\n时钟"),
        "README.zh-CN.md",
        "says 时钟; the glossary has 时间信息",
    ),
    "form of a page": (
        lambda root: edit(root, "README.zh-CN.md", "# Course", "# Course\n\n约 50 %"),
        "README.zh-CN.md",
        "has a space before %; write 62%",
    ),
    "fuzzy": (
        lambda root: edit(root, CATALOGUE, "#: library\n", "#: library\n#, fuzzy\n"),
        CATALOGUE,
        "'Half of x.': is fuzzy",
    ),
    "stale": (
        lambda root: edit(root, LIBRARY, "Half of x.", "A half of x."),
        CATALOGUE,
        "'Half of x.': is stale; run `python -m course.catalogue extract 02`",
    ),
    "no glyph": (
        lambda root: edit(root, CATALOGUE, "其他数据", "其他数据龘"),
        CATALOGUE,
        "has characters without a glyph: 龘",
    ),
    "complete, but not there": (
        lambda root: (root / "locale/zh/translated.txt").write_text("03\n"),
        "locale/zh/translated.txt",
        "names no catalogue: '03'",
    ),
    "large": (
        lambda root: edit_cell(root, TWINS[1], "setup", outputs=[BIG]),
        TWINS[1],
        "kB of at most 500",
    ),
    "not built": (
        lambda root: (root / TWINS[1]).unlink(),
        TWINS[1],
        "has not been built; run `python -m course.build build 02`",
    ),
    "no notebook": (
        lambda root: (root / TWINS[1]).write_text('{"cells": ['),
        TWINS[1],
        "is not a readable notebook",
    ),
    "new code": (
        lambda root: edit(root, SOURCE, "half(8)", "half(9)"),
        TWINS[0],
        "is older than its source",
    ),
    "new Chinese": (
        lambda root: edit(root, SOURCE, "一条从", "有一条从"),
        TWINS[1],
        "is older than its source",
    ),
    "new library code": (
        lambda root: edit(root, LIBRARY, "x * SCALE", "SCALE * x"),
        TWINS[1],
        "is older than its source",
    ),
    "new table": (
        lambda root: edit(root, "notebooks/lessons.csv", "The third", "The last"),
        TWINS[0],
        "is older than its source",
    ),
    "library not Python": (
        lambda root: edit(root, LIBRARY, "class Mean:", "class Mean"),
        SOURCE,
        "is not valid Python (line 14)",
    ),
    "stray notebook": (
        lambda root: shutil.copy(root / TWINS[0], root / "notebooks/en/09_x.ipynb"),
        "notebooks/en/09_x.ipynb",
        "has no source",
    ),
    "stray source": (
        lambda root: shutil.copy(root / SOURCE, root / "notebooks/source/09_x.py"),
        "notebooks/source/09_x.py",
        "lessons.csv",
    ),
    "not text": (lambda root: (root / SOURCE).write_bytes(b"\xff\xfe"), SOURCE, "cannot be read"),
    "old table": (
        lambda root: edit(root, "README.zh-CN.md", "第一课（计划中）", "第一课"),
        "README.zh-CN.md",
        "run `python -m course.build readme`",
    ),
    "no markers": (
        lambda root: (root / "README.md").write_text("# x"),
        "README.md",
        "<!-- lessons:begin -->",
    ),
    "no README": (lambda root: (root / "README.md").unlink(), "README.md", "is missing"),
    "glossary": (
        lambda root: edit(root, "notebooks/glossary.csv", "因果掩码,yes", "因果掩码"),
        "notebooks/glossary.csv",
        "yes, no or style",
    ),
    "table": (
        lambda root: edit(root, "notebooks/lessons.csv", "40,0,1 2", "forty,0,1 2"),
        "notebooks/lessons.csv",
        "line 4 cannot be read",
    ),
    "no jupytext.toml": (
        lambda root: (root / "jupytext.toml").unlink(),
        "jupytext.toml",
        "is missing",
    ),
    "minutes": (
        lambda root: edit(root, "notebooks/lessons.csv", ",3,15,1", ",30,15,1"),
        "notebooks/lessons.csv",
        "minutes states 30, the rule of course/minutes.py gives 3; write that",
    ),
    "minutes of exercises": (
        lambda root: edit(root, "notebooks/lessons.csv", ",3,15,1", ",3,9,1"),
        "notebooks/lessons.csv",
        "exercises states 9, the rule of course/minutes.py gives 15; write that",
    ),
    "too long": (
        lambda root: edit(root, "notebooks/lessons.csv", ",3,15,1", ",80,15,1"),
        "notebooks/lessons.csv",
        "no lesson may take more than 75; split it",
    ),
    "later lesson first": (
        lambda root: edit(root, "notebooks/lessons.csv", ",3,15,1", ",3,15,3"),
        "notebooks/lessons.csv",
        "is no earlier lesson",
    ),
}


@pytest.mark.parametrize("name", AROUND_THE_SOURCE)
def test_check_finds_a_fault_around_the_source(
    course: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    plant, file, fault = AROUND_THE_SOURCE[name]
    plant(course)
    found = problems(course, capsys)
    assert any(file in line and fault in line for line in found), "\n".join(found)
