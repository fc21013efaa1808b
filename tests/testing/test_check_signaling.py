"""Each adapter here breaks one word of its port, and is told which."""

import asyncio
import itertools
import json
import threading
from contextlib import asynccontextmanager

import pytest

from reconnect.runtimes import ThreadRuntime
from reconnect.signaling.memory import Conn, MemoryClientSignaling, MemorySignaling
from reconnect.testing import check_signaling
from reconnect.testing.check_signaling import check_signaling as check
from reconnect.testing.checks import ears, promise, scene
from reconnect.testing.checks.promise import BrokenPromise

QUIET = 0.03  # s; who speaks here speaks at once
PATIENCE = 1.0  # s; who waits for what never comes need not wait long


class Client(MemoryClientSignaling):
    pass


class Server(MemorySignaling):
    """Keeps its word, with clients that do."""

    make = Client

    def client(self, name="client", *, runtime=None, dial_timeout=0.5):
        return self.make(self, name, runtime=runtime or self.runtime, dial_timeout=dial_timeout)


def served_by(server, **options):
    @asynccontextmanager
    async def setting():
        signaling = server(**options)
        try:
            yield signaling, signaling.client
        finally:
            signaling.stop()

    return setting


def with_client(client):
    return type(f"ServerOf{client.__name__}", (Server,), {"make": client})


# -- servers ---------------------------------------------------------------------------------------


class Between:
    """Stands between an adapter and who hears it."""

    def __init__(self, hears):
        self.hears = hears

    def opened(self, *arguments):
        self.hears.opened(*arguments)

    def received(self, *arguments):
        self.hears.received(*arguments)

    def closed(self, *arguments):
        self.hears.closed(*arguments)


def between(**words):
    """A server that says some words in another way."""
    kind = type("Hears", (Between,), words)

    class Translated(Server):
        def start(self, hears):
            super().start(kind(hears))

    return Translated


def twice(word):
    def said(self, *arguments):
        getattr(self.hears, word)(*arguments)
        getattr(self.hears, word)(*arguments)

    return said


class NamesByClient(Server):
    """The same name for each dial of a client."""

    def start(self, hears):
        names = type("Hears", (Between,), {})(hears)
        for word in ("opened", "received", "closed"):
            say = getattr(hears, word)
            setattr(names, word, lambda conn, *rest, say=say: say(conn.client, *rest))
        super().start(names)

    def _find(self, name):
        lines = [conn for conn in self._lines if conn.client == name]
        return max(lines, key=lambda conn: conn.dial, default=Conn(name, 0))

    def client(self, name="client", **options):
        self.count = getattr(self, "count", 0) + 1
        return super().client(f"{name}-{self.count}", **options)

    def send(self, conn, message):
        super().send(self._find(conn), message)

    def close(self, conn):
        super().close(self._find(conn))


class SendsToTheRoom(Server):
    def send(self, conn, message):
        for one in list(self._lines):
            super().send(one, message)


class LastInFirstOut(Server):
    """What is sent in one breath comes out the wrong way round."""

    def __init__(self):
        super().__init__()
        self.waiting = []

    def send(self, conn, message):
        if not self.waiting:
            asyncio.get_running_loop().call_soon(self.flush)
        self.waiting.append((conn, message))

    def close(self, conn):
        self.flush()
        super().close(conn)

    def flush(self):
        while self.waiting:
            super().send(*self.waiting.pop())


class LosesWhatIsLong(Server):
    def send(self, conn, message):
        if len(json.dumps(message)) < 32_768:
            super().send(conn, message)


class LosesWhatIsEmpty(Server):
    """Only random messages show it."""

    def send(self, conn, message):
        if message:
            super().send(conn, message)


class NumbersBecomeText(Server):
    def send(self, conn, message):
        super().send(conn, {name: str(one) for name, one in message.items()})


class ClosesAtOnce(Server):
    def close(self, conn):
        if line := self._lines.get(conn):
            line.down.lose(100)
        super().close(conn)


class ClosesTheTransport(Server):
    def close(self, conn):
        for one in list(self._lines):
            super().close(one)


class NeverCloses(Server):
    def close(self, conn):
        self._lines.pop(conn, None)


