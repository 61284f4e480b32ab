"""TiSASRec against the slow and obvious version, its buckets by hand, and what time shifts may and
may not change.
"""

import numpy as np
import pandas as pd
import pytest
import torch

from benchmarks.textbook_streams import TextbookTiSASRec
from tutorial_lib.data.events import make_dataset
from tutorial_lib.data.splits import leave_last_out
from tutorial_lib.errors import TutorialError
from tutorial_lib.models import build_model
from tutorial_lib.models.attention import attention, causal_mask
from tutorial_lib.models.tisasrec import (
    Intervals,
    interval_attention,
    linear_buckets,
    log_buckets,
    personal_units,
)

DAY = 86_400


def operands(heads=2, length=9, last=5, seed=0):
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_()

    query, key, value = (normal(3, heads, length, 4) for _ in range(3))
    times = torch.randint(0, 3, (3, length), generator=generator).cumsum(1)
    buckets = (times[:, :, None] - times[:, None]).abs().clamp(max=last)
    return query, key, value, normal(heads, last + 1, 4), normal(heads, last + 1, 4), buckets


@pytest.mark.parametrize("heads", [1, 2])
@pytest.mark.parametrize("last", [0, 1, 5, 40])
def test_the_fast_form_equals_the_four_dimensional_one_with_gradients(heads, last):
    *tensors, buckets = operands(heads, last=last)
    fast, naive = (
        form(*tensors, buckets)
        for form in (interval_attention.kernel, interval_attention.__wrapped__)
    )
    torch.testing.assert_close(fast, naive, atol=1e-12, rtol=1e-12)
    weights = torch.randn(
        fast.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1)
    )
    ours, theirs = (
        torch.autograd.grad((result * weights).sum(), tensors) for result in (fast, naive)
    )
    for got, want in zip(ours, theirs, strict=True):
        assert want.abs().max() > 0
        torch.testing.assert_close(got, want, atol=1e-12, rtol=1e-12)


def test_without_intervals_it_is_plain_attention_and_one_bucket_is_no_clock():
    query, key, value, *tables, buckets = operands()
    zero = [torch.zeros_like(table) for table in tables]
    plain = attention(query, key, value, causal_mask(query.shape[2]))
    torch.testing.assert_close(interval_attention(query, key, value, *zero, buckets), plain)
    query, key, value, *tables, buckets = operands(last=0)
    assert not buckets.any()
    with_bias = plain_with_one_vector(query, key, value, *tables)
    torch.testing.assert_close(interval_attention(query, key, value, *tables, buckets), with_bias)


def plain_with_one_vector(query, key, value, interval_key, interval_value):
    mask = causal_mask(query.shape[2])
    return attention(query, key + interval_key, value + interval_value, mask)


def test_linear_buckets_and_personal_units_by_hand():
    users = torch.tensor([0, 0, 0, 0, 1, 1, 3, 3])
    times = torch.tensor([100, 100, 130, 150, 7, 7, 50, 110])
    units = personal_units(users, times, 4)
    # ties do not count; user 1 has only a tie, user 2 nothing
    assert units.tolist() == [20, 0, 0, 60]
    history = times[:4]
    gaps = (history[:, None] - history).abs()[None]
    # 30 // 20 = 1, 50 // 20 = 2
    expected = [[0, 0, 1, 2], [0, 0, 1, 2], [1, 1, 0, 1], [2, 2, 1, 0]]
    assert linear_buckets(gaps, torch.tensor(20), 100)[0].tolist() == expected
    assert linear_buckets(gaps, torch.tensor(20), 1)[0].tolist() == [
        [min(b, 1) for b in row] for row in expected
    ]


def test_log_buckets_by_hand():
    gaps = torch.tensor([[[0, 60, 180, 900, 10**9]]])  # log2(1 + gap / 1 min) = 0, 1, 2, 4, more
    assert log_buckets(gaps, torch.tensor(900), 4).tolist() == [[[0, 1, 2, 4, 4]]]
    assert log_buckets(gaps, torch.tensor(900), 8).tolist() == [[[0, 2, 4, 8, 8]]]
    assert not log_buckets(gaps, torch.tensor(900), 0).any()


def tiny_split():
    """User 0 trains on 4 events, user 1 on 2 that are tied, user 2 on 3; validation and test events
    have far smaller gaps.
    """
    times = [0, 100, 100, 400, 401, 402, 0, 0, 1, 2, 0, 700, 1000, 1001, 1002]
    users = [0] * 6 + [1] * 4 + [2] * 5
    items = np.arange(len(times)) % 7
    return leave_last_out(
        make_dataset("tiny", pd.DataFrame({"user": users, "item": items, "timestamp": times}))
    )


def test_units_and_horizon_come_from_the_training_part_alone():
    intervals = Intervals(64, "linear", 3)
    intervals.fit_time(tiny_split())
    assert intervals.unit.tolist() == [100, 0, 300]  # with validation and test all would be 1
    assert intervals.median_unit == 100 and intervals.horizon == 1000
    times = torch.tensor([[0, 250], [0, 250], [0, 250]])
    by_user = intervals(times, times, torch.tensor([0, 1, 2]))
    # 250 // 100, the median unit for who has none, 250 // 300
    assert by_user[:, 1, 0].tolist() == [2, 2, 0]
    assert intervals(times, times, None)[:, 1, 0].tolist() == [2, 2, 2]


