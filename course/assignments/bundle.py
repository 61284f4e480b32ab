"""Make the bundle that is handed out: one nbgrader course a language, from the sources of the
lessons and of the problem sets.

    python -m course.assignments.bundle                 notebooks of all assignments, student versions,
        marking guides, in classroom/
    python -m course.assignments.bundle --only source   the instructors' notebooks and guides alone; needs
        no nbgrader
    python -m course.assignments.bundle 04_self_attention research_project      some assignments

exercises/README.md is the page for instructors.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from course.assignments.extract import (
    LANGUAGES,
    ROOT,
    Course,
    Exercise,
    LessonError,
    Row,
    setup_code,
)
from course.assignments.problem_sets import (
    LIMITS,
    Assignment,
    Worth,
    read_assignments,
)
from course.exchange import exchange
from course.format import KERNELSPEC, language_cell, lesson_entries
from course.lessons import load_course, speak, write_atomically
from tutorial_files.language import mark, read_catalogue, say, spoken

TITLES = {"facts": mark("{count} exercises · {points} points · about {minutes} minutes"),
          "written": mark("{count} tasks · {points} points · about {minutes} minutes")}  # fmt: skip
RULES = mark(
    "Write each answer into the cell below its question, then run the cell after it: it says *not"
    " attempted yet*, *wrong, because ...* or *right*, and *right* earns the points. You may add"
    " cells. Hand in this file under its own name. A cell may run {seconds} seconds and use"
    " {memory} GB of memory: a notebook that needs more, or stops Python, gets no points."
)
ABOVE = mark(
    "What a question calls “above” is in the lesson. Run this cell first: the imports, and the"
    " code of the lesson on which the exercises rest."
)
ANSWER_HERE = mark("Write your answer here.")


def marked(
    grade_id: str, *, locked: bool, solution: bool = False, points: int | None = None
) -> dict:
    """The metadata of nbgrader, schema 3."""
    flags = {
        "grade": points is not None,
        "grade_id": grade_id,
        "locked": locked,
        "schema_version": 3,
    }
    return {
        "nbgrader": (
            flags
            | {"solution": solution, "task": False}
            | ({} if points is None else {"points": points})
        )
    }


def text_cell(name: str, text: str):
    return new_markdown_cell(text, id=name, metadata=marked(name, locked=True))


def notebook(course: Course, assignment: Assignment, language: str) -> nbformat.NotebookNode:
    """The instructor's notebook of an assignment in one language, without outputs."""
    marks = assignment.marks()
    total = {
        "count": len(marks),
        "points": sum(w.points for w, _ in marks.values()),
        "minutes": sum(w.minutes for w, _ in marks.values()),
    }
    kind = "facts" if all(auto for _, auto in marks.values()) else "written"
    facts, rules = spoken(language, TITLES[kind], **total), spoken(language, RULES, **LIMITS)
    speaks = language_cell(language)
    speaks.metadata = marked("language", locked=True)
    cells = [text_cell("header", f"# {assignment.title[language]}\n\n{facts}\n\n{rules}"), speaks]
    cells += [
        text_cell(cell.id, cell.text[language]) for cell in assignment.prose if "intro" in cell.tags
    ]
    lesson = None
    for place, exercise in enumerate(assignment.exercises):
        if exercise.lesson != lesson:
            lesson = exercise.lesson
            cells += section(
                course,
                lesson,
                [one for one in assignment.exercises if one.lesson == lesson],
                language,
            )
        again = exercise.answer in [later.answer for later in assignment.exercises[place + 1 :]]
        cells += exercise_cells(course, exercise, marks[exercise.number][0], language, again)
    rubrics = {
        cell.id.removesuffix("-rubric"): cell.text[language]
        for cell in assignment.prose
        if "rubric" in cell.tags
    }
    for cell in assignment.prose:
        if "task" in cell.tags:
            cells.append(
                text_cell(
                    cell.id, f"{cell.text[language]}\n\n*{worth_text(marks[cell.id][0], language)}*"
                )
            )
            name = f"{cell.id}-answer"
            hidden = f"### BEGIN SOLUTION\n{rubrics[cell.id]}\n### END SOLUTION"
            cells.append(
                new_markdown_cell(
                    hidden,
                    id=name,
                    metadata=marked(
                        name, locked=False, solution=True, points=marks[cell.id][0].points
                    ),
                )
            )
        # runs for minutes on the student's machine, never when it is graded
        elif "starter" in cell.tags:
            meta = marked(cell.id, locked=False, solution=True) | {"tags": ["skip-execution"]}
            code = cell.text["en"]
            if language != "en":
                code = exchange(code, read_catalogue(course.root / "locale/zh/exercises/sets.po"))
            cells.append(
                new_code_cell(
                    f"{code}\n### BEGIN SOLUTION\n### END SOLUTION",
                    id=cell.id,
                    metadata=meta,
                )
            )
    return new_notebook(
        cells=cells, metadata={"kernelspec": KERNELSPEC, "language_info": {"name": "python"}}
    )


