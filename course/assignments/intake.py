"""What students hand in, whatever form it arrives in: found, read and put where nbgrader looks, or a
note that says what is wrong with it.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import nbformat

from course.lessons import write_atomically
from tutorial_files.language import mark

LARGEST = 50 * 2**20  # bytes of a notebook
NOTES = {
    "nothing": mark("There is no notebook in this folder, only: {files}. Hand in {name}.ipynb."),
    "empty": mark("{file} is empty (0 bytes): the upload failed. Hand it in again."),
    "page": mark(
        "{file} is a web page, not a notebook: save the file itself, not the page that shows it."
    ),
    "cut": mark(
        "{file} is no complete notebook (its JSON breaks off or is damaged at line {line}): hand"
        " it in again."
    ),
    "other": mark("{file} is not a notebook of Jupyter: hand in {name}.ipynb."),
    "large": mark("{file} is larger than 50 MB: clear the outputs, save, and hand it in again."),
    "several": mark(
        "There are several different notebooks ({files}) and none is called {name}.ipynb: hand in"
        " one."
    ),
    "zip": mark("{file} is no readable zip file: hand in {name}.ipynb itself."),
    "renamed": mark("Graded {file}, which should have been called {name}.ipynb."),
    "link": mark(
        "{file} is a link and not a file; links are not followed. Hand in the file itself."
    ),
    "unknown": mark("No assignment called {name} was handed out."),
    "astray": mark(
        "{file} lies outside an assignment's folder and has no name of an assignment: put it into"
        " submitted/STUDENT/ASSIGNMENT/."
    ),
}


@dataclass(frozen=True)
class Submission:
    """One student's work on one assignment: where it lies, and a digest of all of it."""

    assignment: str
    student: str
    files: tuple[Path, ...]
    digest: str


def plain_name(text: str) -> str:
    """The name of an assignment from that of a file: without "(1)", "-Copy1", " - Kopie", " 2"."""
    return re.sub(r"(?i)[ _-]*(\(\d+\)|copy\s*\d*|kopie\s*\d*|副本\s*\d*|\s\d+)$", "", text).strip()


def submissions(folder: Path) -> tuple[list[Submission], dict[tuple[str, str], tuple[str, dict]]]:
    """All that lies in submitted/, and what is there but belongs to no assignment, with the reason."""
    released = {path.name for path in (folder / "release").glob("*") if path.is_dir()}
    groups: dict[tuple[str, str], list[Path]] = {}
    astray: dict[tuple[str, str], tuple[str, dict]] = {}
    for student in sorted((folder / "submitted").glob("*")):
        if student.name == "__MACOSX" or student.name.startswith("."):
            continue  # what a Mac adds to a zip file: nobody's work
        if not student.is_dir():
            astray["", student.name] = ("astray", {"file": student.name})
            continue
        for part in sorted(student.iterdir()):
            if part.name == "__MACOSX" or part.name.startswith("."):
                continue
            name = part.name if part.is_dir() else plain_name(part.stem)
            if part.is_dir() and name not in released and plain_name(name) in released:
                name = plain_name(name)
            if not part.is_dir() and name not in released:
                astray[part.name, student.name] = ("astray", {"file": part.name})
            elif name not in released:
                astray[part.name, student.name] = ("unknown", {"name": part.name})
            else:
                groups.setdefault((name, student.name), []).append(part)
    found = []
    for (assignment, student), parts in groups.items():
        files = [f for part in parts for f in ([part] if not part.is_dir() else inside(part))]
        digest = hashlib.sha256()
        for file in files:
            digest.update(str(file.relative_to(folder)).encode() + b"\0")
            digest.update(b"link" if file.is_symlink() else file.read_bytes())
        found.append(Submission(assignment, student, tuple(files), digest.hexdigest()))
    return found, astray


