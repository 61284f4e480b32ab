"""Slow and obvious versions, to compare with: a SASRec step as widely used ports write it, batches by
loops.
"""

from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tutorial_lib.models.base import SequenceModel, initialise


class TextbookBlock(nn.Module):
    """Pre-norm block around `nn.MultiheadAttention` with a mask, as the common PyTorch ports of
    SASRec have it.
    """

    def __init__(self, dim: int, heads: int, dropout: float):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        # in its default layout, [L, B, d]
        self.attention = nn.MultiheadAttention(dim, heads, dropout)
        self.inner, self.outer = nn.Conv1d(dim, dim, 1), nn.Conv1d(dim, dim, 1)
        self.dropout1, self.dropout2 = nn.Dropout(dropout), nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        length = x.shape[1]
        forbidden = ~torch.ones(length, length, dtype=torch.bool).tril()
        query = self.norm1(x).transpose(0, 1)
        x = x + self.attention(query, query, query, attn_mask=forbidden)[0].transpose(0, 1)
        hidden = self.dropout1(F.relu(self.inner(self.norm2(x).transpose(1, 2))))
        return x + self.dropout2(self.outer(hidden)).transpose(1, 2)


class TextbookSASRec(SequenceModel):
    """The same network as `SASRec`, without the fused kernel."""

    def __init__(
        self,
        num_items: int,
        max_len: int,
        dim: int,
        *,
        blocks: int = 2,
        heads: int = 1,
        dropout: float = 0.2,
    ):
        super().__init__(num_items, max_len, dim)
        self.position_embedding = nn.Embedding(max_len, dim)
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(TextbookBlock(dim, heads, dropout) for _ in range(blocks))
        self.norm = nn.LayerNorm(dim)
        self.apply(initialise)

    def forward(
        self, items: Tensor, times: Tensor | None = None, query_times: Tensor | None = None
    ) -> Tensor:
        # looked up for every event of the batch
        positions = torch.arange(items.shape[1]).expand_as(items)
        x = self.item_embedding(items) * self.dim**0.5 + self.position_embedding(positions)
        x = self.dropout(x)
        for block in self.blocks:
            x = block(x)
        return self.norm(x)


def textbook_bce(
    model: SequenceModel, states: Tensor, targets: Tensor, negatives: Tensor
) -> Tensor:
    """BCE over all positions of [B, L], pads masked out afterwards, as the ports do it."""
    positive = (states * model.item_embedding(targets)).sum(-1)
    negative = (states * model.item_embedding(negatives)).sum(-1)
    criterion, real = nn.BCEWithLogitsLoss(), targets > 0
    loss = criterion(positive[real], torch.ones_like(positive[real]))
    return loss + criterion(negative[real], torch.zeros_like(negative[real]))


def textbook_batches(
    histories: list[list[int]], max_len: int, batch_size: int, seed: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Inputs and targets [B, max_len] in random order, filled event by event from the end, as the
    samplers of the ports do it.
    """
    order = np.random.default_rng(seed).permutation(len(histories))
    for first in range(0, len(order), batch_size):
        users = order[first : first + batch_size]
        inputs, targets = (
            np.zeros((len(users), max_len), dtype=np.int64),
            np.zeros((len(users), max_len), dtype=np.int64),
        )
        for row, user in enumerate(users):
            following, place = histories[user][-1], max_len - 1
            for item in reversed(histories[user][:-1]):
                inputs[row, place], targets[row, place] = item, following
                following, place = item, place - 1
                if place < 0:
                    break
        yield torch.from_numpy(inputs), torch.from_numpy(targets)
