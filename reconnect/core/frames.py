"""The packet: what goes over a peer link, byte for byte.

A frame is one packet of at most `FRAME_MAX` bytes: a header of 19 bytes and any number of
records behind it. All numbers are big-endian.

    magic "rc" | format version u8 | CRC-32 of all the rest u32
    session tag u32 | sender's generation u32 | receiver's generation u32
    record | record | ...

A checksum keeps accidents out, not attackers: the link itself is encrypted.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterable
from enum import IntEnum
from struct import Struct
from typing import TypeAlias, assert_never

from attrs import define, field

from reconnect.errors import RemoteProtocolError

FRAME_MAX = 1150  # WebRTC libraries cut messages of 1,200 bytes; a frame is never cut
FORMAT = 1
START = b"rc" + bytes([FORMAT])

CHECKSUM = Struct(">I")
ADDRESS = Struct(">III")
NUMBER = Struct(">BI")  # Ping, Pong
PROBE = Struct(">BII")  # Probe, ProbeAnswer
BUSY = Struct(">BH")
ACK = Struct(">BIQH")
PIECE = Struct(">BIBH")
LATEST = Struct(">BIH")

HEADER_SIZE = len(START) + CHECKSUM.size + ADDRESS.size
DATA_MAX = FRAME_MAX - HEADER_SIZE - PIECE.size - ACK.size - NUMBER.size
"""The most data one record carries; an `Ack` and a heartbeat still fit beside it."""

NUMBERS = 1 << 32  # sequence numbers go round; see `near`
SELECTIVE_BITS = 64
WINDOW = 256  # pieces on their way; the receiver keeps as many that come early
ACK_DELAY = 0.02  # how long an ack may wait for company: more than a step of a game at 60 Hz


class PieceKind(IntEnum):
    """Whom a message is for."""

    GAME = 0
    """The application."""
    RESYNC = 1
    """The two peers, while they bring their game states together."""


class Code(IntEnum):
    """The first byte of every record."""

    PING = 1
    PONG = 2
    PROBE = 3
    PROBE_ANSWER = 4
    BUSY = 5
    ACK = 6
    PIECE = 7
    LATEST = 8


@define
class Ping:
    """A heartbeat; it wants a `Pong` with the same nonce."""

    nonce: int


@define
class Pong:
    """The answer to a `Ping`."""

    nonce: int


@define
class Probe:
    """Whether packets make the round trip in this epoch; it wants a `ProbeAnswer`."""

    epoch: int
    nonce: int


@define
class ProbeAnswer:
    """The answer to a `Probe`, with the numbers of the probe."""

    epoch: int
    nonce: int


@define
class Busy:
    """The sender is about to be silent for so many milliseconds (16 bits), and is not lost."""

    ms: int


@define
class Ack:
    """What has arrived of the other direction's stream."""

    expected: int
    """The sequence number wanted next; everything before it has arrived."""
    bits: int
    """Bit i says that `expected + 1 + i` has arrived too; 64 of them."""
    room: int
    """How many pieces, from `expected` on, there is room for."""


@define
class Piece:
    """A part of a message, or a whole one."""

    seq: int
    kind: PieceKind
    last: bool
    """Whether the message ends here."""
    data: bytes = field(repr=False)


@define
class Latest:
    """A value of which only the newest counts; a higher `n` is newer."""

    n: int
    data: bytes = field(repr=False)


Record: TypeAlias = Ping | Pong | Probe | ProbeAnswer | Busy | Ack | Piece | Latest


@define
class Frame:
    """One packet between two generations of two players."""

    mine: int
    """The sender's generation."""
    theirs: int
    """The receiver's generation, as the sender knows it."""
    records: list[Record]


def session_tag(session_id: str) -> int:
    """What tells the frames of one session from those of another."""
    return zlib.crc32(session_id.encode())


def near(number: int, around: int) -> int:
    """The whole number nearest to `around` that ends in the 32 bits of `number`."""
    half = NUMBERS // 2
    return around + (number - around + half) % NUMBERS - half


def size(record: Record) -> int:
    """How many bytes of a frame a record takes."""
    match record:
        case Piece():
            return PIECE.size + len(record.data)
        case Ack():
            return ACK.size
        case Latest():
            return LATEST.size + len(record.data)
        case Ping() | Pong():
            return NUMBER.size
        case Probe() | ProbeAnswer():
            return PROBE.size
        case Busy():
            return BUSY.size
        case _:
            assert_never(record)


def pack(records: Iterable[Record], limit: int = FRAME_MAX) -> list[list[Record]]:
    """The records in their order, in as few frames of at most `limit` bytes as that allows."""
    frames: list[list[Record]] = []
    room = 0
    for record in records:
        taken = size(record)
        if taken > room or not frames:
            room = limit - HEADER_SIZE
            assert taken <= room, f"a record of {taken} bytes fits no frame of {limit}"
            frames.append([])
        room -= taken
        frames[-1].append(record)
    return frames


