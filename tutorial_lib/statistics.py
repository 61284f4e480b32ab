"""How sure are we? Intervals and tests whose unit is the user.

Every function takes one value per user (a metric from `evaluate`, averaged with `per_user` where a
user has several targets). Source: Efron and Tibshirani, An Introduction to the Bootstrap (1993),
chapters 13 and 15; Holm (1979). Taught in lessons 02 and 20.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from tutorial_lib.errors import TutorialError

CHUNK = 2_000_000  # numbers drawn at once: 16 MB of indices


@dataclass(frozen=True)
class Interval:
    """A mean (or a mean difference) with the ends of its confidence interval, in the unit of the
    metric.
    """

    mean: float
    low: float
    high: float
    level: float = 0.95

    @property
    def excludes_zero(self) -> bool:
        """True if the whole interval lies on one side of 0."""
        return self.low > 0 or self.high < 0

    def __str__(self) -> str:
        return f"{self.mean:.4f} [{self.low:.4f}, {self.high:.4f}]"


def mean_over_seeds(values: np.ndarray | Sequence) -> np.ndarray:
    """Average over seeds, so that the user stays the unit. [S, N] (one row a seed) -> [N]; [N] is
    returned as it is.

    Raises TutorialError for other shapes, no users, or values that are not finite.
    """
    values = np.asarray(values, dtype=np.float64)
    if values.ndim not in (1, 2) or values.size == 0:
        raise TutorialError(
            "got an array of shape {shape}: pass one value per user [N], or [S, N] with"
            " one row per seed",
            shape=values.shape,
        )
    if not np.isfinite(values).all():
        bad = np.count_nonzero(~np.isfinite(values))
        raise TutorialError(
            "{bad} of {size} values are not finite: pass one number per user",
            bad=bad,
            size=values.size,
        )
    return values.mean(axis=0) if values.ndim == 2 else values


def _in_chunks(draw: Callable[[int], np.ndarray], draws: int, width: int) -> np.ndarray:
    """Call `draw(size)` with sizes that keep size * width numbers in memory; join the results,
    [draws].
    """
    if draws < 1:
        raise TutorialError("draws = {draws}: ask for at least 1 draw, 2000 is usual", draws=draws)
    step = max(1, CHUNK // width)
    return np.concatenate([draw(min(step, draws - done)) for done in range(0, draws, step)])


def bootstrap_interval(
    values: np.ndarray | Sequence, level: float = 0.95, draws: int = 2000, seed: int = 0
) -> Interval:
    """Percentile bootstrap interval of the mean over users.

    values: [N] or [S, N] (averaged over seeds first); level: probability with which such intervals
    cover the true mean; draws: number of resamples of N users with replacement.
    """
    if not 0 < level < 1:
        raise TutorialError(
            "level = {level}: pass a probability between 0 and 1, for example 0.95", level=level
        )
    values = mean_over_seeds(values)
    rng, n = np.random.default_rng(seed), len(values)
    means = _in_chunks(lambda size: values[rng.integers(0, n, (size, n))].mean(axis=1), draws, n)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(values.mean()), float(low), float(high), level)


def paired_bootstrap(
    a: np.ndarray | Sequence,
    b: np.ndarray | Sequence,
    level: float = 0.95,
    draws: int = 2000,
    seed: int = 0,
) -> Interval:
    """Bootstrap interval of mean(a - b), resampling users: both values of a user stay together.

    a, b: metric values of two models for the same users in the same order, [N], or [S, N] with one
    row per seed (differences are averaged over seeds for each user; the two models may have
    different numbers of seeds).
    """
    return bootstrap_interval(_differences(a, b), level, draws, seed)


def _differences(a: np.ndarray | Sequence, b: np.ndarray | Sequence) -> np.ndarray:
    a, b = mean_over_seeds(a), mean_over_seeds(b)
    if len(a) != len(b):
        raise TutorialError(
            "got {count} users against {count2}: a paired comparison needs the same users"
            " in the same order",
            count=len(a),
            count2=len(b),
        )
    return a - b


def sign_flip_test(differences: np.ndarray | Sequence, draws: int = 10_000, seed: int = 0) -> float:
    """Two-sided p-value of "these paired differences have mean 0", by flipping their signs at
    random.

    differences: [N] or [S, N]. If neither model is better, each user's difference is as likely
    positive as negative; p is the share of sign patterns whose mean is at least as far from 0 as
    the observed one. The observed pattern counts as one of the draws, hence p >= 1 / (draws + 1).
    """
    differences = mean_over_seeds(differences)
    # a zero stays zero under either sign: leaving it out changes nothing and saves work
    moved = differences[differences != 0]
    if len(moved) == 0:
        return 1.0
    rng, n = np.random.default_rng(seed), len(moved)
    total = moved.sum()
    sums = _in_chunks(
        lambda size: total - 2 * (rng.integers(0, 2, (size, n), dtype=np.int8) @ moved), draws, n
    )
    # equal sums may differ by rounding; they must count as equal
    slack = 1e-12 * np.abs(moved).sum()
    return float((1 + np.count_nonzero(np.abs(sums) >= abs(total) - slack)) / (draws + 1))


def holm(p_values: np.ndarray | Sequence) -> np.ndarray:
    """Holm's step-down adjustment for several tests at once. [M] -> adjusted p-values [M], same
    order.

    Rejecting where the result is below alpha keeps the probability of any false rejection below
    alpha.
    """
    p = np.asarray(p_values, dtype=np.float64)
    if p.ndim != 1 or not ((p >= 0) & (p <= 1)).all():
        raise TutorialError(
            "holm wants a list of probabilities between 0 and 1, got {p_values!r}",
            p_values=p_values,
        )
    order = np.argsort(p, kind="stable")
    # smallest times M, the next times M - 1, ...
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted
