"""Trace: every event of every session, with its instant, as lines of JSON.

A trace is enough to live through a session again (see `replay`), so it is a bug report by itself.
It holds no token and no digest of one, nothing of the game's own traffic, and no address.

The first line is a header. Each other line has `at`, seconds of the coordinator's monotonic
clock, and `session`; then either `began` (the whole record, and `wall`, what to add to `at` for
wall-clock time) or `event` with the `state`, `epoch` and `version` that it led to.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from math import inf
from pathlib import Path
from typing import Any, assert_never

from attrs import define, field, frozen

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
from reconnect.core.messages import PROTOCOL_VERSION, Report
from reconnect.core.record import Record, record_from_json, record_to_json
from reconnect.core.session import Session
from reconnect.core.table import State
from reconnect.core.wire import encode
from reconnect.errors import LocalProtocolError, RemoteProtocolError, StoreError

TRACE_FORMAT = 1


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
    """A recorder that appends to a file; every change of a record is flushed to the system.

    Raises `OSError` when the file cannot be opened.
    """

    path: Path = field(converter=Path)
    _file: Any = field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self._file = self.path.open("a", encoding="utf-8")
        if self._file.tell() == 0:
            self._write({"trace": TRACE_FORMAT, "protocol": PROTOCOL_VERSION, "clock": "monotonic"})
            self._file.flush()

    def began(self, session: Session, *, now: float) -> None:
        record = record_to_json(session.record(now))
        for seat in record["seats"]:
            seat["token_digest"] = None
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
        if any(isinstance(effect, Save) for effect in effects):
            self._file.flush()

    def close(self) -> None:
        self._file.close()

    def _write(self, line: dict[str, Any]) -> None:
        self._file.write(json.dumps(line, separators=(",", ":")) + "\n")


def read_trace(path: Path | str) -> Iterator[tuple[int, Began | Step]]:
    """What a trace says, with line numbers; raises `TraceError` at a line it cannot read.

    A last line that was cut short by a crash is left out.
    """
    with Path(path).open(encoding="utf-8") as file:
        for number, text in enumerate(file, start=1):
            if not text.endswith("\n"):
                return
            try:
                line = json.loads(text)
                if "trace" in line:
                    if line["trace"] != TRACE_FORMAT:
                        raise TraceError(number, f"format {line['trace']}, not {TRACE_FORMAT}")
                    continue
                yield number, _line(line)
            except (ValueError, KeyError, TypeError, RemoteProtocolError, StoreError) as error:
                if isinstance(error, TraceError):
                    raise
                raise TraceError(number, f"{type(error).__name__}: {error}") from error


def _line(line: dict[str, Any]) -> Began | Step:
    if "began" in line:
        return Began(line["at"], line["wall"], line["born"], record_from_json(line["began"]))
    return Step(
        line["at"],
        line["session"],
        _event_from_json(line["event"]),
        State(line["state"]),
        line["epoch"],
        line["version"],
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
            report = decode_from_client(form["report"])
            assert isinstance(report, Report)
            return ReportArrived(form["conn"], form["player"], report, form["held"])
        case "closed":
            return ConnectionClosed(form["conn"])
        case "time":
            return TimePassed()
        case "frame":
            return FrameReached(form["frame"])
        case "token":
            return TokenIssued(form["player"], "")
        case "end":
            return ApplicationEnded(form["reason"])
        case other:
            raise ValueError(f"no event is called {other!r}")
