"""Listeners that write down what they hear, for tests of signaling adapters."""

from collections.abc import Callable, Hashable
from typing import Any


class ServerEars:
    """A `ServerHears`; `on_message` may answer at once."""

    def __init__(self, on_message: Callable[[Hashable, Any], None] | None = None) -> None:
        self.open: list[Hashable] = []
        self.closed_conns: list[Hashable] = []
        self.messages: list[tuple[Hashable, Any]] = []
        self.log: list[tuple[Any, ...]] = []
        self._on_message = on_message

    def opened(self, conn: Hashable) -> None:
        self.log.append(("opened", conn))
        assert conn not in self.open
        assert conn not in self.closed_conns
        self.open.append(conn)

    def received(self, conn: Hashable, message: Any) -> None:
        self.log.append(("received", conn, message))
        assert conn in self.open
        self.messages.append((conn, message))
        if self._on_message is not None:
            self._on_message(conn, message)

    def closed(self, conn: Hashable) -> None:
        self.log.append(("closed", conn))
        self.open.remove(conn)
        self.closed_conns.append(conn)

    def of(self, conn: Hashable) -> list[Any]:
        return [message for one, message in self.messages if one == conn]


class ClientEars:
    """A `ClientHears`."""

    def __init__(self) -> None:
        self.log: list[tuple[Any, ...]] = []

    def opened(self) -> None:
        assert self.log == []
        self.log.append(("opened",))

    def received(self, message: Any) -> None:
        assert self.is_open
        self.log.append(("received", message))

    def closed(self, cause: str) -> None:
        assert self.cause is None
        self.log.append(("closed", cause))

    @property
    def is_open(self) -> bool:
        return self.log[:1] == [("opened",)] and self.cause is None

    @property
    def messages(self) -> list[Any]:
        return [entry[1] for entry in self.log if entry[0] == "received"]

    @property
    def cause(self) -> str | None:
        return self.log[-1][1] if self.log and self.log[-1][0] == "closed" else None
