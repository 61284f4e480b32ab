"""The service over HTTP. Taught in lesson 21.

Every error is `{"error": sentence}` with a 4xx, and then nothing has been done. No page asks for
anything from another host.
"""

import asyncio
import html
import json
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, PlainTextResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from tutorial_lib.errors import TutorialError
from tutorial_lib.language import LANGUAGES, language, mark, spoken
from tutorial_lib.serving import reading as read
from tutorial_lib.serving.delivery import Delivery
from tutorial_lib.serving.messages import Answer, Refused, Watcher
from tutorial_lib.serving.metrics import Latencies, exposition
from tutorial_lib.serving.service import MOST, Service
from tutorial_lib.serving.versions import Version
from tutorial_lib.serving.work import InLoop

NOT_HERE = mark("{method} {path}: {why}")
REASONS = mark("Not Found"), mark("Method Not Allowed")  # of starlette, which NOT_HERE passes on
LISTS = "/recommend/"
PAGE = Path(__file__).parent / "page"
Labels = dict[str, dict[str, object]]

ID = {"type": "string", "maxLength": read.LONGEST}
EVENT = {
    "type": "object",
    "required": list(read.FIELDS),
    "properties": dict.fromkeys(read.FIELDS[:3], ID) | {"time": {"type": "integer"}},
    "additionalProperties": False,
}


def body(schema: dict[str, object]) -> dict[str, object]:
    """For the description of the interface: bodies are read by `reading`, not by FastAPI."""
    return {
        "openapi_extra": {
            "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}
        }
    }


def query(**about: str) -> dict[str, object]:
    kinds = {"model": "string"}
    return {
        "openapi_extra": {
            "parameters": [
                {
                    "name": name,
                    "in": "query",
                    "description": text,
                    "schema": {"type": kinds.get(name, "integer")},
                }
                for name, text in about.items()
            ]
        }
    }


