"""Checkers of lesson 20, significance and irregularity."""

import itertools

import numpy as np

from exercises.checking import NotAttempted, Wrong, compare_letters, exercise, want_number
from tutorial_lib.experiments.stages.shared import label_permutations, thirds
from tutorial_lib.statistics import holm, sign_flip_test

SIX = np.array([0.2, 0.086, -0.131, 0.315, 0.023, 0.075])
FLIPS = {
    "the six users of the lesson": SIX,
    "the same with the models exchanged": -SIX,
    "four equal differences": np.array([0.1, 0.1, 0.1, 0.1]),
    "differences that cancel": np.array([0.3, -0.3, 0.1, -0.1, 0.0]),
    "rounded sums": np.array([0.1, 0.2, -0.3, 0.7, 0.1, 0.2]),
    "one user": np.array([0.4]),
}


@exercise(points=3, minutes=15)
def check_exact_p(answer) -> None:
    """20.1: two-sided p-value over all sign patterns."""
    for about, d in FLIPS.items():
        got, n = want_number(answer(d.copy()), "the p-value"), len(d)
        patterns = np.array(list(itertools.product([1, -1], repeat=n)))
        sums, seen = patterns @ d, d.sum()
        far = np.abs(sums) >= abs(seen) - 1e-9
        want = far.mean()
        if abs(got - want) < 1e-9:
            continue
        known = {
            "this looks at one side only; patterns as far from 0 on the other side count, too": (
                (sums >= seen - 1e-9).mean()
            ),
            "this counts only patterns that are farther from 0; the observed one is as far as itself": (
                (np.abs(sums) > abs(seen) + 1e-9).mean()
            ),
            "equal sums differ by rounding; allow a little slack, or the observed pattern itself may be missed": (
                (np.abs(patterns @ d) >= abs(d.mean()) * n).mean()
            ),
            "all patterns are looked at, the observed one among them: nothing has to be added": (
                (far.sum() + 1) / (2**n + 1)
            ),
            "the observed pattern is one of the 2^N; do not leave it out": (
                (far.sum() - 1) / max(1, 2**n - 1)
            ),
            "this is the number of patterns; divide by how many there are": far.sum(),
            "this is one minus the share that is wanted": 1 - want,
        }
        for reason, value in known.items():
            if abs(got - value) < 1e-9:
                raise Wrong(f"{about}: {reason}")
        if not 0 <= got <= 1:
            raise Wrong(f"{about}: {got:g} is no probability")
        if abs(got - want) < 0.03 and got != 0:
            raise Wrong(
                f"{about}: {got:.4f} is near {want:.4f}, yet not it: with so few users no pattern"
                " has to be drawn at random"
            )
        raise Wrong(
            f"{about}: {far.sum()} of {2**n} patterns are as far from 0, so p = {want:.4f}; yours"
            f" is {got:.4f}"
        )


MANY = {
    "four tests": [0.030, 0.012, 0.400, 0.020],
    "tests in order": [0.001, 0.010, 0.011, 0.200, 0.300],
    "equal values": [0.02, 0.02, 0.02],
    "one test": [0.04],
    "large values": [0.5, 0.9, 0.7],
}


