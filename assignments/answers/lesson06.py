"""Answers to the exercises of lesson 06: right ones, and wrong ones with words of the reason that
the student must be given.
"""

import torch.nn.functional as F

from tutorial_lib.exercises import lesson06

KINDS = {"A": "post-norm", "B": "no residual", "C": "pre-norm", "D": "no norm"}


def rms(x, gain, dim=-1, eps=1e-5):
    return x / (x.square().mean(dim, keepdim=True) + eps).sqrt() * gain


RIGHT = [
    (lesson06.check_rms_norm, rms),
    (lesson06.check_parallel_block, lambda x, n, a, f: x + a(n(x)) + f(n(x))),
    (lesson06.check_kinds, KINDS),
    (lesson06.check_unmoved, {"A", "B", "E"}),
]
WRONG = [
    (lesson06.check_rms_norm, lambda x, g: F.layer_norm(x, (4,), g), "mean was subtracted"),
    (
        lesson06.check_rms_norm,
        lambda x, g: x / (x.square().mean(-1, keepdim=True) + 1e-5) * g,
        "root is missing",
    ),
    (
        lesson06.check_rms_norm,
        lambda x, g: x / (x.square().sum(-1, keepdim=True) + 1e-5).sqrt() * g,
        "summed",
    ),
    (lesson06.check_rms_norm, lambda x, g: rms(x, 1), "gain is missing"),
    (lesson06.check_rms_norm, lambda x, g: rms(x, g, dim=1), "over the positions"),
    (lesson06.check_rms_norm, lambda x, g: rms(x, g, dim=(0, 1, 2)), "future included"),
    (lesson06.check_rms_norm, lambda x, g: rms(x, g, eps=0), "four zeros"),
    (
        lesson06.check_rms_norm,
        lambda x, g: x / (x.square().mean(-1, keepdim=True).sqrt() + 1e-5) * g,
        "under the root",
    ),
    (lesson06.check_rms_norm, lambda x, g: rms(x, g)[0], "shape"),
    (lesson06.check_rms_norm, lambda x, g: rms(x, g) + 1, "it differs from"),
    (
        lesson06.check_parallel_block,
        lambda x, n, a, f: (x + a(n(x))) + f(n(x + a(n(x)))),
        "one after the other",
    ),
    (lesson06.check_parallel_block, lambda x, n, a, f: a(n(x)) + f(n(x)), "x itself is missing"),
    (
        lesson06.check_parallel_block,
        lambda x, n, a, f: (x + a(n(x))) + (x + f(n(x))),
        "added twice",
    ),
    (lesson06.check_parallel_block, lambda x, n, a, f: n(x) + a(n(x)) + f(n(x)), "carries norm(x)"),
    (lesson06.check_parallel_block, lambda x, n, a, f: x + a(x) + f(x), "read x"),
    (lesson06.check_parallel_block, lambda x, n, a, f: n(x + a(x) + f(x)), "post-norm"),
    (lesson06.check_parallel_block, lambda x, n, a, f: x + f(a(n(x))), "output of attention"),
    (lesson06.check_parallel_block, lambda x, n, a, f: x + a(n(x)) + f(x), "reads x"),
    (lesson06.check_parallel_block, lambda x, n, a, f: x + a(n(x)), "it differs from"),
    (lesson06.check_kinds, KINDS | {"A": "pre-norm", "C": "post-norm"}, "A is not pre-norm"),
    (lesson06.check_kinds, KINDS | {"C": "no norm", "D": "pre-norm"}, "C is not no norm"),
    (lesson06.check_kinds, KINDS | {"B": "pre-norm"}, "B is not pre-norm"),
    (lesson06.check_kinds, {"A": "post-norm"}, "dictionary"),
    (lesson06.check_kinds, KINDS | {"B": "without residual"}, "dictionary"),
    (lesson06.check_unmoved, {"A", "B"}, "look at E"),
    (lesson06.check_unmoved, {"A", "B", "D", "E"}, "look at D"),
    (lesson06.check_unmoved, {"A", "B", "C", "E"}, "look at C"),
    (lesson06.check_unmoved, {"X"}, "set of letters"),
]
