"""What the exercises of lesson 14 say of the library, and what their sealed boxes hold, is so."""

import math

import numpy as np
import pytest
import torch

from exercises import lesson14
from exercises.lesson14 import LIMITS, ORDERS
from tutorial_lib.models.ode import integrate


def measured(box, rate, exact):
    state, duration, counts = (
        torch.ones(1, 1, dtype=torch.double),
        torch.full((1,), 1.7, dtype=torch.double),
        [32, 64, 128, 256],
    )
    errors = [
        abs(box(lambda t, z: -rate(t) * z, state, duration, n).item() - exact) for n in counts
    ]
    return -np.polyfit(np.log(counts), np.log(errors), 1)[0]


@pytest.mark.parametrize("letter", ORDERS)
def test_the_sealed_solvers_have_the_orders_that_are_asked_for(letter):
    with_clock = measured(
        lesson14.sealed[letter], lambda t: 1 + torch.sin(t), math.exp(math.cos(1.7) - 1 - 1.7)
    )
    without = measured(lesson14.sealed[letter], lambda t: 1.0, math.exp(-1.7))
    assert with_clock == pytest.approx(ORDERS[letter], abs=0.1)
    # C betrays itself only where the clock matters
    assert without == pytest.approx({**ORDERS, "C": 4}[letter], abs=0.1)


@pytest.mark.parametrize("method", LIMITS)
def test_the_limits_are_where_a_step_turns_from_fading_to_growing(method):
    limit, one = lesson14.STABLE_UP_TO[method], torch.ones(1, 1, dtype=torch.double)
    for factor, grows in ((0.999, False), (1.001, True)):
        end = integrate(
            lambda t, z: -z, one, torch.tensor([factor * limit], dtype=torch.double), method=method
        )
        assert (end.abs().item() > 1) == grows
