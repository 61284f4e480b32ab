"""Data sets by name: file formats, where they are looked for, the command line, and the real files
where they are at hand.
"""

import gzip
import os
import threading
import zipfile
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tutorial_files import places, sources
from tutorial_files.sources import SOURCES
from tutorial_lib.data import datasets
from tutorial_lib.data.__main__ import main
from tutorial_lib.data.datasets import load_dataset
from tutorial_lib.data.events import Dataset
from tutorial_lib.errors import TutorialError

REAL = os.environ.get("TUTORIAL_DATA_DIR")
EVENTS = [
    (7, 40, 5, 300),
    (7, 30, 3, 100),
    (9, 40, 4, 50),
    (7, 20, 1, 300),
    (9, 20, 2, 50),
    (9, 30, 5, 60),
]
# sorted by time, ties as in the file
IN_ORDER = [(7, 30), (7, 40), (7, 20), (9, 40), (9, 20), (9, 30)]
# the layouts of the check-ins: times as their owners write them
TWEET_TIMES = {
    100: "Thu Jan 01 00:01:40 +0000 1970",
    300: "Thu Jan 01 00:05:00 +0000 1970",
    50: "Thu Jan 01 00:00:50 +0000 1970",
    60: "Thu Jan 01 00:01:00 +0000 1970",
}
GLOBO_HEADER = (
    "user_id,session_id,session_start,session_size,click_article_id,click_timestamp,"
    "click_environment,click_deviceGroup,click_os,click_country,click_region,click_referrer_type\n"
)
DAYS = {100: "2012-01-01", 300: "2014-01-01", 50: "2011-06-01", 60: "2011-06-02"}
STEAM_LINE = (
    "{{u'username': u'{u}', u'text': u\"it's\", u'product_id': u'{i}', u'date': u'{day}'}}\n"
)


