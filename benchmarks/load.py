"""Load for a service at 127.0.0.1: many connections, few lines, no more than it is told.

One process beside the service, as on two cores each has one. A closed loop sends a request when the
last one has been answered; an open one at moments drawn beforehand, and its latencies count from
these moments, so that a service that falls behind is seen to.
"""

import asyncio
import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

Request = tuple[str, str, bytes]  # method, path, body
KINDS = {"GET": "recommend", "POST": "event"}


@dataclass
class Seen:
    """Seconds of all answers by kind, and what was no success."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: {"recommend": [], "event": []})
    errors: list[str] = field(default_factory=list)
    lasted: float = 0.0

    @property
    def count(self) -> int:
        return sum(map(len, self.seconds.values()))

    @property
    def rate(self) -> float:
        return self.count / self.lasted

    def quantile(self, share: float, kind: str = "recommend") -> float:
        return float(np.quantile(self.seconds[kind], share))


class Connection:
    """HTTP/1.1, kept open, one request at a time."""

    async def open(self, port: int) -> "Connection":
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", port)
        return self

    async def send(self, request: Request) -> tuple[int, bytes]:
        method, path, body = request
        head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
        kind = "Content-Type: application/json\r\n\r\n"
        self.writer.write(f"{head}{kind}".encode() + body)
        lines = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
        content = await self.reader.readexactly(int(headers["content-length"]))
        return int(lines[0].split()[1]), content

    def close(self) -> None:
        self.writer.close()


class Traffic:
    """Questions of random users, and every `every`-th request an event of one, now."""

    def __init__(self, users: int, items: int, *, every: int = 5, seed: int = 0):
        self.rng, self.users, self.items = random.Random(seed), users, items
        self.every, self.number, self.run = every, 0, time.time_ns()

    def __call__(self) -> Request:
        self.number += 1
        user = self.rng.randrange(self.users)
        if self.number % self.every:
            return "GET", f"/recommend/u{user}?k=10", b""
        item = 1 + self.rng.randrange(self.items)
        event = {"id": f"{self.run}-{self.number}", "user": f"u{user}", "item": f"i{item}"}
        return "POST", "/events", json.dumps(event | {"time": int(time.time())}).encode()


async def timed(connection: Connection, request: Request, seen: Seen, since: float) -> None:
    status, content = await connection.send(request)
    seen.seconds[KINDS[request[0]]].append(time.perf_counter() - since)
    if status != 200:
        seen.errors.append(f"{status} {request[:2]} {content[:200]!r}")


async def closed(port: int, traffic: Callable[[], Request], connections: int, seconds: float):
    seen, opened = Seen(), [await Connection().open(port) for _ in range(connections)]
    begin = time.perf_counter()

    async def work(connection: Connection) -> None:
        while (now := time.perf_counter()) < begin + seconds:
            await timed(connection, traffic(), seen, now)

    await asyncio.gather(*map(work, opened))
    seen.lasted = time.perf_counter() - begin
    [connection.close() for connection in opened]
    return seen


async def opened(port: int, traffic: Callable[[], Request], rate: float, seconds: float) -> Seen:
    """`rate` requests a second on average, at random moments."""
    rng, moments, now = random.Random(1), [], 0.0
    while (now := now + rng.expovariate(rate)) < seconds:
        moments.append(now)
    seen, free, begin = Seen(), asyncio.Queue(), time.perf_counter()
    for _ in range(64):
        free.put_nowait(await Connection().open(port))

    async def one(moment: float) -> None:
        connection = await free.get()
        try:
            await timed(connection, traffic(), seen, begin + moment)
        finally:
            free.put_nowait(connection)

    tasks = []
    for moment in moments:
        await asyncio.sleep(max(0.0, begin + moment - time.perf_counter()))
        tasks.append(asyncio.create_task(one(moment)))
    await asyncio.gather(*tasks)
    seen.lasted = time.perf_counter() - begin
    while not free.empty():
        free.get_nowait().close()
    return seen


async def nothing() -> None:
    """Answers whatever is asked, prints its port first: to measure the load itself."""
    answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"

    class Empty(asyncio.Protocol):
        def connection_made(self, transport):
            self.transport = transport

        def data_received(self, data):
            self.transport.write(answer)

    server = await asyncio.get_running_loop().create_server(Empty, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
