"""One owner at a time: who may take a store, when, and what the older one can still do.

Time is virtual: it passes only while somebody sleeps. The database and its lock are real.
"""

import sqlite3
from contextlib import closing

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconnect.errors import StoreInUse
from reconnect.policy import Policy
from reconnect.stores import sqlite_owner
from reconnect.stores.sqlite_owner import (
    BEYOND_LEASE,
    HEARTBEAT_INTERVAL,
    POLL,
    TRUST,
    FileLock,
    Ownership,
    this_machine,
)
from reconnect.stores.sqlite_schema import Row, connect, is_busy, transaction
from reconnect.testing.checks.place import make_record as record

LIMIT = 10.0


class Machine:
    """One computer: its clock, and who runs on it."""

    def __init__(self, folder, name="this", path=None):
        self.path = folder / "sessions.db" if path is None else path
        self.name = name
        self.now = 1000.0
        self.happens = []
        """What happens while somebody sleeps: (when, call)."""
        self.owners = []

    def ownership(self, name, takeover_after=LIMIT, *, machine=None):
        one = Ownership(
            connect(self.path),
            FileLock(self.path.with_name("sessions.db-owner")),
            id=name,
            takeover_after=takeover_after,
            machine=machine or self.name,
            clock=lambda: self.now,
            sleep=self.sleep,
        )
        self.owners.append(one)
        return one

    def owner(self, name, takeover_after=LIMIT, **options):
        one = self.ownership(name, takeover_after, **options)
        one.claim()
        return one

    def sleep(self, seconds):
        self.now += seconds
        for entry in [entry for entry in self.happens if entry[0] <= self.now]:
            self.happens.remove(entry)
            entry[1]()

    def at(self, when, call):
        self.happens.append((when, call))

    def keep_alive(self, owner):
        """Its heartbeats come from now on."""

        def beat():
            heartbeat(owner, self.now)
            self.at(self.now + HEARTBEAT_INTERVAL, beat)

        self.at(self.now + HEARTBEAT_INTERVAL, beat)

    def close(self, *owners):
        for one in owners or self.owners:
            one.give_up()
            one._connection.close()


def heartbeat(owner, now):
    with transaction(owner._connection):
        owner.beat()
    owner.committed(now)


def die(owner):
    """What the kernel does for a process that is killed: its lock is gone, its row is not."""
    owner._lock.release()


@pytest.fixture
def here(tmp_path):
    machine = Machine(tmp_path)
    yield machine
    machine.close()


# -- who gets it, and when -----------------------------------------------------------------------


def test_a_new_store_belongs_to_whoever_comes_first(here):
    """At once, with epoch 1."""
    first = here.owner("first")
    assert here.now == 1000.0
    assert first.epoch == 1
    assert first.certain


def test_a_released_store_is_taken_at_once(here):
    """Hand-over: the epoch is another one, and the older owner trusts nothing."""
    first = here.owner("first")
    first.release()
    assert not first.certain
    second = here.owner("second")
    assert here.now == 1000.0
    assert second.epoch == 2


def test_the_store_of_the_dead_is_taken_at_once(here):
    """The kernel took the lock from it, so it cannot be hanging."""
    die(here.owner("first"))
    second = here.owner("second")
    assert here.now == 1000.0
    assert second.epoch == 2


def test_a_living_owner_keeps_its_store(here):
    """Whoever comes is refused after one heartbeat, and has changed nothing."""
    first = here.owner("first")
    here.keep_alive(first)
    with pytest.raises(StoreInUse) as caught:
        here.owner("second")
    assert caught.value.owner == "first"
    assert here.now - 1000.0 <= HEARTBEAT_INTERVAL + POLL
    assert first.certain
    heartbeat(first, here.now)


def test_a_clock_on_the_wall_that_is_wrong_deposes_nobody(here):
    """All that counts is whether the heartbeat changes, not what it says."""
    first = here.owner("first")
    here.keep_alive(first)
    for heartbeat_at in (0.0, 1e12):
        with closing(connect(here.path)) as other:
            other.execute("UPDATE owner SET heartbeat = ?", (heartbeat_at,))
        with pytest.raises(StoreInUse):
            here.owner("second")
    assert first.certain


