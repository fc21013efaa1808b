"""One story of a signaling adapter: who dials, what is sent, and what has to be heard."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable, Collection, Coroutine, Hashable
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Any, TypeAlias, TypeVar

from attrs import define, frozen

from reconnect.ports import ClientSignaling, Closing, ServerSignaling
from reconnect.testing.checks.ears import (
    CLIENT_SILENT,
    DIALS_ONCE,
    OLDER_UNHEARD,
    Blame,
    ClientEars,
    ServerEars,
)
from reconnect.testing.checks.patience import POLL, Patience
from reconnect.testing.checks.promise import BrokenPromise, Promise
from reconnect.testing.checks.values import same

T = TypeVar("T")

SHOWN_MAX = 80  # characters of a message

TASKS = Promise(
    "",
    "An adapter starts its own tasks, keeps references to them, and ends them on `close()`.",
)
LOCK = Promise("Runtime.lock", "Held around every call into a shell")
NEVER_RAISES = Promise("", "return at once and never raise because a far end is gone")
SERVER_FIFO = Promise(
    "ServerSignaling.send",
    "First in, first out for each connection; to the socket, never to a room.",
)
CLIENT_FIFO = Promise(
    "ClientSignaling.send", "First in, first out; lost without a word where there is no connection."
)

MakeClient: TypeAlias = Callable[[], ClientSignaling]
Stranger: TypeAlias = Callable[[], Awaitable[object]]
Ends: TypeAlias = tuple[ServerSignaling, MakeClient] | tuple[ServerSignaling, MakeClient, Stranger]
Setting: TypeAlias = Callable[[], AbstractAsyncContextManager[Ends]]


@frozen(kw_only=True)
class Times:
    """How long to wait, and for what not."""

    patience: float
    """Seconds that anything may take."""
    quiet: float
    """Seconds in which nothing may come."""
    lingering: Collection[str] = ()
    """Coroutines of tasks that end by themselves."""


@define(eq=False)
class Caller:
    """A client, what it hears of its present dial, and what that is called at the server."""

    client: ClientSignaling
    number: int
    ears: ClientEars
    conn: Hashable = None


class Scene(Patience):
    """The server, its clients, and what was done."""

    def __init__(self, ends: Ends, times: Times) -> None:
        super().__init__(times.patience, times.quiet)
        self.server = ends[0]
        self.make_client = ends[1]
        self.stranger = ends[2] if len(ends) == 3 else None
        self.blame = Blame()
        self.callers: list[Caller] = []
        self.ears = ServerEars(self.blame, self._lock_of(self.server))
        self._do("server: start(...)", self.server, lambda: self.server.start(self.ears))
        self.done.clear()

    # -- what is done ------------------------------------------------------------------------------

    def caller(self) -> Caller:
        """A client that has not dialled yet."""
        client = self.make_client()
        caller = Caller(client, len(self.callers) + 1, self._ears_of(client))
        self.callers.append(caller)
        return caller

    def open(self, caller: Caller) -> ClientEars:
        """Dial, once more if need be; of the older dial nothing may be heard any more."""
        older, caller.ears = caller.ears, self._ears_of(caller.client)
        if older.log:
            caller.ears.early = OLDER_UNHEARD

        def dial() -> None:
            older.over = older.over or OLDER_UNHEARD
            caller.client.open(caller.ears)

        self._do(f"client {caller.number}: open(...)", caller.client, dial)
        return caller.ears

    async def dial(self, caller: Caller | None = None) -> Caller:
        """A client, new or again, whose connection both ends have heard of."""
        caller = caller or self.caller()
        before = len(self.ears.names)
        ears = self.open(caller)
        saw = f"client {caller.number} dialled; it heard {ears.log}, "
        await self.until(
            lambda: ears.log and len(self.ears.names) > before,
            DIALS_ONCE,
            lambda: (
                f"client {caller.number} dialled: it heard {ears.log}, and the server opened "
                f"{len(self.ears.names) - before} connections"
            ),
        )
        self.expect(ears.is_open, DIALS_ONCE, f"{saw}with the cause {ears.cause!r}")
        caller.conn = self.ears.names[-1]
        return caller

    def say(self, caller: Caller, message: Any) -> None:
        """The client sends."""
        what = f"client {caller.number}: send({shown(message)})"
        self._do(what, caller.client, lambda: caller.client.send(message))

    def tell(self, caller: Caller, message: dict[str, Any]) -> None:
        """The server sends."""
        conn = caller.conn
        what = f"server: send(to client {caller.number}, {shown(message)})"
        self._do(what, self.server, lambda: self.server.send(conn, message))

    def hang_up(self, caller: Caller) -> None:
        """The client closes."""

        def close() -> None:
            caller.ears.over = caller.ears.over or CLIENT_SILENT
            caller.client.close()

        self._do(f"client {caller.number}: close()", caller.client, close)

    def send_away(self, caller: Caller) -> None:
        """The server closes."""

        def close() -> None:
            self.ears.leave(caller.conn)
            self.server.close(caller.conn)

        self._do(f"server: close(client {caller.number})", self.server, close)

    # -- what is expected --------------------------------------------------------------------------

    async def arrive(self, caller: Caller, sent: list[Any], *, up: bool) -> None:
        """All of what was sent is heard, in order, as it was."""
        promise = CLIENT_FIFO if up else SERVER_FIFO

        def heard() -> list[Any]:
            return self.ears.of(caller.conn) if up else caller.ears.messages

        compared = 0

        def all_are_there() -> bool:
            nonlocal compared
            found = heard()
            for number in range(compared, min(len(found), len(sent))):
                one, other = found[number], sent[number]
                compared += 1
                saw = f"message {number + 1} is {shown(one)}, and was sent as {shown(other)}"
                self.expect(same(one, other), promise, saw)
            saw = f"{len(found)} messages were heard, and {len(sent)} were sent"
            self.expect(len(found) <= len(sent), promise, saw)
            return len(found) == len(sent)

        await self.until(
            all_are_there, promise, lambda: f"{len(heard())} of {len(sent)} messages were heard"
        )

    async def round_trip(self, caller: Caller) -> None:
        """A message goes each way, behind all that was sent."""
        up = [*self.ears.of(caller.conn), {"up": len(self.done)}]
        down = [*caller.ears.messages, {"down": len(self.done)}]
        self.say(caller, up[-1])
        self.tell(caller, down[-1])
        await self.arrive(caller, up, up=True)
        await self.arrive(caller, down, up=False)

    def ask(self, promise: Promise, what: str, call: Callable[[], T]) -> T:
        """What it gives; whatever it raises breaks the promise."""
        try:
            return call()
        except Exception as error:
            saw = f"{what} raised {type(error).__name__}: {error}"
            raise self.broken(promise, saw) from error

    def judge(self) -> None:
        """Raise the first word that was broken."""
        for promise, saw in self.blame.all:
            self.expect(False, promise, saw)

    # -- inside ------------------------------------------------------------------------------------

    async def leave(self) -> None:
        """Close all clients, and wait for their tasks."""
        for caller in self.callers:
            self.hang_up(caller)
        for one in (*(caller.client for caller in self.callers), self.server):
            if isinstance(one, Closing):
                try:
                    await asyncio.wait_for(one.closed(), self.patience)
                except TimeoutError:
                    saw = f"closed() of {type(one).__name__} does not return"
                    self.expect(False, TASKS, saw)
                except Exception as error:
                    saw = f"closed() of {type(one).__name__} raised {error!r}"
                    raise self.broken(TASKS, saw) from error
        self.judge()

    def _ears_of(self, client: ClientSignaling) -> ClientEars:
        return ClientEars(self.blame, self._lock_of(client))

    def _lock_of(self, adapter: ServerSignaling | ClientSignaling) -> AbstractContextManager[Any]:
        return self.ask(
            LOCK, f"{type(adapter).__name__}.runtime.lock", lambda: adapter.runtime.lock
        )

    def _do(
        self, what: str, adapter: ServerSignaling | ClientSignaling, call: Callable[[], None]
    ) -> None:
        self.done.append(what)
        try:
            with adapter.runtime.lock:
                call()
        except Exception as error:
            saw = f"{what} raised {type(error).__name__}: {error}"
            self.blame.expect(False, NEVER_RAISES, saw)  # an adapter may catch what is raised here
            raise self.broken(NEVER_RAISES, saw) from error


def shown(message: object) -> str:
    """A message, as far as it fits on a line."""
    text = repr(message)
    return text if len(text) <= SHOWN_MAX else f"{text[:SHOWN_MAX]}... ({len(text)} characters)"


def played(
    setting: Setting,
    story: Callable[[Scene], Coroutine[Any, Any, None]],
    times: Times,
) -> None:
    """Play one story in a loop of its own, and see that nothing is left of it."""

    async def play() -> None:
        async with setting() as ends:
            scene = Scene(ends, times)
            await story(scene)
            await scene.leave()

    run_clean(play, times)


def run_clean(play: Callable[[], Coroutine[Any, Any, None]], times: Times) -> None:
    """Run it in a loop of its own; it may leave no task, and no exception that nobody heard of."""
    unheard: list[str] = []

    def hear(_loop: object, context: dict[str, Any]) -> None:
        unheard.append(f"{context['message']}: {context.get('exception')!r}")

    async def watched() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(hear)
        await play()
        ends_at = loop.time() + times.patience
        while left := left_over() - set(times.lingering):
            if loop.time() > ends_at:
                raise BrokenPromise(TASKS, f"tasks are left: {', '.join(sorted(left))}")
            await asyncio.sleep(POLL)
        gc.collect(1)  # what is older than this story is none of its business
        await asyncio.sleep(0)
        if unheard:
            raise BrokenPromise(TASKS, f"nobody heard of this: {unheard[0]}")

    asyncio.run(watched())


def left_over() -> set[str]:
    """What the coroutines of all other tasks are called."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    return {getattr(one.get_coro(), "__qualname__", repr(one)) for one in others}
