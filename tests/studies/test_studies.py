"""The studies stand above the library, and each says how its table is made."""

import ast
import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STUDIES = sorted(path.stem for path in (ROOT / "studies").glob("[!_]*.py"))
COMMANDS = [name for name in STUDIES if name != "entropy"]  # the estimators of entropy_facts


def imports(path: Path) -> set[str]:
    """The top-level packages that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {name.name.partition(".")[0] for name in node.names}
        if isinstance(node, ast.ImportFrom):
            found.add((node.module or "").partition(".")[0])
    return found


def test_the_library_knows_nothing_of_the_studies():
    users = [path for path in (ROOT / "tutorial_lib").rglob("*.py") if "studies" in imports(path)]
    assert users == []
    assert "studies" in imports(ROOT / "studies" / "entropy_facts.py")


@pytest.mark.parametrize("name", COMMANDS)
def test_each_study_has_its_command(name):
    study = importlib.import_module(f"studies.{name}")
    assert f"python -m studies.{name}" in study.__doc__ and callable(study.main)


def test_each_fact_has_its_command():
    page = (ROOT / "data" / "facts" / "README.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\S+\.csv)` .* `python -m ([\w.]+)", page, re.MULTILINE))
    assert sorted(rows) == sorted(path.name for path in (ROOT / "data" / "facts").glob("*.csv"))
    studies = {command.removeprefix("studies.") for command in rows.values()} - {
        "tutorial_lib.serving.drift"
    }
    assert sorted(studies) == COMMANDS
