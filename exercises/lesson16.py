"""Checkers of lesson 16, ODE-RNN."""

import numpy as np
import torch
from torch import Tensor

from exercises.checking import Wrong, compare_letters, exercise, same, want_array
from exercises.open_task import END, END_ZH, Report, open_task, runs_of
from tutorial_lib.models import build_model
from tutorial_lib.models.deepm3 import elapsed_hours

START = 1_700_000_000


def _flow(z: Tensor, hours: float, speed: float = 0.7) -> Tensor:
    """Turns each pair of numbers about a point that is not zero, and draws them in; an hour is
    enough to see it. In any precision.
    """
    pairs = torch.as_tensor(z).unflatten(-1, (-1, 2))
    angle = torch.tensor(speed * float(hours), dtype=pairs.dtype)
    turn = torch.stack(
        [torch.stack([angle.cos(), angle.sin()]), torch.stack([-angle.sin(), angle.cos()])]
    )
    centre = torch.tensor([0.3, -0.2], dtype=pairs.dtype)
    return (centre + torch.exp(-0.05 * angle) * ((pairs - centre) @ turn)).flatten(-2)


def _jump(z: Tensor, x: Tensor, kept: float = 0.8) -> Tensor:
    """Not zero for a zero state and a zero input."""
    return torch.tanh(kept * torch.as_tensor(z) + torch.as_tensor(x)) + 0.1


def _walk(
    inputs: Tensor, hours: list[float], order: str = "flow, jump", flow=_flow, jump=_jump
) -> Tensor:
    """States after each event, with these hours before each event (after it, for the order "jump,
    flow").
    """
    z, states = torch.zeros(inputs.shape[1]), []
    for x, wait in zip(inputs, hours, strict=True):
        z = jump(flow(z, wait), x) if order == "flow, jump" else flow(jump(z, x), wait)
        states.append(z)
    return torch.stack(states)


HISTORIES = (  # seconds of the events, width of the state
    ([0, 40, 7_200, 7_200, 20_000], 2),
    ([9_000, 9_300, 30_000, 31_000, 31_001, 90_000, 91_800], 4),
    ([500], 4),
    ([0, 5_000], 2),
)
CLOSE = 1e-4  # several steps in single precision, in any order


@exercise(points=4, minutes=20)
def check_ode_rnn(answer) -> None:
    """16.1: flow over the gap, then jump, event by event."""
    for seconds, width in HISTORIES:
        length = len(seconds)
        inputs = torch.randn(length, width, generator=torch.Generator().manual_seed(width))
        times = START + torch.tensor(seconds)
        gaps = [0.0] + [(b - a) / 3600 for a, b in zip(seconds, seconds[1:], strict=False)]
        got = answer(_flow, _jump, inputs, times)
        if want_array(got, "the answer").shape == (width,):
            raise Wrong(
                "only the last state is returned; wanted are the states after all events, [L, w]"
            )
        want_array(got, "the answer", shape=(length, width), kind="float")
        _compare_states(got, inputs, times, gaps)
    other = (lambda z, hours: _flow(z, hours, 0.2)), (lambda z, x: _jump(z, x, 0.3))
    want = _walk(inputs, gaps, flow=other[0], jump=other[1])
    if not same(answer(*other, inputs, times), want, CLOSE):
        raise Wrong("with another flow and another jump it is wrong: call those that are handed in")


