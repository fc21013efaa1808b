"""One sentence on why a session or a client is where it is, from the guards that hold it there."""

from __future__ import annotations

from math import inf
from typing import assert_never

from reconnect.core.ladder import Ladder
from reconnect.core.link import PeerLink
from reconnect.core.member import Member
from reconnect.core.messages import Phase
from reconnect.core.outlook import Play
from reconnect.core.peer import Peer
from reconnect.core.session import Session
from reconnect.core.table import State


def explain_session(session: Session, now: float) -> str:
    """Why the coordinator holds this session in its state."""
    match session.state:
        case State.ENDED:
            return f"ended: {session.reason}"
        case State.CONNECTED:
            return f"connected: {_names(session.players)} play in epoch {session.epoch}"
        case State.RESUMED:
            waits = [one.player for one in session.in_game if not one.started]
            return f"resumed at frame {session.resume_frame}; waits for {_names(waits)} to play"
        case State.PAUSED:
            waits = [_unhalted(session, one, now) for one in session.members.values()]
            return _halt(session, now, f"to know that play has stopped: {_list(waits)}")
        case State.RECONNECTING:
            waits = [_unready(one) for one in session.in_game]
            return _halt(session, now, f"for {_list(waits)}")
        case _:
            assert_never(session.state)


def _halt(session: Session, now: float, waits: str) -> str:
    if session.outage_started_at is None:
        lasting = f"{session.state} before the first start"
    else:
        lasting = f"{session.state} for {now - session.outage_started_at:.1f} s ({session.cause})"
    if session.ends_at is None:
        return f"{lasting}; waits {waits}; may wait for ever"
    return f"{lasting}; waits {waits}; ends in {max(0.0, session.ends_at - now):.1f} s"


def _unhalted(session: Session, member: Member, now: float) -> str:
    in_game = member.player in session.players
    at = member.halted_at(session.policy) if in_game else member.fence_until
    return f"{member.player} within {at - now:.1f} s" if at > now else ""


def _unready(member: Member) -> str:
    if member.conn is None:
        return f"{member.player}: not attached"
    if member.ready:
        return ""
    down = sorted(peer for peer, link in member.links.items() if not link.up)
    if not down:
        doing = "not halted yet" if not member.promised else "link not proven or game not synced"
        return f"{member.player}: attached, {doing}"
    tries = [
        f"link to {peer} down"
        + (f", attempt {link.attempt}" if (link := member.links[peer]).attempt else "")
        + (f" ({link.kind})" if link.kind is not None else "")
        for peer in down
    ]
    return f"{member.player}: attached, {', '.join(tries)}"


def explain_peer(peer: Peer, now: float) -> str:
    """Why this client is where it is."""
    match peer.play:
        case Play.ENDED:
            return f"ended: {peer.reason}"
        case Play.PLAYING:
            lease = peer.control.lease_until - now
            return f"{peer.public}: playing in epoch {peer.epoch}, lease for {lease:.1f} s"
        case Play.ARMED:
            return f"resumed: plays from frame {peer.resume_frame} in {peer.start_at - now:.1f} s"
        case Play.HALTED:
            return f"{peer.public} ({peer.cause}); waits for {_list(_obstacles(peer, now))}"
        case _:
            assert_never(peer.play)


def _obstacles(peer: Peer, now: float) -> list[str]:
    control = peer.control
    if not control.attached:
        dials = f", dials in {control.redial_at - now:.1f} s" if control.redial_at > now else ""
        return [f"the coordinator: control link {control.dialled}{dials}"]
    obstacles = [_link(link, now) for link in peer.links.values() if not link.ready]
    view = peer.view
    if view is not None:
        met = {peer.player, *peer.links}
        obstacles += [f"{one.id}: has not come yet" for one in view.players if one.id not in met]
        obstacles += [
            f"{one.id}: {'not ready' if one.attached else 'not attached'}"
            for one in view.players
            if one.id in peer.links
            and peer.links[one.id].ready
            and (not one.attached or one.phase is Phase.HALTED)
        ]
    return obstacles or ["the coordinator's word"]


def _link(link: PeerLink, now: float) -> str:
    if not link.synced and (link.up or not link.direct):
        waiting = link.stream.waiting_messages
        path = "link up" if link.direct else "by relay"
        return f"{link.peer}: {path}, {waiting} messages not yet acknowledged"
    if link.up:
        return f"{link.peer}: link up, not proven yet"
    return f"{link.peer}: link down{_step(link.mending.ladder, now)}"


def _step(ladder: Ladder, now: float) -> str:
    if ladder.attempt is not None:
        return f", attempt {ladder.attempt.number} ({ladder.attempt.kind}) under way"
    if ladder.initiator and ladder.next_at != inf:
        wait = max(0.0, ladder.next_at - now)
        return f", attempt {ladder.tried + 1} ({ladder.kind}) in {wait:.1f} s"
    return ""


def _names(players: list[str]) -> str:
    return ", ".join(players) or "nobody"


def _list(sentences: list[str]) -> str:
    return "; ".join(one for one in sentences if one) or "nothing"
