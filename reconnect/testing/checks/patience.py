"""What every scene does with what is expected: wait for it, and say what came instead."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable

from reconnect.testing.checks.promise import BrokenPromise, Promise

POLL = 0.005  # s between two looks
DONE_MAX = 30  # of the last things that were done


class Patience(ABC):
    """Waits for anything `patience` seconds, and `quiet` seconds for nothing."""

    def __init__(self, patience: float, quiet: float) -> None:
        self.patience = patience
        self._quiet = quiet
        self.done: list[str] = []

    @abstractmethod
    def judge(self) -> None:
        """Raise the first word that was broken."""

    async def until(
        self, condition: Callable[[], object], promise: Promise, saw: Callable[[], str]
    ) -> None:
        """Wait for it; any broken word ends the wait."""
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + self.patience
        self.judge()
        while not condition():
            self.expect(loop.time() < ends_at, promise, f"in {self.patience:g} s: {saw()}")
            await asyncio.sleep(POLL)
            self.judge()

    async def quiet(self) -> None:
        """Wait whether something comes that should not."""
        await asyncio.sleep(self._quiet)
        self.judge()

    def expect(self, condition: object, promise: Promise, saw: str) -> None:
        if not condition:
            raise self.broken(promise, saw)

    def broken(self, promise: Promise, saw: str) -> BrokenPromise:
        return BrokenPromise(promise, saw, done=self.done[-DONE_MAX:])
