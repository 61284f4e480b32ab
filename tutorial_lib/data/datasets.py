"""The data sets of the course by name: where they come from, how their files are read. Taught in
lesson 01.

Real data are never part of the project (their licences forbid it): they are downloaded on request,
or found under `data_dir`, the environment variable TUTORIAL_DATA_DIR or the folder data/downloads
of the project.
"""

import ast
import gzip
import os
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

import tutorial_lib
from tutorial_lib.data.download import download as fetch_file
from tutorial_lib.data.download import extract
from tutorial_lib.data.events import KEYS, Dataset, make_dataset, sample_users
from tutorial_lib.errors import TutorialError

PROJECT = Path(tutorial_lib.__file__).parent.parent
SAMPLES = PROJECT / "data" / "sample"
DOWNLOADS = PROJECT / "data" / "downloads"
SYNONYMS = {
    "user": ("user", "user_id", "userid", "uid", "username", "reviewerid"),
    "item": (
        "item",
        "item_id",
        "itemid",
        "iid",
        "movie_id",
        "movieid",
        "product_id",
        "productid",
        "asin",
        "video_id",
    ),
    "timestamp": ("timestamp", "time", "ts", "unix_time", "unixtime", "unixreviewtime"),
    "rating": ("rating", "score", "stars", "overall"),
}


def read_csv(path: Path) -> pd.DataFrame:
    """A table with a header, separated by comma, semicolon or tab; usual other names of the columns
    are understood.
    """
    with (
        gzip.open(path, "rt", encoding="utf-8")
        if path.suffix == ".gz"
        else path.open(encoding="utf-8")
    ) as file:
        header = file.readline()
    frame = pd.read_csv(path, sep=max(",;\t", key=header.count))
    names = {}
    for column in frame.columns:
        meant = next(
            (name for name, known in SYNONYMS.items() if str(column).strip().lower() in known), None
        )
        if meant and meant not in names.values():
            names[column] = meant
    frame = frame.rename(columns=names)
    # make_dataset names what is missing
    return frame[list(names.values())] if set(KEYS) <= set(names.values()) else frame


def read_order(path: Path) -> pd.DataFrame:
    """Two columns "user item" without header, each user's items in order of time; the place in that
    order is the timestamp.
    """
    frame = pd.read_csv(path, sep=r"\s+", header=None, names=["user", "item"], usecols=[0, 1])
    return frame.assign(timestamp=frame.groupby("user").cumcount())


def read_movielens_tab(path: Path) -> pd.DataFrame:
    """ml-100k/u.data: user, item, rating, timestamp between tabs."""
    return pd.read_csv(path, sep="\t", header=None, names=["user", "item", "rating", "timestamp"])


def read_movielens_dat(path: Path) -> pd.DataFrame:
    """ml-1m/ratings.dat: user::item::rating::timestamp. Read with ":" as separator (empty columns
    between), ten times faster.
    """
    frame = pd.read_csv(path, sep=":", header=None, usecols=[0, 2, 4, 6], encoding="latin-1")
    return frame.set_axis(["user", "item", "rating", "timestamp"], axis=1)


def read_amazon(path: Path) -> pd.DataFrame:
    """Ratings-only table without header: user, item, ... in the 2014 release (ratings_*.csv), item,
    user, ... in that of 2018.

    Exact repetitions of (user, item, timestamp) occur (merged product pages) and are dropped.
    """
    first = ["user", "item"] if path.name.startswith("ratings_") else ["item", "user"]
    frame = pd.read_csv(
        path, header=None, names=[*first, "rating", "timestamp"], dtype={"user": str, "item": str}
    )
    return frame.drop_duplicates(KEYS)


def read_csv_once(path: Path) -> pd.DataFrame:
    """`read_csv` without exact repetitions of (user, item, timestamp)."""
    return read_csv(path).drop_duplicates(KEYS)


def read_steam(path: Path) -> pd.DataFrame:
    """steam_reviews.json.gz: a Python literal per line; user = username, item = product_id, time =
    midnight of the day of `date`.

    Lines without one of the three are left out; several reviews of a game by a user on one day
    count once.
    """
    with gzip.open(path, "rt", encoding="utf-8") as file:
        records = (ast.literal_eval(line) for line in file if line.strip())
        frame = pd.DataFrame(
            (
                [record.get("username"), record.get("product_id"), record.get("date")]
                for record in records
            ),
            columns=KEYS,
        ).dropna()
    days = (
        pd.to_datetime(frame["timestamp"], format="%Y-%m-%d")
        .astype("datetime64[s]")
        .astype("int64")
    )
    return frame.assign(timestamp=days).drop_duplicates(KEYS)


