"""Is the far end of a link there, and can it be heard?

A `Detector` is fed with everything valid that comes in and asks for a heartbeat now and then. It
is slow to believe in a loss where the fault may be its own: silence counts only against a
heartbeat that was sent and had its time to be answered, and never across a stall of its own loop.
"""

from __future__ import annotations

import math
from enum import StrEnum

from attrs import define, field, frozen

from reconnect.policy import Policy

HIDDEN_FACTOR = 4.0  # timers of a hidden page run once a second: as often as its heartbeats then
HURRY = 0.1  # between heartbeats in silence; so many fit before a loss that 10 % loss is survived
OVERDUE = 1.5  # round trips after which an answer is missed
ROUND_TRIPS = 4.0  # fewer of them in a limit and jitter alone looks like silence
RTT_MAX = 2.0  # a far end that answers late on purpose cannot push the limits beyond four of these
RTT_WEIGHT = 0.125  # RFC 6298, section 2: alpha
BUSY_MAX = 3.0  # the longest silence that is excused by having been announced
EXCUSES = 3  # a loop that stalls again and again still finds out that nobody is there
WAITING_MAX = 64  # heartbeats whose answers are still of interest; more than a limit ever holds
NONCES = 1 << 32


class Liveness(StrEnum):
    """What a detector makes of the silence."""

    ALIVE = "alive"
    SUSPECT = "suspect"
    """Silent for a while; nobody is paused, heartbeats quicken."""
    LOST = "lost"
    """Not up: nothing has been heard for too long, or ever."""


@frozen
class Evidence:
    """Why a detector thinks what it thinks, for the record of an outage."""

    silent_for: float
    """Seconds since anything was heard."""
    unanswered: int
    """Heartbeats sent since then."""
    stall: float
    """The longest that our own loop was late since then, in seconds."""
    hidden: bool
    """Whether our page was in the background."""


