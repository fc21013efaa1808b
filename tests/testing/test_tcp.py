"""The TCP proxy does to a connection what networks do to control links."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from reconnect.testing.tcp import TcpProxy

SOON = 5.0  # s; what comes at all comes in milliseconds
QUIET = 0.2  # s without a byte


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


@pytest.fixture
async def proxy() -> AsyncIterator[TcpProxy]:
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    proxy = TcpProxy(*server.sockets[0].getsockname())
    await proxy.start()
    yield proxy
    proxy.close()
    await proxy.closed()
    server.close()
    await server.wait_closed()


def tasks_of_proxies() -> list[str]:
    coroutines = [task.get_coro() for task in asyncio.all_tasks()]
    names = [getattr(coroutine, "__qualname__", "") for coroutine in coroutines]
    return [name for name in names if name.startswith("_Call")]


class Caller:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def to(cls, proxy: TcpProxy) -> "Caller":
        return cls(*await asyncio.open_connection("127.0.0.1", proxy.port))

    async def says(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def hears(self, size: int) -> bytes:
        return await asyncio.wait_for(self.reader.readexactly(size), SOON)

    async def hears_nothing(self) -> bool:
        try:
            await asyncio.wait_for(self.reader.read(1), QUIET)
        except TimeoutError:
            return True
        return False

    async def hangs_up(self) -> None:
        self.writer.close()
        with suppress(ConnectionError):
            await self.writer.wait_closed()


async def test_passes_on(proxy: TcpProxy) -> None:
    """What is sent arrives, whole and in order, also when it is large."""
    caller = await Caller.to(proxy)
    sent = bytes(range(256)) * 4096
    task = asyncio.create_task(caller.says(sent))
    assert await caller.hears(len(sent)) == sent
    await task
    await caller.hangs_up()


async def test_passes_on_the_end(proxy: TcpProxy) -> None:
    """An orderly end arrives as an orderly end, after everything that was sent before it."""
    caller = await Caller.to(proxy)
    await caller.says(b"last words")
    caller.writer.write_eof()
    assert await asyncio.wait_for(caller.reader.read(), SOON) == b"last words"
    await caller.hangs_up()


async def test_freeze_is_half_open(proxy: TcpProxy) -> None:
    """Frozen, nothing flows and nothing closes; resumed, what was held back arrives."""
    caller = await Caller.to(proxy)
    await caller.says(b"a")
    assert await caller.hears(1) == b"a"
    proxy.freeze()
    await caller.says(b"b")
    assert await caller.hears_nothing()
    proxy.resume()
    assert await caller.hears(1) == b"b"
    await caller.hangs_up()


async def test_frozen_accepts(proxy: TcpProxy) -> None:
    """Frozen, a new connection is accepted and hears nothing until it is resumed."""
    proxy.freeze()
    caller = await Caller.to(proxy)
    await caller.says(b"a")
    assert await caller.hears_nothing()
    proxy.resume()
    assert await caller.hears(1) == b"a"
    await caller.hangs_up()


async def test_reset(proxy: TcpProxy) -> None:
    """Connections that are there are reset, not ended in order; new ones work."""
    caller = await Caller.to(proxy)
    await caller.says(b"a")
    await caller.hears(1)
    proxy.reset()
    with pytest.raises(ConnectionResetError):
        await asyncio.wait_for(caller.reader.read(), SOON)
    await caller.hangs_up()
    another = await Caller.to(proxy)
    await another.says(b"b")
    assert await another.hears(1) == b"b"
    await another.hangs_up()


async def test_reset_while_frozen(proxy: TcpProxy) -> None:
    """A connection that was accepted while frozen can be reset, too."""
    proxy.freeze()
    caller = await Caller.to(proxy)
    assert await caller.hears_nothing()
    proxy.reset()
    with pytest.raises(ConnectionResetError):
        await asyncio.wait_for(caller.reader.read(), SOON)
    await caller.hangs_up()


async def test_refuse(proxy: TcpProxy) -> None:
    """New connections are refused, those that are there go on; resumed, the port is the same."""
    caller = await Caller.to(proxy)
    port = proxy.port
    proxy.refuse()
    with pytest.raises(ConnectionRefusedError):
        await Caller.to(proxy)
    await caller.says(b"a")
    assert await caller.hears(1) == b"a"
    proxy.resume()
    assert proxy.port == port
    another = await Caller.to(proxy)
    await another.says(b"b")
    assert await another.hears(1) == b"b"
    await caller.hangs_up()
    await another.hangs_up()


async def test_delay(proxy: TcpProxy) -> None:
    """Each direction takes `delay`, and many messages are on their way at once."""
    caller = await Caller.to(proxy)
    await caller.says(b"a")
    await caller.hears(1)
    proxy.delay = 0.15
    began = asyncio.get_running_loop().time()
    for _ in range(10):
        await caller.says(b"b")
        await asyncio.sleep(0.01)
    await caller.hears(10)
    took = asyncio.get_running_loop().time() - began
    assert took >= 0.3
    assert took < 10 * 0.3  # what it would be if one had to wait for the other
    await caller.hangs_up()


async def test_no_target() -> None:
    """Where nobody listens at the target, the caller is reset."""
    unused = await asyncio.start_server(echo, "127.0.0.1", 0)
    host, port = unused.sockets[0].getsockname()
    unused.close()
    await unused.wait_closed()
    proxy = TcpProxy(host, port)
    await proxy.start()
    caller = await Caller.to(proxy)
    with pytest.raises(ConnectionResetError):
        await asyncio.wait_for(caller.reader.read(), SOON)
    await caller.hangs_up()
    proxy.close()
    await proxy.closed()


async def test_close_leaves_nothing(proxy: TcpProxy) -> None:
    """Closed, no task of the proxy is left, and its port is free."""
    callers = [await Caller.to(proxy) for _ in range(3)]
    for caller in callers:
        await caller.says(b"a")
        await caller.hears(1)
    assert tasks_of_proxies()
    proxy.close()
    await proxy.closed()
    assert not tasks_of_proxies()
    with pytest.raises(ConnectionRefusedError):
        await Caller.to(proxy)
    for caller in callers:
        await caller.hangs_up()
