"""What a training step costs, from the sizes alone; and how long it then takes on a machine.

    letter     meaning
    B, L, N    windows, their length, positions N = B L
    d, V, C    width, items, candidates of the loss: negatives, or V for the full softmax
    b, h, K    blocks, hidden width of SASRec's feed-forward, buckets of TiSASRec that occur
    S, H, Q    state, heads and chunk of SSD, whose blocks are 2 d wide
    P          parameters beside the item table

A step is forward, backward and Adam. Each product of matrices [m, k] [k, n] takes 2 m k n flops,
and its gradient twice that. `fused` are the flops of attention that never writes its pairs down,
which run at a rate of their own. `moved` counts the numbers that all other operations read and
write, `calls` how many of these there are, `kept` the numbers that wait for the backward pass. Two
things take longer than their memory: `drawn`, random words of 64 bits (dropout); `looked`, pairs
of events for which attention takes an exponential, looks up a bucket, or adds to one. The
formulas of the products follow from the models; the whole numbers in the other formulas are
counted, by looking at every operation of a step (`benchmarks/cost_model.py`), and tests hold both
against the models. Then

    seconds = flops / rate of products + fused / rate of attention + 4 moved / rate of memory
              + calls * seconds of a call + drawn * of a random word + looked * of a lookup

with six numbers measured on the machine. Taught in lesson 24.
"""

import itertools
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F


@dataclass(frozen=True)
class Sizes:
    """Of a model and a step; see above. `candidates` None: the full softmax. `rows`: the item table
    is updated by the rows that a step reads (`TrainConfig.sparse_table`).
    """

    batch: int
    length: int
    dim: int
    items: int
    candidates: int | None = 512
    rows: bool = False
    blocks: int = 2
    hidden: int | None = None  # as wide as d
    buckets: int = 65
    state: int = 32
    heads: int = 4
    chunk: int = 64

    @property
    def positions(self) -> int:
        return self.batch * self.length


@dataclass(frozen=True)
class Work:
    """Of one step. `small`: rows of the matrices in most products, for machines that are slower at
    few; None: all positions at once.
    """

    flops: float
    moved: float
    calls: float
    kept: float
    parameters: float  # the item table included
    table: float
    drawn: float = 0.0
    looked: float = 0.0
    fused: float = 0.0
    small: int | None = None

    @property
    def memory(self) -> float:
        """Bytes: weights, gradients, two moments, and what is kept for the backward pass."""
        return 4 * (4 * self.parameters + self.kept)

    def communication(self, processes: int, touched: int | None = None, dim: int = 0) -> float:
        """Bytes that each process sends in a step. The ring all-reduce of all gradients: 2 (R - 1)
        / R times their size (Patarasuk and Yuan 2009). With `touched` rows of the table alone: each
        process gathers those of all others, 2 more numbers a row for its place (int64).
        """
        share = 2 * (processes - 1) / processes
        if touched is None:
            return 4 * share * self.parameters
        rows = (processes - 1) * touched * (dim + 2)
        return 4 * (share * (self.parameters - self.table) + rows)


def around(s: Sizes, other: float) -> tuple[float, float, float, float]:
    """Flops, numbers moved, calls and numbers kept of what all models share: loss, table and Adam.
    `other`: parameters beside the table.
    """
    n, d, v = s.positions, s.dim, s.items
    c = v if s.candidates is None else s.candidates
    touched = min(v, 2 * n + c)
    table = 90 * touched * d if s.rows else 31.3 * v * d
    return 6 * n * c * d, 15.6 * n * c + table + 19 * other, 91, 1.3 * n * c


