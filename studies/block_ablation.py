"""What each part of a Transformer block is worth: SASRec with one part removed at a time. Taught in
lesson 06.

    OMP_NUM_THREADS=1 python -m studies.block_ablation

makes data/facts/block_ablation.csv again, in about 35 minutes on one core. Two tasks. "sample": the
next item in the simulated world, NDCG@10. "replay": six items and a request "number k again", share
of right answers (chance is 1 in 30). Each repetition (seed) draws its own data (for `sample` 1,000
of the 3,000 users), initial weights, order of batches and dropout; within a repetition all variants
share them, so that differences are paired. What is best for the whole need not be best for a part
of it: every variant is trained with each of five learning rates, and `at_best_rate` takes the one
with the highest mean on validation. Columns: task, variant, learning_rate, seed, valid, test.

    python -m studies.block_ablation --tasks replay --variants "no residual" --rates 0.001 0.003 \
        --steps 1600 --table data/facts/replay_longer.csv

asks whether the network without residuals cannot or only learns more slowly.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from pathlib import Path

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tutorial_lib.data.datasets import load_dataset
from tutorial_lib.data.sequences import Batch
from tutorial_lib.data.splits import Split, make_split
from tutorial_lib.errors import Diverged, TutorialError
from tutorial_lib.evaluate import evaluate, ndcg, per_user
from tutorial_lib.experiments.results import FACTS
from tutorial_lib.files import replacing
from tutorial_lib.models.attention import CausalSelfAttention
from tutorial_lib.models.base import Dropout, SequenceModel, initialise
from tutorial_lib.models.sasrec import FeedForward
from tutorial_lib.tasks import Task
from tutorial_lib.train import TrainConfig, train

TABLE = FACTS / "block_ablation.csv"
LONGER = FACTS / "replay_longer.csv"  # four times as many steps
USERS, MAX_LEN, DIM, EPOCHS = 1000, 60, 32, 6
SEEDS, RATES = range(5), (1e-3, 3e-3, 1e-2, 3e-2, 1e-1)
REPLAY_ITEMS, REPLAY_EVENTS, REPLAY_STEPS = 30, 6, 400


@dataclass(frozen=True)
class Switches:
    """Which parts are there. The defaults are SASRec; norm is "pre", "post" or "none"."""

    position: bool = True
    attention: bool = True
    feed_forward: bool = True
    residual: bool = True
    norm: str = "pre"
    dropout: float = 0.1
    blocks: int = 2

    def __post_init__(self):
        if self.norm not in ("pre", "post", "none"):
            raise TutorialError(f"unknown norm {self.norm!r}; known are pre, post, none")


VARIANTS = {
    "full": Switches(),
    "no attention": Switches(attention=False),
    "no position": Switches(position=False),
    "no feed-forward": Switches(feed_forward=False),
    "no residual": Switches(residual=False),
    "no norm": Switches(norm="none"),
    "post-norm": Switches(norm="post"),
    "no dropout": Switches(dropout=0.0),
    "1 block": Switches(blocks=1),
    "4 blocks": Switches(blocks=4),
}


class SwitchBlock(nn.Module):
    """A Transformer block, every part of which can be switched off. [B, L, d] -> [B, L, d]."""

    def __init__(self, dim: int, hidden: int, switches: Switches):
        super().__init__()
        self.switches = switches
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attention = CausalSelfAttention(dim, dropout=switches.dropout)
        self.feed_forward = FeedForward(dim, hidden, switches.dropout)

    def apply_part(self, x: Tensor, part: nn.Module, norm: nn.Module) -> Tensor:
        change = part(norm(x) if self.switches.norm == "pre" else x)
        x = x + change if self.switches.residual else change
        return norm(x) if self.switches.norm == "post" else x

    def forward(self, x: Tensor) -> Tensor:
        if self.switches.attention:
            x = self.apply_part(x, self.attention, self.norm1)
        if self.switches.feed_forward:
            x = self.apply_part(x, self.feed_forward, self.norm2)
        return x


class SwitchSASRec(SequenceModel):
    """SASRec made of `SwitchBlock`s; with all parts in place it is SASRec. items [B, L] -> states
    [B, L, d].
    """

    def __init__(self, num_items: int, max_len: int, dim: int, switches: Switches):
        super().__init__(num_items, max_len, dim)
        self.switches = switches
        self.position_embedding = nn.Embedding(max_len, dim)
        self.dropout = Dropout(switches.dropout)
        self.blocks = nn.ModuleList(SwitchBlock(dim, dim, switches) for _ in range(switches.blocks))
        # post-norm blocks end in a norm already
        self.norm = nn.LayerNorm(dim) if switches.norm == "pre" else nn.Identity()
        self.apply(initialise)

    def forward(
        self, items: Tensor, times: Tensor | None = None, query_times: Tensor | None = None
    ) -> Tensor:
        x = self.item_embedding(items) * self.dim**0.5
        if self.switches.position:
            x = x + self.position_embedding.weight[: items.shape[1]]  # [B, L, d]
        x = self.dropout(x)
        for block in self.blocks:
            x = block(x)
        return self.norm(x)


class ReplaySASRec(SwitchSASRec):
    """The same, asked at the last position alone."""

    def loss(self, batch: Batch, config: TrainConfig, generator: torch.Generator) -> Tensor:
        scores = self.score(self.states(batch)[:, -1])  # [B, V + 1]
        return F.cross_entropy(scores[:, 1:], batch.targets[:, -1] - 1)


def build(
    switches: Switches, num_items: int, max_len: int, seed: int, kind: type = SwitchSASRec
) -> SwitchSASRec:
    """A model with reproducible initial weights; the global seed is left alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return kind(num_items, max_len, DIM, switches)


