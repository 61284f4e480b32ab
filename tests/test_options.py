"""Every option that data, lessons or pages name is one that a model knows: after a renaming in the
code, the old word is found wherever it is left.
"""

import ast
import hashlib
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tutorial_lib.experiments.rename import left_over, main, rename_option
from tutorial_lib.experiments.results import (
    RESULTS,
    read_ranks,
    read_results,
    read_suite,
    suite_names,
    suite_tables,
)
from tutorial_lib.models import MODELS, model_options

ROOT = Path(__file__).parents[1]
SIZES = {"num_items", "num_users", "max_len", "dim", "seed"}
ALL = {name for model in MODELS for name in model_options(model)}
LESSONS = sorted((ROOT / "notebooks" / "source").glob("*.py"))
PAGES = [
    path
    for pattern in ("*.md", "data/**/*.md", "notebooks/source/*.py")
    for path in sorted(ROOT.glob(pattern))
]


def tables(folder: Path = RESULTS) -> Iterator[tuple[str, pd.DataFrame]]:
    """Every committed table, with its name."""
    for path in sorted(folder.glob("*.csv")):
        yield path.stem, read_results(path.stem, folder)
    for name in suite_names(folder):
        for table in suite_tables(name, folder):
            yield f"{name}/{table}", read_suite(name, *table.split("/"), folder)


def unknown_in_tables(folder: Path = RESULTS) -> set[tuple[str, str, str]]:
    """(table, model, option) of every option that the model does not know."""
    found = set()
    for name, table in tables(folder):
        for row in table.to_dict("records"):
            named = json.loads(row["configuration"])["options"] if "configuration" in row else {}
            if isinstance(row.get("options"), str):
                named |= dict(pair.split("=") for pair in row["options"].split())
            found |= {
                (name, row["model"], option)
                for option in named
                if option not in model_options(row["model"])
            }
    for name in suite_names(folder):
        with zipfile.ZipFile(folder / "suite" / f"{name}.zip") as archive:
            for file in (file for file in archive.namelist() if file.endswith(".json")):
                for entry in json.loads(archive.read(file))["settings"]["entries"]:
                    found |= {
                        (f"{name}/{file}", entry["model"], option)
                        for option in entry["options"]
                        if option not in model_options(entry["model"])
                    }
    return found


def test_tables_name_only_options_that_their_model_knows():
    assert unknown_in_tables() == set()


def options_in(source: str) -> set[tuple[str, str]]:
    """(model or "", option) of the calls of build_model and of the strings "name=value ..." in the
    code of a lesson.
    """
    found = set()
    code = "\n".join(line for line in source.splitlines() if not re.match(r"\s*[%!]", line))
    for node in ast.walk(ast.parse(code)):
        text = str(node.value).strip() if isinstance(node, ast.Constant) else ""
        if re.fullmatch(r"\w+=[\w.+-]+( \w+=[\w.+-]+)*", text):
            found |= {("", pair.split("=")[0]) for pair in text.split()}
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "build_model":
            model = node.args[0].value if isinstance(node.args[0], ast.Constant) else ""
            found |= {(model, word.arg) for word in node.keywords if word.arg}
    return found


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda path: path.stem)
def test_lessons_name_only_known_options(lesson):
    unknown = {
        (model, option)
        for model, option in options_in(lesson.read_text(encoding="utf-8"))
        if option not in SIZES | (set(model_options(model)) if model in MODELS else ALL)
    }
    assert unknown == set()


def test_what_counts_as_an_option_in_a_lesson():
    code = "a[f'x=1 y=rk4 {z}'], f('z = 1'), build_model('mf', num_items=3, w=2)"
    assert options_in(code) == {("", "x"), ("", "y"), ("mf", "num_items"), ("mf", "w")}


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_commands_name_only_known_options(page):
    named = set(re.findall(r"--option[ =](\w+)=", page.read_text(encoding="utf-8")))
    assert named <= ALL


SOME = ("deepm3_control_temporal.csv", "mf_sample_temporal.csv", "suite/control.zip")


