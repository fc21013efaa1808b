"""Export: what happened to a session, as a file for those who study it.

One JSON file for each session, with three parts: `provenance` says by what it was written;
`session` is everything that is known; `reconnection` is the short form that researchers' exports
have. The server writes it, so that a page which is lost takes nothing with it.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeAlias
from weakref import WeakKeyDictionary

from attrs import define, field

from reconnect.core.effects import SessionEffect
from reconnect.core.events import SessionEvent
from reconnect.core.messages import Reason
from reconnect.core.policy_wire import policy_to_wire
from reconnect.core.session import Session
from reconnect.core.table import State
from reconnect.errors import LocalProtocolError
from reconnect.telemetry.account import Account
from reconnect.telemetry.outage import Outage
from reconnect.telemetry.outages import Outages
from reconnect.telemetry.provenance import provenance, without_servers

PLAIN_NAME = re.compile("[a-z0-9][a-z0-9_-]{0,99}")
"""An id that can be a file's name everywhere, also where `A` and `a` are one file."""
LATE_DELAY = 0.2  # s; a client that tells without end costs no more than five files a second
READABLE = 60  # characters of an id that needs a name of its own
TIMEOUTS = frozenset({Reason.TIMEOUT, Reason.BUDGET_SPENT})


Edition: TypeAlias = tuple[str | None, int]
"""What tells one state of an account from another: its reason, and its revision."""


class NotRecorded(LocalProtocolError, LookupError):
    """Nothing is kept of this session: it is unknown here, or has ended long ago."""

    def __init__(self, session: str) -> None:
        self.session = session
        super().__init__(f"nothing is kept of session {session!r}")


def export(account: Account, *, written_at: float) -> dict[str, Any]:
    """All that is known of a session; `written_at` is wall-clock seconds."""
    return {
        "provenance": {
            **provenance(written_at=written_at),
            "session": account.session,
            "policy": without_servers(policy_to_wire(account.policy)),
        },
        "session": account.to_json(),
        **reconnection(account),
    }


def reconnection(account: Account) -> dict[str, Any]:
    """The short form: times are milliseconds, instants counted from 1970.

    `disconnections` has an entry for each end that lost a link; where no link was lost there is
    one for the outage, and `detectingPeer` is null: it was the coordinator. `attempts` has an
    entry for each outage that was mended (`success`) or ended the game (`timeout`), when that was
    known, with the number of attempts in it. An outage that something else ended, or that lasts,
    is in neither of the two; the total is of all that are over.
    """
    return {
        "reconnection": {
            "disconnections": [one for outage in account.outages for one in _lost(outage)],
            "attempts": [one for outage in account.outages for one in _tried(outage)],
            "totalPauseDurationMs": round(account.paused_s * 1000),
        }
    }


def _lost(outage: Outage) -> list[dict[str, Any]]:
    if not outage.losses:
        return [
            {
                "timestamp": _ms(outage.started_at),
                "frame": outage.frame,
                "detectingPeer": None,
                "iceState": None,
                "dcState": None,
            }
        ]
    return [
        {
            "timestamp": _ms(one.at),
            "frame": one.count("frame"),
            "detectingPeer": one.player,
            "iceState": one.word("ice"),
            "dcState": {True: "open", False: "closed", None: None}[one.flag("channel")],
        }
        for one in outage.losses
    ]


def _tried(outage: Outage) -> list[dict[str, Any]]:
    outcomes = {str(State.CONNECTED): "success", **dict.fromkeys(map(str, TIMEOUTS), "timeout")}
    if outage.paused_s is None or outage.outcome not in outcomes:
        return []
    return [
        {
            "timestamp": _ms(outage.ended_at),
            "duration": round(outage.paused_s * 1000),
            "outcome": outcomes[outage.outcome],
            "attempts": len(outage.attempts),
        }
    ]


def _ms(instant: float) -> int:
    return round(instant * 1000)


