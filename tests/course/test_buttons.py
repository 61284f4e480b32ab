"""The buttons of a lesson, and the cell that brings the course to a hosted notebook service."""

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import nbformat
import pytest

sys.path.insert(0, str(Path(__file__).parent / "build_fixtures"))

from helpers import TWINS, build, clean_course, no_execution  # noqa: E402

from course.buttons import (  # noqa: E402
    SETUP,
    Links,
    button_line,
    read_links,
    setup_cells,
)
from course.format import read_lesson, render  # noqa: E402
from course.lessons import Course, LessonError, load_course  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
PUBLISHED = 'owner = "ada"\nrepository = "time"\nbranch = "main"\ngitee = "bo/time"\n'
HOSTED = ("COLAB_RELEASE_TAG", "KAGGLE_KERNEL_RUN_TYPE", "MODELSCOPE_ENVIRONMENT")


@pytest.fixture
def course(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.setenv("EXPECTED_PYTHON", sys.executable)  # the lesson looks at it
    return Path(shutil.copytree(clean_course(), tmp_path / "course"))


def write_links(root: Path, lines: str = PUBLISHED) -> None:
    (root / "site").mkdir(exist_ok=True)
    (root / "site" / "links.toml").write_text(lines, encoding="utf-8")


def publish(root: Path, lines: str = PUBLISHED) -> Course:
    write_links(root, lines)
    return load_course(root)


def setup_code(root: Path, addresses: list[Path] | None = None) -> str:
    """The code of the set-up cell, with folders in place of the addresses to clone from."""
    write_links(root)
    (cell,) = setup_cells(Course(root, ()))
    if addresses is None:
        return cell.source
    return re.sub(r"in \[.*\]\n", f"in {list(map(str, addresses))}\n", cell.source)


def test_the_course_itself_names_where_it_is_published_or_nothing():
    assert isinstance(read_links(ROOT), Links)


def test_while_owner_is_unset_a_notebook_is_what_it_was(course):
    before = {name: (course / name).read_bytes() for name in TWINS}
    unset = re.sub('"(ada|time|bo/time)"', '""', PUBLISHED)
    here = publish(course, unset)
    row = here.written()[0]
    assert button_line(here, row, "en") == "" and setup_cells(here) == []
    assert build.main(["build", "--force", "--root", str(course)]) == 0
    assert {name: (course / name).read_bytes() for name in TWINS} == before


def test_every_service_gets_the_notebook_of_the_language():
    row = load_course(ROOT).rows[4]
    links = Links("ada", "time", "v1", "bo/time")
    for language in ("en", "zh"):
        found = dict(links.buttons(language, row))
        assert list(found) == ["Colab", "Kaggle", "Binder", "Codespaces", "ModelScope", "Gitee"]
        path = f"notebooks/{language}/{row.name}.ipynb"
        assert (ROOT / path).is_file()
        page = f"github/ada/time/blob/v1/{path}"
        assert found["Colab"] == f"https://colab.research.google.com/{page}"
        assert found["ModelScope"] == f"https://modelscope.cn/notebook/share/{page}"
        kaggle = urlsplit(found["Kaggle"])
        assert parse_qs(kaggle.query)["src"] == [f"https://github.com/ada/time/blob/v1/{path}"]
        binder = urlsplit(found["Binder"])
        assert binder.path == "/v2/gh/ada/time/v1"
        assert parse_qs(binder.query) == {"labpath": [path]}
        assert found["Gitee"] == f"https://gitee.com/bo/time/blob/v1/{path}"


def test_gitee_alone_shows_the_mirror_alone():
    row = load_course(ROOT).rows[0]
    links = Links(gitee="bo/time")
    assert [name for name, _ in links.buttons("zh", row)] == ["Gitee"]
    assert links.archive() is None and links.file("x") is None


def test_publishing_rebuilds_the_prose_only_and_passes_the_check(course, monkeypatch, capsys):
    publish(course)
    monkeypatch.setattr(build, "execute", no_execution)
    assert build.main(["build", "--root", str(course)]) == 0
    assert "prose rebuilt, outputs kept" in capsys.readouterr().out
    assert build.main(["check", "--root", str(course)]) == 0, capsys.readouterr().out
    english, chinese = (nbformat.read(course / name, as_version=4) for name in TWINS)
    for notebook in (english, chinese):
        nbformat.validate(notebook)
        cell = notebook.cells[1]
        assert cell.id == SETUP and cell.outputs == [] and cell.execution_count is None
        assert "nbval-skip" in cell.metadata.tags and cell.metadata.jupyter.source_hidden
        assert notebook.cells[2].id == "language"
        assert notebook.cells[3].cell_type == "markdown", "the lesson follows"
    assert english.cells[1] == chinese.cells[1]
    assert "Run it in the browser: [Colab](" in english.cells[0].source
    assert "在浏览器里运行：[Colab](" in chinese.cells[0].source
    counts = [c.execution_count for c in english.cells[2:] if c.cell_type == "code"]
    assert None not in counts
    assert build.main(["build", "--root", str(course)]) == 0
    assert "up to date" in capsys.readouterr().out


def test_publishing_and_new_code_at_once_is_executed_without_the_cell(course):
    publish(course)
    assert build.main(["build", "--force", "--root", str(course)]) == 0
    notebook = nbformat.read(course / TWINS[0], as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == [None, *range(1, len(code))]


def test_an_edit_in_the_cell_is_not_lost_silently(course, capsys):
    publish(course)
    assert build.main(["build", "--root", str(course)]) == 0
    path = course / TWINS[0]
    path.write_text(path.read_text("utf-8").replace("# @title Set-up", "# @title Mine"), "utf-8")
    assert build.main(["merge-back", "2", "--from", "en", "--root", str(course)]) != 0
    assert "course/buttons.py" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ('owner = "ada"\n', "wanted are branch, gitee, owner, repository"),
        (PUBLISHED + 'colour = "red"\n', "has the lines branch, colour"),
        (PUBLISHED.replace('"ada"', "7"), "each a text in quotes"),
        (PUBLISHED.replace('"ada"', '""'), "names only one of owner and repository"),
        ("owner = \n", "cannot be read"),
    ],
)
def test_a_misspelt_line_is_one_sentence(tmp_path, lines, said):
    write_links(tmp_path, lines)
    with pytest.raises(LessonError, match=said):
        read_links(tmp_path)


