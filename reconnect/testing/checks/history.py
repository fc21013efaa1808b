"""Random histories of a store, each of which is done to a store in memory too."""

from __future__ import annotations

from typing import TypeAlias

import attrs
from attrs import frozen
from hypothesis import strategies as st

from reconnect.core.record import Record
from reconnect.errors import Conflict
from reconnect.stores.memory import MemoryStore
from reconnect.testing.checks.place import (
    CLOSED,
    COMPARED,
    CONFLICT,
    FORGOTTEN,
    REPEATED,
    Place,
    make_record,
)
from reconnect.testing.checks.values import records


@frozen
class Save:
    """Save this under a name, whatever is there."""

    record: Record
    expected: int


@frozen
class Next:
    """Save the version after the one that is there."""

    session: str
    epoch: int


@frozen
class Again:
    """Save what is there already, whatever was expected at the first time."""

    session: str
    expected: int


@frozen
class Forget:
    """Forget, whether it is there or not."""

    session: str


@frozen
class Reopen:
    """The next process goes on."""


Step: TypeAlias = Save | Next | Again | Forget | Reopen
sessions = st.sampled_from("ab")
few = st.integers(0, 4)
short_records = st.builds(make_record, epoch=st.integers(1, 2))
saves = st.builds(
    lambda one, session, version, expected: Save(
        attrs.evolve(one, session=session, version=version), expected
    ),
    short_records | records(),
    sessions,
    st.integers(1, 4),
    st.just(0) | few,
)
steps: st.SearchStrategy[Step] = st.one_of(
    saves,
    st.builds(Next, sessions, st.integers(1, 2)),
    st.builds(Again, sessions, few),
    st.builds(Forget, sessions),
    st.builds(Reopen),
)
histories = st.lists(steps, max_size=20)


def tell_twice(place: Place, history: list[Step]) -> None:
    """Do it to the store and to a `MemoryStore`, which is too simple to be wrong."""
    model = MemoryStore()
    for step in history:
        match step:
            case Save(record, expected):
                save_twice(place, model, record, expected=expected)
            case Next(session, epoch):
                stored = model.load(session)
                version = 0 if stored is None else stored.version
                record = make_record(session, version + 1, epoch)
                save_twice(place, model, record, expected=version)
            case Again(session, expected):
                if (stored := model.load(session)) is not None:
                    save_twice(place, model, attrs.evolve(stored), expected=expected)
            case Forget(session):
                model.forget(session)
                place.forget(session)
                place.holds(FORGOTTEN, *model.load_all())
            case Reopen():
                place.reopen()
                place.holds(CLOSED, *model.load_all())


def save_twice(place: Place, model: MemoryStore, record: Record, *, expected: int) -> None:
    """Both save it, or refuse it with the same words."""
    stored = model.load(record.session)
    try:
        model.save(record, expected=expected)
    except Conflict as conflict:
        place.refused(record, expected=expected, found=conflict.found)
        place.holds(CONFLICT, *model.load_all())
    else:
        promise = REPEATED if stored == record else COMPARED
        place.saved(record, expected=expected, promise=promise)
        place.holds(promise, *model.load_all())
