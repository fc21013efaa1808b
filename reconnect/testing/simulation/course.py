"""The course of a session through all lives of its server, as it is seen from outside.

Its state, its outages, how long they last and when they end it: what a session, a record and a
newly started server say of these is held against what really happened.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import Any

import attrs
from attrs import define, frozen

from reconnect.core.effects import Save, SessionEffect
from reconnect.core.notices import Connected, Ended, Paused, Reconnecting, Resumed
from reconnect.core.record import Record
from reconnect.core.session import Session
from reconnect.core.table import COORDINATOR_MOVES, INITIAL, NEXT, State, Trigger
from reconnect.testing.simulation.faulty import FaultyTable

MOVES: dict[type[Any], Trigger] = {
    Paused: Trigger.PAUSE,
    Reconnecting: Trigger.RECOVER,
    Resumed: Trigger.RESUME,
    Connected: Trigger.CONNECT,
    Ended: Trigger.END,
}
WAITING = (State.PAUSED, State.RECONNECTING, State.RESUMED)
OVER = (State.CONNECTED, State.ENDED)
READING = 0.05  # s that a record may be on its way from the store while another is written
DRIFT = 0.02  # by which the clocks of two servers, and the wall clock, run apart
DIGIT = 1e-4  # s; sums of durations differ in their last digits


class LawBroken(AssertionError):
    """An invariant does not hold: the sentence names it."""


def law(holds: object, sentence: str) -> None:
    """Raise `LawBroken` unless it holds."""
    if not holds:
        raise LawBroken(sentence)


@frozen
class Account:
    """What the pauses of the session have been."""

    opened_at: float | None = None
    ends_at: float | None = None
    total: float = 0.0
    outages: int = 0


@frozen
class Told:
    """Where the coordinator was when it ordered a save."""

    account: Account
    state: State
    ends_at_wall: float | None = None
    """The deadline on the wall clock, which the next process goes by."""


@define(eq=False)
class Course:
    """Fails where a session is not what it was, or has been."""

    table: FaultyTable
    account: Account = Account()
    state: State = INITIAL
    _ordered: dict[int, tuple[Record, Told]] = attrs.Factory(dict)
    _stored: dict[int, Told] = attrs.Factory(dict)
    """By the version of the record; the store may be read while it is written."""
    _latest: tuple[int, float] = (0, -inf)
    """The version that was saved last, and when."""

    def moved(self, trigger: Trigger, now: float) -> State:
        """The coordinator has told its application so; returns the state before."""
        source = self.state
        law((source, trigger) in COORDINATOR_MOVES, f"no move: {trigger} in {source}")
        self.state = NEXT[source, trigger]
        account = self.account
        if source is State.CONNECTED and self.state is State.PAUSED:
            self.account = Account(now, None, account.total, account.outages + 1)
        elif self.state in OVER and account.opened_at is not None:
            total = account.total + now - account.opened_at
            self.account = Account(None, None, total, account.outages)
        return source

    def goes_on(self) -> None:
        """Somebody was dropped: the others have another deadline from now on."""
        self.account = attrs.evolve(self.account, ends_at=None)

    def check(self, session: Session) -> None:
        """Hold the session against it."""
        law(self.state is session.state, "the session is not where it says it is")
        if self.account.opened_at is not None:
            ends_at = self.account.ends_at or session.ends_at
            law(session.ends_at == ends_at, "I5d: the deadline of an outage was put off")
            self.account = attrs.evolve(self.account, ends_at=ends_at)
        if session.state in WAITING:
            pending = session.ends_at is not None or session.policy.start_timeout is None
            law(pending, "D: all wait, and no deadline is pending")
        else:
            law(session.ends_at is None, "D: a deadline is pending, and nothing waits")
        exact = abs(session.paused_total - self.account.total) < DIGIT
        law(exact, "P: the pauses do not add up")
        law(session.outages == self.account.outages, "I8: one outage is one record")

    # -- the store and the server's lives ----------------------------------------------------------

    def ordered(self, session: Session, effects: Sequence[SessionEffect], now: float) -> None:
        """What is to be saved is where the session is now."""
        if effects and isinstance(effects[0], Save):
            record = effects[0].record
            ends_at = None if session.ends_at is None else session.ends_at + self._wall(now)
            self._ordered[id(record)] = record, Told(self.account, self.state, ends_at)

    def saved(self, record: Record) -> None:
        """The store has it."""
        told = self._stored.get(record.version - 1)
        if id(record) in self._ordered:
            told = self._ordered[id(record)][1]
        if told is not None:  # otherwise it is the first
            self._stored[record.version] = told
            self._latest = record.version, self.table.runtime.now()

    def loaded(self, session: Session, now: float) -> None:
        """A session was read from the store, by the next server or after a failure."""
        latest, saved_at = self._latest
        read = session.version == latest or self.table.runtime.now() < saved_at + READING
        law(read, "an older record was loaded than was saved")
        told = self._stored.get(session.version, Told(Account(), INITIAL))
        self.account, self.state = told.account, told.state
        law(session.state is self.state, "another session was loaded than was saved")
        if session.version in self._stored:
            self._check_deadline(session, told.ends_at_wall, now)
        if self.account.opened_at is not None:
            # what the wall clock says now is what is known of the time before
            law(
                session.outage_started_at is not None and session.outage_started_at <= now,
                "P: the outage began later than now",
            )
            self.account = attrs.evolve(
                self.account, opened_at=session.outage_started_at, ends_at=session.ends_at
            )

    def _check_deadline(self, session: Session, ends_at_wall: float | None, now: float) -> None:
        """It is what it was on the wall clock, unless that has jumped over all that it can be."""
        policy = session.policy
        if ends_at_wall is None or session.ends_at is None:
            law(ends_at_wall is session.ends_at, "D: a restart made, or unmade, a deadline")
            return
        starting = session.outage_started_at is None
        longest = max(policy.outage_timeout, (policy.start_timeout or inf) if starting else 0.0)
        expected = min(max(ends_at_wall - self._wall(now), now), now + longest)
        drift = DIGIT + DRIFT * self.table.runtime.now()
        law(abs(session.ends_at - expected) < drift, "I5d: a restart moved the deadline")

    def _wall(self, now: float) -> float:
        """What is added to an instant of the present server to get its wall-clock time."""
        return self.table.wall() - now
