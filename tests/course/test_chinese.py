"""What a reader of the Chinese notebooks still sees in English, counted."""

from pathlib import Path

import nbformat
import pytest

from course.catalogue import translated
from course.chinese import LIMIT, english_words, seen, share
from course.format import read_notebook
from course.lessons import load_course

ROOT = Path(__file__).resolve().parents[2]
COURSE = load_course(ROOT)
DONE = [row for row in COURSE.written() if f"{row.number:02d}" in translated(COURSE)]


def notebook(code: str, output: str, prose: str = "") -> nbformat.NotebookNode:
    v4 = nbformat.v4
    cell = v4.new_code_cell(code, outputs=[v4.new_output("stream", text=output)])
    return v4.new_notebook(cells=[v4.new_markdown_cell(prose), cell])


def test_what_counts_as_english() -> None:
    """Sentences count word by word; names, abbreviations, code and identifiers do not."""
    known = {"query", "value"}
    assert english_words("mean of the value", known) == ["mean", "of", "the", "value"]
    assert english_words("query value", known) == []
    assert english_words("查询 query 的 value，mean", known) == ["mean"]
    assert english_words("NDCG SASRec Euler `some code` data/a.csv loss_rate x", set()) == []


def test_comments_strings_and_outputs_are_seen() -> None:
    english = notebook('# the weights\nx = "mean of x"\nprint(x)', "mean of x\n0.5\n", "权重" * 8)
    words, chinese = seen(english)
    assert words == {"the": 1, "weights": 1, "mean": 2, "of": 2}
    assert chinese == 10
    assert share(english) == pytest.approx(6 / 16)
    assert share(notebook('# 权重\nx = "x 的均值"', "x 的均值 0.5\n", "权重")) == 0


@pytest.mark.parametrize("row", DONE, ids=lambda row: row.name)
def test_a_translated_lesson_shows_next_to_no_english(row) -> None:
    words, _ = seen(read_notebook(COURSE.notebook(row, "zh")))
    found = share(read_notebook(COURSE.notebook(row, "zh")))
    assert found < LIMIT, f"{found:.1%}: {words.most_common(20)}"


def test_the_edition_as_a_whole_shows_next_to_no_english() -> None:
    counts = [seen(read_notebook(COURSE.notebook(row, "zh"))) for row in COURSE.written()]
    english = sum(sum(words.values()) for words, _ in counts)
    assert english / (english + sum(chinese for _, chinese in counts)) < LIMIT
