"""Account: what the outages of one session came to, folded from what the session is told.

The coordinator's own knowledge says who is missing: members who have no control link, and members
who have one but do not say that they have stopped, long after everybody was told to. Facts that
clients report are placed on the coordinator's clock: when the report came, less how long it had
waited to be handled, less how long ago the client says it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import Any

from attrs import define, field

from reconnect.core.effects import SessionEffect, Tell
from reconnect.core.events import ConnectionClosed, ReportArrived, SessionEvent
from reconnect.core.messages import Cause, Fact, FactValue, Reason
from reconnect.core.notices import (
    Attached,
    Connected,
    Detached,
    Ended,
    Notice,
    Paused,
    PlayerDropped,
    Reconnecting,
    Resumed,
)
from reconnect.core.session import Session
from reconnect.core.table import State
from reconnect.policy import Policy, Topology
from reconnect.telemetry.evidence import WORD, Clue, Evidence, Teller, evidence_of
from reconnect.telemetry.outage import Outage

OUTAGES_MAX = 1_000  # of one session; ten times what a policy allows by default
EARLY_MAX = 32  # pieces of evidence of each player that wait for the outage they may lead to


@define(eq=False)
class Account:
    """One session's outages, oldest first, and the session's own sums."""

    session: str
    policy: Policy
    players: tuple[str, ...]
    """Every player there ever was, in join order."""
    outages: list[Outage] = field(factory=list)
    number: int = 0
    """How many outages the session has had, whether or not there is a record of each."""
    paused_s: float = 0.0
    """How long the closed ones took together, by the session's own count."""
    reason: str | None = None
    """Why the session ended; None while it lives."""
    ended_at: float | None = None
    """Wall-clock seconds."""
    unkept: int = 0
    """Records that were thrown away because there were too many; the oldest first."""
    revision: int = 0
    """Rises with everything that changes a record."""
    _open: Outage | None = None
    _connected_at: float = -inf
    _early: dict[tuple[str | None, Teller], list[Evidence]] = field(factory=dict)
    _hidden: dict[str, Evidence] = field(factory=dict)
    """Whose page is in the background."""
    _told: dict[str, tuple[int, int]] = field(factory=dict)
    """The generation and number of each player's last fact: they are numbered, and in order."""
    _gens: dict[str, int] = field(factory=dict)
    _frames: dict[str, int] = field(factory=dict)
    """How far each player has got; a program that was started anew tells of less."""
    _away: dict[str, float] = field(factory=dict)
    """Since when members have not been there; wall-clock seconds, which outlive the process."""
    _heard: set[str] = field(factory=set)
    """Who has stopped in order in this outage."""
    _loaded_at: float = -inf
    _found_by: float = -inf
    """When whoever is there has found a coordinator that was started again."""

    @classmethod
    def of(cls, session: Session) -> Account:
        """The account of a session of which nothing has been recorded yet."""
        return cls(
            session.id,
            session.policy,
            tuple(session.members),
            number=session.outages,
            paused_s=session.paused_total,
        )

    @property
    def attempts(self) -> int:
        """How many attempts to mend a link there were, as far as recorded."""
        return sum(len(outage.attempts) for outage in self.outages)

    # -- what happens ----------------------------------------------------------------------------

    def began(self, session: Session, now: float) -> None:
        """The session is in the process: new, or loaded, perhaps in the middle of an outage."""
        self._gens = {one.player: one.gen for one in session.members.values()}
        if all(one.last_report_at == -inf for one in session.members.values()):
            self._sum_up(session, now)
            return
        at = now + session.wall_offset
        policy = session.policy
        self._loaded_at = at
        self._found_by = at + policy.silence_timeout + policy.control_grace_period
        number = None if session.outage_started_at is None else session.outages
        if self._open is not None and self._open.number != number:
            # its end was saved, and nobody was told before the process or the save broke down
            outcome = session.reason if session.state is State.ENDED else State.CONNECTED
            self._close(session, at, session.paused_total - self.paused_s, outcome or "")
        elif number is None and session.outages > self.number:
            # so were its beginning and its end
            length = session.paused_total - self.paused_s
            self._begin(session, at - length)
            self._close(session, at, length, session.reason or State.CONNECTED)
        if session.outage_started_at is not None and self._open is None:
            started_at = session.outage_started_at + session.wall_offset
            self._begin(session, started_at)
            self._keep(_stop(started_at, None, session.cause or ""))
        self._keep(Evidence(at, Clue.RESTARTED, None))
        if self._open is not None:
            self._open.restarts += 1
            self._look_who_is_there(session, now)
        self._sum_up(session, now)

    def handled(
        self, session: Session, event: SessionEvent, effects: Sequence[SessionEffect], now: float
    ) -> None:
        """The session handled an event."""
        report = event if isinstance(event, ReportArrived) else None
        if report is not None:
            self._look_who_is_new(session, report.player, now)
            self._look_how_far(session, report.player)
        for effect in effects:
            if isinstance(effect, Tell):
                self._noticed(session, effect.notice, event, now)
        if self._open is not None:
            self._look_who_is_there(session, now)
        if report is not None and report.report.gen == session.members[report.player].gen:
            # else it asks for a generation, or has lost its seat
            if report.report.cause == Cause.CLOSING:
                self._keep(Evidence(now + session.wall_offset, Clue.CLOSING, report.player))
            self._told_facts(session, report, now)
        self._sum_up(session, now)

    def _sum_up(self, session: Session, now: float) -> None:
        self.number = session.outages
        self.paused_s = session.paused_total
        if session.state is State.ENDED and self.reason is None:
            self.reason = session.reason or ""
            self.ended_at = (session.ended_at or now) + session.wall_offset

    # -- the outage ------------------------------------------------------------------------------

    def _begin(self, session: Session, started_at: float) -> Outage:
        policy = session.policy
        # whatever stops play does so before any lease has run out
        patience = policy.lease_bound + policy.link_grace_period + policy.link_lost
        self._open = outage = Outage(
            session.id,
            session.outages,
            started_at,
            self.players,
            policy,
            since=max(started_at - patience, self._connected_at),
            frame=self._slowest(session),
        )
        self.outages.append(outage)
        if len(self.outages) > OUTAGES_MAX:
            del self.outages[0]
            self.unkept += 1
        early = [one for some in self._early.values() for one in some]
        self._early.clear()
        for one in [*self._hidden.values(), *filter(outage.concerns, early)]:
            outage.add(one)
        self._away.clear()
        self._heard.clear()
        return outage

    def _close(self, session: Session, at: float, length: float, outcome: str) -> None:
        outage = self._open
        assert outage is not None
        for player in self.players:
            self._is_there(session, player, at)
        outage.paused_s = length
        outage.outcome = str(outcome)
        self._open = None
        self._connected_at = outage.ended_at
        self.revision += 1

    def _noticed(self, session: Session, notice: Notice, event: SessionEvent, now: float) -> None:
        at = now + session.wall_offset
        match notice:
            case Paused():
                self._paused(session, notice, event, now)
            case Reconnecting() if self._open is not None:
                self._open.halted_s = at - self._open.started_at
                self._open.frame = self._slowest(session)
            case Resumed() if self._open is not None:
                self._open.resumed_s = at - self._open.started_at
            case Connected() if self._open is not None:
                self._close(session, at, session.last_outage, State.CONNECTED)
            case Connected():
                self._connected_at = at
            case Ended(reason) if self._open is not None:
                self._close(session, at, session.last_outage, reason)
            case Attached(player, generation):
                self._keep(Evidence(at, Clue.ATTACHED, player, data={"generation": generation}))
            case Detached(player):
                how = "closed" if isinstance(event, ConnectionClosed) else "silent"
                self._keep(Evidence(at, Clue.DETACHED, player, data={"how": how}))
            case PlayerDropped(player, reason):
                kind = Clue.LEFT if reason == Reason.LEFT else Clue.DROPPED
                self._is_there(session, player, at)
                self._keep(Evidence(at, kind, player))
            case _:
                pass

    def _paused(self, session: Session, notice: Paused, event: SessionEvent, now: float) -> None:
        if notice.outage == 0:
            return  # the first start is no outage
        at = now + session.wall_offset
        if self._open is None:
            outage = self._begin(session, at)
            for player in notice.missing if at >= self._found_by else ():
                outage.misses(player, at)
        else:
            self._open.pauses += 1
        by = event.player if isinstance(event, ReportArrived) else None
        self._keep(_stop(at, by, notice.cause))

    def _look_how_far(self, session: Session, player: str) -> None:
        member = session.members[player]
        if member.seq > 0:  # its client has told
            self._frames[player] = max(member.frame, self._frames.get(player, 0))

    def _slowest(self, session: Session) -> int | None:
        """How far the slowest member has got; None where nobody has said."""
        if session.policy.topology is Topology.SERVER:
            return session.frame
        frames = [self._frames[player] for player in session.players if player in self._frames]
        return min(frames, default=None)

    # -- who is there ----------------------------------------------------------------------------

    def _look_who_is_new(self, session: Session, player: str, now: float) -> None:
        generation = session.members[player].gen
        before = self._gens.get(player, 0)
        if generation == before:
            return
        self._gens[player] = generation
        self._hidden.pop(player, None)
        if before > 0:
            data: dict[str, FactValue] = {
                "generation": generation,
                "heard": self._open is not None and player in self._heard,
            }
            self._keep(Evidence(now + session.wall_offset, Clue.RELOADED, player, data=data))

    def _look_who_is_there(self, session: Session, now: float) -> None:
        """Who has no control link, or has one and has not said that play has stopped."""
        at = now + session.wall_offset
        for member in session.in_game:
            if member.conn is not None and member.promised:
                self._heard.add(member.player)
                self._is_there(session, member.player, at)
            else:
                self._away.setdefault(member.player, at)

    def _is_there(self, session: Session, player: str, at: float) -> None:
        """The player is there, or the waiting is over; was the player away for too long?"""
        outage, since = self._open, self._away.pop(player, None)
        if outage is None or since is None:
            return
        patience = session.policy.link_lost + session.members[player].rtt
        counts_from = since if since < self._loaded_at else max(since, self._found_by)
        if at - counts_from > patience:
            outage.misses(player, since)
            away_ms = round((at - since) * 1000)
            self._keep(Evidence(at, Clue.AWAY, player, data={"away_ms": away_ms}))

    # -- evidence --------------------------------------------------------------------------------

    def _told_facts(self, session: Session, event: ReportArrived, now: float) -> None:
        player, gen = event.player, event.report.gen
        for fact in event.report.facts:
            if (gen, fact.n) > self._told.get(player, (0, 0)):
                self._told[player] = (gen, fact.n)
                self._told_fact(session, event, fact, now)

    def _told_fact(self, session: Session, event: ReportArrived, fact: Fact, now: float) -> None:
        at = now - event.held - fact.ago + session.wall_offset
        one = evidence_of(fact, player=event.player, at=at, members=session.members)
        if one is None:
            return
        if one.kind is Clue.HIDDEN:
            self._hidden.pop(event.player, None)
            if one.flag("hidden"):
                self._hidden[event.player] = one
        self._keep(one)

    def _keep(self, one: Evidence) -> None:
        """Put a piece of evidence to the outage that it belongs to, or may come to belong to."""
        for outage in reversed(self.outages):
            if outage.concerns(one):
                self.revision += outage.add(one)
                return
            if one.at > outage.ended_at:
                break
        else:
            if self.outages:
                return  # older than all there is
        if one.kind is Clue.HIDDEN and one.flag("hidden"):
            return  # waits in a place of its own
        early = self._early.setdefault((one.player, one.by), [])
        early.append(one)
        del early[:-EARLY_MAX]

    def to_json(self) -> dict[str, Any]:
        """The account as JSON, without what is said of it elsewhere: session and policy."""
        return {
            "players": list(self.players),
            "reason": self.reason,
            "ended_at": self.ended_at,
            "outages_total": self.number,
            "paused_total_s": self.paused_s,
            "attempts_total": self.attempts,
            "unkept": self.unkept,
            "outages": [outage.to_json() for outage in self.outages],
        }


def _stop(at: float, by: str | None, said: str) -> Evidence:
    """Play stopped. The word is a client's own, and may be any."""
    return Evidence(at, Clue.PAUSED, by, data={"said": str(said) if WORD.fullmatch(said) else None})
