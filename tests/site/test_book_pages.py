"""The pages of the book without a browser: what is in them, what they link to, what they weigh."""

import csv
import json
import re
import zipfile
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from course import buttons
from course.lessons import LANGUAGES, LessonError, load_course
from course.site import collect
from course.site.build import ROOT, Edition, build, editions, hero, templates, write_edition
from course.site.notebook import Cell
from course.site.render import Pictures, Renderer

WORDS = collect.read_toml(ROOT / "site" / "words.toml")


class Page(HTMLParser):
    """Addresses, names and loaded files of a page."""

    def __init__(self, text: str):
        super().__init__()
        self.links, self.names, self.loads, self.pictures = [], set(), [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        held = dict(attributes)
        if "id" in held:
            assert held["id"] not in self.names, f"two elements are called {held['id']}"
            self.names.add(held["id"])
        if tag == "a":
            self.links.append(held["href"])
        if tag in ("img", "script", "link") and (held.get("src") or held.get("href")):
            self.loads.append(held.get("src") or held["href"])
        if tag == "img":
            self.pictures.append(held)


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[str, Page]:
    found = {}
    for path in sorted(site.rglob("*.html")):
        try:
            found[path.relative_to(site).as_posix()] = Page(path.read_text(encoding="utf-8"))
        except AssertionError as error:
            raise AssertionError(f"{path}: {error}") from None
    return found


def cell(source: str, kind: str = "markdown", tags: tuple = (), outputs: tuple = (), **metadata):
    return Cell("here", kind, source, tags, metadata, outputs, {})


def stream(text: str) -> dict:
    return {"output_type": "stream", "text": text, "data": {}}


def renderer(address=lambda link: link) -> Renderer:
    return Renderer(WORDS["en"], Pictures(), address)


def show(*cells: Cell) -> str:
    return renderer().notebook(list(cells), Path()).html


def test_both_languages_have_the_same_pages(pages):
    english, chinese = (
        {name[3:] for name in pages if name.startswith(f"{lang}/")} for lang in LANGUAGES
    )
    assert english == chinese
    lessons = {f"{row.name}.html" for row in load_course(ROOT).written()}
    assert (
        lessons
        | {
            "index.html",
            "setup.html",
            "glossary.html",
            "exercises.html",
            "results.html",
            "search.html",
        }
        <= english
    )


def test_every_link_inside_the_book_leads_somewhere(pages, site):
    lost = []
    for name, page in pages.items():
        folder = (site / name).parent
        for link in [*page.links, *page.loads]:
            if re.match(r"https?:|data:|mailto:", link):
                continue
            target, _, anchor = link.partition("#")
            path = (folder / target).resolve() if target else site / name
            if not path.is_file():
                lost.append(f"{name}: {link}")
            elif anchor and path.suffix == ".html":
                known = pages[path.relative_to(site.resolve() if target else site).as_posix()].names
                if anchor not in known:
                    lost.append(f"{name}: {link} (no such place)")
    assert not lost, "\n".join(lost[:40])


def test_nothing_is_loaded_from_elsewhere(pages, site):
    for name, page in pages.items():
        foreign = [link for link in page.loads if re.match(r"(https?:)?//", link)]
        assert not foreign, f"{name} loads {foreign}"
    for style in (site / "assets").glob("*.css"):
        addresses = re.findall(r"url\((?!data:)([^)]*)\)", style.read_text(encoding="utf-8"))
        assert not addresses, f"{style.name} loads {addresses}"


def test_every_picture_has_a_description_and_keeps_its_place(pages):
    for name, page in pages.items():
        for picture in page.pictures:
            assert len(picture["alt"]) > 20, f"{name}: {picture['src']}"
            assert "width" in picture and "height" in picture, f"{name}: {picture['src']}"


def weight(site: Path, name: str, page: Page, pictures: bool = True) -> int:
    files = {site / name} | {
        ((site / name).parent / link).resolve()
        for link in page.loads
        if not link.startswith("data:") and not link.endswith(".html")
    }
    return sum(
        path.stat().st_size
        for path in files
        if pictures or path.suffix not in (".png", ".svg", ".jpg")
    )


def test_pages_are_light(pages, site):
    for language in LANGUAGES:
        first = f"{language}/index.html"
        assert weight(site, first, pages[first], pictures=False) < 300_000
    for name, page in pages.items():
        assert weight(site, name, page) < 1_500_000, name
    for language in LANGUAGES:  # loaded when somebody searches
        assert (site / language / "search-index.js").stat().st_size < 1_500_000


def test_sections_have_the_same_names_in_both_languages(pages):
    for name in pages:
        if re.match(r"en/\d\d_", name):
            assert pages[name].names == pages[name.replace("en/", "zh/", 1)].names, name


def test_the_words_of_the_frame_are_the_same_list_in_both_languages():
    assert WORDS["en"].keys() == WORDS["zh"].keys()
    for key, text in WORDS["zh"].items():
        assert re.findall(r"\{\w+\}", text) == re.findall(r"\{\w+\}", WORDS["en"][key]), key


def test_outputs_after_a_prediction_are_folded_until_the_next_prose():
    page = show(
        cell("**Predict.** How many?", tags=("predict",)),
        cell("print(1)", "code", outputs=(stream("first"),)),
        cell(
            "<details><summary>The picture in words</summary>\n\nA line.\n\n</details>",
            tags=("alt",),
        ),
        cell("print(2)", "code", outputs=(stream("second"),)),
        cell("So it was two."),
        cell("print(3)", "code", outputs=(stream("third"),)),
    )
    folded = re.findall(r'<details class="outputs">.*?</details>', page, re.S)
    assert len(folded) == 2 and "first" in folded[0] and "second" in folded[1]
    assert "third" in page and page.count("third") == 1
    assert 'class="box predict"' in page


def test_solutions_are_folded_with_their_outputs_and_prose():
    page = show(cell("x = 41", "code", ("solution",), (stream("right"),)))
    (folded,) = re.findall(r'<details class="solution">.*?</details>', page, re.S)
    assert "41" in folded and "right" in folded
    page = show(cell("Because of the mask.", tags=("solution",)))
    assert re.search(r"<details class=\"solution\">.*Because.*</details>", page, re.S)


def test_what_a_notebook_hides_is_folded():
    page = show(
        cell(
            "draw()",
            "code",
            (),
            (stream("7"),),
            jupyter={"source_hidden": True, "outputs_hidden": True},
        )
    )
    assert (
        page.index('class="source"')
        < page.index("draw")
        < page.index('class="outputs"')
        < page.index("7</pre>")
    )


def test_formulas_code_and_html_are_escaped():
    page = show(
        cell("Let $a < b$ and\n\n$$x_1 & y$$\n\nfor `c < d`."),
        cell('s = "<b>"', "code", (), (stream("<i> ok"),)),
    )
    assert '<span class="math">a &lt; b</span>' in page
    assert '<div class="math display">x_1 &amp; y</div>' in page
    assert "<code>c &lt; d</code>" in page and "&lt;b&gt;" in page and "&lt;i&gt; ok" in page


def test_pictures_are_stored_once_with_their_size_and_words():
    png = "iVBORw0KGgoAAAANSUhEUgAAAAIAAAADCAAAAAC4HznGAAAAC0lEQVR4nGNgQAAAAAwAAc0AAAAASUVORK5CYII="
    output = {
        "output_type": "display_data",
        "text": "",
        "data": {"image/png": png, "text/plain": "<Figure>"},
        "metadata": {"image/png": {"alt": 'a "line"'}},
    }
    tool = renderer()
    page = tool.notebook([cell("plot()", "code", (), (output, output))], Path()).html
    assert len(tool.pictures.files) == 1
    assert page.count('alt="a &quot;line&quot;" width="2" height="3"') == 2


def test_a_drawing_keeps_its_place_and_its_words(tmp_path):
    svg = '<svg xmlns="http://www.w3.org/2000/svg" width="640" height="33.6" viewBox="0 0 640 34"/>'
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "block.svg").write_text(svg)
    tool = renderer()
    page = tool.prose("![Step 1: norm.](../figures/block.svg)", "x", tmp_path / "figures")[0]
    (name,) = tool.pictures.files
    assert f'src="../images/{name}" alt="Step 1: norm." width="640" height="34"' in page
    with pytest.raises(LessonError, match="figures/none.svg, a picture named in .* does not exist"):
        tool.prose("![x](../figures/none.svg)", "x", tmp_path / "figures")


