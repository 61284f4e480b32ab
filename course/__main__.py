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

COMMANDS = {  # name: (module, what it does)
    "data": ("tutorial_lib.data", "list, download or describe data sets"),
    "experiments": ("tutorial_lib.experiments", "train a model, or compare many in eight stages"),
    "serve": ("tutorial_lib.serving", "answer requests for recommendations over HTTP"),
    "lab": ("course.lab", "open the lessons in JupyterLab"),
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
    lines = [f"  {name:<13}{text}" for name, (_, text) in available().items()]
    return "\n".join(
        [
            "usage: continuous-time COMMAND [OPTIONS]",
            "",
            *lines,
            "",
            "continuous-time COMMAND --help says more; --version names the version.",
        ]
    )


def main(arguments: list[str] | None = None) -> int:
    """Runs the command as a process of its own, as `python -m MODULE` does: some must set up
    theirs before torch is imported. Returns its exit code; 2 for a command that does not exist.
    """
    given = sys.argv[1:] if arguments is None else arguments
    if not given or given[0] in ("-h", "--help", "help"):
        print(usage())
        return 0
    if given[0] in ("-V", "--version"):
        print(f"continuous-time {tutorial_lib.__version__}")
        return 0
    if given[0] not in available():
        print(f"There is no command {given[0]!r}.\n\n{usage()}", file=sys.stderr)
        return 2
    command = [sys.executable, "-m", available()[given[0]][0], *given[1:]]
    if os.name == "posix":
        os.execv(command[0], command)  # signals reach the command itself
    return subprocess.run(command).returncode


if __name__ == "__main__":
    sys.exit(main())
