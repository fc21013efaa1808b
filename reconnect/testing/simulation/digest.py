"""A number for a whole game: the same for the same seed, in every process and on every machine."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

import attrs

from reconnect.core.effects import PeerEffect, SessionEffect
from reconnect.core.events import PeerEvent, SessionEvent
from reconnect.core.peer import Peer
from reconnect.core.session import Session
from reconnect.testing.simulation.game import Simulation
from reconnect.testing.watch import Watch, watching


class Digest(Watch):
    """Hears of everything, and forgets nothing of it."""

    def __init__(self) -> None:
        self._hash = blake2b(digest_size=16)

    @property
    def hexdigest(self) -> str:
        """Of every event, its effects, and when it was handled."""
        return self._hash.hexdigest()

    def after_peer(
        self, peer: Peer, event: PeerEvent, effects: Sequence[PeerEffect], now: float
    ) -> None:
        self._hash.update(spelled((peer.player, now, event, list(effects))).encode())

    def after_session(
        self, _session: Session, event: SessionEvent, effects: Sequence[SessionEffect], now: float
    ) -> None:
        self._hash.update(spelled((now, event, list(effects))).encode())


def digest(seed: int) -> str:
    """What the game of this seed comes to."""
    watch = Digest()
    with watching(watch):
        Simulation.of(seed).draw()
    return watch.hexdigest


def spelled(value: object) -> str:
    """A value written out the same way in every process; what is secret is left out."""
    if isinstance(value, frozenset):
        return spelled(sorted(value, key=str))
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(spelled, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{name}: {spelled(one)}' for name, one in value.items())}}}"
    kind = type(value)
    if attrs.has(kind):
        names = [one.name for one in attrs.fields(kind) if one.name not in SECRET]
        return f"{kind.__name__}({', '.join(spelled(getattr(value, name)) for name in names)})"
    return repr(value)


SECRET = {"digest", "token_digest"}
"""Tokens are drawn anew in every process."""
