import asyncio
import threading
import time

import pytest

from reconnect.runtimes import (
    HOP,
    AsyncioRuntime,
    SleepCountingClock,
    ThreadRuntime,
    Timers,
)


class Clocks:
    """A monotonic and a wall clock that a test sets."""

    def __init__(self):
        self.monotonic = 100.0
        self.wall = 5000.0

    def make(self):
        return SleepCountingClock(monotonic=lambda: self.monotonic, wall=lambda: self.wall)


class TestSleepCountingClock:
    def test_ordinary_time(self):
        """While both clocks run, it shows what they show."""
        clocks = Clocks()
        clock = clocks.make()
        start = clock()
        clocks.monotonic += 2.5
        clocks.wall += 2.5
        assert clock() - start == pytest.approx(2.5)

    def test_sleep(self):
        """Time that passed for the wall clock only, while the machine slept, counts."""
        clocks = Clocks()
        clock = clocks.make()
        start = clock()
        clocks.monotonic += 1.0
        clocks.wall += 3601.0
        assert clock() - start == pytest.approx(3601.0)

    def test_wall_set_back(self):
        """A wall clock that is set back takes nothing away and loses nothing."""
        clocks = Clocks()
        clock = clocks.make()
        start = clock()
        clocks.monotonic += 1.0
        clocks.wall -= 3600.0
        assert clock() - start == pytest.approx(1.0)
        clocks.monotonic += 1.0
        clocks.wall += 1.0
        assert clock() - start == pytest.approx(2.0)

    def test_both_back(self):
        """It never goes back, whatever the clocks under it do."""
        clocks = Clocks()
        clock = clocks.make()
        start = clock()
        clocks.monotonic -= 1.0
        clocks.wall -= 1.0
        assert clock() == start

    def test_steps_add_up(self):
        """Sleep is counted from call to call, so that a slow drift is not lost."""
        clocks = Clocks()
        clock = clocks.make()
        start = clock()
        for _ in range(10):
            clocks.monotonic += 1.0
            clocks.wall += 0.5
            clock()
            clocks.wall += 2.0
            clock()
        assert clock() - start == pytest.approx(30.0)

    def test_real(self):
        """On the real clocks it never goes back."""
        clock = SleepCountingClock()
        seen = [clock() for _ in range(1000)]
        assert seen == sorted(seen)


class TestTimers:
    def test_order(self):
        """The earliest comes first, then the smaller tie, then the one that was added first."""
        timers = Timers()
        seen = []
        for when, tie, name in [(2, 0, "d"), (1, 1, "c"), (1, 0, "a"), (1, 0, "b")]:
            timers.add(when, lambda name=name: seen.append(name), tie=tie)
        while timers.first():
            timers.pop().take()()
        assert seen == ["a", "b", "c", "d"]

    def test_cancelled_ones_do_not_pile_up(self):
        """A timer that is set and cancelled over and over takes no memory."""
        timers = Timers()
        kept = timers.add(1e9, lambda: None)
        for _ in range(10_000):
            timers.cancel(timers.add(1e8, lambda: None))
            assert len(timers._heap) <= 3
        assert len(timers) == 1
        assert timers.first() is kept

    def test_cancel_twice_and_late(self):
        """Cancelling twice, or what has been taken out, changes nothing."""
        timers = Timers()
        first = timers.add(1, lambda: None)
        second = timers.add(2, lambda: None)
        third = timers.add(3, lambda: None)
        timers.first()
        assert timers.pop() is first
        timers.cancel(first)
        timers.cancel(second)
        timers.cancel(second)
        assert len(timers) == 1
        assert timers.first() is third
        assert first.take() is None


def boom():
    raise RuntimeError("a callback that fails")


