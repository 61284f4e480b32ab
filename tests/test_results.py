"""Committed result tables: readable, with provenance, and consistent with the ranks that lie beside
them.
"""

import hashlib
import json
import re
import zipfile
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tutorial_lib.errors import TutorialError
from tutorial_lib.evaluate import Ranks, hit_rate, ndcg, per_user
from tutorial_lib.experiments.protocol import answers, violations
from tutorial_lib.experiments.results import (
    RESULTS,
    add_ranks,
    rank_file,
    read_quality,
    read_ranks,
    read_results,
    read_suite,
    suite_names,
    suite_tables,
    suite_values,
)
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


def test_every_rank_belongs_to_a_table_and_is_stored_once():
    """In the file that bears the name of its targets."""
    tables = [read_results(table) for table in TABLES]
    tables += [read_suite(name, "stability", "runs") for name in suite_names()]
    wanted: dict[str, set[str]] = {}
    for row in pd.concat(tables).to_dict("records"):
        wanted.setdefault(rank_file(row).name, set()).add(row["run"])
    stored = {}
    for file in (RESULTS / "ranks").iterdir():
        with np.load(file) as held:
            stored[file.name] = set(held.files) - {"user", "candidates"}
    assert stored == wanted


def test_results_stay_few_and_small():
    files = [path for path in RESULTS.rglob("*") if path.is_file()]
    assert len(files) <= 60 and sum(path.stat().st_size for path in files) < 12e6
    assert {path.suffix for path in files} == {".csv", ".npz", ".zip", ".md"}


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
        runs = read_suite(name, "stability", "runs")
        assert (
            runs["data_fingerprint"].nunique() == 1
            and not runs["code_version"].str.contains("changed|unknown").any()
        )
        with zipfile.ZipFile(RESULTS / "suite" / f"{name}.zip") as archive:
            stages = [file for file in archive.namelist() if file.endswith("provenance.json")]
            assert len(stages) == 7  # all but the report
            tables = []
            for file in stages:
                provenance = json.loads(archive.read(file))
                assert (
                    provenance["settings"]["data"] == runs["data_fingerprint"][0]
                    and "changed" not in provenance["code_version"]
                )
                made = [out for out in provenance["outputs"] if out.endswith(".csv")]
                tables += [f"{provenance['stage']}/{out[:-4]}" for out in made]
                for out in made:
                    table = archive.read(f"{provenance['stage']}/{out}")
                    assert hashlib.sha256(table).hexdigest()[:16] == provenance["outputs"][out]
        assert sorted(tables) == sorted(suite_tables(name))

    def test_every_time_aware_model_has_its_twin_and_five_seeds(self, name):
        models = read_suite(name, "stability", "models").set_index("model")
        trained = models["sd_over_seeds"].notna()
        assert (models["seeds"][trained] >= (2 if name == "control" else 5)).all()
        gains = read_suite(name, "significance", "gains")
        assert set(gains["model"]) | set(gains["twin"]) <= set(models.index)
        assert name.startswith("ml-1m") == gains.empty


@pytest.mark.parametrize("name", suite_names())
def test_a_suite_that_declares_the_protocol_keeps_it(name):
    """Every rule, read off its numbers. Suites from before it make no verdicts of this kind."""
    with zipfile.ZipFile(RESULTS / "suite" / f"{name}.zip") as archive:
        settings = json.loads(archive.read("tune/provenance.json"))["settings"]
    if not settings.get("grow"):
        return
    tables = {table: read_suite(name, *table.split("/")) for table in suite_tables(name)}
    assert violations(tables, settings) == []


