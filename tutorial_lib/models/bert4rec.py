"""BERT4Rec: a Transformer that reads a history from both sides and fills in hidden events (Cloze).

    letter     meaning                                        shape             in the paper
    B, L       batch, events; a row has room for one more
    E, P       item table (row 0 PAD), position table         [V + 1, d], [.]   E, P
    m          the row of [mask], beside the table            [d]               a row of E
    real       where an event or a [mask] stands              bool [B, L + 1]
    h          what a block reads and writes                  [B, L + 1, d]     h^l
    W, b, b_o  the projection before the scores               [d, d], [d], [V]  W^P, b^P, b^O
    rho        share of events that are hidden in training                      rho

[mask] is no row of the item table, so nothing can recommend it. Source: Sun et al., CIKM 2019. In
many comparisons it was trained too briefly (Petrov and Macdonald, RecSys 2022); with the same loss
SASRec keeps up with it (Klenitskiy and Vasilev, RecSys 2023). Used beside SASRec, which is taught
in lesson 07.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tutorial_lib.config import TrainConfig
from tutorial_lib.data.sequences import Batch
from tutorial_lib.errors import TutorialError
from tutorial_lib.models.attention import CausalSelfAttention, attention
from tutorial_lib.models.base import Dropout, SequenceModel, initialise
from tutorial_lib.models.sasrec import FeedForward


class SelfAttention(CausalSelfAttention):
    """The same maps without the causal mask: every real event is seen. Section 3.3."""

    def forward(self, x: Tensor, real: Tensor) -> Tensor:
        parts = self.qkv(x).chunk(3, dim=-1)  # query, key, value [B, L, d]
        by_head = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in parts)
        mixed = attention(*by_head, real[:, None, None])  # [B, H, L, d_head]
        return self.dropout(self.out(mixed.transpose(1, 2).flatten(2)))  # [B, L, d]


class Block(nn.Module):
    """norm(x + attention(x)), then norm(x + feed_forward(x)): post-norm. Section 3.3. [B, L, d]."""

    def __init__(self, dim: int, heads: int, hidden: int, dropout: float):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attention = SelfAttention(dim, heads, dropout)
        self.feed_forward = FeedForward(dim, hidden, dropout)

    def forward(self, x: Tensor, real: Tensor) -> Tensor:
        x = self.norm1(x + self.attention(x, real))
        return self.norm2(x + self.feed_forward(x))


class BERT4Rec(SequenceModel):
    """items [B, L] -> states [B, L, d]: [mask] is put after each history, and the state of the last
    real position is read there. Only that one answers "what comes next?": those before it have seen
    their answer.

    `mask_share`: rho. `last_share` of the windows hide their last event alone, as when it is asked.
    """

    limited, causal = True, False

    def __init__(
        self,
        num_items: int,
        max_len: int,
        dim: int = 64,
        *,
        blocks: int = 2,
        heads: int = 2,
        hidden: int | None = None,
        dropout: float = 0.2,
        mask_share: float = 0.2,
        last_share: float = 0.1,
    ):
        super().__init__(num_items, max_len, dim)
        if not (0 <= mask_share <= 1 and 0 <= last_share <= 1):
            raise TutorialError(
                "got mask_share={mask_share!r}, last_share={last_share!r}: shares lie between"
                " 0 and 1",
                mask_share=mask_share,
                last_share=last_share,
            )
        self.mask_share, self.last_share = mask_share, last_share
        self.mask = nn.Parameter(0.02 * torch.randn(dim))
        self.position_embedding = nn.Embedding(max_len + 1, dim)
        self.dropout = Dropout(dropout)
        sizes = dim, heads, hidden or 4 * dim, dropout
        self.blocks = nn.ModuleList(Block(*sizes) for _ in range(blocks))
        self.out, self.item_bias = nn.Linear(dim, dim), nn.Parameter(torch.zeros(num_items + 1))
        self.apply(initialise)
        for part in self.modules():  # with 0.02, as published for wider ones, they learn far slower
            if isinstance(part, nn.Linear):
                nn.init.xavier_uniform_(part.weight)

    def forward(
        self, items: Tensor, times: Tensor | None = None, query_times: Tensor | None = None
    ) -> Tensor:
        longer = F.pad(items, (0, 1))  # [B, L + 1]
        masked = (longer == 0) & (F.pad(items, (1, 0), value=1) > 0)  # first behind the history
        return self.encode(longer, masked)[:, 1:]

    def encode(self, items: Tensor, masked: Tensor) -> Tensor:
        """Sections 3.4, 3.5, up to the scores. items masked [B, L + 1] -> [B, L + 1, d]."""
        x = torch.where(masked[..., None], self.mask, self.item_embedding(items))
        x = self.dropout(x + self.position_embedding.weight[: items.shape[1]])  # [B, L + 1, d]
        for block in self.blocks:
            x = block(x, masked | (items > 0))
        return F.gelu(self.out(x))

    def hide(self, real: Tensor, generator: torch.Generator) -> Tensor:
        """Each event by rho; in some windows the last alone. real bool [B, L] -> bool [B, L]."""
        draws = torch.rand(len(real), real.shape[1] + 1, generator=generator).to(real.device)
        hidden = (draws[:, 1:] < self.mask_share) & real
        last = real & ~F.pad(real[:, 1:], (0, 1))
        only_last = (draws[:, :1] < self.last_share) | ~hidden.any(dim=1, keepdim=True)
        return torch.where(only_last, last, hidden)

    def loss(self, batch: Batch, config: TrainConfig, generator: torch.Generator) -> Tensor:
        """Cloze, section 3.6: the mean over the hidden events of a window with its last target."""
        rows, ends = torch.arange(len(batch.items), device=batch.items.device), batch.lengths
        whole = F.pad(batch.items, (0, 1))  # [B, L + 1]
        whole[rows, ends] = batch.targets[rows, ends - 1]
        hidden = self.hide(whole > 0, generator)
        states = self.encode(whole, hidden)
        if config.loss == "ce":  # over all items, each with its bias
            return F.cross_entropy(self.score(states[hidden]), whole[hidden])
        return self.loss_at(states, whole * hidden, config, generator)

    def score(self, states: Tensor) -> Tensor:
        return super().score(states) + self.item_bias

    def score_items(self, states: Tensor, items: Tensor) -> Tensor:
        return super().score_items(states, items) + self.item_bias[items]
