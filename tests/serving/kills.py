"""Kills the service at random moments under load, starts it again, and looks for what was lost.

    python -m tests.serving.kills 30
    python -m tests.serving.kills 30 --store redis://127.0.0.1:6379/0

No event that was answered with success may be missing, and each user's list must be that of the
whole history read anew. One process imports the library once and forks for each start.
"""

import argparse
import http.client
import json
import os
import random
import signal
import socket
import sys
import tempfile
import threading
import time
from pathlib import Path

import torch
import uvicorn

from tests.serving.world import by_hand, version
from tutorial_lib.serving.app import create_app
from tutorial_lib.serving.service import Service
from tutorial_lib.serving.stores import open_store

USERS, ITEMS, WRITERS = 12, 30, 4
START = 1_700_000_000


def serve(where: str) -> tuple[int, int]:
    """The service in a process of its own, as `python -m tutorial_lib.serving` runs it: the number
    of the process, and the port.
    """
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    if process := os.fork():
        listening.close()
        return process, port
    try:
        torch.set_num_threads(1)
        service = Service(open_store(where), version(), clock=lambda: START + 10**7, in_loop=True)
        config = uvicorn.Config(create_app(service), log_level="critical", lifespan="off")
        uvicorn.Server(config).run(sockets=[listening])
    finally:
        os._exit(1)


def ask(port: int, method: str, path: str, body: object = None) -> tuple[int, dict]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request(method, path, None if body is None else json.dumps(body))
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def wait_for(port: int) -> None:
    for _ in range(1500):
        try:
            if ask(port, "GET", "/health")[0] == 200:
                return
        except (OSError, http.client.HTTPException):
            time.sleep(0.02)
    raise AssertionError("the service did not start within 30 s")


class Load:
    """Writers that send batches of events, some late, some twice, and ask for lists."""

    def __init__(self, port: int, seed: int):
        self.port, self.stop = port, threading.Event()
        self.acknowledged: dict[str, tuple[str, str, int]] = {}
        self.sent: dict[str, tuple[str, str, int]] = {}
        self.wrong: list[str] = []
        self.threads = [
            threading.Thread(
                target=self.write, args=(random.Random(1000 * seed + n), f"{seed}-{n}")
            )
            for n in range(WRITERS)
        ]

    def write(self, rng: random.Random, name: str) -> None:
        number = 0
        while not self.stop.is_set():
            events = []
            for _ in range(rng.randrange(1, 5)):
                number += 1
                late = 5000 if rng.random() < 0.1 else 0
                moment = START + int(1000 * time.monotonic()) % 10**6 - late
                user, item = f"u{rng.randrange(USERS)}", f"i{1 + rng.randrange(ITEMS - 11)}"
                events.append(
                    {"id": f"{name}-{number}", "user": user, "item": item, "time": moment}
                )
            if self.sent and rng.random() < 0.1:
                key = rng.choice(list(self.sent))
                events.append(
                    dict(zip(("user", "item", "time"), self.sent[key], strict=True), id=key)
                )
            here = {one["id"]: (one["user"], one["item"], one["time"]) for one in events}
            self.sent |= here
            try:
                status, said = ask(self.port, "POST", "/events", events)
                if status != 200:
                    self.wrong.append(f"{status} {said}")
                    continue
                self.acknowledged |= here
                status, said = ask(
                    self.port, "GET", f"/recommend/{events[0]['user']}?at={START + 10**7}"
                )
                if status != 200:
                    self.wrong.append(f"{status} {said}")
            except (OSError, http.client.HTTPException, ValueError):
                return  # killed

    def __enter__(self) -> "Load":
        [thread.start() for thread in self.threads]
        return self

    def __exit__(self, *error) -> None:
        self.stop.set()
        [thread.join() for thread in self.threads]


def examine(port: int, acknowledged: dict, sent: dict) -> int:
    """Every acknowledged event is there once, nothing is there that was not sent, and each list is
    that of the history. Returns how many events there are.
    """
    model, there, most = version(), [], START + 10**7
    for user in (f"u{n}" for n in range(USERS)):
        status, said = ask(port, "GET", f"/users/{user}")
        if status == 404:
            continue
        history = [(one["item"], one["time"]) for one in said["history"]]
        assert [moment for _, moment in history] == sorted(moment for _, moment in history)
        there += [(user, *one) for one in history]
        found = ask(port, "GET", f"/recommend/{user}?at={most}")[1]["items"]
        items, scores = by_hand(model, history, most)
        got = [one["score"] for one in found]
        difference = max(abs(a - b) for a, b in zip(got, scores, strict=True))
        assert [one["item"] for one in found] == items and difference < 1e-3, (user, difference)
    left = sorted(there)
    lost = [event for event in sorted(acknowledged.values()) if not take(left, event)]
    assert not lost, f"{len(lost)} of {len(acknowledged)} acknowledged events are lost: {lost[:3]}"
    possible = sorted(value for key, value in sent.items() if key not in acknowledged)
    strange = [event for event in left if not take(possible, event)]
    assert not strange, f"events that nobody sent, or twice: {strange[:3]}"
    return len(there)


def take(events: list, one: tuple) -> bool:
    if one not in events:
        return False
    events.remove(one)
    return True


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("kills", type=int)
    parser.add_argument("--store", help="a file or redis://...; by default a file for the time")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(arguments)
    torch.set_num_threads(1)
    rng, acknowledged, sent = random.Random(args.seed), {}, {}
    with tempfile.TemporaryDirectory() as folder:
        where = args.store or str(Path(folder) / "events.sqlite")
        for kill in range(args.kills + 1):
            process, port = serve(where)
            try:
                wait_for(port)
                count = examine(port, acknowledged, sent)
                if kill == args.kills:
                    break
                with Load(port, args.seed * 1000 + kill) as load:
                    time.sleep(rng.uniform(0, 0.6))
                    os.kill(process, signal.SIGKILL)
                assert not load.wrong, load.wrong[:3]
                acknowledged, sent = acknowledged | load.acknowledged, sent | load.sent
            finally:
                os.kill(process, signal.SIGKILL)
                os.waitpid(process, 0)
    print(
        f"{args.kills} kills, {len(acknowledged)} events acknowledged of {len(sent)} sent, {count}"
        " kept: none lost, every list that of the history"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
