"""How a session looks from one client: what of it is asked, reported and told."""

from math import inf
from zlib import crc32

import pytest
from attrs import evolve

from reconnect.core.messages import Kind, Phase, PlayerView, View
from reconnect.core.notices import Connected, Ended, Paused, Reconnecting, Resumed
from reconnect.core.outlook import Outlook, Play
from reconnect.core.resync import Circle
from reconnect.core.table import State
from reconnect.policy import Policy

NOW = 10.0


def outlook(player: str = "ben", **policy: object) -> Outlook:
    one = Outlook.beginning("game", player, now=NOW, seed=1)
    one.control.policy = Policy(**policy)
    return one


def view(state: State = State.PAUSED, epoch: int = 1, **players: bool) -> View:
    """A view of these players, each attached or not."""
    members = tuple(
        PlayerView(name, 1, Kind.PYTHON, attached, Phase.HALTED)
        for name, attached in players.items()
    )
    return View(1, epoch, state, members, 1, 1, 0.0)


ALL = {"ann": True, "ben": True, "cas": True}


def test_a_client_begins_without_any_knowledge():
    """Halted in epoch 0, paused since the start, nobody known and nobody missing."""
    one = Outlook.beginning("game", "ben", now=NOW, seed=1)
    assert (one.play, one.epoch, one.version, one.gen) == (Play.HALTED, 0, 0, 0)
    assert (one.state, one.public, one.cause, one.policy) == (
        State.PAUSED,
        State.PAUSED,
        "start",
        None,
    )
    assert (one.halted, one.ended, one.missing, one.take()) == (True, False, frozenset(), [])
    assert (one.phase(NOW), one.link_reports()) == (Phase.HALTED, {})
    assert not one.is_attached("ben")


@pytest.mark.parametrize(
    ("topology", "hub", "player", "needed"),
    [
        ("mesh", None, "ben", ["ann", "cas"]),
        ("relayed", None, "ben", ["ann", "cas"]),
        ("server", None, "ben", []),
        ("star", None, "ann", ["ben", "cas"]),
        ("star", None, "ben", ["ann"]),
        ("star", "ben", "ben", ["ann", "cas"]),
        ("star", "cas", "ben", ["cas"]),
    ],
)
def test_with_whom_a_client_exchanges_data(topology, hub, player, needed):
    """Everybody, everybody or the hub, or nobody; the hub is the first unless the policy says."""
    one = outlook(player, topology=topology, hub=hub)
    assert [other.id for other in one.needed(view(**ALL))] == needed
    is_hub = topology == "star" and player == (hub or "ann")
    assert one.circle(view(**ALL)) == Circle(needed, is_hub)


def test_everybody_has_the_same_name_for_who_is_there():
    """It is another one for other members, and for another client of one."""
    everybody = view(**ALL)
    named = outlook().roster(everybody)
    assert named == crc32(b"ann:1\nben:1\ncas:1\n")
    assert outlook("cas", topology="star").roster(view(ann=True, ben=False, cas=True)) == named
    assert outlook().roster(view(ann=True, ben=True)) != named
    ann, *rest = everybody.players
    assert outlook().roster(evolve(everybody, players=(evolve(ann, gen=2), *rest))) != named
    assert outlook().roster(evolve(everybody, players=(evolve(ann, gen=0), *rest))) == named


def test_readiness_needs_a_view_a_lease_and_every_link():
    """ready: halted, lease, and a link to every needed player, each proven and synced."""
    one = outlook(topology="server")
    assert not one.ready(NOW)
    one.view = view(**ALL)
    assert not one.ready(NOW)
    one.control.reporting(NOW)
    one.control.heard(1, 0.0, NOW)
    assert one.ready(NOW)
    assert one.phase(NOW) is Phase.READY
    assert not one.ready(one.control.lease_until)
    one.control.policy = Policy(topology="mesh")
    assert not one.ready(NOW)


