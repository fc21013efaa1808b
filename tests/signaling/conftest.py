import pytest
import socketio

from reconnect.signaling.socketio_client import SocketIOClientSignaling
from tests.signaling.house import Proxy, Server


@pytest.fixture
async def closing():
    """Whatever is put here is closed at the end, the last first."""
    things = []
    yield things
    for thing in reversed(things):
        await thing.close()


@pytest.fixture
async def make_server(closing):
    async def make(**options):
        server = Server(**options)
        closing.append(server)
        await server.open()
        return server

    return make


@pytest.fixture
async def server(make_server):
    return await make_server()


@pytest.fixture
async def make_client(closing):
    class Closing:
        def __init__(self, client):
            self.client = client

        async def close(self):
            self.client.close()
            await self.client.closed()

    def make(target, **options):
        client = SocketIOClientSignaling(target, **options)
        closing.append(Closing(client))
        return client

    return make


@pytest.fixture
async def make_app_client(closing):
    """A client of the application, connected by the application."""

    class Closing:
        def __init__(self, client):
            self.client = client

        async def close(self):
            await self.client.disconnect()

    async def make(url, **options):
        client = socketio.AsyncClient(handle_sigint=False, **options)
        closing.append(Closing(client))
        return client

    return make


@pytest.fixture
async def make_proxy(closing):
    async def make(server):
        proxy = Proxy(server.house.port)
        closing.append(proxy)
        await proxy.open()
        return proxy

    return make
