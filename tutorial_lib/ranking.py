"""The places of many targets in a large catalogue, from scores of which only a few megabytes exist
at a time.

A model with an item table scores a piece of the catalogue for all users of a batch, any other the
whole catalogue for a few users. In each piece it is counted what beats the targets, and the piece
is forgotten. Used in lesson 02.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from tutorial_lib.errors import TutorialError
from tutorial_lib.models.base import SequenceModel

# Scores held at a time: one product with the whole catalogue up to 4 MB; beyond it pieces of 1 MB,
# which stay in a CPU's cache. An accelerator has more memory and needs larger pieces.
WHOLE, PIECE, ACCELERATED = 2**20, 2**18, 2**26


class Pairs:
    """Rows of a batch and items, in ascending order of items: the pairs of a piece of the catalogue
    are a slice. row, item: int64 [M].
    """

    def __init__(self, row: np.ndarray, item: np.ndarray, device: torch.device):
        self.order = np.argsort(item, kind="stable")
        self.sorted = item[self.order]
        self.row, self.item = (
            torch.from_numpy(array).to(device) for array in (row[self.order], self.sorted)
        )

    def within(self, first: int, end: int) -> slice:
        return slice(*np.searchsorted(self.sorted, (first, end)).tolist())


@dataclass(frozen=True)
class Question:
    """What is asked about B states. target int64 [B]; miss bool [B]: the target was never trained
    on. `hidden`: trained items that are no candidates of a row, each once and never its target.
    `drawn`: candidates whose scores are wanted. untrained bool [V+1]: items that are no candidates.
    """

    target: Tensor
    miss: Tensor
    hidden: Pairs
    drawn: Pairs
    untrained: Tensor


@dataclass
class Answer:
    """own [B]: the target's score, the lowest number for a miss. greater, equal int64 [B]: in the
    catalogue, the target included. blocked int64 [B]: scores of -inf that the model itself gave.
    drawn [M]: scores of `Question.drawn`, in its order. best [B, K]: scores and items at the top.
    """

    own: Tensor
    greater: Tensor
    equal: Tensor
    blocked: Tensor
    drawn: Tensor
    best: tuple[Tensor, Tensor]


def has_table(model: SequenceModel) -> bool:
    """Is a score the inner product with a row of the item table, so that a part can be scored?"""
    return getattr(model.score, "__func__", None) is SequenceModel.score


def rows_at_once(model: SequenceModel, batch: int) -> int:
    """How many states `answer` should be given together."""
    return batch if has_table(model) else max(1, WHOLE // (model.num_items + 1))


def answer(model: SequenceModel, states: Tensor, question: Question, lists: int = 0) -> Answer:
    """Counts for states [B, d]. A target is compared with scores from the very product that its
    own comes from: products of other shapes may round otherwise.
    """
    if not has_table(model) or len(states) * (model.num_items + 1) <= WHOLE:
        scores = model.score(states)
        if scores.shape[1] != model.num_items + 1:
            raise TutorialError(
                "{name} scores {shape} items and has num_items={num_items}: score all of"
                " them, and column 0 for PAD",
                name=type(model).__name__,
                shape=scores.shape[1] - 1,
                num_items=model.num_items,
            )
        own = scores.gather(1, question.target[:, None])[:, 0]
        # a copy, as the scores may be the model's own
        return look([(1, scores[:, 1:].clone())], own, question, lists)[1]
    own = (states @ model.item_vectors(question.target).T).diagonal()  # a good guess
    found, result = look(table_pieces(model, states), own, question, lists)
    if not torch.equal(found, own):
        result = look(table_pieces(model, states), found, question, lists)[1]
    return result


def table_pieces(model: SequenceModel, states: Tensor) -> Iterator[tuple[int, Tensor]]:
    """(first item, scores [B, n] from it on) over the items 1..V. states [B, d]."""
    table = model.item_vectors()
    size = max(1, (PIECE if states.device.type == "cpu" else ACCELERATED) // len(states))
    for first in range(1, len(table), size):
        yield first, states @ table[first : first + size].T


def look(pieces, own: Tensor, question: Question, lists: int) -> tuple[Tensor, Answer]:
    """One pass over all pieces, which it overwrites. Also returns the targets' scores as they stood
    there, [B].
    """
    target, size = question.target, len(own)
    refuse_no_rank(own.masked_fill(question.miss, 0), target)
    # a miss stands behind every candidate, whatever its score
    level = own.masked_fill(question.miss, torch.finfo(own.dtype).min)
    # faster than to overwrite columns
    penalty = own.new_zeros(question.untrained.shape).masked_fill(question.untrained, -torch.inf)
    greater, equal, blocked = torch.zeros(3, size, dtype=torch.int64, device=own.device)
    drawn = own.new_full(question.drawn.row.shape, -torch.inf)
    best = own.new_full((size, lists), -torch.inf), target.new_zeros(size, lists)
    found, scratch = own.clone(), torch.empty(0, device=own.device)
    for first, scores in pieces:
        end = first + scores.shape[1]
        here = (target >= first) & (target < end)
        column = (target - first).clamp(0, end - first - 1)[:, None]
        found = scores.gather(1, column)[:, 0].where(here, found)
        ordinary = scores.sum().isfinite()  # then none is NaN or infinite
        hidden, gone = question.hidden.within(first, end), question.untrained[first:end]
        scores[question.hidden.row[hidden], question.hidden.item[hidden] - first] = -torch.inf
        if ordinary:
            scores += penalty[first:end]
        else:
            refuse_nan(scores.masked_fill_(gone, -torch.inf))
            blocked += (scores == -torch.inf).sum(1) - gone.sum()
            blocked -= torch.bincount(question.hidden.row[hidden], minlength=size)
        scratch.resize_(scores.shape)  # truth as float32: its sums are the fastest
        greater += torch.gt(scores, level[:, None], out=scratch).sum(1).long()
        equal += torch.eq(scores, level[:, None], out=scratch).sum(1).long()
        among = question.drawn.within(first, end)
        drawn[among] = scores[question.drawn.row[among], question.drawn.item[among] - first]
        if lists:
            best = merge(best, top(scores, lists), first)
    return found, Answer(level, greater, equal, blocked, drawn, best)


def top(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k best of each row, equal scores by column. [B, n] -> scores and int64 columns [B, k or
    n].
    """
    k = min(k, scores.shape[1])
    values, columns = scores.topk(k)
    # topk takes any of those that tie for the last place
    tied = ((scores >= values[:, -1:]).sum(1) > k).nonzero()[:, 0]
    if len(tied):
        every, order = scores[tied].sort(dim=1, descending=True, stable=True)
        values[tied], columns[tied] = every[:, :k], order[:, :k]
    columns, order = columns.sort(dim=1)
    values, back = values.gather(1, order).sort(dim=1, descending=True, stable=True)
    return values, columns.gather(1, back)


