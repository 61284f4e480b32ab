"""Writes the book: build/site/en, build/site/zh and what they share."""

from __future__ import annotations

import base64
import json
import re
import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from course.buttons import Links, read_links
from course.lessons import LANGUAGES, TIMES, Course, LessonError, Row, load_course
from course.site import collect
from course.site.notebook import Cell, read_notebook
from course.site.render import Pictures, Rendered, Renderer, Section
from course.site.render import collect as note
from tutorial_lib.experiments.published import read_report
from tutorial_lib.language import speaking

ROOT = Path(__file__).resolve().parents[2]
EXTRAS = ("setup", "exercises", "glossary", "results")
REPORT = 23  # the lesson that computes the verdicts
EXTERNAL = re.compile(r"^(https?:|mailto:|#)")


@dataclass(frozen=True)
class Exercise:
    anchor: str
    html: str
    worth: collect.Worth | None


@dataclass
class Edition:
    """The book in one language."""

    course: Course
    language: str
    words: dict[str, str]
    links: Links
    notebooks: dict[Row, list[Cell]]
    pictures: Pictures

    def __post_init__(self) -> None:
        self.renderer = Renderer(self.words, self.pictures, self.address)
        self.pages: dict[str, Rendered] = {}  # for search

    @property
    def other(self) -> str:
        return "zh" if self.language == "en" else "en"

    def address(self, link: str) -> str | None:
        """Where a link of a notebook or README leads in the book."""
        if EXTERNAL.match(link):
            return link
        target, _, anchor = link.partition("#")
        name = Path(target)
        if name.suffix == ".ipynb":
            folder = (
                f"../{name.parent.name}/" if name.parent.name not in ("", self.language) else ""
            )
            known = any(row.name == name.stem for row in self.notebooks)
            return f"{folder}{name.stem}.html{'#' + anchor if anchor else ''}" if known else None
        if name.suffix == ".html":
            return link
        inside = re.sub(r"^(\.\./)+", "", target)
        if (self.course.root / inside).is_file():
            return self.links.file(inside)
        return None

    def frame(self, page: str, kind: str, title: str, **more: object) -> dict[str, object]:
        """What every template needs."""
        parts: dict[str, tuple[dict[str, str], list[Row]]] = {}
        for row in self.course.rows:
            parts.setdefault(row.part["en"], (row.part, []))[1].append(row)
        return {
            "page": page,
            "kind": kind,
            "title": title,
            "description": "",
            "formulas": False,
            "lang": self.language,
            "other": self.other,
            "w": self.words,
            "tw": more.pop("twin"),
            "links": self.links,
            "times": TIMES[self.language],
            "hours": self.words["hours"],
            "parts": list(parts.values()),
            "rows": self.course.rows,
            "written": self.notebooks,
            "extras": EXTRAS,
            **more,
        }

    def sections(self) -> dict[Row, list[Section]]:
        return {row: self.pages[row.name].sections for row in self.notebooks}

    def exercises(self) -> list[tuple[Row, list[Exercise]]]:
        """Every exercise of every lesson, without its answer cell."""
        lessons = []
        for row, notebook in self.notebooks.items():
            worths = collect.read_worths(self.course.root, row)
            cells = {cell.id: cell for cell in notebook}
            found = []
            for cell in notebook:
                if cell.kind != "markdown" or not re.fullmatch(r"exercise\d+", cell.id):
                    continue
                answer = cells.get(f"{cell.id}-code")
                calls = re.findall(r"\b(check_\w+)\(", answer.source) if answer else []
                worth = next((worths[call] for call in calls if call in worths), None)
                text = re.sub(r"\A\s*#+ .*\n", "", cell.source)
                folder = self.course.notebook(row, self.language).parent
                anchor = f"{row.number:02d}-{cell.id}"
                found.append(Exercise(cell.id, self.renderer.prose(text, anchor, folder)[0], worth))
            if found:
                lessons.append((row, found))
        return lessons

    def index(self) -> str:
        """What search looks through, as a script: a page from the disk may not fetch files."""
        pages = []
        for name, page in self.pages.items():
            row = next((row for row in self.notebooks if row.name == name), None)
            title = f"{row.number:02d} · {row.title[self.language]}" if row else self.words[name]
            sections = [
                {
                    "anchor": section.anchor,
                    "heading": section.heading,
                    "text": " ".join(" ".join(section.text).split()),
                    "key": " · ".join(section.key),
                    "code": " ".join(sorted(section.code)),
                }
                for section in page.sections
                if section.heading or section.text
            ]
            weight = 1 if row else 0.4
            pages.append(
                {"address": f"{name}.html", "title": title, "weight": weight, "sections": sections}
            )
        terms = [
            [" / ".join(term.names[lang]) for lang in (self.language, self.other)]
            for term in collect.read_glossary(self.course.root)
        ]
        data = json.dumps(
            {"pages": pages, "terms": terms}, ensure_ascii=False, separators=(",", ":")
        )
        return f"window.SEARCH={data};\n"


