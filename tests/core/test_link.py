"""One end of a link: up, proven, synced, and when it has something to do by itself."""

from math import inf
from random import Random

import pytest

from reconnect.core.effects import CloseLink, OpenLink, PeerEffect, SendData, SendFrame
from reconnect.core.frames import Frame, Ping, Pong, Probe, ProbeAnswer, decode, encode
from reconnect.core.link import PeerLink
from reconnect.core.messages import AttemptKind, LinkReport, Signal, SignalKind
from reconnect.errors import RemoteProtocolError
from reconnect.policy import Policy

TAG = 77
NOW = 40.0


def link(**policy: object) -> PeerLink:
    return PeerLink.make(
        "ben",
        5,
        2,
        tag=TAG,
        policy=Policy(**policy),
        mends=frozenset({AttemptKind.REBUILD}),
        random=Random(1),
        epoch=3,
        now=NOW,
    )


def flushed(one: PeerLink, now: float = NOW, *, halted: bool = True) -> list[object]:
    """The records of the packets that are sent now."""
    effects: list[PeerEffect] = []
    one.flush(effects, now, halted=halted)
    return [record for effect in effects for record in decode(effect.frame, TAG).records]


def hears(one: PeerLink, *records: object, now: float = NOW) -> None:
    one.received(encode(Frame(5, 2, list(records)), TAG), now)


def proven(**policy: object) -> PeerLink:
    one = link(**policy)
    one.channel_changed(True, NOW)
    hears(one, ProbeAnswer(3, flushed(one)[-1].nonce))
    assert one.proven
    return one


def test_a_new_link_is_down_and_has_nothing_to_do():
    """It is silent before the first attempt, which the session has to allow."""
    one = link()
    assert (one.up, one.proven, one.synced) == (False, False, True)
    assert one.report() == LinkReport(False)
    assert one.deadline(halted=True, attached=True, recovering=False) == inf
    assert one.deadline(halted=True, attached=True, recovering=True) == NOW
    assert flushed(one) == []


@pytest.mark.parametrize(
    ("topology", "ordered"), [("mesh", [OpenLink("ben", 5), CloseLink("ben")]), ("relayed", [])]
)
def test_only_a_direct_link_is_opened_and_closed(topology, ordered):
    """Where the coordinator carries the frames there is nothing for an adapter to do."""
    one = link(topology=topology)
    effects: list[PeerEffect] = []
    one.open(effects)
    one.close(effects, NOW)
    assert effects == ordered


def test_a_channel_is_up_when_something_is_heard_through_it():
    """That it is open says nothing about the path."""
    one = link()
    one.channel_changed(True, NOW)
    assert not one.up
    assert [type(record) for record in flushed(one)] == [Ping, Probe]
    hears(one, Pong(1), now=NOW + 0.25)
    assert one.up
    assert not one.proven
    assert one.stream.rtt == 0.25


def test_only_what_is_for_this_end_is_heard():
    """Other sessions raise; other generations are counted; neither is a sign of life."""
    one = link()
    one.channel_changed(True, NOW)
    with pytest.raises(RemoteProtocolError):
        one.received(encode(Frame(5, 2, [Ping(1)]), TAG + 1), NOW)
    one.received(encode(Frame(4, 2, [Ping(1)]), TAG), NOW)
    one.received(encode(Frame(5, 1, [Ping(1)]), TAG), NOW)
    assert (one.foreign, one.up) == (2, False)


def test_a_link_that_goes_down_is_unproven_and_says_why():
    """Closed or silent; the report keeps the cause until the link is mended."""
    one = proven()
    one.channel_changed(False, NOW + 1)
    assert (one.up, one.probed) == (False, False)
    assert one.report() == LinkReport(False, "channel_closed")
    assert (one.endured_until, one.down_since) == (NOW + 1, NOW + 1)
    one.channel_changed(True, NOW + 2)
    hears(one, ProbeAnswer(3, flushed(one, NOW + 2)[-1].nonce), now=NOW + 2)
    assert one.report() == LinkReport(True)
    assert one.endured_until == inf


def test_a_loss_is_endured_for_its_grace_period():
    """It is the peer that stops play; the link says until when it need not."""
    one = proven(link_grace_period=0.5)
    one.channel_changed(False, NOW + 1)
    assert one.endured_until == NOW + 1.5


