"""Checkers of lesson 10, state-space models."""

from statistics import fmean

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
    want_number,
)
from exercises.open_task import Report, drawn, open_task, runs_of
from tutorial_lib.language import say
from tutorial_lib.models.ssm import discretise_diagonal, scan


def _check_one_join(answer, decays: Tensor, inputs: Tensor) -> None:
    def stretch(start: int, end: int) -> tuple[Tensor, Tensor]:
        decay, last = decays[start:end].prod(dim=0), torch.zeros_like(inputs[0])
        for t in range(start, end):
            last = decays[t] * last + inputs[t]
        return decay, last

    first, second, (want_decay, want_state) = stretch(0, 2), stretch(2, 6), stretch(0, 6)
    joined = answer(first, second)
    if not hasattr(joined, "__len__") or len(joined) != 2:
        raise Wrong(
            "a pair is wanted: the decay of both stretches together, and the state at their end"
        )
    decay, state = joined
    if same(decay, want_state) and same(state, want_decay):
        raise Wrong("decay and state have changed places in the pair that is returned")
    want_equal(
        decay,
        want_decay,
        name="the decay of both stretches",
        known={
            "decays multiply along the way, they do not add: a half of a half is a quarter": (
                first[0] + second[0]
            ),
            "the decay of both stretches is wrong: what is left after the first must also pass the second": (
                second[0]
            ),
            "the decay of both stretches is wrong: what the first leaves passes the second, so both count": (
                first[0]
            ),
        },
    )
    want_equal(
        state,
        want_state,
        name="the state at the end",
        otherwise="what came from the first stretch, faded over the second, plus the second",
        known={
            "this is the state for the other order: the first stretch is the earlier one, so its state fades further": (
                first[0] * second[1] + first[1]
            ),
            "the state of the earlier stretch enters undiminished: it must fade over the later one": (
                first[1] + second[1]
            ),
            "the earlier state fades with the decay of its own stretch, which it has behind it already": (
                first[0] * first[1] + second[1]
            ),
            "the first stretch is missing: its state fades over the second, but something is left": (
                second[1]
            ),
            "the earlier state fades over both stretches; over its own it has faded already": (
                first[0] * second[0] * first[1] + second[1]
            ),
        },
    )


@exercise(points=3, minutes=12)
def check_join(answer) -> None:
    """10.1: two neighbouring stretches of a scan."""
    generator = torch.Generator().manual_seed(0)
    _check_one_join(
        answer, torch.rand(6, 3, generator=generator), torch.randn(6, 3, generator=generator)
    )
    decays, inputs = torch.randn(2, 6, 2, 3, dtype=torch.cdouble, generator=generator)
    _check_one_join(answer, decays, inputs)  # memories that turn


def _impulses(eigenvalues: Tensor, inputs: Tensor, gaps: Tensor) -> Tensor:
    """The states at the events, one after the other."""
    state, states = torch.zeros_like(inputs[0]), []
    for gap, entering in zip(gaps, inputs, strict=True):
        state = torch.exp(eigenvalues * gap) * state + entering
        states.append(state)
    return torch.stack(states)


