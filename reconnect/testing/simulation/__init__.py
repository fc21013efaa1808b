"""Games in which anything may fail, each the same again from its seed, held against the laws.

    from reconnect.testing.simulation import simulate

    def test_my_game_survives_anything():
        simulate(MyGame, seeds=range(200))

A game that went wrong is kept as a `Story`, which runs as a regression test for ever.
"""

from reconnect.testing.simulation.game import Outcome, Simulation, Step
from reconnect.testing.simulation.laws import LawBroken
from reconnect.testing.simulation.run import simulate
from reconnect.testing.simulation.story import Story, shortened

__all__ = ["LawBroken", "Outcome", "Simulation", "Step", "Story", "shortened", "simulate"]
