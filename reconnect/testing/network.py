"""A network with faults, the same again from the same seed.

    runtime = VirtualRuntime(seed=7)
    network = Network(runtime, seed=7, peers=Weather(latency=0.04, jitter=0.02, loss=0.05))
    coordinator = Coordinator(signaling=network.signaling, ...)
    alice = Client(signaling=network.client("alice"), links=network.links("alice"), ...)
    network.cut("alice", "bob")
    runtime.run(3.0)
    network.mend("alice", "bob")

It works on any runtime. Players are named. Control links lose nothing and keep their order while
they live; peer links lose, double and reorder packets. Each kind of chance has a generator of its
own, so that changing one (the loss, say) leaves all others as they were.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence

from attrs import field, frozen, validators

from reconnect.links.memory import MemoryLinks, MemorySpace, Path
from reconnect.ports import Runtime
from reconnect.signaling.memory import (
    DIAL_TIMEOUT,
    Line,
    MemoryClientSignaling,
    MemorySignaling,
)

ANYBODY = "*"
NOTHING_HELD = (False, False)


def _seconds() -> float:
    seconds: float = field(default=0.0, validator=validators.ge(0.0))
    return seconds


def _chance() -> float:
    chance: float = field(
        default=0.0, validator=validators.and_(validators.ge(0.0), validators.le(1.0))
    )
    return chance


@frozen(kw_only=True)
class Weather:
    """How a path treats what goes over it; control links know only `latency` and `jitter`."""

    latency: float = _seconds()
    """Seconds one way."""
    jitter: float = _seconds()
    """Up to so many seconds more."""
    loss: float = _chance()
    """The share of packets that never arrive."""
    duplication: float = _chance()
    """The share of packets that arrive twice."""
    reordering: float = _chance()
    """The share of packets that later ones overtake."""


REORDERED_BY = 0.05  # s that an overtaken packet comes later


class Network:
    """The control links of all clients to one server, and the paths between the players.

    A player is whatever name `client` and `links` were given; a second client of one player may
    have a name of its own here.
    """

    def __init__(
        self,
        runtime: Runtime,
        seed: int = 0,
        *,
        control: Weather | None = None,
        peers: Weather | None = None,
    ) -> None:
        self.runtime = runtime
        self.signaling = MemorySignaling(runtime, network=self)
        """The server's end of the control links."""
        self.space = MemorySpace(network=self)
        self._seed = seed
        self._chances: dict[tuple[str, ...], random.Random] = {}
        self._dice_of: dict[tuple[str, str], tuple[random.Random, ...]] = {}
        self._control_weather = {ANYBODY: control or Weather()}
        self._peer_weather = {(ANYBODY, ANYBODY): peers or Weather()}
        self._lines: dict[str, list[Line]] = {}
        self._refused: set[str] = set()
        self._unanswered: set[str] = set()
        self._clogged: dict[str, tuple[bool, bool]] = {}
        """Whether what goes up, and what goes down, is held."""
        self._suspended: Counter[str] = Counter()
        self._cuts: set[tuple[str, str]] = set()
        """Senders and receivers."""
        self._flows: dict[frozenset[str], frozenset[str]] = {}
        """Two addresses that have exchanged a packet, and the players at them."""
        self._dead: set[frozenset[str]] = set()

    def client(
        self, player: str, *, runtime: Runtime | None = None, dial_timeout: float = DIAL_TIMEOUT
    ) -> MemoryClientSignaling:
        """The control link of one client."""
        return self.signaling.client(player, runtime=runtime, dial_timeout=dial_timeout)

    def links(self, player: str, *, runtime: Runtime | None = None) -> MemoryLinks:
        """The peer links of one client."""
        return self.space.links(player, runtime or self.runtime)

    # -- both ------------------------------------------------------------------------------------

    def unplug(self, player: str) -> None:
        """Cut everything that this player has, without a word to anybody."""
        self.cut(player)
        self.cut_control(player, half_open=True)

    def plug(self, player: str) -> None:
        """Mend everything that this player has."""
        self.mend(player)
        self.mend_control(player)

    def suspend(self, player: str) -> None:
        """Let nothing through, and keep what is on the control link, until as many `wake`."""
        self._suspended[player] += 1
        for line in self._living(player):
            self._clog(line)

    def wake(self, player: str) -> None:
        """Take back one `suspend`; what is cut or clogged besides stays so."""
        self._suspended[player] -= 1
        for line in self._living(player):
            self._clog(line)

    def switch(self, player: str) -> None:
        """Let what is open be dead, as in another network; what is new works, unless it is cut."""
        self._kill_flows(player)
        for line in self._living(player):
            line.silence()

    # -- peer links ------------------------------------------------------------------------------

    def peer_weather(self, weather: Weather, one: str = ANYBODY, other: str = ANYBODY) -> None:
        """Change it between two players, around one, or everywhere."""
        self._peer_weather[one, other] = self._peer_weather[other, one] = weather

    def cut(
        self, one: str, other: str = ANYBODY, *, one_way: bool = False, fresh: bool = False
    ) -> None:
        """Let nothing pass between `one` and `other`, or between `one` and anybody.

        With `one_way`, only what `one` sends is lost. With `fresh`, the paths that are in use
        stay dead after `mend`, as behind a router that forgets them: a new attempt is needed.
        """
        self._cuts |= {(one, other)} if one_way else {(one, other), (other, one)}
        if fresh:
            self._kill_flows(one, other)

    def mend(self, one: str = ANYBODY, other: str = ANYBODY) -> None:
        """Take back the cuts between two players, those that touch one, or all of them."""
        wanted = {one, other} - {ANYBODY}
        self._cuts = {cut for cut in self._cuts if not wanted <= set(cut)}

    def _kill_flows(self, one: str, other: str = ANYBODY) -> None:
        self._dead |= {
            flow
            for flow, players in self._flows.items()
            if one in players and (other == ANYBODY or other in players)
        }

    def break_channel(self, one: str, other: str) -> None:
        """Close the channel between two players on a good path: only a rebuild helps."""
        self.space.break_channels(one, other)

    def fates(self, path: Path) -> Sequence[float]:
        """What becomes of the next packet on this path; asked by the links."""
        flow = frozenset((path.source, path.target))
        self._flows.setdefault(flow, frozenset((path.sender, path.receiver)))
        weather = _nearest(self._peer_weather, path.sender, path.receiver)
        loss, duplication, reordering, jitter = self._dice(path.sender, path.receiver)
        # always the same number of draws, so that a cut does not change what comes after it
        lost = loss.random() < weather.loss
        doubled = duplication.random() < weather.duplication
        overtaken = reordering.random() < weather.reordering
        first = weather.latency + weather.jitter * jitter.random()
        second = weather.latency + weather.jitter * jitter.random()
        if lost or flow in self._dead or not self._passes(path.sender, path.receiver):
            return ()
        if overtaken:
            first += REORDERED_BY
        return (first, second) if doubled else (first,)

    def _dice(self, sender: str, receiver: str) -> tuple[random.Random, ...]:
        """For the loss, duplication, reordering and jitter of what one sends to the other."""
        dice = self._dice_of.get((sender, receiver))
        if dice is None:
            kinds = ("loss", "duplication", "reordering", "jitter")
            dice = tuple(self._chance(kind, sender, receiver) for kind in kinds)
            self._dice_of[sender, receiver] = dice
        return dice

    def _passes(self, sender: str, receiver: str) -> bool:
        if self._suspended[sender] or self._suspended[receiver]:
            return False
        return self._cuts.isdisjoint({(sender, receiver), (sender, ANYBODY), (ANYBODY, receiver)})

    # -- control links ---------------------------------------------------------------------------

    def control_weather(self, weather: Weather, player: str = ANYBODY) -> None:
        """Change it for one player, or for all."""
        self._control_weather[player] = weather

    def drop_control(
        self, player: str, *, tell_client: bool = True, tell_server: bool = True
    ) -> None:
        """Break this player's connection; a part of what is under way is lost.

        An end that is not told finds out only by silence. Dialling again succeeds.
        """
        for line in self._living(player):
            chance = self._chance("suffix", player)
            line.drop(
                tell_client=tell_client,
                tell_server=tell_server,
                lost_up=chance.randint(0, len(line.up.queue)),
                lost_down=chance.randint(0, len(line.down.queue)),
            )

    def cut_control(
        self,
        player: str,
        *,
        half_open: bool = False,
        tell_client: bool = True,
        tell_server: bool = True,
    ) -> None:
        """Break this player's connection, and let no dial succeed until `mend_control`.

        With `half_open`, nothing arrives, nobody is told and dials are not answered; the old
        connection stays dead for good.
        """
        if half_open:
            self._unanswered.add(player)
            for line in self._living(player):
                line.silence()
        else:
            self._refused.add(player)
            self.drop_control(player, tell_client=tell_client, tell_server=tell_server)

    def clog_control(
        self, player: str, *, up: bool = True, down: bool = True, fresh: bool = True
    ) -> None:
        """Let nothing arrive until `mend_control`; then everything does, in order.

        Without `fresh`, a connection that is made from now on is well.
        """
        held_up, held_down = self._clogged.get(player, NOTHING_HELD)
        clogged = (up or held_up, down or held_down)
        for line in self._living(player):
            self._hold(line, clogged)
        if fresh:
            self._clogged[player] = clogged

    def mend_control(self, player: str | None = None) -> None:
        """Take back `cut_control` and `clog_control` for one player, or for all."""
        everybody = self._refused | self._unanswered | self._clogged.keys()
        for one in sorted(everybody) if player is None else [player]:
            self._refused.discard(one)
            self._unanswered.discard(one)
            self._clogged.pop(one, None)
            for line in self._living(one):
                self._clog(line)

    def dialled(self, line: Line) -> None:
        """A client dials; told by the control links."""
        player = line.conn.client
        self._lines[player] = [*self._living(player), line]
        if player in self._unanswered:
            line.silence()
        elif player in self._refused:
            line.refuse()
        else:
            line.connect()
            self._clog(line)

    def latency(self, line: Line, *, up: bool) -> float:
        """How long the next message travels; asked by the control links."""
        player = line.conn.client
        weather = self._control_weather.get(player, self._control_weather[ANYBODY])
        chance = self._chance("up" if up else "down", player)
        return weather.latency + weather.jitter * chance.random()

    def _living(self, player: str) -> list[Line]:
        return [line for line in self._lines.get(player, ()) if not line.over]

    def _clog(self, line: Line) -> None:
        self._hold(line, self._clogged.get(line.conn.client, NOTHING_HELD))

    def _hold(self, line: Line, clogged: tuple[bool, bool]) -> None:
        for way, held in zip((line.up, line.down), clogged, strict=True):
            if held or self._suspended[line.conn.client]:
                way.hold()
            else:
                way.release()

    def _chance(self, *purpose: str) -> random.Random:
        if purpose not in self._chances:
            self._chances[purpose] = random.Random("/".join((str(self._seed), *purpose)))
        return self._chances[purpose]


def _nearest(weathers: dict[tuple[str, str], Weather], sender: str, receiver: str) -> Weather:
    for pair in ((sender, receiver), (sender, ANYBODY), (ANYBODY, receiver)):
        if pair in weathers:
            return weathers[pair]
    return weathers[ANYBODY, ANYBODY]
