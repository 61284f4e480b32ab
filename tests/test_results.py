"""Committed result tables: readable, with provenance, and consistent with the ranks that lie beside
them.
"""

import json

import numpy as np
import pytest

from tutorial_lib.errors import TutorialError
from tutorial_lib.evaluate import hit_rate, ndcg, per_user
from tutorial_lib.experiments.results import (
    RESULTS,
    SUITES,
    read_quality,
    read_ranks,
    read_results,
    read_suite,
    suite_names,
    suite_values,
)
from tutorial_lib.experiments.stages.fresh import digest
from tutorial_lib.train import TrainConfig

TABLES = sorted(path.stem for path in RESULTS.glob("*.csv"))


@pytest.mark.parametrize("table", TABLES)
def test_metrics_follow_from_the_committed_ranks(table):
    for row in read_results(table).to_dict("records"):
        ranks = read_ranks(row["run"])
        for name, values in {"ndcg@10": ndcg(ranks), "hr@10": hit_rate(ranks)}.items():
            assert per_user(ranks, values).mean() == pytest.approx(row[name], abs=5e-6)
            assert row[f"{name}_low"] < row[name] < row[f"{name}_high"]


@pytest.mark.parametrize("table", TABLES)
def test_provenance_is_complete(table):
    results = read_results(table)
    assert results["run"].is_unique and results["data_fingerprint"].nunique() == 1
    for row in results.to_dict("records"):
        assert "changed" not in row["code_version"] and row["code_version"] != "unknown"
        assert row["wall_seconds"] > 0 and row["threads"] >= 1
        configuration = json.loads(row["configuration"])
        assert TrainConfig(**configuration["config"]).seed == row["seed"]


@pytest.mark.parametrize("table", TABLES)
def test_every_rank_file_belongs_to_a_table(table):
    known = {run for name in TABLES for run in read_results(name)["run"]}
    assert {
        path.name.removesuffix(".csv.gz") for path in (RESULTS / "ranks").glob("*.csv.gz")
    } == known


@pytest.mark.parametrize("table", TABLES)
def test_models_of_a_table_share_their_test_targets(table):
    users = [read_ranks(run).user for run in read_results(table)["run"]]
    assert all(np.array_equal(users[0], other) for other in users)


def test_quality_has_a_row_for_every_seed_and_drops_the_dropout():
    quality = read_quality("attention_sample_temporal")
    assert ("tisasrec", "query_time=True", "constant") in quality and (
        "sasrec",
        "",
        "real",
    ) in quality
    runs = read_results("attention_sample_temporal")
    for (model, options, clock), values in quality.items():
        shared = runs["options"].str.contains("query_time=True") == ("query_time=True" in options)
        rows = runs[(runs["model"] == model) & (runs["clock"] == clock) & shared].sort_values(
            "seed"
        )
        assert list(rows["seed"]) == list(range(5))
        assert values.mean(1) == pytest.approx(rows["ndcg@10"], abs=5e-6)


@pytest.mark.parametrize("name", suite_names())
class TestSuites:
    def test_tables_follow_from_the_committed_ranks(self, name):
        values = {label: one.mean(0) for label, one in suite_values(name).items()}
        models = read_suite(name, "stability", "models").set_index("model")["ndcg@10"]
        assert models.to_dict() == pytest.approx(
            {label: one.mean() for label, one in values.items()}, abs=5e-6
        )
        for row in read_suite(name, "significance", "pairs").to_dict("records"):
            assert row["difference"] == pytest.approx(
                (values[row["a"]] - values[row["b"]]).mean(), abs=5e-6
            )

    def test_provenance(self, name):
        """Made from a committed state, on one state of the data; no table was touched afterwards."""
        folder, runs = SUITES / name, read_suite(name, "stability", "runs")
        assert (
            runs["data_fingerprint"].nunique() == 1
            and not runs["code_version"].str.contains("changed|unknown").any()
        )
        assert {path.name.removesuffix(".csv.gz") for path in (folder / "ranks").iterdir()} == set(
            runs["run"]
        )
        for path in folder.glob("*/provenance.json"):
            provenance = json.loads(path.read_text(encoding="utf-8"))
            assert (
                provenance["settings"]["data"] == runs["data_fingerprint"][0]
                and "changed" not in provenance["code_version"]
            )
            assert {
                file: digest(path.parent / file) for file in provenance["outputs"]
            } == provenance["outputs"]

    def test_every_time_aware_model_has_its_twin_and_five_seeds(self, name):
        models = read_suite(name, "stability", "models").set_index("model")
        trained = models["sd_over_seeds"].notna()
        assert (models["seeds"][trained] >= (2 if name == "control" else 5)).all()
        gains = read_suite(name, "significance", "gains")
        assert set(gains["model"]) | set(gains["twin"]) <= set(models.index)
        assert name.startswith("ml-1m") == gains.empty


def test_quality_of_a_table_that_compares_losses():
    for loss in ("ce", "bce"):
        values = read_quality("sample_temporal", loss=loss)["sasrec", "", "real"]
        runs = (
            read_results("sample_temporal")
            .query("model == 'sasrec' and loss == @loss")
            .sort_values("seed")
        )
        assert len(values) == 5 and values.mean(1) == pytest.approx(runs["ndcg@10"], abs=5e-6)
    for wrong in (None, "gbce"):
        with pytest.raises(TutorialError, match="holds the losses bce, ce"):
            read_quality("sample_temporal", loss=wrong)


def test_unknown_table_names_the_known(tmp_path):
    (tmp_path / "one.csv").write_text("run\n")
    with pytest.raises(TutorialError, match="no result table 'two' .* known are one"):
        read_results("two", tmp_path)
