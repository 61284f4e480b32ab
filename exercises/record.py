"""A learner's own record: which exercises were tried on this machine, and which are right.

A file of JSON lines, one a try: the time, the exercise and whether it was right; nothing of the
answer, and nothing is sent anywhere. Only a notebook that a person has opened writes it. The table
is made by `course.progress`.
"""

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tutorial_files.quiet import kernel_shell
from tutorial_files.shared import INSTALLED, PROJECT

VARIABLE = "TUTORIAL_PROGRESS"  # another file, or "off"
# the first line of a cell that holds a solution
SOLUTIONS = tuple("# " + word for word in ("Solution", "参考答案"))
# pytest and CI say that they are at work; the kernels that they start inherit it
AT_WORK = ("CI", "PYTEST_VERSION")


@dataclass(frozen=True)
class Try:
    """One verdict of a checker: unix seconds, the exercise such as "04.1", right or wrong."""

    time: int
    exercise: str
    right: bool


def path(environ: Mapping[str, str] = os.environ) -> Path | None:
    """The file of the record: progress.jsonl of the checkout, or in the user's own folder for data
    where the library is installed; None where none is wanted.
    """
    said = environ.get(VARIABLE, "")
    if said == "off":
        return None
    if said:
        return Path(said).expanduser()
    if not INSTALLED:
        return PROJECT / "progress.jsonl"
    home = environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(home) / "tutorial-lib" / "progress.jsonl"


def is_learning(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether this is the kernel of a notebook that a person has opened, in JupyterLab or VS Code.

    Only these name the notebook to its kernel. nbval, the build of the lessons, CI and the grader
    do not; pytest and CI are also known by their own marks, in case they were started from a
    notebook.
    """
    shell = kernel_shell()
    if shell is None or any(environ.get(name) for name in AT_WORK):
        return False
    return bool(environ.get("JPY_SESSION_NAME")) or "__vsc_ipynb_file__" in shell.user_ns


def note(exercise: str, right: bool) -> None:
    """Add a try, if a learner made it in an own cell: that of a folded solution does not count.

    Never raises: a full disk must not come between a reader and the verdict.
    """
    if not is_learning() or _code().startswith(SOLUTIONS) or (file := path()) is None:
        return
    line = json.dumps({"time": int(time.time()), "exercise": exercise, "right": right}) + "\n"
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        place = os.open(file, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            size = os.fstat(place).st_size
            # a line that a power cut has left half-written stays alone
            whole = not size or os.pread(place, 1, size - 1) == b"\n"
            os.write(place, (line if whole else "\n" + line).encode())  # at once, or not at all
        finally:
            os.close(place)
    except OSError:
        pass


def read(file: Path | None) -> tuple[list[Try], list[int]]:
    """All tries in the order of the file, and the numbers of the lines that cannot be read; none of
    both where there is no file. Raises OSError for a file that may not be read.
    """
    found: list[Try] = []
    damaged: list[int] = []
    if file is None or not file.exists():
        return found, damaged
    for number, line in enumerate(file.read_bytes().splitlines(), start=1):
        if not line.strip():
            continue
        try:
            said = json.loads(line)
            one = Try(said["time"], said["exercise"], said["right"])
            if [type(value) for value in (one.time, one.exercise, one.right)] != [int, str, bool]:
                raise ValueError(said)
        except (ValueError, KeyError, TypeError):
            damaged.append(number)
        else:
            found.append(one)
    return found, damaged


def _code() -> str:
    """The code of the cell that runs."""
    return str((kernel_shell().user_ns.get("In") or [""])[-1]).lstrip()
