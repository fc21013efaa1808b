"""A session played by hand: who says what, how long they wait, what they are answered.

The clock starts anywhere and moves only when told. What is promised of every answer alike is held
against each: the save comes first and raises the version by one, nobody is sent two messages.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from math import isclose
from typing import Any, TypeVar

import attrs
from attrs import define

from reconnect.core.effects import Close, Save, Send, SessionEffect, Tell
from reconnect.core.events import (
    ApplicationEnded,
    ConnectionClosed,
    ReportArrived,
    SessionEvent,
    TimePassed,
)
from reconnect.core.messages import LinkReport, Phase, Report, ShortView, View
from reconnect.core.notices import SessionNotice
from reconnect.core.record import Record
from reconnect.core.session import Session
from reconnect.core.table import State
from reconnect.policy import Policy

T = TypeVar("T")

HALTED, READY, PLAYING, LEFT = Phase.HALTED, Phase.READY, Phase.PLAYING, Phase.LEFT
CONNECTED, PAUSED, RECONNECTING = State.CONNECTED, State.PAUSED, State.RECONNECTING
RESUMED, ENDED = State.RESUMED, State.ENDED

SOME_TIME = 1_700_000_000.0
UP, DOWN = LinkReport(True), LinkReport(False)


@define
class Client:
    """One life of a player's program, as far as it shows in its reports."""

    player: str
    conn: int
    gen: int = 0
    seq: int = 0
    phase: Phase = HALTED
    epoch: int = 0
    frame: int = 0


