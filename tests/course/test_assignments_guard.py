"""The guard alone, on small notebooks: cells are found again whatever was done to them, and who takes
too much is stopped with the right reason.
"""

import copy
from types import SimpleNamespace

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

pytest.importorskip("nbgrader", reason="nbgrader is not installed: make assignments installs it")

from course.assignments import guard, sandbox  # noqa: E402
from course.format import language_cell  # noqa: E402
from tutorial_lib.language import say  # noqa: E402

needs_room = pytest.mark.skipif(sandbox.find() is None, reason=sandbox.MISSING)
SAYS = {
    "en": "wrong, because look at D again: do the values take part in the weights?",
    "zh": "不对：再看看 D：值参与权重的计算吗？",
}


def mark(name, **flags):
    plain = {"grade": False, "locked": True, "solution": False, "task": False, "schema_version": 3}
    return {"nbgrader": plain | {"grade_id": name} | flags}


def cells():
    return [
        new_markdown_cell("Question 4.1", id="q", metadata=mark("q")),
        new_code_cell("...", id="a", metadata=mark("a", locked=False, solution=True)),
        new_code_cell(
            "lesson04.check_unchanged(unchanged)  # 2 points",
            id="c",
            metadata=mark("c", grade=True, points=2),
        ),
    ]


def graded(answer: str, **limits):
    """Notes, and the outputs of the grade cell that follows this answer."""
    notebook = new_notebook(cells=cells())
    notebook.cells[1].source = answer
    resources = {"nbgrader": {}, "metadata": {}}
    notebook, resources = guard.Guard(**({"seconds": 3.0} | limits)).preprocess(notebook, resources)
    return resources["nbgrader"].get("notes"), notebook.cells[-1].outputs


@needs_room
@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        ('unchanged = {"A", "C", "D", "E"}', "right"),
        ('unchanged = {"C"}', "wrong, because"),
        ("unchanged = ...", "not attempted yet"),
        ("", "not attempted yet"),
        ("unchanged = 1 / 0", "not attempted yet"),
        ("import sys\nprint('noise', file=sys.stderr)\nunchanged = 'ACDE'", "right"),
        (
            "from exercises import lesson04\nlesson04.check_unchanged = lambda a: 'right'\n"
            "unchanged = 'C'",
            "wrong, because",
        ),
    ],
)
def test_the_verdict_is_that_of_the_checker(answer, verdict):
    notes, outputs = graded(answer)
    assert not notes and outputs[0].text.startswith(verdict)
    assert [one.output_type for one in outputs[1:]] == ([] if verdict == "right" else ["error"])


@needs_room
@pytest.mark.parametrize(
    ("code", "limits", "reason"),
    [
        (
            "while True:\n    try:\n        pass\n    except BaseException:\n        pass",
            {},
            "3 seconds",
        ),
        ("import os\nos._exit(0)", {}, "its own Python process"),
        ("exit()", {}, "its own Python process"),
    ],
    ids=["loops", "kills its Python", "leaves"],
)
def test_who_takes_too_much_is_stopped(code, limits, reason):
    notes, outputs = graded(code, **limits)
    assert reason in notes[0] and outputs[0].output_type == "error"


@needs_room
def test_the_note_can_be_chinese():
    notes, _ = graded("import os\nos._exit(0)", language="zh")
    assert notes == [
        "这份作业在单元格 2 处被停下：它结束或弄崩了自己的 Python 进程。检查程序给零分。"
    ]


