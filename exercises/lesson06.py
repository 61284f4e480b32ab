"""Checkers of lesson 06, the Transformer block."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from exercises.checking import Wrong, compare_letters, exercise, want_tensor


def _random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.double)


def _same(got: Tensor, want: Tensor) -> bool:
    return torch.allclose(got, want, atol=1e-9)


@exercise(points=3, minutes=15)
def check_rms_norm(answer) -> None:
    """6.1: divide by the root mean square of each position, then scale."""
    x, gain, eps = 3 * _random(2, 5, 4) + 1, _random(4, seed=1), 1e-5
    got = answer(x, gain)
    want_tensor(got, (2, 5, 4))
    want = F.rms_norm(x, (4,), gain, eps)
    square = x.square().mean(-1, keepdim=True)
    known = {
        "the mean was subtracted, which makes it LayerNorm without a shift: RMSNorm leaves the mean where it is": F.layer_norm(
            x, (4,), gain, None, eps
        ),
        "the root is missing: dividing by the mean square alone leaves numbers that shrink as x grows": (
            x / (square + eps) * gain
        ),
        "the squares are summed; their mean is wanted": x / (square * 4 + eps).sqrt() * gain,
        "the gain is missing: multiply by it at the end": F.rms_norm(x, (4,), None, eps),
        "the mean square is taken over all positions together, so events see each other, the future included": (
            x / (x.square().mean() + eps).sqrt() * gain
        ),
        "the mean square is taken over the positions of a history; each position has its own, over the last axis": (
            x / (x.square().mean(1, keepdim=True) + eps).sqrt() * gain
        ),
        "this is the square root of the mean square times x; divide instead": (
            x * (square + eps).sqrt() * gain
        ),
    }
    for reason, value in known.items():
        if _same(got, value):
            raise Wrong(reason)
    if not torch.allclose(got, want, atol=1e-4):
        raise Wrong(
            "it differs from x / sqrt(mean(x^2) + eps) * gain with the mean over the last axis"
        )
    if not answer(torch.zeros(1, 4).double(), gain).isfinite().all():
        raise Wrong("an event of four zeros gives nan: add eps to the mean square, under the root")
    tiny = 1e-3 * _random(3, 4, seed=2)
    if not _same(answer(tiny, gain), F.rms_norm(tiny, (4,), gain, eps)):
        raise Wrong(
            "for very small numbers it differs: eps = 1e-5 belongs to the mean square, under the"
            " root"
        )


def _parts() -> tuple[Callable, Callable, Callable, Callable]:
    """Two norms, a causal mean as stand-in for attention, and a feed-forward network, all in double
    precision.
    """
    gains, w1, w2 = _random(2, 8, seed=3), _random(8, 16, seed=4) / 3, _random(16, 8, seed=5) / 4
    counts = torch.arange(1, 7, dtype=torch.double)[:, None]
    return (
        lambda x: F.layer_norm(x, (8,), gains[0]),
        lambda x: F.layer_norm(x, (8,), gains[1]),
        lambda x: x.cumsum(-2) / counts,
        lambda x: F.gelu(x @ w1) @ w2,
    )


@exercise(points=3, minutes=12)
def check_parallel_block(answer) -> None:
    """6.2: attention and feed-forward side by side on the same normalised input."""
    norm, other, look_back, think = _parts()
    x = _random(6, 8, seed=6)
    got, y = answer(x, norm, look_back, think), norm(x)
    want_tensor(got, (6, 8))
    a = x + look_back(y)
    known = {
        "the two parts still stand one after the other: the feed-forward network must read norm(x), not the sum": (
            a + think(norm(a))
        ),
        "x itself is missing: the residual carries it past both parts": look_back(y) + think(y),
        "x is added twice, once with each part; it must be added once": (
            2 * x + look_back(y) + think(y)
        ),
        "the residual carries norm(x); the un-normalised x must be added": (
            y + look_back(y) + think(y)
        ),
        "the parts read x; they must read norm(x)": x + look_back(x) + think(x),
        "the norm stands at the end, as in post-norm; it belongs before the two parts": norm(
            x + look_back(x) + think(x)
        ),
        "the feed-forward network reads the output of attention; both must read norm(x)": (
            x + think(look_back(y))
        ),
        "the feed-forward network reads x; it must read norm(x) like attention": (
            x + look_back(y) + think(x)
        ),
    }
    for reason, value in known.items():
        if _same(got, value):
            raise Wrong(reason)
    if not _same(got, x + look_back(y) + think(y)):
        raise Wrong("it differs from x + attention(norm(x)) + feed_forward(norm(x))")
    if not _same(answer(x, other, look_back, think), x + look_back(other(x)) + think(other(x))):
        raise Wrong("it does not use the norm that it is given")


def _change(x: Tensor) -> Tensor:
    return F.gelu(x @ (_random(16, 32, seed=7) / 4)) @ (_random(32, 16, seed=8) / 5)


def _norm(x: Tensor) -> Tensor:
    return F.layer_norm(x, (16,))


sealed = {  # for exercise 6.3: measure them, do not read them
    "A": lambda x: _norm(x + _change(x)),
    "B": lambda x: _change(_norm(x)),
    "C": lambda x: x + _change(_norm(x)),
    "D": lambda x: x + _change(x),
}
KINDS = {"A": "post-norm", "B": "no residual", "C": "pre-norm", "D": "no norm"}


@exercise(points=4, minutes=15)
def check_kinds(answer) -> None:
    """6.3: which sealed part is wired how."""
    if (
        not isinstance(answer, dict)
        or set(answer) != set(KINDS)
        or not set(answer.values()) <= set(KINDS.values())
    ):
        raise Wrong(
            f"the answer is a dictionary from A, B, C and D to {', '.join(sorted(KINDS.values()))}"
        )
    hints = {
        "A": "what are the mean and the variance of each row of its output?",
        "B": "compare its outputs for x and for 10 x: does anything of the size of x get through?",
        "C": "compare output minus input for x and for 10 x: are the two changes the same?",
        "D": (
            "compare output minus input for x and for 10 x: how does the size of the change go with"
            " the size of x?"
        ),
    }
    for letter, hint in hints.items():
        if answer[letter] != KINDS[letter]:
            raise Wrong(f"{letter} is not {answer[letter]}: {hint}")


@exercise(points=2, minutes=8)
def check_unmoved(answer) -> None:
    """6.4: which changes of the input LayerNorm does not let through."""
    hints = {
        "A": "what happens to the mean of the event, and what to the deviations from it?",
        "B": (
            "what happens to the deviations, and what to the standard deviation that divides them?"
        ),
        "C": "are the deviations within one event all changed by the same factor?",
        "D": "a standard deviation has no sign: what is left of the -1?",
        "E": "does LayerNorm mix events, or does each event have its own mean and variance?",
    }
    compare_letters(answer, {"A", "B", "E"}, hints)


# Answers on which the tests try the checkers: right ones, and wrong ones with words of the reason given.


def rms(x, gain, dim=-1, eps=1e-5):
    return x / (x.square().mean(dim, keepdim=True) + eps).sqrt() * gain


RIGHT = [
    (check_rms_norm, rms),
    (check_parallel_block, lambda x, n, a, f: x + a(n(x)) + f(n(x))),
    (check_kinds, KINDS),
    (check_unmoved, {"A", "B", "E"}),
]
WRONG = [
    (check_rms_norm, lambda x, g: F.layer_norm(x, (4,), g), "mean was subtracted"),
    (
        check_rms_norm,
        lambda x, g: x / (x.square().mean(-1, keepdim=True) + 1e-5) * g,
        "root is missing",
    ),
    (
        check_rms_norm,
        lambda x, g: x / (x.square().sum(-1, keepdim=True) + 1e-5).sqrt() * g,
        "summed",
    ),
    (check_rms_norm, lambda x, g: rms(x, 1), "gain is missing"),
    (check_rms_norm, lambda x, g: rms(x, g, dim=1), "over the positions"),
    (check_rms_norm, lambda x, g: rms(x, g, dim=(0, 1, 2)), "future included"),
    (check_rms_norm, lambda x, g: rms(x, g, eps=0), "four zeros"),
    (
        check_rms_norm,
        lambda x, g: x / (x.square().mean(-1, keepdim=True).sqrt() + 1e-5) * g,
        "under the root",
    ),
    (check_rms_norm, lambda x, g: rms(x, g)[0], "shape"),
    (check_rms_norm, lambda x, g: rms(x, g) + 1, "it differs from"),
    (
        check_parallel_block,
        lambda x, n, a, f: (x + a(n(x))) + f(n(x + a(n(x)))),
        "one after the other",
    ),
    (check_parallel_block, lambda x, n, a, f: a(n(x)) + f(n(x)), "x itself is missing"),
    (
        check_parallel_block,
        lambda x, n, a, f: (x + a(n(x))) + (x + f(n(x))),
        "added twice",
    ),
    (check_parallel_block, lambda x, n, a, f: n(x) + a(n(x)) + f(n(x)), "carries norm(x)"),
    (check_parallel_block, lambda x, n, a, f: x + a(x) + f(x), "read x"),
    (check_parallel_block, lambda x, n, a, f: n(x + a(x) + f(x)), "post-norm"),
    (check_parallel_block, lambda x, n, a, f: x + f(a(n(x))), "output of attention"),
    (check_parallel_block, lambda x, n, a, f: x + a(n(x)) + f(x), "reads x"),
    (check_parallel_block, lambda x, n, a, f: x + a(n(x)), "it differs from"),
    (check_kinds, KINDS | {"A": "pre-norm", "C": "post-norm"}, "A is not pre-norm"),
    (check_kinds, KINDS | {"C": "no norm", "D": "pre-norm"}, "C is not no norm"),
    (check_kinds, KINDS | {"B": "pre-norm"}, "B is not pre-norm"),
    (check_kinds, {"A": "post-norm"}, "dictionary"),
    (check_kinds, KINDS | {"B": "without residual"}, "dictionary"),
    (check_unmoved, {"A", "B"}, "look at E"),
    (check_unmoved, {"A", "B", "D", "E"}, "look at D"),
    (check_unmoved, {"A", "B", "C", "E"}, "look at C"),
    (check_unmoved, {"X"}, "set of letters"),
]
