"""The client's table: what each view, each loss and the application itself make of a client.

What an application hears and a coordinator is told is in `test_peer_says`, the control link and
the lease in `test_peer_control`, links in `test_peer_links` and `test_peer_mending`, game data in
`test_peer_data`, the goodbye in `test_peer_leaving`, whole games in tests/testing/simulation.
"""

from math import inf

import pytest

from reconnect.core.effects import CloseLink, HangUp, Inform, OpenLink
from reconnect.core.events import (
    ApplicationClosing,
    ApplicationLeft,
    BusyDeclared,
    ChannelChanged,
    ControlClosed,
    ControlOpened,
    DataOffered,
    ErrorArrived,
    FrameReached,
    NetworkChanged,
    TimePassed,
    ViewArrived,
)
from reconnect.core.messages import Phase, ShortView
from reconnect.core.notices import Connected, Ended, Paused, Reconnecting, Resumed
from reconnect.core.table import State
from reconnect.errors import SessionEnded
from tests.core.peer_drama import ARMED, ENDED, HALTED, PLAYING, PeerDrama


def standing(drama: PeerDrama) -> tuple[object, ...]:
    """What a view may change."""
    peer = drama.peer
    return (peer.play, peer.epoch, peer.version, peer.gen, peer.control.ack, peer.view, peer.state)


# -- birth ---------------------------------------------------------------------------------------


def test_a_client_begins_halted_in_epoch_0_and_dials_at_once():
    """Epoch, version and generation are 0, the state is paused, and the first deadline is now."""
    drama = PeerDrama()
    peer = drama.peer
    assert (peer.play, peer.epoch, peer.version, peer.gen) == (HALTED, 0, 0, 0)
    assert (peer.state, peer.cause, peer.deadline) == (State.PAUSED, "start", drama.now)


def test_the_first_start_is_the_ordinary_barrier():
    """Paused, reconnecting, resumed, connected: told one after the other, nothing twice."""
    drama = PeerDrama()
    drama.attach()
    assert drama.notices == []  # paused is what a client begins with
    drama.recover()
    assert drama.notices == [Reconnecting(frozenset({"ben"}))]
    drama.connect()
    drama.resume(0.5, frame=7)
    assert drama.notices == [Resumed(7, 0.5)]
    drama.wait(1.0)
    assert drama.notices == []
    drama.views("connected", 1)
    assert drama.notices == [Connected()]


# -- views -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["paused", "reconnecting", "resumed", "connected", "ended"])
def test_a_view_older_than_the_last_changes_nothing(state):
    """view.version < mine: ignored, and its ack too (I4)."""
    drama = PeerDrama().play()
    drama.wait(2.0, answered=False)
    before = standing(drama)
    drama.views(state, 9, version=drama.version - 1, start_in=0.0)
    assert standing(drama) == before
    assert drama.notices == []


def test_a_view_is_read_only_on_a_connection_that_is_open():
    """What comes before the dial has succeeded, or after the end of it, is not for this client."""
    drama = PeerDrama().play()
    drama.loses_control()
    before = standing(drama)
    drama.views("paused", 2)
    assert standing(drama) == before


@pytest.mark.parametrize("play", [HALTED, ARMED, PLAYING])
def test_the_end_ends_it_for_ever(play):
    """View ended: stop, reason, bye; whatever the client was doing."""
    drama = at(play)
    drama.views("ended", 1, reason="timeout")
    assert (drama.play_now, drama.peer.reason) == (ENDED, "timeout")
    assert drama.effects == [HangUp(), Inform(Ended("timeout"))]


@pytest.mark.parametrize("leaves", [False, True])
def test_an_ended_client_has_no_start_instant(leaves):
    """Neither the end of the session nor a goodbye leaves behind when play would have begun."""
    drama = at(ARMED)
    assert drama.peer.start_at < inf
    if leaves:
        drama.hear(ApplicationLeft())
    else:
        drama.views("ended", 1, reason="timeout")
    assert drama.peer.start_at == inf


@pytest.mark.parametrize("short", [False, True])
def test_a_view_for_who_it_was_before_is_ignored(short):
    """A lower generation than its own: with its ack, and whatever else it says."""
    drama = PeerDrama().play()
    drama.views("connected", 1, gen=3)
    seen, ack = drama.version, drama.peer.control.ack
    drama.wait(0.1)
    if short:
        drama.hear(ViewArrived(ShortView(seen, 2, ack + 1, 0.0)))
    else:
        drama.views("ended", 1, gen=2, reason="superseded")
    assert (drama.peer.gen, drama.peer.control.ack) == (3, ack)
    assert drama.at == (PLAYING, 1)


