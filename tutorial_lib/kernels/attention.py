"""The fast forms of attention, in `models.attention` and `models.tisasrec`. Shown in lesson 08."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def causal_attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """torch's own: no matrix [L, L] is kept for the gradient."""
    return F.scaled_dot_product_attention(query, key, value, is_causal=True)


def interval_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    interval_key: Tensor,
    interval_value: Tensor,
    buckets: Tensor,
) -> Tensor:
    """No tensor [B, H, L, L, d_head]: the query meets the K + 1 rows of the key table first and the
    products are picked; the weights are summed by bucket before they meet the value table. Of Li,
    Wang and McAuley 2020, section 3.4. Shown in lesson 08.
    """
    batch, heads, length, width = query.shape
    buckets = buckets[:, None].expand(batch, heads, length, length)
    # [B, H, L, K + 1]: each query with each interval, once
    by_bucket = each_head(query, interval_key.transpose(1, 2))
    # [B, H, L, L]
    scores = (query @ key.transpose(2, 3) + by_bucket.gather(3, buckets)) / math.sqrt(width)
    allowed = torch.ones(length, length, dtype=torch.bool, device=query.device).tril()
    weights = scores.masked_fill(~allowed, -torch.inf).softmax(3)
    # [B, H, L, K + 1]: attention paid to each interval
    mass = torch.zeros_like(by_bucket).scatter_add(3, buckets, weights)
    return weights @ value + each_head(mass, interval_value)


def each_head(x: Tensor, table: Tensor) -> Tensor:
    """x [B, H, L, m] @ table [H, m, n] -> [B, H, L, n], one product a head and not a sequence."""
    product = torch.bmm(x.transpose(0, 1).flatten(1, 2), table)  # [H, B * L, n]
    return product.unflatten(1, (x.shape[0], -1)).transpose(0, 1)  # `len` is no symbol
