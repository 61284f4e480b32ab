"""Users and items with too few events. Taught in lesson 01."""

import numpy as np
import pandas as pd

from tutorial_lib.errors import TutorialError


def k_core(events: pd.DataFrame, min_user: int, min_item: int) -> np.ndarray:
    """Bool [rows]: the largest set of events in which every user has `min_user` and every item
    `min_item` of them.
    """
    columns = [
        (pd.factorize(events[name])[0], least)
        for name, least in (("user", min_user), ("item", min_item))
    ]
    keep, left = np.ones(len(events), dtype=bool), -1
    while left != (left := np.count_nonzero(keep)):
        for codes, least in columns:
            keep &= (np.bincount(codes[keep], minlength=codes.max() + 1) >= least)[codes]
    if not left:
        raise no_core(min_user, min_item)
    return keep


def no_core(min_user: int, min_item: int) -> TutorialError:
    return TutorialError(
        "No events are left where every user has {min_user} and every item {min_item}"
        " or more: lower min_user_events or min_item_events, or get more data.",
        min_user=min_user, min_item=min_item,
    )  # fmt: skip


def too_short(min_events: int, longest: int) -> TutorialError:
    return TutorialError(
        "No user has {min_events} or more events (the longest history has {counts}):"
        " there is nothing to learn from, so get more data or lower min_events.",
        min_events=min_events, counts=longest,
    )  # fmt: skip
