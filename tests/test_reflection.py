"""Reflection: what one player sends makes others answer, and the answers are theirs to account for.

A player who sends all that is allowed, in the way that makes the other one say most, must not get
the other one refused: who is told `rate_limited` hangs up.
"""

from __future__ import annotations

import base64

import pytest

from reconnect import Client
from reconnect.core.frames import Frame, Ping, encode, session_tag
from reconnect.policy import Policy
from reconnect.seats import (
    ARRIVAL_BURST,
    BURST_PER_PEER,
    RATE_PER_PEER,
)
from reconnect.testing.network import Network

from .by_hand import Hand, House
from .games import Nothing
from .test_reception import ack, data, envelope, signal

TURN = 0.02  # s
SECONDS = 10.0


class Duel:
    """Ben plays with the real client; of Ann's, which began with it, a hand has the seat now."""

    def __init__(self) -> None:
        self.house = House(policy=Policy(topology="relayed", outage_timeout=30))
        self.handle = self.house.coordinator.open(["ann", "ben"])
        process = self.house.runtime.process()
        token = self.handle.invite("ann")
        theirs = self.join("ann", token, process)
        self.client = self.join("ben", self.handle.invite("ben"), self.house.runtime)
        for _ in range(100):
            self.run(TURN)
            theirs.notices()
            theirs.receive()
        assert theirs.playing
        process.kill()
        self.ann = Hand(self.house, "ann", token, self.handle.id)
        self.ann.gen, self.ann.seq = 1, 1000
        self.ann.epoch, self.ann.phase = theirs.epoch, "playing"
        self.ann.claim()
        self.run(0.5)
        assert self.client.playing

    def join(self, player, token, runtime) -> Client:
        return Client(
            signaling=self.house.signaling.client(player, runtime=runtime),
            session=self.handle.id,
            player=player,
            token=token,
            seed=1,
        )

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds / TURN)):
            self.house.run(TURN)
            self.client.notices()
            self.client.receive()

    @property
    def connection(self) -> int:
        """The number of Ben's connection."""
        return self.handle._mailbox.session.members["ben"].conn


@pytest.fixture
def duel():
    return Duel()


def as_many_as_allowed():
    """How many packets a player may send to another in each turn: a burst, and then the rate."""
    allowed, sent = BURST_PER_PEER, 0
    for _ in range(round(SECONDS / TURN)):
        yield int(allowed) - sent
        sent = int(allowed)
        allowed += 0.999 * RATE_PER_PEER * TURN  # clocks differ in the last bit


def ping(duel: Duel, nonce: int) -> dict:
    """A packet that Ben answers, whatever he is doing."""
    frame = Frame(duel.ann.gen, duel.client._peer.gen, [Ping(nonce)])
    return data("ben", encode(frame, session_tag(duel.handle.id)))


def test_a_flood_of_packets_that_want_an_answer_gets_nobody_else_refused(duel):
    """All that Ann may send at once, and as fast as she may; Ben answers each, and plays on."""
    before = duel.connection
    answers = len(duel.ann.heard)
    for turn, count in enumerate(as_many_as_allowed()):
        for nonce in range(count):
            duel.ann.line.send(envelope(duel.ann, ping(duel, nonce)))
        duel.client.send_latest(b"where I am")
        if turn % 25 == 0:
            duel.ann.report()
        duel.run(TURN)
    assert duel.connection == before
    assert duel.client.playing
    assert "rate_limited" not in duel.ann.errors
    assert len(duel.ann.heard) - answers > BURST_PER_PEER


def test_pauses_without_end_get_nobody_else_refused(duel):
    """Each of Ann's reports stops the game, which Ben has to answer; he is never the one cut."""
    before = duel.connection
    for _ in range(round(SECONDS / TURN)):
        if duel.ann.closings:
            break
        goes_on = duel.ann.view["state"] in ("connected", "resumed")
        duel.ann.report("ready", duel.ann.view["epoch"] + goes_on)
        duel.run(TURN)
    assert duel.connection == before
    assert "rate_limited" in duel.ann.errors


def test_one_pause_after_the_other_is_bounded():
    """A player who stops the game with every report soon has to wait; the others are heard."""
    house = House(policy=Policy(topology="relayed", outage_timeout=30))
    handle, (ann, ben) = house.game()
    first = ann.view["epoch"]
    for _ in range(100):
        ann.report("ready", ann.view["epoch"] + (ann.view["state"] in ("connected", "resumed")))
        ben.report("ready", ben.view["epoch"])
    assert ann.view["epoch"] - first <= 20
    assert ann.errors[:1] == ["rate_limited"]
    assert ben.errors == []
    assert handle.missing <= {"ann"}


