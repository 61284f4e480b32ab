"""TiSASRec: self-attention that sees how long ago each event was.

Between query i and key j lies an interval; its bucket b_ij picks one row of a key table R^K and of
a value table R^V:

    score_ij = Q_i . (K_j + P^K_j + R^K[b_ij]) / sqrt(d_head),    output_i = sum_j a_ij (V_j + P^V_j
        + R^V[b_ij])

The published code looks up R[b], one vector for every pair: two tensors [B, L, L, d]. Here the
query is multiplied by the K + 1 rows of R^K first and the products are picked, and the attention
weights are summed by bucket before they meet R^V: the same numbers from [B, H, L, K + 1]. Source:
Li, Wang and McAuley, WSDM 2020, sections 3.3 to 3.5. Like our SASRec, and unlike the paper, blocks
are pre-norm with an output projection; dropout acts on the tables, not on the looked-up pairs.
Taught in lesson 08.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from tutorial_lib import kernels
from tutorial_lib.data.splits import Split
from tutorial_lib.errors import TutorialError
from tutorial_lib.models.attention import causal_mask
from tutorial_lib.models.base import Dropout, SequenceModel, initialise
from tutorial_lib.models.sasrec import FeedForward

BUCKETINGS = ("log", "linear")
MINUTE = 60


class IntervalTables(NamedTuple):
    """What all blocks share: positions [L, d] and intervals [K + 1, d], for keys and for values,
    and buckets int64 [B, L, L].
    """

    position_key: Tensor
    position_value: Tensor
    interval_key: Tensor
    interval_value: Tensor
    buckets: Tensor


def linear_buckets(gaps: Tensor, unit: Tensor, last: int) -> Tensor:
    """The paper's buckets: whole units, at most `last`. gaps int64 [B, L, L] seconds, unit int64
    [B, 1, 1] -> int64 [B, L, L].
    """
    return (gaps // unit).clamp_(max=last)


def log_buckets(gaps: Tensor, horizon: Tensor, last: int) -> Tensor:
    """Buckets of equal width in log(1 + gap / 1 min); `horizon` seconds and more are in the `last`
    one. int64 [B, L, L].
    """
    scale = last / math.log1p(float(horizon) / MINUTE)
    return (gaps.float() / MINUTE).log1p_().mul_(scale).round_().clamp_(max=last).long()


def personal_units(users: Tensor, times: Tensor, num_users: int) -> Tensor:
    """Smallest non-zero gap between consecutive events of each user; 0 where there is none. users,
    times int64 [N], sorted by user and time -> int64 [num_users]. Source: the paper's section 3.2.
    """
    gaps, same = times.diff(), users.diff() == 0
    keep = same & (gaps > 0)
    far = torch.iinfo(torch.int64).max
    units = torch.full((num_users,), far).scatter_reduce(0, users[1:][keep], gaps[keep], "amin")
    return units.where(units < far, 0)


class Intervals(nn.Module):
    """Times to buckets 0..last. What it needs to know is fitted on the training part and kept in
    buffers.

    "log": the horizon, the longest training history. "linear": each user's unit; a user without one
    gets the median unit.
    """

    def __init__(self, last: int, bucketing: str, num_users: int):
        super().__init__()
        if bucketing not in BUCKETINGS or last < 0:
            raise TutorialError(
                f"got bucketing={bucketing!r} and buckets={last}: use {' or '.join(BUCKETINGS)},"
                " and 0 or more"
            )
        self.last, self.bucketing = last, bucketing
        self.register_buffer("horizon", torch.tensor(365 * 86_400))
        self.register_buffer("median_unit", torch.tensor(MINUTE))
        self.register_buffer("unit", torch.zeros(num_users, dtype=torch.int64))

    def fit_time(self, split: Split) -> None:
        users, times = (
            torch.from_numpy(split.train[name].to_numpy().copy()) for name in ("user", "timestamp")
        )
        # where the next user begins; a user without events has no span
        offsets = torch.bincount(users).cumsum(0)
        first = torch.cat([offsets.new_zeros(1), offsets[:-1]]).clamp(max=len(times) - 1)
        self.horizon.fill_(int((times[offsets - 1] - times[first]).max().clamp(min=MINUTE)))
        units = personal_units(users, times, split.dataset.num_users)
        if (units > 0).any():
            self.median_unit.fill_(int(units[units > 0].median()))
        if len(self.unit):
            self.unit.copy_(units)

    def forward(self, times: Tensor, query_times: Tensor, users: Tensor | None) -> Tensor:
        """times, query_times int64 [B, L]: when the key happened and when the query asks; users
        int64 [B] -> int64 [B, L, L].
        """
        gaps = (query_times[:, :, None] - times[:, None, :]).abs_()
        if self.bucketing == "log":
            return log_buckets(gaps, self.horizon, self.last)
        unit = self.median_unit
        if users is not None and len(self.unit):
            unit = self.unit[users].where(self.unit[users] > 0, self.median_unit)[:, None, None]
        return linear_buckets(gaps, unit, self.last)


@kernels.fast(kernels.attention.interval_attention)  # without the two tensors [B, H, L, L, d_head]
def interval_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    interval_key: Tensor,
    interval_value: Tensor,
    buckets: Tensor,
) -> Tensor:
    """Causal attention with a vector for each interval, as published: section 3.4. Lesson 08.

    query, key, value [B, H, L, d_head], interval_key, interval_value [H, K + 1, d_head], buckets
    int64 [B, L, L] -> [B, H, L, d_head].
    """
    relation_key = interval_key[:, buckets].transpose(0, 1)  # [B, H, L, L, d_head]
    relation_value = interval_value[:, buckets].transpose(0, 1)  # [B, H, L, L, d_head]
    scores = (query[..., None, :] * (key[..., None, :, :] + relation_key)).sum(-1)  # [B, H, L, L]
    allowed = causal_mask(query.shape[2]).to(query.device)
    scores = (scores / math.sqrt(query.shape[3])).masked_fill(~allowed, -torch.inf)
    weights = scores.softmax(-1)  # [B, H, L, L], rows sum to 1
    return (weights[..., None] * (value[..., None, :, :] + relation_value)).sum(-2)


class IntervalAttention(nn.Module):
    """Multi-head `interval_attention` with projections. x [B, L, d] -> [B, L, d]. Tables are split
    by head, not projected.
    """

    def __init__(self, dim: int, heads: int = 1, dropout: float = 0.0):
        super().__init__()
        if heads < 1 or dim % heads:
            raise TutorialError(
                f"the width {dim} cannot be split into {heads} equal heads; choose a divisor of"
                f" {dim}"
            )
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor, tables: IntervalTables) -> Tensor:
        query, key, value = self.qkv(x).chunk(3, dim=-1)
        key, value = key + tables.position_key, value + tables.position_value
        parts = (query, key, value, tables.interval_key, tables.interval_value)
        by_head = (part.unflatten(-1, (self.heads, -1)).transpose(-3, -2) for part in parts)
        mixed = interval_attention(*by_head, tables.buckets)  # [B, H, L, d_head]
        return self.dropout(self.out(mixed.transpose(1, 2).flatten(2)))


class IntervalBlock(nn.Module):
    """SASRec's block with `IntervalAttention`. [B, L, d] -> [B, L, d]."""

    def __init__(self, dim: int, heads: int, hidden: int, dropout: float):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attention = IntervalAttention(dim, heads, dropout)
        self.feed_forward = FeedForward(dim, hidden, dropout)

    def forward(self, x: Tensor, tables: IntervalTables) -> Tensor:
        x = x + self.attention(self.norm1(x), tables)
        return x + self.feed_forward(self.norm2(x))


