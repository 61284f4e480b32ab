"""Damaged files of finished runs are found, named and made again; finished runs are continued and
tested again; what is written for people and tools reads back.
"""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.figure import Figure

import tutorial_lib.distributed as distributed
import tutorial_lib.train as loop
from tutorial_lib.errors import TutorialError
from tutorial_lib.evaluate import Ranks
from tutorial_lib.experiments.__main__ import main
from tutorial_lib.experiments.comparison import Suite
from tutorial_lib.experiments.digests import DIGESTS, damaged, signed
from tutorial_lib.experiments.runs import Run, read_run
from tutorial_lib.experiments.stages import work
from tutorial_lib.experiments.stages.lineup import Entry
from tutorial_lib.experiments.suite import run_suite
from tutorial_lib.experiments.training import FILES, execute, finished
from tutorial_lib.train import TrainConfig

SECONDS = ("train_seconds", "wall_seconds")
KILLS = Path(__file__).with_name("kills.py")


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> str:
    rng, rows = np.random.default_rng(0), []
    for user in range(50):
        times = 1_600_000_000 + np.cumsum(np.exp(rng.normal(9, 2, 9)).astype(int))
        rows += [
            (user, item, time) for item, time in zip(rng.permutation(25)[:9], times, strict=True)
        ]
    path = tmp_path_factory.mktemp("data") / "tiny.csv"
    pd.DataFrame(rows, columns=["user", "item", "timestamp"]).to_csv(path, index=False)
    return f"csv:{path}"


def run_of(data: str, **config) -> Run:
    sizes = {"epochs": 3, "batch_size": 8} | config
    return Run("gru4rec", data, "leave_last_out", max_len=8, dim=8, config=TrainConfig(**sizes))


def call_of(data: str, out: Path, *more: str) -> list[str]:
    return [
        *("train", "--model", "gru4rec", "--dataset", data, "--split", "leave_last_out"),
        *("--max-len", "8", "--dim", "8", "--batch-size", "8", "--sampled", "5", "--quiet"),
        *("--out", str(out), *more),
    ]


def kept(folder: Path) -> dict[str, object]:
    """What a run leaves, without seconds."""
    row = json.loads((folder / "result.json").read_text())
    saved = torch.load(folder / "checkpoint.pt", weights_only=True)
    history = pd.read_csv(folder / "history.csv").drop(columns="seconds")
    return {
        "row": {name: value for name, value in row.items() if name not in SECONDS},
        "ranks": (folder / "ranks.csv.gz").read_bytes(),
        "history": history.to_csv(),
        "weights": {name: value.tolist() for name, value in saved["best"].items()},
        "last": {name: value.tolist() for name, value in saved["model"].items()},
        "config": (folder / "config.toml").read_text(),
    }


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory) -> Path:
    """The folder of a finished run."""
    out = tmp_path_factory.mktemp("whole")
    execute(run_of(data), out, progress=False, sampled=5)
    return out / run_of(data).name


@pytest.fixture
def copy(whole, tmp_path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / whole.name))


def flip(file: Path) -> None:
    """One bit in the middle: of the weights in a checkpoint, of the packed numbers in ranks."""
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


DAMAGE = {
    "empty": lambda file: file.write_bytes(b""),
    "missing": lambda file: file.unlink(),
    "one bit": flip,
    "cut": lambda file: file.write_bytes(file.read_bytes()[:-9]),
}


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch):
    """Drawing takes longer than training here."""
    monkeypatch.setattr(
        Figure, "savefig", lambda figure, file, **options: Path(file).write_bytes(b"picture")
    )


