"""What do time-aware attention and residual streams cost? Whole training steps against the slow and
obvious versions.
"""

import subprocess
import sys
from collections.abc import Callable

import torch

from benchmarks.bench import ITEMS, Row, compared, interleaved, resident
from benchmarks.textbook_streams import TextbookSASRecMHC, TextbookTiSASRec
from tutorial_lib.data.sequences import Batch
from tutorial_lib.losses import full_softmax
from tutorial_lib.models import build_model
from tutorial_lib.train import TrainConfig, make_optimizer

BUCKETS = 256


def full_windows(batch: int, length: int) -> Batch:
    """Every window full; gaps from seconds to days."""
    generator = torch.Generator().manual_seed(0)
    items = torch.randint(1, ITEMS + 1, (batch, length + 1), generator=generator)
    gaps = (
        86_400 ** torch.rand(batch, length + 1, generator=generator, dtype=torch.float64)
    ).long()
    times = 1_700_000_000 + gaps.cumsum(1)
    lengths = torch.full((batch,), length)
    return Batch(
        items[:, :-1], times[:, :-1], times[:, 1:], items[:, 1:], torch.arange(batch), lengths
    )


def step_of(model: torch.nn.Module, batch: Batch, loss: str) -> Callable[[], None]:
    model.train()
    config, generator = TrainConfig(loss=loss), torch.Generator().manual_seed(0)
    optimizer = make_optimizer(model, config)

    def step() -> None:
        optimizer.zero_grad()
        model.loss(batch, config, generator).backward()
        optimizer.step()

    return step


def tisasrec(which: str, length: int) -> torch.nn.Module:
    if which == "ours":
        return build_model("tisasrec", num_items=ITEMS, max_len=length, dim=50, buckets=BUCKETS)
    return TextbookTiSASRec(ITEMS, length, 50, buckets=BUCKETS)


def interval_step(batch: int, length: int, repeats: int, goal: str) -> Row:
    """TiSASRec, d = 50, 2 blocks, K = 256, dropout 0.2, BCE with 1 negative."""
    windows = full_windows(batch, length)
    ours, theirs = (
        step_of(tisasrec(which, length), windows, "bce") for which in ("ours", "textbook")
    )
    return compared(
        f"TiSASRec step, B={batch} L={length} K={BUCKETS}",
        *interleaved(ours, theirs, repeats),
        "s",
        goal,
    )


def print_peak(which: str, batch: int, length: int) -> None:
    # what is loaded at the first call does not count
    step_of(tisasrec(which, 4), full_windows(2, 4), "bce")()
    step, before = (
        step_of(tisasrec(which, length), full_windows(batch, length), "bce"),
        resident(peak=False),
    )
    step()
    print(resident(peak=True) - before)


def interval_peak(which: str, batch: int, length: int) -> float:
    command = [sys.executable, "-m", "benchmarks.bench_streams", which, str(batch), str(length)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def interval_memory(batch: int, length: int) -> Row:
    ours, theirs = (interval_peak(which, batch, length) for which in ("ours", "textbook"))
    return compared(
        f"peak memory, TiSASRec step, B={batch} L={length}", ours, theirs, "MB", "5 times less"
    )


def streams_step(loss: str, batch: int, length: int, repeats: int, goal: str) -> Row:
    """SASRec with 4 streams against plain SASRec, d = 64, 2 blocks: the ratio is plain / streams,
    so below 1.
    """
    windows = full_windows(batch, length)
    models = (
        build_model(name, num_items=ITEMS, max_len=length, dim=64)
        for name in ("sasrec_mhc", "sasrec")
    )
    ours, plain = interleaved(*(step_of(model, windows, loss) for model in models), repeats)
    name = f"mHC n=4 ({loss}) against plain SASRec, B={batch} L={length}"
    return compared(name, ours, plain, "s", goal)


def with_textbook_softmax(name: str, batch: Batch) -> Callable[[], None]:
    """A step whose loss builds the whole matrix of logits, as it was before lesson 07 made it
    cheap.
    """
    model = build_model(name, num_items=ITEMS, max_len=batch.items.shape[1], dim=64).train()
    optimizer = make_optimizer(model, TrainConfig())

    def step() -> None:
        optimizer.zero_grad()
        states = model(batch.items, batch.times, batch.query_times).flatten(0, 1)
        full_softmax.__wrapped__(
            states, model.item_embedding.weight, batch.targets.flatten()
        ).backward()
        optimizer.step()

    return step


def streams_step_textbook_softmax(batch: int, length: int, repeats: int, goal: str) -> Row:
    windows = full_windows(batch, length)
    ours, plain = interleaved(
        *(with_textbook_softmax(name, windows) for name in ("sasrec_mhc", "sasrec")), repeats
    )
    return compared(
        f"the same, both with the textbook softmax, B={batch} L={length}", ours, plain, "s", goal
    )


def naive_step(loss: str, batch: int, length: int, repeats: int) -> Row:
    """The same network with the formula as it stands and twenty unrolled iterations."""
    windows = full_windows(batch, length)
    models = (
        build_model("sasrec_mhc", num_items=ITEMS, max_len=length, dim=64),
        TextbookSASRecMHC(ITEMS, length, 64),
    )
    ours, theirs = interleaved(*(step_of(model, windows, loss) for model in models), repeats)
    return compared(
        f"mHC n=4 ({loss}) against unrolled Sinkhorn, B={batch} L={length}",
        ours,
        theirs,
        "s",
        "faster",
    )


def rows(repeats: int, part: int) -> list[Callable[[], Row]]:
    large, few = 128 // part, max(2, repeats // 3)
    return [
        lambda: interval_step(large, 50, few, "12 times as fast"),
        lambda: interval_step(max(2, 32 // part), 200, few, "35 times as fast"),
        lambda: interval_memory(max(2, 32 // part), 200),
        lambda: streams_step(
            "ce", large, 50, repeats, "ratio of at least 0.77 (1.3 times the cost)"
        ),
        lambda: streams_step_textbook_softmax(large, 50, repeats, "ratio of at least 0.77"),
        lambda: streams_step(
            "bce", large, 50, repeats, "ratio of at least 0.40 (2.5 times the cost)"
        ),
        lambda: naive_step("ce", large, 50, few),
        lambda: naive_step("bce", large, 50, few),
    ]


if __name__ == "__main__":
    print_peak(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
