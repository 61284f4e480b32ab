"""Every flow of deepm3 is the flow it claims to be: its equation, its parts and wholes, its unit of
time, its bounds.
"""

import math

import pytest
import torch

from tests.models.test_deepm3 import histories, make
from tutorial_lib.data.datasets import load_dataset
from tutorial_lib.data.sequences import fit_gap_statistics
from tutorial_lib.data.splits import make_split
from tutorial_lib.models.ode import integrate

NEURAL = ("autonomous", "since_event", "published")


@pytest.mark.parametrize("flow", ["autonomous", "since_event", "published", "decay", "attractor"])
def test_two_parts_of_a_gap_make_the_whole_for_a_flow_and_only_for_a_flow(flow):
    """In the flow's own unit of time: hours for closed forms, log hours for a neural field."""
    part = make(flow=flow, steps=50).double().flow
    evolve = part.bind()
    generator = torch.Generator().manual_seed(0)
    state, goal = torch.randn(2, 50, 12, generator=generator, dtype=torch.double)
    a, b = torch.rand(2, 50, generator=generator, dtype=torch.double) + 0.2

    def context(time):
        return part.context(torch.expm1(time) if flow in NEURAL else time, goal)

    gap = (
        (evolve(evolve(state, *context(a)), *context(b)) - evolve(state, *context(a + b)))
        .abs()
        .max()
    )
    if flow in ("autonomous", "decay", "attractor"):
        assert gap < 1e-4
    else:  # since_event starts its clock again at 0; published is no flow at all
        assert gap > 1e-2


def test_closed_forms_solve_their_equation():
    """dz/dt = -lambda (z - goal) against half-lives by hand, and against the solver."""
    flow = make(flow="attractor").flow
    half_lives = math.log(2) / flow.log_rate.exp()
    torch.testing.assert_close(half_lives[[0, -1]], torch.tensor([0.5, 500.0]))
    state, goal = torch.randn(2, 12, 12)
    ends = flow(state, half_lives, goal)  # row i waits for one half-life of coordinate i
    torch.testing.assert_close(ends.diagonal(), ((state + goal) / 2).diagonal())

    def field(t, z):
        return -flow.log_rate.exp() * (z - goal)

    hours = torch.full((12,), 3.0)
    torch.testing.assert_close(
        integrate(field, state, hours, steps=40), flow(state, hours, goal), atol=1e-5, rtol=1e-5
    )
    # a century: all of it forgotten
    torch.testing.assert_close(flow(state, torch.full((12,), 1e6), goal), goal)
    faded = make(flow="decay").flow(state, hours)
    torch.testing.assert_close(faded, flow(state, hours, torch.zeros_like(goal)))


class TestLipschitz:
    def field(self, **options):
        flow = make(dim=8, scale=40.0, **options).flow.double()

        def speed(z, h=1e-5):  # (z(h) - z) / h, out of the model itself
            return (
                flow.bind()(
                    z, *flow.context(torch.expm1(torch.full((len(z),), h, dtype=torch.double)))
                )
                - z
            ) / h

        return flow, speed

    @pytest.mark.parametrize("flow", NEURAL)
    @pytest.mark.parametrize("limit", [0.0, 0.7, 3.0])
    def test_the_stated_bound_holds(self, flow, limit):
        """The largest singular value of the Jacobian, at many states, never exceeds the bound; at
        one it comes near.
        """
        flow, speed = self.field(flow=flow, lipschitz=limit)
        bound = flow.lipschitz_bound()
        if limit:
            assert bound <= limit + 1e-9
            assert bound > 0.99 * limit  # the weights were larger, so the limit binds
        else:
            assert bound > 3.5
        states = torch.cat(
            [torch.zeros(1, 8), torch.randn(30, 8, generator=torch.Generator().manual_seed(0))]
        ).double()
        steepest = [
            torch.linalg.matrix_norm(
                torch.autograd.functional.jacobian(speed, z[None]).view(8, 8), 2
            )
            for z in states
        ]
        assert max(steepest) <= bound * (1 + 1e-4)  # h is not 0
        assert max(steepest) > 0.05 * bound

    def test_weights_within_the_limit_are_left_alone(self):
        flow, _ = self.field(lipschitz=1e6)
        assert torch.equal(flow.weights()[0], flow.inner.weight) and torch.equal(
            flow.weights()[1], flow.outer.weight
        )

    @pytest.mark.parametrize("limit", [0.0, 1.0])
    def test_groenwall(self, limit):
        """Two states part and meet at most exponentially: exp(-K s) <= |z1(s) - z2(s)| / |z1(0) -
        z2(0)| <= exp(K s).
        """
        flow, _ = self.field(lipschitz=limit, steps=64)
        bound, evolve = flow.lipschitz_bound(), flow.bind()
        generator = torch.Generator().manual_seed(0)
        one, two = torch.randn(2, 200, 8, generator=generator, dtype=torch.double)
        for duration in (0.1, 1.0, 3.0):
            gap = torch.full((200,), duration, dtype=torch.double)
            ratio = (evolve(one, gap) - evolve(two, gap)).norm(dim=1) / (one - two).norm(dim=1)
            assert ratio.max() <= math.exp(bound * duration) and ratio.min() >= math.exp(
                -bound * duration
            )
            assert (ratio - 1).abs().max() > 0.02 * duration  # and it does move


@pytest.mark.parametrize("flow", NEURAL)
def test_solvers_agree_on_the_field_and_differ_by_their_order(flow):
    items, times, queries = histories()
    states = {}
    for solver, steps in (("euler", 4), ("euler", 40), ("rk4", 4), ("adaptive", 1)):
        model = make(flow=flow, solver=solver, steps=steps, query_time=True, scale=4.0)
        if flow == "published":
            model.flow.steps = steps  # one step is its definition; here the field alone is on trial
        states[solver, steps] = model(items, times, queries)
    exact = states["adaptive", 1]
    errors = {key: (value - exact).abs().max().item() for key, value in states.items()}
    assert errors["rk4", 4] < errors["euler", 40] < errors["euler", 4] / 4
    assert errors["rk4", 4] < 1e-2 < errors["euler", 4]


def test_published_takes_one_step():
    assert make(flow="published", steps=5).flow.steps == 1 and make(steps=5).flow.steps == 5


def test_the_unit_of_time_comes_from_the_training_part():
    split = make_split(load_dataset("sample", users=60), "temporal")
    stats = fit_gap_statistics(split)
    model = make()
    model.fit_time(split)
    assert model.flow.context(torch.tensor([0.0, math.e - 1]))[0].tolist() == pytest.approx(
        [0, 1 / stats.std]
    )
    assert "flow.clock.std" in model.state_dict()
    control = make(flow="gap_feature")
    control.fit_time(split)
    assert control.clock.mean.item() == pytest.approx(stats.mean)
