"""Checkers of lesson 22, random dynamical systems and entropy."""

import math

import numpy as np

from exercises.checking import Wrong, compare_letters, exercise
from studies.entropy import fibre_entropy, shuffled


def _number(got) -> float:
    try:
        return float(got)
    except (TypeError, ValueError):
        raise Wrong(f"it must return one number, got a {type(got).__name__}") from None


def _name(got: float, want: float, known: dict[str, float]) -> None:
    """Wrong with the reason that belongs to the number, if it is not the wanted one."""
    if math.isclose(got, want, abs_tol=1e-6):
        return
    for reason, value in known.items():
        if math.isclose(got, value, abs_tol=1e-6):
            raise Wrong(reason)
    raise Wrong(f"for the test it is {want:.4f}, yours is {got:.4f}")


@exercise(points=3, minutes=15)
def check_markov_rate(answer) -> None:
    """22.1: the entropy rate of a Markov chain in nats."""
    chain = np.array([[0.5, 0.5, 0.0], [0.1, 0.6, 0.3], [0.0, 0.2, 0.8]])
    got = _number(answer(chain.copy()))
    if math.isnan(got):
        raise Wrong("it is nan: 0 ln 0 counts as 0, but numpy makes it nan")
    share = np.linalg.matrix_power(chain, 4096)[0]
    rows = -(chain * np.log(np.where(chain > 0, chain, 1))).sum(axis=1)
    columns = -(chain.T * np.log(np.where(chain.T > 0, chain.T, 1))).sum(axis=1)
    want = float(share @ rows)
    _name(
        got,
        want,
        {
            "the states count alike here; the chain is not equally often in each of them": (
                rows.mean()
            ),
            "the entropies of the states are added; wanted is their mean, weighted by how often the chain is there": (
                rows.sum()
            ),
            "this is in bits; wanted are nats, the natural logarithm": want / math.log(2),
            "the sign is wrong: a mean surprise is positive": -want,
            "this is the entropy of where the chain is; wanted is that of the next state, given the present one": (
                -(share * np.log(share)).sum()
            ),
            "the entropies of the columns are used; where the chain goes from a state stands in its row": float(
                share @ columns
            ),
            "this weighs with the start in the first state; wanted is the long run": rows[0],
        },
    )


