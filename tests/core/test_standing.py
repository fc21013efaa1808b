"""What of a session is asked, stored and told."""

from math import inf

import attrs
import pytest

from reconnect.core.events import FrameReached
from reconnect.core.messages import Phase, PlayerView, Report, ShortView
from reconnect.core.standing import Standing
from reconnect.core.table import State
from reconnect.errors import LocalProtocolError, NoSuchPlayer
from reconnect.policy import Policy
from tests.core.drama import ENDED, PAUSED, RESUMED, SOME_TIME, Drama, same_instant


def born(*players: str, **policy: object) -> Standing:
    return Standing.born("game", players, Policy(**policy), now=10.0, wall=SOME_TIME + 10.0)


def loaded(standing: Standing, *, at: float, now: float = 10.0) -> Standing:
    """Loaded when the wall clock shows `at` seconds after the birth's process began."""
    return Standing.loaded(standing.record(now), now=500.0, wall=SOME_TIME + at)


# -- birth ---------------------------------------------------------------------------------------


def test_a_session_is_born_paused_in_epoch_1_because_of_its_start():
    """Birth: paused, epoch 1, cause `start`; no outage is open; start_timeout runs."""
    session = born("ann", "ben")
    assert (session.state, session.epoch, session.cause) == (PAUSED, 1, "start")
    assert (session.outages, session.outage_started_at, session.paused_total) == (0, None, 0.0)
    assert session.ends_at == 10.0 + 120.0
    assert (session.players, list(session.members)) == (["ann", "ben"], ["ann", "ben"])


def test_without_a_start_timeout_nothing_ends_the_first_start():
    """start_timeout None: no deadline is pending at birth, nor after a restart."""
    session = born("ann", "ben", start_timeout=None)
    assert session.ends_at is None
    assert loaded(session, at=99.0).ends_at is None


def test_the_first_save_expects_an_empty_place():
    """The record of version 1 is to be durable before anybody is answered."""
    session = born("ann", "ben")
    save = session.first_save(now=10.0)
    assert (save.expected, save.record.version, session.version) == (0, 1, 1)
    assert save.record == session.record(10.0)


@pytest.mark.parametrize(
    ("players", "policy", "sentence"),
    [
        (("ann", "ann"), {}, "one seat only"),
        (("ann",), {}, "allows 2 to 16"),
        ((), {"players_min": 1}, "allows 1 to 16"),
        (tuple(map(str, range(17))), {}, "allows 2 to 16"),
        (tuple(map(str, range(65))), {"topology": "relayed"}, "allows 2 to 64"),
        (("ann", "ben"), {"topology": "star", "hub": "zoe"}, "hub 'zoe'"),
    ],
)
def test_a_session_that_cannot_be_played_is_not_born(players, policy, sentence):
    """Twice the same player, too few, too many, or a hub from elsewhere: a sentence says which."""
    with pytest.raises(LocalProtocolError, match=sentence):
        born(*players, **policy)


@pytest.mark.parametrize(("topology", "most"), [("mesh", 16), ("star", 64), ("server", 64)])
def test_as_many_players_as_are_allowed_can_be_seated(topology, most):
    """A mesh takes 16 players, everything else 64."""
    assert len(born(*map(str, range(most)), topology=topology).players) == most


# -- asked ---------------------------------------------------------------------------------------


def test_the_hub_is_the_first_to_join_unless_the_policy_names_another():
    """Hub None means the first player in join order, in the game or not."""
    assert born("ann", "ben", topology="star", hub="ben").hub == "ben"
    session = born("ann", "ben", "cas", topology="star")
    session.players.remove("ann")
    assert session.hub == "ann"


def test_the_missing_are_the_members_without_a_connection():
    """Who has left is not missing."""
    session = born("ann", "ben", "cas")
    session.members["ann"].conn = 1
    session.players.remove("cas")
    assert session.missing == {"ben"}
    assert [member.player for member in session.in_game] == ["ann", "ben"]


