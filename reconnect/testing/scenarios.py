"""Scenarios: what happens to games in the world, each a short story that has to end well.

    @pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=str)
    @pytest.mark.table(game=MyGame)
    def test_my_game(table, scenario):
        scenario.run(table)

In the end everybody plays again and the game goes on, or, where a story says so, it has ended for
all alike; and nothing that was sent is lost.
"""

from __future__ import annotations

from collections.abc import Callable
from unittest import SkipTest

from attrs import field, frozen

from reconnect.core.messages import Reason
from reconnect.policy import OnShortage, Topology
from reconnect.ports import Snapshots
from reconnect.testing.network import Weather
from reconnect.testing.table import Table

EVERYWHERE = frozenset(Topology)
PEER_TO_PEER = frozenset(one for one in Topology if one.peer_to_peer)

BEFORE = 1.0  # s of play before anything happens
MOMENT = 1.0  # s that what has happened lasts on, once it has been noticed
PATIENCE = 60.0  # s; more than anything but the policy's own deadlines lets a game wait
LOSSY = Weather(latency=0.06, jitter=0.06, loss=0.15, duplication=0.05, reordering=0.05)
BRIDGES = 1.0  # s; who calls a link lost sooner may do so in such weather
OWN_ENDS = frozenset({Reason.LEFT, Reason.NO_STATE, Reason.CLOSED, Reason.SUPERSEDED})
"""Why one program may have ended before, and otherwise than, the others."""

SCENARIOS: dict[str, Scenario] = {}
"""All of them, by name."""


@frozen
class Scenario:
    """One story; `str()` is its name."""

    name: str
    story: str
    """What happens, and how it ends, in a sentence."""
    tell: Callable[[Table], None] = field(repr=False)
    topologies: frozenset[Topology] = EVERYWHERE
    """Where it makes sense."""

    def __str__(self) -> str:
        return self.name

    def run(self, table: Table) -> None:
        """Let it happen at a table; `AssertionError` says what did not end well.

        Raises `unittest.SkipTest`, which pytest takes for a skip, where the table's topology is
        none of `topologies`.
        """
        topology = table.policy.topology
        if topology not in self.topologies:
            raise SkipTest(f"{self.name}: makes no sense in topology {str(topology)!r}")
        table.until_playing()
        table.run(BEFORE)
        table.until_playing()
        self.tell(table)


def _scenario(
    *, topologies: frozenset[Topology] = EVERYWHERE
) -> Callable[[Callable[[Table], None]], Callable[[Table], None]]:
    """The function's name is that of the scenario, and its docstring the story."""

    def add(tell: Callable[[Table], None]) -> Callable[[Table], None]:
        name = tell.__name__.replace("_", "-")
        story = " ".join((tell.__doc__ or "").split())
        SCENARIOS[name] = Scenario(name, story, tell, topologies)
        return tell

    return add


# -- how stories end -------------------------------------------------------------------------------


def goes_on(table: Table) -> None:
    """Everybody plays, each game that has ever moved moves on, and nothing is lost."""
    table.until_playing(within=PATIENCE)
    before = _frames(table)
    moving = [player for player, frame in before.items() if frame > 0]
    table.until(
        lambda: all(table.present(one).client.frame > before[one] for one in moving),
        within=PATIENCE,
    )
    table.assert_nothing_lost()


def is_over(table: Table) -> None:
    """The game has ended for all, for the same reason, and what arrived was in order."""
    limit = table.policy.give_up_timeout + table.policy.lease_bound + PATIENCE
    table.until(lambda: table.ended, within=limit)
    reasons = {table.present(player).client.reason for player in table.players}
    if len(reasons - OWN_ENDS) > 1:
        raise AssertionError(f"ended for {sorted(map(str, reasons))}:\n{table.explain()}")
    table.assert_nothing_lost()


def goes_on_with(table: Table, player: str) -> None:
    """All play on with the player's new program; without it, if the game has no `snapshot`."""
    peers = table.policy.topology is not Topology.SERVER
    if peers and not isinstance(table.present(player).game, Snapshots):
        goes_on_without(table, player, reason=Reason.PLAYER_LEFT, on_shortage=table.policy.on_leave)
    else:
        goes_on(table)


