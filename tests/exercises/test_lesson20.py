"""What the exercises of lesson 20 say of the library, and what their sealed boxes hold, is so."""

import itertools

import numpy as np
from scipy import stats

from exercises import lesson20
from exercises.lesson20 import flips, outer_thirds
from tutorial_lib.experiments.protocol import NONE, OPEN, answer
from tutorial_lib.statistics import holm


def test_the_cases_tell_a_difference_from_none():
    """The test users of 20.3: equal gains are not told apart, unequal ones are, though the naive
    comparison sees two gains.
    """
    assert outer_thirds(*lesson20._users(0.02, 0.02, 0))[1] > 0.1
    for gains, sign in (((0.04, 0.012, 1), 1), ((0.0, 0.012, 2), -1)):
        difference, p = outer_thirds(*lesson20._users(*gains))
        assert p < 0.05 and difference * sign > 0


def test_the_answers_of_the_self_test_follow_from_their_numbers():
    assert flips(np.full(7, 0.1)) == 2 / 128
    np.testing.assert_allclose(holm([2 / 128] * 4), 0.0625)
    assert round(2 * stats.norm.sf(0.004 / 0.005), 2) == 0.42
    pairs = 60 * 59 // 2
    assert pairs / 10_001 > 0.17 and pairs / 35_400 <= 0.05 < pairs / 35_300
    assert round((2.8 * 0.15 / 0.005) ** 2) == 7056
    assert answer(-0.0015, 0.0012, 0.8, 0.002, np.inf) == NONE
    assert answer(-0.004, 0.006, 0.7, 0.002, np.inf) == OPEN


def test_the_snippets_to_mend_have_the_faults_that_the_text_names():
    def exact_p(differences):
        patterns = np.array(list(itertools.product([1, -1], repeat=len(differences))))
        means = (patterns * differences).mean(axis=1)
        return (means >= differences.mean()).mean()

    def holm_adjust(p):
        ranked = np.sort(p)
        factors = np.arange(len(p), 0, -1)
        return np.maximum.accumulate(ranked * factors)

    assert round(exact_p(lesson20.SIX), 2) == 0.11 and round(flips(lesson20.SIX), 2) == 0.22
    np.testing.assert_allclose(holm_adjust([0.030, 0.012, 0.400, 0.020]), [0.048, 0.06, 0.06, 0.4])
    assert holm_adjust([0.5, 0.9, 0.7]).max() > 1
    assert lesson20.check_exact_p(exact_p).status == "wrong"
    assert lesson20.check_holm_adjust(holm_adjust).status == "wrong"
