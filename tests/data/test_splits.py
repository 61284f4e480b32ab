"""Splits: nobody's future is seen, ties stay together, every part is what it promises."""

from dataclasses import fields

import numpy as np
import pandas as pd
import pytest

from tutorial_lib.data.datasets import load_dataset
from tutorial_lib.data.events import Dataset, make_dataset
from tutorial_lib.data.sequences import fit_gap_statistics
from tutorial_lib.data.splits import Split, leave_last_out, make_split, temporal_split
from tutorial_lib.errors import TutorialError

START = 1_600_000_000
KINDS = [("temporal", {}), ("temporal", {"targets": "successive"}), ("leave_last_out", {})]


def random_table(seed: int, users: int = 40, rows: int = 1500, span: int = 400) -> pd.DataFrame:
    """Users active in different periods, many simultaneous events, no duplicates."""
    rng = np.random.default_rng(seed)
    user = rng.integers(0, users, rows)
    timestamp = START + (
        rng.beta(2, 2, users)[user] * span + rng.integers(0, span // 2, rows)
    ).astype(np.int64)
    table = pd.DataFrame({"user": user, "item": rng.integers(0, 60, rows), "timestamp": timestamp})
    return table.drop_duplicates(ignore_index=True)


def parts_equal(one: Split, other: Split) -> bool:
    pairs = [(one.train_end, other.train_end)]
    pairs += [
        (getattr(a, f.name), getattr(b, f.name))
        for a, b in ((one.valid, other.valid), (one.test, other.test))
        for f in fields(a)
    ]
    return all(np.array_equal(a, b) for a, b in pairs) and (one.cut_valid, one.cut_test) == (
        other.cut_valid,
        other.cut_test,
    )


def test_temporal_split_of_a_hand_made_table() -> None:
    table = pd.DataFrame(
        [(0, 10, 1), (0, 11, 2), (0, 12, 6), (0, 13, 7), (0, 14, 9)]
        + [(1, 10, 3), (1, 11, 4), (1, 12, 5), (1, 15, 8)]
        + [(2, 16, 10), (2, 17, 10), (2, 18, 10)],
        columns=["user", "item", "timestamp"],
    )
    dataset = make_dataset("hand", table)  # 12 events; ordered times 1..9, 10, 10, 10
    last = temporal_split(dataset, valid=0.25, test=0.25)
    assert (last.cut_valid, last.cut_test) == (7, 10)
    assert last.train_end.tolist() == [3, 8, 9]  # rows 0-2, 5-7, none
    assert (last.valid.user.tolist(), last.valid.start.tolist(), last.valid.row.tolist()) == (
        [0, 1],
        [0, 5],
        [4, 8],
    )
    assert (last.test.user.tolist(), last.test.start.tolist(), last.test.row.tolist()) == (
        [2],
        [9],
        [11],
    )
    every = temporal_split(dataset, valid=0.25, test=0.25, targets="successive")
    # row 9 has no earlier event
    assert (every.valid.row.tolist(), every.test.row.tolist()) == ([3, 4, 8], [10, 11])
    assert every.test.start.tolist() == [9, 9]
    assert last.train["item"].map(lambda i: dataset.item_ids[i - 1]).tolist() == [
        10,
        11,
        12,
        10,
        11,
        12,
    ]
    assert last.train_items.tolist() == [False, True, True, True] + [False] * 6


@pytest.mark.parametrize("seed", range(5))
def test_the_cuts_separate_the_times_and_take_the_asked_fractions(seed: int) -> None:
    dataset = make_dataset("random", random_table(seed))
    times = dataset.events["timestamp"].to_numpy()
    for targets in ("last", "successive"):
        split = temporal_split(dataset, valid=0.2, test=0.1, targets=targets)
        assert split.train["timestamp"].max() < split.cut_valid <= times[split.valid.row].min()
        assert times[split.valid.row].max() < split.cut_test <= times[split.test.row].min()
        # equal timestamps fall on the same side
        assert len(split.train) == (times < split.cut_valid).sum()
        for cut, share in ((split.cut_valid, 0.3), (split.cut_test, 0.1)):
            assert (times > cut).mean() <= share <= (times >= cut).mean() + 0.5 / len(times)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("kind", "options"), KINDS)
def test_targets_agree_with_a_slow_reading_of_the_definition(
    kind: str, options: dict, seed: int
) -> None:
    dataset = make_dataset("random", random_table(seed))
    split = make_split(dataset, kind, **options)
    times = dataset.events["timestamp"].to_numpy()
    expected = {"valid": [], "test": []}
    for user in range(dataset.num_users):
        rows = list(range(dataset.offsets[user], dataset.offsets[user + 1]))
        if kind == "leave_last_out":
            chosen = {"valid": rows[-2:-1], "test": rows[-1:]}
            first_valid = rows[-2]
        else:
            later = [row for row in rows[1:] if times[row] >= split.cut_valid]
            chosen = {
                "valid": [row for row in later if times[row] < split.cut_test],
                "test": [row for row in later if times[row] >= split.cut_test],
            }
            if options.get("targets") != "successive":
                chosen = {part: found[-1:] for part, found in chosen.items()}
            first_valid = next((row for row in rows if times[row] >= split.cut_valid), rows[-1] + 1)
        assert split.train_end[user] == first_valid
        for part, found in chosen.items():
            expected[part] += [(user, rows[0], row) for row in found]
    for part, rows in expected.items():
        targets = getattr(split, part)
        assert list(zip(targets.user, targets.start, targets.row, strict=True)) == rows
        assert all(getattr(targets, field.name).dtype == np.int64 for field in fields(targets))
        assert (targets.row > targets.start).all()
        assert (targets.row >= split.train_end[targets.user]).all()


