"""Seats: who is on which connection, and how much each may say.

A signaling adapter has names of its own for connections; a session knows them by number. From
the report that claims a seat on, a connection is that player in that session and nothing else.

Nobody is closed for what others do. So what is passed on from one player to another is bounded
for each pair, more is lost on the way, and answers to it are not held against who gives them.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from functools import partial
from typing import Any

from attrs import define, field

from reconnect.bucket import Bucket
from reconnect.core.messages import Bye, FromCoordinator, Report, ShortView, View
from reconnect.core.wire import encode
from reconnect.log import facts_of
from reconnect.mailbox import Mailbox
from reconnect.ports import ServerSignaling

# before it has a seat: a claim, and a little patience
FIRST_RATE, FIRST_BURST = 1.0, 10.0
# reports a second and at once; each of them may be news for all players of the session
RATE, BURST = 50.0, 200.0
REPORTS_PER_PEER = 10.0  # at once besides: a link that is lost, tried for, found and proven
# reports that stop the game for all, who answer with two or three of theirs: far below `RATE`
PAUSE_RATE, PAUSE_BURST = 5.0, 20.0
# what is passed on to each other player: 60 packets a second each with an acknowledgement; and at
# once what a stream may send again after an outage, 1 MiB in packets of 1,150 bytes
RATE_PER_PEER, BURST_PER_PEER = 120.0, 1000.0
BURST_MAX = 5000.0  # half a second of a flood; no player fills the streams to all others at once
# new connections and new clients of one seat; a client whose dials are refused waits up to 2 s
ARRIVAL_RATE, ARRIVAL_BURST = 2.0, 20.0
CONNECTIONS_MAX = 4  # of one seat: a client's own, the one it dials anew, and the same of another
# a view lists all players and goes to all: beyond so many, those of one moment are sent as one
LARGE = 8
NEWS_DELAY = 0.02  # s; the length of that moment, and less than anybody sees


@define(eq=False)
class Connection:
    """One logical connection of a client."""

    conn: Hashable
    number: int
    reports: Bucket
    passed_on: Bucket
    """Signals and packets; none before it has a seat."""
    unanswered: float = 0.0
    """How many signals and packets have been passed on to it that it may have to answer."""
    mailbox: Mailbox | None = None
    """The way to the session in which it has a seat."""
    player: str = ""
    seat: Seat | None = None
    """The seat that it has, or has claimed with a good token."""
    open: bool = True
    asks: bool = False
    """Whether it has reported and waits for the answer."""
    news: View | None = None
    """What it is about to be told, in a large session."""
    news_at: float = 0.0
    excess: int = 0
    """How many messages in a row, or nearly so, were more than it may send."""
    exceeded_at: float = 0.0

    @property
    def session(self) -> str:
        """The id of its session; empty before it has a seat."""
        return "" if self.mailbox is None else self.mailbox.id

    def claim(self, seat: Seat, *, share: float) -> None:
        """It has shown a good token for this seat, and may say `share` of a burst at once."""
        self.seat = seat
        seat.connections[self.number] = self
        peers = len(seat.mailbox.record.seats) - 1
        self.reports.widen(rate=RATE, burst=BURST + peers * REPORTS_PER_PEER, share=share)
        self.passed_on.widen(
            rate=peers * RATE_PER_PEER, burst=min(BURST_MAX, peers * BURST_PER_PEER), share=share
        )

    def sit(self) -> None:
        """It is this player in this session from now on."""
        assert self.seat is not None
        self.mailbox, self.player = self.seat.mailbox, self.seat.player

    def may_pass_on(self, now: float) -> bool:
        """Whether one more signal or packet is within what it may send, or can be an answer."""
        if self.passed_on.take(now):
            return True
        if self.unanswered < 1.0:
            return False
        self.unanswered -= 1.0
        return True

    def gets_through(self, receiver: Connection, now: float, *, packets: float) -> bool:
        """Whether something as large as so many packets is not too much for `receiver`."""
        assert self.seat is not None
        towards = self.seat.towards.get(receiver.player)
        if towards is None:
            towards = Bucket.full(rate=RATE_PER_PEER, burst=BURST_PER_PEER, now=now)
            self.seat.towards[receiver.player] = towards
        return towards.take(now, cost=packets)

    def has_to_answer(self) -> None:
        """Something has been passed on to it that a good client answers."""
        self.unanswered = min(BURST_MAX, self.unanswered + 1.0)


@define(eq=False)
class Seat:
    """One player in one session: what all connections to it have in common."""

    mailbox: Mailbox
    """The way to the session."""
    player: str
    arrivals: Bucket
    """The emptier, the less may a new connection say at once: dialling again gains nothing."""
    pauses: Bucket
    """Reports that stop the game."""
    asked_for: int = 0
    """The latest epoch for which one has been let through; saying so again stops nothing more."""
    towards: dict[str, Bucket] = field(factory=dict)
    """How much of what is passed on reaches each other player."""
    connections: dict[int, Connection] = field(factory=dict)
    """Those that have the seat, or have claimed it with a good token; the oldest first."""

    @classmethod
    def unclaimed(cls, mailbox: Mailbox, player: str, *, now: float) -> Seat:
        """A seat to which nobody has come yet."""
        return cls(
            mailbox,
            player,
            arrivals=Bucket.full(rate=ARRIVAL_RATE, burst=ARRIVAL_BURST, now=now),
            pauses=Bucket.full(rate=PAUSE_RATE, burst=PAUSE_BURST, now=now),
        )

    def admits(self, connection: Connection, now: float) -> bool:
        """Let one more connection claim it; False where too many have come of late."""
        share = self.arrivals.share(now)
        if not self.arrivals.take(now):
            return False
        connection.claim(self, share=share)
        return True

    @property
    def surplus(self) -> Connection | None:
        """The one to close where there are too many; never the one that the session hears."""
        if len(self.connections) <= CONNECTIONS_MAX:
            return None
        session = self.mailbox.session
        heard = None if session is None else session.members[self.player].conn
        return next(one for one in self.connections.values() if one.number != heard)

    def allows(self, report: Report, now: float) -> bool:
        """Whether a report is within what the others have to put up with.

        A new client costs an arrival when it asks for its generation, and when it takes the seat;
        an epoch that nobody has seen yet stops the game. Older clients cost nothing: they are
        turned away.
        """
        session = self.mailbox.session
        if report.gen == 0:
            return self.arrivals.take(now)
        if session is None:
            return True
        gen = session.members[self.player].gen
        if report.gen > gen:
            return self.arrivals.take(now)
        if report.gen == gen and report.epoch > max(session.epoch, self.asked_for):
            if not self.pauses.take(now):
                return False
            self.asked_for = session.epoch + 1  # whatever the report claims
        return True


class Seats:
    """All connections of a coordinator. Sending to one that is gone does nothing."""

    def __init__(self, signaling: ServerSignaling, log: Any) -> None:
        self._signaling = signaling
        self._log = log
        self._by_conn: dict[Hashable, Connection] = {}
        self._by_number: dict[int, Connection] = {}
        self._in_session: dict[str, dict[str, Seat]] = {}
        self._told_soon: set[str] = set()
        """Sessions of whose connections some have news that is about to be sent."""
        self._numbers = 0

    def __len__(self) -> int:
        return len(self._by_conn)

    def __iter__(self) -> Iterator[Connection]:
        return iter(tuple(self._by_conn.values()))

    def add(self, conn: Hashable, *, now: float) -> Connection:
        """A connection that has no seat yet."""
        self._numbers += 1
        connection = Connection(
            conn,
            self._numbers,
            reports=Bucket.full(rate=FIRST_RATE, burst=FIRST_BURST, now=now),
            passed_on=Bucket.full(rate=0.0, burst=0.0, now=now),
        )
        self._by_conn[conn] = self._by_number[connection.number] = connection
        return connection

    def of(self, conn: Hashable) -> Connection | None:
        """The connection that the adapter calls `conn`."""
        return self._by_conn.get(conn)

    def numbered(self, number: int) -> Connection | None:
        """The connection that sessions know by this number."""
        return self._by_number.get(number)

    def seat(self, mailbox: Mailbox, player: str, *, now: float) -> Seat:
        """The seat of a member; kept until its session is forgotten."""
        seats = self._in_session.setdefault(mailbox.id, {})
        seat = seats.get(player)
        if seat is None:
            seat = seats[player] = Seat.unclaimed(mailbox, player, now=now)
        return seat

    def in_session(self, session: str) -> list[Connection]:
        """Those that have a seat in this session, or have claimed one."""
        seats = self._in_session.get(session, {}).values()
        return [one for seat in seats for one in seat.connections.values()]

    def forget(self, session: str) -> None:
        """The session is not known any more."""
        self._in_session.pop(session, None)

    def remove(self, connection: Connection) -> None:
        """The connection is gone."""
        connection.open = False
        self._by_conn.pop(connection.conn, None)
        self._by_number.pop(connection.number, None)
        if connection.seat is not None:
            connection.seat.connections.pop(connection.number, None)

    def send(self, connection: Connection, message: FromCoordinator, *, session: str) -> None:
        """Send; what an adapter raises, against its contract, is logged and harms nobody else."""
        if not connection.open:
            return
        self._tell(connection, session)
        if isinstance(message, View | ShortView):
            connection.asks = False
        try:
            self._signaling.send(connection.conn, encode(message, session=session))
        except Exception as error:
            self._log.error("reconnect.send_failed", session=session, **facts_of(error))

    def send_soon(self, connection: Connection, view: View, *, session: str) -> None:
        """Send this view if it answers a report, or else a moment later, unless a newer one comes.

        Each is the whole of a session, so the newest says it all. No other message overtakes it.
        """
        if connection.asks:
            connection.news = None
            self.send(connection, view, session=session)
            return
        runtime = self._signaling.runtime
        connection.news, connection.news_at = view, runtime.now()
        if session not in self._told_soon:
            self._told_soon.add(session)
            runtime.call_at(runtime.now() + NEWS_DELAY, partial(self._tell_all, session))

    def _tell_all(self, session: str) -> None:
        self._told_soon.discard(session)
        for connection in self.in_session(session):
            self._tell(connection, session)

    def _tell(self, connection: Connection, session: str) -> None:
        view, connection.news = connection.news, None
        if view is not None:
            late = self._signaling.runtime.now() - connection.news_at
            self.send(connection, view.aged(late), session=session)

    def hang_up(self, connection: Connection, *, session: str) -> None:
        """Say bye, where it is known to which session, and close the logical connection."""
        if not connection.open:
            return
        if session:
            self.send(connection, Bye(), session=session)
        self.remove(connection)
        try:
            self._signaling.close(connection.conn)
        except Exception as error:
            self._log.error("reconnect.close_failed", **facts_of(error))