def test_a_heading_is_known_by_the_name_of_its_cell():
    page = renderer().notebook([cell("## First\n\n### Second $x$\n\nText with *term*.")], Path())
    assert re.findall(r'id="([^"]+)"', page.html) == ["here", "here-2"]
    assert page.contents[1] == (3, "here-2", 'Second <span class="math">x</span>')
    assert page.sections[2].key == ["term"] and page.sections[2].text == ["Text with term."]


def edition(**links: str) -> Edition:
    book = editions(ROOT)[0]
    book.links = replace(book.links, **links)
    return book


def test_links_of_notebooks_become_links_of_pages():
    book = edition(owner="", repository="")
    assert book.address("07_sasrec.ipynb#mask") == "07_sasrec.html#mask"
    assert book.address("../zh/07_sasrec.ipynb") == "../zh/07_sasrec.html"
    assert book.address("https://arxiv.org/abs/1808.09781") == "https://arxiv.org/abs/1808.09781"
    assert book.address("99_missing.ipynb") is None
    assert book.address("../../data/README.md") is None
    book = edition(owner="ada", repository="time")
    assert (
        book.address("../../data/README.md")
        == "https://github.com/ada/time/blob/main/data/README.md"
    )
    assert "link" in book.renderer.prose("[link](99_missing.ipynb)", "x", Path())[0]
    assert "<a" not in book.renderer.prose("[link](99_missing.ipynb)", "x", Path())[0]


