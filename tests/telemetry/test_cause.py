"""The cause of an outage is what the evidence says, whoever was the first to report."""

from collections.abc import Callable

import pytest

from reconnect import Policy
from reconnect.telemetry.cause import Case, Finding, OutageCause, diagnose
from reconnect.telemetry.evidence import Clue, Evidence, Teller
from tests.telemetry.scenes import PLAYERS, Scene

CAROLS = (("alice", "carol"), ("bob", "carol"))


# -- whole games -----------------------------------------------------------------------------------


def control_silent(scene: Scene) -> None:
    scene.network.cut_control("carol", half_open=True)
    scene.run(12)
    scene.network.mend_control("carol")


def control_closed(scene: Scene) -> None:
    scene.network.cut_control("carol")
    scene.run(12)
    scene.network.mend_control("carol")


def links(scene: Scene) -> None:
    scene.network.cut("carol")
    scene.run(5)
    scene.network.mend("carol")


def one_link(scene: Scene) -> None:
    scene.network.cut("alice", "carol")
    scene.run(5)
    scene.network.mend("alice", "carol")


def one_direction(scene: Scene) -> None:
    scene.network.cut("carol", "alice", one_way=True)
    scene.run(5)
    scene.network.mend("alice", "carol")


def channel(scene: Scene) -> None:
    scene.network.break_channel("alice", "carol")
    scene.run(5)


def everything(scene: Scene) -> None:
    scene.network.unplug("carol")
    scene.run(5)
    scene.network.plug("carol")


def everything_for_a_moment(scene: Scene) -> None:
    """The control link is held up and not broken; the coordinator never calls it lost."""
    scene.network.cut("carol")
    scene.network.clog_control("carol")
    scene.run(3.5)
    scene.network.plug("carol")


def reload(scene: Scene) -> None:
    scene.players["carol"].client.close()
    scene.run(2)
    scene.come_back("carol")


def crash(scene: Scene) -> None:
    scene.lose("carol")
    scene.run(3)
    scene.come_back("carol")


def other_tab(scene: Scene) -> None:
    scene.come_back("carol")
    scene.run(1)


def hidden(scene: Scene) -> None:
    """A page in the background, whose timers stop altogether after a while."""
    scene.players["carol"].client.hidden(True)
    scene.run(3)
    scene.processes["carol"].stall(5.0)
    scene.run(5)
    scene.players["carol"].client.hidden(False)


def stalled(scene: Scene) -> None:
    scene.processes["carol"].stall(3.0)
    scene.run(3)


def stalled_for_a_moment(scene: Scene) -> None:
    scene.processes["carol"].stall(1.6)
    scene.run(2)


def asleep(scene: Scene) -> None:
    scene.processes["carol"].stall(20.0)
    scene.run(20)


Fault = Callable[[Scene], None]
FAULTS: list[tuple[Fault, OutageCause, tuple[str, ...], tuple[tuple[str, str], ...]]] = [
    (control_silent, OutageCause.CONTROL_LOST, ("carol",), ()),
    (control_closed, OutageCause.CONTROL_LOST, ("carol",), ()),
    (links, OutageCause.LINK_LOST, (), CAROLS),
    (one_link, OutageCause.LINK_LOST, (), CAROLS[:1]),
    (one_direction, OutageCause.LINK_LOST, (), CAROLS[:1]),
    (channel, OutageCause.LINK_LOST, (), CAROLS[:1]),
    (everything, OutageCause.PLAYER_LOST, ("carol",), CAROLS),
    (everything_for_a_moment, OutageCause.PLAYER_LOST, ("carol",), CAROLS),
    (reload, OutageCause.RELOADED, ("carol",), CAROLS),
    (crash, OutageCause.RELOADED, ("carol",), CAROLS),
    (other_tab, OutageCause.RELOADED, (), ()),
    (hidden, OutageCause.HIDDEN, ("carol",), CAROLS),
    (stalled, OutageCause.STALLED, ("carol",), CAROLS),
    (stalled_for_a_moment, OutageCause.STALLED, (), CAROLS),
    (asleep, OutageCause.STALLED, ("carol",), CAROLS),
]


