"""Checkers of lesson 19, sensitivity and robustness."""

import math

import numpy as np
import pandas as pd
import torch

from exercises.checking import NotAttempted, Wrong, exercise, told_apart, want_array, want_number
from exercises.open_task import END, END_ZH, Report, interval_of, open_task


def _clock(got, length: int) -> np.ndarray:
    """The answer as int64 [length]; Wrong if it is none."""
    got = want_array(got, "the times")
    if got.shape != (length,):
        raise Wrong(
            "the times have shape {shape}, wanted ({length},): the first time stays, too",
            shape=got.shape,
            length=length,
        )
    if got.dtype.kind != "i":
        raise Wrong(
            "the times have dtype {dtype}, wanted int64: unix seconds are whole numbers",
            dtype=got.dtype,
        )
    return got


@exercise(points=3, minutes=15)
def check_jitter_times(answer) -> None:
    """19.1: gaps times factors, rounded, and the clock rebuilt."""
    rng = np.random.default_rng(0)
    for length in (6, 400, 2, 1):
        gaps = np.append([3, 0, 77, 40_000_000], rng.integers(0, 300_000, length))[: length - 1]
        times = 1_700_000_000 + np.append(0, np.cumsum(gaps))
        factors = np.exp(rng.standard_normal(length - 1))
        got = _clock(answer(times, factors), length)
        exact, rough = gaps * factors, np.float32(gaps) * np.float32(factors)
        elapsed = np.cumsum(np.rint(exact).astype(np.int64))
        want = times[0] + np.append(0, elapsed)
        known = {
            "the clock starts at 0; it must start at the first time": want - times[0],
            "the times are multiplied; multiply the gaps, and rebuild the clock from them": (
                np.append(times[0], np.rint(times[1:] * factors))
            ),
            "each time is moved by its own gap alone; an event comes later if any gap before it has grown": (
                times + np.append(0, np.rint(exact).astype(np.int64) - gaps)
            ),
            "round each gap to the nearest second; this cuts the fraction off": (
                times[0] + np.append(0, np.cumsum(exact.astype(np.int64)))
            ),
            "round each gap, and not the sums: else two gaps of the same length can differ": (
                np.rint(times[0] + np.append(0, np.cumsum(exact)))
            ),
            "the fractions are cut off only after the sums; round each gap": (
                (times[0] + np.append(0, np.cumsum(exact))).astype(np.int64)
            ),
            "these are gaps; add them up to get times": np.append(times[0], np.rint(exact)),
            "round each gap to the nearest second; this rounds up": (
                times[0] + np.append(0, np.cumsum(np.ceil(exact).astype(np.int64)))
            ),
            "single precision holds whole numbers to 16.7 million only; multiply in double": (
                times[0] + np.append(0, np.cumsum(np.rint(rough).astype(np.int64)))
            ),
            "the factors are taken in reverse order": (
                times[0] + np.append(0, np.cumsum(np.rint(gaps * factors[::-1]).astype(np.int64)))
            ),
        }
        for reason, value in known.items():
            if np.array_equal(got, value) and not np.array_equal(value, want):
                raise Wrong(reason)
        if not np.array_equal(got, want):
            place = int((got != want).argmax())
            raise Wrong(
                "time {place} is {got} where the first is {times}; wanted {want}",
                place=place,
                got=got[place],
                times=times[0],
                want=want[place],
            )


