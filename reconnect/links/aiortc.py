"""Links between Python programs, and from Python to browsers, with aiortc.

A link mends itself with a new peer connection beside the old one. What two ends tell each other
on the way is in `reconnect.links.description`. Stock aiortc can neither restart ICE nor relay, so
such attempts fail at once with the cause `unsupported`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, TypeVarTuple

from aiortc import RTCIceServer
from attrs import define, field

from reconnect.core.messages import AttemptKind
from reconnect.links.aiortc_path import UNUSED_STREAM, ChannelKind, Path
from reconnect.log import quiet
from reconnect.policy import IceServer
from reconnect.ports import FRAME_MAX, LinkHears

Ts = TypeVarTuple("Ts")


@define(kw_only=True, eq=False)
class AiortcLinks:
    """All WebRTC links of one client; opened and used on one running event loop.

    The channel is unordered and never resends. `label`, `channel_id` and `negotiated` are the same
    at both ends; with `negotiated=False` the end that offers announces the channel by its label.
    `addresses` are the local ones to offer; None means all but those of the loopback interface.
    """

    label: str = "game"
    channel_id: int = field(default=0)
    negotiated: bool = True
    addresses: Sequence[str] | None = None
    logger: Any = field(default=None, converter=quiet, repr=False)
    kind: str = field(default="python", init=False)
    mends: frozenset[AttemptKind] = field(default=frozenset({AttemptKind.REBUILD}), init=False)
    _tasks: set[asyncio.Task[None]] = field(factory=set, init=False, repr=False)

    @channel_id.validator
    def _check_channel_id(self, _attribute: object, value: int) -> None:
        if type(value) is not int or not 0 <= value < UNUSED_STREAM:
            raise ValueError(f"channel_id is {value!r}; it must be a whole number from 0 to 65533")

    def open(self, peer: str, generation: int, hears: LinkHears) -> AiortcLink:
        """A link to this life of `peer`; it does nothing before its first attempt."""
        return AiortcLink(self, hears, logger=self.logger.bind(peer=peer, generation=generation))

    async def closed(self) -> None:
        """Return when every peer connection is closed; close the links first."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _start(self, path: Path) -> None:
        task = asyncio.get_running_loop().create_task(path.live())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


@define(eq=False)
class AiortcLink:
    """One link, as `reconnect.ports.Link` describes it.

    `hears` is never called from inside a call, and an exception in it ends at the event loop.
    `channel(True)` is said whenever a channel opens, also when an older one still carries packets.
    """

    _links: AiortcLinks
    _hears: LinkHears
    _logger: Any = field(kw_only=True, repr=False)
    _loop: asyncio.AbstractEventLoop = field(factory=asyncio.get_running_loop, init=False)
    _attempted: Path | None = field(default=None, init=False)
    """The path of the current attempt, also after it has opened."""
    _open: list[Path] = field(factory=list, init=False)
    """Packets go to the last and are heard from all."""
    _current: Path | None = field(default=None, init=False)
    """The last that opened, also after it has closed."""
    _closed: bool = field(default=False, init=False)

    def attempt(
        self,
        attempt_id: str,
        *,
        kind: AttemptKind,
        offers: bool,
        ice_servers: Sequence[IceServer],
    ) -> None:
        if self._closed:
            return
        self._void_attempt()
        if kind is not AttemptKind.REBUILD:
            self._say(self._hears.failed, attempt_id, "unsupported")
            return
        links = self._links
        servers = [
            RTCIceServer(list(one.urls), username=one.username, credential=one.credential)
            for one in ice_servers
        ]
        self._attempted = Path(
            attempt_id,
            self,
            offers=offers,
            servers=servers,
            channel_kind=ChannelKind(links.label, links.channel_id, links.negotiated),
            addresses=links.addresses,
            logger=self._logger.bind(attempt_id=attempt_id),
        )
        links._start(self._attempted)

    def abandon(self, attempt_id: str) -> None:
        if self._attempted is not None and self._attempted.attempt_id == attempt_id:
            self._void_attempt()

    def signal(self, attempt_id: str, kind: str, payload: str) -> None:
        if self._attempted is not None and self._attempted.attempt_id == attempt_id:
            self._attempted.hear(kind, payload)

    def send(self, frame: bytes) -> bool:
        if len(frame) > FRAME_MAX:
            raise ValueError(f"a frame of {len(frame)} bytes; at most {FRAME_MAX} fit a packet")
        return bool(self._open) and self._open[-1].send(frame)

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._void_attempt()
        for path in self._open:
            path.stop()
        self._open.clear()

    def _void_attempt(self) -> None:
        if self._attempted is not None and self._attempted not in self._open:
            self._attempted.stop()
        self._attempted = None

    # -- what paths say --------------------------------------------------------------------------

    def path_signals(self, path: Path, kind: str, payload: str) -> None:
        if path is self._attempted:
            self._say(self._hears.signal, path.attempt_id, kind, payload)

    def path_opened(self, path: Path) -> None:
        for older in self._open:
            older.retire()
        self._open.append(path)
        self._current = path
        self._logger.info("reconnect.path_opened", attempt_id=path.attempt_id)
        self.path_state(path)
        self._say(self._hears.succeeded, path.attempt_id)
        self._say(self._hears.channel, True)

    def path_state(self, path: Path) -> None:
        if path is self._current:
            self._say(self._hears.ice, path.state)

    def path_received(self, frame: bytes) -> None:
        self._say(self._hears.received, frame)

    def path_ended(self, path: Path, cause: str) -> None:
        """The path was not stopped by us; its peer connection is of no more use."""
        self._logger.info("reconnect.path_ended", attempt_id=path.attempt_id, cause=cause)
        if path in self._open:
            self.path_retired(path)
        elif path is self._attempted:
            self._attempted = None
            self._say(self._hears.failed, path.attempt_id, cause)

    def path_retired(self, path: Path) -> None:
        self._open.remove(path)
        if self._open:
            self._open[-1].keep()
        else:
            self._say(self._hears.channel, False)

    def _say(self, what: Callable[[*Ts], None], *words: *Ts) -> None:
        self._loop.call_soon(self._tell, what, words)

    def _tell(self, what: Callable[[*Ts], None], words: tuple[*Ts]) -> None:
        if not self._closed:
            what(*words)
