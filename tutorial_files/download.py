"""Fetching public files so that a half file, or a login page, is never mistaken for the data."""

import gzip
import hashlib
import os
import time
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException, HTTPResponse
from pathlib import Path

from tqdm import tqdm

from tutorial_files.errors import TutorialError
from tutorial_files.headers import separator_of
from tutorial_files.language import say
from tutorial_files.packed import HTML
from tutorial_files.writing import disk, settle

CHUNK = 1 << 20
TIMEOUT = 30  # seconds without a byte
PATIENCE, LEAST = 60, 60 << 10  # seconds in which at least so many bytes must come


def download(url: str, destination: Path, md5: str | None = None, progress: bool = True) -> Path:
    """Fetch `url` into the file `destination`; returns it.

    The bytes go to `destination.part`, which survives an interruption and is resumed by the next
    call (where a checksum or the server's tag can tell that the rest belongs to it); only a
    complete file with the right checksum is renamed to `destination`. Without a checksum the file
    is examined: a web page, an archive that cannot be read to its end, a table whose last line is
    cut. An existing `destination` that passes is kept. Raises TutorialError, one sentence each: no
    network, a refusal of the server, a broken or endlessly slow transfer, a wrong file (removed), a
    disk that is full or read-only.
    """
    if not url.startswith(("http://", "https://")):
        raise TutorialError(
            "Cannot download {url!r}: the address must start with https:// or http://.", url=url
        )
    with disk(destination):
        if destination.exists() and not _fault(destination, destination.name, md5):
            return destination
        destination.parent.mkdir(parents=True, exist_ok=True)
    part = destination.with_name(destination.name + ".part")
    with _network(url, part, md5), _open_rest(url, part, md5) as response:
        if "html" in (response.headers["Content-Type"] or ""):
            raise TutorialError(
                "The answer from {url} is a web page (a login or error page?), not the"
                " data: it was not kept; open the address in a browser.",
                url=url,
            )
        received, total = _copy(response, url, part, progress)
    if total is not None and received != total:
        raise TutorialError(
            "The transfer of {url} broke off after {received:,} of {total:,} bytes: {part}.",
            url=url,
            received=received,
            total=total,
            part=_kept(part, md5),
        )
    with disk(destination):
        if fault := _fault(part, destination.name, md5, announced=total is not None):
            _forget(part)
            raise TutorialError(
                "The file from {url} {fault} and was removed: download it again, and if"
                " that does not help, the file at that address has changed.",
                url=url,
                fault=fault,
            )
        settle(part, destination)
        _forget(part)
    return destination


def _open_rest(url: str, part: Path, md5: str | None) -> HTTPResponse:
    """Ask for what `part` lacks. The tag file beside it makes sure that the rest comes from the
    same version of the file.
    """
    tag = _tag_file(part)
    have = part.stat().st_size if part.exists() and _resumable(part, md5) else 0
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
        return _open_rest(url, part, md5)
    if response.status == 206 and _content_range(response)[0] != have:
        response.close()
        if not have:
            raise TutorialError(
                "The server sent a part of {url} that nobody asked for: try again later.", url=url
            )
        _forget(part)
        return _open_rest(url, part, md5)
    return response


def _copy(response: HTTPResponse, url: str, part: Path, progress: bool) -> tuple[int, int | None]:
    """Append the answer to `part`, or start `part` anew if the server sent the whole file; (size
    now, size announced).
    """
    if response.status == 206:
        received, total = _content_range(response)
    else:
        announced = response.headers["Content-Length"] or ""
        received, total = 0, int(announced) if announced.isdigit() else None
    with disk(part), part.open("ab" if received else "wb") as file:
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
            since, before = time.monotonic(), received
            # read1 hands over what has arrived; read would lose it when the rest does not come
            while chunk := _next(response, url):
                if (now := time.monotonic()) - since > PATIENCE:
                    if received + len(chunk) - before < LEAST:
                        raise HTTPException(
                            say("less than {rate:,.0f} bytes a second", rate=LEAST / PATIENCE)
                        )
                    since, before = now, received
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


def _fault(path: Path, name: str, md5: str | None, announced: bool = True) -> str | None:
    """What is wrong with a file that should be `name`, or None. Without a checksum nothing vouches
    for it, so its content is looked at; a text whose size was not `announced` must end its last
    line.
    """
    if md5 is not None:
        found = _md5(path)
        if found == md5:
            return None
        return say("has the MD5 checksum {found} instead of {md5}", found=found, md5=md5)
    with path.open("rb") as file:
        head = file.read(1 << 16)
        file.seek(max(0, path.stat().st_size - (1 << 16)))
        tail = file.read()
    lower = name.lower()
    if not head.strip():
        return say("is empty")
    if HTML.match(head):
        return say("is a web page (a login or error page?)")
    if lower.endswith(".zip"):
        return None if zipfile.is_zipfile(path) else say("is no whole zip archive")
    if lower.endswith((".gz", ".tgz")):
        try:
            with gzip.open(path) as stream:
                while stream.read(CHUNK):
                    pass
        except (OSError, EOFError, zlib.error):
            return say("is no whole gzip file")
        return None
    if lower.endswith((".csv", ".dat", ".txt", ".tsv")) and b"\n" in head:
        first, last = (text.decode("latin-1") for text in (head, tail))
        first, last = first.splitlines()[0], last.splitlines()[-1]
        mark = separator_of(first)
        ended = tail.endswith((b"\n", b"\r"))
        if not ended and (not announced or last.count(mark) < first.count(mark)):
            return say("ends in the middle of a line")
    return None


def _resumable(part: Path, md5: str | None) -> bool:
    """Whether it can be told that a rest belongs to what has arrived."""
    return md5 is not None or _tag_file(part).exists()


def _kept(part: Path, md5: str | None) -> str:
    """The end of a sentence about a broken transfer: the truth about what is left of it."""
    size = part.stat().st_size if part.exists() and _resumable(part, md5) else 0
    if size:
        return say(
            "run the same command again and it resumes (the first {size:,} bytes are kept)",
            size=size,
        )
    _forget(part)
    return say("run the same command again (nothing is kept)")


def _next(response: HTTPResponse, url: str) -> bytes:
    """What comes next of the body, b"" at its end. Errors of the network, not of the disk."""
    try:
        return response.read1(CHUNK)
    except OSError as error:
        raise HTTPException(error) from error


@contextmanager
def _network(url: str, part: Path, md5: str | None) -> Iterator[None]:
    """Turn every way in which a transfer fails into one sentence."""
    try:
        yield
    except urllib.error.HTTPError as error:
        raise TutorialError(
            "The server answered {code} {reason} for {url}: check the address, or try again later.",
            code=error.code,
            reason=error.reason,
            url=url,
        ) from error
    except (OSError, HTTPException) as error:
        reason = getattr(error, "reason", None) or str(error) or type(error).__name__
        raise TutorialError(
            "No connection for {url} ({reason}): check the network and {part}.",
            url=url,
            reason=reason,
            part=_kept(part, md5),
        ) from error
