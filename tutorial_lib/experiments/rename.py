"""Renames an option of a model in the committed results, after it was renamed in the code.

python -m tutorial_lib.experiments.rename MODEL OLD NEW

changes the columns `options` and `configuration` of every table of data/results and the settings of
the suites, and writes down the new digests of the tables that it changed. A run keeps its name,
which its ranks bear. Lessons, pages and code are yours to edit: the lines that have the old word as
an option are printed.
"""

import argparse
import hashlib
import json
import re
import sys
import zipfile
from io import BytesIO
from pathlib import Path

import pandas as pd

from tutorial_lib.errors import TutorialError
from tutorial_lib.experiments.results import RESULTS, write_suite
from tutorial_lib.experiments.runs import write_text
from tutorial_lib.models import model_options


def rename_option(model: str, old: str, new: str, folder: Path = RESULTS) -> list[str]:
    """Renames the option `old` of `model` to `new`; returns the names of the files that changed."""
    changed = []
    for path in sorted(folder.glob("*.csv")):
        text = path.read_text(encoding="utf-8")
        if (renamed := rename_in_table(text, model, old, new)) != text:
            write_text(path, renamed)
            changed.append(path.name)
    for path in sorted((folder / "suite").glob("*.zip")):
        with zipfile.ZipFile(path) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        if (renamed := rename_in_suite(members, model, old, new)) != members:
            write_suite(renamed, path)
            changed.append(f"suite/{path.name}")
    return changed


def left_over(old: str, root: Path = RESULTS.parents[1]) -> list[str]:
    """Where code, lessons or pages still say `old=`, "old": or --option old: "file: lines"."""
    option = re.compile(rf"""\b{re.escape(old)}=|["']{re.escape(old)}["']:""")
    found = []
    for folder in ("", "*/", "notebooks/source/", "tutorial_lib/**/", "tests/**/"):
        for path in {*root.glob(f"{folder}*.py"), *root.glob(f"{folder}*.md")}:
            lines = path.read_text(encoding="utf-8").splitlines()
            if numbers := [str(n) for n, line in enumerate(lines, 1) if option.search(line)]:
                found.append(f"{path.relative_to(root).as_posix()}: {', '.join(numbers)}")
    return sorted(set(found))


def rename_in_table(text: str, model: str, old: str, new: str) -> str:
    """A CSV table of runs, as text; whatever has no option of that name stays as it is."""
    table = pd.read_csv(BytesIO(text.encode()), dtype=str, keep_default_na=False)
    if not {"model", "configuration"} <= set(table):
        return text

    def settings(configuration: str) -> str:
        found = json.loads(configuration)
        if old not in found["options"]:
            return configuration
        found["options"] = _renamed(found["options"], old, new)
        return json.dumps(found, sort_keys=True)

    def chosen(options: str) -> str:
        pairs = dict(pair.split("=", 1) for pair in options.split())
        renamed = sorted(_renamed(pairs, old, new).items())
        return " ".join(f"{name}={value}" for name, value in renamed) if old in pairs else options

    for column, rename in (("configuration", settings), ("options", chosen)):
        if column in table:
            own = table["model"] == model
            table.loc[own, column] = table.loc[own, column].map(rename)
    return table.to_csv(index=False)


def rename_in_suite(members: dict[str, bytes], model: str, old: str, new: str) -> dict[str, bytes]:
    """The files of a suite's archive. The digest of a changed table changes in every provenance."""
    digests, renamed = {}, {}
    for name, content in members.items():
        if name.endswith(".csv"):
            renamed[name] = rename_in_table(content.decode(), model, old, new).encode()
            if renamed[name] != content:
                digests[_digest(content)] = _digest(renamed[name])
    for name, content in members.items():
        if name.endswith(".json"):
            provenance = json.loads(content)
            for entry in provenance["settings"]["entries"]:
                if entry["model"] == model:
                    entry["options"] = _renamed(entry["options"], old, new)
            for kind in ("inputs", "outputs"):
                files = provenance[kind].items()
                provenance[kind] = {file: digests.get(was, was) for file, was in files}
            if provenance != json.loads(content):
                content = json.dumps(provenance, indent=1).encode()
            renamed[name] = content
    return {name: renamed[name] for name in members}


def _renamed(options: dict[str, object], old: str, new: str) -> dict[str, object]:
    return {new if name == old else name: value for name, value in options.items()}


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tutorial_lib.experiments.rename", description=__doc__.split("\n")[0]
    )
    for word in ("model", "old", "new"):
        parser.add_argument(word)
    args = parser.parse_args(arguments)
    try:
        if args.new not in model_options(args.model):
            raise TutorialError(
                f"{args.model} knows no option {args.new!r}: rename it there first, then here"
            )
        changed = rename_option(args.model, args.old, args.new)
    except TutorialError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print("\n".join(changed) or f"no table holds the option {args.old} of {args.model}")
    if lines := left_over(args.old):
        print(f"lines that say {args.old} as an option, of whatever model:", *lines, sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