def test_horizon_counts_users_without_training_events_correctly():
    split = tiny_split()
    object.__setattr__(split, "train_end", np.array([4, 6, 13]))  # user 1 trains on nothing
    intervals = Intervals(64, "log", 0)
    intervals.fit_time(split)
    assert intervals.horizon == 1000
    object.__setattr__(split, "train_end", np.array([4, 8, 10]))  # the last user trains on nothing
    split.__dict__.pop("train", None)
    intervals.fit_time(split)
    assert intervals.horizon == 400


@pytest.fixture(params=["log", "linear"])
def model(request):
    model = build_model(
        "tisasrec", num_items=20, num_users=3, max_len=8, dim=8, heads=2, bucketing=request.param
    )
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(10)
        if request.param == "linear":
            model.intervals.unit.copy_(torch.tensor([60, 3600, 0]))
    return model.eval()


def sequences(seed=0):
    generator = torch.Generator().manual_seed(seed)
    items = torch.randint(1, 21, (3, 8), generator=generator)
    times = 1_700_000_000 + torch.randint(0, DAY, (3, 9), generator=generator).cumsum(1)
    return items, times[:, :-1], times[:, 1:], torch.arange(3)


def test_only_differences_of_time_count(model):
    items, times, queries, users = sequences()
    before = model(items, times, queries, users=users)
    for shift in (1, 12_345, -1_600_000_000):
        assert torch.equal(model(items, times + shift, queries + shift, users=users), before)
    assert not torch.equal(
        model(items, times + torch.arange(8) * DAY, queries, users=users), before
    )


def test_personal_units_make_time_scale_free():
    model = build_model(
        "tisasrec", num_items=20, num_users=3, max_len=8, dim=8, bucketing="linear", buckets=10**4
    ).eval()
    items, times, _, users = sequences()
    model.intervals.unit.copy_(torch.tensor([60, 600, 6000]))
    before = model(items, times, users=users)
    model.intervals.unit.mul_(3)
    torch.testing.assert_close(model(items, 3 * times, users=users), before, atol=0, rtol=0)
    assert not torch.allclose(model(items, times, users=users), before)


def test_query_time_is_read_on_request_only():
    items, times, queries, _ = sequences()
    for asked in (False, True):
        model = build_model("tisasrec", num_items=20, max_len=8, dim=8, query_time=asked).eval()
        with torch.no_grad():
            model.interval_value.weight.mul_(50)
        same = torch.equal(model(items, times, queries), model(items, times, queries + DAY))
        assert same is not asked
        # without a query time: the event's own time
        assert torch.equal(model(items, times), model(items, times, times))


def test_no_bucket_but_the_first_when_there_is_only_one():
    model = build_model("tisasrec", num_items=20, max_len=8, dim=8, buckets=0).eval()
    items, times, queries, _ = sequences()
    assert torch.equal(model(items, times), model(items, times * 0, queries))


def test_a_training_run_fits_the_clock_and_saves_it():
    from tutorial_lib.train import TrainConfig, train

    split = tiny_split()
    sizes = {"num_items": split.dataset.num_items, "num_users": 3, "max_len": 4, "dim": 8}
    model = build_model("tisasrec", **sizes, bucketing="linear")
    train(model, split, TrainConfig(epochs=1), device="cpu", progress=False)
    assert model.intervals.unit.tolist() == [100, 0, 300]
    again = build_model("tisasrec", **sizes, bucketing="linear")
    again.load_state_dict(model.state_dict())
    assert again.intervals.median_unit == 100


@pytest.mark.parametrize("wrong", [{"bucketing": "cubic"}, {"buckets": -1}, {"heads": 3}])
def test_wrong_options_are_refused(wrong):
    with pytest.raises(TutorialError):
        build_model("tisasrec", num_items=5, max_len=5, dim=8, **wrong)


def test_times_are_wanted():
    with pytest.raises(TutorialError, match="TiSASRec got times None"):
        build_model("tisasrec", num_items=5, max_len=5, dim=8)(torch.ones(1, 3, dtype=torch.long))


@pytest.mark.parametrize("heads", [1, 2])
def test_the_whole_network_equals_the_four_dimensional_one(heads):
    options = {"heads": heads, "dropout": 0.0, "buckets": 16}
    ours = build_model("tisasrec", num_items=20, max_len=8, dim=8, **options).double()
    theirs = TextbookTiSASRec(20, 8, 8, **options).double()
    with torch.no_grad():
        for parameter in ours.parameters():
            parameter.mul_(10)
    theirs.load_state_dict(ours.state_dict())
    items, times, queries, _ = sequences()
    results = [model(items, times, queries) for model in (ours, theirs)]
    torch.testing.assert_close(*results, atol=1e-11, rtol=1e-11)
    for result in results:
        result.square().sum().backward()
    for (name, got), want in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(got.grad, want.grad, atol=1e-9, rtol=1e-9, msg=name)
