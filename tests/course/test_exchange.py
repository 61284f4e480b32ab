"""Texts of lesson code: found by a clear rule, exchanged, proved to be the same program, brought back."""

import ast
from pathlib import Path

import pytest

from course.exchange import exchange, is_for_readers, pieces, placeholders, same_program
from course.format import code_of, read_lesson
from course.lessons import load_course

ROOT = Path(__file__).resolve().parents[2]
COURSE = load_course(ROOT)

CODE = '''\
# Two lines that
# belong together.
import numpy as np  # [B, L]

# from tutorial_lib/models/attention.py
def f(table, key="ndcg"):
    """First line.

    Second, with a "quote" and a \\\\ backslash.
    """
    # noqa: B004
    print("mean of", table[key], "days", "%Y-%m-%d", r"$\\alpha x$")
    print(
        f"user {table[0]!r} of {len(table):3d}: {'not yet' if key else ''} "
        "and {more} braces"
    )
    return {"space": 1, "data.csv": 2, key: f"{key}_loss"}
'''
CHINESE = {
    "Two lines that\nbelong together.": "合成一段的两行。",
    'First line.\n\nSecond, with a "quote" and a \\ backslash.': '首行。\n\n第二行，有“引号”和 \\ 以及 """。',
    "mean of": "均值",
    "user {table[0]!r} of {len(table):3d}: {'not yet' if key else ''} and {{more}} braces": (
        "共 {len(table):3d} 个用户，{{更多}} 括号，{'not yet' if key else ''}，这是 {table[0]!r}"
    ),
    "not yet": "还没有",
    "space": "太空",
}


def kinds() -> dict[str, str]:
    return {piece.message: piece.kind for piece in pieces(CODE)}


def test_what_is_for_readers() -> None:
    """Shapes, formulas, dates, file names, keys, directives and origins are left alone."""
    assert kinds() == {
        "Two lines that\nbelong together.": "comment",
        'First line.\n\nSecond, with a "quote" and a \\ backslash.': "docstring",
        "mean of": "text",
        "days": "word",
        "user {table[0]!r} of {len(table):3d}: {'not yet' if key else ''} and {{more}} braces": "f-text",
        "not yet": "text",
        "space": "word",
    }
    assert is_for_readers("mean of x") and not is_for_readers("d  ") and not is_for_readers("x @ y")


def test_texts_are_exchanged_and_nothing_else() -> None:
    code = exchange(CODE, CHINESE)
    space = {}
    exec(compile(code, "cell", "exec"), space)
    assert "# 合成一段的两行。\nimport numpy" in code and "# [B, L]" in code
    assert space["f"].__doc__.startswith('首行。\n\n    第二行，有“引号”和 \\ 以及 """。')
    assert 'key="ndcg"' in code and '"data.csv"' in code and '"days"' in code
    assert '"太空": 1' in code and "{'还没有' if key else ''}" in code
    assert same_program(CODE, code, CHINESE)


def test_the_exchanged_program_says_it(capsys: pytest.CaptureFixture[str]) -> None:
    space = {}
    exec(compile(exchange(CODE, CHINESE), "cell", "exec"), space)
    assert space["f"]({0: "Ida", "k": 3}, "k") == {"太空": 1, "data.csv": 2, "k": "k_loss"}
    assert "共   2 个用户，{更多} 括号，还没有，这是 'Ida'" in capsys.readouterr().out


def test_a_text_of_several_lines_stays_one() -> None:
    code = 'P = """\nsay("a")  # one \\\\ two\n"""\n'
    message = ast.literal_eval(code.removeprefix("P = "))
    chinese = exchange(code, {message: message.replace("one", "一")})
    assert chinese == code.replace("one", "一")
    quoted = exchange(code, {message: 'a """ b"'})  # quotes that would end it
    assert ast.literal_eval(quoted.removeprefix("P = ")) == 'a """ b"'


def test_a_translation_with_other_placeholders_is_not_used() -> None:
    code = 'print(f"user {name} of {n}")'
    for bad in ("用户 {name}", "用户 {name} {n} {m}", "用户 {name} {n", "用户 {name} {n:d}"):
        assert exchange(code, {"user {name} of {n}": bad}) == code


def test_the_way_back() -> None:
    back = exchange(exchange(CODE, CHINESE), {zh: en for en, zh in CHINESE.items()})
    assert same_program(CODE, back, {})


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("table[key]", "table[0]"),  # code
        ('"ndcg"', '"指标"'),  # a string that no entry allows
        ('"均值"', '"中位数"'),  # another text than the catalogue's
        ("{len(table):3d}", "{len(key):3d}"),  # another value
        (":3d}", ":4d}"),  # another format
        ("{'还没有' if key", "{'没有' if key"),  # inside a placeholder
        ("首行。", "第一行。"),
    ],
)
def test_another_program_is_found(old: str, new: str) -> None:
    code = exchange(CODE, CHINESE)
    assert old in code
    assert not same_program(CODE, code.replace(old, new), CHINESE)


def test_magic_commands_stay() -> None:
    assert pieces("%time f('a b')") == [] and exchange("%time f('a b')", {"a b": "c"}) == (
        "%time f('a b')"
    )


def test_braces_that_do_not_match_are_an_error() -> None:
    for bad in ("{x", "x}", "{a[}"):
        with pytest.raises(ValueError, match="brace"):
            placeholders(bad)


@pytest.mark.parametrize("row", COURSE.written(), ids=lambda row: row.name)
def test_every_lesson_survives_a_translation_and_the_way_back(row) -> None:
    """Every text gets a mark in front: all of it must arrive, the program must be the same."""
    for cell in read_lesson(COURSE, row):
        if cell.kind != "code":
            continue
        code = code_of(COURSE, row, cell, "en")
        entries = {piece.message: "译" + piece.message for piece in pieces(code)}
        marked = exchange(code, entries)
        assert same_program(code, marked, entries), cell.id
        left = [piece.message for piece in pieces(marked) if piece.kind != "word"]
        assert all(message.startswith("译") for message in left), cell.id
        back = exchange(marked, {zh: en for en, zh in entries.items()})
        assert same_program(code, back, {}), cell.id
        try:
            ast.parse(code)
        except SyntaxError:
            assert marked == code
