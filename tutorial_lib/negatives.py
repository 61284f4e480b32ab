"""Items that a user never chose, drawn so that every model faces the same. Taught in lesson 02."""

import numpy as np

from tutorial_lib.data.sequences import seen_items
from tutorial_lib.data.splits import Split, Targets

KEYS_AT_ONCE = 2**16  # random numbers for negatives: half a megabyte, for a CPU's cache
SPARE = 6  # more of them are looked at than wanted, in standard deviations


def chosen_items(
    split: Split, targets: Targets, index: np.ndarray, among: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The items in the histories of the targets at `index` that are candidates (bool [V+1]; None:
    those seen in training), each once: (row of the batch, item), int64 [M], in ascending order of
    items.
    """
    row, item = seen_items(split, targets, index)
    known = (split.train_items if among is None else among)[item]
    item, row = np.divmod(np.unique(item[known] * len(index) + row[known]), len(index))
    return row, item


def draw_negatives(
    split: Split, targets: Targets, index: np.ndarray, count: int, seed: int = 0
) -> np.ndarray:
    """`count` training items that each target's user never chose at any time, without replacement,
    int64 [B, count]; where there are fewer, all of them, and 0 behind.

    They depend on the seed and on the row of the target event alone, not on the batch, so every
    model faces the same: the items with the smallest random keys of 64 bits.
    """
    negatives = np.zeros((len(index), count), dtype=np.int64)
    if count == 0:
        return negatives
    offsets = split.dataset.offsets
    whole = Targets(targets.user, offsets[targets.user], offsets[targets.user + 1])
    chosen_by, chosen = chosen_items(split, whole, index)
    available = split.train_items.sum() - np.bincount(chosen_by, minlength=len(index))
    seeds = _mix(np.array([seed % 2**64], dtype=np.uint64))
    stream = _mix(seeds + targets.row[index].astype(np.uint64))
    # all but surely as many keys as wanted lie below this bound, and few others
    share = (count + SPARE * (count**0.5 + 2)) / np.maximum(available, 1)
    bound = np.full(len(index), np.iinfo(np.uint64).max)
    bound[share < 0.99] = (share[share < 0.99] * 2.0**64).astype(np.uint64)
    while True:
        row, item, key = _keys_below(stream, bound, split.dataset.num_items)
        free = split.train_items[item]
        free &= ~np.isin(item * len(index) + row, chosen * len(index) + chosen_by)
        row, item, key = row[free], item[free], key[free]
        found = np.bincount(row, minlength=len(index))
        short = found < np.minimum(count, available)
        if not short.any():
            break
        bound[short] = np.iinfo(np.uint64).max
    order = np.lexsort((key, row))
    row, item = row[order], item[order]
    place = np.arange(len(row)) - (np.cumsum(found) - found)[row]
    negatives[row[place < count], place[place < count]] = item[place < count]
    return negatives


def _keys_below(
    stream: np.ndarray, bound: np.ndarray, num_items: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(row, item, key), [M] each, of the keys uint64 of items 0..num_items that are not above the
    bound of their row. stream, bound: uint64 [B].
    """
    rows, parts = max(1, KEYS_AT_ONCE // (num_items + 1)), []
    for first in range(0, num_items + 1, KEYS_AT_ONCE):
        items = np.arange(first, min(first + KEYS_AT_ONCE, num_items + 1), dtype=np.uint64)
        for top in range(0, len(stream), rows):
            some = slice(top, top + rows)
            keys = _mix(stream[some, None] + items * np.uint64(0x9E3779B97F4A7C15))
            below = np.flatnonzero(keys <= bound[some, None])  # many times as fast as nonzero
            row, item = np.divmod(below, len(items))
            parts.append((row + top, item + first, keys.flat[below]))
    return tuple(map(np.concatenate, zip(*parts, strict=True)))


def _mix(x: np.ndarray) -> np.ndarray:
    """Scrambles 64-bit numbers: the output function of SplitMix64 (Steele, Lea and Flood, OOPSLA
    2014).
    """
    x = x ^ (x >> np.uint64(30))
    x *= np.uint64(0xBF58476D1CE4E5B9)
    x ^= x >> np.uint64(27)
    x *= np.uint64(0x94D049BB133111EB)
    x ^= x >> np.uint64(31)
    return x
