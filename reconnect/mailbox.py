"""Mailbox: one session's events, one after the other, and nothing told before it is durable.

While a save is under way the events that follow wait for their turn. A save that fails is a crash
of this one session: what it was about to say is never said, and its record is loaded again. It is
then saved once more, under the next version, before anybody is heard: a save that was given up may
still be on its way, and must not arrive when the session has long gone on without it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum
from functools import partial
from math import inf
from typing import Any, TypeAlias

from attrs import define, evolve

from reconnect.core.effects import Close, Save, Send, SessionEffect, Tell
from reconnect.core.events import (
    ApplicationEnded,
    FrameReached,
    ReportArrived,
    SessionEvent,
    TimePassed,
    TokenIssued,
)
from reconnect.core.messages import Reason, ShortView
from reconnect.core.notices import (
    Connected,
    Ended,
    Paused,
    Reconnecting,
    Resumed,
    SessionNotice,
)
from reconnect.core.record import Record
from reconnect.core.session import Session
from reconnect.core.table import State
from reconnect.errors import Conflict, NoSuchPlayer, SessionEnded, StoreError, StoreInUse
from reconnect.log import facts_of
from reconnect.means import Means
from reconnect.runtimes import outcome

WAITING_MAX = 1000  # 10 s of 64 players' reports; each is a whole state, and the next says it all
WAITING_PER_CONNECTION = 100  # 2 s, the longest save by default, of all that it may report
BACK_OFF_MIN = 0.05  # s; most failures of a store are over at once
BACK_OFF_MAX = 1.0  # s; a player waits for it, and a dead store has no use for more haste
FIRST_SAVES_MAX = 5  # three quarters of a second: nobody has been promised anything yet

Check: TypeAlias = Callable[[Session], bool]


class Stage(Enum):
    """What a mailbox waits for."""

    FREE = "the next event"
    SAVING = "the end of a save"
    LOST = "the time to try the store again"
    LOADING = "the end of a load"


@define
class Letter:
    """An event that waits for its turn; where `check` then says no, it never happens."""

    event: SessionEvent
    arrived_at: float
    check: Check | None = None


class Mailbox:
    """The way to one session."""

    def __init__(self, means: Means, session: Session, record: Record | Save) -> None:
        self.id = session.id
        self.policy = session.policy
        self.session: Session | None = session
        """None while it is lost."""
        self.record = record.record if isinstance(record, Save) else record
        """What is durable; before the first save is, what will be."""
        self.frame = session.frame
        """The application's own progress count; the session hears of it with its next event."""
        self._means = means
        self._stage = Stage.FREE
        self._letters: list[Letter] = []  # short, and a fraction of an empty deque
        self._draining = False
        self._first = record if isinstance(record, Save) else None
        """The save that nobody may be answered before."""
        self._order: TokenIssued | ApplicationEnded | None = None
        """What the application has ordered and is being saved."""
        self._task = 0
        """The number of the save or load under way; what ends with another number is late."""
        self._until = inf
        """When to stop waiting for what `_stage` says."""
        self._tries = 0
        self._moved = True
        """Whether the deadline may be another than the one the wheel knows."""

    @classmethod
    def opened(cls, means: Means, session: Session, *, now: float) -> Mailbox:
        """The way to a new session; `start()` begins with its first save."""
        return cls(means, session, session.first_save(now=now))

    @classmethod
    def taken_up(cls, means: Means, record: Record, *, now: float) -> Mailbox:
        """The way to a session of an earlier process."""
        return cls(means, Session.loaded(record, now=now, wall=means.wall()), record)

    def start(self) -> None:
        """Begin; called once, when everybody knows of this mailbox."""
        assert self.session is not None
        if self._first is not None:
            self._save_first()
        else:
            self._means.began(self.session, self._means.runtime.now())
        self._drain()

    @property
    def closed(self) -> bool:
        """Whether the coordinator takes no orders any more."""
        return self._means.closing

    @property
    def busy(self) -> bool:
        """Whether something that the application ordered is not durable yet."""
        return self._stage is Stage.SAVING or any(
            isinstance(letter.event, TokenIssued | ApplicationEnded) for letter in self._letters
        )

    def post(self, event: SessionEvent, check: Check | None = None) -> None:
        """Let the session hear of `event`, now or when its turn has come."""
        if isinstance(event, ReportArrived) and not self._has_room_for(event.conn):
            self._means.counters.overflowed += 1
            return
        self._letters.append(Letter(event, self._means.runtime.now(), check))
        self._drain()

    def withdraw(self, conn: int) -> None:
        """What waits to be let in on this connection, which is gone, never happens."""
        self._letters = [one for one in self._letters if one.check is None or _conn_of(one) != conn]

    def digests(self, player: str) -> set[str | None]:
        """Of the tokens that open this player's seat: as stored, and when all that waits is."""
        waiting = [letter.event for letter in self._letters]
        issued = [one for one in (self._order, *waiting) if isinstance(one, TokenIssued)]
        stored = {seat.token_digest for seat in self.record.seats if seat.player == player}
        return stored | {one.digest for one in issued if one.player == player}

    def _has_room_for(self, conn: int) -> bool:
        waiting = self._letters
        return len(waiting) < WAITING_PER_CONNECTION or (
            len(waiting) < WAITING_MAX
            and sum(_conn_of(one) == conn for one in waiting) < WAITING_PER_CONNECTION
        )

    def due(self) -> None:
        """The instant has come for which the wheel was armed; it may be too early by now."""
        now = self._means.runtime.now()
        self._moved = True
        if self._stage is Stage.FREE:
            self._time_passed(now)
        elif now >= self._until:
            self._waited_long_enough()
        self._drain()

    def _waited_long_enough(self) -> None:
        if self._stage is not Stage.LOST:
            self._crashed(StoreError(f"no answer within {self.policy.save_timeout:g} s"))
        elif self._first is not None:
            self._save_first()
        else:
            self._load()

    # -- one event after the other -----------------------------------------------------------------

    def _drain(self) -> None:
        if self._draining:
            return
        self._draining = True
        try:
            while self._stage is Stage.FREE and self._letters:
                self._take(self._letters.pop(0))
        finally:
            self._draining = False
        if self._moved:
            self._moved = False
            self._means.wheel.arm(self.id, self._next_at())
        if self._stage is Stage.FREE:
            self._means.settled(self.id)

    def _take(self, letter: Letter) -> None:
        session, event = self.session, letter.event
        assert session is not None
        now = self._means.runtime.now()
        if letter.check is not None and not letter.check(session):
            return
        if isinstance(event, ReportArrived):
            event.held = now - letter.arrived_at
        if self.frame != session.frame:
            self._handle(session, FrameReached(self.frame), now)
        self._handle(session, event, now)

    def _handle(self, session: Session, event: SessionEvent, now: float) -> None:
        try:
            effects = session.handle(event, now=now)
        except (SessionEnded, NoSuchPlayer):
            return  # an order of the application that was overtaken by the end of the session
        except Exception as error:
            self._crashed(error)
            if isinstance(event, ReportArrived):
                self._means.perform(self.id, [Close(event.conn)], 0.0)
            return
        if not (effects and isinstance(save := effects[0], Save)):
            self._deliver(session, event, effects, now)
            return
        self._order = event if isinstance(event, TokenIssued | ApplicationEnded) else None
        self._save(save, partial(self._deliver, session, event, effects, now))

    def _deliver(
        self, session: Session, event: SessionEvent, effects: Sequence[SessionEffect], at: float
    ) -> None:
        self._means.handled(session, event, effects, at)
        self._means.perform(self.id, effects, self._means.runtime.now() - at)
        # while all wait for promises even one that is answered shortly may bring the end nearer
        self._moved |= not _is_short(effects) or session.state is State.PAUSED

    def _time_passed(self, now: float) -> None:
        session = self.session
        assert session is not None
        if session.state is State.ENDED:
            if now >= self._next_at():
                self._means.expired(self.id)
        elif now >= session.deadline:
            self.post(TimePassed())

    def _next_at(self) -> float:
        if self._stage is not Stage.FREE or (session := self.session) is None:
            return self._until
        if session.state is State.ENDED and session.ended_at is not None:
            return session.ended_at + self.policy.retention
        return session.deadline

    # -- the store ---------------------------------------------------------------------------------

    def _save_first(self) -> None:
        assert self._first is not None
        assert self.session is not None
        self._save(self._first, partial(self._begun, self.session))

    def _begun(self, session: Session) -> None:
        self._first = None
        self._means.began(session, self._means.runtime.now())

    def _save(self, save: Save, then: Callable[[], None]) -> None:
        def saved(_: None) -> None:
            self._means.counters.saves += 1
            self._means.counters.outages += save.record.outages - self.record.outages
            self.record = save.record
            self._order = None
            self._tries = 0
            then()

        store = self._means.store
        job = partial(store.save, save.record, expected=save.expected)
        self._work(Stage.SAVING, job, saved)

    def _load(self) -> None:
        self._work(Stage.LOADING, partial(self._means.store.load, self.id), self._loaded)

    def _work(self, stage: Stage, job: Callable[[], Any], then: Callable[[Any], None]) -> None:
        self._stage = stage
        self._task += 1
        self._moved = True
        ended = partial(self._work_ended, self._task, then)
        if self._means.store.blocking:
            self._until = self._means.runtime.now() + self.policy.save_timeout
            self._means.runtime.work(job, ended)
        else:
            ended(outcome(job))

    def _work_ended(self, task: int, then: Callable[[Any], None], result: Any) -> None:
        with self._means.runtime.lock:
            if task != self._task:
                return
            self._task += 1
            if isinstance(result, StoreInUse):
                self._means.deposed(result)
            if isinstance(result, Exception):
                self._crashed(result)
            else:
                begun = self._task
                then(result)
                if self._task == begun:  # and nothing more has to be done at the store
                    self._stage = Stage.FREE
            self._drain()

    def _crashed(self, error: Exception) -> None:
        """As if the process had been killed, for this session alone."""
        means = self._means
        now = means.runtime.now()
        means.counters.crashes += 1
        self._tries += 1
        if self._tries == 1:  # a store that is down would fill the log
            means.log.error("reconnect.session_crashed", session=self.id, **facts_of(error))
        if self._first is not None:
            if isinstance(error, Conflict) or self._tries >= FIRST_SAVES_MAX:
                self._give_up()
                return
        else:
            self._throw_away(now)
        self._task += 1
        self._moved = True
        self._stage = Stage.LOST
        self._until = now + min(BACK_OFF_MAX, BACK_OFF_MIN * 2 ** min(self._tries - 1, 10))

    def _throw_away(self, now: float) -> None:
        if self.session is not None:
            self._means.counters.stale += self.session.stale
        self.session = None
        if self._order is not None:
            # the application has been told that it is done, and nobody else would repeat it
            self._letters.insert(0, Letter(self._order, now))
            self._order = None

    def _loaded(self, record: Record | None) -> None:
        if record is None:
            self._give_up()
            return
        fence = Save(evolve(record, version=record.version + 1), expected=record.version)
        self._save(fence, partial(self._recovered, self.record))

    def _recovered(self, known: Record) -> None:
        means, record = self._means, self.record
        now = means.runtime.now()
        self.session = session = Session.loaded(record, now=now, wall=means.wall())
        means.began(session, now)
        if (record.state, record.epoch) != (known.state, known.epoch):
            # a save that was thought to have failed is durable after all
            means.perform(self.id, [Tell(_news(session, now))], 0.0)

    def _give_up(self) -> None:
        """The store has never had the record, or has lost it: the session ends, here alone."""
        means = self._means
        now = means.runtime.now()
        self._first = None
        self._task += 1
        self._moved = True
        self.session = session = Session.loaded(self.record, now=now, wall=means.wall())
        means.began(session, now)
        if session.state is not State.ENDED:
            # who holds a token that was never saved shall at least hear the reason
            tokens = [one.event for one in self._letters if isinstance(one.event, TokenIssued)]
            orders: list[SessionEvent] = [*tokens, ApplicationEnded(Reason.STORE_FAILED)]
            for event in orders:
                save, *effects = session.handle(event, now=now)
                assert isinstance(save, Save)
                self.record = save.record
                means.handled(session, event, effects, now)
                means.perform(self.id, effects, 0.0)
        self._stage = Stage.FREE


def _conn_of(letter: Letter) -> int | None:
    return letter.event.conn if isinstance(letter.event, ReportArrived) else None


def _is_short(effects: Sequence[SessionEffect]) -> bool:
    return (
        len(effects) == 1
        and isinstance(only := effects[0], Send)
        and isinstance(only.message, ShortView)
    )


def _news(session: Session, now: float) -> SessionNotice:
    """What the application would have been told of the state that the session is in."""
    match session.state:
        case State.PAUSED:
            return Paused(session.cause or "", session.missing, session.outages)
        case State.RECONNECTING:
            return Reconnecting(session.missing)
        case State.RESUMED:
            starts_in = max(0.0, (session.resume_at or now) - now)
            return Resumed(session.resume_frame, starts_in)
        case State.CONNECTED:
            return Connected()
        case State.ENDED:
            return Ended(session.reason or "")
