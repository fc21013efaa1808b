"""How soon a game stops and goes on, and what it loses on the way: P1, P2, P4, P5, P6 and P12.

Every cut is made in alternating order with reconnect, with what a careful user writes by hand,
and with aiortc left alone. What that is exactly, and how to read it: benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import asyncio
import random
from itertools import product
from math import inf

from _lab import Lab
from _measure import HAND, OURS, STOCK, Count, Row, options, progress, report
from _trials import Cut, cut, reload, starts

PAUSES_SURELY = 2.0  # s; a shorter cut may be over before anybody has to stop
TARGETS = {"P1": 1.1, "P2": 0.12, "P5": 0.01, "P12": 3.0}  # s
WANTED = {"P4": "all", "P6": "none"}
LONGER = 0.2  # the share by which a cut may last longer than it is called
DELAYS = (0.005, 0.15)  # s, on the control links of the two players
PARTS = ("links", "start", "reload")

Found = list[Row | Count]


async def links(lab: Lab, chosen: argparse.Namespace) -> Found:
    """P1, P2, P4 and P6, all from the same cuts."""
    chance = random.Random(1)
    runs = range(chosen.runs or (1 if chosen.quick else 10))
    outages = chosen.outages or ([2.0] if chosen.quick else [1.0, 5.0, 20.0])
    arms = chosen.arms or ([OURS, HAND] if chosen.quick else [OURS, HAND, STOCK])
    cuts: dict[tuple[str, str, float], list[Cut]] = {
        cell: [] for cell in product(arms, chosen.modes, outages)
    }
    for run, mode, outage in product(runs, chosen.modes, outages):
        # heartbeats and attempts have a rhythm of their own; no cut shall fit it
        phase, lasts = chance.uniform(0.0, 0.25), outage * chance.uniform(1.0, 1.0 + LONGER)
        for arm in arms[:: 1 if run % 2 == 0 else -1]:
            one = await cut(lab, arm, mode=mode, outage=lasts, phase=phase)
            cuts[arm, mode, outage].append(one)
            progress(
                f"{run}: {mode}, {lasts:.2f} s, {arm}: paused {one.paused:.3f}, "
                f"back {one.back:.3f}, lost {sum(books.lost for books in one.books)}"
            )
    found: Found = []
    for (arm, mode, outage), some in cuts.items():
        found += _figures(arm, f"{mode}, {outage:g} s", some, pauses=outage >= PAUSES_SURELY)
    return sorted(found, key=lambda one: (one.promise, one.what))


def _figures(arm: str, what: str, cuts: list[Cut], *, pauses: bool) -> Found:
    back = [one.back for one in cuts]
    sent = sum(one.sent for one in cuts)
    books = [some for one in cuts for some in one.books]
    found: Found = [
        Row("P2", f"back, {what}", arm, back),
        Count("P4", f"survived, {what}", arm, len(back) - back.count(inf), len(back)),
        Count("P6", f"lost, {what}", arm, sum(some.lost for some in books), sent),
        Count("P6", f"doubled, {what}", arm, sum(some.doubled for some in books), sent),
        Count("P6", f"misplaced, {what}", arm, sum(some.misplaced for some in books), sent),
    ]
    if pauses:
        found.append(Row("P1", f"paused, {what}", arm, [one.paused for one in cuts]))
    return found


async def start(lab: Lab, chosen: argparse.Namespace) -> Found:
    """P5: one of two players is far from the server, and yet they begin together."""
    found = await starts(lab, delays=DELAYS, runs=chosen.runs or (2 if chosen.quick else 20))
    what = f"starts apart, {DELAYS[0] * 1000:g} and {DELAYS[1] * 1000:g} ms"
    return [
        Row("P5", what, OURS, [one.began for one in found]),
        Row("P5", what, HAND, [one.told for one in found]),  # who starts when told to
    ]


async def reloads(lab: Lab, chosen: argparse.Namespace) -> Found:
    """P12: one program ends, and another one of the same player takes its place."""
    runs = range(chosen.runs or (1 if chosen.quick else 10))
    ways = ["close"] if chosen.quick else ["close", "kill"]
    times: dict[tuple[str, str], list[float]] = {cell: [] for cell in product(ways, (OURS, HAND))}
    for run, how in product(runs, ways):
        for arm in [OURS, HAND][:: 1 if run % 2 == 0 else -1]:
            seconds = await reload(lab, arm, how=how)
            times[how, arm].append(seconds)
            progress(f"{run}: {how}, {arm}: back {seconds:.3f}")
    # what nobody could know in time is not promised
    return [
        Row("P12" if how == "close" else "", f"back after {how}", arm, some)
        for (how, arm), some in times.items()
    ]


def aim(found: Found) -> None:
    """What is promised is promised of us."""
    for one in found:
        if one.arm != OURS:
            continue
        if isinstance(one, Row):
            one.target = TARGETS.get(one.promise)
        else:
            one.wanted = WANTED.get(one.promise)


async def main() -> None:
    parser = options(__doc__ or "", parts=PARTS)
    parser.add_argument("--outages", type=float, nargs="+", metavar="SECONDS")
    parser.add_argument("--modes", nargs="+", choices=("same", "fresh"), default=["same", "fresh"])
    parser.add_argument("--arms", nargs="+", choices=(OURS, HAND, STOCK), help="of the cuts")
    chosen = parser.parse_args()
    found: Found = []
    async with Lab.opened(outage_timeout=60.0) as lab:
        for name, part in zip(PARTS, (links, start, reloads), strict=True):
            if name in chosen.only:
                found += await part(lab, chosen)
    aim(found)
    report("recovery", found, as_json=chosen.json)


if __name__ == "__main__":
    asyncio.run(main())
