"""A small service for tests: 30 items, three users with some events, a clock that stands still."""

from contextlib import contextmanager

import torch

from tutorial_lib.models import build_model
from tutorial_lib.serving.service import Service
from tutorial_lib.serving.store import Event, SQLiteStore
from tutorial_lib.serving.versions import Version

NUM_ITEMS, LENGTH, NOW = 30, 12, 1_700_000_000
ITEM_IDS = [f"i{number}" for number in range(1, NUM_ITEMS + 1)]
FIRST = [
    Event("a1", "ann", "i3", NOW - 5000),
    Event("b1", "bob", "i7", NOW - 4000),
    Event("a2", "ann", "i4", NOW - 3000),
    Event("a3", "ann", "i5", NOW - 3000),
    Event("c1", "cyd", "i9", NOW - 10),
]


def version(
    name="deepm3",
    model="deepm3",
    *,
    seed=1,
    items=NUM_ITEMS,
    seen_out=True,
    search="exact",
    full_pass="eager",
    **options,
):
    if model == "deepm3":
        options = {"flow": "decay", "query_time": True} | options
    built = build_model(model, num_items=items, max_len=LENGTH, dim=16, seed=seed, **options)
    with torch.no_grad():
        for parameter in built.parameters():
            parameter.mul_(3)
    how = {"seen_out": seen_out, "search": search, "full_pass": full_pass}
    return Version(name, built, [f"i{n}" for n in range(1, items + 1)], **how)


@contextmanager
def running(store=None, first=FIRST, one=None, **options):
    """A service with some events; it ends with the block."""
    store = store or SQLiteStore(":memory:")
    service = Service(store, one or version(), clock=lambda: NOW + 0.5, **options)
    try:
        if first:
            service.add(first).result(10)
        yield service
    finally:
        service.close()


def by_hand(one, history, at, k=10):
    """Items and scores as the model itself gives them for a history of (item, time)."""
    items = torch.tensor([[one.number[item] for item, _ in history]])
    times = torch.tensor([[moment for _, moment in history]])
    asked = torch.cat([times[:, 1:], torch.tensor([[at]])], dim=1)
    with torch.inference_mode():
        scores = one.model.score(one.model(items, times, asked)[:, -1])[0]
        if one.seen_out:
            scores[items[0]] = -torch.inf
    values, best = scores.topk(k)
    return [one.item_ids[i - 1] for i in best.tolist()], values.tolist()
