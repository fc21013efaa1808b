"""How fast a session is durable, and how fast a server is back after a restart.

Each session saves one record after the other, in a thread of its own, as a coordinator's sessions
do in its worker threads. Beside the stores is what one writes by hand: one connection behind a
lock, and a commit for each save. All reach the disk with each commit but `memory`.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from itertools import cycle, islice
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory
from typing import Any, Protocol

import attrs
from _measure import HAND, OURS, Row, options, progress, report

from reconnect.core.record import Record, Seat, record_to_json
from reconnect.core.table import State
from reconnect.policy import Policy
from reconnect.stores.memory import MemoryStore
from reconnect.stores.sqlite import SQLiteStore

MEMORY = "memory"
SIZES = (1, 10, 100)
STORED = (1_000, 10_000)
PARTS = ("saves", "start")
RECORD = Record(
    session="",
    version=0,
    state=State.PAUSED,
    epoch=1,
    policy=Policy(),
    seats=tuple(Seat(player, 1, 1, False, "ab" * 32) for player in ("alice", "bob")),
    players=("alice", "bob"),
    cause="link_lost",
    data={"map": "dust"},
)


class Saves(Protocol):
    """What is measured of a store."""

    def save(self, record: Record, *, expected: int) -> None: ...

    def close(self) -> None: ...


class ByHand:
    """A table, a connection and a lock; no owner, no versions."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(path, check_same_thread=False)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.execute("CREATE TABLE IF NOT EXISTS games (id TEXT PRIMARY KEY, state)")

    def save(self, record: Record, *, expected: int) -> None:  # noqa: ARG002 - trusts everybody
        text = json.dumps(record_to_json(record))
        with self._lock, self._connection:
            self._connection.execute(
                "INSERT OR REPLACE INTO games VALUES (?, ?)", (record.session, text)
            )

    def close(self) -> None:
        self._connection.close()


STORES: dict[str, Callable[[Path], Saves]] = {
    OURS: SQLiteStore,
    HAND: ByHand,
    MEMORY: lambda _: MemoryStore(),
}


@contextmanager
def opened(arm: str) -> Any:
    """A store of this kind, empty."""
    with TemporaryDirectory() as folder:
        store = STORES[arm](Path(folder) / "sessions.db")
        try:
            yield store
        finally:
            store.close()


# -- saves -------------------------------------------------------------------------------------


def saving(arm: str, sessions: int, seconds: float) -> tuple[float, float]:
    """Saves per second, and how many milliseconds all but one of a hundred saves take at most."""
    took: list[list[float]] = [[] for _ in range(sessions)]
    start = threading.Barrier(sessions + 1)

    def play(number: int) -> None:
        record = attrs.evolve(RECORD, session=f"session {number}")
        start.wait()
        while time.perf_counter() < ends_at:
            record = attrs.evolve(record, version=record.version + 1)
            began_at = time.perf_counter()
            store.save(record, expected=record.version - 1)
            took[number].append(time.perf_counter() - began_at)

    with opened(arm) as store:
        threads = [threading.Thread(target=play, args=(number,)) for number in range(sessions)]
        for thread in threads:
            thread.start()
        began_at = time.perf_counter()
        ends_at = began_at + seconds
        start.wait()
        for thread in threads:
            thread.join()
        lasted = time.perf_counter() - began_at
    each = sorted(duration for durations in took for duration in durations)
    return len(each) / lasted, 1000 * quantiles(each, n=100)[-1]


def saves(chosen: argparse.Namespace) -> list[Row]:
    """All stores in turn, and in another order each time."""
    runs = chosen.runs or (3 if chosen.quick else 15)
    seconds = 0.3 if chosen.quick else 2.0
    found: list[Row] = []
    for sessions in chosen.sessions or SIZES:
        rates = {arm: Row("", f"saves, {sessions} at once", arm, unit="/s", at_least=True)
                 for arm in STORES}  # fmt: skip
        latest = {arm: Row("", f"99th percentile, {sessions} at once", arm, unit="ms")
                  for arm in STORES}  # fmt: skip
        for run in range(runs):
            for arm in islice(cycle(STORES), run % len(STORES), run % len(STORES) + len(STORES)):
                rate, late = saving(arm, sessions, seconds)
                rates[arm].values.append(rate)
                latest[arm].values.append(late)
            progress(f"{sessions} at once, run {run + 1} of {runs}")
        found += [*rates.values(), *latest.values()]
    return found


# -- start -------------------------------------------------------------------------------------


def start(chosen: argparse.Namespace) -> list[Row]:
    """From the first line of a new process's own code to having read all sessions."""
    runs = chosen.runs or (3 if chosen.quick else 15)
    found: list[Row] = []
    for sessions in STORED[:1] if chosen.quick else STORED:
        row = Row("", f"take over a store with {sessions:,} sessions", OURS)
        with TemporaryDirectory() as folder:
            path = Path(folder) / "sessions.db"
            fill(path, sessions)
            for _ in range(runs):
                began_at = time.perf_counter()
                store = SQLiteStore(path)
                assert sum(1 for _ in store.load_all()) == sessions
                row.values.append(time.perf_counter() - began_at)
                store.close()
        progress(f"took over {sessions:,} sessions {runs} times")
        found.append(row)
    return found


def fill(path: Path, sessions: int) -> None:
    """So many at once that the disk is waited for but a few times."""
    store = SQLiteStore(path)

    def some(first: int) -> None:
        for number in range(first, sessions, 50):
            store.save(attrs.evolve(RECORD, session=f"session {number}", version=1), expected=0)

    threads = [threading.Thread(target=some, args=(first,)) for first in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    store.close()


def main() -> None:
    parser = options(__doc__ or "", parts=PARTS)
    parser.add_argument("--sessions", type=int, nargs="+", help="that save at once")
    chosen = parser.parse_args()
    found: list[Row] = []
    for name, part in zip(PARTS, (saves, start), strict=True):
        if name in chosen.only:
            found += part(chosen)
    report("stores", found, as_json=chosen.json)


if __name__ == "__main__":
    main()
