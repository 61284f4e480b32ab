"""How long a newcomer waits until lesson 00 has run, on a quiet machine with a network:

    python tests/course/newcomer.py make      git clone, make setup, all cells of lesson 00
    python tests/course/newcomer.py hosted    a fresh environment with what Colab has installed, then the set-up cell
        of the hosted services and all cells of lesson 00

Prints each step with its seconds, and fails above five minutes (make), 90 s for the set-up cell (hosted), or when a cell
fails. Not a pytest module: it needs a network and some minutes. What is committed on the present branch is cloned.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
from course.buttons import SETUP_CODE  # noqa: E402

LESSON = "notebooks/en/00_start_here.ipynb"
# Colab's versions at the time of writing, as far as the lessons use them; PyTorch's as it comes.
COLAB = [
    "torch==2.13.0",
    "numpy==2.0.2",
    "pandas==2.2.2",
    "matplotlib==3.10.0",
    "scipy==1.14.1",
    "tqdm",
    "ipykernel==6.29.5",
    "ipywidgets",
    "nbclient",
    "nbformat",
]
RUN = """
import sys, time
import nbformat
from nbclient import NotebookClient
path, setup, folder = sys.argv[1:4]
notebook = nbformat.read(path, as_version=4)
if setup:
    notebook.cells.insert(1, nbformat.v4.new_code_cell(setup))
client = NotebookClient(notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": folder}})
began = time.time()
with client.setup_kernel():
    for place, cell in enumerate(notebook.cells):
        client.execute_cell(cell, place)
        if setup and place == 1:
            print(f"{time.time() - began:.1f}", flush=True)
            began = time.time()
print(f"{time.time() - began:.1f}")
"""


@contextlib.contextmanager
def step(name: str, spent: dict[str, float]) -> Iterator[None]:
    began = time.monotonic()
    yield
    spent[name] = time.monotonic() - began
    print(f"{spent[name]:7.1f} s  {name}", flush=True)


def clone(folder: Path) -> None:
    subprocess.run(["git", "clone", "-q", "--depth", "1", f"file://{ROOT}", folder], check=True)


def run_lesson(
    python: Path, lesson: Path, setup: str, folder: Path, **environment: str
) -> list[float]:
    command = [str(python), "-c", RUN, str(lesson), setup, str(folder)]
    done = subprocess.run(
        command, env=os.environ | environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(re.sub(r"\x1b\[[0-9;]*m", "", done.stderr))
    return [float(line) for line in done.stdout.split()[-2:]]


def with_make(folder: Path) -> None:
    spent: dict[str, float] = {}
    home = folder / "course"
    with step("git clone", spent):
        clone(home)
    with step("make setup", spent):
        subprocess.run(["make", "setup"], cwd=home, check=True, stdout=subprocess.DEVNULL)
    with step("lesson 00, all cells", spent):
        lesson = home / LESSON
        run_lesson(home / ".venv/bin/python", lesson, "", lesson.parent)
    total = sum(spent.values())
    print(f"{total:7.1f} s  together (at most 300)")
    sys.exit(total > 300)


def hosted(folder: Path) -> None:
    spent: dict[str, float] = {}
    python = folder / "env/bin/python"
    with step("an environment with what Colab has (not counted)", spent):
        subprocess.run([sys.executable, "-m", "venv", folder / "env"], check=True)
        quiet = ["-qq", "--disable-pip-version-check"]
        subprocess.run([python, "-m", "pip", "install", *quiet, *COLAB], check=True)
    branch = subprocess.run(
        ["git", "branch", "--show-current"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.strip()
    setup = SETUP_CODE.format(repository="time", branch=branch, addresses=[f"file://{ROOT}"])
    home = folder / "home"
    home.mkdir()
    first, rest = run_lesson(
        python, ROOT / LESSON, setup, home, HOME=str(home), COLAB_RELEASE_TAG="newcomer"
    )
    print(f"{first:7.1f} s  the set-up cell, with the start of the kernel (at most 90)")
    print(f"{rest:7.1f} s  lesson 00, all cells")
    sys.exit(first > 90)


if __name__ == "__main__":
    ways = {"make": with_make, "hosted": hosted}
    if len(sys.argv) != 2 or sys.argv[1] not in ways:
        sys.exit(__doc__)
    os.environ.pop("PYTHONPATH", None)  # a newcomer has no checkout on it
    with tempfile.TemporaryDirectory() as place:
        ways[sys.argv[1]](Path(place))
