"""Processes that run a coordinator on an SQLite store, and may kill themselves at a named point.

`python -m tests.stores.nursery` reads orders, one a line, and forks a child for each: everything
is imported by then, so that a process is there at once. A child connects to the socket that its
order names. Over it go the control links of the clients, and orders to the application:

    {"opened": 1}  {"conn": 1, "says": {...}}  {"closed": 1}
    {"open": "id", "players": [...]}  {"invite": ["id", "alice"]}  {"end": ["id", "reason"]}

and back:

    {"up": pid}  {"refused": "StoreInUse", "detail": "..."}  {"conn": 1, "hears": {...}}
    {"token": ["id", "alice", "..."]}  {"told": ["id", "Ended", ...]}  {"gone": "closed"}

SIGTERM hands over in order. The points are "before" and "after" of begin, write, commit and send.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import sys
from functools import partial

from reconnect.coordinator import Coordinator
from reconnect.core.notices import Ended, Paused
from reconnect.errors import ReconnectError
from reconnect.policy import Policy
from reconnect.runtimes import AsyncioRuntime
from reconnect.stores.sqlite import SQLiteStore

LINE_MAX = 1 << 20
STATEMENTS = {
    "BEGIN": "begin",
    "INSERT INTO records": "write",
    "DELETE FROM records WHERE session": "write",
    "COMMIT": "commit",
}
POINTS = [f"{when} {what}" for what in ("begin", "write", "commit", "send") for when in ("before", "after")]


class Fate:
    """When this process dies by its own hand: at the so-manieth time that it comes to a point."""

    def __init__(self, point: str | None, times: int) -> None:
        self.point = point
        self.times = times

    def at(self, point: str) -> None:
        if point == self.point:
            self.times -= 1
            if self.times == 0:
                os.kill(os.getpid(), signal.SIGKILL)


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


class SocketSignaling:
    """All control links over one socket."""

    def __init__(self, writer: asyncio.StreamWriter, fate: Fate) -> None:
        self.runtime = AsyncioRuntime()
        self.writer = writer
        self.fate = fate
        self.hears = None

    def start(self, hears) -> None:
        self.hears = hears

    def say(self, **line) -> None:
        """The system has it when this returns: the lines are short, and the parent reads them."""
        self.writer.write(json.dumps(line).encode() + b"\n")

    def send(self, conn, message) -> None:
        self.fate.at("before send")
        self.say(conn=conn, hears=message)
        self.fate.at("after send")

    def close(self, conn) -> None:
        self.say(conn=conn, hears=None)


async def live(order: dict) -> None:
    reader, writer = await asyncio.open_unix_connection(order["socket"], limit=LINE_MAX)
    fate = Fate(order.get("point"), order.get("times", 1))
    MortalConnection.fate = fate
    sqlite3.connect = partial(sqlite3.connect, factory=MortalConnection)
    signaling = SocketSignaling(writer, fate)
    try:
        store = SQLiteStore(order["path"], takeover_after=order.get("takeover_after", 10.0))
    except ReconnectError as error:
        signaling.say(refused=type(error).__name__, detail=str(error))
    else:
        coordinator = Coordinator(
            signaling=signaling,
            store=store,
            policy=Policy(**order.get("policy", {})),
            on_notice=partial(tell, signaling),
        )
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, coordinator.close)
        signaling.say(up=os.getpid())
        obeying = asyncio.create_task(obey(coordinator, signaling, reader))
        await coordinator.closed()
        obeying.cancel()
        signaling.say(gone="closed")
    await writer.drain()
    writer.close()
    await writer.wait_closed()


def tell(signaling: SocketSignaling, session, notice) -> None:
    match notice:
        case Ended(reason):
            signaling.say(told=[session.id, "ended", reason])
        case Paused(outage=number):
            signaling.say(told=[session.id, "paused", number])
        case _:
            pass


async def obey(coordinator: Coordinator, signaling: SocketSignaling, reader) -> None:
    hears = signaling.hears
    while text := await reader.readline():
        match json.loads(text):
            case {"opened": conn}:
                hears.opened(conn)
            case {"closed": conn}:
                hears.closed(conn)
            case {"conn": conn, "says": message}:
                hears.received(conn, message)
            case {"open": session, "players": players}:
                coordinator.open(players, id=session, data={"table": session})
            case {"invite": [session, player]}:
                if handle := coordinator.get(session):
                    signaling.say(token=[session, player, handle.invite(player)])
            case {"end": [session, reason]}:
                if handle := coordinator.get(session):
                    handle.end(reason)


def child(order: dict) -> None:
    """Live, and never come back."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    code = 1
    try:
        asyncio.run(live(order))
        code = 0
    finally:
        os._exit(code)


def main() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody asks how they ended
    for line in sys.stdin:
        if os.fork() == 0:
            child(json.loads(line))


if __name__ == "__main__":
    main()
