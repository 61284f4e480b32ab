"""Solving dz/dt = field(t, z): three explicit solvers written out, an adaptive one, and two ways to
the gradient.

    letter     meaning                                     shape       in the papers
    z, state   what moves                                  [..., d]    z
    field      its derivative, field(t, z)                 [..., d]    f
    h          step size, one a row                        [..., 1]    h
    duration   how long each row moves                     [...]       t_1 - t_0

A batch has as many clocks as rows: the next gap is a minute here and a month there. With sigma = t
/ duration each row's own gap becomes [0, 1], and one call integrates them all:

    dz / dsigma = duration * field(sigma * duration, z),   sigma from 0 to 1.

A step of 1 / steps on that clock is a step of h = duration / steps on the row's own. Sources: Chen
et al., "Neural Ordinary Differential Equations", NeurIPS 2018 (section 2: the adjoint); Chen, Amos
and Nickel, "Neural Spatio-Temporal Point Processes", ICLR 2021 (clocks rescaled for batching).
Taught in lessons 14 and 15.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torchdiffeq import odeint, odeint_adjoint

from tutorial_lib.errors import TutorialError

# (time [..., 1], state [..., d]) -> d state / d time [..., d]
Field = Callable[[Tensor, Tensor], Tensor]


def euler_step(field: Field, t: Tensor, z: Tensor, h: Tensor) -> Tensor:
    """Follow the slope at the start. The error of a whole integration shrinks like h: order 1.
    Hairer, Nørsett and Wanner 1993, section I.7. Taught in lesson 14.
    """
    return z + h * field(t, z)


def midpoint_step(field: Field, t: Tensor, z: Tensor, h: Tensor) -> Tensor:
    """Follow the slope half-way, where an Euler step of half the size leads. Order 2. Hairer,
    Nørsett and Wanner 1993, section II.1. Taught in lesson 14.
    """
    return z + h * field(t + h / 2, z + h / 2 * field(t, z))


def rk4_step(field: Field, t: Tensor, z: Tensor, h: Tensor) -> Tensor:
    """Classical Runge-Kutta: four slopes, weighted as in Simpson's rule. Order 4. Hairer, Nørsett
    and Wanner 1993, section II.1, table 1.2. Taught in lesson 14.
    """
    half, middle = h / 2, t + h / 2
    k1 = field(t, z)
    k2 = field(middle, z + half * k1)
    k3 = field(middle, z + half * k2)
    k4 = field(t + h, z + h * k3)
    return z + h / 6 * (k1 + 2 * (k2 + k3) + k4)


STEPS = {"euler": euler_step, "midpoint": midpoint_step, "rk4": rk4_step}
METHODS = (*STEPS, "adaptive")


def integrate(
    field: Field,
    state: Tensor,
    duration: Tensor,
    *,
    method: str = "rk4",
    steps: int = 1,
    start: Tensor | float = 0.0,
) -> Tensor:
    """The state [..., d] after each row's own `duration` [...], in `steps` equal steps.

    `field(t, z)` gets t [..., 1], which counts from `start` (a number, or [..., 1]). A duration of
    0 leaves a row as it is, to the bit; one below 0 goes back in time. "adaptive" chooses steps.
    """
    check_method(method, steps)
    if method == "adaptive":
        return integrate_adaptive(field, state, duration, start=start)
    h = duration.unsqueeze(-1) / steps  # [..., 1]: one step size a row
    for k in range(steps):
        state = STEPS[method](field, start + k * h, state, h)
    return state


class Rescaled(nn.Module):
    """The field on the clock sigma, 0 to 1; a module, so that the adjoint finds parameters. Chen,
    Amos and Nickel 2021. Taught in lesson 14.
    """

    def __init__(self, field: Field, duration: Tensor, start: Tensor | float = 0.0):
        super().__init__()
        self.field, self.duration, self.start = field, duration.unsqueeze(-1), start  # [..., 1]

    def forward(self, sigma: Tensor, z: Tensor) -> Tensor:
        return self.duration * self.field(self.start + sigma * self.duration, z)


def integrate_adaptive(
    field: Field,
    state: Tensor,
    duration: Tensor,
    *,
    start: Tensor | float = 0.0,
    rtol: float = 1e-6,
    atol: float = 1e-7,
    adjoint: bool = False,
) -> Tensor:
    """The same by torchdiffeq's dopri5, of order 5, which picks the step from an error estimate: of
    the worst row, so that a row is never less exact in company than alone.

    With `adjoint` the gradient comes from a second equation solved backwards in time, whose memory
    does not grow with the number of steps; the field must be a module, durations get no gradient.
    Chen et al. 2018, eq. 4 and 5. Taught in lesson 15.
    """
    if adjoint and (not isinstance(field, nn.Module) or duration.requires_grad):
        raise TutorialError(
            "the adjoint gradient needs a field that is a torch module and durations without"
            " requires_grad"
        )
    if state.numel() == 0:
        return state
    clock, how = Rescaled(field, duration, start), {"method": "dopri5", "rtol": rtol, "atol": atol}
    ends = torch.tensor([0.0, 1.0], dtype=state.dtype, device=state.device)
    solve = odeint_adjoint if adjoint else odeint
    return solve(clock, state, ends, **how, options={"norm": _worst_row})[1]


def _worst_row(error: Tensor) -> Tensor:
    """Root mean square over the coordinates of a state, then the largest over the batch."""
    return error.square().mean(-1).max().sqrt() if error.dim() else error.abs()


def gradients(
    solve: Callable[[Tensor], Tensor], state: Tensor, parameters: list[Tensor]
) -> list[Tensor]:
    """Gradients of sum(solve(state)) for the state and each parameter, whatever the way to them."""
    start = state.detach().requires_grad_()
    return list(torch.autograd.grad(solve(start).sum(), [start, *parameters]))


def check_method(method: str, steps: int) -> None:
    """Raises TutorialError for an unknown solver or a number of steps that is none."""
    if method not in METHODS:
        raise TutorialError(
            "unknown solver {method!r}; known are {methods}",
            method=method,
            methods=", ".join(METHODS),
        )
    if not isinstance(steps, int) or steps < 1:
        raise TutorialError(
            "steps must be a whole number of at least 1, got {steps!r}", steps=steps
        )
