"""Sessions that each lack one rule of the protocol, so that what finds bugs can be held to it."""

from __future__ import annotations

from math import inf
from typing import Self

from attrs import evolve

from reconnect.core.effects import Save, SessionEffect
from reconnect.core.events import ReportArrived, SessionEvent, TimePassed
from reconnect.core.member import Member
from reconnect.core.messages import Phase, Report, View
from reconnect.core.record import Record
from reconnect.core.session import Session
from reconnect.core.table import State
from tests.core.oracle import GOING, HALTING


class Planted(Session):
    """A session that lacks a rule; M.. are the numbers that the rules have in the specification."""

    def handle(self, event: SessionEvent, *, now: float) -> list[SessionEffect]:
        if isinstance(event, ReportArrived):
            report = self.misread(event.report, self.members[event.player])
            event = evolve(event, report=report)
        before = self.state
        effects = super().handle(event, now=now)
        self.botch(before, now)
        return effects

    def misread(self, report: Report, member: Member) -> Report:
        return report

    def botch(self, before: State, now: float) -> None:
        """What goes wrong behind an event that came in the state `before`."""


class HearsNoAsking(Planted):
    """M1, the coordinator's half: nobody can ask for a pause."""

    def misread(self, report: Report, member: Member) -> Report:
        asks = self.state in GOING and report.epoch == self.epoch + 1
        return evolve(report, epoch=self.epoch) if asks else report


class TakesAnyPromise(Planted):
    """M4: a halted report of any epoch is a promise."""

    word = Phase.HALTED

    def misread(self, report: Report, member: Member) -> Report:
        heard = self.state in HALTING and report.phase is self.word
        return evolve(report, epoch=self.epoch) if heard else report


class TakesAnyReadiness(TakesAnyPromise):
    """M5: a ready report of any epoch counts."""

    word = Phase.READY


class FencesNobody(Planted):
    """M9: no fence for the old client."""

    def misread(self, report: Report, member: Member) -> Report:
        if member.gen < report.gen <= member.gen_next:
            member.last_report_at = -inf
        return report


class LetsTheOldBackIn(Planted):
    """M10: an old client may re-attach as the current one."""

    def misread(self, report: Report, member: Member) -> Report:
        return evolve(report, gen=member.gen) if 0 < report.gen < member.gen else report


class ForgetsLeases(Planted):
    """M11: who played before a restart is thought to have stopped."""

    @classmethod
    def loaded(cls, record: Record, *, now: float, wall: float) -> Self:
        session = super().loaded(record, now=now, wall=wall)
        for member in session.members.values():
            member.last_report_at = -inf
        return session


class ForgetsFences(Planted):
    """The fence bit is not read."""

    @classmethod
    def loaded(cls, record: Record, *, now: float, wall: float) -> Self:
        session = super().loaded(record, now=now, wall=wall)
        for member in session.members.values():
            member.fence_until = -inf
        return session


class SendsFirst(Planted):
    """M12: what is sent goes in front of the save."""

    def handle(self, event: SessionEvent, *, now: float) -> list[SessionEffect]:
        return sorted(super().handle(event, now=now), key=lambda effect: isinstance(effect, Save))


class RenewsTheDeadline(Planted):
    """M14: each pause has the whole time again."""

    def botch(self, before: State, now: float) -> None:
        if before is State.RESUMED and self.state in HALTING:
            self.ends_at = now + self.policy.outage_timeout


class DropsWhoMayPlay(Planted):
    """M15: players are dropped in paused, where they may still play."""

    def handle(self, event: SessionEvent, *, now: float) -> list[SessionEffect]:
        over = self.ends_at is not None and now >= self.ends_at
        if self.state is State.PAUSED and over and isinstance(event, TimePassed):
            self.state = State.RECONNECTING
        return super().handle(event, now=now)


class ResumesForEver(Planted):
    """M16: no resume timeout."""

    def handle(self, event: SessionEvent, *, now: float) -> list[SessionEffect]:
        self.resumed_at = now
        return super().handle(event, now=now)


class SeatsAtOnce(Planted):
    """M17: an attach takes the seat."""

    def misread(self, report: Report, member: Member) -> Report:
        if report.gen == 0 and self.state is not State.ENDED:
            member.gen_next += 1
            return evolve(report, gen=member.gen_next)
        return report


class OffersTheEpoch(Planted):
    """M18: the offer carries the real epoch."""

    def offer(self, member: Member) -> View:
        return evolve(super().offer(member), epoch=self.epoch)


class ComesBackToLife(Planted):
    """A report reopens what has ended."""

    def misread(self, report: Report, member: Member) -> Report:
        if self.state is State.ENDED:
            self.state = State.PAUSED
        return report


class CountsNoPause(Planted):
    """What an outage took is not counted when it closes."""

    def handle(self, event: SessionEvent, *, now: float) -> list[SessionEffect]:
        counted = self.paused_total
        effects = super().handle(event, now=now)
        self.paused_total = counted
        return effects


class CountsAnOutageTwice(Planted):
    """A pause on the way back is an outage of its own."""

    def botch(self, before: State, now: float) -> None:
        if before is State.RESUMED and self.state in HALTING:
            self.outages += 1


class HasNoBudget(Planted):
    """Every outage has its whole time, however many there were."""

    def botch(self, before: State, now: float) -> None:
        if before is State.CONNECTED and self.state in HALTING:
            self.ends_at = now + self.policy.outage_timeout


class HearsEverythingTwice(Planted):
    """The number of a report is not looked at."""

    def misread(self, report: Report, member: Member) -> Report:
        member.seq = min(member.seq, report.seq - 1)
        return report


class LetsTheFenceLeave(Planted):
    """Whoever leaves takes the fence of an older client away."""

    def misread(self, report: Report, member: Member) -> Report:
        if report.phase is Phase.LEFT:
            member.fence_until = -inf
        return report


class Oversleeps(Planted):
    """It does not ask to be called when a lease has run out."""

    @property
    def deadline(self) -> float:
        return inf if self.state is State.PAUSED and self.ends_at is None else super().deadline


def lacking(base: type[Planted] = Planted) -> list[type[Planted]]:
    """All of them."""
    return [one for kind in base.__subclasses__() for one in (kind, *lacking(kind))]
