"""A store in memory keeps the promises of `ports.Store`."""

import attrs
from hypothesis import given
from hypothesis import strategies as st

from reconnect.errors import Conflict
from reconnect.stores.memory import MemoryStore
from reconnect.testing.check_store import check_store
from reconnect.testing.checks.place import make_record


def test_it_keeps_every_promise():
    """As every store does; it lives as long as its object, and is its own model."""
    check_store(MemoryStore, reopen=lambda store: store, examples=1)


@given(
    st.lists(
        st.tuples(st.sampled_from("ab"), st.integers(0, 4), st.integers(0, 4), st.integers(1, 2)),
        max_size=20,
    )
)
def test_it_never_replaces_what_was_not_expected(steps):
    """Against random histories: a record changes only where its version was the expected one.

    All other stores are compared with this one, so it is compared with a dict.
    """
    store, model = MemoryStore(), {}
    for session, expected, version, epoch in steps:
        new = make_record(session, version + 1, epoch)
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


def test_two_stores_have_nothing_in_common():
    """Each has its own records, and is equal to itself alone."""
    first, second = MemoryStore(), MemoryStore()
    first.save(make_record(), expected=0)
    assert second.load("s") is None
    assert first != second


def test_it_never_blocks():
    """The shell may call it on its own loop."""
    assert MemoryStore().blocking is False


def test_its_repr_shows_no_record():
    """It can be logged."""
    store = MemoryStore()
    store.save(make_record("secret", data={"secret": "secret"}), expected=0)
    assert "secret" not in repr(store)
