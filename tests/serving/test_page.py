"""The page in a real browser, before a service whose answers are known.

Needs Python's playwright and a chromium of the system; skipped where either is missing.
"""

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlparse

import pytest
from fastapi.testclient import TestClient

from tests.serving.world import NOW, running
from tutorial_lib.serving.app import create_app

PAGE = Path(__file__).resolve().parents[2] / "tutorial_lib" / "serving" / "page" / "index.html"
LAST = 1_735_000_000
DAY = 86400


def answer(path, query):
    """As `serving.app` answers, with lists that are known: item = model + whole days that passed."""
    if path == "/people":
        people = [{"user": f"u{i}", "events": 3 + i, "last_event": LAST} for i in range(3)]
        return {"people": people}
    if path == "/models":
        return {"current": "first", "models": [{"name": "first"}, {"name": "<b>second</b>"}]}
    if path.startswith("/users/"):
        count = 3 + int(path[-1])
        times = [LAST - (count - 1 - i) * DAY * (1 + i % 2) for i in range(count)]
        times = sorted(times[:-1]) + [LAST]
        rows = [
            {"item": str(i), "label": f"item {i}", "cluster": i % 2, "time": t}
            for i, t in enumerate(times)
        ]
        return {"user": path[7:], "events": count, "history": rows}
    if path.startswith("/recommend/"):
        at, model = int(query["at"][0]), query["model"][0]
        first = (at - LAST) // DAY + (100 if model != "first" else 0)
        items = [
            {"item": str(first + i), "label": "", "cluster": i % 3, "score": 3 - i / 5}
            for i in range(10)
        ]
        return {"user": path[11:], "model": model, "at": at, "last_event": LAST, "items": items}
    return None


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        url = urlparse(self.path)
        self.server.asked.append(self.path)
        if url.path == "/":
            self.send(200, PAGE.read_bytes(), "text/html; charset=utf-8")
        elif self.server.broken and url.path.startswith("/recommend/"):
            self.send(404, json.dumps({"error": "there is no user 'u1'"}).encode())
        elif (found := answer(url.path, parse_qs(url.query))) is not None:
            self.send(200, json.dumps(found).encode())
        else:
            self.send(404, b'{"error": "not found"}')

    def send(self, status, body, kind="application/json"):
        self.send_response(status)
        self.send_header("content-type", kind)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args): ...


@pytest.fixture(scope="module")
def server():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.asked, server.broken = [], False
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()


@pytest.fixture
def visit(browser, server):
    """Opens the page: visit(width=..., scheme=..., locale=...). Foreign requests and errors of the
    page fail the test.
    """
    contexts, problems = [], []
    server.broken = False

    def open_page(width=1440, scheme="light", locale="en-US"):
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, locale=locale
        )
        contexts.append(context)
        page = context.new_page()
        home = f"http://127.0.0.1:{server.server_address[1]}/"
        page.on("pageerror", lambda error: problems.append(str(error)))

        def look(request):
            if not request.url.startswith((home, "data:")):
                problems.append(f"asks {request.url}")

        page.on("request", look)
        page.goto(home)
        page.wait_for_selector("#list1 li")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not problems


def items(page, side):
    return [int(re.search(r"\d+", text)[0]) for text in names(page, side)]


def names(page, side):
    return page.locator(f"#list{side} li > span:nth-child(2)").all_text_contents()


def move(page, place):
    """The slider to a place from 0 to 240."""
    page.locator("#now").evaluate(
        "(one, place) => { one.value = place; one.dispatchEvent(new Event('input')); }", place
    )


def test_it_opens_with_a_person_two_models_and_two_lists(visit):
    page = visit()
    assert page.title() == "What comes next, and when?"
    assert page.locator("#person option").all_text_contents()[0] == "person u0: 3 events"
    assert [page.locator(f"#model{side}").input_value() for side in (0, 1)] == [
        "first",
        "<b>second</b>",
    ]
    assert items(page, 0) == list(range(10)) and items(page, 1) == list(range(100, 110))
    assert page.locator("svg .event").count() == 3
    assert page.locator("#after").text_content() == "10 minutes after the last event"
    assert "0 of 10" in page.locator("#shared").text_content()


def test_the_slider_goes_from_ten_minutes_to_a_month_and_the_lists_follow(visit):
    page = visit()
    move(page, 240)
    page.wait_for_function(
        "document.querySelector('#list0 li span:nth-child(2)').textContent.includes('30')"
    )
    assert page.locator("#after").text_content() == "1 month after the last event"
    assert items(page, 0) == list(range(30, 40)) and items(page, 1) == list(range(130, 140))
    assert page.locator("#list0 .mark").all_text_contents() == ["new"] * 10
    assert "10 of 10 items were not" in page.locator("#changed0").text_content()
    move(page, 0)
    page.wait_for_function("document.querySelector('#list0 .mark').textContent === ''")
    assert items(page, 0) == list(range(10))


def test_the_keyboard_moves_the_time_and_the_reader_hears_it(visit):
    page = visit()
    page.locator("#now").focus()
    page.keyboard.press("End")
    page.wait_for_function(
        "document.querySelector('#list0 li span:nth-child(2)').textContent.includes('30')"
    )
    assert page.locator("#now").get_attribute("aria-valuetext") == "1 month after the last event"
    page.keyboard.press("ArrowLeft")
    assert "days" in page.locator("#now").get_attribute("aria-valuetext")


