"""What grading adds to nbgrader: every submission is rebuilt on what was handed out, and none can
stall or stop the rest.

nbgrader_config.py puts these in the place of nbgrader's own preprocessors, so that `nbgrader
autograde` uses them as well.
"""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread
from typing import NamedTuple

import nbformat
import psutil
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat.v4 import new_markdown_cell, new_output
from nbgrader.preprocessors import ClearOutput, Execute, NbGraderPreprocessor, SaveAutoGrades
from nbgrader.utils import is_grade, is_solution
from traitlets import Float, Unicode

NOTES = {
    "en": {
        "time": (
            "stopped: a cell worked or waited longer than {seconds} seconds, or the notebook longer"
            " than {total} seconds"
        ),
        "memory": "stopped: it used more than {memory_limit} GB of memory",
        "killed": "stopped: it ended or crashed its own Python process",
        "all": (
            "This submission was {reason} (at cell {cell}). It gets no points from the checkers."
        ),
    },
    "zh": {
        "time": "有一个单元格运行或等待超过 {seconds} 秒，或者整个笔记本超过 {total} 秒",
        "memory": "用掉的内存超过 {memory_limit} GB",
        "killed": "它结束或弄崩了自己的 Python 进程",
        "all": "这份作业在单元格 {cell} 处被停下：{reason}。检查程序给零分。",
    },
}


class Rebuild(NbGraderPreprocessor):
    """The notebook that was handed out, with the submitted text of its answer cells; added cells
    stay where they were put.

    So edited, moved, doubled or deleted cells, points and metadata do not matter. nbgrader's
    OverwriteCells comes next and puts the hidden tests back.
    """

    def preprocess(self, nb, resources):
        names = resources["nbgrader"]
        # nbgrader works in the course folder
        path = Path("release", names["assignment"], f"{names['notebook']}.ipynb")
        released = nbformat.read(path, as_version=4)
        known = {cell.metadata.nbgrader.grade_id: cell for cell in released.cells}
        answers, added, last = {}, {None: []}, None
        for cell in nb.cells:
            name = cell.metadata.get("nbgrader", {}).get("grade_id")
            if name not in known:
                cell.metadata = nbformat.from_dict({})
                added.setdefault(last, []).append(cell)
            elif name not in answers:
                last, answers[name] = name, cell
        cells = added[None]
        for name, cell in known.items():
            if name in answers and is_solution(cell):
                cell.source = answers[name].source
                if cell.cell_type == "code" and answers[name].cell_type == "code":
                    cell.outputs = answers[name].outputs
            cells += [cell, *added.get(name, [])]
        ids = {cell.id for cell in known.values()}
        for number, cell in enumerate(cells):
            if "nbgrader" not in cell.metadata and (cell.get("id") in ids or "id" not in cell):
                cell.id = f"added-{number}"
        released.cells = cells
        return released, resources


class ClearOutputButKeepRuns(ClearOutput):
    """Outputs are cleared, except of cells that grading never runs (tag skip-execution): those are
    part of the answer.
    """

    def preprocess_cell(self, cell, resources, cell_index):
        if "skip-execution" in cell.metadata.get("tags", []):
            return cell, resources
        return super().preprocess_cell(cell, resources, cell_index)


