"""Checkers of lesson 05, causal masks."""

import torch
import torch.nn.functional as F
from torch import Tensor

from exercises.checking import Wrong, compare_letters, exercise, want_tensor
from tutorial_lib.models.attention import attention, causal_mask


@exercise(points=3, minutes=15)
def check_window_mask(answer) -> None:
    """5.1: look back at most width events, oneself included."""
    got = answer(6, 3)
    want_tensor(got, (6, 6), torch.bool, name="the mask")
    distance = torch.arange(6)[:, None] - torch.arange(6)  # query minus key
    want = (distance >= 0) & (distance < 3)
    if torch.equal(got, want):
        if not torch.equal(answer(4, 9), causal_mask(4)) or not torch.equal(
            answer(5, 1), torch.eye(5, dtype=torch.bool)
        ):
            raise Wrong(
                "width 3 is right, but width 1 must leave the diagonal alone and a width beyond the"
                " length must give causal_mask"
            )
        return
    if torch.equal(got, ~want):
        raise Wrong("True means may look: the mask is turned round")
    if torch.equal(got, want.T):
        raise Wrong("it looks ahead instead of back: rows are queries, columns are keys")
    if torch.equal(got, (distance >= 0) & (distance <= 3)):
        raise Wrong("it reaches one event too far: width counts the event itself")
    if got.triu(1).any():
        raise Wrong("some query may look at a later event: the upper triangle must be False")
    raise Wrong(
        "with width 3, position 6 may look at positions 4, 5 and 6; yours allows"
        f" {(got[5].nonzero()[:, 0] + 1).tolist()}"
    )


@exercise(points=3, minutes=12)
def check_padded_mask(answer) -> None:
    """5.2: causal, pads hidden as keys, no empty row."""
    is_real = torch.tensor([[0, 0, 1, 1, 1], [1, 1, 1, 1, 1], [0, 0, 0, 0, 1]], dtype=torch.bool)
    got = answer(is_real)
    want_tensor(got, (3, 5, 5), torch.bool, name="the mask")
    if not got.any(dim=2).all():
        raise Wrong(
            "some row allows no key at all, and its softmax is nan: let every pad look at itself"
        )
    if got.triu(1).any():
        raise Wrong("some query may look at a later event: keep causal_mask as well")
    pads_as_keys = got & is_real[:, :, None] & ~is_real[:, None, :]
    if pads_as_keys.any():
        raise Wrong(
            "a real event may look at a pad: the columns of the pads must be False, so is_real"
            " belongs on the last axis"
        )
    wanted = causal_mask(5) & is_real[:, None, :]
    if (wanted & ~got)[is_real].any():
        raise Wrong("a real event may not look at some real event before it")
    x = torch.randn(3, 5, 4, generator=torch.Generator().manual_seed(0))
    alone = attention(x[0, 2:], x[0, 2:], x[0, 2:], causal_mask(3))
    if not torch.allclose(attention(x, x, x, got)[0, 2:], alone, atol=1e-6):
        raise Wrong("the padded history gives other outputs than the same history alone")


def _embed(items: Tensor) -> Tensor:
    return torch.randn(1000, 8, generator=torch.Generator().manual_seed(4))[items]  # [B, L, 8]


def _masked_attention(mask: Tensor, items: Tensor) -> Tensor:
    x = _embed(items)
    return attention(x, x, x, mask)


def _convolution(items: Tensor, left: int, right: int) -> Tensor:
    kernel = torch.randn(8, 8, 3, generator=torch.Generator().manual_seed(5))
    return F.conv1d(F.pad(_embed(items).transpose(1, 2), (left, right)), kernel).transpose(1, 2)


def _far_ahead(items: Tensor) -> Tensor:
    length = items.shape[1]
    distance = torch.arange(length)[:, None] - torch.arange(length)
    return _masked_attention((distance >= 0) | (distance <= -8), items)


sealed = {  # for exercise 5.3: measure them, do not read them
    "A": lambda items: _masked_attention(causal_mask(items.shape[1]), items),
    "B": lambda items: _convolution(items, left=1, right=1),
    "C": lambda items: _embed(items).cumsum(dim=1),
    "D": _far_ahead,
    "E": lambda items: _convolution(items, left=2, right=0),
}


@exercise(points=3, minutes=12)
def check_leaking(answer) -> None:
    """5.3: which sealed models look ahead."""
    hints = {
        "A": "is anything above the diagonal?",
        "B": "is anything above the diagonal?",
        "C": "reaching far back is allowed; reaching ahead is not",
        "D": "is the history long enough? It leaks only over eight events or more",
        "E": "is anything above the diagonal?",
    }
    compare_letters(answer, {"B", "D"}, hints)


@exercise(points=2, minutes=8)
def check_parts(answer) -> None:
    """5.4: which parts let the future in."""
    hints = {
        "A": "does it mix positions, or only the numbers within one position?",
        "B": "which events does the mean over all positions contain?",
        "C": "which three positions does the output at position i see?",
        "D": "which three positions does the output at position i see?",
        "E": "in which order does its second direction read the history?",
        "F": "does it mix positions at all?",
    }
    compare_letters(answer, {"B", "C", "E"}, hints)


# Answers on which the tests try the checkers: right ones, and wrong ones with words of the reason given.


def window(length, width):
    allowed = torch.ones(length, length, dtype=torch.bool)
    return allowed.tril() & allowed.triu(1 - width)


def eye(is_real):
    return torch.eye(is_real.shape[1], dtype=torch.bool)


RIGHT = [
    (check_window_mask, window),
    (check_padded_mask, lambda r: (causal_mask(r.shape[1]) & r[:, None, :]) | eye(r)),
    (check_leaking, {"B", "D"}),
    (check_parts, ["B", "C", "E"]),
]
WRONG = [
    (check_window_mask, lambda n, w: window(n, w + 1), "one event too far"),
    (check_window_mask, lambda n, w: ~window(n, w), "turned round"),
    (check_window_mask, lambda n, w: window(n, w).T, "ahead instead of back"),
    (check_window_mask, lambda n, w: window(n, w - 1), "yours allows [5, 6]"),
    (check_window_mask, lambda n, w: window(n, w) | window(n, w).T, "later event"),
    (check_window_mask, lambda n, w: window(n, 3), "width 1"),
    (check_window_mask, lambda n, w: window(n, w).float(), "dtype"),
    (
        check_padded_mask,
        lambda r: causal_mask(r.shape[1]) & r[:, None, :],
        "allows no key",
    ),
    (
        check_padded_mask,
        lambda r: (causal_mask(r.shape[1]) & r[:, :, None]) | eye(r),
        "look at a pad",
    ),
    (check_padded_mask, lambda r: r[:, None, :] | eye(r), "later event"),
    (
        check_padded_mask,
        lambda r: eye(r).repeat(len(r), 1, 1),
        "some real event before it",
    ),
    (check_padded_mask, lambda r: causal_mask(r.shape[1]), "shape"),
    (check_leaking, {"B"}, "eight events"),
    (check_leaking, {"B", "C", "D"}, "look at C"),
    (check_leaking, set(), "look at B"),
    (check_leaking, {"Z"}, "set of letters"),
    (check_parts, {"B", "E"}, "look at C"),
    (check_parts, {"A", "B", "C", "E"}, "look at A"),
    (check_parts, {"B", "C", "D", "E"}, "look at D"),
]
