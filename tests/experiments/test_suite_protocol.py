"""The suite under the protocol, on data so small that a training takes a tenth of a second."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

import tutorial_lib.train as loop
from tutorial_lib.errors import Diverged, TutorialError
from tutorial_lib.experiments.comparison import Suite
from tutorial_lib.experiments.protocol import VALID, answers, violations, wanted_rate
from tutorial_lib.experiments.results import publish
from tutorial_lib.experiments.stages import significance, tune, work
from tutorial_lib.experiments.stages.lineup import ENTRIES, Entry, select
from tutorial_lib.experiments.suite import SCALES, run_suite

HERE = (
    Entry("popularity", "popularity"),
    Entry("gru4rec", "gru4rec"),
    Entry("tisasrec", "tisasrec", {"query_time": True}, twin="gru4rec"),
)
STAGES = ("tune", "significance", "stability", "report")


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> str:
    rng, rows = np.random.default_rng(0), []
    for user in range(40):
        times = 1_600_000_000 + np.cumsum(np.exp(rng.normal(9, 2, 9))).astype(int)
        rows += [(user, item, t) for item, t in zip(rng.permutation(20)[:9], times, strict=True)]
    path = tmp_path_factory.mktemp("data") / "tiny.csv"
    pd.DataFrame(rows, columns=["user", "item", "timestamp"]).to_csv(path, index=False)
    return f"csv:{path}"


def suite_of(data: str, out: Path, **changes) -> Suite:
    sizes = {"seeds": 3, "tune_seeds": 2, "rates": (0.003, 0.01), "grow": 3, "longer": 1}
    sizes |= {"epochs": 1, "max_len": 8, "dim": 8, "split": "leave_last_out"}
    entries = select(["popularity", "tisasrec@shuffled"], HERE)
    return Suite(out, data, entries=entries, progress=False, **sizes | changes)


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory) -> Path:
    """Above a rate of 0.003 every training diverges."""
    out, honest = tmp_path_factory.mktemp("whole") / "out", loop.train_epoch

    def diverges(model, split, config, *rest, **options):
        if config.learning_rate > 0.003:
            raise Diverged("the loss became nan in epoch 1; lower the learning rate")
        return honest(model, split, config, *rest, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "train_epoch", diverges)
        draw = lambda figure, file, **options: Path(file).write_bytes(b"picture")  # noqa: E731
        patch.setattr(Figure, "savefig", draw)
        assert set(run_suite(suite_of(data, out), STAGES).values()) == {"done"}
    return out


def table(out: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(out / f"{name}.csv")


def test_grids_have_grown_as_far_as_allowed(whole):
    grid = table(whole, "tune/grid")
    assert set(grid["model"]) == {"gru4rec", "tisasrec", "tisasrec@shuffled"}
    for _, part in grid.groupby("model"):
        means = part.groupby("learning_rate")[VALID].mean().to_dict()
        assert {0.003, 0.01} < set(means)
        assert wanted_rate(means) is None or len(means) == 2 + 3
        assert part.groupby("learning_rate")["seed"].apply(list).tolist() == [[0, 1]] * len(means)
    diverged = grid[grid["learning_rate"] > 0.003]
    assert len(diverged) and (diverged[VALID] == 0).all()  # a worse neighbour, and no end of all


def test_longer_trainings_decide_on_the_epochs(whole):
    chosen = table(whole, "tune/chosen").set_index("model")
    seeds, longer = table(whole, "tune/seeds"), table(whole, "tune/longer")
    for model, epochs in chosen["epochs"].items():
        own = seeds[seeds["model"] == model]
        assert own["seed"].tolist() == [0, 1, 2] and set(own["epochs"]) == {epochs}
        assert epochs in (1, 2)
        after = longer[longer["model"] == model]
        assert after["seed"].tolist() == [0, 1] and (after["epochs"] >= 1.5 * epochs).all()
        gain = after[VALID].mean() - own[own["seed"] < 2][VALID].mean()
        assert gain <= own[VALID].std() or epochs == 2  # extended once, which is all it may
    curves = table(whole, "tune/curves")
    assert (
        curves.groupby(["model", "seed", "epochs"])
        .size()
        .eq(curves.groupby(["model", "seed", "epochs"])["epochs"].first())
        .all()
    )


def test_control_is_the_same_model_under_another_clock(whole):
    runs = table(whole, "stability/runs").set_index("label")
    assert set(runs.loc["tisasrec@shuffled", "clock"]) == {"shuffled"}
    assert set(runs.loc["tisasrec", "clock"]) == {"real"}
    pairs = table(whole, "significance/answers")
    assert list(zip(pairs["model"], pairs["against"], strict=True)) == [
        ("tisasrec", "gru4rec"),
        ("tisasrec@shuffled", "gru4rec"),
        ("tisasrec", "tisasrec@shuffled"),
    ]


def test_report_names_every_rule_that_is_broken_and_nothing_is_published(whole, data, tmp_path):
    names = ("tune/grid", "tune/chosen", "tune/seeds", "tune/longer", "tune/curves")
    names += ("stability/models", "stability/runs", "significance/answers")
    broken = violations(
        {name: table(whole, name) for name in names}, suite_of(data, whole).settings
    )
    assert "seeds: gru4rec has 3 of at least 5" in broken
    report = (whole / "report" / "report.md").read_text()
    assert all(f"- Broken: {line}." in report for line in broken)
    with pytest.raises(TutorialError, match="breaks it, so it cannot be published: Broken"):
        publish(whole, "tiny", tmp_path / "published")
    assert not (tmp_path / "published").exists()


def test_started_again_it_does_nothing(whole, data, tmp_path, monkeypatch):
    copy = Path(shutil.copytree(whole, tmp_path / "copy"))
    refuse = lambda tasks, *rest: pytest.fail("worked again") if tasks else None  # noqa: E731
    monkeypatch.setattr(work, "perform", refuse)
    assert set(run_suite(suite_of(data, copy), STAGES).values()) == {"skipped"}


def test_collapsed_seed_is_shown_and_in_no_mean(whole, data, tmp_path, monkeypatch):
    """Planted into the results of one training; the stages after it do without it."""
    copy = Path(shutil.copytree(whole, tmp_path / "copy"))
    suite = suite_of(data, copy)
    run = suite.run(suite.entry("gru4rec"), 2)
    honest = Suite.result

    def planted(self, asked):
        return honest(self, asked) | ({VALID: 0.001} if asked.name == run.name else {})

    monkeypatch.setattr(Suite, "result", planted)
    monkeypatch.setattr(Figure, "savefig", lambda figure, file, **how: Path(file).write_bytes(b"x"))
    provenance = copy / "tune" / "provenance.json"
    provenance.unlink()
    run_suite(suite, STAGES)
    seeds = table(copy, "tune/seeds").query("collapsed")
    assert list(zip(seeds["model"], seeds["seed"], strict=True)) == [("gru4rec", 2)]
    models = table(copy, "stability/models").set_index("model")
    assert models.loc["gru4rec", "seeds"] == 2 and models.loc["tisasrec", "seeds"] == 3
    assert suite.kept(suite.entry("gru4rec")) == [0, 1]
    runs = table(copy, "stability/runs")
    mean = runs[runs["label"] == "gru4rec"]["ndcg@10"].mean()
    assert models.loc["gru4rec", "ndcg@10"] == pytest.approx(mean, rel=1e-4)
    assert "gru4rec (seed 2)" in (copy / "report" / "report.md").read_text()


def test_scale_and_controls_of_the_command_line():
    assert SCALES["protocol"]["seeds"] == 5 and SCALES["protocol"]["tune_seeds"] == 2
    labels = [entry.label for entry in select(["tisasrec+query@constant"], ENTRIES)]
    assert labels == ["sasrec", "tisasrec+query", "tisasrec+query@constant"]
    with pytest.raises(TutorialError, match="with @shuffled or @constant behind it"):
        select(["sasrec@shuffled"])


def test_difference_without_equal_numbers_of_seeds():
    a, b = np.ones((3, 4)), np.zeros((2, 4))
    assert significance.difference(a, b).shape == (1, 4)
    assert np.array_equal(significance.difference(a, a), np.zeros((3, 4)))
    table = answers({"a": a, "b": b}, [("a", "b")], np.array([0.001]))
    assert table["seeds"].tolist() == ["3 and 2"] and table["difference"].tolist() == [1]


def test_gain_is_held_against_the_deviation_between_seeds():
    rows = [("m", seed, 4, 0.1 + 0.01 * seed) for seed in range(3)]
    for gain, wanted in ((0.009, False), (0.011, True)):
        longer = [("m", seed, 6, 0.1 + 0.01 * seed + gain) for seed in range(2)]
        frame = pd.DataFrame([*rows, *longer], columns=["model", "seed", "epochs", VALID])
        assert tune.gains(frame, "m", 4) == wanted


def test_settings_say_that_the_protocol_holds(whole):
    settings = json.loads((whole / "tune" / "provenance.json").read_text())["settings"]
    assert settings["grow"] == 3 and settings["longer"] == 1
