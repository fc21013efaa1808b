"""What a report does: who is heard at all (table 3a), and what an accepted report leads to (3b).

Generations, offers and fences have a file of their own: `test_session_seats`.
"""

import pytest

from reconnect.core.events import ReportArrived
from reconnect.core.messages import Report, ShortView
from reconnect.core.notices import (
    Attached,
    Connected,
    Ended,
    Paused,
    PlayerDropped,
    Reconnecting,
    Resumed,
)
from reconnect.errors import NoSuchPlayer
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


def in_state(state: str, *players: str, **policy: object) -> Drama:
    """A drama that stands in this state, everybody attached; halted states in epoch 2."""
    drama = Drama(*players, **policy).play()
    if state is not CONNECTED:
        drama.pause()
    if state is RECONNECTING:
        drama.reconnect()
    if state is RESUMED:
        drama.resume()
    assert drama.state is state
    return drama


# -- 3a: who is heard ----------------------------------------------------------------------------


def test_a_stranger_is_refused():
    """Who never was a player of this session raises NoSuchPlayer, and nothing changes."""
    drama = Drama().play()
    before = drama.everything()
    report = Report(gen=0, seq=1, epoch=0, phase=HALTED, version=0)
    with pytest.raises(NoSuchPlayer):
        drama.session.handle(ReportArrived(9, "zoe", report), now=drama.now)
    assert drama.everything() == before


@pytest.mark.parametrize("gen", [0, 1, 2, 9])
def test_who_comes_after_the_end_is_told_how_it_ended(gen):
    """State ended: the view is the answer, whoever asks; no offer, no seat, no save."""
    drama = Drama().play()
    drama.host_ends("completed")
    drama.now += 60.0
    conn = drama.dials("ann")
    drama.says("ann", HALTED, 0, gen=gen, seq=41)
    assert len(drama.effects) == 1
    view = drama.view(conn)
    assert (view.state, view.reason, view.ack) == (ENDED, "completed", 41)
    assert view.version == drama.session.version


def test_the_end_is_acknowledged_to_every_later_report():
    """A client that missed the end learns of it from the answer to its heartbeat."""
    drama = Drama().play()
    drama.host_ends()
    for seq in (50, 51):
        drama.says("ben", PLAYING, seq=seq)
        assert (drama.view("ben").state, drama.view("ben").ack) == (ENDED, seq)


@pytest.mark.parametrize("back", [0, 1])
def test_a_report_that_is_no_newer_than_the_last_is_ignored(back):
    """Where seq <= seq(p): ignored and counted; what is doubled or late changes nothing (I4)."""
    drama = Drama().play()
    before, stale = drama.everything(), drama.session.stale
    seq = drama.clients["ann"].seq - back
    assert drama.says("ann", HALTED, 2, seq=seq, conn=99) == []
    assert drama.session.stale == stale + 1
    drama.session.stale = stale
    assert drama.everything() == before


def test_numbers_may_be_missing():
    """Reports that were lost are nothing to wait for: the next one says everything again."""
    drama = Drama().play()
    drama.says("ann", PLAYING, seq=drama.clients["ann"].seq + 1000)
    assert drama.view("ann").ack == drama.clients["ann"].seq


def test_a_report_binds_its_connection():
    """conn(p) = k; last_report_at = now; the answer acknowledges it; the host hears `Attached`."""
    drama = Drama()
    conn = drama.enters("ann")
    member = drama.session.members["ann"]
    assert (member.conn, member.seq, member.last_report_at) == (conn, 2, drama.now)
    assert drama.notices == [Attached("ann", 1)]
    assert (drama.view(conn).ack, drama.view(conn).gen) == (2, 1)


def test_a_newer_connection_replaces_the_older():
    """The reply goes to the connection of the report; the older one gets `bye` and no view."""
    drama = Drama().play()
    older, ben = drama.clients["ann"].conn, drama.clients["ben"].conn
    newer = drama.dials("ann")
    drama.says("ann", PLAYING, version=drama.session.version)
    assert drama.closed == [older]
    assert drama.receivers == [newer]
    assert drama.view(newer).policy is drama.policy
    assert drama.notices == [Attached("ann", 1)]
    assert drama.session.members["ben"].conn == ben
    drama.says("ben", PLAYING, 2)


def test_what_comes_late_on_the_older_connection_does_not_take_the_seat_back():
    """After a new dial, an older report on the old connection is stale and binds nothing."""
    drama = Drama().play()
    older, late = drama.clients["ann"].conn, drama.clients["ann"].seq + 1
    newer = drama.dials("ann")
    drama.says("ann", PLAYING, seq=late + 1)
    assert drama.says("ann", PLAYING, conn=older, seq=late) == []
    assert drama.session.members["ann"].conn == newer


