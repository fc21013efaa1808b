"""Use one path injector from other processes: JSON lines over a TCP connection on loopback.

A request is `{"payload": ..., "sender": ..., "receiver": ...}`, its answer `{"payload": ...}`.
"""

from __future__ import annotations

import asyncio
import json
import socket
from typing import Protocol

from attrs import define, field

LINE_MAX = 256 * 1024  # the largest signal, 64 KiB, with every character escaped
ANSWER_TIMEOUT = 5.0  # s; an answer takes less than a millisecond, or the injector hangs


class Rewrites(Protocol):
    """A `UdpPath`, or a `RemotePath` to one."""

    def rewrite(self, payload: str, *, sender: str, receiver: str) -> str: ...


@define(eq=False)
class PathServer:
    """Lets other processes on this machine use `path`."""

    path: Rewrites
    _server: asyncio.Server | None = field(default=None, init=False)
    _writers: set[asyncio.StreamWriter] = field(factory=set, init=False)

    @property
    def address(self) -> tuple[str, int]:
        """What to give to `RemotePath`; known once the server has started."""
        assert self._server is not None, "start() comes first"
        host, port = self._server.sockets[0].getsockname()
        return host, port

    async def start(self) -> None:
        """Listen on a free port of 127.0.0.1."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=LINE_MAX)

    def close(self) -> None:
        """Stop listening, and hang up on all."""
        if self._server is not None:
            self._server.close()
        for writer in self._writers:
            writer.close()

    async def closed(self) -> None:
        """Return when everything is closed."""
        if self._server is not None:
            await self._server.wait_closed()
        while self._writers:
            await asyncio.sleep(0.01)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while line := await reader.readline():
                writer.write(self._answer(line))
                await writer.drain()
        except (ConnectionError, ValueError, LookupError, TypeError):
            pass  # the other process is gone, or speaks another language: hang up
        finally:
            writer.close()
            self._writers.discard(writer)

    def _answer(self, line: bytes) -> bytes:
        asked = json.loads(line)
        payload = self.path.rewrite(
            asked["payload"], sender=asked["sender"], receiver=asked["receiver"]
        )
        return json.dumps({"payload": payload}).encode() + b"\n"


class RemotePath:
    """The path injector of another process; never of this one, for it blocks until the answer.

    Raises `OSError` when made or used while the other process does not answer.
    """

    def __init__(self, address: tuple[str, int]) -> None:
        self._socket = socket.create_connection(address, timeout=ANSWER_TIMEOUT)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._answers = self._socket.makefile("rb")

    def rewrite(self, payload: str, *, sender: str, receiver: str) -> str:
        """What `UdpPath.rewrite` of the other process says."""
        asked = {"payload": payload, "sender": sender, "receiver": receiver}
        self._socket.sendall(json.dumps(asked).encode() + b"\n")
        answer = self._answers.readline(LINE_MAX)
        if not answer.endswith(b"\n"):
            raise ConnectionError("the path injector has hung up")
        rewritten: str = json.loads(answer)["payload"]
        return rewritten

    def close(self) -> None:
        """Hang up; the paths stay as they are."""
        self._answers.close()
        self._socket.close()
