"""Ranks and every metric that is computed from them. Taught in lesson 02."""

import gzip
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from tutorial_lib.errors import TutorialError
from tutorial_lib.files import replacing

COLUMNS = ["user", "greater", "equal", "candidates"]


@dataclass(frozen=True, eq=False)
class Lists:
    """The best candidates of each target and what novelty is measured by.

    `items` int64 [N, K]: best first, equal scores by id, 0 where no candidate is left. `choosers`
    int64 [V+1]: how many of the `users` of the training part chose each item.
    """

    items: np.ndarray
    choosers: np.ndarray
    users: int


@dataclass(frozen=True, eq=False)
class Ranks:
    """How the true items were ranked, one row per target; all int64 [N].

    `user`: whose event it was. `greater`: candidates that scored higher than the target. `equal`:
    OTHER candidates that scored exactly the same. `candidates`: items in the ranking, the target
    included. `sampled`: the same among a few sampled negatives. `lists`: what was recommended, if
    asked for. Ties stay visible, so that a model which scores every item alike is judged as random,
    not as perfect.
    """

    user: np.ndarray
    greater: np.ndarray
    equal: np.ndarray
    candidates: np.ndarray
    sampled: "Ranks | None" = None
    lists: "Lists | None" = None

    @property
    def rank(self) -> np.ndarray:
        """1 = best; ties count half: 1 + greater + equal / 2, float64 [N]."""
        return 1.0 + self.greater + self.equal / 2

    def __len__(self) -> int:
        return len(self.user)

    def to_csv(self, path: Path | str) -> None:
        """Write one line per target; an existing file is replaced only when the new one is
        complete. `lists` are not written.
        """
        path = Path(path)
        table = pd.DataFrame({name: getattr(self, name) for name in COLUMNS})
        if self.sampled is not None:
            table = table.assign(
                **{f"sampled_{name}": getattr(self.sampled, name) for name in COLUMNS[1:]}
            )
        content = table.to_csv(index=False).encode()
        with replacing(path) as partial:  # without the time of packing: same ranks, same bytes
            partial.write_bytes(
                gzip.compress(content, mtime=0) if path.suffix == ".gz" else content
            )

    @classmethod
    def read_csv(cls, path: Path | str) -> "Ranks":
        """Read what `to_csv` wrote."""
        try:
            table = pd.read_csv(path).astype(np.int64)
            full = cls(*(table[name].to_numpy() for name in COLUMNS))
            if "sampled_greater" not in table:
                return full
            return replace(
                full,
                sampled=cls(
                    full.user, *(table[f"sampled_{name}"].to_numpy() for name in COLUMNS[1:])
                ),
            )
        except (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError) as error:
            raise TutorialError(
                "{path} holds no ranks ({error}): wanted a file that Ranks.to_csv wrote",
                path=path,
                error=error,
            ) from None


def hit_rate(ranks: Ranks | np.ndarray, k: int = 10) -> np.ndarray:
    """1 where the target is among the first k, else 0, float64 [N]; the mean is HR@k (with one
    target also Recall@k).

    With `Ranks`, a target that ties with others counts with the probability that a fair shuffle of
    the tie puts it among the first k. A plain array is taken at its word: rank <= k.
    """
    return _expected(ranks, np.ones_like, k)


def ndcg(ranks: Ranks | np.ndarray, k: int = 10) -> np.ndarray:
    """1 / log2(1 + rank) up to rank k, else 0, float64 [N]; the mean is NDCG@k for a single target.
    Ties as in `hit_rate`.
    """
    return _expected(ranks, lambda rank: 1 / np.log2(1 + rank), k)


def mrr(ranks: Ranks | np.ndarray, k: int | None = None) -> np.ndarray:
    """1 / rank up to rank k (None: all), else 0, float64 [N]; the mean is the mean reciprocal rank.
    Ties as in `hit_rate`.
    """
    return _expected(ranks, lambda rank: 1 / rank, k)


