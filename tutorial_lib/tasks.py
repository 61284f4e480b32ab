"""What a training run is for: the batches of an epoch, and the score that chooses the weights.

The loop itself is `train`. Taught in lesson 07.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch

from tutorial_lib.config import TrainConfig
from tutorial_lib.data.sequences import Batch, num_training_batches, training_batches
from tutorial_lib.data.splits import Split, ask_some
from tutorial_lib.distributed import ALONE, Group
from tutorial_lib.errors import TutorialError
from tutorial_lib.evaluate import ndcg, per_user
from tutorial_lib.losses import Proposal
from tutorial_lib.models import SequenceModel
from tutorial_lib.ranking import has_table


@dataclass(frozen=True)
class Task:
    """What is learned from, and what decides which weights are kept. The usual one is `ranking`;
    that of stars is `ratings.rating_task`.

    `batches(epoch)`: those of an epoch, counted from 1; all that is random about them follows from
    the epoch. `steps`: how many they are. `score(model)`: the larger, the better. `column`: of the
    score, in the rows of the history. Where the usual ones do not fit: `seed(epoch)` of dropout
    (None: its random numbers go on), `optimizer(model)`, and `rate(epochs done)`, the learning
    rate.
    """

    batches: Callable[[int], Iterable[Batch]]
    steps: int
    score: Callable[[SequenceModel], float]
    column: str = "score"
    seed: Callable[[int], int | None] | None = None
    optimizer: Callable[[SequenceModel], torch.optim.Optimizer] | None = None
    rate: Callable[[float], float] | None = None


def ranking(model: SequenceModel, split: Split, config: TrainConfig, group: Group = ALONE) -> Task:
    """The next item: windows of the training part, and NDCG@10 on the validation part."""
    asked = ask_some(split, config.evaluate_users)
    sizes = {"max_len": model.max_len, "batch_size": config.batch_size, "windows": config.windows}
    return Task(
        lambda epoch: training_batches(split, seed=config.seed, epoch=epoch, **sizes),
        num_training_batches(split, **sizes),
        lambda model: validate(model, asked, config.hides_seen(split.dataset), group),
        "ndcg",
    )


def validate(
    model: SequenceModel, split: Split, filter_seen: bool | None = None, group: Group = ALONE
) -> float:
    """NDCG@10 on the validation part, full ranking, mean over users."""
    ranks = group.evaluate(model, split, "valid", filter_seen=filter_seen)
    return float(per_user(ranks, ndcg(ranks)).mean())


def with_windows(model: SequenceModel, config: TrainConfig) -> TrainConfig:
    """The configuration with the windows that the model needs; refused where others were chosen."""
    if model.windows in (None, config.windows):
        return config
    if config.windows != TrainConfig.windows:
        raise TutorialError(
            "{name} with these options learns from windows={windows!r} alone and got"
            " windows={windows2!r}: give windows={windows!r}, or leave it out",
            name=type(model).__name__,
            windows=model.windows,
            windows2=config.windows,
        )
    return replace(config, windows=model.windows)


def check_fit(model: SequenceModel, split: Split) -> None:
    """Refuses a model that was built for other data."""
    kind, data = type(model).__name__, split.dataset
    if model.uses_time and not data.has_times:
        raise TutorialError(
            "{kind} needs timestamps and {data} has none; choose a model without a clock",
            kind=kind,
            data=data.name,
        )
    if model.num_items != data.num_items:
        raise TutorialError(
            "{kind} was built for {num_items} items and {data} has {num_items2}; give"
            " num_items=dataset.num_items",
            kind=kind,
            num_items=model.num_items,
            data=data.name,
            num_items2=data.num_items,
        )
    if model.uses_users and model.num_users != data.num_users:
        raise TutorialError(
            "{kind} was built for {num_users} users and {data} has {num_users2}; give"
            " num_users=dataset.num_users",
            kind=kind,
            num_users=model.num_users,
            data=data.name,
            num_users2=data.num_users,
        )


def check_negatives(model: SequenceModel, config: TrainConfig) -> None:
    """Refuses ways to draw negatives that the model or the loss does not know."""
    name, shared = type(model).__name__, config.shared_negatives or config.loss == "logq_ce"
    if shared and not has_table(model):
        raise TutorialError(
            "{name} draws its negatives for each pair; leave shared_negatives out, and take"
            " another loss than logq_ce",
            name=name,
        )
    if config.proposal and config.loss != "logq_ce":
        raise TutorialError(
            "proposal={proposal!r} belongs to loss='logq_ce', got loss={loss!r}: leave one of them"
            " out",
            proposal=config.proposal,
            loss=config.loss,
        )
    if config.sparse_table and (config.loss == "ce" or config.averaging or not has_table(model)):
        raise TutorialError(
            "sparse_table updates the rows of an item table that a step reads: it needs a sampled"
            " loss such as logq_ce, averaging=0 and a model that scores by its table; got"
            " loss={loss!r}, averaging={averaging} and {name}",
            loss=config.loss,
            averaging=config.averaging,
            name=name,
        )


@contextmanager
def for_large_catalogues(
    model: SequenceModel, data: Split | Task, config: TrainConfig
) -> Iterator[None]:
    """Inside, the model knows where its negatives come from and how its table is updated."""
    if config.loss == "logq_ce" and isinstance(data, Split):
        chosen = data.train["item"].to_numpy()
        model.proposal = Proposal.of(config.proposal or "uniform", model.num_items, chosen)
    model.item_embedding.sparse = bool(config.sparse_table)
    try:
        yield
    finally:
        model.proposal, model.item_embedding.sparse = None, False
