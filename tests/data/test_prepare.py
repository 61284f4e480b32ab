"""Prepared columns against the table in memory: the same events, ids, notes and fingerprint, or the
same sentence; whatever is killed, full or changed in between.
"""

import gzip
import json
import os
import resource
import shutil
import sys
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

from tests.data.test_datasets import FORMATS, put
from tests.files.test_random_tables import Draw
from tutorial_files import delimited, places, sources, writing
from tutorial_lib.data import prepared
from tutorial_lib.data.__main__ import main
from tutorial_lib.data.datasets import load_dataset
from tutorial_lib.data.events import Dataset
from tutorial_lib.errors import TutorialError
from tutorial_lib.scale import columns, raw
from tutorial_lib.scale.prepare import prepare
from tutorial_lib.scale.tables import Engine, bytes_of

T = 1_600_000_000
UNLIMITED = resource.getrlimit(resource.RLIMIT_FSIZE)


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("TUTORIAL_DATA_DIR", raising=False)
    monkeypatch.setattr(places, "DOWNLOADS", tmp_path / "downloads")


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many pieces of small tables."""
    monkeypatch.setattr(delimited, "BLOCK", 900)
    monkeypatch.setattr(columns, "ROWS", 40)
    frames = Engine.frames

    def few(self, query: str, rows: int):
        for frame in frames(self, query, 2048):
            yield from (frame.iloc[n : n + rows] for n in range(0, len(frame), rows))

    monkeypatch.setattr(Engine, "frames", few)


def said(load: Callable[[], Dataset]) -> Dataset | str:
    try:
        with warnings.catch_warnings(action="ignore"):
            return load()
    except TutorialError as error:
        return str(error)


def both(source: str, out: Path, **options) -> tuple[Dataset | str, Dataset | str]:
    """In memory and prepared."""
    shutil.rmtree(out, ignore_errors=True)
    where = {"data_dir": options.pop("data_dir", None)}
    memory = said(lambda: load_dataset(source, **where, **options))
    return memory, said(lambda: prepare(source, out, progress=False, **where, **options))


def assert_equal(memory: Dataset | str, mapped: Dataset | str) -> None:
    assert isinstance(memory, str) == isinstance(mapped, str), (memory, mapped)
    if isinstance(memory, str):
        assert memory == mapped
        return
    pd.testing.assert_frame_equal(memory.events, mapped.events)
    for name in ("user_ids", "item_ids"):
        found, wanted = getattr(mapped, name), getattr(memory, name)
        assert found.dtype.kind == wanted.dtype.kind and np.array_equal(found, wanted)
    for name in ("has_times", "repeats", "duplicates", "notes", "fingerprint"):
        assert getattr(mapped, name) == getattr(memory, name), name


def written(path: Path, rows: list[tuple], head: str = "user,item,timestamp\n") -> str:
    path.write_text(head + "".join(",".join(map(str, row)) + "\n" for row in rows))
    return f"csv:{path}"


def random_rows(seed: int, events: int = 200, users: int = 12, items: int = 15) -> list[tuple]:
    """With many ties of time, in no order."""
    rng = np.random.default_rng(seed)
    columns = rng.integers(users, size=events), rng.integers(items, size=events)
    table = pd.DataFrame({"user": columns[0], "item": columns[1], "time": rng.integers(40, size=events)})  # fmt: skip
    table["time"] = T + 60 * table["time"]
    return [tuple(row) for row in table.drop_duplicates().to_numpy().tolist()]


IDS = {
    "numbers": "{}",
    "texts that sort otherwise": "u{}",
    "numbers as texts": "{}.0",
    "mixed": None,
    "scripts": "é张{}🎬",
}


@pytest.mark.parametrize("kind", IDS)
@pytest.mark.parametrize("core", [{}, {"min_item_events": 11, "min_user_events": 10}])
def test_the_same_dense_ids_however_ids_sort(kind: str, core: dict, small, tmp_path: Path) -> None:
    form = IDS[kind]
    rows = [
        ((form or ("x{}" if user == 11 else "{}")).format(user), f"{9 * item}" if kind == "numbers" else f"{item}", time)
        for user, item, time in random_rows(1)
    ]  # fmt: skip
    memory, mapped = both(written(tmp_path / "x.csv", rows), tmp_path / "out", **core)
    assert_equal(memory, mapped)
    assert isinstance(memory, Dataset) and (len(memory.events) < len(rows)) == bool(core)
    assert isinstance(mapped.events["item"].to_numpy().base.base, np.memmap)


@pytest.mark.parametrize("seed", range(2))
def test_ties_parts_of_seconds_and_repetitions(seed: int, small, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    rows = random_rows(seed, users=4, items=5)
    parts = [(user, item, f"{time}.{rng.integers(3)}5") for user, item, time in rows]
    again = [rows[k] for k in rng.integers(len(rows), size=20)]
    cut = [(user, item, f"{time}.{rng.integers(3)}5") for user, item, time in [*rows, *again]]
    for n, table in enumerate((rows, parts, rows + again, cut, parts + parts[:3])):
        source = written(tmp_path / f"{n}.csv", table)
        for once in (False, True):
            memory, mapped = both(source, tmp_path / "out", drop_duplicates=once)
            assert_equal(memory, mapped)
            assert isinstance(memory, str) == (n in (2, 4) and not once) or n == 3
    assert "Line" in both(source, tmp_path / "out")[1]  # the first repetition is named


def test_random_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the reader in memory takes or refuses, in any encoding and separator."""
    outcomes = []
    for seed in range(24):
        draw = Draw(seed)
        monkeypatch.setattr(delimited, "BLOCK", 64 if seed % 2 else 1 << 20)
        path = tmp_path / draw.name
        path.write_bytes(gzip.compress(draw.data) if draw.packed else draw.data)
        memory, mapped = both(f"csv:{path}", tmp_path / "out")
        assert_equal(memory, mapped)
        outcomes.append(isinstance(memory, str))
    assert 5 < sum(outcomes) < 20


