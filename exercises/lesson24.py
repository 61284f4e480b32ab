"""Checkers of lesson 24, larger data and larger models."""

from functools import partial

import numpy as np

from exercises.checking import (
    Wrong,
    compare_letters,
    exercise,
    want_equal,
    want_number,
    want_whole,
)
from exercises.open_task import Report, open_task
from tutorial_lib.language import say

# 24.1

STEPS = (  # bytes, items, window, width, negatives (None: all items are scored)
    (16e9, 300_000, 50, 64, None),
    (16e9, 300_000, 50, 64, 512),
    (1e9, 1_000_000, 50, 64, 512),  # the table alone takes 1.02e9
    (1.1e9, 1_000_000, 50, 64, 512),
    (16 * 1000 * 8 + 8 * 10 * 1000 * 3, 1000, 10, 8, None),  # exactly three windows
    (16 * 1000 * 8 + 8 * 10 * 1000 * 3 - 1, 1000, 10, 8, None),  # one byte too few for the third
    (2e9, 50_000, 200, 32, 100),
)


def _fitting(
    limit: float,
    items: int,
    length: int,
    width: int,
    negatives: int | None,
    *,
    a_parameter: int = 16,
    a_score: int = 8,
    table: bool = True,
    target: int = 1,
    ignores_negatives: bool = False,
) -> int:
    scored = items if negatives is None or ignores_negatives else target + negatives
    left = limit - (a_parameter * items * width if table else 0)
    return max(0, int(left // (a_score * length * scored)))


@exercise(points=2, minutes=10)
def check_largest_batch(answer) -> None:
    """24.1: the largest number of windows whose step fits into the memory."""
    variants = {
        "the item table with Adam takes memory as well, before the first window": {"table": False},
        "a parameter needs 16 bytes in training: itself, its gradient and two means of Adam": {
            "a_parameter": 4
        },
        "a score stands in memory twice, as a number and as its gradient: 8 bytes": {"a_score": 4},
        "with negatives a position is scored against them and its target, not against all items": {
            "ignores_negatives": True
        },
        "the target itself is scored as well: 1 + negatives": {"target": 0},
    }
    for case in STEPS:
        want = _fitting(*case)
        got = want_whole(answer(*case), "the number of windows")
        if got == want:
            continue
        for reason, options in variants.items():
            if got == _fitting(*case, **options):
                raise Wrong(reason)
        limit, items, length, width, negatives = case
        raise Wrong(
            "with {limit:.0f} bytes, {items} items, windows of {length}, width {width} and"
            " negatives={negatives} it is {want}, yours is {got}",
            limit=limit,
            items=items,
            length=length,
            width=width,
            negatives=negatives,
            want=want,
            got=got,
        )


# 24.2

PARTS = (  # losses of the targets of each process
    ([1.0, 1.0, 1.0], [5.0]),
    ([2.0, 4.0], [], [3.0]),  # a process without targets
    ([0.5], [0.25, 0.75], [1.5, 2.5, 3.5, 4.5]),
    ([], [7.0, 1.0, 1.0]),
)


@exercise(points=2, minutes=10)
def check_global_loss(answer) -> None:
    """24.2: the mean loss over the targets of all processes."""
    for case in PARTS:
        parts = [np.array(part) for part in case]
        every = np.concatenate(parts)
        want = every.mean()
        got = want_number(answer(parts), "the loss")
        filled = [part.mean() for part in parts if len(part)]
        known = {
            "this is the mean of the means: a process with few targets counts too much": np.mean(
                filled
            ),
            "a process without targets has the mean nan; it must count as nothing": np.nan,
            "this is the sum; divide by the number of targets of all processes": every.sum(),
            "divide by the number of targets, not by the number of processes": every.sum()
            / len(parts),
            "divide by the number of targets of all processes, not of the largest one": every.sum()
            / max(map(len, parts)),
        }
        if np.isnan(got):
            raise Wrong("a process without targets has the mean nan; it must count as nothing")
        want_equal(
            got,
            want,
            name="the loss",
            known={reason: value for reason, value in known.items() if not np.isnan(value)},
            otherwise=say("with the losses {losses}", losses=[list(part) for part in case]),
        )


# 24.3


def _sampled(
    target_score,
    scores,
    drawn,
    target,
    q,
    *,
    correct: bool = True,
    count: bool = True,
    mask: bool = True,
    sign: float = 1.0,
    target_too: float = 0.0,
) -> float:
    m = len(drawn) if count else 1
    shift = sign * np.log(m * q[drawn]) if correct else 0.0
    negative = scores - shift
    if mask:
        negative = negative[drawn != target]
    own = target_score - target_too * np.log(m * q[target])
    both = np.append(negative, own)
    top = both.max()
    return float(top + np.log(np.exp(both - top).sum()) - own)


def _draws():
    rng = np.random.default_rng(24)
    for items, m, target in ((6, 4, 2), (5, 12, 0), (30, 8, 11), (4, 3, 3), (50, 40, 0)):
        q = rng.dirichlet(np.ones(items))
        drawn = rng.choice(items, size=m, p=q)
        if items == 4:
            drawn[:] = [3, 3, 0]  # the target twice
        if items == 50:
            drawn[:3] = 0
        scores = 2 * rng.normal(size=items)
        if items == 30:
            scores = scores + 900  # exp overflows unless the largest is taken out
        yield scores[target], scores[drawn], drawn, target, q


@exercise(points=4, minutes=20)
def check_sampled_loss(answer) -> None:
    """24.3: the sampled softmax with logQ correction, accidental hits left out."""
    variants = {
        "the correction is missing: subtract log(m q_j) from the score of each negative": {
            "correct": False
        },
        "m is missing in the correction: each draw stands for 1 / (m q_j) items": {"count": False},
        "negatives that are the target itself must be left out": {"mask": False},
        "the correction is subtracted, not added": {"sign": -1.0},
        "the target is always there, so its score is not corrected": {"target_too": 1.0},
    }
    for given in _draws():
        want = _sampled(*given)
        got = want_number(answer(*given), "the loss")
        if not np.isfinite(got):
            raise Wrong(
                "scores near {score:.0f} give {got}: subtract the largest before you take exp",
                score=given[0],
                got=got,
            )
        known = {reason: _sampled(*given, **how) for reason, how in variants.items()}
        known = {reason: value for reason, value in known.items() if abs(value - want) > 1e-6}
        known["this is log(p), the loss is -log(p)"] = -want
        want_equal(
            got,
            want,
            name="the loss",
            known=known,
            tol=1e-6,
            otherwise=say(
                "with {m} negatives, {hits} of them the target",
                m=len(given[2]),
                hits=int((given[2] == given[3]).sum()),
            ),
        )


# 24.4


@exercise(points=2, minutes=8)
def check_statements(answer) -> None:
    """24.4: which statements about growth are right."""
    hints = {
        "A": "how do the operations of attention and of the maps grow with L?",
        "B": "which line of the bill belongs to the scores, and which to the table?",
        "C": "look at what the in-batch experiment learned, and at the word *history* below it",
        "D": "what does the ring send when a gradient is row-sparse, and what when it is full?",
        "E": "is every row of the table used at every step?",
        "F": "which sum has to be divided by which number?",
    }
    compare_letters(answer, {"A", "C", "F"}, hints)


@open_task
def open_report(report: Report) -> None:
    """The open task: a bill written beforehand."""
    for name in ("planned_hours", "measured_hours", "planned_bytes", "measured_bytes"):
        report.number(name, 0)
    report.interval("before", 0, 1)
    report.interval("after", 0, 1)
    difference = report.interval("difference", -1, 1)
    if difference:
        report.want(
            difference.high >= 0,
            "the whole interval of after - before is below 0: this change does lose something",
        )
    report.text("change")
    report.text("wrong")


# Answers on which the tests try the checkers: right ones, and wrong ones with words of the reason given.


def counted(limit, items, length, width, negatives):
    scored = items if negatives is None else negatives + 1
    return max(0, (limit - 16 * items * width) // (8 * length * scored))


def summed(parts):
    return sum(part.sum() for part in parts) / sum(map(len, parts))


def weighted(parts):
    shares = np.array([len(part) for part in parts], dtype=float)
    means = np.array([part.mean() if len(part) else 0.0 for part in parts])
    return (shares / shares.sum()) @ means


def in_torch(target_score, scores, drawn, target, q):
    import torch

    chance = torch.as_tensor(q)[torch.as_tensor(drawn)]
    negative = torch.as_tensor(scores) - (len(drawn) * chance).log()
    negative = negative.masked_fill(torch.as_tensor(drawn) == target, -torch.inf)
    both = torch.cat([torch.tensor([target_score], dtype=torch.float64), negative])
    return torch.nn.functional.cross_entropy(both[None], torch.tensor([0]))


def one_by_one(target_score, scores, drawn, target, q):
    total = 1.0
    for score, item in zip(scores, drawn, strict=True):
        if item != target:
            total += np.exp(score - target_score) / (len(drawn) * q[item])
    return np.log(total)


def overflowing(target_score, scores, drawn, target, q):
    kept = drawn != target
    below = np.exp(target_score) + (np.exp(scores) / (len(drawn) * q[drawn]))[kept].sum()
    return -np.log(np.exp(target_score) / below)


def mean_of_means(parts):
    return np.mean([part.mean() for part in parts if len(part)])


RIGHT = [
    (check_largest_batch, counted),
    (check_largest_batch, lambda *case: float(_fitting(*case))),
    (check_largest_batch, lambda *case: np.int64(_fitting(*case))),
    (check_global_loss, summed),
    (check_global_loss, weighted),
    (check_global_loss, lambda parts: np.concatenate(parts).mean(dtype=np.float64)),
    (check_sampled_loss, in_torch),
    (check_sampled_loss, one_by_one),
    (check_sampled_loss, _sampled),
    (check_statements, {"A", "C", "F"}),
    (check_statements, "A, C, F"),
    (check_statements, ["F", "A", "C"]),
]
WRONG = [
    (check_largest_batch, partial(_fitting, table=False), "before the first window"),
    (check_largest_batch, partial(_fitting, a_parameter=4), "two means of Adam"),
    (check_largest_batch, partial(_fitting, a_score=4), "twice"),
    (check_largest_batch, partial(_fitting, ignores_negatives=True), "not against all items"),
    (check_largest_batch, partial(_fitting, target=0), "1 + negatives"),
    (check_largest_batch, lambda *case: counted(*case) + 1, "yours is"),
    (check_largest_batch, lambda *case: max(1, counted(*case)), "yours is 1"),
    (check_largest_batch, lambda *case: counted(*case) + 0.5, "whole number"),
    (check_global_loss, mean_of_means, "mean of the means"),
    (check_global_loss, lambda parts: np.mean([part.mean() for part in parts]), ""),
    (check_global_loss, lambda parts: sum(part.sum() for part in parts), "this is the sum"),
    (check_global_loss, lambda parts: summed(parts) * 1.001, "the loss"),
    (
        check_global_loss,
        lambda parts: sum(part.sum() for part in parts) / len(parts),
        "not by the number of processes",
    ),
    (check_sampled_loss, partial(_sampled, correct=False), "correction is missing"),
    (check_sampled_loss, partial(_sampled, count=False), "m is missing"),
    (check_sampled_loss, partial(_sampled, mask=False), "left out"),
    (check_sampled_loss, partial(_sampled, sign=-1.0), "subtracted"),
    (check_sampled_loss, partial(_sampled, target_too=1.0), "not corrected"),
    (check_sampled_loss, lambda *given: -_sampled(*given), "-log(p)"),
    (check_sampled_loss, overflowing, "largest"),
    (check_sampled_loss, lambda *given: _sampled(*given) + 0.01, "the loss"),
    (check_statements, {"A", "C"}, "F"),
    (check_statements, {"A", "B", "C", "F"}, "B"),
    (check_statements, {"A", "C", "D", "F"}, "D"),
    (check_statements, {"A", "C", "E", "F"}, "E"),
]

OPEN = {
    "planned_hours": 3,
    "measured_hours": 7.5,
    "planned_bytes": 2e9,
    "measured_bytes": 2.4e9,
    "change": "256 negatives for each batch in place of all two million items.",
    "before": (0.101, 0.098, 0.104),
    "after": (0.100, 0.097, 0.103),
    "difference": (-0.001, -0.003, 0.001),
    "wrong": "The hours: reading the log took longer than all the matrix products.",
}
OPEN_RIGHT = [
    OPEN,
    {
        **OPEN,
        **{
            "wrong": "估错的是小时数：读取日志比所有的矩阵乘法都慢。",
            "planned_hours": np.float32(3),
        },
    },
]
OPEN_WRONG = [
    ({**OPEN, "difference": (-0.01, -0.02, -0.005)}, "does lose something"),
    ({**OPEN, "measured_hours": -1}, "`measured_hours` is -1"),
    ({**OPEN, "wrong": ...}, "`wrong` is missing"),
    ([0.1, 0.2], "a report is a dictionary"),
]
