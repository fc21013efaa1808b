"""The game that is played over all arms: thirty numbers a second to the other one, and a log."""

from __future__ import annotations

import asyncio
import time
from itertools import pairwise
from math import inf

from _arms import Arm
from attrs import define, field

STEP = 1 / 30
POLL = 0.002  # s; finer than a step, so that what is measured is not this loop


@define
class Log:
    """What one player saw. All instants are of the clock that the whole machine shares."""

    starts: list[float] = field(factory=list)
    stops: list[float] = field(factory=list)
    told: list[float] = field(factory=list)
    """When it heard that it was to start, which may be before the start."""
    sent: int = 0
    arrived: list[tuple[float, int]] = field(factory=list)

    @property
    def playing(self) -> bool:
        return len(self.starts) > len(self.stops)

    def stop_after(self, instant: float) -> float:
        """The first stop since; infinity if there was none."""
        return next((stop for stop in self.stops if stop >= instant), inf)

    def back_after(self, cut_at: float, mended_at: float) -> float:
        """When it played again for good; who never stopped is back when it hears the other one."""
        if not self.playing:
            return inf
        if self.stop_after(cut_at) < inf:
            return max(self.starts[-1], mended_at)
        return next((at for at, _ in self.arrived if at >= mended_at), inf)


class Game:
    """One player's loop."""

    def __init__(self, arm: Arm) -> None:
        self.arm = arm
        self.log = Log(told=arm.told_to_start_at)
        self.stepping = True
        """Whether steps are taken where they may be."""
        self._task = asyncio.create_task(self._loop())

    async def _loop(self) -> None:
        next_step = 0.0
        while True:
            now = time.monotonic()
            self.log.arrived += [(now, number) for number in self.arm.receive()]
            playing = self.arm.playing
            if playing != self.log.playing:
                (self.log.starts if playing else self.log.stops).append(now)
            if playing and self.stepping and now >= next_step:
                next_step = max(next_step + STEP, now)
                self.arm.send(self.log.sent)
                self.log.sent += 1
            await asyncio.sleep(POLL)

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self.arm.close()


@define
class Books:
    """What became of the numbers that one player sent and the other got."""

    lost: int = 0
    doubled: int = 0
    misplaced: int = 0

    @classmethod
    def of(cls, sender: Log, receiver: Log) -> Books:
        arrived = [number for _, number in receiver.arrived]
        firsts = list(dict.fromkeys(arrived))
        misplaced = sum(late < early for early, late in pairwise(firsts))
        return cls(sender.sent - len(firsts), len(arrived) - len(firsts), misplaced)
