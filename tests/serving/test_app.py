"""What the service says over HTTP: answers, refusals, and nothing half-done."""

import html
import json
import os
import random
import re
import string
from collections import Counter

import pytest
from fastapi.testclient import TestClient

from benchmarks.bench import resident
from tests.serving.world import FIRST, NOW, by_hand, running, version
from tutorial_lib.errors import TutorialError
from tutorial_lib.language import speaking
from tutorial_lib.serving.app import create_app
from tutorial_lib.serving.reading import LARGEST

MALFORMED = int(os.environ.get("TUTORIAL_MALFORMED", "400"))


def load(run, name):
    if run != "good":
        raise TutorialError(f"there is no run {run}")
    return version(name or "good", items=32)


@pytest.fixture(params=["turns in the loop", "turns in a thread"])
def client(request):
    with running(first=None, in_loop="loop" in request.param) as service:
        app = create_app(service, labels={"i3": {"label": "The Third", "cluster": 2}}, load=load)
        with TestClient(app) as client:
            client.service = service
            client.post("/events", json=[one._asdict() for one in FIRST])
            yield client


def event(number=1, **changes):
    return {"id": f"n{number}", "user": "ann", "item": "i8", "time": NOW} | changes


class TestAnswers:
    def test_events_and_lists(self, client):
        assert client.post("/events", json=event()).json() == {
            "accepted": 1,
            "duplicates": 0,
            "late": 0,
        }
        several = [event(2, user=7, item="i3", time=NOW - 9), event(3, user="7"), event()]
        assert client.post("/events", json=several).json()["accepted"] == 2
        history = client.get("/users/7").json()
        assert history["events"] == 2 and history["history"] == [
            {"item": "i3", "label": "The Third", "cluster": 2, "time": NOW - 9},
            {"item": "i8", "label": "i8", "time": NOW},
        ]
        found = client.get("/recommend/7", params={"k": 4, "at": NOW + 60}).json()
        items, scores = by_hand(
            client.service.current, [("i3", NOW - 9), ("i8", NOW)], NOW + 60, k=4
        )
        assert [one["item"] for one in found["items"]] == items
        assert [one["score"] for one in found["items"]] == pytest.approx(scores, abs=1e-4)
        assert found | {"items": []} == {
            "user": "7",
            "model": "deepm3",
            "at": NOW + 60,
            "last_event": NOW,
            "items": [],
        }
        assert len(client.get("/recommend/ann").json()["items"]) == 10

    def test_people_latest_first(self, client):
        people = client.get("/people", params={"limit": 2}).json()["people"]
        assert people == [
            {"user": "cyd", "events": 1, "last_event": NOW - 10},
            {"user": "ann", "events": 3, "last_event": NOW - 3000},
        ]

    def test_models_are_loaded_chosen_and_ended(self, client):
        assert client.post("/models", json={"run": "good", "current": False}).status_code == 201
        assert client.get("/models").json()["current"] == "deepm3"
        found = client.get("/recommend/ann", params={"model": "good"}).json()
        assert found["model"] == "good"
        assert client.post("/models", json={"run": "good", "name": "b"}).json()["current"] == "b"
        assert client.get("/recommend/ann").json()["model"] == "b"
        assert client.delete("/models/deepm3").json()["models"] == ["good", "b"]
        assert client.delete("/models/b").status_code == 409

    def test_health_and_metrics(self, client):
        client.get("/recommend/ann"), client.get("/recommend/nobody"), client.get("/nowhere")
        health = client.get("/health")
        assert health.status_code == 200 and health.json()["status"] == "ok"
        text = client.get("/metrics").text
        for line in text.splitlines():  # the grammar of the format
            assert line.startswith("#") or re.fullmatch(
                r'[a-z_]+(\{([a-z_]+="[^"\n]*",?)+\})? [-+0-9.einf]+', line
            ), line
        assert "serving_events_total 5" in text and "serving_users 3" in text
        ok = 'http_requests_total{method="GET",path="/recommend/{user}",status="200"} 1'
        assert ok in text
        assert 'http_requests_total{method="GET",path="other",status="404"} 2' in text
        assert 'http_request_seconds_bucket{path="/recommend/{user}",le="+Inf"} 1' in text
        client.service.failed = "broken"
        assert client.get("/health").status_code == 503

    def test_the_description_is_whole_and_asks_no_other_host(self, client):
        paths = client.get("/openapi.json").json()["paths"]
        assert set(paths) == {"/events", "/recommend/{user}", "/users/{user}", "/people",
                              "/items", "/models", "/models/{name}", "/health", "/watch", "/metrics"}  # fmt: skip
        names = [one["name"] for one in paths["/recommend/{user}"]["get"]["parameters"]]
        assert sorted(names) == ["at", "k", "model", "user"]
        described = [one for methods in paths.values() for one in methods.values()]
        assert all({"200", "4XX"} == set(one["responses"]) for one in described)
        docs = client.get("/docs").text
        assert all(path in docs for path in paths)
        assert not re.search(r"(src|href)=[\"']?(https?:)?//", docs)

    def test_the_description_speaks_the_language_of_who_asks(self, client):
        texts, pages = {}, {}
        for code, lang in (("en", "en"), ("zh", "zh-CN")):
            client.headers["accept-language"] = code
            found = client.get("/openapi.json").json()
            texts[code] = [found["info"]["title"]] + [
                each["description"]
                for methods in found["paths"].values()
                for one in methods.values()
                for each in (one, *one.get("parameters", []), one["responses"]["4XX"])
                if "description" in each
            ]
            pages[code] = html.unescape(client.get("/docs").text)
            assert f'lang="{lang}"' in pages[code]
        for english, chinese in zip(texts["en"], texts["zh"], strict=True):
            assert re.search("[\u4e00-\u9fff]", chinese), english
            assert not re.search("[\u4e00-\u9fff]|[{}]", english)
            assert not re.search("[a-z]{2,} [a-z]{2,} [a-z]{2,}|[{}]", chinese)
        assert "how many items, 1 to 100; without it 10" in pages["en"]
        assert "推荐多少个物品，1 到 100；不给时为 10" in pages["zh"]


