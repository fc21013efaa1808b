"""One game of one seed."""

from functools import partial
from itertools import count

import pytest

from reconnect.core.session import Session
from reconnect.core.table import State
from reconnect.testing.lockstep import Lockstep
from reconnect.testing.simulation import Simulation, Story, simulate
from reconnect.testing.simulation.faults import FAULTS


def test_a_game_has_faults_and_then_none():
    """Each step is named and has its instant; after the last one, everything is well."""
    outcome = Simulation.of(3).draw()
    assert outcome.violation is None
    assert outcome.steps
    assert {step.do for step in outcome.steps} <= FAULTS.keys() | {"cooperate"}
    assert [step.at for step in outcome.steps] == sorted(step.at for step in outcome.steps)
    assert outcome.steps[-1].at <= outcome.calm_at < outcome.seconds
    assert sum(outcome.cells.values()) == sum(step.do in FAULTS for step in outcome.steps)


def test_what_was_drawn_can_be_played_again():
    """Event for event."""
    for seed in range(10):
        drawn = Simulation.of(seed).draw()
        again = Story.of(drawn).told()
        assert (again.events, again.seconds, again.reason, again.cells) == (
            drawn.events,
            drawn.seconds,
            drawn.reason,
            drawn.cells,
        )


def test_most_games_are_played_and_most_go_on():
    """Games in which nothing ever works would find nothing."""
    simulations = [Simulation.of(seed) for seed in range(60)]
    outcomes = [simulation.draw() for simulation in simulations]
    assert sum(outcome.reason is None for outcome in outcomes) > 30
    resumed = sum(
        simulation.laws.moves["coordinator", State.RECONNECTING, "resume"]
        for simulation in simulations
    )
    assert resumed > 60


def test_a_bug_of_a_session_is_not_survived_unseen(monkeypatch):
    """A shell takes up the session again; the simulation says what was raised."""
    closed = Session._closed

    def raising(self: Session, turn, conn):
        if self.state is State.CONNECTED:
            raise RuntimeError("a bug")
        closed(self, turn, conn)

    monkeypatch.setattr(Session, "_closed", raising)
    found = [Simulation.of(seed).draw().violation for seed in range(6)]
    assert "RuntimeError: a bug" in found


def test_a_users_game_is_played_too():
    """`check` sees the table when all is over; the sentence of a failure names the seed."""
    numbers = count()

    class Lossy(Lockstep):
        def _received(self, sender: str, data: bytes) -> None:
            if self.frame != 5:
                super()._received(sender, data)

    def game(player: str, kind: type[Lockstep] = Lockstep) -> Lockstep:
        return kind(player, program=f"{player}.{next(numbers)}")

    seen = []
    outcomes = simulate(game, seeds=range(3), check=seen.append)
    assert len(outcomes) == len(seen) == 3
    assert isinstance(seen[0].games()["ann"], Lockstep)
    with pytest.raises(AssertionError, match="seed "):
        simulate(partial(game, kind=Lossy), seeds=range(20))


class Steps:
    """Steps when it may, from the first frame on."""

    def __init__(self, me):
        self.me = me

    def turn(self):
        self.client.notices()
        self.client.receive()
        if self.client.playing:
            self.step()

    def step(self):
        self.client.frame += 1


class NeverSteps(Steps):
    def step(self):
        """Waits for an input that nobody gives."""


class StepsUntilSomebodyIsNew(Steps):
    def step(self):
        if self.client.epoch == 1:
            super().step()


class NeverReads(Steps):
    def turn(self):
        if self.client.playing:
            self.step()


class OneStays(Steps):
    def step(self):
        if self.me != "ben":
            super().step()


class GivesUp(NeverSteps):
    def turn(self):
        super().turn()
        if self.client.playing:
            self.client.leave()


@pytest.mark.parametrize("game", [NeverSteps, NeverReads, StepsUntilSomebodyIsNew, OneStays])
def test_a_game_of_ones_own_has_to_get_on(game):
    """It is told who stays where, and what a game has to do."""
    said = r"StandsStill: everybody may play, and for 10 s .*\d stays at frame \d+.*: a turn reads"
    with pytest.raises(AssertionError, match=said):
        simulate(game, seeds=20, players=2, topology="mesh")


def test_a_game_that_gets_on_slowly_gets_on():
    """A step in some seconds is enough."""

    class Slow(Steps):
        turns = 0

        def step(self):
            self.turns += 1
            self.client.frame = self.turns // 30

    assert any(one.reason is None for one in simulate(Slow, seeds=6))


def test_who_is_done_leaves():
    """A game that has ended has no steps to make."""
    reasons = {one.reason for one in simulate(GivesUp, seeds=8, players=2)}
    assert reasons <= {"player_left", "never_started"}
    assert "player_left" in reasons


def test_where_the_server_is_the_game_programs_make_no_steps():
    """The frame is the server's."""
    simulate(NeverSteps, seeds=4, topology="server")
