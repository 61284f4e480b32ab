"""The Chinese texts of the course that stand outside the lessons: pages, words of the site, problem
sets, drawings, claims, catalogues. `check` holds them to the glossary's column `avoid` and to the
rules of Chinese typography.
"""

from __future__ import annotations

import ast
import csv
import re
import tomllib
from collections.abc import Iterator

import jupytext

from course.catalogue import books, entries
from course.lessons import Course, LessonError, Problem
from course.prose import HAN, Term, chinese_set_wrongly, forbidden

PAGES = ("*.zh-CN.md", "[!.n]*/*.zh-CN.md", "site/pages/*.zh.md")
BILINGUAL = ("data/README.md", "data/*/README.md", ".github/ISSUE_TEMPLATE/*.yml")
TABLES = ("data/claims.csv", "notebooks/lessons.csv", "exercises/sets.csv")


def page_texts(course: Course) -> Iterator[tuple[str, str | None, str]]:
    """(file, place in it, Chinese text) for every text outside the lessons and catalogues."""
    root = course.root
    for pattern in PAGES:
        for path in sorted(root.glob(pattern)):
            yield course.relative(path), None, path.read_text(encoding="utf-8")
    for pattern in BILINGUAL:  # the paragraphs, rows and cells that hold Chinese
        for path in sorted(root.glob(pattern)):
            yield course.relative(path), None, chinese_lines(path.read_text(encoding="utf-8"))
    for path in sorted((root / "site").rglob("*.toml")):
        for place, text in strings(tomllib.loads(path.read_text(encoding="utf-8"))):
            yield course.relative(path), place, text
    for name in TABLES:
        if (root / name).exists():
            with (root / name).open(encoding="utf-8", newline="") as file:
                for number, row in enumerate(csv.DictReader(file), start=2):
                    for key, text in row.items():
                        yield name, f"line {number}, {key}", text or ""
    for path in sorted((root / "exercises" / "sets").glob("*.py")):
        for cell in jupytext.reads(path.read_text(encoding="utf-8"), fmt="py:percent").cells:
            if cell.metadata.get("lang") == "zh":
                yield course.relative(path), cell.metadata.get("id"), cell.source
    for path in sorted((root / "notebooks" / "figures").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield course.relative(path), f"line {node.lineno}", node.value


def chinese_lines(text: str) -> str:
    """The lines of a bilingual file that are Chinese; of a cell `English / 中文` the Chinese."""
    kept = []
    for line in re.sub(r"^ *```.*?^ *``` *$", "", text, flags=re.M | re.S).splitlines():
        cells = [re.sub(rf"^[^{HAN}]* [/·] |\"$", "", cell) for cell in line.split("|")]
        chinese = "|".join(cell for cell in cells if re.search(f"[{HAN}]", cell))
        kept.append(f"|{chinese}" if line.startswith("|") else chinese)
    return "\n\n".join(kept)


def strings(value: object, place: str = "") -> Iterator[tuple[str, str]]:
    """(path of keys, text) of every string of a TOML document."""
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, dict):
        for key, one in value.items():
            yield from strings(one, f"{place}.{key}".lstrip("."))
    elif isinstance(value, list):
        for number, one in enumerate(value):
            yield from strings(one, f"{place}[{number}]")


def page_faults(course: Course, terms: list[Term]) -> list[Problem]:
    """What is wrong with the Chinese outside the lessons."""
    found = []
    for file, place, text in page_texts(course):
        if re.search(f"[{HAN}]", text):
            plain = file.startswith("notebooks/figures/")
            faults = forbidden(text, terms) + chinese_set_wrongly(text, plain=plain)
            found += [Problem(file, place, fault) for fault in faults]
    for book in books(course).values():
        try:
            have = entries(book)
        except LessonError:  # what cannot be read is named by catalogue_faults
            continue
        for message, (chinese, _) in have.items():
            short = repr(message if len(message) < 60 else message[:57] + "...")
            found += [
                Problem(course.relative(book.path), short, fault)
                for fault in [*forbidden(chinese, terms), *chinese_set_wrongly(chinese, plain=True)]
            ]
    return found
