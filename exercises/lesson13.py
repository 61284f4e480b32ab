"""Checkers of lesson 13, SS4Rec."""

import cmath
import math

import numpy as np
import torch
from torch import Tensor

from exercises.checking import (
    Wrong,
    compare_letters,
    exercise,
    same,
    want_array,
    want_equal,
)
from exercises.open_task import END, END_ZH, Report, number_of, open_task, runs_of


@exercise(points=3, minutes=15)
def check_eigenvalue_for(answer) -> None:
    """13.1: rate of fading and turning from half-life and period."""
    for half_life, period in ((8.0, 24.0), (0.5, 3.0), (2.5, math.inf)):
        got = want_array(answer(half_life, period), "the eigenvalue", kind="complex")
        if got.size != 1:
            raise Wrong("a complex number is wanted, got {size} numbers", size=got.size)
        got = complex(got.item())
        fade, turn = math.log(2) / half_life, 2 * math.pi / period
        fading = {
            "the real part is positive: the memory would grow": fade,
            "after one half-life e^-1 is left, about 0.37; for a half the real part needs ln 2": (
                -1 / half_life
            ),
            "the half-life multiplies; a longer half-life must make the rate smaller": (
                -math.log(2) * half_life
            ),
            "the real part is 0: nothing fades": 0.0,
        }
        turning = {
            "it turns to the right; to the left the imaginary part is positive": -turn,
            "a full turn is 2 pi, and your memory turns by 1 in a period": 1 / period,
            "a full turn is 2 pi, and your memory turns by pi, half a turn, in a period": (
                math.pi / period
            ),
            "a full turn is 2 pi, not 360: the exponential counts angles in radians": 360 / period,
            "it does not turn: the imaginary part is missing": 0.0,
        }
        for part, want, known in ((got.real, -fade, fading), (got.imag, turn, turning)):
            if math.isclose(part, want, rel_tol=1e-5, abs_tol=1e-9):
                continue
            for reason, value in known.items():
                if math.isclose(part, value, rel_tol=1e-5, abs_tol=1e-9):
                    raise Wrong(reason)
            left = abs(cmath.exp(got.real * half_life))
            turns = got.imag * period / math.tau
            raise Wrong(
                "half-life {half_life:g} h, period {period:g} h: after one half-life"
                " {left:.3g} is left and after one period it has turned {turns:.3g} times;"
                " wanted 0.5 and 1",
                half_life=half_life,
                period=period,
                left=left,
                turns=turns,
            )


def _check_read(answer, rate: Tensor, start: Tensor, u: Tensor, waits: Tensor) -> None:
    got = answer(rate, start, u, waits)
    kept = torch.exp(rate * waits)
    share = torch.expm1(rate * waits) / rate  # of the input
    total = torch.exp(rate * waits.cumsum(0))
    known = {
        "the input is taken in at once; a held input has pushed nothing yet after a wait of 0": (
            kept * start + u
        ),
        "the input is taken in at once and fades with the state, as a tap would; here it is held": (
            kept * (start + u)
        ),
        "the input pushes the wrong way: its weight is (kept - 1) / eigenvalue, and the eigenvalue is negative": (
            kept * start - share * u
        ),
        "the weight of the input is (kept - 1) / eigenvalue; without the division it is a plain average": (
            kept * start + (1 - kept) * u
        ),
        "the input is missing: the state only fades": kept * start,
        "the state does not fade: multiply it by what is kept": start + share * u,
        "the state is missing: only the input is read": share * u,
        "it uses the wait alone as weight of the input; that is Euler's step": (
            kept * start + waits * u
        ),
        "each wait counts from the event; yours are added up": (
            total * start + (total - 1) / rate * u
        ),
    }
    want_equal(got, kept * start + share * u, tol=1e-5, name="the memory", known=known)


@exercise(points=3, minutes=12)
def check_read_at(answer) -> None:
    """13.2: the memory at any moments after an event whose input is held."""
    first = torch.tensor([0.0, 0.5, 2.0, 2.5, 40.0])
    for rate, start, u, waits in (
        (-0.25, 0.8, -1.5, first),
        (-1.5, -0.6, 0.7, torch.tensor([3.0, 0.2, 0.9])),  # in any order
    ):
        _check_read(answer, torch.tensor(rate), torch.tensor(start), torch.tensor(u), waits)
    moment = answer(
        torch.tensor(-0.25), torch.tensor(0.0), torch.tensor(1.0), torch.tensor([1e-7, 2e-5])
    )
    if not same(moment, torch.tensor([1e-7, 2e-5 - 5e-11])):
        raise Wrong(
            "for a ten-millionth of an hour kept rounds to 1 and kept - 1 to 0: let torch.expm1"
            " make kept - 1"
        )


