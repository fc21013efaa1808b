"""Games whose clients' lives the vectors are taken from: scenes, then random ones without end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from itertools import count
from random import Random
from typing import Any, TypeAlias

from reconnect.client import Client
from reconnect.core.messages import AttemptKind, Kind
from reconnect.core.table import State
from reconnect.errors import LocalProtocolError
from reconnect.links.memory import MemoryLinks
from reconnect.policy import Policy
from reconnect.testing.network import Weather
from reconnect.testing.simulation.setting import PLAYERS, STEP, drawn_policy
from reconnect.testing.table import Table
from tests.testing.simulation.scenes import SCENES, SHORT, Scene

Game: TypeAlias = Callable[[], None]

POLICIES = 20  # so many different ones in each file; a policy takes more room than a history
TAKES = 3  # of each scene; who is fast and who is slow is drawn anew
MENDS = (frozenset({AttemptKind.REBUILD}), frozenset(AttemptKind) - {AttemptKind.RELAY})


class Counting:
    """A game of few bytes: it counts, and now and then says how far."""

    client: Client

    def turn(self) -> None:
        self.client.notices()
        self.client.receive()
        if self.client.playing:
            self.client.frame += 1
            self._say(str(self.client.frame).encode())

    def _say(self, far: bytes) -> None:
        with suppress(LocalProtocolError):  # nobody is there to be told
            if self.client.frame % 4 == 1:
                self.client.send(far)
            elif self.client.frame % 8 == 3:
                self.client.send_latest(far)

    def snapshot(self) -> bytes:
        return str(self.client.frame).encode()

    def restore(self, snapshot: bytes) -> None:
        self.client.frame = int(snapshot)


class Merging(Counting):
    """The same with inputs that may have holes."""

    def mark(self, _peer: str) -> bytes:
        return b"mark"

    def since(self, _peer: str, _mark: bytes) -> bytes:
        return b"since"

    def merge(self, _peer: str, data: bytes) -> None: ...


def set_table(random: Random, policy: Policy, players: Sequence[str]) -> Table:
    """Nobody has come yet; what the players' links can do is drawn."""
    kind = random.choice((Counting, Merging, Merging))
    table = Table(
        lambda _player: kind(),
        players=players,
        policy=policy,
        seed=random.getrandbits(32),
        step=STEP,
        start=False,
    )
    links_of = table.network.links

    def links(player: str, **more: Any) -> MemoryLinks:
        links = links_of(player, **more)
        links.kind = random.choice((Kind.PYTHON, Kind.PYTHON, Kind.BROWSER))
        links.mends = random.choice(MENDS)
        return links

    table.network.links = links  # type: ignore[method-assign] # of this table alone
    return table


Deed: TypeAlias = Callable[[Table, str, Random], object]
OF_PLAYERS: tuple[Deed, ...] = (
    lambda table, player, random: table.network.drop_control(
        player, tell_client=random.random() < 0.5, tell_server=random.random() < 0.5
    ),
    lambda table, player, random: table.network.cut_control(
        player, half_open=random.random() < 0.5
    ),
    lambda table, player, random: table.network.clog_control(
        player, **random.choice(({"up": False}, {"down": False}, {}))
    ),
    lambda table, player, random: table.reload(player, gone=random.random() < 0.5),
    lambda table, player, _: table.duplicate(player),
    lambda table, player, random: table.stall(player, random.choice((0.3, 0.9, 2.5))),
    lambda table, player, _: table.sleep(player, 2.0),
    lambda table, player, _: table.kill(player),
    lambda table, player, random: table.present(player).client.hidden(random.random() < 0.5),
    lambda table, player, _: table.present(player).client.busy(1.0),
    lambda table, player, _: table.present(player).client.network_changed(),
    lambda table, player, random: random.random() < 0.4 and table.leave(player),
)
OF_LINKS: tuple[Deed, ...] = (
    lambda table, player, _: table.cut(player),
    lambda table, player, random: table.cut(
        player, next(one for one in table.players if one != player), fresh=random.random() < 0.5
    ),
    lambda table, player, _: table.network.break_channel(
        player, next(one for one in table.players if one != player)
    ),
    lambda table, _, __: table.network.peer_weather(Weather(latency=0.02, loss=0.2)),
)
OF_THE_SERVER: tuple[Deed, ...] = (
    lambda table, _, random: table.kill_server(down=random.choice((0.05, 0.3, 2.0))),
    lambda table, _, random: table.server.stall(random.choice((0.2, 0.6, 1.4))),
    lambda table, _, random: random.random() < 0.4 and table.session.end("completed"),
)


def games(topology: str) -> Iterator[Game]:
    """Every scene that makes sense in this topology, then random games without end."""
    for scene in SCENES:
        for seed in range(TAKES):
            yield partial(_scene, scene, seed, topology)
    for seed in count():
        yield partial(_random, seed, topology)


def _scene(scene: Scene, seed: int, topology: str) -> None:
    def stage(*players: str, **rules: Any) -> Table:
        policy = Policy(**{**SHORT, **rules, "topology": topology})
        return set_table(Random(f"scene {seed}"), policy, players or PLAYERS[:2])

    # a scene is about one topology; in another it may come to nothing
    with suppress(AssertionError, LookupError, ValueError):
        scene(stage)


def _random(seed: int, topology: str) -> None:
    random = Random(f"{topology} {seed}")
    policies = Random(f"{topology} {seed % POLICIES}")
    while (policy := drawn_policy(policies)).topology != topology:
        pass
    players = PLAYERS[: random.choice((2, 2, 2, 3, 3, 4))]
    table = set_table(random, policy, players)
    for player in players:
        if random.random() < 0.9:
            table.runtime.call_at(random.uniform(0.0, 0.5), partial(table.start, player))
    table.run(random.choice((0.3, 1.5, 1.5)))
    for _ in range(random.choice((3, 5, 9))):
        if random.random() < 0.5:
            _mend(table)
        else:
            _harm(table, random)
        table.run(random.choice((0.05, 0.2, 0.5, 1.0)))
    _mend(table)
    table.run(2.0)


def _mend(table: Table) -> None:
    table.mend()
    table.network.peer_weather(table.weather)
    living = {one.player for one in table.programs if one.alive and not one.client.ended}
    for player in table.session.players:
        if player not in living:
            table.start(player)


def _harm(table: Table, random: Random) -> None:
    living = [one.player for one in table.programs if one.alive and not one.client.ended]
    if living and table.coordinator is not None and table.state is not State.ENDED:
        links = OF_LINKS if table.policy.topology.peer_to_peer else ()
        deeds = (*OF_PLAYERS, *links, *OF_THE_SERVER)
        random.choice(deeds)(table, random.choice(living), random)
