"""Answers to the exercises of lesson 04: right ones, and wrong ones with words of the reason that
the student must be given.
"""

import math

import torch

from tutorial_lib.exercises import lesson04
from tutorial_lib.models.attention import attention


def scores(query, key):
    return query @ key.T / math.sqrt(query.shape[1])


def effective(weights, power=torch.exp, dim=-1):
    return power(torch.special.entr(weights).sum(dim))


RIGHT = [
    (lesson04.check_weights, lambda q, k: scores(q, k).softmax(1)),
    (lesson04.check_temperature, lambda q, k, v, t: attention(q, k * (1 / t), v)),
    (lesson04.check_effective_number, effective),
    (lesson04.check_unchanged, {"A", "C", "D", "E"}),
]
WRONG = [
    (lesson04.check_weights, lambda q, k: (q @ k.T).softmax(1), "square root of the width"),
    (
        lesson04.check_weights,
        lambda q, k: (q @ k.T / q.shape[1]).softmax(1),
        "its square root is wanted",
    ),
    (lesson04.check_weights, lambda q, k: scores(q, k).softmax(0), "columns sum to 1"),
    (lesson04.check_weights, lambda q, k: scores(k, q).softmax(1), "changed places"),
    (
        lesson04.check_weights,
        lambda q, k: scores(q, k).exp() / scores(q, k).exp().sum(),
        "rows do not sum to 1",
    ),
    (
        lesson04.check_weights,
        lambda q, k: scores(q, k).exp() / scores(q, k).exp().sum(1, keepdim=True),
        "inf or nan",
    ),
    (lesson04.check_weights, lambda q, k: attention(q, k, k), "shape (6, 4)"),
    (lesson04.check_temperature, lambda q, k, v, t: attention(q, k, v) / t, "divide the scores"),
    (lesson04.check_temperature, lambda q, k, v, t: attention(q * t, k, v), "wrong way round"),
    (lesson04.check_temperature, lambda q, k, v, t: (q @ k.T / t).softmax(1) @ v, "temperature 1"),
    (lesson04.check_temperature, lambda q, k, v, t: attention(q / t, k / t, v), "halve"),
    (lesson04.check_effective_number, lambda w: -(w * w.log()).sum(-1).exp(), "nan"),
    (
        lesson04.check_effective_number,
        lambda w: torch.special.entr(w).sum(-1),
        "this is the entropy",
    ),
    (lesson04.check_effective_number, lambda w: effective(w, torch.exp2), "base e"),
    (lesson04.check_effective_number, lambda w: effective(-w.neg(), lambda h: (-h).exp()), "sign"),
    (lesson04.check_effective_number, lambda w: effective(w, dim=0), "must give 4"),
    (lesson04.check_unchanged, {"C", "D", "E"}, "look at A"),
    (lesson04.check_unchanged, {"A", "B", "C", "D", "E"}, "look at B"),
    (lesson04.check_unchanged, {"A", "C", "E"}, "look at D"),
    (lesson04.check_unchanged, {"X"}, "set of letters"),
]
