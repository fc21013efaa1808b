"""Signals: numbered for each pair of generations, repeated until acknowledged, heard once."""

from math import inf

import pytest

from reconnect.core.messages import AttemptKind, Signal, SignalAck, SignalKind
from reconnect.core.signals import RESEND_INTERVAL, Signals

REBUILD = AttemptKind.REBUILD
OFFER, CANDIDATE, ABORT = SignalKind.OFFER, SignalKind.CANDIDATE, SignalKind.ABORT


def said(signals: Signals, *kinds: SignalKind, now: float = 10.0) -> list[Signal]:
    return [signals.make("2.1", REBUILD, kind, "", now=now) for kind in kinds]


def arriving(n: int, kind: SignalKind = CANDIDATE, *, gen_from: int = 5, gen_to: int = 2) -> Signal:
    return Signal("ann", gen_from, gen_to, n, "2.1", REBUILD, kind, "", "ben")


def test_signals_are_numbered_from_one_and_addressed_by_generation():
    """Their n counts per (from gen, to gen)."""
    one, other = said(Signals("ben", 2, 5), OFFER, CANDIDATE)
    assert (one.to, one.gen_from, one.gen_to, one.n, other.n) == ("ben", 2, 5, 1, 2)


def test_what_is_not_acknowledged_is_repeated_in_order():
    """Every second, all of it, until an ack covers it."""
    signals = Signals("ben", 2, 5)
    assert signals.resend_at == inf
    made = said(signals, OFFER, CANDIDATE)
    said_at = 10.0
    assert signals.resend_at == said_at + RESEND_INTERVAL
    assert signals.repeat(11.0) == made
    assert signals.resend_at == 11.0 + RESEND_INTERVAL
    signals.acked(SignalAck("ann", 5, 2, 1))
    assert signals.repeat(12.0) == made[1:]
    signals.acked(SignalAck("ann", 5, 2, 2))
    assert signals.resend_at == inf
    assert signals.repeat(13.0) == []
    assert signals.resend_at == inf


def test_a_later_signal_does_not_put_off_the_repetition():
    """A stream of candidates cannot starve the offer before them."""
    signals = Signals("ben", 2, 5)
    said(signals, OFFER, now=10.0)
    said(signals, CANDIDATE, now=10.9)
    assert signals.resend_at == 11.0


@pytest.mark.parametrize(("gen_from", "gen_to"), [(5, 1), (4, 2), (2, 5)])
def test_an_ack_between_other_generations_means_nothing(gen_from, gen_to):
    """It speaks of signals between other clients."""
    signals = Signals("ben", 2, 5)
    made = said(signals, OFFER)
    signals.acked(SignalAck("ann", gen_from, gen_to, 9))
    assert signals.repeat(11.0) == made


def test_a_new_attempt_forgets_what_was_said_of_the_older_ones():
    """The numbers go on."""
    signals = Signals("ben", 2, 5)
    said(signals, OFFER, CANDIDATE)
    signals.forget()
    assert (signals.repeat(11.0), signals.resend_at) == ([], inf)
    assert said(signals, OFFER)[0].n == 3


def test_a_new_connection_repeats_at_once_what_there_is_to_repeat():
    """What was sent on the old one may be lost; without anything to repeat nothing is due."""
    signals = Signals("ben", 2, 5)
    signals.hurry(10.0)
    assert signals.resend_at == inf
    said(signals, OFFER)
    signals.hurry(10.2)
    assert signals.resend_at == 10.2


def test_each_signal_is_heard_once_and_in_order():
    """N <= last was heard before; n > last + 1 came too early and will be repeated."""
    signals = Signals("ben", 2, 5)
    assert signals.accept(arriving(1, OFFER))
    assert not signals.accept(arriving(1, OFFER))
    assert not signals.accept(arriving(3))
    assert signals.acknowledgement() == SignalAck("ben", 2, 5, 1)
    assert signals.accept(arriving(2))
    assert signals.accept(arriving(3, ABORT))
    assert signals.acknowledgement().n == 3


@pytest.mark.parametrize("kind", [SignalKind.OFFER, SignalKind.ANSWER, SignalKind.PLEASE_RESTART])
def test_what_an_attempt_begins_with_does_not_wait_for_what_was_before(kind):
    """Its sender has forgotten the signals of older attempts and will not repeat them."""
    signals = Signals("ben", 2, 5)
    assert signals.accept(arriving(7, kind))
    assert not signals.accept(arriving(6))
    assert signals.accept(arriving(8))


def test_only_signals_between_the_two_generations_concern_it():
    """Both generations have to be current."""
    signals = Signals("ben", 2, 5)
    assert signals.concern(arriving(1))
    assert not signals.concern(arriving(1, gen_from=4))
    assert not signals.concern(arriving(1, gen_to=3))
