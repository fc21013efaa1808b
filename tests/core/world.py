"""A world in virtual time: one real session, the real peers of its players, and what lies between.

The world is deterministic: the same seed and the same calls give the same effects. A control
connection is FIFO and can be clogged, broken with either end noticing first, or half-open. A path
between two players loses, delays, reorders, doubles and is cut, in either direction alone. The
coordinator's process can die at any moment, also between a save and what was to be said after it.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable
from functools import partial
from hashlib import blake2b
from itertools import count
from math import inf
from random import Random
from typing import Any, TypeAlias

import attrs
from attrs import define, field

from reconnect.core import effects as fx
from reconnect.core import events as ev
from reconnect.core.messages import (
    AttemptKind,
    Error,
    ErrorCode,
    ShortView,
    Signal,
    SignalAck,
    SignalKind,
    View,
)
from reconnect.core.outlook import Play
from reconnect.core.peer import Peer
from reconnect.core.record import Record
from reconnect.core.resync import Consult
from reconnect.core.session import Session
from reconnect.core.table import State
from reconnect.policy import Policy

AT_ONCE_MAX = 400  # what happens at one instant; more would be a loop without end
SKEW = 0.008  # clocks differ by up to 1.6 %, less than the lease bound allows for
WALL = 1_700_000_000.0
PLAYS = (Play.ARMED, Play.PLAYING)

Deed: TypeAlias = Callable[[], None]


@define(eq=False)
class Conn:
    """A control connection: two queues, each in order."""

    id: int
    client: Client
    token: int
    client_open: bool = True
    server_open: bool = True
    broken: bool = False
    """Nothing that is sent from now on arrives."""
    attached: bool = False
    clogged: set[str] = field(factory=set)
    """`up`, `down`: what is sent that way waits."""
    waiting: dict[str, list[Deed]] = field(factory=lambda: {"up": [], "down": []})
    last: dict[str, float] = field(factory=lambda: {"up": -inf, "down": -inf})


@define(eq=False)
class End:
    """One end of a peer link, as its adapter has it."""

    client: Client
    peer: str
    generation: int
    far: End | None = None
    """The other end of the channel that is there, if one is."""
    flow: list[bool] = field(factory=lambda: [True])
    """Whether the channel's flows live; shared by its two ends."""
    attempts: dict[str, AttemptKind] = field(factory=dict)
    """Those that are under way."""


@define(eq=False)
class Client:
    """One life of a player's program, with a clock of its own."""

    name: str
    player: str
    peer: Peer
    token: int
    offset: float
    rate: float
    alive: bool = True
    """Whether the program still runs."""
    awake_at: float = -inf
    """Until when its event loop stands still."""
    inbox: deque[ev.PeerEvent] = field(factory=deque)
    conn: Conn | None = None
    offline: bool = False
    """Dials fail."""
    deaf: bool = False
    """What the coordinator says waits, on every connection; what it is told arrives."""
    ends: dict[str, End] = field(factory=dict)
    due: float = -inf
    last: float = -inf
    """Its clock at the last call."""
    offered: int = 0
    heard: dict[str, int] = field(factory=dict)
    """The last number taken from each far client."""

    def clock(self, now: float) -> float:
        return max(self.last, self.offset + self.rate * now)

    @property
    def silent(self) -> bool:
        """Whether nothing can be asked of it any more."""
        return not self.alive or (self.peer.ended and self.peer.deadline == inf)


