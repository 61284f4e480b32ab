"""Events in, lists out: what the service promises about order, repetition, time and versions."""

import random
import threading
from concurrent.futures import wait

import pytest
import torch

from tests.serving.world import FIRST, NOW, by_hand, running, version
from tutorial_lib.errors import TutorialError
from tutorial_lib.serving.messages import Refused
from tutorial_lib.serving.store import Event, SQLiteStore
from tutorial_lib.serving.versions import best


def refused(future, status, words):
    with pytest.raises(Refused, match=words) as caught:
        future.result(10)
    assert caught.value.status == status


def agree(service, user, at=NOW, k=10):
    """The list of a user is the one that the model gives for the history, and that is in order."""
    history = service.history(user).result(10)
    assert [t for _, t in history] == sorted(t for _, t in history)
    got = service.recommend(user, k, at).result(10)
    items, scores = by_hand(got.version, history, at, k)
    assert got.items == items and got.scores == pytest.approx(scores, abs=1e-4)
    return got


class TestLists:
    def test_are_those_of_the_model_at_the_query_time(self):
        with running() as service:
            for user in ("ann", "bob", "cyd"):
                now, later = agree(service, user), agree(service, user, NOW + 30 * 86400)
                assert now.scores != later.scores
                assert now.at == NOW and now.last_event <= NOW

    def test_now_is_the_default(self):
        with running() as service:
            assert service.recommend("ann").result(10).at == NOW

    def test_seen_items_are_left_out_unless_repeats_are_natural(self):
        for seen_out in (True, False):
            with running(one=version(seen_out=seen_out)) as service:
                got = agree(service, "ann", k=30 if not seen_out else 27)
                assert {"i3", "i4", "i5"} & set(got.items) == (
                    set() if seen_out else {"i3", "i4", "i5"}
                )

    def test_what_is_left_may_be_less_than_k(self):
        with running() as service:
            got = service.recommend("ann", 30).result(10)
            assert len(got.items) == 27 == len(set(got.items))

    def test_of_many_users_at_once_do_not_mix(self):
        rng = random.Random(0)
        events = [
            Event(f"e{n}", f"u{rng.randrange(40)}", f"i{rng.randrange(1, 31)}", NOW - 1000 + n)
            for n in range(300)
        ]
        with running(first=events) as service:
            users = sorted({event.user for event in events})
            futures = {user: service.recommend(user, 5, NOW) for user in users}
            for user, future in futures.items():
                history = [(e.item, e.time) for e in events if e.user == user]
                items, scores = by_hand(service.current, history, NOW, 5)
                assert future.result(10).items == items
                assert future.result(10).scores == pytest.approx(scores, abs=1e-4)
            assert service.counts["passes"] < len(users)  # they were answered together

    def test_refusals(self):
        with running() as service:
            refused(service.recommend("dan"), 404, "no user 'dan'")
            refused(service.recommend("ann", 0), 422, "k is 0: ask for 1 to 100")
            refused(service.recommend("ann", 101), 422, "k is 101")
            refused(service.recommend("ann", 10, NOW, "other"), 404, "no model 'other'")
            refused(service.recommend("ann", 10, NOW - 3001), 409, "clock runs backwards")
            agree(service, "ann", NOW - 3000)


