"""From the service to the loop of the web: results of one turn of a thread, in one call.

`asyncio.wrap_future` wakes the loop for each result, which at 32 requests together costs as much as
the pass that answers them. Taught in lesson 21.
"""

import asyncio
import threading
from collections import deque


class Delivery:
    """Makes futures for one loop; it is to be made in the thread of the loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop):
        self.loop, self.ready, self.called = loop, deque(), False
        self.thread = threading.get_ident()

    def future(self) -> "Promise":
        return Promise(self)

    def put(self, promise: "Promise") -> None:
        """May be called in any thread."""
        if threading.get_ident() == self.thread:
            promise.arrive()
            return
        self.ready.append(promise)
        if not self.called:
            self.called = True
            self.loop.call_soon_threadsafe(self.deliver)

    def deliver(self) -> None:
        self.called = False  # first: what comes from now on may call again
        while self.ready:
            self.ready.popleft().arrive()


class Promise:
    """The part of a `concurrent.futures.Future` that the service uses; `waits` is awaited."""

    def __init__(self, delivery: Delivery):
        self.delivery, self.waits = delivery, delivery.loop.create_future()
        self.result: object = None
        self.error: BaseException | None = None
        self.given = False

    def done(self) -> bool:
        return self.given

    def set_result(self, result: object) -> None:
        self.result, self.given = result, True
        self.delivery.put(self)

    def set_exception(self, error: BaseException) -> None:
        self.error, self.given = error, True
        self.delivery.put(self)

    def arrive(self) -> None:
        """In the thread of the loop: whoever waits goes on."""
        if self.waits.done():  # the client has gone
            return
        if self.error is None:
            self.waits.set_result(self.result)
        else:
            self.waits.set_exception(self.error)
