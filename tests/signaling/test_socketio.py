import asyncio
import json
import socket

import aiohttp
import socketio

from reconnect.signaling.socketio import Conn, SocketIOSignaling
from tests.by_hand import Log
from tests.signaling.ears import ServerEars
from tests.signaling.house import dial, until


async def test_application_undisturbed(make_client, make_server, make_app_client):
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


async def test_namespace_class(make_server, make_client):
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


async def test_failing_disconnect_handler(server, make_client, make_proxy):
    """A disconnect is heard even if the application's own handler fails."""

    @server.sio.event
    async def disconnect(sid, reason):
        raise RuntimeError("the application's own mistake")

    client = make_client(server.house.url)
    await dial(client)
    await until(lambda: server.ears.open)
    client.close()
    await until(lambda: server.ears.closed_conns)


async def test_two_prefixes(server, make_client):
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


async def test_failing_listener(make_server, make_client, caplog):
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


async def test_any_payload(server, make_app_client):
    """Whatever comes as a message is handed over as it is."""
    app = await make_app_client(server.house.url)
    await app.connect(server.house.url, transports=["websocket"])
    payloads = [None, 1, "text", [1, 2], b"bytes", {"deep": {"a": b"b"}}, "x" * 500_000]
    await app.emit("reconnect:open", 1)
    for payload in payloads:
        await app.emit("reconnect:message", (1, payload))
    await until(lambda: len(server.ears.messages) == len(payloads))
    assert [message for _, message in server.ears.messages] == payloads


async def test_garbage(server, make_app_client):
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


async def test_names_are_not_used_twice(server, make_app_client):
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


async def test_channels_are_bounded(make_server, make_app_client):
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


async def test_client_that_does_not_read(make_server, make_client, make_proxy):
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


class Mute:
    """A socket that opens a connection over WebSocket by hand, and then reads nothing more."""

    async def open(self, port):
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", port, limit=4096)
        self._writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self._writer.write(
            b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: localhost\r\n"
            b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        await self._reader.readuntil(b"\r\n\r\n")
        self.say("40")
        self.say('42["reconnect:open",1]')

    def say(self, text):
        """A text frame; the mask is zero, so the payload is itself."""
        self._writer.write(bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text.encode())

    async def close(self):
        self._writer.transport.abort()


async def test_socket_that_does_not_read(make_server, closing):
    """It costs a bounded amount of memory; then it loses its connection, which is logged."""
    log = Log()
    bytes_max = 1 << 20
    server = await make_server(waiting_bytes_max=bytes_max, logger=log.bind())
    mute = Mute()
    closing.append(mute)
    await mute.open(server.house.port)
    await until(lambda: server.ears.open)
    [conn] = server.ears.open
    size = 64 * 1024
    sent = 0
    async with asyncio.timeout(60):
        while not server.ears.closed_conns:
            server.signaling.send(conn, {"type": "signal", "payload": "x" * size})
            sent += 1
            await asyncio.sleep(0)
    # what the system, uvicorn and python-socketio hold besides is some MiB
    assert sent * size < bytes_max + (16 << 20)
    [line] = (one for one in log.lines if one["event"] == "reconnect.client_does_not_read")
    assert (line["level"], line["connections"]) == ("warning", 1)
    assert bytes_max <= line["bytes"] < bytes_max + 2 * size
    assert conn.sid not in str(log.lines)
    began = asyncio.get_running_loop().time()
    await server.signaling.closed()
    assert asyncio.get_running_loop().time() - began < 10


async def test_largest_signals(make_server, make_client):
    """Who reads gets everything, of the largest messages there are more than may ever wait."""
    server = await make_server(waiting_bytes_max=1 << 20)
    ears = await dial(make_client(server.house.url))
    await until(lambda: server.ears.open)
    [conn] = server.ears.open
    for number in range(200):
        server.signaling.send(conn, {"n": number, "payload": "x" * 64 * 1024})
        await until(lambda number=number: len(ears.messages) > number - 10)
    await until(lambda: len(ears.messages) == 200)
    assert [message["n"] for message in ears.messages] == [*range(200)]


async def test_not_through_a_queue(make_server, make_client):
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


async def test_no_json(server, make_client, caplog):
    """A message that is not JSON is our own mistake: it is logged, and the next one goes."""
    ears = await dial(make_client(server.house.url))
    await until(lambda: server.ears.open)
    server.signaling.send(server.ears.open[0], {"no": object()})
    server.signaling.send(server.ears.open[0], {"n": 1})
    await until(lambda: ears.messages)
    assert ears.messages == [{"n": 1}]
    assert "reconnect.emit_failed" in caplog.text


class Polled:
    """The requests of a polling client, made by hand; `say` puts packets into one of them."""

    def __init__(self, http, url):
        self._http = http
        self._url = f"{url}/socket.io/?EIO=4&transport=polling"

    async def open(self):
        async with self._http.get(self._url) as response:
            self._url += "&sid=" + json.loads((await response.text())[1:])["sid"]
        await self.say("0")

    async def say(self, *packets):
        body = "\x1e".join(f"4{packet}" for packet in packets)
        async with self._http.post(self._url, data=body) as response:
            assert await response.text() == "OK"


async def test_last_words_before_a_disconnect(server):
    """A message that comes in one request with the disconnect is heard, and ahead of it."""
    async with aiohttp.ClientSession() as http:
        client = Polled(http, server.house.url)
        await client.open()
        await client.say('2["reconnect:open",1]')
        await until(lambda: server.ears.open)
        await client.say('2["reconnect:message",1,{"last":true}]', "1")
        await until(lambda: server.ears.closed_conns)
    assert [entry[0] for entry in server.ears.log] == ["opened", "received", "closed"]
    assert [message for _, message in server.ears.messages] == [{"last": True}]


async def test_late_open(server, make_client):
    """What would be opened behind its own disconnect is not: nobody would ever close it."""
    gone = asyncio.Event()
    server.sio.on("disconnect", lambda sid, reason: gone.set())
    async with aiohttp.ClientSession() as http:
        client = Polled(http, server.house.url)
        await client.open()
        await client.say('2["reconnect:open",1]', "1")
        await asyncio.wait_for(gone.wait(), 20)
    await dial(make_client(server.house.url))
    await until(lambda: server.ears.open)
    assert len(server.ears.log) == 1


async def test_unknown_names(server):
    """Sending on, or closing, what is no connection does nothing."""
    for name in (Conn("nobody", 1), "nonsense", 7, None):
        server.signaling.send(name, {})
        server.signaling.close(name)
    await server.signaling.closed()
    assert server.ears.log == []
