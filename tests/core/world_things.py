"""What a world is made of: connections, ends of links, clients; and whoever listens to it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from math import inf
from typing import Any, TypeAlias

import attrs
from attrs import define, field

from reconnect.core import effects as fx
from reconnect.core import events as ev
from reconnect.core.messages import (
    AttemptKind,
)
from reconnect.core.outlook import Play
from reconnect.core.peer import Peer
from reconnect.core.record import Record
from reconnect.core.session import Session

PLAYS = (Play.ARMED, Play.PLAYING)

Deed: TypeAlias = Callable[[], None]


@define(eq=False)
class Conn:
    """A control connection: two queues, each in order."""

    id: int
    client: Client
    token: int
    client_open: bool = True
    server_open: bool = True
    broken: bool = False
    """Nothing that is sent from now on arrives."""
    attached: bool = False
    clogged: set[str] = field(factory=set)
    """`up`, `down`: what is sent that way waits."""
    waiting: dict[str, list[Deed]] = field(factory=lambda: {"up": [], "down": []})
    last: dict[str, float] = field(factory=lambda: {"up": -inf, "down": -inf})


@define(eq=False)
class End:
    """One end of a peer link, as its adapter has it."""

    client: Client
    peer: str
    generation: int
    far: End | None = None
    """The other end of the channel that is there, if one is."""
    flow: list[bool] = field(factory=lambda: [True])
    """Whether the channel's flows live; shared by its two ends."""
    attempts: dict[str, AttemptKind] = field(factory=dict)
    """Those that are under way."""


@define(eq=False)
class Client:
    """One life of a player's program, with a clock of its own."""

    name: str
    player: str
    peer: Peer
    token: int
    offset: float
    rate: float
    alive: bool = True
    """Whether the program still runs."""
    awake_at: float = -inf
    """Until when its event loop stands still."""
    inbox: deque[ev.PeerEvent] = field(factory=deque)
    conn: Conn | None = None
    offline: bool = False
    """Dials fail."""
    deaf: bool = False
    """What the coordinator says waits, on every connection; what it is told arrives."""
    ends: dict[str, End] = field(factory=dict)
    due: float = -inf
    last: float = -inf
    """Its clock at the last call."""
    has_game: bool = False
    """Whether it has played, or has been given the game of one that has."""
    fails: bool = False
    """The next time that its application is asked for something, it raises."""
    offered: int = 0
    heard: dict[str, int] = field(factory=dict)
    """The last number taken from each far client."""

    def clock(self, now: float) -> float:
        return max(self.last, self.offset + self.rate * now)

    @property
    def silent(self) -> bool:
        """Whether nothing can be asked of it any more."""
        return not self.alive or (self.peer.ended and self.peer.deadline == inf)


class Ear:
    """What watches a world; it hears of everything before and after it happens."""

    def before_client(self, world: Any, client: Client, event: ev.PeerEvent) -> None: ...

    def after_client(
        self, world: Any, client: Client, event: ev.PeerEvent, effects: list[fx.PeerEffect]
    ) -> None: ...

    def taken(self, world: Any, client: Client, sender: str, data: bytes) -> None: ...

    def before_session(self, world: Any, session: Session, event: ev.SessionEvent) -> None: ...

    def after_session(
        self,
        world: Any,
        session: Session,
        event: ev.SessionEvent,
        effects: list[fx.SessionEffect],
    ) -> None: ...

    def saved(self, world: Any, record: Record) -> None: ...

    def loaded(self, world: Any, session: Session) -> None: ...


def spelled(value: object) -> str:
    """A value written out the same way in every process."""
    if isinstance(value, frozenset):
        return spelled(sorted(value, key=str))
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(spelled, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{name}: {spelled(one)}' for name, one in value.items())}}}"
    if attrs.has(type(value)):
        fields = [spelled(getattr(value, one.name)) for one in attrs.fields(type(value))]
        return f"{type(value).__name__}({', '.join(fields)})"
    return repr(value)
