"""Answers to the exercises of lesson 12: right ones, and wrong ones with words of the reason that
the student must be given.
"""

import torch
import torch.nn.functional as F

from tutorial_lib.exercises import lesson12


def share(raw, gate, bias, A, first=1, last=None):
    return torch.exp(A * F.softplus(gate * raw + bias)[first:last].sum())


def norm(gaps, is_real, eps=1e-5, keep=False, less=0):
    count = is_real.sum(1, keepdim=True)
    gaps = gaps.masked_fill(~is_real, 0)
    deviation = gaps - gaps.sum(1, keepdim=True) / count
    real = deviation.masked_fill(~is_real, 0)
    variance = real.square().sum(1, keepdim=True) / (count - less).clamp(min=1)
    return (deviation if keep else real) / (variance + eps).sqrt()


def eps_outside(gaps, is_real):
    count = is_real.sum(1, keepdim=True)
    gaps = gaps.masked_fill(~is_real, 0)
    real = (gaps - gaps.sum(1, keepdim=True) / count).masked_fill(~is_real, 0)
    return real / ((real.square().sum(1, keepdim=True) / count).sqrt() + 1e-5)


def zeros_count(gaps, is_real):
    return F.layer_norm(gaps.masked_fill(~is_real, 0), (gaps.shape[1],))


RIGHT = [
    (lesson12.check_share_left, share),
    (lesson12.check_share_left, lambda *inputs: share(*inputs).item()),
    (lesson12.check_masked_norm, norm),
    (lesson12.check_reads_the_future, {"B", "D", "F"}),
    (lesson12.check_unmoved, ["A", "B"]),
]
WRONG = [
    (lesson12.check_share_left, lambda r, g, b, A: share(r, g, b, A, first=0), "all five steps"),
    (
        lesson12.check_share_left,
        lambda r, g, b, A: share(r, g, b, A, last=-1),
        "last step is missing",
    ),
    (lesson12.check_share_left, lambda r, g, b, A: share(r, g, b, A, 0, -1), "events 1 to 4"),
    (
        lesson12.check_share_left,
        lambda r, g, b, A: torch.exp(A * (F.softplus(r + b) * g)[1:].sum()),
        "finished step",
    ),
    (
        lesson12.check_share_left,
        lambda r, g, b, A: torch.exp(A * F.softplus(g * (r + b))[1:].sum()),
        "bias as well",
    ),
    (
        lesson12.check_share_left,
        lambda r, g, b, A: share(r, torch.ones(len(r)), b, A),
        "gate is not used",
    ),
    (lesson12.check_share_left, lambda r, g, b, A: share(r, g, 0, A), "bias is not used"),
    (
        lesson12.check_share_left,
        lambda r, g, b, A: torch.exp(A * (g * r + b)[1:].sum()),
        "softplus is missing",
    ),
    (lesson12.check_share_left, lambda r, g, b, A: share(r, g, b, -A), "turned round"),
    (lesson12.check_share_left, lambda r, g, b, A: share(r, g, b, -1), "A is not used"),
    (lesson12.check_share_left, lambda r, g, b, A: share(r, g, b, A).log(), "exponent"),
    (lesson12.check_share_left, lambda r, g, b, A: F.softplus(g * r + b), "one number"),
    (
        lesson12.check_share_left,
        lambda r, g, b, A: share(r, g, b, A) * (0.5 if len(r) == 1 else 1),
        "single event",
    ),
    (lesson12.check_masked_norm, lambda g, r: F.layer_norm(g, (7,)), "pads take part"),
    (lesson12.check_masked_norm, lambda g, r: F.layer_norm(g, (7,)) * r, "pads take part"),
    (lesson12.check_masked_norm, zeros_count, "number of real events"),
    (lesson12.check_masked_norm, lambda g, r: zeros_count(g, r) * r, "number of real events"),
    (lesson12.check_masked_norm, lambda g, r: norm(g, r, keep=True), "do not come out as 0"),
    (lesson12.check_masked_norm, lambda g, r: norm(g, r, less=1), "minus 1"),
    (lesson12.check_masked_norm, lambda g, r: norm(g, r, eps=0), "nan or inf"),
    (lesson12.check_masked_norm, eps_outside, "under the root"),
    (lesson12.check_masked_norm, lambda g, r: norm(g, r)[0], "shape"),
    (lesson12.check_reads_the_future, {"B", "D"}, "look at F"),
    (lesson12.check_reads_the_future, {"B", "D", "E", "F"}, "look at E"),
    (lesson12.check_reads_the_future, {"B", "C", "D", "F"}, "look at C"),
    (lesson12.check_reads_the_future, {"G"}, "set of letters"),
    (lesson12.check_unmoved, {"A"}, "look at B"),
    (lesson12.check_unmoved, {"A", "B", "C"}, "look at C"),
    (lesson12.check_unmoved, {"A", "B", "E"}, "look at E"),
]