def kept_protocol() -> tuple[dict[str, pd.DataFrame], dict[str, object]]:
    """The smallest suite that keeps every rule: two models, five seeds."""
    rates, seeds = (0.001, 0.003, 0.01), range(5)
    grid = [
        {"model": model, "learning_rate": rate, "seed": seed, "valid_ndcg@10": valid}
        for model in ("blind", "aware")
        for rate, valid in zip(rates, (0.08, 0.1, 0.09), strict=True)
        for seed in (0, 1)
    ]
    trained = [
        {"model": model, "seed": seed, "epochs": 4, "valid_ndcg@10": 0.1 + 0.001 * seed}
        for model in ("blind", "aware")
        for seed in seeds
    ]
    longer = [row | {"epochs": 6} for row in trained if row["seed"] < 2]
    curves = [
        row | {"epoch": epoch, "loss": 1.0, "ndcg": row["valid_ndcg@10"] - 0.01 * (4 - epoch)}
        for row in trained
        for epoch in (1, 2, 3, 4)
    ]
    values = {name: np.full((5, 40), 0.1) for name in ("blind", "aware")}
    values["aware"] += 0.02 + 0.01 * np.random.default_rng(0).random((5, 40))
    chosen = [{"model": name, "learning_rate": 0.003, "epochs": 4} for name in values]
    return {
        "tune/grid": pd.DataFrame(grid),
        "tune/chosen": pd.DataFrame(chosen),
        "tune/seeds": pd.DataFrame(trained),
        "tune/longer": pd.DataFrame(longer),
        "tune/curves": pd.DataFrame(curves),
        "stability/models": pd.DataFrame({"model": list(values), "seeds": 5}),
        "stability/runs": pd.DataFrame({"label": list(values), "train_seconds": 60.0}),
        "significance/answers": answers(values, [("aware", "blind")], np.array([0.001])),
    }, {"rates": list(rates), "grow": 6}


def change(table: str, column: str, value: object, where: str = "index == 0"):
    def plant(tables: dict[str, pd.DataFrame], settings: dict[str, object]) -> None:
        frame = tables[table]
        frame.loc[frame.query(where).index, column] = value

    return plant


def drop(table: str, where: str):
    def plant(tables: dict[str, pd.DataFrame], settings: dict[str, object]) -> None:
        tables[table] = tables[table].query(f"not ({where})")

    return plant


AT_EDGE = "model == 'aware' and learning_rate == 0.01"
PLANTED = {  # a fault -> the rule that must see it
    "rate on an edge": (change("tune/grid", "valid_ndcg@10", 0.11, AT_EDGE), "interior"),
    "edge as good": (change("tune/grid", "valid_ndcg@10", 0.1, AT_EDGE), "interior"),
    "another rate": (change("tune/chosen", "learning_rate", 0.001), "interior"),
    "one seed": (drop("tune/grid", "seed == 1"), "budget"),
    "fewer seeds for one rate": (drop("tune/grid", f"{AT_EDGE} and seed == 1"), "budget"),
    "smaller grid": (
        lambda tables, settings: settings.update(rates=[0.0003, *settings["rates"]]),
        "budget",
    ),
    "no grid": (drop("tune/grid", "model == 'aware'"), "budget"),
    "still rising": (change("tune/longer", "valid_ndcg@10", 0.12, "model == 'aware'"), "enough"),
    "no longer run": (drop("tune/longer", "model == 'aware'"), "enough"),
    "hardly longer": (change("tune/longer", "epochs", 5, "model == 'aware'"), "enough"),
    "fewer epochs": (change("tune/seeds", "epochs", 3), "enough"),
    "four seeds": (drop("tune/seeds", "model == 'aware' and seed == 4"), "seeds"),
    "twice the same seed": (change("tune/seeds", "seed", 1), "seeds"),
    "collapsed and averaged": (change("tune/seeds", "valid_ndcg@10", 0.04), "collapse"),
    "no curve": (drop("tune/curves", "model == 'aware' and seed == 3"), "curves"),
    "curve of another": (change("tune/curves", "ndcg", 0.5), "curves"),
    "wrong answer": (change("significance/answers", "answer", "against"), "answers"),
    "smaller margin": (change("significance/answers", "margin", 0.0001), "answers"),
    "Holm forgotten": (change("significance/answers", "p_holm", 0.0001), "answers"),
    "above the ceiling": (change("significance/answers", "ceiling", -0.01), "answers"),
}


