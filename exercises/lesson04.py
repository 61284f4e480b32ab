"""Checkers of lesson 04, self-attention."""

import math
from statistics import fmean

import numpy as np
import torch

from exercises.checking import Wrong, compare_letters, exercise, same, want_equal, want_tensor
from exercises.open_task import END, END_ZH, Report, open_task, runs_of
from tutorial_lib.language import say
from tutorial_lib.models.attention import attention, attention_weights


def _random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.double)


@exercise(points=3, minutes=15)
def check_weights(answer) -> None:
    """4.1: attention weights without `softmax`, in batches, stable for large scores."""
    for length, width in ((6, 4), (5, 9)):
        query, key = _random(length, width), _random(length, width, seed=1)
        got, want = (
            want_tensor(answer(query, key), name="the result"),
            attention_weights(query, key),
        )
        if got.shape != want.shape:
            raise Wrong(
                "the weights have shape {shape}; one row for each query and one column for"
                " each key gives {wanted}",
                shape=tuple(got.shape),
                wanted=tuple(want.shape),
            )
        product = query @ key.T
        known = {
            "the scores are not divided by the square root of the width": product.softmax(-1),
            "the scores are divided by the width itself; its square root is wanted": (
                (product / width).softmax(-1)
            ),
            "the scores are multiplied by the square root of the width; divide by it": (
                (product * width**0.5).softmax(-1)
            ),
            "the scores are divided by the root of the number of events; it is the width d that"
            " counts": (product / length**0.5).softmax(-1),
            "query and key have changed places: row i must belong to query i": (
                attention_weights(key, query)
            ),
            "the weights are transposed: row i must belong to query i": want.T,
        }
        if not same(got, want):
            for reason, value in known.items():
                if same(got, value):
                    raise Wrong(reason)
            if same(got.sum(0), torch.ones(length)):
                raise Wrong("the columns sum to 1; each row belongs to one query, so the rows must")
            if not same(got.sum(1), torch.ones(length)):
                raise Wrong(
                    "the rows do not sum to 1: divide by the sum of the row, with keepdim=True"
                )
            raise Wrong(
                "the rows sum to 1 but the weights differ from softmax(query key^T / sqrt(d))"
            )
    for shape, keys in (((3, 5), (6, 5)), ((2, 3, 4, 8), (2, 3, 4, 8)), ((2, 1, 8), (2, 7, 8))):
        query_batch, key_batch = _random(*shape), _random(*keys, seed=1)
        got = want_tensor(
            answer(query_batch, key_batch),
            (*shape[:-1], keys[-2]),
            name=say("the result for queries {shape} and keys {keys}", shape=shape, keys=keys),
        )
        want_equal(
            got,
            attention_weights(query_batch, key_batch),
            name=say("the weights for queries {shape} and keys {keys}", shape=shape, keys=keys),
            otherwise="each row of the last two dimensions belongs to one query and sums to 1",
        )
    for factor in (1000, 40_000):  # the scores of some rows are all far below 0
        large = factor * query, key.abs()
        got = want_tensor(answer(*large), (length, length), name="the weights of large scores")
        if not got.isfinite().all():
            raise Wrong(
                "large scores give inf or nan: subtract the largest score of each row before exp()"
            )
        want_equal(got, attention_weights(*large), name="the weights of large scores")


@exercise(points=3, minutes=12)
def check_temperature(answer) -> None:
    """4.2: attention with a temperature."""
    for seed in (0, 1):
        length, width = (5, 4) if seed == 0 else (7, 3)
        query, key, value = _random(3, length, width, seed=seed).unbind(0)
        mean, best = value.mean(0).expand(length, width), value[(query @ key.T).argmax(1)]
        got = answer(query, key, value, 1.0)
        if not same(got, attention(query, key, value)):
            raise Wrong("temperature 1 must give plain attention, scaling by sqrt(d) included")
        hot, cold = answer(query, key, value, 1e9), answer(query, key, value, 1e-6)
        if same(cold, mean, 1e-6):
            raise Wrong(
                "a high temperature sharpens the weights and a low one flattens them: it is the"
                " wrong way round"
            )
        if not same(hot, mean, 1e-6):
            raise Wrong(
                "at a very high temperature all weights must become equal: divide the scores, not"
                " the weights or the output"
            )
        if not same(cold, best, 1e-6):
            raise Wrong(
                "at a very low temperature the output must be the value of the best key alone"
            )
        for temperature in (2.0, 0.5, 3):
            got = answer(query, key, value, temperature)
            if not same(got, attention(query / temperature, key, value)):
                raise Wrong(
                    "temperature {temperature:g} must divide the scores by {temperature:g}",
                    temperature=temperature,
                )


