"""The event table: one row per (user, item, timestamp), and the door that bad tables do not
pass."""

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd

from tutorial_files.seconds import NAMES, UNITS, calendar_form, unit_of
from tutorial_files.tables import KEYS
from tutorial_files.timestamps import AS_SECONDS
from tutorial_lib.data.filters import k_core, too_short
from tutorial_lib.data.info import Info, describe
from tutorial_lib.errors import TutorialError
from tutorial_lib.language import say


@dataclass(frozen=True, eq=False)
class Dataset:
    """Events with dense ids. Taught in lesson 01.

    `events` has the columns user int64 (0..num_users-1), item int64 (1..num_items; 0 is kept for
    padding), timestamp int64 (unix seconds) and optionally rating float32. Rows are sorted by
    (user, timestamp, original row order). `user_ids[u]` is the original id of user u, `item_ids[i -
    1]` that of item i. With `has_times = False` only the order is known, and timestamp merely
    counts 0, 1, 2, ... within each user. `repeats`: people come back to the same items, so a seen
    item may be the right answer. `duplicates`: exact repetitions of rows that were dropped.
    `notes`: what was done to the file.
    """

    name: str
    events: pd.DataFrame
    user_ids: np.ndarray
    item_ids: np.ndarray
    has_times: bool = True
    repeats: bool = False
    duplicates: int = 0
    notes: tuple[str, ...] = ()

    @property
    def num_users(self) -> int:
        return len(self.user_ids)

    @property
    def num_items(self) -> int:
        return len(self.item_ids)

    @cached_property
    def offsets(self) -> np.ndarray:
        """Row range of each user, int64 [num_users + 1]: the rows of user u are offsets[u] ..
        offsets[u + 1] - 1.
        """
        counts = np.bincount(self.events["user"].to_numpy(), minlength=self.num_users)
        return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)

    @cached_property
    def info(self) -> Info:
        """Counts, span, resolution of the clock, zero gaps, repeats; prints as a table."""
        return describe(self)

    @cached_property
    def fingerprint(self) -> str:
        """First 16 hex digits of SHA-256 over the three columns as little-endian int64, one column
        after the other.
        """
        digest = hashlib.sha256()
        for column in KEYS:
            digest.update(np.ascontiguousarray(self.events[column].to_numpy(), dtype="<i8"))
        return digest.hexdigest()[:16]


def sort_events(events: pd.DataFrame) -> pd.DataFrame:
    """Stable sort by (user, timestamp), new RangeIndex. Simultaneous events keep the order in which
    they came.

    The item id never decides: any fixed order of the items, meaningful or not, plants a pattern
    into every tie, and sequence models then "discover" it. Taught in lessons 01 and 03.
    """
    _require_columns(events)
    # lexsort is stable
    order = np.lexsort((events["timestamp"].to_numpy(), events["user"].to_numpy()))
    return events.take(order).reset_index(drop=True)


def validate(
    events: pd.DataFrame, *, min_events: int = 3, drop_short_users: bool = False
) -> pd.DataFrame:
    """The table with canonical types (int64; rating float32), or a TutorialError that names the
    first bad row.

    Checks in this order: columns, emptiness, missing values, whole numbers, signs, seconds (not
    milliseconds), duplicate rows, order, users with fewer than `min_events` events
    (`drop_short_users` removes these instead). Rows are counted from 0.
    """
    return _check_sequences(_check_values(events), min_events, drop_short_users)