@define(eq=False)
class Exporter:
    """A recorder that writes a file for each session into `folder`, as soon as it has ended.

    If more is told of a session after its end, its file is written again, with the next event of
    any session or when the coordinator closes. Sessions that go on then are written if they have
    had an outage. A file is written whole or not
    at all, and one that this exporter has not written itself is never replaced: the next one for
    the session `game` is `game.2.json`.

    `outages` is told by the exporter and by nobody else; give one that a trace was replayed into
    to go on with its records. `wall` gives seconds since the epoch; only tests need another.
    Raises `OSError` if the folder cannot be made.
    """

    folder: Path = field(converter=Path)
    outages: Outages = field(factory=Outages)
    wall: Callable[[], float] = field(default=time.time, kw_only=True)
    _paths: WeakKeyDictionary[Account, Path] = field(init=False, factory=WeakKeyDictionary)
    _written: WeakKeyDictionary[Account, Edition] = field(init=False, factory=WeakKeyDictionary)
    """What of each account need not be written any more."""
    _due: dict[Account, float] = field(init=False, factory=dict)
    """When an account of a session that has ended is to be written, on the coordinator's clock."""

    def __attrs_post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)

    def write(self, session: str) -> Path:
        """Write what is known of a session now, which may go on, and say where.

        Raises `NotRecorded`, or `OSError`.
        """
        account = self.outages.account(session)
        if account is None:
            raise NotRecorded(session)
        return self._write(account)

    # -- the recorder's port ---------------------------------------------------------------------

    def began(self, session: Session, *, now: float) -> None:
        self.outages.began(session, now=now)
        account = self.outages.account(session.id)
        if account is not None and account.reason is not None and account not in self._due:
            self._written.setdefault(account, _edition(account))  # by an earlier process
        self._write_ended(account, now)

    def handled(
        self, session: Session, event: SessionEvent, effects: Sequence[SessionEffect], *, now: float
    ) -> None:
        self.outages.handled(session, event, effects, now=now)
        self._write_ended(self.outages.account(session.id), now)

    def close(self) -> None:
        """Write what has not been written. Raises the first `OSError`, when all have been tried."""
        errors: list[OSError] = []
        for account in self.outages.accounts():
            if account.reason is None and not account.outages:
                continue
            try:
                if self._changed(account):
                    self._write(account)
            except OSError as error:
                errors.append(error)
        if errors:
            raise errors[0]

    def _write_ended(self, account: Account | None, now: float) -> None:
        """Write at the end at once; what comes after it not for each fact that is told."""
        if account is not None and account.reason is not None and self._changed(account):
            reason, _ = self._written.get(account, (None, 0))
            self._due.setdefault(account, now if reason is None else now + LATE_DELAY)
        for one in [one for one, at in self._due.items() if now >= at]:
            del self._due[one]  # if it fails, `close` tries again
            self._write(one)

    def _changed(self, account: Account) -> bool:
        return self._written.get(account) != _edition(account)

    def _write(self, account: Account) -> Path:
        path = self._paths.get(account)
        if path is None:
            self._paths[account] = path = _unused(self.folder, _name(account.session))
        text = json.dumps(export(account, written_at=self.wall()), indent=2, allow_nan=False)
        unfinished = path.with_name(f".{path.name}.part")
        unfinished.write_text(text + "\n", "utf-8")
        unfinished.replace(path)
        self._written[account] = _edition(account)
        return path


def _edition(account: Account) -> Edition:
    return account.reason, account.revision


def _name(session: str) -> str:
    """A file's name for any id, even one with slashes in it, or of 128 Chinese characters."""
    if PLAIN_NAME.fullmatch(session):
        return session
    readable = re.sub("[^a-z0-9_]+", "-", session.lower())[:READABLE].strip("-")
    return f"{readable}-{sha256(session.encode()).hexdigest()[:16]}".lstrip("-")


def _unused(folder: Path, name: str) -> Path:
    path = folder / f"{name}.json"
    number = 2
    while path.exists():
        path = folder / f"{name}.{number}.json"
        number += 1
    return path
