"""Tables of the lessons fit the window of JupyterLab on a laptop of 1,366 pixels."""

import json
import re
from pathlib import Path

import nbformat
import pytest

from tutorial_lib.language import columns

ROOT = Path(__file__).resolve().parents[2]
ROOM = 930  # pixels that an output has in JupyterLab at 1,366, its file browser open: 934
COLUMNS = 118  # characters of the lab's code font, 7.83 pixels wide
TABLE = re.compile(r"\S  +\S")  # a line set in columns; a sentence may be wrapped
LANGUAGES = ("en", "zh")
SHAPES = """() => [...document.querySelectorAll("section")].map(place => [place.id, place.scrollWidth])"""


def outputs(language: str) -> list[tuple[str, dict]]:
    """Lesson and cell, and each of its outputs."""
    found = []
    for path in sorted((ROOT / "notebooks" / language).glob("*.ipynb")):
        for cell in nbformat.read(path, as_version=4).cells:
            found += [(f"{path.stem}/{cell.id}", output) for output in cell.get("outputs", [])]
    return found


def too_long(language: str, given: list[tuple[str, dict]]) -> list[str]:
    """Lines of text that would be wrapped."""
    found = []
    for place, output in given:
        data = output.get("data", {})
        shown = output.get("text", "") or ("" if len(data) > 1 else data.get("text/plain", ""))
        lines = [line for line in shown.splitlines() if TABLE.search(line) and line[:2] != "ok"]
        longest = max(map(columns, lines), default=0)
        if longest > COLUMNS:
            found.append(f"{language}/{place}: {longest} columns")
    return found


@pytest.mark.parametrize("language", LANGUAGES)
def test_printed_lines_fit(language: str) -> None:
    given = outputs(language)
    assert len(given) > 500
    assert not too_long(language, given)
    texts = {"planted": "x  " + "y" * 116, "fits": "字  " + "字" * 57, "sentence": "x " * 99}
    wide = [(place, {"text": text}) for place, text in texts.items()]
    assert too_long(language, wide) == [f"{language}/planted: 119 columns"]


@pytest.mark.thorough
@pytest.mark.parametrize("language", LANGUAGES)
def test_tables_fit(browser, tmp_path: Path, language: str) -> None:
    """In the style sheet of JupyterLab, which its HTML export has, too."""
    from nbconvert import HTMLExporter

    frame = HTMLExporter(template_name="lab", require_js_url="", mathjax_url="")
    page, _ = frame.from_notebook_node(nbformat.v4.new_notebook())
    tables = [
        (place, output["data"]["text/html"])
        for place, output in outputs(language)
        if "text/html" in output.get("data", {})
    ]
    assert len(tables) > 10
    planted = "<table><tr>" + "<td>1234567890</td>" * 20 + "</tr></table>"
    body = "".join(
        f'<section id="{place}" style="width: {ROOM}px; overflow-x: auto"'
        f' class="jp-RenderedHTMLCommon jp-RenderedHTML jp-OutputArea-output">{table}</section>'
        for place, table in [*tables, ("planted", planted)]
    )
    file = tmp_path / "tables.html"
    file.write_text(page.replace("</body>", body + "</body>"), encoding="utf-8")
    window = browser.new_page(viewport={"width": 1366, "height": 768})
    window.route("http*://**", lambda route: route.abort())
    window.goto(file.as_uri(), wait_until="domcontentloaded")
    wide = {place: width for place, width in window.evaluate(SHAPES) if width > ROOM}
    window.close()
    assert wide.pop("planted", 0) > ROOM
    assert not wide, json.dumps(wide, indent=1)
