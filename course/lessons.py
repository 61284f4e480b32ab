"""The table of lessons: what the headers of the notebooks and the READMEs say, and where each file
lives.
"""

from __future__ import annotations

import csv
import os
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tutorial_files.language import VARIABLE
from tutorial_lib.errors import TutorialError

LANGUAGES = ("en", "zh")
TIMES = {
    "en": "reading {reading} min · exercises {exercises} min",
    "zh": "阅读 {reading} 分钟 · 练习 {exercises} 分钟",
}


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, where it is and what to do about it."""

    file: str
    cell: str | None
    text: str

    def __str__(self) -> str:
        return f"{self.file}: " + (f"cell {self.cell}: " if self.cell else "") + self.text


def folder_of_lessons() -> Path | None:
    """The folder that holds `notebooks`: the one from which this is called, or the checkout; None
    where neither does.
    """
    for folder in (Path.cwd(), Path(__file__).resolve().parents[1]):
        if (folder / "notebooks" / "lessons.csv").is_file():
            return folder
    return None


def reader_language(environ: Mapping[str, str]) -> str:
    """The code of the reader's language, en or zh: LESSONS where it is set, otherwise the locale,
    in the order of POSIX.
    """
    chosen = environ.get("LESSONS")
    if not chosen:
        locale = environ.get("LC_ALL") or environ.get("LC_MESSAGES") or environ.get("LANG") or ""
        return "zh" if locale.startswith("zh") else "en"
    if chosen not in LANGUAGES:
        sys.exit(
            f"LESSONS is {chosen!r}, but the lessons are in English and Chinese: set LESSONS=en or"
            " LESSONS=zh."
        )
    return chosen


def speak() -> str:
    """Speak the reader's language in this process and those that it starts; returns its code."""
    code = reader_language(os.environ)
    os.environ.setdefault(VARIABLE, code)
    return code


class LessonError(TutorialError):
    """Something the author can mend; carries every problem found, one sentence each."""

    def __init__(self, *problems: Problem | str):
        self.problems = problems
        super().__init__("\n".join(str(problem) for problem in problems))


@dataclass(frozen=True)
class Row:
    """One line of lessons.csv."""

    number: int
    slug: str
    title: dict[str, str]
    minutes: int  # of reading
    exercises: int  # minutes of exercises
    prerequisites: tuple[int, ...]
    part: dict[str, str]

    def __hash__(self) -> int:
        return hash(self.number)

    @property
    def name(self) -> str:
        return f"{self.number:02d}_{self.slug}"