class TestAsyncio:
    async def test_never_from_inside(self):
        """A timer for the past does not fire inside call_at, but soon after."""
        runtime = AsyncioRuntime()
        fired = asyncio.Event()
        runtime.call_at(runtime.now() - 10.0, fired.set)
        assert not fired.is_set()
        await asyncio.wait_for(fired.wait(), 10)

    async def test_not_early(self):
        """A timer fires at or after its time by the runtime's own clock, in order."""
        runtime = AsyncioRuntime()
        seen = []
        done = asyncio.Event()
        start = runtime.now()
        for delay in (0.03, 0.01, 0.02):
            runtime.call_at(
                start + delay, lambda due=start + delay: seen.append((due, runtime.now()))
            )
        runtime.call_at(start + 0.05, done.set)
        await asyncio.wait_for(done.wait(), 10)
        assert [due - start for due, _ in seen] == pytest.approx([0.01, 0.02, 0.03])
        assert all(due <= at for due, at in seen)

    async def test_cancel(self):
        """A cancelled timer does not fire; cancelling twice or afterwards does nothing."""
        runtime = AsyncioRuntime()
        seen = []
        done = asyncio.Event()
        cancel = runtime.call_at(runtime.now(), lambda: seen.append("cancelled"))
        late = runtime.call_at(runtime.now(), lambda: seen.append("kept"))
        cancel()
        cancel()
        runtime.call_at(runtime.now() + 0.02, done.set)
        await asyncio.wait_for(done.wait(), 10)
        late()
        assert seen == ["kept"]

    async def test_after_a_sleep(self):
        """When the clock has jumped while the machine slept, a far timer fires within a hop."""
        offset = 0.0
        runtime = AsyncioRuntime(clock=lambda: time.monotonic() + offset)
        fired = asyncio.Event()
        runtime.call_at(runtime.now() + 3600.0, fired.set)
        await asyncio.sleep(0)
        offset = 3600.0
        await asyncio.wait_for(fired.wait(), HOP + 10)

    async def test_hop_is_not_early(self):
        """A timer beyond one hop is not fired by the hop."""
        now = 0.0
        runtime = AsyncioRuntime(clock=lambda: now)
        seen = []
        cancel = runtime.call_at(5.0, lambda: seen.append(now))
        await asyncio.sleep(HOP + 0.1)
        assert seen == []
        now = 5.0
        await asyncio.sleep(HOP + 0.1)
        assert seen == [5.0]
        cancel()

    async def test_failing_callback(self, caplog):
        """A callback that raises is logged, and the next one comes."""
        runtime = AsyncioRuntime()
        fired = asyncio.Event()
        runtime.call_at(runtime.now(), boom)
        runtime.call_at(runtime.now() + 0.01, fired.set)
        await asyncio.wait_for(fired.wait(), 10)
        assert "reconnect.callback_failed" in caplog.text

    async def test_work(self):
        """Work runs off the loop's thread, and its end is heard on the loop's thread."""
        runtime = AsyncioRuntime()
        heard = asyncio.get_running_loop().create_future()
        runtime.work(
            threading.get_ident, lambda result: heard.set_result((result, threading.get_ident()))
        )
        worker, listener = await asyncio.wait_for(heard, 10)
        assert worker != threading.get_ident()
        assert listener == threading.get_ident()

    async def test_work_that_fails(self, caplog):
        """What a job raises is handed over; what the listener raises is logged."""
        runtime = AsyncioRuntime()
        heard = asyncio.get_running_loop().create_future()

        def done(result):
            heard.set_result(result)
            boom()

        runtime.work(boom, done)
        assert isinstance(await asyncio.wait_for(heard, 10), RuntimeError)
        await asyncio.sleep(0)
        assert "reconnect.callback_failed" in caplog.text

    def test_needs_a_loop(self):
        """Work without a running loop says so; a runtime can be made before there is one."""
        runtime = AsyncioRuntime()
        with pytest.raises(RuntimeError, match="no running event loop"):
            runtime.work(lambda: None, lambda _: None)

    async def test_keeps_its_loop(self):
        """Once found, the loop is kept."""
        runtime = AsyncioRuntime()
        assert runtime.loop is asyncio.get_running_loop()
        assert await asyncio.to_thread(lambda: runtime.loop) is asyncio.get_running_loop()


@pytest.fixture
def threads():
    runtime = ThreadRuntime()
    yield runtime
    runtime.close()


