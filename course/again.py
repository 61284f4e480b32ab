"""Run a lesson as learners do: each cell twice, and each section by itself after what it needs.

    python -m course.again 04              both; exit status 1 and one line a fault
    python -m course.again 04 --kind twice     each cell twice in succession
    python -m course.again 04 --kind alone     each section after the sections that it needs

Nothing is written. The cells run in one IPython shell a lesson, on the data of the build, and a
run of sections goes on in copies of the process (`os.fork`), so that what several sections need
runs once. Needs Linux or macOS.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from course.build import MEMORY_SETTINGS, READER_ENVIRONMENT, choose, refusals
from course.format import code_of, read_lesson
from course.lessons import Course, LessonError, Row, load_course
from course.sections import Section, sections_of

KINDS = {"twice": "run twice", "alone": "run by itself"}
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
FAULTS = Path("faults.jsonl")


@dataclass(frozen=True)
class Lesson:
    """What runs: the sections, the cells whose error is meant, and those that hold a solution."""

    sections: list[Section]
    raising: frozenset[str]
    solutions: frozenset[str]


def read(course: Course, row: Row) -> Lesson:
    """The English code of a lesson, as it stands in the notebook."""
    cells = read_lesson(course, row)

    def tagged(tag: str) -> frozenset[str]:
        return frozenset(cell.id for cell in cells if cell.kind == "code" and tag in cell.tags)

    codes = {cell.id: code_of(course, row, cell, "en") for cell in cells if cell.kind == "code"}
    return Lesson(sections_of(cells, codes), tagged("raises-exception"), tagged("solution"))


class Runner:
    """An IPython shell that runs cells without showing them; `faults` gets one line a fault."""

    def __init__(self, lesson: Lesson, faults: Path):
        from IPython.core.interactiveshell import InteractiveShell

        self.lesson, self.faults = lesson, faults
        self.shell = InteractiveShell.instance()
        self.shell.run_line_magic("colors", "nocolor")

    def run(self, name: str, code: str) -> str | None:
        """What is wrong with a cell, in one line; None where all is well."""
        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            result = self.shell.run_cell(code, store_history=False)
        if "matplotlib.pyplot" in sys.modules:
            sys.modules["matplotlib.pyplot"].close("all")  # as the notebook does after a cell
        error = result.error_before_exec or result.error_in_exec
        if error is not None and name not in self.lesson.raising:
            return f"{type(error).__name__}: {' '.join(str(error).split())}"
        if name in self.lesson.solutions:
            for line in said.getvalue().splitlines():
                if line.startswith(refusals("en")):
                    return f"the checker says to this solution: {line}"
        return None

    def report(self, cell: str, how: str, fault: str) -> None:
        with self.faults.open("a", encoding="utf-8") as file:
            file.write(json.dumps([cell, how, fault]) + "\n")

    def twice(self) -> None:
        """Every cell of the lesson, two times in succession."""
        for section in self.lesson.sections:
            for name, code in section.code:
                for how in ("the first time", "the second time"):
                    if fault := self.run(name, code):
                        self.report(name, how, fault)

    def alone(self) -> None:
        """Every section that has code, after the sections that it needs."""
        runs = [
            (*section.needs, place)
            for place, section in enumerate(self.lesson.sections)
            if section.code
        ]
        self._branch(runs, 0)

    def _branch(self, runs: Sequence[tuple[int, ...]], depth: int) -> None:
        """Runs that begin with the same `depth` sections, which have run in this process."""
        for place in sorted({run[depth] for run in runs if len(run) > depth}):
            going_on = [run for run in runs if len(run) > depth and run[depth] == place]
            in_a_copy(lambda: self._section(going_on, depth), self.report)  # noqa: B023

    def _section(self, runs: Sequence[tuple[int, ...]], depth: int) -> None:
        sections, path = self.lesson.sections, runs[0][: depth + 1]
        before = ", ".join(repr(sections[n].title.get("en", "")) for n in path[:-1]) or "nothing"
        for name, code in sections[path[-1]].code:
            if fault := self.run(name, code):
                self.report(name, f"after {before}", fault)
        self._branch(runs, depth + 1)


def in_a_copy(work: Callable[[], None], report: Callable[[str, str, str], None]) -> None:
    """Do the work in a copy of this process, and wait for it; a copy that dies is a fault."""
    child = os.fork()
    if not child:
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)  # nothing of the copied process may be tidied up twice
    _, status = os.waitpid(child, 0)
    if status:
        report("?", "in a copy of the process", f"it ended with {status}")


def work(course: Course, row: Row, kind: str, faults: Path) -> None:
    """Run one kind for one lesson in this process."""
    runner = Runner(read(course, row), faults)
    runner.twice() if kind == "twice" else runner.alone()


def check(course: Course, row: Row, kind: str, timeout: float = 1200) -> tuple[list[str], float]:
    """The faults of a lesson, one line each, and the processor seconds that it took. Runs in a
    fresh process, in the folder of the English notebook.
    """
    environment = {key: value for key, value in os.environ.items() if key not in READER_ENVIRONMENT}
    path = os.pathsep.join(filter(None, [str(course.root), environment.get("PYTHONPATH", "")]))
    with tempfile.TemporaryDirectory() as folder:
        environment |= MEMORY_SETTINGS | {
            "OMP_NUM_THREADS": "1",
            "MPLBACKEND": "Agg",
            "PYTHONPATH": path,
            "IPYTHONDIR": folder,
        }
        file = Path(folder) / FAULTS
        command = [sys.executable, "-m", "course.again", str(row.number), "--kind", kind]
        began = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            [*command, "--root", str(course.root), "--write", str(file)],
            env=environment,
            cwd=course.notebook(row, "en").parent,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        ended = resource.getrusage(resource.RUSAGE_CHILDREN)
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    source = course.relative(course.source(row))
    faults = [
        f"{source}: cell {cell}, {KINDS[kind]} ({how}): {fault}"
        for cell, how, fault in map(json.loads, lines)
    ]
    if done.returncode:
        faults.append(f"{source}: ended with status {done.returncode}: {done.stderr[-2000:]}")
    return faults, ended.ru_utime + ended.ru_stime - began.ru_utime - began.ru_stime


def main(arguments: list[str] | None = None) -> int:
    top = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    top.add_argument("lessons", nargs="*", metavar="NN", help="lessons, as 4 or 04 (default: all)")
    top.add_argument("--kind", choices=KINDS, help="only this (default: both)")
    top.add_argument("--root", type=Path, default=Path(__file__).resolve().parents[1])
    top.add_argument("--write", type=Path, help=argparse.SUPPRESS)  # of the process that runs it
    options = top.parse_args(arguments)
    try:
        course = load_course(options.root)
        rows = choose(course, options.lessons)
        if options.write:
            work(course, rows[0], options.kind, options.write)
            return 0
        bad = 0
        for row in rows:
            for kind in [options.kind] if options.kind else KINDS:
                faults, seconds = check(course, row, kind)
                print(f"{row.name}: {KINDS[kind]}, {len(faults)} fault(s), {seconds:.0f} s")
                print(*(f"  {fault}" for fault in faults), sep="\n", flush=True)
                bad += len(faults)
    except LessonError as error:
        print(error, file=sys.stderr)
        return 1
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
