"""Checkers of lesson 22, random dynamical systems and entropy."""

import math
from statistics import stdev

import numpy as np
import torch

from exercises.checking import (
    Wrong,
    compare_letters,
    exercise,
    told_apart,
    want_array,
    want_number,
)
from exercises.open_task import END, END_ZH, Report, open_task
from studies.entropy import fibre_entropy, shuffled

CLOSE = 1e-5  # single precision will do


def _name(got: float, want: float, known: dict[str, float]) -> None:
    """Wrong with the reason that belongs to the number, if it is not the wanted one."""
    if math.isclose(got, want, rel_tol=CLOSE, abs_tol=CLOSE / 10):
        return
    for reason, value in known.items():
        if math.isclose(got, value, rel_tol=CLOSE, abs_tol=CLOSE / 10):
            raise Wrong(reason)
    yours, right = told_apart(got, float(want))
    raise Wrong("for the test it is {right}, yours is {yours}", right=right, yours=yours)


CHAINS = (
    [[0.5, 0.5, 0.0], [0.1, 0.6, 0.3], [0.0, 0.2, 0.8]],
    [[0.98, 0.02], [0.01, 0.99]],  # slow: a hundred steps are no long run
    [[0.0, 0.7, 0.3, 0.0], [0.4, 0.0, 0.0, 0.6], [0.25, 0.25, 0.25, 0.25], [1.0, 0.0, 0.0, 0.0]],
    [[0.0, 1.0], [1.0, 0.0]],  # in strict turns
)


@exercise(points=3, minutes=15)
def check_markov_rate(answer) -> None:
    """22.1: the entropy rate of a Markov chain in nats."""
    for rows in CHAINS:
        chain = np.array(rows)
        got = want_number(answer(chain), "the rate")
        if math.isnan(got):
            raise Wrong("it is nan: 0 ln 0 counts as 0, but numpy makes it nan")
        _name(got, *_rates(chain))


def _rates(chain: np.ndarray) -> tuple[float, dict[str, float]]:
    """The entropy rate, and what well-known mistakes give."""
    share = np.linalg.matrix_power(chain, 4096)[0]
    rows = -(chain * np.log(np.where(chain > 0, chain, 1))).sum(axis=1)
    columns = -(chain.T * np.log(np.where(chain.T > 0, chain.T, 1))).sum(axis=1)
    early = np.linalg.matrix_power(chain, 100)[0]
    want = float(share @ rows)
    return want, {
        "the states count alike here; the chain is not equally often in each of them": rows.mean(),
        "the entropies of the states are added; wanted is their mean, weighted by how often the chain is there": (
            rows.sum()
        ),
        "this is in bits; wanted are nats, the natural logarithm": want / math.log(2),
        "the sign is wrong: a mean surprise is positive": -want,
        "this is the entropy of where the chain is; wanted is that of the next state, given the present one": (
            -(share * np.log(np.where(share > 0, share, 1))).sum()
        ),
        "the entropies of the columns are used; where the chain goes from a state stands in its row": float(
            share @ columns
        ),
        "this weighs with the start in the first state; wanted is the long run": rows[0],
        "a hundred steps are no long run for a chain that hardly moves": float(early @ rows),
    }


@exercise(points=3, minutes=15)
def check_shuffled_blocks(answer) -> None:
    """22.2: pairs of consecutive values in random order within each user."""
    for counts, decimals, calls in LAYOUTS:
        user = np.repeat([0, 2, 3, 7, 8][: len(counts)], counts)
        values = np.random.default_rng(len(user)).permutation(len(user)) * 10
        _compare_blocks(answer, values + 0.5 * decimals, user, calls)


# events of each user; whether their values are decimals; calls, enough for 6 or 2 orders
LAYOUTS = (((6, 7, 1, 2), False, 200), ((1, 4), True, 60))


