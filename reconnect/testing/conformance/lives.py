"""Lives: what each client of a simulation was told in its life, retold as histories.

A recorder only listens. What it heard is then told again to a real `Peer` on a clock of whole
milliseconds, with messages as they are on the wire, because that is all that an implementation in
another language is given. Told again, a life is kept up to the first event of which something
else comes than in the simulation, or of which something else might come if it happened half a
millisecond earlier or later.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from random import Random

from attrs import define, evolve, field, frozen

from reconnect.core.checks import Json
from reconnect.core.effects import PeerEffect
from reconnect.core.events import PeerEvent
from reconnect.core.peer import Peer
from reconnect.errors import LocalProtocolError, RemoteProtocolError
from reconnect.testing.conformance.actor import BEGINNING, Actor, Who, unlike
from reconnect.testing.conformance.peer_json import event_to_json
from reconnect.testing.vectors import Step
from reconnect.testing.watch import Watch

LATE_MS = 2  # how long after the instant a timer rings: more than instants are rounded by
NEAR_MS = 5  # a timer that rang this near to an instant rang because of it
SHAKEN_MS = 0.45  # events that are a millisecond apart keep their order
SHAKES = (1, 2, 3)
TIME = {"is": "time"}


class Noting(Random):
    """Chance as before, and a note of it."""

    real: Random
    noted: list[float]

    def random(self) -> float:
        value = self.real.random()
        self.noted.append(value)
        return value


@frozen
class Heard:
    """An event of a life, and what came of it in the simulation."""

    after_s: float
    """Seconds since the client began."""
    event: Json
    draws: Sequence[float]
    result: object


@define(eq=False)
class Life:
    """One client of a simulation."""

    who: Who
    began: float
    chance: Noting
    heard: list[Heard] = field(factory=list)


@define(eq=False)
class Recorder(Watch):
    """Collects the lives of all clients that begin while it listens, in the order they begin."""

    lives: list[Life] = field(factory=list)
    _of: dict[Peer, Life] = field(factory=dict)

    def before_peer(self, peer: Peer, *_: object) -> None:
        if peer not in self._of:
            self._born(peer)
        self._of[peer].chance.noted = []

    def after_peer(
        self, peer: Peer, event: PeerEvent, effects: Sequence[PeerEffect], now: float
    ) -> None:
        life = self._of[peer]
        form = event_to_json(event, session=peer.session, player=peer.player)
        draws = tuple(life.chance.noted)
        life.heard.append(Heard(now - life.began, form, draws, result(peer, effects)))

    def _born(self, peer: Peer) -> None:
        assert peer.control.seq == 0, "a client that has begun before the recorder listened"
        who = Who(
            session=peer.session,
            player=peer.player,
            kind=peer.kind,
            mends=peer.mends,
            marks=peer.resync.marks,
            snapshots=peer.resync.snapshots,
        )
        chance = Noting()
        chance.real = peer.random
        peer.random = peer.control.random = chance
        life = self._of[peer] = Life(who, peer.control.heard_at, chance)
        self.lives.append(life)


def result(peer: Peer, effects: Sequence[PeerEffect]) -> object:
    """What must be the same when a life is told again: everything but instants."""
    kinds = [type(effect).__name__ for effect in effects]
    return kinds, peer.play, peer.state, peer.epoch, peer.gen, peer.version, peer.reason


def retold(life: Life, *, most: int) -> list[Step]:
    """The beginning of a life, of at most so many events, as steps of a history."""
    steps: list[Step] = []
    actor = Actor.entering(life.who)
    state = BEGINNING
    at_ms, later_ms = 0, 0.0
    for heard in life.heard[:most]:
        meant_ms = heard.after_s * 1000 + later_ms
        rings_ms = actor.peer.deadline * 1000
        if heard.event == TIME and abs(rings_ms - meant_ms) <= NEAR_MS:
            # whatever follows is as much later as this timer is
            at_ms = max(at_ms, ceil(rings_ms) + LATE_MS)
            later_ms += at_ms - meant_ms
        else:
            at_ms = max(at_ms, ceil(meant_ms))
        try:
            outcome = actor.hears(heard.event, at_ms=at_ms, draws=heard.draws)
        except (LocalProtocolError, RemoteProtocolError):
            break
        if result(actor.peer, outcome.orders) != heard.result:
            break
        step = Step(at_ms, heard.event, heard.draws)
        steps.append(evolve(step, **outcome.to_json(state)))
        state = outcome.state
    return steps[: min(_unshaken(life.who, steps, seed) for seed in SHAKES)]


def _unshaken(who: Who, steps: Sequence[Step], seed: int) -> int:
    """How many steps come out the same although each happens a little earlier or later."""
    shaking = Random(seed)
    actor = Actor.entering(who)
    state = BEGINNING
    for number, step in enumerate(steps):
        at_ms = max(0.0, step.at_ms + shaking.uniform(-SHAKEN_MS, SHAKEN_MS))
        state = {**state, **step.then}
        try:
            outcome = actor.hears(step.event, at_ms=at_ms, draws=step.draws)
        except LocalProtocolError:
            return number
        expected = {"effects": [*step.effects], "taken": [*step.taken], "then": state}
        found = {"effects": outcome.effects, "taken": outcome.taken, "then": outcome.state}
        if any(unlike(expected, found)):
            return number
    return len(steps)
