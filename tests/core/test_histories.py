"""Histories of one real session and its real peers: no law is broken, and every row is visited.

To see one again: `told(seed)` raises what it raised, at the same instant.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pytest
from attrs import define, field

from reconnect.core.table import COORDINATOR_MOVES, ROWS
from tests.core.chaos import History
from tests.core.rows import CLIENT_ROWS, SESSION_ROWS
from tests.core.scenes import SCENES, Scene

HISTORIES = 150  # a quarter of a minute; what is rare among them has a scene of its own
ROOT = Path(__file__).parents[2]


@define
class Chronicle:
    """What many histories visited, and what went wrong in them."""

    visited: Counter[str] = field(factory=Counter)
    moves: Counter[Any] = field(factory=Counter)
    failures: list[str] = field(factory=list)


def told(seed: int, chronicle: Chronicle | None = None, *, digest: bool = False) -> History:
    """The history of this seed, to its end."""
    chronicle = chronicle or Chronicle()
    history = History(seed, chronicle.visited, chronicle.moves)
    if digest:
        history.world.digest = blake2b(digest_size=16)
    history.play(history.random.choice([4, 8, 16]))
    return history


def digest(seed: int) -> str:
    """What all events and effects of this seed come to."""
    found = told(seed, digest=True).world.digest
    assert found is not None
    return found.hexdigest()


@pytest.fixture(scope="module")
def chronicle() -> Chronicle:
    """All scenes and all histories, once."""
    chronicle = Chronicle()
    for scene in SCENES:
        _tell(chronicle, scene.__name__, partial(scene, partial(_stage, chronicle)))
    for seed in range(HISTORIES):
        _tell(chronicle, f"seed {seed}", partial(told, seed, chronicle))
    return chronicle


def _stage(chronicle: Chronicle, *players: str, **policy: Any) -> Scene:
    return Scene(chronicle.visited, chronicle.moves, *players, **policy)


def _tell(chronicle: Chronicle, name: str, story: Any) -> None:
    try:
        story()
    except Exception as broken:
        chronicle.failures.append(f"{name}: {type(broken).__name__}: {broken}")


def test_no_law_is_broken_in_any_history(chronicle):
    """I1-I4, I7, I8, I10-I12, J1, D, P, L at every instant; one outcome, and soon, in the end."""
    assert chronicle.failures == []


def test_every_row_of_the_transition_table_was_visited(chronicle):
    """By both sides; the rows that only a client can see, by clients."""
    for row in ROWS:
        assert chronicle.moves["client", row.source, row.trigger], row
        if (row.source, row.trigger) in COORDINATOR_MOVES:
            assert chronicle.moves["coordinator", row.source, row.trigger], row


def test_every_row_of_the_protocols_tables_was_visited(chronicle):
    """Sections 3a to 3d and 5, but for what a shell does and what a store's loss of state does."""
    assert (SESSION_ROWS | CLIENT_ROWS) - chronicle.visited.keys() == frozenset()


def test_half_of_the_histories_come_to_play(chronicle):
    """Histories in which nothing ever works would find nothing."""
    assert chronicle.visited["3d connected"] > HISTORIES
    assert chronicle.visited["5 start instant"] > 2 * HISTORIES


def test_the_same_seed_is_the_same_history():
    """Every event at the same instant, every effect in the same order: in another process too."""
    script = "from tests.core.test_histories import digest; print(*map(digest, (1, 2, 3)))"
    digests = " ".join(map(digest, (1, 2, 3)))
    for hash_seed in ("0", "77"):
        again = subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        assert again.stdout.strip() == digests
    assert digest(4) not in digests
