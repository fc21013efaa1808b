"""A client and its attempts at mending a link: the ladder, and what the two ends say of it."""

import pytest

from reconnect.core.effects import (
    AbandonAttempt,
    PassSignal,
    SendSignal,
    StartAttempt,
)
from reconnect.core.events import (
    AttemptFailed,
    AttemptSucceeded,
    ChannelChanged,
    NetworkChanged,
    SignalAcked,
    SignalMade,
)
from reconnect.core.frames import (
    Ping,
)
from reconnect.core.messages import AttemptKind, Kind, Signal, SignalAck, SignalKind
from tests.core.peer_drama import HALTED, PLAYING, PeerDrama, answers, broken, facts

REBUILD, RESTART = AttemptKind.REBUILD, AttemptKind.RESTART
OFFER, ANSWER, CANDIDATE = SignalKind.OFFER, SignalKind.ANSWER, SignalKind.CANDIDATE
PLEASE, ABORT = SignalKind.PLEASE_RESTART, SignalKind.ABORT


# -- the ladder ------------------------------------------------------------------------------------


def test_a_link_is_mended_only_while_everybody_is_known_to_have_stopped():
    """halted, last view reconnecting, link not up, both attached: the ladder; else nothing."""
    drama = PeerDrama().attach()
    drama.wait(3.0)
    assert drama.of_kind(StartAttempt) == []
    drama.far["ben"].attached = False
    drama.recover()
    assert drama.of_kind(StartAttempt) == []
    drama.far["ben"].attached = True
    drama.recover()
    (attempt,) = drama.of_kind(StartAttempt)
    assert (attempt.peer, attempt.kind, attempt.offers) == ("ben", REBUILD, True)
    assert attempt.attempt_id == "1.1"


@pytest.mark.parametrize(
    ("me", "mine", "theirs", "offers"),
    [
        ("ann", Kind.PYTHON, Kind.PYTHON, True),
        ("cas", Kind.PYTHON, Kind.PYTHON, False),
        ("ann", Kind.BROWSER, Kind.BROWSER, True),
        ("ann", Kind.BROWSER, Kind.PYTHON, False),
        ("cas", Kind.PYTHON, Kind.BROWSER, True),
    ],
)
def test_the_earlier_player_offers_but_python_before_a_browser(me, mine, theirs, offers):
    """Roles by place in join order; a Python end offers to a browser, which asks."""
    drama = PeerDrama(me, "ben", kind=mine)
    drama.far["ben"].kind = theirs
    drama.attach().recover()
    assert bool(drama.of_kind(StartAttempt)) is offers
    drama.wait(1.0)
    assert [signal.kind for signal in drama.said] == ([] if offers else [PLEASE])


def test_roles_are_right_again_after_the_coordinator_forgot_a_kind():
    """A restarted coordinator says python of whoever is away: two browsers must not both wait."""
    drama = PeerDrama(kind=Kind.BROWSER)
    drama.far["ben"].kind = Kind.PYTHON
    drama.far["ben"].attached = False
    drama.attach().recover()
    drama.far["ben"].kind = Kind.BROWSER
    drama.far["ben"].attached = True
    drama.recover()
    assert [attempt.offers for attempt in drama.of_kind(StartAttempt)] == [True]


def test_a_silent_link_is_first_given_time_to_heal_then_restarted():
    """wait, RESTART x k, then REBUILD; numbered in each outage."""
    drama = PeerDrama(restarts=1).play()
    drama.cut()
    drama.wait(1.0)
    assert drama.at == (HALTED, 2)
    drama.recover()
    assert drama.of_kind(StartAttempt) == []
    drama.wait(12.0)
    attempts = drama.of_kind(StartAttempt)
    assert len(attempts) > 2
    assert [one.kind for one in attempts] == [RESTART] + [REBUILD] * (len(attempts) - 1)
    assert [one.attempt_id for one in attempts] == [f"1.{n + 2}" for n in range(len(attempts))]


def test_a_closed_channel_is_rebuilt_at_once():
    """An ICE restart does not reopen a channel that closed."""
    (attempt,) = broken().of_kind(StartAttempt)
    assert (attempt.kind, attempt.offers) == (REBUILD, True)


