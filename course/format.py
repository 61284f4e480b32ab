"""A lesson's one source file, and the cells of the two notebooks it stands for.

A lesson is `source/NN_slug.py` (py:percent): prose in pairs of adjacent English and Chinese
markdown cells, code once. Here it is read, its `# show:` lines are replaced by library source, and
the cells of both notebooks are made. Nothing is executed here and no library code is imported: see
build.py, check.py and edit.py.
"""

from __future__ import annotations

import ast
import hashlib
import json
import re
import textwrap
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import jupytext
import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell

from course.buttons import SETUP, button_line, lesson_code, setup_cells
from course.exchange import exchange
from course.lessons import LANGUAGES, Course, LessonError, Problem, Row, header
from course.sections import HEADING, needs_line, sections_of
from tutorial_files.language import read_catalogue

FOLDED = {  # prose with one of these tags is shown folded, under this heading
    "alt": {"en": "The picture in words", "zh": "用文字描述这张图"},
    "hint": {"en": "Hint", "zh": "提示"},
    "solution": {"en": "Solution", "zh": "参考答案"},
}
KERNELSPEC = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
SHOW = re.compile(r"^# show: *(\S+) *$", re.M)
SHOWN_FROM = {"en": ("# from {}", ", class {}"), "zh": ("# 摘自 {}", "，{} 类")}
SPOKEN = {"en": "messages and hints are in English", "zh": "提示、报错和图中的文字用中文"}
OWN_CELLS = ("header", SETUP, "language")  # ids of the cells that the build adds


@dataclass(frozen=True)
class Cell:
    """A pair of prose cells (text differs by language) or a code cell (the same text twice)."""

    id: str
    kind: str  # "prose" | "code"
    text: dict[str, str]
    tags: tuple[str, ...] = ()
    stamp: str | None = None  # hash of the English that the Chinese was written for
    nbgrader: dict | None = None


def text_hash(text: str) -> str:
    """First 8 hex digits of the sha256 of the text; line breaks and spacing do not count."""
    return hashlib.sha256(" ".join(text.split()).encode()).hexdigest()[:8]


def read_lesson(course: Course, row: Row) -> list[Cell]:
    """The cells of a lesson; raises LessonError listing everything that is wrong with their ids,
    languages and pairs.
    """
    cells, problems = read_cells(course, row)
    if problems:
        raise LessonError(*problems)
    return cells


def read_cells(course: Course, row: Row) -> tuple[list[Cell], list[Problem]]:
    """The cells of a lesson that could be read, and what is wrong with the ids, languages and pairs
    of all.
    """
    path = course.source(row)
    try:
        raw = jupytext.reads(path.read_text(encoding="utf-8"), fmt="py:percent").cells
    except (OSError, UnicodeDecodeError) as error:
        return [], [Problem(course.relative(path), None, f"cannot be read: {error}")]
    cells, problems, seen, previous = [], [], set(), "the top of the file"

    def wrong(where: str, text: str) -> None:
        problems.append(Problem(course.relative(path), where, text))

    position = 0
    while position < len(raw):
        cell, position = raw[position], position + 1
        meta = cell.metadata
        name, language = str(meta.get("id", "")), meta.get("lang")
        if not name:
            wrong(
                f"after {previous}",
                f'has no id; give its "# %%" line an id="..." (it begins {cell.source[:30]!r})',
            )
            continue
        previous = name
        prose = cell.cell_type == "markdown"
        base = name.removesuffix(f"-{language}") if prose else name
        if cell.cell_type not in ("markdown", "code"):
            wrong(name, "is neither markdown nor code; use one of the two")
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", base) or base in OWN_CELLS:
            wrong(
                name,
                'needs an id of letters, digits, "-" and "_" (at most 64, and none of'
                f" {', '.join(OWN_CELLS)})",
            )
        if base in seen:
            wrong(
                name,
                f'uses the id "{base}" again (-en and -zh do not count); choose another, such as'
                f' "{base}-code"',
            )
        seen.add(base)
        if not prose:
            if language:
                wrong(name, "is code and belongs to both languages; remove its lang")
            text, stamp = dict.fromkeys(LANGUAGES, cell.source), None
        else:
            if language not in LANGUAGES or name != f"{base}-{language}":
                wrong(
                    name,
                    'is prose; give it lang="en" and an id ending in -en, or lang="zh" and an id'
                    " ending in -zh",
                )
                continue
            twin = raw[position] if position < len(raw) else None
            if language == "zh":
                wrong(
                    name,
                    f'has no English twin; put the cell id="{base}-en" lang="en" directly'
                    " before it",
                )
                continue
            if (
                twin is None
                or twin.metadata.get("id") != f"{base}-zh"
                or twin.metadata.get("lang") != "zh"
            ):
                wrong(
                    name,
                    f'has no Chinese twin; put the cell id="{base}-zh" lang="zh" directly after it',
                )
                continue
            position, previous = position + 1, f"{base}-zh"
            if (meta.get("tags") or []) != (twin.metadata.get("tags") or []):
                wrong(name, "has other tags than its Chinese twin; give both the same")
            text, stamp = {"en": cell.source, "zh": twin.source}, twin.metadata.get("en")
        kind = "prose" if prose else "code"
        cells.append(
            Cell(
                base,
                kind,
                text,
                tuple(meta.get("tags") or ()),
                stamp and str(stamp),
                meta.get("nbgrader"),
            )
        )
    return cells, problems