def test_buttons_and_edit_link_appear_with_owner_and_repository(site, tmp_path):
    lesson = (site / "en" / "07_sasrec.html").read_text(encoding="utf-8")
    published = bool(buttons.read_links(ROOT).github)
    assert ("colab.research.google.com" in lesson) == published
    book, twin = editions(ROOT)
    book.links = buttons.Links("ada", "time", "main", "bo/time")
    book.notebooks = {row: cells for row, cells in book.notebooks.items() if row.number in (7, 23)}
    write_edition(book, twin.words, templates(ROOT), tmp_path / "en")
    lesson = (tmp_path / "en" / "07_sasrec.html").read_text(encoding="utf-8")
    for address in (
        "https://colab.research.google.com/github/ada/time/blob/main/notebooks/en/07_sasrec.ipynb",
        "https://github.com/ada/time/edit/main/notebooks/source/07_sasrec.py",
        "https://gitee.com/bo/time/blob/main/notebooks/en/07_sasrec.ipynb",
    ):
        assert f'href="{address}"' in lesson


def test_routes_hold_what_their_lessons_need(tmp_path):
    course = load_course(ROOT)
    routes = collect.read_routes(course)
    assert len(routes) >= 6 and all(route.lessons[0].number == 0 for route in routes)
    weekend = routes[0]
    assert weekend.minutes == sum(row.minutes for row in course.rows if row in weekend.lessons)
    (tmp_path / "site").mkdir()
    text = (ROOT / "site" / "routes.toml").read_text(encoding="utf-8")
    (tmp_path / "site" / "routes.toml").write_text(
        text.replace("[0, 1, 2, 4, 5, 7]", "[0, 1, 2, 4, 7]")
    )
    with pytest.raises(LessonError, match=r"A weekend: lesson 7 needs \[5\] before it"):
        collect.read_routes(replace(course, root=tmp_path))


def test_terms_are_found_where_they_are_treated():
    book = editions(ROOT)[1]
    for row, cells in book.notebooks.items():
        book.pages[row.name] = book.renderer.notebook(cells, book.course.notebook(row, "zh").parent)
    found = {one.row.number for one in collect.places(("自注意力",), book.sections())}
    assert 4 in found and len(found) <= 4
    assert collect.pattern("state-space model").findall("State space models and state-space model")
    assert not collect.pattern("CV").findall("cv recv CVX")


