"""Checkers of lesson 23, the replication report."""

from dataclasses import dataclass

import numpy as np

from tutorial_lib.checks import Wrong, exercise
from tutorial_lib.exercises import compare_letters
from tutorial_lib.statistics import holm

WORDS = ("replicated", "not replicated", "not testable")


def _right_word(rows: list[tuple[float, float, float]]) -> str:
    if not rows:
        return WORDS[2]
    p = holm([row[2] for row in rows])
    return WORDS[0] if all(row[0] > 0 for row in rows) and (p < 0.05).all() else WORDS[1]


CASES = [  # comparisons (low, high, p), what to say to who errs
    ([(0.001, 0.02, 0.01)], "one interval above 0 and p = 0.01 speak for the claim"),
    ([], "there was no comparison at all, so nothing was tested"),
    ([(-0.02, -0.001, 0.01)], "the interval excludes 0, but on the wrong side"),
    ([(0.001, 0.02, 0.01), (-0.004, 0.02, 0.3)], "one of its comparisons does not speak for the claim, and the rule wants all"),
    ([(0.001, 0.02, 0.02)] * 4, "each p is 0.02, but there are four of them: correct them after Holm"),
    ([(0.001, 0.02, 0.004), (0.002, 0.03, 0.02), (0.003, 0.05, 0.03)], "Holm multiplies by 3, by 2, by 1: the smallest p most"),
    ([(-0.001, 0.02, 0.03)], "p is small, yet the interval reaches below 0; the rule wants both"),
    ([(0.0, 0.02, 0.03)], "an interval that begins at 0 contains 0"),
]  # fmt: skip


@exercise
def check_verdict(answer) -> None:
    """23.1: a word from intervals and p-values."""
    for rows, hint in CASES:
        got, want = answer(list(rows)), _right_word(rows)
        if got not in WORDS:
            raise Wrong(f"it must return one of {', '.join(map(repr, WORDS))}, got {got!r}"[:200])
        if got != want:
            raise Wrong(f"you say {got!r}, wanted {want!r}: {hint}")


LOSSES = [  # low, high of new minus old, margin, the word, what to say to who errs
    (
        -0.003,
        0.002,
        0.005,
        "negligible",
        "the worst loss that the interval allows, 0.003, is below the margin",
    ),
    (
        -0.020,
        0.010,
        0.005,
        "undecided",
        "a loss of 0.02 is possible, a gain too: it is too wide to say anything",
    ),
    (
        -0.020,
        -0.008,
        0.005,
        "not negligible",
        "even the smallest possible loss, 0.008, is above the margin",
    ),
    (
        -0.004,
        -0.001,
        0.005,
        "negligible",
        "the loss is real, for 0 is excluded, and still smaller than the margin",
    ),
    (
        -0.010,
        -0.001,
        0.005,
        "undecided",
        "it excludes 0, but the loss may lie on either side of the margin",
    ),
    (0.001, 0.030, 0.005, "negligible", "this is a gain; nothing is lost"),
    (-0.006, -0.0055, 0.005, "not negligible", "all of the interval lies beyond the margin"),
]


@exercise
def check_negligible(answer) -> None:
    """23.2: three answers to the question whether a loss is negligible."""
    for low, high, margin, want, hint in LOSSES:
        got = answer(low, high, margin)
        if got not in ("negligible", "not negligible", "undecided"):
            raise Wrong(
                f"it must return 'negligible', 'not negligible' or 'undecided', got {got!r}"[:200]
            )
        if got != want:
            raise Wrong(
                f"interval {low:+.4f} to {high:+.4f}, margin {margin}: you say {got!r}, wanted"
                f" {want!r}; {hint}"
            )


@dataclass(frozen=True)
class Study:
    """A sealed report: NDCG@10 of a new and an old model, float64 [seeds, users], and the gain that
    its authors print.
    """

    new: np.ndarray
    old: np.ndarray
    reported: float


def _studies() -> dict[str, Study]:
    rng, sealed = np.random.default_rng(24), {}
    for letter in "ABCDEF":
        old = np.clip(rng.normal(0.10, 0.15, (5, 400)), 0, 1)
        new = np.clip(old + rng.normal(0.004, 0.05, (5, 400)) + rng.normal(0, 0.008, (5, 1)), 0, 1)
        sealed[letter] = Study(new, old, float((new - old).mean()))
    best = [lambda s: (s.new - s.old).mean(axis=1).max(), lambda s: s.new.mean() / s.old.mean() - 1]
    best += [
        lambda s: s.new.mean(axis=1).max() - s.old.mean(),
        lambda s: (s.new - s.old)[:, :100].mean(),
    ]
    for letter, way in zip(
        "ACDF", best, strict=True
    ):  # the best seed; a ratio; the best seed against the mean; half of the users
        sealed[letter] = Study(sealed[letter].new, sealed[letter].old, float(way(sealed[letter])))
    return sealed


sealed = _studies()


@exercise
def check_reproducible(answer) -> None:
    """23.3: which reported gains are the mean over seeds and users of the committed values."""
    hints = {
        "A": "compare the report with the gain of each single seed",
        "B": "average over all seeds and all users, nothing else",
        "C": "is the report a difference?",
        "D": "are all seeds in it, of both models?",
        "E": "average over all seeds and all users, nothing else",
        "F": "are all users in it?",
    }
    compare_letters(answer, {"B", "E"}, hints)


@exercise
def check_follows(answer) -> None:
    """23.4: what follows from a report."""
    hints = {
        "A": "what does an interval that contains 0 AND the claimed size say?",
        "B": "where does the claimed size lie, and on which side of 0 is the interval?",
        "C": "an interval around 0 says nothing about how small a loss must be to be negligible",
        "D": "is there anything in this that could have come out otherwise?",
        "E": "twenty comparisons, each at 5 %: how many speak for it by chance?",
        "F": "has anybody measured the rival under the same conditions?",
    }
    compare_letters(answer, {"B", "D"}, hints)
