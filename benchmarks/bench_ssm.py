"""S5 with irregular steps: memory against the form that builds B_bar [B, L, P, H], time against one
event after another.
"""

import subprocess
import sys
from collections.abc import Callable

import torch
from torch import Tensor

from benchmarks.bench import Row, compared, interleaved, resident
from tutorial_lib.models.ssm import S5, recurrence, scan

BATCH, LENGTH, DIM, STATE = 128, 200, 64, 32


def textbook_s5(layer: S5, u: Tensor, steps: Tensor) -> Tensor:
    """The same output the way the published port goes about it: a matrix B_bar [P, H] for every
    event of every sequence.
    """
    z = layer.eigenvalues() * layer.log_step.exp() * steps[..., None]  # [B, L, P]
    B = torch.view_as_complex(layer.B.transpose(1, 2).contiguous())
    B_bar = (torch.expm1(z) / layer.eigenvalues())[..., None] * B  # [B, L, P, H]
    inputs = (B_bar @ u[..., None].to(B_bar.dtype))[..., 0]
    return layer.read_out(scan(z.exp(), inputs), u)


def operands(batch: int) -> tuple[S5, Tensor, Tensor]:
    torch.manual_seed(0)
    return (
        S5(DIM, state=STATE),
        torch.randn(batch, LENGTH, DIM, requires_grad=True),
        1 + 5 * torch.rand(batch, LENGTH),
    )


FORMS: dict[str, Callable[[S5, Tensor, Tensor], Tensor]] = {
    "ours": S5.forward,
    "textbook": textbook_s5,
}


def print_peak(which: str, batch: int) -> None:
    FORMS[which](*operands(1)).sum().backward()  # what is loaded at the first call does not count
    inputs = operands(batch)
    before = resident(peak=False)
    FORMS[which](*inputs).sum().backward()
    print(resident(peak=True) - before)


def s5_peak(which: str, batch: int) -> float:
    """Megabytes on top of the operands that one forward and backward pass takes, measured in a
    process of its own.
    """
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.bench_ssm", which, str(batch)],
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout)


def s5_memory(batch: int) -> Row:
    ours, theirs = (s5_peak(which, batch) for which in FORMS)
    return compared(
        f"peak memory, S5 step, B={batch} L={LENGTH} H={DIM} P={STATE}",
        ours,
        theirs,
        "MB",
        "10 times less",
    )


def s5_time(batch: int, repeats: int) -> Row:
    """A training step of the layer; the textbook side is the materialised form."""
    inputs = operands(batch)
    ours, theirs = (lambda form=form: form(*inputs).sum().backward() for form in FORMS.values())
    return compared(
        f"S5 step, B={batch} L={LENGTH}", *interleaved(ours, theirs, repeats), "s", "faster"
    )


def scan_time(batch: int, length: int, repeats: int) -> Row:
    """Forward and backward of the recurrence alone; the textbook side is a loop over the events
    under autograd.
    """
    generator = torch.Generator().manual_seed(0)
    shape = (batch, length, STATE)
    decay = torch.polar(
        torch.rand(shape, generator=generator), torch.randn(shape, generator=generator)
    ).requires_grad_()
    inputs = torch.randn(shape, dtype=torch.complex64, generator=generator).requires_grad_()
    grad = torch.ones(shape, dtype=torch.complex64)
    ours, theirs = (
        lambda view=view: view(decay, inputs).backward(grad) for view in (scan, recurrence)
    )
    name = f"scan against loop, B={batch} L={length:,} P={STATE}"
    return compared(name, *interleaved(ours, theirs, repeats), "s", "10 times as fast")


def rows(repeats: int, part: int) -> list[Callable[[], Row]]:
    """What to measure, `part` times smaller; the quick run (part > 1) leaves memory out."""
    speed = [
        lambda: s5_time(max(1, 32 // part), max(2, repeats // 3)),
        lambda: scan_time(BATCH // part, LENGTH, max(2, repeats // 3)),
        lambda: scan_time(1, 8192 // part, max(2, repeats // 3)),
    ]
    return speed if part > 1 else [*speed, lambda: s5_memory(BATCH)]


if __name__ == "__main__":
    print_peak(sys.argv[1], int(sys.argv[2]))
