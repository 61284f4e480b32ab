"""Checkers of lesson 11, selective state spaces and SSD."""

import math
from statistics import fmean

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from exercises.checking import Wrong, compare_letters, exercise, want_array, want_equal
from exercises.open_task import END, END_ZH, Report, open_task, runs_of
from tutorial_lib.models.mamba import ssd_chunked, ssd_matrix, ssd_recurrence


def _random(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.double, generator=torch.Generator().manual_seed(seed))


@exercise(points=4, minutes=18)
def check_end_state(answer) -> None:
    """11.1: the state that a chunk passes on."""
    x, B, delta, A = (
        _random(7, 3, seed=0),
        _random(7, 2, seed=1),
        F.softplus(_random(7, seed=2)),
        -0.8,
    )

    def summed(weights: Tensor) -> Tensor:
        return (weights * x.T) @ B

    def one_by_one(x: Tensor, delta: Tensor, A: float, B: Tensor) -> Tensor:
        state = torch.zeros(x.shape[1], B.shape[1], dtype=torch.double)
        for t in range(len(x)):
            state = math.exp(A * delta[t]) * state + delta[t] * x[t, :, None] * B[t]
        return state

    want, after = one_by_one(x, delta, A, B), delta.sum() - delta.cumsum(0)
    known = {
        "the state is transposed: P rows, one for each number of x, and N columns": want.T,
        "every event fades by its own step too: the step of an event fades only what came before it": summed(
            delta * torch.exp(A * (after + delta))
        ),
        "the step is missing in what is written: an event enters as delta * x": summed(
            torch.exp(A * after)
        ),
        "nothing fades here: an early input must be multiplied by exp(A * steps after it)": (
            summed(delta)
        ),
        "it fades from the beginning until each event; what counts is from each event until the end": summed(
            delta * torch.exp(A * delta.cumsum(0))
        ),
        "A is negative already: with another minus sign the past grows": summed(
            delta * torch.exp(-A * after)
        ),
        "it counts events instead of adding up their steps": summed(
            delta * torch.exp(A * torch.arange(6, -1, -1))
        ),
        "the last event alone was written": delta[-1] * x[-1, :, None] * B[-1],
    }
    hint = "sum exp(A * steps after j) * delta_j * x_j B_j^T over the events j"
    got = answer(x, delta, A, B)
    want_equal(got, want, tol=1e-6, name="the state", known=known, otherwise=hint)
    x, B, delta, A = B.flip(0), x + 0.3, torch.cat([400 * delta[:4], delta[4:] / 2]), -1.7
    got = answer(x, delta, A, B)
    if not np.isfinite(want_array(got, "the state")).all():
        raise Wrong(
            "with steps of some hundred it gives nan or inf: exp(-A * steps) overflows. Take the"
            " exponential of the steps after each event, which only fades"
        )
    name = "with other steps and another A the state"
    want_equal(got, one_by_one(x, delta, A, B), tol=0.02, name=name, otherwise=hint)


@exercise(points=3, minutes=12)
def check_without(answer) -> None:
    """11.2: outputs as if the stray events were not there."""
    skip = torch.zeros(3, 9, dtype=torch.bool)
    skip[0, [1, 4, 5, 7]] = skip[1, [0, 1, 8]] = True
    _check_without(answer, skip, seed=3)
    _check_without(answer, skip.flip(0, 1), seed=8)