@define
class Detector:
    """One end's judgement of one link, from what comes in and from time.

    A new one is LOST until something is heard. Call `due` when `deadline` has come; what it
    returns is the nonce of a heartbeat to be sent at once. Give it what has come in before you
    call `due`, above all after a stall.
    """

    _policy: Policy
    _heard_at: float = field(kw_only=True, alias="now")
    _silent_from: float = field(init=False)
    _ping_at: float = field(init=False)
    _open: bool = field(init=False, default=True)
    _hidden: bool = field(init=False, default=False)
    liveness: Liveness = field(init=False, default=Liveness.LOST)
    _rtt: float | None = field(init=False, default=None)
    _nonce: int = field(init=False, default=0)
    _pinged_at: float = field(init=False, default=-math.inf)
    _waiting: dict[int, float] = field(init=False, factory=dict)
    _asked_at: float = field(init=False, default=math.inf)
    _unanswered: int = field(init=False, default=0)
    _excuses: int = field(init=False, default=0)
    _stall: float = field(init=False, default=0.0)
    _stood_still: float = field(init=False, default=0.0)

    def __attrs_post_init__(self) -> None:
        self._silent_from = self._ping_at = self._heard_at

    # -- what it says ----------------------------------------------------------------------------

    @property
    def rtt(self) -> float | None:
        """The smoothed round trip in seconds; None before the first answer."""
        return self._rtt

    @property
    def deadline(self) -> float:
        """When `due` must be called next; infinite while there is no channel."""
        if not self._open:
            return math.inf
        if self._asked_at == math.inf:
            return self._ping_at
        return min(self._ping_at, self._suspect_at(), self._lost_at())

    def evidence(self, now: float) -> Evidence:
        """What speaks for a loss, and what against it."""
        return Evidence(
            silent_for=max(0.0, now - self._heard_at),
            unanswered=self._unanswered,
            stall=self._stall,
            hidden=self._hidden,
        )

    # -- what it is told -------------------------------------------------------------------------

    def heard(self, now: float) -> None:
        """Anything valid came in, of whatever kind."""
        self._open = True
        self.liveness = Liveness.ALIVE
        self._heard_at = now
        self._silent_from = max(now, self._silent_from)
        self._ping_at = max(self._ping_at, self._pinged_at + self._heartbeat)
        self._asked_at = math.inf
        self._unanswered = self._excuses = 0
        self._stall = 0.0

    def answered(self, nonce: int, now: float) -> None:
        """A heartbeat came back; `heard` is told of the packet besides."""
        sent_at = self._waiting.pop(nonce, None)
        if sent_at is None or self._late(now) > 0.0:
            return
        sample = min(now - sent_at, RTT_MAX)
        old = sample if self._rtt is None else self._rtt
        self._rtt = old + RTT_WEIGHT * (sample - old)

    def busy(self, now: float, *, seconds: float) -> None:
        """Silence is announced, by this program or by the far end; `BUSY_MAX` of it is excused."""
        excused = min(now + seconds, self._heard_at + BUSY_MAX)
        self._silent_from = max(self._silent_from, excused)

    def hidden(self, now: float) -> None:
        """Our page went to the background: its timers are slow, so its limits are wide."""
        self._hidden = True
        self._begin_afresh(now)

    def shown(self, now: float) -> None:
        """Our page is seen again."""
        self._hidden = False
        self._begin_afresh(now)

    def woke(self, now: float) -> None:
        """The machine was asleep: what was known about the link is worth nothing now."""
        if self.liveness is Liveness.ALIVE:
            self.liveness = Liveness.SUSPECT
        self._stood_still = max(self._stood_still, self._late(now))
        self._begin_afresh(now)

    def closed(self) -> None:
        """There is no channel, so nothing can be sent or heard: LOST, and no more heartbeats."""
        self._open = False
        self.liveness = Liveness.LOST

    def opened(self, now: float) -> None:
        """There is a channel; it counts as up when something is heard through it."""
        self._open = True
        self._begin_afresh(now)

    # -- what it does in time --------------------------------------------------------------------

    def due(self, now: float) -> int | None:
        """The nonce of a heartbeat to send at once, or None; `liveness` is up to date then."""
        if now < self.deadline:
            return None
        if (late := self._late(now)) > 0.0:
            self._stall = max(self._stall, late)
            self._stood_still = max(self._stood_still, late)
            if self._excuses < EXCUSES:
                self._excuses += 1
                self._begin_afresh(now)
        if now >= self._suspect_at():
            self.liveness = Liveness.SUSPECT
            self._ping_at = now
        if now >= self._lost_at():
            self.liveness = Liveness.LOST
        return self._ping(now) if now >= self._ping_at else None

    def stood_still(self) -> float:
        """The longest that our own loop has been late since this was last asked, in seconds."""
        longest, self._stood_still = self._stood_still, 0.0
        return longest

    def _ping(self, now: float) -> int:
        """A new heartbeat; missed ones are never made up for."""
        self._pinged_at = now
        self._ping_at = now + self._pause()
        self._nonce = (self._nonce + 1) % NONCES
        self._waiting[self._nonce] = now
        if len(self._waiting) > WAITING_MAX:
            del self._waiting[next(iter(self._waiting))]
        self._asked_at = min(self._asked_at, now)
        self._unanswered += 1
        return self._nonce

    def _pause(self) -> float:
        """How long until the next heartbeat, if nothing is heard before it."""
        if self.liveness is Liveness.LOST:
            return self._heartbeat
        if self.liveness is Liveness.SUSPECT:
            return min(self._heartbeat, HURRY)
        missed = max(HURRY, OVERDUE * (self._rtt or 0.0))
        return min(self._heartbeat, missed * self._factor)

    def _begin_afresh(self, now: float) -> None:
        """Silence counts from now on, against a heartbeat that is to go at once."""
        self._silent_from = max(self._silent_from, now)
        self._asked_at = math.inf
        self._ping_at = now
        self._waiting.clear()

    def _late(self, now: float) -> float:
        """By how much `due` is late, if that is more than a heartbeat; else 0."""
        late = now - self.deadline
        return late if late > self._heartbeat else 0.0

    @property
    def _heartbeat(self) -> float:
        return self._policy.link_heartbeat * self._factor

    @property
    def _factor(self) -> float:
        return HIDDEN_FACTOR if self._hidden else 1.0

    @property
    def _floor(self) -> float:
        return ROUND_TRIPS * (self._rtt or 0.0)

    def _suspect_at(self) -> float:
        """When the link becomes suspect, if nothing is heard; infinite if it cannot."""
        if self.liveness is not Liveness.ALIVE or self._asked_at == math.inf:
            return math.inf
        limit = max(self._policy.link_suspect * self._factor, self._floor / 2)
        return max(self._silent_from + limit, self._asked_at + HURRY)

    def _lost_at(self) -> float:
        """When the link is lost, if nothing is heard; infinite if it cannot be.

        The oldest unanswered heartbeat has had at least half of the limit by then.
        """
        if self.liveness is Liveness.LOST or self._asked_at == math.inf:
            return math.inf
        limit = max(self._policy.link_lost * self._factor, self._floor)
        return max(self._silent_from + limit, self._asked_at + limit / 2)
