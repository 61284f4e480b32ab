"""Times: the unit is told by the size, dates are read where there is one reading, everything else is
refused with a remedy; every remedy that is printed is run here.
"""

import re
import warnings
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tutorial_files.seconds import calendar_form, unit_of
from tutorial_files.timestamps import BadTime, parse
from tutorial_lib.data.datasets import load_dataset
from tutorial_lib.data.events import make_dataset, validate
from tutorial_lib.errors import TutorialError

T = 1_600_000_000  # 2020-09-13 12:26:40 UTC
STEPS = (0, 61, 4000)


def load(folder: Path, times: list, options: str = "", name: str = "timestamp"):
    path = folder / "x.csv"
    table = pd.DataFrame({"user": "u", "item": [f"i{k}" for k in range(len(times))], name: times})
    table.to_csv(path, index=False)
    with warnings.catch_warnings(action="ignore"):
        return load_dataset(f"csv:{path}{options}")


def seconds(folder: Path, times: list, options: str = "") -> list[int]:
    return load(folder, times, options).events["timestamp"].tolist()


UNITS = {"ms": ("milliseconds", 10**3), "us": ("microseconds", 10**6), "ns": ("nanoseconds", 10**9)}


@pytest.mark.parametrize("unit", UNITS)
def test_other_units_are_named_with_divisor_and_converted_as_told(
    unit: str, tmp_path: Path
) -> None:
    name, factor = UNITS[unit]
    for start in (200_000_000, T, 4_000_000_000):  # 1976, 2020, 2096
        times = [(start + step) * factor + 7 for step in STEPS]
        with pytest.raises(
            TutorialError,
            match=f"line 2: the time {times[0]} is in {name}, not seconds; .* by {factor}",
        ) as caught:
            seconds(tmp_path, times)
        expected = [start + step for step in STEPS]
        option = re.search(r"PATH(@\w+=\w+)", str(caught.value))[1]
        assert seconds(tmp_path, times, option) == expected
        assert seconds(tmp_path, [f"{time}.5" for time in times], option) == expected
        divisor = int(re.search(r"by (\d+)", str(caught.value))[1])
        assert seconds(tmp_path, [time // divisor for time in times]) == expected
        frame = pd.DataFrame({"user": 0, "item": range(3), "timestamp": times})
        with pytest.raises(
            TutorialError,
            match=f"Row 0 .* looks like {name}, not seconds: divide the timestamps by {factor}",
        ):
            make_dataset("frame", frame)
        frame["timestamp"] //= factor
        assert make_dataset("frame", frame).events["timestamp"].tolist() == expected


def test_the_ranges_of_the_units_meet() -> None:
    edges = [10**11, 10**11 + 1, 10**14, 10**14 + 1, 10**17, 10**17 + 1]
    assert unit_of(np.array(edges)).tolist() == [0, 1, 1, 2, 2, 3]


def test_mixed_units_are_refused_with_the_line(tmp_path: Path) -> None:
    with pytest.raises(
        TutorialError,
        match=f"line 4: the time {T * 1000} is in milliseconds by its size, the first one, {T}, in seconds",
    ):
        seconds(tmp_path, [T, T + 1, T * 1000])
    with pytest.raises(
        TutorialError,
        match="line 3: the time 1600000000000000 is beyond the year 5138 in time_unit=s",
    ):
        seconds(tmp_path, [T, T * 10**6], "@time_unit=s")


def test_decimals_are_sorted_by_and_then_cut_off(tmp_path: Path) -> None:
    times = [
        "1506826855.555",
        "1506826855.444",
        "1506826854.9999999999999",
        "1506826857.0",
        "1506826855.",
    ]
    dataset = load(tmp_path, times)
    assert dataset.events["timestamp"].tolist() == [
        1506826854,
        1506826855,
        1506826855,
        1506826855,
        1506826857,
    ]
    assert dataset.item_ids[dataset.events["item"] - 1].tolist() == ["i2", "i4", "i1", "i0", "i3"]
    assert dataset.notes == ("parts of a second were cut off, after sorting by them",)
    path = tmp_path / "same.csv"
    path.write_text(f"user,item,time\nu,a,{T}.1\nu,a,{T}.9\nu,b,{T}.5\nu,c,{T + 1}\n")
    with pytest.warns(UserWarning, match="1 events of one user, item and second count once"):
        kept = load_dataset(f"csv:{path}")
    assert kept.item_ids[kept.events["item"] - 1].tolist() == ["a", "b", "c"]
    path.write_text(f"user,item,time\nu,a,{T}.1\nu,a,{T}.10\nu,b,{T}.5\nu,c,{T + 1}\n")
    with pytest.raises(
        TutorialError, match="Line 3 .* repeats an earlier row"
    ):  # the same to the last digit
        load_dataset(f"csv:{path}")


def test_times_that_a_spreadsheet_has_rounded(tmp_path: Path) -> None:
    with pytest.raises(
        TutorialError,
        match="line 2: the time '1.60E.09' was rounded to 10,000,000 by a spreadsheet",
    ):
        seconds(tmp_path, ["1.60E+09", "1.60E+09", "1.61E+09"])
    with pytest.raises(TutorialError, match="line 4: the time '1.6e9' was rounded to 100,000,000"):
        seconds(tmp_path, [T, T + 1, "1.6e9"])
    exact = [f"{float(T + step):.18e}" for step in STEPS]
    assert seconds(tmp_path, exact) == [T + step for step in STEPS]


def test_equal_times_are_refused_unless_meant(tmp_path: Path) -> None:
    for times in ([T] * 3, ["2020-01-01"] * 3, ["1.5"] * 3):
        with pytest.raises(TutorialError, match="all 3 times are the same"):
            seconds(tmp_path, times)
    assert seconds(tmp_path, [T] * 3, "@time_unit=s") == [T] * 3


CALENDARS = {
    "%Y": [2018, 2019, 2020],
    "%Y%m": [201811, 201812, 201901],
    "%Y%m%d": [20240129, 20240131, 20240201],
    "%Y%m%d%H": [2020091312, 2020091313, 2020091400],
    "%Y%m%d%H%M": [202009131243, 202009131244, 202009131300],
    "%Y%m%d%H%M%S": [20200913124320, 20200913124359, 20200913124400],
}


@pytest.mark.parametrize("form", CALENDARS)
def test_calendar_numbers_are_never_seconds_and_the_remedy_works(form: str, tmp_path: Path) -> None:
    times = CALENDARS[form]
    with pytest.raises(
        TutorialError, match=f"line 2: the time {times[0]} is a calendar number"
    ) as caught:
        seconds(tmp_path, times)
    expected = [
        int(datetime.strptime(str(time), form).replace(tzinfo=UTC).timestamp()) for time in times
    ]
    assert run_remedy(caught.value, tmp_path) == expected
    if form in ("%Y", "%Y%m%d"):
        assert seconds(tmp_path, times, "@time_unit=s") == times
    if len(form) > 4:
        events = pd.DataFrame({"user": 0, "item": range(3), "timestamp": times})
        with pytest.raises(TutorialError, match="Row 0 .* is a calendar number") as caught:
            validate(events)
        line = re.search(r"convert them with (pandas.*)\.$", str(caught.value))[1]
        assert eval(line, {"pandas": pd, "events": events}).tolist() == expected


def test_real_seconds_are_not_taken_for_a_calendar() -> None:
    rng = np.random.default_rng(0)
    for low, high in (
        (0, 30_000_000),
        (19_000_101, 21_001_231),
        (T, T + 10**8),
        (1_900_000_000, 2_100_000_000),
    ):
        assert calendar_form(rng.integers(low, high, 1000)) is None
    days = np.array([int(f"{day:%Y%m%d}") for day in pd.date_range("2019-01-01", periods=900)])
    days[:40] = 20201301  # a few wrong days do not hide what it is
    assert calendar_form(rng.permutation(days)) == "%Y%m%d"


ZONE = timezone(timedelta(hours=8))
WRITTEN = {
    "iso": lambda t: t.strftime("%Y-%m-%dT%H:%M:%SZ"),
    "iso with blank": lambda t: t.strftime("%Y-%m-%d %H:%M:%S"),
    "iso basic": lambda t: t.strftime("%Y%m%dT%H%M%SZ"),
    "iso with zone": lambda t: t.astimezone(ZONE).isoformat(),
    "iso with microseconds": lambda t: t.strftime("%Y-%m-%d %H:%M:%S.250000+00:00"),
    "zone without colon": lambda t: t.astimezone(ZONE).strftime("%Y-%m-%d %H:%M:%S%z"),
    "spreadsheet": lambda t: f"{t.year}/{t.month}/{t.day} {t.hour}:{t:%M:%S}",
    "chinese": lambda t: f"{t.year}年{t.month}月{t.day}日 {t:%H:%M:%S}",
    "tweet": lambda t: t.strftime("%a %b %d %H:%M:%S +0000 %Y"),
    "west": lambda t: t.astimezone(timezone(-timedelta(hours=3, minutes=30))).isoformat(),
    "mail": lambda t: t.astimezone(ZONE).strftime("%a, %d %b %Y %H:%M:%S %z"),
    "american with a name": lambda t: t.strftime("%B %d, %Y %H:%M:%S"),
}


@pytest.mark.parametrize("form", WRITTEN)
def test_dates_with_one_reading_are_converted(form: str, tmp_path: Path) -> None:
    moments = [*np.random.default_rng(1).integers(0, 4 * 10**9, 300), 951_782_400, 4_107_542_399]
    expected = sorted(int(moment) for moment in moments)
    times = [WRITTEN[form](datetime.fromtimestamp(int(moment), UTC)) for moment in moments]
    assert seconds(tmp_path, times) == expected


def test_days_and_minutes(tmp_path: Path) -> None:
    day = int(datetime(2012, 4, 3, tzinfo=UTC).timestamp())
    assert seconds(tmp_path, ["2012-04-03", "2012-04-03 18:00", "2012/4/4"]) == [
        day,
        day + 64800,
        day + 86400,
    ]


UNREADABLE = {
    "day or month": (["01/02/2020", "13/02/2020", "02/03/2020"], "line 2: the time '01/02/2020' can be read as day or month first"),
    "with a time": (["01.02.2020 10:30", "02.02.2020 10:31", "01.02.2020 12:00"], "line 2: .* day or month first"),
    "short year": (["01-02-20", "13-02-20", "02-03-20"], "line 2: .* day or month first"),
    "some with zone": (["2020-09-13T12:26:40", "2020-09-13T12:26:41Z", "2020-09-13T14:26:41+02:00"], "line 3: .* differ in whether they name a time zone"),
    "no such day": (["2020-02-28", "2021-02-29", "2020-03-01"], "line 3: the time '2021-02-29' is not in the calendar"),
    "no such zone": (["2020-02-28 23:00+08:00", "2020-02-28 23:00+15:00", "2020-03-01 00:00Z"], "line 3: .* has no time zone of the earth"),
    "no such hour": (["2020-02-28 23:00", "2020-02-28 24:00", "2020-03-01 00:00"], "line 3: .* is not in the calendar"),
    "a zone by name": (["2020-09-13 12:26 CET"] * 3, "line 2: .* neither a number nor a date"),
    "words": ([T, "soon", T], "line 3: the time 'soon' is not written like the first one"),
    "negative": ([T, "-5", T], "line 3: the time '-5' is before 1970"),
    "old": (["1970-01-02", "1969-12-31", "1970-01-03"], "line 3: the time is before 1970"),
    "other digits": (["１６", "１７", "１８"], "line 2: .* neither a number"),
    "underscores": (["1_600", "1_700", "1_800"], "line 2: .* neither a number"),
    "infinite": (["inf", "nan", "1"], "line 2: .* neither a number"),
    "too large": ([10**19, 10**19 + 1, 10**19 + 2], "line 2: .* neither a number"),
}  # fmt: skip


@pytest.mark.parametrize("kind", UNREADABLE)
def test_other_times_are_refused_with_the_line(kind: str, tmp_path: Path) -> None:
    times, message = UNREADABLE[kind]
    with pytest.raises(TutorialError, match=f"x.csv, {message}") as caught:
        seconds(tmp_path, times)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "days"),
    [
        ("day or month", [(1, 2), (2, 3), (13, 2)]),
        ("with a time", [(1, 2), (1, 2), (2, 2)]),
        ("short year", [(1, 2), (2, 3), (13, 2)]),
    ],
)
def test_the_remedy_for_dates_that_can_be_mixed_up_works(
    kind: str, days: list, tmp_path: Path
) -> None:
    with pytest.raises(TutorialError) as caught:
        load(tmp_path, UNREADABLE[kind][0], name="time")
    dates = pd.to_datetime(run_remedy(caught.value, tmp_path, "time"), unit="s")
    assert sorted(zip(dates.day, dates.month, strict=True)) == sorted(days) and set(dates.year) == {
        2020
    }
    month_first = re.search(r"else '([^']+)'", str(caught.value))[1]
    assert pd.to_datetime("03" + UNREADABLE[kind][0][0][2:], format=month_first).month == 3


