"""Reads built notebooks. nbformat is not used: loading it takes longer than reading them all."""

from __future__ import annotations

import json
from dataclasses import dataclass

from course.buttons import SETUP
from course.lessons import Course, LessonError, Problem, Row


@dataclass(frozen=True)
class Cell:
    """A cell as the book needs it. `outputs` are those of nbformat 4, every text in one piece."""

    id: str
    kind: str  # markdown or code
    source: str
    tags: tuple[str, ...]
    metadata: dict
    outputs: tuple[dict, ...]
    attachments: dict

    @property
    def hides_source(self) -> bool:
        return bool(self.metadata.get("jupyter", {}).get("source_hidden"))

    @property
    def hides_outputs(self) -> bool:
        view = self.metadata.get("jupyter", {})
        return bool(view.get("outputs_hidden") or self.metadata.get("collapsed"))


def joined(value: object) -> object:
    """A text that nbformat keeps as a list of lines."""
    return "".join(value) if isinstance(value, list) else value


def read_output(output: dict) -> dict:
    held = {**output, "text": joined(output.get("text", ""))}
    held["data"] = {mime: joined(value) for mime, value in output.get("data", {}).items()}
    return held


def read_notebook(course: Course, row: Row, language: str) -> list[Cell]:
    """The cells of a built lesson, without its header."""
    path = course.notebook(row, language)
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    except FileNotFoundError:
        remedy = f"is missing; run `python -m course.build build {row.number:02d}`"
        raise LessonError(Problem(course.relative(path), None, remedy)) from None
    except (ValueError, KeyError, TypeError) as error:
        remedy = (
            f"is no whole notebook ({error}); run `python -m course.build build {row.number:02d}`"
        )
        raise LessonError(Problem(course.relative(path), None, remedy)) from None
    return [
        Cell(
            cell["id"],
            cell["cell_type"],
            str(joined(cell["source"])),
            tuple(cell["metadata"].get("tags", ())),
            cell["metadata"],
            tuple(map(read_output, cell.get("outputs", ()))),
            cell.get("attachments", {}),
        )
        for cell in cells
        if cell["id"] not in ("header", SETUP)  # the frame of a page says what the header says
    ]
