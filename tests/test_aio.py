"""Asynchronous iteration: every notice once, without polling, until the end."""

import asyncio
import threading

import pytest

from reconnect import aio
from reconnect.core.notices import Attached, Detached, Ended, Notice
from reconnect.runtimes import ThreadRuntime
from reconnect.unread import Unread

LONG = 30.0  # s; only a failure takes it


class Told:
    """Whoever is told notices."""

    def __init__(self) -> None:
        self.runtime = ThreadRuntime()
        self.unread: Unread[Notice] = Unread(self.runtime.lock)


async def collect(told: Told) -> list[Notice]:
    async with asyncio.timeout(LONG):
        return [notice async for notice in aio.notices(told)]


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_it_gives_what_is_unread_and_ends_behind_the_end():
    """Whatever was there before the iteration began."""
    told = Told()
    notices = [Attached("a", 1), Detached("a"), Ended("won")]
    for notice in notices:
        told.unread.put(notice)
    assert await collect(told) == notices


async def test_it_waits_for_what_is_still_to_come():
    """Each notice wakes it; between them it does not run."""
    told = Told()
    task = asyncio.create_task(collect(told))
    await turns()
    for generation in range(3):
        told.unread.put(Attached("a", generation))
        await turns()
        assert len(told.unread) == 0
        assert not task.done()
    told.unread.put(Ended("won"))
    assert len(await task) == 4


async def test_it_hears_another_thread():
    """A coordinator on threads wakes a program on asyncio."""
    told = Told()
    task = asyncio.create_task(collect(told))
    await turns()

    def tell():
        for generation in range(100):
            told.unread.put(Attached("a", generation))
        told.unread.put(Ended("won"))

    thread = threading.Thread(target=tell)
    thread.start()
    notices = await task
    thread.join()
    assert notices == [*(Attached("a", n) for n in range(100)), Ended("won")]


async def test_it_is_over_where_the_end_has_been_read():
    """Nobody waits for ever for what has been told already."""
    told = Told()
    told.unread.put(Ended("won"))
    assert told.unread.drain() == [Ended("won")]
    assert await collect(told) == []


async def test_it_is_over_when_nothing_more_comes():
    """A session that had ended before this process began, a client that was closed."""
    told = Told()
    task = asyncio.create_task(collect(told))
    await turns()
    told.unread.put(Detached("a"))
    told.unread.finish()
    assert await task == [Detached("a")]


async def test_who_breaks_off_leaves_the_rest_unread():
    """A notice counts as read when the loop gets it."""
    told = Told()
    for generation in range(3):
        told.unread.put(Attached("a", generation))
    iteration = aio.notices(told)
    async for notice in iteration:
        assert notice == Attached("a", 0)
        break
    await iteration.aclose()
    assert told.unread.drain() == [Attached("a", 1), Attached("a", 2)]


async def test_who_is_cancelled_listens_no_more():
    """Nothing is kept of an iteration that is over, and nothing is lost with it."""
    told = Told()
    task = asyncio.create_task(collect(told))
    await turns()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    told.unread.put(Detached("a"))
    await turns()
    assert told.unread.drain() == [Detached("a")]
    assert told.unread._listeners == {}


def test_a_loop_that_is_gone_does_no_harm():
    """An iteration that was never ended is woken once more behind the end of its loop."""
    told = Told()

    async def begin():
        iteration = aio.notices(told)
        task = asyncio.ensure_future(anext(iteration))
        await turns()
        return iteration, task

    loop = asyncio.new_event_loop()
    iteration, task = loop.run_until_complete(begin())
    listeners = dict(told.unread._listeners)
    task.cancel()
    loop.run_until_complete(asyncio.wait([task]))
    loop.run_until_complete(iteration.aclose())
    loop.close()
    for wake in listeners.values():
        wake()
    assert len(listeners) == 1
