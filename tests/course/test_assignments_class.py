"""A class hands in: right, partly right, wrong, empty, tampered and hostile submissions go through
nbgrader to the gradebook.

Slow, and only where nbgrader is installed: `make assignments-check` runs it.
"""

import copy
import csv
import os
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest

pytest.importorskip("nbgrader", reason="nbgrader is not installed: make assignments installs it")

from course.assignments import bundle, classroom, problem_sets  # noqa: E402
from course.lessons import load_course  # noqa: E402
from exercises import lesson04  # noqa: E402

pytestmark = pytest.mark.slow


ROOT = Path(__file__).resolve().parents[2]

LESSON, PROJECT = "04_self_attention", "research_project"
WRONG = {  # one plausible mistake an exercise of lesson 04
    1: "def my_weights(query, key):\n    return (query @ key.T).softmax(1)",
    2: (
        "def attention_at(query, key, value, temperature):\n    return attention(query, key, value)"
        " / temperature"
    ),
    3: "def effective_number(weights):\n    return torch.special.entr(weights).sum(-1)",
    4: 'unchanged = {"C", "E"}',
}
BENT = """import exercises.checking as checks
lesson04.check_effective_number = lesson04.check_temperature = lambda answer: checks.Verdict("right")
checks.want_equal = checks.exercise = lambda *given: None
effective_number = 1"""
NOISY = """
import sys, warnings
quiet = effective_number
def effective_number(weights):
    print("on stderr", file=sys.stderr)
    warnings.warn("a warning is no mistake")
    return quiet(weights)"""
HOSTILE = {
    "loops": (
        "while True:\n    try:\n        pass\n    except BaseException:\n        pass",
        {"en": "10 seconds", "zh": "10 秒"},
    ),
    "eats": ("hog = []\nwhile True:\n    hog.append(b'x' * 10**8)", {"en": "memory", "zh": "内存"}),
    "kills": ("import os\nos._exit(0)", {"en": "its own Python", "zh": "自己的 Python"}),
    "sleeps": ("import time\ntime.sleep(10**6)", {"en": "10 seconds", "zh": "10 秒"}),
    "leaves": ("exit()", {"en": "its own Python", "zh": "自己的 Python"}),
}


class Desk:
    """One course folder and what students hand in there."""

    def __init__(self, folder: Path):
        self.folder = folder
        checkers = (name for name in vars(lesson04) if name.startswith("check_"))
        self.points = {n: getattr(lesson04, name).points for n, name in enumerate(checkers, 1)}

    def cells(self, version: str, name: str = LESSON) -> dict:
        notebook = nbformat.read(self.folder / version / name / f"{name}.ipynb", as_version=4)
        return {cell.id: cell for cell in notebook.cells}

    def hand_in(self, student: str, answers: dict, change=None, name: str = LESSON) -> None:
        notebook = nbformat.read(self.folder / "release" / name / f"{name}.ipynb", as_version=4)
        cells = {cell.id: cell for cell in notebook.cells}
        for number, text in answers.items():
            cells[f"exercise-04-{number}-answer"].source = text
        if change:
            change(notebook, cells)
        path = self.folder / "submitted" / student / name / f"{name}.ipynb"
        path.parent.mkdir(parents=True)
        nbformat.write(notebook, path)

    def right(self) -> dict[int, str]:
        return {
            number: self.cells("source")[f"exercise-04-{number}-answer"].source
            for number in self.points
        }


def tamper(notebook, cells):
    """Points raised, a check replaced, another deleted with its answer, one copied, all metadata of
    a cell thrown away.
    """
    cells["exercise-04-1-check"].metadata.nbgrader.points = 100
    cells["exercise-04-2-check"].source = "assert True"
    cells["exercise-04-2-check"].metadata = nbformat.from_dict({})
    cells["setup-04"].source += "\nlesson04.check_weights = None"
    notebook.cells = [cell for cell in notebook.cells if not cell.id.startswith("exercise-04-4")]
    twice = copy.deepcopy(cells["exercise-04-1-check"])
    twice.id = "twice"
    notebook.cells.append(twice)


