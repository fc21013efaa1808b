"""The coordinator's process in a world: one mailbox, saves that take time, and its death."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from math import inf
from random import Random

import attrs

from reconnect.core import effects as fx
from reconnect.core import events as ev
from reconnect.core.messages import (
    Error,
    ErrorCode,
    ShortView,
    Signal,
    SignalAck,
    View,
)
from reconnect.core.record import Record
from reconnect.core.session import Session
from reconnect.core.table import State
from reconnect.policy import Policy
from tests.core.world_things import Client, Conn, Deed, Ear

WALL = 1_700_000_000.0


class Host:
    """The part of a `World` that has the session."""

    now: float
    random: Random
    ear: Ear
    after: Callable[[float, Deed], None]
    clients: dict[str, Client]
    conns: dict[int, Conn]
    tokens: dict[str, int]
    reports: deque[ev.ReportArrived]
    pass_on: Callable[[Conn, str, Deed], None]
    down: Callable[[Conn, ev.PeerEvent], None]
    break_conn: Callable[..., None]
    _client_sees_end: Callable[[Conn], None]
    _server_sees_end: Callable[[Conn], None]
    _remember: Callable[..., None]

    def found_session(self, players: list[str], policy: Policy) -> None:
        """The session is born, and its first record durable."""
        self.k_offset = 1000.0
        self.wall_jump = 0.0
        self.session: Session | None = Session.born(
            "game", players, policy, now=self.k_now, wall=self.wall
        )
        self.stored: Record = self.session.first_save(now=self.k_now).record
        self.pending: tuple[fx.Save, list[fx.SessionEffect], float] | None = None
        self.mailbox: deque[tuple[float, ev.SessionEvent]] = deque()
        self.slow_store = False
        self.busy_until = -inf
        """Until when the coordinator's process stands still; what comes in waits."""
        self.life = 0
        self.k_due = self.due_of(self.session)

    @property
    def k_now(self) -> float:
        return self.now + self.k_offset

    @property
    def wall(self) -> float:
        return WALL + self.now + self.wall_jump

    def due_of(self, session: Session) -> float:
        return session.deadline - self.k_offset

    def _received(self, conn: Conn, effect: fx.SendReport | fx.SendSignal | fx.SendData) -> None:
        if self.session is None or not conn.server_open:
            return
        player = conn.client.player
        match effect:
            case fx.SendReport(report, attach):
                assert attach is not conn.attached, "the first report is the attach, and no other"
                conn.attached = True
                if conn.token == self.tokens[player]:
                    self.to_session(self._noted(ev.ReportArrived(conn.id, player, report)))
                elif attach:
                    self.down(conn, ev.ErrorArrived(ErrorCode.BAD_TOKEN))
                    self.bye(conn)
            case fx.SendSignal(signal):
                self._relay(conn, signal)
            case fx.SendData(peer, frame):
                to = self.session.route(player, conn.id, peer)
                if to is not None and to.conn in self.conns:
                    self.down(self.conns[to.conn], ev.DataArrived(player, frame))

    def _noted(self, event: ev.ReportArrived) -> ev.ReportArrived:
        self.reports.append(event)
        return event

    def _relay(self, conn: Conn, signal: Signal | SignalAck) -> None:
        assert self.session is not None
        player = conn.client.player
        to = self.session.route(player, conn.id, signal.to)
        gens = (self.session.members[player].gen, to.gen if to else None)
        if to is None or (signal.gen_from, signal.gen_to) != gens or to.conn not in self.conns:
            return
        said = attrs.evolve(signal, sender=player)
        event = ev.SignalArrived(said) if isinstance(said, Signal) else ev.SignalAcked(said)
        self.down(self.conns[to.conn], event)
        if isinstance(said, Signal) and self.random.random() < 0.1:
            self.down(self.conns[to.conn], event)

    def bye(self, conn: Conn) -> None:
        """Close a connection behind what has been said on it."""
        self.pass_on(conn, "down", lambda: self._client_sees_end(conn))
        self.after(0.0, lambda: self._server_sees_end(conn))

    def to_session(self, event: ev.SessionEvent) -> None:
        """An event for the session; it waits for the end of a save."""
        if self.session is None:
            return
        if self.pending is not None or self.mailbox or self.now < self.busy_until:
            self.mailbox.append((self.now, event))
        else:
            self._session_hears(event, self.now)

    def stand_still(self, seconds: float) -> None:
        """The coordinator's process does nothing for a while."""
        self.busy_until = self.now + seconds
        life = self.life
        self.after(seconds, partial(self._if_alive, life, self._next_letter))

    def _if_alive(self, life: int, deed: Deed) -> None:
        if self.life == life:
            deed()

    def _next_letter(self) -> None:
        while self.mailbox and self.pending is None and self.now >= self.busy_until:
            arrived_at, event = self.mailbox.popleft()
            self._session_hears(event, arrived_at)

    def _session_hears(self, event: ev.SessionEvent, since: float) -> None:
        session = self.session
        assert session is not None
        if isinstance(event, ev.ReportArrived):
            event = attrs.evolve(event, held=self.now - since)
        if isinstance(event, ev.ApplicationEnded | ev.TokenIssued) and session.state is State.ENDED:
            return
        self.ear.before_session(self, session, event)
        effects = session.handle(event, now=self.k_now)
        self._remember("coordinator", event, effects)
        self.ear.after_session(self, session, event, effects)
        self.k_due = self.due_of(session)
        if effects and isinstance(effects[0], fx.Save):
            self.pending = (effects[0], effects[1:], self.now)
            if self.slow_store:
                life = self.life
                self.after(
                    self.random.uniform(0.0, 0.3), partial(self._if_alive, life, self._saved)
                )
            else:
                self._saved()
        else:
            self._say(effects, 0.0)

    def _saved(self) -> None:
        assert self.pending is not None
        (save, effects, since), self.pending = self.pending, None
        assert save.expected == self.stored.version
        self.stored = save.record
        self.ear.saved(self, save.record)
        self._say(effects, self.now - since)
        self._next_letter()

    def _say(self, effects: list[fx.SessionEffect], waited: float) -> None:
        for effect in effects:
            match effect:
                case fx.Send(conn_id, message):
                    conn = self.conns[conn_id]
                    if isinstance(message, Error):
                        self.down(conn, ev.ErrorArrived(message.code))
                    else:
                        self.down(conn, ev.ViewArrived(self._copied(message).aged(waited)))
                case fx.Close(conn_id):
                    self.bye(self.conns[conn_id])
                case _:
                    pass

    def _copied(self, view: View | ShortView) -> View | ShortView:
        return attrs.evolve(view)  # what is on its way can no longer be changed

    def crash(self, down_for: float, *, durable: bool, wall_jump: float = 0.0) -> None:
        """The coordinator's process dies, with all it was about to say, and is started again.

        `durable`: a save that was under way had reached the store.
        """
        if self.pending is not None and durable:
            self.stored = self.pending[0].record
            self.ear.saved(self, self.stored)
        self.pending = None
        self.mailbox.clear()
        self.busy_until = -inf
        self.session = None
        self.life += 1
        self.k_due = inf
        self.wall_jump += wall_jump
        for conn in self.conns.values():
            if conn.server_open:
                conn.server_open = False
                sees = self.random.uniform(0.0, 0.3) if self.random.random() < 0.7 else inf
                self.break_conn(conn, client_sees=sees, server_sees=inf)
        self.after(down_for, self._start)

    def _start(self) -> None:
        self.k_offset = self.random.uniform(0.0, 5000.0) - self.now
        self.session = Session.loaded(self.stored, now=self.k_now, wall=self.wall)
        self.ear.loaded(self, self.session)
        self.k_due = self.due_of(self.session)
