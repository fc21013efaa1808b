"""Control: the control link as a client keeps it: dials, what it last heard, and its lease."""

from __future__ import annotations

from collections import deque
from enum import StrEnum
from math import inf
from random import Random
from statistics import median

from attrs import Factory, define, field

from reconnect.policy import Policy

DIAL_TIMEOUT = 5.0  # until a policy says how long a coordinator may be silent
GIVE_UP_TIMEOUT = 60.0  # until a policy says when to give up
REDIAL_MAX = 2.0  # until a policy says how long to wait between two dials
REDIAL_FIRST = 0.1
DOUBLINGS = 10  # any ceiling has been reached by then
RTT_SAMPLES = 8
SENT_MAX = 256  # reports that may be on their way before the oldest is forgotten


class Dialled(StrEnum):
    """How far a dial has got."""

    CLOSED = "closed"
    DIALLING = "dialling"
    OPEN = "open"


@define
class Control:
    """The client's control link: at most one dial at a time, each of which is heard or given up."""

    random: Random
    heard_at: float
    """When the coordinator was last heard, or the dial began."""
    acked_at: float
    """When the coordinator last acknowledged a report; at first, when the client began."""
    redial_at: float
    policy: Policy | None = None
    dialled: Dialled = Dialled.CLOSED
    attached: bool = False
    """Whether a view has been read on this connection."""
    seq: int = 0
    ack: int = 0
    report_at: float = inf
    """When the next heartbeat is due."""
    _tries: int = 0
    _sent_at: dict[int, float] = field(factory=dict)
    _acked_sent_at: float = -inf
    _rtts: deque[float] = Factory(lambda: deque(maxlen=RTT_SAMPLES))

    @classmethod
    def beginning(cls, random: Random, now: float) -> Control:
        """A control link that dials at once."""
        return cls(random, heard_at=now, acked_at=now, redial_at=now)

    # -- asked ------------------------------------------------------------------------------------

    @property
    def lease_until(self) -> float:
        """Until when the coordinator's last word allows to play.

        Counted from when the acknowledged report was sent, not from when the answer came: the
        coordinator counts from when it received it, which can only be later.
        """
        return -inf if self.policy is None else self._acked_sent_at + self.policy.lease

    @property
    def rtt(self) -> float | None:
        """The usual round trip to the coordinator, in seconds."""
        return median(self._rtts) if self._rtts else None

    @property
    def one_way(self) -> float:
        """How long a view takes at least, as far as round trips can tell."""
        return min(self._rtts) / 2 if self._rtts else 0.0

    @property
    def silence_timeout(self) -> float:
        """How long the coordinator may be silent before the link counts as lost."""
        return DIAL_TIMEOUT if self.policy is None else self.policy.silence_timeout

    @property
    def give_up_at(self) -> float:
        """When there is no hope any more; infinity while attached."""
        if self.attached:
            return inf
        timeout = GIVE_UP_TIMEOUT if self.policy is None else self.policy.give_up_timeout
        return self.acked_at + timeout

    @property
    def deadline(self) -> float:
        """When something is due by itself."""
        if self.dialled is Dialled.CLOSED:
            return min(self.redial_at, self.give_up_at)
        next_word = self.report_at if self.attached else self.give_up_at
        return min(self.heard_at + self.silence_timeout, next_word)

    def silent(self, now: float) -> bool:
        """Whether this connection, or this dial, is to be given up."""
        return self.dialled is not Dialled.CLOSED and (now >= self.heard_at + self.silence_timeout)

    def redials(self, now: float) -> bool:
        """Whether it is time to dial."""
        return self.dialled is Dialled.CLOSED and now >= self.redial_at

    # -- told -------------------------------------------------------------------------------------

    def dialling(self, now: float) -> None:
        """A dial has been ordered."""
        self.dialled = Dialled.DIALLING
        self.heard_at = now

    def opened(self) -> None:
        """The dial succeeded; nothing is known of the session yet."""
        self.dialled = Dialled.OPEN

    def closed(self, now: float) -> None:
        """The connection is gone; the next dial waits a full-jitter delay."""
        ceiling = REDIAL_MAX if self.policy is None else self.policy.redial_max
        grown = REDIAL_FIRST * 2.0 ** min(self._tries, DOUBLINGS)
        self.redial_at = now + self.random.uniform(0.0, min(ceiling, grown))
        self._tries += 1
        self.dialled = Dialled.CLOSED
        self.attached = False
        self.report_at = inf

    def hurry(self, now: float) -> None:
        """There is reason to believe that a dial can succeed now."""
        self._tries = 0
        self.redial_at = min(self.redial_at, now)

    def heard(self, ack: int, held: float, now: float) -> None:
        """A view was read; it acknowledges every report up to `ack`."""
        self.attached = True
        self.heard_at = now
        self._tries = 0
        sent_at = self._sent_at.get(ack)
        if sent_at is not None:
            self._rtts.append(max(0.0, now - sent_at - held))
        if ack > self.ack and sent_at is not None:
            self.ack = ack
            self.acked_at = now
            self._acked_sent_at = sent_at
            self._sent_at = {seq: at for seq, at in self._sent_at.items() if seq >= ack}

    def reporting(self, now: float) -> int:
        """The number of the report that is sent now."""
        self.seq += 1
        self._sent_at[self.seq] = now
        if len(self._sent_at) > SENT_MAX:
            del self._sent_at[min(self._sent_at)]
        if self.policy is not None:
            self.report_at = now + self.policy.heartbeat_interval
        return self.seq
