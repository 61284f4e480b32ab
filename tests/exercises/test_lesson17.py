"""What the exercises of lesson 17 say of the library, and what their sealed boxes hold, is so."""

import math

import pytest
import torch

from exercises import lesson17
from exercises.lesson17 import detector
from tutorial_lib.models.deepm3_flows import build_flow


def test_the_library_agrees_with_exercise_1():
    """The library's attractor takes hours and rates; at the same half-lives it must pass the
    checker.
    """

    def by_library(state, goal, seconds, half_life):
        flow = (
            build_flow("attractor", len(half_life), solver="rk4", steps=1, lipschitz=0.0)
            .to(state.dtype)
            .requires_grad_(False)
        )
        flow.log_rate.copy_(torch.log(math.log(2) / half_life))
        return flow(state, seconds / 3600, goal)

    assert str(lesson17.check_attractor_step(by_library)) == "right"


@pytest.mark.parametrize(("kind", "is_flow"), [("autonomous", True), ("published", False)])
def test_the_detector_judges_the_library(kind, is_flow):
    torch.manual_seed(1)
    flow = build_flow(kind, 4, solver="rk4", steps=1, lipschitz=0.0).double().requires_grad_(False)
    flow.steps = 60
    for parameter in flow.parameters():
        parameter.mul_(8)
    assert detector(lambda z, s: flow(z, torch.expm1(s)), longest=3.0) == is_flow
