"""A table at which everything can go wrong."""

import pytest

from reconnect.core.messages import Reason
from reconnect.core.table import State
from reconnect.policy import Policy
from reconnect.testing.network import Weather
from reconnect.testing.simulation.faulty import FaultyTable, GameFails, fails_once
from reconnect.testing.simulation.setting import Setting

PLAYERS = ("ann", "ben")


def seated(**policy) -> FaultyTable:
    """Both play."""
    table = FaultyTable(Setting(7, PLAYERS, Policy(**policy), Weather(latency=0.01)))
    for player in PLAYERS:
        table.start(player)
    table.until_playing()
    return table


def test_what_is_broken_for_a_while_is_mended_by_itself():
    """Nobody has to remember it."""
    table = seated()
    table.link_cut("ann", "ben", seconds=2.0, fresh=True)
    table.control_half_open("ann", seconds=2.0)
    table.store_trouble(what="raises", seconds=2.0)
    table.run(1.8)
    assert table.paused
    table.run(1.0)
    assert table.store.trouble is None
    table.until_playing(within=10)


def test_of_two_troubles_of_the_store_the_later_one_lasts():
    """The end of the first one does not end it."""
    table = seated()
    table.store_trouble(what="raises", seconds=1.0)
    table.run(0.5)
    table.store_trouble(what="lies", seconds=1.0)
    table.run(0.7)
    assert table.store.trouble == "lies"
    table.run(0.5)
    assert table.store.trouble is None


def test_one_way_is_one_way():
    """What the other one says still arrives."""
    table = seated(topology="mesh")
    table.link_one_way("ann", "ben", seconds=0.5)
    ann, ben = (table.present(player).client for player in PLAYERS)
    before = ben.stats()["foreign"]
    table.run(0.6)
    assert ben.stats()["foreign"] == before
    assert table.playing
    assert ann.playing


def test_a_channel_is_lost_on_a_good_path():
    """Only a new connection helps, and it does."""
    table = seated()
    table.link_channel("ann", "ben", lag=0.1)
    table.run(0.3)
    assert table.paused
    table.until_playing(within=5)
    assert table.session.outages == 1


def test_a_game_raises_once():
    """And is as it was afterwards."""

    class Game:
        def snapshot(self) -> bytes:
            return b"whole"

    game = Game()
    fails_once(game)
    with pytest.raises(GameFails):
        game.snapshot()
    assert game.snapshot() == b"whole"


def test_a_clock_that_jumps_does_not_harm_the_game():
    """A lease runs out early, never late: there is one short pause."""
    table = seated()
    table.player_clock_jump("ann", seconds=20.0)
    table.run(1.0)
    table.until_playing(within=5)
    assert table.session.outages <= 1


def test_heal_ends_everything():
    """And whoever is gone has a new program."""
    table = seated()
    table.server_crash(down=100.0, wall_jump=0.0)
    table.player_reload("ben", gone=True, after=None, new_token=False)
    table.unplug("ann")
    table.store_trouble(what="silent", seconds=100.0)
    table.run(1.0)
    table.heal()
    assert table.vacant() == []
    table.until_playing(within=20)
    assert table.state is State.CONNECTED


def test_an_intruder_can_take_only_the_seat_whose_token_it_has():
    """The rightful program is told that it was superseded, and nobody else is."""
    table = seated()
    table.player_intruder("ann", seconds=1.0)
    table.run(1.5)
    assert table.present("ann").client.reason == Reason.SUPERSEDED
    assert table.present("ben").client.reason != Reason.SUPERSEDED
    assert table.intruded == {"ann"}