def test_a_probe_that_was_asked_before_a_stop_proves_nothing_after_it():
    """Neither by its epoch nor by its number; probes are asked anew at once."""
    one = proven()
    one.channel_changed(True, NOW)
    nonce = one._nonce
    one.stopped(4, NOW + 1)
    assert not one.proven
    hears(one, ProbeAnswer(4, nonce), ProbeAnswer(3, nonce + 1), now=NOW + 1)
    assert not one.proven
    (probe,) = [record for record in flushed(one, NOW + 1) if isinstance(record, Probe)]
    assert (probe.epoch, probe.nonce) == (4, nonce + 1)
    hears(one, ProbeAnswer(4, nonce + 1), now=NOW + 1)
    assert one.proven


def test_a_link_is_due_for_its_probe_only_while_halted():
    """A game that plays is proof enough."""
    one = link()
    one.channel_changed(True, NOW)
    flushed(one)
    probe_at = NOW + one.policy.probe_interval
    assert one.deadline(halted=True, attached=False, recovering=False) == probe_at
    assert one.deadline(halted=False, attached=False, recovering=False) > probe_at


def test_what_was_sent_before_a_stop_must_be_acknowledged():
    """Synced counts to the last stop; what is sent later does not hold it up."""
    one = proven()
    one.stream.send(b"x")
    assert one.synced
    one.stopped(4, NOW + 1)
    assert not one.synced
    one.stopped(5, NOW + 2)
    assert not one.synced


def test_a_stream_whose_channel_is_gone_is_never_due():
    """Nothing can be resent, so nothing is pending until the link is back."""
    one = proven()
    one.stream.send(b"x")
    flushed(one, NOW + 0.1)
    one.channel_changed(False, NOW + 0.2)
    assert flushed(one, NOW + 0.2) == []
    assert one.deadline(halted=True, attached=True, recovering=False) == inf


def test_an_unproven_link_is_due_when_patience_is_over():
    """Up and never answered: a reason to mend it, but not at once."""
    one = proven()
    one.stopped(4, NOW + 1)
    flushed(one, NOW + 1)
    hears(one, Ping(9), now=NOW + 1.9)
    flushed(one, NOW + 1.95)
    one.probed = False
    one._probe_at = inf
    patience = one.condition.patience_until
    assert patience == NOW + 1 + one.policy.link_lost
    assert one.deadline(halted=True, attached=True, recovering=True) <= patience


def test_relayed_frames_are_data_and_no_signal_concerns_them():
    """No heartbeats, no probes, no attempts: proven without any."""
    one = link(topology="relayed")
    one.carried = True
    one.stream.send(b"x")
    effects: list[PeerEffect] = []
    one.flush(effects, NOW, halted=True)
    assert [type(effect) for effect in effects] == [SendData]
    assert (one.proven, one.endured_until) == (True, inf)
    one.carried = False
    assert (one.up, one.proven, one.endured_until) == (False, True, inf)
    effects = []
    signal = Signal("ann", 5, 2, 1, "5.1", AttemptKind.REBUILD, SignalKind.OFFER, "", "ben")
    one.signal_arrived(effects, signal, NOW)
    one.mend(effects, NOW, allowed=True)
    assert effects == []


def test_many_records_make_as_few_packets_as_they_fit_in():
    """Answers, heartbeat and stream share a frame."""
    one = proven()
    hears(one, Ping(1), Ping(2), Probe(9, 4))
    one.stream.send(b"x" * 1000)
    effects: list[PeerEffect] = []
    one.flush(effects, NOW + 0.3, halted=False)
    assert {type(effect) for effect in effects} == {SendFrame}
    said = [record for effect in effects for record in decode(effect.frame, TAG).records]
    assert said[:3] == [Pong(1), Pong(2), ProbeAnswer(9, 4)]
    assert len(effects) == 1


@pytest.mark.parametrize(("late", "told"), [(0.4, []), (3.0, [("stalled", {"stalled_ms": 3000})])])
def test_a_loop_that_stood_still_is_a_fact(late, told):
    """Told once, and only if the far end may have noticed."""
    one = proven()
    flushed(one, NOW + 0.25)
    one.mending.facts.clear()
    woken_at = one.detector.deadline + late
    for _ in range(2):
        flushed(one, woken_at)
        assert one.mending.facts == told
