"""Answers to the exercises of lesson 05: right ones, and wrong ones with words of the reason that
the student must be given.
"""

import torch

from tutorial_lib.exercises import lesson05
from tutorial_lib.models.attention import causal_mask


def window(length, width):
    allowed = torch.ones(length, length, dtype=torch.bool)
    return allowed.tril() & allowed.triu(1 - width)


def eye(is_real):
    return torch.eye(is_real.shape[1], dtype=torch.bool)


RIGHT = [
    (lesson05.check_window_mask, window),
    (lesson05.check_padded_mask, lambda r: (causal_mask(r.shape[1]) & r[:, None, :]) | eye(r)),
    (lesson05.check_leaking, {"B", "D"}),
    (lesson05.check_parts, ["B", "C", "E"]),
]
WRONG = [
    (lesson05.check_window_mask, lambda n, w: window(n, w + 1), "one event too far"),
    (lesson05.check_window_mask, lambda n, w: ~window(n, w), "turned round"),
    (lesson05.check_window_mask, lambda n, w: window(n, w).T, "ahead instead of back"),
    (lesson05.check_window_mask, lambda n, w: window(n, w - 1), "yours allows [5, 6]"),
    (lesson05.check_window_mask, lambda n, w: window(n, w) | window(n, w).T, "later event"),
    (lesson05.check_window_mask, lambda n, w: window(n, 3), "width 1"),
    (lesson05.check_window_mask, lambda n, w: window(n, w).float(), "dtype"),
    (
        lesson05.check_padded_mask,
        lambda r: causal_mask(r.shape[1]) & r[:, None, :],
        "allows no key",
    ),
    (
        lesson05.check_padded_mask,
        lambda r: (causal_mask(r.shape[1]) & r[:, :, None]) | eye(r),
        "look at a pad",
    ),
    (lesson05.check_padded_mask, lambda r: r[:, None, :] | eye(r), "later event"),
    (
        lesson05.check_padded_mask,
        lambda r: eye(r).repeat(len(r), 1, 1),
        "some real event before it",
    ),
    (lesson05.check_padded_mask, lambda r: causal_mask(r.shape[1]), "shape"),
    (lesson05.check_leaking, {"B"}, "eight events"),
    (lesson05.check_leaking, {"B", "C", "D"}, "look at C"),
    (lesson05.check_leaking, set(), "look at B"),
    (lesson05.check_leaking, {"Z"}, "set of letters"),
    (lesson05.check_parts, {"B", "E"}, "look at C"),
    (lesson05.check_parts, {"A", "B", "C", "E"}, "look at A"),
    (lesson05.check_parts, {"B", "C", "D", "E"}, "look at D"),
]
