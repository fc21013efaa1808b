"""Coordinator: the server's half, run.

It owns no rule of the protocol. It carries events to sessions and what they order to the store,
to the players and to the application; `mailbox` says in which order, `reception` what is let in.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any, assert_never

import attrs

from reconnect.core.checks import is_id
from reconnect.core.effects import Close, Save, Send, SessionEffect, Tell
from reconnect.core.messages import Error, View
from reconnect.core.notices import SessionNotice
from reconnect.core.session import Session
from reconnect.core.table import State
from reconnect.errors import LocalProtocolError, StoreInUse
from reconnect.handle import OnNotice, SessionHandle
from reconnect.log import facts_of, quiet, told
from reconnect.mailbox import Mailbox
from reconnect.means import Counters, Means
from reconnect.policy import Policy
from reconnect.ports import Cancel, Closing, Owned, Recorder, ServerSignaling, Store
from reconnect.reception import Reception
from reconnect.runtimes import outcome
from reconnect.seats import LARGE, Seats
from reconnect.stores.memory import MemoryStore
from reconnect.wheel import Wheel

LATE_MIN = 0.0005  # s; less is lost in the whole milliseconds of the wire
CLOSE_TIMEOUT = 5.0  # s; longer than any save may take by default, shorter than a supervisor waits
SESSION_BYTES = 16  # random; a session's id is no secret, but it must not come twice


class Coordinator:
    """Runs all sessions of a game server. It works from its construction until `close()`.

    `signaling` carries the control links and brings the runtime. `store` keeps the sessions
    beyond this process; the default, `MemoryStore()`, does not. Sessions that are in it are taken
    up at once. `policy` is that of sessions that are opened without one. `recorder` is told
    everything that happens. `on_notice(session, notice)` is called with every notice, in the
    runtime's loop or under its lock; it must return soon, and what it raises is logged.

    The store and the recorder belong to the coordinator: `close()` closes them. What the store
    raises while it is read for the first time, such as `StoreInUse`, leaves the constructor. If
    another coordinator takes over the store later, this one closes.

    `wall` gives seconds since the epoch; only tests need another.
    """

    def __init__(
        self,
        *,
        signaling: ServerSignaling,
        store: Store | None = None,
        policy: Policy | None = None,
        recorder: Recorder | None = None,
        logger: Any = None,
        on_notice: OnNotice | None = None,
        id: str | None = None,  # noqa: A002 - every thing of ours is named by its `id`
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.id = secrets.token_hex(SESSION_BYTES) if id is None else id
        self.policy = Policy() if policy is None else _checked(policy)
        self._signaling = signaling
        self._runtime = signaling.runtime
        self._store: Store = MemoryStore() if store is None else store
        self._recorder = recorder
        self._log = quiet(logger).bind(coordinator=self.id)
        self._on_notice = on_notice
        self._mailboxes: dict[str, Mailbox] = {}
        self._handles: dict[str, SessionHandle] = {}
        self._forgetting: set[str] = set()
        """Sessions whose records may still be in the store: their names are not free yet."""
        self._unsettled: set[str] = set()
        """While closing: the sessions that are still being saved."""
        self._give_up_waiting: Cancel | None = None
        self._closed: Future[None] = Future()
        self._counters = Counters()
        self._wheel = Wheel(self._runtime, self._due)
        self._seats = Seats(signaling, self._log)
        self._means = Means(
            runtime=self._runtime,
            store=self._store,
            wall=wall,
            recorder=recorder,
            log=self._log,
            wheel=self._wheel,
            perform=self._perform,
            expired=self._forget,
            settled=self._settled,
            deposed=self._deposed,
            counters=self._counters,
        )
        self._reception = Reception(
            runtime=self._runtime,
            seats=self._seats,
            mailboxes=self._mailboxes,
            wheel=self._wheel,
            counters=self._counters,
            log=self._log,
            owned=self._store.owned if isinstance(self._store, Owned) else _always,
        )
        with self._runtime.lock:
            self._take_up()
            signaling.start(self._reception)

    # -- for the application -----------------------------------------------------------------------

    def open(
        self,
        players: Sequence[str],
        *,
        id: str | None = None,  # noqa: A002 - every thing of ours is named by its `id`
        data: Mapping[str, Any] | None = None,
        policy: Policy | None = None,
    ) -> SessionHandle:
        """Open a session for these players, in join order; it waits until all have come.

        Returns at once; nobody is answered before the session is saved. `id` is made up if none
        is given; `data` is yours, any JSON object, and comes back with the session after a
        restart. Raises `LocalProtocolError` if an id cannot be one or is in use, the number of
        players does not fit the policy, or `data` is not JSON.
        """
        with self._runtime.lock:
            if self._means.closing:
                raise LocalProtocolError("the coordinator is closed")
            session_id = secrets.token_hex(SESSION_BYTES) if id is None else id
            _check_ids(session_id, players)
            if session_id in self._mailboxes or session_id in self._forgetting:
                raise LocalProtocolError(f"session {session_id!r} is there already")
            now = self._runtime.now()
            session = Session.born(
                session_id,
                list(players),
                self.policy if policy is None else _checked(policy),
                now=now,
                wall=self._means.wall(),
                data=_json_copy(data),
            )
            return self._add(Mailbox.opened(self._means, session, now=now))

    def get(self, id: str) -> SessionHandle | None:  # noqa: A002 - as in `open`
        """The session of this id, if it lives, or ended less than `retention` ago."""
        return self._handles.get(id)

    def sessions(self) -> list[SessionHandle]:
        """All sessions that `get` finds, in the order of their opening."""
        with self._runtime.lock:
            return list(self._handles.values())

    def seat(self, conn: Hashable) -> tuple[SessionHandle, str] | None:
        """Who is on the connection that the signaling adapter calls `conn`: session and player."""
        with self._runtime.lock:
            connection = self._seats.of(conn)
            if connection is None or connection.mailbox is None:
                return None
            return self._handles[connection.session], connection.player

    def stats(self) -> dict[str, int]:
        """Counters since the construction, and how many connections and sessions there are."""
        with self._runtime.lock:
            counted: dict[str, int] = attrs.asdict(self._counters)
            counted["stale"] += sum(
                one.session.stale for one in self._mailboxes.values() if one.session is not None
            )
            counted["notices_lost"] += sum(one.unread.lost for one in self._handles.values())
            counted["connections"] = len(self._seats)
            counted["sessions"] = len(self._mailboxes)
            counted.update({f"sessions_{state}": 0 for state in State})
            for mailbox in self._mailboxes.values():
                counted[f"sessions_{mailbox.record.state}"] += 1
            return counted

    def close(self) -> None:
        """Stop: hear nothing more, finish the saves under way, hang up, close store and recorder.

        The sessions live on in the store. Returns at once, and does nothing the second time;
        `await closed()` waits until all is done.
        """
        with self._runtime.lock:
            if self._means.closing:
                return
            self._means.closing = True
            self._reception.close()
            self._unsettled = {one.id for one in self._mailboxes.values() if one.busy}
            if self._unsettled:
                self._give_up_waiting = self._runtime.call_at(
                    self._runtime.now() + CLOSE_TIMEOUT, self._finish
                )
            else:
                self._finish()

    async def closed(self) -> None:
        """Return when everything that `close()` began is done."""
        await asyncio.shield(asyncio.wrap_future(self._closed))
        if isinstance(self._signaling, Closing):
            await self._signaling.closed()

    # -- sessions come and go ----------------------------------------------------------------------

    def _take_up(self) -> None:
        for record in self._store.load_all():
            handle = self._add(Mailbox.taken_up(self._means, record, now=self._runtime.now()))
            if handle.state is State.ENDED:
                handle.unread.finish()

    def _add(self, mailbox: Mailbox) -> SessionHandle:
        handle = SessionHandle(mailbox, self._runtime, self._on_notice)
        self._mailboxes[mailbox.id] = mailbox
        self._handles[mailbox.id] = handle
        mailbox.start()
        return handle

    def _forget(self, session: str) -> None:
        for connection in self._seats.in_session(session):
            self._seats.hang_up(connection, session=session)
        self._seats.forget(session)
        mailbox = self._mailboxes.pop(session)
        if mailbox.session is not None:
            self._counters.stale += mailbox.session.stale
        self._counters.notices_lost += self._handles.pop(session).unread.lost
        self._forgetting.add(session)
        self._work(
            partial(self._store.forget, session),
            "reconnect.forget_failed",
            partial(self._forgetting.discard, session),
        )

    def _due(self, key: Hashable) -> None:
        try:
            if isinstance(key, int):
                self._reception.never_attached(key)
            elif isinstance(key, str) and key in self._mailboxes:
                self._mailboxes[key].due()
        except Exception as error:
            self._log.error("reconnect.bug", **facts_of(error))

    # -- what sessions order -----------------------------------------------------------------------

    def _perform(self, session: str, effects: Sequence[SessionEffect], late: float) -> None:
        for effect in effects:
            match effect:
                case Send(number, message):
                    connection = self._seats.numbered(number)
                    if connection is not None:
                        if late >= LATE_MIN and not isinstance(message, Error):
                            message = message.aged(late)
                        if isinstance(message, View) and self._is_large(session):
                            self._seats.send_soon(connection, message, session=session)
                        else:
                            self._seats.send(connection, message, session=session)
                case Close(number):
                    connection = self._seats.numbered(number)
                    if connection is not None:
                        self._seats.hang_up(connection, session=session)
                case Tell(notice):
                    self._tell(session, notice)
                case Save():
                    pass  # done, or nothing behind it would be performed
                case _:
                    assert_never(effect)

    def _is_large(self, session: str) -> bool:
        return len(self._mailboxes[session].record.seats) > LARGE

    def _tell(self, session: str, notice: SessionNotice) -> None:
        try:
            told(self._log, session, notice)
            self._handles[session].tell(notice)
        except Exception as error:
            self._log.error("reconnect.on_notice_failed", session=session, **facts_of(error))

    # -- the end -----------------------------------------------------------------------------------

    def _settled(self, session: str) -> None:
        if session in self._unsettled and not self._mailboxes[session].busy:
            self._unsettled.discard(session)
            if not self._unsettled:
                self._finish()

    def _finish(self) -> None:
        if self._give_up_waiting is not None:
            self._give_up_waiting()
        self._unsettled.clear()
        self._wheel.close()
        for connection in self._seats:
            self._seats.hang_up(connection, session=connection.session)
        if self._recorder is not None and isinstance(
            error := outcome(self._recorder.close), Exception
        ):
            self._log.error("reconnect.recorder_failed", **facts_of(error))
        self._work(self._store.close, "reconnect.close_failed", self._all_closed)

    def _all_closed(self) -> None:
        self._closed.set_result(None)

    def _deposed(self, error: StoreInUse) -> None:
        if not self._means.closing:
            self._log.error("reconnect.deposed", **facts_of(error))
            self._means.closing = True
            self._reception.close()
            self._finish()

    def _work(
        self, job: Callable[[], None], failure: str, then: Callable[[], None] | None = None
    ) -> None:
        """Let the store do something that nobody waits for."""

        def done(result: Exception | None) -> None:
            if isinstance(result, Exception):
                self._log.error(failure, **facts_of(result))
            if then is not None:
                then()

        if self._store.blocking:
            self._runtime.work(job, done)
        else:
            done(outcome(job))


def _always() -> bool:
    return True


def _checked(policy: object) -> Policy:
    if not isinstance(policy, Policy):
        raise LocalProtocolError(f"policy is a reconnect.Policy, not a {type(policy).__name__}")
    return policy


def _check_ids(session: str, players: object) -> None:
    if isinstance(players, str) or not isinstance(players, Sequence):
        raise LocalProtocolError(f"players is a list of ids, not {players!r}")
    for one in (session, *players):
        if not is_id(one):
            raise LocalProtocolError(f"{one!r} is no id: 1 to 128 characters, none of control")


def _json_copy(data: Mapping[str, Any] | None) -> dict[str, Any]:
    try:
        copy: dict[str, Any] = json.loads(json.dumps(dict(data or {}), allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise LocalProtocolError(f"data is not a JSON object: {error}") from None
    return copy
