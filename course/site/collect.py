"""What the pages beside the lessons show: glossary, exercises, routes, claims and tables of runs,
read from the files in which the course keeps them.
"""

from __future__ import annotations

import ast
import csv
import json
import re
import statistics
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from operator import itemgetter
from pathlib import Path

from course.lessons import Course, LessonError, Problem, Row
from course.site.notebook import Cell
from course.site.render import Section
from tutorial_lib.experiments.words import head
from tutorial_lib.language import speaking

VERDICTS = ("replicated", "not replicated", "not testable")


def read_toml(path: Path) -> dict:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise LessonError(f"{path} cannot be read ({error}): mend or restore it") from None


@dataclass(frozen=True)
class Route:
    """A way through a part of the course."""

    title: dict[str, str]
    text: dict[str, str]
    lessons: tuple[Row, ...]

    @property
    def minutes(self) -> int:
        """Minutes of reading."""
        return sum(row.minutes for row in self.lessons)

    @property
    def exercises(self) -> int:
        """Minutes of exercises."""
        return sum(row.exercises for row in self.lessons)


def read_routes(course: Course) -> list[Route]:
    """site/routes.toml. Every route must hold what its lessons need, in that order."""
    rows, routes = {row.number: row for row in course.rows}, []
    for route in read_toml(course.root / "site" / "routes.toml")["route"]:
        chosen: list[Row] = []
        for number in route["lessons"]:
            row = rows.get(number)
            held = {lesson.number for lesson in chosen}
            if row is None or not set(row.prerequisites) <= held:
                needs = row and sorted(set(row.prerequisites) - held)
                fault = f"needs {needs} before it" if row else "does not exist"
                raise LessonError(
                    Problem("site/routes.toml", route["title_en"], f"lesson {number} {fault}")
                )
            chosen.append(row)
        title, text = (
            {lang: route[f"{key}_{lang}"] for lang in ("en", "zh")} for key in ("title", "text")
        )
        routes.append(Route(title, text, tuple(chosen)))
    return routes


@dataclass(frozen=True)
class Term:
    """A line of the glossary: the names in each language, the first being the usual one."""

    names: dict[str, tuple[str, ...]]


def read_glossary(root: Path) -> list[Term]:
    with (root / "notebooks" / "glossary.csv").open(encoding="utf-8-sig", newline="") as file:
        return [
            Term({lang: tuple(row[lang].split(" / ")) for lang in ("en", "zh")})
            for row in csv.DictReader(file)
            if row["check"] != "style"
        ]


@cache
def pattern(name: str) -> re.Pattern[str]:
    """A term in a text: whole words in Latin letters, plural and other spellings included."""
    if re.search(r"[㐀-鿿]", name):
        return re.compile(re.escape(name))
    spaced = re.sub(r"\\[- ]", "[- ]", re.escape(name))
    return re.compile(rf"(?<![A-Za-z]){spaced}(?:s|es)?(?![A-Za-z])", 0 if name.isupper() else re.I)


@dataclass(frozen=True)
class Treated:
    """How much a lesson says about a term, and where it says most."""

    row: Row
    anchor: str
    weight: int


def places(names: Iterable[str], lessons: Mapping[Row, list[Section]]) -> list[Treated]:
    """The four lessons that treat a term most, in the order of the course. Titles and headings count
    most, then emphasised words, where a term is introduced, then the text."""
    found = []
    for row, sections in lessons.items():
        title = " ".join(row.title.values())
        treated = Treated(row, "", 30 * sum(len(pattern(name).findall(title)) for name in names))
        most = 0
        for section in sections:
            value = 0
            for name in names:
                count = len(pattern(name).findall(section.whole))
                if count:
                    value += min(5, count)
                    value += 20 * len(pattern(name).findall(section.heading))
                    value += 8 * bool(pattern(name).search(" · ".join(section.key)))
            most, anchor = max((most, treated.anchor), (value, section.anchor), key=itemgetter(0))
            treated = Treated(row, anchor, treated.weight + value)
        if treated.weight:
            found.append(treated)
    found.sort(key=lambda one: -one.weight)
    return sorted(found[:4], key=lambda one: one.row.number)


@dataclass(frozen=True)
class Worth:
    """What a checker says of its exercise."""

    points: int
    minutes: int


def read_worths(root: Path, row: Row) -> dict[str, Worth]:
    """Points and minutes of each checker of a lesson, read without running it."""
    path = root / "exercises" / f"lesson{row.number:02d}.py"
    if not path.exists():
        return {}
    found = {}
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        for call in getattr(node, "decorator_list", []):
            if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "exercise":
                given = {
                    word.arg: word.value.value
                    for word in call.keywords
                    if isinstance(word.value, ast.Constant)
                }
                found[node.name] = Worth(given["points"], given["minutes"])
    return found


@dataclass(frozen=True)
class Claim:
    """A row of the replication report."""

    number: int
    text: str
    source: str
    lessons: tuple[int, ...]
    verdict: str
    speaking: int
    comparisons: int
    command: str


def read_claims(course: Course, language: str, notebook: list[Cell]) -> list[Claim]:
    """The claims with the verdicts that the notebook of the report (in English) computed: lines
    " 3  not replicated, 1 of 3" of its cell `table-commands`."""
    printed = "".join(
        output["text"]
        for cell in notebook
        if cell.id == "table-commands"
        for output in cell.outputs
    )
    verdicts = {
        int(number): (word, int(speaking), int(of))
        for number, word, speaking, of in re.findall(
            rf"^ *(\d+)  ({'|'.join(VERDICTS)}), (\d+) of (\d+)$", printed, re.M
        )
    }
    with (course.root / "data" / "claims.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    missing = [row["number"] for row in rows if int(row["number"]) not in verdicts]
    if missing:
        raise LessonError(
            Problem(
                "notebooks/en/23_replication_report.ipynb",
                "table-commands",
                f"prints no verdict on the claims {', '.join(missing)} of data/claims.csv; wanted is a line"
                " like '3  not replicated, 1 of 3' for each",
            )
        )
    return [
        Claim(
            int(row["number"]),
            row[f"claim_{language}"],
            row[f"source_{language}"],
            tuple(map(int, row["lessons"].split())),
            *verdicts[int(row["number"])],
            row["command"],
        )
        for row in rows
    ]


@dataclass(frozen=True)
class ResultTable:
    """The means over seeds of a table of runs."""

    name: str
    caption: str
    lessons: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


METRICS = ("ndcg@10", "hr@10")
VARIES = ("model", "loss", "options", "clock", "users", "max_len")


def read_tables(root: Path, language: str) -> list[ResultTable]:
    """Every table of runs in data/results but the grids of tuning, one row a setting."""
    folder = root / "data" / "results"
    captions = read_captions(folder / "README.md", language)
    tables = []
    for path in sorted(folder.glob("*.csv")):
        if "grid" in path.stem:
            continue
        with path.open(encoding="utf-8-sig", newline="") as file:
            runs = list(csv.DictReader(file))
        tables.append(summary(path.stem, runs, captions.get(path.name, ("", "")), language))
    return tables


def read_captions(path: Path, language: str) -> dict[str, tuple[str, str]]:
    """From the list of files in data/results/README.md: file -> (lessons, what it holds)."""
    found = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split(" | ")]
        if len(cells) == 5 and ".csv`" in cells[0]:
            data, what = (split_twin(cell, language) for cell in cells[3:])
            for name in re.findall(r"`([^`]+\.csv)`", cells[0]):
                found[name] = (cells[1], f"{data.replace('`', '')}: {what.replace('`', '')}")
    return found


def split_twin(text: str, language: str) -> str:
    """One side of "English / 中文"."""
    english, _, chinese = text.partition(" / ")
    return chinese if chinese and language == "zh" else english


def summary(
    name: str, runs: list[dict[str, str]], caption: tuple[str, str], language: str
) -> ResultTable:
    """Means over seeds; only columns that differ between the settings are shown."""
    kept = ["model"] + [key for key in VARIES[1:] if len({run.get(key) or "" for run in runs}) > 1]
    groups: dict[tuple[tuple[str, ...], str], list[dict[str, str]]] = {}
    for run in runs:
        shown = tuple(run.get(key) or "" for key in kept)
        groups.setdefault((shown, setting(run)), []).append(run)
    rows = []
    for (key, _), group in groups.items():
        numbers = []
        for metric in METRICS:
            values = [float(run[metric]) for run in group if run.get(metric)]
            numbers.append(f"{statistics.fmean(values):.4f}" if values else "")
            numbers.append(f"{statistics.stdev(values):.4f}" if len(values) > 1 else "")
        rows.append((*key, str(len(group)), *numbers, parameters(group[0])))
    names = (*kept, "seeds", "ndcg@10", "sd", "hr@10", "sd", "parameters")
    with speaking(language):
        heads = tuple(map(head, names))
    return ResultTable(name, caption[1], caption[0], heads, tuple(rows))


def parameters(run: dict[str, str]) -> str:
    value = run.get("parameters") or ""
    return f"{int(float(value)):,}" if value else ""


def setting(run: dict[str, str]) -> str:
    """The configuration of a run without its seed: what runs must share to be averaged."""
    held = json.loads(run["configuration"])
    held.get("config", {}).pop("seed", None)
    return json.dumps(held, sort_keys=True)
