"""The language in which the library speaks to its reader: messages, hints, reports, plot labels.

English stands in the code, its Chinese in the catalogues `locale/zh/ROOM/*.po`. What has no entry
there stays English, and nothing here ever stops a program that works.
"""

import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from unicodedata import east_asian_width

from tutorial_files.shared import SHARED

LANGUAGES = ("en", "zh")
ROOMS = ("library", "exercises", "course")  # `lessons` is for the build: its code holds its Chinese
VARIABLE = "TUTORIAL_LANGUAGE"

_chosen: str | None = None  # before a choice the environment counts


def choose(code: str) -> None:
    """Speak this language from now on: the door is `tutorial_lib.language.use_language`."""
    global _chosen
    _chosen = code


def language() -> str:
    """The language in use, "en" or "zh"."""
    named = _chosen or os.environ.get(VARIABLE, "").strip().lower()
    return "zh" if named.startswith("zh") else "en"


@contextmanager
def speaking(code: str) -> Iterator[None]:
    """Speak this language inside: a file of results is English, whatever its reader speaks."""
    global _chosen
    before, _chosen = _chosen, code
    try:
        yield
    finally:
        _chosen = before


def say(message: str, /, **values: object) -> str:
    """The message in the reader's language, its {placeholders} filled with the values.

    Values that are texts with an entry of their own, such as "your result", are translated too,
    save for those in quotes ({...!r}), which the reader has written.
    """
    return spoken(language(), message, **values)


def spoken(code: str, message: str, /, **values: object) -> str:
    """What `say` says in the language `code`."""
    if code != "en":
        entries, quoted = _entries(code), set(re.findall(r"\{(\w+)!r", message))
        known = {
            name: entries.get(value, value) if type(value) is str and name not in quoted else value
            for name, value in values.items()
        }
        if message in entries:
            try:
                return filled(entries[message], known)
            except (LookupError, ValueError, AttributeError, TypeError):
                pass  # a fault of the translation: English it is
    return filled(message, values)


def retold(text: str, *templates: str) -> str:
    """What an English text says, in the reader's language: the first template that fits it gives
    the values. For texts that others write, such as argparse; what fits no template stays English.
    """
    for template in templates if language() != "en" else ():
        pieces = re.split(r"\{(\w+)\}", template)  # text, name, text, name, ...
        pieces[0::2] = map(re.escape, pieces[0::2])
        pieces[1::2] = (f"(?P<{name}>.+)" for name in pieces[1::2])
        if match := re.fullmatch("".join(pieces), text, re.DOTALL):
            return say(template, **match.groupdict())
    return text


def mark(message: str) -> str:
    """Marks a text for the catalogue where it is defined; `say` translates it where it is used."""
    return message


def filled(message: str, values: Mapping[str, object]) -> str:
    return message.format(**values) if values else message


def columns(text: str) -> int:
    """The width of a text in columns; a Chinese character has two."""
    return sum(2 if east_asian_width(mark) in "WF" else 1 for mark in text)


@cache
def _entries(code: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for room in ROOMS:
        for path in sorted((SHARED / "locale" / code / room).glob("*.po")):
            found |= read_catalogue(path)
    return found


def read_catalogue(path: Path) -> dict[str, str]:
    """English -> translation of a gettext file (.po), in its order; entries that are empty, fuzzy
    or no longer used are left out. A file that is not there or cannot be read has no entries.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return {}
    found = {}
    for block in re.split(r"\n\s*\n", text):
        if re.search(r"^#,.*\bfuzzy\b", block, re.M):
            continue
        parts: dict[str, str] = {}
        key = ""
        for line in block.splitlines():
            match = re.match(r'(?:(msgid|msgstr) +)?(".*")\s*$', line)
            if match:
                key = match[1] or key
                try:
                    parts[key] = parts.get(key, "") + json.loads(match[2], strict=False)
                except ValueError:
                    break
        if parts.get("msgid") and parts.get("msgstr"):
            found[parts["msgid"]] = parts["msgstr"]
    return found
