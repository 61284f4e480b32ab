"""Comments, strings and docstrings of lesson code, taken out for a catalogue and put back in
another language.

A text is identified by its English. That of an f-string shows its placeholders as they stand in
the code: `genre {e[:6].argmax()} mark {m + 1}`; a translation may move them, not change them.
CONTRIBUTING.md says which texts are for readers. Nothing here knows files or notebooks.
"""

from __future__ import annotations

import ast
import inspect
import io
import re
import tokenize
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tutorial_files.language import columns

WORD = re.compile(r"[A-Za-z]{2,}|[\u3400-\u9fff]")
DIRECTIVE = re.compile(r"#\s*(?:show:|fmt:|noqa|type:|ruff:|pragma|%%|!)")
WHERE_FROM = re.compile(r"# (?:from|摘自) \S+\.py\S*( \S+)*$")  # written by format.shown_block
OPENING = re.compile(r"([A-Za-z]{0,2})(\"\"\"|'''|\"|')")
WIDE = 88  # columns of a line of code, beyond which a long text is set on several
# A single word in one of these places may be a label: the translator decides (see `pieces`).
SHOWN_BY = re.compile(
    r"(?:^|\.)(?:print|expect\w*|show_\w+|set|set_\w+|legend|text|annotate|title|suptitle|heatmap"
    r"|timeline|metric_bars|differences|learning_curve)$"
)
LABELS = re.compile(r"(?:[xyzc]?label|title|name|rows|columns|lines|legend)$")


@dataclass(frozen=True)
class Piece:
    """A text in code[start:end]: kind "comment", "text", "f-text", "docstring" or "word"."""

    kind: str
    start: int
    end: int
    message: str


def pieces(code: str) -> list[Piece]:
    """The texts of a code cell, in order. Those of kind "word" are single words that may be labels
    or names in a program: only a translator can say; the others are for readers.
    """
    try:
        tree = ast.parse(code)
    except SyntaxError:  # a magic command: the cell stays as it is
        return []
    return sorted([*_comments(code), *_strings(code, tree)], key=lambda piece: piece.start)


def _pieces_inside(placeholder: str) -> list[Piece]:
    expression = _expression(placeholder)
    return list(_strings(expression, ast.parse(expression, mode="eval")))


def exchange(code: str, entries: Mapping[str, str]) -> str:
    """The code with every text that has an entry replaced by it; words wherever they occur."""
    try:
        tree = ast.parse(code)
    except SyntaxError:
        return code
    return _exchanged(code, [*_comments(code), *_strings(code, tree, every=True)], entries)


def _exchanged(code: str, found: list[Piece], entries: Mapping[str, str]) -> str:
    for piece in sorted(found, key=lambda piece: -piece.start):
        old = code[piece.start : piece.end]
        column = piece.start - (code.rfind("\n", 0, piece.start) + 1)
        if piece.kind == "comment":
            new = _comment(old, entries.get(piece.message), column)
        elif piece.kind == "docstring":
            new = _docstring(old, entries.get(piece.message), column)
        else:
            new = _literal(old, piece, entries, column)
        code = code[: piece.start] + new + code[piece.end :]
    return code


def is_for_readers(text: str) -> bool:
    """A text with a space and a word; formulas, placeholders and dates do not count as words."""
    plain = re.sub(r"\$[^$]*\$|%[A-Za-z]", "", text).strip()
    return " " in plain and WORD.search(plain) is not None


# What stands in the code


def _comments(code: str) -> Iterator[Piece]:
    """Comments that hold words; full lines below each other are one text."""
    starts, lines = _starts(code), code.splitlines()
    block: list[tuple[int, int, str]] = []  # line, column, text

    def close() -> Iterator[Piece]:
        if block:
            message = "\n".join(text for _, _, text in block)
            (first, column, _), (last, _, _) = block[0], block[-1]
            if WORD.search(re.sub(r"\[[^\]]*\]|`[^`]*`", "", message)):
                start, end = starts[first - 1] + column, starts[last - 1] + len(lines[last - 1])
                yield Piece("comment", start, end, message)
            block.clear()

    for token in tokenize.generate_tokens(io.StringIO(code).readline):
        if token.type != tokenize.COMMENT:
            continue
        line, column = token.start
        alone = not lines[line - 1][:column].strip()
        if not (alone and block and block[-1][:2] == (line - 1, column)):
            yield from close()
        if DIRECTIVE.match(token.string):
            yield from close()
            continue
        if WHERE_FROM.match(token.string.rstrip()):
            yield from close()
            continue
        block.append((line, column, token.string[1:].removeprefix(" ").rstrip()))
        if not alone:
            yield from close()
    yield from close()


