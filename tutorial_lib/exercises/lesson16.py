"""Checkers of lesson 16, ODE-RNN."""

import torch
from torch import Tensor

from tutorial_lib.checks import Wrong, exercise, want_tensor
from tutorial_lib.exercises import compare_letters
from tutorial_lib.models import build_model

START = 1_700_000_000


def _flow(z: Tensor, hours: float) -> Tensor:
    """Turns the two numbers about a point that is not zero, and draws them in; an hour is enough to
    see it.
    """
    angle = torch.tensor(0.7 * float(hours))
    turn = torch.stack(
        [torch.stack([angle.cos(), -angle.sin()]), torch.stack([angle.sin(), angle.cos()])]
    )
    centre = torch.tensor([0.3, -0.2])
    return centre + torch.exp(-0.05 * angle) * (turn @ (z - centre))


def _jump(z: Tensor, x: Tensor) -> Tensor:
    return torch.tanh(0.8 * z + x) + 0.1  # not zero for a zero state and a zero input


def _walk(inputs: Tensor, hours: list[float], order: str = "flow, jump") -> Tensor:
    """States after each event, with these hours before each event (after it, for the order "jump,
    flow").
    """
    z, states = torch.zeros(2), []
    for x, wait in zip(inputs, hours, strict=True):
        z = _jump(_flow(z, wait), x) if order == "flow, jump" else _flow(_jump(z, x), wait)
        states.append(z)
    return torch.stack(states)


@exercise
def check_ode_rnn(answer) -> None:
    """16.1: flow over the gap, then jump, event by event."""
    inputs = torch.randn(5, 2, generator=torch.Generator().manual_seed(0))
    seconds = [0, 40, 7_200, 7_200, 20_000]
    times = START + torch.tensor(seconds)
    gaps = [0.0] + [(b - a) / 3600 for a, b in zip(seconds, seconds[1:], strict=False)]
    got = answer(_flow, _jump, inputs, times)
    if isinstance(got, Tensor) and got.shape == (2,):
        raise Wrong(
            "only the last state is returned; wanted are the states after all events, [L, w]"
        )
    want_tensor(got, (5, 2))
    rough = times.float().diff(prepend=times[:1].float()).tolist()
    moves = _walk(inputs, gaps)
    before, z = [], torch.zeros(2)
    for state, wait in zip(moves, gaps, strict=True):
        before.append(_flow(z, wait))
        z = state
    known = {
        "nothing flows: the gaps are not used": _walk(inputs, [0.0] * 5),
        "the gap is passed in seconds; flow wants hours": _walk(
            inputs, [3600 * gap for gap in gaps]
        ),
        "it moves by the time since the first event; the gap since the previous event is wanted": (
            _walk(inputs, [second / 3600 for second in seconds])
        ),
        "it jumps first and flows afterwards, over the gap BEFORE the event": _walk(
            inputs, gaps, "jump, flow"
        ),
        "event i is moved over the gap to event i + 1: a time from the future": _walk(
            inputs, [*gaps[1:], 0.0]
        ),
        "after each event the state already flows on to the next one; the state right after the jump is wanted": _walk(
            inputs, [*gaps[1:], 0.0], "jump, flow"
        ),
        "the states before the jumps are returned; those after them are wanted": torch.stack(
            before
        ),
        "float32 holds unix seconds to the nearest 128 only: subtract the integers first, then divide": _walk(
            inputs, [gap / 3600 for gap in rough]
        ),
    }
    if torch.allclose(got, moves, atol=1e-4):
        return
    for reason, value in known.items():
        if torch.allclose(got, value, atol=1e-4):
            raise Wrong(reason)
    if not torch.allclose(got[0], moves[0], atol=1e-4):
        raise Wrong(
            "the first state is wrong: before the first event nothing flows; it is jump(zeros,"
            " inputs[0])"
        )
    raise Wrong(
        "it differs from: z = flow(z, hours since the previous event), then z = jump(z, x), for"
        " each event"
    )


def _user(**options):
    """A model with larger weights than at the start, and the state of one user after three
    events."""
    model = build_model(
        "deepm3", num_items=9, max_len=8, dim=4, seed=3, query_time=True, **options
    ).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "log_rate" not in name:
                parameter.mul_(8)
        state = None
        for item, second in ((2, 0), (5, 3_600), (7, 90_000)):
            state = model.step(state, torch.tensor([item]), torch.tensor([START + second]))
    return model, state


