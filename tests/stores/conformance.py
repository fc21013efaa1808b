"""What every store promises, as checks: each is given a `Home`, and fails where a word is broken.

A test file of a store runs `CHECKS`, and `assert_same_story` with random histories against
`MemoryStore`, which is too simple to be wrong.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol

import attrs
import pytest
from hypothesis import strategies as st

from reconnect.core.record import Record, Seat
from reconnect.core.table import State
from reconnect.errors import Conflict
from reconnect.policy import Policy
from reconnect.ports import Store
from tests.core.wire_values import records

POLICY = Policy()


class Home(Protocol):
    """Where a store lives."""

    store: Store

    def reopen(self) -> None:
        """Close the store; `store` is the one of the next process from now on."""
        ...


Check = Callable[[Home], None]
CHECKS: list[Check] = []


def check(one: Check) -> Check:
    CHECKS.append(one)
    return one


def record(session: str = "s", version: int = 1, epoch: int = 1, **changes) -> Record:
    return attrs.evolve(
        Record(
            session=session,
            version=version,
            state=State.PAUSED,
            epoch=epoch,
            policy=POLICY,
            seats=(),
            players=(),
        ),
        **changes,
    )


def names(store: Store) -> list[str]:
    return [one.session for one in store.load_all()]


# -- saved and loaded ----------------------------------------------------------------------------


@check
def what_was_saved_is_loaded(home):
    """By name, and with all the others; an unknown session has no record."""
    store = home.store
    assert store.load("s") is None
    assert names(store) == []
    store.save(record("s"), expected=0)
    store.save(record("t"), expected=0)
    assert store.load("s") == record("s")
    assert sorted(names(store)) == ["s", "t"]


@check
def nothing_of_a_record_is_lost(home):
    """Instants to the last bit, seats with their digests, the policy, and the game's own data."""
    whole = record(
        "a name with spaces, quotes ' \" and ünïcode 🎲",
        3,
        2,
        state=State.RESUMED,
        seats=(Seat("alice", 1, 2, True, "ab" * 32), Seat("bob")),
        players=("alice",),
        cause="link_lost",
        deadline=1.7e9 + 0.1,
        outage_started_at=1.7e9 + 1 / 3,
        outages=1,
        paused_total=0.1 + 0.2,
        resume_frame=7,
        resume_at=1.7e9,
        policy=Policy(topology="star", hub="alice", countdown=3, start_timeout=None),
        data={"map": "dust", "round": 3, "odds": [0.1, None, True, {"ß": "\ud800"}]},
    )
    home.store.save(whole, expected=0)
    assert home.store.load(whole.session) == whole
    assert list(home.store.load_all()) == [whole]


@check
def all_are_loaded_in_the_order_of_their_first_saves(home):
    """A coordinator lists its sessions in the order of their opening, also after a restart."""
    for name in "cab":
        home.store.save(record(name), expected=0)
    home.store.save(record("a", 2), expected=1)
    home.store.save(record("c", 2), expected=1)
    home.reopen()
    assert names(home.store) == ["c", "a", "b"]


@check
def records_can_be_saved_and_forgotten_while_all_are_loaded(home):
    """What is being walked through is what was there when the walk began."""
    store = home.store
    for name in "abc":
        store.save(record(name), expected=0)
    for one in store.load_all():
        store.forget(one.session)
        for copies in (2, 3):
            store.save(record(one.session * copies), expected=0)
    assert sorted(names(store)) == ["aa", "aaa", "bb", "bbb", "cc", "ccc"]


# -- compare-and-set -----------------------------------------------------------------------------


@check
def a_newer_version_replaces_the_expected_one(home):
    """Compare-and-set on the version; versions may be far apart."""
    home.store.save(record(version=1), expected=0)
    home.store.save(record(version=2), expected=1)
    home.store.save(record(version=2**53 - 1), expected=2)
    assert home.store.load("s") == record(version=2**53 - 1)


@check
def another_version_than_the_expected_one_is_a_conflict(home):
    """It says what was found, and leaves the stored record as it was."""
    home.store.save(record(version=2), expected=0)
    for expected in (0, 1, 3, 99):
        with pytest.raises(Conflict) as caught:
            home.store.save(record(version=expected + 1, epoch=5), expected=expected)
        conflict = caught.value
        assert (conflict.session, conflict.expected, conflict.found) == ("s", expected, 2)
    assert home.store.load("s") == record(version=2)


@check
def where_a_record_is_expected_none_is_a_conflict(home):
    """A forgotten session does not come back by a late save."""
    with pytest.raises(Conflict) as caught:
        home.store.save(record(version=2), expected=1)
    assert caught.value.found is None
    assert home.store.load("s") is None


