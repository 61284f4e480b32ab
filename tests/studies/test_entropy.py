"""The estimators of lesson 22 against systems whose entropy is known, and against the mistakes that
they invite.
"""

import math

import numpy as np
import pytest
from scipy.special import digamma

from studies.entropy import (
    burstiness,
    discretise,
    entropy,
    entropy_rate,
    fibre_entropy,
    fit_bins,
    memory,
    rate_by_user,
    sample_entropy,
    separated_counts,
    shuffled,
    word_counts,
    words,
)
from tutorial_lib.errors import TutorialError
from tutorial_lib.statistics import bootstrap_interval

LN2, LN3 = math.log(2), math.log(3)


def nats(*probabilities):
    return -sum(p * math.log(p) for p in probabilities)


def owners(users, each):
    return np.repeat(np.arange(users), each)


def chain(users, each, stay, rng):
    """Markov chains on {0, 1} that stay with probability stay[state], started in equilibrium."""
    state = (rng.random(users) < (1 - stay[0]) / (2 - sum(stay))).astype(np.int64)
    rows = [state]
    for _ in range(each - 1):
        state = np.where(rng.random(users) < np.asarray(stay)[state], state, 1 - state)
        rows.append(state)
    return np.stack(rows, axis=1).ravel()


# Counting with a bias


def test_entropy_by_hand():
    assert entropy([2, 0, 2, 4], "none") == pytest.approx(1.5 * LN2)
    assert entropy([2, 2, 4]) == pytest.approx(1.5 * LN2 + 2 / 16)
    assert entropy([5], "none") == entropy([5]) == 0
    counts = np.arange(1, 12)
    table = digamma(counts) + 0.5 * (-1.0) ** counts * (
        digamma((counts + 1) / 2) - digamma(counts / 2)
    )
    want = math.log(counts.sum()) - (counts * table).sum() / counts.sum()
    assert entropy(counts, "grassberger") == pytest.approx(want)


@pytest.mark.parametrize(
    ("correction", "bias", "tolerance"),
    [("none", -15 / 128, 0.02), ("miller-madow", 0, 0.03), ("grassberger", 0, 0.01)],
)
def test_the_bias_is_what_the_theory_says(correction, bias, tolerance):
    rng = np.random.default_rng(0)
    drawn = rng.multinomial(64, np.full(16, 1 / 16), size=2000)
    assert np.mean([entropy(row, correction) for row in drawn]) - math.log(16) == pytest.approx(
        bias, abs=tolerance
    )


def test_errors_of_counting():
    for counts, correction in (([0, 0], "none"), ([1, 2], "jackknife")):
        with pytest.raises(TutorialError, match="use at least 1 and one of"):
            entropy(counts, correction)
    with pytest.raises(TutorialError, match="use shorter words"):
        words(np.arange(2000), np.zeros(2000, int), 6)
    with pytest.raises(TutorialError, match="no user has 3 symbols"):
        words(np.array([0, 1, 1, 0]), np.array([0, 0, 1, 1]), 3)
    with pytest.raises(TutorialError, match="no pattern of 3 values"):
        sample_entropy(np.arange(10.0) ** 2, np.zeros(10, int), r=0.01)


# Sequences with a known entropy rate


def test_words_stay_within_a_user():
    number, owner = words(np.array([0, 1, 2, 2, 1]), np.array([0, 0, 0, 4, 4]), 2)
    assert number.tolist() == [1, 5, 7] and owner.tolist() == [0, 0, 4]
    constant = np.repeat([0, 1], 50)
    # a word across the border would be a surprise
    assert entropy_rate(constant, constant, 1, "none") == 0


@pytest.mark.parametrize("order", [1, 2, 3])
def test_rate_of_a_markov_chain(order):
    symbols = chain(4000, 50, (0.9, 0.6), np.random.default_rng(1))
    want = 0.8 * nats(0.9, 0.1) + 0.2 * nats(0.6, 0.4)
    assert entropy_rate(symbols, owners(4000, 50), order) == pytest.approx(want, abs=0.005)
    # 0.1 above the rate
    assert entropy_rate(symbols, owners(4000, 50), 0) == pytest.approx(nats(0.8, 0.2), abs=0.01)
    mixed = shuffled(symbols, owners(4000, 50), np.random.default_rng(2))
    # without the order only the habits are left
    assert entropy_rate(mixed, owners(4000, 50), order) > want + 0.08


