"""Scenes for the tests of this folder."""

from collections import deque

from reconnect.testing.abstract.folds import Folds
from reconnect.testing.abstract.invariants import Invariants
from reconnect.testing.abstract.network import Network
from reconnect.testing.abstract.scene import Scene
from reconnect.testing.exhaustive import tiny_policy


def network(topology="relayed", *, queue=1):
    return Network(Folds(tiny_policy(topology), ("a", "b")), queue)


def reach(net, state, wanted):
    """The nearest scene, without a fault, of which `wanted` is true; and the way to it."""
    waiting, seen = deque([(state, ())]), {state}
    while waiting:
        at, way = waiting.popleft()
        if wanted(Scene.of(at)):
            return at, way
        for (what, _), after in net.steps(at):
            if after not in seen:
                seen.add(after)
                waiting.append((after, (*way, what)))
    raise AssertionError("never")


def playing(net, faults=()):
    """Everybody plays and nothing is under way."""
    good = Invariants(net.folds).good

    def quiet(scene):
        return good(scene) and not any(line.up or line.down for line in scene.lines)

    scene = Scene.of(reach(net, net.beginning(()), quiet)[0])
    scene.faults = tuple(faults)
    scene.record = net.folds.recorded(scene.session)
    return net.written(scene)
