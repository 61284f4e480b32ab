"""The drawings of the models: what is drawn is there, is readable, is embedded, and is what the code
does.
"""

import ast
import inspect
import re
import sys
import textwrap
import xml.etree.ElementTree as ET
from collections.abc import Callable
from functools import wraps
from importlib import import_module
from pathlib import Path

import pytest
import torch
from torch import nn

from course.format import Cell, read_cells
from course.lessons import load_course
from course.minutes import reading_minutes
from course.prose import compare, take_apart
from notebooks.figures.__main__ import NAMES, drawing, main, prose
from notebooks.figures.draw import LANGUAGES, WIDTH, Drawing, text_width
from notebooks.figures.faults import faults
from tutorial_lib import kernels
from tutorial_lib.models import build_model

ROOT = Path(__file__).resolve().parents[2]
FIGURES = ROOT / "notebooks" / "figures"
SVG = "{http://www.w3.org/2000/svg}"
BOTH = pytest.mark.parametrize(
    ("name", "language"), [(name, language) for name in NAMES for language in LANGUAGES]
)


def test_every_file_has_a_drawing() -> None:
    assert len(NAMES) >= 15
    for language in LANGUAGES:
        assert {path.name for path in (FIGURES / language).glob("*")} == {f"{n}.svg" for n in NAMES}


def test_no_file_is_stale_and_no_drawing_has_a_fault(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check"]) == 0, capsys.readouterr().out


def test_a_stale_file_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("notebooks.figures.__main__.HERE", tmp_path)
    assert main(["attention", "--check"]) == 1
    assert (
        "attention.svg in en/ is stale; run python -m notebooks.figures" in capsys.readouterr().out
    )
    assert not list(tmp_path.rglob("*.svg"))
    assert main(["attention"]) == 0 and main(["attention", "--check"]) == 0
    path = tmp_path / "zh" / "attention.svg"
    assert path.read_bytes() == (FIGURES / "zh" / "attention.svg").read_bytes()
    path.write_text(path.read_text("utf-8").replace("得分", "分数"), "utf-8")
    assert main(["attention", "--check"]) == 1


@BOTH
def test_the_file_is_one_picture_with_title_and_alt_text(name: str, language: str) -> None:
    made = drawing(name, language)
    root = ET.fromstring((FIGURES / language / f"{name}.svg").read_bytes())
    assert root.tag == f"{SVG}svg" and root.get("role") == "img"
    title, words = root.find(f"{SVG}title").text, root.find(f"{SVG}desc").text
    assert title == made("title") and words == made("alt") and len(made.words["alt"][0]) > 200
    assert bool(re.search("[\u4e00-\u9fff]", title + words)) == (language == "zh")
    assert root.get("{http://www.w3.org/XML/1998/namespace}lang")[:2] == language
    assert int(root.get("width")) == WIDTH <= 860  # the column of a page
    sizes = [float(text.get("font-size")) for text in root.iter(f"{SVG}text")]
    assert min(sizes) >= 12
    assert not [node for node in root.iter() if node.get("href") or node.tag.endswith("image")]
    # whoever cannot see it hears every step
    assert set(made.steps) <= {int(number) for number in re.findall(r"(?<!\w)\d+", words)}


@pytest.mark.parametrize("name", NAMES)
def test_both_languages_draw_the_same(name: str) -> None:
    en, zh = (drawing(name, language) for language in LANGUAGES)
    assert en.boxes == zh.boxes and en.lines == zh.lines and en.steps == zh.steps
    assert en.codes == zh.codes and en.codes


def resolved(name: str) -> tuple[object, str]:
    """The object and "", or a class and the name of an attribute that its objects get."""
    parts = name.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            thing: object = import_module(".".join(parts[:cut]))
        except ModuleNotFoundError:
            continue
        break
    else:
        raise LookupError(f"there is no module for {name}")
    for place, part in enumerate(parts[cut:], cut):
        if not hasattr(thing, part) and inspect.isclass(thing) and place == len(parts) - 1:
            assert part in attributes(thing), f"{name}: no object of {thing} has {part}"
            return thing, part
        thing = getattr(thing, part)
    return thing, ""


def attributes(thing: type) -> set[str]:
    """The names that a class or its parents set on self."""
    trees = (
        ast.parse(textwrap.dedent(inspect.getsource(one)))
        for one in thing.__mro__
        if one.__module__.startswith("tutorial_lib")
    )
    return {
        node.attr
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.ctx, ast.Store)
        and isinstance(node.value, ast.Name)
        and node.value.id == "self"
    }


