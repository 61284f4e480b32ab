"""The events in Redis: a list of all, and a hash from id to event, written together.

What Redis keeps when the machine fails is a matter of its own settings: with `appendonly yes` and
`appendfsync always` it answers when the disk has it, as our SQLite does; with its defaults a power
cut may take the last seconds. `kill -9` of the service loses nothing. Taught in lesson 21.
"""

import contextlib
import json
import os
import socket
import threading
from collections.abc import Iterator, Sequence

from tutorial_lib.errors import TutorialError
from tutorial_lib.serving.store import Event

AT_ONCE = 10_000  # events read at a time
LEASE = 3  # s: a service that was killed holds its store so long at most


class RedisStore:
    """`prefix`: of all its keys."""

    def __init__(self, url: str, prefix: str = "tutorial-serving", patience: float = 4 * LEASE):
        """Waits `patience` seconds for another service to end."""
        try:
            import redis
        except ImportError:
            raise TutorialError(
                "redis is not installed: pip install -e '.[serving]', or keep the events in a file"
            ) from None
        self.errors, self.prefix = redis.RedisError, prefix
        self.list, self.ids, self.lock = (f"{prefix}:{name}" for name in ("events", "ids", "lock"))
        try:
            self.db = redis.Redis.from_url(url, decode_responses=True)
            self.db.ping()
            owner = f"{socket.gethostname()} {os.getpid()} {os.urandom(4).hex()}"
            self.lease = self.db.lock(self.lock, timeout=LEASE, thread_local=False)
            taken = self.lease.acquire(token=owner, blocking_timeout=patience)
        except (redis.RedisError, ValueError) as error:
            raise TutorialError(
                "cannot reach {url} ({error}): start redis-server, or name a file with --store",
                url=url,
                error=error,
            ) from None
        if not taken:
            holder = self.db.get(self.lock)
            raise TutorialError(
                "another service ({holder}) keeps its events at {url}: end it, or name"
                " another --store",
                holder=holder,
                url=url,
            )
        self.closed = threading.Event()
        self.keeper = threading.Thread(target=self._keep, daemon=True)
        self.keeper.start()

    def _keep(self) -> None:
        while not self.closed.wait(LEASE / 3):
            try:
                self.lease.reacquire()
            except self.errors:
                return  # `append` notices

    def known(self, ids: Sequence[str]) -> dict[str, Event]:
        found = self.db.hmget(self.ids, ids) if ids else []
        pairs = zip(ids, found, strict=True)
        return {key: Event(key, *json.loads(text)) for key, text in pairs if text is not None}

    def append(self, events: Sequence[Event], arrival: float) -> None:
        if not self.lease.owned():
            raise OSError("another service has taken over the store")
        texts = {event.id: json.dumps(event[1:], ensure_ascii=False) for event in events}
        with self.db.pipeline(transaction=True) as together:
            together.rpush(self.list, *(json.dumps([*event, arrival]) for event in events))
            together.hset(self.ids, mapping=texts)
            together.execute()

    def load(self) -> Iterator[Event]:
        first = 0
        while texts := self.db.lrange(self.list, first, first + AT_ONCE - 1):
            for text in texts:
                yield Event(*json.loads(text)[:4])
            first += len(texts)

    def close(self) -> None:
        self.closed.set()
        self.keeper.join()
        with contextlib.suppress(self.errors):  # it ran out, or belongs to another
            self.lease.release()
        self.db.close()
