"""SS4Rec: a state space that follows the clock (S5), then one that follows the items (S6).

    letter         meaning                              shape        in the paper
    x              what a block reads and writes        [B, L, d]    h
    steps, ahead   1 + log1p(gap / 1 h), see ssm.py     [B, L]       Delta

Source: arXiv 2502.08132. Ours differs from the published code in four stated ways: gaps count 1 +
log1p(gap / 1 h) instead of raw seconds, which wipe the state out within an hour; eigenvalues keep a
negative real part; the two LayerNorms of a block are two, not one used twice; the weights of the
steps are never multiplied out with B. Taught in lesson 13.
"""

import torch
from torch import Tensor, nn

from tutorial_lib.errors import TutorialError
from tutorial_lib.models.base import Dropout, SequenceModel, initialise
from tutorial_lib.models.mamba import SelectiveSSM
from tutorial_lib.models.ssm import S5, event_steps


class Block(nn.Module):
    """Time-aware S5, then relation-aware S6, each added and normalised (post-norm). [B, L, d]."""

    def __init__(
        self, dim: int, *, time_state: int, state: int, conv: int, expand: int, dropout: float
    ):
        super().__init__()
        self.time_aware = S5(dim, state=time_state)
        self.relation_aware = SelectiveSSM(dim, state=state, expand=expand, conv=conv)
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor, steps: Tensor, ahead: Tensor | None) -> Tensor:
        x = self.norm1(x + self.dropout(self.time_aware(x, steps, ahead)))
        return self.norm2(x + self.dropout(self.relation_aware(x)))


class SS4Rec(SequenceModel):
    """items [B, L] -> states [B, L, d]. As published without positions and feed-forward parts.

    `query_time=True`, as published: an event is held until the next one, and position i is read at
    query_times[i] (without them at the event). `False`: position i knows the gaps up to event i
    only, over which the input is held. `clock="none"`, the time-blind twin: every step is 1.
    """

    uses_time, blind = True, {"clock": "none", "query_time": False}

    def __init__(
        self,
        num_items: int,
        max_len: int,
        dim: int = 64,
        *,
        blocks: int = 2,
        time_state: int = 32,
        state: int = 32,
        conv: int = 4,
        expand: int = 2,
        dropout: float = 0.2,
        query_time: bool = False,
        clock: str = "real",
    ):
        super().__init__(num_items, max_len, dim)
        if clock not in ("real", "none"):
            raise TutorialError("unknown clock {clock!r}: choose 'real' or 'none'", clock=clock)
        self.uses_time, self.query_time = clock == "real", query_time
        sizes = {"time_state": time_state, "state": state, "conv": conv, "expand": expand}
        self.blocks = nn.ModuleList(Block(dim, **sizes, dropout=dropout) for _ in range(blocks))
        self.apply(initialise)

    def forward(
        self, items: Tensor, times: Tensor | None = None, query_times: Tensor | None = None
    ) -> Tensor:
        x, ahead = self.item_embedding(items), None  # [B, L, d]
        if not self.uses_time:
            steps = torch.ones(items.shape, dtype=x.dtype, device=x.device)
        else:
            steps, ahead = event_steps(times, query_times)
        for block in self.blocks:
            x = block(x, steps, ahead if self.query_time else None)
        return x
