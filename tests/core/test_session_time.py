"""What time and broken connections do (table 3c)."""

import pytest

from reconnect.core.events import ConnectionClosed, TimePassed
from reconnect.core.notices import Attached, Detached, Ended, Paused, PlayerDropped, Reconnecting
from tests.core.drama import (
    CONNECTED,
    DOWN,
    ENDED,
    HALTED,
    LEFT,
    PAUSED,
    PLAYING,
    READY,
    RECONNECTING,
    RESUMED,
    UP,
    Drama,
)

# -- connections ---------------------------------------------------------------------------------


def test_a_closed_connection_detaches_its_player():
    """When k closes: conn(p) = none; all others see it; nobody is paused yet, nothing is saved."""
    drama = Drama().play()
    drama.loses("ben")
    assert drama.notices == [Detached("ben")]
    assert drama.receivers == [drama.clients["ann"].conn]
    assert [one.attached for one in drama.view("ann").players] == [True, False]
    assert (drama.state, drama.saved) == (CONNECTED, False)


def test_only_the_current_connection_counts_when_it_closes():
    """The close of k counts only if k is conn(p): what happens to an older one is nothing."""
    drama = Drama().play()
    older = drama.clients["ben"].conn
    drama.dials("ben")
    drama.says("ben", PLAYING)
    before = drama.everything()
    assert drama.hear(ConnectionClosed(older)) == []
    assert drama.hear(ConnectionClosed(999)) == []
    assert drama.everything() == before


def test_the_connection_of_who_has_left_closes_silently():
    """A former member's connection is nobody's news."""
    drama = Drama("ann", "ben", "cas", on_leave="go_on").play()
    drama.says("cas", LEFT)
    assert drama.loses("cas") == []
    assert drama.session.members["cas"].conn is None


@pytest.mark.parametrize("state", [CONNECTED, PAUSED, RECONNECTING])
def test_who_is_silent_is_detached(state):
    """Any state; p silent for silence_timeout: conn(p) = none, and its connection stays open."""
    drama = Drama().play()
    if state is not CONNECTED:
        drama.pause()
    if state is RECONNECTING:
        drama.reconnect()
    silence = drama.policy.silence_timeout
    drama.wait(silence - 0.001, "ann")
    assert drama.session.members["ben"].conn is not None
    drama.wait(0.001, "ann")
    assert drama.session.members["ben"].conn is None
    assert drama.notices == [Detached("ben")]
    assert drama.closed == []
    assert not drama.view("ann").players[1].attached
    assert drama.state is state


def test_who_was_silent_is_bound_again_by_its_next_report():
    """The next report on the same connection binds it: no new dial, no pause, the whole view."""
    drama = Drama().play()
    conn = drama.clients["ben"].conn
    drama.wait(drama.policy.silence_timeout, "ann")
    drama.says("ben", PLAYING, version=drama.session.version)
    assert drama.notices == [Attached("ben", 1)]
    assert drama.closed == []
    assert drama.view(conn).version == drama.session.version
    assert drama.view("ann").players[1].attached
    assert drama.session.members["ben"].conn == conn
    drama.wait(60.0, "ann", "ben")
    assert drama.session.outages == 0


def test_the_close_of_a_connection_already_given_up_is_no_news():
    """Detached for silence, then closed: the grace goes on from the silence, nobody hears twice."""
    drama = Drama().play()
    drama.wait(drama.policy.silence_timeout, "ann")
    since = drama.session.members["ben"].detached_at
    drama.now += 1.0
    assert drama.loses("ben") == []
    assert drama.session.members["ben"].detached_at == since


# -- losing somebody -----------------------------------------------------------------------------


@pytest.mark.parametrize("state", [CONNECTED, RESUMED])
@pytest.mark.parametrize("topology", ["relayed", "server", "mesh"])
def test_a_player_without_a_connection_pauses_all_after_a_grace(state, topology):
    """connected, resumed; member p without conn for control_grace_period: PAUSE(control_lost)."""
    drama = Drama(topology=topology, resume_timeout=30.0).play()
    if state is RESUMED:
        drama.pause().resume()
    drama.loses("ben")
    grace = drama.policy.control_grace_period
    drama.wait(grace - 0.001, "ann")
    assert drama.state is state
    drama.wait(0.001, "ann")
    assert drama.notices[0] == Paused("control_lost", frozenset({"ben"}), 1)
    assert drama.state is (RECONNECTING if topology == "server" else PAUSED)


