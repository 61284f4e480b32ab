"""Attention against hand-computed values, torch's own operator and a loop."""

import math

import pytest
import torch
import torch.nn.functional as F

from tutorial_lib.models.attention import (
    CausalSelfAttention,
    attention,
    attention_weights,
    causal_mask,
)


def test_three_events_by_hand():
    x = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    weights = attention_weights(x, x, causal_mask(3))
    one = math.exp(1 / math.sqrt(2))
    two = math.exp(2 / math.sqrt(2))
    expected = torch.tensor(
        [
            [1, 0, 0],
            [1 / (1 + one), one / (1 + one), 0],
            [one / (2 * one + two), one / (2 * one + two), two / (2 * one + two)],
        ]
    )
    torch.testing.assert_close(weights, expected)
    torch.testing.assert_close(attention(x, x, x, causal_mask(3)), expected @ x)


def test_rows_sum_to_one_and_the_first_looks_at_itself():
    query, key = torch.randn(2, 4, 9, 5, generator=torch.Generator().manual_seed(0)).unbind(0)
    weights = attention_weights(query, key, causal_mask(9))
    torch.testing.assert_close(weights.sum(-1), torch.ones(4, 9))
    assert torch.equal(weights[:, 0, 0], torch.ones(4)) and (weights.triu(1) == 0).all()


@pytest.mark.parametrize("heads", [1, 2, 4])
def test_module_equals_the_obvious_form(heads):
    generator = torch.Generator().manual_seed(0)
    module = CausalSelfAttention(8, heads).double()
    x = torch.randn(3, 7, 8, generator=generator, dtype=torch.double)
    query, key, value = module.qkv(x).chunk(3, dim=-1)
    width = 8 // heads
    parts = [slice(h * width, (h + 1) * width) for h in range(heads)]
    mixed = torch.cat(
        [attention(query[..., p], key[..., p], value[..., p], causal_mask(7)) for p in parts],
        dim=-1,
    )
    torch.testing.assert_close(module(x), module.out(mixed), atol=1e-12, rtol=1e-12)


def test_obvious_form_equals_torch():
    query, key, value = torch.randn(
        3, 2, 6, 4, dtype=torch.double, generator=torch.Generator().manual_seed(1)
    ).unbind(0)
    expected = F.scaled_dot_product_attention(query, key, value, is_causal=True)
    torch.testing.assert_close(
        attention(query, key, value, causal_mask(6)), expected, atol=1e-12, rtol=1e-12
    )