def _check_without(answer, skip: Tensor, seed: int) -> None:
    x, B, C = (_random(3, 9, *size, seed=seed + k) for k, size in enumerate([(2, 3), [4], [4]]))
    delta, A = F.softplus(_random(3, 9, 2, seed=seed + 3)), -_random(2, seed=seed).exp()
    keep = ~skip

    def shortened(x: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor) -> Tensor:
        """Each history without its stray events, one below the other."""
        each = [[part[u : u + 1, keep[u]] for part in (x, delta, B, C)] for u in range(3)]
        return torch.cat([ssd_recurrence(p[0], p[1], A, p[2], p[3])[0] for p in each])

    want = shortened(x, delta, A, B, C)
    got = answer(x, delta, A, B, C, skip)
    found = want_array(got, "the output")
    if found.ndim == 4 and found.shape[1] < 9:
        raise Wrong(
            "the stray events are gone from the output; keep its shape, their rows may hold"
            " anything"
        )
    found = torch.as_tensor(want_array(got, "the output", (3, 9, 2, 3)))[keep]
    known = {
        "the stray events still count as before: what they read does not matter, but what they write and fade does": (
            ssd_recurrence(x, delta, A, B, C)[keep]
        ),
        "the stray events write nothing any more, but they still fade what came before them": (
            ssd_recurrence(x * keep[..., None, None], delta, A, B, C)[keep]
        ),
        "it is the other way round: skip is True at the events that must not count": (
            ssd_recurrence(x, delta * skip[..., None], A, B, C)[keep]
        ),
        "all rows took the stray events of the first row; each history has its own": (
            ssd_recurrence(x, delta * keep[:1, :, None], A, B, C)[keep]
        ),
    }
    want_equal(
        found,
        want,
        tol=1e-5,
        name="the rows of the events that count",
        known=known,
        otherwise="wanted are the outputs of each history without its stray events: which single"
        " number rules both writing and fading?",
    )


@exercise(points=3, minutes=15)
def check_memory_length(answer) -> None:
    """11.3: events until a tenth is left, in the slowest number of each channel."""
    # softplus(bias) is the step; some lie in the range in which the block draws them, 0.001 to 0.1
    bias = torch.tensor([-5.93, -4.42, -2.61, -3.37, 0.0, 1.5])
    A_log = torch.log(
        torch.tensor([[1.0, 2, 3], [4, 2, 8], [3, 1, 0.5], [3, 3, 3], [1, 2, 3], [0.4, 0.1, 0.2]])
    )

    _check_lengths(answer, bias, A_log)
    _check_lengths(answer, bias[1:] + 0.3, A_log[:-1, :2])


def _check_lengths(answer, bias: Tensor, A_log: Tensor) -> None:
    def events(step: Tensor, rate: Tensor, share: float = 0.1) -> Tensor:
        return -math.log(share) / (step * rate)

    step, rates = F.softplus(bias), A_log.exp()
    exact = events(step, rates.amin(1))
    got = want_array(answer(bias, A_log), "the lengths", tuple(bias.shape))
    if (got != np.round(got)).any() and np.allclose(got, exact, rtol=1e-3):
        raise Wrong("a whole number of events is wanted: round up, and turn it into int64")
    if not (got > 0).all():
        raise Wrong(
            "some lengths are not positive: the step is softplus(step_bias), and the rates are"
            " exp(A_log)"
        )
    known = {
        "it takes the fastest number of each channel; the slowest remembers longest": events(
            step, rates.amax(1)
        ),
        "it takes the mean of the rates; the slowest number remembers longest": events(
            step, rates.mean(1)
        ),
        "the step is softplus(step_bias), not e to the power of the bias": events(
            bias.exp(), rates.amin(1)
        ),
        "this is where a share of 1/e is left; a tenth is wanted": events(
            step, rates.amin(1), math.exp(-1)
        ),
        "this is where a half is left; a tenth is wanted": events(step, rates.amin(1), 0.5),
    }
    want = np.ceil(exact.double().numpy())
    if (got == want - 1).all():
        raise Wrong("rounded down, a little more than a tenth is left: round up")
    if (got != want).any():
        for reason, value in known.items():
            if (np.abs(got - value.double().numpy()) <= 1).all():
                raise Wrong(reason)
        k = int((got != want).nonzero()[0][0])
        raise Wrong(
            "for the step {step:.3g} and the rates {rates} the answer is {want:g}, yours"
            " is {got:.9g}",
            step=step[k],
            rates=", ".join(f"{r:g}" for r in rates[k]),
            want=want[k],
            got=got[k],
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
        "E": (
            "two half steps fade the past like one whole; but is what the first of them writes still"
            " whole after the second?"
        ),
        "F": "a rotation keeps lengths and angles: what does it do to the dot products C.B?",
    }
    compare_letters(answer, {"A", "C", "F"}, hints)