class TestThreads:
    def test_fires_under_the_lock(self, threads):
        """A callback comes in another thread, and never while somebody else holds the lock."""
        fired = threading.Event()
        inside = []
        with threads.lock:
            threads.call_at(threads.now(), lambda: (inside.append(holding), fired.set()))
            holding = True
            assert not fired.wait(0.05)
            holding = False
        assert fired.wait(10)
        assert inside == [False]

    def test_order(self, threads):
        """Timers fire in order of time, at or after it, and an earlier one wakes the thread."""
        seen = []
        done = threading.Event()
        start = threads.now()
        for delay in (0.06, 0.02, 0.04):
            threads.call_at(
                start + delay, lambda due=start + delay: seen.append((due, threads.now()))
            )
        threads.call_at(start + 0.08, done.set)
        assert done.wait(10)
        assert [due - start for due, _ in seen] == pytest.approx([0.02, 0.04, 0.06])
        assert all(due <= at for due, at in seen)

    def test_earlier_timer_wakes_the_thread(self, threads):
        """A near timer fires although the thread waits for a far one."""
        fired = threading.Event()
        threads.call_at(threads.now() + 3600.0, lambda: None)
        threads.call_at(threads.now() + 0.01, fired.set)
        assert fired.wait(10)

    def test_cancel_under_the_lock(self, threads):
        """What is cancelled under the lock does not fire, even if it was due already."""
        seen = []
        done = threading.Event()
        with threads.lock:
            cancel = threads.call_at(threads.now(), lambda: seen.append("cancelled"))
            time.sleep(0.05)  # the timer thread has taken it and waits for the lock
            cancel()
            cancel()
        threads.call_at(threads.now(), done.set)
        assert done.wait(10)
        assert seen == []

    def test_failing_callback(self, threads, caplog):
        """A callback that raises is logged, and the next one comes."""
        fired = threading.Event()
        threads.call_at(threads.now(), boom)
        threads.call_at(threads.now() + 0.01, fired.set)
        assert fired.wait(10)
        assert "reconnect.callback_failed" in caplog.text

    def test_callback_sets_timers(self, threads):
        """A callback may set and cancel timers itself."""
        fired = threading.Event()
        threads.call_at(threads.now(), lambda: threads.call_at(threads.now(), fired.set))
        assert fired.wait(10)

    def test_work(self, threads, caplog):
        """Work runs in the calling thread; its end is heard under the lock before work returns."""
        heard = []
        threads.work(threading.get_ident, heard.append)
        assert heard == [threading.get_ident()]
        threads.work(boom, heard.append)
        assert isinstance(heard[1], RuntimeError)
        threads.work(int, lambda result: boom())
        assert "reconnect.callback_failed" in caplog.text

    def test_close(self):
        """close() ends the thread, twice does nothing, and no timer fires afterwards."""
        runtime = ThreadRuntime()
        seen = []
        runtime.call_at(runtime.now() + 0.05, lambda: seen.append("fired"))
        thread = runtime._thread
        assert thread is not None
        assert thread.is_alive()
        runtime.close()
        runtime.close()
        assert not thread.is_alive()
        runtime.call_at(runtime.now(), lambda: seen.append("fired"))
        time.sleep(0.1)
        assert seen == []

    def test_close_while_holding_the_lock(self):
        """Closing under the lock does not wait for ever for a timer that wants the lock."""
        runtime = ThreadRuntime()
        seen = []
        with runtime.lock:
            runtime.call_at(runtime.now(), lambda: seen.append("fired"))
            thread = runtime._thread
            time.sleep(0.05)
            runtime.close()
            assert thread is not None
            assert not thread.is_alive()
        assert seen == []

    def test_close_from_a_callback(self):
        """A callback may close its own runtime."""
        runtime = ThreadRuntime()
        closed = threading.Event()
        runtime.call_at(runtime.now(), lambda: (runtime.close(), closed.set()))
        assert closed.wait(10)
        thread = runtime._thread
        assert thread is not None
        thread.join(10)
        assert not thread.is_alive()

    def test_close_unused(self):
        """A runtime without timers has no thread."""
        runtime = ThreadRuntime()
        assert runtime._thread is None
        runtime.close()

    def test_after_a_sleep(self):
        """When the clock has jumped while the machine slept, a far timer fires within a hop."""
        offset = 0.0
        runtime = ThreadRuntime(clock=lambda: time.monotonic() + offset)
        fired = threading.Event()
        runtime.call_at(runtime.now() + 3600.0, fired.set)
        offset = 3600.0
        assert fired.wait(HOP + 10)
        runtime.close()


def test_a_timer_set_before_any_loop_runs_waits_for_one():
    """A coordinator may be made while a module is imported; its timers fire once a loop is used."""
    runtime = AsyncioRuntime()
    fired: list[str] = []
    runtime.call_at(runtime.now(), lambda: fired.append("kept"))
    runtime.call_at(runtime.now(), lambda: fired.append("cancelled"))()

    async def use() -> None:
        heard = asyncio.Event()
        runtime.call_at(runtime.now(), heard.set)
        await asyncio.wait_for(heard.wait(), 10)

    asyncio.run(use())
    assert fired == ["kept"]
