"""Windows, batches and gap features: what is covered, how it is padded, what stays exact."""

import math

import numpy as np
import pandas as pd
import pytest
import torch

from tutorial_lib.data.events import Dataset, make_dataset
from tutorial_lib.data.sequences import (
    Batch,
    GapStatistics,
    evaluation_batches,
    fit_gap_statistics,
    gap_feature,
    gather_windows,
    num_training_batches,
    seen_items,
    training_batches,
)
from tutorial_lib.data.splits import Split, make_split
from tutorial_lib.errors import TutorialError

START = 1_600_000_000
RAW = GapStatistics(0.0, 1.0)


def unique_times_split(kind: str = "leave_last_out", **options) -> Split:
    """Random histories of 3 to 40 events; every timestamp names one event, so that batches can be
    traced back to rows.
    """
    rng = np.random.default_rng(0)
    user = np.repeat(np.arange(60), rng.integers(3, 41, 60))
    times = START + rng.permutation(len(user)) * 10
    table = pd.DataFrame({"user": user, "item": rng.integers(0, 50, len(user)), "timestamp": times})
    return make_split(make_dataset("unique", table), kind, **options)


def row_of(split: Split, times: torch.Tensor) -> np.ndarray:
    ordered = split.dataset.events["timestamp"].sort_values()
    return ordered.index.to_numpy()[np.searchsorted(ordered.to_numpy(), times.numpy())]


def check_form(batch: Batch, max_len: int) -> torch.Tensor:
    """Everything that every batch promises; returns the mask of real positions."""
    for tensor in vars(batch).values():
        assert tensor.dtype == torch.int64
    real = torch.arange(batch.items.shape[1]) < batch.lengths[:, None]
    assert batch.items.shape[1] == batch.lengths.max() <= max_len and batch.lengths.min() >= 1
    assert ((batch.items > 0) == real).all()  # right padding: the real events come first
    last = batch.times.gather(1, batch.lengths[:, None] - 1)
    assert (batch.times == torch.where(real, batch.times, last)).all()
    assert (batch.query_times >= batch.times).all() and (batch.query_times == batch.times)[
        ~real
    ].all()
    assert (batch.targets[~real] == 0).all()
    return real


def test_a_hand_made_batch() -> None:
    table = pd.DataFrame(
        {
            "user": [0] * 5 + [1] * 7,
            "item": range(1, 13),
            "timestamp": [10, 20, 20, 50, 60, 1, 2, 3, 5, 8, 13, 21],
        }
    )
    # training rows: items 1-3 and 6-10
    split = make_split(make_dataset("hand", table), "leave_last_out")
    (batch,) = training_batches(split, max_len=3, batch_size=8, seed=0, epoch=0)
    order = batch.users.argsort()
    assert batch.items[order].tolist() == [[1, 2, 0], [7, 8, 9]]
    assert batch.targets[order].tolist() == [[2, 3, 0], [8, 9, 10]]
    assert batch.times[order].tolist() == [[10, 20, 20], [2, 3, 5]]
    assert batch.query_times[order].tolist() == [[20, 20, 20], [3, 5, 8]]
    assert batch.lengths[order].tolist() == [2, 3]
    ((batch, index),) = evaluation_batches(split, "test", max_len=5, batch_size=8)
    assert index.tolist() == [1, 0] and batch.users.tolist() == [1, 0]  # longest first
    assert batch.items.tolist() == [[7, 8, 9, 10, 11], [1, 2, 3, 4, 0]]
    assert batch.targets.tolist() == [[0, 0, 0, 0, 12], [0, 0, 0, 5, 0]]
    assert batch.query_times.tolist() == [[3, 5, 8, 13, 21], [20, 20, 50, 60, 50]]


