"""Checkers of lesson 18, tuning and fair comparison."""

import math

import numpy as np
import pandas as pd
import torch

from exercises.checking import Wrong, compare_letters, exercise, want_number
from exercises.open_task import END, END_ZH, Report, number_of, open_task
from tutorial_lib.language import say

# model -> rate -> (validation, test) of seeds 0, 1, 2; each row tells some wrong tuner from a right
# one
SCORES = {
    "P": {
        0.001: ((0.10, 0.10, 0.10), 0.09),
        0.003: ((0.07, 0.14, 0.07), 0.10),
        0.01: ((0.06, 0.06, 0.06), 0.12),
    },
    "Q": {
        0.001: ((0.08, 0.08, 0.08), 0.11),
        0.003: ((0.09, 0.09, 0.09), 0.08),
        0.01: ((0.09, 0.09, 0.09), 0.07),
    },
    "R": {
        0.001: ((0.12, 0.005, 0.05), 0.05),
        0.003: ((0.06, 0.06, 0.06), 0.07),
        0.01: ((0.05, 0.08, 0.08), 0.06),
    },
    "S": {
        0.001: ((0.11, 0.11, 0.02), 0.10),
        0.003: ((0.09, 0.09, 0.09), 0.11),
        0.01: ((0.07, 0.07, 0.07), 0.09),
    },
}
WANT = {"P": 0.001, "Q": 0.003, "R": 0.01, "S": 0.003}


def _trials() -> pd.DataFrame:
    """All trials, the rows in no order."""
    rows = [
        (model, rate, seed, valid, test + 0.001 * seed)
        for model, rates in SCORES.items()
        for rate, (scores, test) in rates.items()
        for seed, valid in enumerate(scores)
    ]
    table = pd.DataFrame(rows, columns=["model", "learning_rate", "seed", "valid", "test"])
    return table.sample(frac=1, random_state=3).sort_values(
        "learning_rate", ascending=False, kind="stable", ignore_index=True
    )


def _unequal() -> dict[str, pd.DataFrame]:
    """Tables that a fair tuner refuses."""
    table = _trials()
    rate, seed, of_q = table["learning_rate"], table["seed"], table["model"] == "Q"
    moved = table.assign(learning_rate=rate.mask(of_q & (rate == 0.01), 0.02))
    low, high = rate == 0.003, rate == 0.01
    crossed = (low & (seed == 0) | high & (seed == 1)).where(
        of_q, low & (seed == 1) | high & (seed == 0)
    )
    return {
        "one model has tried fewer rates": table[~(of_q & (rate == 0.001))],
        "one model has fewer seeds at one rate": table[~(of_q & (rate == 0.01) & (seed == 2))],
        "one model has as many trials, but at another rate": moved,
        "one model has as many trials, but with another seed": table.assign(
            seed=seed.mask(of_q & (seed == 2), 7)
        ),
        "one model has as many trials at each rate and with each seed, but other pairs of the two": (
            table[~crossed]
        ),
    }


def _fair() -> list[tuple[pd.DataFrame, dict[str, float]]]:
    """More tables that a fair tuner takes, and what it chooses."""
    table = _trials()
    part = table[(table["learning_rate"] != 0.003) | (table["seed"] == 1)]  # the same gaps for all
    tie = (part["model"] == "Q") & (part["learning_rate"] == 0.01)
    part = part.assign(valid=part["valid"] - 0.01 * tie)  # means of 1 and 3 equal scores may differ
    other = pd.DataFrame(
        [
            ("Y", 0.1, 4, 0.3, 0.9),
            ("X", 0.02, 4, 0.1, 0.2),
            ("Y", 0.02, 4, 0.2, 0.3),
            ("X", 0.1, 4, 0, 0),
        ],
        columns=table.columns,
    )
    return [
        (part, {"P": 0.003, "Q": 0.003, "R": 0.01, "S": 0.003}),
        (other, {"X": 0.02, "Y": 0.1}),
        (other[other["model"] == "X"], {"X": 0.02}),
    ]


