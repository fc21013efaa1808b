"""Figures, tables and options that all benchmarks share."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from math import ceil, inf
from statistics import median
from typing import Any

from attrs import asdict, define, field

OURS = "reconnect"
HAND = "by hand"
STOCK = "stock"
ROW_HEAD = ["", "measured", "of", "unit", "n", "median", "p90", "worst", "ratio", "target", "met"]
MET = {None: "", True: "yes", False: "NO"}


@define
class Row:
    """One cell: what was measured, of whom, and how often; infinity is what never came."""

    promise: str
    what: str
    arm: str
    values: list[float] = field(factory=list)
    unit: str = "s"
    target: float | None = None
    """None where nothing is promised."""
    at_least: bool = False
    """Whether more is better."""
    ratio: float | None = None
    """The median divided by that of whom it is compared with."""

    @property
    def ordered(self) -> list[float]:
        """From the best to the worst."""
        return sorted(self.values, reverse=self.at_least)

    @property
    def median(self) -> float:
        return median(self.values)

    @property
    def p90(self) -> float:
        """What nine of ten do not exceed."""
        return self.ordered[ceil(0.9 * len(self.values)) - 1]

    @property
    def met(self) -> bool | None:
        """Whether the median reaches the target, and nine of ten are within twice of it."""
        if self.target is None:
            return None
        if self.at_least:
            return self.median >= self.target and self.p90 >= self.target / 2
        return self.median <= self.target and self.p90 <= 2 * self.target

    def to_json(self) -> dict[str, Any]:
        return {
            "promise": self.promise,
            "what": self.what,
            "arm": self.arm,
            "unit": self.unit,
            "n": len(self.values),
            "never": self.values.count(inf),
            "median": _number(self.median),
            "p90": _number(self.p90),
            "max": _number(self.ordered[-1]),
            "ratio": None if self.ratio is None else _number(self.ratio),
            "target": self.target,
            "met": self.met,
            "values": [_number(one) for one in self.values],
        }


@define
class Count:
    """How often something happened, of how many times it could have."""

    promise: str
    what: str
    arm: str
    count: int
    of: int
    wanted: str | None = None
    """`all` or `none`, where something is promised."""

    @property
    def met(self) -> bool | None:
        return {None: None, "all": self.count == self.of, "none": self.count == 0}[self.wanted]

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "met": self.met}


def compare(rows: Iterable[Row], *, with_arm: str = HAND) -> None:
    """Give each row its ratio to the other arm's row of the same name."""
    known = [row for row in rows if row.values]
    others = {(row.promise, row.what): row.median for row in known if row.arm == with_arm}
    for row in known:
        other = others.get((row.promise, row.what))
        if row.arm != with_arm and other not in (None, 0.0) and row.median < inf:
            row.ratio = row.median / other


def report(name: str, found: Sequence[Row | Count], *, as_json: bool, **more: Any) -> None:
    """Print tables; with `as_json` to standard error, and one JSON object to standard output."""
    rows = [one for one in found if isinstance(one, Row) and one.values]
    counts = [one for one in found if isinstance(one, Count)]
    notable = [one for one in counts if one.wanted or one.count]
    compare(rows)
    if rows:
        table(ROW_HEAD, [_cells(row) for row in rows], as_json=as_json)
    if notable:
        say("", as_json=as_json)
        head = ["", "counted", "of", "", "count", "among", "met"]
        table(head, [_count_cells(one) for one in notable], as_json=as_json)
    if as_json:
        result = {
            "benchmark": name,
            "machine": machine(),
            "rows": [row.to_json() for row in rows],
            "counts": [one.to_json() for one in counts],
        }
        sys.stdout.write(json.dumps({**result, **more}) + "\n")


def table(
    head: Sequence[str], body: Sequence[Sequence[str]], *, left: int = 4, as_json: bool
) -> None:
    """Columns of text: so many to the left, and numbers to the right."""
    lines = [head, *body]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    for line in lines:
        words = (
            word.ljust(width) if column < left else word.rjust(width)
            for column, (word, width) in enumerate(zip(line, widths, strict=True))
        )
        say("  ".join(words).rstrip(), as_json=as_json)


def say(text: str, *, as_json: bool) -> None:
    """A line for a person; standard output belongs to the JSON if that was asked for."""
    print(text, file=sys.stderr if as_json else sys.stdout, flush=True)


def progress(text: str) -> None:
    """A line that is of interest only while it runs."""
    print(text, file=sys.stderr, flush=True)


def options(description: str, *, parts: Sequence[str]) -> argparse.ArgumentParser:
    """A parser with the options that all benchmarks have."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--json", action="store_true", help="print one JSON object, last")
    parser.add_argument("--quick", action="store_true", help="a minute at most; shows, proves not")
    parser.add_argument("--runs", type=int, help="of each cell")
    parser.add_argument("--only", nargs="+", choices=parts, default=parts)
    return parser


def machine() -> dict[str, Any]:
    """What the figures were taken on."""
    packages = ("reconnect", "aiortc", "aioice", "python-socketio", "uvicorn")
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        **{package: version(package) for package in packages},
    }


def _cells(row: Row) -> list[str]:
    figures = [_text(one) for one in (row.median, row.p90, row.ordered[-1])]
    ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
    target = "" if row.target is None else f"{'>=' if row.at_least else '<='} {row.target:g}"
    first = [row.promise, row.what, row.arm, row.unit, str(len(row.values))]
    return [*first, *figures, ratio, target, MET[row.met]]


def _count_cells(one: Count) -> list[str]:
    met = MET[one.met]
    return [one.promise, one.what, one.arm, "", str(one.count), str(one.of), met]


def _text(value: float) -> str:
    if value == inf:
        return "never"
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"


def _number(value: float) -> float | None:
    return None if value == inf else round(value, 6)
