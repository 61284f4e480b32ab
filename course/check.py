"""What `check` verifies of a lesson: its parts, its prose (prose.py), and the notebooks that
were built from it.
"""

from __future__ import annotations

import base64
import re
from collections import Counter
from collections.abc import Iterator

import nbformat

from course.assignments.extract import exercises_of
from course.buttons import lesson_code
from course.catalogue import catalogue_faults
from course.edit import canonical
from course.exchange import same_program
from course.font import glyph_faults
from course.format import (
    SHOW,
    Cell,
    cells_digest,
    code_digest,
    find_source,
    lesson_entries,
    outputs_digest,
    read_cells,
    read_notebook,
    render,
    text_hash,
)
from course.lessons import LANGUAGES, Course, LessonError, Problem, Row, readme_texts
from course.minutes import time_faults
from course.pages import page_faults
from course.pictures import is_sharp
from course.prose import (
    HAN,
    Term,
    chinese_set_wrongly,
    compare,
    forbidden,
    load_glossary,
    load_names,
    misnamed,
    mistranslated,
    numbers_in_code,
    numbers_in_output,
    numbers_printed,
    set_wrongly,
    take_apart,
    unchecked_numbers,
    without_english,
)

LIMIT = 500_000  # bytes of a notebook
PARTS = (
    "objectives",
    "predict",
    "reference-check",
    "library",
    "picture",
    "break-it",
    "exercise",
    "solution",
    "open",
    "summary",
    "self-test",
    "references",
)
OTHER_TAGS = (
    "alt",
    "hint",
    "literature",
    "parameters",
    "training",
    "nbval-ignore-output",
    "nbval-skip",
    "raises-exception",
)
NOT_COMPARED = {"nbval-ignore-output", "nbval-skip"}
LEVELS = {"basic": "基础", "core": "进阶", "stretch": "挑战"}
EXERCISE = {  # **9.1 Implement · basic.** and **9.1 实现 · 基础。**
    "en": re.compile(r"^\*\*\d+\.\d+ [^*·]+?(?: · (\w+))?\.\*\*", re.M),
    "zh": re.compile(r"^\*\*\d+\.\d+ [^*·]+?(?: · (\w+))?。\*\*", re.M),
}
QUESTIONS = 10  # of a self-test
COUNT_OF_CHECKS = re.compile(r"<summary>.*?</summary>")  # says how many, no result
BAD_OUTPUT = {
    r"\b0x[0-9a-f]{6,}\b": "shows an object address; print a value instead, or end with plt.show()",
    r"(?<![\w.:/<~\\-])/[A-Za-z][\w.+-]*/[\w.+-]+|\b[A-Z]:\\\w": (
        "shows an absolute path; print only the part below the project"
    ),
    r"\d+%\|": "shows a progress bar; turn it off in lessons or print a line per epoch",
}


def check_lesson(course: Course, row: Row, terms: list[Term]) -> list[Problem]:
    """Everything that is wrong with one lesson."""
    file = course.relative(course.source(row))
    cells, found = read_cells(course, row)
    broken = bool(found)
    found += [Problem(file, cell, text) for cell, text in [*part_faults(cells), *tag_faults(cells)]]
    for cell in cells:
        faults = (
            prose_faults(course, row, cell, terms) if cell.kind == "prose" else code_faults(cell)
        )
        found += [Problem(file, cell_id, text) for cell_id, text in faults]
    if broken:
        return found
    try:
        exercises_of(course, row)
        found += [
            Problem("notebooks/lessons.csv", None, f"{row.name}: {fault}")
            for fault in time_faults(course, row, cells)
        ]
    except LessonError as error:
        found += error.problems
    source = course.source(row).read_text(encoding="utf-8")
    if canonical(course.root, source) != source:
        found.append(
            Problem(
                file,
                None,
                f"is not as JupyterLab would save it; run `python -m course.build format {row.number:02d}`",
            )
        )
    try:
        fresh = {language: render(course, row, cells, language) for language in LANGUAGES}
        built = {language: read_notebook(course.notebook(row, language)) for language in LANGUAGES}
    except LessonError as error:
        return found + list(error.problems)
    found += [
        fault
        for language in LANGUAGES
        for fault in notebook_faults(course, row, language, fresh[language], built[language])
    ]
    if all(built.values()):
        names = {lang: course.relative(course.notebook(row, lang)) for lang in LANGUAGES}
        entries = lesson_entries(course, row)
        twins = twin_faults(built["en"].cells, built["zh"].cells, entries)
        found += [Problem(names["zh"], cell, text) for cell, text in twins]
        found += [
            Problem(names[lang], cell, text)
            for lang in LANGUAGES
            for cell, text in output_faults(built[lang].cells)
        ]
        found += [
            Problem(file, cell, text) for cell, text in number_faults(cells, built["en"].cells)
        ]
    return found


