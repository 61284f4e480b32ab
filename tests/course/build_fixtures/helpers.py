"""A clean course to build, break and mend, shared by the tests of the notebook build."""

import atexit
import functools
import shutil
import sys
import tempfile
from pathlib import Path

import nbformat
import pytest

from course import build

FIXTURES = Path(__file__).resolve().parent

ROOT = Path(__file__).resolve().parents[3]

SOURCE, LIBRARY = "notebooks/source/02_second.py", "tutorial_lib/tiny.py"
CATALOGUE = "locale/zh/lessons/02.po"
TWINS = ("notebooks/en/02_second.ipynb", "notebooks/zh/02_second.ipynb")


@functools.cache
def clean_course() -> Path:
    """A course with one clean lesson, executed once a session; the environment is what the kernel must not see."""
    folder = tempfile.TemporaryDirectory()
    atexit.register(folder.cleanup)
    root = Path(folder.name) / "course"
    for name in ("notebooks/source", "tutorial_lib", "locale/zh/lessons"):
        (root / name).mkdir(parents=True)
    shutil.copy(FIXTURES / "lesson.po", root / CATALOGUE)
    (root / "locale/zh/translated.txt").write_text("# complete\n02\n")
    shutil.copy(FIXTURES / "lesson.txt", root / SOURCE)
    shutil.copy(FIXTURES / "tiny.py", root / LIBRARY)
    shutil.copy(FIXTURES / "lessons.csv", root / "notebooks")
    for name in ("glossary.csv", "names.csv"):
        shutil.copy(ROOT / "notebooks" / name, root / "notebooks")
    shutil.copy(ROOT / "jupytext.toml", root)
    for name in ("README.md", "README.zh-CN.md"):
        (root / name).write_text(
            "# Course\n\n<!-- lessons:begin -->\n<!-- lessons:end -->\n", encoding="utf-8"
        )
    with pytest.MonkeyPatch.context() as patch:
        for key in ("TUTORIAL_DATASET", "TUTORIAL_USERS", "TUTORIAL_DATA_DIR"):
            patch.setenv(key, "other")
        patch.setenv("MPLBACKEND", "agg")
        patch.setenv("OMP_NUM_THREADS", "7")
        patch.setenv("EXPECTED_PYTHON", sys.executable)
        patch.setenv("JUPYTER_PATH", str(poisoned_kernel(root.parent / "jupyter")))
        for command in (["stamp", "2"], ["readme"], ["build"]):
            assert build.main([*command, "--root", str(root)]) == 0
    return root


def poisoned_kernel(folder: Path) -> Path:
    """A kernel called python3, as another Python of the machine may have installed it; it must not be used."""
    (folder / "kernels" / "python3").mkdir(parents=True)
    (folder / "kernels" / "python3" / "kernel.json").write_text(
        '{"argv": ["/bin/false"], "display_name": "x", "language": "python"}'
    )
    return folder


def run(
    root: Path, capsys: pytest.CaptureFixture[str], *command: str
) -> tuple[int, list[str], list[str]]:
    """Exit status and the lines of both streams of one command."""
    status = build.main([*command, "--root", str(root)])
    out, err = capsys.readouterr()
    return status, out.splitlines(), err.splitlines()


def edit(root: Path, file: str, old: str, new: str) -> None:
    text = (root / file).read_text(encoding="utf-8")
    assert text.count(old) == 1, (
        f"{old!r} occurs {text.count(old)} times, so the fault would not be planted as meant"
    )
    (root / file).write_text(text.replace(old, new), encoding="utf-8")


def edit_cell(root: Path, file: str, cell_id: str, **changes: object) -> None:
    """Change a cell of a notebook as JupyterLab would, which also adds metadata of its own."""
    notebook = nbformat.read(root / file, as_version=4)
    cell = next(cell for cell in notebook.cells if cell.id == cell_id)
    cell.update(changes)
    notebook.metadata["language_info"]["version"] = "3.99"
    cell.metadata["scrolled"] = True
    nbformat.write(notebook, root / file)


def contents(root: Path, *files: str) -> list[bytes]:
    return [(root / file).read_bytes() for file in files]


def no_execution(*arguments: object, **options: object) -> None:
    raise AssertionError("this must not execute a notebook")
