"""Stage: the demo in a terminal, live where there is one, line by line where there is none."""

from __future__ import annotations

import time
from collections import deque
from types import TracebackType
from typing import Any, Self

from rich.columns import Columns
from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from reconnect.demo.timeline import SERVER, Timeline
from reconnect.demo.verdict import Plan, Verdict

COLOURS = ("cyan", "magenta", "yellow", "green")
STATES = {
    "connected": "green",
    "paused": "red",
    "reconnecting": "yellow",
    "resumed": "cyan",
    "ended": "dim",
}
LINES_SHOWN = 14
REFRESH = 10  # per second


class Stage:
    """Shows a run as it happens; a context around it."""

    def __init__(self, plan: Plan, players: list[str], *, console: Console) -> None:
        self._plan = plan
        self._players = players
        self._console = console
        self._colours = dict(zip(players, COLOURS, strict=False))
        self._lines: deque[Text] = deque(maxlen=LINES_SHOWN)
        self._began_at = time.monotonic()
        self._timeline: Timeline | None = None
        self._live: Live | None = None

    def watch(self, timeline: Timeline) -> None:
        """What is to be shown."""
        self._timeline = timeline

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live = Live(
                get_renderable=self._picture,
                console=self._console,
                refresh_per_second=REFRESH,
                screen=False,
            )
            self._live.start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def line(self, at: float, who: str, what: str) -> None:
        """Something happened."""
        text = Text(f"{at - self._began_at:7.2f} s  ", style="dim")
        text.append(f"{who or '>>>':<8}", style=self._colours.get(who, "bold white"))
        text.append(what, style="bold white" if not who else "")
        self._lines.append(text)
        if self._live is None:
            self._console.print(text, soft_wrap=True)

    def verdict(self, verdict: Verdict) -> None:
        """What came of it."""
        table = Table(show_header=False, box=None, padding=(0, 2))
        for name, value in _rows(verdict):
            table.add_row(Text(name, style="dim"), Text(value))
        title = "as it should be" if verdict.right else "; ".join(verdict.problems)
        style = "green" if verdict.right else "red"
        self._console.print(Panel(table, title=title, border_style=style, expand=False))

    def _picture(self) -> Group:
        return Group(self._title(), self._boards(), Panel(Group(*self._lines), title="timeline"))

    def _title(self) -> Text:
        server = self._shown(SERVER)
        state = server.get("state", "starting")
        text = Text(" reconnect ", style="bold reverse")
        text.append(f"  {state} ", style=f"bold {STATES.get(state, 'white')}")
        text.append(server.get("explain", ""), style="dim")
        return text

    def _boards(self) -> Columns:
        return Columns([self._board(player) for player in self._players], equal=True)

    def _board(self, player: str) -> Panel:
        shown = self._shown(player)
        state = shown.get("state", "starting")
        body = Text("\n".join(shown.get("board", ["…"])))
        for other, colour in self._colours.items():
            body.highlight_regex(other[0].upper(), f"bold {colour}")
        body.highlight_regex(r"\*", "bold white")
        score = "  ".join(f"{who} {count}" for who, count in shown.get("scores", {}).items())
        body.append(f"\nframe {shown.get('frame', 0)}  {shown.get('hash', '')}\n{score}")
        colour = STATES.get(state, "white")
        return Panel(body, title=f"{player}: [{colour}]{state}[/]", border_style=colour)

    def _shown(self, who: str) -> dict[str, Any]:
        return {} if self._timeline is None else self._timeline.shown.get(who, {})


def _rows(verdict: Verdict) -> list[tuple[str, str]]:
    def after(seconds: float | None) -> str:
        return "-" if seconds is None else f"{seconds:.3f} s"

    def skew(milliseconds: float | None) -> str:
        return "" if milliseconds is None else f", {milliseconds:.1f} ms apart"

    slowest = max(verdict.paused_s.values(), default=None)
    return [
        ("outcome", f"{verdict.outcome} ({verdict.reason})"),
        ("first loss noticed", f"{after(verdict.detected_s)} after the cut"),
        ("all paused", f"{after(slowest)} after the cut{skew(verdict.pause_skew_ms)}"),
        (
            "all playing again",
            f"{after(verdict.recovered_s)} after the path was back{skew(verdict.resume_skew_ms)}",
        ),
        ("mended by", verdict.method),
        (
            "messages",
            f"{verdict.sent} sent, {verdict.delivered} delivered, {verdict.lost} lost, "
            f"{verdict.duplicated} duplicated, {verdict.reordered} out of order",
        ),
        (
            "game states",
            f"{'equal' if verdict.state_equal else 'DIFFERENT'} in {verdict.frames} frames",
        ),
        ("paused in all", f"{verdict.total_pause_ms} ms in {len(verdict.outages)} outages"),
        ("trace", verdict.trace),
    ]