def part_faults(cells: list[Cell]) -> Iterator[tuple[str | None, str]]:
    """Missing parts of a lesson, and parts out of order."""
    places: dict[str, list[int]] = {
        part: [i for i, cell in enumerate(cells) if part in cell.tags] for part in PARTS
    }
    places["library"] += [
        i for i, cell in enumerate(cells) if cell.kind == "code" and SHOW.search(cell.text["en"])
    ]
    missing = [part for part in PARTS if not places[part]]
    yield from (
        (None, f'lacks the part "{part}"; tag the cell that is it tags=["{part}"]')
        for part in missing
    )
    first = {part: min(found) for part, found in places.items() if found}
    for earlier, later in [
        *(("objectives", part) for part in PARTS[1:6]),
        ("reference-check", "exercise"),
        *((part, "exercise") for part in ("predict", "library", "picture", "break-it")),
    ]:
        if earlier in first and later in first and first[earlier] > first[later]:
            yield (
                cells[first[later]].id,
                f'is the first "{later}" but comes before the first "{earlier}"; move it after',
            )
    if (
        "reference-check" in first
        and "library" in first
        and first["reference-check"] > max(places["library"])
    ):
        yield (
            cells[max(places["library"])].id,
            "shows the library before anything was checked; put a reference-check before it",
        )
    for part, after in (
        ("solution", "open"),
        ("solution", "summary"),
        ("open", "summary"),
        ("summary", "self-test"),
        ("summary", "references"),
        ("self-test", "references"),
    ):
        if part in first and after in first and max(places[part]) > first[after]:
            yield (
                cells[first[after]].id,
                f'is the "{after}" but a "{part}" comes after it; move it down',
            )
    for place in places["predict"]:
        if cells[place].kind == "prose" and (
            place + 1 == len(cells) or cells[place + 1].kind != "code"
        ):
            yield (
                cells[place].id,
                (
                    "asks for a prediction but no code cell follows; put the cell that answers it"
                    " directly after"
                ),
            )
    yield from exercise_faults(cells)
    yield from level_faults(cells)
    yield from self_test_faults(cells)
    for place in places["summary"]:
        for language in LANGUAGES:
            lines = [
                line
                for line in cells[place].text[language].splitlines()
                if line.strip() and not line.startswith("#")
            ]
            items = [line for line in lines if re.match(r" ? ? ?(?:[-*+]|\d+[.)]) ", line)] or lines
            if len(items) != 5:
                yield (
                    f"{cells[place].id}-{language}",
                    f"is a summary of {len(items)} lines; write five",
                )
    for place in places["references"]:
        if "tutorial_lib" not in cells[place].text["en"]:
            yield (
                cells[place].id,
                "names no place in the code; add the tutorial_lib file beside the papers",
            )


def exercise_faults(cells: list[Cell]) -> Iterator[tuple[str | None, str]]:
    """An exercise is a question in prose, code, or both; its solution is code, and comes before the
    next exercise.
    """
    exercises, solved, previous = [], set(), None
    for cell in cells:
        if "exercise" in cell.tags:
            goes_on = (
                previous is not None
                and "exercise" in previous.tags
                and not (cell.kind == "prose" and previous.kind == "code")
            )
            if not goes_on:
                exercises.append(cell.id)
        elif "solution" in cell.tags and cell.kind == "code":
            if not exercises:
                yield cell.id, "is a solution before any exercise; move it after its exercise"
            else:
                solved.add(exercises[-1])
        previous = cell
    if exercises and not 3 <= len(exercises) <= 5:
        yield exercises[0], f"begins {len(exercises)} exercise(s); a lesson has 3 to 5"
    yield from (
        (name, 'has no solution; add a code cell tags=["solution"] before the next exercise')
        for name in exercises
        if name not in solved
    )


