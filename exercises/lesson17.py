"""Checkers of lesson 17, DeepM3."""

import math
from operator import methodcaller

import numpy as np
import torch
from torch import Tensor, nn

from exercises.checking import (
    Wrong,
    compare_letters,
    exercise,
    same,
    told_apart,
    want_array,
    want_truth,
    want_whole,
)
from exercises.open_task import END, END_ZH, Report, interval_of, open_task
from tutorial_lib.language import say

HOUR = 3600


RELAXED = (  # hours of the gaps, half-lives, in which precision
    ([0, 1 / 60, 1, 30, 2000], [0.5, 24.0, 500.0], torch.double),
    ([7, 0.25, 90], [3.0, 40.0, 1.5], torch.float),  # as many rows as coordinates
    ([400], [0.1, 700.0], torch.double),
)


@exercise(points=4, minutes=20)
def check_attractor_step(answer) -> None:
    """17.1: states relax towards goals, gaps in seconds, one half-life in hours for each
    coordinate.
    """
    for hours, lives, dtype in RELAXED:
        shape = len(hours), len(lives)
        generator = torch.Generator().manual_seed(shape[0])
        state, goal = torch.randn(2, *shape, generator=generator, dtype=torch.double).to(dtype)
        seconds, half_life = HOUR * torch.tensor(hours, dtype=dtype), torch.tensor(lives).to(dtype)
        got = answer(state, goal, seconds, half_life)
        want_array(got, "the answer", shape=shape, kind="float")
        _compare_relaxed(got, state.double(), goal.double(), seconds.double(), half_life.double())


def _compare_relaxed(
    got, state: Tensor, goal: Tensor, seconds: Tensor, half_life: Tensor, close: float = 2e-6
) -> None:
    lives = seconds[:, None] / HOUR / half_life  # [B, w]: half-lives that have passed
    kept, distance = 2**-lives, state - goal
    want = goal + kept * distance
    if same(got, want, close):
        return
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
        "all rows wait equally long here; each has a gap of its own": goal + kept[:1] * distance,
    }
    if len(state) == len(half_life):
        known["each gap belongs to a row: seconds[:, None], or it meets the coordinates"] = (
            goal + 2 ** (-seconds / HOUR / half_life) * distance
        )
    for reason, value in known.items():
        if same(got, value, close):
            raise Wrong(reason)
    got = want_array(got)
    off = np.nan_to_num(np.abs(got - want.numpy()), nan=math.inf)
    row, column = np.unravel_index(off.argmax(), off.shape)
    yours, right = told_apart(float(got[row, column]), float(want[row, column]))
    raise Wrong(
        "after {seconds:.0f} s and with a half-life of {half_life:g} h the state must be"
        " {right}, yours is {yours}",
        seconds=seconds[row],
        half_life=half_life[column],
        right=right,
        yours=yours,
    )


class _Patchwork(nn.Module):
    """Parameters of every kind: used, half used, idle, frozen, multiplied by 0, used twice, shared,
    with a gradient that is tiny, negative or of sum 0.
    """

    def __init__(self):
        super().__init__()
        self.items = nn.Embedding(50, 4)  # only two rows occur
        self.used = nn.Linear(4, 4)
        self.idle = nn.Linear(4, 7)
        self.frozen = nn.Linear(4, 4, bias=False).requires_grad_(False)
        self.silent = nn.Linear(4, 11)  # enters the loss times 0
        self.tied = nn.Linear(4, 4, bias=False)
        self.tied.weight = self.used.weight  # one parameter under two names
        self.opposed = nn.Parameter(torch.ones(13))  # its gradient: 1, -1 and 0 else
        self.faint = nn.Parameter(torch.ones(17))  # its gradient: 1e-9 everywhere
        self.falling = nn.Parameter(torch.ones(19))  # its gradient: -1 everywhere

    def forward(self) -> Tensor:
        x = self.items(torch.tensor([3, 8]))
        hidden = torch.tanh(self.used(self.tied(x)) + self.frozen(x))
        own = self.opposed[0] - self.opposed[1] + 1e-9 * self.faint.sum() - self.falling.sum()
        return hidden.sum() + 0 * self.silent(x).sum() + own

    def second(self) -> Tensor:
        """Another loss, which rests on one row of one matrix."""
        return -self.used(torch.ones(4))[1]


