"""Causal self-attention.

    letter        meaning                         shape               in the paper
    B, L, H       batch, length, heads                                -, n, h
    d, d_head     width, and of a head: d / H                         d_model, d_k
    query, key,   what an event asks, offers,     [B, H, L, d_head]   Q, K, V
    value         and gives

Source: Vaswani et al. 2017, "Attention Is All You Need", section 3.2. Taught in lessons 04 and 05.
"""

import math

import torch
from torch import Tensor, nn

from tutorial_lib import kernels
from tutorial_lib.errors import TutorialError
from tutorial_lib.models.base import Dropout


def causal_mask(length: int) -> Tensor:
    """Which key each query may look at: bool [L, L], True at (i, j) when j <= i."""
    return torch.ones(length, length, dtype=torch.bool).tril()


def attention_weights(query: Tensor, key: Tensor, mask: Tensor | None = None) -> Tensor:
    """softmax(query key^T / sqrt(d)) with forbidden pairs at exactly zero.

    query [..., L, d], key [..., L, d], mask bool [L, L] or broadcastable (True = may look) -> [...,
    L, L], each row sums to 1. Every query must be allowed at least one key; the diagonal of a
    causal mask sees to that.
    """
    scores = query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])  # [..., L, L]
    if mask is not None:
        scores = scores.masked_fill(~mask, -torch.inf)  # before the softmax: exp(-inf) = 0
    return scores.softmax(dim=-1)


def attention(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> Tensor:
    """Each output row is a weighted mean of the value rows. Eq. 1. [..., L, d] -> [..., L, d]."""
    return attention_weights(query, key, mask) @ value


@kernels.fast(kernels.attention.causal_attention)
def causal_attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """`attention` in which no position sees a later one. [..., L, d] -> [..., L, d]."""
    return attention(query, key, value, causal_mask(query.shape[-2]).to(query.device))


def check_heads(width: int, heads: int) -> None:
    """Raises TutorialError unless the width can be split into equal heads."""
    if heads < 1 or width % heads:
        raise TutorialError(
            "the width {width} cannot be split into {heads} equal heads; choose a divisor"
            " of {width}",
            width=width,
            heads=heads,
        )


class CausalSelfAttention(nn.Module):
    """Multi-head causal self-attention, x [B, L, d] -> [B, L, d]. Section 3.2.2.

    Pads stand to the right of the real events, so the causal mask alone hides them from every real
    query. Dropout acts on the output, not on the weights: the fast form has none for them, and
    without it a training step at L = 200 takes about twice as long (`make bench`).
    """

    def __init__(self, dim: int, heads: int = 1, dropout: float = 0.0):
        super().__init__()
        check_heads(dim, heads)
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        parts = self.qkv(x).chunk(3, dim=-1)  # query, key, value [B, L, d]
        by_head = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in parts)
        mixed = causal_attention(*by_head)  # [B, H, L, d_head]
        return self.dropout(self.out(mixed.transpose(1, 2).flatten(2)))  # [B, L, d]
