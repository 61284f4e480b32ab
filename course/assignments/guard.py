"""What grading adds to nbgrader: every submission is rebuilt on what was handed out, runs in a closed
room, and is judged from outside.

nbgrader_config.py puts these in the place of nbgrader's own preprocessors, so that `nbgrader
autograde` uses them as well.
"""

from __future__ import annotations

import ast
import contextlib
import importlib
import io
import re
from pathlib import Path

import nbformat
from nbformat.v4 import new_markdown_cell, new_output
from nbgrader.preprocessors import ClearOutput, NbGraderPreprocessor, SaveAutoGrades
from nbgrader.utils import is_grade, is_solution
from traitlets import Bool, Float, Unicode

from course.assignments.feedback import NO_RESPONSE
from course.assignments.sandbox import Limits, Room, choose
from course.assignments.wire import Gone
from tutorial_files.language import mark, speaking, spoken

NOTES = {
    "time": mark(
        "stopped: a cell worked or waited longer than {seconds} seconds, or the notebook longer"
        " than {total} seconds"
    ),
    "memory": mark("stopped: it used more than {memory_limit} GB of memory"),
    "processes": mark("stopped: it started more than {processes} processes"),
    "killed": mark("stopped: it ended or crashed its own Python process"),
    "all": mark(
        "This submission was {reason} (at cell {cell}). It gets no points from the checkers."
    ),
    "joined": mark("The answer of {name} stood in several cells; they were joined in their order."),
    "found": mark(
        "Some cells had lost their marks; they were recognised by what stands around them."
    ),
    "foreign": mark(
        "None of the cells of {assignment} is in this file: it is another notebook, or the answers"
        " were pasted into a new one. Answer in the file that was handed out."
    ),
}


class Rebuild(NbGraderPreprocessor):
    """The notebook that was handed out, with the submitted text of its answer cells; added cells
    stay where they were put.

    So edited, moved, doubled or deleted cells, points and metadata do not matter. A cell that was
    split is joined again; one that has lost its metadata is known by its id, or by the question
    above it and the check below. nbgrader's OverwriteCells comes next.
    """

    language = Unicode("en", help="of the notes").tag(config=True)

    def preprocess(self, nb, resources):
        names = resources["nbgrader"]
        # nbgrader works in the course folder
        path = Path("release", names["assignment"], f"{names['notebook']}.ipynb")
        released = nbformat.read(path, as_version=4)
        known = {cell.metadata.nbgrader.grade_id: cell for cell in released.cells}
        notes = []
        if recognise(nb.cells, known):
            notes.append(spoken(self.language, NOTES["found"]))
        answers, added, last = {}, {None: []}, None
        for cell in nb.cells:
            name = name_of(cell)
            if name not in known:
                cell.metadata = nbformat.from_dict({})
                added.setdefault(last, []).append(cell)
            elif name not in answers:
                last, answers[name] = name, cell
            elif is_solution(known[name]) and cell.source.strip() != answers[name].source.strip():
                if last == name and not added.get(name):  # the halves of a cell that was split
                    answers[name].source += "\n" + cell.source
                else:  # a copy further down, worked on there
                    cell.metadata = nbformat.from_dict({})
                    added.setdefault(last, []).append(cell)
                notes.append(spoken(self.language, NOTES["joined"], name=name))
        if not answers:
            assignment = names["assignment"]
            notes = [spoken(self.language, NOTES["foreign"], assignment=assignment)]
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
        # in the notebook, as nbgrader forgets everything else before the cells are run
        released.metadata["notes"] = names["notes"] = list(dict.fromkeys(notes))
        return released, resources


def name_of(cell) -> str | None:
    return cell.metadata.get("nbgrader", {}).get("grade_id")


def recognise(cells: list, known: dict) -> bool:
    """Give cells that have lost their metadata their names back; True if there was one."""
    there = {name_of(cell) for cell in cells}
    if set(known) <= there:
        return False
    found = False
    sources = {cell.source.strip(): name for name, cell in known.items() if cell.source.strip()}
    for cell in cells:
        if name_of(cell) in known:
            continue
        name = cell.get("id") if cell.get("id") in known else None
        if name is None and not is_solution(known.get(sources.get(cell.source.strip()), cell)):
            name = sources.get(cell.source.strip())
        if name and name not in there:
            cell.metadata["nbgrader"] = {"grade_id": name}
            there.add(name)
            found = True
    order = list(known)
    for before, name, after in zip(order, order[1:], order[2:], strict=False):
        if name in there or not is_solution(known[name]) or not {before, after} <= there:
            continue
        places = [i for i, cell in enumerate(cells) if name_of(cell) in (before, after)]
        for cell in cells[places[0] + 1 : places[-1]]:
            if name_of(cell) is None and cell.cell_type == known[name].cell_type:
                cell.metadata["nbgrader"] = {"grade_id": name}
                there.add(name)
                found = True
    return found


class ClearOutputButKeepRuns(ClearOutput):
    """Outputs are cleared, except of cells that grading never runs (tag skip-execution): those are
    part of the answer. What is kept is text: nothing that a browser would run.
    """

    def preprocess_cell(self, cell, resources, cell_index):
        if "skip-execution" in cell.metadata.get("tags", []):
            cell.outputs = [safe_output(one) for one in cell.get("outputs", [])]
            return cell, resources
        return super().preprocess_cell(cell, resources, cell_index)