def goes_on_without(table: Table, player: str, *, reason: str, on_shortage: OnShortage) -> None:
    """The others play on, or it is over for this reason, as the policy says."""
    limit = table.policy.outage_timeout + PATIENCE
    others = {*table.session.players} - {player}
    if on_shortage is OnShortage.GO_ON and len(others) >= table.policy.players_min:
        table.until(lambda: player not in table.session.players, within=limit)
        goes_on(table)
        return
    table.until(lambda: table.session.reason is not None, within=limit)
    if table.session.reason != reason:
        raise AssertionError(f"ended, and not for {reason}:\n{table.explain()}")
    table.mend()
    is_over(table)


def nobody_was_paused(table: Table, *, outages: int) -> None:
    """No outage has been counted beyond those before."""
    if table.session.outages != outages:
        raise AssertionError(f"there was a pause, and no need of one:\n{table.explain()}")


def _frames(table: Table) -> dict[str, int]:
    return {player: table.present(player).client.frame for player in table.session.players}


def _pair(table: Table) -> tuple[str, str]:
    """Two players who have a link, the second one being the hub if there is one."""
    hub = table.policy.hub or table.players[0]
    return next(player for player in reversed(table.players) if player != hub), hub


def _one(table: Table) -> str:
    return _pair(table)[0]


def _until_noticed(table: Table) -> None:
    table.until(lambda: not table.playing, within=PATIENCE)
    table.run(min(MOMENT, table.policy.outage_timeout / 10))


# -- links between players -------------------------------------------------------------------------


@_scenario(topologies=PEER_TO_PEER)
def link_blackhole(table: Table) -> None:
    """The path between two players swallows everything for a while; then all play on."""
    table.cut(*_pair(table))
    _until_noticed(table)
    table.mend()
    goes_on(table)


@_scenario(topologies=PEER_TO_PEER)
def link_one_way(table: Table) -> None:
    """What one player sends to another is lost, the other way is well; then all play on."""
    table.cut(*_pair(table), one_way=True)
    _until_noticed(table)
    table.mend()
    goes_on(table)


@_scenario(topologies=PEER_TO_PEER)
def link_flap(table: Table) -> None:
    """A path is gone five times, each time nearly long enough to notice; then all play on."""
    for _ in range(5):
        table.cut(*_pair(table))
        table.run(table.policy.link_lost * 0.9)
        table.mend()
        table.run(0.2)
    goes_on(table)


@_scenario(topologies=PEER_TO_PEER)
def link_glitch(table: Table) -> None:
    """A path is dead for less than `link_lost`; nobody is paused for it."""
    outages = table.session.outages
    table.cut(*_pair(table))
    table.run(table.policy.link_lost * 0.5)
    table.mend()
    goes_on(table)
    nobody_was_paused(table, outages=outages)


@_scenario(topologies=PEER_TO_PEER)
def fresh_path(table: Table) -> None:
    """A router forgets the flow between two players: only a new path brings them together."""
    table.cut(*_pair(table), fresh=True)
    _until_noticed(table)
    table.mend()
    goes_on(table)


@_scenario(topologies=PEER_TO_PEER)
def channel_closed(table: Table) -> None:
    """The channel between two players closes although its path is well; then all play on."""
    table.network.break_channel(*_pair(table))
    table.run(MOMENT)
    goes_on(table)


@_scenario(topologies=PEER_TO_PEER)
def bad_weather(table: Table) -> None:
    """Packets are lost, late, doubled and overtaken for ten seconds; nobody is paused for it."""
    outages, policy = table.session.outages, table.policy
    table.network.peer_weather(LOSSY)
    table.run(10.0)
    table.network.peer_weather(table.weather)
    goes_on(table)
    if policy.link_lost >= max(BRIDGES, 2 * policy.link_heartbeat):
        nobody_was_paused(table, outages=outages)


# -- the way to the server -------------------------------------------------------------------------


