"""Makes the vectors of this folder anew: `python -m tests.vectors.generate [folder]`.

The clients of simulated worlds are watched, and their lives retold. Of each life a beginning is
kept that ends behind its rarest row, so that what is rare is in many histories and what every
client does in the end of none.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from itertools import accumulate, count, islice
from pathlib import Path
from random import Random
from typing import Any

from attrs import define, field, frozen

from reconnect.core.effects import PeerEffect
from reconnect.core.events import PeerEvent
from reconnect.core.peer import Peer
from reconnect.testing.conformance.lives import Life, Recorder, retold
from reconnect.testing.vectors import History, Step, check, write_vectors
from reconnect.testing.watch import Watch, watching
from tests.core import chaos
from tests.core.chaos import drawn_policy
from tests.core.laws import Laws
from tests.core.rows import ClientBefore, client_rows
from tests.core.scenes import SCENES, Scene
from tests.core.world import World
from tests.vectors.messages import MESSAGES, write_messages

FOLDER = Path(__file__).parent
POLICIES = 20  # so many different ones in each file; a policy takes more room than a history
LEAST = 4  # events; before them every life is the same
LENGTHS = (1200, 1300, 1600, 2000, 3200)  # bytes, in turn: most are short, some see more


@frozen
class Volume:
    """One file: how many histories, of at most how many events."""

    topology: str
    histories: int
    events: int
    rare: int
    """A row that fewer histories have visited is worth any length."""


VOLUMES = (
    Volume("server", 1300, 60, 4),
    Volume("relayed", 470, 60, 3),
    Volume("mesh", 140, 80, 2),
    Volume("star", 95, 80, 2),
)


class Wild(chaos.History):
    """A random history in one topology."""

    def __init__(self, seed: int, topology: str) -> None:
        self.random = Random(f"{topology} {seed}")
        policies = Random(f"{topology} {seed % POLICIES}")
        while (policy := drawn_policy(policies)).topology != topology:
            pass
        self.players = chaos.NAMES[: self.random.choice([2, 2, 2, 3, 3, 4])]
        self.world = World(self.random.getrandbits(32), self.players, policy)
        self.laws = Laws(Counter(), Counter())
        self.world.ear = self.laws
        self.steps = 0
        self.done: list[str] = []
        for player in self.players:
            if self.random.random() < 0.9:
                self.world.after(self.random.uniform(0.0, 0.5), partial(self._fill, player))


Simulation = Callable[[], None]


def simulations(topology: str) -> Iterator[Simulation]:
    """Every scene that makes sense in this topology, then random histories without end."""
    for scene in SCENES:
        yield partial(_scene, scene, topology)
    for seed in count():
        yield partial(_random, seed, topology)


def _scene(scene: Callable[[Any], None], topology: str) -> None:
    def stage(*players: str, **policy: Any) -> Scene:
        wanted = {"topology": topology, **policy}
        return Scene(Counter(), Counter(), *players, **wanted)

    # a scene is about one topology; in another it may come to nothing
    with suppress(AssertionError, AttributeError, KeyError, ValueError):
        scene(stage)


def _random(seed: int, topology: str) -> None:
    history = Wild(seed, topology)
    history.play(history.random.choice([3, 5, 9]))


# -- rows ------------------------------------------------------------------------------------------


@define(eq=False)
class Rows(Watch):
    """Which rows of the client's tables each event of a peer visits."""

    of_peers: dict[Peer, list[list[str]]] = field(factory=dict)
    _before: ClientBefore | None = None

    def before_peer(self, peer: Peer, event: PeerEvent, now: float) -> None:
        self._before = ClientBefore.of(peer)

    def after_peer(
        self, peer: Peer, event: PeerEvent, effects: Sequence[PeerEffect], now: float
    ) -> None:
        assert self._before is not None
        found = client_rows(self._before, peer, event, list(effects))
        rows = [row.removeprefix("5 ") for row in found]
        self.of_peers.setdefault(peer, []).append(rows)


def rows_of(history: History) -> list[str]:
    """The rows that a history visits."""
    rows = Rows()
    with watching(rows):
        found = check(history)
    assert found is None, found
    (of_events,) = rows.of_peers.values()
    return sorted({row for some in of_events for row in some})


# -- histories -------------------------------------------------------------------------------------


def lives(simulations: Iterable[Simulation]) -> Iterator[tuple[Life, list[list[str]]]]:
    """All clients of these simulations, and the rows that each of their events visits.

    A simulation need not be one of ours; all it takes is that its peers are real.
    """
    for simulation in simulations:
        recorder, rows = Recorder(), Rows()
        with watching(recorder), watching(rows):
            simulation()
        # peers are heard for the first time in the same order by both
        yield from zip(recorder.lives, rows.of_peers.values(), strict=True)


def histories(volume: Volume, simulations: Iterable[Simulation]) -> Iterator[History]:
    """The histories of one file, in their order, without end as long as there are simulations."""
    visited: Counter[str] = Counter()
    seen: set[str] = set()
    number = 1
    for life, rows in lives(simulations):
        if not any(rows[: volume.events]):
            continue
        rarest = _rarest(rows[: volume.events], visited)
        steps = retold(life, most=_behind(rarest, rows))
        if visited[rarest] >= volume.rare:
            steps = _short_enough(steps, LENGTHS[number % len(LENGTHS)])
        text = _text(steps)
        if len(steps) < LEAST or text in seen:
            continue
        seen.add(text)
        found = rows_of(History("", life.who, steps))
        visited.update(found)
        yield History(f"{volume.topology}/{number}", life.who, steps, found)
        number += 1


def _rarest(rows: Sequence[Sequence[str]], visited: Counter[str]) -> str:
    found = {row for some in rows for row in some}
    return min(found, key=lambda row: (visited[row], row))


def _behind(rarest: str, rows: Sequence[Sequence[str]]) -> int:
    return 2 + next(place for place, some in enumerate(rows) if rarest in some)


def _short_enough(steps: list[Step], most: int) -> list[Step]:
    lengths = accumulate(len(_text([step])) for step in steps)
    return steps[: max(LEAST, sum(length <= most for length in lengths))]


def _text(steps: Sequence[Step]) -> str:
    forms = [step.to_json() for step in steps]
    for form in forms:
        form["event"] = {**form["event"], "message": _without_policy(form["event"])}
    return json.dumps(forms, separators=(",", ":"))


def _without_policy(event: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in event.get("message", {}).items() if name != "policy"}


def sample(topology: str, number: int) -> list[History]:
    """The first histories of a file."""
    volume = next(one for one in VOLUMES if one.topology == topology)
    return list(islice(histories(volume, simulations(topology)), number))


def main(folder: Path) -> None:
    """Write all files; the same code gives the same bytes."""
    for volume in VOLUMES:
        path = folder / f"{volume.topology}.jsonl"
        write_vectors(path, sample(volume.topology, volume.histories))
        print(f"{path}: {volume.histories} histories, {path.stat().st_size} bytes")
    path = folder / "messages.jsonl"
    write_messages(path)
    print(f"{path}: {len(MESSAGES)} messages, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
