"""The fast form of `models.mf.NeuMF.interact`. Used in lesson 02."""

import math

import torch
from torch import Tensor

# (user, item) at a time: at width 64 the first layer is 4 MB then, for a CPU's cache
PAIRS_AT_ONCE = 32_768


def interact(model, states: Tensor, vectors: Tensor) -> Tensor:
    """Some items at a time. states [..., d], vectors [..., n, d] or [n, d] -> [..., n]."""
    at_once = max(1, PAIRS_AT_ONCE // max(1, math.prod(states.shape[:-1])))
    parts = vectors.split(at_once, dim=-2)
    return torch.cat([interact_at_once(model, states, part) for part in parts], dim=-1)


def interact_at_once(model, states: Tensor, vectors: Tensor) -> Tensor:
    """The first layer of a pair is a sum of a user's part and an item's part, [..., 1, h] + [...,
    n, h]: each is computed once and not once a pair.
    """
    (product_u, network_u), (product_i, network_i) = (
        part.chunk(2, dim=-1) for part in (states, vectors)
    )
    first, half = model.layers[0], model.dim // 2
    hidden = first(torch.cat([network_u, torch.zeros_like(network_u)], dim=-1)).unsqueeze(-2)
    hidden = (hidden + network_i @ first.weight[:, half:].T).relu()
    for layer in model.layers[1:]:
        hidden = layer(hidden).relu()  # [..., n, h]
    product_w, network_w = model.out.weight[0, :half], model.out.weight[0, half:]
    known = states.any(dim=-1, keepdim=True)
    product = (product_i @ (product_u * product_w).unsqueeze(-1)).squeeze(-1)
    return product + known * (hidden @ network_w)
