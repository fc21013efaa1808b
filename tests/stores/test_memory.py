"""A store in memory keeps the promises of `ports.Store`."""

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconnect.core.record import Record
from reconnect.core.table import State
from reconnect.errors import Conflict
from reconnect.policy import Policy
from reconnect.stores.memory import MemoryStore

POLICY = Policy()


def record(session="s", version=1, epoch=1):
    return Record(
        session=session,
        version=version,
        state=State.PAUSED,
        epoch=epoch,
        policy=POLICY,
        seats=(),
        players=(),
    )


def test_what_was_saved_is_loaded():
    """By name, and with all the others; an unknown session has no record."""
    store = MemoryStore()
    assert store.load("s") is None
    assert list(store.load_all()) == []
    store.save(record("s"), expected=0)
    store.save(record("t"), expected=0)
    assert store.load("s") == record("s")
    assert sorted(one.session for one in store.load_all()) == ["s", "t"]


def test_a_newer_version_replaces_the_expected_one():
    """Compare-and-set on the version."""
    store = MemoryStore()
    store.save(record(version=1), expected=0)
    store.save(record(version=2), expected=1)
    assert store.load("s") == record(version=2)


@pytest.mark.parametrize("expected", [0, 1, 3, 99])
def test_another_version_than_the_expected_one_is_a_conflict(expected):
    """It says what was found, and leaves the stored record as it was."""
    store = MemoryStore()
    store.save(record(version=2), expected=0)
    with pytest.raises(Conflict) as caught:
        store.save(record(version=expected + 1, epoch=5), expected=expected)
    assert (caught.value.session, caught.value.expected, caught.value.found) == ("s", expected, 2)
    assert store.load("s") == record(version=2)


def test_where_a_record_is_expected_none_is_a_conflict():
    """A forgotten session does not come back by a late save."""
    store = MemoryStore()
    with pytest.raises(Conflict) as caught:
        store.save(record(version=2), expected=1)
    assert caught.value.found is None
    assert store.load("s") is None


def test_a_save_can_be_repeated():
    """Saving what is stored already does nothing, whatever was expected at the first time."""
    store = MemoryStore()
    for _ in range(2):
        store.save(record(version=1), expected=0)
    for _ in range(2):
        store.save(record(version=2), expected=1)
    assert store.load("s") == record(version=2)


def test_a_repeated_save_of_something_else_is_a_conflict():
    """The same version is not the same record."""
    store = MemoryStore()
    store.save(record(version=1), expected=0)
    with pytest.raises(Conflict):
        store.save(record(version=1, epoch=2), expected=0)
    assert store.load("s") == record(version=1)


def test_what_is_forgotten_is_gone():
    """Once or twice, and without harm to the others; then the name is free again."""
    store = MemoryStore()
    store.save(record("s"), expected=0)
    store.save(record("t"), expected=0)
    for _ in range(2):
        store.forget("s")
    assert [one.session for one in store.load_all()] == ["t"]
    store.save(record("s"), expected=0)
    assert store.load("s") == record("s")


def test_records_can_be_saved_and_forgotten_while_all_are_loaded():
    """What is being walked through is what was there when the walk began."""
    store = MemoryStore()
    for name in "abc":
        store.save(record(name), expected=0)
    for one in store.load_all():
        store.forget(one.session)
        for copies in (2, 3):
            store.save(record(one.session * copies), expected=0)
    names = sorted(one.session for one in store.load_all())
    assert names == ["aa", "aaa", "bb", "bbb", "cc", "ccc"]


def test_closing_forgets_nothing():
    """A coordinator that starts on the same object goes on where the older one stopped."""
    store = MemoryStore()
    store.save(record(), expected=0)
    store.close()
    store.close()
    assert store.load("s") == record()


def test_two_stores_have_nothing_in_common():
    """Each has its own records, and is equal to itself alone."""
    first, second = MemoryStore(), MemoryStore()
    first.save(record(), expected=0)
    assert second.load("s") is None
    assert first != second


def test_it_never_blocks_and_shows_no_record():
    """The shell may call it on its own loop; its repr can be logged."""
    store = MemoryStore()
    store.save(record("secret"), expected=0)
    assert store.blocking is False
    assert "secret" not in repr(store)


@given(
    st.lists(
        st.tuples(st.sampled_from("ab"), st.integers(0, 4), st.integers(0, 4), st.integers(1, 2)),
        max_size=20,
    )
)
def test_it_never_replaces_what_was_not_expected(steps):
    """Against random histories: a record changes only where its version was the expected one."""
    store, model = MemoryStore(), {}
    for session, expected, version, epoch in steps:
        new = record(session, version + 1, epoch)
        stored = model.get(session)
        if (stored.version if stored else 0) == expected:
            model[session] = new
        try:
            store.save(attrs.evolve(new), expected=expected)
        except Conflict as conflict:
            refused = conflict.found
        else:
            refused = "nothing"
        if refused == "nothing":
            assert model[session] == new
        else:
            assert refused == (stored.version if stored else None)
            assert stored != new
        assert {one.session: one for one in store.load_all()} == model
