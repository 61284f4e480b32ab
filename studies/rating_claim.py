"""How exactly can stars be predicted? RMSE of SS4Rec with a rating head beside MF, NeuMF and
counting. Taught in lesson 23.

    python -m studies.rating_claim --dataset ml-100k

makes data/facts/rating_claim.csv. Temporal split, every later rating a target; what is fitted is
fitted on the training part. Each trained model tries the same number of settings with seed 0,
validation RMSE decides, then come five seeds. Models: "mean"; "biases" of users and items; "running
biases", counted and not trained: the item's bias and the user's mean deviation in ALL earlier
ratings, those of the validation and test period too; "mf" and "neumf"; "ss4rec", which predicts
mean + item bias + state . item from the items before the rating; "ss4rec, running", which adds that
to the running biases. Rows with seed "mean" hold intervals that draw users anew, and the reduction
of the RMSE against NeuMF ("below_neumf").
"""

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from tutorial_lib.config import TrainConfig
from tutorial_lib.data.datasets import load_dataset
from tutorial_lib.data.sequences import Batch, evaluation_batches
from tutorial_lib.data.splits import Split, make_split
from tutorial_lib.errors import TutorialError
from tutorial_lib.experiments.results import FACTS
from tutorial_lib.experiments.runs import code_version
from tutorial_lib.experiments.stages.work import one_thread
from tutorial_lib.files import replacing
from tutorial_lib.models import SequenceModel, build_model
from tutorial_lib.ratings import predict, split_ratings, train_ratings
from tutorial_lib.tasks import ranking
from tutorial_lib.train import train

TABLE = FACTS / "rating_claim.csv"
SEEDS, DIM, MAX_LEN, SHRINK = range(5), 32, 50, 5.0
GRID = {  # of settings that each trained model tries
    "mf": tuple(product((0.003, 0.01), (0.1, 1.0))),  # learning rate, weight decay
    "neumf": tuple(product((0.003, 0.01), (0.1, 1.0))),
    "ss4rec": tuple(product((0.001, 0.003), (0.1, 0.4))),  # learning rate, dropout
}
# SS4Rec looks at the validation part after epochs 2, 4 and 6
EPOCHS, LOOK_EVERY = {"mf": 15, "neumf": 15, "ss4rec": 6}, 2
# best validation RMSE; predictions for the test part, made when asked for
Trained = tuple[float, Callable[[], np.ndarray]]


@dataclass(frozen=True)
class Stars:
    """A split with its ratings. `base`: a prediction for every row of the table, float32 [rows], to
    which SS4Rec adds its own.
    """

    split: Split
    stars: np.ndarray  # float32 [rows]
    base: np.ndarray


def running_biases(split: Split, shrink: float = SHRINK) -> np.ndarray:
    """Mean + item bias + the user's mean deviation in all ratings before each row, each as if
    `shrink` ratings said 0: [rows].

    Mean and item biases come from the training part alone; the rating of a row never enters its own
    prediction.
    """
    events, offsets = split.dataset.events, split.dataset.offsets
    items, stars = events["item"].to_numpy(), events["rating"].to_numpy(np.float64)
    known = split.train.index.to_numpy()
    mean, size = stars[known].mean(), split.dataset.num_items + 1
    bias = np.bincount(items[known], stars[known] - mean, size) / (
        np.bincount(items[known], minlength=size) + shrink
    )
    left = stars - mean - bias[items]
    before = np.concatenate([[0.0], np.cumsum(left)])
    first = np.repeat(offsets[:-1], np.diff(offsets))
    rows = np.arange(len(events))
    return mean + bias[items] + (before[rows] - before[first]) / (rows - first + shrink)


class RatingHead(SequenceModel):
    """SS4Rec that says how many stars: base + item bias + state . item, the state of the history
    before the rating.
    """

    def __init__(self, data: Stars, dropout: float, seed: int):
        nn.Module.__init__(self)  # its items are rows of the table of events, without vectors
        self.num_items, self.max_len, self.dim = len(data.stars), MAX_LEN, DIM
        items = data.split.dataset.events["item"].to_numpy()
        for name, values in (("items", items), ("stars", data.stars), ("base", data.base)):
            # row 0: padding
            self.register_buffer(name, torch.from_numpy(np.concatenate([values[:1] * 0, values])))
        sizes = {
            "num_items": data.split.dataset.num_items,
            "max_len": MAX_LEN,
            "dim": DIM,
            "seed": seed,
        }
        self.body = build_model(
            "ss4rec", **sizes, state=8, expand=1, dropout=dropout, query_time=True
        )
        self.bias = nn.Parameter(torch.zeros(data.split.dataset.num_items + 1))
        # states leave a LayerNorm: at first they should say little
        self.scale = nn.Parameter(torch.tensor(0.1))

    def forward(self, rows: Tensor, times: Tensor, query_times: Tensor, targets: Tensor) -> Tensor:
        """rows and targets: numbers of events, counted from 1, 0 = none. -> predicted stars of the
        targets, [B, L].
        """
        item = self.items[targets]
        states = self.body(self.items[rows], times, query_times)
        own = self.scale * (states * self.body.item_embedding(item)).sum(-1)
        return self.base[targets] + self.bias[item] + own

    def loss(self, batch: Batch, config: TrainConfig, generator: torch.Generator) -> Tensor:
        """Mean squared error of the stars that were given, in stars squared."""
        predicted = self(batch.items, batch.times, batch.query_times, batch.targets)
        return (predicted - self.stars[batch.targets])[batch.targets > 0].square().mean()