def test_the_remedy_for_mixed_zones_works(tmp_path: Path) -> None:
    with pytest.raises(TutorialError) as caught:
        seconds(tmp_path, UNREADABLE["some with zone"][0])
    assert run_remedy(caught.value, tmp_path) == [T, T + 1, T + 1]


def run_remedy(error: TutorialError, folder: Path, name: str = "timestamp") -> list[int]:
    """Do what the sentence says: read as text, run the line, save, load again."""
    line = re.search(r": (table\[.*?astype\('int64'\))", str(error))[1]
    table = pd.read_csv(folder / "x.csv", dtype=str, keep_default_na=False)
    exec(line, {"pandas": pd, "table": table})
    return seconds(folder, table[name].tolist())


@pytest.mark.parametrize("zone", [None, "UTC", "Asia/Shanghai", "America/New_York"])
def test_the_remedy_for_columns_of_dates_works_in_every_zone(zone: str | None) -> None:
    dates = pd.to_datetime([T, T + 5, T + 9], unit="s").tz_localize("UTC").tz_convert(zone)
    events = pd.DataFrame({"user": 0, "item": range(3), "timestamp": dates})
    with pytest.raises(TutorialError, match="holds dates, not unix seconds") as caught:
        validate(events)
    line = re.search(r"convert it with (pandas.*)\.$", str(caught.value))[1]
    events["timestamp"] = eval(line, {"pandas": pd, "events": events})
    assert validate(events)["timestamp"].tolist() == [T, T + 5, T + 9]


def test_pieces_must_agree_on_how_times_are_written() -> None:
    with pytest.raises(
        BadTime, match="'2020-09-13' is not written like the first one, '1600000000'"
    ):
        parse(["1600000000", "2020-09-13"], "timestamp")
