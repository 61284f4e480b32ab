"""Every exercise of every lesson, examined in the same way: the solution is right, the stub is not
attempted, mistakes are named.

The answers are data: RIGHT and WRONG of exercises/lessonNN.py, at least three of each for each
checker.
"""

import importlib
from functools import cache
from pathlib import Path

import pytest

from course.assignments import extract
from course.lessons import load_course

ROOT = Path(__file__).resolve().parents[2]

COURSE = load_course(ROOT)
EXERCISES = {
    one.number: one for row in COURSE.written() for one in extract.exercises_of(COURSE, row)
}
HELPFUL = 20  # characters that a reason has at least: enough for a few words


@cache
def answers(lesson: int):
    """The module that holds the right and wrong answers of a lesson."""
    return importlib.import_module(f"exercises.lesson{lesson:02d}")


def checker_of(exercise: extract.Exercise):
    return getattr(
        importlib.import_module(f"exercises.{exercise.checker.split('.')[0]}"),
        exercise.checker.split(".")[1],
    )


def given(exercise: extract.Exercise, table: str) -> list[tuple]:
    return [
        row[1:]
        for row in getattr(answers(exercise.lesson.number), table)
        if row[0] is checker_of(exercise)
    ]


def test_every_checker_belongs_to_an_exercise():
    for row in COURSE.written():
        module = importlib.import_module(f"exercises.lesson{row.number:02d}")
        checkers = {
            f"lesson{row.number:02d}.{name}" for name in vars(module) if name.startswith("check_")
        }
        assert checkers == {one.checker for one in EXERCISES.values() if one.lesson == row}


@pytest.mark.parametrize("number", EXERCISES)
def test_at_least_three_wrong_answers_are_rejected_with_a_reason(number, capsys):
    checker, wrong = checker_of(EXERCISES[number]), given(EXERCISES[number], "WRONG")
    assert len(wrong) >= 3, (
        f"{number} has {len(wrong)} wrong answers; write at least three that a student might hand in"
    )
    reasons = set()
    for answer, message in wrong:
        verdict = checker(answer)
        assert (
            verdict.status == "wrong"
            and message in verdict.reason
            and len(verdict.reason) >= HELPFUL
        )
        reasons.add(verdict.reason)
    assert len(reasons) >= 3, f"{number} says the same to all wrong answers"


@pytest.mark.parametrize("number", EXERCISES)
def test_right_answers_pass_and_no_answer_is_no_attempt(number, capsys):
    checker, right = checker_of(EXERCISES[number]), given(EXERCISES[number], "RIGHT")
    assert len(right) >= 3, (
        f"{number} has {len(right)} right answers; write at least three, in different styles"
    )
    for (answer,) in right:
        assert checker(answer).status == "right"
    for stub in (lambda *args: None, lambda *args: ...) if callable(right[0][0]) else (None, ...):
        assert checker(stub).status == "not attempted yet"
