"""Where events can be kept. Taught in lesson 21."""

from tutorial_lib.serving.redis_store import RedisStore
from tutorial_lib.serving.store import SQLiteStore, Store


def open_store(where: str) -> Store:
    """A file for SQLite, ":memory:", or redis://HOST:PORT/NUMBER."""
    redis = where.startswith(("redis://", "rediss://", "unix://"))
    return RedisStore(where) if redis else SQLiteStore(where)
