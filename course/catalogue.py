"""The catalogues of the Chinese edition: what is in them, what is missing, what is wrong.

    python -m course.catalogue extract 04         renew its entries from the code
    python -m course.catalogue todo 04 > 04.json  what still needs Chinese
    python -m course.catalogue fill 04 04.json    put it in
    python -m course.catalogue check 04           what is still wrong
    python -m course.catalogue stats              how far all catalogues are

locale/zh/README.md says how to translate.
"""

from __future__ import annotations

import argparse
import ast
import io
import json
import re
import string
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import jupytext
from babel.messages.catalog import Catalog
from babel.messages.pofile import PoFileError, read_po, write_po

from course.exchange import is_for_readers, pieces, placeholders
from course.format import code_of, lesson_catalogue, read_lesson
from course.lessons import Course, LessonError, Problem, Row, load_course, write_atomically

HEADER = 'msgid ""\nmsgstr ""\n"Language: zh\\n"\n"Content-Type: text/plain; charset=utf-8\\n"\n\n'
# Calls whose text is spoken by the library, with the place of the text among the arguments.
SPOKEN = {
    "say": 0,
    "mark": 0,
    "agree": 0,
    "TutorialError": 0,
    "Wrong": 0,
    "NotAttempted": 0,
    "knob": 1,
    "BadTime": 1,
    "spoken": 1,
    "Diverged": 0,
    "DamagedCheckpoint": 0,
}
SOURCES = {  # catalogue of the library -> the files whose texts it holds
    "library/core": "tutorial_lib/*.py",
    "library/files": "tutorial_files/*.py",
    "library/data": "tutorial_lib/data/**/*.py",
    "library/scale": "tutorial_lib/scale/**/*.py",
    "library/models": "tutorial_lib/[mk][oe]*/**/*.py",
    "library/experiments": "tutorial_lib/experiments/**/*.py",
    "library/serving": "tutorial_lib/serving/**/*.py",
    "course/course": "course/**/*.py",
}
SETS = "exercises/sets"  # the code that problem sets hand out
ANSWERS = "\n# Answers on which the tests try the checkers"  # what follows speaks to nobody
FIELD = re.compile(r"\{[^{}]*\}")
TRANSLATED = "locale/zh/translated.txt"


@dataclass(frozen=True)
class Text:
    """A text of the English code: `kind` as in `exchange.Piece`, or "message" of the library."""

    kind: str
    where: tuple[str, ...]

    @property
    def needed(self) -> bool:
        return self.kind != "word"


@dataclass(frozen=True)
class Book:
    """One catalogue: its name, its file, and where its texts come from."""

    name: str
    path: Path
    lesson: Row | None = None
    files: tuple[Path, ...] = ()


def books(course: Course) -> dict[str, Book]:
    """All catalogues of the course, those of the lessons first."""
    root, folder = course.root, course.root / "locale" / "zh"
    found = [
        Book(f"{row.number:02d}", lesson_catalogue(course, row), row) for row in course.written()
    ]
    for path in sorted((root / "exercises").glob("*.py")):
        if path.stem != "__init__":
            name = f"exercises/{path.stem}"
            found.append(Book(name, folder / f"{name}.po", files=(path,)))
    if sets := tuple(sorted((root / "exercises" / "sets").glob("*.py"))):
        found.append(Book(SETS, folder / f"{SETS}.po", files=sets))
    for name, pattern in SOURCES.items():
        if files := tuple(sorted(root.glob(pattern))):
            found.append(Book(name, folder / f"{name}.po", files=files))
    return {book.name: book for book in found}


