"""Checkers of lesson 14, solving differential equations step by step."""

import math
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from exercises.checking import Wrong, exercise, want_equal, want_number, want_whole
from exercises.open_task import END, END_ZH, Report, number_of, open_task
from tutorial_lib.language import say
from tutorial_lib.models.ode import Field, euler_step, integrate, midpoint_step, rk4_step

# largest rate * step that does not grow
STABLE_UP_TO = {"euler": 2.0, "midpoint": 2.0, "rk4": 2.785293563405282}


def _watched(bend: float) -> tuple[Field, list]:
    """A field that moves with the time and bends with the state, and the times at which it was
    asked.
    """
    asked: list = []

    def field(t: Tensor, z: Tensor) -> Tensor:
        asked.append(t)
        return torch.cos(3 * t) - bend * z * z

    return field, asked


def _check_heun(answer, shape: tuple[int, int], bend: float, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    t, h = 2 * torch.rand(2, shape[0], 1, generator=generator, dtype=torch.double)
    z = torch.randn(shape, generator=generator, dtype=torch.double)
    field, asked = _watched(bend)
    got = answer(field, t, z, h)
    calls = len(asked)
    first = field(t, z)
    ahead = z + h * first
    second = field(t + h, ahead)
    known = {
        "this is the Euler step: the slope at the end is missing": ahead,
        "this is the midpoint step; of order 2 as well, but it asks half-way, and Heun asks at the end": midpoint_step(
            field, t, z, h
        ),
        "this is RK4; Heun makes do with two slopes": rk4_step(field, t, z, h),
        "the second slope was asked at the time t; the Euler step ends at t + h": (
            z + h / 2 * (first + field(t, ahead))
        ),
        "the second slope was asked at the old state; ask it where the Euler step ends": (
            z + h / 2 * (first + field(t + h, z))
        ),
        "the Euler step inside went a whole hour: it must be h long": (
            z + h / 2 * (first + field(t + h, z + first))
        ),
        "the Euler step inside went half-way only: Heun asks at the end of the whole step": (
            z + h / 2 * (first + field(t + h, z + h / 2 * first))
        ),
        "the two slopes were added; take their mean": z + h * (first + second),
        "only the slope at the end was followed; take the mean of both": z + h * second,
        "the mean slope was added without the length of the step": z + (first + second) / 2,
        "the mean was added to the state that Euler predicted; begin at z": (
            ahead + h / 2 * (first + second)
        ),
        "this is the change alone; add it to z": h / 2 * (first + second),
    }
    want = z + h / 2 * (first + second)
    want_equal(got, want, tol=1e-5, name="the state after the step", known=known)
    if calls != 2:
        raise Wrong(
            "the state is right, but the field was asked {calls} times; keep the first"
            " slope, and two are enough",
            calls=calls,
        )


@exercise(points=3, minutes=15)
def check_heun_step(answer) -> None:
    """14.1: the mean of the slope at the start and the slope where Euler ends."""
    _check_heun(answer, (4, 3), bend=0.5, seed=0)
    _check_heun(answer, (2, 5), bend=-0.2, seed=1)


def _steps(step: Callable[..., Tensor], parts: int = 1) -> Callable[..., Tensor]:
    """A sealed solver that takes `parts` small steps where it claims one."""

    def solve(field: Field, state: Tensor, duration: Tensor, steps: int) -> Tensor:
        h = duration.unsqueeze(-1) / (steps * parts)
        for k in range(steps * parts):
            state = step(field, k * h, state, h)
        return state

    return solve


def _three_eighths(field: Field, t: Tensor, z: Tensor, h: Tensor) -> Tensor:
    k1 = field(t, z)
    k2 = field(t + h / 3, z + h / 3 * k1)
    k3 = field(t + 2 * h / 3, z + h * (k2 - k1 / 3))
    return z + h / 8 * (k1 + 3 * (k2 + k3) + field(t + h, z + h * (k1 - k2 + k3)))


def _third(field: Field, t: Tensor, z: Tensor, h: Tensor) -> Tensor:
    k1 = field(t, z)
    k2 = field(t + h / 2, z + h / 2 * k1)
    return z + h / 6 * (k1 + 4 * k2 + field(t + h, z + h * (2 * k2 - k1)))


def _stopped_clock(field: Field, t: Tensor, z: Tensor, h: Tensor) -> Tensor:
    return rk4_step(lambda _, state: field(t, state), t, z, h)


sealed = {  # for exercise 14.2: measure them, do not read them
    "A": _steps(euler_step, parts=4),
    "B": _steps(_three_eighths),
    "C": _steps(_stopped_clock),
    "D": _steps(midpoint_step, parts=2),
    "E": _steps(_third),
}


@exercise(points=4, minutes=20)
def check_orders(answer) -> None:
    """14.2: the measured orders of the sealed solvers."""
    want = {"A": 1, "B": 4, "C": 1, "D": 2, "E": 3}
    try:
        found = {str(letter).strip().upper(): x for letter, x in dict(answer).items()}
    except (TypeError, ValueError):
        found = {}
    if set(found) != set(want):
        raise Wrong(
            'the answer is a dictionary with a number for each of the five letters, such as {"A":'
            " 2, ...}"
        )
    hints = {
        "A": (
            "four evaluations a step prove nothing; halve the step and look by how much the error"
            " shrinks"
        ),
        "B": (
            "halving the step should divide the error by the same number again and again: use"
            " float64, and stay above rounding"
        ),
        "C": (
            "did your field read the clock? On a field without t this solver shows another order"
            " than on one with t"
        ),
        "D": (
            "four evaluations a step prove nothing; halve the step and look by how much the error"
            " shrinks"
        ),
        "E": (
            "take smaller steps, such as 32 to 256, and measure again; an order need not be that of"
            " a solver you know"
        ),
    }
    for letter, order in want.items():
        if (
            not abs(want_number(found[letter], say("the order of {letter}", letter=letter)) - order)
            <= 0.3
        ):
            raise Wrong("look at {letter} again: {hints}", letter=letter, hints=hints[letter])


@exercise(points=3, minutes=15)
def check_fewest_steps(answer) -> None:
    """14.3: the fewest equal steps in which nothing grows."""
    cases = [  # none near a limit, so that a limit measured to three digits gives the same answer
        ([1.2], 10_800, "euler"),
        ([1.2, 120.0], 10_000, "euler"),
        ([120.0, 1.2, 30.0], 10_800, "rk4"),
        ([5.0, 0.5], 160_000, "midpoint"),
        ([5.0, 0.5], 160_000, "rk4"),
        ([40.0], 0, "rk4"),
    ]
    for rates, gap, method in cases:
        where = say(
            "for rates {rates} per hour, a gap of {gap} s and {method}",
            rates=rates,
            gap=gap,
            method=method,
        )
        got = want_whole(
            answer(rates, gap, method), say("{where} your number of steps", where=where)
        )
        reach = max(rates) * gap / 3600 / STABLE_UP_TO[method]
        want = max(1, math.ceil(reach))
        if got == want:
            continue
        known = {
            "the gap was taken as hours, but it is in seconds": reach * 3600,
            "the gap was taken as minutes, but it is in seconds": reach * 60,
            "the slowest part decided; the fastest one explodes first": (
                reach * min(rates) / max(rates)
            ),
            "the mean of the rates decided; the fastest one explodes first": (
                reach * sum(rates) / len(rates) / max(rates)
            ),
            "the rates were added; each part moves alone, and the fastest one decides": (
                reach * sum(rates) / max(rates)
            ),
            "Euler's limit was used; RK4 reaches further": reach * STABLE_UP_TO[method] / 2,
            "RK4's limit was used; this solver does not reach so far": (
                reach * STABLE_UP_TO[method] / STABLE_UP_TO["rk4"]
            ),
            "rate times step was kept below 1, where Euler does not even overshoot; it may come up to the limit": (
                reach * STABLE_UP_TO[method]
            ),
        }
        for reason, value in known.items():
            if got == max(1, math.ceil(value)):
                raise Wrong("{where}: {reason}", where=where, reason=reason)
        if got < 1:
            raise Wrong("{where} at least one step is needed, got {got}", where=where, got=got)
        if got == math.floor(reach):
            raise Wrong(
                "{where} you rounded down: {got} steps are a little too long, and a state"
                " still grows",
                where=where,
                got=got,
            )
        raise Wrong(
            "{where} {want} steps are the fewest in which nothing grows, got {got}",
            where=where,
            want=want,
            got=got,
        )


def _check_states(answer, times: Tensor, steps: int, bend: float, seed: int) -> None:
    rows, queries = times.shape
    state = torch.randn(rows, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.double)
    field, asked = _watched(bend)
    got = answer(field, state, times, steps)
    calls = len(asked)

    def walk(
        gaps: Tensor, starts: Tensor, *, carry: bool = True, method: str = "rk4", steps: int = steps
    ) -> Tensor:
        """Stretch after stretch over gaps [rows, queries], each with the clock at starts [rows,
        queries].
        """
        now, seen = state, []
        for k in range(queries):
            begin = now if carry else state
            now = integrate(
                field, begin, gaps[:, k], method=method, steps=steps, start=starts[:, k : k + 1]
            )
            seen.append(now)
        return torch.stack(seen, dim=1)

    gaps = times.diff(dim=1, prepend=torch.zeros(rows, 1, dtype=torch.double))
    before = times - gaps
    known = {
        "the query times were taken as gaps: the state has already come as far as the query before": walk(
            times, before
        ),
        "the query times were taken as gaps, and the clock began at 0 each time": walk(
            times, 0 * before
        ),
        "each stretch saw the clock begin at 0: pass the time where it begins as `start`": walk(
            gaps, 0 * before
        ),
        "each stretch saw the clock of its end: `start` is the time where it begins": walk(
            gaps, times
        ),
        "every query was reached from the first state, in steps that grow with the query time; carry the state on": walk(
            times, 0 * before, carry=False
        ),
        "every stretch began at the first state again; carry the state on": walk(
            gaps, before, carry=False
        ),
        "all rows took the mean gap; each row has its own": walk(
            gaps.mean(0).expand(rows, -1), before
        ),
        "all rows took the gaps of the first row; each row has its own": walk(
            gaps[:1].expand(rows, -1), before
        ),
        "these are Euler steps; take RK4": walk(gaps, before, method="euler"),
        "these are midpoint steps; take RK4": walk(gaps, before, method="midpoint"),
        "each stretch took a single step; take `steps` of them": walk(gaps, before, steps=1),
        "each stretch took 3 steps; take `steps` of them": walk(gaps, before, steps=3),
    }
    want = walk(gaps, before)
    want_equal(got, want, tol=1e-5, name="the result", known=known)
    if calls > 4 * steps * queries:
        raise Wrong(
            "the states are right, but the field was asked {calls} times; with one call"
            " for all rows {steps} are enough",
            calls=calls,
            steps=4 * steps * queries,
        )


@exercise(points=4, minutes=20)
def check_states_at(answer) -> None:
    """14.4: the state of every row at its own query times."""
    times = [[0.0, 0.4, 1.0], [0.3, 0.3, 2.0], [0.2, 1.1, 1.5], [0.7, 0.9, 1.2]]
    _check_states(answer, torch.tensor(times, dtype=torch.double), steps=3, bend=0.5, seed=3)
    times = [[0.5, 0.9, 1.6, 2.0], [0.1, 0.8, 0.8, 1.9]]
    _check_states(answer, torch.tensor(times, dtype=torch.double), steps=2, bend=-0.1, seed=4)


@open_task
def open_report(report: Report) -> None:
    """The open task: steps for a data set."""
    errors = report.table("errors", lambda report, name: report.table(name, number_of(0)), least=4)
    worst = report.table("worst_row", number_of(0), least=4)
    report.table("exploded", number_of(0), least=4)
    report.same_keys("errors", "worst_row", "exploded")
    if errors and worst and errors.keys() == worst.keys():
        report.want(
            all(worst[way] >= min(errors[way].values()) for way in errors),
            "the worst row cannot be better than the smallest mean error",
        )
    report.closing()


# Answers on which the tests try the checkers: right ones, and wrong ones with words of the reason given.

LIMITS = {"euler": 2.0, "midpoint": 2.0, "rk4": 2.785}
ORDERS = {"A": 1, "B": 4, "C": 1, "D": 2, "E": 3}


def heun(f, t, z, h, *, at=1.0, ahead=1.0, weights=(0.5, 0.5)):
    first = f(t, z)
    return z + h * (weights[0] * first + weights[1] * f(t + at * h, z + ahead * h * first))


def careless_heun(f, t, z, h):
    return z + h / 2 * (f(t, z) + f(t + h, z + h * f(t, z)))


def fewest(rates, gap, method, *, seconds=3600, which=max, limits=LIMITS, rounding=math.ceil):
    return max(1, rounding(which(rates) * gap / seconds / limits[method]))


def states(f, z, times, steps, *, own=True, carry=True, clock=True, method="rk4", gaps=None):
    gaps = times.diff(dim=1, prepend=torch.zeros_like(times[:, :1])) if gaps is None else gaps
    starts, now, seen = times - times.diff(dim=1, prepend=torch.zeros_like(times[:, :1])), z, []
    for k in range(times.shape[1]):
        gap = gaps[:, k] if own else gaps[:, k].mean().expand(len(z))
        start = starts[:, k : k + 1] if clock else 0.0
        now = integrate(f, now if carry else z, gap, method=method, steps=steps, start=start)
        seen.append(now)
    return torch.stack(seen, dim=1)


def late_clock(f, z, times, steps):
    """The clock of each stretch begins where the stretch ends."""
    gaps, seen = times.diff(dim=1, prepend=torch.zeros_like(times[:, :1])), []
    for k in range(times.shape[1]):
        z = integrate(f, z, gaps[:, k], steps=steps, start=times[:, k : k + 1])
        seen.append(z)
    return torch.stack(seen, dim=1)


def row_by_row(f, z, times, steps):
    return torch.cat([states(f, z[i : i + 1], times[i : i + 1], steps) for i in range(len(z))])


def heun_as_taught(f, t, z, h):
    first = f(t, z)
    last = f(t + h, z + h * first)
    return z + h / 2 * (first + last)


def heun_from_euler(f, t, z, h):
    """Half-way between the start and two Euler steps, by hand; in float32 where it lands."""
    ahead = euler_step(f, t, z, h)
    return ((z + euler_step(f, t + h, ahead, h)) / 2).float()


def heun_in_place(f, t, z, h):
    first = f(t, z)
    z += h * first
    return z + h / 2 * (f(t + h, z) - first)


def fewest_by_trying(rates, gap, method):
    """One step more until no part grows in a step of the solver itself."""
    step = {"euler": euler_step, "midpoint": midpoint_step, "rk4": rk4_step}[method]
    rate, one, n = torch.tensor(rates, dtype=torch.double), torch.ones(len(rates)).double(), 1
    while (step(lambda t, z: -rate * z, 0, one, gap / 3600 / n).abs() > 1).any():
        n += 1
    return torch.tensor(n)


def states_by_hand(f, z, times, steps):
    """RK4 written out, in float32 at the end."""
    clock, seen = torch.zeros_like(times[:, :1]), []
    for query in times.unbind(1):
        h = (query[:, None] - clock) / steps
        for _ in range(steps):
            z = rk4_step(f, clock, z, h)
            clock = clock + h
        clock = query[:, None]
        seen.append(z.float())
    return torch.stack(seen, 1).numpy()


def states_as_taught(field, state, times, steps):
    clock, seen = times.new_zeros(len(times)), []
    for query in times.T:
        state = integrate(field, state, query - clock, steps=steps, start=clock[:, None])
        clock = query
        seen.append(state)
    return torch.stack(seen, dim=1)


RIGHT = [
    (check_heun_step, heun_as_taught),
    (check_heun_step, heun_from_euler),
    (check_heun_step, lambda *a: heun_as_taught(*a).tolist()),
    (check_orders, ORDERS),
    (check_orders, {"A": 1.02, "B": 4.1, "C": 0.97, "D": 2.1, "E": 3.05}),
    (check_orders, {letter: torch.tensor(order - 0.01) for letter, order in ORDERS.items()}),
    (check_orders, pd.Series(ORDERS, dtype="float32")),
    (check_orders, {letter.lower(): np.array([order]) for letter, order in ORDERS.items()}),
    (check_orders, {letter: Fraction(order) for letter, order in ORDERS.items()}),
    (check_fewest_steps, fewest),
    (check_fewest_steps, lambda *a: fewest(*a, limits=STABLE_UP_TO)),
    (check_fewest_steps, lambda *a: float(fewest(*a))),
    (check_fewest_steps, fewest_by_trying),
    (check_fewest_steps, lambda *a: np.array([fewest(*a)])),
    (
        check_fewest_steps,
        lambda *a: fewest(*a, limits={"euler": 1.999, "midpoint": 2.001, "rk4": 2.786}),
    ),
    (check_states_at, states_as_taught),
    (check_states_at, states_by_hand),
    (check_states_at, lambda *a: states_as_taught(*a).tolist()),
]
WRONG = [
    (check_heun_step, euler_step, "this is the Euler step"),
    (check_heun_step, midpoint_step, "this is the midpoint step"),
    (check_heun_step, rk4_step, "this is RK4"),
    (check_heun_step, lambda *a: heun(*a, at=0), "asked at the time t"),
    (check_heun_step, lambda *a: heun(*a, ahead=0), "old state"),
    (check_heun_step, lambda f, t, z, h: heun(f, t, z, h, ahead=1 / h), "whole hour"),
    (check_heun_step, lambda *a: heun(*a, ahead=0.5), "half-way only"),
    (check_heun_step, lambda *a: heun(*a, weights=(1, 1)), "were added"),
    (check_heun_step, lambda *a: heun(*a, weights=(0, 1)), "only the slope at the end"),
    (
        check_heun_step,
        lambda f, t, z, h: z + (heun(f, t, z, h) - z) / h,
        "without the length",
    ),
    (check_heun_step, lambda f, t, z, h: heun(f, t, z, h) + h * f(t, z), "begin at z"),
    (check_heun_step, lambda *a: heun(*a, weights=(1 / 3, 2 / 3)), "the state after the step["),
    (check_heun_step, careless_heun, "asked 3 times"),
    (check_heun_step, lambda *a: heun(*a)[0], "shape"),
    (check_heun_step, heun_in_place, "in place"),
    (check_heun_step, lambda f, t, z, h: heun(f, t, z, h) - z, "change alone"),
    (check_heun_step, lambda f, t, z, h: heun(f, t, z, h[:1].expand_as(h)), "the state after"),
    (check_heun_step, lambda f, t, z, h: heun(f, 0 * t, z, h), "the state after"),
    (check_heun_step, lambda f, t, z, h: (f(t, z), heun(f, t, z, h))[1], "asked 3 times"),
    (check_orders, ORDERS | {"A": 4}, "look at A again: four evaluations"),
    (check_orders, ORDERS | {"B": 3}, "look at B again"),
    (check_orders, ORDERS | {"C": 4}, "look at C again: did your field read the clock"),
    (check_orders, ORDERS | {"D": 4}, "look at D again: four evaluations"),
    (check_orders, ORDERS | {"E": 4}, "look at E again"),
    (check_orders, {"A": 1}, "five letters"),
    (check_orders, [1, 4, 1, 2, 3], "dictionary"),
    (check_orders, dict.fromkeys(ORDERS, 4), "look at A"),
    (check_orders, ORDERS | {"E": 2.5}, "look at E again"),
    (check_orders, ORDERS | {"B": 4.4}, "look at B again"),
    (check_orders, ORDERS | {"C": "one"}, "the order of C"),
    (check_orders, {letter: -order for letter, order in ORDERS.items()}, "look at A"),
    (check_orders, ORDERS | {"A": math.nan}, "look at A again"),
    (check_fewest_steps, lambda *a: fewest(*a, seconds=1), "taken as hours"),
    (check_fewest_steps, lambda *a: fewest(*a, seconds=60), "taken as minutes"),
    (check_fewest_steps, lambda *a: fewest(*a, which=min), "slowest part decided"),
    (
        check_fewest_steps,
        lambda *a: fewest(*a, which=lambda r: sum(r) / len(r)),
        "mean of the rates",
    ),
    (check_fewest_steps, lambda *a: fewest(*a, which=sum), "rates were added"),
    (
        check_fewest_steps,
        lambda *a: fewest(*a, limits=dict.fromkeys(LIMITS, 2)),
        "Euler's limit was used",
    ),
    (
        check_fewest_steps,
        lambda *a: fewest(*a, limits=dict.fromkeys(LIMITS, 2.785)),
        "RK4's limit was used",
    ),
    (
        check_fewest_steps,
        lambda *a: fewest(*a, limits=dict.fromkeys(LIMITS, 1)),
        "kept below 1",
    ),
    (check_fewest_steps, lambda *a: fewest(*a, rounding=math.floor), "rounded down"),
    (check_fewest_steps, lambda *a: fewest(*a) + 1, "are the fewest"),
    (check_fewest_steps, lambda *a: fewest(*a) if a[1] else 0, "at least one step"),
    (check_fewest_steps, lambda r, g, m: max(r) * g / 3600 / LIMITS[m], "whole number"),
    (check_fewest_steps, lambda r, g, m: fewest(r[:1], g, m), "slowest part decided"),
    (check_fewest_steps, lambda r, g, m: fewest(r[-1:], g, m), "30.0"),
    (check_fewest_steps, lambda r, g, m: fewest(r, g, "rk4"), "RK4's limit was used"),
    (check_fewest_steps, lambda *a: [fewest(*a)] * 2, "whole number"),
    (
        check_states_at,
        lambda f, z, t, n: states(f, z, t, n, gaps=t),
        "taken as gaps: the state",
    ),
    (
        check_states_at,
        lambda f, z, t, n: states(f, z, t, n, gaps=t, clock=False),
        "and the clock began at 0",
    ),
    (check_states_at, lambda *a: states(*a, clock=False), "saw the clock begin at 0"),
    (check_states_at, late_clock, "clock of its end"),
    (
        check_states_at,
        lambda f, z, t, n: states(lambda s, x: f(s + 0.1, x), z, t, n),
        "the result[",
    ),
    (
        check_states_at,
        lambda f, z, t, n: states(f, z, t, n, gaps=t, clock=False, carry=False),
        "grow with the query",
    ),
    (
        check_states_at,
        lambda *a: states(*a, carry=False),
        "began at the first state again",
    ),
    (check_states_at, lambda *a: states(*a, own=False), "mean gap"),
    (
        check_states_at,
        lambda f, z, t, n: states(
            f, z, t, n, gaps=t.diff(dim=1, prepend=0 * t[:, :1])[:1].expand_as(t)
        ),
        "gaps of the first row",
    ),
    (check_states_at, lambda *a: states(*a, method="euler"), "Euler steps"),
    (check_states_at, row_by_row, "with one call for all rows"),
    (check_states_at, lambda *a: states(*a)[:, -1], "shape"),
    (check_states_at, lambda f, z, t, n: states(f, z, t, 3), "took 3 steps"),
    (check_states_at, lambda f, z, t, n: states(f, z, t, 1), "a single step"),
    (check_states_at, lambda f, z, t, n: states(f, z, t, n + 1), "the result["),
    (check_states_at, lambda *a: states(*a, method="midpoint"), "midpoint steps"),
    (check_states_at, lambda f, z, t, n: states(f, z, t, n).flip(1), "the result["),
    (check_states_at, lambda f, z, t, n: states(f, z[:1].expand_as(z), t, n), "the result["),
]
# Changes of right answers that stay right (tests/exercises/mutants.py), and why.
SLOPES = "measured slopes are welcome: 0.3 from the order is near enough"
LIMIT = "the limits are measured to three digits, and so much changes no number of steps"
CLOCK = "the field of this answer does not read the time"
ARGUED = [
    (check_fewest_steps, "one axis more", "an array that holds one number is a number"),
    *(
        (check_orders, f"[{letter!r}] {step} step", SLOPES)
        for letter in ORDERS
        for step in ("-1", "+1")
    ),
    (check_orders, "'A' and 'C' swapped", "both have order 1"),
    (check_fewest_steps, "3600 -> 3599", LIMIT),
    (check_fewest_steps, "3600 -> 3601", LIMIT),
    (check_fewest_steps, "0 -> -1", CLOCK),
    (check_fewest_steps, "0 -> 1", CLOCK),
    (
        check_fewest_steps,
        "step(lambda t, z: -rate * z, 0, one, gap / 3600 / n).abs"
        " -> step(lambda t, z: -rate * z, 0, one, gap / 3600 / n).square",
        "the square is above 1 where the size is",
    ),
    (check_states_at, "1 -> 2", "two zeros for each row, one for each number of its state"),
]

OPEN = {
    "errors": {way: {1000: 0.1, 4000: 0.01} for way in ("equal", "gap", "adaptive", "log")},
    "worst_row": {"equal": 3.0, "gap": 0.5, "adaptive": 0.02, "log": 0.3},
    "exploded": {"equal": 12, "gap": 0, "adaptive": 0, "log": 0},
    **END,
}
OPEN_RIGHT = [OPEN, {**OPEN, **END_ZH}]
OPEN_WRONG = [
    (
        {**OPEN, "worst_row": {"equal": 3.0, "gap": 0.5, "adaptive": 0.002, "log": 0.3}},
        "smallest mean error",
    ),
    ({**OPEN, "exploded": {"a": 12, "b": 0, "c": 0, "d": 0}}, "different entries"),
    ({**OPEN, "errors": {"equal": {1000: 0.1, 4000: 0.01}}}, "1 of at least 4"),
]
