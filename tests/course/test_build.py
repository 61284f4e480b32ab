"""The notebook build: what it makes, that it is stable, and that nothing is half-written or lost."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import nbformat
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent / "build_fixtures"))

from helpers import (
    CATALOGUE,
    LIBRARY,
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

from course.format import find_source, outputs_digest  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def course(tmp_path: Path) -> Path:
    """A copy of the clean course, to break."""
    return Path(shutil.copytree(clean_course(), tmp_path / "course"))


# What build makes


def test_twins_run_the_same_program_and_each_speaks_its_language(course: Path) -> None:
    en, zh = (nbformat.read(course / file, as_version=4) for file in TWINS)
    assert [cell.id for cell in en.cells] == [cell.id for cell in zh.cells]
    assert len({cell.id for cell in en.cells}) == len(en.cells)
    english, chinese = ({cell.id: cell for cell in notebook.cells} for notebook in (en, zh))
    exchanged = {
        name
        for name, cell in english.items()
        if cell.cell_type == "code"
        and cell.source != chinese[name].source
        and not name.endswith("-solution")
    }
    assert exchanged == {"language", "setup", "library"}
    for name, cell in english.items():
        if cell.cell_type == "code":
            assert cell.execution_count == chinese[name].execution_count is not None
            if name not in ("setup", "drawing", "place"):  # the alt text of the drawing differs
                assert cell.outputs == chinese[name].outputs
    assert english["language"].source.splitlines()[-1].startswith('use_language("en")')
    assert chinese["language"].source.splitlines()[-1].startswith('use_language("zh")')
    assert '"""代替 exercises/lesson02.py 里的检查器。"""' in chinese["setup"].source
    assert chinese["setup"].outputs[0].text == "线程 1 | 其他数据 []\n"
    assert "# 摘自 tutorial_lib/tiny.py\n" in chinese["library"].source
    assert '    """x 的一半。"""' in chinese["library"].source
    assert english["puzzle"].source.startswith("## A puzzle") and chinese[
        "puzzle"
    ].source.startswith("## 一个谜题")
    assert english["setup"].outputs[0].text == "threads 1 | other data []\n"
    for language, cells in (("en", english), ("zh", chinese)):
        assert cells["place"].outputs[0].text == f"True {language} module://\n"
    assert (
        english["drawing"].outputs[0].metadata["image/png"]["alt"]
        == "A line that rises from left to right."
    )
    assert chinese["drawing"].outputs[0].metadata["image/png"]["alt"] == "一条从左到右上升的线。"
    # the picture stays, the slider does not
    assert len(english["drawing"].outputs) == 1 and "widgets" not in en.metadata
    assert chinese["drawing-alt"].source.startswith(
        "<details><summary>用文字描述这张图</summary>\n\n一条"
    )
    assert english["exercise1-solution"].metadata["jupyter"] == {
        "source_hidden": True,
        "outputs_hidden": True,
    }
    assert en.metadata["kernelspec"] == {
        "display_name": "Python 3 (ipykernel)",
        "language": "python",
        "name": "python3",
    }
    assert not any("execution" in cell.metadata for cell in en.cells)


def test_header_comes_from_the_table(course: Path) -> None:
    en, zh = (nbformat.read(course / file, as_version=4).cells[0].source for file in TWINS)
    assert (
        en
        == "# 02 · The second\n\n[中文版](../zh/02_second.ipynb) · reading 3 min · exercises 15 min · Before this lesson:"
        " 01 · The first\n\n← 01 · The first | 03 · The third →"
    )
    assert (
        zh
        == "# 02 · 第二课\n\n[English](../en/02_second.ipynb) · 阅读 3 分钟 · 练习 15 分钟 · 先修：01 · 第一课\n\n← 01"
        " · 第一课 | 03 · 第三课 →"
    )


def test_header_links_only_to_written_lessons(
    course: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "execute", no_execution)
    shutil.copy(course / SOURCE, course / "notebooks/source/01_first.py")
    assert build.main(["build", "2", "--root", str(course)]) == 0
    assert "← [01 · The first](01_first.ipynb) | 03 · The third →" in (course / TWINS[0]).read_text(
        encoding="utf-8"
    )


def test_show_puts_the_real_source_in_place(course: Path) -> None:
    cell = next(
        cell
        for cell in nbformat.read(course / TWINS[0], as_version=4).cells
        if cell.id == "library"
    )
    half = (
        '@functools.cache\ndef half(x: float) -> float:\n    """Half of x."""\n    return x * SCALE'
    )
    where = "# from tutorial_lib/tiny.py\n"
    assert (
        cell.source
        == f"import functools\n\n{where}SCALE: float = 0.5\n\n{where}{half}\n\nprint(half(mean))"
    )


@pytest.mark.parametrize(
    ("target", "first_line"),
    [
        ("tutorial_lib.tiny.SCALE", "SCALE: float = 0.5"),
        ("tutorial_lib.tiny.half", "@functools.cache"),
        ("tutorial_lib.tiny.Mean", "class Mean:"),
        ("tutorial_lib.tiny.Mean.of", "def of(self, values: list[float]) -> float:"),
        ("tutorial_lib.half", "@functools.cache"),
        ("tutorial_lib.tiny", '"""A library of one file, for the tests of the notebook build."""'),
    ],
)
def test_find_source(course: Path, target: str, first_line: str) -> None:
    (course / "tutorial_lib" / "__init__.py").write_text("from .tiny import half\n")
    path, source = find_source(course, target)
    assert path == LIBRARY and source.splitlines()[0] == first_line
    if target == "tutorial_lib.tiny.Mean.of":
        assert source.splitlines()[-1] == "    return sum(values) / len(values)"


# What build leaves alone


def test_nothing_is_written_when_nothing_changed(
    course: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(build, "execute", no_execution)
    before = [(course / file).stat().st_mtime_ns for file in TWINS]
    assert run(course, capsys, "build") == (0, ["02_second: up to date"], [])
    assert [(course / file).stat().st_mtime_ns for file in TWINS] == before


def test_forced_builds_are_byte_identical(
    course: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EXPECTED_PYTHON", sys.executable)
    before = contents(course, *TWINS)
    status, out, _ = run(course, capsys, "build", "--force")
    assert status == 0 and out[0].startswith("02_second: executed")
    assert contents(course, *TWINS) == before


def test_new_prose_keeps_the_outputs(
    course: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(build, "execute", no_execution)
    before = outputs_digest(nbformat.read(course / TWINS[1], as_version=4).cells)
    edit(course, SOURCE, "两个人看了", "有两个人看了")
    assert run(course, capsys, "build")[0] == 0
    zh = nbformat.read(course / TWINS[1], as_version=4)
    assert "有两个人" in next(cell.source for cell in zh.cells if cell.id == "puzzle")
    assert outputs_digest(zh.cells) == before
    assert run(course, capsys, "check")[0] == 0


def test_a_code_cell_may_be_renamed(
    course: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its outputs stay, nothing is executed."""
    monkeypatch.setattr(build, "execute", no_execution)
    before = {
        twin: outputs_digest(nbformat.read(course / twin, as_version=4).cells) for twin in TWINS
    }
    edit(course, SOURCE, 'id="place"', 'id="where"')
    status, out, err = run(course, capsys, "build")
    assert (status, err) == (0, []) and "prose rebuilt, outputs kept" in out[0]
    for twin in TWINS:
        cells = {cell.id: cell for cell in nbformat.read(course / twin, as_version=4).cells}
        assert "place" not in cells
        assert cells["where"].outputs[0].text == f"True {Path(twin).parts[1]} module://\n"
        assert outputs_digest(list(cells.values())) == before[twin]
    assert run(course, capsys, "check")[0] == 0


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        (SOURCE, "print(half(mean))", "print(half(mean) + 0)"),
        (LIBRARY, "return x * SCALE", "return SCALE * x"),
        (CATALOGUE, "其他数据", "别的数据"),
        (TWINS[0], '"True en', '"False en'),  # outputs that another run left behind are not trusted
    ],
)
def test_changed_code_is_executed(
    course: Path, monkeypatch: pytest.MonkeyPatch, file: str, old: str, new: str
) -> None:
    edit(course, file, old, new)
    monkeypatch.setattr(build, "execute", no_execution)
    with pytest.raises(AssertionError, match="must not execute"):
        build.main(["build", "--root", str(course)])


