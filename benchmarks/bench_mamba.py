"""How fast is SSD in chunks, how does it grow, and from which length on does it beat attention?
Forward and backward, no model.

Always 4 heads of 32, a state of 32 and chunks of 32. `rows` gives the measurements to the
benchmark; `python -m benchmarks --only mamba` makes only these. As there, goals are printed and never
asserted.
"""

import argparse
import math
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from tutorial_lib.models.mamba import ssd_chunked, ssd_matrix, ssd_recurrence

HEADS, WIDTH, STATE, CHUNK = 4, 32, 32, 32
Row = dict[str, object]


def operands(batch: int, length: int) -> list[Tensor]:
    """x, delta, A, B, C as a block would make them: steps around 0.1, A between -16 and -1."""
    generator = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    delta = F.softplus(normal(batch, length, HEADS) - 2)
    A = -(1 + 15 * torch.rand(HEADS, generator=generator))
    tensors = (
        normal(batch, length, HEADS, WIDTH),
        delta,
        A,
        normal(batch, length, STATE),
        normal(batch, length, STATE),
    )
    return [tensor.requires_grad_() for tensor in tensors]


def chunked(*inputs: Tensor) -> Tensor:
    return ssd_chunked(*inputs, chunk=CHUNK)


def attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    return F.scaled_dot_product_attention(query, key, value, is_causal=True)


def work(form: Callable[..., Tensor], batch: int, length: int) -> Callable[[], object]:
    """One forward and backward pass of `form`."""
    if form is attention:
        inputs = [torch.randn(batch, HEADS, length, WIDTH, requires_grad=True) for _ in range(3)]
    else:
        inputs = operands(batch, length)
    return lambda: torch.autograd.grad(form(*inputs).square().sum(), inputs)


def medians(calls: list[Callable[[], object]], repeats: int) -> list[float]:
    """Median seconds of each, measured in turns, so that a busy neighbour disturbs all alike."""
    seconds = [[] for _ in calls]
    for turn in range(repeats + 1):
        for call, taken in zip(calls, seconds, strict=True):
            begin = time.perf_counter()
            call()
            if turn:  # the first turn warms up
                taken.append(time.perf_counter() - begin)
    return [statistics.median(taken) for taken in seconds]


def against(form: Callable[..., Tensor], batch: int, length: int, repeats: int, goal: str) -> Row:
    ours, theirs = medians([work(chunked, batch, length), work(form, batch, length)], repeats)
    name = f"SSD in chunks / {form.__name__}, {batch} x {length:,} events"
    return {
        "name": name,
        "ours": ours,
        "textbook": theirs,
        "unit": "s",
        "ratio": theirs / ours,
        "goal": goal,
    }


def exponent(lengths: list[int], values: list[float]) -> float:
    """p of the power law value = c * length^p, by least squares on logarithms."""
    x, y = [math.log(length) for length in lengths], [math.log(value) for value in values]
    return statistics.linear_regression(x, y).slope


def growth(what: str, lengths: list[int], repeats: int) -> Row:
    """Time of 2 sequences: with more, the longest ones' tensors pass 32 MB, which the allocator
    fetches anew at each use.
    """
    if what == "time":
        values = medians([work(chunked, 2, length) for length in lengths], repeats)
    else:
        values = [peak(8, length) for length in lengths]
    name = f"SSD in chunks: {what} grows with L^p, L = {lengths[0]:,} to {lengths[-1]:,}"
    return {
        "name": name,
        "ours": exponent(lengths, values),
        "unit": "p",
        "goal": "at most 1.1",
        "values": values,
    }


def peak(batch: int, length: int) -> float:
    """Megabytes that one pass takes on top of its operands, in a process of its own."""
    command = [
        sys.executable,
        "-m",
        "benchmarks.bench_mamba",
        "--peak",
        str(batch),
        str(length),
        "--threads",
        str(torch.get_num_threads()),
    ]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def print_peak(batch: int, length: int) -> None:
    def resident(line: str) -> float:
        return int(Path("/proc/self/status").read_text().split(line)[1].split()[0]) / 1024

    work(chunked, 1, 130)()  # what is loaded at the first call does not count
    call, before = work(chunked, batch, length), resident("VmRSS:")
    call()
    print(resident("VmHWM:") - before)


def crossing(longest: int, repeats: int) -> Row:
    """The length at which both take as long, interpolated between powers of 2; `longest` if
    attention is still ahead there.
    """
    length, ratio, before = 32, 0.0, 0.0
    while length <= longest:
        ours, theirs = medians([work(chunked, 8, length), work(attention, 8, length)], repeats)
        before, ratio = ratio, math.log(theirs / ours)
        if ratio >= 0:
            break
        length *= 2
    # of the last doubling, that SSD was ahead already
    share = ratio / (ratio - before) if ratio > 0 > before else 0.0
    name = "SSD in chunks is cheaper than attention from a length of"
    return {
        "name": name,
        "ours": min(longest, length * 2**-share),
        "unit": "events",
        "goal": "no goal",
    }


def rows(repeats: int, part: int) -> list[Callable[[], Row]]:
    """Measurements, still to be made. part > 1: shorter sequences and no memory, to see that all
    runs.
    """
    few, lengths = max(2, repeats // 3), [256, 512, 1024, 2048, 4096, 8192]
    timed = [
        lambda: against(ssd_recurrence, 8, 1024 // part, few, "10 times as fast"),
        lambda: against(ssd_matrix, 8, 1024 // part, few, "10 times as fast"),
        lambda: against(ssd_recurrence, 1, 8192 // part, few, "40 times as fast"),
        lambda: growth("time", [length // part for length in lengths], few),
        lambda: crossing(8192 // part, few),
    ]
    return (
        timed
        if part > 1 or not Path("/proc/self/status").exists()
        else [*timed, lambda: growth("memory", lengths, few)]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2, help="threads of torch (default: 2)")
    parser.add_argument(
        "--repeats", type=int, default=11, help="measurements, of which the median counts"
    )
    parser.add_argument("--peak", type=int, nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    if args.peak:
        print_peak(*args.peak)
        return
    for measure in rows(args.repeats, 1):
        row = measure()
        print(
            " | ".join(
                f"{value:.3g}" if isinstance(value, float) else str(value) for value in row.values()
            ),
            flush=True,
        )


if __name__ == "__main__":
    main()
