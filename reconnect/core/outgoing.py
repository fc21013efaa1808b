"""The sending half of a stream: what waits, what is on its way, and what has to go again."""

from __future__ import annotations

import math
from collections import OrderedDict, deque

from attrs import define, field

from reconnect.core.frames import (
    ACK_DELAY,
    DATA_MAX,
    FRAME_MAX,
    HEADER_SIZE,
    NUMBERS,
    WINDOW,
    Ack,
    Piece,
    PieceKind,
    near,
    size,
)
from reconnect.errors import LocalProtocolError, RemoteProtocolError, StreamFull

WINDOW_BYTES = 48 * 1024  # a link drops what is more than 64 KiB behind; heartbeats need some of it
BACKOFF_BYTES = 4 * DATA_MAX  # into a path that answers nothing; it queues there without end
REORDERED = 3  # packets; RFC 5681, section 3.2: so many later arrivals mean a loss
RESEND_FIRST = 0.25  # while no round trip has been measured
RESEND_MIN = 0.05  # an ack that was kept back, and a coarse timer
RESEND_MAX = 0.5  # a game that waits for a resend stands still
DOUBLINGS = 8  # of the patience, before it is cut to the maximum


@define
class _Sent:
    """A piece that has been on the link."""

    piece: Piece
    packet: int = 0
    """The number of the packet that bore it last."""
    at: float = 0.0


