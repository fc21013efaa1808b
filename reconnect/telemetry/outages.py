"""Outages: a recorder that keeps one record of each time play stopped for all.

Folded from what sessions handle, live or from a trace; the same events give the same records.
"""

from __future__ import annotations

from collections.abc import Sequence

from attrs import define, field

from reconnect.core.effects import SessionEffect
from reconnect.core.events import SessionEvent
from reconnect.core.session import Session
from reconnect.core.table import State
from reconnect.telemetry.account import Account
from reconnect.telemetry.outage import Outage

ENDED_MAX = 1_000  # sessions; an Exporter has written them down long before


@define
class Outages:
    """The outages of all sessions that live, and of the last `ended_max` that have ended."""

    ended_max: int = ENDED_MAX
    forgotten: int = 0
    """How many ended sessions are no longer kept."""
    _accounts: dict[str, Account] = field(factory=dict)
    _ended: dict[str, None] = field(factory=dict)
    """The sessions that have ended, in this order."""

    @property
    def outages(self) -> list[Outage]:
        """All outages, session by session."""
        return [outage for account in self._accounts.values() for outage in account.outages]

    def account(self, session: str) -> Account | None:
        """What is kept of a session; None if nothing is."""
        return self._accounts.get(session)

    def accounts(self) -> list[Account]:
        """What is kept of each session."""
        return list(self._accounts.values())

    def of(self, session: str) -> list[Outage]:
        """The outages of one session, oldest first."""
        account = self._accounts.get(session)
        return [] if account is None else list(account.outages)

    # -- the recorder's port ---------------------------------------------------------------------

    def began(self, session: Session, *, now: float) -> None:
        """A session that is loaded in the middle of an outage goes on with its record."""
        account = self._accounts.get(session.id)
        over = account is not None and account.reason is not None
        if over and session.state is State.ENDED:
            return  # all is known of it
        if account is None or over:
            # an id may be used again when the session that had it has ended
            self._ended.pop(session.id, None)
            self._accounts[session.id] = account = Account.of(session)
        account.began(session, now)
        self._note_end(account)

    def handled(
        self, session: Session, event: SessionEvent, effects: Sequence[SessionEffect], *, now: float
    ) -> None:
        account = self._accounts.get(session.id)
        if account is None:
            return  # ended long ago
        account.handled(session, event, effects, now)
        self._note_end(account)

    def close(self) -> None:
        """There is nothing to close."""

    def _note_end(self, account: Account) -> None:
        if account.reason is None or account.session in self._ended:
            return
        self._ended[account.session] = None
        if len(self._ended) > self.ended_max:
            oldest = next(iter(self._ended))
            del self._ended[oldest], self._accounts[oldest]
            self.forgotten += 1
