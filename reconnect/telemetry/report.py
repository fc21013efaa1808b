"""Report: what the outages of many sessions came to, from the files of an `Exporter`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median, quantiles

from attrs import frozen

from reconnect.core.table import State
from reconnect.errors import LocalProtocolError

ALL = "all"


class NoExport(LocalProtocolError, ValueError):
    """A file is none that an `Exporter` has written."""

    def __init__(self, path: Path, detail: str) -> None:
        self.path = path
        super().__init__(f"{path} is no export of a session: {detail}")


@frozen
class Past:
    """What is taken from an outage that is over."""

    cause: str
    paused_s: float
    survived: bool


@frozen
class Row:
    """What the outages of one cause, or all, came to; durations are seconds."""

    cause: str
    outages: int
    survived: float
    """The share after which the game went on."""
    median: float
    p90: float
    longest: float


@frozen
class Report:
    """What many sessions came to."""

    sessions: int
    rows: tuple[Row, ...]
    """By cause, the most frequent first; the last is of all. Without outages there is none."""

    def lines(self) -> Iterator[str]:
        """The report as text."""
        outages = self.rows[-1].outages if self.rows else 0
        yield f"sessions: {self.sessions}; outages: {outages}"
        if self.rows:
            heads = ("outages", "survived", "median s", "p90 s", "longest s")
            yield f"{'cause':<16}" + "".join(f"{head:>10}" for head in heads)
        for row in self.rows:
            times = "".join(f"{one:>10.2f}" for one in (row.median, row.p90, row.longest))
            yield f"{row.cause:<16}{row.outages:>10}{row.survived:>10.1%}{times}"


def report(folder: Path | str) -> Report:
    """Sum up the exports in a folder, without outages that were not over when they were written.

    Raises `NoExport` for a JSON file that is none, or `OSError`.
    """
    sessions: set[str] = set()
    outages: list[Past] = []
    for path in sorted(Path(folder).iterdir()):
        if path.suffix == ".json":
            session, some = _read(path)
            sessions.add(session)
            outages += some
    causes: dict[str, list[Past]] = {}
    for outage in outages:
        causes.setdefault(outage.cause, []).append(outage)
    by_number = sorted(causes.items(), key=lambda item: (-len(item[1]), item[0]))
    rows = [_row(cause, some) for cause, some in by_number]
    return Report(len(sessions), (*rows, _row(ALL, outages)) if outages else ())


def _read(path: Path) -> tuple[str, list[Past]]:
    try:
        form = json.loads(path.read_text("utf-8"))
        return str(form["provenance"]["session"]), [
            Past(str(one["cause"]), float(one["paused_s"]), one["outcome"] == State.CONNECTED)
            for one in form["session"]["outages"]
            if one["outcome"] is not None
        ]
    except (ValueError, KeyError, TypeError) as error:
        raise NoExport(path, f"{type(error).__name__}: {error}") from error


def _row(cause: str, outages: Sequence[Past]) -> Row:
    lengths = [one.paused_s for one in outages]
    p90 = quantiles(lengths, n=10, method="inclusive")[-1] if len(lengths) > 1 else lengths[0]
    share = sum(one.survived for one in outages) / len(outages)
    return Row(cause, len(outages), share, median(lengths), p90, max(lengths))
