"""What the exercises of lesson 13 say of the library, and what their sealed boxes hold, is so."""

import torch

from exercises import lesson13
from tutorial_lib.models import build_model


def test_sealed_laws_are_as_the_exercise_says():
    start = torch.tensor([1 + 0j, -2 + 3j])
    pairs = [(1.0, 1.0), (0.0, 1.0), (10.0, 10.0)]
    honest = {
        letter
        for letter, law in lesson13.sealed.items()
        if all(
            torch.allclose(law(law(start, a), b), law(start, a + b), rtol=1e-4) for a, b in pairs
        )
    }
    assert honest == {"A", "E"}


@torch.no_grad()
def test_the_unchanged_state_follows_from_the_model():
    model = build_model(
        "ss4rec", num_items=20, max_len=8, dim=16, state=4, expand=1, dropout=0.0, query_time=False
    ).eval()
    for block in model.blocks:
        block.time_aware.log_step += 2  # larger steps than at the start, so that the clock shows
    items = torch.tensor([[3, 7, 11, 2, 19, 5, 8, 13]])
    times = 1_700_000_000 + torch.tensor(
        [[0, 300, 90_000, 90_000, 93_000, 400_000, 800_000, 801_000]]
    )
    queries = torch.cat([times[:, 1:], times[:, -1:] + 500], dim=1)
    first, last = (torch.arange(8) == 0) * -86_400, (torch.arange(8) == 7) * 86_400
    states = {
        "A": model(items, times + 604_800, queries + 604_800),
        "B": model(items, times, queries + 864_000),
        "C": model(items, times + first, queries),
        "D": model(items[:, [0, 1, 3, 2, 4, 5, 6, 7]], times, queries),
        "E": model(items, times + last, queries),
    }
    want = model(items, times, queries)[:, 4]
    assert {
        letter for letter, got in states.items() if torch.allclose(got[:, 4], want, atol=1e-5)
    } == {"A", "B", "E"}
