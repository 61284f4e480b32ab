"""How a model reads one event after another, at a cost that does not grow with the history.

    letter   meaning                                          shape
    B        users that have an event, each one               -
    memory   what is left of all events before the last       tensors [B, ...]
    since    seconds from the event before, 0 at the first    int64 [B]
    until    seconds from the event to the query              int64 [B]
    y        the state that is scored                         [B, d]

Where the query time goes through the network (`query_time=True` in lrurec, tim4rec, ss4rec), the
second block reads at each event what the first one has become by the next. So the last event waits:
it is read for each query anew, and enters the memory when the next event says how long it lasted.
Taught in lesson 21; the single steps in lessons 10, 11, 13 and 17.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from tutorial_lib.models import SequenceModel
from tutorial_lib.models.deepm3 import DeepM3, State
from tutorial_lib.models.gru import GRU4Rec
from tutorial_lib.models.lru import LRURec
from tutorial_lib.models.mamba import SelectiveSSM, SSDBlock
from tutorial_lib.models.mamba4rec import Mamba4Rec
from tutorial_lib.models.ss4rec import SS4Rec
from tutorial_lib.models.ssm import S5, event_steps
from tutorial_lib.models.tim4rec import TiM4Rec

Kept = tuple[Tensor, ...]  # of B users: [B, ...] each


class Stream:
    """A model as a stream. `empty`, `step` and `read` are all that the service calls."""

    def __init__(self, model: SequenceModel):
        self.model = model
        self.asks = bool(getattr(model, "query_time", False))  # does `read` look at the clock?

    def empty(self, size: int) -> Kept:
        """What is kept of users before their first event."""
        raise NotImplementedError

    def step(self, kept: Kept, first: Tensor, items: Tensor, times: Tensor) -> Kept:
        """After one more event of each user. first bool [B]: it is the user's first one."""
        raise NotImplementedError

    def read(self, kept: Kept, query_times: Tensor) -> Tensor:
        """What the full pass gives for the last event, [B, d]."""
        raise NotImplementedError


class DeepM3Stream(Stream):
    """The model's own `step` and `read`. A first event comes 0 s after itself onto a state of
    zeros, which every flow leaves alone.
    """

    def empty(self, size: int) -> Kept:
        states = torch.zeros(size, self.model.width)
        slow = (states.clone(),) if self.model.slow is not None else ()
        return (torch.zeros(size, dtype=torch.int64), states, *slow)

    def step(self, kept: Kept, first: Tensor, items: Tensor, times: Tensor) -> Kept:
        seconds, fast, *slow = kept
        before = State(fast, slow[0] if slow else None, times.where(first, seconds))
        after = self.model.step(before, items, times)
        return (times, after.fast, *([] if after.slow is None else [after.slow]))

    def read(self, kept: Kept, query_times: Tensor) -> Tensor:
        seconds, fast, *slow = kept
        return self.model.read(State(fast, slow[0] if slow else None, seconds), query_times)


class Recurrent(Stream):
    """A model that is a function of its memory and one event. A subclass writes `start` and
    `event`.
    """

    def start(self, size: int) -> Kept:
        """The memory of B users without events."""
        raise NotImplementedError

    def event(
        self, memory: Kept, items: Tensor, since: Tensor, until: Tensor
    ) -> tuple[Tensor, Kept]:
        """y of one event, and the memory after it."""
        raise NotImplementedError

    def empty(self, size: int) -> Kept:
        zeros = torch.zeros(size, dtype=torch.int64)
        if self.asks:  # the last event, and since when; what was before it
            return zeros, zeros.clone(), zeros.clone(), *self.start(size)
        return zeros, torch.zeros(size, self.model.dim), *self.start(size)

    def step(self, kept: Kept, first: Tensor, items: Tensor, times: Tensor) -> Kept:
        before, *rest = kept
        since = (times - before).masked_fill(first, 0)
        if not self.asks:
            y, memory = self.event(tuple(rest[1:]), items, since, torch.zeros_like(since))
            return times, y, *memory
        last, waited, *memory = rest
        real = ~first
        after = [part.clone() for part in memory]
        if real.any():
            some = tuple(part[real] for part in memory)
            _, new = self.event(some, last[real], waited[real], since[real])
            for whole, part in zip(after, new, strict=True):
                whole[real] = part
        return times, items, since, *after

    def read(self, kept: Kept, query_times: Tensor) -> Tensor:
        before, *rest = kept
        if not self.asks:
            return rest[0]
        last, waited, *memory = rest
        return self.event(tuple(memory), last, waited, query_times - before)[0]