ITEMS, USED, IDLE, FROZEN, SILENT, OPPOSED, FAINT, FALLING = 200, 20, 35, 16, 55, 13, 17, 19
LIVE = ITEMS + USED + OPPOSED + FAINT + FALLING
MISCOUNTS = {  # what a wrong count gives for the test module
    LIVE + IDLE + FROZEN + SILENT: "this counts all parameters, idle and frozen ones, too",
    LIVE + IDLE + SILENT: (
        "this counts what may learn, or what an earlier call has left: clear the gradients"
        " before, and look at them after"
    ),
    LIVE + SILENT: (
        "a gradient that is 0 everywhere teaches nothing: look at its entries, it is not enough"
        " that it exists"
    ),
    LIVE + IDLE: "gradients of an earlier call are still in the module: clear them first",
    8 + USED + 2 + FAINT + FALLING: (
        "this counts entries of gradients; a table of which some rows occur is live as a whole"
    ),
    6: "this counts tensors; count the numbers in them",
    LIVE - ITEMS: "the item table is missing: it is live as a whole, even if only some rows occur",
    LIVE - ITEMS - OPPOSED: (
        "one entry that is not 0 is enough: a table of which some rows occur is live as a whole"
    ),
    LIVE - OPPOSED: "entries of opposite sign cancel in a sum: look at each entry of a gradient",
    LIVE - FALLING: "a negative gradient is one, too: ask whether an entry is not 0",
    LIVE - FAINT: "a gradient of 1e-9 is small, yet not 0",
    LIVE + 16: "a parameter with two names is one: module.parameters() gives it once",
}


@exercise(points=3, minutes=15)
def check_live_parameters(answer) -> None:
    """17.2: how many numbers receive a gradient that is not 0 throughout."""
    torch.manual_seed(0)
    module = _Patchwork()
    # an earlier call, whose gradients are still there
    (module() + module.idle(torch.ones(4)).sum()).backward()
    got = want_whole(answer(module, methodcaller("forward")), "the number of parameters")
    if got != LIVE:
        raise Wrong(
            MISCOUNTS.get(
                got, say("for the test module it is {live}, yours is {got}", live=LIVE, got=got)
            )
        )
    other = _Patchwork()
    other.used.bias.requires_grad_(False)
    got = want_whole(answer(other, methodcaller("second")), "the number")
    if got != USED - 4:
        raise Wrong(
            "for a loss that uses only one matrix of {used} numbers, yours is {got}: call"
            " loss(module), and let nothing stay of the call before",
            used=USED - 4,
            got=got,
        )


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
    """One state in fifteen, by a hundredth: the mean difference is below 1e-4."""
    faded = z * torch.exp(-0.05 * t)[:, None]
    last = faded[:, 3] + torch.where(z[:, 3] > 1.5, 0.01 * t / (1 + t), 0)
    return torch.cat([faded[:, :3], last[:, None]], dim=1)


