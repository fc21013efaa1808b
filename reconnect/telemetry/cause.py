"""What an outage came of, by the evidence: who was silent to whom when play stopped.

Who reported first says nothing: of a dead link both ends complain, and the one whose report is
faster is not to blame. What happens later in an outage is no cause of it either.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import TypeAlias

from attrs import frozen

from reconnect.core.messages import Cause
from reconnect.policy import Policy
from reconnect.telemetry.evidence import Clue, Evidence

NOTICED = 2.0  # x link_lost after the pause both ends have noticed, and who is there has said so

Pair: TypeAlias = tuple[str, str]
"""The two ends of a link, in alphabetical order."""


class OutageCause(StrEnum):
    """What an outage came of."""

    LEFT = "left"
    """A player left for good."""
    RELOADED = "reloaded"
    """A player's program was started anew: the page was loaded again, or another took the seat."""
    CLOSED = "closed"
    """A player's program was closed in order."""
    HIDDEN = "hidden"
    """A player was lost, or lost another, whose page was in the background."""
    STALLED = "stalled"
    """A player was lost, or lost another, whose event loop stood still."""
    PLAYER_LOST = "player_lost"
    """A player was lost to the coordinator and to other players as well."""
    CONTROL_LOST = "control_lost"
    """A player was lost to the coordinator; no link was lost."""
    LINK_LOST = "link_lost"
    """A link was lost both of whose ends were there."""
    LEASE_EXPIRED = "lease_expired"
    """A player heard nothing of the coordinator, which went on hearing the player."""
    RESTARTED = "restarted"
    """The coordinator was started again, and did not find the players in time."""
    UNKNOWN = "unknown"


@frozen
class Finding:
    """A cause, and the players whom it is about; nobody in particular if it is a link."""

    cause: OutageCause
    about: tuple[str, ...] = ()


@frozen
class Case:
    """How an outage began, as far as it is known."""

    started_at: float
    policy: Policy
    players: Sequence[str]
    evidence: Sequence[Evidence]
    """By time."""
    missing: frozenset[str]
    """Who was not there from the beginning."""

    def of(self, kind: Clue, player: str | None = None) -> Iterator[Evidence]:
        """The evidence of one kind, about one player if one is named."""
        for one in self.evidence:
            if one.kind is kind and player in (None, one.player):
                yield one

    @property
    def noticed_at(self) -> float:
        """What is told of later instants tells of consequences."""
        return noticed_at(self.started_at, self.policy)

    @property
    def losses(self) -> list[Evidence]:
        """The ends of links that were lost when play stopped."""
        return [one for one in self.of(Clue.LINK_LOST) if one.at <= self.noticed_at]

    @property
    def stopped(self) -> tuple[str | None, str]:
        """Who stopped play first (None: the coordinator), and in which word."""
        for one in self.of(Clue.PAUSED):
            return one.player, one.word("said") or ""
        return None, ""

    def detached(self, player: str, before: float, *, how: str | None = None) -> bool:
        """Whether the player had lost the control link by then, and in this way if one is named."""
        return any(
            one.at <= before and how in (None, one.word("how"))
            for one in self.of(Clue.DETACHED, player)
        )

    @property
    def suspects(self) -> frozenset[str]:
        """Who was missing, and both ends of links that only one end had lost.

        A loss does not count where the end that tells of it had stood still itself.
        """
        certain = {
            (one.player, one.peer) for one in self.losses if not _stood_still(one, self.policy)
        }
        one_way = [one for one in self.losses if (one.peer, one.player) not in certain]
        ends = {one.peer for one in one_way} | {one.player for one in one_way if one.player}
        return self.missing | ends

    def hidden(self, player: str) -> bool:
        """Whether the player's page was in the background when play stopped."""
        last = False
        for one in self.of(Clue.HIDDEN, player):
            if one.at <= self.noticed_at:
                last = one.flag("hidden") is True
        return last or any(one.player == player and one.flag("hidden") for one in self.losses)

    def stalled(self, player: str) -> bool:
        """Whether the player's event loop stood still when play stopped."""
        return any(one.began_at <= self.noticed_at for one in self.of(Clue.STALLED, player)) or any(
            one.player == player and _stood_still(one, self.policy) for one in self.losses
        )


def noticed_at(started_at: float, policy: Policy) -> float:
    """By when everybody has noticed what made play stop."""
    return started_at + NOTICED * policy.link_lost


def pair(one: Evidence) -> Pair:
    """The link of which this tells."""
    first, second = sorted((str(one.player), one.peer))
    return first, second


def diagnose(case: Case) -> Finding:
    """The best reason that the evidence gives."""
    left = [str(one.player) for one in case.of(Clue.LEFT) if one.at <= case.started_at]
    if left:
        return _found(OutageCause.LEFT, left)
    if reloaded := [player for player in case.players if _reloaded(case, player)]:
        return _found(OutageCause.RELOADED, reloaded)
    closed = {str(one.player) for one in case.of(Clue.CLOSING) if one.at <= case.noticed_at}
    if closed:
        return _found(OutageCause.CLOSED, frozenset(closed))
    if hidden := [player for player in case.suspects if case.hidden(player)]:
        return _found(OutageCause.HIDDEN, hidden)
    if stalled := [player for player in case.suspects if case.stalled(player)]:
        return _found(OutageCause.STALLED, stalled)
    if losses := case.losses:
        lost = case.missing & {end for one in losses for end in pair(one)}
        return _found(OutageCause.PLAYER_LOST if lost else OutageCause.LINK_LOST, lost)
    return _control(case)


def _reloaded(case: Case, player: str) -> bool:
    """Whether a newer client explains it: the older one was gone already when play stopped.

    A page that is loaded again because the game has stopped is a consequence.
    """
    if any(player not in pair(one) for one in case.losses):
        return False
    return any(
        one.at <= case.started_at
        or any(last.at <= one.at for last in case.of(Clue.CLOSING, player))
        or not (one.flag("heard") or case.detached(player, one.at, how="silent"))
        for one in case.of(Clue.RELOADED, player)
    )


def _control(case: Case) -> Finding:
    """No link was lost, so it was a control link, or the coordinator itself."""
    by, said = case.stopped
    restarted = any(one.at <= case.started_at for one in case.of(Clue.RESTARTED))
    if case.missing and not (restarted and case.missing.issuperset(case.players)):
        return _found(OutageCause.CONTROL_LOST, case.missing)
    if restarted:
        return Finding(OutageCause.RESTARTED)
    if by is not None and case.detached(by, case.started_at):
        return Finding(OutageCause.CONTROL_LOST, (by,))
    if by is not None and said == Cause.LEASE_EXPIRED:
        return Finding(OutageCause.LEASE_EXPIRED, (by,))
    return Finding(OutageCause.UNKNOWN)


def _stood_still(one: Evidence, policy: Policy) -> bool:
    return one.seconds("stalled_ms") >= policy.link_suspect


def _found(cause: OutageCause, about: Sequence[str] | frozenset[str]) -> Finding:
    return Finding(cause, tuple(sorted(about)))
