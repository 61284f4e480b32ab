"""A class hands in: right, partly right, wrong, empty, tampered and hostile submissions go through
nbgrader to the gradebook.

Slow, and only where nbgrader is installed: `make assignments-check` runs it.
"""

import copy
import csv
import html
import io
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import nbformat
import psutil
import pytest

pytest.importorskip("nbgrader", reason="nbgrader is not installed: make assignments installs it")

from course.assignments import bundle, classroom, problem_sets, sandbox  # noqa: E402
from course.lessons import load_course  # noqa: E402
from exercises import lesson04  # noqa: E402

pytestmark = pytest.mark.slow


ROOT = Path(__file__).resolve().parents[2]

LESSON, PROJECT = "04_self_attention", "research_project"
ENGLISH = r"[a-z]{2,} [a-z]{2,} [a-z]{2,}"  # three small words in a row
WRONG = {  # one plausible mistake an exercise of lesson 04
    1: "def my_weights(query, key):\n    return (query @ key.T).softmax(1)",
    2: (
        "def attention_at(query, key, value, temperature):\n    return attention(query, key, value)"
        " / temperature"
    ),
    3: "def effective_number(weights):\n    return torch.special.entr(weights).sum(-1)",
    4: 'unchanged = {"C", "E"}',
}
NOISY = """
import sys, warnings
quiet = effective_number
def effective_number(weights):
    print("on stderr", file=sys.stderr)
    warnings.warn("a warning is no mistake")
    return quiet(weights)"""
# Code that is put behind a right answer of exercise 2: it ends or is ended, and earns nothing.
STOPPED = {
    "loops": (
        "while True:\n    try:\n        pass\n    except BaseException:\n        pass",
        {"en": "6 seconds", "zh": "6 秒"},
    ),
    "eats": ("hog = []\nwhile True:\n    hog.append(b'x' * 10**8)", {"en": "memory", "zh": "内存"}),
    "kills": ("import os\nos._exit(0)", {"en": "its own Python", "zh": "自己的 Python"}),
    "sleeps": ("import time\ntime.sleep(10**6)", {"en": "6 seconds", "zh": "6 秒"}),
    "leaves": ("exit()", {"en": "its own Python", "zh": "自己的 Python"}),
    "forks": (
        "import os, time\nfor _ in range(200):\n    if os.fork() == 0:\n        time.sleep(600)\ntime.sleep(60)",
        {"en": "processes", "zh": "进程"},
    ),
    "garbles": (
        "import os\nfor n in range(3, 40):\n    try:\n        os.write(n, b'\\0' * 64)\n    except OSError:\n        pass",
        {"en": "its own Python", "zh": "自己的 Python"},
    ),
}
ESCAPE = """import os
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        import sys, time
        os.execv(sys.executable, [sys.executable, "-c", "import time; time.sleep(7777)"])
    os._exit(0)"""
