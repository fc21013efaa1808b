"""A table at which the laws are held, for those who break them by hand."""

import pytest

from reconnect.policy import Policy
from reconnect.testing.network import Weather
from reconnect.testing.simulation.faulty import FaultyTable
from reconnect.testing.simulation.laws import Laws
from reconnect.testing.simulation.setting import Setting
from reconnect.testing.watch import watching


@pytest.fixture
def laws():
    """Two players at a table, who play by the laws."""
    table = FaultyTable(Setting(3, ("ann", "ben"), Policy(), Weather()))
    laws = Laws(table)
    table.store.saved = laws.course.saved
    with watching(laws):
        for player in table.players:
            table.start(player)
        table.until_playing()
        assert laws.failure is None
        yield laws
