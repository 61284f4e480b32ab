"""The command line from a data file to a row of the table; every error one line, nothing
half-written, resumed runs the same.
"""

import ast
import errno
import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from graphlib import TopologicalSorter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import tutorial_lib.experiments.runs as runs
import tutorial_lib.tasks as tasks
import tutorial_lib.train as loop
from tutorial_lib.data.datasets import load_dataset
from tutorial_lib.data.splits import make_split
from tutorial_lib.errors import TutorialError
from tutorial_lib.evaluate import Ranks, evaluate, summary
from tutorial_lib.experiments.__main__ import main
from tutorial_lib.experiments.results import read_ranks
from tutorial_lib.experiments.runs import Run, add_to_table, code_version, option_value
from tutorial_lib.experiments.training import execute
from tutorial_lib.knobs import knobs
from tutorial_lib.models import MODELS, build_model, model_options
from tutorial_lib.train import TrainConfig

PACKAGE = "tutorial_lib.experiments"
KNOWN = {
    ".".join(file.relative_to(Path(runs.__file__).parent).with_suffix("").parts)
    for file in Path(runs.__file__).parent.rglob("*.py")
}
VOLATILE = ["train_seconds", "wall_seconds"]


@pytest.fixture
def data(tmp_path) -> str:
    """A csv data set of 40 users and 30 items."""
    rng, rows = np.random.default_rng(0), []
    for user in range(40):
        times = 1_600_000_000 + rng.integers(0, 10**6) + np.cumsum(rng.integers(1, 10**5, 10))
        rows += [
            (user, item, time) for item, time in zip(rng.permutation(30)[:10], times, strict=True)
        ]
    pd.DataFrame(rows, columns=["user", "item", "timestamp"]).to_csv(
        tmp_path / "tiny.csv", index=False
    )
    return f"csv:{tmp_path / 'tiny.csv'}"


def arguments(data: str, folder: Path, model: str = "sasrec", *more: str) -> list[str]:
    sizes = ["--epochs", "2", "--max-len", "8", "--dim", "8", "--sampled", "5", "--quiet"]
    return ["train", "--model", model, "--dataset", data, "--out", str(folder), *sizes, *more]


def run_of(data: str, **changes) -> Run:
    return replace(Run("sasrec", data, max_len=8, dim=8, config=TrainConfig(epochs=2)), **changes)


def kept(row: dict) -> dict:
    return {name: value for name, value in row.items() if name not in VOLATILE}


