"""Which exercises make which assignment, and what each is worth: points.csv, sets.csv and the prose
in sets/.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from exercises import LANGUAGES, ROOT, Course, Exercise, LessonError, Problem, Row, exercises_of
from lesson_format import Cell, read_lesson

FOLDER = ROOT / "assignments"
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

    def marks(self, worth: dict[str, Worth]) -> dict[str, tuple[Worth, bool]]:
        """Everything that earns points, in order: what it is worth, and whether a checker marks it."""
        tasks = [cell for cell in self.prose if "task" in cell.tags]
        by_checker = {
            exercise.number: (worth_of(worth, exercise.number), True) for exercise in self.exercises
        }
        return by_checker | {cell.id: (worth_of(worth, cell.id), False) for cell in tasks}


def read_points(path: Path = FOLDER / "points.csv") -> dict[str, Worth]:
    """exercise, points, minutes; the line `other` stands for exercises without a line of their own."""
    worth: dict[str, Worth] = {}
    with path.open(encoding="utf-8-sig", newline="") as file:
        for line, row in enumerate(csv.DictReader(file), start=2):
            try:
                name, one = row["exercise"].strip(), Worth(int(row["points"]), int(row["minutes"]))
            except (KeyError, ValueError, AttributeError, TypeError):
                raise LessonError(
                    Problem(
                        path.name,
                        None,
                        f"line {line} needs exercise, points and minutes, as in 04.1,3,12",
                    )
                ) from None
            if name in worth or one.points < 0 or one.minutes < 0:
                raise LessonError(
                    Problem(
                        path.name,
                        None,
                        f"line {line} gives {name!r} again, or a number below 0; mend it",
                    )
                )
            worth[name] = one
    if "other" not in worth:
        raise LessonError(
            Problem(
                path.name, None, "lacks the line `other`, for exercises without a line of their own"
            )
        )
    return worth


def worth_of(worth: dict[str, Worth], name: str) -> Worth:
    return worth.get(name, worth["other"])


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
            row = Row(0, line["set"], title, 0, (), title)
            wanted = line["exercises"].split()
            later = [
                number for number in wanted if number not in by_number and number[:2] in unwritten
            ]
            missing += [
                f"{row.slug} is without {number}: its lesson has not been written yet"
                for number in later
            ]
            if unknown := [
                number for number in wanted if number not in by_number and number not in later
            ]:
                raise LessonError(
                    Problem(
                        "sets.csv",
                        None,
                        f"{row.slug} names {', '.join(unknown)}, which no lesson has; remove it",
                    )
                )
            chosen = tuple(by_number[number] for number in wanted if number in by_number)
            found.append(
                Assignment(row.slug, title, chosen, tuple(read_lesson(Sets(course.root, ()), row)))
            )
    known = {number for one in found for number in one.marks(read_points())} | {"other"}
    if unknown := [
        name for name in read_points() if name not in known and name[:2] not in unwritten
    ]:
        raise LessonError(
            Problem(
                "points.csv",
                None,
                f"gives points to {', '.join(unknown)}, which does not exist; remove the line",
            )
        )
    return found, missing
