"""Signals: what two ends tell each other while they mend a link, kept until it is acknowledged.

An offer put on a dead control link is lost for good, so signals are part of the sender's state:
numbered for each pair of generations, repeated after each attach and every second.
"""

from __future__ import annotations

from math import inf

from attrs import define, field

from reconnect.core.messages import AttemptKind, Signal, SignalAck, SignalKind

RESEND_INTERVAL = 1.0  # a control link that works answers well within it
FIRST_WORDS = frozenset({SignalKind.OFFER, SignalKind.ANSWER, SignalKind.PLEASE_RESTART})
"""What an attempt begins with at either end: what was numbered before it no longer matters."""


@define
class Signals:
    """The signals between this client and one generation of one peer."""

    to: str
    gen_from: int
    gen_to: int
    resend_at: float = inf
    _made: int = 0
    _heard: int = 0
    _unacked: list[Signal] = field(factory=list)

    def make(
        self,
        attempt_id: str,
        attempt: AttemptKind,
        kind: SignalKind,
        payload: str,
        *,
        now: float,
    ) -> Signal:
        """The next signal of the current attempt, to be sent now and repeated until it is acked."""
        self._made += 1
        signal = Signal(
            self.to, self.gen_from, self.gen_to, self._made, attempt_id, attempt, kind, payload
        )
        self._unacked.append(signal)
        self.resend_at = min(self.resend_at, now + RESEND_INTERVAL)
        return signal

    def forget(self) -> None:
        """A new attempt voids what has been said of all older ones."""
        self._unacked.clear()
        self.resend_at = inf

    def acked(self, ack: SignalAck) -> None:
        """The far end has everything up to a number."""
        if (ack.gen_to, ack.gen_from) != (self.gen_from, self.gen_to):
            return
        self._unacked = [signal for signal in self._unacked if signal.n > ack.n]
        if not self._unacked:
            self.resend_at = inf

    def hurry(self, now: float) -> None:
        """What is unacknowledged is to be said again as soon as it can be."""
        if self._unacked:
            self.resend_at = now

    def repeat(self, now: float) -> list[Signal]:
        """Everything unacknowledged, once more."""
        self.resend_at = now + RESEND_INTERVAL if self._unacked else inf
        return list(self._unacked)

    def concern(self, signal: Signal) -> bool:
        """Whether a signal is between these two generations."""
        return (signal.gen_to, signal.gen_from) == (self.gen_from, self.gen_to)

    def accept(self, signal: Signal) -> bool:
        """Whether this signal is the next one; others have been heard, or came too early."""
        fresh = signal.n > self._heard
        if fresh and (signal.n == self._heard + 1 or signal.kind in FIRST_WORDS):
            self._heard = signal.n
            return True
        return False

    def acknowledgement(self) -> SignalAck:
        """What has been heard."""
        return SignalAck(self.to, self.gen_from, self.gen_to, self._heard)
