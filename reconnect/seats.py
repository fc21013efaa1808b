"""Seats: who is on which connection.

A signaling adapter has names of its own for connections; a session knows them by number. From
the report that claims a seat on, a connection is that player in that session and nothing else.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Any

from attrs import define

from reconnect.bucket import Bucket
from reconnect.core.messages import Bye, FromCoordinator
from reconnect.core.wire import encode
from reconnect.log import facts_of
from reconnect.mailbox import Mailbox
from reconnect.ports import ServerSignaling

# reports a second and at once; each of them may be news for all players of the session
RATE, BURST = 50.0, 200.0
REPORTS_PER_PEER = 10.0  # at once besides: a link that is lost, tried for, found and proven
# what is passed on to each other player: 60 packets a second each with an acknowledgement; and at
# once what a stream may send again after an outage, 1 MiB in packets of 1,150 bytes
RATE_PER_PEER, BURST_PER_PEER = 120.0, 1000.0
BURST_MAX = 5000.0  # half a second of a flood; no player fills the streams to all others at once


@define(eq=False)
class Connection:
    """One logical connection of a client."""

    conn: Hashable
    number: int
    reports: Bucket
    passed_on: Bucket
    """Signals and packets; none before it has a seat."""
    mailbox: Mailbox | None = None
    """The way to the session in which it has a seat."""
    player: str = ""
    open: bool = True
    excess: int = 0
    """How many messages in a row, or nearly so, were more than it may send."""
    exceeded_at: float = 0.0

    @property
    def session(self) -> str:
        """The id of its session; empty before it has a seat."""
        return "" if self.mailbox is None else self.mailbox.id

    def sit(self, mailbox: Mailbox, player: str) -> None:
        """It has shown its right to this seat."""
        self.mailbox, self.player = mailbox, player
        peers = len(mailbox.record.seats) - 1
        self.reports.widen(rate=RATE, burst=BURST + peers * REPORTS_PER_PEER)
        self.passed_on.widen(
            rate=peers * RATE_PER_PEER, burst=min(BURST_MAX, peers * BURST_PER_PEER)
        )


class Seats:
    """All connections of a coordinator. Sending to one that is gone does nothing."""

    def __init__(self, signaling: ServerSignaling, log: Any) -> None:
        self._signaling = signaling
        self._log = log
        self._by_conn: dict[Hashable, Connection] = {}
        self._by_number: dict[int, Connection] = {}
        self._in_session: dict[str, dict[int, Connection]] = {}
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
            reports=Bucket.full(rate=RATE, burst=BURST, now=now),
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

    def sit(self, connection: Connection, mailbox: Mailbox, player: str) -> None:
        """The connection is this player in this session from now on."""
        connection.sit(mailbox, player)
        self._in_session.setdefault(mailbox.id, {})[connection.number] = connection

    def in_session(self, session: str) -> list[Connection]:
        """Those that have a seat in this session."""
        return list(self._in_session.get(session, {}).values())

    def remove(self, connection: Connection) -> None:
        """The connection is gone."""
        connection.open = False
        self._by_conn.pop(connection.conn, None)
        self._by_number.pop(connection.number, None)
        if others := self._in_session.get(connection.session):
            others.pop(connection.number, None)
            if not others:
                del self._in_session[connection.session]

    def send(self, connection: Connection, message: FromCoordinator, *, session: str) -> None:
        """Send; what an adapter raises, against its contract, is logged and harms nobody else."""
        if not connection.open:
            return
        try:
            self._signaling.send(connection.conn, encode(message, session=session))
        except Exception as error:
            self._log.error("reconnect.send_failed", session=session, **facts_of(error))

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