@exercise(points=4, minutes=20)
def check_impulse(answer) -> None:
    """10.2: impulse form at irregular gaps, read ahead of each event."""
    generator = torch.Generator().manual_seed(1)
    eigenvalues = torch.complex(
        -torch.rand(3, generator=generator) - 0.1, 4 * torch.rand(3, generator=generator)
    ).cdouble()
    inputs = torch.randn(7, 3, dtype=torch.cdouble, generator=generator)
    gaps, part = torch.rand(2, 7, dtype=torch.double, generator=generator)
    gaps = 2 * gaps
    gaps[3] = 0.0
    ahead = part * gaps.roll(-1)  # the question comes before the next event
    got = answer(eigenvalues, inputs, gaps, ahead)
    if not np.iscomplexobj(want_array(got, "the result", (7, 3))):
        raise Wrong("the states are complex; a real result has lost the phase")
    _, weight = discretise_diagonal(eigenvalues, gaps[:, None])
    decay, later = torch.exp(eigenvalues * gaps[:, None]), torch.exp(eigenvalues * ahead[:, None])
    at_event = _impulses(eigenvalues, inputs, gaps)
    held = _impulses(eigenvalues, weight * inputs, gaps)
    before = at_event - inputs
    kept = torch.cat([gaps[:1], gaps[1:] + ahead[:-1]])
    known = {
        "this is the state at each event; it must still fade and turn until the query, `ahead` seconds later": (
            at_event
        ),
        "the input is held here, as in zero-order hold: an event at gap 0 adds nothing. Let each event enter whole": (
            later * held
        ),
        "the input is held here, as in zero-order hold, and read at the event; an event must enter whole, read later": (
            held
        ),
        "the event itself is missing: it enters first, then the state moves ahead": later * before,
        "the state moves ahead, but the event is added behind: it must move along": (
            later * before + inputs
        ),
        "the same gap is used twice: until the query it is `ahead`": decay * at_event,
        "gaps and ahead have changed places": decay * _impulses(eigenvalues, inputs, ahead),
        "the jump until the query was kept in the memory: the next event must start from the state at the event": (
            _impulses(eigenvalues, inputs, kept) * later
        ),
        "the gap after each event was taken; gaps[i] lies before event i": (
            later * _impulses(eigenvalues, inputs, gaps.roll(-1))
        ),
        "the states turn the wrong way: the imaginary part has the wrong sign": (
            later.conj() * _impulses(eigenvalues.conj(), inputs, gaps)
        ),
    }
    want_equal(
        got,
        later * at_event,
        tol=1e-5,
        name="the result",
        known=known,
        otherwise="multiply by exp(eigenvalue * gap), add the input, and read exp(eigenvalue *"
        " ahead) later",
    )
    eigenvalues, inputs, ahead = eigenvalues[:2] - 0.05, inputs[:, 1:].flip(0), 0.9 * ahead
    later, far = torch.exp(eigenvalues * ahead[:, None]), 5000 * gaps
    far[[4, 6]] = gaps[[4, 6]]
    got = answer(eigenvalues, inputs, far, ahead)
    if not np.isfinite(want_array(got, "the result", (7, 2))).all():
        raise Wrong(
            "with gaps of some thousand seconds it gives nan or inf: exp(-eigenvalue * time)"
            " overflows; let each gap fade, and divide by nothing that may be 0"
        )
    want = later * _impulses(eigenvalues, inputs, far)
    want_equal(got, want, tol=1e-5, name="with gaps of some thousand seconds the result")


@exercise(points=3, minutes=15)
def check_largest_step(answer) -> None:
    """10.3: where the Euler method begins to explode."""
    for eigenvalue in (-2 + 0j, -0.25 + 1.5j, -0.5 - 0.25j, 0.1 + 2j):
        want = max(0.0, -2 * eigenvalue.real / abs(eigenvalue) ** 2)
        got = want_number(answer(eigenvalue), "a number of seconds is wanted; yours")
        where = say("for the eigenvalue {eigenvalue}", eigenvalue=eigenvalue)
        if want == 0 and abs(got) > 5e-4:
            raise Wrong(
                "{where} the state grows at any step, because the real part is positive; answer 0",
                where=where,
            )
        if want == 0 or abs(got - want) <= 0.002 * want:  # three digits
            continue
        if abs(got - want / 2) <= 0.001 * want:
            raise Wrong(
                "{where} your step is half the limit: |1 + eigenvalue * step| may come up to 1",
                where=where,
            )
        if abs(got + want) <= 0.001 * want:
            raise Wrong("{where} your step is negative: the sign is flipped", where=where)
        if abs(got - 2 / abs(eigenvalue.real)) <= 0.001 * got:
            raise Wrong(
                "{where} yours is right only without turning: the imaginary part makes the"
                " limit smaller",
                where=where,
            )
        if abs(got - 2 / abs(eigenvalue)) <= 0.001 * got:
            raise Wrong(
                "{where} yours takes the size of the eigenvalue as if it were real: look"
                " at |1 + eigenvalue * step|",
                where=where,
            )
        factor = abs(1 + eigenvalue * got)
        raise Wrong(
            "{where} you say {got:.6g} s, where one step multiplies by {factor:.6g}; it"
            " should be 1 at the limit",
            where=where,
            got=got,
            factor=factor,
        )