REFUSED = {
    "no user": ("get", "/recommend/nobody", None, 404),
    "k of 0": ("get", "/recommend/ann?k=0", None, 422),
    "k too large": ("get", "/recommend/ann?k=1000", None, 422),
    "k no number": ("get", "/recommend/ann?k=ten", None, 422),
    "k below 0": ("get", "/recommend/ann?k=-1", None, 422),
    "two k": ("get", "/recommend/ann?k=1&k=2", None, 422),
    "a misspelt parameter": ("get", "/recommend/ann?limit=3", None, 422),
    "a clock backwards": ("get", f"/recommend/ann?at={NOW - 10_000}", None, 409),
    "at no number": ("get", "/recommend/ann?at=now", None, 422),
    "at a fraction": ("get", f"/recommend/ann?at={NOW}.5", None, 422),
    "an endless at": ("get", "/recommend/ann?at=" + "9" * 5000, None, 422),
    "no such model": ("get", "/recommend/ann?model=x", None, 404),
    "no such path": ("get", "/recommendations/ann", None, 404),
    "no such method": ("put", "/events", b"{}", 405),
    "people without end": ("get", "/people?limit=100000", None, 422),
    "no history": ("get", "/users/nobody", None, 404),
    "no body": ("post", "/events", b"", 400),
    "no JSON": ("post", "/events", b"{", 400),
    "no UTF-8": ("post", "/events", b"\xff\xfe", 400),
    "a number without end": ("post", "/events", b'{"time": ' + b"9" * 10_000 + b"}", 400),
    "no number": ("post", "/events", b'{"time": NaN}', 400),
    "too deep": ("post", "/events", b"[" * 100_000, 400),
    "too large": ("post", "/events", b" " * (LARGEST + 1), 413),
    "too many": ("post", "/events", [event(n) for n in range(1001)], 422),
    "none": ("post", "/events", [], 422),
    "a text": ("post", "/events", "event", 422),
    "null": ("post", "/events", None, 400),
    "no object": ("post", "/events", [event(), 3], 422),
    "a field too few": ("post", "/events", {"id": "n", "user": "ann", "item": "i8"}, 422),
    "a field too many": ("post", "/events", event(rating=5), 422),
    "time as text": ("post", "/events", event(time=str(NOW)), 422),
    "time as fraction": ("post", "/events", event(time=NOW + 0.5), 422),
    "time below 0": ("post", "/events", event(time=-1), 422),
    "time as truth": ("post", "/events", event(time=True), 422),
    "milliseconds": ("post", "/events", event(time=NOW * 1000), 422),
    "user of null": ("post", "/events", event(user=None), 422),
    "user empty": ("post", "/events", event(user=""), 422),
    "user of control": ("post", "/events", event(user="a\nb"), 422),
    "user too long": ("post", "/events", event(user="a" * 201), 422),
    "user as fraction": ("post", "/events", event(user=1.5), 422),
    "item as list": ("post", "/events", event(item=["i8"]), 422),
    "item unknown": ("post", "/events", event(item="x"), 404),
    "id taken": ("post", "/events", event(id="a1"), 409),
    "one bad of two": ("post", "/events", [event(), event(2, item="x")], 404),
    "a query at events": ("post", "/events?k=3", event(), 422),
    "an item without a vector": ("post", "/items", {"item": "x"}, 409),
    "no run": ("post", "/models", {"name": "x"}, 422),
    "a run that is not there": ("post", "/models", {"run": "bad"}, 422),
    "current as text": ("post", "/models", {"run": "good", "current": "yes"}, 422),
}  # fmt: skip


