"""Ranks first, metrics afterwards: every number of the course is a function of the rank of the item
that was really chosen.

Full ranking over the catalogue is the headline; the rank among 100 sampled negatives only stands
beside it, because it can order models differently (Krichene and Rendle, KDD 2020). Taught in lesson
02.
"""

import gzip
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from tutorial_lib.data.sequences import evaluation_batches, seen_items
from tutorial_lib.data.splits import Split, Targets
from tutorial_lib.errors import TutorialError
from tutorial_lib.files import replacing
from tutorial_lib.models.base import SequenceModel

COLUMNS = ["user", "greater", "equal", "candidates"]


@dataclass(frozen=True, eq=False)
class Ranks:
    """How the true items were ranked, one row per target; all int64 [N].

    `user`: whose event it was. `greater`: candidates that scored higher than the target. `equal`:
    OTHER candidates that scored exactly the same. `candidates`: items in the ranking, the target
    included. `sampled`: the same among a few sampled negatives. Ties stay visible, so that a model
    which scores every item alike is judged as random, not as perfect.
    """

    user: np.ndarray
    greater: np.ndarray
    equal: np.ndarray
    candidates: np.ndarray
    sampled: "Ranks | None" = None

    @property
    def rank(self) -> np.ndarray:
        """1 = best; ties count half: 1 + greater + equal / 2, float64 [N]."""
        return 1.0 + self.greater + self.equal / 2

    def __len__(self) -> int:
        return len(self.user)

    def to_csv(self, path: Path | str) -> None:
        """Write one line per target; an existing file is replaced only when the new one is
        complete.
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
                f"{path} holds no ranks ({error}): wanted a file that Ranks.to_csv wrote"
            ) from None


def count_ahead(scores: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """How many columns beat, and how many others equal, the target. scores [N, V+1], targets int64
    [N] -> int64 [N], [N].

    Columns at -inf are no candidates. Raises TutorialError if any score is NaN or a target's own
    score is not finite, for then no rank exists.
    """
    own = scores.gather(1, targets[:, None])  # [N, 1]
    if not own.isfinite().all():
        row = int((~own.isfinite()).any(1).nonzero()[0])
        raise TutorialError(
            f"row {row}: target {int(targets[row])} has score {float(own[row])}, so it has no rank:"
            " a target needs a finite score"
        )
    # NaN compares as "not greater" and would pass for a good rank; amax lets it through
    if scores.amax(dim=1).isnan().any():
        raise TutorialError(
            "some scores are NaN, so no rank means anything: look for a division by 0 or a diverged"
            " training"
        )
    return (scores > own).sum(1), (scores == own).sum(1) - 1


def target_ranks(scores: Tensor, targets: Tensor) -> np.ndarray:
    """Rank of each target, ties counted half: 1 + #{s > s*} + #{other s = s*} / 2. [N, V+1], int64
    [N] -> float64 [N].
    """
    return ranks_from_scores(scores, targets).rank


def ranks_from_scores(scores: Tensor, targets: Tensor, user: np.ndarray | None = None) -> Ranks:
    """The same with ties and candidates kept apart; for scores that come from no model, such as the
    clairvoyant's.
    """
    greater, equal = (count.numpy(force=True) for count in count_ahead(scores, targets))
    candidates = (scores > -torch.inf).sum(1).numpy(force=True)
    return Ranks(
        np.arange(len(greater)) if user is None else np.asarray(user), greater, equal, candidates
    )


@torch.inference_mode()
def evaluate(
    model: SequenceModel,
    split: Split,
    part: str = "valid",
    *,
    batch_size: int = 256,
    max_len: int | None = None,
    filter_seen: bool = True,
    sampled: int = 0,
    seed: int = 0,
    device: torch.device | str | None = None,
    users: np.ndarray | None = None,
) -> Ranks:
    """Rank of every target of `part` ("valid" or "test") given all earlier events of its user.

    Candidates are the items seen in training, without those in the user's history (`filter_seen`);
    the target itself is always a candidate, even if the user chose it before. **A target never seen
    in training is a miss**: its place is after the last candidate. `max_len`: events read from the
    history (default and limit: the model's); `users`: evaluate only these; `sampled`: also rank
    among that many items drawn uniformly without replacement from the training items that the user
    never chose at any time, the same for every model (they depend on `seed` and the event alone).
    The model is left as it was found: same mode, and same device unless `device` moves it.
    """
    max_len = model.max_len if max_len is None else max_len
    if (
        part not in ("valid", "test")
        or batch_size < 1
        or sampled < 0
        or not 1 <= max_len <= model.max_len
    ):
        raise TutorialError(
            f"got part={part!r}, batch_size={batch_size}, sampled={sampled}, max_len={max_len}:"
            " part is 'valid' or 'test', batch_size at least 1, sampled at least 0 (0 = none), and"
            f" max_len from 1 to the model's {model.max_len}"
        )
    if model.uses_time and not split.dataset.has_times:
        raise TutorialError(
            f"{split.dataset.name} knows only the order of events and {type(model).__name__} reads"
            " times: take another model"
        )
    targets: Targets = getattr(split, part)
    if users is not None:
        keep = np.isin(targets.user, users)
        targets = Targets(targets.user[keep], targets.start[keep], targets.row[keep])
        split = replace(split, **{part: targets})
    if len(targets) == 0:
        raise TutorialError(
            f"the {part} part has no target for users={users}: nothing can be evaluated"
        )
    if device is None:
        device = next(
            (tensor.device for tensor in [*model.parameters(), *model.buffers()]),
            torch.device("cpu"),
        )
    model.to(device)
    counts = np.zeros((5, len(targets)), dtype=np.int64)
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        for batch, index in evaluation_batches(split, part, max_len=max_len, batch_size=batch_size):
            # NumPy would read a one-element tensor as a plain number
            batch, index = batch.to(device), index.numpy()
            known = {"users": batch.users} if model.takes_users else {}
            states = model(batch.items, batch.times, batch.query_times, **known)
            rows, last = torch.arange(len(index), device=device), batch.lengths - 1
            # [B, V+1]; before: B L V numbers
            scores = model.score(states[rows, last] if states.dim() == 3 else states)
            negatives = draw_negatives(split, targets, index, sampled, seed)
            counts[:, index] = _count(
                scores, batch.targets[rows, last], negatives, split, targets, index, filter_seen
            )
    finally:
        for module, training in modes:
            module.training = training
    beside = (
        Ranks(targets.user, counts[3], counts[4], np.full(len(targets), sampled + 1))
        if sampled
        else None
    )
    return Ranks(targets.user, counts[0], counts[1], counts[2], beside)


def _count(
    scores: Tensor,
    items: Tensor,
    negatives: np.ndarray,
    split: Split,
    targets: Targets,
    index: np.ndarray,
    filter_seen: bool,
) -> np.ndarray:
    """Int64 [5, B]: greater, equal and candidates in the catalogue; greater and equal among the
    negatives [B, sampled].
    """
    if scores.shape[1] != split.dataset.num_items + 1:
        raise TutorialError(
            f"the model scores {scores.shape[1] - 1} items, {split.dataset.name} has"
            f" {split.dataset.num_items}: build it with num_items=dataset.num_items"
        )
    catalogue = torch.from_numpy(split.train_items).to(scores.device)
    # [B] these targets are misses whatever their score: put them behind every candidate
    unseen = ~catalogue[items]
    own = scores.gather(1, items[:, None]).masked_fill(
        unseen[:, None], torch.finfo(scores.dtype).min
    )
    scores = scores.masked_fill(~catalogue, -torch.inf)
    if filter_seen:
        row, item = (
            torch.from_numpy(array).to(scores.device) for array in seen_items(split, targets, index)
        )
        scores[row, item] = -torch.inf
    scores.scatter_(1, items[:, None], own)
    candidates = (scores > -torch.inf).sum(1) - unseen.long()
    # all of them trained, none seen: never masked
    others = scores.gather(1, torch.from_numpy(negatives).to(scores.device))
    counts = [
        *count_ahead(scores, items),
        candidates,
        (others > own).sum(1),
        (others == own).sum(1),
    ]
    return torch.stack(counts).numpy(force=True)


def draw_negatives(
    split: Split, targets: Targets, index: np.ndarray, count: int, seed: int = 0
) -> np.ndarray:
    """`count` training items that each target's user never chose at any time, without replacement,
    int64 [B, count].

    They depend on the seed and on the row of the target event alone, not on the batch, so every
    model faces the same.
    """
    if count == 0:
        return np.zeros((len(index), 0), dtype=np.int64)
    offsets = split.dataset.offsets
    whole = Targets(targets.user, offsets[targets.user], offsets[targets.user + 1])
    allowed = np.tile(split.train_items, (len(index), 1))  # [B, V+1]
    allowed[seen_items(split, whole, index)] = False
    if (available := allowed.sum(1)).min() < count:
        raise TutorialError(
            f"user {targets.user[index[available.argmin()]]} leaves {available.min()} items to draw"
            f" negatives from: ask for fewer than sampled={count}"
        )
    with np.errstate(over="ignore"):
        stream = _mix(_mix(np.uint64(seed % 2**64)) + targets.row[index].astype(np.uint64))
        keys = _mix(
            stream[:, None]
            + np.arange(allowed.shape[1], dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        )
    keys[~allowed] = np.iinfo(np.uint64).max
    # the items with the smallest random keys
    return np.argpartition(keys, count - 1, axis=1)[:, :count]


def _mix(x: np.ndarray) -> np.ndarray:
    """Scrambles 64-bit numbers: the output function of SplitMix64 (Steele, Lea and Flood, OOPSLA
    2014).
    """
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


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
        raise TutorialError(f"k = {k}: a list has a whole number of places, at least 1")
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


def summary(ranks: Ranks, ks: tuple[int, ...] = (1, 5, 10, 20)) -> dict[str, float]:
    """HR@k and NDCG@k for each k and the full MRR, averaged over users; those of the sampled ranks
    as "sampled HR@10" etc.
    """
    metrics = {
        f"{name}@{k}": function(ranks, k)
        for k in ks
        for name, function in (("HR", hit_rate), ("NDCG", ndcg))
    }
    means = {
        name: float(per_user(ranks, values).mean())
        for name, values in {**metrics, "MRR": mrr(ranks)}.items()
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
    x) C(V-r, n-x) / C(V-1, n). Exact.
    """
    rank = np.asarray(rank)
    if negatives >= num_items or (rank < 1).any() or (rank > num_items).any():
        raise TutorialError(
            f"need ranks from 1 to num_items = {num_items} and fewer than {num_items} negatives,"
            f" got {negatives}"
        )

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