def test_the_game_goes_on_from_the_start_instant_to_the_next_pause():
    """`playing`: connected, or resumed and the start instant has passed."""
    session = born("ann", "ben")
    assert not session.playing(10.0)
    session.state, session.resume_at = RESUMED, 12.0
    assert not session.playing(11.999)
    assert session.playing(12.0)
    session.resume_at = None
    assert not session.playing(12.0)
    session.state = State.CONNECTED
    assert session.playing(0.0)


def test_a_stranger_is_no_member():
    """Asking for somebody who never was a player raises, and names both."""
    with pytest.raises(NoSuchPlayer) as caught:
        born("ann", "ben").member("zoe")
    assert (caught.value.session, caught.value.player) == ("game", "zoe")


def test_game_data_is_relayed_between_members_that_are_there():
    """Only from the sender's current connection, only to another member with a connection."""
    session = born("ann", "ben", "cas")
    ann, ben, cas = session.in_game
    ann.conn, ben.conn = 1, 2
    assert session.route("ann", 1, "ben") is ben
    assert session.route("ann", 9, "ben") is None
    assert session.route("ann", 1, "ann") is None
    assert session.route("ann", 1, "cas") is None
    assert session.route("ann", 1, "zoe") is None
    assert session.route("zoe", 1, "ann") is None
    cas.conn = 3
    session.players.remove("cas")
    assert session.route("ann", 1, "cas") is None
    assert session.route("cas", 3, "ann") is None


# -- stored --------------------------------------------------------------------------------------


def test_a_record_says_everything_that_outlives_the_process():
    """Loaded again at once it is the same record: nothing of it is lost on the way."""
    drama = Drama("ann", "ben", data={"map": "dust"}).play()
    drama.wait(3.0, "ann", "ben")
    drama.pause()
    before = drama.stored
    drama.restarts(after=0.0)
    after = drama.session.record(drama.now)
    for name in ("deadline", "outage_started_at"):
        assert same_instant(getattr(after, name), getattr(before, name))
    instants = {"deadline": None, "outage_started_at": None}
    assert attrs.evolve(after, **instants) == attrs.evolve(before, **instants)
    assert before.data == {"map": "dust"}


def test_instants_are_stored_in_wall_clock_time():
    """Deadline, the outage's beginning, the start instant and the end are seconds since 1970."""
    drama = Drama().play().pause()
    assert same_instant(drama.stored.outage_started_at, drama.wall)
    assert same_instant(drama.stored.deadline, drama.wall + 30.0)
    assert (drama.stored.resume_at, drama.stored.ended_at) == (None, None)
    drama.resume()
    assert same_instant(drama.stored.resume_at, drama.wall + 0.02)
    drama.host_ends()
    assert same_instant(drama.stored.ended_at, drama.wall)
    assert drama.stored.deadline is None


def test_nobody_is_connected_after_a_restart_and_anybody_may_be_playing():
    """Process start: no connection, no bit, and last_report_at = now for all."""
    drama = Drama().play().pause()
    drama.restarts()
    for member in drama.session.in_game:
        assert (member.conn, member.promised, member.ready) == (None, False, False)
        assert member.last_report_at == drama.now


@pytest.mark.parametrize(
    ("clock_jumps", "left"), [(0.0, 29.0), (-7200.0, 30.0), (7200.0, 0.0), (-10.0, 30.0)]
)
def test_a_clock_that_jumped_clamps_what_is_left_of_an_outage(clock_jumps, left):
    """What is left of the outage after a restart lies in [0, outage_timeout]."""
    drama = Drama().play().pause()
    drama.restarts(after=1.0, clock_jumps=clock_jumps)
    assert drama.left_of_outage() == pytest.approx(left, abs=1e-5)


@pytest.mark.parametrize(("at", "left"), [(15.0, 115.0), (-9999.0, 120.0), (9999.0, 0.0)])
def test_a_clock_that_jumped_clamps_what_is_left_of_the_first_start(at, left):
    """Before the first start what is left lies in [0, start_timeout]."""
    ends_at = loaded(born("ann", "ben"), at=at).ends_at
    assert ends_at is not None
    assert ends_at - 500.0 == pytest.approx(left, abs=1e-5)