@exercise(points=3, minutes=15)
def check_holm_adjust(answer) -> None:
    """20.2: Holm's step-down adjustment."""
    for about, values in MANY.items():
        p = np.array(values)
        got, want, m = answer(p.copy()), holm(p), len(p)
        if got is None or got is Ellipsis:
            raise NotAttempted
        got = np.asarray(got, dtype=np.float64)
        if got.shape != p.shape:
            raise Wrong(
                f"{about}: {m} values are wanted, one for each test; yours have shape {got.shape}"
            )
        if np.allclose(got, want, atol=1e-9):
            continue
        order = np.argsort(p, kind="stable")
        place = np.argsort(order, kind="stable")
        ascending = p[order]
        stepped = np.maximum.accumulate(ascending * np.arange(m, 0, -1))
        known = {  # the narrower mistakes first
            "a probability cannot exceed 1: cut it off": stepped[place],
            "the values are right and in rising order: bring them back to the order of the tests": (
                np.minimum(stepped, 1)
            ),
            "this multiplies every value by M: that is Bonferroni; only the smallest is multiplied by M, the next by M - 1": np.minimum(
                p * m, 1
            ),
            "none may be below the one before it: keep the largest so far while you go up": (
                np.minimum(ascending * np.arange(m, 0, -1), 1)[place]
            ),
            "the largest gets M and the smallest 1; it is the other way round": np.minimum(
                np.maximum.accumulate(ascending * np.arange(1, m + 1)), 1
            )[place],
            "this is the correction of Benjamini and Hochberg: it bounds the share of false discoveries, not the chance of any": np.minimum(
                np.minimum.accumulate((ascending * m / np.arange(1, m + 1))[::-1])[::-1], 1
            )[place],
            "the factors follow the order of the list; sort the values first": np.minimum(
                p * np.arange(m, 0, -1), 1
            ),
            "these are the values that came in": p,
        }
        for reason, value in known.items():
            if np.allclose(got, value, atol=1e-9):
                raise Wrong(f"{about}: {reason}")
        worst = int(np.nan_to_num(np.abs(got - want), nan=np.inf).argmax())
        raise Wrong(
            f"{about}: p = {p[worst]:g} becomes {want[worst]:.4g}, yours is {got[worst]:.4g}"
        )


