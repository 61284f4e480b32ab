"""From the threads of the service to the loop of the web: results of one turn, in one call.

`asyncio.wrap_future` wakes the loop for each result, which at 32 requests together costs as much as
the pass that answers them. Taught in lesson 21.
"""

import asyncio
from collections import deque


class Delivery:
    """Makes futures for one loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop):
        self.loop, self.ready, self.called = loop, deque(), False

    def future(self) -> "Promise":
        return Promise(self)

    def put(self, promise: "Promise") -> None:
        """May be called in any thread."""
        self.ready.append(promise)
        if not self.called:
            self.called = True
            self.loop.call_soon_threadsafe(self.deliver)

    def deliver(self) -> None:
        self.called = False  # first: what comes from now on may call again
        while self.ready:
            promise = self.ready.popleft()
            if not promise.waits.done():  # else the client has gone
                if promise.error is None:
                    promise.waits.set_result(promise.result)
                else:
                    promise.waits.set_exception(promise.error)


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