def merge(
    best: tuple[Tensor, Tensor], more: tuple[Tensor, Tensor], first: int
) -> tuple[Tensor, Tensor]:
    """The best of both, [B, K]; `more` has columns of a piece that begins with item `first`. No
    candidate is item 0.
    """
    items = (more[1] + first).masked_fill(more[0] == -torch.inf, 0)
    values, order = torch.cat([best[0], more[0]], dim=1).sort(dim=1, descending=True, stable=True)
    keep = slice(best[0].shape[1])
    return values[:, keep], torch.cat([best[1], items], dim=1).gather(1, order)[:, keep]


def count_ahead(scores: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """How many columns beat, and how many others equal, the target. scores [N, V+1], targets int64
    [N] -> int64 [N], [N].

    Columns at -inf are no candidates. Raises TutorialError if any score is NaN or a target's own
    score is not finite, for then no rank exists.
    """
    own = scores.gather(1, targets[:, None])  # [N, 1]
    refuse_no_rank(own[:, 0], targets)
    refuse_nan(scores)
    return (scores > own).sum(1), (scores == own).sum(1) - 1


def refuse_no_rank(own: Tensor, targets: Tensor) -> None:
    """Raises TutorialError unless each target's own score is finite. own, targets [N]."""
    if not own.isfinite().all():
        row = int((~own.isfinite()).nonzero()[0])
        raise TutorialError(
            "row {row}: target {targets} has score {own}, so it has no rank: a target"
            " needs a finite score",
            row=row,
            targets=int(targets[row]),
            own=float(own[row]),
        )


def refuse_nan(scores: Tensor) -> None:
    """NaN compares as "not greater" and would pass for a good rank."""
    if scores.isnan().any():
        raise TutorialError(
            "some scores are NaN, so no rank means anything: look for a division by 0 or a diverged"
            " training"
        )
