"""Which exercises are right, lesson by lesson: `make progress`, and a cell of lesson 00.

The record itself is a file on this machine (exercises/record.py); nothing is sent anywhere.
"""

import argparse
import ast
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from course.lessons import LessonError, folder_of_lessons, load_course, speak
from exercises import record
from exercises.record import Try
from tutorial_files.language import columns, language, say
from tutorial_files.shared import PROJECT

EXERCISES = Path(record.__file__).parent
FULL, EMPTY = "■", "□"


@dataclass(frozen=True)
class Line:
    """One lesson of the table: `right` and `tried` of its exercises, the time of the last try."""

    lesson: str  # "04"
    title: str
    exercises: tuple[str, ...]  # "04.1", ...
    tried: frozenset[str]
    right: frozenset[str]
    last: int | None


def exercises_of(folder: Path = EXERCISES) -> dict[str, tuple[str, ...]]:
    """The exercises of every lesson, "04" -> ("04.1", ...), from the checkers, without importing
    them: each names its exercise at the beginning of its docstring.
    """
    found = {}
    for path in sorted(folder.glob("lesson[0-9][0-9].py")):
        lesson, numbers = path.stem[-2:], []
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("check_"):
                match = re.match(r"\d+\.(\d+):", ast.get_docstring(node) or "")
                numbers += [f"{lesson}.{match[1]}"] if match else []
        found[lesson] = tuple(numbers)
    return found


def titles() -> dict[str, str]:
    """The titles of the lessons in the reader's language; none where no table of lessons lies."""
    folder = folder_of_lessons()
    rows = load_course(folder).rows if folder else ()
    return {f"{row.number:02d}": row.title[language()] for row in rows}


def table(tries: Iterable[Try]) -> list[Line]:
    """A line for every lesson. An exercise that was once right stays right."""
    names, lines = titles(), []
    tries = list(tries)
    for lesson, numbers in exercises_of().items():
        own = [one for one in tries if one.exercise in numbers]
        lines.append(
            Line(
                lesson,
                names.get(lesson, ""),
                numbers,
                frozenset(one.exercise for one in own),
                frozenset(one.exercise for one in own if one.right),
                max((one.time for one in own), default=None),
            )
        )
    return lines


def text_of(lines: list[Line]) -> str:
    """The table as text, a line a lesson, the columns aligned in both languages."""
    rows = [(say("Lesson"), say("Right"), "", say("Last try"))]
    for line in lines:
        right = len(line.right)
        bar = FULL * right + EMPTY * (len(line.exercises) - right)
        last = f"{datetime.fromtimestamp(line.last):%Y-%m-%d}" if line.last is not None else "-"
        rows.append((f"{line.lesson}  {line.title}", bar, _share(right, len(line.exercises)), last))
    right, total = (sum(len(part) for part in parts) for parts in (
        [line.right for line in lines], [line.exercises for line in lines]))  # fmt: skip
    rows.append((say("all lessons"), "", _share(right, total), ""))
    widths = [max(map(columns, column)) + 2 for column in zip(*rows, strict=True)]
    return "\n".join(
        "".join(
            cell + " " * (width - columns(cell)) for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in rows
    )


def _share(right: int, of: int) -> str:
    return say("{right} of {of}", right=right, of=of)


def report(file: Path, tries: list[Try], damaged: list[int]) -> str:
    """What a reader is told: the table, which lines of the file cannot be read, where it lies."""
    shown = str(file.relative_to(PROJECT)) if file.is_relative_to(PROJECT) else str(file)
    parts = [
        text_of(table(tries))
        if tries
        else say(
            "No exercise has been tried yet: open a lesson with `make lab`, write an answer into"
            " the cell of an exercise and run it."
        )
    ]
    if damaged:
        lines = ", ".join(map(str, damaged[:5])) + (", ..." if len(damaged) > 5 else "")
        parts.append(
            say(
                "Lines of {file} that cannot be read were left out and stay in the file: {lines}.",
                file=shown,
                lines=lines,
            )
        )
    parts.append(
        say(
            "The record is the file {file}. It stays on this machine; delete it to begin again.",
            file=shown,
        )
    )
    return "\n\n".join(parts)


def of_this_machine() -> str:
    """The report of the reader's own record; LessonError where its file may not be read."""
    file = record.path()
    if file is None:
        return say("No record is kept: {variable} is off.", variable=record.VARIABLE)
    try:
        return report(file, *record.read(file))
    except OSError as error:
        raise LessonError(
            say(
                "{file} cannot be read ({error}): mend its rights, or name another file in"
                " {variable}.",
                file=file,
                error=error.strerror or error,
                variable=record.VARIABLE,
            )
        ) from None


def show() -> None:
    """Print the report in a notebook. Where lessons are built or tested nobody learns: there the
    record counts as empty, so that the cell prints the same on every machine.
    """
    print(of_this_machine() if record.is_learning() else report(PROJECT / "progress.jsonl", [], []))


def main(arguments: list[str] | None = None) -> int:
    about = say("Show which exercises are right, lesson by lesson.")
    argparse.ArgumentParser(description=about).parse_args(arguments)
    try:
        print(of_this_machine())
    except LessonError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    speak()
    sys.exit(main())
