"""The fast forms of linear recurrences, x_i = decay_i x_{i-1} + inputs_i: those of `models.ssm`
(complex, events second) and of `models.mamba` (real, events first). Shown in lessons 10 and 11.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from tutorial_lib.kernels.gradient import once_differentiable

# a tensor operation on fewer numbers than this costs its call and not its work
WORK_PER_CALL = 4096


class ComplexExpm1(torch.autograd.Function):
    """By real functions: torch's own takes five times as long on a CPU. Keeps its result alone."""

    @staticmethod
    def forward(ctx, z: Tensor) -> Tensor:
        grown, angle = torch.expm1(z.real), z.imag
        # no difference of two numbers near 1
        real = grown * torch.cos(angle) - 2 * torch.sin(angle / 2) ** 2
        result = torch.complex(real, (grown + 1) * torch.sin(angle))
        ctx.save_for_backward(result)
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> Tensor:
        (result,) = ctx.saved_tensors
        return grad * (result + 1).conj()


def expm1(z: Tensor) -> Tensor:
    """Of a real z torch's own."""
    return ComplexExpm1.apply(z) if z.is_complex() else torch.expm1(z)


def blockwise(decay: Tensor, inputs: Tensor) -> Tensor:
    """The recurrence in about 2 sqrt(L) tensor operations of each kind instead of L. [B, L, P] ->
    [B, L, P]; no gradient.

    All blocks walk through their events at the same time, each from an empty state. Then the last
    state of every block is carried into the next one, where the product of the decays since the
    block began says what is left of it. A large batch has enough to do at each event, and goes one
    event after another.
    """
    batch, length, width = inputs.shape
    # an exported program must do for every batch
    if torch.compiler.is_compiling() or batch * width >= WORK_PER_CALL:
        x = inputs.clone()
        for i in range(1, length):
            x[:, i].addcmul_(decay[:, i], x[:, i - 1])
        return x
    size = math.isqrt(length - 1) + 1
    blocks = -(-length // size)
    x, left = (
        F.pad(t, (0, 0, 0, blocks * size - length)).view(batch, blocks, size, width)
        for t in (inputs, decay)
    )
    for i in range(1, size):
        x[:, :, i].addcmul_(left[:, :, i], x[:, :, i - 1])
        # from here on: the product of the decays since the block began
        left[:, :, i].mul_(left[:, :, i - 1])
    for block in range(1, blocks):
        x[:, block].addcmul_(left[:, block], x[:, block - 1, -1:])
    return x.view(batch, -1, width)[:, :length]


class Scan(torch.autograd.Function):
    """`blockwise` with its gradient, the same run backwards. Keeps decays and states only."""

    @staticmethod
    def forward(ctx, decay: Tensor, inputs: Tensor) -> Tensor:
        states = blockwise(decay, inputs)
        ctx.save_for_backward(decay, states)
        return states

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor, Tensor]:
        decay, states = ctx.saved_tensors
        # state i acts on state i + 1 through decay i + 1
        onward = F.pad(decay, (0, 0, 0, 1)).flip(1)[:, :-1].conj()
        grad_inputs = blockwise(onward, grad.flip(1)).flip(1)
        del onward
        grad_decay = torch.zeros_like(grad_inputs)
        torch.mul(grad_inputs[:, 1:], states[:, :-1].conj(), out=grad_decay[:, 1:])
        return grad_decay, grad_inputs


def scan(decay: Tensor, inputs: Tensor, state: Tensor | None = None) -> Tensor:
    """`Scan`, in the wider of the two types; the `state` before the first event joins its input."""
    dtype = torch.promote_types(decay.dtype, inputs.dtype)
    decay, inputs = decay.to(dtype).expand_as(inputs), inputs.to(dtype)
    if state is not None:
        inputs = torch.cat([inputs[:, :1] + decay[:, :1] * state[:, None], inputs[:, 1:]], dim=1)
    return Scan.apply(decay, inputs)


def recursive_halving(decay: Tensor, inputs: Tensor) -> Tensor:
    """The recurrence in log2 L rounds, LRURec's parallel form (Yue et al. 2024). decay, inputs [B,
    L, P] -> [B, L, P]. Shown in lesson 10; `scan` gives the same in fewer passes over memory.

    The events are halved down to single ones; each round then joins neighbours: the second half
    receives the last state of the first, multiplied by the decays since then.
    """
    batch, length, width = inputs.shape
    size = 1 << (length - 1).bit_length()  # the next power of 2
    x, left = (F.pad(t, (0, 0, 0, size - length)) for t in (inputs, decay.expand_as(inputs)))
    half = 1
    while half < size:
        x, left = (t.view(batch, -1, 2, half, width) for t in (x, left))
        x = torch.stack([x[:, :, 0], x[:, :, 1] + left[:, :, 1] * x[:, :, 0, -1:]], dim=2)
        left = torch.stack([left[:, :, 0], left[:, :, 1] * left[:, :, 0, -1:]], dim=2)
        half *= 2
    return x.view(batch, size, width)[:, :length]


class LinearScan(torch.autograd.Function):
    """The recurrence along the first axis. The gradient is the same scan, run backwards."""

    @staticmethod
    def forward(ctx, a: Tensor, b: Tensor, start: Tensor) -> Tensor:
        states, state = torch.empty_like(b), start
        for t in range(len(b)):
            state = torch.addcmul(b[t], a[t], state, out=states[t])
        ctx.save_for_backward(a, states, start)
        return states

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        a, states, start = ctx.saved_tensors
        grad_a, grad_b = torch.empty_like(grad), torch.empty_like(grad)
        carried = torch.zeros_like(start)
        for t in reversed(range(len(a))):
            # what position t and all later ones ask of h_t
            arrived = torch.add(grad[t], carried, out=grad_b[t])
            torch.mul(arrived, states[t - 1] if t else start, out=grad_a[t])
            carried = a[t] * arrived
        return grad_a, grad_b, carried


def linear_scan(a: Tensor, b: Tensor, start: Tensor | None = None) -> Tensor:
    """`LinearScan`, from 0 where no start is given."""
    return LinearScan.apply(a, b, torch.zeros_like(b[0]) if start is None else start)


def selective_scan(
    x: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, *, chunk: int = 8
) -> Tensor:
    """The states [b, L, D, N] would fill the memory, so they exist for `chunk` positions at a time
    and, in training, are computed again when the gradient needs them.
    """

    def part(
        state: Tensor, x: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor
    ) -> tuple[Tensor, Tensor]:
        decay = torch.exp(delta[..., None] * A)  # [Q, b, D, N]
        states = linear_scan(decay, (delta * x)[..., None] * B[:, :, None], state)
        return (states @ C[..., None])[..., 0], states[-1]

    state, outputs = x.new_zeros(x.shape[0], *A.shape), []
    save = torch.is_grad_enabled() and x.shape[1] > chunk
    parts = (tensor.transpose(0, 1).contiguous().split(chunk) for tensor in (x, delta, B, C))
    for x_now, delta_now, B_now, C_now in zip(*parts, strict=True):
        now = state, x_now, delta_now, A, B_now, C_now
        saved = {"use_reentrant": False, "preserve_rng_state": False}
        y, state = checkpoint(part, *now, **saved) if save else part(*now)
        outputs.append(y)
    return torch.cat(outputs).transpose(0, 1)
