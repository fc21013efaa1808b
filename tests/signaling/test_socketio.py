import asyncio
import time

import pytest
import socketio

from reconnect.signaling.socketio import Conn, SocketIOClientSignaling, SocketIOSignaling
from tests.signaling.ears import ClientEars, ServerEars
from tests.signaling.house import House, Proxy, loopback, until

OURS = ("AsyncClient.", "SocketIOClientSignaling.", "Outbox.", "hang_up")


class Server:
    """A Socket.IO server with our adapter in it, and a name for each connection there was."""

    def __init__(self, *, sio=None, on_message=None, **options):
        self.sio = sio or socketio.AsyncServer(async_mode="asgi")
        self.signaling = SocketIOSignaling(self.sio, **options)
        self.ears = ServerEars(on_message)
        self.house = House(socketio.ASGIApp(self.sio))

    async def open(self):
        self.signaling.start(self.ears)
        await self.house.open()

    async def close(self):
        if self.house.is_open:
            await self.sio.shutdown()
            await self.house.close()


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


async def dial(client):
    ears = ClientEars()
    client.open(ears)
    await until(lambda: ears.log)
    return ears


def left_over():
    """The tasks of clients that are still there."""
    names = [task.get_coro().__qualname__ for task in asyncio.all_tasks()]
    return [name for name in names if name.startswith(OURS)]


class TestOwnSocket:
    async def test_open_send_close(self, server, make_client):
        """A dial opens one connection; messages go both ways; a close is heard by the far end."""
        client = make_client(server.house.url)
        ears = await dial(client)
        assert ears.is_open
        await until(lambda: server.ears.open)
        [conn] = server.ears.open
        client.send({"n": 1})
        server.signaling.send(conn, {"n": 2})
        await until(lambda: server.ears.messages and ears.messages)
        assert (server.ears.of(conn), ears.messages) == ([{"n": 1}], [{"n": 2}])
        client.close()
        await until(lambda: server.ears.closed_conns)
        await client.closed()
        assert ears.log == [("opened",), ("received", {"n": 2})]
        assert left_over() == []

    async def test_nothing_is_heard_inside_a_call(self, server, make_client):
        """open() says nothing before it returns, and the last send is ahead of the close."""
        client = make_client(server.house.url)
        ears = ClientEars()
        client.open(ears)
        assert ears.log == []
        await until(lambda: ears.log)
        for number in range(100):
            client.send({"n": number})
        client.close()
        await until(lambda: server.ears.closed_conns)
        assert [m["n"] for _, m in server.ears.messages] == [*range(100)]

    @pytest.mark.parametrize("transports", [("websocket",), ("polling",), ("polling", "websocket")])
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

    async def test_server_closes(self, server, make_client):
        """The client gets what was sent before the server's close, then hears of it once."""
        client = make_client(server.house.url)
        ears = await dial(client)
        await until(lambda: server.ears.open)
        [conn] = server.ears.open
        server.signaling.send(conn, {"n": 1})
        server.signaling.close(conn)
        server.signaling.close(conn)
        server.signaling.send(conn, {"n": 2})
        client.send({"unheard": True})
        await until(lambda: ears.cause)
        await client.closed()
        assert ears.log == [("opened",), ("received", {"n": 1}), ("closed", "closed")]
        assert server.ears.log == [("opened", conn)]
        assert left_over() == []

    async def test_older_dial_unheard(self, server, make_client):
        """Of an older dial nothing is heard any more, neither messages nor its end."""
        client = make_client(server.house.url)
        first = await dial(client)
        await until(lambda: server.ears.open)
        [old] = server.ears.open
        server.signaling.send(old, {"of": 1})
        second = ClientEars()
        client.open(second)
        await until(lambda: second.is_open and old in server.ears.closed_conns)
        [new] = server.ears.open
        assert new != old
        server.signaling.send(old, {"of": 1})
        server.signaling.send(new, {"of": 2})
        await until(lambda: second.messages)
        assert first.log == [("opened",)]
        assert second.log == [("opened",), ("received", {"of": 2})]

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
        client._url = server.house.url
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