@exercise(points=2, minutes=8)
def check_one_convolution(answer) -> None:
    """10.4: which layers are one convolution."""
    hints = {
        "A": (
            "does the weight of an input depend on anything but its age? Every memory may have a"
            " kernel of its own"
        ),
        "B": "take two inputs that are three events old: do they have the same weight?",
        "C": "is the weight of an input of a given age the same everywhere in the history?",
        "D": (
            "the weight of an old input depends on the events that came after it: can one kernel"
            " know them?"
        ),
        "E": "is the state still a weighted sum of the inputs?",
        "F": "does the network change the weights of the sum, or what is summed?",
    }
    compare_letters(answer, {"A", "C", "F"}, hints)


@open_task
def open_report(report: Report) -> None:
    """The open task: how wrong the shape may be."""
    lru = report.table("lru", runs_of(5, 0), least=3)
    general = report.table("general", runs_of(5, 0), least=3)
    report.same_keys("lru", "general")
    turn = report.number("turn")
    report.number("batches", 1)
    if lru and general and turn is not None and lru.keys() == general.keys():
        worse = [c for c in lru if fmean(lru[c]) > fmean(general[c])]
        report.want(bool(worse), "the LRU is better at every c: go on until the order turns")
        report.want(
            not worse or turn == min(worse),
            "`turn` is {turn:g}; the first c at which your LRU has the larger error is {first}",
            turn=turn,
            first=min(worse, default=0),
        )
    report.text("longer_gaps")
    report.text("layer_behind")
    report.picture()


# Answers on which the tests try the checkers: right ones, and wrong ones with words of the reason given.


def join(first, second):
    return second[0] * first[0], second[0] * first[1] + second[1]


def at_events(eigenvalues, inputs, gaps, weight=1):
    return scan(torch.exp(eigenvalues * gaps[:, None])[None], (weight * inputs)[None])[0]


def impulse(eigenvalues, inputs, gaps, ahead):
    return torch.exp(eigenvalues * ahead[:, None]) * at_events(eigenvalues, inputs, gaps)


def held(eigenvalues, inputs, gaps, ahead):
    weight = discretise_diagonal(eigenvalues, gaps[:, None])[1]
    return torch.exp(eigenvalues * ahead[:, None]) * at_events(eigenvalues, inputs, gaps, weight)


def limit(eigenvalue):
    return max(0.0, -2 * eigenvalue.real / abs(eigenvalue) ** 2)


def bisect(eigenvalue):
    """The measured way."""
    low, high = 0.0, 100.0
    while high - low > 1e-6:
        middle = (low + high) / 2
        low, high = (middle, high) if abs(1 + eigenvalue * middle) < 1 else (low, middle)
    return low if low > 1e-5 else 0


def impulse_by_pairs(eigenvalues, inputs, gaps, ahead):
    """Every event by its age at every query; in numpy and in complex64."""
    times = gaps.numpy().cumsum()
    age = ((times + ahead.numpy())[:, None] - times).clip(0)[..., None]
    faded = np.tri(len(times))[..., None] * np.exp(eigenvalues.numpy() * age)
    return (faded * inputs.numpy()).sum(1).astype(np.complex64)


def impulse_one_by_one(eigenvalues, inputs, gaps, ahead):
    state, states = 0, []
    for entering, gap, wait in zip(inputs, gaps, ahead, strict=True):
        state = state * torch.exp(eigenvalues * gap) + entering
        states.append(state * torch.exp(eigenvalues * wait))
    return states


def impulse_by_division(eigenvalues, inputs, gaps, ahead):
    """Right for short histories only: what is divided by underflows."""
    faded = torch.exp(eigenvalues * gaps.cumsum(0)[:, None])
    return torch.exp(eigenvalues * ahead[:, None]) * faded * (inputs / faded).cumsum(0)


def impulse_as_taught(eigenvalues, inputs, gaps, ahead):
    arrived = scan(torch.exp(eigenvalues * gaps[:, None])[None], inputs[None])[0]
    return torch.exp(eigenvalues * ahead[:, None]) * arrived


def first_gap_ignored(eigenvalues, inputs, gaps, ahead):
    """Right: before the first event there is nothing that could fade."""
    return impulse_as_taught(eigenvalues, inputs, torch.cat([7 * gaps[:1], gaps[1:]]), ahead)


def join_in_place(first, second):
    second[1].add_(second[0] * first[1])
    return first[0] * second[0], second[1]