def test_a_report_that_had_to_wait_is_answered_with_the_wait():
    """held_ms: from receiving the report to sending the view, also in later views."""
    drama = Drama().play()
    drama.says("ann", PLAYING, held=1.5)
    assert drama.view("ann").held == pytest.approx(1.5)
    drama.now += 0.5
    drama.pause("ben")
    assert drama.view("ann").held == pytest.approx(2.0)


def test_who_left_is_out():
    """Where p is not in players: personal ended(`dropped`), `bye`; nobody else hears of it."""
    drama = Drama("ann", "ben", "cas", on_leave="go_on").play()
    drama.says("cas", LEFT)
    conn = drama.dials("cas")
    drama.says("cas", HALTED)
    assert (drama.receivers, drama.closed) == ([conn], [conn])
    view = drama.view(conn)
    assert (view.state, view.reason) == (ENDED, "dropped")
    assert (view.gen, view.ack) == (1, drama.clients["cas"].seq)
    assert not drama.saved
    assert drama.state is PAUSED


def test_who_left_is_out_with_a_new_client_too():
    """The page that a player opens after leaving takes the seat, and is told that it is out."""
    drama = Drama("ann", "ben", "cas", on_leave="go_on").play()
    drama.says("cas", LEFT)
    drama.loses("cas")
    conn = drama.enters("cas")
    assert (drama.view(conn).state, drama.view(conn).reason) == (ENDED, "dropped")
    assert drama.closed == [conn]
    assert drama.session.players == ["ann", "ben"]
    assert drama.session.members["cas"].conn is None


# -- 3b: left ------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [CONNECTED, PAUSED, RECONNECTING, RESUMED])
def test_who_leaves_ends_the_session(state):
    """Any but ended, phase left: on_leave `end` -> ended(`player_left`); the leaver is told too."""
    drama = in_state(state, "ann", "ben", "cas")
    drama.says("cas", LEFT)
    assert drama.state is ENDED
    assert drama.notices == [PlayerDropped("cas", "left"), Ended("player_left")]
    assert {drama.view(player).reason for player in ("ann", "ben", "cas")} == {"player_left"}
    assert drama.view("cas").ack == drama.clients["cas"].seq
    assert drama.stored.players == ("ann", "ben")


def test_with_fewer_than_players_min_there_is_no_going_on():
    """on_leave `go_on` with too few left -> ended(`player_left`)."""
    drama = Drama(on_leave="go_on").play()
    drama.says("ben", LEFT)
    assert drama.notices == [PlayerDropped("ben", "left"), Ended("player_left")]


def test_the_last_player_can_leave():
    """Down to players_min 1 the game goes on; without anybody it ends."""
    drama = Drama(on_leave="go_on", players_min=1).play()
    drama.says("ben", LEFT)
    drama.resume()
    drama.says("ann", PLAYING)
    assert drama.state is CONNECTED
    drama.says("ann", LEFT)
    assert drama.notices == [PlayerDropped("ann", "left"), Ended("player_left")]


def test_a_star_ends_when_its_hub_leaves():
    """A star whose hub has left ends, whatever on_leave says; another player may go."""
    drama = Drama("ann", "ben", "cas", "dan", topology="star", hub="ben", on_leave="go_on").play()
    drama.says("ann", LEFT)
    assert drama.state is PAUSED
    drama.says("ben", LEFT)
    assert drama.notices[-1] == Ended("player_left")


@pytest.mark.parametrize("state", [CONNECTED, RESUMED])
def test_the_others_go_on_after_a_pause(state):
    """on_leave `go_on` in connected or resumed: players -= p, PAUSE(player_left), all told."""
    drama = in_state(state, "ann", "ben", "cas", on_leave="go_on")
    epoch = drama.session.epoch
    drama.says("cas", LEFT)
    assert (drama.state, drama.session.epoch) == (PAUSED, epoch + 1)
    assert drama.notices == [PlayerDropped("cas", "left"), Paused("player_left", frozenset(), 1)]
    for player in ("ann", "ben", "cas"):
        assert [one.id for one in drama.view(player).players] == ["ann", "ben"]
    drama.resume()
    drama.all_say(PLAYING)
    assert drama.state is CONNECTED


