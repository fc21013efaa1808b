"""What must hold at a table at every instant: the invariants of the protocol, held by a `Watch`.

The names I1 to J1 are those of the design notes in the documentation. Whatever can be seen from
outside is held against what really happened (who was told what, who could take a step of the
game), not against what a session or a client says of itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import attrs
from attrs import define, frozen

from reconnect.core.effects import (
    AbandonAttempt,
    CloseLink,
    Dial,
    HangUp,
    Inform,
    PeerEffect,
    SendReport,
    SessionEffect,
    Tell,
)
from reconnect.core.events import (
    Consulted,
    FrameReached,
    PeerEvent,
    ReportArrived,
    SessionEvent,
    ViewArrived,
)
from reconnect.core.member import Member
from reconnect.core.messages import FINAL_ERRORS, ErrorCode, Phase, Reason
from reconnect.core.notices import PlayerDropped, SessionNotice
from reconnect.core.outlook import Play
from reconnect.core.peer import Peer
from reconnect.core.record import Record
from reconnect.core.resync import Ask, Consult
from reconnect.core.session import Session
from reconnect.core.table import NEXT, State, Trigger
from reconnect.policy import Topology
from reconnect.testing.lockstep import Lockstep
from reconnect.testing.program import Program
from reconnect.testing.simulation.course import MOVES, Course, LawBroken, law
from reconnect.testing.simulation.faulty import FaultyTable
from reconnect.testing.table import SESSION
from reconnect.testing.watch import Watch

PLAYS = (Play.ARMED, Play.PLAYING)
SAID_TO_NOBODY = (HangUp, CloseLink, AbandonAttempt, Inform)
GOING = (State.RESUMED, State.CONNECTED, State.ENDED)
OWN_REASONS = {
    Reason.SUPERSEDED,
    Reason.DROPPED,
    Reason.LEFT,
    Reason.CLOSED,
    Reason.UNREACHABLE,
    Reason.NO_STATE,
    Reason.RESYNC_FAILED,
    *map(str, FINAL_ERRORS),
}
"""Why one client alone may have ended."""


@frozen
class Before:
    """What a client was before an event."""

    state: State
    play: Play
    epoch: int
    version: int
    gen: int
    ack: int
    view: Any
    leaving: bool

    @classmethod
    def of(cls, peer: Peer) -> Before:
        return cls(
            peer.state,
            peer.play,
            peer.epoch,
            peer.version,
            peer.gen,
            peer.control.ack,
            peer.view,
            peer.leaving,
        )


@define(eq=False)
class Laws(Watch):
    """Fails where a law is broken; `watching(laws)` lets it hear of everything.

    `faults` counts what was done to the table; while it is `lossless`, nothing but those can
    have cost a link.
    """

    table: FaultyTable
    course: Course = attrs.Factory(lambda laws: Course(laws.table), takes_self=True)
    faults: int = 0
    lossless: bool = True
    failure: Exception | None = None
    """The first law that was broken, or bug that was met; shells survive both."""
    events: int = 0
    moves: defaultdict[tuple[str, State, Trigger], int] = attrs.Factory(lambda: defaultdict(int))
    promised: defaultdict[str, set[int]] = attrs.Factory(lambda: defaultdict(set))
    played: defaultdict[str, set[int]] = attrs.Factory(lambda: defaultdict(set))
    holders: dict[tuple[str, int], Program] = attrs.Factory(dict)
    """Who has spoken as which generation of a player."""
    given: set[str] = attrs.Factory(set)
    """Who has been given the game of one that has it."""
    _programs: dict[int, Program] = attrs.Factory(dict)
    _before: Before | None = None
    _whole: Any = None

    def failed(self, error: Exception) -> None:
        self.failure = self.failure or error

    # -- a client ----------------------------------------------------------------------------------

    def before_peer(self, peer: Peer, _event: PeerEvent, _now: float) -> None:
        self.events += 1
        self._before = Before.of(peer)

    def after_peer(
        self, peer: Peer, event: PeerEvent, effects: Sequence[PeerEffect], now: float
    ) -> None:
        program, before = self._program(peer), self._before
        if program is None or before is None:
            return  # is being made
        self._check_moves(peer, before, effects)
        if isinstance(event, Consulted) and event.ask is Ask.RESTORE:
            self.given.add(program.name)
        for effect in effects:
            if isinstance(effect, Consult) and effect.ask is Ask.SNAPSHOT:
                law(self._has_the_game(program), "a snapshot of a game that is not there")
            elif isinstance(effect, SendReport) and effect.report.gen > 0:
                holder = self.holders.setdefault((peer.player, effect.report.gen), program)
                law(holder is program, "I7: two programs speak as one generation")
                if effect.report.phase in (Phase.HALTED, Phase.READY):
                    self.promised[program.name].add(effect.report.epoch)
        if isinstance(event, ViewArrived) and (
            event.view.version < before.version or event.view.gen < before.gen
        ):
            same = (peer.version, peer.gen, peer.control.ack, peer.view) == (
                before.version,
                before.gen,
                before.ack,
                before.view,
            )
            law(same, "I4: an older view, and yet it changed a thing")
        law(peer.epoch >= before.epoch, "an epoch fell")
        law(peer.version >= before.version, "a version fell")
        if before.play is Play.ENDED:
            self._check_ended(peer, before, effects)
        if before.play is Play.HALTED and peer.play in PLAYS:
            law(all(link.ready for link in peer.links.values()), "I10: armed without being ready")
            self._check_game(program)
        if peer.play is Play.PLAYING:
            self.played[program.name].add(peer.epoch)
        if isinstance(event, FrameReached) and not peer.resync._restoring:
            self._check_step(program)
        if before.play is not Play.ENDED and peer.ended:
            self._check_goodbye(program)
        if peer.ended and peer.reason not in OWN_REASONS:
            stored = self.stored
            law(stored.state is State.ENDED, "I6: only the coordinator ends the game")
            law(peer.reason == stored.reason, "R3: one outcome")
        if plays(program):
            self._check_links(peer, now)
        self._hold([program])

    def _check_moves(self, peer: Peer, before: Before, effects: Sequence[PeerEffect]) -> None:
        state = before.state
        for effect in effects:
            if isinstance(effect, Inform) and type(effect.notice) in MOVES:
                trigger = MOVES[type(effect.notice)]
                law((state, trigger) in NEXT, f"no move: {trigger} in {state}")
                self.moves["client", state, trigger] += 1
                state = NEXT[state, trigger]
        law(state is peer.state, "a client is not where it says it is")

    def _has_the_game(self, program: Program) -> bool:
        return program.name in self.given or bool(self.played[program.name])

    def _check_game(self, program: Program) -> None:
        peer = program.client._peer
        if self._has_the_game(program):
            return
        assert peer.view is not None
        for one in peer.needed(peer.view):
            other = self.holders.get((one.id, one.gen))
            if other is None:
                continue
            older = any(epoch < peer.epoch for epoch in self.played[other.name])
            law(not (older or other.name in self.given), "armed without the game that others have")

    def _check_step(self, program: Program) -> None:
        """The built-in game has taken a step, whatever its client believes of its lease.

        Of a game of one's own, a new frame need not be a step: a move may arrive in a pause.
        """
        session = self.session
        if session is not None and isinstance(program.game, Lockstep):
            halted = session.state is State.RECONNECTING and program.alive
            law(not halted, "I2: reconnecting, and one takes a step")

    def _check_goodbye(self, program: Program) -> None:
        """What sends one client away for good has happened, and is durable."""
        player, reason = program.player, program.client._peer.reason
        if reason == Reason.SUPERSEDED:
            known = player in self.table.intruded or self.is_superseded(program)
            law(known, "I7: superseded by nobody who is there")
        elif reason == Reason.DROPPED:
            law(player not in self.stored.players, "W: dropped, and a member by the record")
        elif reason == ErrorCode.BAD_TOKEN:
            void = not self.table.opens(player, program.token)
            law(void, "W: a token is called void, and opens the seat by the record")
        elif reason == ErrorCode.UNKNOWN_SESSION:
            record = self.table.store.load(SESSION)
            over = record is None or record.state is State.ENDED  # and may be forgotten
            law(over, "W: a session that goes on is called unknown")

    def is_superseded(self, program: Program) -> bool:
        """Whether another program has spoken as a newer generation of this player."""
        player, gen = program.player, program.client._peer.gen
        newer = [one for (who, spoke), one in self.holders.items() if who == player and spoke > gen]
        return any(one is not program for one in newer)

    def _check_ended(self, peer: Peer, before: Before, effects: Sequence[PeerEffect]) -> None:
        law(peer.play is Play.ENDED, "I1: ended is terminal")
        for effect in effects:
            if isinstance(effect, SendReport):
                law(effect.report.phase is Phase.LEFT, "I1: an ended client reports")
            if not isinstance(effect, SAID_TO_NOBODY):
                goodbye = before.leaving and isinstance(effect, SendReport | Dial)
                law(goodbye, "I1: an ended client says more than goodbye")

    def _check_links(self, peer: Peer, now: float) -> None:
        policy, view = peer.policy, peer.view
        if policy is None or not policy.topology.peer_to_peer:
            return
        law(view is not None, "I10: playing without a view")
        assert view is not None
        law(len(peer.links) == len(peer.needed(view)), "I10: a link is missing")
        for link in peer.links.values():
            excused = now < link.down_since + link.policy.link_grace_period
            law(link.up or excused, "I10: playing over a link that is down")

    # -- the session -------------------------------------------------------------------------------

    def before_session(self, session: Session, event: SessionEvent, _now: float) -> None:
        self.events += 1
        stale = (
            isinstance(event, ReportArrived)
            and event.player not in self.table.intruded  # who lies may lose their seat by it
            and _is_stale(session, event)
        )
        self._whole = _everything(session) if stale else None

    def after_session(
        self, session: Session, _event: SessionEvent, effects: Sequence[SessionEffect], now: float
    ) -> None:
        if self._whole is not None:
            law(self._whole == _everything(session), "I4: stale, and yet it changed a thing")
        for effect in effects:
            if isinstance(effect, Tell) and type(effect.notice) in MOVES:
                self._moved(session, MOVES[type(effect.notice)], now)
            elif isinstance(effect, Tell) and _goes_on(effect.notice):
                self.course.goes_on()
        self.course.check(session)
        if self.lossless:
            law(session.outages <= self.faults, "I8: more outages than faults")
        self.course.ordered(session, effects, now)
        self._hold(self.table.programs, session)

    def _moved(self, session: Session, trigger: Trigger, now: float) -> None:
        source = self.course.moved(trigger, now)
        self.moves["coordinator", source, trigger] += 1
        epoch = session.epoch
        if self.course.state is State.RESUMED:
            law(all(one.conn is not None for one in session.in_game), "resumed, and one is away")
            for one in map(self._holder, session.in_game):
                said = one is None or epoch in self.promised[one.name]
                law(said, "I11: resumed without a promise")
        elif self.course.state is State.CONNECTED:
            for one in map(self._holder, session.in_game):
                began = one is None or epoch in self.played[one.name]
                law(began, "I12: connected, not all started")

    def _holder(self, member: Member) -> Program | None:
        """Whose word the session takes for this member's; None where it is an intruder's."""
        holder = self.holders.get((member.player, member.gen))
        law(holder or member.player in self.table.intruded, "I11: a seat that nobody has taken")
        return holder

    @property
    def stored(self) -> Record:
        """What is durable."""
        record = self.table.store.load(SESSION)
        return self.table.session._record if record is None else record

    def loaded(self, session: Session, now: float) -> None:
        """A session was read from the store, by the next server or after a failure.

        Who tells of it is a recorder, whose failures harm nobody.
        """
        try:
            self.course.loaded(session, now)
            self._hold(self.table.programs, session)
        except LawBroken as broken:
            self.failed(broken)

    # -- what holds at every instant ---------------------------------------------------------------

    def _hold(self, changed: Sequence[Program], session: Session | None = None) -> None:
        table = self.table
        server = table.policy.topology is Topology.SERVER
        session = session or self.session
        epoch = self.stored.epoch
        for program in changed:
            peer = program.client._peer
            if program.alive and not peer.ended:
                law(peer.epoch <= epoch + 1, "J1: an epoch nobody has heard of")
                if session is not None:
                    self._check_lease(session, program)
        playing = [program for program in table.programs if plays(program)]
        if not playing:
            return
        if not server:
            epochs = {program.client._peer.epoch for program in playing}
            law(len(epochs) == 1, "I3b: two epochs play")
            players = {program.player for program in playing}
            law(len(players) == len(playing), "I7: a player plays twice")
        if session is None:
            return
        halted = session.state is not State.RECONNECTING
        law(server or halted, "I2: reconnecting, and one plays")
        for program in playing:
            epoch = program.client._peer.epoch
            allowed = epoch == session.epoch and session.state in GOING
            law(epoch < session.epoch or allowed, "I3: playing in an epoch that is not resumed")

    @property
    def session(self) -> Session | None:
        """The session in the server's memory; None while there is none."""
        coordinator = self.table.coordinator
        mailbox = coordinator and coordinator._mailboxes.get(SESSION)
        return mailbox.session if mailbox else None

    def _check_lease(self, session: Session, program: Program) -> None:
        peer = program.client._peer
        if peer.gen == 0 or program.process.now() >= peer.control.lease_until:
            return
        if peer.player not in session.players or session.state is State.ENDED:
            return
        member, now = session.members[peer.player], self.table.server.now()
        if peer.gen == member.gen:
            bound = member.last_report_at + session.policy.lease_bound
            law(now < bound, "L: a lease is valid and its bound has run out")
        elif peer.gen < member.gen and peer.play in PLAYS:
            law(now < member.fence_until, "L: a superseded client plays, and there is no fence")

    def _program(self, peer: Peer) -> Program | None:
        program = self._programs.get(id(peer))
        if program is None:
            for one in self.table.programs:
                if one.client._peer is peer:
                    program = self._programs[id(peer)] = one
        return program


def plays(program: Program) -> bool:
    """Whether this program may take a step of the game now."""
    if not program.alive:
        return False
    peer = program.client._peer
    return peer.play in PLAYS and program.process.now() < peer.control.lease_until


def _goes_on(notice: SessionNotice) -> bool:
    """Whether the others have another deadline from now on."""
    return isinstance(notice, PlayerDropped) and notice.reason == Reason.DROPPED


def _is_stale(session: Session, event: ReportArrived) -> bool:
    member, report = session.members[event.player], event.report
    return 0 < report.gen < member.gen or (
        report.gen == member.gen > 0 and report.seq <= member.seq
    )


def _everything(session: Session) -> Any:
    whole = attrs.asdict(session)
    del whole["stale"]
    return whole
