"""The commands of the course under one name: `continuous-time`, or `python -m course`.

    continuous-time data list                              data sets: list, download, info
    continuous-time experiments train --model sasrec       runs and comparisons
    continuous-time lab                                    the lessons in JupyterLab

Each command has a --help of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import tutorial_lib
from course.lessons import speak
from tutorial_files.language import mark, say

COMMANDS = {  # name: (module, what it does)
    "data": ("tutorial_lib.data", mark("list, download or describe data sets")),
    "experiments": (
        "tutorial_lib.experiments",
        mark("train a model, or compare many in eight stages"),
    ),
    "serve": ("tutorial_lib.serving", mark("answer requests for recommendations over HTTP")),
    "lab": ("course.lab", mark("open the lessons in JupyterLab")),
    "progress": ("course.progress", mark("show which exercises are right")),
}


def available() -> dict[str, tuple[str, str]]:
    """The commands whose module is there and can be run."""
    found = {}
    for name, line in COMMANDS.items():
        spec = find_spec(line[0])
        folders = list(spec.submodule_search_locations or ()) if spec else []
        if spec and (not folders or Path(folders[0], "__main__.py").is_file()):
            found[name] = line
    return found


def usage() -> str:
    lines = [f"  {name:<13}{say(text)}" for name, (_, text) in available().items()]
    return "\n".join(
        [
            say("usage: continuous-time COMMAND [OPTIONS]"),
            "",
            *lines,
            "",
            say("continuous-time COMMAND --help says more; --version names the version."),
        ]
    )


def main(arguments: list[str] | None = None) -> int:
    """Runs the command as a process of its own, as `python -m MODULE` does: some must set up
    theirs before torch is imported. Returns its exit code; 2 for a command that does not exist.
    """
    speak()
    given = sys.argv[1:] if arguments is None else arguments
    if not given or given[0] in ("-h", "--help", "help"):
        print(usage())
        return 0
    if given[0] in ("-V", "--version"):
        print(f"continuous-time {tutorial_lib.__version__}")
        return 0
    if given[0] not in available():
        words = say("There is no command {name!r}.", name=given[0])
        print(f"{words}\n\n{usage()}", file=sys.stderr)
        return 2
    command = [sys.executable, "-m", available()[given[0]][0], *given[1:]]
    if os.name == "posix":
        os.execv(command[0], command)  # signals reach the command itself
    return subprocess.run(command).returncode


if __name__ == "__main__":
    sys.exit(main())