class HearsTheClosed(Server):
    """Its own close is told to it."""

    def start(self, hears):
        super().start(hears)
        self.said = hears

    def close(self, conn):
        if conn in self._lines:
            super().close(conn)
            self.runtime.call_at(0, lambda: self.said.closed(conn))


class RaisesForTheDead(Server):
    def send(self, conn, message):
        if conn not in self._lines:
            raise KeyError(conn)
        super().send(conn, message)


class ChokesOnJunk(Server):
    """What is no object takes the whole server down."""

    def start(self, hears):
        def received(conn, message):
            if isinstance(message, dict):
                hears.received(conn, message)
            else:
                self.stop()

        good = Between(hears)
        good.received = received
        super().start(good)


class SpeaksInThreads(Server):
    def start(self, hears):
        away = Between(hears)
        away.received = lambda *arguments: threading.Thread(
            target=hears.received, args=arguments
        ).start()
        super().start(away)


class LeavesATask(Server):
    def start(self, hears):
        super().start(hears)
        self.task = asyncio.get_running_loop().create_task(asyncio.sleep(3600), name="forgotten")


class TaskThatFails(Server):
    def start(self, hears):
        async def fail():
            raise ZeroDivisionError

        super().start(hears)
        asyncio.get_running_loop().create_task(fail())


# -- clients ---------------------------------------------------------------------------------------


class DialsAgain(Client):
    def _arrived(self, line, item):
        hears = self._hears
        super()._arrived(line, item)
        if self._line is None and hears is not None:
            self.open(Between(hears))


class HearsOlderDials(Client):
    def open(self, hears):
        self.close()
        MemoryClientSignaling.open(self, hears)

    def close(self):
        self._keep = self._hears
        super().close()

    def _arrived(self, line, item):
        if line is not self._line and isinstance(item, str) and self._hears is not None:
            self._hears.received(json.loads(item))
        super()._arrived(line, item)


class HearsAfterClose(Client):
    last = None

    def open(self, hears):
        super().open(hears)
        self.last = hears

    def close(self):
        super().close()
        if self.last is not None:
            last, self.last = self.last, None
            self.runtime.call_at(0, lambda: last.closed("closed"))


class LosesAtClose(Client):
    def close(self):
        if self._line is not None:
            self._line.up.lose(100)
        super().close()


class HangsUpInSilence(Client):
    """The far end is not told."""

    def close(self):
        self._forget()


class DialsInSilence(Client):
    """A dial that fails is not heard of."""

    def _unanswered(self):
        self.close()

    def _arrived(self, line, item):
        if self._timeout is None or not hasattr(item, "cause"):
            super()._arrived(line, item)


class RaisesWithoutConnection(Client):
    def send(self, message):
        if self._line is None:
            raise ConnectionError("not connected")
        super().send(message)


class GivesNoCause(Client):
    def open(self, hears):
        plain = Between(hears)
        plain.closed = lambda cause: hears.closed(None)
        super().open(plain)


class EveryOtherIsLost(Client):
    number = 0

    def send(self, message):
        self.number += 1
        if self.number % 8:
            super().send(message)


class SaysItTwice(Client):
    """A message in a while, as if it had been sent again."""

    numbers = itertools.count(1)

    def send(self, message):
        super().send(message)
        if next(self.numbers) % 8 == 0:
            super().send(message)


class DoesNotStart(Server):
    def start(self, hears):
        raise OSError("the port is in use")


class HasNoLock(Server):
    runtime = None

    def __init__(self):
        """It has nothing else either."""

    def stop(self):
        pass


class FailsToClose(Server):
    async def closed(self):
        raise OSError("closed already")


