"""The receiving half of a stream: what came early, what is half a message, and what may come."""

from __future__ import annotations

import math

from attrs import define, field

from reconnect.core.frames import (
    ACK_DELAY,
    DATA_MAX,
    NUMBERS,
    SELECTIVE_BITS,
    WINDOW,
    Ack,
    Latest,
    Piece,
    PieceKind,
    near,
    size,
)
from reconnect.errors import RemoteProtocolError

ACK_BYTES = 2 * DATA_MAX  # RFC 5681, section 4.2: an ack at least every second full packet
ALL_BITS = (1 << SELECTIVE_BITS) - 1


@define(kw_only=True)
class Incoming:
    """What this end receives."""

    bytes_max: int
    messages_max: int
    message_max: int
    expected: int
    """The piece wanted next; everything before it has been taken in."""
    limit: int = field(init=False)
    """The far end was told that there is room for the pieces before this one."""
    early: dict[int, Piece] = field(factory=dict)
    """Pieces behind a hole."""
    bits: int = 0
    """Bit i says that `expected + 1 + i` is among them."""
    partial: bytearray = field(factory=bytearray)
    partial_kind: PieceKind = PieceKind.GAME
    inbox: tuple[list[bytes], ...] = field(factory=lambda: tuple([] for _ in PieceKind))
    inbox_bytes: int = 0
    inbox_messages: int = 0
    latest: bytes | None = None
    latest_n: int = 0
    ack_at: float = math.inf
    """When an ack has to go out; infinite where none is owed."""
    unacked: int = 0
    """Bytes that have come since the last ack."""
    delivered: int = 0
    duplicates: int = 0
    refused: int = 0
    stale: int = 0

    def __attrs_post_init__(self) -> None:
        self.limit = self.expected + self._room()

    def piece(self, piece: Piece, now: float) -> None:
        seq = near(piece.seq, self.expected)
        if seq >= self.expected + WINDOW:
            raise RemoteProtocolError(f"a piece more than {WINDOW} ahead")
        if seq == self.expected < self.limit:
            self._in_order(piece, now)
            return
        self.ack_at = -math.inf
        if seq < self.expected or seq in self.early:
            self.duplicates += 1
        elif seq >= self.limit:
            self.refused += 1
        else:
            self.early[seq] = piece
            self.bits |= 1 << (seq - self.expected - 1)

    def newest(self, latest: Latest) -> None:
        n = near(latest.n, self.latest_n)
        if n <= self.latest_n:
            self.stale += 1
            return
        self.latest_n, self.latest = n, latest.data

    def take_latest(self) -> bytes | None:
        latest, self.latest = self.latest, None
        return latest

    def take(self, kind: PieceKind) -> list[bytes]:
        inbox = self.inbox[kind]
        if not inbox:
            return []
        taken = inbox[:]
        inbox.clear()
        self.inbox_messages -= len(taken)
        self.inbox_bytes -= sum(map(len, taken))
        if (self.limit - self.expected) * 2 <= self._room():
            self.ack_at = -math.inf  # the far end may be waiting for room
        return taken

    def ack(self) -> Ack:
        self.ack_at = math.inf
        self.unacked = 0
        self.limit = max(self.limit, self.expected + self._room())
        return Ack(self.expected % NUMBERS, self.bits & ALL_BITS, self.limit - self.expected)

    def _room(self) -> int:
        """How many more pieces fit the inbox, even if each is long and a whole message."""
        pieces = -(-(self.bytes_max - self.inbox_bytes) // DATA_MAX)
        return max(0, min(WINDOW, pieces, self.messages_max - self.inbox_messages))

    def _in_order(self, piece: Piece, now: float) -> None:
        if fault := self._fault(piece):
            raise RemoteProtocolError(fault)
        filled = bool(self.early)
        self._append(piece)
        while self._next_is_early():
            following = self.early.pop(self.expected)
            if self._fault(following):
                # forgotten, not raised: it comes again as the next one, and is refused aloud then
                break
            self._append(following)
        self.unacked += size(piece)
        at_once = filled or self.unacked >= ACK_BYTES
        self.ack_at = min(self.ack_at, -math.inf if at_once else now + ACK_DELAY)

    def _next_is_early(self) -> bool:
        """Move the bits up to `expected`, which is one further; whether it has come already."""
        early = self.bits & 1
        self.bits >>= 1
        return bool(early)

    def _append(self, piece: Piece) -> None:
        self.expected += 1
        message = piece.data
        if self.partial or not piece.last:
            self.partial += piece.data
            self.partial_kind = piece.kind
            if not piece.last:
                return
            message = bytes(self.partial)
            self.partial.clear()
        self.inbox[piece.kind].append(message)
        self.inbox_bytes += len(message)
        self.inbox_messages += 1
        self.delivered += 1

    def _fault(self, piece: Piece) -> str | None:
        """Why this cannot be the next piece of any message."""
        if self.partial and piece.kind is not self.partial_kind:
            return "a message of two kinds"
        if not piece.data and (self.partial or not piece.last):
            return "an empty piece of a longer message"
        length = len(self.partial) + len(piece.data)
        if length + (not piece.last) > self.message_max:
            return f"a message of more than {self.message_max} bytes"
        return None
