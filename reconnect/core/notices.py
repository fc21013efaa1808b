"""What an application hears. Nothing it does with a notice can harm the protocol."""

from __future__ import annotations

from typing import TypeAlias

from attrs import frozen

# -- heard on both sides -------------------------------------------------------------------------


@frozen
class Paused:
    """Nobody may play. `missing` are those who are not there, as far as known now."""

    cause: str
    missing: frozenset[str] = frozenset()
    outage: int = 0
    """The number of the outage, from 1; 0 for the first start.

    Also 0 for a client that has stopped by itself: the coordinator has yet to give the number.
    """


@frozen
class Reconnecting:
    """Everybody is known to have stopped; links are being mended."""

    missing: frozenset[str] = frozenset()


@frozen
class Resumed:
    """Everybody is back and plays on from `frame`, in `starts_in` seconds."""

    frame: int
    starts_in: float


@frozen
class Connected:
    """Everybody plays."""

    paused: float = 0.0
    """How many seconds the outage took; 0.0 after the first start.

    Also 0.0 where that is not known: the coordinator was started again at this very moment.
    """


@frozen
class Ended:
    """The game is over, for all alike; `reason` says why."""

    reason: str


# -- heard by a game server ----------------------------------------------------------------------


@frozen
class Attached:
    """A client of `player` is connected; `generation` counts its clients."""

    player: str
    generation: int


@frozen
class Detached:
    """`player` has no connection any more."""

    player: str


@frozen
class PlayerDropped:
    """The others go on without `player`: lost at the deadline, or left on purpose."""

    player: str
    reason: str


# -- heard by a game client ----------------------------------------------------------------------


@frozen
class LinkSuspect:
    """`peer` has been silent for a while; nothing is decided yet."""

    peer: str


@frozen
class Gap:
    """What `peer` sent before this is incomplete: it could not be delivered whole."""

    peer: str


SessionNotice: TypeAlias = (
    Attached | Detached | Paused | Reconnecting | Resumed | Connected | PlayerDropped | Ended
)
ClientNotice: TypeAlias = Paused | Reconnecting | Resumed | Connected | Ended | LinkSuspect | Gap
Notice: TypeAlias = SessionNotice | ClientNotice
