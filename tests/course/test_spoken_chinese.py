"""A wrong answer, an error of the library and a failed `expect` speak the language of their notebook,
through nbval too; every plot can draw what the catalogues say.
"""

import ast
import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from course.catalogue import spoken_in, translated
from course.font import drawable, subset, wanted
from course.format import language_cell
from course.lessons import load_course
from tutorial_lib import plots
from tutorial_lib.language import use_language

ROOT = Path(__file__).resolve().parents[2]
COURSE = load_course(ROOT)
DONE = sorted(name for name in translated(COURSE) if name.startswith("exercises/lesson"))
ENGLISH = re.compile(r"[a-z]{2,} [a-z]{2,} [a-z]{2,}")  # three small words in a row
HAN = re.compile("[\u4e00-\u9fff]")


@pytest.fixture
def chinese():
    use_language("zh")
    yield
    use_language("en")


@pytest.mark.parametrize("name", DONE)
def test_every_reason_of_a_translated_lesson_is_chinese(chinese, name: str) -> None:
    module = importlib.import_module(name.replace("/", "."))
    for checker, answer, *_ in module.WRONG:
        verdict = checker(answer)
        assert verdict.status == "wrong"
        plain = re.sub(r"`[^`]*`", "", str(verdict))
        assert HAN.search(plain) and not ENGLISH.search(plain), plain


SAYS = {
    "en": [
        "wrong, because look at D again: do the values take part in the weights?",
        "share is 0.5, wanted: share = 0.25 ± 0.01",
        "share: 2 to 1 is no range",
        "Row 1 (user=0, item=2, timestamp=3) is not in the order (user, timestamp): call"
        " sort_events first.",
    ],
    "zh": [
        "不对：再看看 D：值参与权重的计算吗？",
        "share 是 0.5，应为：share = 0.25 ± 0.01",
        "share：2 到 1 不是一个范围",
        "行 1（user=0, item=2, timestamp=3）没有按（user, timestamp）排序：请先调用 sort_events。",
    ],
}
CODE = """\
import pandas as pd

from exercises import lesson04
from tutorial_lib.checks import expect, expect_between
from tutorial_lib.data.events import validate
from tutorial_lib.errors import TutorialError

lesson04.check_unchanged({"A", "C", "E"})
for check, values in ((expect, (0.25, 0.01)), (expect_between, (2, 1))):
    try:
        check("share", 0.5, *values)
    except (AssertionError, ValueError) as error:
        print(error)
try:
    validate(pd.DataFrame({"user": 0, "item": [1, 2], "timestamp": [9, 3]}))
except TutorialError as error:
    print(error)"""


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_notebook_speaks_its_language_through_nbval(tmp_path: Path, language: str) -> None:
    """nbval compares what the kernel says with what is stored; another word would fail. And nbval
    learns nothing, though it was started from a notebook.
    """
    v4 = nbformat.v4
    output = v4.new_output("stream", name="stdout", text="\n".join(SAYS[language]) + "\n")
    cell = v4.new_code_cell(CODE, execution_count=2, outputs=[output])
    first = language_cell(language)
    first.execution_count = 1
    notebook = v4.new_notebook(cells=[first, cell])
    nbformat.write(notebook, tmp_path / "lesson.ipynb")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--nbval"]
    command += ["--nbval-current-env", f"--rootdir={tmp_path}", str(tmp_path / "lesson.ipynb")]
    record = tmp_path / "progress.jsonl"
    opened = {"JPY_SESSION_NAME": "lesson.ipynb", "TUTORIAL_PROGRESS": str(record)}
    env = os.environ | opened
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, env=env)
    assert done.returncode == 0, done.stdout[-2000:]
    assert not record.exists()


LIBRARY = sorted(
    path
    for room in ("tutorial_files", "tutorial_lib")
    for path in (ROOT / room).rglob("*.py")
    if not {"experiments", "serving"} & set(path.parts)
)
NOT_SAID = re.compile(  # lists of names, and errors that are caught where they are raised
    r"user userid|item itemid|timestamp time|rating score|one of the encodings was tried"
    r"|is not what was written|not all was written|torch knows further devices|a marked row is refused|a date with zone|validation \w+$"
)


def unsaid(path: Path) -> list[str]:
    """The sentences of a file that no `say` holds: three small words in a row, no docstring."""
    tree, said = ast.parse(path.read_text(encoding="utf-8")), set(spoken_in(path))
    silent = {
        node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)
    }  # docstrings, of attributes too
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and node not in silent
        and node.value not in said
        and ENGLISH.search(node.value)
        and not NOT_SAID.search(node.value)
    ]


def test_no_sentence_of_the_library_stays_out_of_the_catalogues(tmp_path: Path) -> None:
    assert len(LIBRARY) > 50
    assert {str(path): found for path in LIBRARY if (found := unsaid(path))} == {}
    fault = tmp_path / "fault.py"
    fault.write_text('raise ValueError(f"the time {x} is not in the calendar")')
    assert unsaid(fault) == [" is not in the calendar"]


def test_the_font_draws_all_that_the_catalogues_say() -> None:
    marks = {mark for mark in wanted(ROOT) if mark.isprintable()}
    assert marks and not marks - drawable()
    assert plots.FONT.stat().st_size <= 1_000_000 and (plots.FONT.parent / "OFL.txt").exists()


def test_plots_use_it_in_chinese_and_nothing_else_changes_in_english(chinese) -> None:
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.use("Agg")
        before = list(matplotlib.rcParams["font.family"])
        plots.use_style()
        assert matplotlib.rcParams["font.family"] == ["DejaVu Sans", "Course Sans SC"]
        use_language("en")
        with matplotlib.rc_context({"font.family": before}):
            plots.use_style()
            assert list(matplotlib.rcParams["font.family"]) == before


def test_a_missing_glyph_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from course.font import glyph_faults

    folder = tmp_path / "locale" / "zh" / "library"
    folder.mkdir(parents=True)
    (folder / "core.po").write_text('msgid "x"\nmsgstr "常用字与龘"\n', encoding="utf-8")
    course = type("Course", (), {"root": tmp_path})
    (fault,) = glyph_faults(course)
    assert str(fault) == (
        "locale/zh/library/core.po: has characters without a glyph: 龘; run `python -m course.font`"
    )


def test_the_subset_is_the_same_every_time() -> None:
    from course.font import SOURCE

    if not SOURCE.exists():
        pytest.skip("needs Debian's fonts-noto-cjk")
    first, second = (subset(SOURCE, set("权重 weight")) for _ in range(2))
    assert first == second