def section(
    course: Course, lesson: Row, exercises: list[Exercise], language: str
) -> list[nbformat.NotebookNode]:
    """Heading of a lesson's exercises, and the code on which they rest."""
    imports, code = setup_code(course, lesson, exercises)
    title = f"{lesson.number:02d} · {lesson.title[language]}"
    heading = spoken(language, "From lesson {lesson}", lesson=title)
    above = spoken(language, ABOVE)
    text = f"## {heading}\n\n`notebooks/{language}/{lesson.name}.ipynb` · {above}"
    name = f"setup-{lesson.number:02d}"
    source = in_language(course, lesson, f"{imports}\n\n{code}".strip(), language)
    return [
        text_cell(f"lesson-{lesson.number:02d}", text),
        new_code_cell(source, id=name, metadata=marked(name, locked=True)),
    ]


def in_language(course: Course, lesson: Row, code: str, language: str) -> str:
    """Code of a lesson as it stands in the notebook of that language."""
    return exchange(code, lesson_entries(course, lesson)) if language != "en" else code


def exercise_cells(
    course: Course, exercise: Exercise, worth: Worth, language: str, again: bool
) -> list[nbformat.NotebookNode]:
    """Question, answer cell and grade cell. again: a later exercise wants an answer of this name
    and must not find this one.
    """
    forget = (
        f"\n### BEGIN HIDDEN TESTS\ndel {exercise.answer}\n### END HIDDEN TESTS" if again else ""
    )
    points = spoken(language, "{points} points", points=worth.points)
    check = f"{exercise.check}  # {points}{forget}"
    stub, solution = (
        in_language(course, exercise.lesson, code, language)
        for code in (exercise.stub, exercise.solution)
    )
    answer = f"{stub}\n### BEGIN SOLUTION\n{solution}\n### END SOLUTION"
    name = exercise.id
    return [
        text_cell(name, f"{exercise.task[language]}\n\n*{worth_text(worth, language)}*"),
        new_code_cell(
            answer,
            id=f"{name}-answer",
            metadata=marked(f"{name}-answer", locked=False, solution=True),
        ),
        new_code_cell(
            check,
            id=f"{name}-check",
            metadata=marked(f"{name}-check", locked=True, points=worth.points),
        ),
    ]


def worth_text(worth: Worth, language: str) -> str:
    return spoken(
        language, "{points} points · {minutes} minutes", points=worth.points, minutes=worth.minutes
    )


