"""Data sets that `python -m tutorial_lib.data prepare` has put into a folder: sorted columns that
are memory-mapped, so that a table larger than the memory can be learned from.
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from tutorial_files.tables import KEYS
from tutorial_lib.data.events import Dataset
from tutorial_lib.errors import TutorialError
from tutorial_lib.language import say

PREFIX = "prepared:"
MANIFEST = "prepared.json"
FORMAT = 1  # of the folder; another one must be prepared again
IDS = ("user_ids", "item_ids")


def load_prepared(name: str, manifest: dict | None = None) -> Dataset:
    """The data set "prepared:FOLDER". Its columns stay on the disk: `events` holds views of the
    files, and only the rows that are asked for come into memory.

    Raises TutorialError for a folder that is none, is not finished, comes from another version, or
    whose columns are not what was written. `manifest`: while it is being made, still without the
    fingerprint.
    """
    folder = Path(name.removeprefix(PREFIX)).expanduser()
    manifest = manifest or read_manifest(folder)
    columns = [*KEYS, *["rating"] * manifest["rating"]]
    arrays = {column: _column(folder, column) for column in (*columns, *IDS)}
    for column in columns:
        if arrays[column].shape != (manifest["events"],):
            raise _damaged(folder, say("{file} is not as long as it was", file=f"{column}.npy"))
    events = pd.DataFrame({column: arrays[column] for column in columns}, copy=False)
    dataset = Dataset(
        name,
        events,
        *(arrays[column] for column in IDS),
        has_times=manifest["has_times"],
        repeats=manifest["repeats"],
        duplicates=manifest["duplicates"],
        notes=tuple(manifest["notes"]),
    )
    if dataset.fingerprint != manifest.get("fingerprint", dataset.fingerprint):
        raise _damaged(folder, say("its columns are not those that were written"))
    return dataset


def read_manifest(folder: Path) -> dict[str, object]:
    """What the folder holds: source, options and files it was made of, and the facts that are not
    in its columns.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        version = manifest["format"]
    except (OSError, ValueError, KeyError, TypeError):
        if (folder / "work").is_dir():
            raise TutorialError(
                "The preparation of {folder} is not finished: the command that began it goes on"
                " where it was cut.",
                folder=folder,
            ) from None
        raise TutorialError(
            "{folder} is no prepared data set (it has no {manifest}): make one with python -m"
            " tutorial_lib.data prepare SOURCE --out {folder}",
            folder=folder, manifest=MANIFEST,
        ) from None  # fmt: skip
    if version != FORMAT:
        raise TutorialError(
            "{folder} was prepared by another version of the library (format {version}, this one"
            " reads {format}): prepare it again, into another folder or after removing this one.",
            folder=folder, version=version, format=FORMAT,
        )  # fmt: skip
    return manifest


def _column(folder: Path, name: str) -> np.ndarray:
    try:
        return np.load(folder / f"{name}.npy", mmap_mode="r").view(np.ndarray)
    except (OSError, EOFError, ValueError) as error:
        reason = str(error).splitlines()[0]
        unread = say("{file} cannot be read, {reason}", file=f"{name}.npy", reason=reason)
        raise _damaged(folder, unread) from None


def _damaged(folder: Path, reason: str) -> TutorialError:
    return TutorialError(
        "{folder} is damaged ({reason}): remove it and prepare it again.",
        folder=folder, reason=reason,
    )  # fmt: skip