def level_faults(cells: list[Cell]) -> Iterator[tuple[str, str]]:
    """Exercises without a level, and a level that the twins do not share."""
    for cell in cells:
        if cell.kind != "prose" or "exercise" not in cell.tags:
            continue
        levels = [EXERCISE[language].findall(cell.text[language]) for language in LANGUAGES]
        for english, chinese in zip(*levels, strict=False):
            if english not in LEVELS:
                yield (
                    cell.id,
                    f'has the level "{english}"; write one of {", ".join(LEVELS)}: **9.1 Implement · core.**',
                )
            elif chinese != LEVELS[english]:
                yield (
                    f"{cell.id}-zh",
                    f'has the level "{chinese}"; "{english}" is {LEVELS[english]}',
                )


def self_test_faults(cells: list[Cell]) -> Iterator[tuple[str, str]]:
    """A self-test holds ten numbered questions, each with an answer that is folded away."""
    for cell in (cell for cell in cells if "self-test" in cell.tags):
        for language in LANGUAGES:
            text = cell.text[language]
            asked = re.findall(r"<details><summary><b>(\d+)\.</b> \S", text)
            answered = re.findall(r"</summary>\n\n.+?\n\n</details>", text, re.S)
            if asked != [str(n + 1) for n in range(QUESTIONS)] or len(answered) != QUESTIONS:
                yield (
                    f"{cell.id}-{language}",
                    f"asks {len(asked)} questions and answers {len(answered)}; a self-test has"
                    f" {QUESTIONS}, each <details><summary><b>1.</b> question</summary>, an empty"
                    " line, the answer, an empty line, </details>",
                )


def tag_faults(cells: list[Cell]) -> Iterator[tuple[str, str]]:
    for cell, before in zip(cells, [None, *cells], strict=False):
        for tag in set(cell.tags) - {*PARTS, *OTHER_TAGS}:
            yield (
                cell.id,
                f'has the unknown tag "{tag}"; known are {", ".join((*PARTS, *OTHER_TAGS))}',
            )
        if "alt" in cell.tags and (cell.kind != "prose" or before is None or before.kind != "code"):
            yield (
                cell.id,
                (
                    "describes a picture but follows no code cell; put it directly after the cell"
                    " that draws"
                ),
            )


def code_faults(cell: Cell) -> Iterator[tuple[str, str]]:
    if "solution" in cell.tags and not cell.text["en"].startswith("# Solution\n"):
        # JupyterLab shows the first line of a folded cell
        yield cell.id, "shows its first line though it is folded; let it be `# Solution`"
    if re.search(f"[{HAN}]", cell.text["en"]):
        yield (
            cell.id,
            "has Chinese in code that both languages share; write comments and labels in English",
        )


def prose_faults(
    course: Course, row: Row, cell: Cell, terms: list[Term]
) -> Iterator[tuple[str, str]]:
    english, chinese = cell.text["en"], cell.text["zh"]
    yield from ((cell.id, fault) for fault in compare(english, chinese))
    if "references" not in cell.tags:  # titles of papers are quoted, not translated
        yield from ((f"{cell.id}-zh", fault) for fault in mistranslated(english, chinese, terms))
    yield from ((f"{cell.id}-zh", fault) for fault in chinese_set_wrongly(chinese))
    yield from ((f"{cell.id}-zh", fault) for fault in forbidden(chinese, terms))
    names = load_names(course.root / "notebooks" / "names.csv")
    yield from ((f"{cell.id}-zh", fault) for fault in misnamed(english, chinese, names))
    if cell.stamp != text_hash(english):
        why = "was never compared with" if not cell.stamp else "is older than"
        yield (
            f"{cell.id}-zh",
            f"{why} its English; revise it, then run `python -m course.build stamp {row.number:02d} {cell.id}`",
        )
    for language in LANGUAGES:
        name, text = f"{cell.id}-{language}", cell.text[language]
        yield from ((name, fault) for fault in set_wrongly(text))
        parts = take_apart(text)
        if "exercise" in cell.tags and parts.images:
            yield (
                name,
                (
                    f"shows the picture {parts.images[0][1]}, which an assignment leaves behind;"
                    " show it in a cell before the exercise"
                ),
            )
        for link in [*parts.links, *(src for _, src in parts.images)]:
            target = course.notebook(row, language).parent / link.partition("#")[0]
            if not re.match(r"[a-z]+:|#", link, re.I) and not target.exists():
                yield (
                    name,
                    (
                        f"links to {link}, which is not there; mend the link (it starts at"
                        f" notebooks/{language}/)"
                    ),
                )
    for span in {
        span
        for span in take_apart(english).spans
        if re.fullmatch(r"(?:tutorial_lib|studies)(?:[./]\w+)*(?:\.py|/)?", span)
    }:
        try:
            if "/" in span and not (course.root / span).exists():
                raise LessonError("no such file")
            if "/" not in span:
                find_source(course.root, span)
        except LessonError as error:
            yield (
                cell.id,
                f"names `{span}`, which the library does not have ({error}); use its present name",
            )


