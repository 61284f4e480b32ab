"""The open task of every lesson: its cell, its checker, and reports on which the checker is tried."""

import importlib

import numpy as np
import pytest

from course.format import code_of, read_lesson
from course.lessons import load_course
from exercises.open_task import END, Report, interval_of, open_task, runs_of
from tests.exercises.test_exercises import ROOT
from tutorial_lib.statistics import paired_bootstrap

COURSE = load_course(ROOT)
LESSONS = {f"{row.number:02d}": row for row in COURSE.written()}


def lesson(number: str):
    return importlib.import_module(f"exercises.lesson{number}")


def cell_of(number: str):
    (cell,) = (one for one in read_lesson(COURSE, LESSONS[number]) if one.id == "open-code")
    return cell


@pytest.mark.parametrize("number", LESSONS)
class TestEveryLesson:
    def test_the_cell_as_it_is_handed_out_is_not_attempted(self, number, capsys):
        """In both languages, and it names every part that the checker reads."""
        cell = cell_of(number)
        assert "open" in cell.tags
        for language in ("en", "zh"):
            names = {f"lesson{number}": lesson(number)}
            code = code_of(COURSE, LESSONS[number], cell, language)
            exec(code, names)
            assert capsys.readouterr().out == "not attempted yet\n"
            assert list(names["my_report"]) and set(names["my_report"]) == set(lesson(number).OPEN)

    def test_complete_reports(self, number, capsys):
        assert len(lesson(number).OPEN_RIGHT) >= 2
        for report in lesson(number).OPEN_RIGHT:
            assert lesson(number).open_report(report).status == "complete"

    def test_incomplete_reports_say_why(self, number, capsys):
        wrong = lesson(number).OPEN_WRONG
        assert len(wrong) >= 3
        reasons = set()
        for report, words in wrong:
            verdict = lesson(number).open_report(report)
            assert verdict.status == "incomplete" and words in verdict.reason
            reasons.add(verdict.reason)
        assert len(reasons) == len(wrong)

    def test_each_part_is_wanted(self, number, capsys):
        for name in lesson(number).OPEN:
            verdict = lesson(number).open_report({**lesson(number).OPEN, name: ...})
            assert verdict.status == "incomplete" and f"`{name}` is missing" in verdict.reason


def faults_of(read, value) -> list[str]:
    report = Report({"part": value})
    read(report)
    return report.faults


def test_an_interval_of_the_library_is_one():
    gain = np.random.default_rng(0).normal(0.1, 1.0, 50)
    assert not faults_of(lambda r: r.interval("part"), paired_bootstrap(gain, gain * 0))
    assert "lower end" in faults_of(lambda r: r.interval("part"), (0.1, 0.1, 0.1))[0]


def test_the_best_of_a_grid_lies_inside_it():
    read = lambda r: r.grid("part")  # noqa: E731
    assert not faults_of(read, {1: 0.1, 2: 0.3, 3: 0.2})
    assert "is 3, at the edge" in faults_of(read, {1: 0.1, 2: 0.2, 3: 0.3})[0]


def test_runs_that_are_all_the_same_are_no_runs_unless_all_are_right():
    read = lambda r: r.runs("part", 3, 0, 1)  # noqa: E731
    assert not faults_of(read, [1.0, 1.0, 1.0])
    assert "does the seed reach" in faults_of(read, [0.5, 0.5, 0.5])[0]
    assert "`part` holds None" in faults_of(read, [0.5, None, 0.6])[0]


def test_an_entry_of_a_table_is_named():
    faults = faults_of(lambda r: r.table("part", interval_of(0, 1)), {"a": (0, -1, 1), "b": ...})
    assert len(faults) == 2 and "part['a']" in faults[0] and "part['b']" in faults[1]
    assert "1 of at least 3" in faults_of(lambda r: r.table("part", runs_of(3), 1), {1: [1]})[0]


def test_a_checker_never_raises(capsys):
    @open_task
    def checker(report: Report) -> None:
        raise KeyError("a")

    assert checker({"part": 1, **END}).reason == "it raised KeyError"
