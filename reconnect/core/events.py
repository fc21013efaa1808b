"""Past facts that a `Session` or a `Peer` is told.

A fold takes `(event, now)`; a trace is a list of them. Connections and attempts are named by
numbers and strings, so that a trace can be written down.
"""

from __future__ import annotations

from typing import TypeAlias

from attrs import define, field, frozen

from reconnect.core.messages import (
    Report,
    ShortView,
    Signal,
    SignalAck,
    SignalKind,
    View,
)
from reconnect.core.resync import Ask

# -- told to both --------------------------------------------------------------------------------


@frozen
class TimePassed:
    """`deadline` has been reached, or nothing happened for a while."""


@frozen
class FrameReached:
    """The application's own progress count is now `frame`."""

    frame: int


# -- told to a session ---------------------------------------------------------------------------


@define
class ReportArrived:
    """A report from `player`, whose right to speak for that seat has been verified."""

    conn: int
    player: str
    report: Report
    held: float = 0.0
    """Seconds it had already waited for its turn."""


@frozen
class ConnectionClosed:
    """A client's logical connection is gone."""

    conn: int


@frozen
class TokenIssued:
    """A new token opens this seat; the older one is void."""

    player: str
    digest: str = field(repr=False)


@frozen
class ApplicationEnded:
    """The application says that the game is over."""

    reason: str


SessionEvent: TypeAlias = (
    ReportArrived | ConnectionClosed | TimePassed | FrameReached | TokenIssued | ApplicationEnded
)

# -- told to a peer ------------------------------------------------------------------------------


@frozen
class ControlOpened:
    """The dial succeeded: a logical connection to the coordinator is there."""


@frozen
class ControlClosed:
    """The dial failed, or the connection is gone."""

    cause: str = ""


@define
class ViewArrived:
    """The coordinator said how things stand."""

    view: View | ShortView


@frozen
class ErrorArrived:
    """The coordinator refused something."""

    code: str
    detail: str = ""


@frozen
class SignalArrived:
    """The far end of a link sent a step of an attempt."""

    signal: Signal


@frozen
class SignalAcked:
    """The far end of a link has our signals up to a number."""

    ack: SignalAck


@frozen
class DataArrived:
    """A packet of game data came through the coordinator."""

    peer: str
    frame: bytes


@frozen
class SignalMade:
    """A link has something to tell its far end."""

    peer: str
    attempt_id: str
    kind: SignalKind
    payload: str


@define
class FrameArrived:
    """A packet came over a link."""

    peer: str
    frame: bytes


@frozen
class ChannelChanged:
    """A link can carry packets now, or no longer can."""

    peer: str
    open: bool


@frozen
class IceChanged:
    """What the link's library says about its path; evidence, and a backstop."""

    peer: str
    state: str


@frozen
class AttemptSucceeded:
    """What an attempt made carries the packets of a link from now on."""

    peer: str
    attempt_id: str


@frozen
class AttemptFailed:
    """A link gave up an attempt by itself."""

    peer: str
    attempt_id: str
    cause: str


@define
class DataOffered:
    """The application sends `data` to `to`, or to every other player.

    `latest`: the newest one wins and it may be lost; otherwise exactly once and in order.
    """

    data: bytes
    to: str | None = None
    latest: bool = False


@frozen
class Consulted:
    """The application has answered a `Consult`, or has done what it asked for."""

    ask: Ask
    peer: str
    round: int
    answer: bytes = field(default=b"", repr=False)


@frozen
class ConsultFailed:
    """The application raised instead of answering a `Consult`."""

    ask: Ask
    peer: str
    round: int


@frozen
class NetworkChanged:
    """The operating system says that the network is another, or is back."""


@frozen
class BusyDeclared:
    """The application is about to hold the event loop for so many seconds."""

    seconds: float


@frozen
class HiddenChanged:
    """The page went to the background, where timers are slow, or came back."""

    hidden: bool


@frozen
class ApplicationClosing:
    """The program goes away in order and means to come back (a page reload, SIGTERM)."""


@frozen
class ApplicationLeft:
    """The player leaves for good."""


PeerEvent: TypeAlias = (
    ControlOpened
    | ControlClosed
    | ViewArrived
    | ErrorArrived
    | SignalArrived
    | SignalAcked
    | DataArrived
    | SignalMade
    | FrameArrived
    | ChannelChanged
    | IceChanged
    | AttemptSucceeded
    | AttemptFailed
    | DataOffered
    | FrameReached
    | Consulted
    | ConsultFailed
    | NetworkChanged
    | BusyDeclared
    | HiddenChanged
    | ApplicationClosing
    | ApplicationLeft
    | TimePassed
)
