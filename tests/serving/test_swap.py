"""A new model with new items comes in over HTTP while others ask and write: nothing is dropped."""

import asyncio
import json
import threading
import time

import pytest

from benchmarks.load import Connection
from tests.serving.world import FIRST, NOW, by_hand, running, version
from tutorial_lib.serving.app import create_app

uvicorn = pytest.importorskip("uvicorn")
USERS = 8


def load(run, name):
    """Run 31 knows the items i1 to i31, and so on."""
    return version(name, items=int(run))


class Served:
    """A service as `python -m tutorial_lib.serving` runs it, in a thread of this process."""

    def __init__(self, service):
        config = uvicorn.Config(
            create_app(service, load=load), port=0, log_level="error", lifespan="off"
        )
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run)

    def __enter__(self):
        self.thread.start()
        while not self.server.started:
            time.sleep(0.01)
        return self.server.servers[0].sockets[0].getsockname()[1]

    def __exit__(self, *error):
        self.server.should_exit = True
        self.thread.join()


async def ask(connection, method, path, body=None):
    content = b"" if body is None else json.dumps(body).encode()
    status, said = await connection.send((method, path, content))
    return status, json.loads(said)


async def under_load(port, models):
    """Users write and ask until all models have been installed and used; what went wrong."""
    ended, wrong, names = asyncio.Event(), [], set()

    async def user(name):
        connection, number = await Connection().open(port), 0
        while not ended.is_set():
            number += 1
            event = {"id": f"{name}{number}", "user": name, "item": f"i{1 + number % 19}"}
            status, said = await ask(connection, "POST", "/events", event | {"time": NOW})
            if status != 200:
                wrong.append(said)
            status, said = await ask(connection, "GET", f"/recommend/{name}?at={NOW}")
            if status != 200 or not said["items"]:
                wrong.append(said)
            names.add(said.get("model"))
        connection.close()

    async def swap():
        connection = await Connection().open(port)
        try:
            for items in models:
                new = {"id": f"new{items}", "user": "ann", "item": f"i{items}", "time": NOW}
                status, said = await ask(connection, "POST", "/events", new)
                assert status == 404 and "no model knows the item" in said["error"]
                run = {"run": str(items), "name": f"m{items}"}
                status, said = await ask(connection, "POST", "/models", run)
                assert status == 201 and said["current"] == f"m{items}"
                assert (await ask(connection, "POST", "/events", new))[0] == 200
                await asyncio.sleep(0.1)
        finally:
            ended.set()
            connection.close()

    await asyncio.gather(swap(), *(user(f"u{n}") for n in range(USERS)))
    return wrong, names


@pytest.mark.parametrize("in_loop", [True, False])
def test_a_model_with_new_items_comes_in_under_load(in_loop):
    models = (31, 32, 33, 34)
    with running(first=None, in_loop=in_loop) as service, Served(service) as port:

        async def main():
            first = await Connection().open(port)
            await ask(first, "POST", "/events", [one._asdict() for one in FIRST])
            first.close()
            return await under_load(port, models)

        wrong, names = asyncio.run(main())
        assert not wrong and names >= {"deepm3", "m31", "m32", "m33", "m34"}

        async def after():
            connection, found = await Connection().open(port), {}
            for user in ("ann", *(f"u{n}" for n in range(USERS))):
                _, past = await ask(connection, "GET", f"/users/{user}")
                found[user] = (
                    [(one["item"], one["time"]) for one in past["history"]],
                    (await ask(connection, "GET", f"/recommend/{user}?at={NOW}"))[1],
                )
            connection.close()
            return found

        newest = version("m34", items=34)
        for user, (history, got) in asyncio.run(after()).items():
            items, scores = by_hand(newest, history, NOW)
            assert [one["item"] for one in got["items"]] == items, user
            assert [one["score"] for one in got["items"]] == pytest.approx(scores, abs=1e-3)
            if user == "ann":
                assert [item for item, _ in history[-4:]] == [f"i{n}" for n in models]
