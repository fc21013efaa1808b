"""`reconnect demo`: reads its options, runs the play on a stage, and says what came of it."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from math import inf

from rich.console import Console

from reconnect.demo.director import DemoFailed, Director
from reconnect.demo.stage import Stage
from reconnect.demo.verdict import FAULTS, Plan
from reconnect.errors import PolicyError

INTERRUPTED = 130  # what a shell says of a program that was stopped by Ctrl-C


def main(arguments: list[str] | None = None) -> int:
    """Run the demo; 0 if all was as it should be, 1 if not, 2 if it could not be shown."""
    try:
        return _demo(_parser().parse_args(arguments))
    except KeyboardInterrupt:
        return INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    demo = argparse.ArgumentParser(
        prog="reconnect demo",
        description="A real game over real WebRTC, whose wire is cut and which comes back.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    demo.add_argument("--players", type=int, choices=(2, 3, 4), default=2, help="how many play")
    demo.add_argument(
        "--outage", type=_outage, default=3.0, metavar="SECONDS|forever", help="how long the cut is"
    )
    demo.add_argument(
        "--timeout", type=float, default=30.0, help="seconds until an outage ends the game"
    )
    demo.add_argument(
        "--path",
        choices=("same", "fresh"),
        default="same",
        help="whether the old flows come back, or only new ones get through",
    )
    demo.add_argument(
        "--fault",
        choices=FAULTS,
        default="link",
        help="what is cut; or whose program starts again; or the server is killed",
    )
    demo.add_argument(
        "--down", type=float, default=2.0, help="seconds until a killed server starts again"
    )
    demo.add_argument("--seed", type=int, default=1, help="of the game")
    demo.add_argument(
        "--json", action="store_true", help="print one JSON object with all measurements, last"
    )
    return demo


def _outage(text: str) -> float:
    seconds = inf if text == "forever" else float(text)
    if not seconds > 0:
        raise argparse.ArgumentTypeError(f"{text} is neither `forever` nor a number above 0")
    return seconds


def _demo(options: argparse.Namespace) -> int:
    plan = Plan(
        players=options.players,
        outage=options.outage,
        timeout=options.timeout,
        path=options.path,
        fault=options.fault,
        down=options.down,
        seed=options.seed,
    )
    console = Console(stderr=options.json, highlight=False)
    try:
        plan.policy  # noqa: B018 - it is made to be checked
        return asyncio.run(_show(plan, console, as_json=options.json))
    except PolicyError as error:
        console.print(f"reconnect demo: {error}", style="red")
    except DemoFailed as error:
        console.print(f"reconnect demo: {error}", style="red")
    return 2


async def _show(plan: Plan, console: Console, *, as_json: bool) -> int:
    stage: Stage
    director = Director(plan, lambda at, who, what: stage.line(at, who, what))
    stage = Stage(plan, director.timeline.players, console=console)
    stage.watch(director.timeline)
    with stage:
        verdict = await director.run()
    stage.verdict(verdict)
    if as_json:
        sys.stdout.write(json.dumps(verdict.to_json()) + "\n")
    return 0 if verdict.right else 1


if __name__ == "__main__":
    sys.exit(main())
