"""Selective state spaces in plain PyTorch: the scan of Mamba (S6), and SSD (Mamba-2) as recurrence,
as matrix and in chunks.

    letter   meaning                                  S6          SSD             in the papers
    x, y     input and output                         [b, L, D]   [b, L, H, P]    x, y
    delta    step size, larger than 0                 [b, L, D]   [b, L, H]       Delta
    A        rate at which the state fades, below 0   [D, N]      [H]             A
    B, C     where to write, what to read             [b, L, N]   [b, L, N]       B, C
    h        the state, of N numbers                  [b, D, N]   [b, H, P, N]    h
    b, L, D  batch, length, channels; H heads of P; chunks of Q
    place    events of the same history before this one: 0 where the state starts anew   [b, L]

Sources: Gu and Dao, "Mamba", 2023, sections 3.2 to 3.4; Dao and Gu, "Transformers are SSMs", ICML
2024, sections 5 to 7; code: mamba_simple, mamba2_simple and ssd_minimal of state-spaces/mamba.
Taught in lesson 11.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tutorial_lib import kernels
from tutorial_lib.errors import TutorialError


@kernels.fast(kernels.scan.linear_scan)
def linear_scan(a: Tensor, b: Tensor, start: Tensor | None = None) -> Tensor:
    """h_t = a_t h_{t-1} + b_t with h_{-1} = start (default 0). a, b real [L, ...] -> h [L, ...]."""
    h, states = torch.zeros_like(b[0]) if start is None else start, []
    for a_t, b_t in zip(a, b, strict=True):
        h = a_t * h + b_t
        states.append(h)
    return torch.stack(states)


@kernels.fast(kernels.scan.selective_scan)  # which keeps few states
def selective_scan(x: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor) -> Tensor:
    """S6: h_t = exp(delta_t A) h_{t-1} + delta_t B_t x_t and y_t = C_t . h_t, a state of N numbers
    for each of D channels. Mamba, algorithm 2. Taught in lesson 11.

    x, delta [b, L, D], A [D, N], B, C [b, L, N] -> y [b, L, D].
    """
    decay = torch.exp(delta[..., None] * A)  # [b, L, D, N]
    inputs = (delta * x)[..., None] * B[:, :, None]  # [b, L, D, N]
    h, outputs = x.new_zeros(len(x), *A.shape), []
    for t in range(x.shape[1]):
        h = decay[:, t] * h + inputs[:, t]  # [b, D, N]
        outputs.append((h @ C[:, t, :, None])[..., 0])  # [b, D]
    return torch.stack(outputs, dim=1)


def ssd_recurrence(x: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor) -> Tensor:
    """SSD one event after the other: h_t = exp(delta_t A) h_{t-1} + delta_t x_t B_t^T and y_t = h_t
    C_t, one number A per head. Transformers are SSMs, section 5.1. Taught in lessons 11 and 12.

    x [b, L, H, P], delta [b, L, H], A [H] (negative), B, C [b, L, N], shared by the heads -> y [b,
    L, H, P]; h is [b, H, P, N]. Time O(L), but L steps that wait for each other.
    """
    decay, inputs = torch.exp(delta * A)[..., None, None], delta[..., None] * x
    state, outputs = x.new_zeros(*x.shape[:1], *x.shape[2:], B.shape[-1]), []
    for t in range(x.shape[1]):
        state = decay[:, t] * state + inputs[:, t, ..., None] * B[:, t, None, None]
        outputs.append((state @ C[:, t, None, :, None])[..., 0])
    return torch.stack(outputs, dim=1)


def segsum(a: Tensor) -> Tensor:
    """Sum of a over (j, i] at [i, j], -inf above the diagonal. a [..., L] -> [..., L, L].

    Each column is summed on its own. The difference of two cumulative sums would be cheaper, but
    where both are large float32 leaves little of a small difference.
    """
    ones = torch.ones(a.shape[-1], a.shape[-1], dtype=torch.bool, device=a.device)
    return (a[..., None] * ones.tril(-1)).cumsum(dim=-2).masked_fill(ones.triu(1), -torch.inf)


def ssd_matrix(x: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor) -> Tensor:
    """SSD as masked attention without softmax: y = (decay * C B^T) (delta x). As `ssd_recurrence`,
    but time and memory O(L^2). Transformers are SSMs, section 5.1. Taught in lessons 11 and 12.

    decay[i, j] = exp(A (delta_{j+1} + ... + delta_i)) for i >= j, else 0: a causal mask that also
    forgets.
    """
    decay = torch.exp(segsum((delta * A).transpose(1, 2)))  # [b, H, L, L]
    weights = decay * (C @ B.transpose(1, 2))[:, None]
    return (weights @ (delta[..., None] * x).transpose(1, 2)).transpose(1, 2)


RESET = -1e4  # exp(RESET) is exactly 0 in every precision, and its gradient is no NaN as of -inf


def ssd_chunked(
    x: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    *,
    chunk: int = 64,
    place: Tensor | None = None,
) -> Tensor:
    """SSD as a matrix inside chunks and a recurrence between them: as `ssd_recurrence`, time and
    memory O(L * chunk). Transformers are SSMs, section 6. Taught in lesson 11.

    Any length will do: the last chunk is filled up with steps of size 0 and inputs 0, which change
    no state. `place` [b, L]: several histories stand in one row, and no state passes a place 0.
    """
    batch, length, heads, width = x.shape
    chunks = -(-length // chunk)
    chunk = -(-length // chunks)  # as many chunks, of equal size: 2 x 50 rather than 64 + 36

    def cut(tensor: Tensor) -> Tensor:
        filled = F.pad(tensor.flatten(2), (0, 0, 0, chunks * chunk - length))
        return filled.view(batch * chunks, chunk, -1)

    # n = batch * chunks
    inputs = cut(delta[..., None] * x).view(-1, chunk, heads, width)  # [n, Q, H, P]
    a = delta * A  # [b, L, H]: logarithm of the decay
    if place is not None:
        a = a.masked_fill((place == 0)[..., None], RESET)
    a, B, C = cut(a).transpose(1, 2), cut(B), cut(C)  # [n, H, Q], [n, Q, N] twice
    decay = torch.exp(segsum(a))  # [n, H, Q, Q]
    # [n, H, Q, P]: from events of the same chunk
    y = (decay * (C @ B.transpose(1, 2))[:, None]) @ inputs.transpose(1, 2)
    if chunks > 1:
        # [n, H, Q]: what is left of the state that entered the chunk
        since_start = torch.exp(a.cumsum(dim=-1))
        # [n, Q, H, P]: what the end sees of each input
        left_over = decay[:, :, -1].transpose(1, 2)[..., None] * inputs
        added = B.transpose(1, 2) @ left_over.flatten(2)  # [n, N, H * P]
        added = added.view(batch, chunks, -1, heads, width).transpose(0, 1)
        kept = since_start[..., -1].view(batch, chunks, 1, heads, 1).transpose(0, 1)
        kept = kept.expand_as(added)
        # [chunks - 1, b, N, H, P]: at the end of each chunk but the last
        states = linear_scan(kept[:-1], added[:-1])
        # [n, N, H * P]
        entered = F.pad(states.transpose(0, 1).flatten(3), (0, 0, 0, 0, 1, 0)).flatten(0, 1)
        y = y + since_start[..., None] * (C @ entered).view(-1, chunk, heads, width).transpose(1, 2)
    return y.transpose(1, 2).reshape(batch, -1, heads, width)[:, :length]


class CausalConv(nn.Module):
    """Each channel alone: a weighted sum of the last `width` positions, zeros before. [B, L, D].

    `place` [B, L]: zeros stand before each place 0.
    """

    def __init__(self, channels: int, width: int):
        super().__init__()
        start = torch.empty(width, channels).uniform_(-(width**-0.5), width**-0.5)
        self.weight = nn.Parameter(start)
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor, place: Tensor | None = None) -> Tensor:
        width, length = len(self.weight), x.shape[1]
        x = F.pad(x, (0, 0, width - 1, 0))  # [B, L + width - 1, D]
        out = self.bias
        for k in range(width):
            earlier = x[:, k : k + length]  # by width - 1 - k positions
            if place is not None and k < width - 1:
                earlier = earlier.masked_fill((place < width - 1 - k)[..., None], 0)
            out = torch.addcmul(out, earlier, self.weight[k])
        return out


def initial_step_bias(channels: int, low: float = 1e-3, high: float = 1e-1) -> Tensor:
    """Biases [channels] with softplus(bias) log-uniform in [low, high]: memories long and short."""
    delta = torch.exp(torch.empty(channels).uniform_(math.log(low), math.log(high)))
    return delta + torch.log(-torch.expm1(-delta))  # the inverse of softplus


class SelectiveSSM(nn.Module):
    """The Mamba block: convolution and gate around a selective scan (S6), whose step, B and C
    depend on the input.

    x [B, L, d] -> [B, L, d], causal; N = `state`, D = `expand` * d channels, the convolution sees
    `conv` positions. What belongs to the step is kept in parameters of its own, not in a
    `nn.Linear`, so that `model.apply(initialise)` leaves it alone. Published ports overwrite it,
    and every memory then starts with steps of 0.69 and fades within two events.
    """

    def __init__(self, dim: int, *, state: int = 16, expand: int = 2, conv: int = 4):
        super().__init__()
        inner, rank = expand * dim, math.ceil(dim / 16)
        self.sizes = (rank, state, state)
        self.in_proj = nn.Linear(dim, 2 * inner, bias=False)
        self.conv = CausalConv(inner, conv)
        self.x_proj = nn.Linear(inner, sum(self.sizes), bias=False)
        start = torch.empty(inner, rank).uniform_(-(rank**-0.5), rank**-0.5)
        self.step_weight = nn.Parameter(start)
        self.step_bias = nn.Parameter(initial_step_bias(inner))
        # A = -1 .. -N in every channel
        self.A_log = nn.Parameter(torch.arange(1.0, state + 1).log().repeat(inner, 1))
        self.D = nn.Parameter(torch.ones(inner))
        self.out_proj = nn.Linear(inner, dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x, z = self.in_proj(x).chunk(2, dim=-1)
        x = F.silu(self.conv(x))  # [B, L, D]
        delta, B, C = self.x_proj(x).split(self.sizes, dim=-1)
        delta = F.softplus(F.linear(delta, self.step_weight, self.step_bias))  # [B, L, D]
        y = selective_scan(x, delta, -self.A_log.exp(), B, C) + self.D * x
        return self.out_proj(y * F.silu(z))


Memory = tuple[Tensor, Tensor]  # of a stream: the convolution's last inputs, and the state


class SSDBlock(nn.Module):
    """The Mamba-2 block: convolution, SSD with `heads` heads, gated RMSNorm. x [B, L, d] -> [B, L,
    d], causal.

    N = `state`; the heads share `expand` * d channels. `time_gate` [B, L, heads] multiplies the
    step before bias and softplus; 1 or None changes nothing. `place` [B, L]: convolution and state
    start anew at each 0. As in `SelectiveSSM`, `model.apply(initialise)` leaves step sizes and A
    alone.
    """

    def __init__(
        self,
        dim: int,
        *,
        state: int = 32,
        expand: int = 2,
        conv: int = 4,
        heads: int = 4,
        chunk: int = 64,
    ):
        super().__init__()
        inner = expand * dim
        if inner % heads:
            raise TutorialError(
                "{expand} * {dim} = {inner} channels do not split into {heads} heads;"
                " change dim, expand or heads",
                expand=expand,
                dim=dim,
                inner=inner,
                heads=heads,
            )
        self.sizes, self.heads, self.chunk = (inner, inner + 2 * state, heads), heads, chunk
        self.in_proj = nn.Linear(dim, sum(self.sizes), bias=False)
        self.conv = CausalConv(inner + 2 * state, conv)
        self.step_bias = nn.Parameter(initial_step_bias(heads))
        self.A_log = nn.Parameter(torch.empty(heads).uniform_(1, 16).log())
        self.D = nn.Parameter(torch.ones(heads))
        self.norm = nn.RMSNorm(inner, eps=1e-5)
        self.out_proj = nn.Linear(inner, dim, bias=False)

    def forward(
        self, x: Tensor, time_gate: Tensor | None = None, place: Tensor | None = None
    ) -> Tensor:
        z, xBC, delta = self.in_proj(x).split(self.sizes, dim=-1)
        x, delta, B, C = self.operands(self.conv(xBC, place), delta, time_gate)
        y = ssd_chunked(x, delta, -self.A_log.exp(), B, C, chunk=self.chunk, place=place)
        return self.close(y, x, z)

    def operands(self, xBC: Tensor, delta: Tensor, time_gate: Tensor | None) -> tuple[Tensor, ...]:
        """From channels to x [B, L, H, P], delta [B, L, H], B and C [B, L, N]."""
        inner, states = self.sizes[0], (self.sizes[1] - self.sizes[0]) // 2
        x, B, C = F.silu(xBC).split((inner, states, states), dim=-1)
        delta = delta if time_gate is None else delta * time_gate
        return x.unflatten(-1, (self.heads, -1)), F.softplus(delta + self.step_bias), B, C

    def close(self, y: Tensor, x: Tensor, z: Tensor) -> Tensor:
        """Skip, gate, norm, projection."""
        y = (y + self.D[:, None] * x).flatten(-2)
        return self.out_proj(self.norm(y * F.silu(z)))

    def step(
        self, x: Tensor, memory: Memory | None = None, time_gate: Tensor | None = None
    ) -> tuple[Tensor, Memory]:
        """One event more, in time and memory that do not grow. x [B, d], time_gate [B, heads] -> y
        [B, d], new memory.

        `memory`: the last inputs of the convolution and the state [B, H, P, N]; None before the
        first event.
        """
        z, xBC, delta = self.in_proj(x).split(self.sizes, dim=-1)
        before = xBC.new_zeros(len(x), len(self.conv.weight) - 1, self.sizes[1])
        recent, state = memory or (before, 0)
        recent = torch.cat([recent, xBC[:, None]], dim=1)
        x, delta, B, C = self.operands(self.conv(recent)[:, -1], delta, time_gate)
        decay = torch.exp(-delta * self.A_log.exp())[..., None, None]
        state = decay * state + (delta[..., None] * x)[..., None] * B[:, None, None]
        y = (state @ C[:, None, :, None])[..., 0]  # [B, H, P]
        return self.close(y, x, z), (recent[:, 1:], state)