@exercise(points=3, minutes=15)
def check_shuffled_blocks(answer) -> None:
    """22.2: pairs of consecutive values in random order within each user."""
    user = np.repeat([0, 2, 3, 7], [6, 7, 1, 2])
    values = np.arange(16) * 10
    borders, rng, orders, faults = [0, 6, 13, 14, 16], np.random.default_rng(0), set(), set()
    for _ in range(200):
        given = values.copy()
        got = np.asarray(answer(given, user.copy(), rng))
        if got.shape != values.shape:
            raise Wrong(
                f"it returns shape {got.shape}, wanted {values.shape}: as many values as before"
            )
        if not np.array_equal(given, values):
            raise Wrong("it changes the array that it was given; return a new one")
        if not np.array_equal(np.sort(got), values):
            raise Wrong(
                "some values are lost or occur twice; every value must occur as often as before"
            )
        for first, end in zip(borders, borders[1:], strict=False):
            part = got[first:end]
            if not np.array_equal(np.sort(part), values[first:end]):
                raise Wrong("values have moved from one user to another; shuffle within each user")
            if len(part) % 2 and part[-1] != values[end - 1]:
                faults.add("single")
                continue
            pairs = part[: len(part) // 2 * 2].reshape(-1, 2)
            together = np.isin(pairs.min(axis=1), values[first:end:2]) & (
                np.abs(pairs[:, 1] - pairs[:, 0]) == 10
            )
            faults.add("" if together.all() else "torn")
            faults.add("turned" if (pairs[:, 0] > pairs[:, 1]).any() else "")
        orders.add((tuple(got[:6:2]), tuple(got[6:12:2])))
    if "torn" in faults:
        raise Wrong(
            "a pair was torn apart; the first and second, the third and fourth value ... stay"
            " together"
        )
    if "turned" in faults:
        raise Wrong("a pair was turned round; keep the order within a pair")
    if "single" in faults:
        raise Wrong(
            "a user with an odd number of values: the last single value must stay at the end"
        )
    if len(orders) == 1:
        raise Wrong(
            "nothing is shuffled: 200 calls gave the same order, although the generator went on"
        )
    if len({one for one, _ in orders}) < 6 or len({one for _, one in orders}) < 6:
        raise Wrong("some orders of three pairs never occur in 200 calls; all six must be possible")
    if len(orders) < 30:
        raise Wrong("all users are shuffled in the same way; each must get an order of its own")


def _multiply(x: np.ndarray, k) -> np.ndarray:
    return k * x % 1


def _letter(x: np.ndarray) -> np.ndarray:
    return np.minimum((x * 6).astype(np.int64), 5)


@exercise(points=4, minutes=20)
def check_fibre_growth(answer) -> None:
    """22.3: the growth of the number of words under one realisation of the noise, averaged over
    realisations.
    """
    noise = np.array([[2, 2, 3, 2, 3], [3, 3, 3, 2, 2], [2, 2, 2, 2, 3], [3, 2, 3, 3, 3]])
    starts = (np.arange(20_000) + 0.5) / 20_000
    got = _number(answer(_multiply, noise.copy(), starts.copy(), _letter))
    realisations, steps = noise.shape
    # 6 words of one letter, 6 times this many of n letters
    factors = np.prod(noise[:, :-1], axis=1)
    rates = np.log(factors) / (steps - 1)
    want = float(rates.mean())
    pooled = set()
    for row in noise:
        x, number = starts, 0
        for k in row:
            number, x = number * 10 + _letter(x), _multiply(x, k)
        pooled |= set(np.unique(number).tolist())
    _name(
        got,
        want,
        {
            "this is in bits; wanted are nats, the natural logarithm": want / math.log(2),
            "from length 1 to n are n - 1 steps; divide by n - 1": float(
                (np.log(factors) / steps).mean()
            ),
            "this is ln(words of n letters) / n, in which the number of pieces still counts; take the growth from length 1": float(
                (np.log(6 * factors) / steps).mean()
            ),
            "the words of n letters are not compared with those of 1 letter": float(
                (np.log(6 * factors) / (steps - 1)).mean()
            ),
            "the number of words is averaged before the logarithm; average the rates": float(
                np.log(factors.mean()) / (steps - 1)
            ),
            "words of all realisations are thrown together, so the noise is counted, too; count each realisation alone": float(
                np.log(len(pooled) / 6) / (steps - 1)
            ),
            "only the last letters are counted; wanted are whole words": 0.0,
            "only the first realisation is used": float(rates[0]),
            "the letter is read after the step; the first letter belongs to the starting point": (
                float((np.log(np.prod(noise[:, 1:], axis=1)) / (steps - 1)).mean())
            ),
            "the rates are added up; wanted is their mean": float(rates.sum()),
        },
    )


@exercise(points=2, minutes=10)
def check_true_statements(answer) -> None:
    """22.4: what logs can tell."""
    hints = {
        "A": "think of the two machines",
        "B": "how hard to predict are gaps that are short and long in strict turns?",
        "C": "which machine had the fibre entropy 0, and what did its letters look like?",
        "D": "how many words of eight letters are there in 1,000 letters?",
        "E": "what does such a shuffle destroy besides the order?",
        "F": "compare the value of time in the two worlds",
    }
    compare_letters(answer, {"C", "D", "E"}, hints)


# Answers on which the tests try the checkers: right ones, and wrong ones with words of the reason given.


def rate(chain, weights=None, base=math.e, safe=True, sign=1):
    logs = np.log(np.where(chain > 0, chain, 1)) if safe else np.log(chain)
    surprise = -(chain * logs).sum(axis=1) / math.log(base)
    if weights is None:
        values, vectors = np.linalg.eig(chain.T)
        weights = np.real(vectors[:, np.argmax(np.real(values))])
        weights = weights / weights.sum()
    return sign * (weights * surprise).sum()


def unsafe(chain):
    with np.errstate(divide="ignore", invalid="ignore"):
        return rate(chain, safe=False)


def long_run(chain):
    share = np.linalg.matrix_power(chain, 500)[0]
    return -(share * np.log(share)).sum()


def blocks(values, user, rng, tear=False, turn=False, move_single=False, across=False, same=False):
    out = []
    keys = np.random.default_rng(4) if same else rng
    groups = [values] if across else [values[user == u] for u in np.unique(user)]
    for own in groups:
        even = len(own) // 2 * 2
        pairs = (
            own[1 : even + 1].reshape(-1, 2) if tear and len(own) % 2 else own[:even].reshape(-1, 2)
        )
        pairs = pairs[keys.permutation(len(pairs))]
        single = own[:1] if tear and len(own) % 2 else own[even:]
        pairs = pairs[:, ::-1] if turn else pairs
        out += [single, pairs.ravel()] if move_single else [pairs.ravel(), single]
    return np.concatenate(out)


def in_place(values, user, rng):
    values[:] = blocks(values.copy(), user, rng)
    return values


def rolled(values, user, rng):
    """Only starts anew at a random pair: of six orders of three pairs only three occur."""
    out = []
    for u in np.unique(user):
        own = values[user == u]
        even = len(own) // 2 * 2
        out += [np.roll(own[:even], 2 * rng.integers(0, max(even // 2, 1))), own[even:]]
    return np.concatenate(out)


def growth(
    step,
    noise,
    starts,
    letter,
    base=math.e,
    by=-1,
    ratio=True,
    annealed=False,
    late=False,
    last=False,
):
    counts = []
    for realisation in noise:
        x, letters = starts, []
        for now in realisation:
            x_next = step(x, now)
            letters.append(letter(x_next if late else x))
            x = x_next
        word = letters[-1:] if last else letters
        longest = len(np.unique(sum(row * 10**i for i, row in enumerate(word))))
        counts.append((longest, len(np.unique(letters[0])) if ratio else 1))
    long, short = np.array(counts).T
    if annealed:
        return np.log(long.mean() / short.mean()) / (noise.shape[1] + by)
    return (np.log(long / short) / math.log(base)).mean() / (noise.shape[1] + by)


def pooled(step, noise, starts, letter):
    seen = set()
    for realisation in noise:
        x, number = starts, 0
        for now in realisation:
            number, x = 10 * number + letter(x), step(x, now)
        seen |= set(number.tolist())
    return np.log(len(seen) / 6) / (noise.shape[1] - 1)


RIGHT = [
    (check_markov_rate, rate),
    (check_shuffled_blocks, blocks),
    (check_fibre_growth, growth),
    (
        check_fibre_growth,
        lambda step, noise, starts, letter: fibre_entropy(
            step, noise, starts, letter, first=1
        ).mean(),
    ),
    (check_true_statements, {"C", "D", "E"}),
    (check_true_statements, "CDE"),
]
WRONG = [
    (check_markov_rate, lambda p: rate(p, np.full(3, 1 / 3)), "count alike"),
    (check_markov_rate, lambda p: rate(p, np.ones(3)), "are added"),
    (check_markov_rate, lambda p: rate(p, base=2), "bits"),
    (check_markov_rate, lambda p: rate(p, sign=-1), "sign"),
    (check_markov_rate, unsafe, "0 ln 0"),
    (check_markov_rate, long_run, "where the chain is"),
    (check_markov_rate, lambda p: rate(p, np.array([1.0, 0, 0])), "long run"),
    (check_markov_rate, lambda p: rate(p.T, np.linalg.matrix_power(p, 500)[0]), "columns"),
    (check_markov_rate, lambda p: 0.5, "yours is 0.5000"),
    (check_markov_rate, lambda p: [0.5, 0.5], "one number"),
    (check_shuffled_blocks, shuffled, "torn apart"),
    (check_shuffled_blocks, lambda v, u, rng: rng.permutation(v), "one user to another"),
    (
        check_shuffled_blocks,
        lambda v, u, rng: blocks(v, u, rng, across=True),
        "one user to another",
    ),
    (
        check_shuffled_blocks,
        lambda v, u, rng: blocks(v, u, rng, turn=True),
        "turned round",
    ),
    (
        check_shuffled_blocks,
        lambda v, u, rng: blocks(v, u, rng, move_single=True),
        "single value",
    ),
    (
        check_shuffled_blocks,
        lambda v, u, rng: blocks(v, u, rng, tear=True),
        "single value",
    ),
    (
        check_shuffled_blocks,
        lambda v, u, rng: blocks(v, u, rng, same=True),
        "nothing is shuffled",
    ),
    (check_shuffled_blocks, lambda v, u, rng: v.copy(), "nothing is shuffled"),
    (check_shuffled_blocks, rolled, "never occur"),
    (check_shuffled_blocks, in_place, "changes the array"),
    (check_shuffled_blocks, lambda v, u, rng: v[:-1], "shape"),
    (
        check_shuffled_blocks,
        lambda v, u, rng: rng.choice(v, len(v)),
        "lost or occur twice",
    ),
    (check_fibre_growth, lambda *a: growth(*a, base=2), "bits"),
    (check_fibre_growth, lambda *a: growth(*a, by=0), "divide by n - 1"),
    (check_fibre_growth, lambda *a: growth(*a, by=0, ratio=False), "number of pieces"),
    (check_fibre_growth, lambda *a: growth(*a, ratio=False), "not compared"),
    (check_fibre_growth, lambda *a: growth(*a, annealed=True), "before the logarithm"),
    (check_fibre_growth, pooled, "thrown together"),
    (check_fibre_growth, lambda *a: growth(*a, last=True), "last letters"),
    (check_fibre_growth, lambda *a: growth(*a, late=True), "after the step"),
    (check_fibre_growth, lambda s, n, x, c: growth(s, n[:1], x, c), "first realisation"),
    (check_fibre_growth, lambda *a: 4 * growth(*a), "added up"),
    (check_fibre_growth, lambda *a: 1.0, "yours is 1.0000"),
    (check_true_statements, {"A", "C", "D", "E"}, "look at A"),
    (check_true_statements, {"B", "C", "D", "E"}, "look at B"),
    (check_true_statements, {"D", "E"}, "look at C"),
    (check_true_statements, {"C", "E"}, "look at D"),
    (check_true_statements, {"C", "D"}, "look at E"),
    (check_true_statements, {"C", "D", "E", "F"}, "look at F"),
    (check_true_statements, {"Z"}, "set of letters"),
]
