"""A store in a file: sessions outlive the process, and even its sudden death.

One thread writes. What waits while it writes is committed together by its next transaction, so
that a hundred sessions that are saved at once cost a few waits for the disk and not a hundred.
"""

from __future__ import annotations

import os
import queue
import secrets
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from attrs import define, field

from reconnect.core.record import Record
from reconnect.errors import Conflict, LocalProtocolError, StoreError, StoreInUse
from reconnect.log import facts_of, quiet
from reconnect.stores.sqlite_owner import FileLock, Ownership
from reconnect.stores.sqlite_schema import Row, connect, record_of, sqlite_errors, transaction

T = TypeVar("T")
Job: TypeAlias = Callable[[sqlite3.Connection], T]

TAKEOVER_AFTER = 10.0  # s; as long as the longest lease by default
BATCH_MAX = 1000  # jobs in one transaction; far from the second that a save may take
SWEPT_AFTER = 24 * 3600.0  # s; a wall clock that is wrong by hours must not forget a session


class SQLiteStore:
    """Keeps records in an SQLite database; a save is on the disk when it returns.

    `path` is a file on a local disk, made if it is not there. It belongs to one coordinator at a
    time, from the construction of the store until `close()`: the constructor raises `StoreInUse`
    where another one lives. After `close()`, or after the death of its process, a successor on
    the same machine starts at once. An owner that hangs is relieved when its heartbeat, one a
    second, has stood still for `takeover_after` seconds and longer than any player may play on
    (the longest `lease_bound` in the store and 1 s); the constructor waits for so long. If it
    wakes up, all its calls raise `StoreInUse`, and its coordinator closes. One that hangs in the
    middle of a write cannot be relieved: after the same wait the constructor raises `StoreInUse`.

    `owner` names this one for people; the default has the number of the process in it.

    Every call raises `StoreError` where the database cannot do what is asked. A record that
    cannot be read is left out by `load_all` and logged; a day after its session was to be
    forgotten it is removed. Calls may come from any thread, and wait for the disk.

    `wall` gives seconds since the epoch; only tests need another.
    """

    blocking = True

    def __init__(
        self,
        path: Path | str,
        *,
        owner: str | None = None,
        takeover_after: float = TAKEOVER_AFTER,
        logger: Any = None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        if str(path) in ("", ":memory:"):
            raise LocalProtocolError("an SQLiteStore needs a file; MemoryStore needs none")
        self.path = Path(path).resolve()
        self._log = quiet(logger).bind(store=self.path.name)
        self._wall = wall
        self._connection = connect(self.path)
        self._ownership = Ownership(
            self._connection,
            FileLock(self.path.with_name(f"{self.path.name}-owner")),
            id=owner or f"process {os.getpid()}, {secrets.token_hex(4)}",
            takeover_after=takeover_after,
        )
        self._tasks: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()
        self._gate = threading.Lock()
        """Behind it nothing is put in the queue that is closed."""
        self._closed = False
        self._beat_at = time.monotonic() + self._ownership.interval
        """When the next heartbeat is due, if nothing is committed before."""
        self._deposed: StoreInUse | None = None
        self._fails = False
        """Whether the last transaction failed: a dead disk would fill the log."""
        try:
            with sqlite_errors(self.path):
                self._ownership.claim()
        except BaseException:
            self._ownership.give_up()
            self._connection.close()
            raise
        self._writer = threading.Thread(target=self._write, name="reconnect-sqlite", daemon=True)
        self._writer.start()

    def __repr__(self) -> str:
        return f"<SQLiteStore {self.path.name!r}>"

    @property
    def owner(self) -> str:
        """What this owner of the store is called."""
        return self._ownership.id

    def owned(self) -> bool:
        """Whether nobody can have taken the store over; quick, and without a look at the disk.

        False also while heartbeats cannot be written; it becomes True again when they can.
        """
        return self._ownership.certain

    # -- the port ------------------------------------------------------------------------------

    def load(self, session: str) -> Record | None:
        """The record of a session; raises `StoreError` where it cannot be read."""
        text = self._do(partial(_text, session=session))
        return None if text is None else record_of(session, text)

    def load_all(self) -> Iterable[Record]:
        """All records that can be read, in the order of their first saves."""
        records = []
        for session, text in self._do(partial(_all, now=self._wall())):
            try:
                records.append(record_of(session, text))
            except StoreError as error:
                self._log.error("reconnect.record_unreadable", session=session, **facts_of(error))
        return records

    def save(self, record: Record, *, expected: int) -> None:
        """Compare-and-set on the version; 0 expects no record.

        Raises `Conflict` where the stored version is another and the record is not the one that
        is stored already, and `StoreInUse` where another coordinator has taken over.
        """
        self._do(partial(self._put, record, Row.of(record), expected))

    def forget(self, session: str) -> None:
        self._do(partial(_delete, session=session))

    def close(self) -> None:
        """Finish what has been asked for, and let a successor start; the sessions stay."""
        with self._gate:
            if not self._closed:
                self._closed = True
                self._tasks.put(None)
        self._writer.join()

    def _put(self, record: Record, row: Row, expected: int, connection: sqlite3.Connection) -> None:
        select = "SELECT version FROM records WHERE session = ?"
        stored = connection.execute(select, (row.session,)).fetchone()
        found = None if stored is None else stored[0]
        if (found or 0) == expected:
            self._ownership.allow_for(row.lease_bound)
            connection.execute(UPSERT, row.values)
        elif not _holds(connection, record):
            raise Conflict(row.session, expected=expected, found=found)

    # -- callers' threads ----------------------------------------------------------------------

    def _do(self, job: Job[T]) -> T:
        """Let the writer do it, and wait until it is durable."""
        task = _Task(job)
        with self._gate:
            if self._closed:
                raise StoreError(f"{self.path.name} is closed")
            self._tasks.put(task)
        result: T = task.done.result()
        return result

    # -- the writer's thread -------------------------------------------------------------------

    def _write(self) -> None:
        while (batch := self._next()) is not None:
            if self._deposed is None:
                self._commit(batch)
            else:
                _fail(batch, self._deposed)
        if self._deposed is None:
            with suppress(sqlite3.Error):  # the end of the process releases it too
                self._ownership.release()
        self._connection.close()

    def _next(self) -> list[_Task] | None:
        """What waits; nothing, when a heartbeat is due; None behind the last."""
        pause = None
        if self._deposed is None:
            pause = max(0.0, self._beat_at - time.monotonic())
        batch: list[_Task] = []
        with suppress(queue.Empty):
            task = self._tasks.get(timeout=pause)
            while task is not None:
                batch.append(task)
                if len(batch) == BATCH_MAX:
                    return batch
                task = self._tasks.get_nowait()
            if not batch:
                return None
            self._tasks.put(None)  # nobody puts anything behind it
        return batch

    def _commit(self, batch: list[_Task]) -> None:
        at = time.monotonic()
        self._beat_at = at + self._ownership.interval
        try:
            with sqlite_errors(self.path), transaction(self._connection):
                results = [task.result(self._connection) for task in batch]
                self._ownership.beat()
        except StoreInUse as error:
            self._deposed = error
            self._ownership.give_up()
            _fail(batch, error)
            self._log.error("reconnect.store_taken_over", **facts_of(error))
        except Exception as error:
            _fail(batch, error)
            if not self._fails:
                self._fails = True
                self._log.error("reconnect.store_failed", **facts_of(error))
        else:
            self._fails = False
            self._ownership.committed(at)
            for task, result in zip(batch, results, strict=True):
                task.finish(result)


@define(eq=False)
class _Task:
    """Something for the writer, and who waits for it."""

    job: Job[Any]
    done: Future[Any] = field(factory=Future, init=False)

    def result(self, connection: sqlite3.Connection) -> Any:
        """What the job gives; its own failure is a result too, and harms no other job."""
        try:
            return self.job(connection)
        except sqlite3.Error:
            raise
        except Exception as error:
            return error

    def finish(self, result: Any) -> None:
        if isinstance(result, Exception):
            self.done.set_exception(result)
        else:
            self.done.set_result(result)


def _fail(batch: list[_Task], error: Exception) -> None:
    for task in batch:
        task.finish(error)


# -- jobs ----------------------------------------------------------------------------------------

# not REPLACE: the row keeps its place in the order of the sessions
UPSERT = (
    "INSERT INTO records (session, version, lease_bound, expires_at, record)"
    " VALUES (?, ?, ?, ?, ?) ON CONFLICT (session) DO UPDATE SET version = excluded.version,"
    " lease_bound = excluded.lease_bound, expires_at = excluded.expires_at,"
    " record = excluded.record"
)


def _text(connection: sqlite3.Connection, *, session: str) -> str | None:
    select = "SELECT record FROM records WHERE session = ?"
    row = connection.execute(select, (session,)).fetchone()
    return None if row is None else row[0]


def _all(connection: sqlite3.Connection, *, now: float) -> list[tuple[str, str]]:
    connection.execute("DELETE FROM records WHERE expires_at < ?", (now - SWEPT_AFTER,))
    return connection.execute("SELECT session, record FROM records ORDER BY rowid").fetchall()


def _delete(connection: sqlite3.Connection, *, session: str) -> None:
    connection.execute("DELETE FROM records WHERE session = ?", (session,))


def _holds(connection: sqlite3.Connection, record: Record) -> bool:
    text = _text(connection, session=record.session)
    try:
        return text is not None and record_of(record.session, text) == record
    except StoreError:
        return False
