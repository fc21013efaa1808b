"""What goes over the control link, as values.

Two messages do the work. A `Report` says all of a client, a `View` all of a session; each is a
whole state, never an edge, so that one which is lost, doubled or late does no harm. Durations are
seconds here and milliseconds on the wire (see `wire`).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeAlias

import attrs
from attrs import define, field, frozen

from reconnect.core.table import State
from reconnect.policy import Policy

PROTOCOL_VERSION = 1


class Phase(StrEnum):
    """What a client does. On the wire an armed client still says `ready`."""

    HALTED = "halted"
    READY = "ready"
    PLAYING = "playing"
    LEFT = "left"


class Kind(StrEnum):
    """What a client's program is."""

    PYTHON = "python"
    BROWSER = "browser"
    VIEW = "view"


class AttemptKind(StrEnum):
    """One way to mend a link."""

    RESTART = "restart"
    """New ICE candidates for the peer connection that is there."""
    REBUILD = "rebuild"
    """A new peer connection."""
    RELAY = "relay"
    """Game data goes through the coordinator."""


class SignalKind(StrEnum):
    """What two ends of a link tell each other while they mend it."""

    OFFER = "offer"
    ANSWER = "answer"
    CANDIDATE = "candidate"
    PLEASE_RESTART = "please_restart"
    ABORT = "abort"


class Reason(StrEnum):
    """Why a session ended. An application may give a word of its own instead."""

    TIMEOUT = "timeout"
    """An outage reached its deadline."""
    BUDGET_SPENT = "budget_spent"
    """The session has been paused for too long, or too often, in all."""
    NEVER_STARTED = "never_started"
    PLAYER_LEFT = "player_left"
    COMPLETED = "completed"
    STATE_LOST = "state_lost"
    """The store lost a state that a client had seen."""
    STORE_FAILED = "store_failed"
    # what only one client hears
    SUPERSEDED = "superseded"
    """A newer client of the same player has taken the seat."""
    DROPPED = "dropped"
    """The others went on without this player."""
    LEFT = "left"
    CLOSED = "closed"
    """This program was closed in order; its player may come back with another."""
    NO_STATE = "no_state"
    """This program came without a game, and the others could not give it theirs."""
    RESYNC_FAILED = "resync_failed"
    """This program's game failed to bring its state together with the others'."""
    UNREACHABLE = "unreachable"
    """No word from the coordinator for `give_up_timeout`."""
    BAD_TOKEN = "bad_token"
    UNKNOWN_SESSION = "unknown_session"
    VERSION = "version"
    """The two ends speak different versions of the protocol."""


class Cause(StrEnum):
    """Why play stopped."""

    START = "start"
    """The first start is a pause like any other."""
    CONTROL_LOST = "control_lost"
    LINK_LOST = "link_lost"
    LEASE_EXPIRED = "lease_expired"
    PEER_RELOADED = "peer_reloaded"
    PLAYER_LEFT = "player_left"
    RESUME_FAILED = "resume_failed"
    LATE = "late"
    """A client found the game going on without it."""
    CLOSING = "closing"
    """A client's program is being closed in order."""


class ErrorCode(StrEnum):
    """Why a message was refused; the last three are final."""

    MALFORMED = "malformed"
    TOO_LARGE = "too_large"
    RATE_LIMITED = "rate_limited"
    NOT_A_MEMBER = "not_a_member"
    BAD_TOKEN = "bad_token"
    UNKNOWN_SESSION = "unknown_session"
    VERSION = "version"


OUTAGE = frozenset({State.PAUSED, State.RECONNECTING, State.RESUMED})
FINAL_ERRORS = frozenset({ErrorCode.BAD_TOKEN, ErrorCode.UNKNOWN_SESSION, ErrorCode.VERSION})

FactValue: TypeAlias = str | int | float | bool | None


@frozen
class Fact:
    """Something a client saw, for the record; repeated until a report that bore it is acked."""

    n: int
    kind: str
    ago: float
    """Seconds before the report was sent."""
    data: Mapping[str, FactValue] = field(factory=dict)