def sasrec(s: Sizes) -> Work:
    """Per block: query, key, value and output 4 d^2, feed-forward 2 d h weights, each met by every
    position; attention, half of its L^2 pairs forward and with one recomputation backward: 7 N L d.
    """
    n, length, d, b, h = s.positions, s.length, s.dim, s.blocks, s.hidden or s.dim
    other = b * (4 * d * d + 2 * d * h + 9 * d + h) + length * d + 2 * d
    flops, moved, calls, kept = around(s, other)
    flops += b * 6 * n * (4 * d * d + 2 * d * h)
    fused = b * 7 * n * length * d
    moved += (55 + 93 * b) * n * d
    kept += (5 + 13 * b) * n * d
    weights = other + s.items * d, s.items * d
    return Work(
        flops, moved, calls + 134 * b, kept, *weights, drawn=(1 + 3 * b) * n * d / 4, fused=fused
    )


def tisasrec(s: Sizes) -> Work:
    """SASRec with all L^2 pairs, and per block products with two tables of K buckets: 12 N d (L +
    K). The pairs [B, L, L] are materialised: 32 times a block, 27 times when gaps become buckets.
    """
    n, length, d, b, h = s.positions, s.length, s.dim, s.blocks, s.hidden or s.dim
    other = b * (4 * d * d + 2 * d * h + 9 * d + h) + 2 * (length + s.buckets) * d + 2 * d
    flops, moved, calls, kept = around(s, other)
    flops += b * (6 * n * (4 * d * d + 2 * d * h) + 12 * n * d * (length + s.buckets))
    moved += (55 + 93 * b) * n * d + (27 + 32 * b) * n * length + 10 * b * n * s.buckets
    kept += (5 + 15.6 * b) * n * d + 2.1 * b * n * length + 3 * n * s.buckets
    drawn = ((1 + 3 * b) * n + 2 * (length + s.buckets)) * d / 4
    looked = (1 + 5 * b) * n * length
    weights = other + s.items * d, s.items * d
    return Work(flops, moved, calls + 63 + 159 * b, kept, *weights, drawn, looked)


