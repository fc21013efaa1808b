"""One path injector serves the other processes of a test."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from reconnect.testing.path import UdpPath
from reconnect.testing.remote import PathServer, RemotePath

SOON = 5.0  # s; what comes at all comes in milliseconds
CANDIDATE = "candidate:1 1 udp 2130706431 192.0.2.1 40000 typ host"


@pytest.fixture
async def path() -> AsyncIterator[UdpPath]:
    path = UdpPath()
    yield path
    path.close()


async def test_remote(path: UdpPath) -> None:
    """From elsewhere the path rewrites as it does here, any number of times."""
    server = PathServer(path)
    await server.start()
    said: list[str] = []

    def elsewhere() -> None:
        remote = RemotePath(server.address)
        asked = [CANDIDATE] * 3
        said.extend(remote.rewrite(one, sender="bob", receiver="alice") for one in asked)
        remote.close()

    await asyncio.to_thread(elsewhere)
    assert said == [path.rewrite(CANDIDATE, sender="bob", receiver="alice")] * 3
    assert said[0] != CANDIDATE
    server.close()
    await server.closed()


async def test_remote_gone(path: UdpPath) -> None:
    """When the injector has hung up, the far process is told, and does not wait for ever."""
    server = PathServer(path)
    await server.start()
    connected, hung_up = threading.Event(), threading.Event()

    def elsewhere() -> None:
        remote = RemotePath(server.address)
        remote.rewrite("", sender="bob", receiver="alice")
        connected.set()
        hung_up.wait(SOON)
        try:
            remote.rewrite("", sender="bob", receiver="alice")
        finally:
            remote.close()

    task = asyncio.create_task(asyncio.to_thread(elsewhere))
    await asyncio.to_thread(connected.wait, SOON)
    server.close()
    await server.closed()
    hung_up.set()
    with pytest.raises(ConnectionError):
        await task


@pytest.mark.parametrize("line", [b"\n", b"5\n", b"{}\n", b"x" * 300_000])
async def test_another_language(path: UdpPath, line: bytes) -> None:
    """Who sends what is no request is hung up on, and the others are served as before."""
    server = PathServer(path)
    await server.start()
    reader, writer = await asyncio.open_connection(*server.address)
    writer.write(line)
    with suppress(ConnectionError):
        assert await asyncio.wait_for(reader.read(), SOON) == b""
    writer.close()

    def elsewhere() -> str:
        remote = RemotePath(server.address)
        try:
            return remote.rewrite("untouched", sender="bob", receiver="alice")
        finally:
            remote.close()

    assert await asyncio.to_thread(elsewhere) == "untouched"
    server.close()
    await server.closed()
