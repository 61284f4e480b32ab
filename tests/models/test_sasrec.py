import torch
from torch import nn

from benchmarks.textbook import TextbookSASRec
from tutorial_lib.models import build_model


def test_equals_the_textbook_network():
    """Same weights, nn.MultiheadAttention and Conv1d in place of ours: same states. (GELU is
    swapped for the port's ReLU.)
    """
    ours = build_model("sasrec", num_items=40, max_len=9, dim=8, heads=2, blocks=2, seed=0)
    theirs = TextbookSASRec(40, 9, 8, heads=2, blocks=2)
    theirs.item_embedding, theirs.position_embedding, theirs.norm = (
        ours.item_embedding,
        ours.position_embedding,
        ours.norm,
    )
    for block, other in zip(ours.blocks, theirs.blocks, strict=True):
        block.feed_forward.layers[1] = nn.ReLU()
        other.norm1, other.norm2 = block.norm1, block.norm2
        other.attention.in_proj_weight, other.attention.in_proj_bias = (
            block.attention.qkv.weight,
            block.attention.qkv.bias,
        )
        other.attention.out_proj = block.attention.out
        first, second = block.feed_forward.layers[0], block.feed_forward.layers[3]
        other.inner.weight.data, other.inner.bias.data = (
            first.weight.data[..., None],
            first.bias.data,
        )
        other.outer.weight.data, other.outer.bias.data = (
            second.weight.data[..., None],
            second.bias.data,
        )
    items = torch.randint(1, 41, (4, 9), generator=torch.Generator().manual_seed(2))
    items[1, 6:] = 0
    torch.testing.assert_close(
        ours.eval()(items)[items > 0], theirs.eval()(items)[items > 0], atol=1e-5, rtol=1e-5
    )


def test_parameter_count():
    """V+1 items and L positions of width d; a block: 4d^2 + 4d attention, 2dh + d + h feed-forward,
    4d norms; 2d at the end.
    """
    items, length, dim, hidden, blocks = 3416, 200, 64, 256, 2
    model = build_model(
        "sasrec", num_items=items, max_len=length, dim=dim, hidden=hidden, blocks=blocks
    )
    block = 4 * dim * dim + 4 * dim + 2 * dim * hidden + dim + hidden + 4 * dim
    expected = (items + 1 + length) * dim + blocks * block + 2 * dim
    assert sum(p.numel() for p in model.parameters()) == expected == 331_584


def test_order_matters_through_positions_only():
    """Without positions a block of attention sees a set: the last state does not change when
    earlier items swap places.
    """
    model = build_model("sasrec", num_items=20, max_len=6, dim=8, blocks=1, seed=0).eval()
    items, swapped = torch.tensor([[3, 8, 5, 9]]), torch.tensor([[8, 3, 5, 9]])
    assert not torch.allclose(model(items)[:, -1], model(swapped)[:, -1], atol=1e-6)
    nn.init.zeros_(model.position_embedding.weight)
    torch.testing.assert_close(model(items)[:, -1], model(swapped)[:, -1])
