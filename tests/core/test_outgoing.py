"""The sending half of a stream."""

from copy import deepcopy

import pytest

from reconnect.core.frames import DATA_MAX, WINDOW, Ack, PieceKind, size
from reconnect.core.outgoing import REORDERED, WINDOW_BYTES, Outgoing
from reconnect.errors import LocalProtocolError, RemoteProtocolError, StreamFull

GAME = PieceKind.GAME


def outgoing(*, limit=WINDOW):
    return Outgoing(
        peer="bob",
        bytes_max=1 << 20,
        messages_max=4096,
        message_max=1 << 20,
        first=0,
        limit=limit,
    )


def sending(*messages, limit=WINDOW):
    out = outgoing(limit=limit)
    for data in messages:
        out.send(data, GAME)
    return out


def numbers(pieces):
    return [piece.seq for piece in pieces]


class TestBounds:
    def test_too_long(self):
        """A message beyond `message_max` is refused by its own sentence, and not accepted."""
        out = outgoing()
        with pytest.raises(LocalProtocolError, match="message_max"):
            out.send(bytes((1 << 20) + 1), GAME)
        assert out.accepted == 0

    def test_full(self):
        """What would pass a bound is refused whole."""
        out = sending(bytes(1 << 20))
        kept = deepcopy(out)
        with pytest.raises(StreamFull):
            out.send(b"x", GAME)
        assert out == kept


class TestWindow:
    def test_pieces(self):
        """No piece goes out that the other end could not keep if it came early."""
        out = sending(*[b"x"] * 300)
        assert numbers(out.due(0.0)) == list(range(WINDOW))
        out.ack(Ack(0, 1, WINDOW))
        assert out.due(0.0) == []
        out.ack(Ack(10, 0, WINDOW))
        assert numbers(out.due(0.0)) == list(range(WINDOW, WINDOW + 10))

    def test_bytes(self):
        """Long pieces fill the window before their number does."""
        out = sending(bytes(1 << 20))
        pieces = out.due(0.0)
        assert WINDOW_BYTES - 2 * DATA_MAX < sum(map(size, pieces)) <= WINDOW_BYTES + DATA_MAX

    def test_room(self):
        """The far end's room limits what goes out; one piece asks for more when all has arrived."""
        out = sending(*[b"x"] * 10, limit=3)
        assert numbers(out.due(0.0)) == [0, 1, 2]
        out.ack(Ack(2, 0, 1))
        assert out.due(0.0) == []
        out.ack(Ack(3, 0, 0))
        assert numbers(out.due(0.0)) == [3]
        assert out.due(0.1) == []
        out.ack(Ack(3, 0, 2))
        assert numbers(out.due(0.1)) == [3, 4]

    def test_room_is_never_taken_back(self):
        """An older word about room, arriving late, changes nothing."""
        out = sending(*[b"x"] * 10, limit=1)
        out.due(0.0)
        out.ack(Ack(1, 0, 5))
        out.ack(Ack(1, 0, 0))
        assert numbers(out.due(0.0)) == [1, 2, 3, 4, 5]


class TestLoss:
    def test_the_timer(self):
        """What is not answered in time goes again, alone; what is younger waits for its own."""
        out = sending(b"0")
        out.due(0.0)
        out.send(b"1", GAME)
        out.due(0.2)
        assert numbers(out.due(out.resend_at())) == [0]
        assert out.tries == out.timeouts == 1
        assert out.resend_at() == 0.2 + 2 * 0.25

    def test_overtaken(self):
        """A piece is resent when something sent three packets later has arrived, not before."""
        out = outgoing()
        for n in range(5):
            out.send(b"x", GAME)
            out.due(n * 0.01)
        out.ack(Ack(0, 1 << REORDERED - 2, WINDOW))
        assert out.due(0.05) == []
        out.ack(Ack(0, 0b11 << REORDERED - 2, WINDOW))
        assert numbers(out.due(0.05)) == [0]

    def test_pieces_of_one_packet_do_not_overtake_each_other(self):
        """What shared a packet is lost or not lost together."""
        out = sending(*[b"x"] * 20)
        out.due(0.0)
        out.ack(Ack(0, (1 << 19) - 1, WINDOW))
        assert out.due(0.0) == []

    def test_a_new_path_gets_the_oldest_first(self):
        """After a restart all goes again in the order of its numbers, lost before or not."""
        out = outgoing()
        for n in range(5):
            out.send(b"x", GAME)
            out.due(n * 0.01)
        out.ack(Ack(0, 0b11 << 2, WINDOW))
        out.restart()
        assert numbers(out.due(0.05)) == [0, 1, 2]
        assert out.resent == 3

    def test_an_answer_to_what_was_given_up(self):
        """A piece that arrived after all is not sent again."""
        out = sending(b"0", b"1")
        out.due(0.0)
        out.restart()
        out.ack(Ack(1, 0, WINDOW))
        assert numbers(out.due(1.0)) == [1]


class TestHostile:
    @pytest.mark.parametrize(
        "ack",
        [
            Ack(3, 0, WINDOW),
            Ack(2, 1, WINDOW),
            Ack(0, 0b10, WINDOW),
            Ack(1, 1 << 63, WINDOW),
            Ack(1, 0, WINDOW + 1),
        ],
    )
    def test_refused(self, ack):
        """An ack of what was never sent, or with impossible room, raises and changes nothing."""
        out = sending(b"0", b"1")
        out.due(0.0)
        out.send(b"not sent yet", GAME)
        kept = deepcopy(out)
        with pytest.raises(RemoteProtocolError):
            out.ack(ack)
        assert out == kept

    def test_stale(self):
        """An older ack is counted and changes nothing else."""
        out = sending(b"0", b"1")
        out.due(0.0)
        out.ack(Ack(1, 0, WINDOW))
        kept = deepcopy(out)
        out.ack(Ack(0, 0b1, WINDOW))
        assert out.stale == 1
        kept.stale = 1
        assert out == kept

    def test_a_far_end_that_goes_back_on_its_word(self):
        """Who acknowledges a piece and then wants it again waits for it alone."""
        out = sending(b"0", b"1")
        out.due(0.0)
        out.ack(Ack(0, 0b1, WINDOW))
        out.ack(Ack(1, 0, WINDOW))
        assert not out.ready()
        assert out.base < out.accepted
        out.ack(Ack(2, 0, WINDOW))
        assert out.base == out.accepted


class TestUndelivered:
    def test_what_arrived_behind_a_hole_is_not_delivered(self):
        """It counts until the hole is filled: whoever goes away before that has not taken it."""
        out = sending(b"0", b"1", b"2")
        out.send(b"resync", PieceKind.RESYNC)
        out.due(0.0)
        out.ack(Ack(0, 0b101, WINDOW))  # 1 and 3
        assert sum(out.waiting_messages) == 2
        assert out.undelivered(GAME) == 3
        assert out.undelivered(PieceKind.RESYNC) == 1
        out.ack(Ack(2, 0b1, WINDOW))
        assert out.undelivered(GAME) == 1
        out.ack(Ack(4, 0, WINDOW))
        assert (out.undelivered(GAME), out.undelivered(PieceKind.RESYNC)) == (0, 0)
        assert not out.ahead

    def test_a_message_in_pieces(self):
        """It is not delivered before its last piece, and that one only behind all others."""
        out = sending(bytes(2 * DATA_MAX))
        out.due(0.0)
        assert out.undelivered(GAME) == 1
        out.ack(Ack(0, 0b1, WINDOW))
        assert out.undelivered(GAME) == 1
        out.ack(Ack(2, 0, WINDOW))
        assert out.undelivered(GAME) == 0
