"""What the exercises of lesson 05 say of the library, and what their sealed boxes hold, is so."""

import torch

from exercises import lesson05
from tutorial_lib.checks import influence
from tutorial_lib.models.attention import causal_mask


def test_sealed_models_leak_as_the_exercise_says():
    ahead = torch.ones(12, 12, dtype=torch.bool).triu(1)
    leaks = {
        name
        for name, model in lesson05.sealed.items()
        if influence(model, torch.arange(1, 13))[ahead].any()
    }
    assert leaks == {"B", "D"}
    short = torch.ones(6, 6, dtype=torch.bool).triu(1)
    # a short history misses it
    assert not influence(lesson05.sealed["D"], torch.arange(1, 7))[short].any()


def test_influence_by_hand():
    """Output i of a cumulative sum depends on inputs 1..i; of a shift to the left, on input i + 1
    alone.
    """
    items = torch.tensor([1, 5, 3, 2])
    assert torch.equal(influence(lambda x: x.cumsum(1)[..., None].float(), items), causal_mask(4))
    shifted = influence(lambda x: x.roll(-1, 1)[..., None].float(), items)
    assert torch.equal(shifted, torch.eye(4, dtype=torch.bool).roll(1, 1))
