"""How many requests a second does the service answer while the p99 of its questions stays below a
bound? Beside the textbook one.

Four of five requests are questions, the fifth is an event. They come at random moments, and a
latency counts from the moment at which its request was due. Each service gets more and more of them
until its p99 passes the bound twice. The bound is the same for both: some times the p99 that the
textbook service has when it is asked one by one, as that is what this machine can do today. Both
run all the time, and the search in one takes turns with that in the other. The processor time of a
request, at these loads, depends less on what else the machine does.
"""

import asyncio
import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import zip_longest
from pathlib import Path

import torch

from benchmarks.bench import Row, compared, interleaved
from benchmarks.load import Seen, Traffic, closed, opened
from tutorial_lib.models import build_model
from tutorial_lib.serving.export import full_pass as make_full_pass

USERS, ITEMS = 10_000, 10_000
BOUNDS = 2, 5  # times the p99 of the textbook service when it is asked one by one
FIRST = {"textbook": 24.0, "ours": 400.0}  # requests a second at which a search begins
LEAST = 2.0  # requests a second at which a search ends
FACTORS = 1.5, 1.2, 1.08  # by which the rate grows, in ever smaller steps


@contextlib.contextmanager
def service(which: str, users: int, items: int) -> Iterator[tuple[int, int]]:
    """Port and number of the process of a service, which ends with the block."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    command = [sys.executable, "-m", "benchmarks.textbook_service", which]
    process = subprocess.Popen([*command, *map(str, (port, users, items))])
    try:
        for _ in range(1200):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/recommend/u0", timeout=5).read()
                break
            if process.poll() is not None:
                raise RuntimeError(f"the {which} service ended with {process.returncode}")
            time.sleep(0.1)
        yield port, process.pid
    finally:
        process.terminate()
        process.wait()


def processor_seconds(process: int) -> float:
    """That a process has had so far; Linux alone tells."""
    stat = Path(f"/proc/{process}/stat")
    if not stat.exists():
        return 0.0
    user, system = stat.read_text().rsplit(")", 1)[1].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def faultless(seen: Seen) -> Seen:
    if seen.errors:
        raise RuntimeError(f"{len(seen.errors)} errors, the first: {seen.errors[0]}")
    return seen


@dataclass
class Search:
    """For the highest rate of one service whose p99 is not above `bound` seconds."""

    which: str
    port: int
    process: int
    traffic: tuple[int, int]
    bound: float
    seconds: float
    best: Seen | None = None
    processor: float = 0.0  # seconds of a request at the best rate

    def holds(self, rate: float) -> bool:
        """One of two tries: a neighbour's hiccup is no answer."""
        for seed in (1, 2):
            before = processor_seconds(self.process)
            load = opened(self.port, Traffic(*self.traffic, seed=seed), rate, self.seconds)
            seen = faultless(asyncio.run(load))
            spent = (processor_seconds(self.process) - before) / seen.count
            p99 = seen.quantile(0.99)
            print(
                f"    {self.which:8s} {seen.rate:6.0f} requests/s: p50"
                f" {1e3 * seen.quantile(0.5):5.1f} ms, p99 {1e3 * p99:6.1f} ms (at most"
                f" {1e3 * self.bound:.1f}), {1e3 * spent:.2f} ms of processor each",
                file=sys.stderr,
            )
            if p99 <= self.bound or rate < LEAST:
                self.best, self.processor = seen, spent
            if p99 <= self.bound:
                return True
        return False

    def steps(self) -> Iterator[None]:
        """One step each time that it is resumed."""
        rate = FIRST[self.which]
        while not self.holds(rate):
            if rate < LEAST:
                return  # the row of the p99 tells that it is above the bound
            rate /= FACTORS[0]
            yield
        for factor in FACTORS:
            yield
            while self.holds(rate * factor):
                rate *= factor
                yield


