"""The fast form of `losses.full_softmax`. Shown in lesson 07."""

import torch
from torch import Tensor

from tutorial_lib.kernels.gradient import once_differentiable

# entries of a [rows, num_items + 1] block of logits: 4 MB, small enough for a CPU's cache
LOGITS_AT_ONCE = 1_000_000


class ChunkedCrossEntropy(torch.autograd.Function):
    """Cross-entropy against all items without ever holding the [N, num_items + 1] matrix of logits.

    The gradient of a softmax is known in closed form, (probability - one-hot), so each block of
    rows yields its share of both gradients during the forward pass and its logits are then
    forgotten.
    """

    @staticmethod
    def forward(ctx, states: Tensor, weight: Tensor, targets: Tensor, rows: int) -> Tensor:
        count, total = len(targets), states.new_zeros(())
        grad_states, grad_weight = torch.empty_like(states), torch.zeros_like(weight)
        blocks = (part.split(rows) for part in (states, targets, grad_states))
        for x, y, grad_x in zip(*blocks, strict=True):  # [R, d], [R], [R, d]
            odds = x @ weight.T  # [R, V + 1]
            odds[:, 0] = -torch.inf  # PAD is never an answer
            top = odds.amax(dim=1, keepdim=True)
            right = odds.gather(1, y[:, None])  # [R, 1]
            odds.sub_(top).exp_()
            norm = odds.sum(dim=1, keepdim=True)  # probability = odds / norm
            total += (norm.log() + top - right).sum()
            scaled = x / norm  # dividing the [R, d] side spares a pass over [R, V + 1]
            torch.sub((odds @ weight).div_(norm), weight[y], out=grad_x)
            grad_weight.addmm_(odds.T, scaled).index_add_(0, y, x, alpha=-1)
        ctx.save_for_backward(grad_states.div_(count), grad_weight.div_(count))
        return total / count

    @staticmethod
    @once_differentiable
    def backward(ctx, grad: Tensor):
        grad_states, grad_weight = ctx.saved_tensors
        return grad * grad_states, grad * grad_weight, None, None


def full_softmax(states: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
    """`ChunkedCrossEntropy`, as many rows at a time as a CPU's cache can hold."""
    rows = max(32, LOGITS_AT_ONCE // len(weight))  # fewer than 32 rows make slow matrix products
    return ChunkedCrossEntropy.apply(states, weight, targets, rows)