def test_a_blip_shorter_than_the_grace_pauses_nobody():
    """Whoever dials again within control_grace_period has interrupted nothing."""
    drama = Drama().play()
    for _ in range(5):
        drama.loses("ben")
        drama.wait(drama.policy.control_grace_period - 0.001, "ann")
        drama.dials("ben")
        drama.says("ben", PLAYING)
    assert (drama.state, drama.session.epoch) == (CONNECTED, 1)


@pytest.mark.parametrize("state", [CONNECTED, RESUMED])
def test_a_bound_that_runs_out_pauses_all(state):
    """connected, resumed; bound(p) runs out for a member: PAUSE(control_lost), and p is halted.

    The grace outlasts it here: short blips, and never a report that is accepted.
    """
    policy = {"lease": 2.0, "lease_bound": 2.4, "silence_timeout": 1.0, "resume_timeout": 30.0}
    drama = Drama(control_grace_period=1.0, heartbeat_interval=0.4, **policy).play()
    if state is RESUMED:
        drama.pause().resume()
    heard_at = drama.now
    drama.wait(1.99, "ann")
    drama.session.members["ben"].detached_at = drama.now  # as if its grace had just begun
    drama.wait(heard_at + 2.4 - drama.now - 0.001, "ann")
    assert drama.state is state
    drama.wait(0.001, "ann")
    assert drama.notices[0] == Paused("control_lost", frozenset({"ben"}), 1)
    drama.says("ann")
    assert drama.state is RECONNECTING


def test_who_is_not_in_the_game_is_not_missed():
    """A former member without connection and without reports pauses nobody."""
    drama = Drama("ann", "ben", "cas", on_leave="go_on").play()
    drama.says("cas", LEFT)
    drama.loses("cas")
    drama.resume()
    drama.all_say(PLAYING)
    drama.wait(60.0, "ann", "ben")
    assert (drama.state, drama.session.epoch) == (CONNECTED, 2)


@pytest.mark.parametrize("state", [PAUSED, RECONNECTING])
def test_who_is_lost_in_an_outage_opens_no_other(state):
    """paused, reconnecting: absence is waited for until the deadline, in the same epoch."""
    drama = Drama().play().pause("ann")
    if state is RECONNECTING:
        drama.reconnect()
    drama.loses("ben")
    drama.wait(29.9, "ann")
    assert (drama.session.epoch, drama.session.outages) == (2, 1)
    assert drama.state is RECONNECTING


def test_resumed_does_not_last_for_ever():
    """resumed; resume_timeout since entry: PAUSE(resume_failed) (M16)."""
    drama = Drama().play().pause().resume()
    drama.says("ann", PLAYING)
    drama.wait(drama.policy.resume_timeout - 0.001, "ann", "ben")
    assert drama.state is RESUMED
    drama.wait(0.001, "ann", "ben")
    assert drama.notices == [Paused("resume_failed", frozenset(), 1)]
    assert drama.session.epoch == 3


def test_two_reasons_at_the_same_instant_are_one_pause():
    """The resume timeout and a lost player in one event: the epoch rises by one."""
    drama = Drama().play().pause().resume()
    drama.loses("ben")
    drama.now += drama.policy.resume_timeout
    drama.due()
    assert drama.session.epoch == 3
    assert [type(notice) for notice in drama.notices].count(Paused) == 1


# -- the deadline --------------------------------------------------------------------------------


def test_an_outage_that_nobody_could_mend_ends_the_session():
    """reconnecting; now >= deadline: ended(`timeout`), told to all who are there."""
    drama = Drama().play().pause().reconnect()
    drama.loses("ben")
    drama.wait(29.999, "ann")
    assert drama.state is RECONNECTING
    drama.wait(0.001, "ann")
    assert drama.notices == [Ended("timeout")]
    assert drama.view("ann").reason == "timeout"
    assert drama.session.paused_total == pytest.approx(30.0)


@pytest.mark.parametrize("on_deadline", ["end", "go_on"])
def test_nobody_is_dropped_before_all_are_known_to_have_stopped(on_deadline):
    """paused; now >= deadline: ended, even where survivors could go on (M15)."""
    drama = Drama("ann", "ben", "cas", topology="relayed", on_deadline=on_deadline).play()
    drama.pause("ann")
    drama.says("ben")
    drama.wait(29.999, "ann", "ben", "cas")
    assert drama.state is PAUSED
    drama.wait(0.001, "ann", "ben", "cas")
    assert drama.notices == [Ended("timeout")]
    assert drama.session.players == ["ann", "ben", "cas"]


