"""What both ends of the Socket.IO adapter know: the events on the wire, and how to wait in line."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from attrs import define, field, frozen
from socketio.exceptions import SocketIOError

from reconnect.runtimes import AsyncioRuntime

CHANNEL_MAX = 2**31 - 1
WAITING_MAX = 4096  # messages; who lets more pile up does not read
# a polled request of more than 16 packets is refused, and the application sends some too
POLLED_MAX = 8

logger = logging.getLogger("reconnect")


@frozen
class Names:
    """Where our events are, and what they are called."""

    namespace: str
    prefix: str

    def of(self, event: str) -> str:
        return f"{self.prefix}:{event}"


def channel_of(arguments: Sequence[Any], count: int) -> int | None:
    """The channel in the arguments of an event, which come from strangers; None if it is none."""
    if len(arguments) != count or type(arguments[0]) is not int:
        return None
    return arguments[0] if 0 < arguments[0] <= CHANNEL_MAX else None


@define(eq=False)
class Outbox:
    """What waits to be given to one socket: in order, by at most one task, bounded.

    `library` is where python-socketio keeps what it has not written yet; None if there is no
    socket any more.
    """

    runtime: AsyncioRuntime
    emit: Callable[[str, tuple[Any, ...]], Coroutine[Any, Any, None]]
    library: Callable[[], asyncio.Queue[Any] | None]
    polling: Callable[[], bool]
    limit: int
    task: asyncio.Task[None] | None = None
    _queue: deque[tuple[str, tuple[Any, ...]]] = field(factory=deque)

    @property
    def full(self) -> bool:
        """The far end does not read."""
        library = self.library()
        return len(self._queue) + (library.qsize() if library is not None else 0) >= self.limit

    def put(self, event: str, *arguments: Any) -> None:
        self._queue.append((event, arguments))
        if self.task is None:
            self.task = self.runtime.loop.create_task(self._drain())

    def clear(self) -> None:
        self._queue.clear()
        if self.task is not None:
            self.task.cancel()
            self.task = None

    async def _drain(self) -> None:
        while self._queue:
            library = self.library()
            if library is not None and library.qsize() >= POLLED_MAX and self.polling():
                await library.join()
                continue
            try:
                await self.emit(*self._queue.popleft())
            except SocketIOError:
                self._queue.clear()  # the socket is gone
            except Exception:
                logger.exception("reconnect.emit_failed")
        self.task = None
