"""Is a finished run still what was written? Its last file holds the digests of all others."""

import gzip
import hashlib
import json
import zlib
from pathlib import Path

from tutorial_lib.files import write_text
from tutorial_lib.language import mark, say

DIGESTS = "digests.json"


def digest(*paths: Path) -> str:
    """First 16 hex digits of the SHA-256 of the contents; .gz files count unpacked, for their
    headers hold the time. Raises OSError for a file that is missing or cannot be unpacked.
    """
    sha = hashlib.sha256()
    for path in paths:
        content = path.read_bytes()
        try:
            sha.update(gzip.decompress(content) if path.suffix == ".gz" else content)
        except (EOFError, zlib.error) as error:
            raise OSError(f"{path} cannot be unpacked") from error
    return sha.hexdigest()[:16]


def sign(folder: Path, names: list[str]) -> None:
    """Writes down what these files of a folder hold, beside what is known of others there."""
    known = signed(folder) | {name: digest(folder / name) for name in names}
    write_text(folder / DIGESTS, json.dumps(known, indent=1))


def signed(folder: Path) -> dict[str, str]:
    """Name -> digest; empty where nothing has been finished."""
    try:
        return dict(json.loads((folder / DIGESTS).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return {}


def holds(path: Path, was: str) -> bool:
    """Is the file there, and what it was?"""
    try:
        return digest(path) == was
    except OSError:
        return False


def damaged(folder: Path) -> list[str]:
    """The files that are missing or no longer what was written."""
    return [name for name, was in signed(folder).items() if not holds(folder / name, was)]


def remove_damaged(folder: Path, together: bool = True) -> str:
    """Takes damaged files away, so that they are made again; returns what to say, or nothing.
    `together`: the folder counts as unfinished until all are made again.
    """
    if not (names := damaged(folder)):
        return ""
    kept = {name: was for name, was in signed(folder).items() if name not in names}
    write_text(folder / DIGESTS, json.dumps({} if together else kept, indent=1))
    for name in names:
        (folder / name).unlink(missing_ok=True)
    message = (
        mark("{folder}: {names} damaged or missing, made again (by training from the start)")
        if "checkpoint.pt" in names
        else mark("{folder}: {names} damaged or missing, made again")
    )
    return say(message, folder=folder, names=", ".join(names))
