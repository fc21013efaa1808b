"""Watching the real rules at work: each event that a peer or a session handles, and its effects.

Nothing is copied and nothing is changed: while `watching` lasts, `Peer.handle` and
`Session.handle` tell a listener before and after they do what they always do.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from reconnect.core.effects import PeerEffect, SessionEffect
from reconnect.core.events import PeerEvent, SessionEvent
from reconnect.core.peer import Peer
from reconnect.core.session import Session
from reconnect.errors import LocalProtocolError


class Watch:
    """What a listener may hear; each method does nothing until it is overridden."""

    def before_peer(self, peer: Peer, event: PeerEvent, now: float) -> None: ...

    def after_peer(
        self, peer: Peer, event: PeerEvent, effects: Sequence[PeerEffect], now: float
    ) -> None: ...

    def before_session(self, session: Session, event: SessionEvent, now: float) -> None: ...

    def after_session(
        self, session: Session, event: SessionEvent, effects: Sequence[SessionEffect], now: float
    ) -> None: ...

    def failed(self, error: Exception) -> None:
        """A handler raised what no application is to blame for, or this watch did."""


@contextmanager
def watching(watch: Watch) -> Iterator[None]:
    """Let `watch` hear of every peer and session of this process; what it raises leaves the call.

    An event that is refused (its `handle` raises) is heard before, and not after. Shells survive
    what a handler raises: who wants to know hears of it in `failed`.
    """
    peer_handles, session_handles = Peer.handle, Session.handle

    def peer_handle(self: Peer, event: PeerEvent, *, now: float) -> list[PeerEffect]:
        with _failures_of(watch):
            watch.before_peer(self, event, now)
            effects = peer_handles(self, event, now=now)
            watch.after_peer(self, event, effects, now)
        return effects

    def session_handle(self: Session, event: SessionEvent, *, now: float) -> list[SessionEffect]:
        with _failures_of(watch):
            watch.before_session(self, event, now)
            effects = session_handles(self, event, now=now)
            watch.after_session(self, event, effects, now)
        return effects

    Peer.handle = peer_handle  # type: ignore[method-assign] # put back below
    Session.handle = session_handle  # type: ignore[method-assign] # put back below
    try:
        yield
    finally:
        Peer.handle = peer_handles  # type: ignore[method-assign] # as it was
        Session.handle = session_handles  # type: ignore[method-assign] # as it was


@contextmanager
def _failures_of(watch: Watch) -> Iterator[None]:
    try:
        yield
    except LocalProtocolError:
        raise  # the application asked for what cannot be done, and hears of it
    except Exception as error:
        watch.failed(error)
        raise
