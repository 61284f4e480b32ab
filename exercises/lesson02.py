"""Checkers of lesson 02, ranking metrics."""

import math
from fractions import Fraction
from itertools import pairwise

import numpy as np
import torch

from exercises.checking import (
    Wrong,
    compare_letters,
    exercise,
    same,
    want_array,
    want_equal,
    want_number,
)
from exercises.open_task import END, END_ZH, Report, interval_of, open_task
from tutorial_lib.evaluate import Ranks, hit_rate, sampled_hit_probability
from tutorial_lib.language import say


@exercise(points=3, minutes=15)
def check_rank(answer) -> None:
    """2.1: rank of one item among those not seen, ties counted half."""
    few = [0.2, 0.9, 0.5, 0.1]
    for scores, target, seen in (
        (few, 2, []),
        (few, 1, []),
        (few, 2, [1]),
        (few, 3, [0, 2]),
        ([3.0, 3.0, 1.0, 3.0, 3.0], 1, []),
        ([3.0, 3.0, 1.0, 3.0, 3.0], 4, [0]),
        ([-1.0, -1.0], 0, []),
        ([-1.0, -2.0, -4.0, -3.0], 2, [0, 3]),
        ([7.0] * 9, 4, [1, 6]),
    ):
        array, columns = np.array(scores), np.array(seen, dtype=np.int64)
        got = want_number(answer(array, target, columns), "the rank")
        left = np.delete(array, np.append(columns, target))
        greater, equal = int((left > array[target]).sum()), int((left == array[target]).sum())
        want = 1 + greater + equal / 2
        if got == want:
            continue
        about = say(
            "for the scores {scores}, the item in column {target} and the seen columns {seen}",
            scores=scores,
            target=target,
            seen=seen,
        )
        in_order = [c for c in np.argsort(-array, kind="stable").tolist() if c not in seen]
        zeroed = np.where(np.isin(np.arange(len(array)), columns), 0.0, array)
        zeroed = np.delete(zeroed, target)
        reasons = {
            1 + in_order.index(target): say(
                "{about} it gives the place after sorting, where equal scores stand in the order of"
                " their columns",
                about=about,
            ),
            1 + (array > array[target]).sum() + ((array == array[target]).sum() - 1) / 2: say(
                "{about} the seen items are ranked too; they are no candidates", about=about
            ),
            1 + (zeroed > array[target]).sum() + (zeroed == array[target]).sum() / 2: say(
                "{about} a seen item with the score 0 still stands before negative scores; leave"
                " it out",
                about=about,
            ),
            1 + (left < array[target]).sum() + equal / 2: (
                say(
                    "{about} it counts the lower scores; those ahead are the higher ones",
                    about=about,
                )
            ),
            1.0 + greater: (
                say(
                    "{about} the equal ones are left out, so that a constant model gets rank 1",
                    about=about,
                )
            ),
            1.0 + greater + equal: (
                say(
                    "{about} all equal ones are put ahead; on average half of them are", about=about
                )
            ),
            1 + greater + (equal + 1) / 2: say(
                "{about} the item counts as a tie with itself; only the OTHER equal ones do",
                about=about,
            ),
            want - 1: say(
                "{about} it gives {got:g}: the best rank is 1, not 0", about=about, got=got
            ),
        }
        if got in reasons:
            raise Wrong(reasons[got])
        want_equal(got, want, tol=0.0, name=say("{about} the rank", about=about))


@exercise(points=3, minutes=12)
def check_tied_hit(answer) -> None:
    """2.2: probability of a hit when `equal` others tie with the target."""
    for greater, equal, k in (
        (0, 0, 10),
        (12, 0, 10),
        (4, 3, 6),
        (9, 1, 10),
        (0, 999, 10),
        (10, 5, 10),
        (2, 3, 10),
        (3, 6, 5),
    ):
        one = np.array([0]), np.array([greater]), np.array([equal]), np.array([2000])
        want = float(hit_rate(Ranks(*one), k)[0])
        got = want_number(answer(greater, equal, k), "the probability")
        if same(got, want):
            continue
        about = say(
            "with {greater} ahead, {equal} others equal and K = {k}",
            greater=greater,
            equal=equal,
            k=k,
        )
        if not 0 <= got <= 1:
            raise Wrong(
                "{about} it gives {got:g}: a probability lies between 0 and 1, so cut off"
                " what is below 0 or above 1",
                about=about,
                got=got,
            )
        if equal and got == float(1 + greater + equal / 2 <= k):
            raise Wrong(
                "{about} it asks whether the average rank is at most K; the item may stand"
                " before or after it",
                about=about,
            )
        if same(got, min(1.0, max(0, k - greater) / max(1, equal))):
            raise Wrong(
                "{about} it divides by the other equal ones; the item itself shares the places too",
                about=about,
            )
        want_equal(
            got,
            want,
            name=say("{about} the probability", about=about),
            otherwise="which places can it take, and how many are good?",
        )


