"""Where log lines go: to the program's structlog, or quietly to the standard library.

Names are `reconnect.paused`, values are keys. What goes over the wire is never logged.
"""

from __future__ import annotations

import logging
import traceback
from typing import Any

import attrs
import structlog

from reconnect.core import notices
from reconnect.core.notices import SessionNotice
from reconnect.errors import ReconnectError

EVENTS: dict[type[SessionNotice], str] = {
    notices.Attached: "reconnect.attached",
    notices.Detached: "reconnect.detached",
    notices.Paused: "reconnect.paused",
    notices.Reconnecting: "reconnect.reconnecting",
    notices.Resumed: "reconnect.resumed",
    notices.Connected: "reconnect.connected",
    notices.PlayerDropped: "reconnect.player_dropped",
    notices.Ended: "reconnect.ended",
}


def quiet(logger: Any = None) -> Any:
    """`logger` itself, or the one that fits a program that gave none.

    If the program has configured structlog, that is used. Otherwise lines go to the standard
    library's logger `reconnect`, which shows what the program's own logging lets it show:
    without any, nothing. structlog is never configured here.
    """
    if logger is not None:
        return logger
    if structlog.is_configured():
        return structlog.get_logger("reconnect")
    standard = logging.getLogger("reconnect")
    if not any(isinstance(one, logging.NullHandler) for one in standard.handlers):
        standard.addHandler(logging.NullHandler())
    return structlog.wrap_logger(
        standard,
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.processors.KeyValueRenderer(key_order=["event"]),
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def told(log: Any, session: str, notice: SessionNotice) -> None:
    """Log a notice: `reconnect.paused` and so on."""
    facts = {
        name: sorted(value) if isinstance(value, frozenset) else value
        for name, value in attrs.asdict(notice, recurse=False).items()
    }
    log.info(EVENTS[type(notice)], session=session, **facts)


def facts_of(error: BaseException) -> dict[str, Any]:
    """What may be logged of an exception: its kind and where it was raised.

    Its sentence is logged only if it is one of ours; any other could quote what a player sent,
    or the address of a database with the password in it.
    """
    facts: dict[str, Any] = {"error": type(error).__name__}
    if isinstance(error, ReconnectError):
        facts["detail"] = str(error)
    if error.__traceback__ is not None:
        last = traceback.extract_tb(error.__traceback__)[-1]
        facts["where"] = f"{last.filename}:{last.lineno} in {last.name}"
    return facts
