"""From a notebook to HTML: prose, formulas, code, outputs, and what is folded.

Every function is pure but `Pictures.add`, which remembers the files that the pages need.
"""

from __future__ import annotations

import base64
import hashlib
import html
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token
from mdit_py_plugins.dollarmath import dollarmath_plugin
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

from course.lessons import LessonError
from course.pictures import size
from course.site.notebook import Cell

ANSI = re.compile(r"\x1b\[[0-9;]*m")
FOLDED = re.compile(r"\A\s*<details>")
BOXES = ("objectives", "predict", "break-it", "exercise", "summary", "references")
PICTURES = {"image/png": ".png", "image/svg+xml": ".svg", "image/jpeg": ".jpg"}


@dataclass
class Section:
    """What search knows of a piece of a page, from one heading to the next."""

    anchor: str
    heading: str
    text: list[str] = field(default_factory=list)
    key: list[str] = field(default_factory=list)  # emphasised words: where a term is introduced
    code: set[str] = field(default_factory=set)  # names that occur in code

    @property
    def whole(self) -> str:
        return " ".join((self.heading, *self.text))


@dataclass
class Rendered:
    """A page without its frame."""

    html: str
    contents: list[tuple[int, str, str]]  # level, anchor, title as HTML
    sections: list[Section]


@dataclass
class Pictures:
    """The picture files of all pages; a picture that two pages share is stored once."""

    files: dict[str, bytes] = field(default_factory=dict)

    def add(self, data: bytes, suffix: str) -> str:
        """Returns the name under which the picture is stored."""
        name = hashlib.sha256(data).hexdigest()[:16] + suffix
        self.files[name] = data
        return name


@cache
def parser() -> MarkdownIt:
    """Markdown as Jupyter reads it: CommonMark with tables, HTML and formulas in dollars."""
    tool = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    tool.use(dollarmath_plugin, double_inline=True, allow_labels=False)
    tool.add_render_rule("math_inline", _formula("span", "math"))
    tool.add_render_rule("math_inline_double", _formula("span", "math display"))
    tool.add_render_rule("math_block", _formula("div", "math display"))
    tool.add_render_rule("fence", lambda self, tokens, i, *_: _fence(tokens[i]))
    tool.add_render_rule("code_block", lambda self, tokens, i, *_: _fence(tokens[i]))
    tool.add_render_rule("table_open", lambda *_: '<div class="wide"><table>\n')
    tool.add_render_rule("table_close", lambda *_: "</table></div>\n")
    return tool


def _formula(tag: str, kind: str) -> Callable[..., str]:
    def rule(self, tokens: list[Token], index: int, *_: object) -> str:
        text = html.escape(tokens[index].content.strip())
        return f'<{tag} class="{kind}">{text}</{tag}>'

    return rule


def _fence(token: Token) -> str:
    return code(token.content, token.info.split()[0] if token.info.strip() else "text")


@cache  # the editions share most of it
def code(text: str, language: str = "python") -> str:
    """Highlighted source."""
    try:
        lexer = get_lexer_by_name(language, stripnl=False)
    except ClassNotFound:
        lexer = get_lexer_by_name("text", stripnl=False)
    body = highlight(text.rstrip("\n"), lexer, HtmlFormatter(nowrap=True)).rstrip("\n")
    return f'<div class="code"><pre><code class="{language}">{body}</code></pre></div>\n'


def fold(title: str, body: str, kind: str) -> str:
    return f'<details class="{kind}"><summary>{title}</summary>\n{body}</details>\n'


Address = Callable[[str], str | None]  # of a link: the address in the site, None to drop the link