def _refuses(answer, table: pd.DataFrame) -> bool:
    """Does it raise a ValueError? Anything else that it raises goes through."""
    try:
        answer(table)
    except Wrong as wrong:
        if isinstance(wrong.__cause__, ValueError):
            return True
        raise
    return False


def _rates(got, want: dict[str, float]) -> dict[str, float]:
    if isinstance(got, pd.Series):
        got = got.to_dict()
    if not isinstance(got, dict) or set(got) != set(want):
        raise Wrong(
            "it must return a dictionary with the models {want} as keys, got {got}",
            want=", ".join(want),
            got=str(got)[:80],
        )
    return {
        model: want_number(got[model], say("the rate of {model}", model=model)) for model in want
    }


@exercise(points=3, minutes=15)
def check_choose(answer) -> None:
    """18.1: the rate with the best mean validation score, only where all had the same trials."""
    table = _trials()
    if _refuses(answer, table.copy()):
        raise Wrong("it refuses a table in which all models have tried the same rates and seeds")
    got = _rates(answer(table.copy()), WANT)
    tried = ["model", "learning_rate"]
    others = {
        "the test part decides here; choose by the column valid": (
            table.groupby(tried)["test"].mean()
        ),
        "the last seed is left out; take the mean over all": (
            table[table["seed"] < 2].groupby(tried)["valid"].mean()
        ),
        "the single best seed decides here; take the mean over the seeds": (
            table.groupby(tried)["valid"].max()
        ),
        "seed 0 alone decides here; take the mean over the seeds": (
            table[table["seed"] == 0].set_index(tried)["valid"]
        ),
        "the median over the seeds decides here; take the mean": (
            table.groupby(tried)["valid"].median()
        ),
        "this chooses the worst rate": -table.groupby(tried)["valid"].mean(),
    }
    for reason, scores in others.items():
        choice = scores.unstack().idxmax(axis=1)
        if all(got[model] == choice[model] for model in ("P", "R", "S")):  # Q has a tie
            raise Wrong(reason)
    if len(set(got.values())) == 1:
        raise Wrong("all models get one and the same rate; each model chooses for itself")
    if got == WANT | {"Q": 0.01}:
        raise Wrong(
            "Q does equally well at 0.003 and 0.01: of equals take the lower rate, however the rows"
            " are ordered"
        )
    _compare_rates(got, WANT)
    for fair, want in _fair():
        if _refuses(answer, fair.copy()):
            raise Wrong("it refuses a table in which all models have tried the same pairs")
        _compare_rates(_rates(answer(fair.copy()), want), want)
    for what, unfair in _unequal().items():
        try:
            refused = _refuses(answer, unfair.copy())
        except Wrong as wrong:
            raise Wrong(
                "{what}: it must raise a ValueError, and {wrong}", what=what, wrong=wrong
            ) from wrong
        if not refused:
            raise Wrong(
                "{what}, and it chooses all the same; it must raise a ValueError", what=what
            )


def _compare_rates(got: dict[str, float], want: dict[str, float]) -> None:
    for model, rate in want.items():
        if not math.isclose(got[model], rate, rel_tol=1e-5):  # a rate in single precision
            raise Wrong(
                "for {model} the best mean validation score is at {rate:g}, yours chooses"
                " {got:.6g}",
                model=model,
                rate=rate,
                got=got[model],
            )


def _expected_maximum(k: float) -> float:
    z = torch.linspace(0, 12, 24_001, dtype=torch.double)
    return torch.trapezoid(1 - torch.special.ndtr(z) ** k - torch.special.ndtr(-z) ** k, z).item()


