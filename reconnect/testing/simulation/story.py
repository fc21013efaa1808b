"""Story: a game in which something went wrong, as short as it still does, and as a file.

A file has one JSON object a line: first the setting and what was broken, then what was done to
the table, and when. It runs as a regression test for ever.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from inspect import signature
from pathlib import Path
from typing import Any

from attrs import evolve, frozen

from reconnect.testing.simulation.faults import FAULTS
from reconnect.testing.simulation.game import Check, Simulation
from reconnect.testing.simulation.outcome import Outcome, Step
from reconnect.testing.simulation.setting import STEP, Setting

FORMAT = 1
DOABLE: dict[str, Callable[..., None]] = {
    "cooperate": Simulation._cooperate,
    **{name: fault.do for name, fault in FAULTS.items()},
}
"""What a step can be."""


@frozen
class Story:
    """What has to be done to a table, for a law to be broken."""

    setting: Setting
    steps: tuple[Step, ...]
    calm_at: float
    """When nothing fails any more."""
    broken: str | None = None
    """What was broken when it was written down."""
    step: float = STEP
    """Seconds between two turns of a program."""
    game: str | None = None
    """The name of the game it happened to; None is the built-in one."""

    @classmethod
    def of(cls, outcome: Outcome) -> Story:
        """What happened in a game."""
        steps = tuple(outcome.steps)
        return cls(
            outcome.setting, steps, outcome.calm_at, outcome.violation, outcome.step, outcome.game
        )

    def told(
        self, game: Callable[[str], Any] | None = None, *, check: Check | None = None
    ) -> Outcome:
        """What comes of it now, with this game in the programs, and this check at the end.

        Raises `TypeError` where it happened to a game of your own, and none is given.
        """
        if game is None and self.game is not None:
            raise TypeError(
                f"this happened to {self.game}, and would prove nothing of another game: give it"
            )
        simulation = Simulation(self.setting, game=game, check=check, step=self.step)
        return simulation.replay(self.steps, calm_at=self.calm_at)

    def write(self, path: Path) -> None:
        head: dict[str, Any] = {
            "story": FORMAT,
            "broken": self.broken,
            "calm_at": self.calm_at,
            "setting": self.setting.to_json(),
        }
        if self.step != STEP:
            head["step"] = self.step
        if self.game is not None:
            head["game"] = self.game
        lines = [json.dumps(line) for line in (head, *(step.to_json() for step in self.steps))]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path | str) -> Story:
        """Raises `ValueError`, with the file and the line, where it is no story."""
        first, *others = Path(path).read_text(encoding="utf-8").splitlines() or [""]
        with _blamed(path, 1, "the beginning of a story"):
            story = cls._begun(_parsed(first))
        steps = []
        for number, line in enumerate(others, start=2):
            with _blamed(path, number, "a step of a story"):
                steps.append(_possible(Step.from_json(_parsed(line))))
        return evolve(story, steps=tuple(steps))

    @classmethod
    def _begun(cls, head: dict[str, Any]) -> Story:
        if head["story"] != FORMAT:
            raise ValueError(f"it is of format {head['story']}, and this release reads {FORMAT}")
        calm_at, step = float(head["calm_at"]), float(head.get("step", STEP))
        setting, game = Setting.from_json(head["setting"]), head.get("game")
        return cls(setting, (), calm_at, head["broken"], step, game)


def shortened(
    story: Story, *, game: Callable[[str], Any] | None = None, check: Check | None = None
) -> Story:
    """The same story without the steps that it does not need, to this game and this check.

    It goes on failing alike, a law for a law, and an exception for an exception: without its
    beginning, a story may fail because it makes no sense any more.
    """
    size = max(1, len(story.steps) // 2)
    while size:
        place, before = 0, len(story.steps)
        while place < len(story.steps):
            shorter = evolve(story, steps=_without(story.steps, place, size))
            outcome = shorter.told(game=game, check=check)
            if outcome.violation is not None and _kind(outcome.violation) == _kind(story.broken):
                story = evolve(shorter, broken=outcome.violation)
            else:
                place += size
        if size > 1 or len(story.steps) == before:
            size //= 2
    return story


def _parsed(line: str) -> dict[str, Any]:
    try:
        form = json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"no JSON, {error.msg} at column {error.colno}") from error
    if not isinstance(form, dict):
        raise ValueError(f"{line:.40} is no object")
    return form


def _possible(step: Step) -> Step:
    """Raises `ValueError` for what nobody can do, or not with these arguments."""
    if step.do not in DOABLE:
        raise ValueError(f"nobody can do {step.do!r}, but {', '.join(sorted(DOABLE))}")
    wanted = signature(DOABLE[step.do])
    try:
        wanted.bind(None, **step.arguments)
    except TypeError as error:
        names = ", ".join([*wanted.parameters][1:])
        raise ValueError(f"{step.do!r} takes {names}: {error}") from error
    return step


@contextmanager
def _blamed(path: Path | str, line: int, what: str) -> Iterator[None]:
    """Whatever is wrong with a line, it is said with its place."""
    try:
        yield
    except Exception as error:
        why = f"there is no {error}" if type(error) is KeyError else str(error)
        raise ValueError(f"{path}, line {line}, is not {what}: {why}") from error


def _without(steps: Sequence[Step], place: int, size: int) -> tuple[Step, ...]:
    return (*steps[:place], *steps[place + size :])


def _kind(broken: str | None) -> str:
    """`LawBroken`, or whatever exception it was."""
    return (broken or "").partition(":")[0]
