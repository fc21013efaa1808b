"""Several recorders hear the same."""

from reconnect.telemetry.outages import Outages
from reconnect.telemetry.recorder import Recorders
from tests.games import Game


def test_each_recorder_is_told_everything():
    """Two recorders of one coordinator end up equal."""
    one, other = Outages(), Outages()
    game = Game(recorder=Recorders(one, other))
    game.run(2)
    game.network.cut("alice", "bob")
    game.run(3)
    game.coordinator.close()
    assert [outage.to_json() for outage in one.outages] == [
        outage.to_json() for outage in other.outages
    ]
    assert len(one.outages) == 1
