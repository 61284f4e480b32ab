"""What the exercises of lesson 08 say of the library, and what their sealed boxes hold, is so."""

import pytest
import torch

from exercises.lesson08 import DAY, centre
from tutorial_lib.models import build_model
from tutorial_lib.models.tisasrec import log_buckets


def test_the_centre_of_a_bucket_lies_in_it():
    for bucket in range(65):
        gap = torch.tensor([[[round(centre(bucket, 30 * DAY, 64))]]])
        assert log_buckets(gap, torch.tensor(30 * DAY), 64).item() == bucket


@pytest.mark.parametrize("bucketing", ["linear", "log"])
def test_the_model_agrees_with_exercise_4(bucketing):
    """Each letter is tried on a model: which changes leave all states alone?"""
    times = 1_700_000_000 + torch.tensor([[0, 70, 70, 200, 900, 4000]])
    items, users = torch.tensor([[3, 1, 4, 15, 9, 2]]), torch.tensor([0])

    def states(items=items, times=times, later=0, unit=70, key=0.0, value=0.0):
        sizes = {"num_items": 20, "max_len": 6, "dim": 8, "num_users": 1}
        model = build_model("tisasrec", **sizes, bucketing=bucketing, seed=0).double().eval()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.mul_(10)
            model.interval_key.weight.add_(key)
            model.interval_value.weight.add_(value * torch.arange(8))
            if bucketing == "linear":
                model.intervals.unit.fill_(unit)
            return model(items, times, times + later, users=users)

    plain = states()
    kept = {
        "A": states(times=times + 365 * DAY),
        "D": states(key=0.7),
        "E": states(value=0.7),
        "F": states(later=DAY),
        "G": states(items=items[:, [0, 2, 1, 3, 4, 5]]),
        "B" if bucketing == "linear" else "C": states(times=3 * times, unit=210),
    }
    unchanged = {letter for letter, got in kept.items() if torch.allclose(got, plain, atol=1e-9)}
    assert unchanged == {"A", "B", "D", "F"} & set(kept)
