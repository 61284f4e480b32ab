"""Checkers of lesson 12, TiM4Rec."""

import torch
import torch.nn.functional as F
from torch import Tensor

from exercises.checking import Wrong, compare_letters, exercise, want_tensor


def _is(got: object, want: Tensor) -> bool:
    return torch.allclose(
        torch.as_tensor(got, dtype=torch.double), want.double(), rtol=1e-4, atol=1e-6
    )


@exercise(points=3, minutes=15)
def check_share_left(answer) -> None:
    """12.1: how far what the first event wrote has faded after the last event."""
    generator = torch.Generator().manual_seed(0)
    raw, gate = torch.randn(5, generator=generator), 2 * torch.rand(5, generator=generator)
    bias, A = -1.0, -0.7
    got = answer(raw, gate, bias, A)
    if not isinstance(got, float | Tensor) or (isinstance(got, Tensor) and got.numel() != 1):
        raise Wrong(f"one number is wanted, got {got!r}"[:200])
    got = torch.as_tensor(got).reshape(())
    steps = F.softplus(gate * raw + bias)
    after, whole = F.softplus(raw + bias) * gate, F.softplus(gate * (raw + bias))
    known = {
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
    }
    for reason, total in known.items():
        if _is(got, torch.exp(A * total)):
            raise Wrong(reason)
    total = steps[1:].sum()
    if _is(got, torch.exp(-A * total)):
        raise Wrong("it is larger than 1, so the sign of A is turned round: A is negative already")
    if _is(got, torch.exp(-total)):
        raise Wrong("A is not used: it says how fast a step fades the memory")
    if _is(got, A * total):
        raise Wrong("this is the exponent; the share is e to the power of it")
    if not _is(got, torch.exp(A * total)):
        raise Wrong(
            "it differs: each later event multiplies what is there by e to the power of A times its"
            " step"
        )
    if not _is(answer(raw[:1], gate[:1], bias, A), torch.tensor(1.0)):
        raise Wrong("with a single event nothing has faded yet: the answer is 1")


@exercise(points=3, minutes=12)
def check_masked_norm(answer) -> None:
    """12.2: mean 0 and variance 1 over the real events of each history, 0 at pads."""
    gaps = 1000 * torch.rand(3, 7, generator=torch.Generator().manual_seed(1))
    is_real = torch.arange(7) < torch.tensor([[4], [7], [1]])
    dirty = gaps.masked_fill(~is_real, -1.7e9)
    clean = gaps.masked_fill(~is_real, 0)
    got = answer(dirty.clone(), is_real.clone())
    want_tensor(got, (3, 7))
    if not got.isfinite().all():
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
            if torch.allclose(got, pads, rtol=1e-3, atol=1e-3) and not torch.allclose(
                got, want, rtol=1e-3, atol=1e-3
            ):
                raise Wrong(reason)
    if not torch.allclose(got, want, rtol=1e-3, atol=1e-3):
        raise Wrong(
            "it differs from (gap - mean) / sqrt(variance + 0.00001) over the real events of each"
            " history, 0 at pads"
        )
    tiny = answer(torch.tensor([[0.0, 0.001]]), torch.tensor([[True, True]]))
    if not torch.allclose(tiny, torch.tensor([[-0.156, 0.156]]), atol=2e-3):
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


RIGHT = [
    (check_share_left, share),
    (check_share_left, lambda *inputs: share(*inputs).item()),
    (check_masked_norm, norm),
    (check_reads_the_future, {"B", "D", "F"}),
    (check_unmoved, ["A", "B"]),
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
    (check_share_left, lambda r, g, b, A: share(r, g, b, -A), "turned round"),
    (check_share_left, lambda r, g, b, A: share(r, g, b, -1), "A is not used"),
    (check_share_left, lambda r, g, b, A: share(r, g, b, A).log(), "exponent"),
    (check_share_left, lambda r, g, b, A: F.softplus(g * r + b), "one number"),
    (
        check_share_left,
        lambda r, g, b, A: share(r, g, b, A) * (0.5 if len(r) == 1 else 1),
        "single event",
    ),
    (check_masked_norm, lambda g, r: F.layer_norm(g, (7,)), "pads take part"),
    (check_masked_norm, lambda g, r: F.layer_norm(g, (7,)) * r, "pads take part"),
    (check_masked_norm, zeros_count, "number of real events"),
    (check_masked_norm, lambda g, r: zeros_count(g, r) * r, "number of real events"),
    (check_masked_norm, lambda g, r: norm(g, r, keep=True), "do not come out as 0"),
    (check_masked_norm, lambda g, r: norm(g, r, less=1), "minus 1"),
    (check_masked_norm, lambda g, r: norm(g, r, eps=0), "nan or inf"),
    (check_masked_norm, eps_outside, "under the root"),
    (check_masked_norm, lambda g, r: norm(g, r)[0], "shape"),
    (check_reads_the_future, {"B", "D"}, "look at F"),
    (check_reads_the_future, {"B", "D", "E", "F"}, "look at E"),
    (check_reads_the_future, {"B", "C", "D", "F"}, "look at C"),
    (check_reads_the_future, {"G"}, "set of letters"),
    (check_unmoved, {"A"}, "look at B"),
    (check_unmoved, {"A", "B", "C"}, "look at C"),
    (check_unmoved, {"A", "B", "E"}, "look at E"),
]