def _strings(code: str, tree: ast.AST, every: bool = False) -> Iterator[Piece]:
    """Docstrings and strings for readers, and single words that may be labels; with `every` all
    strings but annotations.
    """
    starts, lines = _starts(code), code.splitlines(keepends=True)

    def offset(line: int, column: int) -> int:
        return starts[line - 1] + len(lines[line - 1].encode()[:column].decode())

    docstrings, inside, labels = set(), set(), set()
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if (
            isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
            and body
            and isinstance(body[0], ast.Expr)
            and isinstance(body[0].value, ast.Constant)
            and isinstance(body[0].value.value, str)
        ):
            docstrings.add(body[0].value)
        if isinstance(node, ast.JoinedStr):
            inside |= set(ast.walk(node)) - {node}
        for name in ("annotation", "returns"):
            if getattr(node, name, None) is not None:
                inside |= set(ast.walk(getattr(node, name)))
        labels |= set(_label_places(node))
    for node in ast.walk(tree):
        if node in inside or not isinstance(node, ast.Constant | ast.JoinedStr):
            continue
        if isinstance(node, ast.Constant) and not isinstance(node.value, str):
            continue
        start = offset(node.lineno, node.col_offset)
        end = offset(node.end_lineno, node.end_col_offset)
        if node in docstrings:
            message = inspect.cleandoc(node.value)
            if WORD.search(message):
                yield Piece("docstring", start, end, message)
            continue
        parts = literal_parts(code[start:end])
        kind = "f-text" if isinstance(node, ast.JoinedStr) else "text"
        message = form(parts) if kind == "f-text" else node.value
        constant = "".join("x" if is_code else text for text, is_code in parts)
        if every or is_for_readers(constant):
            yield Piece(kind, start, end, message)
        elif node in labels and re.fullmatch(r"[A-Za-z][A-Za-z'-]+", message):
            yield Piece("word", start, end, message)
        if kind == "f-text" and not every:  # strings inside its placeholders
            for text, is_code in parts:
                for inner in _pieces_inside(text) if is_code else ():
                    yield Piece(inner.kind, start, end, inner.message)


def _label_places(node: ast.AST) -> Iterator[ast.AST]:
    """Nodes in which a single word may be a label: arguments of what prints or draws, keys and
    entries of displays, capitalised words anywhere.
    """
    if isinstance(node, ast.Call):
        if SHOWN_BY.search(ast.unparse(node.func)):
            yield from node.args
            yield from (keyword.value for keyword in node.keywords if keyword.arg != "fmt")
        else:
            yield from (
                keyword.value for keyword in node.keywords if LABELS.match(keyword.arg or "")
            )
    elif isinstance(node, ast.Dict):
        yield from (key for key in node.keys if key is not None)
    elif isinstance(node, ast.List | ast.Tuple):
        yield from node.elts
    elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.istitle():
        yield node


def _starts(code: str) -> list[int]:
    starts = [0]
    for line in code.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    return starts


# The parts of a string: constant text, and code between braces

Parts = list[tuple[str, bool]]  # (text, whether it is the code of a placeholder)


def literal_parts(segment: str) -> Parts:
    """The parts of one string expression, which may be several literals side by side."""
    parts: Parts = []
    for prefix, quote, body in _literals(segment):
        for text, is_code in _split(body) if "f" in prefix else [(body, False)]:
            if not is_code and "r" not in prefix:
                text = ast.literal_eval(f"{quote}{text}{quote}") if text else text
            parts.append((text, is_code))
    return _joined(parts)


def _literals(segment: str) -> list[tuple[str, str, str]]:
    """Prefix in small letters, quotes and body of each literal."""
    found, place = [], 0
    while place < len(segment):
        opening = OPENING.match(segment, place)
        if opening is None:  # blanks, line breaks and comments between the literals
            place = re.compile(r"\s+|\\\n|#[^\n]*|.").match(segment, place).end()
            continue
        end = opening.end()
        while not segment.startswith(opening[2], end):
            end += 2 if segment[end] == "\\" else 1
        found.append((opening[1].lower(), opening[2], segment[opening.end() : end]))
        place = end + len(opening[2])
    return found


def _joined(parts: Parts) -> Parts:
    """Neighbouring constant parts as one."""
    result: Parts = []
    for text, is_code in parts:
        if result and not is_code and not result[-1][1]:
            text = result.pop()[0] + text
        if text or is_code:
            result.append((text, is_code))
    return result


