"""Who may write to the database of a `SQLiteStore`: one coordinator at a time.

The table `owner` says who it is. Its epoch is raised by everybody who takes the store, and is
looked at in every transaction, so that an older owner cannot change anything. There are three
ways to become the owner:

* the last one has released the store;
* it is dead: it held the lock of the file `<database>-owner`, on this machine, and the kernel has
  taken that from it;
* it hangs: its heartbeat has not changed for `takeover_after` seconds in which we watched it.

An owner that cannot write its heartbeat stops trusting its ownership a little earlier than that.
So no two coordinators ever answer players at the same time, whatever the wall clock does.
"""

from __future__ import annotations

import platform
import sqlite3
import time
from collections.abc import Callable
from math import inf
from pathlib import Path

from attrs import frozen

from reconnect.errors import StoreInUse
from reconnect.stores.sqlite_schema import is_busy, transaction

HEARTBEAT_INTERVAL = 1.0  # s; a second coordinator is refused after one
HEARTBEATS_IN_LIMIT = 5  # a disk that is slow for one or two of them is no dead owner
BEYOND_LEASE = 1.0  # s; one heartbeat more than any player may go on playing
TRUST = 0.9  # of the limit: clocks may differ, and whoever takes over must be the later one
POLL = 0.05  # s; how soon a store that is released or left is noticed
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@frozen
class Owner:
    """The row of the table `owner`."""

    id: str | None
    """None: released."""
    epoch: int
    heartbeat: float
    """Wall clock, for people who look; all that counts is whether it changes."""
    takeover_after: float
    locked_on: str | None
    """The machine on which the owner holds the lock; None while it does not hold it."""


def this_machine() -> str:
    """Where file locks hold: one running kernel, whatever containers there are on it."""
    return BOOT_ID.read_text("ascii").strip() if BOOT_ID.exists() else platform.node()


class FileLock:
    """A lock that ends with the process: SQLite's own, on an empty file beside the database."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None

    @property
    def held(self) -> bool:
        """Whether it is ours."""
        return self._connection is not None

    def acquire(self) -> bool:
        """Whether it is held now; nobody waits."""
        if self._connection is None:
            connection = sqlite3.connect(
                self._path, timeout=0, isolation_level=None, check_same_thread=False
            )
            try:
                connection.execute("BEGIN EXCLUSIVE")
            except sqlite3.Error as error:
                connection.close()
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                    raise
                return False
            self._connection = connection
        return True

    def release(self) -> None:
        """Let go of it; nothing happens where it is not held."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class Ownership:
    """The claim of one coordinator on one database; all calls from one thread at a time."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        lock: FileLock,
        *,
        id: str,  # noqa: A002 - every thing of ours is named by its `id`
        takeover_after: float,
        machine: str | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._connection = connection
        self._lock = lock
        self._machine = this_machine() if machine is None else machine
        self._clock = clock
        self._sleep = sleep
        self.id = id
        self.epoch = 0
        self._limit = takeover_after
        self._written = -inf, 0.0
        """When the last heartbeat that is durable was written, and its limit."""

    # -- asked ---------------------------------------------------------------------------------

    @property
    def certain(self) -> bool:
        """Whether nobody can have taken the store over; may be asked from any thread."""
        at, limit = self._written
        return self._clock() < at + TRUST * limit

    @property
    def interval(self) -> float:
        """Seconds between two heartbeats."""
        return min(HEARTBEAT_INTERVAL, self._limit / HEARTBEATS_IN_LIMIT)

    # -- taken, kept and released --------------------------------------------------------------

    def claim(self) -> None:
        """Become the owner; raises `StoreInUse` where there is a living one.

        Returns at once if the last owner has released the store or is dead on this machine. If
        not, this watches: for one heartbeat of a living owner, or for `takeover_after` seconds.
        One that hangs in the middle of a write holds SQLite's own lock and cannot be relieved.
        """
        since, seen = self._clock(), self._row()
        while not (self._free(seen, since) and self._take(seen)):
            self._sleep(POLL)
            found = self._row()
            if found != seen and found.id is not None:
                raise StoreInUse(found.id)
            seen = found

    def _free(self, seen: Owner, since: float) -> bool:
        locked = self._lock.acquire()
        return (
            seen.id is None
            or (locked and seen.locked_on == self._machine)
            or self._clock() >= since + seen.takeover_after
        )

    def _take(self, seen: Owner) -> bool:
        try:
            return self._taken(seen)
        except sqlite3.Error as error:
            # who holds the lock of a dead or former owner's database is somebody else
            if seen.id is None or self._lock.held or not is_busy(error):
                raise
            raise StoreInUse(seen.id, stuck=True) from error

    def _taken(self, seen: Owner) -> bool:
        with transaction(self._connection):
            if self._row() != seen:
                return False
            (longest,) = self._connection.execute("SELECT max(lease_bound) FROM records").fetchone()
            self.allow_for(longest or 0.0)
            self.epoch = seen.epoch + 1
            self._connection.execute("UPDATE owner SET epoch = ?, id = ?", (self.epoch, self.id))
            at = self._clock()
            self.beat()
        self.committed(at)
        return True

    def allow_for(self, lease_bound: float) -> None:
        """From the next heartbeat on, whoever takes over waits longer than this."""
        self._limit = max(self._limit, lease_bound + BEYOND_LEASE)

    def beat(self) -> None:
        """Write a heartbeat into the open transaction; raises `StoreInUse` where it is not ours."""
        locked_on = self._machine if self._lock.acquire() else None
        changed = self._connection.execute(
            "UPDATE owner SET heartbeat = ?, takeover_after = ?, locked_on = ? WHERE epoch = ?",
            (time.time(), self._limit, locked_on, self.epoch),
        )
        if changed.rowcount == 0:
            found = self._row()
            raise StoreInUse(found.id or f"of epoch {found.epoch}")

    def committed(self, at: float) -> None:
        """The heartbeat of the transaction that was begun at `at` is durable."""
        self._written = at, self._limit

    def give_up(self) -> None:
        """It is not ours any more: trust nothing, and let the owner have the lock."""
        self._written = -inf, 0.0
        self._lock.release()

    def release(self) -> None:
        """Let a successor start at once."""
        self._written = -inf, 0.0
        try:
            with transaction(self._connection):
                self._connection.execute(
                    "UPDATE owner SET id = NULL, locked_on = NULL WHERE epoch = ?", (self.epoch,)
                )
        finally:
            self._lock.release()

    def _row(self) -> Owner:
        row = self._connection.execute(
            "SELECT id, epoch, heartbeat, takeover_after, locked_on FROM owner"
        ).fetchone()
        return Owner(*row)
