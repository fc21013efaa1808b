"""A session's states: how it is born, what moves it on, what it says, and how it ends.

Pauses are in `test_session_pause`, reports in `test_session_reports`, seats in
`test_session_seats`, time and connections in `test_session_time`, process starts in
`test_session_restart`, random histories in `test_session_histories`.
"""

from math import inf

import pytest

from reconnect.core.events import ApplicationEnded, FrameReached, TimePassed, TokenIssued
from reconnect.core.messages import ShortView
from reconnect.core.notices import Connected, Ended, Paused, Reconnecting, Resumed
from reconnect.errors import NoSuchPlayer, SessionEnded
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


def bits(drama: Drama, player: str) -> tuple[bool, bool, bool]:
    member = drama.session.members[player]
    return member.promised, member.ready, member.started


# -- birth ---------------------------------------------------------------------------------------


def test_the_first_start_is_the_ordinary_barrier():
    """Born paused: all come, all are ready, all play; and nothing of it counts as a pause."""
    drama = Drama()
    for player in drama.players:
        drama.enters(player)
        assert drama.state is PAUSED
    drama.says("ann", READY)
    assert drama.state is PAUSED
    drama.says("ben", READY)
    assert drama.state is RESUMED
    drama.says("ann", PLAYING)
    assert drama.state is RESUMED
    drama.says("ben", PLAYING)
    assert drama.state is CONNECTED
    assert drama.notices == [Connected(0.0)]
    session = drama.session
    assert (session.outages, session.paused_total) == (0, 0.0)
    assert (session.epoch, session.ends_at) == (1, None)


def test_where_nobody_ever_came_everybody_is_halted():
    """A session just born is due at once, and reconnecting as soon as time is looked at."""
    drama = Drama()
    assert drama.session.deadline <= drama.now
    drama.due()
    assert drama.state is RECONNECTING
    assert drama.notices == [Reconnecting(frozenset({"ann", "ben"}))]


@pytest.mark.parametrize("came", [(), ("ann",), ("ann", "ben")])
def test_a_session_that_does_not_start_in_time_ends(came):
    """Birth: deadline = start_timeout -> ended(`never_started`)."""
    drama = Drama()
    for player in came:
        drama.enters(player)
    drama.wait(119.9, *came)
    assert drama.state is not ENDED
    drama.wait(0.2, *came)
    assert drama.notices[-1] == Ended("never_started")
    assert drama.session.paused_total == 0.0


def test_a_session_without_start_timeout_waits_for_ever():
    """start_timeout None: no deadline is pending until somebody comes."""
    drama = Drama(start_timeout=None)
    drama.due()
    assert (drama.state, drama.session.deadline) == (RECONNECTING, inf)
    drama.now += 1e6
    drama.enters("ann")
    drama.enters("ben")
    drama.resume()


def test_a_first_start_that_fails_is_tried_again_within_its_own_time():
    """Paused out of resumed before the first start: no outage opens, start_timeout goes on."""
    drama = Drama()
    drama.enters("ann")
    drama.enters("ben")
    drama.resume()
    ends_at = drama.session.ends_at
    drama.pause("ben")
    assert drama.notices == [Paused("late", frozenset(), 0)]
    assert (drama.session.outages, drama.session.ends_at) == (0, ends_at)
    drama.resume()
    drama.all_say(PLAYING)
    assert drama.notices == [Connected(0.0)]


# -- paused -> reconnecting ----------------------------------------------------------------------


def test_reconnecting_begins_when_all_have_promised():
    """Paused -> reconnecting: all players halted(p), here by their word."""
    drama = Drama("ann", "ben", "cas").play().pause("ann")
    drama.says("ben")
    assert drama.state is PAUSED
    drama.says("cas")
    assert drama.state is RECONNECTING
    assert drama.notices == [Reconnecting(frozenset())]
    assert drama.saved
    assert [drama.view(player).state for player in drama.players] == [RECONNECTING] * 3


