"""What has been proven so far."""

from collections import Counter

import pytest

from reconnect.core.table import State
from reconnect.errors import LocalProtocolError
from reconnect.testing.exhaustive import search, tiny_policy
from reconnect.testing.proof import Proof, code
from reconnect.testing.simulation import Simulation, Story
from reconnect.testing.simulation.faults import CELLS
from reconnect.testing.simulation.planted import BUGS, RARE, SURVIVORS
from reconnect.testing.simulation.tally import Tally, Violation


def games(seeds: int = 300, **more) -> Tally:
    """Of which nothing is left to find."""
    cells = Counter(dict.fromkeys(CELLS, 2))
    return Tally(seeds=seeds, events=10 * seeds, virtual_seconds=36.0, cells=cells, **more)


def test_games_without_a_violation_bound_their_share(tmp_path):
    """None of n: fewer than 3/n break a law, at 95 % confidence."""
    proof = Proof(first=7)
    assert (proof.bound, proof.empty_cells) == (None, [])
    proof.add_games(games(), tmp_path)
    proof.add_games(games(), tmp_path)
    form = proof.to_json()
    assert (form["seeds"], form["bound"], form["violations"]) == (600, 3 / 600, [])
    assert form["faults"]["stall"] == 4 * len(State)
    assert "fewer than 1 in 200" in "\n".join(proof.lines())
    assert proof.good


def test_how_often_each_fault_happened_is_shown(tmp_path):
    """A line for each, a column for each state."""
    proof = Proof(first=7)
    proof.add_games(games(), tmp_path)
    proof.cells["stall in paused"] = 12_345
    heads, *rows = [line.split() for line in proof.lines() if line.startswith((" ", "stall"))]
    assert heads == [str(state) for state in State]
    assert rows == [["stall", "2", "12345", "2", "2", "2"]]


def test_a_violation_is_kept_with_its_story(tmp_path):
    """Whoever mends it has the shortest way to see it."""
    proof, story = Proof(first=7), Story.of(Simulation.of(2).draw())
    proof.add_games(games(violations=[Violation(2, "I2: one plays", story)]), tmp_path)
    assert proof.violations == [{"seed": 2, "broken": "I2: one plays", "story": "seed-2.jsonl"}]
    assert Story.read(tmp_path / "seed-2.jsonl") == story
    assert proof.bound is None
    assert not proof.good
    assert "seed 2: I2: one plays (seed-2.jsonl)" in "\n".join(proof.lines())


def test_a_cell_that_is_empty_is_named(tmp_path):
    """What never happened is not proven."""
    proof, tally = Proof(first=7), games()
    del tally.cells["stall", State.PAUSED]
    proof.add_games(tally, tmp_path)
    assert proof.empty_cells == ["stall in paused"]
    assert not proof.good
    assert "NOT PROVEN: 1 of" in "\n".join(proof.lines())


def test_a_search_counts_its_states():
    """And one with a dead end, or that was cut short, is not good."""
    proof = Proof(first=7)
    proof.add_search("server", search(tiny_policy("server"), states_max=50))
    assert proof.to_json()["states"] >= 50
    assert not proof.good
    proof.searched["server"]["complete"] = True
    assert proof.good
    proof.searched["server"]["dead_ends"] = 1
    assert not proof.good


def test_what_was_missed_is_not_good():
    """A simulation that is blind in one eye proves less."""
    proof = Proof(first=7, planted_found={"M4": 3})
    assert proof.good
    proof.planted_missed.append("M9")
    assert not proof.good
    assert next(proof.lines()).endswith("; missed: M9")


def test_what_is_known_to_survive_is_said():
    """Of all planted bugs some are found, and a number is not expected to be."""
    expected = [name for name, bug in BUGS.items() if not (bug.survives or bug.rare)]
    proof = Proof(first=7, planted_found=dict.fromkeys(expected, 3))
    said, rare, survive = f"{len(expected)} of {len(BUGS)}", len(RARE), len(SURVIVORS)
    assert len(expected) + rare + survive == len(BUGS)
    assert list(proof.lines()) == [
        f"{said} planted bugs found, {rare} that only games made by hand bring out, "
        f"{survive} known to survive because another rule stands in"
    ]
    assert proof.to_json()["planted_survive"] == sorted(SURVIVORS)
    assert proof.to_json()["planted_rare"] == sorted(RARE)


def test_it_is_kept_whole(tmp_path):
    """Whoever was interrupted goes on where they were."""
    proof = Proof(first=7, planted_found={"M4": 3}, seconds=1.5)
    proof.add_games(games(), tmp_path)
    proof.keep(tmp_path)
    assert Proof.kept(tmp_path, first=7) == proof
    assert Proof.kept(tmp_path / "elsewhere", first=7) == Proof(first=7)
    with pytest.raises(LocalProtocolError, match="not from 8 on: give another --folder"):
        Proof.kept(tmp_path, first=8)
    kept = tmp_path / "proof.json"
    kept.write_text(kept.read_text().replace(code(), "another"))
    with pytest.raises(LocalProtocolError, match="another version of the code"):
        Proof.kept(tmp_path, first=7)