@pytest.fixture(autouse=True)
def _no_local_data(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("TUTORIAL_DATA_DIR", raising=False)
    monkeypatch.setattr(places, "DOWNLOADS", tmp_path / "downloads")


def put(root: Path, path: str, text: str | bytes) -> Path:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    data = text.encode() if isinstance(text, str) else text
    file.write_bytes(gzip.compress(data) if file.suffix == ".gz" else data)
    return file


def lines(form: str, header: str = "") -> str:
    return header + "".join(form.format(u=u, i=i, r=r, t=t) for u, i, r, t in EVENTS)


def originals(dataset: Dataset) -> list[tuple]:
    return list(
        zip(
            dataset.user_ids[dataset.events["user"]],
            dataset.item_ids[dataset.events["item"] - 1],
            strict=True,
        )
    )


FORMATS = {
    "ml-100k": ("ml-100k/u.data", lines("{u}\t{i}\t{r}\t{t}\n")),
    "ml-1m": ("ml-1m/ratings.dat", lines("{u}::{i}::{r}::{t}\n")),
    "ml-25m": (
        "ml-25m/ratings.csv",
        lines("{u},{i},{r}.5,{t}\n", "userId,movieId,rating,timestamp\n"),
    ),
    "amazon-books": (
        "amazon-books/ratings_Books.csv",
        lines("{u},{i},{r}.0,{t}\n") + "9,30,1.0,60\n",
    ),
    "amazon-video-games": (
        "amazon-video-games/Video_Games.csv",
        lines("{i},{u},{r}.0,{t}\n") + "30,9,1.0,60\n",
    ),
    "amazon-grocery": (
        "amazon-grocery/train.csv.gz",
        lines("{u}\t{i}\t{t}\n", "user_id\titem_id\ttime\n"),
    ),
    "kuairand": (
        "kuairand/data/log_standard_4_22_to_5_08_pure.csv",
        lines(
            "{u},{i},20220422,1200,{t}999,1\n", "user_id,video_id,date,hourmin,time_ms,is_click\n"
        )
        + "7,20,20220422,1200,1000,0\n",
    ),
    "movie-tweetings": (
        "movie-tweetings/ratings.dat",
        lines("{u}::00{i}::{r}::{t}\n"),
    ),
    "foursquare-nyc": (
        "foursquare-nyc/dataset_TSMC2014_NYC.txt",
        "".join(
            f'{u}\t{i}\t4bf58dd8d48988d127951735\tCaf\xe9 "Arts\t40.71\t-74.0\t-240\t{TWEET_TIMES[t]}\n'
            for u, i, _, t in [*EVENTS, EVENTS[0]]
        ).encode("latin-1"),
    ),
    "foursquare-tky": (
        "foursquare-tky/checkins.csv.gz",
        lines("{u},{i},{t}\n", "user,item,timestamp\n"),
    ),
    "gowalla": (
        "gowalla/loc-gowalla_totalCheckins.txt.gz",
        "".join(
            f"{u}\t1970-01-01T00:{t // 60:02d}:{t % 60:02d}Z\t30.2359091167\t-97.7951395833\t{i}\n"
            for u, i, _, t in [*EVENTS, EVENTS[0]]
        ),
    ),
    "globo-news": (
        "globo-news/clicks/clicks_hour_000.csv",
        lines("{u},1506825423271737,1506825423000,2,{i},{t}020,4,3,20,1,20,2\n", GLOBO_HEADER),
    ),
    "steam": (
        "steam/steam_reviews.json.gz",
        "".join(STEAM_LINE.format(u=u, i=i, day=DAYS[t]) for u, i, _, t in [*EVENTS, EVENTS[0]])
        + "{u'text': u'nobody', u'product_id': u'20', u'date': u'2012-01-01'}\n",
    ),
}


@pytest.mark.parametrize("name", FORMATS)
def test_each_format_is_read_in_order_of_time_with_ties_as_in_the_file(
    name: str, tmp_path: Path
) -> None:
    put(tmp_path, *FORMATS[name])
    dataset = load_dataset(name, data_dir=tmp_path)
    assert [(int(user), int(item)) for user, item in originals(dataset)] == IN_ORDER
    assert dataset.has_times and dataset.name == name
    assert dataset.repeats == name.startswith(("foursquare", "gowalla"))
    if name == "steam":
        days = pd.to_datetime(dataset.events["timestamp"], unit="s").astype(str).tolist()
        assert days == [
            "2012-01-01",
            "2014-01-01",
            "2014-01-01",
            "2011-06-01",
            "2011-06-01",
            "2011-06-02",
        ]
    else:
        assert dataset.events["timestamp"].tolist() == [100, 300, 300, 50, 50, 60]


def test_every_reader_is_tried() -> None:
    """What a source reads with is read in `FORMATS`; `read_order` has tests of its own below."""
    readers = {
        name: {str(layout.read) for layout in source.layouts} for name, source in SOURCES.items()
    }
    tried = {str(sources.read_order)}.union(*(readers[name] for name in FORMATS))
    untried = [name for name, used in readers.items() if not used <= tried]
    assert not untried, f"{untried[0]} has a reader of its own: write lines of it into FORMATS"


def test_parts_of_a_second_decide_the_order_before_they_are_cut_off(tmp_path: Path) -> None:
    """Two hours of Globo clicks and a log of KuaiRand, times in milliseconds."""
    row = "7,1,1,2,{item},{time},4,3,20,1,20,2\n"
    late = (
        GLOBO_HEADER
        + row.format(item=30, time=1506830000900)
        + row.format(item=20, time=1506830000100)
    )
    put(tmp_path, "globo-news/clicks/clicks_hour_001.csv", late)
    first = GLOBO_HEADER + row.format(item=40, time=1506826800000)
    put(tmp_path, "globo-news/clicks/clicks_hour_000.csv", first)
    dataset = load_dataset("globo-news", data_dir=tmp_path)
    assert originals(dataset) == [(7, 40), (7, 20), (7, 30)]
    assert dataset.events["timestamp"].tolist() == [1506826800, 1506830000, 1506830000]
    log = "user_id,video_id,date,hourmin,time_ms,is_click\n"
    log += "".join(
        f"7,{item},20220422,1200,1650600000{part},1\n"
        for item, part in ((3, 900), (2, 100), (1, 500))
    )
    put(tmp_path, "kuairand/data/log_standard_4_22_to_5_08_pure.csv", log)
    assert originals(load_dataset("kuairand", data_dir=tmp_path)) == [(7, 2), (7, 1), (7, 3)]


FILMS = "0040::Nosferatu: Eine Symphonie des Grauens (1922)::Horror\n0030::\xc0 nous la libert\xe9 (1931)::Comedy|Music\n"


def test_titles_of_the_films(tmp_path: Path) -> None:
    put(tmp_path, *FORMATS["movie-tweetings"])
    dataset = load_dataset("movie-tweetings", data_dir=tmp_path)
    with pytest.raises(TutorialError, match="No titles for movie-tweetings: .*movies.dat"):
        datasets.load_items(dataset, tmp_path)
    put(tmp_path, "movie-tweetings/movies.dat", FILMS)
    films = datasets.load_items(dataset, tmp_path)
    assert dataset.item_ids.tolist() == ["0020", "0030", "0040"]
    assert films.index.tolist() == [1, 2, 3]
    assert films["title"].tolist() == [
        "",
        "\xc0 nous la libert\xe9 (1931)",
        "Nosferatu: Eine Symphonie des Grauens (1922)",
    ]
    assert films["genres"].tolist() == ["", "Comedy|Music", "Horror"]
    with pytest.raises(TutorialError, match="No titles for sample"):
        datasets.load_items(load_dataset("sample", users=5))


def test_movie_tweetings_is_fetched_with_its_titles(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def fake(url: str, destination: Path, md5: str | None, progress: bool) -> Path:
        calls.append(url)
        text = FILMS if destination.name == "movies.dat" else FORMATS["movie-tweetings"][1]
        return put(destination.parent, destination.name, text)

    monkeypatch.setattr(places, "download", fake)
    dataset = load_dataset("movie-tweetings@min_user_events=3", download=True)
    assert len(dataset.events) == 6 and len(datasets.load_items(dataset)) == 3
    base = "https://raw.githubusercontent.com/sidooms/MovieTweetings/master/snapshots/100K/"
    assert calls == [base + "movies.dat", base + "ratings.dat"]


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


def test_a_login_page_that_was_kept_is_named_and_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """From end to end: a server of our own, the real downloader, the command line."""
    put(tmp_path, "server/ratings.dat", FORMATS["movie-tweetings"][1])
    put(tmp_path, "server/movies.dat", FILMS)
    kept = put(tmp_path, "downloads/movie-tweetings/ratings.dat", "<!DOCTYPE html><html>Log in")
    assert main(["info", "movie-tweetings"]) == 2
    assert f"Cannot read {kept}: it is a web page" in capsys.readouterr().err
    handler = partial(Quiet, directory=tmp_path / "server")
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/ratings.dat"
        source = replace(SOURCES["movie-tweetings"], url=url)
        monkeypatch.setitem(SOURCES, "movie-tweetings", source)
        assert main(["download", "movie-tweetings"]) == 0
        server.shutdown()
    assert main(["info", "movie-tweetings", "--min-user-events", "3"]) == 0
    assert "events          6\n" in capsys.readouterr().out
    assert sorted(path.name for path in kept.parent.iterdir()) == ["movies.dat", "ratings.dat"]


def test_options_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = lines("{u};{i};17000{t:03d}00000\n", "wer;was;wann\n")
    path = put(tmp_path, "x.csv", text.encode("utf-16-le"))
    call = [
        "info",
        f"csv:{path}@user=wer,item=was",
        "--timestamp",
        "wann",
        "--encoding",
        "utf-16-le",
    ]
    assert main(call) == 2 and "time_unit=ms" in capsys.readouterr().err
    assert main([*call, "--time-unit", "ms", "--repeats", "true"]) == 0
    told = capsys.readouterr()
    assert "events          6\n" in told.out and "(declared)" in told.out and told.err == ""
    assert main([*call, "--repeats", "ture"]) == 2
    assert capsys.readouterr().err == "Got repeats='ture': the option takes true or false.\n"


def test_movielens_1m_prefers_the_file_with_times(tmp_path: Path) -> None:
    put(tmp_path, "ml-1m/ml-1m.txt.gz", "1 5\n1 3\n1 5\n2 4\n2 3\n2 9\n")
    ordered = load_dataset("ml-1m", data_dir=tmp_path)
    assert not ordered.has_times
    assert ordered.events["timestamp"].tolist() == [0, 1, 2, 0, 1, 2]
    assert originals(ordered) == [(1, 5), (1, 3), (1, 5), (2, 4), (2, 3), (2, 9)]
    put(tmp_path, *FORMATS["ml-1m"])
    assert load_dataset("ml-1m", data_dir=tmp_path).has_times


def test_own_tables_with_usual_column_names(tmp_path: Path) -> None:
    variants = {
        "a.csv": lines("{i},x{u},{t}\n", "ItemID,UserID,Timestamp\n"),
        "b.csv.gz": lines("x{u};{t};{i};{r}\n", "reviewerID;unixReviewTime;asin;overall\n"),
        "c.tsv": lines("note\tx{u}\t{i}\t{t}\n", "comment\tuser\tmovieId\ttime\n"),
    }
    for file, text in variants.items():
        dataset = load_dataset(f"csv:{put(tmp_path, file, text)}")
        assert originals(dataset) == [(f"x{user}", item) for user, item in IN_ORDER]
        assert dataset.events["timestamp"].tolist() == [100, 300, 300, 50, 50, 60]
    assert load_dataset(f"csv:{tmp_path / 'b.csv.gz'}").events["rating"].tolist() == [
        3,
        5,
        1,
        4,
        2,
        5,
    ]
    for file, text in (("o.txt", "a 1\nb 2\na 3\na 2\n"), ("o.txt.gz", "a\t1\nb\t2\na\t3\na\t2\n")):
        ordered = load_dataset(f"txt:{put(tmp_path, file, text)}")
        assert originals(ordered) == [("a", 1), ("a", 3), ("a", 2)] and not ordered.has_times


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        (
            "x.csv",
            "user,when,item\n1,2,3\n",
            r"\['user', 'when', 'item'\] but lacks \['timestamp'\]",
        ),
        ("x.csv", "user,item,time\n1,2,1500000000000\n", "line 2: .* in milliseconds"),
        ("x.csv", "user,item,time\n1,2,3\n1,2,3\n1,2,4\n", "x.csv: Line 3 .*repeats"),
        ("x.csv", "user,item,time\n", "empty"),
        ("x.csv", "", "Cannot read .*x.csv: the file is empty"),
        ("x.csv", b"user,item,time\n\xff\xfe,1,2\n", "x.csv, line 2: .*encoding="),
        ("x.csv", "user,item,time\n1,2,3\n1,2,3,4,5\n", "x.csv, line 3: 5 fields"),
    ],
)
def test_unusable_tables_are_refused(
    file: str, content: str | bytes, message: str, tmp_path: Path
) -> None:
    with pytest.raises(TutorialError, match=message) as caught:
        load_dataset(f"csv:{put(tmp_path, file, content)}")
    assert "\n" not in str(caught.value)


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    whole = gzip.compress(b"1 2\n" * 5000)
    for damaged in (whole[: len(whole) // 2], b"no gzip at all"):
        (tmp_path / "x.txt.gz").write_bytes(damaged)
        with pytest.raises(TutorialError, match="Cannot read .*x.txt.gz: .*(damaged|not packed)"):
            load_dataset(f"txt:{tmp_path / 'x.txt.gz'}")
    put(tmp_path, "steam/steam_reviews.json.gz", "__import__('os').getcwd()\n")  # never evaluated
    with pytest.raises(TutorialError, match="Cannot read"):
        load_dataset("steam", data_dir=tmp_path)


def test_unknown_and_absent_data_sets_say_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(
        TutorialError,
        match="Unknown data set 'ml-2m': choose one of sample, control, .*ml-100k, .*csv:PATH",
    ):
        load_dataset("ml-2m")
    monkeypatch.setenv("TUTORIAL_DATA_DIR", str(tmp_path / "env"))
    with pytest.raises(TutorialError) as caught:
        load_dataset("ml-100k")
    assert str(caught.value).endswith("get it with: python -m tutorial_lib.data download ml-100k")
    for place in ("env", "downloads"):
        assert str(tmp_path / place / "ml-100k" / "u.data") in str(caught.value)
    with pytest.raises(TutorialError, match=f"download ml-100k --data-dir {tmp_path}$"):
        load_dataset("ml-100k", data_dir=tmp_path)
    with pytest.raises(TutorialError, match="amazon-grocery is not at .*cannot be downloaded"):
        load_dataset("amazon-grocery", download=True)
    with pytest.raises(TutorialError, match="There is no file .*nowhere.csv"):
        load_dataset("csv:nowhere.csv")


def test_places_are_searched_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def put_one(root: Path, item: int) -> None:
        put(root, "ml-100k/u.data", f"1\t{item}\t5\t1\n1\t{item}\t5\t2\n1\t{item}\t5\t3\n")

    put_one(tmp_path / "downloads", 1)
    monkeypatch.setenv("TUTORIAL_DATA_DIR", str(tmp_path / "env"))
    assert load_dataset("ml-100k").item_ids.tolist() == [1]
    put_one(tmp_path / "env", 2)
    assert load_dataset("ml-100k").item_ids.tolist() == [2]
    put_one(tmp_path / "given", 3)
    assert load_dataset("ml-100k", data_dir=tmp_path / "given").item_ids.tolist() == [3]


def test_users_draws_a_reproducible_subset(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {"user": rng.integers(0, 50, 900), "item": rng.integers(0, 99, 900), "time": range(900)}
    )
    table.to_csv(tmp_path / "t.csv", index=False)
    name = f"csv:{tmp_path / 't.csv'}"
    one, same, other = (load_dataset(name, users=9, seed=seed) for seed in (0, 0, 1))
    assert one.num_users == 9 and one.fingerprint == same.fingerprint
    assert set(one.user_ids) != set(other.user_ids)
    with pytest.raises(TutorialError, match="users=51 .* 50 users"):
        load_dataset(name, users=51)


def test_download_on_request_fetches_unpacks_and_tidies_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def fake(url: str, destination: Path, md5: str | None, progress: bool) -> Path:
        calls.append((url, md5))
        destination.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(destination, "w") as archive:
            archive.writestr("ml-100k/u.data", FORMATS["ml-100k"][1])
        return destination

    monkeypatch.setattr(places, "download", fake)
    for _ in range(2):
        assert len(load_dataset("ml-100k", download=True).events) == 6
    # the second call finds it
    assert calls == [(SOURCES["ml-100k"].url, "0e33842e24a9c977be4e0107933c0723")]
    assert [path.name for path in (tmp_path / "downloads").iterdir()] == ["ml-100k"]
    with pytest.raises(TutorialError, match="holds no ratings.dat"):
        load_dataset("ml-1m", download=True, data_dir=tmp_path / "other")


def test_an_unverified_damaged_archive_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        places,
        "download",
        lambda url, destination, md5, progress: put(tmp_path, destination.name, "junk"),
    )
    with pytest.raises(TutorialError, match="damaged"):
        load_dataset("kuairand", data_dir=tmp_path, download=True)
    assert list(tmp_path.iterdir()) == []


def test_official_addresses_and_checksums() -> None:
    for name, source in SOURCES.items():
        assert source.url is None or source.url.startswith("https://"), name
    md5 = {name: source.md5 for name, source in SOURCES.items() if source.md5}
    assert md5 == {
        "ml-100k": "0e33842e24a9c977be4e0107933c0723",
        "ml-1m": "c4d9eecfca2ab87c1945afe126590906",
        "ml-25m": "6b51fb2759a8657d3bfcbfc42b592ada",
    }
    assert all(
        SOURCES[name].url == f"https://files.grouplens.org/datasets/movielens/{name}.zip"
        for name in md5
    )


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(tmp_path / "downloads", *FORMATS["ml-100k"])
    assert main(["list"]) == 0
    listed = {line.split()[0]: line.split()[1] for line in capsys.readouterr().out.splitlines()}
    assert list(listed) == list(SOURCES) and listed["ml-100k"] == "here" and listed["ml-25m"] == "-"
    assert main(["info", "ml-100k"]) == 0
    told = capsys.readouterr().out
    for line in (
        "users           2",
        "items           3",
        "events          6",
        "span            1970-01-01 to 1970-01-01, 0.0 days",
        "resolution      10 s",
        "zero gaps       50.0%",
        "median gap      5 s",
        "repeats         0.0% of the events (not declared)",
        "duplicate rows  0",
    ):
        assert line + "\n" in told
    assert f"fingerprint     {load_dataset('ml-100k').fingerprint}\n" in told
    assert main(["info", "ml-1m"]) == 2
    told = capsys.readouterr()
    assert (
        told.out == ""
        and told.err.endswith("python -m tutorial_lib.data download ml-1m\n")
        and told.err.count("\n") == 1
    )
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0 and "download" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["sample", "control"])
def test_the_committed_worlds_load(name: str) -> None:
    dataset = load_dataset(name)
    assert dataset.has_times and dataset.num_users > 100 and np.diff(dataset.offsets).min() >= 3


