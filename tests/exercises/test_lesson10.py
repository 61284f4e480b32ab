"""What the exercises of lesson 10 say of the library, and what their sealed boxes hold, is so."""

from exercises.lesson10 import limit


def test_the_limit_is_where_euler_turns_from_fading_to_growing():
    for eigenvalue in (-2 + 0j, -0.25 + 3j):
        step = limit(eigenvalue)
        assert abs(1 + eigenvalue * step * 0.999) < 1 < abs(1 + eigenvalue * step * 1.001)
