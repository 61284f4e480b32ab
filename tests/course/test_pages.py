"""The Chinese outside the lessons is held to the glossary and to the rules of typography."""

from pathlib import Path

from course.lessons import load_course
from course.pages import chinese_lines, page_faults, page_texts
from course.prose import chinese_set_wrongly, forbidden, load_glossary

ROOT = Path(__file__).resolve().parents[2]
TERMS = load_glossary(ROOT / "notebooks" / "glossary.csv")


def test_every_chinese_text_outside_the_lessons_is_in_order() -> None:
    assert [str(fault) for fault in page_faults(load_course(ROOT), TERMS)] == []


def test_no_place_is_left_out() -> None:
    files = {file for file, _, _ in page_texts(load_course(ROOT))}
    twins = {path.relative_to(ROOT).as_posix() for path in ROOT.glob("*/*.zh-CN.md")}
    assert len(twins) >= 5 and twins <= files
    assert {"README.zh-CN.md", "CONTRIBUTING.zh-CN.md", "data/README.md"} <= files
    assert {"data/results/README.md", "site/words.toml", "site/pages/setup.zh.md"} <= files
    assert {"data/claims.csv", "exercises/sets/state_spaces.py"} <= files
    assert {"notebooks/figures/sasrec.py", "notebooks/lessons.csv"} <= files


def test_a_word_may_stand_in_the_phrases_that_are_excepted() -> None:
    assert forbidden("服务以自己的时钟为准。", TERMS) == []
    assert forbidden("自己的时钟，与不看时钟的模型。", TERMS) == [
        "says 时钟; the glossary has 时间信息"
    ]
    assert forbidden("`时钟` 只在代码里。", TERMS) == []
    assert forbidden("要对场求值多少次？", TERMS) == []
    assert len(forbidden("时间值多少？", TERMS)) == 1


def test_plain_texts_may_hold_formulas_and_columns() -> None:
    assert chinese_set_wrongly("exp(间隔) 与 f(x, 状态)，第 3 轮 损失", plain=True) == []
    assert len(chinese_set_wrongly("exp(间隔) 与 f(x, 状态)")) == 2
    for text, fault in {
        "间隔,状态": "half-width punctuation between Chinese",
        "约62%": "no space between Chinese and Latin",
        "是 62 % 的": "a space before %",
        "间隔 ，状态": "a space beside full-width",
        "您的": "“您”",
    }.items():
        (found,) = chinese_set_wrongly(text, plain=True)
        assert fault in found


def test_of_a_bilingual_table_the_chinese_is_read() -> None:
    text = "# Results / 结果\n\nOnly English.\n| table / 表 | `x` | two seeds / 两个种子 |\n```\n表\n```"
    assert chinese_lines(text).split() == ["结果", "|表", "|两个种子"]
