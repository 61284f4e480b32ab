"""The data sets of the course: what they are, how their files are read, where they can be had.

Real data are never part of the project (their licences forbid it). Taught in lesson 01.
"""

import ast
import gzip
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tutorial_files.language import mark
from tutorial_files.scan import KEYS
from tutorial_files.tables import read_table

Reader = Callable[[Path], pd.DataFrame]
ROWS = 100_000  # of records that are read together
RATINGS = {"user": "1", "item": "2", "rating": "3", "timestamp": "4"}

read_order = partial(read_table, columns={"user": "1", "item": "2"}, separator=" ", fields=2)
read_movielens_tab = partial(read_table, columns=RATINGS, separator="\t", fields=4)
read_dat = partial(read_table, columns=RATINGS, separator="::", fields=4, encoding="utf-8")
read_tsmc = partial(
    read_table,
    columns={"user": "1", "item": "2", "timestamp": "8"},
    separator="\t",
    fields=8,
    encoding="latin-1",
)
read_gowalla = partial(
    read_table, columns={"user": "1", "timestamp": "2", "item": "5"}, separator="\t", fields=5
)


@dataclass(frozen=True)
class Part:
    """One file of a data set and what `read_table` is told about it. `only`: a column and the text
    that must stand in it for a row to count. `records`: of a file that is no table, its rows as
    tables of user, item and timestamp, one after the other.
    """

    path: Path
    told: Mapping[str, Any] = field(default_factory=dict)
    only: tuple[str, str] | None = None
    records: Callable[[Path], Iterator[pd.DataFrame]] | None = None

    def read(self) -> pd.DataFrame:
        if self.records:
            frames = list(self.records(self.path))
            return pd.concat(frames) if frames else pd.DataFrame(columns=KEYS)
        if self.only is None:
            return read_table(self.path, **self.told)
        column, text = self.only
        table = read_table(self.path, **self.told, extra=(column,))
        return table[table[column] == text][KEYS]


class Parts:
    """A reader that needs more than one call of `read_table`: made of the function that says which
    parts there are, given the file that was found.
    """

    def __init__(self, parts: Callable[[Path], list[Part]]) -> None:
        self.parts, self.__doc__ = parts, parts.__doc__

    def __call__(self, path: Path) -> pd.DataFrame:
        frames = [part.read() for part in self.parts(path)]
        if len(frames) == 1:
            return frames[0]
        notes = dict.fromkeys(note for frame in frames for note in frame.attrs.get("notes", ()))
        table = pd.concat(frames)
        table.attrs["notes"] = list(notes)
        return table


@Parts
def read_amazon(path: Path) -> list[Part]:
    """Ratings-only table without header: user, item, ... in the 2014 release (ratings_*.csv), item,
    user, ... in that of 2018.
    """
    swap = {} if path.name.startswith("ratings_") else {"user": "2", "item": "1"}
    return [Part(path, {"columns": RATINGS | swap, "separator": ",", "fields": 4})]


@Parts
def read_steam(path: Path) -> list[Part]:
    """steam_reviews.json.gz: a Python literal per line; user = username, item = product_id, time =
    midnight of the day of `date`. Lines without one of the three are left out.
    """
    return [Part(path, records=_steam_records)]


def _steam_records(path: Path) -> Iterator[pd.DataFrame]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        records = (ast.literal_eval(line) for line in file if line.strip())
        fields = ("username", "product_id", "date")
        while rows := [[one.get(field) for field in fields] for one in islice(records, ROWS)]:
            frame = pd.DataFrame(rows, columns=KEYS).dropna()
            days = np.array(frame["timestamp"], dtype="datetime64[s]").astype(np.int64)
            yield frame.assign(timestamp=days)


@Parts
def read_kuairand(path: Path) -> list[Part]:
    """The log_standard_*.csv files of one folder: the clicked videos (is_click = 1)."""
    columns = {"user": "user_id", "item": "video_id", "timestamp": "time_ms"}
    told = {"columns": columns, "time_unit": "ms"}
    logs = sorted(path.parent.glob("log_standard_*.csv"))
    return [Part(log, told, only=("is_click", "1")) for log in logs]


@Parts
def read_globo(path: Path) -> list[Part]:
    """The clicks_hour_*.csv files of one folder, times in milliseconds."""
    columns = {"user": "user_id", "item": "click_article_id", "timestamp": "click_timestamp"}
    hours = sorted(path.parent.glob("clicks_hour_*.csv"))
    return [Part(hour, {"columns": columns, "time_unit": "ms"}) for hour in hours]


def parts_of(read: Reader, path: Path) -> list[Part]:
    """What a reader reads, for those who cannot hold it all."""
    if isinstance(read, Parts):
        return read.parts(path)
    plain, told = (read.func, read.keywords) if isinstance(read, partial) else (read, {})
    if plain is not read_table:
        return [Part(path, records=lambda path: iter([read(path)]))]
    return [Part(path, {name: value for name, value in told.items() if value is not None})]


@dataclass(frozen=True)
class Layout:
    """One form in which a data set may lie on the disk: a pattern below the folder of that name,
    and its reader.
    """

    pattern: str
    read: Reader = read_table


