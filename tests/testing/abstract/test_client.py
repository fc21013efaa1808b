from math import inf

from reconnect.core.effects import Dial
from reconnect.core.events import ChannelChanged, ControlClosed, FrameArrived, TimePassed
from reconnect.core.messages import Kind, LinkReport, Phase, PlayerView
from reconnect.testing.abstract.client import AbstractLink, NoChance, beginning
from reconnect.testing.exhaustive import tiny_policy


def with_link():
    peer = beginning("a")
    peer.control.policy = tiny_policy("mesh")
    peer.gen = 1
    link = peer._new_link(PlayerView("b", 2, Kind.PYTHON, True, Phase.HALTED), 0.0)
    peer.links["b"] = link
    return peer, link


def test_every_delay_is_the_shortest():
    """A dial that fails is repeated at once: how long it takes is up to the network."""
    assert NoChance().uniform(0.5, 2.0) == 0.5
    peer = beginning("a")
    assert Dial() in peer.handle(TimePassed(), now=0.0)
    assert Dial() in peer.handle(ControlClosed(), now=0.0)


def test_a_link_is_what_the_network_says():
    """Up or down as it was said last, proven by any packet, unproven by every stop."""
    peer, link = with_link()
    assert isinstance(link, AbstractLink)
    assert (link.up, link.ready, link.report()) == (False, False, LinkReport(False))
    peer.handle(ChannelChanged("b", True), now=0.0)
    assert (link.up, link.ready, link.endured_until) == (True, False, inf)
    peer.handle(FrameArrived("b", b""), now=0.0)
    assert link.ready
    link.stopped(2, 0.0)
    assert (link.up, link.ready) == (True, False)
    peer.handle(FrameArrived("b", b""), now=0.0)
    peer.handle(ChannelChanged("b", False), now=0.0)
    assert (link.up, link.ready, link.endured_until) == (False, False, -inf)


def test_a_link_has_nothing_to_do_by_itself():
    """It neither wakes its client nor sends anything, so that only the network is heard of it."""
    peer, link = with_link()
    peer.handle(ChannelChanged("b", True), now=0.0)
    assert link.deadline(halted=True, attached=True, recovering=True) == inf
    effects = []
    link.flush(effects, 0.0, halted=True)
    link.mend(effects, 0.0, allowed=True)
    assert effects == []
    assert not link.newly_suspect()
    assert not peer.mends_now("b")
    assert not peer.mends_now("c")