@exercise(points=4, minutes=20)
def check_lose_events(answer) -> None:
    """19.2: events are removed, seeded, and not in place."""
    rng = np.random.default_rng(1)
    for length, share, seed in (
        (8, 0.5, 3),
        (300, 0.3, 4),
        (300, 0.3, 5),
        (5, 0.999, 0),
        (20, 0.0, 1),
        (30, float(np.random.default_rng(6).random(30)[11]), 6),  # a number equal to the share
        (1, 0.9, 2),
        (2, 0.0, 2),
    ):
        items = rng.permutation(1000)[:length] + 1
        times = 1_700_000_000 + np.cumsum(rng.integers(1, 100_000, length))
        got = answer(items, times, share, seed)
        try:
            if isinstance(got, dict | str):
                raise TypeError
            kept_items, kept_times = got
        except (TypeError, ValueError):
            raise Wrong(
                "return two arrays, the items and the times of the events that stay"
            ) from None
        kept_items, kept_times = want_array(kept_items, "items"), want_array(kept_times, "times")
        if kept_items.ndim != 1 or kept_items.shape != kept_times.shape:
            raise Wrong(
                "{shape} items and {shape2} times: a lost event takes both its item and"
                " its time along",
                shape=kept_items.shape,
                shape2=kept_times.shape,
            )
        if (kept_times == 0).any():
            raise Wrong(
                "a time of 0 is not a lost event: it makes gaps of fifty years; take the event out"
            )
        draws = np.random.default_rng(seed).random(length)
        stays = draws >= share
        stays[-1] = True
        if np.array_equal(kept_items, items[stays]) and np.array_equal(kept_times, times[stays]):
            continue
        if not np.array_equal(want_array(answer(items, times, share, seed)[0]), kept_items):
            raise Wrong(
                "the same seed gives other events the second time: draw from"
                " np.random.default_rng(seed)"
            )
        known = {
            "the last event is lost: it always stays, so that nobody is without a history": (
                draws >= share
            ),
            "an event stays if its number is at least the share; this keeps the others": np.append(
                draws[:-1] < share, True
            ),
            "an event stays if its number is AT LEAST the share, equal ones too": np.append(
                draws[:-1] > share, True
            ),
        }
        for reason, wrong in known.items():
            if np.array_equal(kept_items, items[wrong]) and not np.array_equal(wrong, stays):
                raise Wrong(reason)
        if np.array_equal(kept_items, items[stays]):
            raise Wrong(
                "the right events stay, but their times have changed: a gap over lost events is the"
                " sum of their gaps"
            )
        raise Wrong(
            "of {length} events with share {share} and seed {seed} there stay {stays},"
            " yours are {count}; compare one number for each event, drawn with the seed,"
            " with the share",
            length=length,
            share=share,
            seed=seed,
            stays=stays.sum(),
            count=len(kept_items),
        )


CLOSE = 1e-5  # single precision will do
SETTLES = (  # m, error, lipschitz, speed, kappa
    (0.5, 0.2, 1.0, 4.0, 0.5),
    (0.1, 0.05, 2.0, 1.0, 0.8),
    (1.0, 0.3, 0.0, 2.0, 0.5),
    (0.6, 0.3, 1.5, 3.0, 0.4),
    (1.0, 0.3, 1.0, 2.0, 0.5),  # from here on it grows without end
    (0.7, 0.1, 0.0, 1.0, 1.0),
    (3.0, 0.01, 0.6, 0.5, 0.2),
)


def _settled(m, error, lipschitz, speed, kappa) -> float:
    share = kappa * math.exp(lipschitz * m)
    return kappa * speed * error / (1 - share) if share < 1 else math.inf


@exercise(points=3, minutes=15)
def check_settled_bound(answer) -> None:
    """19.3: where the bound on the damage of a wrong clock settles, and where it does not."""
    for m, error, lipschitz, speed, kappa in SETTLES:
        got = answer(m, error, lipschitz, speed, kappa)
        if want_array(got, "the bound").size != 1:
            raise Wrong("return one number, got an array of shape {shape}", shape=np.shape(got))
        got, want = want_number(got, "the bound"), _settled(m, error, lipschitz, speed, kappa)
        if got == want or math.isclose(got, want, rel_tol=CLOSE):
            continue
        about = f"m = {m}, error = {error}, L = {lipschitz}, V = {speed}, kappa = {kappa}"
        share, grown = kappa * math.exp(lipschitz * m), speed * error
        if got < 0:
            raise Wrong(
                "{about}: a distance is never negative; from one event to the next the error is"
                " multiplied by {share:.3g} and does not shrink: return infinity",
                about=about,
                share=share,
            )
        if math.isinf(want):
            raise Wrong(
                "{about}: an error is multiplied by {share:.3g} from one event to the next, so the"
                " bound grows without end: return infinity",
                about=about,
                share=share,
            )
        if math.isinf(got):
            raise Wrong(
                "{about}: an error is multiplied by {share:.3g} from one event to the next, which"
                " is below 1: the bound settles",
                about=about,
                share=share,
            )
        slow = 1 - kappa * (1 + lipschitz * m)
        known = {
            "the jump shrinks what the last gap has added, too": grown / (1 - share),
            "an error grows by the factor exp(L m), not by 1 + L m: Grönwall's bound": (
                kappa * grown / slow if slow else math.nan
            ),
            "earlier errors do not grow here: multiply what is there by exp(L m)": (
                kappa * grown / (1 - kappa) if kappa < 1 else math.nan
            ),
            "this is what one gap adds; earlier errors are still there": kappa * grown,
            "the speed is missing": want / speed,
        }
        for reason, value in known.items():
            if math.isclose(got, value, rel_tol=CLOSE):
                raise Wrong(reason)
        yours, right = told_apart(got, want)
        raise Wrong(
            "{about}: the bound settles at {right}, yours is {yours}; at rest e is the same before"
            " and after an event: solve for it",
            about=about,
            right=right,
            yours=yours,
        )


