"""Outages: one record for each time play stopped for all, from the beginning to the end.

Folded from what sessions handle, live or from a trace; whoever lost a link reports it, but who is
missing is what the coordinator itself knows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import asdict, define, field, frozen

from reconnect.core.effects import SessionEffect, Tell
from reconnect.core.events import ReportArrived, SessionEvent
from reconnect.core.messages import Fact, FactValue
from reconnect.core.notices import Connected, Ended, Notice, Paused, Reconnecting, Resumed
from reconnect.core.session import Session

FORETOLD = 15.0  # s; what a client saw that long before the pause belongs to it
MENDING = ("attempt", "link_mended")
"""Kinds of facts that are never what an outage came of."""
OUTAGES_MAX = 10_000  # of all sessions; an export takes them out long before
SEEN_MAX = 1_000  # of one outage; links that fail again and again say nothing new
EARLY_MAX = 100


@frozen
class Seen:
    """A fact that a client reported."""

    player: str
    generation: int
    n: int
    at: float
    """Wall-clock seconds."""
    kind: str
    data: Mapping[str, FactValue]


@define
class Outage:
    """One outage of one session; instants are wall-clock seconds, durations seconds."""

    session: str
    number: int
    started_at: float
    cause: str
    missing: tuple[str, ...]
    """Who had no control link when play stopped, or since."""
    frame: int
    """How far the slowest player had got."""
    halted_s: float | None = None
    """Until everybody was known to have stopped."""
    resumed_s: float | None = None
    """Until everybody was ready again."""
    pauses: int = 1
    """How often play was stopped in it: more than once where resuming failed."""
    paused_s: float | None = None
    """Its whole length; None while it lasts."""
    outcome: str | None = None
    """`connected`, or the reason why the session ended."""
    seen: list[Seen] = field(factory=list)

    @property
    def attempts(self) -> list[Seen]:
        """The attempts at mending links, each once: told by the end that made the offer."""
        return [one for one in self.seen if one.kind == "attempt" and one.data.get("offers")]

    def saw(self, seen: Seen) -> bool:
        """Whether a fact belongs to this outage, or to its cause."""
        if seen.kind in MENDING:
            return seen.at >= self.started_at
        return seen.at >= self.started_at - FORETOLD

    def to_json(self) -> dict[str, Any]:
        """The record as JSON."""
        return asdict(self)


@define
class Outages:
    """A recorder that keeps the outages of all sessions, oldest first."""

    outages: list[Outage] = field(factory=list)
    _open: dict[str, Outage] = field(factory=dict)
    _last: dict[str, Outage] = field(factory=dict)
    _early: dict[str, list[Seen]] = field(factory=dict)
    _known: dict[str, dict[tuple[str, int], int]] = field(factory=dict)
    """Of each session: the last fact of each client, which are numbered and come in order."""
    lost: int = 0
    """Outages that were thrown away because there were too many."""

    def of(self, session: str) -> list[Outage]:
        """The outages of one session."""
        return [outage for outage in self.outages if outage.session == session]

    def began(self, session: Session, *, now: float) -> None:  # noqa: ARG002 - the port's
        """A session that is loaded in the middle of an outage goes on with it."""
        if session.outage_started_at is not None and session.id not in self._open:
            self._begin(session, session.outage_started_at, session.cause or "", session.missing)

    def handled(
        self, session: Session, event: SessionEvent, effects: Sequence[SessionEffect], *, now: float
    ) -> None:
        for effect in effects:
            if isinstance(effect, Tell):
                self._noticed(session, effect.notice, now)
        if isinstance(event, ReportArrived):
            for fact in event.report.facts:
                self._reported(session, event, fact, now)

    def close(self) -> None:
        """There is nothing to close."""

    def _begin(
        self, session: Session, started_at: float, cause: str, missing: frozenset[str]
    ) -> None:
        outage = Outage(
            session.id,
            session.outages,
            started_at + session.wall_offset,
            cause,
            tuple(sorted(missing)),
            _slowest(session),
        )
        self._open[session.id] = self._last[session.id] = outage
        self.outages.append(outage)
        if len(self.outages) > OUTAGES_MAX:
            del self.outages[0]
            self.lost += 1
        outage.seen += [seen for seen in self._early.pop(session.id, []) if outage.saw(seen)]

    def _noticed(self, session: Session, notice: Notice, now: float) -> None:
        outage = self._open.get(session.id)
        if outage is None:
            if isinstance(notice, Paused) and session.outage_started_at is not None:
                self._begin(session, now, notice.cause, notice.missing)
            return
        length = now + session.wall_offset - outage.started_at
        match notice:
            case Paused():
                outage.pauses += 1
            case Reconnecting(missing):
                outage.halted_s = length
                outage.frame = _slowest(session)
                outage.missing = tuple(sorted({*outage.missing, *missing}))
            case Resumed():
                outage.resumed_s = length
            case Connected():
                self._close(session, outage, length, "connected")
            case Ended(reason):
                self._close(session, outage, length, reason)
            case _:
                pass  # who comes and goes is in the trace

    def _close(self, session: Session, outage: Outage, length: float, outcome: str) -> None:
        outage.paused_s = length
        outage.outcome = str(outcome)
        del self._open[session.id]

    def _reported(self, session: Session, event: ReportArrived, fact: Fact, now: float) -> None:
        client = (event.player, event.report.gen)
        known = self._known.setdefault(session.id, {})
        if fact.n <= known.get(client, 0):
            return
        known[client] = fact.n
        at = now - event.held - fact.ago + session.wall_offset
        seen = Seen(event.player, event.report.gen, fact.n, at, fact.kind, fact.data)
        outage = self._outage_of(session, seen)
        bearer = self._early.setdefault(session.id, []) if outage is None else outage.seen
        if len(bearer) < (EARLY_MAX if outage is None else SEEN_MAX):
            bearer.append(seen)

    def _outage_of(self, session: Session, seen: Seen) -> Outage | None:
        """The outage to which a fact belongs; none if it may belong to the next one."""
        last = self._last.get(session.id)
        if last is None or not last.saw(seen):
            return None
        over = last.paused_s is not None and seen.at > last.started_at + last.paused_s
        return None if over else last


def _slowest(session: Session) -> int:
    return min(member.frame for member in session.in_game)
