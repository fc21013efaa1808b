"""Outage: the record of one time when play stopped for all, from its cause to its end."""

from __future__ import annotations

from collections import Counter
from math import inf
from typing import Any

from attrs import asdict, define, field, frozen

from reconnect.core.messages import AttemptKind
from reconnect.policy import Policy
from reconnect.telemetry.cause import Case, Finding, Pair, diagnose, noticed_at, pair
from reconnect.telemetry.evidence import Clue, Evidence, Teller

EVIDENCE_MAX = 256  # about each player: as many facts as a client remembers
METHODS = ("self", *map(str, AttemptKind))
"""By what a link was mended, the least first."""
DURING = frozenset({Clue.ATTEMPT, Clue.LINK_MENDED})
"""What is never the cause of an outage: it has to have begun in it."""


@frozen
class Attempt:
    """One try to mend a link, as the end that made the offer tells it, or else the other one."""

    number: int | None
    """Counted from 1 for each link in each outage."""
    kind: str | None
    player: str
    """Who tells of it."""
    peer: str
    started_at: float
    duration_s: float
    outcome: str | None
    """`success`; `healed`: the link came up by itself first; `timeout`, `failed`, `void`."""


@define
class Outage:
    """One outage of one session; instants are wall-clock seconds, durations seconds."""

    session: str
    number: int
    started_at: float
    players: tuple[str, ...]
    policy: Policy
    since: float
    """What happened before that has nothing to do with it."""
    frame: int | None = None
    """How far the slowest player had got, as far as all have told; None where nobody has."""
    halted_s: float | None = None
    """Until everybody was known to have stopped."""
    resumed_s: float | None = None
    """Until everybody was ready again."""
    paused_s: float | None = None
    """Its whole length; None while it lasts."""
    outcome: str | None = None
    """`connected`, or the reason why the session ended; None while it lasts."""
    pauses: int = 1
    """How often play was stopped in it: more than once where resuming failed."""
    restarts: int = 0
    """How often the session was loaded from the store in it."""
    unkept: int = 0
    """Pieces of evidence beyond the bound."""
    _missing: dict[str, float] = field(factory=dict)
    """Who was not there, and since when."""
    _evidence: list[Evidence] = field(factory=list)
    _brought: Counter[tuple[str | None, Teller]] = field(factory=Counter)

    # -- told ------------------------------------------------------------------------------------

    def concerns(self, one: Evidence) -> bool:
        """Whether this belongs to the outage, or to what it came of."""
        if one.kind in DURING:
            return self.started_at <= one.began_at <= self.ended_at
        return self.since <= one.at and one.began_at <= self.ended_at

    def add(self, one: Evidence) -> bool:
        """Keep a piece of evidence; False if there is too much of it already."""
        bringer = (one.player, one.by)
        if self._brought[bringer] >= EVIDENCE_MAX:
            self.unkept += 1
            return False
        self._brought[bringer] += 1
        self._evidence.append(one)
        return True

    def misses(self, player: str, since: float) -> None:
        """This player has not been there since then."""
        self._missing.setdefault(player, since)

    # -- asked -----------------------------------------------------------------------------------

    @property
    def ended_at(self) -> float:
        """When it was over; infinity while it lasts."""
        return inf if self.paused_s is None else self.started_at + self.paused_s

    @property
    def evidence(self) -> list[Evidence]:
        """All there is, by time."""
        return sorted(self._evidence, key=lambda one: one.at)

    @property
    def missing(self) -> tuple[str, ...]:
        """Who was not there: had no control link, or did not say in time that play had stopped.

        Nobody is, where a link was lost between two who were there.
        """
        return tuple(sorted(self._missing))

    @property
    def links(self) -> tuple[Pair, ...]:
        """The links that were lost, by one end or both."""
        return tuple(sorted({pair(one) for one in self._evidence if one.kind is Clue.LINK_LOST}))

    @property
    def losses(self) -> list[Evidence]:
        """Each end of each lost link, when that end noticed."""
        return [one for one in self.evidence if one.kind is Clue.LINK_LOST]

    @property
    def finding(self) -> Finding:
        """What it came of, and whom that is about."""
        known_by = noticed_at(self.started_at, self.policy)
        missing = {player for player, since in self._missing.items() if since <= known_by}
        evidence = self.evidence
        return diagnose(
            Case(self.started_at, self.policy, self.players, evidence, frozenset(missing))
        )

    @property
    def said(self) -> str | None:
        """The word of whoever stopped play first: what was known at that moment."""
        stops = [one for one in self.evidence if one.kind is Clue.PAUSED]
        return stops[0].word("said") if stops else None

    @property
    def method(self) -> str | None:
        """By what its links were mended, the most that one of them needed; None: by nothing."""
        used = {one.word("method") for one in self._evidence if one.kind is Clue.LINK_MENDED}
        return max((one for one in METHODS if one in used), key=METHODS.index, default=None)

    @property
    def attempts(self) -> list[Attempt]:
        """Every attempt to mend a link, each once."""
        told = [one for one in self.evidence if one.kind is Clue.ATTEMPT]
        offered = {(pair(one), one.word("id")) for one in told if one.flag("offers")}
        once = [
            one for one in told if one.flag("offers") or (pair(one), one.word("id")) not in offered
        ]
        return sorted(map(_attempt, once), key=lambda one: one.started_at)

    def to_json(self) -> dict[str, Any]:
        """The record as JSON."""
        finding = self.finding
        return {
            "number": self.number,
            "started_at": self.started_at,
            "paused_s": self.paused_s,
            "outcome": self.outcome,
            "cause": str(finding.cause),
            "about": list(finding.about),
            "said": self.said,
            "missing": list(self.missing),
            "links": [list(one) for one in self.links],
            "frame": self.frame,
            "halted_s": self.halted_s,
            "resumed_s": self.resumed_s,
            "pauses": self.pauses,
            "restarts": self.restarts,
            "method": self.method,
            "losses": [_loss(one) for one in self.losses],
            "attempts": [asdict(one) for one in self.attempts],
            "evidence": [one.to_json() for one in self.evidence],
            "unkept": self.unkept,
        }


def _attempt(one: Evidence) -> Attempt:
    return Attempt(
        one.count("number"),
        one.word("method"),
        str(one.player),
        one.peer,
        one.began_at,
        one.seconds("duration_ms"),
        one.word("outcome"),
    )


def _loss(one: Evidence) -> dict[str, Any]:
    """The state of a link when one end lost it."""
    return {
        "at": one.at,
        "player": one.player,
        "peer": one.peer,
        "cause": one.word("cause"),
        "ice": one.word("ice"),
        "channel": one.flag("channel"),
        "frame": one.count("frame"),
    }
