"""The games of the examples, in virtual time: whatever happens to them, they stay one game."""

import importlib
import sys
from collections import Counter
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any

import pytest
from attrs import define, field

from reconnect import Client, Coordinator, Policy, SessionHandle
from reconnect.testing.network import Network, Weather
from reconnect.testing.virtual import VirtualProcess, VirtualRuntime

EXAMPLES = str(Path(__file__).parent.parent / "examples")
SEEDS = range(30)
TROUBLES = 3  # in each game
PATIENCE = 40.0  # s; a program that vanished without a word is waited for
STEP = 1 / 30
LAG = 15  # frames that are at most on their way in good weather
SIGN = b"~"  # marks what may be lost, so that the rest can be counted


@pytest.fixture(params=["lockstep", "rollback"])
def example(request: pytest.FixtureRequest) -> ModuleType:
    return load(request.param)


def load(name: str) -> ModuleType:
    sys.path.insert(0, EXAMPLES)
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(EXAMPLES)


class Counting(Client):
    """A client that counts what the game sends and takes."""

    def __init__(self, *, player: str, **options: Any) -> None:
        self.sent: Counter[str] = Counter()
        self.taken: Counter[str] = Counter()
        self.player = player
        super().__init__(player=player, **options)

    def send(self, data: bytes, *, to: str | None = None) -> None:
        super().send(data, to=to)
        self.sent.update(player for player in self.players if player not in (self.player, to))

    def send_latest(self, data: bytes, *, to: str | None = None) -> None:
        super().send_latest(SIGN + data, to=to)

    def receive(self) -> list[tuple[str, bytes]]:
        taken = super().receive()
        self.taken.update(player for player, data in taken if data[:1] != SIGN)
        return [(player, data.removeprefix(SIGN)) for player, data in taken]


@define
class Program:
    """One life of a player's program."""

    game: Any
    client: Counting
    process: VirtualProcess


@define
class Table:
    """A session of a game, and a program of each of its players."""

    example: ModuleType
    seed: int = 1
    make: Callable[[str], Any] | None = None
    runtime: VirtualRuntime = field(init=False)
    network: Network = field(init=False)
    programs: dict[str, list[Program]] = field(factory=dict)
    """Of each player, the last one being the present one."""

    session: SessionHandle = field(init=False)
    chance: Random = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.chance = Random(self.seed)
        self.runtime = VirtualRuntime(seed=self.seed)
        weather = Weather(latency=0.01, jitter=0.01)
        self.network = Network(self.runtime, self.seed, control=weather, peers=weather)
        policy = Policy(outage_timeout=60.0)
        coordinator = Coordinator(signaling=self.network.signaling, policy=policy)
        self.session = coordinator.open(self.example.PLAYERS)
        for player in self.session.players:
            self.start(player)
        assert self.until_all_play()

    def start(self, player: str) -> None:
        game = (self.make or self.example.Game)(player)
        process = self.runtime.process()
        game.client = Counting(
            signaling=self.network.client(player, runtime=process),
            links=self.network.links(player, runtime=process),
            session=self.session.id,
            player=player,
            token=self.session.invite(player),
            seed=self.chance.getrandbits(32),
            resync=game,
        )
        self.programs.setdefault(player, []).append(Program(game, game.client, process))

    @property
    def present(self) -> list[Program]:
        return [programs[-1] for programs in self.programs.values()]

    def run(self, seconds: float) -> None:
        ends_at = self.runtime.now() + seconds
        while self.runtime.now() < ends_at:
            self.runtime.run(STEP)
            for program in self.present:
                if not program.client.ended:
                    program.game.turn()

    def until_all_play(self) -> bool:
        """Two steps on: at the start instant itself not everybody has counted a frame."""
        for _ in range(round(PATIENCE / STEP)):
            self.run(2 * STEP)
            if all(program.client.playing for program in self.present):
                return True
        return False

    def rest(self) -> None:
        """Everything that is under way arrives; nobody steps."""
        self.runtime.run(1.0)
        for programs in self.programs.values():
            for program in programs:
                program.client.receive()

    # -- faults ------------------------------------------------------------------------------------

    def reload(self, player: str) -> None:
        self.programs[player][-1].client.close()
        self.start(player)

    def kill(self, player: str) -> None:
        """The program is gone without a word; its sockets are closed by its system."""
        self.programs[player][-1].process.kill()
        self.network.drop_control(player, tell_client=False)
        self.start(player)

    def trouble(self) -> None:
        """Something happens, lasts for a while, and something may be on top of it."""
        one, other = self.chance.sample(self.session.players, 2)
        kind = self.chance.choice(FAULTS)
        kind(self, one, other)
        self.run(self.chance.uniform(0.1, 4.0))
        if self.chance.random() < 0.3:
            self.reload(self.chance.choice(self.session.players))
            self.run(self.chance.uniform(0.0, 1.0))
        self.network.mend()
        self.network.mend_control()

    # -- judged ------------------------------------------------------------------------------------

    def assert_one_game(self) -> None:
        """In each frame that two players know for sure, they know the same."""
        for one, other in combinations([program.game for program in self.present], 2):
            common = one.states.keys() & other.states.keys()
            assert common
            for frame in common:
                assert one.states[frame] == other.states[frame], frame
            assert max(common) > max(one.frame, other.frame) - LAG

    def assert_nothing_lost(self) -> None:
        """What a player sent has been taken by some program of the other's, or is counted.

        What was taken may be counted, too, where its acknowledgement was lost with the program.
        """
        for player, (program, *newer) in self.programs.items():
            if newer:
                continue  # what a program had sent, nobody can count when it is gone
            sent, superseded = program.client.sent, program.client.stats()["superseded"]
            taken = {
                other: sum(one.client.taken[player] for one in programs)
                for other, programs in self.programs.items()
                if other != player
            }
            assert all(taken[other] <= sent[other] for other in taken)
            assert sum(sent.values()) - superseded <= sum(taken.values())