@open_task
def open_report(report: Report) -> None:
    """The open task: how far a time axis of one's own carries."""
    accuracy = report.table("accuracy", runs_of(5, 0, 1), least=3)
    report.table("lti", runs_of(5, 0, 1), least=3)
    report.same_keys("accuracy", "lti")
    guessing = report.number("by_guessing", 0, 1)
    if accuracy and guessing is not None:
        report.want(
            max(map(fmean, accuracy.values())) > guessing,
            "the memory is nowhere better than guessing: begin with the easy evening of the lesson",
        )
    report.text("what_failed")
    report.closing()


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
        columns.append(ssd_recurrence(*operands)[:, -1].flatten())
    return torch.stack(columns, dim=1)


def end_state_in_numpy(x, delta, A, B):
    later = delta.numpy()[::-1].cumsum()[::-1] - delta.numpy()
    return np.einsum("t,tp,tn->pn", np.exp(A * later) * delta.numpy(), x.numpy(), B.numpy())


def end_state_in_float32(x, delta, A, B):
    return end_state_as_taught(x.float(), delta.float(), A, B.float())


def end_state_by_division(x, delta, A, B):
    """Overflows over long histories."""
    gone = delta.cumsum(0)
    return torch.exp(A * gone[-1]) * ((torch.exp(-A * gone) * delta * x.T) @ B)


def without(x, delta, A, B, C, skip):
    return ssd_chunked(x, delta.masked_fill(skip[..., None], 0), A, B, C)


def emptied(x, delta, A, B, C, skip):
    return ssd_matrix(x.masked_fill(skip[..., None, None], 0), delta, A, B, C)


def deleted(x, delta, A, B, C, skip):
    keep = ~skip[0]
    return ssd_matrix(x[:, keep], delta[:, keep], A, B[:, keep], C[:, keep])


def without_by_factor(x, delta, A, B, C, skip):
    return ssd_matrix(x, torch.where(skip.unsqueeze(-1), 0, delta), A, B, C).float()


def without_one_by_one(x, delta, A, B, C, skip):
    """Each history shortened and spread out again, with nan at the stray events."""
    y = torch.full_like(x, torch.nan)
    for user, keep in enumerate(~skip):
        one = slice(user, user + 1)
        y[one, keep] = ssd_recurrence(x[one, keep], delta[one, keep], A, B[one, keep], C[one, keep])
    return y


def without_in_place(x, delta, A, B, C, skip):
    delta[skip] = 0
    return ssd_chunked(x, delta, A, B, C)


def without_of_the_first(x, delta, A, B, C, skip):
    return without(x, delta, A, B, C, skip[:1].expand_as(skip))


def length_counted(bias, A_log):
    """Event after event until a tenth is left, in plain Python."""
    lengths = []
    for step, rates in zip(F.softplus(bias).tolist(), A_log.exp().tolist(), strict=True):
        events = 0
        while math.exp(-events * step * min(rates)) > 0.1:
            events += 1
        lengths.append(events)
    return lengths


def length_in_numpy(bias, A_log):
    step = np.log1p(np.exp(bias.numpy()))
    return np.ceil(np.log(10) / (step[:, None] * np.exp(A_log.numpy()))).max(1).astype(int)


def length(
    bias, A_log, share=0.1, step=F.softplus, rate=lambda A_log: A_log.exp().amin(1), up=torch.ceil
):
    return up(-math.log(share) / (step(bias) * rate(A_log))).long()


def end_state_as_taught(x, delta, A, B):
    since = delta.sum() - delta.cumsum(dim=0)
    return (torch.exp(A * since) * delta * x.T) @ B


