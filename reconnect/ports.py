"""The contracts that adapters fulfil, and no code.

All calls are synchronous, return at once and never raise because a far end is gone. An adapter
starts its own tasks, keeps references to them, and ends them on `close()`. Everything it has to
say it says to the `hears` object it was given, on the shell's own loop or under its lock; after
`close()` it says nothing more. `reconnect.testing` holds an adapter to these words.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeVar, runtime_checkable

from reconnect.core.effects import SessionEffect
from reconnect.core.events import SessionEvent
from reconnect.core.messages import AttemptKind
from reconnect.core.record import Record
from reconnect.core.session import Session
from reconnect.policy import IceServer

T = TypeVar("T")
FRAME_MAX = 1150  # bytes; one frame is one packet, which is never cut


class Cancel(Protocol):
    """Takes a timer back; calling it twice, or after the timer has fired, does nothing."""

    def __call__(self) -> None: ...


class Runtime(Protocol):
    """Time, timers and a place for blocking work."""

    @property
    def lock(self) -> AbstractContextManager[Any]:
        """Held around every call into a shell; does nothing where there is one loop."""
        ...

    def now(self) -> float:
        """Seconds that never go back and count while the machine sleeps."""
        ...

    def call_at(self, when: float, callback: Callable[[], None]) -> Cancel:
        """Call once, at or after `when`; never from inside this call."""
        ...

    def work(self, job: Callable[[], T], done: Callable[[T | Exception], None]) -> None:
        """Run `job` where it may block, then `done` with what it returned or raised."""
        ...


class ServerHears(Protocol):
    """What a server's signaling adapter says."""

    def opened(self, conn: Hashable) -> None:
        """A logical connection is there. The same name is never used for two of them."""
        ...

    def received(self, conn: Hashable, message: Any) -> None:
        """Something came; it may be anything at all, and is handed over before any await."""
        ...

    def closed(self, conn: Hashable) -> None:
        """The connection is gone, said once."""
        ...


class ServerSignaling(Protocol):
    """The coordinator's end of the control links."""

    @property
    def runtime(self) -> Runtime: ...

    def start(self, hears: ServerHears) -> None:
        """Begin to listen; called once."""
        ...

    def send(self, conn: Hashable, message: dict[str, Any]) -> None:
        """First in, first out for each connection; to the socket, never to a room."""
        ...

    def close(self, conn: Hashable) -> None:
        """Close this logical connection, after what was sent on it; never a shared transport."""
        ...


class ClientHears(Protocol):
    """What a client's signaling adapter says of the dial it was opened with."""

    def opened(self) -> None: ...

    def received(self, message: Any) -> None: ...

    def closed(self, cause: str) -> None:
        """The dial failed, or the connection is gone; said once, and the last word of a dial."""
        ...


class ClientSignaling(Protocol):
    """A client's end of the control link."""

    @property
    def runtime(self) -> Runtime: ...

    def open(self, hears: ClientHears) -> None:
        """Dial once; never again by itself. Nothing of an older dial is heard any more."""
        ...

    def send(self, message: dict[str, Any]) -> None:
        """First in, first out; lost without a word where there is no connection."""
        ...

    def close(self) -> None:
        """Close the connection, after what was sent on it; `hears` hears nothing more."""
        ...


class LinkHears(Protocol):
    """What a link says."""

    def signal(self, attempt_id: str, kind: str, payload: str) -> None:
        """Something for the far end of this attempt: an offer, an answer, a candidate."""
        ...

    def received(self, frame: bytes) -> None: ...

    def channel(self, is_open: bool) -> None:
        """Packets can be sent now, or no longer."""
        ...

    def ice(self, state: str) -> None:
        """What the library says about the path."""
        ...

    def succeeded(self, attempt_id: str) -> None:
        """What this attempt made carries packets from now on; said before them."""
        ...

    def failed(self, attempt_id: str, cause: str) -> None:
        """The attempt will not succeed; the link is as it was before it."""
        ...


class Link(Protocol):
    """A path to one generation of one player: lossy, unordered, packets of up to 1,150 bytes."""

    def attempt(
        self,
        attempt_id: str,
        *,
        kind: AttemptKind,
        offers: bool,
        ice_servers: Sequence[IceServer],
    ) -> None:
        """Begin to mend; an older attempt is void. What there was before goes on working."""
        ...

    def abandon(self, attempt_id: str) -> None:
        """Drop this attempt, keep what there was before; unknown ids are ignored."""
        ...

    def signal(self, attempt_id: str, kind: str, payload: str) -> None:
        """What the far end said; of an attempt that is not the current one, nothing."""
        ...

    def send(self, frame: bytes) -> bool:
        """False: not sent, because there is no channel or more than 64 KiB are waiting in it.

        Raises `ValueError` for a frame of more than `FRAME_MAX` bytes.
        """
        ...

    def close(self) -> None: ...