@pytest.mark.parametrize("first", PLAYERS)
@pytest.mark.parametrize(
    ("fault", "cause", "missing", "lost"), FAULTS, ids=[fault.__name__ for fault, *_ in FAULTS]
)
def test_the_missing_one_is_named_by_evidence(fault, cause, missing, lost, first):
    """Whoever reports first: the same cause, the same players missing, the same links lost."""
    scene = Scene(first=first)
    fault(scene)
    scene.recover()
    outage = scene.outage_now
    about = () if cause is OutageCause.LINK_LOST else ("carol",)
    assert outage.finding == Finding(cause, about)
    assert outage.missing == missing
    assert outage.links == lost
    assert outage.outcome == "connected"


@pytest.mark.parametrize("first", PLAYERS)
def test_the_first_to_report_is_not_to_blame(first):
    """Each of three players who lose links can be the one who stops the game."""
    scene = Scene(first=first)
    links(scene)
    scene.recover()
    stops = [one for one in scene.outage_now.evidence if one.kind is Clue.PAUSED]
    assert [one.player for one in stops] == [first]
    assert (scene.outage_now.said, scene.outage_now.missing) == ("link_lost", ())


def test_an_unlucky_player_is_no_second_cause():
    """Who loses the control link when the game has long stopped was missing, and is no cause."""
    scene = Scene()
    scene.network.cut("alice", "bob")
    scene.run(4)
    scene.network.cut_control("carol")
    scene.run(4)
    scene.network.mend_control("carol")
    scene.network.mend("alice", "bob")
    scene.recover()
    assert scene.outage_now.finding == Finding(OutageCause.LINK_LOST)
    assert scene.outage_now.missing == ("carol",)


def test_a_reload_because_the_game_has_stopped_is_no_cause():
    """The older page was there and had stopped like the others."""
    scene = Scene()
    scene.network.cut("alice", "carol")
    scene.run(4)
    scene.lose("carol")
    scene.come_back("carol")
    scene.run(2)
    scene.network.mend("alice", "carol")
    scene.recover()
    assert scene.outage_now.finding == Finding(OutageCause.LINK_LOST)


def test_a_player_who_leaves_is_not_missing():
    """The others go on without the one who left on purpose."""
    scene = Scene(policy=Policy(on_leave="go_on"))
    scene.players["carol"].client.leave()
    scene.run(3)
    assert scene.outage_now.finding == Finding(OutageCause.LEFT, ("carol",))
    assert (scene.outage_now.missing, scene.outage_now.outcome) == ((), "connected")


def test_without_links_there_is_the_control_link_alone():
    """Where nobody has a link to lose, whoever loses the coordinator is lost to all."""
    scene = Scene(policy=Policy(topology="relayed"))
    scene.network.cut_control("bob", half_open=True)
    scene.run(6)
    scene.network.mend_control("bob")
    scene.recover()
    assert scene.outage_now.finding == Finding(OutageCause.CONTROL_LOST, ("bob",))
    assert (scene.outage_now.missing, scene.outage_now.links) == (("bob",), ())


# -- single rules ----------------------------------------------------------------------------------

T = 1000.0


def case(*evidence: Evidence, missing: str = "", said: str = "link_lost", by: str | None = "alice"):
    stop = Evidence(T, Clue.PAUSED, by, data={"said": said})
    return Case(T, Policy(), PLAYERS, (*evidence, stop), frozenset(missing.split()))


def lost(player: str, peer: str, after: float = 0.0, **data: object) -> Evidence:
    return Evidence(T + after, Clue.LINK_LOST, player, Teller.CLIENT, {"peer": peer, **data})


def about(kind: Clue, player: str | None, after: float = 0.0, **data: object) -> Evidence:
    return Evidence(T + after, kind, player, data=data)


def both(one: str, other: str, **data: object) -> tuple[Evidence, Evidence]:
    """Both ends have lost the link; `data` is what the second says."""
    return lost(one, other), lost(other, one, **data)


