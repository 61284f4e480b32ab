"""Exchanging the solver of trained weights: the weights stay, the own solver loses nothing, the
counts are those of the field.
"""

import pandas as pd
import pytest
import torch

from studies.solver_swap import (
    EVALUATIONS,
    LABELS,
    TABLE,
    WAYS,
    finished_runs,
    main,
    swapped,
)
from tutorial_lib.data.sequences import evaluation_batches
from tutorial_lib.errors import TutorialError
from tutorial_lib.experiments.results import read_suite, suite_names
from tutorial_lib.experiments.stages.lineup import select
from tutorial_lib.experiments.stages.work import load_model
from tutorial_lib.experiments.suite import Suite, run_suite
from tutorial_lib.models import ode


@pytest.fixture(scope="module")
def suite(tmp_path_factory):
    """A tiny suite of the two entries and their twin, two seeds."""
    out = tmp_path_factory.mktemp("suite")
    budget = {"users": 60, "seeds": 2, "rates": (0.01,), "epochs": 1, "max_len": 12, "dim": 8}
    one = Suite(out, entries=select(LABELS), jobs=1, progress=False, **budget)
    run_suite(one, ["stability"])
    return one


def test_the_table_of_a_tiny_suite(suite, tmp_path, capsys):
    assert main([str(suite.out), "--table", str(tmp_path / "swap.csv"), "--repeats", "1"]) == 0
    table = pd.read_csv(tmp_path / "swap.csv", dtype={"seed": str})
    assert len(table) == 2 * len(WAYS) * 3 and set(table["seed"]) == {"0", "1", "mean"}
    own = table[(table["steps"] == 1) & (table["trained_with"] == "deepm3-" + table["solver"])]
    assert len(own) == 6 and (own[["difference", "low", "high"]] == 0).all().all()
    results = suite.table("stability", "runs").set_index(["label", "seed"])["ndcg@10"]
    for row in own[own["seed"] != "mean"].to_dict("records"):  # the suite's own result comes back
        assert row["ndcg@10"] == pytest.approx(
            results[row["trained_with"], int(row["seed"])], abs=1e-6
        )
    means = (
        table[table["seed"] != "mean"]
        .groupby(["trained_with", "solver", "steps"])["ndcg@10"]
        .mean()
    )
    again = table[table["seed"] == "mean"].set_index(["trained_with", "solver", "steps"])["ndcg@10"]
    pd.testing.assert_series_equal(means, again.sort_index(), check_names=False, atol=1e-5)
    # windows of 12 events have 11 gaps
    assert (table["evaluations_window"] == table["evaluations_event"] * 11).all()
    assert (table.filter(like="_ms") > 0).all().all() and "rk4" in capsys.readouterr().out


def test_only_the_solver_changes_and_the_field_is_called_as_often_as_said(suite, monkeypatch):
    row = finished_runs(suite.out).iloc[-1]
    run = suite.run(suite.entry("deepm3-rk4"), 0)
    model = load_model(run, suite.data, suite.runs)
    calls = []
    for name, step in dict(ode.STEPS).items():

        def counting(field, t, z, h, step=step):
            return step(lambda t, z: calls.append(1) or field(t, z), t, z, h)

        monkeypatch.setitem(ode.STEPS, name, counting)
    batch, _ = next(evaluation_batches(suite.data, "test", max_len=12, batch_size=2))
    states = {}
    for solver, steps in WAYS:
        other = swapped(model, run, solver, steps)
        assert all(
            torch.equal(a, b) for a, b in zip(model.parameters(), other.parameters(), strict=True)
        )
        calls.clear()
        with torch.no_grad():
            states[solver, steps] = other(batch.items, batch.times, batch.query_times)
        assert len(calls) == (batch.items.shape[1] - 1) * steps * EVALUATIONS[solver]
    assert not torch.equal(states["euler", 1], states["rk4", 1])
    assert row["folder"] == suite.runs


def test_more_steps_bring_euler_nearer_to_rk4(suite):
    run = suite.run(suite.entry("deepm3-rk4"), 0)
    model = load_model(run, suite.data, suite.runs)
    with torch.no_grad():
        for parameter in model.flow.parameters():
            parameter.mul_(20)  # hardly trained, it would hardly move
        batch, _ = next(evaluation_batches(suite.data, "test", max_len=12, batch_size=8))
        best = swapped(model, run, "rk4", 4)(batch.items, batch.times, batch.query_times)
        errors = []
        for steps in (1, 2, 4):
            errors.append(
                (
                    swapped(model, run, "euler", steps)(batch.items, batch.times, batch.query_times)
                    - best
                )
                .abs()
                .mean()
            )
    assert errors[0] > 1.5 * errors[1] > 2.25 * errors[2] > 0


def test_what_is_missing_is_said(suite, tmp_path, capsys):
    assert main([str(tmp_path)]) == 2 and "holds no finished suite" in capsys.readouterr().err
    assert main([str(suite.out), "--repeats", "0"]) == 2 and "--repeats" in capsys.readouterr().err
    table = suite.table("stability", "runs")
    (tmp_path / "stability").mkdir()
    table[table["label"] != "deepm3-euler"].to_csv(tmp_path / "stability" / "runs.csv", index=False)
    with pytest.raises(TutorialError, match="has no deepm3-euler"):
        finished_runs(tmp_path)
    table.to_csv(tmp_path / "stability" / "runs.csv", index=False)
    # a published copy has tables and ranks, no models
    with pytest.raises(TutorialError, match="holds no checkpoint"):
        finished_runs(tmp_path)


def test_the_committed_table_is_whole():
    table = pd.read_csv(TABLE, dtype={"seed": str})
    seeds = sorted(set(table["seed"]) - {"mean"})
    assert len(table) == len(LABELS) * len(WAYS) * (len(seeds) + 1) and seeds[0] == "0"
    assert set(zip(table["solver"], table["steps"], strict=True)) == set(WAYS)
    assert ((table["low"] <= table["difference"]) & (table["difference"] <= table["high"])).all()
    if "sample" in suite_names():
        trained = read_suite("sample", "stability", "runs").set_index(["label", "seed"])["ndcg@10"]
        own = table[
            (table["steps"] == 1)
            & (table["trained_with"] == "deepm3-" + table["solver"])
            & (table["seed"] != "mean")
        ]
        for row in own.to_dict("records"):
            assert row["ndcg@10"] == pytest.approx(
                trained[row["trained_with"], int(row["seed"])], abs=1e-5
            )