@pytest.mark.parametrize("bucket", [True, False])
@pytest.mark.parametrize("max_len", [1, 4, 7, 100])
@pytest.mark.parametrize("kind", ["leave_last_out", "temporal"])
def test_both_kinds_of_windows_cover_what_they_promise(
    kind: str, max_len: int, bucket: bool
) -> None:
    split = unique_times_split(kind)
    items, offsets = split.dataset.events["item"].to_numpy(), split.dataset.offsets
    for windows in ("last", "all"):
        options = {"max_len": max_len, "batch_size": 8, "windows": windows}
        batches = list(training_batches(split, seed=3, epoch=0, bucket=bucket, **options))
        assert len(batches) == num_training_batches(split, **options)
        # only one may be smaller
        assert all(size == 8 for size in sorted(len(batch.users) for batch in batches)[1:])
        covered = []
        for batch in batches:
            real = check_form(batch, max_len)
            rows, target_rows = (
                row_of(split, batch.times[real]),
                row_of(split, batch.query_times[real]),
            )
            # each position predicts the next event, which it does not contain
            assert (target_rows == rows + 1).all()
            assert (items[rows] == batch.items[real].numpy()).all()
            assert (items[target_rows] == batch.targets[real].numpy()).all()
            users = batch.users[:, None].expand_as(batch.items)[real].numpy()
            assert (split.dataset.events["user"].to_numpy()[rows] == users).all()
            assert (target_rows < split.train_end[users]).all()
            covered += target_rows.tolist()
        first = np.maximum(offsets[:-1] + 1, split.train_end - max_len if windows == "last" else 0)
        promised = [
            row
            for start, end in zip(first, split.train_end, strict=True)
            for row in range(start, end)
        ]
        assert sorted(covered) == promised


def test_all_windows_are_counted_from_the_end() -> None:
    split = unique_times_split()
    lengths = split.train_end - split.dataset.offsets[:-1] - 1  # targets of each user
    batches = list(
        training_batches(split, max_len=5, batch_size=1000, seed=0, epoch=0, windows="all")
    )
    found = (
        pd.DataFrame({"user": batches[0].users, "length": batches[0].lengths})
        .groupby("user")["length"]
        .apply(sorted)
    )
    for user, seen in found.items():
        full, rest = divmod(int(lengths[user]), 5)
        assert seen == [rest] * (rest > 0) + [5] * full


@pytest.mark.parametrize("max_len", [1, 4, 100])
def test_prefixes_give_every_training_target_a_window_that_ends_before_it(max_len: int) -> None:
    split = unique_times_split()
    items, offsets = split.dataset.events["item"].to_numpy(), split.dataset.offsets
    options = {"max_len": max_len, "batch_size": 8, "windows": "prefixes"}
    batches = list(training_batches(split, seed=3, epoch=0, **options))
    assert len(batches) == num_training_batches(split, **options)
    covered = []
    for batch in batches:
        check_form(batch, max_len)
        last = batch.lengths - 1
        assert (batch.targets.gather(1, last[:, None]) > 0).all() and (
            (batch.targets > 0).sum(1) == 1
        ).all()
        row = row_of(split, batch.times.gather(1, last[:, None])[:, 0])
        assert (items[row + 1] == batch.targets.amax(1).numpy()).all()
        assert (
            batch.lengths.numpy() == np.minimum(row + 1 - offsets[batch.users.numpy()], max_len)
        ).all()
        covered += (row + 1).tolist()
    promised = [
        row
        for start, end in zip(offsets[:-1] + 1, split.train_end, strict=True)
        for row in range(start, end)
    ]
    assert sorted(covered) == promised


def test_epochs_are_reproducible_on_their_own_and_differ() -> None:
    split = unique_times_split()

    def epoch(seed: int, number: int, **options) -> list[list[int]]:
        batches = training_batches(
            split, max_len=6, batch_size=7, seed=seed, epoch=number, **options
        )
        return [batch.query_times.flatten().tolist() for batch in batches]

    assert epoch(1, 4) == epoch(1, 4)
    assert len({str(epoch(seed, number)) for seed in (1, 2) for number in (0, 1)}) == 4
    assert epoch(1, 4, bucket=False) != epoch(1, 4)


