"""Exactly once, in order, whole: two streams over the worst link there is, in virtual time."""

import heapq
import itertools
from random import Random

import pytest
from attrs import define, field
from hypothesis import given, settings
from hypothesis import strategies as st

from reconnect.core.frames import (
    DATA_MAX,
    WINDOW,
    Ack,
    Frame,
    Latest,
    Piece,
    PieceKind,
    decode,
    encode,
    pack,
)
from reconnect.core.outgoing import RESEND_MAX
from reconnect.core.stream import Stream
from reconnect.errors import LocalProtocolError, RemoteProtocolError, StreamFull

TAG = 7
LIMITS = {"bytes_max": 1 << 20, "messages_max": 4096, "message_max": 1 << 20}


def stream(**limits):
    return Stream(peer="bob", **LIMITS | limits)


@define
class Weather:
    """What a link does to packets; the same in both directions."""

    loss: float = 0.0
    doubling: float = 0.0
    delay: float = 0.01
    jitter: float = 0.0
    dark: tuple[tuple[float, float], ...] = ()
    """Spans in which nothing passes; both ends notice a second after the beginning."""

    def lost(self, chance, now):
        return chance.random() < self.loss or any(a <= now < b for a, b in self.dark)

    def up(self, now):
        return not any(a + 1.0 <= now < b for a, b in self.dark)


@define
class Lab:
    """Two streams, the link between them, and an application at each end."""

    weather: Weather
    seed: int = 0
    limits: dict = field(factory=dict)
    ends: tuple = field(init=False)
    now: float = 0.0
    packets: int = 0
    asleep_until: float = 0.0
    """Until then the second application drains nothing."""

    def __attrs_post_init__(self):
        self.ends = (stream(**self.limits), stream(**self.limits))
        self.chance = Random(self.seed)
        self.calendar = []
        self.order = itertools.count()
        self.got = ([], [])
        self.wakes = sorted({0.0, *(t for a, b in self.weather.dark for t in (a + 1.0, b))})
        self.to_send = ([], [])
        for end in self.ends:
            end.rtt = 2 * (self.weather.delay + self.weather.jitter / 2)

    chance: Random = field(init=False)
    calendar: list = field(init=False)
    order: itertools.count = field(init=False)
    got: tuple = field(init=False)
    wakes: list = field(init=False)
    to_send: tuple = field(init=False)

    def flush(self, side):
        end = self.ends[side]
        said = end.due(self.now, up=self.weather.up(self.now))
        assert end.deadline is None or end.deadline > self.now
        for records in pack(said):
            self.packets += 1
            packet = encode(Frame(1, 2, records), TAG)
            for _ in range(1 + (self.chance.random() < self.weather.doubling)):
                if not self.weather.lost(self.chance, self.now):
                    late = self.weather.delay + self.chance.random() * self.weather.jitter
                    entry = (self.now + late, next(self.order), 1 - side, packet)
                    heapq.heappush(self.calendar, entry)

    def application(self, side):
        end = self.ends[side]
        for kind in PieceKind:
            if side == 0 or self.now >= self.asleep_until:
                self.got[side].extend((kind, data) for data in end.take(kind))
        waiting = self.to_send[side]
        while waiting and end.room_for(len(waiting[0][1]), waiting[0][0]):
            kind, data = waiting.pop(0)
            end.send(data, kind)
        assert end.waiting_bytes <= len(PieceKind) * end.bytes_max
        assert end.waiting_messages <= len(PieceKind) * end.messages_max

    def step(self):
        """Go to the next instant at which anything happens; False if there is none."""
        deadlines = [end.deadline for end in self.ends if end.deadline is not None]
        arrivals = [self.calendar[0][0]] if self.calendar else []
        times = [*deadlines, *arrivals, *self.wakes[:1]]
        if not times:
            return False
        self.now = max(self.now, min(times))
        while self.wakes and self.wakes[0] <= self.now:
            self.wakes.pop(0)
        while self.calendar and self.calendar[0][0] <= self.now:
            _, _, side, packet = heapq.heappop(self.calendar)
            for record in decode(packet, TAG).records:
                self.ends[side].receive(record, self.now)
        for side in (0, 1):
            self.application(side)
            self.flush(side)
        return True

    @property
    def finished(self):
        return not any(self.to_send) and all(end.idle for end in self.ends)

    def run(self, until=600.0):
        while not self.finished:
            assert self.step(), "nothing waits for anything, and yet it is not finished"
            assert self.now < until, "it does not finish"
        for side in (0, 1):
            self.application(side)