class TestRename:
    @pytest.fixture
    def renamed(self, tmp_path, monkeypatch) -> Path:
        """Two tables and a suite, with `flow` of DeepM3 called `motion`."""
        for name in (*SOME, *(f"ranks/{file.name}" for file in (RESULTS / "ranks").iterdir())):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_bytes((RESULTS / name).read_bytes())
        changed = rename_option("deepm3", "flow", "motion", tmp_path)
        assert changed[:2] == ["deepm3_control_temporal.csv", "suite/control.zip"]
        assert changed[2:] and all(name.startswith("ranks/") for name in changed[2:])
        return tmp_path

    def test_every_old_word_is_found(self, renamed):
        """The tables speak of an option that the code does not have: all of them are named."""
        found = unknown_in_tables(renamed)
        assert {(model, option) for _, model, option in found} == {("deepm3", "motion")}
        places = {name for name, _, _ in found}
        assert {"deepm3_control_temporal", "control/stability/runs"} < places
        assert sum(place.endswith("provenance.json") for place in places) == 7

    def test_only_the_name_has_changed(self, renamed):
        """Back again: the same bytes, digests in the provenance included."""
        text = (renamed / "deepm3_control_temporal.csv").read_text()
        assert "motion=decay query_time=True" in text and "flow=" not in text
        assert rename_option("deepm3", "motion", "flow", renamed)
        for name in SOME:
            assert (renamed / name).read_bytes() == (RESULTS / name).read_bytes()

    def test_digests_follow_and_ranks_are_found(self, renamed):
        with zipfile.ZipFile(renamed / "suite" / "control.zip") as archive:
            for file in (file for file in archive.namelist() if file.endswith(".json")):
                provenance = json.loads(archive.read(file))
                for made, was in provenance["outputs"].items():
                    if made.endswith(".csv"):
                        table = archive.read(f"{provenance['stage']}/{made}")
                        assert hashlib.sha256(table).hexdigest()[:16] == was
        runs = read_suite("control", "stability", "runs", renamed)["run"]
        assert len(read_ranks(runs.iloc[-1], renamed)) > 0

    def test_a_run_is_called_after_its_settings(self, renamed):
        """Names end in a digest of the settings, before and after; nothing else of them changes."""
        was = pd.read_csv(RESULTS / "deepm3_control_temporal.csv")
        now = pd.read_csv(renamed / "deepm3_control_temporal.csv")
        assert (was["run"] != now["run"]).all()
        for table in (was, now):
            digests = [hashlib.sha256(c.encode()).hexdigest()[:6] for c in table["configuration"]]
            assert list(table["run"].str.rpartition("_")[2]) == digests
        for before, after in zip(was["run"], now["run"], strict=True):
            assert np.array_equal(read_ranks(before).rank, read_ranks(after, renamed).rank)

    def test_another_model_keeps_its_option(self, renamed):
        assert rename_option("tisasrec", "motion", "flow", renamed) == []

    def test_what_is_left_to_edit(self, tmp_path):
        """Options in code, lessons and pages, and no other word."""
        for path, text in {
            "README.md": "x\n--option flow=decay",
            "notebooks/source/17_x.py": "build(flow='a')\nflow = 1\n{'flow': 2}\n# `flow=`",
            "tutorial_lib/experiments/stages/a.py": '{"flow": 1}',
            "studies/b.py": "overflow=1, flows=2",
        }.items():
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text(text)
        assert left_over("flow", tmp_path) == [
            "README.md: 2",
            "notebooks/source/17_x.py: 1, 3, 4",
            "tutorial_lib/experiments/stages/a.py: 1",
        ]

    def test_command(self, capsys):
        """It asks for a name that the code has; what no table holds changes nothing."""
        assert main(["deepm3", "flow", "motion"]) == 2
        assert "deepm3 knows no option 'motion'" in capsys.readouterr().err
        assert main(["unheard", "flow", "motion"]) == 2
        assert main(["deepm3", "motion", "flow"]) == 0
        assert "no table holds the option motion of deepm3" in capsys.readouterr().out
