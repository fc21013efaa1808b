"""Freeze, reset, refuse and delay a TCP connection on loopback: the faults of a control link."""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import suppress
from typing import TypeAlias

from attrs import define, field

LOOPBACK = "127.0.0.1"
CHUNK = 64 * 1024
CHUNKS_MAX = 64  # on their way in one direction; with more the sender has to wait, as in a network
RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER, 0 s

Travelling: TypeAlias = asyncio.Queue[tuple[float, bytes]]
"""When a chunk is due, and the chunk; an empty one is the end."""


@define(eq=False)
class TcpProxy:
    """Passes connections to its own `port` on to a target, as faithfully as it is told to.

    To be made and used on a running event loop that can watch sockets.
    """

    target_host: str
    target_port: int
    delay: float = field(default=0.0, kw_only=True)
    """Seconds that everything takes in each direction; may be changed at any time."""
    port: int = field(default=0, init=False)
    """Where to connect to on 127.0.0.1; known once the proxy has started, and stays."""
    _listener: socket.socket | None = field(default=None, init=False)
    flowing: asyncio.Event = field(factory=asyncio.Event, init=False)
    _calls: set[_Call] = field(factory=set, init=False)

    async def start(self) -> None:
        """Listen, and pass everything on."""
        self.resume()

    def freeze(self) -> None:
        """Nothing flows, nothing closes; new connections are accepted and hear nothing."""
        self.flowing.clear()

    def reset(self) -> None:
        """Reset all connections that there are; new ones are passed on as before."""
        for call in self._calls:
            call.reset()

    def refuse(self) -> None:
        """Refuse new connections; those that there are go on."""
        if self._listener is not None:
            asyncio.get_running_loop().remove_reader(self._listener)
            self._listener.close()
            self._listener = None

    def resume(self) -> None:
        """End `freeze` and `refuse`; what was held back flows first."""
        self.flowing.set()
        if self._listener is None:
            # without the protocol asyncio leaves Nagle on, and some chunks come 40 ms late
            self._listener = socket.socket(proto=socket.IPPROTO_TCP)
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._listener.setblocking(False)
            self._listener.bind((LOOPBACK, self.port))
            self._listener.listen()
            self.port = self._listener.getsockname()[1]
            asyncio.get_running_loop().add_reader(self._listener, self._accept, self._listener)

    def close(self) -> None:
        """Stop listening and reset everything."""
        self.refuse()
        self.reset()

    async def closed(self) -> None:
        """Return when nothing is left open; close first."""
        while tasks := [call.task for call in self._calls]:
            await asyncio.wait(tasks)

    def _accept(self, listener: socket.socket) -> None:
        with suppress(BlockingIOError, ConnectionError):
            near, _ = listener.accept()
            call = _Call(self, near)
            self._calls.add(call)
            call.task.add_done_callback(lambda _: self._calls.discard(call))


@define(eq=False)
class _Call:
    """One connection to the proxy, and the one to the target that belongs to it."""

    _proxy: TcpProxy
    _near: socket.socket
    _writers: list[asyncio.StreamWriter] = field(factory=list, init=False)
    task: asyncio.Task[None] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.task = asyncio.get_running_loop().create_task(self._live())
        self.task.add_done_callback(self._ended)

    def reset(self) -> None:
        """Let both ends feel it."""
        self._reset_both()
        self.task.cancel()

    async def _live(self) -> None:
        try:
            await self._pass_on()
        except* OSError:  # one end is gone, or was never there: the other shall know
            self._reset_both()
        finally:
            for writer in self._writers:
                writer.close()

    def _ended(self, task: asyncio.Task[None]) -> None:
        if task.cancelled():  # perhaps before it had begun
            self._near.close()

    async def _pass_on(self) -> None:
        near_reader, near_writer = await asyncio.open_connection(sock=self._near)
        self._writers.append(near_writer)
        await self._proxy.flowing.wait()
        far_reader, far_writer = await asyncio.open_connection(
            self._proxy.target_host, self._proxy.target_port
        )
        self._writers.append(far_writer)
        async with asyncio.TaskGroup() as both_ways:
            for reader, writer in (near_reader, far_writer), (far_reader, near_writer):
                travelling: Travelling = asyncio.Queue(CHUNKS_MAX)
                both_ways.create_task(self._take(reader, travelling))
                both_ways.create_task(self._give(travelling, writer))

    async def _take(self, reader: asyncio.StreamReader, travelling: Travelling) -> None:
        now = asyncio.get_running_loop().time
        data = None
        while data != b"":
            data = await reader.read(CHUNK)
            await travelling.put((now() + self._proxy.delay, data))

    async def _give(self, travelling: Travelling, writer: asyncio.StreamWriter) -> None:
        now = asyncio.get_running_loop().time
        while True:
            due, data = await travelling.get()
            await asyncio.sleep(max(0.0, due - now()))
            await self._proxy.flowing.wait()
            if not data:
                writer.write_eof()
                return
            writer.write(data)
            await writer.drain()

    def _reset_both(self) -> None:
        for writer in self._writers:
            with suppress(OSError):  # closed before
                sock: socket.socket = writer.get_extra_info("socket")
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            writer.transport.abort()
