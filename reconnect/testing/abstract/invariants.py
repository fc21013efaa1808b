"""Invariants: what holds in every scene of an abstract network, by the protocol's own names."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import define

from reconnect.core.messages import Reason
from reconnect.core.outlook import Play
from reconnect.core.session import Session
from reconnect.core.table import State
from reconnect.policy import Topology
from reconnect.testing.abstract.client import AbstractPeer
from reconnect.testing.abstract.folds import Folds
from reconnect.testing.abstract.scene import DOWN, Scene
from reconnect.testing.abstract.scene import State as Written

PLAYS = (Play.ARMED, Play.PLAYING)
WAITING = (State.PAUSED, State.RECONNECTING, State.RESUMED)
GOING = (State.RESUMED, State.CONNECTED, State.ENDED)


def plays(peer: AbstractPeer) -> bool:
    """Whether a step of the game may be taken, now or as soon as it has begun."""
    return peer.play in PLAYS and peer.control.lease_until > 0.0


def holder(session: Session, peer: AbstractPeer) -> bool:
    """Whether this client has its player's seat."""
    return 0 < peer.gen == session.members[peer.player].gen


@define(eq=False)
class Invariants:
    """Holds scenes against the invariants."""

    folds: Folds

    def broken(self, scene: Scene) -> Iterator[str]:
        """A sentence for each that does not hold."""
        peers = [self.folds.peer(client) for client, _ in scene.clients]
        server = self.folds.policy.topology is Topology.SERVER
        playing = [peer for peer in peers if plays(peer)]
        if playing and not server:
            yield from self._playing(playing)
        if scene.up:
            session = self.folds.session(scene.session)
            if playing and not server:
                yield from self._told_to_play(session, playing)
            yield from self._session(session)
            for peer in peers:
                yield from self._client(session, peer)
        for peer in playing:
            if not all(link.up for link in peer.links.values() if link.direct):
                yield "I10: a client plays over a link that is down"

    def _playing(self, playing: list[AbstractPeer]) -> Iterator[str]:
        if len({peer.epoch for peer in playing}) > 1:
            yield "I3b: two epochs are played in"
        if len({peer.player for peer in playing}) < len(playing):
            yield "I7: two clients of one player play"

    def _told_to_play(self, session: Session, playing: list[AbstractPeer]) -> Iterator[str]:
        if session.state is State.RECONNECTING:
            yield "I2: reconnecting, and a client plays"
        for peer in playing:
            going = peer.epoch == session.epoch and session.state in GOING
            if not (peer.epoch < session.epoch or going):
                yield "I3: a client plays in an epoch that is not resumed"

    def _session(self, session: Session) -> Iterator[str]:
        if (session.ends_at is not None) is not (session.state in WAITING):
            yield "D: a deadline is pending where nothing waits, or none where something does"

    def _client(self, session: Session, peer: AbstractPeer) -> Iterator[str]:
        if peer.ended:
            if peer.reason == Reason.TIMEOUT and session.reason != Reason.TIMEOUT:
                yield "I6: a client says timeout, and the session does not"
            return
        if peer.epoch > session.epoch + 1:
            yield "J1: a client is two epochs ahead"
        leased = peer.gen > 0 and peer.control.lease_until > 0.0
        if not leased or peer.player not in session.players or session.state is State.ENDED:
            return
        member = session.members[peer.player]
        if peer.gen == member.gen:
            if member.last_report_at + session.policy.lease_bound <= 0.0:
                yield "L: a lease is valid, and its bound has run out"
        elif peer.gen < member.gen and peer.play in PLAYS and member.fence_until <= 0.0:
            yield "L: a superseded client plays, and there is no fence"

    def broken_by(self, before: Written, after: Written) -> Iterator[str]:
        """A sentence for each that does not hold of what a step made of the session."""
        if DOWN in (before[1], after[1]) or before[1] == after[1]:
            return
        session = self.folds.session(after[1])
        if self.folds.session(before[1]).state is session.state:
            return
        for client, _ in after[4]:
            peer = self.folds.peer(client)
            if not holder(session, peer) or peer.ended or peer.player not in session.players:
                continue
            if session.state is State.RESUMED and peer.epoch < session.epoch:
                yield "I11: resumed, and a member has not promised"
            begun = peer.epoch > session.epoch or peer.play is Play.PLAYING
            if session.state is State.CONNECTED and (peer.epoch < session.epoch or not begun):
                yield "I12: connected, and a member has not started"

    # -- where all is well -------------------------------------------------------------------------

    def good(self, scene: Scene) -> bool:
        """Connected and everybody plays, or ended everywhere."""
        if not scene.up or scene.successors:
            return False
        session = self.folds.session(scene.session)
        peers = [self.folds.peer(client) for client, _ in scene.clients]
        if session.state is State.ENDED:
            return all(peer.ended for peer in peers)
        if session.state is not State.CONNECTED:
            return False
        playing = {
            peer.player
            for peer, (_, stalled) in zip(peers, scene.clients, strict=True)
            if holder(session, peer)
            and peer.play is Play.PLAYING
            and peer.epoch == session.epoch
            and peer.control.lease_until > 0.0
            and not stalled
        }
        return playing.issuperset(session.players)
