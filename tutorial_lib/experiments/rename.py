"""Renames an option of a model in the committed results, after it was renamed in the code.

python -m tutorial_lib.experiments.rename MODEL OLD NEW

changes the columns `options` and `configuration` of every table of data/results and the settings of
the suites, and writes down the new digests of the tables that it changed. The name of a run ends in
a digest of its settings: it follows, in the tables and in the ranks, so that the documented
commands lead to the committed runs. Lessons, pages and
code are yours to edit: the lines that have the old word as an option are printed.
"""

import hashlib
import json
import re
import sys
import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd

from tutorial_files.commands import Parser
from tutorial_lib.errors import TutorialError
from tutorial_lib.experiments.results import RESULTS, write_ranks, write_suite
from tutorial_lib.experiments.runs import write_text
from tutorial_lib.language import say
from tutorial_lib.models import model_options


def rename_option(model: str, old: str, new: str, folder: Path = RESULTS) -> list[str]:
    """Renames the option `old` of `model` to `new`; returns the names of the files that changed."""
    tables = {path: path.read_bytes() for path in sorted(folder.glob("*.csv"))}
    suites = {}
    for path in sorted((folder / "suite").glob("*.zip")):
        with zipfile.ZipFile(path) as archive:
            suites[path] = {name: archive.read(name) for name in archive.namelist()}
    members = [item for files in suites.values() for item in files.items()]
    contents = [*tables.values(), *(text for name, text in members if name.endswith(".csv"))]
    names = {}
    for content in contents:
        names |= new_names(content.decode(), model, old, new)
    changed = []
    for path, content in tables.items():
        if (
            renamed := rename_in_table(content.decode(), model, old, new, names)
        ) != content.decode():
            write_text(path, renamed)
            changed.append(path.name)
    for path, files in suites.items():
        if (renamed := rename_in_suite(files, model, old, new, names)) != files:
            write_suite(renamed, path)
            changed.append(f"suite/{path.name}")
    for path in sorted((folder / "ranks").glob("*.npz")):
        with np.load(path) as archive:
            held = dict(archive)
        if names.keys() & held:
            write_ranks({names.get(run, run): rows for run, rows in held.items()}, path)
            changed.append(f"ranks/{path.name}")
    return changed


def new_names(text: str, model: str, old: str, new: str) -> dict[str, str]:
    """Of the runs in a table: the name that follows from the renamed settings. A name that did not
    follow from the settings before stays.
    """
    table = _table(text)
    if not {"model", "configuration", "run"} <= set(table):
        return {}
    own, found = table[table["model"] == model], {}
    for run, configuration in zip(own["run"], own["configuration"], strict=True):
        start, _, digest = run.rpartition("_")
        renamed = rename_settings(configuration, old, new)
        if renamed != configuration and digest == _digest(configuration.encode())[:6]:
            found[run] = f"{start}_{_digest(renamed.encode())[:6]}"
    return found


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


def rename_settings(configuration: str, old: str, new: str) -> str:
    """The settings of a run, as JSON."""
    found = json.loads(configuration)
    if old not in found["options"]:
        return configuration
    found["options"] = _renamed(found["options"], old, new)
    return json.dumps(found, sort_keys=True)


def _table(text: str) -> pd.DataFrame:
    return pd.read_csv(BytesIO(text.encode()), dtype=str, keep_default_na=False)


def _with_names(text: str, names: dict[str, str]) -> str:
    found = re.compile("|".join(map(re.escape, sorted(names, reverse=True))))
    return found.sub(lambda match: names[match[0]], text) if names else text


def rename_in_table(text: str, model: str, old: str, new: str, names: dict[str, str]) -> str:
    """A CSV table, as text; whatever has no option and no run of that name stays as it is."""
    table = _table(text)
    if {"model", "configuration"} <= set(table):

        def chosen(options: str) -> str:
            pairs = dict(pair.split("=", 1) for pair in options.split())
            renamed = sorted(_renamed(pairs, old, new).items())
            as_text = " ".join(f"{name}={value}" for name, value in renamed)
            return as_text if old in pairs else options

        own = table["model"] == model
        settings = table.loc[own, "configuration"].map(lambda c: rename_settings(c, old, new))
        if not settings.equals(table.loc[own, "configuration"]):
            table.loc[own, "configuration"] = settings
            if "options" in table:
                table.loc[own, "options"] = table.loc[own, "options"].map(chosen)
            text = table.to_csv(index=False)
    return _with_names(text, names)


def rename_in_suite(
    members: dict[str, bytes], model: str, old: str, new: str, names: dict[str, str]
) -> dict[str, bytes]:
    """The files of a suite's archive. The digest of a changed table changes in every provenance."""
    digests, renamed = {}, {}
    for name, content in members.items():
        if name.endswith(".csv"):
            text = rename_in_table(content.decode(), model, old, new, names)
            renamed[name] = text.encode()
            if renamed[name] != content:
                digests[_digest(content)[:16]] = _digest(renamed[name])[:16]
    for name, content in members.items():
        if name.endswith(".json"):
            provenance = json.loads(_with_names(content.decode(), names))
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
    return hashlib.sha256(content).hexdigest()


def main(arguments: list[str] | None = None) -> int:
    parser = Parser(
        prog="python -m tutorial_lib.experiments.rename",
        description=say(
            "Renames an option of a model in the committed results, after it was renamed in the"
            " code."
        ),
    )
    for word in ("model", "old", "new"):
        parser.add_argument(word)
    try:
        args = parser.parse_args(arguments)
        if args.new not in model_options(args.model):
            raise TutorialError(
                "{model} knows no option {new!r}: rename it there first, then here",
                model=args.model,
                new=args.new,
            )
        changed = rename_option(args.model, args.old, args.new)
    except TutorialError as error:
        print(say("error: {error}", error=error), file=sys.stderr)
        return 2
    print(
        "\n".join(changed)
        or say("no table holds the option {old} of {model}", old=args.old, model=args.model)
    )
    if lines := left_over(args.old):
        print(
            say("lines that say {old} as an option, of whatever model:", old=args.old),
            *lines,
            sep="\n",
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