def find_source(root: Path, target: str) -> tuple[str, str]:
    """Path (relative to root) and source of `package.module.name` or `package.module.Class.method`,
    without importing it.
    """
    parts = target.split(".")
    for cut in range(len(parts), 0, -1):
        stem = root.joinpath(*parts[:cut])
        path = next(
            (p for p in (stem.with_suffix(".py"), stem / "__init__.py") if p.is_file()), None
        )
        if path:
            break
    else:
        raise LessonError(f"there is no module for {target!r}; name it as package.module.object")
    source, names, place = (
        path.read_text(encoding="utf-8"),
        parts[cut:],
        path.relative_to(root).as_posix(),
    )
    if not names:
        return place, source
    try:
        node: ast.AST | None = ast.parse(source)
    except SyntaxError as error:
        raise LessonError(f"{place} is not valid Python (line {error.lineno}); mend it") from None
    for depth, name in enumerate(names):
        node = next(
            (
                statement
                for statement in getattr(node, "body", [])
                if name in names_bound_by(statement)
            ),
            None,
        )
        # a name that __init__.py only passes on
        if isinstance(node, ast.ImportFrom) and depth == 0 and node.module:
            package = cut if path.name == "__init__.py" else cut - 1
            home = (
                [*parts[: package - node.level + 1], node.module] if node.level else [node.module]
            )
            return find_source(root, ".".join([*home, *names]))
        if node is None:
            raise LessonError(f"{place} has no {'.'.join(names)!r}; was it renamed?")
    first = min(
        [node.lineno, *(decorator.lineno for decorator in getattr(node, "decorator_list", []))]
    )
    return place, textwrap.dedent("\n".join(source.splitlines()[first - 1 : node.end_lineno]))


def names_bound_by(statement: ast.stmt) -> set[str]:
    """The names that a statement of a module or class defines, assigns or imports under their own
    name.
    """
    if isinstance(statement, ast.ImportFrom):
        return {alias.name for alias in statement.names if alias.asname in (None, alias.name)}
    targets = getattr(statement, "targets", [getattr(statement, "target", None)])
    return {
        getattr(thing, "name", None) or getattr(thing, "id", None)
        for thing in (statement, *targets)
    } - {None}


def shown_block(root: Path, target: str, language: str = "en") -> str:
    """What stands in the notebook for `# show: target`: where the code lives, then the code."""
    path, source = find_source(root, target)
    module = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    owner = target.removeprefix(module).strip(".").rpartition(".")[0]
    where, of_class = SHOWN_FROM[language]
    return where.format(path) + (of_class.format(owner) if owner else "") + f"\n{source}"


def show(
    course: Course, row: Row, cell_id: str, code: str, language: str = "en"
) -> list[tuple[str, str]]:
    """The pieces of a code cell, as (in the source, in the notebook): the two differ where a `#
    show:` line stands.
    """
    pieces, end = [], 0
    for match in SHOW.finditer(code):
        try:
            block = shown_block(course.root, match[1], language)
        except LessonError as error:
            raise LessonError(
                Problem(course.relative(course.source(row)), cell_id, f"# show: {error}")
            ) from None
        crowded = match.end() + 1 < len(code) and code[match.end() + 1] != "\n"
        pieces += [(code[end : match.start()],) * 2, (match[0], block + "\n" * crowded)]
        end = match.end()
    return [*pieces, (code[end:],) * 2]


def fold(text: str, tags: tuple[str, ...], language: str) -> str:
    heading = next((FOLDED[tag][language] for tag in tags if tag in FOLDED), None)
    return f"<details><summary>{heading}</summary>\n\n{text}\n\n</details>" if heading else text


def unfold(text: str) -> str:
    return re.sub(
        r"\A<details><summary>[^<]*</summary>\n\n(.*)\n\n</details>\s*\Z", r"\1", text, flags=re.S
    )


