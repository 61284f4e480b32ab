"""Answers to the exercises of lesson 16: right ones, and wrong ones with words of the reason that
the student must be given.
"""

import torch

from tutorial_lib.exercises import lesson16
from tutorial_lib.models.deepm3 import elapsed_hours

START = 1_700_000_000


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


RIGHT = [
    (lesson16.check_ode_rnn, ode_rnn),
    (lesson16.check_ode_rnn, lambda f, j, x, t: ode_rnn(f, j, x, t - t[0])),
    (lesson16.check_read_at, read_at),
    (lesson16.check_leaking, {"B", "D", "F"}),
    (lesson16.check_sentences, ["A", "C", "F"]),
]
WRONG = [
    (
        lesson16.check_ode_rnn,
        lambda f, j, x, t: ode_rnn(lambda z, hours: z, j, x, t),
        "nothing flows",
    ),
    (lesson16.check_ode_rnn, lambda f, j, x, t: ode_rnn(f, j, x, t, unit=1), "in seconds"),
    (
        lesson16.check_ode_rnn,
        lambda f, j, x, t: ode_rnn(f, j, x, t, gap=lambda t, i: (t[i] - t[0]).item()),
        "first event;",
    ),
    (lesson16.check_ode_rnn, jump_then_flow, "jumps first"),
    (
        lesson16.check_ode_rnn,
        lambda f, j, x, t: ode_rnn(
            f, j, x, t, first=True, gap=lambda t, i: (t[(i + 1) % 5] - t[i]).item() * (i < 4)
        ),
        "from the future",
    ),
    (lesson16.check_ode_rnn, flow_to_the_next, "right after the jump"),
    (lesson16.check_ode_rnn, before_the_jumps, "before the jumps"),
    (lesson16.check_ode_rnn, lambda f, j, x, t: ode_rnn(f, j, x, t, gap=rough), "nearest 128"),
    (lesson16.check_ode_rnn, lambda f, j, x, t: ode_rnn(f, j, x, t, cut=-1), "only the last"),
    (lesson16.check_ode_rnn, lambda f, j, x, t: ode_rnn(f, j, x, t, cut=slice(1, None)), "shape"),
    (
        lesson16.check_ode_rnn,
        lambda f, j, x, t: ode_rnn(
            f, j, x, t, first=True, gap=lambda t, i: (t[i] - (t[i - 1] if i else 0)).item()
        ),
        "first state is wrong",
    ),
    (lesson16.check_ode_rnn, no_jump_at_first, "first state is wrong"),
    (lesson16.check_ode_rnn, lambda f, j, x, t: ode_rnn(f, j, x, t, unit=60), "it differs from"),
    (
        lesson16.check_read_at,
        lambda m, s, t: m.read(s).expand(len(t), -1),
        "all moments give the same",
    ),
    (lesson16.check_read_at, with_a_pad, "model.step stores an event"),
    (lesson16.check_read_at, spoils, "stored state was changed"),
    (lesson16.check_read_at, lambda m, s, t: read_at(m, s, t.flip(0)), "reverse order"),
    (lesson16.check_read_at, chained, "one after the other"),
    (lesson16.check_read_at, wrong_start, "row k must be"),
    (lesson16.check_read_at, one_by_one, "4 calls of model.read"),
    (lesson16.check_read_at, lambda m, s, t: read_at(m, s, t)[0], "shape"),
    (lesson16.check_leaking, {"B", "D"}, "look at F"),
    (lesson16.check_leaking, {"D", "F"}, "look at B"),
    (lesson16.check_leaking, {"A", "B", "D", "F"}, "look at A"),
    (lesson16.check_leaking, {"B", "C", "D", "F"}, "look at C"),
    (lesson16.check_leaking, {"B", "D", "E", "F"}, "look at E"),
    (lesson16.check_leaking, 3, "set of letters"),
    (lesson16.check_sentences, {"A", "B", "C", "F"}, "look at B"),
    (lesson16.check_sentences, {"A", "C", "D", "F"}, "look at D"),
    (lesson16.check_sentences, {"A", "C", "E", "F"}, "look at E"),
    (lesson16.check_sentences, {"A", "C"}, "look at F"),
]