def _split(body: str) -> Parts:
    """Constant text and placeholders of an f-string or of its form; {{ and }} become braces.

    Raises ValueError where braces do not match.
    """
    parts: Parts = []
    text, place = "", 0
    while place < len(body):
        two = body[place : place + 2]
        if two in ("{{", "}}"):
            text, place = text + two[0], place + 2
        elif body[place] == "{":
            depth, end, quote = 1, place + 1, ""
            while end < len(body) and depth:
                mark = body[end]
                if quote:
                    quote = "" if mark == quote else quote
                elif mark in "\"'":
                    quote = mark
                else:
                    depth += (mark in "{[(") - (mark in "}])")
                end += 1
            if depth:
                raise ValueError(f"a brace is not closed in {body!r}")
            parts += [(text, False), (body[place + 1 : end - 1], True)]
            text, place = "", end
        elif body[place] == "}":
            raise ValueError(f"a brace was never opened in {body!r}")
        else:
            text, place = text + body[place], place + 1
    return _joined([*parts, (text, False)])


def form(parts: Parts) -> str:
    """The text by which an f-string is known: constants with doubled braces, placeholders as they
    are.
    """
    return "".join(
        "{" + text + "}" if is_code else text.replace("{", "{{").replace("}", "}}")
        for text, is_code in parts
    )


def placeholders(message: str) -> Counter[str]:
    """The placeholders of an f-string's form; ValueError where braces do not match."""
    return Counter(text for text, is_code in _split(message) if is_code)


def _fits(message: str, translation: str) -> bool:
    try:
        return placeholders(message) == placeholders(translation)
    except ValueError:
        return False


def _expression(placeholder: str) -> str:
    """The expression of a placeholder, without `!r` and the format."""
    depth, quote = 0, ""
    for place, mark in enumerate(placeholder):
        if quote:
            quote = "" if mark == quote else quote
        elif mark in "\"'":
            quote = mark
        else:
            depth += (mark in "{[(") - (mark in "}])")
            follows = placeholder[place + 1 : place + 2]
            if depth == 0 and (mark == ":" or (mark == "!" and follows != "=")):
                return placeholder[:place].strip()
    return placeholder.strip().removesuffix("=")


# How a translation is written into the code


def _comment(old: str, text: str | None, column: int) -> str:
    if text is None:
        return old
    lines = [("# " + line).rstrip() for line in text.split("\n")]
    return ("\n" + " " * column).join(lines)


def _docstring(old: str, text: str | None, column: int) -> str:
    if text is None:
        return old
    prefix = OPENING.match(old)[1]
    if "r" not in prefix.lower():
        text = text.replace("\\", "\\\\")
    text = text.replace('"""', '\\"\\"\\"')
    closing = re.search(r"\n[ \t]*(?=\"\"\"\Z|'''\Z)", old)
    lines = text.split("\n")
    body = "\n".join([lines[0], *((" " * column + line).rstrip() for line in lines[1:])])
    if not closing and body.endswith('"'):
        body += " "
    return f'{prefix}"""{body}{closing[0] if closing else ""}"""'


def _literal(old: str, piece: Piece, entries: Mapping[str, str], column: int) -> str:
    text = entries.get(piece.message)
    if piece.kind == "f-text":
        own = literal_parts(old)
        inner = _with_exchanged_placeholders(own, entries)
        # on the way back the entry shows its placeholders as they were before
        text = text if text is not None else entries.get(form(inner))
        if text is not None and _fits(form(own), text):
            parts = _with_exchanged_placeholders(_split(text), entries)
        elif text is not None and _fits(form(inner), text):
            parts = _split(text)
        elif inner != own:
            parts = inner
        else:
            return old
    elif text is None:
        return old
    else:
        parts = [(text, False)]
    several = len(_literals(old)) > 1
    prefix = "f" if piece.kind == "f-text" and any(code for _, code in parts) else ""
    raw = "r" in OPENING.match(old)[1].lower() and "\\" in "".join(text for text, _ in parts)
    codes = "".join(text for text, is_code in parts if is_code)
    quote = '"' if '"' not in codes else "'" if "'" not in codes else '"""'
    block = not several and len(OPENING.match(old)[2]) == 3 and "\n" in old
    quote = OPENING.match(old)[2] if block else quote  # a text of several lines stays one

    def written(part: str, is_code: bool) -> str:
        if is_code:
            return "{" + part + "}"
        part = part.replace("{", "{{").replace("}", "}}") if prefix else part
        return part if raw and quote not in part else _escaped(part, quote, block)

    if raw and quote in "".join(text for text, _ in parts):
        raw = False
    prefix += "r" if raw else ""
    whole = "".join(written(part, is_code) for part, is_code in parts)
    if not several or columns(whole) + column <= WIDE:
        return f"{prefix}{quote}{whole}{quote}"
    lines, line = [], ""
    units = [
        unit
        for part, is_code in parts
        for unit in ([(part, True)] if is_code else [(one, False) for one in _breakable(part)])
    ]
    for part, is_code in units:
        piece_text = written(part, is_code)
        if line and columns(line + piece_text) + column > WIDE:
            lines.append(line)
            line = ""
        line += piece_text
    lines.append(line)
    return ("\n" + " " * column).join(f"{prefix}{quote}{line}{quote}" for line in lines)


