"""A whole session in virtual time, and what a test can do to it."""

import pytest

from reconnect import Ended, NoSuchPlayer, Policy, State
from reconnect.errors import LocalProtocolError
from reconnect.testing.lockstep import Broken, Lockstep
from reconnect.testing.network import Weather
from reconnect.testing.table import Table
from reconnect.testing.virtual import VirtualProcess


class Counter:
    """Everybody counts; nothing can be handed over."""

    def __init__(self, me):
        self.me, self.frame, self.heard = me, 0, []

    def turn(self):
        self.heard += self.client.notices()
        self.client.receive()
        if self.client.playing:
            self.client.send(b"%d" % self.frame)
            self.frame += 1
            self.client.frame = self.frame


def playing(**options):
    table = Table(**options)
    table.until_playing()
    table.run(1)
    return table


def unharmed(table):
    """Everybody plays again, and no message was lost."""
    table.until_playing()
    table.run(1)
    assert table.playing
    table.assert_nothing_lost()
    return True


# -- who plays -------------------------------------------------------------------------------------


@pytest.mark.parametrize("topology", ["mesh", "star", "relayed", "server"])
def test_the_built_in_game_plays_in_every_topology(topology):
    """Without a game of one's own there is one that notices everything."""
    table = playing(topology=topology, players=3)
    assert table.players == ("ann", "ben", "cas")
    assert unharmed(table)
    if topology != "server":
        assert all(game.frame > 30 for game in table.games().values())


def test_a_game_of_ones_own_is_made_for_each_program():
    """It is called with the player's name, and has its `client` before its first turn."""
    table = playing(game=Counter, players=["alice", "bob"])
    games = table.games()
    assert {player: game.me for player, game in games.items()} == {"alice": "alice", "bob": "bob"}
    table.cut("alice", "bob")
    table.run(3)
    assert table.paused
    assert not table.playing
    table.mend()
    assert unharmed(table)


def test_the_same_seed_and_the_same_calls_give_the_same_game():
    """And another seed gives another one."""

    def states(seed):
        table = Table(seed=seed, weather=Weather(latency=0.02, jitter=0.02, loss=0.1))
        table.run(2)
        table.unplug("ann")
        table.run(5)
        table.mend()
        table.run(5)
        return table.explain(), table.games()["ben"].states

    assert states(1) == states(1)
    assert states(1) != states(2)


def test_what_a_game_raises_leaves_run():
    """A test fails with the game's own traceback."""

    class Buggy(Counter):
        def turn(self):
            super().turn()
            if self.frame == 10:
                raise ZeroDivisionError

    table = Table(Buggy)
    with pytest.raises(ZeroDivisionError):
        table.run(10)


def test_a_message_that_a_game_must_not_send_is_noticed_by_the_built_in_one():
    """Its messages have numbers."""
    table = playing()
    table.present("ann").client.send(b'["ann.1", 7, {"inputs": []}]')
    with pytest.raises(Broken, match="heard message 7"):
        table.run(1)


def test_a_table_may_begin_without_programs():
    """Nobody plays before everybody has one."""
    table = Table(start=False)
    table.start("ann")
    table.run(3)
    assert not table.playing
    assert not table.ended
    with pytest.raises(LookupError, match=r"'ben' has no program yet: start\('ben'\)"):
        table.present("ben")
    table.start("ben")
    assert unharmed(table)


# -- what can happen -------------------------------------------------------------------------------


def test_a_cut_is_mended_for_one_pair_alone():
    """The other one stays cut."""
    table = playing(players=3)
    table.cut("ann", "ben")
    table.cut("ann", "cas")
    table.mend("ann", "ben")
    table.run(3)
    assert "link to cas down" in table.explain()
    assert "link to ben down" not in table.explain()
    table.mend("ann")
    assert unharmed(table)


def test_mending_a_player_leaves_others_unplugged():
    """Each way to the server is mended by itself."""
    table = playing()
    table.unplug("ann")
    table.unplug("ben")
    table.mend("ann")
    table.run(12)
    assert table.paused
    explained = table.explain()
    assert "ann: attached" in explained
    assert "ben: not attached" in explained
    table.mend("ben")
    assert unharmed(table)


def test_a_path_that_was_cut_fresh_stays_dead():
    """A link in use comes back only by a new attempt."""
    table = playing()
    table.cut("ann", "ben", fresh=True)
    table.mend()
    table.run(1.5)
    assert not table.playing
    assert unharmed(table)
    assert table.session.outages == 1


def test_who_switches_the_network_comes_back_on_new_paths():
    """Links and control link die, and others are made without anything being mended."""
    table = playing()
    table.switch_network("ann")
    table.run(1.5)
    assert not table.playing
    assert unharmed(table)
    assert table.session.outages == 1


def test_who_sleeps_does_nothing_and_wakes_by_itself():
    """The others are paused meanwhile."""
    table = playing()
    table.sleep("ben", 8.0)
    frame = table.games()["ben"].frame
    table.run(7.9)
    assert table.games()["ben"].frame == frame
    assert table.paused
    assert "ben.1: hangs; " in table.explain()
    assert unharmed(table)


