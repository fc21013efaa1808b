"""Two ends of a link under check: what each is told, what it says, and who carries it over."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, TypeAlias

from reconnect.core.messages import AttemptKind, SignalKind
from reconnect.ports import Closing, Link, Links
from reconnect.testing.checks.patience import Patience
from reconnect.testing.checks.promise import Promise
from reconnect.testing.checks.scene import Times

HEARD_AT = Promise("", "on the shell's own loop or under its lock")
SILENT = Promise("", "after `close()` it says nothing more")
ENDS = Promise(
    "", "An adapter starts its own tasks, keeps references to them, and ends them on `close()`."
)
NEVER_RAISES = Promise("", "return at once and never raise because a far end is gone")
PACKETS = Promise(
    "Link",
    "A path to one generation of one player: lossy, unordered, packets of up to 1,150 bytes.",
)
BEGUN = Promise("Link.attempt", "Begin to mend; an older attempt is void.")
GOES_ON = Promise("Link.attempt", "What there was before goes on working.")
ABANDONED = Promise(
    "Link.abandon", "Drop this attempt, keep what there was before; unknown ids are ignored."
)
STALE = Promise(
    "Link.signal", "What the far end said; of an attempt that is not the current one, nothing."
)
SENT = Promise("Link.send", "False: not sent, because there is no channel")
SAID = Promise(
    "LinkHears.signal",
    "Something for the far end of this attempt: an offer, an answer, a candidate.",
)
CHANNEL = Promise("LinkHears.channel", "Packets can be sent now, or no longer.")
SUCCEEDED = Promise(
    "LinkHears.succeeded", "What this attempt made carries packets from now on; said before them."
)
FAILED = Promise(
    "LinkHears.failed", "The attempt will not succeed; the link is as it was before it."
)

SIGNALS = (SignalKind.OFFER, SignalKind.ANSWER, SignalKind.CANDIDATE)

Make: TypeAlias = Callable[[], tuple[Links, Links]]
Signal: TypeAlias = tuple[str, str, str]


class End:
    """One end of a link, which is also what hears it."""

    def __init__(self, table: LinkScene, links: Links, me: str, peer: str, generation: int) -> None:
        self.me = me
        self.frames: list[bytes] = []
        self.sent: set[bytes] = set()
        self.channels: list[bool] = []
        self.succeeded_ids: list[str] = []
        self.failures: list[str] = []
        self.held: list[Signal] = []
        """What it said while nothing was carried over."""
        self.carries = True
        self.closed = False
        self.current: str | None = None
        """The attempt that may speak."""
        self.on_channel: Callable[[], object] | None = None
        self.on_received: Callable[[], object] | None = None
        self.far: End
        self._table = table
        self._home = threading.get_ident()
        self.link: Link
        self.do(f"open({peer!r}, {generation}, ...)", partial(self._open, links, peer, generation))

    def _open(self, links: Links, peer: str, generation: int) -> None:
        self.link = links.open(peer, generation, self)

    # -- what it is told ---------------------------------------------------------------------------

    def attempt(
        self, attempt_id: str, *, offers: bool, kind: AttemptKind = AttemptKind.REBUILD
    ) -> None:
        if not self.closed:
            self.current = attempt_id
        what = f"attempt({attempt_id!r}, kind={str(kind)!r}, offers={offers})"
        self.do(
            what,
            lambda: self.link.attempt(attempt_id, kind=kind, offers=offers, ice_servers=()),
        )

    def abandon(self, attempt_id: str) -> None:
        if self.current == attempt_id:
            self.current = None
        self.do(f"abandon({attempt_id!r})", lambda: self.link.abandon(attempt_id))

    def hear(self, attempt_id: str, kind: str, payload: str) -> None:
        """Something of the far end, or of whom else."""
        self.do(
            f"signal({attempt_id!r}, {str(kind)!r}, {payload!r:.40})",
            lambda: self.link.signal(attempt_id, kind, payload),
        )

    def send(self, frame: bytes) -> bool:
        self.sent.add(frame)
        try:
            return self.link.send(frame)
        except Exception as error:
            saw = f"{self.me}: send({len(frame)} bytes) raised {type(error).__name__}: {error}"
            raise self._table.broken(NEVER_RAISES, saw) from error

    def close(self) -> None:
        self.closed = True
        self.do("close()", self.link.close)

    def do(self, what: str, call: Callable[[], None]) -> None:
        """Call, and write it down; nothing may be raised."""
        self._table.done.append(f"{self.me}: {what}")
        try:
            call()
        except Exception as error:
            saw = f"{self.me}: {what} raised {type(error).__name__}: {error}"
            self._table.wrong.append((NEVER_RAISES, saw))  # an adapter may catch what is raised
            raise self._table.broken(NEVER_RAISES, saw) from error

    # -- what it says ------------------------------------------------------------------------------

    def signal(self, attempt_id: str, kind: str, payload: str) -> None:
        self._hear(f"signal({attempt_id!r}, {kind!r}, ...)")
        self._speaks(attempt_id, f"signal({attempt_id!r}, {kind!r}, ...)")
        right = kind in SIGNALS and isinstance(payload, str)
        self._expect(right, SAID, f"signal said {kind!r} with a {type(payload).__name__}")
        if self.carries:
            asyncio.get_running_loop().call_soon(self.far.hear, attempt_id, kind, payload)
        else:
            self.held.append((attempt_id, kind, payload))

    def received(self, frame: bytes) -> None:
        self._hear("received(...)")
        self._expect(self.succeeded_ids, SUCCEEDED, "received(...) was said before succeeded(...)")
        size = f"of {len(frame)} bytes" if isinstance(frame, bytes) else f"{frame!r:.40}"
        saw = f"a packet {size} came, which was not sent like that"
        self._expect(type(frame) is bytes and frame in self.far.sent, PACKETS, saw)
        self.frames.append(frame)
        if self.on_received is not None:
            self.on_received()

    def channel(self, is_open: bool) -> None:
        self._hear(f"channel({is_open})")
        self._expect(
            self.succeeded_ids or not is_open, SUCCEEDED, "channel(True) came before succeeded(...)"
        )
        self.channels.append(is_open)
        if is_open and self.on_channel is not None:
            self.on_channel()

    def ice(self, state: str) -> None:
        self._hear(f"ice({state!r})")

    def succeeded(self, attempt_id: str) -> None:
        self._hear(f"succeeded({attempt_id!r})")
        self._speaks(attempt_id, f"succeeded({attempt_id!r})")
        once = attempt_id not in self.succeeded_ids
        self._expect(once, SUCCEEDED, f"succeeded({attempt_id!r}) was said twice")
        self.succeeded_ids.append(attempt_id)

    def failed(self, attempt_id: str, cause: str) -> None:
        self._hear(f"failed({attempt_id!r}, {cause!r})")
        self._speaks(attempt_id, f"failed({attempt_id!r}, {cause!r})")
        self._expect(isinstance(cause, str) and cause, FAILED, f"the cause is {cause!r}, no word")
        saw = f"failed({attempt_id!r}) was said after succeeded({attempt_id!r})"
        self._expect(attempt_id not in self.succeeded_ids, FAILED, saw)
        self.failures.append(attempt_id)
        self.current = None

    def _speaks(self, attempt_id: str, word: str) -> None:
        saw = f"{word} was said, and the attempt is {self.current!r}"
        self._expect(attempt_id == self.current, BEGUN, saw)

    def _hear(self, word: str) -> None:
        self._expect(not self.closed, SILENT, f"{word} was said after close()")
        here = threading.get_ident() == self._home
        self._expect(here, HEARD_AT, f"{word} was said in another thread")

    def _expect(self, condition: object, promise: Promise, saw: str) -> None:
        if not condition:
            self._table.wrong.append((promise, f"{self.me}: {saw}"))


class LinkScene(Patience):
    """Alice and Bob, and the links between them."""

    def __init__(self, make: Make, times: Times) -> None:
        super().__init__(times.patience, times.quiet)
        self.links = make()
        self.wrong: list[tuple[Promise, str]] = []
        self.all: list[End] = []
        self.alice, self.bob = self.pair(1)
        self._attempts = 0
        self._frames = 0

    @property
    def ends(self) -> tuple[End, End]:
        return self.alice, self.bob

    def pair(self, generation: int) -> tuple[End, End]:
        """One more link, between these generations of both."""
        alice = End(self, self.links[0], "alice", "bob", generation)
        bob = End(self, self.links[1], "bob", "alice", generation)
        alice.far, bob.far = bob, alice
        self.all += [alice, bob]
        return alice, bob

    # -- what is done ------------------------------------------------------------------------------

    def name(self) -> str:
        """A new attempt."""
        self._attempts += 1
        return f"1.{self._attempts}"

    def attempt(
        self,
        *,
        kind: AttemptKind = AttemptKind.REBUILD,
        bob_offers: bool = False,
        ends: tuple[End, End] | None = None,
    ) -> str:
        """Both begin; gives the attempt's id."""
        alice, bob = ends or self.ends
        name = self.name()
        offering, answering = (bob, alice) if bob_offers else (alice, bob)
        answering.attempt(name, offers=False, kind=kind)
        offering.attempt(name, offers=True, kind=kind)
        return name

    def hold(self) -> None:
        """Nothing that is said is carried over, until `release`."""
        for end in self.ends:
            end.carries = False

    def release(self) -> None:
        """Carry over what was held, however late it is."""
        for end in self.ends:
            end.carries = True
            held, end.held = end.held, []
            for said in held:
                end.far.hear(*said)

    async def succeeds(self, name: str, *, ends: tuple[End, End] | None = None) -> None:
        """Both hear that the attempt did, and packets go."""
        both = ends or self.ends
        await self.until(
            lambda: all(name in end.succeeded_ids for end in both),
            SUCCEEDED,
            lambda: (
                f"attempt {name!r} succeeded for {self._who(name, both)}, not for both"
                + "".join(f"; failed for {end.me}" for end in both if name in end.failures)
            ),
        )
        await self.until(
            lambda: all(end.channels[-1:] == [True] for end in both),
            CHANNEL,
            lambda: f"channel said {[end.channels for end in both]}",
        )
        await self.round_trip(SUCCEEDED, ends=both)

    async def connects(self, **options: Any) -> str:
        """An attempt that succeeds."""
        name = self.attempt(**options)
        await self.succeeds(name, ends=options.get("ends"))
        return name

    async def fails(self, end: End, name: str) -> None:
        """This end hears that the attempt did."""
        await self.until(
            lambda: name in end.failures, FAILED, lambda: f"{end.me} heard no failed({name!r}, ...)"
        )

    async def arrive(
        self, frames: Iterable[bytes], promise: Promise, *, ends: tuple[End, End] | None = None
    ) -> None:
        """Each of these gets over, both ways, when it is sent often enough."""
        both = ends or self.ends
        waiting = [(end, frame) for end in both for frame in frames]

        def all_are_there() -> bool:
            left = [(end, frame) for end, frame in waiting if frame not in end.far.frames]
            for end, frame in left:
                end.send(frame)
            waiting[:] = left
            return not left

        await self.until(
            all_are_there,
            promise,
            lambda: f"a packet of {len(waiting[0][1])} bytes from {waiting[0][0].me} never came",
        )

    async def round_trip(self, promise: Promise, *, ends: tuple[End, End] | None = None) -> None:
        """A new packet of each end gets over."""
        self._frames += 1
        await self.arrive([b"packet %d" % self._frames], promise, ends=ends)

    # -- what is expected --------------------------------------------------------------------------

    def judge(self) -> None:
        """Raise the first word that was broken."""
        for promise, saw in self.wrong:
            raise self.broken(promise, saw)

    async def leave(self) -> None:
        """Close all links, and wait for their tasks."""
        for end in self.all:
            end.close()
        for links in self.links:
            if isinstance(links, Closing):
                try:
                    await asyncio.wait_for(links.closed(), self.patience)
                except TimeoutError:
                    self.expect(False, ENDS, f"closed() of {type(links).__name__} never returns")
                except Exception as error:
                    saw = f"closed() of {type(links).__name__} raised {error!r}"
                    raise self.broken(ENDS, saw) from error
        self.judge()

    def _who(self, name: str, ends: tuple[End, End]) -> str:
        return " and ".join(end.me for end in ends if name in end.succeeded_ids) or "nobody"
