"""Files that are whole or not there: written beside their place, synced, then renamed."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tutorial_lib.errors import TutorialError


@contextmanager
def replacing(path: Path | str) -> Iterator[Path]:
    """Yields a temporary name beside `path` to write to. Synced and renamed to `path` at the end;
    removed if anything goes wrong.

    Raises TutorialError, one sentence, where the disk is full or does not let us write.
    """
    path = Path(path)
    partial = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield partial
            settle(partial, path)
        finally:
            partial.unlink(missing_ok=True)
    except (OSError, RuntimeError) as error:  # torch reports a full disk as a RuntimeError
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise TutorialError(
            f"could not write {path} ({reason}); free some space or choose another folder"
        ) from error


def settle(partial: Path, path: Path) -> None:
    """Sync a finished file and rename it to `path`: after a power cut, `path` is either as before
    or the whole new file.
    """
    with partial.open("rb+") as file:
        os.fsync(file.fileno())
    os.replace(partial, path)
    if os.name == "posix":  # elsewhere a folder cannot be synced
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


@contextmanager
def disk(path: Path) -> Iterator[None]:
    """Turn a full, read-only or otherwise unwilling disk into one sentence."""
    try:
        yield
    except OSError as error:
        raise TutorialError(
            f"Cannot write {path} ({error.strerror or error}): free some space or choose a folder"
            " that you may write to."
        ) from error
