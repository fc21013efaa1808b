"""Trace: every event of every session, with its instant, as lines of JSON.

A trace is enough to live through a session again (see `replay`), so it is a bug report by itself.
It holds no token and no digest of one, nothing of the game's own traffic, and no address.

Each process that writes to it begins with a header: what wrote it, and by which clocks. Each
other line has `at`, seconds of the coordinator's monotonic clock, and `session`; then either
`began` (the whole record, and `wall`, what to add to `at` for wall-clock time) or `event` with the
`state`, `epoch` and `version` that it led to.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from math import inf
from pathlib import Path
from typing import Any, assert_never

from attrs import define, field, frozen

from reconnect.core.checks import flag, identity, real, whole, word
from reconnect.core.decode import decode_from_client
from reconnect.core.effects import Save, SessionEffect
from reconnect.core.events import (
    ApplicationEnded,
    ConnectionClosed,
    FrameReached,
    ReportArrived,
    SessionEvent,
    TimePassed,
    TokenIssued,
)
from reconnect.core.messages import Report
from reconnect.core.record import Record, record_from_json, record_to_json
from reconnect.core.session import Session
from reconnect.core.table import State
from reconnect.core.wire import encode
from reconnect.errors import LocalProtocolError, RemoteProtocolError, StoreError
from reconnect.telemetry.provenance import provenance, without_servers

TRACE_FORMAT = 1
TAIL = 1 << 16  # bytes in which the end of the last whole line is looked for at a time


class TraceError(LocalProtocolError, ValueError):
    """A line of a trace cannot be read, or says what did not come of the lines before it."""

    def __init__(self, line: int, detail: str) -> None:
        self.line = line
        self.detail = detail
        super().__init__(f"line {line}: {detail}")


@frozen
class Began:
    """A session is in the process from now on."""

    at: float
    wall: float
    born: bool
    """Newly opened, rather than loaded from a store."""
    record: Record


@frozen
class Step:
    """A session handled an event, and was so afterwards."""

    at: float
    session: str
    event: SessionEvent
    state: State
    epoch: int
    version: int


@define
class TraceWriter:
    """A recorder that appends to a file.

    Every change of a session's record is flushed to the system, and so is what clients saw, which
    they do not repeat once it has been heard. A line that a crash has left unfinished is cut off
    first. Raises `OSError` when the file cannot be opened. `wall` gives seconds since the epoch;
    only tests need another.
    """

    path: Path = field(converter=Path)
    wall: Callable[[], float] = field(default=time.time, kw_only=True)
    _file: Any = field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        _cut_off_unfinished(self.path)
        self._file = self.path.open("a", encoding="utf-8")
        self._write({"trace": TRACE_FORMAT, **provenance(written_at=self.wall())})
        self._file.flush()

    def began(self, session: Session, *, now: float) -> None:
        record = record_to_json(session.record(now))
        for seat in record["seats"]:
            seat["token_digest"] = None
        record["policy"] = without_servers(record["policy"])
        born = all(member.last_report_at == -inf for member in session.members.values())
        self._write(
            {
                "at": now,
                "session": session.id,
                "began": record,
                "born": born,
                "wall": session.wall_offset,
            }
        )
        self._file.flush()

    def handled(
        self, session: Session, event: SessionEvent, effects: Sequence[SessionEffect], *, now: float
    ) -> None:
        self._write(
            {
                "at": now,
                "session": session.id,
                "event": _event_to_json(event, session.id),
                "state": str(session.state),
                "epoch": session.epoch,
                "version": session.version,
            }
        )
        facts = isinstance(event, ReportArrived) and event.report.facts
        if facts or any(isinstance(effect, Save) for effect in effects):
            self._file.flush()

    def close(self) -> None:
        self._file.close()

    def _write(self, line: dict[str, Any]) -> None:
        self._file.write(json.dumps(line, separators=(",", ":")) + "\n")


def _cut_off_unfinished(path: Path) -> None:
    """Let the file end with a whole line, so that what is appended begins a new one."""
    if not path.is_file():
        return
    with path.open("r+b") as file:
        end = file.seek(0, os.SEEK_END)
        while end > 0:
            start = max(0, end - TAIL)
            file.seek(start)
            last = file.read(end - start).rfind(b"\n")
            if last >= 0:
                end = start + last + 1
                break
            end = start
        file.truncate(end)


def read_trace(path: Path | str) -> Iterator[tuple[int, Began | Step]]:
    """What a trace says, with line numbers; raises `TraceError` at a line it cannot read.

    A last line that was cut short by a crash is left out.
    """
    number = 0
    # what is no UTF-8 is no JSON either, and shall be said with its line
    with Path(path).open(encoding="utf-8", errors="surrogateescape") as file:
        for number, text in enumerate(file, start=1):
            if not text.endswith("\n"):
                break
            try:
                line = _line(json.loads(text), first=number == 1)
            except (ValueError, KeyError, TypeError, RemoteProtocolError, StoreError) as error:
                raise TraceError(number, f"{type(error).__name__}: {error}") from error
            if line is not None:
                yield number, line
    if number == 0:
        raise TraceError(1, "the file is empty")


def _line(line: dict[str, Any], *, first: bool) -> Began | Step | None:
    """What a line says; None for a header."""
    if "trace" in line:
        if line["trace"] != TRACE_FORMAT:
            raise ValueError(f"format {line['trace']}, not {TRACE_FORMAT}")
        return None
    if first:
        raise ValueError("the first line is no header")
    at = real(line["at"], "at")
    if "began" in line:
        wall, born = real(line["wall"], "wall"), flag(line["born"], "born")
        return Began(at, wall, born, record_from_json(line["began"]))
    return Step(
        at,
        identity(line["session"], "session"),
        _event_from_json(line["event"]),
        State(line["state"]),
        whole(line["epoch"], "epoch"),
        whole(line["version"], "version"),
    )


def _event_to_json(event: SessionEvent, session: str) -> dict[str, Any]:
    match event:
        case ReportArrived(conn, player, report, held):
            form = encode(report, session=session)
            return {"is": "report", "conn": conn, "player": player, "held": held, "report": form}
        case ConnectionClosed(conn):
            return {"is": "closed", "conn": conn}
        case TimePassed():
            return {"is": "time"}
        case FrameReached(frame):
            return {"is": "frame", "frame": frame}
        case TokenIssued(player):
            return {"is": "token", "player": player}
        case ApplicationEnded(reason):
            return {"is": "end", "reason": reason}
        case _:
            assert_never(event)


def _event_from_json(form: dict[str, Any]) -> SessionEvent:
    match form["is"]:
        case "report":
            conn, player = whole(form["conn"], "conn"), identity(form["player"], "player")
            report = decode_from_client(form["report"])
            if not isinstance(report, Report):
                raise ValueError("report is none")
            return ReportArrived(conn, player, report, real(form["held"], "held"))
        case "closed":
            return ConnectionClosed(whole(form["conn"], "conn"))
        case "time":
            return TimePassed()
        case "frame":
            return FrameReached(whole(form["frame"], "frame"))
        case "token":
            return TokenIssued(identity(form["player"], "player"), "")
        case "end":
            return ApplicationEnded(word(form["reason"], "reason"))
        case other:
            raise ValueError(f"no event is called {other!r}")
