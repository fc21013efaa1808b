"""Many games, one of each seed, in which anything may fail; the first that goes wrong is kept."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from attrs import evolve

from reconnect.policy import Topology
from reconnect.testing.options import names_of
from reconnect.testing.simulation.game import Check, Simulation
from reconnect.testing.simulation.outcome import Outcome
from reconnect.testing.simulation.setting import STEP, Setting, drawn_doom, drawn_setting
from reconnect.testing.simulation.story import Story, shortened


def simulate(
    game: Callable[[str], Any] | None = None,
    *,
    seeds: Iterable[int] | int = 100,
    check: Check | None = None,
    players: Sequence[str] | int | None = None,
    topology: Topology | str | None = None,
    step: float = STEP,
    keep: Path | str | None = None,
) -> list[Outcome]:
    """Play one game of each seed, in which anything may fail; `AssertionError` at a violation.

    `game(player)` makes a program's game; `check(table)` says, when the faults are over, whether
    it is still one game, and raises if it is not. `seeds` are those that are given, or the first
    so many, from 0 on. Players and topology are drawn where they are not given; but a game of
    your own, whose programs send to each other, is not played where the server is the game,
    unless you say so. `step` is how many seconds lie between two turns of a program. In the
    folder `keep` the story of a game that went wrong is written down, as short as it can be told,
    and the error is about that.

    Raises `TypeError` for what are no seeds, no players or no game, `ValueError` where there is
    nothing to play, `NotADirectoryError` where nothing can be kept.
    """
    if not (check is None or callable(check)):
        raise TypeError(f"check is {check!r}; give a function, which is called with the table")
    folder = None if keep is None else _folder(keep)
    outcomes = []
    for seed in _seeds(seeds):
        setting = _wanted(drawn_setting(seed), players, topology, own=game is not None)
        outcome = Simulation(setting, game=game, check=check, step=step).draw()
        outcomes.append(outcome)
        if outcome.violation is not None:
            where = ""
            if folder is not None:
                outcome, where = _kept(outcome, game, check, folder)
            raise AssertionError(f"seed {seed}: {outcome.violation}{where}\n{outcome.explanation}")
    if not outcomes:
        raise ValueError("there are no seeds, and so nothing was played")
    return outcomes


def summary(outcomes: Sequence[Outcome]) -> str:
    """What many games came to, in a line."""
    ends = Counter(str(one.reason) for one in outcomes if one.reason is not None)
    each = ", ".join(f"{count} {reason}" for reason, count in ends.most_common())
    return (
        f"{len(outcomes)} games, {sum(one.seconds for one in outcomes) / 60:.0f} minutes of play, "
        f"{sum(sum(one.cells.values()) for one in outcomes)} faults: "
        f"{len(outcomes) - ends.total()} went on, {ends.total()} ended{f' ({each})' * bool(ends)}"
    )


def _seeds(wanted: Any) -> Iterable[int]:
    if isinstance(wanted, bool | str) or not isinstance(wanted, int | Iterable):
        raise TypeError(f"seeds is {wanted!r}; give some, as in range(20), or how many")
    if not isinstance(wanted, int):
        return wanted
    if wanted < 1:
        raise ValueError(f"seeds is {wanted}; at least one game has to be played")
    return range(wanted)


def _wanted(
    setting: Setting,
    players: Sequence[str] | int | None,
    topology: Topology | str | None,
    *,
    own: bool,
) -> Setting:
    if players is not None:
        names = names_of(players)
        if len(names) < 2:
            raise ValueError(f"players is {players!r}; two or more play")
        late = [
            name for name, old in zip(names, setting.players, strict=False) if old in setting.late
        ]
        setting = evolve(setting, players=names, late=tuple(late))
    if topology is None and own and setting.policy.topology is Topology.SERVER:
        topology = Topology.MESH
    if topology is not None:
        setting = evolve(setting, policy=evolve(setting.policy, topology=topology))
    return evolve(setting, doomed=drawn_doom(setting.seed, setting.players, setting.policy))


def _folder(keep: Path | str) -> Path:
    folder = Path(keep)
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(
            f"keep is {str(keep)!r}, which is a file: stories go into a folder"
        )
    return folder


def _kept(
    outcome: Outcome, game: Callable[[str], Any] | None, check: Check | None, folder: Path
) -> tuple[Outcome, str]:
    """What comes of the story when it is told again, and where it is."""
    folder.mkdir(parents=True, exist_ok=True)
    about = "" if outcome.game is None else re.sub(r"\W+", "", outcome.game) + "-"
    path = folder / f"{about}seed-{outcome.setting.seed}.jsonl"
    story = shortened(Story.of(outcome), game=game, check=check)
    told = story.told(game=game, check=check)
    where = f"\nthe story is in {path}"
    if told.violation is None:
        story.write(path)
        return outcome, (
            f"{where}, but told again it goes well: something in the game or in the check is not "
            "the same each time (chance without a seed, a variable that outlives a game)"
        )
    evolve(story, broken=told.violation).write(path)
    return told, where
