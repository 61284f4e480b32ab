"""What all benches share, and the rows of SASRec, the losses, ranking and batching. Ours against the textbook versions in benchmarks/textbook.py, both measured in
the same run, turn by turn.

Goals are printed beside the measurements and never asserted: another machine, or a busy one, gives
other numbers.
"""

import contextlib
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from benchmarks.textbook import TextbookSASRec, textbook_batches, textbook_bce
from tutorial_lib.data.events import make_dataset
from tutorial_lib.data.sequences import Batch, training_batches
from tutorial_lib.data.splits import Split, leave_last_out
from tutorial_lib.evaluate import evaluate
from tutorial_lib.losses import full_softmax
from tutorial_lib.models import SequenceModel, build_model
from tutorial_lib.train import TrainConfig, make_optimizer

ITEMS = 3416  # as many as in MovieLens 1M, like the 6,040 users below
Row = dict[str, object]


def interleaved(
    ours: Callable[[], object], theirs: Callable[[], object], repeats: int
) -> tuple[float, float]:
    """Median seconds of both, measured ours / theirs / ours / theirs ..., so that a busy neighbour
    disturbs both alike.
    """
    ours(), theirs()  # warm up
    seconds = ([], [])
    for _ in range(repeats):
        for call, taken in zip((ours, theirs), seconds, strict=True):
            begin = time.perf_counter()
            call()
            taken.append(time.perf_counter() - begin)
    return statistics.median(seconds[0]), statistics.median(seconds[1])


def compared(name: str, ours: float, theirs: float, unit: str, goal: str) -> Row:
    return {
        "name": name,
        "ours": ours,
        "textbook": theirs,
        "unit": unit,
        "ratio": theirs / ours,
        "goal": goal,
    }


def training_step(batch: int, length: int, repeats: int) -> Row:
    """SASRec, d = 50, 2 blocks, dropout 0.2, BCE with 1 negative, every window full."""
    generator = torch.Generator().manual_seed(0)
    items = torch.randint(1, ITEMS + 1, (batch, length + 1), generator=generator)
    inputs, targets, times = items[:, :-1], items[:, 1:], torch.arange(length).repeat(batch, 1)
    full = Batch(
        inputs, times, times + 1, targets, torch.arange(batch), torch.full((batch,), length)
    )
    config = TrainConfig(loss="bce")
    ours = build_model(
        "sasrec", num_items=ITEMS, max_len=length, dim=50, blocks=2, dropout=0.2
    ).train()
    theirs = TextbookSASRec(ITEMS, length, 50, blocks=2, dropout=0.2).train()
    our_optimizer = make_optimizer(ours, config)
    their_optimizer = torch.optim.Adam(theirs.parameters(), lr=1e-3, betas=(0.9, 0.98))

    def our_step() -> None:
        our_optimizer.zero_grad()
        ours.loss(full, config, generator).backward()
        our_optimizer.step()

    def their_step() -> None:
        their_optimizer.zero_grad()
        negatives = torch.randint(1, ITEMS + 1, targets.shape, generator=generator)
        textbook_bce(theirs, theirs(inputs), targets, negatives).backward()
        their_optimizer.step()

    name = f"training step, {batch} windows of {length} events"
    return compared(name, *interleaved(our_step, their_step, repeats), "s", "1.8 times as fast")


