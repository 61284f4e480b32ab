"""What `check` knows about prose: does the Chinese say what the English says, and is each set as
its readers expect?

Every function takes texts and returns sentences that name the fault and the remedy.
"""

from __future__ import annotations

import ast
import csv
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from course.lessons import LessonError, Problem

HAN = "\u3400-\u4dbf\u4e00-\u9fff"
MARKS = "，。：；！？、（）《》“”"
ITEM = "\ue000"  # stands in running text for a code span or a formula
NUMBER = re.compile(
    r"(?<![\w.])(\d[\d,]*\.\d+(?:e[+-]?\d+)?|\d[\d,]*(?=\s?\\?[%％]))(?!\.?\d)(\s?\\?[%％])?", re.I
)
# a number after one of these, or that opens a heading or a bold line, names a place or a version
NOT_A_RESULT = re.compile(
    r"(?:sections?|sec\.|§|equations?|eqs?\.|tables?|figures?|fig\.|chapters?|appendix|lessons?|exercises?|versions?|python|torch"
    r"|arxiv:|[第式表图节]|练习)\s*\(?$|(?:^|\n)(?:#+ |\*\*)$",
    re.I,
)


@dataclass(frozen=True)
class Parts:
    """A markdown text taken apart; `words` is the running text, with ITEM where a code span or
    formula stood.
    """

    fences: list[str]
    spans: list[str]
    blocks: list[str]
    formulas: list[str]
    links: list[str]
    images: list[tuple[str, str]]  # alt text, address
    headings: list[int]
    words: str


def take_apart(text: str) -> Parts:
    found: dict[str, list] = {}

    def take(kind: str, pattern: str, replacement: str, group: int = 1) -> None:
        nonlocal text
        found[kind] = [match[group] for match in re.finditer(pattern, text, re.M | re.S)]
        text = re.sub(pattern, replacement, text, flags=re.M | re.S)

    take("fences", r"^ *```(.*?)^ *``` *$", "")
    take("comments", r"(<!--.*?-->)", "")
    take("spans", r"(?<!`)`([^`]+)`(?!`)", ITEM)
    take("blocks", r"(?<!\\)\$\$(.+?)\$\$", "\n")
    take("formulas", r"(?<!\\)\$((?:[^$\n]|\n(?!\s*\n))+?)(?<!\\)\$", ITEM)
    images = re.findall(r"!\[([^\]]*)\]\(([^)\s]*)[^)]*\)", text) + [
        (
            re.sub(r'.*\balt="([^"]*)".*|.*', r"\1", tag, flags=re.S),
            re.sub(r'.*\bsrc="([^"]*)".*|.*', r"\1", tag, flags=re.S),
        )
        for tag in re.findall(r"<img\b[^>]*>", text)
    ]
    text = re.sub(r"!\[([^\]]*)\]\([^)]*\)", r"\1", text)
    links = re.findall(r"\]\(([^)\s]*)[^)]*\)", text) + re.findall(
        r"<(https?://[^>\s]+)>|(?<![\w(<])(https?://[^\s)>，。）]+)", text
    )
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)
    text = re.sub(r"<?https?://[^\s)>，。）]+>?", ITEM, text)
    text = re.sub(r"<[^>\n]+>", "", text)
    links = [link if isinstance(link, str) else link[0] or link[1] for link in links]
    headings = [len(mark) for mark in re.findall(r"^(#+) ", text, re.M)]
    formulas, blocks = (
        [tidy_formula(formula) for formula in found[kind]] for kind in ("formulas", "blocks")
    )
    return Parts(found["fences"], found["spans"], blocks, formulas, links, images, headings, text)


def tidy_formula(formula: str) -> str:
    """A formula without its spacing, and without words, which may be in either language."""
    return re.sub(r"\s+", " ", re.sub(r"\\text\{[^{}]*\}", r"\\text{}", formula)).strip()


def neutral_link(link: str) -> str:
    """A link with the language taken out: the twin notebook or drawing of the other language counts
    as the same.
    """
    return re.sub(r"^\.\./(figures/)?(?:en|zh)/", r"\1", link.replace(".zh-CN.md", ".md"))