@exercise(points=3, minutes=15)
def check_effective_number(answer) -> None:
    """4.3: exponential of the entropy of each row."""
    rows = torch.tensor(
        [[0.25, 0.25, 0.25, 0.25], [0.5, 0.5, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0], [0.7, 0.1, 0.1, 0.1]]
    )
    batch = torch.cat([_random(2, 3, 5, 8), torch.zeros(1, 3, 5, 8)]).softmax(-1)
    for weights in (rows, batch, batch[0, 0, 0]):
        shape = tuple(weights.shape[:-1])
        got = want_tensor(answer(weights), name="the result")
        if got.shape != shape:
            raise Wrong(
                "for weights of shape {shape} the answer has shape {shape2}; one number"
                " for each row gives {wanted}: sum over the last dimension only",
                shape=tuple(weights.shape),
                shape2=tuple(got.shape),
                wanted=shape,
            )
        if got.isnan().any():
            raise Wrong("a weight of 0 gives nan: 0 ln 0 counts as 0")
        entropy = torch.special.entr(weights).sum(-1)
        known = {
            "this is the entropy; take e to its power to get a number of events": entropy,
            "a logarithm to base e goes with a power of e, not of 2": 2**entropy,
            "the sign of the entropy is flipped": (-entropy).exp(),
            "this is one over the sum of squares, another effective number; the entropy is wanted": (
                1 / weights.square().sum(-1)
            ),
        }
        four = "four equal weights must give 4; a weight of 0 must count for nothing"
        want_equal(got, entropy.exp(), 1e-4, "the effective number of row", known, four)


@exercise(points=2, minutes=8)
def check_unchanged(answer) -> None:
    """4.4: which changes leave the weights alone."""
    hints = {
        "A": (
            "write out the score of q with k + c: what is added, and is it the same for every key"
            " of the row?"
        ),
        "B": (
            "write out the score of q + c with k: is what is added the same for every key of the"
            " row?"
        ),
        "C": "what happens to the product of a doubled number and a halved one?",
        "D": "do the values take part in the weights?",
        "E": "a rotation keeps lengths and angles: what does it do to a dot product?",
    }
    compare_letters(answer, {"A", "C", "D", "E"}, hints)


@open_task
def open_report(report: Report) -> None:
    """The open task: a look-up task that one head fails."""
    report.text("expected")
    accuracy = report.table("accuracy", runs_of(5, 0, 1))
    if accuracy:
        first, *_, last = map(fmean, accuracy.values())
        report.want(last < first, "the accuracy does not fall: make the task harder")
    report.runs("mended", 5, 0, 1)
    before, after = (report.number(f"parameters_{name}", 1) for name in ("before", "after"))
    if before and after:
        report.want(
            abs(after - before) <= 0.05 * before,
            "the two models differ by more than 5% in their parameters: which of the two changes helped?",
        )
    report.closing()


# Answers on which the tests try the checkers: right ones, and wrong ones with words of the reason given.


def scores(query, key):
    return query @ key.mT / math.sqrt(query.shape[-1])


def naive(score):
    return score.exp() / score.exp().sum(-1, keepdim=True)


def one_history(query, key):
    """Right, but for single histories alone."""
    return scores(query, key).softmax(1)


def effective(weights, power=torch.exp, dim=-1):
    return power(torch.special.entr(weights).sum(dim))


def stable_weights(query, key):
    """In numpy, with the largest score taken off."""
    score = query.numpy() @ key.mT.numpy() / np.sqrt(query.shape[-1])
    odds = np.exp(score - score.max(axis=-1, keepdims=True))
    return odds / odds.sum(axis=-1, keepdims=True)


def single_attention(query, key, value, temperature):
    return ((scores(query, key) / temperature).softmax(1) @ value).float()


def effective_by_rows(weights):
    """By the definition, one row after the other."""
    flat = weights.reshape(-1, weights.shape[-1]).tolist()
    found = [math.exp(-sum(a * math.log(a) for a in row if a > 0)) for row in flat]
    return torch.tensor(found).reshape(weights.shape[:-1])


def effective_by_xlogy(weights):
    return np.exp(-torch.xlogy(weights, weights).sum(-1).numpy())


