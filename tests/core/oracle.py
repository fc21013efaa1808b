"""The protocol once more, in as few lines as it takes: what a session must be after each event.

It is written from the specification, shares nothing with the session but the words, and is slow
and plain where the session is quick. It keeps one clock, which no restart sets back.
"""

from __future__ import annotations

from collections import Counter
from itertools import combinations
from math import inf
from typing import Any

from attrs import define

from reconnect.core.events import ApplicationEnded, ConnectionClosed, ReportArrived, SessionEvent
from reconnect.core.messages import Report
from reconnect.policy import Policy

HALTING, GOING = ("paused", "reconnecting"), ("resumed", "connected")
KEPT = (
    *("state", "epoch", "version", "players", "reason", "frame"),
    *("deadline", "outages", "outage_started_at", "paused_total"),
)


@define
class Seat:
    """A player's; `gen` and `offered` outlive the process, of the fence only whether it ran."""

    gen: int = 0
    offered: int = 0
    fence: float = -inf
    conn: int | None = None
    own: int | None = None  # the last connection of this generation, attached or not
    seq: int = 0
    heard: float = -inf
    alone_since: float = -inf
    promised: bool = False
    ready: bool = False
    started: bool = False
    frame: int = 0
    up: frozenset[str] = frozenset()

    def forget(self) -> None:
        self.promised = self.ready = self.started = False


