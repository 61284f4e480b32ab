"""From a split to tensors: windows, batches and gap features. Everything is padded on the right,
and only here.

Taught in lesson 01.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from torch import Tensor

from tutorial_lib.data.gaps import gaps
from tutorial_lib.data.splits import Split, Targets
from tutorial_lib.errors import TutorialError

POOL_BATCHES = 16  # batches that are sorted by length together
HOUR = 3600.0
WINDOWS = ("last", "all", "prefixes")
WITHOUT_FLOAT64 = ("mps",)  # kinds of devices


@dataclass(frozen=True, eq=False)
class Batch:
    """B sequences of at most L events, padded on the right; all int64.

    items [B, L]: 0 = padding. times [B, L]: unix seconds; pads repeat the last real time, so that
    differences there are 0. query_times [B, L]: time of the event that position i must predict;
    equal to times at pads. targets [B, L]: the item to predict at position i, 0 = none. Training:
    one at every real position; evaluation, and training on prefixes: only at the last real one.
    users [B]. lengths [B]: number of real events.
    """

    items: Tensor
    times: Tensor
    query_times: Tensor
    targets: Tensor
    users: Tensor
    lengths: Tensor

    def to(self, device: torch.device | str) -> "Batch":
        """The same batch on another device."""
        parts = (getattr(self, field.name) for field in fields(self))
        return type(self)(*(part.to(device, non_blocking=True) for part in parts))


@dataclass(frozen=True, eq=False)
class RatedBatch(Batch):
    """Where stars are to be predicted: ratings float32 [B, L], those of the targets."""

    ratings: Tensor


@dataclass(frozen=True, eq=False)
class PartBatch(Batch):
    """The rows of one process, where several share a batch. whole int64 [N]: the targets of all
    positions of the batch that have one; mine int64 [n]: the places of these rows' targets there.
    """

    whole: Tensor
    mine: Tensor


@dataclass(frozen=True)
class GapStatistics:
    """Mean and standard deviation of log1p(gap / 1 h) over the gaps between consecutive training
    events: numbers, or tensors of one.
    """

    mean: float | Tensor
    std: float | Tensor


def gather_windows(
    items: np.ndarray, times: np.ndarray, start: np.ndarray, end: np.ndarray, max_len: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The last `max_len` rows of each range [start, end), padded on the right to the longest
    window: the one place that pads.

    Returns items int64 [B, L] (pads 0), times int64 [B, L] (pads repeat the last real time) and
    lengths int64 [B].
    """
    _require_positive(max_len=max_len, shortest_range=int((end - start).min(initial=1)))
    begin = np.maximum(start, end - max_len)
    lengths = end - begin
    steps = np.arange(lengths.max(initial=0))
    # [B, L]; pads point at the last real row
    rows = np.minimum(begin[:, None] + steps, end[:, None] - 1)
    return np.where(steps < lengths[:, None], items[rows], 0), times[rows], lengths


def training_batches(
    split: Split,
    *,
    max_len: int,
    batch_size: int,
    seed: int,
    epoch: int,
    windows: str = "last",
    bucket: bool = True,
) -> Iterator[Batch]:
    """One epoch of training windows in random order; the order depends on (seed, epoch) alone, so
    any epoch can be redone.

    `windows="last"`: the last `max_len` targets of each user's training part. "all": the whole
    training part in consecutive windows counted from its end, so that every training event but a
    user's first is a target exactly once. "prefixes": the same targets, each with a window of its
    own (the last `max_len` events before it) and none else in it. That costs up to `max_len` times
    as much; it is for models in which a position sees the times of later ones (see
    `SequenceModel`). Users with fewer than 2 training events have no target and yield nothing.
    `bucket` puts windows of similar length into the same batch (sorted inside pools of 16 batches,
    batches then shuffled); each batch is as long as its longest window.
    """
    _require_positive(batch_size=batch_size)
    start, end = _training_windows(split, max_len, windows)
    rng = np.random.default_rng([seed, epoch])
    order = rng.permutation(len(start))
    if bucket:
        pool = np.arange(len(order)) // (POOL_BATCHES * batch_size)
        order = order[np.lexsort((end[order] - start[order], pool))]
    batches = np.arange(0, len(order), batch_size)
    for first in rng.permutation(batches) if bucket else batches:
        index = order[first : first + batch_size]
        batch = _batch(split, start[index], end[index], max_len)
        yield _only_last(batch) if windows == "prefixes" else batch


