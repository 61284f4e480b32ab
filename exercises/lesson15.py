"""Checkers of lesson 15, Neural ODEs."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.autograd.functional import jacobian

from exercises.checking import compare_letters, exercise, same, want_equal, want_number
from exercises.open_task import END, END_ZH, Report, number_of, open_task
from tutorial_lib.language import say
from tutorial_lib.models.ode import integrate, rk4_step


def _matrix(*rows: list) -> Tensor:
    return torch.stack([torch.stack(row, dim=-1) for row in rows], dim=-2)


def _bent(z: Tensor) -> Tensor:
    """A field in the plane whose slopes differ from place to place."""
    x, y = z.unbind(-1)
    return torch.stack([y - 0.5 * x**2, torch.sin(2 * x) - 0.3 * x * y], dim=-1)


def _bent_slopes(z: Tensor) -> Tensor:
    x, y = torch.as_tensor(z).unbind(-1)
    return _matrix([-x, 0 * x + 1], [2 * torch.cos(2 * x) - 0.3 * y, -0.3 * x])


def _wound(z: Tensor) -> Tensor:
    """A field in space."""
    x, y, w = z.unbind(-1)
    return torch.stack([y * w - x, torch.cos(x) + 0.4 * w, x * y - 0.2 * w**2], dim=-1)


def _wound_slopes(z: Tensor) -> Tensor:
    x, y, w = torch.as_tensor(z).unbind(-1)
    zero = 0 * x
    return _matrix([zero - 1, w, y], [-torch.sin(x), zero, zero + 0.4], [y, x, -0.4 * w])


def _check_walk(
    answer, field: Callable, slopes: Callable, first: list, error: list, h: float, steps: int
) -> None:
    first = torch.tensor(first, dtype=torch.double, requires_grad=True)
    error = torch.tensor(error, dtype=torch.double)
    states = [first]
    for _ in range(steps):
        states.append(states[-1] + h * field(states[-1]))
    want = torch.autograd.grad(states[-1] @ error, first)[0]
    path = torch.stack(states).detach()

    def walk(
        order: Tensor, turned: bool = True, size: float = h, keep: float = 1.0, only: bool = False
    ) -> Tensor:
        vector = error
        for z in order:
            matrix = slopes(z).T if turned else slopes(z)
            vector = keep * vector + size * matrix @ (error if only else vector)
        return vector

    back, later = path[:-1].flip(0), path[1:].flip(0)
    known = {
        "lambda at the last state came back unchanged: it must pass every step": error,
        "the matrix of slopes must be transposed: lambda asks how the loss, not the velocity, depends on the state": walk(
            back, turned=False
        ),
        "these are the slopes at the end of each step; Euler used the velocity at its beginning": (
            walk(later)
        ),
        "the steps are taken in the order of time; the walk begins with the last one": walk(
            path[:-1]
        ),
        "there is one step too many: the last state is where the steps end, none begins there": (
            walk(path.flip(0))
        ),
        "the first step is missing: its slopes are those at the first state": walk(back[:-1]),
        "the direct way is missing: a shift of a state also shifts the next one as it is": walk(
            back, keep=0.0
        ),
        "the step size h is missing": walk(back, size=1.0),
        "the sign is flipped: moving back in lambda still adds h times the slopes": walk(
            back, size=-h
        ),
        "each step must use the lambda of the step after it, not always the error at the end": walk(
            back, only=True
        ),
    }
    name = say(
        "the gradient through {steps} Euler steps, which autograd has found as well,", steps=steps
    )
    want_equal(answer(path, slopes, h, error), want, tol=1e-5, name=name, known=known)


@exercise(points=3, minutes=15)
def check_walk_back(answer) -> None:
    """15.1: the gradient through Euler steps, by hand; the witness is autograd through the same
    steps.
    """
    _check_walk(answer, _bent, _bent_slopes, [1.0, -0.5], [0.7, -1.1], h=0.3, steps=4)
    _check_walk(answer, _wound, _wound_slopes, [0.4, -0.8, 1.2], [-0.5, 0.9, 0.3], h=0.17, steps=3)


QUARTER = torch.tensor([-1.0, 1.0])  # (y, x) times this: a quarter turn of (x, y)


def _season(t: Tensor, z: Tensor, year: float = 2.0) -> Tensor:
    """A field that reads the calendar."""
    return torch.cos(year * t) * z.flip(-1) * QUARTER - 0.3 * torch.sin(t) * z


def _check_parts(answer, field: Callable, rows: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    states = torch.randn(rows, 2, generator=generator, dtype=torch.double)
    size = torch.tensor([[9.0], [1.0], [1.0]])
    dates, first, second = torch.rand(3, rows, generator=generator, dtype=torch.double) * size

    def run(z: Tensor, duration: Tensor, start: Tensor) -> Tensor:
        return integrate(field, z, duration, steps=20, start=start[:, None])  # as near as 50

    got, want = answer(field, states, dates, first, second), run(states, first + second, dates)
    if same(got, want, 1e-5):
        return
    half_way, from_zero = run(states, first, dates), run(states, first, 0 * dates)
    second_parts = {  # mistake: the state, the duration and the date of the second part
        "the clock of the second part starts at 0 again; it must run on from dates + first": (
            (half_way, second, 0 * dates)
        ),
        "the clock starts at 0 in both parts: every state has a date of its own": (
            (from_zero, second, 0 * dates)
        ),
        "the first part starts at date 0: every state has a date of its own": (
            (from_zero, second, first)
        ),
        "the second part starts at the old date; `first` weeks have passed since": (
            (half_way, second, dates)
        ),
        "the second part is too long: `second` is counted from the end of the first": (
            (half_way, first + second, dates + first)
        ),
        "the second part begins at the old state instead of where the first part ended": (
            (states, second, dates + first)
        ),
        "first and second have changed places in the second part": (
            (half_way, first, dates + second)
        ),
        "the second date is first alone: the date of the start is missing": (
            (half_way, second, first)
        ),
    }
    ends = run(*map(torch.cat, zip(*second_parts.values(), strict=True))).split(rows)
    known = dict(zip(second_parts, ends, strict=True))
    known["only the first part was walked"] = half_way
    name = "compared with one call over first + second, each row from its own date, the result"
    want_equal(got, want, tol=1e-5, name=name, known=known)


@exercise(points=3, minutes=12)
def check_calendar(answer) -> None:
    """15.2: two parts with a clock that runs on."""
    _check_parts(answer, _season, rows=6, seed=0)
    _check_parts(answer, lambda t, z: _season(t, z, year=3.0), rows=3, seed=1)


@exercise(points=3, minutes=15)
def check_steepest(answer) -> None:
    """15.3: the largest spectral norm of the slopes."""

    def field(t: object, z: Tensor) -> Tensor:
        return _bent(z) @ torch.tensor([[1.0, 2.0], [0.0, 0.5]], dtype=z.dtype) + 7

    states = torch.randn(12, 2, generator=torch.Generator().manual_seed(2), dtype=torch.double)
    _check_stretch(answer, field, states)
    speeds = torch.stack([field(0, z) for z in states]).norm(dim=1)
    _check_stretch(answer, lambda t, z: 3 * _bent(z), states[speeds < speeds.median()])


def _check_stretch(answer, field: Callable, states: Tensor) -> None:
    matrices = jacobian(lambda z: field(0, z).sum(0), states).transpose(0, 1)  # of all at once
    norms = torch.linalg.matrix_norm(matrices, 2)
    known = {
        "this is the mean over the states; a bound must hold everywhere, so take the largest": (
            norms.mean()
        ),
        "this is the smallest over the states; take the largest": norms.min(),
        "this is the Frobenius norm (root of all squared entries), which is larger than the largest stretch": (
            torch.linalg.matrix_norm(matrices).max()
        ),
        "this is the largest eigenvalue; a matrix that is not symmetric can stretch by more": (
            torch.linalg.eigvals(matrices).abs().max()
        ),
        "this is the largest single entry of the matrices, not the largest stretch": (
            matrices.abs().max()
        ),
        "this is the speed of the field; wanted is how much its velocity differs between neighbours": (
            torch.stack([field(0, z) for z in states]).norm(dim=1).max()
        ),
        "this is the spectral norm of the mean matrix; measure each state by itself": (
            torch.linalg.matrix_norm(matrices.mean(0), 2)
        ),
    }
    want = norms.max().item()
    got = want_number(answer(field, states), "the largest stretch")
    want_equal(got, want, tol=1e-4 * want, name="the largest stretch over the states", known=known)


@exercise(points=2, minutes=8)
def check_possible(answer) -> None:
    """15.4: what a flow can do."""
    hints = {
        "A": (
            "is there a field on the line that carries every point away from 0, the farther the"
            " faster?"
        ),
        "B": "where do the paths from -1 and 1 have to be at the same moment?",
        "C": "what does a field that turns do in half a turn?",
        "D": (
            "three points drawn counter-clockwise: can they become clockwise while moving, without"
            " ever lying on one line?"
        ),
        "E": "with a third number there is room to turn the plane over, like a page",
        "F": "where do -1 and 1 end? Can paths meet?",
    }
    compare_letters(answer, {"A", "C", "E"}, hints)


@open_task
def open_report(report: Report) -> None:
    """The open task: how far ahead a law is trained."""
    report.interval("difference")
    errors = report.table("validation", number_of(0), keys=(1, 3, 8))
    chosen = report.number("chosen")
    if errors and chosen is not None:
        best = min(errors, key=errors.get)
        report.want(
            chosen == best,
            "`chosen` is {chosen:g}, but by `validation` the best is {best}",
            chosen=chosen,
            best=best,
        )
    report.table("seconds", number_of(0), keys=(1, 3, 8))
    report.closing()


# Answers on which the tests try the checkers: right ones, and wrong ones with words of the reason given.


def walk(states, slopes, h, error, *, order=slice(None, -1), reverse=True, transpose=True, keep=1):
    points = states[order]
    for z in points.flip(0) if reverse else points:
        matrix = slopes(z)
        error = keep * error + h * (matrix.T if transpose else matrix) @ error
    return error


def as_product(states, slopes, h, error):
    """The other way round: one matrix from the first state to the last, built forwards."""
    whole = torch.eye(len(error), dtype=torch.double)
    for z in states[:-1]:
        whole = (torch.eye(len(error)) + h * slopes(z)) @ whole
    return whole.T @ error


def from_the_end(states, slopes, h, error):
    total = error
    for z in states[:-1]:
        total = total + h * slopes(z).T @ error
    return total


def parts(field, states, dates, first, second, *, start=None, then=None, length=None):
    half_way = integrate(
        field, states, first, steps=50, start=dates[:, None] if start is None else start
    )
    return integrate(
        field,
        half_way,
        second if length is None else length,
        steps=50,
        start=(dates + first)[:, None] if then is None else then,
    )


def matrices(field, states):
    return torch.stack([jacobian(lambda s: field(0, s), z) for z in states])


def steepest(field, states):
    return torch.linalg.matrix_norm(matrices(field, states), 2).max()


def by_shaking(field, states, hair=1e-6):
    """The measured way: neighbours in 720 directions."""
    angle = torch.arange(720).double() * (torch.pi / 720)
    around = hair * torch.stack([angle.cos(), angle.sin()]).T
    return max((field(0, z + around) - field(0, z)).norm(dim=1).max().item() / hair for z in states)


def walk_as_taught(states, slopes, h, error):
    for z in reversed(states[:-1]):
        error = error + h * slopes(z).T @ error
    return error


def walk_in_numpy(states, slopes, h, error):
    error = error.numpy()
    for k in range(len(states) - 2, -1, -1):
        error = error + h * (error @ slopes(states[k]).numpy())
    return error


def walk_all_slopes_at_once(states, slopes, h, error):
    steps = torch.eye(len(error)) + h * torch.stack([slopes(z) for z in states[:-1]])
    return torch.linalg.multi_dot([error[None], *steps.flip(0)])[0]


def walk_in_place(states, slopes, h, error):
    for z in states[:-1].flip(0):
        error += h * slopes(z).T @ error
    return error


def calendar_as_taught(field, states, dates, first, second):
    half_way = integrate(field, states, first, steps=50, start=dates[:, None])
    return integrate(field, half_way, second, steps=50, start=(dates + first)[:, None])


def calendar_in_one_part(field, states, dates, first, second):
    """The flow property, used: one call, in numpy at the end."""
    whole = integrate(field, states, first + second, steps=50, start=dates[:, None])
    return whole.numpy()


def calendar_adaptive(field, states, dates, first, second):
    """With steps that the solver chooses."""
    half_way = integrate(field, states, first, method="adaptive", start=dates[:, None])
    return integrate(field, half_way, second, method="adaptive", start=(dates + first)[:, None])


def calendar_by_hand(field, states, dates, first, second):
    """RK4 written out over both parts, in float32 at the end."""
    clock = dates[:, None]
    for part in (first, second):
        h = part[:, None] / 50
        for _ in range(50):
            states, clock = rk4_step(field, clock, states, h), clock + h
    return states.float()


def by_svd(field, states):
    slopes = np.stack([jacobian(lambda s: field(0, s), z) for z in states])
    return np.linalg.svd(slopes, compute_uv=False)[:, 0].max()


RIGHT = [
    (check_walk_back, walk_as_taught),
    (check_walk_back, as_product),
    (check_walk_back, walk_in_numpy),
    (check_walk_back, walk_all_slopes_at_once),
    (check_walk_back, lambda *a: walk_as_taught(*a).float()),
    (check_calendar, calendar_as_taught),
    (check_calendar, calendar_adaptive),
    (check_calendar, calendar_by_hand),
    (check_calendar, calendar_in_one_part),
    (check_steepest, steepest),
    (check_steepest, by_shaking),
    (check_steepest, by_svd),
    (check_steepest, lambda f, z: by_svd(f, z.float())),
    (check_steepest, lambda f, z: np.float32(steepest(f, z))),
    (check_possible, {"A", "C", "E"}),
    (check_possible, "A, C, E"),
    (check_possible, np.array(["e", "c", "a"])),
]
WRONG = [
    (check_walk_back, lambda s, j, h, e: e, "came back unchanged"),
    (check_walk_back, lambda s, j, h, e: walk(s, j, h, e, transpose=False), "transposed"),
    (
        check_walk_back,
        lambda s, j, h, e: walk(s, j, h, e, order=slice(1, None)),
        "end of each step",
    ),
    (check_walk_back, lambda s, j, h, e: walk(s, j, h, e, reverse=False), "order of time"),
    (
        check_walk_back,
        lambda s, j, h, e: walk(s, j, h, e, keep=0),
        "direct way is missing",
    ),
    (check_walk_back, lambda s, j, h, e: walk(s, j, 1, e), "step size"),
    (check_walk_back, lambda s, j, h, e: walk(s, j, -h, e), "sign"),
    (check_walk_back, from_the_end, "lambda of the step after it"),
    (
        check_walk_back,
        lambda s, j, h, e: walk(s, j, h, e, order=slice(None)),
        "one step too many",
    ),
    (check_walk_back, lambda s, j, h, e: torch.stack([e, e]), "shape"),
    (check_walk_back, lambda s, j, h, e: walk(s[1:], j, h, e), "the first step is missing"),
    (check_walk_back, walk_in_place, "in place"),
    (check_walk_back, lambda s, j, h, e: walk(s, j, 0.3, e), "through 3 Euler steps"),
    (check_walk_back, lambda s, j, h, e: walk(s[-5:][:4], j, h, e), "autograd has found"),
    (check_walk_back, lambda s, j, h, e: walk(s, j, h, e).flip(0), "autograd has found"),
    (
        check_calendar,
        lambda f, z, t, a, b: parts(f, z, t, a, b, then=0.0),
        "starts at 0 again",
    ),
    (
        check_calendar,
        lambda f, z, t, a, b: parts(f, z, t, a, b, start=0.0, then=0.0),
        "0 in both parts",
    ),
    (
        check_calendar,
        lambda f, z, t, a, b: parts(f, z, t, a, b, start=0.0, then=a[:, None]),
        "starts at date 0",
    ),
    (
        check_calendar,
        lambda f, z, t, a, b: parts(f, z, t, a, b, then=t[:, None]),
        "old date",
    ),
    (check_calendar, lambda f, z, t, a, b: parts(f, z, t, a, b, length=a + b), "too long"),
    (
        check_calendar,
        lambda f, z, t, a, b: parts(f, z, t, a, 0 * b),
        "only the first part",
    ),
    (
        check_calendar,
        lambda f, z, t, a, b: parts(f, z, t + a, b, 0 * b),
        "begins at the old state",
    ),
    (
        check_calendar,
        lambda f, z, t, a, b: parts(f, z, t, a, a, then=(t + b)[:, None]),
        "changed places",
    ),
    (
        check_calendar,
        lambda f, z, t, a, b: parts(f, z, t, a, b, then=a[:, None]),
        "date of the start is missing",
    ),
    (check_calendar, lambda f, z, t, a, b: z, "each row from its own date"),
    (check_calendar, lambda f, z, t, a, b: parts(f, z, t, a, b)[0], "shape"),
    (check_calendar, lambda f, z, t, a, b: parts(f, z, t[:1] + 0 * t, a, b), "its own date"),
    (check_calendar, lambda f, z, t, a, b: integrate(f, z, a + b, start=t[:, None]), "its own"),
    (check_calendar, lambda f, z, t, a, b: parts(f, z, t, -a, -b), "its own date"),
    (
        check_steepest,
        lambda f, z: torch.linalg.matrix_norm(matrices(f, z), 2).mean(),
        "mean over the states",
    ),
    (
        check_steepest,
        lambda f, z: torch.linalg.matrix_norm(matrices(f, z), 2).min(),
        "smallest",
    ),
    (
        check_steepest,
        lambda f, z: torch.linalg.matrix_norm(matrices(f, z)).max(),
        "Frobenius",
    ),
    (
        check_steepest,
        lambda f, z: torch.linalg.eigvals(matrices(f, z)).abs().max(),
        "eigenvalue",
    ),
    (check_steepest, lambda f, z: matrices(f, z).abs().max(), "single entry"),
    (check_steepest, lambda f, z: f(0, z).norm(dim=1).max(), "speed of the field"),
    (
        check_steepest,
        lambda f, z: torch.linalg.matrix_norm(matrices(f, z).mean(0), 2),
        "each state by itself",
    ),
    (check_steepest, lambda f, z: 1.0, "the largest stretch over the states is"),
    (check_steepest, lambda f, z: steepest(f, z[:6]), "the largest stretch over"),
    (check_steepest, lambda f, z: 1.001 * steepest(f, z), "the largest stretch over"),
    (check_steepest, lambda f, z: matrices(f, z).sum(-1).abs().max(), "the largest stretch over"),
    (check_steepest, lambda f, z: steepest(lambda t, s: _bent(s), z), "the largest stretch over"),
    (
        check_steepest,
        lambda f, z: torch.linalg.matrix_norm(matrices(f, z), 2),
        "one number",
    ),
    (check_possible, {"C", "E"}, "look at A"),
    (check_possible, {"A", "B", "C", "E"}, "look at B"),
    (check_possible, {"A", "E"}, "look at C"),
    (check_possible, {"A", "C", "D", "E"}, "look at D"),
    (check_possible, {"A", "C"}, "look at E"),
    (check_possible, {"A", "C", "E", "F"}, "look at F"),
    (check_possible, "ABCDEF", "look at B"),
    (check_possible, ["C", "E"], "look at A"),
    (check_possible, [], "look at A"),
    (check_possible, {"Z"}, "set of letters"),
]
# Changes of right answers that stay right (tests/exercises/mutants.py), and why.
STEPS = "so many steps of RK4 differ by less than the tolerance"
TIME = "the fields of this exercise do not read the time"
FINE = "the directions and neighbours of the measured way may be others"
ARGUED = [
    (check_calendar, "50 -> 49", STEPS),
    (check_calendar, "50 -> 51", STEPS),
    (check_walk_back, "0 -> -1", "the product has a single row"),
    (check_steepest, "0 -> -1", TIME),
    (check_steepest, "0 -> 1", TIME),
    (check_steepest, "1e-06 -> 1.1e-06", FINE),
    (check_steepest, "720 -> 719", FINE),
    (check_steepest, "720 -> 721", FINE),
    (check_steepest, "z + around -> z - around", FINE),
    *(
        (check_steepest, f"torch.arange(720).double() * (torch.pi / 720) -> {other}", FINE)
        for other in ("torch.arange(720).double() / (torch.pi / 720)", "torch.arange(720).double()")
    ),
    (check_steepest, "torch.pi / 720 -> 720", FINE),
]

OPEN = {
    "difference": (0.05, 0.01, 0.09),
    "validation": {1: 0.2, 3: 0.11, 8: 0.14},
    "chosen": 3,
    "seconds": {1: 2.1, 3: 4.5, 8: 11.0},
    **END,
}
OPEN_RIGHT = [OPEN, {**OPEN, **END_ZH}]
OPEN_WRONG = [
    ({**OPEN, "chosen": 1}, "the best is 3"),
    ({**OPEN, "seconds": {1: 2.1, 3: 4.5}}, "no entry for 8"),
    ({**OPEN, "difference": 0.05}, "is an interval"),
]
