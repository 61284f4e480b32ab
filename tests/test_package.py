"""The wheel, built from the sdist, holds what the library needs: it is installed outside the
checkout and used there.
"""

import os
import re
import subprocess
import sys
import tarfile
import venv
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

import tutorial_lib
from course.archive import package

ROOT = Path(__file__).resolve().parent.parent
pytestmark = pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a git checkout")
SCRIPTS = "Scripts" if os.name == "nt" else "bin"
LOOK = """
import sys
from pathlib import Path
import torch, tutorial_lib
from tutorial_files import shared as places
from tutorial_files.places import DOWNLOADS
from tutorial_lib.data.datasets import load_dataset
from tutorial_lib.experiments.results import FACTS, read_results
from tutorial_lib.experiments.runs import code_version

folder = Path(tutorial_lib.__file__).parent
assert folder.is_relative_to(sys.prefix), folder
assert not Path(DOWNLOADS).is_relative_to(folder), DOWNLOADS
assert load_dataset("sample").fingerprint == "172be4da9a60974a"
assert len(read_results("sample_temporal")) > 10 and (FACTS / "entropy.csv").is_file()
assert code_version() == "v" + tutorial_lib.__version__, code_version()
from exercises import lesson00
import studies.block_ablation
print("used", tutorial_lib.__version__, torch.__version__)
"""


@pytest.fixture(scope="module")
def packages(tmp_path_factory) -> tuple[Path, Path]:
    """sdist and wheel of this very tree."""
    return tuple(package(ROOT, tmp_path_factory.mktemp("dist")))


class Installed:
    """An environment of its own, in which the wheel is the only thing of this project."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.bin = folder / "env" / SCRIPTS
        venv.create(folder / "env", with_pip=True)

    def run(self, *command: str, fails: bool = False, **environment: str) -> str:
        known = {
            k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "TUTORIAL_DATA_DIR")
        }
        run = subprocess.run(
            [str(self.bin / command[0]), *command[1:]],
            cwd=self.folder,
            env=known | {"HOME": str(self.folder), "OMP_NUM_THREADS": "1"} | environment,
            capture_output=True,
            text=True,
        )
        assert (run.returncode != 0) == fails, run.stdout + run.stderr
        return run.stdout + run.stderr

    def pip(self, *arguments: str) -> None:
        quiet = ("-qq", "--no-input", "--disable-pip-version-check")
        self.run("python", "-m", "pip", "install", *quiet, *arguments)

    def train(self) -> None:
        """One epoch with the console command."""
        options = "--model gru4rec --users 200 --epochs 1 --device cpu --quiet --out runs"
        self.run("continuous-time", "experiments", "train", *options.split())


def test_the_packages_name_version_licence_and_commands(packages):
    sdist, wheel = packages
    version = tutorial_lib.__version__
    assert (sdist.name, wheel.name) == (
        f"tutorial_lib-{version}.tar.gz",
        f"tutorial_lib-{version}-py3-none-any.whl",
    )
    with zipfile.ZipFile(wheel) as archive:
        info = f"tutorial_lib-{version}.dist-info"
        about = Parser().parsestr(archive.read(f"{info}/METADATA").decode())
        scripts = archive.read(f"{info}/entry_points.txt").decode()
        names = archive.namelist()
    assert about["Version"] == version and about["License-Expression"] == "MIT"
    assert "continuous-time = course.__main__:main" in scripts
    base = [text for text in about.get_all("Requires-Dist") if "extra ==" not in text]
    assert not [text for text in base if re.match("jupyter|ipy", text)], (
        "a notebook service must keep its own Jupyter"
    )
    outside = {name.split("/")[0] for name in names} - {info}
    assert all((ROOT / name / "__init__.py").is_file() for name in outside), outside


def test_everything_that_git_knows_of_data_and_packages_is_in_the_wheel(packages):
    """A table, page or catalogue that is added to a package must not be forgotten."""
    listing = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    with zipfile.ZipFile(packages[1]) as archive:
        held = set(archive.namelist())
    folders = {name.split("/")[0] for name in held if name.endswith("/__init__.py")}
    missing = []
    for name in listing.stdout.splitlines():
        if not (ROOT / name).is_file() or name.endswith(".md"):
            continue
        if name.split("/")[0] in folders and name not in held:
            missing.append(name)
        if name.startswith(("data/", "locale/")) and f"tutorial_lib/shared/{name}" not in held:
            missing.append(name)
    assert missing == ["course/assignments/Dockerfile"]


def test_the_sdist_holds_what_says_how_to_use_and_cite_it(packages):
    with tarfile.open(packages[0]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"README.md", "CHANGELOG.md", "CITATION.cff", "LICENSE", "constraints.txt"} <= names
    assert not [name for name in names if name.startswith(("data/downloads", ".venv", "tests/"))]


@pytest.mark.slow
def test_the_wheel_works_outside_the_checkout(packages, tmp_path):
    """Its dependencies are borrowed from the environment of the tests, the project is not."""
    borrowed = [path for path in sys.path if "site-packages" in path or "dist-packages" in path]
    installed = Installed(tmp_path)
    site = installed.run("python", "-c", "import site; print(site.getsitepackages()[-1])").strip()
    # as lines of a .pth file they are searched, but their own .pth files, that of the checkout
    # among them, are not read
    (Path(site) / "borrowed.pth").write_text("\n".join(borrowed) + "\n")
    installed.pip("--no-deps", "--no-index", "--force-reinstall", str(packages[1]))
    assert installed.run("python", "-c", LOOK).startswith("used")
    installed.train()
    assert list((tmp_path / "runs").glob("*/ranks*")), "the run has left its ranks"
    assert tutorial_lib.__version__ in installed.run("continuous-time", "--version")
    assert "sample" in installed.run("continuous-time", "data", "list")
    assert "There are no lessons in" in installed.run("continuous-time", "lab", fails=True)
    assert "no command 'dance'" in installed.run("continuous-time", "dance", fails=True)


@pytest.mark.slow
def test_the_wheel_works_in_an_empty_environment(packages, tmp_path):
    """As a user installs it: pip finds every dependency. Needs a network and about two minutes."""
    installed = Installed(tmp_path)
    try:
        installed.pip("-c", str(ROOT / "constraints.txt"), str(packages[1]))
    except AssertionError as error:
        if re.search(
            r"No matching distribution|Connection|Temporary failure|timed out", str(error)
        ):
            pytest.skip("pip reaches no package index")
        raise
    assert installed.run("python", "-c", LOOK).startswith("used")
    installed.train()
    said = installed.run("continuous-time", "lab", fails=True)
    assert "tutorial-lib[lab]" in said, "the base installation brings no Jupyter"