sealed = {  # for exercise 13.3: measure them, do not read them
    "A": lambda state, gap: state * cmath.exp((-0.1 + 0.5j) * gap),
    "B": lambda state, gap: state / (1 + gap),
    "C": lambda state, gap: state * math.exp(-0.5 * math.sqrt(gap)),
    "D": lambda state, gap: 0.9 * state,
    "E": lambda state, gap: 1 + (state - 1) * math.exp(-gap / 8),
    "F": lambda state, gap: state * math.exp(-min(gap, 12) / 5),
}


@exercise(points=4, minutes=18)
def check_honest(answer) -> None:
    """13.3: which laws of forgetting may be cut anywhere."""
    hints = {
        "A": (
            "compare law(law(x, a), b) with law(x, a + b): is there any difference beyond rounding?"
        ),
        "B": "take two gaps of one hour: what is left, and what is left after a gap of two hours?",
        "C": "take two gaps of one hour: what is left, and what is left after a gap of two hours?",
        "D": "what does it do over a gap of 0?",
        "E": "it does not fade to 0, and need not: does cutting the gap change the result?",
        "F": "have you tried gaps of a day?",
    }
    compare_letters(answer, {"A", "E"}, hints)


@exercise(points=2, minutes=8)
def check_unchanged(answer) -> None:
    """13.4: which changes the state at event 5 does not notice, with query_time=False."""
    hints = {
        "A": "what happens to the differences between timestamps?",
        "B": "which times does the model read without query_time?",
        "C": "which gap becomes longer, and does event 5 come after it?",
        "D": "with a step of 1 for each of the two, which of them is stored first and fades more?",
        "E": "does event 8 come before event 5?",
    }
    compare_letters(answer, {"A", "B", "E"}, hints)


@open_task
def open_report(report: Report) -> None:
    """The open task: step sizes at birth."""
    report.table("accuracy", runs_of(5, 0, 1), keys=(1, 10, 100))
    second, month = (
        report.table(name, number_of(0, 1), keys=(1, 10, 100))
        for name in ("kept_second", "kept_month")
    )
    if second and month:
        report.want(
            all(month[factor] <= second[factor] for factor in (1, 10, 100)),
            "a memory cannot keep more after 30 days than after a second",
        )
        report.want(
            second[1] >= second[10] >= second[100],
            "larger steps forget faster, so `kept_second` cannot grow with the factor",
        )
    report.closing()


# Answers on which the tests try the checkers: right ones, and wrong ones with words of the reason given.

LN2 = math.log(2)


def eigenvalue(half_life, period, top=LN2, turn=2 * math.pi):
    return complex(-top / half_life, turn / period)


def read_at(rate, state, u, waits, kept=None, weight=1):
    growth = torch.expm1(rate * waits)
    return (1 + growth if kept is None else kept) * state + weight * growth / rate * u


def naive(rate, state, u, waits):
    kept = torch.exp(rate * waits)
    return kept * state + (kept - 1) / rate * u


def read_as_taught(rate, state, u, waits):
    growth = torch.expm1(rate * waits)
    return state + growth * state + growth / rate * u


def read_in_float64(rate, state, u, waits):
    kept = torch.exp(rate.double() * waits.double())
    return kept * state.double() + (kept - 1) / rate.double() * u.double()


def read_towards_the_rest(rate, state, u, waits):
    """The state moves towards -u / eigenvalue, where it would come to rest; in numpy."""
    return state.item() + np.expm1((rate * waits).numpy()) * (state + u / rate).item()


