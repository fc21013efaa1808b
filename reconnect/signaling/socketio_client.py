"""Control links over python-socketio on asyncio: the end of a Python client."""

from __future__ import annotations

import asyncio
import contextlib
import socket as sockets
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

import socketio
from attrs import define, field

from reconnect.ports import ClientHears
from reconnect.runtimes import AsyncioRuntime, SleepCountingClock, attempt
from reconnect.signaling.socketio_wire import (
    FLUSH_TIMEOUT,
    WAITING_MAX,
    Names,
    Outbox,
    channel_of,
)

DIAL_TIMEOUT = 5.0  # s
CLOSE_TIMEOUT = 1.0  # s for the far end to agree; then the socket is cut off


@define(eq=False)
class Dial:
    """One dial of a client, and the connection that came of it."""

    hears: ClientHears | None
    """None when it is to hear nothing more."""
    over: asyncio.Event = field(factory=asyncio.Event)
    switch: Switch | None = None
    channel: int = 0

    def close(self, cause: str) -> None:
        """Its end, said once."""
        hears, self.hears = self.hears, None
        self.over.set()
        if hears is not None:
            attempt(lambda: hears.closed(cause))


class Switch:
    """The channels of one `socketio.AsyncClient`, whoever uses them."""

    def __init__(
        self, client: socketio.AsyncClient, runtime: AsyncioRuntime, names: Names, waiting_max: int
    ) -> None:
        self.outbox = Outbox(
            runtime,
            self._emit,
            library=lambda: client.eio.queue,
            polling=lambda: client.transport() == "polling",
            limit=waiting_max,
        )
        self._client = client
        self._runtime = runtime
        self._names = names
        self._dials: dict[int, Dial] = {}
        self._last = 0
        client.on(names.of("message"), self._on_message, namespace=names.namespace)
        client.on(names.of("close"), self._on_close, namespace=names.namespace)
        # a handler for "disconnect" would take the place of the application's
        self._trigger = client._trigger_event
        client._trigger_event = self._watched

    @classmethod
    def of(
        cls, client: socketio.AsyncClient, runtime: AsyncioRuntime, names: Names, waiting_max: int
    ) -> Switch:
        """The one that this socket has already, or a new one."""
        handler = client.handlers.get(names.namespace, {}).get(names.of("message"))
        known = getattr(handler, "__self__", None)
        return known if isinstance(known, cls) else cls(client, runtime, names, waiting_max)

    @property
    def connected(self) -> bool:
        client = self._client
        return (
            client.connected
            and client.eio.state == "connected"
            and self._names.namespace in client.namespaces
        )

    def open(self, dial: Dial) -> None:
        """Give a dial a channel, and let it hear that it is open."""
        self._last += 1
        dial.switch, dial.channel = self, self._last
        self._dials[self._last] = dial
        self.outbox.put("open", dial.channel)
        if dial.hears is not None:
            attempt(dial.hears.opened)

    def send(self, dial: Dial, message: dict[str, Any]) -> None:
        if dial.channel not in self._dials:
            return
        if self.outbox.full:
            self.close(dial)
            self._runtime.loop.call_soon(dial.close, "overflow")
        else:
            self.outbox.put("message", dial.channel, message)

    def close(self, dial: Dial) -> None:
        if self._dials.pop(dial.channel, None) is not None:
            self.outbox.put("close", dial.channel)

    def _on_message(self, *arguments: Any) -> None:
        dial = self._dials.get(channel_of(arguments, 2) or 0)
        if dial is not None and (hears := dial.hears) is not None:
            attempt(lambda: hears.received(arguments[1]))

    def _on_close(self, *arguments: Any) -> None:
        dial = self._dials.pop(channel_of(arguments, 1) or 0, None)
        if dial is not None:
            dial.close("closed")

    async def _watched(self, event: str, namespace: str, *arguments: Any) -> Any:
        if event == "disconnect" and namespace == self._names.namespace:
            cause = str(arguments[0]).replace(" ", "_") if arguments else "disconnected"
            # soon, because what came before it may still be on its way to our handlers
            self._runtime.loop.call_soon(self._lost, cause)
        return await self._trigger(event, namespace, *arguments)

    def _lost(self, cause: str) -> None:
        self.outbox.clear()
        dials, self._dials = self._dials, {}
        for dial in dials.values():
            dial.close(cause)

    def _emit(self, name: str, data: tuple[Any, ...]) -> Coroutine[Any, Any, None]:
        coroutine: Coroutine[Any, Any, None] = self._client.emit(
            self._names.of(name), data, namespace=self._names.namespace
        )
        return coroutine


