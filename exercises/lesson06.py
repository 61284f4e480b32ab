"""Checkers of lesson 06, the Transformer block."""

import re
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from exercises.checking import Wrong, compare_letters, exercise, want_equal, want_tensor
from exercises.open_task import END, END_ZH, Report, interval_of, open_task


def _random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.double)


@exercise(points=3, minutes=15)
def check_rms_norm(answer) -> None:
    """6.1: divide by the root mean square of each position, then scale."""
    eps = 1e-5
    for shape in ((2, 5, 4), (3, 7), (6,)):
        width = shape[-1]
        x, gain = 3 * _random(*shape, seed=width) + 1, _random(width, seed=1)
        got = want_tensor(answer(x, gain), shape)
        square = x.square().mean(-1, keepdim=True)
        known = {
            "the mean was subtracted, which makes it LayerNorm without a shift: RMSNorm leaves the"
            " mean where it is": F.layer_norm(x, (width,), gain, None, eps),
            "the root is missing: dividing by the mean square alone leaves numbers that shrink as x"
            " grows": x / (square + eps) * gain,
            "the squares are summed; their mean is wanted": (
                x / (square * width + eps).sqrt() * gain
            ),
            "the gain is missing: multiply by it at the end": (F.rms_norm(x, (width,), None, eps)),
            "the mean square is taken over all positions together, so events see each other, the"
            " future included": x / (x.square().mean() + eps).sqrt() * gain,
            "this is the square root of the mean square times x; divide instead": (
                x * (square + eps).sqrt() * gain
            ),
            "it is multiplied by 1 + gain; multiply by the gain itself": (
                F.rms_norm(x, (width,), 1 + gain, eps)
            ),
        }
        if x.ndim == 3:
            known[
                "the mean square is taken over the positions of a history; each position has its"
                " own, over the last axis"
            ] = x / (x.square().mean(1, keepdim=True) + eps).sqrt() * gain
        formula = (
            "it differs from x / sqrt(mean(x^2) + eps) * gain with the mean over the last axis"
        )
        want = F.rms_norm(x, (width,), gain, eps)
        want_equal(got, want, 1e-4, known=known, otherwise=formula)
    gain = _random(4, seed=1)
    if not want_tensor(answer(torch.zeros(1, 4).double(), gain)).isfinite().all():
        raise Wrong("an event of four zeros gives nan: add eps to the mean square, under the root")
    tiny = 1e-3 * _random(3, 4, seed=2)
    under = "eps = 1e-5 belongs to the mean square, under the root"
    name = "for very small numbers the result"
    want_equal(answer(tiny, gain), F.rms_norm(tiny, (4,), gain, eps), None, name, otherwise=under)


def _parts(seed: int) -> tuple[Callable, Callable, Callable]:
    """A norm, a causal mean as stand-in for attention, and a feed-forward network, all in double
    precision.
    """
    gain, w0 = _random(8, seed=seed), _random(8, 8, seed=seed + 1) / 3
    w1, w2 = _random(8, 16, seed=seed + 2) / 3, _random(16, 8, seed=seed + 3) / 4
    return (
        lambda x: F.layer_norm(x, (8,), gain),
        lambda x: (x @ w0).cumsum(-2) / torch.arange(1, len(x) + 1)[:, None],
        lambda x: F.gelu(x @ w1) @ w2,
    )


