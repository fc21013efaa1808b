"""SessionHandle: what an application holds of one session."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeAlias

from reconnect import tokens
from reconnect.core.checks import WORD_MAX, is_count, is_word
from reconnect.core.events import ApplicationEnded, TokenIssued
from reconnect.core.explain import explain_session
from reconnect.core.messages import Reason
from reconnect.core.notices import (
    Paused,
    Reconnecting,
    Resumed,
    SessionNotice,
)
from reconnect.core.record import Record
from reconnect.core.session import GOING
from reconnect.core.table import State
from reconnect.errors import LocalProtocolError, NoSuchPlayer, SessionEnded
from reconnect.mailbox import Mailbox
from reconnect.ports import Runtime
from reconnect.unread import Unread

OnNotice: TypeAlias = "Callable[[SessionHandle, SessionNotice], None]"

PLAY_CHANGES = (Paused, Reconnecting, Resumed)
"""A game that has one of these still to read does not know whether to play."""


class SessionHandle:
    """One session, for the program that opened it or found it again.

    What it says is what the store has: a move that is still being saved has not happened yet.
    `Coordinator.open`, `get` and `sessions` make it; it stays readable when the session is over.
    """

    def __init__(
        self, mailbox: Mailbox, runtime: Runtime, on_notice: OnNotice | None = None
    ) -> None:
        self._mailbox = mailbox
        self._runtime = runtime
        self._on_notice = on_notice
        self._telling: SessionNotice | None = None
        """What `on_notice` is being told."""
        self.unread: Unread[SessionNotice] = Unread(runtime.lock)
        """What `notices()` takes from; for `reconnect.aio.notices`."""

    def __repr__(self) -> str:
        return f"<SessionHandle {self.id!r} {self.state}>"

    @property
    def _record(self) -> Record:
        return self._mailbox.record

    @property
    def id(self) -> str:
        """What clients name the session by."""
        return self._mailbox.id

    @property
    def state(self) -> State:
        """One of the five states. To decide on a game's next step ask `playing` instead."""
        return self._record.state

    @property
    def epoch(self) -> int:
        """Raised by whoever stops playing."""
        return self._record.epoch

    @property
    def players(self) -> tuple[str, ...]:
        """The members, in join order; who has left or has been dropped is not among them."""
        return self._record.players

    @property
    def missing(self) -> frozenset[str]:
        """The members without a connection."""
        with self._runtime.lock:
            session = self._mailbox.session
            return frozenset(self.players) if session is None else session.missing

    @property
    def playing(self) -> bool:
        """Whether the game goes on: connected, or resumed and the start instant has passed.

        Ask it in front of every step of a game that runs on the server. It is False while there
        is a pause or a resume that the application has not yet been told of: not read with
        `notices()`, or, with `on_notice`, until that has returned. And it is False when the
        coordinator is closed.
        """
        with self._runtime.lock:
            session = self._mailbox.session
            return (
                session is not None
                and not self._mailbox.closed
                and self.state in GOING
                and session.playing(self._runtime.now())
                and not self._has_news()
            )

    def _has_news(self) -> bool:
        if self._on_notice is not None:
            return isinstance(self._telling, PLAY_CHANGES)
        return self.unread.has(PLAY_CHANGES)

    @property
    def frame(self) -> int:
        """With topology `server`: the game's own progress count, from which all are resumed.

        Set it after each step of the game. Whole numbers from 0 to 2**53 - 1; raises
        `LocalProtocolError` for anything else. After a restart of the process it is 0.
        """
        return self._mailbox.frame

    @frame.setter
    def frame(self, frame: int) -> None:
        if not is_count(frame):
            raise LocalProtocolError(f"frame is {frame!r}, not a whole number from 0 to 2**53 - 1")
        self._mailbox.frame = frame

    @property
    def data(self) -> Mapping[str, Any]:
        """What the application gave to `open`; it outlives the process with the session."""
        return MappingProxyType(self._record.data)

    @property
    def reason(self) -> str | None:
        """Why the session ended; None while it lives."""
        return self._record.reason

    @property
    def outages(self) -> int:
        """How many outages there have been, the present one included."""
        return self._record.outages

    @property
    def paused_total(self) -> float:
        """How many seconds the outages that are over took together."""
        return self._record.paused_total

    def invite(self, player: str) -> str:
        """A new token for this player's seat; the older one is void.

        Hand it over by your own means, such as in a page that you render for this player, and
        keep it nowhere. Who has it can attach as soon as its digest is saved. Raises
        `NoSuchPlayer`, or `SessionEnded`.
        """
        with self._runtime.lock:
            self._check_living()
            if all(seat.player != player for seat in self._record.seats):
                raise NoSuchPlayer(self.id, player)
            token = tokens.mint()
            self._mailbox.post(TokenIssued(player, tokens.digest(token)))
            return token

    def end(self, reason: str = Reason.COMPLETED) -> None:
        """The game is over, for all; they are told as soon as it is saved.

        `reason` is a word of your own of at most 64 characters; raises `LocalProtocolError` if
        it is none, and `SessionEnded` if the session is over already.
        """
        if not isinstance(reason, str) or not reason or not is_word(str(reason)):
            raise LocalProtocolError(f"a reason is a word of 1 to {WORD_MAX} characters")
        with self._runtime.lock:
            self._check_living()
            self._mailbox.post(ApplicationEnded(str(reason)))

    def notices(self) -> list[SessionNotice]:
        """What has happened since the last call, oldest first.

        Call it in each turn of your loop. Of more than 256 unread ones the oldest are lost.
        """
        return self.unread.drain()

    def explain(self) -> str:
        """One sentence on why the session is in its state, for a log or a person."""
        with self._runtime.lock:
            session = self._mailbox.session
            if session is None:
                return f"{self.state}; waits for the store, from which it is loaded again"
            return explain_session(session, self._runtime.now())

    def tell(self, notice: SessionNotice) -> None:
        """For the coordinator: let the application hear this; raises what `on_notice` raises."""
        self.unread.put(notice)
        if self._on_notice is not None:
            before, self._telling = self._telling, notice
            try:
                self._on_notice(self, notice)
            finally:
                self._telling = before

    def _check_living(self) -> None:
        if self.state is State.ENDED:
            raise SessionEnded(self.id, self.reason)
        if self._mailbox.closed:
            raise LocalProtocolError("the coordinator is closed")
