"""What must hold at a table at every instant: the invariants of the protocol, held by a `Watch`.

The names I1 to J1 are those of the design notes in the documentation. Whatever can be seen from
outside is held against what really happened (who was told what, who could take a step of the
game), not against what a session or a client says of itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from math import inf
from typing import Any

import attrs
from attrs import define, frozen

from reconnect.core.effects import (
    Inform,
    PeerEffect,
    Save,
    SendReport,
    SessionEffect,
    Tell,
)
from reconnect.core.events import FrameReached, PeerEvent, ReportArrived, SessionEvent, ViewArrived
from reconnect.core.member import Member
from reconnect.core.messages import FINAL_ERRORS, Phase, Reason
from reconnect.core.notices import (
    Connected,
    Ended,
    Paused,
    PlayerDropped,
    Reconnecting,
    Resumed,
    SessionNotice,
)
from reconnect.core.outlook import Play
from reconnect.core.peer import Peer
from reconnect.core.record import Record
from reconnect.core.session import Session
from reconnect.core.table import COORDINATOR_MOVES, INITIAL, NEXT, State, Trigger
from reconnect.policy import Topology
from reconnect.testing.lockstep import Lockstep
from reconnect.testing.simulation.faulty import FaultyTable
from reconnect.testing.table import SESSION, Program
from reconnect.testing.watch import Watch

MOVES: dict[type[Any], Trigger] = {
    Paused: Trigger.PAUSE,
    Reconnecting: Trigger.RECOVER,
    Resumed: Trigger.RESUME,
    Connected: Trigger.CONNECT,
    Ended: Trigger.END,
}
PLAYS = (Play.ARMED, Play.PLAYING)
WAITING = (State.PAUSED, State.RECONNECTING, State.RESUMED)
GOING = (State.RESUMED, State.CONNECTED, State.ENDED)
OVER = (State.CONNECTED, State.ENDED)
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
READING = 0.05  # s that a record may be on its way from the store while another is written
DIGIT = 1e-4  # s; sums of durations differ in their last digits


class LawBroken(AssertionError):
    """An invariant does not hold: the sentence names it."""


def law(holds: object, sentence: str) -> None:
    """Raise `LawBroken` unless it holds."""
    if not holds:
        raise LawBroken(sentence)


@frozen
class Account:
    """What the pauses of the session have been, as seen from outside."""

    opened_at: float | None = None
    ends_at: float | None = None
    total: float = 0.0
    outages: int = 0


@frozen
class Told:
    """Where the coordinator was when it ordered a save."""

    account: Account
    state: State


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
        )


@define(eq=False)
class Laws(Watch):
    """Fails where a law is broken; `watching(laws)` lets it hear of everything.

    `faults` counts what was done to the table; while it is `lossless`, nothing but those can
    have cost a link.
    """

    table: FaultyTable
    faults: int = 0
    lossless: bool = True
    failure: Exception | None = None
    """The first law that was broken, or bug that was met; shells survive both."""
    events: int = 0
    moves: defaultdict[tuple[str, State, Trigger], int] = attrs.Factory(lambda: defaultdict(int))
    account: Account = Account()
    state: State = INITIAL
    promised: defaultdict[str, set[int]] = attrs.Factory(lambda: defaultdict(set))
    played: defaultdict[str, set[int]] = attrs.Factory(lambda: defaultdict(set))
    holders: dict[tuple[str, int], Program] = attrs.Factory(dict)
    """Who has spoken as which generation of a player."""
    _programs: dict[int, Program] = attrs.Factory(dict)
    _ordered: dict[int, tuple[Record, Told]] = attrs.Factory(dict)
    _stored: dict[int, Told] = attrs.Factory(dict)
    """By the version of the record; the store may be read while it is written."""
    _latest: tuple[int, float] = (0, -inf)
    """The version that was saved last, and when."""
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
        for effect in effects:
            if isinstance(effect, SendReport) and effect.report.gen > 0:
                holder = self.holders.setdefault((peer.player, effect.report.gen), program)
                law(holder is program, "I7: two programs speak as one generation")
                if effect.report.phase in (Phase.HALTED, Phase.READY):
                    self.promised[program.name].add(effect.report.epoch)
        if isinstance(event, ViewArrived) and event.view.version < before.version:
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
            self._check_ended(peer, effects)
        if before.play is Play.HALTED and peer.play in PLAYS:
            law(all(link.ready for link in peer.links.values()), "I10: armed without being ready")
        if peer.play is Play.PLAYING:
            self.played[program.name].add(peer.epoch)
        if isinstance(event, FrameReached) and not peer.resync._restoring:
            self._check_step(program)
        if before.play is not Play.ENDED and peer.reason == Reason.SUPERSEDED:
            law(self._has_successor(program), "I7: superseded by nobody who is there")
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

    def _check_step(self, program: Program) -> None:
        """The built-in game has taken a step, whatever its client believes of its lease.

        Of a game of one's own, a new frame need not be a step: a move may arrive in a pause.
        """
        session = self.session
        if session is not None and isinstance(program.game, Lockstep):
            halted = session.state is State.RECONNECTING and program.alive
            law(not halted, "I2: reconnecting, and one takes a step")

    def _has_successor(self, program: Program) -> bool:
        """Whether another program has spoken as a newer generation of this player."""
        player, gen = program.player, program.client._peer.gen
        newer = [one for (who, spoke), one in self.holders.items() if who == player and spoke > gen]
        return player in self.table.intruded or any(one is not program for one in newer)

    def _check_ended(self, peer: Peer, effects: Sequence[PeerEffect]) -> None:
        law(peer.play is Play.ENDED, "I1: ended is terminal")
        for effect in effects:
            if isinstance(effect, SendReport):
                law(effect.report.phase is Phase.LEFT, "I1: an ended client reports")

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
                self.account = attrs.evolve(self.account, ends_at=None)
        law(self.state is session.state, "the session is not where it says it is")
        self._check_deadline_and_account(session)
        if effects and isinstance(effects[0], Save):
            record = effects[0].record
            self._ordered[id(record)] = record, Told(self.account, self.state)
        self._hold(self.table.programs, session)

    def _moved(self, session: Session, trigger: Trigger, now: float) -> None:
        source = self.state
        law((source, trigger) in COORDINATOR_MOVES, f"no move: {trigger} in {source}")
        self.moves["coordinator", source, trigger] += 1
        self.state = NEXT[source, trigger]
        epoch = session.epoch
        if self.state is State.RESUMED:
            law(all(one.conn is not None for one in session.in_game), "resumed, and one is away")
            for one in map(self._holder, session.in_game):
                said = one is None or epoch in self.promised[one.name]
                law(said, "I11: resumed without a promise")
        elif self.state is State.CONNECTED:
            for one in map(self._holder, session.in_game):
                began = one is None or epoch in self.played[one.name]
                law(began, "I12: connected, not all started")
        account = self.account
        if source is State.CONNECTED and self.state is State.PAUSED:
            self.account = Account(now, None, account.total, account.outages + 1)
        elif self.state in OVER and account.opened_at is not None:
            total = account.total + now - account.opened_at
            self.account = Account(None, None, total, account.outages)

    def _holder(self, member: Member) -> Program | None:
        """Whose word the session takes for this member's; None where it is an intruder's."""
        holder = self.holders.get((member.player, member.gen))
        law(holder or member.player in self.table.intruded, "I11: a seat that nobody has taken")
        return holder

    def _check_deadline_and_account(self, session: Session) -> None:
        if self.account.opened_at is not None:
            ends_at = self.account.ends_at or session.ends_at
            law(session.ends_at == ends_at, "I5d: the deadline of an outage was put off")
            self.account = attrs.evolve(self.account, ends_at=ends_at)
        if session.state in WAITING:
            pending = session.ends_at is not None or session.policy.start_timeout is None
            law(pending, "D: all wait, and no deadline is pending")
        else:
            law(session.ends_at is None, "D: a deadline is pending, and nothing waits")
        exact = abs(session.paused_total - self.account.total) < DIGIT
        law(exact, "P: the pauses do not add up")
        law(session.outages == self.account.outages, "I8: one outage is one record")
        if self.lossless:
            law(session.outages <= self.faults, "I8: more outages than faults")

    # -- the store and the server's lives ----------------------------------------------------------

    @property
    def stored(self) -> Record:
        """What is durable."""
        record = self.table.store.load(SESSION)
        return self.table.session._record if record is None else record

    def saved(self, record: Record) -> None:
        """The store has it; called by the store."""
        if id(record) in self._ordered:
            self._stored[record.version] = self._ordered[id(record)][1]
            self._latest = record.version, self.table.runtime.now()

    def loaded(self, session: Session, now: float) -> None:
        """A session was read from the store, by the next server or after a failure."""
        latest, saved_at = self._latest
        read = session.version == latest or self.table.runtime.now() < saved_at + READING
        law(read, "an older record was loaded than was saved")
        told = self._stored.get(session.version, Told(Account(), INITIAL))
        self.account, self.state = told.account, told.state
        law(session.state is self.state, "another session was loaded than was saved")
        if self.account.opened_at is not None:
            # what the wall clock says now is what is known of the time before
            law(
                session.outage_started_at is not None and session.outage_started_at <= now,
                "P: the outage began later than now",
            )
            self.account = attrs.evolve(
                self.account, opened_at=session.outage_started_at, ends_at=session.ends_at
            )
        self._hold(self.table.programs, session)

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
