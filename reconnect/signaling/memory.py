"""Control links inside one process: for tests, demonstrations and tutorials.

What is sent travels as JSON text, so that nothing else can; each connection is first in, first
out. What lies between the two ends may be given as a `ControlNetwork`; without one it is perfect.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Hashable
from typing import Any, NamedTuple, Protocol, TypeAlias

from attrs import define, field, frozen

from reconnect.ports import Cancel, ClientHears, Runtime, ServerHears
from reconnect.runtimes import AsyncioRuntime

DIAL_TIMEOUT = 5.0  # s; for dials that nobody answers


class Conn(NamedTuple):
    """The name of one connection: whose it is, and which of that client's dials."""

    client: str
    dial: int


class ControlNetwork(Protocol):
    """What lies between the clients and the server."""

    def dialled(self, line: Line) -> None:
        """A client dials: `line.connect()`, `line.refuse()`, or nothing at all."""
        ...

    def latency(self, line: Line, *, up: bool) -> float:
        """Seconds that the next message travels; never faster than the one before it."""
        ...


class PerfectNetwork:
    """Every dial succeeds, and nothing takes any time."""

    def dialled(self, line: Line) -> None:
        line.connect()

    def latency(self, line: Line, *, up: bool) -> float:  # noqa: ARG002 - whatever they are
        return 0.0


@frozen
class Opened:
    """Travels along a line in front of the first message."""


@frozen
class Closed:
    """Travels along a line behind the last message."""

    cause: str


Item: TypeAlias = str | Opened | Closed


@define(eq=False)
class Way:
    """One direction of a line; what comes out of it does so on the receiving end's runtime."""

    runtime: Runtime
    deliver: Callable[[Item], None]
    queue: deque[tuple[float, Item]] = field(factory=deque)
    ended: bool = False
    """Nothing goes in any more."""
    held: bool = False
    _last: float = float("-inf")
    _armed: Cancel | None = None

    def push(self, item: Item, delay: float) -> None:
        if self.ended:
            return
        self._last = max(self._last, self.runtime.now() + delay)
        self.queue.append((self._last, item))
        self._arm()

    def hold(self) -> None:
        """Nothing comes out until `release`."""
        self.held = True

    def release(self) -> None:
        self.held = False
        self._arm()

    def lose(self, count: int) -> None:
        """The last `count` of what is under way never arrive."""
        for _ in range(min(count, len(self.queue))):
            self.queue.pop()

    def _arm(self) -> None:
        if self.queue and self._armed is None and not self.held:
            self._armed = self.runtime.call_at(self.queue[0][0], self._fire)

    def _fire(self) -> None:
        self._armed = None
        if self.queue and not self.held:
            _, item = self.queue.popleft()
            self._arm()
            self.deliver(item)


@define(eq=False)
class Line:
    """One dial and the connection that came of it; the faults of a network are done to it."""

    conn: Conn
    network: ControlNetwork
    up: Way
    down: Way

    @property
    def over(self) -> bool:
        """Neither end can send anything any more."""
        return self.up.ended and self.down.ended

    def send(self, item: Item, *, up: bool) -> None:
        (self.up if up else self.down).push(item, self.network.latency(self, up=up))

    def end(self, cause: str, *, up: bool) -> None:
        """Close one direction behind what was sent on it."""
        self.send(Closed(cause), up=up)
        (self.up if up else self.down).ended = True

    def connect(self) -> None:
        """Let the server have the dial; it may refuse it still."""
        self.send(Opened(), up=True)

    def refuse(self, cause: str = "refused") -> None:
        self.end(cause, up=False)
        self.up.ended = True

    def silence(self) -> None:
        """Half-open: nothing arrives any more, and nobody is told."""
        for way in (self.up, self.down):
            way.queue.clear()
            way.ended = True

    def drop(
        self,
        *,
        tell_client: bool = True,
        tell_server: bool = True,
        lost_up: int = 0,
        lost_down: int = 0,
    ) -> None:
        """Break the connection; the last messages under way are lost."""
        for way, told, lost in (
            (self.up, tell_server, lost_up),
            (self.down, tell_client, lost_down),
        ):
            way.lose(lost)
            way.release()
            if told:
                way.ended = False  # even behind a close that is lost
                self.end("dropped", up=way is self.up)
            way.ended = True


