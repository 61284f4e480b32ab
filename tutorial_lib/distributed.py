"""Several processes that train one model: each takes some rows of every batch, and gradients are
averaged. The result is that of one process with the same batches, up to rounding.

    letter     meaning
    R, r       processes, and the number of this one: 0 writes files
    n, n_r     positions with a target in the batch, and in the rows of process r
    mean_r     mean of the loss over those n_r

One process descends sum_r n_r mean_r / n. Processes average their gradients, (1 / R) sum_r, so each
must hand in the gradient of R n_r mean_r / n. The mean of the means, (1 / R) sum_r mean_r, is
another number wherever the n_r differ: a short history would count as much as a long one.

Every process makes the whole batch, of integers, and reads its own rows of it. So all know n, and
draw the same shared negatives. Only dropout differs, as it does between any two seeds. Built on
`torch.distributed` and started by torchrun: `DistributedDataParallel` (Li et al., VLDB 2020), or,
`sharded`, `fully_shard` (FSDP2; Zhao et al., VLDB 2023), where each process keeps 1 / R of the rows
of every table and matrix, of their gradients and of Adam's moments, and gathers whole weights for
each step. Taught in lesson 24.
"""

import copy
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from datetime import timedelta
from typing import TypeVar

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.nn.parallel import DistributedDataParallel
from torch.utils._pytree import tree_map_only

from tutorial_lib.config import TrainConfig
from tutorial_lib.data.sequences import Batch, PartBatch
from tutorial_lib.data.splits import Split
from tutorial_lib.errors import TutorialError
from tutorial_lib.evaluate import Ranks, evaluate
from tutorial_lib.models import SequenceModel

T = TypeVar("T")


class Loss(nn.Module):
    """The loss of a model as the forward pass of a module, which is what torch's wrappers take."""

    def __init__(self, model: SequenceModel):
        super().__init__()
        self.model = model

    def forward(self, batch: Batch, config: TrainConfig, generator: torch.Generator) -> Tensor:
        return self.model.loss(batch, config, generator)


@dataclass
class Group:
    """The processes that train together; alone by default, and then nothing is communicated."""

    rank: int = 0
    size: int = 1
    sharded: bool = False
    module: nn.Module | None = None

    @property
    def writer(self) -> bool:
        return self.rank == 0

    def gather(self, value: T) -> list[T]:
        """What each process gives, by rank."""
        if self.size == 1:
            return [value]
        found = [None] * self.size
        dist.all_gather_object(found, value)
        return found

    def together(self, work: Callable[[], T]) -> T:
        """The result of `work`, once all have one. Where it fails in one process, all end, and the
        writer says why.
        """
        result = failure = None
        try:
            result = work()
        except TutorialError as error:
            failure = error
        failures = self.gather(failure)
        if not any(failures):
            return result
        if not self.writer:
            raise SystemExit(2)
        rank = next(rank for rank, one in enumerate(failures) if one)
        if rank == 0:
            raise failures[0]
        raise TutorialError("process {rank}: {error}", rank=rank, error=failures[rank])

    def agree(self, what: str, value: object) -> None:
        """Refuses processes that see different things."""

        def look() -> None:
            if found := [(rank, one) for rank, one in enumerate(seen) if one != seen[0]]:
                raise TutorialError(
                    "process {rank} has {what} {got} and process 0 has {wanted}: give all processes"
                    " the same command, the same data and a folder that all of them see",
                    rank=found[0][0],
                    what=what,
                    got=found[0][1],
                    wanted=seen[0],
                )

        seen = self.gather(value)
        self.together(look)

    def accept(self, model: SequenceModel, config: TrainConfig) -> None:
        """Refuses what processes cannot share."""
        if self.size > 1 and type(model).loss is not SequenceModel.loss:
            raise TutorialError(
                "{name} has a loss of its own, which processes cannot share: train it in one"
                " process, without --distributed",
                name=type(model).__name__,
            )
        if self.sharded and config.sparse_table:
            raise TutorialError(
                "sharded tables have no gradients of single rows: leave sparse_table or --sharded"
                " out"
            )

    def learner(self, model: SequenceModel) -> SequenceModel:
        """What is trained: the model itself; `sharded`: a copy, of which this process has a part,
        so that the model stays whole for evaluation. Before the optimizer is made.
        """
        if not self.sharded:
            return model
        learner = copy.deepcopy(model)
        self.module = Loss(learner)
        kind = next(model.parameters()).device.type
        fully_shard(self.module, mesh=init_device_mesh(kind, (self.size,)))
        return learner

    def attach(self, learner: SequenceModel) -> None:
        """The first process's weights for all, and from here on gradients that are averaged."""
        if self.size > 1 and not self.sharded:
            self.module = DistributedDataParallel(Loss(learner))

    def whole(self, state: T) -> T:
        """The same dicts and lists with whole tensors; all processes must ask together."""
        return tree_map_only(DTensor, DTensor.full_tensor, state) if self.sharded else state

    def fill(self, model: SequenceModel, learner: SequenceModel) -> None:
        """Gives the model what its copy has learned."""
        if learner is not model:
            model.load_state_dict(self.whole(learner.state_dict()))

    def load(self, learner: SequenceModel, optimizer: torch.optim.Optimizer, saved: dict) -> None:
        """The model and the optimizer of a checkpoint, which holds whole tensors."""
        weights = learner.state_dict()
        for name in ("model", "average", "best") if self.sharded else ():
            if saved[name]:
                saved[name] = {key: split(saved[name][key], like) for key, like in weights.items()}
        parameters = [one for group in optimizer.param_groups for one in group["params"]]
        for number, state in saved["optimizer"]["state"].items() if self.sharded else ():
            for name, value in state.items():
                if value.shape == parameters[number].shape:
                    state[name] = split(value, parameters[number])
        learner.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])

    def loss(
        self, model: SequenceModel, batch: Batch, config: TrainConfig, generator: torch.Generator
    ) -> tuple[Tensor, float]:
        """What this process differentiates, and the mean over the whole batch."""
        if self.module is None:
            loss = model.loss(batch, config, generator)
            return loss, loss.item()
        part, weight = part_of(batch, self.rank, self.size)
        loss = weight * self.module(part, config, generator)
        total = loss.detach().clone()
        dist.all_reduce(total)
        return loss, total.item() / self.size

    def evaluate(self, model: SequenceModel, split: Split, part: str, **options) -> Ranks:
        """`evaluate.evaluate`; each process takes every R-th user."""
        targets = getattr(split, part)
        if self.size == 1 or not len(targets):
            return evaluate(model, split, part, **options)
        users = np.unique(targets.user)
        shares = [users[rank :: self.size] for rank in range(self.size)]
        mine = shares[self.rank]
        found = evaluate(model, split, part, users=mine, **options) if len(mine) else None
        places = [np.flatnonzero(np.isin(targets.user, share)) for share in shares]
        return merged(self.gather(found), places)


