"""Answers to the exercises of lesson 17: right ones, and wrong ones with words of the reason that
the student must be given.
"""

import math

import torch

from tutorial_lib.exercises import lesson17


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
    (lesson17.check_attractor_step, relax),
    (lesson17.check_live_parameters, live),
    (lesson17.check_is_flow, detector),
    (lesson17.check_supported, {"B", "D", "E"}),
]
WRONG = [
    (lesson17.check_attractor_step, lambda z, g, s, h: relax(z, g, s, h, unit=1), "one unit"),
    (lesson17.check_attractor_step, lambda z, g, s, h: relax(z, g, s, h, unit=60), "divides by 60"),
    (
        lesson17.check_attractor_step,
        lambda z, g, s, h: relax(z, g, s, h, base=math.e),
        "leaves 1/e",
    ),
    (lesson17.check_attractor_step, lambda z, g, s, h: relax(z, 0 * g, s, h), "fades to 0"),
    (lesson17.check_attractor_step, lambda z, g, s, h: relax(g, z, s, h), "changed roles"),
    (lesson17.check_attractor_step, euler, "Euler step"),
    (
        lesson17.check_attractor_step,
        lambda z, g, s, h: relax(z, g, s, h[:1]),
        "half-life of its own",
    ),
    (
        lesson17.check_attractor_step,
        lambda z, g, s, h: relax(z, g, s, 1 / h, base=math.e),
        "used as a rate",
    ),
    (lesson17.check_attractor_step, lambda z, g, s, h: relax(z, 0 * g, s, h) + g, "must not fade"),
    (
        lesson17.check_attractor_step,
        lambda z, g, s, h: relax(z, g, s, h, base=10),
        "the state must be",
    ),
    (
        lesson17.check_attractor_step,
        lambda z, g, s, h: relax(z, g, s, h) * math.nan,
        "the state must be",
    ),
    (lesson17.check_attractor_step, lambda z, g, s, h: relax(z, g, s, h)[0], "shape"),
    (
        lesson17.check_live_parameters,
        lambda m, f: sum(p.numel() for p in m.parameters()),
        "idle and frozen",
    ),
    (
        lesson17.check_live_parameters,
        lambda m, f: sum(p.numel() for p in m.parameters() if p.requires_grad),
        "may learn",
    ),
    (lesson17.check_live_parameters, lambda m, f: live(m, f, clear=False), "earlier call"),
    (lesson17.check_live_parameters, lambda m, f: live(m, f, zero_counts=True), "teaches nothing"),
    (
        lesson17.check_live_parameters,
        lambda m, f: live(m, f, clear=False, zero_counts=True),
        "earlier call",
    ),
    (lesson17.check_live_parameters, lambda m, f: live(m, f, entries=True), "live as a whole"),
    (lesson17.check_live_parameters, tensors, "counts tensors"),
    (lesson17.check_live_parameters, lambda m, f: 7, "yours is 7"),
    (lesson17.check_is_flow, lambda e: detector(e, longest=5.0), "try long ones"),
    (lesson17.check_is_flow, lambda e: detector(e, equal=True), "unequal length"),
    (lesson17.check_is_flow, lambda e: detector(e, tolerance=1e-9), "too strict"),
    (lesson17.check_is_flow, lambda e: detector(e, tolerance=5e-3, mean=True), "not at a mean"),
    (lesson17.check_is_flow, identity_only, "two parts do not make the whole"),
    (lesson17.check_is_flow, lambda e: False, "make the whole exactly"),
    (lesson17.check_is_flow, lambda e: 1.0, "True or False"),
    (lesson17.check_supported, {"A", "B", "D", "E"}, "look at A"),
    (lesson17.check_supported, {"B", "C", "D", "E"}, "look at C"),
    (lesson17.check_supported, {"B", "E"}, "look at D"),
    (lesson17.check_supported, {"B", "D"}, "look at E"),
    (lesson17.check_supported, {"B", "D", "E", "F"}, "look at F"),
    (lesson17.check_supported, {"Z"}, "set of letters"),
]
