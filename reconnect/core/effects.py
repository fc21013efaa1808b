"""Orders that a `Session` or a `Peer` gives; a shell carries them out in order."""

from __future__ import annotations

from typing import TypeAlias

from attrs import define, field, frozen

from reconnect.core.messages import (
    AttemptKind,
    Error,
    Report,
    ShortView,
    Signal,
    SignalAck,
    SignalKind,
    View,
)
from reconnect.core.notices import ClientNotice, SessionNotice
from reconnect.core.record import Record
from reconnect.core.resync import Consult
from reconnect.policy import IceServer

# -- ordered by a session ------------------------------------------------------------------------


@frozen
class Save:
    """Write this record; until it is durable none of the effects behind it may happen."""

    record: Record
    expected: int
    """The version the store must hold now; 0 for none."""


@define
class Send:
    """Send to one connection, never to a room. If it waits, send `message.aged(wait)`."""

    conn: int
    message: View | ShortView | Error


@frozen
class Close:
    """Say bye on this logical connection and close it."""

    conn: int


@frozen
class Tell:
    """Let the application hear this."""

    notice: SessionNotice


SessionEffect: TypeAlias = Save | Send | Close | Tell

# -- ordered by a peer ---------------------------------------------------------------------------


@frozen
class Dial:
    """Open the control link; the answer is `ControlOpened` or `ControlClosed`."""


@frozen
class HangUp:
    """Close the control link; nothing of it is to be heard any more."""


@define
class SendReport:
    """Send over the control link; an attach is accompanied by the claim to the seat."""

    report: Report
    attach: bool = False


@frozen
class SendSignal:
    """Send over the control link to the far end of a peer link."""

    signal: Signal | SignalAck


@define
class SendData:
    """Send a packet of game data through the coordinator."""

    peer: str
    frame: bytes


@frozen
class OpenLink:
    """Make a link to this generation of `peer`; it does nothing before the first attempt."""

    peer: str
    generation: int


@frozen
class CloseLink:
    """Close the link to `peer`; nothing of it is to be heard any more."""

    peer: str


@frozen
class StartAttempt:
    """Let a link begin to mend itself; what it wants to say comes back as `SignalMade`."""

    peer: str
    attempt_id: str
    kind: AttemptKind
    offers: bool
    """Whether this end makes the offer."""
    ice_servers: tuple[IceServer, ...] = ()


@frozen
class AbandonAttempt:
    """Let a link drop this attempt and keep what it had before."""

    peer: str
    attempt_id: str


@frozen
class PassSignal:
    """Give a link what its far end said."""

    peer: str
    attempt_id: str
    kind: SignalKind
    payload: str = field(repr=False)


@define
class SendFrame:
    """Put a packet on a link; where it cannot be sent it is simply lost."""

    peer: str
    frame: bytes


@frozen
class Inform:
    """Let the application hear this."""

    notice: ClientNotice


PeerEffect: TypeAlias = (
    Dial
    | HangUp
    | SendReport
    | SendSignal
    | SendData
    | OpenLink
    | CloseLink
    | StartAttempt
    | AbandonAttempt
    | PassSignal
    | SendFrame
    | Consult
    | Inform
)
