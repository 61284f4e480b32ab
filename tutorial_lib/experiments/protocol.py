"""What a verdict may rest on: the rules, read off the tables of a suite, and the answers.

A suite declares the protocol by `grow` above 0 in its settings (`suite --protocol`). `violations`
reads every rule off the numbers in its tables, never off a column that says so itself:

    interior   the chosen learning rate has a worse neighbour on both sides of its grid
    budget     every model tried the same starting grid, with the same two seeds or more
    enough     half as many epochs again are not better on validation by more than the deviation
               between seeds
    seeds      five, or three where a training takes more than half an hour
    collapse   a seed below half of the median of its siblings is in no mean
    curves     the learning curve of every training is kept
    answers    each follows from its interval, its p-value after Holm, its margin and its ceiling

Taught in lessons 18, 20 and 23.
"""

import math

import numpy as np
import pandas as pd

from tutorial_lib.language import mark, say
from tutorial_lib.statistics import Interval, holm

ALPHA = 0.05
MARGIN = 0.02  # of the twin's NDCG@10: a smaller difference is none
LONGER = 1.5
COLLAPSE = 0.5
SEEDS, FEWER_SEEDS, LONG_RUN = 5, 3, 1800.0  # seconds of one training
VALID = "valid_ndcg@10"
FOR, AGAINST, NONE = "for", "against", "no difference larger than the margin"
OPEN, UNTESTABLE = "open", "not testable here"
BROKEN = "Broken: "  # begins what the file of verdicts says of a rule
SETTINGS = {"grow": 6, "longer": 2, "tune_seeds": 2, "seeds": 5, "rates": (0.001, 0.003, 0.01)}


def next_rate(rate: float, up: bool) -> float:
    """The next learning rate of ..., 0.001, 0.003, 0.01, ... that differs by half or more."""
    first = math.floor(math.log10(rate)) - 1
    steps = [float(f"{digit}e{power}") for power in range(first, first + 4) for digit in (1, 3)]
    if up:
        return next(step for step in steps if step > 1.5 * rate)
    return next(step for step in reversed(steps) if step < rate / 1.5)


def wanted_rate(means: dict[float, float]) -> float | None:
    """The rate to try next so that the best one gets a worse neighbour on both sides; None: it has
    them. means: rate -> mean validation NDCG@10.
    """
    rates = sorted(means)
    best = max(rates, key=lambda rate: (means[rate], -rate))
    place = rates.index(best)
    if place == len(rates) - 1 or means[rates[place + 1]] >= means[best]:
        return next_rate(rates[-1], up=True)
    return next_rate(rates[0], up=False) if place == 0 else None


def collapsed(values: np.ndarray) -> np.ndarray:
    """Which trainings of one model have collapsed: validation below half of the median of the
    others, bool [S]. values [S]; a single training has no siblings.
    """
    values = np.asarray(values, dtype=np.float64)
    if len(values) < 2:
        return np.zeros(len(values), dtype=bool)
    others = [np.median(np.delete(values, place)) for place in range(len(values))]
    return values < COLLAPSE * np.array(others)


def more_epochs(epochs: int) -> int:
    return math.ceil(LONGER * epochs)


def over_seeds_and_users(
    a: np.ndarray, b: np.ndarray, level: float = 0.95, draws: int = 2000, seed: int = 0
) -> Interval:
    """Bootstrap interval of mean(a) - mean(b) for other trainings and other users: the seeds of
    both are drawn apart from each other, as nothing pairs them; users stay pairs.

    a [S, N], b [T, N], seeds in rows. With few seeds their spread is known badly, and the interval
    is rather too short.
    """
    rng, users = np.random.default_rng(seed), a.shape[1]
    means = np.empty(draws)
    for draw in range(draws):
        chosen = (one[rng.integers(0, len(one), len(one))].mean(0) for one in (a, b))
        means[draw] = np.subtract(*chosen)[rng.integers(0, users, users)].mean()
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(a.mean() - b.mean()), float(low), float(high), level)


def answer(
    low: float, high: float, p_holm: float, margin: float, ceiling: float, threshold: float = 0.0
) -> str:
    """One of five words for "the difference is above `threshold`".

    low, high: 95 % interval over seeds and users. `ceiling`: the largest difference that anybody
    could reach here (the clairvoyant, or the best of all models, minus the twin). The interval
    inside (-margin, margin) is a test of equivalence (TOST) at 2.5 % a side.
    """
    if threshold > ceiling:
        return UNTESTABLE
    if -margin < low and high < margin:
        return NONE
    if low > threshold and p_holm < ALPHA:
        return FOR
    if high < threshold and p_holm < ALPHA:
        return AGAINST
    return OPEN


def answers(
    values: dict[str, np.ndarray],
    pairs: list[tuple[str, str]],
    p: np.ndarray,
    ceiling: float | None = None,
) -> pd.DataFrame:
    """A row a comparison (model, against). values: label -> [S, N] on the test part. `ceiling`: of
    the clairvoyant; None: the best of all models.
    """
    means = {label: one.mean() for label, one in values.items()}
    best = max(means.values()) if ceiling is None else ceiling
    rows, adjusted = [], holm(p)
    for (a, b), raw, p_holm in zip(pairs, p, adjusted, strict=True):
        interval = over_seeds_and_users(values[a], values[b])
        row = {"model": a, "against": b, "users": values[a].shape[1]}
        row |= {"seeds": f"{len(values[a])} and {len(values[b])}", "reference": means[b]}
        row |= {"difference": interval.mean, "low": interval.low, "high": interval.high}
        row |= {"p": raw, "p_holm": p_holm, "margin": MARGIN * means[b], "ceiling": best - means[b]}
        given = row["low"], row["high"], p_holm, row["margin"], row["ceiling"]
        rows.append(row | {"answer": answer(*given)})
    return pd.DataFrame(rows)


