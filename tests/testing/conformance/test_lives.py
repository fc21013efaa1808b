"""What a simulation's clients were told, and what of it is kept."""

from random import Random

import attrs
import pytest

from reconnect.core import events as ev
from reconnect.core.peer import Peer
from reconnect.errors import LocalProtocolError
from reconnect.testing.conformance.lives import LATE_MS, Recorder, retold
from reconnect.testing.simulation import Simulation
from reconnect.testing.simulation.digest import digest
from reconnect.testing.vectors import History, check
from reconnect.testing.watch import watching


def recorded(simulate):
    recorder = Recorder()
    with watching(recorder):
        simulate()
    return recorder.lives


@pytest.fixture(scope="module")
def games():
    """Some random games, and the lives of their clients."""
    games = [Simulation.of(seed) for seed in range(4)]
    return games, recorded(lambda: [game.draw() for game in games])


def test_a_watched_game_is_the_same_as_any_other():
    """A recorder changes nothing, not even chance."""
    watched = []
    recorded(lambda: watched.append(digest(3)))
    assert watched == [digest(3)]


def test_there_is_a_life_for_each_client(games):
    """With every event that its peer has handled."""
    simulations, lives = games
    assert len(lives) == sum(len(one.table.programs) for one in simulations)
    assert all(life.heard for life in lives)


def test_a_life_that_is_retold_is_what_the_real_peer_does(games):
    """On a clock of milliseconds, with messages as they are on the wire; and most of it is kept."""
    _, lives = games
    kept = 0
    for life in lives:
        steps = retold(life, most=50)
        assert check(History("h", life.who, steps)) is None
        assert [step.event for step in steps] == [one.event for one in life.heard[: len(steps)]]
        assert [step.at_ms for step in steps] == sorted(step.at_ms for step in steps)
        kept += len(steps)
    assert kept > 0.6 * sum(min(50, len(life.heard)) for life in lives)


def test_a_timer_rings_a_little_late():
    """So that it is due by anybody's arithmetic; what follows is as much later."""

    def simulate():
        peer = Peer.beginning("game", "ann", now=7.0, seed=1)
        peer.handle(ev.TimePassed(), now=7.0)
        peer.handle(ev.TimePassed(), now=peer.deadline)
        peer.handle(ev.FrameReached(5), now=12.0005)

    (life,) = recorded(simulate)
    steps = retold(life, most=9)
    assert [step.at_ms for step in steps] == [LATE_MS, 5000 + 2 * LATE_MS, 5005]
    assert [len(step.draws) for step in steps] == [0, 1, 0]


def test_a_life_ends_where_half_a_millisecond_decides():
    """Whoever reckons a little otherwise would get something else."""

    def simulate():
        peer = Peer.beginning("game", "ann", now=0.0, seed=1)
        for now in (0.0, 1.0, 2.0):
            peer.handle(ev.FrameReached(5), now=now)
        peer.handle(ev.FrameReached(6), now=peer.deadline)

    (life,) = recorded(simulate)
    assert len(retold(life, most=9)) == 3


def test_a_life_ends_where_it_does_not_come_out_the_same():
    """What is told again must not become another story."""
    (life,) = recorded(
        lambda: [
            peer.handle(ev.TimePassed(), now=now)
            for peer in [Peer.beginning("game", "ann", now=0.0, seed=1)]
            for now in (0.0, 1.0, 2.0)
        ]
    )
    assert len(retold(life, most=9)) == 3
    life.heard[1] = attrs.evolve(life.heard[1], result=None)
    assert len(retold(life, most=9)) == 1


def test_an_event_that_was_refused_is_left_out():
    """It has changed nothing."""

    def simulate():
        peer = Peer.beginning("game", "ann", now=0.0, seed=1)
        with pytest.raises(LocalProtocolError):
            peer.handle(ev.DataOffered(b"x"), now=0.0)
        peer.handle(ev.TimePassed(), now=0.0)

    (life,) = recorded(simulate)
    assert [one.event for one in life.heard] == [{"is": "time"}]


def test_chance_is_what_it_would_have_been():
    """The random numbers that are noted are those of the peer's own seed."""

    def simulate():
        peer = Peer.beginning("game", "ann", now=0.0, seed=5)
        peer.handle(ev.TimePassed(), now=0.0)
        peer.handle(ev.ControlClosed("reset"), now=1.0)

    (life,) = recorded(simulate)
    assert life.heard[1].draws == (Random(5).random(),)
