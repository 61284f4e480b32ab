"""How many requests does the service answer? Beside the textbook one, at the same p99.

Both are asked by the same load (four of five requests are questions, the fifth is an event), one
after the other. The textbook service answers one connection, which is what suits it best; ours gets
as many as it can serve while the p99 of its questions is not above that of the textbook one.
"""

import asyncio
import contextlib
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from functools import cache

import torch

from benchmarks.bench import Row, compared, interleaved
from benchmarks.load import Seen, Traffic, closed, opened
from tutorial_lib.models import build_model
from tutorial_lib.serving.export import full_pass as make_full_pass

USERS, ITEMS = 10_000, 10_000
CONNECTIONS = (1, 4, 16, 48)


@contextlib.contextmanager
def service(which: str, users: int, items: int) -> Iterator[int]:
    """The port of a service in a process of its own, which ends with the block."""
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
        yield port
    finally:
        process.terminate()
        process.wait()


def faultless(seen: Seen) -> Seen:
    if seen.errors:
        raise RuntimeError(f"{len(seen.errors)} errors, the first: {seen.errors[0]}")
    return seen


@cache
def measured(seconds: float, users: int, items: int) -> tuple[Seen, Seen, int]:
    """The textbook service, then ours with as many connections as p99 allows, and how many."""
    with service("textbook", users, items) as port:
        asyncio.run(closed(port, Traffic(users, items), 1, seconds / 4))  # warm up
        theirs = faultless(asyncio.run(closed(port, Traffic(users, items), 1, seconds)))
    best: tuple[Seen, int] | None = None
    with service("ours", users, items) as port:
        asyncio.run(closed(port, Traffic(users, items), 1, seconds / 4))
        for connections in CONNECTIONS:
            load = closed(port, Traffic(users, items, seed=connections), connections, seconds)
            seen = faultless(asyncio.run(load))
            print(
                f"    {connections:3d} connections: {seen.rate:6.0f} requests/s, questions p50"
                f" {1e3 * seen.quantile(0.5):.1f} ms, p99 {1e3 * seen.quantile(0.99):.1f} ms",
                file=sys.stderr,
            )
            right = seen.quantile(0.99) <= theirs.quantile(0.99)
            if best is None or right and seen.rate > best[0].rate:
                best = seen, connections
    return theirs, *best


def throughput(*sizes) -> Row:
    theirs, ours, connections = measured(*sizes)
    name = f"time a request, DeepM3, {connections} connections at equal p99"
    times = 1e3 / ours.rate, 1e3 / theirs.rate
    return compared(name, *times, "ms", "12 times as many requests")


def tail(*sizes) -> Row:
    theirs, ours, connections = measured(*sizes)
    name = f"p99 of a question at that load, {connections} connections"
    times = (1e3 * seen.quantile(0.99) for seen in (ours, theirs))
    return compared(name, *times, "ms", "not above the textbook's")


@cache
def steady(rate: float, seconds: float, users: int, items: int) -> Seen:
    """Questions at `rate` a second while a quarter as many events come in."""
    with service("ours", users, items) as port:
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
    short, long = (2, 3) if part > 1 else (10, 60)
    ways = ["exported", *(["compiled"] if shutil.which("g++") and part == 1 else [])]
    return [
        lambda: throughput(short, *sizes),
        lambda: tail(short, *sizes),
        lambda: steady_tail(100, long, *sizes),
        lambda: steady_events(100, long, *sizes),
        *(lambda way=way: full_pass(way, 5 * repeats, sizes[1]) for way in ways),
    ]