def real(name: str) -> Dataset:
    if not REAL or places.find(name, Path(REAL)) is None:
        pytest.skip(f"{name} is not under TUTORIAL_DATA_DIR")
    return load_dataset(name, data_dir=Path(REAL))


def test_real_movielens_100k() -> None:
    dataset = real("ml-100k")
    assert (dataset.num_users, dataset.num_items, len(dataset.events)) == (943, 1682, 100_000)
    gaps = np.diff(dataset.events["timestamp"])[np.diff(dataset.events["user"]) == 0]
    assert (gaps == 0).mean() == pytest.approx(0.51, abs=0.005) and np.median(gaps) == 0


REAL_FACTS = {  # users, items, events, share of zero gaps, of repeats, median gap in seconds
    "movie-tweetings@min_user_events=1": (16_554, 10_506, 100_000, 0.0, 0.0, 158_000),
    "movie-tweetings@min_user_events=5": (4_692, 9_674, 81_000, 0.0, 0.0, 160_000),
    "foursquare-nyc": (1_083, 5_135, 147_480, 0.047, 0.755, 35_280),
    "globo-news": (15_000, 11_824, 210_374, 0.003, 0.011, 1_096),
}


@pytest.mark.parametrize("name", REAL_FACTS)
def test_real_data_of_the_new_sources(name: str) -> None:
    info, facts = real(name).info, REAL_FACTS[name]
    assert (info.users, info.items) == facts[:2] and info.events == pytest.approx(
        facts[2], rel=0.01
    )
    assert (info.zero_gaps, info.repeats) == pytest.approx(facts[3:5], abs=0.001)
    assert info.median_gap == pytest.approx(facts[5], rel=0.1)
    assert info.resolution == (60 if name == "foursquare-nyc" else 1)