def test_every_exercise_is_on_the_page_of_exercises(site):
    cells = [
        (row, cell)
        for row, cells in editions(ROOT)[0].notebooks.items()
        for cell in cells
        if cell.kind == "markdown" and re.fullmatch(r"exercise\d+", cell.id)
    ]
    assert len(cells) > 80
    for language in LANGUAGES:
        text = (site / language / "exercises.html").read_text(encoding="utf-8")
        assert text.count('class="box exercise"') == len(cells)
        for row, one in cells:
            assert f'href="{row.name}.html#{one.id}"' in text


def test_claims_carry_the_verdicts_of_the_report():
    course, english = load_course(ROOT), editions(ROOT)[0]
    report = next(cells for row, cells in english.notebooks.items() if row.number == 23)
    claims = collect.read_claims(course, "zh", report)
    with (ROOT / "data" / "claims.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [claim.text for claim in claims] == [row["claim_zh"] for row in rows]
    assert {claim.verdict for claim in claims} <= set(collect.VERDICTS)
    with pytest.raises(LessonError, match="prints no verdict on the claims 1, 2"):
        collect.read_claims(course, "en", [one for one in report if one.id != "table-commands"])


def run(seed: int, ndcg: float, **more: object) -> dict[str, str]:
    configuration = json.dumps({"config": {"seed": seed, "batch": 1}, "options": more})
    return {
        "model": "sasrec", "loss": "ce", "seed": str(seed), "ndcg@10": str(ndcg), "hr@10": "0.5",
        "parameters": "1200", "options": " ".join(map(str, more.values())), "configuration": configuration,
    }  # fmt: skip


def test_tables_of_runs_average_over_seeds_and_nothing_else():
    runs = [run(0, 0.1), run(1, 0.3), run(0, 0.5, blocks=4)]
    table = collect.summary("toy", runs, ("07", "toy runs"), "en")
    assert table.head == ("model", "options", "seeds", "ndcg@10", "sd", "hr@10", "sd", "parameters")
    assert table.rows == (
        ("sasrec", "", "2", "0.2000", "0.1414", "0.5000", "0.0000", "1,200"),
        ("sasrec", "4", "1", "0.5000", "", "0.5000", "", "1,200"),
    )


def test_the_notebooks_can_be_downloaded_one_by_one_and_all_at_once(site):
    names = [f"{row.name}.ipynb" for row in load_course(ROOT).written()]
    for language in LANGUAGES:
        with zipfile.ZipFile(site / language / "notebooks.zip") as archive:
            assert archive.namelist() == names
            for name in names:
                data = (ROOT / "notebooks" / language / name).read_bytes()
                assert (
                    archive.read(name)
                    == data
                    == (site / language / "notebooks" / name).read_bytes()
                )


@pytest.mark.thorough
def test_two_builds_are_the_same_and_replace_an_older_one(site, tmp_path):
    out = tmp_path / "site"
    (out / "old").mkdir(parents=True)
    build(ROOT, out)
    first, second = (
        {path.relative_to(top): path.read_bytes() for path in top.rglob("*") if path.is_file()}
        for top in (site, out)
    )
    assert first == second and not (out / "old").exists()


def test_a_missing_notebook_is_named_with_the_remedy(tmp_path):
    from course.site.notebook import read_notebook

    course = replace(load_course(ROOT), root=tmp_path)
    with pytest.raises(
        LessonError,
        match=r"04_self_attention.ipynb: is missing; run `python -m course.build build 04`",
    ):
        read_notebook(course, course.rows[4], "en")
    path = course.notebook(course.rows[4], "en")
    path.parent.mkdir(parents=True)
    path.write_text("{")
    with pytest.raises(LessonError, match="is no whole notebook"):
        read_notebook(course, course.rows[4], "en")


def test_the_first_picture_shows_interest_that_stays_and_interest_that_fades():
    soon, late = (
        [float(y) for _, y in re.findall(r"L(\d+) ([\d.]+)", panel["curve"])] for panel in hero()
    )
    assert soon[-1] < 60 and late[-1] > 106  # 108 is nothing, 34 is all