ALONE = Group()


def split(whole: Tensor, like: Tensor) -> Tensor:
    """A tensor cut as another one is."""
    if not isinstance(like, DTensor):
        return whole
    return distribute_tensor(whole, like.device_mesh, like.placements)


def part_of(batch: Batch, rank: int, size: int) -> tuple[PartBatch, float]:
    """Every `size`-th row of a batch, from `rank` on, and R n_r / n, the weight of their mean. A
    process without a row reads the first one with weight 0, as all must take part in the average.
    """
    rows = torch.arange(len(batch.items))[rank::size]
    real = batch.targets > 0  # [B, L]
    place = real.flatten().cumsum(0).view_as(real) - 1
    weight = size * int(real[rows].sum()) / int(real.sum())
    rows = rows if len(rows) else torch.zeros(1, dtype=torch.int64)
    longest = int(batch.lengths[rows].max())
    parts = (getattr(batch, field.name)[rows] for field in fields(Batch))
    cut = (part[:, :longest] if part.dim() == 2 else part for part in parts)
    return PartBatch(*cut, batch.targets[real], place[rows][real[rows]]), weight


def merged(parts: list[Ranks | None], places: list[np.ndarray]) -> Ranks:
    """One `Ranks` of several; `places`: where the targets of each belong, int64 [N_r]."""
    pairs = [(part, at) for part, at in zip(parts, places, strict=True) if part is not None]

    def column(name: str, of: Callable[[Ranks], Ranks]) -> np.ndarray:
        whole = np.zeros(sum(map(len, places)), dtype=getattr(of(pairs[0][0]), name).dtype)
        for part, at in pairs:
            whole[at] = getattr(of(part), name)
        return whole

    names = ("user", "greater", "equal", "candidates")
    ranks = Ranks(*(column(name, lambda part: part) for name in names))
    if pairs[0][0].sampled is not None:
        beside = Ranks(*(column(name, lambda part: part.sampled) for name in names))
        ranks = replace(ranks, sampled=beside)
    return ranks


@contextmanager
def joined(
    device: str = "auto", sharded: bool = False, minutes: float = 30
) -> Iterator[tuple[Group, str]]:
    """Inside, the processes that torchrun has started are a group; also the device of this one: the
    CPU, by gloo, or its own CUDA device, by nccl.
    """
    if "TORCHELASTIC_RUN_ID" not in os.environ and "MASTER_ADDR" not in os.environ:
        raise TutorialError(
            "--distributed needs several processes: start them by torchrun --standalone"
            " --nproc-per-node 2 -m tutorial_lib.experiments train --distributed ..."
        )
    rank, size, local = (int(os.environ[name]) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"))
    on_cuda = device.startswith("cuda") or device == "auto" and torch.cuda.is_available()
    if on_cuda:
        if local >= torch.cuda.device_count():
            raise TutorialError(
                "process {local} of this machine has no CUDA device, there are {count}: start as"
                " many processes as devices, or give --device cpu",
                local=local,
                count=torch.cuda.device_count(),
            )
        torch.cuda.set_device(local)
    backend = "cpu:gloo,cuda:nccl" if on_cuda else "gloo"
    dist.init_process_group(backend, timeout=timedelta(minutes=minutes), **meeting(rank, size))
    try:
        yield Group(rank, size, sharded), f"cuda:{local}" if on_cuda else "cpu"
    except RuntimeError as error:
        if not lost_peer(error):
            raise
        raise TutorialError(
            "process {rank}: another process ended or can no longer be reached; the same command"
            " goes on after the last finished epoch",
            rank=rank,
        ) from error
    finally:
        dist.destroy_process_group()


def meeting(rank: int, size: int) -> dict[str, object]:
    """Where the processes of one machine find each other: after a restart at a place of its own, as
    torchrun keeps its store, in which the addresses of those that have ended still stand.
    """
    if os.environ.get("GROUP_WORLD_SIZE") != "1":
        return {}
    store, _, _ = next(dist.rendezvous("env://", rank, size))
    store = dist.PrefixStore(os.environ["TORCHELASTIC_RESTART_COUNT"], store)
    return {"store": store, "rank": rank, "world_size": size}


def lost_peer(error: RuntimeError) -> bool:
    """Is it torch's word for a process that is gone?"""
    words = ("gloo", "nccl", "connection closed", "connection reset", "timed out", "broken pipe")
    return isinstance(error, dist.DistError) or any(w in str(error).lower() for w in words)
