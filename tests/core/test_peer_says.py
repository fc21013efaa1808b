"""What a client reports to the coordinator, and what it tells its application."""

import pytest

from reconnect.core.effects import CloseLink, Inform, OpenLink, SendReport
from reconnect.core.events import (
    ChannelChanged,
    FrameReached,
)
from reconnect.core.messages import Phase, PlayerView
from reconnect.core.notices import Paused, Reconnecting, Resumed
from reconnect.core.table import State
from tests.core.peer_drama import HALTED, PeerDrama


def test_a_change_is_reported_at_once_and_only_once():
    """If (epoch, phase, ready) changed, a report goes; if nothing did, none but heartbeats."""
    drama = PeerDrama().attach().recover()
    drama.connect()
    assert [report.phase for report in drama.reports][-1] is Phase.READY
    drama.due()
    assert drama.reports == []
    drama.hear(FrameReached(9))
    assert drama.reports == []
    drama.wait(drama.policy.heartbeat_interval)
    assert (drama.report.frame, drama.report.links) == (9, None)


def test_links_are_reported_when_they_change_and_in_each_attach():
    """Links only when changed; a coordinator that was started again hears them all."""
    drama = PeerDrama().play()
    assert drama.reattach_after_loss().links["ben"].up
    drama.views("connected", 1)
    drama.wait(drama.policy.heartbeat_interval)
    assert drama.report.links is None
    drama.hear(ChannelChanged("ben", False))
    assert drama.report.links["ben"].up is False


def test_the_first_report_of_a_connection_says_everything():
    """The attach bears epoch, phase, version, cause, frame and kind; seq goes on."""
    drama = PeerDrama().play()
    seq = drama.peer.control.seq
    drama.hear(FrameReached(77))
    drama.hear(ChannelChanged("ben", False))
    report = drama.reattach_after_loss()
    assert (report.gen, report.epoch, report.phase) == (1, 2, Phase.HALTED)
    assert (report.version, report.cause, report.frame) == (drama.version, "link_lost", 77)
    assert report.seq == seq + 2


def test_nothing_is_reported_before_a_view_was_read_on_the_connection():
    """Attached = a view has been read; before that only the first report is sent."""
    drama = PeerDrama().play()
    drama.reattach_after_loss()
    drama.hear(ChannelChanged("ben", False))
    assert drama.reports == []
    drama.views("connected", 1)
    assert drama.report.epoch == 2


@pytest.mark.parametrize(
    ("state", "epoch", "public"),
    [
        ("paused", 2, State.PAUSED),
        ("reconnecting", 2, State.RECONNECTING),
        ("reconnecting", 1, State.PAUSED),
        ("connected", 1, State.PAUSED),
        ("resumed", 1, State.PAUSED),
    ],
)
def test_the_public_state_of_a_halted_client(state, epoch, public):
    """Paused if the view is older than the epoch, or not reconnecting; else reconnecting."""
    drama = PeerDrama().play()
    drama.hear(ChannelChanged("ben", False))
    assert (drama.at, drama.state) == ((HALTED, 2), State.PAUSED)
    drama.views(state, epoch, start_in=0.0 if state == "resumed" else None)
    assert drama.state is public


def test_a_newer_epoch_leads_from_reconnecting_back_to_paused():
    """A client alone can see it: reconnecting -> paused."""
    drama = PeerDrama().attach().recover()
    drama.views("paused", 2, cause="control_lost")
    assert drama.notices == [Paused("control_lost", frozenset({"ben"}))]


def test_a_missed_view_leads_from_paused_to_resumed():
    """A client alone can see it: paused -> resumed, when `reconnecting` was lost with a link."""
    drama = PeerDrama(topology="relayed").attach()
    drama.resume(1.0)
    assert drama.notices == [Resumed(0, 1.0)]


def test_moves_that_are_no_row_are_told_by_way_of_paused():
    """A client that heard nothing of a pause is told of it before it is told what followed."""
    drama = PeerDrama().play()
    drama.views("reconnecting", 2, cause="link_lost")
    assert [type(notice) for notice in drama.notices] == [Paused, Reconnecting]


def test_missing_are_those_without_control_link_and_those_beyond_a_dead_link():
    """What an overlay shows: nobody is missing whom nothing is known against."""
    drama = PeerDrama("ann", "ben", "cas").play()
    assert drama.peer.missing == frozenset()
    drama.hear(ChannelChanged("ben", False))
    assert drama.peer.missing == {"ben"}
    drama.far["cas"].attached = False
    drama.views("paused", 2)
    assert drama.peer.missing == {"ben", "cas"}


def test_whoever_joins_anew_is_linked_when_they_have_a_generation():
    """A player who has not come yet has no link, and nobody is ready without them."""
    drama = PeerDrama("ann", "ben", "cas")
    drama.far["cas"].gen = 0
    drama.attach().recover()
    drama.connect("ben")
    assert list(drama.peer.links) == ["ben"]
    assert not drama.peer.ready(drama.now)
    drama.far["cas"].gen = 1
    drama.recover()
    assert drama.of_kind(OpenLink) == [OpenLink("cas", 1)]
    drama.connect("cas")
    assert drama.peer.ready(drama.now)


def test_a_member_who_is_out_leaves_nothing_behind():
    """The link to a player who left is closed, and no longer waited for."""
    drama = PeerDrama("ann", "ben", "cas").ready()
    del drama.far["cas"]
    drama.recover()
    assert drama.of_kind(CloseLink) == [CloseLink("cas")]
    assert drama.peer.ready(drama.now)


def test_a_client_without_the_seat_holds_no_links():
    """The offer names a generation that nobody has taken yet."""
    drama = PeerDrama()
    drama.due()
    drama.opens()
    drama.gen = 2
    seats = [PlayerView("ann", 1, "python", True, Phase.PLAYING), *drama.players()[1:]]
    drama.views("paused", 0, version=0, players=seats, ack=0)
    assert drama.of_kind(OpenLink) == []
    assert [effect.report.gen for effect in drama.of_kind(SendReport)] == [2]
    assert not drama.of_kind(Inform)
