from math import inf

import pytest

from reconnect.core.messages import Reason
from reconnect.core.outlook import Play
from reconnect.core.table import State
from reconnect.testing.abstract.invariants import Invariants, holder, plays
from reconnect.testing.abstract.scene import DOWN, Scene

from .playing import network, playing


def changed(net, state, *, session=None, a=None, b=None):
    """The scene in which some fields of some have other values."""
    scene = Scene.of(state)
    live = net.folds.live(scene.session)
    for name, value in (session or {}).items():
        setattr(live, name, value)
    scene.session = net.folds.put(live)
    for at, some in enumerate((a, b)):
        peer = net.folds.live(scene.clients[at][0])
        for name, value in (some or {}).items():
            setattr(peer, name, value)
        scene.clients[at] = net.folds.put(peer, peer.player), False
    return scene


HALTED = {"play": Play.HALTED, "epoch": 2}


@pytest.mark.parametrize(
    ("change", "law"),
    [
        ({"session": {"epoch": 2, "state": State.RECONNECTING, "ends_at": 3.0}}, "I2"),
        ({"session": {"epoch": 1, "state": State.PAUSED, "ends_at": 3.0}}, "I3:"),
        ({"b": {"epoch": 2}}, "I3b"),
        ({"b": {"player": "a"}}, "I7"),
        ({"session": {"ends_at": 3.0}}, "D:"),
        ({"session": {"state": State.RESUMED}}, "D:"),
        ({"a": {"play": Play.ENDED, "reason": Reason.TIMEOUT}}, "I6"),
        ({"a": {"play": Play.HALTED, "epoch": 3}}, "J1"),
    ],
)
def test_what_must_not_be_is_said(change, law):
    """Each law by its name, where all but one thing is as it should be."""
    net = network()
    laws = [*Invariants(net.folds).broken(changed(net, playing(net), **change))]
    assert any(one.startswith(law) for one in laws), laws


def test_nothing_is_said_where_all_is_well():
    """Everybody plays; that is good."""
    net = network("mesh")
    scene = Scene.of(playing(net))
    assert [*Invariants(net.folds).broken(scene)] == []
    assert Invariants(net.folds).good(scene)


def test_a_lease_needs_its_bound_or_its_fence():
    """L: what a client may still do, the coordinator has to know."""
    net = network()
    session = net.folds.live(Scene.of(playing(net)).session)
    session.members["a"].last_report_at = -inf
    session.members["b"].gen, session.members["b"].gen_next = 2, 2
    laws = [
        *Invariants(net.folds).broken(
            changed(net, playing(net), session={"members": session.members})
        )
    ]
    assert laws == [
        "L: a lease is valid, and its bound has run out",
        "L: a superseded client plays, and there is no fence",
    ]


def test_nobody_plays_over_a_link_that_is_down():
    """I10."""
    net = network("mesh")
    scene = Scene.of(playing(net))
    peer = net.folds.live(scene.clients[0][0])
    peer.links["b"].channel = False
    scene.clients[0] = net.folds.put(peer, "a"), False
    assert [*Invariants(net.folds).broken(scene)] == [
        "I10: a client plays over a link that is down"
    ]


@pytest.mark.parametrize(
    ("before", "after", "law"),
    [
        ({"state": State.RECONNECTING, "epoch": 2}, {"state": State.RESUMED, "epoch": 2}, "I11"),
        ({"state": State.RESUMED, "epoch": 2}, {"epoch": 2}, "I12"),
    ],
)
def test_a_move_needs_everybody(before, after, law):
    """Resumed when all have promised, connected when all have started."""
    net = network()
    was = net.written(changed(net, playing(net), session=before))
    now = net.written(changed(net, playing(net), session=after))
    laws = [*Invariants(net.folds).broken_by(was, now)]
    assert [one.partition(":")[0] for one in laws] == [law, law]
    assert [*Invariants(net.folds).broken_by(now, now)] == []


def test_a_server_plays_alone():
    """With topology `server` nothing a client does can harm the game."""
    net = network("server")
    scene = changed(net, playing(net), b={"epoch": 2, "player": "a"})
    assert not any(
        law.startswith(("I2", "I3", "I7")) for law in Invariants(net.folds).broken(scene)
    )


def test_all_is_well_when_everybody_plays_or_has_ended():
    """Not while a process is down or a program is awaited, and not with one who stands still."""
    net = network()
    good, state = Invariants(net.folds).good, playing(net)
    assert not good(changed(net, state, a=HALTED))
    assert not good(changed(net, state, session={"state": State.PAUSED}))
    assert not good(changed(net, state, session={"state": State.ENDED}))
    ended = {"play": Play.ENDED}
    assert good(changed(net, state, session={"state": State.ENDED}, a=ended, b=ended))
    scene = Scene.of(state)
    scene.clients[0] = scene.clients[0][0], True
    assert not good(scene)
    scene = Scene.of(state)
    scene.successors = ("a",)
    assert not good(scene)
    scene.session = DOWN
    assert not good(scene)


def test_who_holds_the_seat_and_who_plays():
    """The generation decides, and the lease."""
    net = network()
    scene = Scene.of(playing(net))
    session, peer = net.folds.session(scene.session), net.folds.live(scene.clients[0][0])
    assert holder(session, peer)
    assert plays(peer)
    peer.gen, peer.control._acked_sent_at = 0, -4.0
    assert not holder(session, peer)
    assert not plays(peer)
