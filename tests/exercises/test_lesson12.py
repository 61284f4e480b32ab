"""What the exercises of lesson 12 say of the library, and what their sealed boxes hold, is so."""

import torch
import torch.nn.functional as F

from exercises import lesson12
from tutorial_lib.models import build_model


def test_sealed_signals_read_ahead_as_the_exercise_says():
    instants = 1_700_000_000 + torch.tensor([0, 500, 700, 9000, 80_000, 300_000])
    moved = instants + 60 * torch.eye(6, dtype=torch.int64)
    changed = {
        letter: signal(moved) != signal(instants.expand(6, 6))
        for letter, signal in lesson12.sealed.items()
    }
    assert {letter for letter, table in changed.items() if table.tril(-1).any()} == {"B", "D", "F"}
    assert all(table.any() for table in changed.values())


@torch.no_grad()
def test_the_unmoved_changes_follow_from_the_model():
    def published(length):
        model = build_model(
            "tim4rec",
            num_items=20,
            max_len=length,
            dim=16,
            dropout=0.0,
            literal=True,
            mask_pads=True,
        ).eval()
        for parameter in model.gates.parameters():
            parameter.copy_(torch.linspace(-1, 1, parameter.numel()).sin().view_as(parameter))
        for layer in model.layers:
            layer.mixer.in_proj.weight.mul_(20)
        return model

    model, items = published(8), torch.tensor([[3, 7, 11, 2, 19, 5, 8, 13]])
    times = 1_700_000_000 + torch.tensor([[0, 300, 900, 90_000, 90_300, 400_000, 800_000, 801_000]])
    start, stretched, padded = times[:, :1], times.clone(), F.pad(items, (0, 10))
    stretched[:, -1] += 2 * 1000
    held = torch.cat([times, times[:, -1:].expand(-1, 10)], dim=1)
    states = {
        "A": model(items, times + 31_536_000),
        "B": model(items, start + 3 * (times - start)),
        "C": model(items, stretched),
        "D": model(items[:, [0, 1, 3, 2, 4, 5, 6, 7]], times),
        "E": published(18)(padded, held)[:, :8],
    }
    want = model(items, times)
    assert {letter for letter, got in states.items() if torch.allclose(got, want, atol=1e-4)} == {
        "A",
        "B",
    }