WORDS = ("robust", "fragile", "in vain", "no battery")
HINTS = {
    "A": (
        "is its lead above 0, does it react to a destroyed clock, and does the interval under"
        " jitter lie below 0?"
    ),
    "B": "what changes at all when its clock is destroyed?",
    "C": (
        "its lead is large; but what happens when the clock is destroyed? Where can the lead come"
        " from, then?"
    ),
    "D": "it reacts to a destroyed clock, so it reads it; now look at its lead",
    "E": (
        "its lead is above 0 and it reacts to a destroyed clock; where does the interval under"
        " jitter lie?"
    ),
}


def _word(value):
    """A verdict in small letters and single spaces."""
    return " ".join(value.lower().split()) if isinstance(value, str) else value


@exercise(points=2, minutes=10)
def check_verdicts(answer) -> None:
    """19.4: five makers, four verdicts."""
    if isinstance(answer, dict | pd.Series):
        answer = {str(key).strip().upper(): _word(value) for key, value in dict(answer).items()}
    if not isinstance(answer, dict) or set(answer) != set(HINTS):
        raise Wrong(
            'the answer is a dictionary with the keys "A" to "E", one verdict for each maker'
        )
    if all(value is None or value is ... for value in answer.values()):
        raise NotAttempted
    if unknown := [value for value in answer.values() if value not in WORDS]:
        raise Wrong(
            "{unknown!r} is no verdict; choose one of {words}",
            unknown=unknown[0],
            words=", ".join(WORDS),
        )
    want = dict(
        zip("ABCDE", ("robust", "no battery", "no battery", "in vain", "fragile"), strict=True)
    )
    for letter, hint in HINTS.items():
        if answer[letter] != want[letter]:
            raise Wrong("look at {letter} again: {hint}", letter=letter, hint=hint)


@open_task
def open_report(report: Report) -> None:
    """The open task: a corruption of one's own."""
    report.table("changes", interval_of(-1, 1))
    report.interval("lead_left", -1, 1)
    report.text("corruption")
    report.closing()


# Answers on which the tests try the checkers: right ones, and wrong ones with words of the reason given.


def jittered(times, factors, rounding=np.rint, start=None):
    gaps = rounding(np.diff(times) * factors).astype(np.int64)
    return (times[0] if start is None else start) + np.append(0, np.cumsum(gaps))


def in_place(times, factors):
    times[1:] = times[0] + np.cumsum(np.rint(np.diff(times) * factors).astype(np.int64))
    return times


def own_gap_only(times, factors):
    moved = times.copy()
    moved[1:] = times[:-1] + np.rint(np.diff(times) * factors).astype(np.int64)
    return moved


def round_sums(times, factors):
    return np.rint(times[0] + np.append(0, np.cumsum(np.diff(times) * factors))).astype(np.int64)


def float_clock(times, factors):
    return times[0] + np.append(0, np.cumsum(np.rint(np.diff(times) * factors)))


def lose(items, times, share, seed, last=True, swap=False, rng=None):
    draws = (rng or np.random.default_rng(seed)).random(len(times))
    stays = draws < share if swap else draws >= share
    stays[-1] |= last
    return items[stays], times[stays]


UNSEEDED = np.random.default_rng(7)


def zero_in_place(items, times, share, seed):
    times[np.random.default_rng(seed).random(len(times)) < share] = 0
    return items, times


def zero_a_copy(items, times, share, seed):
    return items, np.where(np.random.default_rng(seed).random(len(times)) < share, 0, times)


def items_only(items, times, share, seed):
    return lose(items, times, share, seed)[0], times


def close_the_gaps(items, times, share, seed):
    kept, left = lose(items, times, share, seed)
    return kept, times[: len(left)]


def settled(m, error, lipschitz, speed, kappa, growth=np.exp, jump=True):
    share = kappa * growth(lipschitz * m)
    added = (kappa if jump else 1.0) * speed * error
    return added / (1 - share) if share < 1 else np.inf


def by_iteration(m, error, lipschitz, speed, kappa):
    """Event by event; it settles if the second step is smaller than the first."""
    path = [0.0]
    for _ in range(5000):
        path.append(kappa * (math.exp(lipschitz * m) * path[-1] + speed * error))
    return path[-1] if path[2] - path[1] < path[1] else math.inf