class TestEndToEnd:
    def test_writes_result_ranks_history_and_table(self, data, tmp_path, capsys):
        table = tmp_path / "results" / "table.csv"
        assert (
            main(
                arguments(
                    data, tmp_path / "out", "sasrec", "--table", str(table), "--option", "heads=2"
                )
            )
            == 0
        )
        shown = capsys.readouterr()
        assert shown.err == "" and re.search(
            r"ndcg@10  0\.\d{4}  \[0\.\d{4}, 0\.\d{4}\]", shown.out
        )
        (folder,) = (tmp_path / "out").iterdir()
        assert sorted(os.listdir(folder)) == [
            "checkpoint.pt",
            "code_version",
            "config.toml",
            "digests.json",
            "history.csv",
            "ranks.csv.gz",
            "result.json",
        ]
        row = json.loads((folder / "result.json").read_text())
        (in_table,) = pd.read_csv(table).to_dict("records")
        for name in ("ndcg@10", "hr@10_low", "valid_hr@10", "sampled_ndcg@10"):
            assert in_table[name] == pytest.approx(row[name], rel=1e-5) and 0 <= row[name] <= 1
        assert row["ndcg@10_low"] <= row["ndcg@10"] <= row["ndcg@10_high"]
        assert (
            pd.read_csv(folder / "history.csv")["epoch"].tolist() == [1, 2] and row["epochs"] == 2
        )
        ranks, own = read_ranks(folder.name, table.parent), Ranks.read_csv(folder / "ranks.csv.gz")
        assert np.array_equal(ranks.rank, own.rank)
        assert (
            summary(ranks)["NDCG@10"] == row["ndcg@10"]
            and summary(ranks.sampled)["HR@10"] == row["sampled_hr@10"]
        )

    def test_numbers_are_those_of_the_model_that_was_kept(self, data, tmp_path):
        """Load the best weights by hand and evaluate them on the test part."""
        run = run_of(data)
        row = execute(run, tmp_path, progress=False, sampled=0)
        split = make_split(load_dataset(data))
        model = build_model("sasrec", num_items=30, max_len=8, dim=8)
        model.load_state_dict(
            torch.load(tmp_path / run.name / "checkpoint.pt", weights_only=True)["best"]
        )
        for part, prefix in (("test", ""), ("valid", "valid_")):
            means = summary(evaluate(model, split, part))
            assert (row[f"{prefix}ndcg@10"], row[f"{prefix}hr@10"]) == (
                means["NDCG@10"],
                means["HR@10"],
            )

    def test_provenance(self, data, tmp_path):
        run = run_of(data, split="leave_last_out", options={"dropout": 0.1})
        row = execute(run, tmp_path, progress=False, sampled=5)
        assert row["data_fingerprint"] == load_dataset(data).fingerprint and row["run"] == run.name
        assert (
            row["code_version"]
            == code_version()
            == (tmp_path / run.name / "code_version").read_text()
        )
        assert row["torch"] == torch.__version__ and row["threads"] == torch.get_num_threads()
        assert row["wall_seconds"] >= row["train_seconds"] > 0
        again = Run.from_configuration(row["configuration"])
        assert (
            again.configuration == run.configuration
            and again.config == run.config
            and again.name == run.name
        )
        settings = json.loads(row["configuration"])
        assert (
            settings["options"] == model_options("sasrec") | {"dropout": 0.1}
            and settings["split"] == "leave_last_out"
        )
        assert settings["config"]["epochs"] == 2 and settings["users"] is None
        assert row["parameters"] == sum(
            p.numel() for p in build_model("sasrec", num_items=30, max_len=8, dim=8).parameters()
        )

    def test_counting_models_and_few_items_to_sample(self, data, tmp_path):
        # 100 negatives of 30 items are not to be had
        row = execute(run_of(data, model="popularity"), tmp_path, progress=False)
        assert row["sampled_hr@10"] is None and row["loss"] == "counts" and row["hr@10"] > 0
        table = tmp_path / "table.csv"
        add_to_table(row, table)
        assert np.isnan(pd.read_csv(table)["sampled_hr@10"]).all()

    def test_every_setting_has_its_own_name(self, data):
        base = run_of(data)
        others = [
            run_of(data, dim=16),
            run_of(data, options={"heads": 2}),
            run_of(data, users=20),
            run_of(data, config=TrainConfig(epochs=3)),
            run_of(data, config=TrainConfig(epochs=2, seed=1)),
            run_of("csv:/elsewhere/tiny.csv"),
        ]
        assert len({run.name for run in (base, *others)}) == 7
        assert run_of(data, options={"heads": 1}).name == base.name  # the default, said aloud
        assert re.fullmatch(r"tiny.csv_temporal_sasrec_ce_seed0_[0-9a-f]{6}", base.name)


def test_the_twin_without_a_clock_is_one_run(data, tmp_path):
    """clock="none" trains the very model that the twin is."""
    rows = {}
    for model, options, clock in (
        ("tisasrec", {"query_time": True, "dropout": 0.0}, "none"),
        ("sasrec", {"dropout": 0.0}, "real"),
        ("tisasrec", {"query_time": True, "dropout": 0.0}, "real"),
    ):
        run = run_of(data, model=model, options=options, clock=clock)
        assert Run.from_configuration(run.configuration).name == run.name
        rows[model, clock] = execute(run, tmp_path, progress=False, device="cpu")
    twin, same, timed = rows.values()
    alike = ("ndcg@10", "valid_ndcg@10", "parameters", "best_epoch")
    assert [twin[name] for name in alike] == [same[name] for name in alike]
    assert twin["parameters"] != timed["parameters"]
    assert (twin["model"], twin["clock"], twin["options"]) == ("tisasrec", "none", timed["options"])


