"""Checkers of lesson 23, the replication report."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from exercises.checking import NotAttempted, Wrong, compare_letters, exercise
from exercises.open_task import END, END_ZH, Report, open_task
from tutorial_lib.language import say
from tutorial_lib.statistics import holm

WORDS = ("replicated", "not replicated", "not testable")


def _word(got, words: tuple[str, ...]) -> str:
    """The answer as one of these words, in small letters."""
    if got is None or got is ...:
        raise NotAttempted
    word = " ".join(got.lower().split()) if isinstance(got, str) else got
    if not isinstance(word, str) or word not in words:
        raise Wrong(
            say(
                "it must return one of {words}, got {got!r}",
                words=", ".join(map(repr, words)),
                got=got,
            )[:200]
        )
    return word


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
    ([(0.01, 0.05, 0.06)], "the interval lies above 0, yet p is not below 0.05; the rule wants both"),
    ([(0.003, 0.05, 0.03), (0.001, 0.02, 0.02), (0.002, 0.03, 0.004)], "sort the p-values before you multiply them"),
    ([(0.001, 0.02, 0.012), (0.002, 0.03, 0.001), (0.001, 0.05, 0.02), (0.003, 0.04, 0.016)], "Holm multiplies by 4, by 3, by 2, by 1: 0.016 becomes 0.036"),
    ([(0.001, 0.02, 0.001), (0.002, 0.03, 0.001), (-0.003, 0.05, 0.001)], "the last comparison does not speak for the claim, and the rule wants all"),
    ([(0.001, 0.02, 0.001), (-0.001, 0.03, 0.001), (0.003, 0.05, 0.001)], "the comparison in the middle does not speak for the claim"),
    ([(0.5, 0.9, 0.001), (0.4, 0.9, 0.051)], "0.051 is not below 0.05"),
    ([(0.01, 0.05, 0.05)], "0.05 is not below 0.05"),
]  # fmt: skip


@exercise(points=3, minutes=15)
def check_verdict(answer) -> None:
    """23.1: a word from intervals and p-values."""
    for rows, hint in CASES:
        got, want = _word(answer(list(rows)), WORDS), _right_word(rows)
        if got != want:
            raise Wrong("you say {got!r}, wanted {want!r}: {hint}", got=got, want=want, hint=hint)


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
    (-0.006, -0.0055, 0.05, "negligible", "the margin is 0.05 here"),
    (-0.004, -0.001, 0.0005, "not negligible", "the margin is 0.0005 here"),
    (-0.3, -0.1, 0.2, "undecided", "the margin is 0.2 here"),
    (
        -0.5,
        0.1,
        0.5,
        "undecided",
        "a loss as large as the margin is possible, and it is not smaller",
    ),
    (
        -0.75,
        -0.25,
        0.25,
        "undecided",
        "a loss as small as the margin is possible, and it is not larger",
    ),
    (-0.02, 0.03, 0.001, "undecided", "it reaches to either side of 0 and far beyond the margin"),
]


@exercise(points=3, minutes=12)
def check_negligible(answer) -> None:
    """23.2: three answers to the question whether a loss is negligible."""
    for low, high, margin, want, hint in LOSSES:
        got = _word(answer(low, high, margin), ("negligible", "not negligible", "undecided"))
        if got != want:
            raise Wrong(
                "interval {low:+.4f} to {high:+.4f}, margin {margin}: you say {got!r},"
                " wanted {want!r}; {hint}",
                low=low,
                high=high,
                margin=margin,
                got=got,
                want=want,
                hint=hint,
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


@exercise(points=3, minutes=15)
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


@exercise(points=2, minutes=10)
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


@open_task
def open_report(report: Report) -> None:
    """The open task: a claim of one's own."""
    report.text("plan")
    report.number("margin", 0)
    ceiling = report.number("ceiling", 0)
    effect = report.interval("effect")
    report.interval("control")
    replicated = report.truth("replicated")
    if effect and ceiling is not None:
        report.want(
            effect.mean <= ceiling, "the effect is larger than what is possible in the plan"
        )
    if effect and replicated is not None:
        report.want(
            replicated == (effect.low > 0),
            "by the rule a claim is replicated exactly if the whole interval is above 0",
        )
    report.closing()


# Answers on which the tests try the checkers: right ones, and wrong ones with words of the reason given.

ROOT = Path(__file__).resolve().parent.parent
YES, NO, NONE = WORDS


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


def step_by_step(comparisons):
    """The rule without holm and without arrays."""
    answer = "Not testable"
    for place, (low, _, p) in enumerate(sorted(comparisons, key=lambda row: row[2])):
        if low <= 0 or p * (len(comparisons) - place) >= 0.05:
            return "not replicated"
        answer = "replicated"
    return answer


def in_arrays(comparisons):
    if len(comparisons) == 0:
        return np.str_(NONE)
    low, _, p = np.array(comparisons).T
    return np.array([NO, YES])[int(low.min() > 0 and holm(p).max() < 0.05)]


def by_loss(low, high, margin):
    """In terms of the loss, which lies between -high and -low."""
    least, most = -high, -low
    if most < margin:
        return " Negligible "
    return "undecided" if least <= margin else "not negligible"


def counted(low, high, margin):
    beyond = sum(end <= -margin for end in (low, high))
    return ["negligible", "undecided", "not negligible"][beyond if high != -margin else 1]


def smallest_only(rows):
    """Only the smallest p is corrected and compared."""
    p = min((row[2] for row in rows), default=1)
    speaks = all(row[0] > 0 for row in rows) and p * len(rows) < 0.05
    return NONE if not rows else YES if speaks else NO


