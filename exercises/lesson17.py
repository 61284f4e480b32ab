"""Checkers of lesson 17, DeepM3."""

import math
from operator import methodcaller

import torch
from torch import Tensor, nn

from exercises.checking import Wrong, compare_letters, exercise, want_tensor

HOUR = 3600


@exercise(points=4, minutes=20)
def check_attractor_step(answer) -> None:
    """17.1: states relax towards goals, gaps in seconds, one half-life in hours for each
    coordinate.
    """
    generator = torch.Generator().manual_seed(0)
    state, goal = torch.randn(2, 5, 3, generator=generator, dtype=torch.double)
    half_life = torch.tensor([0.5, 24.0, 500.0], dtype=torch.double)
    seconds = torch.tensor([0, 60, HOUR, 30 * HOUR, 2000 * HOUR], dtype=torch.double)
    got = answer(state.clone(), goal.clone(), seconds.clone(), half_life.clone())
    want_tensor(got, (5, 3), name="the states")
    lives = seconds[:, None] / HOUR / half_life  # [5, 3]: half-lives that have passed
    kept, distance = 2**-lives, state - goal
    known = {
        "the half-lives are in hours and the gaps in seconds: bring them to one unit": (
            goal + 2 ** (-lives * HOUR) * distance
        ),
        "an hour has 3600 seconds; this divides by 60": goal + 2 ** (-lives * 60) * distance,
        "after one half-life half of the distance must be left; yours leaves 1/e: the rate is ln 2 / half-life": (
            goal + torch.exp(-lives) * distance
        ),
        "the half-life is used as a rate: a long half-life must fade slowly": (
            goal + torch.exp(-seconds[:, None] / HOUR * half_life) * distance
        ),
        "the state fades to 0; it must go to the goal": kept * state,
        "state and goal have changed roles: after a gap of 0 the state must be where it was": (
            state - kept * distance
        ),
        "this is one Euler step: it overshoots where the gap is long; use the closed form": (
            goal + (1 - math.log(2) * lives) * distance
        ),
        "the goal itself must not fade: only the distance to it does": kept * state + goal,
        "all coordinates fade alike; each has a half-life of its own": (
            goal + kept[:, :1] * distance
        ),
    }
    for reason, value in known.items():
        if torch.allclose(got.double(), value, atol=1e-6, rtol=1e-6):
            raise Wrong(reason)
    want = goal + kept * distance
    off = (got.double() - want).abs()
    if not off.max() < 1e-6:  # NaN is wrong, too
        row, column = divmod(int(off.nan_to_num(math.inf).argmax()), 3)
        raise Wrong(
            f"after {seconds[row]:.0f} s and with a half-life of {half_life[column]:g} h the state"
            f" must be {want[row, column]:.4f}, yours is {got[row, column]:.4f}"
        )


class _Patchwork(nn.Module):
    """Parameters of every kind: used, half used, idle, frozen, multiplied by 0, and one used
    twice."""

    def __init__(self):
        super().__init__()
        self.items = nn.Embedding(50, 4)  # only two rows occur
        self.used = nn.Linear(4, 4)
        self.idle = nn.Linear(4, 7)
        self.frozen = nn.Linear(4, 4, bias=False).requires_grad_(False)
        self.silent = nn.Linear(4, 11)  # enters the loss times 0

    def forward(self) -> Tensor:
        x = self.items(torch.tensor([3, 8]))
        hidden = torch.tanh(self.used(self.used(x)) + self.frozen(x))
        return hidden.sum() + 0 * self.silent(x).sum()


@exercise(points=3, minutes=15)
def check_live_parameters(answer) -> None:
    """17.2: how many numbers receive a gradient that is not 0 throughout."""
    torch.manual_seed(0)
    module = _Patchwork()
    # an earlier call, whose gradients are still there
    (module() + module.idle(torch.ones(4)).sum()).backward()
    got = answer(module, methodcaller("forward"))
    if isinstance(got, Tensor):
        got = got.item()
    sizes = {
        name: sum(p.numel() for p in part.parameters()) for name, part in module.named_children()
    }
    want = sizes["items"] + sizes["used"]
    known = {
        sum(sizes.values()): "this counts all parameters, idle and frozen ones, too",
        sum(sizes.values()) - sizes["frozen"]: (
            "this counts what may learn, or what an earlier call has left: clear the gradients"
            " before, and look at them after"
        ),
        want + sizes["silent"]: (
            "a gradient that is 0 everywhere teaches nothing: look at its entries, it is not enough"
            " that it exists"
        ),
        want
        + sizes["idle"]: "gradients of an earlier call are still in the module: clear them first",
        sizes["used"] + 2 * 4: (
            "this counts entries of gradients; a table of which some rows occur is live as a whole"
        ),
        3: "this counts tensors; count the numbers in them",
        sizes[
            "used"
        ]: "the item table is missing: it is live as a whole, even if only some rows occur",
    }
    if got in known:
        raise Wrong(known[got])
    if got != want:
        raise Wrong(f"for the test module it is {want}, yours is {got}")