class TestAgain:
    def test_a_finished_run_is_evaluated_and_not_trained_again(
        self, data, tmp_path, monkeypatch, capsys
    ):
        table = tmp_path / "table.csv"
        call = arguments(data, tmp_path / "out", "sasrec", "--table", str(table))
        assert main(call) == 0
        first = pd.read_csv(table)
        monkeypatch.setattr(
            loop, "train_epoch", lambda *args, **kwargs: pytest.fail("trained again")
        )
        assert main(call) == 0
        second = pd.read_csv(table)
        assert len(second) == 1  # the row was replaced
        pd.testing.assert_frame_equal(
            first.drop(columns="wall_seconds"), second.drop(columns="wall_seconds")
        )

    @pytest.mark.parametrize("dies", ["train_epoch", "validate"])
    def test_same_result_after_a_kill(self, dies, data, tmp_path, monkeypatch, capsys):
        config = TrainConfig(epochs=4, batch_size=8, learning_rate=0.01, averaging=0.9)
        whole = execute(run_of(data, config=config), tmp_path / "whole", progress=False, sampled=5)
        sizes = [
            "--epochs",
            "4",
            "--batch-size",
            "8",
            "--learning-rate",
            "0.01",
            "--averaging",
            "0.9",
        ]
        call, calls, original = (
            arguments(data, tmp_path / "cut", "sasrec", *sizes),
            0,
            getattr(home := {"train_epoch": loop, "validate": tasks}[dies], dies),
        )

        def dying(*args, **kwargs):
            nonlocal calls
            calls += 1
            if calls == 3:
                raise KeyboardInterrupt
            return original(*args, **kwargs)

        with monkeypatch.context() as patch:
            patch.setattr(home, dies, dying)
            assert main(call) == 130
        message = capsys.readouterr().err
        assert (
            message.startswith("stopped; the same command goes on where it was cut")
            and message.count("\n") == 1
        )
        resumed = execute(run_of(data, config=config), tmp_path / "cut", progress=False, sampled=5)
        assert kept(resumed) == kept(whole)
        folders = [tmp_path / name / resumed["run"] for name in ("cut", "whole")]
        ranks = [pd.read_csv(folder / "ranks.csv.gz") for folder in folders]
        pd.testing.assert_frame_equal(*ranks)
        histories = [
            pd.read_csv(folder / "history.csv").drop(columns="seconds") for folder in folders
        ]
        pd.testing.assert_frame_equal(*histories)

    def test_changed_code_shows(self, data, tmp_path, monkeypatch):
        """A model trained by one version and evaluated by another must not pass for the work of the
        second.
        """
        monkeypatch.setattr(runs, "code_version", lambda: "1234567e89")
        execute(run_of(data), tmp_path, progress=False, sampled=0)
        monkeypatch.setattr(runs, "code_version", lambda: "abcdef0123-changed")
        for _ in range(2):
            row = execute(run_of(data), tmp_path, progress=False, sampled=0)
            assert row["code_version"] == "1234567e89 abcdef0123-changed"

    def test_code_version_tells_changes(self, tmp_path, monkeypatch):
        """In a repository of its own: a commit, then a change, then no repository at all."""
        package = tmp_path / "repository" / "library"
        package.mkdir(parents=True)
        (package / "__init__.py").write_text("")
        git = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-C", str(package.parent)]
        for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "first"]):
            subprocess.run([*git, *words], check=True)
        monkeypatch.setattr(runs.tutorial_lib, "__file__", str(package / "__init__.py"))
        commit = code_version()
        assert re.fullmatch("[0-9a-f]{10}", commit)
        (package.parent / "README.md").write_text("not the library")
        assert code_version() == commit
        (package / "new.py").write_text("")
        assert code_version() == f"{commit}-changed"
        monkeypatch.setattr(runs.tutorial_lib, "__file__", str(tmp_path / "__init__.py"))
        monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
        assert code_version() == "unknown"