def editions(root: Path) -> list[Edition]:
    """Everything that is needed to write the book, read."""
    course = load_course(root)
    words, links, pictures = (
        collect.read_toml(root / "site" / "words.toml"),
        read_links(root),
        Pictures(),
    )
    return [
        Edition(
            course,
            language,
            words[language],
            links,
            {row: read_notebook(course, row, language) for row in course.written()},
            pictures,
        )
        for language in LANGUAGES
    ]


def hero() -> list[dict[str, object]]:
    """The two timelines of the first page. After each film the interest jumps; then it halves, at
    first sight within minutes on one axis and long before the return on the other."""

    def curve(films: tuple[int, ...], now: int, half: float) -> str:
        steps, value, last = ["M40 108"], 0.0, films[0]
        for x in range(films[0], now + 1, 2):
            value *= 0.5 ** ((x - last) / half)
            last = x
            if any(x <= film < x + 2 for film in films):
                steps.append(f"L{x} {108 - 74 * value:.1f}")
                value += 0.85 * (1 - value)
            steps.append(f"L{x} {108 - 74 * value:.1f}")
        return "".join(steps)

    soon, late = (60, 190, 320), (52, 68, 84)
    return [
        {"top": 0, "films": soon, "now": 430, "curve": curve(soon, 430, 420), "label": "hero_a"}
        | {"words": 418, "line": 20, "end": "end"},
        {"top": 146, "films": late, "now": 500, "curve": curve(late, 500, 52), "label": "hero_b"}
        | {"words": 488, "line": 20, "end": "end"},
    ]


