"""Edits of a source: by JupyterLab, by `stamp`, `format` and `merge-back`, and the command line
that starts them.
"""

import re
import shutil
import sys
from pathlib import Path

import nbformat
import pytest

sys.path.insert(0, str(Path(__file__).parent / "build_fixtures"))

from helpers import (
    LIBRARY,
    ROOT,
    SOURCE,
    TWINS,
    build,
    clean_course,
    contents,
    edit,
    edit_cell,
    no_execution,
    run,
)  # noqa: E402

from course.format import text_hash  # noqa: E402
from course.lessons import LessonError, lesson_table, load_course, readme_texts  # noqa: E402
from course.prose import load_glossary, take_apart, term_pattern  # noqa: E402

EN, ZH = TWINS
CHECK = "\n\nlesson02.check_half(answer)"


@pytest.fixture
def course(tmp_path: Path) -> Path:
    """A copy of the clean course, to edit."""
    return Path(shutil.copytree(clean_course(), tmp_path / "course"))


def changed_lines(old: str, new: str) -> tuple[list[str], list[str]]:
    """Lines that only the old text has, and lines that only the new text has."""
    return [x for x in old.splitlines() if x not in new.splitlines()], [
        x for x in new.splitlines() if x not in old.splitlines()
    ]


def source(root: Path) -> str:
    return (root / SOURCE).read_text(encoding="utf-8")


def save_in_jupyterlab(root: Path, change: dict[str, str]) -> None:
    """Open the source as a notebook and save it, as JupyterLab does; `change` gives cells a new
    text.
    """
    from jupyter_server.services.contents.largefilemanager import LargeFileManager
    from jupytext.sync_contentsmanager import build_sync_jupytext_contents_manager_class

    manager = build_sync_jupytext_contents_manager_class(LargeFileManager)()
    manager.root_dir = str(root)
    model = manager.get(SOURCE, type="notebook", content=True)
    for cell in model["content"]["cells"]:
        cell["source"] = change.get(cell["metadata"].get("id"), cell["source"])
        cell["metadata"]["scrolled"] = True
    manager.save(model, SOURCE)


def test_jupyterlab_changes_nothing_but_the_edit(course: Path) -> None:
    before = source(course)
    save_in_jupyterlab(course, {})
    assert source(course) == before
    save_in_jupyterlab(
        course,
        {"drawing-alt-zh": "一条上升的线。", "exercise3-solution": f"answer = half(8.0){CHECK}"},
    )
    assert changed_lines(before, source(course)) == (
        ["# 一条从左到右上升的线。", "answer = half(8)"],
        ["# 一条上升的线。", "answer = half(8.0)"],
    )


# stamp and format