class TestEvents:
    def test_a_repeated_id_changes_nothing(self):
        with running() as service:
            before = agree(service, "ann")
            assert service.add(FIRST[2:4]).result(10) == (0, 2, 0)
            assert service.add([FIRST[0], *[Event("n", "bob", "i1", NOW)] * 2]).result(10) == (
                1,
                2,
                0,
            )
            assert agree(service, "ann").scores == before.scores
            assert len(service.history("bob").result(10)) == 2

    def test_an_id_with_another_content_is_refused_whole(self):
        with running() as service:
            other = FIRST[0]._replace(item="i8")
            refused(service.add([Event("n", "dan", "i1", NOW), other]), 409, "id 'a1' is taken")
            refused(service.recommend("dan"), 404, "no user")
            twice = [Event("m", "dan", "i1", NOW), Event("m", "dan", "i2", NOW)]
            refused(service.add(twice), 409, "id 'm' is taken")
            assert service.add([Event("n", "dan", "i1", NOW)]).result(10) == (1, 0, 0)

    def test_an_unknown_item_or_a_time_to_come_refuses_the_batch(self):
        with running() as service:
            good = Event("n", "dan", "i1", NOW)
            refused(service.add([good, Event("m", "dan", "x", NOW)]), 404, "knows the item 'x'")
            refused(service.add([good, Event("m", "dan", "i2", NOW + 301)]), 422, "after now")
            milliseconds = Event("m", "dan", "i2", 1000 * NOW)
            refused(service.add([good, milliseconds]), 422, "is it in milliseconds")
            refused(service.recommend("dan"), 404, "no user")
            assert service.store.known(["n", "m"]) == {}
            assert service.add([good, Event("m", "dan", "i2", NOW + 300)]).result(10) == (2, 0, 0)

    def test_late_events_enter_at_their_place(self):
        """In whatever order events come, the state is that of the ordered history."""
        rng = random.Random(1)
        events = [
            Event(f"e{n}", "uvw"[n % 3], f"i{1 + (7 * n) % 30}", NOW - 10_000 + 90 * (n // 2))
            for n in range(60)
        ]
        with running(first=None) as service:
            shuffled = rng.sample(events, len(events))
            late = sum(
                service.add(shuffled[first : first + 7]).result(10).late
                for first in range(0, len(events), 7)
            )
            assert 20 < late < 60
            for user in "uvw":
                agree(service, user)
                times = [t for _, t in service.history(user).result(10)]
                assert times == [e.time for e in events if e.user == user]

    def test_of_the_same_second_keep_the_order_of_arrival(self):
        with running() as service:
            service.add([Event("n", "ann", "i9", NOW - 3000)]).result(10)
            items = [item for item, _ in service.history("ann").result(10)]
            assert items == ["i3", "i4", "i5", "i9"]
            agree(service, "ann")

    def test_many_of_one_user_in_one_batch(self):
        with running() as service:
            events = [Event(f"n{n}", "ann", f"i{1 + n % 19}", NOW - 90 + n) for n in range(90)]
            assert service.add(events).result(10) == (90, 0, 0)
            agree(service, "ann")

    def test_from_many_threads(self):
        with running(first=None) as service:
            futures, lock = [], threading.Lock()

            def send(user):
                for n in range(40):
                    one = Event(f"{user}{n}", user, f"i{1 + n % 19}", NOW - 40 + n)
                    with lock:
                        futures.append(service.add([one]))
                        futures.append(service.recommend(user))

            threads = [threading.Thread(target=send, args=(f"u{n}",)) for n in range(8)]
            [thread.start() for thread in threads], [thread.join() for thread in threads]
            wait(futures, 30)
            answers = [future.exception() for future in futures]
            assert {getattr(error, "status", None) for error in answers} <= {None, 404}
            for n in range(8):
                agree(service, f"u{n}")
                assert len(service.history(f"u{n}").result(10)) == 40


class TestStart:
    def test_goes_on_where_it_ended(self, tmp_path):
        with running(SQLiteStore(tmp_path / "e.sqlite")) as service:
            service.add([Event("z", "ann", "i8", NOW - 4000)]).result(10)  # late
            before = {user: agree(service, user) for user in ("ann", "bob", "cyd")}
        with running(SQLiteStore(tmp_path / "e.sqlite"), first=None) as service:
            for user, answer in before.items():
                again = agree(service, user)
                assert again.items == answer.items
                assert again.scores == pytest.approx(answer.scores, abs=1e-5)
            assert service.add(FIRST).result(10) == (0, 5, 0)

    def test_a_store_belongs_to_one_service(self, tmp_path):
        with (
            running(SQLiteStore(tmp_path / "e.sqlite")),
            pytest.raises(TutorialError, match="another service is using it.*--store"),
        ):
            SQLiteStore(tmp_path / "e.sqlite", patience=0.1)

    def test_a_file_that_is_no_store(self, tmp_path):
        (tmp_path / "e.sqlite").write_bytes(b"something else" * 100)
        with pytest.raises(TutorialError, match="cannot keep events in .*e.sqlite"):
            SQLiteStore(tmp_path / "e.sqlite")

    def test_a_model_that_knows_users_is_refused(self):
        with pytest.raises(TutorialError, match="MF knows users instead of histories"):
            version(model="mf", num_users=3)


class TestVersions:
    def test_two_answer_side_by_side(self):
        with running() as service:
            second = version("second", "sasrec", seed=5)
            service.install(second, default=False).result(10)
            assert service.current.name == "deepm3"
            service.add([Event("n", "ann", "i8", NOW)]).result(10)
            first = agree(service, "ann")
            other = service.recommend("ann", 10, NOW, "second").result(10)
            assert other.items == by_hand(second, service.history("ann").result(10), NOW)[0]
            assert first.items != other.items

    def test_swapped_under_load_no_request_is_lost(self):
        """Each request ends with the version that it began with."""
        with running() as service:
            stop, seen, errors = threading.Event(), [], []

            def ask(user):
                number = 0
                while not stop.is_set():
                    number += 1
                    try:
                        one = Event(f"{user}-{number}", user, f"i{1 + number % 19}", NOW)
                        service.add([one]).result(10)
                        expected = service.current
                        got = service.recommend(user, 5, NOW).result(10)
                        seen.append((got.version is expected, got.version.name))
                    except Exception as error:
                        errors.append(error)

            threads = [threading.Thread(target=ask, args=(f"u{n}",)) for n in range(4)]
            [thread.start() for thread in threads]
            for seed in range(6):
                service.install(version(f"v{seed}", seed=seed)).result(10)
                if seed:
                    service.remove(f"v{seed - 1}").result(10)
            stop.set(), [thread.join() for thread in threads]
            assert not errors and len({name for _, name in seen}) >= 2
            # the version may have changed between the two lines of `ask`, and seldom does
            assert sum(right for right, _ in seen) > 0.8 * len(seen)
            for n in range(4):
                agree(service, f"u{n}")
            assert set(service.versions) == {"deepm3", "v5"}

    def test_a_model_with_new_items(self):
        with running() as service:
            new = Event("n", "ann", "i31", NOW)
            refused(service.add([new]), 404, "knows the item 'i31'")
            service.install(version("larger", items=33)).result(10)
            assert service.add([new]).result(10) == (1, 0, 0)
            agree(service, "ann")
            # the old one, which does not know the item, answers as before the event
            old = service.recommend("ann", 10, NOW, "deepm3").result(10)
            history = service.history("ann").result(10)[:-1]
            assert old.items == by_hand(old.version, history, NOW)[0]

    def test_a_user_of_whom_a_model_knows_no_item(self):
        with running(one=version(items=33)) as service:
            service.add([Event("n", "dan", "i33", NOW)]).result(10)
            service.install(version("smaller", items=30), default=False).result(10)
            refused(service.recommend("dan", 5, NOW, "smaller"), 409, "none of the items of user")
            agree(service, "dan")

    def test_the_current_one_stays(self):
        with running() as service:
            refused(service.remove("deepm3"), 409, "deepm3 is the current model")
            refused(service.remove("other"), 404, "no model 'other'")


class TestFailures:
    def test_events_that_cannot_be_kept_are_not_acknowledged(self, monkeypatch):
        with running() as service:

            def full(events, arrival):
                raise OSError("disk full")

            with monkeypatch.context() as broken:
                broken.setattr(service.store, "append", full)
                refused(service.add([Event("n", "ann", "i8", NOW)]), 503, "disk full.*again")
            assert len(service.history("ann").result(10)) == 3
            assert service.add([Event("n", "ann", "i8", NOW)]).result(10) == (1, 0, 0)
            agree(service, "ann")

    def test_a_worker_that_fails_says_so_and_loses_nothing(self, monkeypatch, tmp_path):
        with running(SQLiteStore(tmp_path / "e.sqlite")) as service:

            def broken(*args):
                raise RuntimeError("out of memory")

            monkeypatch.setattr(service.current.states, "add", broken)
            refused(
                service.add([Event("n", "ann", "i8", NOW)]), 503, "out of memory.*start it again"
            )
            refused(service.recommend("ann"), 503, "the service failed")
            assert "out of memory" in service.failed
        with running(SQLiteStore(tmp_path / "e.sqlite"), first=None) as service:
            assert len(service.history("ann").result(10)) == 4
            agree(service, "ann")


@pytest.mark.parametrize(
    ("width", "k"), [(31, 10), (2600, 10), (10_001, 10), (10_240, 37), (130, 1)]
)
def test_the_best_are_those_of_topk(width, k):
    scores = torch.randn(7, width, generator=torch.Generator().manual_seed(width))
    scores[0, :-5] = -torch.inf
    scores[1, -3:] += 10
    values, items = best(scores, k)
    expected = scores.topk(k)
    assert torch.equal(values, expected.values)
    finite = values > -torch.inf
    assert torch.equal(items[finite], expected.indices[finite])
    assert torch.equal(scores.gather(1, items), values)
