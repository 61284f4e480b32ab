"""Slow and obvious versions of lessons 08 and 09: TiSASRec with four-dimensional relation tensors,
mHC with unrolled Sinkhorn.
"""

import math

import torch
from torch import Tensor, nn

from tutorial_lib import kernels
from tutorial_lib.models.base import initialise
from tutorial_lib.models.mhc import SASRecMHC
from tutorial_lib.models.tisasrec import TiSASRec


def relation_attention(
    query: Tensor, key: Tensor, value: Tensor, relation_key: Tensor, relation_value: Tensor
) -> Tensor:
    """query, key, value [B, H, L, d_head], relations [B, H, L, L, d_head] -> [B, H, L, d_head]."""
    scores = query @ key.transpose(2, 3) + (relation_key @ query[..., None])[..., 0]
    allowed = torch.ones(scores.shape[-2:], dtype=torch.bool).tril()
    weights = (scores / math.sqrt(query.shape[-1])).masked_fill(~allowed, -torch.inf).softmax(3)
    return weights @ value + (weights[..., None, :] @ relation_value)[..., 0, :]


class NaiveAttention(nn.Module):
    """`IntervalAttention` as the public ports have it: relations looked up and dropped out pair by
    pair, weights dropped out.
    """

    def __init__(self, dim: int, heads: int, dropout: float):
        super().__init__()
        self.heads, self.qkv, self.out = heads, nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, tables: tuple[Tensor, ...]) -> Tensor:
        position_key, position_value, relation_key, relation_value, _ = tables
        query, key, value = self.qkv(x).chunk(3, dim=-1)
        parts = (query, key + position_key, value + position_value, relation_key, relation_value)
        query, key, value, *relations = (part.unflatten(-1, (self.heads, -1)) for part in parts)
        query, key, value = (part.transpose(1, 2) for part in (query, key, value))
        mixed = relation_attention(
            query, key, value, *(part.permute(0, 3, 1, 2, 4) for part in relations)
        )
        return self.dropout(self.out(mixed.transpose(1, 2).flatten(2)))


class TextbookTiSASRec(TiSASRec):
    """The same network with the relation tensors [B, L, L, d]; with dropout 0 the same numbers."""

    def __init__(
        self,
        num_items: int,
        max_len: int,
        dim: int,
        *,
        heads: int = 1,
        dropout: float = 0.2,
        **options,
    ):
        super().__init__(num_items, max_len, dim, heads=heads, dropout=dropout, **options)
        self.dropout = nn.Dropout(dropout)
        for block in self.blocks:
            block.attention = NaiveAttention(dim, heads, dropout)
        self.apply(initialise)

    def tables(self, times: Tensor, query_times: Tensor | None, users: Tensor | None):
        buckets = self.intervals(times, times, users)
        places = torch.arange(times.shape[1]).expand_as(times)
        tables = (
            self.position_key(places),
            self.position_value(places),
            self.interval_key(buckets),
            self.interval_value(buckets),
        )
        return (*map(self.dropout, tables), buckets)


def unrolled_sinkhorn(logits: Tensor, iterations: int = 20) -> Tensor:
    """Columns, then rows, by division, again and again; autograd keeps every step. [..., n, n] ->
    [..., n, n].
    """
    matrix = logits.exp()
    for _ in range(iterations):
        matrix = matrix / matrix.sum(-2, keepdim=True)
        matrix = matrix / matrix.sum(-1, keepdim=True)
    return matrix


class TextbookSASRecMHC(SASRecMHC):
    """The same network by the formulas as they stand."""

    def through_blocks(self, x: Tensor) -> Tensor:
        with kernels.use(False):
            return super().through_blocks(x)