class Drama:
    """One session and the clients of its players; everything else is a policy's value."""

    def __init__(self, *players: str, data: dict[str, Any] | None = None, **policy: Any) -> None:
        self.policy = Policy(**policy)
        self.now = 100.0
        self.wall_offset = SOME_TIME
        self.players = players or ("ann", "ben")
        self.session = Session.born(
            "game", self.players, self.policy, now=self.now, wall=self.wall, data=data
        )
        self.stored: Record = self.session.first_save(now=self.now).record
        self.effects: list[SessionEffect] = []
        self.clients: dict[str, Client] = {}
        self.conns: Iterator[int] = count(1)

    @property
    def wall(self) -> float:
        return self.now + self.wall_offset

    # -- what happens ------------------------------------------------------------------------------

    def hear(self, event: SessionEvent) -> list[SessionEffect]:
        """Let the session handle `event`, and hold its answer against what is promised of all."""
        version = self.session.version
        self.effects = self.session.handle(event, now=self.now)
        saves = self.of_kind(Save)
        assert len(saves) <= 1
        assert self.session.version == version + len(saves)
        for save in saves:
            assert self.effects[0] is save
            assert (save.expected, save.record.version) == (version, version + 1)
            assert save.record == self.session.record(self.now)
            self.stored = save.record
        receivers = [send.conn for send in self.of_kind(Send)]
        assert len(set(receivers)) == len(receivers), "two messages to one connection"
        return self.effects

    def says(
        self,
        player: str,
        phase: Phase = HALTED,
        epoch: int | None = None,
        *,
        conn: int | None = None,
        gen: int | None = None,
        seq: int | None = None,
        version: int = 0,
        frame: int | None = None,
        held: float = 0.0,
        **more: Any,
    ) -> list[SessionEffect]:
        """A report of the player's client: of this epoch, and numbered in order, unless said."""
        client = self.clients[player]
        client.seq = client.seq + 1 if seq is None else seq
        client.phase = phase
        client.epoch = self.session.epoch if epoch is None else epoch
        client.frame = client.frame if frame is None else frame
        report = Report(
            gen=client.gen if gen is None else gen,
            seq=client.seq,
            epoch=client.epoch,
            phase=phase,
            version=version,
            frame=client.frame,
            **more,
        )
        return self.hear(ReportArrived(client.conn if conn is None else conn, player, report, held))

    def knocks(self, player: str) -> int:
        """A new client of the player opens a connection; the generation it is offered."""
        conn = next(self.conns)
        report = Report(gen=0, seq=1, epoch=0, phase=HALTED, version=0)
        self.hear(ReportArrived(conn, player, report))
        offer = self.view(conn)
        self.clients[player] = Client(player, conn, offer.gen, 1)
        return offer.gen

    def enters(self, player: str) -> int:
        """A new client of the player takes the seat; its connection."""
        self.knocks(player)
        self.says(player, epoch=0)
        return self.clients[player].conn

    def dials(self, player: str) -> int:
        """The player's client opens a new connection, which its next report will attach."""
        self.clients[player].conn = next(self.conns)
        return self.clients[player].conn

    def loses(self, player: str) -> list[SessionEffect]:
        """The connection of the player's client closes."""
        return self.hear(ConnectionClosed(self.clients[player].conn))

    def all_say(self, phase: Phase, epoch: int | None = None, **more: Any) -> None:
        """Each player of the game in turn."""
        for player in list(self.session.players):
            self.says(player, phase, epoch, **more)

    def due(self) -> list[SessionEffect]:
        """`TimePassed`, now; whatever was due is done with afterwards."""
        effects = self.hear(TimePassed())
        assert self.session.deadline > self.now, "it would be called again at once, for ever"
        return effects

    def wait(self, seconds: float, *alive: str) -> list[SessionEffect]:
        """Time passes; the players named send heartbeats. All that the session did meanwhile."""
        until, beat = self.now + seconds, self.policy.heartbeat_interval
        happened: list[SessionEffect] = []
        next_beat = self.now + beat if alive else until
        while True:
            self.now = max(self.now, min(until, next_beat, self.session.deadline))
            if self.session.deadline <= self.now:
                happened += self.due()
            elif self.now >= until:
                self.effects = happened
                return happened
            else:
                next_beat += beat
                for player in alive:
                    happened += self.says(
                        player, self.clients[player].phase, self.clients[player].epoch
                    )

    def wait_until_due(self) -> list[SessionEffect]:
        """Nothing happens before `deadline`; then it is reached."""
        self.now = max(self.now, self.session.deadline)
        return self.due()

    def host_ends(self, reason: str = "completed") -> list[SessionEffect]:
        return self.hear(ApplicationEnded(reason))

    def restarts(self, *, after: float = 0.5, clock_jumps: float = 0.0) -> None:
        """The process is gone and another loads the record; all connections are gone with it."""
        wall = self.wall + after + clock_jumps
        self.now = 5000.0
        self.wall_offset = wall - self.now
        self.session = Session.loaded(self.stored, now=self.now, wall=wall)
        for player in self.clients:
            self.dials(player)

    # -- where things commonly stand ---------------------------------------------------------------

    def play(self) -> Drama:
        """From the birth: everybody comes, is ready, and plays."""
        for player in self.players:
            self.enters(player)
        self.resume()
        self.all_say(PLAYING)
        assert self.state is CONNECTED
        return self

    def pause(self, player: str | None = None) -> Drama:
        """The first player, or the one named, has stopped and asks for the next epoch."""
        self.says(player or self.session.players[0], HALTED, self.session.epoch + 1)
        assert self.state in (PAUSED, RECONNECTING)
        return self

    def reconnect(self) -> Drama:
        """Out of a pause: everybody promises."""
        self.all_say(HALTED)
        assert self.state is RECONNECTING
        return self

    def resume(self) -> Drama:
        """Out of a pause: everybody is ready."""
        self.all_say(READY)
        assert self.state is RESUMED
        return self

    # -- what is asked of it -----------------------------------------------------------------------

    @property
    def state(self) -> State:
        return self.session.state

    def of_kind(self, kind: type[T]) -> list[T]:
        """The effects of the last happening that are of this kind."""
        return [effect for effect in self.effects if isinstance(effect, kind)]

    @property
    def saved(self) -> bool:
        return bool(self.of_kind(Save))

    @property
    def notices(self) -> list[SessionNotice]:
        return [tell.notice for tell in self.of_kind(Tell)]

    @property
    def closed(self) -> list[int]:
        return [close.conn for close in self.of_kind(Close)]

    @property
    def receivers(self) -> list[int]:
        return [send.conn for send in self.of_kind(Send)]

    def message(self, to: str | int) -> View | ShortView:
        """What was last sent to this player's connection, or to this connection."""
        conn = self.clients[to].conn if isinstance(to, str) else to
        *_, message = [send.message for send in self.of_kind(Send) if send.conn == conn]
        assert isinstance(message, View | ShortView)
        return message

    def view(self, to: str | int) -> View:
        """The whole view that was last sent to this player, or to this connection."""
        message = self.message(to)
        assert isinstance(message, View)
        return message

    def everything(self) -> Any:
        """All there is in the session, volatile or not, as plain values."""
        return attrs.asdict(self.session)

    def left_of_outage(self) -> float:
        """Seconds until the session ends by itself."""
        assert self.session.ends_at is not None
        return self.session.ends_at - self.now


def same_instant(one: float | None, other: float) -> bool:
    """Wall-clock instants are known to a microsecond at best."""
    return one is not None and isclose(one, other, rel_tol=0, abs_tol=1e-5)
