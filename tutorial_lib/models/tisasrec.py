"""TiSASRec: self-attention that sees how long ago each event was.

    letter    meaning                                    shape             in the paper
    Q, K, V   query, key and value of each event         [B, H, L, d_h]    m W^Q, m W^K, m W^V
    P^K, P^V  position tables                            [max_len, d]      M^P_K, M^P_V
    R^K, R^V  interval tables, a row for each bucket     [K + 1, d]        M^R_K, M^R_V
    b_ij      bucket of the interval between i and j     [B, L, L]         r_ij

    score_ij = Q_i . (K_j + P^K_j + R^K[b_ij]) / sqrt(d_h)
    output_i = sum_j a_ij (V_j + P^V_j + R^V[b_ij]),  a_i = softmax(score_i)

Source: Li, Wang and McAuley, WSDM 2020, sections 3.3 to 3.5. Like our SASRec, and unlike the paper,
blocks are pre-norm with an output projection; dropout acts on the tables, not on the looked-up
pairs. Taught in lesson 08.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from tutorial_lib import kernels
from tutorial_lib.data.sequences import widest
from tutorial_lib.data.splits import Split
from tutorial_lib.errors import TutorialError
from tutorial_lib.models.attention import CausalSelfAttention, causal_mask
from tutorial_lib.models.base import Dropout, SequenceModel, initialise
from tutorial_lib.models.sasrec import Block

BUCKETINGS = ("log", "linear")
MINUTE = 60


class IntervalTables(NamedTuple):
    """What all blocks share: positions [L, d], intervals [K + 1, d], buckets int64 [B, L, L]."""

    position_key: Tensor
    position_value: Tensor
    interval_key: Tensor
    interval_value: Tensor
    buckets: Tensor


def linear_buckets(gaps: Tensor, unit: Tensor, last: int) -> Tensor:
    """The paper's buckets: whole units, at most `last`. gaps [B, L, L] seconds, unit [B, 1, 1]."""
    return (gaps // unit).clamp_(max=last)


def log_buckets(gaps: Tensor, horizon: Tensor, last: int) -> Tensor:
    """Equal widths in log(1 + gap / 1 min); from `horizon` seconds on: `last`. int64 [B, L, L]."""
    scale = last / torch.log1p(widest(horizon) / MINUTE)
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
    """Times to buckets 0..last, by what was fitted on the training part and is kept in buffers.

    "log": the horizon, the longest training history. "linear": each user's unit; a user without one
    gets the median unit.
    """

    def __init__(self, last: int, bucketing: str, num_users: int):
        super().__init__()
        if bucketing not in BUCKETINGS or last < 0:
            raise TutorialError(
                "got bucketing={bucketing!r} and buckets={last}: use {bucketings}, and 0 or more",
                bucketing=bucketing,
                last=last,
                bucketings=" or ".join(BUCKETINGS),
            )
        self.last, self.bucketing = last, bucketing
        self.register_buffer("horizon", torch.tensor(365 * 86_400))
        self.register_buffer("median_unit", torch.tensor(MINUTE))
        self.register_buffer("unit", torch.zeros(num_users, dtype=torch.int64))

    def fit_time(self, split: Split) -> None:
        columns = (split.train[name].to_numpy().copy() for name in ("user", "timestamp"))
        users, times = map(torch.from_numpy, columns)
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
        """Instants of keys and of queries, int64 [B, L]; users int64 [B] -> int64 [B, L, L]."""
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
    """Causal attention with a vector for each interval, as published: section 3.4. Taught in
    lesson 08.

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


class IntervalAttention(CausalSelfAttention):
    """Multi-head `interval_attention`, [B, L, d]. Tables are split by head, not projected."""

    def forward(self, x: Tensor, tables: IntervalTables) -> Tensor:
        query, key, value = self.qkv(x).chunk(3, dim=-1)
        key, value = key + tables.position_key, value + tables.position_value
        parts = (query, key, value, tables.interval_key, tables.interval_value)
        by_head = (part.unflatten(-1, (self.heads, -1)).transpose(-3, -2) for part in parts)
        mixed = interval_attention(*by_head, tables.buckets)  # [B, H, L, d_head]
        return self.dropout(self.out(mixed.transpose(1, 2).flatten(2)))


class IntervalBlock(Block):
    """SASRec's block with `IntervalAttention`. x [B, L, d], tables -> [B, L, d]."""

    attention_class = IntervalAttention


class TiSASRec(SequenceModel):
    """items, times [B, L] -> states [B, L, d]. Time enters only through differences, so shifting
    all clocks changes nothing.

    `buckets`: K, the last bucket (0: all intervals alike). `bucketing`: "log", or "linear" as
    published, with personal units; then `users` says whose (the median unit without it).
    `query_time=False`, as published: interval from event i to event j. True: from the time at which
    position i is asked; without `query_times` the model then falls back to the time of event i.
    """

    uses_time, blind = True, "sasrec"
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
        self.position_key, self.position_value, self.interval_key, self.interval_value = (
            nn.Embedding(rows, dim) for rows in (max_len, max_len, buckets + 1, buckets + 1)
        )
        self.dropout, sizes = Dropout(dropout), (dim, heads, hidden or dim, dropout)
        self.blocks = nn.ModuleList(IntervalBlock(*sizes) for _ in range(blocks))
        self.norm = nn.LayerNorm(dim)
        self.apply(initialise)

    def tables(
        self, times: Tensor, query_times: Tensor | None, users: Tensor | None
    ) -> IntervalTables:
        asked = times if query_times is None or not self.query_time else query_times
        buckets = self.intervals(times, asked, users)
        # rows of later buckets are not looked at; an exported program takes them all
        every = torch.compiler.is_compiling()
        occurring = self.intervals.last + 1 if every else int(buckets.max()) + 1
        rows = times.shape[1], times.shape[1], occurring, occurring
        tables = self.position_key, self.position_value, self.interval_key, self.interval_value
        looked_at = (table.weight[:count] for table, count in zip(tables, rows, strict=True))
        return IntervalTables(*map(self.dropout, looked_at), buckets)

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
