"""Timeline: what the processes said and the parent did, with the clock they share."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from attrs import Factory, define, field

SERVER = "server"


@define(eq=False)
class Timeline:
    """Everything that was heard, and what follows from it for each player."""

    players: list[str]
    on_line: Callable[[float, str, str], None]
    """Shown as it happens: instant, who, what."""
    started_at: float = Factory(time.monotonic)
    cut_at: float | None = None
    mended_at: float | None = None
    ready: dict[str, Any] | None = None
    finals: dict[str, dict[str, Any]] = field(factory=dict)
    shown: dict[str, dict[str, Any]] = field(factory=dict)
    notices: dict[str, list[dict[str, Any]]] = field(factory=dict)
    plays: dict[str, list[float]] = field(factory=dict)
    """When each player took its first step after each start."""
    began_at: dict[str, float] = field(factory=dict)
    """When a player's later program was started."""
    older: list[dict[str, Any]] = field(factory=list)
    """The last words of programs that others have taken the place of."""
    done: set[str] = field(factory=set)
    gone: set[str] = field(factory=set)
    _changed: asyncio.Event = field(factory=asyncio.Event)

    def hear(self, who: str, line: dict[str, Any]) -> None:
        """A child said something."""
        match line["event"]:
            case "ready":
                self.ready = line
            case "final":
                self.finals[who] = line
            case "shows":
                self.shown[who] = line
            case "notice":
                self.notices.setdefault(who, []).append(line)
                self.on_line(line["t"], who, _sentence(line))
            case "plays":
                self.plays.setdefault(who, []).append(line["t"])
                self.on_line(line["t"], who, f"plays from frame {line['frame']}")
            case "done":
                self.done.add(who)
            case "gone":
                self.gone.add(who)
        self._changed.set()

    def did(self, what: str) -> float:
        """The parent did something now."""
        now = time.monotonic()
        self.on_line(now, "", what)
        return now

    def begin_again(self, player: str) -> None:
        """From now on another program of this player is heard."""
        self.older.append(self.finals.pop(player))
        self.began_at[player] = time.monotonic()
        self.shown.pop(player, None)

    async def until(self, condition: Callable[[], bool], *, within: float) -> bool:
        """Wait for something that is heard; False if it has not been by then."""
        ends_at = time.monotonic() + within
        while not condition():
            left = ends_at - time.monotonic()
            if left <= 0:
                return False
            self._changed.clear()
            try:
                await asyncio.wait_for(self._changed.wait(), left)
            except TimeoutError:
                return condition()
        return True

    # -- read ------------------------------------------------------------------------------------

    def first(self, who: str, notice: str, *, after: float) -> float | None:
        """When somebody first heard this after an instant."""
        for line in self.notices.get(who, []):
            if line["notice"] == notice and line["t"] >= after:
                return float(line["t"])
        return None

    def plays_after(self, who: str, after: float) -> float | None:
        """When somebody first played on after an instant."""
        return next((at for at in self.plays.get(who, []) if at >= after), None)

    def all_play(self, *, after: float) -> bool:
        """Whether everybody has played on since."""
        return all(self.plays_after(player, after) is not None for player in self.players)

    @property
    def all_ended(self) -> bool:
        """Whether every player's game is over."""
        return all(player in self.finals for player in self.players)

    @property
    def frame(self) -> int:
        """How far the furthest player has got, as far as shown."""
        return max((line["frame"] for line in self.shown.values() if "frame" in line), default=0)


def _sentence(line: dict[str, Any]) -> str:
    match line["notice"]:
        case "Paused":
            missing = f", missing {', '.join(line['missing'])}" if line["missing"] else ""
            return f"paused: {line['cause']}{missing}"
        case "Reconnecting":
            missing = f": waits for {', '.join(line['missing'])}" if line["missing"] else ""
            return f"reconnecting{missing}"
        case "Resumed":
            return f"resumed at frame {line['frame']}, in {line['starts_in'] * 1000:.0f} ms"
        case "Connected":
            return "connected" + (f" after {line['paused']:.2f} s" if line["paused"] else "")
        case "Ended":
            return f"ended: {line['reason']}"
        case "LinkSuspect":
            return f"has not heard {line['peer']} for a while"
        case "Gap":
            return f"has another program of {line['peer']} before it"
        case "Attached":
            return f"{line['player']} is attached"
        case "Detached":
            return f"{line['player']} is gone"
        case other:
            return str(other)