def test_another_person_and_the_same_model_twice(visit):
    page = visit()
    page.select_option("#person", "u2")
    page.wait_for_function("document.querySelectorAll('svg .event').length === 5")
    assert page.locator("#events tr").count() == 5
    page.select_option("#model1", "first")
    page.wait_for_function("document.querySelector('#shared').textContent.startsWith('10 of 10')")


def test_chinese_by_switch_and_by_the_browsers_language(visit):
    page = visit()
    page.click("#language")
    assert page.locator("html").get_attribute("lang") == "zh-CN"
    chinese = page.locator("body").inner_text()
    assert "用户" in chinese and "最后一次交互之后 10 分钟" in chinese
    assert not re.search(r"\b(person|item|events|model)\b", page.locator("main").inner_text())
    page.reload()
    page.wait_for_selector("#list1 li")
    assert page.locator("html").get_attribute("lang") == "zh-CN"  # remembered
    assert visit(locale="zh-CN").locator("h1").inner_text().startswith("接下来推荐什么")


@pytest.mark.parametrize("width", [390, 1440])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_overflows_and_everything_can_be_read(visit, width, scheme):
    page = visit(width=width, scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    ticks = [one.bounding_box() for one in page.locator("#ticks span:visible").all()]
    ends = [one["x"] + one["width"] for one in ticks]
    assert len(ticks) >= 4 and all(
        end < after["x"] for end, after in zip(ends, ticks[1:], strict=False)
    )
    ratios = page.evaluate(CONTRAST)
    assert len(ratios) > 20 and min(ratios.values()) >= 4.5, min(ratios.items(), key=lambda x: x[1])


def test_every_control_has_a_name_and_a_place_in_the_order_of_tabs(visit):
    page = visit()
    found = []
    for _ in range(6):
        page.keyboard.press("Tab")
        found.append(page.evaluate("document.activeElement.id || document.activeElement.tagName"))
    assert [one for one in found if one in ("language", "person", "now", "model0", "model1")] == [
        "language",
        "person",
        "now",
        "model0",
        "model1",
    ]
    for name in ("Person", "Time of the question", "First model", "Second model"):
        assert page.get_by_label(name, exact=True).first.is_visible()
    assert page.locator("svg[role=img]").get_attribute("aria-label").startswith("Time axis with 3")


def test_an_error_of_the_service_is_shown_in_its_words(visit, server):
    page = visit()
    server.broken = True
    page.select_option("#person", "u1")
    page.wait_for_function("document.querySelector('#problem').textContent !== ''")
    assert "there is no user 'u1'" in page.locator("#problem").text_content()
    server.broken = False
    page.select_option("#person", "u0")
    page.wait_for_function("document.querySelector('#problem').textContent === ''")


def test_the_service_gives_what_the_page_reads():
    """The answers above have the form of the real ones."""
    facts = {f"i{n}": {"label": f"item i{n}, kind {n % 3}", "cluster": n % 3} for n in range(31)}
    with running() as service, TestClient(create_app(service, labels=facts)) as client:
        assert client.get("/").text == PAGE.read_text(encoding="utf-8")
        real = {path: client.get(path).json() for path in ("/people?limit=2", "/models")}
        real["/users/u1"] = client.get("/users/ann").json()
        real["/recommend/u1?at=0&model=first"] = client.get(f"/recommend/ann?at={NOW}").json()
        for path, found in real.items():
            url = urlparse(path)
            assert shape(answer(url.path, parse_qs(url.query))) <= shape(found), path
        assert client.get("/recommend/nobody").json().keys() == {"error"}


def shape(found, name=""):
    """Paths of all keys, "history.item"; a list stands for what its parts have together."""
    parts = found if isinstance(found, list) else [found]
    names = set()
    for part in parts:
        for key, value in part.items() if isinstance(part, dict) else ():
            names |= {f"{name}{key}"} | shape(value, f"{name}{key}.")
    return names


def test_names_of_models_are_text_and_no_html(visit):
    assert visit().locator("option b").count() == 0


# Contrast of every visible text with the colours behind it (WCAG 2.2, success criterion 1.4.3).
CONTRAST = """() => {
  const parse = (c) => c.match(/[\\d.]+/g).map(Number);
  const light = (c) => { const [r, g, b] = c.map((v) => (v /= 255) <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
    return .2126 * r + .7152 * g + .0722 * b; };
  const found = {};
  for (const node of document.querySelectorAll("h1, p, label, output, select, button, summary, li span, .ticks span, svg text")) {
    if (!node.textContent.trim() || !node.getClientRects().length) continue;
    const style = getComputedStyle(node), ink = parse(node.closest("svg") ? style.fill : style.color);
    const papers = [];
    for (let at = node; at; at = at.parentElement) {
      const bar = at.tagName === "LI" ? getComputedStyle(at).backgroundImage.match(/rgb\\([^)]*\\)/) : null;
      if (bar) papers.push(parse(bar[0]));
      const paper = parse(getComputedStyle(at).backgroundColor);
      if (paper.length < 4 || paper[3] > 0) { papers.push(paper); break; }
    }
    for (const paper of papers) {
      const [a, b] = [light(ink.slice(0, 3)), light(paper.slice(0, 3))].sort((x, y) => y - x);
      const name = node.tagName + " " + node.textContent.slice(0, 20);
      found[name] = Math.min(found[name] ?? 99, (a + .05) / (b + .05));
    }
  }
  return found;
}"""