def number_faults(
    cells: list[Cell], nodes: list[nbformat.NotebookNode]
) -> Iterator[tuple[str, str]]:
    """Numbers that the prose states and no cell checks: neither code nor a compared output of the
    lesson has them.
    """
    known: set[float] = set()
    for node in nodes:
        if node.cell_type == "code":
            known |= numbers_in_code(node.source)
            if not NOT_COMPARED & set(node.metadata.get("tags") or []):
                known |= {
                    number
                    for text in output_texts(node)
                    for number in numbers_in_output(COUNT_OF_CHECKS.sub("", text))
                }
    for cell in cells:
        # the numbers of a self-test are given, or follow from given ones
        if cell.kind == "prose" and not {"references", "literature", "self-test"} & set(cell.tags):
            for language in LANGUAGES:
                remedy = "add checks.expect(...) or, for a number of a paper, <!-- literature -->"
                for number in unchecked_numbers(cell.text[language], known):
                    yield (
                        f"{cell.id}-{language}",
                        f"states {number}, which no cell checks; {remedy}",
                    )


def twin_faults(
    english: list[nbformat.NotebookNode],
    chinese: list[nbformat.NotebookNode],
    entries: dict[str, str],
) -> Iterator[tuple[str, str]]:
    """Whether both notebooks run the same program and compute the same numbers."""
    code = [lesson_code(nodes) for nodes in (english, chinese)]
    if [node.id for node in code[0]] != [node.id for node in code[1]]:
        yield code[1][0].id, "has other code cells than its English twin; build the lesson again"
        return
    for one, two in zip(*code, strict=True):
        if one.id == "language":
            same = (
                one.source.replace('"en"', '"zh"').partition("  #")[0]
                == (two.source.partition("  #")[0])
            )
        else:
            same = same_program(one.source, two.source, entries)
        if not same:
            yield one.id, "is another program than its English twin; build the lesson again"
        if NOT_COMPARED & set(one.metadata.get("tags") or []):
            continue
        first, second = (
            Counter(numbers_printed("\n".join(output_texts(node)))) for node in (one, two)
        )
        if first != second:
            sides = [
                f"only {side} {', '.join((a - b).elements())}"
                for side, a, b in (("English", first, second), ("Chinese", second, first))
                if a - b
            ]
            yield one.id, f"prints other numbers than its English twin: {'; '.join(sides)}"
        if [sorted(o.get("data", {})) for o in one.outputs] != [
            sorted(o.get("data", {})) for o in two.outputs
        ]:
            yield one.id, "has outputs of other kinds than its English twin"


def output_texts(node: nbformat.NotebookNode) -> list[str]:
    texts = []
    for output in node.get("outputs", []):
        texts.append(output.get("text", ""))
        texts += [text for mime, text in output.get("data", {}).items() if mime.startswith("text/")]
    return [text for text in texts if text]


def output_faults(nodes: list[nbformat.NotebookNode]) -> Iterator[tuple[str, str]]:
    for node in nodes:
        tags = set(node.metadata.get("tags") or [])
        outputs = node.get("outputs", [])
        if (
            any(output.output_type == "error" for output in outputs)
            and "raises-exception" not in tags
        ):
            yield (
                node.id,
                (
                    'ended in an error; mend it, or tag it "raises-exception" where the error is'
                    " the point"
                ),
            )
        if any(output.get("name") == "stderr" for output in outputs):
            yield node.id, "prints to stderr (a warning?); mend its cause"
        for pattern, fault in BAD_OUTPUT.items():
            if any(re.search(pattern, text, re.I) for text in output_texts(node)):
                yield node.id, fault
        pictures = [
            output
            for output in outputs
            if any(mime.startswith("image/") for mime in output.get("data", {}))
        ]
        if pictures and not node.metadata.get("alt"):
            yield (
                node.id,
                (
                    'makes a picture without alt text; add a prose pair tags=["alt"] directly after'
                    " it that describes it"
                ),
            )
        for output in pictures:
            png, shown = output.data.get("image/png"), output.metadata.get("image/png", {})
            if png and not is_sharp(base64.b64decode(png), shown):
                yield (
                    node.id,
                    (
                        "shows a picture without twice the pixels of its width, which screens of"
                        " today blur; call plots.use_style() before it is drawn"
                    ),
                )
        if "picture" in tags and node.cell_type == "code" and not pictures:
            yield node.id, 'is tagged "picture" but its output has none; end it with plt.show()'


