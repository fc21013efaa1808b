"""Every sentence on why a session or a client is where it is."""

import pytest

from reconnect.core.effects import StartAttempt
from reconnect.core.events import AttemptFailed, ChannelChanged, DataOffered
from reconnect.core.explain import explain_peer, explain_session
from reconnect.core.messages import AttemptKind, Kind, LinkReport, Phase
from tests.core.drama import DOWN, HALTED, READY, UP, Drama
from tests.core.drama import PLAYING as SAYS_PLAYING
from tests.core.peer_drama import PeerDrama


def of(drama: Drama) -> str:
    return explain_session(drama.session, drama.now)


def why(drama: PeerDrama) -> str:
    return explain_peer(drama.peer, drama.now)


# -- a session -------------------------------------------------------------------------------------


def test_a_session_that_is_connected_names_who_plays():
    """connected: who, and in which epoch."""
    assert of(Drama().play()) == "connected: ann, ben play in epoch 1"


def test_a_session_that_has_ended_says_why():
    """ended: the reason."""
    drama = Drama().play()
    drama.host_ends("completed")
    assert of(drama) == "ended: completed"


def test_a_session_that_is_paused_says_until_when_it_waits_for_whom():
    """Everybody has promised, or their lease's bound runs out."""
    drama = Drama().play()
    drama.now += 1.0
    drama.pause("ann")
    drama.now += 0.25
    assert of(drama) == (
        "paused for 0.2 s (late); waits to know that play has stopped: ben within 9.2 s; "
        "ends in 29.8 s"
    )


def test_a_session_that_is_paused_waits_for_older_clients_of_those_who_left_too():
    """A fence outlives its player's membership."""
    drama = Drama("ann", "ben", "cas", on_leave="go_on").play()
    drama.enters("cas")
    drama.says("cas", Phase.LEFT)
    drama.says("ann", HALTED)
    drama.says("ben", HALTED)
    assert of(drama) == (
        "paused for 0.0 s (player_left); waits to know that play has stopped: cas within 10.5 s; "
        "ends in 30.0 s"
    )


@pytest.mark.parametrize(
    ("start_timeout", "end"), [(120.0, "ends in 120.0 s"), (None, "may wait for ever")]
)
def test_before_the_first_start_nothing_is_an_outage(start_timeout, end):
    """It lasts since nothing, and may have no deadline."""
    drama = Drama(start_timeout=start_timeout)
    drama.due()
    assert of(drama) == (
        "reconnecting before the first start; waits for ann: not attached; ben: not attached; "
        f"{end}"
    )


@pytest.mark.parametrize(
    ("links", "obstacle"),
    [
        ({"ben": DOWN}, "link to ben down"),
        (
            {"ben": LinkReport(False, "silent", 3, AttemptKind.RESTART)},
            "link to ben down, attempt 3 (restart)",
        ),
        ({"ben": LinkReport(False, "silent", 2)}, "link to ben down, attempt 2"),
        ({"ben": UP}, "link not proven or game not synced"),
    ],
)
def test_a_session_that_is_reconnecting_says_what_each_member_lacks(links, obstacle):
    """Who is ready is not named; who is away, or has which link down, is."""
    drama = Drama("ann", "ben", "cas").play().pause("ann").reconnect()
    drama.loses("cas")
    drama.says("ann", HALTED, links=links)
    drama.says("ben", READY)
    assert of(drama) == (
        f"reconnecting for 0.0 s (late); waits for ann: attached, {obstacle}; cas: not attached; "
        "ends in 30.0 s"
    )


def test_a_session_that_is_reconnecting_says_who_has_not_stopped_yet():
    """After a restart of the coordinator nobody has said so to this process."""
    drama = Drama().play().pause().reconnect()
    drama.restarts()
    drama.says("ann", SAYS_PLAYING, 1)
    drama.says("ben", READY)
    assert "waits for ann: attached, not halted yet; ends" in of(drama)


def test_a_session_that_waits_for_nobody_says_so():
    """A moment that no event leaves behind, but a sentence all the same."""
    drama = Drama("ann", "ben").play().pause().reconnect()
    drama.session.members["ann"].ready = drama.session.members["ben"].ready = True
    assert "waits for nothing; ends" in of(drama)


def test_a_session_that_is_resumed_says_who_does_not_play_yet():
    """resumed: who has started is no longer named."""
    drama = Drama().play().pause()
    drama.resume()
    assert of(drama) == "resumed at frame 0; waits for ann, ben to play"
    drama.says("ann", SAYS_PLAYING)
    assert of(drama) == "resumed at frame 0; waits for ben to play"
    drama.session.members["ben"].started = True
    assert of(drama) == "resumed at frame 0; waits for nobody to play"


# -- a client --------------------------------------------------------------------------------------


def test_a_client_that_has_ended_says_why():
    """ended: the reason, as the client knows it."""
    drama = PeerDrama().play()
    drama.views("ended", 1, reason="timeout")
    assert why(drama) == "ended: timeout"


