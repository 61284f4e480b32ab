"""Writing files whole or not at all, and sweeping up after processes that were killed."""

import argparse
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tutorial_files.errors import TutorialError
from tutorial_files.language import say


@contextmanager
def replacing(path: Path | str) -> Iterator[Path]:
    """Yields a temporary name beside `path` to write to. At the end it is on the disk and bears the
    name `path`; if anything goes wrong it is removed and `path` stays as it was.
    """
    path = Path(path)
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield partial
            settle(partial, path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise TutorialError(
            "could not write {path} ({strerror}{path2}); free some space or choose another folder",
            path=path,
            strerror=error.strerror or error,
            path2=_free(path),
        ) from None


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
            "Cannot write {path} ({strerror}): free some space or choose a folder that you"
            " may write to.",
            path=path,
            strerror=error.strerror or error,
        ) from error


def write_text(path: Path, text: str) -> None:
    """Whole or not at all."""
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")


def write_command(prog: str, about: str, write: Callable[[], object]) -> None:
    """The command line of what is made anew by one command, `python -m PROG --write`."""
    parser = argparse.ArgumentParser(prog=f"python -m {prog}", description=about)
    parser.add_argument("--write", action="store_true", required=True, help=say("write it again"))
    parser.parse_args()
    try:
        write()
    except TutorialError as error:
        parser.exit(2, f"{error}\n")


def sweep(folder: Path | str) -> None:
    """Removes what `replacing` left under `folder` in processes that were killed; the files of
    living ones stay.
    """
    for partial in Path(folder).rglob(".*.*.part"):
        number = partial.name.split(".")[-2]
        if number.isdecimal() and not _lives(int(number)):
            partial.unlink(missing_ok=True)


def _lives(process: int) -> bool:
    try:
        if os.name == "posix":  # elsewhere signal 0 is no question
            os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass  # somebody else's
    return True


def _free(path: Path) -> str:
    place = next((one for one in path.parents if one.is_dir()), None)
    if place is None:
        return ""
    return say("; {free:,.0f} MB are free there", free=shutil.disk_usage(place).free / 1e6)