def test_a_failing_cell_is_named_and_nothing_is_written(
    course: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(course, SOURCE, "print(half(mean))", "print(half(nothing))")
    edit(course, SOURCE, "answer = half(4)", "answer = half(nothing)")
    edit(course, SOURCE, "answer = half(8)", "assert half(8) == 5, 'four is not five'")
    before, files = contents(course, *TWINS), sorted(course.rglob("*"))
    status, _, err = run(course, capsys, "build")
    assert (
        status == 1
        and err[0] == f"{SOURCE}: cell library: NameError: name 'nothing' is not defined"
    )
    assert err[1] == f"{SOURCE}: cell exercise3-solution: AssertionError: four is not five"
    # an error that may follow from the first is not listed
    assert sum(f"{SOURCE}: cell" in line for line in err) == 2
    assert "---> " in "\n".join(err) and "\x1b" not in "\n".join(err)
    assert contents(course, *TWINS) == before and sorted(course.rglob("*")) == files


@pytest.mark.parametrize("verdict", ["wrong, because 3 is not 4", "not attempted yet"])
def test_a_solution_that_its_checker_refuses_stops_the_build(
    course: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], verdict: str
) -> None:
    monkeypatch.setenv("EXPECTED_PYTHON", sys.executable)
    edit(course, SOURCE, "answer = half(8)", f"print({verdict!r})")
    before = contents(course, *TWINS)
    status, _, err = run(course, capsys, "build")
    assert (status, err) == (
        1,
        [f"{SOURCE}: cell exercise3-solution: the checker says to this solution: {verdict}"],
    )
    assert contents(course, *TWINS) == before


