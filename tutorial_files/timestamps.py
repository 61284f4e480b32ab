"""Times as people write them, taken for unix seconds only where that is the one reading.

Whole numbers and decimals are seconds, milliseconds, microseconds or nanoseconds; their size tells
which (each unit covers the years 1973 to 5138). Dates are converted when year, month and day cannot
be mixed up; without a zone they are taken as UTC. Parts of a second are cut off, after the events
were put in the order of the exact times. Taught in lesson 01.
"""

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import NoReturn

import numpy as np

from tutorial_files.language import mark, say

CLOCK = (
    r"(?P<hour>\d{1,2})[:时](?P<minute>\d{2})(?:[:分](?P<second>\d{2})秒?(?:[.,](?P<part>\d+))?)?"
)
ZONE = r"(?P<zone>Z|UTC|GMT|[+-]\d{2}:?\d{2})"
MONTH = r"(?P<month>Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*"
MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
DATES = tuple(
    re.compile(form, re.ASCII)
    for form in (
        # 2012-04-03T18:00:09Z, 2012/4/3 18:00, 2012年4月3日
        r"(?P<year>\d{4})[-/.年](?P<month>\d{1,2})[-/.月](?P<day>\d{1,2})日?"
        rf"(?:[T ] *{CLOCK})? *{ZONE}?",
        # 20120403T180009Z
        r"(?P<year>\d{4})(?P<month>\d{2})(?P<day>\d{2})T(?P<hour>\d{2})(?P<minute>\d{2})"
        rf"(?P<second>\d{{2}})(?:[.,](?P<part>\d+))?{ZONE}?",
        # Tue Apr 03 18:00:09 +0000 2012
        rf"(?:[A-Z][a-z]{{2}} )?{MONTH} (?P<day>\d{{1,2}}) {CLOCK} (?:{ZONE} )?(?P<year>\d{{4}})",
        # Tue, 03 Apr 2012 18:00:09 +0000
        rf"(?:[A-Z][a-z]{{2}}, )?(?P<day>\d{{1,2}}) {MONTH} (?P<year>\d{{4}})"
        rf"(?: {CLOCK})?(?: {ZONE})?",
        # April 3, 2012
        rf"{MONTH} (?P<day>\d{{1,2}}), (?P<year>\d{{4}})(?: {CLOCK})?(?: {ZONE})?",
    )
)
NUMBER = re.compile(r"(?P<whole>\d{1,19})(?:\.(?P<part>\d*))?", re.ASCII)
ROUNDED = re.compile(r"\d(?:\.(?P<part>\d*))?[eE]\+?(?P<power>\d{1,3})", re.ASCII)
MIXED_UP = re.compile(r"\d{1,2}[-/.]\d{1,2}[-/.](\d{4}|\d{2})( \d{1,2}:\d{2}(:\d{2})?)?")
AS_SECONDS = ".astype('datetime64[s, UTC]').astype('int64')"


class BadTime(Exception):
    """Row `row` holds a time that cannot be taken; the message says what it is and what to do."""

    def __init__(self, row: int, message: str, /, **values: object) -> None:
        super().__init__(say(message, **values))
        self.row = row


@dataclass(frozen=True)
class Times:
    """A column of times: `whole` int64 [N] in a unit not yet known (dates: seconds), `part`
    float64 [N], what is cut off, `kind` "a number", "a date" or "a date with zone".
    """

    whole: np.ndarray
    part: np.ndarray
    kind: str


def parse(texts: list[str], name: str) -> Times:
    """Read the fields of the column `name`; raises BadTime at the first that is neither a number
    nor a date that can be read in one way only.
    """
    texts = [text.strip() for text in texts]
    if ROUNDED.fullmatch(texts[0]):
        return _powers(texts, name)
    for pattern, read in ((NUMBER, _numbers), *((date, _dates) for date in DATES)):
        if pattern.fullmatch(texts[0]):
            found = [pattern.fullmatch(text) for text in texts]
            if None in found:
                row = found.index(None)
                if read is _numbers and ROUNDED.fullmatch(texts[row]):
                    return _powers(texts, name)
                _refuse_text(row, texts[row], name, texts[0])
            return read(found, texts, name)
    _refuse_text(0, texts[0], name)


def _numbers(found: list[re.Match], texts: list[str], name: str) -> Times:
    whole = [int(match["whole"]) for match in found]
    if (largest := max(whole)) >= 2**63:
        _refuse_text(whole.index(largest), str(largest), name)
    part = np.array([float(f"0.{match['part'] or 0}") for match in found])
    return Times(np.array(whole, dtype=np.int64), part, mark("a number"))


