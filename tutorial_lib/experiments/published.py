"""The report of a committed suite, in the reader's language."""

import json
import re
import zipfile
from pathlib import Path

import pandas as pd

from tutorial_lib.experiments.results import RESULTS, short_report
from tutorial_lib.experiments.stages.report import ABOUT, READS, Chapter, compose
from tutorial_lib.experiments.stages.shared import Stage
from tutorial_lib.language import language, retold, say


def read_report(name: str, folder: Path = RESULTS) -> str:
    """`folder`/suite/NAME.md as it is, or in Chinese: composed again from the tables in its
    archive. What only the data could tell, their sizes and the ceiling, comes from the English
    sentences.
    """
    english = (folder / "suite" / f"{name}.md").read_text(encoding="utf-8")
    return english if language() == "en" else retell_report(english, name, folder)


def retell_report(english: str, name: str, folder: Path = RESULTS) -> str:
    """The report of a suite composed from its archive, whatever the language in use."""
    head = english.partition("\n## ")[0]
    about = [retold(line, *ABOUT) for line in re.findall("^- (.*)$", head, re.M)]
    with zipfile.ZipFile(folder / "suite" / f"{name}.zip") as archive:
        chapters = [read_archived(archive, one) for one in READS]
    settings = next(one.provenance["settings"] for one in chapters if one.provenance)
    page, _ = compose(settings["dataset"], about, chapters, settings)
    return short_report(page, name)


def read_archived(archive: zipfile.ZipFile, one: Stage) -> Chapter:
    """What an archive holds of a stage."""
    members = [file for file in archive.namelist() if file.startswith(f"{one.name}/")]
    if f"{one.name}/provenance.json" not in members:
        return Chapter(one, fault=say("This stage has not been run."))
    tables = {
        Path(file).stem: pd.read_csv(archive.open(file))
        for file in sorted(members)
        if file.endswith(".csv")
    }
    return Chapter(one, json.loads(archive.read(f"{one.name}/provenance.json")), tables)