class Guard(Execute):
    """Runs a submission with limits; one that breaks them gets zero from the checkers and a note,
    and the next one is graded.

    Time is what the submission itself takes, computing or asleep: a busy machine, on which it has
    to wait its turn, stops nobody.
    """

    seconds = Float(30.0, help="for a cell").tag(config=True)
    total = Float(120.0, help="seconds for a notebook").tag(config=True)
    memory_limit = Float(4.0, help="GB, for the kernel and the processes that it started").tag(
        config=True
    )
    language = Unicode("en", help="of the notes").tag(config=True)
    timeout = 3600  # nbclient's own limits are for what the watch below cannot see
    startup_timeout = 300
    iopub_timeout = 60
    interrupt_on_timeout = False  # an interrupt can be caught; what takes too much is killed
    error_on_timeout = None
    shutdown_kernel = "immediate"
    # A file beside the notebook must not pass for the library.
    extra_arguments = ["--IPKernelApp.ignore_cwd=True", "--log-level=50"]

    def preprocess(self, nb, resources):
        self.reason, self.place, self.spent = None, 0, 0.0
        done = Event()
        watch = Thread(target=self.watch, args=(done,), daemon=True)
        watch.start()
        try:
            nb, resources = super().preprocess(nb, resources)
        except CellTimeoutError:
            self.reason = "time"
        except DeadKernelError:
            self.reason = self.reason or "killed"
        finally:
            done.set()
            watch.join()
        if self.reason:
            words = NOTES[self.language]
            limits = {
                name: f"{getattr(self, name):g}" for name in ("seconds", "total", "memory_limit")
            }
            note = words["all"].format(
                reason=words[self.reason].format(**limits), cell=self.place + 1
            )
            for cell in nb.cells:
                if cell.cell_type == "code" and is_grade(cell):
                    cell.outputs = [
                        new_output("error", ename="Stopped", evalue=note, traceback=[note])
                    ]
            nb.cells.insert(0, new_markdown_cell(f"**{note}**", id="note"))
            resources["nbgrader"]["note"] = note
        return nb, resources

    def preprocess_cell(self, cell, resources, index):
        self.place, self.spent = index, 0.0
        cell, resources = super().preprocess_cell(cell, resources, index)
        for output in cell.get("outputs", []):
            if is_grade(cell) and output.output_type == "stream":
                # nbgrader takes a warning on stderr for a failure; only the verdict counts
                output.name = "stdout"
        return cell, resources

    def on_cell_executed(self, **given):
        super().on_cell_executed(**given)
        asked = [one.get("source") for one in given["execute_reply"]["content"].get("payload", [])]
        # exit() ends Python a moment later: do not leave it to chance which cells still run
        if "ask_exit" in asked:
            raise DeadKernelError("exit() was called")

    def watch(self, done: Event) -> None:
        """Kill the kernel when it takes too much time or memory, or floods this process with
        output.
        """
        own, whole, last, computed = psutil.Process(), 0.0, time.monotonic(), 0.0
        before = own.memory_info().rss
        while not done.wait(0.05):
            tree = processes(getattr(getattr(self.km, "provisioner", None), "pid", None))
            now, used, asleep = time.monotonic(), used_by(tree), not any(map(runs, tree))
            # a late look is the machine's fault
            step = max(used.seconds - computed, min(now - last, 0.5) if asleep else 0.0)
            self.spent, whole, last, computed = self.spent + step, whole + step, now, used.seconds
            if used.memory > self.memory_limit * 1e9 or own.memory_info().rss - before > 1e9:
                self.reason = self.reason or "memory"
            elif self.spent > self.seconds or whole > self.total:
                self.reason = self.reason or "time"
            if self.reason:
                for process in tree:
                    with suppress(psutil.Error):
                        process.kill()


def processes(pid: int | None) -> list[psutil.Process]:
    """A process and all that it started."""
    with suppress(psutil.Error):
        return [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)] if pid else []
    return []


class Used(NamedTuple):
    memory: int  # bytes
    seconds: float  # of computing


def used_by(tree: list[psutil.Process]) -> Used:
    memory, seconds = 0, 0.0
    for process in tree:
        with suppress(psutil.Error):
            times = process.cpu_times()
            memory, seconds = (
                memory + process.memory_info().rss,
                seconds + times.user + times.system,
            )
    return Used(memory, seconds)


def runs(process: psutil.Process) -> bool:
    """Does it compute, or wait for its turn on the processor or the disk?"""
    with suppress(psutil.Error):
        return process.status() in (psutil.STATUS_RUNNING, psutil.STATUS_DISK_SLEEP)
    return False


class SaveGradesAndNotes(SaveAutoGrades):
    """The note of a stopped submission is also a comment in the gradebook."""

    def _add_comment(self, cell, resources):
        super()._add_comment(cell, resources)
        if note := resources["nbgrader"].get("note"):
            names = resources["nbgrader"]
            identity = (
                cell.metadata.nbgrader.grade_id,
                names["notebook"],
                names["assignment"],
                names["student"],
            )
            self.gradebook.find_comment(*identity).auto_comment = note
            self.gradebook.db.commit()
