"""Answers to the exercises of lesson 23: right ones, and wrong ones with words of the reason that
the student must be given.
"""

from pathlib import Path

import numpy as np

from tutorial_lib.exercises import lesson23
from tutorial_lib.statistics import holm

ROOT = Path(__file__).resolve().parents[2]
YES, NO, NONE = lesson23.WORDS


def rule(rows, adjust=holm, above=lambda low, high: low > 0, most=all, empty=NONE):
    if not rows:
        return empty
    small = np.asarray(adjust([p for _, _, p in rows])) < 0.05
    return (
        YES
        if most(
            [above(low, high) and bool(s) for (low, high, _), s in zip(rows, small, strict=True)]
        )
        else NO
    )


def loss_is(low, high, margin):
    if low > -margin:
        return "negligible"
    return "not negligible" if high < -margin else "undecided"


def contains_zero(low, high, margin):
    return "negligible" if low < 0 < high else "not negligible"


RIGHT = [
    (lesson23.check_verdict, rule),
    (lesson23.check_negligible, loss_is),
    (lesson23.check_reproducible, {"B", "E"}),
    (lesson23.check_follows, {"B", "D"}),
]
WRONG = [
    (lesson23.check_verdict, lambda rows: rule(rows, empty=NO), "no comparison at all"),
    (lesson23.check_verdict, lambda rows: rule(rows, empty=YES), "no comparison at all"),
    (lesson23.check_verdict, lambda rows: rule(rows, above=lambda low, high: low > 0 or high < 0), "wrong side"),
    (lesson23.check_verdict, lambda rows: rule(rows, most=any), "the rule wants all"),
    (lesson23.check_verdict, lambda rows: rule(rows, adjust=list), "correct them after Holm"),
    (lesson23.check_verdict, lambda rows: rule(rows, adjust=lambda p: np.array(p) * len(p)), "Holm multiplies"),
    (lesson23.check_verdict, lambda rows: rule(rows, above=lambda low, high: True), "wrong side"),
    (lesson23.check_verdict, lambda rows: rule(rows, above=lambda low, high: low + high > 0), "reaches below 0"),
    (lesson23.check_verdict, lambda rows: rule(rows, above=lambda low, high: low >= 0), "begins at 0"),
    (lesson23.check_verdict, lambda rows: rule(rows) == YES, "it must return one of"),
    (lesson23.check_negligible, contains_zero, "too wide"),
    (lesson23.check_negligible, lambda a, b, m: "negligible" if b > -m else "not negligible", "too wide"),
    (lesson23.check_negligible, lambda a, b, m: "negligible" if (a + b) / 2 > -m else "not negligible", "too wide"),
    (lesson23.check_negligible, lambda a, b, m: "negligible" if a > -m else "undecided", "smallest possible loss"),
    (lesson23.check_negligible, lambda a, b, m: "not negligible" if b < 0 else loss_is(a, b, m), "still smaller"),
    (lesson23.check_negligible, lambda a, b, m: loss_is(-b, -a, m), "wanted"),
    (lesson23.check_negligible, lambda a, b, m: a > -m, "it must return"),
    (lesson23.check_negligible, lambda a, b, m: "undecided" if a < 0 < b else loss_is(a, b, m), "worst loss"),
    (lesson23.check_reproducible, {"A", "B", "E"}, "each single seed"),
    (lesson23.check_reproducible, {"B", "C", "E"}, "is the report a difference"),
    (lesson23.check_reproducible, {"B", "D", "E"}, "all seeds"),
    (lesson23.check_reproducible, {"B", "E", "F"}, "all users"),
    (lesson23.check_reproducible, {"B"}, "look at E"),
    (lesson23.check_reproducible, {"Q"}, "set of letters"),
    (lesson23.check_follows, {"A", "B", "D"}, "look at A"),
    (lesson23.check_follows, {"B", "C", "D"}, "look at C"),
    (lesson23.check_follows, {"B"}, "look at D"),
    (lesson23.check_follows, {"B", "D", "E"}, "look at E"),
    (lesson23.check_follows, {"B", "D", "F"}, "look at F"),
]  # fmt: skip
