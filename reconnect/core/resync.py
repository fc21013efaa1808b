"""Resync: bringing the game states together before anybody resumes.

Links that are up are not enough. A program that has just started has no game: it asks the others,
in join order, until one hands its own over. And games with a netcode of their own have holes where
inputs went into a dead path: each end says how far it holds the other's, and is given the rest.
All of it travels on the streams, as messages of kind RESYNC.

It goes in rounds, and each message belongs to one: that of an epoch and a roster, which is who the
members are and which of their clients. Whoever is in a round hears nothing more of clients that
are not. So what has been said in it, "I have no game", "this is all I hold", is not made untrue by
somebody who is gone; when the roster changes, all say it again.

Nothing of the game is known here: its application is consulted, and what it says is opaque.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from enum import IntEnum, StrEnum
from typing import TypeAlias, assert_never

from attrs import define, field, frozen

from reconnect.errors import RemoteProtocolError

HEAD = struct.Struct("!BII")  # code, epoch, roster


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
    """Ask the application; the answer comes back as `Consulted`, or as `ConsultFailed`.

    No two questions of a client have the same ask, peer and round.
    """

    ask: Ask
    peer: str
    round: int
    """Of this client's own counting; a later one voids all questions but that to restore a game."""
    data: bytes = field(default=b"", repr=False)


@frozen
class Stranded:
    """The games cannot be brought together: this client must not play."""

    failed: bool = False
    """The application failed in it; otherwise nobody could give this client a game."""


Step: TypeAlias = Say | Consult | Stranded


@frozen
class Circle:
    """With whom one client brings the games together."""

    needed: Sequence[str]
    """The others it exchanges data with, in join order."""
    is_hub: bool = False
    """Whether the others meet only here, as at the hub of a star."""

    def without(self, peer: str) -> Iterator[str]:
        """Everybody else."""
        return (one for one in self.needed if one != peer)


@define
class _With:
    """How far the resync with one peer has got, in this round."""

    marked: bool = False
    """Our mark has been asked for."""
    wanted: bool = False
    """The peer has been asked for a snapshot."""
    stateless: bool = False
    """The peer has said that it has no game either."""
    unable: bool = False
    """The peer has said that it has a game, and cannot hand it over."""
    answered: bool = False
    """The peer has said what we lack."""
    merged: bool = False
    asked: set[Code] = field(factory=set)
    """What the peer has asked: each at most once, so that nobody is kept busy answering."""
    held: list[tuple[Code, bytes]] = field(factory=list)
    """What of it cannot be answered yet."""

    @property
    def gives_nothing(self) -> bool:
        """Whether no game can be had from this peer."""
        return self.stateless or self.unable