class TestRun:
    @pytest.mark.parametrize("damage", DAMAGE)
    @pytest.mark.parametrize("name", [*FILES, "checkpoint.pt"])
    def test_damaged_file_is_named_and_made_again(
        self, name, damage, copy, whole, data, monkeypatch, capsys
    ):
        DAMAGE[damage](copy / name)
        assert damaged(copy) == [name]
        epochs, original = [], loop.train_epoch

        def counted(*args, **kwargs):
            epochs.append(args[4])
            return original(*args, **kwargs)

        monkeypatch.setattr(loop, "train_epoch", counted)
        execute(run_of(data), copy.parent, progress=False, sampled=5)
        (line,) = capsys.readouterr().out.splitlines()
        assert line.startswith(f"{copy}: {name} damaged or missing, made again")
        assert kept(copy) == kept(whole) and not damaged(copy) and finished(copy)
        # only a lost checkpoint costs training
        assert epochs == ([1, 2, 3] if name == "checkpoint.pt" else [])

    def test_checkpoint_of_an_unfinished_run(self, copy, whole, data, capsys):
        """No digest of it is written down yet; the sums inside it tell."""
        for name in [*FILES, DIGESTS]:
            (copy / name).unlink()
        content = bytearray((copy / "checkpoint.pt").read_bytes())
        weights = torch.load(copy / "checkpoint.pt", weights_only=True)["best"]
        place = content.index(weights["item_embedding.weight"].numpy().tobytes())
        content[place + 40] ^= 1
        (copy / "checkpoint.pt").write_bytes(content)
        execute(run_of(data), copy.parent, progress=False, sampled=5)
        assert "checkpoint.pt is damaged or of other data, made again" in capsys.readouterr().out
        assert kept(copy) == kept(whole)

    def test_lost_or_broken_digests_cost_an_evaluation_only(
        self, copy, whole, data, monkeypatch, capsys
    ):
        monkeypatch.setattr(loop, "train_epoch", lambda *args, **kwargs: pytest.fail("trained"))
        for content in (None, "", "[1]", "{"):
            (copy / DIGESTS).unlink() if content is None else (copy / DIGESTS).write_text(content)
            assert not finished(copy)
            execute(run_of(data), copy.parent, progress=False, sampled=5)
            assert finished(copy) and kept(copy) == kept(whole)
        assert capsys.readouterr().out == ""

    def test_remainders_of_killed_processes_are_swept(self, copy, data):
        dead = subprocess.run(
            [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True
        )
        orphan = copy / f".ranks.csv.gz.{int(dead.stdout)}.part"
        living = copy / f".notes.csv.{os.getpid()}.part"
        for file in (orphan, living):
            file.write_text("half")
        execute(run_of(data), copy.parent, progress=False, sampled=5)
        assert not orphan.exists() and living.exists()

    def test_unsafe_advice_is_never_given(self, copy, data, capsys):
        """A checkpoint with code in it: torch would advise to load it with weights_only=False."""
        torch.save({"best": Path("x")}, copy / "checkpoint.pt")
        (copy / DIGESTS).unlink()
        assert main(["test", str(copy)]) == 2
        shown = capsys.readouterr()
        assert "checkpoint.pt is not a readable checkpoint; delete it" in shown.err
        assert "weights_only" not in shown.err + shown.out and shown.err.count("\n") == 1
        with pytest.raises(TutorialError) as caught:
            loop.load_checkpoint(copy / "checkpoint.pt", {})
        assert caught.value.__cause__ is None and caught.value.__suppress_context__


class TestMoreEpochs:
    @pytest.mark.parametrize(
        "config",
        [
            {},
            {"averaging": 0.9, "warmup_epochs": 2.5, "loss": "bce", "windows": "all"},
            {"patience": 1, "learning_rate": 0.05},
            {"evaluate_every": 3},
        ],
    )
    def test_same_bits_as_from_the_start(self, config, data, tmp_path, capsys, monkeypatch):
        longer = run_of(data, **config | {"epochs": 6})
        execute(longer, tmp_path / "straight", progress=False, sampled=5)
        execute(run_of(data, **config), tmp_path / "more", progress=False, sampled=5)
        # a neighbour that differs in more than epochs must not be taken
        other = run_of(data, **config | {"epochs": 5, "weight_decay": 0.1})
        execute(other, tmp_path / "more", progress=False, sampled=5)
        trained, original = [], loop.train_epoch

        def counted(*args, **kwargs):
            trained.append(args[4])
            return original(*args, **kwargs)

        monkeypatch.setattr(loop, "train_epoch", counted)
        execute(longer, tmp_path / "more", progress=False, sampled=5)
        straight, more = (tmp_path / name / longer.name for name in ("straight", "more"))
        assert kept(more) == kept(straight) and 1 not in trained
        assert "a run of 3 epochs is there and is continued" in capsys.readouterr().out
        assert finished(tmp_path / "more" / run_of(data, **config).name)  # the shorter one stays

    def test_patience_stops_where_it_did(self, data, tmp_path):
        """It had stopped: more epochs change nothing but the name."""
        config = {"patience": 1, "learning_rate": 0.5}
        row = execute(run_of(data, **config, epochs=8), tmp_path, progress=False, sampled=0)
        assert row["epochs"] < 8
        again = execute(run_of(data, **config, epochs=20), tmp_path, progress=False, sampled=0)
        assert (again["epochs"], again["ndcg@10"]) == (row["epochs"], row["ndcg@10"])

    @pytest.mark.parametrize(
        ("config", "words"),
        [
            ({"schedule": "cosine"}, "a cosine schedule follows from the number of epochs"),
            ({"evaluate_every": 2}, "epoch 3 was validated only because it was the last"),
        ],
    )
    def test_said_where_it_is_not_exact(self, config, words, data, tmp_path, capsys):
        longer = run_of(data, **config | {"epochs": 4})
        execute(longer, tmp_path / "straight", progress=False, sampled=5)
        execute(run_of(data, **config), tmp_path / "more", progress=False, sampled=5)
        execute(longer, tmp_path / "more", progress=False, sampled=5)
        shown = capsys.readouterr().out
        assert words in shown and "more epochs need a run from the start" in shown
        straight, more = (tmp_path / name / longer.name for name in ("straight", "more"))
        assert kept(more) == kept(straight)

    def test_other_data_under_the_same_name_are_not_continued(self, data, tmp_path, capsys):
        file = tmp_path / "tiny.csv"
        shutil.copy(data.removeprefix("csv:"), file)
        run = run_of(f"csv:{file}")
        execute(run, tmp_path / "out", progress=False, sampled=0)
        file.write_text("".join(file.read_text().splitlines(keepends=True)[:-9]))
        longer = replace(run, config=replace(run.config, epochs=4))
        row = execute(longer, tmp_path / "out", progress=False, sampled=0)
        assert "damaged or of other data" in capsys.readouterr().out
        assert row["ndcg@10"] == execute(longer, tmp_path / "new", progress=False)["ndcg@10"]


class TestTestCommand:
    def test_equal(self, whole, capsys):
        assert main(["test", str(whole)]) == 0
        shown = capsys.readouterr().out
        row = json.loads((whole / "result.json").read_text())
        assert f"ndcg@10  {row['ndcg@10']:.4f}" in shown and "equal to what was recorded" in shown

    def test_a_model_that_counts_and_one_with_a_clock(self, data, tmp_path):
        for model in ("popularity", "tim4rec"):
            run = replace(run_of(data, epochs=1), model=model)
            execute(run, tmp_path, progress=False, sampled=5)
            assert main(["test", str(tmp_path / run.name)]) == 0

    def test_other_numbers_are_named(self, copy, capsys):
        row = json.loads((copy / "result.json").read_text())
        (copy / "result.json").write_text(json.dumps(row | {"ndcg@10": 0.9, "sampled_hr@10": 0.1}))
        assert main(["test", str(copy)]) == 2
        assert "result.json damaged or missing; the command that" in capsys.readouterr().err
        (copy / DIGESTS).unlink()
        assert main(["test", str(copy)]) == 1
        assert "not what was recorded: ndcg@10, sampled_hr@10\n" in capsys.readouterr().out

    def test_runs_from_before_there_was_a_configuration_file(self, copy, data):
        for name in ("config.toml", DIGESTS):
            (copy / name).unlink()
        assert read_run(copy).name == run_of(data).name and main(["test", str(copy)]) == 0

    def test_no_run(self, tmp_path, capsys):
        for folder in (tmp_path, tmp_path / "nowhere"):
            assert main(["test", str(folder)]) == 2
            assert "is no folder of a run" in capsys.readouterr().err


class TestConfigAndLog:
    def test_written_configuration_makes_the_same_run(self, data, tmp_path, capsys):
        more = ("--option", "dropout=0.1", "--epochs", "2", "--averaging", "0.5", "--users", "40")
        assert main(call_of(data, tmp_path / "a", *more)) == 0
        (folder,) = (tmp_path / "a").iterdir()
        config = str(folder / "config.toml")
        assert main(["train", "--config", config, "--out", str(tmp_path / "b"), "--quiet"]) == 0
        (again,) = (tmp_path / "b").iterdir()
        assert again.name == folder.name and kept(again) == kept(folder)
        # a flag goes before the file
        call = ["train", "--config", config, "--epochs", "1", "--out", str(tmp_path / "c")]
        assert main([*call, "--quiet", "--option", "dropout=0.3"]) == 0
        (other,) = (tmp_path / "c").iterdir()
        assert read_run(other).config == replace(read_run(folder).config, epochs=1)
        assert read_run(other).options == {"dropout": 0.3} and read_run(other).users == 40

    def test_suite_writes_what_it_reads(self, data, tmp_path, capsys):
        sizes = ["--epochs", "1", "--max-len", "8", "--dim", "8", "--rates", "0.01", "--jobs", "1"]
        call = ["suite", "--models", "popularity,gru4rec", "--stages", "tune", "--quiet", *sizes]
        out, where = tmp_path / "a", ["--dataset", data, "--split", "leave_last_out"]
        assert main([*call, *where, "--users", "all", "--seeds", "1", "--out", str(out)]) == 0
        config = [
            "--config",
            str(out / "config.toml"),
            "--stages",
            "tune",
            "--quiet",
            "--jobs",
            "1",
        ]
        capsys.readouterr()
        assert main(["suite", *config, "--out", str(out)]) == 0
        assert "tune: unchanged, skipped" in capsys.readouterr().out
        assert main(["suite", *config, "--out", str(tmp_path / "b")]) == 0
        chosen = [path / "tune" / "chosen.csv" for path in (out, tmp_path / "b")]
        assert chosen[0].read_bytes() == chosen[1].read_bytes()
        assert main(["suite", "--config", str(out / "config.toml"), "--models", "sasrek"]) == 2

    def test_log_tells_command_epochs_and_result_with_their_time(self, data, tmp_path, capsys):
        log = tmp_path / "deep" / "run.log"
        assert main(call_of(data, tmp_path / "out", "--epochs", "2", "--log", str(log))) == 0
        assert main(call_of(data, tmp_path / "out", "--epochs", "0", "--log", str(log))) == 2
        assert main(call_of(data, tmp_path / "out", "--epochs", "3", "--log", str(log))) == 0
        lines = log.read_text().splitlines()
        assert all(line[:4].isdigit() and line[10] == " " for line in lines)
        text = "\n".join(lines)
        assert text.count("epoch 2 loss ") == 1 and text.count("epoch 3 loss ") == 1
        assert "a run of 2 epochs is there and is continued" in text and "ndcg@10  0." in text
        assert main(call_of(data, tmp_path / "out", "--log", str(tmp_path))) == 2
        assert f"cannot write the log {tmp_path}: Is a directory" in capsys.readouterr().err

    def test_tensorboard_not_installed(self, data, tmp_path, capsys, monkeypatch):
        monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
        assert main(call_of(data, tmp_path / "out", "--tensorboard")) == 2
        shown = capsys.readouterr().err
        assert "pip install tensorboard, or leave --tensorboard out" in shown
        assert main(call_of(data, tmp_path / "out", "--epochs", "1")) == 0  # off by default

    def test_tensorboard_scalars_are_those_of_the_history(self, data, tmp_path):
        pytest.importorskip("tensorboard")
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        assert main(call_of(data, tmp_path, "--epochs", "2", "--tensorboard")) == 0
        (folder,) = tmp_path.iterdir()
        events = EventAccumulator(str(folder / "tensorboard")).Reload()
        history = pd.read_csv(folder / "history.csv")
        for tag, column in (("loss/train", "loss"), ("ndcg@10/valid", "ndcg")):
            scalars = events.Scalars(tag)
            assert [one.step for one in scalars] == history["epoch"].tolist()
            assert [one.value for one in scalars] == pytest.approx(history[column].tolist())


class TestSuite:
    ENTRIES = (Entry("gru4rec", "gru4rec"), Entry("tisasrec", "tisasrec", twin="gru4rec"))
    STAGES = ("sensitivity", "stability")

    def suite(self, data: str, out: Path, **changes) -> Suite:
        sizes = {"seeds": 1, "rates": (0.01,), "epochs": 1, "max_len": 8, "dim": 8}
        where = {"split": "leave_last_out", "progress": False, "device": "cpu"}
        return Suite(out, data, entries=self.ENTRIES, **where | sizes | changes)

    def test_only_the_damaged_run_is_made_again(self, data, tmp_path, monkeypatch, capsys):
        out = tmp_path / "out"
        run_suite(self.suite(data, out), self.STAGES)
        tables = {path: path.read_bytes() for path in out.glob("*/*.csv") if path.stem != "runs"}
        suite = self.suite(data, out)
        folder = suite.runs / suite.run(self.ENTRIES[1], 0).name
        ranks = work.ranks_file(folder, "order shuffled", 0)
        worked, perform = [], work.perform
        monkeypatch.setattr(
            work,
            "perform",
            lambda tasks, *rest: (
                worked.extend((task.func.__name__, task.args[0].name) for task in tasks),
                perform(tasks, *rest),
            ),
        )
        for file, kind in [
            (folder / "config.toml", "train_run"),
            (folder / "result.json", "train_run"),
            (folder / "ranks.csv.gz", "train_run"),
            (folder / "checkpoint.pt", "train_run"),
            (ranks, "evaluate_run"),
        ]:
            for damage in (DAMAGE["empty"], DAMAGE["missing"]):
                worked.clear()
                damage(file)
                run_suite(self.suite(data, out), self.STAGES)
                assert worked == [(kind, folder.name)]
                assert f"{file.name} damaged or missing, made again" in capsys.readouterr().out
                assert {path: path.read_bytes() for path in tables} == tables
        assert set(signed(ranks.parent)) == {path.name for path in ranks.parent.glob("*.gz")}

    def test_damaged_tables_and_provenance(self, data, tmp_path, capsys):
        out = tmp_path / "out"
        run_suite(self.suite(data, out), ("stability",))
        before = (out / "stability" / "models.csv").read_bytes()
        for name in ("models.csv", "provenance.json"):
            (out / "stability" / name).write_bytes(b"")
            with (
                pytest.raises(TutorialError, match="stability again")
                if name == "models.csv"
                else (pytest.MonkeyPatch.context())
            ):
                run_suite(self.suite(data, out), ("report",))
            run_suite(self.suite(data, out), ("stability",))  # the remedy
            assert (out / "stability" / "models.csv").read_bytes() == before
        run_suite(self.suite(data, out), ("report",))

    def test_metric_is_an_option(self, data, tmp_path):
        """Tables, verdicts and report name it; the choice of the tuning stays."""
        stages = ("stability", "report")
        for metric in ("ndcg@10", "hr@5", "mrr"):
            suite = self.suite(data, tmp_path, metric=metric)
            run_suite(suite, stages)
            models = pd.read_csv(tmp_path / "stability" / "models.csv").set_index("model")
            run = suite.runs / suite.run(self.ENTRIES[0], 0).name
            rank = Ranks.read_csv(run / "ranks.csv.gz").rank  # no ties, one target a user
            value = {"ndcg@10": (rank <= 10) / np.log2(1 + rank), "hr@5": rank <= 5}
            wanted = value.get(metric, 1 / rank).mean()
            assert models[metric]["gru4rec"] == pytest.approx(wanted, rel=1e-5)
            report = (tmp_path / "report" / "report.md").read_text()
            assert f"Tables and pictures show {metric.upper()}." in report
            assert f", {metric.upper()} {models[metric].max():.4f}" in report
            chosen = pd.read_csv(tmp_path / "tune" / "chosen.csv")
            assert "valid_ndcg@10" in chosen and chosen["learning_rate"].tolist() == [0.01, 0.01]
        assert self.suite(data, tmp_path, metric="Recall@5").metric == "recall@5"
        for wrong in ("map10", "ndcg", "hr@0", "mrr@x"):
            with pytest.raises(TutorialError, match=f"unknown metric '{wrong}': give NAME@K"):
                self.suite(data, tmp_path, metric=wrong)
        with pytest.raises(TutorialError, match="Coverage@10 needs the lists of items"):
            self.suite(data, tmp_path, metric="coverage@10")

    def test_filter_seen_reaches_validation_and_test(self, data, tmp_path, monkeypatch):
        """By default as the data say; as an option it changes names, ranks and validation."""
        seen, original = [], distributed.evaluate

        def watch(*args, filter_seen, **kwargs):
            seen.append(filter_seen)
            return original(*args, filter_seen=filter_seen, **kwargs)

        monkeypatch.setattr(distributed, "evaluate", watch)
        names, candidates = set(), []
        for option in (None, True, False):
            run = run_of(data, epochs=1, filter_seen=option)
            seen.clear()
            execute(run, tmp_path, progress=False, sampled=0)
            assert seen == [option is not False] * 3
            names.add(run.name)
            candidates.append(Ranks.read_csv(tmp_path / run.name / "ranks.csv.gz").candidates)
        assert len(names) == 3 and (candidates[0] == candidates[1]).all()
        assert (candidates[2] > candidates[0]).all()
        split = self.suite(data, tmp_path).data
        object.__setattr__(split.dataset, "repeats", True)
        assert not TrainConfig().hides_seen(split.dataset)
        assert TrainConfig(filter_seen=True).hides_seen(split.dataset)


def killed(what: str, times: int) -> str:
    command = [sys.executable, str(KILLS), what, str(times)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_killed_training_ends_in_the_same_bits():
    assert "always the same bits" in killed("train", 2)


@pytest.mark.slow
@pytest.mark.parametrize("what", ["train", "suite"])
def test_killed_25_times(what):
    assert "always the same bits" in killed(what, 25)
