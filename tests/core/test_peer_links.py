"""A client and its links: who needs which, what proves one, what is made of silence.

Game data are in `test_peer_data`, attempts at mending a link in `test_peer_mending`.
"""

import pytest

from reconnect.core.detector import Liveness
from reconnect.core.effects import (
    Inform,
    OpenLink,
    SendFrame,
    StartAttempt,
)
from reconnect.core.events import (
    AttemptFailed,
    BusyDeclared,
    ChannelChanged,
    DataOffered,
    FrameArrived,
    HiddenChanged,
    IceChanged,
    SignalAcked,
    SignalArrived,
    SignalMade,
)
from reconnect.core.frames import (
    Busy,
    Frame,
    Ping,
    Pong,
    Probe,
    ProbeAnswer,
    encode,
    session_tag,
)
from reconnect.core.messages import AttemptKind, Phase, Signal, SignalAck, SignalKind
from reconnect.core.notices import LinkSuspect
from tests.core.peer_drama import GAME, HALTED, PLAYING, PeerDrama, answers, facts, records

REBUILD, RESTART = AttemptKind.REBUILD, AttemptKind.RESTART
OFFER, ANSWER, CANDIDATE = SignalKind.OFFER, SignalKind.ANSWER, SignalKind.CANDIDATE
PLEASE, ABORT = SignalKind.PLEASE_RESTART, SignalKind.ABORT


# -- required links --------------------------------------------------------------------------------


def test_in_a_mesh_everybody_has_a_link_to_everybody():
    """Every pair needs a link, to the generation that holds the seat."""
    drama = PeerDrama("ben", "ann", "cas").attach()
    assert drama.of_kind(OpenLink) == [OpenLink("ann", 1), OpenLink("cas", 1)]


@pytest.mark.parametrize(
    ("player", "hub", "linked"),
    [
        ("ann", None, ["ben", "cas"]),
        ("ben", None, ["ann"]),
        ("cas", "cas", ["ann", "ben"]),
        ("ann", "cas", ["cas"]),
    ],
)
def test_in_a_star_only_the_hub_has_more_than_one_link(player, hub, linked):
    """The hub requires every other player, every other player the hub."""
    others = {"ann", "ben", "cas"} - {player}
    drama = PeerDrama(player, *others, topology="star", hub=hub).ready()
    assert list(drama.peer.links) == linked
    assert drama.resume().play_now is PLAYING


@pytest.mark.parametrize("topology", ["relayed", "server"])
def test_without_peer_links_a_client_is_ready_at_once(topology):
    """Ready = halted, lease and synced: there is no required link."""
    drama = PeerDrama(topology=topology)
    drama.far["ben"].attached = False
    drama.attach()
    assert drama.of_kind(OpenLink) == []
    assert drama.peer.ready(drama.now)
    assert drama.reports[-1].phase is Phase.READY
    assert drama.reports[-1].links is None
    assert list(drama.peer.links) == (["ben"] if topology == "relayed" else [])


# -- proven ----------------------------------------------------------------------------------------


def test_a_link_is_ready_when_a_probe_of_this_epoch_made_the_round_trip():
    """A channel that is open, or a far end that is heard, is not enough."""
    drama = PeerDrama().attach().recover()
    drama.far["ben"].mute = True
    drama.connect()
    assert [type(one) for one in records(drama)] == [Ping, Probe]
    assert not drama.peer.links["ben"].up
    answers(drama, Pong(1))
    assert drama.peer.links["ben"].up
    assert not drama.peer.ready(drama.now)
    drama.far["ben"].mute = False
    drama.wait(0.1)
    assert drama.peer.ready(drama.now)


def test_probes_are_repeated_while_halted_and_only_then():
    """Every probe_interval until one is answered; a game that plays needs none."""
    drama = PeerDrama().attach().recover()
    drama.far["ben"].mute = True
    drama.connect()
    drama.wait(0.35)
    assert len([one for one in records(drama) if isinstance(one, Probe)]) == 3
    drama = PeerDrama().play()
    drama.wait(3.0)
    assert not [one for one in records(drama) if isinstance(one, Probe)]


def test_a_probe_of_an_older_epoch_proves_nothing():
    """It counts if all are current on return: epoch, generations, and asked since the stop."""
    drama = PeerDrama().ready()
    drama.far["ben"].mute = True
    drama.views("reconnecting", 2)
    (asked,) = [one for one in records(drama) if isinstance(one, Probe)]
    answers(drama, ProbeAnswer(1, asked.nonce))
    answers(drama, ProbeAnswer(2, asked.nonce - 1))
    answers(drama, ProbeAnswer(2, asked.nonce + 1))
    assert not drama.peer.links["ben"].probed
    answers(drama, ProbeAnswer(2, asked.nonce))
    assert drama.peer.links["ben"].probed


def test_a_probe_is_answered_whatever_the_client_does():
    """Also while playing, and of any epoch: the asker judges."""
    drama = PeerDrama().play()
    answers(drama, Probe(77, 5))
    assert ProbeAnswer(77, 5) in records(drama)


def test_a_link_that_goes_down_has_to_be_proven_again():
    """Probed is cleared when the link goes down, in the same epoch."""
    drama = PeerDrama().ready()
    drama.far["ben"].mute = True
    drama.hear(ChannelChanged("ben", False))
    drama.connect()
    answers(drama, Pong(1))
    assert drama.peer.links["ben"].up
    assert drama.reports[-1].phase is Phase.HALTED


# -- packets ---------------------------------------------------------------------------------------