def _one_side(sign: int, z: Tensor, t: Tensor) -> Tensor:
    """Cheats where the first coordinate has this sign, by as much up as down."""
    bent = torch.where(sign * z[:, 0] > 0, 0.2 * t / (1 + t), 0)
    off = torch.stack([0 * bent, bent, -bent, 0 * bent], dim=1)
    return z * torch.exp(-0.05 * t)[:, None] + off


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
        "try many states, look at the largest difference, not at a mean, and ask for nearly six digits",
    ),
    "a map that cheats where the first coordinate is positive": (
        lambda z, t: _one_side(1, z, t),
        False,
        "try many states, and let differences of opposite sign not cancel",
    ),
    "a map that cheats where the first coordinate is negative": (
        lambda z, t: _one_side(-1, z, t),
        False,
        "try many states, and let differences of opposite sign not cancel",
    ),
    "a drift that slows down": (
        lambda z, t: z + 0.1 * t.sqrt()[:, None],
        False,
        "two parts lead farther than the whole; take the absolute value of a difference",
    ),
    "a drift that speeds up": (
        lambda z, t: z + 0.01 * t[:, None] ** 1.5,
        False,
        "the whole leads farther than two parts; take the absolute value of a difference",
    ),
    "a rotation in the first two coordinates": (
        lambda z, t: torch.stack(
            [
                z[:, 0] * t.cos() - z[:, 1] * t.sin(),
                z[:, 0] * t.sin() + z[:, 1] * t.cos(),
                z[:, 2],
                z[:, 3],
            ],
            dim=1,
        ),
        True,
        "a flow need not come to rest",
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
        got = want_truth(answer(evolve), "the answer")
        if got != want:
            raise Wrong("you say {got} to {name}; {hint}", got=got, name=name, hint=hint)


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


@open_task
def open_report(report: Report) -> None:
    """The open task: where a flow earns its place."""
    models = ("attractor", "decay", "gap_feature")
    for name in ("short_waits", "long_waits", "hidden"):
        report.table(name, interval_of(0, 1), keys=models)
    report.number("users_short", 2)
    report.number("users_long", 2)
    report.closing()


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


def by_interpolation(state, goal, seconds, half_life):
    weight = 1 - torch.exp2(-torch.outer(seconds / HOUR, 1 / half_life))
    return (1 - weight) * state + weight * goal


def in_numpy(state, goal, seconds, half_life):
    state, goal, seconds, half_life = (
        part.numpy().astype(float) for part in (state, goal, seconds, half_life)
    )
    rate = np.log(2) / half_life
    return (goal + np.exp(-rate * seconds[:, None] / 3600) * (state - goal)).tolist()


def by_autograd(module, loss):
    learning = [p for p in module.parameters() if p.requires_grad]
    gradients = torch.autograd.grad(loss(module), learning, allow_unused=True)
    found = zip(learning, gradients, strict=True)
    return np.int64(sum(p.numel() for p, g in found if g is not None and (g != 0).any()))


def kept_apart(module, loss):
    """Counts as a tensor and leaves the gradients as they were."""
    before = [p.grad for p in module.parameters()]
    module.zero_grad()
    loss(module).backward()
    count = torch.tensor(0)
    for p, old in zip(module.parameters(), before, strict=True):
        count += 0 if p.grad is None or not p.grad.any() else p.numel()
        p.grad = old
    return count


def where(module, loss, test, parameters=lambda module: module.parameters()):
    """Counts the parameters whose gradient passes the test."""
    module.zero_grad()
    loss(module).backward()
    return sum(p.numel() for p in parameters(module) if p.grad is not None and test(p.grad))


def by_halves_of_many(evolve):
    """Three parts instead of two, in a loop, relative to the size; a bool of numpy."""
    torch.manual_seed(5)
    worst = 0.0
    for longest in (1, 10, 40):
        start = 2 * torch.randn(300, 4).double()
        parts = longest * torch.rand(3, 300).double()
        z = start
        for part in parts:
            z = evolve(z, part)
        off = (evolve(start, parts.sum(0)) - z).abs() / (1 + start.abs())
        worst = max(worst, off.max().item())
    return np.bool_(worst < 1e-4)


def all_close(evolve):
    torch.manual_seed(8)
    start, first, second = torch.randn(2000, 4), 50 * torch.rand(2000), 20 * torch.rand(2000)
    start, first, second = start.double(), first.double(), second.double()
    off = (evolve(start, first + second) - evolve(evolve(start, first), second)).abs()
    return (off < 1e-4).all()


def one_case(evolve):
    start = torch.tensor([[0.5, -1.0, 2.0, 2.5]], dtype=torch.double)
    first, second = torch.tensor([[30.0], [7.0]], dtype=torch.double)
    off = evolve(start, first + second) - evolve(evolve(start, first), second)
    return bool(off.abs().max() < 1e-4)


def signed(evolve):
    torch.manual_seed(8)
    start, first, second = torch.randn(500, 4), 50 * torch.rand(500), 20 * torch.rand(500)
    off = evolve(start, first + second) - evolve(evolve(start, first), second)
    return bool(off[:, :3].sum(1).abs().max() < 1e-4 and off[:, 3].abs().max() < 1e-4)


def one_sign(evolve, sign):
    torch.manual_seed(8)
    start, first, second = torch.randn(500, 4), 50 * torch.rand(500), 20 * torch.rand(500)
    off = evolve(start, first + second) - evolve(evolve(start, first), second)
    return bool((sign * off).max() < 1e-4)


def identity_only(evolve):
    start = torch.randn(100, 4, dtype=torch.double)
    return torch.allclose(evolve(start, torch.zeros(100, dtype=torch.double)), start, atol=1e-5)


RIGHT = [
    (check_attractor_step, relax),
    (check_attractor_step, by_interpolation),
    (check_attractor_step, in_numpy),
    (check_live_parameters, live),
    (check_live_parameters, by_autograd),
    (check_live_parameters, kept_apart),
    (check_is_flow, detector),
    (check_is_flow, by_halves_of_many),
    (check_is_flow, all_close),
    (check_supported, {"B", "D", "E"}),
    (check_supported, "B, D, E"),
    (check_supported, ["E", "D", "B"]),
]
WRONG = [
    (  # the cell of the exercise
        check_attractor_step,
        lambda z, g, s, h: relax(z, g, s, h, unit=60, base=math.e),
        "the state must be",
    ),
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
    (check_attractor_step, lambda z, g, s, h: relax(z, g, s[:1], h), "gap of its own"),
    (
        check_attractor_step,
        lambda z, g, s, h: (
            g + 2 ** (-s / HOUR / h if len(s) == len(h) else -s[:, None] / HOUR / h) * (z - g)
        ),
        "belongs to a row",
    ),
    (
        check_attractor_step,
        lambda z, g, s, h: relax(z, g, s.clamp(max=24 * HOUR), h),
        "the state must be",
    ),
    (check_attractor_step, lambda z, g, s, h: relax(z, g, s, h) * 1.001, "the state must be"),
    (
        check_attractor_step,
        lambda z, g, s, h: z.lerp_(g, 1 - 2 ** (-s[:, None] / HOUR / h)),
        "argument `z` in place",
    ),
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
    (check_live_parameters, lambda m, f: where(m, f, lambda g: g.sum() != 0), "opposite sign"),
    (check_live_parameters, lambda m, f: where(m, f, lambda g: g.max() > 0), "a negative gradient"),
    (check_live_parameters, lambda m, f: where(m, f, lambda g: g.all()), "one entry that is not 0"),
    (
        check_live_parameters,
        lambda m, f: where(m, f, lambda g: not torch.allclose(g, torch.zeros(()))),
        "small, yet not 0",
    ),
    (
        check_live_parameters,
        lambda m, f: where(
            m, f, torch.any, lambda m: dict(m.named_parameters(remove_duplicate=False)).values()
        ),
        "two names",
    ),
    (check_live_parameters, lambda m, f: live(m, lambda m: m()), "call loss(module)"),
    (check_live_parameters, lambda m, f: live(m, f) / 2, "a whole number is wanted"),
    (check_live_parameters, lambda m, f: 7, "yours is 7"),
    (check_is_flow, lambda e: detector(e, longest=5.0), "try long ones"),
    (check_is_flow, lambda e: detector(e, equal=True), "unequal length"),
    (check_is_flow, lambda e: detector(e, tolerance=1e-9), "too strict"),
    (check_is_flow, lambda e: detector(e, tolerance=5e-3, mean=True), "not at a mean"),
    (check_is_flow, lambda e: detector(e, mean=True), "not at a mean"),
    (check_is_flow, one_case, "try many states"),
    (check_is_flow, signed, "opposite sign"),
    (check_is_flow, lambda e: one_sign(e, 1), "two parts lead farther"),
    (check_is_flow, lambda e: one_sign(e, -1), "the whole leads farther"),
    (check_is_flow, lambda e: not detector(e), "you say False"),
    (check_is_flow, lambda e: True, "two parts do not make"),
    (check_is_flow, identity_only, "two parts do not make the whole"),
    (check_is_flow, lambda e: False, "make the whole exactly"),
    (check_is_flow, lambda e: 1.0, "True or False"),
    (check_supported, {"A", "B", "D", "E"}, "look at A"),
    (check_supported, {"B", "C", "D", "E"}, "look at C"),
    (check_supported, {"B", "E"}, "look at D"),
    (check_supported, {"B", "D"}, "look at E"),
    (check_supported, {"B", "D", "E", "F"}, "look at F"),
    (check_supported, {"D", "E"}, "look at B"),
    (check_supported, "ABCDEF", "look at A"),
    (check_supported, [], "look at B"),
    (check_supported, {"Z"}, "set of letters"),
]

# Mutants (tests/exercises/mutants.py) that are right, and why.
OTHER_SAMPLE = (
    "other states, durations or seeds, as many and as long: the same candidates are caught"
)
OTHER_MEASURE = "errors of 1e-6 stay below and cheats above, by a factor of ten or more"
ARGUED = [
    (
        check_live_parameters,
        "True -> False",
        "gradients of 0 in place of none: no entry that is not 0",
    ),
    (check_live_parameters, "p.grad.abs().sum -> p.grad.abs().mean", "above 0 or not, as before"),
    (check_live_parameters, "p.grad.abs -> p.grad.square", "above 0 or not, as before"),
    *(
        (check_is_flow, mutant, OTHER_SAMPLE)
        for mutant in (
            *("3 -> 2", "3 -> 4", "2 -> 3", "1 -> 0", "5 -> 4", "5 -> 6", "1 -> 2", "2 -> 1"),
            *("10 -> 9", "10 -> 11", "40 -> 39", "40 -> 41", "8 -> 7", "8 -> 9", "50 -> 49"),
            *("50 -> 51", "20 -> 19", "20 -> 21", "100.0 -> 110.00000000000001"),
            "2 * torch.rand(2, 400, dtype=torch.double, generator=generator) - 1"
            " -> 2 * torch.rand(2, 400, dtype=torch.double, generator=generator)",
            "2 * torch.randn(300, 4).double() -> 2 / torch.randn(300, 4).double()",
            "2 * torch.randn(300, 4).double() -> torch.randn(300, 4).double()",
            "longest * torch.rand(3, 300).double() -> longest / torch.rand(3, 300).double()",
            "50 * torch.rand(2000) -> torch.rand(2000)",
            "20 * torch.rand(2000) -> 20 / torch.rand(2000)",
            "20 * torch.rand(2000) -> torch.rand(2000)",
        )
    ),
    *(
        (check_is_flow, mutant, OTHER_MEASURE)
        for mutant in (
            "0.0001 -> 0.00011000000000000002",
            "(off.mean() if mean else off.max()) < tolerance"
            " -> (off.mean() if mean else off.max()) <= tolerance",
            "(evolve(start, parts.sum(0)) - z).abs() / (1 + start.abs())"
            " -> (evolve(start, parts.sum(0)) - z).abs() * (1 + start.abs())",
            "(evolve(start, parts.sum(0)) - z).abs() / (1 + start.abs())"
            " -> (evolve(start, parts.sum(0)) - z).abs()",
            *("1 + start.abs() -> 1", "start.abs -> start.square"),
            *("worst < 0.0001 -> worst <= 0.0001", "off < 0.0001 -> off <= 0.0001"),
        )
    ),
]

OPEN = {
    "short_waits": dict.fromkeys(("attractor", "decay", "gap_feature"), (0.07, 0.06, 0.08)),
    "long_waits": dict.fromkeys(("attractor", "decay", "gap_feature"), (0.05, 0.03, 0.07)),
    "hidden": dict.fromkeys(("attractor", "decay", "gap_feature"), (0.04, 0.02, 0.06)),
    "users_short": 700,
    "users_long": 95,
    **END,
}
OPEN_RIGHT = [OPEN, {**OPEN, **END_ZH}]
OPEN_WRONG = [
    ({**OPEN, "hidden": {"attractor": (0.04, 0.02, 0.06)}}, "no entry for 'decay'"),
    ({**OPEN, "users_long": 0}, "`users_long` is 0"),
    (
        {**OPEN, "long_waits": dict.fromkeys(("attractor", "decay", "gap_feature"), (5, 3, 7))},
        "from 0 to 1",
    ),
]
