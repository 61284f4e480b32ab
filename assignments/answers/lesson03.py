"""Answers to the exercises of lesson 03: right ones, and wrong ones with words of the reason that
the student must be given.
"""

import math

import numpy as np
import torch

from tutorial_lib.exercises import lesson03


def ascending(events, user=True, time=True, up=True):
    tie = np.ones(len(events) - 1, dtype=bool)
    tie &= (np.diff(events["user"]) == 0) | (not user)
    tie &= (np.diff(events["timestamp"]) == 0) | (not time)
    step = np.diff(events["item"])[tie]
    return ((step > 0) if up else (step < 0)).mean()


def rising(events):
    return (
        (np.diff(events["item"]) > 0)
        & (np.diff(events["user"]) == 0)
        & (np.diff(events["timestamp"]) == 0)
    ).sum()


def counts(split, rows):
    return np.bincount(rows["item"], minlength=split.dataset.num_items + 1)


def frequent(split, least):
    return counts(split, split.train) >= max(least, 1)


def padded(split, least):
    keep = frequent(split, least)
    keep[0] = True
    return keep


def maximum(m):
    """By simulation: neither the integral of the lesson nor the quantiles of the checker."""
    return np.random.default_rng(0).standard_normal((400_000, m)).max(1).mean()


MAXIMUM = {m: maximum(m) for m in (2, 24, 50)}


def exact(m):
    z = torch.linspace(-10, 10, 20001, dtype=torch.double)
    density = torch.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    return torch.trapezoid(z * m * density * torch.special.ndtr(z) ** (m - 1), z).item()


def needed(m, sigma, limit):
    return math.ceil((exact(m) * sigma / limit) ** 2)


RIGHT = [
    (lesson03.check_ascending_ties, ascending),
    (lesson03.check_frequent_items, frequent),
    (lesson03.check_reads_the_test, {"B", "E", "F"}),
    (lesson03.check_users_needed, needed),
    (lesson03.check_lets_the_test_in, ["A", "D", "F"]),
]
WRONG = [
    (
        lesson03.check_ascending_ties,
        lambda e: ascending(e, user=False),
        "from one user to the next",
    ),
    (lesson03.check_ascending_ties, lambda e: ascending(e, time=False), "same timestamp are ties"),
    (
        lesson03.check_ascending_ties,
        lambda e: ascending(e, user=False, time=False),
        "all steps are counted",
    ),
    (lesson03.check_ascending_ties, lambda e: rising(e) / (len(e) - 1), "by the number of ties"),
    (lesson03.check_ascending_ties, rising, "number of ties; divide"),
    (lesson03.check_ascending_ties, lambda e: ascending(e, up=False), "goes down"),
    (lesson03.check_ascending_ties, lambda e: 0.1, "the answer is 0.6"),
    (lesson03.check_ascending_ties, lambda e: 0.6, "no tie"),
    (lesson03.check_frequent_items, lambda s, n: counts(s, s.dataset.events) >= n, "whole file"),
    (lesson03.check_frequent_items, lambda s, n: counts(s, s.train) > n, "exactly `least`"),
    (lesson03.check_frequent_items, lambda s, n: s.train_items, "however rare"),
    (lesson03.check_frequent_items, lambda s, n: frequent(s, n)[1:], "wanted bool of shape"),
    (lesson03.check_frequent_items, lambda s, n: counts(s, s.train), "wanted bool of shape"),
    (lesson03.check_frequent_items, padded, "padding"),
    (lesson03.check_frequent_items, lambda s, n: counts(s, s.train) >= n, "least = 0"),
    (
        lesson03.check_frequent_items,
        lambda s, n: np.append(frequent(s, n)[1:], False),
        "shifted by one",
    ),
    (
        lesson03.check_frequent_items,
        lambda s, n: np.append(False, ~frequent(s, n)[1:]),
        "wrongly in or out",
    ),
    (lesson03.check_frequent_items, lambda s, n: ~frequent(s, n), "complement"),
    (lesson03.check_reads_the_test, {"B", "E"}, "look at F"),
    (lesson03.check_reads_the_test, {"B", "F"}, "look at E"),
    (lesson03.check_reads_the_test, {"B", "C", "E", "F"}, "look at C"),
    (lesson03.check_reads_the_test, {"G"}, "set of letters"),
    (lesson03.check_users_needed, lambda m, s, x: math.sqrt(needed(m, s, x)), "square your result"),
    (lesson03.check_users_needed, lambda m, s, x: math.ceil((s / x) ** 2), "number of settings"),
    (
        lesson03.check_users_needed,
        lambda m, s, x: math.ceil(exact(m) * (s / x) ** 2),
        "squared too",
    ),
    (lesson03.check_users_needed, lambda m, s, x: (exact(m) * s / x) ** 2, "round up"),
    (lesson03.check_users_needed, lambda m, s, x: math.floor((exact(m) * s / x) ** 2), "not down"),
    (
        lesson03.check_users_needed,
        lambda m, s, x: math.ceil(2 * math.log(m) * (s / x) ** 2),
        "rough bound",
    ),
    (lesson03.check_users_needed, lambda m, s, x: 7, "users are needed"),
    (lesson03.check_lets_the_test_in, {"A", "F"}, "look at D"),
    (lesson03.check_lets_the_test_in, {"A", "C", "D", "F"}, "look at C"),
    (lesson03.check_lets_the_test_in, {"A", "D", "E", "F"}, "look at E"),
]