@exercise(points=3, minutes=15)
def check_optimism(answer) -> None:
    """18.2: what the chosen score promises too much, each setting being a mean over seeds."""
    for k, spread, noise, seeds in (
        (10, 0.002, 0.005, 4),
        (5, 0.004, 0.003, 2),
        (40, 0.003, 0.009, 3),
        (10, 0.002, 0.004, 1),
        (8, 0.0, 0.005, 2),
        (1, 0.002, 0.004, 4),  # nothing to choose from
        (2, 0.006, 0.0, 3),
    ):
        got = want_number(answer(k, spread, noise, seeds), "the optimism")
        c, left = _expected_maximum(k), noise / math.sqrt(seeds)
        total = math.hypot(spread, left)
        want = c * left**2 / total
        if math.isclose(got, want, rel_tol=0.02, abs_tol=2e-5):  # it may be drawn
            continue
        known = {
            "the seeds do not enter: the mean over seeds has less noise than one training": (
                c * noise**2 / math.hypot(spread, noise)
            ),
            "the noise of a mean falls with the square ROOT of the number of seeds": (
                c * (noise / seeds) ** 2 / math.hypot(spread, noise / seeds)
            ),
            "this is the whole lift of the chosen score; part of it is true quality": c * total,
            "this is the true gain; wanted is the part that is luck": c * spread**2 / total,
            "the spread does not enter: where settings differ, the best score is often that of a good setting": (
                c * left
            ),
            "this adds standard deviations; add their squares": c * left**2 / (spread + left),
            "divide by the standard deviation of the score, the root of the sum of squares": (
                c * left**2 / total**2
            ),
            "the seeds are no further trials to choose from: k settings, each with a smaller noise": (
                _expected_maximum(k * seeds) * noise**2 / math.hypot(spread, noise)
            ),
        }
        for reason, value in known.items():
            if math.isclose(got, value, rel_tol=0.02):
                raise Wrong(reason)
        raise Wrong(
            "for {k} settings with spread {spread}, noise {noise} and {seeds} seeds each"
            " it is {want:.6f}, yours is {got:.6f}",
            k=k,
            spread=spread,
            noise=noise,
            seeds=seeds,
            want=want,
            got=got,
        )


def _place(scores: np.ndarray) -> tuple[int, int]:
    setting, epoch = np.unravel_index(scores.argmax(), scores.shape)
    return int(setting), int(epoch)


def _plain(valid: np.ndarray, test: np.ndarray) -> tuple[int, int, float]:
    setting, epoch = _place(valid)
    return setting, epoch, float(test[setting, epoch])


def _epoch_by_test(valid: np.ndarray, test: np.ndarray) -> tuple[int, int, float]:
    setting = _place(valid)[0]
    epoch = int(test[setting].argmax())
    return setting, epoch, float(test[setting, epoch])


def _nearly_equal(valid: np.ndarray, test: np.ndarray) -> tuple[int, int, float]:
    setting, epoch = _place(np.where(valid > valid.max() - 0.002, test, -np.inf))
    return setting, epoch, float(test[setting, epoch])


def _rounded(valid: np.ndarray, test: np.ndarray) -> tuple[int, int, float]:
    setting = int(valid[:, -1].round(2).argmax())
    return setting, valid.shape[1] - 1, float(test[setting, -1])


def _drops_collapsed(valid: np.ndarray, test: np.ndarray) -> tuple[int, int, float]:
    alive = test.max(axis=1) > 0.5 * np.median(test)
    setting, epoch = _place(np.where(alive[:, None], valid, -np.inf))
    return setting, epoch, float(test[setting, epoch])


def _best_number(valid: np.ndarray, test: np.ndarray) -> tuple[int, int, float]:
    setting, epoch = _place(valid)
    return setting, epoch, float(test[setting].max())


sealed = {  # for exercise 18.3: measure them, do not read them
    "A": _plain,
    "B": _epoch_by_test,
    "C": _nearly_equal,
    "D": _rounded,
    "E": _drops_collapsed,
    "F": _best_number,
}


