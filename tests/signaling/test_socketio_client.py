import asyncio
import gc
import json
import time
import warnings
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from socketio import AsyncClient

from reconnect.signaling.socketio import SocketIOClientSignaling, SocketIOSignaling
from reconnect.testing.check_signaling import check_signaling
from tests.signaling.ears import ClientEars, ServerEars
from tests.signaling.house import Server, dial, loopback, until

OURS = ("AsyncClient.", "SocketIOClientSignaling.", "Outbox.", "hang_up")


def left_over():
    """The tasks of clients that are still there."""
    names = [task.get_coro().__qualname__ for task in asyncio.all_tasks()]
    return [name for name in names if name.startswith(OURS)]


@asynccontextmanager
async def own_sockets():
    async with served() as server:
        yield server.signaling, lambda: SocketIOClientSignaling(server.house.url)


@asynccontextmanager
async def one_socket():
    """All clients share it, and none of them may close it."""
    async with served() as server:
        app = AsyncClient(handle_sigint=False, reconnection=False)
        await app.connect(server.house.url, transports=["websocket"])
        yield server.signaling, lambda: SocketIOClientSignaling(app)
        assert app.connected
        await app.disconnect()


@asynccontextmanager
async def served():
    server = Server()
    await server.house.open()
    try:
        yield server
    finally:
        await server.close()


def in_two_parts(begun):
    """The body of each answer comes well after its head, as on a slow path; `begun` has the heads.

    Each is the method of its request.
    """

    def around(app):
        async def apart(scope, receive, send):
            async def sent(message):
                if message["type"] == "http.response.body":
                    begun.append(scope["method"])
                    await asyncio.sleep(0.1)
                await send(message)

            await app(scope, receive, sent)

        return apart

    return around


@pytest.fixture
def make_polled(closing):
    """A server that is polled, and answers with `last` once a channel has been opened."""

    async def make(last):
        opened = asyncio.Event()
        handshake = {"sid": "s", "upgrades": [], "pingInterval": 25000, "pingTimeout": 20000}
        answers = iter(["0" + json.dumps(handshake), '40{"sid":"x"}'])

        async def get(request):
            answer = next(answers, None)
            if answer is not None:
                return web.Response(text=answer)
            await opened.wait()
            return await last(request)

        async def post(request):
            if "reconnect:open" in await request.text():
                opened.set()
            return web.Response(text="OK")

        app = web.Application()
        app.add_routes([web.get("/socket.io/", get), web.post("/socket.io/", post)])
        server = TestServer(app)
        closing.append(server)
        await server.start_server()
        return str(server.make_url("/"))

    return make


@pytest.mark.parametrize("setting", [own_sockets, one_socket])
def test_both_ends_keep_every_promise(setting):
    """As every adapter does, whether clients share a socket or not."""
    # python-socketio's server asks now and then whether its socket is still there
    check_signaling(setting, quiet=0.1, examples=4, lingering=["AsyncSocket._send_ping"])