def _users(
    irregular_gain: float, regular_gain: float, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Model [5, N], twin [3, N] and CV [N]. Irregular users are the easier ones, and those without
    a CV gain most of all.
    """
    rng = np.random.default_rng(seed)
    cv = rng.permutation(np.concatenate([rng.uniform(0.3, 4, 270), np.full(60, np.nan)]))
    group, ease = thirds(cv), rng.uniform(0, 0.2, 330)
    ease[group == 2] += 0.3
    gain = np.select(
        [group == 2, group == 0, group == 1], [irregular_gain, regular_gain, 0.15], default=0.5
    )
    twin = ease + 0.05 * rng.standard_normal((3, 330))
    model = ease + gain + 0.05 * rng.standard_normal((5, 330)) + 0.05 * rng.standard_normal(330)
    return model, twin, cv


@exercise(points=4, minutes=20)
def check_irregular_minus_regular(answer) -> None:
    """20.3: difference of differences between the outer thirds, and its p-value by dealing out the
    labels.
    """
    cases = {
        "the same gain for all": (0.02, 0.02, 0),
        "irregular users gain a little more": (0.04, 0.012, 1),
        "irregular users gain less": (0.0, 0.012, 2),
    }
    for about, case in cases.items():
        model, twin, cv = _users(*case)
        got = answer(model.copy(), twin.copy(), cv.copy())
        if got is None or got is Ellipsis:
            raise NotAttempted
        if not isinstance(got, (tuple, list, np.ndarray)) or len(got) != 2:
            raise Wrong("two numbers are wanted: the difference and its p-value")
        difference, p = want_number(got[0], "the difference"), want_number(got[1], "the p-value")
        gain, group = model.mean(0) - twin.mean(0), thirds(cv)
        top, bottom, base = group == 2, group == 0, twin.mean(0)
        want, half = gain[top].mean() - gain[bottom].mean(), cv > np.nanmedian(cv)
        known = {
            "the sign is turned: irregular minus regular": -want,
            "the twin is missing: subtract it, or you compare how easy the groups are": (
                model.mean(0)[top].mean() - model.mean(0)[bottom].mean()
            ),
            "this is the gain in the top group alone": gain[top].mean(),
            "these are halves; thirds are wanted, without the middle one": (
                gain[half].mean() - gain[cv <= np.nanmedian(cv)].mean()
            ),
            "this is the top third against all others; the middle and the users without a CV stay out": (
                gain[top].mean() - gain[~top].mean()
            ),
            "users without a CV belong to no group": (
                gain[top].mean() - gain[bottom | (group == -1)].mean()
            ),
            "users without a CV belong to no group; leave them out": (
                gain[top | (group == -1)].mean() - gain[bottom].mean()
            ),
            "these are gains in percent of the twin; differences of NDCG are wanted": (
                gain[top].mean() / base[top].mean() - gain[bottom].mean() / base[bottom].mean()
            ),
            "only the first seed is used; average over the seeds": (
                (model[0] - twin[0])[top].mean() - (model[0] - twin[0])[bottom].mean()
            ),
        }
        if not abs(difference - want) < 1e-9:
            for reason, value in known.items():
                if abs(difference - value) < 1e-9:
                    raise Wrong(f"{about}: {reason}")
            raise Wrong(f"{about}: the difference is {want:.5f}, yours is {difference:.5f}")
        used = top | bottom
        fair = label_permutations(gain[used, None], top[used], draws=4000)[0]
        if abs(p - fair) < 0.02 + 0.1 * fair:
            continue
        raise Wrong(
            f"{about}: p should be about {fair:.3f}, yours is {p:.3f}; deal out the labels of the"
            " two groups anew, among the users of these two groups only, and test the gains (signs"
            " are flipped to test one group, not the difference of two)"
        )


@exercise(points=2, minutes=10)
def check_supported_reports(answer) -> None:
    """20.4: which reports support their sentence."""
    hints = {
        "A": "another training means other seeds; which of the two intervals speaks of them?",
        "B": "which number speaks of the difference between the groups?",
        "C": "how often would the best of 26 equal models reach this?",
        "D": "groups, seeds, corrections: what is missing?",
        "E": "what happens to users who had bad luck once, even if the new model is the old one?",
        "F": "the sentence asks how certain, not how large",
    }
    compare_letters(answer, {"D", "F"}, hints)


# Answers on which the tests try the checkers: right ones, and wrong ones with words of the reason given.


def flips(d, one_sided=False, strict=False, slack=1e-9, extra=0, share=True):
    sums = np.array(list(itertools.product([1, -1], repeat=len(d)))) @ d
    size, seen = (sums, d.sum()) if one_sided else (np.abs(sums), abs(d.sum()))
    far = size > seen + slack if strict else size >= seen - slack
    return (far.sum() + extra) / (len(sums) + extra) if share else far.sum()


def step_down(p, running=True, cap=True, back=True, factors=None, ordered=True):
    order = np.argsort(p, kind="stable") if ordered else np.arange(len(p))
    values = p[order] * (np.arange(len(p), 0, -1) if factors is None else factors(len(p)))
    values = np.maximum.accumulate(values) if running else values
    values = np.minimum(values, 1) if cap else values
    if not back:
        return values
    result = np.empty_like(p)
    result[order] = values
    return result


def benjamini_hochberg(p):
    order = np.argsort(p)
    values = np.minimum.accumulate((p[order] * len(p) / np.arange(1, len(p) + 1))[::-1])[::-1]
    result = np.empty_like(p)
    result[order] = values
    return result


def outer_thirds(model, twin, cv, low=None, high=None, sign=1, test="labels"):
    gain, group = sign * (model.mean(0) - twin.mean(0)), thirds(cv)
    top = group == 2 if high is None else high(cv, group)
    bottom = group == 0 if low is None else low(cv, group)
    used = top | bottom
    p = {
        "labels": lambda: label_permutations(gain[used, None], top[used], draws=3000)[0],
        "all": lambda: label_permutations(gain[:, None], top, draws=3000)[0],
        "top alone": lambda: sign_flip_test(gain[top]),
        "signs": lambda: sign_flip_test(gain[used]),
    }[test]()
    return gain[top].mean() - gain[bottom].mean(), p


def in_percent(model, twin, cv):
    group, base = thirds(cv), twin.mean(0)
    gain = model.mean(0) - base
    top, bottom = (gain[group == g].mean() / base[group == g].mean() for g in (2, 0))
    return top - bottom, outer_thirds(model, twin, cv)[1]


RIGHT = [
    (check_exact_p, flips),
    (check_holm_adjust, holm),
    (check_holm_adjust, lambda p: list(step_down(p))),
    (check_irregular_minus_regular, outer_thirds),
    (check_supported_reports, {"D", "F"}),
]
WRONG = [
    (check_exact_p, lambda d: flips(d, one_sided=True), "one side only"),
    (check_exact_p, lambda d: flips(d, strict=True), "as far as itself"),
    (check_exact_p, lambda d: flips(d, extra=1), "nothing has to be added"),
    (check_exact_p, lambda d: flips(d, share=False), "divide by how many"),
    (check_exact_p, lambda d: 1 - flips(d), "one minus"),
    (check_exact_p, lambda d: sign_flip_test(d, draws=20_000), "drawn at random"),
    (check_exact_p, lambda d: 7.0, "no probability"),
    (check_exact_p, lambda d: "small", "one number is wanted"),
    (check_holm_adjust, lambda p: np.minimum(p * len(p), 1), "Bonferroni"),
    (check_holm_adjust, lambda p: step_down(p, running=False), "the one before it"),
    (check_holm_adjust, lambda p: step_down(p, cap=False), "cannot exceed 1"),
    (check_holm_adjust, lambda p: step_down(p, back=False), "order of the tests"),
    (
        check_holm_adjust,
        lambda p: step_down(p, factors=lambda m: np.arange(1, m + 1)),
        "other way round",
    ),
    (
        check_holm_adjust,
        lambda p: step_down(p, ordered=False, running=False),
        "sort the values first",
    ),
    (check_holm_adjust, benjamini_hochberg, "Benjamini"),
    (check_holm_adjust, lambda p: p, "that came in"),
    (check_holm_adjust, lambda p: holm(p).max(), "one for each test"),
    (check_holm_adjust, lambda p: holm(p) * np.nan, "yours is nan"),
    (
        check_irregular_minus_regular,
        lambda m, t, c: outer_thirds(m, t, c, sign=-1),
        "sign is turned",
    ),
    (
        check_irregular_minus_regular,
        lambda m, t, c: outer_thirds(m, 0 * t, c),
        "twin is missing",
    ),
    (
        check_irregular_minus_regular,
        lambda m, t, c: outer_thirds(m[:1], t[:1], c),
        "average over the seeds",
    ),
    (check_irregular_minus_regular, in_percent, "in percent"),
    (
        check_irregular_minus_regular,
        lambda m, t, c: outer_thirds(
            m,
            t,
            c,
            low=lambda cv, g: cv <= np.nanmedian(cv),
            high=lambda cv, g: cv > np.nanmedian(cv),
        ),
        "halves",
    ),
    (
        check_irregular_minus_regular,
        lambda m, t, c: outer_thirds(m, t, c, low=lambda cv, g: g < 2),
        "all others",
    ),
    (
        check_irregular_minus_regular,
        lambda m, t, c: outer_thirds(m, t, c, low=lambda cv, g: g <= 0),
        "belong to no group",
    ),
    (
        check_irregular_minus_regular,
        lambda m, t, c: outer_thirds(m, t, c, test="top alone"),
        "signs are flipped",
    ),
    (
        check_irregular_minus_regular,
        lambda m, t, c: outer_thirds(m, t, c, test="signs"),
        "signs are flipped",
    ),
    (
        check_irregular_minus_regular,
        lambda m, t, c: outer_thirds(m, t, c, test="all"),
        "two groups only",
    ),
    (
        check_irregular_minus_regular,
        lambda m, t, c: outer_thirds(m, t, c)[0],
        "two numbers",
    ),
    (check_supported_reports, {"A", "D", "F"}, "look at A"),
    (check_supported_reports, {"B", "D", "F"}, "look at B"),
    (check_supported_reports, {"C", "D", "F"}, "look at C"),
    (check_supported_reports, {"D", "E", "F"}, "look at E"),
    (check_supported_reports, {"D"}, "look at F"),
    (check_supported_reports, {"F"}, "look at D"),
]