class SocketIOClientSignaling:
    """A client's end: over a socket of its own, or over one of the application's.

    Given a URL, each dial makes a socket of its own: `headers`, `auth`, `socketio_path` and
    `transports` go to `socketio.AsyncClient.connect`, all other `options` (`ssl_verify`,
    `http_session`, ...) to `socketio.AsyncClient`. Given a connected `AsyncClient`, it opens a
    channel on that and never connects or disconnects it; while it is not connected, dials fail.
    """

    def __init__(
        self,
        url_or_client: str | Callable[[], Any] | socketio.AsyncClient,
        *,
        namespace: str = "/",
        event: str = "reconnect",
        transports: Sequence[str] = ("websocket",),
        dial_timeout: float = DIAL_TIMEOUT,
        headers: Mapping[str, str] | Callable[[], Any] | None = None,
        auth: Any = None,
        socketio_path: str = "socket.io",
        waiting_max: int = WAITING_MAX,
        **options: Any,
    ) -> None:
        self.runtime = AsyncioRuntime(clock=SleepCountingClock())
        self._names = Names(namespace, event)
        self._waiting_max = waiting_max
        self._dial_timeout = dial_timeout
        self._dial: Dial | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._options = options
        self._connect = {
            "transports": list(transports),
            "auth": auth,
            "headers": headers or {},
            "socketio_path": socketio_path,
            "namespaces": [namespace],
            "wait_timeout": dial_timeout,
        }
        self._url: Any = url_or_client
        self._shared: Switch | None = None
        if isinstance(url_or_client, socketio.AsyncClient):
            self._shared = Switch.of(url_or_client, self.runtime, self._names, waiting_max)

    def open(self, hears: ClientHears) -> None:
        self.close()
        dial = self._dial = Dial(hears)
        if self._shared is not None:
            self.runtime.loop.call_soon(self._join, dial, self._shared)
        else:
            task = self.runtime.loop.create_task(self._live(dial))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def send(self, message: dict[str, Any]) -> None:
        if self._dial is not None and self._dial.switch is not None:
            self._dial.switch.send(self._dial, message)

    def close(self) -> None:
        dial, self._dial = self._dial, None
        if dial is not None:
            dial.hears = None
            if dial.switch is not None:
                dial.switch.close(dial)
            dial.over.set()

    async def closed(self) -> None:
        """Wait until nothing is left of closed connections: no task, and no socket of our own."""
        while tasks := set(self._tasks):
            await asyncio.wait(tasks)
        if self._shared is not None and self._shared.outbox.task is not None:
            await asyncio.wait({self._shared.outbox.task}, timeout=FLUSH_TIMEOUT)

    def _join(self, dial: Dial, switch: Switch) -> None:
        if dial.over.is_set():
            return
        if switch.connected:
            switch.open(dial)
        else:
            dial.close("not_connected")

    async def _live(self, dial: Dial) -> None:
        """The life of a socket of our own: from a dial to the end of its connection."""
        options = {k: dict(v) if isinstance(v, dict) else v for k, v in self._options.items()}
        client = socketio.AsyncClient(reconnection=False, handle_sigint=False, **options)
        read_whole(client)
        switch = Switch(client, self.runtime, self._names, self._waiting_max)
        # python-socketio changes the headers it is given
        headers = self._connect["headers"]
        connect = {**self._connect, "headers": headers if callable(headers) else dict(headers)}
        connecting = asyncio.ensure_future(client.connect(self._url, **connect))
        over = asyncio.ensure_future(dial.over.wait())
        try:
            await asyncio.wait(
                {connecting, over},
                timeout=self._dial_timeout,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if not connecting.done():
                dial.close("dial_timeout")
            elif connecting.exception() is not None:
                dial.close("dial_failed")
            else:
                self._join(dial, switch)
            await over
        finally:
            connecting.cancel()
            over.cancel()
            await asyncio.gather(connecting, over, return_exceptions=True)
            await hang_up(client, switch.outbox)


def read_whole(client: socketio.AsyncClient) -> None:
    """Have each answer to a polled request read to its end.

    python-engineio leaves those to what it posts unread, so that their connections stay open, and
    does not notice an answer that breaks off: the end of its socket would never be heard.
    """
    request = client.eio._send_request

    async def requested(*arguments: Any, **options: Any) -> Any:
        answer = await request(*arguments, **options)
        if answer is None or isinstance(answer, str):
            return answer  # there is none, and this says why
        try:
            await answer.read()
        except Exception as error:
            return str(error) or repr(error)
        return answer

    client.eio._send_request = requested


async def hang_up(client: socketio.AsyncClient, outbox: Outbox) -> None:
    """Close a socket after what was sent on it, in bounded time even if its path is dead."""

    async def flush() -> None:
        if outbox.task is not None:
            await asyncio.wait({outbox.task})
        await client.eio.queue.join()

    if client.eio.state == "connected":
        flushing = asyncio.ensure_future(flush())
        await asyncio.wait({flushing}, timeout=FLUSH_TIMEOUT)
        flushing.cancel()
    ending = asyncio.ensure_future(client.disconnect())
    await asyncio.wait({ending}, timeout=CLOSE_TIMEOUT)
    if not ending.done():
        await cut_off(client)
        await asyncio.wait({ending}, timeout=CLOSE_TIMEOUT)
    ending.cancel()
    await asyncio.gather(ending, return_exceptions=True)
    await close_http(client)


async def cut_off(client: socketio.AsyncClient) -> None:
    """Take the socket from under a client that waits for the far end."""
    websocket = client.eio.ws
    socket = None if websocket is None else websocket.get_extra_info("socket")
    if socket is None:
        await close_http(client)
    else:
        with contextlib.suppress(OSError):
            socket.shutdown(sockets.SHUT_RDWR)


async def close_http(client: socketio.AsyncClient) -> None:
    """Close what may be left of the requests of a client."""
    http = client.eio.http
    if http is not None and not client.eio.external_http:
        await http.close()
