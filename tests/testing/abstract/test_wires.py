from reconnect.core.outlook import Play
from reconnect.testing.abstract.scene import Scene

from .playing import network, playing, reach


def broken(**more):
    """Everybody plays, and the link has just broken."""
    net = network("mesh")
    scene = Scene.of(playing(net))
    scene.works = frozenset()
    for name, value in more.items():
        setattr(scene, name, value)
    return net, net.written(scene)


def play_of(net, scene, at):
    return net.folds.peer(scene.clients[at][0]).play


def both_play(net, scene):
    return all(play_of(net, scene, at) is Play.PLAYING for at in (0, 1))


def test_each_end_notices_in_its_own_time():
    """Who notices first stops; in the same second the other one does, too."""
    net, state = broken()
    noticed = {what: Scene.of(after) for (what, _), after in net.link_steps(state)}
    assert [*noticed] == [f"{name} notices that its link is down" for name in "ab"]
    first = noticed["a notices that its link is down"]
    assert [play_of(net, first, at) for at in (0, 1)] == [Play.HALTED, Play.PLAYING]
    assert net.urgent


def test_a_link_is_mended_where_both_may():
    """Then both notice, probe, and play on."""
    net, state = broken()
    after, way = reach(net, state, lambda scene: scene.works and both_play(net, scene))
    assert way.index("a link is mended") < way.index("a notices that its link is up")
    assert way.index("a notices that its link is up") < way.index("a's probe is answered")
    assert net.hears(Scene.of(after), 1, "a")


def test_a_dead_link_stays_down():
    """Whatever is tried, until the session ends for all."""
    net, state = broken(dead=True)
    after, way = reach(net, state, lambda scene: not scene.clients)
    assert "a link is mended" not in way
    assert net.folds.session(Scene.of(after).session).reason == "timeout"


def test_a_program_that_stands_still_may_be_taken_for_lost():
    """Its far end may notice, or not before it goes on."""
    net = network("mesh")
    scene = Scene.of(playing(net))
    scene.clients[1] = scene.clients[1][0], True
    net.urgent = False
    steps = [what for (what, _), _ in net.link_steps(net.written(scene))]
    assert steps == ["a notices that its link is down"]
    assert not net.urgent
