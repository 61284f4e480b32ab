"""What does DeepM3 cost? Training and serving against the published scheme, written out here, and
adjoint against memory.

The published scheme trains one target a window and runs the whole window again at every event.
Widths, field, solvers and loss are the same on both sides (L = 20, d = 128, BPR with one negative),
so the ratio is what the scheme alone costs.
"""

import subprocess
import sys
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.bench import ITEMS, Row, compared, interleaved, resident
from tutorial_lib.data.sequences import Batch
from tutorial_lib.models import build_model
from tutorial_lib.models.ode import integrate_adaptive
from tutorial_lib.train import TrainConfig, make_optimizer

LENGTH, DIM, BATCH = 20, 128, 64


class PublishedDeepM3(nn.Module):
    """One Euler or RK4 step a gap, the field told the clock and the gap; pads masked; the last
    state is the answer.
    """

    def __init__(self, solver: str):
        super().__init__()
        self.solver = solver
        self.items = nn.Embedding(ITEMS + 1, DIM)
        self.time = nn.Linear(2, DIM)
        self.inner, self.outer = nn.Linear(2 * DIM, 2 * DIM), nn.Linear(2 * DIM, DIM)
        self.cell = nn.GRUCell(DIM, DIM)

    def field(self, t: Tensor, z: Tensor, gap: Tensor) -> Tensor:
        told = F.silu(self.time(torch.stack([t, gap], dim=-1)))
        return torch.tanh(self.outer(torch.tanh(self.inner(torch.cat([z, told], dim=-1)))))

    def step(self, t: Tensor, z: Tensor, gap: Tensor) -> Tensor:
        h = gap[:, None]
        k1 = self.field(t, z, gap)
        if self.solver == "euler":
            return z + h * k1
        k2 = self.field(t + gap / 2, z + h / 2 * k1, gap)
        k3 = self.field(t + gap / 2, z + h / 2 * k2, gap)
        k4 = self.field(t + gap, z + h * k3, gap)
        return z + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)

    def forward(self, items: Tensor, times: Tensor) -> Tensor:
        """items int64 [B, L], times [B, L] in cumulative log hours -> [B, d]."""
        x, z = self.items(items), torch.zeros(len(items), DIM)
        for i in range(items.shape[1]):
            real = (items[:, i] > 0)[:, None]
            if i:
                gap = (times[:, i] - times[:, i - 1]).clamp(min=1e-6)
                z = torch.where(real, self.step(times[:, i - 1], z, gap), z)
            z = torch.where(real, self.cell(x[:, i], z), z)
        return z


def windows(batch: int) -> tuple[Batch, Tensor]:
    """Full windows of LENGTH events, minutes to days apart, and the clock in cumulative log hours."""
    generator = torch.Generator().manual_seed(0)
    items = torch.randint(1, ITEMS + 1, (batch, LENGTH + 1), generator=generator)
    gaps = (60 * 10 ** (3.5 * torch.rand(batch, LENGTH + 1, generator=generator))).long()
    times = 1_700_000_000 + gaps.cumsum(1)
    clock = torch.log1p(gaps[:, :LENGTH] / 3600).cumsum(1)
    lengths = torch.full((batch,), LENGTH)
    return (
        Batch(
            items[:, :-1], times[:, :-1], times[:, 1:], items[:, 1:], torch.arange(batch), lengths
        ),
        clock,
    )


