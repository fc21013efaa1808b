"""Several recorders as one."""

from __future__ import annotations

from collections.abc import Sequence

from reconnect.core.effects import SessionEffect
from reconnect.core.events import SessionEvent
from reconnect.core.session import Session
from reconnect.ports import Recorder


class Recorders:
    """Tells each of its recorders everything, in order."""

    def __init__(self, *recorders: Recorder) -> None:
        self._recorders = recorders

    def began(self, session: Session, *, now: float) -> None:
        for recorder in self._recorders:
            recorder.began(session, now=now)

    def handled(
        self, session: Session, event: SessionEvent, effects: Sequence[SessionEffect], *, now: float
    ) -> None:
        for recorder in self._recorders:
            recorder.handled(session, event, effects, now=now)

    def close(self) -> None:
        for recorder in self._recorders:
            recorder.close()