class TestTable:
    def row(self, **changes) -> dict:
        row = {
            "dataset": "d",
            "split": "s",
            "model": "sasrec",
            "loss": "ce",
            "seed": 0,
            "ndcg@10": 0.123456789,
            "run": "a",
        }
        return row | {"code_version": "1234567e89", "parameters": 12_345_678} | changes

    def test_order_of_arrival_leaves_no_trace_and_other_rows_stay(self, tmp_path):
        rows = [self.row(run=f"r{seed}", seed=seed) for seed in (2, 10, 1)] + [
            self.row(model="gru4rec", run="g", extra=None)
        ]
        one, two = tmp_path / "one.csv", tmp_path / "two.csv"
        for row in rows:
            add_to_table(row, one)
        for row in rows[::-1]:
            add_to_table(row, two)
        frame = pd.read_csv(one, dtype=str)
        assert frame["run"].tolist() == ["g", "r1", "r2", "r10"] == pd.read_csv(two)["run"].tolist()
        assert set(frame["code_version"]) == {"1234567e89"} and set(frame["parameters"]) == {
            "12345678"
        }
        lines = one.read_text().splitlines()
        add_to_table(self.row(run="r2", seed=2, **{"ndcg@10": 0.5}), one)
        changed = one.read_text().splitlines()
        assert [a == b for a, b in zip(lines, changed, strict=True)] == [
            True,
            True,
            True,
            False,
            True,
        ]

    @pytest.mark.parametrize("content", ["", "a,b\n1,2\n", '"'])
    def test_another_kind_of_file_is_left_alone(self, content, tmp_path):
        table = tmp_path / "mine.csv"
        table.write_text(content)
        with pytest.raises(TutorialError, match="mine.csv is not a table of results"):
            add_to_table(self.row(), table)
        assert table.read_text() == content and os.listdir(tmp_path) == ["mine.csv"]


def test_documented_commands_make_the_committed_runs(monkeypatch):
    """A command of data/results/README.md leads to the run of that name in the committed table."""
    seen = []

    def caught(run, *args, **kwargs):
        seen.append(run.name)
        raise TutorialError("far enough")

    monkeypatch.setattr("tutorial_lib.experiments.__main__.execute", caught)
    sizes = "--max-len 60 --option dropout=0.1 --epochs 10 --batch-size 32 --schedule cosine"
    for model in ("sasrec --loss ce", "sasrec --loss bce", "gru4rec --loss ce"):
        call = f"train --quiet --model {model} {sizes} --learning-rate 0.003 --seed 4"
        assert main(call.split()) == 2
    assert main(["train", "--model", "markov", "--max-len", "60"]) == 2
    table = Path(runs.tutorial_lib.__file__).parent.parent / "data/results/sample_temporal.csv"
    assert len(set(seen)) == 4 and set(seen) <= set(pd.read_csv(table)["run"])


def test_no_circle_and_nothing_hidden():
    """The modules of the experiments import each other in one order, and none by a text."""
    folder, imports = Path(runs.__file__).parent, {}
    for file in folder.rglob("*.py"):
        text = file.read_text(encoding="utf-8")
        assert "import_module" not in text, file.name
        name = ".".join(file.relative_to(folder).with_suffix("").parts)
        imports[name] = set()
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ImportFrom) and node.module.startswith(PACKAGE):
                inside = node.module.removeprefix(PACKAGE).lstrip(".")
                parts = [f"{inside}.{alias.name}".lstrip(".") for alias in node.names]
                imports[name] |= {part if part in KNOWN else inside for part in parts}
    assert {"stages.report", "stages.fresh", "comparison"} <= imports["suite"]
    assert list(TopologicalSorter(imports).static_order())  # raises CycleError


