"""Whole columns of times, judged by their size and turned into unix seconds.

A column is judged from a `Summary`, and summaries of its pieces add up: so a column that is larger
than the memory is judged by the same rules. Taught in lesson 01.
"""

from dataclasses import dataclass, replace

import numpy as np

from tutorial_files.errors import TutorialError
from tutorial_files.language import mark
from tutorial_files.timestamps import AS_SECONDS, BadTime, Times

LATEST_SECOND = 10**11  # year 5138 in seconds, 3 March 1973 in milliseconds
UNITS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}  # how many make a second
NAMES = (mark("seconds"), mark("milliseconds"), mark("microseconds"), mark("nanoseconds"))
CALENDARS = {4: "%Y", 6: "%Y%m", 8: "%Y%m%d", 10: "%Y%m%d%H", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}


def unit_of(values: np.ndarray) -> np.ndarray:
    """0 = seconds, 1 = milliseconds, 2 = microseconds, 3 = nanoseconds: what each value is by its
    size.
    """
    return np.searchsorted([LATEST_SECOND, 10**14, 10**17], values, side="left")


def calendar_form(values: np.ndarray) -> str | None:
    """The format ("%Y%m%d") if more than half of the numbers are calendar times such as 20240131 or
    20200913124320, else None. (Of all eight-digit numbers from 19000101 to 21001231 4 in 100 are.)
    """
    return _form(_calendar_counts(values), len(values))


