"""A table at which everything can go wrong."""

from inspect import signature

import pytest

from reconnect.core.messages import ErrorCode, Reason
from reconnect.core.table import State
from reconnect.policy import Policy
from reconnect.testing.network import Weather
from reconnect.testing.simulation.faulty import FaultyTable, GameFails
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


@pytest.mark.parametrize("shorter_first", [True, False])
def test_of_two_faults_of_a_kind_the_longer_one_counts(shorter_first):
    """The end of the shorter one ends nothing: of links, control links and the weather."""
    table = seated()
    for seconds in (0.6, 2.0) if shorter_first else (2.0, 0.6):
        table.link_cut("ann", "ben", seconds=seconds, fresh=False)
        table.control_refused("ann", seconds=seconds)
        table.link_weather(seconds=seconds, loss=seconds / 10)
    network = table.network
    table.run(1.5)
    assert network._cuts
    assert network._refused == {"ann"}
    assert network._peer_weather["*", "*"].loss == 0.2
    table.run(1.0)
    assert not network._cuts
    assert not network._refused
    assert network._peer_weather["*", "*"] == table.setting.weather


def test_what_was_mended_early_does_not_end_what_came_after():
    """A cut that follows lasts as long as it should."""
    table = seated()
    table.link_cut("ann", "ben", seconds=1.0, fresh=False)
    table.mend()
    table.run(0.5)
    table.link_cut("ann", "ben", seconds=1.0, fresh=False)
    table.run(0.8)
    assert table.network._cuts
    table.run(0.4)
    assert not table.network._cuts


def test_who_sleeps_is_cut_off_until_awake():
    """From the server and from each of the others, whatever else is mended meanwhile."""
    table = seated()
    table.player_sleep("ann", seconds=2.0)
    table.control_clog("ann", up=True, down=False, seconds=0.5)
    table.run(1.5)
    assert table.present("ann").hangs
    assert table.network._cuts
    assert table.network._clogged
    table.run(1.0)
    table.until_playing(within=10)


def test_in_a_doomed_game_two_never_meet_again():
    """Everything else is well, and the deadline ends it."""
    doomed = Setting(7, PLAYERS, Policy(outage_timeout=4.0), Weather(), doomed=PLAYERS)
    table = FaultyTable(doomed)
    for player in PLAYERS:
        table.start(player)
    table.until_playing()
    table.heal()
    table.run(7.0)
    assert table.state is State.ENDED
    assert {one.client.reason for one in table.programs} == {Reason.TIMEOUT}


def test_an_ended_game_has_no_seats_to_fill():
    """Whose token was lost with the server before it was stored gets no other one."""
    table = seated(outage_timeout=3.0)
    table.store_trouble(what="raises", seconds=2.0)
    table.player_reload("ann", gone=False, after=0.1, new_token=True)
    table.run(0.3)
    table.server_crash(down=0.05, wall_jump=3600.0)
    table.run(8.0)
    assert table.state is State.ENDED
    assert table.present("ann").client.reason == ErrorCode.BAD_TOKEN
    table.heal()
    assert table.vacant() == ["ann"]


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


def test_a_game_raises_once_and_only_to_the_resync():
    """What it asks of itself it gets; what the resync asks, the second time."""
    table = seated()
    client = table.present("ann").client
    table.player_game_fails("ann")
    assert client._resync.game is table.present("ann").game
    assert table.present("ann").game.mark("ben") == b""
    with pytest.raises(GameFails):
        client._resync.mark("ben")
    assert client._resync is table.present("ann").game


@pytest.mark.parametrize("ask", ["snapshot", "restore", "mark", "since", "merge"])
def test_whatever_the_resync_asks_for_fails(ask):
    """For a game's own methods are there for the game, too."""
    table = seated()
    table.player_game_fails("ann")
    asked = getattr(table.present("ann").client._resync, ask)
    with pytest.raises(GameFails):
        asked(*(b"" for _ in signature(asked).parameters if ask in ("restore", "merge")))


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
