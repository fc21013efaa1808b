"""Three ways to connect two players: with reconnect, by hand, and with aiortc left alone."""

from __future__ import annotations

import asyncio
import time
from typing import Any, Protocol

import aioice.ice
import socketio
from _lab import LOOPBACK
from _measure import HAND, OURS, STOCK
from aiortc import RTCConfiguration, RTCDataChannel, RTCPeerConnection, RTCSessionDescription

from reconnect import Client
from reconnect.core.notices import Resumed
from reconnect.links.aiortc import AiortcLinks
from reconnect.signaling.socketio import SocketIOClientSignaling
from reconnect.testing.path_links import PathLinks
from reconnect.testing.remote import Rewrites

HEARTBEAT = 0.25
SILENCE_MAX = 1.0  # as in our own policy
LOOK = 0.05  # how often silence is looked at
ATTEMPT_TIMEOUT = 3.0  # as in our own policy
BEAT = "beat"


class Arm(Protocol):
    """One player's end; numbers are what the game sends."""

    async def open(self) -> None: ...

    @property
    def playing(self) -> bool:
        """Whether the game may take a step."""
        ...

    @property
    def told_to_start_at(self) -> list[float]:
        """When it heard each time that the game goes on."""
        ...

    def send(self, number: int) -> None: ...

    def receive(self) -> list[int]:
        """What has come since the last call."""
        ...

    async def close(self) -> None: ...


class Ours:
    """A game on `reconnect.Client`."""

    def __init__(self, seat: dict[str, Any], path: Rewrites) -> None:
        self.told_to_start_at: list[float] = []
        self._seat, self._path = seat, path

    async def open(self) -> None:
        player = self._seat["player"]
        self.client = Client(
            signaling=SocketIOClientSignaling(self._seat["url"]),
            links=PathLinks(AiortcLinks(addresses=[LOOPBACK]), self._path, player=player),
            session=self._seat["session"],
            player=player,
            token=self._seat["token"],
            resync=self,
        )

    @property
    def playing(self) -> bool:
        for notice in self.client.notices():
            if isinstance(notice, Resumed):
                self.told_to_start_at.append(time.monotonic())
        return self.client.playing

    def send(self, number: int) -> None:
        self.client.send(b"%d" % number)

    def receive(self) -> list[int]:
        return [int(data) for _, data in self.client.receive()]

    def snapshot(self) -> bytes:
        """What a player's next program needs to know; this game remembers nothing."""
        return b"nothing"

    def restore(self, data: bytes) -> None:
        assert data == b"nothing"

    async def close(self) -> None:
        self.client.close()
        await self.client.closed()