@pytest.mark.parametrize("name", NAMES)
def test_every_name_on_a_box_is_in_the_library(name: str) -> None:
    for code in drawing(name, "en").codes:
        resolved(code)


@pytest.mark.parametrize(
    "name",
    [
        "tutorial_lib.models.sasrec.Block.norm3",
        "tutorial_lib.models.attention.softmax_attention",
        "tutorial_lib.models.transformer.Block",
    ],
)
def test_a_name_that_is_not_there_is_found(name: str) -> None:
    with pytest.raises((AssertionError, AttributeError, LookupError)):
        resolved(name)


# The order of the steps is that of the forward pass

RUNS = {  # a model that takes every step of the drawing; how many of its named steps one can watch
    "block": (("sasrec", {"heads": 2}), 6),
    "sasrec": (("sasrec", {}), 5),
    "tisasrec": (("tisasrec", {}), 9),
    "mhc": (("sasrec_mhc", {}), 3),
    "ssd": (("mamba4rec", {}), 5),
    "tim4rec": (("tim4rec", {"query_time": True}), 8),
    "ss4rec": (("ss4rec", {"query_time": True}), 7),
    "deepm3": (("deepm3", {"flow": "attractor", "query_time": True}), 8),
    "hstu": (("hstu", {"query_time": True}), 7),
}


def first_calls(
    codes: list[str], name: str, options: dict, monkeypatch: pytest.MonkeyPatch
) -> dict[str, int]:
    """When each of these is first called while a model answers: its place among all calls."""
    calls: list[str] = []
    model = build_model(name, num_items=20, max_len=6, dim=8, **options).eval()

    def watched(function: Callable, code: str) -> Callable:
        @wraps(function)
        def call(*args, **given):
            calls.append(code)
            return function(*args, **given)

        return call

    for code in codes:
        thing, attribute = resolved(code)
        last = code.rpartition(".")[2]
        if attribute or inspect.isclass(thing) and issubclass(thing, nn.Module):
            for module in model.modules():
                part = getattr(module, attribute, None) if attribute else module
                if isinstance(module, thing) and isinstance(part, nn.Module):
                    part.register_forward_pre_hook(lambda *_, code=code: calls.append(code))
        elif inspect.isfunction(thing) and "." in thing.__qualname__:
            owner = resolved(code.rpartition(".")[0])[0]
            for child in {type(module) for module in model.modules() if isinstance(module, owner)}:
                monkeypatch.setattr(child, last, watched(getattr(child, last), code))
        elif inspect.isfunction(thing):
            for home in [m for n, m in sys.modules.items() if n.startswith("tutorial_lib.models")]:
                for alias, value in list(vars(home).items()):
                    if value is thing:
                        monkeypatch.setattr(home, alias, watched(thing, code))
    items = torch.tensor([[3, 5, 7, 9], [2, 4, 0, 0]])
    times = torch.tensor([[0, 60, 7200, 90_000], [0, 600, 600, 600]])
    with torch.no_grad(), kernels.use(False):
        model.score(model(items, times, times + 60))
    return {code: calls.index(code) for code in codes if code in calls}