def test_real_titles() -> None:
    dataset = real("movie-tweetings")
    films = datasets.load_items(dataset, Path(REAL))
    assert (films["title"] != "").all() and (films["title"].str.endswith(")")).all()
    assert films["title"][list(dataset.item_ids).index("0068646") + 1] == "The Godfather (1972)"


FINGERPRINTS = {  # of the data that stand behind committed results
    "sample": "172be4da9a60974a",
    "control": "94005ead25684c61",
    "ml-100k": "fd611f93981ab058",
    "ml-1m": "b896f2a5caa9ba2c",
    "amazon-grocery": "3216a36ef5e4d591",
}


@pytest.mark.parametrize("name", FINGERPRINTS)
def test_fingerprints_of_the_committed_results_stay(name: str) -> None:
    dataset = load_dataset(name) if name in ("sample", "control") else real(name)
    if name == "ml-1m" and dataset.has_times:
        pytest.skip("the results are those of ml-1m.txt, without times")
    assert dataset.fingerprint == FINGERPRINTS[name]


def test_real_movielens_1m() -> None:
    dataset = real("ml-1m")
    if dataset.has_times:
        assert (dataset.num_users, dataset.num_items, len(dataset.events)) == (
            6040,
            3706,
            1_000_209,
        )
    else:
        assert (dataset.num_users, dataset.num_items, len(dataset.events)) == (6040, 3416, 999_611)


