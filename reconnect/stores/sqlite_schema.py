"""The file of a `SQLiteStore`: how it is opened, and how an older one is brought up to date.

Table `records` has one row a session; what stands beside the JSON text is there to be searched.
Table `owner` always has one row: who may write (see `sqlite_owner`).
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from attrs import astuple, frozen

from reconnect.core.record import Record, record_from_json, record_to_json
from reconnect.errors import StoreError

APPLICATION_ID = 0x7265636F  # "reco"; in the file's header, so that no other database is taken
OF_A_LOCK = (
    "another program is in the middle of a transaction: a backup, a shell that was left open, or "
    "a stopped process; end it (`fuser` names it)"
)
BUSY_TIMEOUT = 1.5  # s; for a backup or a person that looks in; a save may take 2 s by default


@frozen
class Row:
    """A record, as it is stored."""

    session: str
    version: int
    lease_bound: float
    """Whoever takes over from a hanging owner has waited for longer than any of these."""
    expires_at: float | None
    """Wall clock: when nobody needs to know the ended session any more; None while it lives."""
    text: str

    @classmethod
    def of(cls, record: Record) -> Row:
        """Raises `StoreError` where something in the record is not JSON."""
        try:
            text = json.dumps(record_to_json(record), separators=(",", ":"), allow_nan=False)
        except (TypeError, ValueError, RecursionError) as error:
            raise StoreError(
                f"the record of session {record.session!r} is not JSON: {error}"
            ) from error
        ended_at, policy = record.ended_at, record.policy
        expires_at = None if ended_at is None else ended_at + policy.retention
        return cls(record.session, record.version, policy.lease_bound, expires_at, text)

    @property
    def values(self) -> tuple[object, ...]:
        """The values of the columns, in the order of the fields."""
        return astuple(self)


def record_of(session: str, text: str) -> Record:
    """The record that was stored as this text; raises `StoreError` where there is none in it."""
    try:
        record = record_from_json(json.loads(text))
    except (StoreError, ValueError, RecursionError) as error:
        detail = error if isinstance(error, StoreError) else "it is not JSON"
        raise StoreError(f"the record of session {session!r} cannot be read: {detail}") from error
    if record.session != session:
        raise StoreError(f"in the place of session {session!r} is the record of another one")
    return record


# -- the file ------------------------------------------------------------------------------------


def connect(path: Path) -> sqlite3.Connection:
    """Open the database, or make it, with the present schema; raises `StoreError`.

    Every commit is on the disk when it returns. The connection may be used in any thread, by one
    at a time.
    """
    with sqlite_errors(path):
        connection = sqlite3.connect(
            path, timeout=BUSY_TIMEOUT, isolation_level=None, check_same_thread=False
        )
        try:
            _refuse_others(connection, path)
            (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
            if mode != "wal":
                raise StoreError(f"{path.name}: no write-ahead log here; it needs a local disk")
            connection.execute("PRAGMA synchronous = FULL")
            if _schema_of(connection) != len(MIGRATIONS):
                with transaction(connection):
                    _migrate(connection, path)
        except BaseException:
            connection.close()
            raise
        return connection


@contextmanager
def sqlite_errors(path: Path) -> Iterator[None]:
    """What SQLite raises becomes a `StoreError`."""
    try:
        yield
    except sqlite3.Error as error:
        advice = f"; {OF_A_LOCK}" if is_busy(error) else ""
        raise StoreError(f"{path.name}: {error}{advice}") from error


def is_busy(error: sqlite3.Error) -> bool:
    """Whether somebody else has locked the database, and has not let go of it in time."""
    code = getattr(error, "sqlite_errorcode", None)  # sqlite3's own complaints have none
    return code is not None and code & 0xFF == sqlite3.SQLITE_BUSY


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All of it is durable afterwards, or nothing of it happened."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):  # SQLite has rolled back by itself after some errors
            connection.execute("ROLLBACK")
        raise


def _refuse_others(connection: sqlite3.Connection, path: Path) -> None:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if application != APPLICATION_ID and (application or tables):
        raise StoreError(f"{path.name} is the database of another program; choose another path")


# -- the schema ----------------------------------------------------------------------------------


def _records(connection: sqlite3.Connection) -> None:
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(
        "CREATE TABLE records"
        " (session TEXT PRIMARY KEY, version INTEGER NOT NULL, record TEXT NOT NULL)"
    )


def _owner_and_expiry(connection: sqlite3.Connection) -> None:
    connection.execute(
        "CREATE TABLE owner (one INTEGER PRIMARY KEY CHECK (one = 1), id TEXT,"
        " epoch INTEGER NOT NULL, heartbeat REAL NOT NULL, takeover_after REAL NOT NULL,"
        " locked_on TEXT)"
    )
    connection.execute("INSERT INTO owner VALUES (1, NULL, 0, 0.0, 0.0, NULL)")
    connection.execute("ALTER TABLE records ADD COLUMN lease_bound REAL NOT NULL DEFAULT 0.0")
    connection.execute("ALTER TABLE records ADD COLUMN expires_at REAL")
    for session, text in connection.execute("SELECT session, record FROM records").fetchall():
        with suppress(StoreError):  # it stays as it is, for whoever can read it
            row = Row.of(record_of(session, text))
            connection.execute(
                "UPDATE records SET lease_bound = ?, expires_at = ? WHERE session = ?",
                (row.lease_bound, row.expires_at, session),
            )
    connection.execute(
        "CREATE INDEX records_expiry ON records (expires_at) WHERE expires_at IS NOT NULL"
    )


MIGRATIONS: tuple[Callable[[sqlite3.Connection], None], ...] = (_records, _owner_and_expiry)
"""What leads from each version of the schema to the next; a new file goes the whole way."""


def _schema_of(connection: sqlite3.Connection) -> int:
    (found,) = connection.execute("PRAGMA user_version").fetchone()
    return int(found)


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    found = _schema_of(connection)
    if found > len(MIGRATIONS):
        raise StoreError(
            f"{path.name} has schema {found}, of a newer release; this one knows {len(MIGRATIONS)}"
        )
    for step in MIGRATIONS[found:]:
        step(connection)
    if found < len(MIGRATIONS):
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
