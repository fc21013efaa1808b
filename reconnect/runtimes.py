"""Time, timers and a place for blocking work: one `Runtime` for each style of concurrency.

Nobody has to choose one: a signaling adapter brings the runtime that fits its library.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeAlias, TypeVar

from attrs import define

from reconnect.ports import Cancel

T = TypeVar("T")
Clock: TypeAlias = Callable[[], float]

HOP = 1.0  # s; timers of the system may stand still while the machine sleeps: look this often
LOCK_POLL = 0.1  # s; how long close() may wait for a timer thread that wants the lock

logger = logging.getLogger("reconnect")


class SleepCountingClock:
    """Seconds that never go back and count while the machine sleeps: the clock of a client.

    Each call adds the larger of what the monotonic and the wall clock have advanced since the
    last call. A wall clock that is set forward therefore counts as sleep, which errs on the safe
    side: a lease runs out early, never late. A coordinator uses plain `time.monotonic`.
    """

    def __init__(self, *, monotonic: Clock = time.monotonic, wall: Clock = time.time) -> None:
        self._clocks = monotonic, wall
        self._read = monotonic(), wall()
        self._now = self._read[0]
        self._lock = threading.Lock()

    def __call__(self) -> float:
        with self._lock:
            before, self._read = self._read, (self._clocks[0](), self._clocks[1]())
            passed = (new - old for new, old in zip(self._read, before, strict=True))
            self._now += max(0.0, *passed)
            return self._now


def attempt(callback: Callable[[], object]) -> None:
    """Call; what it raises is logged and harms nobody else."""
    try:
        callback()
    except Exception:
        logger.exception("reconnect.callback_failed")


def outcome(job: Callable[[], T]) -> T | Exception:
    """What `job` returns, or the exception it raises."""
    try:
        return job()
    except Exception as error:
        return error


# -- asyncio -------------------------------------------------------------------------------------


class AsyncioRuntime:
    """Everything on one event loop: the one that runs at the first use.

    Its methods must be called on that loop's thread. `work` goes to the loop's default executor.
    Timers that are set before any loop runs, by a server that is put together while its module
    is imported, wait for the first use on a loop.
    """

    def __init__(self, *, clock: Clock = time.monotonic) -> None:
        self.lock: AbstractContextManager[Any] = nullcontext()
        self._clock = clock
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: list[_LoopTimer] = []

    def now(self) -> float:
        self._arm_waiting()
        return self._clock()

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop of this runtime; raises `RuntimeError` where none runs at the first use."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        return self._loop

    def call_at(self, when: float, callback: Callable[[], None]) -> Cancel:
        timer = _LoopTimer(self, when, callback)
        self._waiting.append(timer)
        self._arm_waiting()
        return timer.cancel

    def _arm_waiting(self) -> None:
        if self._waiting and (self._loop is not None or _loop_runs()):
            waiting, self._waiting = self._waiting, []
            for timer in waiting:
                timer.arm()

    def work(self, job: Callable[[], T], done: Callable[[T | Exception], None]) -> None:
        def finished(future: asyncio.Future[T | Exception]) -> None:
            if not future.cancelled():
                attempt(lambda: done(future.result()))

        self.loop.run_in_executor(None, outcome, job).add_done_callback(finished)


@define(eq=False)
class _LoopTimer:
    runtime: AsyncioRuntime
    when: float
    callback: Callable[[], None]
    handle: asyncio.TimerHandle | None = None
    cancelled: bool = False

    def arm(self) -> None:
        if self.cancelled:
            return
        left = self.when - self.runtime.now()
        self.handle = self.runtime.loop.call_later(min(max(left, 0.0), HOP), self._fire)

    def cancel(self) -> None:
        self.cancelled = True
        if self.handle is not None:
            self.handle.cancel()

    def _fire(self) -> None:
        # a loop may fire early by its clock's resolution
        if self.runtime.now() < self.when:
            self.arm()
        else:
            attempt(self.callback)


def _loop_runs() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


# -- threads -------------------------------------------------------------------------------------


@define(eq=False)
class Timer:
    """One entry of `Timers`; without a callback once it has been taken or cancelled."""

    when: float
    callback: Callable[[], None] | None
    waiting: bool = True
    """Whether it is in the heap."""

    def take(self) -> Callable[[], None] | None:
        """What to call, once."""
        callback, self.callback = self.callback, None
        return callback


class Timers:
    """A heap of timers; the cancelled ones leave it before they are the most of it."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, float, int, Timer]] = []
        self._added = 0
        self._cancelled = 0

    def __len__(self) -> int:
        return len(self._heap) - self._cancelled

    def add(self, when: float, callback: Callable[[], None], *, tie: float = 0.0) -> Timer:
        """Of timers with the same `when`, those with the smaller `tie` come first."""
        timer = Timer(when, callback)
        self._added += 1
        heapq.heappush(self._heap, (when, tie, self._added, timer))
        return timer

    def cancel(self, timer: Timer) -> None:
        if timer.take() is None or not timer.waiting:
            return
        self._cancelled += 1
        if self._cancelled * 2 > len(self._heap):
            self._heap = [entry for entry in self._heap if entry[3].callback is not None]
            heapq.heapify(self._heap)
            self._cancelled = 0

    def first(self) -> Timer | None:
        """The timer that is due next; it stays."""
        while self._heap and self._heap[0][3].callback is None:
            heapq.heappop(self._heap)
            self._cancelled -= 1
        return self._heap[0][3] if self._heap else None

    def pop(self) -> Timer:
        """Take out what `first` has returned."""
        timer = heapq.heappop(self._heap)[3]
        timer.waiting = False
        return timer


class ThreadRuntime:
    """One timer thread, and a lock around everything: for threads and patched green threads.

    Callbacks run in the timer thread under `lock`; hold it around your own calls into a shell.
    `work` runs the job in the calling thread, and `done` before it returns. The thread starts
    with the first timer and is a daemon; `close()` ends it.
    """

    def __init__(self, *, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._rlock = threading.RLock()
        self.lock: AbstractContextManager[Any] = self._rlock
        self._timers = Timers()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False

    def now(self) -> float:
        return self._clock()

    def call_at(self, when: float, callback: Callable[[], None]) -> Cancel:
        with self._changed:
            timer = self._timers.add(when, callback)
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(
                    target=self._run, name="reconnect-timers", daemon=True
                )
                self._thread.start()
            self._changed.notify()

        def cancel() -> None:
            with self._changed:
                self._timers.cancel(timer)

        return cancel

    def work(self, job: Callable[[], T], done: Callable[[T | Exception], None]) -> None:
        result = outcome(job)
        with self.lock:
            attempt(lambda: done(result))

    def close(self) -> None:
        """End the timer thread and wait for it; timers that are set afterwards never fire."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def _run(self) -> None:
        while (timer := self._next()) is not None and self._acquire():
            try:
                callback = timer.take()
                if callback is not None:
                    attempt(callback)
            finally:
                self._rlock.release()

    def _next(self) -> Timer | None:
        """Wait for a timer that is due; None when there will be no more."""
        with self._changed:
            while not self._closed:
                first = self._timers.first()
                left = None if first is None else first.when - self.now()
                if first is not None and left is not None and left <= 0:
                    return self._timers.pop()
                self._changed.wait(None if left is None else min(left, HOP))
        return None

    def _acquire(self) -> bool:
        # who closes may hold the lock while waiting for this thread
        while not self._rlock.acquire(timeout=LOCK_POLL):
            if self._closed:
                return False
        return True
