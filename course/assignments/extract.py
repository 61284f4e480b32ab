"""The exercises of the lessons, cut out of their sources: task, stub, solution, checker, and the
lesson code they rest on.

An exercise is what stands in a lesson as `exerciseN` (prose), `exerciseN-code` (a stub that ends
with the call of its checker) and `exerciseN-solution`. The lesson code that its solution needs is
found by following names backwards through the lesson, so that an assignment carries the few lines
it needs and never the training runs that it does not.
"""

from __future__ import annotations

import ast
import builtins
import re
import symtable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

from course.format import SHOW, Cell, read_lesson  # noqa: E402
from course.lessons import LANGUAGES, Course, LessonError, Problem, Row  # noqa: E402

# methods that change their object
CHANGES = {"add", "append", "extend", "insert", "setdefault", "update", "manual_seed"}


@dataclass(frozen=True)
class Exercise:
    """One exercise of a lesson."""

    number: str  # "04.1"
    lesson: Row
    task: dict[str, str]  # the question in both languages
    stub: str  # what the student starts from, without the call of the checker
    solution: str  # what the instructor sees, without the call of the checker and what follows it
    checker: str  # "lesson04.check_weights"
    answer: str  # the name that the checker is called with: "my_weights"

    @property
    def id(self) -> str:
        return "exercise-" + self.number.replace(".", "-")

    @property
    def check(self) -> str:
        return f"{self.checker}({self.answer})"


@dataclass(frozen=True)
class Statement:
    """A top-level statement of a lesson: its text and the names that it binds, changes and reads."""

    text: str
    binds: frozenset[str]
    changes: frozenset[str]
    reads: frozenset[str]
    kind: str  # "import" | "definition" | "other"


READ: dict[Path, tuple[float, list[Cell]]] = {}


def lesson_cells(course: Course, row: Row) -> list[Cell]:
    """The cells of a lesson; read once, as every problem set comes back to them."""
    path = course.source(row)
    changed = path.stat().st_mtime
    if READ.get(path, (None,))[0] != changed:
        READ[path] = changed, read_lesson(course, row)
    return READ[path][1]


def exercises_of(course: Course, row: Row) -> list[Exercise]:
    """All exercises of a lesson, in order; raises LessonError naming all that cannot be handed
    out.
    """
    cells = {cell.id: cell for cell in lesson_cells(course, row)}
    found, problems = [], []
    for name, cell in cells.items():
        if "exercise" not in cell.tags or (
            name.endswith("-code") and "exercise" in getattr(cells.get(name[:-5]), "tags", ())
        ):
            continue
        try:
            found.append(_exercise(course, row, cells, name))
        except LessonError as error:
            problems += error.problems
    if problems:
        raise LessonError(*problems)
    return found


def _exercise(course: Course, row: Row, cells: dict[str, Cell], name: str) -> Exercise:
    file, match = course.relative(course.source(row)), re.fullmatch(r"exercise(\d+)", name)
    if match is None or cells[name].kind != "prose":
        raise LessonError(
            Problem(
                file,
                name,
                "makes no assignment; give an exercise the prose pair exerciseN and the code cells"
                " exerciseN-code and exerciseN-solution, where N is its number",
            )
        )
    parts = [cells.get(f"{name}-{part}") for part in ("code", "solution")]
    if None in parts:
        raise LessonError(Problem(file, name, f"needs the cells {name}-code and {name}-solution"))
    number = f"{row.number:02d}.{match[1]}"
    task = {language: _task(course, row, cells[name], match[1], language) for language in LANGUAGES}
    stub, call = _before_check(course, row, parts[0])
    solution, same = _before_check(course, row, parts[1])
    if ast.dump(call) != ast.dump(same):
        raise LessonError(Problem(file, f"{name}-solution", "calls another checker than its stub"))
    return Exercise(number, row, task, stub, solution, ast.unparse(call.func), call.args[0].id)


def _task(course: Course, row: Row, cell: Cell, place: str, language: str) -> str:
    """The question, from its bold number on: what stands before belongs to the lesson ("##
    Exercises ...").
    """
    start = cell.text[language].find(f"**{row.number}.{place} ")
    if start < 0:
        raise LessonError(
            Problem(
                course.relative(course.source(row)),
                cell.id,
                f"must begin its question with **{row.number}.{place} ...**",
            )
        )
    return cell.text[language][start:]


def _before_check(course: Course, row: Row, cell: Cell) -> tuple[str, ast.Call]:
    """The code before the line `lessonNN.check_...(answer)`, and that call."""
    text = cell.text["en"]
    try:
        body = ast.parse(text).body
    except SyntaxError as error:
        raise LessonError(
            Problem(
                course.relative(course.source(row)),
                cell.id,
                f"is not plain Python (line {error.lineno}); mend it, and leave % commands out",
            )
        ) from None
    for node in body:
        call = node.value if isinstance(node, ast.Expr) else None
        if (
            isinstance(call, ast.Call)
            and re.fullmatch(rf"lesson{row.number:02d}\.check_\w+", ast.unparse(call.func))
            and len(call.args) == 1
            and isinstance(call.args[0], ast.Name)
        ):
            return "\n".join(text.splitlines()[: node.lineno - 1]).rstrip(), call
    raise LessonError(
        Problem(
            course.relative(course.source(row)),
            cell.id,
            f"needs a line lesson{row.number:02d}.check_...(name of the answer)",
        )
    )