def texts_of(course: Course, book: Book) -> dict[str, Text]:
    """The English texts that a catalogue must hold, in their order."""
    found: dict[str, tuple[str, list[str]]] = {}

    def add(message: str, kind: str, where: str) -> None:
        old_kind, places = found.setdefault(message, (kind, []))
        if old_kind == "word" != kind:
            found[message] = (kind, places)
        if where not in places:
            places.append(where)

    if book.lesson is not None:
        for cell in read_lesson(course, book.lesson):
            if cell.kind == "code":
                for piece in pieces(code_of(course, book.lesson, cell, "en")):
                    add(piece.message, piece.kind, cell.id)
    for path in book.files:
        if book.name == SETS:  # code that is handed out
            for cell in jupytext.reads(path.read_text(encoding="utf-8"), fmt="py:percent").cells:
                for piece in pieces(cell.source) if cell.cell_type == "code" else ():
                    add(piece.message, piece.kind, course.relative(path))
            continue
        for message in spoken_in(path):
            add(message, "message", course.relative(path))
    return {message: Text(kind, tuple(places)) for message, (kind, places) in found.items()}


def spoken_in(path: Path) -> tuple[str, ...]:
    """The texts of a file of code that reach a reader through `say`. Checkers hand on what they
    say in many ways, so that in `exercises` every text with a space counts.
    """
    text, _, _ = path.read_text(encoding="utf-8").partition(ANSWERS)
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        raise LessonError(f"{path} is not valid Python (line {error.lineno}); mend it") from None
    all_count = path.parent.name == "exercises"
    found: dict[str, None] = {}
    for node in _without_answers(tree):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            place = SPOKEN.get(name)
            spoken = [] if place is None else node.args[place : place + 1]
            if place is not None or all_count:  # values may be texts, too
                spoken = spoken + [
                    one.value
                    for one in node.keywords
                    if one.arg in ("name", "what") or isinstance(one.value, ast.IfExp)
                ]
            found |= dict.fromkeys(text for one in spoken for text in _constants(one))
        elif (
            all_count
            and isinstance(node, ast.Constant)
            and is_for_readers(FIELD.sub("", str(node.value)))
        ):
            found[node.value] = None
    return tuple(text for text in found if re.search("[A-Za-z:;,(]", FIELD.sub("", text)))


def _constants(node: ast.expr) -> list[str]:
    """The texts that an argument may be: itself, or the two sides of a choice."""
    if isinstance(node, ast.Constant):
        return [node.value] if isinstance(node.value, str) else []
    if isinstance(node, ast.IfExp):
        return _constants(node.body) + _constants(node.orelse)
    if isinstance(node, ast.BoolOp):
        return [text for value in node.values for text in _constants(value)]
    return []


