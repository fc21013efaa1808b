"""Processes that run a coordinator on an SQLite store, and may kill themselves at a named point.

`python -m tests.stores.nursery` reads orders, one a line, and forks a child for each: everything
is imported by then, so that a process is there at once. A child connects to the socket that its
order names. Over it go the control links of the clients, and orders to the application:

    {"opened": 1}  {"conn": 1, "says": {...}}  {"closed": 1}
    {"open": "id", "players": [...]}  {"invite": ["id", "alice"]}  {"end": ["id", "reason"]}

and back:

    {"up": true}  {"refused": "StoreInUse", "detail": "..."}  {"conn": 1, "hears": {...}}
    {"token": ["id", "alice", "..."]}  {"told": ["id", "Ended", ...]}  {"gone": "closed"}

SIGTERM hands over in order; SIGUSR1 stops the process in the middle of its next write. On its own
output the nursery says `born <pid>`, for each order, and `dead <pid> <exit code>`. The points are
"before" and "after" of begin, write, commit and send.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import sys
import traceback
from contextlib import suppress
from functools import partial

from reconnect.coordinator import Coordinator
from reconnect.core.notices import Ended, Paused
from reconnect.errors import LocalProtocolError, ReconnectError
from reconnect.policy import Policy
from reconnect.runtimes import AsyncioRuntime
from reconnect.stores.sqlite import SQLiteStore

STATEMENTS = {
    "BEGIN": "begin",
    "INSERT INTO records": "write",
    "DELETE FROM records WHERE session": "write",
    "COMMIT": "commit",
}
POINTS = [
    f"{when} {what}"
    for what in ("begin", "write", "commit", "send")
    for when in ("before", "after")
]


class Fate:
    """When this process dies by its own hand: at the so-manieth time that it comes to a point."""

    def __init__(self, point: str | None, times: int) -> None:
        self.point = point
        self.times = times
        self.stops = False

    def at(self, point: str) -> None:
        if self.stops and point == "before commit":
            self.stops = False
            os.kill(os.getpid(), signal.SIGSTOP)
        if point == self.point:
            self.times -= 1
            if self.times == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    def stop(self) -> None:
        """Stop, to be continued, in the middle of the next write."""
        self.stops = True


class MortalConnection(sqlite3.Connection):
    """A connection that comes by the points; of the file lock's nothing is counted."""

    fate: Fate

    def execute(self, statement, *args):
        kinds = (kind for start, kind in STATEMENTS.items() if statement.startswith(start))
        kind = None if statement == "BEGIN EXCLUSIVE" else next(kinds, None)
        if kind is None:
            return super().execute(statement, *args)
        self.fate.at(f"before {kind}")
        cursor = super().execute(statement, *args)
        self.fate.at(f"after {kind}")
        return cursor


class SocketSignaling(asyncio.Protocol):
    """All control links, and orders, over one socket; what comes is heard in front of any timer."""

    def __init__(self, fate: Fate) -> None:
        self.runtime = AsyncioRuntime()
        self.fate = fate
        self.hears = None
        self.obey = None
        self._rest = b""

    def connection_made(self, transport) -> None:
        self.transport = transport

    def data_received(self, data) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._line(json.loads(line))

    def _line(self, line: dict) -> None:
        match line:
            case {"opened": conn}:
                self.hears.opened(conn)
            case {"closed": conn}:
                self.hears.closed(conn)
            case {"conn": conn, "says": message}:
                self.hears.received(conn, message)
            case order:
                self.obey(order)

    def start(self, hears) -> None:
        self.hears = hears

    def say(self, **line) -> None:
        """The system has it when this returns: the lines are short, and the parent reads them."""
        self.transport.write(json.dumps(line).encode() + b"\n")

    def send(self, conn, message) -> None:
        self.fate.at("before send")
        self.say(conn=conn, hears=message)
        self.fate.at("after send")

    def close(self, conn) -> None:
        self.say(conn=conn, hears=None)


async def live(order: dict) -> None:
    fate = Fate(order.get("point"), order.get("times", 1))
    MortalConnection.fate = fate
    sqlite3.connect = partial(sqlite3.connect, factory=MortalConnection)
    signaling = SocketSignaling(fate)
    await asyncio.get_running_loop().create_unix_connection(lambda: signaling, order["socket"])
    try:
        store = SQLiteStore(order["path"], takeover_after=order.get("takeover_after", 10.0))
    except ReconnectError as error:
        signaling.say(refused=type(error).__name__, detail=str(error))
    else:
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, fate.stop)
        await serve(signaling, store, Policy(**order["policy"]))
    signaling.transport.close()  # which sends what is left


async def serve(signaling: SocketSignaling, store: SQLiteStore, policy: Policy) -> None:
    coordinator = Coordinator(
        signaling=signaling, store=store, policy=policy, on_notice=partial(tell, signaling)
    )
    signaling.obey = partial(obey, coordinator, signaling)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, coordinator.close)
    signaling.say(up=True)
    await coordinator.closed()
    signaling.say(gone="closed")


def tell(signaling: SocketSignaling, session, notice) -> None:
    match notice:
        case Ended(reason):
            signaling.say(told=[session.id, "ended", reason])
        case Paused(outage=number):
            signaling.say(told=[session.id, "paused", number])
        case _:
            pass


def obey(coordinator: Coordinator, signaling: SocketSignaling, order: dict) -> None:
    with suppress(LocalProtocolError):  # the parent cannot know how far we were
        match order:
            case {"open": session, "players": players}:
                coordinator.open(players, id=session, data={"table": session})
            case {"invite": [session, player]} if handle := coordinator.get(session):
                signaling.say(token=[session, player, handle.invite(player)])
            case {"end": [session, reason]} if handle := coordinator.get(session):
                handle.end(reason)


def child(order: dict) -> None:
    """Live, and never come back."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    code = 1
    try:
        asyncio.run(live(order))
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def say(line: str) -> None:
    """In one piece, even from the middle of something else."""
    os.write(sys.stdout.fileno(), f"{line}\n".encode())


def bury(*_) -> None:
    """Say how they ended: the signal as a negative number, as subprocess does."""
    with suppress(ChildProcessError):
        while (found := os.waitpid(-1, os.WNOHANG))[0]:
            say(f"dead {found[0]} {os.waitstatus_to_exitcode(found[1])}")


def main() -> None:
    signal.signal(signal.SIGCHLD, bury)
    for line in sys.stdin:
        if (pid := os.fork()) == 0:
            child(json.loads(line))
        say(f"born {pid}")


if __name__ == "__main__":
    main()