def test_an_attempt_that_takes_too_long_is_abandoned_on_both_ends():
    """attempt_timeout: AbandonAttempt here, ABORT there, and at once another attempt."""
    drama = broken()
    drama.wait(drama.policy.attempt_timeout)
    assert AbandonAttempt("ben", "1.2") in drama.effects
    assert [(signal.kind, signal.attempt_id) for signal in drama.said] == [(ABORT, "1.2")]
    assert facts(drama, "attempt")[-1]["outcome"] == "timeout"
    (attempt,) = drama.of_kind(StartAttempt)
    assert attempt.attempt_id == "1.3"


def test_an_attempt_that_succeeds_mends_the_link():
    """Restored means that a probe made the round trip; the method is the attempt's."""
    drama = broken()
    drama.mend()
    drama.connect()
    assert drama.peer.ready(drama.now)
    (mended,) = facts(drama, "link_mended")[-1:]
    assert (mended["method"], mended["attempts"]) == ("rebuild", 1)
    assert facts(drama, "attempt")[-1]["outcome"] == "success"
    drama.wait(10.0)
    assert drama.of_kind(StartAttempt) == drama.of_kind(AbandonAttempt) == []


def test_a_link_that_heals_by_itself_ends_its_attempt_quietly():
    """The attempt runs on until its time is over, and is called healed; play is not disturbed."""
    drama = broken()
    drama.mend()
    drama.heal("ben")
    assert facts(drama, "link_mended")[-1]["method"] == "self"
    drama.resume()
    drama.wait(drama.policy.attempt_timeout)
    assert AbandonAttempt("ben", "1.2") in drama.effects
    assert facts(drama, "attempt")[-1]["outcome"] == "healed"
    assert drama.play_now is PLAYING


def test_an_attempt_that_succeeds_where_nothing_is_broken_any_more_is_over():
    """The link healed first; what the attempt made may carry it from now on."""
    drama = broken()
    drama.mend()
    drama.heal("ben")
    drama.hear(AttemptSucceeded("ben", "1.0"))
    assert drama.peer.links["ben"].mending.ladder.attempt is not None
    drama.hear(AttemptSucceeded("ben", "1.2"))
    assert facts(drama, "attempt")[-1]["outcome"] == "healed"
    assert drama.peer.links["ben"].mending.ladder.attempt is None


def test_an_attempt_that_its_library_gives_up_is_followed_by_another():
    """AttemptFailed: the next one after a delay; of another attempt, nothing."""
    drama = broken()
    drama.hear(AttemptFailed("ben", "0.9", "failed"))
    assert drama.peer.links["ben"].mending.ladder.attempt is not None
    drama.hear(AttemptFailed("ben", "1.2", "failed"))
    assert facts(drama, "attempt")[-1]["outcome"] == "failed"
    drama.wait(drama.policy.attempt_delay_max)
    assert drama.of_kind(StartAttempt)[0].attempt_id == "1.3"


def test_what_an_end_cannot_do_is_not_tried_again():
    """unsupported: straight to the next rung, for good."""
    drama = PeerDrama().play()
    drama.cut()
    drama.wait(1.5)
    drama.recover()
    (attempt,) = drama.of_kind(StartAttempt)
    assert attempt.kind is RESTART
    drama.hear(AttemptFailed("ben", attempt.attempt_id, "unsupported"))
    drama.wait(drama.policy.attempt_delay_max)
    assert [one.kind for one in drama.of_kind(StartAttempt)] == [REBUILD]


def test_a_changed_network_is_a_reason_to_try_at_once():
    """NetworkChanged cuts the delay between two attempts short."""
    drama = broken()
    drama.hear(AttemptFailed("ben", "1.2", "failed"))
    drama.hear(NetworkChanged())
    assert [one.attempt_id for one in drama.of_kind(StartAttempt)] == ["1.3"]


def test_a_link_that_is_up_but_never_proven_is_mended_too():
    """After link_lost of patience: what cannot make a round trip is broken, alive or not."""
    drama = PeerDrama().ready()
    drama.far["ben"].mute = True
    drama.views("paused", 2)
    drama.recover()
    begun = []
    for _ in range(12):
        drama.wait(0.1)
        begun += drama.of_kind(StartAttempt)
        answers(drama, Ping(1))  # one way only: we hear, and are not heard
        begun += drama.of_kind(StartAttempt)
    assert drama.peer.links["ben"].up
    assert [one.kind for one in begun] == [RESTART]