PATCH = """import importlib, sys, types
class Right:
    status, reason = "right", ""
    def __str__(self): return "right"
verdict = lambda *given: Right()
class Finder:
    def find_spec(self, name, path=None, target=None):
        return None
sys.meta_path.insert(0, Finder())
for name in [n for n in vars(lesson04) if n.startswith("check_")]:
    setattr(lesson04, name, verdict)
importlib.import_module = lambda name, *rest: types.SimpleNamespace(**dict.fromkeys(dir(lesson04), verdict))
builtins_import = __builtins__.__import__ if hasattr(__builtins__, "__import__") else None
import torch
torch.equal = torch.allclose = lambda *given, **more: True
effective_number = 1"""
# Code that tries to find something out or to change something; what it prints is seen in the feedback.
LOOK = """import os, pathlib, socket, glob
def attempt(what, *given):
    try:
        return what(*given)
    except BaseException as error:
        return f"{type(error).__name__}"
FOLDER = "@FOLDER@"
print("MARK", attempt(os.listdir, FOLDER), attempt(os.listdir, "@ROOT@/notebooks"), attempt(os.listdir, "@ROOT@/.git"))
print("MARK", attempt(lambda: open(FOLDER + "/source/04_self_attention/04_self_attention.ipynb").read()[:99]))
print("MARK", attempt(lambda: open(FOLDER + "/submitted/right/04_self_attention/04_self_attention.ipynb").read()[:99]))
print("MARK", attempt(lambda: open("@ROOT@/exercises/lesson04.py").read()[:99]))
print("MARK", os.environ.get("INSTRUCTOR_SECRET"), attempt(lambda: open("/proc/1/environ").read()))
print("MARK", attempt(socket.create_connection, ("127.0.0.1", @PORT@), 2))
print("MARK", attempt(os.kill, @PID@, 9), attempt(os.listdir, "/proc/@PID@"))
for place in ("/stage/exercises/lesson04.py", "/course/tutorial_lib/checks.py", "/stage/wire.py", FOLDER + "/gradebook.db", "/usr/x", "/x"):
    print("MARK", attempt(lambda: open(place, "a").write("x")))
print("MARK", attempt(lambda: open("/tmp/large", "wb").write(b"x" * 2**30)))
import sqlite3
print("MARK", attempt(lambda: sqlite3.connect(FOLDER + "/gradebook.db").execute("update grade set auto_score = 100")))
print("MARK", [open(f).read().count("RIGHT") for f in glob.glob("/stage/exercises/*.py")])
print("<script>alert('MARK')</script>")"""
# Answers that claim to equal everything, are too large to hand over, or attack the room itself.
SLY = {
    "equals": 'class Yes(str):\n    __eq__ = lambda self, other: True\n    __hash__ = str.__hash__\nunchanged = {Yes("B")}',
    "tensors": (
        "import torch\nclass Sly(torch.Tensor):\n    @classmethod\n    def __torch_function__(cls, *given, **more):\n"
        "        return True\ndef effective_number(weights):\n    return torch.ones(3).as_subclass(Sly)"
    ),
    "huge": "import torch\neffective_number = lambda weights: torch.zeros(2 * 10**8)",
    "deep": "unchanged = []\nfor _ in range(10**5):\n    unchanged = [unchanged]",
    "stops": "import os, signal\nos.kill(os.getppid(), signal.SIGSTOP)\nos.kill(1, signal.SIGKILL)\nunchanged = 'B'",
    "floods": "for _ in range(3 * 10**5):\n    print('x' * 1000)\nunchanged = 'B'",
}
FORGE = """import gc
class Peer2: pass
for one in gc.get_objects():
    if type(one).__name__ == "Peer":
        one.encode = lambda value, blobs: {"t": "pickle", "v": [0, {}, {}]}
"""


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


def split(notebook, cells):
    """The answer cell 1 cut in the middle of its function, both halves with the same metadata."""
    cell = cells["exercise-04-1-answer"]
    lines = cell.source.rstrip().split("\n")
    half = copy.deepcopy(cell)
    half.id = "half"
    cell.source, half.source = "\n".join(lines[:-1]), lines[-1]
    notebook.cells.insert([c.id for c in notebook.cells].index(cell.id) + 1, half)


def copied(notebook, cells):
    """Answer 1 wrong, copied, and put right in the copy."""
    cell = cells["exercise-04-1-answer"]
    again = copy.deepcopy(cell)
    again.id, cell.source = "again", WRONG[1]
    place = [c.id for c in notebook.cells].index("exercise-04-1-check")
    notebook.cells.insert(place, nbformat.v4.new_markdown_cell("Better:"))
    notebook.cells.insert(place + 1, again)


def moved(notebook, cells):
    notebook.cells.append(
        notebook.cells.pop([c.id for c in notebook.cells].index("exercise-04-1-answer"))
    )


def no_metadata(notebook, cells):
    for cell in notebook.cells:
        cell.metadata = nbformat.from_dict({})


def no_metadata_no_ids(notebook, cells):
    no_metadata(notebook, cells)
    for place, cell in enumerate(notebook.cells):
        cell.id = f"cell-{place}"


SHAPES = {
    "split": split,
    "copied": copied,
    "moved": moved,
    "bare": no_metadata,
    "naked": no_metadata_no_ids,
}
NOTED = {"split", "bare", "naked", "copied", "tampered"}  # who is told what was done