def test_stamp_marks_only_the_named_cell(course: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(course, SOURCE, "Two people saw", "Three people saw")
    edit(course, SOURCE, "A line that rises", "A curve that rises")
    before = source(course)
    assert run(course, capsys, "stamp", "2", "puzzle")[:2] == (0, ["02_second: puzzle"])
    old, new = changed_lines(before, source(course))
    assert len(old) == len(new) == 1 and 'id="puzzle-zh" lang="zh" en="' in new[0]
    err = run(course, capsys, "check")[2]
    assert any("drawing-alt-zh: is older than its English" in line for line in err) and not any(
        "puzzle" in line for line in err
    )
    assert run(course, capsys, "stamp", "2")[1] == ["02_second: drawing-alt"]
    assert run(course, capsys, "stamp", "2")[1] == ["02_second: nothing to stamp"]


def test_stamp_of_an_unknown_cell(course: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, _, err = run(course, capsys, "stamp", "2", "riddle")
    assert status == 1 and err == [
        f"{SOURCE} has no prose cell riddle; give the id without -en or -zh"
    ]


def test_a_new_line_break_does_not_age_the_chinese() -> None:
    assert text_hash("one two\nthree") == text_hash("one two three") != text_hash("one two four")
    assert len(text_hash("")) == 8


def test_format_restores_the_form_of_jupyterlab(
    course: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = source(course)
    edit(course, SOURCE, '# %% id="setup"', '# %% id="setup" collapsed=true')
    assert run(course, capsys, "format", "2")[1] == ["02_second: tidied"]
    assert source(course) == before
    assert run(course, capsys, "format", "2")[1] == ["02_second: already tidy"]


# merge-back


def merge(
    root: Path, capsys: pytest.CaptureFixture[str], language: str
) -> tuple[int, list[str], list[str]]:
    return run(root, capsys, "merge-back", "2", "--from", language)


def test_chinese_prose_comes_back(
    course: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(build, "execute", no_execution)
    before = source(course)
    edit_cell(
        course,
        ZH,
        "puzzle",
        source="## 一个谜题\n\n两个人看了 `half`。\n\n见[第二课](02_second.ipynb)。",
    )
    folded = "<details><summary>用文字描述这张图</summary>\n\n一条上升的线。\n\n</details>"
    edit_cell(course, ZH, "drawing-alt", source=folded)
    edited = contents(course, ZH)
    assert merge(course, capsys, "zh") == (
        0,
        ["02_second: puzzle-zh: text", "02_second: drawing-alt-zh: text"],
        [],
    )
    old, new = changed_lines(before, source(course))
    assert (
        new == ["# 两个人看了 `half`。", "# 见[第二课](02_second.ipynb)。", "# 一条上升的线。"]
        and len(old) == 2
    )
    assert contents(course, ZH) == edited
    assert run(course, capsys, "build")[0] == 0
    assert run(course, capsys, "check") == (0, ["1 lesson(s) checked, nothing wrong"], [])
    assert merge(course, capsys, "zh") == (0, ["02_second: nothing to bring back"], [])


def test_both_notebooks_can_come_back(course: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit_cell(course, ZH, "exercise1", source="**2.1 计算。** 四的一半是多少？")
    edit_cell(course, EN, "exercise1", source="**2.1 Compute.** What is half of four?")
    assert merge(course, capsys, "zh")[0] == merge(course, capsys, "en")[0] == 0
    assert "# **2.1 计算。** 四的一半是多少？" in source(
        course
    ) and "# **2.1 Compute.** What is half of four?" in source(course)
    assert "exercise1-zh: is older than its English" in "\n".join(run(course, capsys, "check")[2])


def test_code_comes_back_with_its_show_lines(
    course: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = source(course)
    cell = next(
        cell for cell in nbformat.read(course / EN, as_version=4).cells if cell.id == "library"
    )
    edit_cell(
        course,
        EN,
        "library",
        source=cell.source.replace("print(half(mean))", "%time\nprint(half(mean), 1)"),
    )
    edit_cell(course, EN, "exercise1-solution", source=f"%%time\nanswer = half(4){CHECK}")
    assert merge(course, capsys, "en")[:2] == (
        0,
        ["02_second: library: text", "02_second: exercise1-solution: text"],
    )
    assert changed_lines(before, source(course)) == (
        ["print(half(mean))"],
        ["# %time", "print(half(mean), 1)", "# %%time"],
    )


def test_edited_library_code_is_refused(course: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = source(course)
    cell = next(
        cell for cell in nbformat.read(course / EN, as_version=4).cells if cell.id == "library"
    )
    edit_cell(course, EN, "library", source=cell.source.replace("return x * SCALE", "return x / 2"))
    edit_cell(course, EN, "exercise1-solution", source=f"answer = half(4.0){CHECK}")
    status, out, err = merge(course, capsys, "en")
    assert status == 1 and out == ["02_second: exercise1-solution: text"]
    assert err == [
        f"{EN}: cell library: shows library code that was edited; edit it in tutorial_lib, the"
        " notebook shows it"
    ]
    assert changed_lines(before, source(course)) == (["answer = half(4)"], ["answer = half(4.0)"])


def test_new_deleted_and_moved_cells_are_reported(
    course: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    notebook = nbformat.read(course / ZH, as_version=4)
    cells = {cell.id: cell for cell in notebook.cells}
    order = [name for name in cells if name not in ("place", "setup", "broken")]
    order.insert(order.index("predict"), "broken")
    cells["new-code"] = nbformat.v4.new_code_cell(
        "print(2)", id="new-code", metadata={"tags": ["hint"]}
    )
    cells["new-prose"] = nbformat.v4.new_markdown_cell("新的一段。", id="new-prose")
    at = order.index("objectives") + 1
    order[at:at] = ["new-code", "new-prose"]
    notebook.cells = [cells[name] for name in order]
    notebook.cells[0].source += "!"
    nbformat.write(notebook, course / ZH)
    status, out, err = merge(course, capsys, "zh")
    assert status == 1
    assert out == [
        "02_second: new-code: a new cell",
        "02_second: new-prose: a new cell; write its twin where it says TODO",
    ]
    assert [line.removeprefix(f"{ZH}: ").partition(";")[0] for line in err] == [
        "cell header: is not brought back",
        "cell setup: was deleted in the notebook",
        "cell place: was deleted in the notebook",
        "has its cells in another order",
    ]
    added = (
        '# %% id="new-code" tags=["hint"]\nprint(2)\n\n# %% [markdown] id="new-prose-en"'
        ' lang="en"\n# TODO\n\n# %% [markdown] id="new-prose-zh" lang="zh"\n# 新的一段。\n\n# %%'
        ' id="setup"\n'
    )
    assert added in source(course) and '# %% id="place"' in source(course)


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        (SOURCE, "两个人看了", "两人看了"),
        (LIBRARY, "x * SCALE", "SCALE * x"),
        ("notebooks/lessons.csv", "第三课", "末课"),
    ],
)
def test_merge_back_refuses_when_the_source_moved_on(
    course: Path, capsys: pytest.CaptureFixture[str], file: str, old: str, new: str
) -> None:
    edit_cell(course, ZH, "exercise1", source="**2.1 计算。** 四的一半是多少？")
    edit(course, file, old, new)
    before = contents(course, SOURCE, ZH)
    status, out, err = merge(course, capsys, "zh")
    assert status == 1 and out == [] and "cannot be merged" in err[0]
    assert contents(course, SOURCE, ZH) == before


# the command line, the tables


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (
            ["build", "9"],
            "there is no lesson '9' in notebooks/lessons.csv; lessons run from 01 to 03",
        ),
        (
            ["check", "third"],
            "there is no lesson 'third' in notebooks/lessons.csv; lessons run from 01 to 03",
        ),
        (["build", "03"], "lesson 03 has not been written yet; write notebooks/source/03_third.py"),
    ],
)
def test_a_wrong_argument_is_one_sentence(
    course: Path, capsys: pytest.CaptureFixture[str], command: list[str], said: str
) -> None:
    assert run(course, capsys, *command) == (1, [], [said])


def test_a_wrong_root_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, _, err = run(tmp_path, capsys, "check")
    assert status == 1 and len(err) == 1 and "notebooks/lessons.csv is missing" in err[0]


@pytest.mark.parametrize(
    "command", [[], ["build"], ["check"], ["stamp"], ["merge-back"], ["format"], ["readme"]]
)
def test_every_command_has_help(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        build.main([*command, "--help"])
    assert end.value.code == 0 and "usage:" in capsys.readouterr().out


def test_lessons_are_named_by_number_name_or_path(course: Path) -> None:
    table = load_course(course)
    for word in ("2", "02", "02_second", SOURCE, ZH):
        assert [row.slug for row in build.choose(table, [word])] == ["second"]


def test_readme_table(course: Path) -> None:
    table = load_course(course)
    english, chinese = (lesson_table(table, language).splitlines() for language in ("en", "zh"))
    assert english[2:5] == [
        "| | **Part** | | | | |",
        "| 01 | The first (planned) | 第一课 | 20 | – | – |",
        (
            "| 02 | [The second](notebooks/en/02_second.ipynb) |"
            " [第二课](notebooks/zh/02_second.ipynb) | 3 | 15 | 01 |"
        ),
    ]
    assert (
        chinese[4] == "| 02 | [第二课](notebooks/zh/02_second.ipynb) | [The"
        " second](notebooks/en/02_second.ipynb) | 3 | 15 | 01 |"
    )
    assert all(now == wanted for now, wanted in readme_texts(table).values())
    (course / "README.md").unlink()
    with pytest.raises(LessonError, match="README.md: is missing"):
        readme_texts(table)


def test_lessons_of_the_course() -> None:
    rows = load_course(ROOT).rows
    assert [row.number for row in rows] == list(range(len(rows)))
    assert len({row.slug for row in rows}) == len(rows)
    for row in rows:
        assert re.fullmatch("[a-z0-9_]+", row.slug) and 10 <= row.minutes <= 90
        assert (
            re.search("[\u4e00-\u9fff]", row.title["zh"])
            and row.title["en"].isascii()
            and row.part["zh"] != row.part["en"]
        )
        assert row.number == 0 or row.prerequisites, f"{row.name} hangs in the air"


def test_glossary_of_the_course() -> None:
    terms = load_glossary(ROOT / "notebooks" / "glossary.csv")
    names = [term.name.casefold() for term in terms]
    assert len(names) == len(set(names)) > 100
    assert all(term.english.fullmatch(term.name) for term in terms)
    for singular, plural in [
        ("causal mask", "Causal-masks"),
        ("latency", "latencies"),
        ("matrix", "matrices"),
        ("loss", "losses"),
    ]:
        assert term_pattern(singular).fullmatch(plural)
    assert not term_pattern("HR").search("hr") and not term_pattern("user").search("superuser")


def test_words_are_what_a_reader_reads() -> None:
    parts = take_apart(
        "See [the code](a.py), `x_1` and $y_1$.\n\n$$\nz\n$$\n\n![alt](p.png) <https://e.org> <!--"
        " no -->\n\n```\nf(x)\n```\n"
    )
    assert (parts.links, parts.spans, parts.formulas, parts.blocks) == (
        ["a.py", "https://e.org"],
        ["x_1"],
        ["y_1"],
        ["z"],
    )
    assert parts.images == [("alt", "p.png")] and parts.fences == ["\nf(x)\n"]
    assert parts.words.split() == [
        "See",
        "the",
        "code,",
        "\ue000",
        "and",
        "\ue000.",
        "alt",
        "\ue000",
    ]