@needs_room
@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("en", ["the language is 'xx': choose en or zh", "judged by the grader, not here"]),
        ("zh", ["语言是 'xx'：请选 en 或 zh", "这里不检查，由评分程序检查"]),
    ],
)
def test_a_class_reads_its_own_language(language, said):
    """The verdict of the checker, an error of the library in a cell of the submission, and a
    checker that is called there.
    """
    notebook = new_notebook(cells=cells())
    speaks = language_cell(language)
    speaks.metadata = mark("language")
    notebook.cells[1].source = (
        "try:\n    use_language('xx')\nexcept ValueError as error:\n    print(error)\n"
        "from exercises import lesson04\nlesson04.check_unchanged(1)\nunchanged = {'A', 'C', 'E'}"
    )
    notebook.cells.insert(0, speaks)
    resources = {"nbgrader": {}, "metadata": {}}
    notebook, _ = guard.Guard(seconds=30.0, language=language).preprocess(notebook, resources)
    assert notebook.cells[2].outputs[0].text.splitlines() == said
    reason = SAYS[language]
    assert [notebook.cells[-1].outputs[0].text, notebook.cells[-1].outputs[1].evalue] == [
        reason + "\n",
        reason,
    ]
    assert say("wrong") == "wrong", "grading leaves the language of its own process alone"


@needs_room
def test_waiting_for_a_busy_machine_is_not_counted(monkeypatch):
    """A watch that looks late, because this process had to wait, does not charge the submission."""
    late = iter(range(0, 10**6, 100))
    clock = SimpleNamespace(monotonic=lambda: float(next(late)), monotonic_ns=lambda: 1)
    monkeypatch.setattr(sandbox, "time", clock)
    monkeypatch.setattr(sandbox, "Limits", lambda **given: LIMITS(wall=1e9, **given))
    monkeypatch.setattr(guard, "Limits", lambda **given: LIMITS(wall=1e9, **given))
    notes, _ = graded("unchanged = 'ACDE'", seconds=30.0)
    assert not notes


LIMITS = sandbox.Limits


def rebuilt(change, tmp_path, monkeypatch):
    """What is graded of a submission in which `change` was done to the cells, and the notes."""
    import nbformat

    folder = tmp_path / "release" / "hw"
    folder.mkdir(parents=True)
    nbformat.write(new_notebook(cells=cells()), folder / "hw.ipynb")
    monkeypatch.chdir(tmp_path)
    handed = copy.deepcopy(cells())
    handed[1].source = "def f():\n    return 1"
    handed = change(handed) or handed
    names = {"assignment": "hw", "notebook": "hw", "student": "s"}
    made, resources = guard.Rebuild().preprocess(new_notebook(cells=handed), {"nbgrader": names})
    return {guard.name_of(c) or "added": c.source for c in made.cells}, resources["nbgrader"][
        "notes"
    ]


def split(handed):
    half = copy.deepcopy(handed[1])
    handed[1].source, half.source = handed[1].source.split("\n")
    return [handed[0], handed[1], half, handed[2]]


def stripped(handed):
    for cell in handed:
        cell.metadata.clear()


def nameless(handed):
    stripped(handed)
    for place, cell in enumerate(handed):
        cell.id = f"x{place}"


def moved(handed):
    return [handed[1], handed[2], handed[0]]


@pytest.mark.parametrize(
    ("change", "note"),
    [
        (lambda handed: None, ""),
        (split, "joined"),
        (stripped, "recognised"),
        (nameless, "recognised"),
        (moved, ""),
    ],
)
def test_an_answer_is_found_again(change, note, tmp_path, monkeypatch):
    sources, notes = rebuilt(change, tmp_path, monkeypatch)
    assert sources["a"] == "def f():\n    return 1" and note in " ".join(notes)
    assert bool(notes) == bool(note)


def test_a_copy_further_down_counts_and_is_noted(tmp_path, monkeypatch):
    def copied(handed):
        again = copy.deepcopy(handed[1])
        again.source, again.id = "better = 1", "again"
        return [handed[0], handed[1], new_markdown_cell("Better:"), again, handed[2]]

    sources, notes = rebuilt(copied, tmp_path, monkeypatch)
    assert sources["added"] == "better = 1" and "a stood in several" in notes[0].replace(
        "of a", "a"
    )


def test_another_notebook_is_called_so(tmp_path, monkeypatch):
    _, notes = rebuilt(lambda handed: [new_code_cell("1")], tmp_path, monkeypatch)
    assert "None of the cells" in notes[0]
