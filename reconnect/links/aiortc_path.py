"""One peer connection of an aiortc link, from the attempt that makes it to its end."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Protocol

from aiortc import (
    RTCConfiguration,
    RTCDataChannel,
    RTCIceServer,
    RTCIceTransport,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.sdp import candidate_from_sdp
from attrs import define, field, frozen

from reconnect.errors import RemoteProtocolError
from reconnect.links.aiortc_inside import LinkConnection, install
from reconnect.links.description import (
    CANDIDATES_MAX,
    read_candidate,
    read_description,
    write_description,
)
from reconnect.log import facts_of

BUFFERED_MAX = 64 * 1024  # what the port promises; a game's frame that waits longer is stale
RETIREMENT_DELAY = 2.0  # s; the far end sends on the old channel until its new one is open too
SIGNALS_MAX = 2 * CANDIDATES_MAX  # of one attempt: a description, and candidates, some useless
UNUSED_STREAM = 65534  # the last there is

NO_ADDRESS = (
    "this machine has no network address but those of the loopback interface, which are never "
    'offered by themselves; in a lab, give AiortcLinks(addresses=["127.0.0.1"])'
)


class NoAddress(Exception):
    """There is nothing that the far end could be told to send to."""


class PathHears(Protocol):
    """What a path says; after `stop()` nothing more."""

    def path_signals(self, path: Path, kind: str, payload: str) -> None: ...

    def path_opened(self, path: Path) -> None: ...

    def path_state(self, path: Path) -> None: ...

    def path_received(self, frame: bytes) -> None: ...

    def path_retired(self, path: Path) -> None:
        """Its time after `retire()` is over."""
        ...

    def path_ended(self, path: Path, cause: str) -> None:
        """It ended by itself."""
        ...


@frozen
class ChannelKind:
    """What both ends have to agree on without a word."""

    label: str
    stream: int
    negotiated: bool


@define(eq=False)
class Path:
    """One peer connection and its channel, from the attempt that makes it to its end.

    It lives in one task, which alone changes the peer connection and closes it. The task is told
    to end, never cancelled: a gathering that is cancelled leaves its sockets open.
    """

    attempt_id: str
    _hears: PathHears
    _offers: bool = field(kw_only=True)
    _servers: list[RTCIceServer] = field(kw_only=True, repr=False)
    _channel_kind: ChannelKind = field(kw_only=True)
    _addresses: Sequence[str] | None = field(kw_only=True)
    _logger: Any = field(kw_only=True, repr=False)
    _pc: RTCPeerConnection | None = field(default=None, init=False)
    _channel: RTCDataChannel | None = field(default=None, init=False)
    _inbox: asyncio.Queue[tuple[str, str] | None] = field(factory=asyncio.Queue, init=False)
    _heard: int = field(default=0, init=False)
    _stopped: bool = field(default=False, init=False)
    _retirement: asyncio.TimerHandle | None = field(default=None, init=False)

    @property
    def state(self) -> str:
        """What aiortc says of ICE and DTLS together; `disconnected` is not among its words."""
        return "new" if self._pc is None else self._pc.connectionState

    def hear(self, kind: str, payload: str) -> None:
        """Take what the far end said; beyond any sensible number of signals, nothing."""
        self._heard += 1
        if self._heard <= SIGNALS_MAX:
            self._inbox.put_nowait((kind, payload))

    def send(self, frame: bytes) -> bool:
        """Whether the channel took the frame."""
        channel = self._channel
        if channel is None or channel.readyState != "open":
            return False
        if channel.bufferedAmount > BUFFERED_MAX:
            return False
        channel.send(frame)
        return True

    def retire(self) -> None:
        """A newer path has opened: end in a while, when nothing comes on this one any more."""
        if self._retirement is None:
            loop = asyncio.get_running_loop()
            self._retirement = loop.call_later(RETIREMENT_DELAY, self._retired)

    def keep(self) -> None:
        """The newer path is gone; this one is what is left."""
        if self._retirement is not None:
            self._retirement.cancel()
            self._retirement = None

    def stop(self) -> None:
        """Close the peer connection, soon; nothing is heard of it any more."""
        self.keep()
        if not self._stopped:
            self._stopped = True
            self._inbox.put_nowait(None)

    def _retired(self) -> None:
        self._hears.path_retired(self)
        self.stop()

    def _end(self, cause: str) -> None:
        if not self._stopped:
            self.stop()
            self._hears.path_ended(self, cause)

    # -- its task --------------------------------------------------------------------------------

    async def live(self) -> None:
        """Build the peer connection, talk with the far end, and close it when told to stop."""
        try:
            self._pc = self._make()
            await self._negotiate(self._pc)
        except RemoteProtocolError as error:
            self._logger.warning("reconnect.signal_refused", **facts_of(error))
            self._end(error.code)
        except NoAddress:
            self._logger.error("reconnect.no_address", advice=NO_ADDRESS)
            self._end("no_address")
        except Exception as error:
            if not self._stopped:
                self._logger.warning("reconnect.attempt_failed", **facts_of(error))
            self._end(type(error).__name__)
        finally:
            await self._close()

    def _make(self) -> RTCPeerConnection:
        # without a list aiortc asks a public server that nobody has chosen
        pc = self._pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        pc.on("connectionstatechange", self._state_changed)
        if self._channel_kind.negotiated:
            self._take(self._create(pc, negotiated=True, stream=self._channel_kind.stream))
        elif self._offers:
            self._take(self._create(pc, negotiated=False, stream=None))
        else:
            # nothing is ever sent on this one: it makes SCTP exist before the offer is read
            self._create(pc, negotiated=True, stream=UNUSED_STREAM)
            pc.on("datachannel", self._announced)
        connection = LinkConnection(self._servers, addresses=self._addresses)
        install(pc, connection, broken=self._broken)
        return pc

    def _create(
        self, pc: RTCPeerConnection, *, negotiated: bool, stream: int | None
    ) -> RTCDataChannel:
        return pc.createDataChannel(
            self._channel_kind.label,
            ordered=False,
            maxRetransmits=0,
            negotiated=negotiated,
            id=stream,
        )

    async def _negotiate(self, pc: RTCPeerConnection) -> None:
        awaited: str | None = "answer" if self._offers else "offer"
        early: list[str] = []
        if self._offers:
            await pc.setLocalDescription(await pc.createOffer())
            self._describe(pc)
        while not self._stopped and (heard := await self._inbox.get()) is not None:
            kind, payload = heard
            if kind == "candidate" and awaited is not None:
                early.append(payload)
            elif kind == "candidate":
                await self._add_candidate(pc, payload)
            elif kind == awaited:
                awaited = None
                sdp = read_description(payload, kind=kind)
                await pc.setRemoteDescription(RTCSessionDescription(sdp, kind))
                if not self._offers:
                    await pc.setLocalDescription(await pc.createAnswer())
                    self._describe(pc)
                for one in early:
                    await self._add_candidate(pc, one)

    def _describe(self, pc: RTCPeerConnection) -> None:
        """Tell the far end; the candidates are in it, because aiortc gathers before it returns."""
        if not _ice(pc).iceGatherer.getLocalCandidates():
            raise NoAddress
        said = pc.localDescription
        if not self._stopped:
            self._hears.path_signals(self, said.type, write_description(said.type, said.sdp))

    async def _add_candidate(self, pc: RTCPeerConnection, payload: str) -> None:
        if self._stopped:  # looking up a hidden address takes a second
            return
        try:
            text = read_candidate(payload)
            if text == "":
                await _ice(pc).addRemoteCandidate(None)
            elif text is not None:
                candidate = candidate_from_sdp(text.removeprefix("candidate:"))
                await _ice(pc).addRemoteCandidate(candidate)
        except Exception as error:  # one candidate less; there may be others
            self._logger.warning("reconnect.candidate_failed", **facts_of(error))

    async def _close(self) -> None:
        if self._pc is None:
            return
        try:
            await self._pc.close()
        except Exception as error:
            self._logger.warning("reconnect.close_failed", **facts_of(error))

    # -- what aiortc says ------------------------------------------------------------------------

    def _take(self, channel: RTCDataChannel) -> None:
        self._channel = channel
        channel.on("open", self._opened)
        channel.on("message", self._message)
        channel.on("close", self._channel_closed)

    def _announced(self, channel: RTCDataChannel) -> None:
        as_agreed = not channel.ordered and channel.maxRetransmits == 0
        if self._channel is None and channel.label == self._channel_kind.label and as_agreed:
            self._take(channel)
            self._opened()
        else:
            channel.close()

    def _opened(self) -> None:
        if not self._stopped:
            self._hears.path_opened(self)

    def _message(self, data: bytes | str) -> None:
        if not self._stopped and isinstance(data, bytes):
            self._hears.path_received(data)

    def _channel_closed(self) -> None:
        self._end("channel_closed")

    def _broken(self, error: Exception) -> None:
        self._end(type(error).__name__)

    def _state_changed(self) -> None:
        self._hears.path_state(self)
        if self.state in ("failed", "closed"):
            # a path that dies without a word is closed by aiortc itself, after half a minute
            self._end(f"connection_{self.state}")


def _ice(pc: RTCPeerConnection) -> RTCIceTransport:
    """The one transport that a peer connection for one data channel has."""
    assert pc.sctp is not None, "every path has a data channel"
    return pc.sctp.transport.transport