@pytest.mark.parametrize("name", FORMATS)
def test_every_known_source(name: str, small, tmp_path: Path) -> None:
    put(tmp_path, *FORMATS[name])
    assert_equal(*both(name, tmp_path / "out", data_dir=tmp_path))


def test_the_sample(tmp_path: Path) -> None:
    assert_equal(*both("sample", tmp_path / "out", min_user_events=40, min_item_events=100))


def test_clicks_that_do_not_count_and_files_of_an_hour(small, tmp_path: Path) -> None:
    """An event that was not clicked hides one of the same second, in memory and prepared."""
    head = "user_id,video_id,date,hourmin,time_ms,is_click\n"
    for name, seed in (("4_22_to_5_08_pure", 0), ("4_08_to_4_21_pure", 1)):
        rng = np.random.default_rng(seed)
        rows = [f"{rng.integers(3)},{rng.integers(4)},20220422,1200,{(T + rng.integers(9)) * 1000 + rng.integers(3)},{rng.integers(2)}\n" for _ in range(99)]  # fmt: skip
        put(tmp_path, f"kuairand/data/log_standard_{name}.csv", head + "".join(rows))
    memory, mapped = both("kuairand", tmp_path / "out", data_dir=tmp_path)
    assert_equal(memory, mapped)
    assert memory.duplicates > 0


def test_order_only(small, tmp_path: Path) -> None:
    rows = [(user, item) for user, item, _ in random_rows(3)]
    for core in ({}, {"min_item_events": 11, "min_user_events": 10}):
        source = written(tmp_path / "x.csv", rows, head="")
        memory, mapped = both(f"{source}@user=1,item=2", tmp_path / "out", **core)
        assert_equal(memory, mapped)
        assert not mapped.has_times


def test_parquet_and_patterns(small, tmp_path: Path) -> None:
    """A table cut into files is the table, and Parquet says what CSV says."""
    rows = random_rows(5)
    memory = load_dataset(written(tmp_path / "whole.csv", rows))
    (tmp_path / "logs").mkdir()
    for n in range(3):
        written(tmp_path / "logs" / f"{n}.csv", rows[n * 60 : (n + 1) * 60 if n < 2 else None])
    table = tmp_path / "x.parquet"
    duckdb.sql(f"COPY (FROM read_csv('{tmp_path / 'whole.csv'}')) TO '{table}' (FORMAT parquet)")
    for number, source in enumerate((str(table), f"{tmp_path}/logs/*.csv", f"csv:{table}")):
        mapped = prepare(source, tmp_path / f"out{number}", progress=False)
        pd.testing.assert_frame_equal(memory.events, mapped.events)
        assert mapped.fingerprint == memory.fingerprint
    written(tmp_path / "logs" / "1.csv", [(1, 2, "2020-01-01")])
    written(tmp_path / "logs" / "2.csv", [(1, 2, T), (1, 3, 1000 * T)])
    with pytest.raises(TutorialError, match="1.csv, line 2: from here on the time is a date, be"):
        prepare(f"{tmp_path}/logs/*.csv", tmp_path / "other", progress=False)
    (tmp_path / "logs" / "1.csv").unlink()
    with pytest.raises(TutorialError, match="2.csv, line 3: the time 1600000000000 is in millisec"):
        prepare(f"{tmp_path}/logs/[02].csv", tmp_path / "another", progress=False)
    with pytest.raises(TutorialError, match="No file matches .*nothing"):
        prepare(f"{tmp_path}/nothing*.csv", tmp_path / "none", progress=False)