def test_bucketing_saves_padding_without_ordering_the_batches() -> None:
    split = unique_times_split()

    def batches(bucket: bool) -> list[Batch]:
        return list(
            training_batches(split, max_len=40, batch_size=6, seed=0, epoch=0, bucket=bucket)
        )

    sizes = {
        bucket: sum(batch.items.numel() for batch in batches(bucket)) for bucket in (True, False)
    }
    real = sum(int(batch.lengths.sum()) for batch in batches(True))
    assert sizes[True] - real < 0.4 * (sizes[False] - real)
    widths = [batch.items.shape[1] for batch in batches(True)]
    assert widths != sorted(widths) and widths != sorted(widths, reverse=True)


def test_users_without_a_training_target_yield_nothing() -> None:
    table = pd.DataFrame(
        {"user": [0] * 3 + [1] * 5, "item": range(8), "timestamp": [1, 2, 3, 1, 2, 3, 4, 5]}
    )
    # one and three training events
    split = make_split(make_dataset("short", table), "leave_last_out")
    assert [
        b.users.tolist() for b in training_batches(split, max_len=9, batch_size=9, seed=0, epoch=0)
    ] == [[1]]
    nobody = make_split(make_dataset("shorter", table.iloc[:3]), "leave_last_out")
    with pytest.raises(TutorialError, match="No user of shorter has 2 training events"):
        next(training_batches(nobody, max_len=9, batch_size=9, seed=0, epoch=0))


@pytest.mark.parametrize("part", ["valid", "test"])
@pytest.mark.parametrize(
    ("kind", "options"), [("leave_last_out", {}), ("temporal", {"targets": "successive"})]
)
def test_evaluation_batches_hold_the_last_events_before_each_target(
    kind: str, options: dict, part: str
) -> None:
    split = unique_times_split(kind, **options)
    targets, items = getattr(split, part), split.dataset.events["item"].to_numpy()
    indices, lengths = [], []
    for batch, index in evaluation_batches(split, part, max_len=9, batch_size=7):
        check_form(batch, 9)
        index = index.numpy()
        assert (batch.users.numpy() == targets.user[index]).all()
        assert (batch.lengths.numpy() == np.minimum(targets.row - targets.start, 9)[index]).all()
        last = batch.lengths[:, None] - 1
        assert (row_of(split, batch.times.gather(1, last)[:, 0]) == targets.row[index] - 1).all()
        assert (row_of(split, batch.query_times.gather(1, last)[:, 0]) == targets.row[index]).all()
        assert (batch.targets.gather(1, last)[:, 0].numpy() == items[targets.row[index]]).all()
        assert ((batch.targets > 0).sum(1) == 1).all()
        for row, target in zip(batch.items.tolist(), index, strict=True):
            history = items[targets.start[target] : targets.row[target]][-9:].tolist()
            assert row[: len(history)] == history
        indices, lengths = indices + index.tolist(), lengths + batch.lengths.tolist()
    assert sorted(indices) == list(range(len(targets))) and lengths == sorted(lengths, reverse=True)


def test_seen_items_are_the_full_history() -> None:
    split = unique_times_split()
    items, index = split.dataset.events["item"].to_numpy(), torch.tensor([5, 0, 17])
    batch_row, seen = seen_items(split, split.test, index)
    expected = [
        (b, item)
        for b, n in enumerate(index.tolist())
        for item in items[split.test.start[n] : split.test.row[n]].tolist()
    ]
    assert list(zip(batch_row.tolist(), seen.tolist(), strict=True)) == expected
    assert max(np.bincount(batch_row)) > 9  # longer than any window above


def test_gather_windows_refuses_an_empty_range() -> None:
    with pytest.raises(TutorialError, match="shortest_range=0"):
        gather_windows(np.arange(5), np.arange(5), np.array([0, 3]), np.array([2, 3]), 4)


