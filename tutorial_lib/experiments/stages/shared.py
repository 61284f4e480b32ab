"""What stages are, and what several of them need: paired comparisons of many models at once, and
one kind of picture.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from tutorial_lib.data.simulate import WORLDS, ceiling_ranks
from tutorial_lib.errors import TutorialError
from tutorial_lib.evaluate import ndcg
from tutorial_lib.experiments.comparison import Suite
from tutorial_lib.experiments.words import cell
from tutorial_lib.language import say
from tutorial_lib.plots import BLUE, ORANGE
from tutorial_lib.statistics import Interval, holm, mean_over_seeds, paired_bootstrap

ALPHA = 0.05
CHUNK = 4_000_000  # random numbers drawn at once


@dataclass(frozen=True)
class Stage:
    """One stage: what it asks, and how it answers.

    `run(suite)` makes tables by name; `draw(tables, metric)` pictures of them; `verdict(tables,
    metric)` sentences. `files`: what `run` writes beside its tables. `title` and `question` are
    marked for the catalogue: whoever shows them says them.
    """

    name: str
    title: str
    question: str
    run: Callable[[Suite], dict[str, pd.DataFrame]]
    draw: Callable[[dict[str, pd.DataFrame], str], dict[str, Figure]]
    verdict: Callable[[dict[str, pd.DataFrame], str], list[str]]
    files: tuple[str, ...] = ()


def ceiling(suite: Suite, clock: str = "with") -> float | None:
    """NDCG@10 of who knows the law of a simulated world, `with` the clock or `without`; None: no
    such world.
    """
    if suite.dataset not in WORLDS:
        return None
    ranks = ceiling_ranks(suite.data.dataset, suite.data.test.row)
    return float(ndcg(ranks[f"rank_{clock}_clock"].to_numpy()).mean())


def ends(name: str, interval: Interval) -> dict[str, float]:
    """Three columns of a table."""
    return {name: interval.mean, f"{name}_low": interval.low, f"{name}_high": interval.high}


def paired(a: np.ndarray, b: np.ndarray, name: str = "delta") -> dict[str, float]:
    """mean(a - b) over users, seeds averaged, with its 95 % interval. a, b: [S, N]."""
    return ends(name, paired_bootstrap(a, b))


def hierarchical_interval(
    values: np.ndarray, level: float = 0.95, draws: int = 2000, seed: int = 0
) -> Interval:
    """Bootstrap interval of the mean that draws seeds anew and users anew: what another training on
    other users might give.

    values: [S, N]. With few seeds the spread between seeds is known badly, and two or three give
    too short an interval.
    """
    rng, (seeds, users) = np.random.default_rng(seed), values.shape
    means = np.empty(draws)
    for draw in range(draws):
        average = values[rng.integers(0, seeds, seeds)].mean(0)  # [N]
        means[draw] = average[rng.integers(0, users, users)].mean()
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(values.mean()), float(low), float(high), level)


def sign_flips(differences: np.ndarray, draws: int = 10_000, seed: int = 0) -> np.ndarray:
    """`statistics.sign_flip_test` for many comparisons with the same signs: [N, P] -> two-sided
    p-values [P].

    One matrix product a chunk instead of a test a pair, which makes hundreds of pairs affordable.
    """
    rng, (n, _) = np.random.default_rng(seed), differences.shape
    observed, slack = np.abs(differences.sum(0)), 1e-12 * np.abs(differences).sum(0)
    extreme, step = np.zeros(differences.shape[1]), max(1, CHUNK // n)
    for done in range(0, draws, step):
        signs = 2.0 * rng.integers(0, 2, (min(step, draws - done), n)) - 1
        extreme += (np.abs(signs @ differences) >= observed - slack).sum(0)
    return (1 + extreme) / (draws + 1)


def p_values(differences: list[np.ndarray]) -> dict[str, np.ndarray]:
    """Columns p and p_holm of comparisons [S, N] each: sign flips over users, seeds averaged; Holm
    over all of them.
    """
    p = (
        sign_flips(np.stack([one.mean(0) for one in differences], axis=1))
        if differences
        else np.zeros(0)
    )
    return {"p": p, "p_holm": holm(p)}


def label_permutations(
    values: np.ndarray, top: np.ndarray, draws: int = 10_000, seed: int = 0
) -> np.ndarray:
    """Two-sided p-values [P] of "belonging to the top group makes no difference". values [N, P],
    top bool [N].

    The groups are drawn anew with the same sizes; the share of draws whose difference of means is
    at least as far from 0.
    """
    rng, n, size = np.random.default_rng(seed), len(values), int(top.sum())
    if not 0 < size < n:
        raise TutorialError(
            "got {size} of {n} users in the top group: both groups need users", size=size, n=n
        )

    def difference(sums: np.ndarray) -> np.ndarray:
        return np.abs(sums / size - (values.sum(0) - sums) / (n - size))

    observed, slack = difference(values[top].sum(0)), 1e-12 * np.abs(values).mean(0)
    extreme, step = np.zeros(values.shape[1]), max(1, CHUNK // n)
    for done in range(0, draws, step):
        groups = rng.permuted(np.tile(top, (min(step, draws - done), 1)), axis=1).astype(np.float64)
        extreme += (difference(groups @ values) >= observed - slack).sum(0)
    return (1 + extreme) / (draws + 1)


def thirds(values: np.ndarray) -> np.ndarray:
    """0, 1, 2: low, middle or high third of the values, -1 where there is none (NaN). Equal values
    share a group.
    """
    known = np.isfinite(values)
    if not known.any():
        return np.full(len(values), -1)
    cuts = np.quantile(values[known], [1 / 3, 2 / 3])
    return np.where(known, np.searchsorted(cuts, values, side="left"), -1)


def effect_size(a: np.ndarray, b: np.ndarray) -> float:
    """Mean difference in units of its standard deviation over users (Cohen's d for pairs); 0 where
    nothing differs.
    """
    difference = mean_over_seeds(a) - mean_over_seeds(b)
    spread = difference.std(ddof=1) if len(difference) > 1 else 0.0
    return float(difference.mean() / spread) if spread > 0 else 0.0


def forest(
    table: pd.DataFrame,
    column: str,
    xlabel: str,
    *,
    panels: str | None = None,
    bold: str | None = None,
) -> Figure:
    """A row a model: `column` with its interval (`column`_low, `column`_high), a panel for each
    value of `panels`.

    Rows where the truth value `bold` holds are orange. A line marks 0 where values lie on both
    sides.
    """
    models, names = (
        list(dict.fromkeys(table["model"])),
        (list(dict.fromkeys(table[panels])) if panels else [None]),
    )
    figure = Figure(figsize=(2.2 + 2.1 * max(len(names), 2), 1.3 + 0.2 * len(models)))
    for name, ax in zip(
        names,
        figure.subplots(1, len(names), sharex=True, sharey=True, squeeze=False)[0],
        strict=True,
    ):
        part = table if panels is None else table[table[panels] == name]
        for row in part.to_dict("records"):
            y, color = models.index(row["model"]), ORANGE if bold and row[bold] else BLUE
            ax.plot([row[f"{column}_low"], row[f"{column}_high"]], [y, y], color=color, lw=2)
            ax.plot(row[column], y, "D" if color == ORANGE else "o", color=color, ms=4)
        if part[f"{column}_low"].min() <= 0:
            ax.axvline(0, color="#555555", lw=1)
        ax.set_title("" if name is None else str(cell(panels, name)), fontsize=9)
        ax.tick_params(labelsize=8)
        ax.grid(axis="y", visible=False)
        ax.set_yticks(range(len(models)), models)
        ax.set_ylim(len(models) - 0.5, -0.5)
        ax.locator_params(axis="x", nbins=4)
    figure.supxlabel(xlabel, fontsize=9)
    return figure


def listed(names: Iterable[str]) -> str:
    return say(", ").join(names)


def named(some: str, none: str, names: Iterable[str], **values: object) -> str:
    """A sentence about {names}, or the one that says that there are none."""
    names = list(names)
    return say(some, names=listed(names), **values) if names else say(none, **values)