class Stock:
    """A peer connection of aiortc with a reliable channel, which nobody looks after."""

    def __init__(self, seat: dict[str, Any], path: Rewrites) -> None:
        # aioice does not offer the one address that every machine has
        aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: [LOOPBACK]  # noqa: ARG005
        self.told_to_start_at: list[float] = []
        self._seat, self._path = seat, path
        self._far = "bob" if seat["player"] == "alice" else "alice"
        self._relay = socketio.AsyncClient()
        self._relay.on("all_here", self._all_here)
        self._relay.on("told", self._told)
        self._pc: RTCPeerConnection | None = None
        self._channel: RTCDataChannel | None = None
        self._inbox: list[int] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        await self._relay.connect(self._seat["relay_url"], transports=["websocket"])
        await self._relay.emit("join", (self._seat["table"], self._seat["player"]))

    @property
    def playing(self) -> bool:
        return self._channel is not None

    def send(self, number: int) -> None:
        if channel := self._open_channel:
            channel.send(str(number))

    def receive(self) -> list[int]:
        taken, self._inbox = self._inbox, []
        return taken

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._relay.disconnect()
        if self._pc is not None:
            await self._pc.close()

    @property
    def _open_channel(self) -> RTCDataChannel | None:
        channel = self._channel
        return channel if channel is not None and channel.readyState == "open" else None

    # -- the relay -------------------------------------------------------------------------------

    async def _tell(self, kind: str, text: str = "") -> None:
        await self._relay.emit("tell", (self._seat["table"], self._seat["player"], kind, text))

    async def _all_here(self) -> None:
        if self._seat["offers"] and self._pc is None:
            await self._offer()

    async def _told(self, kind: str, text: str) -> None:
        text = self._path.rewrite(text, sender=self._far, receiver=self._seat["player"])
        if kind == "offer":
            pc = self._new_connection()
            pc.on("datachannel", self._take)
            await pc.setRemoteDescription(RTCSessionDescription(text, kind))
            await pc.setLocalDescription(await pc.createAnswer())
            await self._tell("answer", pc.localDescription.sdp)
        elif self._pc is not None and self._pc.signalingState == "have-local-offer":
            await self._pc.setRemoteDescription(RTCSessionDescription(text, kind))

    # -- the connection --------------------------------------------------------------------------

    def _new_connection(self) -> RTCPeerConnection:
        if self._pc is not None:
            self._start(self._pc.close())
        self._pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        return self._pc

    async def _offer(self) -> None:
        pc = self._new_connection()
        channel = pc.createDataChannel("game")
        channel.on("open", lambda: self._take(channel))
        await pc.setLocalDescription(await pc.createOffer())
        await self._tell("offer", pc.localDescription.sdp)

    def _take(self, channel: RTCDataChannel) -> None:
        self._channel = channel
        channel.on("message", self._message)

    def _message(self, text: str) -> None:
        if text != BEAT:
            self._inbox.append(int(text))

    def _start(self, coroutine: Any) -> None:
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class ByHand(Stock):
    """What a careful user adds: heartbeats, a pause for both, and a new connection after a loss.

    What cannot be sent at once is kept in a list and sent when there is a channel again. It has no
    numbers, no acknowledgements and no epochs.
    """

    def __init__(self, seat: dict[str, Any], path: Rewrites) -> None:
        super().__init__(seat, path)
        self._playing = False
        self._mending = False
        self._heard_at = 0.0
        self._unsent: list[int] = []

    @property
    def playing(self) -> bool:
        return self._playing

    def send(self, number: int) -> None:
        if channel := self._open_channel:
            channel.send(str(number))
        else:
            self._unsent.append(number)

    async def open(self) -> None:
        await super().open()
        self._start(self._watch())

    async def _watch(self) -> None:
        beat_at = 0.0
        while True:
            now = time.monotonic()
            if (channel := self._open_channel) and now >= beat_at:
                beat_at = now + HEARTBEAT
                channel.send(BEAT)
            if self._playing and now - self._heard_at > SILENCE_MAX:
                self._pause()
                await self._tell("pause")
            await asyncio.sleep(LOOK)

    def _pause(self) -> None:
        self._playing = False
        if self._seat["offers"] and not self._mending:
            self._mending = True
            self._start(self._mend())

    async def _mend(self) -> None:
        while not self._playing:
            self._channel = None
            await self._offer()
            ends_at = time.monotonic() + ATTEMPT_TIMEOUT
            while not self._playing and time.monotonic() < ends_at:
                await asyncio.sleep(0.005)
        self._mending = False

    def _take(self, channel: RTCDataChannel) -> None:
        super()._take(channel)
        if self._seat["offers"]:
            self._resume()
            self._start(self._tell("resume"))
        self._flush()

    def _resume(self) -> None:
        self.told_to_start_at.append(time.monotonic())
        self._heard_at = time.monotonic()
        self._playing = True
        self._flush()

    def _flush(self) -> None:
        unsent, self._unsent = self._unsent, []
        for number in unsent:
            self.send(number)

    async def _all_here(self) -> None:
        self._pause()  # the first start, or the other one has been reloaded

    async def _told(self, kind: str, text: str) -> None:
        if kind == "pause":
            self._pause()
        elif kind == "resume":
            self._resume()
        else:
            await super()._told(kind, text)

    def _message(self, text: str) -> None:
        self._heard_at = time.monotonic()
        super()._message(text)


ARMS: dict[str, type[Ours] | type[Stock] | type[ByHand]] = {
    OURS: Ours,
    HAND: ByHand,
    STOCK: Stock,
}