def test_who_leaves_while_another_is_waited_for_is_out_at_once():
    """paused, on_leave `go_on`: saved and told to all, although nothing moves."""
    drama = Drama("ann", "ben", "cas", on_leave="go_on").play().pause("ann")
    drama.says("cas", LEFT)
    assert drama.state is PAUSED
    assert drama.stored.players == ("ann", "ben")
    assert [one.id for one in drama.view("ben").players] == ["ann", "ben"]


def test_who_leaves_while_all_wait_for_it_lets_them_begin_to_mend():
    """paused, on_leave `go_on`: the leaver is waited for no longer; the epoch stays."""
    drama = Drama("ann", "ben", "cas", on_leave="go_on").play().pause("ann")
    drama.says("ben")
    assert drama.state is PAUSED
    drama.says("cas", LEFT)
    assert drama.notices == [PlayerDropped("cas", "left"), Reconnecting(frozenset())]
    assert drama.session.epoch == 2


def test_who_leaves_while_reconnecting_lets_those_who_are_ready_resume():
    """reconnecting, on_leave `go_on`: the others were ready, so they are resumed at once."""
    drama = Drama("ann", "ben", "cas", on_leave="go_on").play().pause("ann").reconnect()
    drama.says("ann", READY, frame=7)
    drama.says("ben", READY, frame=8)
    drama.says("cas", LEFT, frame=1)
    assert drama.notices == [PlayerDropped("cas", "left"), Resumed(7, 0.02)]
    assert [one.id for one in drama.view("cas").players] == ["ann", "ben"]
    drama.all_say(PLAYING)
    assert drama.state is CONNECTED


def test_leaving_is_heard_whatever_else_the_report_says():
    """The row of `left` comes first: an epoch out of range does not end it as state_lost."""
    drama = Drama("ann", "ben", "cas", on_leave="go_on").play()
    drama.says("cas", LEFT, 77)
    assert drama.state is PAUSED


def test_leaving_twice_is_leaving_once():
    """`left` is repeated until acknowledged; the repetition is answered and changes nothing."""
    drama = Drama("ann", "ben", "cas", on_leave="go_on").play()
    drama.says("cas", LEFT)
    before = drama.stored
    drama.says("cas", LEFT)
    assert drama.view("cas").state is ENDED
    assert drama.session.record(drama.now) == before


# -- 3b: asking for the next epoch ---------------------------------------------------------------


@pytest.mark.parametrize("state", [CONNECTED, RESUMED])
@pytest.mark.parametrize(("phase", "ready"), [(HALTED, False), (READY, True)])
def test_who_has_stopped_pauses_everybody(state, phase, ready):
    """connected, resumed; epoch == E+1 -> PAUSE(report's cause); promised(p); ready(p) by phase."""
    drama = in_state(state)
    epoch = drama.session.epoch
    drama.says("ben", phase, epoch + 1, cause="lease_expired")
    assert (drama.state, drama.session.epoch) == (PAUSED, epoch + 1)
    assert drama.notices == [Paused("lease_expired", frozenset(), 1)]
    ben, ann = drama.session.members["ben"], drama.session.members["ann"]
    assert (ben.promised, ben.ready) == (True, ready)
    assert (ann.promised, ann.ready) == (False, False)
    assert drama.view("ann").cause == "lease_expired"


def test_who_gives_no_cause_came_late():
    """A client that found the game going on without it pauses it with cause `late`."""
    drama = Drama().play()
    drama.says("ben", HALTED, 2)
    assert drama.notices == [Paused("late", frozenset(), 1)]


def test_one_outage_whoever_reports_it():
    """I8: both ends of a link ask for the same epoch; the second is a promise, no new pause."""
    drama = Drama().play()
    drama.says("ann", HALTED, 2, cause="link_lost")
    drama.says("ben", HALTED, 2, cause="link_lost")
    assert (drama.session.epoch, drama.session.outages) == (2, 1)
    assert drama.notices == [Reconnecting(frozenset())]


def test_who_claims_to_play_has_promised_nothing():
    """I2: who says `playing` promises nothing, of the next epoch neither."""
    drama = Drama().play()
    drama.says("ben", PLAYING, 2)
    drama.says("ann", HALTED, 2)
    assert not drama.session.members["ben"].promised
    assert drama.state is PAUSED


# -- 3b: an epoch that cannot be -----------------------------------------------------------------


