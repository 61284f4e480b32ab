"""How irregular are the gaps, how much does their order say, and how fast does a random system tell
states apart?

Two different questions. (1) Event logs: burstiness and memory (Goh and Barabasi, EPL 2008), sample
entropy (Richman and Moorman, Am. J. Physiol. 2000), entropy and entropy rate of gaps in bins,
corrected for bias (Miller 1955; Grassberger, arXiv physics/0307138). (2) Random dynamical systems x
-> f(x, noise) (Arnold, Random Dynamical Systems, 1998): the fibre, or random, topological entropy
(Kifer, Ergodic Theory of Random Transformations, 1986; Bogenschuetz, Random Comput. Dynam.
1992/93), which counts the orbits of many states under ONE realisation of the noise. All entropies
are in nats. Taught in lesson 22.
"""

from collections.abc import Callable

import numpy as np

from tutorial_lib.errors import TutorialError

CORRECTIONS = ("none", "miller-madow", "grassberger")
PER_WORD = 10  # starting points that a counted word must have on average, or some words have none


def burstiness(cv: np.ndarray) -> np.ndarray:
    """(CV - 1) / (CV + 1), in [-1, 1): -1 = a metronome, 0 = chance (a Poisson process), towards 1
    = bursts.
    """
    return (cv - 1) / (cv + 1)


def memory(seconds: np.ndarray, user: np.ndarray) -> np.ndarray:
    """Correlation of each gap with the user's next one, float64 [users]; NaN with fewer than 3
    pairs or equal gaps.

    seconds, user [G]: gaps and their owners 0..U-1, users together. The Pearson correlation of n
    unordered gaps is about
    -1/n, not 0: compare with `shuffled` gaps.
    """
    same = user[1:] == user[:-1]
    owner, size = user[1:][same], int(user.max()) + 1
    pairs = np.stack([seconds[:-1][same], seconds[1:][same]]).astype(np.float64)
    count = np.bincount(owner, minlength=size)
    with np.errstate(invalid="ignore", divide="ignore"):
        pairs -= np.stack([np.bincount(owner, values, size) / count for values in pairs])[:, owner]
        cross, first, second = (
            np.bincount(owner, pairs[i] * pairs[j], size) for i, j in ((0, 1), (0, 0), (1, 1))
        )
        return np.where(
            (count >= 3) & (first > 0) & (second > 0), cross / np.sqrt(first * second), np.nan
        )


def sample_entropy(
    values: np.ndarray, user: np.ndarray, m: int = 2, r: float = 0.2, reach: int = 50
) -> float:
    """-ln(A / B): B pairs of places in one user's series agree for m values in a row, A of them for
    m + 1. Pooled over users.

    Agree: within r standard deviations of that user. Both counts range over the same pairs, none
    with itself, at most `reach` apart. The next value after a known pattern is certain at 0.
    TutorialError if no pattern ever comes back.
    """
    mean = np.bincount(user, values) / np.maximum(np.bincount(user), 1)
    spread = np.sqrt(
        np.bincount(user, (values - mean[user]) ** 2) / np.maximum(np.bincount(user), 1)
    )
    scaled, agree, longer = (values - mean[user]) / np.where(spread > 0, spread, 1)[user], 0, 0
    for lag in range(1, min(reach + 1, len(values) - m)):
        pairs = len(values) - lag - m
        near = np.abs(scaled[lag:] - scaled[:-lag]) <= r
        short = np.all([near[i : i + pairs] for i in range(m)], axis=0) & (
            user[lag + m :] == user[:pairs]
        )
        agree, longer = agree + np.count_nonzero(short), longer + np.count_nonzero(short & near[m:])
    if longer == 0:
        raise TutorialError(
            f"no pattern of {m + 1} values comes back within r = {r}: use a larger r, a smaller m"
            " or more data"
        )
    return float(np.log(agree / longer))


def fit_bins(seconds: np.ndarray, bins: int = 8) -> np.ndarray:
    """Edges of up to `bins` bins with equal shares of the gaps; fewer where many gaps are equal.
    Logarithms change nothing.
    """
    return np.unique(np.quantile(seconds, np.arange(1, bins) / bins, method="lower"))


