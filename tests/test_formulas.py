"""From a formula in a lesson to the line that computes it, and from there to the paper."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LIBRARY = ROOT / "tutorial_lib"
FILES = [*(LIBRARY / "models").glob("*.py"), *(LIBRARY / "kernels").glob("*.py")]
FILES = sorted([*FILES, LIBRARY / "losses.py"])
LESSONS = sorted((ROOT / "notebooks" / "source").glob("*.py"))
LESSONS = [path for path in LESSONS if 6 <= int(path.name[:2]) <= 17]
WITHOUT_FORMULAS = {"models/__init__.py", "kernels/__init__.py", "kernels/gradient.py"}
LINK = re.compile(r"\[`(tutorial_lib[.\w]+)`\]\(\.\./\.\./(\S+\.py)\)")
DEFINITION = "<!-- definition -->"  # no function of the library computes it
LESSON = re.compile(
    r"(?:[Tt]aught|Shown|Used)[^.]* lessons? ((?:\d\d(?:, | and | to )?)+)|from lesson \d\d"
)
LETTERS = re.compile(r"^ *letter +meaning .*\bin (?:the|their|SASRec's) (?:papers?|code)", re.M)
SOURCE = re.compile(r"\bSources?\b|\b(?:19|20)\d\d\b|fast forms? of")
PLACE = re.compile(
    r"\b[Ss]ections? |\b[Ee]q\. |\b[Aa]lgorithm\s+\d|\b[Aa]ppendix |\b(?:19|20)\d\d\b"
)


def cells_of(text: str) -> list[tuple[str, str]]:
    """(head, text) of the cells of a source."""
    parts = re.split(r"^# %% ?", text, flags=re.M)[1:]
    return [(part.partition("\n")[0], part.partition("\n")[2]) for part in parts]


def unnamed(text: str) -> list[str]:
    """The prose cells with a formula whose function neither they nor the next pair name."""
    prose = [cell for cell in cells_of(text) if "lang=" in cell[0]]
    found = []
    for (head, body), later in zip(prose, [*(b for _, b in prose[2:]), "", ""], strict=True):
        if "$$" in body and not (LINK.search(body + later) or DEFINITION in body):
            found.append(re.search(r'id="([^"]+)"', head)[1])
    return found


def named(text: str) -> list[tuple[str, str]]:
    """(object, file) of the links in prose cells with a formula."""
    return [
        link
        for head, body in cells_of(text)
        if "lang=" in head and "$$" in body
        for link in LINK.findall(body)
    ]


def docstring(name: str, file: str, root: Path = ROOT) -> str:
    """Of `tutorial_lib.module.Class.method`, which must stand in that file."""
    module = file.removesuffix(".py").replace("/", ".")
    assert name.startswith(module + "."), f"{name} does not stand in {file}"
    node = ast.parse((root / file).read_text(encoding="utf-8"))
    for part in name.removeprefix(module + ".").split("."):
        found = [n for n in node.body if getattr(n, "name", None) == part]
        assert found, f"{file} has no {part}"
        (node,) = found
    return ast.get_docstring(node) or ""


def lacks(text: str, lesson: int) -> list[str]:
    """What the docstring of a function that a formula of a lesson names does not say."""
    numbers = " ".join(match[1] or "" for match in LESSON.finditer(text))
    faults = [] if PLACE.search(text) else ["paper and section or equation"]
    return faults + ([] if f"{lesson:02d}" in re.findall(r"\d\d", numbers) else ["the lesson"])


def unsaid(text: str) -> list[str]:
    """What a file of formulas does not say, for all that is in it."""
    tree = ast.parse(text)
    about = ast.get_docstring(tree) or ""
    faults = [] if LESSON.search(about.replace("\n", " ")) else ["the lesson"]
    faults += [] if SOURCE.search(about) else ["the source"]
    public = [
        node
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
    ]
    return faults + [node.name for node in public if not ast.get_docstring(node)]


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_every_formula_names_its_function(path):
    text = path.read_text(encoding="utf-8")
    assert unnamed(text) == []
    for name, file in named(text):
        assert lacks(docstring(name, file).replace("\n", " "), int(path.name[:2])) == [], name


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_every_file_of_formulas_names_lesson_and_source(path):
    faults = unsaid(path.read_text(encoding="utf-8"))
    if path.relative_to(LIBRARY).as_posix() in WITHOUT_FORMULAS:
        faults = [fault for fault in faults if fault not in ("the lesson", "the source")]
    assert faults == []


MODELS = [path for path in FILES if path.parent.name == "models" and path.stem != "__init__"]


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_every_model_says_what_its_letters_mean(path):
    about = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    table = LETTERS.search(about + "\n")
    assert table and len(about[table.end() :].partition("\n\n")[0].split("\n")) > 1


def test_the_lessons_do_have_formulas():
    assert len(LESSONS) == 12 and all(named(p.read_text(encoding="utf-8")) for p in LESSONS)


PAIR = '# %% [markdown] id="x-en" lang="en"\n# $$y = 2x$$\n#\n# {}\n\n# %% [markdown] id="x-zh" lang="zh"\n# $$y = 2x$$\n#\n# {}\n'
NAMED = "[`tutorial_lib.models.ode.rk4_step`](../../tutorial_lib/models/ode.py)"


@pytest.mark.parametrize(
    ("first", "second", "found"),
    [
        (NAMED, NAMED, []),
        (DEFINITION, DEFINITION, []),
        ("It doubles.", NAMED, ["x-en"]),
        (NAMED, DEFINITION.replace("definition", "literature"), ["x-zh"]),
        ("`tutorial_lib.models.ode.rk4_step`", NAMED, ["x-en"]),
    ],
)
def test_a_formula_without_its_function_is_found(first, second, found):
    assert unnamed(PAIR.format(first, second)) == found
    after = '# %% [markdown] id="y-{0}" lang="{0}"\n# See ' + NAMED + ".\n"
    assert unnamed(PAIR.format(first, second) + after.format("en") + after.format("zh")) == []


def test_a_docstring_that_says_too_little_is_found():
    good = docstring("tutorial_lib.models.ode.rk4_step", "tutorial_lib/models/ode.py")
    good = good.replace("\n", " ")
    assert lacks(good, 14) == [] and lacks(good, 15) == ["the lesson"]
    assert lacks("Order 4. Taught in lesson 14.", 14) == ["paper and section or equation"]
    assert lacks("A method of Hairer, section II.1.", 14) == ["the lesson"]
    with pytest.raises(AssertionError, match="has no rk5_step"):
        docstring("tutorial_lib.models.ode.rk5_step", "tutorial_lib/models/ode.py")
    with pytest.raises(AssertionError, match="does not stand in"):
        docstring("tutorial_lib.models.ode.rk4_step", "tutorial_lib/models/ssm.py")
    bare = '"""Solvers."""\n\n\ndef step(z):\n    return z\n'
    assert unsaid(bare) == ["the lesson", "the source", "step"]