def test_reconnecting_begins_only_after_every_absent_players_bound_has_run_out():
    """Who is away may play for lease_bound after its last report; then it counts as halted."""
    drama = Drama().play()
    heard_at = drama.now
    drama.loses("ben")
    drama.wait(1.0, "ann")
    drama.pause("ann")
    bound = drama.policy.lease_bound
    drama.wait(heard_at + bound - drama.now - 0.001, "ann")
    assert drama.state is PAUSED
    drama.wait(0.001, "ann")
    assert drama.state is RECONNECTING
    assert drama.now == pytest.approx(heard_at + bound)
    assert drama.notices == [Reconnecting(frozenset({"ben"}))]


def test_with_topology_server_nobody_is_waited_for():
    """halted(p) is true in topology server: a pause is reconnecting in the same event."""
    drama = Drama(topology="server").play()
    drama.says("ann", HALTED, 2)
    assert drama.state is RECONNECTING
    assert drama.notices == [Paused("late", frozenset(), 1), Reconnecting(frozenset())]


# -- reconnecting -> resumed ---------------------------------------------------------------------


def test_all_ready_is_resumed_in_one_event_with_one_save():
    """One event makes at most one save; its notices list every transition passed."""
    drama = Drama().play().pause("ann")
    drama.says("ann", READY)
    drama.says("ben", READY, frame=9)
    assert drama.state is RESUMED
    assert drama.notices == [Reconnecting(frozenset()), Resumed(0, 0.02)]
    assert drama.saved
    assert {drama.view(player).state for player in drama.players} == {RESUMED}


@pytest.mark.parametrize("topology", ["mesh", "relayed", "server"])
def test_who_is_not_attached_holds_everybody_up(topology):
    """Reconnecting -> resumed: all players attached and ready, not only ready."""
    drama = Drama(topology=topology).play().pause("ann")
    drama.says("ben", READY)
    drama.loses("ben")
    drama.says("ann", READY)
    assert drama.state is RECONNECTING
    drama.dials("ben")
    drama.says("ben", READY)
    assert drama.state is RESUMED


def test_who_is_no_longer_ready_holds_everybody_up():
    """A report says all of a client: halted takes an earlier ready back."""
    drama = Drama().play().pause("ann")
    drama.says("ben", READY)
    drama.says("ben", HALTED)
    drama.says("ann", READY)
    assert drama.state is RECONNECTING


def test_at_the_deadline_it_is_too_late_to_be_ready():
    """Reconnecting -> resumed only while now < deadline; what is due ends the session."""
    drama = Drama().play().pause().reconnect()
    drama.wait(29.0, "ann", "ben")
    drama.now += 1.0
    drama.all_say(READY)
    assert drama.state is RECONNECTING
    drama.due()
    assert (drama.state, drama.session.reason) == (ENDED, "timeout")


def test_just_before_the_deadline_it_is_not():
    """A millisecond before the deadline all ready is resumed."""
    drama = Drama().play().pause().reconnect()
    drama.wait(29.0, "ann", "ben")
    drama.now += 0.999
    drama.resume()


def test_everybody_resumes_from_the_least_frame():
    """resume.frame = the least frame among the members' last `ready` reports."""
    drama = Drama("ann", "ben", "cas").play().pause()
    for player, frame in (("ann", 72), ("ben", 70), ("cas", 71)):
        drama.says(player, READY, frame=frame)
    assert drama.notices[-1] == Resumed(70, 0.02)
    resume = drama.view("ann").resume
    assert resume is not None
    assert resume.frame == 70
    assert drama.stored.resume_frame == 70


def test_with_topology_server_everybody_resumes_where_the_server_is():
    """Topology server: resume.frame = session.frame."""
    drama = Drama(topology="server").play()
    drama.hear(FrameReached(500))
    drama.pause("ann")
    drama.says("ann", READY, frame=3)
    drama.says("ben", READY, frame=4)
    assert drama.notices[-1] == Resumed(500, 0.02)


