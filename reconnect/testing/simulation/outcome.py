"""What was done in one game, and what became of it."""

from __future__ import annotations

from collections import Counter
from typing import Any

from attrs import define, frozen

from reconnect.core.table import State
from reconnect.testing.simulation.setting import STEP, Setting

SHOWN_MAX = 100  # characters of a violation


@frozen
class Step:
    """One thing that was done to a table."""

    at: float
    do: str
    arguments: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        return {"at": self.at, "do": self.do, **self.arguments}

    @classmethod
    def from_json(cls, form: dict[str, Any]) -> Step:
        arguments = {name: value for name, value in form.items() if name not in ("at", "do")}
        return cls(float(form["at"]), form["do"], arguments)


@define
class Outcome:
    """What became of one game; `repr()` says it in a line."""

    setting: Setting
    steps: list[Step]
    calm_at: float
    """When the faults stopped."""
    cells: Counter[tuple[str, State]]
    """In which state of the session each fault happened."""
    violation: str | None = None
    """The law that was broken, or what the game or its check raised; None is what we want."""
    explanation: str = ""
    events: int = 0
    seconds: float = 0.0
    """Virtual ones."""
    reason: str | None = None
    """Why the game ended; None if it was going on."""
    step: float = STEP
    """Seconds between two turns of a program."""
    game: str | None = None
    """The name of the game that was played; None is the built-in one."""

    def __repr__(self) -> str:
        topology = str(self.setting.policy.topology)
        end = "went on" if self.reason is None else f"ended: {self.reason}"
        if self.violation is not None:
            end = f"broken: {self.violation.splitlines()[0][:SHOWN_MAX]}"
        players = ", ".join(self.setting.players)
        return f"<Game of seed {self.setting.seed}: {players} in {topology}, {end}>"
