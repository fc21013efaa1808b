"""Session: the coordinator's half of one game, the only authority on its state.

A fold: `effects = session.handle(event, now=now)`; `deadline` says when to call again with
`TimePassed()`. The epoch is used as a ballot: whoever stops playing raises it, a member that has
stopped promises it, and only an epoch that everybody has promised is ever resumed. How the game
fares between two views is bounded by leases: a client may play only so long on the coordinator's
last word, so silence is as good as a promise after a while.
"""

from __future__ import annotations

from math import inf
from typing import assert_never

from attrs import define, field

from reconnect.core.effects import Close, Save, Send, SessionEffect, Tell
from reconnect.core.events import (
    ApplicationEnded,
    ConnectionClosed,
    FrameReached,
    ReportArrived,
    SessionEvent,
    TimePassed,
    TokenIssued,
)
from reconnect.core.member import Member, survivors
from reconnect.core.messages import Cause, Phase, Reason, Report
from reconnect.core.notices import (
    Attached,
    Connected,
    Detached,
    Ended,
    Paused,
    PlayerDropped,
    Reconnecting,
    Resumed,
    SessionNotice,
)
from reconnect.core.standing import Standing
from reconnect.core.table import State, Trigger, move
from reconnect.errors import SessionEnded
from reconnect.policy import OnShortage, Topology

LEAD = 0.02  # what a message may take longer than half a round trip
HALTING = frozenset({State.PAUSED, State.RECONNECTING})
GOING = frozenset({State.CONNECTED, State.RESUMED})


@define
class _Turn:
    """What one event leads to: at most one save, and at most one view per connection."""

    now: float
    save: bool = False
    news: bool = False
    answer: Member | None = None
    short: bool = False
    personal: list[Send] = field(factory=list)
    closes: list[int] = field(factory=list)
    notices: list[SessionNotice] = field(factory=list)


