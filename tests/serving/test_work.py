"""Where the jobs of the service are done: all of them, in order, whoever puts them."""

import asyncio
import threading

import pytest

from tutorial_lib.serving.work import TOGETHER, InLoop, InThread


class AtOnce:
    """A loop in another thread that has run what it is given before the giver goes on."""

    def call_soon_threadsafe(self, function):
        function()


def test_a_loop_that_is_faster_than_who_calls_it_still_gets_the_next_job():
    done = []
    work = InLoop(done.extend)
    work.enter(AtOnce())
    for job in range(3):
        work.put(job)
    assert done == [0, 1, 2]


def test_jobs_wait_for_the_loop_and_are_done_in_it_together():
    turns, where = [], []

    def turn(jobs):
        turns.append(jobs)
        where.append(threading.get_ident())

    work = InLoop(turn)
    for job in range(TOGETHER + 3):
        work.put(job)

    async def main():
        assert turns == []
        work.enter(asyncio.get_running_loop())
        other = threading.Thread(target=work.put, args=("last",))
        other.start()
        await asyncio.to_thread(other.join)
        for _ in range(100):
            await asyncio.sleep(0.01)
            if sum(map(len, turns)) == TOGETHER + 4:
                break
        return threading.get_ident()

    here = asyncio.run(main())
    assert [job for jobs in turns for job in jobs] == [*range(TOGETHER + 3), "last"]
    assert max(map(len, turns)) == TOGETHER and set(where) == {here}


@pytest.mark.parametrize("kind", [InThread, InLoop])
def test_close_does_what_waits(kind):
    done = []
    work = kind(done.extend)
    if kind is InLoop:  # its loop has ended
        loop = asyncio.new_event_loop()
        work.enter(loop)
        loop.close()
    for job in range(5):
        work.put(job)
    work.close()
    assert done == list(range(5))
