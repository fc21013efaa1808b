"""What must hold in every world at every instant: the invariants of the protocol, as an ear.

The names are those of the specification. Whatever can be seen from outside is held against what
really happened in the world (who was told what, who could take a step of the game), not against
what a session or a peer says of itself.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

import attrs
from attrs import define, frozen

from reconnect.core import effects as fx
from reconnect.core import events as ev
from reconnect.core.messages import FINAL_ERRORS, Phase, Reason
from reconnect.core.notices import Connected, Ended, Paused, PlayerDropped, Reconnecting, Resumed
from reconnect.core.outlook import Play
from reconnect.core.record import Record
from reconnect.core.session import Session
from reconnect.core.table import COORDINATOR_MOVES, INITIAL, NEXT, State, Trigger
from reconnect.policy import Topology
from tests.core.rows import ClientBefore, SessionBefore, client_rows, session_rows
from tests.core.world import World
from tests.core.world_things import PLAYS, Client, Ear

MOVES: dict[type[Any], Trigger] = {
    Paused: Trigger.PAUSE,
    Reconnecting: Trigger.RECOVER,
    Resumed: Trigger.RESUME,
    Connected: Trigger.CONNECT,
    Ended: Trigger.END,
}
WAITING = (State.PAUSED, State.RECONNECTING, State.RESUMED)
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
SAID_TO_NOBODY = (fx.HangUp, fx.CloseLink, fx.AbandonAttempt, fx.Inform)


@frozen
class Account:
    """What the pauses of a session have been, as the world saw them."""

    opened_at: float | None = None
    ends_at: float | None = None
    total: float = 0.0
    outages: int = 0


@define(eq=False)
class Laws(Ear):
    """Hears everything in a world and fails where a law is broken; counts what was visited."""

    visited: Counter[str]
    """Rows of the protocol's tables."""
    moves: Counter[tuple[str, State, Trigger]]
    faults: int = 0
    lossless: bool = True
    """Whether every lost link was somebody's deed."""
    account: Account = Account()
    saved_account: Account = Account()
    k_state: State = INITIAL
    saved_state: State = INITIAL
    promised: defaultdict[str, set[int]] = attrs.Factory(lambda: defaultdict(set))
    played: defaultdict[str, set[int]] = attrs.Factory(lambda: defaultdict(set))
    holders: dict[tuple[str, int], Client] = attrs.Factory(dict)
    _client: ClientBefore | None = None
    _session: SessionBefore | None = None
    _whole: Any = None

    # -- a client ----------------------------------------------------------------------------------

    def before_client(self, world: World, client: Client, event: ev.PeerEvent) -> None:
        self._client = ClientBefore.of(client.peer)

    def after_client(
        self, world: World, client: Client, event: ev.PeerEvent, effects: list[fx.PeerEffect]
    ) -> None:
        before, peer = self._client, client.peer
        assert before is not None
        self.visited.update(client_rows(before, peer, event, effects))
        state = before.state
        for effect in effects:
            if isinstance(effect, fx.Inform) and type(effect.notice) in MOVES:
                trigger = MOVES[type(effect.notice)]
                self.moves["client", state, trigger] += 1
                state = NEXT[state, trigger]
        assert state is peer.state is peer.public
        if isinstance(event, ev.ViewArrived) and event.view.version < before.version:
            assert (peer.version, peer.gen, peer.control.ack, peer.view) == (
                before.version,
                before.gen,
                before.ack,
                before.view,
            ), "I4: an older view, and yet it changed a thing"
            assert peer.halted or peer.play is before.play or before.play is Play.ARMED, "I4"
        assert peer.epoch >= before.epoch
        assert peer.version >= before.version
        if before.play is Play.ENDED:
            assert peer.play is Play.ENDED, "I1: ended is terminal"
            said = [one for one in effects if not isinstance(one, SAID_TO_NOBODY)]
            assert peer.leaving or not said, "I1: an ended client says nothing"
            for effect in said:
                assert isinstance(effect, fx.SendReport | fx.Dial), "I1: ended says goodbye only"
                if isinstance(effect, fx.SendReport):
                    assert effect.report.phase is Phase.LEFT, "I1: an ended client does not return"
        if before.play is Play.HALTED and peer.play in PLAYS:
            assert all(link.ready for link in peer.links.values()), "armed without being ready"
            self._check_game(world, client)
        if peer.play is Play.PLAYING:
            client.has_game = True
            self.played[client.name].add(peer.epoch)
        if peer.ended and peer.reason not in OWN_REASONS:
            assert world.stored.state is State.ENDED, "I6: only the coordinator ends the game"
            assert peer.reason == world.stored.reason, "one outcome"
        if world.plays(client):
            self._check_links(client)
        self.hold(world, [client])

    def _check_game(self, world: World, client: Client) -> None:
        """Nobody begins anew while another member's client has the game."""
        assert client.peer.view is not None
        for one in client.peer.needed(client.peer.view):
            other = self.holders.get((one.id, one.gen))
            begun = self.played[other.name] if other and other.has_game else ()
            older = any(epoch < client.peer.epoch for epoch in begun)
            assert client.has_game or not older, "armed without the game that others have"

    def taken(self, world: World, client: Client, sender: str, data: bytes) -> None:
        name, _, number = data.decode().partition(" ")
        assert name.rpartition(".")[0] == sender
        last = client.heard.get(name)
        assert last is None or int(number) == last + 1, "exactly once and in order"
        client.heard[name] = int(number)

    # -- the session -------------------------------------------------------------------------------

    def before_session(self, world: World, session: Session, event: ev.SessionEvent) -> None:
        self._session = SessionBefore.of(session, event)
        stale = isinstance(event, ev.ReportArrived) and self._is_stale(session, event)
        self._whole = self._everything(session) if stale else None

    def _is_stale(self, session: Session, event: ev.ReportArrived) -> bool:
        member, report = session.members[event.player], event.report
        return 0 < report.gen < member.gen or (
            report.gen == member.gen > 0 and report.seq <= member.seq
        )

    def _everything(self, session: Session) -> Any:
        whole = attrs.asdict(session)
        del whole["stale"]
        return whole

    def after_session(
        self,
        world: World,
        session: Session,
        event: ev.SessionEvent,
        effects: list[fx.SessionEffect],
    ) -> None:
        before = self._session
        assert before is not None
        self.visited.update(session_rows(before, session, event, effects, world.k_now))
        if self._whole is not None:
            assert self._whole == self._everything(session), "I4: stale, and yet it changed a thing"
        if isinstance(event, ev.ReportArrived):
            self._reported(world, session, event)
        for effect in effects:
            if isinstance(effect, fx.Tell) and type(effect.notice) in MOVES:
                self._moved(world, session, MOVES[type(effect.notice)])
            elif isinstance(effect, fx.Tell) and isinstance(effect.notice, PlayerDropped):
                self.account = attrs.evolve(self.account, ends_at=None)  # the others go on
        assert self.k_state is session.state
        self._check_deadline_and_account(session, world)
        self.hold(world, world.clients.values())

    def _reported(self, world: World, session: Session, event: ev.ReportArrived) -> None:
        report, client = event.report, world.conns[event.conn].client
        if report.gen > 0:
            assert self.holders.setdefault((event.player, report.gen), client) is client, "I7"
        if report.phase in (Phase.HALTED, Phase.READY):
            self.promised[client.name].add(report.epoch)

    def _moved(self, world: World, session: Session, trigger: Trigger) -> None:
        source = self.k_state
        assert (source, trigger) in COORDINATOR_MOVES
        self.moves["coordinator", source, trigger] += 1
        self.k_state = NEXT[source, trigger]
        epoch = session.epoch
        clients = [self.holders.get((one.player, one.gen)) for one in session.in_game]
        match self.k_state:
            case State.RESUMED:
                assert all(one.conn is not None for one in session.in_game), "resumed, and one away"
                for client in clients:
                    assert client, "I11: resumed without a member's client"
                    assert epoch in self.promised[client.name], "I11: resumed without a promise"
            case State.CONNECTED:
                for client in clients:
                    assert client, "I12: connected without a member's client"
                    assert epoch in self.played[client.name], "I12: connected, not all started"
            case _:
                pass
        now, account = world.k_now, self.account
        if source is State.CONNECTED and self.k_state is State.PAUSED:
            self.account = Account(now, None, account.total, account.outages + 1)
        elif self.k_state in OVER and account.opened_at is not None:
            length = now - account.opened_at
            self.account = Account(None, None, account.total + length, account.outages)

    def _check_deadline_and_account(self, session: Session, world: World) -> None:
        if self.account.opened_at is not None:
            ends_at = self.account.ends_at or session.ends_at
            assert session.ends_at == ends_at, "I5d: the deadline of an outage was put off"
            self.account = attrs.evolve(self.account, ends_at=ends_at)
        if session.state in WAITING:
            assert session.ends_at is not None or session.policy.start_timeout is None, "D"
        else:
            assert session.ends_at is None, "D: a deadline is pending, and nothing waits"
        assert abs(session.paused_total - self.account.total) < 1e-4, "P: pauses do not add up"
        assert session.outages == self.account.outages, "I8: one outage is one record"
        if self.lossless:
            assert session.outages <= self.faults, "I8: more outages than faults"

    def saved(self, world: World, record: Record) -> None:
        self.saved_account, self.saved_state = self.account, self.k_state

    def loaded(self, world: World, session: Session) -> None:
        self.visited[f"3c process start in {session.state}"] += 1
        self.account, self.k_state = self.saved_account, self.saved_state
        assert session.state is self.k_state
        if self.account.opened_at is not None:
            # what the wall clock says now is what is known of the time before the crash
            assert session.outage_started_at is not None
            assert session.outage_started_at <= world.k_now
            self.account = attrs.evolve(
                self.account, opened_at=session.outage_started_at, ends_at=session.ends_at
            )
        self.hold(world, world.clients.values())

    # -- what holds at every instant ---------------------------------------------------------------

    def hold(self, world: World, changed: Iterable[Client]) -> None:
        """Hold the whole world against the laws that are about one instant."""
        session = world.session
        server = world.policy.topology is Topology.SERVER
        for client in changed:
            if client.alive and not client.peer.ended:
                assert client.peer.epoch <= world.stored.epoch + 1, "J1"
                if session is not None:
                    self._check_lease(world, session, client)
        playing = [client for client in world.clients.values() if world.plays(client)]
        if not playing:
            return
        if not server:
            assert len({client.peer.epoch for client in playing}) == 1, "I3b: two epochs play"
            assert len({client.player for client in playing}) == len(playing), "I7: a player twice"
        if session is None:
            return
        assert server or session.state is not State.RECONNECTING, "I2: reconnecting, and one plays"
        for client in playing:
            epoch = client.peer.epoch
            assert epoch < session.epoch or (
                epoch == session.epoch
                and session.state in (State.RESUMED, State.CONNECTED, State.ENDED)
            ), "I3: playing in an epoch that is not resumed"

    def _check_lease(self, world: World, session: Session, client: Client) -> None:
        peer = client.peer
        if peer.gen == 0 or client.clock(world.now) >= peer.control.lease_until:
            return
        member = session.members[client.player]
        if client.player not in session.players or session.state is State.ENDED:
            return
        if peer.gen == member.gen:
            bound = member.last_report_at + session.policy.lease_bound
            assert world.k_now < bound, "L: a lease is valid and its bound has run out"
        elif peer.gen < member.gen and peer.play in PLAYS:
            assert world.k_now < member.fence_until, "L: a superseded client plays, and no fence"

    def _check_links(self, client: Client) -> None:
        peer = client.peer
        if not peer.control.policy or not peer.control.policy.topology.peer_to_peer:
            return
        assert peer.view is not None
        assert len(peer.links) == len(peer.needed(peer.view)), "I10: a link is missing"
        for link in peer.links.values():
            excused = client.last < link.down_since + link.policy.link_grace_period
            assert link.up or excused, "I10: playing over a link that is down"