def test_new_clients_without_end_get_nobody_else_refused(duel):
    """Each makes Ben stop and begin with the link anew; they soon have to wait."""
    before = duel.connection
    first = duel.ann.gen
    for _ in range(100):
        duel.ann.gen = 0
        duel.ann.report("halted", 0)
        duel.ann.report("halted", duel.ann.view["epoch"])
        duel.run(TURN)
    assert duel.connection == before
    assert "rate_limited" in duel.ann.errors
    assert duel.ann.gen - first <= ARRIVAL_BURST


def test_a_flood_of_signals_gets_nobody_else_refused():
    """Ben acknowledges each of them, and says what he has to say besides."""
    house = House()
    network = Network(house.runtime, seed=1)
    handle = house.coordinator.open(["ann", "ben"])
    ann = house.client(handle, "ann")
    ann.attach()
    client = Client(
        signaling=house.signaling.client("ben", runtime=house.runtime),
        links=network.links("ben"),
        session=handle.id,
        player="ben",
        token=handle.invite("ben"),
        resync=Nothing(),
        seed=1,
    )
    house.run(1.0)
    before = handle._mailbox.session.members["ben"].conn
    heard = len(ann.heard)
    for turn, count in enumerate(as_many_as_allowed()):
        for _ in range(count):
            offer = signal("ben", n=turn + 1, attempt_id=f"1.{turn}", gen_to=client._peer.gen)
            ann.line.send(envelope(ann, offer))
        ann.report()
        house.run(TURN)
    assert sum(one["type"] == "signal_ack" for one in ann.heard[heard:]) > BURST_PER_PEER
    assert handle._mailbox.session.members["ben"].conn == before
    assert "rate_limited" not in ann.errors


def test_nobody_gets_more_of_one_player_than_can_be_answered():
    """The allowance for many players is not to be spent on one of them; the rest is lost."""
    house = House(policy=Policy(topology="relayed", outage_timeout=30))
    _, (ann, ben, *_) = house.game("ann", "ben", "cid", "dan")
    seen = len(ben.heard)
    for _ in range(3 * int(BURST_PER_PEER)):
        ann.line.send(envelope(ann, data("ben")))
    house.settle()
    assert ann.errors == []
    assert len(ben.heard) - seen == BURST_PER_PEER
    for _ in range(int(BURST_PER_PEER)):
        ben.line.send(envelope(ben, ack("ann")))
    house.settle()
    assert ben.errors == []


def test_large_signals_count_for_as_many_packets():
    """Somebody's downlink is not to be filled with signals of 64 KiB either."""
    house = House()
    _, (ann, ben) = house.game()
    seen = len(ben.heard)
    for number in range(50):
        ann.say(envelope(ann, signal("ben", n=number + 1, payload="x" * 60_000)))
    heard = ben.heard[seen:]
    assert ann.errors == []
    assert 0 < sum(len(one.get("payload", "")) for one in heard) <= BURST_PER_PEER * 1200


def test_answers_are_free_but_not_without_bound():
    """Who has been sent much may answer it all, and then has only what everybody has."""
    house = House(policy=Policy(topology="relayed", outage_timeout=30))
    _, (ann, ben) = house.game()
    for _ in range(int(BURST_PER_PEER)):
        ann.line.send(envelope(ann, data("ben", base64.b64encode(b"x"))))
    house.settle()
    for _ in range(2 * int(BURST_PER_PEER)):
        ben.line.send(envelope(ben, data("ann")))
    house.settle()
    assert ben.errors == []
    ben.say(envelope(ben, data("ann")))
    assert ben.errors == ["rate_limited"]


def test_two_who_answer_each_other_gain_nothing():
    """What gets through between two players is bounded, however much each has to answer."""
    house = House(policy=Policy(topology="relayed", outage_timeout=30))
    _, hands = house.game()
    before = [len(hand.heard) for hand in hands]
    seconds = 5
    for _ in range(seconds * 10):
        for hand, other in (hands, hands[::-1]):
            for _ in range(50):
                hand.line.send(envelope(hand, data(other.player)))
        house.run(0.1)
        for hand in hands:
            hand.report()
    through = [
        sum(one["type"] == "data" for one in hand.heard[seen:])
        for hand, seen in zip(hands, before, strict=True)
    ]
    assert all(0 < one <= BURST_PER_PEER + seconds * RATE_PER_PEER for one in through)
