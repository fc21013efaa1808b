"""Makes the vectors of this folder anew: `python -m tests.vectors.generate [folder]`.

The clients of simulated games are watched, and their lives retold. Of each life a beginning is
kept that ends behind its rarest row, so that what is rare is in many histories and what every
client does in the end of none.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, islice
from pathlib import Path
from typing import Any

from attrs import define, field, frozen

from reconnect.core.effects import PeerEffect
from reconnect.core.events import PeerEvent
from reconnect.core.peer import Peer
from reconnect.testing.conformance.lives import Life, Recorder, retold
from reconnect.testing.vectors import History, Step, check, write_vectors
from reconnect.testing.watch import Watch, watching
from tests.testing.simulation.rows import ClientBefore, client_rows
from tests.vectors.games import Game, games
from tests.vectors.messages import MESSAGES, write_messages

FOLDER = Path(__file__).parent
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
        found = client_rows(self._before, peer, event, effects)
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


def lives(some: Iterable[Game]) -> Iterator[tuple[Life, list[list[str]]]]:
    """All clients of these games, and the rows that each of their events visits.

    A game need not be one of ours; all it takes is that its peers are real.
    """
    for game in some:
        recorder, rows = Recorder(), Rows()
        with watching(recorder), watching(rows):
            game()
        # peers are heard for the first time in the same order by both
        yield from zip(recorder.lives, rows.of_peers.values(), strict=True)


def histories(volume: Volume, some: Iterable[Game]) -> Iterator[History]:
    """The histories of one file, in their order, without end as long as there are games."""
    visited: Counter[str] = Counter()
    seen: set[str] = set()
    number = 1
    for life, rows in lives(some):
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
    return list(islice(histories(volume, games(topology)), number))


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
