"""Answers to the exercises of lesson 11: right ones, and wrong ones with words of the reason that
the student must be given.
"""

import math

import torch
import torch.nn.functional as F

from tutorial_lib.exercises import lesson11
from tutorial_lib.models.mamba import ssd_chunked, ssd_matrix, ssd_recurrence


def end_state(x, delta, A, B, own=0.0, weight=None):
    since = delta.sum() - delta.cumsum(0) + own * delta
    return (torch.exp(A * since) * (delta if weight is None else weight) * x.T) @ B


def by_recurrence(x, delta, A, B):
    """The state read by unit vectors C at the last event."""
    columns = []
    for C in torch.eye(B.shape[1], dtype=B.dtype):
        operands = (
            x[None, :, None],
            delta[None, :, None],
            torch.tensor([A]),
            B[None],
            C.expand(1, *B.shape),
        )
        columns.append(ssd_recurrence(*operands)[0, -1, 0])
    return torch.stack(columns, dim=1)


def without(x, delta, A, B, C, skip):
    return ssd_chunked(x, delta.masked_fill(skip[..., None], 0), A, B, C)


def emptied(x, delta, A, B, C, skip):
    return ssd_matrix(x.masked_fill(skip[..., None, None], 0), delta, A, B, C)


def deleted(x, delta, A, B, C, skip):
    keep = ~skip[0]
    return ssd_matrix(x[:, keep], delta[:, keep], A, B[:, keep], C[:, keep])


def length(
    bias, A_log, share=0.1, step=F.softplus, rate=lambda A_log: A_log.exp().amin(1), up=torch.ceil
):
    return up(-math.log(share) / (step(bias) * rate(A_log))).long()


RIGHT = [
    (lesson11.check_end_state, end_state),
    (lesson11.check_end_state, by_recurrence),
    (lesson11.check_without, without),
    (lesson11.check_memory_length, length),
    (lesson11.check_unchanged, {"A", "C", "E", "F"}),
]
WRONG = [
    (
        lesson11.check_end_state,
        lambda x, d, A, B: end_state(x, d, A, B, own=1.0),
        "its own step too",
    ),
    (
        lesson11.check_end_state,
        lambda x, d, A, B: end_state(x, d, A, B, weight=1),
        "step is missing",
    ),
    (lesson11.check_end_state, lambda x, d, A, B: end_state(x, d, 0, B), "nothing fades"),
    (
        lesson11.check_end_state,
        lambda x, d, A, B: (torch.exp(A * d.cumsum(0)) * d * x.T) @ B,
        "from the beginning",
    ),
    (lesson11.check_end_state, lambda x, d, A, B: end_state(x, d, -A, B), "negative already"),
    (
        lesson11.check_end_state,
        lambda x, d, A, B: end_state(x, torch.ones_like(d), A, B, weight=d),
        "counts events",
    ),
    (lesson11.check_end_state, lambda x, d, A, B: end_state(x, d, A, B).T, "turned round"),
    (lesson11.check_end_state, lambda x, d, A, B: end_state(x, d, A, B)[0], "shape"),
    (lesson11.check_end_state, lambda x, d, A, B: end_state(x, d, 2 * A, B), "not the state"),
    (lesson11.check_without, lambda x, d, A, B, C, s: ssd_matrix(x, d, A, B, C), "still count"),
    (lesson11.check_without, emptied, "still fade"),
    (lesson11.check_without, lambda x, d, A, B, C, s: emptied(x, d, A, B, C, s)[:, :4], "shape"),
    (
        lesson11.check_without,
        lambda x, d, A, B, C, s: ssd_matrix(x, d, A, B, C * ~s[..., None]),
        "what they read does not matter",
    ),
    (
        lesson11.check_without,
        lambda x, d, A, B, C, s: without(x, d, A, B, C, ~s),
        "other way round",
    ),
    (
        lesson11.check_without,
        lambda x, d, A, B, C, s: without(x, d, 2 * A, B, C, s),
        "which single number",
    ),
    (lesson11.check_without, deleted, "gone from the output"),
    (
        lesson11.check_memory_length,
        lambda b, a: length(b, a, rate=lambda a: a.exp().amax(1)),
        "fastest",
    ),
    (
        lesson11.check_memory_length,
        lambda b, a: length(b, a, step=lambda b: b),
        "the step is softplus",
    ),
    (lesson11.check_memory_length, lambda b, a: length(b, a, step=torch.exp), "not e to the power"),
    (
        lesson11.check_memory_length,
        lambda b, a: length(b, a, rate=lambda a: a.amin(1)),
        "the rates are exp(A_log)",
    ),
    (lesson11.check_memory_length, lambda b, a: length(b, a, share=math.exp(-1)), "1/e"),
    (lesson11.check_memory_length, lambda b, a: length(b, a, share=0.5), "a half is left"),
    (lesson11.check_memory_length, lambda b, a: length(b, a, up=torch.floor), "round up"),
    (
        lesson11.check_memory_length,
        lambda b, a: math.log(10) / (F.softplus(b) * a.exp().amin(1)),
        "whole number",
    ),
    (lesson11.check_memory_length, lambda b, a: length(b, a) * 3, "the answer is 4"),
    (lesson11.check_unchanged, {"C", "E", "F"}, "look at A"),
    (lesson11.check_unchanged, {"A", "B", "C", "E", "F"}, "look at B"),
    (lesson11.check_unchanged, {"A", "C", "D", "E", "F"}, "look at D"),
    (lesson11.check_unchanged, {"A", "C", "F"}, "look at E"),
    (lesson11.check_unchanged, {"Z"}, "set of letters"),
]
