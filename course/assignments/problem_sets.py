"""Which exercises make which assignment, and what each is worth: the checkers, sets.csv and the
prose in sets/.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

from course.assignments.extract import (
    LANGUAGES,
    ROOT,
    Course,
    Exercise,
    LessonError,
    Problem,
    Row,
    exercises_of,
)
from course.format import Cell, read_lesson
from tutorial_files.language import say

FOLDER = ROOT / "exercises"
# what a submission may take when it is graded: seconds for a cell, GB for all of it
LIMITS = {"seconds": 30, "memory": 4}


@dataclass(frozen=True)
class Worth:
    points: int
    minutes: int


@dataclass(frozen=True)
class Assignment:
    """What becomes one notebook: the exercises of a lesson, or a problem set with its own prose and
    hand-marked tasks.
    """

    name: str
    title: dict[str, str]
    exercises: tuple[Exercise, ...]
    # of a problem set: cells tagged intro, task, rubric, starter or guide
    prose: tuple[Cell, ...] = ()
    tasks: dict[str, Worth] = field(default_factory=dict)

    def marks(self) -> dict[str, tuple[Worth, bool]]:
        """Everything that earns points, in order: its worth, and whether a checker marks it."""
        by_checker = {one.number: (worth_of(one), True) for one in self.exercises}
        return by_checker | {name: (worth, False) for name, worth in self.tasks.items()}


def worth_of(exercise: Exercise) -> Worth:
    """Points and minutes stand at the checker, in exercises/lessonNN.py."""
    module, name = exercise.checker.split(".")
    checker = getattr(import_module(f"exercises.{module}"), name)
    return Worth(checker.points, checker.minutes)


def tasks_of(name: str, text: str, prose: list[Cell]) -> dict[str, Worth]:
    """What the hand-marked tasks of a set are worth: "question:5:20 design:8:30" are two tasks with
    their points and minutes.
    """
    cells = [cell.id for cell in prose if "task" in cell.tags]
    try:
        parts = (part.split(":") for part in text.split())
        worth = {task: Worth(int(points), int(minutes)) for task, points, minutes in parts}
    except ValueError:
        worth = {}
    if list(worth) != cells or any(min(w.points, w.minutes) < 0 for w in worth.values()):
        raise LessonError(
            Problem(
                "sets.csv",
                None,
                say(
                    "{name} has the tasks [{tasks}], and its column tasks says {text!r}: give"
                    " name:points:minutes for each, as in question:5:20",
                    name=name,
                    tasks=", ".join(cells),
                    text=text,
                ),
            )
        )
    return worth


class Sets(Course):
    """The folder of the problem sets, read like lessons."""

    def source(self, row: Row) -> Path:
        return FOLDER / "sets" / f"{row.slug}.py"


def read_assignments(course: Course) -> tuple[list[Assignment], list[str]]:
    """The assignment of every lesson that has been written, then the problem sets; and what is left
    out for now, in words.
    """
    by_number, found, missing = {}, [], []
    for row in course.written():
        exercises = exercises_of(course, row)
        by_number |= {exercise.number: exercise for exercise in exercises}
        found.append(
            Assignment(
                row.name,
                {lang: f"{row.number:02d} · {row.title[lang]}" for lang in LANGUAGES},
                tuple(exercises),
            )
        )
    unwritten = {f"{row.number:02d}" for row in course.rows} - {
        f"{row.number:02d}" for row in course.written()
    }
    with (FOLDER / "sets.csv").open(encoding="utf-8-sig", newline="") as file:
        for line in csv.DictReader(file):
            title = {lang: line[f"title_{lang}"] for lang in LANGUAGES}
            row = Row(0, line["set"], title, 0, 0, (), title)
            wanted = line["exercises"].split()
            later = [
                number for number in wanted if number not in by_number and number[:2] in unwritten
            ]
            missing += [
                say(
                    "{set} is without {number}: its lesson has not been written yet",
                    set=row.slug,
                    number=number,
                )
                for number in later
            ]
            if unknown := [
                number for number in wanted if number not in by_number and number not in later
            ]:
                raise LessonError(
                    Problem(
                        "sets.csv",
                        None,
                        say(
                            "{set} names {unknown}, which no lesson has; remove it",
                            set=row.slug,
                            unknown=", ".join(unknown),
                        ),
                    )
                )
            chosen = tuple(by_number[number] for number in wanted if number in by_number)
            prose = read_lesson(Sets(course.root, ()), row)
            tasks = tasks_of(row.slug, line.get("tasks") or "", prose)
            found.append(Assignment(row.slug, title, chosen, tuple(prose), tasks))
    return found, missing
