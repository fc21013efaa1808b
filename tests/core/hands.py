"""Clients made by hand, and the game that they and a real session play together.

What clients and coordinator have sent may wait, get lost with its connection, or come twice.
`Game.hear` is the one way to the session; after each event it holds it against the oracle.
"""

from __future__ import annotations

from collections import Counter
from itertools import count
from typing import Any

from attrs import Factory, define, evolve

from reconnect.core.effects import Close, Save, Send, SessionEffect, Tell
from reconnect.core.events import ReportArrived, SessionEvent, TimePassed
from reconnect.core.messages import LinkReport, Phase, Report, ShortView, View
from reconnect.core.notices import Connected, Ended, Paused, Reconnecting, Resumed
from reconnect.core.record import Record
from reconnect.core.session import Session
from reconnect.policy import Policy
from tests.core.oracle import HALTING, Oracle

WALL = 1_700_000_000.0  # what the wall clock shows when the game's clock shows 0
PACE = 1.0  # s between two reports of a client that has no news; silence_timeout is longer
MOVES = {
    Paused: "paused",
    Reconnecting: "reconnecting",
    Resumed: "resumed",
    Connected: "connected",
    Ended: "ended",
}
PERSONAL = ("superseded", "dropped")
SAME = ("state", "epoch", "version", "players", "outages", "paused_total", "reason")


@define(eq=False)
class Hand:
    """One life of a player's program, as the table of clients has it."""

    player: str
    lease: float
    conn: int | None = None
    attached: bool = False
    gen: int = 0
    seq: int = 0
    ack: int = 0
    epoch: int = 0
    version: int = 0
    phase: str = "halted"
    frame: int = 0
    willing: bool = True
    """Its links are up and its game is ready."""
    honest: bool = True
    """It has never said what was not so."""
    state: str = "paused"
    reason: str | None = None
    sent_at: dict[int, float] = Factory(dict)
    said: tuple[object, ...] = ()
    inbox: list[View | ShortView] = Factory(list)
    wire: list[ReportArrived] = Factory(list)

    def plays(self, now: float) -> bool:
        return self.phase in ("armed", "playing") and self.has_lease(now)

    def has_lease(self, now: float) -> bool:
        return self.ack in self.sent_at and now < self.sent_at[self.ack] + self.lease

    def lapse(self, now: float) -> None:
        """A lease that has run out is not renewed by what is read afterwards."""
        if self.phase in ("armed", "playing") and not self.has_lease(now):
            self.stop(self.epoch + 1)

    def stop(self, epoch: int) -> None:
        self.phase, self.epoch = "halted", epoch

    def news(self, now: float) -> tuple[object, ...]:
        """What makes it report when it changes."""
        ready = self.attached and self.willing and self.has_lease(now)
        if self.phase == "playing":
            phase = Phase.PLAYING
        else:
            phase = Phase.READY if ready or self.phase == "armed" else Phase.HALTED
        return self.gen, self.epoch, phase

    def report(self, now: float, peers: tuple[str, ...]) -> Report:
        self.lapse(now)
        self.seq += 1
        self.sent_at[self.seq] = now
        self.said = gen, epoch, phase = self.news(now)
        links = {peer: LinkReport(self.willing) for peer in peers if peer != self.player}
        return Report(gen, self.seq, epoch, phase, self.version, frame=self.frame, links=links)

    def take_inbox(self) -> list[View | ShortView]:
        views, self.inbox = self.inbox, []
        return views

    def read(self, view: View | ShortView, now: float) -> None:
        """The rows of a view."""
        self.lapse(now)
        if self.phase == "ended" or view.version < self.version:
            return
        self.gen, self.ack = view.gen, max(self.ack, view.ack)
        if isinstance(view, ShortView):
            return
        if view.state == "ended" or self.player not in [one.id for one in view.players]:
            self.phase, self.reason = "ended", view.reason
            return
        assert self.attached or view.policy or self.conn is None, (
            "an attach is answered with the policy"
        )
        self.attached, self.version, self.state = True, view.version, view.state
        ahead, going = view.epoch > self.epoch, view.state in ("resumed", "connected")
        if going and ahead:
            self.stop(view.epoch + 1)
        elif ahead:
            self.stop(view.epoch)
        elif going and view.epoch == self.epoch and self.phase == "halted":
            if view.resume is not None and self.willing and self.has_lease(now):
                self.phase, self.frame = "armed", view.resume.frame
            else:
                self.stop(self.epoch + 1)


