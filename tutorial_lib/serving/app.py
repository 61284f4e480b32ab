"""The service over HTTP. Taught in lesson 21.

Every error is `{"error": sentence}` with a 4xx, and then nothing has been done. No page asks for
anything from another host.
"""

import asyncio
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
from tutorial_lib.serving import describe
from tutorial_lib.serving import reading as read
from tutorial_lib.serving.delivery import Delivery
from tutorial_lib.serving.messages import Answer, Refused, Watcher
from tutorial_lib.serving.metrics import Latencies, exposition
from tutorial_lib.serving.service import Service
from tutorial_lib.serving.versions import Version
from tutorial_lib.serving.work import InLoop

NOT_HERE = mark("{method} {path}: {why}")
REASONS = mark("Not Found"), mark("Method Not Allowed")  # of starlette, which NOT_HERE passes on
LISTS = "/recommend/"
PAGE = Path(__file__).parent / "page"
Labels = dict[str, dict[str, object]]


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
    about = describe.about
    app = FastAPI(
        title=describe.TITLE,
        version="1",
        openapi_url=None,  # it is told below, in the language of who asks
        docs_url=None,
        redoc_url=None,
        responses=describe.RESPONSES,
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

    @app.post("/events", **about("events", schema=describe.EVENTS))
    async def events(request: Request) -> Response:
        read.read_query(request, ())
        found = read.read_events(await read.read_json(request))
        added = await service.add(found, delivery().future()).waits
        return as_json(added._asdict())

    @app.get("/recommend/{user}", **about("recommend", "k", "at", "model"))
    async def recommend(user: str, request: Request) -> Response:
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

    @app.get("/users/{user}", **about("history"))
    async def history(user: str, request: Request) -> Response:
        read.read_query(request, ())
        found = await asyncio.wrap_future(service.history(user))
        past = [shown(item) | {"time": moment} for item, moment in found]
        return as_json({"user": user, "events": len(past), "history": past})

    @app.get("/people", **about("people", "limit"))
    async def people(request: Request) -> Response:
        read.read_query(request, ("limit",))
        limit = read.read_number(request, "limit", 50)
        if not 1 <= limit <= describe.PEOPLE:
            message = mark("limit is {limit}: ask for 1 to {most} people")
            raise Refused(422, message, limit=limit, most=describe.PEOPLE)
        return as_json({"people": await asyncio.wrap_future(service.people(limit))})

    @app.get("/models", **about("models"))
    async def models() -> Response:
        found = [version.facts() for version in service.versions.values()]
        return as_json({"current": service.default, "models": found})

    if load:

        @app.post("/models", **about("add_model", schema=describe.RUN))
        async def add_model(request: Request) -> Response:
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

        @app.delete("/models/{name}", **about("remove_model"))
        async def remove_model(name: str) -> Response:
            await asyncio.wrap_future(service.remove(name))
            return as_json({"current": service.default, "models": list(service.versions)})

    @app.post("/items", **about("add_item"))
    async def add_item() -> Response:
        message = mark(
            "an item comes with a model that has a vector for it: train a run on its events, then"
            " send POST /models with that run"
        )
        raise Refused(409, message)

    @app.get("/health", **about("health"))
    async def health() -> Response:
        facts = {
            "status": service.failed or "ok",
            "model": service.default,
            "users": len(service.memory.users),
            "items": len(service.memory.items),
            "uptime_seconds": round(service.clock() - service.started, 1),
        }
        return as_json(facts, 503 if service.failed else 200)

    @app.get("/watch", **about("watch"))
    async def watch() -> Response:
        return as_json(await asyncio.wrap_future(service.call(service.watcher.metrics)))

    @app.get("/metrics", **about("metrics"), response_class=PlainTextResponse)
    async def metrics() -> PlainTextResponse:
        watched = await asyncio.wrap_future(service.call(service.watcher.prometheus))
        text = exposition(service, statuses, latencies) + watched
        return PlainTextResponse(text, media_type="text/plain; version=0.0.4")

    @app.get("/openapi.json", include_in_schema=False)
    async def openapi(request: Request) -> Response:
        return as_json(describe.told(app.openapi(), wanted_language(request)))

    @app.get("/docs", response_class=HTMLResponse, include_in_schema=False)
    async def docs(request: Request) -> HTMLResponse:
        code = wanted_language(request)
        return HTMLResponse(describe.page(describe.told(app.openapi(), code), code))

    if PAGE.is_dir():
        app.mount("/", StaticFiles(directory=PAGE, html=True))
    return app
