"""Rating prediction: how many stars will this user give? The question of the years before ranking,
kept for comparison.

A model built with `ratings=True` predicts mean + biases + interaction and is trained by the squared
error. Its error is the RMSE over given ratings, which says nothing about the items that nobody
rated. Taught in lesson 02.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from tutorial_lib.config import TrainConfig
from tutorial_lib.data.sequences import RatedBatch
from tutorial_lib.data.splits import Split
from tutorial_lib.errors import TutorialError
from tutorial_lib.models.mf import UserModel
from tutorial_lib.tasks import Task
from tutorial_lib.train import train


@dataclass(frozen=True, eq=False)
class Ratings:
    """Given ratings: users int64 [N], items int64 [N] from 1, values float32 [N] (stars)."""

    users: np.ndarray
    items: np.ndarray
    values: np.ndarray

    def __len__(self) -> int:
        return len(self.values)


def split_ratings(split: Split, part: str) -> Ratings:
    """The ratings of the training events ("train") or of the targets of "valid" or "test"."""
    if "rating" not in split.dataset.events:
        raise TutorialError(
            "{dataset} has no ratings: take another data set, such as ml-100k",
            dataset=split.dataset.name,
        )
    events = split.train if part == "train" else split.dataset.events.iloc[getattr(split, part).row]
    return Ratings(*(events[name].to_numpy(copy=True) for name in ("user", "item", "rating")))


@torch.inference_mode()
def predict(model: UserModel, ratings: Ratings) -> np.ndarray:
    """Predicted stars of the pairs in `ratings`, float32 [N]; `ratings.values` is not looked at."""
    users, items = torch.from_numpy(ratings.users), torch.from_numpy(ratings.items)
    return torch.cat(
        [model.predict(u, i) for u, i in zip(users.split(65_536), items.split(65_536), strict=True)]
    ).numpy()


def rmse(predicted: np.ndarray | float, ratings: Ratings) -> float:
    """Root of the mean squared error, in stars."""
    return float(np.sqrt(np.mean((predicted - ratings.values) ** 2)))


def rating_task(given: Ratings, valid: Ratings, config: TrainConfig) -> Task:
    """Pairs (user, item) in random order, `config.batch_size` a step; the score is minus the RMSE
    on `valid`. The order of an epoch follows from the seed and the epoch alone.
    """
    users, items, stars = map(torch.from_numpy, (given.users, given.items, given.values))

    def batches(epoch: int) -> Iterator[RatedBatch]:
        generator = torch.Generator().manual_seed(config.seed)
        for _ in range(epoch):
            order = torch.randperm(len(stars), generator=generator)
        for index in order.split(config.batch_size):
            item, one = items[index, None], torch.ones_like(index)  # [B, 1], [B]
            clock = torch.zeros_like(item)
            yield RatedBatch(item, clock, clock, item, users[index], one, stars[index, None])

    def score(model: UserModel) -> float:
        error = rmse(predict(model, valid), valid)
        if not math.isfinite(error):
            raise TutorialError(
                "the error is no number; lower the learning rate ({learning_rate})",
                learning_rate=config.learning_rate,
            )
        return -error

    return Task(batches, -(-len(stars) // config.batch_size), score)


def train_ratings(
    model: UserModel, given: Ratings, valid: Ratings, config: TrainConfig
) -> list[dict[str, float]]:
    """Minimises the squared error on `given`; leaves the weights of the epoch with the lowest RMSE
    on `valid`.

    From `config`: epochs, batch_size (ratings a step), learning_rate, weight_decay, schedule, seed.
    Returns one row an epoch: epoch, loss (mean squared error while training, stars squared) and
    rmse (validation, stars).
    """
    if model.user_bias is None:
        raise TutorialError(
            "this model only ranks: build it with ratings=True to train it on ratings"
        )
    values = np.concatenate([given.values, valid.values])
    if not (len(given) and len(valid) and np.isfinite(values).all()):
        raise TutorialError(
            "ratings are missing: every event of the training and of the validation part needs a"
            " finite rating"
        )
    with torch.no_grad():
        model.rating_mean.fill_(torch.from_numpy(given.values).mean())
    task = rating_task(given, valid, config)
    rows = train(model, task, config, device="cpu", progress=False).rows
    return [{"epoch": r["epoch"], "loss": r["loss"], "rmse": -r["score"]} for r in rows]
