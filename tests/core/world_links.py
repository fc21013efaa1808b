"""Links in a world: what the adapters of clients do, and what becomes of packets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from random import Random

from reconnect.core import effects as fx
from reconnect.core import events as ev
from reconnect.core.messages import (
    AttemptKind,
    SignalKind,
)
from tests.core.world_things import Client, Deed, Ear, End


class Wires:
    """The part of a `World` between its clients."""

    now: float
    random: Random
    ear: Ear
    after: Callable[[float, Deed], None]
    blocked: set[tuple[str, str]]
    loss: float
    offers: dict[str, End]
    ids: Iterator[int]
    tell: Callable[[Client, ev.PeerEvent], None]
    _delay: Callable[[], float]

    def _attempt(self, end: End, effect: fx.StartAttempt) -> None:
        if effect.kind is AttemptKind.REBUILD:
            end.attempts.clear()
        end.attempts[effect.attempt_id] = effect.kind
        if effect.offers:
            self.after(0.02, lambda: self._made(end, effect.attempt_id, SignalKind.OFFER))
        if self.random.random() < 0.03:
            self.after(0.2, lambda: self._attempt_fails(end, effect.attempt_id))

    def _attempt_fails(self, end: End, attempt_id: str) -> None:
        if end.attempts.pop(attempt_id, None):
            self._to_end(end, ev.AttemptFailed(end.peer, attempt_id, "failed"))

    def _made(self, end: End, attempt_id: str, kind: SignalKind) -> None:
        if attempt_id in end.attempts:
            key = str(next(self.ids))
            self.offers[key] = end
            self._to_end(end, ev.SignalMade(end.peer, attempt_id, kind, key))
            self._to_end(end, ev.SignalMade(end.peer, attempt_id, SignalKind.CANDIDATE, key))

    def _passed(self, end: End, effect: fx.PassSignal) -> None:
        match effect.kind:
            case SignalKind.OFFER:
                self.after(0.01, lambda: self._made(end, effect.attempt_id, SignalKind.ANSWER))
            case SignalKind.ANSWER:
                far = self.offers[effect.payload]
                self.after(0.05, lambda: self._join(end, far, effect.attempt_id))
            case _:
                pass

    def _join(self, one: End, other: End, attempt_id: str) -> None:
        if attempt_id not in one.attempts or attempt_id not in other.attempts:
            return
        pair = (one.client.player, other.client.player)
        if pair in self.blocked or pair[::-1] in self.blocked:
            self.after(0.1, lambda: self._join(one, other, attempt_id))
            return
        flow = [True]
        for end, far in ((one, other), (other, one)):
            kept = end.attempts.pop(attempt_id) is AttemptKind.RESTART and end.far is far
            end.far, end.flow = far, flow
            self.after(self._delay(), partial(self._joined, end, flow, attempt_id, kept))

    def _joined(self, end: End, flow: list[bool], attempt_id: str, kept: bool) -> None:
        if end.flow is flow:
            self._to_end(end, ev.AttemptSucceeded(end.peer, attempt_id))
            if not kept:
                self._channel(end, flow, is_open=True)

    def _channel(self, end: End, flow: list[bool], *, is_open: bool) -> None:
        if end.flow is flow and (end.far is not None) is is_open:
            self._to_end(end, ev.IceChanged(end.peer, "connected" if is_open else "closed"))
            self._to_end(end, ev.ChannelChanged(end.peer, is_open))

    def close_end(self, end: End) -> None:
        """One end closes the channel; the other may see it, or only silence."""
        far, end.far = end.far, None
        end.attempts.clear()
        if far is not None and far.far is end:
            far.far = None
            if self.random.random() < 0.6:
                flow = far.flow
                self.after(
                    self.random.uniform(0.0, 0.5), lambda: self._channel(far, flow, is_open=False)
                )

    def _to_end(self, end: End, event: ev.PeerEvent) -> None:
        if end.client.ends.get(end.peer) is end:
            self.tell(end.client, event)

    def _packet(self, end: End, frame: bytes) -> None:
        far = end.far
        if far is None or not end.flow[0] or (end.client.player, end.peer) in self.blocked:
            return
        if self.random.random() < self.loss:
            return
        event = ev.FrameArrived(far.peer, frame)
        for _ in range(2 if self.random.random() < 0.02 else 1):
            self.after(self.random.choice((0.004, 0.01, 0.03)), partial(self._to_end, far, event))