def test_parquet_columns_of_any_type(tmp_path: Path) -> None:
    """Texts with zeros, missing ratings, dates with a zone; what is missing is refused."""
    table = tmp_path / "x.parquet"
    duckdb.sql(
        "COPY (SELECT format('{:03d}', i % 3) AS user, i::UTINYINT AS item, to_timestamp(1600000000"
        f" + i / 2) AS time, CASE WHEN i > 3 THEN i END AS rating FROM range(30) t(i)) TO '{table}' (FORMAT parquet)"
    )
    memory, mapped = both(f"csv:{table}", tmp_path / "out")
    assert_equal(memory, mapped)
    assert memory.user_ids.tolist() == ["000", "001", "002"] and memory.events["rating"].isna().sum() == 4  # fmt: skip
    assert memory.events["timestamp"].max() == 1600000014
    duckdb.sql(f"COPY (SELECT 1 AS user, nullif(i, 4) AS item, i + {T} AS time FROM range(9) t(i)) TO '{table}' (FORMAT parquet)")  # fmt: skip
    memory, mapped = both(f"csv:{table}", tmp_path / "out")
    assert memory == mapped and "line 5: the item is missing" in memory


@pytest.fixture
def log(tmp_path: Path) -> str:
    for n in range(2):
        written(tmp_path / f"log{n}.csv", random_rows(10 + n, events=300))
    return f"csv:{tmp_path}/log*.csv@drop_duplicates=true,min_item_events=5"


def in_child(work: Callable[[], object]) -> int:
    """The status of a process of its own that does the work; 3 after a TutorialError."""
    if process := os.fork():
        return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    status = 1
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        work()
        status = 0
    except TutorialError as error:
        resource.setrlimit(resource.RLIMIT_FSIZE, UNLIMITED)
        Path(os.environ["SAID"]).write_text(str(error))
        status = 3
    finally:
        os._exit(status)


def die_at(number: int, renames: bool = False) -> None:
    """From now on the process ends at its call `number` of those that write (`renames`: that
    finish a step), before it if the number is even, else after it.
    """
    left = [number]

    def mortal(call):
        def wrapped(*args, **kwargs):
            if left[0] == 0:  # before it
                os._exit(9)
            result = call(*args, **kwargs)
            if left[0] == 1:  # after it
                os._exit(9)
            left[0] -= 2
            return result

        return wrapped

    Path.rename = mortal(Path.rename)
    if renames:
        return
    Engine.copy = mortal(Engine.copy)
    writing.settle = mortal(writing.settle)
    columns._once = mortal(columns._once)
    shutil.rmtree = mortal(shutil.rmtree)


