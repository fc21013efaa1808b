"""Ladder: what to try next to mend a link, and when.

Wait while the path may heal by itself, then RESTART a few times, then REBUILD for as long as the
outage lasts: no number of attempts ends a game, only its deadline does. One attempt at a time;
between two of them a full-jitter back-off, counted from the loss.
"""

from __future__ import annotations

from enum import StrEnum
from math import inf
from random import Random

from attrs import define, frozen

from reconnect.core.messages import AttemptKind
from reconnect.policy import Policy

DOUBLINGS = 10  # a thousandfold: any ceiling has been reached by then
OFFERS_MAX = 5.0  # at once; a far end that keeps to its own delays never has as many under way


class Outcome(StrEnum):
    """How an attempt ended."""

    SUCCESS = "success"
    """The link is up by what the attempt made."""
    HEALED = "healed"
    """The link came up by itself first."""
    TIMEOUT = "timeout"
    FAILED = "failed"
    """The link's library gave up."""
    VOID = "void"
    """A newer attempt, a newer generation or the end of the session came between."""


@frozen
class Attempt:
    """One try to mend a link."""

    id: str
    kind: AttemptKind
    number: int
    """Counted from 1 in each outage."""
    started_at: float
    offers: bool
    """Whether this end made the offer."""


@define
class Ladder:
    """Tries of one link. `initiator` says whether this end makes the offers."""

    policy: Policy
    initiator: bool
    prefix: str
    """Makes attempt ids differ between generations: the initiator's own."""
    random: Random
    mends: frozenset[AttemptKind]
    """What the link's adapter can do."""
    attempt: Attempt | None = None
    next_at: float = inf
    """When the next attempt may begin; infinity while nothing is to be mended."""
    tried: int = 0
    _restarts: int = 0
    _made: int = 0
    _offers: float = OFFERS_MAX
    _offered_at: float = -inf

    def lost(self, now: float, *, at_once: bool, restartable: bool) -> None:
        """The link has to be mended; `at_once` where there is nothing that could heal itself.

        Not `restartable`: there is no peer connection left in which ICE could restart.
        """
        self.tried = 0
        self._restarts = 0 if restartable else self.policy.restarts
        self.next_at = now if at_once else now + self.policy.attempt_delay_min

    def mended(self) -> None:
        """Nothing is to be tried any more; an attempt that is under way runs on."""
        self.next_at = inf

    def hurry(self, now: float) -> None:
        """There is reason to believe that an attempt can succeed now."""
        if self.next_at != inf:
            self.next_at = min(self.next_at, now)

    def no_restart(self) -> None:
        """Restarting is of no use in this outage."""
        self._restarts = self.policy.restarts

    def unsupported(self, kind: AttemptKind) -> None:
        """One of the two ends cannot do this; it is never tried again."""
        self.mends -= {kind}

    @property
    def kind(self) -> AttemptKind:
        """What the next attempt would be."""
        if AttemptKind.RESTART in self.mends and self._restarts < self.policy.restarts:
            return AttemptKind.RESTART
        return AttemptKind.REBUILD

    @property
    def deadline(self) -> float:
        """When `due` or `overdue` has something to say."""
        if self.attempt is not None:
            return self.attempt.started_at + self.policy.attempt_timeout
        return self.next_at

    def due(self, now: float) -> Attempt | None:
        """The attempt to begin now, if any."""
        if not self.initiator or self.attempt is not None or now < self.next_at:
            return None
        kind = self.kind
        self._made += 1
        self._restarts += kind is AttemptKind.RESTART
        return self.begin(f"{self.prefix}.{self._made}", kind, now, offers=True)

    def begin(self, attempt_id: str, kind: AttemptKind, now: float, *, offers: bool) -> Attempt:
        """An attempt is under way: ours, or one that the far end began."""
        self.tried += 1
        self.attempt = Attempt(attempt_id, kind, self.tried, now, offers)
        return self.attempt

    def takes_offer(self, now: float) -> bool:
        """Whether an offer of the far end is taken up; counted, so ask once for each.

        Each makes a peer connection, so in the long run no more are taken than may be made.
        """
        earned = (now - self._offered_at) / self.policy.attempt_delay_min
        self._offers = min(OFFERS_MAX, self._offers + earned)
        self._offered_at = now
        if self._offers < 1.0:
            return False
        self._offers -= 1.0
        return True

    def overdue(self, now: float) -> bool:
        """Whether the attempt under way has had its time."""
        return self.attempt is not None and now >= self.deadline

    def over(self, now: float) -> Attempt:
        """The attempt under way has ended; the next one waits its turn.

        The delay counts from the beginning of the attempt: one that failed at once is not
        repeated in a burst, and one that has had all its time leaves no time without an attempt.
        """
        assert self.attempt is not None
        attempt, self.attempt = self.attempt, None
        if self.next_at != inf:
            ceiling = self.policy.attempt_delay_min * 2.0 ** min(attempt.number, DOUBLINGS)
            delay = self.random.uniform(
                self.policy.attempt_delay_min, min(self.policy.attempt_delay_max, ceiling)
            )
            self.next_at = max(now, attempt.started_at + delay)
        return attempt