def of_rows(split: Split) -> Split:
    """The same split with row numbers from 1 in place of items, so that batches say which event,
    and which rating, they hold.
    """
    events = split.dataset.events
    return replace(
        split,
        dataset=replace(split.dataset, events=events.assign(item=np.arange(1, len(events) + 1))),
    )


@torch.inference_mode()
def predict_rows(model: RatingHead, rows: Split, part: str) -> np.ndarray:
    """Predicted stars of the targets of a part, in their order."""
    predicted = np.empty(len(getattr(rows, part)), dtype=np.float32)
    model.eval()
    for batch, index in evaluation_batches(rows, part, max_len=MAX_LEN, batch_size=512):
        last = torch.arange(len(index)), batch.lengths - 1
        predicted[index.numpy()] = model(
            batch.items, batch.times, batch.query_times, batch.targets
        )[last].numpy()
    return predicted


def root(error: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(error))))


def train_head(data: Stars, rate: float, dropout: float, seed: int) -> Trained:
    """SS4Rec with the weights of its best look at the validation part."""
    rows, truth = of_rows(data.split), data.stars[data.split.valid.row]
    config = TrainConfig(
        epochs=EPOCHS["ss4rec"],
        batch_size=16,
        learning_rate=rate,
        schedule="cosine",
        windows="all",
        evaluate_every=LOOK_EVERY,
        seed=seed,
    )
    model = RatingHead(data, dropout, seed)

    def score(model: RatingHead) -> float:
        error = root(predict_rows(model, rows, "valid") - truth)
        if not np.isfinite(error):
            raise TutorialError(
                f"the error of ss4rec is no number; lower the learning rate ({rate:g})"
            )
        return -error

    task = replace(ranking(model, rows, config), score=score, column="score")
    task = replace(task, seed=lambda epoch: seed if epoch == 1 else None)
    history = train(model, task, config, device="cpu", progress=False)
    best = -max(row["score"] for row in history.rows)
    return best, partial(predict_rows, model, rows, "test")


def train_pairs(
    name: str, data: Stars, rate: float, decay: float, seed: int, frozen: bool = False
) -> Trained:
    """MF or NeuMF with the weights of its best epoch. `frozen`: the tables stay at 0, so that only
    the biases are left.
    """
    split = data.split
    sizes = {
        "num_items": split.dataset.num_items,
        "num_users": split.dataset.num_users,
        "max_len": 1,
        "dim": DIM,
        "seed": seed,
    }
    model = build_model(name, **sizes, ratings=True)
    model.user_embedding.weight.requires_grad_(not frozen)
    config = TrainConfig(
        epochs=EPOCHS["mf"],
        batch_size=512,
        learning_rate=rate,
        weight_decay=decay,
        schedule="cosine",
        seed=seed,
    )
    rows = train_ratings(
        model, split_ratings(split, "train"), split_ratings(split, "valid"), config
    )
    return min(row["rmse"] for row in rows), lambda: predict(model, split_ratings(split, "test"))


def resampled(
    errors: dict[str, np.ndarray], user: np.ndarray, draws: int = 2000, seed: int = 0
) -> dict[str, np.ndarray]:
    """RMSE of each model in `draws` samples of users drawn anew, each with all its ratings. errors
    [S, N] -> [draws].

    Seeds: the mean over them of the squared error. All models face the same draws, so that they can
    be compared in pairs.
    """
    _, owner = np.unique(user, return_inverse=True)
    number = np.bincount(owner)
    picks = np.random.default_rng(seed).multinomial(
        len(number), np.full(len(number), 1 / len(number)), draws
    )
    totals = {
        name: np.bincount(owner, np.square(error).mean(axis=0)) for name, error in errors.items()
    }
    return {name: np.sqrt(picks @ total / (picks @ number)) for name, total in totals.items()}