class Game:
    """A session, its oracle and its clients, in a time that no restart sets back."""

    def __init__(self, kind: type[Session], players: tuple[str, ...], policy: Policy) -> None:
        self.kind, self.players, self.policy = kind, players, policy
        self.now, self.started_at, self.wall_offset = 64.0, 0.0, WALL
        self.session = kind.born("game", players, policy, now=self.now, wall=self.wall)
        self.stored: Record = self.session.first_save(now=self.now).record
        self.oracle = Oracle(players, policy, self.now)
        self.hands: list[Hand] = []
        self.lines: dict[int, Hand] = {}
        self.heard: list[ReportArrived] = []
        self.said: set[tuple[object, ...]] = set()
        self.conns = count(1)
        self.store_does = "work"
        self.faults = 0
        self.seen: Counter[str] = Counter()
        self.compare()

    @property
    def wall(self) -> float:
        return self.now + self.wall_offset

    @property
    def due(self) -> float:
        """When the session wants to be called again."""
        return self.session.deadline + self.started_at

    @property
    def alive(self) -> list[Hand]:
        return [hand for hand in self.hands if hand.phase != "ended"]

    @property
    def over(self) -> bool:
        return self.stored.state == "ended"

    # -- the session hears -------------------------------------------------------------------------

    def hear(self, event: SessionEvent) -> None:
        stored = self.oracle.stored, self.oracle.fenced
        effects = self.session.handle(event, now=self.now - self.started_at)
        answer = self.oracle.handle(event, self.now)
        self.compare()
        heard = [type(one.notice) for one in effects if isinstance(one, Tell)]
        moves = [MOVES[kind] for kind in heard if kind in MOVES]
        assert moves == self.oracle.moves, "a notice for every move"
        if isinstance(event, ReportArrived):
            self.heard.append(event)
            self.said.add((event.player, event.report.gen, event.report.epoch, event.report.phase))
            self.check_answer(event, answer, effects)
        self.check_barriers()
        saves = [effect for effect in effects if isinstance(effect, Save)]
        for save in saves:
            assert effects[:1] == [save] == saves, "one save, in front of all else"
            assert not self.over, "ended has no exit, and no news"
            assert save.expected == self.stored.version == save.record.version - 1
        assert bool(saves) == (self.stored.version != self.oracle.version), "all news is saved"
        if saves and self.store_does != "work":
            if self.store_does == "fail":
                self.oracle.stored, self.oracle.fenced = stored
            else:  # "lie": it says that it failed
                self.stored = saves[0].record
            self.seen[f"store: {self.store_does}"] += 1
            self.store_does = "work"
            self.load()
            return
        for save in saves:
            self.stored = save.record
        self.carry_out(effects)
        self.check_clients()

    def load(self, clock_jump: float = 0.0) -> None:
        """The session that is stored goes on, as after a start of the process."""
        at = self.now - self.started_at
        self.session = self.kind.loaded(self.stored, now=at, wall=self.wall)
        self.oracle.restarted(self.now, clock_jump)
        self.compare()

    def carry_out(self, effects: list[SessionEffect]) -> None:
        for effect in effects:
            match effect:
                case Send(conn, View() | ShortView() as view) if conn in self.lines:
                    self.lines[conn].inbox.append(view)
                case Close(conn) if conn in self.lines:
                    self.hang_up(self.lines[conn])

    # -- held against the oracle -------------------------------------------------------------------

    def compare(self) -> None:
        """D, P, I8; the record is all that is to be known of a session, and who is missing."""
        record, oracle = self.session.record(self.now - self.started_at), self.oracle
        found = {name: getattr(record, name) for name in SAME}
        known = {name: getattr(oracle, name) for name in SAME}
        found["fenced"] = [seat.player for seat in record.seats if seat.fenced]
        known["fenced"] = oracle.running(self.now)
        found["seats"] = [(seat.gen, seat.gen_next) for seat in record.seats]
        known["seats"] = [(seat.gen, seat.offered) for seat in oracle.seats.values()]
        for name in ("deadline", "outage_started_at"):
            instant = getattr(oracle, name)
            found[name] = getattr(record, name)
            known[name] = None if instant is None else instant + self.wall_offset
        assert found == known, {
            name: (found[name], known[name]) for name in found if found[name] != known[name]
        }
        if oracle.state != "ended":
            assert self.session.missing == oracle.missing
        pending = oracle.state in ("paused", "reconnecting", "resumed")
        if self.policy.start_timeout is not None or record.outages:
            assert (record.deadline is not None) == pending
        assert record.outages <= self.faults
        assert self.session.deadline <= max(0.0, oracle.due() - self.started_at), "it oversleeps"

    def check_answer(self, event: ReportArrived, answer: str, effects: list[SessionEffect]) -> None:
        oracle, seat = self.oracle, self.oracle.seats[event.player]
        sent = {one.conn: one.message for one in effects if isinstance(one, Send)}
        view = sent.get(event.conn)
        if answer == "ignored":  # I4
            assert effects == []
        elif answer == "offer":
            assert isinstance(view, View)
            assert (view.gen, view.epoch, view.version, view.ack) == (seat.offered, 0, 0, 0)
            assert (view.state, view.resume, list(sent)) == ("paused", None, [event.conn])
        elif answer in PERSONAL:
            assert isinstance(view, View)
            assert (view.state, view.reason) == ("ended", answer)
            assert Close(event.conn) in effects
        else:
            assert isinstance(view, View | ShortView)
            assert (view.version, view.ack) == (oracle.version, event.report.seq)
        if oracle.version > self.stored.version and answer != "offer":
            views = [sent.get(one.conn) for one in oracle.here if one.conn is not None]
            assert all(isinstance(one, View) for one in views), "news is told to everybody"
        for view in sent.values():
            if answer != "offer" and isinstance(view, View) and view.reason not in PERSONAL:
                assert (view.state, view.epoch) == (oracle.state, oracle.epoch)
                assert (view.version, view.reason) == (oracle.version, oracle.reason)
                assert tuple(one.id for one in view.players) == oracle.players
                assert (view.resume is not None) == (oracle.state == "resumed")
                assert view.resume is None or view.resume.frame == oracle.frame

    def check_barriers(self) -> None:
        """I11, I12: whatever the oracle says, everybody has said it."""
        epoch, seats = self.oracle.epoch, self.oracle.seats
        for move in self.oracle.moves:
            if word := {"resumed": "ready", "connected": "playing"}.get(move):
                for player in self.oracle.players:
                    assert (player, seats[player].gen, epoch, word) in self.said, move

    def check_clients(self) -> None:
        """I1, I2, I3, I7: what honest clients do while the session is as it is."""
        state, epoch = self.session.state, self.session.epoch
        assert state == "ended" or not self.over, "ended is left"
        playing = [one for one in self.alive if one.honest and one.plays(self.now)]
        for hand in playing:
            assert hand.epoch < epoch or (hand.epoch == epoch and state not in HALTING)
        if self.policy.topology != "server":
            assert not (playing and state == "reconnecting"), "somebody plays"
            assert len({hand.epoch for hand in playing}) <= 1, "two epochs are played"
            assert len({hand.player for hand in playing}) == len(playing), "two clients of a player"
        assert all(one.epoch <= epoch + 1 for one in self.alive if one.honest)
        for hand in self.hands:
            if hand.reason is not None and hand.reason not in PERSONAL:
                assert hand.reason == self.session.reason, "one end for all"

    # -- what clients do ---------------------------------------------------------------------------

    def new_hand(self, player: str) -> Hand:
        self.hands.append(Hand(player, self.policy.lease))
        return self.hands[-1]

    def say(self, hand: Hand, *, late: bool = False, **lies: Any) -> None:
        """A report; what is said late arrives in front of the next one, if ever."""
        if hand.conn is None:
            hand.conn, hand.attached = next(self.conns), False
            self.lines[hand.conn] = hand
            hand.inbox.clear()
        report = evolve(hand.report(self.now, self.players), **lies)
        hand.wire.append(ReportArrived(hand.conn, hand.player, report))
        while hand.wire and not late:
            self.hear(hand.wire.pop(0))

    def act(self, hand: Hand, *, starts: bool = True) -> None:
        """All that its views and its table ask for; an application that hangs never starts."""
        said: object = None
        for _ in range(8):
            if hand.phase == "ended" or hand.news(self.now) == said:
                return
            for view in hand.take_inbox():
                hand.read(view, self.now)
            if hand.phase == "playing" or (hand.phase == "armed" and starts):
                hand.phase, hand.frame = "playing", hand.frame + 1
            if hand.phase != "ended":
                said = hand.news(self.now)
                self.say(hand)
                for view in hand.take_inbox():
                    hand.read(view, self.now)

    def hang_up(self, hand: Hand) -> None:
        """Its connection is gone, and with it what was on its way to the coordinator."""
        self.lines.pop(hand.conn or 0, None)
        hand.conn, hand.attached = None, False
        hand.wire.clear()

    def cooperate(self, player: str) -> None:
        """Whoever plays for this player does as asked; if nobody does, somebody comes."""
        theirs = [hand for hand in self.alive if hand.player == player]
        if not theirs and player in self.oracle.players and not self.over:
            theirs = [self.new_hand(player)]
        for hand in theirs:
            hand.willing = True
            self.act(hand)

    # -- time --------------------------------------------------------------------------------------

    def advance(self, until: float) -> None:
        """The session is called whenever it has asked for it."""
        while self.due <= until:
            self.now = max(self.now, self.due)
            failing = self.store_does != "work"
            self.hear(TimePassed())
            assert failing or self.due > self.now, "it would be called again at once, for ever"
        self.now = max(self.now, until)

    def wait(self, seconds: float, beating: list[Hand], *, starts: bool) -> None:
        until = self.now + seconds
        while self.now < until:
            self.advance(min(until, self.now + PACE) if beating else until)
            for hand in beating:
                self.act(hand, starts=starts)

    def restart(self, after: float, clock_jump: float) -> None:
        """The process dies, and its connections with it; another begins with a clock of its own."""
        for hand in self.alive:
            self.hang_up(hand)
            hand.inbox.clear()
        self.now += after
        self.started_at = self.now - 16.0
        self.wall_offset += clock_jump
        self.load(clock_jump)
