"""Ranks first, metrics afterwards: every number of the course is a function of the rank of the item
that was really chosen.

Full ranking over the catalogue is the headline; the rank among 100 sampled negatives only stands
beside it, because it can order models differently (Krichene and Rendle, KDD 2020). Taught in lesson
02.
"""

import warnings
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from tutorial_lib.data.log import Log
from tutorial_lib.data.sequences import evaluation_batches
from tutorial_lib.data.splits import Split, Targets
from tutorial_lib.errors import TutorialError
from tutorial_lib.language import say
from tutorial_lib.metrics import (
    METRICS,
    Lists,
    Metric,
    Ranks,
    _expected,
    hit_rate,
    mrr,
    ndcg,
    parse_metric,
    per_user,
    random_expectation,
    sampled_hit_probability,
    summary,
)
from tutorial_lib.models.base import SequenceModel
from tutorial_lib.negatives import chosen_items, draw_negatives
from tutorial_lib.ranking import Pairs, Question, answer, count_ahead, rows_at_once

# fmt: off
__all__ = [  # all that is measured has one address
    "METRICS", "Lists", "Metric", "Ranks", "_expected", "count_ahead", "draw_negatives", "evaluate",
    "hit_rate", "mrr", "ndcg", "parse_metric", "per_user", "random_expectation",
    "ranks_from_scores", "sampled_hit_probability", "summary", "target_ranks",
]
# fmt: on


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
    filter_seen: bool | None = None,
    sampled: int = 0,
    lists: int = 0,
    seed: int = 0,
    device: torch.device | str | None = None,
    users: np.ndarray | None = None,
) -> Ranks:
    """Rank of every target of `part` ("valid" or "test") given all earlier events of its user.

    Candidates are the items seen in training, without those in the user's history (`filter_seen`;
    default: unless users of this data set repeat items by nature); the target itself is always a
    candidate, even if the user chose it before. **A target never seen in training is a miss**: its
    place is after the last candidate. `max_len`: events read from the history (default and limit:
    the model's); `users`: evaluate only these; `sampled`: also rank among that many items drawn
    uniformly without replacement from the training items that the user never chose at any time (all
    of them where there are fewer), the same for every model (they depend on `seed` and the event
    alone); `lists`: also keep the so many best candidates of each target, for coverage and novelty.
    The model is left as it was found: same mode, and same device unless `device` moves it.

    Live evaluation: a model that says so (`live`) follows the log of all users' events and may read
    of it what lies before each question. One that can rank new items (`opens`) is compared on those
    that anybody had chosen before the question; a target that nobody had chosen is the miss.
    """
    max_len = model.max_len if max_len is None else max_len
    if filter_seen is None:
        filter_seen = not getattr(split.dataset, "repeats", False)
    if (
        part not in ("valid", "test")
        or min(batch_size, 1 + sampled, 1 + lists) < 1
        or not 1 <= max_len <= model.max_len
    ):
        raise TutorialError(
            "got part={part!r}, batch_size={batch_size}, sampled={sampled}, lists={lists},"
            " max_len={max_len}: part is 'valid' or 'test', batch_size at least 1, sampled"
            " and lists at least 0 (0 = none), and max_len from 1 to the model's {max_len2}",
            part=part, batch_size=batch_size, sampled=sampled, lists=lists, max_len=max_len,
            max_len2=model.max_len,
        )  # fmt: skip
    if model.num_items != split.dataset.num_items:
        raise TutorialError(
            "the model scores {num_items} items, {dataset} has {num_items2}: build it with"
            " num_items=dataset.num_items",
            num_items=model.num_items,
            dataset=split.dataset.name,
            num_items2=split.dataset.num_items,
        )
    if model.uses_time and not split.dataset.has_times:
        raise TutorialError(
            "{dataset} knows only the order of events and {name} reads times: take another model",
            dataset=split.dataset.name, name=type(model).__name__,
        )  # fmt: skip
    targets: Targets = getattr(split, part)
    if users is not None:
        keep = np.isin(targets.user, users)
        targets = Targets(targets.user[keep], targets.start[keep], targets.row[keep])
        split = replace(split, **{part: targets})
    if len(targets) == 0:
        raise TutorialError(
            "the {part} part has no target for users={users}: nothing can be evaluated",
            part=part, users=users,
        )  # fmt: skip
    if device is None:
        device = next(
            (tensor.device for tensor in [*model.parameters(), *model.buffers()]),
            torch.device("cpu"),
        )
    model.to(device)
    counts = np.zeros((6, len(targets)), dtype=np.int64)
    best = np.zeros((len(targets), lists), dtype=np.int64)
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    if model.follows:
        model.follow(Log.of(split.dataset.events if model.live else split.train, model.num_items))
    try:
        for batch, index in evaluation_batches(split, part, max_len=max_len, batch_size=batch_size):
            # NumPy would read a one-element tensor as a plain number
            batch, index = batch.to(device), index.numpy()
            states = model.states(batch)
            if states.dim() == 3:  # [B, V+1] scores; before: B L V numbers
                states = states[torch.arange(len(index), device=device), batch.lengths - 1]
            negatives = draw_negatives(split, targets, index, sampled, seed)
            at_once = rows_at_once(model, len(index))
            for first in range(0, len(index), at_once):
                some = slice(first, first + at_once)
                here = index[some]
                counts[:, here], best[here] = _answer(
                    model, states[some], split, targets, here, negatives[some], filter_seen, lists
                )
    finally:
        for module, training in modes:
            module.training = training
        if model.live:
            model.follow(Log.of(split.train, model.num_items))
    ranks = Ranks(targets.user, *counts[:3])
    if sampled:
        few = int((counts[5] <= sampled).sum())
        if few:
            warnings.warn(
                say(
                    "sampled={sampled}, but {few} of {count} targets leave fewer items to draw"
                    " from (down to {least}) and are ranked among all of those",
                    sampled=sampled,
                    few=few,
                    count=len(targets),
                    least=counts[5].min() - 1,
                ),
                stacklevel=3,
            )
        ranks = replace(ranks, sampled=Ranks(targets.user, *counts[3:]))
    if lists:
        ranks = replace(ranks, lists=Lists(best, *_choosers(split)))
    return ranks