class MemorySignaling:
    """The server's end, and the maker of the clients' ends.

    The name of a connection is a `Conn`. `runtime` is that of the server, and of the clients
    unless they bring their own; the default is asyncio.
    """

    def __init__(
        self, runtime: Runtime | None = None, *, network: ControlNetwork | None = None
    ) -> None:
        self.runtime: Runtime = runtime or AsyncioRuntime()
        self.network = network or PerfectNetwork()
        self._hears: ServerHears | None = None
        self._lines: dict[Hashable, Line] = {}
        self._dials: dict[str, int] = {}

    def client(
        self,
        name: str = "client",
        *,
        runtime: Runtime | None = None,
        dial_timeout: float = DIAL_TIMEOUT,
    ) -> MemoryClientSignaling:
        """The control link of one client; `name` is what a network knows it by."""
        return MemoryClientSignaling(
            self, name, runtime=runtime or self.runtime, dial_timeout=dial_timeout
        )

    def start(self, hears: ServerHears) -> None:
        self._hears = hears

    def stop(self) -> None:
        """As if the server's process had died: connections break, dials are refused.

        `start` may be called again, as by the process that follows.
        """
        self._hears = None
        lines, self._lines = self._lines, {}
        for line in lines.values():
            line.drop(tell_server=False)

    def send(self, conn: Hashable, message: dict[str, Any]) -> None:
        if line := self._lines.get(conn):
            line.send(to_text(message), up=False)

    def close(self, conn: Hashable) -> None:
        if line := self._lines.pop(conn, None):
            line.end("closed", up=False)

    def dial(self, name: str, runtime: Runtime, deliver: Callable[[Line, Item], None]) -> Line:
        """Begin a connection; what comes down it is given to `deliver`."""
        number = self._dials[name] = self._dials.get(name, 0) + 1
        line = Line(
            conn=Conn(name, number),
            network=self.network,
            up=Way(self.runtime, lambda item: self._arrived(line, item)),
            down=Way(runtime, lambda item: deliver(line, item)),
        )
        self.network.dialled(line)
        return line

    def _arrived(self, line: Line, item: Item) -> None:
        conn, hears = line.conn, self._hears
        if hears is None:
            line.refuse()
            return
        match item:
            case Opened():
                self._lines[conn] = line
                line.send(item, up=False)
                hears.opened(conn)
            case Closed():
                line.down.ended = True
                if self._lines.pop(conn, None):
                    hears.closed(conn)
            case str():
                if conn in self._lines:
                    hears.received(conn, json.loads(item))


class MemoryClientSignaling:
    """A client's end; `MemorySignaling.client` makes it."""

    def __init__(
        self, server: MemorySignaling, name: str, *, runtime: Runtime, dial_timeout: float
    ) -> None:
        self.runtime = runtime
        self.name = name
        self._server = server
        self._dial_timeout = dial_timeout
        self._line: Line | None = None
        self._hears: ClientHears | None = None
        self._timeout: Cancel | None = None
        """Set while a dial is not answered."""

    def open(self, hears: ClientHears) -> None:
        self.close()
        self._hears = hears
        self._timeout = self.runtime.call_at(
            self.runtime.now() + self._dial_timeout, self._unanswered
        )
        self._line = self._server.dial(self.name, self.runtime, self._arrived)

    def send(self, message: dict[str, Any]) -> None:
        text = to_text(message)
        if self._line is not None and self._timeout is None:
            self._line.send(text, up=True)

    def close(self) -> None:
        if line := self._forget():
            line.end("closed", up=True)

    def _arrived(self, line: Line, item: Item) -> None:
        hears = self._hears
        if line is not self._line or hears is None:
            return
        match item:
            case Opened():
                self._answered()
                hears.opened()
            case Closed(cause):
                self._forget()
                line.up.ended = True
                hears.closed(cause)
            case str():
                hears.received(json.loads(item))

    def _unanswered(self) -> None:
        hears = self._hears
        self.close()
        if hears is not None:
            hears.closed("dial_timeout")

    def _answered(self) -> None:
        if self._timeout is not None:
            self._timeout()
            self._timeout = None

    def _forget(self) -> Line | None:
        self._answered()
        line, self._line, self._hears = self._line, None, None
        return line


def to_text(message: dict[str, Any]) -> str:
    """The message as JSON; raises `TypeError` or `ValueError` if it is not JSON."""
    return json.dumps(message, allow_nan=False)
