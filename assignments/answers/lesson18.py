"""Answers to the exercises of lesson 18: right ones, and wrong ones with words of the reason that
the student must be given.
"""

import math

import numpy as np

from tutorial_lib.exercises import lesson18
from tutorial_lib.exercises.lesson18 import _expected_maximum as c


def refuse(trials):
    tried = {
        model: set(zip(rows["learning_rate"], rows["seed"], strict=True))
        for model, rows in trials.groupby("model")
    }
    if any(pairs != next(iter(tried.values())) for pairs in tried.values()):
        raise ValueError("unequal")


def choose(trials, column="valid", over="mean", fair=True, seeds=None, equals="lower"):
    if fair:
        refuse(trials)
    trials = trials if seeds is None else trials[trials["seed"].isin(seeds)]
    means = trials.groupby(["model", "learning_rate"])[column].agg(over).unstack()
    return (means if equals == "lower" else means.iloc[:, ::-1]).idxmax(axis=1).to_dict()


def first_row_of_equals(trials):
    refuse(trials)
    means = trials.groupby(["model", "learning_rate"], sort=False)["valid"].mean().round(9)
    return dict(means.groupby("model").idxmax().tolist())


def same_for_all(trials):
    refuse(trials)
    rate = trials.groupby("learning_rate")["valid"].mean().idxmax()
    return dict.fromkeys(trials["model"].unique(), rate)


def as_many(trials):
    if trials.groupby("model").size().nunique() > 1:
        raise ValueError("unequal")
    return choose(trials, fair=False)


def as_many_rates(trials):
    if (
        trials.groupby("model")["learning_rate"].agg(lambda rates: tuple(sorted(rates))).nunique()
        > 1
    ):
        raise ValueError("unequal")
    return choose(trials, fair=False)


def refuses_with_assert(trials):
    try:
        refuse(trials)
    except ValueError:
        raise AssertionError("unequal") from None
    return choose(trials)


def always_refuses(trials):
    raise ValueError("never good enough")


def optimism(k, spread, noise, seeds):
    left = noise / math.sqrt(seeds)
    return c(k) * left**2 / math.hypot(spread, left)


def drawn(k, spread, noise, seeds):
    rng = np.random.default_rng(1)
    quality = spread * rng.standard_normal((200_000, k))
    score = quality + noise / seeds**0.5 * rng.standard_normal((200_000, k))
    best = np.arange(200_000), score.argmax(axis=1)
    return (score[best] - quality[best]).mean()


def total(spread, noise):
    return math.hypot(spread, noise)


def probe(tables, scale=1.0, collapse=False, number=True, place=True):
    """Letters that a student finds who looks at so many tables, in so many ways."""
    rng, found = np.random.default_rng(5), set()
    for letter, script in lesson18.sealed.items():
        for _ in range(tables):
            valid, *tests = 0.1 + scale * 0.01 * rng.standard_normal((3, 5, 6))
            if collapse:
                tests[1][rng.integers(5)] *= 0.1
            results = [script(valid, test) for test in tests]
            moved = results[0][:2] != results[1][:2]
            false = any(
                reported != test[setting, epoch]
                for test, (setting, epoch, reported) in zip(tests, results, strict=True)
            )
            if (place and moved) or (number and false):
                found.add(letter)
    return found


RIGHT = [
    (lesson18.check_choose, choose),
    (lesson18.check_optimism, optimism),
    (lesson18.check_optimism, drawn),
    (lesson18.check_leaking, {"B", "C", "E", "F"}),
    (lesson18.check_leaking, probe(300, collapse=True)),
    (lesson18.check_statements, {"B", "C", "F"}),
]
WRONG = [
    (lesson18.check_choose, lambda t: choose(t, column="test"), "the test part decides"),
    (lesson18.check_choose, lambda t: choose(t, over="max"), "single best seed"),
    (lesson18.check_choose, lambda t: choose(t, over="median"), "median"),
    (lesson18.check_choose, lambda t: choose(t, seeds=[0]), "seed 0 alone"),
    (lesson18.check_choose, lambda t: choose(t, equals="higher"), "of equals take the lower"),
    (lesson18.check_choose, first_row_of_equals, "of equals take the lower"),
    (lesson18.check_choose, same_for_all, "each model chooses for itself"),
    (lesson18.check_choose, lambda t: choose(t.assign(valid=-t["valid"])), "worst rate"),
    (
        lesson18.check_choose,
        lambda t: choose(t, fair=False),
        "has tried fewer rates, and it chooses",
    ),
    (lesson18.check_choose, as_many, "at another rate"),
    (lesson18.check_choose, as_many_rates, "with another seed"),
    (lesson18.check_choose, refuses_with_assert, "raised AssertionError"),
    (lesson18.check_choose, always_refuses, "it refuses a table"),
    (lesson18.check_choose, lambda t: choose(t)["P"], "dictionary"),
    (lesson18.check_optimism, lambda k, s, n, m: c(k) * n**2 / total(s, n), "seeds do not enter"),
    (lesson18.check_optimism, lambda k, s, n, m: optimism(k, s, n, m**2), "square ROOT"),
    (lesson18.check_optimism, lambda k, s, n, m: c(k) * total(s, n / m**0.5), "whole lift"),
    (lesson18.check_optimism, lambda k, s, n, m: c(k) * s**2 / total(s, n / m**0.5), "true gain"),
    (lesson18.check_optimism, lambda k, s, n, m: c(k) * n / m**0.5, "spread does not enter"),
    (
        lesson18.check_optimism,
        lambda k, s, n, m: c(k) * n**2 / m / (s + n / m**0.5),
        "add their squares",
    ),
    (
        lesson18.check_optimism,
        lambda k, s, n, m: c(k) * n**2 / m / total(s, n / m**0.5) ** 2,
        "root of the sum",
    ),
    (lesson18.check_optimism, lambda k, s, n, m: optimism(k * m, s, n, 1), "no further trials"),
    (lesson18.check_optimism, lambda k, s, n, m: 0.0, "yours is 0.000000"),
    (lesson18.check_leaking, {"B"}, "look at C"),
    (lesson18.check_leaking, {"B", "C", "F"}, "look at E"),
    (lesson18.check_leaking, {"B", "C", "E"}, "look at F"),
    (lesson18.check_leaking, {"B", "C", "D", "E", "F"}, "look at D"),
    (lesson18.check_leaking, {"A", "B", "C", "E", "F"}, "look at A"),
    (lesson18.check_leaking, {"C", "E", "F"}, "look at B"),
    (lesson18.check_leaking, probe(300), "look at E"),
    (lesson18.check_leaking, probe(300, collapse=True, number=False), "look at F"),
    (lesson18.check_statements, {"A", "B", "C", "F"}, "look at A"),
    (lesson18.check_statements, {"C", "F"}, "look at B"),
    (lesson18.check_statements, {"B", "F"}, "look at C"),
    (lesson18.check_statements, {"B", "C", "D", "F"}, "look at D"),
    (lesson18.check_statements, {"B", "C", "E", "F"}, "look at E"),
    (lesson18.check_statements, {"B", "C"}, "look at F"),
    (lesson18.check_statements, {"Z"}, "set of letters"),
]
