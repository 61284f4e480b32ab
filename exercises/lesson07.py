"""Checkers of lesson 07, SASRec."""

import torch
import torch.nn.functional as F

from exercises.checking import Wrong, exercise, want_equal
from tutorial_lib.models import build_model


@exercise(points=3, minutes=15)
def check_recommend(answer) -> None:
    """7.1: the k best items that were not seen, best first."""
    model = build_model("sasrec", num_items=40, max_len=10, dim=8, seed=3).eval()
    for history in ([4, 17, 23], [9], [31, 2, 5, 40, 12, 7]):
        with torch.no_grad():
            states = model(torch.tensor([history]))[0]
        raw = model.score(states[-1])
        scores = raw.clone()
        scores[history] = -torch.inf
        want, got = scores.topk(7).indices.tolist(), answer(model, list(history), 7)
        if isinstance(got, torch.Tensor):
            got = got.tolist()
        if not isinstance(got, list | tuple) or len(got) != 7:
            raise Wrong(f"for k = 7 a list of 7 ids is wanted, got {got!r}"[:200])
        got = list(got)
        if got == want:
            continue
        if got == [item - 1 for item in want]:
            raise Wrong(
                "all ids are too small by 1: column 0 of the scores is the padding, so column i is"
                " item i"
            )
        if 0 in got:
            raise Wrong("it recommends item 0, the padding, which stands for no item")
        if set(got) & set(history):
            raise Wrong(
                "it recommends an item of the history: give seen items the score -inf first"
            )
        if sorted(got) == sorted(want):
            raise Wrong("the right items in the wrong order: the best must come first")
        if len(history) > 1:
            first = model.score(states[0])
            first[history] = -torch.inf
            if got == first.topk(7).indices.tolist():
                raise Wrong(
                    "it uses the state of the first event; the state of the last real event knows"
                    " the whole history"
                )
        raise Wrong(
            "these are not the best items: score the state of the last event against all items and"
            " take the k largest"
        )


@exercise(points=3, minutes=12)
def check_bce(answer) -> None:
    """7.2: binary cross-entropy with k negatives."""
    generator = torch.Generator().manual_seed(0)
    positive, negative = torch.randn(6, generator=generator), torch.randn(6, 3, generator=generator)
    want = (F.softplus(-positive) + F.softplus(negative).sum(1)).mean()
    got = answer(positive, negative)
    known = {
        "the sign is turned round: a loss falls when the true item gains": -want,
        "the labels are swapped: the true item must gain, the negatives must lose": (
            (F.softplus(positive) + F.softplus(-negative).sum(1)).mean()
        ),
        "the negatives are averaged over k; the formula sums them": (
            (F.softplus(-positive) + F.softplus(negative).mean(1)).mean()
        ),
        "the sum over the N positions is not divided by N": want * 6,
        "this is BPR, the difference of the scores; BCE judges each score alone": (
            F.softplus(negative - positive[:, None]).mean()
        ),
    }
    for reason, value in known.items():
        if (
            isinstance(got, torch.Tensor)
            and got.shape == ()
            and torch.isclose(got, value, atol=1e-5)
        ):
            raise Wrong(reason)
    want_equal(got, want, name="the loss of the test scores")
    if not answer(torch.tensor([-1000.0]), torch.tensor([[1000.0]])).isfinite():
        raise Wrong(
            "scores of 1000 give inf or nan: the logarithm of a sigmoid that has become 0; use"
            " softplus"
        )


@exercise(points=3, minutes=15)
def check_reach(answer) -> None:
    """7.3: smallest history length with at least 95 % of the quality of the longest."""
    cases = [
        ({1: 0.05, 2: 0.08, 5: 0.099, 10: 0.101, 60: 0.100}, 5),
        ({1: 0.96, 2: 0.97, 60: 1.0}, 1),
        ({60: 0.2, 20: 0.189, 1: 0.1}, 60),
        ({1: 0.12, 5: 0.2, 60: 0.1}, 1),
    ]
    for curve, want in cases:
        got = answer(dict(curve))
        if got == want:
            continue
        if got == max(curve, key=curve.get):
            raise Wrong(
                "this is the length with the highest NDCG@10; the smallest that comes within 5 % of"
                " the longest is wanted"
            )
        if got in curve.values():
            raise Wrong("it returns a quality; a history length is wanted")
        raise Wrong(
            f"for {curve} the answer is {want}, yours is {got}: compare with 0.95 times the value"
            " of the longest history"
        )


