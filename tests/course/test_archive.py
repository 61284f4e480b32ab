"""What a release carries, and the one command of the course."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import tutorial_lib
from course import __main__ as command
from course import archive, lab
from course.buttons import ARCHIVE
from course.lessons import LessonError

ROOT = Path(__file__).resolve().parents[2]
VERSION = tutorial_lib.__version__


class TestNotebooks:
    def test_every_notebook_of_both_languages_is_in_it(self, tmp_path):
        path = archive.notebooks(ROOT, tmp_path / "dist")
        assert path.name == ARCHIVE
        with zipfile.ZipFile(path) as held:
            names = set(held.namelist())
            assert held.testzip() is None
            letter = held.read("notebooks/READ-ME.txt").decode()
        wanted = {
            p.relative_to(ROOT).as_posix() for p in (ROOT / "notebooks").glob("[ez][nh]/*.ipynb")
        }
        assert len(wanted) > 40 and wanted <= names and "notebooks/lessons.csv" in names
        assert f"tutorial_lib-{VERSION}-py3-none-any.whl[lab]" in letter

    def test_the_same_notebooks_give_the_same_bytes(self, tmp_path):
        first, second = (archive.notebooks(ROOT, tmp_path / name).read_bytes() for name in "ab")
        assert first == second

    def test_without_notebooks_it_says_what_to_do(self, tmp_path):
        with pytest.raises(LessonError, match="run `make build` first"):
            archive.notebooks(tmp_path, tmp_path / "dist")
        assert not (tmp_path / "dist").exists()

    def test_unpacked_elsewhere_the_lab_opens_the_first_lesson(self, tmp_path, monkeypatch):
        with zipfile.ZipFile(archive.notebooks(ROOT, tmp_path / "dist")) as held:
            held.extractall(tmp_path / "somewhere")
        monkeypatch.chdir(tmp_path / "somewhere")
        folder = lab.folder_of_lessons()
        assert folder == tmp_path / "somewhere"
        assert lab.first_lesson(folder, "zh") == "notebooks/zh/00_start_here.ipynb"


class TestNotes:
    def write(self, root: Path, cited: str, text: str) -> Path:
        (root / "CITATION.cff").write_text(f"title: x\nversion: {cited}\n", encoding="utf-8")
        (root / "CHANGELOG.md").write_text(text, encoding="utf-8")
        return root

    def test_those_of_this_version_are_there(self):
        notes = archive.notes(ROOT, f"v{VERSION}")
        assert notes.startswith("- ") and "## " not in notes

    def test_only_its_section_is_taken(self, tmp_path):
        text = f"# Changes\n\n## 99.0\n\n- later\n\n## {VERSION}\n\n- now\n\n## 0.0.1\n\n- before\n"
        assert archive.notes(self.write(tmp_path, VERSION, text), f"v{VERSION}") == "- now\n"

    @pytest.mark.parametrize(
        ("tag", "cited", "section", "said"),
        [
            ("v99.0", VERSION, VERSION, "give all three the same version"),
            (VERSION, VERSION, VERSION, "give all three the same version"),
            (f"v{VERSION}", "99.0", VERSION, "give all three the same version"),
            (f"v{VERSION}", VERSION, "99.0", "has no section"),
        ],
    )
    def test_versions_that_differ_stop_a_release(self, tmp_path, tag, cited, section, said):
        root = self.write(tmp_path, cited, f"# Changes\n\n## {section}\n\n- something\n")
        with pytest.raises(LessonError, match=said):
            archive.notes(root, tag)


class TestCommand:
    @pytest.mark.thorough
    def test_it_lists_only_commands_that_can_be_run(self, capsys):
        assert command.main([]) == command.main(["--help"]) == 0
        text = capsys.readouterr().out
        for name, (module, about) in command.available().items():
            assert f"  {name}" in text and about in text
            run = [
                sys.executable,
                "-c",
                f"import runpy; runpy.run_module({module!r}, run_name='x')",
            ]
            assert subprocess.run(run, cwd=ROOT, capture_output=True).returncode == 0, name
        assert {"data", "experiments", "lab"} <= set(command.available())

    def test_its_arguments_and_exit_code_are_those_of_the_module(self):
        run = [sys.executable, "-m", "course", "data", "info", "no-such-data"]
        done = subprocess.run(run, cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 2 and "Unknown data set 'no-such-data'" in done.stderr

    def test_an_unknown_command_lists_the_known(self, capsys):
        assert command.main(["dance"]) == 2
        assert "no command 'dance'" in capsys.readouterr().err