def _compare_blocks(answer, values: np.ndarray, user: np.ndarray, calls: int) -> None:
    place_of = {value: place for place, value in enumerate(values.tolist())}
    borders = [*np.flatnonzero(np.diff(user, prepend=-1)), len(user)]
    rng, seen, faults = np.random.default_rng(0), [], set()
    for _ in range(calls):
        got = want_array(answer(values, user, rng), "the answer")
        if got.shape != values.shape:
            raise Wrong(
                "it returns shape {shape}, wanted {wanted}: as many values as before",
                shape=got.shape,
                wanted=values.shape,
            )
        if not np.array_equal(np.sort(got), np.sort(values)):
            raise Wrong(
                "some values are lost or occur twice; every value must occur as often as before"
            )
        now = np.array([place_of[value] for value in got.tolist()])  # where each came from
        for first, end in zip(borders, borders[1:], strict=False):
            part = now[first:end] - first
            if not np.array_equal(np.sort(part), np.arange(end - first)):
                raise Wrong("values have moved from one user to another; shuffle within each user")
            if len(part) % 2 and part[-1] != len(part) - 1:
                faults.add("single")
                continue
            pairs = part[: len(part) // 2 * 2].reshape(-1, 2)
            together = pairs[:, 0] // 2 == pairs[:, 1] // 2
            faults.add("" if together.all() else "torn")
            faults.add("turned" if (pairs[:, 0] > pairs[:, 1]).any() else "")
        seen.append(now)
    for fault, reason in FAULTS.items():
        if fault in faults:
            raise Wrong(reason)
    if np.ptp(seen, axis=0).max() == 0:
        raise Wrong(
            "nothing is shuffled: {calls} calls gave the same order, although the"
            " generator went on",
            calls=calls,
        )
    orders = []
    for first, end in zip(borders, borders[1:], strict=False):
        pairs = (end - first) // 2
        found, often = np.unique(
            [now[first : first + 2 * pairs : 2] for now in seen], axis=0, return_counts=True
        )
        orders.append(len(found))
        if len(found) < math.factorial(pairs):
            raise Wrong(
                "some orders of {pairs} pairs never occur in {calls} calls; all"
                " {factorial} must be possible",
                pairs=pairs,
                calls=calls,
                factorial=math.factorial(pairs),
            )
        if often.min(initial=calls) < calls / len(found) / 4 or often.max() > 3 * calls / len(
            found
        ):
            raise Wrong("some orders of the pairs are much rarer than others; draw them alike")
    if len(np.unique(seen, axis=0)) < 0.8 * min(calls / 2, math.prod(orders)):
        raise Wrong("all users are shuffled in the same way; each must get an order of its own")
    twice = [want_array(answer(values, user, np.random.default_rng(3))) for _ in range(2)]
    if not np.array_equal(*twice):
        raise Wrong("generators with the same seed give two orders: draw from `rng` alone")


FAULTS = {
    "torn": "a pair was torn apart; the first and second, the third and fourth value ... stay"
    " together",
    "turned": "a pair came in reverse order; keep the order within a pair",
    "single": "a user with an odd number of values: the last single value must stay at the end",
}


def _multiply(x: np.ndarray, k) -> np.ndarray:
    return k * x % 1


def _letter(x: np.ndarray) -> np.ndarray:
    return np.minimum((x * 6).astype(np.int64), 5)


def _add(x: np.ndarray, k) -> np.ndarray:
    return (2 * x + k) % 1


def _tenth(x: np.ndarray) -> np.ndarray:
    """Letters up to 9, of unequal length: the number of words depends on the noise, and on the
    starts, of which few may miss the letter 4.
    """
    return np.searchsorted([0.05, 0.1, 0.3, 0.3004, 0.6, 0.62, 0.7, 0.9, 0.97], x)


SYSTEMS = (  # step, noise, number of starts, letter
    (
        _multiply,
        np.array([[2, 2, 3, 2, 3], [3, 3, 3, 2, 2], [2, 2, 2, 2, 3], [3, 2, 3, 3, 3]]),
        5_000,
        _letter,
    ),
    (_add, np.array([[0.55, 0.2, 0.9], [0.13, 0.71, 0.37], [0.81, 0.44, 0.05]]), 700, _tenth),
    (_multiply, np.array([[3, 2]]), 500, lambda x: 9 - _letter(x)),
)


@exercise(points=4, minutes=20)
def check_fibre_growth(answer) -> None:
    """22.3: the growth of the number of words under one realisation of the noise, averaged over
    realisations.
    """
    for step, noise, number, letter in SYSTEMS:
        starts = (np.arange(number) + 0.5) / number
        got = want_number(answer(step, noise, starts, letter), "the growth")
        _name(got, *_growths(step, noise, starts, letter))


def _growths(step, noise: np.ndarray, starts: np.ndarray, letter) -> tuple[float, dict]:
    """The growth, and what well-known mistakes give."""
    counts, late, pooled, last = [], [], set(), []
    for row in noise:
        x, letters = starts, []
        for k in row:
            letters.append(letter(x))
            x = step(x, k)
        letters.append(letter(x))
        spelled = _spelled(letters[:-1])
        pooled |= set(spelled.tolist())
        counts.append((len(np.unique(spelled)), len(np.unique(letters[0]))))
        late.append((len(np.unique(_spelled(letters[1:]))), len(np.unique(letters[1]))))
        last.append(len(np.unique(letters[-2])) / len(np.unique(letters[0])))
    (words, ones), steps = np.array(counts).T, noise.shape[1]
    rates, moved = np.log(words / ones) / (steps - 1), np.array(late)
    want = float(rates.mean())
    return want, {
        "this is in bits; wanted are nats, the natural logarithm": want / math.log(2),
        "from length 1 to n are n - 1 steps; divide by n - 1": want * (steps - 1) / steps,
        "this is ln(words of n letters) / n, in which the number of pieces still counts; take the growth from length 1": (
            np.log(words).mean() / steps
        ),
        "the words of n letters are not compared with those of 1 letter": (
            np.log(words).mean() / (steps - 1)
        ),
        "the number of words is averaged before the logarithm; average the rates": (
            np.log((words / ones).mean()) / (steps - 1)
        ),
        "words of all realisations are thrown together, so the noise is counted, too; count each realisation alone": (
            np.log(len(pooled) / ones[0]) / (steps - 1)
        ),
        "only the last letters are counted; wanted are whole words": (
            np.log(last).mean() / (steps - 1)
        ),
        "only the first realisation is used": float(rates[0]),
        "the letter is read after the step; the first letter belongs to the starting point": (
            np.log(moved[:, 0] / moved[:, 1]).mean() / (steps - 1)
        ),
        "the rates are added up; wanted is their mean": float(rates.sum()),
    }


def _spelled(letters: list[np.ndarray]) -> np.ndarray:
    return sum(one * 10**place for place, one in enumerate(letters))


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


@open_task
def open_report(report: Report) -> None:
    """The open task: the exponent of a model."""
    exponents = report.runs("exponents", 50)
    spread = report.number("spread", 0)
    if exponents and spread is not None:
        want = stdev(exponents)
        report.want(
            abs(spread - want) <= 0.03 * want,
            "`spread` is {spread:.4g}; the standard deviation of `exponents` is {want:.4g}",
            spread=spread,
            want=want,
        )
    report.number("minute")
    report.number("month")
    report.closing()


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


def by_elimination(chain):
    """The stationary shares from linear equations; single precision, in torch."""
    p = torch.from_numpy(chain)
    equations = torch.cat([p.T - torch.eye(len(p)), torch.ones(1, len(p))])
    share = torch.linalg.lstsq(equations, torch.eye(len(p) + 1).double()[-1]).solution
    return (share @ torch.special.entr(p).sum(1)).float()


def by_blocks(chain):
    """The entropy of two states in a row minus that of one."""
    share = np.linalg.matrix_power(chain, 1000)[0]
    two = share[:, None] * chain

    def entropy(p):
        return -sum(x * math.log(x) for x in p.ravel().tolist() if x > 0)

    return [entropy(two) - entropy(share)]


def after(chain, steps):
    return rate(chain, np.linalg.matrix_power(chain, steps)[0])


def by_sorting(values, user, rng):
    """All users at once: a number for each pair, sorted; as a list."""
    starts = np.flatnonzero(np.diff(user, prepend=-1))
    counts = np.diff(starts, append=len(user))
    place = np.arange(len(user)) - np.repeat(starts, counts)
    keys = rng.random(len(user))[np.repeat(starts, counts) + place // 2]
    keys[(place % 2 == 0) & (place + 1 == np.repeat(counts, counts))] = 2
    return values[np.lexsort((place, keys, user))].tolist()


def by_lists(values, user, rng):
    out = np.empty_like(values)
    for one in dict.fromkeys(user.tolist()):
        rows = np.flatnonzero(user == one)
        pairs = [rows[i : i + 2] for i in range(0, len(rows) // 2 * 2, 2)]
        rng.shuffle(order := list(range(len(pairs))))
        moved = np.concatenate([*(pairs[i] for i in order), rows[len(pairs) * 2 :]])
        out[rows] = values[moved.astype(int)]
    return torch.from_numpy(out)


def own_generator(values, user, rng):
    return blocks(values, user, OWN)


OWN = np.random.default_rng(11)


def one_swap(values, user, rng):
    """Two pairs at most change places: all orders of three occur by chance alone, some rarely."""
    for _ in range(3):
        values = values.copy()
        for one in np.unique(user):
            rows = np.flatnonzero(user == one)
            pairs = rows[: len(rows) // 2 * 2].reshape(-1, 2)
            if len(pairs) > 1 and rng.random() < 0.4:
                i = rng.integers(len(pairs) - 1)
                values[pairs[[i, i + 1]].ravel()] = values[pairs[[i + 1, i]].ravel()]
    return values


def sorted_pairs(values, user, rng):
    out = blocks(values, user, rng)
    for one in np.unique(user):
        rows = np.flatnonzero(user == one)
        pairs = rows[: len(rows) // 2 * 2].reshape(-1, 2)
        out[pairs] = np.sort(out[pairs], axis=1)
    return out


def by_words(step, noise, starts, letter):
    """Words as tuples, realisations in a comprehension."""

    def words(row):
        x, spelled = starts, [()] * len(starts)
        for now in row:
            spelled = [(*word, one) for word, one in zip(spelled, letter(x).tolist(), strict=True)]
            x = step(x, now)
        return len(set(spelled))

    longer = noise.shape[1] - 1
    return torch.tensor([math.log(words(r) / words(r[:1])) / longer for r in noise]).mean()


def all_at_once(step, noise, starts, letter):
    """All realisations in one array [R, N], the words as numbers."""
    x, spelled = np.tile(starts, (len(noise), 1)), 0
    first = len(np.unique(letter(starts)))
    for now in noise.T[:, :, None]:
        x, spelled = step(x, now), 10 * spelled + letter(x)
    counts = [len(np.unique(row)) for row in spelled]
    return np.array([np.mean(np.log(counts) - np.log(first)) / (noise.shape[1] - 1)])


def base_six(step, noise, starts, letter):
    """Words as numbers of base 6: letters above 5 run into each other."""
    rates = []
    for realisation in noise:
        x, word, first = starts, 0, len(np.unique(letter(starts)))
        for now in realisation:
            word, x = 6 * word + letter(x), step(x, now)
        rates.append(np.log(len(np.unique(word)) / first) / (len(realisation) - 1))
    return np.mean(rates)


RIGHT = [
    (check_markov_rate, rate),
    (check_markov_rate, by_elimination),
    (check_markov_rate, by_blocks),
    (check_shuffled_blocks, blocks),
    (check_shuffled_blocks, by_sorting),
    (check_shuffled_blocks, by_lists),
    (check_fibre_growth, growth),
    (check_fibre_growth, by_words),
    (check_fibre_growth, all_at_once),
    (
        check_fibre_growth,
        lambda step, noise, starts, letter: fibre_entropy(
            step, noise, starts, letter, first=1
        ).mean(),
    ),
    (check_true_statements, {"C", "D", "E"}),
    (check_true_statements, "CDE"),
    (check_true_statements, "c, d, e"),
    (check_true_statements, ["E", "D", "C"]),
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
    (check_markov_rate, lambda p: 0.5, "yours is 0.5"),
    (check_markov_rate, lambda p: after(p, 100), "hardly moves"),
    (check_markov_rate, lambda p: after(p, 1), "yours is"),
    (check_markov_rate, lambda p: rate(np.array(CHAINS[0])), "yours is"),
    (check_markov_rate, lambda p: rate(p) * 1.001, "yours is"),
    (check_markov_rate, lambda p: rate(p.T), "count alike"),
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
        "reverse order",
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
    (check_shuffled_blocks, in_place, "argument `values` in place"),
    (check_shuffled_blocks, lambda v, u, rng: v[:-1], "shape"),
    (check_shuffled_blocks, own_generator, "draw from `rng` alone"),
    (check_shuffled_blocks, one_swap, "much rarer"),
    (check_shuffled_blocks, sorted_pairs, "reverse order"),
    (check_shuffled_blocks, lambda v, u, rng: blocks(v[::-1], u, rng)[::-1], "one user to another"),
    (check_shuffled_blocks, lambda v, u, rng: blocks(v, u, rng).astype(int), "lost or occur"),
    (
        check_shuffled_blocks,
        lambda v, u, rng: rng.choice(v, len(v)),
        "lost or occur twice",
    ),
    (check_fibre_growth, lambda *a: growth(*a, base=2), "bits"),
    (check_fibre_growth, base_six, "yours is"),
    (check_fibre_growth, lambda s, n, x, f: growth(_multiply, n, x, f), "yours is"),
    (check_fibre_growth, lambda s, n, x, f: growth(s, n, x, _letter), "yours is"),
    (
        check_fibre_growth,
        lambda s, n, x, f: growth(s, n[:, ::-1], x, f),
        "belongs to the starting point",
    ),
    (check_fibre_growth, lambda s, n, x, f: growth(s, n, x[::100], f), "yours is"),
    (check_fibre_growth, lambda *a: growth(*a, by=0), "divide by n - 1"),
    (check_fibre_growth, lambda *a: growth(*a, by=0, ratio=False), "number of pieces"),
    (check_fibre_growth, lambda *a: growth(*a, ratio=False), "not compared"),
    (check_fibre_growth, lambda *a: growth(*a, annealed=True), "before the logarithm"),
    (check_fibre_growth, pooled, "thrown together"),
    (check_fibre_growth, lambda *a: growth(*a, last=True), "last letters"),
    (check_fibre_growth, lambda *a: growth(*a, late=True), "after the step"),
    (check_fibre_growth, lambda s, n, x, c: growth(s, n[:1], x, c), "first realisation"),
    (check_fibre_growth, lambda *a: 4 * growth(*a), "added up"),
    (check_fibre_growth, lambda *a: 1.0, "yours is 1"),
    (check_true_statements, {"A", "C", "D", "E"}, "look at A"),
    (check_true_statements, {"B", "C", "D", "E"}, "look at B"),
    (check_true_statements, {"D", "E"}, "look at C"),
    (check_true_statements, {"C", "E"}, "look at D"),
    (check_true_statements, {"C", "D"}, "look at E"),
    (check_true_statements, {"C", "D", "E", "F"}, "look at F"),
    (check_true_statements, {"Z"}, "set of letters"),
    (check_true_statements, set("ABCDEF"), "look at A"),
    (check_true_statements, set(), "look at C"),
    (check_true_statements, {"A", "B", "F"}, "look at A"),
]

# Mutants (tests/exercises/mutants.py) that are right, and why.
IN_NATS = "base is e in the right answer, and its logarithm 1"
ARGUED = [
    (check_markov_rate, "1 -> 2", "under the logarithm where the share is 0: 0 ln 2 is 0, too"),
    (
        check_markov_rate,
        "-(chain * logs).sum(axis=1) / math.log(base)"
        " -> -(chain * logs).sum(axis=1) * math.log(base)",
        IN_NATS,
    ),
    (
        check_markov_rate,
        "-(chain * logs).sum(axis=1) / math.log(base) -> -(chain * logs).sum(axis=1)",
        IN_NATS,
    ),
    (
        check_markov_rate,
        "sign * (weights * surprise).sum() -> (weights * surprise).sum()",
        "sign is 1 in the right answer",
    ),
    (check_markov_rate, "1000 -> 999", "as long a run"),
    (check_markov_rate, "1000 -> 1001", "as long a run"),
    (check_markov_rate, "0 -> -1", "in the long run the start does not matter"),
    (check_markov_rate, "0 -> 1", "in the long run the start does not matter"),
    *(
        (check_shuffled_blocks, mutant, "other random numbers, one for each pair of a user")
        for mutant in (
            "np.repeat(starts, counts) + place // 2 -> np.repeat(starts, counts) - place // 2",
            *("2 -> 1", "2 -> 3"),
        )
    ),
    (check_shuffled_blocks, "1 -> 2", "one pair stays where it is, shuffled or not"),
    (check_shuffled_blocks, "-1 -> 1", "no user has this number either"),
    *(
        (check_fibre_growth, mutant, "different words still have different numbers")
        for mutant in (
            *("row * 10 ** i -> row / 10 ** i", "10 -> 11", "0 -> -1", "0 -> 1"),
            "10 * spelled + letter(x) -> 10 * spelled - letter(x)",
        )
    ),
    *(
        (
            check_fibre_growth,
            f"np.log(long / short) / math.log(base) -> np.log(long / short){rest}",
            IN_NATS,
        )
        for rest in ("", " * math.log(base)")
    ),
    (check_fibre_growth, "1 -> 2", "each start twice: no word more"),
    (check_fibre_growth, "one axis more", "an array of one number is a number"),
]

OPEN = {
    "exponents": [-0.2 + 0.01 * (i % 10) for i in range(50)],
    "spread": 0.029,
    "minute": -0.1,
    "month": -1.4,
    **END,
}
OPEN_RIGHT = [OPEN, {**OPEN, **END_ZH}]
OPEN_WRONG = [
    ({**OPEN, "spread": 0.29}, "the standard deviation of `exponents` is 0.02901"),
    ({**OPEN, "exponents": [-0.1, -0.2]}, "2 of at least 50"),
    ({**OPEN, "exponents": [-0.1] * 50}, "does the seed reach"),
]