def _residual(z: Tensor, t: Tensor) -> Tensor:
    s = torch.log1p(t)[:, None]
    return z + s * torch.tanh(z.flip(1) - s)


def _euler(z: Tensor, t: Tensor) -> Tensor:
    return z * (1 - 0.01 * t[:, None])


def _only_doubling(z: Tensor, t: Tensor) -> Tensor:
    """Two equal halves make the whole, two unequal parts do not."""
    bent = t * (1 + 0.3 * torch.sin(2 * math.pi * torch.log2(t.clamp(min=1e-9))))
    return z * torch.exp(-0.05 * bent)[:, None]


def _one_coordinate(z: Tensor, t: Tensor) -> Tensor:
    faded = z * torch.exp(-0.05 * t)[:, None]
    last = torch.where(z[:, 3] > 1.8, z[:, 3] / (1 + 0.05 * t), faded[:, 3])
    return torch.cat([faded[:, :3], last[:, None]], dim=1)


CANDIDATES = {  # name, the map, is it a flow, what to say to who errs
    "exponential decay": (
        lambda z, t: z * torch.exp(-0.1 * t)[:, None],
        True,
        "its two parts make the whole exactly",
    ),
    "a map that leaves every state alone": (
        lambda z, t: z.clone(),
        True,
        "standing still is a flow, too",
    ),
    "dz/dt = -z^3 in closed form": (
        lambda z, t: z / (1 + 2 * t[:, None] * z**2).sqrt(),
        True,
        "a flow need not be linear",
    ),
    "a flow solved to six digits": (
        lambda z, t: z * torch.exp(-0.1 * t)[:, None] + 1e-6 * torch.sin(3 * t)[:, None],
        True,
        "a solver errs a little: your tolerance is too strict",
    ),
    "a residual network told the gap": (_residual, False, "two parts do not make the whole"),
    "one Euler step of dz/dt = -0.01 z": (
        _euler,
        False,
        "two Euler steps of half the size are not one",
    ),
    "a decay that stops after 20 units": (
        lambda z, t: z * torch.exp(-0.1 * t.clamp(max=20))[:, None],
        False,
        "it behaves for short durations; try long ones",
    ),
    "a map for which only equal halves make the whole": (
        _only_doubling,
        False,
        "try parts of unequal length",
    ),
    "a map that cheats in one coordinate of few states": (
        _one_coordinate,
        False,
        "try many states and look at the largest difference, not at a mean",
    ),
    "a fading whose clock starts again at every call": (
        lambda z, t: z * torch.exp(-0.01 * t**2)[:, None],
        False,
        "at the half-way mark its clock starts again, so two parts are not the whole",
    ),
}


@exercise(points=4, minutes=20)
def check_is_flow(answer) -> None:
    """17.3: tell flows from maps that only look like one."""
    for name, (evolve, want, hint) in CANDIDATES.items():
        got = answer(evolve)
        if isinstance(got, Tensor):
            got = got.item() if got.numel() == 1 else got
        if not isinstance(got, bool):
            raise Wrong(f"it must return True or False, got a {type(got).__name__}")
        if got != want:
            raise Wrong(f"you say {got} to {name}; {hint}")


@exercise(points=2, minutes=8)
def check_supported(answer) -> None:
    """17.4: what a table of clocks supports."""
    hints = {
        "A": "how good is P when its clock says nothing?",
        "B": "compare Q with itself under the constant clock",
        "C": "what had R to lose? Compare its clean result with the blind twin",
        "D": "shuffled gaps are as long as before; does Q keep its gain with them?",
        "E": "which model has the best result with the real clock? The reason is another question",
        "F": "which column varies the solver?",
    }
    compare_letters(answer, {"B", "D", "E"}, hints)


# Answers on which the tests try the checkers: right ones, and wrong ones with words of the reason given.


def relax(state, goal, seconds, half_life, unit=3600, base=2.0):
    return torch.lerp(goal, state, base ** (-seconds[:, None] / unit / half_life))


def euler(state, goal, seconds, half_life):
    return state - math.log(2) / half_life * seconds[:, None] / 3600 * (state - goal)


