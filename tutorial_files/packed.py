"""What kind of file it is, looked at before anything is read: packed or plain, text or not, and in
which encoding.
"""

import codecs
import gzip
import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from tutorial_files.errors import TutorialError
from tutorial_files.language import mark, say

LONGEST = 1 << 20  # bytes of a line
BOMS = {  # the longer ones first
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
OTHERS = {
    b"PK\x03\x04": mark("a zip archive"),
    b"\x1f\x8b": mark("a gzip file"),
    b"%PDF": mark("a PDF document"),
    b"\xd0\xcf\x11\xe0": mark("an old Excel workbook"),
    b"BZh": mark("a bzip2 file"),
    b"\xfd7zXZ": mark("an xz file"),
    b"7z\xbc\xaf": mark("a 7z archive"),
    b"Rar!": mark("a rar archive"),
}
HTML = re.compile(rb"^\s*(<!doctype html|<html|<head|<script|<\?xml)", re.I)


@contextmanager
def open_binary(path: Path) -> Iterator[IO[bytes]]:
    """The unpacked bytes of a plain, gzip or zip file (by its content, not by its name)."""
    try:
        with path.open("rb") as raw:
            magic = raw.read(4)
            raw.seek(0)
            if magic[:2] == b"\x1f\x8b":
                with gzip.open(raw) as stream:
                    yield stream
            elif magic == b"PK\x03\x04":
                with (
                    zipfile.ZipFile(raw) as archive,
                    archive.open(_only_file(path, archive)) as stream,
                ):
                    yield stream
            elif path.suffix.lower() in (".gz", ".zip"):
                raise TutorialError(
                    "Cannot read {path}: its name ends in {suffix}, but its content is not"
                    " packed; rename it if it is the table, or get it again.",
                    path=path,
                    suffix=path.suffix,
                )
            else:
                yield raw
    except (EOFError, zlib.error, zipfile.BadZipFile, gzip.BadGzipFile) as error:
        raise TutorialError(
            "Cannot read {path}: the archive is damaged ({error}); get it again.",
            path=path,
            error=error,
        ) from error
    except (RuntimeError, NotImplementedError) as error:  # a password, an unknown compression
        raise TutorialError(
            "Cannot read {path}: it cannot be unpacked here ({error}); unpack it by hand.",
            path=path,
            error=error,
        ) from error
    except OSError as error:
        raise TutorialError(
            "Cannot read {path} ({strerror}): choose a file that you may read.",
            path=path,
            strerror=error.strerror or error,
        ) from error


def _only_file(path: Path, archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    files = [
        info
        for info in archive.infolist()
        if not info.is_dir() and not info.filename.startswith("__MACOSX/")
    ]
    if any(info.filename == "[Content_Types].xml" for info in files):
        raise TutorialError(
            "Cannot read {path}: it is an Excel workbook, not a text table; save it as"
            " 'CSV UTF-8' there.",
            path=path,
        )
    if len(files) != 1:
        names = ", ".join(info.filename for info in files[:5]) or say("nothing")
        raise TutorialError(
            "Cannot read {path}: a zip archive with {count} files ({names}); unpack it and"
            " name the table in it.",
            path=path,
            count=len(files),
            names=names,
        )
    return files[0]


def first_bytes(path: Path) -> bytes:
    """The beginning of the text, looked at before anything else is done; refuses what is no text
    table.
    """
    with open_binary(path) as stream:
        head = stream.read(LONGEST)
    if not head.strip():
        raise TutorialError("Cannot read {path}: the file is empty.", path=path)
    for magic, what in OTHERS.items():
        if head.startswith(magic):
            raise TutorialError(
                "Cannot read {path}: it holds {what}, not a text table.", path=path, what=what
            )
    if HTML.match(head):
        raise TutorialError(
            "Cannot read {path}: it is a web page, not a table (a login or error page that"
            " was saved under this name?); download the file again.",
            path=path,
        )
    if re.match(rb"^(\xef\xbb\xbf)?\s*(\{\s*\"|\[\s*[\[{])", head):
        raise TutorialError(
            "Cannot read {path}: line 1 is JSON, not a row of a table; convert it with"
            " pandas: pandas.read_json({path2!r}, lines={value},"
            " dtype=False).to_csv({path3!r}, index=False)",
            path=path,
            path2=str(path),
            value=head.lstrip()[:1] == b"{",
            path3=str(path) + ".table.csv",
        )
    return head


def encodings(path: Path, head: bytes, given: str | None) -> list[str]:
    """What to read the text as, in the order of trial: as told, by the byte order mark, UTF-8, or
    else gb18030, which most Chinese tables that are not UTF-8 are written in.
    """
    if given is not None:
        try:
            return [codecs.lookup(given).name]
        except LookupError as error:
            raise TutorialError(
                "Unknown encoding {given!r}: write for example utf-8, gb18030, utf-16 or latin-1.",
                given=given,
            ) from error
    marked = [name for mark, name in BOMS.items() if head.startswith(mark)]
    return marked[:1] or ["utf-8", "gb18030"]


def looks_chinese(data: bytes) -> bool:
    """Whether bytes that are no UTF-8 are Chinese: valid gb18030, and at least half of its
    characters outside ASCII are common ones (GB 2312).

    So French is not taken for Chinese: two accented letters rarely stand side by side, the two
    bytes of a Chinese character always do. Nor is damaged UTF-8, read so, made of common ones.
    """
    try:
        signs = [sign for sign in data.decode("gb18030") if not sign.isascii()]
    except UnicodeDecodeError:
        return False
    common = sum(bool(sign.encode("gb2312", "ignore")) for sign in signs)
    return 2 * common >= len(signs)


def is_parquet(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(4) == b"PAR1"
    except OSError as error:
        raise TutorialError(
            "Cannot read {path} ({strerror}): choose a file that you may read.",
            path=path,
            strerror=error.strerror or error,
        ) from error
