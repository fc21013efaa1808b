"""The game server of the demo, a process of its own: `python -m reconnect.demo.server`."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import socketio
import uvicorn

from reconnect.coordinator import Coordinator
from reconnect.core.notices import SessionNotice
from reconnect.demo.lines import orders, say, say_notice
from reconnect.handle import SessionHandle
from reconnect.policy import Policy
from reconnect.signaling.socketio import SocketIOSignaling
from reconnect.stores.sqlite import SQLiteStore
from reconnect.telemetry.outages import Outages
from reconnect.telemetry.replay import replay
from reconnect.telemetry.trace import TraceWriter


class Server:
    """One session on a real Socket.IO server on loopback; one that is in the store goes on."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.trace = config["trace"]
        sio = socketio.AsyncServer(async_mode="asgi")
        self.coordinator = Coordinator(
            signaling=SocketIOSignaling(sio),
            store=SQLiteStore(config["store"]),
            policy=Policy(topology="mesh", outage_timeout=config["timeout"]),
            recorder=TraceWriter(self.trace),
            on_notice=self._heard,
        )
        stored = self.coordinator.sessions()
        self.session = stored[0] if stored else self.coordinator.open(config["players"])
        self.tokens = (
            {} if stored else {one: self.session.invite(one) for one in self.session.players}
        )
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(("127.0.0.1", config["port"]))
        self.web = uvicorn.Server(
            uvicorn.Config(socketio.ASGIApp(sio), log_level="warning", lifespan="off")
        )

    async def run(self, heard: AsyncIterator[dict[str, Any]]) -> None:
        """Serve until the parent says otherwise."""
        serving = asyncio.create_task(self.web.serve(sockets=[self.socket]))
        while not self.web.started:
            await asyncio.sleep(0.01)
        port = self.socket.getsockname()[1]
        say("ready", port=port, session=self.session.id, tokens=self.tokens)
        explaining = asyncio.create_task(self._explain())
        async for order in heard:
            if "end" in order:
                self.session.end(order["end"])
            else:
                self._final()
        explaining.cancel()
        self.coordinator.close()
        await self.coordinator.closed()
        self.web.should_exit = True
        await serving

    def _heard(self, _session: SessionHandle, notice: SessionNotice) -> None:
        say_notice(notice)

    async def _explain(self) -> None:
        while True:
            say("shows", state=self.session.state, explain=self.session.explain())
            await asyncio.sleep(0.25)

    def _final(self) -> None:
        """The last word; folded from the trace, which knows what older processes saw."""
        outages = Outages()
        replay(self.trace, recorder=outages)
        say(
            "final",
            reason=self.session.reason,
            outages=[one.to_json() for one in outages.of(self.session.id)],
            total_pause_ms=round(self.session.paused_total * 1000),
            stats=self.coordinator.stats(),
        )


async def main() -> None:
    """Serve as the first order says."""
    heard = orders()
    await Server(await anext(heard)).run(heard)


if __name__ == "__main__":
    asyncio.run(main())
