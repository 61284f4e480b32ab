"""Unpacking public archives so that nothing lands outside its folder and no half file is left.
Nothing is ever unpickled.
"""

import gzip
import lzma
import os
import shutil
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from tutorial_files.errors import TutorialError
from tutorial_files.writing import disk, settle

CHUNK = 1 << 20
MAX_UNPACKED = 20 << 30  # bytes; the largest data set of the course unpacks to about 5 GB


def extract(archive: Path, folder: Path, *, max_bytes: int = MAX_UNPACKED) -> Path:
    """Unpack a .zip, .tar, .tar.gz (.tgz, .tar.bz2, .tar.xz) or .gz file into `folder`; returns
    `folder`.

    A single folder at the top of the archive is stripped (ml-1m/ratings.dat becomes
    folder/ratings.dat). Everything is unpacked into a temporary folder beside `folder` and then
    moved, so that `folder` never holds half a file; files already there stay unless the archive
    holds one of the same name. Raises TutorialError for names that point outside, links and
    devices, more than `max_bytes` of content, a damaged archive and a disk that is full or
    read-only; nothing is left behind then.
    """
    if not archive.is_file():
        raise TutorialError(
            "There is no archive {archive} to unpack: download it first.", archive=archive
        )
    with disk(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=".unpacking-", dir=folder.parent))
    try:
        content = temporary / "content"
        with disk(folder):
            content.mkdir()
            _unpack(archive, content, max_bytes)
            top = list(content.iterdir())
            source = top[0] if len(top) == 1 and top[0].is_dir() else content
            if not folder.exists():
                os.rename(source, folder)
            else:
                for file in [path for path in source.rglob("*") if path.is_file()]:
                    target = folder / file.relative_to(source)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    settle(file, target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder


def _unpack(archive: Path, content: Path, max_bytes: int) -> None:
    room = max_bytes
    try:
        for name, stream in _members(archive):
            target = content / _safe_name(archive, name)
            target.parent.mkdir(parents=True, exist_ok=True)
            with stream, target.open("wb") as file:
                # what counts is what comes out, not what the archive announces
                while chunk := stream.read(CHUNK):
                    room -= len(chunk)
                    if room < 0:
                        raise TutorialError(
                            "{archive} unpacks to more than {max_bytes:,} bytes and was"
                            " refused: unpack it by hand if you trust it.",
                            archive=archive,
                            max_bytes=max_bytes,
                        )
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
    except (
        zipfile.BadZipFile,
        tarfile.TarError,
        gzip.BadGzipFile,
        zlib.error,
        lzma.LZMAError,
        EOFError,
    ) as error:
        raise TutorialError(
            "{archive} is damaged or no archive ({error}): download it again.",
            archive=archive,
            error=error,
        ) from error
    except RuntimeError as error:  # unknown compression, password
        raise TutorialError(
            "{archive} cannot be unpacked here ({error}): unpack it by hand.",
            archive=archive,
            error=error,
        ) from error


def _members(archive: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """Name and content of every file in the archive; anything but files and folders is refused."""
    suffixes = archive.name.lower()
    if suffixes.endswith(".zip"):
        with zipfile.ZipFile(archive) as file:
            for info in file.infolist():
                kind = stat.S_IFMT(info.external_attr >> 16)
                known = kind in (0, stat.S_IFREG, stat.S_IFDIR)
                _refuse_unless(known and info.filename != "", archive, info.filename)
                if not info.is_dir():
                    yield info.filename, file.open(info)
    elif suffixes.endswith((".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")):
        with tarfile.open(archive) as file:
            for member in file:
                _refuse_unless(member.isfile() or member.isdir(), archive, member.name)
                if member.isfile():
                    yield member.name, file.extractfile(member)
    elif suffixes.endswith(".gz"):
        yield archive.name[: -len(".gz")], gzip.GzipFile(archive)
    else:
        raise TutorialError(
            "Cannot unpack {archive}: known are .zip, .tar, .tar.gz, .tgz, .tar.bz2,"
            " .tar.xz and .gz.",
            archive=archive,
        )


def _refuse_unless(harmless: bool, archive: Path, name: str) -> None:
    if not harmless:
        raise TutorialError(
            "{archive} holds {name!r}, which is a link, a device, no name or points"
            " outside the folder, and was refused: get the archive from its official"
            " address.",
            archive=archive,
            name=name,
        )


def _safe_name(archive: Path, name: str) -> PurePosixPath:
    path = PurePosixPath(name)
    harmless = (
        bool(path.parts)
        and not path.is_absolute()
        and ".." not in path.parts
        and not set("\\:\0") & set(name)
    )
    _refuse_unless(harmless, archive, name)
    return path
