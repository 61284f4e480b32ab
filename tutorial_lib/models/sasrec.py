"""SASRec: self-attentive sequential recommendation.

    letter   meaning                          shape         in the paper
    E        item table, row 0 PAD            [V + 1, d]    M, eq. 1
    P        position table                   [max_len, d]  P, eq. 1
    x        what a block reads and writes    [B, L, d]     E-hat, F

Source: Kang and McAuley, ICDM 2018. Ours differs from the paper in three stated ways: LayerNorm
stands before each sub-layer and the residual carries the un-normalised input (pre-norm); attention
ends in an output projection; pads are on the right. Taught in lesson 07.
"""

import torch
from torch import Tensor, nn

from tutorial_lib.models.attention import CausalSelfAttention
from tutorial_lib.models.base import Dropout, SequenceModel, initialise


class FeedForward(nn.Module):
    """Two linear maps, a non-linearity between them, for each position alone. Eq. 4. [B, L, d].
    Taught in lesson 06.
    """

    def __init__(self, dim: int, hidden: int, dropout: float):
        super().__init__()
        first, last = nn.Linear(dim, hidden), nn.Linear(hidden, dim)
        self.layers = nn.Sequential(first, nn.GELU(), Dropout(dropout), last, Dropout(dropout))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


class Block(nn.Module):
    """x + attention(norm(x)), then x + feed_forward(norm(x)): pre-norm. Section 3.2. [B, L, d]."""

    attention_class = CausalSelfAttention

    def __init__(self, dim: int, heads: int, hidden: int, dropout: float):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attention = self.attention_class(dim, heads, dropout)
        self.feed_forward = FeedForward(dim, hidden, dropout)

    def forward(self, x: Tensor, *known: tuple) -> Tensor:
        x = x + self.attention(self.norm1(x), *known)  # `known`: what else attention looks at
        return x + self.feed_forward(self.norm2(x))


class SASRec(SequenceModel):
    """items [B, L] -> states [B, L, d]: item plus position, `blocks` blocks, a last LayerNorm. Eq.
    1 to 4. Taught in lesson 07.
    """

    limited = True

    def __init__(
        self,
        num_items: int,
        max_len: int,
        dim: int = 64,
        *,
        blocks: int = 2,
        heads: int = 1,
        hidden: int | None = None,
        dropout: float = 0.2,
    ):
        super().__init__(num_items, max_len, dim)
        self.position_embedding = nn.Embedding(max_len, dim)
        self.dropout = Dropout(dropout)
        sizes = dim, heads, hidden or dim, dropout
        self.blocks = nn.ModuleList(Block(*sizes) for _ in range(blocks))
        self.norm = nn.LayerNorm(dim)
        self.apply(initialise)

    def forward(
        self, items: Tensor, times: Tensor | None = None, query_times: Tensor | None = None
    ) -> Tensor:
        positions = torch.arange(items.shape[1], device=items.device)
        # [B, L, d]
        x = self.item_embedding(items) * self.dim**0.5 + self.position_embedding(positions)
        return self.norm(self.through_blocks(self.dropout(x)))

    def through_blocks(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x)
        return x
