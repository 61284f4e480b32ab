"""The table of a learner's own record."""

import json
import re
from pathlib import Path

import pytest

from course import progress
from course.format import code_of, read_lesson
from course.lessons import load_course
from exercises import lesson09, record
from exercises.checking import number_of
from exercises.record import Try
from tutorial_files.language import columns, speaking

ROOT = Path(__file__).resolve().parents[2]
COURSE = load_course(ROOT)


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    found = tmp_path / "progress.jsonl"
    monkeypatch.setenv(record.VARIABLE, str(found))
    return found


def write(file: Path, *tries: Try) -> None:
    lines = (json.dumps(vars(one)) + "\n" for one in tries)
    file.write_text("".join(lines), encoding="utf-8")


def test_every_exercise_of_every_lesson_is_in_the_table() -> None:
    """The table counts what the lessons ask, and a checker notes under the number that it counts."""
    known = progress.exercises_of()
    for row in COURSE.written():
        asked = [cell for cell in read_lesson(COURSE, row) if cell.id.endswith("-solution")]
        assert len(known[f"{row.number:02d}"]) == len(asked), row.name
    checkers = [value for name, value in vars(lesson09).items() if name.startswith("check_")]
    assert tuple(map(number_of, checkers)) == known["09"]


def test_solutions_begin_with_the_line_by_which_they_are_known() -> None:
    for row in COURSE.written():
        for cell in read_lesson(COURSE, row):
            if cell.kind == "code" and "solution" in cell.tags:
                first = [code_of(COURSE, row, cell, code).split("\n")[0] for code in ("en", "zh")]
                assert first == list(record.SOLUTIONS), (row.name, cell.id)


def test_right_stays_right_and_the_last_try_is_dated() -> None:
    tries = [Try(100, "04.1", False), Try(200, "04.1", True), Try(300, "04.1", False)]
    line = {line.lesson: line for line in progress.table([*tries, Try(9, "99.1", True)])}["04"]
    assert (line.tried, line.right, line.last) == ({"04.1"}, {"04.1"}, 300)
    assert line.exercises == ("04.1", "04.2", "04.3", "04.4")


@pytest.mark.parametrize(
    ("language", "words", "total"),
    [
        ("en", "04  Self-attention: looking back at what matters", "2 of {count}"),
        ("zh", "04  自注意力", "2 / {count}"),
    ],
)
def test_the_table_speaks_the_language_of_its_reader(
    file: Path, capsys, language: str, words: str, total: str
) -> None:
    write(file, Try(1_700_000_000, "04.1", True), Try(1_700_000_000, "05.2", True))
    with speaking(language):
        assert progress.main([]) == 0
    out = capsys.readouterr().out
    rows = out.split("\n\n")[0].splitlines()
    known = progress.exercises_of()
    total = total.format(count=sum(map(len, known.values())))
    assert len(rows) == len(known) + 2 and total in rows[-1] and str(file) in out
    (row,) = (row for row in rows if row.startswith(words))
    assert "■□□□" in row and row.endswith("2023-11-14")
    bars = {columns(row[: re.search("[■□]", row).start()]) for row in rows[1:-1]}
    assert len(bars) == 1, "the bars stand below each other"


def test_an_empty_record_says_what_to_do(file: Path, capsys) -> None:
    assert progress.main([]) == 0
    out = capsys.readouterr().out
    assert "No exercise has been tried yet" in out and "make lab" in out and str(file) in out
    assert not file.exists()


def test_a_damaged_file_is_one_sentence_and_nothing_is_lost(file: Path, capsys) -> None:
    write(file, Try(1, "04.1", True))
    file.write_text(file.read_text() + '{"time": 1, "exerc\n')
    before = file.read_bytes()
    assert progress.main([]) == 0
    out = capsys.readouterr().out
    assert f"Lines of {file} that cannot be read were left out and stay in the file: 2.\n" in out
    assert "1 of 4" in out and file.read_bytes() == before


def test_a_file_that_may_not_be_read_is_one_sentence(file: Path, capsys) -> None:
    file.mkdir()
    assert progress.main([]) == 1
    assert re.fullmatch(
        rf"{file} cannot be read \(.+\): mend its rights, or name another file in"
        r" TUTORIAL_PROGRESS\.\n",
        capsys.readouterr().err,
    )


def test_switched_off(monkeypatch, capsys) -> None:
    monkeypatch.setenv(record.VARIABLE, "off")
    assert progress.main([]) == 0
    assert capsys.readouterr().out == "No record is kept: TUTORIAL_PROGRESS is off.\n"


def test_where_lessons_are_tested_the_cell_prints_the_same_everywhere(file, capsys) -> None:
    """With a record in place: nbval would compare another output on every machine."""
    write(file, Try(1, "04.1", True))
    progress.show()
    out = capsys.readouterr().out
    assert out.startswith("No exercise has been tried yet") and str(file.parent) not in out


def test_git_ignores_it() -> None:
    assert "/progress.jsonl" in (ROOT / ".gitignore").read_text().splitlines()
    if not record.INSTALLED:
        assert record.path({}) == ROOT / "progress.jsonl"