def test_rate_of_a_mixture_of_renewal_processes_has_no_order_to_lose():
    """Half of the users draw from p, half from q. The past gap tells which, its place in the order
    nothing.
    """
    rng, user = np.random.default_rng(3), owners(4000, 50)
    laws = np.array([[0.7, 0.2, 0.1], [0.1, 0.2, 0.7]])
    symbols = (rng.random(len(user))[:, None] > laws.cumsum(axis=1)[user % 2]).sum(axis=1)
    pairs = (laws[:, :, None] * laws[:, None, :]).mean(axis=0)
    want = nats(*pairs.ravel()) - nats(*pairs.sum(axis=1))
    # who somebody is: the effect that the tolerances must stay below
    assert nats(*pairs.sum(axis=1)) - want > 0.1
    assert entropy_rate(symbols, user) == pytest.approx(want, abs=0.006)
    assert entropy_rate(shuffled(symbols, user, rng), user) == pytest.approx(
        entropy_rate(symbols, user), abs=0.003
    )
    assert entropy_rate(rng.permutation(symbols), user) == pytest.approx(
        nats(*pairs.sum(axis=1)), abs=0.006
    )


def test_without_correction_a_long_past_seems_to_help():
    symbols, user = np.random.default_rng(4).integers(0, 8, 4000), owners(100, 40)
    errors = {c: entropy_rate(symbols, user, 2, c) - math.log(8) for c in ("none", "miller-madow")}
    assert errors["none"] < -0.05 and abs(errors["miller-madow"]) < 0.01


def test_names_of_symbols_and_users_do_not_matter_and_copies_change_nothing():
    rng = np.random.default_rng(5)
    symbols, user = chain(100, 20, (0.8, 0.5), rng), owners(100, 20)
    want = entropy_rate(symbols, user, 2, "none")
    assert entropy_rate(7 - 3 * symbols, user, 2, "none") == pytest.approx(want)
    assert entropy_rate(
        np.tile(symbols, 2), np.append(user, user + 100), 2, "none"
    ) == pytest.approx(want)


def test_values_of_users_average_to_the_rate_and_their_intervals_cover():
    rng, covered = np.random.default_rng(6), 0
    want = 0.8 * nats(0.9, 0.1) + 0.2 * nats(0.6, 0.4)
    for repeat in range(200):
        symbols, user = chain(80, 25, (0.9, 0.6), rng), owners(80, 25)
        values = rate_by_user(symbols, user)
        plain, shift = entropy_rate(symbols, user, 1, "none"), entropy_rate(symbols, user)
        assert values.mean() == pytest.approx(plain) and len(values) == 80
        interval = bootstrap_interval(values, draws=300, seed=repeat)
        covered += interval.low + shift - plain <= want <= interval.high + shift - plain
    assert 0.89 <= covered / 200 <= 0.99


# Irregular times


def test_burstiness_of_known_processes():
    assert burstiness(np.array([0.0, 1.0, 3.0])).tolist() == [-1, 0, 0.5]


def test_memory_by_hand():
    alternating, rising = [1, 9] * 5, [1, 2, 3, 4, 5, 6]
    seconds = np.array(alternating + rising + [5, 5, 5, 5] + [1, 2, 3])
    user = np.repeat([0, 1, 2, 3], [10, 6, 4, 3])
    found = memory(seconds, user)
    # equal gaps; two pairs only
    assert found[:2].tolist() == pytest.approx([-1, 1]) and np.isnan(found[2:]).all()
    series = np.random.default_rng(7).exponential(size=40)
    assert memory(series, np.zeros(40, int))[0] == pytest.approx(
        np.corrcoef(series[:-1], series[1:])[0, 1]
    )
    assert memory(3600 * series, np.zeros(40, int))[0] == pytest.approx(
        memory(series, np.zeros(40, int))[0]
    )


def test_memory_of_shuffled_gaps_is_minus_one_over_n():
    rng, user = np.random.default_rng(8), owners(4000, 11)
    assert memory(rng.exponential(size=len(user)), user).mean() == pytest.approx(-1 / 11, abs=0.015)


def brute_sample_entropy(series, m, r):
    tolerance, n = r * np.std(series), len(series)
    agree = longer = 0
    for i in range(n - m):
        for j in range(i + 1, n - m):
            if max(abs(series[i + k] - series[j + k]) for k in range(m)) <= tolerance:
                agree += 1
                longer += abs(series[i + m] - series[j + m]) <= tolerance
    return math.log(agree / longer)


def test_sample_entropy_is_what_the_definition_says():
    series = np.random.default_rng(9).normal(size=60).cumsum()
    assert sample_entropy(series, np.zeros(60, int), 2, 0.3, reach=60) == pytest.approx(
        brute_sample_entropy(series, 2, 0.3)
    )
    # a known pattern, a certain future
    assert sample_entropy(np.tile([1.0, 5.0, 2.0], 30), np.zeros(90, int)) == 0
    noise, user = np.random.default_rng(10).normal(size=60_000), owners(600, 100)
    want = -math.log(math.erf(0.2 / 2))  # two normal values within 0.2 of each other: 2.18
    assert sample_entropy(noise, user) == pytest.approx(want, abs=0.05)
    rescaled = noise * (1 + user) + 100 * user  # each user has a scale of his own
    assert sample_entropy(rescaled, user) == pytest.approx(sample_entropy(noise, user), rel=1e-9)


