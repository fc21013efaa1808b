"""Peer: one client's half of the protocol.

A fold like `Session`: `effects = peer.handle(event, now=now)`, and `deadline` says when to call
again with `TimePassed()`. The lease is checked whenever anything is handled, so an application
has `TimePassed` handled in front of every step of its game. Whatever stops play raises the epoch;
nothing but a view of the coordinator starts it.
"""

from __future__ import annotations

from math import inf

from attrs import define

from reconnect.core.control import Dialled
from reconnect.core.effects import Dial, HangUp, Inform, PeerEffect, SendReport
from reconnect.core.events import (
    ApplicationClosing,
    ApplicationLeft,
    BusyDeclared,
    ControlClosed,
    ControlOpened,
    DataArrived,
    DataOffered,
    ErrorArrived,
    FrameArrived,
    FrameReached,
    HiddenChanged,
    NetworkChanged,
    PeerEvent,
    TimePassed,
    ViewArrived,
)
from reconnect.core.linked import Linked
from reconnect.core.messages import (
    FINAL_ERRORS,
    Cause,
    ErrorCode,
    Phase,
    Reason,
    Report,
    ShortView,
    View,
)
from reconnect.core.outlook import Play
from reconnect.core.table import NEXT, State, Trigger, move

LINGER = 1.0  # in it the others hear of the end, and so not of a link that is down
LEAVING_TIMEOUT = 2.0  # how long a goodbye is repeated before the silence has to say it
LEAVING_INTERVAL = 0.25
GOING = (Play.ARMED, Play.PLAYING)
TOWARDS = {
    State.PAUSED: Trigger.PAUSE,
    State.RECONNECTING: Trigger.RECOVER,
    State.RESUMED: Trigger.RESUME,
    State.CONNECTED: Trigger.CONNECT,
    State.ENDED: Trigger.END,
}


