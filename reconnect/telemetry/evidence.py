"""Evidence: the pieces of which an outage's record is made; who says what, of whom, and when.

Some of it the coordinator knows itself. The rest are facts that clients report, and clients may
be wrong or lie: what does not fit the tables below is left out, so that a record holds words of
ours and numbers, and never an address, a secret, or a story.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from enum import StrEnum
from typing import Any, TypeGuard

from attrs import field, frozen

from reconnect.core.checks import COUNT_MAX
from reconnect.core.messages import Fact, FactValue

WORD = re.compile("[a-z][a-z_-]{0,31}")
ATTEMPT_ID = re.compile(r"\d{1,16}\.\d{1,16}")


class Teller(StrEnum):
    """Who says it."""

    COORDINATOR = "coordinator"
    CLIENT = "client"


class Clue(StrEnum):
    """What a piece of evidence is about."""

    # what the coordinator knows
    PAUSED = "paused"
    """Play stopped; `said` is the word of whoever stopped it: `player`, or the coordinator."""
    DETACHED = "detached"
    """`player` has no control link any more; `how`: `closed` or `silent`."""
    ATTACHED = "attached"
    CLOSING = "closing"
    """The last word of `player`'s program, which was closed in order."""
    RELOADED = "reloaded"
    """A newer client of `player` took the seat; `heard`: the older one had stopped in order."""
    AWAY = "away"
    """`player` was not there for `away_ms`: had no control link, or did not say it had stopped."""
    LEFT = "left"
    DROPPED = "dropped"
    RESTARTED = "restarted"
    """The session was loaded from the store; whoever is not back yet may be on the way."""
    # what clients report
    LINK_LOST = "link_lost"
    LINK_MENDED = "link_mended"
    ATTEMPT = "attempt"
    HIDDEN = "hidden"
    STALLED = "stalled"


@frozen
class Evidence:
    """One piece; `at` is wall-clock seconds on the coordinator's clock."""

    at: float
    kind: Clue
    player: str | None
    """Whom it is about; of what a client reports, whose client."""
    by: Teller = Teller.COORDINATOR
    data: Mapping[str, FactValue] = field(factory=dict)

    @property
    def began_at(self) -> float:
        """When that began of which it tells the end."""
        match self.kind:
            case Clue.ATTEMPT:
                return self.at - self.seconds("duration_ms")
            case Clue.STALLED:
                return self.at - self.seconds("stalled_ms")
            case _:
                return self.at

    @property
    def peer(self) -> str:
        """The far end of the link it is about."""
        return str(self.data["peer"])

    def count(self, name: str) -> int | None:
        """A whole number in it; None where there is none."""
        value = self.data.get(name)
        return value if _count(value) else None

    def word(self, name: str) -> str | None:
        """A word in it; None where there is none."""
        value = self.data.get(name)
        return value if isinstance(value, str) else None

    def flag(self, name: str) -> bool | None:
        """A yes or no in it; None where there is none."""
        value = self.data.get(name)
        return value if _flag(value) else None

    def seconds(self, name: str) -> float:
        """A duration in it; 0.0 where there is none."""
        return (self.count(name) or 0) / 1000

    def to_json(self) -> dict[str, Any]:
        """The piece as JSON, without the levels."""
        return {
            "at": self.at,
            "by": str(self.by),
            "kind": str(self.kind),
            "player": self.player,
            **self.data,
        }


def _count(value: object) -> TypeGuard[int]:
    return type(value) is int and 0 <= value <= COUNT_MAX


def _flag(value: object) -> TypeGuard[bool]:
    return type(value) is bool


def _word(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and WORD.fullmatch(value) is not None


def _attempt_id(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and ATTEMPT_ID.fullmatch(value) is not None


FIELDS: dict[Clue, dict[str, Callable[[object], bool]]] = {
    Clue.LINK_LOST: {
        "cause": _word,
        "silent_ms": _count,
        "unanswered": _count,
        "stalled_ms": _count,
        "hidden": _flag,
        "ice": _word,
        "channel": _flag,
        "frame": _count,
    },
    Clue.LINK_MENDED: {
        "method": _word,
        "down_ms": _count,
        "attempts": _count,
        "frame": _count,
    },
    Clue.ATTEMPT: {
        "id": _attempt_id,
        "kind": _word,
        "number": _count,
        "offers": _flag,
        "duration_ms": _count,
        "outcome": _word,
        "frame": _count,
    },
    Clue.HIDDEN: {"hidden": _flag},
    Clue.STALLED: {"stalled_ms": _count},
}
"""What a client may report, and how each value of it has to be; another value counts as unknown."""
OF_A_LINK = frozenset({Clue.LINK_LOST, Clue.LINK_MENDED, Clue.ATTEMPT})


def evidence_of(fact: Fact, *, player: str, at: float, members: Collection[str]) -> Evidence | None:
    """What a fact that `player` reported is worth; None where it is none of ours."""
    kind = _KINDS.get(fact.kind)
    if kind is None:
        return None
    data: dict[str, FactValue] = {}
    if kind in OF_A_LINK:
        peer = fact.data.get("peer")
        if peer == player or peer not in members:
            return None
        data["peer"] = peer
    for name, fits in FIELDS[kind].items():
        value = fact.data.get(name)
        # an attempt's own kind must not hide that of the evidence
        data["method" if name == "kind" else name] = value if fits(value) else None
    return Evidence(at, kind, player, Teller.CLIENT, data)


_KINDS = {str(kind): kind for kind in FIELDS}