class Renderer:
    """Turns the prose and the notebooks of one language into HTML.

    `address` says where a link leads; `words` are the phrases of the language.
    """

    def __init__(self, words: dict[str, str], pictures: Pictures, address: Address):
        self.words, self.pictures, self.address = words, pictures, address
        self.markdown = parser()

    def prose(self, text: str, anchor: str, folder: Path, attachments: dict | None = None):
        """Markdown -> (HTML, tokens). The first heading of a cell is known by the cell's name in
        both languages, so that a reader who changes the language stays at the same place."""
        tokens = self.markdown.parse(text)
        count = 0
        for token in tokens:
            if token.type == "heading_open":
                count += 1
                token.attrSet("id", anchor if count == 1 else f"{anchor}-{count}")
            if token.type == "inline":
                self._links(token.children or [], folder, attachments or {})
                self._links_in_html(token.children or [])
            if token.type == "html_block":
                self._links_in_html([token])
        return self.markdown.renderer.render(tokens, self.markdown.options, {}), tokens

    def _links(self, children: list[Token], folder: Path, attachments: dict) -> None:
        dropped = 0
        for token in children:
            if token.type == "link_open":
                target = self.address(str(token.attrGet("href")))
                if target is None:
                    token.type, token.tag, token.attrs, token.content = "text", "", {}, ""
                    dropped += 1
                else:
                    token.attrSet("href", target)
            elif token.type == "link_close" and dropped:
                token.type, token.tag, token.content = "text", "", ""
                dropped -= 1
            elif token.type == "image":
                data, suffix = self._image(str(token.attrGet("src")), folder, attachments)
                token.attrSet("src", "../images/" + self.pictures.add(data, suffix))
                for name, value in zip(("width", "height"), size(data) or (), strict=False):
                    token.attrSet(name, str(value))
                token.attrSet("loading", "lazy")
                token.attrSet("class", "picture")

    def _links_in_html(self, tokens: list[Token]) -> None:
        for token in tokens:
            if token.type in ("html_block", "html_inline"):
                token.content = re.sub(
                    r'href="([^"]*)"',
                    lambda match: f'href="{self.address(match[1]) or "#"}"',
                    token.content,
                )

    def _image(self, source: str, folder: Path, attachments: dict) -> tuple[bytes, str]:
        """The bytes of a picture and the ending of its name."""
        if source.startswith("attachment:"):
            (mime, data), *_ = attachments[source.removeprefix("attachment:")].items()
            return base64.b64decode(data), PICTURES[mime]
        path = folder / source
        if not path.is_file():
            raise LessonError(
                f"{source}, a picture named in {folder}, does not exist: mend the link"
            )
        return path.read_bytes(), path.suffix

    def output(self, output: dict, alt: str) -> str:
        """One output of a cell."""
        if output["output_type"] == "stream":
            return self._text(output["text"])
        if output["output_type"] == "error":
            return self._text("\n".join(output["traceback"]))
        data = output["data"]
        for mime, suffix in PICTURES.items():
            if mime in data:
                raw = data[mime]
                raw = raw.encode() if mime == "image/svg+xml" else base64.b64decode(raw)
                shown, extent = output.get("metadata", {}).get(mime, {}), size(raw) or (None, None)
                width, height = shown.get("width", extent[0]), shown.get("height", extent[1])
                room = f' width="{width}" height="{height}"' if width and height else ""
                text = html.escape(shown.get("alt", alt))
                name = self.pictures.add(raw, suffix)
                return (
                    f'<p class="plot"><img class="picture" src="../images/{name}" alt="{text}"'
                    f'{room} loading="lazy" decoding="async"></p>\n'
                )
        if "text/html" in data:
            table = re.sub(r"<style.*?</style>", "", data["text/html"], flags=re.S)
            table = table.replace(' border="1"', "").replace(' style="text-align: right;"', "")
            return f'<div class="wide">{table}</div>\n'
        if "text/markdown" in data:
            return self.prose(data["text/markdown"], "output", Path())[0]
        return self._text(data.get("text/plain", ""))

    def _text(self, text: str) -> str:
        text = ANSI.sub("", text).rstrip("\n")
        if not text.strip():
            return ""
        lines = [
            f'<span class="ok">{line}</span>' if line.startswith("ok ") else line
            for line in html.escape(text).split("\n")
        ]
        return '<pre class="output">' + "\n".join(lines) + "</pre>\n"

    def notebook(self, cells: list[Cell], folder: Path) -> Rendered:
        """A page without its frame."""
        parts, contents = [], []
        sections = [Section("", "")]
        awaiting = False  # a prediction was asked for: outputs are folded until the next prose
        for cell in cells:
            if cell.kind == "markdown":
                body, tokens = self.prose(cell.source, cell.id, folder, cell.attachments)
                collect(tokens, sections, contents)
                if "alt" not in cell.tags:
                    awaiting = "predict" in cell.tags
                if "solution" in cell.tags and not FOLDED.match(cell.source):
                    body = fold(self.words["solution"], body, "solution")
                box = next((name for name in BOXES if name in cell.tags), "")
                name = "" if f'id="{cell.id}"' in body else f' id="{cell.id}"'
                kind = f"box {box}" if box else "prose"
                parts.append(f'<div class="{kind}"{name}>\n{body}</div>\n')
            elif cell.kind == "code":
                sections[-1].code.update(re.findall(r"[A-Za-z_]\w{3,}", cell.source))
                parts.append(self.cell(cell, awaiting))
        return Rendered("".join(parts), contents, sections)

    def cell(self, cell: Cell, awaiting: bool) -> str:
        """A code cell with its outputs. A solution is folded whole; so is what would give a
        prediction away."""
        alt = cell.metadata.get("alt", "")
        outputs = "".join(self.output(output, alt) for output in cell.outputs)
        source = code(cell.source)
        if "solution" in cell.tags:
            return fold(self.words["solution"], source + outputs, "solution")
        if cell.hides_source:
            source = fold(self.words["code"], source, "source")
        if outputs and (awaiting or cell.hides_outputs):
            outputs = fold(self.words["output"], outputs, "outputs")
        return f'<div class="cell">\n{source}{outputs}</div>\n'


def plain(tokens: list[Token]) -> str:
    """The text of inline tokens; of a formula, what can be read without setting it."""
    words = []
    for token in tokens:
        if token.type in ("softbreak", "hardbreak"):
            words.append(" ")
        elif token.type.startswith("math"):
            words.append(re.sub(r"\\sqrt\{(\w)\}", r"√\1", token.content).replace("\\", ""))
        elif token.type != "html_inline":
            words.append(token.content)
    return "".join(words)


def collect(
    tokens: list[Token], sections: list[Section], contents: list[tuple[int, str, str]]
) -> None:
    """Adds the headings of some prose to the table of contents, and its text to the sections."""
    level, tool = 0, parser()
    for place, token in enumerate(tokens):
        if token.type == "heading_open":
            level = int(token.tag[1])
            title = tokens[place + 1].children or []
            anchor = str(token.attrGet("id"))
            sections.append(Section(anchor, plain(title)))
            shown = [part for part in title if not part.type.startswith("link_")]
            contents.append((level, anchor, tool.renderer.render(shown, tool.options, {})))
        elif token.type == "inline":
            if not (place and tokens[place - 1].type == "heading_open"):
                sections[-1].text.append(plain(token.children or []))
            depth, word = 0, []
            for child in token.children or []:
                if child.type in ("em_open", "strong_open"):
                    depth += 1
                elif child.type in ("em_close", "strong_close"):
                    depth -= 1
                    if not depth:
                        sections[-1].key.append("".join(word))
                        word = []
                elif depth:
                    word.append(child.content)
