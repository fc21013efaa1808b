"""A real Socket.IO server on loopback, and a TCP proxy that can fail in front of it."""

import asyncio
import socket
from collections.abc import Callable

import socketio
import uvicorn


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

    def __init__(self, app: socketio.ASGIApp) -> None:
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
    """TCP from one port to another; `frozen` it passes nothing on, `reset` it breaks everything."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._pairs: list[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.running = {"up": asyncio.Event(), "down": asyncio.Event()}
        self.thaw()
        self.url = ""

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def freeze(self, *directions: str) -> None:
        for direction in directions or self.running:
            self.running[direction].clear()

    def thaw(self) -> None:
        for event in self.running.values():
            event.set()

    def reset(self) -> None:
        for pair in self._pairs:
            for writer in pair:
                writer.transport.abort()
        self._pairs.clear()

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        self.reset()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        self._pairs.append((writer, far_writer))
        for direction, source, target in (
            ("up", reader, far_writer),
            ("down", far_reader, writer),
        ):
            task = asyncio.create_task(self._pump(direction, source, target))
            self._tasks.add(task)

    async def _pump(
        self, direction: str, source: asyncio.StreamReader, target: asyncio.StreamWriter
    ) -> None:
        try:
            while True:
                await self.running[direction].wait()
                data = await source.read(65536)
                await self.running[direction].wait()
                if not data:
                    break
                target.write(data)
                await target.drain()
        except OSError:
            pass
        target.close()
