"""A client and its game data: offered, taken, relayed, and waited for."""

import pytest

from reconnect.core.effects import (
    SendData,
    SendFrame,
)
from reconnect.core.events import (
    ChannelChanged,
    DataArrived,
    DataOffered,
)
from reconnect.core.frames import (
    Latest,
)
from reconnect.core.messages import AttemptKind, SignalKind
from reconnect.errors import LocalProtocolError, NoSuchPlayer, StreamFull
from tests.core.peer_drama import PeerDrama, answers, broken, records

REBUILD, RESTART = AttemptKind.REBUILD, AttemptKind.RESTART
OFFER, ANSWER, CANDIDATE = SignalKind.OFFER, SignalKind.ANSWER, SignalKind.CANDIDATE
PLEASE, ABORT = SignalKind.PLEASE_RESTART, SignalKind.ABORT


def test_what_is_offered_reaches_everybody_or_the_one_named():
    """send(data) goes to all peers, send(data, to=...) to one."""
    drama = PeerDrama("ann", "ben", "cas").play()
    drama.hear(DataOffered(b"all"))
    drama.hear(DataOffered(b"ben", "ben"))
    assert drama.far["ben"].got == [b"all", b"ben"]
    assert drama.far["cas"].got == [b"all"]


def test_what_arrives_is_taken_in_order_of_each_peer():
    """take() empties the streams, and the newest `latest` comes once."""
    drama = PeerDrama("ann", "ben", "cas").play()
    drama.gives("ben", b"1", b"2")
    drama.gives("cas", b"3")
    answers(drama, Latest(1, b"old"), Latest(2, b"new"))
    assert drama.peer.take() == [("ben", b"1"), ("ben", b"2"), ("ben", b"new"), ("cas", b"3")]
    assert drama.peer.take() == []


def test_the_latest_value_goes_to_everybody_and_is_not_repeated():
    """send_latest: one record each, at most as long as a packet."""
    drama = PeerDrama("ann", "ben", "cas").play()
    drama.hear(DataOffered(b"where I am", latest=True))
    assert [one for one in records(drama) if isinstance(one, Latest)] == [
        Latest(1, b"where I am")
    ] * 2
    with pytest.raises(LocalProtocolError):
        drama.hear(DataOffered(b"x" * 2000, latest=True))


def test_where_one_peer_has_no_room_no_peer_gets_anything():
    """All or nothing, so that no two players hold different games."""
    drama = PeerDrama("ann", "ben", "cas", stream_messages_max=2).play()
    drama.cut("cas")
    drama.hear(DataOffered(b"1"))
    drama.hear(DataOffered(b"2"))
    before = drama.peer.links["ben"].stream.mark()
    with pytest.raises(StreamFull) as full:
        drama.hear(DataOffered(b"3"))
    assert full.value.peer == "cas"
    assert drama.peer.links["ben"].stream.mark() == before
    drama.hear(DataOffered(b"3", "ben"))
    assert drama.far["ben"].got == [b"1", b"2", b"3"]


def test_a_message_that_is_too_long_is_refused_for_all():
    """LocalProtocolError, and no stream has accepted anything."""
    drama = PeerDrama("ann", "ben", "cas", message_max=10).play()
    with pytest.raises(LocalProtocolError):
        drama.hear(DataOffered(b"x" * 11))
    assert [link.stream.mark() for link in drama.peer.links.values()] == [0, 0]


def test_nobody_can_be_sent_to_who_is_no_peer():
    """NoSuchPlayer; in a star also for those who are not the hub."""
    drama = PeerDrama("ben", "ann", "cas", topology="star").play()
    for stranger in ("ben", "cas", "nobody"):
        with pytest.raises(NoSuchPlayer):
            drama.hear(DataOffered(b"x", stranger))


@pytest.mark.parametrize("to", [None, "ben"])
def test_where_the_server_is_the_game_nothing_can_ever_be_sent(to):
    """The sentence does not say that one has to wait."""
    drama = PeerDrama("ann", "ben", topology="server").play()
    with pytest.raises(LocalProtocolError, match=r"nobody to send to, now or later: .* 'server'"):
        drama.hear(DataOffered(b"x", to))


def test_nothing_can_be_sent_before_the_first_view():
    """There is nobody yet; and `LocalProtocolError` changes nothing."""
    drama = PeerDrama()
    with pytest.raises(LocalProtocolError, match="nobody to send to yet"):
        drama.hear(DataOffered(b"x"))
    assert drama.peer.control.dialled == "closed"
    with pytest.raises(NoSuchPlayer):
        drama.hear(DataOffered(b"x", "ben"))


def test_what_was_sent_before_a_stop_must_arrive_before_the_client_is_ready():
    """synced: the far end holds everything `send` has accepted before the outage."""
    drama = PeerDrama().play()
    drama.cut()
    drama.hear(DataOffered(b"lost"))
    drama.hear(ChannelChanged("ben", False))
    drama.recover()
    drama.mend()
    drama.far["ben"].got.clear()
    drama.connect()
    assert drama.far["ben"].got == [b"lost"]
    assert drama.peer.ready(drama.now)


def test_what_is_offered_while_halted_does_not_hold_up_the_resume():
    """Only what came before the stop counts; later data wait for the link like all others."""
    drama = broken()
    drama.hear(DataOffered(b"later"))
    link = drama.peer.links["ben"]
    assert (link.synced, link.stream.idle) == (True, False)


def test_relayed_data_go_through_the_coordinator():
    """relayed: packets are SendData, never SendFrame, and come back as DataArrived."""
    drama = PeerDrama(topology="relayed").play()
    drama.hear(DataOffered(b"hello"))
    assert drama.far["ben"].got == [b"hello"]
    assert drama.of_kind(SendFrame) == []
    assert drama.of_kind(SendData)
    drama.gives("ben", b"hi")
    assert drama.peer.take() == [("ben", b"hi")]
    drama.hear(DataArrived("ben", b"rubbish"))
    assert drama.peer.malformed == 1


@pytest.mark.parametrize("away", ["ann", "ben"])
def test_relayed_data_wait_while_one_of_the_two_is_not_attached(away):
    """The coordinator could only drop them; they are resent when both are there."""
    drama = PeerDrama(topology="relayed").play()
    if away == "ann":
        drama.loses_control()
    else:
        drama.far["ben"].attached = False
        drama.views("connected", 1)
    drama.hear(DataOffered(b"hello"))
    assert drama.of_kind(SendData) == []
    if away == "ann":
        drama.reattach()
    drama.far["ben"].attached = True
    drama.views("connected", 1)
    assert drama.far["ben"].got == [b"hello"]
