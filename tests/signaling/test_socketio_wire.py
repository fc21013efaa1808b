import asyncio

import pytest
from socketio.exceptions import BadNamespaceError

from reconnect.runtimes import AsyncioRuntime
from reconnect.signaling.socketio_wire import (
    AT_A_TIME,
    CHANNEL_MAX,
    POLLED_MAX,
    Names,
    Outbox,
    channel_of,
)


class Library:
    """What an outbox sees of python-socketio: a queue that somebody writes out, now and then."""

    def __init__(self, *, polling=False, limit=100, **options):
        self.queue = asyncio.Queue()
        self.fails = None
        self.most = 0
        self.outbox = Outbox(
            AsyncioRuntime(), self.emit, lambda: self.queue, lambda: polling, limit=limit, **options
        )

    async def emit(self, event, arguments):
        await asyncio.sleep(0)
        if self.fails is not None:
            raise self.fails
        self.queue.put_nowait((event, *arguments))
        self.most = max(self.most, self.queue.qsize())

    def write(self):
        written = []
        while not self.queue.empty():
            written.append(self.queue.get_nowait())
            self.queue.task_done()
        return written


async def settle():
    for _ in range(200):
        await asyncio.sleep(0)


def test_names():
    """Events are called by the prefix and their name."""
    assert Names("/game", "reconnect").of("open") == "reconnect:open"


@pytest.mark.parametrize("channel", [1, 7, CHANNEL_MAX])
def test_channel(channel):
    """A channel is a whole number from 1."""
    assert channel_of((channel,), 1) == channel
    assert channel_of((channel, "message"), 2) == channel


@pytest.mark.parametrize(
    "arguments",
    [(), (1, 2), (0,), (-1,), (CHANNEL_MAX + 1,), (True,), (1.0,), ("1",), (None,), ([],), ({},)],
)
def test_no_channel(arguments):
    """Anything else is none, and so is an event with more or fewer arguments."""
    assert channel_of(arguments, 1) is None


async def test_order_and_end():
    """Messages leave in order, by one task, which ends when there is no more to do."""
    library = Library()
    for number in range(5):
        library.outbox.put("message", 1, number)
    task = library.outbox.task
    library.outbox.put("close", 1)
    assert library.outbox.task is task
    await settle()
    assert library.write() == [*(("message", 1, number) for number in range(5)), ("close", 1)]
    assert library.outbox.task is None
    assert task.done()


async def test_full():
    """What waits here and in the library counts together."""
    library = Library(limit=3)
    library.outbox.put("message", 1, {})
    await settle()
    library.outbox.put("message", 1, {})
    assert not library.outbox.full
    library.outbox.put("message", 1, {})
    assert library.outbox.full
    await settle()
    assert library.outbox.full
    library.write()
    assert not library.outbox.full


async def test_full_of_bytes():
    """What waits here is bounded in bytes too; what has been given on does not count."""
    library = Library(limit=10_000, bytes_max=10_000)
    while not library.outbox.full:
        library.outbox.put("message", 1, "x" * 1000)
    assert len(library.outbox) == AT_A_TIME + 10
    written = []
    for _ in range(10):
        await settle()
        written += library.write()
    assert len(written) == AT_A_TIME + 10
    assert library.outbox.waiting_bytes == 0
    assert not library.outbox.full


async def test_little_at_a_time():
    """What the library cannot write waits here, where it is bounded and can be dropped."""
    library = Library()
    for number in range(50):
        library.outbox.put("message", number)
    await settle()
    assert library.queue.qsize() == library.most == AT_A_TIME
    library.outbox.clear()
    assert len(library.outbox) == AT_A_TIME
    assert library.outbox.waiting_bytes == 0


async def test_polled():
    """Over polling a few go at a time, each time the last have been written; all arrive."""
    library = Library(polling=True)
    for number in range(30):
        library.outbox.put("message", number)
    written = []
    for _ in range(10):
        await settle()
        written += library.write()
    assert written == [("message", number) for number in range(30)]
    assert library.most == POLLED_MAX


async def test_clear():
    """Clearing drops what waits, and the task with it, even one that waits for the library."""
    library = Library(polling=True)
    for number in range(30):
        library.outbox.put("message", number)
    await settle()
    task = library.outbox.task
    library.outbox.clear()
    await settle()
    assert task.cancelled()
    assert len(library.write()) == POLLED_MAX
    library.outbox.put("message", "next")
    await settle()
    assert library.write() == [("message", "next")]
    library.outbox.clear()


async def test_socket_gone():
    """When the library says that there is no connection, what waits for it is dropped."""
    library = Library()
    library.fails = BadNamespaceError("/ is not a connected namespace.")
    library.outbox.put("message", 1)
    library.outbox.put("message", 2)
    await settle()
    library.fails = None
    library.outbox.put("message", 3)
    await settle()
    assert library.write() == [("message", 3)]


async def test_one_that_fails(caplog):
    """A message that cannot be sent at all is logged, and the next one goes."""
    library = Library()
    library.fails = TypeError("no JSON")
    library.outbox.put("message", 1)
    await settle()
    library.fails = None
    library.outbox.put("message", 2)
    await settle()
    assert library.write() == [("message", 2)]
    assert "reconnect.emit_failed" in caplog.text
