"""Cells can be run twice and from any section: the rule of what a section needs, that the runs find
what breaks it, and (thorough) every lesson.
"""

from pathlib import Path

import pytest

from course.again import KINDS, check
from course.build import main as build_main
from course.edit import merge_back
from course.format import read_lesson, render
from course.lessons import Course, Row, load_course
from course.sections import NEEDS, names_of, needs_line, sections_of

ROOT = Path(__file__).resolve().parents[2]
COURSE = load_course(ROOT)
ROWS = {row.name: row for row in COURSE.written()}


def lesson(folder: Path, *parts: tuple[str, str]) -> tuple[Course, Row]:
    """A course of one lesson: pairs of a heading and the code below it."""
    text = ""
    for number, (heading, code) in enumerate(parts):
        for language, title in (("en", heading), ("zh", f"第 {number} 节")):
            text += f'# %% [markdown] id="s{number}-{language}" lang="{language}"\n# ## {title}\n#\n# words\n\n'
        tags = ' tags=["solution"]' if code.startswith("# Solution") else ""
        text += f'# %% id="c{number}"{tags}\n{code}\n\n' if code else ""
    source = folder / "notebooks" / "source" / "02_tiny.py"
    source.parent.mkdir(parents=True)
    source.write_text(text, encoding="utf-8")
    (folder / "notebooks" / "en").mkdir()
    (folder / "notebooks" / "lessons.csv").write_text(
        "number,slug,title_en,title_zh,minutes,exercises,prerequisites,part_en,part_zh\n"
        "2,tiny,Tiny,小课,1,1,,Part,部分\n",
        encoding="utf-8",
    )
    course = load_course(folder)
    return course, course.rows[0]


def needs(folder: Path, *codes: str) -> list[tuple[int, ...]]:
    """What the sections of these codes need; section 0 is what comes before the first heading."""
    course, row = lesson(folder, *((f"S{n}", code) for n, code in enumerate(codes, start=1)))
    cells = read_lesson(course, row)
    texts = {cell.id: cell.text["en"] for cell in cells}
    return [section.needs for section in sections_of(cells, texts)[1:]]


SETUP = "import math"


@pytest.mark.parametrize(
    ("codes", "wanted"),
    [
        ([SETUP, "x = math.pi", "print(x)"], [(), (1,), (1, 2)]),
        ([SETUP, "x = 1", "y = 2", "print(y)"], [(), (1,), (1,), (1, 3)]),
        ([SETUP, "x = 1", "y = x", "print(y)"], [(), (1,), (1, 2), (1, 2, 3)]),  # what these need
        ([SETUP, "x = 1", "x = 2", "print(x)"], [(), (1,), (1,), (1, 3)]),  # the last giver
        ([SETUP, "x = [1]", "x[0] = 2", "print(x)"], [(), (1,), (1, 2), (1, 2, 3)]),
        ([SETUP, "x = math", "x.a = 2", "print(x)"], [(), (1,), (1, 2), (1, 2, 3)]),
        ([SETUP, "x = [1]", "x.append(2)", "print(x)"], [(), (1,), (1, 2), (1, 2, 3)]),
        (  # changed by a function, where it is called
            [SETUP, "x = {}\ndef f():\n    x[1] = 2", "y = 1", "f()", "print(x)"],
            [(), (1,), (1,), (1, 2), (1, 2, 4)],
        ),
        ([SETUP, "n = 1", "n += 1", "print(n)"], [(), (1,), (1, 2), (1, 2, 3)]),
        ([SETUP, "x = 1", "x = 2\nprint(x)"], [(), (1,), (1,)]),  # its own
        ([SETUP, "x = 1", "print([x for x in range(3)])"], [(), (1,), (1,)]),
        ([SETUP, "x = [1]", "print([y for y in range(3) if y in x])"], [(), (1,), (1, 2)]),
        ([SETUP, "x = 1", "def f(x):\n    return x", "f(1)"], [(), (1,), (1,), (1, 3)]),
        ([SETUP, "a = 1", "def f():\n    return a", "f()"], [(), (1,), (1, 2), (1, 2, 3)]),
        # a function reads its names where it is used
        ([SETUP, "a = 1\ndef f():\n    return a", "a = 2", "f()"], [(), (1,), (1,), (1, 2, 3)]),
        ([SETUP, "a = 1", "class C:\n    b = a\n", "C()"], [(), (1,), (1, 2), (1, 2, 3)]),
        ([SETUP, "a = 1", "def f(x: a):\n    pass"], [(), (1,), (1, 2)]),
        ([SETUP, "a = 1", "class C:\n    def f(self, x: a):\n        pass"], [(), (1,), (1, 2)]),
        ([SETUP, "a = 1", "", "print(a)"], [(), (1,), (), (1, 2)]),
        (["", SETUP, "x = 1", "%time x"], [(), (), (2,), (2,)]),
    ],
)
def test_what_a_section_needs(
    tmp_path: Path, codes: list[str], wanted: list[tuple[int, ...]]
) -> None:
    assert needs(tmp_path, *codes) == wanted


