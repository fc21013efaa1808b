"""Which rows of the protocol's tables an event visited, by what was before and what came of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import inf

from attrs import frozen

from reconnect.core import effects as fx
from reconnect.core import events as ev
from reconnect.core.link import PeerLink
from reconnect.core.member import Member
from reconnect.core.messages import FINAL_ERRORS, Cause, Phase, Reason, Report, ShortView, View
from reconnect.core.notices import Connected, Paused, PlayerDropped, Reconnecting, Resumed
from reconnect.core.outlook import Play
from reconnect.core.peer import Peer
from reconnect.core.session import Session
from reconnect.core.table import State

GOING = (State.CONNECTED, State.RESUMED)
HALTING = (State.PAUSED, State.RECONNECTING)
PLAYS = (Play.ARMED, Play.PLAYING)

CLIENT_ROWS = frozenset(
    f"5 {row}"
    for row in (
        "stale view",
        "view for an older generation",
        "view: ended",
        "view: not in players",
        "short answer",
        "view",
        "view paused or reconnecting, newer epoch",
        "view paused or reconnecting, known epoch",
        "view resumed or connected, newer epoch",
        "view resumed, ready: armed",
        "view resumed or connected, refused",
        "view resumed or connected, otherwise",
        "peer's generation rose",
        "start instant",
        "required link down while armed or playing",
        "lease runs out while armed or playing",
        "program goes away while armed or playing",
        "link proven while halted",
        "recovery",
        "silence: dial again",
        "closed: dial later",
        "heartbeat",
        "final error",
        "other error",
        "the application leaves",
        "goodbye repeated",
        "gives up",
        "ended: nothing",
    )
)

SESSION_ROWS = frozenset(
    {
        "3a ended: answered",
        "3a offer",
        "3a takes a free seat",
        "3a takes a seat, fence",
        "3a takes a seat, the promise stands",
        "3a takes a seat from a connection",
        "3a older generation",
        "3a older generation, its own word",
        "3a older seq",
        "3a no member",
        "3a accepted",
        "3a accepted on a new connection",
        "3a accepted, older connection closed",
        "3b left: ended",
        "3b left: paused",
        "3b left: goes on waiting",
        "3b pause asked for in connected",
        "3b pause asked for in resumed",
        "3b promised in paused",
        "3b promised in reconnecting",
        "3b ready in paused",
        "3b ready in reconnecting",
        "3b started",
        "3b no news",
        "3c closed",
        "3c closed, of no interest",
        "3c silent",
        "3c control lost: grace",
        "3c control lost: bound",
        "3c resume timeout",
        "3c deadline in paused: timeout",
        "3c deadline in paused: never_started",
        "3c deadline in reconnecting: goes on",
        "3c deadline in reconnecting: timeout",
        "3c deadline in reconnecting: never_started",
        "3c deadline: budget_spent",
        "3c host ends",
        *(f"3c process start in {state}" for state in State),
        "3d reconnecting by promises",
        "3d reconnecting by a bound or a fence",
        "3d resumed",
        "3d connected",
    }
)

# -- a client --------------------------------------------------------------------------------------


@frozen
class ClientBefore:
    """What a client was before an event."""

    play: Play
    state: State
    epoch: int
    version: int
    gen: int
    ack: int
    view: View | None
    gens: dict[str, int]
    proven: frozenset[str]
    attached: bool

    @classmethod
    def of(cls, peer: Peer) -> ClientBefore:
        control = peer.control
        return cls(
            peer.play,
            peer.state,
            peer.epoch,
            peer.version,
            peer.gen,
            control.ack,
            peer.view,
            {name: link.generation for name, link in peer.links.items()},
            frozenset(name for name, link in peer.links.items() if link.proven),
            control.attached,
        )


def client_rows(
    before: ClientBefore, peer: Peer, event: ev.PeerEvent, effects: Sequence[fx.PeerEffect]
) -> Iterator[str]:
    """The rows of section 5 that `event` visited."""
    for row in _client_rows(before, peer, event, effects):
        assert f"5 {row}" in CLIENT_ROWS, row
        yield f"5 {row}"


def _client_rows(
    before: ClientBefore, peer: Peer, event: ev.PeerEvent, effects: Sequence[fx.PeerEffect]
) -> Iterator[str]:
    reports = [one.report for one in effects if isinstance(one, fx.SendReport)]
    if before.play is Play.ENDED:
        yield "goodbye repeated" if reports else "ended: nothing"
        return
    was_playing = before.play in PLAYS
    if was_playing and peer.halted and peer.cause in STOPS:
        yield STOPS[peer.cause]
    match event:
        case ev.ViewArrived(view):
            yield from _view_rows(before, peer, view)
        case ev.ErrorArrived(code):
            yield "final error" if code in FINAL_ERRORS else "other error"
        case ev.ControlClosed():
            yield "closed: dial later"
        case ev.ApplicationLeft():
            yield "the application leaves"
        case ev.ApplicationClosing() if was_playing:
            yield "program goes away while armed or playing"
        case _:
            pass
    if before.play is Play.ARMED and peer.play is Play.PLAYING:
        yield "start instant"
    if peer.halted and any(
        link.proven for name, link in _direct(peer) if name not in before.proven
    ):
        yield "link proven while halted"
    if any(isinstance(one, fx.StartAttempt) for one in effects):
        yield "recovery"
    if peer.reason == Reason.UNREACHABLE:
        yield "gives up"
    elif isinstance(event, ev.TimePassed) and any(isinstance(one, fx.HangUp) for one in effects):
        yield "silence: dial again"
    if isinstance(event, ev.TimePassed) and before.attached and reports:
        yield "heartbeat"


STOPS: dict[str | None, str] = {
    Cause.LEASE_EXPIRED: "lease runs out while armed or playing",
    Cause.LINK_LOST: "required link down while armed or playing",
}


def _direct(peer: Peer) -> list[tuple[str, PeerLink]]:
    return [(name, link) for name, link in peer.links.items() if link.direct]


def _view_rows(before: ClientBefore, peer: Peer, view: View | ShortView) -> Iterator[str]:
    if view.version < before.version:
        yield "stale view"
        return
    if view.gen < before.gen:
        yield "view for an older generation"
        return
    if isinstance(view, ShortView):
        yield "short answer"
        return
    if view.state is State.ENDED:
        yield "view: ended"
        return
    if all(one.id != peer.player for one in view.players):
        yield "view: not in players"
        return
    yield "view"
    gens = {one.id: one.gen for one in view.players}
    if any(gens.get(name, gen) > gen for name, gen in before.gens.items()):
        yield "peer's generation rose"
    newer = view.epoch > before.epoch
    if view.state in HALTING:
        yield f"view paused or reconnecting, {'newer' if newer else 'known'} epoch"
    elif newer:
        yield "view resumed or connected, newer epoch"
    elif before.play is Play.HALTED and view.epoch == before.epoch:
        ready = peer.play in PLAYS
        yield "view resumed, ready: armed" if ready else "view resumed or connected, refused"
    else:
        yield "view resumed or connected, otherwise"


# -- the coordinator's half ------------------------------------------------------------------------


@frozen
class MemberBefore:
    """What a member was before an event."""

    gen: int
    gen_next: int
    seq: int
    conn: int | None
    promised: bool
    fence_until: float
    bound_until: float
    in_game: bool


@frozen
class SessionBefore:
    """What a session was before an event."""

    state: State
    epoch: int
    players: tuple[str, ...]
    conns: frozenset[int]
    bound_until: float
    resumed_at: float
    member: MemberBefore | None

    @classmethod
    def of(cls, session: Session, event: ev.SessionEvent) -> SessionBefore:
        who = session.members[event.player] if isinstance(event, ev.ReportArrived) else None
        bound = session.policy.lease_bound
        return cls(
            session.state,
            session.epoch,
            tuple(session.players),
            frozenset(one.conn for one in session.members.values() if one.conn is not None),
            min((one.last_report_at + bound for one in session.in_game), default=inf),
            session.resumed_at,
            None if who is None else _member(session, who),
        )


def _member(session: Session, member: Member) -> MemberBefore:
    return MemberBefore(
        member.gen,
        member.gen_next,
        member.seq,
        member.conn,
        member.promised,
        member.fence_until,
        member.last_report_at + session.policy.lease_bound,
        member.player in session.players,
    )


def session_rows(
    before: SessionBefore,
    session: Session,
    event: ev.SessionEvent,
    effects: Sequence[fx.SessionEffect],
    now: float,
) -> Iterator[str]:
    """The rows of section 3 that `event` visited."""
    for row in _session_rows(before, session, event, effects, now):
        assert row in SESSION_ROWS, row
        yield row


def _session_rows(
    before: SessionBefore,
    session: Session,
    event: ev.SessionEvent,
    effects: Sequence[fx.SessionEffect],
    now: float,
) -> Iterator[str]:
    notices = [one.notice for one in effects if isinstance(one, fx.Tell)]
    match event:
        case ev.ReportArrived(conn, _, report):
            assert before.member is not None
            yield from _report_rows(before, before.member, session, report, conn)
        case ev.ConnectionClosed(conn):
            yield "3c closed" if conn in before.conns else "3c closed, of no interest"
        case ev.ApplicationEnded():
            yield "3c host ends"
        case ev.TimePassed():
            yield from _time_rows(before, session, effects, now)
        case _:
            pass
    for notice in notices:
        match notice:
            case Reconnecting():
                all_promised = all(
                    one.promised and one.fence_until <= now for one in session.in_game
                )
                by = "promises" if all_promised else "a bound or a fence"
                yield f"3d reconnecting by {by}"
            case Resumed():
                yield "3d resumed"
            case Connected():
                yield "3d connected"
            case _:
                pass


def _report_rows(
    before: SessionBefore, member: MemberBefore, session: Session, report: Report, conn: int
) -> Iterator[str]:
    if before.state is State.ENDED:
        yield "3a ended: answered"
        return
    if report.gen == 0 or report.gen > member.gen_next:
        yield "3a offer"
        return
    if report.gen < member.gen:
        own = conn == member.conn
        yield f"3a older generation{', its own word' * own}"
        return
    seated = report.gen > member.gen
    if seated:
        if member.gen == 0:
            yield "3a takes a free seat"
        elif before.state in HALTING and member.promised:
            yield "3a takes a seat, the promise stands"
        else:
            yield "3a takes a seat, fence"
        if member.conn is not None:
            yield "3a takes a seat from a connection"
    elif report.seq <= member.seq:
        yield "3a older seq"
        return
    if not member.in_game:
        yield "3a no member"
        return
    if member.conn == conn:
        yield "3a accepted"
    elif member.conn is None or seated:
        yield "3a accepted on a new connection"
    else:
        yield "3a accepted, older connection closed"
    yield from _accepted_rows(before, session, report)


def _accepted_rows(before: SessionBefore, session: Session, report: Report) -> Iterator[str]:
    waits = report.phase in (Phase.HALTED, Phase.READY)
    if report.phase is Phase.LEFT:
        if session.state is State.ENDED:
            yield "3b left: ended"
        else:
            yield "3b left: paused" if before.state in GOING else "3b left: goes on waiting"
    elif waits and before.state in GOING and report.epoch == before.epoch + 1:
        yield f"3b pause asked for in {before.state}"
    elif waits and before.state in HALTING and report.epoch == before.epoch:
        said = "ready" if report.phase is Phase.READY else "promised"
        yield f"3b {said} in {before.state}"
    elif before.state is State.RESUMED and (report.epoch, report.phase) == (
        before.epoch,
        Phase.PLAYING,
    ):
        yield "3b started"
    else:
        yield "3b no news"


def _time_rows(
    before: SessionBefore, session: Session, effects: Sequence[fx.SessionEffect], now: float
) -> Iterator[str]:
    notices = [one.notice for one in effects if isinstance(one, fx.Tell)]
    after = {one.conn for one in session.members.values()}
    dropped = any(isinstance(notice, PlayerDropped) for notice in notices)
    if not before.conns <= after and not dropped:
        yield "3c silent"
    for notice in notices:
        if isinstance(notice, Paused) and notice.cause == Cause.RESUME_FAILED:
            yield "3c resume timeout"
        elif isinstance(notice, Paused):
            yield f"3c control lost: {'bound' if now >= before.bound_until else 'grace'}"
    if dropped:
        yield "3c deadline in reconnecting: goes on"
    if before.state is not State.ENDED and session.state is State.ENDED:
        if session.reason == Reason.BUDGET_SPENT:
            yield "3c deadline: budget_spent"
        else:
            # a stall may have let a pause and its deadline fall together
            waited = before.state if before.state in HALTING else State.PAUSED
            yield f"3c deadline in {waited}: {session.reason}"
