"""The suite from a data file to the report: skipped where nothing changed, made again where it did,
the same after a kill.
"""

import json
import re
import shutil
import signal
import zipfile
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

import tutorial_lib.train as loop
from tutorial_lib.data.datasets import load_dataset
from tutorial_lib.data.splits import make_split
from tutorial_lib.errors import TutorialError
from tutorial_lib.evaluate import Ranks
from tutorial_lib.experiments.__main__ import main
from tutorial_lib.experiments.digests import digest, sign
from tutorial_lib.experiments.results import (
    publish,
    read_suite,
    short_report,
    suite_name,
    suite_names,
    suite_tables,
    suite_values,
)
from tutorial_lib.experiments.stages import efficiency, significance, work
from tutorial_lib.experiments.stages.fresh import why
from tutorial_lib.experiments.stages.lineup import ENTRIES, Entry, select, with_twins
from tutorial_lib.experiments.stages.report import overview
from tutorial_lib.experiments.suite import SCALES, STAGES, Suite, run_suite
from tutorial_lib.language import speaking

MODELS_HERE = (
    Entry("popularity", "popularity"),
    Entry("gru4rec", "gru4rec"),
    Entry("tisasrec", "tisasrec", {"query_time": True}, twin="gru4rec"),
    Entry("blind", "gru4rec", twin="gru4rec"),  # says that it uses time, and does not
)
TIMED = ("efficiency.csv", "runs.csv")  # hold seconds


