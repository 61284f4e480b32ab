"""What is different where a notebook runs the code: sharp pictures, and progress bars that leave
one quiet line.
"""

import sys
from collections.abc import Iterable, Iterator, Sized
from typing import Any, TypeVar

from tqdm import tqdm

from tutorial_files.language import mark, say
from tutorial_files.quiet import kernel_shell

Thing = TypeVar("Thing")
COUNTED = (  # by the bars of the lessons: here, so that the catalogue knows them
    mark("epoch"), mark("seed"), mark("model"), mark("network"), mark("setting"), mark("world"),
    mark("person"), mark("start"), mark("run"), mark("jumps"), mark("replay"), mark("next item"),
)  # fmt: skip
FORMAT = "{desc}{bar:30} {n_fmt}/{total_fmt} [{elapsed}<{remaining}{postfix}]"


def sharpen_pictures() -> None:
    """From now on a notebook's pictures have twice the pixels of the width at which they are shown.

    They are PNG and not SVG: JupyterLab hides the SVG of a notebook that nobody has run here yet.
    """
    if shell := kernel_shell():
        from matplotlib_inline.config import InlineBackend

        InlineBackend.instance(parent=shell).figure_formats = {"retina"}


class Bar(tqdm):
    """The bar of tqdm. In a notebook it overwrites itself on the output stream, and what it leaves
    is one line without times, such as "epoch: 3/3"; there a bar inside another one is shown as a
    count behind it.
    """

    _open: "list[Bar]" = []  # in a notebook, the outermost one

    def __init__(self, *arguments: Any, **options: Any):
        options = {"mininterval": 0.5, "miniters": 0} | options
        self.label, self.outer = options.get("desc") or "", None
        shell = kernel_shell() if not options.get("disable") else None
        if shell:
            self.cell = shell.execution_count
            for left in [bar for bar in Bar._open if bar.cell != self.cell]:
                left.leave_unsaid()  # its loop ended in an error
            self.outer = Bar._open[0] if Bar._open else None
            options |= {"file": sys.stdout, "leave": False, "position": 0, "ncols": 100}
            options |= {"disable": bool(self.outer), "bar_format": FORMAT}
        super().__init__(*arguments, **options)
        if shell and not self.outer:
            Bar._open.append(self)

    def update(self, n: float = 1) -> bool | None:
        if self.outer is None:
            return super().update(n)
        self.n += n
        self.outer.set_postfix_str(f"{self.label}{self.n}/{self.total or '?'}", refresh=False)
        return self.outer.update(0)

    def leave_unsaid(self) -> None:
        """Ends the bar without its line."""
        if self in Bar._open:
            Bar._open.remove(self)
        super().close()

    def close(self) -> None:
        said = self in Bar._open
        self.leave_unsaid()
        if said:
            total = "" if self.total is None else f"/{self.total}"
            print(f"{self.desc.removesuffix(': ')}: {self.n}{total}")


def progress_bar(things: Iterable[Thing], label: str) -> Iterator[Thing]:
    """The things one by one, with a bar that says how many are done and how long the rest takes.

    `label`: what is counted, such as "epoch". What is printed meanwhile would stand in the line of
    the bar: print when all are done. Used from lesson 00 on.
    """
    total = len(things) if isinstance(things, Sized) else None
    with Bar(total=total, desc=f"{say(label)}: ") as bar:
        for thing in things:
            yield thing
            bar.update()