def training(solver: str, flow: str, repeats: int, batch: int) -> Row:
    full, clock = windows(batch)
    generator, config = torch.Generator().manual_seed(0), TrainConfig(loss="bpr")
    ours = build_model(
        "deepm3", num_items=ITEMS, max_len=LENGTH, dim=DIM, flow=flow, solver=solver
    ).train()
    theirs = PublishedDeepM3(solver).train()
    our_optimizer = make_optimizer(ours, config)
    their_optimizer = torch.optim.Adam(theirs.parameters(), lr=1e-3, weight_decay=1e-5)

    def our_step() -> None:
        our_optimizer.zero_grad()
        ours.loss(full, config, generator).backward()
        our_optimizer.step()

    def their_step() -> None:
        their_optimizer.zero_grad()
        states = theirs(full.items, clock)
        pair = torch.stack(
            [full.targets[:, -1], torch.randint(1, ITEMS + 1, (batch,), generator=generator)], dim=1
        )
        scores = (theirs.items(pair) @ states[:, :, None])[..., 0]
        (-F.logsigmoid(scores[:, 0] - scores[:, 1]).mean()).backward()
        nn.utils.clip_grad_norm_(theirs.parameters(), 1.0)
        their_optimizer.step()

    seconds, published = interleaved(our_step, their_step, repeats)
    name = f"time a trained target, {flow}, {solver}"
    return compared(
        name, 1e6 * seconds / (batch * LENGTH), 1e6 * published / batch, "us", "15 times as fast"
    )


def serving(solver: str, flow: str, repeats: int) -> Row:
    """LENGTH more events of one user, and a state to score after each: steps of a stream against
    the window run again.
    """
    full, clock = windows(1)
    ours = build_model(
        "deepm3", num_items=ITEMS, max_len=LENGTH, dim=DIM, flow=flow, solver=solver
    ).eval()
    theirs = PublishedDeepM3(solver).eval()
    events = list(zip(full.items.unbind(1), full.times.unbind(1), strict=True))

    def stream() -> None:
        state = None
        for item, time in events:
            state = ours.step(state, item, time)
            ours.read(state)

    def again() -> None:
        for _ in events:
            theirs(full.items, clock)

    with torch.inference_mode():
        seconds = interleaved(stream, again, repeats)
    return compared(
        f"one more event, {flow}, {solver}",
        *(1e6 * s / LENGTH for s in seconds),
        "us",
        "12 times as fast",
    )


class StiffField(nn.Module):
    """A turning field that makes the adaptive solver take many steps."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.inner, self.outer = nn.Linear(DIM, 2 * DIM), nn.Linear(2 * DIM, DIM)

    def forward(self, t: Tensor, z: Tensor) -> Tensor:
        return 4 * self.outer(torch.tanh(4 * self.inner(z)))


def gradient(adjoint: bool, rows: int) -> None:
    state = torch.randn(rows, DIM, generator=torch.Generator().manual_seed(0))
    integrate_adaptive(
        StiffField(), state, torch.full((rows,), 3.0), rtol=1e-4, atol=1e-5, adjoint=adjoint
    ).sum().backward()


def print_peak(which: str, rows: int) -> None:
    gradient(which == "adjoint", 1)  # what is loaded at the first call does not count
    before = resident(peak=False)
    gradient(which == "adjoint", rows)
    print(resident(peak=True) - before)


def adjoint_memory(rows: int) -> Row:
    def peak(which: str) -> float:
        command = [sys.executable, "-m", "benchmarks.bench_deepm3", which, str(rows)]
        return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    return compared(
        f"peak memory, adjoint / backprop, {rows} rows",
        peak("adjoint"),
        peak("backprop"),
        "MB",
        "less",
    )


def adjoint_time(rows: int, repeats: int) -> Row:
    seconds = interleaved(lambda: gradient(True, rows), lambda: gradient(False, rows), repeats)
    return compared(
        f"time, adjoint / backprop, {rows} rows", *seconds, "s", "none: the price of the memory"
    )


def rows(repeats: int, part: int) -> list[Callable[[], Row]]:
    """The measurements; `part` divides the sizes, and a divided run measures no memory."""
    pairs = (
        ("rk4", "published"),
        ("euler", "published"),
        ("rk4", "autonomous"),
        ("euler", "autonomous"),
        ("rk4", "attractor"),
    )
    speed = [lambda pair=pair: training(*pair, repeats, max(8, BATCH // part)) for pair in pairs]
    speed += [lambda pair=pair: serving(*pair, repeats) for pair in pairs]
    speed.append(lambda: adjoint_time(max(32, 256 // part), max(2, repeats // 4)))
    return speed if part > 1 else [*speed, lambda: adjoint_memory(512)]


if __name__ == "__main__":
    print_peak(sys.argv[1], int(sys.argv[2]))
