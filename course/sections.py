"""What each section of a lesson needs: the earlier sections that must run before its cells can.

A section is a second-level heading with the cells below it. The set-up is the first section that
has code (imports, data and settings); every other section needs it. Beside it a section needs the
last earlier section that gives a name that it reads, the sections in between that change what the
name holds (`x[0] = 1`, `x.a = 1`, `x.append(1)`), and whatever these need. A function reads and
changes the names of the notebook where it is used. What a called function does to its arguments
cannot be seen in the code: `course.again` therefore runs every section so, and all its checks must
hold.
"""

from __future__ import annotations

import ast
import dis
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import CodeType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from course.format import Cell

HEADING = re.compile(r"^## +(.+?) *$", re.M)
METHODS = ("add", "append", "extend", "insert", "pop", "remove", "setdefault", "update")
NEEDS = re.compile(
    r"\n\n<small>(?:To start here|从本节开始)[^\n]*</small>"
)  # as `needs_line` writes
SAID = {
    "en": (
        "To start here, first run all cells above.",
        "To start here, first run all cells above, except those of {}.",
        "To start here, first run the set-up at the top, then the cells of {}.",
    ),
    "zh": (
        "从本节开始学时，请先运行前面的所有单元格。",
        "从本节开始学时，请先运行前面的所有单元格（{}除外）。",
        "从本节开始学时，请先运行开头的准备单元格，再运行{}的单元格。",
    ),
}


@dataclass
class Section:
    """A heading (its cell and its text by language; none before the first heading), and the code
    below it as pairs of cell id and code.
    """

    heading: str = ""
    title: dict[str, str] = field(default_factory=dict)
    code: list[tuple[str, str]] = field(default_factory=list)
    needs: tuple[int, ...] = ()  # places of the sections to run before, in order


@dataclass
class Names:
    """What code does with the names of the notebook."""

    reads: set[str] = field(default_factory=set)  # before the code itself gives them
    gives: set[str] = field(default_factory=set)
    changes: set[str] = field(default_factory=set)
    inside: dict[str, set[str]] = field(default_factory=dict)  # function -> what its body reads
    effects: dict[str, set[str]] = field(default_factory=dict)  # function -> what it changes


def names_of(codes: Sequence[str]) -> Names:
    """What the cells of one section, run in order, do with names."""
    found = Names()
    for code in codes:
        try:
            tree = ast.parse(code)
        except SyntaxError:  # a command of IPython; `course.build check` says so where it is wrong
            continue
        for step in dis.get_instructions(compile(tree, "cell", "exec", dont_inherit=True)):
            if step.opname in ("LOAD_NAME", "DELETE_NAME") and step.argval not in found.gives:
                found.reads.add(step.argval)
            elif step.opname == "STORE_NAME":
                found.gives.add(step.argval)
            elif isinstance(step.argval, CodeType):
                inner = step.argval
                found.inside.setdefault(inner.co_name, set()).update(_globals(inner))
        for statement in tree.body:
            changed = set(_changed(statement))
            if isinstance(statement, ast.FunctionDef):
                found.effects[statement.name] = changed & found.inside[statement.name]
            else:
                found.changes |= changed
    for read in found.inside.values():
        found.reads |= read - found.gives
    return found


def _changed(statement: ast.stmt) -> Iterator[str]:
    """The names whose objects a statement changes where the syntax shows it."""
    for node in ast.walk(statement):
        place: ast.expr | None = None
        if isinstance(node, (ast.Subscript, ast.Attribute)) and isinstance(node.ctx, ast.Store):
            place = node
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") in METHODS:
            place = node.func
        while isinstance(place, (ast.Subscript, ast.Attribute)):
            place = place.value
        if isinstance(place, ast.Name):
            yield place.id


def _globals(code: CodeType) -> Iterator[str]:
    """The names of the notebook that the body of a function, class or comprehension reads."""
    for step in dis.get_instructions(code):
        if step.opname in ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"):
            yield step.argval
        elif isinstance(step.argval, CodeType):
            yield from _globals(step.argval)


def sections_of(cells: Sequence[Cell], codes: Mapping[str, str]) -> list[Section]:
    """The sections of a lesson with what they need. codes: cell id -> the code that runs (library
    code stands there in place of a `# show:` line).
    """
    sections = [Section()]
    for cell in cells:
        if cell.kind == "code":
            sections[-1].code.append((cell.id, codes[cell.id]))
        elif HEADING.search(cell.text["en"]):
            headings = {language: HEADING.search(text) for language, text in cell.text.items()}
            title = {language: found[1] if found else "" for language, found in headings.items()}
            sections.append(Section(cell.id, title))
    names = [names_of([code for _, code in section.code]) for section in sections]
    for place, found in enumerate(names):
        for read in _with_functions(names, place):
            giver = next((n for n in reversed(range(place + 1)) if read in names[n].gives), None)
            found.changes |= names[giver].effects.get(read, set()) if giver is not None else set()
    setup = next((place for place, section in enumerate(sections) if section.code), 0)
    for place, section in enumerate(sections):
        if not section.code or place == setup:
            continue
        needs = {setup}
        for name in _with_functions(names, place):
            givers = [n for n in range(place) if name in names[n].gives]
            if givers:
                needs.add(givers[-1])
                needs |= {n for n in range(givers[-1], place) if name in names[n].changes}
        for need in sorted(needs):
            needs |= set(sections[need].needs)
        section.needs = tuple(sorted(needs))
    return sections


def _with_functions(names: list[Names], place: int) -> set[str]:
    """The names that a section reads, with those that the earlier functions it uses read in turn."""
    todo, seen = list(names[place].reads), set()
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            giver = next((n for n in reversed(range(place)) if name in names[n].gives), None)
            if giver is not None:
                todo += names[giver].inside.get(name, ())
    return seen


def needs_line(sections: Sequence[Section], place: int, language: str) -> str:
    """What a reader runs before the cells of this section, in one sentence, for below its heading;
    nothing where the set-up, or reading, is enough.
    """
    setup, *needs = sections[place].needs or (0,)
    if not needs:
        return ""
    left_out = [n for n in range(setup + 1, place) if sections[n].code and n not in needs]

    def named(places: Sequence[int]) -> str:
        titles = [f"“{sections[n].title[language]}”" for n in places]
        if language == "zh":
            return "".join(titles) + ("各节" if len(titles) > 1 else "一节")
        return " and ".join([", ".join(titles[:-1]), titles[-1]]) if titles[1:] else titles[0]

    all_above, except_for, after_setup = SAID[language]
    if not left_out:
        said = all_above
    elif len(left_out) < len(needs) - 1:
        said = except_for.format(named(left_out))
    else:
        said = after_setup.format(named(needs))
    return f"<small>{said}</small>"