def test_a_client_that_plays_says_for_how_long_it_may():
    """Its epoch and what is left of its lease, resumed or connected."""
    drama = PeerDrama()
    drama.ready().resume()
    assert why(drama) == "resumed: playing in epoch 1, lease for 10.0 s"
    drama.views("connected", 1)
    drama.now += 1.5
    assert why(drama) == "connected: playing in epoch 1, lease for 8.5 s"


def test_a_client_that_is_armed_says_when_it_plays():
    """The agreed frame and instant."""
    drama = PeerDrama().ready().resume(2.5, frame=7)
    assert why(drama) == "resumed: plays from frame 7 in 2.5 s"


def test_a_client_waits_for_the_coordinator():
    """Its control link, and when it dials."""
    drama = PeerDrama(seed=4)
    assert why(drama) == "paused (start); waits for the coordinator: control link closed"
    drama.due()
    assert why(drama) == "paused (start); waits for the coordinator: control link dialling"
    drama.attach()
    for _ in range(6):
        drama.loses_control()
    wait = drama.peer.control.redial_at - drama.now
    assert why(drama) == (
        f"paused (start); waits for the coordinator: control link closed, dials in {wait:.1f} s"
    )


def test_a_client_waits_for_a_link():
    """Down, being mended, or up and not proven."""
    drama = PeerDrama().play()
    drama.cut()
    drama.wait(1.0)
    assert why(drama) == (
        "paused (link_lost); waits for ben: link down, attempt 1 (restart) in 0.2 s"
    )
    drama.recover()
    drama.wait(0.3)
    assert why(drama) == (
        "reconnecting (link_lost); waits for ben: link down, attempt 1 (restart) under way"
    )
    drama.mend()
    drama.far["ben"].mute = True
    drama.peer.links["ben"].detector.heard(drama.now)
    assert why(drama) == "reconnecting (link_lost); waits for ben: link up, not proven yet"


def test_a_client_that_does_not_offer_says_no_more_than_that_a_link_is_down():
    """When the next attempt begins is known at the other end only."""
    drama = PeerDrama("cas", "ben").attach()
    assert why(drama) == "paused (start); waits for ben: link down"


def test_an_attempt_that_is_due_is_not_due_in_the_past():
    """What waits for leave to begin is due in 0.0 s."""
    drama = PeerDrama().play()
    drama.hear(ChannelChanged("ben", False))
    drama.now += 5.0
    assert why(drama) == (
        "paused (link_lost); waits for ben: link down, attempt 1 (rebuild) in 0.0 s"
    )


def test_a_client_waits_until_what_it_sent_has_arrived():
    """The link is proven, the game not yet in step."""
    drama = PeerDrama().play()
    drama.far["ben"].mute = True
    drama.hear(DataOffered(b"x"))
    drama.hear(DataOffered(b"y"))
    drama.views("reconnecting", 2, cause="control_lost")
    assert why(drama) == (
        "reconnecting (control_lost); waits for ben: link up, 2 messages not yet acknowledged"
    )


def test_a_client_whose_data_are_relayed_waits_for_them_too():
    """There is no link that could be up or down."""
    drama = PeerDrama(topology="relayed").play()
    drama.far["ben"].attached = False
    drama.views("connected", 1)
    drama.hear(DataOffered(b"x"))
    drama.views("reconnecting", 2, cause="control_lost")
    assert why(drama) == (
        "reconnecting (control_lost); waits for ben: by relay, 1 messages not yet acknowledged"
    )


def test_a_client_waits_for_those_who_have_not_come_are_away_or_not_ready():
    """Everybody who holds it up is named, and nobody else."""
    drama = PeerDrama("ann", "ben", "cas", "dee", "eve")
    drama.far["dee"].gen = 0
    drama.far["eve"].phase = Phase.READY
    drama.attach().recover().connect()
    drama.far["ben"].attached = False
    drama.recover()
    assert why(drama) == (
        "reconnecting (start); waits for dee: has not come yet; ben: not attached; cas: not ready"
    )


def test_a_client_that_lacks_nothing_waits_for_the_coordinators_word():
    """All it can do is done."""
    drama = PeerDrama()
    drama.far["ben"].phase = Phase.READY
    drama.ready()
    assert why(drama) == "reconnecting (start); waits for the coordinator's word"


def test_a_client_that_was_only_offered_a_seat_has_met_nobody():
    """Attached, but without a view of the session."""
    drama = PeerDrama(kind=Kind.BROWSER)
    drama.due()
    drama.opens()
    drama.views("paused", 0, version=0, ack=0)
    drama.peer.view = None
    assert why(drama) == "paused (start); waits for the coordinator's word"


def test_a_failed_attempt_is_followed_by_the_next_number():
    """The sentence counts attempts as the record does."""
    drama = PeerDrama().play()
    drama.hear(ChannelChanged("ben", False))
    drama.recover()
    (attempt,) = drama.of_kind(StartAttempt)
    drama.hear(AttemptFailed("ben", attempt.attempt_id, "failed"))
    assert "attempt 2 (rebuild) in 0." in why(drama)
