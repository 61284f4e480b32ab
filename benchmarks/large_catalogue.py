"""Does a training step cost the catalogue? SASRec with 512 shared negatives, from 10,000 items on.

    python -m benchmarks.large_catalogue                      10^4, 10^5, 10^6 and 10^7 items
    python -m benchmarks.large_catalogue --items 1e4,1e5      others
    python -m benchmarks.large_catalogue --dense              with dense Adam as well, up to 10^6

The exponent x of seconds = c * items^x is fitted on all sizes by least squares of the logarithms;
the goal is 0.15. All sizes are measured turn by turn, so that a busy neighbour disturbs all alike.
10^7 items of width 64 take 2.6 GB, and their two moments twice that.
"""

import argparse
import json
import resource
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from tutorial_lib.process import prepare

prepare()  # before torch is imported

import numpy as np
import torch

from tutorial_lib.data.sequences import Batch
from tutorial_lib.losses import Proposal
from tutorial_lib.models import build_model
from tutorial_lib.train import TrainConfig, make_optimizer

DIM, LENGTH, BATCH, NEGATIVES, GOAL = 64, 50, 64, 512, 0.15


def made_up_batch(items: int, generator: torch.Generator) -> Batch:
    """Full windows of a long-tailed catalogue: an item's share falls as 1 / (its place + 100)."""
    far = torch.rand(BATCH, LENGTH + 1, dtype=torch.double, generator=generator)
    place = 100 * ((1 + items / 100) ** far - 1)
    events = 1 + place.long().clamp(max=items - 1) * 7919 % items  # popular ones lie apart
    times = torch.arange(LENGTH + 1).expand(BATCH, -1) * 3600
    ends = torch.full((BATCH,), LENGTH)
    parts = events[:, :-1], times[:, :-1], times[:, 1:], events[:, 1:], torch.arange(BATCH), ends
    return Batch(*parts)


def training_step(items: int, sparse: bool = True) -> Callable[[], float]:
    """A function that takes one step with a new batch, and returns its seconds."""
    generator = torch.Generator().manual_seed(0)
    config = TrainConfig(loss="logq_ce", negatives=NEGATIVES, sparse_table=sparse or None)
    model = build_model("sasrec", num_items=items, max_len=LENGTH, dim=DIM).train()
    model.item_embedding.sparse = sparse
    model.proposal = Proposal.of("uniform", items)
    optimizer = make_optimizer(model, config)

    def step() -> float:
        batch = made_up_batch(items, generator)
        begin = time.perf_counter()
        loss = model.loss(batch, config, generator)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return time.perf_counter() - begin

    return step


def measured(sizes: list[int], rounds: int, sparse: bool = True) -> list[float]:
    """Median seconds of a step at each size; the first rounds write the moments and warm up."""
    steps = [training_step(size, sparse) for size in sizes]
    taken = [[step() for step in steps] for _ in range(rounds + 3)][3:]
    return [statistics.median(times) for times in zip(*taken, strict=True)]


def exponent(sizes: list[int], seconds: list[float]) -> float:
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


def show(name: str, sizes: list[int], seconds: list[float]) -> dict[str, object]:
    for size, value in zip(sizes, seconds, strict=True):
        print(f"{name:8s}{size:12,d} items {1000 * value:10.2f} ms a step")
    x = exponent(sizes, seconds)
    print(f"{name:8s}exponent {x:.3f} (goal at most {GOAL})")
    return {"name": name, "items": sizes, "seconds": seconds, "exponent": x}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.large_catalogue", description=__doc__.split("\n\n")[0]
    )
    parser.add_argument("--items", default="1e4,1e5,1e6,1e7", help="sizes of the catalogue")
    parser.add_argument("--rounds", type=int, default=15, help="steps at each size")
    parser.add_argument("--dense", action="store_true", help="dense Adam too, up to 10^6 items")
    parser.add_argument("--json", type=Path, help="also write the numbers to this file")
    args = parser.parse_args(arguments)
    sizes = [int(float(word)) for word in args.items.split(",")]
    print(f"d = {DIM}, {BATCH} windows of {LENGTH}, {NEGATIVES} shared negatives, "
          f"{torch.get_num_threads()} thread(s)")  # fmt: skip
    report = [show("rows", sizes, measured(sizes, args.rounds))]
    if args.dense:
        few = [size for size in sizes if size <= 10**6]
        report.append(show("dense", few, measured(few, args.rounds, sparse=False)))
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.1f} GiB")
    if args.json:
        args.json.write_text(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