def as_json(found: object, status: int = 200) -> Response:
    content = json.dumps(found, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Response(content.encode(), status, media_type="application/json")


def wanted_language(request: Request) -> str:
    """The first language of Accept-Language that is ours, else that of the service."""
    for one in request.headers.get("accept-language", "").split(","):
        code = one.strip()[:2].lower()
        if code in LANGUAGES:
            return code
    return language()


def create_app(
    service: Service,
    monitor: Watcher | None = None,
    *,
    labels: Labels | None = None,
    load: Callable[[str, str | None], Version] | None = None,
) -> FastAPI:
    """The application around a running service, which it does not close.

    `labels`: item id -> facts that are shown with it, `label` among them. `load`: (run, name) -> a
    version, for `POST /models`; without it there is no such request.
    """
    if monitor is not None:
        service.watcher = monitor
    labels, latencies, statuses = labels or {}, Latencies(), Counter()
    loading, loops = threading.Lock(), {}
    app = FastAPI(
        title="Recommendations in continuous time", docs_url=None, redoc_url=None, version="1"
    )

    def delivery() -> Delivery:
        loop = asyncio.get_running_loop()
        if loops.get("delivery") is None or loops["delivery"].loop is not loop:
            loops["delivery"] = Delivery(loop)
            if isinstance(service.to_work, InLoop):
                service.to_work.enter(loop)
        return loops["delivery"]

    def shown(item: str) -> dict[str, object]:
        return {"item": item, "label": item} | labels.get(item, {})

    def shown_answer(answer: Answer) -> dict[str, object]:
        pairs = zip(answer.items, answer.scores, strict=True)
        return {
            "user": answer.user,
            "model": answer.version.name,
            "at": answer.at,
            "last_event": answer.last_event,
            "items": [shown(item) | {"score": round(score, 6)} for item, score in pairs],
        }

    @app.exception_handler(TutorialError)
    async def refused(request: Request, error: TutorialError) -> Response:
        if not isinstance(error, Refused):
            return as_json({"error": str(error)}, 422)
        return as_json({"error": error.told(wanted_language(request))}, error.status)

    @app.exception_handler(HTTPException)
    async def not_found(request: Request, error: HTTPException) -> Response:
        values = {"method": request.method, "path": request.url.path[:100], "why": error.detail}
        message = spoken(wanted_language(request), NOT_HERE, **values)
        return as_json({"error": message}, error.status_code)

    class Counted:
        """Counts answers by status and measures them, around everything else."""

        def __init__(self, app):
            self.app = app

        async def __call__(self, scope, receive, send):
            if scope["type"] != "http":
                return await self.app(scope, receive, send)
            delivery()  # the loop of this request is that of the service
            begin, status = time.perf_counter(), [500]

            async def note(message):
                if message["type"] == "http.response.start":
                    status[0] = message["status"]
                await send(message)

            path, answered = hot(scope)
            try:
                if answered is None:
                    await self.app(scope, receive, note)
                    path = getattr(scope.get("route"), "path", "other")
                else:
                    request = Request(scope, receive)
                    try:
                        found = await answered(request)
                    except TutorialError as error:
                        found = await refused(request, error)
                    await found(scope, receive, note)
            finally:
                path = path if status[0] < 400 else "other"
                statuses[scope["method"], path, status[0]] += 1
                latencies.add(path, time.perf_counter() - begin)

    app.add_middleware(Counted)

    @app.post("/events", **body({"oneOf": [EVENT, {"type": "array", "items": EVENT}]}))
    async def events(request: Request) -> Response:
        """Takes in one event or a list, all or none. A known id changes nothing."""
        read.read_query(request, ())
        found = read.read_events(await read.read_json(request))
        added = await service.add(found, delivery().future()).waits
        return as_json(added._asdict())

    @app.get(
        "/recommend/{user}",
        **query(k=f"1 to {MOST}, 10", at="query time, unix seconds, now", model="by its name"),
    )
    async def recommend(user: str, request: Request) -> Response:
        """The best k items for a user at a time."""
        read.read_query(request, ("k", "at", "model"))
        k, at = read.read_number(request, "k", 10), read.read_number(request, "at", None)
        model = request.query_params.get("model")
        asked = service.recommend(user, k, at, model, delivery().future())
        return as_json(shown_answer(await asked.waits))

    def hot(scope) -> tuple[str, Callable[[Request], Awaitable[Response]] | None]:
        """The two requests that come most are answered without the layers of FastAPI, which take
        as long as the answer: (path as in the description, what answers).
        """
        method, path = scope["method"], scope["path"]
        if method == "GET" and path.startswith(LISTS) and "/" not in (user := path[len(LISTS) :]):
            return LISTS + "{user}", partial(recommend, user) if user else None
        return path, events if (method, path) == ("POST", "/events") else None

    @app.get("/users/{user}")
    async def history(user: str, request: Request) -> Response:
        """All events of a user, in the order of time."""
        read.read_query(request, ())
        found = await asyncio.wrap_future(service.history(user))
        past = [shown(item) | {"time": moment} for item, moment in found]
        return as_json({"user": user, "events": len(past), "history": past})

    @app.get("/people", **query(limit="1 to 1000, 50"))
    async def people(request: Request) -> Response:
        """Some users, those with the latest events first."""
        read.read_query(request, ("limit",))
        limit = read.read_number(request, "limit", 50)
        if not 1 <= limit <= 1000:
            message = mark("limit is {limit}: ask for 1 to 1000 people")
            raise Refused(422, message, limit=limit)
        return as_json({"people": await asyncio.wrap_future(service.people(limit))})

    @app.get("/models")
    async def models() -> Response:
        """The versions that are loaded, and which of them answers."""
        found = [version.facts() for version in service.versions.values()]
        return as_json({"current": service.default, "models": found})

    if load:
        run = {"type": "object", "required": ["run"]}
        run["properties"] = {"run": ID, "name": ID, "current": {"type": "boolean"}}

        @app.post("/models", **body(run))
        async def add_model(request: Request) -> Response:
            """Loads a finished run beside the others; by default it becomes the current one."""
            read.read_query(request, ())
            found = await read.read_json(request)
            if not isinstance(found, dict) or not {"run"} <= set(found) <= {
                "run",
                "name",
                "current",
            }:
                raise Refused(422, mark("send an object with run, and perhaps name and current"))
            folder = read.read_id(found["run"], "run")
            name = read.read_id(found["name"], "name") if "name" in found else None
            current = found.get("current", True)
            if not isinstance(current, bool):
                raise Refused(422, mark("current must be true or false"))

            def work() -> Version:
                with loading:  # one at a time
                    version = load(folder, name)
                    service.install(version, current).result()
                return version

            version = await asyncio.to_thread(work)
            return as_json({"current": service.default, "added": version.facts()}, 201)

        @app.delete("/models/{name}")
        async def remove_model(name: str) -> Response:
            """Ends a version that is not the current one."""
            await asyncio.wrap_future(service.remove(name))
            return as_json({"current": service.default, "models": list(service.versions)})

    @app.get("/health")
    async def health() -> Response:
        """200 while all is well, else 503."""
        facts = {
            "status": service.failed or "ok",
            "model": service.default,
            "users": len(service.memory.users),
            "items": len(service.memory.items),
            "uptime_seconds": round(service.clock() - service.started, 1),
        }
        return as_json(facts, 503 if service.failed else 200)

    @app.get("/watch")
    async def watch() -> Response:
        """What the monitor knows, as JSON."""
        return as_json(await asyncio.wrap_future(service.call(service.watcher.metrics)))

    @app.get("/metrics", response_class=PlainTextResponse)
    async def metrics() -> PlainTextResponse:
        """Everything that is counted, as Prometheus reads it."""
        watched = await asyncio.wrap_future(service.call(service.watcher.prometheus))
        text = exposition(service, statuses, latencies) + watched
        return PlainTextResponse(text, media_type="text/plain; version=0.0.4")

    @app.get("/docs", response_class=HTMLResponse, include_in_schema=False)
    async def docs() -> HTMLResponse:
        rows = [
            f"<tr><td>{method.upper()}</td><td><code>{html.escape(path)}</code></td>"
            f"<td>{html.escape(about.get('description', ''))}</td></tr>"
            for path, methods in app.openapi()["paths"].items()
            for method, about in methods.items()
        ]
        return HTMLResponse(DOCS.format(title=html.escape(app.title), rows="\n".join(rows)))

    if PAGE.is_dir():
        app.mount("/", StaticFiles(directory=PAGE, html=True))
    return app


DOCS = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>{title}</title>
<style>body {{ font: 16px sans-serif; max-width: 50em; margin: 2em auto; padding: 0 1em }}
td {{ padding: .3em 1em .3em 0; vertical-align: top }}</style>
<h1>{title}</h1>
<p>The whole description for machines: <a href="openapi.json">openapi.json</a> (OpenAPI 3.1).</p>
<table>{rows}</table>
"""