@define(eq=False)
class Session(Standing):
    """One game being played. Make one with `born` or `loaded`."""

    @property
    def deadline(self) -> float:
        """When `TimePassed` is due at the latest; infinity when nothing is pending."""
        if self.state is State.ENDED:
            return inf
        policy = self.policy
        soonest = inf if self.ends_at is None or self.state is State.RESUMED else self.ends_at
        if self.state is State.RESUMED:
            soonest = min(soonest, self.resumed_at + policy.resume_timeout)
        for member in self.in_game:
            if member.conn is not None:
                soonest = min(soonest, member.last_report_at + policy.silence_timeout)
            elif self.state in GOING:
                soonest = min(soonest, member.detached_at + policy.control_grace_period)
            if self.state in GOING:
                soonest = min(soonest, member.last_report_at + policy.lease_bound)
        if self.state is State.PAUSED:
            soonest = min(soonest, max(0.0, self._all_halted_at))  # at once, if nobody ever played
        return soonest

    @property
    def _all_halted_at(self) -> float:
        """From when on nobody can be playing; who has left may have an older client that does."""
        if self.policy.topology is Topology.SERVER:
            return -inf
        fences = max(member.fence_until for member in self.members.values())
        return max(fences, *(member.halted_at(self.policy) for member in self.in_game))

    # -- the fold --------------------------------------------------------------------------------

    def handle(self, event: SessionEvent, *, now: float) -> list[SessionEffect]:
        """What is to be done about `event`.

        Raises `SessionEnded` or `NoSuchPlayer`, and changes nothing, when the application asks
        for what cannot be.
        """
        turn = _Turn(now)
        match event:
            case ReportArrived():
                self._reported(turn, event)
            case TimePassed():
                self._time_passed(turn)
            case ConnectionClosed(conn):
                self._closed(turn, conn)
            case FrameReached(frame):
                self.frame = frame
            case TokenIssued(player, digest):
                self._living().member(player).token_digest = digest
                turn.save = True
            case ApplicationEnded(reason):
                self._living()._end(turn, reason)
            case _:
                assert_never(event)
        return self._effects(turn)

    def _living(self) -> Session:
        if self.state is State.ENDED:
            raise SessionEnded(self.id, self.reason)
        return self

    def _effects(self, turn: _Turn) -> list[SessionEffect]:
        if turn.short:
            assert turn.answer is not None
            assert turn.answer.conn is not None
            return [Send(turn.answer.conn, self.short_view(turn.answer, turn.now))]
        effects: list[SessionEffect] = []
        if turn.save:
            self.version += 1
            effects.append(Save(self.record(turn.now), expected=self.version - 1))
        effects += turn.personal
        listeners = [] if turn.answer is None else [turn.answer]
        if turn.news:
            listeners += [one for one in self.in_game if one is not turn.answer]
        players = self.player_views() if listeners else ()
        for member in listeners:
            if member.conn is not None:
                effects.append(Send(member.conn, self.view(member, turn.now, players)))
        effects += [Close(conn) for conn in turn.closes]
        effects += [Tell(notice) for notice in turn.notices]
        return effects

    # -- a report (protocol: the table of reports) ------------------------------------------------

    def _reported(self, turn: _Turn, event: ReportArrived) -> None:
        report, conn, member = event.report, event.conn, self.member(event.player)
        if self.state is State.ENDED:
            turn.personal.append(Send(conn, self.final_view(report)))
            return
        if report.gen == 0 or report.gen > member.gen_next:
            member.gen_next += 1
            turn.save = True
            turn.personal.append(Send(conn, self.offer(member)))
            return
        if report.gen < member.gen:
            self.stale += 1
            if conn != member.informed_conn:  # on it, who has the seat said that, and long ago
                self._turn_away(turn, conn, report, Reason.SUPERSEDED)
            return
        if report.gen > member.gen:
            self._seat(turn, member, event)
        if report.seq <= member.seq:
            self.stale += 1
            return
        if member.player not in self.players:
            self._turn_away(turn, conn, report, Reason.DROPPED)
            return
        heard_before = self._bind(turn, member, event)
        self._heed(turn, member, report)
        self._evaluate(turn)
        turn.answer = member
        turn.short = (
            heard_before
            and report.version == self.version
            and not (turn.news or turn.save or turn.notices)
        )

    def _seat(self, turn: _Turn, member: Member, event: ReportArrived) -> None:
        """A client that answered its offer takes the seat; the older one may still be playing."""
        promise_stands = self.state in HALTING and member.promised
        if member.gen > 0 and not promise_stands and member.player in self.players:
            member.fence_until = max(
                member.fence_until, member.last_report_at + self.policy.lease_bound
            )
        if member.conn != event.conn:
            self._dismiss(turn, member, Reason.SUPERSEDED)
        member.conn = member.informed_conn = None
        member.detached_at = turn.now
        member.gen = event.report.gen
        member.seq = 0
        member.forget_epoch()
        member.promised = promise_stands
        member.links = {}
        turn.save = turn.news = True

    def _bind(self, turn: _Turn, member: Member, event: ReportArrived) -> bool:
        """The connection is the member's from now on; False if it has yet to be told the policy."""
        report, conn = event.report, event.conn
        if member.conn != conn:
            if member.conn is not None:
                turn.closes.append(member.conn)
            else:
                turn.news = True
            member.conn = conn
            turn.notices.append(Attached(member.player, member.gen))
        if member.phase is not report.phase:
            turn.news = True
        if report.links is not None:
            # everybody is told, so nobody but members is named
            links = {peer: report.links[peer] for peer in self.players if peer in report.links}
            turn.news |= links != member.links
            member.links = links
        member.seq = report.seq
        member.last_report_at = turn.now
        member.received_at = turn.now - event.held
        member.kind, member.phase, member.frame = report.kind, report.phase, report.frame
        if report.rtt is not None:
            member.rtt = report.rtt
        return member.informed_conn == conn

    def _heed(self, turn: _Turn, member: Member, report: Report) -> None:
        """The table of accepted reports."""
        waits = report.phase in (Phase.HALTED, Phase.READY)
        if report.phase is Phase.LEFT:
            self._left(turn, member)
        elif report.epoch > self.epoch + 1 or (report.epoch > self.epoch and self.state in HALTING):
            self._end(turn, Reason.STATE_LOST)
        elif waits and self.state in GOING and report.epoch == self.epoch + 1:
            self._pause(turn, report.cause or Cause.LATE)
            member.promised = True
            member.ready = report.phase is Phase.READY
        elif waits and self.state in HALTING and report.epoch == self.epoch:
            member.promised = True
            member.ready = report.phase is Phase.READY
        elif (
            self.state is State.RESUMED
            and report.epoch == self.epoch
            and report.phase is Phase.PLAYING
        ):
            member.started = True

    def _left(self, turn: _Turn, member: Member) -> None:
        self.players.remove(member.player)
        turn.notices.append(PlayerDropped(member.player, Reason.LEFT))
        turn.save = turn.news = True
        if (
            len(self.players) < self.policy.players_min
            or self.policy.on_leave is OnShortage.END
            or self._star_lost_its_hub()
        ):
            self._end(turn, Reason.PLAYER_LEFT)
        elif self.state in GOING:
            self._pause(turn, Cause.PLAYER_LEFT)

    def _star_lost_its_hub(self) -> bool:
        return self.policy.topology is Topology.STAR and self.hub not in self.players

    # -- time and connections ---------------------------------------------------------------------

    def _closed(self, turn: _Turn, conn: int) -> None:
        for member in self.members.values():
            if member.conn == conn:
                self._detach(turn, member)

    def _detach(self, turn: _Turn, member: Member) -> None:
        member.conn = None
        member.detached_at = turn.now
        if self.state is not State.ENDED and member.player in self.players:
            turn.news = True
            turn.notices.append(Detached(member.player))

    def _time_passed(self, turn: _Turn) -> None:
        if self.state is State.ENDED:
            return
        for member in self.in_game:
            silent_since = member.last_report_at + self.policy.silence_timeout
            if member.conn is not None and turn.now >= silent_since:
                self._detach(turn, member)
        if self.state in GOING and any(self._lost(one, turn.now) for one in self.in_game):
            self._pause(turn, Cause.CONTROL_LOST)
        if self.state is State.RESUMED and turn.now >= self.resumed_at + self.policy.resume_timeout:
            self._pause(turn, Cause.RESUME_FAILED)
        self._evaluate(turn)
        if self.state in HALTING and self.ends_at is not None and turn.now >= self.ends_at:
            self._deadline_reached(turn, self.ends_at)
            self._evaluate(turn)

    def _lost(self, member: Member, now: float) -> bool:
        return now >= member.last_report_at + self.policy.lease_bound or (
            member.conn is None and now >= member.detached_at + self.policy.control_grace_period
        )

    def _deadline_reached(self, turn: _Turn, ends_at: float) -> None:
        if self.state is State.RECONNECTING and self.policy.on_deadline is OnShortage.GO_ON:
            remaining = survivors(self.in_game, self.policy, self.hub)
            if self.policy.players_min <= len(remaining) < len(self.players):
                self._go_on_with(turn, remaining)
                return
        self._end(turn, self._why_over(ends_at))

    def _go_on_with(self, turn: _Turn, remaining: list[str]) -> None:
        dropped = [member for member in self.in_game if member.player not in remaining]
        self.players = remaining
        self.ends_at = turn.now + self.policy.outage_timeout
        turn.save = turn.news = True
        for member in dropped:
            turn.notices.append(PlayerDropped(member.player, Reason.DROPPED))
            self._dismiss(turn, member, Reason.DROPPED)

    def _why_over(self, ends_at: float) -> Reason:
        if self.outage_started_at is None:
            return Reason.NEVER_STARTED
        spent = self.paused_total + ends_at - self.outage_started_at
        # a deadline may come a rounding error before the budget is spent to the last bit
        if self.outages > self.policy.pauses_max or spent >= self.policy.pause_budget - 1e-6:
            return Reason.BUDGET_SPENT
        return Reason.TIMEOUT

    # -- moves ------------------------------------------------------------------------------------

    def _evaluate(self, turn: _Turn) -> None:
        """The rows that need no event of their own, until none of them fires."""
        if self.state is State.PAUSED and turn.now >= self._all_halted_at:
            self._move(turn, Trigger.RECOVER)
            turn.notices.append(Reconnecting(self.missing))
        if (
            self.state is State.RECONNECTING
            and all(member.conn is not None and member.ready for member in self.in_game)
            and (self.ends_at is None or turn.now < self.ends_at)
        ):
            self._resume(turn)
        if self.state is State.RESUMED and all(member.started for member in self.in_game):
            self._connect(turn)

    def _move(self, turn: _Turn, trigger: Trigger) -> None:
        self.state = move(self.state, trigger)
        turn.save = turn.news = True

    def _pause(self, turn: _Turn, cause: str) -> None:
        if self.state is State.CONNECTED:
            self.outages += 1
            self.outage_started_at = turn.now
            left = self.policy.pause_budget - self.paused_total
            if self.outages > self.policy.pauses_max:
                left = 0.0
            self.ends_at = turn.now + min(self.policy.outage_timeout, max(0.0, left))
        self._move(turn, Trigger.PAUSE)
        self.epoch += 1
        self.cause = cause
        self.resume_at = None
        for member in self.members.values():
            member.forget_epoch()
        turn.notices.append(Paused(cause, self.missing, self.outages))

    def _resume(self, turn: _Turn) -> None:
        self._move(turn, Trigger.RESUME)
        policy = self.policy
        slowest = max(member.rtt for member in self.in_game) / 2 + LEAD
        lead = min(policy.countdown + slowest, self.longest_lead(policy))
        self.resumed_at = turn.now
        self.resume_at = turn.now + lead
        self.resume_frame = (
            self.frame
            if policy.topology is Topology.SERVER
            else min(member.frame for member in self.in_game)
        )
        for member in self.members.values():
            member.started = False
        turn.notices.append(Resumed(self.resume_frame, lead))

    def _connect(self, turn: _Turn) -> None:
        self._move(turn, Trigger.CONNECT)
        turn.notices.append(Connected(self._close_outage(turn.now)))
        self.cause = None
        self.resume_at = None

    def _end(self, turn: _Turn, reason: str) -> None:
        self._move(turn, Trigger.END)
        self._close_outage(turn.now)
        self.reason = reason
        self.resume_at = None
        self.ended_at = turn.now
        turn.notices.append(Ended(reason))

    def _close_outage(self, now: float) -> float:
        """The length of the outage that was open; 0.0 if none was."""
        self.ends_at = None
        if self.outage_started_at is None:
            return 0.0
        length = now - self.outage_started_at
        self.paused_total += length
        self.last_outage = length
        self.outage_started_at = None
        return length

    def _dismiss(self, turn: _Turn, member: Member, reason: Reason) -> None:
        """The end for the client that has the seat, if it is there to be told."""
        if member.conn is not None:
            view = self.view(member, turn.now, self.player_views())
            view.state, view.reason, view.resume = State.ENDED, reason, None
            turn.personal.append(Send(member.conn, view))
            turn.closes.append(member.conn)
            member.conn = None

    def _turn_away(self, turn: _Turn, conn: int, report: Report, reason: Reason) -> None:
        turn.personal.append(Send(conn, self.final_view(report, reason)))
        turn.closes.append(conn)
        self._closed(turn, conn)