class TestErrors:
    def refused(self, call: list[str], capsys, *words: str) -> None:
        assert main(call) == 2
        shown = capsys.readouterr()
        assert shown.out == "" and shown.err.startswith("error: ") and shown.err.count("\n") == 1
        for word in words:
            assert word in shown.err

    @pytest.mark.parametrize(
        ("more", "words"),
        [
            (["--model", "sasrek"], ["unknown model 'sasrek'; known are popularity, markov"]),
            (
                ["--option", "heats=2"],
                ["sasrec has no option 'heats'; it knows blocks, heads, hidden, dropout"],
            ),
            (["--option", "heads"], ["'heads' is not NAME=VALUE"]),
            (
                ["--option", "heads=two"],
                ["option heads of sasrec: wants a whole number, got 'two'"],
            ),
            (["--option", "heads=3"], ["the width 8 cannot be split into 3 equal heads"]),
            (["--option", "dropout=1.5"], ["dropout must be at least 0 and below 1, got 1.5"]),
            (["--loss", "mse"], ["unknown loss 'mse'; known are ce"]),
            (
                ["--model", "lrurec", "--option", "query_time=ture"],
                ["option query_time of lrurec: wants true or false, got 'ture'"],
            ),
            (["--option", "hidden=big"], ["option hidden of sasrec: wants a whole number or none"]),
            (
                ["--option", "dropout=nan"],
                ["option dropout of sasrec: dropout must be a number, got nan"],
            ),
            (
                ["--clock", "broken"],
                ["unknown clock 'broken'; known are real, shuffled, constant, none"],
            ),
            (["--split", "random"], ["unknown split 'random'; known are temporal, leave_last_out"]),
            (["--users", "0"], ["users must be a whole number of at least 1, got 0"]),
            (["--users", "many"], ["--users: wants a whole number or none, got 'many'"]),
            (["--sampled", "-1"], ["sampled must be a whole number of at least 0, got -1"]),
            (["--epochs", "1e3"], ["--epochs: wants a whole number, got '1e3'; see python -m"]),
            (["--learning-rate", "fast"], ["--learning-rate: wants a number, got 'fast'"]),
            (["--filter-seen", "maybe"], ["--filter-seen: wants true or false or none"]),
            (["--dim", "0"], ["dim must be a whole number of at least 1"]),
            (["--max-len", "-1"], ["max_len must be a whole number of at least 1"]),
            (["--epochs", "0"], ["epochs must be a whole number of at least 1"]),
            (["--device", "tpu"], ["device 'tpu' is not available here"]),
        ],
    )
    def test_settings_are_checked_before_the_data_are_read(
        self, more, words, data, tmp_path, capsys, monkeypatch
    ):
        monkeypatch.setattr(
            runs, "load_dataset", lambda *args, **kwargs: pytest.fail("read the data first")
        )
        self.refused(arguments(data, tmp_path / "out", "sasrec", *more), capsys, *words)
        assert not (tmp_path / "out").exists()

    @pytest.mark.parametrize(
        ("more", "words"),
        [
            (["--dataset", "ml-1mm"], ["ml-1mm", "ml-1m"]),
            (["--dataset", "csv:nowhere.csv"], ["nowhere.csv"]),
        ],
    )
    def test_data_errors(self, more, words, data, tmp_path, capsys):
        self.refused(arguments(data, tmp_path / "out", "sasrec", *more), capsys, *words)
        assert not (tmp_path / "out").exists()

    def test_out_is_no_folder(self, data, tmp_path, capsys, monkeypatch):
        monkeypatch.setattr(
            loop, "train_epoch", lambda *args, **kwargs: pytest.fail("trained for nothing")
        )
        (tmp_path / "out").write_text("a file")
        for model in ("sasrec", "popularity"):
            self.refused(
                arguments(data, tmp_path / "out", model),
                capsys,
                "could not write",
                "choose another folder",
            )
        assert (tmp_path / "out").read_text() == "a file"

    @pytest.mark.parametrize("when", ["at the start", "at the end", "at the table"])
    def test_full_disk(self, when, data, tmp_path, capsys, monkeypatch):
        """os.replace fails for the first file, for result.json or for the table: no .part stays,
        what was whole stays whole.
        """
        name = {
            "at the start": "code_version",
            "at the end": "result.json",
            "at the table": "table.csv",
        }[when]
        original = os.replace

        def full(source, target):
            if Path(target).name == name:
                raise OSError(errno.ENOSPC, "No space left on device")
            original(source, target)

        monkeypatch.setattr(os, "replace", full)
        call = arguments(data, tmp_path / "out", "sasrec", "--table", str(tmp_path / "table.csv"))
        self.refused(call, capsys, "No space left on device", "free some space")
        files = [path.name for path in tmp_path.rglob("*")]
        assert name not in files and not any(file.endswith(".part") for file in files)
        monkeypatch.undo()
        assert main(call) == 0 and len(pd.read_csv(tmp_path / "table.csv")) == 1

    def test_interrupted_before_the_first_epoch(self, data, tmp_path, capsys, monkeypatch):
        def stop(*args, **kwargs):
            raise KeyboardInterrupt

        monkeypatch.setattr(runs, "load_dataset", stop)
        assert main(arguments(data, tmp_path / "out")) == 130