def inside(folder: Path) -> list[Path]:
    """The files of a folder and its folders, without what editors and Macs leave there; a link is
    listed and never followed."""
    files = []
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name in ("__MACOSX", "__pycache__"):
            continue
        if path.is_dir() and not path.is_symlink():
            files += inside(path)
        else:
            files.append(path)
    return files


def collect(one: Submission, folder: Path) -> tuple[bool, str | None, dict]:
    """Put the notebook of a submission where nbgrader looks (collected/). Returns whether there is
    one, and a note, by name and values, or None.
    """
    target = folder / "collected" / one.student / one.assignment
    shutil.rmtree(target, ignore_errors=True)
    candidates, problem = {}, None
    for file in one.files:
        shown = file.name
        if file.is_symlink():
            problem = problem or ("link", {"file": shown})
        elif file.suffix.lower() == ".ipynb":
            if file.stat().st_size > LARGEST:
                problem = problem or ("large", {"file": shown})
            else:
                candidates[shown] = file.read_bytes()
        elif file.suffix.lower() == ".zip":
            try:
                candidates |= of_zip(file)
            except (zipfile.BadZipFile, RuntimeError, NotImplementedError, OSError):
                problem = problem or ("zip", {"file": shown})
    wanted = f"{one.assignment}.ipynb"
    readable, reasons = {}, {}
    for shown, data in candidates.items():
        try:
            readable[shown] = read_notebook(data)
        except ValueError as error:
            reasons[shown] = error.args
    if wanted in readable:
        chosen = wanted
    elif len({nbformat.writes(nb) for nb in readable.values()}) == 1:
        chosen = min(readable)
    elif len(readable) > 1:
        return False, "several", {"files": ", ".join(sorted(readable)), "name": one.assignment}
    elif reasons:
        shown = wanted if wanted in reasons else min(reasons)
        kind, values = reasons[shown]
        return False, kind, {"file": shown, "name": one.assignment} | values
    elif problem:
        return False, problem[0], {"name": one.assignment} | problem[1]
    else:
        files = ", ".join(file.name for file in one.files[:5]) or "-"
        return False, "nothing", {"files": files, "name": one.assignment}
    write_atomically({target / wanted: nbformat.writes(readable[chosen]) + "\n"})
    if chosen != wanted:
        return True, "renamed", {"file": chosen, "name": one.assignment}
    return True, None, {}


def of_zip(file: Path) -> dict[str, bytes]:
    """The notebooks in a zip file, by their bare names."""
    found = {}
    with zipfile.ZipFile(file) as archive:
        for entry in archive.infolist()[:1000]:
            path = PurePosixPath(entry.filename.replace("\\", "/"))
            hidden = any(part.startswith((".", "__MACOSX")) for part in path.parts)
            if path.suffix.lower() == ".ipynb" and not hidden and entry.file_size <= LARGEST:
                with archive.open(entry) as data:  # the size in the head may be a lie
                    found[path.name] = data.read(LARGEST + 1)
    return {name: data for name, data in found.items() if len(data) <= LARGEST}


def read_notebook(data: bytes) -> nbformat.NotebookNode:
    """A notebook from bytes; ValueError(name of a note, its values) where it is none."""
    if not data.strip(b"\0\r\n\t "):
        raise ValueError("empty", {})
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        raise ValueError("other", {}) from None
    if text.lstrip().startswith("<"):
        raise ValueError("page", {})
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        if not text.lstrip().startswith("{"):
            raise ValueError("other", {}) from None
        raise ValueError("cut", {"line": getattr(error, "lineno", 1)}) from None
    try:
        notebook = nbformat.reads(json.dumps(found), as_version=4)
        for cell in notebook.cells:
            if not (isinstance(cell.source, str) and isinstance(cell.metadata, dict)):
                raise ValueError("cell")
        nbformat.validator.normalize(notebook)
        nbformat.validate(notebook)
    except Exception:  # whatever nbformat makes of what is no notebook
        raise ValueError("other", {}) from None
    return notebook
