"""Wheel: one timer for all deadlines of a coordinator.

A calendar: deadlines fall into ticks, and one timer waits for the soonest tick that has any. To
arm, to disarm and to fire cost the same for ten keys and for a hundred thousand.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Hashable
from math import ceil, floor, inf

from reconnect.ports import Cancel, Runtime

TICKS_PER_SECOND = 100  # nobody notices 10 ms at the end of a wait of seconds
TICKS_SPARE = 64  # emptied ticks that may lie about before they are swept up


class Wheel:
    """Calls `due(key)` once for each armed key: never early, and at most one tick (10 ms) late.

    A key has one instant. A deadline that mostly moves away, such as that of a heartbeat, need
    not be armed again each time: let it come up, see that it is early, and arm it then.
    """

    def __init__(self, runtime: Runtime, due: Callable[[Hashable], None]) -> None:
        self._runtime = runtime
        self._due = due
        self._tick_of: dict[Hashable, int] = {}
        # dicts as sets that keep their order, so that a simulation can be repeated
        self._keys: dict[int, dict[Hashable, None]] = {}
        self._ticks: list[int] = []
        """A heap; of an emptied tick the number stays for a while."""
        self._earliest = _tick_after(runtime.now())
        self._set_for: int | None = None
        self._cancel: Cancel | None = None
        self._firing = False
        self._closed = False

    def __len__(self) -> int:
        return len(self._tick_of)

    def arm(self, key: Hashable, when: float) -> None:
        """Let `key` come up at `when`, and at no other instant; at infinity it never does."""
        self.disarm(key)
        if when == inf or self._closed:
            return
        tick = max(_tick_from(when), self._earliest)
        self._tick_of[key] = tick
        if tick not in self._keys:
            self._keys[tick] = {}
            heapq.heappush(self._ticks, tick)
        self._keys[tick][key] = None
        self._wind()

    def disarm(self, key: Hashable) -> None:
        """`key` does not come up; nothing happens where it was not going to."""
        tick = self._tick_of.pop(key, None)
        if tick is None or (keys := self._keys.get(tick)) is None:
            return
        del keys[key]
        if not keys:
            del self._keys[tick]
            if len(self._ticks) > 2 * len(self._keys) + TICKS_SPARE:
                self._ticks = list(self._keys)
                heapq.heapify(self._ticks)

    def close(self) -> None:
        """Nothing comes up any more."""
        self._closed = True
        self._tick_of.clear()
        self._keys.clear()
        self._ticks.clear()
        if self._cancel is not None:
            self._cancel()

    def _wind(self) -> None:
        """Set the timer for the soonest tick; one that was set for an emptied tick may stay."""
        if self._firing or not self._ticks:
            return
        soonest = self._ticks[0]
        if self._set_for is not None and self._set_for <= soonest:
            return
        if self._cancel is not None:
            self._cancel()
        self._set_for = soonest
        self._cancel = self._runtime.call_at(soonest / TICKS_PER_SECOND, self._fire)

    def _fire(self) -> None:
        self._set_for = self._cancel = None
        now = self._runtime.now()
        # what is armed from now on has to wait for the next tick, or this could go on for ever
        self._earliest = _tick_after(now)
        self._firing = True
        try:
            while self._ticks and self._ticks[0] < self._earliest:
                tick = heapq.heappop(self._ticks)
                for key in self._keys.pop(tick, ()):
                    if self._tick_of.get(key) == tick:
                        del self._tick_of[key]
                        self._due(key)
        finally:
            self._firing = False
            self._wind()


def _tick_from(when: float) -> int:
    """The first tick that is not before `when`, whatever the rounding."""
    tick = ceil(when * TICKS_PER_SECOND)
    while tick / TICKS_PER_SECOND < when:
        tick += 1
    return tick


def _tick_after(now: float) -> int:
    """The first tick that is after `now`, whatever the rounding."""
    tick = floor(now * TICKS_PER_SECOND)
    while tick / TICKS_PER_SECOND <= now:
        tick += 1
    return tick
