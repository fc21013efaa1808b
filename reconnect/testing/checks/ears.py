"""Listeners that write down what a signaling adapter says, and where a word of it breaks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from contextlib import AbstractContextManager
from typing import Any

from reconnect.testing.checks.promise import Promise

HEARD_AT = Promise("", "on the shell's own loop or under its lock")
SILENT = Promise("", "after `close()` it says nothing more")
OPENED = Promise("ServerHears.opened", "A logical connection is there.")
NAMED = Promise("ServerHears.opened", "The same name is never used for two of them.")
SERVER_CLOSED = Promise("ServerHears.closed", "The connection is gone, said once.")
RECEIVED = Promise("ServerHears.received", "Something came")
ENDED = Promise(
    "ClientHears.closed",
    "The dial failed, or the connection is gone; said once, and the last word of a dial.",
)
DIALS_ONCE = Promise("ClientSignaling.open", "Dial once; never again by itself.")
OLDER_UNHEARD = Promise("ClientSignaling.open", "Nothing of an older dial is heard any more.")
CLIENT_SILENT = Promise("ClientSignaling.close", "`hears` hears nothing more.")

LOCK_TIMEOUT = 0.1  # s in which somebody else would get a lock that nobody holds


class Blame:
    """The words that were broken, in the order in which that was noticed."""

    def __init__(self) -> None:
        self.all: list[tuple[Promise, str]] = []
        self._home = threading.get_ident()
        self._probed: set[str] = set()

    def expect(self, condition: object, promise: Promise, saw: str) -> None:
        if not condition:
            self.all.append((promise, saw))

    def where(self, word: str, lock: AbstractContextManager[Any]) -> None:
        """A word is heard on our loop's thread, or else under the runtime's lock."""
        # one of a kind: it takes a moment
        if threading.get_ident() != self._home and word not in self._probed:
            self._probed.add(word)
            thread = threading.current_thread().name
            saw = f"{word} was heard in thread {thread!r}, and not under the runtime's lock"
            self.expect(not can_be_had(lock), HEARD_AT, saw)


def can_be_had(lock: AbstractContextManager[Any]) -> bool:
    """Whether another thread gets the lock now."""
    got = threading.Event()

    def get() -> None:
        with lock:
            got.set()

    threading.Thread(target=get, daemon=True).start()
    return got.wait(LOCK_TIMEOUT)


def is_hashable(name: object) -> bool:
    """Whether it can be what a connection is found by."""
    try:
        hash(name)
    except TypeError:
        return False
    return True


class ServerEars:
    """A `ServerHears`."""

    def __init__(self, blame: Blame, lock: AbstractContextManager[Any]) -> None:
        self.names: list[Hashable] = []
        """Every name there ever was, in the order of their opening."""
        self.open: list[Hashable] = []
        self.gone: list[Hashable] = []
        """Closed by the far end, or lost."""
        self.left: list[Hashable] = []
        """Closed by us: nothing is heard of them any more."""
        self.messages: list[tuple[Hashable, Any]] = []
        self.on_received: Callable[[Hashable], None] | None = None
        self._blame = blame
        self._lock = lock

    def opened(self, conn: Hashable) -> None:
        self._blame.where("opened", self._lock)
        self._blame.expect(is_hashable(conn), OPENED, f"{conn!r} is no name: it cannot be hashed")
        saw = f"opened({conn!r}) was said, and there was one of this name"
        self._blame.expect(conn not in self.names, NAMED, saw)
        self.names.append(conn)
        self.open.append(conn)

    def received(self, conn: Hashable, message: Any) -> None:
        self._blame.where("received", self._lock)
        saw = f"received({conn!r}, ...) was said"
        self._blame.expect(conn not in self.left, SILENT, f"{saw} after close({conn!r})")
        self._blame.expect(conn not in self.gone, SERVER_CLOSED, f"{saw} after closed({conn!r})")
        self._blame.expect(conn in self.names, RECEIVED, f"{saw} before opened({conn!r})")
        self.messages.append((conn, message))
        if self.on_received is not None:
            self.on_received(conn)

    def closed(self, conn: Hashable) -> None:
        self._blame.where("closed", self._lock)
        saw = f"closed({conn!r}) was said"
        self._blame.expect(conn not in self.left, SILENT, f"{saw} after close({conn!r})")
        self._blame.expect(conn not in self.gone, SERVER_CLOSED, f"{saw} twice")
        self._blame.expect(conn in self.names, SERVER_CLOSED, f"{saw} before opened({conn!r})")
        if conn in self.open:
            self.open.remove(conn)
            self.gone.append(conn)

    def leave(self, conn: Hashable) -> None:
        """It is closed by us."""
        if conn in self.open:
            self.open.remove(conn)
            self.left.append(conn)

    def of(self, conn: Hashable) -> list[Any]:
        """What came on a connection."""
        return [message for one, message in self.messages if one == conn]


class ClientEars:
    """A `ClientHears`: hears one dial."""

    def __init__(self, blame: Blame, lock: AbstractContextManager[Any]) -> None:
        self.log: list[str] = []
        self.messages: list[Any] = []
        self.cause: str | None = None
        self.early = DIALS_ONCE
        """What is broken by a word in front of `opened`."""
        self.over: Promise | None = None
        """What is broken by another word, once there is to be none."""
        self.on_received: Callable[[], object] | None = None
        self._blame = blame
        self._lock = lock

    @property
    def is_open(self) -> bool:
        return "opened" in self.log and "closed" not in self.log

    def opened(self) -> None:
        self._hear("opened")
        saw = f"opened() was said after {self.log[-2:-1]}"
        self._blame.expect(self.log == ["opened"], DIALS_ONCE, saw)

    def received(self, message: Any) -> None:
        self._hear("received")
        self._blame.expect("opened" in self.log, self.early, "received() came before opened()")
        self.messages.append(message)
        if self.on_received is not None:
            self.on_received()

    def closed(self, cause: str) -> None:
        self._hear("closed")
        saw = f"the cause of closed(cause) is {cause!r}, not a word"
        self._blame.expect(isinstance(cause, str) and cause, ENDED, saw)
        self.cause = str(cause)

    def _hear(self, word: str) -> None:
        self._blame.where(word, self._lock)
        if self.over is not None:
            self._blame.expect(False, self.over, f"{word}() was said all the same")
        self._blame.expect("closed" not in self.log, ENDED, f"{word}() was said after closed()")
        self.log.append(word)
