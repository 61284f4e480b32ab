"""What the exercises of lesson 06 say of the library, and what their sealed boxes hold, is so."""

import torch
import torch.nn.functional as F

from exercises import lesson06
from exercises.lesson06 import KINDS


def test_sealed_parts_can_be_told_apart_by_measuring():
    """What the exercise says to look at does tell the four kinds apart."""
    x = torch.randn(5, 16, generator=torch.Generator().manual_seed(1)).double()
    for letter, part in lesson06.sealed.items():
        once, ten = part(x), part(10 * x)
        rows = (
            once.mean(dim=1).abs().max() < 1e-9
            and (once.var(dim=1, correction=0) - 1).abs().max() < 1e-4
        )
        nothing_through = torch.allclose(once, ten, atol=1e-4)
        same_change = torch.allclose(once - x, ten - 10 * x, atol=1e-4)
        seen = (
            "post-norm"
            if rows
            else "no residual"
            if nothing_through
            else "pre-norm"
            if same_change
            else "no norm"
        )
        assert seen == KINDS[letter]


def test_the_unmoved_changes_follow_from_torch():
    x = torch.randn(4, 6, generator=torch.Generator().manual_seed(2)).double()
    norm = lambda x: F.layer_norm(x, (6,), eps=1e-12)  # noqa: E731
    changes = {
        "A": x + torch.tensor([[5.0], [0], [0], [0]]),
        "B": x * torch.tensor([[3.0], [1], [1], [1]]),
        "C": x * torch.tensor([3.0, 1, 1, 1, 1, 1]),
        "D": -x,
        "E": x * torch.tensor([[0.5], [2], [3], [7]]),
    }
    assert {
        letter for letter, changed in changes.items() if torch.allclose(norm(changed), norm(x))
    } == {"A", "B", "E"}