def test_the_time_for_the_first_start_ends_in_paused_too():
    """paused; now >= deadline before the first start: ended(`never_started`)."""
    drama = Drama()
    drama.enters("ann")
    drama.enters("ben")
    drama.says("ann", READY)
    drama.wait(119.999, "ben")
    drama.clients["ben"].epoch = 0
    drama.enters("ben")
    drama.wait(0.002, "ann", "ben")
    assert drama.session.reason == "never_started"


def shortage(topology: str = "mesh", **policy: object) -> Drama:
    """Three players reconnecting; ann and ben are linked and attached, cas is away."""
    policy = {"on_deadline": "go_on"} | policy
    drama = Drama("ann", "ben", "cas", topology=topology, **policy).play().pause("ann")
    drama.says("ann", links={"ben": UP, "cas": DOWN})
    drama.says("ben", links={"ann": UP, "cas": DOWN})
    drama.says("cas", links={"ann": DOWN, "ben": DOWN})
    assert drama.state is RECONNECTING
    return drama


@pytest.mark.parametrize("topology", ["mesh", "star", "relayed", "server"])
def test_the_survivors_go_on_without_the_rest(topology):
    """reconnecting; now >= deadline, on_deadline `go_on`: players = survivors, a new deadline."""
    drama = shortage(topology)
    drama.loses("cas")
    drama.wait(29.999, "ann", "ben")
    assert drama.session.players == ["ann", "ben", "cas"]
    drama.wait(0.001, "ann", "ben")
    assert drama.notices == [PlayerDropped("cas", "dropped")]
    assert drama.session.players == ["ann", "ben"]
    assert (drama.state, drama.session.epoch) == (RECONNECTING, 2)
    assert drama.left_of_outage() == pytest.approx(30.0)
    assert drama.stored.players == ("ann", "ben")
    assert [one.id for one in drama.view("ann").players] == ["ann", "ben"]
    drama.all_say(READY)
    drama.all_say(PLAYING)
    assert drama.state is CONNECTED
    drama.dials("cas")
    drama.says("cas", HALTED)
    assert (drama.view("cas").state, drama.view("cas").reason) == (ENDED, "dropped")


def test_where_nobody_may_be_dropped_the_deadline_is_the_end():
    """reconnecting; now >= deadline, on_deadline `end`: ended(`timeout`), survivors or not."""
    drama = shortage(on_deadline="end")
    drama.loses("cas")
    drama.wait(30.0, "ann", "ben")
    assert drama.notices == [Ended("timeout")]
    assert drama.session.players == ["ann", "ben", "cas"]


def test_who_is_there_but_without_links_is_told_that_it_is_out():
    """go_on: personal ended(`dropped`) and `bye` to those who are connected but not linked."""
    drama = shortage()
    drama.wait(30.0, "ann", "ben", "cas")
    farewell = drama.view("cas")
    conn = drama.clients["cas"].conn
    assert (farewell.state, farewell.reason, farewell.resume) == (ENDED, "dropped", None)
    assert (farewell.gen, farewell.ack) == (1, drama.clients["cas"].seq)
    assert [one.id for one in farewell.players] == ["ann", "ben"]
    assert drama.closed == [conn]
    assert drama.session.members["cas"].conn is None
    assert drama.hear(ConnectionClosed(conn)) == []


def test_survivors_who_were_ready_are_resumed_in_the_same_event():
    """go_on, then EVAL: those who waited only for the lost player begin at once."""
    drama = shortage()
    drama.says("ann", READY, frame=5)
    drama.says("ben", READY, frame=6)
    drama.loses("cas")
    drama.wait(30.0, "ann", "ben")
    assert drama.state is RESUMED
    assert drama.session.resume_frame == 5
    assert drama.view("ben").state is RESUMED


def test_an_outage_goes_on_counting_when_players_are_dropped():
    """go_on renews the deadline, not the outage: one record, from the pause to connected."""
    drama = shortage()
    drama.loses("cas")
    drama.wait(40.0, "ann", "ben")
    drama.all_say(READY)
    drama.all_say(PLAYING)
    assert drama.session.outages == 1
    assert drama.session.paused_total == pytest.approx(40.0)


