"""Everything `reconnect` raises, and whose fault it is.

    ReconnectError
    ├── LocalProtocolError      you: the program that calls us asked for what cannot be
    │   ├── PolicyError         a duration or limit contradicts another
    │   ├── RefusedMove         the table has no such move from this state
    │   ├── SessionEnded        the game is over; nothing can be done in it any more
    │   ├── NoSuchPlayer        this player has no part in this session
    │   └── StreamFull          back-pressure: too much is waiting for one peer
    ├── RemoteProtocolError     they: what came over the wire is not what the protocol says
    └── StoreError              the store did not do what it promises
        ├── Conflict            somebody else wrote this session's record
        └── StoreInUse          another living coordinator owns this store

A `RemoteProtocolError` never reaches an application: the shells catch it, count it and drop what
came. Losing a link is no error at all; it is an event.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class ReconnectError(Exception):
    """The root of every exception that `reconnect` raises on purpose; can be pickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        # the default calls the class with the finished sentence, which is not what it takes
        return _remade, (type(self), self.args), self.__dict__


def _remade(kind: type[ReconnectError], args: tuple[Any, ...]) -> ReconnectError:
    return kind.__new__(kind, *args)


class LocalProtocolError(ReconnectError):
    """The calling program asked for something that the protocol does not allow."""


class PolicyError(LocalProtocolError, ValueError):
    """A `Policy` whose values contradict each other; `broken` has one sentence for each rule."""

    def __init__(self, broken: Sequence[str]) -> None:
        self.broken = tuple(broken)
        super().__init__("; ".join(self.broken))


class RefusedMove(LocalProtocolError):
    """No row of the transition table leads from `state` by `trigger`; nothing has changed."""

    def __init__(self, state: str, trigger: str) -> None:
        self.state = state
        self.trigger = trigger
        super().__init__(f"'{trigger}' is not possible in state '{state}'")


class SessionEnded(LocalProtocolError):
    """The session is over, for the reason given, and cannot be changed."""

    def __init__(self, session: str, reason: str | None) -> None:
        self.session = session
        self.reason = reason
        super().__init__(f"session {session!r} has ended ({reason}); open a new one")


class NoSuchPlayer(LocalProtocolError, LookupError):
    """`player` has no part in `session`."""

    def __init__(self, session: str, player: str) -> None:
        self.session = session
        self.player = player
        super().__init__(f"{player!r} is not a player of session {session!r}")


class StreamFull(LocalProtocolError):
    """Nothing was accepted: too much is still waiting to be acknowledged by `peer`.

    Sending again is sensible once the peer has caught up; while a link is down it never is.
    """

    def __init__(self, peer: str, *, messages: int, waiting: int) -> None:
        self.peer = peer
        self.messages = messages
        self.waiting = waiting
        super().__init__(
            f"{messages} messages ({waiting} bytes) are waiting for {peer!r}; "
            "nothing was accepted: send less, or wait until the link is back"
        )


class RemoteProtocolError(ReconnectError):
    """What a far end sent is not what the protocol says; `code` is the answer it deserves.

    The sentence never contains what was received: it may be anything, even a secret.
    """

    def __init__(self, detail: str, *, code: str = "malformed") -> None:
        self.detail = detail
        self.code = code
        super().__init__(f"{code}: {detail}")


class StoreError(ReconnectError):
    """The store failed; the session that was being saved is loaded again."""


class Conflict(StoreError):
    """The record in the store has version `found`, where `expected` was to be replaced."""

    def __init__(self, session: str, *, expected: int, found: int | None) -> None:
        self.session = session
        self.expected = expected
        self.found = found
        super().__init__(
            f"record of session {session!r}: expected version {expected}, found {found}"
        )


class StoreInUse(StoreError):
    """Another coordinator, still alive, owns this store.

    `stuck`: it hangs in the middle of a write, so nobody can take over before its process ends.
    """

    def __init__(self, owner: str, *, stuck: bool = False) -> None:
        self.owner = owner
        self.stuck = stuck
        advice = (
            "which hangs in the middle of a write and cannot be relieved: end its process "
            "(kill -9), or let it go on (kill -CONT), and start again"
            if stuck
            else "stop it first, or give this one a store of its own"
        )
        super().__init__(
            f"the store is in use by coordinator {owner!r}{', ' if stuck else '; '}{advice}"
        )
