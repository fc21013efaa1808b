"""Two ends of an aiortc link on loopback, with signaling in memory and a path that can be cut."""

import asyncio
from collections.abc import Callable
from typing import Any

from reconnect.core.messages import AttemptKind
from reconnect.links.aiortc import AiortcLinks
from reconnect.policy import IceServer
from reconnect.testing.path import UdpPath
from reconnect.testing.path_links import PathLink, PathLinks

SOON = 20.0  # s; the most that anything here may take on a busy machine
QUIET = 0.3  # s in which nothing comes
LOOPBACK = ["127.0.0.1"]

Signal = tuple[str, str, str]


async def until(condition: Callable[[], object], *, within: float = SOON) -> None:
    async with asyncio.timeout(within):
        while not condition():
            await asyncio.sleep(0.005)


def living_paths() -> int:
    coroutines = [task.get_coro() for task in asyncio.all_tasks()]
    return sum(getattr(one, "__qualname__", "") == "Path.live" for one in coroutines)


class End:
    """One player: writes down what its link says, and hands signals to the far end."""

    def __init__(self, player: str, path: UdpPath, **options: Any) -> None:
        self.player = player
        self.links = AiortcLinks(addresses=LOOPBACK, **options)
        self.through = PathLinks(self.links, path, player=player)
        self.far: End | None = None
        self.signals: list[Signal] = []
        self.frames: list[bytes] = []
        self.channels: list[bool] = []
        self.states: list[str] = []
        self.failures: list[tuple[str, str]] = []
        self.successes: list[str] = []

    def opens(self, far: "End") -> None:
        self.far = far
        self.link: PathLink = self.through.open(far.player, 1, self)

    def attempts(
        self, attempt_id: str, *, offers: bool, servers: tuple[IceServer, ...] = ()
    ) -> None:
        self.link.attempt(attempt_id, kind=AttemptKind.REBUILD, offers=offers, ice_servers=servers)

    async def says(self, kind: str) -> Signal:
        """The signal of this kind, when it has been said."""
        await until(lambda: any(kind == said[1] for said in self.signals))
        return next(said for said in self.signals if kind == said[1])

    def signal(self, attempt_id: str, kind: str, payload: str) -> None:
        self.signals.append((attempt_id, kind, payload))
        if self.far is not None:
            self.far.link.signal(attempt_id, kind, payload)

    def received(self, frame: bytes) -> None:
        self.frames.append(frame)

    def channel(self, is_open: bool) -> None:
        self.channels.append(is_open)

    def ice(self, state: str) -> None:
        self.states.append(state)

    def succeeded(self, attempt_id: str) -> None:
        self.successes.append(attempt_id)

    def failed(self, attempt_id: str, cause: str) -> None:
        self.failures.append((attempt_id, cause))


class Pair:
    """Alice, who offers, and Bob."""

    def __init__(self, path: UdpPath, **options: Any) -> None:
        self.path = path
        self.alice = End("alice", path, **options)
        self.bob = End("bob", path, **options)
        self.alice.opens(self.bob)
        self.bob.opens(self.alice)
        self.number = 0

    @property
    def ends(self) -> tuple[End, End]:
        return self.alice, self.bob

    def attempts(self, attempt_id: str, **options: Any) -> None:
        self.bob.attempts(attempt_id, offers=False, **options)
        self.alice.attempts(attempt_id, offers=True, **options)

    async def connects(self, attempt_id: str = "1", **options: Any) -> float:
        """How long it took from the attempt to data both ways."""
        opened = [end.channels.count(True) for end in self.ends]
        began = asyncio.get_running_loop().time()
        self.attempts(attempt_id, **options)
        for end, before in zip(self.ends, opened, strict=True):
            await until(lambda: end.channels.count(True) > before)  # noqa: B023 (awaited here)
        await self.round_trip()
        return asyncio.get_running_loop().time() - began

    async def round_trip(self, *, within: float = SOON, every: float = 0.01) -> float:
        """How long it takes until a new frame of each end has arrived; repeated until it has."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        self.number += 1
        frames = [b"%d of %d" % (self.number, id(end)) for end in self.ends]
        async with asyncio.timeout(within):
            while frames[0] not in self.bob.frames or frames[1] not in self.alice.frames:
                for end, frame in zip(self.ends, frames, strict=True):
                    end.link.send(frame)
                await asyncio.sleep(every)
        return loop.time() - began

    async def is_dead(self) -> bool:
        try:
            await self.round_trip(within=QUIET)
        except TimeoutError:
            return True
        return False

    async def ends_all(self) -> None:
        for end in self.ends:
            end.link.close()
        for end in self.ends:
            async with asyncio.timeout(SOON):
                await end.links.closed()