def test_gap_statistics_come_from_gaps_within_users() -> None:
    times = [0, 3600, 3600, 9000, 9001, 50_000, 57_200, 90_000, 90_001]
    table = pd.DataFrame({"user": [0] * 5 + [1] * 4, "item": range(9), "timestamp": times})
    stats = fit_gap_statistics(make_split(make_dataset("hand", table), "leave_last_out"))
    # training gaps: 1 h, 0, and 2 h; the 40,000 s between users are none
    gaps = [math.log(2), 0.0, math.log(3)]
    assert stats.mean == pytest.approx(sum(gaps) / 3, rel=1e-12)
    assert stats.std == pytest.approx(
        math.sqrt(sum((gap - stats.mean) ** 2 for gap in gaps) / 3), rel=1e-12
    )


def test_gap_statistics_without_spread_or_without_times() -> None:
    table = pd.DataFrame({"user": [0] * 5, "item": range(5), "timestamp": [0, 60, 120, 180, 999]})
    dataset = make_dataset("even", table)
    assert fit_gap_statistics(make_split(dataset, "leave_last_out")).std == 1.0
    order_only = Dataset(
        "ordered", dataset.events, dataset.user_ids, dataset.item_ids, has_times=False
    )
    with pytest.raises(TutorialError, match="ordered knows the order .* no gaps"):
        fit_gap_statistics(make_split(order_only, "leave_last_out"))


def test_one_second_survives_today() -> None:
    times = torch.tensor([[START + 1, START + 2, START + 2, START + 3602]])
    backward, forward = gap_feature(times, times + 1, stats=RAW)
    assert backward.dtype == forward.dtype == torch.float32
    second, hour = math.log1p(1 / 3600), math.log(2)
    assert backward[0].tolist() == pytest.approx([0, second, 0, hour], rel=1e-6, abs=0)
    assert forward[0].tolist() == pytest.approx([second] * 4, rel=1e-6)
    assert (times.float().diff() == 0)[0, 0]  # float32 would have lost it


def test_gap_features_are_standardised_and_shift_invariant() -> None:
    times = (
        START
        + torch.randint(0, 10**7, (4, 9), generator=torch.Generator().manual_seed(0))
        .sort(dim=1)
        .values
    )
    stats = GapStatistics(1.5, 0.5)
    backward, forward = gap_feature(times, times.flip(0).clamp(min=times), stats=stats)
    raw_backward, raw_forward = gap_feature(times, times.flip(0).clamp(min=times), stats=RAW)
    torch.testing.assert_close(backward, (raw_backward - 1.5) / 0.5, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(forward, (raw_forward - 1.5) / 0.5, rtol=1e-6, atol=1e-6)
    assert (backward[:, 0] == -3).all()  # the first event has gap 0
    shifted, nothing = gap_feature(times + 12345, stats=stats)
    assert torch.equal(shifted, backward) and nothing is None
    early, late = gap_feature(times, times - 50, stats=stats)
    # a query before the last event counts as gap 0
    assert (late == -3).all() and torch.equal(early, backward)
    with pytest.raises(TutorialError, match="int64 unix seconds, not torch.float32"):
        gap_feature(times.float(), stats=stats)
    with pytest.raises(TutorialError, match="int64 unix seconds"):
        gap_feature(times, times.float(), stats=stats)


def test_wrong_options_are_refused() -> None:
    split = unique_times_split()
    options = {"max_len": 5, "batch_size": 4, "seed": 0, "epoch": 0}
    refusals = [
        (lambda: next(training_batches(split, **(options | {"max_len": 0}))), "max_len=0"),
        (lambda: next(training_batches(split, **(options | {"batch_size": 0}))), "batch_size=0"),
        (
            lambda: next(training_batches(split, **options, windows="first")),
            "windows='first': choose one of last, all, prefixes",
        ),
        (
            lambda: next(evaluation_batches(split, "train", max_len=5, batch_size=4)),
            "'train': choose 'valid' or 'test'",
        ),
        (lambda: next(evaluation_batches(split, "test", max_len=0, batch_size=4)), "max_len=0"),
        (lambda: num_training_batches(split, max_len=5, batch_size=0), "batch_size=0"),
    ]
    for call, message in refusals:
        with pytest.raises(TutorialError, match=message):
            call()