@pytest.mark.parametrize(
    ("play", "phase"),
    [
        (Play.ARMED, Phase.READY),
        (Play.PLAYING, Phase.PLAYING),
        (Play.HALTED, Phase.HALTED),
        (Play.ENDED, Phase.LEFT),
    ],
)
def test_what_each_doing_is_called_in_a_report(play, phase):
    """An armed client still says ready; after the end only who leaves reports at all."""
    one = outlook()
    one.play = play
    assert one.phase(NOW) is phase


@pytest.mark.parametrize(
    ("play", "state", "epoch", "public"),
    [
        (Play.HALTED, State.PAUSED, 2, State.PAUSED),
        (Play.HALTED, State.RECONNECTING, 2, State.RECONNECTING),
        (Play.HALTED, State.RECONNECTING, 1, State.PAUSED),
        (Play.HALTED, State.RESUMED, 1, State.PAUSED),
        (Play.HALTED, State.CONNECTED, 1, State.PAUSED),
        (Play.ARMED, State.RESUMED, 2, State.RESUMED),
        (Play.PLAYING, State.RESUMED, 2, State.RESUMED),
        (Play.PLAYING, State.CONNECTED, 2, State.CONNECTED),
        (Play.ENDED, State.CONNECTED, 2, State.ENDED),
    ],
)
def test_the_public_state(play, state, epoch, public):
    """One of the five, from what this client does and the last view."""
    one = outlook()
    one.play, one.epoch, one.view = play, 2, view(state, epoch, **ALL)
    assert one.public is public


def test_a_member_without_control_link_is_missing():
    """But never this client itself: whoever asks is there."""
    one = outlook()
    one.view = view(ann=False, ben=False, cas=True)
    assert one.missing == {"ann"}
    assert (one.is_attached("cas"), one.is_attached("ann")) == (True, False)
    assert not one.is_attached("nobody")


@pytest.mark.parametrize(
    ("state", "notice"),
    [
        (State.PAUSED, Paused("late", frozenset())),
        (State.RECONNECTING, Reconnecting(frozenset())),
        (State.RESUMED, Resumed(7, 0.0)),
        (State.CONNECTED, Connected()),
        (State.ENDED, Ended("completed")),
    ],
)
def test_each_state_has_a_notice(state, notice):
    """With a cause, a frame and a reason even where none was given."""
    one = outlook()
    one.state, one.cause, one.resume_frame = state, None, 7
    assert one.notice_now(NOW) == notice


def test_a_resume_says_in_how_many_seconds_it_is():
    """Never a negative number; 0.0 once it has begun."""
    one = outlook()
    one.state = State.RESUMED
    for start_at, starts_in in ((NOW + 2.5, 2.5), (NOW - 1.0, 0.0), (inf, 0.0)):
        one.start_at = start_at
        assert one.notice_now(NOW) == Resumed(0, starts_in)


@pytest.mark.parametrize(
    ("state", "epoch", "outages", "said"),
    [
        (State.PAUSED, 2, 3, 3),
        (State.RECONNECTING, 3, 3, 3),
        (State.PAUSED, 1, 3, 0),
        (State.CONNECTED, 2, 3, 0),
        (State.PAUSED, 2, 0, 0),
    ],
)
def test_an_outage_has_the_number_that_the_coordinator_gave_it(state, epoch, outages, said):
    """0 before that, and before the first outage; never the number of the one before."""
    one = outlook()
    assert one.outage == 0
    one.epoch, one.view = 2, view(state, epoch, **ALL)
    one.view.outages = outages
    assert one.outage == said
    one.state = State.PAUSED
    assert one.notice_now(NOW).outage == said


def test_connected_says_how_long_the_outage_took():
    """As the coordinator measured it."""
    one = outlook()
    one.state, one.view = State.CONNECTED, view(State.CONNECTED, 2, **ALL)
    one.view.paused = 4.5
    assert one.notice_now(NOW) == Connected(4.5)
