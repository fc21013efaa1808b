import pytest

from reconnect.core.peer import Peer
from reconnect.core.session import Session
from reconnect.core.table import State
from reconnect.testing.abstract.folds import LawBroken
from reconnect.testing.abstract.scene import DOWN, Scene

from .playing import network, playing, reach


def what_can_happen(net, scene):
    return [what for (what, _), _ in net.steps(net.written(scene))]


def test_time_passes_when_nothing_is_urgent():
    """A second passes, then both clients have a heartbeat due."""
    net = network()
    scene = Scene.of(playing(net))
    assert what_can_happen(net, scene) == ["a second passes"]
    ((_, later),) = net.steps(net.written(scene))
    assert [what for (what, _), _ in net.steps(later)] == [
        "a looks at the clock",
        "b looks at the clock",
    ]


def test_it_begins_with_two_dials():
    """And goes on to where everybody plays."""
    net = network()
    _, way = reach(
        net, net.beginning(()), lambda scene: scene.up and state(net, scene) == "connected"
    )
    assert way[0] == "a[new] looks at the clock"
    assert {"a[new] is connected", "b[new] is connected", "K reads of a", "a reads"} < {*way}


def state(net, scene):
    return net.folds.session(scene.session).state


def test_a_broken_line_may_be_noticed_or_not():
    """By each end, at any time; meanwhile time passes."""
    net = network()
    scene = Scene.of(playing(net))
    scene.cut(scene.lines[0])
    assert what_can_happen(net, scene) == [
        "a sees that its connection is gone",
        "K sees that a connection of a is gone",
        "a second passes",
    ]


def test_who_is_hung_up_on_hears_of_it():
    """After what was said before."""
    net = network()
    scene = Scene.of(playing(net))
    scene.closed_by_server(scene.lines[0])
    assert what_can_happen(net, scene) == ["a sees that its connection is gone"]
    scene = Scene.of(playing(net))
    scene.closed_by_client(scene.lines[0])
    assert what_can_happen(net, scene) == ["K sees that a connection of a is gone"]


def test_a_process_that_is_down_or_stands_still():
    """It is started again or goes on at any time; nothing is heard before."""
    net = network()
    scene = Scene.of(playing(net))
    scene.hung = True
    assert what_can_happen(net, scene) == ["K goes on", "a second passes"]
    record = net.folds.recorded(scene.session)
    scene.session, scene.record, scene.hung, scene.lines = DOWN, record, False, []
    assert what_can_happen(net, scene) == ["K is started again", "a second passes"]


def test_programs_go_on_and_are_started_again():
    """At any time."""
    net = network()
    scene = Scene.of(playing(net))
    scene.clients[0], scene.successors = (scene.clients[0][0], True), ("b",)
    assert what_can_happen(net, scene) == [
        "a goes on",
        "b's program is started again",
        "a second passes",
    ]


def test_what_arrives_once_more_does_so_at_any_time():
    """A view to the same client, a report on the same connection."""
    net = network()
    scene = Scene.of(playing(net))
    scene.clients = [(net.folds.older(client), False) for client, _ in scene.clients]
    net.client_hears(scene, 0, ("time",))
    scene.copy = "report", 0, scene.lines[0].up[0]
    assert "K reads once more of a" in what_can_happen(net, scene)
    ((_, view), _) = next(
        found
        for found in net.steps(reach(net, net.written(scene), lambda it: it.lines[0].down)[0])
        if found[0][0] == "a reads"
    )
    scene.copy = "view", 0, view
    assert "a reads once more" in what_can_happen(net, scene)


@pytest.mark.parametrize("kind", [Peer, Session])
def test_time_that_stands_still_is_found(monkeypatch, kind):
    """Something is due, and handling it changes nothing."""
    net = network()
    scene = Scene.of(net.beginning(()))
    if kind is Session:
        scene.clients = []
    monkeypatch.setattr(kind, "handle", lambda self, event, *, now: [])
    with pytest.raises(LawBroken, match="time stands still"):
        what_can_happen(net, scene)
    assert state(net, scene) == State.PAUSED
