"""Control links over python-socketio on asyncio: the server's end.

They live in a namespace of the application and leave its own events and handlers alone. Several
logical connections share one socket; each has a channel, a whole number that rises with each dial
over a socket. On the wire there are three events, which begin with a prefix (`reconnect`):

    reconnect:open      channel             client to server
    reconnect:message   channel, message    both ways
    reconnect:close     channel             both ways

A dead socket is found by the protocol above, by silence, and not here.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, NamedTuple

import socketio
from attrs import define, field

from reconnect.log import quiet
from reconnect.ports import ServerHears
from reconnect.runtimes import AsyncioRuntime, attempt
from reconnect.signaling.socketio_client import SocketIOClientSignaling
from reconnect.signaling.socketio_wire import (
    FLUSH_TIMEOUT,
    WAITING_BYTES_MAX,
    WAITING_MAX,
    Names,
    Outbox,
    channel_of,
)

__all__ = ["Conn", "SocketIOClientSignaling", "SocketIOSignaling"]

CHANNELS_MAX = 16  # at once on one socket: players on one page and their late dials


class Conn(NamedTuple):
    """The name of one logical connection on the server."""

    sid: str
    channel: int


@define(eq=False)
class Socket:
    """What the server knows of one socket: its channels and what waits for it."""

    sid: str
    outbox: Outbox
    channels: set[int] = field(factory=set)
    last: int = 0
    """The highest channel there has been; none is used twice."""
    broken: bool = False
    """Too much is waiting; its channels are being closed."""


class SocketIOSignaling:
    """The coordinator's end, on an application's `socketio.AsyncServer`.

    `event` is the prefix of our events in `namespace`. At most `channels_max` connections share a
    socket; a client that leaves `waiting_max` messages unread, or about `waiting_bytes_max` bytes,
    loses its connections, not its socket, and a warning is logged. Works with any client manager,
    but a session's clients must all reach this process.
    """

    def __init__(
        self,
        sio: socketio.AsyncServer,
        *,
        namespace: str = "/",
        event: str = "reconnect",
        channels_max: int = CHANNELS_MAX,
        waiting_max: int = WAITING_MAX,
        waiting_bytes_max: int = WAITING_BYTES_MAX,
        logger: Any = None,
    ) -> None:
        self.runtime = AsyncioRuntime()
        self._log = quiet(logger)
        self._sio = sio
        self._names = Names(namespace, event)
        self._channels_max = channels_max
        self._waiting_max = waiting_max
        self._waiting_bytes_max = waiting_bytes_max
        self._hears: ServerHears | None = None
        self._sockets: dict[str, Socket] = {}

    def start(self, hears: ServerHears) -> None:
        self._hears = hears
        for name, handler in (
            ("open", self._on_open),
            ("message", self._on_message),
            ("close", self._on_close),
        ):
            self._sio.on(self._names.of(name), handler, namespace=self._names.namespace)
        # a handler for "disconnect" would take the place of the application's, so the server's
        # own list of who is connected is watched instead
        for name in ("pre_disconnect", "basic_disconnect"):
            setattr(self._sio.manager, name, self._watched(getattr(self._sio.manager, name)))

    def send(self, conn: Hashable, message: dict[str, Any]) -> None:
        socket, channel = self._find(conn)
        if socket is None or socket.broken:
            return
        if socket.outbox.full:
            socket.broken = True
            self._log.warning(
                "reconnect.client_does_not_read",
                connections=len(socket.channels),
                messages=len(socket.outbox),
                bytes=socket.outbox.waiting_bytes,
            )
            socket.outbox.clear()
            self.runtime.loop.call_soon(self._lose, socket)
        else:
            socket.outbox.put("message", channel, message)

    def close(self, conn: Hashable) -> None:
        socket, channel = self._find(conn)
        if socket is not None:
            socket.channels.discard(channel)
            socket.outbox.put("close", channel)

    async def closed(self) -> None:
        """Wait until what was sent is in the hands of python-socketio, but for no client for long.

        What one has not read after a second is dropped.
        """
        ends_at = self.runtime.now() + FLUSH_TIMEOUT
        while tasks := [s.outbox.task for s in self._sockets.values() if s.outbox.task]:
            left = ends_at - self.runtime.now()
            if left <= 0.0:
                for socket in self._sockets.values():
                    socket.outbox.clear()
                return
            await asyncio.wait(tasks, timeout=left)

    # -- what python-socketio says: all of it before the first await, so that order holds ---------

    def _on_open(self, sid: str, *arguments: Any) -> None:
        channel = channel_of(arguments, 1)
        # an event may be late, and come after its socket is gone
        if channel is None or not self._sio.manager.is_connected(sid, self._names.namespace):
            return
        socket = self._sockets.get(sid)
        if socket is None:
            socket = self._sockets[sid] = Socket(sid, self._outbox(sid))
        if channel <= socket.last or socket.outbox.full:
            return
        socket.last = channel
        if len(socket.channels) >= self._channels_max:
            socket.outbox.put("close", channel)
            return
        socket.channels.add(channel)
        self._say(lambda hears: hears.opened(Conn(sid, channel)))

    def _on_message(self, sid: str, *arguments: Any) -> None:
        channel = channel_of(arguments, 2)
        socket = self._sockets.get(sid)
        if channel is None or socket is None:
            return
        if channel in socket.channels:
            self._say(lambda hears: hears.received(Conn(sid, channel), arguments[1]))
        elif not socket.outbox.full:
            socket.outbox.put("close", channel)

    def _on_close(self, sid: str, *arguments: Any) -> None:
        channel = channel_of(arguments, 1)
        socket = self._sockets.get(sid)
        if channel is not None and socket is not None and channel in socket.channels:
            socket.channels.remove(channel)
            self._say(lambda hears: hears.closed(Conn(sid, channel)))

    def _watched(self, method: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(method)
        def watched(sid: str, namespace: str, **options: Any) -> Any:
            if namespace == self._names.namespace and sid in self._sockets:
                # soon, because what came before it may still be on its way to our handlers
                self.runtime.loop.call_soon(self._forget, sid)
            return method(sid, namespace, **options)

        return watched

    # -- sockets ---------------------------------------------------------------------------------

    def _forget(self, sid: str) -> None:
        socket = self._sockets.pop(sid, None)
        if socket is not None:
            socket.outbox.clear()
            self._close_all(socket)

    def _lose(self, socket: Socket) -> None:
        """Its far end does not read: close its channels, and tell it in case it ever does."""
        for channel in sorted(socket.channels):
            socket.outbox.put("close", channel)
        self._close_all(socket)
        socket.broken = False

    def _close_all(self, socket: Socket) -> None:
        while socket.channels:
            conn = Conn(socket.sid, min(socket.channels))
            socket.channels.remove(conn.channel)
            self._say(functools.partial(_tell_closed, conn))

    def _say(self, tell: Callable[[ServerHears], None]) -> None:
        hears = self._hears
        if hears is not None:
            attempt(lambda: tell(hears))

    def _find(self, conn: Hashable) -> tuple[Socket | None, int]:
        if not isinstance(conn, Conn):
            return None, 0
        socket = self._sockets.get(conn.sid)
        if socket is None or conn.channel not in socket.channels:
            return None, 0
        return socket, conn.channel

    def _outbox(self, sid: str) -> Outbox:
        def emit(name: str, data: tuple[Any, ...]) -> Coroutine[Any, Any, None]:
            # to this socket and at once: never through the queue of a client manager, which
            # comes back late, and as to a room
            coroutine: Coroutine[Any, Any, None] = self._sio.emit(
                self._names.of(name),
                data,
                to=sid,
                namespace=self._names.namespace,
                ignore_queue=True,
            )
            return coroutine

        def socket() -> Any:
            eio_sid = self._sio.manager.eio_sid_from_sid(sid, self._names.namespace)
            return self._sio.eio.sockets.get(eio_sid)

        def library() -> asyncio.Queue[Any] | None:
            one = socket()
            return None if one is None else one.queue

        def polling() -> bool:
            one = socket()
            return one is not None and not one.upgraded

        return Outbox(
            self.runtime,
            emit,
            library,
            polling,
            limit=self._waiting_max,
            bytes_max=self._waiting_bytes_max,
        )


def _tell_closed(conn: Conn, hears: ServerHears) -> None:
    hears.closed(conn)