def safe_output(one: dict):
    """Text or a PNG of an output; everything else says what it was."""
    if one.get("output_type") == "stream":
        return new_output("stream", name="stdout", text=str(one.get("text", ""))[:100_000])
    if one.get("output_type") == "error":
        words = str(one.get("evalue", ""))[:10_000]
        name = str(one.get("ename", "Error"))[:80]
        return new_output("error", ename=name, evalue=words, traceback=[f"{name}: {words}"])
    data = one.get("data", {})
    kept = {"text/plain": str(data.get("text/plain", ""))[:100_000]}
    if re.fullmatch(r"[A-Za-z0-9+/=\s]+", str(data.get("image/png", ""))):
        kept["image/png"] = data["image/png"]
    return new_output("display_data", data=kept)


class Guard(NbGraderPreprocessor):
    """Runs the cells of a submission in a closed room (sandbox.py) and its checkers outside.

    What comes back is data (wire.py). A submission that breaks a limit gets zero from the checkers
    and a note, and the next one is graded.
    """

    seconds = Float(30.0, help="for a cell").tag(config=True)
    total = Float(120.0, help="seconds for a notebook").tag(config=True)
    memory_limit = Float(4.0, help="GB, for all processes of a submission").tag(config=True)
    language = Unicode("en", help="of the notes").tag(config=True)
    unsafe = Bool(False, help="run without a sandbox where there is none").tag(config=True)

    def preprocess(self, nb, resources):
        resources["nbgrader"]["notes"] = list(nb.metadata.get("notes", []))
        limits = Limits(seconds=self.seconds, total=self.total, memory=self.memory_limit)
        # what was handed out, and nothing that the submission added, decides what the room holds
        released = [cell.source for cell in nb.cells if "nbgrader" in cell.metadata]
        room, place = Room(choose(self.unsafe), released, limits), 0
        try:
            for place, cell in enumerate(nb.cells):  # noqa: B007
                if cell.cell_type == "code" and "skip-execution" not in cell.metadata.get(
                    "tags", []
                ):
                    room.next_cell()
                    cell.outputs = self.judge(room, cell) if is_grade(cell) else run(room, cell)
        except Gone:
            self.stop(nb, resources, room.reason or "killed", place, limits)
        finally:
            room.close()
        for note in resources["nbgrader"]["notes"]:
            nb.cells.insert(0, new_markdown_cell(f"**{note}**", id=f"note-{len(nb.cells)}"))
        return nb, resources

    def judge(self, room: Room, cell) -> list:
        """The verdict of the checker that a locked cell names, as the outputs of that cell."""
        call = ast.parse(cell.source).body[0].value
        module, name, answer = call.func.value.id, call.func.attr, call.args[0].id
        if not (re.fullmatch(r"lesson\d\d", module) and name.startswith("check_")):
            raise ValueError(f"{cell.source!r} is no check")
        checker = getattr(importlib.import_module(f"exercises.{module}"), name)
        got = room.peer.request("fetch", name=answer)
        with contextlib.redirect_stdout(io.StringIO()), speaking(self.language):
            verdict = checker(got.get("value"))
            words = str(verdict)
        outputs = [new_output("stream", name="stdout", text=f"{words}\n")]
        if verdict.status != "right":
            outputs.append(new_output("error", ename="Wrong", evalue=words, traceback=[words]))
        if "del " in cell.source:  # a later exercise wants an answer of this name
            room.peer.request("forget", name=answer)
        return outputs

    def stop(self, nb, resources, reason: str, place: int, limits: Limits) -> None:
        numbers = {
            name: f"{getattr(self, name):g}" for name in ("seconds", "total", "memory_limit")
        }
        why = spoken(self.language, NOTES[reason], **numbers, processes=limits.processes)
        note = spoken(self.language, NOTES["all"], reason=why, cell=place + 1)
        for cell in nb.cells:
            if cell.cell_type == "code" and is_grade(cell):
                cell.outputs = [new_output("error", ename="Stopped", evalue=note, traceback=[note])]
        resources["nbgrader"]["notes"].append(note)


def run(room: Room, cell) -> list:
    outputs = room.peer.request("run", source=cell.source).get("outputs")
    return [safe_output(one) for one in outputs[:200]] if isinstance(outputs, list) else []


class SaveGradesAndNotes(SaveAutoGrades):
    """The notes of a submission are also comments in the gradebook; where there is none, an empty
    answer gets the comment that says so.
    """

    language = Unicode("en", help="of the comments").tag(config=True)

    def _add_comment(self, cell, resources):
        super()._add_comment(cell, resources)
        names = resources["nbgrader"]
        comment = self.gradebook.find_comment(
            cell.metadata.nbgrader.grade_id,
            names["notebook"],
            names["assignment"],
            names["student"],
        )
        if notes := names.get("notes"):
            comment.auto_comment = " ".join(notes)
        elif comment.auto_comment:
            comment.auto_comment = spoken(self.language, NO_RESPONSE)
        self.gradebook.db.commit()
