"""Exactly once, in order, whole: delivery over a link that loses, doubles and reorders packets.

A `Stream` is one end of the traffic between one generation of this player and one of a peer. It
knows no link: records go in and come out, so it survives whatever carries them. Everything in it
is bounded, on the sending side by back-pressure, on the receiving side by the room that the
sender was promised.
"""

from __future__ import annotations

import math
from typing import assert_never

from attrs import define, field, frozen

from reconnect.core.frames import DATA_MAX, NUMBERS, Ack, Latest, Piece, PieceKind, Record
from reconnect.core.incoming import Incoming
from reconnect.core.outgoing import Outgoing
from reconnect.errors import LocalProtocolError


@frozen(kw_only=True)
class Counters:
    """What a stream has done so far."""

    sent: int
    """Messages accepted for sending."""
    delivered: int
    """Whole messages received."""
    pieces: int
    """Pieces put on the link for the first time."""
    resent: int
    """Pieces put on the link again."""
    timeouts: int
    """How often the resend timer fired."""
    duplicates: int
    """Pieces that had arrived before."""
    refused: int
    """Pieces for which there was no room."""
    stale: int
    """Acks and latest values that were older than what was known."""


@define(kw_only=True)
class Stream:
    """One end of the traffic with `peer`; both ends must be given the same limits.

    Put what `due` returns on the link whenever `deadline` has come, and after each call that may
    have changed it: `send`, `send_latest`, `receive`, `take`, `restored`.
    """

    peer: str
    bytes_max: int
    """How much may wait for an ack, and how much may wait to be taken."""
    messages_max: int
    message_max: int
    """The longest message in bytes; at most `bytes_max`."""
    first: int = 0
    """The first sequence number."""
    _out: Outgoing = field(init=False)
    _in: Incoming = field(init=False)
    _latest: Latest | None = field(init=False, default=None)
    _latest_n: int = field(init=False, default=0)
    _up: bool = field(init=False, default=False)
    _now: float = field(init=False, default=0.0)

    def __attrs_post_init__(self) -> None:
        self._in = Incoming(
            bytes_max=self.bytes_max,
            messages_max=self.messages_max,
            message_max=self.message_max,
            expected=self.first,
        )
        self._out = Outgoing(
            peer=self.peer,
            bytes_max=self.bytes_max,
            messages_max=self.messages_max,
            message_max=self.message_max,
            first=self.first,
            limit=self._in.limit,  # the far end has the same limits, so the same room
        )

    # -- the application's side ------------------------------------------------------------------

    def send(self, data: bytes, kind: PieceKind = PieceKind.GAME) -> None:
        """Accept a message for delivery.

        Raises `StreamFull` where too much is waiting, and `LocalProtocolError` where the message
        is longer than `message_max`; nothing has been accepted then.
        """
        self._out.send(data, kind)

    def room_for(self, length: int, kind: PieceKind = PieceKind.GAME) -> bool:
        """Whether `send` would now accept a message of so many bytes.

        Each kind has the whole of the bounds to itself, so that a game cannot block its resync.
        """
        return self._out.room_for(length, kind)

    def send_latest(self, data: bytes) -> None:
        """Send a value that replaces older ones, and may be lost.

        Raises `LocalProtocolError` where it is longer than `DATA_MAX`, the most one packet takes.
        """
        if len(data) > DATA_MAX:
            raise LocalProtocolError(
                f"a latest value of {len(data)} bytes for {self.peer!r}; "
                f"at most {DATA_MAX} fit one packet"
            )
        self._latest_n += 1
        self._latest = Latest(self._latest_n % NUMBERS, data)

    def take(self, kind: PieceKind = PieceKind.GAME) -> list[bytes]:
        """The whole messages of this kind since the last call, in order.

        What is not taken fills the inbox, whatever its kind; when it is full, nothing more is
        taken in of either kind and the far end has to wait.
        """
        return self._in.take(kind)

    def take_latest(self) -> bytes | None:
        """The newest value of the far end's `send_latest`, once; None where there is no newer."""
        return self._in.take_latest()

    @property
    def waiting_bytes(self) -> int:
        """Bytes accepted and not yet acknowledged."""
        return sum(self._out.waiting_bytes)

    @property
    def waiting_messages(self) -> int:
        """Messages accepted and not yet acknowledged."""
        return sum(self._out.waiting_messages)

    @property
    def undelivered(self) -> int:
        """Messages of the game that the far end cannot have taken, as far as this end knows."""
        return self._out.undelivered(PieceKind.GAME)

    @property
    def idle(self) -> bool:
        """Whether everything accepted has been acknowledged."""
        return self.acknowledged(self.mark())

    def mark(self) -> int:
        """A place in the stream: behind everything accepted so far."""
        return self._out.accepted

    def acknowledged(self, mark: int) -> bool:
        """Whether the far end has everything that was accepted before this mark."""
        return self._out.base >= mark

    @property
    def counters(self) -> Counters:
        return Counters(
            sent=self._out.sent,
            delivered=self._in.delivered,
            pieces=self._out.pieces,
            resent=self._out.resent,
            timeouts=self._out.timeouts,
            duplicates=self._in.duplicates,
            refused=self._in.refused,
            stale=self._in.stale + self._out.stale,
        )

    # -- the link's side -------------------------------------------------------------------------

    @property
    def rtt(self) -> float | None:
        """The link's round trip in seconds, set by the owner; None while it is not known."""
        return self._out.rtt

    @rtt.setter
    def rtt(self, seconds: float | None) -> None:
        self._out.rtt = seconds

    @property
    def deadline(self) -> float | None:
        """When `due` has something to say by itself: in the past if at once, None if never.

        It is None while the link is not up.
        """
        if not self._up:
            return None
        if self._latest is not None or self._out.ready():
            return self._now
        at = min(self._in.ack_at, self._out.resend_at())
        return None if at == math.inf else max(at, self._now)

    def receive(self, record: Piece | Ack | Latest, now: float) -> None:
        """Take in a record of a frame between the right generations.

        What comes twice, late or without room is counted and has no effect. Raises
        `RemoteProtocolError`, and changes nothing, for what no honest far end sends.
        """
        match record:
            case Piece():
                self._in.piece(record, now)
            case Ack():
                self._out.ack(record)
            case Latest():
                self._in.newest(record)
            case _:
                assert_never(record)

    def restored(self) -> None:
        """The path is another, or is back: what is not acknowledged is resent at once."""
        self._out.restart()
        self._in.ack_at = -math.inf

    def due(self, now: float, *, up: bool) -> list[Record]:
        """What to put on the link now; nothing while it is not up.

        A link that comes up counts as `restored`.
        """
        if up and not self._up:
            self.restored()
        self._now, self._up = now, up
        if not up:
            return []
        said: list[Record] = []
        if self._latest is not None:
            said.append(self._latest)
            self._latest = None
        said += self._out.due(now)
        if self._in.ack_at <= now or (said and self._in.ack_at < math.inf):
            return [self._in.ack(), *said]
        return said
