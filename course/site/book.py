"""Writes the book as PDF and EPUB, with pandoc and typst and without LaTeX.

python -m course.site.book: build/book/continuous-time-{en,zh}.{pdf,epub}
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import re
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from course.lessons import LANGUAGES, LessonError, Row
from course.site.build import ROOT, Edition, editions
from course.site.notebook import Cell
from course.site.render import ANSI, FOLDED
from tutorial_lib.errors import TutorialError

CHINESE = ("Noto Serif CJK SC", "Noto Sans CJK SC", "Source Han Serif SC", "Source Han Sans SC")
# Markdown as Jupyter reads it, without what pandoc would make of pictures and citations.
READER = "markdown-implicit_figures-citations-yaml_metadata_block-fancy_lists+lists_without_preceding_blankline"
# Symbols that pandoc 3.9 writes and typst 0.15 no longer knows.
SYMBOLS = {"dot.circle": "⊙"}
FOLD = re.compile(r"\A<details><summary>(.*?)</summary>\n\n(.*)\n\n</details>\s*\Z", re.S)


@dataclass
class Manuscript:
    """The book of one language as Markdown for pandoc; pictures lie in `folder`."""

    book: Edition
    folder: Path
    solutions: list[str] = field(default_factory=list)

    def text(self) -> str:
        parts, part = [], None
        for row, cells in self.book.notebooks.items():
            if row.part != part:
                part = row.part
            parts.append(self.lesson(row, cells))
        words = self.book.words
        parts.append(f"\n\n# {words['appendix']} {{#solutions}}\n\n" + "\n\n".join(self.solutions))
        return "\n\n".join(parts)

    def lesson(self, row: Row, cells: list[Cell]) -> str:
        book, words = self.book, self.book.words
        title = f"{row.number:02d} · {row.title[book.language]}"
        parts = [f"# {title} {{#lesson-{row.number:02d}}}"]
        answers, exercise = [], ""
        for cell in cells:
            if cell.kind == "markdown":
                text = self.prose(cell, row)
                number = re.search(r"\*\*(\d+\.\d+)", cell.source)
                if "exercise" in cell.tags and number:
                    exercise = number[1]
                if "solution" in cell.tags or (
                    FOLDED.match(cell.source) and "hint" not in cell.tags and "alt" not in cell.tags
                ):
                    answers.append(unfold(text))
                elif "alt" not in cell.tags:  # the picture is there to see
                    parts.append(unfold(text))
            elif "solution" in cell.tags:
                name = f"solution-{row.number:02d}-{cell.id}"
                answers.append(f"### {exercise} {{#{name}}}\n\n{fence(cell.source, 'python')}")
                parts.append(f"*[{words['appendix_see']}](#{name})*")
            else:
                parts.append(self.code(cell))
        if answers:
            self.solutions.append(f"## {title}\n\n" + "\n\n".join(answers))
        return "\n\n".join(parts)

    def prose(self, cell: Cell, row: Row) -> str:
        """The source with addresses that hold inside the book."""

        def link(match: re.Match[str]) -> str:
            target = self.book.address(match[2])
            lesson = re.match(r"(?:\.\./\w+/)?(\d\d)_\w+\.html", target or "")
            if lesson:
                return f"[{match[1]}](#lesson-{lesson[1]})"
            return f"[{match[1]}]({target})" if target and ":" in target else match[1]

        def image(match: re.Match[str]) -> str:
            path = self.book.course.notebook(row, self.book.language).parent / match[2]
            return f"![{match[1]}]({self.picture(path.read_bytes(), path.suffix)})"

        text = re.sub(r"!\[([^\]]*)\]\(([^)\s]+)[^)]*\)", image, cell.source)
        text = re.sub(r"(?<!!)\[([^\[\]]*)\]\(([^)\s]+)\)", link, text)
        # pandoc wants no space inside the dollars, and the headings of a cell below its title
        text = re.sub(r"<!--.*?-->", "", text, flags=re.S)
        return re.sub(
            r"(?m)^(#+) (.*)$",
            lambda m: f"{m[1]} {m[2]} {{#l{row.number:02d}-{cell.id}-{m.start()}}}",
            text,
        )

    def code(self, cell: Cell) -> str:
        parts = [fence(cell.source, "python")]
        for output in cell.outputs:
            data = output["data"]
            mime = next((mime for mime in ("image/svg+xml", "image/png") if mime in data), None)
            if mime:
                raw = data[mime].encode() if "svg" in mime else base64.b64decode(data[mime])
                name = self.picture(raw, ".svg" if "svg" in mime else ".png")
                alt = output.get("metadata", {}).get(mime, {}).get("alt", "")
                parts.append(f"![{re.sub(r'[][]', '', alt)}]({name})")
            else:
                text = output["text"] or data.get("text/plain", "")
                text = ANSI.sub("", text or "\n".join(output.get("traceback", ()))).rstrip()
                if text.strip():
                    parts.append(fence(text, "output"))
        return "\n\n".join(parts)

    def picture(self, data: bytes, suffix: str) -> str:
        name = hashlib.sha256(data).hexdigest()[:16] + suffix
        (self.folder / name).write_bytes(data)
        return name


def fence(text: str, kind: str) -> str:
    marks = "`" * max(3, *(len(run) + 1 for run in re.findall(r"`+", text)), 3)
    return f"{marks} {kind}\n{text.rstrip()}\n{marks}"


def unfold(text: str) -> str:
    """Folded prose, opened: its title in bold."""
    return FOLD.sub(lambda match: f"**{match[1]}**\n\n{match[2]}", text)


def chinese_font() -> str | None:
    """A font with Chinese that typst finds on this machine."""
    import typst

    held = set(typst.Fonts().families())
    return next((name for name in CHINESE if name in held), None)


def write(book: Edition, out: Path) -> list[str]:
    """PDF and EPUB of one language; returns what was done, and what was not and why."""
    import pypandoc
    import typst

    words, done = book.words, []
    name = f"continuous-time-{book.language}"
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        source = folder / "book.md"
        source.write_text(Manuscript(book, folder).text(), encoding="utf-8")
        title = [f"--metadata=title:{words['title']}", f"--metadata=subtitle:{words['subtitle']}"]
        common = [*title, f"--metadata=lang:{words['language']}", "--resource-path", str(folder)]
        common += ["--quiet", f"--log={folder / 'log'}"]
        site = book.course.root / "site" / "print"
        epub = out / f"{name}.epub"
        arguments = [
            "--mathml",
            "--toc",
            "--toc-depth=2",
            "--split-level=1",
            f"--css={site / 'book.css'}",
        ]
        pypandoc.convert_file(
            str(source),
            "epub3",
            format=READER,
            outputfile=str(epub),
            extra_args=[*common, *arguments],
        )
        done.append(f"{epub}: {epub.stat().st_size / 1e6:.1f} MB")
        body = pypandoc.convert_file(str(source), "typst", format=READER, extra_args=common)
        refused = [
            line["message"] if "message" in line else line.get("contents", line["pretty"])
            for line in json.loads((folder / "log").read_text(encoding="utf-8"))
            if line["type"] == "CouldNotConvertTeXMath"
        ]
        if refused:
            raise LessonError(
                f"pandoc cannot read the formula: {refused[0]}; write it in plainer TeX"
            )
        for old, new in SYMBOLS.items():
            body = re.sub(rf"\b{re.escape(old)}\b", new, body)
        font = chinese_font()
        if book.language == "zh" and font is None:
            return [
                *done,
                f"{name}.pdf was left out: no Chinese font is installed (on Debian or Ubuntu: apt-get install fonts-noto-cjk)",
            ]
        head = (site / "book.typ").read_text(encoding="utf-8")
        values = {"TITLE": words["title"], "SUBTITLE": words["subtitle"], "CONTENTS": words["toc"]}
        values |= {"LANGUAGE": book.language, "FONT": font or "Libertinus Serif"}
        for key, value in values.items():
            head = head.replace(f"@{key}@", value)
        (folder / "book.typ").write_text(head + "\n" + body, encoding="utf-8")
        pdf = out / f"{name}.pdf"
        try:
            typst.compile(str(folder / "book.typ"), output=str(pdf), root=str(folder))
        except Exception as error:
            kept = out / f"{name}.typ"
            kept.write_text(head + "\n" + body, encoding="utf-8")
            raise LessonError(f"typst cannot set {kept}: {error}") from None
        done.append(f"{pdf}: {pdf.stat().st_size / 1e6:.1f} MB")
    return done


def write_one(root: Path, out: Path, language: str) -> list[str]:
    return write(next(book for book in editions(root) if book.language == language), out)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m course.site.book",
        description="Write the book of both languages as PDF and EPUB, solutions in an appendix.",
    )
    parser.add_argument("--root", type=Path, default=ROOT, help="folder of the project")
    parser.add_argument("--language", choices=LANGUAGES, help="only this one")
    options = parser.parse_args(arguments)
    out = options.root / "build" / "book"
    out.mkdir(parents=True, exist_ok=True)
    began = time.perf_counter()
    try:
        wanted = [options.language] if options.language else list(LANGUAGES)
        # each in a process of its own: two cores halve the time
        with ProcessPoolExecutor(len(wanted)) as pool:
            for done in pool.map(partial(write_one, options.root.resolve(), out), wanted):
                print(*done, sep="\n", flush=True)
    except TutorialError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"in {time.perf_counter() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
