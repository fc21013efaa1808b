"""The same seed is the same game: in every process, whatever its hashes are."""

import os
import subprocess
import sys
from pathlib import Path

import attrs
import pytest

from reconnect.core.events import TokenIssued
from reconnect.testing.simulation.digest import digest, spelled

ROOT = Path(__file__).parents[3]
SEEDS = 200
SCRIPT = """
import sys
from reconnect.testing.simulation.digest import digest
print(*map(digest, range(int(sys.argv[1]), int(sys.argv[2]))))
"""


def spoken_by(hash_seed: str, first: int, last: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(first), str(last)],
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_the_same_seed_is_the_same_game_in_every_process():
    """200 seeds: every event at the same instant, every effect in the same order."""
    processes = [spoken_by(hash_seed, 0, SEEDS) for hash_seed in ("0", "77")]
    (one, _), (other, _) = (process.communicate() for process in processes)
    assert [process.returncode for process in processes] == [0, 0]
    assert one.split() == other.split()
    assert len(set(one.split())) == SEEDS


def test_the_digest_is_of_the_game():
    """Another seed has another one."""
    assert digest(5) == digest(5) != digest(6)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (frozenset({"b", "a"}), "['a', 'b']"),
        ({"x": (1, 2.5)}, "{x: [1, 2.5]}"),
        (TokenIssued("ann", "secret"), "TokenIssued('ann')"),
    ],
)
def test_values_are_written_the_same_way_everywhere(value, written):
    """Sets in order, and without what was drawn anew."""
    assert spelled(value) == written


def test_no_field_is_forgotten():
    """Of two that differ, the spelling differs."""
    event = TokenIssued("ann", "secret")
    assert spelled(event) != spelled(attrs.evolve(event, player="ben"))
