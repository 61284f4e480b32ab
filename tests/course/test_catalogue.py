"""The catalogues: what must be in them, how they are filled, and what is found wrong."""

import ast
import json
import re
import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "build_fixtures"))

from helpers import CATALOGUE, LIBRARY, SOURCE, clean_course, edit  # noqa: E402

from course.catalogue import SPOKEN, Text, entry_faults, main, spoken_in  # noqa: E402
from tutorial_files.language import read_catalogue  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def course(tmp_path: Path) -> Path:
    return Path(shutil.copytree(clean_course(), tmp_path / "course"))


def run(root: Path, capsys: pytest.CaptureFixture[str], *command: str) -> tuple[int, str, str]:
    name, *rest = command
    status = main([name, "--root", str(root), *rest])
    out, err = capsys.readouterr()
    return status, out, err


def test_extract_keeps_translations_and_marks_what_changed(
    course: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (course / CATALOGUE).read_text(encoding="utf-8")
    edit(course, LIBRARY, "Half of x.", "The half of x.")
    edit(course, SOURCE, "answer = half(8)", "answer = half(8)  # an even number")
    status, out, _ = run(course, capsys, "extract", "2")
    assert (status, out) == (0, "02: 8 entries, 2 new, 1 dropped\n")
    text = (course / CATALOGUE).read_text(encoding="utf-8")
    assert '#, fuzzy\nmsgid "The half of x."\nmsgstr "x 的一半。"' in text
    assert 'msgid "an even number"\nmsgstr ""' in text and '"| 其他数据"' in text
    edit(course, LIBRARY, "The half of x.", "Half of x.")
    edit(course, SOURCE, "  # an even number", "")
    run(course, capsys, "extract", "2")
    assert "even" not in (course / CATALOGUE).read_text(encoding="utf-8")
    assert read_catalogue(course / CATALOGUE).keys() <= set(re.findall(r'msgid "(.+)"', before))


def test_what_is_to_do_is_filled_in(course: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(course, CATALOGUE, "x 的一半。", "")
    status, out, _ = run(course, capsys, "todo", "2")
    assert status == 0 and json.loads(out) == {
        "texts": {"Half of x.": ""},
        "words": {"width": "", "height": ""},
    }
    file = course / "02.json"
    file.write_text(json.dumps({"texts": {"Half of x.": "一半。", "nowhere": "x"}}))
    status, _, err = run(course, capsys, "fill", "2", str(file))
    assert status == 1 and "has no entry 'nowhere'" in err
    assert read_catalogue(course / CATALOGUE)["Half of x."] == "一半。"
    assert run(course, capsys, "check", "2") == (0, "", "")
    assert "02" in run(course, capsys, "stats", "2")[1]


def test_an_unknown_catalogue_is_one_clear_sentence(
    course: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, _, err = run(course, capsys, "check", "99")
    assert status == 1 and "there is no catalogue '99'; known are 02" in err


def test_two_words_need_two_translations(course: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Keys of one table would fall together."""
    edit(course, SOURCE, 'print("threads"', 'print("strings", "threads"')
    run(course, capsys, "extract", "2")
    file = course / "02.json"
    file.write_text(json.dumps({"words": {"strings": "线程"}}))
    run(course, capsys, "fill", "2", str(file))
    assert "another word has the same Chinese '线程'" in run(course, capsys, "check", "2")[2]


@pytest.mark.parametrize(
    ("kind", "message", "chinese", "fault"),
    [
        ("message", "{name} is {got:.6g}", "{name} 是 {got:.6g}", None),
        ("message", "{n} event{plural}", "{n} 个事件", None),
        ("message", "{name} is {got:.6g}", "{name} 是 {got}", "other placeholders"),
        ("message", "{name} is {got}", "{name} 是", "other placeholders"),
        ("message", "{name} is", "{name 是", "cannot be read"),
        ("f-text", "seed {s + 1}", "种子 {s + 1}", None),
        ("f-text", "seed {s + 1}", "种子 {s+1}", "other placeholders"),
        ("f-text", "seed {s}", "种子 {s", "cannot be read"),
        ("comment", "the mean", "# 均值", "begins with #"),
        ("text", "a line\n", "一行", "other line breaks"),
    ],
)
def test_faults_of_one_translation(
    kind: str, message: str, chinese: str, fault: str | None
) -> None:
    found = entry_faults(message, chinese, Text(kind, ("cell",)))
    assert any(fault in one for one in found) if fault else found == []


def test_texts_that_are_spoken_are_found(tmp_path: Path) -> None:
    folder = tmp_path / "tutorial_lib"
    folder.mkdir()
    (folder / "a.py").write_text(
        '"""Docstring of no interest."""\n'
        'raise TutorialError("cannot read {path}", path=path)\n'
        'print(say("one" if x else "two words"), "not spoken here", mark("days"))\n'
        'size: int = knob(3, "how many there are")\n'
        'say("{a} {b}", a="x y", b="full" if z else "")\n'
    )
    assert spoken_in(folder / "a.py") == (
        "cannot read {path}",
        "one",
        "two words",
        "days",
        "how many there are",
        "full",
    )
    folder = tmp_path / "exercises"
    folder.mkdir()
    (folder / "lesson04.py").write_text(
        'def check(x):\n    """4.1: not spoken."""\n    known = {"a hint in a table": 1}\n'
        '# Answers on which the tests try the checkers\nRIGHT = ["not spoken either"]\n'
    )
    assert spoken_in(folder / "lesson04.py") == ("a hint in a table",)


def test_no_message_is_put_together_before_it_is_looked_up() -> None:
    """An f-string could never be found in a catalogue: named placeholders are filled afterwards."""
    found = []
    for room in ("tutorial_files", "tutorial_lib", "exercises"):
        for path in sorted((ROOT / room).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                name = isinstance(node, ast.Call) and getattr(
                    node.func, "attr", getattr(node.func, "id", "")
                )
                if (
                    name in SPOKEN
                    and name != "knob"
                    and any(isinstance(one, ast.JoinedStr) for one in node.args)
                ):
                    found.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert found == []