def encode(frame: Frame, tag: int) -> bytes:
    """The frame as bytes, for the session with this `session_tag`."""
    address = ADDRESS.pack(tag, frame.mine, frame.theirs)
    body = b"".join([address, *map(_encoded, frame.records)])
    packet = START + CHECKSUM.pack(_checksum(body)) + body
    assert len(packet) <= FRAME_MAX, f"a frame of {len(packet)} bytes"
    return packet


def decode(packet: bytes, tag: int) -> Frame:
    """The frame in `packet`, of the session with this `session_tag`.

    Raises `RemoteProtocolError`, and nothing else, for whatever is not exactly one such frame.
    """
    if len(packet) > FRAME_MAX:
        raise RemoteProtocolError(f"a frame of more than {FRAME_MAX} bytes", code="too_large")
    if len(packet) < HEADER_SIZE or not packet.startswith(START):
        raise RemoteProtocolError("no frame of this format")
    body = packet[len(START) + CHECKSUM.size :]
    if CHECKSUM.unpack_from(packet, len(START))[0] != _checksum(body):
        raise RemoteProtocolError("a frame with a wrong checksum")
    foreign, mine, theirs = ADDRESS.unpack_from(body)
    if foreign != tag:
        raise RemoteProtocolError("a frame of another session")
    return Frame(mine, theirs, _records(body, ADDRESS.size))


def _checksum(body: bytes) -> int:
    return zlib.crc32(body, _START_CHECKSUM)


_START_CHECKSUM = zlib.crc32(START)


def _encoded(record: Record) -> bytes:
    match record:
        case Piece(seq, kind, last, data):
            return PIECE.pack(Code.PIECE, seq, kind << 1 | last, len(data)) + data
        case Ack(expected, bits, room):
            return ACK.pack(Code.ACK, expected, bits, room)
        case Latest(n, data):
            return LATEST.pack(Code.LATEST, n, len(data)) + data
        case Ping(nonce):
            return NUMBER.pack(Code.PING, nonce)
        case Pong(nonce):
            return NUMBER.pack(Code.PONG, nonce)
        case Probe(epoch, nonce):
            return PROBE.pack(Code.PROBE, epoch, nonce)
        case ProbeAnswer(epoch, nonce):
            return PROBE.pack(Code.PROBE_ANSWER, epoch, nonce)
        case Busy(ms):
            return BUSY.pack(Code.BUSY, ms)
        case _:
            assert_never(record)


def _records(body: bytes, at: int) -> list[Record]:
    records = []
    end = len(body)
    try:
        while at < end:
            record, at = _READERS[body[at]](body, at)
            records.append(record)
    except KeyError:
        raise RemoteProtocolError("a record of an unknown kind") from None
    except struct.error:
        raise RemoteProtocolError("a record that is cut short") from None
    return records


def _ping(body: bytes, at: int) -> tuple[Record, int]:
    return Ping(NUMBER.unpack_from(body, at)[1]), at + NUMBER.size


def _pong(body: bytes, at: int) -> tuple[Record, int]:
    return Pong(NUMBER.unpack_from(body, at)[1]), at + NUMBER.size


def _probe(body: bytes, at: int) -> tuple[Record, int]:
    _, epoch, nonce = PROBE.unpack_from(body, at)
    return Probe(epoch, nonce), at + PROBE.size


def _probe_answer(body: bytes, at: int) -> tuple[Record, int]:
    _, epoch, nonce = PROBE.unpack_from(body, at)
    return ProbeAnswer(epoch, nonce), at + PROBE.size


def _busy(body: bytes, at: int) -> tuple[Record, int]:
    return Busy(BUSY.unpack_from(body, at)[1]), at + BUSY.size


def _ack(body: bytes, at: int) -> tuple[Record, int]:
    _, expected, bits, room = ACK.unpack_from(body, at)
    return Ack(expected, bits, room), at + ACK.size


def _piece(body: bytes, at: int) -> tuple[Record, int]:
    _, seq, flags, length = PIECE.unpack_from(body, at)
    if flags >> 1 not in _KINDS:
        raise RemoteProtocolError("a piece of an unknown kind")
    data, end = _data(body, at + PIECE.size, length)
    return Piece(seq, _KINDS[flags >> 1], bool(flags & 1), data), end


def _latest(body: bytes, at: int) -> tuple[Record, int]:
    _, n, length = LATEST.unpack_from(body, at)
    data, end = _data(body, at + LATEST.size, length)
    return Latest(n, data), end


def _data(body: bytes, at: int, length: int) -> tuple[bytes, int]:
    end = at + length
    if length > DATA_MAX or end > len(body):
        raise RemoteProtocolError("a record of an impossible length")
    return body[at:end], end


_KINDS = {int(kind): kind for kind in PieceKind}
_READERS: dict[int, Callable[[bytes, int], tuple[Record, int]]] = {
    Code.PING: _ping,
    Code.PONG: _pong,
    Code.PROBE: _probe,
    Code.PROBE_ANSWER: _probe_answer,
    Code.BUSY: _busy,
    Code.ACK: _ack,
    Code.PIECE: _piece,
    Code.LATEST: _latest,
}
