"""Resync: bringing the game states together before anybody resumes.

Links that are up are not enough. A program that has just started has no game: it asks the first
of the others, in join order, that has one. And games with a netcode of their own have holes where
inputs went into a dead path: each end says how far it holds the other's, and is given the rest.
All of it travels on the streams, as messages of kind RESYNC with the epoch they belong to.

Nothing of the game is known here: its application is consulted, and what it says is opaque.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from enum import IntEnum, StrEnum
from typing import TypeAlias, assert_never

from attrs import define, field, frozen

from reconnect.errors import RemoteProtocolError

HEAD = struct.Struct("!BI")  # code, epoch


class Ask(StrEnum):
    """What an application can be asked."""

    MARK = "mark"
    """Up to where it holds a peer's inputs without a hole."""
    SINCE = "since"
    """What a peer with this mark lacks."""
    MERGE = "merge"
    """To take in what a peer says it lacked."""
    SNAPSHOT = "snapshot"
    """The whole game."""
    RESTORE = "restore"
    """To become what a snapshot says."""


class Code(IntEnum):
    """The first byte of a resync message."""

    MARK = 1
    SINCE = 2
    NOTHING_SINCE = 3
    """This end has no netcode that could lack anything."""
    WANT = 4
    """This end has just started, and wants a snapshot."""
    SNAPSHOT = 5
    NO_STATE = 6
    """This end has just started, too."""
    NO_SNAPSHOT = 7
    """This end has a game, and no way to hand it over."""


@frozen
class Say:
    """Put a message on the stream to a peer."""

    peer: str
    message: bytes = field(repr=False)


@frozen
class Consult:
    """Ask the application; the answer comes back as `Consulted`."""

    ask: Ask
    peer: str
    epoch: int
    data: bytes = field(default=b"", repr=False)


@frozen
class Stranded:
    """The games cannot be brought together: this client must not play."""

    failed: bool = False
    """The application failed in it; otherwise nobody could give this client a game."""


Step: TypeAlias = Say | Consult | Stranded


@define
class _With:
    """How far the resync with one peer has got, in this epoch."""

    marked: bool = False
    """Our mark has been asked for."""
    wanted: bool = False
    """The peer has been asked for a snapshot."""
    stateless: bool = False
    """The peer has said that it has no game either."""
    answered: bool = False
    """The peer has said what we lack."""
    merged: bool = False
    asked: set[Code] = field(factory=set)
    """What the peer has asked: each at most once, so that nobody is kept busy answering."""
    held: list[tuple[Code, bytes]] = field(factory=list)
    """What of it cannot be answered yet."""


