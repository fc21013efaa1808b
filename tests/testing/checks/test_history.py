"""Random histories of a store are told to a store in memory too."""

import pytest
from hypothesis import given, settings

from reconnect.stores.memory import MemoryStore
from reconnect.testing.checks import place as promised
from reconnect.testing.checks.history import (
    Again,
    Forget,
    Next,
    Reopen,
    Save,
    histories,
    tell_twice,
)
from reconnect.testing.checks.place import Place, make_record
from reconnect.testing.checks.promise import BrokenPromise


def place_of(store):
    return Place(MemoryStore if store is None else lambda: store, lambda one: one, run="run")


def test_histories_get_somewhere():
    """Most saves of a history are good ones: what is always refused changes nothing."""
    kinds, saved = set(), 0

    @settings(max_examples=50, database=None)
    @given(histories)
    def told(history):
        nonlocal saved
        place = place_of(None)
        tell_twice(place, history)
        kinds.update(type(step) for step in history)
        saved += sum("save" in one and "Conflict" not in one for one in place.done)

    told()
    assert kinds == {Again, Forget, Next, Reopen, Save}
    assert saved > 40


def test_every_step_is_compared():
    """What differs is noticed at the step in which it differs: here something is left over."""
    place = place_of(MemoryStore())
    history = [Next("a", 1), Again("a", 4), Forget("b"), Save(make_record("b", 2), 0)]
    tell_twice(place, history)
    with pytest.raises(BrokenPromise) as caught:
        tell_twice(place, [Next("a", 2)])
    assert caught.value.promise == promised.COMPARED