def lesson_catalogue(course: Course, row: Row) -> Path:
    """The file that holds the Chinese of what stands in the code of a lesson."""
    return course.root / "locale" / "zh" / "lessons" / f"{row.number:02d}.po"


def lesson_entries(course: Course, row: Row) -> dict[str, str]:
    """English -> Chinese of the texts in the code of a lesson, as far as they are translated."""
    path = lesson_catalogue(course, row)
    return _read_once(path, path.stat().st_mtime_ns) if path.exists() else {}


@cache
def _read_once(path: Path, changed: int) -> dict[str, str]:
    return read_catalogue(path)


def code_of(course: Course, row: Row, cell: Cell, language: str) -> str:
    """What stands in the notebook of a language for a code cell; a text that has no Chinese yet
    stays English.
    """
    shown = show(course, row, cell.id, cell.text["en"], language)
    code = "".join(built for _, built in shown)
    return exchange(code, lesson_entries(course, row)) if language == "zh" else code


def language_cell(language: str) -> nbformat.NotebookNode:
    """The first code of a notebook: in which language the library speaks."""
    code = f'use_language("{language}")  # {SPOKEN[language]}'
    return new_code_cell(f"from tutorial_lib.language import use_language\n\n{code}", id="language")


def render(
    course: Course, row: Row, cells: list[Cell], language: str
) -> list[nbformat.NotebookNode]:
    """The cells of the notebook in one language, without outputs.

    A line below the heading of a section says what to run before it.
    """
    title = header(course, row, language) + button_line(course, row, language)
    nodes = [
        new_markdown_cell(title, id="header"),
        *setup_cells(course),
        language_cell(language),
    ]
    predicted = False
    for cell, after in zip(cells, [*cells[1:], None], strict=True):
        meta: dict = {"tags": list(cell.tags)} if cell.tags else {}
        if cell.nbgrader:
            meta["nbgrader"] = cell.nbgrader
        if cell.kind == "prose":
            predicted = "predict" in cell.tags
            nodes.append(
                new_markdown_cell(
                    fold(cell.text[language], cell.tags, language), id=cell.id, metadata=meta
                )
            )
            continue
        if "solution" in cell.tags:
            meta["jupyter"] = {"source_hidden": True, "outputs_hidden": True}
        elif predicted:
            meta["jupyter"] = {"outputs_hidden": True}  # until the reader has predicted it
        predicted = False
        code = code_of(course, row, cell, language)
        if after and after.kind == "prose" and "alt" in after.tags:
            meta["alt"] = " ".join(after.text[language].split())
        nodes.append(new_code_cell(code, id=cell.id, metadata=meta))
    by_id = {node.id: node for node in nodes}
    codes = {cell.id: by_id[cell.id].source for cell in cells if cell.kind == "code"}
    sections = sections_of(cells, codes)
    for place, section in enumerate(sections):
        if line := needs_line(sections, place, language):
            by_id[section.heading].source = HEADING.sub(
                lambda match: f"{match[0]}\n\n{line}",  # noqa: B023
                by_id[section.heading].source,
                count=1,
            )
    return nodes


def digest(value: object) -> str:
    return hashlib.sha256(
        json.dumps(value, sort_keys=True, ensure_ascii=False).encode()
    ).hexdigest()[:16]


def cells_digest(nodes: list[nbformat.NotebookNode]) -> str:
    """Identifies what a person reads in the cells, not their outputs nor what JupyterLab adds when
    it saves.
    """
    return digest(
        [
            [n.cell_type, n.id, n.source, n.metadata.get("tags") or [], n.metadata.get("nbgrader")]
            for n in nodes
        ]
    )


def code_digest(nodes: list[nbformat.NotebookNode]) -> str:
    return digest([node.source for node in lesson_code(nodes)])


def outputs_digest(nodes: list[nbformat.NotebookNode]) -> str:
    """Identifies the outputs; the alt text of pictures does not count, because it differs between
    the languages.
    """
    return digest(
        [
            [
                n.execution_count,
                [{k: v for k, v in o.items() if k != "metadata"} for o in n.outputs],
            ]
            for n in lesson_code(nodes)
        ]
    )


def read_notebook(path: Path) -> nbformat.NotebookNode | None:
    """The notebook in a file, None where there is none; LessonError where it is no notebook."""
    if not path.exists():
        return None
    try:
        return nbformat.reads(path.read_text(encoding="utf-8"), as_version=4)
    except Exception as error:  # nbformat raises many kinds
        raise LessonError(
            f"{path} is not a readable notebook ({type(error).__name__}); delete it and build again"
        ) from None