class TestHelp:
    def test_every_setting_is_explained(self, capsys):
        with pytest.raises(SystemExit) as caught:
            main(["train", "--help"])
        shown = " ".join(capsys.readouterr().out.split())
        assert caught.value.code == 0
        for owner in (Run, TrainConfig):
            for name, item in knobs(owner).items():
                assert "--" + name.replace("_", "-") in shown
                assert " ".join(item.metadata["help"].split()) in shown
        assert "(default: 0.001)" in shown and ", ".join(MODELS) in shown

    @pytest.mark.parametrize(
        ("call", "words"),
        [
            ([], "the following arguments are required: COMMAND"),
            (
                ["evaluate"],
                "invalid choice: 'evaluate' (choose from 'train', 'suite', 'clock', 'worker', 'test')",
            ),
            (["train"], "no model is named: give --model with one of popularity"),
            (["train", "--model", "sasrec", "--epochs"], "--epochs: expected one argument"),
            (["train", "--modle", "sasrec"], "unrecognized arguments: --modle sasrec"),
        ],
    )
    def test_wrong_use_is_one_sentence_and_exits_with_2(self, call, words, capsys):
        assert main(call) == 2
        shown = capsys.readouterr().err
        assert shown.startswith("error: ") and words in shown and shown.count("\n") == 1

    def test_as_a_module(self):
        """The real command, in a process of its own."""
        command = [sys.executable, "-m", "tutorial_lib.experiments"]
        shown = subprocess.run([*command, "--help"], capture_output=True, text=True)
        assert shown.returncode == 0 and "train one model" in shown.stdout
        wrong = subprocess.run(
            [*command, "train", "--model", "sasrek"], capture_output=True, text=True
        )
        assert (
            wrong.returncode == 2
            and wrong.stderr.startswith("error: unknown model")
            and wrong.stderr.count("\n") == 1
        )

    def test_options_are_typed_like_their_defaults(self):
        assert option_value("sasrec", "heads", "2") == 2
        assert option_value("sasrec", "hidden", "32") == 32
        assert option_value("sasrec", "hidden", "none") is None
        dropout = option_value("sasrec", "dropout", "0")
        assert dropout == 0.0 and isinstance(dropout, float)
        for text, value in (("true", True), ("No", False), ("1", True), ("0", False)):
            assert option_value("lrurec", "query_time", text) is value
        with pytest.raises(TutorialError, match="must be true or false, got 1"):
            option_value("lrurec", "query_time", 1)