class TiSASRec(SequenceModel):
    """items, times [B, L] -> states [B, L, d]. Time enters only through differences, so shifting
    all clocks changes nothing.

    `buckets`: K, the last bucket (0: all intervals alike). `bucketing`: "log", or "linear" as
    published, with personal units; then `users` says whose (the median unit without it).
    `query_time=False`, as published: interval from event i to event j. True: from the time at which
    position i is asked; without `query_times` the model then falls back to the time of event i.
    """

    uses_time = True
    takes_users = limited = True
    num_users = property(lambda self: len(self.intervals.unit) or None)

    def __init__(
        self,
        num_items: int,
        max_len: int,
        dim: int = 64,
        *,
        num_users: int | None = None,
        blocks: int = 2,
        heads: int = 1,
        hidden: int | None = None,
        dropout: float = 0.2,
        buckets: int = 64,
        bucketing: str = "log",
        query_time: bool = False,
    ):
        super().__init__(num_items, max_len, dim)
        self.query_time = query_time
        personal = (num_users or 0) if bucketing == "linear" else 0
        self.intervals = Intervals(buckets, bucketing, personal)
        self.position_key, self.position_value = (
            nn.Embedding(max_len, dim),
            nn.Embedding(max_len, dim),
        )
        self.interval_key, self.interval_value = (
            nn.Embedding(buckets + 1, dim),
            nn.Embedding(buckets + 1, dim),
        )
        self.dropout = Dropout(dropout)
        self.blocks = nn.ModuleList(
            IntervalBlock(dim, heads, hidden or dim, dropout) for _ in range(blocks)
        )
        self.norm = nn.LayerNorm(dim)
        self.apply(initialise)

    def tables(
        self, times: Tensor, query_times: Tensor | None, users: Tensor | None
    ) -> IntervalTables:
        asked = times if query_times is None or not self.query_time else query_times
        buckets = self.intervals(times, asked, users)
        occurring = int(buckets.max()) + 1  # rows of later buckets are not looked at
        positions = (
            table.weight[: times.shape[1]] for table in (self.position_key, self.position_value)
        )
        intervals = (table.weight[:occurring] for table in (self.interval_key, self.interval_value))
        return IntervalTables(*map(self.dropout, (*positions, *intervals)), buckets)

    def through_blocks(self, x: Tensor, tables: IntervalTables) -> Tensor:
        for block in self.blocks:
            x = block(x, tables)
        return x

    def forward(
        self,
        items: Tensor,
        times: Tensor | None = None,
        query_times: Tensor | None = None,
        *,
        users: Tensor | None = None,
    ) -> Tensor:
        tables = self.tables(times, query_times, users)
        # [B, L, d]; no position: the keys and values have it
        x = self.dropout(self.item_embedding(items) * self.dim**0.5)
        return self.norm(self.through_blocks(x, tables))
