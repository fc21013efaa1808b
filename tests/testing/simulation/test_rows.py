"""Every row of the protocol's tables is visited by games of the simulation, and no law is broken.

To see a game again: `Simulation.of(seed).draw()`. What is rare in them has a scene of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from attrs import define, field

from reconnect.core.effects import Dial, PeerEffect, SessionEffect
from reconnect.core.events import PeerEvent, SessionEvent
from reconnect.core.peer import Peer
from reconnect.core.resync import Resync
from reconnect.core.session import Session
from reconnect.core.table import COORDINATOR_MOVES, ROWS
from reconnect.policy import Policy
from reconnect.testing.network import Weather
from reconnect.testing.simulation import Simulation
from reconnect.testing.simulation.laws import Laws
from reconnect.testing.simulation.setting import Setting
from reconnect.testing.table import Table
from reconnect.testing.watch import Watch, watching
from tests.testing.simulation.rows import (
    CLIENT_ROWS,
    SESSION_ROWS,
    ClientBefore,
    SessionBefore,
    client_rows,
    session_rows,
)
from tests.testing.simulation.scenes import (
    SCENES,
    SHORT,
    Scene,
    a_program_is_closed_and_another_one_started,
    a_token_is_void,
)

GAMES = 40
TAKES = 5  # of each scene; who is fast and who is slow is drawn anew
FAULTS = 10  # more than there are in any scene


@define(eq=False)
class Rows(Watch):
    """Counts the rows that one game visits."""

    visited: Counter[str] = field(factory=Counter)
    _sessions: list[Session] = field(factory=list)
    _client: ClientBefore | None = None
    _session: SessionBefore | None = None

    def before_peer(self, peer: Peer, _event: PeerEvent, _now: float) -> None:
        self._client = ClientBefore.of(peer)

    def after_peer(
        self, peer: Peer, event: PeerEvent, effects: Sequence[PeerEffect], _now: float
    ) -> None:
        assert self._client is not None
        self.visited.update(client_rows(self._client, peer, event, effects))

    def before_session(self, session: Session, event: SessionEvent, _now: float) -> None:
        if session not in self._sessions:
            if self._sessions:  # the first one was not loaded, but born
                self.visited[f"3c process start in {session.state}"] += 1
            self._sessions.append(session)
        self._session = SessionBefore.of(session, event)

    def after_session(
        self, session: Session, event: SessionEvent, effects: Sequence[SessionEffect], now: float
    ) -> None:
        assert self._session is not None
        self.visited.update(session_rows(self._session, session, event, effects, now))


@define
class Chronicle:
    """What many games visited, and what went wrong in them."""

    visited: Counter[str] = field(factory=Counter)
    moves: Counter[Any] = field(factory=Counter)
    failures: list[str] = field(factory=list)

    def game(self, seed: int) -> None:
        """The game of this seed is played."""
        with self._hearing(f"seed {seed}") as laws:
            simulation = Simulation.of(seed)
            laws.append(simulation.laws)
            simulation.draw()

    def scene(self, scene: Scene, *, seed: int = 0) -> None:
        """A scene is played, and the laws hold in it too."""
        with self._hearing(f"{scene.__name__}, seed {seed}") as laws, ExitStack() as stack:

            def stage(*players: str, **rules: Any) -> Table:
                policy = Policy(**{**SHORT, **rules})
                setting = Setting(seed, players or ("ann", "ben"), policy, Weather())
                simulation = Simulation(setting)
                simulation.laws.faults = FAULTS
                laws.append(simulation.laws)
                stack.enter_context(watching(simulation.laws))
                return simulation.table

            scene(stage)

    @contextmanager
    def _hearing(self, name: str) -> Iterator[list[Laws]]:
        """Write down what there is to hear of one game, by whose laws it was played too."""
        rows, failure = Rows(), None
        laws: list[Laws] = []
        try:
            with watching(rows):
                yield laws
        except Exception as broken:
            failure = broken
        for one in laws:
            failure = one.failure or failure
            self.moves.update(one.moves)
        self.visited += rows.visited
        if failure is not None:
            self.failures.append(f"{name}: {type(failure).__name__}: {failure}")


@pytest.fixture(scope="module")
def scenes() -> Chronicle:
    """All scenes: what chance finds, with other faults, is nothing to rely on."""
    chronicle = Chronicle()
    for scene in SCENES:
        for seed in range(TAKES):
            chronicle.scene(scene, seed=seed)
    return chronicle


def test_every_row_of_the_transition_table_is_visited(scenes):
    """By both sides; the rows that only a client can see, by clients."""
    for row in ROWS:
        assert scenes.moves["client", row.source, row.trigger], row
        if (row.source, row.trigger) in COORDINATOR_MOVES:
            assert scenes.moves["coordinator", row.source, row.trigger], row


def test_every_row_of_the_protocols_tables_is_visited(scenes):
    """Sections 3a to 3d and 5, but for what a shell does and what a store's loss of state does."""
    assert (SESSION_ROWS | CLIENT_ROWS) - scenes.visited.keys() == frozenset()


def test_no_law_is_broken_in_a_scene(scenes):
    """And each comes to the end that it has to come to."""
    assert scenes.failures == []


def test_no_law_is_broken_by_chance():
    """In games in which anything may fail; their rows are those of the tables, and no others."""
    games = Chronicle()
    for seed in range(GAMES):
        games.game(seed)
    assert games.failures == []
    assert games.visited.keys() <= SESSION_ROWS | CLIENT_ROWS


def broken_in(scene: Scene) -> str:
    """What is said to be wrong in it."""
    chronicle = Chronicle()
    chronicle.scene(scene)
    return str(chronicle.failures)


def test_whoever_begins_anew_is_noticed(monkeypatch):
    """A new program that does not ask for the game that the others have."""
    monkeypatch.setattr(Resync, "_settled", lambda self, needed: True)
    found = broken_in(a_program_is_closed_and_another_one_started)
    assert "armed without the game that others have" in found


def test_whoever_speaks_after_the_end_is_noticed(monkeypatch):
    """A client whose game is over, and that dials again."""

    def dials(self: Peer, effects: list[PeerEffect], *_: object) -> None:
        effects.append(Dial())

    monkeypatch.setattr(Peer, "_after_the_end", dials)
    assert "I1: an ended client says more than goodbye" in broken_in(a_token_is_void)