@pytest.fixture(scope="module", params=bundle.LANGUAGES)
def graded(request, tmp_path_factory):
    """Everything handed in and graded: the desk, what came out for each student, notes, seconds for
    each submission.
    """
    out, course = tmp_path_factory.mktemp("course"), load_course(ROOT)
    chosen = [
        one for one in problem_sets.read_assignments(course)[0] if one.name in (LESSON, PROJECT)
    ]
    bundle.write_sources(course, chosen, out)
    classroom.make_student_versions(out, [LESSON, PROJECT])
    with (out / request.param / "nbgrader_config.py").open("a") as file:
        file.write("c.Guard.seconds, c.Guard.memory_limit = 10.0, 2.0\n")  # sooner than in earnest
    desk = Desk(out / request.param)
    right = desk.right()
    desk.hand_in("right", right)
    desk.hand_in("partly", {1: right[1], 2: WRONG[2], 3: right[3] + NOISY})
    desk.hand_in("wrong", WRONG)
    desk.hand_in("empty", {})
    desk.hand_in("tampered", {1: right[1], 3: BENT}, tamper)
    desk.hand_in("helper", right | {4: "unchanged = helper"}, add_helper)
    for name, (code, _) in HOSTILE.items():
        desk.hand_in(name, right | {2: f"{right[2]}\n{code}"})
    desk.hand_in("zz_shadow", right)  # graded last: nothing above may have stopped the rest
    (desk.folder / "submitted" / "zz_shadow" / LESSON / "tutorial_lib.py").write_text(
        "raise SystemExit\n"
    )
    broken = desk.folder / "submitted" / "broken" / LESSON / f"{LESSON}.ipynb"
    broken.parent.mkdir(parents=True)
    broken.write_text('{"cells": [')
    desk.hand_in("project", {}, write_project, PROJECT)
    began = time.perf_counter()
    notes = classroom.grade(desk.folder, request.param)
    with (desk.folder / "grades.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = {row["student"]: row for row in csv.DictReader(file)}
    return desk, request.param, rows, notes, time.perf_counter() - began


def add_helper(notebook, cells):
    place = [cell.id for cell in notebook.cells].index("exercise-04-4")
    notebook.cells.insert(place, nbformat.v4.new_code_cell('helper = {"A", "C", "D", "E"}'))


def write_project(notebook, cells):
    cells["question-answer"].source = "TiSASRec beats SASRec on the sample."
    cells["read"].outputs = [nbformat.v4.new_output("stream", text="gain 0.010")]
    cells["run"].source = "raise SystemExit('grading must not run this')"


def test_everybody_gets_the_expected_points(graded):
    desk, _, rows, _, _ = graded
    one, two, three, four = desk.points.values()
    column = f"{LESSON} [{one + two + three + four}]"
    expected = {
        "right": one + two + three + four, "partly": one + three, "wrong": 0, "empty": 0, "tampered": one,
        "helper": one + two + three + four, "zz_shadow": one + two + three + four, "broken": 0,
    } | dict.fromkeys(HOSTILE, 0)  # fmt: skip
    assert {student: float(rows[student][column]) for student in expected} == expected


def test_who_was_stopped_gets_a_note_and_feedback_that_says_so(graded):
    desk, language, _, notes, _ = graded
    assert {student for _, student in notes} == {*HOSTILE, "broken"}
    for student, (_, words) in HOSTILE.items():
        assert words[language] in notes[LESSON, student]
        page = (desk.folder / "feedback" / student / LESSON / f"{LESSON}.html").read_text(
            encoding="utf-8"
        )
        assert notes[LESSON, student] in page
    assert "wrong, because" in (
        desk.folder / "feedback" / "wrong" / LESSON / f"{LESSON}.html"
    ).read_text(encoding="utf-8")


def test_the_project_keeps_its_output_and_waits_for_a_person(graded):
    desk, _, rows, _, _ = graded
    cells = {
        cell.id: cell
        for cell in nbformat.read(
            desk.folder / "autograded/project" / PROJECT / f"{PROJECT}.ipynb", 4
        ).cells
    }
    assert cells["read"].outputs[0].text == "gain 0.010" and not cells["run"].outputs
    with classroom.open_course(desk.folder).gradebook as gradebook:
        submission = gradebook.find_submission(PROJECT, "project")
        waiting = {
            grade.name
            for notebook in submission.notebooks
            for grade in notebook.grades
            if grade.needs_manual_grade
        }
        assert waiting == {"question-answer"}, "what was left empty has 0 already"
    assert (
        float(next(value for key, value in rows["project"].items() if key.startswith(PROJECT))) == 0
    )


def test_a_second_call_grades_only_what_is_new(graded, capsys):
    desk, language, rows, notes, _ = graded
    path = desk.folder / "submitted" / "empty" / LESSON / f"{LESSON}.ipynb"
    path.unlink(), path.parent.rmdir()
    desk.hand_in("empty", {4: desk.right()[4]})
    assert classroom.grade(desk.folder, language) == notes
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith(language)]
    assert [line.split()[2].rstrip(":") for line in lines] == [
        "broken",
        "empty",
    ] and f" {desk.points[4]} of " in lines[1]


def test_students_can_see_no_solution_in_what_nbgrader_releases(graded):
    desk, _, _, _, _ = graded
    for name in (LESSON, PROJECT):
        released = "\n".join(cell.source for cell in desk.cells("release", name).values())
        assert not any(
            word in released
            for word in ("SOLUTION", "HIDDEN", "_verdict", "softmax(", '{"A", "C", "D", "E"}')
        )
        assert not any(cell.get("outputs") for cell in desk.cells("release", name).values())


def test_the_commands_of_nbgrader_work_in_the_course_folder(graded):
    """For instructors who use nbgrader by hand or through its pages: the settings are those of the
    folder.
    """
    desk, _, rows, _, _ = graded
    env = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    for words in (
        ["generate_assignment", LESSON, "--force"],
        ["autograde", LESSON, "--student", "kills", "--force"],
        ["generate_feedback", LESSON, "--student", "kills", "--force"],
        ["export", "--to", "by_hand.csv"],
    ):
        done = subprocess.run(
            [sys.executable, "-m", "nbgrader", *words],
            cwd=desk.folder,
            env=env,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
    with (desk.folder / "by_hand.csv").open(encoding="utf-8") as file:
        points = {
            row["student_id"]: float(row["score"])
            for row in csv.DictReader(file)
            if row["assignment"] == LESSON
        }
    column = next(key for key in rows["right"] if key.startswith(LESSON))
    assert points["right"] == float(rows["right"][column]) and points["kills"] == 0