def claim(name: str, users: int | None, seeds: int, say: Callable[[str], None]) -> pd.DataFrame:
    """A row for each model and seed, and rows "mean" over the seeds with intervals."""
    split = make_split(load_dataset(name, users=users), "temporal", targets="successive")
    split_ratings(split, "test")  # refuses data without ratings at once
    stars = split.dataset.events["rating"].to_numpy(np.float32)
    mean = np.full(len(stars), stars[split.train.index].mean(), dtype=np.float32)
    running = running_biases(split).astype(np.float32)
    plain, added, test = Stars(split, stars, mean), Stars(split, stars, running), split.test.row
    trainers = {"biases": ("mf", partial(train_pairs, "mf", plain, frozen=True))}  # grid, trainer
    trainers |= {kind: (kind, partial(train_pairs, kind, plain)) for kind in ("mf", "neumf")}
    trainers |= {
        "ss4rec": ("ss4rec", partial(train_head, plain)),
        "ss4rec, running": ("ss4rec", partial(train_head, added)),
    }
    errors = {
        "mean": (mean[test] - stars[test])[None],
        "running biases": (running[test] - stars[test])[None],
    }
    valid, about = split.valid.row, {}
    for kind, base in (("mean", mean), ("running biases", running)):
        about[kind] = {"settings": "", "valid_rmse": root(base[valid] - stars[valid])}
    for kind, (grid, trainer) in trainers.items():
        begin = time.process_time()
        tried = {setting: trainer(*setting, 0) for setting in GRID[grid]}
        best = min(tried, key=lambda setting: tried[setting][0])
        found = [tried[best], *(trainer(*best, seed) for seed in range(1, seeds))]
        errors[kind] = np.stack([predicted() - stars[test] for _, predicted in found])
        about[kind] = {
            "settings": " ".join(f"{value:g}" for value in best),
            "valid_rmse": np.mean([one[0] for one in found]),
        }
        spent = (time.process_time() - begin) / (len(tried) + seeds - 1)
        say(
            f"{kind}: RMSE {root(errors[kind]):.4f} with {about[kind]['settings']}, {spent:.1f} s"
            " of CPU a run"
        )
    draws, rows = resampled(errors, split.test.user), []
    for kind, error in errors.items():
        reduction = 1 - draws[kind] / draws["neumf"]
        row = {"model": kind, "seed": "mean", "rmse": root(error)}
        row |= dict(zip(("low", "high"), np.quantile(draws[kind], [0.025, 0.975]), strict=True))
        row |= {"below_neumf": 1 - root(error) / root(errors["neumf"])}
        row |= dict(
            zip(
                ("below_neumf_low", "below_neumf_high"),
                np.quantile(reduction, [0.025, 0.975]),
                strict=True,
            )
        )
        rows.append(row | about[kind])
        rows += [
            {"model": kind, "seed": seed, "rmse": root(one)} | about[kind]
            for seed, one in enumerate(error)
        ]
    facts = {
        "sd_of_ratings": float(stars[test].std()),
        "targets": len(test),
        "users": len(np.unique(split.test.user)),
    }
    facts["users_in_training"] = int(
        (split.train_end > split.dataset.offsets[:-1])[np.unique(split.test.user)].sum()
    )
    made = {
        "dataset": name,
        "data": split.dataset.fingerprint,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }
    return pd.DataFrame(rows).assign(**facts, **made, code_version=code_version())


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m studies.rating_claim", description=__doc__.split("\n")[0]
    )
    parser.add_argument(
        "--dataset", default="ml-100k", help="data with ratings and times (default: %(default)s)"
    )
    parser.add_argument(
        "--users", type=int, help="a random subset of so many users, always the same"
    )
    parser.add_argument(
        "--seeds",
        type=int,
        default=len(SEEDS),
        help="trainings of each model (default: %(default)s)",
    )
    parser.add_argument(
        "--table", type=Path, default=TABLE, help="where the result goes (default: %(default)s)"
    )
    args = parser.parse_args(arguments)
    try:
        if args.seeds < 1:
            raise TutorialError(f"--seeds must be at least 1, got {args.seeds}")
        with one_thread("predicting ratings"):
            table = claim(
                args.dataset, args.users, args.seeds, lambda line: print(line, flush=True)
            )
        with replacing(args.table) as file:
            table.to_csv(file, index=False, float_format="%.6g", lineterminator="\n")
    except TutorialError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(
        table.loc[table["seed"] == "mean", ["model", "rmse", "low", "high", "below_neumf"]]
        .round(4)
        .to_string(index=False)
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
