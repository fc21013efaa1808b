"""Many games: no law is broken in any, and everything that can fail did, in every state."""

import os

import pytest

from reconnect.core.session import Session
from reconnect.testing.simulation.tally import CHUNK, Tally, played, tallied

SEEDS = range(5000)


@pytest.fixture(scope="module")
def tally():
    """All games, once, on all cores."""
    tally = Tally()
    for chunk in played(SEEDS, jobs=os.cpu_count() or 1):
        tally.add(chunk)
    return tally


def test_no_law_is_broken_in_any_game(tally):
    """Losses, cuts, clogs, reloads, crashes, stalls, sleep, lies: the invariants at every event;
    then connected or ended within the deadline, one outcome for all, exact pauses, one game.
    """
    stories = [
        f"seed {one.seed}: {one.broken}; shortest: {[step.to_json() for step in one.story.steps]}"
        for one in tally.violations
    ]
    assert stories == []
    assert tally.seeds == len(SEEDS)


def test_everything_failed_in_every_state(tally):
    """A fault that never happened in some state has not been survived there."""
    assert tally.empty_cells == []


def test_chunks_come_in_order_and_add_up():
    """Whoever stops knows how far they have come."""
    chunks = list(played(range(2 * CHUNK + 10), jobs=2))
    assert [chunk.seeds for chunk in chunks] == [CHUNK, CHUNK, 10]
    assert chunks[0].cells != chunks[1].cells


def test_a_violation_is_told_in_its_shortest_form(monkeypatch):
    """With its seed."""
    monkeypatch.setattr(Session, "outage_length", lambda self, now: 0.0)
    monkeypatch.setattr(Session, "_close_outage", lambda self, now: 0.0)
    found = tallied(range(8)).violations
    assert found
    assert found[0].story.told().violation
    assert found[0].to_json()["seed"] == found[0].seed
