"""Bank: every value that has come up, named by a small number, and what has been asked of it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from math import inf
from typing import Any, TypeAlias

from attrs import Factory, define, field

from reconnect.core.messages import Report, ShortView, View
from reconnect.core.record import Record
from reconnect.core.session import Session
from reconnect.policy import Policy
from reconnect.testing.abstract.client import AbstractPeer
from reconnect.testing.abstract.forms import Forms
from reconnect.testing.abstract.numbers import Forgetful, Older, Renumbered, Seen, least
from reconnect.testing.abstract.values import (
    CONN,
    EPOCH,
    GEN,
    SENT,
    SEQ,
    VERSION,
    Form,
    Visitor,
)

Id: TypeAlias = int
"""A value in the bank."""
Change: TypeAlias = tuple[int, int, Mapping[int, int | None]]
"""One of `Bank.places`, a key for what is changed there, and the new numbers."""

EPOCH_GAP = 3  # nobody raises an epoch so often without having heard of a newer one


@define(eq=False)
class Bank:
    """Values of sessions, records, clients and messages."""

    policy: Policy
    players: tuple[str, ...]
    places: dict[tuple[str, str], int] = field(init=False)
    """Where in `numbers` those of a kind are, for each owner."""
    _forms: dict[type[Any], Form] = field(init=False)
    _ids: dict[tuple[type[Any], str, Hashable], Id] = Factory(dict)
    _values: list[tuple[type[Any], str, Any]] = Factory(list)
    _looks: dict[Id, Any] = Factory(dict)
    _older: dict[Id, Id] = Factory(dict)
    _due: dict[Id, bool] = Factory(dict)
    _numbers: dict[Id, tuple[frozenset[int], ...]] = Factory(dict)
    _renumbered: dict[tuple[Id, tuple[int, ...]], Id] = Factory(dict)
    _reconnected: dict[tuple[Id, Hashable], Id] = Factory(dict)
    _forgotten: dict[tuple[Id, frozenset[int]], Id] = Factory(dict)
    _maps: dict[tuple[frozenset[int], ...], tuple[Change, ...]] = Factory(dict)
    _map_keys: dict[tuple[int, Hashable], int] = Factory(dict)

    def __attrs_post_init__(self) -> None:
        forms = Forms.of(self.policy)
        self._forms = {
            Session: forms.session,
            Record: forms.record,
            AbstractPeer: forms.peer,
            Report: forms.report,
            View: forms.view,
            ShortView: forms.short,
        }
        self.places = {}
        for owner in ("", *self.players):
            self.places[EPOCH, owner] = 0
            self.places[VERSION, owner] = 1
            self.places[CONN, owner] = 2
        for at, player in enumerate(self.players):
            self.places[GEN, player] = 3 + 3 * at
            self.places[SEQ, player] = 4 + 3 * at
            self.places[SENT, player] = 5 + 3 * at

    # -- the bank ----------------------------------------------------------------------------------

    def put(self, live: Any, owner: str = "") -> Id:
        """The value of `live`; `owner` is whose generation and reports it speaks of."""
        return self._put(type(live), owner, self._forms[type(live)].write(live))

    def _put(self, kind: type[Any], owner: str, written: Hashable) -> Id:
        key = kind, owner, written
        found = self._ids.get(key)
        if found is None:
            found = self._ids[key] = len(self._values)
            self._values.append(key)
        return found

    def look(self, at: Id) -> Any:
        """The value brought to life, to be asked and not to be changed."""
        found = self._looks.get(at)
        if found is None:
            found = self._looks[at] = self.live(at)
        return found

    def session(self, at: Id) -> Session:
        """As `look`."""
        found = self.look(at)
        assert isinstance(found, Session)
        return found

    def record(self, at: Id) -> Record:
        """As `look`."""
        found = self.look(at)
        assert isinstance(found, Record)
        return found

    def peer(self, at: Id) -> AbstractPeer:
        """As `look`."""
        found = self.look(at)
        assert isinstance(found, AbstractPeer)
        return found

    def live(self, at: Id) -> Any:
        """The value brought to life, to be changed."""
        kind, _, written = self._values[at]
        return self._forms[kind].live(written)

    def older(self, at: Id) -> Id:
        """What it is one second later."""
        found = self._older.get(at)
        if found is None:
            found = self._older[at] = self._with(at, Older())
        return found

    def over(self, at: Id) -> bool:
        """Whether a client has ended, and has nothing left to do or to say."""
        peer = self.peer(at)
        return peer.ended and peer.deadline == inf

    # -- numbers -----------------------------------------------------------------------------------

    def numbers(self, at: Id) -> tuple[frozenset[int], ...]:
        """The numbers in it, for each of `places`."""
        found = self._numbers.get(at)
        if found is None:
            kind, owner, written = self._values[at]
            seen = Seen(self.places, [set() for _ in range(3 + 3 * len(self.players))])
            self._forms[kind].seen(written, owner, seen)
            found = self._numbers[at] = tuple(map(frozenset, seen.found))
        return found

    def forget(self, at: Id, keep: frozenset[int]) -> Id:
        """The client without what can never be acknowledged any more."""
        if self.numbers(at)[self.places[SENT, self.peer(at).player]] <= keep:
            return at
        key = at, keep
        found = self._forgotten.get(key)
        if found is None:
            found = self._forgotten[key] = self._with(at, Forgetful(keep))
        return found

    def maps(self, numbers: tuple[frozenset[int], ...]) -> tuple[Change, ...]:
        """What is to be changed so that the numbers are the least that keep their order.

        Zero stays zero. Epochs keep whether one is the next after another. Connections are left
        alone.
        """
        found = self._maps.get(numbers)
        if found is None:
            changes = []
            for place, some in enumerate(numbers):
                if place == self.places[CONN, ""]:
                    continue
                new = least(some, EPOCH_GAP if place == self.places[EPOCH, ""] else 1)
                if any(old != number for old, number in new.items()):
                    items = tuple(new.items())
                    key = self._map_keys.setdefault((place, items), len(self._map_keys))
                    changes.append((place, key, new))
            found = self._maps[numbers] = tuple(changes)
        return found

    def renumber(self, at: Id, changes: tuple[Change, ...]) -> Id:
        """The value with other numbers."""
        numbers = self.numbers(at)
        key = at, tuple([key for place, key, _ in changes if numbers[place]])
        if not key[1]:
            return at
        found = self._renumbered.get(key)
        if found is None:
            maps = {place: new for place, _, new in changes}
            found = self._renumbered[key] = self._with(at, Renumbered(self.places, maps))
        return found

    def _with(self, at: Id, visitor: Visitor) -> Id:
        kind, owner, written = self._values[at]
        return self._put(kind, owner, self._forms[kind].seen(written, owner, visitor))

    def reconnect(self, session: Id, conns: tuple[tuple[int, int | None], ...]) -> Id:
        """The session with other names of its connections; one that is gone for good has none."""
        found = self._reconnected.get((session, conns))
        if found is None:
            maps = {self.places[CONN, ""]: dict(conns)}
            found = self._with(session, Renumbered(self.places, maps))
            self._reconnected[session, conns] = found
        return found

    def due(self, at: Id) -> bool:
        """Whether time has something to say to a session or a client now."""
        found = self._due.get(at)
        if found is None:
            found = self._due[at] = self.look(at).deadline <= 0.0
        return found