def test_a_peer_that_reloads_voids_what_was_under_way():
    """A new generation, a new link: the old attempt is void and its signals are not heard."""
    drama = broken()
    drama.far["ben"].gen = 2
    drama.recover()
    assert facts(drama, "attempt")[-1]["outcome"] == "void"
    drama.far["ben"].gen = 1
    drama.signals("ben", ANSWER, n=1)
    assert drama.of_kind(PassSignal) == drama.of_kind(SendSignal) == []


# -- signals ---------------------------------------------------------------------------------------


def test_what_a_link_says_is_numbered_and_said_to_its_far_end():
    """SignalMade becomes a signal with both generations, the attempt and its kind."""
    drama = broken()
    drama.hear(SignalMade("ben", "1.2", OFFER, "sdp"))
    drama.hear(SignalMade("ben", "1.2", CANDIDATE, "here"))
    (signal,) = drama.said
    assert signal == Signal("ben", 1, 1, 2, "1.2", REBUILD, CANDIDATE, "here")


def test_what_a_link_says_of_another_attempt_is_dropped():
    """A new attempt voids all older ones."""
    drama = broken()
    drama.hear(SignalMade("ben", "0.7", OFFER, "sdp"))
    assert drama.said == []


def test_signals_are_repeated_until_they_are_acknowledged():
    """Every second, and after each attach; an ack silences them."""
    drama = broken()
    drama.hear(SignalMade("ben", "1.2", OFFER, "sdp"))
    drama.wait(1.0)
    assert [signal.n for signal in drama.said] == [1]
    drama.reattach_after_loss()
    assert drama.said == []
    drama.views("reconnecting", 2)
    assert [signal.n for signal in drama.said] == [1]
    drama.hear(SignalAcked(SignalAck("ann", 1, 1, 1, "ben")))
    drama.wait(1.5)
    assert drama.said == []


def test_an_offer_is_taken_up_by_the_end_that_does_not_offer():
    """The attempt is the other's: its id, its kind; the answer goes back under the same id."""
    drama = PeerDrama("cas", "ben").attach().recover()
    drama.signals("ben", OFFER, "1.4", attempt=RESTART, payload="sdp")
    assert drama.of_kind(StartAttempt) == [StartAttempt("ben", "1.4", RESTART, False)]
    assert drama.of_kind(PassSignal) == [PassSignal("ben", "1.4", OFFER, "sdp")]
    assert drama.of_kind(SendSignal) == [SendSignal(SignalAck("ben", 1, 1, 1))]
    drama.hear(SignalMade("ben", "1.4", ANSWER, "mine"))
    assert [signal.attempt_id for signal in drama.said] == ["1.4"]


def test_a_newer_offer_voids_the_older_attempt():
    """attempt_id: a new one voids all older."""
    drama = PeerDrama("cas", "ben").attach().recover()
    drama.signals("ben", OFFER, "1.1")
    drama.signals("ben", OFFER, "1.2")
    assert [one.attempt_id for one in drama.of_kind(StartAttempt)] == ["1.2"]
    assert facts(drama, "attempt")[-1]["outcome"] == "void"


def test_the_end_that_offers_takes_no_offers():
    """Roles are fixed, so there is no glare."""
    drama = broken()
    drama.signals("ben", OFFER, "1.9")
    assert drama.of_kind(StartAttempt) == drama.of_kind(PassSignal) == []


def test_answers_and_candidates_of_the_current_attempt_are_passed_on():
    """Of any other attempt they are stale."""
    drama = broken()
    drama.signals("ben", ANSWER, "1.2", payload="a")
    assert drama.of_kind(PassSignal) == [PassSignal("ben", "1.2", ANSWER, "a")]
    drama.signals("ben", CANDIDATE, "1.2", payload="c")
    assert drama.of_kind(PassSignal) == [PassSignal("ben", "1.2", CANDIDATE, "c")]
    drama.signals("ben", CANDIDATE, "1.0", payload="c")
    assert drama.of_kind(PassSignal) == []


def test_a_signal_that_was_heard_before_is_acknowledged_and_dropped():
    """N <= last: its ack was lost, so it is acked again."""
    drama = broken()
    drama.signals("ben", ANSWER, "1.2")
    drama.signals("ben", ANSWER, "1.2", n=1)
    assert drama.of_kind(PassSignal) == []
    assert drama.of_kind(SendSignal) == [SendSignal(SignalAck("ben", 1, 1, 1))]


