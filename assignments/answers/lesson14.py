"""Answers to the exercises of lesson 14: right ones, and wrong ones with words of the reason that
the student must be given.
"""

import math

import torch

from tutorial_lib.exercises import lesson14
from tutorial_lib.models.ode import euler_step, integrate, midpoint_step, rk4_step

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


RIGHT = [
    (lesson14.check_heun_step, heun),
    (lesson14.check_orders, ORDERS),
    (lesson14.check_orders, {"A": 1.02, "B": 4.1, "C": 0.97, "D": 2.1, "E": 3.05}),
    (lesson14.check_fewest_steps, fewest),
    (lesson14.check_fewest_steps, lambda *a: fewest(*a, limits=lesson14.STABLE_UP_TO)),
    (lesson14.check_fewest_steps, lambda *a: float(fewest(*a))),
    (
        lesson14.check_fewest_steps,
        lambda *a: fewest(*a, limits={"euler": 1.999, "midpoint": 2.001, "rk4": 2.786}),
    ),
    (lesson14.check_states_at, states),
]
WRONG = [
    (lesson14.check_heun_step, euler_step, "this is the Euler step"),
    (lesson14.check_heun_step, midpoint_step, "this is the midpoint step"),
    (lesson14.check_heun_step, rk4_step, "this is RK4"),
    (lesson14.check_heun_step, lambda *a: heun(*a, at=0), "asked at the time t"),
    (lesson14.check_heun_step, lambda *a: heun(*a, ahead=0), "old state"),
    (lesson14.check_heun_step, lambda f, t, z, h: heun(f, t, z, h, ahead=1 / h), "whole hour"),
    (lesson14.check_heun_step, lambda *a: heun(*a, ahead=0.5), "half-way only"),
    (lesson14.check_heun_step, lambda *a: heun(*a, weights=(1, 1)), "were added"),
    (lesson14.check_heun_step, lambda *a: heun(*a, weights=(0, 1)), "only the slope at the end"),
    (
        lesson14.check_heun_step,
        lambda f, t, z, h: z + (heun(f, t, z, h) - z) / h,
        "without the length",
    ),
    (lesson14.check_heun_step, lambda f, t, z, h: heun(f, t, z, h) + h * f(t, z), "begin at z"),
    (lesson14.check_heun_step, lambda *a: heun(*a, weights=(1 / 3, 2 / 3)), "not Heun's step"),
    (lesson14.check_heun_step, careless_heun, "asked 3 times"),
    (lesson14.check_heun_step, lambda *a: heun(*a)[0], "shape"),
    (lesson14.check_orders, ORDERS | {"A": 4}, "look at A again: four evaluations"),
    (lesson14.check_orders, ORDERS | {"B": 3}, "look at B again"),
    (lesson14.check_orders, ORDERS | {"C": 4}, "look at C again: did your field read the clock"),
    (lesson14.check_orders, ORDERS | {"D": 4}, "look at D again: four evaluations"),
    (lesson14.check_orders, ORDERS | {"E": 4}, "look at E again"),
    (lesson14.check_orders, {"A": 1}, "five letters"),
    (lesson14.check_orders, [1, 4, 1, 2, 3], "dictionary"),
    (lesson14.check_orders, ORDERS | {"A": math.nan}, "look at A again"),
    (lesson14.check_fewest_steps, lambda *a: fewest(*a, seconds=1), "taken as hours"),
    (lesson14.check_fewest_steps, lambda *a: fewest(*a, seconds=60), "taken as minutes"),
    (lesson14.check_fewest_steps, lambda *a: fewest(*a, which=min), "slowest part decided"),
    (
        lesson14.check_fewest_steps,
        lambda *a: fewest(*a, which=lambda r: sum(r) / len(r)),
        "mean of the rates",
    ),
    (lesson14.check_fewest_steps, lambda *a: fewest(*a, which=sum), "rates were added"),
    (
        lesson14.check_fewest_steps,
        lambda *a: fewest(*a, limits=dict.fromkeys(LIMITS, 2)),
        "Euler's limit was used",
    ),
    (
        lesson14.check_fewest_steps,
        lambda *a: fewest(*a, limits=dict.fromkeys(LIMITS, 2.785)),
        "RK4's limit was used",
    ),
    (
        lesson14.check_fewest_steps,
        lambda *a: fewest(*a, limits=dict.fromkeys(LIMITS, 1)),
        "kept below 1",
    ),
    (lesson14.check_fewest_steps, lambda *a: fewest(*a, rounding=math.floor), "rounded down"),
    (lesson14.check_fewest_steps, lambda *a: fewest(*a) + 1, "are the fewest"),
    (lesson14.check_fewest_steps, lambda *a: fewest(*a) if a[1] else 0, "at least one step"),
    (lesson14.check_fewest_steps, lambda r, g, m: max(r) * g / 3600 / LIMITS[m], "whole number"),
    (
        lesson14.check_states_at,
        lambda f, z, t, n: states(f, z, t, n, gaps=t),
        "taken as gaps: the state",
    ),
    (
        lesson14.check_states_at,
        lambda f, z, t, n: states(f, z, t, n, gaps=t, clock=False),
        "and the clock began at 0",
    ),
    (lesson14.check_states_at, lambda *a: states(*a, clock=False), "saw the clock begin at 0"),
    (lesson14.check_states_at, late_clock, "clock of its end"),
    (
        lesson14.check_states_at,
        lambda f, z, t, n: states(lambda s, x: f(s + 0.1, x), z, t, n),
        "not the states",
    ),
    (
        lesson14.check_states_at,
        lambda f, z, t, n: states(f, z, t, n, gaps=t, clock=False, carry=False),
        "grow with the query",
    ),
    (
        lesson14.check_states_at,
        lambda *a: states(*a, carry=False),
        "began at the first state again",
    ),
    (lesson14.check_states_at, lambda *a: states(*a, own=False), "mean gap"),
    (
        lesson14.check_states_at,
        lambda f, z, t, n: states(
            f, z, t, n, gaps=t.diff(dim=1, prepend=0 * t[:, :1])[:1].expand_as(t)
        ),
        "gaps of the first row",
    ),
    (lesson14.check_states_at, lambda *a: states(*a, method="euler"), "Euler steps"),
    (lesson14.check_states_at, row_by_row, "with one call for all rows"),
    (lesson14.check_states_at, lambda *a: states(*a)[:, -1], "shape"),
]
