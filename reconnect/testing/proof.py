"""What has been proven so far, kept in a folder."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Any

from attrs import define, field

import reconnect
from reconnect.core.table import State
from reconnect.errors import LocalProtocolError
from reconnect.testing.exhaustive import Explored
from reconnect.testing.simulation.faults import CELLS
from reconnect.testing.simulation.planted import BUGS, RARE, SURVIVORS
from reconnect.testing.simulation.tally import Tally

KEPT = "proof.json"


@define
class Proof:
    """Grows with each chunk of games, each hunt and each search."""

    first: int
    """The seed of the first game; those that follow are all there are."""
    seeds: int = 0
    events: int = 0
    """What sessions and clients handled; the laws held after each of them."""
    virtual_seconds: float = 0.0
    violations: list[dict[str, Any]] = field(factory=list)
    """Each with its seed, the law, and the file that tells it in the fewest steps."""
    cells: Counter[str] = field(factory=Counter)
    """How often each fault happened in each state: `stall in paused`."""
    planted_found: dict[str, int] = field(factory=dict)
    """How many games it took to find each planted bug."""
    planted_missed: list[str] = field(factory=list)
    searched: dict[str, dict[str, Any]] = field(factory=dict)
    """What each search came to."""
    seconds: float = 0.0

    @classmethod
    def kept(cls, folder: Path, *, first: int) -> Proof:
        """What is in this folder; a new one if nothing is.

        Raises `LocalProtocolError` where it is about other seeds.
        """
        path = folder / KEPT
        if not path.exists():
            return cls(first)
        form = json.loads(path.read_text(encoding="utf-8"))
        if form["code"] != code():
            raise LocalProtocolError(
                f"{folder} is about another version of the code: give another --folder"
            )
        if form["first"] != first:
            raise LocalProtocolError(
                f"{folder} is about the seeds from {form['first']} on, not from {first} on: "
                "give another --folder"
            )
        given = {name: form[name] for name in KEPT_FIELDS}
        return cls(**{**given, "cells": Counter(form["cells"])})

    def keep(self, folder: Path) -> None:
        """Write it down, whole or not at all."""
        beside = folder / f"{KEPT}.new"
        form = {"code": code(), **{name: getattr(self, name) for name in KEPT_FIELDS}}
        beside.write_text(json.dumps(form, indent=1), encoding="utf-8")
        beside.replace(folder / KEPT)

    # -- what is added -----------------------------------------------------------------------------

    def add_games(self, tally: Tally, folder: Path) -> None:
        """The games of one chunk; the stories of violations are written beside."""
        self.seeds += tally.seeds
        self.events += tally.events
        self.virtual_seconds += tally.virtual_seconds
        for (fault, state), count in tally.cells.items():
            self.cells[f"{fault} in {state}"] += count
        for one in tally.violations:
            path = folder / f"seed-{one.seed}.jsonl"
            one.story.write(path)
            self.violations.append({**one.to_json(), "story": path.name})

    def add_search(self, name: str, explored: Explored) -> None:
        """One search of all states; one that was cut short has found nothing out."""
        self.searched[name] = {
            "states": explored.states,
            "dead_ends": explored.dead_ends,
            "violations": explored.violations,
            "complete": explored.complete,
            "seconds": round(explored.seconds, 1),
        }

    @property
    def complete(self) -> set[str]:
        """The searches in which all was looked at."""
        return {name for name, one in self.searched.items() if one["complete"]}

    # -- what it comes to --------------------------------------------------------------------------

    @property
    def empty_cells(self) -> list[str]:
        """The faults that never happened in some state; none of them before the first game."""
        named = {f"{fault} in {state}" for fault, state in CELLS}
        return sorted(named - self.cells.keys()) if self.seeds else []

    @property
    def faults(self) -> dict[str, int]:
        """How often each fault happened."""
        counts: Counter[str] = Counter()
        for cell, count in self.cells.items():
            counts[cell.rpartition(" in ")[0]] += count
        return dict(sorted(counts.items()))

    @property
    def good(self) -> bool:
        """Whether nothing was found, and nothing was left out."""
        return not (
            self.violations
            or self.empty_cells
            or self.planted_missed
            or any(
                one["dead_ends"] or one["violations"] or not one["complete"]
                for one in self.searched.values()
            )
        )

    @property
    def bound(self) -> float | None:
        """Below which the share of games that break a law is, at 95 %; None if some do."""
        return 3 / self.seeds if self.seeds and not self.violations else None

    def to_json(self) -> dict[str, Any]:
        """What `--json` prints."""
        searched = self.searched.values()
        return {
            "seeds": self.seeds,
            "first": self.first,
            "violations": self.violations,
            "bound": self.bound,
            "events": self.events,
            "virtual_hours": round(self.virtual_seconds / 3600, 1),
            "faults": self.faults,
            "cells": dict(sorted(self.cells.items())),
            "empty_cells": self.empty_cells,
            "planted_found": self.planted_found,
            "planted_missed": self.planted_missed,
            "planted_rare": sorted(RARE),
            "planted_survive": sorted(SURVIVORS),
            "states": sum(one["states"] for one in searched),
            "dead_ends": sum(one["dead_ends"] for one in searched),
            "searched": self.searched,
            "seconds": round(self.seconds, 1),
        }

    def lines(self) -> Iterator[str]:
        """The same in sentences."""
        form = self.to_json()
        if self.seeds:
            yield (
                f"{self.seeds} games, {self.events} events, {form['virtual_hours']} hours of play, "
                f"{sum(self.faults.values())} faults: {len(self.violations)} broke a law"
            )
        if self.bound is not None and self.bound < 1:
            yield f"so that fewer than 1 in {self.seeds // 3} do, at 95 % confidence"
        yield from self._table()
        for one in self.violations:
            yield f"  seed {one['seed']}: {one['broken']} ({one['story']})"
        if self.empty_cells:
            some = ", ".join(self.empty_cells[:3])
            yield (
                f"NOT PROVEN: {len(self.empty_cells)} of {len(CELLS)} cells are empty: "
                f"{some}, and so on never happened; some thousand games fill them"
            )
        if self.planted_found or self.planted_missed:
            missed = f"; missed: {', '.join(self.planted_missed)}" if self.planted_missed else ""
            yield (
                f"{len(self.planted_found)} of {len(BUGS)} planted bugs found, "
                f"{len(RARE)} that only games made by hand bring out, "
                f"{len(SURVIVORS)} known to survive because another rule stands in{missed}"
            )
        if self.searched:
            yield (
                f"{form['states']} states in {len(self.searched)} searches, "
                f"{form['dead_ends']} dead ends"
            )

    def _table(self) -> Iterator[str]:
        """How often each fault happened in each state."""
        if not self.cells:
            return
        wide = max(map(len, self.faults))
        yield f"{'':{wide}}" + "".join(f"{state:>13}" for state in State)
        for fault in self.faults:
            yield f"{fault:{wide}}" + "".join(
                f"{self.cells[f'{fault} in {state}']:13}" for state in State
            )


@cache
def code() -> str:
    """What all of the package's source comes to: what is proven of it is proven of no other."""
    package = Path(reconnect.__file__).parent
    sources = blake2b(digest_size=16)
    for path in sorted(package.rglob("*.py")):
        sources.update(path.relative_to(package).as_posix().encode() + path.read_bytes())
    return sources.hexdigest()


KEPT_FIELDS = (
    "first",
    "seeds",
    "events",
    "virtual_seconds",
    "violations",
    "cells",
    "planted_found",
    "planted_missed",
    "searched",
    "seconds",
)
