"""HSTU: attention without a softmax, gated, that knows how far back and how long ago an event was.

    letter      meaning                                        shape          in the paper
    d_h         width of a head; H heads give `hidden`                        d_qk = d_v
    x           what a block reads and writes                  [B, L, d]      X, Y
    q, k, v     what an event asks, offers and gives           [B, H, L, d_h] Q, K, V
    u           gate, what of the answer is let through        [B, L, hidden] U
    r_ij        bias of event j for position i                 [B, 1, L, L]   rab^{p,t}
    p, w        its tables: events back, bucket of the time    [L], [129]     rab^p, rab^t

    u, v, q, k = SiLU(norm(x) W)                                              eq. 1
    a_ij       = SiLU(q_i . k_j + r_ij) / i, over the events j = 1..i         eq. 2
    x         <- x + (u * norm(sum_j a_ij v_j)) W_o + b_o                     eq. 3
    r_ij       = p[i - j] + w[bucket(asked_i - t_j)]

Sources: Zhai et al., "Actions speak louder than words", ICML 2024, section 3, and its public code
for what the paper leaves open: norms without weights, the buckets, the scores. Ours differs in
three stated ways. A sum is divided by the number i of events that it may read, not by the length of
the padded window, so neither pads nor later events change a state (the norm that follows takes most
of this factor out again). p has no rows for later events. Every item is a negative in the default
loss, not 128 drawn ones. Taught in lesson 07.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tutorial_lib.errors import TutorialError
from tutorial_lib.models.attention import causal_mask, check_heads
from tutorial_lib.models.base import Dropout, SequenceModel, initialise

BIASES = ("both", "position", "time", "none")
BUCKETS, BUCKET_WIDTH = 129, 0.301  # a bucket is as wide as a factor of e^0.301 = 1.35
TEMPERATURE = 0.05


def time_buckets(asked: Tensor, times: Tensor) -> Tensor:
    """floor(ln(max(1, |asked_i - t_j|)) / 0.301), at most 128. asked, times int64 [B, L], seconds
    -> int32 [B, L, L].
    """
    gaps = (asked[:, :, None] - times[:, None, :]).abs_().clamp_(min=1)  # whole seconds
    return (gaps.float().log_() / BUCKET_WIDTH).int().clamp_(max=BUCKETS - 1)


def norm(x: Tensor) -> Tensor:
    """LayerNorm without scale and shift, over the last axis."""
    return F.layer_norm(x, x.shape[-1:], eps=1e-6)


def pointwise_attention(query: Tensor, key: Tensor, value: Tensor, bias: Tensor | float) -> Tensor:
    """Each output row i is the sum of the value rows j = 1..i, each times SiLU(q_i . k_j + r_ij) /
    i. Eq. 2. [B, H, L, d_h], bias [B, 1, L, L] or broadcastable -> [B, H, L, d_h].

    The weights are no probabilities: some may be negative, and they need not sum to 1.
    """
    seen = causal_mask(query.shape[-2]).to(query)  # [L, L]
    share = seen / seen.sum(dim=1, keepdim=True)  # 1 / i for each of the i events seen, else 0
    return F.silu(query @ key.transpose(-2, -1) + bias) * share @ value


class Block(nn.Module):
    """Projection, pointwise attention, gate and residual: eq. 1 to 3. x [B, L, d] -> [B, L, d]."""

    def __init__(self, dim: int, heads: int, hidden: int, dropout: float, bias: str, max_len: int):
        super().__init__()
        check_heads(hidden, heads)
        self.heads, self.dropout = heads, Dropout(dropout)
        self.uvqk, self.out = nn.Linear(dim, 4 * hidden, bias=False), nn.Linear(hidden, dim)
        self.position_bias, self.time_bias = (  # p and w, one of each for all heads
            nn.Parameter(0.02 * torch.randn(rows)) if bias in (kind, "both") else None
            for kind, rows in (("position", max_len), ("time", BUCKETS))
        )

    def bias(self, buckets: Tensor | None, length: int) -> Tensor | float:
        """r_ij, [B, 1, L, L]. buckets int32 [B, L, L], None where no clock is read."""
        bias = 0.0
        if self.position_bias is not None:
            index = torch.arange(length, device=self.position_bias.device)
            bias = self.position_bias[(index[:, None] - index).clamp(min=0)]  # [L, L]
        if self.time_bias is not None:
            looked_up = self.time_bias.index_select(0, buckets.flatten())
            bias = bias + looked_up.view_as(buckets)[:, None]
        return bias

    def forward(self, x: Tensor, buckets: Tensor | None) -> Tensor:
        u, *parts = F.silu(self.uvqk(norm(x))).chunk(4, dim=-1)  # [B, L, hidden] each
        v, q, k = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in parts)
        mixed = pointwise_attention(q, k, v, self.bias(buckets, x.shape[1]))  # [B, H, L, d_h]
        gated = u * norm(mixed.transpose(1, 2).flatten(2))  # [B, L, hidden]
        return x + self.out(self.dropout(gated))


class HSTU(SequenceModel):
    """items, times [B, L] -> states [B, L, d]: item plus position, then `blocks` blocks. Time
    enters only through differences, so shifting all clocks changes nothing.

    `hidden`: width of u, v, q and k over all heads, `dim` if None. `bias`: "both", "position",
    "time" or "none". `query_time=True`, as published: time since event j when position i is asked,
    t_(i+1) - t_j in training; without `query_times` the model falls back to the time of event i.
    False: t_i - t_j. `normalise=True`, as published: states and item table are put on the unit
    sphere and a score is their cosine / 0.05; False: plain products with a normalised last state.
    """

    uses_time = limited = True
    blind = {"bias": "position", "query_time": False}

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
        bias: str = "both",
        query_time: bool = False,
        normalise: bool = True,
    ):
        super().__init__(num_items, max_len, dim)
        self.uses_time = bias in ("both", "time")
        if bias not in BIASES or (query_time and not self.uses_time):
            raise TutorialError(
                "hstu got bias={bias!r} and query_time={query_time!r}: use {biases}, and"
                " query_time with 'both' or 'time' alone, as the others read no clock",
                bias=bias,
                query_time=query_time,
                biases=", ".join(BIASES),
            )
        self.query_time, self.normalise = query_time, normalise
        self.position_embedding, self.dropout = nn.Embedding(max_len, dim), Dropout(dropout)
        sizes = dim, heads, hidden or dim, dropout, bias, max_len
        self.blocks = nn.ModuleList(Block(*sizes) for _ in range(blocks))
        self.apply(initialise)
        for block in self.blocks:
            nn.init.xavier_uniform_(block.out.weight)

    def item_vectors(self, items: Tensor | None = None) -> Tensor:
        vectors = super().item_vectors(items)
        return F.normalize(vectors, dim=-1) if self.normalise else vectors

    def forward(
        self, items: Tensor, times: Tensor | None = None, query_times: Tensor | None = None
    ) -> Tensor:
        asked = query_times if self.query_time and query_times is not None else times
        buckets = time_buckets(asked, times) if self.uses_time else None  # once for all blocks
        positions = torch.arange(items.shape[1], device=items.device)
        x = self.item_embedding(items) * self.dim**0.5 + self.position_embedding(positions)
        x = self.dropout(x)  # [B, L, d]
        for block in self.blocks:
            x = block(x, buckets)
        return F.normalize(x, dim=-1) / TEMPERATURE if self.normalise else norm(x)
