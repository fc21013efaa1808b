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
    AttemptFailed,
    AttemptSucceeded,
    BusyDeclared,
    ChannelChanged,
    ControlClosed,
    ControlOpened,
    DataArrived,
    DataOffered,
    ErrorArrived,
    FrameArrived,
    FrameReached,
    HiddenChanged,
    IceChanged,
    NetworkChanged,
    PeerEvent,
    SignalAcked,
    SignalArrived,
    SignalMade,
    TimePassed,
    ViewArrived,
)
from reconnect.core.frames import session_tag
from reconnect.core.link import PeerLink
from reconnect.core.messages import (
    FINAL_ERRORS,
    Cause,
    ErrorCode,
    Kind,
    Phase,
    PlayerView,
    Reason,
    Report,
    ShortView,
    Signal,
    View,
)
from reconnect.core.notices import (
    LinkSuspect,
)
from reconnect.core.outlook import Outlook, Play
from reconnect.core.table import NEXT, State, Trigger, move
from reconnect.errors import LocalProtocolError, NoSuchPlayer, RemoteProtocolError, SessionEnded

LINGER = 1.0  # in it the others hear of the end, and so not of a link that is down
LEAVING_TIMEOUT = 2.0  # how long a goodbye is repeated before the silence has to say it
LEAVING_INTERVAL = 0.25
TOWARDS = {
    State.PAUSED: Trigger.PAUSE,
    State.RECONNECTING: Trigger.RECOVER,
    State.RESUMED: Trigger.RESUME,
    State.CONNECTED: Trigger.CONNECT,
    State.ENDED: Trigger.END,
}


