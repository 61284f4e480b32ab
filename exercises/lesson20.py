"""Checkers of lesson 20, significance and irregularity."""

import itertools
import math
from fractions import Fraction
from functools import cache

import numpy as np
import pandas as pd
import torch

from exercises.checking import (
    Wrong,
    compare_letters,
    exercise,
    same,
    told_apart,
    want_array,
    want_number,
)
from exercises.open_task import END, END_ZH, Report, interval_of, open_task
from tutorial_lib.experiments.stages.shared import label_permutations, thirds
from tutorial_lib.language import say
from tutorial_lib.statistics import holm, sign_flip_test

SIX = np.array([0.2, 0.086, -0.131, 0.315, 0.023, 0.075])
FLIPS = {
    "the six users of the lesson": SIX,
    "the same with the models exchanged": -SIX,
    "four equal differences": np.array([0.1, 0.1, 0.1, 0.1]),
    "differences that cancel": np.array([0.3, -0.3, 0.1, -0.1, 0.0]),
    "rounded sums": np.array([0.1, 0.2, -0.3, 0.7, 0.1, 0.2]),
    "one user": np.array([0.4]),
    # their sums lie 0.00002 apart where it matters
    "ten small differences": 0.005 * np.random.default_rng(40).standard_normal(10),
    "ten others": 0.005 * np.random.default_rng(6).standard_normal(10),
}
# tenths, whose sums are often equal up to rounding
TENTHS = np.random.default_rng(20)
FLIPS |= {
    say("table {i} of tenths", i=i): TENTHS.integers(-9, 10, 5 + i % 3) / 10 for i in range(12)
}