@exercise(points=3, minutes=15)
def check_even_rank(answer) -> None:
    """2.3: the worst true rank that is still a hit in half of the cases, among 100 and among 1,000
    of 3,416.
    """
    answer = want_array(answer, "the answer", kind="float")
    if answer.shape != (2,):
        raise Wrong("two ranks are wanted: the one for 100 and the one for 1,000 negatives")
    for got, negatives in zip(answer, (100, 1000), strict=True):
        ranks = np.arange(1, 3417)
        want = int(ranks[sampled_hit_probability(ranks, 3416, negatives) >= 0.5].max())
        if got == want:
            continue
        if got == want + 1:
            raise Wrong(
                "among {negatives}: rank {got:g} is the first that misses more often than"
                " not; the last that does not is wanted",
                negatives=negatives,
                got=got,
            )
        if got == want - 1:
            raise Wrong(
                "among {negatives}: {got:g} is one too small; the entry at index 0 of an"
                " array belongs to rank 1",
                negatives=negatives,
                got=got,
            )
        if negatives == 1000 and got == int(
            ranks[sampled_hit_probability(ranks, 3416, 100) >= 0.5].max()
        ):
            raise Wrong("among 1000: this is the rank for 100 negatives; pass negatives=1000")
        raise Wrong(
            "among {negatives}: at rank {got:g} the chance is not close to a half; is"
            " num_items 3,416 and k 10?",
            negatives=negatives,
            got=got,
        )


@exercise(points=3, minutes=12)
def check_users_needed(answer) -> None:
    """2.4: people needed for a power of 80 %."""
    for gain, disagree in ((0.015, 0.10), (0.006, 0.10), (0.03, 0.05), (0.02, 0.42)):
        variance = disagree - gain**2
        want, got = (
            (2.80 / gain) ** 2 * variance,
            want_number(answer(gain, disagree), "the number of people"),
        )
        if abs(got - want) <= 1.5 + 0.0012 * want:  # 0.8416 may stand in place of 0.84
            continue
        about = say(
            "for a gain of {gain} and {disagree} of the people in disagreement",
            gain=gain,
            disagree=disagree,
        )
        reasons = {
            (1.96 / gain) ** 2 * variance: (
                "with so few the power is only one half: the difference must exceed 1.96 + 0.84"
                " errors"
            ),
            (2.80 / gain) * variance**0.5: (
                "this is the square root of the number: the error falls with the square root of N"
            ),
            2.80 / gain * variance: "the gain and the 2.8 belong under a square",
            (2.80 / gain) ** 2 * variance**0.5: (
                "the variance itself is wanted here, not the standard deviation"
            ),
            (2.80 / gain) ** 2
            * disagree: "the square of the gain is missing from the variance, disagree - gain**2",
            (0.84 / gain) ** 2
            * variance: "the 1.96 is missing: the difference must exceed 1.96 + 0.84 errors",
        }
        for value, reason in reasons.items():
            if abs(got - value) <= 1.5 + 0.0012 * value:
                raise Wrong("{about}: {reason}", about=about, reason=reason)
        want_equal(
            got, math.ceil(want), tol=1.5, name=say("{about} the number of people", about=about)
        )


@exercise(points=2, minutes=10)
def check_statements(answer) -> None:
    """2.5: which statements are true."""
    hints = {
        "A": "what is 1 / log2(1 + r) at r = 1, and what is 1 / r?",
        "B": "compare the specialist with the generalist",
        "C": (
            "does the list change when all scores of one person rise by the same amount? Does it if"
            " they rise for one item?"
        ),
        "D": "the constant changes each error; does it change which item comes first?",
        "E": "the standard error goes with one over the square root of N",
        "F": "each of the V places is as likely as any other",
    }
    compare_letters(answer, {"A", "C", "D", "F"}, hints)