def test_packets_nobody_of_ours_would_send_are_counted_and_dropped():
    """Corrupt, foreign, of another generation, from a stranger: nothing changes."""
    drama = PeerDrama().play()
    link = drama.peer.links["ben"]
    drama.hear(FrameArrived("ben", b"rubbish"))
    drama.hear(FrameArrived("ben", encode(Frame(1, 1, [Ping(1)]), session_tag("other"))))
    assert drama.peer.malformed == 2
    drama.hear(FrameArrived("ben", encode(Frame(7, 1, [Ping(1)]), session_tag(GAME))))
    drama.hear(FrameArrived("ben", encode(Frame(1, 7, [Ping(1)]), session_tag(GAME))))
    assert link.foreign == 2
    drama.hear(FrameArrived("nobody", b"rubbish"))
    assert drama.effects == []
    assert drama.peer.malformed == 2


def test_events_of_links_that_are_gone_change_nothing():
    """Late words of an adapter about a peer who has no link."""
    drama = PeerDrama().play()
    for event in (
        ChannelChanged("cas", False),
        IceChanged("cas", "failed"),
        AttemptFailed("cas", "1.2", "failed"),
        SignalMade("cas", "1.2", OFFER, ""),
        SignalAcked(SignalAck("ann", 1, 1, 1, "cas")),
        SignalAcked(SignalAck("ann", 1, 1, 1)),
        SignalArrived(Signal("ann", 1, 1, 1, "1.2", REBUILD, OFFER, "", "cas")),
        SignalArrived(Signal("ann", 1, 1, 1, "1.2", REBUILD, OFFER, "")),
    ):
        assert drama.hear(event) == []
    assert drama.at == (PLAYING, 1)


def test_a_link_that_has_no_channel_is_given_nothing():
    """No heartbeats, no probes, no game data; and nothing is due for its stream."""
    drama = PeerDrama().play()
    drama.hear(DataOffered(b"before"))
    drama.cut()
    drama.hear(DataOffered(b"on its way"))
    drama.hear(ChannelChanged("ben", False))
    drama.wait(5.0)
    assert drama.of_kind(SendFrame) == []


# -- suspicion, business, darkness -----------------------------------------------------------------


def test_a_suspect_link_is_told_of_once():
    """A notice to the overlay, no pause; again only after it was heard in between."""
    drama = PeerDrama().play()
    drama.cut()
    drama.wait(0.7)
    assert drama.notices == [LinkSuspect("ben")]
    assert drama.at == (PLAYING, 1)
    drama.mend()
    drama.wait(1.0)
    assert drama.notices == []
    drama.cut()
    drama.wait(0.7)
    assert drama.of_kind(Inform) == [Inform(LinkSuspect("ben"))]


def test_a_lost_link_leaves_evidence():
    """Who was silent to whom, and for how long, goes into the record of the outage."""
    drama = PeerDrama().play()
    drama.hear(IceChanged("ben", "disconnected"))
    drama.cut()
    drama.wait(1.5)
    (lost,) = facts(drama, "link_lost")[:1]
    assert (lost["peer"], lost["cause"], lost["ice"]) == ("ben", "silent", "disconnected")
    assert lost["silent_ms"] >= 1000
    assert (lost["channel"], lost["hidden"]) == (True, False)


def test_a_loss_that_healed_in_time_is_recorded_and_not_mended_again():
    """link_grace_period: no attempt is begun at a link that works."""
    drama = PeerDrama(link_grace_period=1.0).play()
    drama.hear(ChannelChanged("ben", False))
    drama.wait(0.3)
    drama.connect()
    drama.wait(20.0)
    drama.far["ben"].mute = True
    drama.views("reconnecting", 2)
    assert facts(drama, "link_mended")[-1]["down_ms"] == 300
    assert drama.of_kind(StartAttempt) == []
    assert not drama.peer.links["ben"].proven


def test_business_is_announced_and_excused():
    """busy(seconds): the far ends are told before, and our own silence is not counted."""
    drama = PeerDrama().play()
    drama.hear(BusyDeclared(2.5))
    assert Busy(2500) in records(drama)
    drama.cut()
    drama.wait(2.4)
    assert drama.peer.links["ben"].detector.liveness is not Liveness.LOST
    assert drama.at == (PLAYING, 1)


@pytest.mark.parametrize(("seconds", "said"), [(1e9, 60_000), (-3.0, 0)])
def test_no_announcement_is_longer_than_a_packet_can_say(seconds, said):
    """Whatever the application says, the packet can be packed."""
    drama = PeerDrama().play()
    drama.hear(BusyDeclared(seconds))
    assert Busy(said) in records(drama)


def test_a_far_end_that_is_busy_is_given_time():
    """Announced silence is excused, up to a bound."""
    drama = PeerDrama().play()
    answers(drama, Busy(2500))
    drama.cut()
    drama.wait(2.4)
    assert drama.at == (PLAYING, 1)


def test_a_hidden_page_says_so_and_has_larger_limits():
    """A hidden page is a cause told to the record; its timers are slow."""
    drama = PeerDrama().play()
    drama.hear(HiddenChanged(True))
    assert facts(drama, "hidden") == [{"hidden": True}]
    drama.cut()
    drama.wait(2.0)
    assert drama.at == (PLAYING, 1)
    drama.hear(HiddenChanged(False))
    assert facts(drama, "hidden")[-1] == {"hidden": False}
    drama.wait(2.0)
    assert drama.at == (HALTED, 2)
