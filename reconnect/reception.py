"""Reception: everything that comes in, looked at before anybody believes it.

Whatever a client sends, the answer is an error at worst. What a connection has not shown its
right to, it can neither see nor change; signals and game data are passed on from here at once,
and wait for no save.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from functools import partial
from typing import Any, assert_never

import attrs

from reconnect import tokens
from reconnect.core.checks import PACKET_MAX, is_id
from reconnect.core.decode import claim_of, decode_from_client, session_of
from reconnect.core.events import ConnectionClosed, ReportArrived
from reconnect.core.messages import (
    FINAL_ERRORS,
    PROTOCOL_VERSION,
    Bye,
    Claim,
    Data,
    Error,
    ErrorCode,
    Report,
    Signal,
    SignalAck,
)
from reconnect.core.session import Session
from reconnect.core.table import State
from reconnect.errors import RemoteProtocolError
from reconnect.log import facts_of
from reconnect.mailbox import Mailbox
from reconnect.means import Counters
from reconnect.ports import Runtime
from reconnect.seats import Connection, Seat, Seats
from reconnect.wheel import Wheel

ATTACH_TIMEOUT = 10.0  # s; a client claims its seat with its first words
EXCESS_MAX = 100  # a client that was told once stops long before; a flood is cut in well under 1 s
OPENS_NOTHING = "this opens no seat here"
PASSED_ON = ("signal", "signal_ack", "data")
EXCESS_FORGOTTEN = 5.0  # s; after that an excess is a new one, and is told again


class Reception:
    """What a signaling adapter talks to.

    While `owned()` is False nobody is heard: another coordinator may have the store, and an
    answer of this one would let a player go on playing who counts as stopped there.
    """

    def __init__(
        self,
        *,
        runtime: Runtime,
        seats: Seats,
        mailboxes: Mapping[str, Mailbox],
        wheel: Wheel,
        counters: Counters,
        log: Any,
        owned: Callable[[], bool],
    ) -> None:
        self._runtime = runtime
        self._seats = seats
        self._mailboxes = mailboxes
        self._wheel = wheel
        self._counters = counters
        self._log = log
        self._owned = owned
        self._closed = False

    def close(self) -> None:
        """Nothing is heard any more."""
        self._closed = True

    # -- what an adapter says ----------------------------------------------------------------------

    def opened(self, conn: Hashable) -> None:
        with self._runtime.lock:
            now = self._runtime.now()
            connection = self._seats.add(conn, now=now)
            if self._closed:
                # who is left without an answer dials again only when the silence is long enough
                self._seats.hang_up(connection, session="")
            else:
                self._wheel.arm(connection.number, now + ATTACH_TIMEOUT)

    def received(self, conn: Hashable, message: Any) -> None:
        with self._runtime.lock:
            connection = self._seats.of(conn)
            if connection is None or self._closed or not self._owned():
                return
            try:
                self._hear(connection, message)
            except RemoteProtocolError as error:
                self._refuse(connection, message, error.code, error.detail)
            except Exception as error:
                self._log.error("reconnect.bug", session=connection.session, **facts_of(error))
                self._hang_up(connection)

    def closed(self, conn: Hashable) -> None:
        with self._runtime.lock:
            connection = self._seats.of(conn)
            if connection is not None and not self._closed:
                self._seats.remove(connection)
                self._detach(connection)

    def never_attached(self, number: int) -> None:
        """The time to claim a seat is over."""
        connection = self._seats.numbered(number)
        if connection is not None and connection.mailbox is None:
            self._counters.unattached += 1
            self._hang_up(connection)

    # -- what is in it -----------------------------------------------------------------------------

    def _hear(self, connection: Connection, raw: Any) -> None:
        now = self._runtime.now()
        passed_on = connection.mailbox is not None and _is_passed_on(raw)
        if not (connection.may_pass_on(now) if passed_on else connection.reports.take(now)):
            self._slow_down(connection)
            return
        message = decode_from_client(raw)
        mailbox = connection.mailbox
        if isinstance(message, Bye):
            self._hang_up(connection)
        elif mailbox is None:
            self._first_words(connection, raw, message)
        elif raw.get("session") != mailbox.id:
            raise RemoteProtocolError(
                "this connection has its seat in another session", code=ErrorCode.BAD_TOKEN
            )
        else:
            self._talk(connection, mailbox, raw, message)

    def _first_words(
        self, connection: Connection, raw: Any, message: Report | Signal | SignalAck | Data
    ) -> None:
        claim = claim_of(raw) if isinstance(message, Report) else None
        if claim is None or not isinstance(message, Report):
            raise RemoteProtocolError("the first message of a connection claims a seat")
        mailbox = self._mailboxes.get(session_of(raw))
        if mailbox is None:
            raise RemoteProtocolError("there is no such session", code=ErrorCode.UNKNOWN_SESSION)
        seat = self._claimed(connection, mailbox, claim)
        if connection.seat is None:
            self._arrive(connection, seat)
        elif not seat.allows(message, self._runtime.now()):
            self._slow_down(connection)
            return
        self._claim(connection, seat, claim, message)

    def _claimed(self, connection: Connection, mailbox: Mailbox, claim: Claim) -> Seat:
        """The seat whose token this is, or may be by the time that its turn has come."""
        digests = mailbox.digests(claim.player)
        if any(tokens.matches(claim.token, digest) for digest in digests):
            seat = self._seats.seat(mailbox, claim.player, now=self._runtime.now())
            if connection.seat in (None, seat):
                return seat
        raise RemoteProtocolError(OPENS_NOTHING, code=ErrorCode.BAD_TOKEN)

    def _arrive(self, connection: Connection, seat: Seat) -> None:
        if not seat.admits(connection, self._runtime.now()):
            raise RemoteProtocolError("too many connections", code=ErrorCode.RATE_LIMITED)
        if (surplus := seat.surplus) is not None:
            self._hang_up(surplus)

    def _talk(
        self,
        connection: Connection,
        mailbox: Mailbox,
        raw: Any,
        message: Report | Signal | SignalAck | Data,
    ) -> None:
        match message:
            case Report():
                self._reported(connection, mailbox, claim_of(raw), message)
            case Signal() | SignalAck() | Data():
                self._relay(connection, mailbox, message)
            case _:
                assert_never(message)

    def _reported(
        self, connection: Connection, mailbox: Mailbox, claim: Claim | None, report: Report
    ) -> None:
        seat = connection.seat
        assert seat is not None
        if claim is not None:
            seat = self._claimed(connection, mailbox, claim)
        if not seat.allows(report, self._runtime.now()):
            self._slow_down(connection)
        elif claim is not None:
            self._claim(connection, seat, claim, report)
        else:
            connection.asks = True
            mailbox.post(ReportArrived(connection.number, connection.player, report))

    def _claim(self, connection: Connection, seat: Seat, claim: Claim, report: Report) -> None:
        """The token is looked at when its turn has come: it may itself be waiting to be saved."""
        connection.asks = True
        seat.mailbox.post(
            ReportArrived(connection.number, claim.player, report),
            partial(self._admit, connection, seat.mailbox, claim),
        )

    def _admit(
        self, connection: Connection, mailbox: Mailbox, claim: Claim, session: Session
    ) -> bool:
        if not connection.open:
            return False
        member = session.members.get(claim.player)
        if member is None or not tokens.matches(claim.token, member.token_digest):
            self._say_no(connection, mailbox.id, ErrorCode.BAD_TOKEN, OPENS_NOTHING)
            return False
        connection.sit()
        return True

    # -- passed on ---------------------------------------------------------------------------------

    def _relay(
        self, connection: Connection, mailbox: Mailbox, message: Signal | SignalAck | Data
    ) -> None:
        session, sender = mailbox.session, connection.player
        if session is None or session.state is State.ENDED:
            self._counters.undelivered += 1
            return
        if sender not in session.players or message.to not in session.players:
            raise RemoteProtocolError(
                "sender and receiver have to be members", code=ErrorCode.NOT_A_MEMBER
            )
        member = session.route(sender, connection.number, message.to)
        receiver = (
            None if member is None or member.conn is None else self._seats.numbered(member.conn)
        )
        if member is None or receiver is None:
            self._counters.undelivered += 1
            return
        if isinstance(message, Data):
            passed: Signal | SignalAck | Data = Data(message.to, message.payload, sender)
        elif (message.gen_from, message.gen_to) == (session.members[sender].gen, member.gen):
            passed = attrs.evolve(message, sender=sender)
        else:
            self._counters.stale += 1
            return
        packets = 1 + len(message.payload) // PACKET_MAX if isinstance(message, Signal) else 1
        if not connection.gets_through(receiver, self._runtime.now(), packets=packets):
            self._counters.rate_limited += 1
            return
        if not isinstance(message, SignalAck):
            receiver.has_to_answer()
        self._counters.relayed += 1
        self._seats.send(receiver, passed, session=mailbox.id)

    # -- refused -----------------------------------------------------------------------------------

    def _slow_down(self, connection: Connection) -> None:
        now = self._runtime.now()
        self._counters.rate_limited += 1
        if now - connection.exceeded_at >= EXCESS_FORGOTTEN:
            connection.excess = 0
        connection.exceeded_at = now
        connection.excess += 1
        if connection.excess == 1:
            error = Error(ErrorCode.RATE_LIMITED, "too many messages")
            self._seats.send(connection, error, session=connection.session)
        elif connection.excess >= EXCESS_MAX:
            self._hang_up(connection)

    def _refuse(self, connection: Connection, raw: Any, code: str, detail: str) -> None:
        named = raw.get("session") if type(raw) is dict else None
        self._say_no(
            connection, connection.session or (named if is_id(named) else ""), code, detail
        )

    def _say_no(self, connection: Connection, session: str, code: str, detail: str) -> None:
        if code in (ErrorCode.MALFORMED, ErrorCode.TOO_LARGE):
            self._counters.malformed += 1
        elif code in FINAL_ERRORS:
            self._counters.refused += 1
        elif code == ErrorCode.RATE_LIMITED:
            self._counters.rate_limited += 1
        else:
            self._counters.undelivered += 1
        speaks = (PROTOCOL_VERSION,) if code == ErrorCode.VERSION else ()
        self._seats.send(connection, Error(code, detail, speaks), session=session)
        # who has a seat keeps it: one bad message concerns that message alone
        if code in FINAL_ERRORS or connection.mailbox is None:
            self._hang_up(connection, session=session)

    def _hang_up(self, connection: Connection, *, session: str = "") -> None:
        if connection.open:
            self._seats.hang_up(connection, session=session or connection.session)
            self._detach(connection)

    def _detach(self, connection: Connection) -> None:
        if connection.mailbox is not None:
            connection.mailbox.post(ConnectionClosed(connection.number))
        elif connection.seat is not None:
            connection.seat.mailbox.withdraw(connection.number)


def _is_passed_on(raw: Any) -> bool:
    """Whether this is for another player, if it is anything at all; it has not been read yet."""
    return type(raw) is dict and raw.get("type") in PASSED_ON