def _expected(
    ranks: Ranks | np.ndarray, gain: Callable[[np.ndarray], np.ndarray], k: int | None
) -> np.ndarray:
    """Mean gain over the places greater + 1 .. greater + equal + 1 that a tied target may take."""
    if k is not None and (k < 1 or k != int(k)):
        raise TutorialError("k = {k}: a list has a whole number of places, at least 1", k=k)
    if not isinstance(ranks, Ranks):
        rank = np.asarray(ranks, dtype=np.float64)
        if not (rank >= 1).all():
            raise TutorialError("some ranks are below 1 or NaN: the best rank is 1")
        return np.where(rank <= (np.inf if k is None else k), gain(rank), 0.0)
    k = int((ranks.greater + ranks.equal).max(initial=0)) + 1 if k is None else int(k)
    # total[p]: gains of the first p places
    total = np.concatenate([[0.0], np.cumsum(gain(np.arange(1.0, k + 1)))])
    first, last = np.minimum(ranks.greater, k), np.minimum(ranks.greater + ranks.equal + 1, k)
    return (total[last] - total[first]) / (ranks.equal + 1)


def per_user(ranks: Ranks, values: np.ndarray) -> np.ndarray:
    """Mean value of each user with a target, float64 [users], in ascending order of user. values:
    [N], one per target.
    """
    _, user = np.unique(ranks.user, return_inverse=True)
    return np.bincount(user, weights=values) / np.bincount(user)


def coverage(ranks: Ranks, k: int) -> np.ndarray:
    """Share of the items seen in training that stand on at least one list of k: one number,
    float64 []. Herlocker et al. 2004, section 5.2.2.
    """
    lists = _lists(ranks, k)
    return np.asarray(len(np.unique(lists.items[lists.items > 0])) / (lists.choosers > 0).sum())


def novelty(ranks: Ranks, k: int) -> np.ndarray:
    """Mean surprise of the items on each list of k, float64 [N]: -log2 of the share of the training
    users who chose the item, in bits; 0 for an empty list. Zhou et al., PNAS 2010.
    """
    lists = _lists(ranks, k)
    surprise = np.log2(lists.users / np.maximum(lists.choosers, 1)) * (lists.choosers > 0)
    return surprise[lists.items].sum(1) / np.maximum((lists.items > 0).sum(1), 1)


def _lists(ranks: Ranks, k: int) -> Lists:
    """The same cut to the first k."""
    longest = 0 if ranks.lists is None else ranks.lists.items.shape[1]
    if not 1 <= k <= longest:
        raise TutorialError(
            "lists of {k} items are needed and there are lists of {longest}: evaluate(...,"
            " lists={value})",
            k=k,
            longest=longest,
            value=max(k, 1),
        )
    return replace(ranks.lists, items=ranks.lists.items[:, :k])


@dataclass(frozen=True)
class Metric:
    """`values(ranks, k)`: one number a target, float64 [N], or one for all of them, float64 [].
    `of_lists`: it reads what was recommended. `without_k`: it also stands without a K.
    """

    values: Callable[[Ranks, int | None], np.ndarray]
    of_lists: bool = False
    without_k: bool = False


# Whatever is measured: tables and options follow this list. Each target is asked for by a list of
# its own (the history just before it), with one right item on it. Its average precision is then
# 1 / rank and its recall 0 or 1, so MAP@K = MRR@K and Recall@K = HR@K, for one target a user and
# for several; the names are here because papers use them.
METRICS = {
    "HR": Metric(hit_rate),
    "NDCG": Metric(ndcg),
    "MRR": Metric(mrr, without_k=True),
    "MAP": Metric(mrr),
    "Recall": Metric(hit_rate),
    "Coverage": Metric(coverage, of_lists=True),
    "Novelty": Metric(novelty, of_lists=True),
}