def _powers(texts: list[str], name: str) -> Times:
    """1.600000001e+09 is exact; 1.60E+09 is what a spreadsheet leaves of many different times."""
    whole = []
    for row, text in enumerate(texts):
        match = ROUNDED.fullmatch(text)
        if match is None and NUMBER.fullmatch(text) is None:
            _refuse_text(row, text, name, texts[0])
        if match and len(match["part"] or "") < int(match["power"]):
            lost = 10 ** (int(match["power"]) - len(match["part"] or ""))
            raise BadTime(
                row,
                "the time {text!r} was rounded to {lost:,} by a spreadsheet, and what was cut"
                " off is lost; export the column {name!r} again as whole numbers",
                text=text, lost=lost, name=name,
            )  # fmt: skip
        value = int(Decimal(text))
        if value >= 2**63:
            _refuse_text(row, text, name)
        whole.append(value)
    return Times(np.array(whole, dtype=np.int64), np.zeros(len(whole)), "a number")


def _dates(found: list[re.Match], texts: list[str], name: str) -> Times:
    keys = found[0].re.groupindex

    def column(key: str) -> np.ndarray:
        if key not in keys:
            return np.zeros(len(found), np.int64)
        return np.array([int(match[key] or 0) for match in found])

    year, day, hour, minute, second = map(column, ("year", "day", "hour", "minute", "second"))
    named = not found[0]["month"].isdigit()
    month = np.array([MONTHS.index(m["month"]) + 1 for m in found]) if named else column("month")
    first = ((year - 1970) * 12 + month - 1).astype("datetime64[M]")
    days = first.astype("datetime64[D]") + (day - 1)
    wrong = (month < 1) | (month > 12) | (day < 1) | (days.astype("datetime64[M]") != first)
    wrong |= (hour > 23) | (minute > 59) | (second > 59)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise BadTime(row, "the time {text!r} is not in the calendar; correct it", text=texts[row])
    zones = [match["zone"] for match in found]
    if None in zones and any(zones):
        row = int(np.argmax([(zone is None) != (zones[0] is None) for zone in zones]))
        raise BadTime(
            row,
            "the time {text!r} and {first!r} differ in whether they name a time zone; if those"
            " without are UTC, convert in pandas: table[{name!r}] ="
            " pandas.to_datetime(table[{name!r}], format='ISO8601', utc=True){as_seconds}",
            text=texts[row], first=texts[0], name=name, as_seconds=AS_SECONDS,
        )  # fmt: skip
    seconds = days.astype(np.int64) * 86400 + hour * 3600 + minute * 60 + second
    if zones[0]:
        offsets = {zone: _offset(zone) for zone in set(zones)}
        if None in offsets.values():
            row = next(row for row, zone in enumerate(zones) if offsets[zone] is None)
            raise BadTime(
                row, "the time {text!r} has no time zone of the earth; correct it", text=texts[row]
            )
        seconds -= np.array([offsets[zone] for zone in zones])
    part = [float(f"0.{match['part'] or 0}") if "part" in keys else 0.0 for match in found]
    kind = mark("a date with zone") if zones[0] else mark("a date")
    return Times(seconds, np.array(part), kind)


def _offset(zone: str) -> int | None:
    """Seconds east of Greenwich, or None where no clock runs so."""
    if zone in ("Z", "UTC", "GMT"):
        return 0
    hours, minutes = int(zone[1:3]), int(zone[-2:])
    if hours > 14 or minutes > 59:
        return None
    return (hours * 3600 + minutes * 60) * (-1 if zone[0] == "-" else 1)


def _refuse_text(row: int, text: str, name: str, first: str | None = None) -> NoReturn:
    shown = text if len(text) <= 40 else text[:40] + "..."
    if mixed := MIXED_UP.fullmatch(text):
        separator = re.search(r"\D", text)[0]
        year = "%Y" if len(mixed[1]) == 4 else "%y"
        time = "" if not mixed[2] else " %H:%M:%S" if mixed[3] else " %H:%M"
        day_first, month_first = (
            separator.join([*days, year]) + time for days in (("%d", "%m"), ("%m", "%d"))
        )
        raise BadTime(
            row,
            "the time {text!r} can be read as day or month first; say which in pandas (here day"
            " first, else {month_first!r}): table[{name!r}] = pandas.to_datetime(table[{name!r}],"
            " format={day_first!r}, utc=True){as_seconds}",
            text=shown, month_first=month_first, name=name, day_first=day_first,
            as_seconds=AS_SECONDS,
        )  # fmt: skip
    if text.startswith("-"):
        raise BadTime(
            row,
            "the time {text!r} is before 1970, where unix time begins; look for a marker of a"
            " missing time",
            text=shown,
        )
    if first is not None:
        raise BadTime(
            row,
            "the time {text!r} is not written like the first one, {first!r}; write all in one way",
            text=shown, first=first,
        )  # fmt: skip
    raise BadTime(
        row,
        "the time {text!r} is neither a number nor a date that can be read in one way only; write"
        " unix seconds or dates like 2012-04-03 18:00:09 or 2012-04-03T18:00:09+02:00",
        text=shown,
    )
