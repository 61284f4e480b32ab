"""What the stages compute, on planted values: a planted gain is found, a planted null is not, a
blind model is unmasked.
"""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from tutorial_lib.data.events import make_dataset
from tutorial_lib.data.splits import leave_last_out
from tutorial_lib.experiments.stages import (
    irregularity,
    robustness,
    sensitivity,
    significance,
    stability,
    tune,
)
from tutorial_lib.experiments.stages.lineup import Entry
from tutorial_lib.experiments.stages.robustness import AHEAD, BEATEN, BLIND, HOLDS
from tutorial_lib.experiments.stages.shared import (
    effect_size,
    label_permutations,
    sign_flips,
    thirds,
)
from tutorial_lib.statistics import sign_flip_test

USERS, SEEDS = 240, 3
ENTRIES = (
    Entry("sasrec", "sasrec"),
    Entry("gains", "tisasrec", twin="sasrec"),
    Entry("nothing", "tisasrec", twin="sasrec"),
)


@pytest.fixture(scope="module")
def split():
    """Users with 7, 8 or 9 events; a third of them with even gaps, a third with uneven, the last
    with wild ones.
    """
    rng, rows = np.random.default_rng(0), []
    for user in range(USERS):
        number = 7 + user % 3
        gaps = np.exp(rng.normal(8, (0.05, 0.6, 2.5)[3 * user // USERS], number))
        rows += [
            (user, item, time)
            for item, time in enumerate(np.cumsum(gaps).astype(int) + 10**9, start=1)
        ]
    return leave_last_out(
        make_dataset("planted", pd.DataFrame(rows, columns=["user", "item", "timestamp"]))
    )


def stub(split, planted: dict, entries=ENTRIES) -> SimpleNamespace:
    """A suite whose models have these values: {label: [S, N]} or {(label, corruption): [S, N]}."""
    return SimpleNamespace(
        data=split,
        strict=False,
        lineup=entries,
        aware=[entry for entry in entries if entry.twin],
        entry=lambda label: next(entry for entry in entries if entry.label == label),
        values=lambda entry, corruption="": planted.get(
            (entry.label, corruption), planted[entry.label]
        ),
        train_all=lambda: None,
        corrupt_all=lambda names: None,
    )


def noisy(mean: np.ndarray | float, seed: int, scale: float = 0.1) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, scale, (SEEDS, USERS))


@pytest.fixture(scope="module")
def planted() -> dict[str, np.ndarray]:
    """`gains` is better by 0.03, but only for the last third of the users; `nothing` is the twin
    with other noise.
    """
    base = np.random.default_rng(9).normal(0.2, 0.1, USERS)  # users differ, the same for all models
    late = np.arange(USERS) >= 2 * USERS // 3
    values = {
        "sasrec": noisy(base, 1, 0.02),
        "gains": noisy(base + 0.03 * late, 2, 0.02),
        "nothing": noisy(base, 3, 0.02),
    }
    values["nothing"] += values["sasrec"].mean() - values["nothing"].mean()  # a null without luck
    return values


class TestSignificance:
    def test_planted_gain_is_found_and_planted_null_is_not(self, split, planted):
        tables = significance.run(stub(split, planted))
        gains = tables["gains"].set_index("model")
        assert gains["significant"].to_dict() == {"gains": True, "nothing": False}
        assert (
            gains["gain"]["gains"] == pytest.approx(0.01, abs=0.004)
            and gains["gain_low"]["gains"] > 0
        )
        assert gains["gain_low"]["nothing"] < 0 < gains["gain_high"]["nothing"]
        lines = " ".join(significance.verdict(tables))
        # two pairs hold the gain
        assert (
            "Gain significantly over their twins: gains." in lines and "1 of 3 pairs" not in lines
        )

    def test_no_gain_is_said_in_words(self, split, planted):
        tables = significance.run(
            stub(
                split,
                planted
                | {
                    "gains": noisy(0.2, 4),
                    "nothing": noisy(0.2, 5),
                    "sasrec": noisy(0.2, 6),
                },
            )
        )
        assert (
            "No time-aware model gains significantly over its twin (2 tested)."
            in significance.verdict(tables)
        )

    def test_groups_by_length_of_the_history(self, split, planted):
        table = significance.run(stub(split, planted))["by_length"]
        assert table.groupby("group")["users"].first().to_dict() == dict.fromkeys(
            significance.LENGTHS, USERS // 3
        )
        assert set(table["events"]) == {"6 to 6", "7 to 7", "8 to 8"}
        for _, part in table.groupby("group"):
            # corrected within the group
            assert (part["p_holm"] <= np.minimum(1, part["p"] * len(part)) + 1e-12).all()

    def test_false_alarms_are_rare(self, split):
        """15 worlds without any difference: 5 % of them may show one, so more than 3 would be no
        luck.
        """
        alarms = 0
        for world in range(15):
            values = {
                entry.label: noisy(0.2, 100 + 10 * world + number)
                for number, entry in enumerate(ENTRIES)
            }
            pairs = [(entry.label, entry.twin) for entry in ENTRIES if entry.twin]
            alarms += significance.compare(values, pairs, ("model", "twin", "gain"))[
                "significant"
            ].any()
        assert alarms <= 3


class TestIrregularity:
    def test_gain_of_the_irregular_is_found(self, split, planted):
        tables = irregularity.run(stub(split, planted))
        table = tables["differences"].set_index("model")
        assert table["significant"].to_dict() == {"gains": True, "nothing": False}
        assert (
            table["difference"]["gains"] == pytest.approx(0.03, abs=0.008)
            and table["difference_low"]["gains"] > 0
        )
        assert "than for regular ones (Holm p < 0.05): gains." in " ".join(
            irregularity.verdict(tables)
        )

    def test_gain_alike_for_all_is_no_difference(self, split, planted):
        even = planted | {"gains": planted["nothing"] + 0.05}
        tables = irregularity.run(stub(split, even))
        assert not tables["differences"]["significant"].any()
        assert (tables["gains"].query("model == 'gains'")["gain_low"] > 0).all()

    def test_groups_come_from_training_gaps(self, split):
        """By hand; and the gaps of validation and test do not move a user to another group."""
        cv = irregularity.training_cv(split)
        user = 100
        rows = np.arange(split.dataset.offsets[user], split.train_end[user])
        gaps = np.diff(split.dataset.events["timestamp"].to_numpy()[rows])
        assert cv[user] == pytest.approx(gaps.std() / gaps.mean())
        events = split.dataset.events.copy()
        events.loc[np.concatenate([split.valid.row, split.test.row]), "timestamp"] += 10**8
        assert np.array_equal(
            irregularity.training_cv(leave_last_out(make_dataset("later", events))), cv
        )
        assert cv[-40:].mean() > 2 * cv[:40].mean()

    def test_users_without_gaps_or_alike_are_no_error(self):
        frame = pd.DataFrame({"user": np.repeat([0, 1, 2], 7), "item": np.tile(np.arange(7), 3)})
        events = frame.assign(timestamp=10**9 + 3600 * frame["item"])
        tables = irregularity.run(stub(leave_last_out(make_dataset("even", events)), {}))
        assert (
            tables["differences"].empty
            and "cannot be told apart" in irregularity.verdict(tables)[0]
        )
        few = irregularity.training_cv(
            leave_last_out(make_dataset("few", events[frame["item"] < 5]))
        )
        assert np.isnan(few).all()  # 3 training events: 2 gaps


class TestRobustness:
    def test_verdicts(self, split, planted):
        """Four models that lose nothing, something, all, or had nothing to lose."""
        base = planted["sasrec"]
        entries = (
            ENTRIES[0],
            *(
                Entry(name, "tisasrec", twin="sasrec")
                for name in ("holds", "ahead", "beaten", "blind")
            ),
        )
        values = {
            "sasrec": base,
            "holds": base + 0.05,
            "ahead": base + 0.05,
            "beaten": base + 0.05,
            "blind": planted["nothing"],
        }
        for name in robustness.CORRUPTIONS:
            values |= {("ahead", name): base + 0.02, ("beaten", name): base - 0.01}
        tables = robustness.run(stub(split, values, entries))
        verdicts = tables["robustness"].groupby("model")["verdict"].agg(set).to_dict()
        assert verdicts == {
            "holds": {HOLDS},
            "ahead": {AHEAD},
            "beaten": {BEATEN},
            "blind": {BLIND},
        }
        blind = tables["robustness"].query("model == 'blind'")
        assert (
            (blind["delta"] == 0).all() and (blind["p"] == 1).all() and not blind["uses_time"].any()
        )
        assert "prove nothing for them: blind." in " ".join(robustness.verdict(tables))

    def test_twin_under_the_same_corruption_stands_beside(self, split, planted):
        """Both lose events and 0.04: the lead stays, and the table says so."""
        values = planted | {"gains": planted["sasrec"] + 0.05}
        values |= {(name, "dropped 0.3"): values[name] - 0.04 for name in ("sasrec", "gains")}
        table = robustness.run(stub(split, values))["robustness"].set_index(["model", "corruption"])
        row = table.loc["gains", "dropped 0.3"]
        assert row["delta"] == row["twin_delta"] == pytest.approx(-0.04) and row[
            "gain_left"
        ] == pytest.approx(0.05)
        assert row["verdict"] == AHEAD and row["p"] < row["p_holm"] < 0.05


def test_sensitivity_counts_the_losing(split, planted):
    values = planted | {("gains", "gaps shuffled"): planted["gains"] - 0.02}
    tables = sensitivity.run(stub(split, values))
    row = tables["sensitivity"].set_index(["model", "condition"]).loc["gains", "gaps shuffled"]
    assert row["delta"] == pytest.approx(-0.02) and row["delta_high"] < 0 and row["twin_delta"] == 0
    assert row["p"] < row["p_holm"] < 0.05
    assert tables["sensitivity"].set_index("model").loc["nothing", "p_holm"].eq(1).all()
    assert (
        sensitivity.verdict(tables)[0]
        == "gaps shuffled: 1 of 2 time-aware models lose (gains), 0 of 1 others."
    )


class TestShared:
    def test_many_sign_flips_are_as_many_tests(self):
        rng = np.random.default_rng(0)
        differences = rng.normal([0.0, 0.08, 0.15, 1.0], 1, (200, 4))
        differences[:, 3] = 0
        together, alone = (
            sign_flips(differences),
            [sign_flip_test(column) for column in differences.T],
        )
        # 10,000 draws each
        assert together[3] == alone[3] == 1 and together == pytest.approx(alone, abs=0.015)
        # 2 of 16 patterns, exactly
        assert sign_flips(np.ones((4, 1)))[0] == pytest.approx(2 / 16, abs=0.02)

    def test_label_permutations(self):
        rng, top = np.random.default_rng(1), np.arange(60) < 25
        values = rng.normal(0, 1, (60, 3)) + np.outer(top, [0, 0, 2])
        p = label_permutations(values, top)
        assert p[2] < 0.001 and (p[:2] > 0.01).all()
        assert label_permutations(np.arange(4.0)[:, None], np.array([True, False, False, True]))[
            0
        ] == pytest.approx(1, abs=0.02)
        nulls = np.random.default_rng(2).normal(0, 1, (60, 200))
        # 200 worlds: 3 standard errors
        assert abs((label_permutations(nulls, top, draws=999) < 0.05).mean() - 0.05) < 0.045

    def test_thirds(self):
        assert thirds(np.array([5.0, 1, 9, np.nan, 3, 7, 8])).tolist() == [1, 0, 2, -1, 0, 1, 2]
        assert set(thirds(np.ones(5))) == {0} and set(thirds(np.full(3, np.nan))) == {-1}

    def test_effect_size_by_hand(self):
        # mean 2, deviation 1
        assert effect_size(np.array([[1.0, 2, 3]]), np.zeros((1, 3))) == pytest.approx(2.0)
        assert effect_size(np.ones((2, 3)), np.ones((2, 3))) == 0


class TestStability:
    def test_hierarchical_interval_holds_both_spreads(self):
        """Seeds that differ widen it; without a difference between seeds it is the plain bootstrap."""
        users = np.random.default_rng(0).normal(0.3, 0.1, 400)
        same = stability.hierarchical_interval(np.tile(users, (5, 1)))
        assert same.high - same.low == pytest.approx(2 * 1.96 * users.std() / 20, rel=0.1)
        apart = stability.hierarchical_interval(users + 0.05 * np.arange(-2, 3)[:, None])
        assert apart.mean == pytest.approx(same.mean)
        # variance of five seeds drawn from five: 2 / 5
        expected = 2 * 1.96 * np.sqrt(users.var() / 400 + 0.05**2 * 2 / 5)
        assert apart.high - apart.low == pytest.approx(expected, rel=0.1)


def test_gain_of_one_lucky_seed_is_not_called_a_gain(split):
    """Significant over users, but one of two seeds shows nothing: said apart."""
    base = np.random.default_rng(9).normal(0.2, 0.02, (2, USERS))
    values = {"sasrec": base, "gains": base + np.array([[0.03], [0.0]]), "nothing": base}
    tables = significance.run(stub(split, values, ENTRIES))
    assert tables["gains"]["significant"].tolist() == [True, False]
    lines = significance.verdict(tables)
    assert "No time-aware model gains significantly over its twin (2 tested)." in lines
    assert "Gain over all users, but other seeds might undo it: gains." in lines


def test_rate_is_chosen_by_the_mean_over_seeds():
    """Seed 0 alone would choose the lower rate; equals go to the lower one; a model that counts has
    no rate.
    """
    scores = {
        "sasrec": {0.001: (0.30, 0.10), 0.003: (0.29, 0.20)},
        "gains": {0.001: (0.2, 0.2), 0.003: (0.2, 0.2)},
    }
    entries = (
        Entry("popularity", "popularity"),
        Entry("sasrec", "sasrec"),
        Entry("gains", "tisasrec", twin="sasrec"),
    )
    trained = []

    def tuned(seeds: int) -> dict[str, float]:
        suite = SimpleNamespace(
            lineup=entries,
            rates=(0.001, 0.003),
            tune_seeds=seeds,
            train=trained.extend,
            grow=0,
            strict=False,
        )
        suite.run = lambda entry, seed, rate=None: SimpleNamespace(
            label=entry.label, seed=seed, rate=rate, name="r"
        )
        suite.result = lambda run: {
            "valid_ndcg@10": scores[run.label][run.rate][run.seed],
            "best_epoch": 2,
            "epochs": 4,
        }
        tables = tune.run(suite)
        assert (
            len(tables["grid"]) == 2 * 2 * seeds
            and f"2 learning rates and {seeds} seeds" in tune.verdict(tables)[0]
        )
        return tables["chosen"].set_index("model")["learning_rate"].to_dict()

    assert tuned(1) == {"sasrec": 0.001, "gains": 0.001}
    assert tuned(2) == {"sasrec": 0.003, "gains": 0.001}
    # trained once a call, for the stages to come
    assert [run.label for run in trained].count("popularity") == 2