def test_a_hanging_owner_is_relieved_after_the_limit(here):
    """It holds the lock still; its heartbeat has stood still for as long as it says itself."""
    first = here.owner("first", takeover_after=7.0)
    second = here.owner("second", takeover_after=99.0)
    assert 7.0 <= here.now - 1000.0 <= 7.0 + 2 * POLL
    assert not first.certain
    assert second.certain
    with pytest.raises(StoreInUse) as caught:
        heartbeat(first, here.now)
    assert caught.value.owner == "second"
    heartbeat(second, here.now)


def test_whoever_wakes_up_in_time_stays(here):
    """A heartbeat just before the end of the limit is one."""
    first = here.owner("first")
    here.at(1000.0 + LIMIT - 0.5, lambda: heartbeat(first, here.now))
    with pytest.raises(StoreInUse):
        here.owner("second")
    assert first.certain


def test_whoever_wakes_up_in_the_very_last_moment_stays(here, monkeypatch):
    """The row is compared again in the transaction that takes it."""
    first = here.owner("first")
    second = here.ownership("second")
    free = second._free

    def free_and_then_a_heartbeat(*args):
        if result := free(*args):
            heartbeat(first, here.now)
        return result

    monkeypatch.setattr(second, "_free", free_and_then_a_heartbeat)
    with pytest.raises(StoreInUse):
        second.claim()
    heartbeat(first, here.now)


def test_a_store_that_is_released_while_somebody_waits_is_taken(here):
    """As when a service is restarted: the older process needs a moment to end."""
    first = here.owner("first")
    here.at(1000.5, first.release)
    second = here.owner("second")
    assert here.now <= 1000.5 + 2 * POLL
    assert second.epoch == 2


def test_of_two_who_wait_one_takes_it(here):
    """The other one is refused, for the winner lives."""
    here.owner("hangs")
    second = here.ownership("second")

    def third_comes_first():
        here.owner("third")

    here.at(1000.5, third_comes_first)
    with pytest.raises(StoreInUse) as caught:
        second.claim()
    assert caught.value.owner == "third"
    assert here.owners[-1].epoch == 2


def in_a_transaction(here, ownership):
    """Somebody is in the middle of a write; `ownership` does not wait for long."""
    connection = connect(here.path)
    connection.execute("BEGIN IMMEDIATE")
    ownership._connection.execute("PRAGMA busy_timeout = 20")
    return closing(connection)


def test_an_owner_that_hangs_in_a_write_cannot_be_relieved(here):
    """After the limit it is said so, and nothing has changed; it may go on."""
    first = here.owner("first")
    second = here.ownership("second")
    with in_a_transaction(here, second), pytest.raises(StoreInUse) as caught:
        second.claim()
    assert (caught.value.owner, caught.value.stuck) == ("first", True)
    assert LIMIT <= here.now - 1000.0 <= LIMIT + 2 * POLL
    heartbeat(first, here.now)
    assert first.certain


@pytest.mark.parametrize("end", [die, Ownership.release])
def test_whoever_locks_the_store_of_a_former_owner_is_somebody_else(here, end):
    """Nobody is accused who is dead or has let go of it."""
    end(here.owner("first"))
    second = here.ownership("second")
    with in_a_transaction(here, second), pytest.raises(sqlite3.OperationalError) as caught:
        second.claim()
    assert is_busy(caught.value)
    assert here.now == 1000.0


# -- the lock ------------------------------------------------------------------------------------


def test_a_lock_has_one_holder(tmp_path):
    """Whoever else asks is told so at once, until it is released."""
    one, other = (FileLock(tmp_path / "lock") for _ in range(2))
    assert one.acquire()
    assert one.acquire()
    assert not other.acquire()
    one.release()
    one.release()
    assert other.acquire()
    assert not one.acquire()
    other.release()


def test_a_lock_that_cannot_be_made_is_an_error(tmp_path):
    """Not the same as one that somebody else holds."""
    with pytest.raises(sqlite3.OperationalError, match="unable to open"):
        FileLock(tmp_path / "nowhere" / "lock").acquire()
    (tmp_path / "lock").write_bytes(b"somebody's diary" * 100)
    with pytest.raises(sqlite3.DatabaseError, match="not a database"):
        FileLock(tmp_path / "lock").acquire()


def test_without_a_lock_an_owner_is_not_taken_for_dead(here):
    """Who took over from a hanging owner has no lock; when that one dies the lock is free."""
    first = here.owner("first")
    second = here.owner("second")
    die(first)
    here.keep_alive(second)
    with pytest.raises(StoreInUse):
        here.owner("third")