@dataclass(frozen=True)
class Source:
    """What a data set is, the layouts to look for (first match wins) and where it can be had.

    `beside`: further files at the same address that are fetched with it. `once`: exact repetitions
    of (user, item, timestamp) are faults of the file (merged product pages) and dropped. `repeats`:
    people come back to the same items, so a seen item may be the right answer.
    """

    about: str
    layouts: tuple[Layout, ...]
    url: str | None = None
    md5: str | None = None
    beside: tuple[str, ...] = ()
    once: bool = False
    repeats: bool = False


GROUPLENS = "https://files.grouplens.org/datasets/movielens/"
AMAZON = "https://snap.stanford.edu/data/amazon/productGraph/categoryFiles/"
TWEETINGS = "https://raw.githubusercontent.com/sidooms/MovieTweetings/master/snapshots/100K/"
TSMC = "https://www-public.imtbs-tsp.eu/~zhang_da/pub/dataset_tsmc2014.zip"

SOURCES = {
    "sample": Source(
        mark("simulated world whose moods follow the clock"), (Layout("sample.csv.gz"),)
    ),
    "control": Source(
        mark("simulated world in which the clock means nothing"), (Layout("control.csv.gz"),)
    ),
    "movie-tweetings": Source(
        mark("MovieTweetings 100K, film ratings from tweets, 2013"),
        (Layout("ratings.dat", read_dat), Layout("ratings.dat.gz", read_dat)),
        TWEETINGS + "ratings.dat",
        beside=("movies.dat",),
        once=True,
    ),
    "ml-100k": Source(
        mark("MovieLens 100K, film ratings 1997-1998"),
        (Layout("u.data", read_movielens_tab),),
        GROUPLENS + "ml-100k.zip",
        "0e33842e24a9c977be4e0107933c0723",
    ),
    "ml-1m": Source(
        mark("MovieLens 1M, film ratings 2000-2003"),
        (
            Layout("ratings.dat", read_dat),
            Layout("ml-1m.txt", read_order),
            Layout("ml-1m.txt.gz", read_order),
        ),
        GROUPLENS + "ml-1m.zip",
        "c4d9eecfca2ab87c1945afe126590906",
    ),
    "ml-25m": Source(
        mark("MovieLens 25M, film ratings 1995-2019"),
        (Layout("ratings.csv"),),
        GROUPLENS + "ml-25m.zip",
        "6b51fb2759a8657d3bfcbfc42b592ada",
    ),
    "amazon-books": Source(
        mark("Amazon reviews of books, times to the day"),
        (Layout("ratings_Books.csv", read_amazon), Layout("Books.csv", read_amazon)),
        AMAZON + "ratings_Books.csv",
        once=True,
    ),
    "amazon-beauty": Source(
        mark("Amazon reviews of beauty products, times to the day"),
        (Layout("ratings_Beauty.csv", read_amazon),),
        AMAZON + "ratings_Beauty.csv",
        once=True,
    ),
    "amazon-video-games": Source(
        mark("Amazon reviews of video games, times to the day"),
        (Layout("ratings_Video_Games.csv", read_amazon), Layout("Video_Games.csv", read_amazon)),
        AMAZON + "ratings_Video_Games.csv",
        once=True,
    ),
    "amazon-grocery": Source(
        mark("Amazon reviews of groceries (5-core), times to the day"),
        (Layout("train.csv.gz"),),
        once=True,
    ),
    "steam": Source(
        mark("Steam game reviews 2010-2018, times to the day"),
        (Layout("steam_reviews.json.gz", read_steam),),
        "https://cseweb.ucsd.edu/~wckang/steam_reviews.json.gz",
        once=True,
    ),
    "kuairand": Source(
        mark("KuaiRand-Pure, clicks on short videos, April and May 2022"),
        (Layout("data/log_standard_4_22_to_5_08_*.csv", read_kuairand),),
        "https://zenodo.org/records/10439422/files/KuaiRand-Pure.tar.gz",
        once=True,
    ),
    "foursquare-nyc": Source(
        mark("Foursquare check-ins in New York 2012-2013"),
        (Layout("dataset_TSMC2014_NYC.txt", read_tsmc), Layout("checkins.csv.gz")),
        TSMC,
        once=True,
        repeats=True,
    ),
    "foursquare-tky": Source(
        mark("Foursquare check-ins in Tokyo 2012-2013"),
        (Layout("dataset_TSMC2014_TKY.txt", read_tsmc), Layout("checkins.csv.gz")),
        TSMC,
        once=True,
        repeats=True,
    ),
    "gowalla": Source(
        mark("Gowalla check-ins 2009-2010"),
        (Layout("loc-gowalla_totalCheckins.txt.gz", read_gowalla),),
        "https://snap.stanford.edu/data/loc-gowalla_totalCheckins.txt.gz",
        once=True,
        repeats=True,
    ),
    "globo-news": Source(
        mark("Globo.com, clicks on a news portal, October 2017"),
        (Layout("clicks/clicks_hour_*.csv", read_globo), Layout("clicks.csv.gz")),
        once=True,
    ),
}