CASES = [
    # what is told by the coordinator
    (case(about(Clue.LEFT, "bob"), said="player_left"), "left bob"),
    (case(about(Clue.LEFT, "bob", 5.0), *both("alice", "carol")), "link_lost"),
    (case(about(Clue.CLOSING, "bob"), said="closing", by="bob"), "closed bob"),
    (case(about(Clue.CLOSING, "bob", 9.0), *both("alice", "bob")), "link_lost"),
    (case(said="lease_expired", by="bob"), "lease_expired bob"),
    (
        case(about(Clue.DETACHED, "bob", -4.0, how="silent"), said="lease_expired", by="bob"),
        "control_lost bob",
    ),
    (case(missing="bob carol", said="control_lost", by=None), "control_lost bob carol"),
    (case(about(Clue.RESTARTED, None, -3.0), said="lease_expired", by="bob"), "restarted"),
    (case(about(Clue.RESTARTED, None, -9.0), missing="alice bob carol", by=None), "restarted"),
    (case(about(Clue.RESTARTED, None, -9.0), missing="bob", by=None), "control_lost bob"),
    (case(about(Clue.RESTARTED, None, 3.0), said="late"), "unknown"),
    (case(said="because"), "unknown"),
    # reloads
    (case(about(Clue.RELOADED, "bob", -0.2, heard=False), said="peer_reloaded"), "reloaded bob"),
    (case(about(Clue.RELOADED, "bob", 8.0, heard=False), *both("alice", "bob")), "reloaded bob"),
    (case(about(Clue.RELOADED, "bob", 8.0, heard=True), *both("alice", "bob")), "link_lost"),
    (case(about(Clue.RELOADED, "bob", 8.0, heard=False), *both("alice", "carol")), "link_lost"),
    (
        case(
            about(Clue.DETACHED, "bob", 4.0, how="silent"),
            about(Clue.RELOADED, "bob", 8.0, heard=False),
            lost("alice", "bob"),
            missing="bob",
        ),
        "player_lost bob",
    ),
    # who was silent to whom
    (case(lost("alice", "bob"), missing="bob"), "player_lost bob"),
    (case(*both("alice", "bob"), missing="carol"), "link_lost"),
    (case(lost("alice", "bob", 9.0), missing="carol", by=None), "control_lost carol"),
    # hidden pages
    (case(lost("alice", "bob"), about(Clue.HIDDEN, "bob", -60.0, hidden=True)), "hidden bob"),
    (case(lost("alice", "bob"), about(Clue.HIDDEN, "carol", -60.0, hidden=True)), "link_lost"),
    (case(*both("alice", "bob"), about(Clue.HIDDEN, "bob", -60.0, hidden=True)), "link_lost"),
    (case(lost("alice", "bob"), about(Clue.HIDDEN, "bob", 60.0, hidden=True)), "link_lost"),
    (
        case(
            lost("alice", "bob"),
            about(Clue.HIDDEN, "bob", -60.0, hidden=True),
            about(Clue.HIDDEN, "bob", -30.0, hidden=False),
        ),
        "link_lost",
    ),
    (case(lost("alice", "bob", hidden=True)), "hidden alice"),
    # loops that stood still
    (case(lost("alice", "bob"), about(Clue.STALLED, "bob", 2.5, stalled_ms=3000)), "stalled bob"),
    (case(lost("alice", "bob"), about(Clue.STALLED, "bob", 9.0, stalled_ms=3000)), "link_lost"),
    (case(lost("alice", "bob", stalled_ms=800)), "stalled alice"),
    (case(*both("alice", "bob", stalled_ms=4000)), "stalled bob"),
    (case(*both("alice", "bob", stalled_ms=300)), "link_lost"),
]


@pytest.mark.parametrize(("known", "found"), CASES)
def test_a_rule(known, found):
    """A cause, and the players whom it is about, follow from the evidence."""
    cause, *players = found.split()
    assert diagnose(known) == Finding(OutageCause(cause), tuple(players))


def test_without_any_evidence_the_cause_is_unknown():
    """Nothing is guessed."""
    assert diagnose(Case(T, Policy(), PLAYERS, (), frozenset())) == Finding(OutageCause.UNKNOWN)