def test_everybody_starts_when_the_slowest_has_heard_of_it():
    """start_at = now + countdown + max over members of rtt/2 + 20 ms."""
    drama = Drama(countdown=3.0).play().pause("ann")
    drama.says("ann", READY, rtt=0.4)
    drama.says("ben", READY, rtt=0.1)
    assert drama.session.resume_at == pytest.approx(drama.now + 3.0 + 0.2 + 0.02)
    notice = drama.notices[-1]
    assert isinstance(notice, Resumed)
    assert notice.starts_in == pytest.approx(3.22)


def test_a_round_trip_time_holds_until_another_is_reported():
    """A report without rtt leaves the last one standing."""
    drama = Drama().play()
    drama.says("ann", PLAYING, rtt=0.4)
    drama.pause("ann").resume()
    assert drama.session.resume_at == pytest.approx(drama.now + 0.22)


@pytest.mark.parametrize("countdown", [0.0, 3.0])
def test_no_round_trip_time_moves_the_start_beyond_the_resume_timeout(countdown):
    """start_at is always less than resume_timeout from now, whatever a client says of itself."""
    drama = Drama(countdown=countdown).play().pause("ann")
    drama.says("ann", READY, rtt=1e9)
    drama.says("ben", READY)
    assert drama.session.resume_at is not None
    lead = drama.session.resume_at - drama.now
    assert countdown < lead < drama.policy.resume_timeout


# -- resumed -> connected ------------------------------------------------------------------------


def test_connected_when_all_have_started():
    """Resumed -> connected: all players started(p); the outage closes; deadline = none."""
    drama = Drama().play()
    drama.wait(1.0, "ann", "ben")
    drama.pause()
    drama.wait(2.5, "ann", "ben")
    drama.resume()
    drama.wait(0.5, "ann", "ben")
    drama.says("ann", PLAYING)
    assert drama.state is RESUMED
    drama.says("ben", PLAYING)
    assert drama.state is CONNECTED
    (notice,) = drama.notices
    assert isinstance(notice, Connected)
    assert notice.paused == pytest.approx(3.0)
    session, stored = drama.session, drama.stored
    assert session.paused_total == pytest.approx(3.0)
    assert (session.ends_at, session.outage_started_at, session.cause) == (None, None, None)
    assert (stored.deadline, stored.outage_started_at, stored.outages) == (None, None, 1)
    assert stored.resume_at is None
    assert drama.view("ann").state is drama.view("ben").state is CONNECTED


def test_a_start_counts_only_from_the_resume_on():
    """Entering resumed clears `started`: playing of before is no start."""
    drama = Drama().play().pause()
    drama.says("ben", PLAYING)
    assert bits(drama, "ben") == (False, False, False)
    drama.session.members["ben"].started = True
    drama.resume()
    assert [bits(drama, player)[2] for player in drama.players] == [False, False]


# -- the application -----------------------------------------------------------------------------


@pytest.mark.parametrize("state", [PAUSED, RECONNECTING, RESUMED, CONNECTED])
def test_the_host_can_end_the_session_in_every_living_state(state):
    """Any but ended -> ended: the host's reason, to all; an open outage closes; no deadline."""
    drama = Drama().play()
    if state is not CONNECTED:
        drama.pause()
    if state is RECONNECTING:
        drama.reconnect()
    if state is RESUMED:
        drama.resume()
    assert drama.state is state
    drama.now += 2.0
    drama.host_ends("completed")
    assert drama.notices == [Ended("completed")]
    assert {drama.view(player).reason for player in drama.players} == {"completed"}
    assert {drama.view(player).state for player in drama.players} == {ENDED}
    session = drama.session
    assert (session.ends_at, session.outage_started_at, session.resume_at) == (None, None, None)
    assert session.paused_total == pytest.approx(0.0 if state is CONNECTED else 2.0)
    assert (drama.stored.state, drama.stored.reason) == (ENDED, "completed")


def test_ended_has_no_exit():
    """I1: after the end every event leaves the session as it is, and no deadline is pending."""
    drama = Drama().play()
    drama.host_ends()
    before = drama.stored
    assert drama.session.deadline == inf
    for _ in range(2):
        drama.says("ann", PLAYING)
        drama.says("ben", LEFT)
        drama.says("ann", HALTED, 7)
        drama.loses("ben")
        drama.now += 1000.0
        assert drama.hear(TimePassed()) == []
    assert drama.session.record(drama.now) == before
    assert drama.session.deadline == inf


