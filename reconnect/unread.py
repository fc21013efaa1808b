"""Unread: what the application has not yet read of what it is told."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Generic, TypeVar

from reconnect.core.notices import Ended, Notice
from reconnect.ports import Cancel

UNREAD_MAX = 256  # an application that has not read that many does not read at all

N = TypeVar("N", bound=Notice)


class Unread(Generic[N]):
    """A queue of notices that never grows beyond `UNREAD_MAX`: then the oldest are lost.

    The end is always the last notice, so that it is never among the lost. May be used from any
    thread; `lock` is the one of the shell's runtime.
    """

    def __init__(self, lock: AbstractContextManager[Any]) -> None:
        self._lock = lock
        self._notices: list[N] = []  # short, and a fraction of an empty deque
        self._listeners: dict[object, Callable[[], None]] = {}
        self.lost = 0
        """How many notices nobody has read in time."""
        self._finished = False

    def __len__(self) -> int:
        return len(self._notices)

    @property
    def over(self) -> bool:
        """Nothing more comes, and everything has been read."""
        return self._finished and not self._notices

    def put(self, notice: N) -> None:
        """One more notice."""
        with self._lock:
            if len(self._notices) >= UNREAD_MAX:
                del self._notices[0]
                self.lost += 1
            self._notices.append(notice)
            self._finished = self._finished or isinstance(notice, Ended)
            self._wake()

    def finish(self) -> None:
        """Nothing more comes, although no end has been told."""
        with self._lock:
            self._finished = True
            self._wake()

    def pop(self) -> N | None:
        """The oldest notice, which is read now; None if there is none."""
        with self._lock:
            return self._notices.pop(0) if self._notices else None

    def drain(self) -> list[N]:
        """All notices, oldest first, which are read now."""
        with self._lock:
            drained, self._notices = self._notices, []
            return drained

    def has(self, kinds: tuple[type[Notice], ...]) -> bool:
        """Whether a notice of one of these kinds waits to be read."""
        with self._lock:
            return any(isinstance(notice, kinds) for notice in self._notices)

    def listen(self, wake: Callable[[], None]) -> Cancel:
        """Call `wake`, in whatever thread it may be, when there is something to read.

        It must return at once and raise nothing. Call what is returned to hear no more.
        """
        key = object()
        with self._lock:
            self._listeners[key] = wake

        def cancel() -> None:
            with self._lock:
                self._listeners.pop(key, None)

        return cancel

    def _wake(self) -> None:
        for wake in tuple(self._listeners.values()):
            wake()