def test_a_full_disk_leaves_both_notebooks(
    course: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(course, SOURCE, "两个人看了", "有两个人看了")
    edit(course, SOURCE, "Two people saw", "Once, two people saw")
    before, real = contents(course, *TWINS), Path.write_text

    def full(path: Path, text: str, **options: object) -> int:
        if path.parent.name == "zh":
            real(path, text[:100])
            raise OSError(28, "No space left on device")
        return real(path, text, **options)

    monkeypatch.setattr(Path, "write_text", full)
    status, _, err = run(course, capsys, "build")
    assert status == 1 and len(err) == 1 and "No space left on device" in err[0]
    assert contents(course, *TWINS) == before and not list(course.rglob("*.part"))


@pytest.mark.parametrize("force", [[], ["--force"]])
def test_a_notebook_edited_by_hand_is_not_overwritten(
    course: Path, capsys: pytest.CaptureFixture[str], force: list[str]
) -> None:
    edit_cell(course, TWINS[1], "puzzle", source="另一个谜题。")
    before = contents(course, *TWINS)
    status, _, err = run(course, capsys, "build", *force)
    assert status == 1 and "was edited by hand" in err[0] and "merge-back 02 --from zh" in err[0]
    assert contents(course, *TWINS) == before


def test_discarding_edits_restores_the_build(
    course: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(build, "execute", no_execution)
    before = contents(course, *TWINS)
    edit_cell(course, TWINS[1], "puzzle", source="另一个谜题。")
    assert run(course, capsys, "build", "--discard-edits")[0] == 0
    assert contents(course, *TWINS) == before


def test_a_save_in_jupyterlab_is_no_edit(course: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit_cell(course, TWINS[0], "puzzle")
    assert run(course, capsys, "check")[0] == 0


@pytest.mark.slow
def test_killed_at_random_moments_and_built_again(
    course: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever was cut, the next build gives the notebooks of a build that was left alone."""
    monkeypatch.setenv("EXPECTED_PYTHON", sys.executable)
    source = course / SOURCE
    source.write_text(source.read_text().replace("print(half(mean))", "print(half(mean) + 0)"))
    command = [sys.executable, "-m", "course.build", "build", "--root"]
    whole = Path(shutil.copytree(course, course.parent / "whole"))
    assert subprocess.run([*command, str(whole)], cwd=ROOT).returncode == 0
    command.append(str(course))
    killed = 0
    for moment in np.random.default_rng(4).uniform(0.5, 6.0, 12):
        process = subprocess.Popen(command, cwd=ROOT, start_new_session=True)
        try:
            process.wait(timeout=moment)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            killed += 1
        process.wait()
        for name in TWINS:
            nbformat.read(course / name, as_version=4)  # whole at any moment
    assert killed >= 4
    assert subprocess.run(command, cwd=ROOT).returncode == 0
    for name in TWINS:
        assert (course / name).read_bytes() == (whole / name).read_bytes()