RIGHT = [
    (check_eigenvalue_for, eigenvalue),
    (check_eigenvalue_for, lambda h, p: torch.tensor(eigenvalue(h, p))),
    (check_eigenvalue_for, lambda h, p: np.array([eigenvalue(h, p)], dtype=np.complex64)),
    (check_eigenvalue_for, lambda h, p: 2j * np.pi / p - np.log(2) / h),
    (check_read_at, read_as_taught),
    (check_read_at, read_in_float64),
    (check_read_at, read_towards_the_rest),
    (check_read_at, lambda *a: list(read_as_taught(*a))),
    (check_honest, {"A", "E"}),
    (check_honest, "AE"),
    (check_honest, np.array(["E", "A"])),
    (check_unchanged, ["A", "B", "E"]),
    (check_unchanged, "a, b and e"),
    (check_unchanged, ("E", "B", "A")),
]
WRONG = [
    (check_eigenvalue_for, lambda h, p: eigenvalue(h, p, top=-math.log(2)), "would grow"),
    (check_eigenvalue_for, lambda h, p: eigenvalue(h, p, top=1), "needs ln 2"),
    (check_eigenvalue_for, lambda h, p: eigenvalue(1 / h, p), "half-life multiplies"),
    (
        check_eigenvalue_for,
        lambda h, p: eigenvalue(h, p, turn=-2 * math.pi),
        "to the right",
    ),
    (check_eigenvalue_for, lambda h, p: eigenvalue(h, p, turn=1), "turns by 1"),
    (check_eigenvalue_for, lambda h, p: eigenvalue(h, p, turn=math.pi), "half a turn"),
    (check_eigenvalue_for, lambda h, p: eigenvalue(h, p, turn=360), "radians"),
    (check_eigenvalue_for, lambda h, p: -math.log(2) / h, "does not turn"),
    (
        check_eigenvalue_for,
        lambda h, p: (-math.log(2) / h, 2 * math.pi / p),
        "complex number",
    ),
    (check_eigenvalue_for, lambda h, p: eigenvalue(h, p, top=2), "wanted 0.5 and 1"),
    (check_eigenvalue_for, lambda h, p: eigenvalue(h, p).conjugate(), "to the right"),
    (check_eigenvalue_for, lambda h, p: eigenvalue(h, 24.0), "it has turned"),
    (check_eigenvalue_for, lambda h, p: eigenvalue(8.0, p), "is left"),
    (check_eigenvalue_for, lambda h, p: eigenvalue(h, p, turn=0), "does not turn"),
    (check_read_at, lambda r, s, u, w: torch.exp(r * w) * s + u, "pushed nothing yet"),
    (check_read_at, lambda r, s, u, w: torch.exp(r * w) * (s + u), "as a tap would"),
    (check_read_at, lambda r, s, u, w: read_at(r, s, -u, w), "wrong way"),
    (check_read_at, lambda r, s, u, w: read_at(r, s, u, w, weight=-r), "plain average"),
    (check_read_at, lambda r, s, u, w: read_at(r, s, 0 * u, w), "input is missing"),
    (check_read_at, lambda r, s, u, w: read_at(r, s, u, w, kept=1), "does not fade"),
    (check_read_at, lambda r, s, u, w: torch.exp(r * w) * s + w * u, "Euler"),
    (check_read_at, lambda r, s, u, w: read_at(r, s, u, w.cumsum(0)), "added up"),
    (check_read_at, naive, "expm1"),
    (check_read_at, lambda r, s, u, w: read_at(r, s, u, w)[-1], "shape"),
    (check_read_at, lambda r, s, u, w: 2 * read_at(r, s, u, w), "the memory[0]"),
    (check_read_at, lambda r, s, u, w: read_at(r, 0 * s, u, w), "the state is missing"),
    (check_read_at, lambda r, s, u, w: read_at(r, s, u, w.sort()[0]), "the memory[0]"),
    (check_read_at, lambda r, s, u, w: read_at(0 * r - 0.25, s, u, w), "the memory[0]"),
    (check_read_at, lambda r, s, u, w: read_at(r, s, u, w + 1e-8), "ten-millionth"),
    (check_honest, {"A"}, "look at E"),
    (check_honest, {"A", "E", "F"}, "look at F"),
    (check_honest, {"A", "D", "E"}, "look at D"),
    (check_honest, {"A", "B", "E"}, "look at B"),
    (check_honest, "xyz", "set of letters"),
    (check_honest, "ACE", "look at C"),
    (check_honest, ("E",), "look at A"),
    (check_honest, set(), "look at A"),
    (check_unchanged, {"A", "E"}, "look at B"),
    (check_unchanged, {"A", "B", "D", "E"}, "look at D"),
    (check_unchanged, {"A", "B", "C", "E"}, "look at C"),
    (check_unchanged, "ab", "look at E"),
    (check_unchanged, ["B", "E"], "look at A"),
    (check_unchanged, {"A": 1, "B": 1, "E": 1}, "set of letters"),
]
# Changes of right answers that stay right (tests/exercises/mutants.py), and why.
ARGUED = [(check_eigenvalue_for, "one axis more", "an array that holds one number is a number")]

OPEN = {
    "accuracy": {factor: [0.5, 0.6, 0.5, 0.7, 0.5] for factor in (1, 10, 100)},
    "kept_second": {1: 0.99, 10: 0.9, 100: 0.37},
    "kept_month": {1: 0.9, 10: 0.4, 100: 0.0},
    **END,
}
OPEN_RIGHT = [OPEN, {**OPEN, **END_ZH}]
OPEN_WRONG = [
    ({**OPEN, "kept_month": {1: 1.0, 10: 0.4, 100: 0.0}}, "more after 30 days"),
    ({**OPEN, "kept_second": {1: 0.9, 10: 0.95, 100: 0.99}}, "cannot grow"),
    (
        {**OPEN, "accuracy": {1: [0.5, 0.6, 0.5, 0.7, 0.5], 10: [0.5, 0.6, 0.5, 0.7, 0.5]}},
        "no entry for 100",
    ),
]
