"""Fetching and unpacking public archives so that a half file is never mistaken for a whole one.
Nothing is ever unpickled.
"""

import gzip
import hashlib
import lzma
import os
import shutil
import stat
import tarfile
import tempfile
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException, HTTPResponse
from pathlib import Path, PurePosixPath
from typing import IO

from tqdm import tqdm

from tutorial_lib.errors import TutorialError

CHUNK = 1 << 20
TIMEOUT = 30  # seconds without a byte
MAX_UNPACKED = 20 << 30  # bytes; the largest data set of the course unpacks to about 5 GB


def download(url: str, destination: Path, md5: str | None = None, progress: bool = True) -> Path:
    """Fetch `url` into the file `destination`; returns it.

    The bytes go to `destination.part`, which survives an interruption and is resumed by the next
    call; only a complete file with the right checksum is renamed to `destination`. An existing
    `destination` with the right checksum is kept. Raises TutorialError, one sentence each: no
    network, a refusal of the server, a broken transfer (run again to resume), a wrong checksum (the
    bad file is removed), a disk that is full or read-only.
    """
    if not url.startswith(("http://", "https://")):
        raise TutorialError(
            f"Cannot download {url!r}: the address must start with https:// or http://."
        )
    with _disk(destination):
        if destination.exists() and (md5 is None or _md5(destination) == md5):
            return destination
        destination.parent.mkdir(parents=True, exist_ok=True)
    part = destination.with_name(destination.name + ".part")
    with _network(url), _open_rest(url, part) as response:
        received, total = _copy(response, url, part, progress)
    if total is not None and received != total:
        raise TutorialError(
            f"The transfer of {url} broke off after {received:,} of {total:,} bytes: run the same"
            " command again and it resumes."
        )
    with _disk(destination):
        if md5 is not None and (found := _md5(part)) != md5:
            _forget(part)
            raise TutorialError(
                f"The file from {url} has the MD5 checksum {found} instead of {md5} and was"
                " removed: download it again, and if that does not help, the file at that address"
                " has changed."
            )
        os.replace(part, destination)
        _forget(part)
    return destination


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
        raise TutorialError(f"There is no archive {archive} to unpack: download it first.")
    with _disk(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=".unpacking-", dir=folder.parent))
    try:
        content = temporary / "content"
        with _disk(folder):
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
                    os.replace(file, target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder


def _open_rest(url: str, part: Path) -> HTTPResponse:
    """Ask for what `part` lacks. The tag file beside it makes sure that the rest comes from the
    same version of the file.
    """
    tag = _tag_file(part)
    have = part.stat().st_size if part.exists() else 0
    headers = {"User-Agent": "tutorial-lib", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
        if tag.exists():
            headers["If-Range"] = tag.read_text()
    try:
        response = urllib.request.urlopen(
            urllib.request.Request(url, headers=headers), timeout=TIMEOUT
        )
    except urllib.error.HTTPError as error:
        if error.code != 416 or not have:
            raise
        error.close()
        # the server has no byte after ours: a different file, or one that was complete; fetch it
        # anew
        _forget(part)
        return _open_rest(url, part)
    if have and response.status == 206 and _content_range(response)[0] != have:
        response.close()
        _forget(part)
        return _open_rest(url, part)
    return response


def _copy(response: HTTPResponse, url: str, part: Path, progress: bool) -> tuple[int, int | None]:
    """Append the answer to `part`, or start `part` anew if the server sent the whole file; (size
    now, size announced).
    """
    if response.status == 206:
        received, total = _content_range(response)
    else:
        received, total = (
            0,
            (
                int(response.headers["Content-Length"])
                if response.headers["Content-Length"]
                else None
            ),
        )
    with _disk(part), part.open("ab" if received else "wb") as file:
        validators = (response.headers["ETag"], response.headers["Last-Modified"])
        strong = [
            value for value in validators if value and not value.startswith("W/")
        ]  # a weak tag does not promise equal bytes
        _tag_file(part).write_text(strong[0]) if strong else _tag_file(part).unlink(missing_ok=True)
        name = part.name.removesuffix(".part")
        with tqdm(
            total=total,
            initial=received,
            unit="B",
            unit_scale=True,
            desc=name,
            disable=not progress,
        ) as bar:
            while True:
                with _network(url):
                    chunk = response.read(CHUNK)
                if not chunk:
                    break
                file.write(chunk)
                received += len(chunk)
                bar.update(len(chunk))
        file.flush()
        os.fsync(file.fileno())
    return received, total


def _content_range(response: HTTPResponse) -> tuple[int, int | None]:
    """(first byte, size of the whole file) from a header such as "bytes 100-199/200"."""
    span, _, total = response.headers.get("Content-Range", "").removeprefix("bytes ").partition("/")
    first = span.partition("-")[0]
    return int(first) if first.isdigit() else -1, int(total) if total.isdigit() else None


def _tag_file(part: Path) -> Path:
    return part.with_name(part.name + ".tag")


def _forget(part: Path) -> None:
    part.unlink(missing_ok=True)
    _tag_file(part).unlink(missing_ok=True)


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


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
                            f"{archive} unpacks to more than {max_bytes:,} bytes and was refused: "
                            "unpack it by hand if you trust it."
                        )
                    file.write(chunk)
    except (
        zipfile.BadZipFile,
        tarfile.TarError,
        gzip.BadGzipFile,
        zlib.error,
        lzma.LZMAError,
        EOFError,
    ) as error:
        raise TutorialError(
            f"{archive} is damaged or no archive ({error}): download it again."
        ) from error
    except RuntimeError as error:  # unknown compression, password
        raise TutorialError(
            f"{archive} cannot be unpacked here ({error}): unpack it by hand."
        ) from error


def _members(archive: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """Name and content of every file in the archive; anything but files and folders is refused."""
    suffixes = archive.name.lower()
    if suffixes.endswith(".zip"):
        with zipfile.ZipFile(archive) as file:
            for info in file.infolist():
                kind = stat.S_IFMT(info.external_attr >> 16)
                _refuse_unless(kind in (0, stat.S_IFREG, stat.S_IFDIR), archive, info.filename)
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
            f"Cannot unpack {archive}: known are .zip, .tar, .tar.gz, .tgz, .tar.bz2, .tar.xz and"
            " .gz."
        )


def _refuse_unless(harmless: bool, archive: Path, name: str) -> None:
    if not harmless:
        raise TutorialError(
            f"{archive} holds {name!r}, which is a link, a device or points outside the folder, and"
            " was refused: get the archive from its official address."
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


@contextmanager
def _network(url: str) -> Iterator[None]:
    """Turn every way in which a transfer fails into one sentence."""
    try:
        yield
    except urllib.error.HTTPError as error:
        raise TutorialError(
            f"The server answered {error.code} {error.reason} for {url}: check the address, or try"
            " again later."
        ) from error
    except (OSError, HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise TutorialError(
            f"No connection for {url} ({reason}): check the network and run the same command again;"
            " what has arrived is kept."
        ) from error


@contextmanager
def _disk(path: Path) -> Iterator[None]:
    """Turn a full, read-only or otherwise unwilling disk into one sentence."""
    try:
        yield
    except OSError as error:
        raise TutorialError(
            f"Cannot write {path} ({error.strerror or error}): free some space or choose a folder"
            " that you may write to."
        ) from error
