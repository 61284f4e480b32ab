"""What a verdict may rest on: grids that grow, collapsed seeds, five words for an answer."""

import numpy as np
import pytest

from tutorial_lib.experiments.protocol import (
    AGAINST,
    FOR,
    NONE,
    OPEN,
    UNTESTABLE,
    answer,
    answers,
    collapsed,
    more_epochs,
    next_rate,
    over_seeds_and_users,
    wanted_rate,
)


@pytest.mark.parametrize(
    ("rate", "lower", "higher"),
    [(0.001, 0.0003, 0.003), (0.003, 0.001, 0.01), (0.01, 0.003, 0.03), (0.02, 0.01, 0.1)],
)
def test_next_rate(rate, lower, higher):
    assert next_rate(rate, up=False) == lower and next_rate(rate, up=True) == higher


def test_grid_grows_until_the_best_rate_lies_inside():
    """On a made-up landscape with its optimum far outside the grid."""
    for best in (1e-5, 0.001, 0.3):
        means = {rate: -abs(np.log(rate / best)) for rate in (0.001, 0.003, 0.01)}
        while (rate := wanted_rate(means)) is not None:
            assert rate not in means
            means[rate] = -abs(np.log(rate / best))
        inside = sorted(means)
        assert max(means, key=means.get) in inside[1:-1]
        assert max(means, key=means.get) == pytest.approx(best)


def test_equal_neighbour_is_not_worse():
    assert wanted_rate({0.001: 0.1, 0.003: 0.2, 0.01: 0.2}) == 0.03
    assert wanted_rate({0.001: 0.1, 0.003: 0.2, 0.01: 0.2, 0.03: 0.1}) is not None
    assert wanted_rate({0.001: 0.1, 0.003: 0.2, 0.01: 0.1}) is None


def test_collapsed_seed_of_the_review():
    """0.0267 among 0.0953, 0.0481, 0.0848, 0.1023: half of the median of the others is 0.045."""
    values = np.array([0.0953, 0.0481, 0.0848, 0.0267, 0.1023])
    assert collapsed(values).tolist() == [False, False, False, True, False]
    assert not collapsed(np.array([0.1])).any()
    assert more_epochs(8) == 12 and more_epochs(5) == 8


@pytest.mark.parametrize(
    ("low", "high", "p", "ceiling", "threshold", "wanted"),
    [
        (0.01, 0.03, 0.01, 0.1, 0.0, FOR),
        (0.01, 0.03, 0.06, 0.1, 0.0, OPEN),  # Holm says no
        (-0.01, 0.03, 0.01, 0.1, 0.0, OPEN),  # other seeds might
        (-0.03, -0.01, 0.01, 0.1, 0.0, AGAINST),
        (-0.001, 0.001, 0.9, 0.1, 0.0, NONE),
        (0.0005, 0.0019, 0.01, 0.1, 0.0, NONE),  # surely above 0, and smaller than the margin
        (-0.03, 0.03, 0.9, 0.1, 0.0, OPEN),
        (0.01, 0.03, 0.01, 0.2175, 0.25, UNTESTABLE),  # NDCG 0.25, where 0.2175 is all there is
        (0.26, 0.28, 0.01, 0.3, 0.25, FOR),
    ],
)
def test_answer(low, high, p, ceiling, threshold, wanted):
    assert answer(low, high, p, 0.002, ceiling, threshold) == wanted


def test_rule_says_yes_no_and_equal_where_they_are_true():
    """300 users and five seeds, drawn with a known difference."""
    rng = np.random.default_rng(0)
    users, noise = rng.random(300), lambda: rng.normal(0, 0.01, (5, 300))
    values = {"twin": users + noise(), "better": users + 0.05 + noise()}
    values |= {"same": users + noise(), "worse": users - 0.05 + noise()}
    pairs = [(label, "twin") for label in ("better", "same", "worse")]
    table = answers(values, pairs, np.array([0.0001, 0.5, 0.0001])).set_index("model")
    assert table["answer"].to_dict() == {"better": FOR, "same": NONE, "worse": AGAINST}
    best = values["better"].mean() - values["twin"].mean()
    assert table["ceiling"].to_numpy() == pytest.approx(best)
    assert table["margin"].to_numpy() == pytest.approx(0.02 * values["twin"].mean())
    assert table["p_holm"].tolist() == pytest.approx([0.0003, 0.5, 0.0003])


def test_interval_knows_of_seeds_and_of_users():
    """Against the standard error by formula, where only seeds or only users vary."""
    rng = np.random.default_rng(1)
    seeds = np.repeat(rng.normal(0, 1, (40, 1)), 30, axis=1)
    users = np.repeat(rng.normal(0, 1, (1, 400)), 5, axis=0)
    for values, error in (
        (seeds, seeds[:, 0].std() / 40**0.5),
        (users, users[0].std() / 400**0.5),
    ):
        interval = over_seeds_and_users(values, np.zeros_like(values[:3]))
        assert interval.mean == pytest.approx(values.mean())
        assert interval.high - interval.low == pytest.approx(2 * 1.96 * error, rel=0.1)
    # what users share with each other cancels, what seeds do does not
    shared = over_seeds_and_users(users, users)
    assert shared.low == shared.high == 0
