"""Answers to the exercises of lesson 07: right ones, and wrong ones with words of the reason that
the student must be given.
"""

import torch
import torch.nn.functional as F

from tutorial_lib.exercises import lesson07


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
    (lesson07.check_recommend, recommend),
    (lesson07.check_bce, bce),
    (lesson07.check_reach, reach),
    (lesson07.check_count, count),
]
WRONG = [
    (
        lesson07.check_recommend,
        lambda m, h, k: recommend(m, h, k, hide=False),
        "item of the history",
    ),
    (lesson07.check_recommend, lambda m, h, k: recommend(m, h, k, position=0), "first event"),
    (lesson07.check_recommend, lambda m, h, k: recommend(m, h, k, shift=1), "too small by 1"),
    (lesson07.check_recommend, lambda m, h, k: recommend(m, h, k, reverse=True), "wrong order"),
    (lesson07.check_recommend, padding_first, "padding"),
    (lesson07.check_recommend, lambda m, h, k: recommend(m, h, k + 1), "list of 7 ids"),
    (lesson07.check_bce, lambda p, n: -bce(p, n), "turned round"),
    (lesson07.check_bce, lambda p, n: bce(-p, -n), "swapped"),
    (
        lesson07.check_bce,
        lambda p, n: (F.softplus(-p) + F.softplus(n).mean(1)).mean(),
        "averaged over k",
    ),
    (lesson07.check_bce, lambda p, n: bce(p, n) * len(p), "not divided by N"),
    (lesson07.check_bce, lambda p, n: F.softplus(n - p[:, None]).mean(), "BPR"),
    (lesson07.check_bce, naive_bce, "inf or nan"),
    (lesson07.check_reach, lambda c: max(c, key=c.get), "highest NDCG@10"),
    (lesson07.check_reach, lambda c: max(c), "the answer is 5"),
    (lesson07.check_reach, lambda c: min(c.values()), "returns a quality"),
    (
        lesson07.check_reach,
        lambda c: min(m for m, v in c.items() if v >= 0.95 * max(c.values())),
        "longest",
    ),
    (lesson07.check_count, lambda v, n, d, h, b: count(v - 1, n, d, h, b), "padding row"),
    (lesson07.check_count, lambda v, n, d, h, b: count(v, n, d, h, b) - 2 * d, "norm at the end"),
    (lesson07.check_count, lambda v, n, d, h, b: count(v, 0, d, h, b), "position table"),
    (
        lesson07.check_count,
        lambda v, n, d, h, b: count(v, n, d, h, b) - b * (d + h),
        "biases of the feed-forward",
    ),
]
