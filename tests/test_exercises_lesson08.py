"""The checkers of lesson 08 were examined too: right answers pass, plausible wrong ones are named, stubs are not attempted."""

import math

import pytest
import torch

from tutorial_lib.exercises import lesson08
from tutorial_lib.models import build_model
from tutorial_lib.models.tisasrec import log_buckets

DAY = 86_400


def centre(bucket, horizon, last, unit=60, base=math.e, less=1):
    return unit * (base ** (bucket * math.log1p(horizon / 60) / last) - less)


def dial(gaps):
    since = gaps % DAY
    return torch.minimum(since, DAY - since) // 3600


def dial_of_hours(gaps):
    hours = gaps // 3600 % 24
    return torch.minimum(hours, 24 - hours)


def dial_rounded(gaps):
    since = gaps % DAY
    return (torch.minimum(since, DAY - since) / 3600).round().long()


def saturated(buckets, lengths, last, diagonal=-1, pads=False, both=False):
    length = buckets.shape[1]
    pairs = torch.ones(length, length, dtype=torch.bool)
    pairs = (pairs if both else pairs.tril(diagonal)).expand(len(lengths), -1, -1)
    real = torch.arange(length) < lengths[:, None]
    pairs = pairs if pads else pairs & real[:, :, None] & real[:, None]
    return (buckets[pairs] == last).double().mean().item()


def saturated_by_history(buckets, lengths, last):
    shares = [saturated(buckets[u : u + 1], lengths[u : u + 1], last) for u in range(len(lengths)) if lengths[u] > 1]
    return sum(shares) / len(shares)


def saturated_of_all_cells(buckets, lengths, last):
    real = torch.arange(buckets.shape[1]) < lengths[:, None]
    return ((buckets == last).tril(-1) & real[:, :, None]).double().mean().item()


RIGHT = [
    (lesson08.check_bucket_centre, centre),
    (lesson08.check_dial_buckets, dial),
    (lesson08.check_saturated, saturated),
    (lesson08.check_unchanged, {"A", "B", "D", "F"}),
]
WRONG = [
    (lesson08.check_bucket_centre, lambda b, h, k: centre(b, h, k, unit=1), "in minutes"),
    (lesson08.check_bucket_centre, lambda b, h, k: centre(b, h, k, less=0), "bucket 0 must give 0 s"),
    (lesson08.check_bucket_centre, lambda b, h, k: centre(b, h, k, base=10), "not of 10"),
    (lesson08.check_bucket_centre, lambda b, h, k: centre(b, h, k, base=2), "not of 2"),
    (lesson08.check_bucket_centre, lambda b, h, k: b / k * h, "equal parts"),
    (lesson08.check_bucket_centre, lambda b, h, k: centre(b, 30 * DAY, k), "at a horizon of 3600 s"),
    (lesson08.check_bucket_centre, lambda b, h, k: centre(b, h, k + 1), "whose bucket is"),
    (lesson08.check_dial_buckets, lambda g: g // 3600 % 24, "modulo 24"),
    (lesson08.check_dial_buckets, dial_of_hours, "rounded down before"),
    (lesson08.check_dial_buckets, lambda g: (g // 3600).clamp(max=12), "wrap round"),
    (lesson08.check_dial_buckets, lambda g: torch.minimum(g % 43_200, -g % 43_200) // 3600, "24 hours, not 12"),
    (lesson08.check_dial_buckets, lambda g: dial(g) * 1.0, "dtype"),
    (lesson08.check_dial_buckets, dial_rounded, "do not round"),
    (lesson08.check_dial_buckets, lambda g: torch.minimum(g % DAY, DAY - g % DAY), "seconds"),
    (lesson08.check_dial_buckets, lambda g: dial(g) + 1, "belongs to bucket 0, yours is 1"),
    (lesson08.check_saturated, lambda b, n, k: saturated(b, n, k, pads=True), "counts the pads"),
    (lesson08.check_saturated, lambda b, n, k: saturated(b, n, k, diagonal=0), "with itself"),
    (lesson08.check_saturated, lambda b, n, k: saturated(b, n, k, both=True), "twice"),
    (lesson08.check_saturated, lambda b, n, k: saturated(b, n, k, both=True, pads=True), "all cells"),
    (lesson08.check_saturated, saturated_of_all_cells, "not of all cells"),
    (lesson08.check_saturated, saturated_by_history, "counts alike"),
    (lesson08.check_saturated, lambda b, n, k: 1 - saturated(b, n, k), "not in the last bucket"),
    (lesson08.check_saturated, lambda b, n, k: 0.123, "yours is 0.1230"),
    (lesson08.check_unchanged, {"A", "B", "F"}, "look at D"),
    (lesson08.check_unchanged, {"A", "B", "C", "D", "F"}, "look at C"),
    (lesson08.check_unchanged, {"A", "B", "D", "E", "F"}, "look at E"),
    (lesson08.check_unchanged, {"A", "B", "D", "F", "G"}, "look at G"),
    (lesson08.check_unchanged, {"Z"}, "set of letters"),
]


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