def compare(english: str, chinese: str) -> list[str]:
    """How the formulas, links, code spans and numbers of the two texts differ."""
    en, zh = take_apart(english), take_apart(chinese)
    faults = []

    def same(what: str, first: list, second: list) -> None:
        more, less = Counter(first) - Counter(second), Counter(second) - Counter(first)
        if more or less:
            sides = [
                f"{side} has {', '.join(map(repr, extra))}"
                for side, extra in (("English", more), ("Chinese", less))
                if extra
            ]
            faults.append(
                f"{what} differ between the languages: only {'; only '.join(sides)}; make them"
                " equal"
            )

    same("code spans", en.spans, zh.spans)
    same("code blocks", en.fences, zh.fences)
    same("formulas", en.formulas + en.blocks, zh.formulas + zh.blocks)
    same("links", list(map(neutral_link, en.links)), list(map(neutral_link, zh.links)))
    same("picture addresses", *([neutral_link(src) for _, src in twin.images] for twin in (en, zh)))
    same("numbers", sorted(set(numbers(en.words))), sorted(set(numbers(zh.words))))
    if not faults and en.blocks != zh.blocks:
        faults.append("block formulas stand in another order in the Chinese; use the same order")
    if en.headings != zh.headings:
        faults.append("headings differ in number or level between the languages; make them equal")
    if len(re.findall(r"[A-Za-z]{2,}", en.words)) > 3 and not re.search(f"[{HAN}]", chinese):
        faults.append("holds no Chinese in its Chinese twin; write it")
    return faults


def numbers(words: str) -> list[str]:
    """The decimal numbers and percentages of a text, as written but without commas and blanks
    ("0.047", "37%").
    """
    found = [
        m
        for m in NUMBER.finditer(words)
        if not NOT_A_RESULT.search(words[max(0, m.start() - 12) : m.start()])
    ]
    return [m[1].replace(",", "") + ("%" if m[2] else "") for m in found]


def unchecked_numbers(text: str, known: set[float]) -> list[str]:
    """The decimal numbers and percentages of a text that no number in `known` rounds to.

    Paragraphs that say `<!-- literature -->` quote a paper and are left out.
    """
    paragraphs = [p for p in re.split(r"\n\s*\n", text) if "<!-- literature -->" not in p]
    parts = take_apart("\n\n".join(paragraphs))
    unknown = []
    for number in numbers("\n".join([parts.words, *parts.formulas, *parts.blocks])):
        value, percent = float(number.rstrip("%")), number.endswith("%")
        digits = len(number.rstrip("%").lower().split("e")[0].partition(".")[2]) - int(
            (number.rstrip("%").lower().split("e") + ["0"])[1]
        )
        allowed = 0.5 * 10**-digits * (1 + 1e-9)
        if not any(
            abs(abs(k) - value) <= allowed or (percent and abs(abs(k) * 100 - value) <= allowed)
            for k in known
        ):
            unknown.append(number)
    return unknown


def numbers_in_code(code: str) -> set[float]:
    """The numbers that code states; comments and strings do not count, they are not checked."""
    try:
        tree = ast.parse(code)
    except SyntaxError:  # an IPython magic
        return {float(word) for word in re.findall(r"(?<![\w.])\d+\.?\d*", code)}
    nodes = (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant))
    return {
        float(value)
        for value in nodes
        if isinstance(value, int | float) and not isinstance(value, bool)
    }


def numbers_in_output(text: str) -> set[float]:
    return {
        float(word.replace(",", ""))
        for word in re.findall(r"(?<![\w.])\d+(?:,\d{3})*(?:\.\d+)?(?:e[+-]?\d+)?", text)
    }


def numbers_printed(text: str) -> list[str]:
    """The numbers of an output as they are written, signs left out."""
    return re.findall(r"(?<![A-Za-z_\d.])\d+(?:\.\d+)?(?:e[+-]?\d+)?(?![A-Za-z_])", text)


def set_wrongly(text: str) -> list[str]:
    """Faults of form that either language can have."""
    faults = []
    plain = re.sub(
        r"^ *```.*?^ *``` *$|(?<!`)`[^`\n]+`(?!`)",
        lambda m: re.sub(r"[^\n]", "x", m[0]),
        text,
        flags=re.M | re.S,
    )
    lines, inside = ["", *plain.splitlines(), ""], False
    for before, line, after in zip(lines, lines[1:], lines[2:], strict=False):
        marks = len(re.findall(r"(?<!\\)\$\$", line))
        opens, closes = marks and not inside, marks == 2 or (marks == 1 and inside)
        if (opens and (before.strip() or not line.lstrip().startswith("$$"))) or (
            closes and (after.strip() or not line.rstrip().endswith("$$"))
        ):
            faults.append(
                "has a $$ block without blank lines around it; put one before and one after"
            )
        inside ^= marks == 1
    parts = take_apart(text)
    if re.search(r"(?<!\\)\$", parts.words):
        faults.append("has a $ without its partner; close the formula, or write \\$ for the sign")
    faults += [
        f"has a picture without alt text ({src}); describe it"
        for alt, src in parts.images
        if not alt.strip()
    ]
    if "TODO" in text:
        faults.append("still says TODO; write what is missing")
    return sorted(set(faults), key=faults.index)


