"""The receiving half of a stream."""

from copy import deepcopy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconnect.core.frames import (
    DATA_MAX,
    SELECTIVE_BITS,
    WINDOW,
    Ack,
    Latest,
    Piece,
    PieceKind,
)
from reconnect.core.incoming import Incoming
from reconnect.errors import RemoteProtocolError

GAME, RESYNC = PieceKind


def incoming(bytes_max=1 << 20, messages_max=4096, message_max=1 << 20):
    return Incoming(
        bytes_max=bytes_max, messages_max=messages_max, message_max=message_max, expected=0
    )


def piece(seq, data=b"x", *, kind=GAME, last=True):
    return Piece(seq, kind, last, data)


class TestOrder:
    def test_early_pieces_wait_for_the_hole(self):
        """What comes early is kept and acknowledged, and delivered when the hole is filled."""
        inbox = incoming()
        for seq in (1, 3, 4):
            inbox.piece(piece(seq, b"%d" % seq), 0.0)
        assert inbox.take(GAME) == []
        assert inbox.ack() == Ack(0, 0b1101, WINDOW)
        inbox.piece(piece(0, b"0"), 0.0)
        assert inbox.take(GAME) == [b"0", b"1"]
        assert inbox.ack() == Ack(2, 0b11, WINDOW)
        inbox.piece(piece(2, b"2"), 0.0)
        assert inbox.take(GAME) == [b"2", b"3", b"4"]
        assert inbox.ack() == Ack(5, 0, WINDOW)

    def test_disorder_is_answered_at_once(self):
        """A hole, its filling and a doubled piece each owe an ack that does not wait."""
        inbox = incoming()
        inbox.piece(piece(1), 5.0)
        assert inbox.ack_at < 5.0
        inbox.ack()
        inbox.piece(piece(0), 5.0)
        assert inbox.ack_at < 5.0
        inbox.ack()
        inbox.piece(piece(1), 5.0)
        assert inbox.ack_at < 5.0
        inbox.ack()
        inbox.piece(piece(2), 5.0)
        assert inbox.ack_at > 5.0

    def test_doubled_pieces_are_counted(self):
        """A piece that has come before, early or in order, has no effect."""
        inbox = incoming()
        for seq in (0, 0, 2, 2):
            inbox.piece(piece(seq), 0.0)
        assert inbox.duplicates == 2
        assert inbox.take(GAME) == [b"x"]

    def test_an_ack_has_so_many_bits(self):
        """Early pieces beyond the bits of an ack are kept, though no ack can name them."""
        inbox = incoming()
        for seq in range(1, WINDOW):
            inbox.piece(piece(seq), 0.0)
        assert inbox.ack() == Ack(0, (1 << SELECTIVE_BITS) - 1, WINDOW)
        inbox.piece(piece(0), 0.0)
        assert inbox.ack().expected == WINDOW

    def test_messages_are_put_together(self):
        """Pieces up to the last one are one message; an empty message is one too."""
        inbox = incoming()
        inbox.piece(piece(0, b"ab", last=False), 0.0)
        inbox.piece(piece(1, b"c"), 0.0)
        inbox.piece(piece(2, b""), 0.0)
        inbox.piece(piece(3, b"d", kind=RESYNC), 0.0)
        assert inbox.take(GAME) == [b"abc", b""]
        assert inbox.take(RESYNC) == [b"d"]
        assert inbox.delivered == 3


class TestLatest:
    def test_the_newest_wins(self):
        """A newer value replaces the one that waits; an older or a doubled one is counted."""
        inbox = incoming()
        for n in (1, 3, 2, 3):
            inbox.newest(Latest(n, b"%d" % n))
        assert inbox.take_latest() == b"3"
        assert inbox.take_latest() is None
        assert inbox.stale == 2


