"""The SQLite store keeps the promises of `ports.Store`, for many threads at once and for long."""

import sqlite3
import threading
import time
from contextlib import closing, contextmanager, suppress
from functools import partial

import pytest

from reconnect.core.table import State
from reconnect.errors import Conflict, LocalProtocolError, StoreError, StoreInUse
from reconnect.policy import Policy
from reconnect.ports import Owned
from reconnect.stores.sqlite import SWEPT_AFTER, SQLiteStore, _Task
from reconnect.testing.check_store import check_store
from reconnect.testing.checks.place import make_record as record
from tests.by_hand import Log

PATIENCE = 30.0


class SQLiteHome:
    """It lives in its file."""

    def __init__(self, path, **options):
        self.path = path
        self.options = options
        self.store = SQLiteStore(path, **options)

    def reopen(self):
        self.store.close()
        self.store = SQLiteStore(self.path, **self.options)


@pytest.fixture
def home(tmp_path):
    home = SQLiteHome(tmp_path / "sessions.db", logger=Log())
    yield home
    home.store.close()


@pytest.fixture
def store(home):
    return home.store


def names(store):
    return [one.session for one in store.load_all()]


def until(predicate):
    """Wait until it is true."""
    ends_at = time.monotonic() + PATIENCE
    while not predicate():
        assert time.monotonic() < ends_at, "nothing came of it"
        time.sleep(0.002)


def raw(store, *statement):
    """Do something to the file behind the store's back."""
    with closing(sqlite3.connect(store.path)) as connection, connection:
        return connection.execute(*statement).fetchall()


