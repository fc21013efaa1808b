"""Short histories with a plan, for the rows that chance hardly ever finds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from math import inf
from typing import Any

from reconnect.core import events as ev
from reconnect.core.table import State
from reconnect.policy import Policy
from tests.core.laws import Laws
from tests.core.world import World
from tests.core.world_things import Client

PATIENCE = 12.0  # longer than anything in a scene takes

SHORT = {
    "lease": 1.0,
    "outage_timeout": 4.0,
    "start_timeout": 6.0,
    "link_suspect": 0.3,
    "link_lost": 0.6,
    "resume_timeout": 2.0,
    "on_leave": "go_on",
}


class Scene:
    """A world of its own, with the laws listening."""

    def __init__(
        self, visited: Counter[str], moves: Counter[Any], *players: str, **policy: Any
    ) -> None:
        self.world = World(5, list(players or ("ann", "ben")), Policy(**{**SHORT, **policy}))
        self.laws = Laws(visited, moves, faults=10)
        self.world.ear = self.laws

    def enter(self, *players: str) -> None:
        for player in players:
            self.world.enter(player)

    def client(self, player: str) -> Client:
        """The last client of this player."""
        return [one for one in self.world.clients.values() if one.player == player][-1]

    def until(self, *states: State) -> None:
        """Let time pass until the session is in one of these states, and not a moment longer."""
        started_at = self.world.now
        while self.world.session is None or self.world.session.state not in states:
            assert self.world.now < started_at + PATIENCE, f"never {states}"
            self.world.run(0.01)

    def play(self) -> Scene:
        self.enter(*self.world.tokens)
        self.until(State.CONNECTED)
        self.world.run(0.3)
        return self

    def crash(self) -> None:
        self.world.crash(0.02, durable=True)
        self.world.run(0.05)

    def goes_away(self, player: str) -> None:
        """Its machine is off; nobody is told."""
        client = self.client(player)
        client.alive = False
        if client.conn is not None:
            self.world.break_conn(client.conn, client_sees=inf, server_sees=inf)


Stage = Callable[..., Scene]


def crashes_in_every_state(stage: Stage) -> None:
    """A process start in each of the five states."""
    scene = stage(countdown=0.3).play()
    scene.crash()
    scene.goes_away("ann")
    scene.until(State.PAUSED)
    scene.crash()
    scene.until(State.RECONNECTING)
    scene.crash()
    scene.enter("ann")
    scene.until(State.RESUMED)
    scene.crash()
    scene.world.run(2.0)
    scene.world.to_session(ev.ApplicationEnded("completed"))
    scene.crash()
    scene.enter("ann")
    scene.world.run(2.0)


def the_deadline_comes_while_paused(stage: Stage) -> None:
    """Each restart lets the bound of a player who is gone begin again, until time is up."""
    scene = stage().play()
    scene.goes_away("ann")
    scene.until(State.PAUSED)
    while scene.world.stored.state is not State.ENDED:
        scene.world.run(0.5)
        scene.crash()


def the_first_start_fails_and_time_is_up(stage: Stage) -> None:
    """The same before anybody has played."""
    scene = stage(countdown=0.5)
    scene.enter("ann", "ben")
    scene.until(State.RESUMED)
    scene.goes_away("ann")
    scene.until(State.PAUSED)
    while scene.world.stored.state is not State.ENDED:
        scene.world.run(0.5)
        scene.crash()


def some_leave(stage: Stage) -> None:
    """While all play, while all wait, and as the last but one; who left wants to come back."""
    scene = stage("ann", "ben", "cas", "dee").play()
    scene.world.tell(scene.client("dee"), ev.ApplicationLeft())
    scene.until(State.PAUSED, State.RECONNECTING)
    scene.until(State.CONNECTED)
    scene.enter("dee")
    scene.goes_away("ann")
    scene.until(State.RECONNECTING)
    scene.world.tell(scene.client("cas"), ev.ApplicationLeft())
    scene.world.run(0.5)
    scene.world.tell(scene.client("ben"), ev.ApplicationLeft())
    scene.until(State.ENDED)


def one_who_was_dropped_comes_back(stage: Stage) -> None:
    """The others went on without them at the deadline."""
    scene = stage("ann", "ben", "cas", on_deadline="go_on").play()
    cas = scene.client("cas")
    cas.offline = True
    assert cas.conn is not None
    scene.world.break_conn(cas.conn, client_sees=0.0, server_sees=0.0)
    scene.until(State.RECONNECTING)
    scene.until(State.CONNECTED)
    cas.offline = False
    scene.world.run(2.0)
    assert cas.peer.reason == "dropped"


def a_goodbye_is_stuck(stage: Stage) -> None:
    """It is said again for as long as it is not acknowledged."""
    scene = stage().play()
    ann = scene.client("ann")
    conn = ann.conn
    assert conn is not None
    conn.clogged.add("up")
    scene.world.tell(ann, ev.ApplicationLeft())
    scene.world.run(1.0)
    scene.world.unclog(conn)
    scene.world.run(1.0)
    assert scene.world.stored.reason == "player_left"


def a_goodbye_finds_another_way(stage: Stage) -> None:
    """Without a connection it is said on the next one, as soon as there is one."""
    scene = stage().play()
    ann = scene.client("ann")
    assert ann.conn is not None
    ann.offline = True
    scene.world.break_conn(ann.conn, client_sees=0.0, server_sees=0.0)
    scene.world.run(0.1)
    scene.world.tell(ann, ev.ApplicationLeft())
    scene.world.run(0.5)
    assert scene.world.stored.state is not State.ENDED
    ann.offline = False
    scene.world.run(1.5)
    assert scene.world.stored.reason == "player_left"


def nobody_hears_of_the_resume(stage: Stage) -> None:
    """One is ready and deaf; the others wait for it to play."""
    scene = stage(topology="server", control_grace_period=0.6, redial_max=0.05)
    scene.enter("ann")
    scene.world.run(1.0)
    ann = scene.client("ann")
    ann.deaf = True
    assert ann.conn is not None
    ann.conn.clogged.add("down")
    scene.enter("ben")
    scene.until(State.RESUMED)
    scene.until(State.PAUSED, State.RECONNECTING)
    assert scene.world.stored.cause == "resume_failed"


def a_link_breaks_while_the_resume_is_under_way(stage: Stage) -> None:
    """The resume reaches a client that is not ready any more."""
    scene = stage()
    scene.enter("ann", "ben")
    scene.until(State.RECONNECTING)
    ann = scene.client("ann")
    while ann.conn is None or not ann.peer.ready(ann.last):
        scene.world.run(0.01)
    ann.conn.clogged.add("down")
    scene.until(State.RESUMED)
    end = ann.ends["ben"]
    scene.world.close_end(end)
    scene.world.tell(ann, ev.ChannelChanged("ben", False))
    scene.world.unclog(ann.conn)
    scene.world.run(2.0)


def the_coordinator_stands_still(stage: Stage) -> None:
    """When it goes on, the bound of a player who is gone has long run out."""
    scene = stage().play()
    scene.goes_away("ann")
    scene.world.stand_still(3.0)
    scene.world.run(3.5)


def a_token_is_void(stage: Stage) -> None:
    """Whoever has the older one is turned away at the next attach."""
    scene = stage().play()
    scene.world.tokens["ann"] += 1
    ann = scene.client("ann")
    assert ann.conn is not None
    scene.world.break_conn(ann.conn, client_sees=0.0, server_sees=0.0)
    scene.world.run(2.0)
    assert ann.peer.reason == "bad_token"


def a_pause_too_many(stage: Stage) -> None:
    """The pauses are used up: the deadline of the next one is now."""
    scene = stage(pauses_max=0).play()
    scene.goes_away("ann")
    scene.until(State.ENDED)
    assert scene.world.stored.reason == "budget_spent"


def an_attach_arrives_after_its_client_is_gone(stage: Stage) -> None:
    """It must not push the living client out: only who answers an offer takes the seat."""
    scene = stage().play()
    scene.goes_away("ann")
    scene.enter("ann")
    stuck = scene.client("ann")
    while stuck.conn is None:
        scene.world.run(0.001)
    stuck.conn.clogged.add("up")
    scene.world.run(0.5)
    stuck.alive = False
    scene.enter("ann")
    scene.until(State.CONNECTED)
    scene.until(State.RECONNECTING)
    scene.until(State.CONNECTED)
    scene.world.unclog(stuck.conn)
    scene.world.run(2.0)
    assert not scene.client("ann").peer.ended


SCENES: tuple[Callable[[Stage], None], ...] = (
    crashes_in_every_state,
    the_deadline_comes_while_paused,
    the_first_start_fails_and_time_is_up,
    some_leave,
    one_who_was_dropped_comes_back,
    a_goodbye_is_stuck,
    a_goodbye_finds_another_way,
    nobody_hears_of_the_resume,
    a_link_breaks_while_the_resume_is_under_way,
    the_coordinator_stands_still,
    a_token_is_void,
    a_pause_too_many,
    an_attach_arrives_after_its_client_is_gone,
)