@lru_cache(maxsize=1)
def load_split(seed: int, dataset: str = "sample", users: int | None = USERS) -> Split:
    """The data of one repetition: `users` users drawn with `seed`, every event of the two periods a
    target.
    """
    data = load_dataset(dataset, users=users, seed=seed)
    return (
        make_split(data, targets="successive")
        if data.has_times
        else make_split(data, "leave_last_out")
    )


def train_sample(switches: Switches, split: Split, learning_rate: float, seed: int) -> SwitchSASRec:
    """One run on the next item; the weights are those of the best epoch on validation."""
    model = build(switches, split.dataset.num_items, MAX_LEN, seed)
    config = TrainConfig(
        epochs=EPOCHS, batch_size=32, learning_rate=learning_rate, schedule="cosine", seed=seed
    )
    train(model, split, config, device="cpu", progress=False)
    return model


def score_sample(model: SwitchSASRec, split: Split, part: str) -> float:
    """NDCG@10 on "valid" or "test", mean over users."""
    ranks = evaluate(model, split, part)
    return float(per_user(ranks, ndcg(ranks)).mean())


def replay_batch(size: int, generator: torch.Generator) -> Batch:
    """Histories int64 [size, 7], six items and the request "number k again" (item 30 + k), at which
    the k-th of them is the target.
    """
    played = torch.randint(1, REPLAY_ITEMS + 1, (size, REPLAY_EVENTS), generator=generator)
    place = torch.randint(REPLAY_EVENTS, (size, 1), generator=generator)
    items = torch.cat([played, REPLAY_ITEMS + 1 + place], dim=1)
    targets = torch.cat([torch.zeros_like(played), played.gather(1, place)], dim=1)
    clock, lengths = torch.zeros_like(items), torch.full((size,), items.shape[1])
    return Batch(items, clock, clock, targets, torch.arange(size), lengths)


def train_replay(
    switches: Switches, learning_rate: float, seed: int, steps: int = REPLAY_STEPS
) -> SwitchSASRec:
    """One run on requests, every batch fresh; the learning rate falls linearly to 0, and torch's
    weight decay of 0.01 acts on all weights.
    """
    sizes = REPLAY_ITEMS + REPLAY_EVENTS, REPLAY_EVENTS + 1
    model = build(switches, *sizes, seed, ReplaySASRec)

    def batches(epoch: int) -> Iterator[Batch]:
        generator = torch.Generator().manual_seed(seed)
        return (replay_batch(128, generator) for _ in range(steps))

    def rate(done: float) -> float:  # `done` after the step, which has the rate from before it
        return learning_rate * (1 - (round(done * steps) - 1) / steps)

    task = Task(
        batches,
        steps,
        lambda model: score_replay(model, seed, "valid"),
        seed=lambda epoch: seed,
        optimizer=lambda model: torch.optim.AdamW(model.parameters(), betas=(0.9, 0.98)),
        rate=rate,
    )
    train(model, task, TrainConfig(epochs=1), device="cpu", progress=False)
    return model


@torch.no_grad()
def score_replay(model: SwitchSASRec, seed: int, part: str) -> float:
    """Share of right answers to 4,000 fresh requests."""
    generator = torch.Generator().manual_seed(2**32 + 2 * seed + (part == "test"))
    batch = replay_batch(4000, generator)
    best = model.eval().score(model(batch.items)[:, -1]).argmax(dim=1)
    return (best == batch.targets[:, -1]).double().mean().item()


def run(
    task: str, name: str, learning_rate: float, seed: int, steps: int = REPLAY_STEPS
) -> dict[str, object]:
    """One run as a row of the table; without scores if its loss became infinite or no number."""
    parts = "valid", "test"
    try:
        if task == "replay":
            model = train_replay(VARIANTS[name], learning_rate, seed, steps)
            scores = {part: score_replay(model, seed, part) for part in parts}
        else:
            split = load_split(seed)
            model = train_sample(VARIANTS[name], split, learning_rate, seed)
            scores = {part: score_sample(model, split, part) for part in parts}
    except Diverged:
        scores = dict.fromkeys(parts, float("nan"))
    return {"task": task, "variant": name, "learning_rate": learning_rate, "seed": seed} | scores


def at_best_rate(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of each task and variant at the learning rate with the highest mean on validation
    (of equals, the lowest). A run that diverged counts as 0.
    """
    keys = ["task", "variant", "learning_rate"]
    best = table.fillna({"valid": 0}).groupby(keys)["valid"].mean().groupby(keys[:2]).idxmax()
    return table[pd.MultiIndex.from_frame(table[keys]).isin(best)]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m studies.block_ablation", description="See lesson 06."
    )
    parser.add_argument(
        "--table", type=Path, default=TABLE, help="where the result goes (default: %(default)s)"
    )
    parser.add_argument(
        "--tasks", nargs="+", choices=["replay", "sample"], default=["replay", "sample"]
    )
    parser.add_argument("--variants", nargs="+", choices=list(VARIANTS), default=list(VARIANTS))
    parser.add_argument("--seeds", nargs="+", type=int, default=list(SEEDS))
    parser.add_argument("--rates", nargs="+", type=float, default=list(RATES))
    parser.add_argument(
        "--steps",
        type=int,
        default=REPLAY_STEPS,
        help="of a training on replay (default: %(default)s)",
    )
    chosen, rows = parser.parse_args(arguments), []
    for task, seed, name, rate in product(
        chosen.tasks, chosen.seeds, chosen.variants, chosen.rates
    ):
        rows.append(run(task, name, rate, seed, chosen.steps))
        print(*rows[-1].values(), flush=True)
    with replacing(chosen.table) as path:
        pd.DataFrame(rows).to_csv(path, index=False, float_format="%.6g")


if __name__ == "__main__":
    main()