def _answer(
    model: SequenceModel,
    states: Tensor,
    split: Split,
    targets: Targets,
    index: np.ndarray,
    negatives: np.ndarray,
    filter_seen: bool,
    lists: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Greater, equal and candidates in the catalogue, greater, equal and candidates among the
    negatives [B, sampled], int64 [6, B]; and the best items int64 [B, lists]. states [B, d].
    """
    trained, missed = candidates(model, split, targets.row[index])
    item, device = split.dataset.events["item"].to_numpy()[targets.row[index]], states.device
    row, seen = np.zeros((2, 0), np.int64)
    if filter_seen:
        row, seen = chosen_items(split, targets, index, trained)
    hidden = seen != item[row]  # the target stays a candidate
    row, seen = row[hidden], seen[hidden]
    drawn_by, place = negatives.nonzero()
    question = Question(
        torch.from_numpy(item).to(device),
        torch.from_numpy(missed).to(device),
        Pairs(row, seen, device),
        Pairs(drawn_by, negatives[drawn_by, place], device),
        torch.from_numpy(~trained).to(device),
    )
    got = answer(model, states, question, lists)
    by_row = question.drawn.row
    ahead, level = (
        torch.bincount(by_row[mark], minlength=len(index))
        for mark in (got.drawn > got.own[by_row], got.drawn == got.own[by_row])
    )
    others = got.equal - 1 + question.miss.long()
    counts = torch.stack([got.greater, others, -got.blocked, ahead, level])
    counts = np.vstack([counts.numpy(force=True), 1 + (negatives > 0).sum(1)])
    counts[2] += trained.sum() - np.bincount(row, minlength=len(index))
    return counts, got.best[1].numpy(force=True)


def candidates(model: SequenceModel, split: Split, rows: np.ndarray) -> tuple[np.ndarray, ...]:
    """Bool [V+1]: the items that are ranked, of which a model that `opens` itself leaves out those
    that nobody has chosen before a question; bool [B]: the targets in these rows that are none.
    """
    item, time = (split.dataset.events[name].to_numpy()[rows] for name in ("item", "timestamp"))
    if model.opens:
        return np.arange(model.num_items + 1) > 0, model.log.first[item] >= time
    return split.train_items, ~split.train_items[item]


def _choosers(split: Split) -> tuple[np.ndarray, int]:
    """How many training users chose each item, int64 [V+1], and how many there are."""
    pairs = split.train.drop_duplicates(["user", "item"])
    choosers = np.bincount(pairs["item"], minlength=split.dataset.num_items + 1)
    return choosers, pairs["user"].nunique()
