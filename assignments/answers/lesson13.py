"""Answers to the exercises of lesson 13: right ones, and wrong ones with words of the reason that
the student must be given.
"""

import math

import torch

from tutorial_lib.exercises import lesson13

LN2 = math.log(2)


def eigenvalue(half_life, period, top=LN2, turn=2 * math.pi):
    return complex(-top / half_life, turn / period)


def read_at(rate, state, u, waits, kept=None, weight=1):
    growth = torch.expm1(rate * waits)
    return (1 + growth if kept is None else kept) * state + weight * growth / rate * u


def naive(rate, state, u, waits):
    kept = torch.exp(rate * waits)
    return kept * state + (kept - 1) / rate * u


RIGHT = [
    (lesson13.check_eigenvalue_for, eigenvalue),
    (lesson13.check_eigenvalue_for, lambda h, p: torch.tensor(eigenvalue(h, p))),
    (lesson13.check_read_at, read_at),
    (lesson13.check_honest, {"A", "E"}),
    (lesson13.check_unchanged, ["A", "B", "E"]),
]
WRONG = [
    (lesson13.check_eigenvalue_for, lambda h, p: eigenvalue(h, p, top=-math.log(2)), "would grow"),
    (lesson13.check_eigenvalue_for, lambda h, p: eigenvalue(h, p, top=1), "needs ln 2"),
    (lesson13.check_eigenvalue_for, lambda h, p: eigenvalue(1 / h, p), "half-life multiplies"),
    (
        lesson13.check_eigenvalue_for,
        lambda h, p: eigenvalue(h, p, turn=-2 * math.pi),
        "to the right",
    ),
    (lesson13.check_eigenvalue_for, lambda h, p: eigenvalue(h, p, turn=1), "turns by 1"),
    (lesson13.check_eigenvalue_for, lambda h, p: eigenvalue(h, p, turn=math.pi), "half a turn"),
    (lesson13.check_eigenvalue_for, lambda h, p: eigenvalue(h, p, turn=360), "radians"),
    (lesson13.check_eigenvalue_for, lambda h, p: -math.log(2) / h, "does not turn"),
    (
        lesson13.check_eigenvalue_for,
        lambda h, p: (-math.log(2) / h, 2 * math.pi / p),
        "complex number",
    ),
    (lesson13.check_eigenvalue_for, lambda h, p: eigenvalue(h, p, top=2), "wanted 0.5 and 1"),
    (lesson13.check_read_at, lambda r, s, u, w: torch.exp(r * w) * s + u, "pushed nothing yet"),
    (lesson13.check_read_at, lambda r, s, u, w: torch.exp(r * w) * (s + u), "as a tap would"),
    (lesson13.check_read_at, lambda r, s, u, w: read_at(r, s, -u, w), "wrong way"),
    (lesson13.check_read_at, lambda r, s, u, w: read_at(r, s, u, w, weight=-r), "plain average"),
    (lesson13.check_read_at, lambda r, s, u, w: read_at(r, s, 0 * u, w), "input is missing"),
    (lesson13.check_read_at, lambda r, s, u, w: read_at(r, s, u, w, kept=1), "does not fade"),
    (lesson13.check_read_at, lambda r, s, u, w: torch.exp(r * w) * s + w * u, "Euler"),
    (lesson13.check_read_at, lambda r, s, u, w: read_at(r, s, u, w.cumsum(0)), "added up"),
    (lesson13.check_read_at, naive, "expm1"),
    (lesson13.check_read_at, lambda r, s, u, w: read_at(r, s, u, w)[-1], "shape"),
    (lesson13.check_read_at, lambda r, s, u, w: 2 * read_at(r, s, u, w), "it differs from"),
    (lesson13.check_honest, {"A"}, "look at E"),
    (lesson13.check_honest, {"A", "E", "F"}, "look at F"),
    (lesson13.check_honest, {"A", "D", "E"}, "look at D"),
    (lesson13.check_honest, {"A", "B", "E"}, "look at B"),
    (lesson13.check_honest, "xyz", "set of letters"),
    (lesson13.check_unchanged, {"A", "E"}, "look at B"),
    (lesson13.check_unchanged, {"A", "B", "D", "E"}, "look at D"),
    (lesson13.check_unchanged, {"A", "B", "C", "E"}, "look at C"),
]