class TestProtocol:
    def test_what_keeps_every_rule_passes(self):
        tables, settings = kept_protocol()
        assert violations(tables, settings) == []
        assert tables["significance/answers"]["answer"].tolist() == ["for"]

    @pytest.mark.parametrize("fault", PLANTED)
    def test_each_planted_violation_is_seen(self, fault):
        plant, rule = PLANTED[fault]
        tables, settings = kept_protocol()
        plant(tables, settings)
        assert rule in {line.partition(":")[0] for line in violations(tables, settings)}

    def test_three_seeds_are_enough_where_a_training_takes_long(self):
        tables, settings = kept_protocol()
        for name in ("tune/seeds", "tune/curves"):
            tables[name] = tables[name].query("seed < 3")
        tables["stability/models"]["seeds"] = 3
        assert {line.partition(":")[0] for line in violations(tables, settings)} == {"seeds"}
        tables["stability/runs"]["train_seconds"] = 1801.0
        assert violations(tables, settings) == []

    def test_collapsed_seed_that_is_left_out_is_in_order(self):
        tables, settings = kept_protocol()
        for name in ("tune/seeds", "tune/curves"):
            frame = tables[name]
            at = frame.query("model == 'aware' and seed == 4").index
            frame.loc[at, "valid_ndcg@10" if name == "tune/seeds" else "ndcg"] = 0.02
        models = tables["stability/models"]
        models.loc[models["model"] == "aware", "seeds"] = 4
        assert violations(tables, settings) == []


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


class TestRanks:
    ONE = Ranks(
        np.array([3, 5, 9]), np.array([0, 70_000, 2]), np.array([0, 1, 0]), np.array([80_000] * 3)
    )

    def beside(self, **change) -> Ranks:
        counts = [np.array(values) for values in ([0, 9, 1], [0, 0, 1], [101] * 3)]
        return replace(self.ONE, sampled=Ranks(self.ONE.user, *counts), **change)

    def test_come_back_bit_for_bit(self, tmp_path):
        """With and without sampled negatives, for counts that need 8 and 32 bits."""
        small = self.beside(greater=np.array([1, 2, 3]))
        add_ranks({"a": self.ONE, "b": small}, tmp_path / "ranks" / "data.npz")
        for run, one in (("a", self.ONE), ("b", small)):
            again = read_ranks(run, tmp_path)
            assert (again.sampled is None) == (one.sampled is None)
            for got, want in ((again, one), (again.sampled, one.sampled)):
                for name in ("user", "greater", "equal", "candidates") if want else ():
                    values = getattr(got, name)
                    assert values.dtype == np.int64 and np.array_equal(values, getattr(want, name))

    def test_same_runs_same_bytes_and_a_run_is_replaced(self, tmp_path):
        first, second = tmp_path / "ranks" / "x.npz", tmp_path / "ranks" / "y.npz"
        add_ranks({"b": self.ONE}, first)
        add_ranks({"a": self.beside()}, first)
        add_ranks({"a": self.ONE, "b": replace(self.ONE, equal=self.ONE.equal + 1)}, second)
        assert read_ranks("b", tmp_path).equal.tolist() == [0, 1, 0]  # x.npz comes first
        add_ranks({"a": self.beside(), "b": self.ONE}, second)
        assert first.read_bytes() == second.read_bytes()

    def test_other_targets_are_refused_and_nothing_is_lost(self, tmp_path):
        file = tmp_path / "ranks" / "x.npz"
        add_ranks({"a": self.ONE}, file)
        before = file.read_bytes()
        other = replace(self.ONE, user=np.array([3, 5, 8]))
        with pytest.raises(TutorialError, match="b was tested on other targets .* another folder"):
            add_ranks({"b": other}, file)
        assert file.read_bytes() == before and [*file.parent.iterdir()] == [file]

    def test_unknown_run(self, tmp_path):
        with pytest.raises(TutorialError, match=r"no file in .*/ranks/ holds a run 'a'"):
            read_ranks("a", tmp_path)


def test_the_readme_says_for_each_table_which_lesson_and_which_commands():
    text = (RESULTS / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`.*?) \| ([\d, ()]+) \| `(# \S+)` \|", text, flags=re.MULTILINE)
    lessons = {}
    for names, where, heading in rows:
        assert f"\n{heading}" in text.split("```")[-2]  # among the commands
        for name in re.findall(r"`([^`]+)\.csv`", names):
            lessons[name] = set(re.findall(r"\d+", where))
            assert re.search(rf"{name}|{heading[2:].rstrip('*')}\S*\$", text.split("```")[-2])
    assert sorted(lessons) == TABLES
    for path in (RESULTS.parents[1] / "notebooks" / "source").glob("*.py"):
        read = r"(?:read_results|read_quality|with_rates)\(\"([^\"{]+)\""
        for table in re.findall(read, path.read_text(encoding="utf-8")):
            assert path.name[:2] in lessons[table], (path.name, table)
