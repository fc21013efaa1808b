from reconnect.core.messages import ShortView
from reconnect.testing.abstract.scene import NO_RECORD, Fault, Line, Scene

from .playing import network, playing


def test_scenes_with_the_same_future_are_one():
    """Numbers are the least, connections have their places as names, and what is over is gone."""
    net = network()
    state = playing(net)
    scene = Scene.of(state)
    scene.lines.insert(0, Line(1, "b", client_open=False, server_open=False))
    session = net.folds.live(scene.session)
    session.version += 5
    for number, member in enumerate(session.members.values(), 2):
        member.conn = member.informed_conn = number
    scene.session = net.folds.put(session)
    clients = []
    for client, stalled in scene.clients:
        peer = net.folds.live(client)
        peer.version += 5
        clients.append((net.folds.put(peer, peer.player), stalled))
    scene.clients = clients
    assert net.written(scene) == state


def test_clients_that_are_over_leave_their_lines():
    """And those who come after them move up."""
    net = network()
    scene = Scene.of(playing(net))
    net.client_hears(scene, 0, ("closing",))
    written = Scene.of(net.written(scene))
    assert len(written.clients) == 1
    assert [(line.client, line.player, line.client_open) for line in written.lines] == [
        (-1, "a", False),
        (0, "b", True),
    ]
    assert net.folds.session(written.session).members["b"].conn == 2


def test_a_record_is_kept_as_long_as_a_crash_can_come():
    """Or while nothing else is there."""
    net = network()
    assert Scene.of(playing(net)).record == NO_RECORD
    assert Scene.of(playing(net, [Fault.CRASH])).record != NO_RECORD


def test_what_arrives_once_more_goes_with_its_line():
    """And has its numbers changed with all others."""
    net = network()
    scene = Scene.of(playing(net))
    scene.copy = "view", 1, net.folds.put(ShortView(99, 1, 1, 0.0), "b")
    kept = Scene.of(net.written(scene)).copy
    assert kept[:2] == ("view", 1)
    assert net.folds.look(kept[2]).version < 99
    scene.closed_by_client(scene.lines[1])
    assert Scene.of(net.written(scene)).copy is None


def test_links_are_of_two_who_know_each_other():
    """A newer generation has none yet."""
    net = network("mesh")
    scene = Scene.of(playing(net))
    assert net.mutual(scene, 0, 1)
    assert scene.works == {(0, 1)}
    peer = net.folds.live(scene.clients[1][0])
    peer.gen = 2
    scene.clients[1] = net.folds.put(peer, "b"), False
    assert not net.mutual(scene, 0, 1)
    assert Scene.of(net.written(scene)).works == frozenset()
