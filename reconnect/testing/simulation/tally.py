"""Many games, in several processes: what happened in them, and what was broken."""

from __future__ import annotations

import os
import signal
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context, parent_process
from threading import Thread
from typing import Any

from attrs import define, field, frozen

from reconnect.core.table import State
from reconnect.testing.simulation.faults import CELLS
from reconnect.testing.simulation.game import Simulation
from reconnect.testing.simulation.story import Story, shortened

CHUNK = 50  # seeds that a process plays in one go
AHEAD = 3  # chunks for each process that are waiting


@frozen
class Violation:
    """A law that was broken, and the shortest way to break it."""

    seed: int
    broken: str
    story: Story

    def to_json(self) -> dict[str, Any]:
        return {"seed": self.seed, "broken": self.broken}


@define
class Tally:
    """What many games came to."""

    seeds: int = 0
    events: int = 0
    """What sessions and clients handled; the laws held after each of them."""
    virtual_seconds: float = 0.0
    cells: Counter[tuple[str, State]] = field(factory=Counter)
    """How often each fault happened in each state."""
    violations: list[Violation] = field(factory=list)

    def add(self, other: Tally) -> None:
        self.seeds += other.seeds
        self.events += other.events
        self.virtual_seconds += other.virtual_seconds
        self.cells += other.cells
        self.violations += other.violations

    @property
    def empty_cells(self) -> list[str]:
        """The faults that never happened in some state: of those, nothing is known."""
        return sorted(f"{fault} in {state}" for fault, state in CELLS - self.cells.keys())


def tallied(seeds: Sequence[int]) -> Tally:
    """Play the game of each seed; a violation is shortened at once."""
    tally = Tally()
    for seed in seeds:
        outcome = Simulation.of(seed).draw()
        tally.seeds += 1
        tally.events += outcome.events
        tally.virtual_seconds += outcome.seconds
        tally.cells += outcome.cells
        if outcome.violation is not None:
            story = shortened(Story.of(outcome))
            tally.violations.append(Violation(seed, outcome.violation, story))
    return tally


def workers(jobs: int) -> ProcessPoolExecutor:
    """Processes to work in, which end with this one, even if it is killed."""
    return ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=_begin)


def _begin() -> None:
    """In a worker: an interrupt is for the one that waits for it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)  # in the middle of a game: nobody is there to hear of it


def played(seeds: range, *, jobs: int) -> Iterator[Tally]:
    """Play all games in `jobs` processes; the tally of each chunk when it is there.

    Chunks come in the order of their seeds, so that one may stop after any of them.
    """
    chunks = (seeds[start : start + CHUNK] for start in range(0, len(seeds), CHUNK))
    with workers(jobs) as pool:
        try:
            waiting: deque[Future[Tally]] = deque()
            for chunk in chunks:
                waiting.append(pool.submit(tallied, chunk))
                if len(waiting) >= AHEAD * jobs:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)