def ssd(s: Sizes) -> Work:
    """Mamba4Rec with SSD blocks, D = 2 d. Per block: projections d (2 D + 2 S + H) and D d, a
    feed-forward of 8 d^2; inside chunks of Q events N Q (S + D), between them 2 N S D.
    """
    n, d, b, inner = s.positions, s.dim, s.blocks, 2 * s.dim
    chunks = -(-s.length // s.chunk)
    q, several = -(-s.length // chunks), chunks > 1
    wide = 2 * inner + 2 * s.state + s.heads
    other = b * (d * wide + inner * d + 8 * d * d + 5 * (inner + 2 * s.state) + 11 * d) + 2 * d
    flops, moved, calls, kept = around(s, other)
    weights = d * wide + inner * d + 8 * d * d
    inside = q * (s.state + inner) + (2 * s.state * inner if several else 0)
    flops += b * 6 * n * (weights + inside)
    moved += (37 + (443 + 88 * several) * b) * n * d
    moved += b * n * (34.5 * q * s.heads + 164 * s.state)
    kept += (5 + (40.2 + 8.3 * several) * b) * n * d + b * n * (2.1 * q * s.heads + 11 * s.state)
    calls += (286 + 41 * several) * b - 19
    drawn = (1 + 6 * b) * n * d / 4
    return Work(flops, moved, calls, kept, other + s.items * d, s.items * d, drawn)


def deepm3(s: Sizes) -> Work:
    """One step of Runge-Kutta 4 and one GRU update after another, L of them, on B rows: per event 4
    x 4 d^2 for the field, 3 d^2 for the input, 3 d^2 for the state, d^2 at the end. Weights collect
    their gradient L times: 5.2 L P.
    """
    n, length, d = s.positions, s.length, s.dim
    other = 11 * d * d + 10 * d
    flops, moved, calls, kept = around(s, other)
    flops += 6 * d * d * (7 * n + 16 * (n - s.batch))
    moved += 284 * n * d + 5.2 * length * other
    calls += 97 * length - 13
    weights = other + s.items * d, s.items * d
    return Work(flops, moved, calls, kept + 30 * n * d, *weights, n * d / 2, small=s.batch)


MODELS: dict[str, Callable[[Sizes], Work]] = {
    "sasrec": sasrec,
    "tisasrec": tisasrec,
    "ssd": ssd,
    "deepm3": deepm3,
}


@dataclass(frozen=True)
class Machine:
    """Flops a second of float32 matrix products, bytes a second of plain operations on tensors,
    seconds that a call takes whatever it does, a random word and a lookup, and flops a second of
    fused attention.
    """

    products: float
    memory: float
    call: float = 0.0
    draw: float = 0.0
    lookup: float = 0.0
    attention: float = math.inf

    def seconds(self, work: Work) -> float:
        """Of a training step."""
        plain = work.flops / self.products + 4 * work.moved / self.memory + work.calls * self.call
        slow = work.drawn * self.draw + work.looked * self.lookup
        return plain + slow + work.fused / self.attention


SMALL_CALLS = 166  # operations of the step below that are no products, counted
MANY = 100_000  # random words and lookups


def small_step() -> Callable[[], None]:
    """A step of a network of width 8."""
    parts = [[nn.Linear(8, 8), nn.LayerNorm(8), nn.GELU()] for _ in range(4)]
    small = nn.Sequential(*(part for several in parts for part in several))
    adam, given = torch.optim.AdamW(small.parameters()), torch.ones(8, 8)

    def step() -> None:
        adam.zero_grad()
        small(given).sum().backward()
        adam.step()

    return step


def measure(rows: int, dim: int, size: int, length: int = 50, repeats: int = 5) -> Machine:
    """This machine, by medians: the three products of a linear map and its gradients, [rows, dim]
    by [dim, dim]; six plain operations on tensors of `size` numbers that no cache holds any more;
    a step of a network so small that nothing but its calls takes time; random words; and lookups,
    half of them a gather, half its gradient; and attention in windows of `length`.
    """
    x, w, several = torch.randn(rows, dim), torch.randn(dim, dim), max(1, 10**7 // (rows * dim**2))
    tensors = [torch.rand(size) for _ in range(max(3, min(24, 10**7 // size)))]
    place = itertools.cycle(range(len(tensors)))
    small = small_step()

    def products() -> None:
        for _ in range(several):
            y = x @ w
            _ = y @ w.T, x.T @ y

    def plain() -> None:
        a, b, c = (tensors[next(place)] for _ in range(3))
        _ = a + b, b * c, c.exp(), a.sum(), (a < 0.5), b.masked_fill(a.bool(), 0)

    words = torch.empty(MANY, dtype=torch.int64)
    table, index = torch.rand(MANY // 100, 65), torch.randint(65, (MANY // 100, 100))

    def lookups() -> None:
        torch.zeros_like(table).scatter_add_(1, index, table.gather(1, index))

    batch = max(1, 6400 // length)
    query = torch.randn(batch, 1, length, dim, requires_grad=True)

    def attention() -> None:
        F.scaled_dot_product_attention(query, query, query, is_causal=True).sum().backward()

    seconds = median_seconds(products, repeats) / several
    moved = size * (12 + 12 + 8 + 4 + 5 + 14)  # bytes of the six, and of a.bool()
    return Machine(
        products=6 * rows * dim**2 / seconds,
        memory=moved / median_seconds(plain, repeats),
        call=median_seconds(lambda: [small() for _ in range(3)], repeats) / 3 / SMALL_CALLS,
        draw=median_seconds(lambda: words.random_(-(2**63), None), repeats) / MANY,
        lookup=median_seconds(lookups, repeats) / (2 * MANY),
        attention=7 * batch * length**2 * dim / median_seconds(attention, repeats),
    )


def clock() -> float:
    """Seconds that a single thread has worked, which no neighbour adds to; of several, the time."""
    return time.process_time() if torch.get_num_threads() == 1 else time.perf_counter()


def median_seconds(work: Callable[[], object], repeats: int) -> float:
    taken = []
    for _ in range(repeats + 2):
        begin = clock()
        work()
        taken.append(clock() - begin)
    return sorted(taken[2:])[repeats // 2]