def italics(words: str) -> list[str]:
    """The texts between single stars, line by line."""
    found = []
    for line in words.splitlines():
        line = re.sub(r"^\s*[*+-] |\\\*|\*\*", " ", line)
        found += line.split("*")[1::2]
    return found


def chinese_set_wrongly(text: str, *, plain: bool = False) -> list[str]:
    """Faults of Chinese typography, each with the place where it stands. plain: the text is no
    markdown, and formulas, code and columns stand in it unmarked.
    """
    words = take_apart(text).words
    flat = re.sub(r"\*+", "", words)
    bold = re.finditer(r"\*\*[^*\n]+\*\*", words)
    stars = "\n".join(
        words[max(0, match.start() - 1) : match.end() + 1].strip("\n") for match in bold
    )
    always = [
        (
            flat,
            rf"[{HAN}][A-Za-z0-9{ITEM}]|[A-Za-z0-9%{ITEM}][{HAN}]",
            "no space between Chinese and Latin text, number, code or formula; put one",
        ),
        (
            words,
            rf"(?<=[^\s*|])(?<!\d\.) [{MARKS}]|(?<!^)[{MARKS}] (?=[^\s|])",
            "a space beside full-width punctuation; remove it",
        ),
        (flat, "您", "“您”; say “你”"),
        (flat, r"\d\s[%％]", "a space before %; write 62%"),
    ]
    between = (
        flat,
        rf"[{HAN}] *[,;?!] *[{HAN}]",
        "half-width punctuation between Chinese; use ，。：；？！“”",
    )
    marked = [
        (
            flat,
            rf"[{HAN}] *[,;:?!\"]|[,;:?!] *[{HAN}]|\"[{HAN}]|[{HAN}]\.(?!\w)",
            "half-width punctuation beside Chinese; use ，。：；？！“”",
        ),
        (flat, rf"[{HAN}] *[()]|[()] *[{HAN}]", "half-width parentheses beside Chinese; use （）"),
        (
            flat,
            rf"^(?![#|]).*[{HAN}{MARKS}]\n[{HAN}“《（]",
            "a line break inside a Chinese paragraph, which shows as a space; join the lines",
        ),
        (
            stars,
            rf"[{MARKS}]\*\*[^\s*{MARKS}]$|^[^\s*{MARKS}]\*\*[{MARKS}]",
            "bold text that would show its stars; put the punctuation outside",
        ),
        ("\n".join(italics(words)), f"[{HAN}]", "Chinese in italics; use bold or “”"),
        (flat, rf"^(?!#|\|).*[{HAN}] [{HAN}]", "a space between Chinese characters; remove it"),
    ]
    rules = [*always, between] if plain else [*always, *marked]
    faults = []
    for where, pattern, fault in rules:
        match = re.search(pattern, where, re.M)
        if match:
            place = (
                where[max(0, match.start() - 6) : match.end() + 6]
                .replace(ITEM, "`…`")
                .replace("\n", "⏎")
            )
            faults.append(f"has {fault} (near “{place}”)")
    return faults


CHECKS = ("yes", "no", "style")


@dataclass(frozen=True)
class Term:
    english: re.Pattern[str]
    name: str
    chinese: tuple[str, ...]
    check: bool
    # what Chinese texts do not call it, each with the phrases in which the word may stand
    avoid: tuple[tuple[str, tuple[str, ...]], ...] = ()


