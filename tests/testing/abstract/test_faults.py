import pytest

from reconnect.core.table import State
from reconnect.testing.abstract.faults import Faults
from reconnect.testing.abstract.scene import DOWN, Fault, Scene

from .playing import network, playing, reach


def strikes(fault, state=None, topology="relayed", wanted=None):
    """What the fault does where everybody plays, or in the next scene of which `wanted` is true."""
    net = network(topology)
    state = playing(net, [fault])
    if wanted is not None:
        state, _ = reach(net, state, wanted)
    found = [(what, Scene.of(after)) for (what, _), after in Faults(net).steps(state)]
    assert all(what.startswith(f"FAULT {fault}: ") for what, _ in found)
    assert all(scene.faults == () for _, scene in found)
    return net, found


@pytest.mark.parametrize(
    ("fault", "count"),
    [
        (Fault.DROP, 2),
        (Fault.SLOW, 2),
        (Fault.CRASH, 1),
        (Fault.HANG, 1),
        (Fault.RELOAD, 2),
        (Fault.VANISH, 2),
        (Fault.DIE, 2),
        (Fault.DUPLICATE, 2),
        (Fault.STALL, 2),
        (Fault.LEAVE, 2),
        (Fault.FINISH, 1),
        (Fault.GIVE_UP, 0),
        (Fault.STALE_REPORT, 0),
        (Fault.STALE_VIEW, 0),
    ],
)
def test_each_fault_strikes_wherever_it_can(fault, count):
    """Once for each player whom it can concern; then it is spent."""
    _, found = strikes(fault)
    assert len(found) == count
    assert len({what for what, _ in found}) == count


@pytest.mark.parametrize(
    ("fault", "count"), [(Fault.LINK_BREAK, 1), (Fault.LINK_DEATH, 1), (Fault.FALSE_ALARM, 2)]
)
def test_links_break(fault, count):
    """For both, for ever, or for one end only."""
    _, found = strikes(fault, topology="mesh")
    assert len(found) == count
    assert [scene.dead for _, scene in found] == [fault is Fault.LINK_DEATH] * count
    assert all(bool(scene.works) is (fault is Fault.FALSE_ALARM) for _, scene in found)


def test_a_crash_may_come_between_a_save_and_what_is_said():
    """The record is the new one, and nobody has heard of it."""
    net, found = strikes(
        Fault.CRASH,
        wanted=lambda scene: not scene.up or any(line.up and not line.down for line in scene.lines),
    )
    assert found[0][0].endswith("the coordinator's process dies")
    assert all(scene.session == DOWN for _, scene in found)
    assert all(not line.server_open for _, scene in found for line in scene.lines)
    state = net.beginning([Fault.CRASH])
    attaching, _ = reach(net, state, lambda scene: any(line.up for line in scene.lines))
    found = [(what, Scene.of(after)) for (what, _), after in Faults(net).steps(attaching)]
    said = {what.partition(": ")[2]: net.folds.record(scene.record) for what, scene in found}
    unsaid = said["K reads of a, saves, and dies before it says so"]
    assert unsaid.state is State.PAUSED
    assert unsaid.seats[0].gen_next == 1
    assert said["the coordinator's process dies"].seats[0].gen_next == 0


def test_what_is_gone_leaves_its_connection_behind():
    """Whoever comes after it moves up, and so do their connections and links."""
    net, found = strikes(Fault.VANISH, topology="mesh")
    (_, scene), _ = found
    assert scene.successors == ("a",)
    assert [net.folds.peer(client).player for client, _ in scene.clients] == ["b"]
    assert {(line.client, line.player) for line in scene.lines} == {(-1, "a"), (0, "b")}
    assert scene.works == frozenset()


def test_what_arrives_twice_is_on_its_way():
    """The copy is of what is read next."""
    _, found = strikes(Fault.STALE_REPORT, wanted=lambda scene: scene.lines[0].up)
    assert [scene.copy for _, scene in found] == [("report", 0, found[0][1].lines[0].up[0])]
    _, found = strikes(Fault.STALE_VIEW, wanted=lambda scene: scene.lines[0].down)
    assert [scene.copy for _, scene in found] == [("view", 0, found[0][1].lines[0].down[0])]


def test_who_is_not_attached_may_give_up():
    """From the first dial on."""
    net = network()
    found = list(Faults(net).steps(net.beginning([Fault.GIVE_UP])))
    assert len(found) == 2
    for at, (_, after) in enumerate(found):
        assert net.folds.peer(Scene.of(after).clients[at][0]).reason == "unreachable"


def test_a_coordinator_that_is_down_has_no_faults():
    """It can neither crash, nor hang, nor end the game."""
    net, found = strikes(Fault.CRASH)
    for fault in (Fault.CRASH, Fault.HANG, Fault.FINISH):
        scene = Scene.of(net.written(found[0][1]))
        scene.faults = (fault,)
        assert list(Faults(net).steps(net.written(scene))) == []