RIGHT = [
    (check_join, join),
    (check_join, lambda f, s: np.stack([x.numpy() for x in join(f, s)])),
    (check_join, lambda f, s: torch.stack(join(f, s))),
    (check_join, lambda f, s: [x.tolist() for x in join(f, s)]),
    (check_join, lambda f, s: [f[0] * s[0], torch.addcmul(s[1], s[0], f[1])]),
    (check_join, lambda f, s: join([x.to(torch.cdouble) for x in f], s)),
    (check_impulse, impulse_as_taught),
    (check_impulse, impulse_by_pairs),
    (check_impulse, impulse_one_by_one),
    (check_impulse, first_gap_ignored),
    (check_impulse, lambda *a: impulse_as_taught(*a).to(torch.complex64)),
    (check_largest_step, limit),
    (check_largest_step, lambda e: np.float32(limit(e))),
    (check_largest_step, lambda e: torch.tensor([round(limit(e), 3)])),
    (check_largest_step, bisect),
    (check_one_convolution, {"A", "C", "F"}),
    (check_one_convolution, "ACF"),
    (check_one_convolution, np.array(["C", "A", "F"])),
]
WRONG = [
    (check_join, lambda f, s: join(f, s)[::-1], "changed places in the pair"),
    (check_join, lambda f, s: (f[0] + s[0], join(f, s)[1]), "decays multiply"),
    (check_join, lambda f, s: (s[0], join(f, s)[1]), "decay of both stretches is wrong"),
    (check_join, lambda f, s: join(s, f), "other order"),
    (check_join, lambda f, s: (f[0] * s[0], f[1] + s[1]), "undiminished"),
    (check_join, lambda f, s: (f[0] * s[0], f[0] * f[1] + s[1]), "has behind it already"),
    (check_join, lambda f, s: (f[0] * s[0], s[1]), "the first stretch is missing"),
    (check_join, lambda f, s: join(f, s)[1], "a pair is wanted"),
    (check_join, join_in_place, "in place"),
    (check_join, lambda f, s: (f[0], join(f, s)[1]), "so both count"),
    (check_join, lambda f, s: (f[0] * s[0], f[0] * s[0] * f[1] + s[1]), "over both stretches"),
    (check_join, lambda f, s: (f[0] * s[0], s[0].abs() * f[1] + s[1]), "the state at the end"),
    (check_join, lambda f, s: (join(f, s)[0].real, join(f, s)[1]), "the decay of both"),
    (check_impulse, lambda e, u, g, a: at_events(e, u, g), "still fade and turn"),
    (check_impulse, held, "adds nothing"),
    (check_impulse, lambda e, u, g, a: held(e, u, g, 0 * a), "read at the event"),
    (
        check_impulse,
        lambda e, u, g, a: impulse(e, u, g, a) - torch.exp(e * a[:, None]) * u,
        "itself is missing",
    ),
    (
        check_impulse,
        lambda e, u, g, a: impulse(e, u, g, a) + (1 - torch.exp(e * a[:, None])) * u,
        "added behind",
    ),
    (check_impulse, lambda e, u, g, a: impulse(e, u, g, g), "same gap is used twice"),
    (check_impulse, lambda e, u, g, a: impulse(e, u, a, g), "changed places"),
    (check_impulse, lambda e, u, g, a: impulse(e, u, g, a).real, "lost the phase"),
    (
        check_impulse,
        lambda e, u, g, a: impulse(e, u, g + torch.roll(a, 1) * (g.cumsum(0) > g[0]), a),
        "kept in the memory",
    ),
    (check_impulse, lambda e, u, g, a: impulse(-e, u, g, a), "the result["),
    (check_impulse, impulse_by_division, "overflows"),
    (check_impulse, lambda e, u, g, a: impulse(e.conj(), u, g, a), "turn the wrong way"),
    (check_impulse, lambda e, u, g, a: impulse(e, u, g.roll(-1), a), "lies before event i"),
    (check_impulse, lambda e, u, g, a: impulse(e.real + 0j, u, g, a), "the result["),
    (check_impulse, lambda e, u, g, a: impulse(e, u, g, a)[-1], "shape"),
    (check_largest_step, lambda e: limit(e) / 2, "half the limit"),
    (check_largest_step, lambda e: -limit(e), "sign"),
    (
        check_largest_step,
        lambda e: 2 / abs(e.real),
        "imaginary part makes the limit smaller",
    ),
    (check_largest_step, lambda e: 2 / abs(e), "as if it were real"),
    (
        check_largest_step,
        lambda e: abs(2 * e.real / abs(e) ** 2),
        "the real part is positive",
    ),
    (check_largest_step, lambda e: 0.01, "multiplies by"),
    (check_largest_step, lambda e: 1j * e, "without imaginary part"),
    (check_largest_step, lambda e: (0.0, limit(e)), "number of seconds"),
    (check_largest_step, lambda e: 1.01 * limit(e), "it should be 1"),
    (check_largest_step, lambda e: limit(e) if e.imag >= 0 else 0.0, "(-0.5-0.25j)"),
    (check_largest_step, lambda e: min(1.0, limit(e)), "(-0.5-0.25j)"),
    (check_one_convolution, {"A", "F"}, "look at C"),
    (check_one_convolution, {"A", "B", "C", "F"}, "look at B"),
    (check_one_convolution, {"A", "C", "D", "F"}, "look at D"),
    (check_one_convolution, {"A", "C", "E", "F"}, "look at E"),
    (check_one_convolution, {"A", "C"}, "look at F"),
    (check_one_convolution, "CF", "look at A"),
    (check_one_convolution, ["A", "C", "D"], "look at D"),
    (check_one_convolution, 3, "set of letters"),
    (check_one_convolution, {"H"}, "set of letters"),
]
# Changes of right answers that stay right (tests/exercises/mutants.py), and why.
FIRST_GAP = "the state before the first event is 0, so its gap fades nothing"
DIGITS = "three digits are asked for, and both give them"
ARGUED = [
    (check_impulse, "0 -> -1", "the batch holds one history, the first and the last"),
    (check_largest_step, "one axis more", "an array that holds one number is a number"),
    *(
        (check_impulse, f"7 * gaps[:1] -> {other}", FIRST_GAP)
        for other in ("7 / gaps[:1]", "gaps[:1]")
    ),
    (check_impulse, "7 -> 6", FIRST_GAP),
    (check_impulse, "7 -> 8", FIRST_GAP),
    (check_largest_step, "times 1.001", DIGITS),
    (check_largest_step, "3 -> 4", DIGITS),
    (check_largest_step, "1e-06 -> 1.1e-06", DIGITS),
    (check_largest_step, "high - low > 1e-06 -> high - low >= 1e-06", DIGITS),
    (check_largest_step, "100.0 -> 110.00000000000001", "both lie above every limit"),
    (check_largest_step, "low > 1e-05 -> low >= 1e-05", DIGITS),
    (check_largest_step, "1e-05 -> 1.1000000000000001e-05", DIGITS),
    (
        check_largest_step,
        "abs(1 + eigenvalue * middle) < 1 -> abs(1 + eigenvalue * middle) <= 1",
        "at the limit itself nothing explodes yet",
    ),
]

OPEN = {
    "lru": {
        0: [0.01, 0.02, 0.01, 0.01, 0.02],
        1: [0.2, 0.3, 0.2, 0.2, 0.3],
        2: [0.5, 0.4, 0.5, 0.5, 0.6],
    },
    "general": {c: [0.25, 0.3, 0.26, 0.28, 0.27] for c in (0, 1, 2)},
    "turn": 2,
    "batches": 1000,
    "longer_gaps": "On gaps twice as long the general network loses at each c that was tried.",
    "layer_behind": "It could square the output, and then the shape would be right again.",
    "picture": drawn("c"),
}
OPEN_RIGHT = [OPEN, {**OPEN, **{"turn": 2.0, "picture": drawn("c").axes[0]}}]
OPEN_WRONG = [
    ({**OPEN, "turn": 1}, "larger error is 2"),
    (
        {**OPEN, "general": {c: [2.0, 2.1, 2.2, 2.0, 2.1] for c in (0, 1, 2)}},
        "until the order turns",
    ),
    ({**OPEN, "general": {c: [0.25, 0.3, 0.2, 0.2, 0.3] for c in (0, 1, 3)}}, "different entries"),
    ({**OPEN, "batches": 0}, "`batches` is 0"),
]
