"""A real Socket.IO server with our adapter in it, on loopback, and a TCP proxy that can fail."""

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import socketio
import uvicorn

from reconnect.signaling.socketio import SocketIOSignaling
from reconnect.signaling.socketio_client import SocketIOClientSignaling
from tests.signaling.ears import ClientEars, ServerEars


async def until(predicate: Callable[[], object], *, seconds: float = 20.0) -> None:
    """Wait until `predicate` is true; generous, because the machine may be slow."""
    async with asyncio.timeout(seconds):
        while not predicate():
            await asyncio.sleep(0.005)


def loopback() -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", 0))
    return listener


class House:
    """uvicorn with an ASGI application, in the test's own loop."""

    def __init__(self, app: Callable[..., Any]) -> None:
        self._listener = loopback()
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        config = uvicorn.Config(
            app,
            log_level="error",
            lifespan="off",
            ws="websockets-sansio",
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        self._server.capture_signals = _no_signals
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        self._task = asyncio.create_task(self._server.serve(sockets=[self._listener]))
        await until(lambda: self._server.started)

    @property
    def is_open(self) -> bool:
        return self._task is not None and not self._task.done()

    async def close(self) -> None:
        self._server.should_exit = True
        if self._task is not None:
            await self._task


class _no_signals:  # noqa: N801 - stands in for a method
    def __enter__(self) -> None: ...

    def __exit__(self, *error: object) -> None: ...


class Proxy:
    """TCP from one port to another, which can freeze or reset what goes through it."""

    def __init__(self, port: int) -> None:
        self.url = ""
        self._target = port
        self._writers: list[asyncio.StreamWriter] = []
        self._gates: dict[str, list[asyncio.Event]] = {"up": [], "down": []}
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def freeze(self, *directions: str) -> None:
        """Nothing more passes on the connections there are, and nobody is told."""
        for direction in directions or self._gates:
            for gate in self._gates[direction]:
                gate.clear()

    def thaw(self) -> None:
        for gates in self._gates.values():
            for gate in gates:
                gate.set()

    def reset(self) -> None:
        """Break the connections there are."""
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        self.reset()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        self._writers += [writer, far_writer]
        for direction, source, target in (
            ("up", reader, far_writer),
            ("down", far_reader, writer),
        ):
            gate = asyncio.Event()
            gate.set()
            self._gates[direction].append(gate)
            self._tasks.add(asyncio.create_task(self._pump(gate, source, target)))

    async def _pump(
        self, gate: asyncio.Event, source: asyncio.StreamReader, target: asyncio.StreamWriter
    ) -> None:
        try:
            while data := await source.read(65536):
                await gate.wait()
                target.write(data)
                await target.drain()
        except OSError:
            pass
        target.close()


class Server:
    """A Socket.IO server with our adapter in it, and a name for each connection there was.

    `around` may wrap its application.
    """

    def __init__(self, *, sio=None, on_message=None, around=lambda app: app, **options):
        self.sio = sio or socketio.AsyncServer(async_mode="asgi")
        self.signaling = SocketIOSignaling(self.sio, **options)
        self.ears = ServerEars(on_message)
        self.house = House(around(socketio.ASGIApp(self.sio)))

    async def open(self):
        self.signaling.start(self.ears)
        await self.house.open()

    async def close(self):
        if self.house.is_open:
            await self.sio.shutdown()
            await self.house.close()


async def dial(client: SocketIOClientSignaling) -> ClientEars:
    """Dial, and wait for the first word."""
    ears = ClientEars()
    client.open(ears)
    await until(lambda: ears.log)
    return ears
