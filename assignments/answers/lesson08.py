"""Answers to the exercises of lesson 08: right ones, and wrong ones with words of the reason that
the student must be given.
"""

import math

import torch

from tutorial_lib.exercises import lesson08

DAY = 86_400


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


RIGHT = [
    (lesson08.check_bucket_centre, centre),
    (lesson08.check_dial_buckets, dial),
    (lesson08.check_saturated, saturated),
    (lesson08.check_unchanged, {"A", "B", "D", "F"}),
]
WRONG = [
    (lesson08.check_bucket_centre, lambda b, h, k: centre(b, h, k, unit=1), "in minutes"),
    (
        lesson08.check_bucket_centre,
        lambda b, h, k: centre(b, h, k, less=0),
        "bucket 0 must give 0 s",
    ),
    (lesson08.check_bucket_centre, lambda b, h, k: centre(b, h, k, base=10), "not of 10"),
    (lesson08.check_bucket_centre, lambda b, h, k: centre(b, h, k, base=2), "not of 2"),
    (lesson08.check_bucket_centre, lambda b, h, k: b / k * h, "equal parts"),
    (
        lesson08.check_bucket_centre,
        lambda b, h, k: centre(b, 30 * DAY, k),
        "at a horizon of 3600 s",
    ),
    (lesson08.check_bucket_centre, lambda b, h, k: centre(b, h, k + 1), "whose bucket is"),
    (lesson08.check_dial_buckets, lambda g: g // 3600 % 24, "modulo 24"),
    (lesson08.check_dial_buckets, dial_of_hours, "rounded down before"),
    (lesson08.check_dial_buckets, lambda g: (g // 3600).clamp(max=12), "wrap round"),
    (
        lesson08.check_dial_buckets,
        lambda g: torch.minimum(g % 43_200, -g % 43_200) // 3600,
        "24 hours, not 12",
    ),
    (lesson08.check_dial_buckets, lambda g: dial(g) * 1.0, "dtype"),
    (lesson08.check_dial_buckets, dial_rounded, "do not round"),
    (lesson08.check_dial_buckets, lambda g: torch.minimum(g % DAY, DAY - g % DAY), "seconds"),
    (lesson08.check_dial_buckets, lambda g: dial(g) + 1, "belongs to bucket 0, yours is 1"),
    (lesson08.check_saturated, lambda b, n, k: saturated(b, n, k, pads=True), "counts the pads"),
    (lesson08.check_saturated, lambda b, n, k: saturated(b, n, k, diagonal=0), "with itself"),
    (lesson08.check_saturated, lambda b, n, k: saturated(b, n, k, both=True), "twice"),
    (
        lesson08.check_saturated,
        lambda b, n, k: saturated(b, n, k, both=True, pads=True),
        "all cells",
    ),
    (lesson08.check_saturated, saturated_of_all_cells, "not of all cells"),
    (lesson08.check_saturated, saturated_by_history, "counts alike"),
    (lesson08.check_saturated, lambda b, n, k: 1 - saturated(b, n, k), "not in the last bucket"),
    (lesson08.check_saturated, lambda b, n, k: 0.123, "yours is 0.1230"),
    (lesson08.check_unchanged, {"A", "B", "F"}, "look at D"),
    (lesson08.check_unchanged, {"A", "B", "C", "D", "F"}, "look at C"),
    (lesson08.check_unchanged, {"A", "B", "D", "E", "F"}, "look at E"),
    (lesson08.check_unchanged, {"A", "B", "D", "F", "G"}, "look at G"),
    (lesson08.check_unchanged, {"Z"}, "set of letters"),
]