@define
class Resync:
    """One client's part in it. `marks` and `snapshots` say what its application can do."""

    marks: bool
    snapshots: bool
    has_state: bool = False
    """Whether this client has a game: it has played, or has restored one."""
    epoch: int = 0
    _peers: dict[str, _With] = field(factory=dict)
    _early: dict[str, tuple[int, list[tuple[Code, bytes]]]] = field(factory=dict)
    """What came for an epoch that this client has not reached yet."""
    _restoring: bool = False

    def begin(self, epoch: int) -> None:
        """Play has stopped, or stops in another epoch: everything older is void."""
        if epoch == self.epoch:
            return
        self.epoch = epoch
        self._restoring = False
        self._peers = {}
        for peer, (meant, asked) in list(self._early.items()):
            if meant <= epoch:
                del self._early[peer]
            if meant == epoch:
                self._peers[peer] = _With(asked={code for code, _ in asked}, held=asked)

    def forget(self, peer: str) -> None:
        """This generation of a peer is gone."""
        self._peers.pop(peer, None)
        self._early.pop(peer, None)

    def done(self, needed: Sequence[str]) -> bool:
        """Whether the game can go on: this client has a state, and lacks nothing of anybody's."""
        if not self._settled(needed):
            return False
        return not self.marks or all(self._at(peer).merged for peer in needed)

    def waits_for_state(self, needed: Sequence[str]) -> bool:
        """Whether this client has no game yet while somebody may have one."""
        return not self._settled(needed)

    # -- what is to be done ------------------------------------------------------------------------

    def due(self, proven: Sequence[str], needed: Sequence[str]) -> list[Step]:
        """What can be done now with those whose links are proven; all in join order."""
        steps: list[Step] = []
        if not self._settled(needed):
            self._ask_for_state(steps, proven, needed)
        for peer in proven:
            self._answer_held(steps, peer, needed)
            if self._settled(needed) and self.marks and not self._at(peer).marked:
                self._at(peer).marked = True
                steps.append(Consult(Ask.MARK, peer, self.epoch))
        return steps

    def _settled(self, needed: Sequence[str]) -> bool:
        """Whether this client has a game, or nobody has one, so that it begins with all others."""
        return self.has_state or all(self._at(peer).stateless for peer in needed)

    def _ask_for_state(
        self, steps: list[Step], proven: Sequence[str], needed: Sequence[str]
    ) -> None:
        source = next(peer for peer in needed if not self._at(peer).stateless)
        if source in proven and not self._at(source).wanted:
            self._at(source).wanted = True
            steps.append(self._say(source, Code.WANT))

    def _answer_held(self, steps: list[Step], peer: str, needed: Sequence[str]) -> None:
        held, self._at(peer).held = self._at(peer).held, []
        for code, data in held:
            if code is Code.WANT:
                self._answer_want(steps, peer)
            elif not self.marks:
                steps.append(self._say(peer, Code.NOTHING_SINCE))
            elif self._settled(needed):
                steps.append(Consult(Ask.SINCE, peer, self.epoch, data))
            else:
                self._at(peer).held.append((code, data))

    def _answer_want(self, steps: list[Step], peer: str) -> None:
        if not self.has_state:
            steps.append(self._say(peer, Code.NO_STATE))
        elif not self.snapshots:
            steps.append(self._say(peer, Code.NO_SNAPSHOT))
        else:
            steps.append(Consult(Ask.SNAPSHOT, peer, self.epoch))

    # -- what is heard -----------------------------------------------------------------------------

    def heard(self, peer: str, message: bytes) -> list[Step]:
        """A peer's resync message; raises `RemoteProtocolError` for what is none."""
        if len(message) < HEAD.size:
            raise RemoteProtocolError("a resync message without a head")
        number, epoch = HEAD.unpack_from(message)
        try:
            code = Code(number)
        except ValueError:
            raise RemoteProtocolError("a resync message of no known kind") from None
        data = message[HEAD.size :]
        if epoch < self.epoch:
            return []
        if epoch > self.epoch:
            self._keep_early(peer, epoch, code, data)
            return []
        return self._heard_now(peer, code, data)

    def _keep_early(self, peer: str, epoch: int, code: Code, data: bytes) -> None:
        meant, asked = self._early.get(peer, (epoch, []))
        if epoch > meant:
            asked = []
        if epoch >= meant and code in (Code.MARK, Code.WANT):
            kept = [one for one in asked if one[0] is not code]
            self._early[peer] = epoch, [*kept, (code, data)]

    def _heard_now(self, peer: str, code: Code, data: bytes) -> list[Step]:
        state = self._at(peer)
        match code:
            case Code.MARK | Code.WANT:
                if code in state.asked:
                    raise RemoteProtocolError("a resync message that was sent before")
                state.asked.add(code)
                state.held.append((code, data))
            case Code.SINCE:
                if state.marked and not state.answered:
                    state.answered = True
                    return [Consult(Ask.MERGE, peer, self.epoch, data)]
            case Code.NOTHING_SINCE:
                state.merged = state.marked
            case Code.NO_STATE:
                state.stateless = state.wanted
            case Code.NO_SNAPSHOT:
                if state.wanted and not self.has_state:
                    return [Stranded()]
            case Code.SNAPSHOT:
                if state.wanted and not self.has_state and not self._restoring:
                    self._restoring = True
                    return [Consult(Ask.RESTORE, peer, self.epoch, data)]
            case _:
                assert_never(code)
        return []

    def consulted(self, ask: Ask, peer: str, epoch: int, answer: bytes) -> list[Step]:
        """The application has answered, or has done what it was asked to do."""
        if ask is Ask.RESTORE:
            self.has_state = True  # whatever the epoch is by now, the game is there
        if epoch != self.epoch:
            return []
        match ask:
            case Ask.MARK:
                return [self._say(peer, Code.MARK, answer)]
            case Ask.SINCE:
                return [self._say(peer, Code.SINCE, answer)]
            case Ask.SNAPSHOT:
                return [self._say(peer, Code.SNAPSHOT, answer)]
            case Ask.MERGE:
                self._at(peer).merged = True
            case Ask.RESTORE:
                self._restoring = False
            case _:
                assert_never(ask)
        return []

    def cannot(self, peer: str, epoch: int) -> list[Step]:
        """The application could not make a snapshot after all."""
        return [self._say(peer, Code.NO_SNAPSHOT)] if epoch == self.epoch else []

    def too_long(self, peer: str, message: bytes) -> list[Step]:
        """What the application answered is longer than a message may be."""
        code, epoch = HEAD.unpack_from(message)
        return self.cannot(peer, epoch) if code == Code.SNAPSHOT else [Stranded(failed=True)]

    def is_void(self, message: bytes) -> bool:
        """Whether a message of ours is of an older epoch."""
        return bool(HEAD.unpack_from(message)[1] != self.epoch)

    def _at(self, peer: str) -> _With:
        return self._peers.setdefault(peer, _With())

    def _say(self, peer: str, code: Code, data: bytes = b"") -> Say:
        return Say(peer, HEAD.pack(code, self.epoch) + data)