def test_the_links_of_an_ended_client_linger():
    """The others are to hear of the end, and not of a link that is down; then it is let go."""
    drama = PeerDrama().play()
    drama.views("ended", 1, reason="timeout")
    drama.wait(0.9)
    assert drama.effects == []
    drama.wait(0.2)
    assert drama.effects == [CloseLink("ben")]
    assert drama.peer.deadline == inf


def test_a_program_that_goes_away_after_the_end_lets_its_links_go_at_once():
    """There will be no later."""
    drama = PeerDrama().play()
    drama.views("ended", 1, reason="timeout")
    assert drama.hear(ApplicationClosing()) == [CloseLink("ben")]
    assert drama.peer.deadline == inf
    assert drama.hear(ApplicationClosing()) == []


def test_an_ended_session_ends_a_client_that_has_never_read_a_policy():
    """A client that comes to a game that is over hears so, and does not dial for a minute."""
    drama = PeerDrama()
    drama.due()
    drama.opens()
    drama.policy = None
    drama.views("ended", 3, reason="completed")
    assert (drama.play_now, drama.peer.reason) == (ENDED, "completed")
    drama.sleep(2.0)
    assert drama.peer.deadline == inf


def test_who_is_not_in_players_is_out():
    """A view of a living session without me: dropped, or what the view says instead."""
    for reason, heard in ((None, "dropped"), ("superseded", "superseded")):
        drama = PeerDrama("ann", "ben", "cas").play()
        rest = [one for one in drama.players() if one.id != "ann"]
        drama.views("paused", 2, players=rest, reason=reason)
        assert (drama.play_now, drama.peer.reason) == (ENDED, heard)


def test_a_short_answer_is_an_ack_and_a_generation_and_nothing_else():
    """Gen := its; ack := max(ack, its); the state stays."""
    drama = PeerDrama().play()
    drama.wait(2.0, answered=False)
    asked = drama.peer.control.seq
    drama.answers()
    assert drama.peer.control.ack == asked
    assert drama.at == (PLAYING, 1)
    drama.hear(ViewArrived(ShortView(drama.version, 1, asked - 1, 0.0)))
    assert drama.peer.control.ack == asked


@pytest.mark.parametrize("play", [HALTED, ARMED, PLAYING])
@pytest.mark.parametrize("state", ["paused", "reconnecting"])
def test_a_newer_epoch_halts_and_is_promised(play, state):
    """.. paused / reconnecting, view.epoch > epoch: stop; epoch = view.epoch; report it."""
    drama = at(play)
    drama.far["ben"].mute = True
    drama.views(state, 5, cause="control_lost")
    assert drama.at == (HALTED, 5)
    assert (drama.report.epoch, drama.report.phase) == (5, Phase.HALTED)
    assert not drama.peer.links["ben"].probed
    assert drama.peer.cause == "control_lost"


@pytest.mark.parametrize("state", ["paused", "reconnecting"])
def test_a_known_epoch_changes_nothing(state):
    """.. paused / reconnecting, view.epoch <= epoch: none; a halted client stays in its own."""
    drama = PeerDrama().play()
    drama.hear(ChannelChanged("ben", False))
    assert drama.at == (HALTED, 2)
    for epoch in (1, 2):
        drama.views(state, epoch)
        assert drama.at == (HALTED, 2)


@pytest.mark.parametrize("play", [HALTED, ARMED, PLAYING])
@pytest.mark.parametrize("state", ["resumed", "connected"])
def test_a_game_that_goes_on_without_me_is_asked_to_pause(play, state):
    """.. resumed / connected, view.epoch > epoch: halted in view.epoch + 1 (late or reloaded)."""
    drama = at(play)
    drama.far["ben"].mute = True
    drama.views(state, 4, start_in=0.0 if state == "resumed" else None)
    assert drama.at == (HALTED, 5)
    assert (drama.report.epoch, drama.report.cause) == (5, "late")


def test_the_resume_of_its_epoch_arms_a_ready_client():
    """halted, .. resumed, view.epoch == epoch, ready: armed, and told when and from which frame."""
    drama = PeerDrama().ready()
    drama.resume(0.25, frame=42)
    assert drama.at == (ARMED, 1)
    assert drama.notices == [Resumed(42, 0.25)]
    assert drama.peer.resume_frame == 42
    assert drama.report_of_phase() is Phase.READY


