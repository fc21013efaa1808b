"""P11: how often players are paused without need, against how soon a real loss stops them.

The path is healthy throughout: it loses some packets, and the players' programs hang now and
then. Nearly all of it is played in virtual time, by the real clients and the real coordinator; a
few minutes are played with aiortc over a path that loses as many, to see whether both agree.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import AsyncExitStack
from functools import partial
from itertools import product
from statistics import median
from typing import Any

from _arms import Ours
from _game import Game
from _lab import PLAYERS, Lab, until
from _measure import options, progress, report, say, table
from _trials import NeverStarted
from _weather import JITTER, LATENCY, Conditions, World, limits
from attrs import asdict, frozen

from reconnect.core.table import State
from reconnect.testing.path import Shape

DEFAULT = 1.0
LIMITS = (0.5, 0.75, DEFAULT, 1.5, 2.0, 3.0)
"""Values of `link_lost`, in seconds."""
HOURS = {False: 0.5, True: 0.1}
"""By whether the players are busy, which takes ten times as long to simulate."""
AT_DEFAULT = 10
"""How many times as long the default limit is looked at."""
ENOUGH = 100
"""With so many pauses a rate is known to a fifth."""
REAL_LIMIT, REAL_LOSS = 0.5, 0.2
"""So bad that a few minutes are enough to see something."""
PARTS = ("loss", "stalls", "real")


@frozen
class Cell:
    """What happened under these conditions with this limit."""

    conditions: Conditions
    limit: float
    pauses: int
    hours: float

    @property
    def text(self) -> str:
        """Pauses per hour; where there were none, what they are below with 95 % confidence."""
        rate = (self.pauses or 3) / self.hours
        return f"{'' if self.pauses else '<'}{rate:.{0 if rate >= 10 else 1}f}"

    def to_json(self) -> dict[str, Any]:
        return {"what": str(self.conditions), "per_hour": self.text, **asdict(self)}


def losses() -> Iterable[Conditions]:
    for busy, loss, burst in product((False, True), (0.0, 0.05, 0.1, 0.2), (False, True)):
        if loss or not burst:
            yield Conditions(busy=busy, loss=loss, burst=burst)


def stalls() -> Iterable[Conditions]:
    for busy, announced in product((False, True), (False, True)):
        for stall in (0.1, 0.3, 0.5, 0.7, 0.85, 1.0, 2.0, 3.0):
            yield Conditions(busy=busy, stall=stall, announced=announced)


def measure(share: float, case: tuple[Conditions, float]) -> Cell:
    """One cell; `share` of the hours that are due to it."""
    conditions, limit = case
    hours = share * HOURS[conditions.busy] * (AT_DEFAULT if limit == DEFAULT else 1)
    return Cell(conditions, limit, *World(conditions, limit, seed=1).alarms(hours, enough=ENOUGH))


def detection(busy: bool, limit: float, cuts: int) -> float:
    """Seconds until both players have stopped when the loss is real; the median of some cuts."""
    return median(World(Conditions(busy=busy), limit, seed=n).detection() for n in range(cuts))


def curve(
    conditions: Iterable[Conditions], some: Sequence[float], share: float, jobs: int
) -> list[Cell]:
    """A cell for each of the conditions and each limit."""
    cells = []
    with ProcessPoolExecutor(jobs) as pool:
        for cell in pool.map(partial(measure, share), [*product(conditions, some)]):
            progress(f"{cell.conditions}, limit {cell.limit:g} s: {cell.text} per hour")
            cells.append(cell)
    return cells


def show(cells: list[Cell], seen: dict[bool, list[float]], *, as_json: bool) -> None:
    """A line for each of the conditions, a column for each limit."""
    lines: dict[Conditions, list[Cell]] = {}
    for cell in cells:
        lines.setdefault(cell.conditions, []).append(cell)
    first, *_ = lines.values()
    body = [
        [
            f"{'busy' if busy else 'idle'}: a real loss stops both after",
            *(f"{one:.2f} s" for one in after),
        ]
        for busy, after in seen.items()
    ]
    body += [[str(what), *(cell.text for cell in line)] for what, line in lines.items()]
    head = ["pauses per hour, by link_lost", *(f"{cell.limit:g} s" for cell in first)]
    table(head, body, left=1, as_json=as_json)
    say("", as_json=as_json)


async def real(conditions: Conditions, *, pairs: int, seconds: float) -> Cell:
    """The same with aiortc, so long and with so many pairs at once."""
    shape = Shape(delay=LATENCY, jitter=JITTER, loss=conditions.loss)
    async with Lab.opened(**limits(REAL_LIMIT)) as lab, AsyncExitStack() as stack:
        tables = [await stack.enter_async_context(lab.table()) for _ in range(pairs)]
        for one, player in product(tables, PLAYERS):
            arm = Ours(one.seats[player], one.path)
            await arm.open()
            if conditions.busy:
                stack.push_async_callback(Game(arm).close)
            else:
                stack.push_async_callback(arm.close)
        if not await until(lambda: all(one.session.state is State.CONNECTED for one in tables)):
            raise NeverStarted
        for one in tables:
            one.path.shape(*PLAYERS, shape)
        before = sum(one.session.outages for one in tables)
        await asyncio.sleep(seconds)
        pauses = sum(one.session.outages for one in tables) - before
    return Cell(conditions, REAL_LIMIT, pauses, pairs * seconds / 3600)


def honesty(*, quick: bool, as_json: bool) -> list[tuple[Cell, Cell]]:
    """For the worst weather: what really happens, and what virtual time says."""
    pairs, seconds = (2, 10.0) if quick else (8, 180.0)
    found = []
    for busy in (False, True):
        case = Conditions(busy=busy, loss=REAL_LOSS), REAL_LIMIT
        with_aiortc = asyncio.run(real(case[0], pairs=pairs, seconds=seconds))
        found.append((with_aiortc, measure(0.2 if quick else 4.0, case)))
    body = [[str(one.conditions), one.text, other.text] for one, other in found]
    head = [f"pauses per hour, link_lost {REAL_LIMIT:g} s", "aiortc", "virtual time"]
    table(head, body, left=1, as_json=as_json)
    return found


def main() -> None:
    parser = options(__doc__ or "", parts=PARTS)
    parser.add_argument("--hours", type=float, default=1.0, help="times as long as by default")
    parser.add_argument("--jobs", type=int, default=1, help="processes that share the work")
    chosen = parser.parse_args()
    some, share, cuts = (LIMITS[::2], 0.04, 1) if chosen.quick else (LIMITS, 1.0, 9)
    parts = {"loss": [*losses()], "stalls": [*stalls()]}
    seen = {busy: [detection(busy, limit, cuts) for limit in some] for busy in (False, True)}
    cells: list[Cell] = []
    for part in [one for one in parts if one in chosen.only]:
        conditions = parts[part][:: 4 if chosen.quick else 1]
        found = curve(conditions, some, share * chosen.hours, chosen.jobs)
        show(found, seen, as_json=chosen.json)
        cells += found
    both = honesty(quick=chosen.quick, as_json=chosen.json) if "real" in chosen.only else []
    report(
        "false_alarms",
        [],
        as_json=chosen.json,
        limits=some,
        detected={"idle": seen[False], "busy": seen[True]},
        cells=[cell.to_json() for cell in cells],
        real=[{"aiortc": one.to_json(), "virtual": other.to_json()} for one, other in both],
    )


if __name__ == "__main__":
    main()
