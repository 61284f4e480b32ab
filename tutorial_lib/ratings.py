"""Rating prediction: how many stars will this user give? The question of the years before ranking,
kept for comparison.

A model built with `ratings=True` predicts mean + biases + interaction and is trained by the squared
error. Its error is the RMSE over given ratings, which says nothing about the items that nobody
rated. Taught in lesson 02.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch

from tutorial_lib.checkpoint import copy_weights
from tutorial_lib.data.splits import Split
from tutorial_lib.errors import TutorialError
from tutorial_lib.models.mf import UserModel
from tutorial_lib.train import TrainConfig, learning_rate_at, make_optimizer


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
            f"{split.dataset.name} has no ratings: take another data set, such as ml-100k"
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


def train_ratings(
    model: UserModel, train: Ratings, valid: Ratings, config: TrainConfig
) -> list[dict[str, float]]:
    """Minimises the squared error on `train`; leaves the weights of the epoch with the lowest RMSE
    on `valid`.

    From `config`: epochs, batch_size (ratings a step), learning_rate, weight_decay, schedule, seed.
    Returns one row an epoch: epoch, loss (mean squared error while training, stars squared) and
    rmse (validation, stars).
    """
    if model.user_bias is None:
        raise TutorialError(
            "this model only ranks: build it with ratings=True to train it on ratings"
        )
    if not (
        len(train)
        and len(valid)
        and np.isfinite(train.values).all()
        and np.isfinite(valid.values).all()
    ):
        raise TutorialError(
            "ratings are missing: every event of the training and of the validation part needs a"
            " finite rating"
        )
    users, items, values = (
        torch.from_numpy(array) for array in (train.users, train.items, train.values)
    )
    with torch.no_grad():
        model.rating_mean.fill_(values.mean())
    optimizer, generator = make_optimizer(model, config), torch.Generator().manual_seed(config.seed)
    rows, best, steps = [], math.inf, -(-len(train) // config.batch_size)
    for epoch in range(1, config.epochs + 1):
        total = 0.0
        for step, index in enumerate(
            torch.randperm(len(train), generator=generator).split(config.batch_size), start=1
        ):
            for group in optimizer.param_groups:
                group["lr"] = learning_rate_at(config, epoch - 1 + step / steps)
            loss = (model.predict(users[index], items[index]) - values[index]).square().mean()
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            total += loss.item() * len(index)
        rows.append(
            {"epoch": epoch, "loss": total / len(train), "rmse": rmse(predict(model, valid), valid)}
        )
        if rows[-1]["rmse"] < best:
            best, weights = rows[-1]["rmse"], copy_weights(model.state_dict())
    if best == math.inf:
        raise TutorialError(
            f"the error is no number; lower the learning rate ({config.learning_rate})"
        )
    model.load_state_dict(weights)
    model.eval()
    return rows
