"""Student versions and grading, with nbgrader: what `make assignments` and `make grades` do in a
course folder.

    python -m course.assignments.classroom              grade what has been handed in since the last time,
        in both languages
    python -m course.assignments.classroom --again      grade everything again, for example after points or
        checkers have changed

A submission is the file classroom/LANGUAGE/submitted/STUDENT/ASSIGNMENT/ASSIGNMENT.ipynb.
"""

from __future__ import annotations

import argparse
import csv
import io
import sys
import time
import warnings
from pathlib import Path

from nbgrader.api import Gradebook, MissingEntry
from nbgrader.apps import NbGraderAPI
from nbgrader.plugins import CsvExportPlugin
from traitlets.config import PyFileConfigLoader

from course.assignments.extract import LANGUAGES, ROOT, LessonError
from course.lessons import write_atomically

UNREADABLE = {
    "en": (
        "The file could not be graded: it is not a notebook that Jupyter can open, or not the one"
        " that was handed out."
    ),
    "zh": "这份文件无法评分：它不是 Jupyter 能打开的笔记本，或者不是发下来的那一份。",
}


def open_course(folder: Path) -> NbGraderAPI:
    """nbgrader, with the settings of this course."""
    if not (folder / "nbgrader_config.py").exists():
        raise LessonError(f"{folder} is not a course folder: run `make assignments` first")
    config = PyFileConfigLoader("nbgrader_config.py", path=str(folder)).load_config()
    config.CourseDirectory.root = str(folder)
    config.Application.log_level = config.NbGraderAPI.log_level = "ERROR"
    return NbGraderAPI(config=config)


def make_student_versions(out: Path, names: list[str]) -> None:
    """release/ from source/, and a gradebook that knows what each cell is worth; LessonError with
    what nbgrader said.
    """
    for language in LANGUAGES:
        nbgrader = open_course(out / language)
        for name in names:
            done = nbgrader.generate_assignment(name, force=True)
            if not done["success"]:
                raise LessonError(
                    "nbgrader could not make"
                    f" {language}/{name}:\n{done.get('error') or done['log']}"
                )


def submissions(folder: Path, again: bool) -> list[tuple[str, str]]:
    """(assignment, student) of what was handed in and is not graded yet, or was handed in again."""
    found = []
    for path in sorted(folder.glob("submitted/*/*")):
        graded = folder / "autograded" / path.parent.name / path.name
        files = [file for file in path.glob("*.ipynb") if not file.name.startswith(".")]
        if path.is_dir() and (
            again
            or not graded.exists()
            or max((f.stat().st_mtime for f in files), default=0) > graded.stat().st_mtime
        ):
            found.append((path.name, path.parent.name))
    return found


def grade(folder: Path, language: str, again: bool = False) -> dict[tuple[str, str], str]:
    """Grade, write feedback, grades.csv, nbgrader.csv and notes.csv; returns the note of every
    submission that needs one.
    """
    nbgrader, notes = open_course(folder), {}
    todo = submissions(folder, again)
    for assignment, student in todo:
        began = time.perf_counter()
        done = nbgrader.autograde(assignment, student, force=True)
        if not done["success"]:
            give_zero(nbgrader.gradebook, assignment, student)
            notes[assignment, student] = UNREADABLE[language]
        elif not (done := nbgrader.generate_feedback(assignment, student, force=True))["success"]:
            print(
                f"no feedback for {student}: {done['error'].strip().splitlines()[-1]}",
                file=sys.stderr,
            )
        points = score(nbgrader.gradebook, assignment, student)
        print(
            f"{language}  {assignment}  {student}: {points}  ({time.perf_counter() - began:.1f} s)",
            flush=True,
        )
    with nbgrader.gradebook as gradebook:
        notes |= stopped(gradebook)
        write_tables(folder, gradebook, notes)
    return notes


def give_zero(gradebook: Gradebook, assignment: str, student: str) -> None:
    """A file that cannot be read gets zero everywhere, so that the gradebook is complete."""
    with gradebook:
        try:
            gradebook.find_assignment(assignment)
        except MissingEntry:
            return
        gradebook.update_or_create_student(student)
        for notebook in gradebook.update_or_create_submission(assignment, student).notebooks:
            for one in notebook.grades:
                one.auto_score, one.needs_manual_grade = 0, False
        gradebook.db.commit()


def score(gradebook: Gradebook, assignment: str, student: str) -> str:
    with gradebook:
        try:
            submission = gradebook.find_submission(assignment, student)
        except MissingEntry:
            return "no assignment of this name was handed out"
        rest = ", and something to mark by hand" if submission.needs_manual_grade else ""
        return f"{submission.score:g} of {submission.max_score:g}{rest}"


def stopped(gradebook: Gradebook) -> dict[tuple[str, str], str]:
    """Notes of submissions that the guard has stopped: the comment is the same on all their
    answers.
    """
    notes = {}
    for assignment in gradebook.assignments:
        for submission in assignment.submissions:
            comments = {
                one.auto_comment for notebook in submission.notebooks for one in notebook.comments
            }
            comment = next(iter(comments)) if len(comments) == 1 else None
            if comment and comment != "No response.":
                notes[assignment.name, submission.student.id] = comment
    return notes


def write_tables(folder: Path, gradebook: Gradebook, notes: dict[tuple[str, str], str]) -> None:
    """grades.csv: a row a student, a column an assignment that was handed in, for learning
    management systems; notes.csv.
    """
    names = [assignment.name for assignment in gradebook.assignments if assignment.submissions]
    maximum = {assignment.name: assignment.max_score for assignment in gradebook.assignments}
    rows = [["student", *(f"{name} [{maximum[name]:g}]" for name in names)]]
    for student in gradebook.students:
        found = {
            submission.assignment.name: f"{submission.score:g}"
            for submission in student.submissions
        }
        rows.append([student.id, *(found.get(name, "") for name in names)])
    write_atomically(
        {
            folder / "grades.csv": table(rows),
            folder / "notes.csv": table(
                [
                    ["assignment", "student", "note"],
                    *([*key, note] for key, note in sorted(notes.items())),
                ]
            ),
        }
    )
    export = CsvExportPlugin()
    export.to = str(folder / "nbgrader.csv")
    export.export(gradebook)


def table(rows: list[list[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return "\ufeff" + text.getvalue()  # the mark by which spreadsheets know that the text is UTF-8


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--course",
        type=Path,
        default=ROOT / "classroom",
        help="folder of the bundle (default: course)",
    )
    parser.add_argument("--again", action="store_true", help="grade everything again")
    options = parser.parse_args(arguments)
    # of nbformat and SQLAlchemy, about what submissions and nbgrader do
    warnings.simplefilter("ignore")
    try:
        for language in LANGUAGES:
            folder = options.course.resolve() / language
            for (assignment, student), note in grade(folder, language, options.again).items():
                print(f"{language}  {assignment}  {student}: {note}")
    except LessonError as error:
        print(error, file=sys.stderr)
        return 1
    print(
        f"grades.csv and notes.csv are in {options.course}/en and {options.course}/zh, feedback in"
        " feedback/"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
