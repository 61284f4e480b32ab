"""Caser against its images, taken one after the other."""

import pytest
import torch

from tutorial_lib.errors import TutorialError
from tutorial_lib.models import build_model

ITEMS, DIM = 20, 6


def make(**options):
    model = build_model("caser", num_items=ITEMS, max_len=9, dim=DIM, seed=2, **options)
    with torch.no_grad():  # larger weights than at the start, so that every part counts
        for parameter in model.parameters():
            parameter.mul_(10)
        for module in model.modules():
            if getattr(module, "bias", None) is not None:
                module.bias.normal_(generator=torch.Generator().manual_seed(1))
    return model.double().eval()


def histories():
    generator = torch.Generator().manual_seed(0)
    return torch.randint(1, ITEMS + 1, (3, 9), generator=generator)


@pytest.mark.parametrize("window", [1, 3, 5, 12])  # 12: longer than the histories
def test_equals_the_paper_image_by_image(window):
    """Tang and Wang 2018, section 3: every filter at every place of every image by itself."""
    model, items = make(window=window, horizontal=3, vertical=2), histories()
    states = model(items)
    vectors = torch.cat(
        [torch.zeros(3, window - 1, DIM).double(), model.item_embedding(items) * DIM**0.5], dim=1
    )
    for row in range(3):
        for i in range(items.shape[1]):
            image = vectors[row, i : i + window]  # E: the last `window` events, [W, d]
            found = []
            for height, conv in enumerate(model.horizontal, start=1):
                for filter_, bias in zip(conv.weight, conv.bias, strict=True):  # [d, height]
                    places = [
                        torch.relu((image[k : k + height] * filter_.T).sum() + bias)
                        for k in range(window - height + 1)
                    ]
                    found.append(max(places))
            weighed = [
                [sum(w * image[k, c] for k, w in enumerate(weights)) + bias for c in range(DIM)]
                for weights, bias in zip(model.vertical.weight, model.vertical.bias, strict=True)
            ]
            # o~ lists the columns, and for each the filters
            flat = [row_of[c] for c in range(DIM) for row_of in weighed]
            z = model.out.weight @ torch.stack([*found, *flat]) + model.out.bias
            torch.testing.assert_close(states[row, i], z, atol=1e-10, rtol=1e-10)


def test_a_vertical_filter_of_ones_is_a_sum():
    model, items = make(vertical=1), histories()
    with torch.no_grad():
        model.vertical.weight.fill_(1)
        model.vertical.bias.zero_()
    x = model.item_embedding(items)
    _, weighed = model.filtered(x)
    sums = torch.stack([x[:, max(0, i - 4) : i + 1].sum(1) for i in range(9)], dim=1)
    torch.testing.assert_close(weighed, sums)


def test_a_state_knows_the_last_five_events_and_no_more():
    model, items = make(), histories()
    before = model(items)
    for j in range(9):
        changed = items.clone()
        changed[:, j] = changed[:, j] % ITEMS + 1
        moved = [not torch.equal(a, b) for a, b in zip(model(changed)[0], before[0], strict=True)]
        assert moved == [j <= i < j + 5 for i in range(9)]


def test_parameter_count():
    """V+1 items; 16 filters d x height and a bias for each of the heights 1 to 5; 4 vertical ones
    of 5 weights and a bias; 5 x 16 + 4 d numbers in, d out.
    """
    items, dim = 3416, 64
    model = build_model("caser", num_items=items, max_len=200, dim=dim)
    filters = 16 * (1 + 2 + 3 + 4 + 5) * dim + 5 * 16 + 4 * (5 + 1)
    expected = (items + 1) * dim + filters + (5 * 16 + 4 * dim) * dim + dim
    assert sum(p.numel() for p in model.parameters()) == expected == 255_720


@pytest.mark.parametrize("wrong", [{"window": 0}, {"horizontal": 0}, {"vertical": -1}])
def test_wrong_options_are_refused(wrong):
    with pytest.raises(TutorialError, match="each must be at least 1"):
        make(**wrong)