class TestRoom:
    @settings(max_examples=100)
    @given(
        st.integers(1, 8000),
        st.integers(1, 20),
        st.lists(
            st.tuples(st.integers(0, 5), st.integers(1, DATA_MAX), st.booleans(), st.booleans()),
            max_size=150,
        ),
    )
    def test_a_promise_is_kept(self, bytes_max, messages_max, steps):
        """Room that was promised is never taken back, and what is held stays within bounds."""
        inbox = incoming(bytes_max, messages_max, bytes_max)
        promised = inbox.limit
        for ahead, length, last, drain in steps:
            whole = len(inbox.partial) + length >= bytes_max
            data = bytes(min(length, bytes_max - len(inbox.partial)))
            before = inbox.refused + inbox.duplicates + inbox.expected
            early = len(inbox.early)
            try:
                inbox.piece(piece(inbox.expected + ahead, data, last=last or whole), 0.0)
            except RemoteProtocolError:
                continue
            after = inbox.refused + inbox.duplicates + inbox.expected
            assert after > before or len(inbox.early) > early
            if drain:
                inbox.take(GAME)
            ack = inbox.ack()
            assert ack.expected + ack.room >= promised
            promised = ack.expected + ack.room
            assert inbox.inbox_messages <= messages_max
            assert inbox.inbox_bytes <= 2 * bytes_max + DATA_MAX
            assert len(inbox.partial) <= bytes_max
            assert all(inbox.expected < seq < promised for seq in inbox.early)

    def test_a_promise_outlives_a_long_message(self):
        """When a long message is complete and fills the inbox, what was promised still counts."""
        inbox = incoming(bytes_max=3 * DATA_MAX)
        for seq in range(3):
            inbox.piece(piece(seq, bytes(DATA_MAX), last=seq == 2), 0.0)
            ack = inbox.ack()
        assert ack == Ack(3, 0, 2)
        inbox.piece(piece(3), 0.0)
        inbox.piece(piece(4), 0.0)
        inbox.piece(piece(5), 0.0)
        assert inbox.refused == 1
        assert inbox.ack() == Ack(5, 0, 0)

    def test_no_room(self):
        """A piece beyond the promise is not taken in, and the sender hears so at once."""
        inbox = incoming(messages_max=2)
        for seq in range(3):
            inbox.piece(piece(seq), 0.0)
        inbox.piece(piece(5), 0.0)
        assert inbox.refused == 2
        assert inbox.ack_at < 0.0
        assert inbox.ack() == Ack(2, 0, 0)

    def test_a_drain_that_makes_little_difference_owes_nothing(self):
        """While the sender has room to go on, a drain sends no ack."""
        inbox = incoming()
        inbox.piece(piece(0), 0.0)
        inbox.ack()
        inbox.take(GAME)
        assert inbox.ack_at > 0.0

    def test_bytes_fill_the_inbox_too(self):
        """Long messages use up the room although they are few."""
        inbox = incoming(bytes_max=3 * DATA_MAX)
        assert inbox.limit == 3
        for seq in range(3):
            inbox.piece(piece(seq, bytes(DATA_MAX)), 0.0)
        assert inbox.ack().room == 0
        inbox.take(GAME)
        assert inbox.ack().room == 3


REFUSED = [
    ([], piece(WINDOW), "ahead"),
    ([], piece(0, b"", last=False), "empty piece"),
    ([], piece(0, b"12345678901"), "more than 10 bytes"),
    ([], piece(0, b"1234567890", last=False), "more than 10 bytes"),
    ([piece(0, b"12345", last=False)], piece(1, b"678901"), "more than 10 bytes"),
    ([piece(0, b"12345", last=False)], piece(1, b""), "empty piece"),
    ([piece(0, b"12345", last=False)], piece(1, kind=RESYNC), "two kinds"),
]


class TestHostile:
    @pytest.mark.parametrize(("before", "bad", "says"), REFUSED)
    def test_refused(self, before, bad, says):
        """What no honest sender sends raises, and changes nothing."""
        inbox = incoming(message_max=10)
        for one in before:
            inbox.piece(one, 0.0)
        kept = deepcopy(inbox)
        with pytest.raises(RemoteProtocolError, match=says):
            inbox.piece(bad, 1.0)
        assert inbox == kept

    def test_a_bad_piece_that_came_early(self):
        """It is forgotten when its turn comes, takes nothing with it, and raises the next time."""
        inbox = incoming(message_max=10)
        bad = piece(1, bytes(11))
        inbox.piece(piece(3), 0.0)
        inbox.piece(bad, 0.0)
        inbox.piece(piece(0), 0.0)
        assert inbox.take(GAME) == [b"x"]
        assert inbox.ack() == Ack(1, 0b10, WINDOW)
        with pytest.raises(RemoteProtocolError):
            inbox.piece(bad, 0.0)
        inbox.piece(piece(1), 0.0)
        inbox.piece(piece(2), 0.0)
        assert inbox.take(GAME) == [b"x", b"x", b"x"]

    def test_the_longest_message_fits(self):
        """A message of exactly `message_max` bytes is no offence."""
        inbox = incoming(message_max=10)
        inbox.piece(piece(0, b"12345", last=False), 0.0)
        inbox.piece(piece(1, b"67890"), 0.0)
        assert inbox.take(GAME) == [b"1234567890"]
