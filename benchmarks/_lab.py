"""One machine as a network: servers on loopback, paths that can be cut, and two players."""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any

import socketio
import uvicorn
from attrs import define, field

from reconnect import Coordinator, Policy, SessionHandle
from reconnect.signaling.socketio import SocketIOSignaling
from reconnect.testing.path import UdpPath
from reconnect.testing.remote import PathServer

LOOPBACK = "127.0.0.1"
PLAYERS = ("alice", "bob")


class Web(uvicorn.Server):
    """A server that leaves Ctrl-C to the program."""

    @contextmanager
    def capture_signals(self) -> Any:
        yield


@asynccontextmanager
async def serving(sio: socketio.AsyncServer) -> AsyncIterator[int]:
    """Serve on a free port of 127.0.0.1, which is given."""
    listener = socket.socket(proto=socket.IPPROTO_TCP)  # or asyncio leaves Nagle on
    listener.bind((LOOPBACK, 0))
    config = uvicorn.Config(
        socketio.ASGIApp(sio), log_level="error", lifespan="off", timeout_graceful_shutdown=1
    )
    web = Web(config)
    task = asyncio.create_task(web.serve(sockets=[listener]))
    await until(lambda: web.started)
    yield listener.getsockname()[1]
    await sio.shutdown()
    web.should_exit = True
    await task


class Relay:
    """What everybody writes first: a server that passes on what one player tells the other."""

    def __init__(self) -> None:
        self.sio = socketio.AsyncServer(async_mode="asgi")
        self._players: dict[str, dict[str, str]] = {}
        self.sio.on("join", self._join)
        self.sio.on("tell", self._tell)

    async def _join(self, sid: str, table: str, player: str) -> None:
        players = self._players.setdefault(table, {})
        players[player] = sid
        if len(players) == len(PLAYERS):
            for one in players.values():
                await self.sio.emit("all_here", to=one)

    async def _tell(self, sid: str, table: str, player: str, kind: str, text: str) -> None:
        if self._players[table].get(player) == sid:
            for one, other in self._players[table].items():
                if one != player:
                    await self.sio.emit("told", (kind, text), to=other)


@define(eq=False)
class Table:
    """Two seats, and the path between them."""

    session: SessionHandle
    path: UdpPath
    seats: dict[str, dict[str, Any]]
    """By player; plain data, which can be given to another process."""


@define(eq=False)
class Lab:
    """The servers and the paths of a whole benchmark."""

    url: str
    """The coordinator's."""
    relay_url: str
    coordinator: Coordinator
    _numbers: itertools.count[int] = field(factory=itertools.count)

    @classmethod
    @asynccontextmanager
    async def opened(cls, **policy: Any) -> AsyncIterator[Lab]:
        sio, relay = socketio.AsyncServer(async_mode="asgi"), Relay()
        coordinator = Coordinator(signaling=SocketIOSignaling(sio), policy=Policy(**policy))
        async with serving(sio) as port, serving(relay.sio) as relay_port:
            yield cls(f"http://{LOOPBACK}:{port}", f"http://{LOOPBACK}:{relay_port}", coordinator)
            coordinator.close()
            await coordinator.closed()

    @asynccontextmanager
    async def table(self, *, remote: bool = False) -> AsyncIterator[Table]:
        """A table for one trial; `remote` if players of other processes come to it."""
        number = next(self._numbers)
        session = self.coordinator.open(PLAYERS)
        async with AsyncExitStack() as stack:
            path = UdpPath(seed=number)
            stack.callback(path.close)
            address = None
            if remote:
                server = PathServer(path)
                await server.start()
                stack.callback(server.close)
                address = server.address
            seats = {
                player: {
                    "player": player,
                    "offers": player == PLAYERS[0],
                    "url": self.url,
                    "session": session.id,
                    "token": session.invite(player),
                    "relay_url": self.relay_url,
                    "table": str(number),
                    "path": address,
                }
                for player in PLAYERS
            }
            yield Table(session, path, seats)
            if session.reason is None:
                session.end()


async def until(condition: Callable[[], object], *, within: float = 30.0) -> bool:
    """Wait for it; False if it did not come in time."""
    loop = asyncio.get_running_loop()
    ends_at = loop.time() + within
    while not condition():
        if loop.time() >= ends_at:
            return False
        await asyncio.sleep(0.005)
    return True
