"""A game of real clients in which every program, the server's too, can be killed or stalled."""

from __future__ import annotations

from typing import Any

from reconnect import Client, Coordinator, Policy, SessionHandle
from reconnect.ports import Recorder
from reconnect.stores.memory import MemoryStore
from reconnect.telemetry.outage import Outage
from reconnect.telemetry.outages import Outages
from reconnect.testing.network import Network, Weather
from reconnect.testing.virtual import VirtualRuntime
from tests.games import STEP, Game, Nothing, Player

BIRTH = 1_700_000_000.0  # what the wall clock shows when virtual time begins
PLAYERS = ("alice", "bob", "carol")
NEAR, FAR = 0.01, 0.12  # s one way to the coordinator


class Scene(Game):
    """Three players who play; `first` is the one whose reports are the fastest."""

    def __init__(
        self,
        *players: str,
        first: str | None = None,
        recorder: Recorder | None = None,
        policy: Policy | None = None,
        seed: int = 1,
        loss: float = 0.0,
    ) -> None:
        self.outages = Outages()
        self.policy = policy
        self.store = MemoryStore()
        self.runtime = VirtualRuntime(seed=seed)
        self.network = Network(self.runtime, seed=seed, peers=Weather(latency=NEAR, loss=loss))
        self.processes: dict[str, Any] = {}
        self.start(self.outages if recorder is None else recorder)
        names = players or PLAYERS
        for player in names:
            near = first in (None, player)
            self.network.control_weather(Weather(latency=NEAR if near else FAR), player)
        self.session: SessionHandle = self.coordinator.open(names, id="game")
        self.told = []
        self.players = {player: self.join(player) for player in names}
        self.recover()

    # -- programs --------------------------------------------------------------------------------

    def start(self, recorder: Recorder) -> None:
        """The server's process begins, with the sessions that are in the store."""
        self.recorder = recorder
        self.server = self.network.signaling.runtime = self.runtime.process()
        self.coordinator = Coordinator(
            signaling=self.network.signaling,
            store=self.store,
            policy=self.policy,
            recorder=recorder,
            wall=lambda: BIRTH + self.runtime.now(),
        )

    def kill(self) -> None:
        """The server's process dies; what its recorder has flushed to the system is kept."""
        self.server.kill()
        self.network.signaling.stop()
        self.recorder.close()

    def restart(self, recorder: Recorder) -> None:
        """The server's process is followed by another."""
        self.start(recorder)
        handle = self.coordinator.get("game")
        assert handle is not None
        self.session = handle

    def join(self, player: str, token: str | None = None, **options: Any) -> Player:
        process = self.processes[player] = self.runtime.process()
        return Player(
            Client(
                signaling=self.network.client(player, runtime=process),
                links=self.network.links(player, runtime=process),
                session="game",
                player=player,
                token=self.session.invite(player) if token is None else token,
                resync=Nothing(),
                seed=sum(player.encode()),
                **options,
            )
        )

    def lose(self, player: str) -> None:
        """The player's program is gone without a word, and its sockets with it."""
        self.processes[player].kill()
        self.network.drop_control(player, tell_client=False)

    def come_back(self, player: str) -> None:
        """The player's program is started anew."""
        self.players[player] = self.join(player)

    def run(self, seconds: float) -> None:
        ends_at = self.runtime.now() + seconds
        while (now := self.runtime.now()) < ends_at:
            self.runtime.run(min(STEP, ends_at - now))
            self.told += self.session.notices()
            for name, player in self.players.items():
                process = self.processes[name]
                if process.alive and process.stalled_until <= self.runtime.now():
                    player.turn(self.runtime.now())

    # -- what happens to them ----------------------------------------------------------------------

    def recover(self) -> None:
        """Let time pass until all play, and a little more."""
        for _ in range(40):
            self.run(0.5)
            if all(player.client.playing for player in self.players.values()):
                return self.run(0.5)
        raise AssertionError(self.session.explain())

    def outage(self, player: str = "bob", seconds: float = 2.0) -> None:
        """One link of this player is cut, and everybody plays again afterwards."""
        self.network.cut("alice", player)
        self.run(seconds)
        self.network.mend("alice", player)
        self.recover()

    # -- what is known -----------------------------------------------------------------------------

    @property
    def outage_now(self) -> Outage:
        """The only outage."""
        (outage,) = self.outages.of("game")
        return outage
