"""The service without its web: two lines of work, each the only owner of what it holds.

    committer   the store: takes all batches of events that wait, and writes them in one commit
    worker      histories and states: takes what waits, events first, then all questions at once

The committer is a thread, as it waits for the disk. The worker is one, too, or is the loop that
also reads the requests.

So nothing is locked, one wait for the disk serves many requests, and one pass through the model
answers many users. A batch of events is answered when it is safe in the store and in the states:
what is asked next has met it.

An event that comes late (before the user's last event) is put in at its place, and the user's state
is made anew from the history. An event whose id is known already changes nothing; with another
content it is refused. Taught in lesson 21.
"""

import heapq
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import NamedTuple

from tutorial_lib.language import mark
from tutorial_lib.serving.memory import Memory
from tutorial_lib.serving.messages import Added, Answer, Refused, Watcher
from tutorial_lib.serving.store import Event, Store
from tutorial_lib.serving.turns import Batch, Question, answer, new_events, take_in
from tutorial_lib.serving.versions import Version
from tutorial_lib.serving.work import InLoop, InThread, Turn, Work

TOLERANCE = 300  # s: clocks of others may be ahead by so much
MOST = 100  # items in a list


class Call(NamedTuple):
    function: Callable[[], object]
    future: Future


class Service:
    """Events in, lists out. Every method may be called from any thread; the futures hold what is
    named, or `Refused`. `in_loop`: the turns of the worker run in the loop of `app.create_app`,
    where waiting for a future would be waiting for oneself.
    """

    def __init__(
        self,
        store: Store,
        version: Version,
        *,
        watcher: Watcher | None = None,
        clock: Callable[[], float] = time.time,
        in_loop: bool = False,
    ):
        self.store, self.clock, self.watcher = store, clock, watcher or Watcher()
        self.started, self.failed = clock(), ""
        names = "events", "duplicates", "late", "recommendations", "passes"
        self.counts = dict.fromkeys(names, 0)
        self.memory, self.versions, self.default = Memory(store.load()), {}, version.name
        self.memory.learn(version.item_ids)
        version.replay(self.memory.read(version, range(len(self.memory.histories))))
        version.build_index(int(clock()))
        self.versions[version.name] = version
        self.to_work: Work = (InLoop if in_loop else InThread)(self._guarded(self._work))
        self.to_commit: Work = InThread(self._guarded(self._commit))

    @property
    def current(self) -> Version:
        return self.versions[self.default]

    def add(self, events: Sequence[Event], future: Future | None = None) -> "Future[Added]":
        """All of them or none. Refused: an item that nothing knows, a time in the future, a known
        id with another content. `future`: what is to hold the result.
        """
        future, arrival = future or Future(), self.clock()
        try:
            self._check(events, arrival)
        except Refused as refused:
            future.set_exception(refused)
        else:
            self.to_commit.put(Batch(list(events), 0, arrival, future))
        return future

    def recommend(
        self,
        user: str,
        k: int = 10,
        at: int | None = None,
        model: str | None = None,
        future: Future | None = None,
    ) -> "Future[Answer]":
        """The best k for a user at the time `at`, by default now. Refused: an unknown user, model
        or k, and a time before the user's last event. `future`: what is to hold the result.
        """
        future = future or Future()
        version = self.versions.get(self.default if model is None else model)
        if not 1 <= k <= MOST:
            message = mark("k is {k}: ask for 1 to {most} items")
            future.set_exception(Refused(422, message, k=k, most=MOST))
        elif user not in self.memory.users:
            future.set_exception(self._no_user(user))
        elif version is None:
            future.set_exception(self._no_model(model))
        else:
            at = int(self.clock()) if at is None else at
            self.to_work.put(Question(user, k, at, version, future))
        return future

    def call(self, function: Callable[[], object]) -> Future:
        """Runs a function in the worker, between two turns: it may read all that is kept."""
        future = Future()
        self.to_work.put(Call(function, future))
        return future

    def history(self, user: str) -> "Future[list[tuple[str, int]]]":
        """(item, time) of all events of a user."""

        def read() -> list[tuple[str, int]]:
            if user not in self.memory.users:
                raise self._no_user(user)
            mine = self.memory.histories[self.memory.users[user]]
            pairs = zip(mine.items, mine.times, strict=True)
            return [(self.memory.items[item], moment) for item, moment in pairs]

        return self.call(read)

    def people(self, limit: int) -> "Future[list[dict[str, object]]]":
        """Users with the latest events, the latest first."""

        def read() -> list[dict[str, object]]:
            histories = self.memory.histories
            latest = heapq.nlargest(
                limit, self.memory.users.items(), key=lambda pair: histories[pair[1]].times[-1]
            )
            return [
                {
                    "user": user,
                    "events": len(histories[row].times),
                    "last_event": histories[row].times[-1],
                }
                for user, row in latest
            ]

        return self.call(read)

    def install(self, version: Version, default: bool = True) -> Future:
        """Adds a version, or takes the place of the one of the same name. All histories are read in
        the calling thread while the worker goes on answering; requests end with the version they
        began with.
        """
        memory = self.memory

        def snapshot() -> tuple[dict, dict]:
            memory.learn(version.item_ids)
            sizes = dict(enumerate(len(mine.items) for mine in memory.histories))
            return sizes, memory.read(version, sizes)

        sizes, histories = self.call(snapshot).result()
        version.replay(histories)
        version.build_index(int(self.clock()))

        def finish() -> None:
            rows = enumerate(memory.histories)
            newer = [row for row, mine in rows if len(mine.items) != sizes.get(row)]
            version.replay(memory.read(version, newer))
            self.versions = self.versions | {version.name: version}
            if default:
                self.default = version.name

        return self.call(finish)

    def remove(self, name: str) -> Future:
        """Ends a version that is not the current one."""

        def drop() -> None:
            if name not in self.versions:
                raise self._no_model(name)
            if name == self.default:
                message = mark("{name} is the current model: make another one current first")
                raise Refused(409, message, name=name)
            self.versions = {key: one for key, one in self.versions.items() if key != name}

        return self.call(drop)

    def close(self) -> None:
        """Ends both when they have done all that waits; with `in_loop` when the loop has ended."""
        self.to_commit.close()
        self.to_work.close()
        self.store.close()

    def _no_model(self, name: str | None) -> Refused:
        message = mark("there is no model {name!r}: there are {known}")
        return Refused(404, message, name=name, known=", ".join(self.versions))

    def _no_user(self, user: str) -> Refused:
        message = mark("there is no user {user!r}: users come with their first event")
        return Refused(404, message, user=user)

    def _check(self, events: Sequence[Event], arrival: float) -> None:
        latest = int(arrival) + TOLERANCE
        for event in events:
            known = event.item in self.memory.number
            if known and event.time <= latest:
                continue
            seen = (*event[1:], arrival, known, None, None)
            self.call(lambda seen=seen: self.watcher.event(*seen))
            if not known:
                message = mark("event {id!r}: no model knows the item {item!r}")
                raise Refused(404, message, id=event.id, item=event.item)
            message = (
                mark(
                    "event {id!r}: its time {time} is more than {tolerance} s after now ({now}):"
                    " give unix seconds; is it in milliseconds?"
                )
                if event.time > 100 * latest
                else mark(
                    "event {id!r}: its time {time} is more than {tolerance} s after now ({now}):"
                    " give unix seconds"
                )
            )
            values = {"id": event.id, "time": event.time, "tolerance": TOLERANCE}
            raise Refused(422, message, **values, now=int(arrival))

    def _guarded(self, turn: Turn) -> Turn:
        def guarded(jobs: list) -> None:
            try:
                if self.failed:
                    raise RuntimeError(self.failed)
                turn(jobs)
            except BaseException as error:  # states may be wrong now: say so until a new start
                self.failed = self.failed or f"{type(error).__name__}: {error}"
                message = mark("the service failed ({reason}): start it again, no event is lost")
                for job in jobs:
                    if not job.future.done():
                        job.future.set_exception(Refused(503, message, reason=self.failed))

        return guarded

    # The committer

    def _commit(self, batches: list[Batch]) -> None:
        ids = {event.id for batch in batches for event in batch.events}
        known, taken = self.store.known(sorted(ids)), []
        for batch in batches:
            try:
                new = new_events(batch.events, known)
            except Refused as refused:
                batch.future.set_exception(refused)
                continue
            known |= {event.id: event for event in new}
            duplicates = len(batch.events) - len(new)
            taken.append(batch._replace(events=new, duplicates=duplicates))
        if fresh := [event for batch in taken for event in batch.events]:
            try:
                self.store.append(fresh, batches[0].arrival)
            except Exception as error:
                for batch in taken:
                    message = mark("the events could not be kept ({error}): send them again")
                    batch.future.set_exception(Refused(503, message, error=error))
                return
        for batch in taken:
            self.to_work.put(batch)

    # The worker

    def _work(self, jobs: list[Batch | Question | Call]) -> None:
        if batches := [job for job in jobs if isinstance(job, Batch)]:
            known = self.versions.values()
            take_in(batches, self.memory, known, self.current, self.watcher, self.counts)
        if questions := [job for job in jobs if isinstance(job, Question)]:
            answer(questions, self.memory, self.watcher, self.counts)
        for job in jobs:
            if isinstance(job, Call):
                try:
                    job.future.set_result(job.function())
                except Exception as error:
                    job.future.set_exception(error)