def templates(root: Path) -> Environment:
    return Environment(
        loader=FileSystemLoader(root / "site" / "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )


def build(root: Path, out: Path) -> dict[str, int]:
    """Writes the whole book into `out`, replacing an older one; returns bytes by kind of file."""
    books = editions(root)
    site = root / "site"
    loader = templates(root)
    part = out.with_name(f".{out.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    shutil.copytree(site / "assets", part / "assets", ignore=shutil.ignore_patterns("katex*"))
    write_katex(site / "assets" / "katex", part / "assets")
    for book, twin in zip(books, reversed(books), strict=True):
        write_edition(book, twin.words, loader, part / book.language)
    (part / "images").mkdir()
    for name, data in books[0].pictures.files.items():
        (part / "images" / name).write_bytes(data)
    words = {book.language: book.words for book in books}
    base = f"/{books[0].links.repository}/" if books[0].links.github else ""
    for page, template in (("index", "choose"), ("404", "404")):
        text = loader.get_template(f"{template}.html").render(words=words, base=base)
        (part / f"{page}.html").write_text(text, encoding="utf-8")
    (part / ".nojekyll").touch()
    shutil.rmtree(out, ignore_errors=True)
    part.rename(out)
    sizes: dict[str, int] = {}
    for path in out.rglob("*"):
        if path.is_file():
            sizes[path.suffix] = sizes.get(path.suffix, 0) + path.stat().st_size
    return sizes


def write_katex(source: Path, out: Path) -> None:
    """KaTeX with its fonts inside the style sheet: pages from the disk may not load fonts."""

    def embed(match: re.Match[str]) -> str:
        data = base64.b64encode((source / "fonts" / match[1]).read_bytes()).decode()
        return f"src:url(data:font/woff2;base64,{data}) format('woff2')"

    style = (source / "katex.min.css").read_text(encoding="utf-8")
    held = {path.name for path in (source / "fonts").iterdir()}
    faces = re.compile(
        r"@font-face\{[^}]*fonts/([\w-]+\.woff2)[^}]*\}"
    )  # of fonts that are left out
    style = faces.sub(lambda match: match[0] if match[1] in held else "", style)
    style = re.sub(r"src:url\(fonts/([\w-]+\.woff2)\)[^;}]*", embed, style)
    (out / "katex.css").write_text(style, encoding="utf-8")
    shutil.copy(source / "katex.min.js", out)


def write_edition(book: Edition, twin: dict[str, str], loader: Environment, out: Path) -> None:
    """All pages of one language."""
    out.mkdir(parents=True)
    course, words, language = book.course, book.words, book.language

    def page(name: str, template: str, kind: str, title: str, **more: object) -> None:
        context = book.frame(name, kind, title, twin=twin, **more)
        text = loader.get_template(f"{template}.html").render(**context)
        if 'class="math' in text and not context["formulas"]:
            context["formulas"] = True
            text = loader.get_template(f"{template}.html").render(**context)
        (out / f"{name}.html").write_text(text, encoding="utf-8")

    order = list(book.notebooks)
    (out / "notebooks").mkdir()
    with zipfile.ZipFile(out / "notebooks.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for place, (row, notebook) in enumerate(book.notebooks.items()):
            path = course.notebook(row, language)
            shutil.copy(path, out / "notebooks")
            entry = zipfile.ZipInfo(path.name, (2020, 1, 1, 0, 0, 0))  # the same bytes every time
            archive.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED)
            rendered = book.renderer.notebook(notebook, path.parent)
            book.pages[row.name] = rendered
            title = f"{row.number:02d} · {row.title[language]}"
            page(
                row.name,
                "lesson",
                "lesson",
                title,
                row=row,
                body=rendered.html,
                contents=rendered.contents,
                needs=[other for other in course.rows if other.number in row.prerequisites],
                before=order[place - 1] if place else None,
                after=order[place + 1] if place + 1 < len(order) else None,
                buttons=book.links.buttons(language, row),
                edit=book.links.file(course.relative(course.source(row)), "edit"),
            )
    setup = prose_page(book, course.root / "site" / "pages" / f"setup.{language}.md")
    book.pages["setup"] = setup
    page("setup", "text", "page", words["setup"], body=setup.html)
    glossary(book, page)
    exercises = book.exercises()
    count = sum(len(found) for _, found in exercises)
    minutes = sum(e.worth.minutes for _, found in exercises for e in found if e.worth)
    summary = words["exercises_text"].format(count=count, hours=round(minutes / 60))
    page("exercises", "exercises", "page", words["exercises"], lessons=exercises, summary=summary)
    results(book, page)
    points = [
        book.renderer.markdown.renderInline(point[language])
        for point in collect.read_toml(course.root / "site" / "pages" / "landing.toml")["point"]
    ]
    drawing = loader.get_template("hero.svg").render(w=words, panels=hero())
    routes = collect.read_routes(course)
    page(
        "index",
        "index",
        "landing",
        words["title"],
        points=points,
        hero=drawing,
        routes=routes,
        first=order[0],
    )
    page("search", "search", "page", words["search"])
    (out / "search-index.js").write_text(book.index(), encoding="utf-8")


def prose_page(book: Edition, path: Path, text: str = "") -> Rendered:
    """A page from a Markdown file, or from a text that stands for it."""
    text = text or path.read_text(encoding="utf-8")
    body, tokens = book.renderer.prose(text, "page", path.parent)
    sections, contents = [Section("", "")], []
    note(tokens, sections, contents)
    return Rendered(body, contents, sections)


def glossary(book: Edition, page) -> None:
    lessons, language = book.sections(), book.language
    terms = [
        (term, collect.places(term.names[language], lessons))
        for term in collect.read_glossary(book.course.root)
    ]
    # GB 18030 holds the common characters in the order of their pronunciation
    terms.sort(key=lambda pair: pair[0].names[language][0].lower().encode("gb18030"))
    page("glossary", "glossary", "page", book.words["glossary"], terms=terms)


def results(book: Edition, page) -> None:
    """The verdicts on the claims, the means of every table of runs, and the reports of the suite."""
    course, language = book.course, book.language
    report = next((row for row in book.notebooks if row.number == REPORT), None)
    if report is None:
        raise LessonError(f"lesson {REPORT}, which computes the verdicts, has not been written")
    claims = collect.read_claims(course, language, read_notebook(course, report, "en"))
    reports = sorted((course.root / "data" / "results" / "suite").glob("*.md"))
    verdicts = dict(zip(collect.VERDICTS, collect.VERDICTS, strict=True))
    if language == "zh":
        verdicts = {
            "replicated": "已复现",
            "not replicated": "未能复现",
            "not testable": "无法检验",
        }
    page(
        "results",
        "results",
        "page",
        book.words["results"],
        summary=book.words["results_text"].format(count=len(claims)),
        claims=claims,
        verdicts=verdicts,
        tables=collect.read_tables(course.root, language),
        suites=[path.stem for path in reports],
    )
    for path in reports:
        with speaking(language):
            text = read_report(path.stem, path.parent.parent)
        body = prose_page(book, path, text).html
        body = body.replace("<table>", '<table class="sortable numbers">')
        page(f"suite-{path.stem}", "text", "page", path.stem, body=body)
