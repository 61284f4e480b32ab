"""Dropout against its definition, and the errors of building a model."""

import pytest
import torch

from tutorial_lib.errors import TutorialError
from tutorial_lib.models import build_model
from tutorial_lib.models.base import Dropout


def dropped(p, shape=(400, 251), dtype=torch.float32, seed=0):
    torch.manual_seed(seed)
    return Dropout(p).train()(torch.ones(shape, dtype=dtype))


class TestDropout:
    @pytest.mark.parametrize("p", [0.1, 0.2, 0.5, 0.9])
    def test_share_and_scale(self, p):
        out = dropped(p)
        kept = out[out != 0]
        # p is rounded to 1/65,536
        torch.testing.assert_close(kept, torch.full_like(kept, 1 / (1 - p)), rtol=2e-4, atol=0)
        share = 1 - len(kept) / out.numel()
        assert abs(share - p) < 4 * (p * (1 - p) / out.numel()) ** 0.5 + 1 / 65536

    def test_neighbours_are_independent(self):
        """The four decisions out of one 64-bit word, and those of the next words: no correlation."""
        zero = (dropped(0.3, (100_000,)) == 0).double()
        for lag in (1, 2, 3, 4, 8):
            correlation = torch.corrcoef(torch.stack([zero[:-lag], zero[lag:]]))[0, 1]
            assert abs(correlation) < 4 / 100_000**0.5

    def test_gradient_is_the_mask(self):
        x = torch.randn(7, 9, dtype=torch.double, requires_grad=True)
        torch.manual_seed(1)
        out = Dropout(0.4)(x)
        assert out.dtype == torch.double and (out == 0).any()
        out.sum().backward()
        torch.testing.assert_close(out, x * x.grad)

    def test_seed_decides(self):
        assert torch.equal(dropped(0.2), dropped(0.2)) and not torch.equal(
            dropped(0.2), dropped(0.2, seed=1)
        )

    def test_nothing_happens_outside_training_or_at_zero(self):
        x = torch.randn(5)
        assert Dropout(0.9).eval()(x) is x and Dropout(0.0).train()(x) is x

    @pytest.mark.parametrize("p", [-0.1, 1.0, 2.0])
    def test_out_of_range(self, p):
        with pytest.raises(TutorialError, match=f"dropout must be at least 0 and below 1, got {p}"):
            Dropout(p)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"heads": 3}, "the width 8 cannot be split into 3 equal heads; choose a divisor of 8"),
        ({"heads": 0}, "cannot be split into 0 equal heads"),
        ({"dropout": 1.5}, "dropout must be at least 0 and below 1"),
        ({"hidden": -4}, "sasrec cannot be built with dim=8 and {'hidden': -4}"),
        ({"blocks": "two"}, "sasrec cannot be built with dim=8 and {'blocks': 'two'}"),
        ({"dim": 2.5}, "dim must be a whole number"),
        ({"max_len": 0}, "max_len must be a whole number"),
    ],
)
def test_a_model_that_cannot_be(settings, message):
    with pytest.raises(TutorialError) as caught:
        build_model("sasrec", **{"num_items": 5, "max_len": 4, "dim": 8} | settings)
    assert message in str(caught.value)
