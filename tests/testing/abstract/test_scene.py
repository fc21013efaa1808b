from reconnect.testing.abstract.scene import DOWN, Line, Scene

from .playing import network, playing


def test_a_scene_is_written_down_whole():
    """What is written down is the scene again, and can be changed without changing it."""
    net = network()
    state = playing(net)
    scene = Scene.of(state)
    assert net.written(scene) == state
    scene.clients.clear()
    scene.lines[0].up = (1,)
    assert net.written(Scene.of(state)) == state
    assert hash(state) == hash(playing(net))


def test_a_line_is_open_at_two_ends():
    """What waits on a way that is closed at its end is gone; a cut line loses what is sent."""
    line = Line(0, "a", up=(1,), down=(2,))
    assert Line(*line.written()).written() == line.written()
    scene = Scene((), DOWN, DOWN, False, [], [line])
    assert not scene.up
    assert scene.line_of(0) is line
    scene.closed_by_server(line)
    assert (line.server_open, line.up, line.down) == (False, (), (2,))
    scene.closed_by_client(line)
    assert (line.client_open, line.down) == (False, ())
    assert scene.line_of(0) is None
    scene.cut(line)
    assert (line.loose, line.broken, line.up_cut, line.down_cut) == (True, True, True, True)
