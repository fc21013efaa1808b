"""The games of the examples, in virtual time: whatever happens to them, they stay one game."""

import importlib
import sys
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any

import pytest

from reconnect.testing.network import Weather
from reconnect.testing.scenarios import SCENARIOS
from reconnect.testing.table import STEP, Table

EXAMPLES = str(Path(__file__).parent.parent / "examples")
SEEDS = range(30)
TROUBLES = 3  # in each game
LAG = 15  # frames that are at most on their way in good weather
GOOD = Weather(latency=0.01, jitter=0.01)


@pytest.fixture(params=["lockstep", "rollback"])
def example(request: pytest.FixtureRequest) -> ModuleType:
    return load(request.param)


def load(name: str) -> ModuleType:
    sys.path.insert(0, EXAMPLES)
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(EXAMPLES)


def seated(
    example: ModuleType, *, seed: int = 1, game: Callable[[str], Any] | None = None
) -> Table:
    """A table at which everybody plays."""
    table = Table(
        game or example.Game,
        players=example.PLAYERS,
        seed=seed,
        weather=GOOD,
        outage_timeout=60.0,
    )
    table.until_playing()
    return table


def trouble(table: Table, chance: Random) -> None:
    """Something happens, lasts for a while, and something may be on top of it."""
    one, other = chance.sample(table.players, 2)
    chance.choice(FAULTS)(table, one, other)
    table.run(chance.uniform(0.1, 4.0))
    if chance.random() < 0.3:
        table.reload(chance.choice(table.players))
        table.run(chance.uniform(0.0, 1.0))
    table.mend()


def assert_one_game(table: Table) -> None:
    """In each frame that two players know for sure, they know the same."""
    for one, other in combinations(table.games().values(), 2):
        common = one.states.keys() & other.states.keys()
        assert common
        for frame in common:
            assert one.states[frame] == other.states[frame], frame
        assert max(common) > max(one.frame, other.frame) - LAG


FAULTS: list[Callable[[Table, str, str], Any]] = [
    lambda table, one, other: table.cut(one, other),
    lambda table, one, other: table.cut(one, other, fresh=True),
    lambda table, one, other: table.cut(one, other, one_way=True),
    lambda table, one, _: table.unplug(one),
    lambda table, one, _: table.network.drop_control(one),
    lambda table, one, _: table.network.drop_control(one, tell_server=False),
    lambda table, one, _: table.network.cut_control(one),
    lambda table, one, _: table.reload(one),
    lambda table, one, _: table.reload(one, gone=True),
]


@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_happens_it_stays_one_game(example, seed, monkeypatch):
    """Losses, cuts, drops, reloads and kills: all states are equal, nothing is lost unsaid."""
    monkeypatch.setattr(example, "random", Random(seed))
    chance = Random(seed)
    table = seated(example, seed=seed)
    lossy = Weather(latency=0.02, jitter=0.02, loss=chance.uniform(0.0, 0.15))
    table.network.peer_weather(lossy)
    for _ in range(TROUBLES):
        table.run(chance.uniform(0.2, 1.5))
        trouble(table, chance)
        table.until_playing()
    table.network.peer_weather(Weather(latency=0.02))
    table.run(2.0)
    table.until_playing()
    assert_one_game(table)
    table.assert_nothing_lost()


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=str)
def test_every_scenario_leaves_it_one_game(example, scenario):
    """Where it goes on, all states are equal."""
    table = seated(example)
    scenario.run(table)
    if table.playing:
        assert_one_game(table)


def test_the_faults_are_felt(example):
    """A cut pauses the game, and a new program goes on where the old one was, not from zero."""
    table = seated(example)
    one, other, *_ = table.players
    table.run(1)
    table.cut(one, other)
    table.run(2)
    frame = table.games()[one].frame
    assert table.paused
    table.mend()
    table.until_playing()
    table.reload(other)
    table.until_playing()
    assert min(table.games()[other].states) >= frame - LAG > 0
    assert table.session.outages == 2


def rollback_after_an_outage(game: Callable[[str], Any]) -> list[Any]:
    """Two players of a rollback game, 2 s after an outage in which they lost inputs."""
    table = seated(load("rollback"), game=game)
    table.run(1)
    table.cut("alice", "bob")
    table.run(2)
    table.mend()
    table.until_playing()
    table.run(2)
    return list(table.games().values())


def test_a_rollback_game_needs_its_merge():
    """Without it the holes stay: nothing is confirmed any more, and the two games differ."""

    class Careless(load("rollback").Game):
        def merge(self, peer: str, data: bytes) -> None:
            """Forget to."""

    alice, bob = rollback_after_an_outage(Careless)
    frame = min(alice.frame, bob.frame)
    assert max(alice.confirmed, bob.confirmed) < frame - 2 / STEP
    assert alice.at(frame) != bob.at(frame)


def test_with_its_merge_a_rollback_game_heals():
    """The same game, outage and instant; what is not confirmed yet is under way."""
    alice, bob = rollback_after_an_outage(load("rollback").Game)
    confirmed = min(alice.confirmed, bob.confirmed)
    assert confirmed > max(alice.frame, bob.frame) - LAG
    assert alice.at(confirmed) == bob.at(confirmed)


def test_what_is_lost_too_quickly_for_a_pause_is_asked_for():
    """A glitch loses more inputs than a packet bears; nobody pauses, and nothing stays missing."""
    table = seated(load("rollback"))
    table.run(1)
    table.cut("alice", "bob")
    table.run(0.6)
    table.mend()
    table.run(1)
    assert table.session.outages == 0
    assert table.present("alice").client.said["bob"]
    assert_one_game(table)
