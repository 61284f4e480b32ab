"""The cost model against measured steps, and what it says of data, machines, hours and money.

    python -m benchmarks.cost_model                     both tables
    python -m benchmarks.cost_model --quick             few sizes
    python -m benchmarks.cost_model --price "H100=6.88" other prices per hour

Predicted against measured: the goal is within 25 % on a quiet machine. The rates are measured beside
each step, at its width, so that a busy neighbour slows both. Prices are those of the list PRICES, each
with its source and date, or of --price. A GPU's rates are those of its data sheet times --share: no
step was measured on one.
"""

import argparse
import dataclasses
import itertools
import statistics
from collections.abc import Callable

from tutorial_lib.process import prepare

prepare()  # before torch is imported

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from tutorial_lib.data.sequences import Batch
from tutorial_lib.models import SequenceModel, build_model
from tutorial_lib.scale import cost
from tutorial_lib.scale.cost import Machine, Sizes
from tutorial_lib.train import TrainConfig, make_optimizer

NAMES = {"sasrec": "sasrec", "tisasrec": "tisasrec", "ssd": "mamba4rec", "deepm3": "deepm3"}
GOAL, ITEMS = 0.25, 3416
# US dollars an hour, on demand
PRICES = {
    "2 CPU cores": (0.0816, "AWS m7g.large, us-east-1, factualminds.com, 17 June 2026"),
    "H100": (3.99, "one of 8 H100 SXM at Lambda, lambda.ai/instances, 20 September 2026"),
}
H100 = 67e12, 3.35e12  # flops (float32) and bytes a second: NVIDIA's data sheet of the H100 SXM
DATA = {  # name -> events, items
    "MovieLens 1M": (1_000_209, 3_416),
    "MovieLens 25M": (25_000_095, 32_720),
    "100 million events": (10**8, 10**6),
    "10^9 events": (10**9, 10**7),
}


class Count(TorchDispatchMode):
    """Counts the products' flops, and of whatever else runs inside the numbers that it moves (in
    units of 4 bytes), its calls, the random words that it draws and the pairs that it looks up.
    """

    def __init__(self) -> None:
        super().__init__()
        self.flops = self.moved = self.calls = self.drawn = self.looked = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        given, made = (
            [leaf for leaf in tree_leaves(part) if isinstance(leaf, torch.Tensor)]
            for part in ((args, kwargs), out)
        )
        held = {tensor.untyped_storage().data_ptr() for tensor in given}
        fresh = any(tensor.untyped_storage().data_ptr() not in held for tensor in made)
        if func.is_view or not made or not (fresh or func._schema.is_mutable):
            return out
        packet = func._overloadpacket
        if packet in flop_registry:
            self.flops += flop_registry[packet](*args, **(kwargs or {}), out_val=out)
        else:
            self.calls += 1
            self.drawn += out.numel() if packet.__name__ == "random_" else 0
            self.looked += looked_up(packet.__name__, given)
            self.moved += sum(tensor.numel() * tensor.element_size() for tensor in given + made) / 4
        return out


def looked_up(name: str, given: list[torch.Tensor]) -> int:
    """Pairs of events of an operation."""
    pairs = {"gather": 1, "scatter_add": 1, "scatter_add_": 1, "_softmax": 0, "log1p_": 0}
    return given[pairs[name]].numel() if name in pairs else 0


def training_step(name: str, s: Sizes) -> tuple[SequenceModel, Callable[[], None]]:
    """A model and one step on made-up windows, all full."""
    options = {} if name == "deepm3" else {"blocks": s.blocks}
    model = build_model(
        NAMES[name], num_items=s.items, max_len=s.length, dim=s.dim, **options
    ).train()
    config = TrainConfig(
        loss="ce" if s.candidates is None else "logq_ce", negatives=s.candidates or 1
    )
    optimizer, generator = make_optimizer(model, config), torch.Generator().manual_seed(0)
    events = torch.randint(1, s.items + 1, (s.batch, s.length + 1), generator=generator)
    # gaps from a minute to a year, so that all buckets occur
    gaps = (60 * 10 ** (5 * torch.rand(s.batch, s.length + 1, generator=generator))).long()
    times, ends = gaps.cumsum(1), torch.full((s.batch,), s.length)
    parts = events[:, :-1], times[:, :-1], times[:, 1:], events[:, 1:], torch.arange(s.batch), ends
    batch = Batch(*parts)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        model.loss(batch, config, generator).backward()
        optimizer.step()

    return model, step


def counted(name: str, s: Sizes) -> Count:
    """Of one step; the one before it makes the optimizer's state."""
    _, step = training_step(name, s)
    step()
    with Count() as count:
        step()
    return count