def test_the_lock_is_taken_up_when_it_is_free(here):
    """Then the death of this owner is noticed at once again."""
    first = here.owner("first")
    second = here.owner("second")
    with pytest.raises(StoreInUse):
        heartbeat(first, here.now)
    first.give_up()
    heartbeat(second, here.now)
    die(second)
    before = here.now
    here.owner("third")
    assert here.now == before


def test_a_lock_of_another_machine_says_nothing(here):
    """File locks end at the machine; its heartbeat is all there is, and it is watched."""
    there = here.owner("there", machine="other")
    die(there)  # or it is alive, and its lock cannot be seen from here
    here.keep_alive(there)
    with pytest.raises(StoreInUse):
        here.owner("here")
    here.happens.clear()
    before = here.now
    here.owner("here")
    assert here.now - before >= LIMIT


def test_a_machine_has_one_name(monkeypatch, tmp_path):
    """That of the kernel's life, where there is one; else that of the host."""
    assert this_machine() == this_machine() != ""
    boot_id = tmp_path / "boot_id"
    monkeypatch.setattr(sqlite_owner, "BOOT_ID", boot_id)
    monkeypatch.setattr("platform.node", lambda: "host")
    assert this_machine() == "host"
    boot_id.write_text("1234-5678\n", "ascii")
    assert this_machine() == "1234-5678"


# -- how long it is trusted ----------------------------------------------------------------------


def test_trust_ends_before_anybody_can_take_over(here):
    """Counted from before the heartbeat was written."""
    first = here.ownership("first")
    assert not first.certain
    first.claim()
    here.now += TRUST * LIMIT - 0.1
    assert first.certain
    here.now += 0.2
    assert not first.certain
    heartbeat(first, here.now)
    assert first.certain


@settings(max_examples=30, deadline=None)
@given(
    limits=st.lists(st.floats(0.2, 20.0), min_size=3, max_size=3),
    stalls=st.lists(st.floats(0.0, 25.0), min_size=1, max_size=4),
)
def test_two_never_trust_their_ownership_at_the_same_time(limits, stalls, tmp_path_factory):
    """Owners hang for random times, others come and try: at no instant are two of them certain."""
    here = Machine(tmp_path_factory.mktemp("owners"))
    try:
        owners = [here.owner("0", limits[0])]
        for number, stall in enumerate(stalls, start=1):
            here.at(here.now + stall, lambda: beat_if_possible(owners, here.now))
            try:
                owners.append(here.owner(str(number), limits[number % 3]))
            except StoreInUse:
                here.close(here.owners.pop())
            here.happens.clear()
            certain = [one for one in owners if one.certain]
            assert len(certain) <= 1
            assert certain in ([], [owners[-1]])
            assert [one.epoch for one in owners] == list(range(1, len(owners) + 1))
            here.now += stall
            beat_if_possible(owners, here.now)
            assert [one for one in owners if one.certain] == [owners[-1]]
    finally:
        here.close()


def beat_if_possible(owners, now):
    """All wake up; the last one alone is still the owner."""
    for one in owners[:-1]:
        with pytest.raises(StoreInUse):
            heartbeat(one, now)
    heartbeat(owners[-1], now)


def test_the_limit_is_longer_than_any_lease_in_the_store(here):
    """Also those of sessions of the owner before, and of sessions that are opened later."""
    policy = Policy(outage_timeout=300, lease=20)
    longer = attrs.evolve(policy, lease=60, lease_bound=70, give_up_timeout=500)
    with closing(connect(here.path)) as connection:
        insert(connection, record(policy=policy))
    first = here.owner("first", takeover_after=1.0)
    assert limit(first) == policy.lease_bound + BEYOND_LEASE
    first.allow_for(longer.lease_bound)
    assert limit(first) == policy.lease_bound + BEYOND_LEASE
    heartbeat(first, here.now)
    assert limit(first) == longer.lease_bound + BEYOND_LEASE
    first.allow_for(policy.lease_bound)
    heartbeat(first, here.now)
    assert limit(first) == longer.lease_bound + BEYOND_LEASE


def test_heartbeats_are_frequent_enough_for_the_limit(here):
    """One a second, or five in a short limit."""
    assert here.ownership("long").interval == HEARTBEAT_INTERVAL
    assert here.ownership("short", 1.0).interval == pytest.approx(0.2)


def limit(owner):
    return owner._row().takeover_after


def insert(connection, one):
    connection.execute(
        "INSERT INTO records (session, version, lease_bound, expires_at, record)"
        " VALUES (?, ?, ?, ?, ?)",
        Row.of(one).values,
    )