@frozen
class LinkReport:
    """One end of a peer link, as the client at that end sees it."""

    up: bool
    cause: str | None = None
    attempt: int = 0
    kind: AttemptKind | None = None


@define
class Report:
    """Client to coordinator: on every change and every heartbeat. The first one attaches."""

    gen: int
    seq: int
    epoch: int
    phase: Phase
    version: int
    cause: str | None = None
    frame: int = 0
    rtt: float | None = None
    links: dict[str, LinkReport] | None = None
    """None where nothing changed since the last report."""
    facts: tuple[Fact, ...] = ()
    kind: Kind = Kind.PYTHON


@frozen
class Resume:
    """From which frame, and in how many seconds from the sending, everybody plays."""

    frame: int
    start_in: float


@frozen
class PlayerView:
    """A member of the session, as the coordinator knows it."""

    id: str
    gen: int
    kind: Kind
    attached: bool
    phase: Phase
    links: Mapping[str, bool] = field(factory=dict)


@define
class View:
    """Coordinator to client: the whole session, and what is this receiver's own."""

    version: int
    epoch: int
    state: State
    players: tuple[PlayerView, ...]
    gen: int
    ack: int
    held: float
    resume: Resume | None = None
    remaining: float | None = None
    """Seconds until the session ends, while an outage lasts."""
    cause: str | None = None
    reason: str | None = None
    policy: Policy | None = None
    """Only in the answer to an attach."""
    outages: int = 0
    """The number of the outage that is open, or was the last; 0 before the first."""
    paused: float = 0.0
    """Seconds which that outage has lasted."""

    @property
    def in_outage(self) -> bool:
        """Whether an outage is open; the first start is none."""
        return self.outages > 0 and self.state in OUTAGE

    def aged(self, seconds: float) -> View:
        """This view as it has to read when it is sent that much later."""
        if not seconds:
            return self
        return attrs.evolve(
            self,
            held=self.held + seconds,
            resume=self.resume
            and Resume(self.resume.frame, max(0.0, self.resume.start_in - seconds)),
            remaining=None if self.remaining is None else max(0.0, self.remaining - seconds),
            paused=self.paused + seconds if self.in_outage else self.paused,
        )


@define
class ShortView:
    """The answer to a report that brought no news and was owed none."""

    version: int
    gen: int
    ack: int
    held: float

    def aged(self, seconds: float) -> ShortView:
        """This answer as it has to read when it is sent that much later."""
        return ShortView(self.version, self.gen, self.ack, self.held + seconds)


@frozen
class Signal:
    """Client to client, relayed: one step of an attempt to mend their link.

    `n` counts from 1 for each pair of generations; the receiver drops what it has seen, the
    sender repeats what is not acknowledged of its current attempt.
    """

    to: str
    gen_from: int
    gen_to: int
    n: int
    attempt_id: str
    attempt: AttemptKind
    kind: SignalKind
    payload: str
    sender: str | None = None
    """Set by the coordinator; whatever a client puts there is overwritten."""


@frozen
class SignalAck:
    """The receiver has every signal up to `n` of this pair of generations."""

    to: str
    gen_from: int
    gen_to: int
    n: int
    sender: str | None = None


@frozen
class Data:
    """Client to client, relayed: one packet of game data."""

    to: str
    payload: bytes
    sender: str | None = None


@frozen
class Bye:
    """This logical connection is over."""


@frozen
class Error:
    """What was sent is refused."""

    code: str
    detail: str = ""
    speaks: tuple[int, ...] = ()
    """With code `version`: the versions the coordinator speaks."""


@frozen
class Claim:
    """What accompanies the first report of a connection: which seat, and by what right."""

    player: str
    token: str = field(repr=False)


FromClient: TypeAlias = Report | Signal | SignalAck | Data | Bye
FromCoordinator: TypeAlias = View | ShortView | Signal | SignalAck | Data | Bye | Error