def read_kuairand(path: Path) -> pd.DataFrame:
    """The log_standard_*.csv files of one folder: the clicked videos (is_click = 1), time_ms cut to
    whole seconds.
    """
    columns = ["user_id", "video_id", "time_ms", "is_click"]
    logs = [
        pd.read_csv(log, usecols=columns) for log in sorted(path.parent.glob("log_standard_*.csv"))
    ]
    frame = pd.concat(logs, ignore_index=True).query("is_click == 1")
    frame = frame.rename(columns={"user_id": "user", "video_id": "item"}).assign(
        timestamp=frame["time_ms"] // 1000
    )
    return frame[KEYS].drop_duplicates(KEYS)


@dataclass(frozen=True)
class Layout:
    """One form in which a data set may lie on the disk: a pattern below the folder of that name,
    and its reader.
    """

    pattern: str
    read: Callable[[Path], pd.DataFrame]
    has_times: bool = True


@dataclass(frozen=True)
class Source:
    """What a data set is, the layouts to look for (first match wins) and where it can be had."""

    about: str
    layouts: tuple[Layout, ...]
    url: str | None = None
    md5: str | None = None


GROUPLENS = "https://files.grouplens.org/datasets/movielens/"
AMAZON = "https://snap.stanford.edu/data/amazon/productGraph/categoryFiles/"
ORDER_ONLY = (
    Layout("ml-1m.txt", read_order, has_times=False),
    Layout("ml-1m.txt.gz", read_order, has_times=False),
)

SOURCES = {
    "sample": Source(
        "simulated world whose moods follow the clock", (Layout("sample.csv.gz", read_csv),)
    ),
    "control": Source(
        "simulated world in which the clock means nothing", (Layout("control.csv.gz", read_csv),)
    ),
    "ml-100k": Source(
        "MovieLens 100K, film ratings 1997-1998",
        (Layout("u.data", read_movielens_tab),),
        GROUPLENS + "ml-100k.zip",
        "0e33842e24a9c977be4e0107933c0723",
    ),
    "ml-1m": Source(
        "MovieLens 1M, film ratings 2000-2003",
        (Layout("ratings.dat", read_movielens_dat), *ORDER_ONLY),
        GROUPLENS + "ml-1m.zip",
        "c4d9eecfca2ab87c1945afe126590906",
    ),
    "ml-25m": Source(
        "MovieLens 25M, film ratings 1995-2019",
        (Layout("ratings.csv", read_csv),),
        GROUPLENS + "ml-25m.zip",
        "6b51fb2759a8657d3bfcbfc42b592ada",
    ),
    "amazon-books": Source(
        "Amazon reviews of books, times to the day",
        (Layout("ratings_Books.csv", read_amazon), Layout("Books.csv", read_amazon)),
        AMAZON + "ratings_Books.csv",
    ),
    "amazon-beauty": Source(
        "Amazon reviews of beauty products, times to the day",
        (Layout("ratings_Beauty.csv", read_amazon),),
        AMAZON + "ratings_Beauty.csv",
    ),
    "amazon-video-games": Source(
        "Amazon reviews of video games, times to the day",
        (Layout("ratings_Video_Games.csv", read_amazon), Layout("Video_Games.csv", read_amazon)),
        AMAZON + "ratings_Video_Games.csv",
    ),
    "amazon-grocery": Source(
        "Amazon reviews of groceries (5-core), times to the day",
        (Layout("train.csv.gz", read_csv_once),),
    ),
    "steam": Source(
        "Steam game reviews 2010-2018, times to the day",
        (Layout("steam_reviews.json.gz", read_steam),),
        "https://cseweb.ucsd.edu/~wckang/steam_reviews.json.gz",
    ),
    "kuairand": Source(
        "KuaiRand-Pure, clicks on short videos, April and May 2022",
        (Layout("data/log_standard_4_22_to_5_08_*.csv", read_kuairand),),
        "https://zenodo.org/records/10439422/files/KuaiRand-Pure.tar.gz",
    ),
}


