"""The packet."""

import zlib
from random import Random
from struct import pack as packed

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconnect.core.frames import (
    DATA_MAX,
    FRAME_MAX,
    HEADER_SIZE,
    START,
    Ack,
    Busy,
    Frame,
    Latest,
    Piece,
    PieceKind,
    Ping,
    Pong,
    Probe,
    ProbeAnswer,
    decode,
    encode,
    near,
    pack,
    session_tag,
    size,
)
from reconnect.errors import RemoteProtocolError

TAG = session_tag("a-session")
u32 = st.integers(0, 2**32 - 1)
data = st.binary(max_size=DATA_MAX)
records = st.one_of(
    st.builds(Ping, u32),
    st.builds(Pong, u32),
    st.builds(Probe, u32, u32),
    st.builds(ProbeAnswer, u32, u32),
    st.builds(Busy, st.integers(0, 2**16 - 1)),
    st.builds(Ack, u32, st.integers(0, 2**64 - 1), st.integers(0, 2**16 - 1)),
    st.builds(Piece, u32, st.sampled_from(PieceKind), st.booleans(), data),
    st.builds(Latest, u32, data),
)


def sealed(body):
    """A packet with a right checksum around whatever this is."""
    return START + packed(">I", zlib.crc32(START + body)) + body


def addressed(*parts, tag=TAG):
    return sealed(packed(">III", tag, 1, 2) + b"".join(parts))


@given(u32, u32, st.lists(records, max_size=20))
def test_round_trip(mine, theirs, some):
    """Every frame is read as it was written, and takes the bytes that `size` says."""
    for packet in pack(some):
        frame = Frame(mine, theirs, packet)
        written = encode(frame, TAG)
        assert decode(written, TAG) == frame
        assert len(written) == HEADER_SIZE + sum(map(size, packet))


def test_the_format_is_pinned():
    """A frame of this version is these bytes, for ever."""
    frame = Frame(3, 4, [Ping(5), Ack(6, 1, 7), Piece(8, PieceKind.RESYNC, True, b"hi")])
    assert encode(frame, 0xDEADBEEF).hex() == (
        "726301"
        "7e7d95e7"
        "deadbeef0000000300000004"
        "0100000005"
        "060000000600000000000000010007"
        "070000000803"
        "00026869"
    )


def test_a_frame_without_records():
    """A frame may be empty."""
    assert decode(encode(Frame(1, 2, []), TAG), TAG) == Frame(1, 2, [])


def test_an_ack_and_a_heartbeat_fit_beside_the_longest_piece():
    """`DATA_MAX` bytes leave room for what rides along."""
    full = [Ack(0, 0, 0), Piece(0, PieceKind.GAME, True, bytes(DATA_MAX)), Ping(0)]
    assert len(pack(full)) == 1
    assert len(encode(Frame(1, 2, full), TAG)) == FRAME_MAX


@given(st.lists(records, max_size=60), st.integers(HEADER_SIZE + DATA_MAX + 8, FRAME_MAX))
def test_pack_keeps_the_order_and_the_limit(some, limit):
    """Frames hold the records in order; one ends only where the next would not fit."""
    frames = pack(some, limit)
    assert [record for frame in frames for record in frame] == some
    taken = [HEADER_SIZE + sum(map(size, frame)) for frame in frames]
    assert all(one <= limit for one in taken)
    for one, (following, *_) in zip(taken, frames[1:], strict=False):
        assert one + size(following) > limit


@given(st.binary(max_size=FRAME_MAX + 10))
def test_any_bytes(noise):
    """Whatever comes is no frame, and nothing but `RemoteProtocolError` is raised for it."""
    with pytest.raises(RemoteProtocolError):
        decode(noise, TAG)


@given(st.binary(max_size=60))
def test_any_bytes_under_a_right_checksum(noise):
    """What a malicious player seals is a frame of exactly these bytes, or refused."""
    packet = addressed(noise)
    try:
        frame = decode(packet, TAG)
    except RemoteProtocolError:
        return
    assert len(encode(frame, TAG)) == len(packet)


def test_every_flipped_bit_is_noticed():
    """One wrong bit anywhere makes a frame worthless."""
    packet = encode(Frame(1, 2, [Piece(3, PieceKind.GAME, True, b"input"), Ping(4)]), TAG)
    for bit in range(len(packet) * 8):
        spoiled = bytearray(packet)
        spoiled[bit // 8] ^= 1 << bit % 8
        with pytest.raises(RemoteProtocolError):
            decode(bytes(spoiled), TAG)


def test_every_cut_is_noticed():
    """A packet that ends early is refused, even under a right checksum."""
    whole = [Piece(3, PieceKind.GAME, True, b"input"), Latest(1, b"x"), Ack(1, 2, 3)]
    for one in [*whole, Ping(1), Pong(1), Probe(1, 2), ProbeAnswer(1, 2), Busy(1)]:
        packet = encode(Frame(1, 2, [one]), TAG)
        for end in range(len(packet)):
            with pytest.raises(RemoteProtocolError):
                decode(packet[:end], TAG)
        body = packet[HEADER_SIZE:]
        for end in range(1, len(body)):
            with pytest.raises(RemoteProtocolError, match=r"cut short|impossible length"):
                decode(addressed(body[:end]), TAG)


@pytest.mark.parametrize(
    ("packet", "says"),
    [
        (addressed(tag=TAG ^ 1), "another session"),
        (b"rc\x02" + addressed()[3:], "no frame of this format"),
        (addressed(b"\x00"), "unknown kind"),
        (addressed(b"\x09"), "unknown kind"),
        (addressed(packed(">BIBH", 7, 0, 4, 0)), "piece of an unknown kind"),
        (addressed(packed(">BIBH", 7, 0, 1, DATA_MAX + 1), bytes(DATA_MAX + 1)), "length"),
        (addressed(packed(">BIH", 8, 0, DATA_MAX + 1), bytes(DATA_MAX + 1)), "length"),
        (addressed(packed(">BI", 1, 7), b"trailing"), "unknown kind"),
    ],
)
def test_refused(packet, says):
    """Foreign, unknown and impossible frames are refused, each with its own sentence."""
    with pytest.raises(RemoteProtocolError, match=says):
        decode(packet, TAG)


def test_too_large():
    """A frame beyond the maximum is refused unread."""
    with pytest.raises(RemoteProtocolError) as refusal:
        decode(addressed(bytes([1, 0, 0, 0, 0]) * 300), TAG)
    assert refusal.value.code == "too_large"


def test_sessions_have_their_own_tags():
    """The frames of one session are foreign in another."""
    assert session_tag("a") != session_tag("b")
    assert session_tag("ä") == session_tag("ä")


@given(st.integers(0, 2**40), st.integers(-(2**31), 2**31 - 1))
def test_near(around, step):
    """A number's last 32 bits are enough to find it again, less than 2**31 away."""
    assert near((around + step) % 2**32, around) == around + step


def test_noise_behind_a_right_start():
    """Random bodies behind a right start are noticed by the checksum."""
    chance = Random(1)
    for _ in range(2000):
        with pytest.raises(RemoteProtocolError):
            decode(START + chance.randbytes(chance.randrange(60)), TAG)