class Links(Protocol):
    """All links of one client."""

    @property
    def kind(self) -> str:
        """What the client's program is: `python` or `browser`."""
        ...

    @property
    def mends(self) -> frozenset[AttemptKind]:
        """What its links can do to mend themselves."""
        ...

    def open(self, peer: str, generation: int, hears: LinkHears) -> Link: ...


class Store(Protocol):
    """Where records live. All calls may block if `blocking` says so."""

    @property
    def blocking(self) -> bool: ...

    def load(self, session: str) -> Record | None:
        """The record as it was saved, in every part; None where there is none."""
        ...

    def load_all(self) -> Iterable[Record]:
        """All records, in the order of their first saves.

        What is saved or forgotten during the walk changes nothing in it.
        """
        ...

    def save(self, record: Record, *, expected: int) -> None:
        """Compare-and-set on the version, durable when it returns; 0 expects no record.

        Raises `Conflict` where the stored version is another; saving an equal record again does
        nothing, so that a save whose outcome is unknown can be repeated.
        """
        ...

    def forget(self, session: str) -> None:
        """Remove the record of this session alone, if there is one; then the name is free."""
        ...

    def close(self) -> None:
        """Let go of the place, and forget nothing: the next store there has all. Twice is once."""
        ...


@runtime_checkable
class Owned(Protocol):
    """A store that belongs to one coordinator at a time, and can be taken from one that hangs.

    Without this a store is taken from nobody: then all of its saves succeed, or raise otherwise.
    """

    def owned(self) -> bool:
        """Whether nobody can have taken the store over; asked for every message, so it is quick.

        While it is False the coordinator hears nothing: an answer would let a player play on who
        counts as stopped elsewhere. Saves raise `StoreInUse` when the store is lost for good.
        """
        ...


@runtime_checkable
class Snapshots(Protocol):
    """A game that can be handed over whole, to a player's program that has just started.

    Where `snapshot` raises, the newcomer asks the next player; where `restore` does, it leaves.
    """

    def snapshot(self) -> bytes:
        """The game as it is between two steps, and every input that is held for later ones."""
        ...

    def restore(self, snapshot: bytes) -> None:
        """Become the game of a snapshot; set `client.frame` to its frame.

        Keep the inputs of the others that have come before and are newer than the snapshot:
        nobody sends them again, and a lockstep game without them stands still. Another player
        sent it: raise for what is no snapshot.
        """
        ...


@runtime_checkable
class Marks(Protocol):
    """A game with a netcode of its own, which loses what goes into a dead path.

    What `since` and `merge` are given was written by another player's program, and may be
    anything: look at it before you believe it, and refuse it by raising. Whoever raises leaves,
    with the reason `resync_failed`; the others hear that it left, and the policy's `on_leave`
    says whether they go on. The one who sent it is to blame, but from outside that looks the same
    as an honest word to somebody who lies, so nobody is thrown out on the word of another: who
    cannot go on with the rest goes alone. An input that breaks a rule of the game is not for
    raising: merge it, and let all players' games judge it alike, as they do with what is sent in
    play.
    """

    def mark(self, peer: str) -> bytes:
        """Up to where this game holds inputs without a hole; only `since` has to understand it."""
        ...

    def since(self, peer: str, mark: bytes) -> bytes:
        """What the game of `peer`, with that mark, may lack; raise for what is no mark."""
        ...

    def merge(self, peer: str, data: bytes) -> None:
        """Take in what `peer` says this game may lack; what is held already is no error.

        Raise for what cannot be read: to pass over it would leave a hole that nobody knows of.
        """
        ...


class Recorder(Protocol):
    """Who keeps what happened; called in order, and only with what did happen.

    It may not change anything it is given, and what it raises is logged and harms no session.
    """

    def began(self, session: Session, *, now: float) -> None:
        """The session is in this process from now on: newly opened, or loaded from a store."""
        ...

    def handled(
        self, session: Session, event: SessionEvent, effects: Sequence[SessionEffect], *, now: float
    ) -> None:
        """`session.handle(event, now=now)` gave these effects."""
        ...

    def close(self) -> None: ...


@runtime_checkable
class Closing(Protocol):
    """An adapter whose tasks take a moment to end; not every adapter has such tasks."""

    async def closed(self) -> None:
        """Return when they have ended; to be awaited after `close()`."""
        ...
