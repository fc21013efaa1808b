"""Facts: what a client saw, kept for the record until the coordinator has it."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

from attrs import Factory, define

from reconnect.core.messages import Fact, FactValue

FACTS_PER_REPORT = 16
FACTS_MAX = 256  # of an outage in which every link fails again and again; then the oldest go


@define
class _Noted:
    n: int
    kind: str
    at: float
    data: Mapping[str, FactValue]
    seq: int | None = None
    """The report that first bore it."""


@define
class Facts:
    """Facts in the order they happened, each repeated until a report that bore it is acked."""

    lost: int = 0
    _n: int = 0
    _waiting: deque[_Noted] = Factory(lambda: deque[_Noted]())

    def note(self, kind: str, data: Mapping[str, FactValue], now: float) -> None:
        """Something happened now."""
        self._n += 1
        self._waiting.append(_Noted(self._n, kind, now, data))
        if len(self._waiting) > FACTS_MAX:
            self._waiting.popleft()
            self.lost += 1

    def acked(self, ack: int) -> None:
        """Every report up to `ack` has arrived."""
        while self._waiting and (seq := self._waiting[0].seq) is not None and seq <= ack:
            self._waiting.popleft()

    @property
    def untold(self) -> bool:
        """Whether something has happened that no report has borne yet."""
        return bool(self._waiting) and any(
            noted.seq is None for noted in list(self._waiting)[:FACTS_PER_REPORT]
        )

    def borne_by(self, seq: int, now: float) -> tuple[Fact, ...]:
        """What the report `seq`, sent now, says."""
        told = []
        for noted in list(self._waiting)[:FACTS_PER_REPORT]:
            noted.seq = seq if noted.seq is None else noted.seq
            told.append(Fact(noted.n, noted.kind, now - noted.at, noted.data))
        return tuple(told)
