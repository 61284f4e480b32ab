"""What comes in over HTTP, read strictly: a sentence with the right status for whatever is wrong.

Taught in lesson 21.
"""

import json
import re

from fastapi import Request

from tutorial_lib.language import mark
from tutorial_lib.serving.messages import Refused
from tutorial_lib.serving.store import Event

LARGEST = 1_000_000  # bytes of a body
EVENTS = 1_000  # events in a body
LONGEST = 200  # letters of an id
LATEST = 2**53  # s: whole numbers that every client can write
FIELDS = ("id", "user", "item", "time")


async def read_json(request: Request) -> object:
    """The body of a request, never more of it than is allowed."""
    message = mark("the body is larger than {most} bytes: send it in parts")
    too_large = Refused(413, message, most=LARGEST)
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
        message = mark("the body is no JSON in UTF-8 ({error})")
        raise Refused(400, message, error=type(error).__name__) from None


def refuse_constant(word: str) -> None:
    raise ValueError(word)


def read_events(body: object) -> list[Event]:
    """One event as an object, or a list of them."""
    found = body if isinstance(body, list) else [body]
    if not found or len(found) > EVENTS:
        message = mark("got {count} events: send 1 to {most} at a time")
        raise Refused(422, message, count=len(found), most=EVENTS)
    return [read_event(one, place) for place, one in enumerate(found)]


def read_event(found: object, place: int) -> Event:
    fields = ", ".join(FIELDS)
    if not isinstance(found, dict):
        message = mark("event {place} is {kind}: an event is an object with {fields}")
        raise Refused(422, message, place=place, kind=type(found).__name__, fields=fields)
    for name in (*FIELDS, *found):
        if name not in found:
            message = mark("event {place} lacks {name!r}: an event has {fields}")
            raise Refused(422, message, place=place, name=name, fields=fields)
        if name not in FIELDS:
            message = mark("event {place} has the unknown field {name!r}: an event has {fields}")
            raise Refused(422, message, place=place, name=name[:50], fields=fields)
    ids = (read_id(found[name], name, place) for name in FIELDS[:3])
    return Event(*ids, read_time(found["time"], place))


def read_id(value: object, field: str, place: int | None = None) -> str:
    """Text, or a whole number, which stands for its digits. `place`: of its event."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < LATEST:
        return str(value)
    if isinstance(value, str) and 0 < len(value) <= LONGEST and value.isprintable():
        return value
    message = (
        mark("the {field} must be a text of 1 to {most} printable letters, or a whole number")
        if place is None
        else mark(
            "the {field} of event {place} must be a text of 1 to {most} printable letters, or a"
            " whole number"
        )
    )
    raise Refused(422, message, field=field, place=place, most=LONGEST)


def read_time(value: object, place: int) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < LATEST:
        return value
    message = mark("the time of event {place} must be a whole number of unix seconds, from 0")
    raise Refused(422, message, place=place)


def read_number(request: Request, name: str, default: int | None) -> int | None:
    """A whole number of the query string."""
    texts = request.query_params.getlist(name)
    if not texts:
        return default
    if len(texts) > 1 or not re.fullmatch("[0-9]{1,15}", texts[0]):
        message = mark("{name}={text!r}: give one whole number, from 0")
        raise Refused(422, message, name=name, text=texts[0][:50])
    return int(texts[0])


def read_query(request: Request, known: tuple[str, ...]) -> None:
    """Refuses misspelt parameters, which would otherwise be without effect."""
    if unknown := [name for name in request.query_params if name not in known]:
        message = (
            mark("unknown parameter {name!r}: known are {known}")
            if known
            else mark("unknown parameter {name!r}: known are none")
        )
        raise Refused(422, message, name=unknown[0][:50], known=", ".join(known))