@exercise
def check_read_at(answer) -> None:
    """16.2: one user's state, read at several moments with one call."""
    for options in ({}, {"flow": "attractor"}):
        model, state = _user(**options)
        moments = START + 90_000 + torch.tensor([0, 3_600, 7_200, 86_400])
        kept, calls, steps, read, step = (
            [part.clone() for part in state if part is not None],
            [],
            [],
            model.read,
            model.step,
        )
        model.read = lambda *args, read=read, calls=calls: (calls.append(args), read(*args))[1]
        model.step = lambda *args, step=step, steps=steps: (steps.append(args), step(*args))[1]
        with torch.no_grad():
            try:
                got = answer(model, state, moments)
            finally:  # the reason, whatever the step itself found wrong
                if steps:
                    raise Wrong(
                        "model.step stores an event, and nothing has happened; reading needs"
                        " model.read alone"
                    )
            want = torch.cat([read(state, moment[None]) for moment in moments])
            still = torch.cat([read(state)] * 4)
            later = read(state._replace(times=state.times + 90_000), moments[:1]).expand(4, -1)
        want_tensor(got, (4, 4))
        if torch.allclose(got, still, atol=1e-5) or torch.allclose(got, later, atol=1e-5):
            raise Wrong("all moments give the same: pass the moments to model.read as query_times")
        if any(
            not torch.equal(a, b)
            for a, b in zip(kept, (part for part in state if part is not None), strict=True)
        ):
            raise Wrong(
                "the stored state was changed; the next event of the user would start from the"
                " wrong place"
            )
        if not torch.allclose(got, want, atol=1e-4):
            if torch.allclose(got[0], want[0], atol=1e-4) and torch.allclose(
                got[1], want[1], atol=1e-4
            ):
                raise Wrong(
                    "the moments are read one after the other from a moved state; each must start"
                    " at the last event"
                )
            if torch.allclose(got.flip(0), want, atol=1e-4):
                raise Wrong("the moments come out in reverse order")
            raise Wrong(
                "row k must be model.read of the state as it is stored, at moment k; keep"
                " state.times, expand the rows"
            )
        if len(calls) != 1:
            raise Wrong(
                f"right, but with {len(calls)} calls of model.read; make {len(moments)} rows of the"
                " state and call it once"
            )


def _sealed_models():
    """For exercise 16.3: measure them, do not read them."""
    options = {"num_items": 12, "max_len": 12, "dim": 4, "seed": 5}
    plain, asked = (
        build_model("deepm3", **options).eval(),
        build_model("deepm3", **options, query_time=True).eval(),
    )
    with torch.no_grad():
        for parameter in [*plain.parameters(), *asked.parameters()]:
            parameter.mul_(8)

    def relative(items, times, queries):
        return plain(items, times - times.min() + START, queries)

    def rebuilt(items, gaps, queries):
        return plain(items, START + gaps.long().cumsum(1), queries)

    def usual_pace(items, times, queries):
        gaps = torch.diff(times, dim=1, prepend=times[:, :1]).double()
        return rebuilt(items, 36_000 * gaps / gaps.mean(1, keepdim=True), queries)

    def pace_so_far(items, times, queries):
        gaps = torch.diff(times, dim=1, prepend=times[:, :1]).double()
        return rebuilt(items, 36_000 * gaps / gaps.cummax(1).values.clamp(min=1), queries)

    def first_gap_of_all(items, times, queries):
        gaps = torch.diff(times, dim=1, prepend=times[:, :1]).double()
        return rebuilt(items, 36_000 * gaps / gaps[:, 1].max(), queries)

    calls = (
        plain,
        lambda items, times, queries: plain(items, queries),
        asked,
        relative,
        usual_pace,
        pace_so_far,
        first_gap_of_all,
    )
    return [torch.no_grad()(call) for call in calls]


_plain, _off, _asked, _relative, _usual, _so_far, _first = _sealed_models()
sealed = {"A": _asked, "B": _usual, "C": _relative, "D": _off, "E": _so_far, "F": _first}


@exercise
def check_leaking(answer) -> None:
    """16.3: which sealed models read a time that is not theirs."""
    hints = {
        "A": "the moment of its own question is allowed; does it read any other question?",
        "B": "move the last event: do the outputs at earlier events stay as they were?",
        "C": "move the earliest event of one row: does the other row notice, or only the same row?",
        "D": "move one question: which outputs change, that one alone or later ones as well?",
        "E": "its pace comes from a maximum; over which gaps does it run?",
        "F": "have you moved the second event of one row and looked at the other row?",
    }
    compare_letters(answer, {"B", "D", "F"}, hints)


@exercise
def check_sentences(answer) -> None:
    """16.4: true sentences about flows, clocks and controls."""
    hints = {
        "A": "which of its inputs is different for Nora and Ivan?",
        "B": "think of the field that is zero everywhere",
        "C": "what is exp(-a) times exp(-b)?",
        "D": "the field counts in ln(1 + hours): compare the two durations",
        "E": "which other models solved it?",
        "F": "what does step take besides the new event?",
    }
    compare_letters(answer, {"A", "C", "F"}, hints)
