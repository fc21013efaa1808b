"""Random histories of a world: half of the steps do harm, half cooperate; then the harm stops."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial
from math import inf
from random import Random
from typing import Any

from reconnect.core import events as ev
from reconnect.core.control import DIAL_TIMEOUT, GIVE_UP_TIMEOUT, REDIAL_MAX
from reconnect.core.messages import AttemptKind, Kind, Reason
from reconnect.core.outlook import Play
from reconnect.core.table import State
from reconnect.errors import LocalProtocolError, StreamFull
from reconnect.policy import OnShortage, Policy
from tests.core.deeds import DEEDS
from tests.core.laws import OVER, WAITING, Laws
from tests.core.world import World
from tests.core.world_things import Client

NAMES = ["ann", "ben", "cas", "dee"]
MENDS = (
    frozenset({AttemptKind.REBUILD}),
    frozenset({AttemptKind.RESTART, AttemptKind.REBUILD}),
)
TAIL = 1.0  # how much later than its deadline a game may still be undecided, in seconds
GOODBYES = (Reason.LEFT, Reason.NO_STATE, Reason.RESYNC_FAILED)
ENOUGH = 5.0  # an outage that has so long to go when the harm stops is survived


def drawn_policy(random: Random) -> Policy:
    """Short times, so that much happens in little time; otherwise anything."""
    lease = random.choice([1.0, 1.5])
    some: dict[str, Any] = {
        "topology": random.choice(["mesh", "mesh", "star", "relayed", "server"]),
        "outage_timeout": random.choice([1.2 * lease + 0.3, 3.0, 6.0, 9.0]),
        "lease": lease,
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
                self.world.after(self.random.uniform(0.0, 0.5), partial(self._fill, player))

    def enter(self, player: str) -> Client:
        kind = self.random.choice([Kind.PYTHON, Kind.PYTHON, Kind.BROWSER])
        return self.world.enter(player, kind=kind, mends=self.random.choice(MENDS))

    # -- the course of it --------------------------------------------------------------------------

    def play(self, steps: int) -> None:
        """Harm and cooperation, then calm; fails where a law is broken or nothing is decided."""
        self.world.run(self.random.choice([0.3, 1.5, 1.5]))
        for _ in range(steps):
            if self.world.stored.state is State.ENDED and self.random.random() < 0.3:
                break
            self.steps += 1
            if self.random.random() < 0.5:
                self.cooperate()
            else:
                deed = self.random.choice(DEEDS)
                self.done.append(deed.__name__)
                deed(self)
            self.use()
            self.world.run(self.random.choice([0.01, 0.05, 0.2, 0.5, 1.0]))
        if self.random.random() < 0.15:
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
        repairs += [partial(world.unclog, conn) for conn in world.conns.values() if conn.clogged]
        repairs += [
            partial(self._hears_again, client)
            for client in world.living
            if client.offline or client.deaf
        ]
        repairs += [partial(self._fill, player) for player in self._vacant()]
        if repairs:
            self.random.choice(repairs)()
        world.run(self.random.choice([0.2, 0.6, 1.2]))

    def _hears_again(self, client: Client) -> None:
        client.offline = client.deaf = False
        if client.conn is not None:
            self.world.unclog(client.conn)

    def _no_loss(self) -> None:
        self.world.loss = 0.0

    def _fill(self, player: str) -> None:
        if any(client.player == player for client in self.world.living):
            self.harm()  # two clients of one player are a fault, who ever is to blame
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
            client.offline = client.deaf = False
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
        hopeful = self._hopeful()
        # so long may it take until what was done before is noticed
        discovered = world.now + policy.lease_bound + policy.silence_timeout
        if any(client.peer.policy is None for client in world.living):
            discovered = max(discovered, world.now + DIAL_TIMEOUT + REDIAL_MAX)
        undecided_at = decided_at = world.now
        limit = discovered
        while decided_at < discovered or decided_at - undecided_at < policy.lease_bound:
            world.run(0.05)
            if world.stored.state is not State.ENDED:
                for player in self._vacant():
                    self._fill(player)
            limit = max(limit, self._game_over_at())
            decided_at = world.now
            if not self.decided():
                undecided_at = world.now
                assert world.now < limit + TAIL, f"undecided: {self.state_of_affairs()}"
                assert world.now < discovered + self._longest(), f"I5d: {self.state_of_affairs()}"
        assert world.session is not None
        if hopeful:
            assert world.session.state is State.CONNECTED, f"I5b: {self.state_of_affairs()}"

    def _game_over_at(self) -> float:
        """When the outage that is open ends the game, on the world's clock."""
        session = self.world.session
        if session is None or session.ends_at is None:
            return -inf if session is None or session.state in OVER else inf
        return session.ends_at - self.world.k_offset

    def _longest(self) -> float:
        policy = self.world.policy
        times = 2 if policy.on_deadline is OnShortage.GO_ON else 1
        return times * policy.outage_timeout + (policy.start_timeout or 10.0) + TAIL

    def _hopeful(self) -> bool:
        session, policy = self.world.session, self.world.policy
        if session is None or session.state is State.ENDED:
            return False
        if any(
            (client.peer.reason in GOODBYES or client.fails) and client.player in session.players
            for client in self.world.clients.values()
        ):
            return False
        left = inf if session.ends_at is None else session.ends_at - self.world.k_now
        opens = session.state is State.CONNECTED
        if opens and (policy.pause_budget < 10 or policy.pauses_max < 10):
            return False
        enough = ENOUGH + policy.countdown
        if any(client.peer.policy is None for client in self.world.living):
            enough += DIAL_TIMEOUT + REDIAL_MAX
        return left >= enough and policy.outage_timeout >= enough

    def doom(self) -> None:
        """Something stays broken for ever; nevertheless everything comes to an end."""
        world, policy = self.world, self.world.policy
        deaf = [client for client in world.living if client.deaf and not client.peer.ended]
        self.mend_all()
        self.harm()
        while world.session is None:
            world.run(0.1)
        gone: Client | None = None
        if policy.topology.peer_to_peer and not deaf and self.random.random() < 0.5:
            one, other = self.random.sample(self.players, 2)
            world.blocked |= {(one, other), (other, one)}
        elif deaf or world.living:
            gone = self.random.choice(deaf or world.living)
            self._lose(gone, deaf=bool(deaf) or self.random.random() < 0.3)
        # each time that is waited for, once more, and what a client without a policy takes for one
        until = (
            world.now
            + GIVE_UP_TIMEOUT
            + 3 * (policy.outage_timeout + policy.lease_bound)
            + (policy.start_timeout or 0.0)
        )
        while not self._come_to_an_end(gone):
            world.run(0.5)
            assert world.now < until, f"I5c: {self.state_of_affairs()}"

    def _lose(self, gone: Client, *, deaf: bool) -> None:
        gone.deaf, gone.offline = deaf, not deaf
        if gone.conn is not None and deaf:
            gone.conn.clogged.add("down")
        elif gone.conn is not None:
            self.world.break_conn(gone.conn, client_sees=0.1, server_sees=inf)

    def _come_to_an_end(self, gone: Client | None) -> bool:
        session = self.world.session
        assert session is not None
        waits_for_ever = session.ends_at is None and session.state in WAITING
        return (gone is None or gone.peer.ended) and (self.decided() or waits_for_ever)

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