def setup_code(course: Course, row: Row, exercises: list[Exercise]) -> tuple[str, str]:
    """The imports of the lesson, and those of its statements on which these exercises rest, in the
    order of the lesson.
    """
    cells = lesson_cells(course, row)
    first = next(place for place, cell in enumerate(cells) if "exercise" in cell.tags)
    statements = [
        one
        for cell in cells[:first]
        if cell.kind == "code"
        for one in _statements(course.root, cell.text["en"])
    ]
    wanted: set[str] = set()
    for exercise in exercises:
        # what an exercise has defined itself it does not take from the lesson
        own: set[str] = set()
        for one in _statements(
            course.root, f"{exercise.stub}\n{exercise.solution}\n{exercise.check}"
        ):
            wanted |= one.reads - own - one.binds if one.kind == "definition" else one.reads - own
            own |= one.binds
    questions = "\n".join(exercise.task["en"] for exercise in exercises)
    spans = set(re.findall(r"`(\w+)(?:\([^`]*\))?`", questions)) - set(
        re.findall(r"without looking at `(\w+)`", questions)
    )
    wanted |= {
        name
        for name in spans
        if any(name in one.binds and one.kind == "definition" for one in statements)
    }
    needed = _needed(statements, wanted)
    imports = dict.fromkeys(
        line for one in statements if one.kind == "import" for line in one.text.splitlines()
    )
    return "\n".join(imports), "\n".join(_spaced([statements[place] for place in sorted(needed)]))


def _needed(statements: list[Statement], wanted: set[str]) -> set[int]:
    """Places of the statements that the wanted names rest on, directly or through others."""
    needed: set[int] = set()
    todo = [(name, len(statements)) for name in sorted(wanted)]
    while todo:
        name, limit = todo.pop()
        bound = [place for place in range(limit) if name in statements[place].binds]
        if not bound or statements[bound[-1]].kind == "import":
            continue
        changed = [place for place in range(bound[-1], limit) if name in statements[place].changes]
        for place in {bound[-1], *changed} - needed:
            needed.add(place)
            # what a function reads is looked up when it is called
            late = statements[place].kind == "definition"
            todo += [
                (read, len(statements) if late else place)
                for read in sorted(statements[place].reads - {name})
            ]
            todo += [(name, place)] if name in statements[place].reads and not late else []
    return needed


def _spaced(statements: list[Statement]) -> list[str]:
    lines = []
    for one, before in zip(statements, [None, *statements], strict=False):
        if before and "definition" in (one.kind, before.kind):
            lines += ["", ""]
        lines.append(one.text)
    return lines


@cache
def _statements(root: Path, code: str) -> tuple[Statement, ...]:
    """The top-level statements of a cell; a `# show:` line stands for the import of what it shows."""
    code = SHOW.sub(lambda match: _import_of(root, match[1]), code)
    lines, found = code.splitlines(), []
    for node in ast.parse(code).body:
        start = min(
            [node.lineno, *(decorator.lineno for decorator in getattr(node, "decorator_list", []))]
        )
        text = "\n".join(lines[start - 1 : node.end_lineno])
        scope = symtable.symtable(text, "lesson", "exec")
        binds = {
            name.get_name()
            for name in scope.get_symbols()
            if name.is_assigned() or name.is_imported()
        }
        reads = {
            name.get_name() for name in scope.get_symbols() if name.is_referenced()
        } | _globals(scope)
        kind = "import" if isinstance(node, ast.Import | ast.ImportFrom) else "other"
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            kind = "definition"
        grown = {
            one.target.id
            for one in ast.walk(node)
            if isinstance(one, ast.AugAssign) and isinstance(one.target, ast.Name)
        }
        # a loop sets its own names before it reads them, unless it adds to them
        if kind == "other" and hasattr(node, "body"):
            reads -= binds
        reads |= grown & binds
        changes = set() if kind == "definition" else set(map(_changed, ast.walk(node))) - {None}
        found.append(
            Statement(text, *map(frozenset, (binds, changes, reads - set(dir(builtins)))), kind)
        )
    return tuple(found)


def _globals(scope: symtable.SymbolTable) -> set[str]:
    """Names of the module that functions, classes and comprehensions inside a scope read."""
    found = set()
    for inner in scope.get_children():
        found |= {
            name.get_name()
            for name in inner.get_symbols()
            if name.is_global() and name.is_referenced()
        } | _globals(inner)
    return found


def _changed(node: ast.AST) -> str | None:
    """The name whose object a node changes: `x[i] = ...`, `x.part = ...`, `x.append(...)`."""
    if isinstance(node, ast.Subscript | ast.Attribute) and isinstance(node.ctx, ast.Store):
        target = node.value
    elif (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in CHANGES
    ):
        target = node.func.value
    else:
        return None
    while isinstance(target, ast.Subscript | ast.Attribute):
        target = target.value
    return target.id if isinstance(target, ast.Name) else None


def _import_of(root: Path, target: str) -> str:
    """`from module import name` for what a lesson shows; nothing for a method, which comes with its
    class.
    """
    module, _, name = target.rpartition(".")
    stem = root.joinpath(*module.split("."))
    return (
        f"from {module} import {name}"
        if stem.with_suffix(".py").is_file() or (stem / "__init__.py").is_file()
        else ""
    )
