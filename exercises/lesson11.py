"""Checkers of lesson 11, selective state spaces and SSD."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from exercises.checking import Wrong, compare_letters, exercise, want_tensor
from tutorial_lib.models.mamba import initial_step_bias, ssd_chunked, ssd_matrix, ssd_recurrence


def _random(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.double, generator=torch.Generator().manual_seed(seed))


def _same(got: Tensor, want: Tensor) -> bool:
    return got.shape == want.shape and torch.allclose(got, want, atol=1e-9)


@exercise(points=4, minutes=18)
def check_end_state(answer) -> None:
    """11.1: the state that a chunk passes on."""
    x, B, delta, A = (
        _random(7, 3, seed=0),
        _random(7, 2, seed=1),
        F.softplus(_random(7, seed=2)),
        -0.8,
    )
    want = torch.zeros(3, 2, dtype=torch.double)
    for t in range(7):
        want = math.exp(A * delta[t]) * want + delta[t] * x[t, :, None] * B[t]
    got = answer(x, delta, A, B)
    want_tensor(got, None, name="the state")
    if _same(got, want):
        return
    if _same(got, want.T):
        raise Wrong("the state is turned round: P rows, one for each number of x, and N columns")
    want_tensor(got, (3, 2), name="the state")

    def summed(weights: Tensor) -> Tensor:
        return (weights * x.T) @ B

    after = delta.sum() - delta.cumsum(0)
    known = {
        "every event fades by its own step too: the step of an event fades only what came before it": (
            delta * torch.exp(A * (after + delta))
        ),
        "the step is missing in what is written: an event enters as delta * x": torch.exp(
            A * after
        ),
        "nothing fades here: an early input must be multiplied by exp(A * steps after it)": delta,
        "it fades from the beginning until each event; what counts is from each event until the end": (
            delta * torch.exp(A * delta.cumsum(0))
        ),
        "A is negative already: with another minus sign the past grows": (
            delta * torch.exp(-A * after)
        ),
        "it counts events instead of adding up their steps": (
            delta * torch.exp(A * torch.arange(6, -1, -1))
        ),
    }
    for reason, weights in known.items():
        if _same(got, summed(weights)):
            raise Wrong(reason)
    raise Wrong(
        "this is not the state after the last event: sum exp(A * steps after j) * delta_j * x_j"
        " B_j^T over the events j"
    )


@exercise(points=3, minutes=12)
def check_without(answer) -> None:
    """11.2: outputs as if the stray events were not there."""
    x, B, C = _random(1, 9, 2, 3, seed=3), _random(1, 9, 4, seed=4), _random(1, 9, 4, seed=5)
    delta, A = F.softplus(_random(1, 9, 2, seed=6)), torch.tensor([-0.5, -1.0], dtype=torch.double)
    skip = torch.tensor([[False, True, False, False, True, True, False, True, False]])
    keep = ~skip[0]
    want = ssd_recurrence(x[:, keep], delta[:, keep], A, B[:, keep], C[:, keep])
    got = answer(x, delta, A, B, C, skip)
    want_tensor(got, None, name="the output")
    if got.shape == want.shape and not keep.all():
        raise Wrong(
            "the stray events are gone from the output; keep its shape, their rows may hold"
            " anything"
        )
    want_tensor(got, (1, 9, 2, 3), name="the output")
    got = got[:, keep]
    if _same(got, want):
        return
    if _same(got, ssd_recurrence(x, delta, A, B, C)[:, keep]):
        raise Wrong(
            "the stray events still count as before: what they read does not matter, but what they"
            " write and fade does"
        )
    emptied = ssd_recurrence(x * keep[:, None, None], delta, A, B, C)[:, keep]
    if _same(got, emptied):
        raise Wrong(
            "the stray events write nothing any more, but they still fade what came before them"
        )
    if _same(got, ssd_recurrence(x, delta * skip[..., None], A, B, C)[:, keep]):
        raise Wrong("it is the other way round: skip is True at the events that must not count")
    raise Wrong(
        "the outputs differ from those of the history without the stray events: which single number"
        " rules both?"
    )


@exercise(points=3, minutes=15)
def check_memory_length(answer) -> None:
    """11.3: events until a tenth is left, in the slowest number of each channel."""
    torch.manual_seed(0)
    bias = torch.cat([initial_step_bias(4), torch.zeros(1)])
    A_log = torch.log(torch.tensor([[1.0, 2, 3], [4, 2, 8], [0.5, 1, 1], [3, 3, 3], [1, 2, 3]]))

    def events(step: Tensor, rate: Tensor, share: float = 0.1) -> Tensor:
        return -math.log(share) / (step * rate)

    step, rates = F.softplus(bias), A_log.exp()
    exact = events(step, rates.amin(1))
    want = torch.ceil(exact).long()
    got = answer(bias, A_log)
    want_tensor(got, (5,), name="the lengths")
    if torch.equal(got, want):
        return
    if got.dtype.is_floating_point and torch.allclose(got, exact.to(got.dtype), rtol=1e-3):
        raise Wrong("a whole number of events is wanted: round up, and turn it into int64")
    if not (got > 0).all():
        raise Wrong(
            "some lengths are not positive: the step is softplus(step_bias), and the rates are"
            " exp(A_log)"
        )
    rounded = got.double()
    known = {
        "it takes the fastest number of each channel; the slowest remembers longest": events(
            step, rates.amax(1)
        ),
        "the step is softplus(step_bias), not e to the power of the bias": events(
            bias.exp(), rates.amin(1)
        ),
        "this is where a share of 1/e is left; a tenth is wanted": events(
            step, rates.amin(1), math.exp(-1)
        ),
        "this is where a half is left; a tenth is wanted": events(step, rates.amin(1), 0.5),
    }
    if (rounded == torch.floor(exact).double()).all():
        raise Wrong("rounded down, a little more than a tenth is left: round up")
    for reason, value in known.items():
        if ((rounded - value.double()).abs() <= 1).all():
            raise Wrong(reason)
    raise Wrong(
        f"for the step 0.693 and the rates 1, 2, 3 the answer is {int(want[4])}, yours is"
        f" {got[4].item():g}"
    )


@exercise(points=2, minutes=8)
def check_unchanged(answer) -> None:
    """11.4: which changes leave all outputs of SSD alone."""
    hints = {
        "A": "B and C come in only as the product C.B",
        "B": "the decays depend on A times the step; but where else does the step stand?",
        "C": (
            "what happens to the product of a doubled step and a halved x, and to A times the step?"
        ),
        "D": "the first event fades nothing, for nothing came before it; but what does it write?",
        "E": "what does a step of 0 fade, and what does it write?",
        "F": "a rotation keeps lengths and angles: what does it do to the dot products C.B?",
    }
    compare_letters(answer, {"A", "C", "E", "F"}, hints)


# Answers on which the tests try the checkers: right ones, and wrong ones with words of the reason given.


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
    (check_end_state, end_state),
    (check_end_state, by_recurrence),
    (check_without, without),
    (check_memory_length, length),
    (check_unchanged, {"A", "C", "E", "F"}),
]
WRONG = [
    (
        check_end_state,
        lambda x, d, A, B: end_state(x, d, A, B, own=1.0),
        "its own step too",
    ),
    (
        check_end_state,
        lambda x, d, A, B: end_state(x, d, A, B, weight=1),
        "step is missing",
    ),
    (check_end_state, lambda x, d, A, B: end_state(x, d, 0, B), "nothing fades"),
    (
        check_end_state,
        lambda x, d, A, B: (torch.exp(A * d.cumsum(0)) * d * x.T) @ B,
        "from the beginning",
    ),
    (check_end_state, lambda x, d, A, B: end_state(x, d, -A, B), "negative already"),
    (
        check_end_state,
        lambda x, d, A, B: end_state(x, torch.ones_like(d), A, B, weight=d),
        "counts events",
    ),
    (check_end_state, lambda x, d, A, B: end_state(x, d, A, B).T, "turned round"),
    (check_end_state, lambda x, d, A, B: end_state(x, d, A, B)[0], "shape"),
    (check_end_state, lambda x, d, A, B: end_state(x, d, 2 * A, B), "not the state"),
    (check_without, lambda x, d, A, B, C, s: ssd_matrix(x, d, A, B, C), "still count"),
    (check_without, emptied, "still fade"),
    (check_without, lambda x, d, A, B, C, s: emptied(x, d, A, B, C, s)[:, :4], "shape"),
    (
        check_without,
        lambda x, d, A, B, C, s: ssd_matrix(x, d, A, B, C * ~s[..., None]),
        "what they read does not matter",
    ),
    (
        check_without,
        lambda x, d, A, B, C, s: without(x, d, A, B, C, ~s),
        "other way round",
    ),
    (
        check_without,
        lambda x, d, A, B, C, s: without(x, d, 2 * A, B, C, s),
        "which single number",
    ),
    (check_without, deleted, "gone from the output"),
    (
        check_memory_length,
        lambda b, a: length(b, a, rate=lambda a: a.exp().amax(1)),
        "fastest",
    ),
    (
        check_memory_length,
        lambda b, a: length(b, a, step=lambda b: b),
        "the step is softplus",
    ),
    (check_memory_length, lambda b, a: length(b, a, step=torch.exp), "not e to the power"),
    (
        check_memory_length,
        lambda b, a: length(b, a, rate=lambda a: a.amin(1)),
        "the rates are exp(A_log)",
    ),
    (check_memory_length, lambda b, a: length(b, a, share=math.exp(-1)), "1/e"),
    (check_memory_length, lambda b, a: length(b, a, share=0.5), "a half is left"),
    (check_memory_length, lambda b, a: length(b, a, up=torch.floor), "round up"),
    (
        check_memory_length,
        lambda b, a: math.log(10) / (F.softplus(b) * a.exp().amin(1)),
        "whole number",
    ),
    (check_memory_length, lambda b, a: length(b, a) * 3, "the answer is 4"),
    (check_unchanged, {"C", "E", "F"}, "look at A"),
    (check_unchanged, {"A", "B", "C", "E", "F"}, "look at B"),
    (check_unchanged, {"A", "C", "D", "E", "F"}, "look at D"),
    (check_unchanged, {"A", "C", "F"}, "look at E"),
    (check_unchanged, {"Z"}, "set of letters"),
]