@pytest.mark.thorough
def test_killed_at_every_step_it_goes_on_to_the_same_columns(
    log: str, small, tmp_path: Path
) -> None:
    whole = prepare(log, tmp_path / "whole", progress=False)
    wanted = {path.name: path.read_bytes() for path in (tmp_path / "whole").iterdir()}
    out, deaths, number = tmp_path / "out", 0, 3

    def work() -> None:
        die_at(number)
        prepare(log, out, progress=False)

    while (status := in_child(work)) == 9:
        deaths += 1
        assert deaths < 100
        number = 8 + deaths * 13 % 50  # far enough to finish a step now and then
        if deaths % 5 == 0:
            with pytest.raises(TutorialError, match="not finished|no prepared"):
                load_dataset(f"prepared:{out}")
    assert status == 0 and deaths >= 4
    assert {path.name: path.read_bytes() for path in out.iterdir()} == wanted
    assert load_dataset(f"prepared:{out}").fingerprint == whole.fingerprint


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("place", "renames"), [(n, False) for n in range(0, 60, 12)] + [(n, True) for n in (1, 3, 5, 7)]
)
def test_killed_once_anywhere(place: int, renames: bool, log: str, small, tmp_path: Path) -> None:
    out = tmp_path / "out"
    status = in_child(lambda: (die_at(place, renames), prepare(log, out, progress=False)))
    assert status == 9
    again = prepare(log, out, progress=False)
    assert sorted(path.name for path in out.iterdir()) == sorted(
        [*(f"{name}.npy" for name in ("item", "item_ids", "timestamp", "user", "user_ids")), "prepared.json"]
    )  # fmt: skip
    assert again.fingerprint == prepare(log, tmp_path / "whole", progress=False).fingerprint


