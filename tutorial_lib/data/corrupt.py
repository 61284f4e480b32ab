"""Histories changed on purpose: another clock, another order, lost events. The targets always stay
as they are.

A model that gains as much from a clock that tells nothing as from the real one does not use time; a
model that loses nothing when its clock is disturbed is robust only if it used the clock before.
Gaps are changed, never times: the clock is then built again from the gaps, so that it still runs
forwards. Taught in lessons 08 and 19.
"""

from dataclasses import replace

import numpy as np

from tutorial_lib.data.sequences import HOUR
from tutorial_lib.data.splits import Split, Targets
from tutorial_lib.errors import TutorialError

CLOCKS = ("real", "shuffled", "constant")


def corrupt(split: Split, name: str, seed: int = 0) -> Split:
    """A corruption by name: "gaps shuffled", "gaps constant", "order shuffled", "jitter 0.5",
    "dropped 0.3", "quantised 3600".
    """
    kind, _, level = name.partition(" ")
    try:
        if kind == "gaps" and level in CLOCKS:
            return with_clock(split, level, seed)
        if name == "order shuffled":
            return shuffle_order(split, seed)
        if kind == "quantised":
            return quantise(split, int(level))
        if kind in ("jitter", "dropped"):
            return {"jitter": jitter, "dropped": drop_events}[kind](split, float(level), seed)
    except ValueError as error:
        if isinstance(error, TutorialError):
            raise
    raise TutorialError(
        "unknown corruption {name!r}: give gaps shuffled, gaps constant, order shuffled,"
        " jitter STRENGTH, dropped SHARE or quantised SECONDS",
        name=name,
    )


def with_clock(split: Split, clock: str, seed: int = 0) -> Split:
    """The same split under another clock; rows, training part and targets stay exactly as they are.

    "shuffled": the gaps of each user in random order, so their values stay and their places tell
    nothing. "constant": every gap is one hour. "real": the split itself. The first event of each
    user keeps its time. Raises TutorialError for order-only data.
    """
    if clock not in CLOCKS:
        raise TutorialError(
            "unknown clock {clock!r}: choose one of {clocks}", clock=clock, clocks=", ".join(CLOCKS)
        )
    if clock == "real":
        return split
    gaps, first = _gaps(split), split.dataset.offsets[:-1]
    if clock == "constant":
        return _rebuild(split, np.full_like(gaps, int(HOUR)))
    keys = np.random.default_rng(seed).random(len(gaps))
    keys[first] = -1  # the missing gap before a first event stays in front
    return _rebuild(split, gaps[np.lexsort((keys, split.dataset.events["user"].to_numpy()))])


def jitter(split: Split, strength: float, seed: int = 0) -> Split:
    """Every gap times a random factor exp(strength * N(0, 1)), the one before the target included;
    median factor 1.

    `strength` is thus the standard deviation of the change of a log gap. Gaps are rounded to whole
    seconds.
    """
    if not 0 <= strength <= 5:
        raise TutorialError(
            "got jitter of strength {strength}: give 0 to 5, where 1 changes a typical gap"
            " by a factor of e",
            strength=strength,
        )
    gaps = _gaps(split)
    factors = np.exp(strength * np.random.default_rng(seed).standard_normal(len(gaps)))
    return _rebuild(split, np.rint(gaps * factors).astype(np.int64))


def quantise(split: Split, seconds: int) -> Split:
    """A clock that only knows multiples of `seconds` (3600: hours, 86400: days) and shows the last.
    Order stays, ties come.
    """
    if seconds < 1:
        raise TutorialError(
            "got a clock with units of {seconds} s: give a whole number of at least 1",
            seconds=seconds,
        )
    _gaps(split)
    return _with_times(split, split.dataset.events["timestamp"].to_numpy() // seconds * seconds)


def shuffle_order(split: Split, seed: int = 0) -> Split:
    """The items before each user's first test target in random order; times stay in place. Users
    without target: untouched.
    """
    events, history = split.dataset.events, _history(split)
    keys = np.where(
        history, np.random.default_rng(seed).random(len(events)), 1 + np.arange(len(events))
    )
    moved = events.iloc[np.lexsort((keys, events["user"].to_numpy()))].reset_index(drop=True)
    moved["timestamp"] = events["timestamp"].to_numpy()
    return _same_catalogue(replace(split, dataset=replace(split.dataset, events=moved)), split)


def drop_events(split: Split, share: float, seed: int = 0) -> Split:
    """Each event before a user's first test target is lost with probability `share`; at least one a
    user stays.

    The others keep their times, so a gap over lost events is the sum of their gaps. A lost event is
    lost for everybody: its item may be recommended again. The catalogue and the targets stay; of
    the validation targets those that are not lost.
    """
    if not 0 <= share < 1:
        raise TutorialError(
            "got a share of {share} dropped events: give at least 0 and less than 1", share=share
        )
    events, history = split.dataset.events, _history(split)
    keys = np.random.default_rng(seed).random(len(events))
    rows = np.flatnonzero(history)
    users = events["user"].to_numpy()[rows]
    ordered = rows[np.lexsort((keys[rows], users))]
    # the last of each user in this order is kept
    keys[ordered[np.append(np.diff(users) > 0, True)[: len(rows)]]] = 1
    keep = ~history | (keys >= share)
    before = np.append(0, np.cumsum(keep))  # rows that stay before each row: its new number
    parts = {}
    for name in ("valid", "test"):
        part: Targets = getattr(split, name)
        stays = keep[part.row] & (before[part.row] > before[part.start])
        parts[name] = Targets(part.user[stays], before[part.start[stays]], before[part.row[stays]])
    dataset = replace(split.dataset, events=events[keep].reset_index(drop=True))
    return _same_catalogue(
        replace(split, dataset=dataset, train_end=before[split.train_end], **parts), split
    )


def _gaps(split: Split) -> np.ndarray:
    """Seconds since the user's event before, int64 [rows]; 0 at first events."""
    if not split.dataset.has_times:
        raise TutorialError(
            "{dataset} knows the order of events but not their times, so it has no clock to change",
            dataset=split.dataset.name,
        )
    gaps = np.diff(split.dataset.events["timestamp"].to_numpy(), prepend=0)
    gaps[split.dataset.offsets[:-1]] = 0
    return gaps


def _rebuild(split: Split, gaps: np.ndarray) -> Split:
    """The split under the clock that starts at each user's first time and goes on by `gaps`."""
    users, first = split.dataset.events["user"].to_numpy(), split.dataset.offsets[:-1]
    gaps[first] = 0
    elapsed = np.cumsum(gaps)
    return _with_times(
        split,
        split.dataset.events["timestamp"].to_numpy()[first][users]
        + elapsed
        - elapsed[first][users],
    )


def _with_times(split: Split, times: np.ndarray) -> Split:
    return replace(
        split, dataset=replace(split.dataset, events=split.dataset.events.assign(timestamp=times))
    )


def _history(split: Split) -> np.ndarray:
    """Bool [rows]: the events before the first test target of their user; none of users without a
    target.
    """
    stop = np.zeros(split.dataset.num_users, dtype=np.int64)
    users, place = np.unique(split.test.user, return_index=True)
    stop[users] = split.test.row[place]
    return np.arange(len(split.dataset.events)) < stop[split.dataset.events["user"].to_numpy()]


def _same_catalogue(changed: Split, split: Split) -> Split:
    """Events have moved into or out of the training rows; what may be recommended is still what
    training has seen.
    """
    vars(changed)["train_items"] = split.train_items
    return changed