def without_a_check(m, error, lipschitz, speed, kappa):
    share = kappa * np.exp(lipschitz * m)
    return kappa * speed * error / (1 - share) if share != 1 else math.inf


def one_by_one(times, factors):
    clock = [int(times[0])]
    for before, after, factor in zip(times[:-1], times[1:], factors, strict=True):
        clock.append(clock[-1] + round(float((after - before) * factor)))
    return clock


def in_torch(times, factors):
    gaps = (torch.from_numpy(times).diff() * torch.from_numpy(factors)).round().long()
    return torch.cat([torch.tensor(times[:1]), times[0] + gaps.cumsum(0)])


def single(times, factors):
    gaps = np.rint(np.diff(times).astype(np.float32) * factors.astype(np.float32))
    return times[0] + np.append(0, np.cumsum(gaps.astype(np.int64)))


def stacked(items, times, share, seed):
    """Both rows of one array."""
    lost = np.flatnonzero(np.random.default_rng(seed).random(len(items))[:-1] < share)
    return np.delete(np.stack([items, times]), lost, axis=1)


def in_lists(items, times, share, seed):
    draws, last = np.random.default_rng(seed).random(len(items)), len(items) - 1
    stays = [i for i, draw in enumerate(draws) if draw >= share or i == last]
    return [[int(items[i]) for i in stays], torch.tensor(times[stays])]


def more_than_the_share(items, times, share, seed):
    stays = np.random.default_rng(seed).random(len(times)) > share
    stays[-1] = True
    return items[stays], times[stays]


def old_generator(items, times, share, seed):
    stays = np.random.RandomState(seed).random_sample(len(times)) >= share
    stays[-1] = True
    return items[stays], times[stays]


def settled_in_torch(m, error, lipschitz, speed, kappa):
    m, lipschitz = torch.tensor(m), torch.tensor(lipschitz)
    share = kappa * torch.exp(lipschitz * m)
    limit = kappa * speed * error / (1 - share)
    return torch.where(share < 1, limit, torch.tensor(torch.inf))