@pytest.mark.parametrize("phase", [HALTED, READY, PLAYING])
@pytest.mark.parametrize(
    ("state", "ahead"),
    [(CONNECTED, 2), (RESUMED, 2), (PAUSED, 1), (PAUSED, 2), (RECONNECTING, 1), (RECONNECTING, 2)],
)
def test_an_epoch_that_never_was_ends_the_session(state, ahead, phase):
    """Epoch > E+1, or > E in paused/reconnecting: the store lost a state, ended(`state_lost`)."""
    drama = in_state(state)
    drama.says("ben", phase, drama.session.epoch + ahead)
    assert drama.notices == [Ended("state_lost")]
    assert drama.view("ann").reason == drama.view("ben").reason == "state_lost"


# -- 3b: promising -------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [PAUSED, RECONNECTING])
@pytest.mark.parametrize(("phase", "ready"), [(HALTED, False), (READY, True)])
def test_a_waiting_client_promises(state, phase, ready):
    """paused, reconnecting; epoch == E, halted / ready: promised(p); ready(p) by phase."""
    drama = in_state(state, "ann", "ben", "cas")
    drama.says("ben", phase)
    ben = drama.session.members["ben"]
    assert (ben.promised, ben.ready) == (True, ready)
    assert drama.state is state
    assert not drama.saved


@pytest.mark.parametrize("state", [PAUSED, RECONNECTING])
@pytest.mark.parametrize(
    ("phase", "back"), [(HALTED, 1), (READY, 1), (HALTED, 2), (PLAYING, 0), (PLAYING, 1)]
)
def test_neither_an_older_epoch_nor_playing_is_a_promise(state, phase, back):
    """paused, reconnecting; anything else: no promise and not ready (M4, M5)."""
    drama = in_state(PAUSED, "ann", "ben", "cas")
    if state is RECONNECTING:
        drama.loses("ben")
        drama.wait(drama.policy.lease_bound + 0.001, "ann", "cas")
        drama.says("cas")
        drama.dials("ben")
    assert drama.state is state
    drama.says("ben", phase, 2 - back)
    ben = drama.session.members["ben"]
    assert (ben.promised, ben.ready, ben.started) == (False, False, False)
    assert (drama.state, drama.session.epoch) == (state, 2)


# -- 3b: starting --------------------------------------------------------------------------------


def test_who_plays_has_started():
    """resumed; epoch == E, playing: started(p)."""
    drama = in_state(RESUMED)
    drama.says("ann", PLAYING)
    assert [member.started for member in drama.session.in_game] == [True, False]
    assert not drama.saved
    drama.says("ben", PLAYING)
    (notice,) = drama.notices
    assert notice == Connected(0.0)


@pytest.mark.parametrize(
    ("phase", "back"), [(PLAYING, 1), (PLAYING, 2), (READY, 0), (HALTED, 0), (HALTED, 1)]
)
def test_nothing_else_is_a_start(phase, back):
    """resumed; an older epoch, or anything but playing: no start, and no pause either."""
    drama = in_state(RESUMED)
    drama.says("ann", phase, 2 - back)
    drama.says("ben", PLAYING)
    assert drama.state is RESUMED
    assert [member.started for member in drama.session.in_game] == [False, True]


@pytest.mark.parametrize(
    ("phase", "back"), [(PLAYING, 0), (PLAYING, 1), (HALTED, 0), (READY, 0), (HALTED, 1)]
)
def test_connected_heeds_no_report_of_its_own_epoch_or_an_older(phase, back):
    """connected; epoch <= E: stale or no news, the session stays as it is."""
    drama = Drama().play()
    drama.pause().resume()
    drama.all_say(PLAYING)
    before = drama.stored
    drama.says("ann", phase, 2 - back, links={"ben": DOWN})
    assert drama.session.record(drama.now) == before
    assert drama.state is CONNECTED


def test_links_name_members_only():
    """Everybody is told of them, so nobody can make the others carry what is none."""
    drama = Drama().play()
    names = {f"{n:0128}": UP for n in range(60)}
    drama.says("ann", PLAYING, links={"ben": DOWN, **names})
    assert drama.view("ben").players[0].links == {"ben": False}


def test_no_gate_but_the_drop_decision_reads_the_links():
    """Links in a report move nothing: ready is ready, with links that are down too."""
    drama = Drama().play().pause("ann")
    drama.says("ann", READY, links={"ben": DOWN})
    drama.says("ben", READY, links={"ann": UP})
    assert drama.state is RESUMED


def test_a_heartbeat_in_a_pause_is_short_too():
    """A second equal promise is no news: short answer."""
    drama = in_state(PAUSED)
    drama.says("ann", version=drama.session.version)
    assert isinstance(drama.message("ann"), ShortView)