@define(kw_only=True)
class Outgoing:
    """What this end sends. Sequence numbers are whole here and cut to 32 bits on the wire."""

    peer: str
    bytes_max: int
    messages_max: int
    message_max: int
    base: int = field(alias="first")
    """The first piece that is not acknowledged."""
    limit: int
    """The far end has room for the pieces before this one."""
    unsent: int = field(init=False)
    """The first piece that has never been on the link."""
    accepted: int = field(init=False)
    """The number after the last accepted piece."""
    rtt: float | None = None
    queue: deque[tuple[PieceKind, bytes]] = field(factory=deque)
    offset: int = 0
    """How much of the queue's first message has been on the link."""
    waiting_bytes: list[int] = field(factory=lambda: [0] * len(PieceKind))
    waiting_messages: list[int] = field(factory=lambda: [0] * len(PieceKind))
    flight: OrderedDict[int, _Sent] = field(factory=OrderedDict)
    """On the way, in the order of sending."""
    flight_bytes: int = 0
    lost: OrderedDict[int, _Sent] = field(factory=OrderedDict)
    """To be sent again."""
    ahead: dict[int, PieceKind] = field(factory=dict)
    """Ends of messages that have arrived behind a hole: the far end may not take them yet."""
    packet: int = 0
    newest: int = 0
    """The newest packet of which something has arrived."""
    tries: int = 0
    """How often the resend timer has fired since anything was acknowledged."""
    sent: int = 0
    pieces: int = 0
    resent: int = 0
    timeouts: int = 0
    stale: int = 0

    def __attrs_post_init__(self) -> None:
        self.unsent = self.accepted = self.base

    def room_for(self, length: int, kind: PieceKind) -> bool:
        return (
            length <= self.message_max
            and self.waiting_bytes[kind] + length <= self.bytes_max
            and self.waiting_messages[kind] < self.messages_max
        )

    def send(self, data: bytes, kind: PieceKind) -> None:
        length = len(data)
        if length > self.message_max:
            raise LocalProtocolError(
                f"a message of {length} bytes for {self.peer!r}; message_max is {self.message_max}"
            )
        if not self.room_for(length, kind):
            raise StreamFull(
                self.peer,
                messages=self.waiting_messages[kind],
                waiting=self.waiting_bytes[kind],
            )
        self.queue.append((kind, data))
        self.waiting_bytes[kind] += length
        self.waiting_messages[kind] += 1
        self.accepted += max(1, -(-length // DATA_MAX))
        self.sent += 1

    def undelivered(self, kind: PieceKind) -> int:
        """Messages that have not arrived, or only behind one that has not."""
        return self.waiting_messages[kind] + sum(one is kind for one in self.ahead.values())

    def ready(self) -> bool:
        """Whether a piece may go out now; one may always be on its way, and asks for room."""
        if self.lost:
            taken = size(next(iter(self.lost.values())).piece)
        elif self.queue and (self.unsent < self.limit or not self.flight):
            taken = min(DATA_MAX, len(self.queue[0][1]) - self.offset)
        else:
            return False
        allowed = BACKOFF_BYTES if self.tries else WINDOW_BYTES
        return not self.flight or self.flight_bytes + taken <= allowed

    def resend_at(self) -> float:
        """When the oldest packet on its way has waited long enough; infinite if there is none."""
        if not self.flight:
            return math.inf
        return next(iter(self.flight.values())).at + self._patience()

    def due(self, now: float) -> list[Piece]:
        self._give_up_waiting(now)
        pieces = []
        room = 0
        while self.ready():
            seq, sent = self._again() if self.lost else self._fresh()
            taken = size(sent.piece)
            if taken > room:
                self.packet += 1
                room = FRAME_MAX - HEADER_SIZE
            room -= taken
            sent.packet, sent.at = self.packet, now
            self.flight[seq] = sent
            self.flight_bytes += taken
            pieces.append(sent.piece)
        return pieces

    def ack(self, ack: Ack) -> None:
        expected = near(ack.expected, self.base)
        if expected < self.base:
            self.stale += 1
            return
        behind = expected + 1 + ack.bits.bit_length() if ack.bits else expected
        if behind > self.unsent:
            raise RemoteProtocolError("an ack of what was never sent")
        if ack.room > WINDOW:
            raise RemoteProtocolError(f"an ack with room for more than {WINDOW} pieces")
        news = self._widened(expected + ack.room)
        for seq in range(self.base, expected):
            news |= self._arrived(seq)
            self.ahead.pop(seq, None)
        bits = ack.bits
        while bits:
            lowest = bits & -bits
            news |= self._arrived(expected + lowest.bit_length())
            bits ^= lowest
        self.base = expected
        if news:
            self.tries = 0
            self._give_up_overtaken()

    def restart(self) -> None:
        """Everything not acknowledged is to be sent again, the oldest first."""
        self.lost = OrderedDict(sorted({**self.lost, **self.flight}.items()))
        self.flight.clear()
        self.flight_bytes = 0
        self.tries = 0

    def _again(self) -> tuple[int, _Sent]:
        self.resent += 1
        return self.lost.popitem(last=False)

    def _fresh(self) -> tuple[int, _Sent]:
        """The next piece that has never been on the link."""
        kind, data = self.queue[0]
        end = self.offset + DATA_MAX
        last = end >= len(data)
        piece = Piece(self.unsent % NUMBERS, kind, last, data[self.offset : end])
        self.offset = 0 if last else end
        if last:
            self.queue.popleft()
        self.unsent += 1
        self.pieces += 1
        return self.unsent - 1, _Sent(piece)

    def _arrived(self, seq: int) -> bool:
        """Forget a piece that the far end has; whether that is news."""
        if (sent := self.flight.pop(seq, None)) is not None:
            self.flight_bytes -= size(sent.piece)
            self.newest = max(self.newest, sent.packet)
        elif (sent := self.lost.pop(seq, None)) is None:
            return False
        self.waiting_bytes[sent.piece.kind] -= len(sent.piece.data)
        self.waiting_messages[sent.piece.kind] -= sent.piece.last
        if sent.piece.last:
            self.ahead[seq] = sent.piece.kind
        return True

    def _widened(self, limit: int) -> bool:
        """Take note of room; whether there is more than was known.

        A piece that was sent beyond the old limit asked for room, and was refused.
        """
        if limit <= self.limit:
            return False
        if self.limit in self.flight:
            self._give_up(self.limit)
        self.limit = limit
        return True

    def _give_up(self, seq: int) -> None:
        sent = self.flight.pop(seq)
        self.flight_bytes -= size(sent.piece)
        self.lost[seq] = sent

    def _give_up_overtaken(self) -> None:
        """What was sent well before something that has arrived is lost."""
        while self.flight:
            seq, oldest = next(iter(self.flight.items()))
            if oldest.packet + REORDERED > self.newest:
                return
            self._give_up(seq)

    def _give_up_waiting(self, now: float) -> None:
        """What has been on its way for too long is lost, and the next wait is longer."""
        if now < self.resend_at():
            return
        while now >= self.resend_at():
            self._give_up(next(iter(self.flight)))
        self.tries += 1
        self.timeouts += 1

    def _patience(self) -> float:
        """How long an ack is waited for."""
        first = RESEND_FIRST if self.rtt is None else 2 * self.rtt + ACK_DELAY
        first = max(first, RESEND_MIN)
        if not self.tries:
            return first
        return min(first * 2.0 ** min(self.tries, DOUBLINGS), max(first, RESEND_MAX))
