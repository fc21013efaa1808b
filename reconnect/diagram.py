"""Pictures of the five states, drawn from the transition table itself."""

from __future__ import annotations

from math import hypot

from attrs import frozen

from reconnect.core.table import INITIAL, ROWS, Row, State

PLACES = {
    State.CONNECTED: (90, 50),
    State.PAUSED: (380, 50),
    State.RECONNECTING: (670, 50),
    State.RESUMED: (380, 190),
    State.ENDED: (380, 320),
}
BENDS = {(State.PAUSED, State.ENDED): 168.0}  # in a straight line it would run through RESUMED
APART = 18.0  # px between a move and its opposite
HALF_WIDTH, HALF_HEIGHT = 72, 22


def mermaid() -> str:
    """The states and every move between them as a Mermaid diagram, without a code fence."""
    lines = ["stateDiagram-v2", f"    [*] --> {INITIAL}: a session is opened"]
    for row in ROWS:
        who = " (a client only)" if row.client_only else ""
        lines.append(f"    {row.source} --> {row.dest}: {row.why}{who}")
    lines.append(f"    {State.ENDED} --> [*]")
    return "\n".join(lines)


def svg() -> str:
    """The same picture as one `<svg>` element; moves that only a client sees are dashed."""
    return "\n".join(
        [
            '<svg class="states" viewBox="0 0 760 370" role="img" xmlns="http://www.w3.org/2000/svg"'
            ' font-family="sans-serif" fill="none" stroke="currentColor">',
            "<title>The five states and the moves between them</title>",
            '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8"'
            ' markerHeight="8" orient="auto"><path d="M0 0 8 4 0 8z" fill="currentColor"'
            ' stroke="none"/></marker></defs>',
            *(_arrow(row) for row in ROWS),
            *(_box(state) for state in State),
            "</svg>",
        ]
    )


@frozen
class _Point:
    x: float
    y: float

    def moved(self, x: float, y: float, by: float = 1.0) -> _Point:
        return _Point(self.x + x * by, self.y + y * by)

    def clipped(self, toward: _Point) -> _Point:
        """Where the line from the centre of a box leaves it."""
        dx, dy = toward.x - self.x, toward.y - self.y
        reach = min(HALF_WIDTH / abs(dx) if dx else 9e9, HALF_HEIGHT / abs(dy) if dy else 9e9)
        return self.moved(dx, dy, by=reach)

    def __str__(self) -> str:
        return f"{self.x:.0f} {self.y:.0f}"


def _arrow(row: Row) -> str:
    start, end = _Point(*PLACES[row.source]), _Point(*PLACES[row.dest])
    length = hypot(end.x - start.x, end.y - start.y)
    side = ((end.y - start.y) / length, (start.x - end.x) / length)
    if any((other.dest, other.source) == (row.source, row.dest) for other in ROWS):
        start, end = start.moved(*side, by=APART), end.moved(*side, by=APART)
    middle = _Point((start.x + end.x) / 2, (start.y + end.y) / 2)
    control = middle.moved(*side, by=BENDS.get((row.source, row.dest), 0.0))
    label = middle.moved(control.x - middle.x, control.y - middle.y, by=0.5).moved(
        *side, by=10 + 16 * abs(side[0])
    )
    dashed = ' stroke-dasharray="5 4"' if row.client_only else ""
    path = f"M{start.clipped(control)} Q{control} {end.clipped(control)}"
    return (
        f'<path d="{path}"{dashed} marker-end="url(#head)"><title>{row.why}</title></path>'
        f'<text x="{label.x:.0f}" y="{label.y:.0f}" font-size="12" text-anchor="middle"'
        f' dy="0.35em" fill="currentColor" stroke="none">{row.trigger}</text>'
    )


def _box(state: State) -> str:
    x, y = PLACES[state]
    width = 3 if state is INITIAL else 1.5
    return (
        f'<rect x="{x - HALF_WIDTH}" y="{y - HALF_HEIGHT}" width="{2 * HALF_WIDTH}"'
        f' height="{2 * HALF_HEIGHT}" rx="10" stroke-width="{width}"/>'
        f'<text x="{x}" y="{y}" font-size="15" text-anchor="middle" dy="0.35em"'
        f' fill="currentColor" stroke="none">{state}</text>'
    )
