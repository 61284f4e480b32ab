"""Checkers of lesson 08, TiSASRec."""

import math

import numpy as np
import torch
from torch import Tensor

from exercises.checking import (
    Wrong,
    compare_letters,
    exercise,
    want_array,
    want_equal,
    want_number,
)
from exercises.open_task import Report, drawn, open_task, runs_of
from tutorial_lib.language import say

DAY = 86_400


@exercise(points=3, minutes=15)
def check_bucket_centre(answer) -> None:
    """8.1: the gap in seconds that stands for a logarithmic bucket."""
    horizon, last = 30 * DAY, 64
    scale = math.log1p(horizon / 60) / last
    got = want_number(answer(20, horizon, last), "the gap of bucket 20")
    known = {
        math.expm1(20 * scale): "this is in minutes; seconds are wanted",
        60
        * math.exp(
            20 * scale
        ): "the 1 of ln(1 + gap / 1 min) is still in it: bucket 0 must give 0 s",
        20 / last * horizon: (
            "this cuts the horizon into equal parts; the buckets are equal in the logarithm"
        ),
        60 * (10 ** (20 * scale) - 1): "a natural logarithm is undone by a power of e, not of 10",
        60 * (2 ** (20 * scale) - 1): "a natural logarithm is undone by a power of e, not of 2",
    }
    for value, reason in known.items():
        if math.isclose(got, value, rel_tol=1e-5):
            raise Wrong(reason)
    for limit, parts in ((horizon, last), (3600, last), (horizon, 10)):  # neither is written in
        for bucket in range(parts + 1):
            got = want_number(
                answer(bucket, limit, parts), say("the gap of bucket {bucket}", bucket=bucket)
            )
            width = math.log1p(limit / 60) / parts
            if math.isclose(got, 60 * math.expm1(bucket * width), rel_tol=1e-5, abs_tol=1e-6):
                continue
            found = f"{math.log1p(got / 60) / width:.9g}" if got > -60 else "no number"
            raise Wrong(
                "bucket {bucket} of {parts} at a horizon of {limit} s: yours is {got:.9g}"
                " s, of which the formula makes {found} before it rounds",
                bucket=bucket,
                parts=parts,
                limit=limit,
                got=got,
                found=found,
            )


@exercise(points=3, minutes=12)
def check_dial_buckets(answer) -> None:
    """8.2: whole hours between two times on a 24-hour dial."""
    hours = [0, 0.4, 1, 6.9, 12, 12.5, 13, 23, 23.5, 24, 25, 47.5, 24 * 365 + 5]
    edges = [3599, 3601, 7199, 43_199, 43_201, 82_800, 82_801, 86_399, 86_401, 129_600]
    years = [365 * DAY * k + 3600 * k - 1 for k in range(3, 12)]  # a float32 cannot hold these
    gaps = torch.tensor([round(hour * 3600) for hour in hours] + edges + years).view(2, 4, 4)
    for part in (gaps, gaps[:, 1:, 1:].flip(0)):
        _check_dial(answer, part)