def test_a_client_starts_half_a_round_trip_before_the_view_says():
    """The timer is start_in - rtt/2 from receipt; what has passed already starts at once."""
    drama = PeerDrama().ready()
    seq = drama.peer.control.seq
    drama.now += 2.0
    drama.due()
    assert drama.peer.control.seq > seq
    drama.now += 0.08
    drama.answers(held=0.02)  # 60 ms on the way
    drama.peer.control._rtts.clear()
    drama.peer.control._rtts.append(0.06)
    drama.resume(0.5)
    assert drama.peer.start_at == pytest.approx(drama.now + 0.47)
    drama.views("paused", 2)
    drama.recover()
    drama.wait(0.2)
    drama.peer.control._rtts.clear()
    drama.peer.control._rtts.append(0.06)
    drama.resume(0.02)
    assert drama.at == (PLAYING, 2)


def test_the_resume_of_its_epoch_is_refused_by_a_client_that_is_not_ready():
    """halted, .. resumed, view.epoch == epoch, otherwise: epoch + 1, and reported."""
    drama = PeerDrama().ready()
    drama.hear(ChannelChanged("ben", False))
    drama.resume()
    assert drama.at == (HALTED, 2)
    assert (drama.report.epoch, drama.report.phase) == (2, Phase.HALTED)


def test_a_connected_view_of_its_epoch_is_refused_by_a_halted_client():
    """halted, .. connected, view.epoch == epoch: epoch + 1; only `resumed` starts anybody."""
    drama = PeerDrama().ready()
    drama.views("connected", 1)
    assert drama.at == (HALTED, 2)


def test_a_refusal_while_waiting_in_a_newer_epoch_is_not_repeated():
    """.. resumed / connected, view.epoch < epoch: none; the client waits for its own epoch."""
    drama = PeerDrama().ready()
    drama.views("connected", 1)
    drama.views("resumed", 1, start_in=0.0)
    assert drama.at == (HALTED, 2)
    assert drama.reports == []


@pytest.mark.parametrize("play", [ARMED, PLAYING])
def test_a_client_that_goes_on_is_not_disturbed_by_hearing_so_again(play):
    """.. resumed / connected, otherwise: none."""
    drama = at(play)
    start_at = drama.peer.start_at
    drama.views("resumed", 1, start_in=9.0)
    assert (drama.play_now, drama.peer.start_at) == (play, start_at)


def test_a_generation_that_rose_ends_its_link_and_stops_play():
    """Gen of a required peer rose: the link is closed, another opened; the stream starts anew."""
    drama = PeerDrama().play()
    drama.hear(DataOffered(b"x", "ben"))
    drama.far["ben"].gen = 2
    drama.views("connected", 1)
    assert drama.at == (HALTED, 2)
    assert drama.peer.cause == "peer_reloaded"
    assert drama.of_kind(CloseLink) == [CloseLink("ben")]
    assert drama.of_kind(OpenLink) == [OpenLink("ben", 2)]
    link = drama.peer.links["ben"]
    assert (link.up, link.stream.mark(), link.mending.ladder.kind) == (False, 0, "rebuild")


# -- armed and playing -----------------------------------------------------------------------------


def test_an_armed_client_plays_from_the_start_instant():
    """armed, start instant, lease: playing; not before."""
    drama = PeerDrama().ready()
    drama.resume(0.5)
    drama.wait(0.49)
    assert drama.play_now is ARMED
    assert drama.peer.deadline == drama.peer.start_at
    drama.wait(0.01)
    assert drama.play_now is PLAYING
    assert drama.report_of_phase() is Phase.PLAYING


@pytest.mark.parametrize("play", [ARMED, PLAYING])
def test_a_link_that_goes_down_stops_play(play):
    """armed, playing, required link down: STOP; the epoch is raised and reported with its cause."""
    drama = at(play)
    drama.hear(ChannelChanged("ben", False))
    assert drama.at == (HALTED, 2)
    assert (drama.report.epoch, drama.report.cause) == (2, "link_lost")
    assert drama.report.links["ben"].up is False
    assert drama.notices == [Paused("link_lost", frozenset({"ben"}))]


@pytest.mark.parametrize("play", [ARMED, PLAYING])
def test_silence_on_a_link_stops_play(play):
    """The detector's word is as good as the adapter's: link_lost of silence."""
    drama = at(play)
    drama.cut()
    drama.wait(1.5)
    assert drama.at == (HALTED, 2)
    assert drama.peer.cause == "link_lost"