@define(eq=False)
class Peer(Outlook):
    """One client of one player; make one with `beginning`."""

    @property
    def deadline(self) -> float:
        """When `TimePassed` is due at the latest; infinity when nothing is pending."""
        if self.play is Play.ENDED:
            goodbye = min(self._leaving_until, self.control.report_at) if self.leaving else inf
            return min(self._links_until, goodbye)
        soonest = self.control.deadline
        if self.play in (Play.ARMED, Play.PLAYING):
            soonest = min(soonest, self.control.lease_until, self.start_at)
        for link in self.links.values():
            due = link.deadline(
                halted=self.halted,
                attached=self.control.attached,
                recovering=self._may_mend(link),
            )
            soonest = min(soonest, due)
            if not self.halted:
                soonest = min(soonest, link.endured_until)
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
            case ViewArrived(view):
                self._viewed(effects, view, now)
            case FrameArrived(peer, packet) | DataArrived(peer, packet):
                self._packet(peer, packet, now)
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
                self._leave(effects, now)
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
            case SignalArrived(signal):
                self._signalled(effects, signal, now)
            case DataOffered() | TimePassed():
                pass  # what follows from them is settled below
            case _:
                self._link_event(effects, event, now)

    def _link_event(
        self,
        effects: list[PeerEffect],
        event: SignalMade
        | SignalAcked
        | ChannelChanged
        | IceChanged
        | AttemptSucceeded
        | AttemptFailed,
        now: float,
    ) -> None:
        peer = event.ack.sender if isinstance(event, SignalAcked) else event.peer
        link = self.links.get(peer or "")
        if link is None:
            return
        match event:
            case SignalMade(_, attempt_id, kind, payload):
                link.mending.made(effects, attempt_id, kind, payload, now)
            case SignalAcked(ack):
                link.mending.signals.acked(ack)
            case ChannelChanged(_, is_open):
                link.channel_changed(is_open, now)
            case IceChanged(_, state):
                link.ice = state
            case AttemptSucceeded(_, attempt_id):
                link.mending.succeeded(attempt_id, now)
            case AttemptFailed(_, attempt_id, cause):
                link.mending.failed(attempt_id, cause, now)

    def _offered(self, event: DataOffered) -> None:
        """All or nothing: where one peer has no room, no peer gets anything."""
        if self.play is Play.ENDED:
            raise SessionEnded(self.session, self.reason)
        if event.to is not None and event.to not in self.links:
            raise NoSuchPlayer(self.session, event.to)
        streams = [link.stream for peer, link in self.links.items() if event.to in (None, peer)]
        if not streams:
            raise LocalProtocolError("nobody to send to yet: wait until the game is playing")
        if event.latest:
            for stream in streams:
                stream.send_latest(event.data)
            return
        # the one without room comes first, and raises before anything is accepted
        for stream in sorted(streams, key=lambda one: one.room_for(len(event.data))):
            stream.send(event.data)

    def _packet(self, peer: str, packet: bytes, now: float) -> None:
        link = self.links.get(peer)
        if link is None:
            return
        try:
            link.received(packet, now)
        except RemoteProtocolError:
            self.malformed += 1

    def _signalled(self, effects: list[PeerEffect], signal: Signal, now: float) -> None:
        link = self.links.get(signal.sender or "")
        if link is not None:
            link.signal_arrived(effects, signal, now)

    def _refused(self, effects: list[PeerEffect], code: str, now: float) -> None:
        if code in FINAL_ERRORS:
            self._end(effects, code, now)
        elif code != ErrorCode.NOT_A_MEMBER:
            effects.append(HangUp())
            self.control.closed(now)

    # -- views (protocol: the client table) --------------------------------------------------------

    def _viewed(self, effects: list[PeerEffect], view: View | ShortView, now: float) -> None:
        if view.version < self.version or self.control.dialled is not Dialled.OPEN:
            return
        if isinstance(view, View):
            if view.state is State.ENDED or all(one.id != self.player for one in view.players):
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
        self._match_links(effects, view, now)
        self._obey(view, now)

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

    def _match_links(self, effects: list[PeerEffect], view: View, now: float) -> None:
        """One link for each needed peer's current generation, and no other."""
        mine = next(one for one in view.players if one.id == self.player)
        holds_seat = self.gen > 0 and mine.gen == self.gen
        needed = {one.id: one for one in self.needed(view) if one.gen > 0} if holds_seat else {}
        for peer, link in list(self.links.items()):
            wanted = needed.get(peer)
            if wanted is None or wanted.gen != link.generation:
                link.close(effects, now)
                self._collect(link, now)
                del self.links[peer]
                if wanted is not None and not self.halted:
                    self._halt(self.epoch + 1, Cause.PEER_RELOADED, now)
        for peer, wanted in needed.items():
            if peer not in self.links:
                self.links[peer] = link = self._new_link(wanted, now)
                link.open(effects)
            # a coordinator that was started again knows the far end's kind once it has come back
            self.links[peer].mending.ladder.initiator = self._initiates(wanted, view)

    def _initiates(self, far: PlayerView, view: View) -> bool:
        """Whether the attempts at the link to `far` are ours to begin."""
        if (self.kind is Kind.PYTHON) != (far.kind is Kind.PYTHON):
            return self.kind is Kind.PYTHON
        order = [one.id for one in view.players]
        return order.index(self.player) < order.index(far.id)

    def _new_link(self, far: PlayerView, now: float) -> PeerLink:
        assert self.policy is not None
        return PeerLink.make(
            far.id,
            far.gen,
            self.gen,
            tag=session_tag(self.session),
            policy=self.policy,
            mends=self.mends,
            random=self.random,
            epoch=self.epoch,
            now=now,
        )

    # -- stopping and starting ---------------------------------------------------------------------

    def _halt(self, epoch: int, cause: str | None, now: float) -> None:
        self.play = Play.HALTED
        self.epoch = epoch
        self.cause = cause
        self.start_at = inf
        for link in self.links.values():
            link.stopped(epoch, now)

    def _check_lease(self, now: float) -> None:
        if self.play in (Play.ARMED, Play.PLAYING) and now >= self.control.lease_until:
            self._halt(self.epoch + 1, Cause.LEASE_EXPIRED, now)

    def _check_links(self, now: float) -> None:
        if self.play not in (Play.ARMED, Play.PLAYING):
            return
        for link in self.links.values():
            if now >= link.endured_until:
                self._halt(self.epoch + 1, Cause.LINK_LOST, now)
                return

    def _end(self, effects: list[PeerEffect], reason: str, now: float) -> None:
        self._stop_for_good(reason, now)
        effects.append(HangUp())
        self.control.closed(now)

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
        if self.play in (Play.ARMED, Play.PLAYING):
            self._halt(self.epoch + 1, Cause.CLOSING, now)
        if self.control.attached:
            self._report(effects, now, phase=Phase.HALTED)
        self._end(effects, Reason.CLOSED, now)
        self._let_go(effects, now)

    def _leave(self, effects: list[PeerEffect], now: float) -> None:
        self._stop_for_good(Reason.LEFT, now)
        self._leaving_until = now + LEAVING_TIMEOUT
        if self.control.attached:
            self._report(effects, now)
        self._left_seq = self.control.seq
        self.control.report_at = now + LEAVING_INTERVAL
        if not self.control.attached:
            self._gone(effects, now)

    def _after_the_end(self, effects: list[PeerEffect], event: PeerEvent, now: float) -> None:
        """Nothing, but for links to let go of, and a goodbye that has not been acknowledged."""
        lingering = self._links_until < inf
        if lingering and (now >= self._links_until or isinstance(event, ApplicationClosing)):
            self._let_go(effects, now)
        if self._left_seq is None:
            return
        acked = isinstance(event, ViewArrived) and event.view.ack >= self._left_seq
        if acked or isinstance(event, ControlClosed) or now >= self._leaving_until:
            self._gone(effects, now)
        elif now >= self.control.report_at:
            self._report(effects, now)
            self.control.report_at = now + LEAVING_INTERVAL

    def _gone(self, effects: list[PeerEffect], now: float) -> None:
        self._left_seq = None
        effects.append(HangUp())
        self.control.closed(now)

    # -- what follows from any event ---------------------------------------------------------------

    def _settle(self, effects: list[PeerEffect], now: float) -> None:
        if now >= self.control.give_up_at:
            self._end(effects, Reason.UNREACHABLE, now)
            return
        if self.control.silent(now):
            effects.append(HangUp())
            self.control.closed(now)
        if self.control.redials(now):
            effects.append(Dial())
            self.control.dialling(now)
        if self.play is Play.ARMED and now >= self.start_at:
            self.play = Play.PLAYING
            self.start_at = inf
        for link in self.links.values():
            self._tend(effects, link, now)
        self._check_links(now)
        if self.control.attached and (self._changed(now) or now >= self.control.report_at):
            self._report(effects, now)

    def _tend(self, effects: list[PeerEffect], link: PeerLink, now: float) -> None:
        link.carried = self.control.attached and self.is_attached(link.peer)
        link.look(now)
        link.mend(effects, now, allowed=self._may_mend(link))
        if self.control.attached and now >= link.mending.signals.resend_at:
            link.mending.repeat(effects, now)
        link.flush(effects, now, halted=self.halted)
        if link.newly_suspect():
            effects.append(Inform(LinkSuspect(link.peer)))
        self._collect(link, now)

    def _collect(self, link: PeerLink, now: float) -> None:
        for kind, data in link.mending.facts:
            self.facts.note(kind, {**data, "frame": self.frame}, now)
        link.mending.facts.clear()

    def _may_mend(self, link: PeerLink) -> bool:
        return (
            self.halted
            and self.control.attached
            and self.public is State.RECONNECTING
            and self.is_attached(link.peer)
        )

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
