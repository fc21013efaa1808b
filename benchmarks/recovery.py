"""How soon a game stops and goes on, and what it loses on the way: P1, P2, P4, P5, P6 and P12.

Every cut is made in alternating order with reconnect, with what a careful user writes by hand,
and with aiortc left alone. What that is exactly, and how to read it: benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import asyncio
import random
from collections import defaultdict
from math import inf

from _lab import Lab
from _measure import HAND, OURS, STOCK, Count, Row, options, progress, report
from _trials import Cut, cut, reload, starts

PAUSES_SURELY = 2.0  # s; a shorter cut may be over before anybody has to stop
PAUSED_TARGET = 1.1
BACK_TARGET = 0.12
START_TARGET = 0.01
RELOAD_TARGET = 3.0
DELAYS = (0.005, 0.15)  # s, on the control links of the two players
PARTS = ("links", "start", "reload")

Found = list[Row | Count]


async def links(lab: Lab, chosen: argparse.Namespace) -> Found:
    """P1, P2, P4 and P6, all from the same cuts."""
    chance = random.Random(1)
    arms = chosen.arms or ([OURS, HAND] if chosen.quick else [OURS, HAND, STOCK])
    cuts: dict[tuple[str, float, str], list[Cut]] = defaultdict(list)
    for run in range(chosen.runs or (1 if chosen.quick else 10)):
        for mode in chosen.modes:
            for outage in chosen.outages or ([2.0] if chosen.quick else [1.0, 5.0, 20.0]):
                phase = chance.uniform(0.0, 0.25)  # a heartbeat's interval
                for arm in arms[:: 1 if run % 2 == 0 else -1]:
                    one = await cut(lab, arm, mode=mode, outage=outage, phase=phase)
                    cuts[mode, outage, arm].append(one)
                    progress(
                        f"{run}: {mode}, {outage:g} s, {arm}: paused {one.paused:.3f}, "
                        f"back {one.back:.3f}, lost {sum(books.lost for books in one.books)}"
                    )
    found: Found = []
    for arm in arms:
        for (mode, outage, whose), some in sorted(cuts.items()):
            if whose == arm:
                found += _times(arm, mode, outage, some) + _counts(arm, mode, outage, some)
    return sorted(found, key=lambda one: one.promise)


def _times(arm: str, mode: str, outage: float, cuts: list[Cut]) -> Found:
    ours = arm == OURS
    paused, back = [one.paused for one in cuts], [one.back for one in cuts]
    what = f"{mode}, {outage:g} s"
    found: Found = [Row("P2", f"back, {what}", arm, back, target=BACK_TARGET if ours else None)]
    if outage >= PAUSES_SURELY:
        row = Row("P1", f"paused, {what}", arm, paused, target=PAUSED_TARGET if ours else None)
        found.append(row)
    return found


def _counts(arm: str, mode: str, outage: float, cuts: list[Cut]) -> Found:
    ours = arm == OURS
    what = f"{mode}, {outage:g} s"
    survived = sum(one.back < inf for one in cuts)
    sent = sum(one.sent for one in cuts)
    books = [some for one in cuts for some in one.books]
    kinds = {
        "lost": sum(some.lost for some in books),
        "doubled": sum(some.doubled for some in books),
        "misplaced": sum(some.misplaced for some in books),
    }
    found: Found = [
        Count("P4", f"survived, {what}", arm, survived, len(cuts), "all" if ours else None)
    ]
    for kind, count in kinds.items():
        found.append(Count("P6", f"{kind}, {what}", arm, count, sent, "none" if ours else None))
    return found


async def start(lab: Lab, chosen: argparse.Namespace) -> Found:
    """P5: one of two players is far from the server, and yet they begin together."""
    runs = chosen.runs or (2 if chosen.quick else 20)
    found = await starts(lab, OURS, delays=DELAYS, runs=runs)
    what = f"starts apart, {DELAYS[0] * 1000:g} and {DELAYS[1] * 1000:g} ms"
    return [
        Row("P5", what, OURS, [one.began for one in found], target=START_TARGET),
        Row("P5", what, HAND, [one.told for one in found]),  # who starts when told to
    ]


async def reloads(lab: Lab, chosen: argparse.Namespace) -> Found:
    """P12: one program ends, and another one of the same player takes its place."""
    times: dict[tuple[str, str], list[float]] = defaultdict(list)
    for run in range(chosen.runs or (1 if chosen.quick else 10)):
        for how in ["close"] if chosen.quick else ["close", "kill"]:
            for arm in [OURS, HAND][:: 1 if run % 2 == 0 else -1]:
                seconds = await reload(lab, arm, how=how)
                times[how, arm].append(seconds)
                progress(f"{run}: {how}, {arm}: back {seconds:.3f}")
    return [
        Row(
            "P12",
            f"back after {how}",
            arm,
            some,
            target=RELOAD_TARGET if (how, arm) == ("close", OURS) else None,
        )
        for (how, arm), some in times.items()
    ]


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
    report("recovery", found, as_json=chosen.json)


if __name__ == "__main__":
    asyncio.run(main())