RIGHT = [
    (check_end_state, end_state_as_taught),
    (check_end_state, by_recurrence),
    (check_end_state, end_state_in_numpy),
    (check_end_state, end_state_in_float32),
    (check_without, without),
    (check_without, without_by_factor),
    (check_without, without_one_by_one),
    (check_without, lambda *a: without(*a).numpy()),
    (check_memory_length, length),
    (check_memory_length, length_counted),
    (check_memory_length, length_in_numpy),
    (check_memory_length, lambda b, a: length(b.double(), a.double()).int()),
    (check_memory_length, lambda b, a: length(b, a).double()),
    (check_unchanged, {"A", "C", "F"}),
    (check_unchanged, "acf"),
    (check_unchanged, np.array(list("FCA"))),
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
    (check_end_state, lambda x, d, A, B: end_state(x, d, A, B).T, "transposed"),
    (check_end_state, lambda x, d, A, B: end_state(x, d, A, B)[0], "shape"),
    (check_end_state, lambda x, d, A, B: end_state(x, d, 2 * A, B), "the state["),
    (check_end_state, end_state_by_division, "overflows"),
    (check_end_state, lambda x, d, A, B: end_state(x[-1:], d[-1:], A, B[-1:]), "last event alone"),
    (check_end_state, lambda x, d, A, B: end_state(x, d, -0.8, B), "with other steps"),
    (check_end_state, lambda x, d, A, B: end_state(x, d.clamp(max=5), A, B), "with other steps"),
    (check_without, lambda x, d, A, B, C, s: ssd_matrix(x, d, A, B, C), "still count"),
    (check_without, without_in_place, "in place"),
    (check_without, without_of_the_first, "of the first row"),
    (
        check_without,
        lambda x, d, *a: without(x, d.mean(-1, keepdim=True) + 0 * d, *a),
        "the rows of the events",
    ),
    (check_without, lambda *a: -without(*a), "rows of the events that count"),
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
        "the rows of the events",
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
    (check_memory_length, lambda b, a: length(b, a) * 3, "the answer is"),
    (check_memory_length, lambda b, a: length(b, a)[:, None], "shape (6, 1), wanted (6,)"),
    (check_memory_length, lambda b, a: length(b, a, rate=lambda a: a[:, 0].exp()), "rates 4, 2, 8"),
    (check_memory_length, lambda b, a: length(b, a, rate=lambda a: a.exp().mean(1)), "the mean"),
    (check_memory_length, lambda b, a: length(b, a) + 1, "the answer is"),
    (check_memory_length, lambda b, a: length(b, a).clamp(max=800), "yours is 800"),
    (check_unchanged, {"C", "F"}, "look at A"),
    (check_unchanged, {"A", "B", "C", "F"}, "look at B"),
    (check_unchanged, {"A", "C", "D", "F"}, "look at D"),
    (check_unchanged, {"A", "C", "E", "F"}, "look at E"),
    (check_unchanged, "AF", "look at C"),
    (check_unchanged, ["A", "C"], "look at F"),
    (check_unchanged, set(), "look at A"),
    (check_unchanged, {"Z"}, "set of letters"),
]
# Changes of right answers that stay right (tests/exercises/mutants.py), and why.
ARGUED = [
    (check_end_state, "0 -> -1", "the sum over a vector has one axis only"),
    (
        check_without,
        "1 -> 2",
        "the history below is calculated for nothing, and written again in its own turn",
    ),
    *(
        (check_memory_length, f"0 -> {start}", "no length is below 1, so the count may begin there")
        for start in (-1, 1)
    ),
    (
        check_memory_length,
        "math.exp(-events * step * min(rates)) > 0.1"
        " -> math.exp(-events * step * min(rates)) >= 0.1",
        "no length leaves exactly a tenth",
    ),
]

OPEN = {
    "accuracy": {
        12: [1.0, 1.0, 1.0, 1.0, 1.0],
        25: [0.9, 0.8, 0.9, 1.0, 0.9],
        50: [0.5, 0.4, 0.6, 0.5, 0.4],
    },
    "lti": {events: [0.3, 0.2, 0.3, 0.3, 0.2] for events in (12, 25, 50)},
    "by_guessing": 0.1,
    "what_failed": "Memory: the steps of the goods stay large, and the early ones have faded.",
    **END,
}
OPEN_RIGHT = [OPEN, {**OPEN, **END_ZH}]
OPEN_WRONG = [
    ({**OPEN, "by_guessing": 1.0}, "nowhere better than guessing"),
    ({**OPEN, "lti": {12: [0.3, 0.2, 0.3, 0.3, 0.2]}}, "1 of at least 3"),
    (
        {
            **OPEN,
            "accuracy": {12: [1.2, 1, 1, 1, 1], 25: [0.1, 0.2, 0, 0, 0], 50: [0.1, 0, 0, 0, 0]},
        },
        "lies from 0 to 1",
    ),
]
