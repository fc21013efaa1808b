"""Mending: one link's attempts, and what the two ends tell each other about them."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import assert_never

from attrs import define, field

from reconnect.core.effects import (
    AbandonAttempt,
    PassSignal,
    PeerEffect,
    SendSignal,
    StartAttempt,
)
from reconnect.core.ladder import Attempt, Ladder, Outcome
from reconnect.core.messages import AttemptKind, FactValue, Signal, SignalKind
from reconnect.core.signals import Signals
from reconnect.policy import Policy

REBUILD_PLEASE = "rebuild"
"""What a please-restart says when this end has no peer connection left to restart."""


@define
class Condition:
    """How the link is that may have to be mended."""

    proven: bool
    """Up, and data has made the round trip in this epoch."""
    channel: bool
    """Whether there is a peer connection in which ICE could restart."""
    patience_until: float
    """Until when it is too early to call an unproven link broken."""


@define(eq=False)
class Mending:
    """The attempts at the link to `peer`, begun by the end that is the ladder's initiator."""

    peer: str
    policy: Policy
    ladder: Ladder
    signals: Signals
    carries: bool = False
    """Whether what the attempt under way has made carries packets."""
    facts: list[tuple[str, Mapping[str, FactValue]]] = field(factory=list)
    """What happened and has not been told yet."""

    # -- what time and the link bring about -------------------------------------------------------

    def step(
        self, effects: list[PeerEffect], now: float, link: Condition, *, allowed: bool
    ) -> None:
        """Take the next step of the ladder, where the session allows one now."""
        if self.ladder.overdue(now):
            self._give_up(effects, now, link)
        if not allowed or link.proven:
            return
        if self.ladder.next_at == inf and now >= link.patience_until:
            self.ladder.lost(now, at_once=True, restartable=link.channel)
        attempt = self.ladder.due(now)
        if attempt is not None:
            self._start(effects, attempt)
        elif not self.ladder.initiator and self.ladder.attempt is None:
            self._ask(effects, now, link)

    def succeeded(self, attempt_id: str, now: float) -> None:
        """What an attempt made carries packets; it has mended the link once that is proven."""
        attempt = self.ladder.attempt
        if attempt is None or attempt.id != attempt_id:
            return
        self.carries = True
        if self.ladder.next_at == inf:
            self._over(Outcome.HEALED, now)

    def mended(self, now: float) -> str:
        """The link is proven again; by what: `self` or the kind of an attempt."""
        attempt = self.ladder.attempt
        method = "self"
        if attempt is not None and self.carries:
            method = str(attempt.kind)
            self._over(Outcome.SUCCESS, now)
        self.ladder.mended()
        return method

    def void(self, now: float) -> None:
        """The link is of no use any more, nor is any attempt at it."""
        if self.ladder.attempt is not None:
            self._over(Outcome.VOID, now)

    def failed(self, attempt_id: str, cause: str, now: float) -> None:
        """The adapter gave an attempt up."""
        attempt = self.ladder.attempt
        if attempt is None or attempt.id != attempt_id:
            return
        if cause == "unsupported":
            self.ladder.unsupported(attempt.kind)
        self._over(Outcome.FAILED, now)

    def _ask(self, effects: list[PeerEffect], now: float, link: Condition) -> None:
        """Only the other end makes offers; let it know that one is wanted."""
        self.ladder.next_at = max(self.ladder.next_at, link.patience_until)
        if now < self.ladder.next_at:
            return
        self.signals.forget()
        hint = "" if link.channel else REBUILD_PLEASE
        self._say(effects, "", AttemptKind.REBUILD, SignalKind.PLEASE_RESTART, hint, now)
        self.ladder.next_at = now + self.policy.attempt_timeout

    def _start(self, effects: list[PeerEffect], attempt: Attempt) -> None:
        self.carries = False
        self.signals.forget()
        effects.append(
            StartAttempt(
                self.peer, attempt.id, attempt.kind, attempt.offers, self.policy.ice_servers
            )
        )

    def _give_up(self, effects: list[PeerEffect], now: float, link: Condition) -> None:
        attempt = self.ladder.attempt
        assert attempt is not None
        effects.append(AbandonAttempt(self.peer, attempt.id))
        if attempt.offers:
            self._say(effects, attempt.id, attempt.kind, SignalKind.ABORT, "", now)
        self._over(Outcome.HEALED if link.proven else Outcome.TIMEOUT, now)

    def _over(self, outcome: Outcome, now: float) -> None:
        attempt = self.ladder.over(now)
        fact: dict[str, FactValue] = {
            "peer": self.peer,
            "id": attempt.id,
            "kind": attempt.kind,
            "number": attempt.number,
            "offers": attempt.offers,
            "duration_ms": round((now - attempt.started_at) * 1000),
            "outcome": outcome,
        }
        self.facts.append(("attempt", fact))

    # -- signals ----------------------------------------------------------------------------------

    def made(
        self,
        effects: list[PeerEffect],
        attempt_id: str,
        kind: SignalKind,
        payload: str,
        now: float,
    ) -> None:
        """The adapter has something to say to the far end."""
        attempt = self.ladder.attempt
        if attempt is not None and attempt.id == attempt_id:
            self._say(effects, attempt_id, attempt.kind, kind, payload, now)

    def repeat(self, effects: list[PeerEffect], now: float) -> None:
        """Say again what may have been lost."""
        effects += [SendSignal(signal) for signal in self.signals.repeat(now)]

    def arrived(
        self, effects: list[PeerEffect], signal: Signal, now: float, link: Condition
    ) -> None:
        """The far end said something about an attempt."""
        if not self.signals.concern(signal):
            return
        fresh = self.signals.accept(signal)
        effects.append(SendSignal(self.signals.acknowledgement()))
        if not fresh:
            return
        attempt = self.ladder.attempt
        current = attempt is not None and attempt.id == signal.attempt_id
        match signal.kind:
            case SignalKind.PLEASE_RESTART:
                self._asked(signal, now, link)
            case SignalKind.OFFER:
                if not self.ladder.initiator and not current and self.ladder.takes_offer(now):
                    self._offered(effects, signal, now)
            case SignalKind.ABORT:
                if current and not self.carries:
                    effects.append(AbandonAttempt(self.peer, signal.attempt_id))
                    self._over(Outcome.HEALED if link.proven else Outcome.TIMEOUT, now)
            case SignalKind.ANSWER | SignalKind.CANDIDATE:
                if current:
                    self._pass_on(effects, signal)
            case _:
                assert_never(signal.kind)

    def _say(
        self,
        effects: list[PeerEffect],
        attempt_id: str,
        attempt: AttemptKind,
        kind: SignalKind,
        payload: str,
        now: float,
    ) -> None:
        signal = self.signals.make(attempt_id, attempt, kind, payload, now=now)
        effects.append(SendSignal(signal))

    def _asked(self, signal: Signal, now: float, link: Condition) -> None:
        if not self.ladder.initiator or link.proven:
            return
        if self.ladder.next_at == inf:
            self.ladder.lost(now, at_once=True, restartable=link.channel)
        if signal.payload == REBUILD_PLEASE:
            self.ladder.no_restart()

    def _offered(self, effects: list[PeerEffect], signal: Signal, now: float) -> None:
        self.void(now)
        attempt = self.ladder.begin(signal.attempt_id, signal.attempt, now, offers=False)
        self._start(effects, attempt)
        self._pass_on(effects, signal)

    def _pass_on(self, effects: list[PeerEffect], signal: Signal) -> None:
        effects.append(PassSignal(self.peer, signal.attempt_id, signal.kind, signal.payload))