class TestOwnSocket:
    async def test_nothing_is_heard_inside_a_call(self, server, make_client):
        """open() says nothing before it returns; all that was sent is ahead of the close."""
        client = make_client(server.house.url)
        ears = ClientEars()
        client.open(ears)
        assert ears.log == []
        await until(lambda: ears.log)
        for number in range(100):
            client.send({"n": number, "filler": "x" * 50_000})
        client.close()
        await until(lambda: server.ears.closed_conns)
        assert [m["n"] for _, m in server.ears.messages] == [*range(100)]

    @pytest.mark.parametrize("transports", [("polling",), ("polling", "websocket")])
    async def test_order(self, server, make_client, transports):
        """A thousand messages each way, sent at once, arrive in order over any transport."""
        client = make_client(server.house.url, transports=transports)
        ears = await dial(client)
        await until(lambda: server.ears.open)
        [conn] = server.ears.open
        for number in range(1000):
            client.send({"n": number})
            server.signaling.send(conn, {"n": number})
        await until(lambda: len(ears.messages) == 1000 and len(server.ears.messages) == 1000)
        assert [m["n"] for m in ears.messages] == [*range(1000)]
        assert [m["n"] for m in server.ears.of(conn)] == [*range(1000)]
        await server.signaling.closed()

    async def test_nothing_is_left_open(self, make_server, make_client):
        """A dial over polling may be taken back while an answer is on its way."""
        begun = []
        server = await make_server(around=in_two_parts(begun))
        client = make_client(server.house.url, transports=("polling",))
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            client.open(ClientEars())
            await until(lambda: "POST" in begun)
            client.close()
            await client.closed()
            gc.collect()
        assert [str(one.message) for one in warned] == []

    async def test_dead_port(self, make_client):
        """A dial to a port where nobody listens fails with a cause, and can be repeated."""
        listener = loopback()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.close()
        client = make_client(url)
        for _ in range(2):
            ears = await dial(client)
            assert ears.log == [("closed", "dial_failed")]
        await client.closed()
        assert left_over() == []

    async def test_silent_port(self, make_client):
        """A dial that nobody answers ends after dial_timeout."""
        with loopback() as listener:
            listener.listen()
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            client = make_client(url, dial_timeout=0.2)
            ears = await dial(client)
            assert ears.log == [("closed", "dial_timeout")]
            await client.closed()
        assert left_over() == []

    async def test_close_while_dialling(self, make_client):
        """A dial that is taken back says nothing, leaves nothing and returns at once."""
        with loopback() as listener:
            listener.listen()
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            client = make_client(url)
            ears = ClientEars()
            client.open(ears)
            client.close()
            await client.closed()
            client.open(ears)
            await asyncio.sleep(0.05)
            client.close()
            client.close()
            await client.closed()
            assert ears.log == []
        assert left_over() == []

    async def test_refused(self, make_server, make_client):
        """A dial that the application refuses fails; auth and headers reach the application."""
        server = await make_server()
        seen = []

        @server.sio.event
        async def connect(sid, environ, auth):
            seen.append((auth, environ.get("HTTP_X_GAME"), environ.get("HTTP_COOKIE")))
            return auth == {"key": "right"}

        ears = await dial(make_client(server.house.url, auth={"key": "wrong"}))
        assert ears.log == [("closed", "dial_failed")]
        headers = {"X-Game": "go", "Cookie": "a=b"}
        client = make_client(server.house.url, auth={"key": "right"}, headers=headers)
        for _ in range(2):
            assert (await dial(client)).is_open
        assert seen[1:] == [({"key": "right"}, "go", "a=b")] * 2

    async def test_server_is_gone(self, server, make_client, make_proxy):
        """A connection that breaks is noticed by both ends, and a new dial works."""
        proxy = await make_proxy(server)
        client = make_client(proxy.url)
        ears = await dial(client)
        await until(lambda: server.ears.open)
        proxy.reset()
        await until(lambda: ears.cause and server.ears.closed_conns)
        assert ears.cause == "transport_error"
        client.send({"unheard": True})
        again = await dial(client)
        assert again.is_open
        assert ears.log[-1] == ("closed", "transport_error")

    async def test_server_shuts_down(self, make_server, make_client):
        """A server that is shut down is noticed, and dials fail afterwards."""
        server = await make_server()
        client = make_client(server.house.url)
        ears = await dial(client)
        await server.close()
        await until(lambda: ears.cause)
        again = await dial(client)
        assert again.log == [("closed", "dial_failed")]
        await client.closed()
        assert left_over() == []

    async def test_last_words_of_a_server(self, make_polled, make_client):
        """What comes in one answer with the end of the socket is heard, and ahead of it."""
        words = '42["reconnect:message",1,{"n":1}]\x1e42["reconnect:message",1,{"n":2}]\x1e1'

        async def last(_request):
            return web.Response(text=words)

        ears = await dial(make_client(await make_polled(last), transports=("polling",)))
        await until(lambda: ears.cause)
        assert ears.log == [
            ("opened",),
            ("received", {"n": 1}),
            ("received", {"n": 2}),
            ("closed", "server_disconnect"),
        ]

    async def test_an_answer_that_breaks_off(self, make_polled, make_client):
        """It is the end of the connection, and is heard."""

        async def last(request):
            response = web.StreamResponse()
            response.content_length = 100
            await response.prepare(request)
            await response.write(b'42["reconnect:message"')
            request.transport.abort()
            return response

        ears = await dial(make_client(await make_polled(last), transports=("polling",)))
        await until(lambda: ears.cause)
        assert ears.log == [("opened",), ("closed", "transport_error")]

    async def test_disconnected_by_the_application(self, server, make_client):
        """When the application disconnects a socket, both ends hear that the connection is gone."""
        client = make_client(server.house.url)
        ears = await dial(client)
        await until(lambda: server.ears.open)
        [conn] = server.ears.open
        await server.sio.disconnect(conn.sid)
        await until(lambda: ears.cause and server.ears.closed_conns == [conn])
        assert ears.cause == "server_disconnect"

    async def test_frozen(self, server, make_client, make_proxy):
        """On a half-open path close() returns at once, a new dial works, and nothing is left."""
        proxy = await make_proxy(server)
        client = make_client(proxy.url)
        first = await dial(client)
        proxy.freeze()
        for number in range(100):
            client.send({"n": number, "filler": "x" * 100_000})
        await asyncio.sleep(0.05)
        start = time.monotonic()
        client.close()
        assert time.monotonic() - start < 0.5
        second = await dial(client)
        assert second.is_open
        client.close()
        await asyncio.wait_for(client.closed(), 20)
        assert first.log == [("opened",)]
        assert left_over() == []

    @pytest.mark.parametrize("transports", [("websocket",), ("polling",)])
    async def test_frozen_idle(self, server, make_client, make_proxy, transports):
        """An idle socket on a half-open path is cut off in bounded time too."""
        proxy = await make_proxy(server)
        client = make_client(proxy.url, transports=transports)
        await dial(client)
        await until(lambda: server.ears.open)
        proxy.freeze()
        client.close()
        await asyncio.wait_for(client.closed(), 20)
        assert left_over() == []

    async def test_server_that_does_not_read(self, server, make_client, make_proxy):
        """A client whose messages pile up loses its connection; what waits is bounded."""
        proxy = await make_proxy(server)
        client = make_client(proxy.url, waiting_max=50)
        ears = await dial(client)
        proxy.freeze("up")
        for _ in range(1000):
            client.send({"filler": "x" * 100_000})
            await asyncio.sleep(0)
            if ears.cause:
                break
        assert ears.cause == "overflow"

    async def test_options(self, server, make_client):
        """Other options go to each dial's AsyncClient, in copies that it may change."""
        options = {"headers": {"X-Game": "go"}}
        client = make_client(server.house.url, websocket_extra_options=options, ssl_verify=False)
        for _ in range(2):
            assert (await dial(client)).is_open
        assert options == {"headers": {"X-Game": "go"}}


