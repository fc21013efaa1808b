"""Means: what all sessions of one coordinator work with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from attrs import define

from reconnect.core.effects import SessionEffect
from reconnect.core.events import SessionEvent
from reconnect.core.session import Session
from reconnect.errors import StoreInUse
from reconnect.log import facts_of
from reconnect.ports import Recorder, Runtime, Store
from reconnect.wheel import Wheel


@define(eq=False)
class Counters:
    """What has happened since the coordinator was made."""

    malformed: int = 0
    """Messages that are not as the protocol says, or too large."""
    refused: int = 0
    """Bad tokens, unknown sessions, other versions of the protocol, seats of others."""
    rate_limited: int = 0
    """Messages and connections of players who sent, or dialled, too often."""
    unattached: int = 0
    """Connections closed because they claimed no seat in time."""
    overflowed: int = 0
    """Reports thrown away because too many waited for a save."""
    relayed: int = 0
    """Signals and packets passed on."""
    undelivered: int = 0
    """Signals and packets whose receiver, or sender, was not there."""
    stale: int = 0
    """Reports and signals of older clients, or older than what has been heard."""
    outages: int = 0
    saves: int = 0
    crashes: int = 0
    """How often a session had to be loaded again, mostly because a save failed."""
    notices_lost: int = 0
    """Notices that were not read in time."""


@define(eq=False)
class Means:
    """What a mailbox is given; the coordinator fills it."""

    runtime: Runtime
    store: Store
    wall: Callable[[], float]
    recorder: Recorder | None
    log: Any
    wheel: Wheel
    perform: Callable[[str, Sequence[SessionEffect], float], None]
    """Carry out what the session of this id orders; the seconds are how late that is."""
    expired: Callable[[str], None]
    """The session ended so long ago that it need not be known any more."""
    settled: Callable[[str], None]
    """The mailbox of this id waits for nothing but the next event."""
    deposed: Callable[[StoreInUse], None]
    """Another coordinator has taken over the store: no lease may be renewed here any more."""
    counters: Counters
    closing: bool = False

    def began(self, session: Session, now: float) -> None:
        """Let the recorder know; what it raises harms nobody."""
        if self.recorder is not None:
            try:
                self.recorder.began(session, now=now)
            except Exception as error:
                self.log.error("reconnect.recorder_failed", session=session.id, **facts_of(error))

    def handled(
        self,
        session: Session,
        event: SessionEvent,
        effects: Sequence[SessionEffect],
        now: float,
    ) -> None:
        """Let the recorder know; what it raises harms nobody."""
        if self.recorder is not None:
            try:
                self.recorder.handled(session, event, effects, now=now)
            except Exception as error:
                self.log.error("reconnect.recorder_failed", session=session.id, **facts_of(error))
