"""What the exercises of lesson 02 say of the library, and what their sealed boxes hold, is so."""

import numpy as np
import pytest

from exercises.lesson02 import RIGHT, needed


@pytest.mark.parametrize(("checker", "answer"), RIGHT)
def test_untouched_stubs_are_not_attempted(checker, answer):
    for stub in (
        (lambda *args: None, lambda *args: ...) if callable(answer) else (None, ..., (..., ...))
    ):
        assert str(checker(stub)) == "not attempted yet"


def test_the_number_of_people_gives_the_power_it_promises():
    """Simulated: of studies with so many people, about 80 % find the better model."""
    people, gain, disagree = needed(0.015, 0.10), 0.015, 0.10
    chances = [(disagree + gain) / 2, (disagree - gain) / 2, 1 - disagree]
    better, worse, _ = np.random.default_rng(0).multinomial(people, chances, 20_000).T
    mean = (better - worse) / people
    error = np.sqrt(((better + worse) / people - mean**2) / people)
    assert abs((mean > 1.96 * error).mean() - 0.8) < 0.015