@pytest.mark.parametrize("event", [ApplicationEnded("again"), TokenIssued("ann", "digest")])
def test_nothing_can_be_done_to_an_ended_session(event):
    """The host is told that the session has ended, and why; and nothing changes."""
    drama = Drama().play()
    drama.host_ends("completed")
    before = drama.everything()
    with pytest.raises(SessionEnded) as caught:
        drama.session.handle(event, now=drama.now)
    assert (caught.value.session, caught.value.reason) == ("game", "completed")
    assert drama.everything() == before


def test_a_token_is_stored_before_it_opens_the_seat():
    """TokenIssued replaces the seat's digest in a save of its own, and disturbs nobody."""
    drama = Drama().play()
    for digest in ("old", "new"):
        drama.hear(TokenIssued("ben", digest))
        assert (drama.saved, drama.notices, drama.receivers) == (True, [], [])
        assert [seat.token_digest for seat in drama.stored.seats] == [None, digest]
    drama.restarts()
    assert drama.session.members["ben"].token_digest == "new"


def test_a_token_for_a_stranger_is_refused():
    """Who never was a player gets no token; and nothing changes."""
    drama = Drama().play()
    before = drama.everything()
    with pytest.raises(NoSuchPlayer):
        drama.session.handle(TokenIssued("zoe", "digest"), now=drama.now)
    assert drama.everything() == before


def test_what_is_no_event_is_our_own_mistake():
    """Every event has a case; anything else raises and changes nothing."""
    drama = Drama().play()
    before = drama.everything()
    with pytest.raises(AssertionError):
        drama.session.handle("pause", now=drama.now)
    assert drama.everything() == before


# -- what is said --------------------------------------------------------------------------------


def test_a_heartbeat_costs_one_short_answer():
    """Nothing new on either side: {version, gen, ack, held} to the sender and nothing else."""
    drama = Drama().play()
    version = drama.session.version
    drama.says("ann", PLAYING, version=version, held=0.25)
    (effect,) = drama.effects
    assert drama.message("ann") == ShortView(
        version, 1, drama.clients["ann"].seq, pytest.approx(0.25)
    )
    assert effect.conn == drama.clients["ann"].conn


@pytest.mark.parametrize(
    ("phase", "behind", "links", "heard_by"),
    [
        (PLAYING, 1, None, ["ann"]),
        (READY, 0, None, ["ann", "ben"]),
        (PLAYING, 0, {"ben": DOWN}, ["ann", "ben"]),
    ],
)
def test_news_are_answered_with_the_whole_view(phase, behind, links, heard_by):
    """Who has not the newest version gets it; a change of a member is told to all."""
    drama = Drama().play()
    drama.says("ann", phase, version=drama.session.version - behind, links=links)
    assert not drama.saved
    assert drama.receivers == [drama.clients[player].conn for player in heard_by]
    assert all(drama.view(player).version == drama.session.version for player in heard_by)


def test_what_was_said_before_is_no_news():
    """The same links again, or none at all, are a heartbeat."""
    drama = Drama().play()
    version = drama.session.version
    drama.says("ann", PLAYING, version=version, links={"ben": UP})
    for links in ({"ben": UP}, None):
        drama.says("ann", PLAYING, version=version, links=links)
        assert isinstance(drama.message("ann"), ShortView)
    assert drama.session.members["ann"].links == {"ben": UP}


def test_everybody_is_sent_the_same_state_and_an_own_number():
    """A change goes to every member with a connection, the sender first; to nobody else."""
    drama = Drama("ann", "ben", "cas").play()
    drama.loses("cas")
    drama.pause("ben")
    assert drama.receivers == [drama.clients["ben"].conn, drama.clients["ann"].conn]
    assert drama.view("ann").ack == drama.clients["ann"].seq
    assert drama.view("ben").ack == drama.clients["ben"].seq