def num_training_batches(
    split: Split, *, max_len: int, batch_size: int, windows: str = "last"
) -> int:
    """Number of batches that `training_batches` yields in one epoch."""
    _require_positive(batch_size=batch_size)
    return -(-len(_training_windows(split, max_len, windows)[0]) // batch_size)


def evaluation_batches(
    split: Split, part: str = "valid", *, max_len: int, batch_size: int
) -> Iterator[tuple[Batch, Tensor]]:
    """The last `max_len` events before each target of `part` ("valid" or "test"), longest histories
    first.

    Yields (batch, index): row b of the batch belongs to target index[b] of `split.valid` or
    `split.test`.
    """
    if part not in ("valid", "test"):
        raise TutorialError("Unknown part {part!r}: choose 'valid' or 'test'.", part=part)
    _require_positive(max_len=max_len, batch_size=batch_size)
    targets: Targets = getattr(split, part)
    order = np.argsort(-np.minimum(targets.row - targets.start, max_len), kind="stable")
    for first in range(0, len(order), batch_size):
        index = order[first : first + batch_size]
        batch = _batch(split, targets.start[index], targets.row[index], max_len)
        yield _only_last(batch), torch.from_numpy(index)


def seen_items(
    split: Split, targets: Targets, index: np.ndarray | Tensor
) -> tuple[np.ndarray, np.ndarray]:
    """All items in the full history of the targets at `index`, as pairs (row of the batch, item),
    both int64 [M].
    """
    index = np.asarray(index)
    start, counts = targets.start[index], (targets.row - targets.start)[index]
    batch_row = np.repeat(np.arange(len(index)), counts)
    rows = np.arange(counts.sum()) + np.repeat(start - (np.cumsum(counts) - counts), counts)
    return batch_row, split.dataset.events["item"].to_numpy()[rows]


def widest(x: Tensor) -> Tensor:
    """x as float64; as float32 on a device that has no more."""
    return x.float() if x.device.type in WITHOUT_FLOAT64 else x.double()


def fit_gap_statistics(split: Split) -> GapStatistics:
    """Statistics of the gap feature from gaps inside the training part; validation and test are
    never looked at.
    """
    if not split.dataset.has_times:
        raise TutorialError(
            "{dataset} knows the order of events but not their times, so it has no gaps:"
            " use a model without time.",
            dataset=split.dataset.name,
        )
    seconds, _ = gaps(split.train)
    logs = np.log1p(seconds / HOUR)
    if len(logs) == 0 or np.ptp(logs) == 0:  # std() of equal gaps is not quite 0
        return GapStatistics(float(logs.mean()) if len(logs) else 0.0, 1.0)
    return GapStatistics(float(logs.mean()), float(logs.std()))


def gap_feature(
    times: Tensor, query_times: Tensor | None = None, *, stats: GapStatistics
) -> tuple[Tensor, Tensor | None]:
    """Standardised log1p(gap / 1 h), float32 [B, L]: backward (since the previous event) and
    forward (until the query).

    backward[:, 0] is the feature of gap 0; forward is None without `query_times`. Differences are
    taken in int64, because float32 holds today's unix seconds only to the nearest 128. Negative
    gaps count as 0.
    """
    if times.dtype != torch.int64 or (query_times is not None and query_times.dtype != torch.int64):
        raise TutorialError(
            "Times must be int64 unix seconds, not {dtype}: other types lose the short gaps.",
            dtype=times.dtype,
        )

    def feature(gaps: Tensor) -> Tensor:
        return ((torch.log1p(widest(gaps.clamp(min=0)) / HOUR) - stats.mean) / stats.std).float()

    backward = feature(torch.diff(times, dim=1, prepend=times[:, :1]))
    return backward, None if query_times is None else feature(query_times - times)


def _training_windows(split: Split, max_len: int, windows: str) -> tuple[np.ndarray, np.ndarray]:
    """Input ranges [start, end) int64 [W] in rows of the event table; the targets are the same
    ranges one row later.
    """
    _require_positive(max_len=max_len)
    if windows not in WINDOWS:
        raise TutorialError(
            "Unknown windows={windows!r}: choose one of {windows2}.",
            windows=windows,
            windows2=", ".join(WINDOWS),
        )
    first, last = split.dataset.offsets[:-1], split.train_end - 1
    keep = last > first
    if not keep.any():
        raise TutorialError(
            "No user of {dataset} has 2 training events: train on more data or cut later.",
            dataset=split.dataset.name,
        )
    first, last = first[keep], last[keep]
    if windows == "last":
        return np.maximum(first, last - max_len), last
    if windows == "prefixes":
        counts = last - first
        end = np.repeat(last, counts) - _count_up(counts)
        return np.maximum(np.repeat(first, counts), end - max_len), end
    counts = -(-(last - first) // max_len)
    end = np.repeat(last, counts) - _count_up(counts) * max_len  # the user's last window first
    return np.maximum(np.repeat(first, counts), end - max_len), end


def _count_up(counts: np.ndarray) -> np.ndarray:
    """0, 1, ... counts[0] - 1, 0, 1, ... counts[1] - 1, ..."""
    return np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)


def _only_last(batch: Batch) -> Batch:
    """The same batch with a target at the last real position alone."""
    last = torch.arange(batch.items.shape[1]) == batch.lengths[:, None] - 1
    return replace(batch, targets=batch.targets * last)


def _require_positive(**values: int) -> None:
    for name, value in values.items():
        if value < 1:
            raise TutorialError(
                "Got {name}={value}: it must be at least 1.", name=name, value=value
            )


def _batch(split: Split, start: np.ndarray, end: np.ndarray, max_len: int) -> Batch:
    """Input rows [start, end) with the row after each as its target."""
    events = split.dataset.events
    items, times = events["item"].to_numpy(), events["timestamp"].to_numpy()
    inputs, input_times, lengths = gather_windows(items, times, start, end, max_len)
    begin = end - lengths
    targets, target_times, _ = gather_windows(items, times, begin + 1, end + 1, max_len)
    query_times = np.where(inputs == 0, input_times, target_times)
    arrays = inputs, input_times, query_times, targets, events["user"].to_numpy()[begin], lengths
    return Batch(*map(torch.from_numpy, arrays))
