"""SASRec: self-attentive sequential recommendation.

Source: Kang and McAuley, ICDM 2018. Ours differs from the paper in three stated ways: LayerNorm
stands before each sub-layer and the residual carries the un-normalised input (pre-norm); attention
ends in an output projection; pads are on the right. Taught in lesson 07.
"""

import torch
from torch import Tensor, nn

from tutorial_lib.models.attention import CausalSelfAttention
from tutorial_lib.models.base import Dropout, SequenceModel, initialise


class FeedForward(nn.Module):
    """Two linear maps with a non-linearity between them, applied to every position alone. [B, L, d]
    -> [B, L, d].
    """

    def __init__(self, dim: int, hidden: int, dropout: float):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(dim, hidden),
            nn.GELU(),
            Dropout(dropout),
            nn.Linear(hidden, dim),
            Dropout(dropout),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


class Block(nn.Module):
    """One Transformer block, pre-norm: x + attention(norm(x)), then x + feed_forward(norm(x)). [B,
    L, d] -> [B, L, d].
    """

    def __init__(self, dim: int, heads: int, hidden: int, dropout: float):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attention = CausalSelfAttention(dim, heads, dropout)
        self.feed_forward = FeedForward(dim, hidden, dropout)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.norm1(x))
        return x + self.feed_forward(self.norm2(x))


class SASRec(SequenceModel):
    """items [B, L] -> states [B, L, d]: item plus position, `blocks` Transformer blocks, a last
    LayerNorm.
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
        self.blocks = nn.ModuleList(
            Block(dim, heads, hidden or dim, dropout) for _ in range(blocks)
        )
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
