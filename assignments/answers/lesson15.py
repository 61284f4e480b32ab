"""Answers to the exercises of lesson 15: right ones, and wrong ones with words of the reason that
the student must be given.
"""

import torch
from torch.autograd.functional import jacobian

from tutorial_lib.exercises import lesson15
from tutorial_lib.models.ode import integrate


def walk(states, slopes, h, error, *, order=slice(None, -1), reverse=True, transpose=True, keep=1):
    points = states[order]
    for z in points.flip(0) if reverse else points:
        matrix = slopes(z)
        error = keep * error + h * (matrix.T if transpose else matrix) @ error
    return error


def as_product(states, slopes, h, error):
    """The other way round: one matrix from the first state to the last, built forwards."""
    whole = torch.eye(2, dtype=torch.double)
    for z in states[:-1]:
        whole = (torch.eye(2) + h * slopes(z)) @ whole
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
    angle = torch.linspace(0, torch.pi, 720, dtype=torch.double)
    around = hair * torch.stack([angle.cos(), angle.sin()], dim=1)
    return max((field(0, z + around) - field(0, z)).norm(dim=1).max().item() / hair for z in states)


RIGHT = [
    (lesson15.check_walk_back, walk),
    (lesson15.check_walk_back, as_product),
    (lesson15.check_calendar, parts),
    (
        lesson15.check_calendar,
        lambda f, z, t, a, b: integrate(f, z, a + b, steps=99, start=t[:, None]),
    ),
    (lesson15.check_steepest, steepest),
    (lesson15.check_steepest, by_shaking),
    (lesson15.check_possible, {"A", "C", "E"}),
]
WRONG = [
    (lesson15.check_walk_back, lambda s, j, h, e: e, "came back unchanged"),
    (lesson15.check_walk_back, lambda s, j, h, e: walk(s, j, h, e, transpose=False), "transposed"),
    (
        lesson15.check_walk_back,
        lambda s, j, h, e: walk(s, j, h, e, order=slice(1, None)),
        "end of each step",
    ),
    (lesson15.check_walk_back, lambda s, j, h, e: walk(s, j, h, e, reverse=False), "order of time"),
    (
        lesson15.check_walk_back,
        lambda s, j, h, e: walk(s, j, h, e, keep=0),
        "direct way is missing",
    ),
    (lesson15.check_walk_back, lambda s, j, h, e: walk(s, j, 1, e), "step size"),
    (lesson15.check_walk_back, lambda s, j, h, e: walk(s, j, -h, e), "sign"),
    (lesson15.check_walk_back, from_the_end, "lambda of the step after it"),
    (
        lesson15.check_walk_back,
        lambda s, j, h, e: walk(s, j, h, e, order=slice(None)),
        "autograd through the same",
    ),
    (lesson15.check_walk_back, lambda s, j, h, e: torch.stack([e, e]), "shape"),
    (
        lesson15.check_calendar,
        lambda f, z, t, a, b: parts(f, z, t, a, b, then=0.0),
        "starts at 0 again",
    ),
    (
        lesson15.check_calendar,
        lambda f, z, t, a, b: parts(f, z, t, a, b, start=0.0, then=0.0),
        "0 in both parts",
    ),
    (
        lesson15.check_calendar,
        lambda f, z, t, a, b: parts(f, z, t, a, b, start=0.0, then=a[:, None]),
        "starts at date 0",
    ),
    (
        lesson15.check_calendar,
        lambda f, z, t, a, b: parts(f, z, t, a, b, then=t[:, None]),
        "old date",
    ),
    (lesson15.check_calendar, lambda f, z, t, a, b: parts(f, z, t, a, b, length=a + b), "too long"),
    (
        lesson15.check_calendar,
        lambda f, z, t, a, b: parts(f, z, t, a, 0 * b),
        "only the first part",
    ),
    (
        lesson15.check_calendar,
        lambda f, z, t, a, b: parts(f, z, t + a, b, 0 * b),
        "begins at the old state",
    ),
    (
        lesson15.check_calendar,
        lambda f, z, t, a, b: parts(f, z, t, a, a, then=(t + b)[:, None]),
        "changed places",
    ),
    (
        lesson15.check_calendar,
        lambda f, z, t, a, b: parts(f, z, t, a, b, then=a[:, None]),
        "date of the start is missing",
    ),
    (lesson15.check_calendar, lambda f, z, t, a, b: z, "each row from its own date"),
    (lesson15.check_calendar, lambda f, z, t, a, b: parts(f, z, t, a, b)[0], "shape"),
    (
        lesson15.check_steepest,
        lambda f, z: torch.linalg.matrix_norm(matrices(f, z), 2).mean(),
        "mean over the states",
    ),
    (
        lesson15.check_steepest,
        lambda f, z: torch.linalg.matrix_norm(matrices(f, z), 2).min(),
        "smallest",
    ),
    (
        lesson15.check_steepest,
        lambda f, z: torch.linalg.matrix_norm(matrices(f, z)).max(),
        "Frobenius",
    ),
    (
        lesson15.check_steepest,
        lambda f, z: torch.linalg.eigvals(matrices(f, z)).abs().max(),
        "eigenvalue",
    ),
    (lesson15.check_steepest, lambda f, z: matrices(f, z).abs().max(), "single entry"),
    (lesson15.check_steepest, lambda f, z: f(0, z).norm(dim=1).max(), "speed of the field"),
    (
        lesson15.check_steepest,
        lambda f, z: torch.linalg.matrix_norm(matrices(f, z).mean(0), 2),
        "each state by itself",
    ),
    (lesson15.check_steepest, lambda f, z: 1.0, "the largest stretch over the states is"),
    (
        lesson15.check_steepest,
        lambda f, z: torch.linalg.matrix_norm(matrices(f, z), 2),
        "one number",
    ),
    (lesson15.check_possible, {"C", "E"}, "look at A"),
    (lesson15.check_possible, {"A", "B", "C", "E"}, "look at B"),
    (lesson15.check_possible, {"A", "E"}, "look at C"),
    (lesson15.check_possible, {"A", "C", "D", "E"}, "look at D"),
    (lesson15.check_possible, {"A", "C"}, "look at E"),
    (lesson15.check_possible, {"A", "C", "E", "F"}, "look at F"),
    (lesson15.check_possible, {"Z"}, "set of letters"),
]