VERDICTS = {"A": "robust", "B": "no battery", "C": "no battery", "D": "in vain", "E": "fragile"}
RIGHT = [
    (check_jitter_times, jittered),
    (check_jitter_times, one_by_one),
    (check_jitter_times, in_torch),
    (check_lose_events, lose),
    (check_lose_events, stacked),
    (check_lose_events, in_lists),
    (check_settled_bound, settled),
    (check_settled_bound, settled_in_torch),
    (check_settled_bound, by_iteration),
    (check_settled_bound, lambda *a: [np.float32(settled(*a))]),
    (check_verdicts, VERDICTS),
    (check_verdicts, pd.Series(VERDICTS)[::-1]),
    (check_verdicts, {key.lower(): f" {word.title()}" for key, word in VERDICTS.items()}),
]
WRONG = [
    (check_jitter_times, lambda t, f: jittered(t, f, start=0), "starts at 0"),
    (
        check_jitter_times,
        lambda t, f: np.append(t[0], np.rint(t[1:] * f)).astype(np.int64),
        "multiply the gaps",
    ),
    (check_jitter_times, own_gap_only, "by its own gap alone"),
    (
        check_jitter_times,
        lambda t, f: jittered(t, f, rounding=np.trunc),
        "cuts the fraction off",
    ),
    (check_jitter_times, round_sums, "not the sums"),
    (check_jitter_times, float_clock, "dtype float64"),
    (check_jitter_times, in_place, "argument `times` in place"),
    (check_jitter_times, lambda t, f: jittered(t, f)[1:], "shape"),
    (
        check_jitter_times,
        lambda t, f: np.append(t[0], np.rint(np.diff(t) * f)).astype(np.int64),
        "these are gaps",
    ),
    (check_jitter_times, lambda t, f: jittered(t, 1 / f), "wanted"),
    (check_jitter_times, lambda t, f: jittered(t, f, rounding=np.ceil), "rounds up"),
    (check_jitter_times, lambda t, f: jittered(t, f[::-1]), "reverse order"),
    (check_jitter_times, single, "single precision"),
    (check_jitter_times, lambda t, f: jittered(t, f)[::-1], "wanted"),
    (check_jitter_times, lambda t, f: jittered(t, f) + (np.arange(len(t)) == len(t) - 1), "wanted"),
    (check_lose_events, zero_in_place, "argument `times` in place"),
    (check_lose_events, zero_a_copy, "fifty years"),
    (check_lose_events, lambda i, t, p, s: lose(i, t, p, s, rng=UNSEEDED), "same seed"),
    (
        check_lose_events,
        lambda i, t, p, s: lose(i, t, p, s, last=False),
        "last event is lost",
    ),
    (
        check_lose_events,
        lambda i, t, p, s: lose(i, t, p, s, swap=True),
        "keeps the others",
    ),
    (check_lose_events, more_than_the_share, "AT LEAST"),
    (check_lose_events, old_generator, "drawn with the seed"),
    (check_lose_events, lambda i, t, p, s: lose(i, t, 0.5, s), "of 300 events"),
    (check_lose_events, lambda i, t, p, s: lose(i, t, p, 3), "of 300 events"),
    (check_lose_events, lambda i, t, p, s: lose(i, t, p, s)[::-1], "compare one number"),
    (check_lose_events, items_only, "its item and its time"),
    (check_lose_events, close_the_gaps, "sum of their gaps"),
    (check_lose_events, lambda i, t, p, s: lose(i, t, p, s)[0], "two arrays"),
    (check_lose_events, lambda i, t, p, s: lose(i, t, p, s + 1), "drawn with the seed"),
    (check_settled_bound, lambda *a: settled(*a, jump=False), "the jump shrinks"),
    (check_settled_bound, lambda *a: settled(*a, growth=lambda x: 1 + x), "exp(L m)"),
    (check_settled_bound, lambda *a: settled(*a, growth=lambda x: 1.0), "do not grow"),
    (check_settled_bound, lambda m, d, x, v, k: k * v * d, "what one gap adds"),
    (check_settled_bound, lambda *a: settled(*a[:3], 1.0, a[4]), "speed is missing"),
    (check_settled_bound, without_a_check, "never negative"),
    (check_settled_bound, lambda *a: abs(without_a_check(*a)), "grows without end"),
    (check_settled_bound, lambda *a: min(settled(*a), 1e9), "grows without end"),
    (check_settled_bound, lambda *a: np.inf, "the bound settles"),
    (check_settled_bound, lambda m, *a: settled(2 * m, *a), "the bound settles"),
    (check_settled_bound, lambda *a: 1.001 * settled(*a), "solve for it"),
    (check_settled_bound, lambda *a: np.full(3, settled(*a)), "one number"),
    (check_settled_bound, lambda *a: math.nan, "solve for it"),
    (check_verdicts, VERDICTS | {"A": "fragile"}, "look at A"),
    (check_verdicts, VERDICTS | {"B": "robust"}, "look at B"),
    (check_verdicts, VERDICTS | {"C": "robust"}, "look at C"),
    (check_verdicts, VERDICTS | {"D": "fragile"}, "look at D"),
    (check_verdicts, VERDICTS | {"E": "robust"}, "look at E"),
    (check_verdicts, VERDICTS | {"E": "broken"}, "is no verdict"),
    (check_verdicts, {"A": "robust"}, 'keys "A" to "E"'),
    (check_verdicts, ["robust"] * 5, "dictionary"),
    (check_verdicts, dict(zip("ABCDE", list(VERDICTS.values())[::-1], strict=True)), "look at A"),
    (check_verdicts, VERDICTS | {"B": "fragile", "E": "no battery"}, "look at B"),
    (check_verdicts, VERDICTS | {"C": "in vain"}, "look at C"),
    (check_verdicts, VERDICTS | {"D": None}, "is no verdict"),
]

# Mutants (tests/exercises/mutants.py) that are right, and why.
ARGUED = [
    (check_jitter_times, "0 -> -1", "an array of one number: its first is its last"),
    (
        check_settled_bound,
        "share < 1 -> share <= 1",
        "a division by 0 in numpy gives infinity, too",
    ),
    *(
        (check_settled_bound, mutant, "it has settled long before the last step")
        for mutant in ("5000 -> 4999", "5000 -> 5001", "1 -> 2")
    ),
]

OPEN = {
    "corruption": "Every fifth user lives eight hours off, as phones do after a flight.",
    "changes": {"tisasrec": (-0.004, -0.007, -0.001), "sasrec": (-0.001, -0.002, 0.001)},
    "lead_left": (0.01, 0.004, 0.016),
    **END,
}
OPEN_RIGHT = [OPEN, {**OPEN, **END_ZH}]
OPEN_WRONG = [
    ({**OPEN, "changes": {"tisasrec": (-0.004, -0.007, -0.001)}}, "1 of at least 2"),
    ({**OPEN, "lead_left": (0.01, float("nan"), 0.016)}, "not a finite number"),
    ({**OPEN, "corruption": "noise"}, "says too little"),
]
