"""The event table: what is refused, how ties are kept, how ids are made dense."""

import hashlib
import struct

import numpy as np
import pandas as pd
import pytest

from tutorial_lib.data.events import Dataset, make_dataset, sample_users, sort_events, validate
from tutorial_lib.errors import TutorialError

START = 1_600_000_000


def good_table() -> pd.DataFrame:
    """Three users with four events each, sorted, no two rows alike."""
    user, step = np.repeat([0, 1, 2], 4), np.tile(np.arange(4), 3)
    return pd.DataFrame({"user": user, "item": user * 4 + step, "timestamp": START + step * 60})


def random_table(seed: int, rows: int = 400) -> pd.DataFrame:
    """Unsorted, full of simultaneous events, without duplicates."""
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        {"user": rng.integers(0, 12, rows) * 7, "item": rng.integers(0, 90, rows) * 3}
    )
    return table.assign(timestamp=START + rng.integers(0, 15, rows)).drop_duplicates(
        ignore_index=True
    )


def planted(column: str, value: object, row: int = 5) -> pd.DataFrame:
    table = good_table().astype({column: object})
    table.loc[row, column] = value
    return table


FAULTS = {
    "missing value": (planted("item", None), "Row 5 .*user=1.*missing value.*dropna"),
    "not a number": (planted("item", float("nan")), "Row 5 .*missing value"),
    "half id": (planted("user", 1.5), "Row 5 .*user=1.5.*no 64-bit whole number.*factorize"),
    "string id": (planted("item", "B00X"), "Row 5 .*item=B00X.*no 64-bit whole number"),
    "infinite time": (
        planted("timestamp", float("inf")),
        "Row 5 .*timestamp=inf.*whole number.*seconds",
    ),
    "float that lost digits": (
        good_table().assign(
            user=lambda t: t["user"].astype(float).where(t.index != 5, 2.0**53 + 2)
        ),
        "Row 5 .*user=9007199254740994.0.*64-bit",
    ),
    "id beyond int64": (planted("item", 2.0**63), "Row 5 .*64-bit"),
    "negative item": (planted("item", -3), "Row 5 .*item=-3.*negative item"),
    "negative user": (planted("user", -1), "Row 5 .*user=-1.*negative user"),
    "negative time": (planted("timestamp", -1), "Row 5 .*timestamp=-1.*negative timestamp"),
    "milliseconds": (
        planted("timestamp", START * 1000),
        f"Row 5 .*timestamp={START * 1000}.*milliseconds.*divide.* by 1000",
    ),
    "time going back": (planted("timestamp", START - 1), "Row 5 .*order.*sort_events"),
    "users mixed": (
        good_table().iloc[[0, 1, 2, 4, 3, 5, 6, 7]],
        "Row 4 .*user=0, item=3.*order.*sort_events",
    ),
    "duplicate": (
        good_table().iloc[[0, 1, 2, 3, 4, 5, 5, 6]],
        "Row 6 .*user=1, item=5.*repeats an earlier row.*drop_duplicates",
    ),
    "short user": (good_table().iloc[:6], "Row 4 .*user=1.*fewer than 3 events.*drop_short_users"),
    "no rows": (good_table().iloc[:0], "empty"),
    "no time": (
        good_table().drop(columns="timestamp"),
        r"\['user', 'item'\] but lacks \['timestamp'\]",
    ),
    "dates": (
        good_table().assign(timestamp=pd.Timestamp("2020-01-01")),
        "dates, not unix seconds.*astype",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_refused_with_its_own_sentence(fault: str) -> None:
    table, message = FAULTS[fault]
    with pytest.raises(TutorialError, match=message) as caught:
        validate(table)
    assert "\n" not in str(caught.value)
    others = [other for other, (_, pattern) in FAULTS.items() if pattern == message]
    assert others == [fault]


def test_a_good_table_passes_with_canonical_types_and_is_not_touched() -> None:
    table = (
        good_table()
        .astype({"user": "int32", "item": "float64", "timestamp": "Int64"})
        .assign(rating=[4, 5] * 6)
    )
    before = table.copy()
    checked = validate(table)
    assert checked.dtypes.astype(str).to_dict() == {
        "user": "int64",
        "item": "int64",
        "timestamp": "int64",
        "rating": "float32",
    }
    pd.testing.assert_frame_equal(checked[["user", "item", "timestamp"]], good_table())
    pd.testing.assert_frame_equal(table, before)


def test_milliseconds_are_told_from_seconds_at_the_boundary() -> None:
    # the year 2096
    seconds = good_table().assign(timestamp=lambda t: t["timestamp"] - START + 4_000_000_000)
    assert len(validate(seconds)) == 12
    # 1995 in milliseconds
    oldest = good_table().assign(timestamp=lambda t: (t["timestamp"] - START + 800_000_000) * 1000)
    with pytest.raises(TutorialError, match="milliseconds"):
        validate(oldest)


def test_short_users_can_be_dropped_but_not_all_of_them() -> None:
    kept = validate(good_table().iloc[:6], drop_short_users=True)
    assert kept["user"].unique().tolist() == [0] and kept.index.tolist() == [0, 1, 2, 3]
    assert len(validate(good_table().iloc[:6], min_events=2)) == 6
    with pytest.raises(TutorialError, match="No user has 5 or more events .*has 4"):
        validate(good_table(), min_events=5, drop_short_users=True)


@pytest.mark.parametrize("seed", range(3))
def test_sorting_keeps_simultaneous_events_in_the_order_of_the_file(seed: int) -> None:
    table = random_table(seed)
    # Python's sort is stable
    rows = sorted(table.itertuples(index=False), key=lambda row: (row.user, row.timestamp))
    expected = pd.DataFrame(rows, columns=table.columns)
    pd.testing.assert_frame_equal(sort_events(table), expected)
    ties = expected.duplicated(["user", "timestamp"])
    assert ties.mean() > 0.3 and not expected.equals(
        expected.sort_values(["user", "timestamp", "item"], ignore_index=True)
    )


def test_ids_become_dense_and_lead_back_to_the_original_table() -> None:
    table = random_table(3)
    dataset = make_dataset("random", table)
    back = dataset.events.assign(
        user=dataset.user_ids[dataset.events["user"]],
        item=dataset.item_ids[dataset.events["item"] - 1],
    )
    pd.testing.assert_frame_equal(back, sort_events(table))
    assert dataset.events["item"].min() == 1 and dataset.events["item"].max() == dataset.num_items
    assert (np.diff(dataset.user_ids) > 0).all() and (np.diff(dataset.item_ids) > 0).all()
    for user in range(dataset.num_users):
        rows = np.flatnonzero(dataset.events["user"] == user)
        assert rows.tolist() == list(range(dataset.offsets[user], dataset.offsets[user + 1]))


def test_string_ids_are_kept_and_quoted_in_errors() -> None:
    table = good_table().sample(frac=1, random_state=0, ignore_index=True)
    table["user"], table["item"] = "u" + table["user"].astype(str), "i" + table["item"].astype(str)
    dataset = make_dataset("strings", table)
    assert dataset.user_ids.tolist() == ["u0", "u1", "u2"]
    assert dataset.item_ids[dataset.events["item"] - 1][:4].tolist() == ["i0", "i1", "i2", "i3"]
    table.loc[7, "timestamp"] = START * 1000
    with pytest.raises(
        TutorialError,
        match=rf"Row 7 \(user={table['user'][7]}, item={table['item'][7]}, .*milliseconds",
    ):
        make_dataset("strings", table)
    with pytest.raises(TutorialError, match="Row 2 .*missing value"):
        make_dataset("strings", table.assign(user=table["user"].where(table.index != 2)))


@pytest.mark.parametrize("seed", range(3))
def test_new_item_numbers_change_nothing_but_the_numbers(seed: int) -> None:
    table = random_table(seed)
    renamed = np.random.default_rng(seed + 100).permutation(300)
    one, other = (
        make_dataset("one", table),
        make_dataset("other", table.assign(item=renamed[table["item"]])),
    )
    originals = one.item_ids[one.events["item"] - 1]
    assert (other.item_ids[other.events["item"] - 1] == renamed[originals]).all()
    pd.testing.assert_frame_equal(
        one.events[["user", "timestamp"]], other.events[["user", "timestamp"]]
    )


def test_fingerprint_is_the_documented_hash_and_sees_one_second() -> None:
    events = validate(good_table().assign(rating=3.0))
    dataset = Dataset("good", events, np.arange(3), np.arange(12))
    columns = (events[name].tolist() for name in ("user", "item", "timestamp"))
    packed = b"".join(struct.pack(f"<{len(column)}q", *column) for column in columns)
    assert dataset.fingerprint == hashlib.sha256(packed).hexdigest()[:16]
    later = events.assign(timestamp=events["timestamp"] + (events.index == 11))
    assert Dataset("good", later, np.arange(3), np.arange(12)).fingerprint != dataset.fingerprint


def test_a_sample_of_users_keeps_their_whole_histories() -> None:
    dataset = make_dataset("random", random_table(5))
    sample, again, other = (sample_users(dataset, 4, seed) for seed in (1, 1, 2))
    assert sample.num_users == 4 and sample.fingerprint == again.fingerprint != other.fingerprint
    for user, original in enumerate(sample.user_ids):
        mine = sample.events[sample.events["user"] == user]
        theirs = dataset.events[dataset.user_ids[dataset.events["user"]] == original]
        assert (sample.item_ids[mine["item"] - 1] == dataset.item_ids[theirs["item"] - 1]).all()
        assert (mine["timestamp"].to_numpy() == theirs["timestamp"].to_numpy()).all()
    assert sorted(sample.events["item"].unique()) == list(range(1, sample.num_items + 1))
    for users in (0, dataset.num_users + 1):
        with pytest.raises(TutorialError, match=f"users={users} .*12 users"):
            sample_users(dataset, users)
