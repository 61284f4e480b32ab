"""Answers to the exercises of lesson 02: right ones, and wrong ones with words of the reason that
the student must be given.
"""

import math

import numpy as np

from tutorial_lib.evaluate import sampled_hit_probability
from tutorial_lib.exercises import lesson02


def rank(scores, target, half=0.5, start=1):
    own = scores[target]
    return start + (scores > own).sum() + half * ((scores == own).sum() - 1)


def chance(greater, equal, k):
    return min(max(k - greater, 0), equal + 1) / (equal + 1)


def even(negatives, items=3416):
    return int((sampled_hit_probability(np.arange(1, items + 1), items, negatives) >= 0.5).sum())


def needed(gain, disagree, errors=2.8):
    return math.ceil((errors / gain) ** 2 * (disagree - gain**2))


RIGHT = [
    (lesson02.check_rank, rank),
    (lesson02.check_tied_hit, chance),
    (lesson02.check_even_rank, (even(100), even(1000))),
    (lesson02.check_users_needed, needed),
    (
        lesson02.check_users_needed,
        lambda gain, disagree: (1.96 + 0.84) ** 2 * (disagree - gain**2) / gain**2,
    ),
    (lesson02.check_statements, {"A", "C", "D", "F"}),
]
WRONG = [
    (lesson02.check_rank, lambda s, t: rank(s, t, start=0), "not 0"),
    (lesson02.check_rank, lambda s, t: rank(-s, t), "lower scores"),
    (lesson02.check_rank, lambda s, t: rank(s, t, half=0), "constant model gets rank 1"),
    (lesson02.check_rank, lambda s, t: rank(s, t, half=1), "on average half"),
    (
        lesson02.check_rank,
        lambda s, t: 1 + (s > s[t]).sum() + (s == s[t]).sum() / 2,
        "tie with itself",
    ),
    (
        lesson02.check_rank,
        lambda s, t: 1 + np.argsort(-s, kind="stable").tolist().index(t),
        "place after sorting",
    ),
    (lesson02.check_rank, lambda s, t: np.argsort(-s), "one number"),
    (lesson02.check_tied_hit, lambda g, e, k: float(1 + g + e / 2 <= k), "average rank"),
    (lesson02.check_tied_hit, lambda g, e, k: (k - g) / (e + 1), "between 0 and 1"),
    (
        lesson02.check_tied_hit,
        lambda g, e, k: min(1.0, max(0, k - g) / max(1, e)),
        "divides by the other",
    ),
    (lesson02.check_tied_hit, lambda g, e, k: float(g < k), "which places"),
    (lesson02.check_even_rank, (even(100) + 1, even(1000)), "the last that does not"),
    (lesson02.check_even_rank, (even(100) - 1, even(1000)), "index 0"),
    (lesson02.check_even_rank, (even(100), even(100)), "negatives=1000"),
    (lesson02.check_even_rank, (even(100, items=1000), even(1000)), "not close to a half"),
    (lesson02.check_even_rank, even(100), "two ranks"),
    (lesson02.check_users_needed, lambda g, d: needed(g, d, errors=1.96), "only one half"),
    (lesson02.check_users_needed, lambda g, d: needed(g, d) ** 0.5, "square root of the number"),
    (lesson02.check_users_needed, lambda g, d: 2.8 / g * (d - g**2), "under a square"),
    (
        lesson02.check_users_needed,
        lambda g, d: (2.8 / g) ** 2 * (d - g**2) ** 0.5,
        "not the standard deviation",
    ),
    (lesson02.check_users_needed, lambda g, d: needed(g, d, errors=0.84), "1.96 is missing"),
    (lesson02.check_users_needed, lambda g, d: 100, "people are needed"),
    (lesson02.check_statements, {"C", "D", "F"}, "look at A"),
    (lesson02.check_statements, {"A", "B", "C", "D", "F"}, "look at B"),
    (lesson02.check_statements, {"A", "C", "D", "E", "F"}, "look at E"),
    (lesson02.check_statements, {"A", "C", "D"}, "look at F"),
    (lesson02.check_statements, {"G"}, "set of letters"),
]