def load_dataset(
    name: str,
    *,
    users: int | None = None,
    seed: int = 0,
    data_dir: Path | None = None,
    download: bool = False,
) -> Dataset:
    """A data set by name: one of `SOURCES`, "csv:PATH" (any table with a header) or "txt:PATH" (two
    columns, order only).

    Looks in `data_dir`, or else in $TUTORIAL_DATA_DIR and then in data/downloads; with
    `download=True` what is not found is fetched into `data_dir` or data/downloads. `users` keeps a
    random subset of that many users, drawn with `seed`. Users with fewer than 3 events are left
    out; simultaneous events keep the order of the file. Raises TutorialError for an unknown name, a
    file that is not there (saying where it was looked for and how to get it) or cannot be read, and
    whatever `make_dataset` refuses.
    """
    found = find(name, data_dir)
    if found is None and download:
        fetch(name, data_dir)
        found = find(name, data_dir)
    if found is None:
        raise TutorialError(_how_to_get(name, data_dir))
    path, layout = found
    try:
        frame = layout.read(path)
    except TutorialError:
        raise
    except (
        OSError,
        EOFError,
        ValueError,
        KeyError,
        SyntaxError,
        RecursionError,
        zlib.error,
    ) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise TutorialError(
            f"Cannot read {path} as {name} ({reason}): compare it with the format, or get it again."
        ) from error
    dataset = make_dataset(name, frame, has_times=layout.has_times)
    return dataset if users is None else sample_users(dataset, users, seed)


def find(name: str, data_dir: Path | None = None) -> tuple[Path, Layout] | None:
    """The file of a data set and its layout, or None if it is nowhere."""
    for prefix, layout in (
        ("csv:", Layout("", read_csv)),
        ("txt:", Layout("", read_order, has_times=False)),
    ):
        if name.startswith(prefix):
            path = Path(name.removeprefix(prefix)).expanduser().resolve()
            return (path, layout) if path.is_file() else None
    for layout in _source(name).layouts:
        for folder in _folders(name, data_dir):
            if paths := sorted(folder.glob(layout.pattern)):
                return paths[0], layout
    return None


def fetch(name: str, data_dir: Path | None = None, progress: bool = True) -> Path:
    """Download a data set into `data_dir` (default data/downloads) and unpack it, unless it is
    there; returns its file.
    """
    source = _source(name)
    if source.url is None:
        if found := find(name, data_dir):
            return found[0]
        raise TutorialError(_how_to_get(name, data_dir))
    folder, pattern = Path(data_dir or DOWNLOADS).expanduser() / name, source.layouts[0].pattern
    if not any(folder.glob(pattern)):
        file_name = source.url.rsplit("/", 1)[1]
        if not file_name.endswith((".zip", ".tar.gz")):
            return fetch_file(source.url, folder / file_name, source.md5, progress)
        archive = fetch_file(source.url, folder.parent / file_name, source.md5, progress)
        try:
            extract(archive, folder)
        except TutorialError:
            if source.md5 is None:  # nothing vouches for the archive: do not try the same one again
                archive.unlink(missing_ok=True)
            raise
        archive.unlink(missing_ok=True)
    if not (paths := sorted(folder.glob(pattern))):
        raise TutorialError(
            f"The archive from {source.url} holds no {pattern}: get {name} by hand and put it into"
            f" {folder}."
        )
    return paths[0]


def _source(name: str) -> Source:
    if name not in SOURCES:
        raise TutorialError(
            f"Unknown data set {name!r}: choose one of {', '.join(SOURCES)}, csv:PATH or txt:PATH."
        )
    return SOURCES[name]


def _folders(name: str, data_dir: Path | None) -> list[Path]:
    if name in ("sample", "control"):
        return [SAMPLES]
    roots = (
        [Path(data_dir)]
        if data_dir
        else [*filter(None, [os.environ.get("TUTORIAL_DATA_DIR")]), DOWNLOADS]
    )
    return [Path(root).expanduser() / name for root in roots]


def _how_to_get(name: str, data_dir: Path | None) -> str:
    """The sentence for a data set that was not found."""
    if name.startswith(("csv:", "txt:")):
        return (
            f"There is no file {Path(name[4:]).expanduser().resolve()}: write the path of your own"
            f" file after {name[:4]!r}."
        )
    places = " or ".join(
        str(folder / layout.pattern)
        for folder in _folders(name, data_dir)
        for layout in _source(name).layouts
    )
    if name in ("sample", "control"):
        return (
            f"The simulated data set {name} is not at {places}: it is part of the project, so"
            " restore it from there."
        )
    if _source(name).url is None:
        return (
            f"{name} is not at {places}: put the file there, it cannot be downloaded automatically."
        )
    where = f" --data-dir {data_dir}" if data_dir else ""
    return (
        f"{name} is not at {places}: get it with: python -m tutorial_lib.data download"
        f" {name}{where}"
    )
