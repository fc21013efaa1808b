"""What has to be changed below the public names of aiortc; nothing else reaches in there.

A `LinkConnection` takes the place of the ICE agent that aiortc made, and the two ends of SCTP are
wrapped. Why, with aiortc 1.16:

* a dead path has to be packet loss: an exception while sending ends tasks that nobody awaits,
  and leaves SCTP without its timer;
* an empty UDP datagram, which anybody can send, ends the connection;
* a far end that breaks the rules of SCTP, and a connection that is closed while it is being made,
  raise in tasks that nobody awaits;
* a connection that is closed in the moment in which it is made keeps a task for ever;
* gathering waits 5 s for a STUN server that does not answer, and never offers 127.0.0.1;
* checks of a path that is dead are repeated after 0.5, 1, 2, 4 s, so that an attempt begun in an
  outage may notice the path's return only seconds later.

The private names: `RTCIceGatherer._connection`, `RTCIceTransport._connection`, `._recv`, `._send`,
`RTCDtlsTransport._send_data`, `RTCSctpTransport._handle_data`. An ICE restart will need no others
to put one agent after another in the same place.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, TypeAlias

from aioice import Candidate, Connection
from aioice.ice import CandidatePair
from aioice.stun import Message
from aiortc import InvalidStateError, RTCIceServer, RTCPeerConnection
from aiortc.rtcicetransport import connection_kwargs

GATHERING_TIMEOUT = 1  # s; both ends gather, one after the other, within one attempt (3 s)

CHECK_INTERVAL = 0.05  # s; a hundred bytes each time, for as long as an attempt lasts

Step: TypeAlias = Callable[[Any], Awaitable[None]]


class LinkConnection(Connection):
    """An ICE agent for one data channel.

    `addresses` are the local ones to gather; None means all but those of the loopback interface.
    Raises `ValueError` for a server whose URL is none of STUN or TURN.
    """

    def __init__(
        self, servers: Sequence[RTCIceServer], *, addresses: Sequence[str] | None = None
    ) -> None:
        super().__init__(ice_controlling=False, **connection_kwargs(list(servers)))
        self._chosen_addresses = addresses
        self._ended = False
        self._asked: dict[CandidatePair, Message] = {}

    async def get_component_candidates(
        self, component: int, addresses: list[str], timeout: int = GATHERING_TIMEOUT
    ) -> list[Candidate]:
        chosen = addresses if self._chosen_addresses is None else list(self._chosen_addresses)
        return await super().get_component_candidates(component, chosen, timeout)

    async def add_remote_candidate(self, remote_candidate: Candidate | None) -> None:
        # a name of a browser's that cannot be looked up here is one candidate less, no failure
        with suppress(OSError):
            await super().add_remote_candidate(remote_candidate)

    def build_request(self, pair: CandidatePair, nominate: bool) -> Message:
        request = super().build_request(pair, nominate)
        self._asked[pair] = request
        return request

    async def connect(self) -> None:
        repeating = _Repeating(self._repeat_checks)
        try:
            await super().connect()
        finally:
            repeating.stop()
            self._asked.clear()
        if self._ended:  # in the same moment; what connect() has begun would never end
            await super().close()
            raise ConnectionError("closed while connecting")

    def _repeat_checks(self) -> None:
        """The same requests once more: whichever of them gets through is answered."""
        for pair, request in self._asked.items():
            if pair.state is CandidatePair.State.IN_PROGRESS and not self._ended:
                pair.protocol.send_stun(request, pair.remote_addr)

    async def close(self) -> None:
        self._ended = True
        await super().close()

    async def send(self, data: bytes) -> None:
        with suppress(ConnectionError):
            await super().send(data)

    def data_received(self, data: bytes, component: int) -> None:
        if data:
            super().data_received(data, component)


class _Repeating:
    """Calls something again and again."""

    def __init__(self, what: Callable[[], None]) -> None:
        self._what = what
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(CHECK_INTERVAL, self._fire)

    def stop(self) -> None:
        self._timer.cancel()

    def _fire(self) -> None:
        self._timer = self._loop.call_later(CHECK_INTERVAL, self._fire)
        self._what()


def install(
    pc: RTCPeerConnection, connection: LinkConnection, *, broken: Callable[[Exception], None]
) -> None:
    """Put the agent under a peer connection that has a data channel and no description yet.

    `broken` hears of a packet that SCTP choked on; the channel is of no more use then.
    """
    sctp = pc.sctp
    assert sctp is not None, "there is no data channel yet"
    transport = sctp.transport.transport
    transport.iceGatherer._connection = connection
    transport._connection = connection
    transport._recv = connection.recv
    transport._send = connection.send

    _catch(sctp.transport, "_send_data", ConnectionError, _ignore)
    _catch(sctp, "_handle_data", Exception, broken)
    _catch(transport, "start", InvalidStateError, _ignore)


def _catch(
    owner: object,
    name: str,
    kind: type[Exception],
    then: Callable[[Exception], None],
) -> None:
    """Let a method of this object not raise `kind` any more."""
    step: Step = getattr(owner, name)

    async def caught(argument: Any) -> None:
        try:
            await step(argument)
        except kind as error:
            then(error)

    setattr(owner, name, caught)


def _ignore(error: Exception) -> None:
    """It says that the path is dead, or closed; both are heard in other ways."""