def make_dataset(
    name: str,
    events: pd.DataFrame,
    *,
    has_times: bool = True,
    drop_short_users: bool = True,
    min_events: int = 3,
    min_item_events: int = 1,
) -> Dataset:
    """Check, sort and re-index a raw table; ids may be integers or strings. Dense ids follow the
    order of the original ids: numbers by value, text by its characters.

    With `min_item_events` above 1, users with fewer than `min_events` and items with fewer than
    `min_item_events` events are left out again and again until none is left (the k-core of the
    field). Raises TutorialError as `validate` does; row numbers are those of the table as given,
    before sorting.
    """
    _require_columns(events)
    coded, original = (
        events[[*KEYS, *(["rating"] if "rating" in events.columns else [])]].copy(deep=False),
        {},
    )
    for column in ("user", "item"):
        if not pd.api.types.is_numeric_dtype(events[column]) and not events[column].isna().any():
            ids = events[column]
            ids = ids if isinstance(ids.dtype, pd.CategoricalDtype) else ids.astype(str)
            coded[column], names = pd.factorize(ids, sort=True)
            # fixed-width text: can be saved without pickle
            original[column] = np.asarray(names).astype(str)
    table = sort_events(_check_values(coded, shown=events))
    if min_item_events > 1:
        table = table[k_core(table, min_events, min_item_events)].reset_index(drop=True)
    table = _check_sequences(table, min_events, drop_short_users)
    ids = {}
    for column, first in (("user", 0), ("item", 1)):
        ids[column], dense = np.unique(table[column].to_numpy(), return_inverse=True)
        table[column] = dense.astype(np.int64) + first
        if column in original:
            ids[column] = original[column][ids[column]]
    return Dataset(name, table, ids["user"], ids["item"], has_times)


def sample_users(dataset: Dataset, users: int, seed: int = 0) -> Dataset:
    """A random subset of `users` users with all their events, re-indexed; the same seed draws the
    same users.
    """
    if not 1 <= users <= dataset.num_users:
        raise TutorialError(
            "Cannot draw users={users} from {dataset}, which has {num_users} users with"
            " enough events: ask for 1 to {num_users}, or for None to take all.",
            users=users, dataset=dataset.name, num_users=dataset.num_users,
        )  # fmt: skip
    chosen = np.zeros(dataset.num_users, dtype=bool)
    chosen[np.random.default_rng(seed).choice(dataset.num_users, users, replace=False)] = True
    events = dataset.events[chosen[dataset.events["user"].to_numpy()]]
    subset = make_dataset(dataset.name, events, has_times=dataset.has_times, min_events=1)
    return replace(
        subset,
        repeats=dataset.repeats,
        duplicates=dataset.duplicates,
        notes=dataset.notes,
        user_ids=dataset.user_ids[subset.user_ids],
        item_ids=dataset.item_ids[subset.item_ids - 1],
    )


def _require_columns(events: pd.DataFrame) -> None:
    missing = [column for column in KEYS if column not in events.columns]
    if missing:
        raise TutorialError(
            "The event table has the columns {columns} but lacks {missing}: name its"
            " columns user, item and timestamp (unix seconds).",
            columns=list(events.columns), missing=missing,
        )  # fmt: skip


def _refuse(events: pd.DataFrame, bad: np.ndarray, what: str, remedy: str) -> None:
    """Raise if any row is bad, naming the first one by number and content."""
    if bad.any():
        row = int(np.argmax(bad))
        content = ", ".join(f"{column}={events[column].iloc[row]}" for column in KEYS)
        # a table from a file knows its lines
        line = events.index[row] if events.index.name == "line" else None
        place = say("Row {row}", row=row) if line is None else say("Line {line}", line=line)
        raise TutorialError(
            "{place} ({content}) {what}: {remedy}.",
            place=place, content=content, what=what, remedy=remedy,
        )  # fmt: skip


def refuse_repeats(events: pd.DataFrame, repeats: np.ndarray) -> None:
    """Raise if any row was marked, bool [rows], as one that repeats an earlier row."""
    remedy = say("drop such rows with drop_duplicates(['user', 'item', 'timestamp'])")
    if events.index.name == "line":
        remedy += say(", or load csv:PATH@drop_duplicates=true")
    _refuse(events, repeats, say("repeats an earlier row"), remedy)


