"""What may be said about a data set beside its name, in a call or behind an @ in the name:
`csv:films.csv@min_user_events=5,encoding=gb18030`. So every command that takes a name takes them.
"""

import re
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from tutorial_files.errors import TutorialError
from tutorial_files.language import say

FILTERS = ("min_user_events", "min_item_events")


@dataclass(frozen=True)
class Options:
    """Filters, for any data set; the others only for csv:PATH (encoding and the filters for
    txt:PATH too).

    min_user_events, min_item_events: leave out users and items with fewer events, again and again
    until none is left (the iterated k-core). encoding: of the text. time_unit: s, ms, us or ns.
    user, item, timestamp, rating: the column, by name, or by number from 1 where there is no
    header. drop_duplicates: exact repetitions of (user, item, timestamp) count once, instead of
    being refused. repeats: people come back to the same items.
    """

    min_user_events: int = 3
    min_item_events: int = 1
    encoding: str | None = None
    time_unit: str | None = None
    user: str | None = None
    item: str | None = None
    timestamp: str | None = None
    rating: str | None = None
    drop_duplicates: bool = False
    repeats: bool = False

    @property
    def columns(self) -> dict[str, str]:
        names = {name: getattr(self, name) for name in ("user", "item", "timestamp", "rating")}
        return {name: column for name, column in names.items() if column is not None}

    @property
    def changed(self) -> dict[str, Any]:
        """What differs from the defaults."""
        return {
            field.name: getattr(self, field.name)
            for field in fields(self)
            if getattr(self, field.name) != field.default
        }


def split_name(name: str) -> tuple[str, Options]:
    """The name without its options, and these. An @ that belongs to the path of a file is left
    there.
    """
    plain, at, said = name.rpartition("@")
    if not at or not re.fullmatch(r"\w+=.*", said) or _is_file(name.partition(":")[2]):
        return name, Options()
    pairs = [part.partition("=") for part in said.split(",")]
    return plain, with_options(Options(), {key: value for key, _, value in pairs})


def with_options(options: Options, given: dict[str, Any]) -> Options:
    """Checked: an unknown option and a value of the wrong kind are a TutorialError."""
    known = {field.name: field for field in fields(Options)}
    for key, value in given.items():
        if key not in known:
            raise TutorialError(
                "Unknown option {key!r}: a data set takes {known}.", key=key, known=", ".join(known)
            )
        kind = type(known[key].default)
        if kind is bool:
            value = {"true": True, "false": False}.get(str(value).lower(), value)
            right, wanted = isinstance(value, bool), say("true or false")
        elif kind is int:
            value = int(value) if re.fullmatch("[0-9]{1,9}", str(value)) else value
            right, wanted = isinstance(value, int) and value >= 1, say("a whole number from 1")
        else:
            right, wanted = value is None or (isinstance(value, str) and value != ""), say("a text")
        if not right:
            raise TutorialError(
                "Got {key}={value!r}: the option takes {wanted}.",
                key=key,
                value=value,
                wanted=wanted,
            )
        options = replace(options, **{key: value})
    return options


def full_name(name: str, options: Options) -> str:
    """The name with the options that differ from the defaults: loads the same data again."""
    said = ",".join(f"{key}={str(value).lower() if value is True else value}"
                    for key, value in options.changed.items())  # fmt: skip
    return f"{name}@{said}" if said else name


def _is_file(path: str) -> bool:
    try:
        return Path(path).expanduser().is_file()
    except (OSError, ValueError):  # a path that cannot be one
        return False