def violations(tables: dict[str, pd.DataFrame], settings: dict[str, object]) -> list[str]:
    """A sentence for every rule that a suite breaks; none: it may carry a verdict. tables:
    "STAGE/TABLE" -> table; settings: of the suite.
    """
    return [
        *_of_tuning(tables["tune/grid"], tables["tune/chosen"], settings),
        *_of_training(tables, settings),
        *_of_answers(tables["significance/answers"]),
    ]


def _of_tuning(grid: pd.DataFrame, chosen: pd.DataFrame, settings: dict) -> list[str]:
    broken = []
    for model, part in grid.groupby("model", sort=False):
        seeds = {rate: tuple(sorted(one["seed"])) for rate, one in part.groupby("learning_rate")}
        if lost := set(settings["rates"]) - set(seeds):
            message = mark("budget: {model} was not tried with the rates {rates}")
            broken.append(say(message, model=model, rates=sorted(lost)))
        if len(set(seeds.values())) > 1 or len(next(iter(seeds.values()))) < 2:
            message = mark("budget: {model} was not tuned with the same two seeds or more")
            broken.append(say(message, model=model))
        means = part.groupby("learning_rate")[VALID].mean().to_dict()
        if wanted_rate(means) is not None:
            message = mark("interior: the best rate of {model} has no worse neighbour on a side")
            broken.append(say(message, model=model))
        picked = chosen.loc[chosen["model"] == model, "learning_rate"].tolist()
        if picked != [max(means, key=lambda rate: (means[rate], -rate))]:
            message = mark("interior: {model} was trained with {rates}, not its best rate")
            broken.append(say(message, model=model, rates=picked))
    if lost := set(chosen["model"]) ^ set(grid["model"]):
        broken.append(say("budget: {models} have no grid or no choice", models=sorted(lost)))
    return broken


def _of_training(tables: dict[str, pd.DataFrame], settings: dict) -> list[str]:
    broken, chosen = [], tables["tune/chosen"].set_index("model")
    trained, longer = tables["tune/seeds"], tables["tune/longer"]
    curves, kept = tables["tune/curves"], tables["stability/models"].set_index("model")["seeds"]
    runs = tables["stability/runs"]
    for model in chosen.index:
        own = trained[trained["model"] == model]
        epochs = int(chosen.loc[model, "epochs"])
        fell = collapsed(own[VALID])
        if kept.get(model) != (~fell).sum():
            message = mark("collapse: {count} of {model}, and the mean is of {kept}")
            broken.append(say(message, count=fell.sum(), model=model, kept=kept[model]))
        seconds = runs.loc[runs["label"] == model, "train_seconds"].median()
        least = FEWER_SEEDS if seconds > LONG_RUN else SEEDS
        if len(own) < least or own["seed"].duplicated().any():
            message = mark("seeds: {model} has {count} of at least {least}")
            broken.append(say(message, model=model, count=len(own), least=least))
        if set(own["epochs"]) != {epochs}:
            message = mark("enough: {model} was not trained for {epochs} epochs with every seed")
            broken.append(say(message, model=model, epochs=epochs))
        after = longer[(longer["model"] == model) & (longer["epochs"] >= LONGER * epochs)]
        before = own[own["seed"].isin(after["seed"])][VALID].mean()
        spread = own.loc[~fell, VALID].std(ddof=1)
        if after.empty or not after[VALID].mean() - before <= spread:
            message = mark("enough: {model} has not shown that {epochs} epochs are enough")
            broken.append(say(message, model=model, epochs=epochs))
        for seed, valid in own.loc[own[VALID] > 0, ["seed", VALID]].itertuples(index=False):
            curve = curves[(curves["model"] == model) & (curves["seed"] == seed)]
            curve = curve[curve["epochs"] == epochs]
            if curve["epoch"].max() != epochs or not math.isclose(
                curve["ndcg"].max(), valid, rel_tol=1e-4
            ):
                message = mark("curves: that of {model}, seed {seed}, is missing or of another")
                broken.append(say(message, model=model, seed=seed))
    return broken


def _of_answers(table: pd.DataFrame) -> list[str]:
    broken = []
    if len(table) and not np.allclose(holm(table["p"]), table["p_holm"], atol=1e-4):
        broken.append(say("answers: p_holm is not Holm's over all comparisons"))
    for row in table.to_dict("records"):
        pair = {"model": row["model"], "twin": row["against"]}
        if not math.isclose(row["margin"], MARGIN * row["reference"], rel_tol=1e-3):
            message = mark("answers: the margin of {model} against {twin} is not 2 % of the twin's")
            broken.append(say(message, **pair))
        wanted = answer(*(row[key] for key in ("low", "high", "p_holm", "margin", "ceiling")))
        if row["answer"] != wanted:
            message = mark("answers: {model} against {twin} says {said!r} and shows {shown!r}")
            broken.append(say(message, **pair, said=row["answer"], shown=wanted))
    return broken
