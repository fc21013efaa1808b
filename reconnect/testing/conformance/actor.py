"""Actor: a real peer that lives through a history which is given to it line by line.

It has no clock and no chance of its own: each line brings its instant, and the random numbers
that may be used in it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from random import Random

from attrs import define, field, frozen

from reconnect.core.checks import Json, flag, identity, items, line, one_of
from reconnect.core.decode import ATTEMPT_KINDS, KINDS
from reconnect.core.effects import PeerEffect
from reconnect.core.messages import PROTOCOL_VERSION, AttemptKind, Claim, Kind
from reconnect.core.peer import Peer
from reconnect.errors import LocalProtocolError
from reconnect.testing.conformance.peer_json import (
    base64,
    effect_to_json,
    event_from_json,
    state_to_json,
)

TOKEN = "secret"
TOLERANCE_MS = 2  # two roundings to the millisecond, of the instant and of what is reckoned from it


class OutOfDraws(LocalProtocolError):
    """A client used more random numbers than its history has for it."""


class Draws(Random):
    """The random numbers of a history, in their order."""

    dealt: deque[float]

    def random(self) -> float:
        if not self.dealt:
            raise OutOfDraws("no random number is left")
        return self.dealt.popleft()


@frozen(kw_only=True)
class Who:
    """Which client a history is about; the head of the history says so."""

    session: str
    player: str
    kind: Kind = Kind.PYTHON
    mends: frozenset[AttemptKind] = frozenset()
    """What its links can do to mend themselves."""
    marks: bool = False
    snapshots: bool = False
    token: str = field(default=TOKEN, repr=False)

    def to_json(self) -> Json:
        return {
            "version": PROTOCOL_VERSION,
            "session": self.session,
            "player": self.player,
            "token": self.token,
            "kind": str(self.kind),
            "mends": sorted(map(str, self.mends)),
            "marks": self.marks,
            "snapshots": self.snapshots,
        }

    @classmethod
    def from_json(cls, form: Json) -> Who:
        """Raises `RemoteProtocolError` or `ValueError` for a head that cannot be read."""
        if form.get("version") != PROTOCOL_VERSION:
            raise ValueError(f"version {form.get('version')!r}, not {PROTOCOL_VERSION}")
        mends = items(form.get("mends"), "mends", len(AttemptKind))
        return cls(
            session=identity(form.get("session"), "session"),
            player=identity(form.get("player"), "player"),
            token=line(form.get("token"), "token", 128),
            kind=one_of(form.get("kind"), "kind", KINDS),
            mends=frozenset(one_of(kind, "mends", ATTEMPT_KINDS) for kind in mends),
            marks=flag(form.get("marks"), "marks"),
            snapshots=flag(form.get("snapshots"), "snapshots"),
        )


@frozen
class Outcome:
    """What came of one line."""

    orders: list[PeerEffect]
    effects: list[Json]
    taken: list[Json]
    state: Json

    def to_json(self, before: Json) -> Json:
        """What a line says of it: lists that are not empty, and of the state what is news."""
        news = {name: value for name, value in self.state.items() if before[name] != value}
        parts = {"effects": self.effects, "taken": self.taken, "then": news}
        return {name: part for name, part in parts.items() if part}


@define(eq=False)
class Actor:
    """A client that is told what a history tells it; make one with `entering`."""

    who: Who
    peer: Peer
    draws: Draws

    @classmethod
    def entering(cls, who: Who) -> Actor:
        """A client that begins at 0 ms, and has not dialled yet."""
        peer = Peer.beginning(
            who.session,
            who.player,
            now=0.0,
            seed=0,
            kind=who.kind,
            mends=who.mends,
            marks=who.marks,
            snapshots=who.snapshots,
        )
        draws = Draws()
        draws.dealt = deque()
        peer.random = peer.control.random = draws
        return cls(who, peer, draws)

    @property
    def state(self) -> Json:
        """How the client stands."""
        return state_to_json(self.peer)

    def hears(self, event: Json, *, at_ms: float, draws: Sequence[float] = ()) -> Outcome:
        """Handle an event, then take what has arrived for the application.

        Raises `OutOfDraws`, `RemoteProtocolError` or `ValueError` for what is no event, and what
        `Peer.handle` raises.
        """
        self.draws.dealt = deque(draws)
        orders = self.peer.handle(event_from_json(event), now=at_ms / 1000)
        claim = Claim(self.who.player, self.who.token)
        effects = [effect_to_json(one, session=self.who.session, claim=claim) for one in orders]
        taken = [{"from": peer, "data": base64(data)} for peer, data in self.peer.take()]
        # the deadline may have changed with what was taken
        return Outcome(orders, effects, taken, self.state)


BEGINNING = Actor.entering(Who(session="s", player="p")).state
"""How every client stands before its first event."""


@frozen
class Unlike:
    """One value that is not as expected; `field` says where, as in `effects[0].message.epoch`."""

    field: str
    expected: object
    found: object


def unlike(expected: object, found: object, field: str = "") -> Iterator[Unlike]:
    """Where two JSON values differ; milliseconds may differ by `TOLERANCE_MS`."""
    if isinstance(expected, dict) and isinstance(found, dict):
        for name in [*expected, *(name for name in found if name not in expected)]:
            inner = f"{field}.{name}" if field else name
            yield from unlike(expected.get(name), found.get(name), inner)
    elif isinstance(expected, list) and isinstance(found, list):
        for place in range(max(len(expected), len(found))):
            one = expected[place] if place < len(expected) else None
            other = found[place] if place < len(found) else None
            yield from unlike(one, other, f"{field}[{place}]")
    elif type(expected) is not type(found) or not _near(expected, found, field):
        yield Unlike(field, expected, found)


def _near(expected: object, found: object, field: str) -> bool:
    if field.endswith("_ms") and isinstance(expected, int) and isinstance(found, int):
        return abs(expected - found) <= TOLERANCE_MS
    return expected == found