@open_task
def open_report(report: Report) -> None:
    """The open task: a metric for a page of 24 items."""
    differences = report.table("differences", interval_of(-1, 1), keys=range(1, 101))
    first, last = (report.number(name, 1, 100) for name in ("undecided_from", "undecided_to"))
    if differences and first and last:
        undecided = [k for k, one in differences.items() if not one.excludes_zero]
        report.want(
            bool(undecided) and (first, last) == (min(undecided), max(undecided)),
            "by your intervals the undecided K are {undecided}, and you report {first:g} to {last:g}",
            undecided=f"{min(undecided)} - {max(undecided)}" if undecided else "-",
            first=first,
            last=last,
        )
    if values := report.values("metric", range(1, 31)):
        report.want(min(values) >= 0, "`metric` is negative for some rank")
        report.want(
            all(a >= b for a, b in pairwise(values)),
            "`metric` rises somewhere: a better rank must not earn less",
        )
        report.want(values[0] > 0, "`metric` gives the best rank, 1, nothing")
        report.want(not any(values[24:]), "`metric` rewards rank 25, which is not on the page")
    report.text("reason")
    report.closing()


# Answers on which the tests try the checkers: right ones, and wrong ones with words of the reason given.


def rank(scores, target, seen, half=0.5, start=1):
    keep = np.ones(len(scores), dtype=bool)
    keep[seen] = False
    own = scores[target]
    return start + (scores[keep] > own).sum() + half * ((scores[keep] == own).sum() - 1)


def zeroed(scores, target, seen):
    scores = scores.copy()
    scores[seen] = 0
    return rank(scores, target, [])


def in_place(scores, target, seen):
    scores[seen] = -np.inf
    return rank(scores, target, [])


def chance(greater, equal, k):
    return min(max(k - greater, 0), equal + 1) / (equal + 1)


def even(negatives, items=3416):
    return int((sampled_hit_probability(np.arange(1, items + 1), items, negatives) >= 0.5).sum())


def needed(gain, disagree, errors=2.8):
    return math.ceil((errors / gain) ** 2 * (disagree - gain**2))


def by_sorting(scores, target, seen):
    left = [-score for column, score in enumerate(scores) if column not in seen]
    places = np.flatnonzero(np.sort(left) == -scores[target]) + 1
    return places.mean()


def in_torch(scores, target, seen):
    left = torch.tensor(scores).index_fill(0, torch.tensor(seen), -torch.inf)
    ahead = left - left[target]
    return 1 + ((torch.sign(ahead) + 1).sum() - 1) / 2


def by_places(greater, equal, k):
    return torch.tensor([greater + 1 + one <= k for one in range(equal + 1)]).float().mean()


def by_cases(greater, equal, k):
    return Fraction(sorted([0, k - greater, equal + 1])[1], equal + 1)


