"""The book as readers meet it: every page in a real browser, opened from the disk.

`make site-check` runs these; they need Chromium and some minutes.
"""

import csv
import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
WIDTHS = (390, 820, 1440)
LANGUAGES = ("en", "zh")
HERE = Path(__file__).parent
SCROLLS = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
# one page of each kind, for what need not be asked of all
KINDS = (
    *("index", "05_causal_masks", "results", "glossary", "exercises", "search", "setup"),
    "suite-sample",
)
# Of each kind of coloured code one piece stays, and one formula: they are the same everywhere, and
# axe-core takes minutes for all of them.
THIN = """() => {
  const seen = new Set();
  for (const piece of document.querySelectorAll('pre span')) {
    const kind = piece.className + ' in ' + piece.closest('pre').parentElement.className;
    if (seen.has(kind)) piece.replaceWith(...piece.childNodes);
    else seen.add(kind);
  }
  for (const block of document.querySelectorAll('pre')) block.normalize();
  for (const formula of [...document.querySelectorAll('.katex')].slice(1)) formula.replaceWith('x');
}"""


class Visit:
    """A page that notes errors and what it asks for."""

    def __init__(self, browser, **options):
        self.context = browser.new_context(**options)
        self.page = self.context.new_page()
        self.faults, self.requests = [], []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on(
            "console",
            lambda line: line.type in ("error", "warning") and self.faults.append(line.text),
        )
        self.page.on("requestfailed", lambda request: self.faults.append(f"{request.url} failed"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.context.close()


def pages(site: Path, language: str) -> list[Path]:
    found = sorted((site / language).glob("*.html"))
    assert len(found) > 30
    return found


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_page_opens_without_errors_overflow_or_foreign_requests(site, browser, language):
    faults = []
    with Visit(browser, viewport={"width": 1440, "height": 900}) as visit:
        for path in pages(site, language):
            visit.page.goto(path.as_uri())
            name = path.name
            formulas = visit.page.evaluate(
                "[document.querySelectorAll('.math').length, document.querySelectorAll('.math > .katex,"
                " .math > .katex-display').length, document.querySelectorAll('.katex-error').length]"
            )
            if formulas[0] != formulas[1] or formulas[2]:
                faults.append(
                    f"{name}: of {formulas[0]} formulas {formulas[1]} are set, {formulas[2]} wrong"
                )
            for scheme in ("light", "dark"):
                visit.page.emulate_media(color_scheme=scheme)
                for width in WIDTHS:
                    visit.page.set_viewport_size({"width": width, "height": 900})
                    over = visit.page.evaluate(SCROLLS)
                    if over > 0:
                        faults.append(f"{name}: {over} px too wide at {width} px, {scheme}")
            faults += [f"{name}: {fault}" for fault in visit.faults]
            visit.faults.clear()
        foreign = {url for url in visit.requests if not url.startswith(("file://", "data:"))}
    assert not faults and not foreign, "\n".join([*faults, *foreign])


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("scheme,width", [("light", 1440), ("dark", 390)])
def test_axe_finds_no_serious_violation(site, browser, language, scheme, width):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    chosen = [site / language / f"{kind}.html" for kind in KINDS]
    if (language, scheme) == ("en", "light"):  # the structure is the same in both languages
        chosen = pages(site, language)
    faults = []
    with Visit(browser, viewport={"width": width, "height": 900}, color_scheme=scheme) as visit:
        for path in chosen:
            visit.page.goto(path.as_uri())
            visit.page.evaluate(THIN)
            for fault in axe.run(visit.page).response["violations"]:
                if fault["impact"] in ("serious", "critical"):
                    where = fault["nodes"][0]["html"][:150]
                    faults.append(f"{path.name}: {fault['id']} ({len(fault['nodes'])}): {where}")
    assert not faults, "\n".join(faults)


def queries(language: str) -> list[tuple[str, set[int]]]:
    with (HERE / "queries.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["language"] == language]
    return [(row["query"], set(map(int, row["lessons"].split()))) for row in rows]


@pytest.mark.parametrize("language", LANGUAGES)
def test_search_finds_the_lesson_as_first_or_second_hit(site, browser, language):
    asked, missed = queries(language), []
    assert len(asked) >= 30
    with Visit(browser) as visit:
        visit.page.goto((site / language / "search.html").as_uri())
        for query, wanted in asked:
            visit.page.fill(".large input", query)
            visit.page.wait_for_function("document.querySelector('.count').textContent")
            titles = visit.page.locator(".results > .hit > .title").all_text_contents()[:2]
            if not wanted & {int(title[:2]) for title in titles if title[:2].isdigit()}:
                missed.append(f"{query}: {titles}, wanted {wanted}")
            visit.page.fill(".large input", "")
    assert len(missed) <= 0.05 * len(asked), "\n".join(missed)


def test_search_finds_what_treats_a_chinese_term(site, browser):
    """The glossary page says which lessons treat a term, from their text and not from the search."""
    rows = """[...document.querySelectorAll('tbody tr')].map(row => [row.cells[0].textContent,
        [...row.cells[2].querySelectorAll('a')].map(link => Number(link.textContent))])"""
    with Visit(browser) as visit:
        visit.page.goto((site / "zh" / "glossary.html").as_uri())
        treated = {
            name: set(lessons)
            for names, lessons in visit.page.evaluate(rows)
            for name in names.split("，")
            if re.search("[一-鿿]", name) and lessons
        }
        visit.page.goto((site / "zh" / "search.html").as_uri())
        visit.page.add_script_tag(url="search-index.js")
        hits = visit.page.evaluate(
            "terms => terms.map(term => search(SEARCH, term).slice(0, 2).map(hit => hit.title))",
            list(treated),
        )
    assert len(treated) > 150
    found = [{int(title[:2]) for title in titles if title[:2].isdigit()} for titles in hits]
    missed = [
        f"{term}: {sorted(lessons)}, wanted one of {wanted}"
        for (term, wanted), lessons in zip(treated.items(), found, strict=True)
        if not wanted & lessons
    ]
    assert len(missed) <= 0.05 * len(treated), "\n".join(missed)


def test_search_from_the_bar_and_by_address(site, browser):
    with Visit(browser) as visit:
        visit.page.goto((site / "zh" / "07_sasrec.html").as_uri())
        visit.page.keyboard.press("/")
        visit.page.keyboard.type("自注意力")
        visit.page.wait_for_selector(".hits a")
        assert visit.page.locator(".hits a").first.inner_text().startswith("04")
        visit.page.keyboard.press("Enter")
        visit.page.wait_for_url("**/search.html?q=*")
        visit.page.wait_for_selector(".results .hit")
        assert (
            visit.page.locator(".results .term").inner_text() == "术语表: 自注意力 = self-attention"
        )
        assert visit.page.locator(".results .hit .title").first.inner_text().startswith("04")
        visit.page.fill(".large input", "xyzzy")
        visit.page.wait_for_selector(".results:empty", state="attached")
        assert not visit.faults


def test_the_switch_stays_on_the_lesson_and_the_section(site, browser):
    with Visit(browser, viewport={"width": 1200, "height": 800}) as visit:
        visit.page.goto((site / "en" / "05_causal_masks.html").as_uri())
        heading = visit.page.locator("main h2[id]").nth(3)
        anchor = heading.get_attribute("id")
        jump = "id => document.getElementById(id).scrollIntoView({behavior: 'instant'})"
        visit.page.evaluate(jump, anchor)
        visit.page.wait_for_function(
            "id => document.querySelector('.contents .here')?.hash === '#' + id", arg=anchor
        )
        place = visit.page.evaluate("scrollY")
        visit.page.locator(".switch").focus()
        assert visit.page.evaluate("scrollY") == place  # the bar does not move the text
        visit.page.click(".switch")
        visit.page.wait_for_url("**/zh/05_causal_masks.html#*")
        assert visit.page.url.endswith(f"#{anchor}")
        assert visit.page.evaluate("document.documentElement.lang") == "zh-CN"
        # the first page remembers the language
        visit.page.goto((site / "index.html").as_uri())
        visit.page.wait_for_url("**/zh/index.html")


def test_predictions_and_solutions_are_folded_until_asked_for(site, browser):
    with Visit(browser) as visit:
        visit.page.goto((site / "en" / "04_self_attention.html").as_uri())
        assert visit.page.locator("details.solution").count() == 4
        assert visit.page.locator("details.outputs").count() >= 3
        assert visit.page.locator("details[open]").count() == 0
        hidden = visit.page.locator("details.outputs pre").first
        assert not hidden.is_visible() and "0.07" in hidden.text_content()
        visit.page.locator("details.outputs > summary").first.press("Enter")
        assert hidden.is_visible()
        visit.page.evaluate("dispatchEvent(new Event('beforeprint'))")
        assert visit.page.locator("details.outputs:not([open])").count() == 0
        assert visit.page.locator("details.solution[open]").count() == 0
        visit.page.emulate_media(media="print")
        assert not visit.page.locator("nav.lessons").is_visible()
        assert not visit.page.locator("header.top").is_visible()


def test_code_is_copied_as_it_stands(site, browser):
    with Visit(browser, permissions=["clipboard-read", "clipboard-write"]) as visit:
        visit.page.goto((site / "en" / "04_self_attention.html").as_uri())
        block = visit.page.locator(".code", has_text='names = ["Alien"').first
        block.hover()
        block.locator(".copy").click()
        block.locator(".copy", has_text="Copied").wait_for()
        copied = visit.page.evaluate("navigator.clipboard.readText()")
        assert copied.startswith('names = ["Alien", "Cake", "Moon"]\nx = torch.tensor(')


def test_tables_are_sorted_by_numbers_and_by_words(site, browser):
    with Visit(browser) as visit:
        visit.page.goto((site / "en" / "results.html").as_uri())
        table = visit.page.locator("#sample_temporal ~ .wide table").first
        head = table.locator("th button", has_text="ndcg@10")
        column = "table => Array.from(table.tBodies[0].rows).map(row => Number(row.cells[3].textContent))"
        head.click()
        values = table.evaluate(column)
        assert values == sorted(values) and len(set(values)) > 3
        head.click()
        assert table.evaluate(column) == sorted(values, reverse=True)
        assert table.locator('th[aria-sort="descending"]').inner_text().startswith("ndcg@10")
        table.locator("th button").first.press("Enter")
        names = table.locator("tbody th").all_text_contents()
        assert names == sorted(names)


def test_keyboard_order_begins_with_the_way_to_the_text(site, browser):
    with Visit(browser) as visit:
        visit.page.goto((site / "en" / "04_self_attention.html").as_uri())
        order = []
        for _ in range(5):
            visit.page.keyboard.press("Tab")
            order.append(
                visit.page.evaluate(
                    "document.activeElement.className || document.activeElement.name"
                )
            )
        assert order == ["skip", "brand", "q", "switch", "theme"]
        visit.page.locator(".skip").focus()
        visit.page.keyboard.press("Enter")
        assert visit.page.evaluate("document.activeElement.id") == "main"


def test_the_chosen_colours_stay(site, browser):
    ground = "getComputedStyle(document.body).backgroundColor"
    with Visit(browser, color_scheme="light") as visit:
        visit.page.goto((site / "en" / "index.html").as_uri())
        light = visit.page.evaluate(ground)
        visit.page.click(".theme")
        dark = visit.page.evaluate(ground)
        assert dark != light
        visit.page.goto((site / "zh" / "04_self_attention.html").as_uri())
        assert visit.page.evaluate(ground) == dark
        # pictures keep a light card
        card = "getComputedStyle(document.querySelector('img.picture')).backgroundColor"
        assert visit.page.evaluate(card) == "rgb(255, 255, 255)"


def test_the_menu_opens_on_a_phone(site, browser):
    with Visit(browser, viewport={"width": 390, "height": 844}) as visit:
        visit.page.goto((site / "zh" / "04_self_attention.html").as_uri())
        assert not visit.page.locator("nav.lessons").is_visible()
        visit.page.click(".menu")
        assert visit.page.locator("nav.lessons a[aria-current]").is_visible()
        assert visit.page.get_attribute(".menu", "aria-expanded") == "true"


def test_without_scripts_everything_can_be_read(site, browser):
    with Visit(browser, java_script_enabled=False) as visit:
        visit.page.goto((site / "en" / "04_self_attention.html").as_uri())
        assert visit.page.locator("main h1").is_visible()
        assert visit.page.locator("pre").count() > 20
        visit.page.goto((site / "index.html").as_uri())
        visit.page.click("text=中文")
        assert re.search(r"/zh/index\.html$", visit.page.url)


@pytest.mark.parametrize("language", LANGUAGES)
def test_text_is_visible_within_a_second_from_the_disk(site, browser, language):
    paint = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
    with Visit(browser) as visit:
        for name in ("index", "15_neural_odes"):
            taken = []
            for _ in range(3):  # the machine may be busy
                visit.page.goto((site / language / f"{name}.html").as_uri())
                visit.page.wait_for_function(f"{paint} > 0")
                taken.append(visit.page.evaluate(paint))
            assert min(taken) < 1000, f"{name}: {taken} ms"