@cache
def found(seconds: float, users: int, items: int) -> dict[int, tuple[Search, Search]]:
    """For each bound, ours and the textbook service at their best."""
    with service("ours", users, items) as ours, service("textbook", users, items) as theirs:
        alone = {}
        for number in (4, 1):  # the first warms up
            for port, _ in (ours, theirs):
                load = closed(port, Traffic(users, items), number, 2 + seconds / 2)
                alone[port] = faultless(asyncio.run(load)).quantile(0.99)
        known = {}
        for times in BOUNDS:
            about = (users, items), times * alone[theirs[0]], seconds
            both = Search("ours", *ours, *about), Search("textbook", *theirs, *about)
            for _ in zip_longest(*(search.steps() for search in both)):
                pass
            known[times] = both
    return known


def at_equal_p99(what: str, times: int, *sizes) -> Row:
    ours, theirs = found(*sizes)[times]
    below = f"p99 at most {times} x textbook's alone"
    if what == "rate":
        rates = (1e3 / one.best.rate for one in (ours, theirs))
        return compared(f"time a request, DeepM3, {below}", *rates, "ms", "12 times as many")
    if what == "p99":
        tails = (1e3 * one.best.quantile(0.99) for one in (ours, theirs))
        return compared(f"p99 there, {below}", *tails, "ms", f"up to {1e3 * ours.bound:.1f} ms")
    spent = (1e3 * one.processor or float("nan") for one in (ours, theirs))
    return compared(f"processor time there, {below}", *spent, "ms", "none: what it costs")


def generator(seconds: float) -> Row:
    """What the load itself can do: 16 connections to a process that answers without looking."""
    code = "import asyncio, sys; from benchmarks.load import nothing; asyncio.run(nothing())"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        port = int(process.stdout.readline())
        seen = faultless(asyncio.run(closed(port, Traffic(1, 1), 16, seconds)))
        process.terminate()
    name = "time a request of the load itself, to an empty answer"
    return {"name": name, "ours": 1e3 / seen.rate, "unit": "ms", "goal": "far below the others"}


@cache
def steady(rate: float, seconds: float, users: int, items: int) -> Seen:
    """Questions at `rate` a second while a quarter as many events come in."""
    with service("ours", users, items) as (port, _):
        asyncio.run(opened(port, Traffic(users, items), rate, 2))
        load = opened(port, Traffic(users, items, seed=1), 1.25 * rate, seconds)
        return faultless(asyncio.run(load))


def steady_tail(*sizes) -> Row:
    seen = steady(*sizes)
    name = f"p99 of {len(seen.seconds['recommend'])} questions, {sizes[0]:.0f}/s, no error"
    return {"name": name, "ours": 1e3 * seen.quantile(0.99), "unit": "ms", "goal": "below 20 ms"}


def steady_events(*sizes) -> Row:
    seen = steady(*sizes)
    name = f"p99 of {len(seen.seconds['event'])} events at the same time, each on the disk"
    p99 = 1e3 * seen.quantile(0.99, "event")
    return {"name": name, "ours": p99, "unit": "ms", "goal": "none: what the disk takes"}


def full_pass(way: str, repeats: int, items: int) -> Row:
    """SASRec over 32 windows of 50 events: a program without Python against the model itself."""
    generator = torch.Generator().manual_seed(0)
    model = build_model("sasrec", num_items=items, max_len=50, dim=64).eval()
    chosen = torch.randint(1, items + 1, (32, 50), generator=generator)
    times = torch.arange(50).repeat(32, 1)
    program, name = make_full_pass(model, way), f"full pass of SASRec, 32 windows, {way} / eager"
    with torch.inference_mode():
        calls = (lambda one=one: one(chosen, times, times) for one in (program, model))
        return compared(name, *interleaved(*calls, repeats), "s", "none: what a program saves")


def rows(repeats: int, part: int) -> list[Callable[[], Row]]:
    """`part` divides numbers and seconds; 60 s of load where it is 1."""
    sizes = USERS // part, ITEMS // part
    short, long = (1, 3) if part > 1 else (8, 60)
    ways = ["exported", *(["compiled"] if shutil.which("g++") and part == 1 else [])]
    return [
        *(
            lambda what=what, times=times: at_equal_p99(what, times, short, *sizes)
            for times in BOUNDS
            for what in ("rate", "p99", "processor")
        ),
        lambda: generator(short),
        lambda: steady_tail(100, long, *sizes),
        lambda: steady_events(100, long, *sizes),
        *(lambda way=way: full_pass(way, 5 * repeats, sizes[1]) for way in ways),
    ]