RIGHT = [
    (check_rank, rank),
    (check_rank, by_sorting),
    (check_rank, in_torch),
    (check_tied_hit, chance),
    (check_tied_hit, by_places),
    (check_tied_hit, by_cases),
    (check_even_rank, (even(100), even(1000))),
    (check_even_rank, torch.tensor([even(100), even(1000)])),
    (check_even_rank, np.array([even(100), even(1000)], dtype=np.float32)),
    (check_users_needed, needed),
    (
        check_users_needed,
        lambda gain, disagree: torch.tensor((2.801585 / gain) ** 2 * (disagree - gain**2)),
    ),
    (
        check_users_needed,
        lambda gain, disagree: (1.96 + 0.84) ** 2 * (disagree - gain**2) / gain**2,
    ),
    (check_statements, {"A", "C", "D", "F"}),
    (check_statements, "ACDF"),
    (check_statements, np.array(["A", "C", "D", "F"])),
]
WRONG = [
    (check_rank, lambda s, t, seen: rank(s, t, seen, start=0), "not 0"),
    (check_rank, lambda s, t, seen: rank(-s, t, seen), "lower scores"),
    (check_rank, lambda s, t, seen: rank(s, t, seen, half=0), "constant model gets rank 1"),
    (check_rank, lambda s, t, seen: rank(s, t, seen, half=1), "on average half"),
    (check_rank, lambda s, t, seen: rank(s, t, seen) + 0.5, "tie with itself"),
    (check_rank, lambda s, t, seen: rank(s, t, []), "they are no candidates"),
    (check_rank, zeroed, "still stands before negative scores"),
    (check_rank, in_place, "changes its argument `scores` in place"),
    (
        check_rank,
        lambda s, t, seen: 1 + [c for c in np.argsort(-s, kind="stable") if c not in seen].index(t),
        "place after sorting",
    ),
    (check_rank, lambda s, t, seen: np.argsort(-s), "one number"),
    (check_rank, lambda s, t, seen: rank(s, 2, []), "the rank is"),
    (check_rank, lambda s, t, seen: rank(s, t, seen) + 1e-7, "the rank is 2.0000001, wanted 2"),
    (check_tied_hit, lambda g, e, k: float(1 + g + e / 2 <= k), "average rank"),
    (check_tied_hit, lambda g, e, k: (k - g) / (e + 1), "between 0 and 1"),
    (
        check_tied_hit,
        lambda g, e, k: min(1.0, max(0, k - g) / max(1, e)),
        "divides by the other",
    ),
    (check_tied_hit, lambda g, e, k: float(g < k), "which places"),
    (check_tied_hit, lambda g, e, k: chance(g, e, 10), "which places"),
    (check_tied_hit, lambda g, e, k: chance(g, min(e, 5), k), "which places"),
    (
        check_tied_hit,
        lambda g, e, k: round(chance(g, e, k), 2),
        "probability is 0.29, wanted 0.2857",
    ),
    (check_even_rank, (even(100) + 1, even(1000)), "the last that does not"),
    (check_even_rank, (even(100) - 1, even(1000)), "index 0"),
    (check_even_rank, (even(100), even(100)), "negatives=1000"),
    (check_even_rank, (even(100, items=1000), even(1000)), "not close to a half"),
    (check_even_rank, even(100), "two ranks"),
    (check_even_rank, (even(1000), even(100)), "not close to a half"),
    (check_even_rank, (even(100), 340), "not close to a half"),
    (check_even_rank, (even(100), even(1000) + 1), "the last that does not"),
    (check_even_rank, {100: even(100), 1000: even(1000)}, "is a dict"),
    (check_users_needed, lambda g, d: needed(g, d, errors=1.96), "only one half"),
    (check_users_needed, lambda g, d: needed(g, d) ** 0.5, "square root of the number"),
    (check_users_needed, lambda g, d: 2.8 / g * (d - g**2), "under a square"),
    (
        check_users_needed,
        lambda g, d: (2.8 / g) ** 2 * (d - g**2) ** 0.5,
        "not the standard deviation",
    ),
    (check_users_needed, lambda g, d: needed(g, d, errors=0.84), "1.96 is missing"),
    (check_users_needed, lambda g, d: 100, "number of people is 100, wanted"),
    (check_users_needed, lambda g, d: math.ceil((2.8 / g) ** 2 * d), "square of the gain"),
    (check_users_needed, lambda g, d: needed(g, 0.10), "number of people is"),
    (check_users_needed, lambda g, d: needed(0.015, d), "number of people is"),
    (check_users_needed, lambda g, d: needed(g, d) * 2, "number of people is"),
    (check_statements, {"C", "D", "F"}, "look at A"),
    (check_statements, {"A", "B", "C", "D", "F"}, "look at B"),
    (check_statements, {"A", "C", "D", "E", "F"}, "look at E"),
    (check_statements, {"A", "C", "D"}, "look at F"),
    (check_statements, {"G"}, "set of letters"),
    (check_statements, "BE", "look at A"),
    (check_statements, {"A", "C", "F"}, "look at D"),
    (check_statements, {"A", "D", "F"}, "look at C"),
]
ARGUED = [
    (check_rank, "0 -> -1", "the scores of one list have a single axis, which is first and last"),
    (
        check_users_needed,
        "times 1.001",
        "0.8416 in place of the 0.84 of the task, which is right, changes the number by as much",
    ),
    (check_users_needed, "last entry off", "one person more: the task does not ask for rounding"),
    (check_users_needed, "math.ceil -> math.floor", "the task does not ask for rounding up"),
]

OPEN = {
    "differences": {k: (0.01 - k / 4000, -k / 4000, 0.02 - k / 4000) for k in range(1, 101)},
    "undecided_from": 1,
    "undecided_to": 80,
    "metric": lambda rank: max(0, 4 - (rank - 1) // 6),
    "reason": "A visitor reads the first row, and each further row is read by fewer.",
    **END,
}
OPEN_RIGHT = [OPEN, {**OPEN, **END_ZH}]
OPEN_WRONG = [
    ({**OPEN, "undecided_to": 90}, "1 - 80"),
    ({**OPEN, "metric": lambda rank: 1 / rank}, "rank 25"),
    ({**OPEN, "metric": lambda rank: rank if rank < 25 else 0}, "rises somewhere"),
    ({**OPEN, "metric": lambda rank: 1 / (rank - 3)}, "ZeroDivisionError"),
    ({**OPEN, "differences": {10: (0.1, 0.0, 0.2)}}, "no entry for 1"),
]