@define(eq=False)
class Peer(Linked):
    """One client of one player; make one with `beginning`."""

    @property
    def deadline(self) -> float:
        """When `TimePassed` is due at the latest; infinity when nothing is pending."""
        if self.play is Play.ENDED:
            goodbye = min(self._leaving_until, self.control.deadline) if self.leaving else inf
            return min(self._links_until, goodbye)
        halted, attached = self.halted, self.control.attached
        soonest = self.control.deadline
        if not halted:
            soonest = min(soonest, self.control.lease_until, self.start_at)
        for link in self.links.values():
            recovering = halted and self._may_mend(link)
            due = link.deadline(halted=halted, attached=attached, recovering=recovering)
            soonest = min(soonest, due if halted else min(due, link.endured_until))
        return soonest

    @property
    def leaving(self) -> bool:
        """Whether the goodbye of a player who left is still being said."""
        return self._left_seq is not None

    # -- the fold ---------------------------------------------------------------------------------

    def handle(self, event: PeerEvent, *, now: float) -> list[PeerEffect]:
        """What is to be done about `event`.

        Raises `SessionEnded`, `NoSuchPlayer`, `StreamFull` or `LocalProtocolError`, and changes
        nothing, when the application offers data that cannot be accepted.
        """
        if isinstance(event, DataOffered):
            self._offered(event)
        effects: list[PeerEffect] = []
        if self.ended:
            self._after_the_end(effects, event, now)
            return effects
        self._notice_sleep(now)
        self._check_lease(now)
        self._told_of(effects, event, now)
        if not self.ended:
            self._settle(effects, now)
        self._publish(effects, now)
        return effects

    def _notice_sleep(self, now: float) -> None:
        """After a long time in which nothing was handled, no link is what it was."""
        slept = self.policy is not None and now - self._handled_at > self.policy.lease
        self._handled_at = now
        if slept:
            for link in self.links.values():
                link.detector.woke(now)

    def _told_of(self, effects: list[PeerEffect], event: PeerEvent, now: float) -> None:
        match event:
            case FrameArrived(peer, packet) | DataArrived(peer, packet):
                self._packet(peer, packet, now)
            case DataOffered() | TimePassed():
                pass  # what follows from them is settled below
            case ViewArrived(view):
                self._viewed(effects, view, now)
            case ControlOpened():
                self.control.opened()
                for link in self.links.values():
                    link.mending.signals.hurry(now)
                self._report(effects, now, attach=True)
            case ControlClosed():
                self.control.closed(now)
            case ErrorArrived(code):
                self._refused(effects, code, now)
            case FrameReached(frame):
                self.frame = frame
            case ApplicationClosing():
                self._closing(effects, now)
            case ApplicationLeft():
                self._leave(effects, Reason.LEFT, now)
            case NetworkChanged():
                self.control.hurry(now)
                for link in self.links.values():
                    link.mending.ladder.hurry(now)
            case BusyDeclared(seconds):
                for link in self.links.values():
                    link.busy(now, seconds)
            case HiddenChanged(hidden):
                self.facts.note("hidden", {"hidden": hidden}, now)
                for link in self.links.values():
                    link.hidden(now, hidden=hidden)
            case _:
                self._about_links(effects, event, now)

    def _refused(self, effects: list[PeerEffect], code: str, now: float) -> None:
        if code in FINAL_ERRORS:
            self._end(effects, code, now)
        elif code != ErrorCode.NOT_A_MEMBER:
            self._hang_up(effects, now)

    # -- views (protocol: the client table) --------------------------------------------------------

    def _viewed(self, effects: list[PeerEffect], view: View | ShortView, now: float) -> None:
        if view.version < self.version or self._past(view):
            return
        if isinstance(view, View):
            if self._is_out(view):
                self._end(effects, view.reason or Reason.DROPPED, now)
                return
            self.control.policy = view.policy or self.policy
        if self.policy is None:
            return
        self.control.heard(view.ack, view.held, now)
        self.facts.acked(self.control.ack)
        if isinstance(view, ShortView):
            self.gen = view.gen
            return
        self.version, self.gen, self.view = view.version, view.gen, view
        if self._match_links(effects, view, now) and not self.halted:
            self._halt(self.epoch + 1, Cause.PEER_RELOADED, now)
        self._obey(view, now)

    def _past(self, view: View | ShortView) -> bool:
        """Whether it is of a connection that is closed, or for who this client was before."""
        return self.control.dialled is not Dialled.OPEN or view.gen < self.gen

    def _is_out(self, view: View | ShortView) -> bool:
        """Whether the game is over, at least for this player."""
        return isinstance(view, View) and (
            view.state is State.ENDED or all(one.id != self.player for one in view.players)
        )

    def _obey(self, view: View, now: float) -> None:
        going = view.state in (State.RESUMED, State.CONNECTED)
        if view.epoch > self.epoch:
            if going:
                self._halt(view.epoch + 1, Cause.LATE, now)
            else:
                self._halt(view.epoch, view.cause, now)
        elif going and self.halted and view.epoch == self.epoch:
            if view.resume is not None and self.ready(now):
                self.play = Play.ARMED
                self.resume_frame = view.resume.frame
                self.start_at = now + max(0.0, view.resume.start_in - self.control.one_way)
            else:
                self._halt(self.epoch + 1, self.cause, now)

    # -- stopping and starting ---------------------------------------------------------------------

    def _halt(self, epoch: int, cause: str | None, now: float) -> None:
        self.play = Play.HALTED
        self.epoch = epoch
        self.cause = cause
        self.start_at = inf
        self.resync.begin(epoch, self.resync.roster)
        for link in self.links.values():
            link.stopped(epoch, now)

    def _check_lease(self, now: float) -> None:
        if self.play in GOING and now >= self.control.lease_until:
            self._halt(self.epoch + 1, Cause.LEASE_EXPIRED, now)

    def _check_links(self, now: float) -> None:
        if self.play not in GOING:
            return
        for link in self.links.values():
            if now >= link.endured_until:
                self._halt(self.epoch + 1, Cause.LINK_LOST, now)
                return

    def _end(self, effects: list[PeerEffect], reason: str, now: float) -> None:
        self._stop_for_good(reason, now)
        self._hang_up(effects, now)

    def _stop_for_good(self, reason: str, now: float) -> None:
        self.play = Play.ENDED
        self.start_at = inf
        self.reason = reason
        self._links_until = now + LINGER

    def _let_go(self, effects: list[PeerEffect], now: float) -> None:
        self._links_until = inf
        for link in self.links.values():
            link.close(effects, now)

    def _closing(self, effects: list[PeerEffect], now: float) -> None:
        """Stop in order: the promise spares the player's next client the wait for the fence."""
        if self.play in GOING:
            self._halt(self.epoch + 1, Cause.CLOSING, now)
        if self.control.attached:
            self._report(effects, now, phase=Phase.HALTED)
        self._end(effects, Reason.CLOSED, now)
        self._let_go(effects, now)

    def _after_the_end(self, effects: list[PeerEffect], event: PeerEvent, now: float) -> None:
        """Nothing, but for links to let go of, and a goodbye that has not been acknowledged."""
        lingering = self._links_until < inf
        if lingering and (now >= self._links_until or isinstance(event, ApplicationClosing)):
            self._let_go(effects, now)
        if self.leaving:
            self._answered(effects, event, now)
        if self.leaving:
            self._go_on_leaving(effects, now)

    # -- the goodbye of a player who leaves --------------------------------------------------------

    def _leave(self, effects: list[PeerEffect], reason: Reason, now: float) -> None:
        self._stop_for_good(reason, now)
        self._leaving_until = now + LEAVING_TIMEOUT
        self._left_seq = self.control.seq + 1
        self.control.hurry(now)
        self.control.report_at = now
        self._go_on_leaving(effects, now)

    def _answered(self, effects: list[PeerEffect], event: PeerEvent, now: float) -> None:
        """What the coordinator, or the way to it, makes of the goodbye."""
        match event:
            case ControlOpened():
                self.control.opened()
                self._say_goodbye(effects, now, attach=True)
            case ControlClosed():
                self.control.closed(now)
            case ErrorArrived(code) if code in FINAL_ERRORS:
                self._gone(effects, now)
            case ErrorArrived():
                self._hang_up(effects, now)
            case ViewArrived(view) if not self._past(view):
                self._heard_in_leaving(effects, view, now)
            case _:
                pass

    def _heard_in_leaving(
        self, effects: list[PeerEffect], view: View | ShortView, now: float
    ) -> None:
        assert self._left_seq is not None
        if view.ack >= self._left_seq or self._is_out(view):
            self._gone(effects, now)
            return
        if not self.control.attached:
            self.control.report_at = now
        self.gen = view.gen
        self.control.heard(view.ack, view.held, now)

    def _go_on_leaving(self, effects: list[PeerEffect], now: float) -> None:
        if now >= min(self._leaving_until, self.control.give_up_at):
            self._gone(effects, now)
            return
        self._keep_control(effects, now)
        if self.control.attached and now >= self.control.report_at:
            self._say_goodbye(effects, now)

    def _say_goodbye(self, effects: list[PeerEffect], now: float, *, attach: bool = False) -> None:
        self._report(effects, now, attach=attach)
        self.control.report_at = now + LEAVING_INTERVAL

    def _gone(self, effects: list[PeerEffect], now: float) -> None:
        self._left_seq = None
        self._hang_up(effects, now)

    # -- what follows from any event ---------------------------------------------------------------

    def _settle(self, effects: list[PeerEffect], now: float) -> None:
        if now >= self.control.give_up_at:
            self._end(effects, Reason.UNREACHABLE, now)
            return
        self._keep_control(effects, now)
        if self.play is Play.ARMED and now >= self.start_at:
            self.play = Play.PLAYING
            self.start_at = inf
            self.resync.has_state = True
        self._tend_links(effects, now)
        if self.stranded is not None:
            self._leave(effects, self.stranded, now)
            return
        self._check_links(now)
        if self.control.attached and (self._changed(now) or now >= self.control.report_at):
            self._report(effects, now)

    def _keep_control(self, effects: list[PeerEffect], now: float) -> None:
        """Hang up on a coordinator that is silent, and dial when it is time to."""
        if self.control.silent(now):
            self._hang_up(effects, now)
        if self.control.redials(now):
            effects.append(Dial())
            self.control.dialling(now)

    def _hang_up(self, effects: list[PeerEffect], now: float) -> None:
        effects.append(HangUp())
        self.control.closed(now)

    # -- reports and notices ----------------------------------------------------------------------

    def _changed(self, now: float) -> bool:
        return (
            self._told != (self.epoch, self.phase(now), self.gen)
            or self._told_links != self.link_reports()
            or self.facts.untold
        )

    def _report(
        self,
        effects: list[PeerEffect],
        now: float,
        *,
        attach: bool = False,
        phase: Phase | None = None,
    ) -> None:
        phase = phase or self.phase(now)
        links = self.link_reports()
        seq = self.control.reporting(now)
        report = Report(
            gen=self.gen,
            seq=seq,
            epoch=self.epoch,
            phase=phase,
            version=self.version,
            cause=self.cause if phase in (Phase.HALTED, Phase.READY) else None,
            frame=self.frame,
            rtt=self.control.rtt,
            links=links if attach or links != self._told_links else None,
            facts=self.facts.borne_by(seq, now),
            kind=self.kind,
        )
        effects.append(SendReport(report, attach))
        self._told = (self.epoch, phase, self.gen)
        self._told_links = links

    def _publish(self, effects: list[PeerEffect], now: float) -> None:
        """Tell of each move; a client that missed one passes through `paused`."""
        target = self.public
        while self.state is not target:
            direct = (self.state, TOWARDS[target]) in NEXT
            self.state = move(self.state, TOWARDS[target] if direct else Trigger.PAUSE)
            effects.append(Inform(self.notice_now(now)))