class TestServer:
    async def test_application_undisturbed(self, make_client, make_server, make_app_client):
        """The application's handlers, set before and after ours, hear all they ever heard."""
        sio = socketio.AsyncServer(async_mode="asgi")
        seen = []

        @sio.event
        async def connect(sid, environ):
            seen.append("connect")

        @sio.on("*")
        async def anything(event, sid, *arguments):
            seen.append(event)

        server = await make_server(sio=sio)

        @sio.event
        async def chat(sid, text):
            seen.append(text)
            return "heard"

        @sio.event
        async def disconnect(sid, reason):
            seen.append(reason)

        app = await make_app_client(server.house.url)
        await app.connect(server.house.url, transports=["websocket"])
        client = make_client(app)
        await dial(client)
        await until(lambda: server.ears.open)
        client.send({"n": 1})
        assert await app.call("chat", "hello") == "heard"
        await app.emit("other", {})
        await until(lambda: "other" in seen)
        await app.disconnect()
        await until(lambda: server.ears.closed_conns)
        assert seen[:3] == ["connect", "hello", "other"]
        assert seen[3:] in (["client disconnect"], ["transport close"])

    async def test_namespace_class(self, make_server, make_client):
        """A class of handlers for the same namespace hears its events and its disconnects."""
        sio = socketio.AsyncServer(async_mode="asgi")
        seen = []

        class Game(socketio.AsyncNamespace):
            async def on_connect(self, sid, environ):
                seen.append("connect")

            async def on_disconnect(self, sid, reason):
                seen.append("disconnect")

        sio.register_namespace(Game("/game"))
        server = await make_server(sio=sio, namespace="/game")
        client = make_client(server.house.url, namespace="/game")
        assert (await dial(client)).is_open
        await until(lambda: server.ears.open)
        client.close()
        await until(lambda: seen == ["connect", "disconnect"])
        assert server.ears.open == []

    async def test_failing_disconnect_handler(self, server, make_client, make_proxy):
        """A disconnect is heard even if the application's own handler fails."""

        @server.sio.event
        async def disconnect(sid, reason):
            raise RuntimeError("the application's own mistake")

        client = make_client(server.house.url)
        await dial(client)
        await until(lambda: server.ears.open)
        client.close()
        await until(lambda: server.ears.closed_conns)

    async def test_two_prefixes(self, server, make_client):
        """Two adapters on one server, with prefixes of their own, do not hear each other."""
        other = SocketIOSignaling(server.sio, event="spare")
        ears = ServerEars()
        other.start(ears)
        client = make_client(server.house.url, event="spare")
        await dial(client)
        await until(lambda: ears.open)
        assert server.ears.log == []
        client.close()
        await until(lambda: ears.closed_conns)

    async def test_failing_listener(self, make_server, make_client, caplog):
        """A listener that raises is logged, and the next message comes."""

        def boom(conn, message):
            if message == {"n": 1}:
                raise RuntimeError("the shell's own mistake")

        server = await make_server(on_message=boom)
        client = make_client(server.house.url)
        await dial(client)
        client.send({"n": 1})
        client.send({"n": 2})
        await until(lambda: len(server.ears.messages) == 2)
        assert "reconnect.callback_failed" in caplog.text

    async def test_any_payload(self, server, make_app_client):
        """Whatever comes as a message is handed over as it is."""
        app = await make_app_client(server.house.url)
        await app.connect(server.house.url, transports=["websocket"])
        payloads = [None, 1, "text", [1, 2], b"bytes", {"deep": {"a": b"b"}}, "x" * 500_000]
        await app.emit("reconnect:open", 1)
        for payload in payloads:
            await app.emit("reconnect:message", (1, payload))
        await until(lambda: len(server.ears.messages) == len(payloads))
        assert [message for _, message in server.ears.messages] == payloads

    async def test_garbage(self, server, make_app_client):
        """Channels that are none, and events of the wrong shape, change nothing."""
        app = await make_app_client(server.house.url)
        replies = []
        app.on("*", lambda *arguments: replies.append(arguments))
        await app.connect(server.house.url, transports=["websocket"])
        garbage = [0, -1, 2**31, 2**70, True, 1.0, "1", None, [], {}, b"1", [1]]
        for channel in garbage:
            await app.emit("reconnect:open", channel)
            await app.emit("reconnect:message", (channel, {}))
            await app.emit("reconnect:close", channel)
        for wrong in ((), (1, 2), (1, 2, 3)):
            await app.emit("reconnect:open", wrong)
            await app.emit("reconnect:close", wrong)
        await app.emit("reconnect:message", (1,))
        await app.emit("reconnect:message", (1, {}, {}))
        await app.emit("reconnect:open", 7)
        await until(lambda: server.ears.open)
        assert [conn.channel for conn in server.ears.open] == [7]
        assert server.ears.messages == []
        assert replies == []

    async def test_names_are_not_used_twice(self, server, make_app_client):
        """A channel that is open or has been is not opened again; a message on it is refused."""
        app = await make_app_client(server.house.url)
        closed = []
        app.on("reconnect:close", closed.append)
        await app.connect(server.house.url, transports=["websocket"])
        for channel in (5, 5, 4):
            await app.emit("reconnect:open", channel)
        await app.emit("reconnect:close", 5)
        await app.emit("reconnect:open", 5)
        await app.emit("reconnect:message", (5, {}))
        await app.emit("reconnect:message", (4, {}))
        await until(lambda: len(closed) == 2)
        assert closed == [5, 4]
        assert [entry[0] for entry in server.ears.log] == ["opened", "closed"]

    async def test_channels_are_bounded(self, make_server, make_app_client):
        """A socket has at most so many connections at once; more are refused, not the socket."""
        server = await make_server(channels_max=3)
        app = await make_app_client(server.house.url)
        closed = []
        app.on("reconnect:close", closed.append)
        await app.connect(server.house.url, transports=["websocket"])
        for channel in range(1, 6):
            await app.emit("reconnect:open", channel)
        await until(lambda: len(closed) == 2)
        assert closed == [4, 5]
        await app.emit("reconnect:close", 1)
        await app.emit("reconnect:open", 6)
        await until(lambda: server.ears.open[-1].channel == 6)
        assert [conn.channel for conn in server.ears.open] == [2, 3, 6]

    async def test_client_that_does_not_read(self, make_server, make_client, make_proxy):
        """What waits for a client that never reads is bounded: its connections are closed."""
        server = await make_server(waiting_max=50)
        proxy = await make_proxy(server)
        slow, quick = make_client(proxy.url), make_client(server.house.url)
        ears, other = await dial(slow), await dial(quick)
        await until(lambda: len(server.ears.open) == 2)
        conn = server.ears.open[0]
        proxy.freeze("down")
        for _ in range(1000):
            server.signaling.send(conn, {"filler": "x" * 100_000})
            await asyncio.sleep(0)
            if server.ears.closed_conns:
                break
        assert server.ears.closed_conns == [conn]
        server.signaling.send(conn, {"unheard": True})
        [living] = server.ears.open
        server.signaling.send(living, {"n": 1})
        await until(lambda: other.messages)
        proxy.thaw()
        await until(lambda: ears.cause)
        assert ears.cause == "closed"

    async def test_not_through_a_queue(self, make_server, make_client):
        """Messages go straight to the socket, even with a client manager that has a queue."""

        class QueueManager(socketio.AsyncManager):
            async def emit(self, *arguments, ignore_queue=False, **options):
                if ignore_queue:
                    await super().emit(*arguments, **options)

        sio = socketio.AsyncServer(async_mode="asgi", client_manager=QueueManager())
        server = await make_server(sio=sio)
        ears = await dial(make_client(server.house.url))
        await until(lambda: server.ears.open)
        server.signaling.send(server.ears.open[0], {"n": 1})
        await until(lambda: ears.messages)

    async def test_last_words_before_a_disconnect(self, server, make_client):
        """Over polling, a message in one request with the disconnect is still heard, first."""
        client = make_client(server.house.url, transports=("polling",))
        await dial(client)
        await until(lambda: server.ears.open)
        client.send({"last": True})
        client.close()
        await until(lambda: server.ears.closed_conns)
        assert [message for _, message in server.ears.messages] == [{"last": True}]

    async def test_unknown_names(self, server):
        """Sending on, or closing, what is no connection does nothing."""
        for name in (Conn("nobody", 1), "nonsense", 7, None):
            server.signaling.send(name, {})
            server.signaling.close(name)
        await server.signaling.closed()
        assert server.ears.log == []


class TestBorrowedSocket:
    async def test_two_channels(self, server, make_client, make_app_client):
        """Two connections share a socket; closing one leaves the other and the socket alone."""
        app = await make_app_client(server.house.url)
        await app.connect(server.house.url, transports=["websocket"])
        one, two = make_client(app), make_client(app)
        first, second = await dial(one), await dial(two)
        await until(lambda: len(server.ears.open) == 2)
        conn_one, conn_two = server.ears.open
        assert conn_one.sid == conn_two.sid
        one.send({"from": 1})
        two.send({"from": 2})
        await until(lambda: len(server.ears.messages) == 2)
        assert server.ears.messages == [(conn_one, {"from": 1}), (conn_two, {"from": 2})]
        one.close()
        await until(lambda: server.ears.closed_conns == [conn_one])
        server.signaling.send(conn_two, {"to": 2})
        await until(lambda: second.messages)
        server.signaling.close(conn_two)
        await until(lambda: second.cause)
        await one.closed()
        await two.closed()
        assert app.connected
        assert first.log == [("opened",)]
        assert second.log == [("opened",), ("received", {"to": 2}), ("closed", "closed")]

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