@define
class Resync:
    """One client's part in it. `marks` and `snapshots` say what its application can do."""

    marks: bool
    snapshots: bool
    has_state: bool = False
    """Whether this client has a game: it has played, or has restored one."""
    epoch: int = 0
    roster: int = 0
    round: int = 0
    """How many there have been."""
    _peers: dict[str, _With] = field(factory=dict)
    _early: dict[str, tuple[int, int, list[tuple[Code, bytes]]]] = field(factory=dict)
    """What came for the epoch and roster of a round that this client is not in, or not yet."""
    _restoring: bool = False

    def begin(self, epoch: int, roster: int) -> None:
        """Play has stopped, or others are there: what was said before is void."""
        if (epoch, roster) == (self.epoch, self.roster):
            return
        self.epoch, self.roster = epoch, roster
        self.round += 1
        self._peers = {}
        for peer, (for_epoch, for_roster, asked) in list(self._early.items()):
            if (for_epoch, for_roster) == (epoch, roster):
                self._peers[peer] = _With(asked={code for code, _ in asked}, held=asked)
            if for_epoch < epoch or peer in self._peers:
                del self._early[peer]

    def done(self, circle: Circle) -> bool:
        """Whether the game can go on: this client has a state, and lacks nothing of anybody's."""
        if not self._settled(circle):
            return False
        return not self.marks or all(self._at(peer).merged for peer in circle.needed)

    # -- what is to be done ------------------------------------------------------------------------

    def due(self, proven: Sequence[str], circle: Circle) -> list[Step]:
        """What can be done now with those whose links are proven; all in join order."""
        steps: list[Step] = []
        if not self._settled(circle) and not self._restoring:
            self._ask_for_state(steps, proven, circle.needed)
        for peer in proven:
            self._answer_held(steps, peer, circle)
            if self._settled(circle) and self.marks and not self._at(peer).marked:
                self._at(peer).marked = True
                steps.append(self._consult(Ask.MARK, peer))
        return steps

    def _settled(self, circle: Circle) -> bool:
        """Whether this client has a game, or nobody has one, so that it begins with all others."""
        if self._restoring:
            return False
        return self.has_state or all(self._at(peer).stateless for peer in circle.needed)

    def _knows(self, circle: Circle) -> bool:
        """Whether this client can tell others that it has a game, or will get none but from them.

        The others of a star can ask nobody but its hub.
        """
        return self._settled(circle) or not (self._restoring or circle.is_hub)

    def _holds_all(self, peer: str, circle: Circle) -> bool:
        """Whether this client holds what it can tell a peer: at a hub, also that of the others."""
        if not self._settled(circle):
            return False
        return not circle.is_hub or all(self._at(one).merged for one in circle.without(peer))

    def _ask_for_state(
        self, steps: list[Step], proven: Sequence[str], needed: Sequence[str]
    ) -> None:
        source = next((peer for peer in needed if not self._at(peer).gives_nothing), None)
        if source is None:
            steps.append(Stranded())
        elif source in proven and not self._at(source).wanted:
            self._at(source).wanted = True
            steps.append(self._say(source, Code.WANT))

    def _answer_held(self, steps: list[Step], peer: str, circle: Circle) -> None:
        held, self._at(peer).held = self._at(peer).held, []
        for code, data in held:
            if code is Code.WANT and self._knows(circle):
                self._answer_want(steps, peer)
            elif code is Code.MARK and not self.marks:
                steps.append(self._say(peer, Code.NOTHING_SINCE))
            elif code is Code.MARK and self._holds_all(peer, circle):
                steps.append(self._consult(Ask.SINCE, peer, data))
            else:
                self._at(peer).held.append((code, data))

    def _answer_want(self, steps: list[Step], peer: str) -> None:
        if not self.has_state:
            steps.append(self._say(peer, Code.NO_STATE))
        elif not self.snapshots:
            steps.append(self._say(peer, Code.NO_SNAPSHOT))
        else:
            steps.append(self._consult(Ask.SNAPSHOT, peer))

    # -- what is heard -----------------------------------------------------------------------------

    def heard(self, peer: str, message: bytes) -> list[Step]:
        """A peer's resync message; raises `RemoteProtocolError` for what is none."""
        if len(message) < HEAD.size:
            raise RemoteProtocolError("a resync message without a head")
        number, epoch, roster = HEAD.unpack_from(message)
        try:
            code = Code(number)
        except ValueError:
            raise RemoteProtocolError("a resync message of no known kind") from None
        data = message[HEAD.size :]
        if (epoch, roster) == (self.epoch, self.roster):
            return self._heard_now(peer, code, data)
        if epoch >= self.epoch and code in (Code.MARK, Code.WANT):
            self._keep_early(peer, epoch, roster, code, data)
        return []

    def _keep_early(self, peer: str, epoch: int, roster: int, code: Code, data: bytes) -> None:
        """Of each peer what it asked last: its words come in order."""
        *meant, asked = self._early.get(peer, (epoch, roster, []))
        if meant != [epoch, roster]:
            asked = []
        kept = [one for one in asked if one[0] is not code]
        self._early[peer] = epoch, roster, [*kept, (code, data)]

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
                    return [self._consult(Ask.MERGE, peer, data)]
            case Code.NOTHING_SINCE:
                state.merged = state.marked
            case Code.NO_STATE:
                state.stateless = state.wanted
            case Code.NO_SNAPSHOT:
                state.unable = state.wanted
            case Code.SNAPSHOT:
                if state.wanted and not self.has_state and not self._restoring:
                    self._restoring = True
                    return [self._consult(Ask.RESTORE, peer, data)]
            case _:
                assert_never(code)
        return []

    def consulted(self, ask: Ask, peer: str, asked_in: int, answer: bytes) -> list[Step]:
        """The application has answered, or has done what it was asked to do, in that round."""
        if ask is Ask.RESTORE:
            # whatever has changed since it was asked, the game is there
            self.has_state, self._restoring = True, False
            return []
        if asked_in != self.round:
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
            case _:
                assert_never(ask)
        return []

    def cannot(self, peer: str, asked_in: int) -> list[Step]:
        """The application could not make a snapshot after all."""
        return [self._say(peer, Code.NO_SNAPSHOT)] if asked_in == self.round else []

    def too_long(self, peer: str, message: bytes) -> Say | Stranded:
        """What takes the place of an answer that is longer than a message may be."""
        if message[0] == Code.SNAPSHOT:
            return self._say(peer, Code.NO_SNAPSHOT)
        return Stranded(failed=True)

    def is_void(self, message: bytes) -> bool:
        """Whether a message of ours is of an older round."""
        return HEAD.unpack_from(message)[1:] != (self.epoch, self.roster)

    def _at(self, peer: str) -> _With:
        return self._peers.setdefault(peer, _With())

    def _say(self, peer: str, code: Code, data: bytes = b"") -> Say:
        return Say(peer, HEAD.pack(code, self.epoch, self.roster) + data)

    def _consult(self, ask: Ask, peer: str, data: bytes = b"") -> Consult:
        return Consult(ask, peer, self.round, data)