def test_a_link_may_be_down_for_its_grace_period():
    """link_grace_period: play goes on for so long, and for longer if the link comes back."""
    drama = PeerDrama(link_grace_period=0.5).play()
    drama.hear(ChannelChanged("ben", False))
    drama.wait(0.4)
    assert drama.play_now is PLAYING
    drama.connect()
    drama.wait(2.0)
    assert drama.play_now is PLAYING
    drama.hear(ChannelChanged("ben", False))
    assert drama.peer.deadline <= drama.now + 0.5
    drama.wait(0.5)
    assert drama.at == (HALTED, 2)


@pytest.mark.parametrize("play", [ARMED, PLAYING])
def test_a_lease_that_runs_out_stops_play_whatever_is_handled_next(play):
    """Checked in front of everything: a view that would renew the lease comes too late."""
    drama = at(play)
    drama.now = drama.peer.control.lease_until
    drama.views("connected", 1, ack=drama.peer.control.seq)
    assert drama.at == (HALTED, 2)
    assert drama.peer.cause == "lease_expired"


def test_a_playing_client_is_due_when_its_lease_runs_out():
    """The lease needs no game loop to run out."""
    drama = PeerDrama(heartbeat_interval=1.0, lease=10.0).play()
    drama.cut()
    drama.loses_control()
    drama.peer.links.clear()
    lease_until = drama.peer.control.lease_until
    while drama.now < lease_until:
        assert drama.play_now is PLAYING
        assert drama.peer.deadline <= lease_until
        drama.now = drama.peer.deadline
        drama.hear(TimePassed())
    assert drama.at == (HALTED, 2)


def test_an_armed_client_without_a_lease_does_not_start():
    """armed, start instant, no lease: STOP instead."""
    drama = PeerDrama(countdown=20.0, resume_timeout=40.0).ready()
    drama.resume(20.0)
    drama.wait(20.0, answered=False)
    assert drama.at == (HALTED, 2)
    assert drama.peer.start_at == inf


# -- the application goes --------------------------------------------------------------------------


@pytest.mark.parametrize("topology", ["mesh", "relayed"])
@pytest.mark.parametrize("play", [ARMED, PLAYING])
def test_a_program_that_goes_away_in_order_stops_and_says_so(play, topology):
    """STOP and the last report: (epoch, halted), never `ready`; it spares its successor a fence."""
    drama = at(play, topology=topology)
    drama.hear(ApplicationClosing())
    assert (drama.play_now, drama.peer.epoch, drama.peer.reason) == (ENDED, 2, "closed")
    assert (drama.report.epoch, drama.report.phase) == (2, Phase.HALTED)
    assert drama.report.cause == "closing"
    assert drama.of_kind(HangUp) == [HangUp()]
    assert drama.notices == [Ended("closed")]


def test_a_program_that_goes_away_lets_its_links_go_at_once():
    """Nothing is left for later, when there is no program any more."""
    drama = PeerDrama().play()
    drama.hear(ApplicationClosing())
    assert drama.of_kind(CloseLink) == [CloseLink("ben")]
    assert drama.peer.deadline == inf


def test_a_ready_client_that_goes_away_takes_its_readiness_back():
    """Nobody is to resume with a program that is gone."""
    drama = PeerDrama().ready()
    drama.hear(ApplicationClosing())
    assert (drama.report.epoch, drama.report.phase) == (1, Phase.HALTED)


def test_a_program_that_goes_away_unattached_says_nothing():
    """Best effort: where there is no connection the fence has to do."""
    drama = PeerDrama().play()
    drama.loses_control()
    drama.hear(ApplicationClosing())
    assert drama.reports == []
    assert drama.play_now is ENDED


@pytest.mark.parametrize(
    "event",
    [
        TimePassed(),
        ControlOpened(),
        ControlClosed(),
        ErrorArrived("bad_token"),
        NetworkChanged(),
        FrameReached(3),
        BusyDeclared(1.0),
        ChannelChanged("ben", True),
        ApplicationLeft(),
        ApplicationClosing(),
    ],
)
def test_ended_answers_nothing(event):
    """ended, anything: none, and nothing changes (I1)."""
    drama = PeerDrama().play()
    drama.views("ended", 1, reason="completed")
    drama.sleep(100.0)
    before = standing(drama), drama.peer.frame
    assert drama.hear(event) == []
    drama.views("connected", 9)
    assert drama.effects == []
    assert before == (standing(drama), drama.peer.frame)
    with pytest.raises(SessionEnded):
        drama.hear(DataOffered(b"x"))


def at(play: object, **policy: object) -> PeerDrama:
    """A client of two, in epoch 1, that is doing this."""
    drama = PeerDrama(**policy)
    if play is PLAYING:
        return drama.play()
    drama.ready()
    return drama.resume(5.0) if play is ARMED else drama
