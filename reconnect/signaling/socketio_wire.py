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
WAITING_BYTES_MAX = 8 << 20  # 128 of the largest signals, or a burst of packets of seven players
FLUSH_TIMEOUT = 1.0  # s for what was sent before a close
# what python-socketio is given at a time: it takes all that it has out of its queue, to write it
AT_A_TIME = 16
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
    socket any more. It is given little at a time, so that what waits does so here and is known.
    """

    runtime: AsyncioRuntime
    emit: Callable[[str, tuple[Any, ...]], Coroutine[Any, Any, None]]
    library: Callable[[], asyncio.Queue[Any] | None]
    polling: Callable[[], bool]
    limit: int
    bytes_max: int = WAITING_BYTES_MAX
    task: asyncio.Task[None] | None = None
    waiting_bytes: int = 0
    """As far as it was measured."""
    _queue: deque[tuple[str, tuple[Any, ...], int]] = field(factory=deque)

    def __len__(self) -> int:
        """How many messages wait, here and in the library."""
        library = self.library()
        return len(self._queue) + (library.qsize() if library is not None else 0)

    @property
    def full(self) -> bool:
        """The far end does not read."""
        return self.waiting_bytes >= self.bytes_max or len(self) >= self.limit

    def put(self, event: str, *arguments: Any) -> None:
        # only what piles up is measured: for a far end that reads it would cost time for nothing
        size = len(repr(arguments)) if len(self._queue) >= AT_A_TIME else 0
        self._queue.append((event, arguments, size))
        self.waiting_bytes += size
        if self.task is None:
            self.task = self.runtime.loop.create_task(self._drain())

    def clear(self) -> None:
        self._queue.clear()
        self.waiting_bytes = 0
        if self.task is not None:
            self.task.cancel()
            self.task = None

    async def _drain(self) -> None:
        while self._queue:
            library = self.library()
            at_a_time = POLLED_MAX if self.polling() else AT_A_TIME
            if library is not None and library.qsize() >= at_a_time:
                await library.join()
                continue
            event, arguments, size = self._queue.popleft()
            self.waiting_bytes -= size
            try:
                await self.emit(event, arguments)
            except SocketIOError:
                self._queue.clear()  # the socket is gone
                self.waiting_bytes = 0
            except Exception:
                logger.exception("reconnect.emit_failed")
        self.task = None