def _calendar_counts(values: np.ndarray) -> list[list[int]]:
    """For each form: how many numbers are in its range, and how many of these are valid times."""
    counts = []
    for digits in CALENDARS:
        fits = (values >= 1900 * 10 ** (digits - 4)) & (values < 2101 * 10 ** (digits - 4))
        stamp = values[fits] * 10 ** (14 - digits) + {4: 101_000000, 6: 1_000000}.get(digits, 0)
        month, day = stamp // 10**8 % 100, stamp // 10**6 % 100
        valid = (month >= 1) & (month <= 12) & (day >= 1) & (day <= 31)
        valid &= (stamp // 10**4 % 100 < 24) & (stamp // 100 % 100 < 60) & (stamp % 100 < 60)
        counts.append([len(stamp), int(valid.sum())])
    return counts


def _form(counts: list[list[int]], total: int) -> str | None:
    for (fits, valid), (digits, form) in zip(counts, CALENDARS.items(), strict=True):
        if 2 * fits > total and (valid == total or (2 * valid > total and digits > 6)):
            return form
    return None


@dataclass(frozen=True)
class Summary:
    """What must be known of a column of times to judge it. Rows are counted from 0; `other`,
    `beyond` and `early` are the first rows (with the time) of another unit than the first time,
    beyond the year 5138, and before 1970.
    """

    kind: str
    count: int
    first: tuple[int, float]  # whole, part
    same: bool
    calendar: list[list[int]]
    other: tuple[int, int] | None
    beyond: tuple[int, int] | None
    early: tuple[int, int] | None

    def __add__(self, later: "Summary") -> "Summary":
        """Of both pieces, one behind the other; `later` has the rows that follow."""

        def moved(found: tuple[int, int] | None) -> tuple[int, int] | None:
            return found and (found[0] + self.count, found[1])

        units = unit_of(np.array([self.first[0], later.first[0]]))
        other = later.other if units[0] == units[1] else (0, later.first[0])
        pairs = zip(self.calendar, later.calendar, strict=True)
        return replace(
            self,
            count=self.count + later.count,
            same=self.same and later.same and tuple(self.first) == tuple(later.first),
            calendar=[[a + c, b + d] for (a, b), (c, d) in pairs],
            other=self.other or moved(other),
            beyond=self.beyond or moved(later.beyond),
            early=self.early or moved(later.early),
        )


def summarise(times: Times, unit: str | None = None) -> Summary:
    """Of at least one time; `unit` is what the user said, if anything."""
    _check_unit(unit)
    whole, part = times.whole, times.part
    plain = times.kind == "a number" and unit is None
    units = unit_of(whole) if plain else np.zeros(1)
    late = (
        unit_of(convert(times, unit)[0]) > 0 if unit and times.kind == "a number" else np.zeros(1)
    )

    def first_of(bad: np.ndarray) -> tuple[int, int] | None:
        row = int(np.argmax(bad))
        return (row, int(whole[row])) if bad[row] else None

    return Summary(
        times.kind,
        len(whole),
        (int(whole[0]), float(part[0])),
        bool((whole == whole[0]).all() and (part == part[0]).all()),
        _calendar_counts(whole if plain else whole[:0]),
        first_of(units != units[0]),
        first_of(late),
        first_of(whole < 0),
    )


def judge(times: Summary, name: str, unit: str | None = None) -> None:
    """BadTime for numbers that are not seconds by their size and whose `unit` was not given, and
    for a column that can be no clock.
    """
    first = times.first[0]
    if times.kind != "a number":
        if unit is not None:
            raise BadTime(
                0, "the times are dates: time_unit={unit} does not apply; leave it out", unit=unit
            )
    elif unit is None:
        if form := _form(times.calendar, times.count):
            raise BadTime(
                0,
                "the time {time} is a calendar number ({form}), not unix seconds; convert in"
                " pandas: table[{name!r}] = pandas.to_datetime(table[{name!r}].astype(str),"
                " format={form!r}, utc=True){as_seconds} (or, if these really are seconds, load"
                " csv:PATH@time_unit=s)",
                time=first, form=form, name=name, as_seconds=AS_SECONDS,
            )  # fmt: skip
        units = unit_of(np.array([first, times.other[1] if times.other else first]))
        if times.other:
            row, value = times.other
            raise BadTime(
                row,
                "the time {time} is in {unit} by its size, the first one, {first}, in {unit2};"
                " write all in seconds",
                time=value, unit=NAMES[units[1]], first=first, unit2=NAMES[units[0]],
            )  # fmt: skip
        if units[0]:
            short, factor = list(UNITS.items())[units[0]]
            raise BadTime(
                0,
                "the time {time} is in {unit}, not seconds; load csv:PATH@time_unit={short}, or"
                " divide the timestamps by {factor}",
                time=first, unit=NAMES[units[0]], short=short, factor=factor,
            )  # fmt: skip
    elif times.beyond:
        row, value = times.beyond
        raise BadTime(
            row,
            "the time {time} is beyond the year 5138 in time_unit={unit}",
            time=value, unit=unit,
        )  # fmt: skip
    if unit is None and times.count > 1 and times.same:
        raise BadTime(
            0,
            "all {count:,} times are the same, so nothing came before or after; export the column"
            " {name!r} again, or load csv:PATH@time_unit=s if that is meant",
            count=times.count, name=name,
        )  # fmt: skip
    if times.early:
        raise BadTime(
            times.early[0],
            "the time is before 1970, where unix time begins; leave such rows out",
        )


def convert(times: Times, unit: str | None = None) -> tuple[np.ndarray, np.ndarray]:
    """(unix seconds int64 [N], what was cut off float64 [N])."""
    if unit is None or times.kind != "a number":
        return times.whole, times.part
    factor = UNITS[unit]
    return times.whole // factor, (times.whole % factor + times.part) / factor


def to_seconds(times: Times, name: str, unit: str | None = None) -> tuple[np.ndarray, np.ndarray]:
    """(unix seconds int64 [N], what was cut off float64 [N]), or BadTime as `judge` says."""
    judge(summarise(times, unit), name, unit)
    return convert(times, unit)


def _check_unit(unit: str | None) -> None:
    if unit is not None and unit not in UNITS:
        raise TutorialError(
            "Unknown time_unit={unit!r}: choose one of {units}.", unit=unit, units=", ".join(UNITS)
        )