@exercise(points=3, minutes=15)
def check_leaking(answer) -> None:
    """18.3: which sealed scripts let the test part in."""
    hints = {
        "A": "does its choice, or the place of its number, ever move when only test changes?",
        "B": "compare the whole place: setting and epoch",
        "C": (
            "its choice moves only where several validation scores are within 0.002 of the best:"
            " try many tables"
        ),
        "D": "its choice is coarse, but does it move when only test changes?",
        "E": (
            "its choice moves only where a good run on validation has collapsed on test: multiply"
            " some rows of test by 0.1"
        ),
        "F": "is the reported number the test score at the chosen place?",
    }
    compare_letters(answer, {"B", "C", "E", "F"}, hints)


@exercise(points=2, minutes=10)
def check_statements(answer) -> None:
    """18.4: what the table of a paper supports."""
    hints = {
        "A": "count the trials of P and of Q",
        "B": "which epoch was best for Q, and is its rate high or low among those of the others?",
        "C": "what do P and S differ in, and how large is the difference?",
        "D": "where in the grid does the chosen rate of R lie?",
        "E": "in how many ways does Q differ from P? Which row differs in the new part alone?",
        "F": "what does it do to a score to be the one that was chosen by?",
    }
    compare_letters(answer, {"B", "C", "F"}, hints)


@open_task
def open_report(report: Report) -> None:
    """The open task: equal trials or equal seconds."""
    changed = report.table("changed", number_of(0, 300), least=3)
    budget = report.number("budget")
    if changed and budget is not None:
        report.want(budget in changed, "`budget` is none of those in `changed`")
    report.text("who_profits")
    report.closing()


# Answers on which the tests try the checkers: right ones, and wrong ones with words of the reason given.


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
    return _expected_maximum(k) * left**2 / math.hypot(spread, left)


def by_pivot(trials):
    """A series of numpy numbers, and whole sets compared."""
    pairs = [
        set(rows.itertuples(False))
        for _, rows in trials.groupby("model")[["learning_rate", "seed"]]
    ]
    if not all(one == pairs[0] for one in pairs):
        raise ValueError("unequal")
    return trials.pivot_table("valid", "model", "learning_rate").idxmax(axis=1).astype(np.float32)


def by_hand(trials):
    rows = trials.sort_values(["model", "learning_rate", "seed"]).to_dict("records")
    scores, tried = {}, {}
    for row in rows:
        key = row["learning_rate"]
        scores.setdefault(row["model"], {}).setdefault(key, []).append(row["valid"])
        tried.setdefault(row["model"], []).append((key, row["seed"]))
    first = next(iter(tried.values()))
    if any(one != first for one in tried.values()):
        raise ValueError("unequal")
    return {
        model: max(sorted(of), key=lambda rate, of=of: round(sum(of[rate]) / len(of[rate]), 12))
        for model, of in scores.items()
    }


def apart(trials):
    """Rates and seeds compared apart, each with its counts."""
    for column in ("learning_rate", "seed"):
        counts = trials.groupby(["model", column]).size().unstack()
        if counts.isna().any(axis=None) or (counts.nunique() > 1).any():
            raise ValueError("unequal")
    return choose(trials, fair=False)


def full_grid_only(trials):
    if trials.groupby(["model", "learning_rate", "seed"]).size().unstack().isna().any(axis=None):
        raise ValueError("unequal")
    return choose(trials)


def of_these_rates(trials):
    refuse(trials)
    means = trials.groupby(["model", "learning_rate"])["valid"].mean().unstack()
    return means.reindex(columns=[0.001, 0.003, 0.01]).idxmax(axis=1).to_dict()


def in_torch(k, spread, noise, seeds):
    left = torch.tensor(noise) / torch.tensor(seeds).sqrt()
    return _expected_maximum(k) * left**2 / (spread**2 + left**2).sqrt()