def test_those_who_go_on_from_a_first_start_keep_their_time_over_a_restart():
    """They have an outage's time from then on, which may be longer than the start's own."""
    session = born("ann", "ben", start_timeout=6.0, outage_timeout=20.0)
    session.ends_at = 10.0 + 20.0
    ends_at = loaded(session, at=12.0).ends_at
    assert ends_at is not None
    assert ends_at - 500.0 == pytest.approx(18.0, abs=1e-5)


def test_an_outage_never_begins_in_the_future():
    """After the wall clock was put back the outage counts from the restart on."""
    drama = Drama().play().pause()
    drama.restarts(clock_jumps=-7200.0)
    assert drama.session.outage_started_at == drama.now


@pytest.mark.parametrize(("clock_jumps", "left"), [(0.0, 2.52), (-7200.0, 5.5), (7200.0, 0.0)])
def test_the_start_instant_survives_a_restart_within_bounds(clock_jumps, left):
    """A resumed session loaded again starts when agreed: neither in the past nor too late."""
    drama = Drama(countdown=3.0).play().pause().resume()
    drama.restarts(after=0.5, clock_jumps=clock_jumps)
    assert drama.session.resume_at is not None
    assert drama.session.resume_at - drama.now == pytest.approx(left, abs=1e-5)


def test_an_ended_session_stays_ended_after_a_restart():
    """`ended` has no exit: reason and instant are loaded, and no deadline is pending."""
    drama = Drama().play()
    drama.host_ends("completed")
    drama.restarts()
    assert (drama.state, drama.session.reason) == (ENDED, "completed")
    assert drama.session.ended_at == pytest.approx(drama.now - 0.5, abs=1e-5)
    assert (drama.session.deadline, drama.session.ends_at) == (inf, None)
    drama.restarts(clock_jumps=-7200.0)
    assert drama.session.ended_at == drama.now


# -- told ----------------------------------------------------------------------------------------


def test_a_view_says_all_of_the_session_and_what_is_the_receivers_own():
    """Version, epoch, state, cause, remaining time; and its generation, ack and held time."""
    drama = Drama().play()
    drama.now += 1.0
    drama.says("ann", "halted", drama.session.epoch + 1, cause="link_lost", held=0.25)
    ann, ben = drama.view("ann"), drama.view("ben")
    assert (ann.version, ann.epoch, ann.state) == (drama.session.version, 2, PAUSED)
    assert (ann.cause, ann.remaining, ann.resume, ann.reason) == ("link_lost", 30.0, None, None)
    assert (ann.gen, ann.ack, ann.held) == (1, drama.clients["ann"].seq, pytest.approx(0.25))
    assert (ben.gen, ben.ack, ben.held) == (1, drama.clients["ben"].seq, pytest.approx(1.0))
    assert [player.id for player in ann.players] == ["ann", "ben"]
    assert ann.players[0] == PlayerView("ann", 1, "python", True, Phase.HALTED, {})


def test_a_view_numbers_the_outage_and_says_how_long_it_has_lasted():
    """0 and 0.0 before the first; counted at every sending; afterwards the last one's length."""
    drama = Drama().play()
    assert (drama.view("ben").outages, drama.view("ben").paused) == (0, 0.0)
    drama.pause()
    assert (drama.view("ben").outages, drama.view("ben").paused) == (1, 0.0)
    drama.now += 4.0
    drama.says("ben")
    assert (drama.view("ben").outages, drama.view("ben").paused) == (1, pytest.approx(4.0))
    drama.resume()
    drama.all_say(Phase.PLAYING)
    length = drama.session.paused_total
    assert length >= 4.0
    assert (drama.view("ben").outages, drama.view("ben").paused) == (1, length)
    drama.now += 9.0
    assert drama.session.outage_length(drama.now) == length


