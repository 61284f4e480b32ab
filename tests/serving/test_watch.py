"""The monitor: what is counted by hand, what ADWIN may and may not find, what Prometheus reads."""

import math
import threading

import numpy as np
import pytest
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

from tests.serving.world import NOW, running
from tutorial_lib.serving import watch
from tutorial_lib.serving.app import create_app
from tutorial_lib.serving.watch import DAY, Monitor, clock_error, gap_signal, rank_signal


def feed(monitor, number, *, gap=3600.0, rank=7, known=True, time=NOW, lag=2.0):
    alarms = []
    for place in range(number):
        alarms += monitor.event("ida", place, time, time + lag, known, gap, rank)
    return alarms


class TestCounting:
    def test_unknown_items_lags_and_gaps_by_hand(self):
        monitor = Monitor()
        monitor.event("ida", "a", NOW, NOW + 5, True, None, 1)
        monitor.event("ida", "b", NOW + 60, NOW + 60.5, True, 60.0, None)
        monitor.event("tom", "c", NOW, NOW + 2 * DAY, False, 90_000.0, None)
        found = monitor.metrics()
        assert found["events"] == 3 and found["unknown_share"] == pytest.approx(1 / 3)
        lag, gap = found["lag_seconds"], found["gap_seconds"]
        assert {edge: n for edge, n in lag.items() if n} == {"1": 1, "10": 1, "604800": 1}
        assert {edge: n for edge, n in gap.items() if n} == {"60": 1, "259200": 1}

    def test_the_list_answered_last_is_judged_by_the_next_event_once(self):
        monitor = Monitor()
        monitor.recommended("ida", [str(i) for i in range(10)], [1.0] * 10, NOW)
        monitor.recommended("ida", [str(i) for i in range(5, 15)], [1.0] * 10, NOW)
        monitor.event("ida", "3", NOW + 1, NOW + 1, True, 1.0, None)  # in the first list alone
        monitor.event("ida", "7", NOW + 2, NOW + 2, True, 1.0, None)  # judges nothing
        assert (monitor.judged, monitor.hits) == (1, 0)
        monitor.recommended("ida", [str(i) for i in range(10)], [1.0] * 10, NOW + 3)
        monitor.event("ida", "9", NOW + 4, NOW + 4, True, 1.0, None)
        assert monitor.metrics()["online_hr@10"] == 0.5

    def test_an_event_that_happened_before_the_answer_cannot_judge_it(self):
        monitor = Monitor()
        monitor.recommended("ida", [str(i) for i in range(10)], [1.0] * 10, NOW)
        monitor.event("ida", "3", NOW - 10, NOW + 5, True, 1.0, None)
        assert monitor.judged == 0
        monitor.event("ida", "3", NOW + 1, NOW + 5, True, 1.0, None)
        assert (monitor.judged, monitor.hits) == (1, 1)

    def test_the_eleventh_item_is_no_hit_and_a_short_list_is_not_judged(self):
        monitor = Monitor()
        monitor.recommended("ida", [str(i) for i in range(20)], [1.0] * 20, NOW)
        monitor.event("ida", "10", NOW, NOW, True, 1.0, None)
        monitor.recommended("ida", ["a", "b"], [1.0, 0.5], NOW)
        monitor.event("ida", "a", NOW, NOW, True, 1.0, None)
        assert (monitor.judged, monitor.hits, monitor.answers) == (1, 0, 2)

    def test_memory_is_bounded_and_forgets_who_was_served_first(self):
        monitor = Monitor(remember=2)
        for user in ("a", "b", "c"):
            monitor.recommended(user, list(range(10)), [0.0] * 10, NOW)
        for user in ("a", "b", "c"):
            monitor.event(user, 1, NOW, NOW, True, None, None)
        assert monitor.judged == 2

    def test_many_threads_lose_nothing(self):
        monitor = Monitor()
        threads = [threading.Thread(target=feed, args=(monitor, 500)) for _ in range(4)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
        assert monitor.events == sum(monitor.gap.counts) == 2000


class TestSignals:
    def test_values_by_hand(self):
        assert gap_signal(0) == 0 and gap_signal(1e18) == 1
        assert gap_signal(3600) == pytest.approx(math.log(3601) / math.log(10 * 365 * 86400 + 1))
        assert rank_signal(True, 1) == 0 and rank_signal(True, 10) == pytest.approx(0.2)
        assert rank_signal(True, 10**9) == 1 == rank_signal(False, None)
        assert rank_signal(True, None) is None

    @pytest.mark.parametrize(
        ("time", "wrong"),
        [
            (NOW, None),
            (NOW - 400 * DAY, None),
            (NOW + DAY, None),
            (NOW + DAY + 1, "future"),
            (NOW * 1000, "milliseconds"),
            ((NOW - 300 * DAY) * 1000, "milliseconds"),
            (NOW * 10**6, "microseconds"),
            (NOW * 10**9, "nanoseconds"),
            (NOW / 1000, "not seconds"),
        ],
    )
    def test_the_unit_of_a_clock(self, time, wrong):
        assert clock_error(time, NOW) == wrong
        monitor = Monitor()
        monitor.event("ida", "a", time, NOW, True, None, None)
        assert monitor.metrics()["clock_errors"] == ({wrong: 1} if wrong else {})


class TestAlarms:
    def test_a_jump_raises_an_alarm_that_says_from_what_to_what(self):
        monitor = Monitor()
        assert not feed(monitor, 1000)
        found = feed(monitor, 500, gap=30.0 * DAY)
        assert {one.signal for one in found} == {"gap"}
        assert found[0].before == pytest.approx(gap_signal(3600), abs=0.02)
        assert found[0].after > found[0].before and 1000 < found[0].event < 1200
        assert monitor.metrics()["alarms"] == {"gap": len(found), "rank": 0}
        assert monitor.metrics()["last_alarm"]["signal"] == "gap"

    def test_unknown_items_and_worse_ranks_ring_the_other_bell(self):
        for change in ({"known": False, "rank": None}, {"rank": 900}):
            monitor = Monitor()
            feed(monitor, 1000)
            assert {one.signal for one in feed(monitor, 500, **change)} == {"rank"}

    def test_independent_values_raise_none_in_ten_thousand(self):
        rng = np.random.default_rng(0)
        monitor = Monitor()
        for gap, rank in zip(
            rng.lognormal(8, 3, 10_000), rng.integers(1, 1000, 10_000), strict=True
        ):
            assert not monitor.event("a", 1, NOW, NOW, True, float(gap), int(rank))


class TestPrometheus:
    def test_it_parses_and_says_what_metrics_says(self):
        monitor = Monitor()
        monitor.recommended("ida", list(range(10)), np.linspace(-3, 30, 10).tolist(), NOW)
        feed(monitor, 20)
        feed(monitor, 3, time=1000 * NOW, lag=-999 * NOW, known=False)
        samples, kinds = {}, {}
        for family in text_string_to_metric_families(monitor.prometheus()):
            kinds[family.name] = family.type
            for one in family.samples:
                samples[one.name, *sorted(one.labels.items())] = one.value
        assert samples["watch_events_total",] == 23 and samples["watch_unknown_items_total",] == 3
        assert samples["watch_clock_errors_total", ("kind", "milliseconds")] == 3
        assert samples["watch_alarms_total", ("signal", "gap")] == 0
        assert samples["watch_gap_seconds_bucket", ("le", "600")] == 0
        assert samples["watch_gap_seconds_bucket", ("le", "3600")] == 23
        assert samples["watch_gap_seconds_bucket", ("le", "+Inf")] == 23
        assert samples["watch_gap_seconds_sum",] == 23 * 3600
        assert samples["watch_score_bucket", ("le", "20")] == 7
        assert samples["watch_signal", ("signal", "gap")] == pytest.approx(gap_signal(3600), 1e-4)
        assert kinds["watch_lag_seconds"] == "histogram" and kinds["watch_events"] == "counter"

    def test_a_monitor_without_events_has_no_numbers_that_are_none(self):
        assert "nan" not in Monitor().prometheus().lower()
        assert Monitor().metrics()["online_hr@10"] == 0


def test_buckets_rise():
    for edges in (watch.LAG, watch.GAP, watch.SCORE):
        assert list(edges) == sorted(set(edges))


def test_a_service_tells_its_monitor_of_events_lists_and_refusals():
    monitor = Monitor()
    with running() as service, TestClient(create_app(service, monitor)) as client:
        listed = client.get(f"/recommend/ann?at={NOW}").json()["items"]
        event = {"id": "new", "user": "ann", "item": listed[2]["item"], "time": NOW}
        assert client.post("/events", json=event).json()["accepted"] == 1
        wrong = {"id": "ms", "user": "ann", "item": "i3", "time": 1000 * NOW}
        assert client.post("/events", json=wrong).status_code == 422
        unknown = {"id": "x", "user": "ann", "item": "i99", "time": NOW}
        assert client.post("/events", json=unknown).status_code == 404
        found = client.get("/watch").json()
        assert found["online_hr@10"] == 1 and found["judged"] == 1 and found["answers"] == 1
        assert found["clock_errors"] == {"milliseconds": 1}
        # the five of the start went by before the monitor came
        assert found["events"] == 3 and found["unknown_share"] == pytest.approx(1 / 3)
        assert found["gap_seconds"]["3600"] == 1 and sum(found["gap_seconds"].values()) == 1
        assert found["signals"]["rank"] > 0
        assert 'watch_alarms_total{signal="gap"} 0' in client.get("/metrics").text
