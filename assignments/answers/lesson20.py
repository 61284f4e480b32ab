"""Answers to the exercises of lesson 20: right ones, and wrong ones with words of the reason that
the student must be given.
"""

import itertools

import numpy as np

from tutorial_lib.exercises import lesson20
from tutorial_lib.experiments.stages.shared import label_permutations, thirds
from tutorial_lib.statistics import holm, sign_flip_test


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
    (lesson20.check_exact_p, flips),
    (lesson20.check_holm_adjust, holm),
    (lesson20.check_holm_adjust, lambda p: list(step_down(p))),
    (lesson20.check_irregular_minus_regular, outer_thirds),
    (lesson20.check_supported_reports, {"D", "F"}),
]
WRONG = [
    (lesson20.check_exact_p, lambda d: flips(d, one_sided=True), "one side only"),
    (lesson20.check_exact_p, lambda d: flips(d, strict=True), "as far as itself"),
    (lesson20.check_exact_p, lambda d: flips(d, extra=1), "nothing has to be added"),
    (lesson20.check_exact_p, lambda d: flips(d, share=False), "divide by how many"),
    (lesson20.check_exact_p, lambda d: 1 - flips(d), "one minus"),
    (lesson20.check_exact_p, lambda d: sign_flip_test(d, draws=20_000), "drawn at random"),
    (lesson20.check_exact_p, lambda d: 7.0, "no probability"),
    (lesson20.check_exact_p, lambda d: "small", "one number is wanted"),
    (lesson20.check_holm_adjust, lambda p: np.minimum(p * len(p), 1), "Bonferroni"),
    (lesson20.check_holm_adjust, lambda p: step_down(p, running=False), "the one before it"),
    (lesson20.check_holm_adjust, lambda p: step_down(p, cap=False), "cannot exceed 1"),
    (lesson20.check_holm_adjust, lambda p: step_down(p, back=False), "order of the tests"),
    (
        lesson20.check_holm_adjust,
        lambda p: step_down(p, factors=lambda m: np.arange(1, m + 1)),
        "other way round",
    ),
    (
        lesson20.check_holm_adjust,
        lambda p: step_down(p, ordered=False, running=False),
        "sort the values first",
    ),
    (lesson20.check_holm_adjust, benjamini_hochberg, "Benjamini"),
    (lesson20.check_holm_adjust, lambda p: p, "that came in"),
    (lesson20.check_holm_adjust, lambda p: holm(p).max(), "one for each test"),
    (lesson20.check_holm_adjust, lambda p: holm(p) * np.nan, "yours is nan"),
    (
        lesson20.check_irregular_minus_regular,
        lambda m, t, c: outer_thirds(m, t, c, sign=-1),
        "sign is turned",
    ),
    (
        lesson20.check_irregular_minus_regular,
        lambda m, t, c: outer_thirds(m, 0 * t, c),
        "twin is missing",
    ),
    (
        lesson20.check_irregular_minus_regular,
        lambda m, t, c: outer_thirds(m[:1], t[:1], c),
        "average over the seeds",
    ),
    (lesson20.check_irregular_minus_regular, in_percent, "in percent"),
    (
        lesson20.check_irregular_minus_regular,
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
        lesson20.check_irregular_minus_regular,
        lambda m, t, c: outer_thirds(m, t, c, low=lambda cv, g: g < 2),
        "all others",
    ),
    (
        lesson20.check_irregular_minus_regular,
        lambda m, t, c: outer_thirds(m, t, c, low=lambda cv, g: g <= 0),
        "belong to no group",
    ),
    (
        lesson20.check_irregular_minus_regular,
        lambda m, t, c: outer_thirds(m, t, c, test="top alone"),
        "signs are flipped",
    ),
    (
        lesson20.check_irregular_minus_regular,
        lambda m, t, c: outer_thirds(m, t, c, test="signs"),
        "signs are flipped",
    ),
    (
        lesson20.check_irregular_minus_regular,
        lambda m, t, c: outer_thirds(m, t, c, test="all"),
        "two groups only",
    ),
    (
        lesson20.check_irregular_minus_regular,
        lambda m, t, c: outer_thirds(m, t, c)[0],
        "two numbers",
    ),
    (lesson20.check_supported_reports, {"A", "D", "F"}, "look at A"),
    (lesson20.check_supported_reports, {"B", "D", "F"}, "look at B"),
    (lesson20.check_supported_reports, {"C", "D", "F"}, "look at C"),
    (lesson20.check_supported_reports, {"D", "E", "F"}, "look at E"),
    (lesson20.check_supported_reports, {"D"}, "look at F"),
    (lesson20.check_supported_reports, {"F"}, "look at D"),
]