def test_too_few_survivors_end_the_session():
    """go_on with survivors < players_min: ended(`timeout`), nobody is dropped before."""
    drama = shortage(players_min=3)
    drama.loses("cas")
    drama.wait(30.0, "ann", "ben")
    assert drama.notices == [Ended("timeout")]
    assert drama.session.players == ["ann", "ben", "cas"]


def test_where_nobody_is_missing_nobody_can_be_dropped():
    """go_on with survivors == players, who were never ready: ended(`timeout`)."""
    drama = shortage("relayed")
    drama.wait(30.0, "ann", "ben", "cas")
    assert drama.notices == [Ended("timeout")]


def test_every_shortage_ends_some_time():
    """go_on drops somebody each time, so a session that is never ready ends (I5c)."""
    drama = Drama("ann", "ben", "cas", topology="relayed", on_deadline="go_on").play()
    drama.pause().reconnect()
    drama.loses("cas")
    drama.wait(30.0, "ann", "ben")
    assert drama.state is RECONNECTING
    drama.loses("ben")
    drama.wait(30.0, "ann")
    assert drama.notices == [Ended("timeout")]


def test_a_star_without_its_hub_cannot_go_on():
    """go_on, star, hub absent: survivors none -> ended(`timeout`)."""
    drama = shortage("star", players_min=1)
    drama.says("ben", links={"ann": UP, "cas": UP})
    drama.says("cas", links={"ann": UP, "ben": UP})
    drama.loses("ann")
    drama.wait(30.0, "ben", "cas")
    assert drama.notices == [Ended("timeout")]


def test_the_links_of_an_older_epoch_save_nobody():
    """survivors: links by both ends' last reports of this epoch, not of the one before."""
    drama = Drama("ann", "ben", "cas", on_deadline="go_on").play()
    drama.all_say(PLAYING, links={"ann": UP, "ben": UP, "cas": UP})
    drama.loses("ben")
    drama.loses("cas")
    drama.wait(6.0, "ann")
    drama.says("ann")
    drama.wait(6.0, "ann")
    assert drama.state is RECONNECTING
    drama.dials("ben")
    assert drama.clients["ben"].epoch == 1
    drama.wait(24.0, "ann", "ben")
    assert drama.notices[-1] == Ended("timeout")


def test_a_first_start_can_go_on_without_who_never_came():
    """go_on holds for the first start as well: who came within start_timeout begins."""
    drama = Drama("ann", "ben", "cas", topology="relayed", on_deadline="go_on")
    drama.enters("ann")
    drama.enters("ben")
    drama.says("ann", READY)
    drama.says("ben", READY)
    assert drama.notices == [Reconnecting(frozenset({"cas"}))]
    drama.wait(120.0, "ann", "ben")
    assert drama.state is RESUMED
    assert drama.session.players == ["ann", "ben"]


# -- when to look --------------------------------------------------------------------------------


def test_the_deadline_is_what_comes_first():
    """`deadline` is the earliest instant at which time alone changes something."""
    drama = Drama().play()
    policy, began = drama.policy, drama.now
    assert drama.session.deadline == began + policy.silence_timeout
    drama.loses("ben")
    drama.now += 1.0
    drama.says("ann", PLAYING)
    assert drama.session.deadline == began + policy.control_grace_period
    drama.says("ann", HALTED, 2)
    assert drama.session.deadline == drama.now + policy.silence_timeout
    drama.loses("ann")
    assert drama.session.deadline == began + policy.lease_bound
    drama.wait_until_due()
    assert drama.state is RECONNECTING
    assert drama.session.deadline == began + 1.0 + 30.0


def test_looking_too_early_changes_nothing():
    """TimePassed before `deadline` is always allowed and has no effect."""
    drama = Drama().play()
    before = drama.everything()
    drama.now = drama.session.deadline - 0.001
    assert drama.hear(TimePassed()) == []
    assert drama.everything() == before


def test_an_outage_has_no_say_while_all_are_about_to_play():
    """In resumed the deadline of the outage waits: only a new pause lets it end the session."""
    drama = Drama(resume_timeout=8.0).play().pause().reconnect()
    drama.wait(29.0, "ann", "ben")
    drama.resume()
    drama.wait(2.0, "ann", "ben")
    drama.due()
    assert drama.state is RESUMED
    drama.says("ben", HALTED, 3)
    assert drama.state is PAUSED
    drama.due()
    assert drama.notices == [Ended("timeout")]
