"""GRU4Rec-style model: a gated recurrent unit over the item embeddings, scores by the tied item
table.

    letter   meaning                               shape        in the paper
    x        an event's item vector                [B, L, d]    x_t
    h        the state of the recurrent unit       [B, L, d]    h_t
    r, z     reset and update gate, within h       [B, L, d]    r_t, z_t

Source: Hidasi et al., ICLR 2016, section 3, with the training of today (every position, full
softmax) in place of session-parallel mini-batches; hence "-style": its numbers are not those of the
original code.
Taught in lesson 07.
"""

from torch import Tensor, nn

from tutorial_lib.models.base import Dropout, SequenceModel, initialise


class GRU4Rec(SequenceModel):
    """items [B, L] -> states [B, L, d]. Pads stand to the right, read after all events."""

    def __init__(
        self, num_items: int, max_len: int, dim: int = 64, *, blocks: int = 1, dropout: float = 0.2
    ):
        super().__init__(num_items, max_len, dim)
        self.dropout = Dropout(dropout)
        self.gru = nn.GRU(dim, dim, num_layers=blocks, batch_first=True)
        self.out = nn.Linear(dim, dim)
        self.apply(initialise)

    def forward(
        self, items: Tensor, times: Tensor | None = None, query_times: Tensor | None = None
    ) -> Tensor:
        x = self.dropout(self.item_embedding(items) * self.dim**0.5)  # [B, L, d]
        return self.out(self.dropout(self.gru(x)[0]))  # [B, L, d]