def _check_values(events: pd.DataFrame, shown: pd.DataFrame | None = None) -> pd.DataFrame:
    """Everything that can be judged before sorting, so that row numbers are the caller's; messages
    quote from `shown`.
    """
    _require_columns(events)
    shown = events if shown is None else shown
    if len(events) == 0:
        raise TutorialError(
            "The event table is empty: it needs at least one row of user, item and timestamp."
        )
    if pd.api.types.is_datetime64_any_dtype(events["timestamp"]):
        raise TutorialError(
            "The timestamp column holds dates, not unix seconds: convert it with"
            " pandas.to_datetime(events['timestamp'], utc=True){as_seconds}.",
            as_seconds=AS_SECONDS,
        )
    events = events.reset_index(drop=True)
    _refuse(
        shown,
        events[KEYS].isna().any(axis=1).to_numpy(),
        say("has a missing value"),
        say("fill it in or drop such rows with dropna(subset=['user', 'item', 'timestamp'])"),
    )
    for column in KEYS:
        numbers = pd.to_numeric(events[column], errors="coerce")
        values = numbers.to_numpy(dtype=np.float64, na_value=np.nan)
        if column == "timestamp":
            whole = say("use whole unix seconds")
            positive = say("times count from 1970, so look for a marker of a missing time")
        else:
            whole = say("map ids to 0, 1, 2, ..., for example with pandas.factorize")
            positive = say("number ids from 0")
        if pd.api.types.is_integer_dtype(numbers):
            fractional = (numbers > 2**63 - 1).fillna(True).to_numpy(dtype=bool)
        else:  # floats above 2^53 have already lost digits
            fractional = ~((values == np.floor(values)) & (np.abs(values) < 2.0**53))
        what = say("has a {column} that is no 64-bit whole number", column=column)
        _refuse(shown, fractional, what, whole)
        _refuse(shown, values < 0, say("has a negative {column}", column=column), positive)
        events[column] = numbers.astype(np.int64)
    times = events["timestamp"].to_numpy()
    form = calendar_form(times) if shown.index.name != "line" else None  # files were judged before
    if form and len(form) > len("%Y%m"):
        _refuse(
            shown,
            np.ones(len(times), dtype=bool),
            say("has a timestamp that is a calendar number ({form}), not seconds", form=form),
            say(
                "convert them with pandas.to_datetime(events['timestamp'].astype(str),"
                " format={form!r}, utc=True){as_seconds}",
                form=form,
                as_seconds=AS_SECONDS,
            ),
        )
    for kind, (unit, factor) in enumerate(UNITS.items()):
        _refuse(
            shown,
            (unit_of(times) == kind) & (unit != "s"),
            say("has a timestamp that looks like {unit}, not seconds", unit=NAMES[kind]),
            say("divide the timestamps by {factor}", factor=factor),
        )
    refuse_repeats(shown, events.duplicated(KEYS).to_numpy())
    if "rating" in events.columns:
        events["rating"] = pd.to_numeric(events["rating"], errors="coerce").astype(np.float32)
    return events


def _check_sequences(events: pd.DataFrame, min_events: int, drop_short_users: bool) -> pd.DataFrame:
    """Everything about the order and the length of the users' histories."""
    user, timestamp = events["user"].to_numpy(), events["timestamp"].to_numpy()
    unsorted = np.zeros(len(events), dtype=bool)
    unsorted[1:] = (np.diff(user) < 0) | ((np.diff(user) == 0) & (np.diff(timestamp) < 0))
    what = say("is not in the order (user, timestamp)")
    _refuse(events, unsorted, what, say("call sort_events first"))
    starts = np.flatnonzero(np.diff(user, prepend=-1))
    counts = np.diff(starts, append=len(user))
    short = np.repeat(counts, counts) < min_events
    if not drop_short_users:
        what = say("belongs to a user with fewer than {min_events} events", min_events=min_events)
        remedy = say("call with drop_short_users=True to leave such users out")
        _refuse(events, short, what, remedy)
    if short.all():
        raise too_short(min_events, counts.max())
    return events[~short].reset_index(drop=True) if short.any() else events
