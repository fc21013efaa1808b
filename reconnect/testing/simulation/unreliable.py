"""A store, and a server's process around it, that fail in all the ways a database can."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import TypeVar

from reconnect.core.record import Record
from reconnect.errors import StoreError
from reconnect.testing.server_process import ServerProcess
from reconnect.testing.table import LastingStore

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


class UnreliableServer(ServerProcess):
    """A server's process whose store answers late, or not at all."""

    def __init__(
        self, process: ServerProcess, store: UnreliableStore, *, save_timeout: float
    ) -> None:
        super().__init__(process, delay=lambda: process.delay() + self._trouble())
        self._store = store
        self._save_timeout = save_timeout

    def _trouble(self) -> float:
        match self._store.trouble:
            case Trouble.SLOW:
                return SLOW
            case Trouble.LATE:
                return self._save_timeout + TOO_LATE
            case _:
                return 0.0

    def work(self, job: Callable[[], T], done: Callable[[T | Exception], None]) -> None:
        super().work(job, _nobody if self._store.trouble is Trouble.SILENT else done)


def _ignore(_record: Record) -> None:
    """Nobody listens."""


def _nobody(_result: object) -> None:
    """The answer is lost."""