def _without_answers(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes, in the order of the text, without docstrings and the constants of f-strings."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
            continue
        yield child
        if not isinstance(child, ast.JoinedStr):
            yield from _without_answers(child)
        else:
            for part in child.values:
                if isinstance(part, ast.FormattedValue):
                    yield from _without_answers(part)


# The files


def read(path: Path) -> Catalog:
    """The catalogue in a file, fuzzy entries included; an empty one where there is no file."""
    if not path.exists():
        return Catalog(locale="zh")
    try:
        return read_po(io.BytesIO(path.read_bytes()), locale="zh", abort_invalid=True)
    except (PoFileError, ValueError, SyntaxError, IndexError) as error:
        raise LessonError(f"{path} is no catalogue ({error}); mend the line") from None


def entries(book: Book) -> dict[str, tuple[str, bool]]:
    """English -> (Chinese, whether it is fuzzy), empty ones included."""
    return {one.id: (one.string, one.fuzzy) for one in read(book.path) if one.id}


def extract(course: Course, book: Book, memory: dict[str, str]) -> str:
    """Renew the entries of a catalogue from the code; returns what was done.

    Translations stay. An entry whose English changed a little is kept as fuzzy; a text that another
    catalogue has (`memory`) is filled in; what is no longer used is dropped.
    """
    template = Catalog(locale="zh")
    texts = texts_of(course, book)
    for message, text in texts.items():
        template.add(message, locations=[(place, None) for place in text.where])
    catalogue = read(book.path)
    before = {one.id for one in catalogue if one.id}
    catalogue.update(template)
    catalogue.obsolete.clear()
    fresh = Catalog(locale="zh")  # in the order of the code
    for message, text in texts.items():
        old = catalogue[message]
        filled = old.string or (memory.get(message, "") if text.needed else "")
        added = fresh.add(message, filled, locations=[(place, None) for place in text.where])
        added.flags = {"fuzzy"} if old.fuzzy and old.string else set()
        if not text.needed:
            added.flags.add("optional")
    save(book.path, fresh)
    return (
        f"{len(texts)} entries, {len(set(texts) - before)} new, {len(before - set(texts))} dropped"
    )


def save(path: Path, catalogue: Catalog) -> None:
    out = io.BytesIO()
    write_po(out, catalogue, width=0, omit_header=True, ignore_obsolete=True)
    write_atomically({path: HEADER + out.getvalue().decode().strip("\n") + "\n"})


def memory_of(course: Course) -> dict[str, str]:
    """What any catalogue translates, fuzzy entries left out."""
    return {
        message: chinese
        for book in books(course).values()
        for message, (chinese, fuzzy) in entries(book).items()
        if chinese and not fuzzy
    }


def todo(course: Course, book: Book) -> dict[str, dict[str, str]]:
    """What still needs Chinese: texts (a fuzzy one with what it has), and words that may be labels."""
    have, result = entries(book), {"texts": {}, "words": {}}
    for message, text in texts_of(course, book).items():
        chinese, fuzzy = have.get(message, ("", False))
        if not chinese or fuzzy:
            result["texts" if text.needed else "words"][message] = chinese
    return result


def fill(course: Course, book: Book, given: dict[str, dict[str, str]]) -> list[Problem | str]:
    """Put translations into a catalogue; those that are at fault are named and left out."""
    texts, catalogue = texts_of(course, book), read(book.path)
    file, found = course.relative(book.path), []
    for message, chinese in {**given.get("texts", {}), **given.get("words", {})}.items():
        if not chinese:
            continue
        entry = catalogue.get(message)
        if entry is None or message not in texts:
            found.append(Problem(file, None, f"has no entry {message!r}; copy the English exactly"))
            continue
        faults = entry_faults(message, chinese, texts[message])
        found += [Problem(file, None, f"{message!r}: {fault}") for fault in faults]
        if not faults:
            entry.string = chinese
            entry.flags.discard("fuzzy")
    save(book.path, catalogue)
    return found


# What is wrong


def entry_faults(message: str, chinese: str, text: Text) -> list[str]:
    """What is wrong with one translation, on its own."""
    faults = []
    try:
        if text.kind == "f-text":
            same = placeholders(message) == placeholders(chinese)
        elif text.kind == "message":
            same = _fields(message) == _fields(chinese)
        else:
            same = True
    except ValueError as error:
        faults.append(
            f"its Chinese cannot be read ({error}); double a brace that stands for itself"
        )
    else:
        if not same:
            faults.append("other placeholders in its Chinese; copy each {...} exactly")
    if text.kind == "comment" and "#" in "".join(re.findall(r"^#", chinese, re.M)):
        faults.append("its Chinese begins with #, which the build writes; remove it")
    if text.kind in ("comment", "docstring", "text", "f-text", "message"):
        ends = [one[len(one.rstrip()) :] for one in (message, chinese)]
        if text.kind != "docstring" and ends[0] != ends[1] and "\n" in "".join(ends):
            faults.append("its Chinese ends with other line breaks; copy them")
    return faults


def _fields(message: str) -> set[str]:
    """The {placeholders} of a message with their formats; the English plural has no twin."""
    return {
        f"{name}!{conversion}:{form}"
        for _, name, form, conversion in string.Formatter().parse(message)
        if name is not None and name != "plural"
    }


def translated(course: Course) -> set[str]:
    """The names of the catalogues that are said to be complete."""
    path = course.root / TRANSLATED
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return {line.strip() for line in lines if line.strip() and not line.startswith("#")}


def book_faults(course: Course, book: Book, complete: bool) -> list[Problem]:
    """Everything that is wrong with a catalogue; with `complete` it must also have every entry, no
    fuzzy and no stale one.
    """
    file, found = course.relative(book.path), []
    try:
        texts = texts_of(course, book)
    except LessonError as error:  # what is wrong with a lesson is said elsewhere
        return [] if book.lesson else [Problem(file, None, str(error))]
    try:
        have = entries(book)
    except LessonError as error:
        return [Problem(file, None, str(error))]
    number = book.name

    def wrong(message: str, fault: str) -> None:
        short = message if len(message) < 60 else message[:57] + "..."
        found.append(Problem(file, None, f"{short!r}: {fault}"))

    for message, (chinese, _) in have.items():
        if message in texts and chinese:
            for fault in entry_faults(message, chinese, texts[message]):
                wrong(message, fault)
    words = Counter(have[m][0] for m, text in texts.items() if not text.needed and m in have)
    for message, text in texts.items():
        chinese = have.get(message, ("", False))[0]
        if not text.needed and chinese and words[chinese] > 1:
            wrong(message, f"another word has the same Chinese {chinese!r}; tell them apart")
    if not complete:
        return found
    for message, text in texts.items():
        chinese, fuzzy = have.get(message, ("", False))
        if text.needed and not chinese:
            wrong(message, f"has no Chinese; run `python -m course.catalogue todo {number}`")
        elif fuzzy:
            wrong(message, "is fuzzy: its English changed; revise the Chinese and drop the flag")
    for message in have:
        if message not in texts:
            wrong(message, f"is stale; run `python -m course.catalogue extract {number}`")
    return found


def catalogue_faults(course: Course, rows: list[Row]) -> list[Problem]:
    """What is wrong with the catalogues of these lessons and of the library."""
    known, done = books(course), translated(course)
    wanted = {f"{row.number:02d}" for row in rows}
    found = [
        problem
        for book in known.values()
        if book.lesson is None or book.name in wanted
        for problem in book_faults(course, book, book.name in done)
    ]
    for name in sorted(done - set(known)):
        found.append(Problem(TRANSLATED, None, f"names no catalogue: {name!r}; remove the line"))
    return found


# The command


def choose(course: Course, names: list[str]) -> list[Book]:
    known = books(course)
    names = [name.zfill(2) if name.isdecimal() else name for name in names]
    for name in names:
        if name not in known:
            raise LessonError(f"there is no catalogue {name!r}; known are {', '.join(known)}")
    return [known[name] for name in names] or list(known.values())


def main(arguments: list[str] | None = None) -> int:
    top = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, about in {
        "extract": "renew the entries from the code; translations stay",
        "todo": "print what still needs Chinese, as JSON",
        "fill": "put the translations of a JSON file into a catalogue",
        "check": "say what is wrong or missing",
        "stats": "count entries",
    }.items():
        sub = commands.add_parser(name, help=about, description=about)
        sub.add_argument("--root", type=Path, default=Path(__file__).resolve().parents[1])
        one = name in ("todo", "fill")
        about = "catalogue: 04, exercises/lesson04, library/core ..."
        sub.add_argument("names", nargs=1 if one else "*", metavar="NAME", help=about)
        if name == "fill":
            sub.add_argument("file", type=Path, help='JSON: {"texts": {...}, "words": {...}}')
    options = top.parse_args(arguments)
    try:
        return run(load_course(options.root), options)
    except LessonError as error:
        print(error, file=sys.stderr)
        return 1


def run(course: Course, options: argparse.Namespace) -> int:
    chosen = choose(course, options.names)
    problems: list[Problem | str] = []
    if options.command == "extract":
        memory = memory_of(course)
        for book in chosen:
            print(f"{book.name}: {extract(course, book, memory)}")
    elif options.command == "todo":
        print(json.dumps(todo(course, chosen[0]), ensure_ascii=False, indent=1))
    elif options.command == "fill":
        try:
            given = json.loads(options.file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise LessonError(f"{options.file} cannot be read ({error})") from None
        problems = fill(course, chosen[0], given)
    elif options.command == "check":
        problems = [problem for book in chosen for problem in book_faults(course, book, True)]
    else:
        for book in chosen:
            have, texts = entries(book), texts_of(course, book)
            needed = [message for message, text in texts.items() if text.needed]
            done = sum(bool(have.get(one, ("",))[0]) and not have[one][1] for one in needed)
            print(f"{book.name:24} {done:5} of {len(needed):5} texts")
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
