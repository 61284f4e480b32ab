"""Run the lessons that train on 300 users of MovieLens 100K instead of the sample, as `make
real-data`.

Nothing is compared, because the numbers are others; what counts is that every cell runs on real
data. The data set is taken from TUTORIAL_DATA_DIR and never downloaded; without it the run is
skipped, and says so.
"""

import os
import re
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tutorial_lib.process import prepare  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT = 300  # seconds a cell
LOST = "LOST: "  # the kernel is idle or gone and its answer never came: worth a second try
# in code: prose is commented out in a lesson source
READS_SETTINGS = re.compile(r"^[^#\n]*\bsettings\(", re.MULTILINE)
COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def training_lessons(root: Path) -> list[Path]:
    """The English notebooks whose source takes its data from `settings(...)`."""
    sources = sorted((root / "notebooks" / "source").glob("*.py"))
    return [
        root / "notebooks" / "en" / f"{s.stem}.ipynb"
        for s in sources
        if READS_SETTINGS.search(s.read_text(encoding="utf-8"))
    ]


def failure(path: Path) -> str | None:
    """Execute a notebook in its own folder; None, or which cell failed and its traceback."""
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    try:
        client = NotebookClient(
            notebook,
            timeout=TIMEOUT,
            kernel_name="python3",
            resources={"metadata": {"path": str(path.parent)}},
            extra_arguments=["--log-level=40"],  # no word about unencrypted kernels
        )
        client.execute()
    except CellExecutionError as error:
        failed = next(
            (
                c.id
                for c in notebook.cells
                if any(o.output_type == "error" for o in c.get("outputs", []))
            ),
            "unknown",
        )
        return f"cell {failed}\n{COLOURS.sub('', error.traceback)}"
    except (CellTimeoutError, DeadKernelError) as error:
        done = [
            c.id for c in notebook.cells if c.cell_type == "code" and c.execution_count is not None
        ]
        return f"{LOST}after cell {done[-1] if done else 'none'}\n{error}"
    return None


def main() -> int:
    folder = os.environ.get("TUTORIAL_DATA_DIR", "")
    if not folder or not (Path(folder) / "ml-100k" / "u.data").is_file():
        print(
            "Skipped: TUTORIAL_DATA_DIR names no folder with ml-100k/u.data, so the lessons were"
            " not run on real data."
        )
        return 0
    os.environ.update(
        TUTORIAL_DATA_DIR=str(Path(folder).resolve()),
        TUTORIAL_DATASET="ml-100k",
        TUTORIAL_USERS="300",
    )
    lessons, failures = training_lessons(ROOT), 0
    for path in lessons:
        start = time.monotonic()
        problem = failure(path) if path.is_file() else "is not built: run make build"
        if problem and problem.startswith(LOST):
            print(f"{path.stem}: {problem}; once more", flush=True)
            problem = failure(path)
        failures += problem is not None
        print(
            f"{path.stem}:"
            f" {f'FAILED, {problem}' if problem else f'ran on ml-100k in {time.monotonic() - start:.0f} s'}",
            flush=True,
        )
    if not lessons:
        print("No lesson trains yet: nothing to run on real data.")
    return 1 if failures else 0


if __name__ == "__main__":
    prepare()  # the kernels inherit it: in the lessons torch comes first
    sys.exit(main())
