"""The bank of planted bugs: does the simulation find them?

    found = hunt(BUGS["M4"], range(10_000))

Each rule of the protocol is taken out in turn. A simulation that does not notice has a blind
spot, or another rule stands in for the missing one; the bank says for each which it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import inf
from time import monotonic

from attrs import frozen

from reconnect.testing.simulation.bug import Bug
from reconnect.testing.simulation.game import Simulation
from reconnect.testing.simulation.planted_links import LINK_BUGS
from reconnect.testing.simulation.planted_protocol import PROTOCOL_BUGS
from reconnect.testing.simulation.planted_shells import SHELL_BUGS
from reconnect.testing.simulation.setting import drawn_setting
from reconnect.testing.simulation.story import Story, shortened

BUGS: dict[str, Bug] = {bug.id: bug for bug in (*PROTOCOL_BUGS, *LINK_BUGS, *SHELL_BUGS)}
"""All of them, by id."""
RARE = {bug.id for bug in BUGS.values() if bug.rare}
"""Those that a hunt is spared; their stories were made by hand."""
SURVIVORS = {bug.id for bug in BUGS.values() if bug.survives}
"""Those that no game has shown yet. It is a reason to look, not a proof that none can."""


@frozen
class Found:
    """How a bug was found."""

    seed: int
    seeds: int
    """How many games were played until then."""
    story: Story
    """As short as it still breaks a law; without the bug it breaks none."""


def _ignored(_seed: int, _broken: str) -> None:
    """Nobody wants to know."""


def hunt(
    bug: Bug,
    seeds: Iterable[int],
    *,
    seconds: float = inf,
    flawed: Callable[[int, str], None] = _ignored,
) -> Found | None:
    """Play until the bug breaks a law; None if it does not within these seeds, or this time.

    A game that breaks a law without the bug too proves nothing about it; `flawed` is told of it.
    """
    end = monotonic() + seconds
    played = 0
    for seed in seeds:
        if monotonic() >= end:
            break
        if not bug.shows(drawn_setting(seed)):
            continue
        played += 1
        with bug.planted():
            outcome = Simulation.of(seed).draw()
        if outcome.violation is None:
            continue
        with bug.planted():
            story = shortened(Story.of(outcome))
        if (flaw := story.told().violation) is not None:
            flawed(seed, flaw)
        elif tells_of(bug, story):
            return Found(seed, played, story)
    return None


def tells_of(bug: Bug, story: Story) -> bool:
    """Whether this story breaks a law with the bug planted."""
    with bug.planted():
        return story.told().violation is not None
