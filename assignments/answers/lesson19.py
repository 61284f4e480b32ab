"""Answers to the exercises of lesson 19: right ones, and wrong ones with words of the reason that
the student must be given.
"""

import math

import numpy as np

from tutorial_lib.exercises import lesson19


def jittered(times, factors, rounding=np.rint, start=None):
    gaps = rounding(np.diff(times) * factors).astype(np.int64)
    return (times[0] if start is None else start) + np.append(0, np.cumsum(gaps))


def in_place(times, factors):
    times[1:] = times[0] + np.cumsum(np.rint(np.diff(times) * factors).astype(np.int64))
    return times


def own_gap_only(times, factors):
    moved = times.copy()
    moved[1:] = times[:-1] + np.rint(np.diff(times) * factors).astype(np.int64)
    return moved


def round_sums(times, factors):
    return np.rint(times[0] + np.append(0, np.cumsum(np.diff(times) * factors))).astype(np.int64)


def float_clock(times, factors):
    return times[0] + np.append(0, np.cumsum(np.rint(np.diff(times) * factors)))


def lose(items, times, share, seed, last=True, swap=False, rng=None):
    draws = (rng or np.random.default_rng(seed)).random(len(times))
    stays = draws < share if swap else draws >= share
    stays[-1] |= last
    return items[stays], times[stays]


UNSEEDED = np.random.default_rng(7)


def zero_in_place(items, times, share, seed):
    times[np.random.default_rng(seed).random(len(times)) < share] = 0
    return items, times


def zero_a_copy(items, times, share, seed):
    return items, np.where(np.random.default_rng(seed).random(len(times)) < share, 0, times)


def items_only(items, times, share, seed):
    return lose(items, times, share, seed)[0], times


def close_the_gaps(items, times, share, seed):
    kept, left = lose(items, times, share, seed)
    return kept, times[: len(left)]


def bound(s, changed, lipschitz, speed, kappa, duration=min, factor=np.exp, sign=abs):
    e = 0.0
    for one, other in zip(s, changed, strict=True):
        e = kappa * (factor(lipschitz * duration(one, other)) * e + speed * sign(one - other))
    return e


def closed_form(s, changed, lipschitz, speed, kappa):
    shorter, wrong = np.minimum(s, changed), np.abs(s - changed)
    later = np.append(np.cumsum(shorter[::-1])[::-1][1:], 0)
    return (kappa ** np.arange(len(s), 0, -1) * np.exp(lipschitz * later) * speed * wrong).sum()


VERDICTS = {"A": "robust", "B": "no battery", "C": "no battery", "D": "in vain", "E": "fragile"}
RIGHT = [
    (lesson19.check_jitter_times, jittered),
    (lesson19.check_lose_events, lose),
    (lesson19.check_bound_after, bound),
    (lesson19.check_bound_after, closed_form),
    (lesson19.check_verdicts, VERDICTS),
]
WRONG = [
    (lesson19.check_jitter_times, lambda t, f: jittered(t, f, start=0), "starts at 0"),
    (
        lesson19.check_jitter_times,
        lambda t, f: np.append(t[0], np.rint(t[1:] * f)).astype(np.int64),
        "multiply the gaps",
    ),
    (lesson19.check_jitter_times, own_gap_only, "by its own gap alone"),
    (
        lesson19.check_jitter_times,
        lambda t, f: jittered(t, f, rounding=np.trunc),
        "cuts the fraction off",
    ),
    (lesson19.check_jitter_times, round_sums, "not the sums"),
    (lesson19.check_jitter_times, float_clock, "dtype float64"),
    (lesson19.check_jitter_times, in_place, "next model"),
    (lesson19.check_jitter_times, lambda t, f: jittered(t, f)[1:], "shape"),
    (
        lesson19.check_jitter_times,
        lambda t, f: np.append(t[0], np.rint(np.diff(t) * f)).astype(np.int64),
        "these are gaps",
    ),
    (lesson19.check_jitter_times, lambda t, f: jittered(t, 1 / f), "wanted"),
    (lesson19.check_lose_events, zero_in_place, "has changed what it was given"),
    (lesson19.check_lose_events, zero_a_copy, "fifty years"),
    (lesson19.check_lose_events, lambda i, t, p, s: lose(i, t, p, s, rng=UNSEEDED), "same seed"),
    (
        lesson19.check_lose_events,
        lambda i, t, p, s: lose(i, t, p, s, last=False),
        "last event is lost",
    ),
    (
        lesson19.check_lose_events,
        lambda i, t, p, s: lose(i, t, p, s, swap=True),
        "keeps the others",
    ),
    (lesson19.check_lose_events, items_only, "its item and its time"),
    (lesson19.check_lose_events, close_the_gaps, "sum of their gaps"),
    (lesson19.check_lose_events, lambda i, t, p, s: lose(i, t, p, s)[0], "two arrays"),
    (lesson19.check_lose_events, lambda i, t, p, s: lose(i, t, p, s + 1), "drawn with the seed"),
    (lesson19.check_bound_after, lambda *a: bound(*a, duration=max), "shorter one lasts"),
    (
        lesson19.check_bound_after,
        lambda *a: bound(*a, duration=lambda one, other: one),
        "true duration",
    ),
    (lesson19.check_bound_after, lambda *a: bound(*a, factor=lambda x: 1 + x), "exp(L m)"),
    (lesson19.check_bound_after, lambda *a: bound(*a, factor=lambda x: x), "yours by L m"),
    (lesson19.check_bound_after, lambda *a: bound(*a, sign=lambda x: x), "absolute value"),
    (lesson19.check_bound_after, lambda *a: bound(*a) / a[4], "the last event has a jump"),
    (lesson19.check_bound_after, lambda *a: bound(*a[:4], 1.0), "jumps are missing"),
    (lesson19.check_bound_after, lambda *a: bound(*a[:2], 0.0, *a[3:]), "do not grow"),
    (lesson19.check_bound_after, lambda *a: bound(*a[:3], 1.0, a[4]), "speed is missing"),
    (lesson19.check_bound_after, lambda *a: np.array([bound(*a)]), "one number"),
    (lesson19.check_bound_after, lambda *a: math.nan, "the bound is"),
    (lesson19.check_verdicts, VERDICTS | {"A": "fragile"}, "look at A"),
    (lesson19.check_verdicts, VERDICTS | {"B": "robust"}, "look at B"),
    (lesson19.check_verdicts, VERDICTS | {"C": "robust"}, "look at C"),
    (lesson19.check_verdicts, VERDICTS | {"D": "fragile"}, "look at D"),
    (lesson19.check_verdicts, VERDICTS | {"E": "robust"}, "look at E"),
    (lesson19.check_verdicts, VERDICTS | {"E": "broken"}, "is no verdict"),
    (lesson19.check_verdicts, {"A": "robust"}, 'keys "A" to "E"'),
    (lesson19.check_verdicts, ["robust"] * 5, "dictionary"),
]
