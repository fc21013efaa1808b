"""Many games, one of each seed, in which anything may fail; the first that goes wrong is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from attrs import evolve

from reconnect.policy import Topology
from reconnect.testing.options import names_of
from reconnect.testing.simulation.faulty import FaultyTable
from reconnect.testing.simulation.game import Outcome, Simulation
from reconnect.testing.simulation.setting import Setting, drawn_setting
from reconnect.testing.simulation.story import Story, shortened


def simulate(
    game: Callable[[str], Any] | None = None,
    *,
    seeds: Iterable[int] = range(100),
    check: Callable[[FaultyTable], object] | None = None,
    players: Sequence[str] | int | None = None,
    topology: Topology | str | None = None,
    keep: Path | str | None = None,
) -> list[Outcome]:
    """Play one game of each seed, in which anything may fail; `AssertionError` at a violation.

    `game(player)` makes a program's game; `check(table)` says, when the faults are over, whether
    it is still one game. Players and topology are drawn where they are not given; but a game of
    your own, whose programs send to each other, is not played where the server is the game,
    unless you say so. In the folder `keep` the story of a game that broke a law is written down,
    as short as it can be told.
    """
    outcomes = []
    for seed in seeds:
        setting = _wanted(drawn_setting(seed), players, topology, own=game is not None)
        simulation = Simulation(setting, game=game)
        outcome = simulation.draw()
        outcomes.append(outcome)
        if outcome.violation is not None:
            where = "" if keep is None else f"\nthe story is in {_kept(outcome, game, Path(keep))}"
            raise AssertionError(f"seed {seed}: {outcome.violation}{where}\n{outcome.explanation}")
        if check is not None:
            try:
                check(simulation.table)
            except Exception as error:
                error.add_note(f"in the game of seed {seed}:\n{simulation.table.explain()}")
                raise
    return outcomes


def _wanted(
    setting: Setting,
    players: Sequence[str] | int | None,
    topology: Topology | str | None,
    *,
    own: bool,
) -> Setting:
    if players is not None:
        names = names_of(players)
        late = [
            name for name, old in zip(names, setting.players, strict=False) if old in setting.late
        ]
        setting = evolve(setting, players=names, late=tuple(late))
    if topology is None and own and setting.policy.topology is Topology.SERVER:
        topology = Topology.MESH
    if topology is not None:
        setting = evolve(setting, policy=evolve(setting.policy, topology=topology))
    return setting


def _kept(outcome: Outcome, game: Callable[[str], Any] | None, folder: Path) -> Path:
    """Where the story is."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"seed-{outcome.setting.seed}.jsonl"
    shortened(Story.of(outcome), game=game).write(path)
    return path
