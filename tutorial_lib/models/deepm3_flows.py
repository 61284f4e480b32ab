"""What a state does between two events: the flows of `deepm3`, from a neural field to an attractor
in closed form.

A flow has two parts, so that the loop over the events stays short. `context(hours, goal)` computes
for all positions at once what does not depend on the state; `bind()` returns `evolve(state,
*context)`, which moves states [..., w] over their gaps. Every flow leaves a state alone when no
time passes.

    letter   meaning                                        shape         in the papers
    z        the state                                      [..., w]      z, h
    hours    t, time since the event before                 [...]         t
    s        the clock of a field, log(1 + hours) / std     [...]         t
    W, b     matrices and biases of the field               [w, 2w] ..    theta
    lambda   rate of decay of each coordinate, 1 / hour     [w]           delta
    goal     what an attractor seeks                        [..., w]      c-bar

Sources: Rubanova et al. 2019, section 3 (fields between events); Mei and Eisner 2017, eq. 7 (decay
towards a goal). Taught in lessons 16 and 17.
"""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tutorial_lib.errors import TutorialError
from tutorial_lib.models.base import initialise
from tutorial_lib.models.clock import Clock
from tutorial_lib.models.ode import check_method, integrate

# hours: where the rates of decay start, evenly on a log scale, from half an hour to three weeks
HALF_LIVES = (0.5, 500.0)


class Flow(nn.Module):
    """Evolution of states [..., w] over `hours` [...]; `goal` [..., w]: what an attractor seeks."""

    def context(self, hours: Tensor, goal: Tensor | None = None) -> tuple[Tensor, ...]:
        raise NotImplementedError

    def bind(self) -> Callable[..., Tensor]:
        raise NotImplementedError

    def forward(self, state: Tensor, hours: Tensor, goal: Tensor | None = None) -> Tensor:
        return self.bind()(state, *self.context(hours, goal))


class NeuralFlow(Flow):
    """dz/ds = tanh(W2 tanh(W1 z + b1 + what is known of time) + b2), by a solver of
    `ode.integrate`.

    The clock s is log(1 + hours since the event), in units of its standard deviation over the
    training part: from seconds to months it grows from 0 to about 4, so a few steps are enough. It
    starts again at every event. `flow` says what the field knows of time. "autonomous": nothing, so
    that s1 and then s2 leads where s1 + s2 leads. "since_event": s. "published": the length of the
    gap ahead, crossed in one step, as in DeepM3's code: a residual network, for which two parts of
    a gap do not make the whole.

    tanh bounds the speed by 1 a coordinate, but not the Lipschitz constant, at most |W1| |W2|
    (spectral norms). `lipschitz` > 0 scales both matrices down until this product is that number.
    """

    def __init__(self, width: int, *, flow: str, solver: str, steps: int, lipschitz: float):
        super().__init__()
        check_method(solver, steps)
        self.flow, self.solver, self.limit = flow, solver, float(lipschitz)
        self.steps = 1 if flow == "published" else steps
        self.clock = Clock()
        self.inner, self.outer = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)
        if flow == "since_event":
            self.time = nn.Parameter(torch.randn(2 * width) * 0.5)
        if flow == "published":
            self.told = nn.Sequential(
                nn.Linear(1, width), nn.SiLU(), nn.Linear(width, 2 * width, bias=False)
            )
        self.apply(initialise)  # small: at first hardly anything moves

    def context(self, hours: Tensor, goal: Tensor | None = None) -> tuple[Tensor, ...]:
        duration = torch.log1p(hours) / self.clock.std
        if self.flow == "published":
            return duration, self.told(duration.unsqueeze(-1))
        return (duration,)

    def weights(self) -> tuple[Tensor, Tensor]:
        """W1 and W2 as the field uses them: scaled down where `lipschitz` asks for it."""
        matrices, root = (self.inner.weight, self.outer.weight), self.limit**0.5
        if not self.limit:
            return matrices
        return tuple(w * (root / torch.linalg.matrix_norm(w, 2)).clamp(max=1) for w in matrices)

    def lipschitz_bound(self) -> float:
        """A Lipschitz constant of the field: no two states part faster than exp(bound * s). Hairer,
        Nørsett and Wanner 1993, section I.10. Taught in lesson 15.
        """
        return math.prod(torch.linalg.matrix_norm(w.detach(), 2).item() for w in self.weights())

    def bind(self) -> Callable[..., Tensor]:
        w1, w2 = self.weights()  # once a pass and not once a step

        def evolve(state: Tensor, duration: Tensor, told: Tensor | None = None) -> Tensor:
            # its steps follow the worst row: no position may meet a later one
            if self.solver == "adaptive" and state.dim() == 3:
                given = (state, duration) if told is None else (state, duration, told)
                parts = (part.unbind(1) for part in given)
                return torch.stack([evolve(*now) for now in zip(*parts, strict=True)], dim=1)

            def field(s: Tensor, z: Tensor) -> Tensor:
                hidden = F.linear(z, w1, self.inner.bias)  # [..., 2w]
                if self.flow == "since_event":
                    hidden = hidden + s * self.time
                if told is not None:
                    hidden = hidden + told
                return torch.tanh(F.linear(torch.tanh(hidden), w2, self.outer.bias))

            return integrate(field, state, duration, method=self.solver, steps=self.steps)

        return evolve


class Decay(Flow):
    """dz/dt = -lambda z, t in hours: each coordinate fades at its own rate, exp(-lambda t) z(0)."""

    def __init__(self, width: int):
        super().__init__()
        shortest, longest = (math.log(hours) for hours in HALF_LIVES)
        # log(1 / hour)
        self.log_rate = nn.Parameter(
            math.log(math.log(2)) - torch.linspace(shortest, longest, width)
        )

    def kept(self, hours: Tensor) -> Tensor:
        """exp(-lambda t), [..., w]: what is left of the state."""
        return torch.exp(-hours.unsqueeze(-1) * self.log_rate.exp())

    def context(self, hours: Tensor, goal: Tensor | None = None) -> tuple[Tensor, ...]:
        return (self.kept(hours),)

    def bind(self) -> Callable[..., Tensor]:
        return torch.mul


class Attractor(Decay):
    """dz/dt = -lambda (z - goal): the state relaxes towards `goal`, which stands still until the
    next event. t in hours. Mei and Eisner 2017, eq. 7. Taught in lesson 17.

    Also in closed form, z(t) = goal + exp(-lambda t) (z(0) - goal): exact for a second and for a
    year, where an explicit solver would need steps of less than 2 / lambda to stay on the road.
    """

    def context(self, hours: Tensor, goal: Tensor | None = None) -> tuple[Tensor, ...]:
        return goal, self.kept(hours)

    def bind(self) -> Callable[..., Tensor]:
        return lambda state, goal, kept: torch.lerp(goal, state, kept)


def build_flow(flow: str, width: int, *, solver: str, steps: int, lipschitz: float) -> Flow | None:
    """The flow of that name; None for "gap_feature", which evolves nothing."""
    if lipschitz < 0 or (lipschitz and flow in ("decay", "attractor", "gap_feature")):
        raise TutorialError(
            "lipschitz={lipschitz} bounds a neural field, from 0 (no bound) upwards, and"
            " {flow} has none",
            lipschitz=lipschitz,
            flow=flow,
        )
    if flow in ("autonomous", "since_event", "published"):
        return NeuralFlow(width, flow=flow, solver=solver, steps=steps, lipschitz=lipschitz)
    return {"decay": Decay, "attractor": Attractor}[flow](width) if flow != "gap_feature" else None
