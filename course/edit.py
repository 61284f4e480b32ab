"""Edits of lesson sources made by the tools: stamping the Chinese, bringing back edits of a built
notebook, tidying.

A source is edited cell by cell in its text, so that nothing but the cells concerned changes.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import jupytext
import nbformat
from jupytext.config import load_jupytext_configuration_file

from course.exchange import exchange
from course.format import (
    KERNELSPEC,
    SHOWN_FROM,
    cells_digest,
    lesson_entries,
    read_lesson,
    read_notebook,
    render,
    show,
    text_hash,
    unfold,
)
from course.lessons import Course, LessonError, Problem, Row, write_atomically
from course.sections import NEEDS

CELL_LINE = re.compile(r"^# %%(?: .*)?$", re.M)  # not the magic "# %%time"


def canonical(root: Path, text: str) -> str:
    """The source as JupyterLab would save it with the jupytext.toml of the project."""
    settings = Path(root) / "jupytext.toml"
    if not settings.exists():
        raise LessonError(f"{settings} is missing; it says how JupyterLab saves lessons")
    config = load_jupytext_configuration_file(str(settings))
    notebook = jupytext.reads(text, fmt="py:percent")
    notebook.metadata["kernelspec"] = dict(KERNELSPEC)
    return jupytext.writes(notebook, fmt="py:percent", config=config)


def chunks(text: str) -> dict[str, str]:
    """The text cut before each cell line: "" is what comes before the first, the others go by the
    id of the cell.
    """
    starts = [match.start() for match in CELL_LINE.finditer(text)]
    pieces = {"": text[: starts[0]] if starts else text}
    for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
        name = re.search(r'\bid="([^"]*)"', text[start:end].partition("\n")[0])
        pieces[name[1] if name else f"#{start}"] = text[start:end]
    return pieces


def cell_text(kind: str, source: str, keys: str) -> str:
    """A cell in the py:percent form, with the keys of its first line written as given."""
    cell = (
        nbformat.v4.new_markdown_cell(source)
        if kind == "prose"
        else nbformat.v4.new_code_cell(source)
    )
    text = jupytext.writes(nbformat.v4.new_notebook(cells=[cell]), fmt="py:percent")
    body = text[CELL_LINE.search(text).end() :].strip("\n")
    return f"# %%{' [markdown]' if kind == 'prose' else ''} {keys}\n{body}\n"


def set_key(chunk: str, key: str, value: object) -> str:
    """The cell with key=value in its first line; an empty value removes the key."""
    line, _, body = chunk.partition("\n")
    bare = re.sub(rf' {key}=(?:"[^"]*"|\[[^]]*\])', "", line)
    after = bare.find(' lang="zh"') + len(' lang="zh"') if key == "en" else len(bare)
    addition = f" {key}={json.dumps(value, ensure_ascii=False)}" if value else ""
    return f"{bare[:after]}{addition}{bare[after:]}\n{body}"


def stamp(course: Course, row: Row, names: list[str]) -> list[str]:
    """Note in Chinese cells that they say what the English says today: the named ones, or all.
    Returns those changed.
    """
    path, cells = course.source(row), read_lesson(course, row)
    names = [re.sub(r"-(en|zh)$", "", name) for name in names]
    unknown = set(names) - {cell.id for cell in cells if cell.kind == "prose"}
    if unknown:
        raise LessonError(
            f"{course.relative(path)} has no prose cell {', '.join(sorted(unknown))}; give the id"
            " without -en or -zh"
        )
    pieces, changed = chunks(path.read_text(encoding="utf-8")), []
    for cell in cells:
        mark = text_hash(cell.text["en"])
        if cell.kind == "prose" and cell.stamp != mark and (not names or cell.id in names):
            pieces[f"{cell.id}-zh"] = set_key(pieces[f"{cell.id}-zh"], "en", mark)
            changed.append(cell.id)
    write_atomically({path: "".join(pieces.values())})
    return changed


def tidy(course: Course, row: Row) -> bool:
    """Bring the source into the form in which JupyterLab saves it; says whether it changed."""
    read_lesson(course, row)
    path = course.source(row)
    text = path.read_text(encoding="utf-8")
    write_atomically({path: canonical(course.root, text)})
    return path.read_text(encoding="utf-8") != text


def code_for_source(shown: list[tuple[str, str]], edited: str) -> str | None:
    """Edited code of a notebook with its `# show:` lines put back; None where library source itself
    was edited.
    """
    result, end = "", 0
    for directive, block in shown:
        if directive != block:
            start = edited.find(block.rstrip("\n"), end)
            if start < 0:
                return None
            result += edited[end:start] + directive
            end = start + len(block.rstrip("\n"))
            end += block.endswith("\n") and edited[end : end + 1] == "\n"
    return result + edited[end:]


def to_english(course: Course, row: Row, code: str) -> str:
    """Code of the Chinese notebook with the texts of the catalogue in English again."""
    entries = lesson_entries(course, row)
    code = exchange(code, {chinese: english for english, chinese in entries.items()})
    (where, of_class), (ours, our_class) = SHOWN_FROM["zh"], SHOWN_FROM["en"]
    found = re.escape(where).replace(r"\{\}", r"(\S+\.py)") + (
        "(?:" + re.escape(of_class).replace(r"\{\}", r"(\S+)") + ")?$"
    )
    return re.sub(
        found,
        lambda match: ours.format(match[1]) + (our_class.format(match[2]) if match[2] else ""),
        code,
        flags=re.M,
    )


def merge_back(course: Course, row: Row, language: str) -> tuple[list[str], list[Problem]]:
    """Bring code, tags and the prose of one language from a built notebook into the source.

    Returns what was brought and what a person must still do: nothing is deleted, moved or
    overwritten by guess.
    """
    path, file = course.source(row), course.relative(course.notebook(row, language))
    cells, notebook = read_lesson(course, row), read_notebook(course.notebook(row, language))
    if notebook is None:
        raise LessonError(Problem(file, None, "has not been built; there is nothing to bring back"))
    nodes = render(course, row, cells, language)
    if notebook.metadata.get("tutorial", {}).get(language) != cells_digest(nodes):
        why = "its source (or the library code it shows, or lessons.csv) changed since it was built"
        raise LessonError(
            Problem(
                file,
                None,
                f"cannot be merged: {why}; undo that change, or carry your edits over by hand",
            )
        )
    old, built = path.read_text(encoding="utf-8"), {node.id: node for node in nodes}
    by_id, pieces, done, problems = {cell.id: cell for cell in cells}, chunks(old), [], []
    place = ""  # the piece after which a new cell goes
    for node in notebook.cells:
        kind = {"markdown": "prose", "code": "code"}.get(node.cell_type)
        was, cell, tags = built.get(node.id), by_id.get(node.id), node.metadata.get("tags") or []
        if kind is None:
            problems.append(
                Problem(
                    file,
                    node.id,
                    "is neither markdown nor code and is not brought back; use one of the two",
                )
            )
            continue
        if was is None:
            new = (
                {f"{node.id}-en": "en", f"{node.id}-zh": "zh"} if kind == "prose" else {node.id: ""}
            )
            added = {}
            for name, lang in new.items():
                keys = f'id="{name}"' + (f' lang="{lang}"' if lang else "")
                text = node.source if lang in ("", language) else "TODO"
                added[name] = set_key(cell_text(kind, text, keys), "tags", tags) + "\n"
            order = list(pieces)
            at = order.index(place) + 1
            pieces = {k: pieces[k] for k in order[:at]} | added | {k: pieces[k] for k in order[at:]}
            place = list(added)[-1]
            done.append(
                f"{node.id}: a new cell"
                + ("; write its twin where it says TODO" if kind == "prose" else "")
            )
            continue
        if cell is None or node.cell_type != was.cell_type:
            if node.source != was.source:
                remedy = (
                    "edit notebooks/lessons.csv or course/buttons.py instead"
                    if cell is None
                    else "change the kind of a cell in the source"
                )
                problems.append(Problem(file, node.id, f"is not brought back; {remedy}"))
            continue
        names = [f"{cell.id}-en", f"{cell.id}-zh"] if kind == "prose" else [cell.id]
        place = names[-1]
        if tags != list(cell.tags):
            pieces |= {name: set_key(pieces[name], "tags", tags) for name in names}
            done.append(f"{cell.id}: tags")
        if node.source == was.source:
            continue
        if kind == "prose":
            source = NEEDS.sub("", node.source)
            if NEEDS.sub("", was.source) != cell.text[language]:
                source = unfold(source)
            name = f"{cell.id}-{language}"
        else:
            edited = node.source if language == "en" else to_english(course, row, node.source)
            source, name = (
                code_for_source(show(course, row, cell.id, cell.text["en"]), edited),
                cell.id,
            )
        if source is None:
            problems.append(
                Problem(
                    file,
                    cell.id,
                    "shows library code that was edited; edit it in tutorial_lib, the notebook"
                    " shows it",
                )
            )
            continue
        keys = (
            pieces[name].partition("\n")[0].removeprefix("# %%").removeprefix(" [markdown]").strip()
        )
        blank = re.search(r"\n*\Z", pieces[name])[0]
        pieces[name] = cell_text(kind, source, keys).rstrip("\n") + blank
        done.append(f"{name}: text")
    here = [node.id for node in notebook.cells if node.id in built]
    for name in [name for name in built if name not in here]:
        problems.append(
            Problem(
                file, name, "was deleted in the notebook; if that is meant, delete it in the source"
            )
        )
    if here != [name for name in built if name in here]:
        problems.append(
            Problem(file, None, "has its cells in another order; move them in the source")
        )
    text = "".join(pieces.values())
    if done:
        write_atomically(
            {path: canonical(course.root, text) if canonical(course.root, old) == old else text}
        )
    return done, problems
