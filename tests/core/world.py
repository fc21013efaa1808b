"""A world in virtual time: one real session, the real peers of its players, and what lies between.

The world is deterministic: the same seed and the same calls give the same effects. A control
connection is FIFO and can be clogged, broken with either end noticing first, or half-open. A path
between two players loses, delays, reorders, doubles and is cut, in either direction alone. The
coordinator's process can die at any moment, also between a save and what was to be said after it.
"""

from __future__ import annotations

import heapq
from collections import deque
from functools import partial
from hashlib import blake2b
from itertools import count
from math import inf
from random import Random
from typing import Any

from reconnect.core import effects as fx
from reconnect.core import events as ev
from reconnect.core.peer import Peer
from reconnect.core.resync import Ask, Consult
from reconnect.core.session import Session
from reconnect.policy import Policy
from tests.core.world_host import Host
from tests.core.world_links import Wires
from tests.core.world_things import PLAYS, Client, Conn, Deed, Ear, End, spelled

AT_ONCE_MAX = 400  # what happens at one instant; more would be a loop without end
SKEW = 0.008  # clocks differ by up to 1.6 %, less than the lease bound allows for
GAME = b"the game"


class World(Host, Wires):
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
        self.found_session(players, policy)

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
            self.digest.update(spelled((self.now, *what)).encode())

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
            case Consult():
                self.after(0.005, partial(self._consulted, client, effect))
            case fx.Inform():
                pass

    def _consulted(self, client: Client, asked: Consult) -> None:
        """The application answers; its whole game is that it has one."""
        answer = b""
        which = asked.ask, asked.peer, asked.generation, asked.epoch
        if client.fails:
            client.fails = False
            self.tell(client, ev.ConsultFailed(*which))
            return
        if asked.ask is Ask.SNAPSHOT:
            assert client.has_game, "asked for a game that is not there"
            answer = GAME
        elif asked.ask is Ask.RESTORE:
            assert asked.data == GAME
            client.has_game = client.alive
        self.tell(client, ev.Consulted(*which, answer))

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