class TestBorrowedSocket:
    async def test_new_dial_on_the_same_socket(self, server, make_client, make_app_client):
        """A new dial is a new channel of the same socket; the older one is closed and unheard."""
        app = await make_app_client(server.house.url)
        await app.connect(server.house.url, transports=["websocket"])
        client = make_client(app)
        first = await dial(client)
        second = await dial(client)
        await until(lambda: len(server.ears.log) == 3)
        [old], [new] = server.ears.closed_conns, server.ears.open
        assert (old.sid, old.channel + 1) == (new.sid, new.channel)
        server.signaling.send(new, {"n": 1})
        await until(lambda: second.messages)
        assert first.log == [("opened",)]

    async def test_not_connected(self, server, make_client, make_app_client):
        """On a socket that is not connected a dial fails, and works once it is."""
        app = await make_app_client(server.house.url)
        client = make_client(app)
        ears = await dial(client)
        assert ears.log == [("closed", "not_connected")]
        client.send({"unheard": True})
        await app.connect(server.house.url, transports=["websocket"], namespaces=["/"])
        assert (await dial(client)).is_open

    async def test_taken_back_at_once(self, server, make_client, make_app_client):
        """A dial that is closed in the same breath is never heard, here or there."""
        app = await make_app_client(server.house.url)
        await app.connect(server.house.url, transports=["websocket"])
        client = make_client(app)
        ears = ClientEars()
        client.open(ears)
        client.close()
        second = await dial(client)
        assert (ears.log, second.is_open) == ([], True)
        await until(lambda: server.ears.open)
        assert len(server.ears.log) == 1

    async def test_socket_lost_and_found(self, server, make_client, make_app_client, make_proxy):
        """When the application's socket breaks, all channels are closed, its handler hears too."""
        proxy = await make_proxy(server)
        app = await make_app_client(server.house.url, reconnection_delay=0.01)
        seen = []
        app.on("connect", lambda: seen.append("connect"))
        one, two = make_client(app), make_client(app)
        app.on("disconnect", lambda reason: seen.append(reason))
        await app.connect(proxy.url, transports=["websocket"])
        ears = [await dial(one), await dial(two)]
        await until(lambda: len(server.ears.open) == 2)
        proxy.reset()
        await until(lambda: all(each.cause for each in ears) and len(seen) == 3)
        assert [each.cause for each in ears] == ["transport_error"] * 2
        assert seen == ["connect", "transport error", "connect"]
        await until(lambda: app.connected)
        again = await dial(one)
        assert again.is_open
        await until(lambda: server.ears.open)

    async def test_namespace_disconnected(self, server, make_client, make_app_client):
        """When the server disconnects one namespace of a socket, only its channels close."""
        spare = SocketIOSignaling(server.sio, namespace="/spare")
        spare_ears = ServerEars()
        spare.start(spare_ears)
        app = await make_app_client(server.house.url)
        await app.connect(server.house.url, transports=["websocket"], namespaces=["/", "/spare"])
        main, other = make_client(app), make_client(app, namespace="/spare")
        ears, other_ears = await dial(main), await dial(other)
        await until(lambda: server.ears.open and spare_ears.open)
        await server.sio.disconnect(spare_ears.open[0].sid, namespace="/spare")
        await until(lambda: other_ears.cause)
        assert other_ears.cause == "server_disconnect"
        assert ears.is_open
        assert spare_ears.open == []
        assert len(server.ears.open) == 1
