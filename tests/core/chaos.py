"""Random histories of a world: half of the steps do harm, half cooperate; then the harm stops."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from math import inf
from random import Random
from typing import Any

from reconnect.core import events as ev
from reconnect.core.messages import AttemptKind, ErrorCode, Kind
from reconnect.core.outlook import Play
from reconnect.core.table import State
from reconnect.errors import LocalProtocolError, StreamFull
from reconnect.policy import Policy, Topology
from tests.core.laws import Laws
from tests.core.world import Client, World

NAMES = ["ann", "ben", "cas", "dee"]
MENDS = (
    frozenset({AttemptKind.REBUILD}),
    frozenset({AttemptKind.RESTART, AttemptKind.REBUILD}),
)
TAIL = 1.0  # how much later than its deadline a game may still be undecided, in seconds
ENOUGH = 5.0  # an outage that has so long to go when the harm stops is survived


def drawn_policy(random: Random) -> Policy:
    """Short times, so that much happens in little time; otherwise anything."""
    some: dict[str, Any] = {
        "topology": random.choice(["mesh", "mesh", "star", "relayed", "server"]),
        "outage_timeout": random.choice([3.0, 6.0, 9.0]),
        "lease": random.choice([1.0, 1.5]),
        "start_timeout": random.choice([6.0, 15.0, None]),
        "on_deadline": random.choice(["end", "go_on"]),
        "on_leave": random.choice(["end", "go_on"]),
        "countdown": random.choice([0.0, 0.0, 0.5]),
        "link_grace_period": random.choice([0.0, 0.0, 0.3]),
        "restarts": random.choice([0, 1, 2]),
        "attempt_timeout": 1.0,
        "attempt_delay_max": 0.5,
        "link_suspect": 0.3,
        "link_lost": 0.6,
        "pauses_max": random.choice([2, 100, 100, 100]),
        "pause_budget": random.choice([5.0, 600.0, 600.0]),
        "resume_timeout": random.choice([2.0, 5.0]),
    }
    policy = Policy(**some)
    give_up = (
        policy.outage_timeout
        + policy.lease_bound
        + policy.silence_timeout
        + policy.control_grace_period
    )
    return Policy(**some, give_up_timeout=give_up)


class History:
    """One history of one seed."""

    def __init__(self, seed: int, visited: Counter[str], moves: Counter[Any]) -> None:
        self.random = Random(seed)
        policy = drawn_policy(self.random)
        self.players = NAMES[: self.random.choice([2, 2, 2, 3, 3, 4])]
        self.world = World(self.random.getrandbits(32), self.players, policy)
        self.laws = Laws(visited, moves)
        self.world.ear = self.laws
        self.steps = 0
        self.done: list[str] = []
        for player in self.players:
            if self.random.random() < 0.9:
                self.world.after(self.random.uniform(0.0, 0.5), lambda who=player: self.enter(who))

    def enter(self, player: str) -> Client:
        kind = self.random.choice([Kind.PYTHON, Kind.PYTHON, Kind.BROWSER])
        return self.world.enter(player, kind=kind, mends=self.random.choice(MENDS))

    # -- the course of it --------------------------------------------------------------------------

    def play(self, steps: int) -> None:
        """Harm and cooperation, then calm; fails where a law is broken or nothing is decided."""
        self.world.run(self.random.choice([0.3, 1.5, 1.5]))
        for _ in range(steps):
            self.steps += 1
            if self.random.random() < 0.5:
                self.cooperate()
            else:
                deed = self.random.choice(DEEDS)
                self.done.append(deed.__name__)
                deed(self)
            self.use()
            self.world.run(self.random.choice([0.01, 0.05, 0.2, 0.5, 1.0]))
        if self.random.random() < 0.25:
            self.doom()
        else:
            self.calm_down()

    def cooperate(self) -> None:
        """One thing that is broken is mended, and there is time."""
        world = self.world
        repairs: list[Callable[[], None]] = []
        if world.blocked:
            repairs.append(world.blocked.clear)
        if world.loss:
            repairs.append(self._no_loss)
        repairs += [
            lambda one=conn: world.unclog(one) for conn in world.conns.values() if conn.clogged
        ]
        repairs += [
            lambda one=client: setattr(one, "offline", False)
            for client in world.living
            if client.offline
        ]
        repairs += [lambda who=player: self._fill(who) for player in self._vacant()]
        if repairs:
            self.random.choice(repairs)()
        world.run(self.random.choice([0.2, 0.6, 1.2]))

    def _no_loss(self) -> None:
        self.world.loss = 0.0

    def _fill(self, player: str) -> None:
        self.enter(player)

    def _vacant(self) -> list[str]:
        living = {client.player for client in self.world.living}
        return [player for player in self.world.stored.players if player not in living]

    def use(self) -> None:
        """The applications do what applications do."""
        for client in self.world.living:
            if client.peer.ended or self.world.now < client.awake_at:
                continue
            if self.random.random() < 0.4:
                self._offer(client)
            if self.random.random() < 0.3:
                self.world.tell(client, ev.FrameReached(self.random.randrange(1000)))

    def _offer(self, client: Client) -> None:
        try:
            self.world.hear(client, ev.DataOffered(f"{client.name} {client.offered + 1}".encode()))
        except StreamFull:
            raise
        except LocalProtocolError:
            return  # nobody to send to yet
        client.offered += 1

    # -- the end of it -----------------------------------------------------------------------------

    def mend_all(self) -> None:
        world = self.world
        world.blocked.clear()
        world.loss = 0.0
        world.slow_store = False
        for conn in world.conns.values():
            world.unclog(conn)
        for client in world.clients.values():
            client.offline = False
            if client.awake_at > world.now:
                client.awake_at = client.due = world.now
        for player in self._vacant():
            self._fill(player)

    def calm_down(self) -> None:
        """The harm stops: connected or ended everywhere, soon, and one outcome for all."""
        world, policy = self.world, self.world.policy
        self.mend_all()
        while world.session is None:
            world.run(0.1)
        ends_at = world.session.ends_at
        hopeful = self._hopeful()
        limit = world.now + policy.lease_bound + policy.silence_timeout + TAIL
        limit = max(limit, world.now + (ends_at - world.k_now if ends_at else 0.0) + TAIL)
        extended = 0
        while not self.decided():
            world.run(0.05)
            if world.now > limit:
                # an outage that began after the calm is a late discovery of earlier harm
                assert extended < 3, f"undecided: {self.state_of_affairs()}"
                ends_at = world.session.ends_at
                later = world.now + (ends_at - world.k_now if ends_at is not None else 0.0) + TAIL
                assert later > limit + TAIL, f"undecided: {self.state_of_affairs()}"
                limit, extended = later, extended + 1
            for player in self._vacant():
                if world.stored.state is not State.ENDED:
                    self._fill(player)
        if hopeful:
            assert world.session.state is State.CONNECTED, f"I5b: {self.state_of_affairs()}"
        world.run(policy.lease_bound)
        assert self.decided(), f"not stable: {self.state_of_affairs()}"
        self.one_outcome()

    def _hopeful(self) -> bool:
        session, policy = self.world.session, self.world.policy
        if session is None or session.state is State.ENDED:
            return False
        left = inf if session.ends_at is None else session.ends_at - self.world.k_now
        opens = session.state is State.CONNECTED
        if opens and (policy.pause_budget < 10 or policy.pauses_max < 10):
            return False
        enough = ENOUGH + policy.countdown
        return left >= enough and policy.outage_timeout >= enough

    def doom(self) -> None:
        """Something stays broken for ever; nevertheless everything comes to an end."""
        world, policy = self.world, self.world.policy
        self.mend_all()
        gone: Client | None = None
        if policy.topology.peer_to_peer and self.random.random() < 0.5:
            one, other = self.random.sample(self.players, 2)
            world.blocked |= {(one, other), (other, one)}
        elif world.living:
            gone = self.random.choice(world.living)
            gone.offline = True
            if gone.conn is not None:
                world.break_conn(gone.conn, client_sees=0.1, server_sees=inf)
        world.run(
            4.0
            + 3 * (policy.outage_timeout + policy.lease_bound)
            + (policy.start_timeout or 0.0)
            + policy.give_up_timeout
        )
        session = world.session
        assert session is not None
        if session.state is not State.CONNECTED and policy.start_timeout is not None:
            assert session.state is State.ENDED, f"I5c: {self.state_of_affairs()}"
        if gone is not None:
            assert gone.peer.ended, f"I5c: {self.state_of_affairs()}"
        if session.state is not State.PAUSED and session.state is not State.RECONNECTING:
            assert self.decided(), f"I5c: {self.state_of_affairs()}"
            self.one_outcome()

    def decided(self) -> bool:
        """Whether all play in one epoch, or the game is over for all."""
        session, world = self.world.session, self.world
        if session is None:
            return False
        living = [client for client in world.clients.values() if client.alive]
        if session.state is State.ENDED:
            return all(client.peer.ended for client in living)
        going = {client.player: client for client in living if not client.peer.ended}
        return (
            session.state is State.CONNECTED
            and set(going) == set(session.players)
            and all(
                client.peer.play is Play.PLAYING and client.peer.epoch == session.epoch
                for client in living
                if not client.peer.ended
            )
        )

    def one_outcome(self) -> None:
        """I1 at rest: the coordinator has ended if and only if every client has."""
        session = self.world.session
        assert session is not None
        for client in self.world.clients.values():
            if client.alive and session.state is State.ENDED:
                assert client.peer.ended

    def state_of_affairs(self) -> str:
        session = self.world.session
        lines = [f"t={self.world.now:.2f}, {self.world.policy.topology}"]
        if session is not None:
            lines.append(f"coordinator {session.state} in {session.epoch} {session.reason}")
        lines += [
            f"{one.name} {one.peer.play} in {one.peer.epoch}, {one.peer.reason or one.peer.cause}"
            for one in self.world.clients.values()
            if one.alive
        ]
        return "; ".join(lines)

    # -- what deeds are made of --------------------------------------------------------------------

    def someone(self) -> Client | None:
        living = [client for client in self.world.living if not client.peer.ended]
        return self.random.choice(living) if living else None

    def harm(self, *, lossless: bool = True) -> None:
        self.laws.faults += 1
        self.laws.lossless &= lossless


# -- deeds -------------------------------------------------------------------------------------------


def control_breaks(history: History) -> None:
    if (client := history.someone()) and client.conn:
        history.harm()
        sees = history.random.choice([0.0, 0.05, 0.6, inf])
        other = history.random.choice([0.0, 0.05, 0.6, inf])
        history.world.break_conn(client.conn, client_sees=sees, server_sees=other)


def control_clogs(history: History) -> None:
    if (client := history.someone()) and client.conn:
        history.harm()
        conn = client.conn
        conn.clogged |= history.random.choice([{"up"}, {"down"}, {"up", "down"}])
        if history.random.random() < 0.6:
            history.world.after(
                history.random.uniform(0.1, 3.0), lambda: history.world.unclog(conn)
            )


def goes_offline(history: History) -> None:
    if client := history.someone():
        history.harm()
        client.offline = True
        if client.conn:
            history.world.break_conn(client.conn, client_sees=inf, server_sees=inf)


def path_is_cut(history: History) -> None:
    one, other = history.random.sample(history.players, 2)
    history.harm()
    world = history.world
    world.blocked.add((one, other))
    if history.random.random() < 0.7:
        world.blocked.add((other, one))
    if history.random.random() < 0.5:  # the flows of before do not come back
        for client in world.living:
            for end in client.ends.values():
                if {client.player, end.peer} == {one, other}:
                    end.flow[0] = False


def packets_get_lost(history: History) -> None:
    history.harm(lossless=False)
    history.world.loss = history.random.choice([0.05, 0.2, 0.5])


def channel_closes(history: History) -> None:
    if (client := history.someone()) and client.ends:
        history.harm()
        end = history.random.choice(list(client.ends.values()))
        if end.far is not None:
            flow = end.flow
            history.world.close_end(end)
            history.world.after(
                history.random.uniform(0.0, 0.3),
                lambda: history.world._channel(end, flow, is_open=False),
            )


def reloads(history: History) -> None:
    """A new client of the same player; the old one closes in order, is gone, or lives on."""
    if client := history.someone():
        history.harm()
        how = history.random.choice(["closes", "gone", "lives"])
        if how == "closes":
            history.world.tell(client, ev.ApplicationClosing())
        elif how == "gone":
            history.world.kill(client)
        if history.random.random() < 0.2:
            history.world.to_session(ev.TokenIssued(client.player, "another"))
            history.world.tokens[client.player] += 1
        if history.random.random() < 0.8:
            delay = history.random.choice([0.0, 0.1, 1.0])
            history.world.after(delay, lambda: history._fill(client.player))


def goes_out(history: History) -> None:
    if client := history.someone():
        history.harm()
        history.world.kill(client)


def stalls(history: History) -> None:
    if client := history.someone():
        history.harm()
        client.awake_at = history.world.now + history.random.choice([0.3, 1.0, 2.5, 4.0])
        client.due = max(client.due, client.awake_at)


def coordinator_crashes(history: History) -> None:
    world = history.world
    if world.session is not None:
        history.harm()
        jump = history.random.choice([0.0] * 8 + [3600.0, -3600.0])
        world.crash(
            history.random.choice([0.05, 0.3, 2.0]),
            durable=history.random.random() < 0.5,
            wall_jump=jump,
        )


def store_is_slow(history: History) -> None:
    history.world.slow_store = not history.world.slow_store


def leaves(history: History) -> None:
    if history.random.random() < 0.25 and (client := history.someone()):
        history.harm()
        history.world.tell(client, ev.ApplicationLeft())


def host_ends(history: History) -> None:
    if history.random.random() < 0.15:
        history.world.to_session(ev.ApplicationEnded("completed"))


def is_refused(history: History) -> None:
    if (client := history.someone()) and client.conn:
        history.harm()
        history.world.down(client.conn, ev.ErrorArrived(ErrorCode.RATE_LIMITED))
        history.world.bye(client.conn)


def network_changes(history: History) -> None:
    if client := history.someone():
        history.world.tell(client, ev.NetworkChanged())


def page_is_hidden(history: History) -> None:
    if client := history.someone():
        history.world.tell(client, ev.HiddenChanged(history.random.random() < 0.5))


def is_busy(history: History) -> None:
    if client := history.someone():
        history.world.tell(client, ev.BusyDeclared(history.random.uniform(0.0, 2.0)))


DEEDS: tuple[Callable[[History], None], ...] = (
    control_breaks,
    control_breaks,
    control_clogs,
    control_clogs,
    goes_offline,
    path_is_cut,
    path_is_cut,
    packets_get_lost,
    channel_closes,
    reloads,
    reloads,
    goes_out,
    stalls,
    stalls,
    coordinator_crashes,
    coordinator_crashes,
    store_is_slow,
    leaves,
    host_ends,
    is_refused,
    network_changes,
    page_is_hidden,
    is_busy,
)
TOPOLOGIES = tuple(Topology)