@exercise(points=2, minutes=8)
def check_count(answer) -> None:
    """7.4: the number of parameters of SASRec."""
    for items, length, dim, hidden, blocks in (
        (3416, 200, 64, 256, 2),
        (30, 7, 8, 8, 1),
        (100, 20, 16, 64, 3),
    ):
        model = build_model(
            "sasrec", num_items=items, max_len=length, dim=dim, hidden=hidden, blocks=blocks
        )
        want, got = (
            sum(p.numel() for p in model.parameters()),
            answer(items, length, dim, hidden, blocks),
        )
        if not isinstance(got, int):
            raise Wrong(f"a whole number is wanted, got {got!r}")
        if got == want:
            continue
        missing = {
            dim: "the padding row of the item table, or one bias of width d",
            2 * dim: "the norm at the end",
            blocks * 4 * dim: "the two norms of each block, or the biases of the attention",
            length * dim: "the position table",
            blocks * (dim + hidden): "the biases of the feed-forward network",
            blocks * dim * dim: "one of the four d x d matrices of the attention",
        }
        reason = missing.get(want - got)
        about = f"; the difference is that of {reason}" if reason else ""
        raise Wrong(
            f"for V={items}, L={length}, d={dim}, h={hidden}, {blocks} blocks it is {want}, yours"
            f" is {got}{about}"
        )


# Answers on which the tests try the checkers: right ones, and wrong ones with words of the reason given.


@torch.no_grad()
def recommend(model, history, k, position=-1, hide=True, shift=0, reverse=False):
    scores = model.score(model(torch.tensor([history]))[0, position])
    if hide:
        scores[history] = -torch.inf
    best = (scores.topk(k).indices - shift).tolist()
    return best[::-1] if reverse else best


def padding_first(model, history, k):
    return [0, *recommend(model, history, k - 1)]


def bce(positive, negative):
    return (F.softplus(-positive) + F.softplus(negative).sum(1)).mean()


def naive_bce(positive, negative):
    return (-positive.sigmoid().log() - (1 - negative.sigmoid()).log().sum(1)).mean()


def reach(curve, share=0.95):
    return min(m for m, value in curve.items() if value >= share * curve[max(curve)])


def count(items, length, dim, hidden, blocks):
    block = 4 * dim * dim + 4 * dim + 2 * dim * hidden + dim + hidden + 4 * dim
    return (items + 1 + length) * dim + blocks * block + 2 * dim


RIGHT = [
    (check_recommend, recommend),
    (check_bce, bce),
    (check_reach, reach),
    (check_count, count),
]
WRONG = [
    (
        check_recommend,
        lambda m, h, k: recommend(m, h, k, hide=False),
        "item of the history",
    ),
    (check_recommend, lambda m, h, k: recommend(m, h, k, position=0), "first event"),
    (check_recommend, lambda m, h, k: recommend(m, h, k, shift=1), "too small by 1"),
    (check_recommend, lambda m, h, k: recommend(m, h, k, reverse=True), "wrong order"),
    (check_recommend, padding_first, "padding"),
    (check_recommend, lambda m, h, k: recommend(m, h, k + 1), "list of 7 ids"),
    (check_bce, lambda p, n: -bce(p, n), "turned round"),
    (check_bce, lambda p, n: bce(-p, -n), "swapped"),
    (
        check_bce,
        lambda p, n: (F.softplus(-p) + F.softplus(n).mean(1)).mean(),
        "averaged over k",
    ),
    (check_bce, lambda p, n: bce(p, n) * len(p), "not divided by N"),
    (check_bce, lambda p, n: F.softplus(n - p[:, None]).mean(), "BPR"),
    (check_bce, naive_bce, "inf or nan"),
    (check_reach, lambda c: max(c, key=c.get), "highest NDCG@10"),
    (check_reach, lambda c: max(c), "the answer is 5"),
    (check_reach, lambda c: min(c.values()), "returns a quality"),
    (
        check_reach,
        lambda c: min(m for m, v in c.items() if v >= 0.95 * max(c.values())),
        "longest",
    ),
    (check_count, lambda v, n, d, h, b: count(v - 1, n, d, h, b), "padding row"),
    (check_count, lambda v, n, d, h, b: count(v, n, d, h, b) - 2 * d, "norm at the end"),
    (check_count, lambda v, n, d, h, b: count(v, 0, d, h, b), "position table"),
    (
        check_count,
        lambda v, n, d, h, b: count(v, n, d, h, b) - b * (d + h),
        "biases of the feed-forward",
    ),
]
