"""Answers to the exercises of lesson 22: right ones, and wrong ones with words of the reason that
the student must be given.
"""

import math

import numpy as np

from studies.entropy import fibre_entropy, shuffled
from tutorial_lib.exercises import lesson22


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
    (lesson22.check_markov_rate, rate),
    (lesson22.check_shuffled_blocks, blocks),
    (lesson22.check_fibre_growth, growth),
    (
        lesson22.check_fibre_growth,
        lambda step, noise, starts, letter: fibre_entropy(
            step, noise, starts, letter, first=1
        ).mean(),
    ),
    (lesson22.check_true_statements, {"C", "D", "E"}),
    (lesson22.check_true_statements, "CDE"),
]
WRONG = [
    (lesson22.check_markov_rate, lambda p: rate(p, np.full(3, 1 / 3)), "count alike"),
    (lesson22.check_markov_rate, lambda p: rate(p, np.ones(3)), "are added"),
    (lesson22.check_markov_rate, lambda p: rate(p, base=2), "bits"),
    (lesson22.check_markov_rate, lambda p: rate(p, sign=-1), "sign"),
    (lesson22.check_markov_rate, unsafe, "0 ln 0"),
    (lesson22.check_markov_rate, long_run, "where the chain is"),
    (lesson22.check_markov_rate, lambda p: rate(p, np.array([1.0, 0, 0])), "long run"),
    (lesson22.check_markov_rate, lambda p: rate(p.T, np.linalg.matrix_power(p, 500)[0]), "columns"),
    (lesson22.check_markov_rate, lambda p: 0.5, "yours is 0.5000"),
    (lesson22.check_markov_rate, lambda p: [0.5, 0.5], "one number"),
    (lesson22.check_shuffled_blocks, shuffled, "torn apart"),
    (lesson22.check_shuffled_blocks, lambda v, u, rng: rng.permutation(v), "one user to another"),
    (
        lesson22.check_shuffled_blocks,
        lambda v, u, rng: blocks(v, u, rng, across=True),
        "one user to another",
    ),
    (
        lesson22.check_shuffled_blocks,
        lambda v, u, rng: blocks(v, u, rng, turn=True),
        "turned round",
    ),
    (
        lesson22.check_shuffled_blocks,
        lambda v, u, rng: blocks(v, u, rng, move_single=True),
        "single value",
    ),
    (
        lesson22.check_shuffled_blocks,
        lambda v, u, rng: blocks(v, u, rng, tear=True),
        "single value",
    ),
    (
        lesson22.check_shuffled_blocks,
        lambda v, u, rng: blocks(v, u, rng, same=True),
        "nothing is shuffled",
    ),
    (lesson22.check_shuffled_blocks, lambda v, u, rng: v.copy(), "nothing is shuffled"),
    (lesson22.check_shuffled_blocks, rolled, "never occur"),
    (lesson22.check_shuffled_blocks, in_place, "changes the array"),
    (lesson22.check_shuffled_blocks, lambda v, u, rng: v[:-1], "shape"),
    (
        lesson22.check_shuffled_blocks,
        lambda v, u, rng: rng.choice(v, len(v)),
        "lost or occur twice",
    ),
    (lesson22.check_fibre_growth, lambda *a: growth(*a, base=2), "bits"),
    (lesson22.check_fibre_growth, lambda *a: growth(*a, by=0), "divide by n - 1"),
    (lesson22.check_fibre_growth, lambda *a: growth(*a, by=0, ratio=False), "number of pieces"),
    (lesson22.check_fibre_growth, lambda *a: growth(*a, ratio=False), "not compared"),
    (lesson22.check_fibre_growth, lambda *a: growth(*a, annealed=True), "before the logarithm"),
    (lesson22.check_fibre_growth, pooled, "thrown together"),
    (lesson22.check_fibre_growth, lambda *a: growth(*a, last=True), "last letters"),
    (lesson22.check_fibre_growth, lambda *a: growth(*a, late=True), "after the step"),
    (lesson22.check_fibre_growth, lambda s, n, x, c: growth(s, n[:1], x, c), "first realisation"),
    (lesson22.check_fibre_growth, lambda *a: 4 * growth(*a), "added up"),
    (lesson22.check_fibre_growth, lambda *a: 1.0, "yours is 1.0000"),
    (lesson22.check_true_statements, {"A", "C", "D", "E"}, "look at A"),
    (lesson22.check_true_statements, {"B", "C", "D", "E"}, "look at B"),
    (lesson22.check_true_statements, {"D", "E"}, "look at C"),
    (lesson22.check_true_statements, {"C", "E"}, "look at D"),
    (lesson22.check_true_statements, {"C", "D"}, "look at E"),
    (lesson22.check_true_statements, {"C", "D", "E", "F"}, "look at F"),
    (lesson22.check_true_statements, {"Z"}, "set of letters"),
]