def guide(course: Course, assignment: Assignment, language: str) -> str:
    """The marking guide of an assignment: points and times, how to mark (problem sets), and every
    solution.
    """
    marks = assignment.marks()
    marker = {
        True: spoken(language, "the checker"),
        False: spoken(language, "you, with the rubric"),
    }
    total = [sum(getattr(one, key) for one, _ in marks.values()) for key in ("points", "minutes")]
    names = {
        cell.id: cell.text[language].split("**")[1].rstrip(".。")
        for cell in assignment.prose
        if "task" in cell.tags
    }
    lines = [
        "# " + spoken(language, "Marking guide: {title}", title=assignment.title[language]),
        "",
        spoken(language, "| Task | Points | Minutes | Marked by |"),
        "|:--|--:|--:|:--|",
    ]
    lines += [
        f"| {names.get(name, name)} | {one.points} | {one.minutes} | {marker[auto]} |"
        for name, (one, auto) in marks.items()
    ]
    lines += [f"| **{spoken(language, 'Total')}** | **{total[0]}** | **{total[1]}** | |", ""]
    for cell in assignment.prose:
        if "guide" in cell.tags:
            lines += [cell.text[language], ""]
        elif "rubric" in cell.tags:
            lines += [f"## {names[cell.id.removesuffix('-rubric')]}", "", cell.text[language], ""]
    if assignment.exercises:
        lines += [f"## {spoken(language, 'Solutions')}", ""]
    for exercise in assignment.exercises:
        lines += [
            f"### {exercise.number}",
            "",
            exercise.task[language],
            "",
            "```python",
            in_language(course, exercise.lesson, exercise.solution, language),
            "```",
            "",
        ]
    return "\n".join(lines).rstrip() + "\n"


CONFIG = """# Made by course/assignments/bundle.py; the settings that matter are in course/assignments/nbgrader_config.py.
from pathlib import Path

load_subconfig("nbgrader_config.py", path=str((Path(__file__).parent / {shared!r}).resolve()))
c.CourseDirectory.course_id = "continuous-time-{language}"
c.ClearSolutions.text_stub = {stub!r}
c.Guard.language = c.Rebuild.language = c.SaveGradesAndNotes.language = "{language}"
c.FeedbackPage.language = "{language}"
"""


def write_sources(course: Course, assignments: list[Assignment], out: Path) -> None:
    """Instructors' notebooks, marking guides and settings of both courses; gradebooks and
    submissions are left alone.
    """
    # solutions, submissions and grades are nobody else's business
    texts = {out / ".gitignore": "*\n"}
    for language in LANGUAGES:
        folder = out / language
        shared = os.path.relpath(Path(__file__).parent, folder)
        texts[folder / "nbgrader_config.py"] = CONFIG.format(
            shared=shared, language=language, stub=spoken(language, ANSWER_HERE)
        )
        for assignment in assignments:
            built = nbformat.writes(notebook(course, assignment, language)).rstrip("\n") + "\n"
            texts[folder / "source" / assignment.name / f"{assignment.name}.ipynb"] = built
            texts[folder / "guides" / f"{assignment.name}.md"] = guide(course, assignment, language)
    write_atomically(texts)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=say("Make the bundle that is handed out."))
    parser.add_argument(
        "assignments",
        nargs="*",
        help=say("names such as 04_self_attention or state_spaces (default: all)"),
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=ROOT / "classroom",
        help=say("folder of the bundle (default: classroom)"),
    )
    parser.add_argument(
        "--only",
        choices=["source"],
        help=say("source: no student versions, for which nbgrader is needed"),
    )
    options = parser.parse_args(arguments)
    try:
        course = load_course(ROOT)
        known, missing = read_assignments(course)
        if unknown := set(options.assignments) - {one.name for one in known}:
            raise LessonError(
                say(
                    "there is no assignment {unknown}; there are {known}",
                    unknown=", ".join(sorted(unknown)),
                    known=", ".join(one.name for one in known),
                )
            )
        chosen = [
            one
            for one in known
            if one.name in (options.assignments or [name.name for name in known])
        ]
        out = options.out.resolve()
        write_sources(course, chosen, out)
        if options.only != "source":
            from course.assignments.classroom import make_student_versions  # needs nbgrader

            make_student_versions(out, [one.name for one in chosen])
    except LessonError as error:
        print(error, file=sys.stderr)
        return 1
    done = say(
        "{count} assignments in both languages are in {folder}",
        count=len(chosen),
        folder=options.out,
    )
    print(*missing, done, sep="\n")
    return 0


if __name__ == "__main__":
    speak()
    sys.exit(main())
