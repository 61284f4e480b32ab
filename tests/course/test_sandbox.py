"""The closed room alone: what it holds, what it hides, and that nothing outlives it."""

import ast
import os
import time
from pathlib import Path

import psutil
import pytest

from course.assignments import bundle, sandbox
from course.assignments.extract import LessonError
from course.assignments.problem_sets import read_assignments
from course.assignments.wire import Gone
from course.lessons import load_course

ROOT = Path(__file__).resolve().parents[2]
KIND = sandbox.find()
needs_room = pytest.mark.skipif(KIND is None, reason=sandbox.MISSING)


@pytest.fixture(scope="module")
def room():
    os.environ["INSTRUCTOR_SECRET"] = "s3cret"
    made = sandbox.Room(
        KIND, ["from exercises import lesson05", "lesson05.sealed"], sandbox.Limits()
    )
    yield made
    made.close()


def value(room, text: str):
    """What an expression gives inside, or the name of the exception."""
    code = f"try:\n    x = {text}\nexcept BaseException as error:\n    x = type(error).__name__"
    assert room.peer.request("run", source=code)["outputs"] == []
    return room.peer.request("fetch", name="x")["value"]


@needs_room
def test_only_the_course_is_there(room):
    assert value(room, "__import__('os').environ.get('INSTRUCTOR_SECRET')") is None
    # the first process of the room is the sandbox's own
    first = value(room, "open('/proc/1/environ').read()")
    assert "PATH=" in first and "s3cret" not in first
    assert value(room, "sorted(__import__('os').listdir('/course'))") == [
        "data",
        "locale",
        "studies",
        "tutorial_files",
        "tutorial_lib",
    ]
    for path in (ROOT / "README.md", ROOT / "exercises" / "lesson05.py", "/etc/passwd"):
        assert value(room, f"open({str(path)!r}).read()") == "FileNotFoundError"
    assert (
        value(room, "[p for p in __import__('os').listdir('/proc') if p.isdigit()]").__len__() < 8
    )


@needs_room
def test_nothing_can_be_written_but_a_small_folder(room):
    for path in ("/x", "/course/x", "/course/tutorial_lib/checks.py", "/stage/wire.py", "/usr/x"):
        assert value(room, f"open({path!r}, 'a').write('x')") in ("OSError", "PermissionError")
    assert value(room, "open('/tmp/x', 'w').write('x')") == 1
    assert value(room, "open('/tmp/large', 'wb').write(b'x' * 2**30)") == "OSError"


@needs_room
def test_nobody_can_be_reached(room):
    import socket

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        code = f"__import__('socket').create_connection(('127.0.0.1', {port}), 2)"
        assert value(room, code) == "ConnectionRefusedError"
    assert value(room, f"__import__('os').kill({os.getpid()}, 9)") == "ProcessLookupError"


@needs_room
def test_the_exercises_are_there_without_checkers_and_answers(room):
    assert value(room, "sorted(__import__('exercises.lesson05').lesson05.sealed)") == list("ABCDE")
    text = value(room, "open(__import__('exercises.lesson05').lesson05.__file__).read()")
    assert "RIGHT" not in text and "Wrong(" not in text and '{"B", "D"}' not in text


def test_every_file_of_exercises_can_be_cut_to_what_a_lesson_uses():
    """What is left compiles, says no verdict, and holds what the set-up of the assignment wants."""
    for path in sorted((ROOT / "exercises").glob("lesson*.py")):
        text = sandbox.without_answers(path.read_text(encoding="utf-8"), {"sealed", "check_x"})
        names = {n.id for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Name)}
        assert not names & {"RIGHT", "WRONG", "Wrong", "NotAttempted", "Verdict"}
        assert "check_" in text


@needs_room
@pytest.mark.slow
@pytest.mark.parametrize("name", [row.name for row in load_course(ROOT).written()])
def test_the_solutions_of_a_lesson_are_right_in_the_room(name):
    """Set-up, solutions and checkers of every assignment, with what the room holds and no more."""
    course = load_course(ROOT)
    assignment = next(one for one in read_assignments(course)[0] if one.name == name)
    cells = [c for c in bundle.notebook(course, assignment, "en").cells if c.cell_type == "code"]
    room = sandbox.Room(KIND, [cell.source for cell in cells], sandbox.Limits())
    guard = pytest.importorskip("course.assignments.guard")
    for cell in cells:
        if cell.metadata.nbgrader.grade:
            outputs = guard.Guard.judge(None, room, cell)
            assert [one.text for one in outputs] == ["right\n"], (cell.source, outputs)
        else:
            outputs = room.peer.request("run", source=cell.source)["outputs"]
            assert not [one for one in outputs if one["output_type"] == "error"], (
                cell.source,
                outputs,
            )
    room.close()


def closes(code: str, **limits) -> tuple[sandbox.Room, float]:
    room = sandbox.Room(KIND, [], sandbox.Limits(**limits))
    began = time.monotonic()
    with pytest.raises(Gone):
        room.peer.request("run", source="pass")
        room.next_cell()
        room.peer.request("run", source=code)
        room.peer.request("run", source="import time; time.sleep(60)")
    room.close()
    return room, time.monotonic() - began


@needs_room
@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import time; time.sleep(600)", "time"),
        ("x = []\nwhile True: x.append(bytearray(10**8))", "memory"),
        (
            "import os, time\nfor _ in range(99):\n    if os.fork() == 0: time.sleep(60)",
            "processes",
        ),
        ("import os; os._exit(0)", None),
    ],
)
def test_who_takes_too_much_is_ended(code, reason):
    assert closes(code, seconds=20.0 if reason == "memory" else 3.0, memory=1.5)[0].reason == reason


@needs_room
def test_a_process_that_hides_ends_with_the_room():
    code = """import os, sys
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execv(sys.executable, [sys.executable, "-c", "import time; time.sleep(7778)"])
    os._exit(0)"""
    room = sandbox.Room(KIND, [], sandbox.Limits())
    room.peer.request("run", source=code)
    room.close()
    hidden = [
        p for p in psutil.process_iter(["cmdline"]) if "sleep(7778)" in str(p.info["cmdline"])
    ]
    assert hidden == []


def test_without_a_sandbox_the_remedy_is_named(monkeypatch):
    monkeypatch.setattr(sandbox, "find", lambda: None)
    with pytest.raises(LessonError, match="bubblewrap.*GRADE_ARGS=--unsafe"):
        sandbox.choose(unsafe=False)
    assert sandbox.choose(unsafe=True) == "unsafe"


def test_without_a_sandbox_an_answer_is_still_a_process_of_its_own(monkeypatch):
    monkeypatch.setenv("INSTRUCTOR_SECRET", "s3cret")
    room = sandbox.Room(
        "unsafe", ["from exercises import lesson05\nlesson05.sealed"], sandbox.Limits()
    )
    assert value(room, "__import__('os').environ.get('INSTRUCTOR_SECRET')") is None
    assert value(room, "__import__('os').getpid()") != os.getpid()
    assert value(room, "sorted(__import__('exercises.lesson05').lesson05.sealed)") == list("ABCDE")
    room.close()


def test_a_container_is_closed_in_the_same_way(tmp_path):
    words = sandbox.container("docker", tmp_path, sandbox.Limits(), "one")
    line = " ".join(words)
    for part in (
        "--network none",
        "--read-only",
        "--cap-drop ALL",
        "--pids-limit 64",
        "--memory 4g",
    ):
        assert part in line
    assert line.endswith(sandbox.IMAGE) and f"{ROOT}:" not in line and line.count(":ro") == 7
