"""The rooms of the repository: who may import whom, and how much there is to read."""

import ast
import io
import subprocess
import sys
import tokenize
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# from the ground up; nothing imports upwards
ROOMS = (
    {"tutorial_files"},
    {"tutorial_lib"},
    {"studies", "exercises"},
    {"course", "benchmarks"},
)
FLOORS = (  # of tutorial_lib
    {"errors", "files", "language", "notebook", "process"},
    {"data", "scale", "statistics", "checks", "metrics", "knobs"},
    {"kernels"},
    {"losses"},
    {"config"},
    {"models"},
    {"ranking", "negatives", "evaluate", "checkpoint", "plots", "optim"},
    {"distributed"},
    {"tasks"},
    {"train"},
    {"ratings"},
    {"experiments", "serving"},
)
# what stands on the library that lessons 00 to 23 teach, or serves lesson 24
APART = ("distributed", "experiments", "scale", "serving")
CODE_LINES, FILE_LINES = 5850, 300


def sources(room: str, root: Path = ROOT) -> dict[str, Path]:
    """Dotted name -> file, of every module of a room."""
    found = {}
    for path in sorted((root / room).rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported(text: str, known: set[str]) -> set[str]:
    """The modules among `known` that a text imports, wherever in it, save for type checkers."""
    tree, found = ast.parse(text), set()
    skipped = {
        part
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"
        for part in ast.walk(node)
    }
    for node in ast.walk(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            while name and name not in known:
                name = name.rpartition(".")[0]
            found |= {name} - {""}
    return found


def graph(*rooms: str) -> dict[str, set[str]]:
    files = {name: path for room in rooms for name, path in sources(room).items()}
    return {
        name: imported(path.read_text(encoding="utf-8"), set(files)) - {name}
        for name, path in files.items()
    }


def upwards(imports: dict[str, set[str]], floors: tuple[set[str], ...], depth: int) -> list[str]:
    """Imports of a higher floor; the part number `depth` of a module's name says on which it is."""
    level = {part: number for number, floor in enumerate(floors) for part in floor}

    def floor(module: str) -> int:
        parts = module.split(".")
        if len(parts) <= depth:
            return -1
        assert parts[depth] in level, f"on which floor is {module}? write it into FLOORS"
        return level[parts[depth]]

    return [
        f"{module} imports {other}"
        for module, others in imports.items()
        for other in others
        if floor(other) > floor(module) and len(module.split(".")) > depth
    ]


def test_no_room_imports_a_higher_one():
    rooms = [room for floor in ROOMS for room in floor]
    assert all((ROOT / room / "__init__.py").is_file() for room in rooms)
    assert upwards(graph(*rooms), ROOMS, 0) == []


def test_no_floor_of_the_library_imports_a_higher_one():
    assert upwards(graph("tutorial_lib"), FLOORS, 1) == []


@pytest.mark.parametrize("room", ["tutorial_files", "tutorial_lib", "course", "studies"])
def test_no_circle(room):
    assert list(TopologicalSorter(graph(room)).static_order())  # raises CycleError


def test_planted_imports_are_found():
    known = {
        "tutorial_files.tables",
        "tutorial_lib",
        "tutorial_lib.data.events",
        "tutorial_lib.train",
    }
    texts = {
        "tutorial_files.tables": "def later():\n    from tutorial_lib.data.events import Dataset\n",
        "tutorial_lib.data.events": "import tutorial_lib.train as loop\n",
        "tutorial_lib.train": "from tutorial_lib.data import events\n",
        "tutorial_lib": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import tutorial_lib.train\n",
    }
    imports = {name: imported(text, known) for name, text in texts.items()}
    assert upwards(imports, ROOMS, 0) == ["tutorial_files.tables imports tutorial_lib.data.events"]
    library = {name: found for name, found in imports.items() if "lib" in name}
    assert upwards(library, FLOORS, 1) == ["tutorial_lib.data.events imports tutorial_lib.train"]
    assert imports["tutorial_lib"] == set()
    with pytest.raises(CycleError):
        list(TopologicalSorter(imports).static_order())


def test_files_are_read_without_torch():
    """The floor below the library is loaded in the time that pandas takes."""
    lines = "; ".join(f"import {name}" for name in sources("tutorial_files"))
    heavy = "{'torch', 'tutorial_lib'} & sys.modules.keys()"
    run = subprocess.run(
        [sys.executable, "-c", f"import sys; {lines}; print({heavy})"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert run.stdout.strip() == "set()", run.stdout + run.stderr


def code_lines(text: str) -> int:
    """Lines that hold code: without docstrings, comments and blank lines."""
    lines: set[int] = set()
    layout = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT)
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in (*layout, tokenize.ENDMARKER):
            lines |= set(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(text)):
        kinds = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
        if isinstance(node, kinds) and ast.get_docstring(node) is not None:
            lines -= set(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    return len(lines)


def test_lines_of_code_are_counted_as_the_rule_says():
    text = '"""Two\nlines."""\n\nX = """not a\ndocstring"""  # two\n\n\ndef f():\n    """One."""\n    # why\n    return (\n        X\n    )\n'
    assert code_lines(text) == 2 + 1 + 3


def test_the_library_is_read_in_an_evening():
    """What the lessons teach, `tutorial_lib` without experiments, scale, distributed and serving: at most
    5,850 lines of code of at most 100 characters, and no file above 300 lines in all.
    """
    files = {
        name: path
        for name, path in sources("tutorial_lib").items()
        if not name.startswith(tuple(f"tutorial_lib.{room}" for room in APART))
    }
    total = sum(code_lines(path.read_text(encoding="utf-8")) for path in files.values())
    assert len(files) > 50 and 3000 < total <= CODE_LINES


@pytest.mark.parametrize("room", ["tutorial_files", "tutorial_lib"])
def test_no_file_is_long(room):
    lines = {
        name: path.read_text(encoding="utf-8").count("\n") for name, path in sources(room).items()
    }
    assert [f"{name}: {count}" for name, count in lines.items() if count > FILE_LINES] == []


def test_one_loop_trains_them_all():
    """An optimizer takes its step in `tutorial_lib.train` and nowhere else below the lessons."""
    files = {
        name: path for room in ("tutorial_lib", "studies") for name, path in sources(room).items()
    }
    stepping = [
        name
        for name, path in files.items()
        if "optimizer.step()" in path.read_text(encoding="utf-8")
    ]
    assert stepping == ["tutorial_lib.train"]
