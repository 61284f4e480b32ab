"""The description of the interface: openapi.json, and the page /docs, in the language of who asks.

Taught in lesson 21.
"""

import html

from tutorial_lib.language import mark, spoken
from tutorial_lib.serving import reading as read
from tutorial_lib.serving.service import MOST, TOLERANCE

TITLE = mark("Recommendations in continuous time")
PEOPLE = 1000  # users in a list, at most
VALUES = {"most": MOST, "events": read.EVENTS, "tolerance": TOLERANCE, "people": PEOPLE}
ABOUT = {
    "events": mark(
        "Takes in one event or a list of up to {events}, all of them or none. An event whose id is"
        " known changes nothing; with another content it is refused. A late one enters at its place"
        " in time. One of an unknown item, or of more than {tolerance} s after now, is refused."
    ),
    "recommend": mark(
        "The best k items for a user at a time. A time before the user's last event is refused."
    ),
    "history": mark("All events of a user, in the order of time."),
    "people": mark("Some users, those with the latest events first."),
    "models": mark("The versions that are loaded, and which of them answers."),
    "add_model": mark(
        "Loads a finished run beside the others. By default it becomes the current one; requests"
        " that have begun end with the one before. New items come in with a run that has them."
    ),
    "remove_model": mark("Ends a version that is not the current one."),
    "add_item": mark(
        "Always refused: an item comes with a model that has a vector for it, by POST /models."
    ),
    "health": mark("200 while all is well, else 503."),
    "watch": mark("What the monitor knows, as JSON."),
    "metrics": mark("Everything that is counted, as Prometheus reads it."),
}
PARAMETERS = {
    "k": mark("how many items, 1 to {most}; without it 10"),
    "at": mark("query time in unix seconds; without it now"),
    "model": mark("name of a version; without it the current one"),
    "limit": mark("how many users, 1 to {people}; without it 50"),
}
DONE = mark("Done.")
REFUSED = mark("Refused, and nothing has been done: the error is a sentence that says why.")
WHOLE = mark("The whole description for machines:")

ID = {"type": "string", "maxLength": read.LONGEST}
EVENT = {
    "type": "object",
    "required": list(read.FIELDS),
    "properties": dict.fromkeys(read.FIELDS[:3], ID) | {"time": {"type": "integer"}},
    "additionalProperties": False,
}
EVENTS = {"oneOf": [EVENT, {"type": "array", "items": EVENT, "maxItems": read.EVENTS}]}
RUN = {
    "type": "object",
    "required": ["run"],
    "properties": {"run": ID, "name": ID, "current": {"type": "boolean"}},
    "additionalProperties": False,
}
ERROR = {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}}
RESPONSES = {
    "4XX": {"description": REFUSED, "content": {"application/json": {"schema": ERROR}}},
}


def about(
    name: str, *parameters: str, schema: dict[str, object] | None = None
) -> dict[str, object]:
    """What FastAPI is told of a request. `parameters` of its query and the `schema` of its body are
    read by `reading`, not by FastAPI.
    """
    extra: dict[str, object] = {}
    if parameters:
        extra["parameters"] = [
            {
                "name": one,
                "in": "query",
                "description": PARAMETERS[one],
                "schema": {"type": "string" if one == "model" else "integer"},
            }
            for one in parameters
        ]
    if schema:
        content = {"application/json": {"schema": schema}}
        extra["requestBody"] = {"required": True, "content": content}
    return {
        "summary": name,
        "description": ABOUT[name],
        "response_description": DONE,
        "openapi_extra": extra,
    }


def told(found: object, code: str) -> object:
    """A description with its texts in a language."""
    if isinstance(found, list):
        return [told(one, code) for one in found]
    if not isinstance(found, dict):
        return found
    texts = {
        key: spoken(code, found[key], **VALUES)
        for key in ("title", "description")
        if isinstance(found.get(key), str)
    }
    return {key: told(one, code) for key, one in found.items()} | texts


def page(found: dict[str, object], code: str) -> str:
    """A description, `told` before, as HTML."""

    def row(method: str, path: str, one: dict) -> str:
        asked = "".join(
            f"<br><code>{html.escape(each['name'])}</code>: {html.escape(each['description'])}"
            for each in one.get("parameters", [])
            if "description" in each
        )
        return (
            f"<tr><td>{method.upper()}</td><td><code>{html.escape(path)}</code></td>"
            f"<td>{html.escape(one['description'])}{asked}</td></tr>"
        )

    rows = (
        row(method, path, one)
        for path, methods in found["paths"].items()
        for method, one in methods.items()
    )
    return DOCS.format(
        lang={"zh": "zh-CN"}.get(code, code),
        title=html.escape(found["info"]["title"]),
        whole=html.escape(spoken(code, WHOLE)),
        rows="\n".join(rows),
    )


DOCS = """<!doctype html>
<html lang="{lang}"><meta charset="utf-8"><title>{title}</title>
<style>body {{ font: 16px sans-serif; max-width: 50em; margin: 2em auto; padding: 0 1em }}
td {{ padding: .3em 1em .3em 0; vertical-align: top }}</style>
<h1>{title}</h1>
<p>{whole} <a href="openapi.json">openapi.json</a> (OpenAPI 3.1)</p>
<table>{rows}</table>
"""