def test_signals_to_another_generation_are_not_heard():
    """Neither acknowledged nor passed on: they were meant for somebody else."""
    drama = broken()
    drama.signals("ben", ANSWER, "1.2", gen_to=7)
    assert drama.effects == []


def test_an_abort_ends_the_attempt_at_the_other_end():
    """Whoever answered lets go of it too, and waits for the next offer."""
    drama = PeerDrama("cas", "ben").attach().recover()
    drama.signals("ben", OFFER, "1.2")
    drama.signals("ben", ABORT, "1.0")
    assert drama.of_kind(AbandonAttempt) == []
    drama.signals("ben", ABORT, "1.2")
    assert drama.of_kind(AbandonAttempt) == [AbandonAttempt("ben", "1.2")]
    assert facts(drama, "attempt")[-1]["outcome"] == "timeout"


def test_an_abort_comes_too_late_for_what_carries_the_link():
    """What succeeded here is not abandoned because the other end ran out of time."""
    drama = PeerDrama("cas", "ben").attach().recover()
    drama.signals("ben", OFFER, "1.2")
    drama.hear(AttemptSucceeded("ben", "1.2"))
    drama.signals("ben", ABORT, "1.2")
    assert drama.of_kind(AbandonAttempt) == []


def test_the_end_that_does_not_offer_asks_for_an_attempt():
    """please_restart, once the link had time to heal, then once in each attempt_timeout."""
    drama = PeerDrama("cas", "ben").play()
    drama.cut()
    drama.wait(1.5)
    drama.recover()
    drama.wait(1.1)
    assert [(signal.kind, signal.payload) for signal in drama.said] == [(PLEASE, "")]
    drama.hear(SignalAcked(SignalAck("cas", 1, 1, drama.said[0].n, "ben")))
    drama.wait(drama.policy.attempt_timeout - 1.0)
    assert drama.said == []
    drama.wait(1.0)
    assert [signal.kind for signal in drama.said] == [PLEASE]


def test_the_end_that_asks_says_that_a_restart_would_be_in_vain():
    """Without a channel there is no peer connection left to restart."""
    drama = PeerDrama("cas", "ben").play()
    drama.hear(ChannelChanged("ben", False))
    drama.recover()
    drama.wait(1.0)
    assert [(signal.kind, signal.payload) for signal in drama.said] == [(PLEASE, "rebuild")]


def test_whoever_is_asked_begins_an_attempt_at_a_link_that_it_cannot_prove():
    """please_restart: without waiting for its own patience."""
    drama = PeerDrama().ready()
    drama.far["ben"].mute = True
    drama.views("paused", 2)
    drama.recover()
    assert drama.of_kind(StartAttempt) == []
    drama.signals("ben", PLEASE, "")
    assert [one.kind for one in drama.of_kind(StartAttempt)] == [RESTART]


def test_whoever_is_asked_to_rebuild_does_not_restart():
    """The far end has nothing left that could be restarted."""
    drama = PeerDrama().ready()
    drama.far["ben"].mute = True
    drama.views("paused", 2)
    drama.recover()
    drama.signals("ben", PLEASE, "", payload="rebuild")
    assert [one.kind for one in drama.of_kind(StartAttempt)] == [REBUILD]


def test_a_request_changes_nothing_where_an_attempt_waits_its_turn():
    """The delay between two attempts is kept whoever asks."""
    drama = broken()
    drama.hear(AttemptFailed("ben", "1.2", "failed"))
    next_at = drama.peer.links["ben"].mending.ladder.next_at
    drama.signals("ben", PLEASE, "")
    assert drama.peer.links["ben"].mending.ladder.next_at == next_at


def test_a_request_for_a_proven_link_is_out_of_date():
    """A probe made the round trip since; nothing is broken."""
    drama = PeerDrama().ready()
    drama.signals("ben", PLEASE, "")
    drama.wait(1.0)
    assert drama.of_kind(StartAttempt) == []


def test_a_request_to_the_end_that_does_not_offer_is_nonsense():
    """Only the end that makes the offers can be asked for one."""
    drama = PeerDrama("cas", "ben").attach().recover()
    drama.signals("ben", PLEASE, "")
    assert drama.of_kind(StartAttempt) == []
