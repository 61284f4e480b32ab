"""A service as tutorials write it: histories in a dictionary, and for every question the whole
window through the model, one at a time.

It keeps its events in memory alone, so unlike ours it need not wait for a disk. And the two services
of the bench, ours and this one, started by `python -m benchmarks.textbook_service ours|textbook`.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
import uvicorn
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel

from tutorial_lib.models import SequenceModel, build_model

DAY = 86_400
EVENTS = 50  # of each user, as many as the model reads


def build(items: int) -> SequenceModel:
    """DeepM3 as it is served, with a field that a solver follows: random weights cost the same."""
    options = {"flow": "autonomous", "solver": "rk4", "query_time": True}
    return build_model("deepm3", num_items=items, max_len=EVENTS, dim=64, **options).eval()


def histories(users: int, items: int) -> tuple[np.ndarray, np.ndarray]:
    """Items and times int64 [users, EVENTS], the last ones within the last ten days."""
    rng, now = np.random.default_rng(0), int(time.time())
    gaps = np.exp(rng.normal(8, 2.5, (users, EVENTS))).astype(np.int64) + 1
    back = gaps[:, ::-1].cumsum(1)[:, ::-1]
    times = now - rng.integers(1, 10 * DAY, (users, 1)) - back
    return rng.integers(1, items + 1, (users, EVENTS)), times


class Event(BaseModel):
    id: str
    user: str
    item: str
    time: int


def textbook(users: int, items: int) -> FastAPI:
    app, model = FastAPI(), build(items)
    known = {
        f"u{user}": list(zip(*rows, strict=True))
        for user, rows in enumerate(
            zip(*(part.tolist() for part in histories(users, items)), strict=True)
        )
    }

    @app.post("/events")
    async def events(event: Event):
        known.setdefault(event.user, []).append((int(event.item[1:]), event.time))
        return {"accepted": 1}

    @app.get("/recommend/{user}")
    async def recommend(user: str, k: int = 10, at: int | None = None):
        if user not in known:
            raise HTTPException(404, "unknown user")
        window = torch.tensor([known[user][-EVENTS:]])  # [1, L, 2]
        history, times = window.unbind(-1)
        asked = torch.cat([times[:, 1:], torch.tensor([[at or int(time.time())]])], dim=1)
        with torch.inference_mode():
            scores = model.score(model(history, times, asked)[:, -1])[0]
            scores[torch.tensor([item for item, _ in known[user]])] = -torch.inf
            best = scores.topk(k)
        pairs = zip(best.indices.tolist(), best.values.tolist(), strict=True)
        return {"user": user, "items": [{"item": f"i{i}", "score": s} for i, s in pairs]}

    return app


def ours(users: int, items: int, folder: Path) -> FastAPI:
    from tutorial_lib.serving.app import create_app
    from tutorial_lib.serving.service import Service
    from tutorial_lib.serving.store import Event, SQLiteStore
    from tutorial_lib.serving.versions import Version
    from tutorial_lib.serving.watch import Monitor

    store, rows = SQLiteStore(folder / "events.sqlite"), zip(*histories(users, items), strict=True)
    store.append(
        [
            Event(f"{user}-{n}", f"u{user}", f"i{item}", moment)
            for user, (one, times) in enumerate(rows)
            for n, (item, moment) in enumerate(zip(one.tolist(), times.tolist(), strict=True))
        ],
        0.0,
    )
    version = Version("deepm3", build(items), [f"i{item}" for item in range(1, items + 1)])
    return create_app(Service(store, version, in_loop=True), Monitor())


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.textbook_service")
    parser.add_argument("which", choices=("ours", "textbook"))
    parser.add_argument("port", type=int)
    parser.add_argument("users", type=int)
    parser.add_argument("items", type=int)
    args = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        given = (args.users, args.items)
        app = ours(*given, Path(folder)) if args.which == "ours" else textbook(*given)
        how = {"log_level": "warning", "access_log": False, "lifespan": "off"}
        uvicorn.run(app, host="127.0.0.1", port=args.port, **how)


if __name__ == "__main__":
    sys.exit(main())