def notebook_faults(
    course: Course,
    row: Row,
    language: str,
    fresh: list[nbformat.NotebookNode],
    notebook: nbformat.NotebookNode | None,
) -> list[Problem]:
    """Whether a built notebook is there, is what its source gives today, and is small enough."""
    path, number = course.notebook(row, language), f"{row.number:02d}"
    file = course.relative(path)
    if notebook is None:
        return [
            Problem(file, None, f"has not been built; run `python -m course.build build {number}`")
        ]
    marks = notebook.metadata.get("tutorial", {})
    actual, wanted, known = cells_digest(notebook.cells), cells_digest(fresh), marks.get(language)
    found = []
    if actual != known and actual != wanted:
        want = {node.id: (node.source, node.metadata.get("tags") or []) for node in fresh}
        have = {node.id: (node.source, node.metadata.get("tags") or []) for node in notebook.cells}
        changed = [name for name in {**want, **have} if want.get(name) != have.get(name)]
        where = ", ".join(changed[:3]) or "order of the cells"
        remedy = (
            f"edit the source instead, or run `python -m course.build merge-back {number} --from {language}` and"
            " build again"
        )
        found.append(Problem(file, where, f"was edited by hand; {remedy}"))
    elif known != wanted or marks.get("code") != code_digest(fresh):
        found.append(
            Problem(
                file, None, f"is older than its source; run `python -m course.build build {number}`"
            )
        )
    elif marks.get("outputs") != outputs_digest(notebook.cells):
        found.append(
            Problem(
                file,
                None,
                f"has other outputs than its build gave; run `python -m course.build build --force {number}`",
            )
        )
    if path.stat().st_size > LIMIT:
        found.append(
            Problem(
                file,
                None,
                f"has {path.stat().st_size // 1000} kB of at most {LIMIT // 1000}; use fewer or"
                " smaller pictures",
            )
        )
    return found


def first_use_faults(course: Course, terms: list[Term]) -> list[Problem]:
    """Terms of the glossary whose English a Chinese reader is never told where they come first."""
    lessons = []
    for row in course.written():
        cells = [
            cell
            for cell in read_cells(course, row)[0]
            if not {"references", "alt"} & set(cell.tags)
        ]
        lessons.append([(c.text["en"], c.text["zh"]) for c in cells if c.kind == "prose"])
    written = course.written()
    return [
        Problem(course.relative(course.source(written[number])), None, fault)
        for number, fault in without_english(lessons, terms)
    ]


def check_course(course: Course, rows: list[Row]) -> list[Problem]:
    """Everything that is wrong with these lessons, and with what belongs to no lesson."""
    terms = load_glossary(course.root / "notebooks" / "glossary.csv")
    found = [problem for row in rows for problem in check_lesson(course, row, terms)]
    found += catalogue_faults(course, rows)
    found += glyph_faults(course)
    found += page_faults(course, terms)
    found += first_use_faults(course, terms)
    names = {course.source(row) for row in course.rows}
    for path in sorted((course.root / "notebooks" / "source").glob("*.py")):
        if path not in names:
            found.append(
                Problem(
                    course.relative(path),
                    None,
                    "is in no line of notebooks/lessons.csv; add one or rename the file",
                )
            )
    sources = {path.stem for path in names if path.exists()}
    for language in LANGUAGES:
        for path in sorted((course.root / "notebooks" / language).glob("*.ipynb")):
            if path.stem not in sources:
                found.append(
                    Problem(
                        course.relative(path),
                        None,
                        "has no source any more; delete it, or restore its source",
                    )
                )
    try:
        for path, (now, wanted) in readme_texts(course).items():
            if now != wanted:
                found.append(
                    Problem(
                        path.name,
                        None,
                        "has an old table of lessons or old routes; run `python -m course.build readme`",
                    )
                )
    except LessonError as error:
        found += error.problems
    return found
