import numpy as np
import pytest
import scipy.stats

from tutorial_lib import statistics
from tutorial_lib.errors import TutorialError
from tutorial_lib.statistics import (
    Interval,
    bootstrap_interval,
    holm,
    mean_over_seeds,
    paired_bootstrap,
    sign_flip_test,
)


def test_interval_text_and_zero():
    assert str(Interval(0.01234, 0.005, 0.02)) == "0.0123 [0.0050, 0.0200]"
    assert Interval(0.1, 0.05, 0.2).excludes_zero
    assert Interval(-0.1, -0.2, -0.05).excludes_zero
    assert not Interval(0.1, -0.05, 0.2).excludes_zero
    assert not Interval(0.1, 0.0, 0.2).excludes_zero


@pytest.mark.parametrize("level", [0.95, 0.8])
def test_interval_covers_the_true_mean_as_often_as_it_says(level):
    rng = np.random.default_rng(0)
    repetitions, covered = 2000, 0
    for r in range(repetitions):
        interval = bootstrap_interval(rng.exponential(size=150), level=level, draws=300, seed=r)
        covered += interval.low <= 1.0 <= interval.high
    # four standard errors, and one point below nominal for the known small-sample bias of the
    # percentile bootstrap
    margin = 4 * np.sqrt(level * (1 - level) / repetitions)
    assert level - 0.01 - margin <= covered / repetitions <= level + margin


def test_interval_agrees_with_scipy_and_with_the_normal_formula():
    values = np.random.default_rng(1).gamma(2.0, size=2000)
    ours = bootstrap_interval(values, draws=4000)
    other = scipy.stats.bootstrap(
        (values,), np.mean, n_resamples=4000, method="percentile", rng=np.random.default_rng(5)
    ).confidence_interval
    error = values.std(ddof=1) / np.sqrt(len(values))
    assert ours.mean == pytest.approx(values.mean())
    for end, theirs, sign in [(ours.low, other.low, -1), (ours.high, other.high, 1)]:
        # Monte Carlo error of a 2.5 % quantile from 4000 draws: 0.04
        assert abs(end - theirs) < 0.15 * error
        assert abs(end - (values.mean() + sign * 1.96 * error)) < 0.15 * error


def test_pairing_removes_what_the_users_share():
    rng = np.random.default_rng(2)
    users = rng.normal(size=500)  # some users are easy for every model
    a, b = users + 0.05 + 0.1 * rng.normal(size=500), users
    paired = paired_bootstrap(a, b)
    assert paired.mean == pytest.approx((a - b).mean())
    assert paired.excludes_zero
    assert (paired.high - paired.low) < 0.2 * (
        bootstrap_interval(a).high - bootstrap_interval(a).low
    )
    swapped = paired_bootstrap(b, a)
    np.testing.assert_allclose([swapped.low, swapped.high], [-paired.high, -paired.low], atol=1e-12)


def test_seeds_are_averaged_before_users_are_resampled():
    a = np.array([[1.0, 2.0, 6.0], [3.0, 2.0, 0.0]])
    assert mean_over_seeds(a).tolist() == [2.0, 2.0, 3.0]
    assert paired_bootstrap(a, np.zeros(3)) == bootstrap_interval([2.0, 2.0, 3.0])
    # copies of one seed add no users, hence no certainty
    values = np.random.default_rng(3).normal(size=50)
    once, copied = bootstrap_interval(values), bootstrap_interval(np.tile(values, (9, 1)))
    np.testing.assert_allclose([copied.low, copied.high], [once.low, once.high], atol=1e-12)


def test_same_seed_same_bits_whatever_the_chunk(monkeypatch):
    values = np.random.default_rng(4).normal(size=40)
    first = (bootstrap_interval(values, seed=3), sign_flip_test(values, seed=3))
    assert (bootstrap_interval(values, seed=3), sign_flip_test(values, seed=3)) == first
    assert bootstrap_interval(values, seed=4) != first[0]
    monkeypatch.setattr(statistics, "CHUNK", 700)
    assert bootstrap_interval(values, seed=3) == first[0]


def test_sign_flip_matches_the_exact_permutation_test():
    # a zero; and many sums that differ by rounding only
    differences = np.array([0.4, -0.1, 0.3, 0.0, 0.8, 0.2, -0.3, 0.5])
    exact = scipy.stats.permutation_test(
        (differences,), np.mean, permutation_type="samples", n_resamples=np.inf
    ).pvalue
    assert 0.02 < exact < 0.5
    draws = 40_000
    assert abs(sign_flip_test(differences, draws) - exact) < 4 * np.sqrt(
        exact * (1 - exact) / draws
    )


def test_sign_flip_p_is_uniform_without_an_effect_and_small_with_one():
    rng = np.random.default_rng(6)
    p = np.array([sign_flip_test(rng.normal(size=60), draws=300, seed=s) for s in range(500)])
    assert scipy.stats.kstest(p, "uniform").pvalue > 0.01
    shifted = np.array(
        [sign_flip_test(rng.normal(0.3, 1, size=60), draws=300, seed=s) for s in range(200)]
    )
    assert scipy.stats.kstest(shifted, "uniform").pvalue < 1e-6  # the same test sees a real effect
    assert np.mean(shifted < 0.05) > 0.5
    assert sign_flip_test(np.zeros(10)) == 1.0
    assert sign_flip_test(np.ones(60), draws=999) == 1 / 1000


@pytest.mark.parametrize(
    ("p", "adjusted"),
    [
        ([0.01, 0.02, 0.03, 0.04, 0.05], [0.05, 0.08, 0.09, 0.09, 0.09]),  # R: p.adjust(p, "holm")
        ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]),
        ([0.6, 0.9], [1.0, 1.0]),
        ([], []),
    ],
)
def test_holm_against_a_known_table(p, adjusted):
    np.testing.assert_allclose(holm(p), adjusted, atol=1e-12)


def test_holm_keeps_the_family_wise_error():
    rng = np.random.default_rng(7)
    p = rng.random((4000, 5))
    false_alarms = np.mean([holm(row).min() < 0.05 for row in p])
    assert 0.035 < false_alarms < 0.062  # unadjusted: 1 - 0.95^5 = 0.23


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: paired_bootstrap([1.0, 2.0], [1.0]), "2 users against 1"),
        (lambda: bootstrap_interval([]), "one value per user"),
        (lambda: bootstrap_interval([1.0, np.nan]), "1 of 2 values are not finite"),
        (lambda: bootstrap_interval([1.0], level=95), "level = 95"),
        (lambda: bootstrap_interval([1.0], draws=0), "draws = 0"),
        (lambda: holm([0.5, 1.5]), "between 0 and 1"),
        (lambda: sign_flip_test(np.zeros((1, 2, 3))), "shape"),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(TutorialError, match=words):
        call()
