"""Links inside one process: for tests, demonstrations and tutorials.

They mend as real ones do: an attempt makes an offer, an answer and candidates, which somebody
has to carry to the far end, and then checks its path; what there was before goes on working.
A restart makes a new path for the connection that is there, a rebuild a new connection. What lies
on the paths may be given as a `PeerNetwork`; without one they are perfect.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Callable, Sequence
from enum import StrEnum
from functools import partial
from typing import NamedTuple, Protocol

from attrs import define, field

from reconnect.core.messages import AttemptKind, SignalKind
from reconnect.policy import IceServer
from reconnect.ports import FRAME_MAX, LinkHears, Runtime

GATHERING = 0.01  # s until an attempt has something to say
CHECK_INTERVAL = 0.05  # s
CHECKS_MAX = 1200  # a minute of them; an attempt is abandoned long before
RETIRING = 2.0  # s for which the old path is still listened to


MENDS = frozenset({AttemptKind.RESTART, AttemptKind.REBUILD})


class Path(NamedTuple):
    """A way from one address of a player to one of another; each attempt makes new addresses."""

    sender: str
    receiver: str
    source: str
    target: str


class PeerNetwork(Protocol):
    """What lies between the players."""

    def fates(self, path: Path) -> Sequence[float]:
        """After how many seconds each copy of the next packet arrives; none if it is lost."""
        ...


class PerfectNetwork:
    """Everything arrives once and at once."""

    def fates(self, path: Path) -> Sequence[float]:  # noqa: ARG002 - whichever it is
        return (0.0,)


class PacketKind(StrEnum):
    """What is sent along a path."""

    CHECK = "check"
    CHECKED = "checked"
    FRAME = "frame"
    CLOSED = "closed"


@define
class Packet:
    """One thing sent along a path, on behalf of a connection."""

    kind: PacketKind
    connection: str
    frame: bytes = b""


class MemorySpace:
    """Where the links of one process find each other."""

    def __init__(self, *, network: PeerNetwork | None = None) -> None:
        self.network = network or PerfectNetwork()
        self._links: dict[str, MemoryLink] = {}
        self._names = 0

    def links(self, player: str, runtime: Runtime) -> MemoryLinks:
        """All links of one player's client."""
        return MemoryLinks(player, space=self, runtime=runtime)

    def break_channels(self, one: str, other: str) -> None:
        """Close the channel between two players; their paths stay, so only a rebuild helps."""
        for link in dict.fromkeys(self._links.values()):
            if {link.player, link.peer} == {one, other}:
                link.lose_channel()

    def name(self, prefix: str) -> str:
        """A name that nothing else has."""
        self._names += 1
        return f"{prefix}-{self._names}"

    def bind(self, link: MemoryLink) -> str:
        """A new address of this link."""
        address = self.name(link.player)
        self._links[address] = link
        return address

    def unbind(self, address: str | None) -> None:
        if address is not None:
            self._links.pop(address, None)

    def send(self, source: str, target: str, packet: Packet) -> None:
        """Put a packet on the path; it is lost if one of its ends is gone."""
        sender, receiver = self._links.get(source), self._links.get(target)
        if sender is None or receiver is None:
            return
        path = Path(sender.player, receiver.player, source, target)
        for delay in self.network.fates(path):
            receiver.expect(delay, source, target, packet)


@define(eq=False)
class MemoryLinks:
    """All links of one client."""

    player: str
    space: MemorySpace = field(kw_only=True)
    runtime: Runtime = field(kw_only=True)
    kind: str = field(default="python", init=False)
    mends: frozenset[AttemptKind] = field(default=MENDS, init=False)

    def open(self, peer: str, generation: int, hears: LinkHears) -> MemoryLink:
        return MemoryLink(self, peer, generation, hears)


@define(eq=False)
class Attempt:
    """One try to mend a link."""

    id: str
    kind: AttemptKind
    offers: bool
    local: str
    connection: str | None = None
    """None until the offer has come."""
    remote: str | None = None
    described: bool = False
    """The answer is here, or has been given."""
    checking: bool = False
    checks: int = 0