@check
def a_save_can_be_repeated(home):
    """Saving what is stored already does nothing, whatever was expected at the first time."""
    for _ in range(2):
        home.store.save(record(version=1), expected=0)
    for _ in range(2):
        home.store.save(record(version=2), expected=1)
    home.reopen()
    home.store.save(record(version=2, data={}), expected=1)
    assert home.store.load("s") == record(version=2)


@check
def a_repeated_save_of_something_else_is_a_conflict(home):
    """The same version is not the same record."""
    home.store.save(record(version=1, data={"a": 1}), expected=0)
    for other in (record(version=1, epoch=2), record(version=1, data={"a": 2})):
        with pytest.raises(Conflict):
            home.store.save(other, expected=0)
    assert home.store.load("s") == record(version=1, data={"a": 1})


@check
def of_those_who_expect_the_same_version_one_wins(home):
    """Eight threads, one record: each version is written by one of them, all others conflict."""
    if not home.store.blocking:
        return  # the shell calls it in one thread
    versions, threads = 5, 8
    won: list[tuple[int, int]] = []
    lost: list[tuple[int, int | None]] = []
    start = threading.Barrier(threads, timeout=30)

    def race(number):
        for version in range(1, versions + 1):
            start.wait()
            try:
                home.store.save(record(version=version, epoch=number), expected=version - 1)
            except Conflict as conflict:
                lost.append((version, conflict.found))
            else:
                won.append((version, number))

    racers = [threading.Thread(target=race, args=(number,)) for number in range(1, threads + 1)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    assert [version for version, _ in won] == [1, 2, 3, 4, 5]
    assert len(lost) == versions * (threads - 1)
    assert all(found == version for version, found in lost)
    assert home.store.load("s") == record(version=versions, epoch=won[-1][1])


# -- forgotten and closed ------------------------------------------------------------------------


@check
def what_is_forgotten_is_gone(home):
    """Once or twice, and without harm to the others; then the name is free again."""
    home.store.save(record("s", 3), expected=0)
    home.store.save(record("t"), expected=0)
    for _ in range(2):
        home.store.forget("s")
    assert names(home.store) == ["t"]
    home.reopen()
    assert names(home.store) == ["t"]
    home.store.save(record("s"), expected=0)
    assert home.store.load("s") == record("s")


@check
def closing_forgets_nothing(home):
    """A coordinator that starts on it goes on where the older one stopped; twice is once."""
    home.store.save(record(), expected=0)
    home.store.close()
    home.reopen()
    assert home.store.load("s") == record()


@check
def its_repr_shows_no_record(home):
    """It can be logged."""
    home.store.save(record("secret", data={"secret": "secret"}), expected=0)
    assert "secret" not in repr(home.store)


# -- random histories ----------------------------------------------------------------------------

SESSIONS = ("a", "b")
steps = st.one_of(
    st.tuples(
        st.just("save"),
        st.sampled_from(SESSIONS),
        st.integers(0, 4),
        st.integers(1, 4),
        records() | st.integers(1, 2).map(lambda epoch: record(epoch=epoch)),
    ),
    st.tuples(st.just("next"), st.sampled_from(SESSIONS), st.integers(1, 2)),
    st.tuples(st.just("again"), st.sampled_from(SESSIONS), st.integers(0, 4)),
    st.tuples(st.just("forget"), st.sampled_from(SESSIONS)),
    st.tuples(st.just("reopen")),
)
histories = st.lists(steps, max_size=20)


def told(home: Home, step: tuple) -> object:
    """What the store says to one step."""
    store = home.store
    try:
        match step:
            case ("save", session, expected, version, one):
                # an end long ago would be swept by a store that cannot trust its user to forget
                new = attrs.evolve(one, session=session, version=version, ended_at=None)
                store.save(new, expected=expected)
            case ("next", session, epoch):
                stored = store.load(session)
                version = 0 if stored is None else stored.version
                store.save(record(session, version + 1, epoch), expected=version)
            case ("again", session, expected):
                stored = store.load(session)
                if stored is not None:
                    store.save(attrs.evolve(stored), expected=expected)
            case ("forget", session):
                store.forget(session)
            case ("reopen",):
                home.reopen()
    except Conflict as conflict:
        return (conflict.session, conflict.expected, conflict.found)
    return list(home.store.load_all())


def assert_same_story(one: Home, other: Home, history: list[tuple]) -> int:
    """Both say the same to every step; gives how many saves succeeded and changed a record."""
    changes, before = 0, None
    for step in history:
        said = told(one, step)
        assert told(other, step) == said, step
        if step[0] in ("save", "next") and isinstance(said, list):
            changes += said != before
        before = said
    return changes