def test_bins_have_equal_shares_and_do_not_depend_on_the_unit():
    seconds = np.random.default_rng(11).lognormal(5, 3, 8000)
    symbols = discretise(seconds, fit_bins(seconds))
    assert np.bincount(symbols).tolist() == pytest.approx([1000] * 8, abs=1)
    for same in (seconds / 3600, np.log1p(seconds)):
        assert np.array_equal(discretise(same, fit_bins(same)), symbols)
    ties = np.repeat([0, 60, 86400], [500, 300, 200])
    assert np.bincount(discretise(ties, fit_bins(ties))).tolist() == [500, 300, 200]


def test_shuffling_keeps_what_everybody_has():
    rng, user = np.random.default_rng(12), np.array([0, 0, 0, 2, 2, 5])
    values = np.array([1, 2, 3, 4, 5, 6])
    mixed = np.stack([shuffled(values, user, rng) for _ in range(60)])
    for place in (slice(0, 3), slice(3, 5), slice(5, 6)):
        assert (np.sort(mixed[:, place]) == values[place]).all()
    assert len(np.unique(mixed, axis=0)) == 12  # all orders of three, times two


# Random dynamical systems


def cells(number):
    return lambda x: np.minimum((x * number).astype(np.int64), number - 1)


def grid(size):
    return (np.arange(size) + 0.5) / size


def times_k(x, k):
    return k * x % 1


def turn(x, angle):
    return (x + angle) % 1


def mix(x, noise):
    return 0.5 * x + 0.5 * noise


def test_words_of_the_doubling_map_by_hand():
    orbits = [grid(800)]
    for _ in range(3):
        orbits.append(2 * orbits[-1] % 1)
    assert word_counts(cells(2)(np.stack(orbits))).tolist() == [2, 4, 8, 16]


def test_expanding_maps():
    starts, noise = grid(2**17), np.random.default_rng(13).integers(2, 4, (60, 8))
    doubling = fibre_entropy(times_k, np.full((1, 12), 2), starts, cells(2))
    assert doubling == pytest.approx([LN2])  # nats: a bit a step would be 1
    random = fibre_entropy(times_k, noise, starts, cells(6))
    # the realisation's own mean, exactly
    np.testing.assert_allclose(random, np.log(noise[:, 1:7]).mean(axis=1))
    truth = (LN2 + LN3) / 2
    # ln E k is 0.02 higher, ln 5 (noise counted too) 0.7
    assert random.mean() == pytest.approx(truth, abs=0.03)


@pytest.mark.parametrize(
    ("step", "noise"), [(turn, np.full((1, 100), math.sqrt(2) - 1)), (turn, None), (mix, None)]
)
def test_isometries_and_contractions_have_no_fibre_entropy(step, noise):
    noise = np.random.default_rng(14).random((4, 100)) if noise is None else noise
    found = fibre_entropy(step, noise, grid(20_000), cells(8), first=50)
    assert (found >= 0).all() and found.max() < 0.02  # rotations: ln(n) / n, still falling


@pytest.mark.parametrize(
    ("step", "states", "least"), [(turn, 4, 1.3), (mix, 4, 1.0), (times_k, 6, 1.3)]
)
def test_noise_that_is_not_shared_is_counted_as_chaos(step, states, least):
    """The planted fault: a realisation for each starting point. Rotations and contractions then
    look more than chaotic.
    """
    rng = np.random.default_rng(15)
    noise = rng.integers(2, 4, (1, 5, 2**17)) if step is times_k else rng.random((1, 5, 2**17))
    assert fibre_entropy(step, noise, grid(2**17), cells(states))[0] > least


def test_too_few_starting_points_are_refused_before_they_saturate():
    with pytest.raises(TutorialError, match="take 10 states a word"):
        fibre_entropy(times_k, np.full((1, 12), 2), grid(2000), cells(2))
    # words of noise: as many as there are places for them
    noise = np.random.default_rng(16).integers(0, 2, (40, 500))
    counts = word_counts(noise)
    assert counts[:5].tolist() == [2, 4, 8, 16, 32] and (counts <= 500).all() and counts[-1] == 500


def test_separated_sets_grow_like_words():
    factors, orbits = [2, 3, 2, 2], [grid(1500)]
    for k in factors:
        orbits.append(times_k(orbits[-1], k))
    counts = separated_counts(np.stack(orbits), 0.0999)
    assert counts[0] == 10 and np.log(counts[-1] / counts[0]) / 4 == pytest.approx(
        np.log(factors).mean(), abs=0.05
    )
    still = separated_counts(np.stack([grid(1500)] * 4), 0.0999)
    assert still.tolist() == [10] * 4
