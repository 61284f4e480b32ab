"""Where the jobs of the service are done: in a thread of their own, or in the loop of the web.

Two threads of Python share one lock, and give it to each other at every call into torch. Where one
loop reads the requests and also does the turns, no time goes into that: what comes in during a turn
makes up the next one. Taught in lesson 21.
"""

import contextlib
import queue
import threading
from asyncio import AbstractEventLoop
from collections import deque
from collections.abc import Callable
from typing import Protocol

TOGETHER = 256  # jobs that one turn takes at most
Turn = Callable[[list], None]


class Work(Protocol):
    """Jobs wait until a turn takes them, together and in the order in which they came."""

    def put(self, job: object) -> None:
        """May be called in any thread."""

    def close(self) -> None:
        """Returns when all that waits is done."""


class InThread:
    """A thread that ends with the process, or with `close`."""

    def __init__(self, turn: Turn):
        self.turn, self.jobs = turn, queue.SimpleQueue()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def put(self, job: object) -> None:
        self.jobs.put(job)

    def _run(self) -> None:
        while (job := self.jobs.get()) is not None:
            jobs = [job]
            while len(jobs) < TOGETHER and not self.jobs.empty():
                if (job := self.jobs.get()) is None:
                    self.jobs.put(None)
                    break
                jobs.append(job)
            self.turn(jobs)

    def close(self) -> None:
        self.jobs.put(None)
        self.thread.join()


class InLoop:
    """The loop that is given by `enter`; until then the jobs wait."""

    def __init__(self, turn: Turn):
        self.turn, self.jobs, self.called = turn, deque(), False
        self.loop: AbstractEventLoop | None = None

    def enter(self, loop: AbstractEventLoop) -> None:
        if self.loop is not loop:
            self.loop = loop
            self._call()

    def put(self, job: object) -> None:
        self.jobs.append(job)
        if not self.called:
            self._call()

    def _call(self) -> None:
        if self.loop is not None:
            self.called = True  # before the call: the loop may be done with it at once
            with contextlib.suppress(RuntimeError):  # the loop has ended: `close` does the rest
                self.loop.call_soon_threadsafe(self._run)

    def _run(self) -> None:
        self.called = False  # first: what comes from now on may call again
        jobs = [self.jobs.popleft() for _ in range(min(len(self.jobs), TOGETHER))]
        if self.jobs:
            self._call()
        if jobs:
            self.turn(jobs)

    def close(self) -> None:
        """To be called when the loop has ended, in the thread that is then the only one."""
        while self.jobs:
            self._run()