def test_finished_steps_are_kept(log: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was read is not read again, and what was sorted not sorted."""
    out = tmp_path / "out"
    calls = []
    scan, frames = raw.scan_table, Engine.frames
    monkeypatch.setattr(raw, "scan_table", lambda path, *a, **k: calls.append(path.name) or scan(path, *a, **k))  # fmt: skip
    monkeypatch.setattr(Engine, "frames", lambda self, query, rows: calls.append(query[:10]) or frames(self, query, rows))  # fmt: skip
    monkeypatch.setattr(columns, "_once", lambda *_: os.abort)
    with pytest.raises(TypeError):
        prepare(log, out, progress=False)
    assert calls == ["log0.csv", "log1.csv", "SELECT u.n"]
    calls.clear()
    monkeypatch.undo()
    monkeypatch.setattr(raw, "scan_table", lambda path, *a, **k: calls.append(path.name))
    monkeypatch.setattr("tutorial_lib.scale.prepare.write_columns", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        prepare(log, out, progress=False)
    monkeypatch.undo()
    monkeypatch.setattr(Engine, "frames", lambda self, query, rows: calls.append(query[:10]) or frames(self, query, rows))  # fmt: skip
    prepare(log, out, progress=False)
    assert calls == ["SELECT id ", "SELECT id "]


def test_a_full_disk_in_the_middle(log: str, small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    """No file may grow beyond some size: one sentence, and afterwards the same command goes on."""
    monkeypatch.setenv("SAID", str(tmp_path / "said"))
    out = tmp_path / "out"

    def work(size: int) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, UNLIMITED[1]))
        prepare(log, out, progress=False)

    places = set()
    for size in (0, 1000, 2000, 3000, 4600):
        assert in_child(lambda size=size: work(size)) == 3, size
        told = (tmp_path / "said").read_text()
        assert "rite" in told and "free some space" in told and "\n" not in told
        places.add(len(list((out / "work").iterdir())) if (out / "work").exists() else 0)
        assert not (out / "prepared.json").exists()
    assert len(places) > 2, places  # it was full in several steps
    assert_prepared(log, out, tmp_path)


def assert_prepared(log: str, out: Path, tmp_path: Path) -> None:
    whole = prepare(log, tmp_path / "whole", progress=False)
    assert prepare(log, out, progress=False).fingerprint == whole.fingerprint


def test_a_table_that_changes_while_it_is_read(log: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    out, scan = tmp_path / "out", raw.scan_table
    for changed in ("log0.csv", "log1.csv"):  # while the second one is read

        def scan_and_write(path, *args, changed=changed, **kwargs):
            if path.name == "log1.csv":
                with (tmp_path / changed).open("a") as file:
                    file.write(f"1,2,{T + 10**7}\n")
            return scan(path, *args, **kwargs)

        monkeypatch.setattr(raw, "scan_table", scan_and_write)
        with pytest.raises(TutorialError, match=f"{changed} changed while it was read: .*again"):
            prepare(log, out, progress=False)
        monkeypatch.undo()
        assert not (out / "prepared.json").exists()
    mapped = prepare(log, out, progress=False)
    assert_prepared(log, out, tmp_path)
    assert int(mapped.events["timestamp"].max()) == T + 10**7
    (tmp_path / "log0.csv").write_text("user,item,timestamp\n1,2,3\n")
    with pytest.raises(TutorialError, match="the files have changed since"):
        prepare(log, out, progress=False)
    assert load_dataset(f"prepared:{out}").fingerprint == mapped.fingerprint


def test_other_folders_are_refused(
    log: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(TutorialError, match="is no prepared data set .*: make one with python -m"):
        load_dataset(f"prepared:{tmp_path / 'nowhere'}")
    foreign = tmp_path / "foreign"
    put(tmp_path, "foreign/thesis.tex", "years of work")
    with pytest.raises(TutorialError, match="is not empty and no prepared data set"):
        prepare(log, foreign, progress=False)
    assert (foreign / "thesis.tex").read_text() == "years of work"
    out = tmp_path / "out"
    prepare(log, out, progress=False)
    with pytest.raises(TutorialError, match="already holds csv:.*: choose another folder"):
        prepare("sample", out, progress=False)
    with pytest.raises(TutorialError, match="has no option min_user_events: what is left out"):
        load_dataset(f"prepared:{out}", min_user_events=5)
    began = tmp_path / "began"
    monkeypatch.setattr(columns, "_once", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        prepare(log, began, progress=False)
    monkeypatch.undo()
    with pytest.raises(TutorialError, match="the preparation of .*|is not finished"):
        load_dataset(f"prepared:{began}")
    with pytest.raises(TutorialError, match="holds the unfinished preparation of csv:"):
        prepare("sample", began, progress=False)
    manifest = json.loads((out / "prepared.json").read_text())
    (out / "prepared.json").write_text(json.dumps(manifest | {"format": 0}))
    with pytest.raises(
        TutorialError, match="another version of the library .format 0, this one re"
    ):
        load_dataset(f"prepared:{out}")
    with pytest.raises(TutorialError, match="another version of the library"):
        prepare(log, out, progress=False)


@pytest.mark.parametrize("name", ["user.npy", "item.npy", "timestamp.npy", "item_ids.npy"])
def test_damaged_columns_are_found(name: str, log: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    prepare(log, out, progress=False)
    whole = (out / name).read_bytes()
    damages = [whole[:-8], b"", None, whole[:-8] + b"\7" + whole[-7:]]
    for damage in damages[: 3 if "ids" in name else 4]:
        (out / name).unlink() if damage is None else (out / name).write_bytes(damage)
        with pytest.raises(TutorialError, match="is damaged .*: remove it and prepare it again"):
            load_dataset(f"prepared:{out}")


def test_the_command(log: str, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    call = ["prepare", log, "--out", str(out), "--memory", "1GB", "--min-user-events", "4"]
    assert main(call) == 0
    told = capsys.readouterr()
    assert "events of 12 users and 15 items" in told.out and "writing the columns: 100%" in told.err
    assert main(["info", f"prepared:{out}"]) == 0
    assert prepared.read_manifest(out)["fingerprint"] in capsys.readouterr().out
    assert main(["prepare", "sample", "--out", str(tmp_path / "x"), "--memory", "many"]) == 2
    assert (
        capsys.readouterr().err
        == "Got memory='many': give a size of at least 400MB, such as 4GB.\n"
    )
    assert not (tmp_path / "x").exists()
    monkeypatch.setitem(sys.modules, "duckdb", None)
    assert main(["prepare", "sample", "--out", str(tmp_path / "x")]) == 2
    assert "needs the package duckdb: install it with pip install duckdb" in capsys.readouterr().err
    assert main(["info", f"prepared:{out}"]) == 0  # who only reads needs no duckdb


def test_sizes_of_memory() -> None:
    assert (
        bytes_of("4GB") == 4 << 30
        and bytes_of("1.5 GiB") == 3 << 29
        and bytes_of("512m") == 512 << 20
    )


def test_a_reader_of_any_kind_is_prepared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A source whose reader is a plain function."""

    def read_backwards(path: Path) -> pd.DataFrame:
        return sources.read_table(path, columns={"item": "1", "user": "2", "timestamp": "3"})

    monkeypatch.setitem(
        sources.SOURCES,
        "toy",
        replace(sources.SOURCES["ml-100k"], layouts=(sources.Layout("x.csv", read_backwards),)),
    )
    (tmp_path / "toy").mkdir()
    written(tmp_path / "toy" / "x.csv", random_rows(4), head="")
    memory, mapped = both("toy", tmp_path / "out", data_dir=tmp_path)
    pd.testing.assert_frame_equal(memory.events, mapped.events)