@pytest.mark.parametrize("trouble", ["sleep", "switch_network"])
def test_what_was_cut_stays_so(trouble):
    """A machine that wakes, or is in another network, does not mend what the test has cut."""
    table = playing()
    table.cut("ann", "ben")
    if trouble == "sleep":
        table.sleep("ann", 1.0)
    else:
        table.switch_network("ann")
    table.run(5.0)
    assert table.paused
    table.mend()
    assert unharmed(table)


def test_who_has_a_notice_to_read_is_not_paused():
    """Everybody plays on when all have begun, between two turns, too."""
    for seed in range(5):
        table = Table(Counter, seed=seed)
        table.until_playing()
        with pytest.raises(AssertionError, match="not within 3 s"):
            table.until(lambda table=table: table.paused, within=3)


def test_who_has_given_up_is_not_paused():
    """Without a server, nobody is told anything by it any more."""
    table = playing()
    table.kill_server()
    table.run(200.0)
    assert table.ended
    assert not table.paused
    assert table.state is State.CONNECTED


@pytest.mark.parametrize("wrong", [-1.0, float("nan"), float("inf"), "3", True])
@pytest.mark.parametrize(
    "call",
    [
        lambda table, seconds: table.run(seconds),
        lambda table, seconds: table.sleep("ann", seconds),
        lambda table, seconds: table.stall("ann", seconds),
        lambda table, seconds: table.kill_server(down=seconds),
    ],
)
def test_what_is_no_duration_is_refused(call, wrong):
    """It says what it was given."""
    table = playing()
    with pytest.raises((TypeError, ValueError), match=f"is {wrong!r}"):
        call(table, wrong)


def test_what_a_game_raises_says_whose_it_was():
    """In a note."""

    class Clumsy(Counter):
        def turn(self):
            super().turn()
            if self.me == "ben" and self.client.playing:
                raise ZeroDivisionError

    table = Table(Clumsy)
    with pytest.raises(ZeroDivisionError) as raised:
        table.run(5.0)
    assert raised.value.__notes__ == ["in a turn of ben.1"]


def test_a_stalled_program_goes_on_where_it_was():
    """Long stalls pause, nothing is lost."""
    table = playing()
    table.stall("ben", 3.0)
    table.run(2.9)
    assert table.session.outages == 1
    assert unharmed(table)


def test_a_reload_is_handed_the_game():
    """The next program of the player goes on from where the others are."""
    table = playing()
    frame = table.games()["ann"].frame
    program = table.reload("ben")
    assert program is table.present("ben")
    assert program.name == "ben.2"
    assert unharmed(table)
    assert min(table.games()["ben"].states) >= frame - 5
    assert table.programs[1].client.reason == "closed"


def test_a_program_that_is_gone_has_said_nothing():
    """The others wait for its lease."""
    table = playing()
    table.reload("ben", gone=True)
    assert not table.programs[1].alive
    table.run(3)
    assert table.paused
    assert unharmed(table)


def test_a_second_tab_takes_the_seat():
    """The first one ends, and lives on as a program."""
    table = playing()
    table.duplicate("ben")
    assert unharmed(table)
    first = table.programs[1]
    assert first.alive
    assert first.client.reason == "superseded"


def test_who_leaves_ends_the_game_or_not():
    """As the policy says."""
    table = playing(game=Counter)
    table.leave("ben")
    table.until(lambda: table.ended)
    assert table.state is State.ENDED
    assert table.games()["ann"].heard[-1] == Ended("player_left")
    table.assert_nothing_lost()

    table = playing(players=3, on_leave="go_on")
    table.leave("ben")
    table.run(3)
    assert table.session.players == ("ann", "cas")
    assert unharmed(table)


def test_the_game_ends_when_a_player_stays_away():
    """`ended` waits for those who hear of it late."""
    table = playing(game=Counter, outage_timeout=10.0)
    table.unplug("ben")
    table.run(12)
    assert table.state is State.ENDED
    assert not table.ended
    assert not table.paused
    table.mend()
    table.until(lambda: table.ended)
    assert {game.heard[-1] for game in table.games().values()} == {Ended("timeout")}


@pytest.mark.parametrize("end", [Table.kill_server, Table.stop_server])
def test_the_server_is_down_for_a_while(end):
    """The next one finds the session; peers play on meanwhile."""
    table = playing()
    before = table.coordinator
    end(table, down=2.0)
    table.run(1.9)
    assert table.coordinator is None
    assert table.playing
    table.run(1)
    assert table.coordinator not in (None, before)
    assert unharmed(table)
    assert table.session.outages == 0


def test_the_server_is_down_until_it_is_started():
    """Nobody starts it but the test."""
    table = playing()
    table.kill_server()
    table.run(30)
    assert not table.playing
    assert table.coordinator is None
    assert "unreachable" not in table.explain()
    table.start_server()
    assert unharmed(table)


def test_a_server_that_was_started_early_is_not_started_again():
    """What `kill_server` had planned is dropped."""
    table = playing()
    table.kill_server(down=2.0)
    early = table.start_server()
    table.run(5)
    assert table.coordinator is early


