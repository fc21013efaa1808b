"""The server is stopped, killed and started again while its players play, in virtual time."""

import random
from collections.abc import Iterator
from itertools import pairwise

import pytest

from reconnect import Ended, Paused, Policy, Reason, State
from reconnect.ports import Store
from reconnect.stores.sqlite import SQLiteStore
from tests.by_hand import BIRTH
from tests.served import BlockingStore, ServedGame

ENDS = pytest.mark.parametrize("orderly", [True, False], ids=["stopped", "killed"])


@pytest.fixture(params=["memory", "sqlite"])
def stores(request, tmp_path) -> Iterator["Stores"]:
    """The same sessions for one process after the other."""
    stores = Stores(None if request.param == "memory" else tmp_path / "sessions.db")
    yield stores
    stores.close()


class Stores:
    """Where the next process finds its store."""

    def __init__(self, path):
        self._path = path
        self._memory = BlockingStore()
        self._open: SQLiteStore | None = None

    def next(self) -> Store:
        if self._path is None:
            return self._memory
        self.close()  # a killed process would let go of it too
        self._open = SQLiteStore(self._path, wall=lambda: BIRTH)
        return self._open

    def close(self) -> None:
        if self._open is not None:
            self._open.close()


def down(game: ServedGame, seconds: float, stores: Stores, *, orderly: bool) -> None:
    """Be without a server for a while."""
    if orderly:
        game.stop()
    else:
        game.crash()
    game.run(seconds)
    game.restart(stores.next())


def heard_of_a_pause(game: ServedGame) -> bool:
    return any(isinstance(one, Paused) for player in game.players.values() for one in player.heard)


@ENDS
@pytest.mark.parametrize("seconds", [0.1, 2.0, 4.0])
def test_a_quick_restart_pauses_nobody(seconds, orderly, stores):
    """The game does not stop for a single step, whatever the server does for up to 4 s."""
    game = ServedGame(store=stores.next())
    game.run(3)
    assert game.all_playing
    record, since = game.session._record, game.runtime.now()
    down(game, seconds, stores, orderly=orderly)
    game.run(8)
    assert game.all_playing
    assert not heard_of_a_pause(game)
    assert (game.session.state, game.session.epoch) == (State.CONNECTED, record.epoch)
    assert (game.session.outages, game.session.paused_total) == (0, 0.0)
    for player in game.players.values():
        steps = [at for at in player.steps if at > since]
        assert max(b - a for a, b in pairwise(steps)) < 0.1
    game.assert_nothing_lost()


@ENDS
@pytest.mark.parametrize("topology", ["relayed", "server"])
def test_a_quick_restart_pauses_nobody_whose_data_goes_through_the_server(topology, orderly):
    """What was on its way is sent again; the pause would come after 0.3 s."""
    policy = Policy(topology=topology)
    game = ServedGame(policy=policy)
    game.run(3)
    assert game.all_playing
    if orderly:
        game.stop()
    else:
        game.crash()
    game.run(0.2)
    game.restart()
    game.run(3)
    assert game.all_playing
    assert not heard_of_a_pause(game)
    assert game.session.outages == 0
    if policy.topology == "relayed":
        game.assert_nothing_lost()


@ENDS
@pytest.mark.parametrize("seconds", [11.0, 45.0])
def test_a_long_absence_pauses_all_and_all_resume(seconds, orderly, stores):
    """Without the coordinator's word nobody plays on for longer than a lease; nothing is lost."""
    game = ServedGame(store=stores.next())
    game.run(3)
    down(game, seconds, stores, orderly=orderly)
    assert not any(player.client.playing for player in game.players.values())
    game.run_until_all_play(within=15)
    assert game.session.outages == 1
    stopped = [max(at for at in one.steps if at < 3 + seconds) for one in game.players.values()]
    assert max(stopped) - 3 <= game.coordinator.policy.lease + 0.1
    game.assert_nothing_lost()


