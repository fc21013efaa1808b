"""A store, and a server's process around it, that fail in all the ways a database can."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import TypeVar

from reconnect.core.record import Record
from reconnect.errors import StoreError
from reconnect.testing.table import LastingStore
from reconnect.testing.virtual import VirtualProcess

T = TypeVar("T")

SLOW = 0.3  # s that a slow store takes for a save
TOO_LATE = 0.4  # s later than a save may take


class Trouble(StrEnum):
    """What a store does instead of what it should."""

    RAISES = "raises"
    """Nothing is written, and an error is reported."""
    LIES = "lies"
    """The record is written, and an error is reported."""
    SLOW = "slow"
    """Everything takes its time."""
    SILENT = "silent"
    """The record is written, and nobody is told."""
    LATE = "late"
    """The record is written when nobody waits for it any more."""


class UnreliableStore(LastingStore):
    """Keeps everything through the lives of its servers; `trouble` is what it does at present."""

    def __init__(self) -> None:
        super().__init__()
        self.trouble: Trouble | None = None
        self.saved: Callable[[Record], None] = _ignore
        """Told of each record that has been written."""

    def save(self, record: Record, *, expected: int) -> None:
        if self.trouble is Trouble.RAISES:
            raise StoreError("the disk is full")
        super().save(record, expected=expected)
        self.saved(record)
        if self.trouble is Trouble.LIES:
            raise StoreError("the answer was lost")


class UnreliableServer(VirtualProcess):
    """A server's process whose store answers late, or not at all."""

    def __init__(
        self, process: VirtualProcess, store: UnreliableStore, *, save_timeout: float
    ) -> None:
        super().__init__(process.outer, rate=process.rate, offset=process.offset)
        self._store = store
        self._save_timeout = save_timeout

    def work(self, job: Callable[[], T], done: Callable[[T | Exception], None]) -> None:
        match self._store.trouble:
            case Trouble.SLOW:
                self.call_at(self.now() + SLOW, lambda: VirtualProcess.work(self, job, done))
            case Trouble.LATE:
                late = self.now() + self._save_timeout + TOO_LATE
                self.call_at(late, lambda: VirtualProcess.work(self, job, done))
            case Trouble.SILENT:
                super().work(job, _nobody)
            case _:
                super().work(job, done)


def _ignore(_record: Record) -> None:
    """Nobody listens."""


def _nobody(_result: object) -> None:
    """The answer is lost."""
