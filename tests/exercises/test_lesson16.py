"""What the exercises of lesson 16 say of the library, and what their sealed boxes hold, is so."""

import torch

from exercises import lesson16
from exercises.lesson16 import START
from tutorial_lib.models import build_model


def test_sealed_models_are_as_the_exercise_says():
    """Move every event and every question of either row, at several histories: who notices?"""
    generator = torch.Generator().manual_seed(7)
    leaking = set()
    for _ in range(5):
        items = torch.randint(1, 13, (2, 6), generator=generator)
        instants = START + torch.randint(3_600, 40_000, (2, 7), generator=generator).cumsum(1)
        parts = instants[:, :-1], instants[:, 1:]
        for letter, model in lesson16.sealed.items():
            before = model(items, *parts)
            assert torch.equal(before, model(items, *parts))
            for row, j, which in torch.cartesian_prod(
                torch.arange(2), torch.arange(6), torch.arange(2)
            ).tolist():
                moved = [part.clone() for part in parts]
                moved[which][row, j] += 1_800
                allowed = torch.zeros(2, 6, dtype=torch.bool)
                allowed[row, j : 6 if which == 0 else j + 1] = True
                if ((model(items, *moved) != before).any(dim=2) & ~allowed).any():
                    leaking.add(letter)
    assert leaking == {"B", "D", "F"}


@torch.no_grad()
def test_the_sentences_follow_from_the_library():
    state, hour = torch.randn(3, 6, generator=torch.Generator().manual_seed(0)), torch.ones(3)
    for flow, whole in (("decay", True), ("autonomous", False)):
        part = build_model("deepm3", num_items=5, max_len=5, dim=6, flow=flow, steps=20).flow
        for name, parameter in part.named_parameters():
            parameter.mul_(20 if "log_rate" not in name else 1)
        twice, once = part(part(state, hour), hour), part(state, 2 * hour)
        assert torch.allclose(twice, once, atol=1e-5) == whole
        assert (once - state).abs().max() > 0.1  # it moves
    items, times = torch.tensor([[1, 2, 3]]), torch.tensor([[0, 3_600, 7_200]])
    later = times + torch.tensor([0, 0, 31_536_000])
    blind = build_model("deepm3", num_items=5, max_len=5, dim=6, solver="none").eval()
    assert torch.equal(blind(items, times), blind(items, later))
    still = build_model("deepm3", num_items=5, max_len=5, dim=6, solver="rk4").eval()
    still.flow.outer.weight.zero_(), still.flow.outer.bias.zero_()
    assert torch.equal(still(items, times), still(items, later))  # a field of zeros: B is false
