"""Data sets by name: found on this machine or downloaded on request, read, checked and filtered.
Taught in lesson 01.
"""

import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tutorial_files.delimited import pieces
from tutorial_files.options import FILTERS, Options, full_name, split_name, with_options
from tutorial_files.places import OWN, fetch, find, folders, how_to_get
from tutorial_files.sources import SOURCES, Layout, Source
from tutorial_files.tables import KEYS
from tutorial_lib.data.events import Dataset, make_dataset, sample_users
from tutorial_lib.data.prepared import PREFIX, load_prepared
from tutorial_lib.errors import TutorialError


def load_dataset(
    name: str,
    *,
    users: int | None = None,
    seed: int = 0,
    data_dir: Path | None = None,
    download: bool = False,
    **options: Any,
) -> Dataset:
    """A data set by name: one of `SOURCES`, "csv:PATH" (any table with a header), "txt:PATH" (two
    columns, order only) or "prepared:FOLDER" (see `scale.prepare`).

    Looks in `data_dir`, or else in $TUTORIAL_DATA_DIR and then in data/downloads; with
    `download=True` what is not found is fetched into `data_dir` or data/downloads. `users` keeps a
    random subset of that many users, drawn with `seed`. `options` are the fields of
    `options.Options`, and may also stand in the name: "ml-1m@min_user_events=5". Users with fewer
    than `min_user_events` (3) events are left out; simultaneous events keep the order of the file.
    What is done to a table of your own is said in a warning and in `Dataset.notes`. Raises
    TutorialError for an unknown name, a file that is not there (saying where it was looked for and
    how to get it) or cannot be read, and whatever `make_dataset` refuses.
    """
    if name.startswith(PREFIX):
        if options:
            raise TutorialError(
                "{name} has no option {other}: what is left out was decided when it was prepared.",
                name=name, other=next(iter(options)),
            )  # fmt: skip
        dataset = load_prepared(name)
    else:
        found = locate(name, data_dir, download, options)
        dataset = found.load()
        for note in dataset.notes if found.name.startswith(OWN) else ():
            warnings.warn(f"{found.path.name}: {note}", stacklevel=2)
    return dataset if users is None else sample_users(dataset, users, seed)


@dataclass(frozen=True)
class Found:
    """A data set on this machine: its name with all options, its file, how it is read, what it is,
    and what is done to it.
    """

    name: str
    path: Path
    layout: Layout
    source: Source
    options: Options

    def load(self) -> Dataset:
        with reading(self.path, self.name):
            frame = self.layout.read(self.path)
        rows, notes = len(frame), list(frame.attrs.get("notes", []))
        if self.source.once:
            frame = frame.drop_duplicates(KEYS)
        try:
            dataset = make_dataset(
                self.name,
                frame,
                has_times=frame.attrs.get("has_times", True),
                min_events=self.options.min_user_events,
                min_item_events=self.options.min_item_events,
            )
        except TutorialError as error:
            raise TutorialError("{path}: {error}", path=self.path, error=error) from error
        return replace(
            dataset,
            repeats=self.source.repeats,
            duplicates=rows - len(frame),
            notes=tuple(notes),
        )


def locate(name: str, data_dir: Path | None, download: bool, options: dict[str, Any]) -> Found:
    """The data set of that name, as `load_dataset` finds it, before anything is read."""
    plain, said = split_name(name)
    said = with_options(said, options)
    own = plain.startswith(OWN)
    takes = (
        [field.name for field in fields(Options)]
        if plain.startswith("csv:")
        else [*FILTERS, *["encoding"] * own]
    )
    if other := [key for key in said.changed if key not in takes]:
        raise TutorialError(
            "{plain} has no option {other}: it takes {takes}.",
            plain=plain,
            other=other[0],
            takes=", ".join(takes),
        )
    found = find(plain, data_dir, said)
    if found is None and download:
        fetch(plain, data_dir)
        found = find(plain, data_dir, said)
    if found is None:
        raise TutorialError(how_to_get(plain, data_dir))
    source = Source("", (), once=said.drop_duplicates, repeats=said.repeats)
    return Found(full_name(plain, said), *found, source if own else SOURCES[plain], said)


@contextmanager
def reading(path: Path, name: str) -> Iterator[None]:
    """Turns what can go wrong in a file that is not what its name says into one sentence."""
    try:
        yield
    except TutorialError:
        raise
    except (OSError, EOFError, ValueError, KeyError, SyntaxError, RecursionError, zlib.error) as e:
        reason = str(e).splitlines()[0] if str(e) else type(e).__name__
        raise TutorialError(
            "Cannot read {path} as {name} ({reason}): compare it with the format, or get it again.",
            path=path,
            name=name,
            reason=reason,
        ) from e


def load_items(dataset: Dataset, data_dir: Path | None = None) -> pd.DataFrame:
    """Titles and genres of the films of `movie-tweetings`: columns title, genres, indexed by the
    dense item id 1..num_items; empty where the catalogue lacks a film.
    """
    plain, _ = split_name(dataset.name)
    found = [
        path
        for folder in folders(plain, data_dir)
        for path in (folder / "movies.dat", folder / "movies.dat.gz")
        if path.is_file()
    ]
    if plain != "movie-tweetings" or not found:
        raise TutorialError(
            "No titles for {dataset}: only movie-tweetings has them, in movies.dat beside"
            " ratings.dat (download movie-tweetings fetches both).",
            dataset=dataset.name,
        )
    films = [
        pd.DataFrame(
            {name: piece.text(place) for place, name in enumerate(("item", "title", "genres"))}
        )
        for piece in pieces(found[0], "utf-8", "::", 3, quotes=False)
    ]
    catalogue = pd.concat(films).drop_duplicates("item").set_index("item")
    rows = catalogue.reindex(dataset.item_ids.astype(str)).fillna("")
    return rows.set_index(pd.RangeIndex(1, dataset.num_items + 1, name="item"))


def item_names(dataset: Dataset, data_dir: Path | None = None) -> np.ndarray:
    """What a reader is shown for each item, str [num_items + 1]: the title with its year where the
    data set has one, else the original id; "" at 0, the padding. Taught in lesson 00.
    """
    ids = dataset.item_ids.astype(str).astype(object)
    if split_name(dataset.name)[0] == "movie-tweetings":
        try:
            titles = load_items(dataset, data_dir)["title"].to_numpy()
        except TutorialError:  # movies.dat does not lie beside ratings.dat
            titles = np.full(len(ids), "")
        ids = np.where(titles != "", titles, ids)
    return np.concatenate([[""], ids]).astype(object)