FAULTS: list[Callable[[Table, str, str], None]] = [
    lambda table, one, other: table.network.cut(one, other),
    lambda table, one, other: table.network.cut(one, other, fresh=True),
    lambda table, one, other: table.network.cut(one, other, one_way=True),
    lambda table, one, _: table.network.unplug(one),
    lambda table, one, _: table.network.drop_control(one),
    lambda table, one, _: table.network.drop_control(one, tell_server=False),
    lambda table, one, _: table.network.cut_control(one),
    lambda table, one, _: table.reload(one),
    lambda table, one, _: table.kill(one),
]


@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_happens_it_stays_one_game(example, seed, monkeypatch):
    """Losses, cuts, drops, reloads and kills: all states are equal, nothing is lost unsaid."""
    monkeypatch.setattr(example, "random", Random(seed))
    table = Table(example, seed)
    lossy = Weather(latency=0.02, jitter=0.02, loss=table.chance.uniform(0.0, 0.15))
    for _ in range(TROUBLES):
        table.network.peer_weather(lossy)
        table.run(table.chance.uniform(0.2, 1.5))
        table.trouble()
        assert table.until_all_play(), table.session.explain()
    table.network.peer_weather(Weather(latency=0.02))
    table.run(2.0)
    table.assert_one_game()
    table.rest()
    table.assert_nothing_lost()


def test_the_faults_are_felt(example):
    """A cut pauses the game, and a new program goes on where the old one was, not from zero."""
    table = Table(example)
    table.run(1)
    table.network.cut(*table.session.players[:2])
    table.run(2)
    frame = table.present[0].game.frame
    assert not any(program.client.playing for program in table.present)
    table.network.mend()
    assert table.until_all_play()
    table.reload(table.session.players[1])
    assert table.until_all_play()
    assert min(table.present[1].game.states) >= frame - LAG > 0
    assert table.session.outages == 2


def rollback_after_an_outage(game: Callable[[str], Any]) -> list[Any]:
    """Two players of a rollback game, 2 s after an outage in which they lost inputs."""
    table = Table(load("rollback"), make=game)
    table.run(1)
    table.network.cut("alice", "bob")
    table.run(2)
    table.network.mend()
    assert table.until_all_play()
    table.run(2)
    return [program.game for program in table.present]


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
    table = Table(load("rollback"))
    table.run(1)
    table.network.cut("alice", "bob")
    table.run(0.6)
    table.network.mend()
    table.run(1)
    assert table.session.outages == 0
    assert table.present[0].client.sent["bob"] > 0
    table.assert_one_game()