class GRUStream(Recurrent):
    def start(self, size: int) -> Kept:
        return (torch.zeros(size, self.model.gru.num_layers, self.model.dim),)

    def event(self, memory, items, since, until):
        x = self.model.item_embedding(items) * self.model.dim**0.5  # [B, d]
        y, h = self.model.gru(x[:, None], memory[0].transpose(0, 1).contiguous())
        return self.model.out(y[:, 0]), (h.transpose(0, 1),)


def two_events(since: Tensor, until: Tensor) -> tuple[Tensor, Tensor]:
    """Times and query times int64 [B, 2] of an event before and this one, for what reads gaps."""
    times = torch.stack([torch.zeros_like(since), since], dim=1)
    return times, torch.stack([since, since + until], dim=1)


class LRUStream(Recurrent):
    def start(self, size: int) -> Kept:
        blocks = self.model.blocks
        return (torch.zeros(size, len(blocks), len(blocks[0].lru.nu), dtype=torch.complex64),)

    def event(self, memory, items, since, until):
        model, states = self.model, []
        steps, ahead = 1.0, None
        if model.uses_time:
            steps, ahead = (part[:, 1] for part in event_steps(*two_events(since, until)))
        x = model.norm(model.item_embedding(items))  # [B, d]
        for block, state in zip(model.blocks, memory[0].unbind(1), strict=True):
            lru = block.lru
            inputs = torch.view_as_complex(lru.B(x).unflatten(-1, (-1, 2))) * lru.gamma.exp()
            state = lru.decay(steps) * state + inputs
            states.append(state)
            if self.asks:
                state = state * lru.decay(ahead - 1)
            x = block.norm1(x + lru.C(torch.view_as_real(state).flatten(-2)))
            x = block.norm2(x + block.feed_forward(x))
        return x, (torch.stack(states, dim=1),)


def selective_start(ssm: SelectiveSSM, size: int) -> Kept:
    inner, width = len(ssm.D), len(ssm.conv.weight)
    return torch.zeros(size, width - 1, inner), torch.zeros(size, *ssm.A_log.shape)


def selective_step(ssm: SelectiveSSM, x: Tensor, memory: Kept) -> tuple[Tensor, Kept]:
    """One event of `SelectiveSSM`. x [B, d] -> y [B, d], new memory."""
    recent, state = memory  # [B, conv - 1, D], [B, D, N]
    x, z = ssm.in_proj(x).chunk(2, dim=-1)
    recent = torch.cat([recent, x[:, None]], dim=1)
    x = F.silu(ssm.conv(recent)[:, -1])  # [B, D]
    delta, B, C = ssm.x_proj(x).split(ssm.sizes, dim=-1)
    delta = F.softplus(F.linear(delta, ssm.step_weight, ssm.step_bias))  # [B, D]
    state = torch.exp(delta[..., None] * -ssm.A_log.exp()) * state
    state = state + (delta * x)[..., None] * B[:, None]
    y = (state @ C[..., None])[..., 0] + ssm.D * x
    return ssm.out_proj(y * F.silu(z)), (recent[:, 1:], state)


