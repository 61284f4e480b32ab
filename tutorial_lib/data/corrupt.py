"""Clocks that tell nothing, as controls: same events, same order, same targets, other times.

A model that gains as much from such a clock as from the real one does not use time. Taught in lessons 08 and 19.
"""

from dataclasses import replace

import numpy as np

from tutorial_lib.data.sequences import HOUR
from tutorial_lib.data.splits import Split
from tutorial_lib.errors import TutorialError

CLOCKS = ("real", "shuffled", "constant")


def with_clock(split: Split, clock: str, seed: int = 0) -> Split:
    """The same split under another clock; rows, training part and targets stay exactly as they are.

    "shuffled": the gaps of each user in random order, so their values stay and their places tell nothing. "constant": every gap
    is one hour. "real": the split itself. The first event of each user keeps its time. Raises TutorialError for order-only data.
    """
    if clock not in CLOCKS:
        raise TutorialError(f"unknown clock {clock!r}: choose one of {', '.join(CLOCKS)}")
    if clock == "real":
        return split
    if not split.dataset.has_times:
        raise TutorialError(f"{split.dataset.name} knows the order of events but not their times, so it has no clock to change")
    events = split.dataset.events
    users, times = events["user"].to_numpy(), events["timestamp"].to_numpy()
    first = split.dataset.offsets[:-1]
    gaps = np.diff(times, prepend=times[:1])
    gaps[first] = 0
    if clock == "constant":
        gaps[:] = int(HOUR)
        gaps[first] = 0
    else:
        keys = np.random.default_rng(seed).random(len(gaps))
        keys[first] = -1  # the missing gap before a first event stays in front
        gaps = gaps[np.lexsort((keys, users))]
    elapsed = np.cumsum(gaps)
    changed = times[first][users] + elapsed - elapsed[first][users]
    dataset = replace(split.dataset, events=events.assign(timestamp=changed))
    return replace(split, dataset=dataset)
