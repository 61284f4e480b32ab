"""Answers to the exercises of lesson 10: right ones, and wrong ones with words of the reason that
the student must be given.
"""

import torch

from tutorial_lib.exercises import lesson10
from tutorial_lib.models.ssm import discretise_diagonal, scan


def join(first, second):
    return second[0] * first[0], second[0] * first[1] + second[1]


def at_events(eigenvalues, inputs, gaps, weight=1):
    return scan(torch.exp(eigenvalues * gaps[:, None])[None], (weight * inputs)[None])[0]


def impulse(eigenvalues, inputs, gaps, ahead):
    return torch.exp(eigenvalues * ahead[:, None]) * at_events(eigenvalues, inputs, gaps)


def held(eigenvalues, inputs, gaps, ahead):
    weight = discretise_diagonal(eigenvalues, gaps[:, None])[1]
    return torch.exp(eigenvalues * ahead[:, None]) * at_events(eigenvalues, inputs, gaps, weight)


def limit(eigenvalue):
    return max(0.0, -2 * eigenvalue.real / abs(eigenvalue) ** 2)


def bisect(eigenvalue):
    """The measured way."""
    low, high = 0.0, 100.0
    while high - low > 1e-6:
        middle = (low + high) / 2
        low, high = (middle, high) if abs(1 + eigenvalue * middle) < 1 else (low, middle)
    return low if low > 1e-5 else 0.0


RIGHT = [
    (lesson10.check_join, join),
    (lesson10.check_join, lambda f, s: [f[0] * s[0], torch.addcmul(s[1], s[0], f[1])]),
    (lesson10.check_impulse, impulse),
    (lesson10.check_largest_step, limit),
    (lesson10.check_largest_step, bisect),
    (lesson10.check_one_convolution, {"A", "C", "F"}),
]
WRONG = [
    (lesson10.check_join, lambda f, s: join(f, s)[::-1], "changed places in the pair"),
    (lesson10.check_join, lambda f, s: (f[0] + s[0], join(f, s)[1]), "decays multiply"),
    (lesson10.check_join, lambda f, s: (s[0], join(f, s)[1]), "decay of both stretches is wrong"),
    (lesson10.check_join, lambda f, s: join(s, f), "other order"),
    (lesson10.check_join, lambda f, s: (f[0] * s[0], f[1] + s[1]), "undiminished"),
    (lesson10.check_join, lambda f, s: (f[0] * s[0], f[0] * f[1] + s[1]), "has behind it already"),
    (lesson10.check_join, lambda f, s: (f[0] * s[0], s[1]), "the state at the end is wrong"),
    (lesson10.check_join, lambda f, s: join(f, s)[1], "a pair is wanted"),
    (lesson10.check_impulse, lambda e, u, g, a: at_events(e, u, g), "still fade and turn"),
    (lesson10.check_impulse, held, "adds nothing"),
    (lesson10.check_impulse, lambda e, u, g, a: held(e, u, g, 0 * a), "read at the event"),
    (
        lesson10.check_impulse,
        lambda e, u, g, a: impulse(e, u, g, a) - torch.exp(e * a[:, None]) * u,
        "itself is missing",
    ),
    (
        lesson10.check_impulse,
        lambda e, u, g, a: impulse(e, u, g, a) + (1 - torch.exp(e * a[:, None])) * u,
        "added behind",
    ),
    (lesson10.check_impulse, lambda e, u, g, a: impulse(e, u, g, g), "same gap is used twice"),
    (lesson10.check_impulse, lambda e, u, g, a: impulse(e, u, a, g), "changed places"),
    (lesson10.check_impulse, lambda e, u, g, a: impulse(e, u, g, a).real, "lost the phase"),
    (
        lesson10.check_impulse,
        lambda e, u, g, a: impulse(e, u, g + torch.roll(a, 1) * (g.cumsum(0) > g[0]), a),
        "kept in the memory",
    ),
    (lesson10.check_impulse, lambda e, u, g, a: impulse(-e, u, g, a), "not the states"),
    (lesson10.check_impulse, lambda e, u, g, a: impulse(e, u, g, a)[-1], "shape"),
    (lesson10.check_largest_step, lambda e: limit(e) / 2, "half the limit"),
    (lesson10.check_largest_step, lambda e: -limit(e), "sign"),
    (
        lesson10.check_largest_step,
        lambda e: 2 / abs(e.real),
        "imaginary part makes the limit smaller",
    ),
    (lesson10.check_largest_step, lambda e: 2 / abs(e), "as if it were real"),
    (
        lesson10.check_largest_step,
        lambda e: abs(2 * e.real / abs(e) ** 2),
        "the real part is positive",
    ),
    (lesson10.check_largest_step, lambda e: 0.01, "multiplies by"),
    (lesson10.check_largest_step, lambda e: e, "number of seconds"),
    (lesson10.check_one_convolution, {"A", "F"}, "look at C"),
    (lesson10.check_one_convolution, {"A", "B", "C", "F"}, "look at B"),
    (lesson10.check_one_convolution, {"A", "C", "D", "F"}, "look at D"),
    (lesson10.check_one_convolution, {"A", "C", "E", "F"}, "look at E"),
    (lesson10.check_one_convolution, {"A", "C"}, "look at F"),
    (lesson10.check_one_convolution, {"H"}, "set of letters"),
]