def send(client, method, path, body):
    if body is None:
        return getattr(client, method)(path)
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return client.request(method.upper(), path, content=content)


@pytest.mark.parametrize("case", REFUSED)
def test_refused_with_a_sentence_and_nothing_is_done(client, case):
    method, path, body, status = REFUSED[case]
    before = client.get("/metrics").text.count("\n"), client.get("/people").json()
    answer = send(client, method, path, body)
    assert answer.status_code == status, answer.text
    said = answer.json()
    assert list(said) == ["error"] and 10 < len(said["error"]) < 400
    assert client.get("/people").json() == before[1]
    assert client.service.counts["events"] == 5 and list(client.service.versions) == ["deepm3"]


@pytest.mark.parametrize("case", REFUSED)
def test_refused_in_the_language_of_who_asks(client, case):
    """By Accept-Language, whatever the service speaks; what the request said is quoted as it was."""
    method, path, body, _ = REFUSED[case]
    if case == "a run that is not there":  # read and refused by the loader of this test
        return
    said = {}
    for code in ("en", "zh-CN,zh;q=0.9,en;q=0.8"):
        client.headers["accept-language"] = code
        said[code[:2]] = send(client, method, path, body).json()["error"]
    assert re.search("[\u4e00-\u9fff]", said["zh"]) and not re.search("[\u4e00-\u9fff]", said["en"])
    assert not re.search("[a-z]{2,} [a-z]{2,} [a-z]{2,}", said["zh"]), said["zh"]
    assert Counter(re.findall(r"\d+", said["zh"])) == Counter(re.findall(r"\d+", said["en"]))


def test_without_a_language_the_service_speaks_its_own(client):
    for code, words in (
        ("", "没有用户 '选项'"),
        ("fr", "没有用户 '选项'"),
        ("en", "there is no user"),
    ):
        client.headers["accept-language"] = code
        with speaking("zh"):
            assert client.get("/recommend/选项").json()["error"].startswith(words)
    client.headers["accept-language"] = "zh"
    answer = client.get("/recommend/options").json()["error"]
    assert (
        answer == "没有用户 'options'；用户随第一个事件产生"
    )  # a word of the catalogue, not translated


def test_a_body_without_a_stated_length_is_cut_off(client):
    def parts():
        for _ in range(LARGEST // 10_000 + 2):
            yield b" " * 10_000

    assert client.post("/events", content=parts()).status_code == 413


def malformed(rng):
    """A request that no rule allows."""
    junk = "".join(rng.choices(string.printable, k=rng.randrange(1, 40)))
    good = [event(rng.randrange(10**9)) for _ in range(rng.randrange(1, 4))]
    spoiled = rng.choice(good)
    field = rng.choice(["id", "user", "item", "time", "other"])
    values = [None, True, [], {}, -1.5, "", "\x00", "a" * 300, 10**30, [[junk]], {"x": junk}]
    spoiled[field] = rng.choice(values)
    cut = json.dumps([event()]).encode()
    spelled = "".join(rng.choices(string.ascii_letters, k=12))
    return rng.choice(
        [
            ("post", "/events", good),
            ("post", "/events", cut[: rng.randrange(len(cut))]),
            ("post", "/events", rng.randbytes(rng.randrange(1, 2000))),
            ("post", "/events", b"[" * rng.randrange(1, 50_000)),
            ("post", "/events", b'"' + b"x" * rng.randrange(10**6)),
            ("get", f"/recommend/{spelled}?k={rng.randrange(200)}", None),
            ("get", f"/recommend/ann?k={spelled}", None),
            ("get", f"/recommend/ann?at={rng.randrange(NOW - 10**6, NOW - 3001)}", None),
            ("get", f"/recommend/ann?{spelled}=1", None),
            ("get", f"/{spelled}", None),
            ("delete", f"/models/{spelled}", None),
            ("post", "/models", {"run": spelled}),
        ]
    )


def test_malformed_requests(client):
    """4xx each, memory flat, the service alive. TUTORIAL_MALFORMED=10000: so many."""
    rng, sizes, before = random.Random(0), [], client.get("/people").json()
    for number in range(MALFORMED):
        method, path, body = malformed(rng)
        answer = send(client, method, path, body)
        assert 400 <= answer.status_code < 500, (method, path, body, answer.text)
        assert answer.json()["error"]
        if number % (MALFORMED // 10) == 0:
            sizes.append(resident(peak=False))
    assert sizes[-1] - sizes[2] < 16, sizes  # MB
    assert client.get("/people").json() == before and client.service.counts["events"] == 5
    assert client.post("/events", json=event()).status_code == 200
