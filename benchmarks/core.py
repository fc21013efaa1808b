"""What a server can carry, P7, and what `import reconnect` costs, P9.

P7 is about the coordinator's own work: no network. A report of twenty is answered with a full
view, the others with a short one. Beside it is a server that keeps a dict and a timer for each
player, and does nothing else. Time is that of the processor: what else runs on the machine does
not count.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from itertools import islice, product
from pathlib import Path
from tempfile import TemporaryDirectory

from _measure import HAND, OURS, Row, options, progress, report
from _servers import ByHand, Core, Reports, Server, Whole, heartbeats
from attrs import frozen

SERVERS: dict[str, Callable[[], Server]] = {OURS: Core, "coordinator": Whole, HAND: ByHand}
SIZES = (1_000, 10_000, 100_000)
CHUNK = 20_000
TARGETS = {"decoded": 80_000, "JSON text": 40_000, "memory": 4096}
IMPORT_TARGET = 1.6
PARTS = ("reports", "import")


@frozen
class Load:
    """What one server did with so many sessions."""

    decoded: list[float]
    """Reports per second, of one piece after the other."""
    text: list[float]
    bytes: float
    """Of memory for each session."""


def carry(name: str, sessions: int, chunks: int) -> Load:
    """Fill a server and let it answer; in a process of its own, so that its memory can be seen."""
    before = resident()
    server = SERVERS[name]()
    version = server.open(sessions)
    gc.collect()
    grown = resident() - before
    pieces = heartbeats(sessions, version, CHUNK)
    decoded = [rate(server, *piece) for piece in islice(pieces, chunks)]
    server.answer = json.dumps
    text = [rate_of_text(server, *piece) for piece in islice(pieces, chunks)]
    return Load(decoded, text, grown / sessions)


def rate(server: Server, seconds: float, reports: Reports) -> float:
    """Reports per second of the processor, as objects and answered with objects."""
    began_at = time.process_time()
    server.pass_time(seconds)
    for player, message in reports:
        server.receive(player, message)
    return len(reports) / (time.process_time() - began_at)


def rate_of_text(server: Server, seconds: float, reports: Reports) -> float:
    """Reports per second of the processor, as JSON text and answered with JSON text."""
    lines = [(player, json.dumps(message)) for player, message in reports]
    began_at = time.process_time()
    server.pass_time(seconds)
    for player, line in lines:
        server.receive(player, json.loads(line))
    return len(reports) / (time.process_time() - began_at)


def resident() -> int:
    """Bytes of memory that this process has."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def loads(chosen: argparse.Namespace) -> list[Row]:
    """P7."""
    sizes = chosen.sessions or (SIZES[:1] if chosen.quick else SIZES)
    chunks = chosen.runs or (3 if chosen.quick else 20)
    found: list[Row] = []
    for sessions, arm in product(sizes, SERVERS):
        with ProcessPoolExecutor(1) as pool:
            load = pool.submit(carry, arm, sessions, chunks).result()
        progress(f"{arm}, {sessions:,} sessions: {max(load.decoded):,.0f} reports/s at best")
        found += [
            Row("P7", f"decoded, {sessions:,} sessions", arm, load.decoded, "/s", at_least=True),
            Row("P7", f"JSON text, {sessions:,} sessions", arm, load.text, "/s", at_least=True),
            Row("P7", f"memory, {sessions:,} sessions", arm, [load.bytes], "B each"),
        ]
    for row in found:
        if row.arm == OURS:
            row.target = TARGETS[row.what.partition(",")[0]]
    return sorted(found, key=lambda row: row.what)


# structlog loads rich too, where that happens to be installed, and would look slow beside us
IMPORTING = """
import sys, time
sys.modules["rich"] = None
began_at = time.process_time()
import {}
print(time.process_time() - began_at)
"""
NEEDED = "attrs, transitions, structlog"


def imports(chosen: argparse.Namespace) -> list[Row]:
    """P9: in fresh interpreters, ours and what it is built on in turn."""
    ours: list[float] = []
    needed: list[float] = []
    with TemporaryDirectory() as compiled:
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": compiled}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        for run in range(-1, chosen.runs or (3 if chosen.quick else 20)):
            for what, found in (("reconnect", ours), (NEEDED, needed)):
                program = [sys.executable, "-c", IMPORTING.format(what)]
                seconds = float(subprocess.check_output(program, env=environment))
                if run >= 0:  # the first one compiles
                    found.append(1000 * seconds)
    ratios = [one / other for one, other in zip(ours, needed, strict=True)]
    return [
        Row("P9", "import reconnect", OURS, ours, "ms"),
        Row("P9", f"import {NEEDED}", OURS, needed, "ms"),
        Row("P9", "the one divided by the other", OURS, ratios, "", IMPORT_TARGET),
    ]


def main() -> None:
    parser = options(__doc__ or "", parts=PARTS)
    parser.add_argument("--sessions", type=int, nargs="+", help="of four players each")
    chosen = parser.parse_args()
    found: list[Row] = []
    for name, part in zip(PARTS, (loads, imports), strict=True):
        if name in chosen.only:
            found += part(chosen)
    report("core", found, as_json=chosen.json)


if __name__ == "__main__":
    main()
