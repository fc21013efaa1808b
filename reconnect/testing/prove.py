"""What `reconnect prove` runs: a whole search, a hunt for planted bugs, and games of fresh seeds.

It may be stopped at any time and goes on where it was: what has been proven is kept in a folder.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from math import inf
from pathlib import Path

from reconnect.errors import LocalProtocolError
from reconnect.testing.exhaustive import CASES, explore
from reconnect.testing.proof import Proof
from reconnect.testing.simulation.planted import BUGS, RARE, SURVIVORS, hunt
from reconnect.testing.simulation.tally import played, workers

FIRST = 1_000_000  # smaller seeds belong to the tests that run with every change
SEEDS = 10_000
HUNT_SEEDS = 10_000  # for each planted bug
HUNT_SECONDS = 180.0
PARTS = ("search", "planted", "games")
WIDTH = 24  # of the bar


class Prover:
    """One call of the command."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.jobs: int = options.jobs
        self.seeds: int = options.seeds
        self.until = time.monotonic() + (inf if options.minutes is None else options.minutes * 60)
        self.folder = Path(options.folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.proof = Proof.kept(self.folder, first=options.first)
        self._since = time.monotonic()

    def run(self, parts: Sequence[str]) -> None:
        """Do what is not done yet, in this order, and keep what comes of it."""
        todo: dict[str, Callable[[], None]] = {
            "search": self._search,
            "planted": self._hunt,
            "games": self._play,
        }
        for part in PARTS:
            if part in parts:
                todo[part]()
                self._keep()

    def _keep(self) -> None:
        now = time.monotonic()
        self.proof.seconds += now - self._since
        self._since = now
        self.proof.keep(self.folder)

    # -- the parts ---------------------------------------------------------------------------------

    def _search(self) -> None:
        todo = [case for case in CASES if str(case) not in self.proof.complete]
        with workers(self.jobs) as pool:
            for case, explored in zip(todo, pool.map(explore, todo), strict=True):
                self.proof.add_search(str(case), explored)
                self._keep()
                _say(str(explored))

    def _hunt(self) -> None:
        found, self.proof.planted_missed = self.proof.planted_found, []
        spared = RARE | SURVIVORS | found.keys()
        todo = [name for name in BUGS if name not in spared]
        with workers(self.jobs) as pool:
            for name, seeds in zip(todo, pool.map(_hunted, todo), strict=True):
                if seeds is None:
                    self.proof.planted_missed.append(name)
                else:
                    self.proof.planted_found[name] = seeds
                self._keep()
                _say(f"planted {name}: {'MISSED' if seeds is None else f'found in {seeds} games'}")

    def _play(self) -> None:
        proof = self.proof
        seeds = range(proof.first + proof.seeds, proof.first + self.seeds)
        began, before = time.monotonic(), proof.seeds
        for tally in played(seeds, jobs=self.jobs):
            proof.add_games(tally, self.folder)
            self._keep()
            now = time.monotonic()
            pace = (proof.seeds - before) / (now - began)
            _show(proof.seeds / self.seeds, f"{pace:.1f} seeds/s, {len(proof.violations)} broken")
            if now > self.until:
                break
        _say("")


def _hunted(bug: str) -> int | None:
    found = hunt(BUGS[bug], range(FIRST, FIRST + HUNT_SEEDS), seconds=HUNT_SECONDS)
    return None if found is None else found.seeds


# -- what is seen of it ----------------------------------------------------------------------------


def _show(share: float, words: str) -> None:
    if sys.stderr.isatty():
        full = round(min(1.0, share) * WIDTH)
        sys.stderr.write(f"\r{'█' * full}{'·' * (WIDTH - full)} {share:6.1%}  {words}  ")
        sys.stderr.flush()


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="reconnect prove", description=__doc__)
    parser.add_argument("--seeds", type=_count, default=SEEDS, help="how many games in all")
    parser.add_argument("--minutes", type=_minutes, help="after which no new game is begun")
    parser.add_argument("--jobs", type=_count, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--first", type=int, default=FIRST, metavar="SEED", help="of the games")
    parser.add_argument(
        "--only",
        nargs="+",
        choices=PARTS,
        default=PARTS,
        metavar="PART",
        help=f"some of {', '.join(PARTS)}",
    )
    parser.add_argument("--folder", default="proof", help="where what is proven is kept")
    parser.add_argument("--json", action="store_true", help="print one JSON object at the end")
    return parser.parse_args(arguments)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is no number of 1 or more")
    return int(text)


def _minutes(text: str) -> float:
    with suppress(ValueError):
        if 0 < (minutes := float(text)) < inf:
            return minutes
    raise argparse.ArgumentTypeError(f"{text} is no number of more than 0")


def main(arguments: Sequence[str] | None = None) -> int:
    """0 if all is proven, 1 if something was found or is missing, 2 if called wrongly.

    130 if it was stopped.
    """
    options = _options(arguments)
    try:
        prover = Prover(options)
    except (LocalProtocolError, OSError, ValueError) as error:
        _say(f"reconnect prove: {error}")
        return 2
    status = 0
    try:
        prover.run(options.only)
    except KeyboardInterrupt:
        _say(f"stopped; what was proven is kept in {prover.folder}, call again to go on")
        status = 130
    proof = prover.proof
    if options.json:
        sys.stdout.write(json.dumps(proof.to_json(), indent=1) + "\n")
    else:
        sys.stdout.write("\n".join(proof.lines()) + "\n")
    return status or (0 if proof.good else 1)


if __name__ == "__main__":
    sys.exit(main())
