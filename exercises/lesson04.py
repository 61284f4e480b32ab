"""Checkers of lesson 04, self-attention."""

import math

import torch

from exercises.checking import Wrong, compare_letters, exercise
from tutorial_lib.models.attention import attention, attention_weights


def _random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.double)


def _same(got: torch.Tensor, want: torch.Tensor) -> bool:
    return torch.allclose(got, want, atol=1e-9)


@exercise(points=3, minutes=15)
def check_weights(answer) -> None:
    """4.1: attention weights without `softmax`, stable for large scores."""
    query, key = _random(6, 4), _random(6, 4, seed=1)
    got, want = answer(query, key), attention_weights(query, key)
    if got.shape != want.shape:
        raise Wrong(
            f"the weights have shape {tuple(got.shape)}; one row for each query and one column for"
            " each key gives (6, 6)"
        )
    if not _same(got, want):
        if _same(got, (query @ key.T).softmax(-1)):
            raise Wrong("the scores are not divided by the square root of the width")
        if _same(got, (query @ key.T / 4).softmax(-1)):
            raise Wrong("the scores are divided by the width itself; its square root is wanted")
        if _same(got.sum(0), torch.ones(6).double()) or _same(got, (query @ key.T / 2).softmax(-2)):
            raise Wrong("the columns sum to 1; each row belongs to one query, so the rows must")
        if _same(got, want.T) or _same(got, attention_weights(key, query)):
            raise Wrong("query and key have changed places: row i must belong to query i")
        if not _same(got.sum(1), torch.ones(6).double()):
            raise Wrong("the rows do not sum to 1: divide by the sum of the row, with keepdim=True")
        raise Wrong("the rows sum to 1 but the weights differ from softmax(query key^T / sqrt(d))")
    if not answer(1000 * query, key).isfinite().all():
        raise Wrong(
            "large scores give inf or nan: subtract the largest score of each row before exp()"
        )


@exercise(points=3, minutes=12)
def check_temperature(answer) -> None:
    """4.2: attention with a temperature."""
    query, key, value = _random(3, 5, 4).unbind(0)
    if not _same(answer(query, key, value, 1.0), attention(query, key, value)):
        raise Wrong("temperature 1 must give plain attention, scaling by sqrt(d) included")
    hot, cold = answer(query, key, value, 1e9), answer(query, key, value, 1e-6)
    if _same(cold, value.mean(0).expand(5, 4)):
        raise Wrong(
            "a high temperature sharpens the weights and a low one flattens them: it is the wrong"
            " way round"
        )
    if not torch.allclose(hot, value.mean(0).expand(5, 4), atol=1e-6):
        raise Wrong(
            "at a very high temperature all weights must become equal: divide the scores, not the"
            " weights or the output"
        )
    if not _same(cold, value[(query @ key.T).argmax(1)]):
        raise Wrong("at a very low temperature the output must be the value of the best key alone")
    if not _same(answer(query, key, value, 2.0), attention(query / 2, key, value)):
        raise Wrong("temperature 2 must halve the scores")


@exercise(points=3, minutes=15)
def check_effective_number(answer) -> None:
    """4.3: exponential of the entropy of each row."""
    rows = torch.tensor(
        [[0.25, 0.25, 0.25, 0.25], [0.5, 0.5, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0], [0.7, 0.1, 0.1, 0.1]]
    )
    got = answer(rows)
    if got.shape != (4,):
        raise Wrong(f"the answer has shape {tuple(got.shape)}; one number for each row gives (4,)")
    if got.isnan().any():
        raise Wrong("a weight of 0 gives nan: 0 ln 0 counts as 0")
    entropy = torch.special.entr(rows).sum(-1)
    if torch.allclose(got, entropy, atol=1e-5):
        raise Wrong("this is the entropy; take e to its power to get a number of events")
    if torch.allclose(got, 2**entropy, atol=1e-5):
        raise Wrong("a logarithm to base e goes with a power of e, not of 2")
    if torch.allclose(got, (-entropy).exp(), atol=1e-5):
        raise Wrong("the sign of the entropy is turned round")
    if not torch.allclose(got, entropy.exp(), atol=1e-5):
        raise Wrong(
            f"four equal weights must give 4, not {got[0]:.2f}; 0.7, 0.1, 0.1, 0.1 must give"
            f" {math.exp(entropy[3]):.2f}"
        )
    if answer(rows.expand(2, 4, 4)).shape != (2, 4):
        raise Wrong("leading dimensions must be kept: sum over the last dimension only")


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


# Answers on which the tests try the checkers: right ones, and wrong ones with words of the reason given.


def scores(query, key):
    return query @ key.T / math.sqrt(query.shape[1])


def effective(weights, power=torch.exp, dim=-1):
    return power(torch.special.entr(weights).sum(dim))


RIGHT = [
    (check_weights, lambda q, k: scores(q, k).softmax(1)),
    (check_temperature, lambda q, k, v, t: attention(q, k * (1 / t), v)),
    (check_effective_number, effective),
    (check_unchanged, {"A", "C", "D", "E"}),
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
        lambda q, k: scores(q, k).exp() / scores(q, k).exp().sum(1, keepdim=True),
        "inf or nan",
    ),
    (check_weights, lambda q, k: attention(q, k, k), "shape (6, 4)"),
    (check_temperature, lambda q, k, v, t: attention(q, k, v) / t, "divide the scores"),
    (check_temperature, lambda q, k, v, t: attention(q * t, k, v), "wrong way round"),
    (check_temperature, lambda q, k, v, t: (q @ k.T / t).softmax(1) @ v, "temperature 1"),
    (check_temperature, lambda q, k, v, t: attention(q / t, k / t, v), "halve"),
    (check_effective_number, lambda w: -(w * w.log()).sum(-1).exp(), "nan"),
    (
        check_effective_number,
        lambda w: torch.special.entr(w).sum(-1),
        "this is the entropy",
    ),
    (check_effective_number, lambda w: effective(w, torch.exp2), "base e"),
    (check_effective_number, lambda w: effective(-w.neg(), lambda h: (-h).exp()), "sign"),
    (check_effective_number, lambda w: effective(w, dim=0), "must give 4"),
    (check_unchanged, {"C", "D", "E"}, "look at A"),
    (check_unchanged, {"A", "B", "C", "D", "E"}, "look at B"),
    (check_unchanged, {"A", "C", "E"}, "look at D"),
    (check_unchanged, {"X"}, "set of letters"),
]
