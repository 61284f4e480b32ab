"""The one reader of tables: each kind of file that people bring ends in the right values, or in one
sentence that names file, line, what was found and what to do; the remedies that are printed work.
"""

import gzip
import io
import re
import warnings
import zipfile
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

from tutorial_files import delimited
from tutorial_lib.data.datasets import load_dataset
from tutorial_lib.data.events import Dataset, make_dataset
from tutorial_lib.data.splits import leave_last_out
from tutorial_lib.errors import TutorialError

HEAD = "user,item,timestamp\n"
T = 1_600_000_000


def table(users=("1", "2"), items=("10", "11", "12"), times=(T, T + 60, T + 120), head=HEAD) -> str:
    """Each user with each item, at the time of the same place."""
    pairs = list(zip(items, times, strict=True))
    return head + "".join(f"{user},{item},{time}\n" for user in users for item, time in pairs)


def zipped(*files: tuple[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in files:
            archive.writestr(name, text)
    return buffer.getvalue()


@pytest.fixture
def read(tmp_path: Path):
    """Write a file and load it; notes are kept, warnings not shown."""

    def read(content: str | bytes, name: str = "x.csv", options: str = "", kind="csv:") -> Dataset:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        with warnings.catch_warnings(action="ignore"):
            return load_dataset(f"{kind}{path}{options}")

    return read


def rows(dataset: Dataset) -> list[tuple[str, str, int]]:
    """The events with the ids as text, as they must stand in the file."""
    users = dataset.user_ids[dataset.events["user"]].astype(str)
    items = dataset.item_ids[dataset.events["item"] - 1].astype(str)
    return list(zip(users, items, dataset.events["timestamp"].tolist(), strict=True))


IDS = {
    "leading zeros": ["007", "7"],
    "isbn": ["0000000011", "11"],
    "not hexadecimal": ["12e3", "12000"],
    "words of missing": ["NA", "null", "None", "nan", "NULL", "N/A", "-", "NaN"],
    "beyond 2^53 with a point": ["9007199254740993.0", "9007199254740992.0"],
    "beyond 2^63": ["9223372036854775807", "9223372036854775808"],
    "beyond 2^64": ["18446744073709551617", "1"],
    "signs": ["-1", "+1", "1"],
    "blanks": ["1", " 1", "1 "],
    "other scripts": ["张三", "١٢", "12", "é", "e\u0301", "🎬"],
    "booleans": ["True", "true", "TRUE"],
    "capitals": ["a", "A"],
}


@pytest.mark.parametrize("kind", IDS)
def test_ids_are_text_and_come_back_as_they_were_given(read, kind: str) -> None:
    names = IDS[kind]
    as_users = read(table(users=names))
    assert as_users.user_ids.tolist() == sorted(names)
    assert rows(as_users) == [
        (user, str(10 + k), T + 60 * k) for user in sorted(names) for k in range(3)
    ]
    items = read(HEAD + "".join(f"u,{name},{T + k}\n" for k, name in enumerate([*names, "x", "y"])))
    assert rows(items) == [("u", name, T + k) for k, name in enumerate([*names, "x", "y"])]


def test_whole_numbers_in_their_one_form_are_numbers_and_sort_as_such(read) -> None:
    dataset = read(table(users=["10", "9", "0"], items=["100", "20", "9223372036854775807"]))
    assert dataset.user_ids.dtype == np.int64 and dataset.user_ids.tolist() == [0, 9, 10]
    assert dataset.item_ids.tolist() == [20, 100, 2**63 - 1]
    mixed = read(table(users=["10", "9", "x"]))  # one name, and all are text
    assert mixed.user_ids.tolist() == ["10", "9", "x"]


def test_pieces_of_a_file_agree_on_what_an_id_is(read, monkeypatch: pytest.MonkeyPatch) -> None:
    """The text id comes long after the first pieces were read as numbers."""
    users = [str(user) for user in range(40)] + ["007"]
    whole = rows(read(table(users=users)))
    monkeypatch.setattr(delimited, "BLOCK", 64)
    pieces = read(table(users=users))
    assert rows(pieces) == whole and pieces.user_ids.tolist() == sorted(users)
    assert rows(read(table(users=users).replace("\n", "\r\n"))) == whole
    assert rows(read(table(users=users).encode("utf-16"))) == whole
    quoted = HEAD + re.sub("(?m)^([^,]+),", r'"\1",', table(users=users).removeprefix(HEAD))
    monkeypatch.setattr(delimited, "ROWS", 7)
    assert rows(read(quoted)) == whole


CHINESE = table(users=["张三", "李四"], items=["苹果", "香蕉", "葡萄"], head="用户,物品,时间\n")
RIGHT = {
    "upper case gz": (gzip.compress(table().encode()), "X.CSV.GZ", ""),
    "zip": (zipped(("folder/x.csv", table()), ("__MACOSX/._x.csv", "?")), "x.zip", ""),
    "zip by another name": (zipped(("x.csv", table())), "x.csv", ""),
    "gzip by another name": (gzip.compress(table().encode()), "x.txt", ""),
    "byte order mark": (table().encode("utf-8-sig"), "x.csv", ""),
    "utf-16": (table().encode("utf-16"), "x.csv", ""),
    "utf-16 as told": (table().encode("utf-16-le"), "x.csv", "@encoding=utf-16-le"),
    "windows": (table().replace("\n", "\r\n"), "x.csv", ""),
    "old mac": (table().replace("\n", "\r"), "x.csv", ""),
    "no last line end": (table().rstrip(), "x.csv", ""),
    "blank lines": ("\n" + table().replace("\n", "\n\n"), "x.csv", ""),
    "tabs": (table().replace(",", "\t"), "x.tsv", ""),
    "semicolons": (table().replace(",", ";"), "x.csv", ""),
    "bars": (table().replace(",", "|"), "x.csv", ""),
    "blanks": (table().replace(",", " "), "x.dat", ""),
    "double colons": (table().replace(",", "::"), "x.dat", ""),
    "recbole": (
        table(head="user_id:token,item_id:token,timestamp:float\n").replace(",", "\t"),
        "x.inter",
        "",
    ),
    "quotes": (re.sub(r"([^,\n]+)", r'"\1"', table()), "x.csv", ""),
    "numbered": (table(head=""), "x.csv", "@user=1,item=2,timestamp=3"),
    "named": (table(head="a,b,c\n"), "x.csv", "@user=a,item=b,timestamp=c"),
    "one of two": (
        table(head="uid,item,timestamp\n").replace("\n", ",9\n").replace(",9", ",user", 1),
        "x.csv",
        "@user=uid",
    ),
    "unnamed first column": (re.sub("(?m)^(?=.)", "0,", table()).replace("0", "", 1), "x.csv", ""),
    "trailing comma everywhere": (table().replace("\n", ",\n"), "x.csv", ""),
    "pandas index without a name": (
        pd.read_csv(io.StringIO(table())).to_csv(),
        "x.csv",
        "",
    ),
}


@pytest.mark.parametrize("kind", RIGHT)
def test_each_form_of_a_table_gives_the_same_events(read, kind: str) -> None:
    content, name, options = RIGHT[kind]
    expected = [
        (user, item, T + 60 * k) for user in "12" for k, item in enumerate(["10", "11", "12"])
    ]
    assert rows(read(content, name, options)) == expected


def test_chinese_tables_in_every_usual_encoding(read) -> None:
    expected = rows(read(CHINESE))
    assert expected[0] == ("张三", "苹果", T)
    for encoding in ("utf-8-sig", "utf-16", "gbk", "gb18030"):
        found = read(CHINESE.encode(encoding))
        assert rows(found) == expected
        assert any("gb18030" in note for note in found.notes) == encoding.startswith("gb")
    assert read(CHINESE.encode("gbk"), options="@encoding=gb18030").notes == ()


def test_other_encodings_are_not_taken_for_chinese(read) -> None:
    text = table(users=["müller", "crème", "señor"])
    with pytest.raises(TutorialError, match=r"x.csv, line 2: .*encoding=latin-1") as caught:
        read(text.encode("latin-1"))
    assert caught.value.args[0].count("\n") == 0
    told = read(text.encode("latin-1"), options="@encoding=latin-1")
    assert told.user_ids.tolist() == ["crème", "müller", "señor"]
    damaged = CHINESE.encode().replace("香".encode(), "香".encode()[:2])  # one byte is lost
    with pytest.raises(TutorialError, match="x.csv, line 3: .*encoding="):
        read(damaged)
    with pytest.raises(TutorialError, match="Unknown encoding 'klingon'"):
        read(text, options="@encoding=klingon")


def test_quoted_fields_hold_separators_quotes_and_line_ends(read) -> None:
    text = 'user,item,timestamp,note\n"a,1","x""2",1600000000,"two\nlines"\n"a,1",y,1600000001,\n"a,1",z,1600000009,"\r\n"\n'
    dataset = read(text)
    assert rows(dataset) == [("a,1", 'x"2', T), ("a,1", "y", T + 1), ("a,1", "z", T + 9)]
    assert dataset.notes == ("ignored the columns 'note'",)
    with pytest.raises(
        TutorialError, match="line 4: the item is missing"
    ):  # counts line ends in quotes
        read('user,item,timestamp,note\na,x,1600000000,"two\nlines"\na,,1600000001,\n')


REFUSED = {
    "two times": ("user_id,video_id,time,timestamp\n1,2,2020-01-01,5\n", r"line 1: .*'time' and 'timestamp' both mean timestamp"),
    "two ratings": ("user,item,timestamp,score,rating\n1,2,3,4,5\n", "line 1: .*'score' and 'rating' both mean rating"),
    "two users": ("uid,user,item,timestamp\n1,2,3,4\n", "line 1: .*'uid' and 'user' both mean user"),
    "one name twice": ("user,user,item,timestamp\n1,2,3,4\n", "line 1: .*'user' and 'user' both mean user"),
    "one field more": (HEAD + "1,11,1600001000,5\n", r"line 2: 4 fields \('1,11,1600001000,5'\), but the first line has 3"),
    "one field less": (table() + "1,11\n", "line 8: 2 fields .* has 3"),
    "trailing comma": (HEAD + "1,11,1600001000,\n", "line 2: 4 fields"),
    "more and less make up": (HEAD + "1,2,3,4\n1,2\n", "line 2: 4 fields"),
    "text rating": ("user,item,timestamp,rating\n1,2,1600000000,5\n1,3,1600000001,good\n", "line 3: the rating 'good' is no number"),
    "rating nan": ("user,item,timestamp,rating\n1,2,1600000000,nan\n", "line 2: the rating 'nan' is no number"),
    "unknown header": ("user,when,item\n1,2,3\n", r"line 1: .*\['user', 'when', 'item'\] but lacks \['timestamp'\].*@timestamp=when"),
    "no header": (table(head=""), r"line 1: no column names but values .*@user=1,item=2,timestamp=3"),
    "missing user": (table(users=["1", ""]), "line 5: the user is missing"),
    "missing time": (table() + "1,2,\n", "line 8: the timestamp is missing"),
    "json lines": ('{"user":1,"item":2}\n', "line 1 is JSON"),
    "json": ('[{"user":1}]', "line 1 is JSON"),
    "web page": ("\n<!DOCTYPE html>\n<html>login</html>", "is a web page"),
    "two files in a zip": (zipped(("a.csv", table()), ("b.csv", table())), r"zip archive with 2 files \(a.csv, b.csv\)"),
    "excel": (zipped(("[Content_Types].xml", ""), ("xl/workbook.xml", "")), "Excel workbook"),
    "cut gzip": (gzip.compress(table().encode())[:-12], "damaged"),
    "pdf": (b"%PDF-1.7\n", "holds a PDF"),
    "empty": ("", "the file is empty"),
    "blank": ("\n\r\n \n", "the file is empty"),
    "header only": (HEAD, "a header but no events"),
    "nul": (HEAD.encode() + b"1,2\0,3\n", "line 2: a NUL byte"),
    "utf-16 without mark": (table().encode("utf-16-le"), "line 1: a NUL byte.*utf-16-le"),
    "quote inside": (HEAD + '"a"b,1,3\n', "line 2: the quotes do not match"),
    "quote left open": (table() + '"a,1,3\n', "line 8: the quotes do not match"),
    "quote left open in the header": ('"user,item\n1,2\n' * 9, "line 1: the quotes do not match"),
    "long quoted name": (f'"{"a" * 200_000}",user,item,timestamp\n1,2,3,4\n', "line 1: the quotes do not match .*field limit"),
    "long id": (HEAD + "a" * 5000 + ",1,3\n", "line 2: the user has 5,000 characters"),
    "many columns": (",".join(f"c{k}" for k in range(200_000)) + "\n1\n", "line 1: 200,000 columns"),
    "one line": ("x" * 40_000_000, "line 1: longer than"),
    "twice": (table() + f"2,12,{T + 120}\n", r"x.csv: Line 8 \(user=2, item=12, .* repeats an earlier row.*drop_duplicates=true"),
    "few events": (HEAD + "1,2,1600000000\n1,3,1600000001\n", "x.csv: No user has 3 or more events"),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
def test_each_unusable_table_is_refused_with_its_own_sentence(read, kind: str) -> None:
    content, message = REFUSED[kind]
    with pytest.raises(TutorialError, match=message) as caught:
        read(content)
    assert "\n" not in str(caught.value) and "x.csv" in str(caught.value)
    assert len(str(caught.value)) < 1000


def test_remedies_for_tables_work(read, tmp_path: Path) -> None:
    def remedy(content: str, pattern: str) -> str:
        with pytest.raises(TutorialError) as caught:
            read(content)
        return re.search(pattern, str(caught.value))[1]

    option = r"csv:\S+?(@\S+)"
    body = table(head="")
    expected = rows(read(table()))
    for text in (
        "user,item,when\n" + body,
        body,
        "user,item,time,timestamp\n" + re.sub(r"(?m),(\d+)$", r",2020-01-01,\1", body),
    ):
        found = read(text, options=remedy(text, option))
        assert [row[:2] for row in rows(found)] == [row[:2] for row in expected]
    twice = table() + f"2,12,{T + 120}\n"
    dropped = read(twice, options=re.search(r"PATH(@\S+[a-z])", _message(read, twice))[1])
    assert rows(dropped) == expected and dropped.duplicates == 1
    lines = "".join(f'{{"user":"00{u}","item":{i},"timestamp":{t}}}\n' for u, i, t in expected)
    exec(remedy(lines, r"convert it with pandas: (.*)$"), {"pandas": pd})
    again = load_dataset(f"csv:{tmp_path / 'x.csv.table.csv'}")
    assert rows(again) == [("00" + user, item, time) for user, item, time in expected]


def _message(read, content: str) -> str:
    with pytest.raises(TutorialError) as caught:
        read(content)
    return str(caught.value)


def test_a_sparse_file_of_gigabytes_is_given_up_at_once(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    with path.open("wb") as file:
        file.write(table().encode())
        file.truncate(3 << 30)
    with pytest.raises(TutorialError, match="line 8: a NUL byte"):
        load_dataset(f"csv:{path}")


@pytest.mark.parametrize("path", ["a\0b", "a" * 5000, "/tmp", "", "no/such.csv"])
def test_paths_that_are_none(path: str) -> None:
    for kind in ("csv:", "txt:"):
        with pytest.raises(TutorialError, match="There is no file") as caught:
            load_dataset(kind + path)
        assert len(str(caught.value)) < 600


def test_order_only_tables(read) -> None:
    expected = [("1", "5", 0), ("1", "3", 1), ("1", "5", 2)]
    for content in (
        "1 5\n1 3\n1 5\n",
        "1\t5\n1  3 \n 1 5",
        "UserID ItemID\r\n1 5\r\n1 3\r\n1 5\r\n",
    ):
        dataset = read(content, "x.txt", kind="txt:")
        assert rows(dataset) == expected and not dataset.has_times
    assert rows(read("1,5\n1,3\n1,5\n", options="@user=1,item=2")) == expected
    with pytest.raises(TutorialError, match="line 1: 4 columns .*@user=1,item=2,timestamp=4"):
        read("1\t2\t3\t4\n", "x.txt", kind="txt:")
    with pytest.raises(TutorialError, match="line 2: 3 fields"):
        read("1 2\n1 2 3\n", "x.txt", kind="txt:")


def test_parquet(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"user": ["007", "007", "7", "007"], "item": [2**62 + 1, 3, 4, 5], "rating": [1.5, None, 2, 3],
         "time": pd.to_datetime(["2020-09-13 12:26:40.5", "2020-09-13 12:26:41", "2020-09-14", "2020-09-15"], utc=True, format="ISO8601")}
    )  # fmt: skip
    with duckdb.connect() as connection:
        connection.register("frame", frame)
        connection.execute(f"COPY frame TO '{tmp_path / 'x.parquet'}' (FORMAT parquet)")
    dataset = load_dataset(f"csv:{tmp_path / 'x.parquet'}")
    assert rows(dataset) == [
        ("007", str(2**62 + 1), T),
        ("007", "3", T + 1),
        ("007", "5", 1600128000),
    ]
    (tmp_path / "y.parquet").write_bytes((tmp_path / "x.parquet").read_bytes()[:300])
    with pytest.raises(TutorialError, match="y.parquet: the Parquet file is damaged"):
        load_dataset(f"csv:{tmp_path / 'y.parquet'}")


def test_parquet_without_duckdb_is_one_sentence(read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "duckdb", None)
    with pytest.raises(TutorialError, match="x.parquet is a Parquet .*needs the package duckdb"):
        read(b"PAR1....PAR1", "x.parquet")


def test_what_is_ignored_and_assumed_is_said(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    text = (
        table(head="user,item,timestamp,zip,rating,note\n")
        .replace("\n", ",1,,x\n")
        .replace(",1,,x", "", 1)
    )
    path.write_text(text)
    with pytest.warns(UserWarning, match="x.csv: ignored the columns 'zip', 'note'"):
        dataset = load_dataset(f"csv:{path}")
    assert dataset.notes == ("ignored the columns 'zip', 'note'", "6 events have no rating")
    assert dataset.events["rating"].isna().all() and "note" in str(dataset.info)


def test_options_are_checked(read) -> None:
    for options, message in (
        ("@drop_duplicates=ture", "Got drop_duplicates='ture': the option takes true or false"),
        ("@min_user_events=five", "takes a whole number from 1"),
        ("@min_item_events=0", "takes a whole number from 1"),
        ("@colour=red", "Unknown option 'colour': a data set takes min_user_events"),
        ("@time_unit=min", "Unknown time_unit='min': choose one of s, ms, us, ns"),
        ("@user=name", "0 columns are called 'name'; choose user=... among"),
        ("@user=1,item=2,timestamp=7", "3 columns .*where 7 were expected"),
        ("@user=1,item=1", "each another number"),
    ):
        with pytest.raises(TutorialError, match=re.escape(message) if "(" in message else message):
            read(table(), options=options)
    with pytest.raises(
        TutorialError, match="sample has no option encoding: it takes min_user_events"
    ):
        load_dataset("sample", encoding="utf-8")
    with pytest.raises(TutorialError, match="takes true or false"):
        load_dataset("sample", repeats="often")


def test_an_at_sign_in_a_path_stays_there(read) -> None:
    dataset = read(table(), name="me@user=1.csv")
    assert len(dataset.events) == 6
    again = read(table(), name="a@b.csv", options="@min_user_events=3")
    assert len(again.events) == 6 and again.name.endswith("a@b.csv")


def test_the_name_with_its_options_loads_the_same_again(read) -> None:
    dataset = read(
        table(users="123", head="a,b,c\n"),
        options="@user=a,item=b,timestamp=c,min_item_events=3,repeats=true",
    )
    assert dataset.repeats and load_dataset(dataset.name).name == dataset.name
    by_keyword = load_dataset(
        dataset.name.partition("@")[0],
        user="a",
        item="b",
        timestamp="c",
        min_item_events=3,
        repeats=True,
    )
    assert by_keyword.name == dataset.name and by_keyword.fingerprint == dataset.fingerprint


def brute_core(events: list[tuple], users: int, items: int) -> set[tuple]:
    """One event at a time, as slowly as can be."""
    left, gone = list(events), True
    while gone:
        gone = [
            e for e in left
            if sum(o[0] == e[0] for o in left) < users or sum(o[1] == e[1] for o in left) < items
        ]  # fmt: skip
        left = [e for e in left if e not in gone]
    return set(left)


@pytest.mark.parametrize("seed", range(5))
def test_the_core_is_iterated_until_nothing_changes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    events = sorted({(int(u), int(i), int(t)) for u, i, t in zip(*(rng.zipf(1.4, 500) % 25, rng.zipf(1.3, 500) % 40, rng.integers(T, T + 90, 500)), strict=True)})  # fmt: skip
    frame = pd.DataFrame(events, columns=["user", "item", "timestamp"])
    for users, items in ((4, 4), (6, 3), (1, 8)):
        dataset = make_dataset("core", frame, min_events=users, min_item_events=items)
        found = {tuple(map(int, row)) for row in rows(dataset)}
        assert found == brute_core(events, users, items) and len(found) < len(events)
    with pytest.raises(TutorialError, match="No events are left where every user has 400"):
        make_dataset("core", frame, min_events=400, min_item_events=2)


def test_filters_of_a_named_data_set() -> None:
    dataset = load_dataset("sample@min_user_events=30,min_item_events=60")
    events = dataset.events
    assert events.groupby("user").size().min() >= 30 and events.groupby("item").size().min() >= 60
    assert (
        dataset.num_users < 3000 and dataset.name == "sample@min_user_events=30,min_item_events=60"
    )
    assert (
        load_dataset("sample", min_user_events=30, min_item_events=60).fingerprint
        == dataset.fingerprint
    )
    assert len(leave_last_out(dataset).test) == dataset.num_users


def test_info_shows_repeats_resolution_and_duplicates(read) -> None:
    hour = [(0, "a"), (3600, "b"), (3600, "c"), (10800, "a")]
    content = HEAD + "".join(f"u,{item},{T + time}\n" for time, item in hour) + f"u,a,{T}\n"
    info = read(content, options="@drop_duplicates=true").info
    assert (info.resolution, info.zero_gaps, info.median_gap) == (3600, 1 / 3, 3600)
    assert (info.repeats, info.duplicates, info.repeats_declared) == (0.25, 1, False)
    assert (info.first, info.last, info.users, info.items, info.events) == (T, T + 10800, 1, 3, 4)
    assert "span            2020-09-13 to 2020-09-13, 0.1 days" in str(info)
