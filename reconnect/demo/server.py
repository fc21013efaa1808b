"""The game server of the demo, a process of its own: `python -m reconnect.demo.server`."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import socketio
import uvicorn

from reconnect.coordinator import Coordinator
from reconnect.core.notices import SessionNotice
from reconnect.demo.lines import orders, say, say_notice
from reconnect.handle import SessionHandle
from reconnect.policy import Policy
from reconnect.signaling.socketio import SocketIOSignaling
from reconnect.telemetry.outages import Outages
from reconnect.telemetry.recorder import Recorders
from reconnect.telemetry.trace import TraceWriter


class Server:
    """One session on a real Socket.IO server on loopback."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.outages = Outages()
        sio = socketio.AsyncServer(async_mode="asgi")
        self.coordinator = Coordinator(
            signaling=SocketIOSignaling(sio),
            policy=Policy(topology="mesh", outage_timeout=config["timeout"]),
            recorder=Recorders(TraceWriter(config["trace"]), self.outages),
            on_notice=self._heard,
        )
        self.session = self.coordinator.open(config["players"])
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        self.web = uvicorn.Server(
            uvicorn.Config(socketio.ASGIApp(sio), log_level="warning", lifespan="off")
        )

    async def run(self, heard: Any) -> None:
        """Serve until the parent says otherwise."""
        serving = asyncio.create_task(self.web.serve(sockets=[self.socket]))
        while not self.web.started:
            await asyncio.sleep(0.01)
        say(
            "ready",
            port=self.socket.getsockname()[1],
            session=self.session.id,
            tokens={player: self.session.invite(player) for player in self.session.players},
        )
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
        say(
            "final",
            reason=self.session.reason,
            outages=[one.to_json() for one in self.outages.of(self.session.id)],
            total_pause_ms=round(self.session.paused_total * 1000),
            stats=self.coordinator.stats(),
        )


async def main() -> None:
    """Serve as the first order says."""
    heard = orders()
    await Server(await anext(heard)).run(heard)


if __name__ == "__main__":
    asyncio.run(main())