def _compare_states(got, inputs: Tensor, times: Tensor, gaps: list[float]) -> None:
    moves = _walk(inputs, gaps)
    rough = times.float().diff(prepend=times[:1].float()).tolist()
    before, z = [], torch.zeros(inputs.shape[1])
    for state, wait in zip(moves, gaps, strict=True):
        before.append(_flow(z, wait))
        z = state
    known = {
        "nothing flows: the gaps are not used": _walk(inputs, [0.0] * len(gaps)),
        "the gap is passed in seconds; flow wants hours": _walk(
            inputs, [3600 * gap for gap in gaps]
        ),
        "it moves by the time since the first event; the gap since the previous event is wanted": (
            _walk(inputs, ((times - times[0]) / 3600).tolist())
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
        "the inputs are taken in reverse order": _walk(inputs.flip(0), gaps),
        "the states come out in reverse order": moves.flip(0),
    }
    if same(got, moves, CLOSE):
        return
    for reason, value in known.items():
        if same(got, value, CLOSE):
            raise Wrong(reason)
    if not same(want_array(got)[0], moves[0], CLOSE):
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


READERS = {  # what the model is, how many hours after the last event it is asked
    "autonomous": ({}, (0, 1, 2, 24)),
    "attractor": ({"flow": "attractor"}, (5, 30, 1)),
    "gap_feature": ({"flow": "gap_feature", "size": "light"}, (3, 0.5, 60, 2, 9)),  # needs all rows
    "one moment": ({"flow": "attractor"}, (7,)),
}


STORES = "model.step stores an event, and nothing has happened; reading needs model.read alone"


@exercise(points=3, minutes=12)
def check_read_at(answer) -> None:
    """16.2: one user's state, read at several moments with one call."""
    for options, hours in READERS.values():
        model, state = _user(**options)
        moments = START + 90_000 + (3600 * torch.tensor(hours)).long()
        rows, read, step, calls, steps = len(hours), model.read, model.step, [], []
        model.read = lambda *args, read=read, calls=calls, **named: (
            calls.append((*args, *named.values())),
            read(*args, **named),
        )[1]
        model.step = lambda *args, step=step, steps=steps, **named: (
            steps.append(args),
            step(*args, **named),
        )[1]
        with torch.no_grad():
            try:
                got = answer(model, state, moments)
            except Wrong:
                if steps:
                    raise Wrong(STORES) from None
                if calls and len(calls[-1][0].fast) != rows > 1:
                    raise Wrong(
                        "model.read gets a state of {count} row(s) and {rows} moments,"
                        " which this flow cannot bring together: make a row of the state"
                        " for each moment",
                        count=len(calls[-1][0].fast),
                        rows=rows,
                    ) from None
                raise
            want = torch.cat([read(state, moment[None]) for moment in moments])
            still = torch.cat([read(state)] * rows)
            later = read(state._replace(times=state.times + 90_000), moments[:1]).expand(rows, -1)
        if steps:
            raise Wrong(STORES)
        want_array(got, shape=(rows, 4), kind="float")
        if not same(got, want, CLOSE):
            _name_the_reading(want_array(got), want, (still, later))
        if len(calls) != 1:
            raise Wrong(
                "right, but with {count} calls of model.read; make {rows} rows of the"
                " state and call it once",
                count=len(calls),
                rows=rows,
            )


def _name_the_reading(got, want: Tensor, constant: tuple[Tensor, Tensor]) -> None:
    if any(same(got, one, CLOSE) for one in constant):
        raise Wrong("all moments give the same: pass the moments to model.read as query_times")
    if same(got[::-1], want, CLOSE):
        raise Wrong("the moments come out in reverse order")
    if same(got[0], want[0], CLOSE) and len(got) > 1 and same(got[1], want[1], CLOSE):
        raise Wrong(
            "the moments are read one after the other from a moved state; each must start"
            " at the last event"
        )
    raise Wrong(
        "row k must be model.read of the state as it is stored, at moment k; keep"
        " state.times, expand the rows"
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


@exercise(points=4, minutes=20)
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


@exercise(points=2, minutes=8)
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


@open_task
def open_report(report: Report) -> None:
    """The open task: gaps that never occurred in training."""
    for name in ("days", "hours"):
        report.table(name, runs_of(5, 0, 1), least=3)
    report.same_keys("days", "hours")
    report.text("border")
    report.closing()


# Answers on which the tests try the checkers: right ones, and wrong ones with words of the reason given.


def ode_rnn(flow, jump, inputs, times, *, unit=3600, gap=None, first=False, cut=slice(None)):
    """Right as it stands; the options plant one fault each."""
    z, states = torch.zeros(inputs.shape[1]), []
    for i, x in enumerate(inputs):
        wait = (times[i] - times[i - 1]).item() if gap is None else gap(times, i)
        z = jump(flow(z, wait / unit) if i or first else z, x)
        states.append(z)
    return torch.stack(states)[cut]


def jump_then_flow(flow, jump, inputs, times):
    z, states = torch.zeros(inputs.shape[1]), []
    for i, x in enumerate(inputs):
        z = jump(z, x)
        z = flow(z, (times[i] - times[i - 1]).item() / 3600) if i else z
        states.append(z)
    return torch.stack(states)


def flow_to_the_next(flow, jump, inputs, times):
    z, states = torch.zeros(inputs.shape[1]), []
    for i, x in enumerate(inputs):
        z = jump(z, x)
        z = flow(z, (times[i + 1] - times[i]).item() / 3600) if i + 1 < len(times) else z
        states.append(z)
    return torch.stack(states)


def before_the_jumps(flow, jump, inputs, times):
    z, states = torch.zeros(inputs.shape[1]), []
    for i, x in enumerate(inputs):
        z = flow(z, (times[i] - times[i - 1]).item() / 3600) if i else z
        states.append(z)
        z = jump(z, x)
    return torch.stack(states)


def no_jump_at_first(flow, jump, inputs, times):
    states = ode_rnn(flow, jump, inputs, times).clone()
    states[0] = 0
    return states


def rough(times, i):
    seconds = times.float()
    return (seconds[i] - seconds[i - 1]).item()


def read_at(model, state, moments):
    rows = len(moments)
    slow = None if state.slow is None else state.slow.expand(rows, -1)
    return model.read(
        state._replace(fast=state.fast.expand(rows, -1), slow=slow, times=state.times.expand(rows)),
        moments,
    )


def one_by_one(model, state, moments):
    return torch.cat([model.read(state, moment[None]) for moment in moments])


def chained(model, state, moments):
    """Moves the state to each moment and goes on from there."""
    answers = []
    for moment in moments:
        answers.append(model.read(state, moment[None]))
        goal = None if state.slow is None else model.goal(state.slow)
        fast = model.flow(state.fast, elapsed_hours(state.times, moment[None]), goal)
        state = state._replace(fast=fast, times=moment[None])
    return torch.cat(answers)


def with_a_pad(model, state, moments):
    return torch.cat(
        [model.read(model.step(state, torch.tensor([0]), moment[None])) for moment in moments]
    )


def spoils(model, state, moments):
    answers = read_at(model, state, moments)
    state.fast.add_(1)
    return answers


def wrong_start(model, state, moments):
    rows = len(moments)
    slow = None if state.slow is None else state.slow.expand(rows, -1)
    zeros = torch.zeros(rows, state.fast.shape[1])
    return model.read(
        state._replace(fast=zeros, slow=slow, times=state.times.expand(rows)), moments
    )


def in_numpy(flow, jump, inputs, times):
    states = np.zeros(inputs.shape)
    z = states[0]
    for i, hours in enumerate(np.diff(times.numpy(), prepend=times[:1].numpy()) / 3600):
        z = states[i] = jump(flow(z, hours=hours), x=inputs[i])
    return states


def in_double(flow, jump, inputs, times):
    z, states = inputs.new_zeros(inputs.shape[1], dtype=torch.double), []
    gaps = times.diff(prepend=times[:1]).double() / 3600
    for x, wait in zip(inputs.double(), gaps, strict=True):
        z = jump(flow(z, wait), x)
        states.append(z.tolist())
    return states


def repeated(model, state, moments):
    parts = [None if part is None else torch.cat([part] * len(moments)) for part in state]
    return model.read(type(state)(*parts), query_times=moments).numpy()


def picked(model, state, moments):
    rows = torch.zeros_like(moments)
    many = {name: part[rows] for name, part in state._asdict().items() if part is not None}
    return model.read(state=state._replace(**many), query_times=moments).double()


def at_most_four(model, state, moments):
    return read_at(model, state, moments[:4])


def reads_seconds_since(model, state, moments):
    return read_at(model, state, moments - state.times)


def goal_of_one_row(model, state, moments):
    return read_at(model, state._replace(slow=None), moments)


def faulty_ode_rnn(flow, jump, inputs, times):
    """The cell of the exercise: hours since the first event, from timestamps in float32."""
    hours, z, states = times.float() / 3600, torch.zeros(inputs.shape[1]), []
    for i, x in enumerate(inputs):
        z = jump(flow(z, (hours[i] - hours[0]).item()), x)
        states.append(z)
    return torch.stack(states)


RIGHT = [
    (check_ode_rnn, ode_rnn),
    (check_ode_rnn, in_numpy),
    (check_ode_rnn, in_double),
    (check_ode_rnn, lambda f, j, x, t: ode_rnn(f, j, x, t - t[0])),
    (check_read_at, read_at),
    (check_read_at, repeated),
    (check_read_at, picked),
    (check_leaking, {"B", "D", "F"}),
    (check_leaking, "b, d, f"),
    (check_leaking, ["F", "D", "B"]),
    (check_sentences, ["A", "C", "F"]),
    (check_sentences, "ACF"),
    (check_sentences, frozenset("ACF")),
]
WRONG = [
    (check_ode_rnn, faulty_ode_rnn, "it differs from"),
    (
        check_ode_rnn,
        lambda f, j, x, t: ode_rnn(lambda z, hours: z, j, x, t),
        "nothing flows",
    ),
    (check_ode_rnn, lambda f, j, x, t: ode_rnn(f, j, x, t, unit=1), "in seconds"),
    (
        check_ode_rnn,
        lambda f, j, x, t: ode_rnn(f, j, x, t, gap=lambda t, i: (t[i] - t[0]).item()),
        "first event;",
    ),
    (check_ode_rnn, jump_then_flow, "jumps first"),
    (
        check_ode_rnn,
        lambda f, j, x, t: ode_rnn(
            f, j, x, t, first=True, gap=lambda t, i: (t[(i + 1) % 5] - t[i]).item() * (i < 4)
        ),
        "from the future",
    ),
    (check_ode_rnn, flow_to_the_next, "right after the jump"),
    (check_ode_rnn, before_the_jumps, "before the jumps"),
    (check_ode_rnn, lambda f, j, x, t: ode_rnn(f, j, x, t, gap=rough), "nearest 128"),
    (check_ode_rnn, lambda f, j, x, t: ode_rnn(f, j, x, t, cut=-1), "only the last"),
    (check_ode_rnn, lambda f, j, x, t: ode_rnn(f, j, x, t, cut=slice(1, None)), "shape"),
    (
        check_ode_rnn,
        lambda f, j, x, t: ode_rnn(
            f, j, x, t, first=True, gap=lambda t, i: (t[i] - (t[i - 1] if i else 0)).item()
        ),
        "first state is wrong",
    ),
    (check_ode_rnn, no_jump_at_first, "first state is wrong"),
    (check_ode_rnn, lambda f, j, x, t: ode_rnn(f, j, x, t, unit=60), "it differs from"),
    (
        check_ode_rnn,
        lambda f, j, x, t: ode_rnn(
            f, j, x, t, gap=lambda t, i: (t[i] - t[i - 1]).item() // 3600 * 3600
        ),
        "it differs from",
    ),
    (
        check_ode_rnn,
        lambda f, j, x, t: ode_rnn(
            f, j, x, t, gap=lambda t, i: (t[i] - t[i - 1]).clamp(min=60).item()
        ),
        "it differs from",
    ),
    (check_ode_rnn, lambda f, j, x, t: ode_rnn(_flow, _jump, x, t), "those that are handed in"),
    (check_ode_rnn, lambda f, j, x, t: ode_rnn(f, j, x.flip(0), t), "reverse order"),
    (check_ode_rnn, lambda f, j, x, t: ode_rnn(f, j, x[:, :2], t), "shape (7, 2), wanted (7, 4)"),
    (check_ode_rnn, lambda f, j, x, t: ode_rnn(f, j, x, t) * 1.001, "first state is wrong"),
    (check_read_at, lambda m, s, t: m.read(s, t), "a row of the state for each moment"),
    (check_read_at, at_most_four, "shape (4, 4), wanted (5, 4)"),
    (check_read_at, reads_seconds_since, "all moments give the same"),
    (check_read_at, goal_of_one_row, "it raised"),
    (
        check_read_at,
        lambda m, s, t: m.read(s).expand(len(t), -1),
        "all moments give the same",
    ),
    (check_read_at, with_a_pad, "model.step stores an event"),
    (check_read_at, spoils, "argument `state` in place"),
    (check_read_at, lambda m, s, t: read_at(m, s, t.flip(0)), "reverse order"),
    (check_read_at, chained, "one after the other"),
    (check_read_at, wrong_start, "row k must be"),
    (check_read_at, one_by_one, "4 calls of model.read"),
    (check_read_at, lambda m, s, t: read_at(m, s, t)[0], "shape"),
    (check_leaking, {"B", "D"}, "look at F"),
    (check_leaking, {"D", "F"}, "look at B"),
    (check_leaking, {"A", "B", "D", "F"}, "look at A"),
    (check_leaking, {"B", "C", "D", "F"}, "look at C"),
    (check_leaking, {"B", "D", "E", "F"}, "look at E"),
    (check_leaking, set("ABCDEF"), "look at A"),
    (check_leaking, set(), "look at B"),
    (check_leaking, {"B", "F"}, "look at D"),
    (check_leaking, 3, "set of letters"),
    (check_sentences, {"A", "B", "C", "F"}, "look at B"),
    (check_sentences, {"A", "C", "D", "F"}, "look at D"),
    (check_sentences, {"A", "C", "E", "F"}, "look at E"),
    (check_sentences, {"A", "C"}, "look at F"),
    (check_sentences, {"C", "F"}, "look at A"),
    (check_sentences, {"A", "F"}, "look at C"),
    (check_sentences, {"A", "C", "F", "G"}, "set of letters"),
]

# Mutants (tests/exercises/mutants.py) that are right, and why.
ARGUED = [
    (check_ode_rnn, "0 -> -1", "zeros are zeros, and only differences of times count"),
    (check_ode_rnn, "t - t[0] -> t + t[0]", "only differences of times count"),
    (check_ode_rnn, "t - t[0] -> t", "only differences of times count"),
]

OPEN = {
    "days": {model: [0.9, 0.8, 0.9, 1.0, 0.9] for model in ("decay", "feature", "none")},
    "hours": {model: [0.5, 0.6, 0.5, 0.4, 0.5] for model in ("decay", "feature", "none")},
    "border": "Near twenty hours for the flow and near six for the feature.",
    **END,
}
OPEN_RIGHT = [OPEN, {**OPEN, **END_ZH}]
OPEN_WRONG = [
    ({**OPEN, "days": {"decay": [0.9, 0.8, 0.9, 1.0, 0.9]}}, "1 of at least 3"),
    ({**OPEN, "hours": {model: [0.5, 0.6, 0.5, 0.4, 0.5] for model in "abc"}}, "different entries"),
    ({**OPEN, "border": "20 hours"}, "says too little"),
]
