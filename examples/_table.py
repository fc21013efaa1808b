"""What the examples of games have in common: programs in one process, on a network with faults."""

import asyncio
from collections.abc import Callable
from itertools import combinations
from typing import Any

import reconnect
from reconnect.runtimes import AsyncioRuntime
from reconnect.testing.network import Network, Weather

STEP = 1 / 30


class Table:
    """A session, and one program of each of its players; `game` makes a program's game."""

    def __init__(self, players: list[str], game: Callable[[str], Any]) -> None:
        weather = Weather(latency=0.02, jitter=0.02, loss=0.05)
        self.network = Network(AsyncioRuntime(), peers=weather)
        self.coordinator = reconnect.Coordinator(signaling=self.network.signaling)
        self.session = self.coordinator.open(players)
        self.games: dict[str, Any] = {}
        self._game = game
        self._programs: set[asyncio.Task[None]] = set()
        for player in players:
            self.start(player)

    def start(self, player: str) -> None:
        """Start a program of this player; nothing of an older one's is left to it."""
        game = self.games[player] = self._game(player)
        game.client = reconnect.Client(
            signaling=self.network.client(player),
            links=self.network.links(player),
            session=self.session.id,
            player=player,
            token=self.session.invite(player),
            resync=game,
        )
        self._programs.add(asyncio.create_task(self._run(game)))

    async def _run(self, game: Any) -> None:
        while not game.client.ended:
            game.turn()
            await asyncio.sleep(STEP)

    async def play(self, seconds: float = 1.0) -> None:
        """Wait until all play, and then for so long."""
        while not all(game.client.playing for game in self.games.values()):
            await asyncio.sleep(STEP)
        await asyncio.sleep(seconds)
        print("all play:", {player: game.frame for player, game in self.games.items()})

    async def outage(self, one: str, other: str, seconds: float) -> None:
        """Cut the link between two players for so long."""
        print(f"the link {one}-{other} is cut for {seconds} s")
        self.network.cut(one, other)
        await asyncio.sleep(seconds)
        self.network.mend(one, other)

    def reload(self, player: str) -> None:
        """Close the program of a player in order, and start another."""
        print(f"{player}'s program is closed, and another is started")
        self.games[player].client.close()
        self.start(player)

    async def end(self) -> None:
        """End the session, and wait for the programs."""
        self.session.end()
        await asyncio.gather(*self._programs)
        self.coordinator.close()

    def compare(self) -> None:
        """Every two games had the same state in each frame that both of them know."""
        for one, other in combinations(self.games.values(), 2):
            common = one.states.keys() & other.states.keys()
            assert common, "no frame in common"
            assert all(one.states[frame] == other.states[frame] for frame in common)
            print(f"{one.me} and {other.me}: equal in {len(common)} frames; ", end="")
            print(f"in {max(common)}, {one.states[max(common)]}")