@_scenario()
def control_blip(table: Table) -> None:
    """A connection to the server breaks and is dialled again; between peers nobody is paused."""
    outages, policy = table.session.outages, table.policy
    table.network.drop_control(_one(table))
    table.run(MOMENT)
    goes_on(table)
    if policy.topology.peer_to_peer and policy.control_grace_period > policy.redial_max:
        nobody_was_paused(table, outages=outages)


@_scenario()
def server_out_of_reach(table: Table) -> None:
    """One player cannot reach the server for so long that all are paused; then all play on."""
    table.network.cut_control(_one(table))
    _until_noticed(table)
    table.mend()
    goes_on(table)


@_scenario()
def airplane_mode(table: Table) -> None:
    """A player loses everything at once, without a word to anybody; then all play on."""
    table.unplug(_one(table))
    _until_noticed(table)
    table.mend()
    goes_on(table)


@_scenario()
def everybody_offline(table: Table) -> None:
    """All players lose everything at once, as in a house with one router; then all play on."""
    for player in table.players:
        table.unplug(player)
    _until_noticed(table)
    table.mend()
    goes_on(table)


@_scenario()
def network_switch(table: Table) -> None:
    """A player goes from one network to another: old paths are dead, new ones are there."""
    table.switch_network(_one(table))
    table.run(MOMENT)
    goes_on(table)


@_scenario()
def never_back(table: Table) -> None:
    """A player loses everything for good; at the deadline it is over, or the others go on."""
    one = _one(table)
    table.unplug(one)
    goes_on_without(table, one, reason=Reason.TIMEOUT, on_shortage=table.policy.on_deadline)


# -- players' programs and machines ----------------------------------------------------------------


@_scenario()
def sleep_and_wake(table: Table) -> None:
    """A player's laptop is closed, and opened again within the deadline; then all play on."""
    table.sleep(_one(table), table.policy.outage_timeout / 3)
    table.run(table.policy.outage_timeout / 3)
    goes_on(table)


@_scenario()
def hang(table: Table) -> None:
    """A player's program hangs for a few seconds, as in a long load; then all play on."""
    seconds = min(3.0, table.policy.outage_timeout / 3)
    table.stall(_one(table), seconds)
    table.run(seconds)
    goes_on(table)


@_scenario()
def reload(table: Table) -> None:
    """A player loads the page anew; the others hand the game over."""
    one = _one(table)
    table.reload(one)
    table.run(MOMENT)
    goes_on_with(table, one)


@_scenario()
def crash(table: Table) -> None:
    """A player's program dies without a word and is started again; the game is handed over."""
    one = _one(table)
    table.reload(one, gone=True)
    table.run(MOMENT)
    goes_on_with(table, one)


@_scenario()
def duplicate_tab(table: Table) -> None:
    """A player opens a second tab, which takes the seat over; the first one ends."""
    first = table.present(_one(table))
    table.duplicate(first.player)
    table.until(lambda: first.client.ended, within=PATIENCE)
    goes_on_with(table, first.player)


@_scenario()
def leave(table: Table) -> None:
    """A player leaves for good; it is over, or the others go on, as the policy says."""
    one = _one(table)
    table.leave(one)
    goes_on_without(table, one, reason=Reason.PLAYER_LEFT, on_shortage=table.policy.on_leave)


# -- the server ------------------------------------------------------------------------------------


@_scenario()
def server_restart(table: Table) -> None:
    """The server is stopped in order and started again a second later; then all play on."""
    table.stop_server(down=1.0)
    table.run(1.0 + MOMENT)
    goes_on(table)


@_scenario()
def server_crash(table: Table) -> None:
    """The server is killed and started again two seconds later; then all play on."""
    table.kill_server(down=2.0)
    table.run(2.0 + MOMENT)
    goes_on(table)


@_scenario()
def server_gone(table: Table) -> None:
    """The server is killed and never comes back; each program gives up by itself."""
    table.kill_server()
    is_over(table)


@_scenario()
def slow_store(table: Table) -> None:
    """Every save takes its time, and a player is offline meanwhile; then all play on."""
    table.save_delay = min(table.policy.save_timeout / 4, table.policy.outage_timeout / 20)
    table.unplug(_one(table))
    _until_noticed(table)
    table.mend()
    goes_on(table)
    table.save_delay = 0.0