class MemoryLink:
    """A path to one generation of one player; `MemoryLinks.open` makes it."""

    def __init__(self, links: MemoryLinks, peer: str, generation: int, hears: LinkHears) -> None:
        self.player = links.player
        self.peer = peer
        self.generation = generation
        self._space = links.space
        self._runtime = links.runtime
        self._hears: LinkHears | None = hears
        self._connection: str | None = None
        self._local: str | None = None
        self._remote: str | None = None
        self._channel = False
        self._attempt: Attempt | None = None
        self._inbox: list[tuple[float, int, str, str, Packet]] = []
        self._expected = 0

    # -- called by the shell ---------------------------------------------------------------------

    def attempt(
        self,
        attempt_id: str,
        *,
        kind: AttemptKind,
        offers: bool,
        ice_servers: Sequence[IceServer] = (),  # noqa: ARG002 - there are none in a process
    ) -> None:
        if self._hears is None:
            return
        self._void()
        attempt = Attempt(attempt_id, kind, offers, self._space.bind(self))
        self._attempt = attempt
        match kind:
            case AttemptKind.RESTART if self._connection is None:
                self._fail(attempt, "no_connection")
                return
            case AttemptKind.RESTART:
                attempt.connection = self._connection
            case AttemptKind.REBUILD:
                attempt.connection = self._space.name("connection") if offers else None
            case AttemptKind.RELAY:
                self._fail(attempt, "not_a_path")
                return
        if offers:
            self._later(GATHERING, partial(self._describe, attempt, SignalKind.OFFER))

    def abandon(self, attempt_id: str) -> None:
        if self._attempt is not None and self._attempt.id == attempt_id:
            self._void()

    def signal(self, attempt_id: str, kind: str, payload: str) -> None:
        attempt = self._attempt
        if attempt is None or attempt.id != attempt_id:
            return
        try:
            said = {key: str(value) for key, value in json.loads(payload).items()}
        except (ValueError, AttributeError):
            self._fail(attempt, "malformed")
            return
        match kind:
            case SignalKind.OFFER if not attempt.offers and not attempt.described:
                if attempt.kind is AttemptKind.REBUILD:
                    attempt.connection = said.get("connection")
                if attempt.connection != said.get("connection"):
                    self._fail(attempt, "no_connection")
                    return
                self._later(GATHERING, partial(self._describe, attempt, SignalKind.ANSWER))
            case SignalKind.ANSWER if attempt.offers:
                attempt.described = True
            case SignalKind.CANDIDATE:
                attempt.remote = said.get("address")
            case _:
                return
        self._begin(attempt)

    def send(self, frame: bytes) -> bool:
        if len(frame) > FRAME_MAX:
            raise ValueError(f"a frame of {len(frame)} bytes; at most {FRAME_MAX} fit a packet")
        if not self._channel:
            return False
        self._put(PacketKind.FRAME, frame)
        return True

    def close(self) -> None:
        if self._channel:
            self._put(PacketKind.CLOSED)
        self._void()
        self._space.unbind(self._local)
        self._hears, self._channel = None, False

    # -- called by the space ---------------------------------------------------------------------

    def expect(self, delay: float, source: str, target: str, packet: Packet) -> None:
        """A packet is under way; those due at the same time keep their order."""
        due = self._runtime.now() + delay
        self._expected += 1
        heapq.heappush(self._inbox, (due, self._expected, source, target, packet))
        self._runtime.call_at(due, self._take)

    def lose_channel(self) -> None:
        """The channel is closed, and both ends hear of it; the path stays as it is."""
        self._later(0.0, self._channel_closed)

    def _take(self) -> None:
        _, _, source, target, packet = heapq.heappop(self._inbox)
        if self._hears is None:
            return
        attempt = self._attempt
        if attempt is not None and attempt.local != target:
            attempt = None
        match packet.kind:
            case PacketKind.CHECK:
                self._space.send(target, source, Packet(PacketKind.CHECKED, packet.connection))
            case PacketKind.CHECKED if attempt is not None:
                self._establish(attempt, source)
            case PacketKind.FRAME:
                # the far end may have switched to the new connection already
                if packet.connection in (self._connection, attempt and attempt.connection):
                    self._hears.received(packet.frame)
            case PacketKind.CLOSED if packet.connection == self._connection:
                self._channel_closed()
            case _:
                pass

    # -- an attempt ------------------------------------------------------------------------------

    def _describe(self, attempt: Attempt, kind: SignalKind) -> None:
        if self._hears is None or attempt is not self._attempt:
            return
        self._hears.signal(attempt.id, kind, json.dumps({"connection": attempt.connection}))
        # what it heard may have led to another attempt
        if attempt is self._attempt:
            address = json.dumps({"address": attempt.local})
            self._hears.signal(attempt.id, SignalKind.CANDIDATE, address)
            attempt.described = attempt.described or kind is SignalKind.ANSWER
            self._begin(attempt)

    def _begin(self, attempt: Attempt) -> None:
        if attempt.described and attempt.remote is not None and not attempt.checking:
            attempt.checking = True
            self._later(0.0, partial(self._check, attempt))

    def _check(self, attempt: Attempt) -> None:
        if self._hears is None or attempt is not self._attempt or attempt.checks == CHECKS_MAX:
            return
        attempt.checks += 1
        if attempt.remote is not None and attempt.connection is not None:
            packet = Packet(PacketKind.CHECK, attempt.connection)
            self._space.send(attempt.local, attempt.remote, packet)
        self._later(CHECK_INTERVAL, partial(self._check, attempt))
        if attempt.checks == 1:
            self._hears.ice("checking")

    def _establish(self, attempt: Attempt, remote: str) -> None:
        if self._local is not None:
            self._later(RETIRING, partial(self._space.unbind, self._local))
        self._attempt = None
        self._local, self._remote = attempt.local, remote
        is_new = attempt.connection != self._connection
        self._connection = attempt.connection
        self._channel = self._channel or is_new
        # whoever hears of it may close the link
        if self._hears is not None:
            self._hears.ice("connected")
        if self._hears is not None:
            self._hears.succeeded(attempt.id)
        if is_new and self._hears is not None:
            self._hears.channel(True)

    def _fail(self, attempt: Attempt, cause: str) -> None:
        self._void()

        def tell() -> None:
            if self._hears is not None and self._attempt is None:
                self._hears.failed(attempt.id, cause)

        self._later(0.0, tell)

    def _void(self) -> None:
        if self._attempt is not None:
            self._space.unbind(self._attempt.local)
            self._attempt = None

    def _channel_closed(self) -> None:
        if self._channel and self._hears is not None:
            self._channel = False
            self._hears.channel(False)

    def _put(self, kind: PacketKind, frame: bytes = b"") -> None:
        if self._local and self._remote and self._connection:
            self._space.send(self._local, self._remote, Packet(kind, self._connection, frame))

    def _later(self, seconds: float, callback: Callable[[], None]) -> None:
        self._runtime.call_at(self._runtime.now() + seconds, callback)
