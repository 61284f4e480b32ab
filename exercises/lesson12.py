"""Checkers of lesson 12, TiM4Rec."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from exercises.checking import (
    Wrong,
    compare_letters,
    exercise,
    same,
    want_array,
    want_equal,
    want_number,
)
from exercises.open_task import END, END_ZH, Report, open_task, runs_of


def _check_share(answer, raw: Tensor, gate: Tensor, bias: float, A: float) -> None:
    got = want_number(answer(raw, gate, bias, A), "the share")
    steps = F.softplus(gate * raw + bias)
    after, whole = F.softplus(raw + bias) * gate, F.softplus(gate * (raw + bias))
    total = steps[1:].sum()
    sums = {
        "all five steps were added; the step of the first event fades what came before it, not what it writes": (
            steps.sum()
        ),
        "the last step is missing: the last event fades the memory before it writes": (
            steps[1:-1].sum()
        ),
        "the steps of events 1 to 4 were added; those of events 2 to 5 come after the first event": (
            steps[:-1].sum()
        ),
        "the gate multiplies the finished step; it belongs to the raw step, before bias and softplus": (
            after[1:].sum()
        ),
        "the gate multiplies the bias as well; it multiplies the raw step alone": whole[1:].sum(),
        "the gate is not used": F.softplus(raw + bias)[1:].sum(),
        "the bias is not used": F.softplus(gate * raw)[1:].sum(),
        "the softplus is missing: steps must be positive": (gate * raw + bias)[1:].sum(),
        "the mean of the steps was taken; each event fades the memory once more, so they add up": (
            steps[1:].mean()
        ),
        "it is larger than 1, so the sign of A is flipped: A is negative already": -total,
        "A is not used: it says how fast a step fades the memory": total / A * -1,
    }
    known = {reason: torch.exp(A * value) for reason, value in sums.items()} | {
        "this is the exponent; the share is e to the power of it": A * total,
        "this is what has faded; wanted is the share that is left": 1 - torch.exp(A * total),
    }
    want_equal(got, torch.exp(A * total), tol=1e-5, name="the share", known=known)


@exercise(points=3, minutes=15)
def check_share_left(answer) -> None:
    """12.1: how far what the first event wrote has faded after the last event."""
    generator = torch.Generator().manual_seed(0)
    raw, gate = torch.randn(5, generator=generator), 2 * torch.rand(5, generator=generator)
    _check_share(answer, raw, gate, -1.0, -0.7)
    _check_share(answer, 4 * raw[:3].flip(0), gate[2:], 0.4, -0.15)
    if abs(want_number(answer(raw[:1], gate[:1], -1.0, -0.7)) - 1) > 1e-5:
        raise Wrong("with a single event nothing has faded yet: the answer is 1")


@exercise(points=3, minutes=12)
def check_masked_norm(answer) -> None:
    """12.2: mean 0 and variance 1 over the real events of each history, 0 at pads."""
    gaps = 1000 * torch.rand(3, 7, generator=torch.Generator().manual_seed(1))
    is_real = torch.arange(7) < torch.tensor([[4], [7], [1]])
    dirty = gaps.masked_fill(~is_real, -1.7e9)
    clean = gaps.masked_fill(~is_real, 0)
    got = answer(dirty, is_real)
    if not np.isfinite(want_array(got, "the signal", (3, 7))).all():
        raise Wrong(
            "a history of one event gives nan or inf: add 0.00001 to the variance before the root"
        )
    count = is_real.sum(1, keepdim=True)
    deviation = (clean - clean.sum(1, keepdim=True) / count).masked_fill(~is_real, 0)
    spread = deviation.square().sum(1, keepdim=True)
    want = deviation / (spread / count + 1e-5).sqrt()
    everywhere = (clean - clean.sum(1, keepdim=True) / count) / (spread / count + 1e-5).sqrt()
    known = {
        "the pads take part: their gap of minus 1.7 billion makes all real gaps alike": (
            F.layer_norm(dirty, (7,))
        ),
        "the mean runs over all places, pads counted as 0; divide by the number of real events": (
            F.layer_norm(clean, (7,))
        ),
        "mean and variance run over the real events, but the pads do not come out as 0": everywhere,
        "the variance is divided by the length of the window; divide by the number of real events": (
            deviation / (spread / 7 + 1e-5).sqrt()
        ),
        "the variance is divided by the number of real events minus 1; LayerNorm divides by the number": (
            deviation / (spread / (count - 1).clamp(min=1) + 1e-5).sqrt()
        ),
        "it divides by the variance; divide by its root": deviation / (spread / count + 1e-5),
        "the mean is subtracted, but nothing divides by the spread": deviation,
    }
    for reason, value in known.items():
        for pads in (value, value.masked_fill(~is_real, 0)):
            if same(got, pads, 1e-3) and not same(got, want, 1e-3):
                raise Wrong(reason)
    want_equal(got, want, tol=1e-4, name="the signal")
    longer = F.pad(dirty, (0, 3), value=5e4).masked_fill(~F.pad(is_real, (0, 3)), 5e4)
    got = answer(longer, F.pad(is_real, (0, 3)))
    want_equal(
        got,
        F.pad(want, (0, 3)),
        tol=1e-4,
        name="with three more pads, and 50,000 in all, the signal",
    )
    tiny = answer(torch.tensor([[0.0, 0.001]]), torch.tensor([[True, True]]))
    if not same(tiny, torch.tensor([[-1.0, 1.0]]) * 0.0005 / (2.5e-7 + 1e-5) ** 0.5, 1e-4):
        raise Wrong(
            "gaps that hardly differ come out wrong: 0.00001 is added to the variance, under the"
            " root"
        )


def _gaps(times: Tensor) -> Tensor:
    return torch.diff(times, dim=1, prepend=times[:, :1]).double()


def _running_mean(times: Tensor) -> Tensor:
    gaps = _gaps(times)
    return gaps / (1 + gaps.cumsum(1) / torch.arange(1, times.shape[1] + 1))


def _until_next(times: Tensor) -> Tensor:
    return torch.log1p(torch.diff(times, dim=1, append=times[:, -1:]).double() / 3600)


sealed = {  # for exercise 12.3: measure them, do not read them
    "A": lambda times: torch.log1p(_gaps(times) / 3600),
    "B": lambda times: _gaps(times) / (1 + _gaps(times).mean(1, keepdim=True)),
    "C": lambda times: (times - times[:, :1]).double() / 86_400,
    "D": lambda times: (times[:, -1:] - times).double() / 86_400,
    "E": _running_mean,
    "F": _until_next,
}


@exercise(points=4, minutes=20)
def check_reads_the_future(answer) -> None:
    """12.3: which sealed signals read the time of a later event."""
    hints = {
        "A": "does anything change at a position before the event that moved?",
        "B": "move the last event: do the first positions stay as they were?",
        "C": "reading an earlier time is allowed; does it read a later one?",
        "D": "move the last event: do the first positions stay as they were?",
        "E": "it divides by a mean; over which gaps does that mean run?",
        "F": "move an event and look at the position directly before it",
    }
    compare_letters(answer, {"B", "D", "F"}, hints)


@exercise(points=2, minutes=8)
def check_unmoved(answer) -> None:
    """12.4: which changes the published version, pads masked and window full, does not notice."""
    hints = {
        "A": "what happens to the differences between timestamps?",
        "B": "LayerNorm divides by the spread of the window: what becomes of a common factor?",
        "C": "is a single gap a common factor of all gaps?",
        "D": "the states are made from items; do the items stand where they stood?",
        "E": "over how many entries does the norm run now?",
    }
    compare_letters(answer, {"A", "B"}, hints)


@open_task
def open_report(report: Report) -> None:
    """The open task: a world in which a rhythm counts."""
    best = [report.interval(name, 0, 1) for name in ("tim4rec", "tisasrec")]
    guessing = report.number("guessing", 0, 1)
    if all(best) and guessing is not None:
        report.want(
            max(one.high for one in best) > guessing,
            "no model is better than guessing: is the answer in the history at all?",
        )
    report.table("heads", runs_of(5, 0, 1))
    report.closing()


# Answers on which the tests try the checkers: right ones, and wrong ones with words of the reason given.


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


def share_by_event(raw, gate, bias, A):
    left = 1.0
    for r, g in list(zip(raw.tolist(), gate.tolist(), strict=True))[1:]:
        left *= math.exp(A * math.log1p(math.exp(g * r + bias)))
    return left


def share_in_numpy(raw, gate, bias, A):
    steps = np.logaddexp(0, gate.numpy() * raw.numpy() + bias)
    return np.exp(A * (steps.sum(keepdims=True) - steps[:1]))


def norm_in_numpy(gaps, is_real):
    masked = np.ma.array(gaps.double().numpy(), mask=~is_real.numpy())
    normed = (masked - masked.mean(1, keepdims=True)) / np.sqrt(masked.var(1, keepdims=True) + 1e-5)
    return normed.filled(0)


def norm_row_by_row(gaps, is_real):
    out = torch.zeros_like(gaps)
    for row, real, result in zip(gaps, is_real, out, strict=True):
        result[real] = F.layer_norm(row[real], (int(real.sum()),), eps=1e-5)
    return out


def norm_in_place(gaps, is_real):
    gaps[~is_real] = 0
    return norm(gaps, is_real)


def norm_as_taught(gaps, is_real):
    count = is_real.sum(dim=1, keepdim=True)
    gaps = gaps.masked_fill(~is_real, 0)
    deviation = (gaps - gaps.sum(dim=1, keepdim=True) / count).masked_fill(~is_real, 0)
    variance = deviation.square().sum(dim=1, keepdim=True) / count
    return deviation / (variance + 0.00001).sqrt()


RIGHT = [
    (check_share_left, share),
    (check_share_left, lambda *inputs: share(*inputs).item()),
    (check_share_left, share_by_event),
    (check_share_left, share_in_numpy),
    (check_share_left, lambda *inputs: share(*inputs).view(1)),
    (check_masked_norm, norm_as_taught),
    (check_masked_norm, norm_in_numpy),
    (check_masked_norm, norm_row_by_row),
    (check_masked_norm, lambda g, r: norm_as_taught(g, r).tolist()),
    (check_reads_the_future, {"B", "D", "F"}),
    (check_reads_the_future, "b, d, f"),
    (check_reads_the_future, np.array(["F", "B", "D"])),
    (check_unmoved, ["A", "B"]),
    (check_unmoved, "AB"),
    (check_unmoved, ("b", "a")),
]
WRONG = [
    (check_share_left, lambda r, g, b, A: share(r, g, b, A, first=0), "all five steps"),
    (
        check_share_left,
        lambda r, g, b, A: share(r, g, b, A, last=-1),
        "last step is missing",
    ),
    (check_share_left, lambda r, g, b, A: share(r, g, b, A, 0, -1), "events 1 to 4"),
    (
        check_share_left,
        lambda r, g, b, A: torch.exp(A * (F.softplus(r + b) * g)[1:].sum()),
        "finished step",
    ),
    (
        check_share_left,
        lambda r, g, b, A: torch.exp(A * F.softplus(g * (r + b))[1:].sum()),
        "bias as well",
    ),
    (
        check_share_left,
        lambda r, g, b, A: share(r, torch.ones(len(r)), b, A),
        "gate is not used",
    ),
    (check_share_left, lambda r, g, b, A: share(r, g, 0, A), "bias is not used"),
    (
        check_share_left,
        lambda r, g, b, A: torch.exp(A * (g * r + b)[1:].sum()),
        "softplus is missing",
    ),
    (check_share_left, lambda r, g, b, A: share(r, g, b, -A), "flipped"),
    (check_share_left, lambda r, g, b, A: share(r, g, b, -1), "A is not used"),
    (check_share_left, lambda r, g, b, A: share(r, g, b, A).log(), "exponent"),
    (check_share_left, lambda r, g, b, A: F.softplus(g * r + b), "one number"),
    (
        check_share_left,
        lambda r, g, b, A: share(r, g, b, A) * (0.5 if len(r) == 1 else 1),
        "single event",
    ),
    (check_share_left, lambda r, g, b, A: share(r, g, -1.0, A), "the share is"),
    (check_share_left, lambda r, g, b, A: share(r, g, b, -0.7), "the share is"),
    (check_share_left, lambda r, g, b, A: 1 - share(r, g, b, A), "what has faded"),
    (
        check_share_left,
        lambda r, g, b, A: share(r, g, b, A) ** (1 / max(1, len(r) - 1)),
        "the mean of the steps",
    ),
    (check_share_left, lambda r, g, b, A: share(r.clamp(max=3), g, b, A), "the share is"),
    (check_masked_norm, lambda g, r: F.layer_norm(g, (7,)), "pads take part"),
    (check_masked_norm, lambda g, r: F.layer_norm(g, (7,)) * r, "pads take part"),
    (check_masked_norm, zeros_count, "number of real events"),
    (check_masked_norm, lambda g, r: zeros_count(g, r) * r, "number of real events"),
    (check_masked_norm, lambda g, r: norm(g, r, keep=True), "do not come out as 0"),
    (check_masked_norm, lambda g, r: norm(g, r, less=1), "minus 1"),
    (check_masked_norm, lambda g, r: norm(g, r, eps=0), "nan or inf"),
    (check_masked_norm, eps_outside, "under the root"),
    (check_masked_norm, lambda g, r: norm(g, r)[0], "shape"),
    (check_masked_norm, norm_in_place, "in place"),
    (check_masked_norm, lambda g, r: norm(g, g > -1e9), "with three more pads"),
    (check_masked_norm, lambda g, r: norm(g, r) / r.sum(1, keepdim=True).sqrt(), "the signal["),
    (check_masked_norm, lambda g, r: norm(g, r, eps=1e-6), "under the root"),
    (check_masked_norm, lambda g, r: norm(g, r) * 1.001, "the signal["),
    (check_masked_norm, lambda g, r: norm(g, r)[:1].expand_as(g), "the signal["),
    (check_reads_the_future, {"B", "D"}, "look at F"),
    (check_reads_the_future, {"B", "D", "E", "F"}, "look at E"),
    (check_reads_the_future, {"B", "C", "D", "F"}, "look at C"),
    (check_reads_the_future, "BDFA", "look at A"),
    (check_reads_the_future, ["D", "F"], "look at B"),
    (check_reads_the_future, {"B", "F"}, "look at D"),
    (check_reads_the_future, {"G"}, "set of letters"),
    (check_unmoved, {"A"}, "look at B"),
    (check_unmoved, {"A", "B", "C"}, "look at C"),
    (check_unmoved, {"A", "B", "E"}, "look at E"),
    (check_unmoved, "abd", "look at D"),
    (check_unmoved, ["B"], "look at A"),
    (check_unmoved, 2, "set of letters"),
]
# Changes of right answers that stay right (tests/exercises/mutants.py), and why.
ARGUED = [
    (check_share_left, "True -> False", "one number, with its axis kept or not"),
    (check_share_left, "one axis more", "an array that holds one number is a number"),
    (
        check_share_left,
        "np.logaddexp(0, gate.numpy() * raw.numpy() + bias)"
        " -> np.logaddexp(gate.numpy() * raw.numpy() + bias, 0)",
        "the order of its two arguments is free",
    ),
    (
        check_share_left,
        "zip(raw.tolist(), gate.tolist(), strict=True)"
        " -> zip(gate.tolist(), raw.tolist(), strict=True)",
        "raw step and gate are multiplied with each other",
    ),
]

OPEN = {
    "tim4rec": (0.42, 0.38, 0.46),
    "tisasrec": (0.81, 0.77, 0.85),
    "guessing": 0.05,
    "heads": {1: [0.4, 0.4, 0.5, 0.4, 0.4], 2: [0.5, 0.5, 0.4, 0.6, 0.5]},
    **END,
}
OPEN_RIGHT = [OPEN, {**OPEN, **END_ZH}]
OPEN_WRONG = [
    ({**OPEN, "guessing": 0.9}, "no model is better than guessing"),
    ({**OPEN, "tim4rec": (42, 38, 46)}, "lies from 0 to 1"),
    ({**OPEN, "heads": {1: [0.4, 0.4, 0.5, 0.4, 0.4]}}, "1 of at least 2"),
]
