"""Linked: a client's rules about its links: which there are, what they carry, what mends them."""

from __future__ import annotations

from typing import ClassVar, TypeAlias, assert_never

from attrs import define

from reconnect.core.effects import Inform, PeerEffect
from reconnect.core.events import (
    AttemptFailed,
    AttemptSucceeded,
    ChannelChanged,
    Consulted,
    ConsultFailed,
    DataOffered,
    IceChanged,
    SignalAcked,
    SignalArrived,
    SignalMade,
)
from reconnect.core.frames import PieceKind, session_tag
from reconnect.core.link import PeerLink
from reconnect.core.messages import Kind, PlayerView, Reason, View
from reconnect.core.notices import Gap, LinkSuspect
from reconnect.core.outlook import Outlook
from reconnect.core.resync import Ask, Consult, Say, Step, Stranded
from reconnect.core.table import State
from reconnect.errors import LocalProtocolError, NoSuchPlayer, RemoteProtocolError, SessionEnded
from reconnect.policy import Topology

LinkEvent: TypeAlias = (
    SignalMade | SignalAcked | ChannelChanged | IceChanged | AttemptSucceeded | AttemptFailed
)


@define(eq=False)
class Linked(Outlook):
    """The half of a `Peer` that looks at the other players."""

    link_type: ClassVar[type[PeerLink]] = PeerLink
    """What a search of all states replaces by a link whose numbers are small."""

    # -- which links there are -------------------------------------------------------------------

    def _match_links(self, effects: list[PeerEffect], view: View, now: float) -> bool:
        """One link for each needed peer's current generation, and no other.

        True if a peer has a newer client, so that nothing of the older one's is left to play on.
        """
        reloaded = False
        mine = next(one for one in view.players if one.id == self.player)
        holds_seat = self.gen > 0 and mine.gen == self.gen
        needed = {one.id: one for one in self.needed(view) if one.gen > 0} if holds_seat else {}
        self.resync.begin(self.epoch, self.roster(view))
        for peer, link in list(self.links.items()):
            wanted = needed.get(peer)
            if wanted is None or wanted.gen != link.generation:
                self._drop_link(effects, link, now)
                if wanted is not None:
                    reloaded = True
                    effects.append(Inform(Gap(peer)))
        for peer, wanted in needed.items():
            if peer not in self.links:
                self.links[peer] = link = self._new_link(wanted, now)
                link.open(effects)
            # a coordinator that was started again knows the far end's kind once it has come back
            self.links[peer].mending.ladder.initiator = self._initiates(wanted, view)
        return reloaded

    def _drop_link(self, effects: list[PeerEffect], link: PeerLink, now: float) -> None:
        """What has come over it stays to be taken; what has not been acknowledged never will be."""
        link.close(effects, now)
        lost = link.stream.undelivered
        if lost:
            self.facts.note("superseded", {"peer": link.peer, "messages": lost}, now)
            self.superseded += lost
        self._collect(link, now)
        self.left_over += self.taken_from(link)
        del self.links[link.peer]

    def _initiates(self, far: PlayerView, view: View) -> bool:
        """Whether the attempts at the link to `far` are ours to begin."""
        if (self.kind is Kind.PYTHON) != (far.kind is Kind.PYTHON):
            return self.kind is Kind.PYTHON
        order = [one.id for one in view.players]
        return order.index(self.player) < order.index(far.id)

    def _new_link(self, far: PlayerView, now: float) -> PeerLink:
        assert self.policy is not None
        return self.link_type.make(
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

    # -- what they say ---------------------------------------------------------------------------

    def _about_links(
        self,
        effects: list[PeerEffect],
        event: SignalArrived | Consulted | ConsultFailed | LinkEvent,
        now: float,
    ) -> None:
        match event:
            case SignalArrived(signal):
                if link := self.links.get(signal.sender or ""):
                    link.signal_arrived(effects, signal, now)
            case Consulted() | ConsultFailed():
                self._consulted(event)
            case _:
                self._link_event(effects, event, now)

    def _link_event(
        self,
        effects: list[PeerEffect],
        event: LinkEvent,
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
            case _:
                assert_never(event)

    def _offered(self, event: DataOffered) -> None:
        """All or nothing: where one peer has no room, no peer gets anything."""
        if self.ended:
            raise SessionEnded(self.session, self.reason)
        if self.policy is not None and self.policy.topology is Topology.SERVER:
            raise LocalProtocolError(
                "nobody to send to, now or later: with topology 'server' the game is your own "
                "server's, so send to that, by your own means"
            )
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
            for message in link.stream.take(PieceKind.RESYNC):
                self.todo += self.resync.heard(peer, message)
        except RemoteProtocolError:
            self.malformed += 1

    # -- what they are told ----------------------------------------------------------------------

    def _tend_links(self, effects: list[PeerEffect], now: float) -> None:
        attached, halted = self.control.attached, self.halted
        for link in self.links.values():
            if not link.direct:
                link.carried = attached and self.is_attached(link.peer)
            link.look(now)
            link.mend(effects, now, allowed=halted and self._may_mend(link))
            if attached and now >= link.mending.signals.resend_at:
                link.mending.repeat(effects, now)
        self._bring_together(effects)
        for link in self.links.values():
            link.flush(effects, now, halted=halted)
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

    # -- resync ----------------------------------------------------------------------------------

    def _bring_together(self, effects: list[PeerEffect]) -> None:
        """Take the steps of the resync that are possible now."""
        if self.halted and self.view is not None:
            circle, links = self.circle(self.view), self.links
            proven = [peer for peer in circle.needed if peer in links and links[peer].proven]
            self.todo += self.resync.due(proven, circle)
        steps, self.todo = self.todo, []
        for step in steps:
            self._step(effects, step)

    def _step(self, effects: list[PeerEffect], step: Step) -> None:
        match step:
            case Say():
                self._say(effects, step)
            case Consult():
                effects.append(step)
            case Stranded(failed):
                self.stranded = Reason.RESYNC_FAILED if failed else Reason.NO_STATE
            case _:
                assert_never(step)

    def _say(self, effects: list[PeerEffect], say: Say) -> None:
        link = self.links.get(say.peer)
        if link is None or self.resync.is_void(say.message):
            return
        length = len(say.message)
        if length > link.policy.message_max:
            self._step(effects, self.resync.too_long(say.peer, say.message))
        elif link.stream.room_for(length, PieceKind.RESYNC):
            link.stream.send(say.message, PieceKind.RESYNC)
        else:
            self.todo.append(say)  # until what was said in older epochs has been acknowledged

    def _consulted(self, event: Consulted | ConsultFailed) -> None:
        match event:
            case Consulted(ask, peer, asked_in, answer):
                self.todo += self.resync.consulted(ask, peer, asked_in, answer)
            case ConsultFailed(Ask.SNAPSHOT, peer, asked_in):
                self.todo += self.resync.cannot(peer, asked_in)
            case ConsultFailed():
                # of whatever it was: a game that has failed is not played on
                self.stranded = Reason.RESYNC_FAILED
            case _:
                assert_never(event)