@exercise(points=3, minutes=12)
def check_parallel_block(answer) -> None:
    """6.2: attention and feed-forward side by side on the same normalised input."""
    for seed in (3, 13):
        norm, look_back, think = _parts(seed)
        x = _random(6, 8, seed=seed)
        got, y = answer(x, norm, look_back, think), norm(x)
        a = x + look_back(y)
        known = {
            "the two parts still stand one after the other: the feed-forward network must read"
            " norm(x), not the sum": a + think(norm(a)),
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
            "attention reads x; it must read norm(x) like the feed-forward network": (
                x + look_back(x) + think(y)
            ),
            "the feed-forward network is missing": x + look_back(y),
            "attention is missing": x + think(y),
        }
        formula = "it differs from x + attend(norm(x)) + think(norm(x))"
        want_equal(got, x + look_back(y) + think(y), known=known, otherwise=formula)


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
    if isinstance(answer, dict):  # "Pre-Norm" and "pre_norm" will do
        answer = {
            str(letter).upper(): re.sub(r"[\s_-]+", " ", str(kind)).strip().lower()
            for letter, kind in answer.items()
        }
        written = {kind.replace("-", " "): kind for kind in KINDS.values()}
        answer = {letter: written.get(kind, kind) for letter, kind in answer.items()}
    if (
        not isinstance(answer, dict)
        or set(answer) != set(KINDS)
        or not set(answer.values()) <= set(KINDS.values())
    ):
        raise Wrong(
            "the answer is a dictionary from A, B, C and D to {kinds}",
            kinds=", ".join(sorted(KINDS.values())),
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
            raise Wrong(
                "{letter} is not {answer}: {hint}", letter=letter, answer=answer[letter], hint=hint
            )


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


@open_task
def open_report(report: Report) -> None:
    """The open task: from how many users on attention pays."""
    report.table("differences", interval_of(-1, 1))
    report.table("rates", Report.grid)
    report.closing()


# Answers on which the tests try the checkers: right ones, and wrong ones with words of the reason given.


def rms(x, gain, dim=-1, eps=1e-5):
    return x / (x.square().mean(dim, keepdim=True) + eps).sqrt() * gain


def rms_in_numpy(x, gain):
    size = np.sqrt(np.mean(np.square(x.numpy()), axis=-1, keepdims=True) + 1e-5)
    return x.numpy() / size * gain.numpy()


def rms_by_norm(x, gain):
    """The mean square by the length of the vector."""
    square = torch.linalg.vector_norm(x, dim=-1) ** 2 / x.shape[-1]
    return x * torch.rsqrt(square + 1e-5)[..., None] * gain


def in_single(x, norm, attend, think):
    normalised = norm(x)
    both = attend(normalised) + think(normalised)
    return (both + x).float()


def in_steps(x, norm, attend, think):
    x, residual = norm(x), x
    for part in (attend, think):
        residual = residual + part(x)
    return residual.tolist()


RIGHT = [
    (check_rms_norm, rms),
    (check_rms_norm, rms_in_numpy),
    (check_rms_norm, rms_by_norm),
    (check_rms_norm, lambda x, g: F.rms_norm(x.float(), x.shape[-1:], g.float(), 1e-5)),
    (check_parallel_block, lambda x, n, a, f: x + a(n(x)) + f(n(x))),
    (check_parallel_block, in_single),
    (check_parallel_block, in_steps),
    (check_kinds, KINDS),
    (check_kinds, {letter.lower(): kind.title() for letter, kind in KINDS.items()}),
    (check_kinds, {letter: kind.replace("-", "_") for letter, kind in KINDS.items()}),
    (check_unmoved, {"A", "B", "E"}),
    (check_unmoved, "A, B, E"),
    (check_unmoved, np.array(list("eab"))),
]
WRONG = [
    (check_rms_norm, lambda x, g: F.layer_norm(x, x.shape[-1:], g), "mean was subtracted"),
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
    (check_rms_norm, lambda x, g: rms(x, 1 + g), "1 + gain"),
    (check_rms_norm, lambda x, g: rms(x, g, eps=1e-6), "under the root"),
    (check_rms_norm, lambda x, g: rms(x, g[:4].mean()), "it differs from"),
    (
        check_rms_norm,
        lambda x, g: 2 * x / (x.square().sum(-1, keepdim=True) + 4e-5).sqrt() * g,
        "it differs from",
    ),
    (check_rms_norm, lambda x, g: rms(x.mul_(2), g), "changes its argument `x` in place"),
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
    (check_parallel_block, lambda x, n, a, f: x + a(n(x)), "network is missing"),
    (check_parallel_block, lambda x, n, a, f: x + f(n(x)), "attention is missing"),
    (check_parallel_block, lambda x, n, a, f: x + a(x) + f(n(x)), "attention reads x"),
    (
        check_parallel_block,
        lambda x, n, a, f: x + a(F.layer_norm(x, (8,))) + f(F.layer_norm(x, (8,))),
        "it differs from",
    ),
    (check_parallel_block, lambda x, n, a, f: (x + a(n(x)) + f(n(x))) / 2, "it differs from"),
    (check_parallel_block, lambda x, n, a, f: (x + a(n(x)) + f(n(x)))[None], "shape (1, 6, 8)"),
    (check_kinds, KINDS | {"A": "pre-norm", "C": "post-norm"}, "A is not pre-norm"),
    (check_kinds, KINDS | {"C": "no norm", "D": "pre-norm"}, "C is not no norm"),
    (check_kinds, KINDS | {"B": "pre-norm"}, "B is not pre-norm"),
    (check_kinds, {"A": "post-norm"}, "dictionary"),
    (check_kinds, KINDS | {"B": "without residual"}, "dictionary"),
    (check_kinds, KINDS | {"D": "post-norm"}, "D is not post-norm"),
    (check_kinds, dict.fromkeys("ABCD", "pre-norm"), "A is not pre-norm"),
    (check_kinds, list(KINDS.values()), "dictionary"),
    (check_unmoved, {"A", "B"}, "look at E"),
    (check_unmoved, {"A", "B", "D", "E"}, "look at D"),
    (check_unmoved, {"A", "B", "C", "E"}, "look at C"),
    (check_unmoved, {"X"}, "set of letters"),
    (check_unmoved, "BE", "look at A"),
    (check_unmoved, "AE", "look at B"),
    (check_unmoved, set("ABCDE"), "look at C"),
]

OPEN = {
    "differences": {1000: (0.001, -0.003, 0.005), 3000: (0.006, 0.002, 0.010)},
    "rates": {
        name: {0.0003: 0.05, 0.001: 0.061, 0.003: 0.058} for name in ("full", "no attention")
    },
    **END,
}
OPEN_RIGHT = [OPEN, {**OPEN, **END_ZH}]
OPEN_WRONG = [
    ({**OPEN, "differences": {1000: (0.001, -0.003, 0.005)}}, "1 of at least 2"),
    (
        {**OPEN, "rates": {"full": {0.001: 0.05, 0.003: 0.06, 0.01: 0.07}, "none": {}}},
        "at the edge",
    ),
    ({**OPEN, "rates": 0.001}, "is a dictionary"),
]
