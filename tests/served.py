"""A whole game whose server is a process of its own: stopped, killed, and started again."""

from __future__ import annotations

from typing import Any

from reconnect import Coordinator
from reconnect.core.outlook import Play
from reconnect.core.table import State
from reconnect.policy import Topology
from reconnect.ports import Store
from reconnect.stores.memory import MemoryStore
from reconnect.testing.virtual import VirtualProcess
from tests.by_hand import BIRTH
from tests.games import STEP, Game, Player


class BlockingStore(MemoryStore):
    """Keeps everything through the lives of its coordinators, and is used as a disk is."""

    blocking = True


class Viewer(Player):
    """A program that shows what the server's own loop plays."""

    def turn(self, now: float) -> None:
        self.heard += self.client.notices()
        if self.client.playing:
            self.steps.append(now)


class ServedGame(Game):
    """`serve` starts the server; `crash` and `stop` end it. Time passes in `run` only.

    While it does, the invariants that can be seen from outside are looked at: after everything
    that happens, not only after each step of the game.
    """

    store: Store
    server: VirtualProcess
    ended: str | None = None

    def serve(self, **options: Any) -> Coordinator:
        self._options = options | {"wall": lambda: BIRTH + self.runtime.now()}
        self.store = self._options.setdefault("store", BlockingStore())
        self.server = self.network.signaling.runtime = self.process()
        return super().serve(**self._options)

    def join(self, player: str, token: str | None = None, **options: Any) -> Player:
        one = super().join(player, token, **options)
        shows = self.coordinator.policy.topology is Topology.SERVER
        return Viewer(one.client) if shows else one

    def process(self) -> VirtualProcess:
        """What the server runs on."""
        return self.runtime.process()

    def restart(self, store: Store | None = None) -> None:
        """The next process finds the session in the store."""
        options = self._options if store is None else self._options | {"store": store}
        self.coordinator = self.serve(**options)
        found = self.coordinator.get(self.session.id)
        assert found is not None
        self.session = found

    def crash(self) -> None:
        """The server's process is killed: connections break, and dials are refused."""
        self.server.kill()
        self._unplug()

    def stop(self) -> None:
        """The server's process ends in order."""
        self.coordinator.close()
        while not self.coordinator._closed.done():
            self.run(STEP)
        self._unplug()

    def _unplug(self) -> None:
        self.network.signaling.stop()
        self.network.signaling.runtime = self.runtime  # the system refuses dials by itself

    def run(self, seconds: float) -> None:
        ends_at = self.runtime.now() + seconds
        while self.runtime.now() < ends_at:
            turn_at = self.runtime.now() + STEP
            self.runtime.run_until(self._look, STEP)
            assert self.runtime.now() >= turn_at - 1e-9
            self.told += self.session.notices()
            for player in self.players.values():
                player.turn(self.runtime.now())

    def run_until_all_play(self, *, within: float) -> None:
        """Let time pass until everybody plays, and for a second more."""
        ends_at = self.runtime.now() + within
        while self.runtime.now() < ends_at and not self._all_play():
            self.run(STEP)
        self.run(1.0)
        assert self.all_playing

    def _all_play(self) -> bool:
        return all(player.client.playing for player in self.players.values())

    def _look(self) -> bool:
        record = self.session._record
        if record.state is State.ENDED:
            self.ended = self.ended or record.reason
        assert self.ended in (None, record.reason), "I1: ended is terminal, for one reason"
        playing = [
            player.client._peer
            for player in self.players.values()
            if player.client._peer.play is Play.PLAYING
            and player.client._peer.control.lease_until > self.runtime.now()
        ]
        if playing:
            assert record.state is not State.RECONNECTING, "I2: somebody plays"
            epochs = {peer.epoch for peer in playing}
            assert len(epochs) == 1, "I3b: all play in one epoch"
            assert max(epochs) <= record.epoch, "I3: nobody plays in an epoch that is not stored"
        return False