@exercise(points=3, minutes=15)
def check_exact_p(answer) -> None:
    """20.1: two-sided p-value over all sign patterns."""
    for about, d in FLIPS.items():
        got, n = want_number(answer(d), "the p-value"), len(d)
        patterns = np.array(list(itertools.product([1, -1], repeat=n)))
        sums, seen = patterns @ d, d.sum()
        far = np.abs(sums) >= abs(seen) - 1e-9
        want = far.mean()
        if same(got, want):
            continue
        known = {
            "this looks at one side only; patterns as far from 0 on the other side count, too": (
                (sums >= seen - 1e-9).mean()
            ),
            "this counts only patterns that are farther from 0; the observed one is as far as itself": (
                (np.abs(sums) > abs(seen) + 1e-9).mean()
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
            if same(got, value):
                raise Wrong("{about}: {reason}", about=about, reason=reason)
        if not 0 <= got <= 1:
            raise Wrong("{about}: {got:g} is no probability", about=about, got=got)
        if about.startswith("ten ") and got > want:
            raise Wrong(
                "{about}: p = {want:.4f}, yours is {got:.4f}; if you allow some slack, let"
                " it be as small as rounding, say 1e-9",
                about=about,
                want=want,
                got=got,
            )
        if ("tenths" in about or about == "rounded sums") and got < want:
            raise Wrong(
                "{about}: p = {want:.4f}, yours is {got:.4f}; equal sums differ by"
                " rounding: allow a little slack, or the observed pattern itself may be"
                " missed",
                about=about,
                want=want,
                got=got,
            )
        if abs(got - want) < 0.03 and got != 0:
            yours, right = told_apart(got, float(want))
            raise Wrong(
                "{about}: {yours} is near {right}, yet not it: with so few users no"
                " pattern has to be drawn at random, and equal sums count as equal",
                about=about,
                yours=yours,
                right=right,
            )
        raise Wrong(
            "{about}: {far} of {n} patterns are as far from 0, so p = {want:.4f}; yours is"
            " {got:.4f}",
            about=about,
            far=far.sum(),
            n=2**n,
            want=want,
            got=got,
        )


MANY = {
    "four tests": [0.030, 0.012, 0.400, 0.020],
    "tests in order": [0.001, 0.010, 0.011, 0.200, 0.300],
    "equal values": [0.02, 0.02, 0.02],
    "one test": [0.04],
    "large values": [0.5, 0.9, 0.7],
    "tests in falling order": [0.8, 0.03, 0.02, 0.0],
    "eight tests": [0.0061, 0.21, 0.012, 0.0104, 0.047, 0.0001, 0.6, 0.0095],
}


@exercise(points=3, minutes=15)
def check_holm_adjust(answer) -> None:
    """20.2: Holm's step-down adjustment."""
    for about, values in MANY.items():
        p = np.array(values)
        given, want, m = answer(p), holm(p), len(p)
        got = want_array(given, "the answer", kind="float")
        if got.shape != p.shape:
            raise Wrong(
                "{about}: {m} values are wanted, one for each test; yours have shape {shape}",
                about=about,
                m=m,
                shape=got.shape,
            )
        if same(given, want):
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
            if same(given, value):
                raise Wrong("{about}: {reason}", about=about, reason=reason)
        worst = int(np.nan_to_num(np.abs(got - want), nan=np.inf).argmax())
        yours, right = told_apart(float(got[worst]), float(want[worst]))
        raise Wrong(
            "{about}: p = {p:g} becomes {right}, yours is {yours}",
            about=about,
            p=p[worst],
            right=right,
            yours=yours,
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


@cache
def _fair_p(
    irregular_gain: float, regular_gain: float, seed: int, trained: int, twins: int
) -> float:
    model, twin, cv = _users(irregular_gain, regular_gain, seed)
    gain, group = model[:trained].mean(0) - twin[:twins].mean(0), thirds(cv)
    used = (group == 0) | (group == 2)
    return label_permutations(gain[used, None], group[used] == 2, draws=4000)[0]


@exercise(points=4, minutes=20)
def check_irregular_minus_regular(answer) -> None:
    """20.3: difference of differences between the outer thirds, and its p-value by dealing out the
    labels.
    """
    cases = {  # gain of irregular and of regular users, seed; trainings of model and twin
        "the same gain for all": (0.02, 0.02, 0, 5, 3),
        "irregular users gain a little more": (0.04, 0.012, 1, 5, 3),
        "irregular users gain less": (0.0, 0.012, 2, 5, 3),
        "few trainings": (0.01, 0.022, 4, 2, 1),
    }
    for about, (*case, trained, twins) in cases.items():
        model, twin, cv = _users(*case)
        model, twin = model[:trained], twin[:twins]
        got = answer(model, twin, cv)
        try:
            if isinstance(got, dict | str):
                raise TypeError
            one, two = got
        except (TypeError, ValueError):
            raise Wrong("two numbers are wanted: the difference and its p-value") from None
        difference, p = want_number(one, "the difference"), want_number(two, "the p-value")
        gain, group = model.mean(0) - twin.mean(0), thirds(cv)
        top, bottom, base = group == 2, group == 0, twin.mean(0)
        want, half = gain[top].mean() - gain[bottom].mean(), cv > np.nanmedian(cv)
        known = {
            "the sign is flipped: irregular minus regular": -want,
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
        if not same(one, want):
            for reason, value in known.items():
                if same(one, value):
                    raise Wrong("{about}: {reason}", about=about, reason=reason)
            yours, right = told_apart(difference, float(want))
            raise Wrong(
                "{about}: the difference is {right}, yours is {yours}",
                about=about,
                right=right,
                yours=yours,
            )
        fair = _fair_p(*case, trained, twins)
        if abs(p - fair) < 0.02 + 0.1 * fair:
            continue
        raise Wrong(
            "{about}: p should be about {fair:.3f}, yours is {p:.3f}; deal out the labels"
            " of the two groups anew, among the users of these two groups only, and test"
            " the gains (signs are flipped to test one group, not the difference of two)",
            about=about,
            fair=fair,
            p=p,
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


@open_task
def open_report(report: Report) -> None:
    """The open task: for whom time helps."""
    halves = [report.whole_numbers(name) for name in ("chosen_on", "tested_on")]
    if all(halves):
        both = set(halves[0]) & set(halves[1])
        report.want(
            not both,
            "{count} users stand in both halves: the test must not know those who chose",
            count=len(both),
        )
    report.number("cut")
    report.interval("difference", -2, 2)
    report.table("thirds", interval_of(-2, 2), least=3)
    report.closing()


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


def in_fractions(differences):
    """In whole numbers, hence exact; a fraction."""
    whole = np.rint(1e13 * differences).astype(np.int64)
    patterns = np.array(list(itertools.product([1, -1], repeat=len(whole))))
    far = np.abs(patterns @ whole) >= abs(whole.sum())
    return Fraction(int(far.sum()), len(far))


def is_close(differences):
    """Half of the patterns, for the other half mirrors them; in torch."""
    d = torch.from_numpy(differences)
    signs = torch.tensor(list(itertools.product([1.0, -1.0], repeat=len(d) - 1))).double()
    means = (signs.reshape(2 ** len(d[1:]), len(d[1:])) @ d[1:] + d[0]).abs() / len(d)
    seen = d.mean().abs()
    return ((means > seen) | torch.isclose(means, seen)).float().mean()


def by_means(differences):
    patterns = np.array(list(itertools.product([1, -1], repeat=len(differences))))
    means = (patterns * differences).mean(axis=1)
    return (np.abs(means) >= abs(differences.mean())).mean()


def by_exact_sums(differences):
    patterns = itertools.product([1, -1], repeat=len(differences))
    sums = [abs(math.fsum(np.array(row) * differences)) for row in patterns]
    return np.mean(np.array(sums) >= abs(math.fsum(differences)))


def in_series(p):
    ranked = pd.Series(p).sort_values(kind="stable")
    factors = np.arange(len(p), 0, -1)
    return (ranked * factors).cummax().clip(upper=1).sort_index()


def by_tests(p):
    """For each test the largest of what its like and all smaller ones become; a list."""
    m, smaller = len(p), [[q for q in p if q <= one] for one in p]
    return [min(1.0, max((m - sum(r < q for r in p)) * q for q in below)) for below in smaller]


def own_thirds(model, twin, cv):
    gain = np.mean(model, 0) - np.mean(twin, 0)
    low, high = np.nanquantile(cv, [1 / 3, 2 / 3])
    top, bottom = gain[cv > high], gain[cv <= low]
    both, rng = np.concatenate([top, bottom]), np.random.default_rng(9)
    seen, drawn = top.mean() - bottom.mean(), []
    for _ in range(3000):
        shuffled = rng.permutation(both)
        drawn.append(shuffled[: len(top)].mean() - shuffled[len(top) :].mean())
    return np.array([seen, np.mean(np.abs(drawn) >= abs(seen))])


def ranked_in_torch(model, twin, cv):
    known = np.flatnonzero(~np.isnan(cv))
    order, size = known[np.argsort(cv[known])], len(known) // 3
    outer = np.append(order[:size], order[-size:])
    gain = torch.from_numpy(model).mean(0) - torch.from_numpy(twin).mean(0)
    top = np.arange(2 * size) >= size
    p = label_permutations(gain[outer, None].numpy(), top, draws=3000)[0]
    return torch.stack([gain[outer[size:]].mean() - gain[outer[:size]].mean(), torch.tensor(p)])


def with_p(change):
    """The right difference with another p-value."""

    def answer(model, twin, cv):
        difference, p = outer_thirds(model, twin, cv)
        return difference, change(p, model, twin, cv)

    return answer


RIGHT = [
    (check_exact_p, flips),
    (check_exact_p, in_fractions),
    (check_exact_p, is_close),
    (check_exact_p, lambda d: np.array([flips(d, slack=1e-12)], dtype=np.float32)),
    (check_holm_adjust, in_series),
    (check_holm_adjust, by_tests),
    (check_holm_adjust, lambda p: torch.tensor(step_down(p)).float()),
    (check_irregular_minus_regular, own_thirds),
    (check_irregular_minus_regular, ranked_in_torch),
    (check_holm_adjust, holm),
    (check_holm_adjust, lambda p: list(step_down(p))),
    (check_irregular_minus_regular, outer_thirds),
    (check_supported_reports, {"D", "F"}),
    (check_supported_reports, "D and F"),
    (check_supported_reports, ["F", "D"]),
]
WRONG = [
    (check_exact_p, lambda d: flips(d, one_sided=True), "one side only"),
    (check_exact_p, lambda d: flips(d, strict=True), "as far as itself"),
    (check_exact_p, lambda d: flips(d, extra=1), "nothing has to be added"),
    (check_exact_p, lambda d: flips(d, share=False), "divide by how many"),
    (check_exact_p, lambda d: 1 - flips(d), "one minus"),
    (check_exact_p, lambda d: sign_flip_test(d, draws=20_000), "drawn at random"),
    (check_exact_p, by_means, "equal sums differ by rounding"),
    (check_exact_p, by_exact_sums, "equal sums differ by rounding"),
    (check_exact_p, lambda d: flips(d, slack=0), "equal sums differ by rounding"),
    (check_exact_p, lambda d: flips(d, slack=0.005), "as small as rounding"),
    (check_exact_p, lambda d: flips(d, slack=1e-4), "as small as rounding"),
    (check_exact_p, lambda d: flips(SIX), "four equal differences"),
    (check_exact_p, lambda d: flips(d[:6]), "yet not it"),
    (check_exact_p, lambda d: [flips(d)] * 2, "one number is wanted"),
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
    (check_holm_adjust, lambda p: holm(p)[::-1], "yours is"),
    (
        check_holm_adjust,
        lambda p: step_down(p, factors=lambda m: np.arange(m, 0, -1) + 1),
        "yours is",
    ),
    (check_holm_adjust, lambda p: 1 - (1 - p) ** len(p), "yours is"),
    (check_holm_adjust, lambda p: step_down(p) + 1e-6, "yours is 0.060001"),
    (check_holm_adjust, lambda p: holm(p).max(), "one for each test"),
    (check_holm_adjust, lambda p: holm(p) * np.nan, "yours is nan"),
    (
        check_irregular_minus_regular,
        lambda m, t, c: outer_thirds(m, t, c, sign=-1),
        "sign is flipped",
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
    (check_irregular_minus_regular, with_p(lambda p, *_: p / 2), "p should be about"),
    (check_irregular_minus_regular, with_p(lambda p, *_: 1 - p), "p should be about"),
    (check_irregular_minus_regular, with_p(lambda p, *_: float(p < 0.05)), "p should be about"),
    (
        check_irregular_minus_regular,
        with_p(lambda p, m, t, c: outer_thirds(m, 0 * t, c)[1]),
        "p should be about",
    ),
    (
        check_irregular_minus_regular,
        with_p(lambda p, m, t, c: outer_thirds(m[:1], t[:1], c)[1]),
        "p should be about",
    ),
    (
        check_irregular_minus_regular,
        lambda m, t, c: outer_thirds(m, t, c, high=lambda cv, g: g == 1),
        "the difference is",
    ),
    (
        check_irregular_minus_regular,
        lambda m, t, c: outer_thirds(m, t, c)[::-1],
        "the difference is",
    ),
    (check_supported_reports, set("ABCDEF"), "look at A"),
    (check_supported_reports, set(), "look at D"),
    (check_supported_reports, {"D": True, "F": True}, "set of letters"),
    (check_supported_reports, {"A", "D", "F"}, "look at A"),
    (check_supported_reports, {"B", "D", "F"}, "look at B"),
    (check_supported_reports, {"C", "D", "F"}, "look at C"),
    (check_supported_reports, {"D", "E", "F"}, "look at E"),
    (check_supported_reports, {"D"}, "look at F"),
    (check_supported_reports, {"F"}, "look at D"),
]

# Mutants (tests/exercises/mutants.py) that are right, and why.
ARGUED = [
    (check_exact_p, "1e-09 -> 1.1000000000000001e-09", "any slack of the size of rounding will do"),
    (check_exact_p, "10000000000000.0 -> 11000000000000.0", "tenths are whole numbers then, too"),
    (check_exact_p, "1e-12 -> 1.1000000000000002e-12", "any slack of the size of rounding will do"),
    (
        check_exact_p,
        "size >= seen - slack -> size > seen - slack",
        "the slack decides, not the sign",
    ),
    (check_exact_p, "means > seen -> means >= seen", "equal ones count by isclose anyway"),
    *(
        (check_exact_p, f"{one} + extra -> {one}{rest}", "extra is 0 in the right answer")
        for one in ("far.sum()", "len(sums)")
        for rest in (" - extra", "")
    ),
    (
        check_exact_p,
        "signs.reshape(2 ** len(d[1:]), len(d[1:])) @ d[1:] + d[0]"
        " -> signs.reshape(2 ** len(d[1:]), len(d[1:])) @ d[1:] - d[0]",
        "the patterns with a minus at the first place mirror those with a plus",
    ),
    (check_exact_p, "one axis more", "an array of one number is a number"),
    *(
        (check_irregular_minus_regular, mutant, "the p-value is drawn, and moves by less than that")
        for mutant in (
            *("3000 -> 2999", "3000 -> 3001", "last entry off"),
            "np.abs(drawn) >= abs(seen) -> np.abs(drawn) > abs(seen)",
            "np.arange(2 * size) >= size -> np.arange(2 * size) > size",
        )
    ),
    (check_irregular_minus_regular, "9 -> 8", "another seed of the permutations"),
    (check_irregular_minus_regular, "9 -> 10", "another seed of the permutations"),
    (check_irregular_minus_regular, "cv > high -> cv >= high", "no user's CV is the border itself"),
    (check_irregular_minus_regular, "cv <= low -> cv < low", "no user's CV is the border itself"),
    (check_irregular_minus_regular, "0 -> -1", "an array of one p-value: its first is its last"),
    (
        check_irregular_minus_regular,
        "sign * (model.mean(0) - twin.mean(0)) -> model.mean(0) - twin.mean(0)",
        "sign is 1 in the right answer",
    ),
]

OPEN = {
    "chosen_on": range(0, 400, 2),
    "tested_on": range(1, 400, 2),
    "cut": 5.0,
    "difference": (0.02, 0.004, 0.036),
    "thirds": dict.fromkeys((1, 2, 3), (0.02, -0.01, 0.05)),
    **END,
}
OPEN_RIGHT = [OPEN, {**OPEN, **END_ZH}]
OPEN_WRONG = [
    ({**OPEN, "tested_on": range(4, 400)}, "198 users stand in both halves"),
    ({**OPEN, "thirds": {1: (0.02, -0.01, 0.05)}}, "1 of at least 3"),
    ({**OPEN, "cut": "the median"}, "one number is wanted"),
]
