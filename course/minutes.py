"""How long a lesson takes: minutes of reading, by a rule from words, lines and predictions, and
minutes of exercises, as stated at the checkers. `check` holds the table of lessons to both.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from course.format import Cell, shown_block
from course.lessons import Course, Row

WORDS, LINES = 150, 25  # a minute: words of prose; lines of code, the library's included
PREDICTION, PICTURE = 1.0, 0.5  # minutes
LONGEST = 75  # minutes of reading
SLACK = 0.1  # a stated time may differ by this share
QUESTION = 1.5  # minutes for a question of the self-test; they count as exercises
APART = {
    "exercise",
    "solution",
    "open",
    "self-test",
    "references",
    "alt",
}  # counted elsewhere, or not read


def reading_minutes(course: Course, cells: list[Cell]) -> float:
    """Minutes for the English prose, the code, the predictions and the pictures of a lesson; without
    exercises, their solutions and references.
    """
    minutes = 0.0
    for cell in cells:
        if APART & set(cell.tags):
            continue
        if cell.kind == "prose":
            # a drawing is looked at; its description is for those who cannot see it
            text, drawings = re.subn(r"!\[[^\]]*\]\([^)]*\)", "", cell.text["en"])
            words = re.findall(r"[^\W\d_][\w'’-]*", re.sub(r"\]\([^)]*\)", "", text))
            minutes += len(words) / WORDS + PICTURE * drawings
            minutes += PREDICTION * ("predict" in cell.tags)
        elif "picture" in cell.tags:
            minutes += PICTURE
        else:
            minutes += lines_of(course, cell.text["en"]) / LINES
    return minutes


def lines_of(course: Course, code: str) -> int:
    """Lines that a reader reads: without blank ones, imports and checks; what `# show:` names
    counts in full.
    """
    shown = [target.strip() for target in re.findall(r"^# show: (\S+)", code, re.MULTILINE)]
    code = "\n".join([code, *(shown_block(course.root, target) for target in shown)])
    skipped = ("#", "import ", "from ", "expect")
    return sum(
        bool(line.strip()) and not line.strip().startswith(skipped) for line in code.splitlines()
    )


def exercise_minutes(course: Course, row: Row, cells: list[Cell]) -> float:
    """The sum of `minutes` over the checkers of exercises/lessonNN.py, and the self-test."""
    asked = sum(cell.text["en"].count("<details>") for cell in cells if "self-test" in cell.tags)
    path = Path(course.root) / "exercises" / f"lesson{row.number:02d}.py"
    if not path.exists():
        return QUESTION * asked
    calls = [
        n for n in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(n, ast.Call)
    ]
    return QUESTION * asked + sum(
        keyword.value.value
        for call in calls
        if isinstance(call.func, ast.Name) and call.func.id == "exercise"
        for keyword in call.keywords
        if keyword.arg == "minutes"
    )


def time_faults(course: Course, row: Row, cells: list[Cell]) -> Iterator[str]:
    """What is wrong with the minutes that lessons.csv states, and the right number."""
    for what, stated, counted in (
        ("minutes", row.minutes, reading_minutes(course, cells)),
        ("exercises", row.exercises, exercise_minutes(course, row, cells)),
    ):
        if abs(stated - counted) > max(SLACK * counted, 1):
            yield f"{what} states {stated}, the rule of course/minutes.py gives {counted:.0f}; write that"
    if row.minutes > LONGEST:
        yield f"takes {row.minutes} minutes to read, and no lesson may take more than {LONGEST}; split it"
