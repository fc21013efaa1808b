"""Folds: what the real `Session` and `Peer` make of each event, each worked out once.

A fold is given a value and an event, brings the value to life, lets it handle the event at the
instant 0, and writes down what has become of it and what it ordered. It is a function of what is
written down, so it is asked only once.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import Any, TypeAlias

from attrs import Factory, define

from reconnect.core import effects as fx
from reconnect.core import events as ev
from reconnect.core.messages import Phase, Reason
from reconnect.core.session import Session
from reconnect.core.table import State
from reconnect.testing.abstract.bank import Bank, Id
from reconnect.testing.abstract.client import AbstractPeer, beginning

Told: TypeAlias = tuple[Any, ...]
"""An event: its name, and what it is about."""
Order: TypeAlias = tuple[Any, ...]
"""An effect that reaches somebody: its name, and what it is about."""


class LawBroken(Exception):
    """Something happened that must not."""

    def __init__(self, law: str) -> None:
        super().__init__(law)
        self.law = law


@define(eq=False)
class Folds(Bank):
    """The bank, and what has become of its values."""

    handled: int = 0
    """How often a real transition function was called."""
    _clients: dict[tuple[Id, Told], tuple[Id, tuple[Order, ...]]] = Factory(dict)
    _sessions: dict[tuple[Id, Told], tuple[Id, tuple[Order, ...]]] = Factory(dict)

    # -- the transition functions ------------------------------------------------------------------

    def born(self) -> tuple[Id, Id]:
        """A new session and its first record."""
        session = Session.born("game", self.players, self.policy, now=0.0, wall=0.0)
        save = session.first_save(now=0.0)
        return self.put(session), self.put(save.record)

    def recorded(self, session: Id) -> Id:
        """The record of a session that has just been saved."""
        return self.put(self.session(session).record(0.0))

    def loaded(self, record: Id) -> Id:
        """The session of a record, in a new process."""
        return self.put(Session.loaded(self.live(record), now=0.0, wall=0.0))

    def begun(self, player: str) -> Id:
        """A client that has not dialled yet."""
        return self.put(beginning(player), player)

    def to_client(self, at: Id, told: Told) -> tuple[Id, tuple[Order, ...]]:
        """What becomes of a client, and what it orders."""
        found = self._clients.get((at, told))
        if found is None:
            found = self._clients[at, told] = self._to_client(at, told)
        return found

    def _to_client(self, at: Id, told: Told) -> tuple[Id, tuple[Order, ...]]:
        peer = self.live(at)
        assert isinstance(peer, AbstractPeer)
        over, leaving, known = peer.ended, peer.leaving, _known(peer)
        if told == ("gives up",):
            peer.control.acked_at = -inf
        event = self._client_event(told)
        effects: list[fx.PeerEffect] = self._handled(peer, event)
        if over:
            _check_ended(peer, effects, leaving=leaving)
        if isinstance(event, ev.ViewArrived) and _known(peer) != known:
            version, gen, _ = known
            if event.view.version < version or event.view.gen < gen:
                raise LawBroken("I4: an older view, and yet it changed a thing")
        return self.put(peer, peer.player), tuple(self._client_orders(peer, effects))

    def _handled(self, fold: Session | AbstractPeer, event: Any) -> Any:
        self.handled += 1
        try:
            return fold.handle(event, now=0.0)
        except Exception as error:  # whatever it is, it is found
            raise LawBroken(f"it raised {type(error).__name__}: {error}") from error

    def _client_event(self, told: Told) -> ev.PeerEvent:
        match told:
            case ("time",) | ("gives up",):
                return ev.TimePassed()
            case ("opened",):
                return ev.ControlOpened()
            case ("closed",):
                return ev.ControlClosed()
            case ("view", message):
                return ev.ViewArrived(self.live(message))
            case ("closing",):
                return ev.ApplicationClosing()
            case ("leaves",):
                return ev.ApplicationLeft()
            case ("channel", far, is_open):
                return ev.ChannelChanged(far, is_open)
            case ("probed", far):
                return ev.FrameArrived(far, b"")
            case _:
                raise AssertionError(told)

    def _client_orders(self, peer: AbstractPeer, effects: list[fx.PeerEffect]) -> list[Order]:
        orders: list[Order] = []
        for effect in effects:
            match effect:
                case fx.HangUp():
                    orders.append(("hang up",))
                case fx.SendReport(report):
                    orders.append(("report", self.put(report, peer.player)))
                case _:
                    pass  # for the application, for links, or seen in what it has become: a dial
        return orders

    def to_session(self, at: Id, told: Told) -> tuple[Id, tuple[Order, ...]]:
        """What becomes of the session, and what it orders."""
        found = self._sessions.get((at, told))
        if found is None:
            found = self._sessions[at, told] = self._to_session(at, told)
        return found

    def _to_session(self, at: Id, told: Told) -> tuple[Id, tuple[Order, ...]]:
        session = self.live(at)
        assert isinstance(session, Session)
        over = session.state is State.ENDED
        event = self._session_event(told)
        effects: list[fx.SessionEffect] = self._handled(session, event)
        if over and session.state is not State.ENDED:
            raise LawBroken("I1: a session that has ended goes on")
        after = self.put(session)
        if after != at and _is_stale(self.session(at), event):
            raise LawBroken("I4: a stale report, and yet it changed a thing")
        owners = {
            member.conn: member.player
            for one in (self.session(at), session)
            for member in one.members.values()
        }
        if isinstance(event, ev.ReportArrived):
            owners[event.conn] = event.player
        return after, tuple(self._session_orders(effects, owners))

    def _session_event(self, told: Told) -> ev.SessionEvent:
        match told:
            case ("time",):
                return ev.TimePassed()
            case ("report", conn, player, message):
                return ev.ReportArrived(conn, player, self.live(message))
            case ("closed", conn):
                return ev.ConnectionClosed(conn)
            case ("finished",):
                return ev.ApplicationEnded(Reason.COMPLETED)
            case _:
                raise AssertionError(told)

    def _session_orders(
        self, effects: list[fx.SessionEffect], owners: Mapping[int | None, str]
    ) -> list[Order]:
        orders: list[Order] = []
        for effect in effects:
            match effect:
                case fx.Save(record):
                    orders.append(("save", self.put(record)))
                case fx.Send(conn, message):
                    orders.append(("send", conn, self.put(message, owners[conn])))
                case fx.Close(conn):
                    orders.append(("close", conn))
                case fx.Tell():
                    pass
        return orders


def _known(peer: AbstractPeer) -> tuple[int, int, int]:
    return peer.version, peer.gen, peer.control.ack


def _is_stale(session: Session, event: ev.SessionEvent) -> bool:
    if not isinstance(event, ev.ReportArrived):
        return False
    member, report = session.members[event.player], event.report
    return 0 < report.gen < member.gen or (
        report.gen == member.gen > 0 and report.seq <= member.seq
    )


def _check_ended(peer: AbstractPeer, effects: list[fx.PeerEffect], *, leaving: bool) -> None:
    if not peer.ended:
        raise LawBroken("I1: a client that has ended goes on")
    for effect in effects:
        if isinstance(effect, fx.Dial) and not leaving:
            raise LawBroken("I1: a client that has ended dials")
        if isinstance(effect, fx.SendReport) and effect.report.phase is not Phase.LEFT:
            raise LawBroken("I1: a client that has ended says more than goodbye")
