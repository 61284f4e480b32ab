"""DeepM3: a recurrent model whose state moves on between the events, and not only at them.

    z-(i) = evolve(z(i-1), t(i) - t(i-1))        between the events: a flow, see deepm3_flows.py
    z(i)  = GRU(z-(i), item(i))                  at an event: a jump

    letter   meaning                                    shape        in the paper (ODE-RNN)
    z        the state (`fast`, `states`)               [B, L, w]    h
    x        an event's item vector                     [B, L, d]    x
    hours    time since the event before                [B, L - 1]   t_i - t_{i-1}
    goal     what an attractor seeks                    [B, L, w]    -

Sources: Rubanova, Chen and Duvenaud, "Latent ODEs for irregularly-sampled time series", NeurIPS
2019 (ODE-RNN, section 3.1); De Brouwer et al., "GRU-ODE-Bayes", NeurIPS 2019; the field of
"published" is that of the DeepM3 code. Ours differs from that code in that every position is
trained, nothing is padded on the left and no parameter is idle. Taught in lessons 16 and 17.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tutorial_lib.data.sequences import widest
from tutorial_lib.errors import TutorialError
from tutorial_lib.models.base import Dropout, SequenceModel, initialise
from tutorial_lib.models.clock import Clock
from tutorial_lib.models.deepm3_flows import build_flow

FLOWS = ("autonomous", "since_event", "published", "decay", "attractor", "gap_feature")
SOLVERS, SIZES = ("none", "euler", "rk4", "adaptive"), ("base", "light")


class State(NamedTuple):
    """All that a stream keeps of B users: a few hundred numbers each, however long the history."""

    fast: Tensor  # [B, w], just after the last event
    slow: Tensor | None  # [B, w], of the GRU that reads no clock; only with flow="attractor"
    times: Tensor | None  # int64 [B], unix seconds of the last event


def elapsed_hours(start: Tensor, end: Tensor) -> Tensor:
    """Hours between int64 unix seconds, float32, at least 0. The difference is taken in int64."""
    if start.dtype != torch.int64 or end.dtype != torch.int64:
        raise TutorialError(
            "times must be int64 unix seconds, got {dtype} and {dtype2}: others lose the"
            " short gaps",
            dtype=start.dtype,
            dtype2=end.dtype,
        )
    return (widest((end - start).clamp(min=0)) / 3600).float()


def gru_update(cell: nn.GRUCell, state: Tensor, gates: Tensor) -> Tensor:
    """One GRU step. state [..., w]; gates [..., 3w]: the input's share of reset, update, new.

    Cho et al. 2014, eq. 5 to 8, with torch's place of the reset: behind the product with U_n.
    Taught in lesson 16.
    """
    own = F.linear(state, cell.weight_hh, cell.bias_hh)  # [..., 3w]
    sizes = 2 * state.shape[-1], state.shape[-1]
    (both, new), (own_both, own_new) = gates.split(sizes, dim=-1), own.split(sizes, dim=-1)
    reset, update = torch.sigmoid(both + own_both).chunk(2, dim=-1)
    # under autocast the gates are shorter numbers than the state, which keeps its own
    return torch.lerp(torch.tanh(new + reset * own_new).to(state), state, update.to(state))


class DeepM3(SequenceModel):
    """items, times, query_times int64 [B, L] -> states [B, L, d]. Rubanova et al. 2019, algorithm
    1. Taught in lesson 17.

    `flow`: how the state moves between events. "autonomous", "since_event": a neural field.
    "published": the same, told the length of the gap, in one step. "decay", "attractor": closed
    forms. "gap_feature": not at all; the gap is one more input. `solver`, `steps`: of the neural
    fields; closed forms need none. "none": no flow and no clock, a plain GRU, the blind twin.
    `query_time`: move on from each event to query_times before reading out; where none are given,
    from times to times, that is not at all. `size="light"`: a state half as wide as the items.
    `lipschitz` > 0: the neural field keeps to this bound.
    """

    uses_time = True
    blind = {"solver": "none", "flow": "autonomous", "steps": 1, "lipschitz": 0.0}
    blind |= {"query_time": False}

    def __init__(
        self,
        num_items: int,
        max_len: int,
        dim: int = 64,
        *,
        flow: str = "autonomous",
        solver: str = "rk4",
        steps: int = 1,
        size: str = "base",
        query_time: bool = False,
        lipschitz: float = 0.0,
        dropout: float = 0.2,
    ):
        super().__init__(num_items, max_len, dim)
        choices = ("flow", flow, FLOWS), ("solver", solver, SOLVERS), ("size", size, SIZES)
        for name, value, known in choices:
            if value not in known:
                raise TutorialError(
                    "unknown {name} {value!r}; known are {known}",
                    name=name,
                    value=value,
                    known=", ".join(known),
                )
        self.uses_time = solver != "none"
        if query_time and not self.uses_time:
            raise TutorialError(
                "solver='none' moves nothing, so it cannot move to the query time; set"
                " query_time=False"
            )
        self.width = width = dim if size == "base" else max(1, dim // 2)
        self.query_time, self.dropout = query_time, Dropout(dropout)
        self.cell = nn.GRUCell(dim, width)
        self.out = nn.Linear(width, dim)
        self.slow = self.goal = self.flow = self.clock = None
        if self.uses_time and flow == "attractor":
            self.slow, self.goal = nn.GRU(dim, width, batch_first=True), nn.Linear(width, width)
        if self.uses_time and flow == "gap_feature":
            self.clock, self.gap_gates = Clock(), nn.Linear(1, 3 * width, bias=False)
            self.query_gate = nn.Linear(width + 1, width) if query_time else None
        self.apply(initialise)
        if self.goal is not None:
            nn.init.xavier_uniform_(self.goal.weight)
        if self.uses_time:
            self.flow = build_flow(flow, width, solver=solver, steps=steps, lipschitz=lipschitz)

    def forward(
        self, items: Tensor, times: Tensor | None = None, query_times: Tensor | None = None
    ) -> Tensor:
        x = self.dropout(self.item_embedding(items) * self.dim**0.5)  # [B, L, d]
        # [B, L, 3w]: the input's share for all events at once
        gates = F.linear(x, self.cell.weight_ih, self.cell.bias_ih)
        # the slow GRU waits for no clock: one call
        goal = self.goal(self.slow(x)[0]) if self.slow is not None else None
        evolve, context = (lambda state: state), ()  # no flow: the state stands still
        if self.uses_time:
            hours = elapsed_hours(times[:, :-1], times[:, 1:])  # [B, L - 1]
            if self.flow is not None:
                evolve = self.flow.bind()
                context = self.flow.context(hours, None if goal is None else goal[:, :-1])
            else:
                # the first event comes after a gap of 0
                gates = gates + self.gap_gates(self._gap(F.pad(hours, (1, 0))))
        state = x.new_zeros(x.shape[0], self.width)
        first, *others = gates.unbind(1)
        states = [gru_update(self.cell, state, first)]
        for gate, *now in zip(others, *(part.unbind(1) for part in context), strict=True):
            states.append(gru_update(self.cell, evolve(states[-1], *now), gate))
        return self._read(torch.stack(states, dim=1), goal, times, query_times)

    def step(self, state: State | None, items: Tensor, times: Tensor | None = None) -> State:
        """The state after one more event of each of B users; None before their first. items, times
        int64 [B].

        One event at a time gives what the full pass gives, at a cost that does not grow with the
        history.
        """
        self.check_events(items, times, axes="[B]")
        x = self.dropout(self.item_embedding(items) * self.dim**0.5)  # [B, d]
        gates = F.linear(x, self.cell.weight_ih, self.cell.bias_ih)
        hours = None
        if self.uses_time:
            hours = elapsed_hours(times if state is None else state.times, times)
        fast = x.new_zeros(len(x), self.width) if state is None else state.fast
        if self.flow is not None and state is not None:
            fast = self.flow(fast, hours, self.goal(state.slow) if self.slow is not None else None)
        elif self.clock is not None:
            gates = gates + self.gap_gates(self._gap(hours))
        slow = None
        if self.slow is not None:
            before = None if state is None else state.slow[None]
            slow = self.slow(x[:, None], before)[1][0]
        return State(gru_update(self.cell, fast, gates), slow, times)

    def read(self, state: State, query_times: Tensor | None = None) -> Tensor:
        """What the full pass gives for the last event, [B, d]. query_times int64 [B]."""
        goal = self.goal(state.slow) if self.slow is not None else None
        return self._read(state.fast, goal, state.times, query_times)

    def _read(
        self, states: Tensor, goal: Tensor | None, times: Tensor | None, query_times: Tensor | None
    ) -> Tensor:
        """States [..., w] after an event -> [..., d], at the query where it may be seen."""
        if self.query_time:
            hours = elapsed_hours(times, times if query_times is None else query_times)
            if self.flow is not None:
                states = self.flow(states, hours, goal)
            # each coordinate times 0 to 2: what is only added would move all users' scores alike
            else:
                gate = self.query_gate(torch.cat([states, self._gap(hours)], dim=-1))
                states = 2 * torch.sigmoid(gate) * states
        return self.out(self.dropout(states))

    def _gap(self, hours: Tensor) -> Tensor:
        """The standardised log gap as one more number of the input, [..., 1]."""
        return ((torch.log1p(hours) - self.clock.mean) / self.clock.std).unsqueeze(-1)
