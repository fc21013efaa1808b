"""Story: a game in which something went wrong, as short as it still does, and as a file.

A file has one JSON object a line: first the setting and what was broken, then what was done to
the table, and when. It runs as a regression test for ever.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from attrs import evolve, frozen

from reconnect.testing.simulation.game import Outcome, Simulation, Step
from reconnect.testing.simulation.setting import Setting

FORMAT = 1


@frozen
class Story:
    """What has to be done to a table, for a law to be broken."""

    setting: Setting
    steps: tuple[Step, ...]
    calm_at: float
    """When nothing fails any more."""
    broken: str | None = None
    """What was broken when it was written down."""

    @classmethod
    def of(cls, outcome: Outcome) -> Story:
        """What happened in a game."""
        steps = tuple(outcome.steps)
        return cls(outcome.setting, steps, outcome.calm_at, outcome.violation)

    def told(self, *, game: Callable[[str], Any] | None = None) -> Outcome:
        """What comes of it now, with this game in the programs."""
        return Simulation(self.setting, game=game).replay(self.steps, calm_at=self.calm_at)

    def write(self, path: Path) -> None:
        head: dict[str, Any] = {
            "story": FORMAT,
            "broken": self.broken,
            "calm_at": self.calm_at,
            "setting": self.setting.to_json(),
        }
        lines = [json.dumps(line) for line in (head, *(step.to_json() for step in self.steps))]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path | str) -> Story:
        """Raises `ValueError` or `LookupError` where a line is none of a story."""
        text = Path(path).read_text(encoding="utf-8")
        head, *steps = map(json.loads, text.splitlines())
        if head["story"] != FORMAT:
            raise ValueError(f"{path} is a story of format {head['story']}, not {FORMAT}")
        setting = Setting.from_json(head["setting"])
        return cls(setting, tuple(map(Step.from_json, steps)), head["calm_at"], head["broken"])


def shortened(story: Story, *, game: Callable[[str], Any] | None = None) -> Story:
    """The same story without the steps that it does not need.

    It goes on failing alike, a law for a law: without its beginning, a story may fail because it
    makes no sense any more.
    """
    size = max(1, len(story.steps) // 2)
    while size:
        place, before = 0, len(story.steps)
        while place < len(story.steps):
            shorter = evolve(story, steps=_without(story.steps, place, size))
            outcome = shorter.told(game=game)
            if outcome.violation is not None and _kind(outcome.violation) == _kind(story.broken):
                story = evolve(shorter, broken=outcome.violation)
            else:
                place += size
        if size > 1 or len(story.steps) == before:
            size //= 2
    return story


def _without(steps: Sequence[Step], place: int, size: int) -> tuple[Step, ...]:
    return (*steps[:place], *steps[place + size :])


def _kind(broken: str | None) -> str:
    """`LawBroken`, or whatever exception it was."""
    return (broken or "").partition(":")[0]
