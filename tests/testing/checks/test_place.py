"""Where a store is checked: short names, what was done, and nothing left behind."""

import pytest

from reconnect.stores.memory import MemoryStore
from reconnect.testing.checks import place as promised
from reconnect.testing.checks.place import Place, equal, make_record
from reconnect.testing.checks.promise import BrokenPromise


class Store(MemoryStore):
    """Its calls can be replaced."""


@pytest.fixture
def store():
    return Store()


@pytest.fixture
def place(store):
    return Place(lambda: store, None, run="run-1")


def test_names_are_unique_in_the_store_and_short_in_the_check(place, store):
    """Two checks at one place do not meet, not even run-1 and run-10."""
    other = Place(lambda: store, None, run="run-10")
    other.saved(make_record("s", 7), expected=0)
    place.saved(make_record("s"), expected=0)
    assert [one.session for one in store.load_all()] == ["run-10-s", "run-1-s"]
    assert place.load("s") == make_record("s")
    place.holds(promised.LOADED, make_record("s"))
    other.holds(promised.LOADED, make_record("s", 7))


def test_nothing_is_left(place, store):
    """Even of what a check did not forget itself, and if closing fails."""

    def fail():
        raise OSError

    store.close = fail
    place.saved(make_record("s"), expected=0)
    place.saved(make_record("t"), expected=0)
    place.leave()
    assert [*store.load_all()] == []


def test_what_was_done_is_written_down(place):
    """With the conflict that came of it."""
    place.saved(make_record(version=2), expected=0)
    place.refused(make_record(version=3), expected=7, found=2)
    with pytest.raises(BrokenPromise) as caught:
        place.refused(make_record(version=3), expected=2, found=2)
    assert caught.value.promise == promised.CONFLICT
    assert caught.value.done == (
        "save('s', version 2, expected=0)",
        "save('s', version 3, expected=7): Conflict, found 2",
        "save('s', version 3, expected=2)",
    )


def test_whatever_is_raised_breaks_the_call(place, store):
    """An error that is no Conflict is told with its call."""

    def fail(session):
        raise LookupError("gone")

    store.forget = fail
    with pytest.raises(BrokenPromise, match="raised LookupError: gone") as caught:
        place.forget("s")
    assert caught.value.promise == promised.FORGOTTEN
    assert isinstance(caught.value.__cause__, LookupError)


def test_a_difference_is_told_by_its_fields():
    """And what is missing altogether is another broken word than what is changed."""
    wanted = make_record(data={"a": 1})
    assert equal(wanted, wanted, promised.CLOSED)[0]
    assert equal(None, wanted, promised.CLOSED)[:2] == (False, promised.CLOSED)
    right, promise, saw = equal(make_record(data={"a": True}), wanted, promised.CLOSED)
    assert (right, promise) == (False, promised.LOADED)
    assert "{'data': {'a': 1}}, and is {'data': {'a': True}}" in saw
    right, promise, _ = equal(make_record(version=2, data={"a": 1}), wanted, promised.CLOSED)
    assert (right, promise) == (False, promised.CLOSED)
