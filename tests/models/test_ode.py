"""Solvers against closed forms, orders measured, rescaled clocks, gradients by two ways."""

import math

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp
from torch import nn
from torchdiffeq import odeint

from tutorial_lib.errors import TutorialError
from tutorial_lib.models.ode import METHODS, STEPS, gradients, integrate, integrate_adaptive

DOUBLE = torch.float64
# dz/dt and z(duration) for z(0) = 1; the last one moves z itself non-linearly.
PROBLEMS = {
    "z' = -z (1 + sin t)": (
        lambda t, z: -z * (1 + torch.sin(t)),
        lambda t: math.exp(math.cos(t) - 1 - t),
    ),
    "z' = z cos t": (lambda t, z: z * torch.cos(t), lambda t: math.exp(math.sin(t))),
    "z' = -z^2": (lambda t, z: -(z**2), lambda t: 1 / (1 + t)),
}


class Swirl(nn.Module):
    """A small neural field that turns, and depends on time."""

    def __init__(self, dim=3):
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Linear(dim + 1, dim, dtype=DOUBLE)

    def forward(self, t, z):
        return torch.tanh(self.layer(torch.cat([z, t.expand(*z.shape[:-1], 1)], dim=-1)))


def batch(rows=5, dim=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    state = torch.randn(rows, dim, generator=generator, dtype=DOUBLE)
    return state, torch.tensor([0.0, 0.01, 0.3, 1.0, 2.5], dtype=DOUBLE)[:rows]


@pytest.mark.parametrize(
    "method, digits", [("euler", 1e-2), ("midpoint", 1e-4), ("rk4", 1e-8), ("adaptive", 1e-5)]
)
def test_decay_matches_its_closed_form_and_only_as_well_as_the_order_allows(method, digits):
    rate, duration = (
        torch.tensor([0.1, 1.0, 2.0], dtype=DOUBLE),
        torch.tensor([0.0, 0.5, 1.5], dtype=DOUBLE),
    )
    state = torch.tensor([1.0, -2.0, 3.0], dtype=DOUBLE)[:, None]
    ends = integrate(lambda t, z: -rate[:, None] * z, state, duration, method=method, steps=100)
    error = (ends - state * torch.exp(-rate * duration)[:, None]).abs().max().item()
    assert error < 2 * digits
    if method != "adaptive":
        assert error > digits / 1000  # a solver of a higher order than it claims is another solver


@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize(
    "method, order, slack", [("euler", 1, 0.1), ("midpoint", 2, 0.15), ("rk4", 4, 0.3)]
)
def test_observed_order(method, order, slack, problem):
    field, exact = PROBLEMS[problem]
    duration = 1.7
    steps = np.array([16, 32, 64, 128])
    start, gap = torch.ones(1, 1, dtype=DOUBLE), torch.tensor([duration], dtype=DOUBLE)
    errors = [
        abs(integrate(field, start, gap, method=method, steps=int(n)).item() - exact(duration))
        for n in steps
    ]
    slope = -np.polyfit(np.log(steps), np.log(errors), 1)[0]
    assert abs(slope - order) <= slack


def test_one_rk4_step_by_hand():
    """z' = t + z from z(0) = 1 with h = 0.1: k = 1, 1.1, 1.105, 1.2105."""
    end = integrate(
        lambda t, z: t + z,
        torch.ones(1, 1, dtype=DOUBLE),
        torch.tensor([0.1], dtype=DOUBLE),
        method="rk4",
    )
    assert end.item() == pytest.approx(1 + 0.1 / 6 * (1 + 2.2 + 2.21 + 1.2105), abs=1e-14)


@pytest.mark.parametrize("method", METHODS)
def test_one_call_with_many_clocks_equals_one_call_a_row(method):
    field, (state, gaps) = Swirl(), batch()
    together = integrate(field, state, gaps, method=method, steps=4)
    alone = torch.cat(
        [
            integrate(field, state[i : i + 1], gaps[i : i + 1], method=method, steps=4)
            for i in range(5)
        ]
    )
    torch.testing.assert_close(
        together, alone, atol=1e-5 if method == "adaptive" else 1e-13, rtol=0
    )
    assert torch.equal(together[0], state[0])  # the row whose gap is 0
    assert (together[1:] - state[1:]).abs().amin() > 1e-5


def test_rows_may_have_any_leading_shape_and_their_own_start():
    field, (state, gaps) = Swirl(), batch(rows=4)
    start = torch.tensor([0.5, 1.0, 0.0, 2.0], dtype=DOUBLE)[:, None]
    flat = integrate(field, state, gaps, steps=3, start=start)
    shaped = integrate(
        field, state.view(2, 2, 3), gaps.view(2, 2), steps=3, start=start.view(2, 2, 1)
    )
    assert torch.equal(shaped.view(4, 3), flat)
    by_hand = solve_ivp(
        lambda t, z: field(torch.tensor([t]), torch.tensor(z)).detach().numpy(),
        (1.0, 1.01),
        state[1].numpy(),
    )
    torch.testing.assert_close(flat[1], torch.tensor(by_hand.y[:, -1]), atol=1e-6, rtol=0)


@pytest.mark.parametrize("method", METHODS)
def test_against_an_independent_solver(method):
    """scipy's own Runge-Kutta at tight tolerance, one row after the other; the error must shrink
    with the steps.
    """
    field, (state, gaps) = Swirl(), batch()
    rows = zip(state.numpy(), gaps.tolist(), strict=True)
    slope = lambda t, z: field(torch.tensor([t]), torch.tensor(z)).detach().numpy()  # noqa: E731
    ends = [
        solve_ivp(slope, (0, g), z, method="DOP853", rtol=1e-11, atol=1e-12).y[:, -1]
        for z, g in rows
    ]
    truth = torch.from_numpy(np.stack(ends))
    coarse, fine = (
        (integrate(field, state, gaps, method=method, steps=n) - truth).abs().max().item()
        for n in (8, 64)
    )
    assert fine < {"euler": 5e-2, "midpoint": 2e-4, "rk4": 1e-8, "adaptive": 1e-5}[method]
    if method in STEPS:
        assert fine < coarse / 5


def test_torchdiffeqs_rk4_has_the_same_order_but_other_digits():
    """Its "rk4" is Kutta's 3/8 rule: on a field that moves with time the two differ, and both
    shrink by 2^4 a halving.
    """
    field, exact = PROBLEMS["z' = -z (1 + sin t)"]
    ends, start, gap = (
        torch.tensor([0.0, 1.7], dtype=DOUBLE),
        torch.ones(1, 1, dtype=DOUBLE),
        torch.tensor([1.7], dtype=DOUBLE),
    )
    theirs = [
        odeint(field, start, ends, method="rk4", options={"step_size": 1.7 / n})[1].item()
        for n in (32, 64)
    ]
    ours = [integrate(field, start, gap, steps=n).item() for n in (32, 64)]
    assert theirs[0] != ours[0]
    for coarse, fine in (theirs, ours):
        ratio = abs(coarse - exact(1.7)) / abs(fine - exact(1.7))
        assert 2**3.7 < ratio < 2**4.3


def test_fixed_steps_and_adaptive_steps_agree():
    field, (state, gaps) = Swirl(), batch()
    fixed, adaptive = (
        integrate(field, state, gaps, steps=32),
        integrate(field, state, gaps, method="adaptive"),
    )
    torch.testing.assert_close(fixed, adaptive, atol=1e-4, rtol=0)
    loose = integrate_adaptive(field, state, gaps, rtol=1e-2, atol=1e-2)
    assert (loose - fixed).abs().max() > (adaptive - fixed).abs().max()


def test_quiet_company_does_not_make_the_adaptive_solver_careless():
    """An error averaged over the batch would drown among 999 rows that stand still."""

    def error(company):
        gaps = torch.cat([torch.tensor([20.0], dtype=DOUBLE), torch.zeros(company, dtype=DOUBLE)])
        ends = integrate_adaptive(
            PROBLEMS["z' = z cos t"][0],
            torch.ones(len(gaps), 1, dtype=DOUBLE),
            gaps,
            rtol=1e-3,
            atol=1e-4,
        )
        return abs(ends[0].item() - math.exp(math.sin(20)))

    assert error(999) <= 1.01 * error(0)


def test_an_autonomous_field_is_a_flow_and_one_that_reads_its_gap_is_not():
    """Evolving a, then b, must lead where a + b leads; and back again with the opposite sign."""
    swirl, (state, gaps) = Swirl(), batch()
    autonomous = lambda t, z: swirl(torch.zeros_like(t), z)  # noqa: E731
    a, b = 0.4 * gaps, 0.6 * gaps
    twice = integrate(autonomous, integrate(autonomous, state, a, steps=16), b, steps=16)
    torch.testing.assert_close(
        twice, integrate(autonomous, state, gaps, steps=16), atol=1e-6, rtol=0
    )
    torch.testing.assert_close(
        integrate(autonomous, twice, -gaps, steps=16), state, atol=1e-5, rtol=0
    )

    def told(gap):
        return lambda t, z: swirl(gap[:, None], z)

    twice = integrate(told(b), integrate(told(a), state, a, steps=16), b, steps=16)
    assert (twice - integrate(told(gaps), state, gaps, steps=16)).abs().max() > 1e-2


@pytest.mark.parametrize("method", ["euler", "midpoint", "rk4"])
def test_gradcheck(method):
    field, (state, gaps) = Swirl(), batch(rows=4)
    state.requires_grad_(), gaps.requires_grad_()

    def solve(state, gaps, weight, bias):
        def linear(t, z):
            return torch.tanh(nn.functional.linear(torch.cat([z, t], dim=-1), weight, bias))

        return integrate(linear, state, gaps, method=method, steps=2)

    assert torch.autograd.gradcheck(solve, (state, gaps, field.layer.weight, field.layer.bias))


def test_adjoint_and_backpropagation_give_the_same_gradient():
    field, (state, gaps) = Swirl(), batch()
    tight = {"rtol": 1e-9, "atol": 1e-10}
    ways = {
        "fixed steps": lambda z: integrate(field, z, gaps, steps=64),
        "through the solver": lambda z: integrate_adaptive(field, z, gaps, **tight),
        "adjoint": lambda z: integrate_adaptive(field, z, gaps, adjoint=True, **tight),
    }
    parameters = list(field.parameters())
    found = {name: gradients(solve, state, parameters) for name, solve in ways.items()}
    assert len(found["adjoint"]) == 3 and all(g.abs().max() > 0.1 for g in found["adjoint"])
    for name in ("fixed steps", "through the solver"):
        for ours, theirs in zip(found[name], found["adjoint"], strict=True):
            torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-6)