def _with_exchanged_placeholders(parts: Parts, entries: Mapping[str, str]) -> Parts:
    return [(_placeholder(part, entries) if code else part, code) for part, code in parts]


def _placeholder(text: str, entries: Mapping[str, str]) -> str:
    """The code of a placeholder with the strings in it exchanged, in its own kind of quotes."""
    expression = _expression(text)
    tree = ast.parse(expression, mode="eval")
    new = _exchanged(expression, list(_strings(expression, tree, every=True)), entries)
    if new == expression:
        return text
    if "'" in expression and '"' not in expression:
        new = new.replace('"', "'")
    return text.replace(expression, new, 1)


def _breakable(text: str) -> list[str]:
    """Where a line may end: after a blank, and before a Chinese character that is no mark."""
    return re.findall(r"[^\s\u4e00-\u9fff]*(?:\s+|[\u4e00-\u9fff][，。：；！？、）》”]*)?", text)


def _escaped(text: str, quote: str, block: bool = False) -> str:
    """`block`: between three quotes, where line breaks and single quotes stand as they are."""
    text = text.replace("\\", "\\\\").replace("\t", "\\t")
    if block:
        text = text.replace(quote, "\\" + quote)
        return text[:-1] + "\\" + text[-1] if text.endswith(quote[0]) else text
    return text.replace("\n", "\\n").replace(quote[0], "\\" + quote[0])


# Proof that an exchange changed texts and nothing else


def same_program(english: str, other: str, entries: Mapping[str, str]) -> bool:
    """Whether two codes have the same syntax tree once the texts of the catalogue are mapped: a
    string is the other's translation or equal to it, and placeholders are the same in any order.
    """
    try:
        first, second = ast.parse(english), ast.parse(other)
    except SyntaxError:
        return english == other
    return _alike(first, second, entries)


def _alike(one: object, two: object, entries: Mapping[str, str]) -> bool:
    if type(one) is not type(two):
        if isinstance(one, ast.JoinedStr) and isinstance(two, ast.Constant):
            return not any(isinstance(part, ast.FormattedValue) for part in one.values)
        return False
    if isinstance(one, list):
        return len(one) == len(two) and all(
            _alike(a, b, entries) for a, b in zip(one, two, strict=True)
        )
    if isinstance(one, ast.JoinedStr):
        return _alike_texts(one, two, entries)
    if isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant):
        texts = one.value.value, getattr(two.value, "value", None)
        if all(isinstance(text, str) for text in texts):  # a docstring, whose margin does not count
            clean = [inspect.cleandoc(text).rstrip() for text in texts]
            return clean[1] in (clean[0], entries.get(clean[0], clean[0]).rstrip())
    if isinstance(one, ast.Constant) and isinstance(one.value, str):
        return two.value in (one.value, entries.get(one.value))
    if isinstance(one, ast.AST):
        return all(
            _alike(getattr(one, name, None), getattr(two, name, None), entries)
            for name in one._fields
            if name != "kind"
        )
    return one == two


def _alike_texts(one: ast.JoinedStr, two: ast.JoinedStr, entries: Mapping[str, str]) -> bool:
    """Two f-strings: the same placeholders, in any order, in a text and its translation."""
    first, rest = (
        [part for part in node.values if isinstance(part, ast.FormattedValue)]
        for node in (one, two)
    )
    for part in first:
        twin = next((other for other in rest if _alike(part, other, entries)), None)
        if twin is None:
            return False
        rest.remove(twin)
    skeletons = [
        tuple(part.value if isinstance(part, ast.Constant) else None for part in node.values)
        for node in (one, two)
    ]
    translations = (
        _skeleton(text) for english, text in entries.items() if _skeleton(english) == skeletons[0]
    )
    return not rest and (skeletons[0] == skeletons[1] or skeletons[1] in translations)


def _skeleton(message: str) -> tuple[str | None, ...]:
    """The constant parts of an f-string's form, None for each placeholder."""
    try:
        parts = _split(message)
    except ValueError:
        return (message,)
    plain: list[str | None] = []
    for text, is_code in parts:
        shown = text if not is_code or text.endswith("=") else ""  # {x=} shows its own code
        if shown and plain and plain[-1] is not None:
            shown = plain.pop() + shown
        plain += [shown] * bool(shown) + [None] * is_code
    return tuple(plain)