def in_order(messages, kind):
    return [data for one, data in messages if one is kind]


def assert_delivered(lab, sent):
    """Exactly once, whole, and in order within each kind."""
    for side in (0, 1):
        for kind in PieceKind:
            assert in_order(lab.got[1 - side], kind) == in_order(sent[side], kind)


def messages(chance, count, longest):
    return [
        (chance.choice([PieceKind.GAME] * 4 + [PieceKind.RESYNC]), chance.randbytes(length))
        for length in (
            chance.choice([0, 1, 20, DATA_MAX, DATA_MAX + 1, chance.randrange(longest + 1)])
            for _ in range(count)
        )
        if length <= longest
    ]


class TestDelivery:
    @settings(max_examples=80, deadline=None)
    @given(
        seed=st.integers(0, 2**32),
        counts=st.tuples(st.integers(0, 60), st.integers(0, 60)),
        weather=st.builds(
            Weather,
            loss=st.sampled_from([0.0, 0.05, 0.1, 0.3]),
            doubling=st.sampled_from([0.0, 0.1, 0.5]),
            delay=st.sampled_from([0.0, 0.01, 0.15]),
            jitter=st.sampled_from([0.0, 0.02, 0.3]),
            dark=st.sampled_from([(), ((0.0, 2.0),), ((0.05, 0.4), (0.5, 20.0))]),
        ),
        small=st.booleans(),
        asleep_until=st.sampled_from([0.0, 0.0, 5.0, 30.0]),
    )
    def test_whatever_the_link_does(self, seed, counts, weather, small, asleep_until):
        """All arrives once, whole and in order; bounds hold; and it comes to an end."""
        limits = (
            {"bytes_max": 5000, "messages_max": 7, "message_max": 5000}
            if small
            else {"bytes_max": 100_000, "messages_max": 40, "message_max": 30_000}
        )
        lab = Lab(weather, seed=seed, limits=limits, asleep_until=asleep_until)
        lab.wakes = sorted({*lab.wakes, asleep_until})
        sent = tuple(messages(lab.chance, count, limits["message_max"]) for count in counts)
        lab.to_send = tuple(map(list, sent))
        lab.run()
        for end in lab.ends:
            assert end.waiting_bytes == end.waiting_messages == 0
        while lab.step():
            pass
        assert_delivered(lab, sent)

    def test_numbers_go_round(self):
        """A stream does not end where 32 bits do."""
        lab = Lab(Weather(loss=0.1, doubling=0.1, jitter=0.05), limits={"first": 2**32 - 100})
        sent = [(PieceKind.GAME, bytes([n % 256])) for n in range(300)]
        lab.to_send = (list(sent), [])
        lab.run()
        assert_delivered(lab, (sent, []))
        assert lab.ends[0].mark() == 2**32 + 200

    def test_long_messages_cost_what_their_length_says(self):
        """A clean link bears a message of 1 MiB in the packets it takes, and nothing twice."""
        lab = Lab(Weather())
        data = Random(1).randbytes(1 << 20)
        lab.to_send = ([(PieceKind.RESYNC, data)], [])
        lab.run()
        assert_delivered(lab, ([(PieceKind.RESYNC, data)], []))
        pieces = -(-len(data) // DATA_MAX)
        assert lab.ends[0].counters.pieces == pieces
        assert lab.ends[0].counters.resent == 0
        assert lab.packets < 2 * pieces
        assert lab.now < 1.0

    def test_small_messages_share_packets(self):
        """A hundred inputs of a burst go out in a handful of packets."""
        lab = Lab(Weather())
        lab.to_send = ([(PieceKind.GAME, b"input")] * 100, [])
        lab.run()
        assert lab.packets < 10

    def test_one_loss_costs_a_round_trip(self):
        """What is overtaken by others is resent without waiting for the timer."""
        one, other = stream(), stream()
        one.rtt = 10.0
        for n in range(4):
            one.send(bytes([n]))
            for piece in one.due(n * 0.016, up=True)[1 if n == 0 else 0 :]:
                if n > 0:
                    other.receive(piece, n * 0.016)
        (ack,) = other.due(0.1, up=True)
        assert ack == Ack(0, 0b111, WINDOW)
        one.receive(ack, 0.2)
        assert one.deadline <= 0.2
        assert one.due(0.2, up=True) == [Piece(0, PieceKind.GAME, True, b"\0")]
        assert one.counters.resent == 1
        assert one.counters.timeouts == 0

    def test_a_burst_after_an_outage(self):
        """What was accepted while the link was down arrives a round trip after it is back."""
        lab = Lab(Weather(delay=0.04, dark=((0.0, 30.0),)))
        sent = [(PieceKind.GAME, b"input %d" % n) for n in range(200)]
        lab.to_send = (list(sent), list(sent))
        lab.run()
        assert_delivered(lab, (sent, sent))
        assert lab.now < 30.0 + 3 * 0.08


class TestBackPressure:
    def test_full(self):
        """Beyond the bounds nothing is accepted, and the refusal says how much waits for whom."""
        one = stream(bytes_max=100, messages_max=3, message_max=100)
        one.send(b"x" * 60)
        assert one.room_for(40)
        assert not one.room_for(41)
        with pytest.raises(StreamFull) as refusal:
            one.send(b"x" * 41)
        assert (refusal.value.peer, refusal.value.messages) == ("bob", 1)
        assert refusal.value.waiting == 60
        one.send(b"")
        one.send(b"")
        with pytest.raises(StreamFull):
            one.send(b"")
        assert (one.waiting_bytes, one.waiting_messages, one.mark()) == (60, 3, 3)

    def test_too_long(self):
        """A message beyond `message_max` is never accepted, full or not."""
        one = stream(message_max=10)
        assert not one.room_for(11)
        with pytest.raises(LocalProtocolError, match="message_max is 10") as refusal:
            one.send(b"x" * 11)
        assert not isinstance(refusal.value, StreamFull)
        assert one.mark() == 0

    def test_a_full_game_does_not_block_its_resync(self):
        """Each kind of message has the bounds to itself."""
        one = stream(bytes_max=100, message_max=100)
        one.send(b"x" * 100)
        assert not one.room_for(1)
        assert one.room_for(100, PieceKind.RESYNC)
        one.send(b"x" * 100, PieceKind.RESYNC)
        assert one.waiting_bytes == 200

    def test_an_application_that_drains_nothing(self):
        """The sender comes to a stand with bounded waste, and goes on at once after the drain."""
        lab = Lab(
            Weather(delay=0.01),
            limits={"bytes_max": 10_000, "messages_max": 50, "message_max": 10_000},
            asleep_until=60.0,
        )
        sent = [(PieceKind.GAME, bytes(500)) for _ in range(100)]
        lab.to_send = (list(sent), [])
        while lab.step() and lab.now < 59.0:
            pass
        sender, receiver = lab.ends
        assert receiver.counters.delivered * 500 <= 10_000 + 500
        assert sender.waiting_bytes > 9_000
        assert receiver.counters.refused <= 59.0 / RESEND_MAX + 10
        lab.asleep_until = 0.0
        began = lab.now
        lab.application(1)
        lab.flush(1)
        lab.run()
        assert_delivered(lab, (sent, []))
        assert lab.now - began < 1.0

    def test_room_goes_out_by_itself(self):
        """Draining a full inbox owes the sender an ack, with all of the room in it."""
        one, other = stream(messages_max=4), stream(messages_max=4)
        for _ in range(4):
            one.send(b"x")
        for record in one.due(0.0, up=True):
            other.receive(record, 0.0)
        assert other.due(0.0, up=True)[0] == Ack(4, 0, 0)
        assert other.deadline is None
        assert other.take() == [b"x"] * 4
        assert other.deadline <= 0.0
        assert other.due(0.0, up=True) == [Ack(4, 0, 4)]
        assert other.take() == []
        assert other.deadline is None

    def test_a_lost_word_about_room(self):
        """A sender without room asks again and again, so no lost ack stops it for good."""
        one, other = stream(messages_max=2), stream(messages_max=2)
        one.send(b"1")
        one.send(b"2")
        for record in one.due(0.0, up=True):
            other.receive(record, 0.0)
        one.receive(other.due(0.0, up=True)[0], 0.0)
        one.send(b"3")
        one.send(b"4")
        (asks,) = one.due(0.0, up=True)
        other.receive(asks, 0.0)
        assert other.due(0.0, up=True) == [Ack(2, 0, 0)]
        assert one.due(0.1, up=True) == []
        other.take()
        other.due(0.2, up=True)
        assert one.due(one.deadline, up=True) == [asks]
        other.receive(asks, 0.3)
        (widened,) = other.due(0.4, up=True)
        one.receive(widened, 0.4)
        assert [piece.data for piece in one.due(0.4, up=True)] == [b"4"]
        assert other.take() == [b"3"]

    def test_an_ask_that_was_refused_goes_again_with_the_room(self):
        """The piece that asked for room is resent as soon as there is some."""
        one, other = stream(messages_max=1), stream(messages_max=1)
        one.send(b"1")
        for record in one.due(0.0, up=True):
            other.receive(record, 0.0)
        one.receive(other.due(0.0, up=True)[0], 0.0)
        one.send(b"2")
        for record in one.due(0.0, up=True):
            other.receive(record, 0.0)
        assert other.take() == [b"1"]
        one.receive(other.due(0.0, up=True)[0], 0.0)
        assert [piece.data for piece in one.due(0.0, up=True)] == [b"2"]
        assert other.counters.refused == 1


class TestTiming:
    def test_nothing_while_down(self):
        """A link that is not up gets nothing and has no deadline; when it is up, all at once."""
        one = stream()
        one.send(b"x")
        one.send_latest(b"y")
        assert one.deadline is None
        assert one.due(5.0, up=False) == []
        assert one.deadline is None
        assert one.due(6.0, up=True) == [
            Ack(0, 0, WINDOW),
            Latest(1, b"y"),
            Piece(0, PieceKind.GAME, True, b"x"),
        ]
        assert one.due(6.001, up=False) == []
        assert one.deadline is None
        assert Piece(0, PieceKind.GAME, True, b"x") in one.due(6.002, up=True)

    def test_a_lone_ack_waits_for_company(self):
        """An ack goes with the next piece, or by itself a little later."""
        one, other = stream(), stream()
        one.due(0.0, up=True)
        other.due(0.0, up=True)
        one.receive(Piece(0, PieceKind.GAME, True, b"x"), 1.0)
        assert one.due(1.0, up=True) == []
        assert one.deadline == pytest.approx(1.02)
        one.send(b"y")
        assert one.deadline <= 1.0
        assert [type(record) for record in one.due(1.0, up=True)] == [Ack, Piece]
        one.receive(Ack(1, 0, WINDOW), 1.0)
        assert one.deadline is None
        one.receive(Piece(1, PieceKind.GAME, True, b"x"), 2.0)
        assert one.due(one.deadline, up=True) == [Ack(2, 0, WINDOW)]

    def test_two_full_packets_are_acked_at_once(self):
        """A long message is not slowed down by acks that wait."""
        one = stream()
        one.due(0.0, up=True)
        one.receive(Piece(0, PieceKind.GAME, False, bytes(DATA_MAX)), 1.0)
        assert one.due(1.0, up=True) == []
        one.receive(Piece(1, PieceKind.GAME, True, bytes(DATA_MAX)), 1.0)
        assert one.due(1.0, up=True) == [Ack(2, 0, WINDOW)]

    def test_the_resend_timer_backs_off_to_its_maximum(self):
        """Into silence the same piece goes ever more rarely, but never more rarely than that."""
        one = stream()
        one.rtt = 0.02
        one.send(b"x")
        one.due(0.0, up=True)
        times = [0.0]
        for _ in range(20):
            times.append(one.deadline)
            assert len(one.due(times[-1], up=True)) == 1
        waits = [after - before for before, after in itertools.pairwise(times)]
        assert waits[0] == pytest.approx(0.06)
        assert waits[1] == pytest.approx(0.12)
        assert waits[-1] == pytest.approx(RESEND_MAX)
        assert (one.counters.resent, one.counters.timeouts) == (20, 20)

    def test_a_long_round_trip_stretches_the_timer(self):
        """The timer never runs out before an answer can be there."""
        one = stream()
        one.rtt = 3.0
        one.send(b"x")
        one.due(0.0, up=True)
        assert one.rtt == 3.0
        assert one.deadline > 6.0

    def test_little_is_sent_into_silence(self):
        """After a time-out only a few packets are on their way, until something is answered."""
        one = stream()
        one.send(bytes(1 << 20))
        first = one.due(0.0, up=True)
        again = one.due(one.deadline, up=True)
        assert len(first) > 30
        assert len(again) <= 4
        one.receive(Ack(1, 0, WINDOW), 0.3)
        assert len(one.due(0.3, up=True)) > 30

    def test_restored_forgets_the_back_off(self):
        """A new path gets everything unacknowledged at once, the oldest first, with an ack."""
        one = stream()
        for n in range(3):
            one.send(bytes([n]))
        one.due(0.0, up=True)
        for _ in range(5):
            one.due(one.deadline, up=True)
        one.restored()
        assert one.deadline < 3.0
        ack, *pieces = one.due(3.0, up=True)
        assert isinstance(ack, Ack)
        assert [piece.seq for piece in pieces] == [0, 1, 2]
        assert one.deadline == pytest.approx(3.25)


class TestMarks:
    def test_marks(self):
        """A mark is reached when the far end has all that was accepted before it."""
        one = stream()
        assert one.idle
        assert one.acknowledged(one.mark())
        one.send(bytes(3 * DATA_MAX))
        mark = one.mark()
        one.send(b"later")
        one.due(0.0, up=True)
        one.receive(Ack(2, 0, WINDOW), 0.1)
        assert not one.acknowledged(mark)
        one.receive(Ack(3, 0, WINDOW), 0.1)
        assert one.acknowledged(mark)
        assert not one.idle
        assert (one.waiting_bytes, one.waiting_messages) == (5, 1)
        one.receive(Ack(4, 0, WINDOW), 0.1)
        assert one.idle

    def test_undelivered(self):
        """What arrived behind a hole waits for no resend, but nobody can have taken it either."""
        one = stream()
        one.send(b"hole")
        one.send(b"early")
        one.send(b"resync", PieceKind.RESYNC)
        one.due(0.0, up=True)
        one.receive(Ack(0, 0b11, WINDOW), 0.1)
        assert (one.waiting_messages, one.undelivered) == (1, 2)
        one.receive(Ack(3, 0, WINDOW), 0.1)
        assert one.undelivered == 0


class TestLatest:
    def test_the_newest_wins(self):
        """Only the last of several values is sent, and an older one never replaces it."""
        one, other = stream(), stream()
        one.send_latest(b"old")
        one.send_latest(b"new")
        (_, latest) = one.due(0.0, up=True)
        other.receive(latest, 0.0)
        other.receive(Latest(1, b"old"), 0.0)
        other.receive(latest, 0.0)
        assert other.take_latest() == b"new"
        assert other.take_latest() is None
        assert other.counters.stale == 2
        assert one.deadline is None

    def test_it_goes_out_at_once(self):
        """A value waits for nothing while the link is up."""
        one = stream()
        one.due(1.0, up=True)
        one.send_latest(b"x")
        assert one.deadline <= 1.0

    def test_too_long(self):
        """A value that fits no packet is refused with the number that does."""
        one = stream()
        one.send_latest(bytes(DATA_MAX))
        with pytest.raises(LocalProtocolError, match=f"at most {DATA_MAX}"):
            one.send_latest(bytes(DATA_MAX + 1))


class TestHostile:
    @settings(max_examples=200, deadline=None)
    @given(st.integers(0, 2**32), st.integers(1, 80))
    def test_any_records(self, seed, count):
        """Whatever records come, only `RemoteProtocolError` is raised, and bounds hold."""
        chance = Random(seed)
        one = stream(bytes_max=3000, messages_max=5, message_max=2500)
        for now in range(count):
            if one.room_for(1500):
                one.send(bytes(1500))
            one.due(now, up=True)
            seq = chance.choice([now, chance.randrange(2 * count), chance.randrange(2**32)])
            record = chance.choice(
                [
                    Ack(seq, chance.choice([0, chance.randrange(2**64)]), chance.randrange(300)),
                    Piece(
                        seq,
                        chance.choice([*PieceKind]),
                        chance.random() < 0.5,
                        bytes(chance.choice([0, 1, DATA_MAX])),
                    ),
                    Latest(seq, b"x"),
                ]
            )
            before = one.mark(), one.waiting_bytes, one.counters
            try:
                one.receive(record, now)
            except RemoteProtocolError:
                assert before == (one.mark(), one.waiting_bytes, one.counters)
            assert 0 <= one.waiting_bytes <= 3000
            assert 0 <= one.waiting_messages <= 5
        held = one.take() + one.take(PieceKind.RESYNC)
        assert len(held) <= 5
        assert sum(map(len, held)) <= 3000 + 2500

    def test_counters_count(self):
        """What has no effect is counted."""
        one = stream()
        one.due(0.0, up=True)
        one.receive(Piece(0, PieceKind.GAME, True, b"x"), 0.0)
        one.receive(Piece(0, PieceKind.GAME, True, b"x"), 0.0)
        assert one.counters.duplicates == 1
        assert one.counters.delivered == 1
        one.send(b"y")
        assert one.counters.sent == 1
        assert one.counters.pieces == 0