def _check_dial(answer, gaps: Tensor) -> None:
    since = gaps % DAY
    want = torch.minimum(since, DAY - since) // 3600
    found = torch.as_tensor(want_array(answer(gaps), "the buckets", tuple(gaps.shape)))
    if found.is_floating_point():
        raise Wrong(
            "the buckets have dtype {dtype}; they pick rows of a table, so they must be"
            " whole numbers: use % and //",
            dtype=found.dtype,
        )
    whole = gaps // 3600 % 24
    known = {
        "this is the hour modulo 24: 23 hours must give 1, because the other way round the dial is shorter": (
            whole
        ),
        "hours are rounded down before the shorter way is taken: after 23.5 hours half an hour is missing, so it is bucket 0": torch.minimum(
            whole, 24 - whole
        ),
        "a gap beyond a day must wrap round: 25 hours are 1 hour": (gaps // 3600).clamp(max=12),
        "the dial has 24 hours, not 12: 13 hours are 11 hours apart": (
            torch.minimum(gaps % (DAY // 2), -gaps % (DAY // 2)) // 3600
        ),
        "these are seconds; divide by 3600": torch.minimum(since, DAY - since),
        "count whole hours, do not round: 6.9 hours are bucket 6": (
            (torch.minimum(since, DAY - since) / 3600).round().long()
        ),
    }
    for reason, value in known.items():
        if torch.equal(found, value):
            raise Wrong(reason)
    if (found != want).any():
        place = tuple((found != want).nonzero()[0].tolist())
        raise Wrong(
            "a gap of {gaps:,} s ({gaps2:.9g} hours) belongs to bucket {want}, yours is {found}",
            gaps=gaps[place].item(),
            gaps2=gaps[place].item() / 3600,
            want=want[place],
            found=found[place],
        )


def _shares(buckets: Tensor, lengths: Tensor, last: int) -> tuple[float, dict[str, float]]:
    """The share of exercise 8.3 and what known mistakes make of it."""
    length = buckets.shape[1]
    place = torch.arange(length)
    real = place < lengths[:, None]
    both = real[:, :, None] & real[:, None]
    before = (place < place[:, None]).expand_as(both)  # the key is the earlier event
    earlier = both & before
    full = buckets == last

    def share(pairs: Tensor) -> float:
        return full[pairs].double().mean().item()

    each = [full[u][earlier[u]].double().mean().item() for u in range(len(lengths))]
    known = {
        "it counts the pads: a pair needs two real events": share(before),
        "it counts each event with itself; only earlier events are asked for": share(
            (place <= place[:, None]) & both
        ),
        "it reads the cells above the diagonal: the rows are queries, so there the key is the later event": share(
            both & ~before & (place != place[:, None])
        ),
        "it counts every pair twice, and each event with itself: only keys before the query are asked for": (
            share(both)
        ),
        "it counts all cells: later events and pads must stay out": share(torch.ones_like(both)),
        "divide by the number of pairs that count, not of all cells": (
            (full & earlier).sum().item() / both.numel()
        ),
        "divide by the number of pairs that count, not of all pairs of the window": (
            (full & earlier).sum().item() / before.sum().item()
        ),
        "this is the number of the pairs, not their share": float((full & earlier).sum()),
        "this is in per cent; a share between 0 and 1 is wanted": 100 * share(earlier),
        "this is the share of the pairs that are not in the last bucket": 1 - share(earlier),
        "it averages the shares of the histories; every pair of the batch counts alike": (
            sum(value for value in each if value == value) / sum(value == value for value in each)
        ),
        "it averages the shares of the histories, one event alone as 0; every pair counts alike": (
            sum(value for value in each if value == value) / len(each)
        ),
        "it looks for the largest bucket of the batch; what counts is the number `last`": (
            (buckets == buckets[earlier].max())[earlier].double().mean().item()
        ),
    }
    return share(earlier), known


@exercise(points=3, minutes=15)
def check_saturated(answer) -> None:
    """8.3: share of the pairs with an earlier event that lie in the last bucket; pads count for
    nothing.
    """
    generator = torch.Generator().manual_seed(1)
    for shape, lengths, last, top in (
        ((4, 7, 7), [7, 4, 2, 1], 3, 3),
        ((2, 5, 5), [5, 3], 4, 4),
        ((3, 6, 6), [3, 6, 2], 5, 4),  # no pair has come so far
    ):
        buckets = torch.randint(0, top + 1, shape, generator=generator)
        lengths = torch.tensor(lengths)
        want, known = _shares(buckets, lengths, last)
        got = want_number(answer(buckets, lengths, last), "the share")
        want_equal(got, want, tol=1e-5, name="the share of a test batch", known=known)


@exercise(points=2, minutes=8)
def check_unchanged(answer) -> None:
    """8.4: which changes leave the states of TiSASRec alone."""
    hints = {
        "A": "what happens to a difference of two times when both are moved?",
        "B": "the unit is a gap too: what happens to it, and to the number of units in a gap?",
        "C": "are 2 minutes and 6 minutes in the same logarithmic bucket?",
        "D": "write out the score: is what is added the same for every key of a row?",
        "E": "the weights of a row sum to 1: what is added to the output?",
        "F": "does the model as published read the query times?",
        "G": "the interval is 0 either way, but what about the positions of the two events?",
    }
    compare_letters(answer, {"A", "B", "D", "F"}, hints)


@open_task
def open_report(report: Report) -> None:
    """The open task: pauses that the table has never seen."""
    before = report.table("before", runs_of(5, 0, 1), least=3)
    report.table("after", runs_of(5, 0, 1), least=3)
    report.same_keys("before", "after")
    if before:
        report.want(
            min(before) <= 60 and max(before) >= 3650 * DAY,
            "the pauses are seconds, and go from a minute to ten years",
        )
    report.text("still_fails")
    report.text("worse_on")
    report.picture()


# Answers on which the tests try the checkers: right ones, and wrong ones with words of the reason given.


def centre(bucket, horizon, last, unit=60, base=math.e, less=1):
    return unit * (base ** (bucket * math.log1p(horizon / 60) / last) - less)


def dial(gaps):
    since = gaps % DAY
    return torch.minimum(since, DAY - since) // 3600


def dial_of_hours(gaps):
    hours = gaps // 3600 % 24
    return torch.minimum(hours, 24 - hours)


def dial_rounded(gaps):
    since = gaps % DAY
    return (torch.minimum(since, DAY - since) / 3600).round().long()


def saturated(buckets, lengths, last, diagonal=-1, pads=False, both=False):
    length = buckets.shape[1]
    pairs = torch.ones(length, length, dtype=torch.bool)
    pairs = (pairs if both else pairs.tril(diagonal)).expand(len(lengths), -1, -1)
    real = torch.arange(length) < lengths[:, None]
    pairs = pairs if pads else pairs & real[:, :, None] & real[:, None]
    return (buckets[pairs] == last).double().mean().item()


def saturated_by_history(buckets, lengths, last):
    shares = [
        saturated(buckets[u : u + 1], lengths[u : u + 1], last)
        for u in range(len(lengths))
        if lengths[u] > 1
    ]
    return sum(shares) / len(shares)


def saturated_of_all_cells(buckets, lengths, last):
    real = torch.arange(buckets.shape[1]) < lengths[:, None]
    return ((buckets == last).tril(-1) & real[:, :, None]).double().mean().item()


def by_logarithms(bucket, horizon, last):
    """The steps written down one by one, in float32."""
    tops = torch.linspace(0, math.log1p(horizon / 60), last + 1)
    return 60 * torch.expm1(tops[bucket : bucket + 1])


def dial_folded(gaps):
    """In numpy: seconds since midnight, folded at noon."""
    return (DAY // 2 - np.abs(gaps.numpy() % DAY - DAY // 2)) // 3600


def dial_in_loops(gaps):
    return [[[min(g % DAY, -g % DAY) // 3600 for g in row] for row in one] for one in gaps.tolist()]


def saturated_where_real(buckets, lengths, last):
    place = torch.arange(buckets.shape[1])
    pairs = (place < place[:, None]) & (place[:, None] < lengths[:, None, None])
    return (buckets[pairs] == last).double().mean().item()


def saturated_by_counting(buckets, lengths, last):
    full = total = 0
    for user, length in enumerate(lengths.tolist()):
        for query in range(length):
            total += query
            full += (buckets[user, query, :query] == last).sum()
    return full / total  # a float32 tensor


def saturated_in_numpy(buckets, lengths, last):
    rows, columns = np.tril_indices(buckets.shape[1], -1)
    real = rows < lengths.numpy()[:, None]
    return np.mean(buckets.numpy()[:, rows, columns][real] == last)


RIGHT = [
    (check_bucket_centre, centre),
    (check_bucket_centre, by_logarithms),
    (check_bucket_centre, lambda b, h, k: np.float32(60 * ((1 + h / 60) ** (b / k) - 1))),
    (check_dial_buckets, dial),
    (check_dial_buckets, dial_folded),
    (check_dial_buckets, dial_in_loops),
    (check_dial_buckets, lambda g: dial(g).to(torch.uint8)),
    (check_saturated, saturated_where_real),
    (check_saturated, saturated_by_counting),
    (check_saturated, saturated_in_numpy),
    (check_unchanged, {"A", "B", "D", "F"}),
    (check_unchanged, "A, B, D, F"),
    (check_unchanged, np.array(["F", "D", "B", "A"])),
]
WRONG = [
    (check_bucket_centre, lambda b, h, k: centre(b, h, k, unit=1), "in minutes"),
    (
        check_bucket_centre,
        lambda b, h, k: centre(b, h, k, less=0),
        "bucket 0 must give 0 s",
    ),
    (check_bucket_centre, lambda b, h, k: centre(b, h, k, base=10), "not of 10"),
    (check_bucket_centre, lambda b, h, k: centre(b, h, k, base=2), "not of 2"),
    (check_bucket_centre, lambda b, h, k: b / k * h, "equal parts"),
    (
        check_bucket_centre,
        lambda b, h, k: centre(b, 30 * DAY, k),
        "at a horizon of 3600 s",
    ),
    (check_bucket_centre, lambda b, h, k: centre(b, h, k + 1), "before it rounds"),
    (check_bucket_centre, lambda b, h, k: centre(b, h, 64), "bucket 1 of 10"),
    (check_bucket_centre, lambda b, h, k: centre(b, h, k) if b else 60, "bucket 0 of 64"),
    (check_bucket_centre, lambda b, h, k: round(centre(b, h, k)), "yours is"),
    (check_bucket_centre, lambda b, h, k: centre(b, h, k) - 100, "makes no number"),
    (check_dial_buckets, lambda g: g // 3600 % 24, "modulo 24"),
    (check_dial_buckets, dial_of_hours, "rounded down before"),
    (check_dial_buckets, lambda g: (g // 3600).clamp(max=12), "wrap round"),
    (
        check_dial_buckets,
        lambda g: torch.minimum(g % 43_200, -g % 43_200) // 3600,
        "24 hours, not 12",
    ),
    (check_dial_buckets, lambda g: dial(g) * 1.0, "dtype"),
    (check_dial_buckets, dial_rounded, "do not round"),
    (check_dial_buckets, lambda g: torch.minimum(g % DAY, DAY - g % DAY), "seconds"),
    (check_dial_buckets, lambda g: dial(g) + 1, "belongs to bucket 0, yours is 1"),
    (check_dial_buckets, lambda g: dial(g[:1]).expand_as(g), "belongs to bucket"),
    (check_dial_buckets, lambda g: dial(g.float()).long(), "94,618,799 s (26282.9997 hours)"),
    (check_dial_buckets, lambda g: dial(g // 60 * 60 + 59), "yours is"),
    (check_dial_buckets, lambda g: dial(g).clamp(max=11), "belongs to bucket 12"),
    (check_saturated, lambda b, n, k: saturated(b, n, k, pads=True), "counts the pads"),
    (check_saturated, lambda b, n, k: saturated(b, n, k, diagonal=0), "with itself"),
    (check_saturated, lambda b, n, k: saturated(b, n, k, both=True), "twice"),
    (
        check_saturated,
        lambda b, n, k: saturated(b, n, k, both=True, pads=True),
        "all cells",
    ),
    (check_saturated, saturated_of_all_cells, "not of all cells"),
    (check_saturated, saturated_by_history, "counts alike"),
    (check_saturated, lambda b, n, k: 1 - saturated(b, n, k), "not in the last bucket"),
    (check_saturated, lambda b, n, k: 0.123, "the share of a test batch is 0.123"),
    (check_saturated, lambda b, n, k: saturated(b, n, b.max()), "the largest bucket"),
    (check_saturated, lambda b, n, k: saturated(b.transpose(1, 2), n, k), "above the diagonal"),
    (check_saturated, lambda b, n, k: 100 * saturated(b, n, k), "per cent"),
    (check_saturated, lambda b, n, k: saturated(b, n, 3), "the share of a test batch"),
    (check_saturated, lambda b, n, k: saturated(b, n, k).__ceil__(), "the share of a test"),
    (check_saturated, lambda b, n, k: [saturated(b, n, k)] * 2, "one number"),
    (check_unchanged, {"A", "B", "F"}, "look at D"),
    (check_unchanged, {"A", "B", "C", "D", "F"}, "look at C"),
    (check_unchanged, {"A", "B", "D", "E", "F"}, "look at E"),
    (check_unchanged, {"A", "B", "D", "F", "G"}, "look at G"),
    (check_unchanged, "ABDEFG", "look at E"),
    (check_unchanged, ("A", "D", "F"), "look at B"),
    (check_unchanged, [], "look at A"),
    (check_unchanged, {"Z"}, "set of letters"),
]
# Changes of right answers that stay right (tests/exercises/mutants.py), and why.
ARGUED = [
    (check_bucket_centre, "one axis more", "an array that holds one number is a number"),
    (
        check_dial_buckets,
        "torch.minimum(since, DAY - since) // 3600 -> torch.minimum(since, DAY - since) / 3600",
        "the change to uint8 rounds down as well",
    ),
    (check_saturated, "1 -> 2", "there are as many keys as queries"),
]

OPEN = {
    "before": {pause: [0.9, 0.8, 0.9, 0.7, 0.9] for pause in (60, DAY, 4000 * DAY)},
    "after": {pause: [0.9, 0.9, 0.9, 0.8, 0.9] for pause in (60, DAY, 4000 * DAY)},
    "still_fails": "Between two hours and a day, where training had no pauses at all.",
    "worse_on": "A world in which a pause of exactly seven days means something of its own.",
    "picture": drawn("pause"),
}
OPEN_RIGHT = [
    OPEN,
    {
        **OPEN,
        **{
            "picture": drawn("pause").axes[0],
            "still_fails": "两小时到一天之间仍然失败，因为训练中没有这样的停顿。",
        },
    },
]
OPEN_WRONG = [
    ({**OPEN, "before": {60: [0.9, 0.8, 0.9, 0.7, 0.9]}}, "1 of at least 3"),
    (
        {**OPEN, "after": {pause: [0.9, 0.8, 0.9, 0.7, 0.8] for pause in (60, 3600, 7200)}},
        "different entries",
    ),
    (
        {**OPEN, "before": {pause: [0.9, 0.8, 0.9, 0.7, 0.8] for pause in (1, 2, 3)}},
        "from a minute to ten years",
    ),
    ({**OPEN, "worse_on": ""}, "says too little"),
]
