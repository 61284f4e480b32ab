"""Data sets by name: found on this machine or downloaded on request, read, checked and filtered.
Taught in lesson 01.

They are looked for under `data_dir`, the environment variable TUTORIAL_DATA_DIR or the folder
data/downloads of the project (places.py).
"""

import os
import warnings
import zlib
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from tutorial_lib.data.archives import extract
from tutorial_lib.data.delimited import pieces
from tutorial_lib.data.download import download as fetch_file
from tutorial_lib.data.events import KEYS, Dataset, make_dataset, sample_users
from tutorial_lib.data.options import FILTERS, Options, full_name, split_name, with_options
from tutorial_lib.data.sources import SOURCES, Layout, Source, read_order
from tutorial_lib.data.tables import read_table
from tutorial_lib.errors import TutorialError
from tutorial_lib.places import DATA, downloads

SAMPLES = DATA / "sample"
DOWNLOADS = downloads()
OWN = ("csv:", "txt:")


def load_dataset(
    name: str,
    *,
    users: int | None = None,
    seed: int = 0,
    data_dir: Path | None = None,
    download: bool = False,
    **options: Any,
) -> Dataset:
    """A data set by name: one of `SOURCES`, "csv:PATH" (any table with a header) or "txt:PATH" (two
    columns, order only).

    Looks in `data_dir`, or else in $TUTORIAL_DATA_DIR and then in data/downloads; with
    `download=True` what is not found is fetched into `data_dir` or data/downloads. `users` keeps a
    random subset of that many users, drawn with `seed`. `options` are the fields of
    `options.Options`, and may also stand in the name: "ml-1m@min_user_events=5". Users with fewer
    than `min_user_events` (3) events are left out; simultaneous events keep the order of the file.
    What is done to a table of your own is said in a warning and in `Dataset.notes`. Raises
    TutorialError for an unknown name, a file that is not there (saying where it was looked for and
    how to get it) or cannot be read, and whatever `make_dataset` refuses.
    """
    plain, said = split_name(name)
    said = with_options(said, options)
    own = plain.startswith(OWN)
    takes = (
        [field.name for field in fields(Options)]
        if plain.startswith("csv:")
        else [*FILTERS, *["encoding"] * own]
    )
    if other := [key for key in said.changed if key not in takes]:
        raise TutorialError(f"{plain} has no option {other[0]}: it takes {', '.join(takes)}.")
    found = _find(plain, said, data_dir)
    if found is None and download:
        fetch(plain, data_dir)
        found = _find(plain, said, data_dir)
    if found is None:
        raise TutorialError(_how_to_get(plain, data_dir))
    source = Source("", (), once=said.drop_duplicates, repeats=said.repeats)
    dataset = _read(found, full_name(plain, said), source if own else SOURCES[plain], said)
    for note in dataset.notes if own else ():
        warnings.warn(f"{found[0].name}: {note}", stacklevel=2)
    return dataset if users is None else sample_users(dataset, users, seed)


def _read(found: tuple[Path, Layout], name: str, source: Source, options: Options) -> Dataset:
    path, layout = found
    try:
        frame = layout.read(path)
    except TutorialError:
        raise
    except (OSError, EOFError, ValueError, KeyError, SyntaxError, RecursionError, zlib.error) as e:
        reason = str(e).splitlines()[0] if str(e) else type(e).__name__
        raise TutorialError(
            f"Cannot read {path} as {name} ({reason}): compare it with the format, or get it again."
        ) from e
    rows, notes = len(frame), list(frame.attrs.get("notes", []))
    if source.once:
        frame = frame.drop_duplicates(KEYS)
    try:
        dataset = make_dataset(
            name,
            frame,
            has_times=frame.attrs.get("has_times", True),
            min_events=options.min_user_events,
            min_item_events=options.min_item_events,
        )
    except TutorialError as error:
        raise TutorialError(f"{path}: {error}") from error
    return replace(
        dataset, repeats=source.repeats, duplicates=rows - len(frame), notes=tuple(notes)
    )


def load_items(dataset: Dataset, data_dir: Path | None = None) -> pd.DataFrame:
    """Titles and genres of the films of `movie-tweetings`: columns title, genres, indexed by the
    dense item id 1..num_items; empty where the catalogue lacks a film.
    """
    plain, _ = split_name(dataset.name)
    found = [
        path
        for folder in _folders(plain, data_dir)
        for path in (folder / "movies.dat", folder / "movies.dat.gz")
        if path.is_file()
    ]
    if plain != "movie-tweetings" or not found:
        raise TutorialError(
            f"No titles for {dataset.name}: only movie-tweetings has them, in movies.dat beside"
            " ratings.dat (download movie-tweetings fetches both)."
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


def find(name: str, data_dir: Path | None = None) -> tuple[Path, Layout] | None:
    """The file of a data set and its layout, or None if it is nowhere."""
    return _find(*split_name(name), data_dir)


def _find(name: str, options: Options, data_dir: Path | None) -> tuple[Path, Layout] | None:
    if name.startswith(OWN):
        read = partial(read_order, encoding=options.encoding)
        if name.startswith("csv:"):
            read = partial(
                read_table,
                columns=options.columns,
                encoding=options.encoding,
                time_unit=options.time_unit,
            )
        try:
            path = Path(name[4:]).expanduser().resolve()
            return (path, Layout("", read)) if path.is_file() else None
        except (OSError, ValueError, RuntimeError):  # no path at all, such as one of 5,000 letters
            return None
    for layout in _source(name).layouts:
        for folder in _folders(name, data_dir):
            if paths := sorted(folder.glob(layout.pattern)):
                return paths[0], layout
    return None


def fetch(name: str, data_dir: Path | None = None, progress: bool = True) -> Path:
    """Download a data set into `data_dir` (default data/downloads) and unpack it, unless it is
    there; returns its file.
    """
    name, _ = split_name(name)
    source = _source(name)
    if source.url is None:
        if found := find(name, data_dir):
            return found[0]
        raise TutorialError(_how_to_get(name, data_dir))
    folder, pattern = Path(data_dir or DOWNLOADS).expanduser() / name, source.layouts[0].pattern
    base, file_name = source.url.rsplit("/", 1)
    if not file_name.endswith((".zip", ".tar.gz")):
        for other in source.beside:
            fetch_file(f"{base}/{other}", folder / other, None, progress)
        return fetch_file(source.url, folder / file_name, source.md5, progress)
    if not any(folder.glob(pattern)):
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
    if name.startswith(OWN):
        path = name[4:] if len(name) < 300 else name[4:300] + "..."
        path = path if "\0" in path else Path(path).expanduser().absolute()
        return f"There is no file {path}: write the path of your own file after {name[:4]!r}."
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