@contextmanager
def locked(store):
    """Nobody can write meanwhile, as during a backup."""
    with closing(sqlite3.connect(store.path, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


@contextmanager
def held_up(store):
    """The writer waits meanwhile; gives how much is queued, and what is executed.

    It waits with a job that nobody cares for, which is queued still if a heartbeat was quicker.
    """
    statements = []
    # while the writer waits the connection can be told nothing
    store._connection.execute(f"PRAGMA busy_timeout = {PATIENCE * 1000:.0f}")
    store._connection.set_trace_callback(statements.append)
    with locked(store):
        store._tasks.put(_Task(lambda connection: None))
        until(lambda: statements[-1:] == ["BEGIN IMMEDIATE"])
        before = store._tasks.qsize()
        yield (lambda: store._tasks.qsize() - before), statements


def at_once(jobs):
    """Each in a thread of its own; gives what each returned or raised when all are done."""
    results = [None] * len(jobs)

    def run(number, job):
        try:
            results[number] = job()
        except Exception as error:
            results[number] = error

    threads = [threading.Thread(target=run, args=one) for one in enumerate(jobs)]
    for thread in threads:
        thread.start()
    return threads, results


def saves_at_once(store, records):
    """Saves that all wait for one writer; gives their results and how many commits they took."""
    with held_up(store) as (queued, statements):
        jobs = [partial(store.save, one, expected=one.version - 1) for one in records]
        threads, results = at_once(jobs)
        until(lambda: queued() == len(records))
    for thread in threads:
        thread.join()
    store._connection.set_trace_callback(None)
    return results, statements.count("COMMIT") - 1


# -- what every store promises -------------------------------------------------------------------


def test_it_keeps_every_promise(tmp_path):
    """As every store does; random histories of it end as those of a store in memory do."""
    check_store(lambda: SQLiteStore(tmp_path / "sessions.db"), examples=30)


def test_it_blocks_and_belongs_to_somebody(store):
    """The shell calls it in worker threads, and asks whether it is still its own."""
    assert store.blocking is True
    assert isinstance(store, Owned)
    assert store.owned()


@pytest.mark.parametrize("path", ["", ":memory:"])
def test_it_needs_a_file(path):
    """What is meant to be gone with the process is a MemoryStore."""
    with pytest.raises(LocalProtocolError, match="MemoryStore"):
        SQLiteStore(path)


def test_it_shows_its_name_and_not_its_place(store):
    """Its repr can be logged."""
    assert repr(store) == "<SQLiteStore 'sessions.db'>"


def test_every_commit_reaches_the_disk(store):
    """A write-ahead log, synchronized at each commit."""
    (mode,) = store._connection.execute("PRAGMA journal_mode").fetchone()
    (synchronous,) = store._connection.execute("PRAGMA synchronous").fetchone()
    assert (mode, synchronous) == ("wal", 2)


# -- many at once --------------------------------------------------------------------------------


def test_saves_that_wait_together_are_committed_together(store):
    """Thirty saves, one transaction."""
    results, commits = saves_at_once(store, [record(f"s{number}") for number in range(30)])
    assert results == [None] * 30
    assert 1 <= commits <= 2  # a heartbeat may have followed
    assert len(names(store)) == 30


def test_a_conflict_harms_nobody_in_the_same_transaction(store):
    """Each caller gets its own result."""
    for number in range(0, 20, 2):
        store.save(record(f"s{number}", 7), expected=0)
    wanted = [record(f"s{number}", epoch=2) for number in range(20)]
    results, commits = saves_at_once(store, wanted)
    assert commits <= 2
    for number, result in enumerate(results):
        if number % 2:
            assert result is None
            assert store.load(f"s{number}") == wanted[number]
        else:
            assert isinstance(result, Conflict)
            assert (result.session, result.found) == (f"s{number}", 7)
            assert store.load(f"s{number}") == record(f"s{number}", 7)


def test_what_cannot_be_stored_harms_nobody_in_the_same_transaction(store):
    """Its caller is told what is wrong with it."""
    (bad, huge, good), _ = saves_at_once(
        store,
        [
            record("bad\ud800"),  # has no UTF-8 form; no session of ours is called so
            record("huge", 1 << 70),
            record("good"),
        ],
    )
    assert isinstance(bad, ValueError)
    assert isinstance(huge, Conflict)
    assert good is None
    with pytest.raises(OverflowError):
        store.save(record("huge", 1 << 70), expected=0)
    assert names(store) == ["good"]


@pytest.mark.parametrize("data", [{"a": object()}, {"a": float("nan")}, {"a": {1, 2}}])
def test_what_is_not_json_is_refused(data, store):
    """The record has to be readable in the next process."""
    with pytest.raises(StoreError, match="is not JSON"):
        store.save(record(data=data), expected=0)
    assert store.load("s") is None


def test_more_than_one_transaction_takes_are_done_in_the_next(store, monkeypatch):
    """No transaction grows without bound."""
    monkeypatch.setattr("reconnect.stores.sqlite.BATCH_MAX", 4)
    results, commits = saves_at_once(store, [record(f"s{number}") for number in range(30)])
    assert results == [None] * 30
    assert commits >= 7


# -- trouble -------------------------------------------------------------------------------------


def test_a_full_disk_is_told_and_forgotten(home):
    """The save raises, nothing has changed, it is logged once; when there is room all is well."""
    store, log = home.store, home.options["logger"]
    store.save(record(), expected=0)
    (pages,) = store._connection.execute("PRAGMA page_count").fetchone()
    store._connection.execute(f"PRAGMA max_page_count = {pages}")
    big = record(version=2, data={"text": "x" * 100_000})
    for _ in range(3):
        with pytest.raises(StoreError, match=r"sessions\.db: database or disk is full"):
            store.save(big, expected=1)
    assert log.events == ["reconnect.store_failed"]
    assert store.load("s") == record()
    store._connection.execute(f"PRAGMA max_page_count = {pages + 1000}")
    store.save(big, expected=1)
    assert store.load("s") == big
    assert store.owned()


def test_a_failed_transaction_is_everybodys_failure(store):
    """Nobody in it is told that a save is durable which is not."""
    (pages,) = store._connection.execute("PRAGMA page_count").fetchone()
    store._connection.execute(f"PRAGMA max_page_count = {pages}")
    results, _ = saves_at_once(
        store, [record(f"s{number}", data={"text": "x" * 50_000}) for number in range(5)]
    )
    assert [type(result) for result in results] == [StoreError] * 5
    store._connection.execute(f"PRAGMA max_page_count = {pages + 1000}")
    assert names(store) == []


def test_a_database_that_is_locked_for_too_long_is_an_error(store):
    """Somebody has it open in a shell and forgot; the save is tried again by the coordinator."""
    store._connection.execute("PRAGMA busy_timeout = 20")
    with locked(store), pytest.raises(StoreError, match=r"locked; .* a backup, .* end it"):
        store.save(record(), expected=0)
    store.save(record(), expected=0)
    assert store.load("s") == record()


def test_while_heartbeats_fail_the_ownership_is_in_doubt(tmp_path):
    """Another one might take over, so nobody is answered; it heals, and no heartbeat storms."""
    log = Log()
    store = SQLiteStore(tmp_path / "sessions.db", takeover_after=0.5, logger=log)
    statements = []
    try:
        store._connection.execute("PRAGMA busy_timeout = 1")
        store._connection.set_trace_callback(statements.append)
        began = time.monotonic()
        with locked(store):
            until(lambda: not store.owned())
        heartbeats = (time.monotonic() - began) / store._ownership.interval
        assert statements.count("BEGIN IMMEDIATE") <= heartbeats + 2
        assert log.events == ["reconnect.store_failed"]
        until(store.owned)
    finally:
        store._connection.set_trace_callback(None)
        store.close()


UNREADABLE = {
    "no JSON": "oops",
    "another format": '{"format": 99}',
    "no record": "[]",
    "nested without end": "[" * 100_000,
    "of another session": None,
}


@pytest.mark.parametrize("text", UNREADABLE.values(), ids=UNREADABLE)
def test_a_record_that_cannot_be_read_harms_no_other(text, home):
    """It is named and logged; all others are loaded; a save does not overwrite it by accident."""
    store = home.store
    for name in "abc":
        store.save(record(name), expected=0)
    other = raw(store, "SELECT record FROM records WHERE session = 'a'")[0][0]
    raw(store, "UPDATE records SET record = ? WHERE session = 'b'", (text or other,))
    home.reopen()
    store = home.store
    assert names(store) == ["a", "c"]
    with pytest.raises(StoreError, match="session 'b'"):
        store.load("b")
    (line,) = home.options["logger"].lines
    assert (line["event"], line["session"]) == ("reconnect.record_unreadable", "b")
    with pytest.raises(Conflict) as caught:
        store.save(record("b"), expected=0)
    assert caught.value.found == 1
    store.forget("b")
    store.save(record("b"), expected=0)
    assert store.load("b") == record("b")


def test_what_nobody_forgets_is_swept(home):
    """A day after a session was to be forgotten its record goes, readable or not; no other does."""
    now, retention = time.time(), record().policy.retention
    ended = {"long ago": SWEPT_AFTER + retention + 60, "lately": SWEPT_AFTER, "now": 0.0}
    for name, ago in ended.items():
        over = record(name, state=State.ENDED, reason="won", ended_at=now - ago)
        home.store.save(over, expected=0)
    home.store.save(record("unreadable", ended_at=now - 2 * SWEPT_AFTER), expected=0)
    home.store.save(record("alive", deadline=now - 9 * SWEPT_AFTER), expected=0)
    raw(home.store, "UPDATE records SET record = 'oops' WHERE session = 'unreadable'")
    home.reopen()
    assert names(home.store) == ["lately", "now", "alive"]
    found = raw(home.store, "SELECT session FROM records")
    assert {name for (name,) in found} == {"lately", "now", "alive"}


# -- closing and being deposed -------------------------------------------------------------------


def test_a_closed_store_does_nothing_and_says_so(store):
    """No call waits for ever, and none is swallowed."""
    store.save(record(), expected=0)
    store.close()
    for call in (
        lambda: store.load("s"),
        store.load_all,
        lambda: store.save(record(version=2), expected=1),
        lambda: store.forget("s"),
    ):
        with pytest.raises(StoreError, match="closed"):
            call()
    assert not store.owned()
    assert not [one for one in threading.enumerate() if one.name == "reconnect-sqlite"]


def test_closing_releases_the_store(store):
    """In so many words, for those who cannot see that the process is gone; the epoch stays."""
    store.close()
    assert raw(store, "SELECT id, epoch, locked_on FROM owner") == [(None, 1, None)]


def test_what_was_asked_for_before_the_close_is_done(home):
    """Saves that still wait are durable when `close` returns; later ones raise."""
    store = home.store
    with held_up(store) as (queued, _):
        threads, results = at_once(
            [lambda name=name: store.save(record(name), expected=0) for name in "abcdef"]
        )
        until(lambda: queued() == 6)
        closer = threading.Thread(target=store.close)
        closer.start()
        until(lambda: store._closed)
    for thread in (*threads, closer):
        thread.join()
    assert results == [None] * 6
    home.reopen()
    assert sorted(names(home.store)) == list("abcdef")


def test_closing_and_saving_at_once_loses_nobody(tmp_path):
    """Whatever comes first: each save is durable or has raised, and all calls return."""
    for attempt in range(20):
        home = SQLiteHome(tmp_path / f"{attempt}.db")
        save, close = home.store.save, home.store.close
        jobs = [partial(save, record(name), expected=0) for name in "abcdef"]
        threads, results = at_once([*jobs[:3], close, *jobs[3:], close])
        for thread in threads:
            thread.join()
        home.reopen()
        stored = set(names(home.store))
        home.store.close()
        del results[7], results[3]
        for name, result in zip("abcdef", results, strict=True):
            assert (result is None) == (name in stored), result
            assert result is None or "closed" in str(result)


def test_whoever_was_deposed_changes_nothing(home):
    """Every call raises `StoreInUse`, nothing is written, and the successor keeps its claim."""
    store, log = home.store, home.options["logger"]
    store.save(record(), expected=0)
    raw(store, "UPDATE owner SET epoch = epoch + 1, id = 'the next', locked_on = NULL")
    results, _ = saves_at_once(store, [record(version=2), record("t")])
    for result in results:
        assert isinstance(result, StoreInUse)
        assert result.owner == "the next"
    assert not store.owned()
    for call in (lambda: store.load("s"), store.load_all, lambda: store.forget("s")):
        with pytest.raises(StoreInUse):
            call()
    assert log.events == ["reconnect.store_taken_over"]
    store.close()
    assert raw(store, "SELECT id, epoch FROM owner") == [("the next", 2)]
    assert raw(store, "SELECT session, version FROM records") == [("s", 1)]


def test_whoever_was_deposed_notices_by_itself(tmp_path):
    """At its next heartbeat, whether anybody saves or not."""
    store = SQLiteStore(tmp_path / "sessions.db", takeover_after=1.0)
    raw(store, "UPDATE owner SET epoch = epoch + 1, id = NULL")
    until(lambda: not store.owned())
    with pytest.raises(StoreInUse, match="epoch 2"):
        store.load("s")
    store.close()


def test_a_second_store_is_refused_with_advice(store):
    """It says who has it and what to do; the first one notices nothing."""
    with pytest.raises(StoreInUse, match="stop it first, or give this one a store of its own") as e:
        SQLiteStore(store.path, owner="the second")
    assert e.value.owner == store.owner
    assert "process" in store.owner
    store.save(record(), expected=0)
    assert store.owned()


def test_a_link_is_the_same_store(store):
    """Whatever it is called."""
    link = store.path.with_name("link.db")
    link.symlink_to(store.path)
    with pytest.raises(StoreInUse):
        SQLiteStore(link)


def test_a_session_may_lengthen_the_time_to_a_takeover(store):
    """Whoever takes over has waited for longer than any player may play on, policies included."""
    select = "SELECT takeover_after FROM owner"
    assert raw(store, select) == [(10.0,)]
    long = Policy(outage_timeout=300, lease=60, lease_bound=70)
    store.save(record(policy=long), expected=0)
    assert raw(store, select) == [(71.0,)]
    with suppress(Conflict):
        store.save(record(policy=long), expected=5)
    assert raw(store, select) == [(71.0,)]


def test_the_owner_may_have_a_name(tmp_path):
    """For whoever reads that the store is in use."""
    store = SQLiteStore(tmp_path / "sessions.db", owner="game-1")
    with pytest.raises(StoreInUse, match="game-1"):
        SQLiteStore(tmp_path / "sessions.db")
    store.close()
