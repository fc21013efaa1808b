"""The catalogue of faults."""

import json
from random import Random

import pytest

from reconnect.core.table import State
from reconnect.testing.simulation.faults import CELLS, FAULTS, IMPOSSIBLE
from reconnect.testing.simulation.faulty import FaultyTable
from reconnect.testing.simulation.setting import drawn_setting

TABLES = [drawn_setting(seed) for seed in range(12)]


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_can_be_written_down_and_done(name):
    """Its arguments are JSON; whatever they are, the table survives it where it fits."""
    random, done = Random(name), 0
    for setting in TABLES:
        table = FaultyTable(setting)
        for player in setting.players:
            table.start(player)
        table.run(2.0)
        fault = FAULTS[name]
        if not fault.possible(table):
            continue
        drawn = fault.draw(random, table)
        fault.do(table, **json.loads(json.dumps(drawn)))
        table.run(1.0)
        done += 1
    assert done >= 3


def test_a_fault_between_two_names_two():
    """Nobody has a link to themselves."""
    table = FaultyTable(TABLES[0])
    for player in table.players:
        table.start(player)
    for seed in range(50):
        drawn = FAULTS["link cut"].draw(Random(seed), table)
        assert drawn["one"] != drawn["other"]


def test_nothing_happens_to_players_who_have_not_come():
    """Only the server and its store can fail before anybody is there."""
    table = FaultyTable(TABLES[0])
    possible = {name for name, fault in FAULTS.items() if fault.possible(table)}
    assert "reload" not in possible
    assert "server crash" in possible


def test_the_cells_are_all_faults_in_all_states():
    """But for what cannot be."""
    assert len(CELLS) == len(FAULTS) * len(State) - len(IMPOSSIBLE)
