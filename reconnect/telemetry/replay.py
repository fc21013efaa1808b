"""Replay: a trace, lived through again by the same code."""

from __future__ import annotations

from pathlib import Path

from attrs import define, field

from reconnect.core.session import Session
from reconnect.errors import LocalProtocolError
from reconnect.ports import Recorder
from reconnect.telemetry.trace import Began, Step, TraceError, read_trace


class DoesNotFollow(TraceError):
    """A line of a trace says what does not come of the lines before it."""


@define
class Replayed:
    """Where a trace has led."""

    sessions: dict[str, Session] = field(factory=dict)
    now: dict[str, float] = field(factory=dict)
    """The instant of each session's last line."""
    steps: int = 0


def replay(path: Path | str, *, recorder: Recorder | None = None) -> Replayed:
    """Fold a trace back to the sessions it came from; `recorder` is told all of it again.

    Raises `TraceError` at the first line that cannot be read, and `DoesNotFollow`, which is one,
    at the first whose state is not the one that the lines before it lead to.
    """
    replayed = Replayed()
    for number, line in read_trace(path):
        if isinstance(line, Began):
            session = _session(line)
            replayed.sessions[session.id] = session
            replayed.now[session.id] = line.at
            if recorder is not None:
                recorder.began(session, now=line.at)
            continue
        if line.session not in replayed.sessions:
            raise DoesNotFollow(number, f"session {line.session!r} has not begun")
        session = replayed.sessions[line.session]
        try:
            effects = session.handle(line.event, now=line.at)
        except LocalProtocolError as error:
            raise DoesNotFollow(number, str(error)) from error
        replayed.now[session.id] = line.at
        replayed.steps += 1
        _compare(number, line, session)
        if recorder is not None:
            recorder.handled(session, line.event, effects, now=line.at)
    return replayed


def _session(began: Began) -> Session:
    record = began.record
    wall = began.at + began.wall
    if not began.born:
        return Session.loaded(record, now=began.at, wall=wall)
    session = Session.born(
        record.session,
        [seat.player for seat in record.seats],
        record.policy,
        now=began.at,
        wall=wall,
        data=record.data,
    )
    session.version = record.version
    return session


def _compare(number: int, step: Step, session: Session) -> None:
    said = (step.state, step.epoch, step.version)
    came = (session.state, session.epoch, session.version)
    if said != came:
        raise DoesNotFollow(
            number, f"the trace says (state, epoch, version) {said}, its events lead to {came}"
        )