def softmax_operands(rows: int, items: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    states = torch.randn(rows, 64, generator=generator).requires_grad_()
    weight = (0.02 * torch.randn(items + 1, 64, generator=generator)).requires_grad_()
    return states, weight, torch.randint(1, items + 1, (rows,), generator=generator)


def softmax_time(rows: int, repeats: int) -> Row:
    operands = softmax_operands(rows, ITEMS)
    ours, theirs = (
        lambda f=f: f(*operands).backward() for f in (full_softmax, full_softmax.__wrapped__)
    )
    name = f"full softmax, {rows:,} positions x {ITEMS:,} items"
    return compared(name, *interleaved(ours, theirs, repeats), "s", "faster")


def resident(peak: bool) -> float:
    """Megabytes of memory that this process holds now, or held at most."""
    status = Path("/proc/self/status")
    if status.exists():  # Linux; its getrusage counts what the parent process held, too
        line = next(
            line
            for line in status.read_text().splitlines()
            if line.startswith("VmHWM" if peak else "VmRSS")
        )
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # bytes on macOS


def peak_of(which: str, rows: int, items: int) -> float:
    """Megabytes on top of the operands that one forward and backward pass of a softmax takes, or on
    top of model and data a ranking; measured in a process of its own.
    """
    command = [
        sys.executable,
        "-m",
        "benchmarks",
        "--peak-of",
        which,
        "--rows",
        str(rows),
        "--items",
        str(items),
    ]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def print_peak(which: str, rows: int, items: int) -> None:
    if which == "ranking":
        model, split, chosen = catalogue(items, rows)
        with contextlib.suppress(OSError):  # Linux: forget the peak of making the data
            Path("/proc/self/clear_refs").write_text("5")
        before = resident(peak=False)
        evaluate(model, split, "test", max_len=1, users=chosen, sampled=100)
        print(resident(peak=True) - before)
        return
    operands = softmax_operands(rows, items)
    loss = {"ours": full_softmax, "textbook": full_softmax.__wrapped__}[which]
    small = softmax_operands(64, 64)
    loss(*small).backward()  # what is loaded at the first call does not count
    before = resident(peak=False)
    loss(*operands).backward()
    print(resident(peak=True) - before)


def softmax_memory(rows: int) -> Row:
    ours, theirs = (peak_of(which, rows, ITEMS) for which in ("ours", "textbook"))
    return compared(
        f"peak memory, {rows:,} positions x {ITEMS:,} items", ours, theirs, "MB", "less"
    )


def large_catalogue(rows: int, items: int = 100_000) -> Row:
    """The textbook side is computed, not measured: one matrix of logits, of which it holds several."""
    whole = rows * (items + 1) * 4 / 2**20
    name = f"peak memory, {rows:,} positions x {items:,} items"
    return compared(
        name,
        peak_of("ours", rows, items),
        whole,
        "MB",
        "less (textbook: one matrix, computed)",
    )


def synthetic(users: int) -> Split:
    """Histories as long as in MovieLens 1M: 20 events at least, 165 on average, some over 1,000;
    popular items as popular.
    """
    rng = np.random.default_rng(0)
    lengths = np.clip(20 + np.exp(rng.normal(4.25, 1.15, users)), 20, 2300).astype(np.int64)
    item = 1 + np.floor(ITEMS * rng.random(lengths.sum()) ** 2.5).astype(np.int64)
    time = 978_000_000 + np.arange(lengths.sum())
    events = pd.DataFrame(
        {"user": np.repeat(np.arange(users), lengths), "item": item, "timestamp": time}
    )
    return leave_last_out(make_dataset("synthetic", events))


def full_ranking(split: Split, repeats: int) -> Row:
    model = build_model("sasrec", num_items=split.dataset.num_items, max_len=200, dim=64)
    seconds = []
    for _ in range(repeats):
        begin = time.perf_counter()
        evaluate(model, split, "test")
        seconds.append(time.perf_counter() - begin)
    name = f"full ranking, {len(split.test):,} users x {split.dataset.num_items:,} items"
    return {"name": name, "ours": statistics.median(seconds), "unit": "s", "goal": "under 10 s"}


class LastItem(SequenceModel):
    """The state is the vector of the last item: a ranking costs nothing but the ranking."""

    def forward(self, items, times=None, query_times=None):
        return self.item_embedding(items)


def catalogue(items: int, users: int) -> tuple[SequenceModel, Split, np.ndarray]:
    """`users` to evaluate, with histories as in `synthetic`; a hundred others know all the items."""
    rng = np.random.default_rng(0)
    lengths = np.clip(20 + np.exp(rng.normal(4.25, 1.15, users)), 20, 2300).astype(np.int64)
    item = np.floor(items * rng.random(lengths.sum()) ** 2.5).astype(np.int64)
    others = np.tile(rng.permutation(items), 2)
    owner = users + np.arange(len(others)) * 100 // len(others)
    table = {
        "user": np.append(np.repeat(np.arange(users), lengths), owner),
        "item": np.append(item, others),
        "timestamp": 978_000_000 + np.arange(len(item) + len(others)),
    }
    events = pd.DataFrame(table)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = LastItem(items, 200, 64)
    return model, leave_last_out(make_dataset("catalogue", events)), np.arange(users)


def product_and_count(model: SequenceModel, split: Split, users: np.ndarray) -> torch.Tensor:
    """The least that a full ranking must do, in pieces of 1,000 users and 1,024 items."""
    table = model.item_embedding.weight.detach()
    last = split.dataset.events["item"].to_numpy()[split.test.row[users]]
    counts = []
    for states in table[last].split(1000):
        own = (states * states).sum(1, keepdim=True)
        pieces = table.split(1024)
        counts.append(sum((states @ piece.T > own).sum(1) for piece in pieces))
    return torch.cat(counts)


def ranking(items: int, users: int, repeats: int, sampled: int = 0) -> Row:
    model, split, chosen = catalogue(items, users)
    name = f"{'among 100 and ' if sampled else ''}full ranking, {users:,} users x {items:,} items"
    return compared(
        name,
        *interleaved(
            lambda: evaluate(model, split, "test", max_len=1, users=chosen, sampled=sampled),
            lambda: product_and_count(model, split, chosen),
            repeats,
        ),
        "s",
        "0.3 of the product alone" if sampled else "0.7 of the product and the count alone",
    )


def ranking_memory(items: int, users: int) -> Row:
    name = f"peak memory, among 100 and full, {users:,} users x {items:,} items"
    return {
        "name": name,
        "ours": peak_of("ranking", users, items),
        "unit": "MB",
        "goal": "under 600 MB above the model",
    }


def batching(split: Split, repeats: int) -> Row:
    histories = [group.tolist() for _, group in split.train.groupby("user")["item"]]

    def ours() -> int:
        return sum(
            len(batch.items)
            for batch in training_batches(split, max_len=200, batch_size=128, seed=0, epoch=1)
        )

    def theirs() -> int:
        return sum(len(inputs) for inputs, _ in textbook_batches(histories, 200, 128, 0))

    assert ours() == theirs()
    name = f"batches of an epoch, {len(histories):,} users"
    return compared(name, *interleaved(ours, theirs, repeats), "s", "faster")


def shown(row: Row) -> str:
    unit, theirs = row["unit"], row.get("textbook")
    number = "{:10.0f} {}" if unit == "MB" or (unit != "s" and row["ours"] > 10) else "{:10.3f} {}"
    other = number.format(theirs, unit) if theirs is not None else ""
    ratio = f"{row['ratio']:7.2f}" if "ratio" in row else ""
    return (
        f"{row['name']:56s}{number.format(row['ours'], unit):>14s}{other:>14s}{ratio:>9s}  "
        f" {row['goal']}"
    )


def rows(repeats: int, part: int) -> list[Callable[[], Row]]:
    """SASRec, the losses, ranking and batching."""
    split = synthetic(6040 // part)
    speed = [
        lambda: training_step(128 // part, 200, repeats),
        lambda: softmax_time(25_600 // part, max(2, repeats // 3)),
        lambda: full_ranking(split, max(1, repeats // 4)),
        lambda: batching(split, max(2, repeats // 4)),
    ]
    return (
        speed
        if part > 1
        else [*speed, lambda: softmax_memory(25_600), lambda: large_catalogue(2_000)]
    )


def rankings(repeats: int, part: int) -> list[Callable[[], Row]]:
    """A catalogue of shop size and a very large one."""
    sizes, few = [(60_000 // part, 1000 // part), (1_000_000 // part, 100 // part)], repeats // 4
    speed = [lambda s=s, n=n: ranking(*s, max(1, few), sampled=n) for s in sizes for n in (0, 100)]
    return speed if part > 1 else [*speed, *(lambda s=s: ranking_memory(*s) for s in sizes)]
