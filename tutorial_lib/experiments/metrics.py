"""The metrics that a table can show, by name: "ndcg@10", "hr@5", "mrr@10", "mrr"."""

from collections.abc import Callable
from functools import partial

import numpy as np

from tutorial_lib.errors import TutorialError
from tutorial_lib.evaluate import Ranks, hit_rate, mrr, ndcg

METRICS = {"ndcg": ndcg, "hr": hit_rate, "mrr": mrr}


def metric_of(name: str) -> Callable[[Ranks], np.ndarray]:
    """Ranks -> one value a target, float64 [N]."""
    word, at, k = name.partition("@")
    if word not in METRICS or not (k.isdecimal() and int(k) > 0 if at else name == "mrr"):
        raise TutorialError(
            f"unknown metric {name!r}; known are NAME@K with {', '.join(METRICS)} and a whole"
            " number K of at least 1, such as ndcg@10, and mrr"
        )
    return partial(METRICS[word], k=int(k) if at else None)


def title(name: str) -> str:
    """As it is written in text: "NDCG@10"."""
    return name.upper()
