import pytest

from reconnect.testing.abstract.exchange import REPORTS_MAX
from reconnect.testing.abstract.folds import LawBroken
from reconnect.testing.abstract.scene import Scene

from .playing import network, playing


def reporting(net):
    """Everybody plays, and a's heartbeat is on its way."""
    scene = Scene.of(playing(net))
    scene.clients = [(net.folds.older(client), stalled) for client, stalled in scene.clients]
    net.client_hears(scene, 0, ("time",))
    (report,) = scene.lines[0].up
    return scene, ("report", 1, "a", report)


def test_a_report_is_answered():
    """What the session orders is on the line of whom it is for."""
    net = network()
    scene, told = reporting(net)
    [((what, message), after)] = net.session_hears(scene, told, "K reads", told[3])
    assert (what, message) == ("K reads", told[3])
    assert [len(line.down) for line in Scene.of(after).lines] == [1, 0]
    assert net.name(scene, 0) == "a"


def test_the_session_waits_for_one_who_can_read():
    """Nothing happens as long as a view is there to be read."""
    net = network()
    scene, told = reporting(net)
    scene.lines[0].down = (told[3],)
    assert list(net.session_hears(scene, told, "K reads")) == []


@pytest.mark.parametrize("loose", [True, False])
def test_what_is_too_much_for_one_who_may_not_read_is_lost(loose):
    """And everything after it: on a slow line, or where the program stands still."""
    net = network()
    scene, told = reporting(net)
    line = scene.lines[0]
    line.down, line.loose = (told[3],), loose
    scene.clients[0] = scene.clients[0][0], not loose
    assert len(list(net.session_hears(scene, told, "K reads"))) == 1
    assert (len(line.down), line.down_cut) == (1, True)
    line.down = ()
    net._send(line, told[3])
    assert line.down == ()


def test_reports_wait_on_a_slow_line_up_to_the_queue():
    """What is more is lost; on a line that works they all wait, though not without end."""
    net = network(queue=2)
    scene, told = reporting(net)
    line = scene.lines[0]
    line.loose, line.up = True, (told[3],) * 2
    scene.clients[0] = net.folds.older(scene.clients[0][0]), False
    net.client_hears(scene, 0, ("time",))
    assert (len(line.up), line.up_cut) == (2, True)
    scene, _ = reporting(net)
    scene.lines[0].up = (told[3],) * REPORTS_MAX
    scene.clients[0] = net.folds.older(scene.clients[0][0]), False
    with pytest.raises(LawBroken, match="without end"):
        net.client_hears(scene, 0, ("time",))


def test_closing_is_of_a_line():
    """A client without one has nothing to close."""
    net = network()
    scene, _ = reporting(net)
    net.client_hears(scene, 0, ("closing",))
    assert not scene.lines[0].client_open
    assert net.name(scene, 0) == "a"
    scene = Scene.of(net.beginning(()))
    net.client_hears(scene, 0, ("closing",))
    assert net.name(scene, 0) == "a[new]"
