"""A turn of the worker: events enter histories and states, then all questions are answered at once.

Taught in lesson 21.
"""

from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from typing import NamedTuple

import torch

from tutorial_lib.language import mark
from tutorial_lib.serving.memory import Memory
from tutorial_lib.serving.messages import Added, Answer, Refused, Watcher
from tutorial_lib.serving.store import Event
from tutorial_lib.serving.versions import Version


class Batch(NamedTuple):
    """Events that came in one request: those to keep, and how many were known before."""

    events: list[Event]
    duplicates: int
    arrival: float
    future: "Future[Added]"


class Question(NamedTuple):
    user: str
    k: int
    at: int
    version: Version
    future: "Future[Answer]"


class Arrived(NamedTuple):
    """An event that has entered its history: the user's row, seconds since the last event (None:
    the first), and whether the state goes on from there.
    """

    event: Event
    arrival: float
    row: int
    gap: float | None
    in_order: bool


def new_events(events: Sequence[Event], known: dict[str, Event]) -> list[Event]:
    """Those whose ids are new, each once. Refused: an id that stands for another event already."""
    new: dict[str, Event] = {}
    for event in events:
        before = known.get(event.id) or new.get(event.id)
        if before is None:
            new[event.id] = event
        elif before != event:
            message = mark(
                "the id {id!r} is taken: by it {user!r} chose {item!r} at {time}; give a new id"
            )
            raise Refused(409, message, **before._asdict())
    return list(new.values())


def take_in(
    batches: Sequence[Batch],
    memory: Memory,
    versions: Iterable[Version],
    current: Version,
    watcher: Watcher,
    counts: dict[str, int],
) -> None:
    """Events that are safe in the store enter the histories and the states of all versions."""
    turns: list[list[Arrived]] = []  # a user once in each
    depth: dict[int, int] = {}
    again: set[int] = set()  # users whose state is made anew
    done = []
    for batch in batches:
        late = 0
        for event in batch.events:
            gap = memory.gap(event)
            row, in_order = memory.insert(event)
            if not in_order:
                late += 1
                again.add(row)
            place = depth[row] = depth.get(row, -1) + 1
            if place == len(turns):
                turns.append([])
            turns[place].append(Arrived(event, batch.arrival, row, gap, in_order))
        done.append(Added(len(batch.events), batch.duplicates, late))
    for version in versions:
        version.states.rows.grow(len(memory.histories))
    for turn in turns:
        ranks = [None] * len(turn)
        if getattr(watcher, "ranks", True):
            ranks = ranked(current, memory, turn)
        for (event, arrival, _, gap, _), rank in zip(turn, ranks, strict=True):
            watcher.event(*event[1:], arrival, True, gap, rank)
        for version in versions:
            step(version, memory, [one for one in turn if one.row not in again])
    for version in versions:
        version.replay(memory.read(version, again))
    for batch, added in zip(batches, done, strict=True):
        counts["events"] += added.accepted
        counts["duplicates"] += added.duplicates
        counts["late"] += added.late
        batch.future.set_result(added)


def step(version: Version, memory: Memory, turn: Sequence[Arrived]) -> None:
    """One more event of each user, but those of items that the version does not know."""
    numbers = version.numbers(memory.items)
    new = [(one.row, numbers[memory.number[one.event.item]], one.event.time) for one in turn]
    if new := [one for one in new if one[1]]:
        version.states.add(*torch.tensor(new).unbind(1))


@torch.inference_mode()
def ranked(version: Version, memory: Memory, turn: Sequence[Arrived]) -> list[int | None]:
    """Place of each item, from 1, in the ranking of all items just before its event; None where it
    comes late or there is nothing to rank by.
    """
    numbers, ranks = version.numbers(memory.items), [None] * len(turn)
    places = [
        place
        for place, one in enumerate(turn)
        if one.in_order and version.knows(one.row) and numbers[memory.number[one.event.item]]
    ]
    if not places:
        return ranks
    rows = [turn[place].row for place in places]
    times = torch.tensor([turn[place].event.time for place in places])
    scores = version.model.score(version.states.read(torch.tensor(rows), times))
    item = torch.tensor([numbers[memory.number[turn[place].event.item]] for place in places])
    own = scores.gather(1, item[:, None])
    if version.seen_out:
        version.hide(scores, memory.seen(version, rows))
    for place, rank in zip(places, (1 + (scores > own).sum(1)).tolist(), strict=True):
        ranks[place] = rank
    return ranks


def answer(
    questions: Sequence[Question], memory: Memory, watcher: Watcher, counts: dict[str, int]
) -> None:
    """One pass of each version for all that ask it."""
    asked: dict[Version, list[Question]] = {}
    for question in questions:
        row, version = memory.users[question.user], question.version
        last = memory.histories[row].times[-1]
        if question.at < last:
            message = mark(
                "the clock runs backwards: at={at} is before the last event of user {user!r}"
                " ({last})"
            )
            values = {"at": question.at, "user": question.user, "last": last}
            question.future.set_exception(Refused(409, message, **values))
        elif not version.knows(row):
            message = mark("the model {model} knows none of the items of user {user!r}")
            refused = Refused(409, message, model=version.name, user=question.user)
            question.future.set_exception(refused)
        else:
            asked.setdefault(version, []).append(question)
    for version, group in asked.items():
        counts["passes"] += 1
        counts["recommendations"] += len(group)
        for question, got in zip(group, lists(version, memory, group), strict=True):
            watcher.recommended(got.user, got.items, got.scores, got.at)
            question.future.set_result(got)


def lists(version: Version, memory: Memory, asked: Sequence[Question]) -> list[Answer]:
    rows = [memory.users[question.user] for question in asked]
    at, most = [question.at for question in asked], max(question.k for question in asked)
    scores, best = version.answer(rows, at, memory.seen(version, rows), most)
    return [
        one_list(question, memory.histories[row].times[-1], *found)
        for question, row, *found in zip(asked, rows, best.tolist(), scores.tolist(), strict=True)
    ]


def one_list(question: Question, last: int, items: list[int], scores: list[float]) -> Answer:
    """Cut to k; what has the score -inf is no candidate."""
    ids, k = question.version.item_ids, question.k
    kept = [(ids[i - 1], s) for i, s in zip(items[:k], scores[:k], strict=True) if s > -1e30]
    names, values = [name for name, _ in kept], [value for _, value in kept]
    return Answer(question.user, question.at, last, question.version, names, values)
