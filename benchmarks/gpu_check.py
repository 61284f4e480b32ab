"""All models once on a GPU: the same numbers as on the CPU, a step in bfloat16, and memory.

`python benchmarks/gpu_check.py` takes about two minutes on a GPU; `--device cpu` goes through the
same checks without one. The last line says how many models failed, and so does the exit status.
"""

import argparse
import sys
import time
from copy import deepcopy

import numpy as np
import pandas as pd
import torch

from tutorial_lib.data.events import make_dataset
from tutorial_lib.data.sequences import Batch, training_batches
from tutorial_lib.data.splits import Split, leave_last_out
from tutorial_lib.evaluate import evaluate, ndcg
from tutorial_lib.models import MODELS, SequenceModel, build_model, model_options
from tutorial_lib.train import TrainConfig, make_optimizer, train

CLOSE = 2e-3  # difference of scores, losses and gradients to the CPU's, relative to the largest
ROUNDED = 0.05  # difference of the loss in bfloat16, relative
SAME_RANKS = 0.95  # share of targets whose rank may not move by more than 1 % of the catalogue


def world(users: int, items: int) -> Split:
    """Histories of 20 to 60 events; popular items are popular."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(20, 61, users)
    item = np.floor(items * rng.random(lengths.sum()) ** 2).astype(np.int64)
    table = {
        "user": np.repeat(np.arange(users), lengths),
        "item": item,
        "timestamp": 1_600_000_000 + np.cumsum(rng.integers(1, 100_000, lengths.sum())),
    }
    return leave_last_out(make_dataset("synthetic", pd.DataFrame(table)))


def make(name: str, split: Split, max_len: int, dim: int) -> SequenceModel:
    """Without dropout, whose random numbers differ from device to device."""
    data, options = split.dataset, {}
    if "dropout" in model_options(name):
        options["dropout"] = 0.0
    sizes = {"num_items": data.num_items, "num_users": data.num_users, "max_len": max_len}
    model = build_model(name, **sizes, dim=dim, **options)
    if model.uses_time:
        model.fit_time(split)
    if model.uses_users:  # they start at zero, where nothing differs from user to user
        torch.nn.init.normal_(model.user_embedding.weight, std=0.02)
    if not model.trains_by_gradient:
        train(model, split, device="cpu", progress=False)
    return model


def scores_of(model: SequenceModel, batch: Batch) -> torch.Tensor:
    return model.score(model.states(batch))[..., 1:]


def loss_of(model: SequenceModel, batch: Batch, config: TrainConfig) -> torch.Tensor:
    return model.loss(batch, config, torch.Generator().manual_seed(0))


def in_bfloat16(model: SequenceModel, device: torch.device) -> SequenceModel:
    """A copy that calculates its states under autocast; the loss keeps all its digits."""
    copy = deepcopy(model)
    copy.zero_grad()
    forward = torch.autocast(device.type, torch.bfloat16)(copy.forward)
    copy.forward = lambda *events, **known: forward(*events, **known).float()
    return copy


def far(name: str, here: torch.Tensor, there: torch.Tensor) -> str | None:
    """What to say where two tensors differ by more than `CLOSE` of the largest entry."""
    here, there = here.detach().double(), there.detach().cpu().double()
    apart = ((here - there).abs().max() / here.abs().max().clamp(min=1e-12)).item()
    return None if apart <= CLOSE else f"{name} differs by {apart:.1e} of its largest"


def check(name: str, split: Split, device: torch.device, max_len: int, dim: int) -> list[str]:
    """All that is wrong with a model on the device, in words."""
    model = make(name, split, max_len, dim)
    batch = next(training_batches(split, max_len=max_len, batch_size=64, seed=0, epoch=1))
    there, moved = deepcopy(model).to(device), batch.to(device)
    with torch.no_grad():
        wrong = [far("the score", scores_of(model, batch), scores_of(there, moved))]
    for loss in ("ce", "bce") if model.trains_by_gradient else ():
        config = TrainConfig(loss=loss)
        model.zero_grad(), there.zero_grad()
        values = [loss_of(model.train(), batch, config), loss_of(there.train(), moved, config)]
        values[0].backward(), values[1].backward()
        wrong.append(far(f"the loss {loss}", *values))
        for label, parameter in model.named_parameters():
            if parameter.grad is not None:
                twin = there.get_parameter(label).grad
                wrong.append(far(f"the gradient of {label} under {loss}", parameter.grad, twin))
        rounded = in_bfloat16(there, device)
        optimizer = make_optimizer(rounded, config)
        value = loss_of(rounded, moved, config)
        value.backward()
        optimizer.step()
        apart = abs(value.item() / values[0].item() - 1)
        if not apart <= ROUNDED or not all(p.isfinite().all() for p in rounded.parameters()):
            wrong.append(f"{loss} in bfloat16 is off by {apart:.1e}, or a weight is not finite")
    ranks = [evaluate(one, split, "test", sampled=50) for one in (model, there)]
    moves = np.abs(ranks[0].rank - ranks[1].rank)
    if (moves <= 0.01 * split.dataset.num_items).mean() < SAME_RANKS:
        wrong.append(f"the ranks differ by up to {moves.max():.0f}")
    if abs(ndcg(ranks[0]).mean() - ndcg(ranks[1]).mean()) > 0.01:
        wrong.append("NDCG@10 differs")
    return [words for words in wrong if words]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda", help="cuda (default) or cpu")
    parser.add_argument("--models", nargs="*", default=list(MODELS), choices=list(MODELS))
    parser.add_argument("--users", type=int, default=300)
    parser.add_argument("--items", type=int, default=2000)
    parser.add_argument("--max-len", type=int, default=50)
    parser.add_argument("--dim", type=int, default=64)
    args = parser.parse_args(arguments)
    if args.device == "cuda" and not torch.cuda.is_available():
        print("There is no CUDA device here, so nothing was checked; --device cpu needs none.")
        return 0
    device, split, failed = torch.device(args.device), world(args.users, args.items), 0
    cuda = device.type == "cuda"
    print(torch.cuda.get_device_name(device) if cuda else "CPU", f"torch {torch.__version__}")
    for name in args.models:
        if cuda:
            torch.cuda.reset_peak_memory_stats(device)
        begin = time.perf_counter()
        try:
            wrong = check(name, split, device, args.max_len, args.dim)
        except Exception as error:  # the others are checked all the same
            wrong = [f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"]
        peak = f"{torch.cuda.max_memory_allocated(device) / 2**20:8.0f} MB" if cuda else ""
        failed += bool(wrong)
        seconds = time.perf_counter() - begin
        print(f"{name:14s} {'FAILED' if wrong else 'ok':6s} {seconds:6.1f} s {peak}", flush=True)
        for words in wrong:
            print(f"    {words}")
    print(f"{failed} of {len(args.models)} models failed on {device}")
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())