def load_glossary(path: Path) -> list[Term]:
    """Read glossary.csv (en, zh, check, avoid; alternatives separated by " / "), longest English
    wording first. A line with check `style` is no term: it only says what to avoid. In `avoid`, `时钟 except 自己的时钟, 挂钟` allows a word in some phrases.
    """
    if not path.exists():
        raise LessonError(f"{path} is missing; it holds the terms that both languages must use")
    terms = []
    with path.open(encoding="utf-8", newline="") as file:
        for line, row in enumerate(csv.DictReader(file), start=2):
            if not row.get("en") or not row.get("zh") or row.get("check") not in CHECKS:
                raise LessonError(
                    Problem(
                        "notebooks/glossary.csv",
                        None,
                        f"line {line} needs en, zh and check (yes, no or style)",
                    )
                )
            chinese = tuple(word.strip().casefold() for word in row["zh"].split(" / "))
            avoid = tuple(
                (word, tuple(phrase.strip() for phrase in allowed.split(",") if phrase.strip()))
                for one in (row.get("avoid") or "").split(" / ")
                for word, _, allowed in [one.strip().partition(" except ")]
                if word
            )
            terms += [
                Term(term_pattern(name), name, chinese, row["check"] == "yes", avoid)
                for name in row["en"].split(" / ")
            ]
    return sorted(terms, key=lambda term: -len(term.name))


def term_pattern(name: str) -> re.Pattern[str]:
    """Matches a term in the singular and the plural, with blanks or hyphens; abbreviations only in
    their own case.
    """
    name = name.strip()
    stem = r"[\s-]+".join(re.escape(word) for word in re.split(r"[\s-]+", name))
    endings = {"y": "(?:y|ies)", "x": "(?:x|xes|ices)", "is": "(?:is|es)"}
    ending = next((end for end in endings if name.endswith(end)), "")
    stem = stem[: len(stem) - len(ending)] + (endings[ending] if ending else "(?:s|es)?")
    stem = stem.replace("matri(?:x|xes|ices)", "matri(?:x|ces)")
    return re.compile(
        rf"(?<![\w-]){stem}(?![\w])", 0 if len(re.findall("[A-Z]", name)) > 1 else re.I
    )


def forbidden(chinese: str, terms: list[Term]) -> list[str]:
    """Words that the glossary replaces by another."""
    words, found = take_apart(chinese).words, []
    for term in {term.chinese: term for term in terms if term.avoid}.values():
        for word, phrases in term.avoid:
            rest = words
            for phrase in phrases:
                rest = rest.replace(phrase, ITEM)
            if word in rest:
                found.append(f"says {word}; the glossary has {' / '.join(term.chinese)}")
    return found


def without_english(
    lessons: list[list[tuple[str, str]]], terms: list[Term]
) -> list[tuple[int, str]]:
    """(number of the lesson in the list, fault) for each term whose first lesson never gives its
    English in parentheses. A lesson: its pairs of English and Chinese prose.
    """
    names: dict[tuple[str, ...], list[Term]] = {}
    for term in terms:
        if term.check and not any(word.isascii() for word in term.chinese):
            names.setdefault(term.chinese, []).append(term)
    found = []
    for chinese, alternatives in names.items():
        for number, pairs in enumerate(lessons):
            used = any(
                any(term.english.search(take_apart(english).words) for term in alternatives)
                and any(word in text for word in chinese)
                for english, text in pairs
            )
            if used:
                inside = re.findall(r"（([^（）]*)）", "\n".join(text for _, text in pairs))
                if not any(term.english.search(one) for term in alternatives for one in inside):
                    name = alternatives[0].name
                    found.append(
                        (
                            number,
                            f"uses {chinese[0]} first; add its English: {chinese[0]}（{name}）",
                        )
                    )
                break
    return found


def load_names(path: Path) -> dict[str, str]:
    """Read names.csv: the English and the Chinese name of each person of the lessons."""
    if not path.exists():
        return {}
    with path.open(encoding="utf-8", newline="") as file:
        return {row["en"]: row["zh"] for row in csv.DictReader(file)}


def misnamed(english: str, chinese: str, names: dict[str, str]) -> list[str]:
    """People whose Chinese name stands where the English names somebody else."""
    here = {zh for en, zh in names.items() if re.search(rf"\b{en}\b", english)}
    return [
        f"says {zh}, who is {en} in English; names.csv has one name for each person"
        for en, zh in names.items()
        if zh in chinese and zh not in here and here
    ]


def mistranslated(english: str, chinese: str, terms: list[Term]) -> list[str]:
    """Terms of the glossary that the English uses and whose Chinese is missing in the twin."""
    words, zh, faults = take_apart(english).words, take_apart(chinese).words.casefold(), []
    for term in terms:
        words, count = term.english.subn(" | ", words)
        if count and term.check and not any(word in zh for word in term.chinese):
            faults.append(
                f'says "{term.name}" but its Chinese twin lacks {" / ".join(term.chinese)}; use the'
                " term of glossary.csv"
            )
    return faults