def parse_metric(text: str) -> tuple[str, Callable[[Ranks], np.ndarray]]:
    """ "ndcg@10" -> ("NDCG@10", function of the ranks), in any capitals; "mrr" needs no K."""
    name, at, k = text.strip().partition("@")
    known = {label.lower(): label for label in METRICS}
    label = known.get(name.strip().lower())
    if label is None or not (
        METRICS[label].without_k if not at else k.strip().isdecimal() and int(k) > 0
    ):
        raise TutorialError(
            "unknown metric {text!r}: give NAME@K with a whole K of at least 1, such as"
            " ndcg@10, and a NAME of {metrics} (MRR also stands alone)",
            text=text,
            metrics=", ".join(METRICS),
        )
    places = int(k) if at else None
    full = label if places is None else f"{label}@{places}"
    return full, lambda ranks: METRICS[label].values(ranks, places)


def mean_value(ranks: Ranks, values: np.ndarray) -> float:
    """The mean over users of what a metric gives; a number for all targets as it is."""
    return float(values) if np.ndim(values) == 0 else float(per_user(ranks, values).mean())


def summary(ranks: Ranks, ks: tuple[int, ...] = (1, 5, 10, 20)) -> dict[str, float]:
    """Every metric of `METRICS` at each K, averaged over users, and the MRR of the whole list;
    those of lists where the lists are long enough; those of the sampled ranks as "sampled HR@10".
    """
    longest = 0 if ranks.lists is None else ranks.lists.items.shape[1]
    asked = [
        f"{name}@{k}"
        for k in ks
        for name, metric in METRICS.items()
        if not metric.of_lists or k <= longest
    ]
    asked += [name for name, metric in METRICS.items() if metric.without_k]
    means = {
        name: mean_value(ranks, function(ranks)) for name, function in map(parse_metric, asked)
    }
    beside = summary(ranks.sampled, ks) if ranks.sampled is not None else {}
    return means | {f"sampled {name}": value for name, value in beside.items()}


def random_expectation(num_candidates: int, k: int = 10) -> tuple[float, float]:
    """HR@k and NDCG@k that a random order of `num_candidates` items reaches on average: the floor
    of every comparison.
    """
    places = np.arange(1, min(k, num_candidates) + 1)
    return len(places) / num_candidates, float((1 / np.log2(1 + places)).sum() / num_candidates)


def sampled_hit_probability(
    rank: np.ndarray | int, num_items: int, negatives: int = 100, k: int = 10
) -> np.ndarray:
    """Probability that a target of true rank r (1..num_items) is among the first k of 1 +
    `negatives` candidates.

    The negatives are drawn uniformly without replacement from the num_items - 1 others, of which r
    - 1 are ahead; the number of those drawn is hypergeometric, so P(hit) = sum over x < k of C(r-1,
    x) C(V-r, n-x) / C(V-1, n). Exact. Where there are fewer others than `negatives`, all are drawn.
    """
    rank = np.asarray(rank)
    if (rank < 1).any() or (rank > num_items).any() or negatives < 0:
        raise TutorialError(
            "got ranks from {rank} to {rank2} and {negatives} negatives: need ranks from 1"
            " to num_items = {num_items}, and 0 negatives or more",
            rank=rank.min(),
            rank2=rank.max(),
            negatives=negatives,
            num_items=num_items,
        )
    negatives = min(negatives, num_items - 1)

    # lgamma is +inf where n < x, so that impossible draws get probability 0
    def log_choose(n: Tensor, x: Tensor) -> Tensor:
        return torch.lgamma(n + 1) - torch.lgamma(x + 1) - torch.lgamma(n - x + 1)

    ahead, all_others = (
        torch.as_tensor(rank - 1.0).unsqueeze(-1),
        torch.tensor(num_items - 1.0, dtype=torch.float64),
    )
    # negatives ahead of the target that still leave it among the first k
    drawn = torch.arange(min(k, negatives + 1)).double()
    ways = log_choose(ahead, drawn) + log_choose(all_others - ahead, negatives - drawn)
    return (
        (ways - log_choose(all_others, torch.tensor(negatives, dtype=torch.float64)))
        .exp()
        .sum(-1)
        .numpy()
    )