BROKEN = [
    (DoesNotStart, scene.NEVER_RAISES),
    (HasNoLock, scene.LOCK),
    (FailsToClose, scene.TASKS),
    (
        between(received=lambda self, conn, message: self.hears.received(conn, {"a": b"raw"})),
        scene.CLIENT_FIFO,
    ),
    (between(opened=lambda self, conn: self.hears.opened([conn])), ears.OPENED),
    (between(opened=twice("opened")), ears.NAMED),
    (NamesByClient, ears.NAMED),
    (between(closed=twice("closed")), ears.SERVER_CLOSED),
    (between(closed=lambda self, conn: None), ears.SERVER_CLOSED),
    (HearsTheClosed, ears.SILENT),
    (SendsToTheRoom, scene.SERVER_FIFO),
    (LastInFirstOut, scene.SERVER_FIFO),
    (LosesWhatIsLong, scene.SERVER_FIFO),
    (NumbersBecomeText, scene.SERVER_FIFO),
    (ClosesAtOnce, check_signaling.SERVER_CLOSES),
    (ClosesTheTransport, check_signaling.SERVER_CLOSES),
    (NeverCloses, ears.ENDED),
    (RaisesForTheDead, scene.NEVER_RAISES),
    (ChokesOnJunk, scene.CLIENT_FIFO),
    (SpeaksInThreads, ears.HEARD_AT),
    (LeavesATask, scene.TASKS),
    (TaskThatFails, scene.TASKS),
    (with_client(DialsAgain), ears.ENDED),
    (with_client(HearsOlderDials), ears.OLDER_UNHEARD),
    (with_client(HearsAfterClose), ears.CLIENT_SILENT),
    (with_client(LosesAtClose), check_signaling.CLIENT_CLOSES),
    (with_client(HangsUpInSilence), ears.SERVER_CLOSED),
    (with_client(DialsInSilence), ears.ENDED),
    (with_client(RaisesWithoutConnection), scene.NEVER_RAISES),
    (with_client(GivesNoCause), ears.ENDED),
    (with_client(EveryOtherIsLost), scene.CLIENT_FIFO),
    (with_client(SaysItTwice), scene.CLIENT_FIFO),
]


def verdict(setting, **options):
    with pytest.raises(BrokenPromise) as caught:
        check(setting, patience=PATIENCE, quiet=QUIET, **options)
    return caught.value


@pytest.mark.parametrize(
    ("server", "promise"), BROKEN, ids=lambda one: getattr(one, "__name__", "")
)
def test_a_broken_word_is_named(server, promise):
    """Whatever an adapter does wrong, the sentence of its port that it breaks is quoted."""
    error = verdict(served_by(server))
    assert error.promise == promise, error
    assert f'"{promise.words}"' in str(error)


def test_good_adapters_pass():
    """On one loop, and on threads under a lock."""
    check(served_by(Server), quiet=QUIET, examples=3)

    @asynccontextmanager
    async def threads():
        runtime = ThreadRuntime()
        signaling = Server(runtime)
        try:
            yield signaling, signaling.client
        finally:
            with runtime.lock:
                signaling.stop()

    check(threads, quiet=QUIET, examples=1)


def test_threads_speak_under_the_lock():
    """Whoever speaks in a thread of its own, without the lock, races with the shell."""

    class Careless(ThreadRuntime):
        def call_at(self, when, callback):
            def call():
                threading.Thread(target=callback).start()

            return super().call_at(when, call)

    @asynccontextmanager
    async def threads():
        yield (signaling := Server(Careless())), signaling.client

    assert verdict(threads).promise == ears.HEARD_AT


def test_a_stranger_is_let_in():
    """What it does is done in the midst of a game, and its own trouble is its own."""
    came = []

    @asynccontextmanager
    async def setting():
        signaling = Server()

        async def stranger():
            came.append(len(signaling._lines))
            raise ConnectionResetError

        yield signaling, signaling.client, stranger
        signaling.stop()

    check(setting, quiet=QUIET, examples=1)
    assert came == [2]


def test_a_stranger_who_does_harm_is_told():
    """Here the others' connections are lost with it."""

    @asynccontextmanager
    async def setting():
        signaling = Server()

        async def stranger():
            signaling.stop()

        yield signaling, signaling.client, stranger

    error = verdict(setting)
    assert "a stranger does what it likes" in error.done


def test_random_messages_are_shrunk(monkeypatch):
    """The shortest conversation that goes wrong is told."""
    monkeypatch.setattr(promise, "SHRINKING_MAX", 60.0)
    error = verdict(served_by(LosesWhatIsEmpty))
    assert error.promise == scene.SERVER_FIFO
    assert list(error.done[1:]) == [
        "server: send(to client 1, {})",
        "client 1: send({'last': 1})",
        "server: send(to client 1, {'last': 2})",
    ]


def test_a_task_that_is_known_to_linger_is_no_leak():
    """A library may need a while to notice that all is over."""
    error = verdict(served_by(LeavesATask))
    assert "tasks are left: sleep" in error.saw
    check(served_by(LeavesATask), quiet=QUIET, examples=1, lingering=["sleep"])