def drawn(k, spread, noise, seeds):
    rng = np.random.default_rng(1)
    quality = spread * rng.standard_normal((50_000, k))
    score = quality + noise / seeds**0.5 * rng.standard_normal((50_000, k))
    best = np.arange(50_000), score.argmax(axis=1)
    return (score[best] - quality[best]).mean()


def total(spread, noise):
    return math.hypot(spread, noise)


def probe(tables, scale=1.0, collapse=False, number=True, place=True):
    """Letters that a student finds who looks at so many tables, in so many ways."""
    rng, found = np.random.default_rng(5), set()
    for letter, script in sealed.items():
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
    (check_choose, choose),
    (check_choose, by_pivot),
    (check_choose, by_hand),
    (check_optimism, optimism),
    (check_optimism, drawn),
    (check_optimism, in_torch),
    (check_optimism, lambda k, s, n, m: np.array([optimism(k, s, n, m)])),
    (check_leaking, {"B", "C", "E", "F"}),
    (check_leaking, probe(300, collapse=True)),
    (check_leaking, list("FECB")),
    (check_leaking, "B C E F"),
    (check_statements, {"B", "C", "F"}),
    (check_statements, "b,c,f"),
    (check_statements, ["F", "C", "B"]),
]
WRONG = [
    (check_choose, lambda t: choose(t, column="test"), "the test part decides"),
    (check_choose, lambda t: choose(t, over="max"), "single best seed"),
    (check_choose, lambda t: choose(t, over="median"), "median"),
    (check_choose, lambda t: choose(t, seeds=[0]), "seed 0 alone"),
    (check_choose, lambda t: choose(t, equals="higher"), "of equals take the lower"),
    (check_choose, first_row_of_equals, "of equals take the lower"),
    (check_choose, same_for_all, "each model chooses for itself"),
    (check_choose, lambda t: choose(t.assign(valid=-t["valid"])), "worst rate"),
    (
        check_choose,
        lambda t: choose(t, fair=False),
        "has tried fewer rates, and it chooses",
    ),
    (check_choose, as_many, "at another rate"),
    (check_choose, as_many_rates, "with another seed"),
    (check_choose, apart, "other pairs of the two"),
    (check_choose, full_grid_only, "the same pairs"),
    (check_choose, of_these_rates, "the same pairs"),
    (check_choose, lambda t: choose(t) | {"P": 0.0010004}, "yours chooses 0.0010004"),
    (check_choose, lambda t: choose(t, over="min"), "best mean validation score"),
    (check_choose, lambda t: choose(t, seeds=[0, 1]), "last seed is left out"),
    (check_choose, refuses_with_assert, "raised AssertionError"),
    (check_choose, always_refuses, "it refuses a table"),
    (check_choose, lambda t: choose(t)["P"], "dictionary"),
    (
        check_optimism,
        lambda k, s, n, m: _expected_maximum(k) * n**2 / total(s, n),
        "seeds do not enter",
    ),
    (check_optimism, lambda k, s, n, m: optimism(k, s, n, m**2), "square ROOT"),
    (check_optimism, lambda k, s, n, m: _expected_maximum(k) * total(s, n / m**0.5), "whole lift"),
    (
        check_optimism,
        lambda k, s, n, m: _expected_maximum(k) * s**2 / total(s, n / m**0.5),
        "true gain",
    ),
    (check_optimism, lambda k, s, n, m: _expected_maximum(k) * n / m**0.5, "spread does not enter"),
    (
        check_optimism,
        lambda k, s, n, m: _expected_maximum(k) * n**2 / m / (s + n / m**0.5),
        "add their squares",
    ),
    (
        check_optimism,
        lambda k, s, n, m: _expected_maximum(k) * n**2 / m / total(s, n / m**0.5) ** 2,
        "root of the sum",
    ),
    (check_optimism, lambda k, s, n, m: optimism(k * m, s, n, 1), "no further trials"),
    (check_optimism, lambda k, s, n, m: 0.0, "yours is 0.000000"),
    (check_optimism, lambda k, s, n, m: optimism(k + 1, s, n, m), "yours is"),
    (check_optimism, lambda k, s, n, m: optimism(10, s, n, m), "for 5 settings"),
    (check_optimism, lambda k, s, n, m: optimism(k, s, n, max(1, m - 1)), "yours is"),
    (check_optimism, lambda k, s, n, m: math.nan, "yours is nan"),
    (
        check_optimism,
        lambda k, s, n, m: math.sqrt(2 * math.log(k)) * n**2 / m / total(s, n / m**0.5),
        "for 10 settings",
    ),
    (check_optimism, lambda k, s, n, m: [optimism(k, s, n, m)] * 2, "one number"),
    (check_leaking, {"B"}, "look at C"),
    (check_leaking, {"B", "C", "F"}, "look at E"),
    (check_leaking, {"B", "C", "E"}, "look at F"),
    (check_leaking, {"B", "C", "D", "E", "F"}, "look at D"),
    (check_leaking, {"A", "B", "C", "E", "F"}, "look at A"),
    (check_leaking, {"C", "E", "F"}, "look at B"),
    (check_leaking, probe(300), "look at E"),
    (check_leaking, probe(300, collapse=True, number=False), "look at F"),
    (check_statements, {"A", "B", "C", "F"}, "look at A"),
    (check_statements, {"C", "F"}, "look at B"),
    (check_statements, {"B", "F"}, "look at C"),
    (check_statements, {"B", "C", "D", "F"}, "look at D"),
    (check_statements, {"B", "C", "E", "F"}, "look at E"),
    (check_statements, {"B", "C"}, "look at F"),
    (check_leaking, set("ABCDEF"), "look at A"),
    (check_leaking, set(), "look at B"),
    (check_leaking, {"A", "D"}, "look at A"),
    (check_statements, {"Z"}, "set of letters"),
    (check_statements, set("ABCDEF"), "look at A"),
    (check_statements, set(), "look at B"),
    (check_statements, {"A": True}, "set of letters"),
]