def test_euler_explodes_where_its_step_is_longer_than_the_field_allows():
    """z' = -10 z: the factor of a step is 1 - 10 h, so h = 0.1 lands on 0, h = 0.2 swings for ever,
    more explodes.
    """
    field, start = lambda t, z: -10 * z, torch.ones(1, 1, dtype=DOUBLE)
    ends = [
        integrate(
            field, start, torch.tensor([20 * h], dtype=DOUBLE), method="euler", steps=20
        ).item()
        for h in (0.1, 0.2, 0.3)
    ]
    assert ends == pytest.approx([0, 1, 2.0**20], abs=1e-6)


def test_an_empty_batch_stays_empty():
    for method in METHODS:
        assert integrate(
            lambda t, z: -z, torch.zeros(0, 3), torch.zeros(0), method=method
        ).shape == (0, 3)


def test_errors_say_what_to_do():
    state, gaps = batch()
    with pytest.raises(TutorialError, match="known are euler, midpoint, rk4, adaptive"):
        integrate(Swirl(), state, gaps, method="heun")
    with pytest.raises(TutorialError, match="at least 1, got 0"):
        integrate(Swirl(), state, gaps, steps=0)
    with pytest.raises(TutorialError, match="field that is a torch module"):
        integrate_adaptive(lambda t, z: -z, state, gaps, adjoint=True)
    with pytest.raises(TutorialError, match="durations without requires_grad"):
        integrate_adaptive(Swirl(), state, gaps.requires_grad_(), adjoint=True)