def ssd_start(block: SSDBlock, size: int) -> Kept:
    inner, channels, heads = block.sizes[0], block.sizes[1], block.heads
    state = torch.zeros(size, heads, inner // heads, (channels - inner) // 2)
    return torch.zeros(size, len(block.conv.weight) - 1, channels), state


class MambaStream(Recurrent):
    """Mamba4Rec, and TiM4Rec with its gates."""

    def start(self, size: int) -> Kept:
        parts = []
        for layer in self.model.layers:
            start = ssd_start if isinstance(layer.mixer, SSDBlock) else selective_start
            parts += start(layer.mixer, size)
        return tuple(parts)

    def gates(self, since: Tensor, until: Tensor) -> list[tuple[Tensor, ...]]:
        """For each layer nothing, or the factors on its steps [B, heads]."""
        if not isinstance(self.model, TiM4Rec):
            return [()] * len(self.model.layers)
        times, query_times = two_events(since, until)
        gaps = [part[:, 1] for part in self.model.clock(times, query_times)]
        gaps = torch.stack(gaps if self.asks else gaps[:1], dim=-1)  # [B, F]
        return [(gate(gaps),) for gate in self.model.gates]

    def event(self, memory, items, since, until):
        x, after = self.model.embed(items), []
        gates = self.gates(since, until)
        for number, (layer, gate) in enumerate(zip(self.model.layers, gates, strict=True)):
            mine = memory[2 * number : 2 * number + 2]
            if isinstance(layer.mixer, SSDBlock):
                mixed, new = layer.mixer.step(x, mine, *gate)
            else:
                mixed, new = selective_step(layer.mixer, x, mine)
            after += new
            x = layer.norm1(mixed + x if layer.residual else mixed)
            x = layer.norm2(x + layer.feed_forward(x))
        return x, tuple(after)


class SS4RecStream(Recurrent):
    """S5 then S6. With `query_time` an event is held until the next one: its B u waits beside the
    state.
    """

    def start(self, size: int) -> Kept:
        parts = []
        for block in self.model.blocks:
            state = torch.zeros(size, len(block.time_aware.log_step), dtype=torch.complex64)
            parts += [state, *([state.clone()] if self.asks else [])]
            parts += selective_start(block.relation_aware, size)
        return tuple(parts)

    def time_aware(
        self, s5: S5, x: Tensor, memory: Kept, steps: Tensor, ahead: Tensor
    ) -> tuple[Tensor, Kept]:
        decay, weight = s5.weights(steps)
        Bu = s5.project(x)
        if not self.asks:
            state = decay * memory[0] + weight * Bu
            return s5.read_out(state, x), (state,)
        arrived = decay * memory[0] + weight * memory[1]  # the event before was held until now
        decay, weight = s5.weights(ahead)
        return s5.read_out(decay * arrived + weight * Bu, x), (arrived, Bu)

    def event(self, memory, items, since, until):
        steps, ahead = (part[:, 1] for part in event_steps(*two_events(since, until)))
        if not self.model.uses_time:
            steps = torch.ones_like(steps)
        x, after, memory = self.model.item_embedding(items), [], list(memory)
        for block in self.model.blocks:
            mine = tuple(memory.pop(0) for _ in range(1 + self.asks))
            y, new = self.time_aware(block.time_aware, x, mine, steps, ahead)
            x = block.norm1(x + y)
            y, more = selective_step(block.relation_aware, x, (memory.pop(0), memory.pop(0)))
            x = block.norm2(x + y)
            after += [*new, *more]
        return x, tuple(after)


STREAMS: dict[type[SequenceModel], Callable[[SequenceModel], Stream]] = {
    DeepM3: DeepM3Stream,
    GRU4Rec: GRUStream,
    LRURec: LRUStream,
    Mamba4Rec: MambaStream,
    TiM4Rec: MambaStream,
    SS4Rec: SS4RecStream,
}


def stream_of(model: SequenceModel) -> Stream | None:
    """The stream of a model; None where a state depends on later events or on all events at once,
    as in attention.
    """
    known = STREAMS.get(type(model))
    return known(model) if known and model.causal else None
