"""Games in which anything may fail, each the same again from its seed, held against the laws.

    from reconnect.testing.simulation import simulate

    def test_my_game_survives_anything():
        simulate(MyGame, seeds=200)

A game that went wrong is kept as a `Story`, which runs as a regression test for ever.
"""

from reconnect.testing.simulation.course import LawBroken
from reconnect.testing.simulation.game import Simulation
from reconnect.testing.simulation.outcome import Outcome, Step
from reconnect.testing.simulation.run import simulate, summary
from reconnect.testing.simulation.story import Story, shortened

__all__ = [
    "LawBroken",
    "Outcome",
    "Simulation",
    "Step",
    "Story",
    "shortened",
    "simulate",
    "summary",
]