class TestSetupCell:
    """What the cell does, run as a script; git and pip are stand-ins that note what they are told."""

    @staticmethod
    def run(folder: Path, code: str, **environment: str) -> tuple[subprocess.CompletedProcess, str]:
        script = folder / "cell.py"
        script.write_text(f"{code}\nimport os, sys; print(os.getcwd()); print(sys.path[0])\n")
        kept = {k: v for k, v in os.environ.items() if k not in HOSTED}
        run = subprocess.run(
            [sys.executable, str(script)],
            cwd=folder,
            env=kept | {"HOME": str(folder), "USERPROFILE": str(folder)} | environment,
            capture_output=True,
            text=True,
        )
        return run, str(folder / "time")

    @staticmethod
    def project(folder: Path) -> Path:
        """A git repository that pip can install and that needs nothing."""
        source = folder / "upstream"
        (source / "notebooks" / "en").mkdir(parents=True)
        (source / "notebooks" / "en" / "00.ipynb").write_text("{}")
        (source / "tutorial_lib").mkdir()
        (source / "tutorial_lib" / "__init__.py").touch()
        (source / "tutorial_lib" / "process.py").write_text("def prepare(): print('prepared')\n")
        (source / "pyproject.toml").write_text(
            '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
            '[project]\nname = "empty"\nversion = "1"\n'
        )
        git = ["git", "-c", "user.name=a", "-c", "user.email=a@b.c", "-C", str(source)]
        for words in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-q", "-m", "x"]):
            subprocess.run([*git, *words], check=True)
        return source

    @staticmethod
    def without_pip(code: str) -> str:
        """pip is slow and wants a network: its command line is printed instead."""
        assert '[sys.executable, "-m", "pip", "install", "-q", "-e", folder]' in code
        return code.replace('[sys.executable, "-m", "pip",', '["echo", "pip",')

    def test_elsewhere_it_does_nothing(self, tmp_path):
        run, _ = self.run(tmp_path, setup_code(tmp_path))
        assert run.stdout.split() == [str(tmp_path), str(tmp_path)] and run.stderr == ""
        assert not (tmp_path / "time").exists()

    @pytest.mark.parametrize("service", HOSTED)
    def test_on_a_service_it_brings_the_course_and_goes_to_the_lessons(self, tmp_path, service):
        code = self.without_pip(setup_code(tmp_path, [self.project(tmp_path)]))
        for _ in range(2):  # a second run after a restart works too
            run, folder = self.run(tmp_path, code, **{service: "1"})
            assert run.returncode == 0, run.stderr
            assert run.stdout.splitlines() == [
                f"pip install -q -e {folder}",
                "prepared",
                f"{folder}/notebooks/en",
                folder,
            ]

    def test_the_mirror_is_asked_where_the_first_address_fails(self, tmp_path):
        addresses = [tmp_path / "nowhere", self.project(tmp_path)]
        code = self.without_pip(setup_code(tmp_path, addresses))
        run, folder = self.run(tmp_path, code, COLAB_RELEASE_TAG="1")
        assert run.returncode == 0 and f"{folder}/notebooks/en" in run.stdout

    def test_without_internet_it_says_what_to_do(self, tmp_path):
        code = self.without_pip(setup_code(tmp_path, [tmp_path / "nowhere"]))
        run, _ = self.run(tmp_path, code, KAGGLE_KERNEL_RUN_TYPE="Interactive")
        assert run.returncode == 1 and "pip" not in run.stdout
        assert "allow this notebook to use the internet" in run.stderr
        assert "Traceback" not in run.stderr

    def test_it_names_the_published_repository_and_then_the_mirror(self, tmp_path):
        code = setup_code(tmp_path)
        assert "['https://github.com/ada/time', 'https://gitee.com/bo/time']" in code
        ast.parse(code)  # plain Python: no magic that a tool could not read


def test_the_assignments_are_made_from_lessons_without_the_cell(course):
    """They are made from the sources, in which the cell never stands."""
    here = publish(course)
    row = here.written()[0]
    assert SETUP not in {cell.id for cell in read_lesson(here, row)}
    assert SETUP in {node.id for node in render(here, row, read_lesson(here, row), "en")}