RIGHT = [
    (check_weights, lambda q, k: scores(q, k).softmax(-1)),
    (check_weights, stable_weights),
    (
        check_weights,
        lambda q, k: (scores(q, k) - scores(q, k).logsumexp(-1)[..., None]).exp().tolist(),
    ),
    (check_temperature, lambda q, k, v, t: attention(q, k * (1 / t), v)),
    (check_temperature, single_attention),
    (check_temperature, lambda q, k, v, t: stable_weights(q / t, k) @ v.numpy()),
    (check_effective_number, effective),
    (check_effective_number, effective_by_rows),
    (check_effective_number, effective_by_xlogy),
    (check_unchanged, {"A", "C", "D", "E"}),
    (check_unchanged, "A, C, D, E"),
    (check_unchanged, ["e", "d", "c", "a"]),
]
WRONG = [
    (check_weights, lambda q, k: (q @ k.T).softmax(1), "square root of the width"),
    (
        check_weights,
        lambda q, k: (q @ k.T / q.shape[1]).softmax(1),
        "its square root is wanted",
    ),
    (check_weights, lambda q, k: scores(q, k).softmax(0), "columns sum to 1"),
    (check_weights, lambda q, k: scores(k, q).softmax(1), "changed places"),
    (
        check_weights,
        lambda q, k: scores(q, k).exp() / scores(q, k).exp().sum(),
        "rows do not sum to 1",
    ),
    (
        check_weights,
        lambda q, k: naive(scores(q, k)),
        "inf or nan",
    ),
    (check_weights, lambda q, k: attention(q, k, k), "shape (6, 4)"),
    (check_weights, lambda q, k: (q @ k.T / 2).softmax(1), "rows sum to 1 but"),
    (
        check_weights,
        lambda q, k: (scores(q, k) - scores(q, k).max()).softmax(0).T,
        "changed places",
    ),
    (check_weights, one_history, "belongs to one query"),
    (check_weights, lambda q, k: (q @ k.T / len(q) ** 0.5).softmax(1), "number of events"),
    (check_weights, lambda q, k: scores(q, k).clamp(-700, 700).softmax(-1), "of large scores[0"),
    (
        check_weights,
        lambda q, k: naive(scores(q, k) - scores(q, k).max()),
        "inf or nan",
    ),
    (check_weights, lambda q, k: torch.nan_to_num(naive(scores(q, k))), "of large scores[0"),
    (check_weights, lambda q, k: naive(q.sub_(0.1) @ k.mT), "changes its argument `q` in place"),
    (check_temperature, lambda q, k, v, t: attention(q, k, v) / t, "divide the scores"),
    (check_temperature, lambda q, k, v, t: attention(q * t, k, v), "wrong way round"),
    (check_temperature, lambda q, k, v, t: (q @ k.T / t).softmax(1) @ v, "temperature 1"),
    (check_temperature, lambda q, k, v, t: attention(q / t, k / t, v), "divide the scores by 2"),
    (
        check_temperature,
        lambda q, k, v, t: attention(q, k, v) if t == 1 else attention(q / t, k, v)[None],
        "very high temperature",
    ),
    (check_temperature, lambda q, k, v, t: attention(q / t, q, v), "temperature 1"),
    (check_temperature, lambda q, k, v, t: attention(q / max(t, 1.0), k, v), "very low"),
    (check_temperature, lambda q, k, v, t: (q @ k.T / t / 2).softmax(1) @ v, "temperature 1"),
    (check_temperature, lambda q, k, v, t: attention(q.div_(t), k, v), "in place"),
    (check_effective_number, lambda w: -(w * w.log()).sum(-1).exp(), "nan"),
    (
        check_effective_number,
        lambda w: torch.special.entr(w).sum(-1),
        "this is the entropy",
    ),
    (check_effective_number, lambda w: effective(w, torch.exp2), "base e"),
    (
        check_effective_number,
        lambda w: effective(-w.neg(), lambda h: (-h).exp()),
        "sign of the entropy is flipped",
    ),
    (check_effective_number, lambda w: effective(w, dim=0), "must give 4"),
    (check_effective_number, lambda w: effective(w + 1e-3), "must give 4"),
    (check_effective_number, lambda w: 1 / w.square().sum(-1), "sum of squares"),
    (check_effective_number, lambda w: effective(w, dim=1), "sum over the last dimension"),
    (check_effective_number, lambda w: effective(w).mean(), "shape ()"),
    (check_effective_number, lambda w: torch.nan_to_num(-(w * w.log())).sum(-1), "the entropy"),
    (check_effective_number, lambda w: (w > 0).sum(-1), "must give 4"),
    (check_unchanged, {"C", "D", "E"}, "look at A"),
    (check_unchanged, {"A", "B", "C", "D", "E"}, "look at B"),
    (check_unchanged, {"A", "C", "E"}, "look at D"),
    (check_unchanged, {"X"}, "set of letters"),
    (check_unchanged, "ACD", "look at E"),
    (check_unchanged, set("ADE"), "look at C"),
    (check_unchanged, set("ABCDE"), "look at B"),
]
ARGUED = [
    (check_temperature, "-1 -> 1", "here are single histories, whose axis 1 is the last one"),
]

OPEN = {
    "expected": "Two genres in one question need two heads, so one head gets half of them.",
    "accuracy": {1: [1.0, 1.0, 1.0, 1.0, 1.0], 2: [0.61, 0.58, 0.64, 0.60, 0.62]},
    "mended": [0.93, 0.95, 0.90, 0.97, 0.94],
    "parameters_before": 4200,
    "parameters_after": 4224,
    **END,
}
OPEN_RIGHT = [OPEN, {**OPEN, **END_ZH}]
OPEN_WRONG = [
    (
        {**OPEN, "accuracy": {1: [0.5, 0.6, 0.7, 0.6, 0.5], 2: [0.8, 0.9, 0.8, 0.8, 0.9]}},
        "does not fall",
    ),
    ({**OPEN, "mended": [0.93, 0.95, 0.9]}, "3 of at least 5 runs"),
    ({**OPEN, "mended": [0.9] * 5}, "does the seed reach"),
    ({**OPEN, "parameters_after": 8400}, "more than 5%"),
]
