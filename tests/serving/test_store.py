"""What every store promises; Redis is tried on a server of its own, where redis-server is
installed (apt-get install redis-server).
"""

import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.serving.world import FIRST, NOW, running
from tutorial_lib.errors import TutorialError
from tutorial_lib.serving.redis_store import RedisStore
from tutorial_lib.serving.store import Event, SQLiteStore
from tutorial_lib.serving.stores import open_store

NO_REDIS = pytest.mark.skipif(
    shutil.which("redis-server") is None, reason="redis-server is not installed"
)


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory):
    """A Redis that ends with the tests, on a free port, with nothing kept from before."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    folder = tmp_path_factory.mktemp("redis")
    options = {"port": port, "bind": "127.0.0.1", "dir": folder, "save": "", "appendonly": "yes"}
    command = [
        "redis-server",
        *(word for name in options for word in (f"--{name}", str(options[name]))),
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        for _ in range(200):
            with socket.socket() as trial:
                if trial.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield f"redis://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


@pytest.fixture(params=["sqlite", pytest.param("redis", marks=NO_REDIS)])
def where(request, tmp_path):
    if request.param == "sqlite":
        return str(tmp_path / "folder" / "events.sqlite")
    number = where.number = getattr(where, "number", -1) + 1
    return f"{request.getfixturevalue('redis_url')}/{number % 16}"


class TestEveryStore:
    def test_gives_back_what_it_was_given_in_order(self, where):
        store = open_store(where)
        odd = Event("id 'x' \" %s", "用户 1", "item;--", 2**53 - 1)
        store.append(FIRST, 1.5), store.append([odd], 2.5)
        assert list(store.load()) == [*FIRST, odd]
        asked = [FIRST[1].id, "no", odd.id]
        assert store.known(asked) == {FIRST[1].id: FIRST[1], odd.id: odd}
        assert store.known([]) == {}
        store.close()
        again = open_store(where)
        assert list(again.load()) == [*FIRST, odd]
        again.close()

    def test_many(self, where):
        store = open_store(where)
        events = [Event(f"e{n}", f"u{n % 7}", f"i{n % 5}", n) for n in range(25_000)]
        store.append(events, 0.0)
        assert list(store.load()) == events
        assert len(store.known([f"e{n}" for n in range(0, 30_000, 3)])) == 8334
        store.close()

    def test_a_service_goes_on_with_it(self, where):
        with running(open_store(where)) as service:
            before = service.recommend("ann", 10, NOW).result(10)
        with running(open_store(where), first=None) as service:
            after = service.recommend("ann", 10, NOW).result(10)
            assert after.items == before.items
            assert service.add([*FIRST, Event("n", "ann", "i8", NOW)]).result(10) == (1, 5, 0)

    def test_belongs_to_one_service(self, where):
        store, kind = open_store(where), RedisStore if "redis" in where else SQLiteStore
        with pytest.raises(TutorialError, match="another service.*--store"):
            kind(where, patience=0.2)
        store.close()
        kind(where, patience=0.2).close()


def test_a_batch_that_fails_half_way_leaves_nothing(tmp_path):
    store = SQLiteStore(tmp_path / "e.sqlite")
    with pytest.raises(sqlite3.IntegrityError):
        store.append([*FIRST, FIRST[0]], 0.0)
    assert list(store.load()) == []
    store.append(FIRST, 0.0)
    assert len(list(store.load())) == 5
    store.close()


def test_commits_wait_for_the_disk(tmp_path):
    store = SQLiteStore(tmp_path / "e.sqlite")
    assert store.db.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
    assert store.db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    store.close()


def test_no_redis_there():
    with pytest.raises(TutorialError, match="cannot reach redis://127.0.0.1:1/0.*--store"):
        open_store("redis://127.0.0.1:1/0")


@NO_REDIS
def test_another_that_takes_over_a_store_is_noticed(redis_url):
    store = RedisStore(f"{redis_url}/15", patience=0.2)
    store.db.set(store.lock, "another")
    with pytest.raises(OSError, match="another service has taken over"):
        store.append(FIRST, 0.0)
    assert list(store.load()) == []
    store.close()


@NO_REDIS
@pytest.mark.thorough
def test_kills_lose_nothing_from_redis(redis_url):
    command = [sys.executable, "-m", "tests.serving.kills", "2", "--store", f"{redis_url}/14"]
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0 and "none lost" in done.stdout, done.stderr[-3000:]