def live(module, loss, clear=True, entries=False, zero_counts=False):
    if clear:
        module.zero_grad(set_to_none=True)
    loss(module).backward()
    with_gradient = [p for p in module.parameters() if p.grad is not None]
    if entries:
        return sum(int(p.grad.count_nonzero()) for p in with_gradient)
    return sum(p.numel() for p in with_gradient if zero_counts or p.grad.abs().sum() > 0)


def tensors(module, loss):
    module.zero_grad(set_to_none=True)
    loss(module).backward()
    return sum(p.grad is not None and bool(p.grad.any()) for p in module.parameters())


def detector(evolve, longest=100.0, equal=False, tolerance=1e-4, mean=False):
    generator = torch.Generator().manual_seed(3)
    start = torch.randn(400, 4, dtype=torch.double, generator=generator)
    first, second = longest ** (2 * torch.rand(2, 400, dtype=torch.double, generator=generator) - 1)
    second = first if equal else second
    off = (evolve(start, first + second) - evolve(evolve(start, first), second)).abs()
    return bool((off.mean() if mean else off.max()) < tolerance)


def identity_only(evolve):
    start = torch.randn(100, 4, dtype=torch.double)
    return torch.allclose(evolve(start, torch.zeros(100, dtype=torch.double)), start, atol=1e-5)


RIGHT = [
    (check_attractor_step, relax),
    (check_live_parameters, live),
    (check_is_flow, detector),
    (check_supported, {"B", "D", "E"}),
]
WRONG = [
    (check_attractor_step, lambda z, g, s, h: relax(z, g, s, h, unit=1), "one unit"),
    (check_attractor_step, lambda z, g, s, h: relax(z, g, s, h, unit=60), "divides by 60"),
    (
        check_attractor_step,
        lambda z, g, s, h: relax(z, g, s, h, base=math.e),
        "leaves 1/e",
    ),
    (check_attractor_step, lambda z, g, s, h: relax(z, 0 * g, s, h), "fades to 0"),
    (check_attractor_step, lambda z, g, s, h: relax(g, z, s, h), "changed roles"),
    (check_attractor_step, euler, "Euler step"),
    (
        check_attractor_step,
        lambda z, g, s, h: relax(z, g, s, h[:1]),
        "half-life of its own",
    ),
    (
        check_attractor_step,
        lambda z, g, s, h: relax(z, g, s, 1 / h, base=math.e),
        "used as a rate",
    ),
    (check_attractor_step, lambda z, g, s, h: relax(z, 0 * g, s, h) + g, "must not fade"),
    (
        check_attractor_step,
        lambda z, g, s, h: relax(z, g, s, h, base=10),
        "the state must be",
    ),
    (
        check_attractor_step,
        lambda z, g, s, h: relax(z, g, s, h) * math.nan,
        "the state must be",
    ),
    (check_attractor_step, lambda z, g, s, h: relax(z, g, s, h)[0], "shape"),
    (
        check_live_parameters,
        lambda m, f: sum(p.numel() for p in m.parameters()),
        "idle and frozen",
    ),
    (
        check_live_parameters,
        lambda m, f: sum(p.numel() for p in m.parameters() if p.requires_grad),
        "may learn",
    ),
    (check_live_parameters, lambda m, f: live(m, f, clear=False), "earlier call"),
    (check_live_parameters, lambda m, f: live(m, f, zero_counts=True), "teaches nothing"),
    (
        check_live_parameters,
        lambda m, f: live(m, f, clear=False, zero_counts=True),
        "earlier call",
    ),
    (check_live_parameters, lambda m, f: live(m, f, entries=True), "live as a whole"),
    (check_live_parameters, tensors, "counts tensors"),
    (check_live_parameters, lambda m, f: 7, "yours is 7"),
    (check_is_flow, lambda e: detector(e, longest=5.0), "try long ones"),
    (check_is_flow, lambda e: detector(e, equal=True), "unequal length"),
    (check_is_flow, lambda e: detector(e, tolerance=1e-9), "too strict"),
    (check_is_flow, lambda e: detector(e, tolerance=5e-3, mean=True), "not at a mean"),
    (check_is_flow, identity_only, "two parts do not make the whole"),
    (check_is_flow, lambda e: False, "make the whole exactly"),
    (check_is_flow, lambda e: 1.0, "True or False"),
    (check_supported, {"A", "B", "D", "E"}, "look at A"),
    (check_supported, {"B", "C", "D", "E"}, "look at C"),
    (check_supported, {"B", "E"}, "look at D"),
    (check_supported, {"B", "D"}, "look at E"),
    (check_supported, {"B", "D", "E", "F"}, "look at F"),
    (check_supported, {"Z"}, "set of letters"),
]