def test_names_in_order() -> None:
    names = names_of(["y = x\nx = 1\nimport os.path as p", "for i in y:\n    z = i"])
    assert (names.reads, names.gives) == ({"x"}, {"x", "y", "p", "i", "z"})


def test_a_reader_is_told_what_to_run_first(tmp_path: Path) -> None:
    codes = [SETUP, "x = 1", "y = x", "z = 2", "u = 3", "print(x, y)", "print(u)", ""]
    course, row = lesson(tmp_path, *((f"S{n}", code) for n, code in enumerate(codes, start=1)))
    cells = read_lesson(course, row)
    sections = sections_of(cells, {cell.id: cell.text["en"] for cell in cells})
    assert [needs_line(sections, place, "en") for place in range(1, 9)] == [
        "",
        "",
        "<small>To start here, first run all cells above.</small>",
        "",
        "",
        "<small>To start here, first run the set-up at the top, then the cells of “S2” and “S3”.</small>",
        "<small>To start here, first run the set-up at the top, then the cells of “S5”.</small>",
        "",
    ]
    shown = {node.id: node.source for node in render(course, row, cells, "zh")}
    assert shown["s5"] == (
        "## 第 5 节\n\n<small>从本节开始学时，请先运行开头的准备单元格，再运行“第 1 节”“第 2 节”各节的单元格。</small>\n\nwords"
    )
    assert NEEDS.sub("", shown["s5"]) == "## 第 5 节\n\nwords"
    assert shown["s4"] == "## 第 4 节\n\nwords"


PLANTED = {
    # name -> headings and code, the cell that must be named by each kind (None: nothing is wrong)
    "sound": (["x = [1]", "y = x + [2]", "assert len(y) == 2"], None, None),
    "grows": (["x = [1]", "x.append(2)\nassert len(x) == 2"], "c2", None),
    "asked once": (["x = [1]", "y = x.pop()"], "c2", None),
    "changed by a call": (
        ["x = [1]", "list.append(x, 2)", "assert len(x) == 3"],
        None,
        "c3",
    ),
    "random draws": (
        [
            "import random\nrandom.seed(0)",
            "random.seed(1)\na = random.random()",
            "assert abs(random.random() - 0.8474337) < 1e-6",
        ],
        "c3",
        "c3",
    ),
    "name given by a call": (
        ["x = 1", "def f():\n    global x\n    x += 1\n\nf()", "assert x == 2"],
        "c3",
        "c3",
    ),
    "file made twice": (
        ["import os, tempfile\nd = tempfile.mkdtemp()", "os.mkdir(d + '/a')"],
        "c2",
        None,
    ),
    "wrong solution": (["x = 1", "# Solution\n\nprint('wrong, because it is')"], "c2", "c2"),
    "dies": (["x = 1", "import os\nos.abort()"], "", "?"),
}


QUICK = {("grows", "twice"), ("changed by a call", "alone")}  # each starts a process


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        pytest.param(name, kind, marks=[] if (name, kind) in QUICK else pytest.mark.thorough)
        for name in PLANTED
        for kind in KINDS
    ],
)
def test_a_planted_dependence_is_found(tmp_path: Path, name: str, kind: str) -> None:
    codes, twice, alone = PLANTED[name]
    wanted = twice if kind == "twice" else alone
    parts = [(f"S{n}", code) for n, code in enumerate([SETUP, *codes])]
    faults, seconds = check(*lesson(tmp_path, *parts), kind)
    assert seconds > 0
    if wanted is None:
        assert faults == []
    else:
        assert faults and f"02_tiny.py: {'cell ' * bool(wanted)}{wanted}" in faults[0], faults


def test_edits_of_a_section_come_back_without_the_line(tmp_path: Path) -> None:
    course, row = lesson(tmp_path, ("A", "x = 1"), ("B", "y = x"), ("C", "print(y)"))
    (tmp_path / "jupytext.toml").write_text((ROOT / "jupytext.toml").read_text())
    assert build_main(["build", "--root", str(tmp_path)]) == 0
    path = course.notebook(row, "en")
    text = path.read_text(encoding="utf-8")
    assert text.count("To start here, first run all cells above.") == 1
    path.write_text(text.replace('"words"', '"better words"', 3).replace("B\\n", "Bee\\n"))
    done, problems = merge_back(course, row, "en")
    source = course.source(row).read_text(encoding="utf-8")
    assert done and not problems
    assert source.count("better words") == 3 and "## Bee" in source and "small" not in source


@pytest.mark.thorough
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ROWS)
def test_a_lesson_runs_twice_and_from_any_section(name: str, kind: str) -> None:
    faults, seconds = check(COURSE, ROWS[name], kind)
    print(f"{seconds:.0f} s of processor time")
    assert faults == []
