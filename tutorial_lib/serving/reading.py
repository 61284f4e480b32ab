"""What comes in over HTTP, read strictly: a sentence with the right status for whatever is wrong.

Taught in lesson 21.
"""

import json
import re

from fastapi import Request

from tutorial_lib.serving.messages import Refused
from tutorial_lib.serving.store import Event

LARGEST = 1_000_000  # bytes of a body
EVENTS = 1_000  # events in a body
LONGEST = 200  # letters of an id
LATEST = 2**53  # s: whole numbers that every client can write
FIELDS = ("id", "user", "item", "time")


async def read_json(request: Request) -> object:
    """The body of a request, never more of it than is allowed."""
    too_large = Refused(413, f"the body is larger than {LARGEST} bytes: send it in parts")
    said = request.headers.get("content-length", "0")
    if said.isdecimal() and int(said[:20]) > LARGEST:
        raise too_large
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > LARGEST:
            raise too_large
    try:
        return json.loads(body.decode("utf-8"), parse_constant=refuse_constant)
    except (ValueError, RecursionError) as error:
        raise Refused(400, f"the body is no JSON in UTF-8 ({type(error).__name__})") from None


def refuse_constant(word: str) -> None:
    raise ValueError(word)


def read_events(body: object) -> list[Event]:
    """One event as an object, or a list of them."""
    found = body if isinstance(body, list) else [body]
    if not found or len(found) > EVENTS:
        raise Refused(422, f"got {len(found)} events: send 1 to {EVENTS} at a time")
    return [read_event(one, f"event {place}") for place, one in enumerate(found)]


def read_event(found: object, where: str) -> Event:
    if not isinstance(found, dict):
        kind = type(found).__name__
        raise Refused(422, f"{where} is {kind}: an event is an object with {', '.join(FIELDS)}")
    for name in (*FIELDS, *found):
        if name not in found or name not in FIELDS:
            what = "lacks" if name not in found else "has the unknown field"
            raise Refused(422, f"{where} {what} {name[:50]!r}: an event has {', '.join(FIELDS)}")
    ids = (read_id(found[name], f"{name} of {where}") for name in FIELDS[:3])
    return Event(*ids, read_time(found["time"], f"time of {where}"))


def read_id(value: object, where: str) -> str:
    """Text, or a whole number, which stands for its digits."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < LATEST:
        return str(value)
    if isinstance(value, str) and 0 < len(value) <= LONGEST and value.isprintable():
        return value
    raise Refused(
        422, f"the {where} must be a text of 1 to {LONGEST} printable letters, or a whole number"
    )


def read_time(value: object, where: str) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < LATEST:
        return value
    raise Refused(422, f"the {where} must be a whole number of unix seconds, from 0")


def read_number(request: Request, name: str, default: int | None) -> int | None:
    """A whole number of the query string."""
    texts = request.query_params.getlist(name)
    if not texts:
        return default
    if len(texts) > 1 or not re.fullmatch("[0-9]{1,15}", texts[0]):
        raise Refused(422, f"{name}={texts[0][:50]!r}: give one whole number, from 0")
    return int(texts[0])


def read_query(request: Request, known: tuple[str, ...]) -> None:
    """Refuses misspelt parameters, which would otherwise be without effect."""
    if unknown := [name for name in request.query_params if name not in known]:
        takes = ", ".join(known) or "none"
        raise Refused(422, f"unknown parameter {unknown[0][:50]!r}: known are {takes}")