@pytest.mark.parametrize("name", RUNS)
def test_the_steps_are_in_the_order_of_the_forward_pass(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (model, options), watched_steps = RUNS[name]
    pairs = drawing(name, "en").coded_steps
    codes = [code for _, code in pairs]
    once = [(step, code) for step, code in sorted(pairs) if codes.count(code) == 1]
    seen = first_calls([code for _, code in once], model, options, monkeypatch)
    order = [(seen[code], step, code) for step, code in once if code in seen]
    assert len({step for _, step, _ in order}) == watched_steps, f"watched only {order}"
    assert [step for _, step, _ in sorted(order)] == sorted(step for _, step, _ in order), order


# Embedded in the lesson

COURSE = load_course(ROOT)
EMBEDDED = [name for name in NAMES if import_module(f"notebooks.figures.{name}").LESSON is not None]


@pytest.mark.parametrize("name", EMBEDDED)
def test_the_lesson_shows_the_drawing_and_asks_about_it(name: str) -> None:
    number = import_module(f"notebooks.figures.{name}").LESSON
    (row,) = (row for row in COURSE.rows if row.number == number)
    cells, _ = read_cells(COURSE, row)
    (cell,) = (one for one in cells if f"/{name}.svg)" in one.text["en"])
    assert cell.kind == "prose" and not {"exercise", "solution"} & set(cell.tags)
    for language in LANGUAGES:
        text = cell.text[language]
        assert prose(name, language) in text.splitlines(), "python -m notebooks.figures --prose"
        assert re.search("[?？]", re.sub(r"!\[[^\]]*\]\([^)]*\)", "", text)), "asks nothing"


def test_a_drawing_takes_half_a_minute_however_long_its_description() -> None:
    words = "Look at it. ![" + "word " * 300 + "](../figures/en/a.svg)"
    assert reading_minutes(COURSE, [Cell("a", "prose", {"en": words})]) == pytest.approx(
        0.5 + 3 / 150
    )


def test_a_twin_may_show_the_twin_of_a_drawing_and_no_other() -> None:
    en, zh = "A picture. ![x](../figures/en/a.svg)", "一张图。![图](../figures/zh/a.svg)"
    assert compare(en, zh) == []
    assert "picture addresses differ" in compare(en, zh.replace("a.svg", "b.svg"))[0]
    assert take_apart(zh).images == [("图", "../figures/zh/a.svg")]


# What a reader would stumble over

WORDS = {"title": ("A", "甲"), "alt": ("words", "文字"), "long": ("word " * 9, "字" * 20)}


def clean() -> Drawing:
    made = Drawing("test", "en", WORDS, used={"title", "alt", "long"})
    column = made.column(200, 60, 120)
    column.box("first", step=1, gives="[B, L]")
    column.box("second", step=2)
    return made


def test_a_clean_drawing_has_no_fault() -> None:
    assert list(faults(clean())) == []


@pytest.mark.parametrize(
    ("plant", "fault"),
    [
        (lambda d: d.box(400, 60, 60, d("long")), "which its box does not hold"),
        (lambda d: d.text(400, 70, "x" * 90), "which its box does not hold"),
        (lambda d: d.text(200, 90, "here"), "lies on a box"),
        (lambda d: d.text(200, 110, "here"), "lies on an arrow"),
        (lambda d: d.text(215, 111, "there"), "overlap"),
        (lambda d: d.text(400, 70, "tiny", size=11), "smaller than 12 px"),
        (lambda d: d.box(230, 70, 90, "third"), "boxes"),
        (lambda d: d.arrow((100, 75), (400, 75)), "runs through the box"),
        (lambda d: d.arrow((150, 108), (300, 108)), "cross"),
        (lambda d: d.arrow((300, 60), (320, 90)), "neither level nor upright"),
        (lambda d: d.step(400, 60, 4), "number them 1, 2, 3"),
        (lambda d: d.used.discard("long"), "long are not drawn"),
        (lambda d: d.step(145, 65, 2), "lie on each other"),
        (lambda d: d.group(300, 60, 100, 40) or d.text(400, 90, "edge"), "outline of a group"),
    ],
)
def test_a_planted_fault_is_found(plant: Callable, fault: str) -> None:
    made = clean()
    plant(made)
    assert any(fault in sentence for sentence in faults(made)), list(faults(made))


def test_widths() -> None:
    assert text_width("图图", 13) == 26
    assert text_width("`ab`", 10) == pytest.approx(12.04, abs=0.05)  # 0.602 of the size a letter
    assert text_width("x_{i}", 10) < text_width("xi", 10) < text_width("xi", 10, bold=True)