def compared(name: str, s: Sizes, repeats: int) -> tuple[float, float, Machine]:
    """Predicted and measured seconds: rates and steps turn by turn, the median of each."""
    work, (_, step) = cost.MODELS[name](s), training_step(name, s)
    step()
    machines, taken = [], []
    size = min(s.positions * s.dim, 10**7)
    for _ in range(repeats):
        machines.append(cost.measure(work.small or min(s.positions, 8192), s.dim, size, s.length))
        begin = cost.clock()
        step()
        taken.append(cost.clock() - begin)
    middle = zip(*map(dataclasses.astuple, machines), strict=True)
    machine = Machine(*map(statistics.median, middle))
    return machine.seconds(work), statistics.median(taken), machine


def print_steps(quick: bool, repeats: int) -> None:
    lengths, widths = ((50, 200), (64,)) if quick else ((50, 200, 800, 2000), (32, 128, 512))
    print(f"{torch.get_num_threads()} thread(s), {ITEMS} items, 512 shared negatives")
    print(
        "model     L     d   B  predicted   measured  ratio   Gflop/s   GB/s  us a call  ns a word, lookup"
    )
    ratios = []
    for name, length, dim in itertools.product(cost.MODELS, lengths, widths):
        batch = max(2, min(32, 6400 // length))
        predicted, measured, m = compared(name, Sizes(batch, length, dim, ITEMS), repeats)
        ratios.append(predicted / measured)
        print(
            f"{name:9s}{length:5d}{dim:5d}{batch:4d}{1000 * predicted:9.1f}ms{1000 * measured:9.1f}ms"
            f"{ratios[-1]:7.2f}{m.products / 1e9:10.1f}{m.memory / 1e9:7.1f}{m.call * 1e6:8.2f}"
            f"{m.draw * 1e9:12.1f}{m.lookup * 1e9:7.1f}",
            flush=True,
        )
    good = sum(abs(ratio - 1) <= GOAL for ratio in ratios)
    print(f"within {GOAL:.0%}: {good} of {len(ratios)}; ratios {min(ratios):.2f}-{max(ratios):.2f}")


def print_hours(prices: dict[str, float], share: float) -> None:
    """Twenty epochs of windows of 50 at d = 64, a window for every 50 events, 512 negatives, rows."""
    print("\n20 epochs, windows of 50, d = 64, 512 shared negatives, row updates, batch 128")
    for name, price in prices.items():
        source = PRICES[name][1] if price == PRICES.get(name, (0, ""))[0] else "given by --price"
        print(f"  {name}: ${price} an hour ({source})")
    print(f"  the H100's rates: {share:.0%} of its data sheet, an assumption; it was not measured")
    here = cost.measure(6400, 64, 6400 * 64)
    rates = {"2 CPU cores": here, "H100": Machine(share * H100[0], share * H100[1], 5e-6)}
    print("data                 model       machine         hours        $    memory GB")
    for (data, (events, items)), name, (machine, rate) in itertools.product(
        DATA.items(), ("sasrec", "deepm3"), rates.items()
    ):
        work = cost.MODELS[name](Sizes(128, 50, 64, items, rows=True))
        hours = 20 * events / 50 / 128 * rate.seconds(work) / 3600
        print(f"{data:21s}{name:12s}{machine:12s}{hours:9.2f}{hours * prices[machine]:9.2f}"
              f"{work.memory / 1e9:13.1f}")  # fmt: skip
    big = cost.sasrec(Sizes(128, 50, 64, 10**7, rows=True))
    dense, rows = (big.communication(8, touched, 64) / 1e6 for touched in (None, 13312))
    print(f"8 processes, 10^7 items: each sends {dense:,.0f} MB a step, or {rows:.0f} MB of rows")


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.cost_model", description=__doc__.split("\n\n")[0]
    )
    parser.add_argument("--quick", action="store_true", help="few sizes")
    parser.add_argument("--repeats", type=int, default=7, help="steps at each size")
    parser.add_argument("--share", type=float, default=0.3, help="of a GPU's data sheet")
    parser.add_argument("--price", action="append", default=[], metavar="MACHINE=DOLLARS")
    args = parser.parse_args(arguments)
    prices = {name: price for name, (price, _) in PRICES.items()}
    for text in args.price:
        name, _, dollars = text.partition("=")
        if name not in prices:
            parser.error(f"--price {text}: the machines are {', '.join(prices)}")
        prices[name] = float(dollars)
    print_steps(args.quick, args.repeats)
    print_hours(prices, args.share)


if __name__ == "__main__":
    main()
