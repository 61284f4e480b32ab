"""A library of one file, for the tests of the notebook build."""

import functools

SCALE: float = 0.5


@functools.cache
def half(x: float) -> float:
    """Half of x."""
    return x * SCALE


class Mean:
    """A mean."""

    def of(self, values: list[float]) -> float:
        """The mean of values."""
        return sum(values) / len(values)
