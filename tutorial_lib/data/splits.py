"""What is learned from, what is chosen with, what is reported on: two ways to cut event histories.

Taught in lesson 01 (how) and lesson 03 (why).
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd

from tutorial_lib.data.events import Dataset
from tutorial_lib.errors import TutorialError

SPLITS = ("temporal", "leave_last_out", "temporal_every")


@dataclass(frozen=True, eq=False)
class Targets:
    """Events to be predicted, one row each; all int64 [N].

    The history of target n is the rows [start[n], row[n]) of `dataset.events`: ALL earlier events
    of that user.
    """

    user: np.ndarray
    start: np.ndarray
    row: np.ndarray

    def __len__(self) -> int:
        return len(self.row)


@dataclass(frozen=True, eq=False)
class Split:
    """A data set cut into training, validation and test.

    `train_end` int64 [num_users]: the training rows of user u are [offsets[u], train_end[u]), a
    prefix that may be empty. `cut_valid`, `cut_test`: first second of the validation and of the
    test period (temporal split only, else None).
    """

    dataset: Dataset
    kind: str
    train_end: np.ndarray
    valid: Targets
    test: Targets
    cut_valid: int | None = None
    cut_test: int | None = None

    @cached_property
    def train(self) -> pd.DataFrame:
        """The training rows; their index is the row number in `dataset.events`."""
        return self.dataset.events[self._in_training()]

    def _in_training(self) -> np.ndarray:
        """Bool [rows]: is it a training row? Two bytes a row, for there may be very many."""
        steps = np.zeros(len(self.dataset.events) + 1, dtype=np.int8)
        np.add.at(steps, self.dataset.offsets[:-1], 1)
        np.add.at(steps, self.train_end, -1)
        return np.cumsum(steps[:-1], dtype=np.int8).astype(bool)

    @cached_property
    def train_items(self) -> np.ndarray:
        """Bool [num_items + 1]: True for the items seen in training (never for 0, the padding)."""
        seen = np.zeros(self.dataset.num_items + 1, dtype=bool)
        seen[self.dataset.events["item"].to_numpy()[self._in_training()]] = True
        return seen


def temporal_split(
    dataset: Dataset, *, valid: float = 0.1, test: float = 0.1, targets: str = "last"
) -> Split:
    """Global time cut-offs: nobody's future is learned from. The primary split of the course.

    `valid` and `test` are fractions of the EVENTS; the cuts are the matching quantiles of event
    time, and since a cut is a second, simultaneous events always fall on the same side. Training: t
    < cut_valid. Validation targets: events in [cut_valid, cut_test). Test targets: t >= cut_test.
    `targets="last"` takes each user's last event of the period, "successive" every one; an event
    needs at least one earlier event of its user to be a target. The history of a target reaches
    right up to it, so that of a test target includes validation events. Raises TutorialError for
    order-only data, fractions out of range and parts that would be empty.
    """
    if not dataset.has_times:
        raise TutorialError(
            "{dataset} knows the order of events but not their times, so it has no"
            " cut-off: use leave_last_out.",
            dataset=dataset.name,
        )
    if not (valid > 0 and test > 0 and valid + test < 1):
        raise TutorialError(
            "Got valid={valid} and test={test}: both must be positive shares of the events"
            " with a sum below 1.",
            valid=valid,
            test=test,
        )
    if targets not in ("last", "successive"):
        raise TutorialError(
            "Unknown targets={targets!r}: choose 'last' or 'successive'.", targets=targets
        )
    offsets, times = dataset.offsets, dataset.events["timestamp"].to_numpy()
    ordered = np.sort(times)
    last = len(times) - 1
    cut_valid, cut_test = (
        int(ordered[min(round(len(times) * before), last)])
        for before in (1 - valid - test, 1 - test)
    )
    first_valid, first_test = (
        offsets[:-1] + _count_before(dataset, times < cut) for cut in (cut_valid, cut_test)
    )
    split = Split(
        dataset,
        "temporal",
        train_end=first_valid,
        valid=_period_targets(offsets, first_valid, first_test, targets),
        test=_period_targets(offsets, first_test, offsets[1:], targets),
        cut_valid=cut_valid,
        cut_test=cut_test,
    )
    return _refuse_empty(split, f"valid={valid}, test={test}")


def leave_last_out(dataset: Dataset) -> Split:
    """Per user: test = last event, validation = last but one, training = all before; for comparison
    with papers.

    The test history includes the validation event. Users with fewer than 3 events only train. This
    split lets training see other users' future (Ji et al., "A critical study on data leakage in
    recommender system offline evaluation").
    """
    offsets = dataset.offsets
    users = np.flatnonzero(np.diff(offsets) >= 3)
    start, last = offsets[users], offsets[users + 1] - 1
    train_end = offsets[1:].copy()
    train_end[users] -= 2
    split = Split(
        dataset,
        "leave_last_out",
        train_end,
        Targets(users, start, last - 1),
        Targets(users, start, last),
    )
    return _refuse_empty(split, "leave_last_out")


def make_split(dataset: Dataset, kind: str = "temporal", **options) -> Split:
    """`temporal_split` or `leave_last_out` by name, with the options of that function.
    "temporal_every": a temporal split in which every event of the test period is a target; for the
    choices on validation the last of each user is enough.
    """
    known = dict(zip(SPLITS, (("valid", "test", "targets"), (), ("valid", "test")), strict=True))
    if kind not in known:
        raise TutorialError(
            "Unknown split {kind!r}: choose one of {known}.", kind=kind, known=", ".join(known)
        )
    unknown = [option for option in options if option not in known[kind]]
    if unknown:
        raise TutorialError(
            "The split {kind!r} has no option {unknown!r}: it knows {known}.",
            kind=kind,
            unknown=unknown[0],
            known=", ".join(known[kind]) or "none",
        )
    if kind == "leave_last_out":
        return leave_last_out(dataset)
    last = temporal_split(dataset, **options)
    if kind == "temporal":
        return last
    every = temporal_split(dataset, **options, targets="successive")
    return replace(every, kind=kind, valid=last.valid)


def ask_some(split: Split, users: int | None) -> Split:
    """The same split with the targets of `users` random users in each part, the same for every
    model and seed; of all where it is None or there are no more. What is learned from stays.

    A mean over them is that over all users but for chance, and an interval over them
    (`statistics.bootstrap_interval`) says how much that is.
    """
    parts: dict[str, Targets] = {}
    for name in ("valid", "test"):
        part: Targets = getattr(split, name)
        known = np.unique(part.user)
        if users is not None and users < len(known):
            chosen = np.random.default_rng(0).choice(known, users, replace=False)
            keep = np.isin(part.user, chosen)
            parts[name] = Targets(part.user[keep], part.start[keep], part.row[keep])
    return replace(split, **parts)


def _count_before(dataset: Dataset, before: np.ndarray) -> np.ndarray:
    """Number of marked rows of each user, int64 [num_users]."""
    return np.bincount(
        dataset.events["user"].to_numpy()[before], minlength=dataset.num_users
    ).astype(np.int64)


def _period_targets(
    offsets: np.ndarray, begin: np.ndarray, end: np.ndarray, targets: str
) -> Targets:
    """Targets among the rows [begin[u], end[u]) of each user, without anybody's very first
    event."""
    begin = np.maximum(begin, offsets[:-1] + 1)
    counts = np.maximum(end - begin, 0)
    if targets == "last":
        users = np.flatnonzero(counts)
        rows = end[users] - 1
    else:
        users = np.repeat(np.arange(len(counts)), counts)
        rows = np.arange(counts.sum()) + np.repeat(begin - (np.cumsum(counts) - counts), counts)
    return Targets(users.astype(np.int64), offsets[users], rows.astype(np.int64))


def _refuse_empty(split: Split, options: str) -> Split:
    sizes = {
        "training": int((split.train_end - split.dataset.offsets[:-1]).sum()),
        "validation": len(split.valid),
        "test": len(split.test),
    }
    empty = [part for part, size in sizes.items() if size == 0]
    if empty:
        raise TutorialError(
            "The {kind} split of {dataset} ({options}) leaves the {empty} part without"
            " events to use: take more data, other fractions or the other kind of split.",
            kind=split.kind,
            dataset=split.dataset.name,
            options=options,
            empty=empty[0],
        )
    return split
