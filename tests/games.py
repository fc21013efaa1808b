"""A whole game in virtual time: real coordinator, real clients, a network with faults.

Each player is a loop as the README shows it; in each step it sends the number of the step to all.
"""

from __future__ import annotations

from typing import Any

from reconnect import Client, Coordinator, Policy, SessionHandle
from reconnect.core.notices import ClientNotice, SessionNotice
from reconnect.testing.expect import expect
from reconnect.testing.network import Network, Weather
from reconnect.testing.virtual import VirtualRuntime

STEP = 1 / 30


class Nothing:
    """What a player's program has that is worth handing over."""

    def snapshot(self) -> bytes:
        return b""

    def restore(self, snapshot: bytes) -> None: ...


class Player:
    """One program's game loop."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.heard: list[ClientNotice] = []
        self.got: dict[str, list[int]] = {}
        self.sent = 0
        self.steps: list[float] = []
        """When each step was taken."""

    def turn(self, now: float) -> None:
        self.heard += self.client.notices()
        for peer, data in self.client.receive():
            self.got.setdefault(peer, []).append(int(data))
        if self.client.playing:
            self.client.send(b"%d" % self.sent)
            self.sent += 1
            self.steps.append(now)
            self.client.frame = self.sent

    def kinds(self) -> list[str]:
        """The names of the notices that were heard."""
        return [type(notice).__name__ for notice in self.heard]


class Game:
    """Players at one session; `run` lets time pass."""

    def __init__(
        self,
        *players: str,
        policy: Policy | None = None,
        seed: int = 1,
        latency: float = 0.01,
        loss: float = 0.0,
        **coordinator: Any,
    ) -> None:
        self.runtime = VirtualRuntime(seed=seed)
        self.network = Network(self.runtime, seed=seed, peers=Weather(latency=latency, loss=loss))
        self.network.control_weather(Weather(latency=latency))
        self.coordinator = self.serve(policy=policy, **coordinator)
        self.session: SessionHandle = self.coordinator.open(players or ("alice", "bob"))
        self.told: list[SessionNotice] = []
        self.players = {player: self.join(player) for player in self.session.players}

    def serve(self, **options: Any) -> Coordinator:
        """The server's program."""
        return Coordinator(signaling=self.network.signaling, **options)

    def join(self, player: str, token: str | None = None, **options: Any) -> Player:
        """A new program of this player."""
        policy = self.coordinator.policy
        options.setdefault("resync", Nothing())
        links = self.network.links(player) if policy.topology.peer_to_peer else None
        client = Client(
            signaling=self.network.client(player, runtime=self.runtime),
            links=links,
            session=self.session.id,
            player=player,
            token=self.session.invite(player) if token is None else token,
            seed=sum(player.encode()),
            **options,
        )
        return Player(client)

    def run(self, seconds: float) -> None:
        ends_at = self.runtime.now() + seconds
        while self.runtime.now() < ends_at:
            self.runtime.run(STEP)
            self.told += self.session.notices()
            for player in self.players.values():
                player.turn(self.runtime.now())

    @property
    def all_playing(self) -> bool:
        """True, or else an `AssertionError` that says what everybody waits for."""
        clients = {name: player.client for name, player in self.players.items()}
        expect(all(one.playing for one in clients.values()), session=self.session, **clients)
        return True

    def assert_nothing_lost(self) -> None:
        """What each player got of each other is what was sent: once, in order, without a hole."""
        self.run(1)
        for name, player in self.players.items():
            for peer, numbers in player.got.items():
                assert numbers == list(range(len(numbers))), (name, peer)
                assert len(numbers) >= self.players[peer].sent - 10, (name, peer)