# Mutants (tests/exercises/mutants.py) that are right, and why.
ARGUED = [
    (
        check_choose,
        "zip(rows['learning_rate'], rows['seed'], strict=True)"
        " -> zip(rows['seed'], rows['learning_rate'], strict=True)",
        "pairs of seed and rate are as good as pairs of rate and seed",
    ),
    (check_choose, "0 -> -1", "all are compared with one, and any one will do"),
    (check_choose, "12 -> 11", "rounding for ties: the scores have two digits"),
    (check_choose, "12 -> 13", "rounding for ties: the scores have two digits"),
    (check_optimism, "1 -> 0", "another seed of the drawn answer"),
    (check_optimism, "1 -> 2", "another seed of the drawn answer"),
    (
        check_optimism,
        "quality + noise / seeds ** 0.5 * rng.standard_normal((50000, k))"
        " -> quality - noise / seeds ** 0.5 * rng.standard_normal((50000, k))",
        "noise is as often above 0 as below",
    ),
    (check_optimism, "one axis more", "an array of one number is a number"),
    (check_optimism, "times 1.001", "it may be drawn, and then it is right to about a hundredth"),
    (
        check_optimism,
        "math.hypot(spread, left) -> math.hypot(left, spread)",
        "the hypotenuse is symmetric in its legs",
    ),
]

OPEN = {
    "changed": {60: 41, 300: 17, 1200: 3},
    "budget": 300,
    "who_profits": "The cheap ones: with a minute each the dear models try one rate only.",
    **END,
}
OPEN_RIGHT = [OPEN, {**OPEN, **END_ZH}]
OPEN_WRONG = [
    ({**OPEN, "budget": 100}, "none of those"),
    ({**OPEN, "changed": {60: 410, 300: 17, 1200: 3}}, "lies from 0 to 300"),
    ({**OPEN, "changed": {60: 41, 300: 17}}, "2 of at least 3"),
]
