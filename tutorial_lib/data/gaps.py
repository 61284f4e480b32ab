"""The clock of an event table: gaps between consecutive events of a user, and how irregular they
are. Taught in lesson 01.
"""

import numpy as np
import pandas as pd


def gaps(events: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Seconds between consecutive events of the same user, and whose they are; both int64 [events -
    users].

    `events` must be sorted by (user, timestamp). The step from one user's last event to the next
    user's first is no gap.
    """
    users, times = events["user"].to_numpy(), events["timestamp"].to_numpy()
    same = np.diff(users) == 0
    return np.diff(times)[same], users[1:][same]


def irregularity(
    events: pd.DataFrame, *, least: int = 2, num_users: int | None = None
) -> np.ndarray:
    """Coefficient of variation (CV) of each user's gaps, standard deviation over mean: float64
    [users], without unit.

    0 = as regular as a metronome, about 1 = by chance alone, more = bursts. NaN where it is not
    defined: fewer than `least` gaps, or all gaps 0. With n gaps it cannot exceed sqrt(n - 1), so
    short histories have small values. `num_users`: more than occur in the table, if some have no
    event there.
    """
    seconds, user = gaps(events)
    size = int(events["user"].max()) + 1 if num_users is None else num_users
    count = np.bincount(user, minlength=size)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.bincount(user, seconds, size) / count
        spread = np.sqrt(np.bincount(user, (seconds - mean[user]) ** 2, size) / count)
        return np.where(count >= least, spread / mean, np.nan)