def test_items_are_shown_by_title_where_there_is_one(tmp_path):
    """Unicode, commas and colons in a title; a film without a title, and one without an entry."""
    folder = tmp_path / "movie-tweetings"
    folder.mkdir()
    rows = [
        f"{user}::{film}::8::{1_400_000_000 + 60 * film}"
        for user in (1, 2)
        for film in (7, 8, 9, 10)
    ]
    (folder / "ratings.dat").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (folder / "users.dat").write_text("1::1\n2::2\n", encoding="utf-8")
    films = [
        "7::Amélie, or: Le fabuleux destin (2001)::Comedy",
        "8::花样年华 (2000)::Drama",
        "9::::",
    ]
    (folder / "movies.dat").write_text("\n".join(films) + "\n", encoding="utf-8")
    dataset = load_dataset("movie-tweetings", data_dir=tmp_path)
    names = datasets.item_names(dataset, tmp_path).tolist()
    assert names == ["", "Amélie, or: Le fabuleux destin (2001)", "花样年华 (2000)", "9", "10"]
    (folder / "movies.dat").unlink()
    assert datasets.item_names(dataset, tmp_path).tolist() == ["", "7", "8", "9", "10"]
    sample = load_dataset("sample", users=5)
    assert datasets.item_names(sample)[1:].tolist() == sample.item_ids.astype(str).tolist()