def discretise(seconds: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Number of the bin of each gap, int64 0..len(edges); a gap on an edge belongs below it."""
    return np.searchsorted(edges, seconds, side="left").astype(np.int64)


def shuffled(values: np.ndarray, user: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The values of each user in random order: what he has stays, when he has it goes."""
    return values[np.lexsort((rng.random(len(values)), user))]


def entropy(counts: np.ndarray, correction: str = "miller-madow") -> float:
    """Entropy in nats of a distribution of which `counts` were seen.

    "none" (plug-in) is too small, by about (cells - 1) / 2N; "miller-madow" adds that for the cells
    seen; "grassberger" replaces ln n by G(n), which is nearly without bias even where cells are
    seen once or twice.
    """
    counts = np.asarray(counts)[np.asarray(counts) > 0]
    total = counts.sum()
    if correction not in CORRECTIONS or total == 0:
        raise TutorialError(
            f"got {total} observations and correction={correction!r}: use at least 1 and one of"
            f" {CORRECTIONS}"
        )
    if correction == "grassberger":
        # G(2), G(4), ...
        even = -np.euler_gamma - np.log(2) + 2 * np.cumsum(1 / np.arange(1, counts.max() + 2, 2))
        # G(1) = G(0) of the recursion, G(2n + 1) = G(2n)
        table = np.append(-np.euler_gamma - np.log(2), even)
        return float(np.log(total) - (counts * table[counts // 2]).sum() / total)
    return float(
        -(counts / total * np.log(counts / total)).sum()
        + (correction == "miller-madow") * (len(counts) - 1) / (2 * total)
    )


def words(symbols: np.ndarray, user: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray]:
    """All words of `length` consecutive symbols of one user: a number for each word, and its owner;
    both int64 [W].

    Numbers are in base max + 1, the first symbol in front, so `number // base` is the word without
    its last symbol.
    """
    base, last = int(symbols.max()) + 1, len(symbols) - length + 1
    if length < 1 or base**length >= 2**63:
        raise TutorialError(
            f"words of {length} symbols out of {base} have no number below 2**63: use shorter words"
        )
    inside = user[: max(last, 0)] == user[length - 1 :]
    if not inside.any():
        raise TutorialError(f"no user has {length} symbols: use shorter words or longer histories")
    number = sum(symbols[i : i + last] * base ** (length - 1 - i) for i in range(length))
    return number[inside], user[:last][inside]


def entropy_rate(
    symbols: np.ndarray, user: np.ndarray, order: int = 1, correction: str = "miller-madow"
) -> float:
    """Entropy in nats of the next symbol, given the `order` symbols before it; one law for all
    users. order 0: no past.
    """
    number, _ = words(symbols, user, order + 1)
    past = number // (int(symbols.max()) + 1)
    return entropy(np.unique(number, return_counts=True)[1], correction) - entropy(
        np.unique(past, return_counts=True)[1], correction
    )


def rate_by_user(symbols: np.ndarray, user: np.ndarray, order: int = 1) -> np.ndarray:
    """Float64 [users]: one value a user whose mean is the plug-in `entropy_rate`, to be resampled
    over users.

    The value is linear in what the user's own symbols cost, -ln p(next | past) each (the delta
    method): resampling the symbols themselves would lose rare words, and so be biased. Users
    0..U-1; those without a word count as average.
    """
    number, owner = words(symbols, user, order + 1)
    _, word, seen = np.unique(number, return_inverse=True, return_counts=True)
    _, past, before = np.unique(
        number // (int(symbols.max()) + 1), return_inverse=True, return_counts=True
    )
    cost, size = np.log(before[past] / seen[word]), int(user.max()) + 1
    rate, held = cost.mean(), np.bincount(owner, minlength=size)
    return rate + (np.bincount(owner, cost, size) - rate * held) / held.mean()


def word_counts(symbols: np.ndarray) -> np.ndarray:
    """symbols int [n, N], n steps of N orbits -> int64 [n]: how many different words of lengths 1
    to n the orbits write.
    """
    number, counts, base = np.zeros(symbols.shape[1], np.int64), [], int(symbols.max()) + 1
    for row in symbols:
        found, number = np.unique(number * base + row, return_inverse=True)
        counts.append(len(found))
    return np.array(counts)


def separated_counts(orbits: np.ndarray, epsilon: float) -> np.ndarray:
    """orbits [n, N] on the circle [0, 1) -> int64 [n]: size of a maximal (length,
    epsilon)-separated set of the N states.

    Two states are separated within n steps if their orbits are at least `epsilon` apart once. Needs
    N x N numbers.
    """
    distance, counts = np.zeros((orbits.shape[1],) * 2), []
    for row in orbits:
        apart = np.abs(row[:, None] - row)
        distance = np.maximum(distance, np.minimum(apart, 1 - apart))
        free, chosen = np.ones(len(row), bool), 0
        while free.any():
            free &= distance[free.argmax()] >= epsilon
            chosen += 1
        counts.append(chosen)
    return np.array(counts)


def fibre_entropy(
    step: Callable, noise: np.ndarray, starts: np.ndarray, symbol: Callable, first: int = 2
) -> np.ndarray:
    """Random (fibre) topological entropy, one estimate in nats a step for each realisation of the
    noise: float64 [R].

    step(x [N, ...], noise of one step) -> x; noise [R, n, ...]; starts [N, ...]: the same states
    for all realisations; symbol(x) -> int [N]. All states feel the SAME noise. The estimate is the
    slope of ln(number of words) from length `first` to n. TutorialError if the words outgrow the
    starting points (a tenth of them): the slope would be ln(N) / n.
    """
    rates = []
    for realisation in noise:
        x, rows = starts, []
        for now in realisation:
            rows.append(symbol(x))
            x = step(x, now)
        counts = word_counts(np.stack(rows))
        if counts[-1] * PER_WORD > len(starts):
            raise TutorialError(
                f"{counts[-1]} words from {len(starts)} states: take {PER_WORD} states a word, or"
                " fewer steps"
            )
        rates.append(np.log(counts[-1] / counts[first - 1]) / (len(rows) - first))
    return np.array(rates)