@dataclass(frozen=True)
class Course:
    """The folder of the project and its table of lessons."""

    root: Path
    rows: tuple[Row, ...]

    def source(self, row: Row) -> Path:
        return self.root / "notebooks" / "source" / f"{row.name}.py"

    def notebook(self, row: Row, language: str) -> Path:
        return self.root / "notebooks" / language / f"{row.name}.ipynb"

    def written(self) -> list[Row]:
        return [row for row in self.rows if self.source(row).exists()]

    def relative(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()


def load_course(root: Path) -> Course:
    """Read notebooks/lessons.csv: number, slug, title_en, title_zh, minutes (of reading), exercises
    (minutes of them; course/minutes.py has the rule), prerequisites ("4 5"), part_en, part_zh.
    """
    path = Path(root) / "notebooks" / "lessons.csv"
    if not path.exists():
        raise LessonError(
            f"{path} is missing; give --root the folder that holds notebooks/lessons.csv"
        )
    rows = []
    with path.open(encoding="utf-8-sig", newline="") as file:
        for line, row in enumerate(csv.DictReader(file), start=2):
            try:
                titles, parts = (
                    {lang: row[f"{key}_{lang}"].strip() for lang in LANGUAGES}
                    for key in ("title", "part")
                )
                needs = tuple(int(number) for number in row["prerequisites"].split())
                rows.append(
                    Row(
                        int(row["number"]),
                        row["slug"].strip(),
                        titles,
                        int(row["minutes"]),
                        int(row["exercises"]),
                        needs,
                        parts,
                    )
                )
            except (KeyError, ValueError, AttributeError, TypeError) as error:
                raise LessonError(
                    Problem(
                        "notebooks/lessons.csv", None, f"line {line} cannot be read ({error!r})"
                    )
                ) from None
            if not set(needs) <= {earlier.number for earlier in rows[:-1]}:
                raise LessonError(
                    Problem(
                        "notebooks/lessons.csv",
                        None,
                        f"line {line}: a prerequisite is no earlier lesson",
                    )
                )
    if len({row.number for row in rows}) < len(rows):
        raise LessonError(
            Problem(
                "notebooks/lessons.csv", None, "two lessons have the same number; number them apart"
            )
        )
    return Course(Path(root).resolve(), tuple(rows))


def lesson_link(course: Course, row: Row, language: str) -> str:
    """Title of a lesson, linked when the lesson has been written."""
    title = f"{row.number:02d} · {row.title[language]}"
    return f"[{title}]({row.name}.ipynb)" if course.source(row).exists() else title


def header(course: Course, row: Row, language: str) -> str:
    """The first cell of a notebook: title, twin, minutes of reading and of exercises, prerequisites,
    the lessons before and after.
    """
    words = {
        "en": ("中文版", TIMES["en"], "Before this lesson: ", "nothing", ", "),
        "zh": ("English", TIMES["zh"], "先修：", "无", "、"),
    }
    twin, times, before, none, comma = words[language]
    other = "zh" if language == "en" else "en"
    needs = (
        comma.join(
            lesson_link(course, r, language) for r in course.rows if r.number in row.prerequisites
        )
        or none
    )
    place = course.rows.index(row)
    steps = [f"← {lesson_link(course, course.rows[place - 1], language)}"] if place else []
    steps += (
        [f"{lesson_link(course, course.rows[place + 1], language)} →"]
        if place + 1 < len(course.rows)
        else []
    )
    times = times.format(reading=row.minutes, exercises=row.exercises)
    facts = f"[{twin}](../{other}/{row.name}.ipynb) · {times} · {before}{needs}"
    return f"# {row.number:02d} · {row.title[language]}\n\n{facts}\n\n{' | '.join(steps)}".rstrip()


def write_atomically(texts: dict[Path, str]) -> None:
    """Write files whole or not at all, together; an unchanged file is left alone."""
    changed = {
        path: text
        for path, text in texts.items()
        if not path.exists() or path.read_bytes() != text.encode()
    }
    parts = {path: path.with_name(f".{path.name}.part") for path in changed}
    path = None
    try:
        for path, text in changed.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            parts[path].write_text(text, encoding="utf-8", newline="\n")
        for path, part in parts.items():
            os.replace(part, path)
    except OSError as error:
        for part in parts.values():
            part.unlink(missing_ok=True)
        raise LessonError(
            f"{path} cannot be written ({error.strerror or error}); free the disk or change its"
            " rights"
        ) from None


def lesson_table(course: Course, language: str) -> str:
    """The table of lessons of README.md (en) or README.zh-CN.md (zh); lessons not yet written have
    no links.
    """
    rows = {
        "en": ["| # | Lesson | 中文 | Reading | Exercises | Before it |", "planned"],
        "zh": ["| # | 课程 | English | 阅读 | 练习 | 先修 |", "计划中"],
    }[language]
    planned = rows.pop()
    rows.append("|--:|:--|:--|--:|--:|:--|")
    other = "zh" if language == "en" else "en"
    part = None
    for row in course.rows:
        if row.part != part:
            part = row.part
            rows.append(f"| | **{part[language]}** | | | | |")
        links = [
            f"[{row.title[lang]}](notebooks/{lang}/{row.name}.ipynb)" for lang in (language, other)
        ]
        if not course.source(row).exists():
            links = [
                (
                    f"{row.title[language]} ({planned})"
                    if language == "en"
                    else f"{row.title[language]}（{planned}）"
                ),
                row.title[other],
            ]
        needs = ", ".join(f"{number:02d}" for number in row.prerequisites) or "–"
        rows.append(
            f"| {row.number:02d} | {' | '.join(links)} | {row.minutes} | {row.exercises or '–'} | {needs} |"
        )
    return "\n".join(rows)


def route_list(course: Course, language: str) -> str:
    """The routes of site/routes.toml, a line each: title, hours of reading and exercises together,
    what it teaches, and its lessons.
    """
    path, rows, lines = course.root / "site" / "routes.toml", {r.number: r for r in course.rows}, []
    for route in tomllib.loads(path.read_text(encoding="utf-8"))["route"]:
        taken = [rows[number] for number in route["lessons"]]
        hours = round(sum(row.minutes + row.exercises for row in taken) / 60)
        title, text = (route[f"{key}_{language}"] for key in ("title", "text"))
        numbers = _runs([row.number for row in taken], language)
        lines.append(
            f"- **{title}**, {hours} hours: {numbers}. {text}"
            if language == "en"
            else f"- **{title}**，{hours} 小时：{numbers}。{text}"
        )
    return "\n".join(lines)


def _runs(numbers: list[int], language: str) -> str:
    """Numbers as in "00, 01, 04 to 07": three or more in a row are joined."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    to, comma = (" to ", ", ") if language == "en" else (" 到 ", "、")
    return comma.join(
        f"{run[0]:02d}{to}{run[-1]:02d}" if len(run) > 2 else comma.join(f"{n:02d}" for n in run)
        for run in runs
    )


def readme_texts(course: Course) -> dict[Path, tuple[str, str]]:
    """For each README: what it says and what it should say, the table of lessons between its two
    markers being built, and the routes between theirs (which a README may lack).
    """
    begin, end = "<!-- lessons:begin -->", "<!-- lessons:end -->"
    texts = {}
    for name, language in (("README.md", "en"), ("README.zh-CN.md", "zh")):
        path = course.root / name
        if not path.exists():
            raise LessonError(
                Problem(
                    name,
                    None,
                    "is missing; write it and put the two markers of the table of lessons in it",
                )
            )
        text = path.read_text(encoding="utf-8")
        before, opened, rest = text.partition(begin)
        _, closed, after = rest.partition(end)
        if not (opened and closed):
            raise LessonError(
                Problem(
                    name,
                    None,
                    f"lacks the lines {begin} and {end}, between which the table of lessons goes",
                )
            )
        new = f"{before}{begin}\n{lesson_table(course, language)}\n{end}{after}"
        before, opened, rest = new.partition("<!-- routes:begin -->\n")
        _, closed, after = rest.partition("<!-- routes:end -->")
        if opened and closed:
            new = f"{before}{opened}{route_list(course, language)}\n{closed}{after}"
        texts[path] = (text, new)
    return texts