def test_the_length_of_the_last_outage_does_not_outlive_the_process():
    """The record holds the sum of all, and their number; an outage that is open goes on."""
    drama = Drama().play().pause()
    drama.now += 4.0
    session = Standing.loaded(
        drama.session.record(drama.now), now=500.0, wall=drama.session.wall_offset + drama.now
    )
    assert session.outage_length(501.0) == pytest.approx(5.0, abs=1e-5)
    drama.resume()
    drama.all_say(Phase.PLAYING)
    session = Standing.loaded(
        drama.session.record(drama.now), now=500.0, wall=drama.session.wall_offset + drama.now
    )
    assert (session.outages, session.outage_length(501.0)) == (1, 0.0)


def test_the_policy_is_told_once_on_each_connection():
    """In the answer to each attach: a client has no policy before it has read one."""
    drama = Drama()
    drama.knocks("ann")
    drama.says("ann", epoch=0)
    assert drama.view("ann").policy is drama.policy
    drama.says("ann", epoch=1)
    assert drama.view("ann").policy is None
    drama.dials("ann")
    drama.says("ann", epoch=1)
    assert drama.view("ann").policy is drama.policy


def test_the_time_to_the_start_is_counted_at_every_sending():
    """start_in = max(0, start_at - now) at every sending, and only in resumed."""
    drama = Drama(countdown=3.0).play().pause().resume()
    resume = drama.view("ben").resume
    assert resume is not None
    assert resume.start_in == pytest.approx(3.02)
    drama.now += 1.0
    drama.says("ann", "ready")
    resume = drama.view("ann").resume
    assert resume is not None
    assert resume.start_in == pytest.approx(2.02)
    drama.now += 2.5
    drama.says("ann", "ready")
    resume = drama.view("ann").resume
    assert resume is not None
    assert resume.start_in == 0.0
    drama.all_say(Phase.PLAYING)
    assert drama.view("ann").resume is None


def test_the_remaining_time_is_never_negative():
    """A view sent when the deadline has just passed says 0 seconds, not less."""
    drama = Drama().play().pause()
    drama.now += 31.0
    drama.says("ann")
    assert drama.view("ann").remaining == 0.0


def test_a_short_view_says_the_version_and_what_is_the_receivers_own():
    """{version, gen, ack, held}, and no more."""
    drama = Drama().play()
    member = drama.session.members["ann"]
    member.received_at = drama.now - 0.25
    short = drama.session.short_view(member, drama.now)
    assert short == ShortView(drama.session.version, 1, member.seq, pytest.approx(0.25))


def test_an_offer_says_nothing_that_could_be_taken_for_the_session():
    """Paused, epoch 0, version 0, ack 0, whatever the session does; members and policy are true."""
    drama = Drama().play()
    drama.session.members["ann"].gen_next = 7
    offer = drama.session.offer(drama.session.members["ann"])
    assert (offer.gen, offer.ack, offer.epoch, offer.version) == (7, 0, 0, 0)
    assert (offer.state, offer.resume, offer.remaining, offer.reason) == (PAUSED, None, None, None)
    assert [player.id for player in offer.players] == ["ann", "ben"]
    assert offer.policy is drama.policy


def test_a_final_view_gives_the_reason_of_all_or_one_for_this_client():
    """The session's reason, unless the receiver has one of its own; its own number is acked."""
    drama = Drama().play()
    drama.host_ends("completed")
    report = Report(gen=1, seq=77, epoch=1, phase=Phase.PLAYING, version=0)
    final = drama.session.final_view(report)
    assert (final.state, final.reason, final.gen, final.ack) == (ENDED, "completed", 1, 77)
    assert drama.session.final_view(report, "superseded").reason == "superseded"
    assert final.outages == drama.session.outages


def test_the_servers_frame_is_what_it_last_said():
    """FrameReached is remembered and asks for nothing."""
    drama = Drama(topology="server")
    assert drama.hear(FrameReached(12)) == []
    assert drama.session.frame == 12