class World:
    """Session, peers, and everything between; `run` lets time pass."""

    def __init__(self, seed: int, players: list[str], policy: Policy) -> None:
        self.random = Random(seed)
        self.policy = policy
        self.now = 0.0
        self.agenda: list[tuple[float, int, Deed]] = []
        self.ids = count(1)
        self.digest: blake2b | None = None
        """Of every event and its effects, where one is wanted."""
        self.clients: dict[str, Client] = {}
        """Every client there ever was, by name."""
        self.conns: dict[int, Conn] = {}
        self.tokens = dict.fromkeys(players, 1)
        self.blocked: set[tuple[str, str]] = set()
        """From whom to whom no packet gets through."""
        self.loss = 0.0
        self.reports: deque[ev.ReportArrived] = deque(maxlen=100)
        self.views: deque[tuple[Client, ev.ViewArrived]] = deque(maxlen=100)
        """What has arrived and might arrive once more."""
        self.offers: dict[str, End] = {}
        self.ear: Ear = Ear()
        # the coordinator's process
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

    # -- time --------------------------------------------------------------------------------------

    def after(self, seconds: float, deed: Deed) -> None:
        heapq.heappush(self.agenda, (self.now + seconds, next(self.ids), deed))

    def run(self, seconds: float) -> None:
        """Let this much time pass, with all that is due in it."""
        until = self.now + seconds
        at_once = 0
        while True:
            when, what = self._next()
            if when > until:
                break
            at_once = at_once + 1 if when <= self.now else 0
            assert at_once < AT_ONCE_MAX, "time stands still"
            self.now = max(self.now, when)
            if what is None:
                heapq.heappop(self.agenda)[2]()
            elif isinstance(what, Client):
                self._time_for(what)
            else:
                self.k_due = inf
                self.to_session(ev.TimePassed())
        self.now = until

    def _next(self) -> tuple[float, Client | Session | None]:
        when: float = inf
        what: Client | Session | None = None
        if self.agenda:
            when = self.agenda[0][0]
        for client in self.clients.values():
            if client.due < when and not client.silent:
                when, what = client.due, client
        if self.k_due < when and self.session is not None:
            when, what = self.k_due, self.session
        return when, what

    def due_of(self, session: Session) -> float:
        return session.deadline - self.k_offset

    # -- clients -----------------------------------------------------------------------------------

    def enter(self, player: str, **more: Any) -> Client:
        """A new client of `player` begins to dial."""
        number = 1 + sum(one.player == player for one in self.clients.values())
        offset = self.random.uniform(-500.0, 500.0)
        rate = self.random.uniform(1 - SKEW, 1 + SKEW)
        peer = Peer.beginning(
            "game",
            player,
            now=offset + rate * self.now,
            seed=self.random.getrandbits(32),
            marks=True,
            snapshots=True,
            **more,
        )
        client = Client(f"{player}.{number}", player, peer, self.tokens[player], offset, rate)
        client.due = self.now
        self.clients[client.name] = client
        return client

    def _time_for(self, client: Client) -> None:
        if client.inbox and self.random.random() < 0.7:
            self.hear(client, client.inbox.popleft())
        else:
            self.hear(client, ev.TimePassed())

    def tell(self, client: Client, event: ev.PeerEvent) -> None:
        """Something happens to a client; while its loop stands still, it waits."""
        if not client.alive:
            return
        if self.now < client.awake_at or client.inbox:
            client.inbox.append(event)
            client.due = client.awake_at
        else:
            self.hear(client, event)

    def hear(self, client: Client, event: ev.PeerEvent) -> None:
        """The client handles `event` now, and what it orders is done."""
        if self.now < client.awake_at:
            client.due = client.awake_at
            return
        peer = client.peer
        now = client.clock(self.now)
        if peer.deadline > now and self.now >= client.due:
            now = min(peer.deadline, now + 1e-6)  # two clocks do not convert to the last bit
        client.last = now
        self.ear.before_client(self, client, event)
        effects = peer.handle(event, now=now)
        self._remember(client.name, event, effects)
        if isinstance(event, ev.ViewArrived):
            self.views.append((client, event))
        self.ear.after_client(self, client, event, effects)
        for effect in effects:
            self._do(client, effect)
        for sender, data in peer.take():
            self.ear.taken(self, client, sender, data)
        client.due = self.now if client.inbox else (peer.deadline - client.offset) / client.rate

    def _remember(self, *what: object) -> None:
        if self.digest is not None:
            self.digest.update(repr((self.now, *what)).encode())

    def _do(self, client: Client, effect: fx.PeerEffect) -> None:
        match effect:
            case fx.Dial():
                self._dial(client)
            case fx.HangUp():
                self._hang_up(client)
            case fx.SendReport() | fx.SendSignal() | fx.SendData():
                if client.conn is not None:
                    self._up(client.conn, effect)
            case fx.OpenLink(peer, generation):
                assert peer not in client.ends
                client.ends[peer] = End(client, peer, generation)
            case fx.CloseLink(peer):
                self.close_end(client.ends.pop(peer))
            case fx.StartAttempt():
                self._attempt(client.ends[effect.peer], effect)
            case fx.AbandonAttempt(peer, attempt_id):
                client.ends[peer].attempts.pop(attempt_id, None)
            case fx.PassSignal():
                self._passed(client.ends[effect.peer], effect)
            case fx.SendFrame(peer, frame):
                self._packet(client.ends[peer], frame)
            case Consult(ask, peer, epoch):
                self.after(0.005, lambda: self.tell(client, ev.Consulted(ask, peer, epoch)))
            case fx.Inform():
                pass

    def kill(self, client: Client) -> None:
        """The program is gone, without a word; its machine may close the connection."""
        client.alive = False
        if client.conn is not None and self.random.random() < 0.5:
            self._hang_up(client)
        for end in client.ends.values():
            self.close_end(end)

    # -- the control connection --------------------------------------------------------------------

    def _dial(self, client: Client) -> None:
        assert client.conn is None, "one dial at a time"
        if client.offline or self.session is None:
            if self.random.random() < 0.7:
                conn = Conn(next(self.ids), client, client.token)
                client.conn = conn
                self.after(self.random.uniform(0.0, 0.3), lambda: self._client_sees_end(conn))
            return
        conn = Conn(next(self.ids), client, client.token)
        self.conns[conn.id] = client.conn = conn
        if client.deaf:
            conn.clogged.add("down")
        self.after(self._delay(), lambda: self._opened(conn))

    def _opened(self, conn: Conn) -> None:
        if conn.client.conn is conn and not conn.broken:
            self.tell(conn.client, ev.ControlOpened())

    def _hang_up(self, client: Client) -> None:
        conn, client.conn = client.conn, None
        if conn is None:
            return
        conn.client_open = False
        if self.random.random() < 0.8:
            self.pass_on(conn, "up", lambda: self._server_sees_end(conn))
        else:
            self.after(self.random.uniform(0.0, 3.0), lambda: self._server_sees_end(conn))

    def _delay(self) -> float:
        return self.random.choice((0.002, 0.01, 0.01, 0.03, 0.08))

    def pass_on(self, conn: Conn, way: str, deed: Deed) -> None:
        """Let `deed` happen when what was sent before on this way has arrived."""
        if conn.broken:
            return
        if way in conn.clogged:
            conn.waiting[way].append(deed)
            return
        at = max(self.now + self._delay(), conn.last[way])
        conn.last[way] = at
        self.after(at - self.now, deed)

    def unclog(self, conn: Conn) -> None:
        conn.clogged.clear()
        for way, deeds in conn.waiting.items():
            waiting, deeds[:] = deeds[:], []
            for deed in waiting:
                self.pass_on(conn, way, deed)

    def break_conn(self, conn: Conn, *, client_sees: float, server_sees: float) -> None:
        """Nothing more gets through; each end sees it after a while, or never (infinity)."""
        if self.random.random() < 0.5:
            self.unclog(conn)
        conn.broken = True
        if client_sees < inf:
            self.after(client_sees, lambda: self._client_sees_end(conn))
        if server_sees < inf:
            self.after(server_sees, lambda: self._server_sees_end(conn))

    def _client_sees_end(self, conn: Conn) -> None:
        if conn.client.conn is conn:
            conn.client.conn = None
            conn.client_open = False
            self.tell(conn.client, ev.ControlClosed("reset"))

    def _server_sees_end(self, conn: Conn) -> None:
        if conn.server_open:
            conn.server_open = False
            self.to_session(ev.ConnectionClosed(conn.id))

    def _up(self, conn: Conn, effect: fx.SendReport | fx.SendSignal | fx.SendData) -> None:
        self.pass_on(conn, "up", lambda: self._received(conn, effect))

    def down(self, conn: Conn, event: ev.PeerEvent) -> None:
        """Send to a client; it is read on this connection or not at all."""

        def read() -> None:
            if conn.client.conn is conn:
                self.tell(conn.client, event)

        self.pass_on(conn, "down", read)

    # -- the coordinator's shell -------------------------------------------------------------------

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
        self.after(seconds, lambda: self.life == life and self._next_letter())

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
                    self.random.uniform(0.0, 0.3), lambda: self.life == life and self._saved()
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

    # -- peer links --------------------------------------------------------------------------------

    def _attempt(self, end: End, effect: fx.StartAttempt) -> None:
        if effect.kind is AttemptKind.REBUILD:
            end.attempts.clear()
        end.attempts[effect.attempt_id] = effect.kind
        if effect.offers:
            self.after(0.02, lambda: self._made(end, effect.attempt_id, SignalKind.OFFER))
        if self.random.random() < 0.03:
            self.after(0.2, lambda: self._attempt_fails(end, effect.attempt_id))

    def _attempt_fails(self, end: End, attempt_id: str) -> None:
        if end.attempts.pop(attempt_id, None):
            self._to_end(end, ev.AttemptFailed(end.peer, attempt_id, "failed"))

    def _made(self, end: End, attempt_id: str, kind: SignalKind) -> None:
        if attempt_id in end.attempts:
            key = str(next(self.ids))
            self.offers[key] = end
            self._to_end(end, ev.SignalMade(end.peer, attempt_id, kind, key))
            self._to_end(end, ev.SignalMade(end.peer, attempt_id, SignalKind.CANDIDATE, key))

    def _passed(self, end: End, effect: fx.PassSignal) -> None:
        match effect.kind:
            case SignalKind.OFFER:
                self.after(0.01, lambda: self._made(end, effect.attempt_id, SignalKind.ANSWER))
            case SignalKind.ANSWER:
                far = self.offers[effect.payload]
                self.after(0.05, lambda: self._join(end, far, effect.attempt_id))
            case _:
                pass

    def _join(self, one: End, other: End, attempt_id: str) -> None:
        if attempt_id not in one.attempts or attempt_id not in other.attempts:
            return
        pair = (one.client.player, other.client.player)
        if pair in self.blocked or pair[::-1] in self.blocked:
            self.after(0.1, lambda: self._join(one, other, attempt_id))
            return
        flow = [True]
        for end, far in ((one, other), (other, one)):
            kept = end.attempts.pop(attempt_id) is AttemptKind.RESTART and end.far is far
            end.far, end.flow = far, flow
            self.after(self._delay(), partial(self._joined, end, flow, attempt_id, kept))

    def _joined(self, end: End, flow: list[bool], attempt_id: str, kept: bool) -> None:
        if end.flow is flow:
            self._to_end(end, ev.AttemptSucceeded(end.peer, attempt_id))
            if not kept:
                self._channel(end, flow, is_open=True)

    def _channel(self, end: End, flow: list[bool], *, is_open: bool) -> None:
        if end.flow is flow and (end.far is not None) is is_open:
            self._to_end(end, ev.IceChanged(end.peer, "connected" if is_open else "closed"))
            self._to_end(end, ev.ChannelChanged(end.peer, is_open))

    def close_end(self, end: End) -> None:
        """One end closes the channel; the other may see it, or only silence."""
        far, end.far = end.far, None
        end.attempts.clear()
        if far is not None and far.far is end:
            far.far = None
            if self.random.random() < 0.6:
                flow = far.flow
                self.after(
                    self.random.uniform(0.0, 0.5), lambda: self._channel(far, flow, is_open=False)
                )

    def _to_end(self, end: End, event: ev.PeerEvent) -> None:
        if end.client.ends.get(end.peer) is end:
            self.tell(end.client, event)

    def _packet(self, end: End, frame: bytes) -> None:
        far = end.far
        if far is None or not end.flow[0] or (end.client.player, end.peer) in self.blocked:
            return
        if self.random.random() < self.loss:
            return
        event = ev.FrameArrived(far.peer, frame)
        for _ in range(2 if self.random.random() < 0.02 else 1):
            self.after(self.random.choice((0.004, 0.01, 0.03)), lambda: self._to_end(far, event))

    # -- what is asked of it -----------------------------------------------------------------------

    def plays(self, client: Client) -> bool:
        """Whether a step of the game may be taken by this client now."""
        peer = client.peer
        return (
            client.alive
            and peer.play in PLAYS
            and client.clock(self.now) < peer.control.lease_until
        )

    @property
    def living(self) -> list[Client]:
        return [client for client in self.clients.values() if not client.silent]


class Ear:
    """What watches a world; it hears of everything before and after it happens."""

    def before_client(self, world: World, client: Client, event: ev.PeerEvent) -> None: ...

    def after_client(
        self, world: World, client: Client, event: ev.PeerEvent, effects: list[fx.PeerEffect]
    ) -> None: ...

    def taken(self, world: World, client: Client, sender: str, data: bytes) -> None: ...

    def before_session(self, world: World, session: Session, event: ev.SessionEvent) -> None: ...

    def after_session(
        self,
        world: World,
        session: Session,
        event: ev.SessionEvent,
        effects: list[fx.SessionEffect],
    ) -> None: ...

    def saved(self, world: World, record: Record) -> None: ...

    def loaded(self, world: World, session: Session) -> None: ...
