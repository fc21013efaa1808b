"""A server's process whose blocking work, such as that of its store, may take longer."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from reconnect.testing.virtual import VirtualProcess

T = TypeVar("T")


class ServerProcess(VirtualProcess):
    """Asks `delay` before each piece of work by how many seconds it takes longer."""

    def __init__(self, process: VirtualProcess, *, delay: Callable[[], float]) -> None:
        super().__init__(process.outer, rate=process.rate, offset=process.offset)
        self.delay = delay

    def work(self, job: Callable[[], T], done: Callable[[T | Exception], None]) -> None:
        if delay := self.delay():
            self.call_at(self.now() + delay, lambda: VirtualProcess.work(self, job, done))
        else:
            super().work(job, done)
