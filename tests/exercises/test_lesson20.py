"""What the exercises of lesson 20 say of the library, and what their sealed boxes hold, is so."""

from exercises import lesson20
from exercises.lesson20 import outer_thirds


def test_the_cases_tell_a_difference_from_none():
    """The test users of 20.3: equal gains are not told apart, unequal ones are, though the naive
    comparison sees two gains.
    """
    assert outer_thirds(*lesson20._users(0.02, 0.02, 0))[1] > 0.1
    for gains, sign in (((0.04, 0.012, 1), 1), ((0.0, 0.012, 2), -1)):
        difference, p = outer_thirds(*lesson20._users(*gains))
        assert p < 0.05 and difference * sign > 0
