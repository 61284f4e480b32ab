"""Checkers of lesson 10, state-space models."""

import torch
from torch import Tensor

from exercises.checking import Wrong, compare_letters, exercise, want_tensor
from tutorial_lib.models.ssm import discretise_diagonal, recurrence, scan


def _same(got: Tensor, want: Tensor) -> bool:
    return torch.allclose(got, want, atol=1e-8)


@exercise(points=3, minutes=12)
def check_join(answer) -> None:
    """10.1: two neighbouring stretches of a scan."""
    generator = torch.Generator().manual_seed(0)
    decays, inputs = torch.rand(6, 3, generator=generator), torch.randn(6, 3, generator=generator)

    def stretch(start: int, end: int) -> tuple[Tensor, Tensor]:
        return (
            decays[start:end].prod(dim=0),
            recurrence(decays[None, start:end], inputs[None, start:end])[0, -1],
        )

    first, second, (want_decay, want_state) = stretch(0, 2), stretch(2, 6), stretch(0, 6)
    joined = answer(first, second)
    if not isinstance(joined, tuple | list) or len(joined) != 2:
        raise Wrong(
            "a pair is wanted: the decay of both stretches together, and the state at their end"
        )
    decay, state = joined
    want_tensor(decay, (3,), name="the decay")
    want_tensor(state, (3,), name="the state")
    if _same(decay, want_state) and _same(state, want_decay):
        raise Wrong("decay and state have changed places in the pair that is returned")
    if _same(decay, first[0] + second[0]):
        raise Wrong("decays multiply along the way, they do not add: a half of a half is a quarter")
    if not _same(decay, want_decay):
        raise Wrong(
            "the decay of both stretches is wrong: what is left after the first must also pass the"
            " second"
        )
    if _same(state, first[0] * second[1] + first[1]):
        raise Wrong(
            "this is the state for the other order: the first stretch is the earlier one, so its"
            " state fades further"
        )
    if _same(state, first[1] + second[1]):
        raise Wrong(
            "the state of the earlier stretch enters undiminished: it must fade over the later one"
        )
    if _same(state, first[0] * first[1] + second[1]):
        raise Wrong(
            "the earlier state fades with the decay of its own stretch, which it has behind it"
            " already"
        )
    if not _same(state, want_state):
        raise Wrong(
            "the state at the end is wrong: what came from the first stretch, faded over the"
            " second, plus the second"
        )


@exercise(points=4, minutes=20)
def check_impulse(answer) -> None:
    """10.2: impulse form at irregular gaps, read ahead of each event."""
    generator = torch.Generator().manual_seed(1)
    eigenvalues = torch.complex(
        -torch.rand(3, generator=generator) - 0.1, 4 * torch.rand(3, generator=generator)
    ).cdouble()
    inputs = torch.randn(7, 3, dtype=torch.cdouble, generator=generator)
    gaps, ahead = 2 * torch.rand(2, 7, dtype=torch.double, generator=generator)
    gaps[3] = 0.0
    got = answer(eigenvalues, inputs, gaps, ahead)
    want_tensor(got, (7, 3), name="the result")
    if not got.is_complex():
        raise Wrong("the states are complex; a real result has lost the phase")
    decay, weight = discretise_diagonal(eigenvalues, gaps[:, None])
    later = torch.exp(eigenvalues * ahead[:, None])
    at_event = recurrence(decay[None], inputs[None])[0]
    if _same(got, later * at_event):
        return
    held = recurrence(decay[None], (weight * inputs)[None])[0]
    before = at_event - inputs
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
        "gaps and ahead have changed places": decay * recurrence(later[None], inputs[None])[0],
        "the jump until the query was kept in the memory: the next event must start from the state at the event": (
            recurrence(
                (decay * torch.cat([torch.ones_like(later[:1]), later[:-1]]))[None], inputs[None]
            )[0]
            * later
        ),
    }
    for reason, value in known.items():
        if _same(got, value):
            raise Wrong(reason)
    raise Wrong(
        "these are not the states: multiply by exp(eigenvalue * gap), add the input, and read"
        " exp(eigenvalue * ahead) later"
    )


@exercise(points=3, minutes=15)
def check_largest_step(answer) -> None:
    """10.3: where the Euler method begins to explode."""
    for eigenvalue in (-2 + 0j, -0.25 + 3j, -1 - 1j, 0.1 + 2j):
        want = max(0.0, -2 * eigenvalue.real / abs(eigenvalue) ** 2)
        got = answer(eigenvalue)
        if isinstance(got, Tensor) and got.numel() == 1:
            got = got.item()
        if not isinstance(got, int | float):
            raise Wrong(f"a number of seconds is wanted, got {got!r}"[:200])
        if abs(got - want) <= 0.002 * want + 1e-12:
            continue
        where = f"for the eigenvalue {eigenvalue}"
        if want == 0:
            raise Wrong(
                f"{where} the state grows at any step, because the real part is positive; answer 0"
            )
        if abs(got - want / 2) <= 0.001 * want:
            raise Wrong(
                f"{where} your step is half the limit: |1 + eigenvalue * step| may come up to 1"
            )
        if abs(got + want) <= 0.001 * want:
            raise Wrong(f"{where} your step is negative: the sign is turned round")
        if abs(got - 2 / abs(eigenvalue.real)) <= 0.001 * got:
            raise Wrong(
                f"{where} yours is right only without turning: the imaginary part makes the limit"
                " smaller"
            )
        if abs(got - 2 / abs(eigenvalue)) <= 0.001 * got:
            raise Wrong(
                f"{where} yours takes the size of the eigenvalue as if it were real: look at |1 +"
                " eigenvalue * step|"
            )
        factor = abs(1 + eigenvalue * got)
        raise Wrong(
            f"{where} you say {got:.4g} s, where one step multiplies by {factor:.4g}; it should be"
            " 1 at the limit"
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
    return low if low > 1e-5 else 0.0


RIGHT = [
    (check_join, join),
    (check_join, lambda f, s: [f[0] * s[0], torch.addcmul(s[1], s[0], f[1])]),
    (check_impulse, impulse),
    (check_largest_step, limit),
    (check_largest_step, bisect),
    (check_one_convolution, {"A", "C", "F"}),
]
WRONG = [
    (check_join, lambda f, s: join(f, s)[::-1], "changed places in the pair"),
    (check_join, lambda f, s: (f[0] + s[0], join(f, s)[1]), "decays multiply"),
    (check_join, lambda f, s: (s[0], join(f, s)[1]), "decay of both stretches is wrong"),
    (check_join, lambda f, s: join(s, f), "other order"),
    (check_join, lambda f, s: (f[0] * s[0], f[1] + s[1]), "undiminished"),
    (check_join, lambda f, s: (f[0] * s[0], f[0] * f[1] + s[1]), "has behind it already"),
    (check_join, lambda f, s: (f[0] * s[0], s[1]), "the state at the end is wrong"),
    (check_join, lambda f, s: join(f, s)[1], "a pair is wanted"),
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
    (check_impulse, lambda e, u, g, a: impulse(-e, u, g, a), "not the states"),
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
    (check_largest_step, lambda e: e, "number of seconds"),
    (check_one_convolution, {"A", "F"}, "look at C"),
    (check_one_convolution, {"A", "B", "C", "F"}, "look at B"),
    (check_one_convolution, {"A", "C", "D", "F"}, "look at D"),
    (check_one_convolution, {"A", "C", "E", "F"}, "look at E"),
    (check_one_convolution, {"A", "C"}, "look at F"),
    (check_one_convolution, {"H"}, "set of letters"),
]
