"""Virtual time: hours of a game in a second, the same again from the same seed."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, TypeVar

from attrs import define

from reconnect.ports import Cancel
from reconnect.runtimes import Timers, outcome

T = TypeVar("T")

STEPS_PER_INSTANT_MAX = 100_000  # more than that at one instant is a loop that never ends


class VirtualRuntime:
    """A `Runtime` whose time passes only in `step`, `run` and `run_until`.

    What is due at the same instant comes in an order drawn from `seed`. Blocking work is done at
    a later instant, and its end is heard at another one, both within a time drawn from
    `work_delay` (least and most, in seconds). An exception that a callback raises leaves `step`,
    `run` or `run_until`, so that a test fails; the runtime can go on afterwards.
    """

    def __init__(
        self,
        seed: int = 0,
        *,
        start: float = 0.0,
        work_delay: tuple[float, float] = (0.001, 0.02),
    ) -> None:
        self.lock: AbstractContextManager[Any] = nullcontext()
        self._now = start
        self._timers = Timers()
        self._ties = random.Random(f"{seed}/ties")
        self._work = random.Random(f"{seed}/work")
        self._work_delay = work_delay
        self._steps = 0

    def now(self) -> float:
        return self._now

    def call_at(self, when: float, callback: Callable[[], None]) -> Cancel:
        timer = self._timers.add(max(when, self._now), callback, tie=self._ties.random())
        return partial(self._timers.cancel, timer)

    def work(self, job: Callable[[], T], done: Callable[[T | Exception], None]) -> None:
        delay = self._work.uniform(*self._work_delay)
        end = self._now + delay

        def do() -> None:
            result = outcome(job)
            self.call_at(end, lambda: done(result))

        self.call_at(self._now + delay * self._work.random(), do)

    @property
    def pending(self) -> int:
        """How many timers and pieces of work are waiting."""
        return len(self._timers)

    def step(self) -> bool:
        """Go on to the next thing that is due and do it; False if there is nothing."""
        return self._step(math.inf)

    def run(self, seconds: float) -> None:
        """Let that much time pass."""
        self.run_to(self._now + seconds)

    def run_to(self, instant: float) -> None:
        """Let time pass until `instant`, with all that is due then."""
        while self._step(instant):
            pass
        self._advance(instant)

    def run_until(self, predicate: Callable[[], object], limit: float = 60.0) -> bool:
        """Let time pass until `predicate` is true; False if it is not within `limit` seconds.

        It is asked before and after everything that happens.
        """
        end = self._now + limit
        while not predicate():
            if not self._step(end):
                self._advance(end)
                return bool(predicate())
        return True

    def process(self, *, rate: float = 1.0, offset: float = 0.0) -> VirtualProcess:
        """A runtime for one program among several, with a clock of its own."""
        return VirtualProcess(self, rate=rate, offset=offset)

    def _step(self, end: float) -> bool:
        timer = self._timers.first()
        if timer is None or timer.when > end:
            return False
        self._timers.pop()
        self._advance(timer.when)
        self._steps += 1
        if self._steps > STEPS_PER_INSTANT_MAX:
            raise RuntimeError(f"time stands still at {self._now:g} s: callbacks without end")
        if callback := timer.take():
            callback()
        return True

    def _advance(self, to: float) -> None:
        if to > self._now:
            self._now, self._steps = to, 0


class VirtualProcess:
    """The `Runtime` of one program that can be killed or stalled, with its own clock.

    Its clock shows `offset + rate * t`, where t is the time of the runtime it belongs to.
    """

    def __init__(self, runtime: VirtualRuntime, *, rate: float = 1.0, offset: float = 0.0) -> None:
        self.lock: AbstractContextManager[Any] = nullcontext()
        self.outer = runtime
        self.alive = True
        self.rate = rate
        self.offset = offset
        self.stalled_until = -math.inf
        self._timers: dict[_ProcessTimer, None] = {}
        self._overdue: list[_ProcessTimer] = []

    def now(self) -> float:
        return self._inside(self.outer.now())

    def call_at(self, when: float, callback: Callable[[], None]) -> Cancel:
        outside = (when - self.offset) / self.rate
        while self._inside(outside) < when:  # rounding must not wake anybody early
            outside += math.ulp(abs(when) + abs(self.offset)) / self.rate
        timer = _ProcessTimer(self, callback, when)
        self._timers[timer] = None
        timer.arm(outside)
        return timer.cancel

    def work(self, job: Callable[[], T], done: Callable[[T | Exception], None]) -> None:
        """What is killed between the two has done its job and hears nothing of it."""

        def tell(result: T | Exception) -> None:
            _ProcessTimer(self, lambda: done(result), self.now()).fire()

        def do() -> T:
            if not self.alive:
                raise RuntimeError("the process is dead")
            return job()

        self.outer.work(do, tell)

    def kill(self) -> None:
        """Nothing of it happens any more, as if the program had been killed."""
        self.alive = False

    def stall(self, seconds: float) -> None:
        """Its event loop hangs: what is due in the next `seconds` happens only afterwards."""
        self.stalled_until = max(self.stalled_until, self.outer.now() + seconds)

    def jump(self, seconds: float) -> None:
        """Its clock is set forward, as that of a machine which took the time from its wall clock.

        What is due by then happens when it would have, or as soon as anything happens: nobody
        wakes an event loop that sleeps.
        """
        self.offset += seconds
        self._overdue = [timer for timer in self._timers if timer.when <= self.now()]

    def woke(self) -> None:
        """Something of it happens, and so does what is overdue."""
        overdue, self._overdue = self._overdue, []
        for timer in overdue:
            if timer in self._timers:
                timer.arm(self.outer.now())

    def _inside(self, outside: float) -> float:
        return self.offset + self.rate * outside


@define(eq=False)
class _ProcessTimer:
    process: VirtualProcess
    callback: Callable[[], None]
    when: float
    """On the process's clock."""
    disarm: Cancel | None = None

    def arm(self, outside: float) -> None:
        if self.disarm is not None:
            self.disarm()
        self.disarm = self.process.outer.call_at(outside, self.fire)

    def cancel(self) -> None:
        self.process._timers.pop(self, None)
        if self.disarm is not None:
            self.disarm()

    def fire(self) -> None:
        process = self.process
        if process.alive and process.outer.now() < process.stalled_until:
            self.arm(process.stalled_until)
            return
        process._timers.pop(self, None)
        if process.alive:
            process.woke()
            self.callback()