def test_a_slow_store_slows_a_resume():
    """Each save takes so much longer, and nothing else does."""

    def seconds(save_delay):
        table = Table()
        table.save_delay = save_delay
        table.until_playing()
        return table.runtime.now()

    assert seconds(0.5) > seconds(0.0) + 0.5


# -- what is said ----------------------------------------------------------------------------------


def test_waiting_in_vain_says_who_waits_for_what():
    """The condition is not met, and the explanation has a line for each."""
    table = playing()
    table.unplug("ben")
    table.run(3)
    with pytest.raises(AssertionError, match=r"not within 5 s:\nsession: ") as raised:
        table.until_playing(within=5)
    assert "ann.1: " in str(raised.value)
    assert "ben.1: " in str(raised.value)


def test_a_table_is_shown_in_a_word():
    """As in the report of a failed assertion."""
    table = Table()
    table.run(0.05)
    assert repr(table) == "<Table of ann, ben at 0.05 s: reconnecting>"


def test_what_the_server_hears_is_kept():
    """The application's notices, in order."""
    table = playing()
    assert {"Attached", "Connected"} <= {type(notice).__name__ for notice in table.told}


def test_a_game_that_forgets_a_part_of_itself_is_noticed():
    """Two players of the built-in game differ in a frame."""
    table = playing()
    table.games()["ben"].states[10] += 1
    with pytest.raises(AssertionError, match=r"ann\.1 and ben\.1 differ in frame 10"):
        table.assert_nothing_lost()


def test_a_message_that_was_lost_is_noticed():
    """After a while; the sentence says whose, and how things stand."""
    table = playing(game=Counter)
    table.present("ann").client.said["ben"].append(b"never sent")
    with pytest.raises(AssertionError, match="ben, of ann's messages: number") as raised:
        table.assert_nothing_lost(within=1.0)
    assert "session: connected" in str(raised.value)


def test_while_somebody_is_away_nothing_has_to_arrive():
    """What is on its way is no loss, and no time passes."""
    table = playing(game=Counter)
    table.unplug("ben")
    table.run(3)
    now = table.runtime.now()
    table.assert_nothing_lost()
    assert table.runtime.now() == now


# -- what cannot be --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "act",
    [
        lambda table: table.cut("alcie"),
        lambda table: table.cut("ann", "alcie"),
        lambda table: table.mend("alcie"),
        lambda table: table.unplug("alcie"),
        lambda table: table.switch_network("alcie"),
        lambda table: table.sleep("alcie", 1.0),
        lambda table: table.stall("alcie", 1.0),
        lambda table: table.reload("alcie"),
        lambda table: table.duplicate("alcie"),
        lambda table: table.kill("alcie"),
        lambda table: table.close("alcie"),
        lambda table: table.leave("alcie"),
        lambda table: table.start("alcie", new_token=True),
    ],
)
def test_who_is_not_at_the_table_is_said_so(act):
    """And nothing has happened."""
    table = playing()
    with pytest.raises(LookupError, match="no player 'alcie' is at this table; there are 'ann'"):
        act(table)
    assert unharmed(table)
    assert table.session.outages == 0
    assert len(table.programs) == 2


@pytest.mark.parametrize("topology", ["relayed", "server"])
def test_where_there_are_no_links_none_can_be_cut(topology):
    """A test that did it would prove nothing."""
    table = playing(topology=topology)
    with pytest.raises(ValueError, match=f"topology '{topology}' has no links .* unplug"):
        table.cut("ann")


def test_an_instance_is_no_game():
    """A table makes the games, one for each program."""
    with pytest.raises(TypeError, match="game is a Counter; it must be a class or a function"):
        Table(Counter("ann"))


def test_a_game_is_looked_at_before_anything_happens():
    """Also that of a program which is started later."""
    with pytest.raises(TypeError, match="which has no method turn"):
        Table(lambda player: object())


def test_a_policy_is_given_whole_or_in_part():
    """The marker of a test has only the part that matters."""
    assert Table(policy=Policy(countdown=3.0)).policy == Table(countdown=3.0).policy


def test_players_whom_the_coordinator_refuses_are_refused():
    """With its own words."""
    with pytest.raises(LocalProtocolError, match="a player can have one seat only"):
        Table(players=["ann", "ann"])


def test_nobody_else_can_be_sent_to():
    """A game's own mistakes are the client's to refuse."""
    table = playing(game=Counter)
    with pytest.raises(NoSuchPlayer):
        table.present("ann").client.send(b"", to="eve")


def test_every_program_has_a_clock_of_its_own():
    """No two agree on what time it is."""
    table = Table(players=3)
    processes: list[VirtualProcess] = [table.server, *(one.process for one in table.programs)]
    assert len({process.now() for process in processes}) == 4


def test_the_present_game_of_each_player_is_at_hand():
    """After a reload it is the new one."""
    table = playing()
    old = table.games()["ben"]
    table.reload("ben")
    assert isinstance(old, Lockstep)
    assert table.games()["ben"] is not old
    assert table.games()["ben"] is table.present("ben").game
