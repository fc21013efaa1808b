"""One link's attempts and signals, without a peer around them."""

from math import inf
from random import Random

import pytest

from reconnect.core.effects import AbandonAttempt, PassSignal, PeerEffect, SendSignal, StartAttempt
from reconnect.core.ladder import OFFERS_MAX, Ladder
from reconnect.core.mending import REBUILD_PLEASE, Condition, Mending
from reconnect.core.messages import AttemptKind, Signal, SignalKind
from reconnect.core.signals import Signals
from reconnect.policy import IceServer, Policy

REBUILD, RESTART = AttemptKind.REBUILD, AttemptKind.RESTART
STUN = IceServer("stun:example.org")
POLICY = Policy(ice_servers=[STUN])
NOW = 30.0
BROKEN = Condition(False, True, -inf)
GONE = Condition(False, False, -inf)
PROVEN = Condition(True, True, inf)


def mending(*, offers: bool = True) -> Mending:
    ladder = Ladder(POLICY, offers, "2", Random(1), frozenset({RESTART, REBUILD}))
    return Mending("ben", POLICY, ladder, Signals("ben", 2, 5))


def step(
    one: Mending, now: float = NOW, link: Condition = BROKEN, *, allowed: bool = True
) -> list[PeerEffect]:
    effects: list[PeerEffect] = []
    one.step(effects, now, link, allowed=allowed)
    return effects


def arrived(one: Mending, n: int, kind: SignalKind, attempt_id: str = "5.1") -> list[PeerEffect]:
    effects: list[PeerEffect] = []
    signal = Signal("ann", 5, 2, n, attempt_id, REBUILD, kind, "", "ben")
    one.arrived(effects, signal, NOW, BROKEN)
    return effects


def outcomes(one: Mending) -> list[object]:
    return [data["outcome"] for kind, data in one.facts if kind == "attempt"]


def test_an_attempt_is_begun_with_the_ice_servers_of_the_policy():
    """The policy came over the wire, so a client needs no servers of its own."""
    assert step(mending()) == [StartAttempt("ben", "2.1", RESTART, True, (STUN,))]


@pytest.mark.parametrize(
    ("link", "allowed"),
    [(BROKEN, False), (PROVEN, True), (Condition(False, True, NOW + 1), True)],
)
def test_nothing_is_begun_too_early_without_leave_or_without_need(link, allowed):
    """Not while the session forbids it, not for a proven link, not before patience is over."""
    one = mending()
    assert step(one, link=link, allowed=allowed) == []
    assert one.ladder.next_at == inf


def test_an_attempt_that_is_overdue_is_given_up_even_without_leave():
    """The session may have gone on meanwhile; the adapter is told to let go all the same."""
    one = mending()
    step(one)
    effects = step(one, NOW + POLICY.attempt_timeout, PROVEN, allowed=False)
    assert effects[0] == AbandonAttempt("ben", "2.1")
    assert isinstance(effects[1], SendSignal)
    assert effects[1].signal.kind is SignalKind.ABORT
    assert outcomes(one) == ["healed"]


def test_the_end_that_took_up_an_offer_gives_it_up_in_silence():
    """Only the end that offered says abort; the other's timer runs out by itself."""
    one = mending(offers=False)
    arrived(one, 1, SignalKind.OFFER)
    assert step(one, NOW + POLICY.attempt_timeout, allowed=False) == [AbandonAttempt("ben", "5.1")]
    assert outcomes(one) == ["timeout"]


def test_a_request_says_whether_a_restart_can_help():
    """And replaces what was said before it."""
    one = mending(offers=False)
    (request,) = step(one, link=GONE)
    assert (request.signal.kind, request.signal.payload) == (
        SignalKind.PLEASE_RESTART,
        REBUILD_PLEASE,
    )
    assert step(one, link=GONE) == []
    again = step(one, NOW + POLICY.attempt_timeout)
    assert [(one.signal.n, one.signal.payload) for one in again] == [(2, "")]
    assert [signal.n for signal in one.signals.repeat(NOW + 9)] == [2]


def test_a_request_waits_for_the_end_of_patience():
    """What was lost a moment ago may heal; what cannot be proven for long will not."""
    one = mending(offers=False)
    one.ladder.lost(NOW, at_once=True, restartable=True)
    patient = Condition(False, True, NOW + 1.0)
    assert step(one, link=patient) == []
    assert one.ladder.deadline == NOW + 1.0
    assert len(step(one, NOW + 1.0, patient)) == 1


def test_success_counts_when_the_link_is_proven():
    """Until then an attempt is under way; then it is what mended the link."""
    one = mending()
    step(one)
    one.succeeded("2.1", NOW + 0.2)
    assert outcomes(one) == []
    assert one.mended(NOW + 0.3) == "restart"
    assert outcomes(one) == ["success"]
    assert one.ladder.next_at == inf


def test_a_link_that_is_proven_without_the_attempt_healed_by_itself():
    """The attempt is not what carries it."""
    one = mending()
    step(one)
    assert one.mended(NOW + 0.3) == "self"
    assert one.ladder.attempt is not None


def test_each_repetition_is_sent_as_it_was():
    """Same number, same attempt, same payload."""
    one = mending()
    step(one)
    effects: list[PeerEffect] = []
    one.made(effects, "2.1", SignalKind.OFFER, "sdp", NOW)
    again: list[PeerEffect] = []
    one.repeat(again, NOW + 1)
    assert effects == again


def test_what_belongs_to_no_attempt_is_acknowledged_and_goes_nowhere():
    """Answers and candidates before an offer was taken up, or after it was over."""
    one = mending(offers=False)
    for n, kind in ((1, SignalKind.ANSWER), (2, SignalKind.CANDIDATE), (3, SignalKind.ABORT)):
        (ack,) = arrived(one, n, kind)
        assert isinstance(ack, SendSignal)
    assert not [one for one in arrived(one, 3, SignalKind.ABORT) if isinstance(one, PassSignal)]


def test_void_is_the_end_of_the_attempt_under_way_if_any():
    """A newer generation, a newer attempt, the end of the session."""
    one = mending()
    one.void(NOW)
    assert outcomes(one) == []
    step(one)
    one.void(NOW + 1)
    assert outcomes(one) == ["void"]
    (fact,) = [data for _, data in one.facts]
    assert fact == {
        "peer": "ben",
        "id": "2.1",
        "kind": "restart",
        "number": 1,
        "offers": True,
        "duration_ms": 1000,
        "outcome": "void",
    }


def test_a_flood_of_offers_makes_no_flood_of_peer_connections():
    """A few at once, and then one for each time in which the far end could rightly try again."""
    one = mending(offers=False)
    begun = 0
    for n in range(1, 1001):
        effects: list[PeerEffect] = []
        signal = Signal("ann", 5, 2, n, f"5.{n}", REBUILD, SignalKind.OFFER, "", "ben")
        one.arrived(effects, signal, NOW + n / 1000, PROVEN)
        begun += sum(isinstance(effect, StartAttempt) for effect in effects)
    assert begun == OFFERS_MAX + 1.0 // POLICY.attempt_delay_min


def test_who_keeps_to_the_delays_has_every_offer_taken_up():
    """As often as a far end may begin anew, for as long as it likes."""
    one = mending(offers=False)
    for n in range(1, 101):
        effects: list[PeerEffect] = []
        signal = Signal("ann", 5, 2, n, f"5.{n}", REBUILD, SignalKind.OFFER, "", "ben")
        one.arrived(effects, signal, NOW + n * POLICY.attempt_delay_min, BROKEN)
        assert any(isinstance(effect, StartAttempt) for effect in effects)