@pytest.fixture(scope="module", autouse=True)
def quick():
    """A median of two is enough to see that timing works."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(efficiency, "REPEATS", 2)
        patch.setattr(efficiency, "QUESTIONS", 5)
        patch.setattr(efficiency, "BATCHES", (1, 4))
        patch.setattr(efficiency.milliseconds, "__defaults__", (2,))
        yield


@pytest.fixture
def no_pictures(monkeypatch):
    """Drawing takes longer than training here, and `whole` has drawn each picture once."""
    monkeypatch.setattr(
        Figure, "savefig", lambda figure, file, **options: Path(file).write_bytes(b"picture")
    )


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> str:
    """70 users, 30 items, 11 events each; gaps from minutes to days."""
    rng, rows = np.random.default_rng(0), []
    for user in range(70):
        times = (
            1_600_000_000
            + rng.integers(0, 10**5)
            + np.cumsum(np.exp(rng.normal(9, 2, 11))).astype(int)
        )
        rows += [
            (user, item, time) for item, time in zip(rng.permutation(30)[:11], times, strict=True)
        ]
    path = tmp_path_factory.mktemp("data") / "tiny.csv"
    pd.DataFrame(rows, columns=["user", "item", "timestamp"]).to_csv(path, index=False)
    return f"csv:{path}"


def suite_of(data: str, out: Path, **changes) -> Suite:
    sizes = {
        "seeds": 2,
        "rates": (0.01,),
        "epochs": 1,
        "max_len": 8,
        "dim": 8,
        "split": "leave_last_out",
    }
    return Suite(out, data, entries=MODELS_HERE, progress=False, **sizes | changes)


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory) -> Path:
    """All stages, without interruption."""
    out = tmp_path_factory.mktemp("whole") / "out"
    assert run_suite(suite_of(data, out)) == dict.fromkeys(STAGES, "done")
    return out


@pytest.fixture
def copy(whole, tmp_path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "copy"))


def tables(out: Path) -> dict[str, bytes]:
    return {
        file.relative_to(out).as_posix(): file.read_bytes()
        for file in out.glob("*/*.csv")
        if file.name not in TIMED
    }


class TestWhole:
    def test_every_stage_leaves_tables_pictures_and_provenance(self, whole, data):
        for stage in STAGES:
            provenance = json.loads((whole / stage / "provenance.json").read_text())
            assert set(provenance["outputs"]) == {
                file.name for file in (whole / stage).iterdir()
            } - {"provenance.json"}
            assert (
                provenance["settings"]["data"] == load_dataset(data).fingerprint
                and provenance["settings"]["seeds"] == 2
            )
            assert provenance["inputs"] and {
                "code_version",
                "torch",
                "threads",
                "wall_seconds",
                "device",
            } <= set(provenance)
            assert stage == "report" or any(name.endswith(".png") for name in provenance["outputs"])
        assert not list(whole.rglob("*.part"))

    def test_report_and_archive(self, whole):
        report = (whole / "report" / "report.md").read_text()
        assert all(
            f"## {number}. {stage}" in report for number, stage in enumerate(list(STAGES)[:-1], 1)
        )
        assert "Out of date" not in report and "has not been run" not in report
        for name in ("tune/grid.png", "robustness/clock.png", "stability/seeds.png"):
            assert f"](../{name})" in report and (whole / name).stat().st_size > 2000
        (gain,) = pd.read_csv(whole / "significance" / "gains.csv").query("model == 'tisasrec'")[
            "gain"
        ]
        assert f"| tisasrec | gru4rec | 70 | {gain:.4g} |" in report
        with zipfile.ZipFile(whole / "report" / "archive.zip") as archive:
            names = archive.namelist()
            assert archive.read("tune/chosen.csv") == (whole / "tune" / "chosen.csv").read_bytes()
        assert {"report/report.md", "stability/provenance.json"} <= set(names)
        # popularity, two models with two seeds each
        assert sum(name.endswith("ranks.csv.gz") for name in names) == 5

    def test_published_suite_reads_back(self, whole, data, tmp_path):
        folder = tmp_path / "published"
        with pytest.raises(TutorialError, match="run all stages"):
            publish(tmp_path, "tiny", folder)
        publish(whole, "tiny", folder)
        assert suite_names(folder) == ["tiny"]
        files = {path.relative_to(whole).as_posix() for path in whole.glob("*/*.csv")}
        files -= {"report/verdicts.csv"}
        assert {f"{table}.csv" for table in suite_tables("tiny", folder)} == files
        assert read_suite("tiny", "tune", "chosen", folder).equals(
            pd.read_csv(whole / "tune" / "chosen.csv")
        )
        with zipfile.ZipFile(folder / "suite" / "tiny.zip") as archive:
            for stage in list(STAGES)[:-1]:
                name = f"{stage}/provenance.json"
                assert archive.read(name) == (whole / name).read_bytes()
        report = (folder / "suite" / "tiny.md").read_text()
        assert ".png" not in report and "<details>" not in report
        assert all(
            f"## {number}. {stage}" in report for number, stage in enumerate(list(STAGES)[:-1], 1)
        )
        values, suite = suite_values("tiny", folder), suite_of(data, whole)
        assert np.array_equal(values["tisasrec"], suite.values(suite.entry("tisasrec")))
        assert values["popularity"].shape == (1, 70)
        for name, wanted in (
            ("huge", "no suite 'huge' in published/; known are tiny"),
            ("tiny", "no table tune/chosn in the suite tiny; known are .* tune/chosen, tune/grid"),
        ):
            with pytest.raises(TutorialError, match=wanted):
                read_suite(name, "tune", "chosn", folder)

    def test_published_twice_gives_the_same_bytes(self, whole, tmp_path):
        folder = tmp_path / "published"
        publish(whole, "tiny", folder)
        before = {path: path.read_bytes() for path in folder.rglob("*.*")}
        publish(whole, "tiny", folder)
        assert {path: path.read_bytes() for path in folder.rglob("*.*")} == before
        files = {"suite/tiny.md", "suite/tiny.zip", "ranks/tiny.csv_leave_last_out.npz"}
        assert {path.relative_to(folder).as_posix() for path in before} == files

    def test_published_report_keeps_sentences_and_short_tables(self):
        long = "<details><summary>pairs: 99 rows</summary>\n\n| a |\n| --- |\n\n</details>"
        report = f"# x\n\n- It gains.\n\n![a: b](../a/b.png)\n\n{long}\n\n**gains**\n\n| c |\n"
        assert short_report(report, "x") == (
            "# x\n\n- It gains.\n\npairs: 99 rows, in `x.zip`\n\n**gains**\n\n| c |\n"
        )

    def test_name_of_a_published_suite(self):
        assert suite_name("sample", "temporal") == "sample"
        assert suite_name("sample", "leave_last_out") == "sample_leave_last_out"
        assert suite_name("csv:/data/my events.csv", "temporal") == "my-events.csv_temporal"

    def test_numbers_are_those_of_the_runs(self, whole, data):
        """The mean of a model over seeds, from the result of its runs; who gains, from the ranks."""
        runs = pd.read_csv(whole / "stability" / "runs.csv")
        models = pd.read_csv(whole / "stability" / "models.csv").set_index("model")["ndcg@10"]
        mean = runs[runs["model"] == "tisasrec"]["ndcg@10"].mean()
        assert models["tisasrec"] == pytest.approx(mean, rel=1e-4)
        assert models["blind"] == models["gru4rec"]
        gains = pd.read_csv(whole / "significance" / "gains.csv").set_index("model")["gain"]
        assert (
            gains["tisasrec"] == pytest.approx(models["tisasrec"] - models["gru4rec"], abs=1e-5)
            and gains["blind"] == 0
        )
        pairs = pd.read_csv(whole / "significance" / "pairs.csv")
        assert (
            len(pairs) == 6
            and (pairs["users"] == 70).all()
            and (pairs["p_holm"] >= pairs["p"]).all()
        )

    def test_each_model_is_trained_once(self, whole):
        (folder,) = (whole / "runs").iterdir()
        assert len(list(folder.iterdir())) == 5  # gru4rec and "blind" share theirs

    def test_blind_model_is_unmasked(self, whole):
        table = pd.read_csv(whole / "robustness" / "robustness.csv")
        blind = table[table["model"] == "blind"]
        assert (
            len(blind) == 7
            and not blind["uses_time"].any()
            and set(blind["verdict"]) == {"does not use time: proves nothing"}
        )
        clock = blind[~blind["corruption"].str.startswith("dropped")]
        assert (clock["delta"] == 0).all()  # the "robustness" by which it would have won
        assert "prove nothing for them: " in (whole / "report" / "report.md").read_text()
        sensitive = pd.read_csv(whole / "sensitivity" / "sensitivity.csv").set_index(
            ["model", "condition"]
        )["delta"]
        assert (
            sensitive["gru4rec", "gaps shuffled"] == 0
            and sensitive["tisasrec", "gaps shuffled"] != 0
        )
        assert (
            sensitive["gru4rec", "order shuffled"] != 0
            and sensitive["popularity", "order shuffled"] == 0
        )

    def test_efficiency(self, whole):
        table = pd.read_csv(whole / "efficiency" / "efficiency.csv").set_index("model")
        assert (table["live_parameters"] <= table["parameters"]).all() and table["live_parameters"][
            "popularity"
        ] == 0
        # items, GRU, output
        assert table["live_parameters"]["gru4rec"] == 31 * 8 + 2 * (3 * 8 * 8 + 3 * 8) + 9 * 8
        assert (table.filter(like="_ms") > 0).all().all()
        assert (table["serve_p50_ms"] <= table["serve_p99_ms"]).all()
        assert (table["serve_events_per_second"] > 0).all()
        # events, second of the last one; what is scored and the state, eight numbers each
        assert table["serve_bytes_per_user"]["gru4rec"] == 2 * 8 + 2 * 8 * 4


class TestAgain:
    def test_nothing_is_done_twice(self, copy, data, monkeypatch):
        monkeypatch.setattr(
            work, "perform", lambda tasks, *rest: pytest.fail("worked again") if tasks else None
        )
        before = {path: path.stat().st_mtime_ns for path in copy.rglob("*") if path.is_file()}
        assert set(run_suite(suite_of(data, copy)).values()) == {"skipped"}
        assert {
            path: path.stat().st_mtime_ns for path in copy.rglob("*") if path.is_file()
        } == before

    def test_changed_ranks_make_again_who_read_them(self, copy, data, capsys, no_pictures):
        file = next(copy.glob("runs/*/*tisasrec*seed1*/ranks.csv.gz"))
        ranks = Ranks.read_csv(file)
        # as if it had been perfect, and the run had written it so
        replace(ranks, greater=0 * ranks.greater, equal=0 * ranks.equal).to_csv(file)
        sign(file.parent, [file.name])
        old = pd.read_csv(copy / "significance" / "gains.csv")["gain"][0]
        outcome = run_suite(
            suite_of(data, copy), ["tune", "significance", "irregularity", "report"]
        )
        assert outcome == {
            "tune": "skipped",
            "significance": "done",
            "irregularity": "done",
            "report": "done",
        }
        assert "ranks.csv.gz of its inputs is missing or has changed" in capsys.readouterr().out
        assert pd.read_csv(copy / "significance" / "gains.csv")["gain"][0] > old + 0.3
        # stability has not been run again
        assert "**Out of date**" in (copy / "report" / "report.md").read_text()

    def test_reasons(self, copy, data, monkeypatch):
        suite = suite_of(data, copy)
        assert why(suite.settings, copy, "stability") == ""
        assert "settings have changed (dim)" in why(suite.settings | {"dim": 16}, copy, "stability")
        (copy / "stability" / "seeds.csv").write_text("model\n")
        assert "seeds.csv of its outputs" in why(suite.settings, copy, "stability")
        (copy / "significance" / "provenance.json").write_text("{")
        assert "cannot be read" in why(suite.settings, copy, "significance")
        assert why(suite.settings, copy.parent, "tune") == "not yet done"
        monkeypatch.setattr(
            "tutorial_lib.experiments.stages.fresh.sources", lambda stage: [Path(__file__)]
        )
        assert why(suite.settings, copy, "irregularity") == "its code has changed"

    def test_digest_does_not_see_the_time_of_packing(self, tmp_path):
        for name, time in (("a.csv.gz", 1), ("b.csv.gz", 2)):
            pd.DataFrame({"x": [1]}).to_csv(
                tmp_path / name, compression={"method": "gzip", "mtime": time}
            )
        assert digest(tmp_path / "a.csv.gz") == digest(tmp_path / "b.csv.gz")
        assert (tmp_path / "a.csv.gz").read_bytes() != (tmp_path / "b.csv.gz").read_bytes()

    def test_killed_three_times_and_the_same_bytes(
        self, whole, data, tmp_path, monkeypatch, no_pictures
    ):
        """In the third training, while histories are corrupted, and inside a stage that computes."""
        out, stages = (
            tmp_path / "cut",
            [stage for stage in STAGES if stage not in ("efficiency", "report")],
        )

        def dies_at(place: str, name: str, call: int):
            module, calls = {"train": loop, "work": work, "significance": significance}[place], 0
            original = getattr(module, name)

            def dying(*args, **kwargs):
                nonlocal calls
                calls += 1
                if calls == call:
                    raise KeyboardInterrupt
                return original(*args, **kwargs)

            with monkeypatch.context() as patch:
                patch.setattr(module, name, dying)
                with pytest.raises(KeyboardInterrupt):
                    run_suite(suite_of(data, out), stages)

        dies_at("train", "train_epoch", 2)
        assert not (out / "tune" / "provenance.json").exists()
        dies_at("work", "corrupt", 5)
        assert (out / "tune" / "provenance.json").exists() and not (out / "sensitivity").exists()
        dies_at("significance", "compare", 3)
        assert not (out / "significance" / "provenance.json").exists()
        outcome = run_suite(suite_of(data, out), stages)
        assert outcome["robustness"] == "skipped" and outcome["significance"] == "done"
        assert tables(out) == {
            name: text for name, text in tables(whole).items() if not name.startswith("report/")
        }


class TestLanguage:
    def test_another_reader_gets_words_and_the_same_numbers(self, copy, data, tmp_path):
        """Pictures and report in Chinese, nothing trained, every table and the archive as it was;
        and back again to the letter.
        """
        numbers = {path: path.read_bytes() for path in copy.rglob("*.csv")}
        english = (copy / "report" / "report.md").read_text(encoding="utf-8")
        pictures = {path: path.read_bytes() for path in copy.rglob("*.png")}
        suite = suite_of(data, copy)
        with speaking("zh"):
            assert run_suite(suite) == dict.fromkeys(STAGES, "skipped") | {"report": "done"}
            assert run_suite(suite) == dict.fromkeys(STAGES, "skipped")
        told = (copy / "report" / "report.md").read_text(encoding="utf-8")
        assert told.startswith("# ") and "## 1. 学习率（tune）" in told and "| 模型 |" in told
        assert re.findall(r"\d\.\d{3,}", told) == re.findall(r"\d\.\d{3,}", english)
        assert {path: path.read_bytes() for path in numbers} == numbers
        redrawn = {path.name for path, was in pictures.items() if path.read_bytes() != was}
        assert {"seeds.png", "clock.png", "grid.png"} <= redrawn
        with zipfile.ZipFile(copy / "report" / "archive.zip") as archive:
            assert archive.read("report/report.md").decode() == english
        publish(copy, "tiny", tmp_path / "published")
        short = (tmp_path / "published" / "suite" / "tiny.md").read_text(encoding="utf-8")
        assert short == short_report(english, "tiny")
        run_suite(suite)
        assert (copy / "report" / "report.md").read_text(encoding="utf-8") == english
        assert {path: path.read_bytes() for path in pictures} == pictures


class TestAlone:
    def test_one_stage_brings_only_the_tuning(self, whole, data, tmp_path, no_pictures):
        assert run_suite(suite_of(data, tmp_path), ["stability"]) == {
            "tune": "done",
            "stability": "done",
        }
        assert sorted(path.name for path in tmp_path.iterdir()) == ["runs", "stability", "tune"]
        assert (tmp_path / "stability" / "models.csv").read_bytes() == (
            whole / "stability" / "models.csv"
        ).read_bytes()

    def test_order_only_data_leave_out_who_needs_times(self, tmp_path, no_pictures):
        rng = np.random.default_rng(0)
        lines = [f"{user} {item}" for user in range(1, 31) for item in rng.permutation(20)[:8] + 1]
        (tmp_path / "order.txt").write_text("\n".join(lines))
        suite = suite_of(f"txt:{tmp_path / 'order.txt'}", tmp_path / "out", seeds=1)
        run_suite(suite)
        report = (tmp_path / "out" / "report" / "report.md").read_text()
        assert "knows the order of events but no times: tisasrec, blind." in report
        # robustness, significance, irregularity
        assert report.count("No model that uses time took part") == 3
        assert set(
            pd.read_csv(tmp_path / "out" / "sensitivity" / "sensitivity.csv")["condition"]
        ) == {"order shuffled"}

    def test_processes_give_the_same_and_errors_come_back(self, whole, data, tmp_path):
        suite = suite_of(data, tmp_path)
        good = suite.run(MODELS_HERE[1], 0, 0.01)
        bad = replace(good, dataset="csv:nowhere.csv")
        ticks = []
        with pytest.raises(
            TutorialError, match="training csv-nowhere.csv_.*There is no file"
        ) as caught:
            work.perform(
                [partial(work.train_run, run, tmp_path, "cpu") for run in (good, bad)],
                2,
                lambda: ticks.append(1),
            )
        assert "\n" not in str(caught.value)
        (here,) = tmp_path.glob("*/ranks.csv.gz")
        assert (
            digest(here) == digest(next(whole.glob(f"runs/*/{good.name}/ranks.csv.gz")))
            and len(ticks) <= 1
        )


class TestCommand:
    def test_flags_reach_the_suite(self, data, tmp_path, monkeypatch, capsys):
        seen = {}
        monkeypatch.setattr(
            "tutorial_lib.experiments.__main__.run_suite",
            lambda suite, stages: seen.update(s=suite, n=stages),
        )
        call = [
            "suite",
            "--dataset",
            data,
            "--out",
            str(tmp_path),
            "--models",
            "deepm3-euler,gru4rec",
            "--stages",
            "tune",
        ]
        assert (
            main([*call, "--seeds", "3", "--rates", "0.01,0.001", "--batch-size", "8", "--quiet"])
            == 0
        )
        suite = seen["s"]
        # the twin comes along
        assert [entry.label for entry in suite.entries] == [
            "gru4rec",
            "deepm3-none",
            "deepm3-euler",
        ]
        assert (suite.seeds, suite.rates, suite.batch_size, suite.users) == (
            3,
            (0.001, 0.01),
            8,
            None,
        )  # 70 users are fewer than a scale takes
        assert seen["n"] == ("tune",) and not suite.progress
        assert main([*call, "--dataset", "sample"]) == 0
        assert {name: getattr(seen["s"], name) for name in SCALES["quick"]} == SCALES["quick"]
        assert (
            main([*call, "--scale", "full"]) == 0
            and seen["s"].users is None
            and seen["s"].seeds == 5
        )

    def test_publish_flag(self, whole, data, tmp_path, monkeypatch):
        monkeypatch.setattr("tutorial_lib.experiments.__main__.run_suite", lambda *_: {})
        call = ["suite", "--dataset", data, "--split", "leave_last_out", "--out", str(whole)]
        assert main([*call, "--publish", str(tmp_path)]) == 0
        assert suite_names(tmp_path) == ["tiny.csv_leave_last_out"]

    @pytest.mark.parametrize(
        ("flags", "words"),
        [
            (["--models", "sasrek"], "unknown model 'sasrek'"),
            (["--stages", "tuning"], "unknown stages 'tuning'; known are tune, sensitivity"),
            (["--seeds", "0"], "seeds must be a whole number of at least 1, got 0"),
            (["--rates", ","], "grid of learning rates is empty"),
            (["--dataset", "ml-1mm"], "Unknown data set"),
        ],
    )
    def test_errors_are_one_line(self, flags, words, tmp_path, capsys):
        assert main(["suite", "--out", str(tmp_path / "out"), "--quiet", *flags]) == 2
        shown = capsys.readouterr().err
        assert shown.startswith("error: ") and words in shown and shown.count("\n") == 1

    def test_help_names_stages_and_models(self, capsys):
        with pytest.raises(SystemExit) as caught:
            main(["suite", "--help"])
        text = capsys.readouterr().out
        assert caught.value.code == 0 and all(
            word in text for word in (*STAGES, "deepm3-attractor", "--jobs")
        )


def test_ctrl_c_is_not_heard_while_processes_start():
    before = signal.getsignal(signal.SIGINT)
    with work._without_ctrl_c():
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    assert signal.getsignal(signal.SIGINT) is before


class TestLineup:
    def test_default_has_a_blind_twin_for_each_aware_entry(self):
        by_label = {entry.label: entry for entry in ENTRIES}
        assert len(by_label) == len(ENTRIES)
        for entry in ENTRIES:
            # who reads times is held against one who does not
            assert entry.uses_time == (entry.twin is not None)
            assert entry.twin is None or not by_label[entry.twin].uses_time

    def test_twins_are_found_and_a_missing_one_is_named(self):
        plain, timed = Entry("plain", "lrurec"), Entry("timed", "lrurec", {"time_aware": True})
        assert [entry.twin for entry in with_twins(timed, plain)] == ["plain", None]
        small = Entry("small", "lrurec", {"time_aware": True, "blocks": 1})
        want = "'small' is held against .* add one of 'lrurec' with the options {'blocks': 1}"
        with pytest.raises(TutorialError, match=want):
            with_twins(plain, timed, small)
        with_twins(plain, timed, small, Entry("so", "lrurec", {"blocks": 1}))

    def test_choice(self):
        assert select(None) == ENTRIES
        assert [entry.label for entry in select(["tim4rec"])] == ["mamba4rec", "tim4rec"]
        assert {entry.model for entry in select(["deepm3"])} == {"deepm3"} and len(
            select(["deepm3"])
        ) == 7
        with pytest.raises(TutorialError, match="named as a twin"):
            select(None, [Entry("a", "sasrec", twin="b")])

    def test_control_says_what_must_come_out(self):
        lines = " ".join(overview(Suite(Path("nowhere"), "control", users=60)))
        assert "no time-aware model may gain" in lines and "the clock is worth 0.0000" in lines

    def test_ceiling_is_that_of_the_targets(self):
        suite = Suite(Path("nowhere"), "sample", users=60)
        assert len(suite.data.test) == len(make_split(load_dataset("sample", users=60)).test)
        assert "Clairvoyant ceiling" in " ".join(overview(suite))
