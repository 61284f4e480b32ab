"""How checks speak: in a notebook the checks of a cell end as one quiet line, elsewhere each prints
its own.

The line of a notebook opens on a click and then lists every check; places that show no HTML list
them at once. A check that fails does not come here: it raises (`tutorial_lib.checks`).
"""

import html
import sys
from typing import Any

from tutorial_files.language import say

_held: list[str] = []  # the lines of the cell that runs


def kernel_shell() -> Any | None:
    """The IPython shell of a notebook's kernel; None in a script, a terminal or a test."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell if hasattr(shell, "kernel") else None


def note(line: str) -> None:
    """Say that a check holds ("ok  ...") or was left out ("--  ...")."""
    shell = kernel_shell()
    if shell is None:
        print(line)
        return
    if _show not in shell.events.callbacks["post_run_cell"]:
        shell.events.register("post_run_cell", _show)
    _held.append(line)


def _show(result: Any = None) -> None:
    """At the end of a cell: show what its checks said."""
    lines = _held.copy()
    _held.clear()
    if not lines:
        return
    if len(lines) == 1:
        print(lines[0] + _meaning(lines))
        return
    from IPython.display import display

    display({"text/plain": "\n".join(lines), "text/html": folded(lines)}, raw=True)


def folded(lines: list[str]) -> str:
    """HTML: one line with the number of checks, and the lines themselves below it when it is
    opened.
    """
    held = sum(line.startswith("ok") for line in lines)
    told = []
    if held:
        told.append(say("ok  checks that hold: {count}", count=held) + _meaning(lines))
    if held < len(lines):
        told.append(say("not checked on these data: {count}", count=len(lines) - held))
    inside = html.escape("\n".join(lines), quote=False)
    return (
        f'<details class="checks"><summary>{html.escape(" · ".join(told), quote=False)}</summary>\n'
        f"<pre>{inside}</pre></details>"
    )


def _meaning(lines: list[str]) -> str:
    """What "0.21 ± 0.02" means, where a line has it: no measured number and no error bar."""
    stated = any(line.startswith("ok") and " ± " in line for line in lines)
    return say(" (numbers of the text ± what is allowed)") if stated else ""