@pytest.mark.parametrize(("kind", "options"), KINDS)
def test_new_item_numbers_change_no_split(kind: str, options: dict) -> None:
    table = random_table(1)
    renamed = np.random.default_rng(0).permutation(60)
    one = make_split(make_dataset("one", table), kind, **options)
    other = make_split(
        make_dataset("other", table.assign(item=renamed[table["item"]])), kind, **options
    )
    assert parts_equal(one, other)
    original, new = (s.dataset.item_ids[s.dataset.events["item"] - 1] for s in (one, other))
    assert (renamed[original] == new).all()


@pytest.mark.parametrize(("kind", "options"), KINDS)
def test_nothing_fitted_sees_validation_or_test(kind: str, options: dict) -> None:
    dataset = make_dataset("random", random_table(2))
    split = make_split(dataset, kind, **options)
    held_out = np.arange(len(dataset.events)) >= split.train_end[dataset.events["user"]]
    times = dataset.events["timestamp"]
    # every held-out event at another time, in the same order
    stretched = times + 2 * (times - START) + 7
    events = dataset.events.assign(
        item=np.where(held_out, 1, dataset.events["item"]),
        timestamp=np.where(held_out, stretched, times),
    )
    changed = make_split(
        Dataset("changed", events, dataset.user_ids, dataset.item_ids), kind, **options
    )
    assert (changed.dataset.events["timestamp"] != times).sum() == held_out.sum() >= 80
    pd.testing.assert_frame_equal(changed.train, split.train)
    assert (changed.train_items == split.train_items).all()
    assert fit_gap_statistics(changed) == fit_gap_statistics(split)


def test_leave_last_out_lets_short_users_only_train() -> None:
    table = pd.DataFrame({"user": [0, 0, 1, 1, 1], "item": range(5), "timestamp": [1, 2, 1, 2, 3]})
    split = leave_last_out(make_dataset("short", table, min_events=2))
    assert split.train_end.tolist() == [2, 3]
    assert (split.valid.row.tolist(), split.test.row.tolist(), split.test.start.tolist()) == (
        [3],
        [4],
        [2],
    )


def test_what_cannot_be_split_is_refused() -> None:
    dataset = make_dataset("random", random_table(3))
    order_only = Dataset(
        "ordered", dataset.events, dataset.user_ids, dataset.item_ids, has_times=False
    )
    assert len(leave_last_out(order_only).test) == dataset.num_users
    one_moment = Dataset(
        "moment", dataset.events.assign(timestamp=START), dataset.user_ids, dataset.item_ids
    )
    loners = make_dataset(
        "loners",
        pd.DataFrame({"user": range(9), "item": range(9), "timestamp": range(9)}),
        min_events=1,
    )
    refusals = [
        (lambda: temporal_split(order_only), "ordered knows the order .* use leave_last_out"),
        (lambda: temporal_split(dataset, valid=0.5, test=0.5), "valid=0.5 and test=0.5"),
        (lambda: temporal_split(dataset, test=0), "test=0"),
        (
            lambda: temporal_split(dataset, targets="first"),
            "'first': choose 'last' or 'successive'",
        ),
        (lambda: temporal_split(dataset, valid=1e-6), "leaves the validation part without events"),
        (lambda: temporal_split(one_moment), "leaves the training part without events"),
        (lambda: temporal_split(loners), "leaves the validation part without events"),
        (lambda: leave_last_out(loners), "leaves the validation part without events"),
        (
            lambda: make_split(dataset, "random"),
            "Unknown split 'random': choose one of temporal, leave_last_out",
        ),
        (
            lambda: make_split(dataset, "temporal", vaild=0.1),
            "no option 'vaild': it knows valid, test, targets",
        ),
        (
            lambda: make_split(dataset, "leave_last_out", test=0.1),
            "no option 'test': it knows none",
        ),
    ]
    for call, message in refusals:
        with pytest.raises(TutorialError, match=message):
            call()


def test_every_event_of_the_test_period_is_a_target_and_the_last_is_enough_for_validation():
    dataset = load_dataset("sample", users=80)
    every = temporal_split(dataset, targets="successive")
    last, both = (make_split(dataset, kind) for kind in ("temporal", "temporal_every"))
    assert both.kind == "temporal_every"
    assert np.array_equal(both.test.row, every.test.row) and len(both.test) > len(last.test)
    assert np.array_equal(both.valid.row, last.valid.row)
    assert np.array_equal(both.train_end, last.train_end) and both.cut_valid == last.cut_valid
    with pytest.raises(TutorialError, match="'temporal_every' has no option 'targets'"):
        make_split(dataset, "temporal_every", targets="last")
