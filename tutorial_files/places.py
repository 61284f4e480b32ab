"""Where a data set lies on this machine, and how it gets there.

It is looked for under `data_dir`, the environment variable TUTORIAL_DATA_DIR or the folder
data/downloads of the project (shared.py).
"""

import os
from functools import partial
from pathlib import Path

from tutorial_files.archives import extract
from tutorial_files.download import download
from tutorial_files.errors import TutorialError
from tutorial_files.language import say
from tutorial_files.options import Options, split_name
from tutorial_files.shared import DATA, downloads
from tutorial_files.sources import SOURCES, Layout, Source, read_order
from tutorial_files.tables import read_table

SAMPLES = DATA / "sample"
DOWNLOADS = downloads()
OWN = ("csv:", "txt:")


def find(
    name: str, data_dir: Path | None = None, options: Options | None = None
) -> tuple[Path, Layout] | None:
    """The file of a data set and its layout, or None if it is nowhere. `options`: where the name
    is without them.
    """
    if options is None:
        name, options = split_name(name)
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
    for layout in source_of(name).layouts:
        for folder in folders(name, data_dir):
            if paths := sorted(folder.glob(layout.pattern)):
                return paths[0], layout
    return None


def fetch(name: str, data_dir: Path | None = None, progress: bool = True) -> Path:
    """Download a data set into `data_dir` (default data/downloads) and unpack it, unless it is
    there; returns its file.
    """
    name, _ = split_name(name)
    source = source_of(name)
    if source.url is None:
        if found := find(name, data_dir):
            return found[0]
        raise TutorialError(how_to_get(name, data_dir))
    folder, pattern = Path(data_dir or DOWNLOADS).expanduser() / name, source.layouts[0].pattern
    base, file_name = source.url.rsplit("/", 1)
    if not file_name.endswith((".zip", ".tar.gz")):
        for other in source.beside:
            download(f"{base}/{other}", folder / other, None, progress)
        return download(source.url, folder / file_name, source.md5, progress)
    if not any(folder.glob(pattern)):
        archive = download(source.url, folder.parent / file_name, source.md5, progress)
        try:
            extract(archive, folder)
        except TutorialError:
            if source.md5 is None:  # nothing vouches for the archive: do not try the same one again
                archive.unlink(missing_ok=True)
            raise
        archive.unlink(missing_ok=True)
    if not (paths := sorted(folder.glob(pattern))):
        raise TutorialError(
            "The archive from {url} holds no {pattern}: get {name} by hand and put it into"
            " {folder}.",
            url=source.url,
            pattern=pattern,
            name=name,
            folder=folder,
        )
    return paths[0]


def source_of(name: str) -> Source:
    if name not in SOURCES:
        raise TutorialError(
            "Unknown data set {name!r}: choose one of {sources}, csv:PATH or txt:PATH.",
            name=name,
            sources=", ".join(SOURCES),
        )
    return SOURCES[name]


def folders(name: str, data_dir: Path | None) -> list[Path]:
    if name in ("sample", "control"):
        return [SAMPLES]
    roots = (
        [Path(data_dir)]
        if data_dir
        else [*filter(None, [os.environ.get("TUTORIAL_DATA_DIR")]), DOWNLOADS]
    )
    return [Path(root).expanduser() / name for root in roots]


def how_to_get(name: str, data_dir: Path | None) -> str:
    """The sentence for a data set that was not found."""
    if name.startswith(OWN):
        path = name[4:] if len(name) < 300 else name[4:300] + "..."
        path = path if "\0" in path else Path(path).expanduser().absolute()
        return say(
            "There is no file {path}: write the path of your own file after {kind!r}.",
            path=path,
            kind=name[:4],
        )
    places = say(" or ").join(
        str(folder / layout.pattern)
        for folder in folders(name, data_dir)
        for layout in source_of(name).layouts
    )
    if name in ("sample", "control"):
        return say(
            "The simulated data set {name} is not at {places}: it is part of the project, so"
            " restore it from there.",
            name=name,
            places=places,
        )
    if source_of(name).url is None:
        return say(
            "{name} is not at {places}: put the file there, it cannot be downloaded automatically.",
            name=name,
            places=places,
        )
    where = f" --data-dir {data_dir}" if data_dir else ""
    return say(
        "{name} is not at {places}: get it with: python -m tutorial_lib.data download"
        " {name}{where}",
        name=name,
        places=places,
        where=where,
    )