def hand_in_files(desk: Desk, right: dict, scratch: Path) -> dict[str, str]:
    """The same right answers in other files; what the note of a student says in English, "" where
    there is none.
    """
    desk.hand_in("scratch", right)
    base = desk.folder / "submitted"
    source = base / "scratch" / LESSON / f"{LESSON}.ipynb"
    data = source.read_bytes()
    shutil.rmtree(base / "scratch")

    def put(student: str, name: str, content: bytes, folder: str = LESSON) -> None:
        path = base / student / folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(f"hw/{LESSON}.ipynb", data)
        archive.writestr(f"__MACOSX/hw/._{LESSON}.ipynb", b"\0\5\x16")
    put("bom", f"{LESSON}.ipynb", b"\xef\xbb\xbf" + data)
    put("crlf", f"{LESSON}.ipynb", data.replace(b"\n", b"\r\n"))
    put("utf16", f"{LESSON}.ipynb", data.decode().encode("utf-16"))
    put("renamed", f"{LESSON} (1).ipynb", data)
    put("nested", f"{LESSON}.ipynb", data, f"{LESSON}/homework/deep")
    put("zipped", "homework.zip", packed.getvalue())
    put("beside", f"{LESSON}-Copy1.ipynb", data, "")
    put("mac", f"{LESSON}.ipynb", data)
    put("mac", f"._{LESSON}.ipynb", b"\0\5\x16", f"__MACOSX/{LESSON}")
    (base / "__MACOSX").mkdir(exist_ok=True)
    put("page", f"{LESSON}.ipynb", b"<!doctype html><html>Sign in</html>")
    put("hollow", f"{LESSON}.ipynb", b"")
    put("cut", f"{LESSON}.ipynb", data[: len(data) // 2])
    put("word", "answers.docx", b"PK\3\4 no notebook")
    put("several", "a.ipynb", data)
    put("several", "b.ipynb", data.replace(b"softmax", b"softmin"))
    put(
        "strange",
        "Untitled.ipynb",
        nbformat.writes(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1")])).encode(),
    )
    put("stray", "notes.txt", b"hello", "")
    put("link", "x", b"")
    (base / "link" / LESSON / "x").unlink()
    (base / "link" / LESSON / f"{LESSON}.ipynb").symlink_to(
        base / "right" / LESSON / f"{LESSON}.ipynb"
    )
    return {
        "bom": "", "crlf": "", "utf16": "", "renamed": "should have been called", "nested": "",
        "zipped": "", "beside": "should have been called", "mac": "", "page": "web page",
        "hollow": "0 bytes", "cut": "breaks off", "word": "no notebook", "several": "several different",
        "strange": "None of the cells", "stray": "outside", "link": "is a link",
    }  # fmt: skip


@pytest.fixture(scope="module", params=bundle.LANGUAGES)
def graded(request, tmp_path_factory):
    """Everything handed in and graded: the desk, what came out for each student, notes, seconds for
    each submission.
    """
    if sandbox.find() is None:
        pytest.skip(sandbox.MISSING)
    out, course = tmp_path_factory.mktemp("course"), load_course(ROOT)
    chosen = [
        one for one in problem_sets.read_assignments(course)[0] if one.name in (LESSON, PROJECT)
    ]
    bundle.write_sources(course, chosen, out)
    classroom.make_student_versions(out, [LESSON, PROJECT])
    with (out / request.param / "nbgrader_config.py").open("a") as file:
        file.write("c.Guard.seconds, c.Guard.memory_limit = 6.0, 2.0\n")  # sooner than in earnest
    desk = Desk(out / request.param)
    right = desk.right()
    desk.hand_in("right", right)
    desk.hand_in("partly", {1: right[1], 2: WRONG[2], 3: right[3] + NOISY})
    desk.hand_in("wrong", WRONG)
    desk.hand_in("empty", {})
    desk.hand_in("tampered", {1: right[1], 3: PATCH}, tamper)
    desk.hand_in("patches", dict.fromkeys((1, 2, 3), PATCH) | {4: 'unchanged = {"C"}'})
    desk.hand_in("forges", {1: FORGE, 2: FORGE, 3: FORGE, 4: FORGE})
    desk.hand_in("escapes", {4: ESCAPE + '\nunchanged = {"B"}'})
    desk.hand_in("helper", right | {4: "unchanged = helper"}, add_helper)
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    words = {
        "@FOLDER@": desk.folder,
        "@ROOT@": ROOT,
        "@PORT@": listener.getsockname()[1],
        "@PID@": os.getpid(),
    }
    look = LOOK
    for word, value in words.items():
        look = look.replace(word, str(value))
    desk.hand_in("looks", {1: right[1], 2: look}, add_script)
    for name, code in SLY.items():
        desk.hand_in(name, {4: code})
    for name, (code, _) in STOPPED.items():
        desk.hand_in(name, right | {2: f"{right[2]}\n{code}"})
    for name, change in SHAPES.items():
        desk.hand_in(name, right, change)
    files = hand_in_files(desk, right, out)
    desk.hand_in("zz_shadow", right)  # graded last: nothing above may have stopped the rest
    (desk.folder / "submitted" / "zz_shadow" / LESSON / "tutorial_lib.py").write_text(
        "raise SystemExit\n"
    )
    desk.hand_in("project", {}, write_project, PROJECT)
    watched = [
        *(ROOT / "exercises").glob("*.py"),
        *(desk.folder / "release").rglob("*.ipynb"),
        *(desk.folder / "source").rglob("*.ipynb"),
        *(desk.folder / "submitted").rglob("*.ipynb"),
    ]
    before = {path: path.read_bytes() for path in watched}
    os.environ["INSTRUCTOR_SECRET"] = "s3cret"
    began = time.perf_counter()
    notes = classroom.grade(desk.folder, request.param)
    assert before == {path: path.read_bytes() for path in watched}
    with (desk.folder / "grades.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = {row["student"]: row for row in csv.DictReader(file)}
    listener.close()
    return desk, request.param, rows, notes, time.perf_counter() - began, files


def add_script(notebook, cells):
    notebook.cells.append(nbformat.v4.new_markdown_cell("<script>alert('MARK')</script>"))
    cell = nbformat.v4.new_code_cell(
        "from IPython.display import HTML\nHTML(\"<script>alert('MARK')</script>\")"
    )
    notebook.cells.append(cell)


def add_helper(notebook, cells):
    place = [cell.id for cell in notebook.cells].index("exercise-04-4")
    notebook.cells.insert(place, nbformat.v4.new_code_cell('helper = {"A", "C", "D", "E"}'))


def write_project(notebook, cells):
    cells["question-answer"].source = "TiSASRec beats SASRec on the sample."
    cells["read"].outputs = [nbformat.v4.new_output("stream", text="gain 0.010")]
    cells["run"].source = "raise SystemExit('grading must not run this')"


def test_everybody_gets_the_expected_points(graded):
    desk, _, rows, _, _, files = graded
    one, two, three, four = desk.points.values()
    everything = one + two + three + four
    column = f"{LESSON} [{everything}]"
    expected = {
        "right": everything, "partly": one + three, "wrong": 0, "empty": 0, "tampered": one,
        "patches": 0, "forges": 0, "escapes": 0, "looks": one,
        "helper": everything, "zz_shadow": everything,
    } | dict.fromkeys(SLY, 0) | dict.fromkeys(STOPPED, 0) | dict.fromkeys(SHAPES, everything)  # fmt: skip
    for student, words in files.items():
        if student != "stray":
            fine = words in ("", "should have been called")
            expected[student] = everything if fine else 0
    got = {student: float(rows[student][column]) for student in expected}
    assert got == expected


def test_who_was_stopped_or_misunderstood_gets_a_note(graded):
    desk, language, _, notes, _, files = graded
    noted = {student for student, words in files.items() if words}
    told = {student for _, student in notes}
    assert told - {*SLY} == {*STOPPED, *NOTED, *noted, "forges"}
    for student, (_, words) in STOPPED.items():
        assert words[language] in notes[LESSON, student]
        page = feedback(desk, student)
        assert html.escape(notes[LESSON, student]) in page or notes[LESSON, student] in page
    wrong = feedback(desk, "wrong")
    assert [words in wrong for words in ("wrong, because", "不对：")] == [
        language == "en",
        language == "zh",
    ]
    for (_, student), note in notes.items():
        if language == "en":
            assert files.get(student, "") in note
        else:  # a Chinese class never sees an English sentence of ours
            assert re.search("[\u4e00-\u9fff]", note) and not re.search(ENGLISH, note), note
    assert len({notes[key] for key in notes if key[1] in files}) >= 7, "never one sentence for all"


def test_the_words_around_the_answers_are_those_of_the_class(graded):
    """Through nbgrader, and for pages that its own command wrote."""
    desk, language, *_ = graded
    ours = {"en": ("Score:", "No answer.", "Your answer"), "zh": ("得分：", "未作答。", "你的答案")}
    for student in ("empty", "partly", "looks", "wrong"):
        text = re.sub(r"<[^>]+>", "", feedback(desk, student))
        for name, words in ours.items():
            assert [one in text for one in words if one != words[1]] == [name == language] * 2
        assert not re.search(r"Test cell|Student's answer|No response|\(Top\)|In&nbsp;\[", text)
    assert ours[language][1] in feedback(desk, "empty")


def feedback(desk: Desk, student: str) -> str:
    path = desk.folder / "feedback" / student / LESSON / f"{LESSON}.html"
    return path.read_text(encoding="utf-8")


def test_nothing_was_found_out_and_nothing_changed(graded):
    """What the submission `looks` printed, in its feedback: names of exceptions, and no more."""
    desk, *_ = graded
    page = feedback(desk, "looks")
    assert "s3cret" not in page
    assert "<script>alert(" not in page
    text = html.unescape(re.sub(r"<[^>]+>", "", page))
    said = [line.removeprefix("MARK ") for line in text.splitlines() if line.startswith("MARK ")]
    assert len(said) >= 14, text
    (environment,) = (line for line in said if "PATH=" in line)
    assert environment.startswith("None ") and str(ROOT) not in environment
    for line in said:
        if line != environment:
            assert re.fullmatch(r"(\w+Error|\[0(, 0)*\])( \w+Error)*", line.strip()), line
    with classroom.open_course(desk.folder).gradebook as gradebook:
        scores = [s.score for a in gradebook.assignments for s in a.submissions]
    assert max(scores) == sum(desk.points.values())


def test_nothing_outlives_its_grading(graded):
    left = [
        p for p in psutil.process_iter(["cmdline"]) if "7777" in " ".join(p.info["cmdline"] or [])
    ]
    assert not left


def test_the_project_keeps_its_output_and_waits_for_a_person(graded):
    desk, _, rows, *_ = graded
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
    desk, language, rows, notes, *_ = graded
    path = desk.folder / "submitted" / "empty" / LESSON / f"{LESSON}.ipynb"
    path.unlink(), path.parent.rmdir()
    desk.hand_in("empty", {4: desk.right()[4]})
    assert classroom.grade(desk.folder, language) == notes
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith(language)]
    assert [line.split()[2].rstrip(":") for line in lines] == ["empty"]
    total = sum(desk.points.values())
    said = {"en": f"{desk.points[4]} of {total}", "zh": f"{total} 分中得 {desk.points[4]} 分"}
    assert f" {said[language]}  (" in lines[0]


def test_students_can_see_no_solution_in_what_nbgrader_releases(graded):
    desk, *_ = graded
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
    desk, _, rows, *_ = graded
    env = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    for words in (
        ["generate_assignment", LESSON, "--force"],
        ["autograde", LESSON, "--student", "zz_shadow", "--force"],
        ["generate_feedback", LESSON, "--student", "zz_shadow", "--force"],
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
    assert (
        points["right"] == float(rows["right"][column]) and points["zz_shadow"] == points["right"]
    )


def test_a_killed_call_is_simply_repeated(tmp_path):
    """Killed at moments spread over the whole grading, then run to its end: the same grades."""
    if sandbox.find() is None:
        pytest.skip(sandbox.MISSING)
    course = load_course(ROOT)
    chosen = [one for one in problem_sets.read_assignments(course)[0] if one.name == LESSON]
    bundle.write_sources(course, chosen, tmp_path)
    classroom.make_student_versions(tmp_path, [LESSON])
    desk = Desk(tmp_path / "en")
    right = desk.right()
    for number in range(3):
        desk.hand_in(f"s{number}", dict(list(right.items())[: number + 2]))
    want = [sum(list(desk.points.values())[: number + 2]) for number in range(3)]
    command = [sys.executable, "-m", "course.assignments.classroom", "--course", str(tmp_path)]
    kills = 0
    for moment in range(12):
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
        try:
            process.wait(timeout=2 + 1.7 * moment)
        except subprocess.TimeoutExpired:
            kills += 1
            process.send_signal(signal.SIGKILL)
        process.wait()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0 and kills >= 4, (done.stderr, kills)
    with (desk.folder / "grades.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = {row["student"]: list(row.values())[1] for row in csv.DictReader(file)}
    assert [float(rows[f"s{number}"]) for number in range(3)] == want