def test_an_absence_without_end_ends_the_game_for_all(stores):
    """Clients give up; the coordinator that comes back after all ends the session at its time."""
    game = ServedGame(store=stores.next())
    game.run(3)
    down(game, game.coordinator.policy.give_up_timeout + 10, stores, orderly=False)
    assert {player.client.reason for player in game.players.values()} == {Reason.UNREACHABLE}
    game.run(60)
    assert game.session.reason == Reason.TIMEOUT


@ENDS
def test_an_outage_goes_on_while_the_server_is_away(orderly, stores):
    """It is the same outage, with the same deadline; its length is counted by the wall clock."""
    game = ServedGame(store=stores.next())
    game.run(3)
    cut_at = game.runtime.now()
    game.network.cut("alice", "bob")
    game.run(3)
    assert game.session.state is State.RECONNECTING
    down(game, 10, stores, orderly=orderly)
    assert game.session.state is State.RECONNECTING
    game.run(5)
    game.network.mend("alice", "bob")
    game.run(3)
    assert game.all_playing
    assert game.session.outages == 1
    lasted = game.runtime.now() - cut_at
    assert lasted - 4.5 < game.session.paused_total < lasted - 1
    game.assert_nothing_lost()


@ENDS
def test_the_deadline_comes_although_the_server_was_away(orderly, stores):
    """30 s after the cut, not 30 s after the restart; all hear the same reason."""
    game = ServedGame(store=stores.next())
    game.run(3)
    game.network.cut("alice", "bob")
    game.run(3)
    down(game, 20, stores, orderly=orderly)
    game.run(10)
    assert game.session.reason == Reason.TIMEOUT
    assert {player.client.reason for player in game.players.values()} == {Reason.TIMEOUT}


@ENDS
def test_a_game_whose_end_was_decided_ends(orderly, stores):
    """`end` and the end of the process in one breath: ended for all, or for nobody."""
    game = ServedGame(store=stores.next())
    game.run(3)
    game.session.end("won")
    down(game, 1.0, stores, orderly=orderly)
    game.run(3)
    if orderly:
        assert game.session.reason == "won"
    else:
        assert game.session.state is State.CONNECTED
        game.session.end("won")
        game.run(1)
    for player in game.players.values():
        assert player.client.reason == "won"
        assert player.heard[-1] == Ended("won")


@pytest.mark.parametrize("seed", range(20))
def test_a_crash_at_any_time_is_survived(seed):
    """Starting, playing, pausing, reconnecting, resuming: all play on, and nothing is lost.

    The server dies at a random instant of a game with a cut, and once more soon after it is back.
    """
    chance = random.Random(seed)
    game = ServedGame(seed=seed, loss=0.02)
    crashes = sorted(chance.uniform(0.0, 8.0) for _ in range(2))
    cut_at = chance.uniform(1.5, 3.0)
    deeds = [
        (cut_at, lambda: game.network.cut("alice", "bob")),
        (cut_at + 3.0, lambda: game.network.mend("alice", "bob")),
    ]
    for at in crashes:
        back_at = at + chance.choice([0.05, 0.5, 2.0])
        deeds += [(at, game.crash), (back_at, lambda: game.restart())]
    for at, deed in sorted(deeds, key=lambda one: one[0]):
        game.run(max(0.0, at - game.runtime.now()))
        deed()
    if not game.server.alive:
        game.restart()
    game.run_until_all_play(within=25)
    assert game.session.outages <= 3
    game.assert_nothing_lost()


def test_a_server_that_does_nothing_but_crash_harms_nobody():
    """Twenty lives of a second each: whoever plays plays on, and in the end all play."""
    game = ServedGame()
    game.run(3)
    for _ in range(20):
        game.crash()
        game.run(0.2)
        game.restart()
        game.run(1.0)
    game.run_until_all_play(within=25)
    game.assert_nothing_lost()


def test_a_token_that_was_minted_before_the_crash_is_good_after_it(stores):
    """A page that was rendered by the older process opens the seat in the next one."""
    game = ServedGame(store=stores.next())
    game.run(3)
    token = game.session.invite("bob")
    game.run(0.1)
    down(game, 0.5, stores, orderly=False)
    game.players["bob"].client.close()
    bob = game.players["bob"] = game.join("bob", token)
    game.run_until_all_play(within=15)
    assert bob.client.state is State.CONNECTED
