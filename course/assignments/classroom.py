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
import contextlib
import csv
import fcntl
import html
import io
import json
import sys
import time
import warnings
from pathlib import Path

from nbgrader.api import Gradebook, MissingEntry
from nbgrader.apps import NbGraderAPI
from nbgrader.plugins import CsvExportPlugin
from traitlets.config import PyFileConfigLoader

from course.assignments import intake
from course.assignments.extract import LANGUAGES, ROOT, LessonError
from course.assignments.feedback import NO_RESPONSE
from course.assignments.intake import Submission
from course.assignments.sandbox import choose
from course.lessons import speak, write_atomically
from tutorial_files.language import mark, say, spoken

UNREADABLE = mark(
    "The file could not be graded: it is not a notebook that Jupyter can open, or not the one that"
    " was handed out."
)
SANDBOX = {
    "bubblewrap": mark("Each submission runs in a sandbox of bubblewrap."),
    "docker": mark("Each submission runs in a container of docker."),
    "podman": mark("Each submission runs in a container of podman."),
    "unsafe": mark(
        "WARNING: without a sandbox. Every submission can read, change and send whatever you can."
    ),
}


@contextlib.contextmanager
def alone(folder: Path):
    """Two calls at once would grade the same work twice."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise LessonError(
                say("another `make grades` is at work in {folder}: wait for it", folder=folder)
            ) from None
        yield


def open_course(folder: Path, *, unsafe: bool = False) -> NbGraderAPI:
    """nbgrader, with the settings of this course."""
    if not (folder / "nbgrader_config.py").exists():
        raise LessonError(
            say("{folder} is not a course folder: run `make assignments` first", folder=folder)
        )
    config = PyFileConfigLoader("nbgrader_config.py", path=str(folder)).load_config()
    config.CourseDirectory.root = str(folder)
    config.Application.log_level = config.NbGraderAPI.log_level = "ERROR"
    config.CourseDirectory.submitted_directory = "collected"
    config.Guard.unsafe = unsafe
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
                    say(
                        "nbgrader could not make {assignment}:\n{error}",
                        assignment=f"{language}/{name}",
                        error=done.get("error") or done["log"],
                    )
                )


def grade(
    folder: Path, language: str, again: bool = False, unsafe: bool = False
) -> dict[tuple[str, str], str]:
    """Grade, write feedback, grades.csv, nbgrader.csv and notes.csv; returns the note of every
    submission that needs one.

    A submission counts as graded when its record in graded/ is written, which happens last: an
    interrupted call is simply repeated.
    """
    nbgrader = open_course(folder, unsafe=unsafe)
    found, astray = intake.submissions(folder)
    notes = {}
    for key, (kind, values) in astray.items():
        notes[key] = spoken(language, intake.NOTES[kind], **values)
    for one in found:
        record = folder / "graded" / one.student / f"{one.assignment}.json"
        done = read_record(record)
        if again or done.get("digest") != one.digest:
            began = time.perf_counter()
            note = grade_one(nbgrader, folder, one, language)
            done = {"digest": one.digest, "note": note}
            write_atomically({record: json.dumps(done, ensure_ascii=False) + "\n"})
            points = score(nbgrader.gradebook, one.assignment, one.student, language)
            seconds = time.perf_counter() - began
            print(
                f"{language}  {one.assignment}  {one.student}: {points}  ({seconds:.1f} s)",
                flush=True,
            )
        if done["note"]:
            notes[one.assignment, one.student] = done["note"]
    with nbgrader.gradebook as gradebook:
        write_tables(folder, gradebook, notes)
    return notes


def read_record(path: Path) -> dict:
    """What is known of a graded submission; nothing where the record is missing or damaged."""
    try:
        done = json.loads(path.read_text(encoding="utf-8"))
        return done if set(done) == {"digest", "note"} else {}
    except (OSError, ValueError, TypeError):
        return {}


def grade_one(nbgrader: NbGraderAPI, folder: Path, one: Submission, language: str) -> str | None:
    """Grade one submission and write its feedback; returns its note."""
    there, kind, values = intake.collect(one, folder)
    notes = [spoken(language, intake.NOTES[kind], **values)] if kind else []
    if there:
        done = nbgrader.autograde(one.assignment, one.student, force=True)
        if done["success"]:
            notes += notes_of(nbgrader.gradebook, one, language)
            done = nbgrader.generate_feedback(one.assignment, one.student, force=True)
            if not done["success"]:
                error = done["error"].strip()
                words = spoken(language, "no feedback for {student}: {error}",
                               student=one.student, error=error)  # fmt: skip
                print(words, file=sys.stderr)
            return " ".join(notes) or None
        notes.append(spoken(language, UNREADABLE))
        print(done.get("error") or done.get("log"), file=sys.stderr)
    give_zero(nbgrader.gradebook, one.assignment, one.student)
    page = folder / "feedback" / one.student / one.assignment / f"{one.assignment}.html"
    text = html.escape(" ".join(notes))
    write_atomically({page: f'<!doctype html><meta charset="utf-8"><p>{text}</p>\n'})
    return " ".join(notes)


def notes_of(gradebook: Gradebook, one: Submission, language: str) -> list[str]:
    """What the guard had to say of a submission: the comment is the same on all its answers."""
    with gradebook:
        submission = gradebook.find_submission(one.assignment, one.student)
        comments = {c.auto_comment for notebook in submission.notebooks for c in notebook.comments}
    comments -= {None, "", spoken(language, NO_RESPONSE)}
    return sorted(comments) if len(comments) == 1 else []


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


def score(gradebook: Gradebook, assignment: str, student: str, language: str) -> str:
    with gradebook:
        try:
            submission = gradebook.find_submission(assignment, student)
        except MissingEntry:
            return spoken(language, "no assignment of this name was handed out")
        points = spoken(
            language,
            "{score:g} of {most:g}",
            score=submission.score,
            most=submission.max_score,
        )
        rest = spoken(language, ", and something to mark by hand")
        return points + (rest if submission.needs_manual_grade else "")


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
    parser = argparse.ArgumentParser(description=say("Grade what has been handed in."))
    parser.add_argument(
        "--course",
        type=Path,
        default=ROOT / "classroom",
        help=say("folder of the bundle (default: classroom)"),
    )
    parser.add_argument("--again", action="store_true", help=say("grade everything again"))
    parser.add_argument(
        "--unsafe",
        action="store_true",
        help=say(
            "grade without a sandbox where there is none: a submission is then a program of yours"
        ),
    )
    options = parser.parse_args(arguments)
    # of nbformat and SQLAlchemy, about what submissions and nbgrader do
    warnings.simplefilter("ignore")
    try:
        kind = choose(options.unsafe)
        print(say(SANDBOX[kind]))
        for language in LANGUAGES:
            folder = options.course.resolve() / language
            with alone(folder):
                notes = grade(folder, language, options.again, options.unsafe)
            for (assignment, student), note in notes.items():
                print(f"{language}  {assignment}  {student}: {note}")
    except LessonError as error:
        print(error, file=sys.stderr)
        return 1
    print(
        say(
            "grades.csv and notes.csv are in {folder}/en and {folder}/zh, feedback in feedback/",
            folder=options.course,
        )
    )
    return 0


if __name__ == "__main__":
    speak()
    sys.exit(main())
