"""How much faster are two processes with one thread each than one? The same global batch.

    python -m benchmarks.two_processes            SASRec, d = 128, 2 processes
    python -m benchmarks.two_processes --dim 64 --processes 4

Rows: `dense` gradients of the whole item table are averaged, `rows` only those that a step has read, and
`sharded` tables. The goal is 1.6 for two processes at d = 128. Needs as many quiet cores.
"""

import argparse
import os
import socket
import statistics
import tempfile
import time
from pathlib import Path

from tutorial_lib.process import prepare

prepare()  # before torch is imported

import torch
import torch.multiprocessing as mp

from tutorial_lib.data.sequences import Batch
from tutorial_lib.distributed import ALONE, Group, joined
from tutorial_lib.losses import Proposal
from tutorial_lib.models import build_model
from tutorial_lib.train import TrainConfig, make_optimizer

ITEMS, LENGTH, BATCH, GOAL = 20_000, 50, 128, 1.6
WAYS = ("dense", "rows", "sharded")


def seconds(way: str, dim: int, steps: int, group: Group = ALONE) -> float:
    """Median of a training step."""
    config = TrainConfig(loss="logq_ce", negatives=512, sparse_table=(way == "rows") or None)
    model = build_model("sasrec", num_items=ITEMS, max_len=LENGTH, dim=dim).train()
    model.item_embedding.sparse, model.proposal = way == "rows", Proposal.of("uniform", ITEMS)
    group.module, group.sharded = None, way == "sharded" and group.size > 1
    learner = group.learner(model)
    optimizer, generator = make_optimizer(learner, config), torch.Generator().manual_seed(0)
    group.attach(learner)
    events = torch.randint(1, ITEMS + 1, (BATCH, LENGTH + 1), generator=generator)
    clock, ends = torch.arange(LENGTH).expand(BATCH, -1), torch.full((BATCH,), LENGTH)
    batch = Batch(events[:, :-1], clock, clock + 1, events[:, 1:], torch.arange(BATCH), ends)
    taken = []
    for _ in range(steps + 2):
        begin = time.perf_counter()
        loss, _ = group.loss(learner, batch, config, generator)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        taken.append(time.perf_counter() - begin)
    return statistics.median(taken[2:])


def member(rank: int, size: int, port: int, dim: int, steps: int, out: Path) -> None:
    torch.set_num_threads(1)
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(size)}
    with joined("cpu") as (group, _):
        found = {way: seconds(way, dim, steps, group) for way in WAYS}
    if rank == 0:
        torch.save(found, out)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.two_processes", description=__doc__.split("\n\n")[0]
    )
    parser.add_argument("--dim", type=int, default=128)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--steps", type=int, default=20)
    args = parser.parse_args(arguments)
    os.environ["OMP_NUM_THREADS"] = "1"
    torch.set_num_threads(1)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    alone = {way: seconds(way, args.dim, args.steps) for way in ("dense", "rows")}
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "found.pt"
        given = args.processes, port, args.dim, args.steps, out
        mp.spawn(member, given, nprocs=args.processes)
        together = torch.load(out)
    print(f"SASRec, d = {args.dim}, {BATCH} windows of {LENGTH}, {ITEMS:,} items, 512 negatives")
    for way in WAYS:
        one = alone.get(way, alone["dense"])
        print(f"{way:8s} 1 process {1000 * one:7.1f} ms   {args.processes} processes"
              f" {1000 * together[way]:7.1f} ms   {one / together[way]:.2f} times (goal {GOAL})")  # fmt: skip


if __name__ == "__main__":
    main()