def unsorted_factors(rows):
    return rule(rows, adjust=lambda p: np.array(p) * np.arange(len(p), 0, -1))


RIGHT = [
    (check_verdict, rule),
    (check_verdict, step_by_step),
    (check_verdict, in_arrays),
    (check_negligible, loss_is),
    (check_negligible, by_loss),
    (check_negligible, counted),
    (check_reproducible, {"B", "E"}),
    (check_reproducible, "B, E"),
    (check_reproducible, ["E", "B"]),
    (check_follows, {"B", "D"}),
    (check_follows, "bd"),
    (check_follows, ("D", "B")),
]
WRONG = [
    (check_verdict, lambda rows: rule(rows, empty=NO), "no comparison at all"),
    (check_verdict, lambda rows: rule(rows, empty=YES), "no comparison at all"),
    (check_verdict, lambda rows: rule(rows, above=lambda low, high: low > 0 or high < 0), "wrong side"),
    (check_verdict, lambda rows: rule(rows, most=any), "the rule wants all"),
    (check_verdict, lambda rows: rule(rows, adjust=list), "correct them after Holm"),
    (check_verdict, lambda rows: rule(rows, adjust=lambda p: np.array(p) * len(p)), "Holm multiplies"),
    (check_verdict, lambda rows: rule(rows, above=lambda low, high: True), "wrong side"),
    (check_verdict, lambda rows: rule(rows, above=lambda low, high: low + high > 0), "reaches below 0"),
    (check_verdict, lambda rows: rule(rows, above=lambda low, high: low >= 0), "begins at 0"),
    (check_verdict, lambda rows: rule(rows) == YES, "it must return one of"),
    (check_verdict, smallest_only, "0.051"),
    (check_verdict, unsorted_factors, "sort the p-values"),
    (check_verdict, lambda rows: rule(rows, adjust=lambda p: np.zeros(len(p))), "correct them after Holm"),
    (check_verdict, lambda rows: rule(rows[:1]), "the rule wants all"),
    (check_verdict, lambda rows: YES if rows else NONE, "wrong side"),
    (check_verdict, lambda rows: NONE, "speak for the claim"),
    (check_negligible, contains_zero, "too wide"),
    (check_negligible, lambda a, b, m: "negligible" if b > -m else "not negligible", "too wide"),
    (check_negligible, lambda a, b, m: "negligible" if (a + b) / 2 > -m else "not negligible", "too wide"),
    (check_negligible, lambda a, b, m: "negligible" if a > -m else "undecided", "smallest possible loss"),
    (check_negligible, lambda a, b, m: "not negligible" if b < 0 else loss_is(a, b, m), "still smaller"),
    (check_negligible, lambda a, b, m: loss_is(-b, -a, m), "wanted"),
    (check_negligible, lambda a, b, m: a > -m, "it must return"),
    (check_negligible, lambda a, b, m: loss_is(a, b, 0.005), "the margin is 0.05 here"),
    (check_negligible, lambda a, b, m: "negligible" if a >= -m else loss_is(a, b, m), "not smaller"),
    (check_negligible, lambda a, b, m: "not negligible" if a < b <= -m else loss_is(a, b, m), "not larger"),
    (check_negligible, lambda a, b, m: "negligible" if a < 0 < b else loss_is(a, b, m), "too wide"),
    (check_negligible, lambda a, b, m: 1, "it must return one of"),
    (check_negligible, lambda a, b, m: "undecided" if a < 0 < b else loss_is(a, b, m), "worst loss"),
    (check_reproducible, {"A", "B", "E"}, "each single seed"),
    (check_reproducible, {"B", "C", "E"}, "is the report a difference"),
    (check_reproducible, {"B", "D", "E"}, "all seeds"),
    (check_reproducible, {"B", "E", "F"}, "all users"),
    (check_reproducible, {"B"}, "look at E"),
    (check_reproducible, {"Q"}, "set of letters"),
    (check_reproducible, set("ABCDEF"), "look at A"),
    (check_reproducible, set("ACDF"), "look at A"),
    (check_reproducible, "E", "look at B"),
    (check_follows, {"A", "B", "D"}, "look at A"),
    (check_follows, {"B", "C", "D"}, "look at C"),
    (check_follows, {"B"}, "look at D"),
    (check_follows, {"B", "D", "E"}, "look at E"),
    (check_follows, {"B", "D", "F"}, "look at F"),
    (check_follows, set("ABCDEF"), "look at A"),
    (check_follows, {"D"}, "look at B"),
    (check_follows, [True, False, True], "set of letters"),
]  # fmt: skip

# Mutants (tests/exercises/mutants.py) that are right, and why.
ARGUED = [
    (check_verdict, "argument 0 reversed", "the rule does not ask which comparison comes first"),
]

OPEN = {
    "plan": "Told the gap, a GRU gains 0.01 of NDCG on sample, and nothing on control.",
    "margin": 0.01,
    "ceiling": 0.04,
    "effect": (0.012, 0.004, 0.02),
    "control": (-0.001, -0.004, 0.002),
    "replicated": True,
    **END,
}
OPEN_RIGHT = [OPEN, {**OPEN, **END_ZH}]
OPEN_WRONG = [
    ({**OPEN, "replicated": False}, "exactly if the whole interval"),
    ({**OPEN, "effect": (0.09, 0.08, 0.1)}, "larger than what is possible"),
    ({**OPEN, "plan": "time helps"}, "says too little"),
    ({**OPEN, "replicated": "yes"}, "True or False is wanted"),
]
