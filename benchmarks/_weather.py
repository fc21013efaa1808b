"""A game in virtual time on a healthy path: what it does there by mistake can be counted."""

from __future__ import annotations

from random import Random
from typing import Any

from attrs import define, frozen

from reconnect import Client, Coordinator, Policy
from reconnect.core.table import State
from reconnect.links.memory import Path
from reconnect.testing.network import Network, Weather
from reconnect.testing.virtual import VirtualProcess, VirtualRuntime

PLAYERS = ("alice", "bob")
LATENCY, JITTER = 0.03, 0.02
STEP = 1 / 30
STALL_EVERY = 15.0  # s, on average, and for each player
BURST = 3


@frozen(kw_only=True)
class Conditions:
    """What the path and the players' machines are like."""

    busy: bool = False
    """Whether the players send 30 messages a second, or nothing at all."""
    loss: float = 0.0
    burst: bool = False
    """Whether packets are lost three in a row; the share that is lost stays the same."""
    stall: float = 0.0
    """How long each player's event loop hangs, now and then."""
    announced: bool = False
    """Whether the program says so before it hangs."""

    def __str__(self) -> str:
        what = "busy" if self.busy else "idle"
        if self.stall:
            return f"{what}, stalls of {self.stall:g} s{', announced' if self.announced else ''}"
        return f"{what}, {self.loss:.0%} loss{' in bursts' if self.burst else ''}"


def limits(link_lost: float) -> dict[str, Any]:
    """Of a policy: the detection time, and that no number of pauses ends a game."""
    return {
        "link_lost": link_lost,
        "link_suspect": max(0.25, link_lost / 2),
        "pauses_max": 1 << 30,
        "pause_budget": 1e8,
    }


class Bursts(Network):
    """Loses packets three in a row."""

    def __init__(self, runtime: VirtualRuntime, seed: int, *, loss: float) -> None:
        super().__init__(runtime, seed, peers=Weather(latency=LATENCY, jitter=JITTER))
        self._random = Random(seed)
        self._begins = loss / (BURST - (BURST - 1) * loss)
        self._left: dict[tuple[str, str], int] = {}

    def fates(self, path: Path) -> tuple[float, ...]:
        way = path.sender, path.receiver
        left = self._left.get(way, 0)
        if not left and self._random.random() < self._begins:
            left = BURST
        self._left[way] = max(0, left - 1)
        return () if left else tuple(super().fates(path))


@define(eq=False)
class Program:
    """One player's program and what disturbs it."""

    client: Client
    process: VirtualProcess
    conditions: Conditions
    random: Random

    def __attrs_post_init__(self) -> None:
        if self.conditions.busy:
            self.process.call_at(self.process.now() + STEP, self._turn)
        if self.conditions.stall:
            self._stall_later()

    def _turn(self) -> None:
        self.client.receive()
        if self.client.playing:
            self.client.send(b"a move")
        self.process.call_at(self.process.now() + STEP, self._turn)

    def _stall_later(self) -> None:
        self.process.call_at(
            self.process.now() + self.random.expovariate(1 / STALL_EVERY), self._stall
        )

    def _stall(self) -> None:
        if self.conditions.announced:
            self.client.busy(self.conditions.stall)
        self.process.stall(self.conditions.stall)
        self._stall_later()


class World:
    """Two players, their coordinator, and hours of virtual time."""

    def __init__(self, conditions: Conditions, link_lost: float, *, seed: int) -> None:
        self.runtime = VirtualRuntime(seed)
        self.network = (
            Bursts(self.runtime, seed, loss=conditions.loss)
            if conditions.burst
            else Network(
                self.runtime,
                seed,
                peers=Weather(latency=LATENCY, jitter=JITTER, loss=conditions.loss),
            )
        )
        self.network.control_weather(Weather(latency=LATENCY))
        coordinator = Coordinator(
            signaling=self.network.signaling,
            policy=Policy(**limits(link_lost)),
            wall=self.runtime.now,
        )
        self.session = coordinator.open(PLAYERS)
        self.programs = [
            self._program(player, conditions, seed + number)
            for number, player in enumerate(PLAYERS)
        ]
        self.runtime.run_until(lambda: self.session.state is State.CONNECTED)

    def _program(self, player: str, conditions: Conditions, seed: int) -> Program:
        process = self.runtime.process()
        client = Client(
            signaling=self.network.client(player, runtime=process),
            links=self.network.links(player, runtime=process),
            session=self.session.id,
            player=player,
            token=self.session.invite(player),
            on_notice=lambda notice: None,  # noqa: ARG005 - nobody reads them
            seed=seed,
        )
        return Program(client, process, conditions, Random(seed))

    def alarms(self, hours: float, *, enough: int) -> tuple[int, float]:
        """Needless pauses, and in how many hours; it stops early when there are `enough`."""
        began_at = self.runtime.now()
        while (passed := self.runtime.now() - began_at) < hours * 3600:
            if self.session.outages >= enough:
                break
            self.runtime.run(min(60.0, hours * 3600 - passed))
        return self.session.outages, passed / 3600

    def detection(self) -> float:
        """Seconds until both have stopped, when nothing arrives any more."""
        self.runtime.run(5.0)
        self.network.cut(*PLAYERS)
        cut_at = self.runtime.now()
        self.runtime.run_until(lambda: not any(program.client.playing for program in self.programs))
        return self.runtime.now() - cut_at