class Oracle:
    """What the session of these players must be; `handle` says how a report must be answered."""

    def __init__(self, players: tuple[str, ...], policy: Policy, now: float) -> None:
        self.policy = policy
        self.everybody = players
        self.seats = {player: Seat() for player in players}
        self.state, self.epoch, self.version, self.players = "paused", 1, 1, players
        self.deadline = None if policy.start_timeout is None else now + policy.start_timeout
        self.outage_started_at: float | None = None
        self.outages, self.paused_total = 0, 0.0
        self.reason: str | None = None
        self.resumed_at, self.frame = -inf, 0
        self.moves: list[str] = []
        self.rows: Counter[str] = Counter()
        self.stored, self.fenced = self.kept(), self.running(now)

    def kept(self) -> dict[str, Any]:
        """What a restart must not lose, apart from whether a fence was running."""
        seats = [(seat.gen, seat.offered) for seat in self.seats.values()]
        return {name: getattr(self, name) for name in KEPT} | {"seats": seats}

    def running(self, now: float) -> list[str]:
        """Whose fence runs."""
        return [player for player, seat in self.seats.items() if now < seat.fence]

    @property
    def here(self) -> list[Seat]:
        return [self.seats[player] for player in self.players]

    @property
    def missing(self) -> set[str]:
        return {player for player in self.players if self.seats[player].conn is None}

    # -- what happens ------------------------------------------------------------------------------

    def handle(self, event: SessionEvent, now: float) -> str:
        before, self.moves, answer = self.kept(), [], ""
        match event:
            case ReportArrived(conn, player, report):
                answer = self.reported(player, conn, report, now)
                self.rows[answer] += 1
            case ConnectionClosed(conn):
                self.unbind(conn, now)
            case ApplicationEnded(reason):
                self.end(reason, now)
            case _ if self.state != "ended":
                self.time_passed(now)
        if self.kept() != before:
            self.version += 1
            self.stored, self.fenced = self.kept(), self.running(now)
        return answer

    def restarted(self, now: float, clock_jump: float) -> None:
        """Another process has loaded what was stored; its clock may show another time."""
        for name in ("deadline", "outage_started_at"):
            if self.stored[name] is not None:
                self.stored[name] -= clock_jump
        for name in KEPT:
            setattr(self, name, self.stored[name])
        for player, (gen, offered) in zip(self.everybody, self.stored["seats"], strict=True):
            fence = now + self.policy.lease_bound if player in self.fenced else -inf
            self.seats[player] = Seat(gen, offered, fence, heard=now, alone_since=now)
        self.resumed_at, self.moves = now, []
        if self.outage_started_at is not None:
            self.outage_started_at = min(now, self.outage_started_at)
        if self.deadline is not None:
            first_start = 0.0 if self.outages else self.policy.start_timeout or inf
            longest = max(self.policy.outage_timeout, first_start)
            self.deadline = min(max(now, self.deadline), now + longest)

    def reported(self, player: str, conn: int, report: Report, now: float) -> str:
        seat = self.seats[player]
        if self.state == "ended":
            return "ended"
        if report.gen == 0 or report.gen > seat.offered:
            seat.offered += 1
            return "offer"
        if report.gen < seat.gen:
            return "ignored" if conn == seat.own else "superseded"
        if report.gen > seat.gen:
            self.take(seat, player, report.gen, now)
        if report.seq <= seat.seq:
            return "ignored"
        if player not in self.players:
            return "dropped"
        seat.conn = seat.own = conn
        seat.seq, seat.heard = report.seq, now
        if report.links is not None:
            seat.up = frozenset(peer for peer, link in report.links.items() if link.up)
        self.heed(seat, player, report, now)
        self.settle(now)
        return "view"

    def take(self, seat: Seat, player: str, gen: int, now: float) -> None:
        stands = seat.promised and self.state in HALTING
        if seat.gen and not stands and player in self.players:
            seat.fence = max(seat.fence, seat.heard + self.policy.lease_bound)
        self.rows["seat: promised" if stands else "seat: fenced" if seat.gen else "seat"] += 1
        seat.forget()
        seat.gen, seat.seq, seat.alone_since = gen, 0, now
        seat.conn = seat.own = None
        seat.promised, seat.up = stands, frozenset()

    def heed(self, seat: Seat, player: str, report: Report, now: float) -> None:
        ahead, waits = report.epoch - self.epoch, report.phase in ("halted", "ready")
        if report.phase == "left":
            self.left(player, now)
        elif ahead > (1 if self.state in GOING else 0):
            self.end("state_lost", now)
        elif waits and ahead == (1 if self.state in GOING else 0):
            if ahead:
                self.pause("asked", now)
            seat.promised, seat.ready, seat.frame = True, report.phase == "ready", report.frame
            self.rows["promise"] += 1
        elif report.phase == "playing" and ahead == 0 and self.state == "resumed":
            seat.started = True
            self.rows["start"] += 1
        else:
            self.rows["no news"] += 1

    def left(self, player: str, now: float) -> None:
        self.players = tuple(one for one in self.players if one != player)
        hubless = self.policy.topology == "star" and self.hub not in self.players
        if len(self.players) < self.policy.players_min or self.policy.on_leave == "end" or hubless:
            self.end("player_left", now)
        elif self.state in GOING:
            self.pause("left", now)
        else:
            self.rows["left in a pause"] += 1

    def unbind(self, conn: int, now: float) -> None:
        for seat in self.seats.values():
            if seat.conn == conn:
                seat.conn, seat.alone_since = None, now

    def time_passed(self, now: float) -> None:
        """What has come true by itself comes before what must be decided."""
        policy = self.policy
        for seat in self.here:
            if seat.conn is not None and now >= seat.heard + policy.silence_timeout:
                self.unbind(seat.conn, now)
                self.rows["silent"] += 1
        if self.state in GOING:
            grace, bound = policy.control_grace_period, policy.lease_bound
            if any(now >= seat.heard + bound for seat in self.here):
                self.pause("bound", now)
            elif any(seat.conn is None and now >= seat.alone_since + grace for seat in self.here):
                self.pause("grace", now)
        if self.state == "resumed" and now >= self.resumed_at + policy.resume_timeout:
            self.pause("resume timeout", now)
        self.settle(now)
        if self.state in HALTING and self.deadline is not None and now >= self.deadline:
            self.deadline_reached(self.deadline, now)
            self.settle(now)

    def deadline_reached(self, deadline: float, now: float) -> None:
        policy, survivors = self.policy, self.survivors()
        enough = policy.players_min <= len(survivors) < len(self.players)
        if self.state == "reconnecting" and policy.on_deadline == "go_on" and enough:
            self.players, self.deadline = survivors, now + policy.outage_timeout
            self.rows["dropped at the deadline"] += 1
        elif self.outage_started_at is None:
            self.end("never_started", now)
        else:
            spent = self.paused_total + deadline - self.outage_started_at >= policy.pause_budget
            spent |= self.outages > policy.pauses_max
            self.end("budget_spent" if spent else "timeout", now)

    # -- moves -------------------------------------------------------------------------------------

    def go(self, state: str, why: str = "") -> None:
        self.rows[f"{self.state} -> {state}"] += 1
        self.rows[why or state] += 1
        self.state = state
        self.moves.append(state)

    def pause(self, why: str, now: float) -> None:
        if self.state == "connected":
            self.outages, self.outage_started_at = self.outages + 1, now
            left = max(0.0, self.policy.pause_budget - self.paused_total)
            none_left = self.outages > self.policy.pauses_max
            self.deadline = now + (0.0 if none_left else min(self.policy.outage_timeout, left))
        self.go("paused", f"pause: {why}")
        self.epoch += 1
        for seat in self.seats.values():
            seat.forget()

    def settle(self, now: float) -> None:
        here = self.here
        if self.state == "paused" and now >= self.all_halted_at():
            self.go("reconnecting")
        in_time = self.deadline is None or now < self.deadline
        all_ready = not self.missing and all(seat.ready for seat in here)
        if self.state == "reconnecting" and in_time and all_ready:
            self.go("resumed")
            server = self.policy.topology == "server"
            self.resumed_at, self.frame = now, 0 if server else min(one.frame for one in here)
            for seat in here:
                seat.started = False
        if self.state == "resumed" and all(seat.started for seat in here):
            self.go("connected")
            self.close_outage(now)

    def end(self, reason: str, now: float) -> None:
        self.go("ended", f"end: {reason}")
        self.close_outage(now)
        self.reason = reason

    def close_outage(self, now: float) -> None:
        self.paused_total += 0.0 if self.outage_started_at is None else now - self.outage_started_at
        self.outage_started_at = self.deadline = None

    # -- what follows from it ----------------------------------------------------------------------

    @property
    def hub(self) -> str:
        return self.policy.hub or self.everybody[0]

    def all_halted_at(self) -> float:
        """A fence is about older clients, so it outlives its player's leaving."""
        if self.policy.topology == "server":
            return -inf
        bounds = [seat.heard + self.policy.lease_bound for seat in self.here if not seat.promised]
        return max(bounds + [seat.fence for seat in self.seats.values()])

    def survivors(self) -> tuple[str, ...]:
        attached = tuple(one for one in self.players if one not in self.missing)
        if self.policy.topology == "star":
            with_hub = [one for one in attached if one == self.hub or self.linked(one, self.hub)]
            return tuple(with_hub) if self.hub in attached else ()
        if self.policy.topology == "mesh":
            for size in range(len(attached), 0, -1):
                for some in combinations(attached, size):  # the earliest in join order come first
                    if all(self.linked(*pair) for pair in combinations(some, 2)):
                        return some
        return attached

    def linked(self, one: str, other: str) -> bool:
        ends = (self.seats[one], other), (self.seats[other], one)
        return all(seat.promised and far_end in seat.up for seat, far_end in ends)

    def due(self) -> float:
        """The first instant at which time alone changes something."""
        policy, going = self.policy, self.state in GOING
        if self.state == "ended":
            return inf
        instants = [inf]
        for seat in self.here:
            if seat.conn is not None:
                instants.append(seat.heard + policy.silence_timeout)
            elif going:
                instants.append(seat.alone_since + policy.control_grace_period)
            if going:
                instants.append(seat.heard + policy.lease_bound)
        if self.state == "paused":
            instants.append(self.all_halted_at())
        if self.state == "resumed":
            instants.append(self.resumed_at + policy.resume_timeout)
        elif self.deadline is not None:
            instants.append(self.deadline)
        return min(instants)
